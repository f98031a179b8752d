// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// The messages that the README shows are those that the code gives. (That its C++ compiles is tested by tests/structure/CMakeLists.txt.)

#include <fstream>
#include <headtorch/headtorch.hpp>
#include <iterator>
#include <string>

#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

struct Net : nn::Module<Net> {
    nn::Linear<> conv1{4, 3}, conv2{5, 2};
    Tensor<> forward(const Tensor<>& x) { return conv2(conv1(x)); }
};

template <class F>
std::string message_of(F&& f) {
    try {
        f();
    } catch (const Error& error) {
        return error.what();
    }
    return "no exception";
}

}  // namespace

TEST_CASE("the README's error messages are those of the code", "[structure]") {
    std::ifstream in(HEADTORCH_SOURCE_DIR "/README.md");
    const std::string readme((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    REQUIRE_FALSE(readme.empty());
    const auto shown = [&](const std::string& message) { CHECK_THAT(readme, contains("| `" + message + "` |")); };

    shown(message_of([] { matmul(zeros({3, 4}), zeros({5, 6})); }));
    shown(message_of([] { zeros({2, 3}) + zeros({4}); }));
    shown(message_of([] {
        Net net;
        net(zeros({2, 4}));
    }));
    shown(message_of([] { nn::cross_entropy(zeros({2, 3}), tensor<std::int64_t>({1, 7})); }));
    Tensor<> x = ones({3});
    x.requires_grad_();
    shown(message_of([&] { (x * 2.0f).backward(); }));
    shown(message_of([&] {
        Tensor<> y = exp(x);
        y += 1.0f;
        y.sum().backward();
    }));
}
