// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Initial values. The numbers are PyTorch's for the same seed, drawn one after the other.
#include "headtorch/nn/init.hpp"

#include <algorithm>
#include <cmath>

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
namespace init = nn::init;

namespace {

template <class T>
void check_near(const Tensor<T>& x, const std::vector<double>& expected) {
    const std::vector<T> values = x.tolist();
    REQUIRE(values.size() == expected.size());
    const double margin = std::is_same_v<T, float> ? 2e-6 : 1e-8;
    for (std::size_t i = 0; i < values.size(); ++i)
        CHECK(static_cast<double>(values[i]) == Approx(expected[i]).epsilon(margin).margin(margin));
}

}  // namespace

TEST_CASE("random initialisation gives PyTorch's numbers", "[nn]") {
    manual_seed(42);
    const nn::Parameter<> w = empty({2, 3});
    check_near(init::xavier_uniform_(w, 2), {1.6750201, 1.81845629, -0.513265312, 2.01257658, -0.480031908, 0.44210127});
    check_near(init::xavier_normal_(w), {0.731197476, 0.250756383, -1.5596714, 0.22912991, 0.238150582, -0.114353523});
    check_near(init::kaiming_uniform_(w), {-0.660211325, 0.360480636, -0.651579976, -0.165848851, -0.574394584, 0.938148201});
    check_near(init::kaiming_uniform_(w, {.a = 0.1, .mode = init::fan_out}),
               {-1.36044395, -0.794530571, -0.486660153, -1.03626597, 0.162665054, -1.70222044});
    check_near(init::kaiming_normal_(w, {.nonlinearity = "relu"}),
               {-0.266754687, -0.227646291, -0.344550163, -1.08783805, -0.297149479, 0.123567037});
    check_near(init::uniform_(w, -1, 3), {1.8417151, 2.78564429, 2.15611911, 0.125654936, 2.15452933, 1.35785246});
    check_near(init::normal_(w, 1, 2), {1.56303918, 1.1123271, 2.04543209, 0.523286283, 0.900193334, 2.05267382});
    check_near(init::trunc_normal_(w), {-0.00849882327, 0.72906059, 0.133141965, 0.863977671, -1.01567471, -0.888748527});
    check_near(init::trunc_normal_(w, 1, 2, 0, 1.5), {1.47168803, 0.572024524, 0.006092906, 0.163227171, 0.24548319, 1.05378008});
    CHECK(w.requires_grad());
    CHECK(w.is_leaf());
}

TEST_CASE("weights of convolutions count their field", "[nn]") {
    manual_seed(42);
    const Tensor<> w = empty({4, 2, 3});
    init::kaiming_uniform_(w);
    CHECK(w(0, 0, 0).item() == Approx(0.764538527));
    CHECK(w(3, 1, 2).item() == Approx(0.663370967));
    init::xavier_normal_(w);
    CHECK(w(0, 0, 0).item() == Approx(0.118619971));
    CHECK(w(3, 1, 2).item() == Approx(0.461183131));
    const init::Fans fans = init::calculate_fan_in_and_fan_out({4, 2, 3, 5});
    CHECK(fans.in == 30);
    CHECK(fans.out == 60);
}

TEST_CASE("orthogonal matrices", "[nn]") {
    manual_seed(42);
    check_near(init::orthogonal_(empty<double>({2, 3})), {0.782948197, 0.299536622, 0.545224662, 0.381516238, -0.923473535, -0.0405214741});
    check_near(init::orthogonal_(empty<double>({3, 2}), 2), {1.90486028, -0.576072854, 0.398239278, 0.681678936, 0.461424722, 1.78981951});
    check_near(init::orthogonal_(empty<double>({2, 2, 2})),
               {0.453882865, -0.690783985, -0.404283402, 0.391615579, 0.688095901, 0.45167413, -0.394736668, -0.408286021});
    manual_seed(42);
    check_near(init::orthogonal_(empty<double>({3, 3})),
               {0.149935628, 0.220151367, 0.96387379, 0.102572369, -0.973097244, 0.206302358, 0.983360675, 0.0679347442, -0.168483394});
    const Tensor<> large = init::orthogonal_(empty({50, 80}));
    const Tensor<> product = matmul(large, large.t());
    double distance = 0;
    for (int i = 0; i < 50; ++i)
        for (int j = 0; j < 50; ++j) distance = std::max(distance, std::abs(static_cast<double>(product(i, j).item()) - (i == j)));
    CHECK(distance < 1e-6);
    CHECK(init::orthogonal_(empty({0, 3})).numel() == 0);
}

TEST_CASE("fixed initial values", "[nn]") {
    const Tensor<> w = empty({2, 3});
    CHECK(init::eye_(w).tolist() == std::vector<float>{1, 0, 0, 0, 1, 0});
    CHECK(init::constant_(w, 2.5).tolist() == std::vector<float>(6, 2.5f));
    CHECK(init::ones_(w).tolist() == std::vector<float>(6, 1));
    CHECK(init::zeros_(w).tolist() == std::vector<float>(6, 0));
    CHECK(init::dirac_(empty({4, 2, 3}), 2).tolist() ==
          std::vector<float>{0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0});
    // through a view
    const Tensor<> base = zeros({3, 3});
    init::ones_(base.t().narrow(0, 0, 1));
    CHECK(base.tolist() == std::vector<float>{1, 0, 0, 1, 0, 0, 1, 0, 0});
}

TEST_CASE("sparse columns have their share of zeros", "[nn]") {
    manual_seed(42);
    check_near(init::sparse_(empty({4, 2}), 0.3), {0.00336690363, 0, 0.00234462367, 0.00230333023, 0, 0, 0, -0.00637997035});
    const Tensor<> w = init::sparse_(empty({10, 4}), 0.25);
    for (int j = 0; j < 4; ++j) {
        int zeros = 0;
        for (int i = 0; i < 10; ++i) zeros += w(i, j).item() == 0;
        CHECK(zeros == 3);
    }
}

TEST_CASE("gains", "[nn]") {
    CHECK(init::calculate_gain("linear") == 1);
    CHECK(init::calculate_gain("conv2d") == 1);
    CHECK(init::calculate_gain("sigmoid") == 1);
    CHECK(init::calculate_gain("selu") == 0.75);
    CHECK(init::calculate_gain("tanh") == Approx(5.0 / 3));
    CHECK(init::calculate_gain("relu") == Approx(std::sqrt(2)));
    CHECK(init::calculate_gain("leaky_relu") == Approx(1.4141428569978354));
    CHECK(init::calculate_gain("leaky_relu", 0.2) == Approx(1.3867504905630728));
    CHECK_THROWS_WITH(init::calculate_gain("swish"), contains("swish"));
}

TEST_CASE("the truncated normal stays in its interval, with its deviation", "[nn]") {
    const Tensor<double> x = init::trunc_normal_(empty<double>({20000}), 0, 1, -1.5, 2);
    double sum = 0, low = 0, high = 0;
    for (const double v : x.tolist()) {
        sum += v;
        low = std::min(low, v);
        high = std::max(high, v);
    }
    CHECK(low >= -1.5);
    CHECK(low < -1.45);
    CHECK(high <= 2);
    CHECK(high > 1.95);
    // (phi(-1.5) - phi(2)) / (Phi(2) - Phi(-1.5))
    CHECK(sum / 20000 == Approx(0.0829).margin(0.02));
    for (const double v : init::trunc_normal_(empty<double>({1000}), 0, 1, 3, 4).tolist()) CHECK((v >= 3 && v <= 4));
    CHECK(init::trunc_normal_(empty<double>({2}), 0, 1e-6, 1, 2).tolist() == std::vector<double>{1, 1});
}

TEST_CASE("what cannot be initialised says why", "[nn]") {
    CHECK_THROWS_AS(init::xavier_uniform_(empty({3})), ShapeError);
    CHECK_THROWS_AS(init::kaiming_normal_(empty({3})), ShapeError);
    CHECK_THROWS_AS(init::eye_(empty({3})), ShapeError);
    CHECK_THROWS_AS(init::orthogonal_(empty({3})), ShapeError);
    CHECK_THROWS_AS(init::dirac_(empty({3, 3})), ShapeError);
    CHECK_THROWS_AS(init::dirac_(empty({3, 3, 1}), 2), ValueError);
    CHECK_THROWS_AS(init::trunc_normal_(empty({3}), 0, 1, 2, -2), ValueError);
    CHECK_THROWS_AS(init::sparse_(empty({3, 3}), 2), ValueError);
    CHECK_THROWS_AS(init::uniform_(empty({3}), 2, 1), ValueError);
}

TEST_CASE("a generator of one's own leaves the default one alone", "[nn]") {
    manual_seed(5);
    const std::vector<float> expected = rand({3}).tolist();
    manual_seed(5);
    Generator generator(1), same(1);
    const std::vector<float> drawn = init::uniform_(empty({3}), 0, 1, generator).tolist();
    CHECK(init::uniform_(empty({3}), 0, 1, same).tolist() == drawn);
    CHECK(rand({3}).tolist() == expected);
}
