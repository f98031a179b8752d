// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// The pointwise kernel over every layout, held against plain loops; and the number of threads changes nothing.
#include "headtorch/device/cpu/map.hpp"

#include <cstdint>
#include <stdexcept>
#include <vector>

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

/// Element i of x in row-major order, found the slow way.
template <class T>
T element_of(const Tensor<T>& x, std::int64_t i) {
    std::int64_t offset = 0;
    for (int d = x.dim() - 1; d >= 0; --d) {
        offset += i % x.size(d) * x.stride(d);
        i /= x.size(d);
    }
    return x.data()[offset];
}

/// a * 2 + b, by the kernel and by a loop.
template <class T>
bool agrees(const Tensor<T>& a, const Tensor<T>& b) {
    const Shape shape = broadcast_shapes("test", a.shape(), b.shape());
    const auto y = a * 2 + b;
    const auto wide_a = a.expand(shape), wide_b = b.expand(shape);
    bool good = y.shape() == shape && y.is_contiguous();
    for (std::int64_t i = 0; good && i < y.numel(); ++i)
        good = y.data()[i] == static_cast<T>(static_cast<T>(element_of(wide_a, i) * 2) + element_of(wide_b, i));
    return good;
}

template <class T>
Tensor<T> numbers(const Shape& shape) {
    return randint<T>(0, 50, shape);
}

}  // namespace

TEMPLATE_TEST_CASE("all layouts", "[device]", float, double, std::int64_t, std::int32_t, std::uint8_t) {
    using T = TestType;
    manual_seed(8);
    for (const std::int64_t n : {0, 1, 2, 3, 7, 8, 15, 16, 17, 63, 64, 65, 255, 256, 257, 1000, 40000}) {
        INFO(n);
        CHECK(agrees(numbers<T>({n}), numbers<T>({n})));
        CHECK(agrees(numbers<T>({n}), numbers<T>({1})));
        CHECK(agrees(numbers<T>({n}), numbers<T>({})));
        CHECK(agrees(numbers<T>({2 * n})(slice(0, 2 * n, 2)), numbers<T>({n})));
        CHECK(agrees(numbers<T>({n, 3}).t(), numbers<T>({3, n})));
        CHECK(agrees(numbers<T>({n, 3}), numbers<T>({3})));
        CHECK(agrees(numbers<T>({n, 3}), numbers<T>({n, 1})));
        CHECK(agrees(numbers<T>({3, 1}), numbers<T>({1, n})));
    }
    CHECK(agrees(numbers<T>({4, 5, 6}).permute(2, 0, 1), numbers<T>({6, 1, 5})));
    CHECK(agrees(numbers<T>({300, 300}).t(), numbers<T>({300, 300})));
    CHECK(agrees(numbers<T>({2, 1, 3, 2, 1, 2, 2, 3}).permute(7, 6, 5, 4, 3, 2, 1, 0), numbers<T>({2, 1, 3, 1, 2})));
    CHECK(agrees(numbers<T>({9, 700})(all, slice(1, 600)), numbers<T>({9, 599})));
}

TEST_CASE("results in place, into strides", "[device]") {
    manual_seed(9);
    for (const std::int64_t n : {1, 5, 64, 300, 20000}) {
        const auto x = randn({n, 4});
        const auto before = x.clone();
        x(all, slice(1, 4, 2)) *= 3;
        bool good = true;
        for (std::int64_t i = 0; i < 4 * n; ++i) good = good && x.data()[i] == before.data()[i] * (i % 2 ? 3.0f : 1.0f);
        CHECK(good);
        x.t() += before.t();
        for (std::int64_t i = 0; i < 4 * n; ++i) good = good && x.data()[i] == before.data()[i] * (i % 2 ? 3.0f : 1.0f) + before.data()[i];
        CHECK(good);
    }
}

TEST_CASE("masks in and out", "[device]") {
    manual_seed(10);
    for (const std::int64_t n : {1, 9, 33, 1000, 50000}) {
        const auto a = randn<double>({n}), b = randn<double>({n});
        const auto mask = a < b, both = mask & (a > 0.0);
        const auto picked = masked_fill(a, both, 7);
        bool good = true;
        for (std::int64_t i = 0; i < n; ++i) {
            const bool less = a.data()[i] < b.data()[i], and_positive = less && a.data()[i] > 0;
            good = good && mask.data()[i] == less && both.data()[i] == and_positive && picked.data()[i] == (and_positive ? 7 : a.data()[i]);
        }
        CHECK(good);
    }
}

TEST_CASE("a result too large for the caches", "[device]") {
    const auto x = arange<float>(0, 5'000'011);
    const auto y = x * 2 + 1;
    bool good = true;
    for (std::int64_t i = 0; i < x.numel(); ++i) good = good && y.data()[i] == x.data()[i] * 2 + 1;
    CHECK(good);
    const auto z = x(slice(1)) - x(slice(0, -1));  // not aligned
    CHECK(all(z == 1.0f).item());
    x += 1;
    CHECK(x[-1].item() == 5'000'011);
}

TEST_CASE("no result depends on the number of threads", "[device]") {
    manual_seed(12);
    const int before = get_num_threads();
    const auto x = randn({517, 333}), w = randn({333, 40});
    const auto results = [&] {
        const auto leaf = x.detach().requires_grad_();
        const auto y = leaf.t().exp().t() * x + x[0];
        y.sum().backward();
        return std::vector<Tensor<>>{y.detach(), leaf.grad(), x.sum(), x.sum(0), x.mean({1}), matmul(x, w),
                                     softmax(x, 1), cumsum(x, 0), x(x > 0.0f)};
    };
    set_num_threads(1);
    const auto one = results();
    for (const int threads : {2, 3, 7}) {
        set_num_threads(threads);
        const auto several = results();
        for (std::size_t i = 0; i < one.size(); ++i) {
            INFO("result " << i << " with " << threads << " threads");
            CHECK(equal(one[i], several[i]));
        }
    }
    set_num_threads(before);
}

TEST_CASE("parallel_for covers every item once and hands exceptions on", "[device]") {
    const int before = get_num_threads();
    for (const int threads : {1, 2, 5}) {
        set_num_threads(threads);
        for (const std::int64_t count : {0, 1, 9, 10, 11, 1000}) {
            std::vector<int> seen(static_cast<std::size_t>(count), 0);
            parallel_for(count, 10, [&](std::int64_t begin, std::int64_t end) {
                for (std::int64_t i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
            });
            CHECK(seen == std::vector<int>(static_cast<std::size_t>(count), 1));
        }
        CHECK_THROWS_WITH(parallel_for(100, 1, [](std::int64_t begin, std::int64_t end) {
            if (begin <= 70 && 70 < end) throw std::runtime_error("piece with 70");
        }), contains("piece with 70"));
    }
    set_num_threads(before);
}
