// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// fit(): the training loop that everybody writes, written once.
///
///     const train::History history = train::fit(net, loader, nn::cross_entropy, adam, {
///         .epochs = 10,
///         .validation = test_loader,
///         .metrics = {train::Accuracy()},
///         .callbacks = {train::EarlyStopping({.patience = 3})},
///     });
///
/// Each epoch does what the loop by hand does, in the same order, so that the weights are the same to the bit:
///
///     net.train();
///     for (const auto& [x, y] : loader) {
///         optimizer.zero_grad();
///         const auto loss = criterion(net(x), y);
///         loss.backward();
///         optimizer.step();
///     }

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "headtorch/autograd/backward.hpp"
#include "headtorch/autograd/grad_mode.hpp"
#include "headtorch/ops/arithmetic.hpp"
#include "headtorch/optim/clip.hpp"
#include "headtorch/train/evaluate.hpp"
#include "headtorch/train/fit_options.hpp"
#include "headtorch/train/fit_run.hpp"
#include "headtorch/train/loss_function.hpp"
#include "headtorch/train/on_device.hpp"

namespace headtorch::train {
namespace detail {

/// Bounds the gradients; returns their norm before that, or NaN when it is not looked at.
template <class Optimizer>
double clip_gradients(const Optimizer& optimizer, const FitOptions& options) {
    double norm = std::numeric_limits<double>::quiet_NaN();
    if (options.clip_grad_value == 0 && options.clip_grad_norm == 0) return norm;
    auto parameters = optimizer.groups.at(0).params;
    for (std::size_t g = 1; g < optimizer.groups.size(); ++g)
        parameters.insert(parameters.end(), optimizer.groups[g].params.begin(), optimizer.groups[g].params.end());
    if (options.clip_grad_value > 0) optim::clip_grad_value(parameters, options.clip_grad_value);
    if (options.clip_grad_norm > 0) norm = optim::clip_grad_norm(parameters, options.clip_grad_norm);
    return norm;
}

template <class Batch>
double items_in(const std::vector<Batch>& group) {
    double items = 0;
    for (const Batch& batch : group) items += static_cast<double>(batch_items(batch));
    return items;
}
/// The share of a batch in the mean over a group of so many items; exactly 1 when it is alone.
template <class Batch>
double share_of(const Batch& batch, const std::vector<Batch>& group, double items) {
    return group.size() == 1 || items == 0 ? 1 : static_cast<double>(batch_items(batch)) / items;
}

/// One step of the optimiser for some batches, as if they were one. False when their loss forbids it.
template <class Net, class Batch, class Loss, class Optimizer>
bool make_step(Net& net, const std::vector<Batch>& group, Loss& loss, Optimizer& optimizer, const FitOptions& options, Run& run) {
    const double items = items_in(group);
    optimizer.zero_grad();
    for (std::size_t i = 0; i < group.size(); ++i) {
        const Batch& batch = group[i];
        double number = 0;
        {
            const auto output = output_of(net, batch);
            const auto value = loss(output, target_of(batch));
            Outcome outcome(value, output, target_of(batch), batch_items(batch), run.tally().has_metrics());
            const auto refused = [&] {
                number = outcome.loss();
                return !run.accepts(number);
            };
            // on a GPU the loss is waited for when the way back is under way
            if (!outcome.waits && refused()) return false;
            const double share = share_of(batch, group, items);
            if (share == 1)
                value.backward();
            else
                (value * share).backward();
            if (outcome.waits && refused()) {
                optimizer.zero_grad();
                return false;
            }
            outcome.add_to(run.tally());
        }
        if (i + 1 == group.size()) {
            const double norm = clip_gradients(optimizer, options);
            optimizer.step();
            run.end_step(norm);
        }
        run.end_batch(number);
    }
    return true;
}

/// The same for an optimiser that evaluates the loss several times in one step: LBFGS. What it counts is the first evaluation.
template <class Net, class Batch, class Loss, class Optimizer>
    requires(!requires(Optimizer& optimizer) { optimizer.step(); })
bool make_step(Net& net, const std::vector<Batch>& group, Loss& loss, Optimizer& optimizer, const FitOptions& options, Run& run) {
    if (options.clip_grad_norm > 0 || options.clip_grad_value > 0)
        throw ValueError(message("fit: gradients cannot be clipped for ", Optimizer::name, ", which searches along them"));
    struct Refused {};
    using LossValue = std::remove_cvref_t<decltype(loss(output_of(net, group[0]), target_of(group[0])))>;
    const double items = items_in(group);
    std::vector<double> numbers;
    bool first = true;
    const auto closure = [&] {
        optimizer.zero_grad();
        LossValue sum;
        for (const Batch& batch : group) {
            const auto output = output_of(net, batch);
            const auto value = loss(output, target_of(batch));
            if (first) {
                Outcome outcome(value, output, target_of(batch), batch_items(batch), run.tally().has_metrics());
                numbers.push_back(outcome.loss());
                if (!run.accepts(numbers.back())) throw Refused();
                outcome.add_to(run.tally());
            }
            const auto part = value * share_of(batch, group, items);
            part.backward();
            sum = sum.defined() ? sum + part.detach() : part.detach();
        }
        first = false;
        return sum;
    };
    try {
        optimizer.step(closure);
    } catch (const Refused&) {
        return false;
    }
    run.end_step(std::numeric_limits<double>::quiet_NaN());
    for (const double number : numbers) run.end_batch(number);
    return true;
}

/// A batch of .validation as one of type Batch: with the types of those trained with, on their device or all on the host. Throws ValueError
/// when these are others.
template <class Batch>
Batch typed_batch(std::span<const nn::AnyTensorHandle> fields) {
    const auto field = [&]<class T, class D>(std::size_t i, std::type_identity<Tensor<T, D>>) {
        const bool known = fields[i].defined() && fields[i].dtype() == dtype_of<T>;
        if (!known || (!fields[i].is<T, D>() && fields[i].device() != DeviceKind::cpu))
            throw ValueError(message("fit: field ", i, " of a batch of .validation is ", fields[i], ", in those trained with it is of ",
                                     headtorch::name(dtype_of<T>)));
        return tensor_of<Tensor<T, D>>(fields[i]);
    };
    if constexpr (AnyTensor<Batch>) {
        return field(0, std::type_identity<Batch>());
    } else {
        constexpr std::size_t count = std::tuple_size_v<Batch>;
        if (fields.size() != count)
            throw ValueError(message("fit: a batch of .validation has ", fields.size(), " fields, those trained with have ", count));
        return [&]<std::size_t... I>(std::index_sequence<I...>) {
            return Batch{field(I, std::type_identity<std::remove_cvref_t<std::tuple_element_t<I, Batch>>>())...};
        }(std::make_index_sequence<count>());
    }
}

/// Batches on the host go to the device, each while the one before is used.
template <class Batch, class Net, class Loss>
void validate(Net& net, Loss& loss, const FitOptions& options, Numbers& numbers) {
    if constexpr (all_tensors<Batch>) {
        const ModeGuard modes(net.module_ref());
        const NoGrad guard;
        set_training(net.module_ref(), false);
        Tally tally(options.metrics);
        tally.reset();
        Evaluation<Net, Batch, Loss> evaluation(net, loss, tally);
        using Host = data::BatchOn<Cpu, Batch>;
        if constexpr (std::same_as<Host, Batch>) {
            options.validation.each([&](std::span<const nn::AnyTensorHandle> fields) { evaluation.add(typed_batch<Batch>(fields)); });
        } else {
            using D = DeviceOf<Net>;
            data::detail::Uploads<D, Host> ahead;
            options.validation.each([&](std::span<const nn::AnyTensorHandle> fields) {
                const bool host = std::all_of(fields.begin(), fields.end(), [](const auto& x) { return x.device() == DeviceKind::cpu; });
                if (host) ahead.start(data::detail::pinned<D>(typed_batch<Host>(fields)));
                if (ahead.size() > std::size_t{host}) evaluation.add(ahead.take());
                if (!host) evaluation.add(typed_batch<Batch>(fields));
            });
            if (ahead.size() > 0) evaluation.add(ahead.take());
        }
        evaluation.finish();
        if (tally.empty()) throw ValueError("fit: .validation gave no batch");
        tally.report(numbers, "val_");
    } else {
        throw ValueError("fit: .validation needs batches that are tuples of tensors");
    }
}

template <class Net, class Loader, class Loss, class Optimizer>
History fit(Net& net, Loader& given, Loss& loss, Optimizer& optimizer, const FitOptions& options) {
    using Batch = NetBatchOf<Net, Loader>;
    auto&& loader = loader_for<Net>(given);
    const ModeGuard modes(net.module_ref());
    Run run(options, net.module_ref(), optimizer, batch_count(loader));
    run.begin();
    while (run.begin_epoch()) {
        std::vector<Batch> group;
        for_each_batch(loader, [&](const Batch& batch) {
            group.push_back(batch);
            if (static_cast<std::int64_t>(group.size()) < options.accumulate) return true;
            const bool stepped = make_step(net, group, loss, optimizer, options, run);
            group.clear();
            return stepped && !run.state().stopping();
        });
        if (!group.empty()) make_step(net, group, loss, optimizer, options, run);
        run.end_training_part();
        if (options.validation.defined()) validate<Batch>(net, loss, options, run.state().numbers);
        run.end_epoch();
    }
    return run.finish();
}

}  // namespace detail

/// Trains a network, and tells how it went: "loss" and each metric by epoch, means over items; the same of validation as "val_loss", …;
/// "lr", the learning rate; "seconds".
///
/// - `loader` gives batches anew in each epoch: data::DataLoader or any range of tuples. The last field of a tuple is the target, what is
///   before it goes to the network; a tensor alone is both (an autoencoder's). A single tuple is a loader of one batch. Batches on the host
///   go to the network's device, each while the one before is used; so do those of .validation.
/// - `loss` is called with output and target and returns one number: a loss module, a lambda, or a function of nn:: by its name.
/// - Parameters are those of the optimiser. The network's mode is as before when fit() is done, also by an exception.
///
/// Throws ValueError when the loss is NaN or infinite (see FitOptions), when a loader is empty, or when options make no sense.
template <class Net, class Loader, class Loss, class Optimizer>
History fit(Net& net, Loader&& loader, Loss&& loss, Optimizer& optimizer, const FitOptions& options = {}) {
    return detail::fit(net, loader, loss, optimizer, options);
}
template <class Net, class Loader, class Optimizer>
History fit(Net& net, Loader&& loader, detail::LossOf<Net, Loader> loss, Optimizer& optimizer, const FitOptions& options = {}) {
    return detail::fit(net, loader, loss, optimizer, options);
}

}  // namespace headtorch::train
