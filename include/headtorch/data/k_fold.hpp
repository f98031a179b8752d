// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Cross validation: KFold and StratifiedKFold, with scikit-learn's folds for the same random_state.
///
///     for (const auto& [train, test] : data::KFold(5, {.shuffle = true, .random_state = 0}).split(x)) {
///         const auto x_train = x(train), x_test = x(test);

#include <algorithm>
#include <cstdint>
#include <map>
#include <numeric>
#include <utility>
#include <vector>

#include "headtorch/core/error.hpp"
#include "headtorch/data/dataset.hpp"
#include "headtorch/data/numpy_random.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::data {

/// Indices of the items to train with and of those to test with, each in rising order.
struct Fold {
    Tensor<std::int64_t, Cpu> train, test;
};

struct FoldOptions {
    bool shuffle = false;
    RandomSource random_state{};  ///< a seed gives the same folds from each split(); a RandomState goes on. Only with shuffle = true
};

namespace detail {

inline void check_folds(const char* op, std::int64_t n_splits, const FoldOptions& options) {
    if (n_splits < 2) throw ValueError(message(op, ": n_splits must be at least 2, but is ", n_splits));
    if (!options.shuffle && options.random_state.given()) throw ValueError(message(op, ": a random_state needs shuffle = true"));
}

inline void check_items(const char* op, std::int64_t n_splits, std::int64_t n) {
    if (n < n_splits) throw ValueError(message(op, ": cannot make ", n_splits, " folds of ", n, " items"));
}

/// Fold k tests the items with place[i] == k.
inline std::vector<Fold> folds_of(const std::vector<std::int64_t>& place, std::int64_t n_splits) {
    std::vector<Fold> folds;
    std::vector<std::int64_t> train, test;
    for (std::int64_t k = 0; k < n_splits; ++k) {
        train.clear();
        test.clear();
        for (std::size_t i = 0; i < place.size(); ++i) (place[i] == k ? test : train).push_back(static_cast<std::int64_t>(i));
        folds.push_back({index_tensor(train), index_tensor(test)});
    }
    return folds;
}

/// The class of each label, numbered in the order in which they appear.
template <class T>
std::vector<std::int64_t> classes_by_appearance(const Tensor<T, Cpu>& labels) {
    if (labels.dim() != 1) throw ShapeError(message("stratified_k_fold: labels have one dimension, got ", labels.shape()));
    std::map<T, std::int64_t> numbers;
    std::vector<std::int64_t> classes;
    const T* label = labels.data();
    for (std::int64_t i = 0; i < labels.numel(); ++i) {
        const T value = label[i * labels.stride(0)];
        if (value != value) throw ValueError(message("stratified_k_fold: label ", i, " is not a number"));
        classes.push_back(numbers.emplace(value, static_cast<std::int64_t>(numbers.size())).first->second);
    }
    return classes;
}

/// The fold of each item. Each fold gets as many of each class as dealing out the sorted items one by one would give it.
inline std::vector<std::int64_t> stratified_places(const std::vector<std::int64_t>& classes, std::int64_t n_splits,
                                                   const FoldOptions& options) {
    std::vector<std::int64_t> counts;
    for (const std::int64_t c : classes) {
        counts.resize(std::max(counts.size(), static_cast<std::size_t>(c) + 1));
        ++counts[static_cast<std::size_t>(c)];
    }
    if (std::all_of(counts.begin(), counts.end(), [&](std::int64_t count) { return count < n_splits; }))
        throw ValueError(message("stratified_k_fold: n_splits is ", n_splits, ", but no class has as many items"));
    RandomSource source = options.random_state;
    RandomState* random = options.shuffle ? &source.get() : nullptr;
    std::vector<std::vector<std::int64_t>> places;
    std::int64_t dealt = 0;
    for (const std::int64_t count : counts) {
        std::vector<std::int64_t>& own = places.emplace_back();
        for (std::int64_t i = 0; i < count; ++i) own.push_back(dealt++ % n_splits);
        std::sort(own.begin(), own.end());
        if (random) random->shuffle(own);
    }
    std::vector<std::int64_t> place;
    std::vector<std::size_t> next(counts.size());
    for (const std::int64_t c : classes) {
        const auto at = static_cast<std::size_t>(c);
        place.push_back(places[at][next[at]++]);
    }
    return place;
}

}  // namespace detail

/// n_splits folds: each item is tested once, and trained with in all other folds.
class KFold {
public:
    /// Throws ValueError when there are fewer than two folds, or a random_state without shuffle.
    explicit KFold(std::int64_t n_splits = 5, FoldOptions options = {}) : n_splits_(n_splits), options_(std::move(options)) {
        detail::check_folds("k_fold", n_splits, options_);
    }
    std::int64_t get_n_splits() const { return n_splits_; }

    /// Of n items; the first n % n_splits folds test one item more. Throws ValueError when there are fewer items than folds.
    std::vector<Fold> split(std::int64_t n) const {
        detail::check_items("k_fold", n_splits_, n);
        std::vector<std::int64_t> place(static_cast<std::size_t>(n)), order = place;
        std::iota(order.begin(), order.end(), std::int64_t{0});
        RandomSource source = options_.random_state;
        if (options_.shuffle) source.get().shuffle(order);
        const std::int64_t larger = n % n_splits_, size = n / n_splits_;
        for (std::int64_t i = 0; i < n; ++i)
            place[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])] =
                i < larger * (size + 1) ? i / (size + 1) : (i - larger) / size;
        return detail::folds_of(place, n_splits_);
    }
    /// Of the rows of a tensor, or the items of a data set.
    template <AnyTensor X>
    std::vector<Fold> split(const X& x) const {
        return split(detail::common_size("k_fold", {x.shape()}));
    }
    template <Dataset S>
        requires(!AnyTensor<S>)
    std::vector<Fold> split(const S& set) const {
        return split(item_count(set));
    }

private:
    std::int64_t n_splits_;
    FoldOptions options_;
};

/// Folds with the classes in the same proportions as in all data, as far as their numbers allow.
class StratifiedKFold {
public:
    explicit StratifiedKFold(std::int64_t n_splits = 5, FoldOptions options = {}) : n_splits_(n_splits), options_(std::move(options)) {
        detail::check_folds("stratified_k_fold", n_splits, options_);
    }
    std::int64_t get_n_splits() const { return n_splits_; }

    /// By labels [n]. Throws ValueError when no class has as many items as there are folds. (One that has fewer is missing in some.)
    template <class T>
    std::vector<Fold> split(const Tensor<T, Cpu>& y) const {
        const auto classes = detail::classes_by_appearance(y);
        detail::check_items("stratified_k_fold", n_splits_, static_cast<std::int64_t>(classes.size()));
        return detail::folds_of(detail::stratified_places(classes, n_splits_, options_), n_splits_);
    }
    /// The same; x is there for its size only.
    template <AnyTensor X, class T>
    std::vector<Fold> split(const X& x, const Tensor<T, Cpu>& y) const {
        detail::common_size("stratified_k_fold", {x.shape(), y.shape()});
        return split(y);
    }

private:
    std::int64_t n_splits_;
    FoldOptions options_;
};

}  // namespace headtorch::data
