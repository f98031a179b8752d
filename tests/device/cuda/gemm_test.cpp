// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Products on the GPU, by cuBLASLt and by our own kernel, against the host in double.

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "headtorch/device/cuda/gemm.cuh"
#include "tests/support/catch.hpp"
#include "tests/support/device_numbers.hpp"

namespace {

using namespace headtorch;
using namespace headtorch::testing;

/// A matrix somewhere in a buffer: with the strides of `kind` (0 rows, 1 columns, 2 rows with gaps, 3 columns with gaps, 4 any).
struct Placed {
    std::int64_t rows, cols, row_stride, col_stride, offset, batch_stride, size;
};
Placed place(std::int64_t batch, std::int64_t rows, std::int64_t cols, int kind, std::int64_t offset, bool one_for_all) {
    Placed p{rows, cols, 0, 0, offset, 0, 0};
    const std::int64_t gap = kind >= 2 ? 3 : 0;
    if (kind % 2 == 0) {
        p.col_stride = kind == 4 ? 2 : 1;
        p.row_stride = (cols + gap) * p.col_stride;
    } else {
        p.row_stride = 1;
        p.col_stride = rows + gap;
    }
    const std::int64_t span = rows * cols == 0 ? 0 : (rows - 1) * p.row_stride + (cols - 1) * p.col_stride + 1;
    p.batch_stride = one_for_all ? 0 : span + gap;
    p.size = offset + span + (batch - 1) * p.batch_stride + 5;
    return p;
}

template <class T>
MatrixRef<T> ref(T* data, const Placed& p) {
    return {data + p.offset, p.rows, p.cols, p.row_stride, p.col_stride};
}

enum class Way { library, own };

template <class T, class Out = T>
struct Problem {
    std::int64_t batch, m, n, k;
    Placed a, b, c;
    bool add, bias;
    Way way;
    Epilogue epilogue = Epilogue::none;
};

/// Computes a problem and compares every element, also those of the buffer that do not belong to c, which must stay as they were.
template <class T, class Out = T>
void compare(const Problem<T, Out>& p, std::mt19937& random) {
    const auto a = uniform_numbers<T>(p.a.size, random), b = uniform_numbers<T>(p.b.size, random);
    const auto c = uniform_numbers<Out>(p.c.size, random), bias = uniform_numbers<Out>(p.n + 1, random);
    const DeviceNumbers<T> da(a), db(b);
    const DeviceNumbers<Out> dc(c), dbias(bias);
    const Out* const bias_there = p.bias ? dbias.data() + p.k % 2 : nullptr;
    const Accumulate accumulate = p.add ? Accumulate::yes : Accumulate::no;
    if (p.way == Way::own)
        cuda::detail::gemm_tiled<T, Out>("test", {p.batch, ref<const T>(da.data(), p.a), ref<const T>(db.data(), p.b), ref(dc.data(), p.c),
                                                  p.a.batch_stride, p.b.batch_stride, p.c.batch_stride, bias_there, p.add, p.epilogue});
    else if (p.bias || p.epilogue != Epilogue::none)
        cuda::gemm_bias(Cuda{}, ref<const T>(da.data(), p.a), ref<const T>(db.data(), p.b), bias_there, ref(dc.data(), p.c), p.epilogue);
    else if (p.batch > 1)
        gemm_batched(Cuda{}, p.batch, ref<const T>(da.data(), p.a), p.a.batch_stride, ref<const T>(db.data(), p.b), p.b.batch_stride,
                     ref(dc.data(), p.c), p.c.batch_stride, accumulate);
    else
        gemm(Cuda{}, ref<const T>(da.data(), p.a), ref<const T>(db.data(), p.b), ref(dc.data(), p.c), accumulate);
    const std::vector<Out> found = dc.vector();
    // tensor cores, which multiply halfs, do not round each partial sum to nearest
    const double tolerance = std::same_as<T, Out> || p.way == Way::own ? sum_tolerance<Out>() : 1e-5;

    using Exact = std::conditional_t<std::is_integral_v<T>, std::uint64_t, double>;
    std::vector<Exact> wanted(c.begin(), c.end());
    std::vector<double> scale(c.size(), 0);
    std::vector<bool> written(c.size(), false);
    const auto at = [](const auto& x, std::int64_t i) { return static_cast<Exact>(x[static_cast<std::size_t>(i)]); };
    for (std::int64_t i = 0; i < p.batch; ++i)
        for (std::int64_t r = 0; r < p.m; ++r)
            for (std::int64_t q = 0; q < p.n; ++q) {
                const auto to = static_cast<std::size_t>(p.c.offset + i * p.c.batch_stride + r * p.c.row_stride + q * p.c.col_stride);
                if (!written[to] && !p.add) wanted[to] = 0;
                written[to] = true;
                scale[to] += std::abs(static_cast<double>(wanted[to]));
                for (std::int64_t d = 0; d < p.k; ++d) {
                    const Exact product = at(a, p.a.offset + i * p.a.batch_stride + r * p.a.row_stride + d * p.a.col_stride) *
                                          at(b, p.b.offset + i * p.b.batch_stride + d * p.b.row_stride + q * p.b.col_stride);
                    wanted[to] += product;
                    scale[to] += std::abs(static_cast<double>(product));
                }
                if (p.bias) {
                    wanted[to] += at(bias, q + p.k % 2);
                    scale[to] += std::abs(static_cast<double>(at(bias, q + p.k % 2)));
                }
                if constexpr (!std::is_integral_v<Out>) {
                    if (p.epilogue == Epilogue::relu) wanted[to] = std::max(0.0, wanted[to]);
                }
            }
    std::size_t wrong = 0, first = 0;
    for (std::size_t i = 0; i < c.size(); ++i) {
        bool right;
        if constexpr (std::is_integral_v<T>)
            right = found[i] == static_cast<Out>(wanted[i]);
        else if (!written[i])
            right = found[i] == c[i];
        else
            right = std::abs(static_cast<double>(found[i]) - wanted[i]) <= tolerance * scale[i] + smallest_step<Out>();
        if (!right && wrong++ == 0) first = i;
    }
    INFO("batch " << p.batch << ", " << p.m << " x " << p.k << " x " << p.n << ", strides " << p.a.row_stride << " " << p.a.col_stride
                  << ", " << p.b.row_stride << " " << p.b.col_stride << ", " << p.c.row_stride << " " << p.c.col_stride
                  << (p.add ? ", added" : "") << (p.bias ? ", bias" : "") << (p.way == Way::own ? ", own kernel" : ""));
    INFO("element " << first << ": " << static_cast<double>(found[first]) << " instead of " << static_cast<double>(wanted[first]));
    REQUIRE(wrong == 0);
}

template <class T, class Out = T>
void compare_random(int count, unsigned seed) {
    std::mt19937 random(seed);
    const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    const auto size = [&] { return below(8) == 0 ? below(3) : below(3) == 0 ? 60 + below(80) : 1 + below(40); };
    for (int i = 0; i < count; ++i) {
        Problem<T, Out> p;
        p.batch = below(3) == 0 ? 1 + below(5) : 1;
        p.m = size();
        p.n = size();
        p.k = size();
        p.way = below(3) == 0 ? Way::own : Way::library;
        p.bias = p.batch == 1 && below(4) == 0;
        p.add = !p.bias && below(2) == 0;
        p.a = place(p.batch, p.m, p.k, below(5), below(6), below(4) == 0);
        p.b = place(p.batch, p.k, p.n, below(5), below(6), below(4) == 0);
        p.c = place(p.batch, p.m, p.n, below(5), below(6), p.way == Way::library && !std::is_integral_v<T> && below(8) == 0);
        compare(p, random);
    }
}

TEST_CASE("gemm on the GPU: random shapes and strides, against the host") {
    compare_random<float>(400, 1);
    compare_random<double>(300, 2);
    compare_random<float16>(100, 3);
    compare_random<bfloat16>(100, 4);
    compare_random<std::int32_t>(100, 5);
    compare_random<std::int64_t>(100, 6);
    compare_random<std::uint8_t>(60, 7);
}

TEST_CASE("gemm on the GPU: halfs multiplied into floats") {
    compare_random<float16, float>(100, 13);
    compare_random<bfloat16, float>(100, 14);
    // one shape, twice: what was decided for results that are halfs is not taken for floats, nor the other way round
    std::mt19937 random(15);
    const Placed a = place(1, 40, 32, 0, 0, false), b = place(1, 32, 48, 1, 0, false), to = place(1, 40, 48, 0, 0, false);
    const Problem<float16> halfs{1, 40, 48, 32, a, b, to, false, false, Way::library};
    const Problem<float16, float> floats{1, 40, 48, 32, a, b, to, false, false, Way::library};
    for (int i = 0; i < 2; ++i) {
        compare(halfs, random);
        compare(floats, random);
    }
    // sums that float16 does not hold: 2^17 + 2^-4
    const DeviceNumbers<float16> ones(std::vector<float16>(40 * 64, float16(1))), large(std::vector<float16>(64 * 64, float16(2048)));
    const DeviceNumbers<float> c(std::vector<float>(40 * 64, 0x1p-4f));
    gemm(Cuda{}, MatrixRef<const float16>{ones.data(), 40, 64, 64, 1}, MatrixRef<const float16>{large.data(), 64, 64, 64, 1},
         MatrixRef<float>{c.data(), 40, 64, 64, 1}, Accumulate::yes);
    REQUIRE(c.vector() == std::vector<float>(40 * 64, 0x1p17f + 0x1p-4f));
}

TEST_CASE("gemm on the GPU: rows and columns that repeat, vectors, nothing at all") {
    std::mt19937 random(8);
    const std::int64_t m = 70, n = 50, k = 33;
    for (const bool own : {false, true})
        for (int variant = 0; variant < 4; ++variant) {
            Problem<float> p{1,
                             m,
                             n,
                             k,
                             place(1, m, k, 0, 0, false),
                             place(1, k, n, 0, 0, false),
                             place(1, m, n, 0, 0, false),
                             false,
                             false,
                             own ? Way::own : Way::library};
            if (variant == 0 || variant == 2) p.a.row_stride = 0;   // one row, repeated
            if (variant == 1 || variant == 2) p.b.col_stride = 0;   // one column, repeated
            if (variant == 2) p.a.col_stride = p.b.row_stride = 0;  // one number
            if (variant == 3) p.a.row_stride = p.a.col_stride = 1;  // windows that overlap
            compare(p, random);
        }
    for (const auto [rows, cols, depth] : {std::array<std::int64_t, 3>{1, 300, 200},
                                           {300, 1, 200},
                                           {1, 1, 2000},
                                           {1, 300, 1},
                                           {130, 140, 0},
                                           {0, 5, 5},
                                           {5, 0, 5},
                                           {64, 64, 16},
                                           {65, 129, 17}})
        for (int kind = 0; kind < 5; ++kind)
            for (const bool own : {false, true})
                for (const bool add : {false, true}) {
                    compare<float>({1, rows, cols, depth, place(1, rows, depth, kind, 1, false), place(1, depth, cols, 4 - kind, 0, false),
                                    place(1, rows, cols, (kind + 1) % 5, 2, false), add, false, own ? Way::own : Way::library},
                                   random);
                    compare<double>({1, rows, cols, depth, place(1, rows, depth, kind, 1, false), place(1, depth, cols, kind, 0, false),
                                     place(1, rows, cols, kind, 2, false), add, !add, own ? Way::own : Way::library},
                                    random);
                }
}

TEST_CASE("gemm on the GPU: deep products, and sums of a batch") {
    std::mt19937 random(9);
    for (const bool own : {false, true})
        compare<float>({1, 40, 70, 20000, place(1, 40, 20000, 0, 0, false), place(1, 20000, 70, 0, 0, false), place(1, 40, 70, 0, 0, false),
                        false, false, own ? Way::own : Way::library},
                       random);
    // c_batch 0: all products into one matrix, by one deep product where the factors lie like that
    for (const int kind : {0, 1}) {
        Problem<float> p{
            6,    20,    30,          40, place(6, 20, 40, kind, 0, false), place(6, 40, 30, 0, 0, false), place(6, 20, 30, 0, 0, true),
            true, false, Way::library};
        p.b.batch_stride = 40 * 30;
        if (kind == 1) p.a.batch_stride = 20 * 40;
        compare(p, random);
    }
}

TEST_CASE("gemm on the GPU: a bias and a relu, in one kernel") {
    std::mt19937 random(10);
    for (const bool bias : {false, true})
        for (const bool own : {false, true})
            for (const std::int64_t m : {3, 80}) {
                compare<float>({1, m, 70, 30, place(1, m, 30, 0, 0, false), place(1, 30, 70, 1, 0, false), place(1, m, 70, 0, 0, false),
                                false, bias, own ? Way::own : Way::library, Epilogue::relu},
                               random);
                compare<double>({1, m, 70, 30, place(1, m, 30, 0, 0, false), place(1, 30, 70, 1, 0, false), place(1, m, 70, 1, 0, false),
                                 false, bias, own ? Way::own : Way::library, Epilogue::relu},
                                random);
            }
}

TEST_CASE("gemm on the GPU: TF32 only when it is allowed") {
    REQUIRE(cuda::get_float32_matmul_precision() == "highest");
    const auto error = [] {
        std::mt19937 random(11);
        const auto a = uniform_numbers<float>(128 * 128, random), b = uniform_numbers<float>(128 * 128, random);
        const DeviceNumbers<float> da(a), db(b), dc(std::vector<float>(128 * 128)), exact(std::vector<float>(128 * 128));
        const MatrixRef<const float> ra{da.data(), 128, 128, 128, 1}, rb{db.data(), 128, 128, 128, 1};
        gemm(Cuda{}, ra, rb, MatrixRef<float>{dc.data(), 128, 128, 128, 1}, Accumulate::no);
        cuda::detail::gemm_tiled<float>("test",
                                        {1, ra, rb, {exact.data(), 128, 128, 128, 1}, 0, 0, 0, nullptr, false, Epilogue::none});
        const auto x = dc.vector(), y = exact.vector();
        float most = 0;
        for (std::size_t i = 0; i < x.size(); ++i) most = std::max(most, std::abs(x[i] - y[i]));
        return most;
    };
    REQUIRE(error() < 1e-5f);
    cuda::set_float32_matmul_precision("high");
    REQUIRE(cuda::is_tf32_allowed());
    const float rough = error();
    const bool ampere = cuda::get_device_properties().major >= 8;
    cuda::set_float32_matmul_precision("highest");
    REQUIRE(rough < 2e-2f);
    if (ampere) REQUIRE(rough > 1e-5f);
    REQUIRE(error() < 1e-5f);
    REQUIRE_THROWS_WITH(cuda::set_float32_matmul_precision("low"), contains("set_float32_matmul_precision"));
}

#if defined(HEADTORCH_CUDA_EMULATOR)
TEST_CASE("gemm on the GPU: cuBLASLt does what is large, and its errors are ours") {
    std::mt19937 random(12);
    const Problem<float> p{
        1,     70,    80,          90, place(1, 70, 90, 0, 0, false), place(1, 90, 80, 4, 0, false), place(1, 70, 80, 1, 0, false),
        false, false, Way::library};
    const std::size_t before = cuda_emulator::lt::products;
    compare(p, random);
    REQUIRE(cuda_emulator::lt::products == before + 1);
    std::int64_t n = 100;
    for (const char* call : {"cublasLtMatmul", "cublasLtMatmulAlgoGetHeuristic"}) {
        const DeviceNumbers<float> x(std::vector<float>(200 * 200)), y(std::vector<float>(200 * 200));
        const MatrixRef<const float> a{x.data(), ++n, n, n, 1};
        cuda_emulator::fail_next(call, cudaErrorLaunchFailure);
        REQUIRE_THROWS_WITH(gemm(Cuda{}, a, a, MatrixRef<float>{y.data(), n, n, n, 1}, Accumulate::no),
                            contains("matmul: ") && contains(call) && contains("CUBLAS_STATUS_EXECUTION_FAILED"));
        cuda_emulator::recover();
    }
    compare(p, random);

    // what cuBLASLt does not take: a bias goes before the product, anything else to our kernel
    const auto refused = [&](std::int64_t k, bool bias, Epilogue epilogue, int times) {
        Problem<float> q{1, 70, 80, k, place(1, 70, k, 0, 0, false), place(1, k, 80, 0, 0, false), place(1, 70, 80, 2, 0, false), false,
                         bias, Way::library};
        q.epilogue = epilogue;
        for (int i = 0; i < times; ++i) cuda_emulator::fail_next("cublasLtMatmulAlgoGetHeuristic", cudaErrorNotSupported);
        const std::size_t then = cuda_emulator::lt::products;
        compare(q, random);
        compare(q, random);  // the refusal is remembered
        cuda_emulator::recover();
        return cuda_emulator::lt::products - then;
    };
    // halfs into floats are left to it, too, with a bias as well
    const std::size_t then = cuda_emulator::lt::products;
    compare(Problem<bfloat16, float>{1, 70, 80, 90, place(1, 70, 90, 0, 0, false), place(1, 90, 80, 1, 0, false),
                                     place(1, 70, 80, 0, 0, false), false, true, Way::library},
            random);
    REQUIRE(cuda_emulator::lt::products == then + 1);
    REQUIRE(refused(91, false, Epilogue::none, 1) == 0);
    REQUIRE(refused(92, true, Epilogue::none, 1) == 2);
    REQUIRE(refused(93, true, Epilogue::none, 2) == 0);
    REQUIRE(refused(94, true, Epilogue::relu, 1) == 0);
}
#endif

}  // namespace
