// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// What compare_pytorch.py talks to. Reads lines `case duration` and answers each with the seconds that one step of the case takes; with
// `threads N` it sets the number of threads. Cases stay set up from one line to the next.

#include <cstdio>
#include <iostream>
#include <map>
#include <string>

#include "benchmarks/cases.hpp"

int main() {
    std::map<std::string, benchmarks::Step> steps;
    std::string name;
    double number = 0;
    while (std::cin >> name >> number) {
        if (name == "threads") {
            headtorch::set_num_threads(static_cast<int>(number));
            continue;
        }
        const auto setup = benchmarks::cases().find(name);
        if (setup == benchmarks::cases().end()) {
            std::fprintf(stderr, "compare: no case is called %s\n", name.c_str());
            return 2;
        }
        if (!steps.contains(name)) steps[name] = setup->second();
        std::printf("%.9g\n", benchmarks::seconds_per_step(steps[name], number));
        std::fflush(stdout);
    }
}
