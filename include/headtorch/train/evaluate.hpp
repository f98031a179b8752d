// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What a network makes of data without learning from them: evaluate() and predict(). Both work in evaluation mode, record nothing, and
/// leave the network in the mode it had.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "headtorch/autograd/grad_mode.hpp"
#include "headtorch/ops/join.hpp"
#include "headtorch/ops/view.hpp"
#include "headtorch/tensor/access.hpp"
#include "headtorch/train/fit_run.hpp"
#include "headtorch/train/loss_function.hpp"

namespace headtorch::train {
namespace detail {

/// How many items a batch holds.
template <class Batch>
std::int64_t batch_items(const Batch& batch) {
    if constexpr (BatchTuple<Batch>)
        return batch_items(std::get<0>(batch));
    else if constexpr (AnyTensor<Batch>)
        return items_of(batch.shape());
    else if constexpr (requires { batch.size(); })
        return static_cast<std::int64_t>(batch.size());
    else
        return 1;
}

/// Throws ShapeError unless the loss is one number.
template <class Value>
double loss_number(const Value& loss) {
    if (loss.numel() != 1)
        throw ShapeError(message("fit: the loss of a batch must be one number, but its shape is ", loss.shape(), ": take its mean"));
    return static_cast<double>(loss.item());
}

template <class Output, class Target>
void add_to(Tally& tally, double loss, std::int64_t items, const Output& output, const Target& target) {
    if constexpr (AnyTensor<Output> && AnyTensor<Target>) {
        tally.add(loss, items, output, target);
    } else {
        if (tally.has_metrics()) throw ValueError("fit: metrics need an output and a target that are tensors");
        tally.add_loss(loss, items);
    }
}

/// Adds a batch to the tally, in whatever mode the network is.
template <class Net, class Batch, class Loss>
void evaluate_batch(Net& net, const Batch& batch, Loss& loss, Tally& tally) {
    const auto output = output_of(net, batch);
    add_to(tally, loss_number(loss(output, target_of(batch))), batch_items(batch), output, target_of(batch));
}

template <class Net, class Loader, class Loss>
Numbers evaluate(Net& net, Loader& loader, Loss& loss, const std::vector<MetricRef>& metrics) {
    const ModeGuard modes(net.module_ref());
    const NoGrad guard;
    set_training(net.module_ref(), false);
    Tally tally(metrics);
    tally.reset();
    for_each_batch(loader, [&](const auto& batch) {
        evaluate_batch(net, batch, loss, tally);
        return true;
    });
    if (tally.empty()) throw ValueError("evaluate: the loader gave no batch");
    Numbers numbers;
    tally.report(numbers, "");
    return numbers;
}

}  // namespace detail

/// The mean loss over all items of a loader, and the metrics: `evaluate(net, loader, loss, {train::Accuracy()})["accuracy"]`. Batches
/// are as for fit().
template <class Net, class Loader, class Loss>
Numbers evaluate(Net& net, Loader&& loader, Loss&& loss, std::vector<MetricRef> metrics = {}) {
    return detail::evaluate(net, loader, loss, metrics);
}
template <class Net, class Loader>
Numbers evaluate(Net& net, Loader&& loader, detail::LossOf<Net, Loader> loss, std::vector<MetricRef> metrics = {}) {
    return detail::evaluate(net, loader, loss, metrics);
}

/// The outputs for all batches of a loader, one below the other. Of a batch that is a tuple, the last field is a target, which is left out,
/// unless it is the only one.
template <class Net, class Loader>
    requires(!AnyTensor<Loader>)
auto predict(Net& net, Loader&& loader) {
    const detail::ModeGuard modes(net.module_ref());
    const NoGrad guard;
    detail::set_training(net.module_ref(), false);
    std::vector<detail::OutputOf<Net, detail::BatchOf<Loader>>> outputs;
    detail::for_each_batch(loader, [&](const auto& batch) {
        outputs.push_back(detail::output_of(net, batch));
        return true;
    });
    if (outputs.empty()) throw ValueError("predict: the loader gave no batch");
    return outputs.size() == 1 ? outputs[0] : cat(outputs, 0);
}
/// The outputs for `x` [n, …], `batch_size` rows at a time; 0: all at once.
template <class Net, class T, class D>
auto predict(Net& net, const Tensor<T, D>& x, std::int64_t batch_size = 0) {
    if (batch_size < 0) throw ValueError(message("predict: batch_size must not be negative, but is ", batch_size));
    std::vector<Tensor<T, D>> parts;
    const std::int64_t rows = detail::items_of(x.shape());
    if (batch_size == 0 || x.dim() == 0 || rows <= batch_size)
        parts.push_back(x);
    else
        for (std::int64_t i = 0; i < rows; i += batch_size) parts.push_back(x.narrow(0, i, std::min(batch_size, rows - i)));
    return predict(net, parts);
}

}  // namespace headtorch::train
