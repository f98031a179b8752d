// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Reads tests/reference/data/sklearn.txt, written by tests/reference/make_sklearn_reference.py.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "headtorch/core/shape.hpp"
#include "headtorch/tensor/access.hpp"
#include "headtorch/tensor/tensor.hpp"
#include "tests/support/catch.hpp"

struct ReferenceValues {
    headtorch::Shape shape;
    std::vector<std::string> words;

    std::vector<double> numbers() const {
        std::vector<double> values;
        for (const std::string& word : words) values.push_back(std::strtod(word.c_str(), nullptr));
        return values;
    }
    std::vector<std::int64_t> integers() const {
        std::vector<std::int64_t> values;
        for (const std::string& word : words) values.push_back(std::stoll(word));
        return values;
    }
};

inline const ReferenceValues& reference(const std::string& key) {
    static const std::map<std::string, ReferenceValues> all = [] {
        std::map<std::string, ReferenceValues> found;
        std::ifstream file(std::string(HEADTORCH_TESTS_DIR) + "/reference/data/sklearn.txt");
        for (std::string line; std::getline(file, line);) {
            if (line.empty() || line[0] == '#') continue;
            std::istringstream words(line);
            std::string name, shape;
            words >> name >> shape;
            ReferenceValues values;
            std::istringstream sizes(shape);
            if (shape != "scalar")
                for (std::string size; std::getline(sizes, size, 'x');) values.shape.push_back(std::stoll(size));
            for (std::string word; words >> word;) values.words.push_back(word);
            found.emplace(name, std::move(values));
        }
        return found;
    }();
    const auto found = all.find(key);
    if (found == all.end()) throw std::runtime_error("no reference called " + key + "; run tests/reference/make_sklearn_reference.py");
    return found->second;
}

/// Distance in units of the last place of the larger of 1 and |expected|; 0 when the bits agree.
inline double ulps(double value, double expected) {
    if (value == expected || (std::isnan(value) && std::isnan(expected))) return 0;
    return std::abs(value - expected) / (std::numeric_limits<double>::epsilon() * std::max(1.0, std::abs(expected)));
}

/// The same bits; where the C library's log, sin or cos took part (`through_libm`), a library that rounds differently may be one ulp off
/// now and then. Products that are fused into additions would be off far more often.
inline void check_bits(const std::vector<double>& values, const std::string& key, bool through_libm = true) {
    const std::vector<double> expected = reference(key).numbers();
    INFO(key);
    REQUIRE(values.size() == expected.size());
    std::size_t different = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        INFO("element " << i);
        CHECK(ulps(values[i], expected[i]) <= (through_libm ? 2 : 0));
        different += values[i] != expected[i];
    }
    CHECK(different <= values.size() / 50);
}

inline void check_bits(const headtorch::Tensor<double>& values, const std::string& key, bool through_libm = true) {
    INFO(key);
    CHECK(values.shape() == reference(key).shape);
    check_bits(values.tolist(), key, through_libm);
}

/// Within `tolerance` relative to the larger of 1 and the expected value.
inline void check_close(const std::vector<double>& values, const std::string& key, double tolerance) {
    const std::vector<double> expected = reference(key).numbers();
    INFO(key);
    REQUIRE(values.size() == expected.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        INFO("element " << i << ": " << values[i] << " and " << expected[i]);
        CHECK((ulps(values[i], expected[i]) == 0 || std::abs(values[i] - expected[i]) <= tolerance * std::max(1.0, std::abs(expected[i]))));
    }
}

inline void check_integers(const std::vector<std::int64_t>& values, const std::string& key) {
    INFO(key);
    CHECK(values == reference(key).integers());
}
