// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#pragma once

/// Says what was wrong with an access that the processor refused: host code that touched device memory, a kernel that touched another
/// device's. Then the handler that was there before has its turn.

#include <csignal>

#include <unistd.h>

#include "state.h"

namespace cuda_emulator {

inline struct sigaction handler_before;

inline void explain_fault(int signal, siginfo_t* info, void* context) {
    char text[2000];
    const State& s = state();
    const char* kind = "touched";
#if defined(__x86_64__)
    kind = (static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_ERR] & 2) != 0 ? "wrote" : "read";
#else
    (void)context;
#endif
    const int device = device_of(info->si_addr);
    const bool in_kernel = engine.kernel.function != nullptr;
    int length = 0;
    if (in_kernel) {
        const std::string where = engine.where();
        length = std::snprintf(text, sizeof text, "cuda_emulator: %.1500s %s %s at %p while it runs on device %d\n", where.c_str(), kind,
                               device >= 0 ? "memory of another device" : "an invalid address", info->si_addr, engine.kernel.device);
    } else if (device >= 0) {
        const Arena::Found found = s.arenas[static_cast<std::size_t>(device)]->find(info->si_addr);
        length = std::snprintf(text, sizeof text,
                               "cuda_emulator: %s %s device memory at %p (device %d, byte %td of an allocation of %zu bytes)\n",
                               s.running ? s.operation : "host code", kind, info->si_addr, device,
                               found.size == 0 ? 0 : static_cast<const char*>(info->si_addr) - found.begin, found.size);
    }
    if (length > 0 && write(STDERR_FILENO, text, static_cast<std::size_t>(length)) < 0) std::abort();
    sigaction(signal, &handler_before, nullptr);  // the access is tried again, and meets that handler
}

/// Installs the handler unless it is the one in place: test frameworks set theirs for each test.
inline void watch_faults() {
    struct sigaction now;
    sigaction(SIGSEGV, nullptr, &now);
    if ((now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == &explain_fault) return;
    handler_before = now;
    struct sigaction ours = {};
    ours.sa_sigaction = &explain_fault;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&ours.sa_mask);
    sigaction(SIGSEGV, &ours, nullptr);
}

}  // namespace cuda_emulator
