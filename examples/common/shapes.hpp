// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Drawn shapes, for networks that look at images where the real ones are not at hand.

#include <array>
#include <cstdint>
#include <headtorch/core/random.hpp>
#include <headtorch/tensor/tensor.hpp>
#include <string_view>

namespace examples {

inline constexpr std::array<std::string_view, 10> shape_names = {"disc", "ring",    "square", "frame",   "triangle",
                                                                 "plus", "diamond", "cross",  "stripes", "checks"};

/// A colour, each part from 0 to 255.
using Colour = std::array<double, 3>;

/// Draws shape number `shape` into image [3, height, width]: centre and radius in pixels, turned by `angle` (radians). Edges are smooth.
void draw_shape(const headtorch::Tensor<std::uint8_t, headtorch::Cpu>& image, int shape, double x, double y, double radius, double angle,
                const Colour& colour);

/// `count` images [count, 3, size, size] of one shape each, and labels [count]: bright ones of random places, sizes and turns on a dark,
/// noisy ground.
struct Shapes {
    headtorch::Tensor<std::uint8_t, headtorch::Cpu> images;
    headtorch::Tensor<std::int64_t, headtorch::Cpu> labels;
};
Shapes draw_shapes(std::int64_t count, std::int64_t size, headtorch::Generator& generator);

/// An even number between low and high.
double draw_number(headtorch::Generator& generator, double low, double high);

/// A ground of one colour with noise.
void draw_ground(const headtorch::Tensor<std::uint8_t, headtorch::Cpu>& image, const Colour& colour, double noise,
                 headtorch::Generator& generator);

}  // namespace examples
