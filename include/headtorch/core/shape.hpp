// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Shapes, strides and broadcasting. Rank is at most 8, so nothing here allocates.

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "headtorch/core/error.hpp"

namespace headtorch {

inline constexpr int max_rank = 8;

/// Up to eight integers: sizes, strides, or a list of dimensions.
class IntList {
public:
    IntList() = default;
    IntList(std::initializer_list<std::int64_t> values) : IntList(std::span(values.begin(), values.size())) {}
    explicit IntList(std::span<const std::int64_t> values) {
        for (std::int64_t value : values) push_back(value);
    }
    static IntList filled(int rank, std::int64_t value) {
        IntList list;
        for (int i = 0; i < rank; ++i) list.push_back(value);
        return list;
    }

    int rank() const { return rank_; }
    bool empty() const { return rank_ == 0; }
    std::int64_t operator[](int i) const { return values_[static_cast<std::size_t>(i)]; }
    std::int64_t& operator[](int i) { return values_[static_cast<std::size_t>(i)]; }
    std::int64_t back() const { return (*this)[rank_ - 1]; }
    const std::int64_t* begin() const { return values_.data(); }
    const std::int64_t* end() const { return values_.data() + rank_; }
    bool contains(std::int64_t value) const { return std::find(begin(), end(), value) != end(); }

    void push_back(std::int64_t value) { insert(rank_, value); }
    void insert(int position, std::int64_t value) {
        if (rank_ == max_rank) throw ShapeError("shape: a tensor has at most 8 dimensions");
        for (int i = rank_; i > position; --i) (*this)[i] = (*this)[i - 1];
        (*this)[position] = value;
        ++rank_;
    }
    void erase(int position) {
        for (int i = position; i + 1 < rank_; ++i) (*this)[i] = (*this)[i + 1];
        --rank_;
    }

    friend bool operator==(const IntList& a, const IntList& b) {  // a loop: for so few numbers, std::equal's memcmp takes longer
        bool equal = a.rank_ == b.rank_;
        for (int i = 0; equal && i < a.rank_; ++i) equal = a[i] == b[i];
        return equal;
    }

    /// As PyTorch prints a size: `[2, 3]`.
    std::string to_string() const {
        std::string text = "[";
        for (int i = 0; i < rank_; ++i) text += (i ? ", " : "") + std::to_string((*this)[i]);
        return text + "]";
    }

private:
    std::array<std::int64_t, max_rank> values_{};
    int rank_ = 0;
};

using Strides = IntList;

/// Sizes of the dimensions, outermost first; `[]` is a single number.
class Shape : public IntList {
public:
    using IntList::IntList;
    Shape() = default;
    Shape(const IntList& sizes) : IntList(sizes) {}

    /// Product of the sizes. Throws ShapeError on a negative size or when the product does not fit.
    std::int64_t numel() const {
        std::int64_t product = 1;
        bool overflow = false;
        for (std::int64_t size : *this) {
            if (size < 0) throw ShapeError(message("shape: negative size in ", *this));
            overflow = overflow || __builtin_mul_overflow(product, size, &product);
            if (size == 0) return check_no_negative(), 0;
        }
        if (overflow || product > std::numeric_limits<std::int64_t>::max() / 16)
            throw ShapeError(message("shape: the number of elements of ", *this, " does not fit in 64 bits"));
        return product;
    }

    /// Strides of a row-major tensor of this shape, in elements. Those of an empty tensor may wrap around; nobody follows them.
    Strides contiguous_strides() const {
        Strides strides = filled(rank(), 1);
        for (int i = rank() - 2; i >= 0; --i)
            __builtin_mul_overflow(strides[i + 1], std::max<std::int64_t>(1, (*this)[i + 1]), &strides[i]);
        return strides;
    }

private:
    void check_no_negative() const {
        for (std::int64_t size : *this)
            if (size < 0) throw ShapeError(message("shape: negative size in ", *this));
    }
};

/// A list of dimensions for a reduction; a single number is one, negative ones count from the end.
class Dims : public IntList {
public:
    using IntList::IntList;
    Dims(std::integral auto dim) : IntList{static_cast<std::int64_t>(dim)} {}
};

/// Turns -1 into the last dimension. Throws IndexError outside [-rank, rank). A 0-dim tensor accepts 0 and -1.
inline int normalize_dim(std::string_view op, std::int64_t dim, int rank) {
    const int limit = std::max(rank, 1);
    if (dim < -limit || dim >= limit)
        throw IndexError(message(op, ": dimension out of range: expected [", -limit, ", ", limit - 1, "], but got ", dim));
    return static_cast<int>(dim < 0 ? dim + limit : dim);
}

/// Shape of the result of an op on `a` and `b`: sizes match from the end, 1 fits all.
inline Shape broadcast_shapes(std::string_view op, const Shape& a, const Shape& b) {
    const int rank = std::max(a.rank(), b.rank());
    Shape result = IntList::filled(rank, 1);
    for (int i = 1; i <= rank; ++i) {
        const std::int64_t m = i <= a.rank() ? a[a.rank() - i] : 1;
        const std::int64_t n = i <= b.rank() ? b[b.rank() - i] : 1;
        if (m != n && m != 1 && n != 1)
            throw ShapeError(
                message(op, ": shapes do not broadcast: ", a, " and ", b, " (sizes ", m, " and ", n, " at dimension ", rank - i, ")"));
        result[rank - i] = m == 1 ? n : m;
    }
    return result;
}

/// Strides with which a tensor is read as if it had `target` shape: 0 along broadcast dimensions.
inline Strides broadcast_strides(const Shape& shape, const Strides& strides, const Shape& target) {
    Strides result = IntList::filled(target.rank(), 0);
    for (int i = 1; i <= shape.rank(); ++i)
        if (shape[shape.rank() - i] != 1 || target[target.rank() - i] == 1) result[target.rank() - i] = strides[shape.rank() - i];
    return result;
}

inline bool is_contiguous(const Shape& shape, const Strides& strides) {
    std::int64_t expected = 1;
    for (int i = shape.rank() - 1; i >= 0; --i) {
        if (shape[i] == 0) return true;
        if (shape[i] != 1 && strides[i] != expected) return shape.contains(0);
        __builtin_mul_overflow(expected, shape[i], &expected);  // too large only when a dimension is 0
    }
    return true;
}

}  // namespace headtorch
