// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Batches on a GPU: while one is used, the next is already on its way.
///
///     for (const auto& [x, y] : loader.to<Cuda>()) …         // a DataLoader
///     for (const auto& [x, y] : data::prefetch<Cuda>(list)) …  // any other range of batches
///
/// A batch is put into pinned memory, from which the GPU copies it by itself on a stream of its own. Work that uses the batch waits for the
/// copy, the host does not.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "headtorch/autograd/grad_mode.hpp"
#include "headtorch/ops/copy.hpp"
#include "headtorch/ops/inplace.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::data {
namespace detail {

template <class Batch>
concept BatchFields = requires { std::tuple_size<Batch>::value; } && !requires(Batch& batch) { batch.begin(); };

template <class D, class Field>
struct OnDevice {
    using type = Field;
};
template <class D, class T, class E>
struct OnDevice<D, Tensor<T, E>> {
    using type = Tensor<T, D>;
};
template <class D, template <class...> class W, class... Fields>
    requires BatchFields<W<Fields...>>
struct OnDevice<D, W<Fields...>> {
    using type = W<typename OnDevice<D, Fields>::type...>;
};

/// A Result made of a batch whose tensors become what `change` makes of them. What is neither a tensor nor a tuple stays as it is.
template <class Result, class Batch, class Change>
Result with_tensors(const Batch& batch, const Change& change) {
    if constexpr (AnyTensor<Batch>)
        return change(batch);
    else if constexpr (BatchFields<Batch>)
        return [&]<std::size_t... I>(std::index_sequence<I...>) {
            return Result{with_tensors<std::tuple_element_t<I, Result>>(std::get<I>(batch), change)...};
        }(std::make_index_sequence<std::tuple_size_v<Batch>>());
    else
        return batch;
}

/// Calls `use` with each tensor of a batch.
template <class Batch, class Use>
void each_tensor(const Batch& batch, const Use& use) {
    if constexpr (AnyTensor<Batch>)
        use(batch);
    else if constexpr (BatchFields<Batch>)
        std::apply([&](const auto&... fields) { (each_tensor(fields, use), ...); }, batch);
}

/// The same batch with the host's tensors copied into pinned memory; those that are in it, too, for what made the batch may use its memory
/// for the next one.
template <Device D, class Batch>
Batch pinned(const Batch& batch) {
    const NoGrad guard;
    return with_tensors<Batch>(batch, []<class T, class E>(const Tensor<T, E>& x) {
        if constexpr (std::same_as<E, Cpu>) {
            const Tensor<T, Cpu> copy = headtorch::detail::pinned_tensor<D, T>(x.shape());
            copy.copy_(x);
            return copy;
        } else {
            return x;
        }
    });
}

}  // namespace detail

/// The type of a batch whose tensors are on device D.
template <class D, class Batch>
using BatchOn = typename detail::OnDevice<D, Batch>::type;

/// A batch on device D, when this returns.
template <Device D, class Batch>
BatchOn<D, Batch> to_device(const Batch& batch) {
    return detail::with_tensors<BatchOn<D, Batch>>(batch, [](const auto& x) { return x.template to<D>(); });
}

namespace detail {

/// Batches on their way to a device, first in, first out.
template <Device D, class Batch>
class Uploads {
public:
    using Result = BatchOn<D, Batch>;

    Uploads() = default;
    Uploads(const Uploads&) = delete;
    Uploads& operator=(const Uploads&) = delete;

    std::size_t size() const { return started_.size(); }
    /// Starts the copies of a batch in pinned memory.
    void start(const Batch& pinned) {
        const auto scope = side_work(D{});
        const NoGrad guard;
        Result result = with_tensors<Result>(pinned, [](const auto& x) { return x.template to<D>({.non_blocking = true}); });
        started_.push_back({std::move(result), work_mark(D{})});
    }
    /// The batch that was started first; the current stream waits for it.
    Result take() {
        while (!passed_.empty() && passed_.front().copied.reached()) passed_.pop_front();
        for (; passed_.size() > 1; passed_.pop_front()) passed_.front().copied.settle();
        passed_.push_back(std::move(started_.front()));
        started_.pop_front();
        Way& way = passed_.back();
        way.copied.hold();
        each_tensor(way.result, []<class T, class E>(const Tensor<T, E>& x) {
            if constexpr (std::same_as<E, D>) share_with_current_stream(D{}, x.get()->storage->data);
        });
        return std::move(way.result);
    }

private:
    struct Way {
        Result result;
        decltype(work_mark(D{})) copied;
    };
    std::deque<Way> started_, passed_;  // not yet taken; taken, but perhaps not yet copied
};

/// What walks over a range and is one batch ahead. `Pinned`: the batches come in pinned memory.
template <Device D, class Iterator, class End, bool Pinned>
class Ahead {
    using Batch = std::remove_cvref_t<decltype(*std::declval<Iterator&>())>;

public:
    using Result = BatchOn<D, Batch>;

    /// `count`: how many batches there are; -1 when nobody knows.
    Ahead(Iterator begin, End end, std::int64_t count) : next_(std::move(begin)), end_(std::move(end)), count_(count) {}

    Result get() {
        if (!current_) {
            if (failures_.empty()) read();
            if (failures_.front()) std::rethrow_exception(failures_.front());
            current_ = uploads_.take();
            failures_.pop_front();
            taken_ = true;
            if (more()) read();
        }
        return *current_;
    }
    void advance() {
        current_.reset();
        if (!std::exchange(taken_, false)) drop();
        if (failures_.empty() && count_ >= 0 && read_ == count_) step();
    }
    bool done() { return !taken_ && failures_.empty() && !more(); }

private:
    /// Leaves the batch behind that was read last. Only when the next is wanted: at the end of an epoch a loader draws numbers.
    void step() {
        if (std::exchange(stale_, false)) ++next_;
    }
    bool more() {
        if (count_ >= 0) return read_ < count_;
        step();
        return next_ != end_;
    }
    void read() {
        const auto there = at_place(D{}, place_);
        step();
        stale_ = true;
        ++read_;
        std::exception_ptr failure;
        try {
            if constexpr (Pinned)
                uploads_.start(*next_);
            else
                uploads_.start(pinned<D>(Batch(*next_)));
        } catch (...) {
            failure = std::current_exception();  // comes out when the batch is asked for
        }
        failures_.push_back(std::move(failure));
    }
    /// Passes over a batch that nobody asked for.
    void drop() {
        if (failures_.empty()) {
            step();
            stale_ = true;
            ++read_;
            return;
        }
        if (!failures_.front()) uploads_.take();
        failures_.pop_front();
    }

    Iterator next_;
    End end_;
    int place_ = current_place(D{});
    std::int64_t count_, read_ = 0;
    bool stale_ = false, taken_ = false;
    std::optional<Result> current_;
    std::deque<std::exception_ptr> failures_;  // of each batch that was read and not yet taken: null when it is on its way
    Uploads<D, Batch> uploads_;
};

/// An input iterator over batches on a device; copies share their place.
template <class Walk>
class DeviceIterator {
public:
    using value_type = typename Walk::Result;
    using difference_type = std::int64_t;
    using iterator_category = std::input_iterator_tag;

    explicit DeviceIterator(std::shared_ptr<Walk> walk) : walk_(std::move(walk)) {}
    value_type operator*() const { return walk_->get(); }
    DeviceIterator& operator++() {
        walk_->advance();
        return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return walk_->done(); }

private:
    std::shared_ptr<Walk> walk_;
};

template <Device D, bool Pinned, class Iterator, class End>
auto device_iterator(Iterator begin, End end, std::int64_t count) {
    using Walk = Ahead<D, Iterator, End, Pinned>;
    return DeviceIterator<Walk>(std::make_shared<Walk>(std::move(begin), std::move(end), count));
}

}  // namespace detail

/// What prefetch() returns. Each begin() walks over the range anew.
template <Device D, class Range>
class Prefetched {
    using Kept = std::remove_reference_t<Range>;

public:
    explicit Prefetched(Range&& range) {
        if constexpr (std::is_lvalue_reference_v<Range>)
            range_ = std::shared_ptr<Kept>(std::shared_ptr<void>(), &range);
        else
            range_ = std::make_shared<Kept>(std::move(range));
    }

    auto begin() const { return detail::device_iterator<D, false>(std::begin(*range_), std::end(*range_), -1); }
    std::default_sentinel_t end() const { return {}; }
    std::int64_t size() const
        requires requires(Kept& range) { range.size(); }
    {
        return static_cast<std::int64_t>(range_->size());
    }

private:
    std::shared_ptr<Kept> range_;
};

/// The batches of a range as tensors on device D. A range with a name is referred to, a temporary is kept. On the CPU it is the range
/// itself.
template <Device D, class Range>
auto prefetch(Range&& range) -> std::conditional_t<std::same_as<D, Cpu>, Range, Prefetched<D, Range>> {
    require_device<D>();
    if constexpr (std::same_as<D, Cpu>)
        return std::forward<Range>(range);
    else
        return Prefetched<D, Range>(std::forward<Range>(range));
}

}  // namespace headtorch::data
