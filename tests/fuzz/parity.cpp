// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Fuzz target: the traces of the parity kit, read and replayed by a network that they may or may not fit.
#include "headtorch/train/parity.hpp"

#include "headtorch/headtorch.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace headtorch;

namespace {

struct Net : nn::Module<Net> {
    nn::Linear<double> fc{2, 1};
    nn::BatchNorm1d<double> norm{1};
    Tensor<double> forward(const Tensor<double>& x) { return sigmoid(norm(fc(x))); }
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    return run_reader(data, size, [](const std::string& path) {
        Net net;
        try {
            train::check_parity(net, path);
        } catch (const Error&) {  // also a loss that is not known, a target that does not fit the output, …
        }
    });
}
