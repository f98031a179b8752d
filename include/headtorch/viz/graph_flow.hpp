// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// How data flow through a network, watched while it runs once: steps, each an op or a module without ops, lie in calls of modules.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headtorch/autograd/node.hpp"
#include "headtorch/nn/module_tree.hpp"
#include "headtorch/nn/observer.hpp"
#include "headtorch/viz/graph_picture.hpp"
#include "headtorch/viz/summary_table.hpp"

namespace headtorch::viz::detail {

/// "456 parameters": those of a module and of all below it.
inline std::string parameters_text(nn::ModuleRef module) {
    std::int64_t count = 0;
    bool trained = false;
    for (const auto& [name, tensor] : nn::detail::named_tensors(module, nn::TensorKind::parameter)) {
        count += tensor.numel();
        trained = trained || tensor.impl()->node;
    }
    return counted(static_cast<std::size_t>(count), "parameter") + (count > 0 && !trained ? ", frozen" : "");
}

/// "3, 6, kernel_size=(5, 5)" at the commas that no brackets enclose.
inline std::vector<std::string> arguments_of(std::string_view text) {
    std::vector<std::string> words = {""};
    int depth = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        depth += (text[i] == '(' || text[i] == '[') - (text[i] == ')' || text[i] == ']');
        if (depth == 0 && text.substr(i, 2) == ", ") {
            words.emplace_back();
            ++i;
        } else {
            words.back() += text[i];
        }
    }
    return words;
}

/// A module: its name, its class, how many parameters it has, and what it says of itself.
inline Graph::Box module_box(nn::ModuleRef module, const std::string& name) {
    Graph::Box box{Graph::Kind::module, name.empty() ? std::string(module.name()) : name, {}, {}};
    std::string line = name.empty() ? "" : std::string(module.name());
    if (const std::string parameters = parameters_text(module); !parameters.starts_with("0 "))
        line += (line.empty() ? "" : " \u00B7 ") + parameters;
    if (!line.empty()) box.lines.push_back(line);
    const std::string extra = module.type().extra_repr ? module.type().extra_repr(module.address()) : "";
    if (!extra.empty() && extra.find('\n') == std::string::npos) box.more = lines_of("", arguments_of(extra), 42);
    return box;
}

/// What was seen of a run.
class Flow {
public:
    explicit Flow(nn::ModuleRef root) : root_(root) {
        std::string path;
        nn::detail::walk_modules(root, &path, [&](nn::ModuleRef module) { paths_.emplace(key(module), path); });
        for (const auto& [name, tensor] : nn::detail::named_tensors(root, nn::TensorKind::parameter))
            if (!tensor.impl()->node) frozen_.push_back(tensor);
        trained_text_ = parameters_text(root);
    }
    /// Frozen parameters, too: what depends on them can be followed then. They are set free again by LeaveNoTrace.
    void require_gradients() {
        for (const nn::AnyTensorHandle& tensor : frozen_)
            if (tensor.type()->requires_grad) tensor.type()->requires_grad(tensor.impl(), true);
    }

    void begin_call(nn::ModuleRef module, std::span<TensorImpl* const> inputs) {
        if (calls_.empty())
            for (TensorImpl* input : inputs) start(*input, add_step({Step::Kind::input, "input", 0}));
        calls_.push_back({module, open_.empty() ? 0 : open_.back(), steps_.size(), {}, {}});
        // one that forward() made for itself will be gone when its box is drawn
        if (!paths_.contains(key(module))) calls_.back().box = module_box(module, "");
        if (!open_.empty()) calls_[open_.back()].calls_others = true;
        for (TensorImpl* input : inputs) calls_.back().inputs.push_back(source_of(*input));
        open_.push_back(calls_.size() - 1);
    }
    void end_call(std::span<TensorImpl* const> outputs) {
        const std::size_t at = open_.back();
        open_.pop_back();
        // what the tape does not follow, such as numbers of words
        if (const std::size_t first = calls_[at].first_step; !calls_[at].calls_others && first < steps_.size())
            for (const Source& source : calls_[at].inputs)
                if (std::none_of(links_.begin(), links_.end(), [&](const Link& l) { return l.from == source.step && l.to >= first; }))
                    link(source, first);
        // no op in it: what came in went out, or the tape knows nothing of it
        if (steps_.size() == calls_[at].first_step && !outputs.empty()) {
            const std::size_t step = add_step({Step::Kind::module, "", at});
            for (const Source& source : calls_[at].inputs) link(source, step);
            for (TensorImpl* output : outputs) start(*output, step);
        }
        if (!open_.empty()) return;
        for (TensorImpl* output : outputs) {
            link(source_of(*output), add_step({Step::Kind::output, "output", 0}));
        }
    }
    void record(autograd::Node& node) {
        if (open_.empty()) return;
        const std::size_t step = add_step({Step::Kind::op, node.name(), open_.back()});
        for (const Ref<autograd::Node>& parent : node.parents())
            if (const auto found = sources_.find(parent.get()); parent && found != sources_.end())
                link({found->second, shape_text(parent->shape())}, step);
        sources_[&node] = step;
        nodes_.push_back(Ref<autograd::Node>::share(&node));
    }

    Graph draw(const GraphOptions& options) const {
        int deepest = 0;
        for (std::size_t i = 1; i < calls_.size(); ++i) deepest = std::max(deepest, depth_of(i));
        int depth = std::clamp(options.depth, 1, std::max(1, deepest));
        const int wanted = depth;
        std::vector<std::size_t> boxes;
        while (count_boxes(depth, boxes) > options.max_nodes && depth > 1) --depth;
        Graph graph = draw_to(depth, options);
        if (depth < wanted && graph.warning.empty())
            graph.warning = "simplified: calls below level " + std::to_string(depth) +
                            " are not shown (max_nodes = " + std::to_string(options.max_nodes) + ")";
        return graph;
    }

private:
    struct Source {
        std::size_t step;
        std::string shape;
    };
    struct Step {
        enum class Kind : std::uint8_t { input, op, module, output } kind;
        std::string name;
        std::size_t call;  ///< in which it lies
    };
    struct Call {
        nn::ModuleRef module;
        std::size_t outer;
        std::size_t first_step;
        std::vector<Source> inputs;
        Graph::Box box;
        bool calls_others = false;
    };
    struct Link {
        std::size_t from, to;
        std::string shape;
        auto operator<=>(const Link&) const = default;
    };
    static constexpr std::size_t unknown = static_cast<std::size_t>(-1);

    static std::pair<const void*, const void*> key(nn::ModuleRef module) { return {module.address(), &module.type()}; }

    std::size_t add_step(Step step) {
        steps_.push_back(std::move(step));
        return steps_.size() - 1;
    }
    void link(const Source& source, std::size_t to) {
        if (source.step != unknown) links_.push_back({source.step, to, source.shape});
    }
    /// From now on, the tensor comes from that step.
    void start(TensorImpl& tensor, std::size_t step) {
        if (tensor.node) {
            sources_[static_cast<const autograd::Node*>(tensor.node.get())] = step;
            nodes_.push_back(Ref<autograd::Node>::share(static_cast<autograd::Node*>(tensor.node.get())));
        } else {
            storages_[tensor.storage.get()] = step;
            held_.push_back(tensor.storage);
        }
    }
    Source source_of(const TensorImpl& tensor) const {
        // the ops between modules do not know theirs: a type is told when it is no floating-point one
        const bool floating = is_floating(tensor.dtype);
        Source source{unknown, shape_text(tensor.shape, floating ? Dtype::float32 : tensor.dtype)};
        if (const auto found = sources_.find(static_cast<const autograd::Node*>(tensor.node.get())); tensor.node && found != sources_.end())
            source.step = found->second;
        else if (const auto stored = storages_.find(tensor.storage.get()); stored != storages_.end())
            source.step = stored->second;
        return source;
    }

    int depth_of(std::size_t call) const {
        int depth = 0;
        for (; call != 0; call = calls_[call].outer) ++depth;
        return depth;
    }
    /// The call that a step is drawn as, or 0 when it is drawn itself: the outermost that calls no other, or that lies too deep.
    std::size_t drawn_as(const Step& step, int most) const {
        std::size_t found = 0;
        for (std::size_t call = step.call; call != 0; call = calls_[call].outer)
            if (!calls_[call].calls_others || depth_of(call) >= most) found = call;
        return found;
    }
    /// For each step the first step of the box that it is drawn in.
    std::size_t count_boxes(int most, std::vector<std::size_t>& boxes) const {
        std::map<std::size_t, std::size_t> first;
        boxes.clear();
        std::size_t count = 0;
        for (std::size_t i = 0; i < steps_.size(); ++i) {
            const std::size_t call = drawn_as(steps_[i], most);
            const auto [place, is_new] = call == 0 ? std::pair(first.end(), true) : first.emplace(call, i);
            boxes.push_back(call == 0 ? i : place->second);
            count += is_new;
        }
        return count;
    }
    std::string path_of(std::size_t call) const {
        const auto found = paths_.find(key(calls_[call].module));
        return found == paths_.end() ? "" : found->second;
    }
    /// The name of a call within the one around it.
    std::string name_of(std::size_t call) const {
        const std::string path = path_of(call), outer = path_of(calls_[call].outer);
        return !outer.empty() && path.size() > outer.size() && path.starts_with(outer + ".") ? path.substr(outer.size() + 1) : path;
    }

    Graph draw_to(int most, const GraphOptions& options) const {
        Graph graph;
        graph.left_to_right = options.left_to_right;
        std::vector<std::size_t> firsts;
        const std::size_t all = count_boxes(most, firsts);
        std::map<std::size_t, std::size_t> places;  // of the boxes of first steps
        std::map<std::size_t, int> groups;          // of calls
        for (std::size_t i = 0; i < steps_.size() && graph.boxes.size() < options.max_nodes; ++i) {
            if (firsts[i] != i) continue;
            places.emplace(i, graph.boxes.size());
            graph.boxes.push_back(box_of(steps_[i], most));
            const std::size_t call = drawn_as(steps_[i], most);
            graph.boxes.back().group = group_of(graph, groups, call == 0 ? steps_[i].call : calls_[call].outer);
        }
        if (const std::size_t cut = all - graph.boxes.size(); cut > 0) {
            graph.warning = "cut: the first " + std::to_string(graph.boxes.size()) + " of " + std::to_string(all) +
                            " boxes (max_nodes = " + std::to_string(options.max_nodes) + ")";
            graph.boxes.push_back({Graph::Kind::note, "\u2026 " + std::to_string(cut) + " more", {}, {}});
        }
        std::set<Link> drawn;
        std::set<std::size_t> reached;
        for (const Link& link : links_) {
            const auto from = places.find(firsts[link.from]), to = places.find(firsts[link.to]);
            if (from == places.end() || firsts[link.from] == firsts[link.to]) continue;
            const bool cut = to == places.end();
            const Link arrow{from->second, cut ? graph.boxes.size() - 1 : to->second, link.shape};
            if (drawn.insert(arrow).second) graph.arrows.push_back({arrow.from, arrow.to, arrow.shape, cut});
            reached.insert(arrow.to);
        }
        // where the tape does not tell what a module reads, the order of the calls must do
        for (std::size_t i = 1; i < graph.boxes.size(); ++i)
            if (graph.boxes[i].kind == Graph::Kind::module && !reached.contains(i)) graph.arrows.push_back({i - 1, i, "", true});
        graph.title = options.title.empty() ? std::string(root_.name()) : options.title;
        graph.subtitle = trained_text_;
        const auto has = [&](Graph::Kind kind) {
            return std::any_of(graph.boxes.begin(), graph.boxes.end(), [&](const Graph::Box& box) { return box.kind == kind; });
        };
        if (has(Graph::Kind::module) && has(Graph::Kind::op)) graph.legend = "box: a module \u00B7 rounded: an op between modules";
        if (!graph.groups.empty())
            graph.legend += std::string(graph.legend.empty() ? "" : " \u00B7 ") + "dashed: a module that calls others";
        return graph;
    }
    Graph::Box box_of(const Step& step, int most) const {
        switch (step.kind) {
            case Step::Kind::input:
                return {Graph::Kind::input, step.name, {}, {}};
            case Step::Kind::output:
                return {Graph::Kind::output, step.name, {}, {}};
            default:
                break;
        }
        const std::size_t call = drawn_as(step, most);
        if (call == 0) return {Graph::Kind::op, step.kind == Step::Kind::op ? step.name : std::string(root_.name()), {}, {}};
        return path_of(call).empty() ? calls_[call].box : module_box(calls_[call].module, name_of(call));
    }
    /// The frame of a call; -1 for the network itself.
    int group_of(Graph& graph, std::map<std::size_t, int>& groups, std::size_t call) const {
        if (call == 0) return -1;
        if (const auto found = groups.find(call); found != groups.end()) return found->second;
        const int outer = group_of(graph, groups, calls_[call].outer);
        const std::string name = name_of(call), what(calls_[call].module.name());
        graph.groups.push_back({name.empty() ? what : name + " \u00B7 " + what, outer});
        return groups[call] = static_cast<int>(graph.groups.size()) - 1;
    }

    nn::ModuleRef root_;
    std::string trained_text_;
    std::map<std::pair<const void*, const void*>, std::string> paths_;
    std::vector<nn::AnyTensorHandle> frozen_;
    std::vector<Call> calls_;        // the first is that of the network
    std::vector<std::size_t> open_;  // calls under way
    std::vector<Step> steps_;
    std::vector<Link> links_;
    std::map<const autograd::Node*, std::size_t> sources_;  // which step a tensor comes from, by its node, or without one by its memory
    std::map<const Storage*, std::size_t> storages_;
    std::vector<Ref<autograd::Node>> nodes_;  // kept, so that their addresses stay theirs
    std::vector<Ref<Storage>> held_;
};

/// Tells a Flow what the thread does.
class FlowWatch final : public Observer, public nn::ModuleObserver {
public:
    explicit FlowWatch(Flow& flow) : flow_(flow) {}
    void module_begins(nn::ModuleRef module, std::span<TensorImpl* const> inputs) override { flow_.begin_call(module, inputs); }
    void module_ends(nn::ModuleRef, std::span<TensorImpl* const> outputs, bool failed) override {
        if (!failed) flow_.end_call(outputs);
    }
    void op_recorded(GraphNode& node, TensorImpl&) override { flow_.record(static_cast<autograd::Node&>(node)); }

private:
    Flow& flow_;
};

}  // namespace headtorch::viz::detail
