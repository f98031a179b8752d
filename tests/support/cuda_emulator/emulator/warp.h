// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#pragma once

/// Operations of a warp: shuffles, votes, reductions, __syncwarp. The lanes of the mask wait for each other; the last one to come computes
/// all results. A lane that gets a value from one outside the mask gets a pattern of ones (a NaN), where CUDA says undefined.

#include <bit>
#include <type_traits>

#include "barriers.h"

namespace cuda_emulator {

enum WarpKind : std::uint8_t {
    warp_sync,
    warp_shuffle,
    warp_ballot,
    warp_match,
    warp_add,
    warp_min,
    warp_max,
    warp_min_signed,
    warp_max_signed,
    warp_and,
    warp_or,
    warp_xor
};

template <class T>
std::uint64_t to_word(T value) {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);
    std::uint64_t word = 0;
    std::memcpy(&word, &value, sizeof value);
    return word;
}
template <class T>
T from_word(std::uint64_t word) {
    T value;
    std::memcpy(&value, &word, sizeof value);
    return value;
}

inline std::uint64_t combine(std::uint8_t kind, std::uint64_t a, std::uint64_t b) {
    const auto x = static_cast<std::int32_t>(a), y = static_cast<std::int32_t>(b);
    switch (kind) {
        case warp_add:
            return static_cast<std::uint32_t>(a + b);
        case warp_min:
            return a < b ? a : b;
        case warp_max:
            return a > b ? a : b;
        case warp_min_signed:
            return static_cast<std::uint32_t>(x < y ? x : y);
        case warp_max_signed:
            return static_cast<std::uint32_t>(x > y ? x : y);
        case warp_and:
            return a & b;
        case warp_or:
            return a | b;
        default:
            return a ^ b;
    }
}

/// Fills in the results of the lanes of `mask`, all of which have come.
inline void finish_warp(Lane* lanes, std::uint32_t mask, std::uint8_t kind) {
    const int first = std::countr_zero(mask);
    std::uint64_t shared = kind == warp_ballot ? 0 : lanes[first].value;
    for (int i = first; i < 32; ++i) {
        if ((mask >> i & 1) == 0) continue;
        if (kind == warp_ballot)
            shared |= lanes[i].value << i;
        else if (kind >= warp_add && i != first)
            shared = combine(kind, shared, lanes[i].value);
    }
    for (int i = first; i < 32; ++i) {
        if ((mask >> i & 1) == 0) continue;
        lanes[i].result = shared;
        if (kind == warp_shuffle) lanes[i].result = (mask >> lanes[i].source & 1) != 0 ? lanes[lanes[i].source].value : ~std::uint64_t{0};
        if (kind == warp_match) {
            lanes[i].result = 0;
            for (int j = first; j < 32; ++j)
                if ((mask >> j & 1) != 0 && lanes[j].value == lanes[i].value) lanes[i].result |= std::uint64_t{1} << j;
        }
    }
}

inline std::uint64_t wait_in_warp(WarpKind kind, unsigned int mask, std::uint64_t value, int source, Place place) {
    Engine& e = engine;
    const int t = e.current, warp = t / 32, begin = warp * 32, lane = t % 32;
    const int here = e.threads - begin < 32 ? e.threads - begin : 32;
    if ((mask >> lane & 1) == 0)
        fail("%s: a warp operation at %s whose mask 0x%08x does not hold the calling lane", e.where().c_str(), Engine::line(place).c_str(),
             mask);
    for (int i = 0; i < 32 && (e.gone > 0 || here < 32); ++i)
        if ((mask >> i & 1) != 0 && (i >= here || e.state[begin + i] == finished))
            fail("%s: a warp operation at %s with mask 0x%08x, but lane %d %s", e.where().c_str(), Engine::line(place).c_str(), mask, i,
                 i >= here ? "does not exist in this block" : "has left the kernel");
    Lane* lanes = e.lanes + begin;
    lanes[lane] = {value, 0, mask, static_cast<std::uint8_t>(source), kind, place};
    e.state[t] = at_warp;
    e.warp_waiting[warp] |= 1u << lane;
    bool complete = (e.warp_waiting[warp] & mask) == mask;
    for (int i = 0; i < here && complete; ++i) complete = (mask >> i & 1) == 0 || lanes[i].mask == mask;
    if (complete) {
        for (int i = 0; i < here; ++i) {
            if ((mask >> i & 1) == 0) continue;
            if (lanes[i].kind != kind || !(lanes[i].where == place))
                fail("%s: a warp operation at %s, but lane %d is in another one at %s", e.where().c_str(), Engine::line(place).c_str(), i,
                     Engine::line(lanes[i].where).c_str());
            e.state[begin + i] = ready;
        }
        finish_warp(lanes, mask, kind);
        e.warp_waiting[warp] &= ~mask;
        e.state[t] = running;
    } else {
        e.suspend();
    }
    return lanes[lane].result;
}

template <class T>
T shuffle(unsigned int mask, T value, int source, Place place) {
    return from_word<T>(wait_in_warp(warp_shuffle, mask, cuda_emulator::to_word(value), source, place));
}
inline int lane_index() { return engine.current % 32; }

}  // namespace cuda_emulator

template <class T>
T __shfl_sync(unsigned int mask, T value, int source, int width = 32, cuda_emulator::Place place = cuda_emulator::Place::here()) {
    const int lane = cuda_emulator::lane_index();
    return cuda_emulator::shuffle(mask, value, (lane & ~(width - 1)) | (source & (width - 1)), place);
}
template <class T>
T __shfl_up_sync(unsigned int mask, T value, unsigned int delta, int width = 32,
                 cuda_emulator::Place place = cuda_emulator::Place::here()) {
    const int lane = cuda_emulator::lane_index(), source = lane - static_cast<int>(delta);
    return cuda_emulator::shuffle(mask, value, source < (lane & ~(width - 1)) ? lane : source, place);
}
template <class T>
T __shfl_down_sync(unsigned int mask, T value, unsigned int delta, int width = 32,
                   cuda_emulator::Place place = cuda_emulator::Place::here()) {
    const int lane = cuda_emulator::lane_index(), source = lane + static_cast<int>(delta);
    return cuda_emulator::shuffle(mask, value, source > (lane | (width - 1)) ? lane : source, place);
}
template <class T>
T __shfl_xor_sync(unsigned int mask, T value, int other, int width = 32, cuda_emulator::Place place = cuda_emulator::Place::here()) {
    const int lane = cuda_emulator::lane_index(), source = lane ^ other;
    return cuda_emulator::shuffle(mask, value, source > (lane | (width - 1)) ? lane : source, place);
}

inline void __syncwarp(unsigned int mask = 0xffffffffu, cuda_emulator::Place place = cuda_emulator::Place::here()) {
    // the default names all lanes of a full warp; in a block's last, shorter warp it means those that exist
    const int left = cuda_emulator::engine.threads - cuda_emulator::engine.current / 32 * 32;
    if (left < 32) mask &= (1u << left) - 1;
    cuda_emulator::wait_in_warp(cuda_emulator::warp_sync, mask, 0, 0, place);
}
inline unsigned int __ballot_sync(unsigned int mask, int predicate, cuda_emulator::Place place = cuda_emulator::Place::here()) {
    return static_cast<unsigned int>(cuda_emulator::wait_in_warp(cuda_emulator::warp_ballot, mask, predicate != 0, 0, place));
}
inline int __any_sync(unsigned int mask, int predicate, cuda_emulator::Place place = cuda_emulator::Place::here()) {
    return __ballot_sync(mask, predicate, place) != 0;
}
inline int __all_sync(unsigned int mask, int predicate, cuda_emulator::Place place = cuda_emulator::Place::here()) {
    return __ballot_sync(mask, predicate, place) == mask;
}
template <class T>
unsigned int __match_any_sync(unsigned int mask, T value, cuda_emulator::Place place = cuda_emulator::Place::here()) {
    return static_cast<unsigned int>(cuda_emulator::wait_in_warp(cuda_emulator::warp_match, mask, cuda_emulator::to_word(value), 0, place));
}

#define CUDA_EMULATOR_REDUCE(name, T, kind)                                                                   \
    inline T name(unsigned int mask, T value, cuda_emulator::Place place = cuda_emulator::Place::here()) {    \
        return cuda_emulator::from_word<T>(                                                                   \
            cuda_emulator::wait_in_warp(cuda_emulator::kind, mask, cuda_emulator::to_word(value), 0, place)); \
    }
CUDA_EMULATOR_REDUCE(__reduce_add_sync, unsigned int, warp_add)
CUDA_EMULATOR_REDUCE(__reduce_add_sync, int, warp_add)
CUDA_EMULATOR_REDUCE(__reduce_min_sync, unsigned int, warp_min)
CUDA_EMULATOR_REDUCE(__reduce_min_sync, int, warp_min_signed)
CUDA_EMULATOR_REDUCE(__reduce_max_sync, unsigned int, warp_max)
CUDA_EMULATOR_REDUCE(__reduce_max_sync, int, warp_max_signed)
CUDA_EMULATOR_REDUCE(__reduce_and_sync, unsigned int, warp_and)
CUDA_EMULATOR_REDUCE(__reduce_or_sync, unsigned int, warp_or)
CUDA_EMULATOR_REDUCE(__reduce_xor_sync, unsigned int, warp_xor)
#undef CUDA_EMULATOR_REDUCE
