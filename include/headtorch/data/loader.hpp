// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// DataLoader: walks over a data set in batches, in file order or shuffled as PyTorch would with the same seed.

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
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
#include "headtorch/data/prefetch.hpp"
#include "headtorch/data/workers.hpp"
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
    int num_workers = 0;                  ///< threads that make batches ahead of their use; 0: each is made when it is asked for
    int prefetch_factor = 2;              ///< batches that wait ready, for each worker
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
        Tensor<Element, Cpu> result = empty<Element, Cpu>({static_cast<std::int64_t>(items.size())});
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

/// The seed of item i in the epoch of `seed`: the next output of SplitMix64 (Steele, Lea and Flood 2014) at i.
inline std::uint64_t item_seed(std::uint64_t seed, std::int64_t i) {
    std::uint64_t x = seed + (static_cast<std::uint64_t>(i) + 1) * 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/// The items start, …, start + length - 1 of an epoch as one batch. `order` is undefined when they come in file order. Items that are
/// drawn at random depend on the epoch's seed and their index alone.
template <Dataset S>
auto load_batch(const S& set, const Tensor<std::int64_t, Cpu>& order, std::int64_t start, std::int64_t length, std::uint64_t seed) {
    if constexpr (BatchedDataset<S> && SliceableDataset<S>) {
        return order.defined() ? set.get_batch(order.narrow(0, start, length)) : set.slice(start, length);
    } else if constexpr (BatchedDataset<S>) {
        return set.get_batch(order.defined() ? order.narrow(0, start, length) : arange<std::int64_t, Cpu>(start, start + length));
    } else {
        std::vector<std::remove_cvref_t<decltype(get_item(set, start, std::declval<Generator&>()))>> items;
        items.reserve(static_cast<std::size_t>(length));
        std::optional<Generator> generator;
        for (std::int64_t i = start; i < start + length; ++i) {
            const std::int64_t index = order.defined() ? order.data()[i] : i;
            if constexpr (HasRandomItems<S>) {
                if (generator)
                    generator->manual_seed(item_seed(seed, index));
                else
                    generator.emplace(item_seed(seed, index));
                items.push_back(get_item(set, index, *generator));
            } else {
                items.push_back(get_item(set, index));
            }
        }
        return collate(items);
    }
}

/// What PyTorch's `torch.empty((), dtype=torch.int64).random_()` draws.
inline std::uint64_t draw_seed(Generator& generator) {
    std::lock_guard lock(generator.mutex());
    return generator.random64() & 0x7fffffffffffffffu;
}

/// What an iterator over one epoch needs; it may outlive its loader.
template <class S>
struct Epoch {
    std::shared_ptr<const S> dataset;
    LoaderOptions options;
    std::shared_ptr<Generator> own_generator;
    std::int64_t batches = 0;
    std::uint64_t seed = 0;
    Tensor<std::int64_t, Cpu> order{};

    auto load(std::int64_t number) const {
        const std::int64_t start = number * options.batch_size;
        return load_batch(*dataset, order, start, std::min(options.batch_size, item_count(*dataset) - start), seed);
    }
    Generator* given_generator() const { return own_generator ? own_generator.get() : options.generator; }
    /// PyTorch's sampler, when it runs out, draws one more order and uses none of it; seen only in a given generator.
    void finish() const {
        if (options.shuffle && given_generator()) randperm(item_count(*dataset), *given_generator());
    }
};

}  // namespace detail

template <Dataset S, Device D>
class DeviceLoader;

/// `for (auto [x, y] : DataLoader(dataset, {.batch_size = 4, .shuffle = true}))`. Every begin() starts an epoch, in a new order when
/// shuffled. Batches of a TensorDataset are views of it in file order, and gathered into one contiguous tensor per field when shuffled.
///
/// With num_workers, threads make the batches ahead of their use: the same batches in the same order for any number of them. They read
/// the data set at once, so its functions that give items must bear that, as const functions do that change nothing. An exception comes
/// out where the batch that it hit is asked for.
template <Dataset S>
class DataLoader {
public:
    /// A tuple with one tensor per field; one tensor, when the items are tensors.
    using Batch = decltype(detail::load_batch(std::declval<const S&>(), {}, 0, 0, 0));

    /// Throws ValueError when batch_size is not positive or another option makes no sense. The data set is copied or moved in; copies of
    /// the loader share it.
    explicit DataLoader(S dataset, LoaderOptions options = {}) : epoch_{nullptr, options, nullptr} {
        if (options.batch_size <= 0) throw ValueError(message("data_loader: batch_size must be at least 1, but is ", options.batch_size));
        if (options.generator && options.seed) throw ValueError("data_loader: give a generator or a seed, not both");
        if (options.num_workers < 0 || options.num_workers > 1024)
            throw ValueError(message("data_loader: num_workers must be 0 (no threads) to 1024, but is ", options.num_workers));
        if (options.prefetch_factor < 1)
            throw ValueError(message("data_loader: prefetch_factor must be at least 1, but is ", options.prefetch_factor));
        if (options.seed) epoch_.own_generator = std::make_shared<Generator>(*options.seed);
        epoch_.dataset = std::make_shared<const S>(std::move(dataset));
    }

    /// Number of batches of an epoch.
    std::int64_t size() const {
        const std::int64_t items = item_count(dataset()), batch = options().batch_size;
        return options().drop_last ? items / batch : items / batch + (items % batch != 0);
    }
    const S& dataset() const { return *epoch_.dataset; }
    const LoaderOptions& options() const { return epoch_.options; }

    class Iterator;
    Iterator begin() const { return Iterator(new_epoch()); }
    std::default_sentinel_t end() const { return {}; }

    /// The same batches as tensors on a device, each on its way while the one before is used: `for (auto [x, y] : loader.to<Cuda>())`.
    /// What is not a tensor passes unchanged. Without workers a batch is made one earlier than here, which shows only where making it draws
    /// from a generator that others draw from, too.
    template <Device D>
    auto to() const {
        if constexpr (std::same_as<D, Cpu>) {
            return *this;
        } else {
            require_device<D>();
            return DeviceLoader<S, D>(*this);
        }
    }

private:
    template <Dataset, Device>
    friend class DeviceLoader;
    /// As PyTorch: each epoch draws a base seed, then the order: from the given generator, or from one that is seeded by a second draw.
    /// The order is undefined when items come in file order.
    detail::Epoch<S> new_epoch() const {
        detail::Epoch<S> epoch = epoch_;
        epoch.batches = size();
        Generator* given = epoch.given_generator();
        Generator& source = given ? *given : default_generator();
        epoch.seed = detail::draw_seed(source);
        if (!options().shuffle) return epoch;
        if (given) {
            epoch.order = randperm<std::int64_t, Cpu>(item_count(dataset()), source);
            if (epoch.batches == 0) epoch.finish();
        } else {
            Generator fresh(detail::draw_seed(source));
            epoch.order = randperm<std::int64_t, Cpu>(item_count(dataset()), fresh);
        }
        return epoch;
    }

    detail::Epoch<S> epoch_;
};

/// One epoch. Which batch comes next depends on nothing but the order and its number.
template <Dataset S>
class DataLoader<S>::Iterator {
public:
    using value_type = Batch;
    using difference_type = std::int64_t;
    using iterator_category = std::input_iterator_tag;

    /// `finish`, if any, is called with each batch where that is made, and gives what takes its place.
    explicit Iterator(detail::Epoch<S> epoch, std::function<Batch(Batch)> finish = {})
        : epoch_(std::move(epoch)), finish_(std::move(finish)) {
        const LoaderOptions& options = epoch_.options;
        if (options.num_workers == 0 || epoch_.batches == 0) return;
        const auto make = [made = epoch_, last = finish_](std::int64_t k) { return last ? last(made.load(k)) : made.load(k); };
        ahead_ = std::make_shared<detail::Workers<Batch>>(make, epoch_.batches, options.num_workers, options.prefetch_factor);
    }
    Batch operator*() const {
        if (ahead_) return ahead_->get(number_);
        return finish_ ? finish_(epoch_.load(number_)) : epoch_.load(number_);
    }
    Iterator& operator++() {
        if (++number_ == epoch_.batches) epoch_.finish();
        if (ahead_) ahead_->release(number_);
        return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return number_ >= epoch_.batches; }

private:
    detail::Epoch<S> epoch_;
    std::function<Batch(Batch)> finish_;
    std::shared_ptr<detail::Workers<Batch>> ahead_;
    std::int64_t number_ = 0;
};

/// What DataLoader::to() returns. Where there are workers, they also put the batches into pinned memory.
template <Dataset S, Device D>
class DeviceLoader {
    using HostBatch = typename DataLoader<S>::Batch;

public:
    using Batch = BatchOn<D, HostBatch>;

    explicit DeviceLoader(DataLoader<S> loader) : loader_(std::move(loader)) {}

    std::int64_t size() const { return loader_.size(); }
    const S& dataset() const { return loader_.dataset(); }
    const LoaderOptions& options() const { return loader_.options(); }

    auto begin() const {
        const auto pin = [place = current_place(D{})](const HostBatch& batch) {
            const auto there = at_place(D{}, place);
            return detail::pinned<D>(batch);
        };
        return detail::device_iterator<D, true>(typename DataLoader<S>::Iterator(loader_.new_epoch(), pin), loader_.end(), loader_.size());
    }
    std::default_sentinel_t end() const { return {}; }

    template <Device E>
    auto to() const {
        return loader_.template to<E>();
    }

private:
    DataLoader<S> loader_;
};

}  // namespace headtorch::data
