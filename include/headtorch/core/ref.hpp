// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Intrusive, atomically counted references: one pointer wide, no control block.

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace headtorch {

/// A reference count that starts at one.
class RefCount {
public:
    void retain() noexcept { count_.fetch_add(1, std::memory_order_relaxed); }
    /// True when the last reference went. A sole owner skips the locked instruction: nobody else can be counting.
    bool release() noexcept {
        return count_.load(std::memory_order_acquire) == 1 || count_.fetch_sub(1, std::memory_order_acq_rel) == 1;
    }
    bool unique() const noexcept { return count_.load(std::memory_order_acquire) == 1; }

private:
    std::atomic<std::uint32_t> count_{1};
};

/// Owns one count of an object that has `retain()` and `release()`.
template <class T>
class Ref {
public:
    Ref() = default;
    Ref(std::nullptr_t) {}
    /// Takes over the count that `pointer` was made with.
    static Ref adopt(T* pointer) noexcept {
        Ref ref;
        ref.pointer_ = pointer;
        return ref;
    }
    static Ref share(T* pointer) noexcept {
        if (pointer) pointer->retain();
        return adopt(pointer);
    }
    Ref(const Ref& other) noexcept : pointer_(other.pointer_) {
        if (pointer_) pointer_->retain();
    }
    Ref(Ref&& other) noexcept : pointer_(std::exchange(other.pointer_, nullptr)) {}
    /// A reference to a derived class is one to its base.
    template <class U>
        requires(!std::same_as<T, U> && std::convertible_to<U*, T*>)
    Ref(const Ref<U>& other) noexcept : Ref(share(other.get())) {}
    Ref& operator=(const Ref& other) noexcept {
        Ref copy(other);
        std::swap(pointer_, copy.pointer_);
        return *this;
    }
    Ref& operator=(Ref&& other) noexcept {
        Ref moved(std::move(other));
        std::swap(pointer_, moved.pointer_);
        return *this;
    }
    ~Ref() {
        if (pointer_) pointer_->release();
    }

    T* get() const noexcept { return pointer_; }
    T* operator->() const noexcept { return pointer_; }
    T& operator*() const noexcept { return *pointer_; }
    explicit operator bool() const noexcept { return pointer_ != nullptr; }
    friend bool operator==(const Ref& a, const Ref& b) noexcept { return a.pointer_ == b.pointer_; }

private:
    T* pointer_ = nullptr;
};

}  // namespace headtorch
