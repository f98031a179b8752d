// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// The cases of compare_pytorch.py, without PyTorch: small ops on the tape, and training steps.

#include <benchmark/benchmark.h>

#include "benchmarks/cases.hpp"

int main(int argc, char** argv) {
    for (const auto& [name, setup] : benchmarks::cases()) {
        benchmark::RegisterBenchmark(name.c_str(), [setup = setup](benchmark::State& state) {
            const benchmarks::Step step = setup();
            for (auto _ : state) step();
        });
    }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    benchmark::RunSpecifiedBenchmarks();
}
