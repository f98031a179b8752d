// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Ctrl-C as a request: the first one is noted, for a loop to end cleanly; a second one ends the program at once.

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <mutex>

namespace headtorch::train {

/// `InterruptGuard guard; while (!guard.interrupted()) …`. While a guard lives, the first SIGINT of the process is only noted. A second one
/// is given to whatever handled the signal before, which by default ends the process by it. Guards may be nested and live in several
/// threads: all see the same request, and the former handler is back when the last one is gone. A SIGINT that was ignored before (a
/// program started with nohup) stays ignored.
class InterruptGuard {
public:
    /// Does nothing unless `active`.
    explicit InterruptGuard(bool active = true) : active_(active) {
        if (!active_) return;
        std::lock_guard lock(state().mutex);
        if (state().guards++ > 0) return;
        state().requests = 0;
        sigaction(SIGINT, nullptr, &state().former);
        if (state().former.sa_handler == SIG_IGN) return;
        struct sigaction ours {};
        ours.sa_handler = &handle;
        sigemptyset(&ours.sa_mask);
        ours.sa_flags = SA_RESTART;
        sigaction(SIGINT, &ours, nullptr);
    }
    ~InterruptGuard() {
        if (!active_) return;
        std::lock_guard lock(state().mutex);
        if (--state().guards == 0) sigaction(SIGINT, &state().former, nullptr);
    }
    InterruptGuard(const InterruptGuard&) = delete;
    InterruptGuard& operator=(const InterruptGuard&) = delete;

    bool interrupted() const { return active_ && state().requests.load(std::memory_order_relaxed) > 0; }

private:
    struct State {
        std::mutex mutex;
        int guards = 0;
        struct sigaction former {};
        std::atomic<int> requests{0};
    };
    static_assert(std::atomic<int>::is_always_lock_free);  // else a signal handler may not touch it

    static State& state() {
        static State value;
        return value;
    }
    /// Async-signal-safe: the state exists since the first guard.
    static void handle(int signal) {
        const int error = errno;
        if (state().requests.fetch_add(1) == 0) {
            static constexpr char text[] = "\ninterrupted: the running epoch is being ended; Ctrl-C once more stops at once\n";
            [[maybe_unused]] const auto written = ::write(2, text, sizeof text - 1);
        } else {
            sigaction(SIGINT, &state().former, nullptr);
            raise(signal);  // comes when this handler is left: until then the signal is blocked
        }
        errno = error;
    }

    bool active_;
};

}  // namespace headtorch::train
