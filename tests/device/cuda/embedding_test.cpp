// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// The gradient of a table and the norms of its rows on the GPU, against the CPU in double.

#include "headtorch/cuda.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <type_traits>
#include <utility>

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
Tensor<std::int64_t, Cpu> some_rows(std::int64_t count, std::int64_t rows, std::mt19937_64& random) {
    auto index = empty<std::int64_t, Cpu>({count});
    for (std::int64_t i = 0; i < count; ++i) index.data()[i] = below(random, rows);
    return index;
}

template <class T>
void require_close(const Tensor<T, Cuda>& got, const Tensor<double, Cpu>& expected, double tolerance) {
    const auto host = got.template to<Cpu>();
    double size = 1;
    for (std::int64_t i = 0; i < expected.numel(); ++i) size = std::max(size, std::abs(expected.data()[i]));
    for (std::int64_t i = 0; i < expected.numel(); ++i)
        REQUIRE(std::abs(static_cast<double>(host.data()[i]) - expected.data()[i]) <= tolerance * size);
}

template <class T>
void compare(int rounds, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const double tolerance = std::is_same_v<T, double> ? 1e-12 : std::is_same_v<T, float> ? 1e-6 : 1e-2;
    for (int round = 0; round < rounds; ++round) {
        const std::int64_t rows = 1 + below(random, round % 3 ? 40 : 2), width = below(random, 12);
        const std::int64_t count = below(random, round % 20 == 0 ? 5000 : 100);
        const auto index = some_rows(count, rows, random);
        const auto index_there = index.to<Cuda>();
        const auto g = some({count, width}, random).template to<T>().template to<double>();
        const std::int64_t padding = random() % 2 ? -1 : below(random, rows);
        const bool by_frequency = random() % 2 == 0;
        auto table = empty<double, Cpu>({rows, width});
        const auto table_there = empty<T, Cuda>({rows, width});
        embedding_backward(Cpu{}, static_cast<const double*>(g.data()), index.data(), count, rows, width, padding, by_frequency,
                           table.data());
        embedding_backward(Cuda{}, static_cast<const T*>(g.template to<T>().template to<Cuda>().data()), index_there.data(), count, rows,
                           width, padding, by_frequency, table_there.data());
        require_close(table_there, table, tolerance);

        auto weight = some({rows, width}, random).template to<T>().template to<double>();
        const auto weight_there = weight.template to<T>().template to<Cuda>();
        const double p = random() % 3 == 0 ? 2
                         : random() % 2    ? std::numeric_limits<double>::infinity()
                                           : 0.5 + static_cast<double>(below(random, 6)) / 2;
        renorm_rows(Cpu{}, index.data(), count, rows, width, 1.25, p, weight.data());
        renorm_rows(Cuda{}, index_there.data(), count, rows, width, 1.25, p, weight_there.data());
        require_close(weight_there, weight, std::max(tolerance, 1e-6));
    }
}

}  // namespace

TEST_CASE("gradients and norms of the rows of a table", "[cuda]") {
    compare<float>(400, 1);
    compare<double>(200, 2);
    compare<float16>(30, 4);
}

TEST_CASE("wide rows", "[cuda]") {
    std::mt19937_64 random(3);
    const auto index = some_rows(50, 9, random);
    auto weight = some({9, 700}, random), table = empty<double, Cpu>({9, 700});
    const auto weight_there = weight.to<float>().to<Cuda>(), table_there = empty<float, Cuda>({9, 700});
    renorm_rows(Cpu{}, index.data(), 50, 9, 700, 3, 2, weight.data());
    renorm_rows(Cuda{}, index.to<Cuda>().data(), 50, 9, 700, 3, 2, weight_there.data());
    require_close(weight_there, weight, 1e-6);
    const auto g = some({50, 700}, random);
    embedding_backward(Cpu{}, static_cast<const double*>(g.data()), index.data(), 50, 9, 700, 4, false, table.data());
    embedding_backward(Cuda{}, static_cast<const float*>(g.to<float>().to<Cuda>().data()), index.to<Cuda>().data(), 50, 9, 700, 4, false,
                       table_there.data());
    require_close(table_there, table, 1e-6);
}

TEST_CASE("a row that the table does not have is reported", "[cuda]") {
    const bool blocking = std::exchange(cuda::launch_blocking(), false);
    const auto weight = ones<double, Cpu>({4, 3}).to<float>().to<Cuda>();
    auto index = zeros<std::int64_t, Cpu>({6});
    index.data()[4] = 4;
    const auto y = embedding(index.to<Cuda>(), weight);
    CHECK(y.shape() == Shape{6, 3});
    CHECK_THROWS_WITH(y.to<Cpu>(), "embedding: index 4 is outside of a table of 4 rows");
    index.data()[4] = -1;
    const auto z = embedding(index.to<Cuda>(), weight);
    CHECK_THROWS_WITH(cuda::synchronize(), "embedding: index -1 is outside of a table of 4 rows");
    cuda::launch_blocking() = blocking;
}
