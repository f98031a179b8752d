// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Convolutions element by element: one thread for each number of the result. For groups of few channels, depthwise convolutions above all,
/// where there is little to share; and the second opinion that the other kernels are tested against.

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "headtorch/device/cuda/conv_plan.cuh"
#include "headtorch/device/cuda/conv_sums.cuh"
#include "headtorch/device/cuda/conv_tile_weight.cuh"

namespace headtorch::cuda::detail {

struct DirectPlan {
    int count;                    ///< elements of the result
    int groups, inputs, outputs;  ///< channels of one group
    WeightAxis axes[3];
    Divisor by_in[3], by_stride[3], by_channels, by_group;  ///< of the result's channels
    int in_size, out_size, taps;

    DirectPlan(const ConvGeometry& g, bool backward)
        : count(static_cast<int>(g.batch * (backward ? g.in_channels * g.in_size() : g.out_channels * g.out_size()))),
          groups(static_cast<int>(g.groups)),
          inputs(static_cast<int>(g.group_inputs())),
          outputs(static_cast<int>(g.group_outputs())),
          axes{WeightAxis(g.axes[0]), WeightAxis(g.axes[1]), WeightAxis(g.axes[2])},
          by_channels(divisor_of(backward ? g.in_channels : g.out_channels)),
          by_group(divisor_of(backward ? g.group_inputs() : g.group_outputs())),
          in_size(static_cast<int>(g.in_size())),
          out_size(static_cast<int>(g.out_size())),
          taps(static_cast<int>(g.taps())) {
        for (int d = 0; d < 3; ++d) {
            by_in[d] = divisor_of(g.axes[d].in);
            by_stride[d] = divisor_of(g.axes[d].stride);
        }
    }
};

/// An element of the result: its image, its channel's group and place in that, its pixel.
struct ResultPlace {
    int image, group, channel, z, y, x;
};
__device__ inline ResultPlace result_place(const DirectPlan& plan, int i, const Divisor& by_z, const Divisor& by_y, const Divisor& by_x) {
    const Split x = divide(i, by_x), y = divide(x.quotient, by_y), z = divide(y.quotient, by_z),
                channel = divide(z.quotient, plan.by_channels);
    const Split group = divide(channel.rest, plan.by_group);
    return {channel.quotient, group.quotient, group.rest, z.rest, y.rest, x.rest};
}

template <class T, class Out>
__global__ void conv_direct_kernel(const __grid_constant__ DirectPlan plan, const T* x, const T* weight, const Out* bias, Out* y) {
    using C = ComputeType<T>;
    for (std::int64_t i = thread_place(); i < plan.count; i += thread_count()) {
        const ResultPlace at = result_place(plan, static_cast<int>(i), plan.axes[0].by_out, plan.axes[1].by_out, plan.axes[2].by_out);
        const WeightAxis(&a)[3] = plan.axes;
        const int z0 = at.z * a[0].stride - a[0].padding, y0 = at.y * a[1].stride - a[1].padding, x0 = at.x * a[2].stride - a[2].padding;
        const int channel = at.group * plan.outputs + at.channel;
        const T* from = x + (static_cast<std::int64_t>(at.image) * plan.groups + at.group) * plan.inputs * plan.in_size;
        const T* w = weight + static_cast<std::int64_t>(channel) * plan.inputs * plan.taps;
        C sum{};
        for (int c = 0; c < plan.inputs; ++c, from += plan.in_size)
            for (int kz = 0; kz < a[0].kernel; ++kz)
                for (int ky = 0; ky < a[1].kernel; ++ky)
                    for (int kx = 0; kx < a[2].kernel; ++kx, ++w) {
                        const int iz = z0 + kz * a[0].dilation, iy = y0 + ky * a[1].dilation, ix = x0 + kx * a[2].dilation;
                        if (static_cast<unsigned>(iz) < static_cast<unsigned>(a[0].in) &&
                            static_cast<unsigned>(iy) < static_cast<unsigned>(a[1].in) &&
                            static_cast<unsigned>(ix) < static_cast<unsigned>(a[2].in))
                            sum += static_cast<C>(*w) * static_cast<C>(from[(iz * a[1].in + iy) * a[2].in + ix]);
                    }
        if (bias) sum += static_cast<C>(bias[channel]);
        y[i] = static_cast<Out>(sum);
    }
}

/// The output that tap k of an input at i belongs to, or -1.
__device__ inline int output_of(int i, int k, const WeightAxis& axis, const Divisor& by_stride) {
    const int at = i + axis.padding - k * axis.dilation;
    if (at < 0) return -1;
    const Split o = divide(at, by_stride);
    return o.rest == 0 && o.quotient < axis.out ? o.quotient : -1;
}

template <class T, class Out>
__global__ void conv_input_direct_kernel(const __grid_constant__ DirectPlan plan, const T* dy, const T* weight, const Out* bias, Out* dx) {
    using C = ComputeType<T>;
    for (std::int64_t i = thread_place(); i < plan.count; i += thread_count()) {
        const ResultPlace at = result_place(plan, static_cast<int>(i), plan.by_in[0], plan.by_in[1], plan.by_in[2]);
        const WeightAxis(&a)[3] = plan.axes;
        const T* const from = dy + (static_cast<std::int64_t>(at.image) * plan.groups + at.group) * plan.outputs * plan.out_size;
        const T* const w = weight + (static_cast<std::int64_t>(at.group) * plan.outputs * plan.inputs + at.channel) * plan.taps;
        C sum{};
        for (int kz = 0; kz < a[0].kernel; ++kz) {
            const int oz = output_of(at.z, kz, a[0], plan.by_stride[0]);
            if (oz < 0) continue;
            for (int ky = 0; ky < a[1].kernel; ++ky) {
                const int oy = output_of(at.y, ky, a[1], plan.by_stride[1]);
                if (oy < 0) continue;
                for (int kx = 0; kx < a[2].kernel; ++kx) {
                    const int ox = output_of(at.x, kx, a[2], plan.by_stride[2]);
                    if (ox < 0) continue;
                    const int tap = (kz * a[1].kernel + ky) * a[2].kernel + kx, pixel = (oz * a[1].out + oy) * a[2].out + ox;
                    for (int c = 0; c < plan.outputs; ++c)
                        sum += static_cast<C>(w[c * plan.inputs * plan.taps + tap]) * static_cast<C>(from[c * plan.out_size + pixel]);
                }
            }
        }
        if (bias) sum += static_cast<C>(bias[at.group * plan.inputs + at.channel]);
        dx[i] = static_cast<Out>(sum);
    }
}

/// A block for each element of the weight, and part of the pixels.
template <class T, class Out>
__global__ void conv_weight_direct_kernel(const __grid_constant__ WeightPlan plan, const T* x, const T* dy, Out* out) {
    using C = ComputeType<T>;
    const int columns = plan.inputs * plan.taps;
    const auto element = static_cast<std::int64_t>(blockIdx.x), channel = element / columns, part = static_cast<std::int64_t>(blockIdx.y);
    const WeightTap tap = weight_tap(plan, static_cast<int>(element % columns));
    const std::int64_t group = channel / plan.outputs, begin = part * plan.parts.length, first_image = begin / plan.out_size;
    const int first = static_cast<int>(begin - first_image * plan.out_size);
    const std::int64_t left = plan.pixels - begin;
    const int count = static_cast<int>(left < plan.parts.length ? left : plan.parts.length);
    const T* const from_x = x + group * plan.inputs * plan.in_size;
    const T* const from_dy = dy + channel * plan.out_size;
    C sum{}, run{};
    int in_run = 0;
    for (int i = static_cast<int>(threadIdx.x); i < count; i += static_cast<int>(block_threads)) {
        const PixelPlace at = pixel_place(plan, first_image, first + i);
        if (reaches_image(plan, at, tap)) run += static_cast<C>(from_x[at.x + tap.offset]) * static_cast<C>(from_dy[at.dy]);
        if (++in_run == 256) {  // the error of a long sum grows with its length: so add the sums of short ones
            sum += run;
            run = C{};
            in_run = 0;
        }
    }
    const double total = block_sum(static_cast<double>(sum + run));
    if (threadIdx.x == 0) out[part * plan.count() + element] = static_cast<Out>(static_cast<C>(total));
}

template <class T, class Out>
void conv_direct(std::string_view op, const ConvGeometry& g, const T* x, const T* weight, const Out* bias, Out* y) {
    const DirectPlan plan(g, false);
    if (plan.count > 0) launch(op, &conv_direct_kernel<T, Out>, grid_for(plan.count), plan, x, weight, bias, y);
}
template <class T, class Out>
void conv_input_direct(std::string_view op, const ConvGeometry& g, const T* dy, const T* weight, const Out* bias, Out* dx) {
    const DirectPlan plan(g, true);
    if (plan.count > 0) launch(op, &conv_input_direct_kernel<T, Out>, grid_for(plan.count), plan, dy, weight, bias, dx);
}
template <class T, class Out>
void conv_weight_direct(std::string_view op, WeightPlan plan, const T* x, const T* dy, Out* dw) {
    using C = ComputeType<T>;
    const std::int64_t count = plan.count();
    plan.parts = part_range(plan.pixels, count, 1, 4096, most_weight_parts<C>(count));
    const Grid grid{dim3(static_cast<unsigned>(count), static_cast<unsigned>(plan.parts.count)), dim3(block_threads)};
    if (plan.parts.count == 1) return launch(op, &conv_weight_direct_kernel<T, Out>, grid, plan, x, dy, dw);
    const Scratch<C> partial(plan.parts.count * count);
    launch(op, &conv_weight_direct_kernel<T, C>, grid, plan, x, dy, partial.data());
    add_parts(op, count, plan.parts.count, static_cast<const C*>(partial.data()), dw);
}

}  // namespace headtorch::cuda::detail
