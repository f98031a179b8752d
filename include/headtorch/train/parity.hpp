// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Is a port of a PyTorch network right? tests/parity/parity_trace.py runs the original and writes down all that happens; check_parity()
/// replays it here and names the first layer that differs, by how much, and the likely cause.
///
///     Net net;
///     const auto report = train::check_parity(net, "net.safetensors");
///     std::puts(report.text.c_str());
///
/// Compared are, in this order: names and shapes of the weights; the inputs and outputs of every module that both have, with PyTorch's
/// values in the place of what was computed before, so that a layer does not answer for the ones before it; the loss; the gradients of all
/// outputs and parameters; the losses and weights of the recorded optimiser steps. Not part of headtorch.hpp: needs nlohmann-json.

#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "headtorch/io/load_options.hpp"
#include "headtorch/nn/module.hpp"
#include "headtorch/train/parity/check.hpp"
#include "headtorch/train/parity/report.hpp"
#include "headtorch/train/parity/steps.hpp"
#include "headtorch/train/parity/train.hpp"

namespace headtorch::train {

template <class T>
struct ParityOptions {
    /// Loads PyTorch's weights; otherwise the module must have them already.
    bool load = true;
    /// From PyTorch's names to those here: `{{"features.", "conv."}}`, as in io::LoadOptions.
    io::RenameRules rename{};
    /// Of outputs, relative to the largest value: 2e-4 for float, 1e-9 for double unless given. A tenth for a layer by itself, five times
    /// as much for gradients, fifty times (root mean square) for what the optimiser changes.
    std::optional<double> tolerance{};
    /// Optimiser steps; those of the trace unless given, and never more.
    std::optional<std::size_t> steps{};
    /// How the module is called; needed when its inputs are not one to three tensors of T or int64:
    /// `[&](const train::ParityTensors& in) { return net(in.get<float>(0), in.get<bool>(1)); }`
    std::function<Tensor<T, Cpu>(const ParityTensors& inputs)> forward{};
    /// The loss; that of the trace unless given.
    std::function<Tensor<T, Cpu>(const Tensor<T, Cpu>& output, const ParityTensors& targets)> loss{};
    /// One step of an optimiser over the module's parameters: `[&] { adam.step(); }`; that of the trace unless given.
    std::function<void()> step{};
};

namespace parity_detail {

template <class Net, class... Inputs>
concept TakesTensors = requires(Net& net, const Inputs&... inputs) { net.forward(inputs...); };

template <class Net>
auto parity_scalar() {
    using Found = nn::detail::ParameterTensor<Net>;
    if constexpr (AnyTensor<Found>) {
        static_assert(std::same_as<typename Found::device_type, Cpu>, "headtorch: check_parity: the module must be on the CPU");
        return typename Found::value_type();
    } else {
        return float();
    }
}

/// The first tensor of T among what a module gives.
template <class T, class Output>
Tensor<T, Cpu> first_output(const Output& output) {
    nn::detail::TensorList list;
    nn::detail::append_tensors(list, output);
    for (TensorImpl* tensor : list)
        if (tensor->dtype == dtype_of<T>) return Tensor<T, Cpu>(Ref<TensorImpl>::share(tensor));
    throw ValueError(message("check_parity: the module gives no tensor of ", name(dtype_of<T>)));
}

/// Calls a module with the inputs of a trace, when it takes such.
template <class T, class Net>
Tensor<T, Cpu> call_module(Net& net, const ParityTensors& in) {
    using I = std::int64_t;
    using Floats = Tensor<T, Cpu>;
    using Integers = Tensor<I, Cpu>;
    const auto integral = [&](std::size_t i) { return !is_floating(in.dtype(i)); };
    if (in.size() == 1) {
        if constexpr (TakesTensors<Net, Floats>)
            return first_output<T>(net(in.get<T>(0)));
        else if constexpr (TakesTensors<Net, Integers>)
            return first_output<T>(net(in.get<I>(0)));
    } else if (in.size() == 2) {
        if constexpr (TakesTensors<Net, Floats, Floats>)
            return first_output<T>(net(in.get<T>(0), in.get<T>(1)));
        else if constexpr (TakesTensors<Net, Integers, Integers>)
            return first_output<T>(net(in.get<I>(0), in.get<I>(1)));
        else if constexpr (TakesTensors<Net, Floats, Integers>)
            return first_output<T>(net(in.get<T>(0), in.get<I>(1)));
        else if constexpr (TakesTensors<Net, Integers, Floats>)
            return first_output<T>(net(in.get<I>(0), in.get<T>(1)));
    } else if (in.size() == 3) {
        if constexpr (TakesTensors<Net, Floats, Floats, Floats>)
            return first_output<T>(net(in.get<T>(0), in.get<T>(1), in.get<T>(2)));
        else if constexpr (TakesTensors<Net, Integers, Integers, Integers>)
            return first_output<T>(net(in.get<I>(0), in.get<I>(1), in.get<I>(2)));
    }
    std::string types;
    for (std::size_t i = 0; i < in.size(); ++i) types += message(i ? ", " : "", integral(i) ? "integers" : "floating numbers");
    throw ValueError(message("check_parity: how to call the module with the ", in.size(), " inputs of the trace (", types,
                             ") is not plain: pass .forward = [&](const train::ParityTensors& in) { return net(in.get<float>(0), …); }"));
}

}  // namespace parity_detail

/// Compares `net` with the trace in `file`, which tests/parity/parity_trace.py made. The net is left with its own values and modes, and
/// without gradients. Throws IoError when the file is malformed, ValueError when it is not plain how to call the net or its loss.
template <class Net, class T = decltype(parity_detail::parity_scalar<Net>())>
ParityReport check_parity(Net& net, const std::string& file, const std::type_identity_t<ParityOptions<T>>& options = {}) {
    const auto forward = [&](const ParityTensors& in) {
        return options.forward ? options.forward(in) : parity_detail::call_module<T>(net, in);
    };
    return parity_detail::ParitySteps<T>(net.module_ref(), file, options, forward).run();
}

}  // namespace headtorch::train
