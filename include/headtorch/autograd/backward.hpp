// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The backward pass: nodes in falling sequence order, without recursion; gradients of one node are summed before it runs.
/// A program includes headtorch/headtorch.hpp: tensors' other members are defined in ops/.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <unordered_set>
#include <utility>
#include <vector>

#include "headtorch/autograd/record.hpp"

namespace headtorch::autograd {

/// Gradients that wait for their node, by node: open addressing, reused from one backward to the next.
class PendingGradients {
public:
    /// The waiting gradient of `node`; null when the node is new here.
    Ref<TensorImpl>& find_or_insert(Node* node) {
        if (2 * (count_ + 1) > slots_.size()) grow();
        std::size_t i = home(node);
        while (slots_[i].node && slots_[i].node != node) i = (i + 1) & (slots_.size() - 1);
        if (!slots_[i].node) {
            slots_[i].node = node;
            ++count_;
        }
        return slots_[i].gradient;
    }
    Ref<TensorImpl> take(Node* node) {
        const std::size_t mask = slots_.size() - 1;
        std::size_t i = home(node);
        while (slots_[i].node != node) i = (i + 1) & mask;
        Ref<TensorImpl> gradient = std::move(slots_[i].gradient);
        // close the gap, so that no search stops at it
        for (std::size_t next = (i + 1) & mask; slots_[next].node; next = (next + 1) & mask) {
            if (((next - home(slots_[next].node)) & mask) >= ((next - i) & mask)) {
                slots_[i] = std::move(slots_[next]);
                i = next;
            }
        }
        slots_[i] = {};
        --count_;
        return gradient;
    }
    void clear() {
        if (count_) std::fill(slots_.begin(), slots_.end(), Slot{});
        count_ = 0;
    }

private:
    struct Slot {
        Node* node = nullptr;
        Ref<TensorImpl> gradient;
    };
    std::size_t home(Node* node) const {
        return (reinterpret_cast<std::uintptr_t>(node) >> 6) * std::uintptr_t{0x9e3779b97f4a7c15} >> 20 & (slots_.size() - 1);
    }
    void grow() {
        std::vector<Slot> old(std::max<std::size_t>(64, 2 * slots_.size()));
        old.swap(slots_);
        count_ = 0;
        for (Slot& slot : old)
            if (slot.node) find_or_insert(slot.node) = std::move(slot.gradient);
    }

    std::vector<Slot> slots_;
    std::size_t count_ = 0;
};

/// One backward pass. Its working memory is kept by the thread for the next one.
class Engine final : GradientSink {
public:
    /// Gradients that grad() asks for: no leaf gathers anything then, and only nodes on a path to these are run.
    struct Captures {
        std::vector<Node*> targets;
        std::vector<Ref<TensorImpl>> gradients;
        std::unordered_set<const Node*> useful;
    };

    static void run(const Ref<Node>& root, Ref<TensorImpl> gradient, BackwardOptions options, Captures* captures = nullptr) {
        Lease lease;
        lease.engine->walk(root.get(), std::move(gradient), options, captures);
    }

private:
    /// An engine for one pass; a hook that calls backward() itself gets another one.
    struct Lease {
        std::unique_ptr<Engine> engine;
        Lease() {
            if (idle().empty()) {
                engine = std::make_unique<Engine>();
            } else {
                engine = std::move(idle().back());
                idle().pop_back();
            }
        }
        ~Lease() {
            engine->heap_.clear();
            engine->pending_.clear();
            idle().push_back(std::move(engine));
        }
        static std::vector<std::unique_ptr<Engine>>& idle() {
            static thread_local std::vector<std::unique_ptr<Engine>> engines;
            return engines;
        }
    };

    static bool earlier(const Node* a, const Node* b) { return a->sequence() < b->sequence(); }

    void walk(Node* root, Ref<TensorImpl> gradient, BackwardOptions options, Captures* captures) {
        GradModeGuard mode(options.create_graph);
        AutocastGuard cast(AutocastMode::dtype());
        Node* const outer = running_node();
        struct Restore {
            Node* node;
            ~Restore() { running_node() = node; }
        } restore{outer};
        captures_ = captures;
        deliver(root, std::move(gradient));
        while (!heap_.empty()) {
            std::pop_heap(heap_.begin(), heap_.end(), earlier);
            node_ = heap_.back();
            heap_.pop_back();
            running_node() = node_;
            AutocastMode::set_dtype(node_->autocast());
            Ref<TensorImpl> g = pending_.take(node_);
            if (Node::Extras* extras = node_->find_extras()) {
                for (std::size_t i = 0; i < extras->hooks.size(); ++i) g = extras->hooks[i](g);
                if (extras->retain && !node_->is_leaf()) extras->gradient = g;
            }
            if (captures) {
                for (std::size_t i = 0; i < captures->targets.size(); ++i)
                    if (captures->targets[i] == node_) captures->gradients[i] = g;
                if (node_->is_leaf()) continue;
            }
            if (observed()) [[unlikely]]
                watched_backward(std::move(g));
            else
                node_->backward(std::move(g), *this);
            if (!options.retain_graph) node_->free_saved();
        }
    }

    HEADTORCH_COLD void watched_backward(Ref<TensorImpl> gradient) {
        Node* const node = node_;
        Observer::each([&](Observer& observer) { observer.backward_begins(*node); });
        try {
            node->backward(std::move(gradient), *this);
        } catch (...) {
            Observer::each([&](Observer& observer) { observer.backward_ends(*node, true); });
            throw;
        }
        Observer::each([&](Observer& observer) { observer.backward_ends(*node, false); });
    }

    bool wants(std::size_t i) const override {
        const Node* parent = node_->parents()[i].get();
        return parent && (!captures_ || captures_->useful.contains(parent));
    }
    void add(std::size_t i, Ref<TensorImpl> gradient) override {
        if (observed()) [[unlikely]]
            Observer::each([&](Observer& observer) { observer.backward_gave(*node_, *gradient); });
        deliver(node_->parents()[i].get(), std::move(gradient));
    }

    void deliver(Node* node, Ref<TensorImpl> gradient) {
        Ref<TensorImpl>& waiting = pending_.find_or_insert(node);
        if (waiting) {
            waiting = node->add(std::move(waiting), std::move(gradient));
        } else {
            waiting = std::move(gradient);
            heap_.push_back(node);
            std::push_heap(heap_.begin(), heap_.end(), earlier);
        }
    }

    std::vector<Node*> heap_;
    PendingGradients pending_;
    Node* node_ = nullptr;
    Captures* captures_ = nullptr;
};

/// Nodes from which one of `targets` can be reached, among those that `root` can reach.
inline std::unordered_set<const Node*> nodes_on_paths(const Node* root, const std::vector<Node*>& targets) {
    std::vector<const Node*> reachable{root};
    std::unordered_set<const Node*> seen{root};
    for (std::size_t i = 0; i < reachable.size(); ++i)
        for (const Ref<Node>& parent : reachable[i]->parents())
            if (parent && seen.insert(parent.get()).second) reachable.push_back(parent.get());
    std::sort(reachable.begin(), reachable.end(), [](const Node* a, const Node* b) { return a->sequence() < b->sequence(); });
    std::unordered_set<const Node*> useful(targets.begin(), targets.end());
    for (const Node* node : reachable)
        for (const Ref<Node>& parent : node->parents())
            if (parent && useful.contains(parent.get())) useful.insert(node);
    return useful;
}

template <class T, class D>
Ref<Node> differentiable_root(const char* op, const Tensor<T, D>& y, const Tensor<T, D>& gradient) {
    static_assert(Floating<T>, "headtorch: backward: only tensors of float or double have gradients");
    const Ref<Node> root = node_of(y);
    if (!root) throw AutogradError(message(op, ": this tensor does not depend on anything that requires a gradient"));
    if (!gradient.defined() && y.numel() != 1)
        throw AutogradError(
            message(op, ": a tensor of shape ", y.shape(), " is not a single number; reduce it with sum() or mean(), or give a gradient"));
    if (gradient.defined() && !(gradient.shape() == y.shape()))
        throw ShapeError(message(op, ": a gradient of shape ", gradient.shape(), " for an output of shape ", y.shape()));
    return root;
}

template <class T, class D>
Ref<TensorImpl> initial_gradient(const Tensor<T, D>& y, const Tensor<T, D>& gradient) {
    if (gradient.defined()) return gradient.impl();
    const Tensor<T, D> one = empty<T, D>(y.shape());
    one.fill_(T(1));
    return one.impl();
}

}  // namespace headtorch::autograd

namespace headtorch {

template <class T, class D>
void Tensor<T, D>::backward(BackwardOptions options, const Here&) const {
    backward(Tensor(), options);
}

template <class T, class D>
void Tensor<T, D>::backward(const Tensor& gradient, BackwardOptions options, const Here&) const {
    const OpScope scope("backward");
    const auto root = autograd::differentiable_root("backward", *this, gradient);
    autograd::Engine::run(root, autograd::initial_gradient(*this, gradient), options);
}

/// Gradients of `y` (or of the sum of y * gradient) with respect to `xs`, without touching any grad(). Undefined for an x that y does not
/// depend on.
template <class T, class D>
std::vector<Tensor<T, D>> grad(const Tensor<T, D>& y, const std::vector<Tensor<T, D>>& xs, const Tensor<T, D>& gradient,
                               BackwardOptions options = {}) {
    const OpScope scope("grad");
    const auto root = autograd::differentiable_root("grad", y, gradient);
    autograd::Engine::Captures captures;
    for (std::size_t i = 0; i < xs.size(); ++i) {
        const auto node = autograd::node_of(xs[i]);
        if (!node) throw AutogradError(message("grad: input ", i, " of shape ", xs[i].shape(), " does not require a gradient"));
        captures.targets.push_back(node.get());
    }
    captures.gradients.resize(xs.size());
    captures.useful = autograd::nodes_on_paths(root.get(), captures.targets);
    autograd::Engine::run(root, autograd::initial_gradient(y, gradient), options, &captures);
    std::vector<Tensor<T, D>> gradients;
    for (auto& result : captures.gradients) gradients.emplace_back(std::move(result));
    return gradients;
}
template <class T, class D>
std::vector<Tensor<T, D>> grad(const Tensor<T, D>& y, const std::vector<Tensor<T, D>>& xs, BackwardOptions options = {}) {
    return grad(y, xs, Tensor<T, D>(), options);
}
template <class T, class D>
Tensor<T, D> grad(const Tensor<T, D>& y, const Tensor<T, D>& x, BackwardOptions options = {}) {
    return grad(y, std::vector<Tensor<T, D>>{x}, options)[0];
}

}  // namespace headtorch
