// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Copies between host and device, and numbers back.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "headtorch/device/cuda/stream.cuh"
#include "headtorch/device/device.hpp"

namespace headtorch::cuda {

/// Pinned host memory: the GPU copies from and to it by itself, while the host goes on. Kept for reuse, since CUDA takes long to make it; a
/// block serves again when the copies are done that use it.
class PinnedMemory {
public:
    static PinnedMemory& instance() {
        static PinnedMemory& memory = *new PinnedMemory;
        return memory;
    }
    /// Throws OutOfMemoryError.
    void* allocate(std::size_t bytes) {
        bytes = rounded(bytes);
        const std::lock_guard lock(mutex_);
        const BesideCapture beside;
        take_back();
        std::vector<char*>& kept = free_[bytes];
        void* data = nullptr;
        if (kept.empty()) {
            check(cudaHostAlloc(&data, bytes, cudaHostAllocDefault), "pin_memory", "cudaHostAlloc");
        } else {
            data = kept.back();
            kept.pop_back();
        }
        in_use_[static_cast<char*>(data)].bytes = bytes;
        return data;
    }
    void deallocate(void* data) noexcept {
        const std::lock_guard lock(mutex_);
        const auto found = in_use_.find(static_cast<char*>(data));
        waiting_.emplace_back(found->first, std::move(found->second));
        in_use_.erase(found);
    }
    /// A copy that uses memory from here was put into the current stream.
    void record_copy(const void* host) {
        const std::lock_guard lock(mutex_);
        auto block = in_use_.upper_bound(static_cast<char*>(const_cast<void*>(host)));
        if (block == in_use_.begin()) return;
        --block;
        if (static_cast<const char*>(host) >= block->first + block->second.bytes) return;  // the caller's own
        std::vector<Event>& copies = block->second.copies;
        const BesideCapture beside;
        try {
            std::erase_if(copies, [](const Event& copied) { return copied.query(); });
            copies.emplace_back();
            copies.back().record();
        } catch (...) {  // what cannot be marked is waited for
            cudaStreamSynchronize(current_stream().get());
            throw;
        }
    }

private:
    struct Block {
        std::size_t bytes = 0;
        std::vector<Event> copies{};
    };

    static std::size_t rounded(std::size_t bytes) {
        std::size_t size = 4096;
        while (size < bytes) size *= 2;
        return size;
    }
    void take_back() {
        for (std::size_t i = 0; i < waiting_.size();) {
            auto& [data, block] = waiting_[i];
            if (!std::all_of(block.copies.begin(), block.copies.end(), [](const Event& copied) { return copied.query(); })) {
                ++i;
                continue;
            }
            free_[block.bytes].push_back(data);
            std::swap(waiting_[i], waiting_.back());
            waiting_.pop_back();
        }
    }

    std::mutex mutex_;
    std::map<char*, Block> in_use_;
    std::vector<std::pair<char*, Block>> waiting_;
    std::unordered_map<std::size_t, std::vector<char*>> free_;
};

inline bool is_pinned(const void* host) {
    cudaPointerAttributes attributes{};
    if (cudaPointerGetAttributes(&attributes, host) != cudaSuccess) {
        cudaGetLastError();
        return false;
    }
    return attributes.type == cudaMemoryTypeHost;
}

/// Starts a copy on the current stream. From or to pinned memory it goes on while the host does something else.
inline void copy_async(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, std::string_view op = "copy") {
    if (bytes > 0) check(cudaMemcpyAsync(to, from, bytes, kind, current_stream().get()), op, "cudaMemcpyAsync");
}

/// `count` numbers of the device, once all work before has made them.
template <class T>
void read(const T* from, std::int64_t count, T* to, std::string_view op) {
    copy_async(to, from, static_cast<std::size_t>(count) * sizeof(T), cudaMemcpyDeviceToHost, op);
    check(cudaStreamSynchronize(current_stream().get()), op, "cudaStreamSynchronize");
    raise_reported();
}
template <class T>
T read_one(const T* from, std::string_view op) {
    T value;
    read(from, 1, &value, op);
    return value;
}

}  // namespace headtorch::cuda

namespace headtorch {

/// The host may change or free `from` when this returns. So a graph cannot record it.
template <class T>
void copy_between(Cpu, Cuda, const T* from, T* to, std::int64_t count) {
    cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
    cuda::check(cudaStreamIsCapturing(cuda::current_stream().get(), &capture), "to", "cudaStreamIsCapturing");
    if (capture != cudaStreamCaptureStatusNone)
        throw ValueError("to: a graph cannot record a copy from the host: make the tensor before, and copy new numbers into it");
    cuda::copy_async(to, from, static_cast<std::size_t>(count) * sizeof(T), cudaMemcpyHostToDevice, "to");
    if (count > 0 && cuda::is_pinned(from)) cuda::check(cudaStreamSynchronize(cuda::current_stream().get()), "to", "cudaStreamSynchronize");
}
template <class T>
void copy_between(Cuda, Cpu, const T* from, T* to, std::int64_t count) {
    if (count > 0) cuda::read(from, count, to, "to");
}

}  // namespace headtorch
