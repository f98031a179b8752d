// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// House prices: twelve points, one neuron, and six ways to shape its output.

#include <cmath>
#include <cstdio>
#include <headtorch/headtorch.hpp>
#include <headtorch/viz.hpp>

#include "examples/common/page.hpp"
using namespace headtorch;

// A trainable activation of our own: y = 1 / soft_exponential(x) + beta. The formula is written for single numbers; pointwise() makes
// one fused op of it, over tensors of any shape and on any device, and finds the derivatives by x, alpha and beta.
struct Formula {
    constexpr auto operator()(const auto& x, const auto& a, const auto& b) const {
        return 1 / math::where(a < 0, -math::log(1 - a * (x + a)) / a, (math::exp(a * x) - 1) / a + a) + b;
    }
};
struct SoftExponential2 : nn::Module<SoftExponential2> {
    nn::Parameter<> alpha = tensor(0.1), beta = tensor(7.0);

    Tensor<> forward(const Tensor<>& input) const { return pointwise(Formula(), input, alpha, beta); }
};

// All six start at the same line.
nn::Linear<> line() {
    nn::Linear<> linear(1, 1);
    linear.weight = tensor({{-0.01}});
    linear.bias = tensor({8.0});
    return linear;
}

int main(int argc, char** argv) {
    const examples::Options options =
        examples::parse(argc, argv, "house_price", "Twelve house prices, and one neuron with six kinds of output.", {.epochs = 100});

    examples::Page page(options, "House prices");

    const Tensor<> x = arange<float>(30, 150, 10).unsqueeze(1);
    const Tensor<> y = tensor({7.5, 7, 6.5, 6, 5.5, 5, 4.5, 3.5, 3.2, 2.8, 3, 2.5}).unsqueeze(1);

    struct Model {
        std::string name, key;
        nn::Sequential<> net;
    };
    std::vector<Model> models = {
        {"linear", "linear", {{"linear", line()}}},
        {"ReLU", "relu", {{"linear", line()}, {"activation", nn::ReLU()}}},
        {"PReLU", "prelu", {{"linear", line()}, {"activation", nn::PReLU<>()}}},
        {"BentIdentity", "bent_identity", {{"linear", line()}, {"activation", nn::BentIdentity()}}},
        {"SoftExponential", "soft_exponential", {{"linear", line()}, {"activation", nn::SoftExponential<>(-0.9)}}},
        {"SoftExponential2", "soft_exponential2", {{"activation", SoftExponential2()}}},
    };

    examples::Result result;
    std::vector<std::vector<std::string>> rows;
    for (auto& [name, key, net] : models) {
        optim::Adam adam(net.parameters(), {.lr = 0.01});
        float last = 0;
        for (std::int64_t epoch = 0; epoch < options.epochs; ++epoch) {
            adam.zero_grad();
            const Tensor<> loss = nn::mse_loss(net(x), y);
            loss.backward();
            adam.step();
            last = loss.item();
        }

        std::string parameters;
        for (const auto& [parameter, values] : net.named_parameters()) {
            const double value = values.item();
            parameters +=
                examples::format("%s%s %.*f", parameters.empty() ? "" : "   ", parameter.c_str(), std::abs(value) < 0.1 ? 7 : 6, value);
        }
        rows.push_back({name, examples::format("%.6f", last), parameters});
        result.add(key, last, 6).called(name + ": loss");
    }

    page.table(message("Mean squared error of step ", options.epochs, ", and the parameters after it."), {"output", "loss", "parameters"},
               rows);

    if (options.plots) {
        viz::Figure figure({.title = "Six outputs of one neuron (linear, ReLU and PReLU agree)", .x_label = "x", .y_label = "price"});
        const Tensor<> every_x = linspace<float>(25, 145, 121).unsqueeze(1);
        figure.scatter(cat({x, y}, 1), "houses");
        NoGrad guard;
        for (auto& model : models) figure.line(every_x, model.net(every_x), model.name);
        page.picture(figure, "house_price.png", "The twelve houses, and what each network predicts for every x.",
                     "Twelve points that fall from 7.5 at x = 30 to 2.5 at x = 140. Four of the six curves run through them; those of "
                     "SoftExponential and SoftExponential2 do not.");
    }
    result.print(page);
}
