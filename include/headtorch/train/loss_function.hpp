// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Batches as a network and a loss see them, and the losses by their bare names: `nn::cross_entropy` is a set of templates, which cannot be
/// an argument until its types are known.

#include <algorithm>
#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

#include "headtorch/ops/loss.hpp"
#include "headtorch/ops/loss_class.hpp"
#include "headtorch/ops/loss_more.hpp"
#include "headtorch/tensor/observer.hpp"
#include "headtorch/train/fit_options.hpp"

namespace headtorch::train::detail {

/// What the network makes of a batch: it is given a tensor, or all fields of a tuple but the last.
template <class Net, class Batch>
decltype(auto) output_of(Net& net, const Batch& batch) {
    if constexpr (!BatchTuple<Batch>) {
        return net(batch);
    } else {
        constexpr std::size_t inputs = std::max<std::size_t>(2, std::tuple_size_v<Batch>) - 1;
        return [&]<std::size_t... I>(std::index_sequence<I...>) -> decltype(auto) {
            return net(std::get<I>(batch)...);
        }(std::make_index_sequence<inputs>());
    }
}
/// What the output is held against: the last field, or the input itself where there is nothing else.
template <class Batch>
const auto& target_of(const Batch& batch) {
    if constexpr (BatchTuple<Batch>)
        return std::get<std::tuple_size_v<Batch> - 1>(batch);
    else
        return batch;
}
template <class Net, class Batch>
using OutputOf = std::remove_cvref_t<decltype(output_of(std::declval<Net&>(), std::declval<const Batch&>()))>;
template <class Batch>
using TargetOf = std::remove_cvref_t<decltype(target_of(std::declval<const Batch&>()))>;

/// For a network or targets that are not tensors: nothing converts to it.
template <class Output, class Target>
struct LossFunction {
    LossFunction() = delete;
};

/// One of the functions nn::…_loss for outputs and targets of these types, with its default options.
template <class T, class D, class U, class E>
class LossFunction<Tensor<T, D>, Tensor<U, E>> {
    using Output = Tensor<T, D>;
    using Target = Tensor<U, E>;
    template <class Options>
    using Pointer = Output (*)(const Output&, const Target&, Options, const Here&);

public:
    LossFunction(Pointer<headtorch::LossOptions> f) : LossFunction(f, 0) {}
    LossFunction(Pointer<nn::CrossEntropyOptions<T, D>> f) : LossFunction(f, 0) {}
    LossFunction(Pointer<nn::NLLLossOptions<T, D>> f) : LossFunction(f, 0) {}
    LossFunction(Pointer<nn::WeightedLossOptions<T, D>> f) : LossFunction(f, 0) {}
    LossFunction(Pointer<nn::LogitsLossOptions<T, D>> f) : LossFunction(f, 0) {}
    LossFunction(Pointer<nn::SmoothL1LossOptions> f) : LossFunction(f, 0) {}
    LossFunction(Pointer<nn::HuberLossOptions> f) : LossFunction(f, 0) {}
    LossFunction(Pointer<nn::KLDivLossOptions> f) : LossFunction(f, 0) {}
    LossFunction(Pointer<nn::PoissonNLLLossOptions> f) : LossFunction(f, 0) {}

    Output operator()(const Output& output, const Target& target) const { return call_(function_, output, target); }

private:
    using Any = void (*)();
    template <class Options>
    LossFunction(Pointer<Options> f, int)
        : function_(reinterpret_cast<Any>(f)), call_([](Any function, const Output& output, const Target& target) {
              return reinterpret_cast<Pointer<Options>>(function)(output, target, Options{}, Here::call());
          }) {}

    Any function_;
    Output (*call_)(Any, const Output&, const Target&);
};

}  // namespace headtorch::train::detail
