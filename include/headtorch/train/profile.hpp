// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Where does the time go? A Profile watches the ops of the thread that made it, forward, backward and in optimisers:
///
///     Profile profile;
///     for (const auto& [x, y] : loader) train_step(x, y);
///     std::puts(profile.table().c_str());            // calls, time, share and bytes by op
///     std::puts(profile.table({.by_module = true}).c_str());
///     profile.save("trace.json");                    // for chrome://tracing or ui.perfetto.dev
///
/// Ops that call others are counted with them (total) and without them (self). What threads of a kernel do is within its op; what other
/// threads do by themselves is not seen. Without a Profile nothing is measured and nothing costs. Not in headtorch/headtorch.hpp.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "headtorch/autograd/node.hpp"
#include "headtorch/io/atomic_file.hpp"
#include "headtorch/tensor/observer.hpp"
#include "headtorch/train/module_path.hpp"
#include "headtorch/train/profile_table.hpp"

namespace headtorch {

struct ProfileOptions {
    /// The trace keeps so many calls, of some 50 bytes each; further ones are counted, but not in the trace.
    std::int64_t trace_limit = 1'000'000;
};

/// Measures from its making to stop(), or to its end.
class Profile : Observer, nn::ModuleObserver {
public:
    explicit Profile(ProfileOptions options = {}) : options_(options), start_(now()) {}
    ~Profile() = default;

    /// What comes later is not measured any more.
    void stop() {
        if (stopped_ == 0) stopped_ = now();
        frames_.clear();
    }

    /// The numbers of each op.
    std::vector<ProfileRow> rows(ProfileTableOptions options = {}) const {
        std::vector<ProfileRow> rows;
        for (const auto& [key, sum] : sums_) {
            const std::string_view name = key.name, module = options.by_module ? std::string_view(paths_.name(key.module)) : "";
            const ProfilePhase phase = key.phase;
            auto row = std::find_if(rows.begin(), rows.end(), [&](const ProfileRow& other) {
                return other.name == name && other.phase == phase && other.module == module;
            });
            if (row == rows.end()) row = rows.insert(row, {std::string(name), std::string(module), phase});
            row->calls += sum.calls;
            row->total += 1e-9 * static_cast<double>(sum.total);
            row->self += 1e-9 * static_cast<double>(sum.self);
            row->bytes += sum.bytes;
        }
        train::sort_profile_rows(rows, options.sort_by);
        return rows;
    }
    /// As text: rows(), and what was outside of all ops.
    std::string table(ProfileTableOptions options = {}) const {
        return train::profile_table(rows(options), seconds(), seconds_in_ops(), options);
    }

    /// From the start to stop(), or to now.
    double seconds() const { return 1e-9 * static_cast<double>((stopped_ ? stopped_ : now()) - start_); }
    /// Of these, what ops took.
    double seconds_in_ops() const { return 1e-9 * static_cast<double>(in_ops_); }

    /// The trace of ops, modules and backward passes as JSON, written whole or not at all. Throws IoError.
    void save(const std::string& path) const {
        io::AtomicFile file("profile", path);
        file.write("{\"displayTimeUnit\": \"ms\", \"traceEvents\": [\n");
        file.write(R"({"ph": "M", "pid": 1, "tid": 1, "name": "process_name", "args": {"name": "headtorch"}})");
        for (const Slice& slice : slices_) {
            const std::string& module = paths_.name(slice.module);
            file.write(",\n" + train::trace_event(slice.name ? std::string_view(slice.name) : module,
                                                  slice.name ? train::name(slice.phase) : "module", module, slice.begin - start_,
                                                  slice.end - slice.begin, slice.bytes));
        }
        file.write("\n]}\n");
        file.commit();
    }

private:
    using Time = std::int64_t;  // ns

    /// An op, or with no name a module, that has begun and not ended.
    struct Frame {
        const char* name;
        ProfilePhase phase;
        int module;
        Time begin, inner = 0;   ///< inner: of the ops that it called
        std::int64_t bytes = 0;  ///< also of these
        int joined = 0;          ///< calls of an op of the same name directly in it: they are part of it
    };
    struct Key {
        const char* name;
        ProfilePhase phase;
        int module;
        bool operator==(const Key&) const = default;
    };
    struct Hash {
        std::size_t operator()(const Key& key) const {
            return std::hash<const char*>()(key.name) + static_cast<std::size_t>(key.module) * 1000003 +
                   static_cast<std::size_t>(key.phase);
        }
    };
    struct Sum {
        std::int64_t calls = 0;
        Time total = 0, self = 0;
        std::int64_t bytes = 0;
    };
    struct Slice {
        const char* name;
        ProfilePhase phase;
        int module;
        Time begin, end;
        std::int64_t bytes;
    };

    static Time now() {
        return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
    }

    void op_begins(const char* name) override { begin(name, phase_of(name), paths_.current()); }
    void op_ends(const char* name, bool) override { end(name); }
    void tensor_made(TensorImpl& tensor) override {
        if (!frames_.empty()) frames_.back().bytes += tensor.numel * static_cast<std::int64_t>(size_of(tensor.dtype));
    }
    void op_recorded(GraphNode& node, TensorImpl&) override {
        if (stopped_ == 0) modules_of_nodes_[&node] = paths_.current();
    }
    void backward_begins(GraphNode& node) override {
        const auto found = modules_of_nodes_.find(&node);
        begin(name_of(node), ProfilePhase::backward, found == modules_of_nodes_.end() ? 0 : found->second);
    }
    void backward_ends(GraphNode& node, bool) override { end(name_of(node)); }
    void module_begins(nn::ModuleRef module, std::span<TensorImpl* const>) override {
        paths_.enter(module);
        begin(nullptr, phase(), paths_.current());
    }
    void module_ends(nn::ModuleRef, std::span<TensorImpl* const>, bool) override {
        end(nullptr);
        paths_.leave();
    }

    static const char* name_of(GraphNode& node) {
        const auto& known = static_cast<autograd::Node&>(node);
        return known.is_leaf() ? "accumulate_grad" : known.name();
    }
    static bool same(const char* a, const char* b) { return a == b || (a && b && std::strcmp(a, b) == 0); }
    ProfilePhase phase() const { return frames_.empty() ? ProfilePhase::forward : frames_.back().phase; }
    ProfilePhase phase_of(const char* name) const {
        const std::string_view text = name;
        if (phase() == ProfilePhase::backward || text == "backward" || text == "grad") return ProfilePhase::backward;
        return text.ends_with(".step") ? ProfilePhase::step : phase();
    }

    void begin(const char* name, ProfilePhase phase, int module) {
        if (stopped_) return;
        if (name && !frames_.empty() && same(frames_.back().name, name)) {
            ++frames_.back().joined;
            return;
        }
        // what a gradient computes belongs to the module of the op whose gradient it is
        if (phase == ProfilePhase::backward && module == 0 && !frames_.empty()) module = frames_.back().module;
        frames_.push_back({name, phase, module, 0});
        frames_.back().begin = now();
    }
    void end(const char* name) {
        if (frames_.empty() || !same(frames_.back().name, name)) return;
        if (frames_.back().joined > 0) {
            --frames_.back().joined;
            return;
        }
        const Time ends = now();
        const Frame frame = frames_.back();
        frames_.pop_back();
        const Time took = ends - frame.begin;
        if (!frames_.empty()) frames_.back().bytes += frame.bytes;
        if (static_cast<std::int64_t>(slices_.size()) < options_.trace_limit)
            slices_.push_back({frame.name, frame.phase, frame.module, frame.begin, ends, frame.bytes});
        if (!name) return;

        bool within_itself = false;
        Frame* caller = nullptr;
        for (std::size_t i = frames_.size(); i-- > 0;) {
            if (!frames_[i].name) continue;
            if (!caller) caller = &frames_[i];
            within_itself = within_itself || (frames_[i].phase == frame.phase && same(frames_[i].name, frame.name));
        }
        (caller ? caller->inner : in_ops_) += took;
        Sum& sum = sums_[{frame.name, frame.phase, frame.module}];
        ++sum.calls;
        sum.self += took - frame.inner;
        if (!within_itself) {
            sum.total += took;
            sum.bytes += frame.bytes;
        }
    }

    ProfileOptions options_;
    train::ModulePaths paths_;
    std::vector<Frame> frames_;
    std::unordered_map<Key, Sum, Hash> sums_;
    std::unordered_map<const GraphNode*, int> modules_of_nodes_;
    std::vector<Slice> slices_;
    Time start_, stopped_ = 0, in_ops_ = 0;
};

/// PyTorch's spelling: `profile prof; …; prof.table()`.
using profile = Profile;

}  // namespace headtorch
