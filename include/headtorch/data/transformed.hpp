// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// transformed(set, transform): a data set whose images (the first field of an item, or the item itself) go through a transform.

#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include "headtorch/core/random.hpp"
#include "headtorch/data/dataset.hpp"
#include "headtorch/data/transforms_basic.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::data {

/// See transformed(). In a DataLoader, random transforms draw from a generator that is seeded anew for each item from the epoch's seed and
/// the item's index: the result does not depend on the number of workers. Elsewhere they draw from the default generator.
template <Dataset S, class F>
class TransformedDataset {
public:
    TransformedDataset(S set, F transform) : set_(std::move(set)), transform_(std::move(transform)) {}

    std::int64_t size() const { return item_count(set_); }
    auto get(std::int64_t i, Generator& generator) const { return changed(get_item(set_, i, generator), generator); }
    auto operator[](std::int64_t i) const { return get(i, default_generator()); }
    /// Whole batches, where the transform takes them.
    auto get_batch(const Tensor<std::int64_t, Cpu>& indices) const requires(BatchedDataset<S> && BatchedTransform<F>) {
        return changed(set_.get_batch(indices), default_generator());
    }
    auto slice(std::int64_t start, std::int64_t length) const requires(BatchedDataset<S> && SliceableDataset<S> && BatchedTransform<F>) {
        return changed(set_.slice(start, length), default_generator());
    }

    const S& dataset() const { return set_; }
    const F& transform() const { return transform_; }

private:
    template <class Item>
    auto changed(const Item& item, Generator& generator) const {
        if constexpr (requires { std::tuple_size<Item>::value; }) {
            return [&]<std::size_t... K>(std::index_sequence<K...>) {
                return std::tuple(apply_transform(transform_, std::get<0>(item), generator), std::get<K + 1>(item)...);
            }
            (std::make_index_sequence<std::tuple_size_v<Item> - 1>{});
        } else {
            return apply_transform(transform_, item, generator);
        }
    }

    S set_;
    F transform_;
};

/// `transformed(CIFAR10(directory), Compose(ToTensor(), Normalize({0.5}, {0.5})))`
template <Dataset S, class F>
TransformedDataset<S, F> transformed(S set, F transform) {
    return {std::move(set), std::move(transform)};
}

}  // namespace headtorch::data
