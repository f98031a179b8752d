// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Recurrent layers: against PyTorch, against their own cells step by step, threads, errors.
#include "headtorch/ops/rnn.hpp"

#include "headtorch/headtorch.hpp"
#include "tests/support/reference.hpp"
#include "tests/support/threads.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

RnnKind kind_of(const std::string& name) {
    return name == "tanh" ? RnnKind::tanh : name == "relu" ? RnnKind::relu : name == "lstm" ? RnnKind::lstm : RnnKind::gru;
}

struct Layer {
    Tensor<> x, h, c;
    RnnWeights<float, DefaultDevice> w;

    Layer(RnnKind kind, std::int64_t steps, std::int64_t batch, std::int64_t inputs, std::int64_t hidden, std::uint64_t seed = 1) {
        Generator generator(seed);
        const std::int64_t rows = weight_gates(kind) * hidden;
        const auto leaf = [&](const Shape& shape) { return empty(shape).uniform_(-0.5, 0.5, generator).requires_grad_(); };
        x = leaf({steps, batch, inputs});
        h = leaf({batch, hidden});
        if (kind == RnnKind::lstm) c = leaf({batch, hidden});
        w = {leaf({rows, inputs}), leaf({rows, hidden}), leaf({rows}), leaf({rows})};
    }
    std::vector<Tensor<>> all() const {
        std::vector<Tensor<>> tensors{x, h, w.w_ih, w.w_hh, w.b_ih, w.b_hh};
        if (c.defined()) tensors.push_back(c);
        return tensors;
    }
};

constexpr RnnKind kinds[] = {RnnKind::tanh, RnnKind::relu, RnnKind::lstm, RnnKind::gru};

}  // namespace

TEST_CASE("recurrent layers agree with PyTorch", "[ops]") {
    check_family("recurrent.txt", {{"rnn_layer", [](const auto& in, const Case& c) {
                                        return rnn_layer(kind_of(c.str("kind")), c.flag("reverse"), in("x"), in("h"), in.optional("c"),
                                                         {in("w_ih"), in("w_hh"), in.optional("b_ih"), in.optional("b_hh")});
                                    }}});
}

TEST_CASE("a layer in one op is its cells, step by step, gradients too", "[ops]") {
    for (const RnnKind kind : kinds)
        for (const bool reverse : {false, true}) {
            INFO(static_cast<int>(kind) << " " << reverse);
            const Layer l(kind, 7, 5, 9, 19);
            const auto whole = rnn_layer(kind, reverse, l.x, l.h, l.c, l.w),
                       steps = detail::rnn_layer_by_steps(kind, reverse, l.x, l.h, l.c, l.w);
            CHECK(allclose(whole, steps, 1e-5, 1e-6));
            const auto seed = empty(whole.shape()).uniform_(-1, 1);
            const auto a = grad(whole, l.all(), seed), b = grad(steps, l.all(), seed);
            for (std::size_t i = 0; i < a.size(); ++i) {
                INFO(i);
                CHECK(allclose(a[i], b[i], 1e-4, 1e-5));
            }
        }
}

TEST_CASE("recurrent layers give the same bits with any number of threads", "[ops]") {
    for (const RnnKind kind : kinds) {
        const Layer l(kind, 4, 130, 20, 70);
        INFO(static_cast<int>(kind));
        check_with_threads([&] {
            const auto y = rnn_layer(kind, false, l.x, l.h, l.c, l.w);
            std::vector<std::vector<float>> values{y.tolist()};
            for (const auto& g : grad(y.square().sum(), l.all())) values.push_back(g.tolist());
            return values;
        });
    }
}

TEST_CASE("cells take one step", "[ops]") {
    const Layer l(RnnKind::lstm, 1, 2, 3, 4);
    const auto y = rnn_layer(RnnKind::lstm, false, l.x, l.h, l.c, l.w);
    const auto [h, c] = lstm_cell(l.x[0], {l.h, l.c}, l.w);
    CHECK(allclose(y[0], h));
    CHECK(allclose(y[1], c));
    const Layer g(RnnKind::gru, 1, 2, 3, 4);
    CHECK(allclose(rnn_layer(RnnKind::gru, false, g.x, g.h, {}, g.w)[0], gru_cell(g.x[0], g.h, g.w)));
    const Layer r(RnnKind::tanh, 1, 2, 3, 4);
    CHECK(allclose(rnn_layer(RnnKind::tanh, false, r.x, r.h, {}, r.w)[0], rnn_tanh_cell(r.x[0], r.h, r.w)));
    CHECK(allclose(rnn_layer(RnnKind::relu, false, r.x, r.h, {}, r.w)[0], rnn_relu_cell(r.x[0], r.h, r.w)));
}

TEST_CASE("recurrent layers refuse what does not fit", "[ops]") {
    const Layer l(RnnKind::lstm, 2, 3, 4, 5);
    CHECK_THROWS_WITH(rnn_layer(RnnKind::lstm, false, zeros({2, 4}), l.h, l.c, l.w),
                      "rnn_layer: the input is [steps, batch, features], got [2, 4]");
    CHECK_THROWS_WITH(rnn_layer(RnnKind::lstm, false, zeros({0, 3, 4}), l.h, l.c, l.w),
                      "rnn_layer: needs at least one step, got input [0, 3, 4]");
    CHECK_THROWS_WITH(rnn_layer(RnnKind::lstm, false, zeros({2, 3, 7}), l.h, l.c, l.w),
                      "rnn_layer: the input has 7 features, but the weights of shape [20, 4] take 4; input [2, 3, 7]");
    CHECK_THROWS_WITH(rnn_layer(RnnKind::lstm, false, l.x, zeros({2, 5}), l.c, l.w),
                      "rnn_layer: for input [2, 3, 4] the state is [3, 5], got [2, 5]");
    CHECK_THROWS_WITH(rnn_layer(RnnKind::lstm, false, l.x, l.h, zeros({3, 4}), l.w),
                      "rnn_layer: c0 has the shape of h0, [3, 5], got [3, 4]");
    CHECK_THROWS_WITH(rnn_layer(RnnKind::gru, false, l.x, l.h, {}, l.w),
                      "rnn_layer: weights of 3 gates are [3 H, I] and [3 H, H], got [20, 4] and [20, 5]");
    CHECK_THROWS_WITH(rnn_layer(RnnKind::lstm, false, l.x, l.h, l.c, {l.w.w_ih, l.w.w_hh, l.w.b_ih, {}}),
                      "rnn_layer: give both biases or none");
    CHECK_THROWS_WITH(rnn_layer(RnnKind::lstm, false, l.x, l.h, l.c, {l.w.w_ih, l.w.w_hh, zeros({5}), zeros({5})}),
                      "rnn_layer: a bias has 20 elements, got [5]");
}
