// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// A steady training loop makes no call to malloc. This program counts its own: it stands in for the C library's allocators.

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <headtorch/headtorch.hpp>

#include "tests/support/catch.hpp"

#if defined(__SANITIZE_THREAD__)
#define HEADTORCH_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HEADTORCH_TEST_SANITIZED 1
#endif
#endif

// Only glibc has names for what lies behind malloc; a sanitizer has its own malloc.
#if defined(__GLIBC__) && !defined(HEADTORCH_ADDRESS_SANITIZER) && !defined(HEADTORCH_TEST_SANITIZED)
#define HEADTORCH_TEST_COUNTS_MALLOC 1
#endif

namespace {
thread_local std::int64_t calls = 0;
}

#if defined(HEADTORCH_TEST_COUNTS_MALLOC)
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t bytes) noexcept { return ++calls, __libc_malloc(bytes); }
void* calloc(std::size_t count, std::size_t bytes) noexcept { return ++calls, __libc_calloc(count, bytes); }
void* realloc(void* pointer, std::size_t bytes) noexcept { return ++calls, __libc_realloc(pointer, bytes); }
void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept { return ++calls, __libc_memalign(alignment, bytes); }
void* memalign(std::size_t alignment, std::size_t bytes) noexcept { return ++calls, __libc_memalign(alignment, bytes); }
int posix_memalign(void** pointer, std::size_t alignment, std::size_t bytes) noexcept {
    ++calls;
    *pointer = __libc_memalign(alignment, bytes);
    return *pointer ? 0 : ENOMEM;
}
}
#endif

using namespace headtorch;

namespace {

/// Calls of malloc by this thread in 20 steps, after some that warm up.
template <class Step>
std::int64_t calls_in_steps(Step step) {
    for (int i = 0; i < 5; ++i) step();
    const std::int64_t before = calls;
    for (int i = 0; i < 20; ++i) step();
    return calls - before;
}

struct Net : nn::Module<Net> {
    nn::Linear<> fc1{12, 16}, fc2{16, 3};
    Tensor<> forward(const Tensor<>& x) const { return fc2(tanh(fc1(x))); }
};

template <class Optimizer>
std::int64_t calls_of_training(Optimizer optimizer, const Net& net) {
    const Tensor<> x = randn({96, 12});
    const Tensor<std::int64_t> y = randint(0, 3, {96});
    std::int64_t i = 0;
    return calls_in_steps([&] {
        optimizer.zero_grad();
        const Tensor<> loss = nn::cross_entropy(net(x.narrow(0, i, 32)), y.narrow(0, i, 32));
        i = (i + 32) % 96;
        loss.backward();
        optimizer.step();
        static_cast<void>(loss.item());
    });
}

}  // namespace

#if defined(HEADTORCH_TEST_COUNTS_MALLOC)
TEST_CASE("the allocators are counted", "[core]") {
    CHECK(calls_in_steps([] { delete new volatile int(1); }) == 20);
    CHECK(calls_in_steps([] { std::free(std::aligned_alloc(64, 64)); }) == 20);
}
#endif

TEST_CASE("a steady training loop makes no call to malloc", "[core]") {
    Net net;
    CHECK(calls_of_training(optim::SGD(net.parameters(), {.lr = 0.01, .momentum = 0.9}), net) == 0);
    CHECK(calls_of_training(optim::Adam(net.parameters(), {.lr = 0.01}), net) == 0);
}

TEST_CASE("nor does one with an update written by hand", "[core]") {
    nn::Linear<double> linear(4, 1);
    const auto params = linear.parameters();
    const Tensor<double> x = randn<double>({8, 4}), y = rand<double>({8, 1});
    CHECK(calls_in_steps([&] {
        nn::binary_cross_entropy(sigmoid(linear(x)), y).backward();
        const NoGrad guard;
        for (const auto& p : params) {
            p -= p.grad() * 0.1;
            p.zero_grad();
        }
    }) == 0);
}

TEST_CASE("nor do large tensors, whose memory is kept", "[core]") {
    const Tensor<> x = randn({300, 1000}).requires_grad_();
    CHECK(calls_in_steps([&] {
        (exp(x) * x + x.sum(0)).mean().backward();
        x.zero_grad();
    }) == 0);
}
