// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Training on a GPU with data on the host: batches go to the network's device, and what comes of them is read without holding it up.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

#include "headtorch/data/prefetch.hpp"
#include "headtorch/nn/reflect.hpp"
#include "headtorch/ops/copy.hpp"
#include "headtorch/tensor/access.hpp"
#include "headtorch/train/fit_options.hpp"
#include "headtorch/train/fit_run.hpp"
#include "headtorch/train/loss_function.hpp"

namespace headtorch::train::detail {

// --- to the device --------------------------------------------------------------------------------------------------------

/// Cpu also stands for a network without parameters: its batches stay where they are.
template <class Net>
constexpr auto device_of_network() {
    using Found = nn::detail::ParameterTensor<std::remove_cvref_t<Net>>;
    if constexpr (AnyTensor<Found>)
        return typename Found::device_type();
    else
        return Cpu();
}
template <class Net>
using DeviceOf = decltype(device_of_network<Net>());

/// The type of the batches that the network is given.
template <class Net, class Batch>
using BatchFor = typename std::conditional_t<std::same_as<DeviceOf<Net>, Cpu>, std::type_identity<Batch>,
                                             data::detail::OnDevice<DeviceOf<Net>, Batch>>::type;
template <class Net, class Loader>
using NetBatchOf = BatchFor<Net, BatchOf<Loader>>;

/// The loader itself where its batches are on the network's device, or else one that brings them there, each while the one before is used.
template <class Net, class Loader>
decltype(auto) loader_for(Loader& loader) {
    using D = DeviceOf<Net>;
    if constexpr (std::same_as<NetBatchOf<Net, Loader>, BatchOf<Loader>>)
        return (loader);
    else if constexpr (BatchTuple<std::remove_cv_t<Loader>>)
        return data::to_device<D>(loader);
    else if constexpr (requires { loader.template to<D>(); })
        return loader.template to<D>();
    else
        return data::prefetch<D>(loader);
}

template <class Net, class Loader>
using LossOf = LossFunction<OutputOf<Net, NetBatchOf<Net, Loader>>, TargetOf<NetBatchOf<Net, Loader>>>;

// --- and back -------------------------------------------------------------------------------------------------------------

/// True of tensors on a GPU.
template <class X>
inline constexpr bool is_far = false;
template <class T, class D>
inline constexpr bool is_far<Tensor<T, D>> = !std::same_as<D, Cpu>;

/// The values of a tensor on their way to the host. The copy comes after the work that was there before, and holds up nothing.
template <class T, class D>
class HostCopy {
public:
    explicit HostCopy(const Tensor<T, D>& x)
        : host_(x.detach().template to<Cpu>({.non_blocking = true})), copied_(work_mark(D{})) {}

    /// Waits for the copy. Throws what the GPU found wrong in the work before it.
    const Tensor<T, Cpu>& get() {
        if (copied_) {
            copied_->wait();
            copied_.reset();
        }
        return host_;
    }

private:
    Tensor<T, Cpu> host_;
    std::optional<decltype(work_mark(D{}))> copied_;
};

/// What is already at hand.
template <class X>
class AtHand {
public:
    explicit AtHand(const X& x) : value_(x) {}
    const X& get() const { return value_; }

private:
    X value_;
};

template <class X>
struct HostFormOf {
    using type = AtHand<X>;
};
template <class T, class D>
    requires is_far<Tensor<T, D>>
struct HostFormOf<Tensor<T, D>> {
    using type = HostCopy<T, D>;
};

/// Throws ShapeError unless the loss is one number.
template <class Loss>
void check_loss(const Loss& loss) {
    if (loss.numel() != 1)
        throw ShapeError(message("fit: the loss of a batch must be one number, but its shape is ", loss.shape(), ": take its mean"));
}

/// What came of a batch: its loss, the output and the target. Of those on a GPU copies are on their way to the host, so that it goes on
/// with what is put there next, before somebody asks.
template <class Loss, class Output, class Target>
class Outcome {
    static constexpr bool metrics_fit = AnyTensor<Output> && AnyTensor<Target>;

public:
    /// False: loss() is known at once.
    static constexpr bool waits = is_far<Loss>;

    /// Throws ShapeError unless the loss is one number. `metrics`: the output and the target are looked at, too.
    Outcome(const Loss& loss, const Output& output, const Target& target, std::int64_t items, bool metrics)
        : items_(items), output_(output), target_(target), loss_((check_loss(loss), loss)) {
        if (!metrics) return;
        if constexpr (metrics_fit && (is_far<Output> || is_far<Target>)) {
            host_output_.emplace(output);
            host_target_.emplace(target);
        }
    }

    double loss() { return static_cast<double>(loss_.get().item()); }
    void add_to(Tally& tally) {
        if constexpr (!metrics_fit) {
            if (tally.has_metrics()) throw ValueError("fit: metrics need an output and a target that are tensors");
            tally.add_loss(loss(), items_);
        } else if (host_output_) {
            tally.add(loss(), items_, output_, target_, host_output_->get(), host_target_->get());
        } else {
            tally.add(loss(), items_, output_, target_);
        }
    }

private:
    std::int64_t items_;
    Output output_;
    Target target_;
    typename HostFormOf<Loss>::type loss_;
    std::optional<typename HostFormOf<Output>::type> host_output_;
    std::optional<typename HostFormOf<Target>::type> host_target_;
};

}  // namespace headtorch::train::detail
