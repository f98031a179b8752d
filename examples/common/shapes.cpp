// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "examples/common/shapes.hpp"

#include <algorithm>
#include <cmath>
#include <headtorch/ops/view.hpp>
#include <headtorch/tensor/access.hpp>
#include <headtorch/tensor/create.hpp>

namespace examples {
namespace {

using Bytes = headtorch::Tensor<std::uint8_t, headtorch::Cpu>;

/// How far inside the shape (u, v) is, in units of its radius; negative outside.
double depth(int shape, double u, double v) {
    const double a = std::abs(u), b = std::abs(v), r = std::hypot(u, v), box = std::max(a, b);
    switch (shape) {
        case 0:
            return 1 - r;
        case 1:
            return std::min(1 - r, r - 0.55);
        case 2:
            return 0.85 - box;
        case 3:
            return std::min(0.9 - box, box - 0.5);
        case 4:
            return std::min(0.6 - v, (1 + v) * 0.5 - a * 0.9);
        case 5:
            return std::min(1 - box, 0.32 - std::min(a, b));
        case 6:
            return (1 - a - b) * 0.7071;
        case 7:
            return std::min(1 - r, 0.28 - std::abs(a - b) * 0.7071);
        case 8:
            return std::min(0.95 - box, 0.16 - std::abs(std::remainder(v, 0.64)));
        default:
            return std::min(0.95 - box, std::sin(4.7 * u) * std::sin(4.7 * v) * 0.3);
    }
}

}  // namespace

double draw_number(headtorch::Generator& generator, double low, double high) { return low + (high - low) * generator.uniform<double>(); }

void draw_ground(const Bytes& image, const Colour& colour, double noise, headtorch::Generator& generator) {
    const std::int64_t pixels = image.size(1) * image.size(2);
    for (std::int64_t i = 0; i < 3 * pixels; ++i) {
        const double value = colour[static_cast<std::size_t>(i / pixels)] + draw_number(generator, -noise, noise);
        image.data()[i] = static_cast<std::uint8_t>(std::clamp(value, 0.0, 255.0));
    }
}

void draw_shape(const Bytes& image, int shape, double x, double y, double radius, double angle, const Colour& colour) {
    const std::int64_t height = image.size(1), width = image.size(2);
    const double cosine = std::cos(angle) / radius, sine = std::sin(angle) / radius, reach = 1.5 * radius;
    const auto clipped = [](double value, std::int64_t size) {
        return std::clamp(static_cast<std::int64_t>(value), std::int64_t{0}, size);
    };
    for (std::int64_t row = clipped(y - reach, height); row < clipped(y + reach + 1, height); ++row)
        for (std::int64_t column = clipped(x - reach, width); column < clipped(x + reach + 1, width); ++column) {
            const double dx = static_cast<double>(column) - x, dy = static_cast<double>(row) - y;
            const double share = std::clamp(depth(shape, cosine * dx + sine * dy, cosine * dy - sine * dx) * radius + 0.5, 0.0, 1.0);
            for (std::size_t channel = 0; channel < 3; ++channel) {
                std::uint8_t& pixel = image.data()[(static_cast<std::int64_t>(channel) * height + row) * width + column];
                pixel = static_cast<std::uint8_t>(share * colour[channel] + (1 - share) * pixel);
            }
        }
}

Shapes draw_shapes(std::int64_t count, std::int64_t size, headtorch::Generator& generator) {
    Shapes shapes{headtorch::empty<std::uint8_t, headtorch::Cpu>({count, 3, size, size}),
                  headtorch::empty<std::int64_t, headtorch::Cpu>({count})};
    const double extent = static_cast<double>(size);
    for (std::int64_t i = 0; i < count; ++i) {
        const auto image = shapes.images[i];
        Colour ground{}, colour{};
        for (std::size_t c = 0; c < 3; ++c) {
            ground[c] = draw_number(generator, 0, 110);
            colour[c] = ground[c] + draw_number(generator, 70, 145);
        }
        draw_ground(image, ground, 30, generator);
        const int shape = static_cast<int>(generator.below(shape_names.size()));
        const double radius = draw_number(generator, 0.22, 0.42) * extent, middle = 0.5 * extent - 0.5, play = 0.5 * extent - radius;
        draw_shape(image, shape, middle + draw_number(generator, -play, play), middle + draw_number(generator, -play, play), radius,
                   draw_number(generator, -0.3, 0.3), colour);
        shapes.labels.data()[i] = shape;
    }
    return shapes;
}

}  // namespace examples
