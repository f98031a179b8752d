// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#pragma once

/// Stacks of their own for threads that wait at a barrier. A fiber is entered once by makecontext; all later switches are a setjmp and a
/// longjmp that save no signal mask. AddressSanitizer and ThreadSanitizer are told of every switch.

#include <csetjmp>
#include <cstddef>

#include <sys/mman.h>
#include <ucontext.h>

#include "report.h"

#ifdef CUDA_EMULATOR_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef CUDA_EMULATOR_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace cuda_emulator {

struct Fiber {
#if defined(__x86_64__)
    void* jump[5];
#else
    jmp_buf jump;
#endif
    const void* stack;
    std::size_t size;
    bool fresh;  // has not run yet: is entered by way of `entry`
    ucontext_t entry;
    void* sanitizer;  // ASan's fake stack or TSan's fiber
};

inline constexpr std::size_t fiber_stack = 256 << 10;

/// A new fiber that will run `entry`, which must not return. Stacks begin at different places of their pages, so that the frames of a
/// block's threads do not all fall into the same lines of the cache.
inline Fiber* make_fiber(void (*entry)(), std::size_t number) {
    const std::size_t page = 4096;
    void* memory = mmap(nullptr, fiber_stack + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) fail("no memory for the stack of a thread that waits at a barrier");
    mprotect(memory, page, PROT_NONE);  // an overflow hits this page
    Fiber* fiber = new Fiber{};
    fiber->stack = static_cast<char*>(memory) + page;
    fiber->size = fiber_stack - (number * 5 % 64) * 64;
    fiber->fresh = true;
    getcontext(&fiber->entry);
    fiber->entry.uc_stack.ss_sp = const_cast<void*>(fiber->stack);
    fiber->entry.uc_stack.ss_size = fiber->size;
    fiber->entry.uc_link = nullptr;
    makecontext(&fiber->entry, entry, 0);
#ifdef CUDA_EMULATOR_TSAN
    fiber->sanitizer = __tsan_create_fiber(0);
#endif
    return fiber;
}

#define CUDA_EMULATOR_SWITCH __attribute__((noinline, no_sanitize("address", "thread", "undefined"))) inline

CUDA_EMULATOR_SWITCH void enter_new(Fiber& to) {
    to.fresh = false;
    setcontext(&to.entry);
}

/// The fiber that was left last: its stack's bounds are what the sanitizer reports to the one that is entered.
inline Fiber* left_fiber = nullptr;

CUDA_EMULATOR_SWITCH void entered_fiber([[maybe_unused]] void* saved) {
#ifdef CUDA_EMULATOR_ASAN
    __sanitizer_finish_switch_fiber(saved, &left_fiber->stack, &left_fiber->size);
#endif
}

CUDA_EMULATOR_SWITCH void switch_fiber(Fiber& from, Fiber& to) {
    left_fiber = &from;
#ifdef CUDA_EMULATOR_ASAN
    __sanitizer_start_switch_fiber(&from.sanitizer, to.stack, to.size);
#endif
#ifdef CUDA_EMULATOR_TSAN
    __tsan_switch_to_fiber(to.sanitizer, 0);
#endif
    // The jump stands in the function that is jumped to, so that calls and returns stay in pairs and the processor foresees the returns.
#if defined(__x86_64__)
    if (__builtin_setjmp(from.jump) == 0) {
        if (to.fresh) enter_new(to);
        __builtin_longjmp(to.jump, 1);
    }
#else
    if (_setjmp(from.jump) == 0) {
        if (to.fresh) enter_new(to);
        _longjmp(to.jump, 1);
    }
#endif
    entered_fiber(from.sanitizer);
}

#undef CUDA_EMULATOR_SWITCH

}  // namespace cuda_emulator
