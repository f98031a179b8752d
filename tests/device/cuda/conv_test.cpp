// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Convolutions, their gradients, unfold and fold on the GPU, by each of our kernels and by cuDNN, against the host in double.

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "headtorch/device/cuda/conv.cuh"
#include "headtorch/device/cuda/conv_fold.cuh"
#include "tests/support/catch.hpp"
#include "tests/support/device_numbers.hpp"

namespace {

using namespace headtorch;
using namespace headtorch::testing;

/// Sums, and those of the absolute terms.
struct Sums {
    std::vector<double> value, scale;
    explicit Sums(std::int64_t n) : value(static_cast<std::size_t>(n)), scale(static_cast<std::size_t>(n)) {}
    void add(std::int64_t i, double x) {
        value[static_cast<std::size_t>(i)] += x;
        scale[static_cast<std::size_t>(i)] += std::abs(x);
    }
};

std::int64_t in_elements(const ConvGeometry& g) { return g.batch * g.in_channels * g.in_size(); }
std::int64_t out_elements(const ConvGeometry& g) { return g.batch * g.out_channels * g.out_size(); }
std::int64_t weight_elements(const ConvGeometry& g) { return g.out_channels * g.group_inputs() * g.taps(); }

/// Calls visit(x, y, weight) with the places of the factors and the sum of each multiplication.
template <class Visit>
void for_each_term(const ConvGeometry& g, const Visit& visit) {
    const auto axis = [](const ConvAxis& a, const auto& run) {
        for (std::int64_t o = 0; o < a.out; ++o)
            for (std::int64_t k = 0; k < a.kernel; ++k)
                if (const std::int64_t i = o * a.stride + k * a.dilation - a.padding; i >= 0 && i < a.in) run(i, o, k);
    };
    const ConvAxis(&a)[3] = g.axes;
    const std::int64_t inputs = g.group_inputs(), outputs = g.group_outputs();
    axis(a[0], [&](std::int64_t iz, std::int64_t oz, std::int64_t kz) {
        axis(a[1], [&](std::int64_t iy, std::int64_t oy, std::int64_t ky) {
            axis(a[2], [&](std::int64_t ix, std::int64_t ox, std::int64_t kx) {
                const std::int64_t in = (iz * a[1].in + iy) * a[2].in + ix, out = (oz * a[1].out + oy) * a[2].out + ox,
                                   tap = (kz * a[1].kernel + ky) * a[2].kernel + kx;
                for (std::int64_t n = 0; n < g.batch; ++n)
                    for (std::int64_t co = 0; co < g.out_channels; ++co)
                        for (std::int64_t ci = 0; ci < inputs; ++ci)
                            visit((n * g.in_channels + co / outputs * inputs + ci) * g.in_size() + in,
                                  (n * g.out_channels + co) * g.out_size() + out, (co * inputs + ci) * g.taps() + tap);
            });
        });
    });
}

/// How far what was found may be off: as a share of the absolute terms, and at least.
struct Allowed {
    double share, least;
};
/// `roundings`: how often it was rounded to T.
template <class T>
Allowed rounded(int roundings = 1) {
    return {roundings * sum_tolerance<T>(), roundings * smallest_step<T>()};
}

template <class T>
void compare(const char* what, const std::vector<T>& found, const Sums& wanted, Allowed may = rounded<T>()) {
    REQUIRE(found.size() == wanted.value.size());
    std::size_t wrong = 0, first = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
        const double off = std::abs(static_cast<double>(found[i]) - wanted.value[i]);
        if (!(off <= may.share * wanted.scale[i] + may.least) && wrong++ == 0) first = i;
    }
    if (wrong == 0) return;
    INFO(what << ", element " << first << " of " << found.size() << ": " << static_cast<double>(found[first]) << " instead of "
              << wanted.value[first]);
    REQUIRE(wrong == 0);
}

std::string text(const ConvGeometry& g) {
    std::string s = "batch " + std::to_string(g.batch) + ", groups " + std::to_string(g.groups) + ", " + std::to_string(g.in_channels) +
                    " to " + std::to_string(g.out_channels) + " channels";
    for (const ConvAxis& a : g.axes)
        s += "; in " + std::to_string(a.in) + ", out " + std::to_string(a.out) + ", kernel " + std::to_string(a.kernel) + ", stride " +
             std::to_string(a.stride) + ", dilation " + std::to_string(a.dilation) + ", padding " + std::to_string(a.padding);
    return s;
}

enum class Way { library, own, tiles, direct };

/// The convolution and both gradients, by one way.
template <class T, class Out = T>
void compare_conv(const ConvGeometry& g, Way way, bool with_bias, std::mt19937& random) {
    INFO(text(g) << ", way " << static_cast<int>(way));
    const auto x = uniform_numbers<T>(in_elements(g), random), dy = uniform_numbers<T>(out_elements(g), random),
               w = uniform_numbers<T>(weight_elements(g), random);
    const auto b = uniform_numbers<Out>(std::max(g.in_channels, g.out_channels), random);
    const DeviceNumbers<T> gx(x), gdy(dy), gw(w);
    const DeviceNumbers<Out> gb(b);
    const std::vector<Out> waste = uniform_numbers<Out>(std::max({in_elements(g), out_elements(g), weight_elements(g)}), random);
    const auto somewhere = [&](std::int64_t n) { return std::vector<Out>(waste.begin(), waste.begin() + n); };
    const DeviceNumbers<Out> gy(somewhere(out_elements(g))), gdx(somewhere(in_elements(g))), gdw(somewhere(weight_elements(g)));
    const Out* const bias = with_bias ? gb.data() : nullptr;
    const T *const px = gx.data(), *const pdy = gdy.data(), *const pw = gw.data();
    cuda::set_use_cudnn(way == Way::library);
    if (way == Way::library || way == Way::own) {
        conv_forward(Cuda{}, g, px, pw, bias, gy.data());
        conv_input_gradient(Cuda{}, g, pdy, pw, bias, gdx.data());
        conv_weight_gradient(Cuda{}, g, px, pdy, gdw.data());
    } else if (way == Way::tiles) {
        cuda::detail::correlate_by_tiles<T, Out>("test", cuda::detail::Correlation(g, false), {px, pw, bias, gy.data()});
        cuda::detail::correlate_by_tiles<T, Out>("test", cuda::detail::Correlation(g, true), {pdy, pw, bias, gdx.data()});
        cuda::detail::weight_gradient_by_tiles("test", cuda::detail::WeightPlan(g), px, pdy, gdw.data());
    } else {
        cuda::detail::conv_direct("test", g, px, pw, bias, gy.data());
        cuda::detail::conv_input_direct("test", g, pdy, pw, bias, gdx.data());
        cuda::detail::conv_weight_direct("test", cuda::detail::WeightPlan(g), px, pdy, gdw.data());
    }
    cuda::set_use_cudnn(true);

    Sums sy(out_elements(g)), sdx(in_elements(g)), sdw(weight_elements(g));
    const auto at = [](const auto& values, std::int64_t i) { return static_cast<double>(values[static_cast<std::size_t>(i)]); };
    for_each_term(g, [&](std::int64_t i, std::int64_t o, std::int64_t k) {
        sy.add(o, at(x, i) * at(w, k));
        sdx.add(i, at(dy, o) * at(w, k));
        sdw.add(k, at(x, i) * at(dy, o));
    });
    if (with_bias) {
        for (std::int64_t i = 0; i < out_elements(g); ++i) sy.add(i, at(b, i / g.out_size() % g.out_channels));
        for (std::int64_t i = 0; i < in_elements(g); ++i) sdx.add(i, at(b, i / g.in_size() % g.in_channels));
    }
    const auto allowed = [&](bool biased) -> Allowed {
        if (way != Way::library) return rounded<Out>();
        if (std::same_as<T, Out>) return rounded<T>(Half<T> && biased ? 2 : 1);  // cuDNN's sum, and then that with the bias
        // cuDNN gives halfs; tensor cores, which multiply halfs, do not round each partial sum to nearest
        return cuda::cudnn_version() > 0 ? rounded<T>() : Allowed{1e-5, 0};
    };
    compare("y", gy.vector(), sy, allowed(with_bias));
    compare("dx", gdx.vector(), sdx, allowed(with_bias));
    compare("dw", gdw.vector(), sdw, allowed(false));
}

class Geometries {
public:
    explicit Geometries(unsigned seed) : random(seed) {}
    int below(int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); }

    /// About `work` multiplications.
    ConvGeometry any() {
        ConvGeometry g;
        g.rank = 1 + below(3);
        g.batch = 1 + below(4);
        g.groups = below(2) == 0 ? 1 : 1 + below(4);
        const int most = g.groups > 1 && below(2) == 0 ? 1 : below(4) == 0 ? 40 : 5;
        g.in_channels = g.groups * (1 + below(most));
        g.out_channels = g.groups * (1 + below(most));
        for (int d = 3 - g.rank; d < 3; ++d) {
            ConvAxis& a = g.axes[d];
            a.kernel = 1 + below(g.rank == 1 ? 7 : 4);
            a.stride = 1 + (below(2) == 0 ? 0 : below(4));
            a.dilation = 1 + (below(2) == 0 ? 0 : below(4));
            a.padding = below(2) == 0 ? 0 : below(6);
            a.in = 1 + below(g.rank == 1 ? 60 : g.rank == 2 ? 14 : 7);
            const std::int64_t room = a.in + 2 * a.padding - a.dilation * (a.kernel - 1) - 1;
            a.out = room < 0 ? 1 + below(3) : room / a.stride + 1;
            if (below(4) == 0) a.out = std::max<std::int64_t>(1, a.out + below(5) - 2);  // padding at the end that differs
        }
        if (below(10) == 0)
            for (ConvAxis& a : g.axes) a = ConvAxis{a.in, a.in};  // a matrix product
        return g;
    }

    std::mt19937 random;
};

template <class T, class Out = T>
void compare_random(int count, unsigned seed) {
    Geometries geometries(seed);
    for (int i = 0; i < count; ++i) {
        const ConvGeometry g = geometries.any();
        const bool bias = geometries.below(2) == 0;
        for (const Way way : {Way::library, Way::own, Way::tiles, Way::direct})
            if (way == Way::library || geometries.below(2) == 0) compare_conv<T, Out>(g, way, bias, geometries.random);
    }
}

TEST_CASE("convolutions on the GPU: random geometries, against the host") {
    compare_random<float>(200, 1);
    compare_random<double>(150, 2);
    compare_random<float16>(40, 3);
    compare_random<bfloat16>(40, 4);
}

TEST_CASE("convolutions on the GPU: halfs multiplied into floats") {
    compare_random<float16, float>(60, 12);
    compare_random<bfloat16, float>(60, 13);
}

ConvGeometry square(std::int64_t batch, std::int64_t groups, std::int64_t in_channels, std::int64_t out_channels, std::int64_t in,
                    ConvAxis axis) {
    ConvGeometry g{.rank = 2, .batch = batch, .groups = groups, .in_channels = in_channels, .out_channels = out_channels, .axes = {}};
    axis.in = in;
    axis.out = (in + 2 * axis.padding - axis.dilation * (axis.kernel - 1) - 1) / axis.stride + 1;
    g.axes[1] = g.axes[2] = axis;
    return g;
}

TEST_CASE("convolutions on the GPU: tiles of every height, deep sums, many groups, a stride beyond the image") {
    std::mt19937 random(5);
    for (const ConvGeometry& g :
         {square(2, 1, 3, 130, 40, {.kernel = 3, .padding = 1}),                // many channels, many pixels: high tiles
          square(1, 1, 130, 70, 30, {.kernel = 3, .stride = 2, .padding = 1}),  // deep
          square(64, 1, 1, 6, 28, {.kernel = 5, .padding = 2}),                 // the first of LeNet: 50,176 pixels for each weight
          square(2, 64, 64, 64, 12, {.kernel = 3, .padding = 1}),               // depthwise
          square(2, 16, 16, 48, 9, {.kernel = 3, .stride = 2, .padding = 1}),   // depthwise, three for each
          square(2, 3, 3, 96, 9, {.kernel = 3, .padding = 1}),                  // one channel to many
          square(1, 1, 3, 20, 32, {.kernel = 8, .stride = 8}),                  // patches
          square(1, 1, 3, 4, 5, {.kernel = 3, .stride = 7, .padding = 1}),      // some pixels reach nothing
          square(3, 1, 70, 40, 1, {}),                                          // a linear layer
          square(3, 1, 40, 70, 11, {}),                                         // a matrix product for each image
          square(3, 2, 40, 70, 11, {})}) {
        for (const Way way : {Way::library, Way::own}) compare_conv<float>(g, way, true, random);
        compare_conv<double>(g, Way::own, false, random);
    }
    compare_conv<float>(square(1, 300, 300, 300, 4, {.kernel = 3}), Way::tiles, true, random);
}

TEST_CASE("convolutions on the GPU: nothing to sum gives zeros, or the bias") {
    std::mt19937 random(6);
    ConvGeometry none = square(0, 1, 3, 4, 5, {.kernel = 3});
    compare_conv<float>(none, Way::library, true, random);
    ConvGeometry no_output = square(2, 1, 3, 4, 5, {.kernel = 3});
    no_output.axes[1].out = 0;
    compare_conv<float>(no_output, Way::library, true, random);
    ConvGeometry no_input = square(2, 1, 3, 4, 5, {.kernel = 3, .padding = 2});
    no_input.axes[2].in = 0;
    compare_conv<float>(no_input, Way::own, true, random);
    ConvGeometry beyond = square(2, 1, 3, 4, 5, {.kernel = 2, .padding = 1});
    beyond.axes[1].padding = 40;  // every tap reads padding
    compare_conv<float>(beyond, Way::own, true, random);
}

TEST_CASE("convolutions on the GPU: the same bits again, and a clear word where an image is too large") {
    std::mt19937 random(7);
    const ConvGeometry g = square(16, 1, 20, 40, 20, {.kernel = 3, .padding = 1});
    const DeviceNumbers<float> x(uniform_numbers<float>(in_elements(g), random)), dy(uniform_numbers<float>(out_elements(g), random)),
        dw(uniform_numbers<float>(weight_elements(g), random));
    const auto run = [&] {
        conv_weight_gradient(Cuda{}, g, static_cast<const float*>(x.data()), static_cast<const float*>(dy.data()), dw.data());
        return dw.vector();
    };
    const std::vector<float> once = run();
    for (int i = 0; i < 3; ++i) REQUIRE(run() == once);

    ConvGeometry huge = square(1, 1, 1, 1, 60000, {.kernel = 3, .padding = 1});
    cuda::set_use_cudnn(false);
    float* const nothing = nullptr;
    REQUIRE_THROWS_WITH(conv_forward(Cuda{}, huge, static_cast<const float*>(nothing), static_cast<const float*>(nothing),
                                     static_cast<const float*>(nothing), nothing),
                        contains("conv: an image of 3600000000 elements") && contains("tiles"));
    cuda::set_use_cudnn(true);
}

TEST_CASE("channel_sums on the GPU, against the host") {
    std::mt19937 random(8);
    for (const auto& sizes : {std::array<std::int64_t, 3>{3, 5, 7},
                              {1, 1, 1},
                              {0, 4, 3},
                              {2, 4, 0},
                              {2, 0, 4},
                              {200, 3, 300},
                              {2, 2, 40000},
                              {70000, 1, 1},
                              {1, 3, 16384},
                              {2, 3, 16385},
                              {40, 2, 16384}}) {
        const std::int64_t images = sizes[0], channels = sizes[1], size = sizes[2];
        const auto check = [&]<class T>(T) {
            const auto x = uniform_numbers<T>(images * channels * size, random);
            const DeviceNumbers<T> gx(x), sums(std::vector<T>(static_cast<std::size_t>(channels), static_cast<T>(9)));
            channel_sums(Cuda{}, images, channels, size, static_cast<const T*>(gx.data()), sums.data());
            Sums wanted(channels);
            for (std::int64_t i = 0; i < images * channels * size; ++i)
                wanted.add(i / size % channels, static_cast<double>(x[static_cast<std::size_t>(i)]));
            INFO(images << " x " << channels << " x " << size);
            compare("sums", sums.vector(), wanted);
        };
        check(float{});
        check(double{});
        check(float16{});
    }
}

TEST_CASE("unfold and fold on the GPU: random geometries, against the host") {
    Geometries geometries(9);
    for (int i = 0; i < 150; ++i) {
        ConvGeometry g = geometries.any();
        g.rank = 2;
        g.axes[0] = ConvAxis{};
        INFO(text(g));
        const auto check = [&]<class T>(T) {
            const std::int64_t pixels = in_elements(g), patches = g.batch * g.in_channels * g.taps() * g.out_size();
            const auto x = uniform_numbers<T>(pixels, geometries.random), columns = uniform_numbers<T>(patches, geometries.random);
            const DeviceNumbers<T> gx(x), gcolumns(columns), to_columns(columns), to_x(x);
            conv_unfold(Cuda{}, g, static_cast<const T*>(gx.data()), to_columns.data());
            conv_fold(Cuda{}, g, static_cast<const T*>(gcolumns.data()), to_x.data());
            Sums unfolded(patches), folded(pixels);
            ConvGeometry single = g;  // one output channel for each plane: its terms are those of the columns
            single.batch = g.batch * g.in_channels;
            single.in_channels = single.out_channels = single.groups = 1;
            for_each_term(single, [&](std::int64_t in, std::int64_t out, std::int64_t tap) {
                const std::int64_t plane = out / g.out_size(), column = (plane * g.taps() + tap) * g.out_size() + out % g.out_size();
                unfolded.add(column, static_cast<double>(x[static_cast<std::size_t>(in)]));
                folded.add(in, static_cast<double>(columns[static_cast<std::size_t>(column)]));
            });
            compare("columns", to_columns.vector(), unfolded);
            compare("x", to_x.vector(), folded);
        };
        if (i % 3 == 0)
            check(double{});
        else if (i % 3 == 1)
            check(bfloat16{});
        else
            check(float{});
    }
}

#if defined(HEADTORCH_CUDNN)
TEST_CASE("convolutions on the GPU: cuDNN and our own kernels agree") {
    REQUIRE(cuda::cudnn_version() / 10000 + (cuda::cudnn_version() < 10000 ? cuda::cudnn_version() / 1000 : 0) == CUDNN_MAJOR);
    Geometries geometries(10);
    for (int i = 0; i < 40; ++i) {
        const ConvGeometry g = geometries.any();
        INFO(text(g));
        const DeviceNumbers<double> x(uniform_numbers<double>(in_elements(g), geometries.random)),
            dy(uniform_numbers<double>(out_elements(g), geometries.random)),
            w(uniform_numbers<double>(weight_elements(g), geometries.random));
        const auto results = [&](bool library) {
            cuda::set_use_cudnn(library);
            const DeviceNumbers<double> y(dy.vector()), dx(x.vector()), dw(w.vector());
            const double *const px = x.data(), *const pdy = dy.data(), *const pw = w.data(), *const none = nullptr;
            conv_forward(Cuda{}, g, px, pw, none, y.data());
            conv_input_gradient(Cuda{}, g, pdy, pw, none, dx.data());
            conv_weight_gradient(Cuda{}, g, px, pdy, dw.data());
            cuda::set_use_cudnn(true);
            return std::array{y.vector(), dx.vector(), dw.vector()};
        };
        const auto ours = results(false), theirs = results(true);
        for (std::size_t k = 0; k < 3; ++k)
            for (std::size_t j = 0; j < ours[k].size(); ++j) REQUIRE(theirs[k][j] == Approx(ours[k][j]).epsilon(1e-10).margin(1e-11));
    }
}
#endif

#if defined(HEADTORCH_CUDNN) && defined(HEADTORCH_CUDA_EMULATOR)
TEST_CASE("convolutions on the GPU: what cuDNN is asked, and what it is not") {
    namespace dnn = cuda_emulator::dnn;
    std::mt19937 random(11);
    const ConvGeometry g = square(2, 1, 3, 4, 9, {.kernel = 3, .padding = 1});
    std::size_t before = dnn::convolutions;
    compare_conv<float>(g, Way::library, true, random);
    REQUIRE(dnn::convolutions == before + 3);
    REQUIRE(dnn::last_algorithm == dnn::plain);  // exact, deterministic, and modest
    const std::size_t choices = dnn::choices;
    compare_conv<float>(g, Way::library, true, random);
    REQUIRE(dnn::choices == choices);

    cuda::use_deterministic_algorithms(false);
    compare_conv<float>(g, Way::library, true, random);
    REQUIRE(dnn::last_algorithm == dnn::restless);
    cuda::use_deterministic_algorithms(true);

    cuda::allow_tf32(true);
    const DeviceNumbers<float> x(std::vector<float>(2 * 3 * 81, 1 + 0x1p-12f)), w(std::vector<float>(4 * 27, 1)),
        y(std::vector<float>(2 * 4 * 81));
    conv_forward(Cuda{}, g, static_cast<const float*>(x.data()), static_cast<const float*>(w.data()), static_cast<const float*>(nullptr),
                 y.data());
    cuda::allow_tf32(false);
    REQUIRE(dnn::last_algorithm == dnn::rough);
    REQUIRE(y.vector()[9 + 1] == 27);
    conv_forward(Cuda{}, g, static_cast<const float*>(x.data()), static_cast<const float*>(w.data()), static_cast<const float*>(nullptr),
                 y.data());
    REQUIRE(y.vector()[9 + 1] == 27 + 27 * 0x1p-12f);

    ConvGeometry uneven = g;  // one row of padding more at the end
    uneven.axes[1].out = 10;
    before = dnn::convolutions;
    compare_conv<float>(uneven, Way::library, false, random);
    compare_conv<float>(g, Way::own, false, random);
    REQUIRE(dnn::convolutions == before);

    // the heuristic, or the call, may say that it cannot: then we do it
    cuda_emulator::fail_next("cudnnGetConvolutionForwardAlgorithm_v7", cudaErrorNotSupported);
    compare_conv<float>(square(1, 1, 3, 4, 8, {.kernel = 3, .padding = 1}), Way::library, true, random);
    cuda_emulator::fail_next("cudnnConvolutionBackwardData", cudaErrorNotSupported);
    compare_conv<float>(g, Way::library, true, random);
    cuda_emulator::recover();
    REQUIRE(dnn::convolutions == before + 4);

    const ConvGeometry other = square(3, 1, 3, 4, 9, {.kernel = 3, .padding = 1});
    for (const char* call : {"cudnnGetConvolutionForwardAlgorithm_v7", "cudnnConvolutionForward", "cudnnAddTensor"}) {
        cuda_emulator::fail_next(call, cudaErrorLaunchFailure);
        const DeviceNumbers<float> image(std::vector<float>(3 * 3 * 81)), out(std::vector<float>(3 * 4 * 81));
        const float *const px = image.data(), *const pw = w.data();
        REQUIRE_THROWS_WITH(conv_forward(Cuda{}, other, px, pw, pw, out.data()),
                            contains("conv: ") && contains(call) && contains("CUDNN_STATUS_EXECUTION_FAILED"));
        cuda_emulator::recover();
    }
    std::string refusal;
    dnn::version = 8907;
    std::thread([&] {  // whose handle is its own
        const float *const px = x.data(), *const pw = w.data();
        try {
            conv_forward(Cuda{}, g, px, pw, pw, y.data());
        } catch (const CudaError& error) {
            refusal = error.what();
        }
    })
        .join();
    dnn::version = 91900;
    REQUIRE_THAT(refusal, contains("compiled for cuDNN 9") && contains("8907") && contains("set_use_cudnn(false)"));
}
#endif

}  // namespace
