// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The losses and optimisers that a trace names. Part of train/parity.hpp.

#include <array>
#include <concepts>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headtorch/nn/loss.hpp"
#include "headtorch/ops/reduce.hpp"
#include "headtorch/optim/adadelta.hpp"
#include "headtorch/optim/adagrad.hpp"
#include "headtorch/optim/adam.hpp"
#include "headtorch/optim/nadam.hpp"
#include "headtorch/optim/radam.hpp"
#include "headtorch/optim/rmsprop.hpp"
#include "headtorch/optim/sgd.hpp"
#include "headtorch/train/parity/record.hpp"

namespace headtorch::train {

/// The inputs or targets of a trace: `in.get<float>(0)`, `in.get<std::int64_t>(1)`.
class ParityTensors {
public:
    explicit ParityTensors(std::vector<nn::AnyTensorHandle> tensors) : tensors_(std::move(tensors)) {}

    std::size_t size() const { return tensors_.size(); }
    Dtype dtype(std::size_t i) const { return at(i).dtype(); }
    /// A copy of tensor i. Integers become any type, floating numbers floating ones.
    template <class T>
    Tensor<T, Cpu> get(std::size_t i) const {
        const nn::AnyTensorHandle& tensor = at(i);
        if (tensor.is<T>()) return tensor.clone().template get<T>();
        if (!Floating<T> && (tensor.is<float>() || tensor.is<double>()))
            throw ValueError(
                message("check_parity: tensor ", i, " of the trace is of ", name(tensor.dtype()), ", asked for is ", name(dtype_of<T>)));
        const Tensor<T, Cpu> converted = empty<T, Cpu>(tensor.shape());
        parity_detail::write_values(*converted.get(), parity_detail::values_of(*tensor.impl()));
        return converted;
    }

private:
    const nn::AnyTensorHandle& at(std::size_t i) const {
        if (i >= tensors_.size())
            throw IndexError(message("check_parity: the trace has ", tensors_.size(), " such tensors, not one at ", i));
        return tensors_[i];
    }
    std::vector<nn::AnyTensorHandle> tensors_;
};

namespace parity_detail {

/// Options as they were recorded; what is not there keeps its default.
class RecordedOptions {
public:
    explicit RecordedOptions(const Json& json) : json_(json) {}

    double number(const char* key, double otherwise) const {
        const auto found = json_.find(key);
        return found != json_.end() && found->is_number() ? found->get<double>() : otherwise;
    }
    bool truth(const char* key, bool otherwise = false) const {
        const auto found = json_.find(key);
        return found != json_.end() && found->is_boolean() ? found->get<bool>() : otherwise;
    }
    std::string text(const char* key, const char* otherwise) const {
        const auto found = json_.find(key);
        return found != json_.end() && found->is_string() ? found->get<std::string>() : otherwise;
    }
    std::array<double, 2> betas() const {
        const auto found = json_.find("betas");
        if (found == json_.end() || !found->is_array() || found->size() != 2 || !(*found)[0].is_number() || !(*found)[1].is_number())
            return {0.9, 0.999};
        return {(*found)[0].get<double>(), (*found)[1].get<double>()};
    }
    Reduction reduction() const { return text("reduction", "mean") == "sum" ? Reduction::sum : Reduction::mean; }

private:
    const Json& json_;
};

/// The loss of that name, or nothing when there is none.
template <class T>
Tensor<T, Cpu> named_loss(const std::string& loss, const RecordedOptions& o, const nn::StateDict& weights, const Tensor<T, Cpu>& y,
                     const ParityTensors& targets) {
    if (loss == "sum") return y.sum();
    if (loss == "mean") return y.mean();
    const Reduction reduction = o.reduction();
    const auto weight = [&](const char* key) { return weights.contains(key) ? weights.get<T>(key) : Tensor<T, Cpu>(); };
    const auto ignored = static_cast<std::int64_t>(o.number("ignore_index", -100));
    if (loss == "CrossEntropyLoss") {
        const nn::CrossEntropyOptions<T, Cpu> options{weight("weight"), ignored, reduction, o.number("label_smoothing", 0)};
        if (targets.dtype(0) == Dtype::int64) return nn::cross_entropy(y, targets.get<std::int64_t>(0), options);
        return nn::cross_entropy(y, targets.get<T>(0), options);
    }
    if (loss == "NLLLoss") return nn::nll_loss(y, targets.get<std::int64_t>(0), {weight("weight"), ignored, reduction});
    if (loss == "MSELoss") return nn::mse_loss(y, targets.get<T>(0), {reduction});
    if (loss == "L1Loss") return nn::l1_loss(y, targets.get<T>(0), {reduction});
    if (loss == "SmoothL1Loss") return nn::smooth_l1_loss(y, targets.get<T>(0), {reduction, o.number("beta", 1)});
    if (loss == "HuberLoss") return nn::huber_loss(y, targets.get<T>(0), {reduction, o.number("delta", 1)});
    if (loss == "BCELoss") return nn::binary_cross_entropy(y, targets.get<T>(0), {weight("weight"), reduction});
    if (loss == "BCEWithLogitsLoss")
        return nn::binary_cross_entropy_with_logits(y, targets.get<T>(0), {weight("weight"), reduction, weight("pos_weight")});
    if (loss == "SoftMarginLoss") return nn::soft_margin_loss(y, targets.get<T>(0), {reduction});
    if (loss == "PoissonNLLLoss")
        return nn::poisson_nll_loss(y, targets.get<T>(0), {o.truth("log_input", true), o.truth("full"), o.number("eps", 1e-8), reduction});
    if (loss == "KLDivLoss") {
        const bool by_batch = o.text("reduction", "mean") == "batchmean";
        return nn::kl_div(y, targets.get<T>(0), {by_batch ? Reduction::batchmean : reduction, o.truth("log_target")});
    }
    return {};
}

/// An optimiser whose type is known no more.
class AnyOptimizer {
public:
    virtual ~AnyOptimizer() = default;
    virtual void step() = 0;
};

template <class T>
using NamedParameters = std::map<std::string, Tensor<T, Cpu>>;

/// Makes an optimiser of the recorded groups; `options` reads those of one group.
template <class Optimizer, class T, class F>
std::unique_ptr<AnyOptimizer> make_optimizer(const ParityRecord& record, const NamedParameters<T>& parameters, const F& options) {
    struct Holder final : AnyOptimizer {
        Optimizer optimizer;
        Holder(std::vector<Tensor<T, Cpu>> first, const decltype(options(std::declval<RecordedOptions>()))& chosen)
            : optimizer(std::move(first), chosen) {}
        void step() override { optimizer.step(); }
    };
    std::unique_ptr<Holder> holder;
    for (const RecordedGroup& group : record.groups) {
        std::vector<Tensor<T, Cpu>> members;
        for (const std::string& name : group.parameters)
            if (const auto found = parameters.find(name); found != parameters.end() && found->second.requires_grad())
                members.push_back(found->second);
        if (members.empty()) continue;
        const auto chosen = options(RecordedOptions(group.options));
        if (holder)
            holder->optimizer.add_param_group(std::move(members), chosen);
        else
            holder = std::make_unique<Holder>(std::move(members), chosen);
    }
    return holder;
}

/// The recorded optimiser, or null for one that is not known here.
template <class T>
std::unique_ptr<AnyOptimizer> recorded_optimizer(const ParityRecord& record, const NamedParameters<T>& parameters) {
    using O = RecordedOptions;
    const std::string& name = record.optimizer;
    if (name == "SGD")
        return make_optimizer<optim::SGD<T>>(record, parameters, [](const O& o) {
            return optim::SGDOptions{o.number("lr", 1e-3),        o.number("momentum", 0), o.number("dampening", 0),
                                     o.number("weight_decay", 0), o.truth("nesterov"),     o.truth("maximize")};
        });
    // PyTorch's AdamW is an Adam whose decay is decoupled.
    const bool decoupled = !record.groups.empty() && RecordedOptions(record.groups[0].options).truth("decoupled_weight_decay");
    if (name == "Adam" && !decoupled)
        return make_optimizer<optim::Adam<T>>(record, parameters, [](const O& o) {
            return optim::AdamOptions{o.number("lr", 1e-3),        o.betas(),          o.number("eps", 1e-8),
                                      o.number("weight_decay", 0), o.truth("amsgrad"), o.truth("maximize")};
        });
    if (name == "AdamW" || name == "Adam")
        return make_optimizer<optim::AdamW<T>>(record, parameters, [](const O& o) {
            return optim::AdamWOptions{o.number("lr", 1e-3),           o.betas(),          o.number("eps", 1e-8),
                                       o.number("weight_decay", 1e-2), o.truth("amsgrad"), o.truth("maximize")};
        });
    if (name == "RMSprop")
        return make_optimizer<optim::RMSprop<T>>(record, parameters, [](const O& o) {
            return optim::RMSpropOptions{o.number("lr", 1e-2),        o.number("alpha", 0.99), o.number("eps", 1e-8),
                                         o.number("weight_decay", 0), o.number("momentum", 0), o.truth("centered"),
                                         o.truth("maximize")};
        });
    if (name == "Adagrad")
        return make_optimizer<optim::Adagrad<T>>(record, parameters, [](const O& o) {
            return optim::AdagradOptions{o.number("lr", 1e-2),        o.number("lr_decay", 0),
                                         o.number("weight_decay", 0), o.number("initial_accumulator_value", 0),
                                         o.number("eps", 1e-10),      o.truth("maximize")};
        });
    if (name == "Adadelta")
        return make_optimizer<optim::Adadelta<T>>(record, parameters, [](const O& o) {
            return optim::AdadeltaOptions{o.number("lr", 1), o.number("rho", 0.9), o.number("eps", 1e-6), o.number("weight_decay", 0),
                                          o.truth("maximize")};
        });
    if (name == "NAdam")
        return make_optimizer<optim::NAdam<T>>(record, parameters, [](const O& o) {
            return optim::NAdamOptions{o.number("lr", 2e-3),
                                       o.betas(),
                                       o.number("eps", 1e-8),
                                       o.number("weight_decay", 0),
                                       o.number("momentum_decay", 4e-3),
                                       o.truth("decoupled_weight_decay"),
                                       o.truth("maximize")};
        });
    if (name == "RAdam")
        return make_optimizer<optim::RAdam<T>>(record, parameters, [](const O& o) {
            return optim::RAdamOptions{
                o.number("lr", 1e-3), o.betas(), o.number("eps", 1e-8), o.number("weight_decay", 0), o.truth("decoupled_weight_decay"),
                o.truth("maximize")};
        });
    return nullptr;
}

/// "Adam with lr=0.01, betas=(0.9, 0.999), …".
inline std::string optimizer_text(const ParityRecord& record) {
    std::string text = record.optimizer;
    for (const RecordedGroup& group : record.groups) {
        text += &group == &record.groups[0] ? " with" : "; another group with";
        bool first = true;
        for (const auto& [key, value] : group.options.items()) {
            text += message(first ? " " : ", ", key, "=", python_text(value));
            first = false;
        }
    }
    return text;
}

}  // namespace parity_detail
}  // namespace headtorch::train
