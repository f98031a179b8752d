// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What a Tensor handle points to: storage that views share, and one record per view. Nothing here knows the element type.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

#include "headtorch/core/dtype.hpp"
#include "headtorch/core/ref.hpp"
#include "headtorch/core/shape.hpp"
#include "headtorch/device/cpu/memory.hpp"
#include "headtorch/device/device.hpp"
#include "headtorch/tensor/observer.hpp"

namespace headtorch {

/// A counted buffer. Its version grows with every in-place write, so that the tape notices a saved value that is gone.
class Storage {
public:
    using Free = void (*)(Storage*) noexcept;
    Storage(void* memory, std::size_t size, Free free) : data(memory), bytes(size), free_(free) {}

    void* const data;
    const std::size_t bytes;
    std::atomic<std::uint32_t> version{0};
    std::atomic<const char*> last_write{""};  ///< the op of the last in-place write, for messages

    bool unique() const noexcept { return count_.unique(); }
    void retain() noexcept { count_.retain(); }
    void release() noexcept {
        if (count_.release()) free_(this);
    }

private:
    RefCount count_;
    Free free_;
};

/// A pooled buffer of a device.
template <Device D>
Ref<Storage> allocate_storage(D device, std::size_t bytes) {
    return Ref<Storage>::adopt(cpu::make_pooled<Storage>(allocate_elements(device, bytes), bytes, +[](Storage* storage) noexcept {
        deallocate_elements(D{}, storage->data, storage->bytes);
        cpu::destroy_pooled(storage);
    }));
}

/// A buffer that somebody else made; `deleter`, if any, is called when the last tensor is gone.
inline Ref<Storage> wrap_storage(void* data, std::size_t bytes, std::function<void()> deleter) {
    struct Foreign : Storage {
        using Storage::Storage;
        std::function<void()> deleter;
    };
    auto* storage = new Foreign(data, bytes, +[](Storage* base) noexcept {
        auto* self = static_cast<Foreign*>(base);
        if (self->deleter) self->deleter();
        delete self;
    });
    storage->deleter = std::move(deleter);
    return Ref<Storage>::adopt(storage);
}

/// The tape's side of a tensor; autograd::Node derives from it.
class GraphNode {
public:
    void retain() noexcept { count_.retain(); }
    void release() noexcept {
        if (count_.release()) dispose();
    }

protected:
    GraphNode() = default;
    ~GraphNode() = default;  // not virtual: dispose() ends in the class that made it
    virtual void dispose() noexcept = 0;

private:
    RefCount count_;
};

/// One view of a storage: where it starts, its shape and strides, and its place on the tape.
struct TensorImpl {
    Dtype dtype;
    DeviceKind device;
    bool contiguous = true;
    std::uint32_t history = 0;  ///< grows when a recorded in-place write gives a base a new node; a view compares it with its base's
    std::int64_t numel = 0;
    void* data = nullptr;
    Shape shape;
    Strides strides;
    Ref<Storage> storage;
    Ref<GraphNode> node;    ///< the op that made it, or for a leaf the place where its gradient gathers; null when none is wanted
    Ref<TensorImpl> base;   ///< of a differentiable view: the tensor whose elements it shows

    TensorImpl(Dtype type, DeviceKind kind) : dtype(type), device(kind) {}

    void retain() noexcept { count_.retain(); }
    void release() noexcept {
        if (count_.release()) cpu::destroy_pooled(this);
    }
    bool unique() const noexcept { return count_.unique(); }
    std::uint32_t version() const noexcept { return storage->version.load(std::memory_order_acquire); }
    void bump_version(const char* op) {
        storage->last_write.store(op, std::memory_order_relaxed);
        storage->version.fetch_add(1, std::memory_order_acq_rel);
        if (observed()) [[unlikely]]
            Observer::each([&](Observer& observer) { observer.tensor_written(*this, op); });
    }
    /// True when no other handle and no other view can see its elements: they may be overwritten freely.
    bool owns_storage() const noexcept { return contiguous && unique() && storage->unique(); }

    void set_geometry(const Shape& new_shape, const Strides& new_strides) {
        shape = new_shape;
        strides = new_strides;
        numel = shape.numel();
        contiguous = is_contiguous(shape, strides);
    }

private:
    RefCount count_;
};

/// A contiguous, uninitialised tensor.
template <Device D>
Ref<TensorImpl> make_impl(Dtype dtype, const Shape& shape) {
    const std::int64_t numel = shape.numel();
    auto impl = Ref<TensorImpl>::adopt(cpu::make_pooled<TensorImpl>(dtype, device_kind<D>));
    impl->shape = shape;
    impl->strides = shape.contiguous_strides();
    impl->numel = numel;
    impl->storage = allocate_storage(D{}, static_cast<std::size_t>(numel) * size_of(dtype));
    impl->data = impl->storage->data;
    if (observed()) [[unlikely]]
        Observer::each([&](Observer& observer) { observer.tensor_made(*impl); });
    return impl;
}

/// Another view of the same storage, `offset` elements further on; not on the tape.
inline Ref<TensorImpl> alias_impl(const TensorImpl& source, const Shape& shape, const Strides& strides, std::int64_t offset) {
    auto impl = Ref<TensorImpl>::adopt(cpu::make_pooled<TensorImpl>(source.dtype, source.device));
    impl->set_geometry(shape, strides);
    impl->storage = source.storage;
    if (impl->numel == 0) offset = 0;  // the source may have no memory either
    impl->data = static_cast<char*>(source.data) + offset * static_cast<std::int64_t>(size_of(source.dtype));
    return impl;
}

/// The same view, off the tape.
inline Ref<TensorImpl> alias_impl(const TensorImpl& source) {
    auto impl = Ref<TensorImpl>::adopt(cpu::make_pooled<TensorImpl>(source.dtype, source.device));
    impl->shape = source.shape;
    impl->strides = source.strides;
    impl->numel = source.numel;
    impl->contiguous = source.contiguous;
    impl->storage = source.storage;
    impl->data = source.data;
    return impl;
}

}  // namespace headtorch
