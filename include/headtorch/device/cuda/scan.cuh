// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Scans along lines on the GPU: running sums and products, linear recurrences, and the gradients of products. None of them divides, so
/// zeros do no harm; products of floats keep an exponent of their own, so that those of a part, which the line as a whole may never reach,
/// do no harm either. Floats are gathered in double.

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "headtorch/core/dtype.hpp"
#include "headtorch/core/half.hpp"
#include "headtorch/core/math.hpp"
#include "headtorch/device/cuda/scan_kernel.cuh"
#include "headtorch/device/device.hpp"

namespace headtorch::cuda {
namespace detail {

template <class A, class T>
__device__ A widened(T x) {
    return static_cast<A>(static_cast<ComputeType<T>>(x));
}

template <class T, class Out>
struct ScanSum {
    using A = Accumulator<T>;
    const T* x;
    Out* y;
    __device__ A identity() const { return A(0); }
    __device__ A load(std::int64_t at, std::int64_t) const { return widened<A>(x[at]); }
    __device__ A combine(A before, A a) const { return static_cast<A>(math::wrapping(before) + math::wrapping(a)); }
    __device__ void store(std::int64_t at, std::int64_t, A sum, A) const { y[at] = static_cast<Out>(sum); }
};

/// mantissa * 2^exponent: neither too large nor too small for any product.
struct LongProduct {
    double mantissa;
    int exponent;

    __device__ static LongProduct of(double x) {
        int exponent = 0;
        const double mantissa = std::frexp(x, &exponent);
        return {mantissa, x == 0 || x - x != 0 ? 0 : exponent};  // the exponent of what is infinite or NaN is anything
    }
    __device__ double value() const { return std::ldexp(mantissa, exponent); }
    __device__ friend LongProduct operator*(LongProduct a, LongProduct b) {
        LongProduct result = of(a.mantissa * b.mantissa);
        if (result.mantissa != 0) result.exponent += a.exponent + b.exponent;
        return result;
    }
};
/// Integers wrap around.
template <class A>
using LongProductOf = std::conditional_t<std::is_floating_point_v<A>, LongProduct, A>;
template <class A>
__device__ LongProductOf<A> product_of(A x) {
    if constexpr (std::is_floating_point_v<A>)
        return LongProduct::of(x);
    else
        return x;
}
template <class A>
__device__ A product_value(const LongProductOf<A>& p) {
    if constexpr (std::is_floating_point_v<A>)
        return p.value();
    else
        return p;
}

template <class T, class Out>
struct ScanProduct {
    using Number = Accumulator<T>;
    using A = LongProductOf<Number>;
    const T* x;
    Out* y;
    __device__ A identity() const { return product_of(Number(1)); }
    __device__ A load(std::int64_t at, std::int64_t) const { return product_of(widened<Number>(x[at])); }
    __device__ A combine(const A& before, const A& a) const { return static_cast<A>(math::wrapping(before) * math::wrapping(a)); }
    __device__ void store(std::int64_t at, std::int64_t, const A& product, const A&) const {
        y[at] = static_cast<Out>(product_value<Number>(product));
    }
};

/// The product of what comes before each element, alone or (`behind`) times what y holds.
template <class T, bool behind>
struct ScanOthers {
    using A = LongProduct;
    const T* x;
    T* y;
    __device__ A identity() const { return LongProduct::of(1.0); }
    __device__ A load(std::int64_t at, std::int64_t) const { return LongProduct::of(widened<double>(x[at])); }
    __device__ A combine(const A& before, const A& a) const { return before * a; }
    __device__ void store(std::int64_t at, std::int64_t, const A&, const A& others) const {
        y[at] = static_cast<T>(behind ? widened<double>(y[at]) * others.value() : others.value());
    }
};

/// What some steps make of a state: factor * state + added.
struct Affine {
    LongProduct factor;
    double added;
};

/// h[k] = a[k] h[k-1] + b[k], or h[k] = a[k+1] h[k+1] + b[k] from the end. With `y`, h[k] is multiplied with y[k-1].
template <class T>
struct ScanRecurrence {
    using A = Affine;
    const T *a, *b, *y;
    T* h;
    std::int64_t length, inner;
    bool reverse;
    __device__ A identity() const { return {LongProduct::of(1.0), 0.0}; }
    __device__ A load(std::int64_t at, std::int64_t k) const {
        // the first step starts from nothing
        const double factor = k == 0 ? 0.0 : widened<double>(a[reverse ? at + inner : at]);
        return {LongProduct::of(factor), widened<double>(b[at])};
    }
    __device__ A combine(const A& before, const A& step) const {
        return {before.factor * step.factor, (step.factor * LongProduct::of(before.added)).value() + step.added};
    }
    __device__ void store(std::int64_t at, std::int64_t k, const A& state, const A&) const {
        const bool first_of_line = k == length - 1;  // of the line, not of the scan, which runs from the end where there is a y
        h[at] = static_cast<T>(y && !first_of_line ? state.added * widened<double>(y[at - inner]) : state.added);
    }
};

}  // namespace detail

/// y[k] = x[0] + … + x[k]; with `reverse` x[k] + … + x[length - 1].
template <class T, class Out>
void cumsum(Cuda, const T* x, const Lines& lines, bool reverse, Out* y) {
    detail::run_scan("cumsum", detail::ScanSum<T, Out>{x, y}, lines, reverse);
}

/// y[k] = x[0] … x[k].
template <class T, class Out>
void cumprod(Cuda, const T* x, const Lines& lines, Out* y) {
    detail::run_scan("cumprod", detail::ScanProduct<T, Out>{x, y}, lines, false);
}

/// h[k] = a[k] h[k-1] + b[k]; with `reverse` h[k] = a[k+1] h[k+1] + b[k]. What lies outside is 0.
template <class T>
void recurrence(Cuda, const T* a, const T* b, const Lines& lines, bool reverse, T* h) {
    detail::run_scan("recurrence", detail::ScanRecurrence<T>{a, b, nullptr, h, lines.length, lines.inner, reverse}, lines, reverse);
}

/// Gradient of a running product y of x: dx[k] = y[k-1] r[k], where r[k] = g[k] + x[k+1] r[k+1].
template <class T>
void cumprod_gradient(Cuda, const T* x, const T* y, const T* g, const Lines& lines, T* dx) {
    detail::run_scan("cumprod", detail::ScanRecurrence<T>{x, g, y, dx, lines.length, lines.inner, true}, lines, true);
}

/// y[k] = product of all elements of the line but x[k].
template <class T>
void products_of_others(Cuda, const T* x, const Lines& lines, T* y) {
    detail::run_scan("prod", detail::ScanOthers<T, false>{x, y}, lines, false);
    detail::run_scan("prod", detail::ScanOthers<T, true>{x, y}, lines, true);
}

}  // namespace headtorch::cuda

namespace headtorch {
using cuda::cumprod;
using cuda::cumprod_gradient;
using cuda::cumsum;
using cuda::products_of_others;
using cuda::recurrence;
}  // namespace headtorch
