// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#pragma once

/// Streams and events.

#include "queue.h"

inline cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned int flags, int priority) {
    return cuda_emulator::call("cudaStreamCreateWithPriority", [&] {
        if (flags > cudaStreamNonBlocking) return cudaErrorInvalidValue;
        auto* made = new CUstream_st;
        made->device = cuda_emulator::current_device;
        made->flags = flags;
        made->priority = std::clamp(priority, -5, 0);
        made->queue = std::make_unique<cuda_emulator::Queue>();
        cuda_emulator::state().streams.insert(made);
        *stream = made;
        return cudaSuccess;
    });
}
inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int flags) {
    return cuda_emulator::call("cudaStreamCreateWithFlags", [&] { return cudaStreamCreateWithPriority(stream, flags, 0); });
}
inline cudaError_t cudaStreamCreate(cudaStream_t* stream) {
    return cuda_emulator::call("cudaStreamCreate", [&] { return cudaStreamCreateWithPriority(stream, cudaStreamDefault, 0); });
}
/// The stream's work still runs.
inline cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    return cuda_emulator::call("cudaStreamDestroy", [&] {
        auto& s = cuda_emulator::state();
        if (s.streams.erase(stream) == 0) return cudaErrorInvalidResourceHandle;
        if (stream->capture) {
            cuda_emulator::invalidate(stream->capture);
            std::erase(stream->capture->streams, stream);
        }
        if (!stream->queue->waiting.empty()) {
            stream->queue->owned = false;
            s.queues.push_back(std::move(stream->queue));
        }
        delete stream;
        return cudaSuccess;
    });
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
    return cuda_emulator::call("cudaStreamSynchronize", [&] {
        CUstream_st* stream = cuda_emulator::find_stream(handle);
        if (stream == nullptr) return cudaErrorInvalidResourceHandle;
        if (const cudaError_t error = cuda_emulator::implicit_wait(*stream); error != cudaSuccess) return error;
        if (stream->capture) {
            cuda_emulator::invalidate(stream->capture);
            return cudaErrorStreamCaptureUnsupported;
        }
        if (const cudaError_t error = cuda_emulator::forbidden_in_capture(); error != cudaSuccess) return error;
        ++cuda_emulator::state().statistics.synchronisations;
        return cuda_emulator::wait_for(stream->last);
    });
}
inline cudaError_t cudaStreamQuery(cudaStream_t handle) {
    return cuda_emulator::call("cudaStreamQuery", [&] {
        CUstream_st* stream = cuda_emulator::find_stream(handle);
        if (stream == nullptr) return cudaErrorInvalidResourceHandle;
        if (stream->capture) {
            cuda_emulator::invalidate(stream->capture);
            return cudaErrorStreamCaptureUnsupported;
        }
        return cuda_emulator::query(stream->last);
    });
}
inline cudaError_t cudaDeviceSynchronize() {
    return cuda_emulator::call("cudaDeviceSynchronize", [&] {
        if (const cudaError_t error = cuda_emulator::forbidden_in_capture(); error != cudaSuccess) return error;
        ++cuda_emulator::state().statistics.synchronisations;
        return cuda_emulator::wait_for_device(cuda_emulator::current_device);
    });
}
inline cudaError_t cudaStreamGetFlags(cudaStream_t handle, unsigned int* flags) {
    return cuda_emulator::call("cudaStreamGetFlags", [&] {
        const CUstream_st* stream = cuda_emulator::find_stream(handle);
        if (stream == nullptr) return cudaErrorInvalidResourceHandle;
        *flags = stream->flags;
        return cudaSuccess;
    });
}
inline cudaError_t cudaStreamGetPriority(cudaStream_t handle, int* priority) {
    return cuda_emulator::call("cudaStreamGetPriority", [&] {
        const CUstream_st* stream = cuda_emulator::find_stream(handle);
        if (stream == nullptr) return cudaErrorInvalidResourceHandle;
        *priority = stream->priority;
        return cudaSuccess;
    });
}
inline cudaError_t cudaStreamGetDevice(cudaStream_t handle, int* device) {
    return cuda_emulator::call("cudaStreamGetDevice", [&] {
        const CUstream_st* stream = cuda_emulator::find_stream(handle);
        if (stream == nullptr) return cudaErrorInvalidResourceHandle;
        *device = stream->device;
        return cudaSuccess;
    });
}

/// The function may not call CUDA: such calls return cudaErrorNotPermitted.
inline cudaError_t cudaLaunchHostFunc(cudaStream_t handle, cudaHostFn_t function, void* data) {
    return cuda_emulator::call("cudaLaunchHostFunc", [&] {
        CUstream_st* stream = cuda_emulator::find_stream(handle);
        if (stream == nullptr) return cudaErrorInvalidResourceHandle;
        if (function == nullptr) return cudaErrorInvalidValue;
        return cuda_emulator::enqueue(*stream, "a host function", 0, [=] {
            cuda_emulator::in_host_function = true;
            function(data);
            cuda_emulator::in_host_function = false;
        });
    });
}

inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int flags) {
    return cuda_emulator::call("cudaEventCreateWithFlags", [&] {
        if (flags > 7) return cudaErrorInvalidValue;
        *event = new CUevent_st;
        (*event)->device = cuda_emulator::current_device;
        (*event)->flags = flags;
        cuda_emulator::state().events.insert(*event);
        return cudaSuccess;
    });
}
inline cudaError_t cudaEventCreate(cudaEvent_t* event, unsigned int flags = cudaEventDefault) {
    return cuda_emulator::call("cudaEventCreate", [&] { return cudaEventCreateWithFlags(event, flags); });
}
inline cudaError_t cudaEventDestroy(cudaEvent_t event) {
    return cuda_emulator::call("cudaEventDestroy", [&] {
        if (cuda_emulator::state().events.erase(event) == 0) return cudaErrorInvalidResourceHandle;
        delete event;
        return cudaSuccess;
    });
}
inline cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t handle = nullptr) {
    return cuda_emulator::call("cudaEventRecord", [&] {
        CUstream_st* stream = cuda_emulator::find_stream(handle);
        if (stream == nullptr || !cuda_emulator::state().events.contains(event) || event->device != stream->device)
            return cudaErrorInvalidResourceHandle;
        if (stream->capture) {
            if (stream->capture->invalid) return cudaErrorStreamCaptureInvalidated;
            event->captured = true;
            event->capture = stream->capture;
            event->nodes = stream->frontier;
            return cudaSuccess;
        }
        const cudaError_t error = cuda_emulator::enqueue(*stream, "an event", 0, nullptr);
        if (error != cudaSuccess) return error;
        event->captured = false;
        event->recorded = stream->last;
        return cudaSuccess;
    });
}
inline cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream = nullptr, unsigned int = 0) {
    return cudaEventRecord(event, stream);
}
inline cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned int = 0) {
    return cuda_emulator::call("cudaStreamWaitEvent", [&] {
        CUstream_st* stream = cuda_emulator::find_stream(handle);
        if (stream == nullptr || !cuda_emulator::state().events.contains(event)) return cudaErrorInvalidResourceHandle;
        if (event->captured) {
            const auto capture = event->capture.lock();
            if (!capture) return cudaErrorCapturedEvent;
            if (capture->invalid) return cudaErrorStreamCaptureInvalidated;
            if (stream->legacy) {
                cuda_emulator::invalidate(capture);
                return cudaErrorStreamCaptureImplicit;
            }
            if (stream->capture && stream->capture != capture) {
                cuda_emulator::invalidate(capture);
                cuda_emulator::invalidate(stream->capture);
                return cudaErrorStreamCaptureMerge;
            }
            if (!stream->capture) {
                stream->capture = capture;
                stream->frontier.clear();
                capture->streams.push_back(stream);
            }
            stream->frontier.insert(stream->frontier.end(), event->nodes.begin(), event->nodes.end());
            return cudaSuccess;
        }
        if (stream->capture) {
            cuda_emulator::invalidate(stream->capture);
            return cudaErrorStreamCaptureIsolation;
        }
        if (!event->recorded || event->recorded->done) return cudaSuccess;
        return cuda_emulator::enqueue(*stream, "a wait", 0, nullptr, {event->recorded});
    });
}
inline cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    return cuda_emulator::call("cudaEventSynchronize", [&] {
        if (!cuda_emulator::state().events.contains(event)) return cudaErrorInvalidResourceHandle;
        if (event->captured) {
            cuda_emulator::invalidate(event->capture.lock());
            return cudaErrorCapturedEvent;
        }
        if (const cudaError_t error = cuda_emulator::forbidden_in_capture(); error != cudaSuccess) return error;
        ++cuda_emulator::state().statistics.synchronisations;
        return cuda_emulator::wait_for(event->recorded);
    });
}
inline cudaError_t cudaEventQuery(cudaEvent_t event) {
    return cuda_emulator::call("cudaEventQuery", [&] {
        if (!cuda_emulator::state().events.contains(event)) return cudaErrorInvalidResourceHandle;
        if (event->captured) {
            cuda_emulator::invalidate(event->capture.lock());
            return cudaErrorCapturedEvent;
        }
        if (const cudaError_t error = cuda_emulator::forbidden_in_capture(); error != cudaSuccess) return error;
        return cuda_emulator::query(event->recorded);
    });
}
inline cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
    return cuda_emulator::call("cudaEventElapsedTime", [&] {
        const auto usable = [](cudaEvent_t event) {
            return cuda_emulator::state().events.contains(event) && (event->flags & cudaEventDisableTiming) == 0 && event->recorded &&
                   !event->captured;
        };
        if (!usable(begin) || !usable(end)) return cudaErrorInvalidResourceHandle;
        if (!begin->recorded->done || !end->recorded->done) return cudaErrorNotReady;
        *milliseconds = static_cast<float>((end->recorded->time - begin->recorded->time) * 1000);
        return cudaSuccess;
    });
}
