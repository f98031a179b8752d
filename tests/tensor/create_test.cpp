// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// New tensors, and what is refused when one is asked for.
#include "headtorch/tensor/create.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

using Values = std::vector<float>;
using Integers = std::vector<std::int64_t>;

TEST_CASE("tensors from values", "[tensor]") {
    const auto x = tensor({{1, 2}, {3, 4}, {5, 6}});
    CHECK(x.shape() == Shape{3, 2});
    CHECK(x.tolist() == Values{1, 2, 3, 4, 5, 6});
    CHECK(tensor({{{1, 2}}}).shape() == Shape{1, 1, 2});
    CHECK(tensor(3.5).shape() == Shape{});
    CHECK(tensor(3.5).item() == 3.5f);
    CHECK(tensor<double>({0.1})[0].item() == 0.1);
    CHECK(tensor<bool>({1, 0}).tolist() == std::vector<bool>{true, false});
    CHECK(tensor<std::int64_t>({std::int64_t{1} << 60}).item() == std::int64_t{1} << 60);
    CHECK(tensor(std::vector<double>{1, 2}).tolist() == std::vector<double>{1, 2});
    CHECK(tensor(std::vector<float>{}).shape() == Shape{0});
    CHECK(tensor({}).shape() == Shape{0});
    CHECK_THROWS_AS(tensor({{1, 2}, {3}}), ShapeError);
    CHECK_THROWS_WITH(tensor({{1, 2}, {3}}), contains("rows of different shapes: [2] and [1]"));
}

TEST_CASE("tensors of one value", "[tensor]") {
    CHECK(zeros({2, 2}).tolist() == Values(4, 0));
    CHECK(ones<double>({2}).tolist() == std::vector<double>{1, 1});
    CHECK(full({2, 1}, 7).tolist() == Values{7, 7});
    CHECK(full<std::int32_t>({}, 7).item() == 7);
    CHECK(zeros({}).numel() == 1);
    CHECK(zeros({3, 0, 2}).numel() == 0);
    CHECK(zeros({3, 0, 2}).tolist().empty());
    CHECK(zeros({1, 2, 1, 2, 1, 2, 1, 2}).dim() == 8);
    const auto x = tensor<double>({{1, 2}}).t();
    CHECK(zeros_like(x).shape() == Shape{2, 1});
    CHECK(ones_like(x).tolist() == std::vector<double>{1, 1});
    CHECK(full_like(x, 3).tolist() == std::vector<double>{3, 3});
    CHECK(empty_like(x).shape() == x.shape());
    CHECK(rand_like(x).shape() == x.shape());
    CHECK(randn_like(x).shape() == x.shape());
    CHECK_FALSE(zeros({2}).requires_grad());
}

TEST_CASE("sizes that cannot be", "[tensor]") {
    constexpr std::int64_t big = std::int64_t{1} << 40;
    CHECK_THROWS_AS(zeros({big, big}), ShapeError);
    CHECK_THROWS_WITH(zeros({big, big}), contains("[1099511627776, 1099511627776]") && contains("does not fit in 64 bits"));
    CHECK_THROWS_AS(empty<double>({big, 1 << 20}), Error);
    CHECK_THROWS_AS(empty<double>({std::int64_t{1} << 62}), Error);
    CHECK_THROWS_AS(empty({big * 1024}), OutOfMemoryError);
    CHECK_THROWS_WITH(zeros({2, -1}), contains("negative size in [2, -1]"));
    CHECK_THROWS_AS(zeros({0, -1}), ShapeError);
    CHECK_THROWS_AS(zeros({1, 1, 1, 1, 1, 1, 1, 1, 1}), ShapeError);
    CHECK_THROWS_WITH(zeros({1, 1, 1, 1, 1, 1, 1, 1, 1}), contains("at most 8 dimensions"));
    CHECK(zeros({0, big, big, big}).numel() == 0);
    CHECK(zeros({big, big, big, 0}).numel() == 0);
    CHECK_THROWS_AS(eye(-2), ShapeError);
    CHECK_THROWS_AS(rand({-1}), ShapeError);
}

TEST_CASE("eye", "[tensor]") {
    CHECK(eye(2).tolist() == Values{1, 0, 0, 1});
    CHECK(eye(2, 3).tolist() == Values{1, 0, 0, 0, 1, 0});
    CHECK(eye(3, 2).tolist() == Values{1, 0, 0, 1, 0, 0});
    CHECK(eye(0).shape() == Shape{0, 0});
    CHECK(eye(2, 0).shape() == Shape{2, 0});
}

TEST_CASE("arange", "[tensor]") {
    CHECK(arange(4).tolist() == Integers{0, 1, 2, 3});
    CHECK(arange(2, 5).tolist() == Integers{2, 3, 4});
    CHECK(arange(0, 10, 3).tolist() == Integers{0, 3, 6, 9});
    CHECK(arange(5, 0, -2).tolist() == Integers{5, 3, 1});
    CHECK(arange(3, 3).numel() == 0);
    CHECK(arange<float>(0, 3).tolist() == Values{0, 1, 2});
    CHECK(arange(0.0, 1.0, 0.25).tolist() == Values{0, 0.25f, 0.5f, 0.75f});
    CHECK(arange<double>(1, 2, 0.3).numel() == 4);
    CHECK_THROWS_AS(arange(5, 0), ValueError);
    CHECK_THROWS_WITH(arange(5, 0), contains("arange") && contains("from 5 to 0"));
    CHECK_THROWS_AS(arange(0, 5, 0), ValueError);
    CHECK_THROWS_AS(arange(0.0, 1e30), Error);
}

TEST_CASE("linspace", "[tensor]") {
    CHECK(linspace(0, 1, 5).tolist() == Values{0, 0.25f, 0.5f, 0.75f, 1});
    CHECK(linspace<double>(3, -3, 3).tolist() == std::vector<double>{3, 0, -3});
    CHECK(linspace(2, 9, 1).tolist() == Values{2});
    CHECK(linspace(2, 9, 0).numel() == 0);
    CHECK(linspace<double>(0.1, 0.7, 7)[6].item() == 0.7);
    CHECK_THROWS_WITH(linspace(0, 1, -1), contains("linspace: negative number of steps: -1"));
}

TEST_CASE("random numbers repeat with the seed and lie in their range", "[tensor]") {
    manual_seed(11);
    const auto a = rand({100}), n = randn({101});
    const auto i = randint(-3, 4, {200}), p = randperm(50);
    manual_seed(11);
    CHECK(equal(rand({100}), a));
    CHECK(equal(randn({101}), n));
    CHECK(equal(randint(-3, 4, {200}), i));
    CHECK(equal(randperm(50), p));
    Generator one(5), two(5);
    CHECK(equal(rand<double>({7}, one), rand<double>({7}, two)));
    CHECK(equal(randint(7, {30}, one), randint(0, 7, {30}, two)));

    CHECK(headtorch::all(a >= 0.0f).item());
    CHECK(headtorch::all(a < 1.0f).item());
    CHECK(i.min().item() == -3);
    CHECK(i.max().item() == 3);
    auto sorted = p.tolist();
    CHECK_FALSE(std::is_sorted(sorted.begin(), sorted.end()));
    std::sort(sorted.begin(), sorted.end());
    Integers expected(50);
    std::iota(expected.begin(), expected.end(), 0);
    CHECK(sorted == expected);
    CHECK(randperm(0).numel() == 0);
    const auto big = randn<double>({20000});
    CHECK(std::abs(big.mean().item()) < 0.03);
    CHECK(big.std().item() == Approx(1).epsilon(0.03));
    const auto u = empty({1000}).uniform_(2, 3);
    CHECK(u.min().item() >= 2);
    CHECK(u.max().item() < 3);
    CHECK_THROWS_WITH(randint(4, 4, {2}), contains("randint: an empty range: [4, 4)"));
    CHECK_THROWS_AS(randperm(-1), ValueError);
    CHECK_THROWS_AS(u.uniform_(3, 2), ValueError);
    CHECK_THROWS_AS(u.normal_(0, -1), ValueError);
}

TEST_CASE("tensors around memory of others", "[tensor]") {
    float memory[6] = {1, 2, 3, 4, 5, 6};
    const auto x = from_blob(memory, {2, 3});
    CHECK(x.data() == memory);
    x[1] = 0;
    CHECK(memory[4] == 0);
    memory[0] = 9;
    CHECK(x(0, 0).item() == 9);
    const auto columns = from_blob(memory, {3, 2}, {1, 3});
    CHECK(columns.tolist() == Values{9, 0, 2, 0, 3, 0});
    CHECK_THROWS_AS(from_blob(memory, {3, 2}, {1}), ShapeError);
    CHECK_THROWS_AS(from_blob(memory, {-3}), ShapeError);
    CHECK_THROWS_AS(from_blob(static_cast<float*>(nullptr), {1}), ValueError);
    CHECK(from_blob(static_cast<float*>(nullptr), {0}).numel() == 0);
}

TEST_CASE("from_blob calls its deleter once, after the last view", "[tensor]") {
    int deleted = 0;
    auto* memory = new double[4]{1, 2, 3, 4};
    {
        Tensor<double, Cpu> row;
        {
            const auto x = from_blob(memory, {2, 2}, [&](double* p) {
                CHECK(p == memory);
                delete[] p;
                ++deleted;
            });
            const auto copy = x;
            row = x.t()[1].detach();
        }
        CHECK(deleted == 0);
        CHECK(row.tolist() == std::vector<double>{2, 4});
    }
    CHECK(deleted == 1);
    // not called when no tensor came about: the memory is still the caller's
    CHECK_THROWS_AS(from_blob(memory, {-1}, [&](double*) { ++deleted; }), ShapeError);
    CHECK(deleted == 1);
}

TEST_CASE("meshgrid", "[tensor]") {
    const std::vector<Tensor<>> axes{tensor({1, 2, 3}), tensor({10, 20})};
    const auto grid = meshgrid(axes);
    CHECK(grid[0].shape() == Shape{3, 2});
    CHECK(grid[0].tolist() == Values{1, 1, 2, 2, 3, 3});
    CHECK(grid[1].tolist() == Values{10, 20, 10, 20, 10, 20});
    const auto xy = meshgrid(axes, "xy");
    CHECK(xy[0].shape() == Shape{2, 3});
    CHECK(xy[0].tolist() == Values{1, 2, 3, 1, 2, 3});
    CHECK(xy[1].tolist() == Values{10, 10, 10, 20, 20, 20});
    CHECK_THROWS_AS(meshgrid(axes, "yx"), ValueError);
    CHECK_THROWS_AS(meshgrid(std::vector<Tensor<>>{ones({2, 2})}), ShapeError);
}
