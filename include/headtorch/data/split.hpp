// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// train_test_split, with scikit-learn's split for the same random_state, and random_split, with PyTorch's.

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <map>
#include <mutex>
#include <numeric>
#include <optional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "headtorch/core/error.hpp"
#include "headtorch/core/random.hpp"
#include "headtorch/data/dataset.hpp"
#include "headtorch/data/numpy_random.hpp"
#include "headtorch/tensor/create.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::data {

/// Size of a part: a fraction when floating (0.25), a number of items when an integer (100).
class PartSize {
public:
    PartSize(std::floating_point auto fraction) : value_(static_cast<double>(fraction)), fraction_(true) {}
    PartSize(std::integral auto count) : value_(static_cast<double>(count)), fraction_(false) {}

    double value() const { return value_; }
    bool is_fraction() const { return fraction_; }

private:
    double value_;
    bool fraction_;
};

struct SplitOptions {
    std::optional<PartSize> test_size{};   ///< what train_size leaves, or a quarter
    std::optional<PartSize> train_size{};  ///< what test_size leaves
    RandomSource random_state{};
    bool shuffle = true;
    Tensor<std::int64_t, Cpu> stratify{};  ///< labels, one per item: each class is split in the same proportion
};

/// The indices of the two parts.
struct SplitIndices {
    std::vector<std::int64_t> train, test;
};

template <class X>
struct TrainTest {
    X train, test;
};

/// In scikit-learn's order.
template <class X, class Y>
struct TrainTestPairs {
    X x_train, x_test;
    Y y_train, y_test;
};

namespace detail {

using Counts = std::vector<std::int64_t>;

/// Numbers of items of the training and the test part.
inline std::pair<std::int64_t, std::int64_t> part_sizes(std::int64_t n, std::optional<PartSize> test, std::optional<PartSize> train) {
    if (!test && !train) test = PartSize(0.25);
    const auto check = [n](const char* name, const std::optional<PartSize>& part) {
        if (!part) return;
        const double value = part->value(), limit = part->is_fraction() ? 1 : static_cast<double>(n);
        if (!(value > 0 && value < limit))
            throw ValueError(message("train_test_split: ", name, " must be a fraction in (0, 1) or a count in [1, ", n - 1, "] for ", n,
                                     " items, but is ", value, part->is_fraction() ? " (a fraction)" : " (a count)"));
    };
    check("test_size", test);
    check("train_size", train);
    const double items = static_cast<double>(n);
    double test_count = 0, train_count = 0;
    if (test) test_count = test->is_fraction() ? std::ceil(test->value() * items) : test->value();
    if (train) train_count = train->is_fraction() ? std::floor(train->value() * items) : train->value();
    if (!train) train_count = items - test_count;
    if (!test) test_count = items - train_count;
    if (train_count + test_count > items)
        throw ValueError(message("train_test_split: train_size and test_size ask for ", train_count, " + ", test_count, " of ", n,
                                 " items: make one of them smaller"));
    if (train_count < 1)
        throw ValueError(message("train_test_split: the training part of ", n, " items would be empty: make test_size smaller"));
    return {static_cast<std::int64_t>(train_count), static_cast<std::int64_t>(test_count)};
}

/// `draws` items shared out over classes in proportion to their counts: the whole parts first, then by the largest remainder, ties by lot.
inline Counts share_out(const Counts& counts, std::int64_t draws, RandomState& random) {
    const auto total = static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}));
    Counts shares;
    std::map<double, Counts, std::greater<>> by_remainder;
    for (std::size_t c = 0; c < counts.size(); ++c) {
        const double exact = rounded(static_cast<double>(counts[c]) / total * static_cast<double>(draws)), whole = std::floor(exact);
        shares.push_back(static_cast<std::int64_t>(whole));
        by_remainder[exact - whole].push_back(static_cast<std::int64_t>(c));
    }
    std::int64_t missing = draws - std::accumulate(shares.begin(), shares.end(), std::int64_t{0});
    for (const auto& [remainder, classes] : by_remainder) {
        if (missing <= 0) break;
        const auto tied = static_cast<std::int64_t>(classes.size()), taken = std::min(tied, missing);
        for (std::int64_t i : random.chosen(tied, taken, false)) ++shares[static_cast<std::size_t>(classes[static_cast<std::size_t>(i)])];
        missing -= taken;
    }
    return shares;
}

inline SplitIndices stratified(const Tensor<std::int64_t, Cpu>& labels, std::int64_t n, std::int64_t train_count, std::int64_t test_count,
                               RandomState& random) {
    if (labels.dim() != 1 || labels.numel() != n)
        throw ShapeError(
            message("train_test_split: stratify needs one label for each of the ", n, " items, but its shape is ", labels.shape()));
    std::map<std::int64_t, Counts> members;
    const std::int64_t* label = labels.data();
    for (std::int64_t i = 0; i < n; ++i) members[label[i * labels.stride(0)]].push_back(i);
    const auto classes = static_cast<std::int64_t>(members.size());
    if (train_count < classes || test_count < classes)
        throw ValueError(message("train_test_split: stratify needs each part to have at least one item per class, but there are ", classes,
                                 " classes, ", train_count, " items for training and ", test_count, " for the test"));
    Counts counts;
    for (const auto& [value, items] : members) {
        if (items.size() < 2)
            throw ValueError(message("train_test_split: stratify needs two items of each class, but there is one of class ", value));
        counts.push_back(static_cast<std::int64_t>(items.size()));
    }
    const Counts train = share_out(counts, train_count, random);
    for (std::size_t c = 0; c < counts.size(); ++c) counts[c] -= train[c];
    const Counts test = share_out(counts, test_count, random);
    SplitIndices split;
    std::size_t c = 0;
    for (const auto& [value, items] : members) {
        const Counts order = random.permuted(static_cast<std::int64_t>(items.size()));
        for (std::int64_t k = 0; k < train[c] + test[c]; ++k)
            (k < train[c] ? split.train : split.test).push_back(items[static_cast<std::size_t>(order[static_cast<std::size_t>(k)])]);
        ++c;
    }
    random.shuffle(split.train);
    random.shuffle(split.test);
    return split;
}

}  // namespace detail

/// Which of n items go to which part. Throws ValueError on sizes that do not fit.
inline SplitIndices split_indices(std::int64_t n, SplitOptions options = {}) {
    const auto [train_count, test_count] = detail::part_sizes(n, options.test_size, options.train_size);
    if (options.stratify.defined()) {
        if (!options.shuffle) throw ValueError("train_test_split: stratify needs shuffle = true");
        return detail::stratified(options.stratify, n, train_count, test_count, options.random_state.get());
    }
    SplitIndices split;
    if (options.shuffle) {
        const std::vector<std::int64_t> order = options.random_state.get().permuted(n);
        split.test.assign(order.begin(), order.begin() + test_count);
        split.train.assign(order.begin() + test_count, order.begin() + test_count + train_count);
    } else {
        split.train.resize(static_cast<std::size_t>(train_count));
        split.test.resize(static_cast<std::size_t>(test_count));
        std::iota(split.train.begin(), split.train.end(), std::int64_t{0});
        std::iota(split.test.begin(), split.test.end(), train_count);
    }
    return split;
}

/// `auto [train, test] = train_test_split(x, {.test_size = 0.2, .random_state = 42});` copies of the rows.
template <AnyTensor X>
TrainTest<X> train_test_split(const X& x, SplitOptions options = {}) {
    const SplitIndices split = split_indices(detail::common_size("train_test_split", {x.shape()}), std::move(options));
    return {detail::take_items(x, detail::index_tensor(split.train)), detail::take_items(x, detail::index_tensor(split.test))};
}

/// `auto [x_train, x_test, y_train, y_test] = train_test_split(x, y, {.test_size = 0.2, .random_state = 42});`
/// Throws ShapeError when the tensors differ in size(0), ValueError on sizes that do not fit.
template <AnyTensor X, AnyTensor Y>
TrainTestPairs<X, Y> train_test_split(const X& x, const Y& y, SplitOptions options = {}) {
    const SplitIndices split = split_indices(detail::common_size("train_test_split", {x.shape(), y.shape()}), std::move(options));
    const auto train = detail::index_tensor(split.train), test = detail::index_tensor(split.test);
    return {detail::take_items(x, train), detail::take_items(x, test), detail::take_items(y, train), detail::take_items(y, test)};
}

/// Parts of a data set at random, of the given lengths or fractions: `auto [train, test] = random_split(set, {0.8, 0.2});`
/// Fractions sum to 1; items that are left over go to the parts in turn. Throws ValueError when lengths do not sum to the set's size.
template <Dataset S, Number Length, std::size_t N>
std::array<Subset<S>, N> random_split(const S& set, const Length (&lengths)[N], Generator& generator = default_generator()) {
    const std::int64_t size = item_count(set);
    std::array<std::int64_t, N> counts{};
    std::int64_t total = 0;
    if constexpr (std::floating_point<Length>) {
        const double sum = std::accumulate(std::begin(lengths), std::end(lengths), 0.0);
        if (!(std::abs(sum - 1) <= 1e-9)) throw ValueError(message("random_split: the fractions sum to ", sum, ", not to 1"));
    }
    for (std::size_t i = 0; i < N; ++i) {
        if (!(lengths[i] >= 0)) throw ValueError(message("random_split: a length is negative: ", lengths[i]));
        if constexpr (std::floating_point<Length>)
            counts[i] = static_cast<std::int64_t>(std::floor(static_cast<double>(size) * lengths[i]));
        else
            counts[i] = static_cast<std::int64_t>(lengths[i]);
        total += counts[i];
    }
    if constexpr (std::floating_point<Length>)
        for (std::size_t i = 0; total < size; i = (i + 1) % N, ++total) ++counts[i];
    if (total != size) throw ValueError(message("random_split: the lengths sum to ", total, ", but the data set has ", size, " items"));
    const Tensor<std::int64_t, Cpu> order = randperm<std::int64_t, Cpu>(size, generator);
    std::int64_t start = 0;
    return [&]<std::size_t... K>(std::index_sequence<K...>) {
        const auto next = [&](std::int64_t count) {
            start += count;
            return Subset<S>(set, order.narrow(0, start - count, count));
        };
        return std::array<Subset<S>, N>{next(counts[K])...};
    }
    (std::make_index_sequence<N>{});
}

}  // namespace headtorch::data
