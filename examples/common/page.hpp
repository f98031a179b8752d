// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The page that a demo leaves in its `--out DIR`: DIR/index.html with its settings, numbers, tables and pictures.
///
///     const examples::Options options = examples::parse(argc, argv, "moons", "Two moons told apart by …", …);
///     examples::Page page(options, "Two moons");
///     page.print("The network", net.to_string());                          // on the console and in the page
///     page.log("epoch %d: loss %.4f\n", epoch, loss);                      // the same, line by line
///     page.table("Losses", {"output", "loss"}, rows);                      // the same
///     if (options.plots)
///         page.picture(figure, "moons_loss.png", "Caption: what to see in it.", "Alt text: what it shows, for who cannot see it");
///     examples::Result().add("accuracy", accuracy).called("share of the test points").print(page);  // last line; writes the page
///
/// Without `--out` nothing but the pictures is written. Pictures, tables and texts stand in the page in the order of the calls.

#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "examples/common/cli.hpp"

namespace examples {

/// Text as std::printf would print it.
[[gnu::format(printf, 1, 2)]] std::string format(const char* format, ...);

class Page {
public:
    /// `title` is the page's heading; the demo's description, which parse() was given, stands below it. Takes the settings as they are now.
    Page(const Options& options, std::string title);

    /// Shows another value of an option than the command line says ("20" epochs where 0 stood for a choice of the demo), or one more setting.
    Page& setting(const std::string& name, const std::string& value, const std::string& help = "");

    /// A heading within the page, and a paragraph: not printed.
    Page& heading(const std::string& text);
    Page& paragraph(const std::string& text);

    /// Prints `text` and a line end. In the page it stands under `heading`.
    Page& print(const std::string& heading, const std::string& text);

    /// Prints as std::printf does. In the page all that was printed so stands together under "Log".
    [[gnu::format(printf, 2, 3)]] void log(const char* format, ...);

    /// Prints a table, its columns side by side, and shows it. Columns of numbers are set flush right.
    Page& table(const std::string& caption, const std::vector<std::string>& columns, const std::vector<std::vector<std::string>>& rows);

    /// Saves a drawing (viz::Figure, viz::ImageGrid, all that has `save(path)`) as `file` in the output directory, .png or .svg, and shows
    /// it. The first picture of a page, or the one marked by main_picture(), also stands for the demo in the gallery. Where nothing was
    /// drawn (no gnuplot: save() returned false) nothing is shown.
    template <class Drawing>
    Page& picture(const Drawing& drawing, const std::string& file, const std::string& caption, const std::string& alt) {
        if constexpr (std::is_same_v<decltype(drawing.save(path(file))), bool>) {
            if (!drawing.save(path(file))) return *this;
        } else {
            drawing.save(path(file));
        }
        return saved_picture(file, caption, alt);
    }
    /// Shows a picture that is in the output directory.
    Page& saved_picture(const std::string& file, const std::string& caption, const std::string& alt);
    /// The picture added last stands for the demo.
    Page& main_picture();

    /// "cpu" or "cuda".
    const std::string& device() const { return device_; }

    /// Writes the page, whole or not at all. Result::print(page) does it.
    void write(const Result& result);

private:
    std::string path(const std::string& file) const { return (directory_ / file).string(); }

    std::filesystem::path directory_;
    std::string name_, title_, description_, command_, device_, body_, log_, main_picture_, last_picture_;
    std::vector<Setting> settings_;
    int figures_ = 0, tables_ = 0;
    bool wanted_;
};

}  // namespace examples
