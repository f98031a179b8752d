// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// The same seed gives the numbers that PyTorch gives.
#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/reference_file.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

/// Numbers in [0, 1) are PyTorch's to the bit. A scaling may be fused by the compiler; log, sin and cos may differ in the last bit.
template <class T>
constexpr double near = std::is_same_v<T, float> ? 1e-6 : 1e-14;

/// The draws of tests/reference/families/random_numbers.py.
template <class T>
std::string draw(const Case& c, const std::string& op, std::int64_t n, const std::string& output) {
    const auto exact = [&](const auto& y) { return c.compare(output, y, 0); };
    const auto close = [&](const auto& y) { return c.compare(output, y, near<T>); };
    const Tensor<T> weights = tensor<T>({1, 0, 3, 2, 0.5});
    if (op == "rand") return exact(rand<T>({n}));
    if (op == "randn") return close(randn<T>({n}));
    if (op == "uniform_") return close(empty<T>({n}).uniform_(-2, 3));
    if (op == "normal_") return close(empty<T>({n}).normal_(1.5, 0.25));
    if (op == "randint") return exact(randint(0, 100, {n}));
    if (op == "randint_wide") return exact(randint(-5, std::int64_t{1} << 40, {n}));
    if (op == "random_") return exact(empty<T>({n}).random_(-3, 12));
    if (op == "randperm") return exact(randperm(n));
    if (op == "bernoulli_") return exact(empty<T>({n}).bernoulli_(0.3));
    if (op == "bernoulli") return exact(bernoulli(arange<T>(n) / T(8)));
    if (op == "exponential_") return close(empty<T>({n}).exponential_(1.5));
    if (op == "geometric_") return exact(empty<T>({n}).geometric_(0.3));
    if (op == "cauchy_") return close(empty<T>({n}).cauchy_(0.5, 2));
    if (op == "log_normal_") return close(empty<T>({n}).log_normal_(0.5, 0.75));
    if (op == "multinomial") return exact(multinomial(weights, n, true));
    if (op == "multinomial_distinct") return exact(multinomial(weights, n));
    if (op == "multinomial_rows") return exact(multinomial(arange<T>(12).view(3, 4), n, true));
    if (op == "multinomial_once") return exact(multinomial(arange<T>(6).view(2, 3), n));
    if (op == "uniform_turned") return exact(empty<T>({4, 3}).t().uniform_());
    if (op == "normal_turned") return close(empty<T>({5, 4}).t().normal_());
    if (op == "normal_columns") return close(empty<T>({6, 5}).narrow(1, 1, 3).normal_());
    if (op == "uniform_permuted") return exact(empty<T>({2, 3, 2}).permute(1, 2, 0).uniform_());
    return c.title + ": no test of " + op;
}

template <class T>
std::string check(const Case& c) {
    manual_seed(static_cast<std::uint64_t>(c.integer("seed")));
    if (c.op == "stream" || c.op == "sequence") {
        std::string wrong;
        const auto draws = c.words("draws");
        for (std::size_t i = 0; i < draws.size() && wrong.empty(); ++i) {
            const std::size_t colon = draws[i].find(':');
            const std::int64_t n = std::strtoll(draws[i].c_str() + colon + 1, nullptr, 10);
            wrong = draw<T>(c, draws[i].substr(0, colon), n, "y." + std::to_string(i));
        }
        return wrong;
    }
    const Shape shape = c.outputs[0].shape;
    if (c.op == "rand") return c.compare("y", rand<T>(shape), 0);
    if (c.op == "randn") return c.compare("y", randn<T>(shape), near<T>);
    if (c.op == "uniform_") return c.compare("y", empty<T>(shape).uniform_(c.num("from"), c.num("to")), near<T>);
    if (c.op == "normal_") return c.compare("y", empty<T>(shape).normal_(c.num("mean"), c.num("std")), near<T>);
    if (c.op == "randint") return c.compare("y", randint(c.integer("low"), c.integer("high"), shape), 0);
    if (c.op == "randperm") return c.compare("y", randperm(c.integer("n")), 0);
    return c.title + ": no test of " + c.op;
}

}  // namespace

TEST_CASE("the same seed gives PyTorch's numbers", "[tensor]") {
    int count = 0;
    for (const Case& c : load_cases("random.txt")) {
        if (c.op.find("init") != std::string::npos) continue;  // tests/nn/init_reference_test.cpp
        CHECK(((c.str("dtype", "float32") == "float64") ? check<double>(c) : check<float>(c)) == "");
        ++count;
    }
    CHECK(count > 100);
}

TEST_CASE("random numbers of any element type, at random places", "[tensor]") {
    manual_seed(0);
    const auto coins = empty<bool>({1000}).bernoulli_();
    const auto wide = empty<std::int64_t>({1000}).bernoulli_(0.25);
    CHECK(coins.to<std::int64_t>().sum().item() == 1000 - (coins == false).to<std::int64_t>().sum().item());
    CHECK(std::abs(coins.to<std::int64_t>().sum().item() - 500) < 80);
    CHECK(std::abs(wide.sum().item() - 250) < 70);
    CHECK(empty<std::int32_t>({50}).random_(7, 8).tolist() == std::vector<std::int32_t>(50, 7));
    const auto x = zeros({4, 3});
    x.select(1, 1).uniform_(1, 2);
    CHECK(x.select(1, 0).sum().item() == 0);
    CHECK(x.select(1, 1).min().item() >= 1);
    CHECK(x.select(1, 2).sum().item() == 0);
    CHECK(empty({0, 3}).exponential_().numel() == 0);
    Generator a(3), b(3);
    CHECK(empty({5}).cauchy_(0, 1, a).tolist() == empty({5}).cauchy_(0, 1, b).tolist());
}

TEST_CASE("a draw that makes no sense is refused, and nothing is drawn", "[tensor]") {
    manual_seed(1);
    const auto x = zeros({3});
    CHECK_THROWS_WITH(x.uniform_(2, 1), contains("uniform_: an empty range: [2, 1)"));
    CHECK_THROWS_AS(x.normal_(0, -1), ValueError);
    CHECK_THROWS_WITH(x.exponential_(0), contains("exponential_: lambd must be positive: 0"));
    CHECK_THROWS_AS(x.log_normal_(0, 0), ValueError);
    CHECK_THROWS_AS(x.cauchy_(0, std::nan("")), ValueError);
    CHECK_THROWS_WITH(x.geometric_(1), contains("geometric_: the probability must be in (0, 1): 1"));
    CHECK_THROWS_WITH(x.bernoulli_(1.5), contains("bernoulli_: the probability must be between 0 and 1, got 1.5"));
    CHECK_THROWS_AS(x.random_(3, 3), ValueError);
    CHECK_THROWS_WITH(bernoulli(tensor({0.5, -0.1})), contains("bernoulli: the probability must be between 0 and 1"));
    CHECK_THROWS_WITH(multinomial(tensor({1, 0}), 2), contains("multinomial: cannot take 2 of 1 categories without replacement"));
    CHECK_THROWS_WITH(multinomial(tensor({0, 0}), 2, true), contains("multinomial: the weights of a row are all zero"));
    CHECK_THROWS_AS(multinomial(tensor({1, -1}), 1), ValueError);
    CHECK_THROWS_AS(multinomial(tensor({1, 1}), 0), ValueError);
    CHECK_THROWS_AS(multinomial(zeros({2, 0}), 1), ShapeError);
    CHECK_THROWS_AS(multinomial(tensor(1), 1), ShapeError);
    CHECK(x.tolist() == std::vector<float>(3, 0));
    const auto next = rand({2}).tolist();
    manual_seed(1);
    CHECK(rand({2}).tolist() == next);
}
