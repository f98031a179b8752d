// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Normalisation beyond the reference cases: kernel against recorded formula, every length of row, threads, far means, wrong arguments.
#include <cmath>

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/threads.hpp"

using namespace headtorch;
using namespace headtorch::testing;
using Catch::Matchers::Contains;

namespace {

template <class T>
Tensor<T> sample(const Shape& shape, double mean = 0, std::uint64_t seed = 3) {
    Generator generator(seed);
    return empty<T>(shape).normal_(mean, 1, generator);
}

/// Gradients of f by all of `leaves` from the kernel and from the recorded formula.
template <class F>
void check_kernel_gradient(const F& f, const std::vector<Tensor<double>>& leaves) {
    const auto g = sample<double>(f().shape(), 0, 9);
    const auto fused = grad(f(), leaves, g), recorded = grad(f(), leaves, g, {.create_graph = true});
    for (std::size_t k = 0; k < leaves.size(); ++k) {
        const auto a = fused[k].tolist(), b = recorded[k].tolist();
        for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == Approx(b[i]).epsilon(1e-9).margin(1e-10));
    }
}

}  // namespace

TEST_CASE("the kernels' gradients are the recorded ones, for every length", "[ops]") {
    for (const std::int64_t n : {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 65, 100, 513}) {
        INFO(n);
        const auto weight = sample<double>({3}).requires_grad_(), bias = sample<double>({3}).requires_grad_();
        const auto x = sample<double>({2, 3, n}, 1).requires_grad_();
        check_kernel_gradient([&] { return batch_norm(x, {}, {}, weight, bias, true); }, {x, weight, bias});
        const auto mean = sample<double>({3}), variance = square(sample<double>({3})) + 0.5;
        check_kernel_gradient([&] { return batch_norm(x, mean, variance, weight, bias); }, {x, weight, bias});
        const auto groups = sample<double>({2, 6, n}, 1).requires_grad_();
        const auto six = sample<double>({6}).requires_grad_(), shift = sample<double>({6}).requires_grad_();
        check_kernel_gradient([&] { return group_norm(groups, 3, six, shift); }, {groups, six, shift});
        const auto row = sample<double>({5, n}, 1).requires_grad_();
        const auto scale = sample<double>({n}).requires_grad_(), offset = sample<double>({n}).requires_grad_();
        check_kernel_gradient([&] { return layer_norm(row, {n}, scale, offset); }, {row, scale, offset});
        check_kernel_gradient([&] { return rms_norm(row, {n}, scale); }, {row, scale});
        const auto wide = sample<double>({4, n}, 1).requires_grad_();  // channels that stand alone
        check_kernel_gradient([&] { return batch_norm(wide, {}, {}, scale, offset, true); }, {wide, scale, offset});
    }
}

TEST_CASE("a mean far from zero does not spoil the variance", "[ops]") {
    const auto x = sample<float>({8, 2, 64}, 10000);
    const auto exact = batch_norm(x.to<double>(), {}, {}, {}, {}, true).tolist();
    const auto near = batch_norm(x, {}, {}, {}, {}, true).tolist();
    const auto rows = layer_norm(x, {64}).tolist();
    const auto exact_rows = layer_norm(x.to<double>(), {64}).tolist();
    for (std::size_t i = 0; i < exact.size(); ++i) {
        CHECK(static_cast<double>(near[i]) == Approx(exact[i]).margin(2e-5));
        CHECK(static_cast<double>(rows[i]) == Approx(exact_rows[i]).margin(2e-5));
    }
}

TEST_CASE("normalisation does not depend on the number of threads", "[ops]") {
    const auto results = [] {
        std::vector<std::vector<float>> found;
        const auto collect = [&](const Tensor<>& y, const std::vector<Tensor<>>& leaves) {
            found.push_back(y.tolist());
            for (const auto& gradient : grad(square(y).sum(), leaves)) found.push_back(gradient.tolist());
        };
        const auto x = sample<float>({16, 12, 20, 21}).requires_grad_();
        const auto weight = sample<float>({12}).requires_grad_(), bias = sample<float>({12}).requires_grad_();
        collect(batch_norm(x, {}, {}, weight, bias, true), {x, weight, bias});
        collect(group_norm(x, 4, weight, bias), {x, weight, bias});
        collect(instance_norm(x, {}, {}, weight, bias), {x, weight, bias});
        const auto rows = sample<float>({500, 300}).requires_grad_();
        const auto scale = sample<float>({300}).requires_grad_(), offset = sample<float>({300}).requires_grad_();
        collect(layer_norm(rows, {300}, scale, offset), {rows, scale, offset});
        collect(rms_norm(rows, {300}, scale), {rows, scale});
        collect(batch_norm(rows, {}, {}, scale, offset, true), {rows, scale, offset});
        return found;
    };
    check_with_threads(results);
}

TEST_CASE("evaluation keeps the statistics that it used, whatever becomes of the running ones", "[ops]") {
    const auto x = sample<float>({4, 2}).requires_grad_();
    const auto mean = zeros({2}), variance = ones({2});
    const auto y = batch_norm(x, mean, variance, {}, {}, false, 0.1, 0);
    variance.fill_(100);
    y.sum().backward();
    CHECK(x.grad().tolist() == std::vector<float>(8, 1));
}

TEST_CASE("normalisation of nothing", "[ops]") {
    const auto weight = ones({3}).requires_grad_(), bias = ones({3}).requires_grad_();
    const auto mean = zeros({3}), variance = ones({3});
    const auto y = batch_norm(ones({0, 3, 2}), mean, variance, weight, bias, true);
    CHECK(y.shape() == Shape{0, 3, 2});
    y.sum().backward();
    CHECK(weight.grad().tolist() == std::vector<float>{0, 0, 0});
    CHECK(mean.tolist() == std::vector<float>{0, 0, 0});
    CHECK(variance.tolist() == std::vector<float>{1, 1, 1});
    layer_norm(ones({0, 3}), {3}, weight, bias).sum().backward();
    group_norm(ones({0, 3, 2}), 3, weight, bias).sum().backward();
    CHECK(bias.grad().tolist() == std::vector<float>{0, 0, 0});
    CHECK(layer_norm(ones({2, 0}), {0}).shape() == Shape{2, 0});
}

TEST_CASE("normalisations refuse what does not fit", "[ops]") {
    const auto x = ones({2, 4, 3});
    CHECK_THROWS_WITH(batch_norm(ones({3}), {}, {}, {}, {}, true), "batch_norm: needs an input [batch, channels, ...], got [3]");
    CHECK_THROWS_WITH(batch_norm(x, {}, {}), "batch_norm: evaluation needs running mean and variance");
    CHECK_THROWS_WITH(batch_norm(x, ones({4}), {}, {}, {}, true), Contains("come together or not at all"));
    CHECK_THROWS_WITH(batch_norm(x, ones({3}), ones({3})), "batch_norm: the running mean must have shape [4], got [3]");
    CHECK_THROWS_WITH(batch_norm(x, {}, {}, ones({4}), ones({5}), true), "batch_norm: the bias must have shape [4], got [5]");
    CHECK_THROWS_WITH(batch_norm(ones({1, 4}), {}, {}, {}, {}, true),
                      "batch_norm: needs more than one value per channel in training, got [1, 4]");
    CHECK_THROWS_AS(batch_norm(x, {}, {}, {}, {}, true, 0.1, -1), ValueError);
    CHECK_THROWS_AS(batch_norm(x, ones({8})(slice(0, 8, 2)), ones({4})), ValueError);
    CHECK_THROWS_WITH(layer_norm(x, {4}), "layer_norm: an input of shape [2, 4, 3] does not end in the normalized_shape [4]");
    CHECK_THROWS_AS(layer_norm(x, {}), ShapeError);
    CHECK_THROWS_AS(layer_norm(x, {1, 2, 4, 3}), ShapeError);
    CHECK_THROWS_WITH(layer_norm(x, {3}, ones({4})), "layer_norm: the weight must have shape [3], got [4]");
    CHECK_THROWS_AS(rms_norm(x, {3}, {}, std::nan("")), ValueError);
    CHECK_THROWS_WITH(group_norm(x, 3), "group_norm: the 4 channels of [2, 4, 3] do not divide into 3 groups");
    CHECK_THROWS_AS(group_norm(x, 0), ValueError);
    CHECK_THROWS_AS(group_norm(ones({4}), 2), ShapeError);
    CHECK_THROWS_WITH(group_norm(ones({1, 4}), 4), "group_norm: needs more than one value per group, got [1, 4]");
    CHECK_THROWS_WITH(instance_norm(ones({2, 4, 1})), "instance_norm: needs more than one value per channel, got [2, 4, 1]");
    CHECK_THROWS_AS(instance_norm(ones({2, 4})), ShapeError);
    CHECK_THROWS_AS(instance_norm(x, ones({3}), ones({3})), ShapeError);
    CHECK_THROWS_AS(instance_norm(x, ones({4}), {}), ValueError);
    CHECK_THROWS_WITH(local_response_norm(ones({2, 3}), 2), "local_response_norm: needs an input [batch, channels, ...], got [2, 3]");
    CHECK_THROWS_WITH(local_response_norm(x, 0), "local_response_norm: size must be positive, got 0");
}
