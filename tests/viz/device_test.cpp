// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Pictures of what is on the default device are those of the same numbers on the host.

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "headtorch/headtorch.hpp"
#include "headtorch/viz.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using D = DefaultDevice;

namespace {

struct Net : nn::Module<Net> {
    nn::Linear<> fc1{2, 5}, fc2{5, 3};
    Tensor<> forward(const Tensor<>& x) { return fc2(tanh(fc1(x))); }
};

template <class T>
Tensor<T, Cpu> near(const Tensor<T, D>& x) { return x.detach().template to<Cpu>(); }

/// What gnuplot is told.
std::string script(const viz::Figure& figure) { return figure.script(viz::detail::Place()); }
std::string script(const viz::Panels& panels) { return panels.script(viz::detail::Page(), ".svg"); }

}  // namespace

TEST_CASE("points, lines and regions, wherever they are", "[viz][device]") {
    const auto [x, y] = data::make_blobs(30, {.centers = 3, .random_state = 1});
    const auto far_x = x.to<D>();
    const auto far_y = y.to<D>();
    CHECK(script(viz::Figure().scatter(far_x, far_y)) == script(viz::Figure().scatter(x, y)));
    CHECK(script(viz::Figure().scatter(far_x, y)) == script(viz::Figure().scatter(x, y)));
    CHECK(script(viz::Figure().scatter(far_x, "all")) == script(viz::Figure().scatter(x, "all")));
    CHECK(script(viz::Figure().line(far_x(headtorch::all, 0), far_x(headtorch::all, 1))) == script(viz::Figure().line(x(headtorch::all, 0), x(headtorch::all, 1))));

    // a network is asked where it is, a function where it takes tensors
    Net net;
    const viz::RegionOptions coarse{.resolution = 12};
    const auto regions = script(viz::Figure().regions(net, x, coarse));
    CHECK(script(viz::Figure().regions(net, far_x, coarse)) == regions);
    CHECK(script(viz::Figure().regions([&](const Tensor<>& points) { return net(points); }, x, coarse)) == regions);
    CHECK(script(viz::Figure().regions([&](const Tensor<float, Cpu>& points) { return near(net(points.to<D>())); }, far_x, coarse)) ==
          regions);
    const auto classes = script(viz::Figure().regions([&](const Tensor<>& points) { return net(points).argmax(1); }, x, coarse));
    CHECK(classes.size() > 1000);
    nn::Sequential<> row{nn::Linear<>(2, 1), nn::Sigmoid()};
    CHECK(script(viz::Figure().regions(row, x, coarse)) == script(viz::Figure().regions(row, far_x, coarse)));

    const auto line = arange<float, Cpu>(0, 10);
    nn::Linear<> model(1, 1);
    CHECK(script(viz::regression_fit(line, line, model)) == script(viz::regression_fit(line.to<D>(), line.to<D>(), model)));
    CHECK(script(viz::function_plot<float>(nn::PReLU<>())) ==
          script(viz::function_plot<float>([](const Tensor<float, Cpu>& at) { return where(at > 0.0f, at, at * 0.25f); })));
}

TEST_CASE("tables, bars, histograms, images and filters, wherever they are", "[viz][device]") {
    Generator generator(2);
    const auto x = rand<float, Cpu>({6, 6}, generator);
    const auto far_x = x.to<D>();
    CHECK(script(viz::heatmap(far_x)) == script(viz::heatmap(x)));
    CHECK(script(viz::histogram(far_x)) == script(viz::histogram(x)));
    CHECK(script(viz::bars({"a", "b", "c", "d", "e", "f"}, far_x[0])) == script(viz::bars({"a", "b", "c", "d", "e", "f"}, x[0])));
    const auto truth = tensor<std::int64_t, Cpu>({0, 1, 2, 1, 0, 1});
    const auto guess = tensor<std::int64_t, Cpu>({0, 1, 1, 1, 2, 0});
    CHECK(script(viz::confusion_matrix(truth, guess.to<D>())) == script(viz::confusion_matrix(truth, guess)));
    CHECK(script(viz::residuals(x[0], far_x[1])) == script(viz::residuals(x[0], x[1])));
    const auto labels = tensor<std::int64_t, Cpu>({0, 1, 0, 1, 1, 0});
    CHECK(script(viz::roc_curve(labels.to<D>(), far_x[2])) == script(viz::roc_curve(labels, x[2])));
    CHECK(script(viz::precision_recall_curve(labels, far_x[2])) == script(viz::precision_recall_curve(labels, x[2])));

    const auto images = rand<float, Cpu>({4, 3, 5, 5}, generator);
    CHECK(script(viz::image_grid(images.to<D>())) == script(viz::image_grid(images)));
    CHECK(equal(viz::make_grid(images.to<D>(), {.normalize = true}), viz::make_grid(images, {.normalize = true})));
    CHECK(equal(viz::make_grid(std::vector{images[0].to<D>(), images[1].to<D>()}), viz::make_grid(std::vector{images[0], images[1]})));
    const nn::Parameter<> weight = images.to<D>();
    CHECK(script(viz::filters(weight)) == script(viz::filters(images)));
    Net net;
    CHECK(script(viz::weight_histograms(net)).size() > 1000);
}

TEST_CASE("a network on the default device is looked at without a trace", "[viz][device]") {
    Net net;
    const auto before = net.state_dict().clone();
    const Summary table = summary(net, {2}, {.batch_size = 4});
    CHECK(table.total_parameters == 2 * 5 + 5 + 5 * 3 + 3);
    CHECK(table.to_string().find("[4, 3]") != std::string::npos);
    CHECK(viz::graph(net, {2}).to_dot().find("Linear") != std::string::npos);
    for (const auto& [name, tensor] : before)
        CHECK(equal(near(tensor.template get<float>()), near(net.state_dict().template get<float>(name))));
}
