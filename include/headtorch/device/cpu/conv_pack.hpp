// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The packing of correlations (conv_source.hpp) that run as matrix products: rows are target channels, columns are target positions of one
/// or several images, picked from the source as they are packed.

#include <algorithm>
#include <cstdint>

#include "headtorch/device/cpu/conv_source.hpp"
#include "headtorch/device/cpu/gemm_pack.hpp"

namespace headtorch::cpu::detail {

/// Panels of the weight: element (r, k) is data[r * row_stride + index[k]].
template <class T>
struct PackWeight {
    const T* data;
    std::int64_t row_stride;
    const std::int64_t* index;

    HEADTORCH_NOINLINE Panel<T> operator()(std::int64_t first, int width, std::int64_t p, std::int64_t depth, T* out, int out_width) const {
        const T* from = data + first * row_stride;
        if (width < out_width) std::fill(out, out + depth * out_width, T{});
        for (std::int64_t q = 0; q < depth;) {  // runs of neighbours in the weight are transposed together
            std::int64_t run = 1;
            while (q + run < depth && index[p + q + run] == index[p + q] + run) ++run;
            if (run >= 4) {
                pack_transposed(from + index[p + q], row_stride, width, run, out + q * out_width, out_width);
            } else {
                for (std::int64_t i = q; i < q + run; ++i)
                    for (int r = 0; r < width; ++r) out[i * out_width + r] = from[r * row_stride + index[p + i]];
            }
            q += run;
        }
        return {out, out_width};
    }
};

/// Panels of the source: column j is position j of the targets, counted through all images.
template <class T>
struct PackSource {
    const T* data;
    std::int64_t image_size;
    const std::int64_t* offset;
    std::int64_t count[3], stride[2];

    HEADTORCH_NOINLINE Panel<T> operator()(std::int64_t first, int width, std::int64_t p, std::int64_t depth, T* out, int out_width) const {
        struct Run {
            std::int64_t from;
            int to, length;
        };
        Run runs[static_cast<std::size_t>(tile_cols<T>)];
        int n = 0;
        std::int64_t x = first % count[2], row = first / count[2];
        for (int at = 0; at < width; row += 1, x = 0) {
            const std::int64_t y = row % count[1], z = row / count[1] % count[0], image = row / count[1] / count[0];
            const int length = static_cast<int>(std::min<std::int64_t>(width - at, count[2] - x));
            runs[n++] = {image * image_size + z * stride[0] + y * stride[1] + x, at, length};
            at += length;
        }
        if (width < out_width) std::fill(out, out + depth * out_width, T{});
        for (std::int64_t q = 0; q < depth; ++q, out += out_width) {
            const T* from = data + offset[p + q];
            for (int i = 0; i < n; ++i) copy_run(from + runs[i].from, runs[i].length, out + runs[i].to, out_width - runs[i].to);
        }
        return {out - depth * out_width, out_width};
    }

private:
    /// The source may be read past the run, and the panel be written past it, as far as there is room.
    HEADTORCH_ALWAYS_INLINE static void copy_run(const T* from, int length, T* to, int room) {
        for (int i = 0; i < length; i += lanes<T>) {
            Vector<T> v;
            load(v, from + i);
            if (i + lanes<T> <= room) {
                store(to + i, v);
            } else {
                store_first(to + i, v, std::min(lanes<T>, length - i), false);
            }
        }
    }
};

}  // namespace headtorch::cpu::detail
