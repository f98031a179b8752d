// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Tensors of more than 2^31 elements, on GPUs that have room for them. (On the emulator: CUDA_EMULATOR_MEMORY=20G, and patience.)

#include "headtorch/cuda.hpp"

#include <cmath>
#include <cstdint>
#include <vector>

#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

using Byte = std::uint8_t;
template <class T>
using OnGpu = Tensor<T, Cuda>;

constexpr std::int64_t rows = (1 << 20) + 1, columns = 1 << 11, n = rows * columns;  // 2^31 + 2^11 elements
constexpr std::int64_t far_row = rows - 1;                                           // lies behind element 2^31

/// Whether so many bytes are free; else the test says that it was skipped.
bool room_for(std::int64_t bytes) {
    cuda::empty_cache();
    const cuda::MemoryInfo info = cuda::mem_get_info();
    if (info.free >= static_cast<std::size_t>(bytes) + (std::size_t{256} << 20)) return true;
    WARN("skipped: it takes " << (bytes >> 20) << " MiB, and " << (info.free >> 20) << " MiB are free");
    return false;
}

/// 0 1 2 … 12 0 1 …
template <class T>
OnGpu<T> ramp(std::int64_t size) {
    const auto x = empty<std::int64_t, Cpu>({size});
    for (std::int64_t i = 0; i < size; ++i) x.data()[i] = i % 13;
    return x.template to<T>().template to<Cuda>();
}
std::int64_t sum_of_ramp(std::int64_t size) {
    std::int64_t result = 0;
    for (std::int64_t i = 0; i < size; ++i) result += i % 13;
    return result;
}

double at(const auto& x, std::int64_t row, std::int64_t column) { return static_cast<double>(x.select(0, row).select(0, column).item()); }

}  // namespace

TEST_CASE("pointwise ops", "[cuda][huge]") {
    if (!room_for(3 * n)) return;
    const auto x = full<Byte, Cuda>({rows, columns}, 3);
    CHECK(x.sum().item() == 3 * n);
    {
        const auto twice = x + x;
        CHECK(twice.sum().item() == 6 * n);
        CHECK(headtorch::all(twice == Byte{6}).item());
    }
    const auto y = x + ramp<Byte>(columns);  // broadcast
    CHECK(y.sum().item() == 3 * n + rows * sum_of_ramp(columns));
    CHECK(at(y, far_row, columns - 1) == 3 + (columns - 1) % 13);
    const auto turned = y.t().contiguous();
    CHECK(at(turned, columns - 1, far_row) == 3 + (columns - 1) % 13);
    CHECK(turned.select(0, 5).sum().item() == (3 + 5) * rows);
    CHECK(turned.select(0, columns - 2).sum().item() == (3 + (columns - 2) % 13) * rows);
}

TEST_CASE("reductions", "[cuda][huge]") {
    if (!room_for(2 * n)) return;
    const auto x = ramp<Byte>(columns).expand({rows, columns}).contiguous();
    x.select(0, far_row).select(0, columns - 1).fill_(200);
    const std::int64_t last = (columns - 1) % 13;
    CHECK(x.sum().item() == rows * sum_of_ramp(columns) - last + 200);
    CHECK(x.sum(0).select(0, 7).item() == 7 * rows);
    CHECK(x.sum(0).select(0, columns - 1).item() == last * far_row + 200);
    CHECK(x.sum(1).select(0, far_row).item() == sum_of_ramp(columns) - last + 200);
    CHECK(x.max().item() == 200);
    CHECK(x.argmax().item() == n - 1);
    CHECK(x.argmax(1).select(0, far_row).item() == columns - 1);
    CHECK(x.argmax(0).select(0, columns - 1).item() == far_row);
    CHECK(headtorch::any(x == Byte{200}).item());
}

TEST_CASE("places", "[cuda][huge]") {
    if (!room_for(3 * n)) return;
    const auto index = tensor<std::int64_t, Cpu>({n - 1, 5, (std::int64_t{1} << 31) + 7}).to<Cuda>();
    const auto x = index_add(zeros<Byte, Cuda>({n}), 0, index, full<Byte, Cuda>({3}, 9));
    CHECK(x.sum().item() == 27);
    CHECK(x.narrow(0, (std::int64_t{1} << 31) + 7, 1).item() == 9);
    CHECK(index_select(x, 0, index).sum().item() == 27);
    CHECK(gather(x, 0, index).sum().item() == 27);
    CHECK(x.narrow(0, 6, n - 6).sum().item() == 18);
    const auto both = cat(std::vector<OnGpu<Byte>>{x.narrow(0, 0, n / 2), x.narrow(0, n / 2, n - n / 2)}, 0);
    CHECK(headtorch::all(both == x).item());
    const auto places = nonzero(x != Byte{0});
    REQUIRE(places.size(0) == 3);
    CHECK(places.select(0, 2).item() == n - 1);
}

TEST_CASE("layers", "[cuda][huge]") {
    using Half = bfloat16;
    if (!room_for(4 * n * static_cast<std::int64_t>(sizeof(Half)))) return;
    const NoGrad no_grad;
    const auto x = ramp<Half>(columns).expand({rows, columns}).contiguous();
    const auto near = x.narrow(0, 0, 2);
    // what is far away is what it would be in a tensor of two rows
    const auto same = [&](const auto& big, const auto& small) {
        REQUIRE(big.size(0) == rows);
        const auto difference = big.narrow(0, far_row, 1).template to<float>() - small.narrow(0, 1, 1).template to<float>();
        CHECK(static_cast<double>(difference.abs().max().item()) == 0);
    };
    same(softmax(x, -1), softmax(near, -1));
    same(layer_norm(x, {columns}), layer_norm(near, {columns}));
    same(cumsum(x * Half(0.125f), 1), cumsum(near * Half(0.125f), 1));
    same(relu(x - Half(5)), relu(near - Half(5)));
    same(nn::cross_entropy(x, full<std::int64_t, Cuda>({rows}, 3), {.reduction = Reduction::none}),
         nn::cross_entropy(near, full<std::int64_t, Cuda>({2}, 3), {.reduction = Reduction::none}));
    const auto few = x.narrow(1, 0, 8), few_near = near.narrow(1, 0, 8);  // strided
    const auto weight = ramp<Half>(8 * columns).reshape({8, columns});
    same(matmul(few, weight), matmul(few_near, weight));
    same(nn::embedding(full<std::int64_t, Cuda>({rows}, 1), weight), nn::embedding(full<std::int64_t, Cuda>({2}, 1), weight));
}

TEST_CASE("random numbers", "[cuda][huge]") {
    if (!room_for(2 * n)) return;
    manual_seed(1);
    const auto x = empty<Byte, Cuda>({n});
    x.random_(0, 2);
    const double mean = static_cast<double>(x.sum().item()) / static_cast<double>(n);
    CHECK(std::abs(mean - 0.5) < 1e-4);
    const auto tail = x.narrow(0, n - columns, columns);
    CHECK(tail.sum().item() > columns / 2 - 200);
    CHECK_FALSE(headtorch::all(tail == x.narrow(0, 0, columns)).item());
}
