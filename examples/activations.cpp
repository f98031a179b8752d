// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// The activations from -6 to 6: value, and derivative as autograd finds it.

#include <functional>
#include <headtorch/headtorch.hpp>
#include <headtorch/viz.hpp>

#include "examples/common/page.hpp"
using namespace headtorch;

struct Activation {
    std::string name, file, formula;
    std::function<Tensor<double>(const Tensor<double>&)> apply;
};

// All of them are modules of nn, too: nn::Sigmoid, nn::PReLU, …; the last three have a parameter that can be trained.
std::vector<Activation> activations() {
    using X = const Tensor<double>&;
    return {
        {"Sigmoid", "sigmoid", "1 / (1 + exp(-x))", [](X x) { return sigmoid(x); }},
        {"Tanh", "tanh", "tanh x", [](X x) { return tanh(x); }},
        {"ReLU", "relu", "max(0, x)", [](X x) { return relu(x); }},
        {"Softplus", "softplus", "ln(1 + exp(x))", [](X x) { return softplus(x); }},
        {"LeakyReLU(0.1)", "leaky_relu", "x, or 0.1 x where negative", [](X x) { return leaky_relu(x, 0.1); }},
        {"ELU", "elu", "x, or exp(x) - 1 where negative", [](X x) { return elu(x); }},
        {"SELU", "selu", "1.0507 x, or 1.7581 (exp(x) - 1) where negative", [](X x) { return selu(x); }},
        {"GELU", "gelu", "x Φ(x), Φ the normal distribution", [](X x) { return gelu(x); }},
        {"BentIdentity", "bent_identity", "(sqrt(x² + 1) - 1) / 2 + x", [](X x) { return bent_identity(x); }},
        {"PReLU", "prelu", "x, or a x where negative; a = 0.25", nn::PReLU<double>()},
        {"SoftExponential(0.3)", "soft_exponential", "(exp(αx) - 1) / α + α; α = 0.3", nn::SoftExponential<double>(0.3)},
        {"SoftExponential(-0.3)", "soft_exponential_negative", "-ln(1 - α(x + α)) / α; α = -0.3", nn::SoftExponential<double>(-0.3)},
    };
}

int main(int argc, char** argv) {
    const examples::Options options =
        examples::parse(argc, argv, "activations", "The activations from -6 to 6, and their derivatives through autograd.");
    examples::Page page(options, "Activations");

    std::vector<std::vector<std::string>> rows;
    std::vector<viz::Figure> panels;
    double largest_error = 0;
    for (const Activation& activation : activations()) {
        const Tensor<double> x = arange<double>(-600, 601) / 100;  // 0 exactly, for the kinks
        x.requires_grad_();
        const Tensor<double> y = activation.apply(x);
        y.sum().backward();  // the sum's derivative by each x is the activation's derivative there
        const Tensor<double> slope = x.grad();

        NoGrad guard;
        // Autograd's derivative against a difference quotient, where there is no kink and no end of the domain near.
        const double h = 1e-6;
        const Tensor<double> quotient = (activation.apply(x + h) - activation.apply(x - h)) / (2 * h);
        const Tensor<double> difference = ((slope - quotient) / (abs(slope) + 1)).abs();
        const std::vector<double> at = x.tolist(), errors = difference.tolist();
        for (std::size_t i = 0; i < at.size(); ++i)
            if (std::abs(at[i]) > 2 * h && !std::isnan(errors[i])) largest_error = std::max(largest_error, errors[i]);

        std::vector<std::string> row = {activation.name};
        for (const std::int64_t i : {400, 600, 800}) row.push_back(examples::format("%.4f", y[i].item()));
        for (const std::int64_t i : {400, 600, 800}) row.push_back(examples::format("%.4f", slope[i].item()));
        rows.push_back(std::move(row));

        if (options.plots) {
            // SoftExponential ends where its logarithm does: not drawn are the way to infinity, and what lies beyond.
            const Tensor<bool> wild = isnan(y) | (y < -7) | (slope > 7);
            const Tensor<double> value = y.detach().clone();
            value.masked_fill_(wild, std::numeric_limits<double>::quiet_NaN());
            slope.masked_fill_(wild, std::numeric_limits<double>::quiet_NaN());
            viz::Figure figure({.title = activation.name + ": " + activation.formula, .x_label = "x", .y_label = "value, derivative"});
            figure.horizontal_line(0, viz::Dash::solid).vertical_line(0, viz::Dash::solid);
            figure.line(x, value, "value").line(x, slope, "derivative").x_range(-6, 6, true);
            panels.push_back(viz::Figure({.title = activation.name, .x_label = "x"}).line(x, value).line(x, slope).x_range(-6, 6, true));
            page.picture(figure, "activations_" + activation.file + ".png", activation.name + ": " + activation.formula + ".",
                         "Two curves over x from -6 to 6: the value of " + activation.name + ", and its derivative.");
        }
    }
    if (options.plots) {
        const viz::Panels overview(
            panels, {.title = "Activations (solid) and their derivatives (dashed)", .columns = 4, .panel_width = 340, .panel_height = 300});
        page.picture(overview, "activations.png", "All activations: values, and derivatives dashed. Mind the different heights.",
                     "Twelve small panels, each with the curve of an activation and, dashed, of its derivative.");
        page.main_picture();
    }
    page.table("Values and derivatives at -2, 0 and 2.", {"activation", "f(-2)", "f(0)", "f(2)", "f'(-2)", "f'(0)", "f'(2)"}, rows);
    examples::Result()
        .add("activations", static_cast<std::int64_t>(rows.size()))
        .called("activations drawn")
        .add("largest_error", largest_error, 10)
        .called("largest relative difference between autograd's derivative and a difference quotient")
        .print(page);
}
