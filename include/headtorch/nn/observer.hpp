// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Watching the calls of modules on a thread, as tensor/observer.hpp watches ops.

#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "headtorch/nn/reflect.hpp"
#include "headtorch/tensor/observer.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::nn {

/// Sees the modules that are called on the thread that made it, as long as it lives. A module's call lies within that of the one whose
/// forward() calls it.
class ModuleObserver : public Watcher<ModuleObserver> {
public:
    /// `inputs`: the tensors among the arguments, also those in pairs and tuples, in order.
    virtual void module_begins(ModuleRef module, std::span<TensorImpl* const> inputs) {
        static_cast<void>(module), static_cast<void>(inputs);
    }
    /// `outputs` likewise. `failed`: an exception is on its way, there are no outputs, and none must be thrown.
    virtual void module_ends(ModuleRef module, std::span<TensorImpl* const> outputs, bool failed) {
        static_cast<void>(module), static_cast<void>(outputs), static_cast<void>(failed);
    }

protected:
    ModuleObserver() = default;
    ~ModuleObserver() = default;
};

namespace detail {

using TensorList = std::vector<TensorImpl*>;

template <class X>
void append_tensors(TensorList& list, const X& value) {
    if constexpr (AnyTensor<X>) {
        if (value.defined()) list.push_back(value.get());
    } else if constexpr (requires { std::tuple_size<X>::value; }) {
        std::apply([&](const auto&... parts) { (append_tensors(list, parts), ...); }, value);
    }
}

/// One call of a module, told to those who watch.
class ModuleCall {
public:
    template <class... Inputs>
    explicit ModuleCall(ModuleRef module, const Inputs&... inputs) {
        if (ModuleObserver::any()) [[unlikely]] begin(module, inputs...);
    }
    ~ModuleCall() {
        if (module_.address()) [[unlikely]] end({}, true);
    }
    ModuleCall(const ModuleCall&) = delete;
    ModuleCall& operator=(const ModuleCall&) = delete;

    /// What forward() gave.
    template <class Output>
    void returns(const Output& output) {
        if (module_.address()) [[unlikely]] finish(output);
    }

private:
    template <class... Inputs>
    HEADTORCH_COLD void begin(ModuleRef module, const Inputs&... inputs) {
        TensorList list;
        (append_tensors(list, inputs), ...);
        ModuleObserver::each([&](ModuleObserver& observer) { observer.module_begins(module, list); });
        module_ = module;
    }
    template <class Output>
    HEADTORCH_COLD void finish(const Output& output) {
        TensorList list;
        append_tensors(list, output);
        end(list, false);
    }
    HEADTORCH_COLD void end(std::span<TensorImpl* const> outputs, bool failed) {
        const ModuleRef module = std::exchange(module_, ModuleRef());
        ModuleObserver::each([&](ModuleObserver& observer) { observer.module_ends(module, outputs, failed); });
    }

    ModuleRef module_;
};

}  // namespace detail
}  // namespace headtorch::nn
