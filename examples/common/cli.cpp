// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "examples/common/cli.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <limits>
#include <system_error>
#include <utility>
#include <vector>

#include "examples/common/page.hpp"
#include "headtorch/core/error.hpp"
#include "headtorch/core/random.hpp"
#include "headtorch/device/cpu/parallel.hpp"

namespace examples {
namespace {

std::string one_line(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    for (char& c : text)
        if (c == '\n' || c == '\r') c = ' ';
    return text;
}

/// "a, b or c"
std::string listed(const std::vector<std::string>& values) {
    std::string text;
    for (std::size_t i = 0; i < values.size(); ++i) text += (i == 0 ? "" : i + 1 < values.size() ? ", " : " or ") + values[i];
    return text;
}

/// A whole number from `least` to `most`, or the end of the program.
std::uint64_t number(const Options& options, const std::string& flag, const std::string& text, std::uint64_t least, std::uint64_t most) {
    std::uint64_t value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure != std::errc() || end != text.data() + text.size() || value < least || value > most)
        fail(options,
             flag + " takes a whole number from " + std::to_string(least) + " to " + std::to_string(most) + ", not '" + text + "'");
    return value;
}

/// An argument as one would type it.
std::string shell_word(const std::string& text) {
    const bool plain =
        !text.empty() &&
        text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=:,+@%") == std::string::npos;
    if (plain) return text;
    std::string result = "'";
    for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return result + "'";
}

/// Lets the program for the other device, which lies beside this one, go on in its place with the same arguments.
[[noreturn]] void replace_program(const Options& options, const std::string& device, const char* const* argv) {
    std::error_code unknown;
    std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", unknown);  // Linux; elsewhere as it was called
    if (unknown) self = argv[0];
    const std::filesystem::path other = self.parent_path() / (device == "cuda" ? options.name + "-cuda" : options.name);
    std::fflush(stdout);
    ::execv(other.c_str(), const_cast<char* const*>(argv));
    fail(options, "--device " + device + ": there is no " + other.filename().string() + " beside this program; " +
                      (device == "cuda" ? "it is built where the CUDA Toolkit is found: "
                                          "cmake -B build -D HEADTORCH_CUDA=ON && cmake --build build"
                                        : "it is built from the same source"));
}

std::string program_name;  // NOLINT: the terminate handler takes no argument

[[noreturn]] void report_and_exit() {
    std::string text = "ended without an exception";
    try {
        if (const std::exception_ptr failure = std::current_exception()) std::rethrow_exception(failure);
    } catch (const std::exception& failure) {
        text = failure.what();
    } catch (...) {
        text = "ended by an exception of unknown type";
    }
    std::fflush(stdout);
    std::fprintf(stderr, "%s: %s\n", program_name.c_str(), one_line(text).c_str());
    std::_Exit(1);
}

}  // namespace

void fail(const Options& options, const std::string& text) {
    std::fflush(stdout);
    std::fprintf(stderr, "%s: %s\n", options.name.c_str(), one_line(text).c_str());
    std::exit(2);
}

Options parse_for(headtorch::DeviceKind built_for, std::string (*gpu)(), int argc, const char* const* argv, const std::string& name,
                  const std::string& description, Options defaults, const Extras& extras) {
    Options options = std::move(defaults);
    options.name = name;
    options.description = description;
    program_name = name;
    std::set_terminate(report_and_exit);

    std::string seed = std::to_string(options.seed);
    std::string epochs = options.epochs > 0 ? std::to_string(options.epochs) : "";
    std::string threads = std::to_string(options.threads);
    std::string out = options.out.string();
    std::string data = options.data.string();
    std::string device(headtorch::name(built_for));
    options.device = device;
    bool no_plots = !options.plots, live = options.live;

    CLI::App app(description, name);
    app.add_option("--seed", seed, "Seed of the random numbers")->type_name("N")->capture_default_str();
    app.add_option("--epochs", epochs, "Passes over the training data")->type_name("N")->capture_default_str();
    app.add_option("--threads", threads, "Threads for large operations; 0: all that the machine has")
        ->type_name("N")
        ->capture_default_str();
    if (extras.device) app.add_option("--device", device, "Where the network is: cpu or cuda")->type_name("NAME")->capture_default_str();
    app.add_option("--out", out, "Directory for the pictures, and for a page that shows them (index.html); made if need be")
        ->type_name("DIR")
        ->capture_default_str();
    app.add_option("--data", data, "Directory of the data set, for examples that read one")->type_name("DIR");
    app.add_flag("--no-plots", no_plots, "Draw no pictures");
    if (extras.live) app.add_flag("--live", live, "Draw the learning curves while training");
    for (const Choice& choice : extras.choices)
        app.add_option(choice.flag, *choice.value, choice.help + ": " + listed(choice.values))->type_name("NAME")->capture_default_str();
    for (const Switch& one : extras.switches) app.add_flag(one.flag, *one.value, one.help);
    std::vector<std::string> numbers;
    for (const Number& one : extras.numbers) numbers.push_back(std::to_string(*one.value));
    for (std::size_t i = 0; i < numbers.size(); ++i)
        app.add_option(extras.numbers[i].flag, numbers[i], extras.numbers[i].help)->type_name("N")->capture_default_str();
    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        std::printf("%s", app.help().c_str());
        std::exit(0);
    } catch (const CLI::ParseError& failure) {
        fail(options, std::string(failure.what()) + " (--help lists the options)");
    }

    if (device != "cpu" && device != "cuda") fail(options, "--device takes cpu or cuda, not '" + device + "'");
    if (device != options.device) replace_program(options, device, argv);

    options.seed = number(options, "--seed", seed, 0, std::numeric_limits<std::uint64_t>::max());
    if (app.count("--epochs") > 0) options.epochs = static_cast<std::int64_t>(number(options, "--epochs", epochs, 1, 1'000'000'000));
    options.threads = static_cast<int>(number(options, "--threads", threads, 0, 1024));
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        const auto& [flag, help, least, most, value] = extras.numbers[i];
        *value = static_cast<std::int64_t>(
            number(options, flag, numbers[i], static_cast<std::uint64_t>(least), static_cast<std::uint64_t>(most)));
    }
    for (const auto& [flag, help, values, value] : extras.choices)
        if (std::find(values.begin(), values.end(), *value) == values.end())
            fail(options, flag + " takes " + listed(values) + ", not '" + *value + "'");
    options.plots = !no_plots;
    options.live = live;
    options.data = data;
    options.out = out;
    options.page = app.count("--out") > 0;
    options.command = name;
    for (int i = 1; i < argc; ++i) options.command += " " + shell_word(argv[i]);
    const std::string found = gpu ? gpu() : "";
    if (gpu && found.empty()) fail(options, "--device cuda: there is no NVIDIA GPU here, or no driver for it");
    if (gpu && app.count("--device") == 0) options.command += " --device " + device;
    options.settings = {{"--seed", seed, "", false},
                        {"--epochs", epochs, "", false},
                        {"--threads", threads == "0" ? "0, here " + std::to_string(headtorch::get_num_threads()) : threads, "", false},
                        {"--device", device + (found.empty() ? "" : ", " + found), "", false},
                        {"--out", out, "", false},
                        {"--data", data.empty() ? "where the system keeps them" : data, "", false},
                        {"--no-plots", no_plots ? "yes" : "no", "", false}};
    if (!extras.device) std::erase_if(options.settings, [](const Setting& one) { return one.flag == "--device"; });
    if (extras.live) options.settings.push_back({"--live", live ? "yes" : "no", "", false});
    for (const Choice& choice : extras.choices) options.settings.push_back({choice.flag, *choice.value, "", false});
    for (const Switch& one : extras.switches) options.settings.push_back({one.flag, *one.value ? "yes" : "no", "", false});
    for (std::size_t i = 0; i < numbers.size(); ++i) options.settings.push_back({extras.numbers[i].flag, numbers[i], "", false});
    for (Setting& setting : options.settings) {
        setting.help = app.get_option(setting.flag)->get_description();
        setting.given = app.count(setting.flag) > 0;
    }
    if (out.empty()) fail(options, "--out takes a directory, not an empty name");
    std::error_code problem;
    if (!data.empty() && !std::filesystem::is_directory(options.data, problem))
        fail(options, "--data: there is no directory '" + data + "'");
    std::filesystem::create_directories(options.out, problem);
    if (!std::filesystem::is_directory(options.out)) {
        fail(options, "--out: cannot make the directory '" + out + "'" + (problem ? ": " + problem.message() : ""));
    }

    headtorch::manual_seed(options.seed);
    if (options.threads > 0) headtorch::set_num_threads(options.threads);
    return options;
}

std::filesystem::path data_directory(const Options& options, const std::string& name, const std::string& file, const std::string& remedy) {
    const auto has_it = [&](const std::filesystem::path& directory) {
        std::error_code ignored;
        return std::filesystem::exists(directory / file, ignored) || std::filesystem::exists(directory / (file + ".gz"), ignored);
    };
    if (!options.data.empty()) {
        if (has_it(options.data)) return options.data;
        if (has_it(options.data / name)) return options.data / name;
        fail(options, "--data: there is no " + file + " or " + file + ".gz in '" + options.data.string() + "'");
    }
    std::vector<std::filesystem::path> places;
    if (const char* own = std::getenv("HEADTORCH_DATA")) places.emplace_back(own);
    if (const char* share = std::getenv("XDG_DATA_HOME"))
        places.emplace_back(std::filesystem::path(share) / "headtorch");
    else if (const char* home = std::getenv("HOME"))
        places.emplace_back(std::filesystem::path(home) / ".local/share/headtorch");
    places.emplace_back("/usr/share/datasets");
    std::string looked;
    for (const std::filesystem::path& place : places) {
        if (has_it(place / name)) return place / name;
        looked += (looked.empty() ? "" : ", ") + (place / name).string();
    }
    fail(options, "no " + file + " in " + looked + "; " + remedy);
}

Result& Result::add(const std::string& key, double value, int digits) {
    char text[64];
    std::snprintf(text, sizeof text, "%.*f", digits, value);
    return add(key, std::string(text));
}

Result& Result::add(const std::string& key, std::int64_t value) { return add(key, std::to_string(value)); }

Result& Result::add(const std::string& key, const std::string& value) {
    std::string name = key;
    std::replace(name.begin(), name.end(), '_', ' ');
    entries_.push_back({key, value, name, ""});
    return *this;
}

Result& Result::called(const std::string& name, const std::string& unit) {
    if (entries_.empty()) throw headtorch::ValueError("called: add() a number first");
    entries_.back().name = name;
    entries_.back().unit = unit;
    return *this;
}

void Result::print() const {
    std::string line = "result:";
    for (const Entry& entry : entries_) line += " " + entry.key + "=" + entry.value;
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
}

void Result::print(Page& page) const {
    Result result;
    if (page.device() != "cpu") result.add("device", page.device());
    result.entries_.insert(result.entries_.end(), entries_.begin(), entries_.end());
    page.write(result);
    result.print();
}

}  // namespace examples
