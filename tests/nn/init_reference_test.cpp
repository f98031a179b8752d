// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Layers and nn::init start from the numbers that PyTorch starts from.
#include "headtorch/headtorch.hpp"
#include "headtorch/nn/init.hpp"
#include "headtorch/nn/linear.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/reference_file.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

template <class T>
std::string check(const Case& c) {
    const double near = std::is_same_v<T, float> ? 2e-6 : 1e-14;
    manual_seed(static_cast<std::uint64_t>(c.integer("seed")));
    const auto both = [&](const auto& layer) {
        const std::string wrong = c.compare("weight", static_cast<const Tensor<T>&>(layer.weight), near);
        return wrong.empty() ? c.compare("bias", static_cast<const Tensor<T>&>(layer.bias), near) : wrong;
    };
    if (c.op == "linear_init") return both(nn::Linear<T>(c.integer("in"), c.integer("out")));
    if (c.op == "bilinear_init") return both(nn::Bilinear<T>(c.integer("in1"), c.integer("in2"), c.integer("out")));

    const auto y = empty<T>(c.outputs[0].shape);
    const std::string nonlinearity = c.str("nonlinearity", "leaky_relu");
    const auto mode = c.str("mode", "fan_in") == "fan_out" ? nn::init::fan_out : nn::init::fan_in;
    const nn::init::KaimingOptions kaiming{c.num("a", 0), mode, nonlinearity};
    if (c.op == "init.xavier_uniform_") nn::init::xavier_uniform_(y, c.num("gain", 1));
    else if (c.op == "init.xavier_normal_") nn::init::xavier_normal_(y, c.num("gain", 1));
    else if (c.op == "init.kaiming_uniform_") nn::init::kaiming_uniform_(y, kaiming);
    else if (c.op == "init.kaiming_normal_") nn::init::kaiming_normal_(y, kaiming);
    else if (c.op == "init.trunc_normal_") nn::init::trunc_normal_(y, c.num("mean", 0), c.num("std", 1), c.num("a", -2), c.num("b", 2));
    else if (c.op == "init.orthogonal_") nn::init::orthogonal_(y, c.num("gain", 1));
    else return c.title + ": no test of " + c.op;
    return c.compare("y", y, near);
}

}  // namespace

TEST_CASE("the same seed gives PyTorch's parameters", "[nn]") {
    int count = 0;
    for (const Case& c : load_cases("random.txt")) {
        if (c.op.find("init") == std::string::npos) continue;  // tests/tensor/random_reference_test.cpp
        CHECK((c.str("dtype") == "float64" ? check<double>(c) : check<float>(c)) == "");
        ++count;
    }
    CHECK(count > 30);
}
