// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// DataLoader: walks over a data set in batches, in file order or shuffled as PyTorch would with the same seed.

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "headtorch/core/error.hpp"
#include "headtorch/core/random.hpp"
#include "headtorch/data/dataset.hpp"
#include "headtorch/ops/inplace.hpp"
#include "headtorch/tensor/create.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::data {

struct LoaderOptions {
    std::int64_t batch_size = 1;
    bool shuffle = false;
    bool drop_last = false;               ///< leaves out a last batch that is not full
    Generator* generator = nullptr;       ///< where the order is drawn from; the default generator when neither this nor a seed is given
    std::optional<std::uint64_t> seed{};  ///< a generator of the loader's own
};

namespace detail {

/// What a batch of items becomes: tensors are stacked, numbers become a tensor (integers of int64), tuples and pairs a tuple of such;
/// anything else stays a std::vector.
template <class Item>
auto collate(const std::vector<Item>& items) {
    if constexpr (AnyTensor<Item>) {
        Shape shape = items.front().shape();
        shape.insert(0, static_cast<std::int64_t>(items.size()));
        const auto result = empty<typename Item::value_type, typename Item::device_type>(shape);
        for (std::size_t i = 0; i < items.size(); ++i) {
            if (!(items[i].shape() == items[0].shape()))
                throw ShapeError(message("data_loader: items of one batch need the same shape, but two are ", items[0].shape(), " and ",
                                         items[i].shape()));
            result[static_cast<std::int64_t>(i)].copy_(items[i]);
        }
        return result;
    } else if constexpr (std::is_arithmetic_v<Item>) {
        using Element = std::conditional_t<Floating<Item> || std::same_as<Item, bool>, Item,
                                           std::conditional_t<std::integral<Item>, std::int64_t, double>>;
        Tensor<Element> result = empty<Element>({static_cast<std::int64_t>(items.size())});
        for (std::size_t i = 0; i < items.size(); ++i) result.data()[i] = static_cast<Element>(items[i]);
        return result;
    } else if constexpr (requires { std::tuple_size<Item>::value; }) {
        const auto field = [&]<std::size_t K>(std::integral_constant<std::size_t, K>) {
            std::vector<std::remove_cvref_t<std::tuple_element_t<K, Item>>> values;
            values.reserve(items.size());
            for (const Item& item : items) values.push_back(std::get<K>(item));
            return collate(values);
        };
        return [&]<std::size_t... K>(std::index_sequence<K...>) { return std::tuple(field(std::integral_constant<std::size_t, K>{})...); }
        (std::make_index_sequence<std::tuple_size_v<Item>>{});
    } else {
        return items;
    }
}

/// The items start, …, start + length - 1 of an epoch as one batch. `order` is undefined when they come in file order.
template <Dataset S>
auto load_batch(const S& set, const Tensor<std::int64_t>& order, std::int64_t start, std::int64_t length) {
    if constexpr (BatchedDataset<S> && SliceableDataset<S>) {
        return order.defined() ? set.get_batch(order.narrow(0, start, length)) : set.slice(start, length);
    } else if constexpr (BatchedDataset<S>) {
        return set.get_batch(order.defined() ? order.narrow(0, start, length) : arange<std::int64_t>(start, start + length));
    } else {
        std::vector<std::remove_cvref_t<decltype(get_item(set, start))>> items;
        items.reserve(static_cast<std::size_t>(length));
        for (std::int64_t i = start; i < start + length; ++i) items.push_back(get_item(set, order.defined() ? order.data()[i] : i));
        return collate(items);
    }
}

/// What PyTorch's `torch.empty((), dtype=torch.int64).random_()` draws.
inline std::uint64_t draw_seed(Generator& generator) {
    std::lock_guard lock(generator.mutex());
    return generator.random64() & 0x7fffffffffffffffu;
}

}  // namespace detail

/// `for (auto [x, y] : DataLoader(dataset, {.batch_size = 4, .shuffle = true}))`. Every begin() starts an epoch, in a new order when
/// shuffled. Batches of a TensorDataset are views of it in file order, and gathered into one contiguous tensor per field when shuffled.
template <Dataset S>
class DataLoader {
public:
    /// A tuple with one tensor per field; one tensor, when the items are tensors.
    using Batch = decltype(detail::load_batch(std::declval<const S&>(), {}, 0, 0));

    /// Throws ValueError when batch_size is not positive. The data set is copied or moved in.
    explicit DataLoader(S dataset, LoaderOptions options = {}) : dataset_(std::move(dataset)), options_(options) {
        if (options_.batch_size <= 0) throw ValueError(message("data_loader: batch_size must be at least 1, but is ", options_.batch_size));
        if (options_.generator && options_.seed) throw ValueError("data_loader: give a generator or a seed, not both");
        if (options_.seed) own_generator_ = std::make_shared<Generator>(*options_.seed);
    }

    /// Number of batches of an epoch.
    std::int64_t size() const {
        const std::int64_t items = item_count(dataset_), batch = options_.batch_size;
        return options_.drop_last ? items / batch : items / batch + (items % batch != 0);
    }
    const S& dataset() const { return dataset_; }
    const LoaderOptions& options() const { return options_; }

    class Iterator;
    Iterator begin() const { return Iterator(*this, draw_order()); }
    std::default_sentinel_t end() const { return {}; }

private:
    /// As PyTorch: each epoch draws a base seed (for worker processes), then the order: from the given generator, or from one that is
    /// seeded by a second draw. Undefined when items come in file order.
    Tensor<std::int64_t> draw_order() const {
        Generator* given = given_generator();
        Generator& source = given ? *given : default_generator();
        detail::draw_seed(source);
        if (!options_.shuffle) return {};
        if (given) {
            const auto order = randperm(item_count(dataset_), source);
            if (size() == 0) finish_epoch();
            return order;
        }
        Generator fresh(detail::draw_seed(source));
        return randperm(item_count(dataset_), fresh);
    }

    /// PyTorch's sampler, when it runs out, draws one more order and uses none of it; seen only in a given generator.
    void finish_epoch() const {
        if (options_.shuffle && given_generator()) randperm(item_count(dataset_), *given_generator());
    }

    Generator* given_generator() const { return own_generator_ ? own_generator_.get() : options_.generator; }

    S dataset_;
    LoaderOptions options_;
    std::shared_ptr<Generator> own_generator_;
};

/// One epoch. Which batch comes next depends on nothing but the order and its number.
template <Dataset S>
class DataLoader<S>::Iterator {
public:
    using value_type = Batch;
    using difference_type = std::int64_t;
    using iterator_category = std::input_iterator_tag;

    Iterator(const DataLoader& loader, Tensor<std::int64_t> order) : loader_(&loader), order_(std::move(order)) {}
    Batch operator*() const {
        const std::int64_t batch_size = loader_->options().batch_size, start = number_ * batch_size;
        return detail::load_batch(loader_->dataset(), order_, start, std::min(batch_size, item_count(loader_->dataset()) - start));
    }
    Iterator& operator++() {
        if (++number_ == loader_->size()) loader_->finish_epoch();
        return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return number_ >= loader_->size(); }

private:
    const DataLoader* loader_;
    Tensor<std::int64_t> order_;
    std::int64_t number_ = 0;
};

}  // namespace headtorch::data
