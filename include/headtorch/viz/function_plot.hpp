// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Functions of one number with their derivatives, which autograd finds: activations, for example.

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "headtorch/autograd/backward.hpp"
#include "headtorch/ops/reduce.hpp"
#include "headtorch/viz/asked.hpp"
#include "headtorch/viz/figure.hpp"

namespace headtorch::viz {

struct FunctionPlotOptions {
    std::string title = "", x_label = "x", y_label = "";
    double low = -6, high = 6;
    int points = 481;
    bool derivative = true;
    std::string name = "f(x)", derivative_name = "f\u2032(x)";
    int width = 720, height = 540;
};

/// The values of `f`, which is given a Tensor [points] and returns as many, over low … high, and dashed its derivative. T: the type of
/// number that f takes: `viz::function_plot<float>(nn::PReLU<>(), {.title = "PReLU"})`.
template <class T = double, class F>
Figure function_plot(F&& f, const FunctionPlotOptions& options = {}) {
    if (options.points < 2) throw ValueError(message("function_plot: ", options.points, " points"));
    if (!(options.low < options.high)) throw ValueError(message("function_plot: from ", options.low, " to ", options.high));
    using D = detail::AskedDevice<F, T, Cpu>;
    const auto places = headtorch::empty<T, Cpu>({options.points});
    for (int i = 0; i < options.points; ++i)
        places.data()[i] = static_cast<T>(options.low + (options.high - options.low) * i / (options.points - 1));
    const Tensor<T, D> x = places.template to<D>();
    if (options.derivative) x.requires_grad_();
    const Tensor<T, D> y = f(x);
    if (y.numel() != x.numel()) throw ShapeError(message("function_plot: the function returned ", y.shape(), " for ", x.shape()));
    const auto xs = detail::numbers_of(places);
    Figure figure(
        {.title = options.title, .x_label = options.x_label, .y_label = options.y_label, .width = options.width, .height = options.height});
    figure.settings("set xzeroaxis linewidth 1.2 linecolor rgb '#999999'\nset yzeroaxis linewidth 1.2 linecolor rgb '#999999'");
    figure.line(xs, detail::numbers_of(y.detach()), options.derivative ? options.name : "", {.kind = 0, .width = 3});
    if (options.derivative) {
        const auto slope = grad(y.sum(), std::vector<Tensor<T, D>>{x})[0];
        std::vector<double> slopes(xs.size());
        if (slope.defined()) slopes = detail::numbers_of(slope);
        figure.line(xs, slopes, options.derivative_name, {.kind = 1, .dash = Dash::dashed, .width = 3});
    }
    return figure;
}

}  // namespace headtorch::viz
