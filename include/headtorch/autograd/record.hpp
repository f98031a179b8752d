// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Putting an op on the tape: its name, its output, and for each input the formula of its gradient.

#include <array>
#include <cstddef>
#include <optional>
#include <tuple>
#include <utility>

#include "headtorch/autograd/node.hpp"

namespace headtorch::autograd {

/// Takes the gradients of a node's inputs during backward().
class GradientSink {
public:
    /// True when input `i` wants its gradient.
    virtual bool wants(std::size_t i) const = 0;
    virtual void add(std::size_t i, Ref<TensorImpl> gradient) = 0;

protected:
    ~GradientSink() = default;
};

/// The node whose backward runs on this thread.
inline Node*& running_node() {
    static thread_local Node* node = nullptr;
    return node;
}

[[noreturn]] HEADTORCH_NOINLINE inline void throw_overwritten(const TensorImpl& value, std::uint32_t saved_version) {
    throw AutogradError(message(running_node() ? running_node()->name() : "backward", ": backward needs a value of shape ", value.shape,
                                " that ", value.storage->last_write.load(), " overwrote in place (version ", saved_version, " was saved, ",
                                value.version(), " is there); clone() it first, or write y = x + 1 instead of x += 1"));
}

/// A value kept for backward. Reading it throws when it was overwritten in the meantime.
template <class T, class D>
class Saved {
public:
    Saved() = default;
    explicit Saved(Tensor<T, D> tensor) : tensor_(std::move(tensor)), version_(tensor_.defined() ? tensor_.get()->version() : 0) {}

    /// By reference: a handle of one's own would be counted, atomically, for nothing.
    const Tensor<T, D>& operator()() const {
        if (tensor_.defined() && tensor_.get()->version() != version_) throw_overwritten(*tensor_.get(), version_);
        return tensor_;
    }

private:
    Tensor<T, D> tensor_;
    std::uint32_t version_ = 0;
};

/// The op's own output, kept without its node: output and node would hold each other for ever.
template <class T, class D>
class SavedOutput : Saved<T, D> {
public:
    SavedOutput() = default;
    explicit SavedOutput(const Tensor<T, D>& output) : Saved<T, D>(Tensor<T, D>(alias_impl(*output.get()))) {}

    Tensor<T, D> operator()() const {
        const Tensor<T, D>& value = Saved<T, D>::operator()();
        if (!GradMode::enabled()) return value;
        Tensor<T, D> output(alias_impl(*value.get()));
        output.get()->node = Ref<GraphNode>::share(running_node());
        return output;
    }
};

template <class T, class D>
Saved<T, D> saved(const Tensor<T, D>& tensor) { return Saved<T, D>(tensor); }
template <class T, class D>
SavedOutput<T, D> saved_output(const Tensor<T, D>& output) { return SavedOutput<T, D>(output); }

/// One input and the formula of its gradient.
template <class F>
struct Input {
    Ref<Node> node;
    F gradient;
};
template <class T, class D, class F>
Input<F> input(const Tensor<T, D>& tensor, F gradient) {
    if constexpr (Floating<T>)
        return {node_of(tensor), std::move(gradient)};
    else
        return {nullptr, std::move(gradient)};
}

[[noreturn]] inline void throw_freed(const char* name) {
    throw AutogradError(message(name, ": backward a second time through a graph whose saved values are freed; ",
                                "give the first backward {.retain_graph = true}, or compute the loss again"));
}

/// A recorded op: `Step` is called as step(gradient, sink). `Parents` is a std::array, or a std::vector for ops of any number of inputs.
template <class T, class D, class Parents, class Step>
class RecordedNode final : public TypedNode<T, D> {
public:
    RecordedNode(const char* name, Parents parents, Step step)
        : TypedNode<T, D>(name), parents_(std::move(parents)), step_(std::move(step)) {
        this->set_parents(parents_.data(), parents_.size());
    }
    void backward(Ref<TensorImpl> gradient, GradientSink& sink) override {
        if (!step_) throw_freed(this->name());
        (*step_)(Tensor<T, D>(std::move(gradient)), sink);
    }
    void free_saved() noexcept override { step_.reset(); }

private:
    void destroy() noexcept override { cpu::destroy_pooled(this); }

    Parents parents_;
    std::optional<Step> step_;
};

/// Sets the node of `output`, a tensor that nobody else holds yet.
template <class T, class D, class Parents, class Step>
Tensor<T, D> record_step(const char* name, Tensor<T, D> output, Parents parents, Step step) {
    if constexpr (Floating<T>) {  // a view of integers has nothing to record
        using Recorded = RecordedNode<T, D, Parents, Step>;
        output.get()->node = Ref<GraphNode>::adopt(cpu::make_pooled<Recorded>(name, std::move(parents), std::move(step)));
        if (output.get()->base) output.get()->history = output.get()->base->history;
    }
    return output;
}

/// Records an op whose inputs' gradients are computed apart: `record("mul", y, input(a, …), input(b, …))`.
/// Each formula is called with the gradient of the output, and only when its input wants one.
template <class T, class D, class... F>
Tensor<T, D> record(const char* name, Tensor<T, D> output, Input<F>... inputs) {
    std::array<Ref<Node>, sizeof...(F)> parents{std::move(inputs.node)...};
    return record_step(name, std::move(output), std::move(parents),
                       [formulas = std::tuple<F...>(std::move(inputs.gradient)...)](const Tensor<T, D>& gradient, GradientSink& sink) {
                           [&]<std::size_t... I>(std::index_sequence<I...>) {
                               ((sink.wants(I) ? sink.add(I, std::get<I>(formulas)(gradient).impl()) : void()), ...);
                           }(std::index_sequence_for<F...>{});
                       });
}

/// The nodes of several inputs, for an op whose gradients share their work.
template <class... Tensors>
std::array<Ref<Node>, sizeof...(Tensors)> inputs(const Tensors&... tensors) {
    return {input(tensors, 0).node...};
}

/// Records an op whose gradients are computed together: `gradients(g, wants)` returns a tuple with one tensor per input, undefined
/// where wants(i) is false.
template <class T, class D, std::size_t N, class F>
Tensor<T, D> record(const char* name, Tensor<T, D> output, std::array<Ref<Node>, N> parents, F gradients) {
    auto step = [gradients = std::move(gradients)](const Tensor<T, D>& gradient, GradientSink& sink) mutable {
        auto results = gradients(gradient, [&](std::size_t i) { return sink.wants(i); });
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            ((std::get<I>(results).defined() && sink.wants(I) ? sink.add(I, std::get<I>(std::move(results)).impl()) : void()), ...);
        }(std::make_index_sequence<N>{});
    };
    return record_step(name, std::move(output), std::move(parents), std::move(step));
}

}  // namespace headtorch::autograd

namespace headtorch {
using autograd::input;
using autograd::inputs;
using autograd::needs_grad;
using autograd::record;
using autograd::saved;
using autograd::saved_output;
}  // namespace headtorch
