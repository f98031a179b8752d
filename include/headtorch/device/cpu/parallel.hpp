// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Threads: one level of OpenMP, or none where OpenMP is missing. No result depends on how many there are.

#include <algorithm>
#include <cstdint>
#include <exception>

#include "headtorch/core/config.hpp"

#if defined(_OPENMP)
#include <omp.h>
#endif

namespace headtorch {

#if defined(_OPENMP)
/// Number of threads that large ops use; OMP_NUM_THREADS sets the start value.
inline int get_num_threads() { return omp_get_max_threads(); }
inline void set_num_threads(int count) { omp_set_num_threads(std::max(1, count)); }
inline bool in_parallel_region() { return omp_in_parallel() != 0; }
#else
inline int get_num_threads() { return 1; }
inline void set_num_threads(int) {}
inline bool in_parallel_region() { return false; }
#endif

/// Calls `body(begin, end)` on pieces of [0, count), each of at least `grain` items but the last; serially when there is only one
/// piece, one thread, or when the caller is itself in a parallel region. An exception of any piece reaches the caller.
template <class Body>
void parallel_for(std::int64_t count, std::int64_t grain, Body&& body) {
    if (count <= 0) return;
    grain = std::max<std::int64_t>(1, grain);
    if (count <= grain || get_num_threads() == 1 || in_parallel_region()) {
        body(std::int64_t{0}, count);
        return;
    }
    const std::int64_t pieces = std::min<std::int64_t>((count + grain - 1) / grain, get_num_threads());
    const std::int64_t step = (count + pieces - 1) / pieces;
    std::exception_ptr failure;
    // The pieces are dealt out by hand: clang's runtime calls malloc for each `omp for`.
#if defined(_OPENMP)
#pragma omp parallel num_threads(static_cast<int>(pieces))
#endif
    {
#if defined(_OPENMP)
        const std::int64_t first = omp_get_thread_num(), threads = omp_get_num_threads();
#else
        const std::int64_t first = 0, threads = 1;
#endif
        for (std::int64_t piece = first; piece < pieces; piece += threads) {
            try {
                const std::int64_t begin = piece * step;
                const std::int64_t end = std::min(count, begin + step);
                if (begin < end) body(begin, end);
            } catch (...) {
#if defined(_OPENMP)
#pragma omp critical(headtorch_parallel_for)
#endif
                if (!failure) failure = std::current_exception();
            }
        }
    }
    if (failure) std::rethrow_exception(failure);
}

}  // namespace headtorch
