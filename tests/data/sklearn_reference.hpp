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
        std::ifstream file(HEADTORCH_TESTS_DIR "/reference/data/sklearn.txt");
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

/// Ten seeds; all but the last fit in an int.
inline const std::vector<std::uint32_t>& reference_seeds() {
    static const std::vector<std::uint32_t> seeds = {0, 1, 2, 3, 7, 42, 123, 2020, 12345, 4294967295};
    return seeds;
}

/// The first value, the last, the sum, and a weighted sum that tells orders apart.
template <class T>
std::vector<T> digest(const std::vector<T>& values) {
    long double sum = 0, weighted = 0;  // 64 bits of mantissa: no integer is lost
    for (std::size_t i = 0; i < values.size(); ++i) {
        sum += static_cast<long double>(values[i]);
        weighted += static_cast<long double>(values[i]) * static_cast<long double>(i % 97 + 1);
    }
    return {values.front(), values.back(), static_cast<T>(sum), static_cast<T>(weighted)};
}

/// First and last value as check_bits; the sums as far as two last places of each value decide.
inline void check_digest(const std::vector<double>& values, const std::string& key) {
    const std::vector<double> expected = reference(key + ".digest").numbers(), got = digest(values);
    INFO(key);
    double size = 0;
    for (double value : values) size += std::abs(value);
    const double rounding = std::numeric_limits<double>::epsilon() * std::max(1.0, size);
    CHECK(ulps(got[0], expected[0]) <= 2);
    CHECK(ulps(got[1], expected[1]) <= 2);
    CHECK(std::abs(got[2] - expected[2]) <= 2 * rounding);
    CHECK(std::abs(got[3] - expected[3]) <= 2 * 97 * rounding);
}
inline void check_digest(const std::vector<std::int64_t>& values, const std::string& key) {
    INFO(key);
    CHECK(digest(values) == reference(key + ".digest").integers());
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
template <class T>
void check_integers(const headtorch::Tensor<T>& values, const std::string& key) {
    INFO(key);
    CHECK(values.shape() == reference(key).shape);
    const auto list = values.tolist();
    check_integers(std::vector<std::int64_t>(list.begin(), list.end()), key);
}
