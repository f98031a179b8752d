// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Values out: item, tolist, iteration, comparison, conversion, copies, Eigen.
#include "headtorch/tensor/access.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include <Eigen/Core>

#include "headtorch/headtorch.hpp"
#include "headtorch/ops/eigen.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

using Values = std::vector<float>;

TEST_CASE("item and tolist", "[tensor]") {
    const auto x = arange<float>(0, 24).view(2, 3, 4);
    CHECK(ones({1, 1, 1}).item() == 1);
    CHECK_THROWS_AS(x.item(), ShapeError);
    CHECK_THROWS_WITH(x.item(), contains("item: a tensor of shape [2, 3, 4] is not a single number"));
    CHECK_THROWS_AS(zeros({0}).item(), ShapeError);
    CHECK(x.permute(2, 0, 1)[1].tolist() == Values{1, 5, 9, 13, 17, 21});
    CHECK(x(headtorch::all, 0, 0).tolist() == Values{0, 12});
    CHECK(tensor({1, 2}).expand(2, 2).tolist() == Values{1, 2, 1, 2});
    CHECK(x(slice(0, 0)).tolist().empty());
    CHECK((x[0] > 9.0f).tolist() == std::vector<bool>{false, false, false, false, false, false, false, false, false, false, true, true});
}

TEST_CASE("an undefined tensor says so", "[tensor]") {
    const Tensor<> none;
    CHECK_FALSE(none.defined());
    CHECK_THROWS_WITH(none.shape(), contains("undefined"));
    CHECK_THROWS_AS(none + 1, ValueError);
    CHECK_THROWS_AS(none.item(), ValueError);
    CHECK_THROWS_AS(none.clone(), ValueError);
    CHECK_THROWS_AS(none.view(1), ValueError);
    CHECK_THROWS_AS(ones({1}) * none, ValueError);
    CHECK_THROWS_AS(none.sum(), ValueError);
    CHECK_THROWS_AS(none.requires_grad_(), ValueError);
}

TEST_CASE("sizes and strides", "[tensor]") {
    const auto x = zeros({2, 3, 4});
    CHECK(x.size(0) == 2);
    CHECK(x.size(-1) == 4);
    CHECK(x.stride(0) == 12);
    CHECK(x.dim() == 3);
    CHECK(x.ndim() == 3);
    CHECK_THROWS_WITH(x.size(3), contains("size: dimension out of range: expected [-3, 2], but got 3"));
    CHECK_THROWS_AS(x.stride(-4), IndexError);
    CHECK_THROWS_WITH(tensor(1).size(0), contains("0-dim"));
}

TEST_CASE("iteration over dimension 0", "[tensor]") {
    const auto x = tensor({{1, 2}, {3, 4}, {5, 6}});
    std::vector<Values> rows;
    for (const auto& row : x) rows.push_back(row.tolist());
    CHECK(rows == std::vector<Values>{{1, 2}, {3, 4}, {5, 6}});
    for (auto row : x) row *= 2;
    CHECK(x.tolist() == Values{2, 4, 6, 8, 10, 12});
    int count = 0;
    for (const auto& row : zeros({0, 3})) count += row.dim();
    CHECK(count == 0);
    CHECK_THROWS_AS(tensor(1).end(), ShapeError);
}

TEST_CASE("equal and allclose", "[tensor]") {
    const auto x = tensor({{1, 2}, {3, 4}});
    CHECK(equal(x, x.clone()));
    CHECK(equal(x.t(), tensor({{1, 3}, {2, 4}})));
    CHECK_FALSE(equal(x, x + 1));
    CHECK_FALSE(equal(x, x.view(4)));
    CHECK(equal(zeros({0, 2}), zeros({0, 2})));
    CHECK_FALSE(equal(zeros({0, 2}), zeros({2, 0})));
    CHECK(allclose(x, x + 1e-6f));
    CHECK_FALSE(allclose(x, x + 1e-3f));
    CHECK(allclose(x, x + 1e-3f, 0, 1e-2));
    CHECK(allclose(x, x * 1.01f, 0.02, 0));
    const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
    CHECK(allclose(tensor({inf, -inf}), tensor({inf, -inf})));
    CHECK_FALSE(allclose(tensor({inf}), tensor({-inf})));
    CHECK_FALSE(allclose(tensor({1.0f}), tensor({inf})));
    CHECK_FALSE(allclose(tensor({nan}), tensor({nan})));
    CHECK(allclose(tensor({nan}), tensor({nan}), 1e-5, 1e-8, true));
    CHECK_FALSE(allclose(tensor({nan}), tensor({1.0f}), 1e-5, 1e-8, true));
    CHECK(allclose(tensor<std::int64_t>({1, 2}), tensor<std::int64_t>({1, 2})));
    CHECK_THROWS_AS(allclose(x, zeros({3})), ShapeError);
}

TEST_CASE("comparisons and logic", "[tensor]") {
    const auto a = tensor({1, 2, 3}), b = tensor({3, 2, 1});
    using Flags = std::vector<bool>;
    CHECK((a == b).tolist() == Flags{false, true, false});
    CHECK((a != b).tolist() == Flags{true, false, true});
    CHECK((a < b).tolist() == Flags{true, false, false});
    CHECK((a <= b).tolist() == Flags{true, true, false});
    CHECK((a > b).tolist() == Flags{false, false, true});
    CHECK((a >= 2).tolist() == Flags{false, true, true});
    CHECK(((a > 1) & !(b == 1)).tolist() == Flags{false, true, false});
    CHECK(((a > 2) | (b > 2)).tolist() == Flags{true, false, true});
    CHECK(((a > 2) ^ (b > 2)).tolist() == Flags{true, false, true});
    CHECK(logical_and(a - 1, b - 1).tolist() == Flags{false, true, false});
    CHECK_THROWS_WITH(a < zeros({2}), contains("lt: shapes do not broadcast: [3] and [2]"));
    CHECK_THROWS_AS(tensor<bool>({1, 0}) & tensor<bool>({1, 0, 1}), ShapeError);
}

TEST_CASE("conversions", "[tensor]") {
    const auto x = tensor({{-1.5f, 0}, {2.7f, 300}});
    CHECK(x.to<double>().tolist() == std::vector<double>{-1.5, 0, 2.7f, 300});
    CHECK(x.to<std::int64_t>().tolist() == std::vector<std::int64_t>{-1, 0, 2, 300});
    CHECK(x.to<std::int32_t>().t().tolist() == std::vector<std::int32_t>{-1, 2, 0, 300});
    CHECK(x.to<bool>().tolist() == std::vector<bool>{true, false, true, true});
    CHECK(x.t().to<double>().tolist() == std::vector<double>{-1.5, 2.7f, 0, 300});
    CHECK(tensor<bool>({1, 0}).to<float>().tolist() == Values{1, 0});
    CHECK(tensor<std::uint8_t>({200, 255}).to<std::int32_t>().tolist() == std::vector<std::int32_t>{200, 255});
    CHECK(zeros({0}).to<double>().numel() == 0);
    CHECK(tensor<std::int64_t>({(std::int64_t{1} << 53) + 1}).to<std::int64_t>().item() == (std::int64_t{1} << 53) + 1);
}

TEST_CASE("clone and contiguous", "[tensor]") {
    const auto x = tensor({{1, 2}, {3, 4}});
    const auto c = x.clone();
    c[0] = 9;
    CHECK(x.tolist() == Values{1, 2, 3, 4});
    CHECK(x.contiguous().is_same(x));
    const auto t = x.t();
    CHECK_FALSE(t.is_contiguous());
    CHECK(t.contiguous().is_contiguous());
    CHECK(t.contiguous().tolist() == Values{1, 3, 2, 4});
    CHECK(t.data() == x.data());
}

TEST_CASE("Eigen sees tensors and the other way round", "[tensor]") {
    const auto x = tensor<double>({{1, 2, 3}, {4, 5, 6}});
    auto m = as_matrix(x);
    CHECK(m.rows() == 2);
    CHECK(m(1, 2) == 6);
    m(0, 1) = 20;
    CHECK(x(0, 1).item() == 20);
    CHECK(as_matrix(x.t())(2, 1) == 6);
    CHECK(as_array(x).sum() == 39);
    CHECK(as_vector(x(headtorch::all, 1)).sum() == 25);
    CHECK_THROWS_AS(as_matrix(zeros({1, 2, 3})), ShapeError);
    CHECK_THROWS_AS(as_vector(x), ShapeError);

    Eigen::MatrixXd matrix(2, 2);
    matrix << 1, 2, 3, 4;
    const auto y = from_eigen(matrix);
    CHECK(y.tolist() == std::vector<double>{1, 2, 3, 4});
    y[0] = 0;
    CHECK(matrix(0, 1) == 0);
    Eigen::VectorXf vector = Eigen::VectorXf::LinSpaced(3, 0, 2);
    CHECK(from_eigen(vector).tolist() == Values{0, 1, 2});
    const double* memory = matrix.data();
    const auto owned = from_eigen(std::move(matrix));
    CHECK(owned.data() == memory);
    CHECK(owned.tolist() == std::vector<double>{0, 0, 3, 4});
}
