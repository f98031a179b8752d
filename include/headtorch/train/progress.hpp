// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// A progress bar on stderr: how far, how fast, how long still, and the latest metrics. Silent when stderr is not a terminal.

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "headtorch/core/error.hpp"

namespace headtorch::train {
namespace detail {

/// 5 s, 2:05, 1:02:05.
inline std::string duration_text(double seconds) {
    if (!std::isfinite(seconds) || seconds < 0) return "?";
    const auto s = static_cast<long long>(seconds + 0.5);
    char text[48];
    if (s < 60)
        std::snprintf(text, sizeof text, "%lld s", s);
    else if (s < 3600)
        std::snprintf(text, sizeof text, "%lld:%02lld", s / 60, s % 60);
    else
        std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    return text;
}

/// Steps a second, or seconds a step when they are slow.
inline std::string rate_text(double per_second) {
    char text[48];
    if (!std::isfinite(per_second) || per_second <= 0) return "?/s";
    if (per_second >= 1e4)
        std::snprintf(text, sizeof text, "%.1fk/s", per_second / 1e3);
    else if (per_second >= 1)
        std::snprintf(text, sizeof text, per_second < 100 ? "%.1f/s" : "%.0f/s", per_second);
    else
        std::snprintf(text, sizeof text, "%.1f s each", 1 / per_second);
    return text;
}

/// One line of at most `width` characters. A negative `total` is one that is not known.
inline std::string progress_line(std::string_view description, std::int64_t done, std::int64_t total, double seconds,
                                 std::string_view metrics, int width) {
    const double share = total > 0 ? std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0) : 1;
    const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
    std::string head(description);
    if (total < 0) {
        std::string line = message(head, head.empty() ? "" : " ", done, " ", rate_text(rate), ", ", duration_text(seconds));
        if (!metrics.empty()) line.append("  ").append(metrics);
        return line.substr(0, static_cast<std::size_t>(std::max(0, width)));
    }
    char percent[8];
    std::snprintf(percent, sizeof percent, "%3.0f%%", std::floor(100 * share));
    if (!head.empty()) head += ' ';
    head += percent;
    std::string tail = " " + std::to_string(done) + "/" + std::to_string(total) + " " + rate_text(rate) + ", " +
                       (done < total ? duration_text(static_cast<double>(total - done) / rate) + " left" : duration_text(seconds));
    if (!metrics.empty()) tail += "  " + std::string(metrics);
    const int room = width - static_cast<int>(head.size() + tail.size()) - 3;
    std::string line = head;
    if (room >= 5) {
        const int cells = std::min(room, 30), full = static_cast<int>(share * cells);
        line += " [" + std::string(static_cast<std::size_t>(full), '=') + std::string(static_cast<std::size_t>(cells - full), ' ') + "]";
    }
    line += tail;
    return line.substr(0, static_cast<std::size_t>(std::max(0, width)));
}

inline int terminal_width() {
    const char* columns = std::getenv("COLUMNS");
    struct winsize size {};
    const int width = columns ? std::atoi(columns) : ioctl(2, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
    return width > 20 ? width - 1 : 79;
}

}  // namespace detail

struct ProgressOptions {
    std::string description = "";
    bool always = false;  ///< draw even when stderr is not a terminal
};

class Progress {
public:
    using Metrics = std::initializer_list<std::pair<std::string_view, double>>;

    explicit Progress(std::int64_t total, ProgressOptions options = {})
        : total_(total), options_(std::move(options)), visible_(options_.always || ::isatty(2) != 0), start_(Clock::now()) {}
    ~Progress() { finish(); }
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    /// One step further; draws at most ten times a second.
    void step(Metrics metrics = {}, std::int64_t count = 1) {
        done_ += count;
        if (!visible_) return;
        const auto now = Clock::now();
        if (drawn_ && now - last_ < std::chrono::milliseconds(100)) return;
        draw(metrics, now);
    }
    /// The same with the metrics as a text, which is asked for only when the bar is drawn.
    template <class Text>
    void step_with(const Text& text) {
        ++done_;
        if (!visible_) return;
        const auto now = Clock::now();
        if (drawn_ && now - last_ < std::chrono::milliseconds(100)) return;
        text_ = text();
        draw({}, now);
    }
    /// A line of its own on standard output, above the bar.
    void print(const std::string& line) {
        if (drawn_ && !finished_) std::fputs("\r\033[K", stderr);
        std::printf("%s\n", line.c_str());
        std::fflush(stdout);
    }
    /// Draws the last state and ends the line; called by the destructor, too.
    void finish(Metrics metrics = {}) {
        if (finished_) return;
        finished_ = true;
        if (!visible_) return;
        draw(metrics, Clock::now());
        std::fputc('\n', stderr);
    }
    /// Takes the bar away.
    void clear() {
        if (drawn_ && !finished_) std::fputs("\r\033[K", stderr);
        finished_ = true;
    }
    std::int64_t done() const { return done_; }
    double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

private:
    using Clock = std::chrono::steady_clock;

    void draw(Metrics metrics, Clock::time_point now) {
        drawn_ = true;
        last_ = now;
        if (metrics.size() > 0) {
            text_.clear();
            for (const auto& [name, value] : metrics) {
                char number[32];
                std::snprintf(number, sizeof number, " %.4g", value);
                text_ += (text_.empty() ? "" : ", ") + std::string(name) + number;
            }
        }
        const double seconds = std::chrono::duration<double>(now - start_).count();
        std::fprintf(stderr, "\r%s\033[K",
                     detail::progress_line(options_.description, done_, total_, seconds, text_, detail::terminal_width()).c_str());
        std::fflush(stderr);
    }

    std::int64_t total_, done_ = 0;
    ProgressOptions options_;
    bool visible_, drawn_ = false, finished_ = false;
    Clock::time_point start_, last_;
    std::string text_;
};

}  // namespace headtorch::train
