// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Values of any element type as doubles, and how far two of them are apart. Part of train/parity.hpp.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "headtorch/core/dtype.hpp"
#include "headtorch/core/error.hpp"
#include "headtorch/core/shape.hpp"
#include "headtorch/tensor/storage.hpp"

namespace headtorch::train::parity_detail {

/// A tensor, row-major.
struct Values {
    Shape shape;
    Dtype dtype = Dtype::float32;
    std::vector<double> data;

    std::size_t size() const { return data.size(); }
    double largest() const {
        double most = 0;
        for (const double x : data) most = std::max(most, std::isfinite(x) ? std::abs(x) : 0.0);
        return most;
    }
};

/// Calls `visit(pointer, i)` for the i-th element of a strided tensor, row-major.
template <class T, class F>
void each_element(const TensorImpl& tensor, const F& visit) {
    T* const data = static_cast<T*>(tensor.data);
    IntList index = IntList::filled(tensor.shape.rank(), 0);
    for (std::int64_t i = 0, at = 0; i < tensor.numel; ++i) {
        visit(data + at, static_cast<std::size_t>(i));
        for (int d = tensor.shape.rank() - 1; d >= 0; --d) {
            at += tensor.strides[d];
            if (++index[d] < tensor.shape[d]) break;
            at -= tensor.strides[d] * tensor.shape[d];
            index[d] = 0;
        }
    }
}

template <class F>
void with_type(Dtype dtype, const F& work) {
    switch (dtype) {
        case Dtype::float32:
            return work(float());
        case Dtype::float64:
            return work(double());
        case Dtype::int64:
            return work(std::int64_t());
        case Dtype::int32:
            return work(std::int32_t());
        case Dtype::uint8:
            return work(std::uint8_t());
        case Dtype::boolean:
            return work(bool());
        case Dtype::float16:
            return work(float16());
        case Dtype::bfloat16:
            return work(bfloat16());
    }
}

inline Values values_of(const TensorImpl& tensor) {
    if (tensor.device != DeviceKind::cpu) throw ValueError("check_parity: the module must be on the CPU");
    Values values{tensor.shape, tensor.dtype, std::vector<double>(static_cast<std::size_t>(tensor.numel))};
    with_type(tensor.dtype, [&](auto type) {
        each_element<decltype(type)>(tensor, [&](auto* from, std::size_t i) { values.data[i] = static_cast<double>(*from); });
    });
    return values;
}

/// Writes values of the same shape into a tensor; false when its elements share memory (as those of an expanded one do).
inline bool write_values(TensorImpl& tensor, const Values& values) {
    for (int d = 0; d < tensor.shape.rank(); ++d)
        if (tensor.strides[d] == 0 && tensor.shape[d] > 1) return false;
    with_type(tensor.dtype, [&](auto type) {
        using T = decltype(type);
        each_element<T>(tensor, [&](T* to, std::size_t i) { *to = static_cast<T>(values.data[i]); });
    });
    return true;
}

/// How far two tensors of the same shape are apart.
struct Gap {
    double max_abs = 0;  ///< largest difference
    double max_rel = 0;  ///< the same over the largest magnitude of the expected values
    double rms_rel = 0;  ///< root mean square of the difference over that of the expected values
    std::size_t at = 0;  ///< where it is largest
    double here = 0, there = 0;
};

/// `least_scale`: what the differences are compared with at least.
inline Gap gap_between(const Values& here, const Values& there, double least_scale = 0) {
    Gap gap;
    double sum = 0, square = 0;
    const double scale = std::max(there.largest(), least_scale);
    for (std::size_t i = 0; i < there.size(); ++i) {
        const double a = here.data[i], b = there.data[i];
        double difference = std::abs(a - b);
        if (a == b || (std::isnan(a) && std::isnan(b))) difference = 0;
        if (std::isnan(difference)) difference = std::numeric_limits<double>::infinity();
        if (difference > gap.max_abs || i == 0) gap = {difference, 0, 0, i, a, b};
        sum += difference * difference;
        if (std::isfinite(b)) square += b * b;
    }
    const auto relative = [](double part, double whole) {
        return part == 0 ? 0 : whole == 0 ? std::numeric_limits<double>::infinity() : part / whole;
    };
    gap.max_rel = relative(gap.max_abs, scale);
    gap.rms_rel = relative(std::sqrt(sum), std::max(std::sqrt(square), least_scale));
    return gap;
}

/// True when both have one shape and differ by no more than `tolerance` of the largest magnitude.
inline bool are_close(const Values& a, const Values& b, double tolerance) {
    return a.shape == b.shape && gap_between(a, b).max_rel <= tolerance;
}

/// "[1, 0, 3]": the place of element i.
inline IntList position_of(const Shape& shape, std::size_t i) {
    IntList position = IntList::filled(shape.rank(), 0);
    auto rest = static_cast<std::int64_t>(i);
    for (int d = shape.rank() - 1; d >= 0; --d) {
        position[d] = rest % std::max<std::int64_t>(1, shape[d]);
        rest /= std::max<std::int64_t>(1, shape[d]);
    }
    return position;
}

/// The values with dimensions in another order; shape and order as those of Tensor::permute().
inline Values permuted(const Values& x, const IntList& order) {
    Values result{{}, x.dtype, std::vector<double>(x.size())};
    const Strides strides = x.shape.contiguous_strides();
    Strides moved;
    for (const std::int64_t d : order) {
        result.shape.push_back(x.shape[static_cast<int>(d)]);
        moved.push_back(strides[static_cast<int>(d)]);
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
        const IntList position = position_of(result.shape, i);
        std::int64_t from = 0;
        for (int d = 0; d < position.rank(); ++d) from += position[d] * moved[d];
        result.data[i] = x.data[static_cast<std::size_t>(from)];
    }
    return result;
}

/// "1.2e-05", "0.5".
inline std::string short_number(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.3g", value);
    return text;
}

}  // namespace headtorch::train::parity_detail
