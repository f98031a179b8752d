// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Ops on many random shapes: values and gradients of the GPU, in float and in double, against the CPU in double.
///
///     agree_on_random_shapes("softmax", [](Random& r) { return Plan{{r.shape(1, 4)}, {r.below(3)}}; },
///                            [](const auto& in, const Plan& plan) { return softmax(in[0], plan.numbers[0]); });

#include "headtorch/cuda.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "tests/support/catch.hpp"

namespace headtorch::testing {

/// Shapes of the inputs, and whatever else a case has drawn.
struct Plan {
    std::vector<Shape> shapes;
    std::vector<std::int64_t> numbers{};
    double low = -2, high = 2;  ///< of the elements
};

class Random {
public:
    explicit Random(unsigned seed) : engine_(seed) {}
    std::int64_t below(std::int64_t n) { return static_cast<std::int64_t>(engine_() % static_cast<std::uint64_t>(n)); }
    std::int64_t from_to(std::int64_t low, std::int64_t high) { return low + below(high - low + 1); }
    /// 0 seldom, 1 often enough, else up to `most`.
    std::int64_t size(std::int64_t most) { return below(30) == 0 ? 0 : below(6) == 0 ? 1 : from_to(1, most); }
    Shape shape(int least_rank, int most_rank, std::int64_t most_elements = 3000) {
        const int rank = static_cast<int>(from_to(least_rank, most_rank));
        const auto most = static_cast<std::int64_t>(std::pow(static_cast<double>(most_elements), 1.0 / std::max(1, rank)));
        Shape result;
        for (int d = 0; d < rank; ++d) result.push_back(size(most));
        return result;
    }
    /// A shape that broadcasts to `shape`.
    Shape part_of(const Shape& shape) {
        Shape result;
        const int skip = static_cast<int>(below(shape.rank() + 1)) / 2;
        for (int d = skip; d < shape.rank(); ++d) result.push_back(below(3) == 0 ? 1 : shape[d]);
        return result;
    }
    double uniform(double low, double high) { return std::uniform_real_distribution<double>(low, high)(engine_); }

private:
    std::mt19937 engine_;
};

/// How many shapes an op is tried on: HEADTORCH_RANDOM_SHAPES, or 1000 (100 on the emulator).
inline int random_shapes() {
    if (const char* wanted = std::getenv("HEADTORCH_RANDOM_SHAPES")) return std::atoi(wanted);
    return cuda::get_device_properties(0).name == "CUDA emulator" ? 100 : 1000;
}

namespace detail {

/// Values and gradients, in double.
struct Answer {
    Shape shape;
    std::vector<std::vector<double>> lists;
};

/// `strided`: the inputs are views, transposed and with gaps.
template <class T, class D, class F>
Answer answer(const F& f, const Plan& plan, const std::vector<Tensor<double, Cpu>>& values, bool strided) {
    std::vector<Tensor<T, D>> in, leaves;
    for (const auto& value : values) {
        Tensor<T, D> leaf = value.template to<T>().template to<D>().clone().requires_grad_();
        leaves.push_back(leaf);
        if (strided && leaf.dim() >= 2) leaf = leaf.transpose(0, 1).contiguous().transpose(0, 1);
        if (strided && leaf.dim() >= 1) leaf = stack(std::vector<Tensor<T, D>>{leaf, leaf * T(0)}, -1).select(-1, 0);
        in.push_back(leaf);
    }
    const auto y = f(in, plan);
    Answer result{y.shape(), {}};
    const auto add = [&](const auto& x) {
        auto& list = result.lists.emplace_back();
        for (const auto each : x.tolist()) list.push_back(static_cast<double>(each));
    };
    add(y);
    if constexpr (Floating<typename std::remove_cvref_t<decltype(y)>::value_type>) {
        if (!y.requires_grad()) return result;
        const auto angles = arange<double, Cpu>(y.numel()) * 0.37;
        const auto seed = angles.sin().template to<float>().template to<T>().reshape(y.shape()).template to<D>();
        y.backward(seed);
        for (const auto& leaf : leaves)
            if (leaf.grad().defined()) add(leaf.grad());
    }
    return result;
}

inline void compare(const std::string& what, const Answer& got, const Answer& want, double tolerance) {
    INFO(what);
    REQUIRE(got.shape == want.shape);
    REQUIRE(got.lists.size() == want.lists.size());
    for (std::size_t k = 0; k < want.lists.size(); ++k) {
        REQUIRE(got.lists[k].size() == want.lists[k].size());
        double allowed = 1;  // errors are relative to the list: where terms cancel, the sum is small and its error is not
        for (const double x : want.lists[k])
            if (std::isfinite(x)) allowed = std::max(allowed, std::abs(x));
        // a gradient sums this many terms, whose roundings add up like the steps of a random walk
        const double terms = static_cast<double>(want.lists[0].size()) / static_cast<double>(std::max<std::size_t>(1, want.lists[k].size()));
        allowed *= tolerance * std::sqrt(std::max(1.0, terms));
        for (std::size_t i = 0; i < want.lists[k].size(); ++i) {
            const double a = got.lists[k][i], b = want.lists[k][i];
            if (a == b || (std::isnan(a) && std::isnan(b)) || std::abs(a - b) <= allowed) continue;
            FAIL((k == 0 ? "value" : "gradient " + std::to_string(k - 1)) << ", element " << i << ": " << a << " instead of " << b);
        }
    }
}

}  // namespace detail

/// `f(in, plan)` takes tensors of any type and device. `factor`: how many roundings of float (1e-6) or double (1e-12) may add up.
template <class F>
void agree_on_random_shapes(const std::string& name, Plan (*draw)(Random&), const F& f, double factor = 1) {
    Random random(static_cast<unsigned>(std::hash<std::string>{}(name)));
    for (int round = 0, count = random_shapes(); round < count; ++round) {
        const Plan plan = draw(random);
        std::vector<Tensor<double, Cpu>> values;
        std::string shapes;
        for (const Shape& shape : plan.shapes) {
            const auto x = empty<double, Cpu>(shape);
            // numbers of a float, so that both types compute with the same
            for (std::int64_t i = 0; i < x.numel(); ++i) x.data()[i] = static_cast<float>(random.uniform(plan.low, plan.high));
            values.push_back(x);
            shapes += message(" ", shape);
        }
        const bool strided = round % 2 == 1;
        const std::string what = name + ":" + shapes + (strided ? ", strided" : "") + ", round " + std::to_string(round);
        const auto want = detail::answer<double, Cpu>(f, plan, values, strided);
        detail::compare(what + ", double", detail::answer<double, Cuda>(f, plan, values, strided), want, 1e-12 * factor);
        detail::compare(what + ", float", detail::answer<float, Cuda>(f, plan, values, strided), want, 1e-6 * factor);
    }
}

}  // namespace headtorch::testing
