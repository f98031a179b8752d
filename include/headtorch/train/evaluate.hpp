// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What a network makes of data without learning from them: evaluate() and predict(). Both work in evaluation mode, record nothing, and
/// leave the network in the mode it had.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
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
#include "headtorch/train/on_device.hpp"

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

template <class Loss>
double loss_number(const Loss& loss) {
    check_loss(loss);
    return static_cast<double>(loss.item());
}

/// Adds batches to a tally, in whatever mode the network is. On a GPU what came of a batch is looked at when the next is under way.
template <class Net, class Batch, class Loss>
class Evaluation {
public:
    Evaluation(Net& net, Loss& loss, Tally& tally) : net_(net), loss_(loss), tally_(tally) {}

    void add(const Batch& batch) {
        const auto output = output_of(net_, batch);
        Result result(loss_(output, target_of(batch)), output, target_of(batch), batch_items(batch), tally_.has_metrics());
        finish();
        last_.emplace(std::move(result));
        if constexpr (!Result::waits) finish();
    }
    /// To be called after the last batch.
    void finish() {
        if (last_) last_->add_to(tally_);
        last_.reset();
    }

private:
    using Output = OutputOf<Net, Batch>;
    using Target = TargetOf<Batch>;
    using Result = Outcome<std::remove_cvref_t<std::invoke_result_t<Loss&, const Output&, const Target&>>, Output, Target>;

    Net& net_;
    Loss& loss_;
    Tally& tally_;
    std::optional<Result> last_;
};

template <class Net, class Loader, class Loss>
Numbers evaluate(Net& net, Loader& loader, Loss& loss, const std::vector<MetricRef>& metrics) {
    const ModeGuard modes(net.module_ref());
    const NoGrad guard;
    set_training(net.module_ref(), false);
    Tally tally(metrics);
    tally.reset();
    Evaluation<Net, NetBatchOf<Net, Loader>, Loss> evaluation(net, loss, tally);
    auto&& batches = loader_for<Net>(loader);
    for_each_batch(batches, [&](const auto& batch) {
        evaluation.add(batch);
        return true;
    });
    evaluation.finish();
    if (tally.empty()) throw ValueError("evaluate: the loader gave no batch");
    Numbers numbers;
    tally.report(numbers, "");
    return numbers;
}

}  // namespace detail

/// The mean loss over all items of a loader, and the metrics: `evaluate(net, loader, loss, {train::Accuracy()})["accuracy"]`. Batches
/// are as for fit(), and go to the network's device.
template <class Net, class Loader, class Loss>
Numbers evaluate(Net& net, Loader&& loader, Loss&& loss, std::vector<MetricRef> metrics = {}) {
    return detail::evaluate(net, loader, loss, metrics);
}
template <class Net, class Loader>
Numbers evaluate(Net& net, Loader&& loader, detail::LossOf<Net, Loader> loss, std::vector<MetricRef> metrics = {}) {
    return detail::evaluate(net, loader, loss, metrics);
}

/// The outputs for all batches of a loader, one below the other, on the network's device. Of a batch that is a tuple, the last field is a
/// target, which is left out, unless it is the only one.
template <class Net, class Loader>
    requires(!AnyTensor<Loader>)
auto predict(Net& net, Loader&& loader) {
    const detail::ModeGuard modes(net.module_ref());
    const NoGrad guard;
    detail::set_training(net.module_ref(), false);
    std::vector<detail::OutputOf<Net, detail::NetBatchOf<Net, Loader>>> outputs;
    auto&& batches = detail::loader_for<Net>(loader);
    detail::for_each_batch(batches, [&](const auto& batch) {
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
