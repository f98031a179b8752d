// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Geometry of views: each function turns shape, strides and offset of a tensor into those of a view of it. No data here.

#include <cstdint>
#include <optional>

#include "headtorch/core/shape.hpp"

namespace headtorch {

/// Where the elements of a view stand: element (i, j, …) is offset + i * strides[0] + j * strides[1] + … elements from the start.
struct Geometry {
    Shape shape;
    Strides strides;
    std::int64_t offset = 0;
};

namespace geometry {

inline Geometry narrow(Geometry g, std::int64_t dim, std::int64_t start, std::int64_t length) {
    if (g.shape.rank() == 0) throw ShapeError("narrow: a 0-dim tensor has no dimension to narrow");
    const int d = normalize_dim("narrow", dim, g.shape.rank());
    if (start < 0) start += g.shape[d];
    if (start < 0 || length < 0 || start > g.shape[d] || length > g.shape[d] - start)
        throw IndexError(message("narrow: ", length, " elements from ", start, " on are not all in dimension ", d, " of ", g.shape));
    g.offset += start * g.strides[d];
    g.shape[d] = length;
    return g;
}

inline Geometry select(Geometry g, std::int64_t dim, std::int64_t index) {
    if (g.shape.rank() == 0) throw IndexError("select: a 0-dim tensor cannot be indexed; use item()");
    const int d = normalize_dim("select", dim, g.shape.rank());
    const std::int64_t size = g.shape[d];
    if (index < -size || index >= size)
        throw IndexError(message("select: index ", index, " is out of range for dimension ", d, " of ", g.shape));
    g.offset += (index < 0 ? index + size : index) * g.strides[d];
    g.shape.erase(d);
    g.strides.erase(d);
    return g;
}

/// Elements start, start + step, … before stop, with Python's rules: negative values count from the end, out-of-range ones are cut.
inline Geometry slice(Geometry g, int d, std::int64_t start, std::int64_t stop, std::int64_t step) {
    if (step <= 0) throw ValueError(message("slice: the step must be positive, not ", step));
    const std::int64_t size = g.shape[d];
    const auto clip = [size](std::int64_t i) { return std::clamp<std::int64_t>(i < 0 ? i + size : i, 0, size); };
    const std::int64_t first = clip(start), last = std::max(first, clip(stop));
    g.offset += first * g.strides[d];
    g.shape[d] = last == first ? 0 : (last - first - 1) / step + 1;
    if (g.shape[d] > 1) g.strides[d] *= step;  // a step beyond the end could overflow
    return g;
}

inline Geometry unsqueeze(Geometry g, std::int64_t dim) {
    const int d = normalize_dim("unsqueeze", dim, g.shape.rank() + 1);
    const std::int64_t stride = d < g.shape.rank() ? g.shape[d] * g.strides[d] : 1;
    g.shape.insert(d, 1);
    g.strides.insert(d, stride);
    return g;
}

inline Geometry squeeze(Geometry g, std::int64_t dim) {
    if (g.shape.rank() == 0) return g;
    const int d = normalize_dim("squeeze", dim, g.shape.rank());
    if (g.shape[d] == 1) {
        g.shape.erase(d);
        g.strides.erase(d);
    }
    return g;
}

inline Geometry squeeze(Geometry g) {
    for (int d = g.shape.rank() - 1; d >= 0; --d) g = squeeze(g, d);
    return g;
}

inline Geometry transpose(Geometry g, std::int64_t a, std::int64_t b) {
    const int i = normalize_dim("transpose", a, g.shape.rank()), j = normalize_dim("transpose", b, g.shape.rank());
    std::swap(g.shape[i], g.shape[j]);
    std::swap(g.strides[i], g.strides[j]);
    return g;
}

inline Geometry permute(const Geometry& g, const Dims& dims) {
    if (dims.rank() != g.shape.rank())
        throw ShapeError(message("permute: ", dims.rank(), " dimensions given for a tensor of shape ", g.shape));
    Geometry result = g;
    Dims seen;
    for (int i = 0; i < dims.rank(); ++i) {
        const int d = normalize_dim("permute", dims[i], dims.rank());
        if (seen.contains(d)) throw ShapeError(message("permute: dimension ", d, " appears twice in ", dims));
        seen.push_back(d);
        result.shape[i] = g.shape[d];
        result.strides[i] = g.strides[d];
    }
    return result;
}

/// -1 in `target` keeps the size. Strides are 0 along expanded dimensions.
inline Geometry expand(const Geometry& g, const Shape& target) {
    const int added = target.rank() - g.shape.rank();
    if (added < 0) throw ShapeError(message("expand: ", target, " has fewer dimensions than ", g.shape));
    Geometry result{target, IntList::filled(target.rank(), 0), g.offset};
    for (int d = 0; d < target.rank(); ++d) {
        const bool present = d >= added;
        const std::int64_t size = present ? g.shape[d - added] : 1;
        if (target[d] == -1 && present) result.shape[d] = size;
        if (target[d] < (present ? -1 : 0)) throw ShapeError(message("expand: negative size in ", target));
        if (size == result.shape[d]) {
            result.strides[d] = present ? g.strides[d - added] : 0;
        } else if (size != 1) {
            throw ShapeError(message("expand: ", g.shape, " does not expand to ", target, " (dimension ", d, " has size ", size, ")"));
        }
    }
    return result;
}

inline Geometry diagonal(Geometry g, std::int64_t offset, std::int64_t dim1, std::int64_t dim2) {
    if (g.shape.rank() < 2) throw ShapeError(message("diagonal: needs at least two dimensions, got ", g.shape));
    const int i = normalize_dim("diagonal", dim1, g.shape.rank()), j = normalize_dim("diagonal", dim2, g.shape.rank());
    if (i == j) throw ShapeError("diagonal: the two dimensions must differ");
    const std::int64_t rows = g.shape[i], columns = g.shape[j];
    const std::int64_t length =
        std::max<std::int64_t>(0, offset >= 0 ? std::min(rows, columns - offset) : std::min(rows + offset, columns));
    const std::int64_t stride = g.strides[i] + g.strides[j];
    if (length > 0) g.offset += offset >= 0 ? offset * g.strides[j] : -offset * g.strides[i];
    for (const int d : {std::max(i, j), std::min(i, j)}) {
        g.shape.erase(d);
        g.strides.erase(d);
    }
    g.shape.push_back(length);
    g.strides.push_back(stride);
    return g;
}

/// Windows of `size` elements, `step` apart, along `dim`; the window becomes the last dimension.
inline Geometry unfold(Geometry g, std::int64_t dim, std::int64_t size, std::int64_t step) {
    const int d = normalize_dim("unfold", dim, g.shape.rank());
    const std::int64_t extent = g.shape.rank() ? g.shape[d] : 1;
    if (size < 0 || step <= 0 || size > extent)
        throw ValueError(
            message("unfold: windows of ", size, " elements, ", step, " apart, do not fit into dimension ", dim, " of ", g.shape));
    if (g.shape.rank() == 0) return {Shape{size}, Strides{1}, g.offset};
    const std::int64_t stride = g.strides[d];
    g.shape[d] = (extent - size) / step + 1;
    g.strides[d] = stride * step;
    g.shape.push_back(size);
    g.strides.push_back(stride);
    return g;
}

/// Fills in the one size that may be -1, and checks the product.
inline Shape resolve_shape(const char* op, const Shape& shape, Shape target) {
    const std::int64_t numel = shape.numel();
    std::int64_t known = 1;
    int unknown = -1;
    for (int d = 0; d < target.rank(); ++d) {
        if (target[d] == -1) {
            if (unknown >= 0) throw ShapeError(message(op, ": only one size may be -1, got ", target));
            unknown = d;
        } else if (target[d] < 0) {
            throw ShapeError(message(op, ": negative size in ", target));
        } else if (__builtin_mul_overflow(known, target[d], &known)) {
            throw ShapeError(message(op, ": the number of elements of ", target, " does not fit in 64 bits"));
        }
    }
    if (unknown >= 0) {
        if (known == 0 || numel % known != 0)
            throw ShapeError(message(op, ": shape ", target, " does not fit ", numel, " elements of ", shape));
        target[unknown] = numel / known;
    } else if (known != numel) {
        throw ShapeError(message(op, ": shape ", target, " has ", known, " elements, but the tensor of shape ", shape, " has ", numel));
    }
    return target;
}

/// Strides with which the same memory shows `target`; none when a copy is needed.
inline std::optional<Strides> reshape_strides(const Shape& shape, const Strides& strides, const Shape& target) {
    if (is_contiguous(shape, strides)) return target.contiguous_strides();
    Strides result = IntList::filled(target.rank(), 0);
    int t = target.rank() - 1;
    std::int64_t chunk_stride = strides.back(), in_chunk = 1, placed = 1;
    for (int d = shape.rank() - 1; d >= 0; --d) {
        in_chunk *= shape[d];
        // the end of a run of dimensions that lie in memory like one
        const bool ends = d == 0 || (shape[d - 1] != 1 && strides[d - 1] != in_chunk * chunk_stride);
        if (!ends) continue;
        while (t >= 0 && (placed < in_chunk || target[t] == 1)) {
            result[t] = placed * chunk_stride;
            placed *= target[t--];
        }
        if (placed != in_chunk) return std::nullopt;
        if (d > 0) {
            chunk_stride = strides[d - 1];
            in_chunk = placed = 1;
        }
    }
    if (t >= 0) return std::nullopt;
    return result;
}

}  // namespace geometry
}  // namespace headtorch
