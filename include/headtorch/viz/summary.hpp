// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What a network is made of and what it costs, before the first step: a table of its layers with shapes, parameters and multiply-adds,
/// and the memory that a training step needs.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "headtorch/autograd/node.hpp"
#include "headtorch/nn/observer.hpp"
#include "headtorch/viz/summary_table.hpp"
#include "headtorch/viz/trial_run.hpp"

namespace headtorch {

struct SummaryOptions {
    std::int64_t batch_size = 1;  ///< put in front of shapes; more than 1 for a network that trains with BatchNorm1d
};

namespace viz::detail {

/// Addresses that were met. What lies there must stay alive meanwhile.
class Addresses {
public:
    bool contains(const void* address) const { return std::binary_search(sorted_.begin(), sorted_.end(), address); }
    /// False when it was met before.
    bool insert(const void* address) {
        const auto place = std::lower_bound(sorted_.begin(), sorted_.end(), address);
        if (place != sorted_.end() && *place == address) return false;
        sorted_.insert(place, address);
        return true;
    }

private:
    std::vector<const void*> sorted_;
};

/// The memory behind tensors, each once.
class Storages {
public:
    void insert(const TensorImpl& tensor) {
        if (addresses_.insert(tensor.storage.get())) held_.push_back(tensor.storage);
    }
    bool contains(const TensorImpl& tensor) const { return addresses_.contains(tensor.storage.get()); }
    std::size_t bytes() const {
        std::size_t sum = 0;
        for (const Ref<Storage>& storage : held_) sum += storage->bytes;
        return sum;
    }

private:
    Addresses addresses_;
    std::vector<Ref<Storage>> held_;
};

/// What the nodes that these tensors depend on keep, but for what is in `but`.
inline std::size_t bytes_on_tape(const std::vector<Ref<TensorImpl>>& tensors, const Storages& but) {
    struct Collect final : autograd::SavedVisitor {
        const Storages& but;
        Storages found;
        explicit Collect(const Storages& b) : but(b) {}
        void saved(const TensorImpl& value) override {
            if (!but.contains(value)) found.insert(value);
        }
    } collect(but);
    Addresses seen;
    std::vector<const autograd::Node*> open;
    const auto meet = [&](const autograd::Node* node) {
        if (node && seen.insert(node)) open.push_back(node);
    };
    for (const Ref<TensorImpl>& tensor : tensors) meet(static_cast<const autograd::Node*>(tensor->node.get()));
    while (!open.empty()) {
        const autograd::Node* node = open.back();
        open.pop_back();
        node->visit_saved(collect);
        for (const Ref<autograd::Node>& parent : node->parents()) meet(parent.get());
    }
    return collect.found.bytes();
}

/// Watches a forward pass and keeps what the table says.
class SummaryWatch final : public Observer, public nn::ModuleObserver {
public:
    explicit SummaryWatch(nn::ModuleRef root) : root_(root) {
        std::string path;
        nn::detail::walk_modules(root, &path, [&](nn::ModuleRef module) {
            if (!find(module)) members_.push_back({module, path, false});
        });
        for (const nn::TensorKind kind : {nn::TensorKind::parameter, nn::TensorKind::buffer})
            for (const auto& [name, tensor] : nn::detail::named_tensors(root, kind)) {
                const TensorImpl& impl = *tensor.impl();
                const std::size_t bytes = static_cast<std::size_t>(impl.numel) * size_of(impl.dtype);
                own_.insert(impl);
                if (kind == nn::TensorKind::buffer) {
                    found_.buffer_bytes += bytes;
                    continue;
                }
                found_.parameter_bytes += bytes;
                found_.total_parameters += impl.numel;
                (impl.node ? found_.trainable_parameters : found_.frozen_parameters) += impl.numel;
            }
    }

    void module_begins(nn::ModuleRef module, std::span<TensorImpl* const> inputs) override {
        if (calls_.empty() && found_.inputs.empty())
            for (const TensorImpl* input : inputs) {
                found_.inputs.push_back(input->shape);
                found_.input_bytes += static_cast<std::size_t>(input->numel) * size_of(input->dtype);
                inputs_.insert(*input);
            }
        Member* member = find(module);
        SummaryRow row;
        row.path = member ? member->path : "";
        row.layer = module.name();
        row.depth = static_cast<int>(calls_.size());
        for (const TensorImpl* input : inputs) row.inputs.push_back(input->shape);
        if (member) {
            row.again = std::exchange(member->called, true);
            count_parameters(module, row);
        }
        calls_.push_back(found_.rows.size());
        found_.rows.push_back(std::move(row));
    }
    void module_ends(nn::ModuleRef, std::span<TensorImpl* const> outputs, bool) override {
        SummaryRow& row = found_.rows[calls_.back()];
        calls_.pop_back();
        for (TensorImpl* output : outputs) {
            row.outputs.push_back(output->shape);
            if (!own_.contains(*output) && !inputs_.contains(*output)) activations_.insert(*output);
            if (calls_.empty()) outputs_.push_back(Ref<TensorImpl>::share(output));
        }
    }
    void multiplied(std::int64_t count) override {
        if (!calls_.empty()) found_.rows[calls_.back()].multiply_adds += count;
    }

    Summary finish() {
        add_uncalled();
        for (const SummaryRow& row : found_.rows) found_.multiply_adds += row.multiply_adds;
        found_.activation_bytes = activations_.bytes();
        found_.tape_bytes = bytes_on_tape(outputs_, own_);
        return std::move(found_);
    }

private:
    struct Member {
        nn::ModuleRef module;
        std::string path;
        bool called;
    };

    Member* find(nn::ModuleRef module) {
        for (Member& member : members_)
            if (member.module == module) return &member;
        return nullptr;
    }
    /// The module's own parameters that no row has yet.
    void count_parameters(nn::ModuleRef module, SummaryRow& row) {
        nn::detail::for_each_tensor_of(module, [&](std::string_view, nn::TensorKind kind, const nn::AnyTensorHandle& tensor) {
            if (kind != nn::TensorKind::parameter || !counted_.insert(tensor.impl().get())) return;
            row.parameters += tensor.numel();
            if (tensor.impl()->node) row.trainable += tensor.numel();
        });
    }
    /// Rows for layers with parameters that were not called: behind the rows of the layer that they are members of.
    void add_uncalled() {
        for (const Member& member : members_) {
            if (member.called) continue;
            SummaryRow row;
            row.path = member.path;
            row.layer = member.module.name();
            row.called = false;
            count_parameters(member.module, row);
            if (row.parameters == 0) continue;
            std::vector<SummaryRow>& rows = found_.rows;
            std::size_t owner = 0;
            for (std::size_t i = 0; i < rows.size(); ++i)
                if (!rows[i].again && lies_in(row.path, rows[i].path) && rows[i].path.size() >= rows[owner].path.size()) owner = i;
            row.depth = rows[owner].called ? rows[owner].depth + 1 : rows[owner].depth;
            std::size_t at = owner + 1;
            while (at < rows.size() && rows[at].depth >= row.depth) ++at;
            rows.insert(rows.begin() + static_cast<std::ptrdiff_t>(at), std::move(row));
        }
    }
    static bool lies_in(const std::string& path, const std::string& outer) {
        return outer.empty() || (path.size() > outer.size() && path[outer.size()] == '.' && path.compare(0, outer.size(), outer) == 0);
    }

    nn::ModuleRef root_;
    Summary found_;
    std::vector<Member> members_;
    std::vector<std::size_t> calls_;  // rows of the calls that are under way
    Addresses counted_;
    Storages own_, inputs_, activations_;
    std::vector<Ref<TensorImpl>> outputs_;
};

template <class Net, class... X>
Summary summarise(Net& net, const X&... inputs) {
    EnableGrad tape;
    SummaryWatch watch(net.module_ref());
    static_cast<void>(net(inputs...));
    return watch.finish();
}

}  // namespace viz::detail

/// Runs the network once, in the mode that it is in, on zeros of the shape of one sample, as torchsummary does: `summary(net, {1, 28, 28})`
/// for images of 28 x 28. Zeros are of the type that forward() takes: that of the parameters, or int64. The network and the default
/// generator are left as they were. Throws what forward() throws, and ValueError when its arguments are no such tensors.
template <class Net>
Summary summary(Net& net, const Shape& sample, const SummaryOptions& options = {}) {
    return summary(net, {sample}, options);
}
/// The same for a network of up to three inputs: `summary(net, {{10, 16}, {10, 16}})`.
template <class Net>
Summary summary(Net& net, std::initializer_list<Shape> samples, const SummaryOptions& options = {}) {
    const viz::detail::LeaveNoTrace afterwards(net.module_ref());
    Summary result;
    viz::detail::with_zeros("summary", net, std::span(samples.begin(), samples.size()), options.batch_size,
                            [&](const auto&... inputs) { result = viz::detail::summarise(net, inputs...); });
    return result;
}
/// The same for given tensors, batches of them: `summary(net, images)`.
template <class Net, AnyTensor... X>
    requires(sizeof...(X) > 0)
Summary summary(Net& net, const X&... inputs) {
    const viz::detail::LeaveNoTrace afterwards(net.module_ref());
    return viz::detail::summarise(net, inputs.detach()...);
}

}  // namespace headtorch
