// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Tensor<T, Device>: a handle to a strided, typed view of shared storage, as in PyTorch and NumPy.
/// Member functions are defined next to the free function of the same name, in tensor/, autograd/ and ops/.

#include <cstdint>
#include <functional>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "headtorch/core/dtype.hpp"
#include "headtorch/core/error.hpp"
#include "headtorch/core/random.hpp"
#include "headtorch/core/shape.hpp"
#include "headtorch/device/device.hpp"
#include "headtorch/tensor/storage.hpp"

namespace headtorch {

template <class T, class D>
class Tensor;

/// Options of backward() and grad(). The graph is kept when it is to be differentiated again, unless said otherwise.
struct BackwardOptions {
    bool create_graph = false;
    bool retain_graph = create_graph;
};

/// Options of to<Device>() and copy_(). With non_blocking a copy from or to pinned memory is only put on its way: the GPU's later work
/// comes after it, the host waits (cuda::synchronize(), say) before it reads what is to come, or writes what is to go.
struct TransferOptions {
    bool non_blocking = false;
};

/// The values of a reduction and where they stood.
template <class T, class D>
struct ValuesAndIndices {
    Tensor<T, D> values;
    Tensor<std::int64_t, D> indices;
};

template <class T = float, class D = DefaultDevice>
class Tensor {
    static_assert(Scalar<T>, "headtorch: Tensor<T>: T is one of float, double, float16, bfloat16, int64_t, int32_t, uint8_t, bool");
    static_assert(Device<D>, "headtorch: Tensor<T, D>: D is Cpu or Cuda");

public:
    using value_type = T;
    using device_type = D;

    /// No tensor yet; `defined()` is false.
    Tensor() = default;
    explicit Tensor(Ref<TensorImpl> impl) : impl_(std::move(impl)) {}
    Tensor(const Tensor&) = default;
    Tensor(Tensor&&) noexcept = default;
    ~Tensor() = default;
    /// `y = x`: both are handles of one tensor.
    Tensor& operator=(const Tensor&) & = default;
    Tensor& operator=(Tensor&&) & noexcept = default;
    /// `y(0, all) = x`, `y[0] = 5`: writes through the view on the left.
    const Tensor& operator=(const Tensor& source) && { return copy_(source); }
    const Tensor& operator=(T value) && { return fill_(value); }

    // --- what it is -----------------------------------------------------------------------------------------------
    bool defined() const { return static_cast<bool>(impl_); }
    const Shape& shape() const { return get()->shape; }
    const Strides& strides() const { return get()->strides; }
    int dim() const { return get()->shape.rank(); }
    int ndim() const { return dim(); }
    std::int64_t numel() const { return get()->numel; }
    std::int64_t size(std::int64_t d) const { return shape()[checked_dim("size", d)]; }
    std::int64_t stride(std::int64_t d) const { return strides()[checked_dim("stride", d)]; }
    bool is_contiguous() const { return get()->contiguous; }
    static constexpr Dtype dtype() { return dtype_of<T>; }
    static constexpr DeviceKind device() { return device_kind<D>; }
    /// The first element; element i, j, … is at data()[i * stride(0) + j * stride(1) + …].
    T* data() const { return static_cast<T*>(get()->data); }
    /// The untyped record behind the handle; throws ValueError when there is none.
    TensorImpl* get() const {
        if (!impl_) throw ValueError("tensor: this tensor is undefined (default-constructed, or a gradient that was never computed)");
        return impl_.get();
    }
    const Ref<TensorImpl>& impl() const& { return impl_; }
    Ref<TensorImpl>&& impl() && { return std::move(impl_); }
    bool is_same(const Tensor& other) const { return impl_ == other.impl_; }

    // --- values out (tensor/access.hpp), text (tensor/print.hpp) ---------------------------------------------------
    /// The only element of a one-element tensor.
    T item() const;
    /// All elements, row-major.
    std::vector<T> tolist() const;
    std::string to_string() const;

    // --- gradients (autograd/) --------------------------------------------------------------------------------------
    bool requires_grad() const {
        const TensorImpl* impl = get();
        return impl->node || (impl->base && impl->history != impl->base->history);
    }
    const Tensor& requires_grad_(bool value = true) const;
    bool is_leaf() const;
    /// The gathered gradient of a leaf (or after retain_grad()); undefined when there is none.
    Tensor grad() const;
    void set_grad(const Tensor& gradient) const;
    /// Forgets the gathered gradient.
    void zero_grad() const;
    void retain_grad() const;
    /// `hook(g)` sees the gradient of this tensor during backward and may return another in its place (or an undefined one to keep it).
    void register_hook(std::function<Tensor(const Tensor&)> hook) const;
    /// Name of the op that made it, or "".
    std::string grad_fn() const;
    /// Gradients of this one-element tensor with respect to all leaves, added to their grad().
    void backward(BackwardOptions options = {}, const Here& = Here::call("backward")) const;
    void backward(const Tensor& gradient, BackwardOptions options = {}, const Here& = Here::call("backward")) const;
    /// The same values, off the tape.
    Tensor detach() const { return Tensor(alias_impl(*get())); }

    // --- copies and conversions (ops/copy.hpp) -----------------------------------------------------------------------
    Tensor clone() const;
    Tensor contiguous() const;
    /// Element type U, differentiable between floating types. The tensor itself when nothing changes.
    template <Scalar U>
    Tensor<U, D> to() const;
    /// On another device.
    template <Device E>
    Tensor<T, E> to(TransferOptions options = {}) const;
    /// A copy in memory from and to which a GPU copies by itself; the tensor itself when it is there already. On the CPU.
    template <Device E = Cuda>
    Tensor pin_memory() const;
    template <Device E = Cuda>
    bool is_pinned() const;

    // --- views (ops/view.hpp): share storage, differentiable ----------------------------------------------------------
    Tensor view(const Shape& shape) const;
    Tensor reshape(const Shape& shape) const;
    template <std::integral... I>
    Tensor view(I... sizes) const { return view(Shape{static_cast<std::int64_t>(sizes)...}); }
    template <std::integral... I>
    Tensor reshape(I... sizes) const { return reshape(Shape{static_cast<std::int64_t>(sizes)...}); }
    Tensor flatten(std::int64_t start_dim = 0, std::int64_t end_dim = -1) const;
    Tensor unflatten(std::int64_t dim, const Shape& sizes) const;
    Tensor squeeze() const;
    Tensor squeeze(std::int64_t dim) const;
    Tensor unsqueeze(std::int64_t dim) const;
    Tensor transpose(std::int64_t a, std::int64_t b) const;
    Tensor t() const;
    Tensor permute(const Dims& dims) const;
    template <std::integral... I>
        requires(sizeof...(I) > 1)
    Tensor permute(I... dims) const { return permute(Dims{static_cast<std::int64_t>(dims)...}); }
    Tensor expand(const Shape& shape) const;
    template <std::integral... I>
    Tensor expand(I... sizes) const { return expand(Shape{static_cast<std::int64_t>(sizes)...}); }
    Tensor expand_as(const Tensor& other) const { return expand(other.shape()); }
    Tensor narrow(std::int64_t dim, std::int64_t start, std::int64_t length) const;
    Tensor select(std::int64_t dim, std::int64_t index) const;
    Tensor unfold(std::int64_t dim, std::int64_t size, std::int64_t step) const;
    Tensor diagonal(std::int64_t offset = 0, std::int64_t dim1 = 0, std::int64_t dim2 = 1) const;

    // --- indexing (ops/index.hpp): numbers, slice(), all, newaxis, ellipsis; tensors of int64 or bool ------------------
    template <class... Indices>
    auto operator()(const Indices&... indices) const;
    Tensor operator[](std::int64_t index) const { return select(0, index); }

    // --- in place (ops/inplace.hpp) -------------------------------------------------------------------------------------
    const Tensor& copy_(const Tensor& source) const;
    /// From another device.
    template <Device E>
        requires(!std::same_as<D, E>)
    const Tensor& copy_(const Tensor<T, E>& source, TransferOptions options = {}) const;
    const Tensor& fill_(T value) const;
    const Tensor& zero_() const { return fill_(T(0)); }
    const Tensor& masked_fill_(const Tensor<bool, D>& mask, T value) const;

    // --- random numbers in place (tensor/random.hpp) ----------------------------------------------------------------------
    const Tensor& uniform_(double from = 0, double to = 1, Generator& generator = default_generator()) const;
    const Tensor& normal_(double mean = 0, double std = 1, Generator& generator = default_generator()) const;
    /// exp of a normal number of this mean and standard deviation.
    const Tensor& log_normal_(double mean = 1, double std = 2, Generator& generator = default_generator()) const;
    const Tensor& exponential_(double lambd = 1, Generator& generator = default_generator()) const;
    const Tensor& cauchy_(double median = 0, double sigma = 1, Generator& generator = default_generator()) const;
    /// How many trials until one succeeds.
    const Tensor& geometric_(double p, Generator& generator = default_generator()) const;
    const Tensor& bernoulli_(double p = 0.5, Generator& generator = default_generator()) const;
    /// Integers in [from, to).
    const Tensor& random_(std::int64_t from, std::int64_t to, Generator& generator = default_generator()) const;

    // --- the ops that read best as members; every one is a free function too ---------------------------------------------
    Tensor abs(const Here& = Here::call("abs")) const;
    Tensor neg(const Here& = Here::call("neg")) const;
    Tensor exp(const Here& = Here::call("exp")) const;
    Tensor log(const Here& = Here::call("log")) const;
    Tensor sqrt(const Here& = Here::call("sqrt")) const;
    Tensor square(const Here& = Here::call("square")) const;
    Tensor sin(const Here& = Here::call("sin")) const;
    Tensor cos(const Here& = Here::call("cos")) const;
    Tensor tanh(const Here& = Here::call("tanh")) const;
    Tensor sigmoid(const Here& = Here::call("sigmoid")) const;
    Tensor relu(const Here& = Here::call("relu")) const;
    Tensor pow(double exponent, const Here& = Here::call("pow")) const;
    Tensor clamp(double low, double high, const Here& = Here::call("clamp")) const;
    Tensor<SumType<T>, D> sum(const Here& = Here::call("sum")) const;
    Tensor<SumType<T>, D> sum(const Dims& dims, bool keepdim = false, const Here& = Here::call("sum")) const;
    Tensor mean(const Here& = Here::call("mean")) const;
    Tensor mean(const Dims& dims, bool keepdim = false, const Here& = Here::call("mean")) const;
    Tensor var(const Dims& dims = {}, bool unbiased = true, bool keepdim = false, const Here& = Here::call("var")) const;
    Tensor std(const Dims& dims = {}, bool unbiased = true, bool keepdim = false, const Here& = Here::call("std")) const;
    Tensor norm(const Here& = Here::call("norm")) const;
    Tensor max() const;
    Tensor min() const;
    ValuesAndIndices<T, D> max(std::int64_t dim, bool keepdim = false) const;
    ValuesAndIndices<T, D> min(std::int64_t dim, bool keepdim = false) const;
    Tensor<std::int64_t, D> argmax() const;
    Tensor<std::int64_t, D> argmax(std::int64_t dim, bool keepdim = false) const;
    Tensor<std::int64_t, D> argmin() const;
    Tensor<std::int64_t, D> argmin(std::int64_t dim, bool keepdim = false) const;
    Tensor<bool, D> all() const;
    Tensor<bool, D> any() const;
    Tensor matmul(const Tensor& other, const Here& = Here::call("matmul")) const;
    Tensor mm(const Tensor& other, const Here& = Here::call("mm")) const;
    Tensor dot(const Tensor& other, const Here& = Here::call("dot")) const;
    Tensor softmax(std::int64_t dim, const Here& = Here::call("softmax")) const;
    Tensor log_softmax(std::int64_t dim, const Here& = Here::call("log_softmax")) const;

    // --- iteration over dimension 0 -------------------------------------------------------------------------------------
    class Iterator {
    public:
        using value_type = Tensor;
        using difference_type = std::int64_t;
        using iterator_category = std::input_iterator_tag;
        Iterator(const Tensor* tensor, std::int64_t index) : tensor_(tensor), index_(index) {}
        Tensor operator*() const { return (*tensor_)[index_]; }
        Iterator& operator++() {
            ++index_;
            return *this;
        }
        bool operator==(const Iterator& other) const { return index_ == other.index_; }

    private:
        const Tensor* tensor_;
        std::int64_t index_;
    };
    Iterator begin() const { return {this, 0}; }
    Iterator end() const {
        if (dim() == 0) throw ShapeError("iteration over a 0-dim tensor");
        return {this, size(0)};
    }

private:
    int checked_dim(std::string_view op, std::int64_t d) const {
        if (dim() == 0) throw IndexError(message(op, ": a 0-dim tensor has no dimension ", d));
        return normalize_dim(op, d, dim());
    }

    Ref<TensorImpl> impl_;
};

namespace detail {
template <class X>
inline constexpr bool is_tensor = false;
template <class T, class D>
inline constexpr bool is_tensor<Tensor<T, D>> = true;
}  // namespace detail

template <class X>
concept AnyTensor = detail::is_tensor<std::remove_cvref_t<X>>;

/// A fresh, contiguous, uninitialised tensor.
template <Scalar T = float, Device D = DefaultDevice>
Tensor<T, D> empty(const Shape& shape) {
    require_device<D>();
    return Tensor<T, D>(make_impl<D>(dtype_of<T>, shape));
}

}  // namespace headtorch
