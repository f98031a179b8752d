// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Correlations (conv_source.hpp) that read the source where it lies: k runs over a table of offsets, and nothing but the weight is packed.
/// The lanes of a vector are neighbouring positions, or, where rows are short or channels many, target channels.

#include <algorithm>
#include <cstdint>
#include <utility>

#include "headtorch/device/cpu/conv_pack.hpp"
#include "headtorch/device/cpu/conv_source.hpp"
#include "headtorch/device/cpu/gemm_micro.hpp"
#include "headtorch/device/cpu/parallel.hpp"
#include "headtorch/device/cpu/reduce.hpp"

namespace headtorch::cpu::detail {

/// Targets [to, to + count) of a row-major grid, whose sources start at `from`.
struct RowPiece {
    std::int64_t from, to;
    int count;
};

/// Cuts the rows of a grid into pieces of at most `most`, an even number, of even sizes but the last. Returns how many.
inline std::int64_t list_pieces(const TapGrid& grid, const SourceShape& shape, std::int64_t most, RowPiece* pieces) {
    std::int64_t n = 0, at = 0;
    for (std::int64_t z = 0; z < grid.axes[0].count; ++z)
        for (std::int64_t y = 0; y < grid.axes[1].count; ++y)
            for (std::int64_t x = 0, left = grid.axes[2].count; left > 0;) {
                const std::int64_t count = std::min(left, (ceil_div(left, ceil_div(left, most)) + 1) / 2 * 2);
                pieces[n++] = {z * shape.stride(0) + y * shape.stride(1) + x, at, static_cast<int>(count)};
                at += count;
                x += count;
                left -= count;
            }
    return n;
}

/// What the kernels below are given: the k terms of each sum.
template <class T>
struct Terms {
    std::int64_t k;
    const std::int64_t* offset;
    const T* source;
    const T* weight;  ///< of a panel of channels
    const T* bias;    ///< of the same channels, or null
};

/// Two pieces (the second may be empty), `rows` channels of which `wanted` are stored. The weight's panel is [k, rows].
template <class T, int... r>
void position_tile(const Terms<T>& terms, const RowPiece& first, const RowPiece& second, T* target, std::int64_t channel_stride, int wanted,
                   std::integer_sequence<int, r...>) {
    constexpr int rows = sizeof...(r);
    Vector<T> sum[rows][2] = {};
    if (terms.bias) ((r < wanted ? (sum[r][0] += terms.bias[r], sum[r][1] += terms.bias[r], void()) : void()), ...);
    const T* a = terms.weight;
    const T *x0 = terms.source + first.from, *x1 = terms.source + second.from;
    for (std::int64_t p = 0; p < terms.k; ++p, a += rows) {
        Vector<T> b0, b1;
        load(b0, x0 + terms.offset[p]);
        load(b1, x1 + terms.offset[p]);
        ((sum[r][0] += a[r] * b0, sum[r][1] += a[r] * b1), ...);
    }
    ((r < wanted ? (store_first(target + r * channel_stride + first.to, sum[r][0], first.count, false),
                    store_first(target + r * channel_stride + second.to, sum[r][1], second.count, false))
                 : void()),
     ...);
}
template <class T, int rows>
HEADTORCH_NOINLINE void position_tile_of(const Terms<T>& terms, const RowPiece& first, const RowPiece& second, T* target,
                                         std::int64_t channel_stride, int wanted) {
    position_tile(terms, first, second, target, channel_stride, wanted, std::make_integer_sequence<int, rows>{});
}

/// One piece, `rows` positions of it, 1 or 2 vectors of channels, which are stored position by position. The weight's panel is
/// [k, vectors * lanes].
template <class T, int vectors, int... r>
HEADTORCH_ALWAYS_INLINE void channel_tile(const Terms<T>& terms, std::int64_t from, T* out, std::integer_sequence<int, r...>) {
    constexpr int rows = sizeof...(r), width = vectors * lanes<T>;
    Vector<T> sum[rows][vectors] = {};
    const T *b = terms.weight, *x = terms.source + from;
    for (std::int64_t p = 0; p < terms.k; ++p, b += width) {
        const T* a = x + terms.offset[p];
        tile_step<T>(sum, a, b, std::integer_sequence<int, r...>{});
    }
    if (terms.bias) {
        Vector<T> shift[vectors];
        for (int v = 0; v < vectors; ++v) load(shift[v], terms.bias + v * lanes<T>);
        if constexpr (vectors == 2)
            ((sum[r][0] += shift[0], sum[r][1] += shift[1]), ...);
        else
            ((sum[r][0] += shift[0]), ...);
    }
    (store_row<T>(sum[r], out + r * width, false, std::make_integer_sequence<int, vectors>{}), ...);
}
template <class T, int vectors, int rows>
HEADTORCH_NOINLINE void channel_tile_of(const Terms<T>& terms, std::int64_t from, T* out) {
    channel_tile<T, vectors>(terms, from, out, std::make_integer_sequence<int, rows>{});
}

template <class T>
using PositionTile = void (*)(const Terms<T>&, const RowPiece&, const RowPiece&, T*, std::int64_t, int);
template <class T, int... i>
PositionTile<T> find_position_tile(int rows, std::integer_sequence<int, i...>) {
    static constexpr PositionTile<T> table[] = {&position_tile_of<T, 2 * i + 2>...};
    return table[(rows - 1) / 2];
}
template <class T>
using ChannelTile = void (*)(const Terms<T>&, std::int64_t, T*);
template <class T, int... i>
ChannelTile<T> find_channel_tile(int vectors, int rows, std::integer_sequence<int, i...>) {
    static constexpr ChannelTile<T> table[2][sizeof...(i)] = {{&channel_tile_of<T, 1, 2 * i + 2>...},
                                                              {&channel_tile_of<T, 2, 2 * i + 2>...}};
    return table[vectors - 1][(rows - 1) / 2];
}
inline constexpr auto each_tile_size = std::make_integer_sequence<int, tile_rows / 2>{};

/// Some pieces of the single channel; its weight is [k].
template <class T, int... i>
HEADTORCH_ALWAYS_INLINE void single_channel_tile(const Terms<T>& terms, const RowPiece* const (&piece)[sizeof...(i)], T* target,
                                                 std::integer_sequence<int, i...>) {
    const T* const x[] = {terms.source + piece[i]->from...};
    Vector<T> sum[sizeof...(i)] = {};
    for (std::int64_t p = 0; p < terms.k; ++p) {
        const std::int64_t offset = terms.offset[p];
        const T w = terms.weight[p];
        Vector<T> v;
        ((load(v, x[i] + offset), sum[i] += w * v), ...);
    }
    const T shift = terms.bias ? *terms.bias : T{};
    (store_first(target + piece[i]->to, sum[i] + shift, piece[i]->count, false), ...);
}
template <class T>
HEADTORCH_NOINLINE void single_channel(const Terms<T>& terms, const RowPiece* pieces, std::int64_t count, T* target) {
    constexpr int at_once = simd_bytes == 64 ? 8 : 4;
    for (std::int64_t i = 0; i < count; i += at_once) {
        const RowPiece* some[at_once];
        for (int j = 0; j < at_once; ++j) some[j] = pieces + std::min(i + j, count - 1);
        single_channel_tile(terms, some, target, std::make_integer_sequence<int, at_once>{});
    }
}

enum class Lanes : std::uint8_t { positions, channels, single_channel };

/// One grid of a correlation, for all groups: its table of terms, the packed weight, and the pieces of its rows.
template <class T>
class DirectCorrelation {
public:
    /// `weight` packs the weight of group g as weight(g).
    template <class Weight>
    DirectCorrelation(Lanes lanes_are, const TapGrid& grid, const SourceShape& shape, std::int64_t groups, std::int64_t channels,
                      std::int64_t k, const std::int64_t* offset, const Weight& weight)
        : lanes_(lanes_are),
          channels_(channels),
          k_(k),
          offset_(offset),
          panel_(panel_width()),
          pieces_(grid.axes[0].count * grid.axes[1].count *
                  ceil_div(grid.axes[2].count, std::min<std::int64_t>(piece_length(), lanes<T>) / 2)),
          packed_(groups * group_size()) {
        piece_count_ = list_pieces(grid, shape, piece_length(), pieces_.data());
        parallel_for(groups, ceil_div(1 << 18, group_size()), [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t g = begin; g < end; ++g)
                for (std::int64_t m = 0; m < channels; m += panel_) {
                    const int width = static_cast<int>(std::min(panel_, channels - m));
                    weight(g)(m, width, 0, k, packed_.data() + g * group_size() + m * k, packed_width(width));
                }
        });
    }

    /// The targets of one group in one image: target[m * channel_stride + position], plus a bias.
    void run(std::int64_t group, const T* source, const T* bias, T* target, std::int64_t channel_stride) const {
        const Terms<T> terms{k_, offset_, source, packed_.data() + group * group_size(), bias};
        const std::int64_t grain = ceil_div(parallel_grain, k_ * channels_ * pieces_[0].count);
        if (lanes_ == Lanes::single_channel) {
            parallel_for(piece_count_, grain,
                         [&](std::int64_t begin, std::int64_t end) { single_channel(terms, pieces_.data() + begin, end - begin, target); });
        } else if (lanes_ == Lanes::positions) {
            parallel_for(ceil_div(piece_count_, 2), ceil_div(grain, 2),
                         [&](std::int64_t begin, std::int64_t end) { run_positions(terms, begin, end, target, channel_stride); });
        } else {
            parallel_for(ceil_div(channels_, panel_) * piece_count_, ceil_div(grain * channels_, panel_),
                         [&](std::int64_t begin, std::int64_t end) { run_channels(terms, begin, end, target, channel_stride); });
        }
    }

private:
    std::int64_t piece_length() const { return lanes_ == Lanes::channels ? tile_rows : lanes<T>; }
    std::int64_t panel_width() const {
        if (lanes_ == Lanes::single_channel) return 1;
        return lanes_ == Lanes::channels ? tile_cols<T> : (even_piece(channels_, tile_rows) + 1) / 2 * 2;
    }
    int packed_width(int width) const {
        if (lanes_ == Lanes::single_channel) return 1;
        return lanes_ == Lanes::channels ? (width > lanes<T> ? tile_cols<T> : lanes<T>) : (width + 1) / 2 * 2;
    }
    std::int64_t group_size() const { return ceil_div(channels_, panel_) * panel_ * k_; }

    void run_positions(Terms<T> terms, std::int64_t begin, std::int64_t end, T* target, std::int64_t channel_stride) const {
        const T* const weight = terms.weight;
        const T* const bias = terms.bias;
        for (std::int64_t i = 2 * begin; i < std::min(2 * end, piece_count_); i += 2) {
            const RowPiece first = pieces_[i], second = i + 1 < piece_count_ ? pieces_[i + 1] : RowPiece{first.from, first.to, 0};
            for (std::int64_t m = 0; m < channels_; m += panel_) {
                const int rows = static_cast<int>(std::min(panel_, channels_ - m));
                terms.weight = weight + m * k_;
                terms.bias = bias ? bias + m : nullptr;
                find_position_tile<T>(rows, each_tile_size)(terms, first, second, target + m * channel_stride, channel_stride, rows);
            }
        }
    }
    void run_channels(Terms<T> terms, std::int64_t begin, std::int64_t end, T* target, std::int64_t channel_stride) const {
        alignas(buffer_alignment) T tile[static_cast<std::size_t>(tile_rows * tile_cols<T>)], shift[static_cast<std::size_t>(tile_cols<T>)];
        const T* const weight = terms.weight;
        const T* const bias = terms.bias;
        for (std::int64_t i = begin; i < end; ++i) {
            const RowPiece& piece = pieces_[i % piece_count_];
            const std::int64_t m = i / piece_count_ * panel_, width = std::min(panel_, channels_ - m);
            const int vectors = width > lanes<T> ? 2 : 1;
            if (bias) {
                std::copy_n(bias + m, width, shift);
                std::fill(shift + width, shift + tile_cols<T>, T{});
                terms.bias = shift;
            }
            terms.weight = weight + m * k_;
            find_channel_tile<T>(vectors, piece.count, each_tile_size)(terms, piece.from, tile);
            pack_transposed(tile, vectors * lanes<T>, piece.count, width, target + m * channel_stride + piece.to,
                            static_cast<int>(channel_stride));
        }
    }

    Lanes lanes_;
    std::int64_t channels_, k_;
    const std::int64_t* offset_;
    std::int64_t panel_;
    Scratch<RowPiece> pieces_;
    std::int64_t piece_count_ = 0;
    Scratch<T> packed_;
};

}  // namespace headtorch::cpu::detail
