// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// The order of the folders, the form of the headers, and what stands at the top: read from the source tree, as text.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/support/catch.hpp"

namespace {

namespace fs = std::filesystem;

struct Header {
    std::vector<std::string> lines;
    std::vector<std::string> ours;    // "headtorch/ops/sum.hpp"
    std::vector<std::string> others;  // "vector", "Eigen/Core"
};

std::string trimmed(const std::string& line) {
    const auto first = line.find_first_not_of(" \t");
    return first == std::string::npos ? "" : line.substr(first);
}

std::vector<std::string> lines_of(const fs::path& file) {
    std::ifstream in(file);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

/// All headers by the name that an include gives them.
const std::map<std::string, Header>& headers() {
    static const std::map<std::string, Header> all = [] {
        std::map<std::string, Header> found;
        const fs::path root = fs::path(HEADTORCH_SOURCE_DIR) / "include";
        for (const auto& entry : fs::recursive_directory_iterator(root)) {
            if (!entry.is_regular_file()) continue;
            Header header;
            header.lines = lines_of(entry.path());
            for (const std::string& line : header.lines) {
                const std::string text = trimmed(line);
                if (text.rfind("#include", 0) != 0) continue;
                const auto open = text.find_first_of("<\"");
                const auto close = text.find_first_of(">\"", open + 1);
                if (open == std::string::npos || close == std::string::npos) continue;
                (text[open] == '"' ? header.ours : header.others).push_back(text.substr(open + 1, close - open - 1));
            }
            found.emplace(fs::relative(entry.path(), root).generic_string(), std::move(header));
        }
        return found;
    }();
    return all;
}

/// "ops" for "headtorch/ops/sum.hpp", "" for "headtorch/headtorch.hpp".
std::string folder_of(const std::string& header) {
    const auto first = header.find('/');
    const auto second = header.find('/', first + 1);
    return second == std::string::npos ? "" : header.substr(first + 1, second - first - 1);
}

/// Left to right; folders of one number stand side by side.
const std::map<std::string, int>& order() {
    static const std::map<std::string, int> ranks = {{"core", 0},  {"device", 1}, {"tensor", 2}, {"autograd", 3}, {"ops", 4}, {"nn", 5},
                                                     {"optim", 6}, {"data", 6},   {"io", 6},     {"train", 6},    {"viz", 6}, {"", 7}};
    return ranks;
}

/// A circle in a graph, as "a -> b -> a", or nothing.
std::string circle_in(const std::map<std::string, std::set<std::string>>& graph) {
    enum class Mark { none, open, done };
    std::map<std::string, Mark> marks;
    std::vector<std::string> path;
    std::string circle;
    const std::function<bool(const std::string&)> visit = [&](const std::string& node) {
        if (marks[node] == Mark::done) return false;
        if (marks[node] == Mark::open) {
            for (auto at = std::find(path.begin(), path.end(), node); at != path.end(); ++at) circle += *at + " -> ";
            circle += node;
            return true;
        }
        marks[node] = Mark::open;
        path.push_back(node);
        if (const auto edges = graph.find(node); edges != graph.end())
            for (const std::string& next : edges->second)
                if (visit(next)) return true;
        path.pop_back();
        marks[node] = Mark::done;
        return false;
    };
    for (const auto& [node, edges] : graph)
        if (visit(node)) return circle;
    return "";
}

/// Everything that a header reaches, itself included.
std::set<std::string> reached_from(const std::string& header) {
    std::set<std::string> seen;
    std::vector<std::string> open = {header};
    while (!open.empty()) {
        const std::string next = open.back();
        open.pop_back();
        if (!seen.insert(next).second || !headers().contains(next)) continue;
        for (const std::string& other : headers().at(next).ours) open.push_back(other);
    }
    return seen;
}

void require_none(const std::vector<std::string>& offences) {
    std::string text;
    for (const std::string& offence : offences) text += "\n  " + offence;
    INFO(text);
    CHECK(offences.empty());
}

}  // namespace

TEST_CASE("the headers are found", "[structure]") {
    REQUIRE(headers().size() > 10);
    REQUIRE(headers().contains("headtorch/headtorch.hpp"));
}

TEST_CASE("every include of ours names a header that is there", "[structure]") {
    std::vector<std::string> offences;
    for (const auto& [name, header] : headers())
        for (const std::string& other : header.ours)
            if (!headers().contains(other)) offences.push_back(name + " includes \"" + other + "\"");
    require_none(offences);
}

TEST_CASE("a folder includes nothing from a folder to its right", "[structure]") {
    std::vector<std::string> offences;
    for (const auto& [name, header] : headers()) {
        if (!order().contains(folder_of(name))) {
            offences.push_back(name + " is in a folder that the order does not know");
            continue;
        }
        for (const std::string& other : header.ours)
            if (order().contains(folder_of(other)) && order().at(folder_of(other)) > order().at(folder_of(name)))
                offences.push_back(name + " includes " + other);
    }
    require_none(offences);
}

TEST_CASE("neither headers nor folders include one another in a circle", "[structure]") {
    std::map<std::string, std::set<std::string>> files;
    std::map<std::string, std::set<std::string>> folders;
    for (const auto& [name, header] : headers())
        for (const std::string& other : header.ours) {
            files[name].insert(other);
            if (folder_of(name) != folder_of(other)) folders[folder_of(name)].insert(folder_of(other));
        }
    CHECK(circle_in(files) == "");
    CHECK(circle_in(folders) == "");
    CHECK(circle_in({{"a", {"b"}}, {"b", {"c"}}, {"c", {"b"}}}) == "b -> c -> b");  // the search itself finds circles
}

TEST_CASE("conditional compilation and macros stay in core/config.hpp and device/", "[structure]") {
    std::vector<std::string> offences;
    for (const auto& [name, header] : headers()) {
        // macros are the interface of stb, too
        if (name == "headtorch/core/config.hpp" || name == "headtorch/io/stb.hpp" || folder_of(name) == "device") continue;
        for (const std::string& line : header.lines) {
            const std::string text = trimmed(line);
            if (text.rfind('#', 0) == 0 && text.rfind("#include", 0) != 0 && text.rfind("#pragma once", 0) != 0)
                offences.push_back(name + ": " + text);
        }
    }
    require_none(offences);
}

TEST_CASE("Eigen, OpenMP and intrinsics are included by device/cpu only", "[structure]") {
    std::vector<std::string> offences;
    for (const auto& [name, header] : headers()) {
        if (name.rfind("headtorch/device/cpu/", 0) == 0) continue;
        for (const std::string& other : header.others)
            if (other.rfind("Eigen/", 0) == 0 || other == "omp.h" || other.find("intrin.h") != std::string::npos)
                offences.push_back(name + " includes <" + other + ">");
    }
    require_none(offences);
}

TEST_CASE("CUDA is included by device/cuda and cuda.hpp only, and cuda.hpp reaches all of it", "[structure]") {
    std::vector<std::string> offences;
    const std::set<std::string> reached = reached_from("headtorch/cuda.hpp");
    for (const auto& [name, header] : headers()) {
        if (name.rfind("headtorch/device/cuda/", 0) == 0) {
            if (!reached.contains(name)) offences.push_back(name + " is not reached from cuda.hpp");
            continue;
        }
        for (const std::string& other : header.others)
            if (other.rfind("cu", 0) == 0) offences.push_back(name + " includes <" + other + ">");
        for (const std::string& other : header.ours)
            if (other.rfind("headtorch/device/cuda/", 0) == 0 && name != "headtorch/cuda.hpp") offences.push_back(name + " includes " + other);
    }
    require_none(offences);
}

TEST_CASE("the umbrella and debug.hpp reach all that needs Eigen alone, and nothing more", "[structure]") {
    std::set<std::string> reached = reached_from("headtorch/headtorch.hpp");
    reached.merge(reached_from("headtorch/debug.hpp"));
    const auto needs_more = [](const std::string& name) {
        const std::set<std::string> own = reached_from(name);
        return std::any_of(own.begin(), own.end(), [](const std::string& each) {
            if (!headers().contains(each)) return false;
            const std::vector<std::string>& others = headers().at(each).others;
            return std::any_of(others.begin(), others.end(), [](const auto& o) { return o == "zlib.h" || o == "nlohmann/json.hpp"; });
        });
    };
    std::set<std::string> parts;  // of a header that needs more, in its folder: as train/parity/report.hpp of train/parity.hpp
    for (const auto& [name, header] : headers())
        if (needs_more(name))
            for (const std::string& each : reached_from(name))
                if (folder_of(each) == folder_of(name)) parts.insert(each);
    std::vector<std::string> offences;
    for (const auto& [name, header] : headers()) {
        if (name.rfind("headtorch/device/cuda/", 0) == 0) continue;
        const bool opt_in = needs_more(name), in_umbrella = reached.contains(name);
        if (opt_in && in_umbrella) offences.push_back(name + " needs zlib or nlohmann-json, and the umbrella includes it");
        if (!opt_in && !in_umbrella && !parts.contains(name) && !folder_of(name).empty() && folder_of(name) != "viz" && folder_of(name) != "io")
            offences.push_back(name + " is not reached from the umbrella");
    }
    require_none(offences);
}

TEST_CASE("every header has its licence, its guard, its first sentence, and fits on a few screens", "[structure]") {
    std::vector<std::string> offences;
    for (const auto& [name, header] : headers()) {
        const std::vector<std::string>& lines = header.lines;
        if (lines.size() < 5 || lines[0].rfind("// headtorch", 0) != 0 || lines[1] != "// SPDX-License-Identifier: MIT")
            offences.push_back(name + ": the first two lines are not the licence header");
        if (lines.size() < 3 || lines[2] != "#pragma once") offences.push_back(name + ": line 3 is not #pragma once");
        if (lines.size() < 5 || lines[4].rfind("/// ", 0) != 0) offences.push_back(name + ": line 5 does not say what the header is");
        if (lines.size() > 400) offences.push_back(name + ": " + std::to_string(lines.size()) + " lines, 400 at most");
        for (std::size_t i = 0; i < lines.size(); ++i) {
            // Bytes that continue a UTF-8 character take no column.
            const auto columns = std::count_if(lines[i].begin(), lines[i].end(), [](char c) { return (c & 0xC0) != 0x80; });
            if (columns > 140)
                offences.push_back(name + ":" + std::to_string(i + 1) + ": " + std::to_string(columns) + " columns, 140 at most");
            if (lines[i].find('\t') != std::string::npos) offences.push_back(name + ":" + std::to_string(i + 1) + ": a tab");
        }
    }
    require_none(offences);
}

TEST_CASE("nothing is left for later", "[structure]") {
    std::vector<std::string> offences;
    for (const auto& [name, header] : headers())
        for (const std::string& line : header.lines)
            for (const std::string& word : {std::string("TO") + "DO", std::string("FIX") + "ME", std::string("not imple") + "mented"})
                if (line.find(word) != std::string::npos) offences.push_back(name + ": " + trimmed(line));
    require_none(offences);
}

TEST_CASE("the top level holds what the README says, and dot-files", "[structure]") {
    const std::set<std::string> allowed = {"include",           "tests",     "examples", "benchmarks", "cmake", "CMakeLists.txt",
                                           "CMakePresets.json", "README.md", "LICENSE"};
    const std::set<std::string> ignored = {"build", "install", "CMakeUserPresets.json", "compile_commands.json"};  // as in .gitignore
    std::set<std::string> there;
    std::vector<std::string> offences;
    for (const auto& entry : fs::directory_iterator(HEADTORCH_SOURCE_DIR)) {
        const std::string name = entry.path().filename().string();
        there.insert(name);
        if (name.front() != '.' && name.rfind("build-", 0) != 0 && !allowed.contains(name) && !ignored.contains(name))
            offences.push_back(name);
    }
    for (const std::string& name : allowed)
        if (!there.contains(name)) offences.push_back(name + " is missing");
    require_none(offences);
}

TEST_CASE("tests mirror the headers", "[structure]") {
    const std::set<std::string> beside = {"cuda", "data", "examples", "fuzz", "parity", "reference", "structure", "support"};  // of the tests alone
    std::vector<std::string> offences;
    for (const auto& entry : fs::directory_iterator(HEADTORCH_TESTS_DIR)) {
        const std::string name = entry.path().filename().string();
        if (entry.is_directory() && !order().contains(name) && !beside.contains(name)) offences.push_back("tests/" + name);
    }
    require_none(offences);
}
