// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#pragma once

/// __syncthreads and its kin. All threads of the block must come to the same one: a thread that has left the kernel, or waits at another
/// barrier of the source, is an error that is reported, although a GPU may forgive it.

#include "block.h"

namespace cuda_emulator {

enum BarrierKind { barrier_plain, barrier_count, barrier_and, barrier_or };

inline int wait_at_barrier(BarrierKind kind, bool predicate, Place place) {
    Engine& e = engine;
    if (e.gone > 0)
        fail("%s waits at %s, but %d threads of the block have left the kernel", e.where().c_str(), Engine::line(place).c_str(), e.gone);
    if (e.waiting == 0) {
        e.barrier_where = place;
        e.barrier_kind = kind;
        e.predicates = 0;
    } else if (e.barrier_kind != kind || !(e.barrier_where == place)) {
        fail("%s waits at %s, but %d threads of the block wait at another barrier, %s", e.where().c_str(), Engine::line(place).c_str(),
             e.waiting, Engine::line(e.barrier_where).c_str());
    }
    e.predicates += predicate ? 1 : 0;
    ++e.waiting;
    if (e.waiting < e.threads) {
        e.state[e.current] = at_barrier;
    } else {
        e.waiting = 0;
        e.barrier_result = kind == barrier_count ? e.predicates : kind == barrier_and ? e.predicates == e.threads : e.predicates > 0;
        std::memset(e.state, ready, static_cast<std::size_t>(e.threads));
        e.order.restart(static_cast<std::uint64_t>(e.threads), e.random);
    }
    e.suspend();
    return e.barrier_result;
}

}  // namespace cuda_emulator

inline void __syncthreads(cuda_emulator::Place place = cuda_emulator::Place::here()) {
    cuda_emulator::wait_at_barrier(cuda_emulator::barrier_plain, false, place);
}
inline int __syncthreads_count(int predicate, cuda_emulator::Place place = cuda_emulator::Place::here()) {
    return cuda_emulator::wait_at_barrier(cuda_emulator::barrier_count, predicate != 0, place);
}
inline int __syncthreads_and(int predicate, cuda_emulator::Place place = cuda_emulator::Place::here()) {
    return cuda_emulator::wait_at_barrier(cuda_emulator::barrier_and, predicate != 0, place);
}
inline int __syncthreads_or(int predicate, cuda_emulator::Place place = cuda_emulator::Place::here()) {
    return cuda_emulator::wait_at_barrier(cuda_emulator::barrier_or, predicate != 0, place);
}

inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}
