// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Recurrent layers and cells: PyTorch's weights and outputs from the same seed, states, options, errors.
#include "headtorch/nn/rnn.hpp"

#include "tests/nn/sequence_layers.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

nn::RNNOptions options_of(const Case& c) {
    return {.num_layers = c.integer("layers", 1),
            .bias = c.flag("bias", true),
            .batch_first = c.flag("batch_first"),
            .bidirectional = c.flag("both")};
}

}  // namespace

TEST_CASE("recurrent layers from a seed are PyTorch's", "[nn]") {
    for (const std::string kind : {"rnn", "lstm", "gru"})
        for (const Case& c : sequence_cases(kind)) {
            manual_seed(static_cast<std::uint64_t>(c.integer("seed")));
            const Tensor<> x = wave(c);
            const std::int64_t inputs = x.size(-1), hidden = inputs + 1;
            if (c.op == "rnn") {
                nn::RNN<> net(inputs, hidden, options_of(c));
                const auto [y, h] = net(x);
                check_layer(c, net, {{"y", y}, {"h", h}});
            } else if (c.op == "gru") {
                nn::GRU<> net(inputs, hidden, options_of(c));
                const auto [y, h] = net(x);
                check_layer(c, net, {{"y", y}, {"h", h}});
            } else if (c.op == "lstm") {
                nn::LSTM<> net(inputs, hidden, options_of(c));
                const auto [y, state] = net(x);
                check_layer(c, net, {{"y", y}, {"h", state.first}, {"c", state.second}});
            } else if (c.op == "rnn_cell") {
                nn::RNNCell<> net(3, 4, c.flag("bias", true));
                check_layer(c, net, {{"h", net(x)}});
            } else if (c.op == "gru_cell") {
                nn::GRUCell<> net(3, 4, c.flag("bias", true));
                check_layer(c, net, {{"h", net(x)}});
            } else {
                nn::LSTMCell<> net(3, 4, c.flag("bias", true));
                const auto [h, cell] = net(x);
                check_layer(c, net, {{"h", h}, {"c", cell}});
            }
        }
}

TEST_CASE("a sequence in two parts, with the state handed on, is the whole", "[nn]") {
    manual_seed(1);
    nn::LSTM<> lstm(3, 5, {.num_layers = 2});
    const Tensor<> x = randn({6, 2, 3});
    const auto [whole, end] = lstm(x);
    const auto [first, middle] = lstm(x.narrow(0, 0, 4));
    const auto [second, last] = lstm(x.narrow(0, 4, 2), middle);
    CHECK(allclose(whole, cat({first, second}, 0)));
    CHECK(allclose(end.first, last.first));
    CHECK(allclose(end.second, last.second));

    nn::GRU<> gru(3, 5, {.bidirectional = true});
    CHECK(gru(x, zeros({2, 2, 5})).first.tolist() == gru(x).first.tolist());
}

TEST_CASE("recurrent layers are copied, saved and put in other modules as any", "[nn]") {
    struct Net : nn::Module<Net> {
        nn::LSTM<> lstm{3, 4};
        nn::Linear<> out{4, 1};
        Tensor<> forward(const Tensor<>& x) { return out(lstm(x).first); }
    };
    manual_seed(1);
    Net net;
    CHECK(net.state_dict().keys() == std::vector<std::string>{"lstm.weight_ih_l0", "lstm.weight_hh_l0", "lstm.bias_ih_l0",
                                                              "lstm.bias_hh_l0", "out.weight", "out.bias"});
    Net copy = net, other;
    const Tensor<> x = randn({2, 1, 3});
    CHECK(net(x).tolist() != other(x).tolist());
    other.load_state_dict(net.state_dict());
    CHECK(net(x).tolist() == other(x).tolist());
    copy.lstm.layer(0).w_hh.zero_grad();
    optim::SGD sgd(copy.parameters(), {.lr = 0.1});
    copy(x).sum().backward();
    sgd.step();
    CHECK(net(x).tolist() == other(x).tolist());
    CHECK(net(x).tolist() != copy(x).tolist());
}

TEST_CASE("dropout between recurrent layers is for training", "[nn]") {
    manual_seed(1);
    nn::GRU<> gru(3, 8, {.num_layers = 2, .dropout = 0.5});
    CHECK(gru.to_string() == "GRU(3, 8, num_layers=2, dropout=0.5)");
    const Tensor<> x = randn({4, 2, 3});
    CHECK(gru(x).first.tolist() != gru(x).first.tolist());
    gru.eval();
    CHECK(gru(x).first.tolist() == gru(x).first.tolist());
}

TEST_CASE("a recurrent layer learns to remember", "[nn]") {
    // the answer is the sign of the first of eight numbers
    struct Net : nn::Module<Net> {
        nn::LSTM<> lstm{1, 8};
        nn::Linear<> out{8, 1};
        Tensor<> forward(const Tensor<>& x) { return out(lstm(x).first[-1]).squeeze(1); }
    };
    manual_seed(3);
    Net net;
    optim::Adam adam(net.parameters(), {.lr = 0.02});
    const Tensor<> x = randn({8, 200, 1}), y = (x[0].squeeze(1) > 0).to<float>();
    for (int step = 0; step < 200; ++step) {
        adam.zero_grad();
        nn::binary_cross_entropy_with_logits(net(x), y).backward();
        adam.step();
    }
    CHECK(((net(x) > 0) == (y > 0.5f)).sum().item() >= 195);
}

TEST_CASE("recurrent layers refuse what does not fit them", "[nn]") {
    CHECK_THROWS_WITH(nn::LSTM<>(3, 0), "LSTM: hidden_size must be positive, got 0");
    CHECK_THROWS_WITH(nn::LSTM<>(-1, 2), "LSTM: input_size must not be negative, got -1");
    CHECK_THROWS_WITH(nn::GRU<>(3, 2, {.num_layers = 0}), "GRU: num_layers must be positive, got 0");
    CHECK_THROWS_WITH(nn::RNN<>(3, 2, {.dropout = 1.5}), "RNN: dropout is a probability from 0 to 1, got 1.5");
    nn::LSTM<> lstm(3, 4);
    CHECK_THROWS_WITH(lstm(zeros({2, 1, 5})), "lstm: input_size is 3, but the input has 5 features");
    CHECK_THROWS_WITH(lstm(zeros({3})), "lstm: the input is [steps, batch, 3] or [steps, 3], got [3]");
    CHECK_THROWS_WITH(lstm(zeros({2, 1, 3}), {zeros({1, 2, 4}), zeros({1, 1, 4})}),
                      "lstm: h_0 has shape [1, 1, 4] for this input, got [1, 2, 4]");
    CHECK_THROWS_WITH(lstm(zeros({2, 1, 3}), {zeros({1, 1, 4}), {}}), "lstm: give both h_0 and c_0, or neither");
    CHECK_THROWS_WITH(lstm.layer(1), "layer: there is no layer 1 among 1");
    nn::GRUCell<> cell(3, 4);
    CHECK_THROWS_WITH(cell(zeros({2, 2})), "gru_cell: the input has 2 features, but the weights of shape [12, 3] take 3; input [2, 2]");
}
