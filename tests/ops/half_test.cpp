// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Ops of float16 and bfloat16 against PyTorch's in those types (values and gradients), and against the same ops of float.
#include <algorithm>
#include <bit>
#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/reference.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

/// The distance of neighbours at x.
template <class T>
double unit_at(double x) {
    using L = std::numeric_limits<T>;
    const int exponent = x == 0 ? L::min_exponent : std::max(std::ilogb(x) + 1, L::min_exponent);
    return std::ldexp(1.0, exponent - L::digits);
}

/// "" or how the numbers differ by more than `ulps` units of the last place, of each number or of the largest.
template <class T>
std::string difference_in_ulps(const std::string& what, const TensorImpl& tensor, const Written& expected, double ulps, bool scaled) {
    if (!is_floating(tensor.dtype) || tensor.dtype == Dtype::float32 || tensor.dtype == Dtype::float64)
        return difference(what, tensor, expected, 0);
    if (!(tensor.shape == expected.shape)) return message(what, ": shape ", tensor.shape, " instead of ", expected.shape);
    const auto got = numbers_of(tensor);
    const auto want = expected.values<T>();
    double largest = 0;
    for (const T x : want)
        if (std::isfinite(x)) largest = std::max(largest, std::abs(static_cast<double>(x)));
    for (std::size_t i = 0; i < got.size(); ++i) {
        const auto there = static_cast<double>(want[i]);
        if (got[i] == there || (std::isnan(got[i]) && std::isnan(there))) continue;
        const double off = std::abs(got[i] - there) / unit_at<T>(scaled ? largest : there);
        if (!(off <= ulps)) return message(what, ": element ", i, " is ", got[i], " instead of ", there, ": ", off, " ulps");
    }
    return "";
}

template <class T>
using HalfFunction = Results<T> (*)(const Inputs<T>&, const Case&);

struct HalfEntry {
    template <class F>
    HalfEntry(const char* name, F)
        : op(name), in_float16([](const Inputs<float16>& in, const Case& c) { return Results<float16>(F{}(in, c)); }),
          in_bfloat16([](const Inputs<bfloat16>& in, const Case& c) { return Results<bfloat16>(F{}(in, c)); }) {}
    std::string op;
    HalfFunction<float16> in_float16;
    HalfFunction<bfloat16> in_bfloat16;
};

template <class T>
std::string check_half(const Case& c, HalfFunction<T> f, Layout layout) {
    const std::string what = c.title + (layout == Layout::strided ? " [strided]" : "");
    const double ulps = c.num("ulps", 0), grad_ulps = c.num("grad_ulps", ulps);
    const bool scaled = c.has("scaled");
    const Inputs<T> in(c, layout);
    for (const Written& gradient : c.gradients) in(gradient.name).requires_grad_();
    const Results<T> results = f(in, c);
    for (std::size_t i = 0; i < c.outputs.size(); ++i)
        if (std::string wrong = difference_in_ulps<T>(what, *results.all[i], c.outputs[i], ulps, scaled); !wrong.empty()) return wrong;
    for (const Written& seed : c.output_gradients) results.typed[0].backward(make_tensor<T>(seed.shape, seed.values<T>(), layout));
    for (const Written& gradient : c.gradients) {
        const Tensor<T> got = in(gradient.name).grad();
        if (!got.defined()) return what + ": no gradient at " + gradient.name;
        std::string wrong = difference_in_ulps<T>(what + ": gradient of " + gradient.name, *got.get(), gradient, grad_ulps, scaled);
        if (!wrong.empty()) return wrong;
    }
    return "";
}

void check_halfs(const std::vector<HalfEntry>& table, const std::vector<std::string>& elsewhere) {
    std::vector<std::string> seen;
    for (const Case& c : load_cases("half.txt")) {
        seen.push_back(c.op);
        if (std::find(elsewhere.begin(), elsewhere.end(), c.op) != elsewhere.end()) continue;
        const auto entry = std::find_if(table.begin(), table.end(), [&](const HalfEntry& e) { return e.op == c.op; });
        if (entry == table.end()) {
            FAIL_CHECK("half.txt: no test of " << c.op);
            continue;
        }
        for (const Layout layout : {Layout::contiguous, Layout::strided}) {
            std::string wrong;
            try {
                wrong = c.str("dtype") == "float16" ? check_half<float16>(c, entry->in_float16, layout)
                                                    : check_half<bfloat16>(c, entry->in_bfloat16, layout);
            } catch (const std::exception& error) {
                wrong = c.title + ": " + error.what();
            }
            if (!wrong.empty()) FAIL_CHECK(wrong);
        }
    }
    for (const HalfEntry& entry : table)
        if (std::find(seen.begin(), seen.end(), entry.op) == seen.end()) FAIL_CHECK("half.txt: no case of " << entry.op);
}

template <class T>
auto weights_of(const Inputs<T>& in) {
    return RnnWeights<T, DefaultDevice>{in("w_ih"), in("w_hh"), in("b_ih"), in("b_hh")};
}

template <class T, class U>
std::string conversion(const Case& c) {
    if (c.op == "from") return difference_in_ulps<T>(c.title, *c.tensor<U>("x").template to<T>().get(), c.outputs[0], 0, false);
    return c.compare("y", c.tensor<T>("x").template to<U>(), 0);
}
template <class T>
std::string conversions(const Case& c) {
    const std::string type = c.str("type");
    if (type == "float64") return conversion<T, double>(c);
    if (type == "float32") return conversion<T, float>(c);
    if (type == "int64") return conversion<T, std::int64_t>(c);
    if (type == "int32") return conversion<T, std::int32_t>(c);
    if (type == "uint8") return conversion<T, std::uint8_t>(c);
    return conversion<T, bool>(c);
}

template <class T>
std::string random_numbers(const Case& c) {
    const std::int64_t n = c.integer("n");
    const std::string draw = c.str("draw");
    manual_seed(draw.back() == '_' ? 7 : 42);
    Tensor<T, Cpu> x;
    if (draw == "rand")
        x = rand<T, Cpu>({n});
    else if (draw == "randn")
        x = randn<T, Cpu>({n});
    else if (draw == "uniform_")
        x = empty<T, Cpu>({n}).uniform_(-2, 3);
    else
        x = empty<T, Cpu>({n}).normal_(1.5, 0.25);
    return difference_in_ulps<T>(c.title, *x.get(), c.outputs[0], draw == "rand" || draw == "uniform_" ? 0 : 1, false);
}

template <class T>
std::string optimizer_steps(const Case& c) {
    const auto p = c.tensor<T>("x").requires_grad_();
    optim::SGD<T> sgd({p}, {.lr = 0.1, .momentum = 0.9});
    optim::Adam<T> adam({p}, {.lr = 0.01});
    for (int i = 0; i < 3; ++i) {
        p.set_grad(c.tensor<T>("g." + std::to_string(i)));
        if (c.op == "sgd")
            sgd.step();
        else
            adam.step();
    }
    return difference_in_ulps<T>(c.title, *p.get(), c.outputs[0], c.num("ulps"), true);
}

template <class T>
std::string printed(const Case& c) {
    std::string text;
    for (const std::string& line : c.text) text += (text.empty() ? "" : "\n") + line;
    const std::string got = c.tensor<T>("x").template to<Cpu>().to_string();
    return got == text ? "" : c.title + ": " + got + " instead of " + text;
}

}  // namespace

TEST_CASE("halfs agree with PyTorch's", "[ops]") {
    check_halfs(
        {
            {"add", [](const auto& in, const Case&) { return in("x") + in("y"); }},
            {"add_row", [](const auto& in, const Case&) { return in("x") + in("y"); }},
            {"sub", [](const auto& in, const Case&) { return in("x") - in("y"); }},
            {"mul", [](const auto& in, const Case&) { return in("x") * in("y"); }},
            {"div", [](const auto& in, const Case&) { return in("x") / in("y"); }},
            {"add_number", [](const auto& in, const Case&) { return in("x") + 0.1; }},
            {"sub_number", [](const auto& in, const Case&) { return in("x") - 0.1; }},
            {"rsub_number", [](const auto& in, const Case&) { return 0.1 - in("x"); }},
            {"mul_number", [](const auto& in, const Case&) { return in("x") * 0.3; }},
            {"div_number", [](const auto& in, const Case&) { return in("x") / 3; }},
            {"less_number", [](const auto& in, const Case&) { return in("x") < 0.1; }},
            {"equal_number", [](const auto& in, const Case&) { return in("x") == 0.1; }},
            {"exp", [](const auto& in, const Case&) { return exp(in("x")); }},
            {"tanh", [](const auto& in, const Case&) { return tanh(in("x")); }},
            {"sigmoid", [](const auto& in, const Case&) { return sigmoid(in("x")); }},
            {"sin", [](const auto& in, const Case&) { return sin(in("x")); }},
            {"cos", [](const auto& in, const Case&) { return cos(in("x")); }},
            {"relu", [](const auto& in, const Case&) { return relu(in("x")); }},
            {"abs", [](const auto& in, const Case&) { return abs(in("x")); }},
            {"square", [](const auto& in, const Case&) { return square(in("x")); }},
            {"expm1", [](const auto& in, const Case&) { return expm1(in("x")); }},
            {"log", [](const auto& in, const Case&) { return log(in("x")); }},
            {"sqrt", [](const auto& in, const Case&) { return sqrt(in("x")); }},
            {"rsqrt", [](const auto& in, const Case&) { return rsqrt(in("x")); }},
            {"reciprocal", [](const auto& in, const Case&) { return reciprocal(in("x")); }},
            {"log1p", [](const auto& in, const Case&) { return log1p(in("x")); }},
            {"pow", [](const auto& in, const Case&) { return pow(in("x"), 2.5); }},
            {"clamp", [](const auto& in, const Case&) { return clamp(in("x"), -0.1, 0.7); }},
            {"maximum", [](const auto& in, const Case&) { return maximum(in("x"), in("y")); }},
            {"where", [](const auto& in, const Case&) { return where(in.bools("c"), in("x"), in("y")); }},
            {"gelu", [](const auto& in, const Case&) { return gelu(in("x")); }},
            {"silu", [](const auto& in, const Case&) { return silu(in("x")); }},
            {"elu", [](const auto& in, const Case&) { return elu(in("x")); }},
            {"softplus", [](const auto& in, const Case&) { return softplus(in("x")); }},
            {"leaky_relu", [](const auto& in, const Case&) { return leaky_relu(in("x")); }},
            {"large", [](const auto& in, const Case&) { return in("x") * 300; }},
            {"small", [](const auto& in, const Case&) { return in("x") * 1e-4; }},
            {"sum", [](const auto& in, const Case& c) { return c.has("dim") ? sum(in("x"), c.dims("dim")) : sum(in("x")); }},
            {"mean", [](const auto& in, const Case& c) { return mean(in("x"), c.dims("dim")); }},
            {"var", [](const auto& in, const Case& c) { return var(in("x"), c.dims("dim")); }},
            {"std", [](const auto& in, const Case& c) { return headtorch::std(in("x"), c.dims("dim")); }},
            {"amax", [](const auto& in, const Case& c) { return amax(in("x"), c.dims("dim")); }},
            {"amin", [](const auto& in, const Case& c) { return amin(in("x"), c.dims("dim")); }},
            {"argmax", [](const auto& in, const Case& c) { return argmax(in("x"), c.integer("dim")); }},
            {"logsumexp", [](const auto& in, const Case& c) { return logsumexp(in("x"), c.dims("dim")); }},
            {"norm", [](const auto& in, const Case&) { return norm(in("x")); }},
            {"prod", [](const auto& in, const Case& c) { return prod(in("x"), c.dims("dim")); }},
            {"cumsum", [](const auto& in, const Case& c) { return cumsum(in("x"), c.integer("dim")); }},
            {"sort", [](const auto& in, const Case& c) { return sort(in("x"), c.integer("dim")).values; }},
            {"softmax", [](const auto& in, const Case& c) { return softmax(in("x"), c.integer("dim")); }},
            {"log_softmax", [](const auto& in, const Case& c) { return log_softmax(in("x"), c.integer("dim")); }},
            {"matmul", [](const auto& in, const Case&) { return matmul(in("x"), in("y")); }},
            {"linear", [](const auto& in, const Case&) { return linear(in("x"), in("weight"), in("bias")); }},
            {"conv2d", [](const auto& in, const Case&) { return conv2d(in("x"), in("weight"), in("bias"), {.padding = 1, .groups = 2}); }},
            {"conv_transpose2d",
             [](const auto& in, const Case&) { return conv_transpose2d(in("x"), in("weight"), in("bias"), {.stride = 2}); }},
            {"attention", [](const auto& in, const Case&) { return scaled_dot_product_attention(in("q"), in("k"), in("v")); }},
            {"max_pool2d", [](const auto& in, const Case&) { return max_pool2d(in("x"), 2); }},
            {"max_pool2d_3", [](const auto& in, const Case&) { return max_pool2d(in("x"), 3, 1); }},
            {"avg_pool2d", [](const auto& in, const Case&) { return avg_pool2d(in("x"), 2); }},
            {"avg_pool2d_3", [](const auto& in, const Case&) { return avg_pool2d(in("x"), 3, 1, 1); }},
            {"bilinear", [](const auto& in, const Case&) { return interpolate(in("x"), {9, 7}, {}, "bilinear"); }},
            {"nearest", [](const auto& in, const Case&) { return interpolate(in("x"), {9, 7}); }},
            {"pad", [](const auto& in, const Case&) { return pad(in("x"), {1, 2, 0, 1}, "constant", 0.1); }},
            {"reflect", [](const auto& in, const Case&) { return pad(in("x"), {2, 1, 1, 1}, "reflect"); }},
            {"batch_norm", [](const auto& in, const Case&) { return batch_norm(in("x"), {}, {}, in("weight"), in("bias"), true); }},
            {"group_norm", [](const auto& in, const Case&) { return group_norm(in("x"), 2, in("weight"), in("bias")); }},
            {"layer_norm", [](const auto& in, const Case&) { return layer_norm(in("x"), {19}, in("weight"), in("bias")); }},
            {"cross_entropy", [](const auto& in, const Case&) { return nn::cross_entropy(in("x"), in.longs("target")); }},
            {"mse_loss", [](const auto& in, const Case&) { return nn::mse_loss(in("x"), in("y")); }},
            {"l1_loss", [](const auto& in, const Case&) { return nn::l1_loss(in("x"), in("y")); }},
            {"bce_with_logits", [](const auto& in, const Case&) { return nn::binary_cross_entropy_with_logits(in("x"), in("y")); }},
            {"embedding", [](const auto& in, const Case&) { return embedding(in.longs("index"), in("weight")); }},
            {"index_select", [](const auto& in, const Case&) { return index_select(in("x"), 0, in.longs("index")); }},
            {"gather", [](const auto& in, const Case&) { return gather(in("x"), 1, in.longs("index")); }},
            {"lstm",
             [](const auto& in, const Case&) {
                 const auto x = in("x");
                 const auto state = zeros_like(x.narrow(2, 0, 1)[0]).expand({2, 5}).contiguous();
                 return rnn_layer(RnnKind::lstm, false, x, state, state, weights_of(in)).narrow(0, 0, 3);
             }},
            {"gru",
             [](const auto& in, const Case&) {
                 const auto x = in("x");
                 const auto state = zeros_like(x.narrow(2, 0, 1)[0]).expand({2, 5}).contiguous();
                 return rnn_layer(RnnKind::gru, false, x, state, {}, weights_of(in));
             }},
        },
        {"from", "to", "random", "print", "sgd", "adam"});
}

TEST_CASE("halfs: conversions, random numbers, text and optimisers agree with PyTorch's", "[ops]") {
    for (const Case& c : load_cases("half.txt")) {
        const bool short_exponent = c.str("dtype") == "float16";
        std::string wrong;
        if (c.op == "from" || c.op == "to") wrong = short_exponent ? conversions<float16>(c) : conversions<bfloat16>(c);
        if (c.op == "random") wrong = short_exponent ? random_numbers<float16>(c) : random_numbers<bfloat16>(c);
        if (c.op == "print") wrong = short_exponent ? printed<float16>(c) : printed<bfloat16>(c);
        if (c.op == "sgd" || c.op == "adam") wrong = short_exponent ? optimizer_steps<float16>(c) : optimizer_steps<bfloat16>(c);
        if (!wrong.empty()) FAIL_CHECK(wrong);
    }
}

namespace {

template <class T>
struct Net : nn::Module<Net<T>> {
    nn::Conv2d<T> conv{1, 4, 3};
    nn::BatchNorm2d<T> norm{4};
    nn::Linear<T> fc1{4 * 3 * 3, 16}, fc2{16, 3};

    Tensor<T> forward(Tensor<T> x) {
        x = max_pool2d(relu(norm(conv(x))), 2).flatten(1);
        return fc2(tanh(fc1(x)));
    }
};

/// The gradients of a network of halfs beside those of the same network of floats: the largest difference, relative to the largest.
template <class T>
double gradient_error() {
    manual_seed(1);
    Net<float> wide;
    Net<T> net;
    const auto from = wide.parameters();
    const auto to = net.parameters();
    for (std::size_t i = 0; i < from.size(); ++i) {
        NoGrad guard;
        to[i].copy_(from[i].template to<T>());
        from[i].copy_(to[i].template to<float>());
    }
    const auto x = randn<T>({6, 1, 8, 8});
    const auto labels = randint(3, {6});
    nn::cross_entropy(wide(x.template to<float>()), labels).backward();
    nn::cross_entropy(net(x), labels).backward();
    double error = 0;
    for (std::size_t i = 0; i < from.size(); ++i) {
        const auto there = from[i].grad();
        // the gradient of a bias before batch normalisation is nothing but rounding
        const double largest = std::max(0.01, static_cast<double>(abs(there).max().item()));
        error = std::max(error, static_cast<double>(abs(to[i].grad().template to<float>() - there).max().item()) / largest);
    }
    return error;
}

template <class T>
void in_place_and_places() {
    auto x = zeros<T>({3, 4});
    x[0] = 5;
    x(1, headtorch::all) = tensor<T>({1, 2, 3, 4});
    x(2, slice(1, 3)) += 0.5;
    x.masked_fill_(x == 3, -1);
    x *= 2;
    CHECK(x.tolist() == std::vector<T>{10, 10, 10, 10, 2, 4, -2, 8, 0, 1, 1, 0});
    CHECK(x.t().contiguous()[1].tolist() == std::vector<T>{10, 4, 1});
    CHECK(cat({x, x}, 1).shape() == Shape{3, 8});
    CHECK(x(x > 5).numel() == 5);
    x(slice(0, 2)).copy_(tensor<T>({{1, 1, 1, 1}, {2, 2, 2, 2}}));
    CHECK(sum(x).item() == 14);
    const auto [largest, at] = x.max(1);
    CHECK(largest.tolist() == std::vector<T>{1, 2, 1});
    CHECK(at.tolist() == std::vector<std::int64_t>{0, 0, 1});
    CHECK(median(tensor<T>({3, 1, 2})).item() == 2);
    CHECK(std::isnan(amax(tensor<T>({3, NAN, 2})).item()));
    const auto sorted = sort(tensor<T>({3, NAN, -2}), 0).values;
    CHECK(sorted[0].item() == -2);
    CHECK(std::isnan(sorted[2].item()));
    CHECK(full<T>({}, 0.1).item() == T(0.1));
    CHECK(arange<T>(4).tolist() == std::vector<T>{0, 1, 2, 3});
    CHECK(T(2) * x[0][0].item() == 2);
    CHECK((x * T(2))[0][0].item() == 2);
    // a view of every other element, by the strided paths of maps and reductions
    const auto wide = arange<T>(24).reshape({4, 6})(headtorch::all, slice(0, 6, 2));
    CHECK((wide + 1).tolist() == std::vector<T>{1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23});
    CHECK(sum(wide, 0).tolist() == std::vector<T>{36, 44, 52});
    CHECK(allclose(wide, wide.clone()));
    manual_seed(3);
    const auto kept = dropout(ones<T>({1000}), 0.25);
    CHECK(std::abs(static_cast<double>(mean(kept).item()) - 1) < 0.1);
}

template <class T>
double trained_loss() {
    manual_seed(2);
    Net<T> net;
    optim::AdamW<T> optimizer(net.parameters(), {.lr = 0.01, .eps = 1e-4});
    const auto x = randn<T>({12, 1, 8, 8});
    const auto labels = randint(3, {12});
    double last = 0;
    for (int i = 0; i < 30; ++i) {
        optimizer.zero_grad();
        const auto loss = nn::cross_entropy(net(x), labels);
        loss.backward();
        optimizer.step();
        last = static_cast<double>(loss.item());
    }
    return last;
}

}  // namespace

TEST_CASE("halfs: gradients of a network are those of floats, but for rounding", "[ops]") {
    CHECK(gradient_error<float16>() < 0.02);
    CHECK(gradient_error<bfloat16>() < 0.15);
    CHECK(gradient_error<float16>() > 1e-5);
}

TEST_CASE("halfs: in place, by index, strided", "[ops]") {
    in_place_and_places<float16>();
    in_place_and_places<bfloat16>();
}

TEST_CASE("halfs: large arrays in several pieces", "[ops]") {
    manual_seed(0);
    const auto x = rand<float16>({300, 1000});
    const auto wide = x.to<float>();
    CHECK(equal(tanh(x) * 2, (tanh(wide).to<float16>().to<float>() * 2).to<float16>()));
    CHECK(std::abs(static_cast<double>(mean(x).item()) - static_cast<double>(mean(wide).item())) < 5e-4);
    CHECK(std::isinf(sum(x).item()));  // 150,000 is no float16
    CHECK(equal(sum(x, 1), sum(wide, 1).to<float16>()));
    CHECK(equal(sum(x, 0), sum(wide, 0).to<float16>()));
    CHECK(equal(x.t().to<float>(), wide.t()));
}

TEST_CASE("halfs: a network learns", "[ops]") {
    CHECK(trained_loss<float16>() < 0.2);
    CHECK(trained_loss<bfloat16>() < 0.2);
}
