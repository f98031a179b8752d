// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Pictures of a network: the tree of its modules, or, when it is given an input to run on, how the data flow through them.

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "headtorch/nn/module_tree.hpp"
#include "headtorch/viz/graph_flow.hpp"
#include "headtorch/viz/graph_picture.hpp"
#include "headtorch/viz/summary_table.hpp"
#include "headtorch/viz/trial_run.hpp"

namespace headtorch::viz {
namespace detail {

/// The modules below one another. Elements of a ModuleList that print alike and follow one another are one box.
inline Graph module_tree(nn::ModuleRef root, const GraphOptions& options) {
    struct Open {
        nn::ModuleRef module;
        std::string first, last;  ///< names
        std::size_t count, outer;
        int depth;
        std::string text;  ///< of an element of a list: as it prints
    };
    Graph graph;
    graph.left_to_right = graph.tree = true;
    const std::size_t none = options.max_nodes;
    std::vector<Open> open = {{root, "", "", 1, none, 0, ""}};  // breadth first: what is cut lies deepest
    std::vector<std::size_t> left_out;                         // boxes that lack some of what is below them
    for (std::size_t i = 0; i < open.size(); ++i) {
        const Open next = open[i];
        std::size_t place = none;
        if (graph.boxes.size() < options.max_nodes && (next.outer != none || i == 0) && next.depth <= options.depth) {
            place = graph.boxes.size();
            Graph::Box box = module_box(next.module, next.count > 1 ? next.first + "\u2013" + next.last : next.first);
            if (next.count > 1)
                box.lines[0] = message(next.count, " \u00D7 ", box.lines[0], box.lines[0].ends_with("parameters") ? " each" : "");
            graph.boxes.push_back(std::move(box));
            if (i > 0) graph.arrows.push_back({next.outer, place, ""});
        } else if (next.outer != none && (left_out.empty() || left_out.back() != next.outer)) {
            left_out.push_back(next.outer);
        }
        const bool list = next.module.type().list == nn::ModuleType::List::modules;
        const std::size_t first = open.size();
        nn::detail::for_each_child_of(next.module, [&](std::string_view name, nn::ModuleRef child) {
            const std::string text = list ? child.to_string() : "";
            if (list && open.size() > first && open.back().text == text) {
                open.back().last = name;
                ++open.back().count;
            } else {
                open.push_back({child, std::string(name), std::string(name), 1, place, next.depth + 1, text});
            }
        });
    }
    if (const std::size_t shown = graph.boxes.size(); shown < open.size()) {
        for (const std::size_t outer : left_out) {
            graph.arrows.push_back({outer, graph.boxes.size(), "", true});
            graph.boxes.push_back({Graph::Kind::note, "\u2026", {}, {}});
        }
        graph.warning = "cut: " + std::to_string(shown) + " of " + std::to_string(open.size()) + " modules";
    }
    std::size_t all = 0;
    nn::detail::walk_modules(root, nullptr, [&](nn::ModuleRef) { ++all; });
    graph.title = options.title.empty() ? std::string(root.name()) : options.title;
    graph.subtitle = counted(all, "module") + ", " + parameters_text(root);
    return graph;
}

template <class Net, class... X>
void watch_flow(Net& net, Flow& flow, const X&... inputs) {
    const LeaveNoTrace afterwards(net.module_ref());
    EnableGrad tape;
    flow.require_gradients();
    // a copy on the tape: what depends on it can be followed, and forward() may write it in place
    const auto on_tape = [&]<class T, class D>(const Tensor<T, D>& input) {
        if constexpr (Floating<T>)
            return input.detach().requires_grad_().clone();
        else
            return input.detach();
    };
    std::tuple<X...> given{on_tape(inputs)...};
    std::apply(
        [&](auto&... input) {
            const FlowWatch watch(flow);
            static_cast<void>(net(input...));
        },
        given);
}

}  // namespace detail

/// The tree of a network's modules, with parameters: `viz::graph(net).save("net.svg")`.
template <class Net>
    requires requires(Net& net) { net.module_ref(); }
Graph graph(const Net& net, const GraphOptions& options = {}) {
    return detail::module_tree(net.module_ref(), options);
}
/// How the data flow through the network from an input of that shape (without the batch; zeros, as in summary()): its layers and the ops
/// between them, with shapes at the arrows. Modules that call others are frames around these. What is too large is drawn with fewer
/// levels. The network is left as it was.
template <class Net>
    requires requires(Net& net) { net.module_ref(); }
Graph graph(Net& net, const Shape& sample, const GraphOptions& options = {}) {
    return graph(net, {sample}, options);
}
/// The same for a network of up to three inputs.
template <class Net>
    requires requires(Net& net) { net.module_ref(); }
Graph graph(Net& net, std::initializer_list<Shape> samples, const GraphOptions& options = {}) {
    detail::Flow flow(net.module_ref());
    detail::with_zeros("viz::graph", net, std::span(samples.begin(), samples.size()), options.batch_size,
                       [&](const auto&... inputs) { detail::watch_flow(net, flow, inputs...); });
    return flow.draw(options);
}
/// The same for a given batch.
template <class Net, class T, class D>
    requires requires(Net& net) { net.module_ref(); }
Graph graph(Net& net, const Tensor<T, D>& input, const GraphOptions& options = {}) {
    detail::Flow flow(net.module_ref());
    detail::watch_flow(net, flow, input);
    return flow.draw(options);
}
/// The same for several inputs.
template <class Net, AnyTensor... X>
    requires(sizeof...(X) > 1) && requires(Net& net) { net.module_ref(); }
Graph graph(Net& net, const X&... inputs) {
    detail::Flow flow(net.module_ref());
    detail::watch_flow(net, flow, inputs...);
    return flow.draw({});
}

}  // namespace headtorch::viz
