// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include <functional>
#include <headtorch/headtorch.hpp>
#include <headtorch/train/anomaly.hpp>
#include <limits>
#include <optional>
#include <string>

#include "tests/support/catch.hpp"

using namespace headtorch;
using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;

namespace {

/// What the AnomalyError of `work` says, or "".
template <class Work>
std::string anomaly(Work work, AnomalyOptions options = {}) {
    const AnomalyMode guard(options);
    try {
        work();
    } catch (const AnomalyError& error) {
        return error.what();
    }
    return "";
}
std::string at(int line) { return " at " + std::string(__FILE__) + ":" + std::to_string(line); }
std::string after(int line) { return " after " + std::string(__FILE__) + ":" + std::to_string(line); }

struct Head : nn::Module<Head> {
    static constexpr int line = __LINE__ + 1;
    Tensor<> forward(const Tensor<>& x) { return log(x); }
};
struct Net : nn::Module<Net> {
    nn::Sequential<> body{nn::Linear<>(2, 2), nn::Tanh()};
    Head head{};
    static constexpr int line = __LINE__ + 1;
    Tensor<> forward(const Tensor<>& x) { return head(x) / x; }
};

constexpr float inf = std::numeric_limits<float>::infinity(), not_a_number = std::numeric_limits<float>::quiet_NaN();

}  // namespace

TEST_CASE("the first op that makes NaN is named, with its shape, count, place in the net and line", "[anomaly]") {
    Net net;
    auto x = ones({32, 10});
    for (const int i : {47, 60, 319}) x.data()[i] = -1;
    const std::string text = anomaly([&] { net(x); });
    CHECK(text == "log: the output of shape [32, 10] has 3 NaN (first at [4, 7]), in net.head" + at(Head::line));
}

TEST_CASE("modules of the library are named by the line that calls them", "[anomaly]") {
    Net net;
    net.body[0].as<nn::Linear<>>()->weight.detach().fill_(inf);
    const std::string text = anomaly([&] { net.body(zeros({1, 2})); });
    CHECK(text == "linear: the output of shape [1, 2] has 2 NaN (first at [0, 0]), in sequential.0" + at(__LINE__ - 1));
}

TEST_CASE("an operator is named by the line of the call before it, or of the module that it opens", "[anomaly]") {
    const auto x = ones({2, 2});
    std::string text = anomaly([&] {
        const auto y = exp(x);
        static_cast<void>((x - 1) / (y - y));
    });
    CHECK(text == "div: the output of shape [2, 2] has 4 NaN (first at [0, 0])," + after(__LINE__ - 3));
    Net net;
    text = anomaly([&] { net(zeros({})); }, {.check_infinity = false});
    CHECK(text.empty());  // -inf / 0
    text = anomaly([&] { net(full({}, inf)); });
    CHECK(text == "div: the output of shape [] is NaN, in net" + after(Net::line));
}

TEST_CASE("members, nested calls and calls around a module have their own lines", "[anomaly]") {
    const auto x = full({3}, -2);
    Net net;
    std::string text = anomaly([&] { exp(x.sqrt()); });
    CHECK(text == "sqrt: the output of shape [3] has 3 NaN (first at [0])," + at(__LINE__ - 1));
    text = anomaly([&] { nn::mse_loss(log(ones({1, 2})), full({1, 2}, not_a_number)); });
    CHECK(text == "mse_loss: the output of shape [1, 2] has 2 NaN (first at [0, 0])," + at(__LINE__ - 1) +
                      "; its input of shape [1, 2] had NaN before");
    text = anomaly([&] { nn::mse_loss(net(ones({1, 2})), full({1, 2}, 1e30)); });
    CHECK(text == "mse_loss: the output of shape [1, 2] has 2 infinities (first inf at [0, 0])," + at(__LINE__ - 1));
}

TEST_CASE("functions know their line", "[anomaly]") {
    const auto x = full({2, 2}, not_a_number), image = full({1, 1, 4, 4}, not_a_number), w = ones({2, 2}), kernel = ones({1, 1, 3, 3});
    const auto row = ones({2});
    struct Case {
        const char* op;
        std::function<void()> work;
    };
    const int first = __LINE__ + 2;
    const Case cases[] = {
        {"exp", [&] { exp(x); }},
        {"square", [&] { x.square(); }},
        {"neg", [&] { x.neg(); }},
        {"pow", [&] { x.pow(2); }},
        {"pow", [&] { pow(x, 3); }},
        {"pow", [&] { pow(2, x); }},
        {"pow", [&] { pow(x, x); }},
        {"atan2", [&] { atan2(x, x); }},
        {"clamp", [&] { x.clamp(0, 1); }},
        {"relu", [&] { relu(x); }},
        {"relu6", [&] { relu6(x); }},
        {"elu", [&] { elu(x); }},
        {"celu", [&] { celu(x); }},
        {"selu", [&] { selu(x); }},
        {"gelu", [&] { gelu(x, "tanh"); }},
        {"silu", [&] { silu(x); }},
        {"mish", [&] { mish(x); }},
        {"softplus", [&] { softplus(x); }},
        {"softsign", [&] { softsign(x); }},
        {"logsigmoid", [&] { logsigmoid(x); }},
        {"tanhshrink", [&] { tanhshrink(x); }},
        {"bent_identity", [&] { bent_identity(x); }},
        {"soft_exponential", [&] { soft_exponential(x, row); }},
        {"softmin", [&] { softmin(x, 0); }},
        {"glu", [&] { glu(x); }},
        {"leaky_relu", [&] { leaky_relu(x); }},
        {"hardtanh", [&] { hardtanh(x); }},
        {"hardsigmoid", [&] { hardsigmoid(x); }},
        {"hardswish", [&] { hardswish(x); }},
        {"softshrink", [&] { softshrink(x); }},
        {"hardshrink", [&] { hardshrink(x); }},
        {"threshold", [&] { threshold(x, 0, 1); }},
        {"prelu", [&] { prelu(x, row); }},
        {"softmax", [&] { x.softmax(0); }},
        {"log_softmax", [&] { log_softmax(x, 0); }},
        {"mm", [&] { mm(x, w); }},
        {"mv", [&] { mv(x, row); }},
        {"matmul", [&] { x.matmul(w); }},
        {"dot", [&] { x[0].dot(row); }},
        {"outer", [&] { outer(x[0], row); }},
        {"addmm", [&] { addmm(x, w, w); }},
        {"linear", [&] { linear(x, w); }},
        {"conv2d", [&] { conv2d(image, kernel); }},
        {"conv_transpose2d", [&] { conv_transpose2d(image, kernel); }},
        {"sum", [&] { x.sum({}); }},
        {"sum", [&] { sum(x); }},
        {"mean", [&] { mean(x, 1); }},
        {"prod", [&] { prod(x, 1); }},
        {"cumsum", [&] { cumsum(x, 1); }},
        {"cumprod", [&] { cumprod(x, 1); }},
        {"var", [&] { var(x, 1); }},
        {"std", [&] { x.std(); }},
        {"logsumexp", [&] { logsumexp(x, 1); }},
        {"norm", [&] { x.norm(); }},
        {"batch_norm", [&] { batch_norm(x, {}, {}, {}, {}, true); }},
        {"layer_norm", [&] { layer_norm(x, {2}); }},
        {"group_norm", [&] { group_norm(image, 1); }},
        {"instance_norm", [&] { instance_norm(image); }},
        {"rms_norm", [&] { rms_norm(x, {2}); }},
        {"local_response_norm", [&] { local_response_norm(image, 3); }},
        {"scaled_dot_product_attention", [&] { scaled_dot_product_attention(x, x, x); }},
        {"einsum", [&] { einsum("ij,jk", {x, w}); }},
        {"mse_loss", [&] { nn::mse_loss(x, w); }},
        {"l1_loss", [&] { nn::l1_loss(x, w); }},
        {"smooth_l1_loss", [&] { nn::smooth_l1_loss(x, w); }},
        {"huber_loss", [&] { nn::huber_loss(x, w); }},
        {"binary_cross_entropy_with_logits", [&] { nn::binary_cross_entropy_with_logits(x, w); }},
        {"nll_loss", [&] { nn::nll_loss(x, tensor<std::int64_t>({0, 1})); }},
        {"cross_entropy", [&] { nn::cross_entropy(x, tensor<std::int64_t>({0, 1})); }},
        {"kl_div", [&] { nn::kl_div(x, w); }},
        {"gaussian_nll_loss", [&] { nn::gaussian_nll_loss(x, w, w); }},
    };
    for (const Case& c : cases) {
        const std::string text = anomaly(c.work), place = at(first + static_cast<int>(&c - cases));
        INFO(text);
        const bool named = text.starts_with(c.op) || text.find(std::string(" within ") + c.op + ":") != std::string::npos;
        CHECK(named);
        CHECK((text.ends_with(place) || text.find(place + ";") != std::string::npos));
    }
}

TEST_CASE("a composite is named with the op in it", "[anomaly]") {
    const auto x = tensor({{1, 2, inf}});
    const auto probabilities = tensor({{1, 0, 0}});
    const std::string text = anomaly([&] { nn::cross_entropy(x, probabilities); });
    CHECK(text == "log_softmax within cross_entropy: the output of shape [1, 3] has 3 NaN (first at [0, 0])," + at(__LINE__ - 1));
}

TEST_CASE("infinities are found, unless the op was given one or they do not count", "[anomaly]") {
    const auto x = tensor({{0, 1}, {2, 0}});
    std::string text = anomaly([&] { log(x); });
    CHECK(text == "log: the output of shape [2, 2] has 2 infinities (first -inf at [0, 0])," + at(__LINE__ - 1));
    CHECK(anomaly([&] { log(x); }, {.check_infinity = false}).empty());
    text = anomaly([&] { log(x) * 0; }, {.check_infinity = false});
    CHECK_THAT(text, StartsWith("mul: the output of shape [2, 2] has 2 NaN (first at [0, 0])"));
    CHECK(anomaly([&] { 1 / zeros({}); }) == "div: the output of shape [] is inf");
}

TEST_CASE("masks of attention are no anomaly", "[anomaly]") {
    const auto q = randn({2, 4, 8}).requires_grad_();
    const auto text = anomaly([&] {
        const auto mask = triu(full({4, 4}, -inf), 1);
        auto scores = matmul(q, q.transpose(1, 2)) + mask;
        scores = masked_fill(scores, full<bool>({4, 4}, false), -inf) * 0.5;
        softmax(scores, -1).sum().backward();
        scaled_dot_product_attention(q, q, q, {.is_causal = true}).sum().backward();
        const auto best = full({4}, -inf);
        best.copy_(maximum(best, full({4}, -inf)));
        best += 1;
        pad(ones({2}), {1, 1}, "constant", inf);
        max_pool2d(randn({1, 4, 4}), 2, 2, 1);
        std::vector<Tensor<>> parts{mask, mask};
        cat(parts).clone();
        where(mask < 0, -inf, mask);
    });
    CHECK(text == "");
}

TEST_CASE("writes in place are looked at, filling is not", "[anomaly]") {
    const auto x = ones({2});
    std::string text = anomaly([&] { x /= zeros({2}); });
    CHECK_THAT(text, StartsWith("div_: the tensor written, of shape [2], has 2 infinities (first inf at [0])"));
    text = anomaly([&] { x -= x.detach(); });
    CHECK(text == "sub_: the tensor written, of shape [2], has 2 NaN (first at [0])");
    text = anomaly([&] { x += 1; });
    CHECK(text == "add_: the tensor written, of shape [2], has 2 NaN (first at [0]); its input of shape [2] had NaN before");
    CHECK(anomaly([&] { x.fill_(inf), x += 1, x.fill_(not_a_number), x.zero_(); }) == "");
}

TEST_CASE("the way back: the op, the shape, and where it was called", "[anomaly]") {
    struct Scale : nn::Module<Scale> {
        Tensor<double> forward(const Tensor<double>& x) { return sqrt(x) * 0; }
    };
    Scale scale;
    const auto x = tensor<double>({4, 0, 1}).requires_grad_();
    std::string text = anomaly([&] { scale(x).sum().backward(); });
    CHECK(text == "backward of sqrt gave 1 NaN (first at [1]) in the gradient of shape [3]; sqrt was called in scale" + at(__LINE__ - 5));
    CHECK_FALSE(x.grad().defined());
    CHECK(anomaly([&] { scale(x).sum().backward(); }, {.check_backward = false}) == "");
    CHECK(std::isnan(x.grad().tolist()[1]));
    // recorded before the guard was there
    const auto y = scale(x).sum();
    CHECK(anomaly([&] { y.backward(); }) == "backward of sqrt gave 1 NaN (first at [1]) in the gradient of shape [3]");
    // a gradient that is not finite to begin with
    text = anomaly([&] { exp(x).backward(full<double>({3}, not_a_number)); });
    CHECK_THAT(text, StartsWith("backward of exp gave 3 NaN (first at [0]) in the gradient of shape [3]; exp was called at"));
    // of the second order
    text = anomaly([&] {
        const auto z = (x * x).sum();
        const auto g = grad(z, x, {.create_graph = true});
        log(g - 2).sum();
    });
    CHECK_THAT(text, StartsWith("log: the output of shape [3] has 1 NaN and 1 infinity (first at [1], -inf at [2])"));
}

TEST_CASE("a warning comes once for each direction, and the program goes on", "[anomaly]") {
    const AnomalyMode guard({.warn_only = true});
    const auto x = zeros({2}).requires_grad_();
    for (int i = 0; i < 3; ++i) (log(x) * sqrt(x)).sum().backward();
    REQUIRE(guard.reports().size() == 2);
    CHECK_THAT(guard.reports()[0], StartsWith("log: the output of shape [2] has 2 infinities"));
    CHECK_THAT(guard.reports()[1], StartsWith("backward of mul gave 2 infinities"));
}

TEST_CASE("of nested guards the last rules, whatever the order in which they go", "[anomaly]") {
    const auto x = full({2}, -1);
    std::optional<AnomalyMode> first, second;
    first.emplace();
    second.emplace(AnomalyOptions{.warn_only = true});
    CHECK_NOTHROW(log(x));
    CHECK(second->reports().size() == 1);
    CHECK(first->reports().empty());
    first.reset();
    CHECK_NOTHROW(log(x));
    first.emplace();
    CHECK_THROWS_AS(log(x), AnomalyError);
    second.reset();
    CHECK_THROWS_AS(log(x), AnomalyError);
    first.reset();
    CHECK_FALSE(observed());
    CHECK_NOTHROW(log(x));
}

TEST_CASE("other errors pass, and what comes after them is looked at", "[anomaly]") {
    Net net;
    const AnomalyMode guard;
    for (int i = 0; i < 3; ++i) {
        CHECK_THROWS_AS(net(ones({2, 3}) + ones({4})), ShapeError);
        CHECK_THROWS_AS(net.body(ones({2, 3})), ShapeError);
        CHECK_THROWS_AS(net(full({1, 2}, -1)), AnomalyError);
        CHECK_THROWS_AS(net(full({1, 2}, not_a_number)), AnomalyError);
        CHECK_NOTHROW(net(ones({1, 2})));
    }
    try {
        net(full({1, 2}, -1));
    } catch (const Error& error) {
        CHECK(error.module_path() == "net.head");
        CHECK_THAT(error.what(), StartsWith("log: the output"));
    }
}

TEST_CASE("what is thrown away with an error is freed", "[anomaly]") {
    const auto x = full({1000}, not_a_number).requires_grad_();
    const AnomalyMode guard;
    const auto wrong = [&] {
        CHECK_THROWS_AS(exp(x), AnomalyError);
        CHECK_THROWS_AS(softmax(x, 0), AnomalyError);
        CHECK_THROWS_AS(matmul(x, x), AnomalyError);
        CHECK_THROWS_AS(sort(x), AnomalyError);
        CHECK_THROWS_AS(nn::mse_loss(x, x), AnomalyError);
    };
    wrong();
    const std::int64_t before = memory::stats().memory_allocated;
    for (int i = 0; i < 5; ++i) wrong();
    CHECK(memory::stats().memory_allocated == before);
}

TEST_CASE("a whole training is looked at, step and all, and nothing is found", "[anomaly]") {
    struct Full : nn::Module<Full> {
        nn::Conv2d<> conv{1, 4, 3};
        nn::BatchNorm2d<> norm{4};
        nn::Linear<> fc{4, 3};
        Tensor<> forward(const Tensor<>& x) { return fc(dropout(relu(norm(conv(x))), 0.3).mean({2, 3})); }
    };
    Full net;
    optim::Adam adam(net.parameters(), {.lr = 0.01});
    const auto x = randn({8, 1, 6, 6});
    const auto y = randint(0, 3, {8});
    const auto step = [&] {
        adam.zero_grad();
        const auto loss = nn::cross_entropy(net(x), y);
        loss.backward();
        adam.step();
    };
    CHECK(anomaly([&] {
              for (int i = 0; i < 3; ++i) step();
          }) == "");
    net.fc.weight.grad().fill_(inf);
    CHECK_THAT(anomaly([&] { adam.step(); }), StartsWith("Adam.step: the tensor written, of shape [3, 4], has 12 NaN"));
}
