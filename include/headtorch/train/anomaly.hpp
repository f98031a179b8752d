// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Where does the NaN come from? `AnomalyMode guard;` looks at what every op of this thread makes, forward and backward, and throws an
/// AnomalyError at the first NaN or infinity:
///
///     log: the output of shape [32, 10] has 3 NaN (first at [4, 7]), in net.head at train.cpp:57
///     backward of sqrt gave 1 NaN in the gradient of shape [8] (at [2]); sqrt was called in net.scale at train.cpp:31
///
/// `at` is the line of the call. Operators (`x / y`) cannot know theirs: `after` is the line of the call before.
/// Every value is looked at once more, so that a step takes longer; without a guard it costs nothing. Not in headtorch/headtorch.hpp.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "headtorch/autograd/node.hpp"
#include "headtorch/core/error.hpp"
#include "headtorch/tensor/observer.hpp"
#include "headtorch/train/module_path.hpp"
#include "headtorch/train/non_finite.hpp"

namespace headtorch {

struct AnomalyOptions {
    bool check_infinity = true;  ///< otherwise only NaN counts
    bool check_backward = true;
    bool warn_only = false;  ///< one line on the standard error output, for the first anomaly forward and the first one backward
};

class AnomalyMode;

namespace train {

/// The observer behind the guards of a thread.
class AnomalyWatch final : Observer, nn::ModuleObserver {
public:
    ~AnomalyWatch() = default;
    std::vector<AnomalyMode*> guards;  ///< of which the last rules

private:
    /// A line of the program. `exact`: that of the call itself.
    struct Place {
        SourceLocation line;
        bool known = false, exact = false;
    };
    /// An op, a module or a node's way back that has begun and not ended. What was made in it lies behind `made` in made_.
    struct Frame {
        enum class Kind { op, module, backward } kind;
        const char* name;
        Place place;
        std::size_t made, reads, pending;
        bool nan_before = false, given_before = false;  ///< of an op in place: what stood there was NaN, or not finite
        bool has_lines = false;                         ///< of a module: its forward() is the program's
    };
    /// A call whose op, or module, has not begun yet: its arguments may be computed first.
    struct Call {
        const char* op;
        Place place;
    };
    struct Origin {
        Place place;
        int module;
    };

    void op_begins(const char* name) override { open(Frame::Kind::op, name); }
    void op_reads(std::span<const TensorImpl* const> inputs) override {
        Frame& frame = frames_.back();
        for (const TensorImpl* x : inputs)
            if (x) reads_.push_back(Ref<TensorImpl>::share(const_cast<TensorImpl*>(x)));
        if (std::string_view(frame.name).ends_with('_') && reads_.size() > frame.reads && !running_backward()) {
            const NonFiniteCount before = count_non_finite(*reads_[frame.reads]);
            frame.nan_before = before.nan > 0;
            frame.given_before = before.any();
        }
    }
    void op_ends(const char* name, bool failed) override {
        if (frames_.empty() || frames_.back().kind != Frame::Kind::op || std::strcmp(frames_.back().name, name) != 0) return;
        struct Close {
            AnomalyWatch& watch;
            ~Close() { watch.close(); }
        } const closing{*this};
        if (failed || running_backward()) return;
        const std::size_t first = frames_.back().made;
        try {
            for (std::size_t i = first; i < made_.size(); ++i) {
                const Made& made = made_[i];
                // what nobody but this list holds was scratch
                if (made.written || !made.tensor->unique() || !made.tensor->storage->unique()) check(*made.tensor, made.written, name);
            }
        } catch (...) {
            if (!std::string_view(name).ends_with(".step"))  // which keeps what it makes
                for (std::size_t i = first; i < made_.size(); ++i)
                    if (!made_[i].written) empty_lost(std::move(made_[i].tensor));
            throw;
        }
    }
    void called_from(const SourceLocation& line, const char* op) override {
        constexpr std::size_t most = 64;  // calls that never came to their op
        const std::size_t base = frames_.empty() ? 0 : frames_.back().pending;
        if (pending_.size() >= base + most) pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(base));
        last_ = {line, true, true};
        pending_.push_back({op, last_});
        if (!frames_.empty()) frames_.back().has_lines = true;
    }
    void tensor_made(TensorImpl& tensor) override {
        if (!frames_.empty() && frames_.back().kind == Frame::Kind::op && !running_backward())
            made_.push_back({Ref<TensorImpl>::share(&tensor), false});
    }
    void tensor_written(TensorImpl& tensor, const char* op) override {
        if (running_backward() || std::string_view(op) == "fill_") return;  // a number that the program chose
        if (!frames_.empty() && frames_.back().kind == Frame::Kind::op)
            made_.push_back({Ref<TensorImpl>::share(&tensor), true});
        else
            check(tensor, true, op);
    }
    void op_recorded(GraphNode& node, TensorImpl&) override {
        Origin origin = here();
        // a pointwise op is recorded when its computation has ended
        if (!running_backward() && closed_.op && std::strcmp(closed_.op, static_cast<autograd::Node&>(node).name()) == 0)
            origin.place = closed_.place;
        origins_[&node] = origin;
    }
    void backward_begins(GraphNode& node) override { open(Frame::Kind::backward, static_cast<autograd::Node&>(node).name(), &node); }
    void backward_ends(GraphNode&, bool) override {
        if (!frames_.empty()) close();
    }
    inline void backward_gave(GraphNode& node, TensorImpl& gradient) override;
    void module_begins(nn::ModuleRef module, std::span<TensorImpl* const>) override {
        open(Frame::Kind::module, "");
        modules_.enter(module);
    }
    void module_ends(nn::ModuleRef, std::span<TensorImpl* const>, bool) override {
        modules_.leave();
        if (!frames_.empty()) close();
    }

    bool running_backward() const { return backward_depth_ > 0; }

    void open(Frame::Kind kind, const char* name, const GraphNode* node = nullptr) {
        Place place;
        const std::size_t base = frames_.empty() ? 0 : frames_.back().pending;
        if (kind == Frame::Kind::backward) {
            ++backward_depth_;
            running_.push_back(node);
        } else if (const auto call = find_call(base, kind == Frame::Kind::op ? name : nullptr); call != pending_.end()) {
            place = call->place;
            pending_.erase(call);
        } else if (!frames_.empty() && !frames_.back().has_lines) {
            place = frames_.back().place;  // called by an op or a module of the library
        } else {
            place = last_;
            place.exact = false;
        }
        frames_.push_back({kind, name, place, made_.size(), reads_.size(), pending_.size()});
    }
    std::vector<Call>::iterator find_call(std::size_t base, const char* op) {
        for (std::size_t i = pending_.size(); i-- > base;) {
            const char* called = pending_[i].op;
            if (called && op ? std::strcmp(called, op) == 0 : called == op) return pending_.begin() + static_cast<std::ptrdiff_t>(i);
        }
        return pending_.end();
    }
    void close() {
        const Frame& frame = frames_.back();
        closed_ = {frame.name, frame.place};
        made_.resize(frame.made);
        reads_.resize(frame.reads);
        pending_.resize(frame.pending);
        if (frame.place.exact) last_ = frame.place;
        if (frame.kind == Frame::Kind::backward) {
            --backward_depth_;
            running_.pop_back();
        }
        frames_.pop_back();
    }

    /// Where an op that is recorded now belongs: to its call, or when it is part of a gradient, to that of the op whose gradient it is.
    Origin here() {
        if (running_backward()) {
            const auto found = origins_.find(running_.back());
            return found == origins_.end() ? Origin{Place(), 0} : found->second;
        }
        Place place = last_;
        place.exact = false;
        if (!frames_.empty() && frames_.back().kind == Frame::Kind::op) place = frames_.back().place;
        return {place, modules_.current()};
    }
    /// ", in net.head at train.cpp:57"
    std::string text_of(const Origin& origin) const {
        std::string text;
        if (origin.module) text += " in " + modules_.name(origin.module);
        if (origin.place.known)
            text += message(origin.place.exact ? " at " : " after ", origin.place.line.file_name(), ":", origin.place.line.line());
        return text;
    }

    /// An op ends by an exception from the end of its OpScope: g++ 12 and clang then forget to destroy what it returns. That shall at least
    /// hold no memory, and is kept in sight.
    static void empty_lost(Ref<TensorImpl> output) {
        if (output->unique()) return;
        output->node = nullptr;  // and what that keeps of it
        output->base = nullptr;
        if (output->storage->unique()) {
            output->storage = allocate_storage(Cpu{}, 0);
            output->data = output->storage->data;
            output->set_geometry({0}, {1});
        }
        static std::mutex& mutex = *new std::mutex;
        static auto& lost = *new std::vector<Ref<TensorImpl>>;
        const std::lock_guard lock(mutex);
        std::erase_if(lost, [](const Ref<TensorImpl>& tensor) { return tensor->unique(); });
        lost.push_back(std::move(output));
    }

    inline void check(const TensorImpl& tensor, bool written, const char* name);
    inline void report(std::string text, bool backward);

    std::vector<Frame> frames_;
    struct Made {
        Ref<TensorImpl> tensor;
        bool written;
    };
    std::vector<Made> made_;
    std::vector<Ref<TensorImpl>> reads_;
    std::vector<Call> pending_;
    Place last_;
    Call closed_{};  // the op that ended last
    std::vector<const GraphNode*> running_;
    int backward_depth_ = 0;
    ModulePaths modules_;
    std::unordered_map<const GraphNode*, Origin> origins_;  // a node that dies leaves its entry to the next one at its address
};

}  // namespace train

/// As long as it lives, ops of the thread that made it may make neither NaN nor infinities. An infinity that an op was given, in a mask
/// of attention, may stay. Of several guards the last one rules.
class AnomalyMode {
public:
    explicit AnomalyMode(AnomalyOptions options = {}) : options_(options), watch_(current().lock()) {
        if (!watch_) current() = watch_ = std::make_shared<train::AnomalyWatch>();
        watch_->guards.push_back(this);
    }
    ~AnomalyMode() { std::erase(watch_->guards, this); }
    AnomalyMode(const AnomalyMode&) = delete;
    AnomalyMode& operator=(const AnomalyMode&) = delete;

    /// What was found so far: with warn_only, at most one forward and one backward.
    const std::vector<std::string>& reports() const { return reports_; }

private:
    friend class train::AnomalyWatch;
    static std::weak_ptr<train::AnomalyWatch>& current() {
        static thread_local std::weak_ptr<train::AnomalyWatch> watch;
        return watch;
    }

    AnomalyOptions options_;
    std::shared_ptr<train::AnomalyWatch> watch_;
    std::vector<std::string> reports_;
    bool warned_[2] = {false, false};
};

namespace train {

inline void AnomalyWatch::check(const TensorImpl& tensor, bool written, const char* name) {
    const AnomalyOptions options = guards.back()->options_;
    if (guards.back()->warned_[0]) return;
    const NonFiniteCount found = count_non_finite(tensor);
    if (found.nan == 0 && (found.infinite == 0 || !options.check_infinity)) return;

    const Frame* frame = frames_.empty() || frames_.back().kind != Frame::Kind::op ? nullptr : &frames_.back();
    const TensorImpl* tainted = nullptr;
    if (frame && frame->nan_before) tainted = reads_[frame->reads].get();
    bool given = frame && frame->given_before;
    for (std::size_t i = frame ? frame->reads : reads_.size(); i < reads_.size(); ++i) {
        if (reads_[i]->storage == tensor.storage) continue;  // it was written since
        const NonFiniteCount input = count_non_finite(*reads_[i]);
        given = given || input.any();
        if (found.nan && input.nan && !tainted) tainted = reads_[i].get();
    }
    if (found.nan == 0) {
        // of finite numbers these make infinities only out of one that the program gave them
        constexpr std::string_view pass_on[] = {"masked_fill", "masked_fill_", "where", "pad", "cat", "stack"};
        if (given || std::find(std::begin(pass_on), std::end(pass_on), name) != std::end(pass_on)) return;
    }

    std::string op = name;
    if (const Frame* called = frame) {
        while (called != frames_.data() && called[-1].kind == Frame::Kind::op) --called;
        if (op != called->name) op += message(" within ", called->name);
    }
    std::string text =
        message(op, ": ", written ? "the tensor written, of shape " : "the output of shape ", tensor.shape, written ? ", " : " ");
    text += found.describe("is", "has", options.check_infinity);
    if (const std::string place = text_of(here()); !place.empty()) text += "," + place;
    if (tainted) text += message("; its input of shape ", tainted->shape, " had NaN before");
    report(std::move(text), false);
}

inline void AnomalyWatch::backward_gave(GraphNode& node, TensorImpl& gradient) {
    const AnomalyOptions options = guards.back()->options_;
    if (!options.check_backward || guards.back()->warned_[1]) return;
    const NonFiniteCount found = count_non_finite(gradient);
    if (found.nan == 0 && (found.infinite == 0 || !options.check_infinity)) return;
    const char* name = static_cast<autograd::Node&>(node).name();
    std::string text = message("backward of ", name, " gave ", found.describe("", "", options.check_infinity), " in the gradient of shape ",
                               gradient.shape);
    const auto origin = origins_.find(&node);
    const std::string place = origin == origins_.end() ? "" : text_of(origin->second);
    report(place.empty() ? text : message(text, "; ", name, " was called", place), true);
}

inline void AnomalyWatch::report(std::string text, bool backward) {
    AnomalyMode& guard = *guards.back();
    guard.reports_.push_back(text);
    if (!guard.options_.warn_only) throw AnomalyError(std::move(text));
    guard.warned_[backward] = true;
    std::fprintf(stderr, "%s\n", text.c_str());
}

}  // namespace train
}  // namespace headtorch
