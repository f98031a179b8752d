// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Putting an op on the tape: its name, its output, and for each input the formula of its gradient.

#include <array>
#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <tuple>
#include <type_traits>
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

/// Whom saved values show themselves to while they are copied; see RecordedNode::visit_saved().
inline SavedVisitor*& visitor_of_saved() {
    static thread_local SavedVisitor* visitor = nullptr;
    return visitor;
}

/// A value kept for backward. Reading it throws when it was overwritten in the meantime.
template <class T, class D>
class Saved {
public:
    Saved() = default;
    explicit Saved(Tensor<T, D> tensor) : tensor_(std::move(tensor)), version_(tensor_.defined() ? tensor_.get()->version() : 0) {}
    HEADTORCH_COLD Saved(const Saved& other) : tensor_(other.tensor_), version_(other.version_) {
        if (visitor_of_saved() && tensor_.defined()) visitor_of_saved()->saved(*tensor_.get());
    }
    Saved(Saved&&) noexcept = default;
    Saved& operator=(Saved&&) noexcept = default;
    ~Saved() = default;

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

/// A value that an op made for its own backward, as `[at = Kept(at)]`: read like any tensor, without a check, but shown.
template <class T, class D>
class Kept : public Tensor<T, D> {
public:
    Kept() = default;
    Kept(Tensor<T, D> tensor) : Tensor<T, D>(std::move(tensor)) {}
    HEADTORCH_COLD Kept(const Kept& other) : Tensor<T, D>(other) {
        if (visitor_of_saved() && this->defined()) visitor_of_saved()->saved(*this->get());
    }
    Kept(Kept&&) noexcept = default;
    Kept& operator=(Kept&&) noexcept = default;
    ~Kept() = default;
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

/// Tells those who watch that the op that made `output` was put on the tape.
inline void tell_recorded(TensorImpl& output) {
    if (observed()) [[unlikely]]
        Observer::each([&](Observer& observer) { observer.op_recorded(*output.node, output); });
}

[[noreturn]] inline void throw_freed(const char* name) {
    throw AutogradError(message(name, ": backward a second time through a graph whose saved values are freed; ",
                                "give the first backward {.retain_graph = true}, or compute the loss again"));
}

/// A recorded op. Its parents and its step (how it goes back) lie behind the node in the same block of memory, and the step is known by
/// two functions: the node itself is compiled once for an element type, not once for each op.
template <class T, class D>
class RecordedNode final : public TypedNode<T, D> {
public:
    struct StepKind {
        std::uint32_t bytes;
        void (*run)(void* step, const Tensor<T, D>& gradient, GradientSink& sink);
        void (*destroy)(void* step) noexcept;
        void (*copy)(const void* step);  ///< and throw the copy away; null when it cannot be copied
    };

    /// The block of a node: the node, its parents, the step.
    static std::size_t step_offset(std::size_t parent_count) {
        return (sizeof(RecordedNode) + parent_count * sizeof(Ref<Node>) + step_alignment - 1) / step_alignment * step_alignment;
    }
    static constexpr std::size_t step_alignment = alignof(std::max_align_t);

    /// Takes the parents; the step is in its place already.
    RecordedNode(const char* name, const StepKind& kind, const Shape& shape, std::span<Ref<Node>> parents) noexcept
        : TypedNode<T, D>(name), kind_(kind), shape_(shape), parent_count_(static_cast<std::uint32_t>(parents.size())) {
        for (std::size_t i = 0; i < parents.size(); ++i) ::new (static_cast<void*>(parent(i))) Ref<Node>(std::move(parents[i]));
        this->set_parents(parent(0), parent_count_);
    }

    void backward(Ref<TensorImpl> gradient, GradientSink& sink) override {
        if (freed_) throw_freed(this->name());
        kind_.run(step(), Tensor<T, D>(std::move(gradient)), sink);
    }
    void free_saved() noexcept override {
        if (!std::exchange(freed_, true)) kind_.destroy(step());
    }
    Shape shape() const override { return shape_; }
    /// A step is a closure, whose captures nobody can list. But copying it copies each of them, and a Saved that is copied shows itself.
    void visit_saved(SavedVisitor& visitor) const override {
        if (freed_ || !kind_.copy) return;
        struct Restore {
            SavedVisitor* outer;
            ~Restore() { visitor_of_saved() = outer; }
        } const restore{std::exchange(visitor_of_saved(), &visitor)};
        kind_.copy(const_cast<RecordedNode*>(this)->step());
    }

private:
    void destroy() noexcept override {
        free_saved();
        const std::size_t bytes = step_offset(parent_count_) + kind_.bytes;
        for (std::size_t i = 0; i < parent_count_; ++i) std::destroy_at(parent(i));
        this->~RecordedNode();
        cpu::deallocate(this, bytes);
    }
    Ref<Node>* parent(std::size_t i) { return reinterpret_cast<Ref<Node>*>(this + 1) + i; }
    void* step() { return reinterpret_cast<std::byte*>(this) + step_offset(parent_count_); }

    const StepKind& kind_;
    const Shape shape_;
    std::uint32_t parent_count_;
    bool freed_ = false;
};

template <class Step>
constexpr auto copy_of_step() {
    void (*copy)(const void*) = nullptr;
    if constexpr (std::is_copy_constructible_v<Step>)
        copy = [](const void* step) { [[maybe_unused]] const Step copied(*static_cast<const Step*>(step)); };
    return copy;
}

template <class T, class D, class Step>
inline constexpr typename RecordedNode<T, D>::StepKind step_kind = {
    sizeof(Step),
    [](void* step, const Tensor<T, D>& gradient, GradientSink& sink) { (*static_cast<Step*>(step))(gradient, sink); },
    [](void* step) noexcept { static_cast<Step*>(step)->~Step(); },
    copy_of_step<Step>(),
};

template <class T, class D>
HEADTORCH_NOINLINE void set_recorded(TensorImpl& output, void* block, const char* name, const typename RecordedNode<T, D>::StepKind& kind,
                                     std::span<Ref<Node>> parents) {
    output.node = Ref<GraphNode>::adopt(::new (block) RecordedNode<T, D>(name, kind, output.shape, parents));
    if (output.base) output.history = output.base->history;
    tell_recorded(output);
}

/// Sets the node of `output`, a tensor that nobody else holds yet. `step` is called as step(gradient, sink); `parents` are a std::array,
/// or a std::vector for ops of any number of inputs.
template <class T, class D, class Parents, class Step>
Tensor<T, D> record_step(const char* name, Tensor<T, D> output, Parents parents, Step step) {
    if constexpr (Floating<T>) {  // a view of integers has nothing to record
        using Recorded = RecordedNode<T, D>;
        static_assert(alignof(Step) <= Recorded::step_alignment && std::is_nothrow_move_constructible_v<Step>);
        const std::size_t offset = Recorded::step_offset(parents.size());
        void* const block = cpu::allocate(offset + sizeof(Step));
        ::new (static_cast<void*>(static_cast<std::byte*>(block) + offset)) Step(std::move(step));
        set_recorded<T, D>(*output.get(), block, name, step_kind<T, D, Step>, parents);
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
namespace detail {
template <class T, class D>
inline constexpr bool is_tensor<autograd::Kept<T, D>> = true;
}

using autograd::input;
using autograd::inputs;
using autograd::Kept;
using autograd::needs_grad;
using autograd::record;
using autograd::saved;
using autograd::saved_output;
}  // namespace headtorch
