// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Indexing as in PyTorch: `x(0, all, slice(1, -1, 2), newaxis, ellipsis)` is a view. An int64 tensor among the indices picks entries of
/// its dimension, a bool tensor the elements where it is true; the result is then a copy. Assignment writes to x in either case.

#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "headtorch/ops/gather.hpp"
#include "headtorch/ops/inplace.hpp"
#include "headtorch/ops/reduce.hpp"
#include "headtorch/ops/view.hpp"
#include "headtorch/tensor/access.hpp"

namespace headtorch {

/// A new dimension of size 1.
struct NewAxis {};
inline constexpr NewAxis newaxis{};
/// As many whole dimensions as the other indices leave.
struct Ellipsis {};
inline constexpr Ellipsis ellipsis{};

/// Elements start, start + step, … before stop, with Python's rules for negative and out-of-range values.
struct Slice {
    std::int64_t start = 0, stop = std::numeric_limits<std::int64_t>::max(), step = 1;
};
inline Slice slice(std::int64_t start, std::int64_t stop = std::numeric_limits<std::int64_t>::max(), std::int64_t step = 1) {
    return {start, stop, step};
}

namespace detail {

/// Walks through the indices and turns a geometry into that of the view. Tensors among them leave their dimensions whole, and are noted.
struct IndexWalk {
    Geometry g;
    int dim = 0;          ///< the dimension that the next index is about
    int whole = 0;        ///< dimensions that an ellipsis stands for
    std::vector<int> at;  ///< dimensions that tensors index
    bool apart = false;   ///< other dimensions stand between those

    void note_tensor(int rank) {
        if (!at.empty() && at.back() + 1 != dim) apart = true;
        for (int i = 0; i < rank; ++i) at.push_back(dim++);
    }
    template <class I>
    void step(const I& index) {
        if constexpr (AnyTensor<I>) {
            if (std::same_as<typename I::value_type, bool> && index.dim() == 0) g = geometry::unsqueeze(g, dim);  // one row, or none
            note_tensor(std::same_as<typename I::value_type, bool> ? std::max(1, index.dim()) : 1);
        } else if constexpr (std::integral<I>) {
            g = geometry::select(g, dim, index);
        } else if constexpr (std::same_as<I, Slice>) {
            g = geometry::slice(g, dim++, index.start, index.stop, index.step);
        } else if constexpr (std::same_as<I, NewAxis>) {
            g = geometry::unsqueeze(g, dim++);
        } else if constexpr (std::same_as<I, Ellipsis>) {
            dim += whole;
        } else {
            static_assert(std::same_as<I, All>,
                          "headtorch: an index is a number, slice(…), all, newaxis, ellipsis, or a tensor of int64 or bool");
            ++dim;
        }
    }
    template <class I>
    static int consumed(const I& index) {
        if constexpr (AnyTensor<I>)
            return std::same_as<typename I::value_type, bool> ? index.dim() : 1;
        else
            return std::same_as<I, NewAxis> || std::same_as<I, Ellipsis> ? 0 : 1;
    }
};

template <class... I>
IndexWalk walk_indices(const Geometry& start, const I&... indices) {
    static_assert((0 + ... + std::same_as<I, Ellipsis>) <= 1, "headtorch: only one ellipsis fits among the indices");
    const int used = (0 + ... + IndexWalk::consumed(indices));
    if (used > start.shape.rank()) throw IndexError(message("index: ", used, " indices for a tensor of shape ", start.shape));
    IndexWalk walk{start, 0, start.shape.rank() - used, {}, false};
    (walk.step(indices), ...);
    return walk;
}

template <class D, class I>
void append_index(std::vector<Tensor<std::int64_t, D>>& list, const I& index, const Shape& shape, const std::vector<int>& at) {
    if constexpr (AnyTensor<I>) {
        static_assert(std::same_as<typename I::device_type, D>, "headtorch: tensors on different devices: move the index with x.to<…>()");
        if constexpr (std::same_as<typename I::value_type, bool>) {
            for (int i = 0; i < index.dim(); ++i)
                if (index.shape()[i] != shape[at[list.size() + static_cast<std::size_t>(i)]])
                    throw IndexError(message("index: a mask of shape ", index.shape(), " does not fit a tensor of shape ", shape));
            if (index.dim() == 0) {
                list.push_back(zeros<std::int64_t, D>({index.item() ? 1 : 0}));
                return;
            }
            const auto rows = nonzero(index);
            for (int i = 0; i < index.dim(); ++i) list.push_back(rows.select(1, i));
        } else {
            static_assert(std::same_as<typename I::value_type, std::int64_t>,
                          "headtorch: an index tensor holds int64 or bool; convert with to<std::int64_t>()");
            list.push_back(index);
        }
    }
}

/// Entries of x at `indices` along the dimensions `at`: the indexed dimensions become those of the (broadcast) indices, in the place of
/// the first one, or in front when they are `apart`.
template <class T, class D>
Tensor<T, D> pick(const Tensor<T, D>& x, const std::vector<Tensor<std::int64_t, D>>& indices, const std::vector<int>& at, bool apart) {
    const OpScope scope("index", {x.impl().get()});
    Shape picked;
    for (const auto& index : indices) picked = broadcast_shapes("index", picked, index.shape());
    Dims order;
    for (int d : at) order.push_back(d);
    Shape rest;
    for (int d = 0; d < x.dim(); ++d) {
        if (order.contains(d)) continue;
        order.push_back(d);
        rest.push_back(x.shape()[d]);
    }
    std::int64_t joint = 1;
    auto flat = zeros<std::int64_t, D>(picked);
    for (std::size_t i = 0; i < indices.size(); ++i) {
        const std::int64_t size = x.shape()[at[i]];
        check_indices("index", detached_contiguous(indices[i]), size, x.shape());
        flat = flat * size + (indices[i] + (indices[i] < 0).template to<std::int64_t>() * size);
        joint *= size;
    }
    Shape rows = rest, result = picked;
    rows.insert(0, joint);
    for (std::int64_t size : rest) result.push_back(size);
    auto y = index_select(x.permute(order).reshape(rows), 0, flat.reshape({-1})).reshape(result);
    if (apart || at[0] == 0) return y;
    Dims back;  // from [picked..., rest...] to rest, with the picked dimensions in the first index's place
    for (int d = 0; d < at[0]; ++d) back.push_back(picked.rank() + d);
    for (int d = 0; d < picked.rank(); ++d) back.push_back(d);
    for (int d = picked.rank() + at[0]; d < y.dim(); ++d) back.push_back(d);
    return y.permute(back);
}

}  // namespace detail

/// x, of one dimension, with x[index[i]] replaced by source[i].
template <class T, class D>
Tensor<T, D> index_copy(const Tensor<T, D>& x, const Tensor<std::int64_t, D>& index, const Tensor<T, D>& source) {
    const OpScope scope("index_copy", {x.impl().get(), source.impl().get()});
    if (x.dim() != 1 || !(index.shape() == source.shape()))
        throw ShapeError(message("index_copy: needs a vector and as many values as indices, got ", x.shape(), ", ", index.shape(), ", ",
                                 source.shape()));
    const auto at = detail::detached_contiguous(index);
    detail::check_indices("index_copy", at, x.numel(), x.shape());
    auto y = detail::plain_copy(x);
    scatter_along(D{}, y.data(), y.strides(), 0, y.numel(), at.data(), at.shape(),
                  static_cast<const T*>(detail::detached_contiguous(source).data()));
    if constexpr (Floating<T>) {
        if (autograd::needs_grad(x, source))
            return record("index_copy", std::move(y),
                          input(x, [at = saved(at)](const auto& g) { return index_copy(g, at(), zeros<T, D>(at().shape())); }),
                          input(source, [at = saved(at)](const auto& g) { return index_select(g, 0, at()); }));
    }
    return y;
}

/// What indexing with tensors gives: a copy of the picked elements that, assigned to, writes to where they came from.
template <class T, class D, class Select>
class Picked : public Tensor<T, D> {
public:
    Picked(const Tensor<T, D>& source, Select select) : Tensor<T, D>(select(source)), source_(source), select_(std::move(select)) {}

    void operator=(const Tensor<T, D>& value) && {
        const OpScope scope("index_put_", {source_.impl().get(), value.impl().get()});
        const auto positions = select_(arange<std::int64_t, D>(source_.numel()).view(source_.shape()));
        const auto values = value.expand(positions.shape()).reshape({-1});
        source_.copy_(index_copy(source_.reshape({-1}), positions.reshape({-1}), values).reshape(source_.shape()));
    }
    void operator=(T value) && { std::move(*this) = full<T, D>({}, value); }
    /// `x(mask) = y(mask)` writes too.
    void operator=(const Picked& value) && { std::move(*this) = static_cast<const Tensor<T, D>&>(value); }
    Picked(const Picked&) = default;
    ~Picked() = default;

    // `x(mask) += y` writes the sums back, instead of to a copy that is lost
    template <class Y>
    void operator+=(const Y& y) && {
        std::move(*this) = static_cast<const Tensor<T, D>&>(*this) + y;
    }
    template <class Y>
    void operator-=(const Y& y) && {
        std::move(*this) = static_cast<const Tensor<T, D>&>(*this) - y;
    }
    template <class Y>
    void operator*=(const Y& y) && {
        std::move(*this) = static_cast<const Tensor<T, D>&>(*this) * y;
    }
    template <class Y>
    void operator/=(const Y& y) && {
        std::move(*this) = static_cast<const Tensor<T, D>&>(*this) / y;
    }

private:
    Tensor<T, D> source_;
    Select select_;
};

template <class T, class D>
template <class... Indices>
auto Tensor<T, D>::operator()(const Indices&... indices) const {
    if constexpr ((AnyTensor<Indices> || ...)) {
        return Picked(*this, [indices...](const auto& x) {
            const auto walk = detail::walk_indices(detail::geometry_of(x), indices...);
            const auto view = detail::embedded_view("index", x, [&](const Geometry& g) { return detail::walk_indices(g, indices...).g; });
            std::vector<Tensor<std::int64_t, D>> list;
            (detail::append_index(list, indices, view.shape(), walk.at), ...);
            return detail::pick(view, list, walk.at, walk.apart);
        });
    } else {
        return detail::embedded_view("index", *this, [&](const Geometry& g) { return detail::walk_indices(g, indices...).g; });
    }
}

}  // namespace headtorch
