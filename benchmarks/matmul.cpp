// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Matrix products of shapes that networks have, in floating-point operations per second.

#include <benchmark/benchmark.h>

#include <headtorch/headtorch.hpp>
using namespace headtorch;

namespace {

/// [m, k] x [k, n], with the second one given as the transpose of [n, k], as in a linear layer, when `linear` is true.
template <class T, bool linear>
void product(benchmark::State& state) {
    const NoGrad guard;
    const auto m = state.range(0), k = state.range(1), n = state.range(2);
    const Tensor<T> a = randn<T>({m, k}), b = linear ? randn<T>({n, k}).t() : randn<T>({k, n});
    for (auto _ : state) benchmark::DoNotOptimize(matmul(a, b));
    state.counters["flops"] = benchmark::Counter(2.0 * static_cast<double>(m * k * n), benchmark::Counter::kIsIterationInvariantRate);
}

void shapes(benchmark::internal::Benchmark* bench) {
    for (const int n : {2, 8, 32, 64, 128, 256, 512, 1024}) bench->Args({n, n, n});
    bench->Args({5, 2, 2})->Args({32, 64, 64})->Args({64, 784, 64})->Args({784, 64, 64})->Args({1, 1024, 1024});
}
BENCHMARK(product<float, false>)->Apply(shapes);
BENCHMARK(product<float, true>)->Apply(shapes);
BENCHMARK(product<double, false>)->Apply(shapes);

}  // namespace
