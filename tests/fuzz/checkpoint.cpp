// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Fuzz target: checkpoints, and that one that is refused changes nothing.
#include "headtorch/io/checkpoint.hpp"

#include <cstdlib>

#include "headtorch/headtorch.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace headtorch;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    nn::Linear<> net(1, 1);
    nn::init::zeros_(net.weight);
    optim::SGD<> sgd(net.parameters(), {.lr = 0.5, .momentum = 0.9});
    optim::StepLR schedule(sgd, 2);
    Generator generator(1);
    bool loaded = false;
    const int result = run_reader(data, size, [&](const std::string& path) {
        io::load_checkpoint(path, {.model = net, .optimizer = sgd, .scheduler = schedule, .generator = generator});
        loaded = true;
    });
    const bool changed = net.weight.item() != 0 || sgd.lr(0) != 0.5 || schedule.last_epoch() != 0 || generator.initial_seed() != 1;
    if (!loaded && changed) std::abort();
    return result;
}
