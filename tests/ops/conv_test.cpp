// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Convolutions against PyTorch, and larger ones, which take other ways through the kernels, against their definition in double.
#include "headtorch/ops/conv.hpp"

#include <cmath>
#include <limits>

#include "headtorch/headtorch.hpp"
#include "tests/support/reference.hpp"
#include "tests/support/threads.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

template <int rank>
PerAxis<rank> per_axis(const Case& c, const std::string& key, std::int64_t otherwise) {
    PerAxis<rank> result = otherwise;
    if (!c.has(key)) return result;
    const auto list = c.integers(key);
    for (std::size_t i = 0; i < rank; ++i) result.values[i] = list[list.size() == 1 ? 0 : i];
    return result;
}
template <int rank>
ConvOptions<rank> options(const Case& c) {
    const std::string name = c.str("padding", "0");
    const bool named = name == "same" || name == "valid";
    return {per_axis<rank>(c, "stride", 1), named ? ConvPadding<rank>(name) : ConvPadding<rank>(per_axis<rank>(c, "padding", 0)),
            per_axis<rank>(c, "dilation", 1), c.integer("groups", 1)};
}
template <int rank>
ConvTransposeOptions<rank> transpose_options(const Case& c) {
    return {per_axis<rank>(c, "stride", 1), per_axis<rank>(c, "padding", 0), per_axis<rank>(c, "output_padding", 0), c.integer("groups", 1),
            per_axis<rank>(c, "dilation", 1)};
}

struct Gradients {
    std::vector<double> y, dx, dw, db;
};

/// Output and gradients of x * w + b for the gradient dy, from the definition.
template <class T>
Gradients by_definition(const ConvGeometry& g, const Tensor<T>& x, const Tensor<T>& w, const Tensor<T>& b, const Tensor<T>& dy) {
    Gradients r;
    for (auto [list, tensor] : {std::pair{&r.y, &dy}, std::pair{&r.dx, &x}, std::pair{&r.dw, &w}, std::pair{&r.db, &b}})
        list->assign(static_cast<std::size_t>(tensor->numel()), 0);
    const ConvAxis(&a)[3] = g.axes;
    const auto xs = x.tolist(), ws = w.tolist(), bs = b.tolist(), dys = dy.tolist();
    const auto at = [](std::int64_t i) { return static_cast<std::size_t>(i); };
    for (std::int64_t i = 0; i < dy.numel(); ++i) {
        const std::int64_t ox = i % a[2].out, oy = i / a[2].out % a[1].out, oz = i / (a[1].out * a[2].out) % a[0].out;
        const std::int64_t m = i / g.out_size() % g.out_channels, n = i / g.out_size() / g.out_channels, group = m / g.group_outputs();
        const double gradient = dys[at(i)];
        double sum = bs[at(m)];
        r.db[at(m)] += gradient;
        for (std::int64_t k = 0; k < g.group_inputs() * g.taps(); ++k) {
            const std::int64_t kx = k % a[2].kernel, ky = k / a[2].kernel % a[1].kernel, kz = k / (a[1].kernel * a[2].kernel) % a[0].kernel;
            const std::int64_t iz = oz * a[0].stride + kz * a[0].dilation - a[0].padding;
            const std::int64_t iy = oy * a[1].stride + ky * a[1].dilation - a[1].padding;
            const std::int64_t ix = ox * a[2].stride + kx * a[2].dilation - a[2].padding;
            if (iz < 0 || iz >= a[0].in || iy < 0 || iy >= a[1].in || ix < 0 || ix >= a[2].in) continue;
            const std::int64_t channel = group * g.group_inputs() + k / g.taps();
            const std::int64_t from = (((n * g.in_channels + channel) * a[0].in + iz) * a[1].in + iy) * a[2].in + ix;
            const std::int64_t tap = m * g.group_inputs() * g.taps() + k;
            sum += static_cast<double>(xs[at(from)]) * static_cast<double>(ws[at(tap)]);
            r.dx[at(from)] += gradient * static_cast<double>(ws[at(tap)]);
            r.dw[at(tap)] += gradient * static_cast<double>(xs[at(from)]);
        }
        r.y[at(i)] = sum;
    }
    return r;
}

/// The largest difference, relative to the root of the mean square of `expected`.
template <class T>
double difference_of(const Tensor<T>& tensor, const std::vector<double>& expected) {
    double most = 0, squares = 0;
    const std::vector<T> values = tensor.tolist();
    REQUIRE(values.size() == expected.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        const double d = std::abs(static_cast<double>(values[i]) - expected[i]);
        most = d <= most ? most : std::isnan(d) ? std::numeric_limits<double>::infinity() : d;
        squares += expected[i] * expected[i];
    }
    return most / std::max(1e-3, std::sqrt(squares / static_cast<double>(std::max<std::size_t>(1, values.size()))));
}

template <class T>
Tensor<T> draw(const Shape& shape, Generator& generator) {
    const auto x = empty<T>(shape);
    return x.normal_(0, 1, generator);
}

template <class T>
void check_against_definition(const Shape& input, std::int64_t outputs, const PerAxis<2>& kernel, const ConvOptions<2>& options) {
    Generator generator(11);
    const auto x = draw<T>(input, generator), w = draw<T>({outputs, input[1] / options.groups, kernel[0], kernel[1]}, generator);
    const auto b = draw<T>({outputs}, generator);
    detail::ConvAxisOptions axes[2];
    for (int i = 0; i < 2; ++i) axes[i] = {options.stride[i], options.padding.size[i], 0, options.dilation[i]};
    const ConvGeometry geometry = detail::conv_geometry("conv2d", 2, input, w.shape(), axes, options.padding.same, options.groups);
    for (const auto& tensor : {x, w, b}) tensor.requires_grad_();
    const auto y = conv2d(x, w, b, options);
    const auto dy = draw<T>(y.shape(), generator);
    y.backward(dy);
    const Gradients expected = by_definition(geometry, x.detach(), w.detach(), b.detach(), dy);
    const double tolerance = std::is_same_v<T, float> ? 2e-5 : 1e-12;
    INFO(message(input, " to ", outputs, " channels, kernel ", kernel.to_string(), ", stride ", options.stride.to_string(), ", padding ",
                 options.padding.size.to_string(), ", dilation ", options.dilation.to_string(), ", groups ", options.groups,
                 std::is_same_v<T, float> ? ", float" : ", double"));
    CHECK(difference_of(y.detach(), expected.y) < tolerance);
    CHECK(difference_of(x.grad(), expected.dx) < tolerance);
    CHECK(difference_of(w.grad(), expected.dw) < tolerance);
    CHECK(difference_of(b.grad(), expected.db) < tolerance);
}

}  // namespace

TEST_CASE("convolutions agree with PyTorch", "[ops]") {
    check_family(
        "conv.txt",
        {
            {"conv1d", [](const auto& in, const Case& c) { return conv1d(in("x"), in("weight"), in.optional("bias"), options<1>(c)); }},
            {"conv2d", [](const auto& in, const Case& c) { return conv2d(in("x"), in("weight"), in.optional("bias"), options<2>(c)); }},
            {"conv3d", [](const auto& in, const Case& c) { return conv3d(in("x"), in("weight"), in.optional("bias"), options<3>(c)); }},
        });
}

TEST_CASE("transposed convolutions agree with PyTorch", "[ops]") {
    check_family("conv_transpose.txt",
                 {
                     {"conv_transpose1d",
                      [](const auto& in, const Case& c) {
                          return conv_transpose1d(in("x"), in("weight"), in.optional("bias"), transpose_options<1>(c));
                      }},
                     {"conv_transpose2d",
                      [](const auto& in, const Case& c) {
                          return conv_transpose2d(in("x"), in("weight"), in.optional("bias"), transpose_options<2>(c));
                      }},
                     {"conv_transpose3d",
                      [](const auto& in, const Case& c) {
                          return conv_transpose3d(in("x"), in("weight"), in.optional("bias"), transpose_options<3>(c));
                      }},
                 });
}

TEST_CASE("convolutions of every kind of size agree with their definition", "[ops]") {
    struct {
        Shape input;
        std::int64_t outputs;
        PerAxis<2> kernel;
        ConvOptions<2> options;
    } const cases[] = {
        {{4, 3, 32, 32}, 6, 5, {}},                                       // LeNet
        {{3, 6, 14, 14}, 16, 5, {}},                                      //
        {{2, 3, 20, 20}, 64, 3, {}},                                      // few channels to many
        {{2, 40, 17, 15}, 36, 3, {.padding = 1}},                         // 3 x 3, odd sizes
        {{2, 33, 9, 35}, 47, 3, {.padding = {0, 2}}},                     //
        {{3, 64, 4, 4}, 80, 3, {.padding = 1}},                           // many small images
        {{5, 16, 3, 5}, 16, 3, {.padding = 1}},                           //
        {{2, 17, 67, 68}, 18, 3, {}},                                     // rows of more than one run of tiles
        {{2, 36, 11, 12}, 40, 3, {.padding = 1, .groups = 2}},            //
        {{1, 20, 6, 70}, 17, 3, {.padding = 3}},                          // more padding than kernel
        {{2, 32, 16, 16}, 48, 3, {.stride = 2, .padding = 1}},            //
        {{2, 24, 15, 13}, 20, {5, 2}, {.stride = {3, 2}, .padding = 1}},  //
        {{2, 40, 12, 12}, 50, 1, {}},                                     // a matrix product
        {{2, 40, 13, 12}, 50, 1, {.stride = 2}},                          //
        {{2, 24, 20, 20}, 24, 3, {.padding = 1, .groups = 24}},           // depthwise
        {{2, 12, 21, 19}, 24, {3, 5}, {.stride = 2, .padding = 2, .groups = 12}},
        {{2, 32, 10, 10}, 48, 3, {.padding = 1, .groups = 2}},                  //
        {{1, 4, 30, 300}, 5, {3, 7}, {.padding = {1, 3}, .dilation = {1, 2}}},  // long rows
        {{1, 8, 40, 40}, 8, 11, {.padding = "same"}},                           // a large kernel
        {{1, 70, 3, 3}, 90, 3, {.padding = 1, .dilation = 2}},
        {{5, 1, 9, 9}, 1, 3, {}},
    };
    for (const auto& c : cases) {
        check_against_definition<float>(c.input, c.outputs, c.kernel, c.options);
        check_against_definition<double>(c.input, c.outputs, c.kernel, c.options);
    }
}

TEST_CASE("a convolution's results do not depend on the number of threads", "[ops]") {
    for (const auto& [input, outputs, kernel] :
         {std::tuple{Shape{6, 16, 33, 33}, 24, 3}, std::tuple{Shape{1, 48, 40, 40}, 64, 3}, std::tuple{Shape{7, 3, 64, 64}, 6, 5},
          std::tuple{Shape{16, 96, 6, 6}, 128, 3}, std::tuple{Shape{3, 64, 40, 40}, 64, 1}, std::tuple{Shape{5, 64, 50, 50}, 0, 3}}) {
        Generator generator(3);
        const std::int64_t groups = outputs == 0 ? input[1] : 1, channels = outputs == 0 ? input[1] : outputs;
        const auto x = draw<float>(input, generator).requires_grad_(), b = draw<float>({channels}, generator).requires_grad_();
        const auto w = draw<float>({channels, input[1] / groups, kernel, kernel}, generator).requires_grad_();
        INFO(message(input));
        check_with_threads([&] {
            const auto y = conv2d(x, w, b, {.stride = 1, .padding = 1, .groups = groups});
            const auto gradients = grad((y * y).sum(), std::vector{x, w, b});
            return std::vector<std::vector<float>>{y.tolist(), gradients[0].tolist(), gradients[1].tolist(), gradients[2].tolist()};
        });
    }
}

TEST_CASE("NaN and infinity stay near where they are", "[ops]") {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    const auto x = ones({3, 32, 8, 8});
    x[1].fill_(std::numeric_limits<float>::quiet_NaN());
    x[2](headtorch::all, 0).fill_(infinity);
    const auto y = conv2d(x, ones({32, 32, 3, 3}), {}, {.padding = 1}).tolist();
    bool in_place = true;
    for (std::size_t i = 0; i < y.size(); ++i) {
        const std::size_t image = i / (32 * 64), row = i / 8 % 8;  // a tile of two rows may have them all
        in_place = in_place && std::isfinite(y[i]) == (image == 0 || (image == 2 && row >= 2));
    }
    CHECK(in_place);
    const auto exact = conv2d(x.to<double>(), ones<double>({32, 32, 3, 3}), {}, {.padding = 1})[2].tolist();
    CHECK(exact[0] == std::numeric_limits<double>::infinity());
    CHECK(exact[8] == std::numeric_limits<double>::infinity());
    CHECK(exact[16] == 6 * 32);
}

TEST_CASE("what does not fit a convolution is refused", "[ops]") {
    constexpr std::int64_t huge = std::numeric_limits<std::int64_t>::max();
    const auto x = ones({2, 3, 8, 8}), w = ones({4, 3, 3, 3});
    CHECK_THROWS_WITH(conv2d(ones({2, 5, 8, 8}), w),
                      contains("conv2d: the weight [4, 3, 3, 3] with groups = 1 needs an input of 3 channels") && contains("[2, 5, 8, 8]"));
    CHECK_THROWS_WITH(conv2d(ones({2, 3, 2, 8}), w), contains("conv2d: the kernel is larger than the padded input: it spans 3 of 2"));
    CHECK_THROWS_WITH(conv2d(x, w, {}, {.dilation = 4}), contains("it spans 9 of 8"));
    CHECK_THROWS_WITH(conv2d(x, w, {}, {.groups = 3}), contains("conv2d: groups = 3 does not divide the 4 output channels"));
    CHECK_THROWS_WITH(conv2d(x, w, {}, {.groups = 0}), contains("conv2d: groups must be at least 1, got 0"));
    CHECK_THROWS_WITH(conv2d(x, w, {}, {.stride = -1}), contains("conv2d: stride must be at least 1, got -1"));
    CHECK_THROWS_WITH(conv2d(x, w, {}, {.stride = {1, 0}}), contains("conv2d: stride must be at least 1, got 0"));
    CHECK_THROWS_WITH(conv2d(x, w, {}, {.padding = -1}), contains("conv2d: padding must not be negative, got -1"));
    CHECK_THROWS_WITH(conv2d(x, w, {}, {.dilation = 0}), contains("conv2d: dilation must be at least 1, got 0"));
    CHECK_THROWS_WITH(conv2d(x, w, {}, {.stride = 2, .padding = "same"}), contains("conv2d: padding \"same\" needs stride 1, got 2"));
    CHECK_THROWS_WITH(conv2d(x, w, {}, {.padding = "some"}), contains("padding is \"same\", \"valid\" or numbers, got \"some\""));
    CHECK_THROWS_WITH(conv2d(x, w, {}, {.stride = {1, 2, 3}}), contains("a list of 3 numbers for 2 axes"));
    CHECK_THROWS_WITH(conv2d(x, ones({4, 3, 3})), contains("conv2d: the weight has 4 dimensions"));
    CHECK_THROWS_WITH(conv2d(ones({8, 8}), w), contains("conv2d: the input has 4 dimensions") && contains("[8, 8]"));
    CHECK_THROWS_WITH(conv2d(x, w, ones({3})), contains("conv2d: the bias has 4 elements") && contains("[3]"));
    CHECK_THROWS_WITH(conv2d(x, ones({4, 3, 0, 3})), contains("conv2d: the kernel is empty"));
    CHECK_THROWS_WITH(conv2d(x, w, {}, {.padding = huge / 2}), contains("conv2d: sizes, padding or dilation are too large"));
    CHECK_THROWS_WITH(conv2d(x, w, {}, {.dilation = huge / 2}), contains("too large"));
    CHECK_THROWS_WITH(conv2d(x, w, {}, {.padding = std::int64_t{1} << 31}), contains("too large"));
    CHECK_THROWS_WITH(conv1d(ones({1, 1, 4}), ones({1}).expand({1, 1, std::int64_t{1} << 31}), {}, {.padding = std::int64_t{1} << 31}),
                      contains("has 2147483648 elements per channel"));
    CHECK_THROWS_WITH(conv1d(ones({2, 3, 4, 5, 6}), ones({1, 3, 2})), contains("conv1d: the input has 3 dimensions"));
    CHECK_THROWS_WITH(conv3d(x, ones({1, 3, 2, 2, 2})), contains("conv3d: "));

    CHECK_THROWS_WITH(conv_transpose2d(x, ones({4, 3, 3, 3})), contains("needs an input of 4 channels") && contains("[2, 3, 8, 8]"));
    CHECK_THROWS_WITH(conv_transpose2d(x, ones({3, 4, 3, 3}), ones({3})), contains("the bias has 4 elements"));
    CHECK_THROWS_WITH(conv_transpose2d(x, ones({3, 4, 3, 3}), {}, {.output_padding = 1}), contains("output_padding must be"));
    CHECK_THROWS_WITH(conv_transpose2d(x, ones({3, 4, 3, 3}), {}, {.padding = 5}), contains("the output would have size 0"));
    CHECK_THROWS_WITH(conv_transpose2d(x, ones({3, 4, 3, 3}), {}, {.stride = huge / 4}), contains("too large"));
    CHECK_THROWS_WITH(conv_transpose2d(ones({2, 3, 0, 4}), ones({3, 4, 3, 3})), contains("the input is empty along dimension 2"));
    CHECK_THROWS_WITH(conv_transpose2d(x, ones({3, 4, 3, 3}), {}, {.groups = 2}),
                      contains("groups = 2 does not divide the 3 input channels"));
    CHECK(x.tolist() == ones({2, 3, 8, 8}).tolist());
}

TEST_CASE("convolutions with nothing in them", "[ops]") {
    CHECK(conv2d(ones({2, 0, 4, 4}), ones({3, 0, 3, 3}), tensor<float>({1, 2, 3})).sum().item() == 48);
    CHECK(conv2d(ones({2, 3, 4, 4}), ones({0, 3, 3, 3})).shape() == Shape{2, 0, 2, 2});
    CHECK(conv_transpose2d(ones({2, 0, 2, 2}), ones({0, 1, 2, 2}), ones({1})).tolist() == std::vector<float>(18, 1));
    const auto w = ones({3, 2, 3, 3}).requires_grad_();
    conv2d(ones({0, 2, 4, 4}), w).sum().backward();
    CHECK(w.grad().tolist() == std::vector<float>(54, 0));
}
