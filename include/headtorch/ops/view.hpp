// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Views: another shape and other strides on the same storage. The gradient of a view is the view back where there is one
/// (permute, reshape), a sum (expand), or zeros with the gradient put in its place (narrow, select, …).
/// What its gradients need is in ops/reduce.hpp, which includes it: include that, or headtorch/headtorch.hpp.

#include <utility>

#include "headtorch/autograd/record.hpp"
#include "headtorch/device/cpu/gather.hpp"
#include "headtorch/ops/copy.hpp"
#include "headtorch/tensor/create.hpp"
#include "headtorch/tensor/view.hpp"

namespace headtorch {
namespace detail {

/// A view that remembers its base, so that in-place writes through it are seen by the tape. Not recorded yet.
template <class T, class D>
Tensor<T, D> make_view(const Tensor<T, D>& x, const Geometry& g) {
    Tensor<T, D> y(alias_impl(*x.get(), g.shape, g.strides, g.offset));
    if (GradMode::enabled()) {
        y.get()->base = x.get()->base ? x.get()->base : x.impl();
        y.get()->history = y.get()->base->history;
    }
    return y;
}

template <class T, class D>
Tensor<T, D> embed(const Tensor<T, D>& g, const Shape& base, const Geometry& view);

/// The elements of contiguous `x` that `view` shows: the gradient of embed().
template <class T, class D>
Tensor<T, D> view_of_contiguous(const Tensor<T, D>& x, const Geometry& view) {
    const Tensor<T, D> source = x.contiguous();
    const Tensor<T, D> y = make_view(source, view);
    if (!autograd::needs_grad(source)) return y;
    return autograd::record("view", y, autograd::input(source, [base = x.shape(), view](const auto& g) { return embed(g, base, view); }));
}

/// Zeros of shape `base` with `g` added where `view` shows: the gradient of a view.
template <class T, class D>
Tensor<T, D> embed(const Tensor<T, D>& g, const Shape& base, const Geometry& view) {
    const OpScope scope("embed", {g.impl().get()});
    const Tensor<T, D> y = zeros<T, D>(base);
    if (g.numel() > 0)
        add_strided(D{}, static_cast<const T*>(detached_contiguous(g).data()), view.shape, view.strides, y.data() + view.offset);
    if (!autograd::needs_grad(g)) return y;
    return autograd::record("embed", y, autograd::input(g, [view](const auto& gg) { return view_of_contiguous(gg, view); }));
}

template <class T, class D>
Geometry geometry_of(const Tensor<T, D>& x) { return {x.shape(), x.strides(), 0}; }

/// A view given by what it does to a geometry; its gradient goes where the same step leads in a contiguous tensor.
template <class T, class D, class Step>
Tensor<T, D> embedded_view(const char* name, const Tensor<T, D>& x, Step step) {
    const Tensor<T, D> y = make_view(x, step(geometry_of(x)));
    if (!autograd::needs_grad(x)) return y;
    const Geometry view = step(Geometry{x.shape(), x.shape().contiguous_strides(), 0});
    return autograd::record(name, y, autograd::input(x, [base = x.shape(), view](const auto& g) { return embed(g, base, view); }));
}

template <class T, class D>
Tensor<T, D> reshaped_view(const char* name, const Tensor<T, D>& x, const Geometry& g) {
    const Tensor<T, D> y = make_view(x, g);
    if (!autograd::needs_grad(x)) return y;
    return autograd::record(name, y, autograd::input(x, [shape = x.shape()](const auto& gradient) { return gradient.reshape(shape); }));
}

}  // namespace detail

/// Gives a view a node again after its base was written in place: the same elements of what the base is now.
template <class T, class D>
void refresh_view(const Tensor<T, D>& view) {
    TensorImpl* impl = view.get();
    const Tensor<T, D> base(impl->base);
    const Ref<autograd::Node> parent = autograd::node_of(base);
    impl->history = impl->base->history;
    impl->node = nullptr;
    if (!parent) return;
    if (!base.is_contiguous())
        throw AutogradError(message("view: a gradient through an in-place write to a tensor of shape ", base.shape(),
                                    " with strides ", base.strides(), " needs a contiguous one; call contiguous() before taking views"));
    const Geometry geometry{view.shape(), view.strides(), view.data() - base.data()};
    auto gradient = [shape = base.shape(), geometry](const auto& g) { return detail::embed(g, shape, geometry); };
    autograd::record("view", view, autograd::Input<decltype(gradient)>{parent, gradient});
}

template <class T, class D>
Tensor<T, D> Tensor<T, D>::view(const Shape& shape) const {
    const Shape target = geometry::resolve_shape("view", this->shape(), shape);
    const auto strides = geometry::reshape_strides(this->shape(), this->strides(), target);
    if (!strides)
        throw ShapeError(message("view: ", this->shape(), " with strides ", this->strides(), " cannot be viewed as ", target,
                                 " without a copy; use reshape()"));
    return detail::reshaped_view("view", *this, {target, *strides, 0});
}

template <class T, class D>
Tensor<T, D> Tensor<T, D>::reshape(const Shape& shape) const {
    const Shape target = geometry::resolve_shape("reshape", this->shape(), shape);
    const auto strides = geometry::reshape_strides(this->shape(), this->strides(), target);
    if (strides) return detail::reshaped_view("reshape", *this, {target, *strides, 0});
    return contiguous().view(target);
}

template <class T, class D>
Tensor<T, D> Tensor<T, D>::flatten(std::int64_t start_dim, std::int64_t end_dim) const {
    if (dim() == 0) return reshape(Shape{1});
    const int first = normalize_dim("flatten", start_dim, dim()), last = normalize_dim("flatten", end_dim, dim());
    if (first > last) throw ShapeError(message("flatten: start_dim ", start_dim, " lies behind end_dim ", end_dim, " for ", shape()));
    Shape target;
    for (int d = 0; d < dim(); ++d) {
        if (d > first && d <= last)
            target[first] *= size(d);
        else
            target.push_back(size(d));
    }
    return reshape(target);
}

template <class T, class D>
Tensor<T, D> Tensor<T, D>::unflatten(std::int64_t d, const Shape& sizes) const {
    const int at = normalize_dim("unflatten", d, dim());
    const Shape inner = geometry::resolve_shape("unflatten", Shape{size(at)}, sizes);
    Shape target;
    for (int i = 0; i < dim(); ++i) {
        if (i != at) target.push_back(size(i));
        else for (std::int64_t s : inner) target.push_back(s);
    }
    return reshape(target);
}

template <class T, class D>
Tensor<T, D> Tensor<T, D>::squeeze() const {
    return detail::reshaped_view("squeeze", *this, geometry::squeeze(detail::geometry_of(*this)));
}
template <class T, class D>
Tensor<T, D> Tensor<T, D>::squeeze(std::int64_t d) const {
    return detail::reshaped_view("squeeze", *this, geometry::squeeze(detail::geometry_of(*this), d));
}
template <class T, class D>
Tensor<T, D> Tensor<T, D>::unsqueeze(std::int64_t d) const {
    return detail::reshaped_view("unsqueeze", *this, geometry::unsqueeze(detail::geometry_of(*this), d));
}

template <class T, class D>
Tensor<T, D> Tensor<T, D>::transpose(std::int64_t a, std::int64_t b) const {
    const Tensor y = detail::make_view(*this, geometry::transpose(detail::geometry_of(*this), a, b));
    if (!autograd::needs_grad(*this)) return y;
    return autograd::record("transpose", y, autograd::input(*this, [a, b](const auto& g) { return g.transpose(a, b); }));
}

template <class T, class D>
Tensor<T, D> Tensor<T, D>::t() const {
    if (dim() > 2) throw ShapeError(message("t: needs at most two dimensions, got ", shape(), "; use transpose(a, b)"));
    return dim() < 2 ? *this : transpose(0, 1);
}

template <class T, class D>
Tensor<T, D> Tensor<T, D>::permute(const Dims& dims) const {
    const Tensor y = detail::make_view(*this, geometry::permute(detail::geometry_of(*this), dims));
    if (!autograd::needs_grad(*this)) return y;
    Dims inverse = dims;
    for (int i = 0; i < dims.rank(); ++i) inverse[normalize_dim("permute", dims[i], dims.rank())] = i;
    return autograd::record("permute", y, autograd::input(*this, [inverse](const auto& g) { return g.permute(inverse); }));
}

template <class T, class D>
Tensor<T, D> Tensor<T, D>::expand(const Shape& shape) const {
    const Tensor y = detail::make_view(*this, geometry::expand(detail::geometry_of(*this), shape));
    if (!autograd::needs_grad(*this)) return y;
    return autograd::record("expand", y, autograd::input(*this, [shape = this->shape()](const auto& g) { return sum_to(g, shape); }));
}

template <class T, class D>
Tensor<T, D> Tensor<T, D>::narrow(std::int64_t d, std::int64_t start, std::int64_t length) const {
    return detail::embedded_view("narrow", *this, [=](const Geometry& g) { return geometry::narrow(g, d, start, length); });
}
template <class T, class D>
Tensor<T, D> Tensor<T, D>::select(std::int64_t d, std::int64_t index) const {
    return detail::embedded_view("select", *this, [=](const Geometry& g) { return geometry::select(g, d, index); });
}
template <class T, class D>
Tensor<T, D> Tensor<T, D>::unfold(std::int64_t d, std::int64_t size, std::int64_t step) const {
    return detail::embedded_view("unfold", *this, [=](const Geometry& g) { return geometry::unfold(g, d, size, step); });
}
template <class T, class D>
Tensor<T, D> Tensor<T, D>::diagonal(std::int64_t offset, std::int64_t dim1, std::int64_t dim2) const {
    return detail::embedded_view("diagonal", *this, [=](const Geometry& g) { return geometry::diagonal(g, offset, dim1, dim2); });
}

}  // namespace headtorch
