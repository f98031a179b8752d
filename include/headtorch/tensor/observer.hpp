// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Watching what a thread computes: ops as they begin and end, tensors as they come into being, nodes of the tape as they are recorded and
/// run. AnomalyMode, the profiler and the like are observers. Where nobody watches, an op pays for one look at a pointer.

#include <cstdint>
#include <exception>
#include <initializer_list>
#include <span>
#include <string_view>

#include "headtorch/core/config.hpp"

namespace headtorch {

struct TensorImpl;
class GraphNode;

/// The base of those who watch a thread: the objects of one kind that are alive on it.
template <class Self>
class Watcher {
public:
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;

    /// True when somebody watches this thread.
    static bool any() noexcept { return last() != nullptr; }
    /// Calls `tell` for each of this thread's, the last one first.
    template <class F>
    static void each(const F& tell) {
        for (Watcher *watcher = last(), *next = nullptr; watcher; watcher = next) {
            next = watcher->next_;
            tell(static_cast<Self&>(*watcher));
        }
    }

protected:
    Watcher() : next_(last()) { last() = this; }
    ~Watcher() {
        for (Watcher** link = &last(); *link; link = &(*link)->next_)
            if (*link == this) {
                *link = next_;
                return;
            }
    }

private:
    static Watcher*& last() noexcept {
        static thread_local Watcher* watcher = nullptr;
        return watcher;
    }
    Watcher* next_;
};

/// Sees what the thread that made it does, as long as it lives. What is not overridden is passed over. Exceptions pass through the op.
class Observer : public Watcher<Observer> {
public:
    /// Ops may call others: begins and ends are nested. `name` is a literal.
    virtual void op_begins(const char* name) { static_cast<void>(name); }
    /// What the op that has just begun reads, where the op tells; null for one that is not given.
    virtual void op_reads(std::span<const TensorImpl* const> inputs) { static_cast<void>(inputs); }
    /// `failed`: an exception is on its way, and none must be thrown.
    virtual void op_ends(const char* name, bool failed) { static_cast<void>(name), static_cast<void>(failed); }
    /// A line of the program, outside this library, that is about to call an op (or backward(), or an optimiser's step()) or, `op` being
    /// null, a module. Other arguments of the call may be computed in between.
    virtual void called_from(const SourceLocation& line, const char* op) { static_cast<void>(line), static_cast<void>(op); }
    /// A new tensor, whose values are yet to come; views are not new.
    virtual void tensor_made(TensorImpl& tensor) { static_cast<void>(tensor); }
    /// Its values were changed in place.
    virtual void tensor_written(TensorImpl& tensor, const char* op) { static_cast<void>(tensor), static_cast<void>(op); }
    /// An op was put on the tape: its node, and its output.
    virtual void op_recorded(GraphNode& node, TensorImpl& output) { static_cast<void>(node), static_cast<void>(output); }
    /// A product of matrices, a convolution or a recurrent step took `count` multiplications, each with its addition.
    virtual void multiplied(std::int64_t count) { static_cast<void>(count); }
    /// A node is about to run backwards, or has done so.
    virtual void backward_begins(GraphNode& node) { static_cast<void>(node); }
    /// The node that runs backwards gave the gradient of one of its inputs.
    virtual void backward_gave(GraphNode& node, TensorImpl& gradient) { static_cast<void>(node), static_cast<void>(gradient); }
    virtual void backward_ends(GraphNode& node, bool failed) { static_cast<void>(node), static_cast<void>(failed); }

protected:
    Observer() = default;
    ~Observer() = default;
};

/// True when somebody watches this thread.
inline bool observed() noexcept { return Observer::any(); }

/// Tells those who watch what a product costs.
inline void tell_multiplied(std::int64_t count) {
    if (observed()) [[unlikely]]
        Observer::each([&](Observer& observer) { observer.multiplied(count); });
}

/// An op as its observers see it: `const OpScope scope("softmax", {x.impl().get()});` on the first line of its function, or without what
/// it reads, where that is told by the ops that it calls. `name` is a literal.
class OpScope {
public:
    explicit OpScope(const char* name) : name_(observed() ? name : nullptr) {
        if (name_) [[unlikely]] begin();
    }
    OpScope(const char* name, std::initializer_list<const TensorImpl*> inputs) : name_(observed() ? name : nullptr) {
        if (name_) [[unlikely]] begin_reading({inputs.begin(), inputs.size()});
    }
    OpScope(const char* name, std::span<const TensorImpl* const> inputs) : name_(observed() ? name : nullptr) {
        if (name_) [[unlikely]] begin_reading(inputs);
    }
    ~OpScope() noexcept(false) {
        if (name_) [[unlikely]] end();
    }
    OpScope(const OpScope&) = delete;
    OpScope& operator=(const OpScope&) = delete;

private:
    HEADTORCH_COLD void begin() {
        exceptions_ = std::uncaught_exceptions();
        Observer::each([&](Observer& observer) { observer.op_begins(name_); });
    }
    HEADTORCH_COLD void begin_reading(std::span<const TensorImpl* const> inputs) {
        begin();
        Observer::each([&](Observer& observer) { observer.op_reads(inputs); });
    }
    /// An observer may refuse what the op made, and throw: the others are told nevertheless.
    HEADTORCH_COLD void end() {
        bool failed = std::uncaught_exceptions() > exceptions_;
        std::exception_ptr refusal;
        Observer::each([&](Observer& observer) {
            try {
                observer.op_ends(name_, failed);
            } catch (...) {
                failed = true;
                refusal = std::current_exception();
            }
        });
        if (refusal) std::rethrow_exception(refusal);
    }

    const char* name_;
    int exceptions_ = 0;
};

/// Two literals as the name of an op: `static constexpr JoinedName name("add", "_");`
struct JoinedName {
    char text[64] = {};
    constexpr JoinedName(std::string_view first, std::string_view second) {
        char* end = text;
        for (const char c : first) *end++ = c;
        for (const char c : second) *end++ = c;
    }
};

/// The line of a call, as a last parameter that nobody gives: `Tensor<T, D> log(const Tensor<T, D>& x, const Here& = Here::call("log"));`
/// The name is that of the op that the function begins.
class Here {
public:
    static Here call(const char* op, const SourceLocation& line = SourceLocation::current()) { return Here(op, line); }
    static Here call(const SourceLocation& line = SourceLocation::current()) { return Here(nullptr, line); }

private:
    // none without arguments: the {} in sum(x, {}) is no Here
    Here(const char* op, const SourceLocation& line) {
        if (observed()) [[unlikely]] tell(op, line);
    }
    /// Lines of this library's headers tell a user nothing.
    HEADTORCH_COLD static void tell(const char* op, const SourceLocation& line) {
        constexpr std::string_view own = "tensor/observer.hpp";
        std::string_view library = SourceLocation::current().file_name();
        library.remove_suffix(own.size());
        if (!std::string_view(line.file_name()).starts_with(library))
            Observer::each([&](Observer& observer) { observer.called_from(line, op); });
    }
};

}  // namespace headtorch
