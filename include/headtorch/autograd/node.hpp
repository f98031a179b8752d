// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The tape's nodes: one for each recorded op, and one for each leaf, where gradients gather.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "headtorch/autograd/autocast.hpp"
#include "headtorch/autograd/grad_mode.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::autograd {

class GradientSink;

/// Is shown what a node keeps for backward.
class SavedVisitor {
public:
    virtual void saved(const TensorImpl& value) = 0;

protected:
    ~SavedVisitor() = default;
};

/// An op on the tape: its parents are the nodes of its inputs (null where no gradient is wanted).
class Node : public GraphNode {
public:
    /// Steps back from the gradient of this node's output to those of its inputs, handed to `sink`.
    virtual void backward(Ref<TensorImpl> gradient, GradientSink& sink) = 0;
    /// Drops what was kept for backward; a second backward throws.
    virtual void free_saved() noexcept {}
    virtual void visit_saved(SavedVisitor& visitor) const { static_cast<void>(visitor); }
    /// Sum of two gradients of this node's output.
    virtual Ref<TensorImpl> add(Ref<TensorImpl> a, Ref<TensorImpl> b) const = 0;
    virtual bool is_leaf() const { return false; }
    /// Of the op's output, and thus of its gradient.
    virtual Shape shape() const = 0;

    const char* name() const { return name_; }
    /// Larger than that of every node it depends on.
    std::uint64_t sequence() const { return sequence_; }
    std::span<const Ref<Node>> parents() const { return {parents_, parent_count_}; }
    /// Under which its op was recorded, and its backward runs.
    Dtype autocast() const { return autocast_; }

    using Hook = std::function<Ref<TensorImpl>(const Ref<TensorImpl>&)>;
    /// What few nodes have: hooks, and the gradient itself (leaves, retain_grad).
    struct Extras {
        std::vector<Hook> hooks;
        bool retain = false;
        Ref<TensorImpl> gradient;
    };
    /// Under the lock.
    Extras& extras() {
        Extras* found = extras_.load(std::memory_order_relaxed);
        if (!found) extras_.store(found = new Extras, std::memory_order_release);
        return *found;
    }
    /// Atomic, for another thread's backward may just be making those of a common leaf.
    Extras* find_extras() const { return extras_.load(std::memory_order_acquire); }

    /// Serialises what several threads may do to one leaf.
    void lock() noexcept {
        while (busy_.test_and_set(std::memory_order_acquire)) {}
    }
    void unlock() noexcept { busy_.clear(std::memory_order_release); }

protected:
    explicit Node(const char* name) : name_(name) {}
    ~Node() { delete extras_.load(std::memory_order_relaxed); }

    /// Called once, by the constructor of the class that holds them.
    HEADTORCH_NOINLINE void set_parents(const Ref<Node>* first, std::size_t count) {
        parents_ = first;
        parent_count_ = static_cast<std::uint32_t>(count);
        static thread_local std::uint64_t counter = 0;
        std::uint64_t sequence = counter;
        for (const Ref<Node>& parent : parents())
            if (parent) sequence = std::max(sequence, parent->sequence_ + 1);
        sequence_ = sequence;
        counter = sequence + 1;
    }
    virtual void destroy() noexcept = 0;

private:
    /// Frees without recursion: a node that dies while another one is being freed waits in a list.
    void dispose() noexcept final {
        struct Trash {
            Node* head = nullptr;
            bool draining = false;
        };
        static thread_local Trash trash;
        next_dead_ = std::exchange(trash.head, this);
        if (trash.draining) return;
        trash.draining = true;
        while (Node* node = trash.head) {
            trash.head = node->next_dead_;
            node->destroy();
        }
        trash.draining = false;
    }

    const char* name_;
    const Ref<Node>* parents_ = nullptr;
    std::uint32_t parent_count_ = 0;
    std::atomic_flag busy_;
    Dtype autocast_ = AutocastMode::dtype();
    std::uint64_t sequence_ = 0;
    Node* next_dead_ = nullptr;
    std::atomic<Extras*> extras_{nullptr};
};

/// Holds Node::lock() for a scope.
class NodeLock {
public:
    explicit NodeLock(Node& node) : node_(node) { node_.lock(); }
    ~NodeLock() { node_.unlock(); }
    NodeLock(const NodeLock&) = delete;
    NodeLock& operator=(const NodeLock&) = delete;

private:
    Node& node_;
};

/// A node whose output is a Tensor<T, D>.
template <class T, class D>
class TypedNode : public Node {
public:
    Ref<TensorImpl> add(Ref<TensorImpl> a, Ref<TensorImpl> b) const override {
        // sum_of_gradients is in ops/arithmetic.hpp, found through its arguments
        return sum_of_gradients(Tensor<T, D>(std::move(a)), Tensor<T, D>(std::move(b))).impl();
    }

protected:
    using Node::Node;
};

/// Where the gradient of a leaf gathers.
template <class T, class D>
class LeafNode final : public TypedNode<T, D> {
public:
    explicit LeafNode(const Shape& shape) : TypedNode<T, D>("leaf"), shape_(shape) { this->set_parents(nullptr, 0); }
    bool is_leaf() const override { return true; }
    Shape shape() const override { return shape_; }

    void backward(Ref<TensorImpl> gradient, GradientSink&) override {
        NodeLock guard(*this);
        Ref<TensorImpl>& sum = this->extras().gradient;
        if (sum) {
            // in place when nothing is recorded, so that a handle from grad() sees the sum
            sum = gather_gradient(Tensor<T, D>(sum), Tensor<T, D>(std::move(gradient))).impl();
        } else if (gradient->owns_storage() && (GradMode::enabled() || !gradient->node)) {
            sum = std::move(gradient);
        } else {  // others see it, and what comes later is added in place
            sum = Tensor<T, D>(std::move(gradient)).clone().impl();
        }
    }

private:
    void destroy() noexcept override { cpu::destroy_pooled(this); }

    const Shape shape_;
};

/// The node of a tensor; null when it needs no gradient. A view whose base was written in place gets a new one first.
template <class T, class D>
Ref<Node> node_of(const Tensor<T, D>& tensor) {
    if (!tensor.defined()) return nullptr;
    TensorImpl* impl = tensor.get();
    if (impl->base && impl->history != impl->base->history) refresh_view(tensor);  // ops/view.hpp
    return Ref<Node>::share(static_cast<Node*>(impl->node.get()));
}

template <class T, class D>
bool wants_grad(const Tensor<T, D>& tensor) {
    if constexpr (Floating<T>)
        return tensor.defined() && tensor.requires_grad();
    else
        return false;
}

/// True when an op on these inputs is to be recorded.
template <class... Tensors>
bool needs_grad(const Tensors&... tensors) {
    return GradMode::enabled() && (wants_grad(tensors) || ...);
}

}  // namespace headtorch::autograd

namespace headtorch {

template <class T, class D>
const Tensor<T, D>& Tensor<T, D>::requires_grad_(bool value) const {
    static_assert(Floating<T>, "headtorch: requires_grad_: only tensors of float or double have gradients: write x.to<float>() first");
    TensorImpl* impl = get();
    if (value && !impl->node) {
        impl->node = Ref<GraphNode>::adopt(cpu::make_pooled<autograd::LeafNode<T, D>>(impl->shape));
    } else if (!value && impl->node) {
        if (!is_leaf()) throw AutogradError("requires_grad_: only a leaf can stop requiring a gradient; use detach()");
        impl->node = nullptr;
    }
    return *this;
}

template <class T, class D>
bool Tensor<T, D>::is_leaf() const {
    const auto node = autograd::node_of(*this);
    return !node || node->is_leaf();
}

template <class T, class D>
std::string Tensor<T, D>::grad_fn() const {
    const auto node = autograd::node_of(*this);
    return node && !node->is_leaf() ? node->name() : "";
}

template <class T, class D>
Tensor<T, D> Tensor<T, D>::grad() const {
    const auto node = autograd::node_of(*this);
    if (!node) return {};
    autograd::NodeLock guard(*node);
    const auto* extras = node->find_extras();
    return extras ? Tensor(extras->gradient) : Tensor();
}

template <class T, class D>
void Tensor<T, D>::set_grad(const Tensor& gradient) const {
    const auto node = autograd::node_of(*this);
    if (!node) throw AutogradError("set_grad: this tensor does not require a gradient; call requires_grad_() first");
    if (gradient.defined() && !(gradient.shape() == shape()))
        throw ShapeError(message("set_grad: a gradient of shape ", gradient.shape(), " for a tensor of shape ", shape()));
    autograd::NodeLock guard(*node);
    node->extras().gradient = gradient.impl();
}

template <class T, class D>
void Tensor<T, D>::zero_grad() const {
    const auto node = autograd::node_of(*this);
    if (!node) return;
    autograd::NodeLock guard(*node);
    if (auto* extras = node->find_extras()) extras->gradient = nullptr;
}

template <class T, class D>
void Tensor<T, D>::retain_grad() const {
    const auto node = autograd::node_of(*this);
    if (!node) throw AutogradError("retain_grad: this tensor does not require a gradient");
    autograd::NodeLock guard(*node);
    node->extras().retain = true;
}

template <class T, class D>
void Tensor<T, D>::register_hook(std::function<Tensor(const Tensor&)> hook) const {
    const auto node = autograd::node_of(*this);
    if (!node) throw AutogradError("register_hook: this tensor does not require a gradient");
    autograd::NodeLock guard(*node);
    node->extras().hooks.push_back([hook = std::move(hook), shape = shape()](const Ref<TensorImpl>& gradient) {
        const Tensor result = hook(Tensor(gradient));
        if (!result.defined()) return gradient;
        if (!(result.shape() == shape))
            throw ShapeError(message("register_hook: the hook returned ", result.shape(), " for a gradient of shape ", shape));
        return result.impl();
    });
}

}  // namespace headtorch
