// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Running the kernels of pointwise ops, and the node that one leaves on the tape. All of it is compiled once for an element type, not
/// once for each formula: a formula is known by its kernels. What is generic is in ops/pointwise.hpp.

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#include "headtorch/autograd/record.hpp"
#include "headtorch/device/cpu/map.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::detail {

/// Runs a device's kernel on `operands`, of which the first is the output; the others broadcast to it.
template <class D>
HEADTORCH_NOINLINE void run_kernel(MapKernel kernel, const void* formula, std::span<const TensorImpl* const> operands) {
    const TensorImpl& out = *operands[0];
    MapCall call{kernel, formula, static_cast<int>(operands.size()), {}, {}};
    bool alike = out.contiguous;
    for (std::size_t k = 0; k < operands.size(); ++k) {
        const TensorImpl& x = *operands[k];
        call.data[k] = x.data;
        call.bytes[k] = static_cast<std::uint8_t>(size_of(x.dtype));
        alike = alike && x.contiguous && x.shape == out.shape;
    }
    if (alike) return map(D{}, call, out.numel);
    std::array<Strides, 8> strides;
    for (std::size_t k = 0; k < operands.size(); ++k) strides[k] = broadcast_strides(operands[k]->shape, operands[k]->strides, out.shape);
    map_strided(D{}, call, out.shape, std::span<const Strides>(strides.data(), operands.size()));
}

/// The same into a new tensor, for which operands[0] is the place.
template <class D>
HEADTORCH_NOINLINE Ref<TensorImpl> run_kernel_new(const char* op, Dtype dtype, MapKernel kernel, const void* formula,
                                                  std::span<const TensorImpl*> operands) {
    const OpScope scope(op, operands.subspan(1));
    Shape shape = operands[1]->shape;
    for (const TensorImpl* x : operands.subspan(2))
        if (!(x->shape == shape)) shape = broadcast_shapes(op, shape, x->shape);
    Ref<TensorImpl> out = make_impl<D>(dtype, shape);
    operands[0] = out.get();
    run_kernel<D>(kernel, formula, operands);
    return out;
}

/// How the gradient by one input of a formula is found.
template <class T, class D>
struct SlopeRule {
    bool is_one;       ///< the gradient passes unchanged
    MapKernel kernel;  ///< gradient * slope, from the gradient and what is kept
    /// The same as tensor ops, to be differentiated again.
    Tensor<T, D> (*recorded)(const void* formula, const Tensor<T, D>& gradient, const Ref<TensorImpl>* kept);
};

/// What the tape knows of a formula of N inputs.
template <class T, class D, std::size_t N>
struct PointwiseRule {
    const char* name;
    bool keeps_inputs, keeps_output;
    std::array<SlopeRule<T, D>, N> slopes;  ///< of a mask, never asked for
};

/// The node of a pointwise op.
template <class T, class D, std::size_t N>
class PointwiseNode final : public autograd::TypedNode<T, D> {
public:
    using Rule = PointwiseRule<T, D, N>;

    /// `operands`: the output, which nobody else holds yet, and the inputs.
    PointwiseNode(const Rule& rule, std::array<Ref<autograd::Node>, N> parents, std::span<const TensorImpl* const> operands)
        : autograd::TypedNode<T, D>(rule.name), rule_(rule), parents_(std::move(parents)) {
        this->set_parents(parents_.data(), N);
        for (std::size_t i = 0; i < N; ++i) shapes_[i] = operands[i + 1]->shape;
        if (rule.keeps_inputs)
            for (std::size_t i = 0; i < N; ++i) keep(Ref<TensorImpl>::share(const_cast<TensorImpl*>(operands[i + 1])));
        // without its node: output and node would hold each other for ever
        if (rule.keeps_output) keep(alias_impl(*operands[0]));
    }

    ~PointwiseNode() {
        if (delete_boxed_) delete_boxed_(boxed_);
    }

    /// Remembers the formula, if there is more to it than its type. A small one lives in the node.
    template <class Op>
    void keep_formula(const Op& op) {
        if constexpr (std::is_empty_v<Op>) {
        } else if constexpr (std::is_trivially_copyable_v<Op> && sizeof(Op) <= sizeof formula_ &&
                             alignof(Op) <= alignof(std::max_align_t)) {
            ::new (static_cast<void*>(formula_)) Op(op);
        } else {
            boxed_ = new Op(op);
            delete_boxed_ = [](void* box) { delete static_cast<Op*>(box); };
        }
    }

    void backward(Ref<TensorImpl> incoming, autograd::GradientSink& sink) override {
        if (freed_) autograd::throw_freed(this->name());
        const Tensor<T, D> gradient(std::move(incoming));
        for (std::size_t k = 0; k < kept_count_; ++k)
            if (kept_[k]->version() != versions_[k]) autograd::throw_overwritten(*kept_[k], versions_[k]);
        std::size_t last = N;
        for (std::size_t i = 0; i < N; ++i)
            if (sink.wants(i)) last = i;
        for (std::size_t i = 0; i < N; ++i)
            if (sink.wants(i)) sink.add(i, sum_to(gradient_by(i, gradient, i == last), shapes_[i]).impl());
    }
    void free_saved() noexcept override {
        for (Ref<TensorImpl>& value : kept_) value = nullptr;
        freed_ = true;
    }
    Shape shape() const override {
        Shape shape = shapes_[0];
        for (std::size_t i = 1; i < N; ++i) shape = broadcast_shapes(this->name(), shape, shapes_[i]);
        return shape;
    }
    void visit_saved(autograd::SavedVisitor& visitor) const override {
        for (const Ref<TensorImpl>& value : kept_)
            if (value) visitor.saved(*value);
    }

private:
    void destroy() noexcept override { cpu::destroy_pooled(this); }

    void keep(Ref<TensorImpl> value) {
        versions_[kept_count_] = value->version();
        kept_[kept_count_++] = std::move(value);
    }

    Tensor<T, D> gradient_by(std::size_t i, const Tensor<T, D>& gradient, bool is_last) {
        const SlopeRule<T, D>& slope = rule_.slopes[i];
        if (slope.is_one) return gradient;
        const void* const formula = delete_boxed_ ? boxed_ : formula_;
        if (GradMode::enabled()) return recorded_gradient_by(slope, formula, gradient);
        std::array<const TensorImpl*, N + 3> operands;
        operands[1] = gradient.get();
        for (std::size_t k = 0; k < kept_count_; ++k) operands[k + 2] = kept_[k].get();
        // nobody else sees a gradient that owns its storage: its memory serves for the result
        if (is_last && gradient.get()->owns_storage()) {
            operands[0] = gradient.get();
            run_kernel<D>(slope.kernel, formula, std::span(operands.data(), kept_count_ + 2));
            return gradient;
        }
        return Tensor<T, D>(
            run_kernel_new<D>(this->name(), dtype_of<T>, slope.kernel, formula, std::span(operands.data(), kept_count_ + 2)));
    }

    HEADTORCH_COLD Tensor<T, D> recorded_gradient_by(const SlopeRule<T, D>& slope, const void* formula, const Tensor<T, D>& gradient) {
        std::array<Ref<TensorImpl>, N + 1> kept = kept_;
        if (rule_.keeps_output) {  // with its node again
            Ref<TensorImpl>& output = kept[kept_count_ - 1];
            output = alias_impl(*output);
            output->node = Ref<GraphNode>::share(this);
        }
        return slope.recorded(formula, gradient, kept.data());
    }

    const Rule& rule_;
    std::array<Ref<autograd::Node>, N> parents_;
    std::array<Shape, N> shapes_;
    std::array<Ref<TensorImpl>, N + 1> kept_;
    std::array<std::uint32_t, N + 1> versions_;
    std::uint32_t kept_count_ = 0;
    bool freed_ = false;
    void (*delete_boxed_)(void*) = nullptr;
    union {
        void* boxed_;
        alignas(std::max_align_t) std::byte formula_[32];
    };
};

/// Puts a pointwise op on the tape; operands[0] is its output, which nobody else holds yet.
template <class T, class D, std::size_t N>
HEADTORCH_NOINLINE PointwiseNode<T, D, N>& record_pointwise(const PointwiseRule<T, D, N>& rule, std::array<Ref<autograd::Node>, N> parents,
                                                            TensorImpl& output, std::span<const TensorImpl* const> operands) {
    auto* node = cpu::make_pooled<PointwiseNode<T, D, N>>(rule, std::move(parents), operands);
    output.node = Ref<GraphNode>::adopt(node);
    autograd::tell_recorded(output);
    return *node;
}

}  // namespace headtorch::detail
