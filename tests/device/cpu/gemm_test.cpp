// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/device/cpu/gemm.hpp"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

#include "tests/support/catch.hpp"

namespace {

using namespace headtorch;
using namespace headtorch::cpu;

enum class Layout { row_major, column_major, padded_rows, every_second, repeated_row, repeated_column };
constexpr Layout layouts[] = {Layout::row_major,    Layout::column_major, Layout::padded_rows,
                              Layout::every_second, Layout::repeated_row, Layout::repeated_column};
constexpr Layout target_layouts[] = {Layout::row_major, Layout::column_major, Layout::padded_rows, Layout::every_second};

/// A matrix in memory of its own; what lies between its elements is filled with a mark that must survive.
template <class T>
struct Owned {
    std::vector<T> values;
    MatrixRef<T> ref;

    Owned(std::int64_t rows, std::int64_t cols, Layout layout, T mark) {
        std::int64_t row_stride = cols, col_stride = 1;
        if (layout == Layout::column_major) row_stride = 1, col_stride = rows;
        if (layout == Layout::padded_rows) row_stride = cols + 3;
        if (layout == Layout::every_second) row_stride = 2 * cols + 1, col_stride = 2;
        if (layout == Layout::repeated_row) row_stride = 0;
        if (layout == Layout::repeated_column) row_stride = 1, col_stride = 0;
        // Exactly as long as needed: the address sanitizer sees every read past the end.
        const std::int64_t size = rows == 0 || cols == 0 ? 0 : (rows - 1) * row_stride + (cols - 1) * col_stride + 1;
        values.assign(static_cast<std::size_t>(size), mark);
        ref = {values.data(), rows, cols, row_stride, col_stride};
    }
    void fill(std::mt19937& random) {
        for (std::int64_t i = 0; i < ref.rows; ++i)
            for (std::int64_t j = 0; j < ref.cols; ++j) {
                // Floats hold small integers: sums are exact in any order, and every comparison can be ==.
                if constexpr (std::is_floating_point_v<T>)
                    ref(i, j) = static_cast<T>(static_cast<int>(random() % 17) - 8);
                else
                    ref(i, j) = static_cast<T>(random());
            }
    }
};

/// c (+)= a b by its definition; integers modulo 2^64.
template <class T>
auto reference(MatrixRef<T> a, MatrixRef<T> b, MatrixRef<T> c, Accumulate accumulate) {
    using Wide = std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t>;
    std::vector<Wide> result;
    for (std::int64_t i = 0; i < c.rows; ++i)
        for (std::int64_t j = 0; j < c.cols; ++j) {
            Wide sum = accumulate == Accumulate::yes ? static_cast<Wide>(c(i, j)) : Wide{};
            for (std::int64_t p = 0; p < a.cols; ++p) sum += static_cast<Wide>(a(i, p)) * static_cast<Wide>(b(p, j));
            result.push_back(sum);
        }
    return result;
}

/// The number of elements of c that differ from the reference.
template <class T, class Wide>
int mismatches(MatrixRef<T> c, const std::vector<Wide>& expected) {
    int count = 0;
    std::size_t at = 0;
    for (std::int64_t i = 0; i < c.rows; ++i)
        for (std::int64_t j = 0; j < c.cols; ++j, ++at) count += c(i, j) != static_cast<T>(expected[at]);
    return count;
}

template <class T>
int marks(const Owned<T>& c, T mark) {
    int count = 0;
    for (T value : c.values) count += value == mark;
    return count;
}

template <class T>
int wrong(std::int64_t m, std::int64_t n, std::int64_t k, Layout la, Layout lb, Layout lc, Accumulate accumulate) {
    std::mt19937 random(static_cast<unsigned>(m * 10007 + n * 101 + k));
    const T mark = std::is_floating_point_v<T> ? static_cast<T>(1e30) : static_cast<T>(77);
    Owned<T> a(m, k, la, mark), b(k, n, lb, mark), c(m, n, lc, mark);
    a.fill(random);
    b.fill(random);
    if (accumulate == Accumulate::yes) c.fill(random);
    const auto expected = reference(a.ref, b.ref, c.ref, accumulate);
    gemm(a.ref, b.ref, c.ref, accumulate);
    int count = mismatches(c.ref, expected);
    const auto gaps = static_cast<std::int64_t>(c.values.size()) - m * n;
    if constexpr (std::is_floating_point_v<T>)
        if (m * n > 0 && marks(c, mark) != gaps) ++count;
    return count;
}

}  // namespace

TEMPLATE_TEST_CASE("gemm agrees with a plain loop for all small sizes", "[gemm]", float, double) {
    for (std::int64_t m = 0; m <= 17; ++m)
        for (std::int64_t n = 0; n <= 17; ++n) {
            int failures = 0;
            for (std::int64_t k = 0; k <= 17; ++k)
                for (Layout la : {Layout::row_major, Layout::column_major})
                    for (Layout lb : {Layout::row_major, Layout::column_major})
                        for (Layout lc : {Layout::row_major, Layout::column_major})
                            for (Accumulate add : {Accumulate::no, Accumulate::yes})
                                failures += wrong<TestType>(m, n, k, la, lb, lc, add) != 0;
            INFO("m = " << m << ", n = " << n);
            CHECK(failures == 0);
        }
}

TEMPLATE_TEST_CASE("gemm agrees with a plain loop for all strides", "[gemm]", float, double, std::int64_t, std::int32_t, std::uint8_t) {
    const std::int64_t shapes[][3] = {{1, 1, 1},   {1, 40, 33}, {40, 1, 33},   {2, 50, 70}, {50, 3, 70},  {4, 4, 100},
                                      {5, 2, 2},   {32, 64, 2}, {64, 10, 64},  {33, 65, 1}, {37, 41, 43}, {640, 2, 2},
                                      {2, 640, 2}, {70, 4, 4},  {15, 33, 129}, {29, 70, 20}};
    for (const auto& [m, n, k] : shapes)
        for (Layout la : layouts)
            for (Layout lb : layouts)
                for (Layout lc : target_layouts)
                    for (Accumulate add : {Accumulate::no, Accumulate::yes}) {
                        INFO(m << " x " << n << " x " << k << ", layouts " << int(la) << " " << int(lb) << " " << int(lc));
                        CHECK(wrong<TestType>(m, n, k, la, lb, lc, add) == 0);
                    }
}

TEMPLATE_TEST_CASE("gemm agrees with a plain loop around the block sizes", "[gemm]", float, double) {
    const std::int64_t shapes[][3] = {{13, 31, 319},  {14, 32, 320}, {15, 33, 321}, {28, 64, 640}, {29, 95, 641}, {223, 48, 330},
                                      {224, 16, 161}, {225, 17, 5},  {449, 40, 9},  {6, 16, 159},  {7, 15, 160},  {97, 24, 161},
                                      {20, 3071, 7},  {20, 3072, 6}, {9, 3110, 12}, {3, 1600, 40}, {64, 64, 784}, {64, 784, 64},
                                      {1, 784, 700},  {2, 785, 701}, {700, 2, 785}, {3, 5, 2000},  {4, 100, 999}};
    for (const auto& [m, n, k] : shapes)
        for (Layout la : {Layout::row_major, Layout::column_major})
            for (Layout lb : {Layout::row_major, Layout::column_major})
                for (Layout lc : {Layout::row_major, Layout::column_major})
                    for (Accumulate add : {Accumulate::no, Accumulate::yes}) {
                        INFO(m << " x " << n << " x " << k << ", layouts " << int(la) << " " << int(lb) << " " << int(lc));
                        CHECK(wrong<TestType>(m, n, k, la, lb, lc, add) == 0);
                    }
}

TEMPLATE_TEST_CASE("gemm gives the same bits for any number of threads", "[gemm]", float, double) {
    const int before = get_num_threads();
    const std::int64_t shapes[][3] = {{200, 210, 700}, {1300, 33, 90},  {40, 3200, 80}, {2, 1500, 1500},
                                      {1, 2100, 2000}, {1700, 3, 1600}, {70000, 4, 10}, {9000, 20, 30}};
    for (const auto& [m, n, k] : shapes)
        for (Layout la : {Layout::row_major, Layout::column_major})
            for (Layout lb : {Layout::row_major, Layout::column_major}) {
                std::mt19937 random(1);
                Owned<TestType> a(m, k, la, 0), b(k, n, lb, 0);
                for (auto* values : {&a.values, &b.values})
                    for (TestType& value : *values) value = static_cast<TestType>(std::uniform_real_distribution<double>(-1, 1)(random));
                std::vector<TestType> first;
                for (int threads : {1, 2, 3, 4, 7}) {
                    set_num_threads(threads);
                    Owned<TestType> c(m, n, Layout::row_major, 0);
                    gemm(a.ref, b.ref, c.ref, Accumulate::no);
                    if (first.empty()) first = c.values;
                    INFO(m << " x " << n << " x " << k << ", threads " << threads);
                    CHECK(std::memcmp(first.data(), c.values.data(), first.size() * sizeof(TestType)) == 0);
                }
            }
    set_num_threads(before);
}

TEMPLATE_TEST_CASE("gemm passes on infinities and NaN", "[gemm]", float, double) {
    const TestType inf = std::numeric_limits<TestType>::infinity();
    for (std::int64_t n : {1, 2, 3, 8, 33, 70}) {
        Owned<TestType> a(n, n, Layout::row_major, 0), b(n, n, Layout::row_major, 1), c(n, n, Layout::row_major, 5);
        a.ref(0, 0) = 0;
        b.ref(0, 0) = inf;
        gemm(a.ref, b.ref, c.ref, Accumulate::no);
        for (std::int64_t i = 0; i < n; ++i)
            for (std::int64_t j = 0; j < n; ++j) CHECK((j == 0 ? std::isnan(c.ref(i, j)) : c.ref(i, j) == 0));
    }
}

TEMPLATE_TEST_CASE("gemm of nothing", "[gemm]", float, double, std::int64_t) {
    Owned<TestType> a(3, 0, Layout::row_major, 0), b(0, 4, Layout::row_major, 0), c(3, 4, Layout::row_major, 5);
    gemm(a.ref, b.ref, c.ref, Accumulate::yes);
    CHECK(c.values == std::vector<TestType>(12, 5));
    gemm(a.ref, b.ref, c.ref, Accumulate::no);
    CHECK(c.values == std::vector<TestType>(12, 0));
    gemm<TestType>({nullptr, 0, 7, 7, 1}, {nullptr, 7, 4, 4, 1}, {nullptr, 0, 4, 4, 1}, Accumulate::no);
    gemm<TestType>({nullptr, 3, 7, 7, 1}, {nullptr, 7, 0, 0, 1}, {nullptr, 3, 0, 0, 1}, Accumulate::yes);
}

TEMPLATE_TEST_CASE("gemm_batched multiplies each pair", "[gemm]", float, double, std::int32_t) {
    const std::int64_t shapes[][4] = {{5, 3, 4, 2},   {7, 20, 33, 40}, {300, 16, 16, 16}, {1, 9, 9, 9},
                                      {3, 1, 70, 50}, {0, 2, 2, 2},    {4, 2, 2, 0}};
    for (const auto& [batch, m, n, k] : shapes)
        for (bool one_a : {false, true})
            for (bool one_b : {false, true})
                for (bool one_c : {false, true})
                    for (Accumulate add : {Accumulate::no, Accumulate::yes}) {
                        std::mt19937 random(3);
                        const std::int64_t copies = batch + 1;  // the batch as the rows of one tall matrix
                        Owned<TestType> a(copies * m, k, Layout::row_major, 0), b(copies * k, n, Layout::row_major, 0);
                        Owned<TestType> c(copies * m, n, Layout::row_major, 0);
                        a.fill(random);
                        b.fill(random);
                        c.fill(random);
                        const std::int64_t step_a = one_a ? 0 : m * k, step_b = one_b ? 0 : k * n, step_c = one_c ? 0 : m * n;
                        Owned<TestType> expected = c;
                        expected.ref.data = expected.values.data();
                        for (std::int64_t i = 0; i < batch; ++i)
                            gemm<TestType>({a.values.data() + i * step_a, m, k, k, 1}, {b.values.data() + i * step_b, k, n, n, 1},
                                           {expected.values.data() + i * step_c, m, n, n, 1}, one_c && i > 0 ? Accumulate::yes : add);
                        gemm_batched<TestType>(batch, {a.values.data(), m, k, k, 1}, step_a, {b.values.data(), k, n, n, 1}, step_b,
                                               {c.values.data(), m, n, n, 1}, step_c, add);
                        INFO(batch << " of " << m << " x " << n << " x " << k << ", one " << one_a << one_b << one_c);
                        CHECK(c.values == expected.values);
                    }
}

TEST_CASE("gemm_packed takes operands from functors", "[gemm]") {
    // A Hankel matrix, B[p, j] = signal[p + j]: the one-dimensional im2col.
    std::vector<float> signal(200), weights(20 * 11);
    for (std::size_t i = 0; i < signal.size(); ++i) signal[i] = static_cast<float>(i % 7) - 3;
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<float>(i % 5) - 2;
    const auto columns = [&](std::int64_t first, int width, std::int64_t p, std::int64_t depth, float* out, int out_width) {
        for (std::int64_t q = 0; q < depth; ++q)
            for (int r = 0; r < out_width; ++r)
                out[q * out_width + r] = r < width ? signal[static_cast<std::size_t>(p + q + first + r)] : 0.0f;
        return cpu::detail::Panel<float>{out, out_width};
    };
    Owned<float> c(20, 190, Layout::row_major, 0);
    cpu::detail::gemm_packed(20, 190, 11, cpu::detail::PackMatrix<float>{weights.data(), 11, 1, true}, columns, c.ref, Accumulate::no);
    int failures = 0;
    for (std::int64_t i = 0; i < 20; ++i)
        for (std::int64_t j = 0; j < 190; ++j) {
            float sum = 0;
            for (std::int64_t p = 0; p < 11; ++p)
                sum += weights[static_cast<std::size_t>(i * 11 + p)] * signal[static_cast<std::size_t>(p + j)];
            failures += c.ref(i, j) != sum;
        }
    CHECK(failures == 0);
}
