// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What fit() can be told, and how it refers to loaders and schedulers of any type.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "headtorch/nn/module_tree.hpp"
#include "headtorch/train/callback.hpp"
#include "headtorch/train/metric.hpp"

namespace headtorch::train {
namespace detail {

/// A tuple or a pair; an array is a loader.
template <class X>
concept BatchTuple = requires { std::tuple_size<X>::value; } && !requires(X& x) { x.begin(); };

/// A loader, or a single batch. Calls `use(batch)` for each; stops when it returns false.
template <class Loader, class Use>
void for_each_batch(Loader& loader, const Use& use) {
    if constexpr (BatchTuple<std::remove_cv_t<Loader>>) {
        use(loader);
    } else {
        for (auto&& batch : loader)
            if (!use(batch)) return;
    }
}
template <class Loader>
constexpr auto batch_type() {
    if constexpr (BatchTuple<std::remove_cv_t<Loader>>)
        return std::type_identity<std::remove_cv_t<Loader>>();
    else
        return std::type_identity<std::remove_cvref_t<decltype(*std::begin(std::declval<Loader&>()))>>();
}
/// Type of the batches of a loader.
template <class Loader>
using BatchOf = typename decltype(batch_type<std::remove_reference_t<Loader>>())::type;

/// How many batches there are, -1 when the loader does not tell.
template <class Loader>
std::int64_t batch_count(Loader& loader) {
    if constexpr (BatchTuple<std::remove_cv_t<Loader>>)
        return 1;
    else if constexpr (requires { loader.size(); })
        return static_cast<std::int64_t>(loader.size());
    else
        return -1;
}

template <class Batch>
inline constexpr bool all_tensors = AnyTensor<Batch>;
template <template <class...> class W, class... Fields>
    requires BatchTuple<W<Fields...>>
inline constexpr bool all_tensors<W<Fields...>> = (AnyTensor<Fields> && ...);

}  // namespace detail

/// A loader of any type whose batches are made of tensors. One with a name is referred to, a temporary is kept.
class Batches {
public:
    using Use = nn::detail::FunctionRef<void(std::span<const nn::AnyTensorHandle>)>;

    Batches() = default;
    template <class Loader>
        requires(!std::same_as<std::remove_cvref_t<Loader>, Batches>)
    Batches(Loader&& loader) : each_(&visit<std::remove_reference_t<Loader>>) {
        using Kept = std::remove_cvref_t<Loader>;
        static_assert(detail::all_tensors<detail::BatchOf<Loader>>,
                      "headtorch: fit: batches of .validation are tuples of tensors");
        if constexpr (std::is_lvalue_reference_v<Loader>)
            loader_ = std::shared_ptr<void>(std::shared_ptr<void>(), const_cast<Kept*>(&loader));
        else
            loader_ = std::make_shared<Kept>(std::move(loader));
    }

    bool defined() const { return each_ != nullptr; }
    /// Calls `use` with the tensors of each batch.
    void each(Use use) const { each_(loader_.get(), use); }

private:
    template <class Loader>
    static void visit(void* address, Use use) {
        detail::for_each_batch(*static_cast<Loader*>(address), [&](const auto& batch) {
            if constexpr (AnyTensor<decltype(batch)>) {
                const nn::AnyTensorHandle field(batch);
                use({&field, 1});
            } else {
                std::apply(
                    [&](const auto&... fields) {
                        const nn::AnyTensorHandle list[] = {nn::AnyTensorHandle(fields)...};
                        use(list);
                    },
                    batch);
            }
            return true;
        });
    }

    std::shared_ptr<void> loader_;
    void (*each_)(void*, Use) = nullptr;
};

/// A scheduler of optim/, which must outlive what refers to it.
class SchedulerRef {
public:
    SchedulerRef() = default;
    template <class S>
        requires(!std::same_as<S, SchedulerRef> &&
                 (requires(S& scheduler) { scheduler.step(); } || requires(S& scheduler) { scheduler.step(0.0); }))
    SchedulerRef(S& scheduler) : scheduler_(&scheduler) {
        if constexpr (requires { scheduler.step(); }) {
            step_ = [](void* address, double) { static_cast<S*>(address)->step(); };
        } else {
            step_ = [](void* address, double metric) { static_cast<S*>(address)->step(metric); };
            needs_metric_ = true;
        }
    }

    bool defined() const { return scheduler_ != nullptr; }
    bool needs_metric() const { return needs_metric_; }
    void step(double metric) const { step_(scheduler_, metric); }

private:
    void* scheduler_ = nullptr;
    void (*step_)(void*, double) = nullptr;
    bool needs_metric_ = false;
};

/// When a scheduler goes on: after each epoch, or after each step of the optimiser.
enum class Every { epoch, batch };

/// What becomes of a loss that is NaN or infinite. Either way the weights stay as they were before that batch.
enum class NonFinite {
    raise,  ///< fit() throws a ValueError that says where it was
    stop,   ///< training ends as if a callback had stopped it; the history has the loss
    ignore  ///< nothing
};

struct FitOptions {
    std::int64_t epochs = 1;
    Batches validation{};                      ///< evaluated after each epoch: val_loss, and each metric as val_…
    std::vector<MetricRef> metrics{};          ///< of training (on the way, in training mode) and of validation
    std::vector<CallbackRef> callbacks{};      ///< called in this order
    double clip_grad_norm = 0;                 ///< the common 2-norm of all gradients is cut to this; 0: no cut
    double clip_grad_value = 0;                ///< each element of a gradient is cut to this; 0: no cut
    std::int64_t accumulate = 1;               ///< batches for one step of the optimiser: as if they were one; the loss must be a mean
    SchedulerRef scheduler{};
    Every scheduler_step = Every::epoch;
    std::string scheduler_monitor = "val_loss";  ///< for ReduceLROnPlateau; "loss" when there is no validation
    NonFinite nonfinite_loss = NonFinite::raise;
    std::int64_t initial_epoch = 0;            ///< to go on from a checkpoint: how many epochs have been made; `epochs` counts these, too
    bool verbose = true;                       ///< a line on standard output for each epoch
    bool progress = true;                      ///< a bar on a terminal
    bool handle_interrupt = true;              ///< Ctrl-C ends training after the running batch; a second one the program
};

}  // namespace headtorch::train
