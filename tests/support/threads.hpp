// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Results that must not depend on the number of threads.

#include "headtorch/device/cpu/parallel.hpp"
#include "tests/support/catch.hpp"

namespace headtorch::testing {

/// Calls results(), which returns lists of numbers, with one thread and with several: they must agree to the bit.
template <class F>
void check_with_threads(const F& results) {
    const int before = get_num_threads();
    set_num_threads(1);
    const auto one = results();
    for (const int count : {2, 3, 4, 7}) {
        INFO(count << " threads");
        set_num_threads(count);
        CHECK((results() == one));
    }
    set_num_threads(before);
}

}  // namespace headtorch::testing
