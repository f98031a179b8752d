// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Linear regression twice: one weight, then three. A neuron without activation learns them from batches; Eigen finds the exact ones.

#include <Eigen/Dense>
#include <headtorch/headtorch.hpp>
#include <headtorch/viz.hpp>

#include "examples/common/page.hpp"
using namespace headtorch;

// The weights, and the bias as the last, that leave the least sum of squares: (A'A)⁻¹ A'y, where A is x with a column of ones.
template <int columns>
std::vector<double> closed_form(const Tensor<float, Cpu>& x, const Tensor<float, Cpu>& y) {
    const auto a = cat({x, ones<float, Cpu>({x.size(0), 1})}, 1).to<double>();
    const auto squares = matmul(a.t(), a), products = matmul(a.t(), y.to<double>());
    const Eigen::Matrix<double, columns, columns> ata = as_matrix(squares);  // as_matrix: Eigen's view of a tensor's memory
    const Eigen::Matrix<double, columns, 1> solution = ata.inverse() * as_matrix(products);
    return {solution.begin(), solution.end()};
}

template <int features>
void run(const examples::Options& options, examples::Page& page, examples::Result& result) {
    const auto [x, targets] = data::make_regression(500, {.n_features = features, .noise = 10, .random_state = 0});
    const auto y = targets.unsqueeze(1);  // [500, 1], as the network's output
    const std::string title = features == 1 ? "1 feature" : message(features, " features"), key = features == 1 ? "one_" : "three_";
    const data::DataLoader loader(data::TensorDataset(x, y), {.batch_size = 50, .shuffle = true});

    nn::Linear<> net(features, 1);
    optim::SGD sgd(net.parameters(), {.lr = 0.1});
    double mean_loss = 0;
    for (std::int64_t epoch = 1; epoch <= options.epochs; ++epoch) {
        double sum = 0;
        for (const auto& [batch, truth] : loader.template to<DefaultDevice>()) {
            sgd.zero_grad();
            const Tensor<> loss = nn::mse_loss(net(batch), truth);
            loss.backward();
            sgd.step();
            sum += loss.item();
        }
        mean_loss = sum / static_cast<double>(loader.size());
        page.log("%s: epoch %d, loss %.4f\n", title.c_str(), static_cast<int>(epoch), mean_loss);
    }

    NoGrad guard;
    std::vector<double> learned;
    for (const float weight : net.weight.tolist()) learned.push_back(weight);
    learned.push_back(net.bias.item());
    const std::vector<double> exact = closed_form<features + 1>(x, y);
    std::vector<std::vector<std::string>> rows;
    for (std::size_t i = 0; i < learned.size(); ++i) {
        const bool is_bias = i + 1 == learned.size();
        const std::string name = is_bias ? "bias" : features == 1 ? "weight" : message("weight ", i + 1);
        rows.push_back({name, examples::format("%.2f", learned[i]), examples::format("%.2f", exact[i])});
        result.add(key + (is_bias ? "bias" : message("weight", i + 1)), learned[i]).called(message(title, ": ", name, ", learned"));
        result.add(key + (is_bias ? "exact_bias" : message("exact", i + 1)), exact[i]).called(message(title, ": ", name, ", exact"));
    }
    result.add(key + "loss", mean_loss).called(title + ": mean loss of the last epoch");
    page.table(title + ": learned from batches, and exact.", {"", "learned", "closed form"}, rows);
    if (!options.plots) return;

    if (features == 1)
        page.picture(viz::regression_fit(x, y, net, {.title = "Linear regression", .data_name = "500 points", .fit_name = "learned line"}),
                     "linear_regression.png", "The points, and the line that was learned from them.",
                     "A cloud of points that rises to the right; a straight line runs through its middle.");
    else
        page.picture(viz::residuals(y, net(x.template to<DefaultDevice>()), {.title = "Linear regression of three features: residuals"}),
                     "linear_regression_residuals.png",
                     "Three features: what the prediction leaves over is noise with a standard deviation of 10, and nothing else.",
                     "Points scattered evenly around a level line at zero, and beside them a histogram like a bell.");
}

int main(int argc, char** argv) {
    const examples::Options options = examples::parse(
        argc, argv, "linear_regression", "Linear regression of one feature and of three, beside the exact solution.", {.epochs = 5});
    examples::Page page(options, "Linear regression");
    examples::Result result;
    run<1>(options, page, result);
    run<3>(options, page, result);  // goes on with the random numbers where the first left them
    result.print(page);
}
