// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Reductions on the GPU against the CPU's in double: every formula, element type and layout.

#include "headtorch/device/cuda/reduce.cuh"

#include <random>

#include "headtorch/device/cpu/lines.hpp"
#include "headtorch/device/cpu/reduce.hpp"
#include "headtorch/device/cuda/arg_reduce.cuh"
#include "tests/support/device_numbers.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

/// A shape, strides with any order of dimensions, some of them broadcast or with gaps, and what is reduced.
struct Case {
    Shape shape;
    Strides strides;
    bool contiguous = true;
    DimMask mask = 0;
    std::int64_t room = 1;  ///< elements from the first to the last
    ReducePlan plan() const { return plan_reduce(shape, strides, contiguous, mask); }
};

Case random_case(std::mt19937& random) {
    Case c;
    const int rank = static_cast<int>(random() % 5);
    std::int64_t left = 20000;
    for (int d = 0; d < rank; ++d) {
        const std::int64_t size = random() % 30 == 0 ? 0 : random_size(random, std::max<std::int64_t>(1, left));
        c.shape.push_back(size);
        left /= std::max<std::int64_t>(1, size);
    }
    c.strides = c.shape.contiguous_strides();
    c.contiguous = random() % 2 == 0;
    if (!c.contiguous) {
        int order[max_rank];
        for (int d = 0; d < rank; ++d) order[d] = d;
        std::shuffle(order, order + rank, random);
        std::int64_t stride = random() % 3 == 0 ? 2 : 1;
        for (int d = 0; d < rank; ++d) {
            const bool broadcast = random() % 6 == 0;
            c.strides[order[d]] = broadcast ? 0 : stride;
            if (!broadcast) stride *= c.shape[order[d]] + (random() % 4 == 0 ? 3 : 0);
        }
    }
    for (int d = 0; d < rank; ++d) c.room += std::max<std::int64_t>(0, c.shape[d] - 1) * c.strides[d];
    c.mask = random() % 3 == 0 ? all_dims(rank) : static_cast<DimMask>(random()) & all_dims(rank);
    return c;
}

template <class T>
using Reference = std::conditional_t<Floating<T>, double, T>;

/// Compares one reduction; Out is the type that the CPU's reference is computed in.
template <class T, class Out, class Op>
void compare(const Op& op, const Case& c, const Numbers<T>& x, std::int64_t offset) {
    using Real = Reference<T>;
    const ReducePlan plan = c.plan();
    const Numbers<Reference<Out>> want(plan.total);
    const Numbers<Real> wide = x.template as<Real>();
    const DeviceNumbers<T> on_device(x, offset);
    const DeviceNumbers<Out> y(plan.total);
    if constexpr (reduction::Centred<Op>) {
        using C = typename Op::template Gather<T>;
        const Numbers<double> center(plan.total);
        if constexpr (std::is_same_v<Op, reduction::LogSumExp>)
            cpu::reduce(Cpu{}, reduction::Max{}, wide.data(), plan, center.data());
        else
            cpu::reduce(Cpu{}, reduction::Sum{.mean = true}, wide.data(), plan, center.data());
        for (std::int64_t i = 0; i < plan.total; ++i)
            center[i] = std::isfinite(center[i]) ? static_cast<double>(static_cast<C>(center[i])) : 0;
        const DeviceNumbers<C> device_center(center.template as<C>());
        cpu::reduce(Cpu{}, op, wide.data(), plan, want.data(), center.data());
        reduce(Cuda{}, op, on_device.get(), plan, y.data(), device_center.get());
    } else {
        cpu::reduce(Cpu{}, op, wide.data(), plan, want.data());
        reduce(Cuda{}, op, on_device.get(), plan, y.data());
    }
    agree(y.host(), want, tolerance_of<Out>(), std::is_same_v<Op, reduction::LogSumExp> ? 1 : Half<Out> ? 1e-4 : 1e-30);
}

}  // namespace

TEMPLATE_TEST_CASE("reductions of floating-point numbers", "[cuda]", float, double, float16, bfloat16) {
    using T = TestType;
    std::mt19937 random(3);
    for (int round = 0; round < 1000; ++round) {
        const Case c = random_case(random);
        const Numbers<T> x = random_numbers<T>(c.room, random);
        const auto offset = static_cast<std::int64_t>(random() % 3 == 0 ? random() % 5 : 0);
        INFO(message("round ", round, ": ", c.shape, " strides ", c.strides, " mask ", c.mask, " offset ", offset));
        if (round % 2 == 0) compare<T, T>(reduction::Sum{}, c, x, offset);
        switch (round % 12) {
            case 0: compare<T, T>(reduction::Sum{.mean = true}, c, x, offset); break;
            case 1: compare<T, T>(reduction::Max{}, c, x, offset); break;
            case 2: compare<T, T>(reduction::Min{}, c, x, offset); break;
            case 3: compare<T, T>(reduction::MaxOfAbs{}, c, x, offset); break;
            case 4: compare<T, T>(reduction::MinOfAbs{}, c, x, offset); break;
            case 5: compare<T, T>(reduction::Norm1{}, c, x, offset); break;
            case 6: compare<T, T>(reduction::Norm2{}, c, x, offset); break;
            case 7: compare<T, T>(reduction::NormP(3), c, x, offset); break;
            case 8: compare<T, T>(reduction::CountNonzero{}, c, x, offset); break;
            case 9: compare<T, T>(reduction::Variance(1), c, x, offset); break;
            case 10: compare<T, T>(reduction::StandardDeviation(0), c, x, offset); break;
            default: compare<T, T>(reduction::LogSumExp{}, c, x, offset);
        }
    }
}

TEST_CASE("sums do not lose digits where terms cancel", "[cuda]") {
    std::mt19937 random(5);
    Case c;
    c.shape = {300000};
    c.strides = {1};
    c.mask = 1;
    const Numbers<float> x(300000);
    for (std::int64_t i = 0; i < x.size(); ++i) x[i] = (i % 2 ? 1e6f : -1e6f) + static_cast<float>(random() % 100);
    compare<float, float>(reduction::Sum{}, c, x, 0);
    compare<float, float>(reduction::Sum{}, c, x, 1);
}

TEMPLATE_TEST_CASE("reductions of integers and truth values", "[cuda]", std::int64_t, std::int32_t, std::uint8_t, bool) {
    using T = TestType;
    std::mt19937 random(4);
    for (int round = 0; round < 1000; ++round) {
        const Case c = random_case(random);
        Numbers<T> x = random_numbers<T>(c.room, random);
        const auto offset = static_cast<std::int64_t>(random() % 3 == 0 ? random() % 5 : 0);
        INFO(message("round ", round, ": ", c.shape, " strides ", c.strides, " mask ", c.mask, " offset ", offset));
        switch (round % 5) {
            case 0: compare<T, std::int64_t>(reduction::Sum{}, c, x, offset); break;
            case 1: compare<T, T>(reduction::Max{}, c, x, offset); break;
            case 2: compare<T, T>(reduction::Min{}, c, x, offset); break;
            case 3: compare<T, std::int64_t>(reduction::CountNonzero{}, c, x, offset); break;
            default:
                for (std::int64_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(x[i] != T(0) && random() % 5 != 0 ? 2 : 1);
                compare<T, std::int64_t>(reduction::Prod{}, c, x, offset);
        }
    }
}

TEST_CASE("products, NaN and infinity", "[cuda]") {
    std::mt19937 random(6);
    const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
    for (int round = 0; round < 500; ++round) {
        const Case c = random_case(random);
        Numbers<float> x = random_numbers<float>(c.room, random);
        INFO(message("round ", round, ": ", c.shape, " strides ", c.strides, " mask ", c.mask));
        for (std::int64_t i = 0; i < x.size(); ++i) x[i] = 1 + 0.01f * x[i];
        compare<float, float>(reduction::Prod{}, c, x, 0);
        for (int k = 0; k < 5; ++k) x[static_cast<std::int64_t>(random()) % x.size()] = random() % 2 ? inf : random() % 2 ? -inf : nan;
        compare<float, float>(reduction::Max{}, c, x, 0);
        compare<float, float>(reduction::Min{}, c, x, 0);
        compare<float, float>(reduction::MaxOfAbs{}, c, x, 0);
        compare<float, float>(reduction::Sum{}, c, x, 0);
    }
}

TEST_CASE("long reductions are cut into chunks", "[cuda]") {
    std::mt19937 random(8);
    const struct {
        Shape shape;
        DimMask mask;
    } cases[] = {{{1 << 20}, 1}, {{1000003}, 1}, {{3, 300001}, 2}, {{300001, 3}, 1},
                 {{100000, 33}, 1}, {{5000, 64, 2}, 5}, {{2, 9, 40000}, 5}};
    for (const auto& [shape, mask] : cases) {
        Case c;
        c.shape = shape;
        c.strides = shape.contiguous_strides();
        c.mask = mask;
        INFO(message(shape, " mask ", mask));
        const Numbers<float> x = random_numbers<float>(shape.numel(), random);
        compare<float, float>(reduction::Sum{}, c, x, 0);
        compare<float, float>(reduction::LogSumExp{}, c, x, 0);
        compare<float, float>(reduction::Max{}, c, x, 1);
        c.contiguous = false;  // the same, found by the general plan
        compare<float, float>(reduction::StandardDeviation(1), c, x, 0);
        compare<std::uint8_t, std::int64_t>(reduction::Sum{}, c, random_numbers<std::uint8_t>(shape.numel(), random), 0);
    }
}

TEMPLATE_TEST_CASE("largest and smallest elements, and where they are", "[cuda]", float, double, float16, std::int64_t, std::uint8_t,
                   bool) {
    using T = TestType;
    std::mt19937 random(9);
    const auto check = [&](const Lines& lines, const Numbers<T>& x, const auto& op) {
        INFO(message("lines ", lines.outer, " x ", lines.length, " x ", lines.inner));
        // float holds every float16; the CPU's kernel of plain numbers is the reference
        using C = ComputeType<T>;
        const Numbers<C> values(lines.count()), wide = x.template as<C>();
        const Numbers<std::int64_t> indices(lines.count());
        const DeviceNumbers<T> on_device(x), device_values(lines.count());
        const DeviceNumbers<std::int64_t> device_indices(lines.count());
        cpu::arg_reduce(Cpu{}, op, wide.data(), lines, values.data(), indices.data());
        arg_reduce(Cuda{}, op, on_device.get(), lines, device_values.data(), device_indices.data());
        agree(device_indices.host(), indices);
        agree(device_values.host(), values, 0);
        arg_reduce(Cuda{}, op, on_device.get(), lines, static_cast<T*>(nullptr), device_indices.data());
        agree(device_indices.host(), indices);
    };
    for (int round = 0; round < 500; ++round) {
        const Lines lines{random_size(random, 40), std::max<std::int64_t>(1, random_size(random, 2000)),
                          random() % 2 ? 1 : random_size(random, 40)};
        Numbers<T> x = random_numbers<T>(lines.count() * lines.length, random);
        if constexpr (Floating<T>) {
            if (x.size() > 0 && random() % 3 == 0)
                for (int k = 0; k < 3; ++k) {
                    const float special[] = {HUGE_VALF, -HUGE_VALF, std::nanf("")};
                    x[static_cast<std::int64_t>(random()) % x.size()] = static_cast<T>(special[random() % 3]);
                }
        }
        if (random() % 4 == 0)
            for (std::int64_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(i % 2);  // many equal ones
        if (round % 2)
            check(lines, x, reduction::Max{});
        else
            check(lines, x, reduction::Min{});
    }
    check({1, 700001, 1}, random_numbers<T>(700001, random), reduction::Max{});
    check({2, 100001, 3}, random_numbers<T>(600006, random), reduction::Min{});
    Numbers<T> lowest(1000);
    for (std::int64_t i = 0; i < 1000; ++i) lowest[i] = std::is_same_v<T, bool> ? T(0) : std::numeric_limits<T>::lowest();
    check({1, 1000, 1}, lowest, reduction::Max{});
    check({10, 100, 1}, lowest, reduction::Min{});
}

TEST_CASE("a number is spread over an array", "[cuda]") {
    const Numbers<float> value(1);
    value[0] = 1.5f;
    for (const std::int64_t n : {0, 1, 1000, 100001}) {
        const DeviceNumbers<float> x(value), y(n);
        spread(Cuda{}, x.get(), 0.1f, n, y.data());
        const Numbers<float> want(n);
        for (std::int64_t i = 0; i < n; ++i) want[i] = 1.5f * 0.1f;
        agree(y.host(), want, 0);
    }
}
