// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Sums, means, largest and smallest elements: layouts, blocks, threads, empty tensors, errors.
// Their values against PyTorch: reduction_reference_test.
#include "headtorch/ops/reduce.hpp"

#include <cmath>
#include <limits>

#include "headtorch/autograd/gradcheck.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/filled.hpp"
#include "tests/support/threads.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

/// Small whole numbers, the same at every call: their sums are exact.
template <class T>
Tensor<T> whole_numbers(const Shape& shape) {
    return filled<T>(shape, [](std::int64_t i) { return (i * 7919 + i / 7) % 13; });
}

/// Sums over the dimensions in `mask`, one element after the other, with the reduced dimensions kept.
template <class T>
std::vector<double> slow_sums(const Tensor<T>& x, DimMask mask) {
    const Shape shape = reduced_shape(x.shape(), mask, true);
    const Strides strides = shape.contiguous_strides();
    const auto values = x.tolist();
    std::vector<double> sums(static_cast<std::size_t>(shape.numel()));
    for (std::int64_t i = 0; i < x.numel(); ++i) {
        std::int64_t to = 0, rest = i;
        for (int d = x.dim() - 1; d >= 0; rest /= x.shape()[d--])
            if (!(mask >> d & 1u)) to += rest % x.shape()[d] * strides[d];
        sums[static_cast<std::size_t>(to)] += static_cast<double>(values[static_cast<std::size_t>(i)]);
    }
    return sums;
}

template <class T>
void check_sums(const Tensor<T>& x) {
    for (DimMask mask = 1; mask <= all_dims(x.dim()); ++mask) {
        Dims dims;
        for (int d = 0; d < x.dim(); ++d)
            if (mask >> d & 1u) dims.push_back(d);
        INFO(x.shape().to_string() << " strides " << x.strides().to_string() << " over " << dims.to_string());
        const auto got = sum(x, dims).tolist();
        const auto want = slow_sums(x, mask);
        REQUIRE(got.size() == want.size());
        bool same = true;
        for (std::size_t i = 0; i < got.size(); ++i) same = same && static_cast<double>(got[i]) == want[i];
        CHECK(same);
    }
}

}  // namespace

TEMPLATE_TEST_CASE("sums over any dimensions of any layout", "[ops]", float, double, std::int64_t, std::uint8_t, bool) {
    for (const Shape& shape :
         {Shape{7}, Shape{3, 5}, Shape{2, 3, 4}, Shape{3, 1, 5, 7}, Shape{5, 2}, Shape{300, 3}, Shape{30, 200}, Shape{4, 33, 70}}) {
        const auto x = whole_numbers<TestType>(shape);
        check_sums(x);
        if (shape.rank() > 1) {
            check_sums(x.transpose(0, shape.rank() - 1));
            check_sums(x.narrow(0, 1, shape[0] - 1));
            check_sums(x.narrow(shape.rank() - 1, 1, shape[shape.rank() - 1] - 1));
            check_sums(x.narrow(0, 0, 1).expand(shape));
            check_sums(x.narrow(shape.rank() - 1, 0, 1).expand(shape));
        }
    }
}

TEST_CASE("sums of several blocks", "[ops]") {
    check_sums(whole_numbers<float>({70001}));
    check_sums(whole_numbers<float>({40000, 2}));
    check_sums(whole_numbers<float>({3, 70000}));
    check_sums(whole_numbers<float>({3, 70000}).t());
    check_sums(whole_numbers<double>({20, 5, 1000}));
    check_sums(whole_numbers<float>({5, 20, 3000}).transpose(0, 1));
}

TEST_CASE("a reduction does not depend on the number of threads", "[ops]") {
    Generator generator(1);
    const auto x = empty<float>({300, 1000});
    x.normal_(0, 1, generator);
    const auto results = [&] {
        std::vector<std::vector<float>> lists;
        for (const Dims& dims : {Dims{0, 1}, Dims{0}, Dims{1}}) {
            lists.push_back(sum(x, dims).tolist());
            lists.push_back(sum(x.t(), dims).tolist());
            lists.push_back(amax(x, dims).tolist());
        }
        return lists;
    };
    check_with_threads(results);
}

TEST_CASE("long float sums do not drift", "[ops]") {
    const auto x = full<float>({5'000'000}, 0.1f);
    CHECK(sum(x).item() == static_cast<float>(5'000'000 * static_cast<double>(0.1f)));
    CHECK(mean(x).item() == 0.1f);
    CHECK(sum(x.view(5000, 1000), 0).tolist()[7] == static_cast<float>(5000 * static_cast<double>(0.1f)));
}

TEST_CASE("sums of integers are counted in int64", "[ops]") {
    STATIC_REQUIRE(std::is_same_v<decltype(sum(Tensor<std::int32_t>())), Tensor<std::int64_t>>);
    STATIC_REQUIRE(std::is_same_v<decltype(sum(Tensor<bool>())), Tensor<std::int64_t>>);
    CHECK(sum(full<std::int32_t>({3}, std::numeric_limits<std::int32_t>::max())).item() == 3ll * std::numeric_limits<std::int32_t>::max());
    CHECK(sum(full<bool>({1000}, true)).item() == 1000);
}

TEST_CASE("shapes of results", "[ops]") {
    const auto x = whole_numbers<float>({2, 3, 4});
    CHECK(x.sum().shape() == Shape{});
    CHECK(x.sum(1).shape() == Shape{2, 4});
    CHECK(x.sum(-1, true).shape() == Shape{2, 3, 1});
    CHECK(x.mean({0, -1}).shape() == Shape{3});
    CHECK(x.mean({0, 2}, true).shape() == Shape{1, 3, 1});
    CHECK(sum(x, Dims{}).shape() == Shape{});
    CHECK(sum(x, Dims{}, true).shape() == Shape{1, 1, 1});
    CHECK(sum(tensor<float>(3.0f), 0).item() == 3);
}

TEST_CASE("reductions of nothing", "[ops]") {
    const auto x = zeros<float>({0, 3});
    CHECK(sum(x).item() == 0);
    CHECK(sum(x, 0).tolist() == std::vector<float>{0, 0, 0});
    CHECK(sum(x, 1).shape() == Shape{0});
    CHECK(std::isnan(mean(x).item()));
    CHECK(headtorch::all(x).item());
    CHECK_FALSE(headtorch::any(x).item());
    CHECK(amax(x, 1).shape() == Shape{0});
    CHECK_THROWS_WITH(amax(x, 0), "amax: dimension 0 of [0, 3] is empty, and nothing has no largest or smallest element");
    CHECK_THROWS_AS(max(x), ValueError);
    CHECK_THROWS_AS(amin(zeros<float>({0, 0}), 1), ValueError);
    const auto y = zeros<double>({0, 3}).requires_grad_();
    y.sum().backward();
    CHECK(y.grad().shape() == Shape{0, 3});
}

TEST_CASE("wrong dimensions are refused", "[ops]") {
    const auto x = whole_numbers<float>({2, 3});
    CHECK_THROWS_WITH(sum(x, 2), "sum: dimension out of range: expected [-2, 1], but got 2");
    CHECK_THROWS_AS(mean(x, -3), IndexError);
    CHECK_THROWS_WITH(sum(x, {1, -1}), "sum: dimension -1 appears twice in [1, -1]");
    CHECK_THROWS_AS(sum_to(x, {3, 3}), ShapeError);
    CHECK_THROWS_AS(sum_to(x, {1, 2, 3}), ShapeError);
}

TEST_CASE("sum_to undoes a broadcast", "[ops]") {
    const auto x = whole_numbers<double>({4, 2, 3});
    CHECK(sum_to(x, {4, 2, 3}).is_same(x));
    CHECK(sum_to(x, {2, 3}).tolist() == sum(x, 0).tolist());
    CHECK(sum_to(x, {1, 2, 1}).tolist() == sum(x, {0, 2}).tolist());
    CHECK(sum_to(x, {1}).shape() == Shape{1});
    CHECK(sum_to(x, {}).item() == sum(x).item());
    CHECK(sum_to(zeros<double>({0, 3}), {1, 3}).tolist() == std::vector<double>{0, 0, 0});
    CHECK(gradgradcheck([](const auto& in) { return sum_to(in[0] * in[0], {2, 1}); }, {x / 7}));
}

TEST_CASE("NaN is the largest and the smallest", "[ops]") {
    auto x = full<double>({100}, 1.0);
    for (const std::int64_t at : {0, 1, 50, 99}) {
        const auto y = x.clone();
        y[at].fill_(nan_value);
        CHECK(std::isnan(max(y).item()));
        CHECK(std::isnan(min(y).item()));
        CHECK(std::isnan(amax(y.view(10, 10), 0).tolist()[static_cast<std::size_t>(at % 10)]));
    }
    CHECK(max(full<double>({5}, -infinity)).item() == -infinity);
    CHECK(min(full<float>({40}, std::numeric_limits<float>::infinity())).item() == std::numeric_limits<float>::infinity());
    CHECK(max(full<std::uint8_t>({70}, 200)).item() == 200);
    CHECK(amin(full<std::int64_t>({3, 2}, -7), 0).tolist() == std::vector<std::int64_t>{-7, -7});
}

TEST_CASE("equal elements share the gradient of the largest", "[ops]") {
    const auto x = tensor<double>({{3, 1, 3}, {2, 2, 2}}).requires_grad_();
    amax(x, 1).backward(tensor<double>({1.0, 6.0}));
    CHECK(x.grad().tolist() == std::vector<double>{0.5, 0, 0.5, 2, 2, 2});
    x.zero_grad();
    max(x).backward();
    CHECK(x.grad().tolist() == std::vector<double>{0.5, 0, 0.5, 0, 0, 0});
}

TEST_CASE("truth of all and any", "[ops]") {
    const auto x = tensor<float>({{1, 0, 2}, {3, 4, -5}});
    CHECK_FALSE(x.all().item());
    CHECK(x.any().item());
    CHECK(headtorch::all(x, 1).tolist() == std::vector<bool>{false, true});
    CHECK(headtorch::all(x, 0, true).shape() == Shape{1, 3});
    CHECK_FALSE(headtorch::any(zeros<bool>({1000})).item());
    CHECK(headtorch::all(ones<std::int64_t>({65})).item());
}

TEST_CASE("gradients reach strided and expanded inputs", "[ops]") {
    const auto x = whole_numbers<double>({3, 4}) / 5;
    CHECK(gradgradcheck([](const auto& in) { return mean(in[0].t() * in[0].t(), 0); }, {x}));
}
