// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Data sets: anything with size() and operator[](i) or get(i). TensorDataset holds one tensor per field, Subset picks items of another.

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "headtorch/core/error.hpp"
#include "headtorch/core/random.hpp"
#include "headtorch/ops/gather.hpp"
#include "headtorch/ops/view.hpp"
#include "headtorch/tensor/access.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::data {

/// Which part of a data set that comes in parts.
enum class Split { train, test, valid, all };

namespace detail {
template <class S>
concept HasGet = requires(const S& set) {
    set.get(0);
};
template <class S>
concept HasIndex = requires(const S& set) {
    set[static_cast<decltype(set.size())>(0)];
};
template <class S>
concept HasRandomItems = requires(const S& set, Generator& generator) {
    set.get(0, generator);
};
template <class S>
concept HasItems = HasGet<S> || HasIndex<S>;
}  // namespace detail

/// Item i of a data set: get(i) if there is one, else operator[](i). So a std::vector of items is a data set too.
template <class S>
decltype(auto) get_item(const S& set, std::int64_t i) {
    if constexpr (detail::HasGet<S>)
        return set.get(i);
    else
        return set[static_cast<decltype(set.size())>(i)];
}

/// Item i, drawn with `generator` if the data set takes one: get(i, generator).
template <class S>
decltype(auto) get_item(const S& set, std::int64_t i, Generator& generator) {
    if constexpr (detail::HasRandomItems<S>)
        return set.get(i, generator);
    else
        return get_item(set, i);
}

template <class S>
concept Dataset = detail::HasItems<S> && requires(const S& set) {
    { set.size() } -> std::convertible_to<std::int64_t>;
};

/// A data set that can gather the items at some indices into one batch: get_batch(Tensor<int64_t>).
template <class S>
concept BatchedDataset = Dataset<S> && requires(const S& set, const Tensor<std::int64_t, Cpu>& indices) {
    set.get_batch(indices);
};

/// A data set that can show a run of its items as a batch, without a copy where possible: slice(start, length).
template <class S>
concept SliceableDataset = Dataset<S> && requires(const S& set, std::int64_t n) {
    set.slice(n, n);
};

template <Dataset S>
std::int64_t item_count(const S& set) {
    return static_cast<std::int64_t>(set.size());
}

namespace detail {

/// Throws ShapeError unless all shapes have a first dimension, and the same.
inline std::int64_t common_size(std::string_view op, std::initializer_list<Shape> shapes) {
    const Shape& first = *shapes.begin();
    std::string list;
    bool fits = true;
    for (const Shape& shape : shapes) {
        fits = fits && shape.rank() > 0 && first.rank() > 0 && shape[0] == first[0];
        list += message(list.empty() ? "" : ", ", shape);
    }
    if (!fits) throw ShapeError(message(op, ": all tensors need the same size(0), the number of items, but the shapes are ", list));
    return first[0];
}

/// Rows of `x` along dimension 0.
template <class T, class D>
Tensor<T, D> take_items(const Tensor<T, D>& x, const Tensor<std::int64_t, Cpu>& indices) {
    return index_select(x, 0, indices.template to<D>());
}

inline Tensor<std::int64_t, Cpu> index_tensor(const std::vector<std::int64_t>& indices) {
    Tensor<std::int64_t, Cpu> result = empty<std::int64_t, Cpu>({static_cast<std::int64_t>(indices.size())});
    std::copy(indices.begin(), indices.end(), result.data());
    return result;
}

}  // namespace detail

/// `TensorDataset(x, y)`: item i is the tuple (x[i], y[i]). Shares the tensors' storage, but copies those that are not contiguous.
/// Throws ShapeError when the tensors differ in size(0).
template <AnyTensor... Fields>
class TensorDataset {
    static_assert(sizeof...(Fields) > 0, "headtorch: TensorDataset needs at least one tensor");

public:
    using Item = std::tuple<Fields...>;

    explicit TensorDataset(Fields... fields)
        : size_(detail::common_size("tensor_dataset", {fields.shape()...})), fields_(fields.contiguous()...) {}

    std::int64_t size() const { return size_; }
    /// Views of the i-th rows; i counts from the end when negative. Throws IndexError out of range.
    Item operator[](std::int64_t i) const {
        return std::apply([i](const Fields&... fields) { return Item(fields[i]...); }, fields_);
    }
    /// Copies of the rows at `indices`.
    Item get_batch(const Tensor<std::int64_t, Cpu>& indices) const {
        return std::apply([&](const Fields&... fields) { return Item(detail::take_items(fields, indices)...); }, fields_);
    }
    /// Views of the rows start, …, start + length - 1.
    Item slice(std::int64_t start, std::int64_t length) const {
        return std::apply([=](const Fields&... fields) { return Item(fields.narrow(0, start, length)...); }, fields_);
    }
    const Item& tensors() const { return fields_; }

private:
    std::int64_t size_;
    Item fields_;
};

/// The items of another data set at some indices, in their order. Holds a copy of the set; one of tensors shares their storage.
template <Dataset S>
class Subset {
public:
    /// Throws IndexError when an index is not in [0, set.size()).
    Subset(S set, Tensor<std::int64_t, Cpu> indices) : set_(std::move(set)), indices_(indices.contiguous()) {
        if (indices_.dim() != 1)
            throw ShapeError(message("subset: the indices must have one dimension, but their shape is ", indices_.shape()));
        const std::int64_t limit = item_count(set_);
        for (const std::int64_t *i = indices_.data(), *end = i + indices_.numel(); i != end; ++i)
            if (*i < 0 || *i >= limit) throw IndexError(message("subset: index ", *i, " is out of range for a data set of size ", limit));
    }
    Subset(S set, const std::vector<std::int64_t>& indices) : Subset(std::move(set), detail::index_tensor(indices)) {}

    std::int64_t size() const { return indices_.numel(); }
    decltype(auto) operator[](std::int64_t i) const {
        if (i < 0 || i >= size()) throw IndexError(message("subset: index ", i, " is out of range for size ", size()));
        return get_item(set_, indices_.data()[i]);
    }
    auto get(std::int64_t i, Generator& generator) const requires detail::HasRandomItems<S> {
        if (i < 0 || i >= size()) throw IndexError(message("subset: index ", i, " is out of range for size ", size()));
        return set_.get(indices_.data()[i], generator);
    }
    auto get_batch(const Tensor<std::int64_t, Cpu>& indices) const requires BatchedDataset<S> {
        return set_.get_batch(index_select(indices_, 0, indices));
    }
    auto slice(std::int64_t start, std::int64_t length) const requires BatchedDataset<S> {
        return set_.get_batch(indices_.narrow(0, start, length));
    }

    const S& dataset() const { return set_; }
    const Tensor<std::int64_t, Cpu>& indices() const { return indices_; }

private:
    S set_;
    Tensor<std::int64_t, Cpu> indices_;
};

}  // namespace headtorch::data
