// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/data/scaler.hpp"

#include <limits>

#include "headtorch/autograd/backward.hpp"
#include "headtorch/ops/reduce.hpp"
#include "headtorch/tensor/create.hpp"
#include "tests/data/sklearn_reference.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using data::StandardScaler;

namespace {

template <class T>
Tensor<T> reference_tensor(const std::string& key) {
    const ReferenceValues& values = reference(key);
    const auto numbers = values.numbers();
    auto result = empty<T>(values.shape);
    for (std::size_t i = 0; i < numbers.size(); ++i) result.data()[i] = static_cast<T>(numbers[i]);
    return result;
}

template <class T>
std::vector<double> doubles(const Tensor<T>& values) {
    const auto list = values.tolist();
    return std::vector<double>(list.begin(), list.end());
}

}  // namespace

TEMPLATE_TEST_CASE("StandardScaler agrees with scikit-learn", "[data]", float, double) {
    const std::string name = std::is_same_v<TestType, float> ? "scaler.float." : "scaler.double.";
    const auto x = reference_tensor<TestType>(name + "x");
    StandardScaler scaler;
    const auto y = scaler.fit_transform(x);
    check_close(scaler.mean().tolist(), name + "mean", 1e-14);
    check_close(scaler.var().tolist(), name + "var", 1e-13);
    check_close(scaler.scale().tolist(), name + "scale", 1e-13);
    check_close(doubles(y), name + "transformed", std::is_same_v<TestType, float> ? 1e-6 : 1e-10);
    CHECK(scaler.scale().tolist()[3] == 1);  // no variance
    CHECK(doubles(scaler.transform(x))[0] == doubles(y)[0]);
    check_close(doubles(scaler.inverse_transform(y)), name + "x", std::is_same_v<TestType, float> ? 1e-6 : 1e-14);
}

TEST_CASE("a scaler fitted on double serves float, and any stride", "[data]") {
    StandardScaler scaler;
    scaler.fit(tensor<double>({{1, 3, 5}, {10, 20, 30}}).t());
    CHECK(scaler.mean().tolist() == std::vector<double>{3, 20});
    const auto y = scaler.transform(tensor({{3, 30}}));
    CHECK(y.data()[0] == 0.0f);
    CHECK(y.data()[1] == Approx(std::sqrt(1.5)));
}

TEST_CASE("mean or scale alone", "[data]") {
    const auto x = tensor<double>({{1}, {3}});
    CHECK(StandardScaler({.with_std = false}).fit_transform(x).tolist() == std::vector<double>{-1, 1});
    CHECK(StandardScaler({.with_mean = false}).fit_transform(x * 2.0).tolist() == std::vector<double>{1, 3});
    StandardScaler scaler({.with_mean = false});
    CHECK(scaler.inverse_transform(scaler.fit_transform(x)).tolist() == x.tolist());
}

TEST_CASE("transform passes the gradient through", "[data]") {
    const auto x = tensor<double>({{1, 0}, {5, 0}}).requires_grad_();
    const StandardScaler scaler = StandardScaler().fit(x);
    CHECK(!scaler.mean().requires_grad());
    scaler.transform(x).sum().backward();
    CHECK(x.grad().tolist() == std::vector<double>{0.5, 1, 0.5, 1});
}

TEST_CASE("a fit that fails leaves the former one", "[data]") {
    StandardScaler scaler;
    CHECK(!scaler.is_fitted());
    CHECK_THROWS_WITH(scaler.transform(zeros({2, 3})), contains("standard_scaler: transform before fit: call fit(x) first"));
    CHECK_THROWS_AS(scaler.inverse_transform(zeros({2, 3})), ValueError);
    CHECK_THROWS_WITH(
        scaler.fit(zeros({3})),
        contains(
            "standard_scaler: fit expects [items, features] with at least one item, but got [3]; for a single feature: x.unsqueeze(1)"));
    CHECK_THROWS_AS(scaler.fit(zeros({0, 3})), ShapeError);
    CHECK_THROWS_AS(scaler.fit(zeros({2, 3, 4})), ShapeError);
    scaler.fit(zeros({2, 3}));
    const auto bad = full<double>({2, 4}, std::numeric_limits<double>::infinity());
    CHECK_THROWS_WITH(scaler.fit(bad), contains("standard_scaler: an element of column 0 is infinite"));
    CHECK(scaler.mean().numel() == 3);
    CHECK_THROWS_WITH(scaler.transform(zeros({2, 4})),
                      contains("standard_scaler: transform expects [items, 3], the features that fit saw, but got [2, 4]"));
    CHECK_THROWS_AS(scaler.transform(zeros({3})), ShapeError);
}
