// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Streams and events. Work goes to the current stream of the thread's current GPU: the default stream, or that of a StreamGuard.

#include <array>
#include <cstddef>
#include <memory>
#include <utility>

#include "headtorch/device/cuda/device_error.cuh"

namespace headtorch::cuda {

/// A queue of work on one GPU; a handle, copies are the same queue. `Stream()` is the default one, Stream::create() a new one that does not
/// wait for it.
class Stream {
public:
    Stream() = default;
    static Stream create() {
        cudaStream_t raw = nullptr;
        check(cudaStreamCreateWithFlags(&raw, cudaStreamNonBlocking), "Stream", "cudaStreamCreateWithFlags");
        Stream stream;
        stream.own_ = std::shared_ptr<CUstream_st>(raw, [](cudaStream_t it) {
            const BesideCapture beside;
            cudaStreamSynchronize(it);  // a later stream may get its handle, and with it its free memory
            cudaStreamDestroy(it);
        });
        return stream;
    }

    cudaStream_t get() const noexcept { return own_.get(); }
    /// Waits until all its work is done, and throws what kernels found wrong.
    void synchronize() const {
        check(cudaStreamSynchronize(get()), "Stream::synchronize", "cudaStreamSynchronize");
        raise_reported();
    }
    /// True when all its work is done.
    bool query() const {
        const cudaError_t status = cudaStreamQuery(get());
        if (status == cudaErrorNotReady) return false;
        check(status, "Stream::query", "cudaStreamQuery");
        return true;
    }
    bool operator==(const Stream& other) const noexcept { return get() == other.get(); }

private:
    std::shared_ptr<CUstream_st> own_;
};

namespace detail {
/// The current stream of each GPU, of this thread.
inline std::array<Stream, max_devices>& current_streams() {
    static thread_local std::array<Stream, max_devices> streams;
    return streams;
}
}  // namespace detail

inline const Stream& current_stream() { return detail::current_streams()[static_cast<std::size_t>(current_device())]; }

/// Makes a stream the current one of the current GPU until the end of the scope.
class StreamGuard {
public:
    explicit StreamGuard(Stream stream) : device_(static_cast<std::size_t>(current_device())) {
        before_ = std::exchange(detail::current_streams()[device_], std::move(stream));
    }
    ~StreamGuard() { detail::current_streams()[device_] = std::move(before_); }
    StreamGuard(const StreamGuard&) = delete;
    StreamGuard& operator=(const StreamGuard&) = delete;

private:
    std::size_t device_;
    Stream before_;
};

/// A mark in a stream, to wait for or to take times between.
class Event {
public:
    /// `timing`: elapsed_ms() is wanted.
    explicit Event(bool timing = false) {
        cudaEvent_t raw = nullptr;
        check(cudaEventCreateWithFlags(&raw, timing ? cudaEventDefault : cudaEventDisableTiming), "Event", "cudaEventCreateWithFlags");
        event_.reset(raw);
    }
    cudaEvent_t get() const noexcept { return event_.get(); }
    void record(const Stream& stream = current_stream()) const {
        check(cudaEventRecord(get(), stream.get()), "Event::record", "cudaEventRecord");
    }
    /// What is put into `stream` from here on waits for the mark.
    void wait(const Stream& stream = current_stream()) const {
        check(cudaStreamWaitEvent(stream.get(), get(), 0), "Event::wait", "cudaStreamWaitEvent");
    }
    void synchronize() const { check(cudaEventSynchronize(get()), "Event::synchronize", "cudaEventSynchronize"); }
    bool query() const {
        const cudaError_t status = cudaEventQuery(get());
        if (status == cudaErrorNotReady) return false;
        check(status, "Event::query", "cudaEventQuery");
        return true;
    }
    /// Milliseconds from this mark to a later one; both with timing, and passed.
    float elapsed_ms(const Event& end) const {
        float ms = 0;
        check(cudaEventElapsedTime(&ms, get(), end.get()), "Event::elapsed_ms", "cudaEventElapsedTime");
        return ms;
    }

private:
    struct Destroy {
        void operator()(cudaEvent_t it) const { cudaEventDestroy(it); }
    };
    std::unique_ptr<CUevent_st, Destroy> event_;
};

/// Waits for all work of the current GPU. An error of a kernel that ran before shows up here at the latest.
inline void synchronize() {
    check(cudaDeviceSynchronize(), "synchronize", "cudaDeviceSynchronize");
    raise_reported();
}

}  // namespace headtorch::cuda
