// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The updates of one step of an optimiser wait here, so that those with the same rule go to the device together.

#include <cstddef>
#include <new>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "headtorch/device/cpu/update.hpp"
#include "headtorch/device/update.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::optim::detail {

/// A rule that the host makes.
template <class Settings>
struct HostRule {
    Settings settings;
    double lr, count[2];
    friend bool operator==(const HostRule&, const HostRule&) = default;
    template <class T, class D>
    void run(D device, std::span<const UpdateItem<T>> items) const {
        update_all(device, settings.at(lr, count), items);
    }
};
/// A rule that the device makes, of *lr and each item's count.
template <class Settings>
struct DeviceRule {
    Settings settings;
    const double* lr;
    friend bool operator==(const DeviceRule&, const DeviceRule&) = default;
    template <class T, class D>
    void run(D device, std::span<const UpdateItem<T>> items) const {
        update_all_counted(device, settings, lr, items);
    }
};

template <class T, class D>
class PendingUpdates {
public:
    /// Keeps a gradient until clear(), and returns it.
    const Tensor<T, D>& keep(Tensor<T, D> gradient) {
        gradients_.push_back(std::move(gradient));
        return gradients_.back();
    }
    template <class Job>
    void add(const Job& job, const UpdateItem<T>& item) {
        static_assert(std::is_trivially_copyable_v<Job> && sizeof(Job) <= sizeof(job_));
        if (run_ != &run_job<Job> || !(*std::launder(reinterpret_cast<const Job*>(job_)) == job)) {
            flush();
            new (job_) Job(job);
            run_ = &run_job<Job>;
        }
        items_.push_back(item);
    }
    void flush() {
        if (!items_.empty()) run_(job_, items_);
        items_.clear();
        run_ = nullptr;
    }
    void clear() {
        items_.clear();
        gradients_.clear();
        run_ = nullptr;
    }

private:
    template <class Job>
    static void run_job(const std::byte* job, std::span<const UpdateItem<T>> items) {
        std::launder(reinterpret_cast<const Job*>(job))->run(D{}, items);
    }
    alignas(16) std::byte job_[160];
    void (*run_)(const std::byte*, std::span<const UpdateItem<T>>) = nullptr;
    std::vector<UpdateItem<T>> items_;
    std::vector<Tensor<T, D>> gradients_;
};

}  // namespace headtorch::optim::detail
