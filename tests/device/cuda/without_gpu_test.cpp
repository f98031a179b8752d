// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// A program for CUDA on a machine that has no GPU: what it says, and what it can still do. The GPUs that there are, are hidden from it.

#include "headtorch/cuda.hpp"

#include <string>
#include <vector>

#include "tests/support/catch.hpp"

using namespace headtorch;

TEST_CASE("without a GPU there is none to ask for", "[cuda]") {
    CHECK_FALSE(cuda::is_available());
    CHECK(cuda::device_count() == 0);
    CHECK_THROWS_WITH(cuda::set_device(0), contains("set_device: there is no GPU 0; this machine has 0"));
}

TEST_CASE("without a GPU every first call says so, and what to do", "[cuda]") {
    const auto x = tensor<float, Cpu>({1, 2});
    struct Call {
        const char* name;
        void (*call)(const Tensor<float, Cpu>& x);
    };
    for (const Call& call : std::vector<Call>{
             {"zeros", [](const auto&) { (void)zeros<float, Cuda>({2, 2}); }},
             {"tensor", [](const auto&) { (void)tensor<float, Cuda>({1, 2}); }},
             {"randn", [](const auto&) { (void)randn<float, Cuda>({2}); }},
             {"to", [](const auto& t) { (void)t.template to<Cuda>(); }},
             {"pin_memory", [](const auto&) { cuda::PinnedMemory::instance().allocate(100); }},
             {"Linear", [](const auto&) { nn::Linear<float, Cuda> layer(2, 3); }},
             {"current_device", [](const auto&) { cuda::current_device(); }},
             {"get_device_properties", [](const auto&) { cuda::get_device_properties(0); }},
             {"memory_stats", [](const auto&) { cuda::memory_stats(); }},
             {"mem_get_info", [](const auto&) { cuda::mem_get_info(); }},
             {"synchronize", [](const auto&) { cuda::synchronize(); }},
             {"Stream", [](const auto&) { cuda::Stream::create(); }},
             {"Event", [](const auto&) { cuda::Event event; }},
             {"Graph", [](const auto&) { cuda::Graph().capture([] {}); }},
         }) {
        INFO(call.name);
        for (int again = 0; again < 2; ++again) {
            std::string text;
            bool usable = true;
            try {
                call.call(x);
            } catch (const CudaError& error) {
                text = error.what();
                usable = error.usable();
            }
            INFO(text);
            CHECK(text.find(" failed: ") != std::string::npos);
            CHECK(text.find("there is no NVIDIA GPU here that this program can use") != std::string::npos);
            CHECK(text.find("use Cpu where cuda::is_available() is false") != std::string::npos);
            CHECK_FALSE(usable);
        }
    }
}

TEST_CASE("without a GPU what is for all devices works, and so does the CPU", "[cuda]") {
    manual_seed(1);
    cuda::empty_cache();
    CHECK((empty<float, Cuda>({0, 3}).numel() == 0));

    nn::Linear<float, Cpu> layer(3, 2);
    const auto loss = nn::cross_entropy(layer(randn<float, Cpu>({4, 3})), tensor<std::int64_t, Cpu>({0, 1, 1, 0}));
    loss.backward();
    CHECK(loss.item() > 0);
    CHECK(layer.weight.grad().abs().sum().item() > 0);
    CHECK_THROWS_AS(layer.weight.to<Cuda>(), CudaError);
    CHECK(layer.weight.to<double>().numel() == 6);
}
