// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Copies that go on while the host and the GPU do something else: what data::prefetch() and train:: ask of a device. The host's memory is
/// pinned.

#include <array>
#include <cstddef>
#include <memory>
#include <mutex>

#include "headtorch/device/cuda/copy.cuh"
#include "headtorch/device/cuda/memory.cuh"
#include "headtorch/device/cuda/stream.cuh"
#include "headtorch/device/device.hpp"

namespace headtorch::cuda {

/// The stream of the current GPU for copies beside other work. One for all of them: memory that was made for a stream serves it alone.
inline const Stream& side_stream() {
    static std::mutex mutex;
    static auto& streams = *new std::array<std::unique_ptr<Stream>, max_devices>;
    const std::lock_guard lock(mutex);
    std::unique_ptr<Stream>& stream = streams[static_cast<std::size_t>(current_device())];
    if (!stream) stream = std::make_unique<Stream>(Stream::create());
    return *stream;
}

/// As long as it lives, memory is made for the side stream, and copies are put there.
class SideWork {
public:
    SideWork() : guard_(side_stream()) {}

private:
    StreamGuard guard_;
};

/// All that was put into the current stream so far.
class Mark {
public:
    Mark() { event_.record(); }
    bool reached() const { return event_.query(); }
    /// The host waits; throws what kernels found wrong.
    void wait() const {
        event_.synchronize();
        raise_reported();
    }
    /// The same without the errors, which come out elsewhere.
    void settle() const noexcept {
        if (event_.get()) cudaEventSynchronize(event_.get());
    }
    /// What is put into the current stream from here on waits.
    void hold() const { event_.wait(); }

private:
    Event event_;
};

}  // namespace headtorch::cuda

namespace headtorch {

inline void* allocate_pinned(Cuda, std::size_t bytes) { return cuda::PinnedMemory::instance().allocate(bytes); }
inline void deallocate_pinned(Cuda, void* data) noexcept { cuda::PinnedMemory::instance().deallocate(data); }
inline bool is_pinned(Cuda, const void* data) { return cuda::is_pinned(data); }

/// On the current stream. The host's memory is pinned, and keeps its numbers until the copy is done.
inline void start_copy(Cpu, Cuda, const void* from, void* to, std::size_t bytes) {
    cuda::copy_async(to, from, bytes, cudaMemcpyHostToDevice, "to");
    cuda::PinnedMemory::instance().record_copy(from);
}
inline void start_copy(Cuda, Cpu, const void* from, void* to, std::size_t bytes) {
    cuda::copy_async(to, from, bytes, cudaMemcpyDeviceToHost, "to");
    cuda::PinnedMemory::instance().record_copy(to);
}

inline cuda::SideWork side_work(Cuda) { return {}; }
inline cuda::Mark work_mark(Cuda) { return {}; }
/// Memory that was made for another stream is used by the current one, too.
inline void share_with_current_stream(Cuda, void* data) {
    if (data) cuda::Allocator::instance().record_stream(data, cuda::current_stream());
}
/// Which GPU is the current one; until the end of a scope, also in another thread, that one is.
inline int current_place(Cuda) { return cuda::current_device(); }
inline cuda::DeviceGuard at_place(Cuda, int place) { return cuda::DeviceGuard(place); }

}  // namespace headtorch
