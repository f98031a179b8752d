// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// What compare_pytorch.py --device cuda talks to. Reads lines `case duration` and answers each with the seconds that one step of the case
// takes and the most bytes of device memory that it held.

#include <cstdio>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>

#include "benchmarks/cuda_cases.hpp"

int main() {
    using namespace headtorch;
    if (!cuda::is_available()) {
        std::fputs("compare_cuda: there is no NVIDIA GPU here, or no driver for it\n", stderr);
        return 2;
    }
    std::string name;
    double duration = 0;
    try {
        while (std::cin >> name >> duration) {
            cuda::empty_cache();
            cuda::reset_peak_memory_stats();
            const benchmarks::Step step = benchmarks::cuda_cases().at(name)();
            const double seconds = benchmarks::cuda_seconds_per_step(step, duration);
            std::printf("%.9g %lld\n", seconds, static_cast<long long>(cuda::memory_stats().max_memory_allocated));
            std::fflush(stdout);
        }
    } catch (const std::out_of_range&) {
        std::fprintf(stderr, "compare_cuda: no case is called %s\n", name.c_str());
        return 2;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "compare_cuda: %s: %s\n", name.c_str(), error.what());
        return 1;
    }
}
