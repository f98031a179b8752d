// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What a metric is: it sees one batch after the other, and says what it found in all of them. Everything is counted in double.
///
/// Arguments stand as in a loss, and as in torchmetrics: first what the network says, then what is true. (scikit-learn has them the other
/// way round.)

#include <concepts>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "headtorch/nn/state_dict.hpp"
#include "headtorch/tensor/tensor.hpp"
#include "headtorch/train/numbers.hpp"

namespace headtorch::train {

class Metric {
public:
    virtual ~Metric() = default;
    /// Forgets what it has seen.
    virtual void reset() = 0;
    /// One batch: outputs and targets, of whatever types the metric takes. Throws, and counts nothing, when they do not fit.
    virtual void update(const nn::AnyTensorHandle& output, const nn::AnyTensorHandle& target) = 0;
    /// Adds its numbers, with `prefix` in front of their names.
    virtual void report(Numbers& numbers, const std::string& prefix) const = 0;
    /// False when report() takes long: a progress bar does without it.
    virtual bool is_cheap() const { return true; }
    /// False when update() would rather have tensors on the GPU that they are on than copies of them on the host.
    virtual bool reads_on_host() const { return true; }
};

/// Base of the metrics that are one number: compute(), NaN when there was nothing to see.
class NumberMetric : public Metric {
public:
    virtual double compute() const = 0;
    const std::string& name() const { return name_; }
    void report(Numbers& numbers, const std::string& prefix) const override { numbers.set(prefix + name_, compute()); }

protected:
    explicit NumberMetric(std::string name) : name_(std::move(name)) {}

private:
    std::string name_;
};

/// A metric as fit() takes it. One with a name stays the caller's, who can ask it afterwards, and must outlive what refers to it; a
/// temporary is kept.
class MetricRef {
public:
    template <std::derived_from<Metric> M>
    MetricRef(M& metric) : metric_(std::shared_ptr<void>(), &metric) {}
    template <class M>
        requires(std::derived_from<M, Metric> && !std::is_lvalue_reference_v<M>)
    MetricRef(M&& metric) : metric_(std::make_shared<M>(std::move(metric))) {}

    Metric* operator->() const { return metric_.get(); }

private:
    std::shared_ptr<Metric> metric_;
};

namespace detail {

template <class F>
struct BatchFunction : BatchFunction<decltype(&F::operator())> {};
template <class R, class O, class T>
struct BatchFunction<R (*)(O, T)> {
    using Output = std::remove_cvref_t<O>;
    using Target = std::remove_cvref_t<T>;
};
template <class R, class F, class O, class T>
struct BatchFunction<R (F::*)(O, T) const> : BatchFunction<R (*)(O, T)> {};

/// Items in a batch: size(0), or 1 for a single number.
inline std::int64_t items_of(const Shape& shape) { return shape.rank() > 0 ? shape[0] : 1; }

template <class T>
void append_numbers(std::vector<double>& numbers, const TensorImpl& x) {
    const T* data = static_cast<const T*>(x.data);
    if (x.contiguous) {
        for (std::int64_t i = 0; i < x.numel; ++i) numbers.push_back(static_cast<double>(data[i]));
        return;
    }
    for (std::int64_t i = 0; i < x.numel; ++i) {
        std::int64_t offset = 0, rest = i;
        for (int d = x.shape.rank() - 1; d >= 0; rest /= x.shape[d--]) offset += rest % x.shape[d] * x.strides[d];
        numbers.push_back(static_cast<double>(data[offset]));
    }
}

/// All elements, row-major, of a tensor of any type on any device.
inline std::vector<double> numbers_of(const nn::AnyTensorHandle& tensor) {
    const Ref<TensorImpl> host = tensor.device() == DeviceKind::cpu ? tensor.impl() : tensor.type()->to_host(tensor.impl());
    const TensorImpl& x = *host;
    std::vector<double> numbers;
    numbers.reserve(static_cast<std::size_t>(x.numel));
    switch (x.dtype) {
        case Dtype::float32: append_numbers<float>(numbers, x); break;
        case Dtype::float64: append_numbers<double>(numbers, x); break;
        case Dtype::int64: append_numbers<std::int64_t>(numbers, x); break;
        case Dtype::int32: append_numbers<std::int32_t>(numbers, x); break;
        case Dtype::uint8: append_numbers<std::uint8_t>(numbers, x); break;
        case Dtype::boolean: append_numbers<bool>(numbers, x); break;
        case Dtype::float16: append_numbers<float16>(numbers, x); break;
        case Dtype::bfloat16: append_numbers<bfloat16>(numbers, x); break;
    }
    return numbers;
}

/// The handle's tensor on the device of X. Throws ValueError when its elements are of another type.
template <class X>
X tensor_of(const nn::AnyTensorHandle& handle) {
    using T = typename X::value_type;
    using D = typename X::device_type;
    if (!handle.template is<T, D>() && handle.defined() && handle.dtype() == dtype_of<T>) {
        if (handle.device() == DeviceKind::cpu) return handle.template get<T, Cpu>().template to<D>();
        if constexpr (std::same_as<D, Cpu>) return X(handle.type()->to_host(handle.impl()));
    }
    return handle.template get<T, D>();
}

inline bool is_floating(const nn::AnyTensorHandle& tensor) { return headtorch::is_floating(tensor.dtype()); }

/// The shape without trailing ones: [n, 1] counts as [n].
inline Shape without_trailing_ones(const Shape& shape) {
    Shape result;
    int rank = shape.rank();
    while (rank > 0 && shape[rank - 1] == 1) --rank;
    for (int d = 0; d < rank; ++d) result.push_back(shape[d]);
    return result;
}
inline bool same_items(const nn::AnyTensorHandle& a, const nn::AnyTensorHandle& b) {
    return without_trailing_ones(a.shape()) == without_trailing_ones(b.shape());
}

}  // namespace detail

/// The mean of a function over all items: `MeanMetric("within_1", [](const Tensor<>& y, const Tensor<>& t) { return …; })`. The function
/// returns the mean of its batch, as a number or a tensor of one element; batches count by their size(0). It is given tensors on the device
/// of its arguments, wherever they were.
template <class F>
class MeanMetric final : public NumberMetric {
    using Output = typename detail::BatchFunction<F>::Output;
    using Target = typename detail::BatchFunction<F>::Target;

public:
    MeanMetric(std::string name, F function) : NumberMetric(std::move(name)), function_(std::move(function)) {}

    void reset() override { sum_ = items_ = 0; }
    void update(const nn::AnyTensorHandle& output, const nn::AnyTensorHandle& target) override {
        const auto value = function_(detail::tensor_of<Output>(output), detail::tensor_of<Target>(target));
        const auto items = static_cast<double>(detail::items_of(output.shape()));
        if constexpr (AnyTensor<decltype(value)>)
            sum_ += static_cast<double>(value.item()) * items;
        else
            sum_ += static_cast<double>(value) * items;
        items_ += items;
    }
    double compute() const override { return items_ > 0 ? sum_ / items_ : std::numeric_limits<double>::quiet_NaN(); }
    bool reads_on_host() const override { return std::same_as<typename Output::device_type, Cpu>; }

private:
    F function_;
    double sum_ = 0, items_ = 0;
};

}  // namespace headtorch::train
