// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Learning curves that grow while a network is trained, in a window or in a file.

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "headtorch/viz/learning_curves.hpp"
#include "headtorch/viz/process.hpp"

namespace headtorch::viz {

struct LivePlotOptions {
    LearningCurvesOptions curves{};
    bool window = true;  ///< a window when gnuplot can open one; else, or without this, the file
    double seconds = 1;  ///< the least time between two pictures
};

/// `viz::LivePlot live("losses.png"); for (…) { …; live.update(history); }`. update() returns at once: another process draws, and while it
/// has not finished, or a second has not passed, nothing is done. Whatever goes wrong with gnuplot ends the pictures, never the training.
/// Not to be copied; one thread at a time.
class LivePlot {
public:
    /// The file is written when there is no window, and by finish(). Throws for a name or a folder that cannot be (see Figure::save()).
    explicit LivePlot(std::filesystem::path path, LivePlotOptions options = {}) : path_(std::move(path)), options_(std::move(options)) {
        detail::check_picture_path(path_);
        if (options_.window) terminal_ = detail::window_terminal();
    }
    ~LivePlot() {
        try {
            collect(true);
        } catch (...) {  // out of memory: there is no picture, then
        }
    }
    LivePlot(const LivePlot&) = delete;
    LivePlot& operator=(const LivePlot&) = delete;

    bool has_window() const { return !terminal_.empty(); }

    /// Shows the history as it is now, if it is time to. False when nothing was done.
    bool update(const train::History& history) {
        try {
            return show(history);
        } catch (const Error&) {  // nothing finite yet, or a full disk
            return false;
        }
    }
    /// Writes the file with the last state, and keeps the window open. False when there is no gnuplot or nothing to draw.
    bool finish(const train::History& history) {
        try {
            collect(true);
            if (has_window()) {
                window_.drain(1);
                send(history);
                window_.drain(1);
            }
            return learning_curves(history, options_.curves).save(path_);
        } catch (const Error&) {
            return false;
        }
    }

private:
    using Clock = std::chrono::steady_clock;

    bool show(const train::History& history) {
        collect(false);
        const bool early = started_ && std::chrono::duration<double>(Clock::now() - last_).count() < options_.seconds;
        if (failed_ || early) return false;
        const bool shown = has_window() ? send(history) : start(history);
        if (shown) {
            started_ = true;
            last_ = Clock::now();
        }
        return shown;
    }

    /// A window: gnuplot reads scripts from us as they come.
    bool send(const train::History& history) {
        if (started_ && !window_.running()) return give_up();  // closed by hand, or crashed
        const Panels panels = learning_curves(history, options_.curves);
        const detail::Page page = panels.page();
        std::string script;
        if (!started_) {
            if (!window_.start({gnuplot_program(), "-d"}, true)) return give_up();
            script = "set encoding utf8\nmark_size = 1\n" + detail::join("set terminal ", terminal_, " noenhanced size ", page.width, ",",
                                                                         page.height, " font 'DejaVu Sans,", page.font,
                                                                         "' title 'headtorch' persist noraise\n");
        } else if (!window_.flush()) {
            return false;  // still busy with the last picture
        }
        return window_.write(script + panels.script(page, ".png")) || give_up();
    }
    /// No window, then: the file.
    bool give_up() {
        terminal_.clear();
        window_.close_input();
        return false;
    }

    /// A file: gnuplot draws beside it, and what is complete is put into its place later.
    bool start(const train::History& history) {
        if (drawer_.running()) return false;
        const Panels panels = learning_curves(history, options_.curves);
        const detail::Page page = panels.page();
        picture_ = detail::unique_beside(path_, path_.extension().string());
        script_ = detail::unique_beside(path_, ".gp");
        std::ofstream out(script_);
        out << detail::terminal(picture_, page) << panels.script(page, path_.extension().string()) << "unset output\n";
        out.close();
        if (out && drawer_.start({gnuplot_program(), "-d", script_.string()}, false)) return true;
        if (drawer_.error() == ENOENT) detail::tell_gnuplot_missing();
        failed_ = true;
        remove_files();
        return false;
    }

    /// Puts a picture that is complete into its place.
    void collect(bool wait) {
        if (picture_.empty() || (!wait && drawer_.running())) return;
        std::error_code error;
        failed_ = !drawer_.wait() || std::filesystem::file_size(picture_, error) == 0 || error;
        if (!failed_) {
            if (path_.extension() == ".svg") detail::finish_svg(picture_, options_.curves.title);
            std::filesystem::rename(picture_, path_, error);
        }
        remove_files();
    }
    void remove_files() {
        std::error_code ignored;
        std::filesystem::remove(script_, ignored);
        std::filesystem::remove(picture_, ignored);
        script_.clear();
        picture_.clear();
    }

    std::filesystem::path path_;
    LivePlotOptions options_;
    std::string terminal_;
    detail::Process window_, drawer_;
    std::filesystem::path picture_, script_;
    Clock::time_point last_{};
    bool started_ = false, failed_ = false;
};

}  // namespace headtorch::viz
