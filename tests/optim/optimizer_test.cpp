// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Twenty steps of every optimiser held against PyTorch; groups, state, errors.
#include <string>
#include <vector>

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/reference_file.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

/// The loss that the reference optimised: sum(c (p - a)²) + 0.1 sum((p - a)⁴).
template <class T>
Tensor<T> loss_of(const Tensor<T>& p, const Tensor<T>& a, const Tensor<T>& c) {
    const auto d = p - a;
    return sum(c * d * d) + sum(pow(d, 4)) * 0.1;
}

std::array<double, 2> betas(const Case& c) {
    const std::string text = c.str("betas", "0.9,0.999");
    const std::size_t comma = text.find(',');
    return {std::stod(text), std::stod(text.substr(comma + 1))};
}

template <class T>
void compare(const Case& c, const std::string& name, const Tensor<T>& got) {
    const Tensor<T> expected = c.tensor<T>(name);
    INFO(c.title << " " << name << ": " << got.to_string() << " instead of " << expected.to_string());
    const double tolerance = std::is_same_v<T, float> ? 1e-5 : 1e-10;
    CHECK(allclose(got, expected, tolerance, tolerance));
}

template <class T, class Make>
void run(const Case& c, Make make) {
    const auto a = c.tensor<T>("a"), weight = c.tensor<T>("c");
    auto p = c.tensor<T>("p").requires_grad_();
    auto optimizer = make(std::vector<Tensor<T>>{p});
    for (int step = 1; step <= 20; ++step) {
        optimizer.step([&] {
            optimizer.zero_grad();
            const auto loss = loss_of(p, a, weight);
            loss.backward();
            return loss;
        });
        const std::string name = message("step", step);
        if (step == 1 || step == 2 || step == 5 || step == 20) compare(c, name, p.detach());
    }
}

template <class T>
void run_case(const Case& c) {
    const bool maximize = c.num("maximize", 0) != 0;
    const double decay = c.num("weight_decay", 0);
    using Params = std::vector<Tensor<T>>;
    if (c.op == "sgd")
        run<T>(c, [&](Params p) {
            return optim::SGD(p, {c.num("lr"), c.num("momentum", 0), c.num("dampening", 0), decay, c.flag("nesterov"), maximize});
        });
    else if (c.op == "adam")
        run<T>(c, [&](Params p) {
            return optim::Adam(p, {c.num("lr", 1e-3), betas(c), c.num("eps", 1e-8), decay, c.flag("amsgrad"), maximize});
        });
    else if (c.op == "adamw")
        run<T>(c, [&](Params p) {
            return optim::AdamW(
                p, {c.num("lr", 1e-3), betas(c), c.num("eps", 1e-8), c.num("weight_decay", 1e-2), c.flag("amsgrad"), maximize});
        });
    else if (c.op == "rmsprop")
        run<T>(c, [&](Params p) {
            return optim::RMSprop(p, {c.num("lr", 1e-2), c.num("alpha", 0.99), c.num("eps", 1e-8), decay, c.num("momentum", 0),
                                      c.flag("centered"), maximize});
        });
    else if (c.op == "adagrad")
        run<T>(c, [&](Params p) {
            return optim::Adagrad(
                p, {c.num("lr", 1e-2), c.num("lr_decay", 0), decay, c.num("initial_accumulator_value", 0), c.num("eps", 1e-10), maximize});
        });
    else if (c.op == "adadelta")
        run<T>(c, [&](Params p) { return optim::Adadelta(p, {c.num("lr", 1), c.num("rho", 0.9), c.num("eps", 1e-6), decay, maximize}); });
    else if (c.op == "nadam")
        run<T>(c, [&](Params p) {
            return optim::NAdam(p, {c.num("lr", 2e-3), betas(c), c.num("eps", 1e-8), decay, c.num("momentum_decay", 4e-3),
                                    c.flag("decoupled_weight_decay"), maximize});
        });
    else if (c.op == "radam")
        run<T>(c, [&](Params p) {
            return optim::RAdam(p, {c.num("lr", 1e-3), betas(c), c.num("eps", 1e-8), decay, c.flag("decoupled_weight_decay"), maximize});
        });
    else if (c.op == "lbfgs")
        run<T>(c, [&](Params p) {
            return optim::LBFGS(p, {.lr = c.num("lr", 1),
                                    .max_iter = static_cast<int>(c.num("max_iter", 20)),
                                    .history_size = static_cast<int>(c.num("history_size", 100)),
                                    .line_search_fn = c.str("line_search_fn", "")});
        });
    else if (c.op != "sgd_groups" && c.op != "adam_groups")
        FAIL("no test of " << c.op);
}

}  // namespace

TEST_CASE("optimisers take PyTorch's steps", "[optim]") {
    for (const Case& c : load_cases("optimizer.txt")) {
        run_case<double>(c);
        if (!c.has("double")) run_case<float>(c);
    }
}
