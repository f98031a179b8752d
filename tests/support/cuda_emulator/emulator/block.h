// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#pragma once

/// Runs a kernel: block after block, and in each its threads. A thread is a plain call on a fiber's stack; only one that meets a barrier
/// keeps the stack until it goes on, and the next thread begins on another. A kernel without barriers therefore uses one stack. The
/// `__shared__` arrays that a kernel declares are filled with ones before each block.
///
/// Blocks, the threads of a block, and after each barrier again the threads come in an order that changes: forwards, backwards or shuffled.

#include <cstdint>
#include <cstring>
#include <numeric>
#include <string>

#include "fibers.h"
#include "symbols.h"
#include "vector_types.h"

namespace cuda_emulator {

inline constexpr int most_threads = 1024;

/// A line of the source: where a barrier is called.
struct Place {
    const char* file = "";
    unsigned int line = 0;

    static constexpr Place here(const char* file = __builtin_FILE(), unsigned int line = __builtin_LINE()) { return {file, line}; }
    bool operator==(const Place& other) const { return line == other.line && (file == other.file || std::strcmp(file, other.file) == 0); }
};

/// What is to be run: `invoke(arguments)` is one call of the kernel.
struct Kernel {
    void (*invoke)(const void* arguments) = nullptr;
    const void* arguments = nullptr;
    const void* function = nullptr;
    int device = 0;
    dim3 grid, block;
};

/// Visits 0 … n - 1, each once, by steps of a number that has no factor in common with n.
struct Order {
    std::uint64_t count = 0, step = 1, at = 0, visited = 0;

    void restart(std::uint64_t n, Random& random) {
        count = n;
        visited = 0;
        switch (random.below(3)) {
            case 0:
                step = 1, at = 0;
                break;
            case 1:
                step = n - 1, at = n - 1;
                break;
            default:
                at = random.below(n);
                do step = n < 3 ? 1 : 1 + random.below(n - 1);
                while (std::gcd(step, n) != 1);
        }
    }
    std::uint64_t next() {
        const std::uint64_t result = at;
        at += step;
        if (at >= count) at -= count;
        ++visited;
        return result;
    }
};

enum ThreadState : std::uint8_t { fresh, ready, running, at_barrier, at_warp, finished };

/// Where a lane is in a warp operation (warp.h).
struct Lane {
    std::uint64_t value, result;
    std::uint32_t mask;
    std::uint8_t source, kind;
    Place where;
};

struct Engine {
    Kernel kernel;
    const std::vector<SharedArray>* shared = nullptr;
    Random random;
    Order blocks, order;
    int threads = 0;
    bool flat = true;

    ThreadState state[most_threads] = {};
    Fiber* fibers[most_threads] = {};
    int current = -1, chosen = -1, gone = 0, idle_steps = 0;

    int waiting = 0, predicates = 0, barrier_kind = 0, barrier_result = 0;
    Place barrier_where;
    std::uint32_t warp_waiting[most_threads / 32] = {};
    Lane lanes[most_threads] = {};

    Fiber host = {};
    Fiber* fiber = nullptr;
    Fiber* parked[most_threads + 1] = {};
    int parked_count = 0;
    std::size_t made = 0;

    void set_thread(int t) {
        current = t;
        const unsigned int i = static_cast<unsigned int>(t);
        if (flat)
            threadIdx.x = i;
        else
            threadIdx = {i % blockDim.x, i / blockDim.x % blockDim.y, i / (blockDim.x * blockDim.y)};
    }

    /// "kernel void name<…>(…), block (1, 0, 0), thread (3, 0, 0)".
    std::string where() const {
        const auto triple = [](const char* word, uint3 v) {
            return std::string(word) + " (" + std::to_string(v.x) + ", " + std::to_string(v.y) + ", " + std::to_string(v.z) + ")";
        };
        return "kernel " + symbol_name(kernel.function) + triple(", block", blockIdx) + triple(", thread", threadIdx);
    }
    static std::string line(Place place) { return std::string(place.file) + ":" + std::to_string(place.line); }

    /// The thread to go on with, or -1 when all have finished.
    int pick() {
        if (gone == threads) return -1;
        for (;;) {
            if (order.visited == order.count) order.restart(static_cast<std::uint64_t>(threads), random);
            const int t = static_cast<int>(order.next());
            if (state[t] <= ready) {
                idle_steps = 0;
                return t;
            }
            if (++idle_steps > 2 * threads) deadlock();
        }
    }

    [[noreturn]] void deadlock() {
        std::string text;
        int shown = 0;
        for (int t = 0; t < threads && shown < 4; ++t) {
            if (state[t] != at_warp) continue;
            char mask[16];
            std::snprintf(mask, sizeof mask, "0x%08x", lanes[t].mask);
            text += "; thread " + std::to_string(t) + " waits in a warp operation with mask " + mask + " at " + line(lanes[t].where);
            ++shown;
        }
        if (waiting > 0)
            text += "; " + std::to_string(waiting) + " of " + std::to_string(threads) + " threads wait at " + line(barrier_where);
        fail("deadlock in %s%s", where().c_str(), text.c_str());
    }

    /// Called with the state of the current thread already set to what it waits for; returns when it may go on.
    void suspend() {
        const int t = current;
        Fiber* self = fiber;
        const int u = pick();
        if (u == t) {
            state[t] = running;
            set_thread(t);
            return;
        }
        fibers[t] = self;
        enter(u);
        switch_fiber(*self, *fiber);
    }
    /// Makes u the current thread, and its fiber or, if it is fresh, a new one the current fiber.
    void enter(int u) {
        if (state[u] == fresh) {
            chosen = u;
            fiber = take_fiber();
        } else {
            state[u] = running;
            set_thread(u);
            fiber = fibers[u];
        }
    }
    Fiber* take_fiber() {
        if (parked_count > 0) return parked[--parked_count];
        return make_fiber(&Engine::fiber_main, made++);
    }

    void run_fresh(int t) {
        state[t] = running;
        set_thread(t);
        kernel.invoke(kernel.arguments);
        t = current;  // the same thread, but perhaps after others
        state[t] = finished;
        ++gone;
        if (waiting > 0)
            fail("%s has left the kernel while %d threads wait for it at %s", where().c_str(), waiting, line(barrier_where).c_str());
        if (warp_waiting[t / 32] != 0) check_left(t);
    }
    void check_left(int t) {
        for (int other = t / 32 * 32; other < threads && other < t / 32 * 32 + 32; ++other)
            if (state[other] == at_warp && (lanes[other].mask >> (t % 32) & 1) != 0)
                fail("%s has left the kernel while thread %d waits for it in a warp operation with mask 0x%08x at %s", where().c_str(),
                     other, lanes[other].mask, line(lanes[other].where).c_str());
    }

    bool next_block() {
        if (blocks.visited == blocks.count) return false;
        const std::uint64_t b = blocks.next();
        const std::uint64_t width = gridDim.x, height = gridDim.y;
        blockIdx = {static_cast<unsigned int>(b % width), static_cast<unsigned int>(b / width % height),
                    static_cast<unsigned int>(b / (width * height))};
        std::memset(state, fresh, static_cast<std::size_t>(threads));
        gone = 0;
        order.restart(static_cast<std::uint64_t>(threads), random);
        for (const SharedArray& array : *shared) std::memset(array.place, 0xff, array.size);  // not what the last block left there
        return true;
    }

    static void fiber_main();

    void run(const Kernel& what, std::uint64_t seed) {
        kernel = what;
        shared = &symbols().statics(what.function);
        random.position = seed * 0x9e3779b97f4a7c15u;
        gridDim = what.grid;
        blockDim = what.block;
        threads = static_cast<int>(blockDim.x * blockDim.y * blockDim.z);
        flat = blockDim.y == 1 && blockDim.z == 1;
        threadIdx = {};
        blocks.restart(std::uint64_t{gridDim.x} * gridDim.y * gridDim.z, random);
        next_block();
        chosen = pick();
#ifdef CUDA_EMULATOR_TSAN
        host.sanitizer = __tsan_get_current_fiber();
#endif
        fiber = take_fiber();
        switch_fiber(host, *fiber);
        kernel = Kernel{};
    }
};
inline constinit Engine engine{};

/// A fiber begins fresh threads, one after another, until the next thread to go on with is one that waits on a stack of its own.
inline void Engine::fiber_main() {
    entered_fiber(nullptr);
    for (;;) {
        int t = engine.chosen;
        for (;;) {
            while (t >= 0 && engine.state[t] == fresh) {
                engine.run_fresh(t);
                t = engine.pick();
            }
            if (t >= 0 || !engine.next_block()) break;
            t = engine.pick();
        }
        Fiber* self = engine.fiber;
        engine.parked[engine.parked_count++] = self;
        if (t >= 0) engine.enter(t);
        switch_fiber(*self, t < 0 ? engine.host : *engine.fiber);
    }
}

}  // namespace cuda_emulator
