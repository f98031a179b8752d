// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// CsvDataset: features and a target from the columns of a CSV file. Needs zlib: link with headtorch::io.

#include <algorithm>
#include <cstdint>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "headtorch/core/error.hpp"
#include "headtorch/data/dataset.hpp"
#include "headtorch/io/csv.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::data {

using io::CsvOptions;
using io::CsvTable;
using io::read_csv;

struct CsvDatasetOptions {
    std::string target;                   ///< column of the target
    std::vector<std::string> features{};  ///< columns of numbers; all but the target when empty
    char delimiter = ',';
    bool header = true;  ///< without one the columns are called "0", "1", …
};

/// Items are (features [k], target): `CsvDataset iris("iris.csv", {.target = "species"});`
///
/// The target is a class number (Y = int64_t, the default): text is numbered in the order of the alphabet, and `classes` has the names;
/// whole numbers are taken as they are. With Y = float or double it is a number.
template <class Y = std::int64_t, Floating T = float>
class CsvDataset {
    static_assert(Floating<Y> || std::same_as<Y, std::int64_t>,
                  "headtorch: the target of a CsvDataset is int64_t (a class), float or double");

public:
    using Item = std::tuple<Tensor<T, Cpu>, Tensor<Y, Cpu>>;

    /// Throws IoError, with the line, on missing values, malformed rows and features that are no numbers; ValueError on unknown columns.
    CsvDataset(const std::string& path, const CsvDatasetOptions& options) : feature_names(options.features) {
        CsvOptions csv{.delimiter = options.delimiter, .header = options.header};
        if (!options.features.empty()) {
            csv.columns = options.features;
            csv.columns.push_back(options.target);
        }
        const CsvTable table = read_csv(path, csv);
        table.column(options.target);  // throws when it is not there
        if (feature_names.empty()) {
            feature_names = table.names();
            feature_names.erase(std::find(feature_names.begin(), feature_names.end(), options.target));
        }
        if (feature_names.empty()) throw ValueError(message("csv_dataset: ", path, ": there is no column beside the target"));
        features = table.template numbers<T>(feature_names);
        if constexpr (std::same_as<Y, std::int64_t>) {
            if (table.type(options.target) != io::CsvType::integer) {
                if (table.type(options.target) == io::CsvType::real)
                    throw ValueError(message("csv_dataset: ", path, ": the target '", options.target,
                                             "' is of real numbers, not of classes: write CsvDataset<float>"));
                auto coded = table.codes(options.target);
                targets = coded.codes;
                classes = std::move(coded.classes);
                return;
            }
        }
        targets = table.template numbers<Y>(options.target);
    }

    std::int64_t size() const { return targets.numel(); }
    Item operator[](std::int64_t i) const { return {features[i], targets[i]}; }
    Item get_batch(const Tensor<std::int64_t, Cpu>& indices) const {
        return {detail::take_items(features, indices), detail::take_items(targets, indices)};
    }
    Item slice(std::int64_t start, std::int64_t length) const {
        return {features.narrow(0, start, length), targets.narrow(0, start, length)};
    }

    Tensor<T, Cpu> features;  ///< [n, k]
    Tensor<Y, Cpu> targets;   ///< [n]
    std::vector<std::string> feature_names;
    std::vector<std::string> classes;  ///< names of the class numbers, where the target was text
};

}  // namespace headtorch::data
