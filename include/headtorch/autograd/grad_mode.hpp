// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Whether ops are recorded: one switch per thread.

namespace headtorch {

class GradMode {
public:
    static bool enabled() { return flag(); }
    static void set_enabled(bool value) { flag() = value; }

private:
    static bool& flag() {
        static thread_local bool value = true;
        return value;
    }
};

/// Sets the mode and puts the former one back at the end of the scope.
class GradModeGuard {
public:
    explicit GradModeGuard(bool enabled) : former_(GradMode::enabled()) { GradMode::set_enabled(enabled); }
    ~GradModeGuard() { GradMode::set_enabled(former_); }
    GradModeGuard(const GradModeGuard&) = delete;
    GradModeGuard& operator=(const GradModeGuard&) = delete;

private:
    bool former_;
};

/// `NoGrad guard;`: nothing in this scope is recorded.
class NoGrad : GradModeGuard {
public:
    NoGrad() : GradModeGuard(false) {}
};

/// `EnableGrad guard;`: records again inside a NoGrad scope.
class EnableGrad : GradModeGuard {
public:
    EnableGrad() : GradModeGuard(true) {}
};

}  // namespace headtorch
