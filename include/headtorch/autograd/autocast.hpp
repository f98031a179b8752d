// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Which type products of floats are computed in, one switch per thread; ops/autocast.hpp turns it. The tape remembers it for each op: its
/// backward multiplies in the same type, wherever backward() is called.

#include "headtorch/core/dtype.hpp"

namespace headtorch {

class AutocastMode {
public:
    /// float16 or bfloat16; float32 when products are what they always are.
    static Dtype dtype() { return current(); }
    static bool enabled() { return current() != Dtype::float32; }
    static void set_dtype(Dtype dtype) { current() = dtype; }

private:
    static Dtype& current() {
        static thread_local Dtype dtype = Dtype::float32;
        return dtype;
    }
};

/// Sets the mode and puts the former one back at the end of the scope.
class AutocastGuard {
public:
    explicit AutocastGuard(Dtype dtype) : former_(AutocastMode::dtype()) { AutocastMode::set_dtype(dtype); }
    ~AutocastGuard() { AutocastMode::set_dtype(former_); }
    AutocastGuard(const AutocastGuard&) = delete;
    AutocastGuard& operator=(const AutocastGuard&) = delete;

private:
    Dtype former_;
};

/// `AutocastOff guard;`: inside an Autocast scope, products are in float again.
class AutocastOff : AutocastGuard {
public:
    AutocastOff() : AutocastGuard(Dtype::float32) {}
};

}  // namespace headtorch
