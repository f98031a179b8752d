// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What a convolution and its input gradient come down to, and how their images are shared among threads.

#include <algorithm>
#include <cstdint>

#include "headtorch/device/cpu/conv_source.hpp"
#include "headtorch/device/cpu/parallel.hpp"
#include "headtorch/device/cpu/reduce.hpp"

namespace headtorch::cpu::detail {

/// A convolution or its input gradient: which tensor is correlated with the weight, and where the results go.
template <class T>
struct CorrelationProblem {
    std::int64_t images, groups, source_channels, target_channels;
    SourceShape shape;
    const T* source;
    std::int64_t source_size;  ///< of one channel
    const T* weight;
    std::int64_t row_stride, channel_stride;  ///< of the weight, per target and per source channel
    std::int64_t kernel[3];
    const T* bias;  ///< per target channel, or null
    T* target;
    std::int64_t target_axes[3];
    bool winograd;
    const T* prepared = nullptr;  ///< the images' source, if it is there already

    std::int64_t group_sources() const { return source_channels / groups; }
    std::int64_t group_targets() const { return target_channels / groups; }
    std::int64_t target_size() const { return target_axes[0] * target_axes[1] * target_axes[2]; }
    std::int64_t group_weights() const { return group_sources() * group_targets() * kernel[0] * kernel[1] * kernel[2]; }
    const T* bias_of(std::int64_t group) const { return bias ? bias + group * group_targets() : nullptr; }
};

/// Calls piece(first, images) for all images, in groups of up to `at_once`. Threads share the groups, or else each group's work.
template <class Piece>
void for_each_image_group(std::int64_t images, std::int64_t at_once, std::int64_t work, const Piece& piece) {
    const std::int64_t groups = ceil_div(images, at_once), threads = get_num_threads();
    const auto some = [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) piece(i * at_once, std::min(at_once, images - i * at_once));
    };
    if (groups >= 4 * threads || groups % threads == 0)
        parallel_for(groups, ceil_div(parallel_grain, std::max<std::int64_t>(1, work * at_once)), some);
    else
        some(0, groups);
}

}  // namespace headtorch::cpu::detail
