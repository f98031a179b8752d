// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What compare_pytorch.py --device cuda gives to the GPU, and how it takes the time. Compiled with Cuda as the default device.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <headtorch/cuda.hpp>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "benchmarks/networks.hpp"

namespace benchmarks {

using Step = std::function<void()>;
using Setup = std::function<Step()>;

/// One op on tensors of this shape; nothing is recorded.
template <class Op>
Setup on(Shape shape, Op op) {
    return [=] {
        const Tensor<> a = randn(shape), b = randn(shape);
        return [=] {
            const NoGrad guard;
            op(a, b);
        };
    };
}

/// A product of matrices [n, n]; `tf32`: rounded to TensorFloat-32 before.
template <class T>
Setup product(std::int64_t n, bool tf32 = false) {
    return [=] {
        const Tensor<T> a = randn<T>({n, n}), b = randn<T>({n, n});
        return [=] {
            cuda::allow_tf32(tf32);
            matmul(a, b);
        };
    };
}

/// The same step, recorded once and replayed.
template <class Make>
Setup graphed(Make make) {
    return [=] {
        recorded_later = true;
        const auto step = std::make_shared<decltype(make())>(make());
        recorded_later = false;
        for (int i = 0; i < 3; ++i) (*step)();
        const auto graph = std::make_shared<cuda::Graph>();
        graph->capture(*step);
        return [=] { graph->replay(); };
    };
}

template <class Make>
Setup with_tf32(Make make) {
    return [=] {
        cuda::allow_tf32(true);
        const auto step = std::make_shared<decltype(make())>(make());
        return [=] {
            cuda::allow_tf32(true);
            (*step)();
        };
    };
}

/// Adam on 100 million numbers in 100 tensors.
inline Step adam_100m() {
    std::vector<Tensor<>> parameters;
    for (int i = 0; i < 100; ++i) {
        parameters.push_back(randn({1000, 1000}).requires_grad_());
        parameters.back().set_grad(randn({1000, 1000}));
    }
    return [adam = std::make_shared<optim::Adam<>>(parameters, optim::AdamOptions{})] { adam->step(); };
}

inline const std::map<std::string, Setup>& cuda_cases() {
    constexpr std::int64_t n = 1 << 26;
    static const std::map<std::string, Setup> all = [] {
        std::map<std::string, Setup> made{
            {"copy", on({n}, [](const auto& a, const auto& b) { b.copy_(a); })},
            {"relu", on({n}, [](const auto& a, const auto&) { relu(a); })},
            {"add", on({n}, [](const auto& a, const auto& b) { a + b; })},
            {"exp", on({n}, [](const auto& a, const auto&) { exp(a); })},
            {"gelu", on({n}, [](const auto& a, const auto&) { nn::gelu(a); })},
            {"add_row", on({n / 4096, 4096}, [](const auto& a, const auto& b) { a + b[0]; })},
            {"sum", on({n}, [](const auto& a, const auto&) { sum(a); })},
            {"sum_rows", on({n / 4096, 4096}, [](const auto& a, const auto&) { sum(a, 1); })},
            {"sum_columns", on({n / 4096, 4096}, [](const auto& a, const auto&) { sum(a, 0); })},
            {"softmax", on({n / 4096, 4096}, [](const auto& a, const auto&) { softmax(a, 1); })},
            {"layer_norm", on({n / 4096, 4096}, [](const auto& a, const auto&) { layer_norm(a, {4096}); })},
            {"lenet_4", [] { return classify<LeNet<>>(4, 32); }},
            {"lenet_64", [] { return classify<LeNet<>>(64, 32); }},
            {"lenet_4096", [] { return classify<LeNet<>>(4096, 32); }},
            {"lenet_4_graph", graphed([] { return classify<LeNet<>>(4, 32); })},
            {"lenet_64_graph", graphed([] { return classify<LeNet<>>(64, 32); })},
            {"lenet_4096_graph", graphed([] { return classify<LeNet<>>(4096, 32); })},
            {"multi_classifier_64", [] { return multi_classifier(64); }},
            {"multi_classifier_64_graph", graphed([] { return multi_classifier(64); })},
            {"resnet18_256", [] { return classify<ResNet18<>>(256, 32); }},
            {"resnet18_256_graph", graphed([] { return classify<ResNet18<>>(256, 32); })},
            {"resnet18_256_tf32", with_tf32([] { return classify<ResNet18<>>(256, 32); })},
            {"resnet18_256_bf16", [] { return classify<ResNet18<bfloat16>>(256, 32); }},
            {"encoder_layer_512", [] { return encoder_layer(32, 256, 512, 8); }},
            {"encoder_layer_512_graph", graphed([] { return encoder_layer(32, 256, 512, 8); })},
            {"adam_100m", adam_100m},
        };
        for (const std::int64_t size : {1024, 2048, 4096, 8192}) {
            made["gemm_" + std::to_string(size)] = product<float>(size);
            made["gemm_" + std::to_string(size) + "_tf32"] = product<float>(size, true);
            made["gemm_" + std::to_string(size) + "_bf16"] = product<bfloat16>(size);
        }
        return made;
    }();
    return all;
}

/// Seconds per step by CUDA's events, over about `duration` seconds after three steps that warm up.
inline double cuda_seconds_per_step(const Step& step, double duration) {
    const auto time = [&](std::int64_t count) {
        const cuda::Event begin(true), end(true);
        begin.record();
        for (std::int64_t i = 0; i < count; ++i) step();
        end.record();
        end.synchronize();
        return static_cast<double>(begin.elapsed_ms(end)) * 1e-3;
    };
    for (int i = 0; i < 3; ++i) step();
    cuda::synchronize();
    std::int64_t count = 1;
    double seconds = time(count);
    while (seconds < duration / 4) {
        count =
            std::max(2 * count, static_cast<std::int64_t>(static_cast<double>(count) * std::min(50.0, duration / (2 * seconds + 1e-9))));
        seconds = time(count);
    }
    cuda::allow_tf32(false);
    return seconds / static_cast<double>(count);
}

}  // namespace benchmarks
