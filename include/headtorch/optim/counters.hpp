// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Learning rates and counts of steps on the device, for optimisers whose steps are recorded.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "headtorch/ops/inplace.hpp"
#include "headtorch/tensor/access.hpp"
#include "headtorch/tensor/create.hpp"

namespace headtorch::optim {

namespace detail {

template <class D>
bool is_recording() {
    if constexpr (requires { recording(D{}); })
        return recording(D{});
    else
        return false;
}
template <class D>
void check_not_recorded(const char* name) {
    if (is_recording<D>()) throw ValueError(message(name, ": make a step before one is recorded: its state is not there yet"));
}
template <class D>
void check_capturable(const char* name) {
    if (is_recording<D>())
        throw ValueError(message(name, ": a step that is recorded would not count, nor see another learning rate; give the optimiser ",
                                 "{.capturable = true}"));
}

/// Rates of the groups, and two numbers for each parameter.
template <class D>
class Counters {
public:
    bool defined() const { return counts_.defined(); }
    /// Of parameters.
    std::size_t size() const { return defined() ? static_cast<std::size_t>(counts_.size(0)) : 0; }
    double* count(std::size_t parameter) const { return counts_.data() + 2 * parameter; }
    const double* rate(std::size_t group) const { return rates_->on_device.data() + group; }

    std::vector<double> counts() const { return defined() ? counts_.tolist() : std::vector<double>(); }
    /// In the same memory, if that is large enough.
    void set_counts(const std::vector<double>& counts) {
        const auto rows = static_cast<std::int64_t>(counts.size() / 2);
        write(counts, {rows, 2}, counts_);
    }

    /// Keeps the device's rates the same as those of `optimizer`: now, or, when a step is being recorded, before each replay of it.
    template <class Optimizer>
    void set_rates(Optimizer* optimizer, const char* name) {
        if (!rates_) check_not_recorded<D>(name);
        const auto update = [](Rates& rates, Optimizer& from) {
            std::vector<double> present;
            for (std::size_t g = 0; g < from.group_count(); ++g) present.push_back(from.lr(g));
            if (present == rates.written) return;
            write(present, {static_cast<std::int64_t>(present.size())}, rates.on_device);
            rates.written = std::move(present);
        };
        if (!is_recording<D>()) {
            rates_.own(optimizer);
            return update(*rates_, *optimizer);
        }
        if constexpr (requires { recording(D{}); })
            before_replay(D{}, [rates = rates_.shared(), update, counts = counts_] {  // whose memory is kept, too
                if (rates->owner) update(*rates, *static_cast<Optimizer*>(rates->owner));
            });
    }

private:
    struct Rates {
        void* owner = nullptr;
        Tensor<double, D> on_device;
        std::vector<double> written{};
    };
    /// Shared with the graphs that read them; they learn when the optimiser is no more. A copy of the optimiser has rates of its own.
    class OwnRates {
    public:
        OwnRates() = default;
        OwnRates(const OwnRates&) {}
        OwnRates& operator=(const OwnRates&) { return *this; }
        ~OwnRates() {
            if (rates_) rates_->owner = nullptr;
        }
        void own(void* owner) {
            if (!rates_) rates_ = std::make_shared<Rates>();
            rates_->owner = owner;
        }
        explicit operator bool() const { return rates_ != nullptr; }
        Rates* operator->() const { return rates_.get(); }
        Rates& operator*() const { return *rates_; }
        std::shared_ptr<Rates> shared() const { return rates_; }

    private:
        std::shared_ptr<Rates> rates_;
    };

    static void write(const std::vector<double>& numbers, const Shape& shape, Tensor<double, D>& to) {
        const auto host = empty<double, Cpu>(shape);
        std::copy(numbers.begin(), numbers.end(), host.data());
        if (to.defined() && to.shape() == shape)
            to.copy_(host.template to<D>());
        else
            to = host.template to<D>().clone();
    }

    Tensor<double, D> counts_;
    OwnRates rates_;
};

}  // namespace detail
}  // namespace headtorch::optim
