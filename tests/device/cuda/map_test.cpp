// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// The pointwise kernel: every way in which operands can lie.

#include "headtorch/cuda.hpp"

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "tests/support/catch.hpp"

using namespace headtorch;

TEST_CASE("division by multiplication", "[cuda]") {
    std::mt19937 random(1);
    for (int i = 0; i < 20000; ++i) {
        const auto drawn = static_cast<std::uint32_t>(random());
        const std::uint32_t d = i < 100 ? static_cast<std::uint32_t>(i) + 1 : 1 + drawn % (i % 2 ? 0x7fffffffu : 1000u);
        const cuda::Divisor divide(d);
        for (const std::uint32_t n : {0u, 1u, d - 1, d, d + 1, 0x7fffffffu, static_cast<std::uint32_t>(random()) & 0x7fffffffu})
            if (n < 0x80000000u) REQUIRE(divide(n) == n / d);
    }
}

TEST_CASE("a loop that is too large for an int is walked in parts", "[cuda]") {
    const Shape shape{7, std::int64_t{1} << 20, 3, 1 << 10};
    const Strides strides[] = {shape.contiguous_strides(), Strides{0, 1, 0, std::int64_t{1} << 20}};
    const Loop loop(shape, strides);
    std::int64_t seen = 0, parts = 0, end = 0;
    cuda::in_parts(loop, 2, [&](const Loop& part, std::int64_t n, const std::int64_t* offsets) {
        REQUIRE(n < std::int64_t{1} << 31);
        REQUIRE(offsets[0] >= end);
        for (int k = 0; k < 2; ++k) {
            std::int64_t last = 0;
            for (int d = 0; d < part.rank; ++d) last += (part.sizes[d] - 1) * part.strides[k][d];
            REQUIRE(last < std::int64_t{1} << 31);
            if (k == 0) end = offsets[0] + 1;
        }
        seen += n;
        ++parts;
    });
    CHECK(seen == shape.numel());
    CHECK(parts > 7);
}

namespace {

struct Mixed {
    static constexpr auto value(const auto& x, const auto& y, const auto& z) { return x * y - math::where(z > x, z, 2 * y); }
};

/// A view of a random tensor: any shape that broadcasts to `shape`, in any order of memory, with gaps and offsets.
template <class T>
Tensor<T, Cpu> random_view(const Shape& shape, std::mt19937& random, bool broadcast) {
    Shape own = shape;
    for (int d = 0; d < own.rank(); ++d)
        if (broadcast && random() % 3 == 0) own[d] = 1;
    Shape room = own;
    for (int d = 0; d < room.rank(); ++d) room[d] += random() % 3 == 0 ? 1 + random() % 2 : 0;
    Dims order;
    for (int d = 0; d < room.rank(); ++d) order.push_back(d);
    for (int d = room.rank() - 1; d > 0; --d) std::swap(order[d], order[static_cast<int>(random() % static_cast<unsigned>(d + 1))]);
    Shape stored;
    for (int d = 0; d < room.rank(); ++d) stored.push_back(room[static_cast<int>(order[d])]);
    Tensor<T, Cpu> x = randn<float, Cpu>(stored).template to<T>();
    Dims back = order;
    for (int d = 0; d < room.rank(); ++d) back[static_cast<int>(order[d])] = d;
    x = x.permute(back);
    for (int d = 0; d < room.rank(); ++d)
        if (room[d] > own[d]) x = x.narrow(d, room[d] - own[d], own[d]);
    return x;
}

/// The same view on the device: to<Cuda>() alone would make it contiguous.
template <class T>
Tensor<T, Cuda> same_view(const Tensor<T, Cpu>& x) {
    const std::int64_t elements = static_cast<std::int64_t>(x.get()->storage->bytes / sizeof(T));
    const std::int64_t offset = static_cast<const T*>(x.get()->data) - static_cast<const T*>(x.get()->storage->data);
    const auto all = Tensor<T, Cpu>(alias_impl(*x.get(), {elements}, {1}, -offset)).template to<Cuda>();
    return Tensor<T, Cuda>(alias_impl(*all.get(), x.shape(), x.strides(), offset));
}

template <class T>
void agree(const Tensor<T, Cuda>& got, const Tensor<T, Cpu>& want, double tolerance) {
    REQUIRE(got.shape() == want.shape());
    const auto a = got.tolist(), b = want.tolist();
    for (std::size_t i = 0; i < a.size(); ++i) {
        const auto x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
        if (!(std::abs(x - y) <= tolerance * std::max(1.0, std::abs(y)))) FAIL("element " << i << ": " << x << " instead of " << y);
    }
}

}  // namespace

TEMPLATE_TEST_CASE("operands of every layout", "[cuda]", float, double) {
    std::mt19937 random(7);
    manual_seed(7);
    for (int round = 0; round < 1000; ++round) {
        Shape shape;
        const int rank = static_cast<int>(random() % 5);
        for (int d = 0; d < rank; ++d) shape.push_back(random() % 20 == 0 ? 0 : 1 + random() % (rank < 3 ? 40 : 7));
        const auto x = random_view<TestType>(shape, random, false), y = random_view<TestType>(shape, random, true),
                   z = random_view<TestType>(shape, random, true);
        INFO(message(shape, ", round ", round));
        const double tolerance = std::is_same_v<TestType, float> ? 1e-6 : 1e-12;
        agree(pointwise(Mixed{}, same_view(x), same_view(y), same_view(z)), pointwise(Mixed{}, x, y, z), tolerance);
        agree(same_view(x).clone(), x, 0);
        const auto target = same_view(x);  // in place, through the view
        target.copy_(same_view(y));
        agree(target, (x * 0 + y), 0);
    }
}

TEST_CASE("element types meet", "[cuda]") {
    const auto x = randn<float, Cpu>({1000, 3});
    const auto d = x.to<Cuda>();
    CHECK((d > 0.0f).tolist() == (x > 0.0f).tolist());
    CHECK(where(d > 0.0f, d, -d).tolist() == x.abs().tolist());
    CHECK((d * 10).to<std::int32_t>().tolist() == (x * 10).to<std::int32_t>().tolist());
    CHECK((d > 0.0f).to<std::uint8_t>().tolist() == (x > 0.0f).to<std::uint8_t>().tolist());
    CHECK(d.to<double>().tolist() == x.to<double>().tolist());
    const auto i = arange<std::int64_t, Cpu>(999);
    CHECK((i.to<Cuda>() * 7 + 1).tolist() == (i * 7 + 1).tolist());
    CHECK((i.to<Cuda>().to<float>() / 3.0f).tolist() == (i.to<float>() / 3.0f).tolist());
}

TEST_CASE("plain arrays that do not start at sixteen bytes", "[cuda]") {
    const auto x = randn<float, Cpu>({1001});
    const auto d = x.to<Cuda>();
    for (const int start : {0, 1, 2, 3, 4})
        for (const int length : {0, 1, 3, 4, 5, 511, 512, 900})
            CHECK((d.narrow(0, start, length) * 2.0f).tolist() == (x.narrow(0, start, length) * 2.0f).tolist());
}
