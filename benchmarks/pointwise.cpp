// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Pointwise ops and sums by size, in bytes read and written per second.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstring>
#include <headtorch/headtorch.hpp>
using namespace headtorch;

namespace {

/// op(a, b) on tensors of state.range(0) floats that moves `arrays` of that size.
template <class Op>
void run(benchmark::State& state, int arrays, Op op) {
    const NoGrad guard;
    const Tensor<> a = randn({state.range(0)}), b = randn({state.range(0)});
    for (auto _ : state) benchmark::DoNotOptimize(op(a, b));
    state.SetBytesProcessed(state.iterations() * state.range(0) * arrays * static_cast<std::int64_t>(sizeof(float)));
}

void copy(benchmark::State& state) {
    run(state, 2,
        [](const auto& a, const auto& b) { return std::memcpy(b.data(), a.data(), static_cast<std::size_t>(a.numel()) * sizeof(float)); });
}
void relu(benchmark::State& state) {
    run(state, 2, [](const auto& a, const auto&) { return headtorch::relu(a); });
}
void add(benchmark::State& state) {
    run(state, 3, [](const auto& a, const auto& b) { return a + b; });
}
void mul(benchmark::State& state) {
    run(state, 3, [](const auto& a, const auto& b) { return a * b; });
}
void exp(benchmark::State& state) {
    run(state, 2, [](const auto& a, const auto&) { return headtorch::exp(a); });
}
void tanh(benchmark::State& state) {
    run(state, 2, [](const auto& a, const auto&) { return headtorch::tanh(a); });
}
void elu(benchmark::State& state) {
    run(state, 2, [](const auto& a, const auto&) { return nn::elu(a); });
}
void gelu(benchmark::State& state) {
    run(state, 2, [](const auto& a, const auto&) { return nn::gelu(a); });
}
void sum(benchmark::State& state) {
    run(state, 1, [](const auto& a, const auto&) { return headtorch::sum(a); });
}

void sizes(benchmark::internal::Benchmark* bench) {
    for (const std::int64_t n : {4, 1 << 10, 1 << 16, 1 << 20, 1 << 24}) bench->Arg(n);
}
BENCHMARK(copy)->Apply(sizes);
BENCHMARK(relu)->Apply(sizes);
BENCHMARK(add)->Apply(sizes);
BENCHMARK(mul)->Apply(sizes);
BENCHMARK(exp)->Apply(sizes);
BENCHMARK(tanh)->Apply(sizes);
BENCHMARK(elu)->Apply(sizes);
BENCHMARK(gelu)->Apply(sizes);
BENCHMARK(sum)->Apply(sizes);

}  // namespace
