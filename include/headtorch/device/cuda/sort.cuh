// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Sorting along lines. Short lines are sorted many to a block in shared memory; long ones all together, by keys that begin with the line.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "headtorch/core/half.hpp"
#include "headtorch/device/cuda/divide.cuh"
#include "headtorch/device/cuda/radix.cuh"
#include "headtorch/device/sort.hpp"

namespace headtorch::cuda {
namespace detail {

/// Numbers whose order as unsigned integers is that of the elements: NaN is the largest, both zeros are the same.
template <class T>
struct SortKey {
    using Bits = Word<sizeof(T)>;
    static constexpr Bits top = static_cast<Bits>(Bits{1} << (8 * sizeof(T) - 1));
    static constexpr Bits nan = static_cast<Bits>(~Bits{0});

    __device__ static Bits of(T x, bool descending) {
        const Bits key = ascending(x);
        return descending ? static_cast<Bits>(~key) : key;
    }

private:
    __device__ static Bits ascending(T x) {
        if constexpr (std::is_same_v<T, bool>) {
            return x ? 1 : 0;
        } else if constexpr (std::is_integral_v<T>) {
            return std::is_signed_v<T> ? static_cast<Bits>(static_cast<Bits>(x) ^ top) : static_cast<Bits>(x);
        } else {
            const auto value = static_cast<ComputeType<T>>(x);
            if (value != value) return nan;
            const Bits bits = value == 0 ? Bits{0} : std::bit_cast<Bits>(x);
            return static_cast<Bits>(bits & top ? ~bits : bits | top);
        }
    }
};

/// Which places of the sorted lines are wanted.
struct SortOutput {
    std::int64_t from, count;
    bool median;  ///< the first NaN instead, if there is one
};

/// Each block sorts `tile_lines` lines of up to `padded` (a power of two) elements.
template <class T>
__global__ void sort_short_kernel(const T* x, Lines lines, std::int64_t count, int padded, int tile_lines, bool descending,
                                  SortOutput wanted, T* values, std::int64_t* indices) {
    using Key = typename SortKey<T>::Bits;
    __shared__ Key keys[block_pairs];
    __shared__ int places[block_pairs];
    const int total = padded * tile_lines, length = static_cast<int>(lines.length), threads = static_cast<int>(blockDim.x);
    for (std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * tile_lines; first < count;
         first += static_cast<std::int64_t>(gridDim.x) * tile_lines) {
        for (int e = static_cast<int>(threadIdx.x); e < total; e += threads) {
            // neighbours in memory by neighbouring threads
            const int l = lines.inner == 1 ? e / padded : e % tile_lines, i = lines.inner == 1 ? e % padded : e / tile_lines;
            const std::int64_t line = first + l, outer = line / lines.inner;
            const bool inside = line < count && i < length;
            const std::int64_t at = (outer * lines.length + i) * lines.inner + (line - outer * lines.inner);
            keys[l * padded + i] = inside ? SortKey<T>::of(x[at], descending) : static_cast<Key>(~Key{0});
            places[l * padded + i] = i;
        }
        __syncthreads();
        sort_in_block(keys, places, padded, total);
        const int each = static_cast<int>(wanted.count);
        for (int e = static_cast<int>(threadIdx.x); e < each * tile_lines; e += threads) {
            const int l = lines.inner == 1 ? e / each : e % tile_lines, r = lines.inner == 1 ? e % each : e / tile_lines;
            const std::int64_t line = first + l, outer = line / lines.inner, column = line - outer * lines.inner;
            if (line >= count) continue;
            int rank = static_cast<int>(wanted.from) + r;
            if constexpr (!std::is_integral_v<T>) {
                if (wanted.median && keys[l * padded + length - 1] == SortKey<T>::nan) {
                    rank = length - 1;
                    while (rank > 0 && keys[l * padded + rank - 1] == SortKey<T>::nan) --rank;
                }
            }
            const int i = places[l * padded + rank];
            const std::int64_t to = (outer * wanted.count + r) * lines.inner + column;
            values[to] = x[(outer * lines.length + i) * lines.inner + column];
            indices[to] = i;
        }
        __syncthreads();
    }
}

/// Some of the lines: `columns` of them, from first_column on, in `outers` outer parts from first_outer on. Their elements are numbered as
/// they lie in memory.
struct SortPart {
    Lines lines;
    std::int64_t first_outer, outers, first_column, columns;

    __device__ std::int64_t outer(std::int64_t e) const { return e / (lines.length * columns); }
    __device__ std::int64_t place_in_line(std::int64_t e) const { return e / columns % lines.length; }
    __device__ std::int64_t line(std::int64_t e) const { return outer(e) * columns + e % columns; }
    /// Where element e lies.
    __device__ std::int64_t offset(std::int64_t e) const {
        return ((first_outer + outer(e)) * lines.length + place_in_line(e)) * lines.inner + first_column + e % columns;
    }
};

/// keys[e] = the element, after its line where `line_shift` is not negative.
template <class T, class Key>
__global__ void sort_keys_kernel(const T* x, SortPart part, std::int64_t n, bool descending, int line_shift, Key* keys) {
    for (std::int64_t e = thread_place(); e < n; e += thread_count()) {
        Key key = SortKey<T>::of(x[part.offset(e)], descending);
        if (line_shift >= 0) key = static_cast<Key>(key | static_cast<Key>(static_cast<Key>(part.line(e)) << line_shift));
        keys[e] = key;
    }
}

template <class Value>
__global__ void line_keys_kernel(const Value* elements, SortPart part, std::int64_t n, std::uint32_t* keys) {
    for (std::int64_t k = thread_place(); k < n; k += thread_count()) keys[k] = static_cast<std::uint32_t>(part.line(elements[k]));
}

/// Hands out what is wanted of sorted lines; order[line * length + rank] is the number of an element.
template <class T, class Value>
__global__ void sort_output_kernel(const T* x, SortPart part, const Value* order, std::int64_t n, SortOutput wanted, T* values,
                                   std::int64_t* indices) {
    for (std::int64_t k = thread_place(); k < n; k += thread_count()) {
        const std::int64_t column = k % part.columns, rank = k / part.columns % wanted.count, outer = k / part.columns / wanted.count;
        const Value* line = order + (outer * part.columns + column) * part.lines.length;
        std::int64_t from = wanted.from + rank;
        if constexpr (!std::is_integral_v<T>) {
            const auto is_nan = [&](std::int64_t r) {
                const auto value = static_cast<ComputeType<T>>(x[part.offset(line[r])]);
                return value != value;
            };
            if (wanted.median && is_nan(part.lines.length - 1)) {
                std::int64_t low = 0, high = part.lines.length - 1;  // the first one is from low to high
                while (low < high) {
                    const std::int64_t middle = (low + high) / 2;
                    if (is_nan(middle))
                        high = middle;
                    else
                        low = middle + 1;
                }
                from = low;
            }
        }
        const std::int64_t e = line[from];
        const std::int64_t to = ((part.first_outer + outer) * wanted.count + rank) * part.lines.inner + part.first_column + column;
        values[to] = x[part.offset(e)];
        indices[to] = part.place_in_line(e);
    }
}

template <class T, class Key, class Value>
void sort_part(const T* x, const SortPart& part, bool descending, const SortOutput& wanted, T* values, std::int64_t* indices) {
    constexpr int element_bits = 8 * static_cast<int>(sizeof(T));
    const std::int64_t lines = part.outers * part.columns, n = lines * part.lines.length;
    const int line_bits = key_bits(lines);
    const bool joined = element_bits + line_bits <= 8 * static_cast<int>(sizeof(Key));
    const Scratch<Value> order(n);
    {
        const Scratch<Key> keys(n), sorted(n);
        launch("sort", &sort_keys_kernel<T, Key>, grid_for(n), x, part, n, descending, joined && line_bits > 0 ? element_bits : -1,
               keys.data());
        sort_pairs("sort", static_cast<const Key*>(keys.data()), sorted.data(), static_cast<const Value*>(nullptr), order.data(), n,
                   element_bits + (joined ? line_bits : 0));
    }
    const std::int64_t outputs = lines * wanted.count;
    const auto hand_out = [&](const Value* elements) {
        launch("sort", &sort_output_kernel<T, Value>, grid_for(outputs), x, part, elements, outputs, wanted, values, indices);
    };
    if (joined) return hand_out(order.data());
    // equal keys keep their order: the lines last
    const Scratch<std::uint32_t> keys(n), sorted(n);
    const Scratch<Value> by_line(n);
    launch("sort", &line_keys_kernel<Value>, grid_for(n), order.data(), part, n, keys.data());
    sort_pairs("sort", static_cast<const std::uint32_t*>(keys.data()), sorted.data(), static_cast<const Value*>(order.data()),
               by_line.data(), n, line_bits);
    hand_out(by_line.data());
}

template <class T>
void sort_long_lines(const T* x, const Lines& lines, bool descending, const SortOutput& wanted, T* values, std::int64_t* indices,
                     std::int64_t most = std::int64_t{1} << 26) {
    // at most so many elements at a time that the room for their keys and numbers stays below two gigabytes, unless a single line is longer
    const std::int64_t columns = std::clamp<std::int64_t>(most / lines.length, 1, lines.inner);
    const std::int64_t outers = columns < lines.inner ? 1 : std::clamp<std::int64_t>(most / (lines.length * lines.inner), 1, lines.outer);
    for (std::int64_t o = 0; o < lines.outer; o += outers)
        for (std::int64_t c = 0; c < lines.inner; c += columns) {
            const SortPart part{lines, o, std::min(outers, lines.outer - o), c, std::min(columns, lines.inner - c)};
            const std::int64_t count = part.outers * part.columns;
            const bool small = fits_int(count * lines.length);
            if constexpr (sizeof(T) <= 4) {
                if (small && 8 * static_cast<int>(sizeof(T)) + key_bits(count) <= 32) {
                    sort_part<T, std::uint32_t, std::int32_t>(x, part, descending, wanted, values, indices);
                    continue;
                }
            }
            if (small)
                sort_part<T, std::uint64_t, std::int32_t>(x, part, descending, wanted, values, indices);
            else
                sort_part<T, std::uint64_t, std::int64_t>(x, part, descending, wanted, values, indices);
        }
}

template <class T>
void sort_wanted(const T* x, const Lines& lines, bool descending, const SortOutput& wanted, T* values, std::int64_t* indices) {
    if (lines.count() * wanted.count == 0) return;
    if (lines.length > block_pairs) return sort_long_lines(x, lines, descending, wanted, values, indices);
    const int padded = static_cast<int>(std::bit_ceil(static_cast<std::uint64_t>(lines.length)));
    const int tile_lines = std::max(1, 1024 / padded);
    const std::int64_t tiles = ceil_div(lines.count(), tile_lines);
    const Grid grid{dim3(static_cast<unsigned>(std::min<std::int64_t>(tiles, 1 << 20))), dim3(padded * tile_lines >= 2048 ? 512u : 256u)};
    launch("sort", &sort_short_kernel<T>, grid, x, lines, lines.count(), padded, tile_lines, descending, wanted, values, indices);
}

}  // namespace detail

/// Sorts each line of x, and hands out places `from` … `from + count - 1` of each: values and former indices. Whatever `extent` asks for,
/// the lines are sorted as a whole.
template <class T>
void sort_lines(Cuda, const T* x, const Lines& lines, bool descending, SortExtent, std::int64_t, std::int64_t from, std::int64_t count,
                T* values, std::int64_t* indices) {
    detail::sort_wanted(x, lines, descending, {from, count, false}, values, indices);
}

/// The median of each line, the lower of two, and its index; the first NaN if there is one. Lines must not be empty.
template <class T>
void median_lines(Cuda, const T* x, const Lines& lines, T* values, std::int64_t* indices) {
    detail::sort_wanted(x, lines, false, {(lines.length - 1) / 2, 1, true}, values, indices);
}

}  // namespace headtorch::cuda

namespace headtorch {
using cuda::median_lines;
using cuda::sort_lines;
}  // namespace headtorch
