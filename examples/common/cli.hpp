// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The command line that all examples share, and the line they end with.
///
///     int main(int argc, char** argv) {
///         const examples::Options options = examples::parse(argc, argv, "moons", "Two moons told apart.", {.epochs = 1000});
///         …
///         examples::Result().add("epochs", epochs).add("accuracy", accuracy, 4).print();
///     }
///
/// An example is built once for each device: `moons` for the CPU, and where there is headtorch::cuda, from the same source with Cuda as
/// headtorch's default device, `moons-cuda`. Either takes --device, and makes room for the other when that is asked for.

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <headtorch/device/device.hpp>
#include <string>
#include <utility>
#include <vector>

namespace examples {

/// An option, what it is set to, and whether the command line says so.
struct Setting {
    std::string flag, value, help;
    bool given = false;
};

/// What the command line says. An example gives its own defaults to parse().
struct Options {
    std::uint64_t seed = 0;
    std::int64_t epochs = 0;
    int threads = 0;                  // 0: as many as OMP_NUM_THREADS says, or else as the machine has
    std::filesystem::path out = ".";  // pictures go here; parse() makes the directory
    std::filesystem::path data{};     // empty: where the system keeps data sets, see data_directory()
    bool plots = true;                // false with --no-plots
    bool live = false;                // --live: draw while training
    std::string device = "cpu";       // where the network is: that of this program
    // set by parse()
    std::string name{}, description{}, command{};  // of the example; the command as one could type it
    std::vector<Setting> settings{};               // all options there are
    bool page = false;                             // --out was given: leave a page there, see page.hpp

    /// A file in the output directory, as a string: `options.file("loss.png")`.
    std::string file(const std::string& base) const { return (out / base).string(); }
};

/// An option of one example alone, with the values that it may have: `{"--variant", "What to train", {"small", "large"}, &variant}`.
/// `value` holds the default, and then what the command line says; so it does in the others.
struct Choice {
    std::string flag, help;
    std::vector<std::string> values;
    std::string* value;
};
/// A switch: `{"--synthetic", "Train on drawn shapes", &synthetic}`.
struct Switch {
    std::string flag, help;
    bool* value;
};
/// A whole number from `least` to `most`: `{"--images", "How many to draw", 1, 1000, &images}`.
struct Number {
    std::string flag, help;
    std::int64_t least, most;
    std::int64_t* value;
};
/// What an example takes beyond what all take.
struct Extras {
    std::vector<Choice> choices{};
    std::vector<Switch> switches{};
    std::vector<Number> numbers{};
    bool live = false;   // the example draws while it trains, and so takes --live
    bool device = true;  // false: nothing of it could be on a GPU, and it takes no --device
};

/// The GPU's name, or "" where there is none. In common/cuda_device.cpp, which only programs for Cuda are linked with.
std::string gpu_name();

/// parse() for a program that was built for a device; `gpu` is gpu_name, or null.
Options parse_for(headtorch::DeviceKind device, std::string (*gpu)(), int argc, const char* const* argv, const std::string& name,
                  const std::string& description, Options defaults, const Extras& extras);

/// Reads `--help --seed --epochs --threads --device --out DIR --data DIR --no-plots` and the extras, makes the output directory, then seeds
/// headtorch's default generator and sets its number of threads. A wrong value ends the program with one line on the error stream and exit
/// code 2. An exception that nobody catches later on ends it with its message as one line, and exit code 1.
template <class D = headtorch::DefaultDevice>
Options parse(int argc, const char* const* argv, const std::string& name, const std::string& description, Options defaults = {},
              const Extras& extras = {}) {
    std::string (*gpu)() = nullptr;
    if constexpr (!std::same_as<D, headtorch::Cpu>) gpu = &gpu_name;
    return parse_for(headtorch::device_kind<D>, gpu, argc, argv, name, description, std::move(defaults), extras);
}

/// Ends the program with `name: text` on the error stream and exit code 2.
[[noreturn]] void fail(const Options& options, const std::string& text);

/// The directory with the data set `name`: `--data` if it was given, else `name` in $HEADTORCH_DATA, in
/// ${XDG_DATA_HOME:-~/.local/share}/headtorch or in /usr/share/datasets, the first that has a file called `file`, plain or with .gz.
/// When there is none, ends the program with a line that says where it looked and `remedy`.
std::filesystem::path data_directory(const Options& options, const std::string& name, const std::string& file, const std::string& remedy);

class Page;

/// The last line of an example: `result: key=value key=value …`. Numbers are printed with the digits given here, after the point.
class Result {
public:
    struct Entry {
        std::string key, value, name, unit;
    };
    Result& add(const std::string& key, double value, int digits = 4);
    Result& add(const std::string& key, std::int64_t value);
    Result& add(const std::string& key, int value) { return add(key, static_cast<std::int64_t>(value)); }
    Result& add(const std::string& key, const std::string& value);
    Result& add(const std::string& key, const char* value) { return add(key, std::string(value)); }
    /// How the number added last is called in the page: `.add("accuracy", a).called("share of the test points")`.
    Result& called(const std::string& name, const std::string& unit = "");

    const std::vector<Entry>& entries() const { return entries_; }
    void print() const;            // to standard output
    void print(Page& page) const;  // writes the page, then prints; of a GPU, both begin with the device

private:
    std::vector<Entry> entries_;
};

}  // namespace examples
