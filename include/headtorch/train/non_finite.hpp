// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// How many elements of a tensor are NaN or infinite, and where the first is.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>

#include "headtorch/tensor/storage.hpp"

namespace headtorch::train {

struct NonFiniteCount {
    std::int64_t nan = 0, infinite = 0;
    Shape first_nan, first_infinite;  ///< indices
    bool negative = false;            ///< the first infinity
    std::int64_t numel = 0;

    bool any() const { return nan + infinite > 0; }
    /// "has 3 NaN and 1 infinity (first NaN at [4, 7], -inf at [0, 1])", or of a single number "is NaN". Either verb may be empty.
    std::string describe(const char* is, const char* has, bool with_infinite) const {
        const std::string sign = negative ? "-inf" : "inf";
        const auto verb = [](const char* word) { return *word ? std::string(word) + " " : std::string(); };
        if (numel == 1) return verb(is) + (nan ? "NaN" : sign);
        std::string counts, places;
        if (nan) {
            counts = message(nan, " NaN");
            places = message("first at ", first_nan);
        }
        if (infinite && with_infinite) {
            counts += message(nan ? " and " : "", infinite, infinite == 1 ? " infinity" : " infinities");
            places += message(nan ? ", " : "first ", sign, " at ", first_infinite);
        }
        return verb(has) + counts + " (" + places + ")";
    }
};

namespace detail {

/// True when an exponent has all bits set: of any NaN and any infinity. Whole blocks, so that the compiler takes vectors.
template <class T>
bool has_non_finite(const T* x, std::int64_t n) {
    using Bits = std::conditional_t<sizeof(T) == 2, std::uint16_t, std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>>;
    constexpr Bits infinity = std::bit_cast<Bits>(std::numeric_limits<T>::infinity());
    constexpr int lanes = 64 / sizeof(T);
    Bits largest[lanes] = {};
    std::int64_t i = 0;
    for (; i + lanes <= n; i += lanes) {
        Bits bits[lanes];
        std::memcpy(bits, x + i, sizeof bits);
        for (int k = 0; k < lanes; ++k) largest[k] = std::max(largest[k], static_cast<Bits>(bits[k] & infinity));
    }
    bool found = *std::max_element(largest, largest + lanes) == infinity;
    for (; i < n; ++i) found = found || !std::isfinite(x[i]);
    return found;
}

template <class T>
NonFiniteCount count_non_finite(const TensorImpl& tensor) {
    NonFiniteCount result;
    result.numel = tensor.numel;
    const T* data = static_cast<const T*>(tensor.data);
    if (tensor.contiguous && !has_non_finite(data, tensor.numel)) return result;
    Shape index = IntList::filled(tensor.shape.rank(), 0);
    for (std::int64_t i = 0, offset = 0; i < tensor.numel; ++i) {
        const T value = data[offset];
        if (!std::isfinite(value)) {
            const bool is_nan = std::isnan(value);
            std::int64_t& count = is_nan ? result.nan : result.infinite;
            if (count++ == 0) {
                (is_nan ? result.first_nan : result.first_infinite) = index;
                if (!is_nan) result.negative = value < 0;
            }
        }
        for (int d = tensor.shape.rank() - 1; d >= 0; --d) {
            offset += tensor.strides[d];
            if (++index[d] < tensor.shape[d]) break;
            offset -= index[d] * tensor.strides[d];
            index[d] = 0;
        }
    }
    return result;
}

}  // namespace detail

/// Nothing, of integers and of memory that is not the host's.
inline NonFiniteCount count_non_finite(const TensorImpl& tensor) {
    if (tensor.device != DeviceKind::cpu || !tensor.data) return {};
    if (tensor.dtype == Dtype::float32) return detail::count_non_finite<float>(tensor);
    if (tensor.dtype == Dtype::float64) return detail::count_non_finite<double>(tensor);
    if (tensor.dtype == Dtype::float16) return detail::count_non_finite<float16>(tensor);
    if (tensor.dtype == Dtype::bfloat16) return detail::count_non_finite<bfloat16>(tensor);
    return {};
}

}  // namespace headtorch::train
