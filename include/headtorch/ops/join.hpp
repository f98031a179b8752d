// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Joining tensors and taking them apart: cat, stack, split, chunk, unbind.

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

#include "headtorch/ops/inplace.hpp"
#include "headtorch/ops/reduce.hpp"
#include "headtorch/ops/view.hpp"

namespace headtorch {

/// The tensors one after the other along `dim`; the other sizes must agree. Empty 1-dim tensors are passed over, as in PyTorch.
template <class T, class D>
Tensor<T, D> cat(const std::vector<Tensor<T, D>>& tensors, std::int64_t dim = 0) {
    const OpScope scope("cat");
    if (tensors.empty()) throw ValueError("cat: got an empty list of tensors");
    std::vector<Tensor<T, D>> parts;
    for (const auto& x : tensors)
        if (!(x.dim() == 1 && x.numel() == 0)) parts.push_back(x);
    if (parts.empty()) return empty<T, D>({0});
    if (parts[0].dim() == 0) throw ShapeError("cat: 0-dim tensors cannot be joined; use stack()");
    const int d = normalize_dim("cat", dim, parts[0].dim());
    Shape shape = parts[0].shape();
    shape[d] = 0;
    for (const auto& x : parts) {
        Shape rest = x.shape();
        if (rest.rank() == shape.rank()) rest[d] = shape[d];
        if (!(rest == shape))
            throw ShapeError(message("cat: all sizes but that of dimension ", d, " must agree: ", parts[0].shape(), " and ", x.shape()));
        shape[d] += x.shape()[d];
    }
    auto y = empty<T, D>(shape);
    std::int64_t start = 0;
    for (const auto& x : parts) {
        const auto place = detail::make_view(y, geometry::narrow(detail::geometry_of(y), d, start, x.shape()[d]));
        detail::run_map(detail::Identity{}, place, x);
        start += x.shape()[d];
    }
    if constexpr (Floating<T>) {
        bool needed = false;
        for (const auto& x : parts) needed = needed || needs_grad(x);
        if (needed) {
            std::vector<Ref<autograd::Node>> parents;
            std::vector<std::int64_t> sizes;
            for (const auto& x : parts) {
                parents.push_back(autograd::node_of(x));
                sizes.push_back(x.shape()[d]);
            }
            return autograd::record_step("cat", std::move(y), std::move(parents),
                                         [sizes = std::move(sizes), d](const Tensor<T, D>& g, autograd::GradientSink& sink) {
                                             std::int64_t from = 0;
                                             for (std::size_t i = 0; i < sizes.size(); from += sizes[i++])
                                                 if (sink.wants(i)) sink.add(i, g.narrow(d, from, sizes[i]).impl());
                                         });
        }
    }
    return y;
}
template <class T, class D>
Tensor<T, D> cat(std::initializer_list<Tensor<T, D>> tensors, std::int64_t dim = 0) { return cat(std::vector<Tensor<T, D>>(tensors), dim); }

/// Tensors of one shape along a new dimension.
template <class T, class D>
Tensor<T, D> stack(const std::vector<Tensor<T, D>>& tensors, std::int64_t dim = 0) {
    const OpScope scope("stack");
    if (tensors.empty()) throw ValueError("stack: got an empty list of tensors");
    const int d = normalize_dim("stack", dim, tensors[0].dim() + 1);
    std::vector<Tensor<T, D>> parts;
    for (const auto& x : tensors) {
        if (!(x.shape() == tensors[0].shape()))
            throw ShapeError(message("stack: all shapes must agree: ", tensors[0].shape(), " and ", x.shape()));
        parts.push_back(x.unsqueeze(d));
    }
    return cat(parts, d);
}
template <class T, class D>
Tensor<T, D> stack(std::initializer_list<Tensor<T, D>> tensors, std::int64_t dim = 0) {
    return stack(std::vector<Tensor<T, D>>(tensors), dim);
}

/// Views of the given sizes along `dim`, which add up to its size.
template <class T, class D>
std::vector<Tensor<T, D>> split(const Tensor<T, D>& x, const std::vector<std::int64_t>& sizes, std::int64_t dim = 0) {
    std::int64_t start = 0;
    std::vector<Tensor<T, D>> parts;
    for (std::int64_t size : sizes) {
        if (size < 0) throw ValueError(message("split: negative size ", size));
        start += size;
    }
    if (start != x.size(dim))
        throw ShapeError(
            message("split: the sizes add up to ", start, ", but dimension ", dim, " of ", x.shape(), " has size ", x.size(dim)));
    start = 0;
    for (std::int64_t size : sizes) {
        parts.push_back(x.narrow(dim, start, size));
        start += size;
    }
    return parts;
}
/// Views of `size` entries along `dim`; the last one may be smaller.
template <class T, class D>
std::vector<Tensor<T, D>> split(const Tensor<T, D>& x, std::int64_t size, std::int64_t dim = 0) {
    if (size <= 0) throw ValueError(message("split: the size must be positive, but is ", size));
    std::vector<Tensor<T, D>> parts;
    const std::int64_t total = x.size(dim);
    for (std::int64_t start = 0; start < total || parts.empty(); start += size)
        parts.push_back(x.narrow(dim, start, std::min(size, total - start)));
    return parts;
}
/// At most `chunks` views of equal size along `dim`; the last one may be smaller.
template <class T, class D>
std::vector<Tensor<T, D>> chunk(const Tensor<T, D>& x, std::int64_t chunks, std::int64_t dim = 0) {
    if (chunks <= 0) throw ValueError(message("chunk: the number of chunks must be positive, but is ", chunks));
    return split(x, std::max<std::int64_t>(1, (x.size(dim) + chunks - 1) / chunks), dim);
}
/// One view for each entry of `dim`, without that dimension.
template <class T, class D>
std::vector<Tensor<T, D>> unbind(const Tensor<T, D>& x, std::int64_t dim = 0) {
    std::vector<Tensor<T, D>> parts;
    for (std::int64_t i = 0; i < x.size(dim); ++i) parts.push_back(x.select(dim, i));
    return parts;
}

}  // namespace headtorch
