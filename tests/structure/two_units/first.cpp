// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include <headtorch/headtorch.hpp>

#include "second.hpp"

int main() {
    // One generator, one gradient mode, one number of threads: whichever translation unit asks.
    if (generator_of_second() != &headtorch::default_generator()) return 1;
    headtorch::NoGrad guard;
    if (grad_mode_of_second()) return 2;
    headtorch::set_num_threads(3);
    if (threads_of_second() != headtorch::get_num_threads()) return 3;
    return headtorch::equal(twice_in_second(headtorch::ones({2})), headtorch::full({2}, 2.0f)) ? 0 : 4;
}
