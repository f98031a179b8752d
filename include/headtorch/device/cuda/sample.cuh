// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Draws that take more than a formula for each element: permutations, and categories in proportion to weights.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "headtorch/device/cuda/block.cuh"
#include "headtorch/device/cuda/capture.cuh"
#include "headtorch/device/cuda/copy.cuh"
#include "headtorch/device/cuda/memory.cuh"
#include "headtorch/device/cuda/radix.cuh"
#include "headtorch/device/cuda/random.cuh"

namespace headtorch::cuda {
namespace detail {

template <class Value>
__global__ void count_up_kernel(std::int64_t n, Value* x) {
    for (std::int64_t i = thread_place(); i < n; i += thread_count()) x[i] = static_cast<Value>(i);
}
template <class T, class Value>
__global__ void convert_kernel(std::int64_t n, const Value* x, T* y) {
    for (std::int64_t i = thread_place(); i < n; i += thread_count()) y[i] = static_cast<T>(x[i]);
}

/// Calls run(Value()) with the integer that counts n things.
template <class Run>
void with_count_type(std::int64_t n, const Run& run) {
    if (fits_int(n))
        run(int{});
    else
        run(std::int64_t{});
}

/// The first place where a probability is none.
template <class T>
__global__ void find_bad_chance_kernel(std::int64_t n, const T* p, unsigned long long* first) {
    for (std::int64_t i = thread_place(); i < n; i += thread_count())
        if (const auto x = static_cast<ComputeType<T>>(p[i]); !(x >= 0 && x <= 1)) atomicMin(first, static_cast<unsigned long long>(i));
}

/// A block for each row: how many weights are above zero (-1: one is negative or not finite), and their running sums.
template <class T>
__global__ void sum_weights_kernel(const T* weights, std::int64_t categories, double* sums, std::int64_t* possible) {
    const std::int64_t row = blockIdx.x;
    const T* w = weights + row * categories;
    double before = 0;
    int bad = 0;
    std::int64_t count = 0;
    for (std::int64_t start = 0; start < categories; start += block_threads) {
        const std::int64_t i = start + threadIdx.x;
        const double x = i < categories ? static_cast<double>(static_cast<ComputeType<T>>(w[i])) : 0;
        bad |= !(x >= 0 && x - x == 0);
        count += x > 0;
        const auto scanned = block_scan<block_threads>(x, 0.0, Plus{});
        if (i < categories) sums[row * categories + i] = before + scanned.inclusive;
        before += scanned.total;
    }
    count = block_reduce<block_threads>(count, Plus{});
    bad = block_reduce<block_threads>(bad, Largest{});
    if (threadIdx.x == 0) possible[row] = bad ? -1 : count;
}

/// 64 bits for number i of a draw.
__device__ inline std::uint64_t bits_of(const PhiloxState& state, std::int64_t i) {
    const std::uint64_t word = state.first_word() + 2 * static_cast<std::uint64_t>(i);
    const PhiloxWords random = state.block(word / 4);
    const int at = static_cast<int>(word % 4) / 2 * 2;
    return static_cast<std::uint64_t>(random.of[at + 1]) << 32 | random.of[at];
}

/// The first category whose running sum lies above a uniform number.
template <class Category>
__global__ void pick_kernel(PhiloxState state, const double* sums, std::int64_t rows, std::int64_t categories, std::int64_t samples,
                            Category* result) {
    for (std::int64_t i = thread_place(); i < rows * samples; i += thread_count()) {
        const double* sum = sums + i / samples * categories;
        const double total = sum[categories - 1], at = fraction<double>(bits_of(state, i)) * total;
        const auto first_above = [&](const auto& above) {
            std::int64_t low = 0, high = categories - 1;
            while (low < high) {
                const std::int64_t middle = (low + high) / 2;
                if (above(sum[middle]))
                    high = middle;
                else
                    low = middle + 1;
            }
            return low;
        };
        result[i] = at < total ? first_above([&](double s) { return s > at; }) : first_above([&](double s) { return s >= total; });
    }
}

/// Keys that sort the rows, and in each row the largest quotients of weight and exponentially distributed number to the front.
template <class T>
__global__ void race_kernel(PhiloxState state, const T* weights, std::int64_t n, std::int64_t categories, std::uint64_t* keys) {
    for (std::int64_t i = thread_place(); i < n; i += thread_count()) {
        const double quotient = static_cast<double>(static_cast<ComputeType<T>>(weights[i])) / exponential_of<double>(bits_of(state, i));
        const float rounded = static_cast<float>(quotient);
        std::uint32_t bits;
        std::memcpy(&bits, &rounded, sizeof(bits));  // order of the bits is that of the numbers, none of which is negative
        keys[i] = static_cast<std::uint64_t>(i / categories) << 32 | static_cast<std::uint32_t>(~bits);
    }
}
template <class Value>
__global__ void winners_kernel(const Value* order, std::int64_t rows, std::int64_t categories, std::int64_t samples, std::int64_t* result) {
    for (std::int64_t i = thread_place(); i < rows * samples; i += thread_count()) {
        const std::int64_t row = i / samples;
        result[i] = static_cast<std::int64_t>(order[row * categories + i % samples]) - row * categories;
    }
}

}  // namespace detail

/// A random permutation of 0, …, n - 1: the order of random keys, of so many bits that two are hardly ever the same.
template <class T>
void draw_permutation(Cuda, Generator& generator, T* x, std::int64_t n) {
    if (n == 0) return;
    detail::with_count_type(n, [&](auto zero) {
        using Value = decltype(zero);
        const Scratch<std::uint64_t> keys(n), sorted(n);
        const Scratch<Value> places(n), order(n);
        detail::run_draw("randperm", generator, detail::BitsOf{}, n, keys.data());
        launch("randperm", &detail::count_up_kernel<Value>, grid_for(n), n, places.data());
        const int bits = std::min(64, 2 * key_bits(n) + 20);
        sort_pairs("randperm", static_cast<const std::uint64_t*>(keys.data()), sorted.data(), static_cast<const Value*>(places.data()),
                   order.data(), n, bits);
        launch("randperm", &detail::convert_kernel<T, Value>, grid_for(n), n, order.data(), x);
    });
}

/// x[i] = 1 with probability p[i], else 0. What is recorded into a graph is not checked.
template <class T>
void draw_chances(Cuda, Generator& generator, const T* p, T* x, std::int64_t n) {
    if (n == 0) return;
    if (!recording(Cuda{})) {
        const Scratch<unsigned long long> first(1);
        check(cudaMemsetAsync(first.data(), 0xff, sizeof(unsigned long long), current_stream().get()), "bernoulli", "cudaMemsetAsync");
        launch("bernoulli", &detail::find_bad_chance_kernel<T>, grid_for(n), n, p, first.data());
        if (const auto at = read_one(first.data(), "bernoulli"); at != ~0ull)
            draws::check_probability("bernoulli", static_cast<double>(static_cast<ComputeType<T>>(read_one(p + at, "bernoulli"))));
    }
    detail::run_draw("bernoulli", generator, detail::ChanceOf<T>{}, n, x, p);
}

/// Of weights [rows, categories], `samples` categories for each row. What is recorded into a graph is not checked.
template <class T>
void draw_categories(Cuda, const draws::Categories& d, Generator& generator, const T* weights, std::int64_t* result) {
    constexpr std::string_view op = "multinomial";
    if (d.rows == 0) return;
    const std::int64_t n = d.rows * d.categories;
    const Scratch<double> sums(n);
    const Scratch<std::int64_t> possible(d.rows);
    launch(op, &detail::sum_weights_kernel<T>, {dim3(static_cast<unsigned>(d.rows)), dim3(block_threads)}, weights, d.categories,
           sums.data(), possible.data());
    if (!recording(Cuda{})) {
        std::vector<std::int64_t> counts(static_cast<std::size_t>(d.rows));
        read(possible.data(), d.rows, counts.data(), op);
        for (const std::int64_t count : counts) {
            if (count < 0) d.throw_bad_weight();
            d.check_possible(count);
        }
    }
    if (d.replacement || d.samples == 1) {
        launch(op, &detail::pick_kernel<std::int64_t>, grid_for(d.rows * d.samples), philox::state_for(generator, d.rows * d.samples, 2),
               sums.data(), d.rows, d.categories, d.samples, result);
        return;
    }
    detail::with_count_type(n, [&](auto zero) {
        using Value = decltype(zero);
        const Scratch<std::uint64_t> keys(n), sorted(n);
        const Scratch<Value> places(n), order(n);
        launch(op, &detail::race_kernel<T>, grid_for(n), philox::state_for(generator, n, 2), weights, n, d.categories, keys.data());
        launch(op, &detail::count_up_kernel<Value>, grid_for(n), n, places.data());
        sort_pairs(op, static_cast<const std::uint64_t*>(keys.data()), sorted.data(), static_cast<const Value*>(places.data()),
                   order.data(), n, 32 + key_bits(d.rows));
        launch(op, &detail::winners_kernel<Value>, grid_for(d.rows * d.samples), order.data(), d.rows, d.categories, d.samples, result);
    });
}

}  // namespace headtorch::cuda

namespace headtorch {
using cuda::draw_categories;
using cuda::draw_chances;
using cuda::draw_permutation;
}  // namespace headtorch
