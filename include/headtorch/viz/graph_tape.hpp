// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// A picture of the tape: the ops that a tensor came from, with the shapes of what they gave and of what they keep for backward.

#include <algorithm>
#include <cstddef>
#include <map>
#include <queue>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "headtorch/autograd/node.hpp"
#include "headtorch/nn/module_tree.hpp"
#include "headtorch/viz/graph_picture.hpp"
#include "headtorch/viz/summary_table.hpp"

namespace headtorch::viz {
namespace detail {

using NamedTensors = std::vector<std::pair<std::string, nn::AnyTensorHandle>>;

/// The values that nodes keep, as text.
class SavedText final : public autograd::SavedVisitor {
public:
    explicit SavedText(const NamedTensors& named) {
        for (const auto& [name, tensor] : named) names_.emplace(tensor.impl()->storage.get(), Named{name, tensor.shape()});
    }
    void saved(const TensorImpl& value) override {
        const auto found = names_.find(value.storage.get());
        if (found != names_.end() && found->second.shape == value.shape) {
            words_.push_back(found->second.name);
            return;
        }
        words_.push_back(shape_text(value.shape, value.dtype));
        if (found == names_.end() && storages_.insert(value.storage.get()).second) bytes_ += value.storage->bytes;
    }
    /// "keeps [2, 3], fc.weight"; nothing when nothing is kept.
    std::vector<std::string> of(const autograd::Node& node) {
        words_.clear();
        node.visit_saved(*this);
        return lines_of("keeps ", words_, 44);
    }
    /// All that was kept, each piece of memory once, without named tensors.
    std::size_t bytes() const { return bytes_; }

private:
    struct Named {
        std::string name;
        Shape shape;
    };
    std::map<const Storage*, Named> names_;
    std::set<const Storage*> storages_;
    std::vector<std::string> words_;
    std::size_t bytes_ = 0;
};

/// `named` are the parameters of a network.
inline Graph tape_graph(const autograd::Node* root, const NamedTensors& named, const GraphOptions& options) {
    using autograd::Node;
    std::map<const Node*, std::string> names;
    for (const auto& [name, tensor] : named)
        if (tensor.impl()->node) names.emplace(static_cast<const Node*>(tensor.impl()->node.get()), name);

    // from the last op back, the later ones first: what is cut off is what lies farthest back
    const auto earlier = [](const Node* a, const Node* b) { return a->sequence() < b->sequence(); };
    std::priority_queue<const Node*, std::vector<const Node*>, decltype(earlier)> open(earlier);
    std::set<const Node*> met = {root}, leaves;
    std::vector<const Node*> ops;
    if (root->is_leaf())
        leaves.insert(root);
    else
        open.push(root);
    bool full = false;
    while (!open.empty()) {
        const Node* node = open.top();
        open.pop();
        std::set<const Node*> with;  // an op is shown with its leaves or not at all
        for (const Ref<Node>& parent : node->parents()) {
            if (!parent) continue;
            if (met.insert(parent.get()).second && !parent->is_leaf()) open.push(parent.get());
            if (parent->is_leaf() && !leaves.contains(parent.get())) with.insert(parent.get());
        }
        full = full || (ops.size() + leaves.size() + 1 + with.size() > options.max_nodes && !ops.empty());
        if (full) continue;
        ops.push_back(node);
        leaves.merge(with);
    }
    std::reverse(ops.begin(), ops.end());
    const std::size_t cut = met.size() - ops.size() - leaves.size();

    Graph graph;
    graph.left_to_right = options.left_to_right;
    SavedText saved(named);
    std::map<const Node*, std::size_t> places;
    std::size_t parameters = 0;
    const auto add = [&](const Node* node, Graph::Kind kind, std::string name, std::vector<std::string> more = {}) {
        places.emplace(node, graph.boxes.size());
        graph.boxes.push_back({kind, std::move(name), {shape_text(node->shape())}, std::move(more)});
    };
    const auto add_leaf = [&](const Node* leaf) {
        const auto found = names.find(leaf);
        parameters += found != names.end();
        add(leaf, found == names.end() ? Graph::Kind::input : Graph::Kind::parameter, found == names.end() ? "leaf" : found->second);
    };
    if (root->is_leaf()) add_leaf(root);
    if (cut > 0) graph.boxes.push_back({Graph::Kind::note, "\u2026 " + counted(cut, "more node"), {}, {}});
    for (const Node* op : ops) {
        for (const Ref<Node>& parent : op->parents())
            if (parent && parent->is_leaf() && !places.contains(parent.get())) add_leaf(parent.get());
        add(op, op == root ? Graph::Kind::output : Graph::Kind::op, op->name(), saved.of(*op));
        for (const Ref<Node>& parent : op->parents()) {
            const auto from = places.find(parent.get());
            if (from != places.end())
                graph.arrows.push_back({from->second, places[op], ""});
            else if (parent)
                graph.arrows.push_back({0, places[op], "", true});  // from the note
        }
    }
    graph.title = options.title.empty() ? "The tape behind " + std::string(root->name()) : options.title;
    graph.subtitle = counted(ops.size(), "op");
    if (parameters > 0) graph.subtitle += ", " + counted(parameters, "parameter");
    if (leaves.size() > parameters)
        graph.subtitle += ", " + counted(leaves.size() - parameters, parameters > 0 ? "other leaf tensor" : "leaf tensor");
    if (saved.bytes() > 0) graph.subtitle += ", " + readable_bytes(saved.bytes()) + " kept for backward";
    graph.legend = "rounded: an op and the shape of its output";
    if (parameters > 0) graph.legend += " \u00B7 folded corner: a parameter";
    if (leaves.size() > parameters) graph.legend += " \u00B7 oval: a leaf";
    if (cut > 0)
        graph.warning = "cut: the last " + std::to_string(met.size() - cut) + " of " + std::to_string(met.size()) +
                        " nodes (max_nodes = " + std::to_string(options.max_nodes) + ")";
    return graph;
}

}  // namespace detail

/// The ops behind a tensor: `viz::graph(loss).save("loss.svg")`. Each has the shape of what it gave and of what it keeps for backward()
/// (nothing after that has run). Throws AutogradError when the tensor needs no gradient.
template <class T, class D>
Graph graph(const Tensor<T, D>& loss, const GraphOptions& options = {}) {
    const Ref<autograd::Node> node = autograd::node_of(loss);
    if (!node) throw AutogradError("viz::graph: this tensor needs no gradient, so that no op behind it was recorded");
    return detail::tape_graph(node.get(), {}, options);
}
/// The same with the names of a network's parameters.
template <class T, class D, class Net>
    requires requires(const Net& net) { net.module_ref(); }
Graph graph(const Tensor<T, D>& loss, const Net& net, const GraphOptions& options = {}) {
    const Ref<autograd::Node> node = autograd::node_of(loss);
    if (!node) throw AutogradError("viz::graph: this tensor needs no gradient, so that no op behind it was recorded");
    return detail::tape_graph(node.get(), nn::detail::named_tensors(net.module_ref(), nn::TensorKind::parameter), options);
}

}  // namespace headtorch::viz
