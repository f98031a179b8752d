// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Resampling on the GPU, and the transposed map that its gradient is, against the CPU in double.

#include "headtorch/cuda.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <type_traits>

#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

std::int64_t below(std::mt19937_64& random, std::int64_t n) { return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n)); }

Tensor<double, Cpu> some(const Shape& shape, std::mt19937_64& random) {
    auto x = empty<double, Cpu>(shape);
    for (std::int64_t i = 0; i < x.numel(); ++i)
        x.data()[i] = static_cast<double>(static_cast<float>(std::normal_distribution<double>()(random)));
    return x;
}

detail::AxisRequest some_axis(std::mt19937_64& random, std::int64_t most) {
    detail::AxisRequest axis{.in = 1 + below(random, most), .out = 1 + below(random, most)};
    axis.mode = static_cast<detail::Interpolation>(below(random, 4));
    const bool smooth = axis.mode >= detail::Interpolation::linear;
    axis.align_corners = smooth && random() % 3 == 0;
    axis.antialias = smooth && random() % 2 == 0;
    return axis;
}

/// The table of the GPU with the weights of the CPU's, so that only the kernels are compared.
template <class T>
detail::ResampleTable<T, Cuda> moved(const detail::ResampleTable<double, Cpu>& table) {
    return detail::resample_table<T, Cuda>(table.start, table.weight.to<T>(), table.in, table.out, table.taps);
}

template <class T>
void compare(int rounds, std::int64_t most, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const double tolerance = std::is_same_v<T, double> ? 1e-12 : 1e-6;
    for (int round = 0; round < rounds; ++round) {
        const std::int64_t planes = below(random, 5);
        auto rows = detail::resample_table<double, Cpu>(random() % 4 == 0 ? detail::AxisRequest{} : some_axis(random, most));
        auto columns = detail::resample_table<double, Cpu>(some_axis(random, most));
        if (random() % 2 == 0) {
            rows = detail::transposed(rows);
            columns = detail::transposed(columns);
        }
        for (auto* table : {&rows, &columns})
            table->weight = table->weight_there = table->weight.template to<float>().template to<double>();
        const auto x = some({planes, rows.in, columns.in}, random);
        auto y = empty<double, Cpu>({planes, rows.out, columns.out}), sizes = empty<double, Cpu>(y.shape());
        const auto y_there = empty<T, Cuda>(y.shape());
        resample_planes(Cpu{}, static_cast<const double*>(x.data()), planes, rows.axis(), columns.axis(), y.data());
        const auto rows_there = moved<T>(rows), columns_there = moved<T>(columns);
        resample_planes(Cuda{}, static_cast<const T*>(x.to<T>().template to<Cuda>().data()), planes, rows_there.axis(),
                        columns_there.axis(), y_there.data());
        const auto host = y_there.template to<Cpu>();
        double size = 1;
        for (std::int64_t i = 0; i < y.numel(); ++i) size = std::max(size, std::abs(y.data()[i]));
        for (std::int64_t i = 0; i < y.numel(); ++i)
            REQUIRE(std::abs(static_cast<double>(host.data()[i]) - y.data()[i]) <= tolerance * size);
    }
}

}  // namespace

TEST_CASE("planes in another size, and back", "[cuda]") {
    compare<float>(1000, 12, 1);
    compare<double>(300, 12, 2);
    compare<float>(20, 90, 3);  // wide filters: one axis after the other
    compare<double>(20, 90, 4);
}
