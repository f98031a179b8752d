// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Printing as PyTorch does: four digits, scientific where sizes differ much, large tensors summarised with "...".
/// A program includes headtorch/headtorch.hpp: tensors' other members are defined in ops/.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "headtorch/core/shape.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch {

/// How tensors are printed; the same fields as torch.set_printoptions.
struct PrintOptions {
    enum class Scientific { automatic, never, always };
    int precision = 4;
    std::int64_t threshold = 1000;  ///< more elements than this are summarised
    std::int64_t edgeitems = 3;     ///< shown at both ends of each dimension then
    int linewidth = 80;
    Scientific sci_mode = Scientific::automatic;
};

/// The options in force; set them before several threads print.
inline PrintOptions& print_options() {
    static PrintOptions options;
    return options;
}

namespace detail {

/// The elements of a tensor as text, all equally wide.
class Printer {
public:
    Printer(const TensorImpl& tensor, const PrintOptions& options)
        : x_(tensor), o_(options), summarised_(tensor.numel > options.threshold) {
        floating_ = is_floating(x_.dtype);
        std::vector<std::int64_t> shown;
        collect(0, 0, shown);
        if (floating_)
            choose_format(shown);
        else
            for (std::int64_t offset : shown) width_ = std::max(width_, static_cast<int>(element(offset).size()));
    }

    std::string body(int indent) const { return x_.shape.rank() == 0 ? padded(0) : block(0, 0, indent); }

private:
    template <class T>
    T at(std::int64_t offset) const { return static_cast<const T*>(x_.data)[offset]; }
    double number(std::int64_t offset) const {
        switch (x_.dtype) {
            case Dtype::float32: return static_cast<double>(at<float>(offset));
            case Dtype::float16: return static_cast<double>(at<float16>(offset));
            case Dtype::bfloat16: return static_cast<double>(at<bfloat16>(offset));
            default: return at<double>(offset);
        }
    }

    bool is_cut(int d) const { return summarised_ && x_.shape[d] > 2 * o_.edgeitems; }
    /// Positions along dimension d that are shown; -1 stands for the dots.
    std::vector<std::int64_t> positions(int d) const {
        std::vector<std::int64_t> list;
        const std::int64_t size = x_.shape[d];
        for (std::int64_t i = 0; i < size; ++i) {
            if (is_cut(d) && i == o_.edgeitems) {
                list.push_back(-1);
                i = size - o_.edgeitems;
            }
            list.push_back(i);
        }
        return list;
    }
    void collect(int d, std::int64_t offset, std::vector<std::int64_t>& shown) const {
        if (d == x_.shape.rank()) return shown.push_back(offset);
        for (std::int64_t i : positions(d))
            if (i >= 0) collect(d + 1, offset + i * x_.strides[d], shown);
    }

    void choose_format(const std::vector<std::int64_t>& shown) {
        double smallest = 0, largest = 0;
        bool any = false;
        for (std::int64_t offset : shown) {
            const double value = std::abs(number(offset));
            if (!std::isfinite(value) || value == 0) continue;
            smallest = any ? std::min(smallest, value) : value;
            largest = any ? std::max(largest, value) : value;
            any = true;
            if (value != std::ceil(value)) whole_ = false;
        }
        if (!any) {
            width_ = 1;
            return;
        }
        scientific_ = largest / smallest > 1000 || largest > 1e8 || (!whole_ && smallest < 1e-4);
        if (o_.sci_mode != PrintOptions::Scientific::automatic) scientific_ = o_.sci_mode == PrintOptions::Scientific::always;
        for (std::int64_t offset : shown) {
            const double value = number(offset);
            if (std::isfinite(value) && value != 0) width_ = std::max(width_, static_cast<int>(element(offset).size()));
        }
    }

    std::string element(std::int64_t offset) const {
        if (x_.dtype == Dtype::boolean) return at<bool>(offset) ? "True" : "False";
        if (x_.dtype == Dtype::int64) return std::to_string(at<std::int64_t>(offset));
        if (x_.dtype == Dtype::int32) return std::to_string(at<std::int32_t>(offset));
        if (x_.dtype == Dtype::uint8) return std::to_string(at<std::uint8_t>(offset));
        const double value = number(offset);
        if (std::isnan(value)) return "nan";
        if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
        char text[400];
        std::snprintf(text, sizeof text, scientific_ ? "%.*e" : "%.*f", whole_ && !scientific_ ? 0 : o_.precision, value);
        return whole_ && !scientific_ ? std::string(text) + "." : text;
    }
    std::string padded(std::int64_t offset) const {
        const std::string text = element(offset);
        const auto missing = width_ - static_cast<int>(text.size());
        return missing > 0 ? std::string(static_cast<std::size_t>(missing), ' ') + text : text;
    }

    std::string block(int d, std::int64_t offset, int indent) const {
        const std::string margin(static_cast<std::size_t>(indent + 1), ' ');
        const bool last = d == x_.shape.rank() - 1;
        const int per_line = last ? std::max(1, (o_.linewidth - indent) / (width_ + 2)) : 1;
        std::string line_end = ",";
        line_end.append(static_cast<std::size_t>(std::max(1, x_.shape.rank() - 1 - d)), '\n').append(margin);
        std::string text = "[";
        int count = 0;
        for (std::int64_t i : positions(d)) {
            if (count > 0) text += count % per_line == 0 ? line_end : ", ";
            ++count;
            if (i < 0)
                text += last ? " ..." : "...";
            else
                text += last ? padded(offset + i * x_.strides[d]) : block(d + 1, offset + i * x_.strides[d], indent + 1);
        }
        return text + "]";
    }

    const TensorImpl& x_;
    const PrintOptions& o_;
    bool summarised_, floating_ = false, whole_ = true, scientific_ = false;
    int width_ = 0;
};

/// "mul" as "MulBackward0", "log_softmax" as "LogSoftmaxBackward0".
inline std::string grad_fn_name(const std::string& op) {
    std::string text;
    bool upper = true;
    for (char c : op) {
        if (c == '_') {
            upper = true;
            continue;
        }
        text += upper && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        upper = false;
    }
    return text + "Backward0";
}

/// Joins the numbers and what follows them, breaking the line where it would be too long.
inline std::string tensor_text(const TensorImpl& x, const std::vector<std::string>& extra, const PrintOptions& options) {
    constexpr int indent = 7;  // of "tensor("
    std::vector<std::string> suffixes;
    std::string text = "tensor(";
    if (x.numel == 0) {
        text += "[]";
        if (x.shape.rank() != 1) {
            std::string size = x.shape.to_string();
            size.front() = '(';
            size.back() = ')';
            suffixes.push_back("size=" + size);
        }
        if (x.dtype != Dtype::float32) suffixes.push_back(message("dtype=torch.", name(x.dtype)));
    } else {
        text += Printer(x, options).body(indent);
        if (x.dtype != Dtype::float32 && x.dtype != Dtype::int64 && x.dtype != Dtype::boolean)
            suffixes.push_back(message("dtype=torch.", name(x.dtype)));
    }
    suffixes.insert(suffixes.end(), extra.begin(), extra.end());
    const std::size_t newline = text.rfind('\n');
    int line = static_cast<int>(text.size()) - (newline == std::string::npos ? -1 : static_cast<int>(newline)) + 1;
    for (const std::string& suffix : suffixes) {
        const int length = static_cast<int>(suffix.size());
        if (line + length + 2 > options.linewidth) {
            text += ",\n" + std::string(indent, ' ') + suffix;
            line = indent + length;
        } else {
            text += ", " + suffix;
            line += length + 2;
        }
    }
    return text + ")";
}

}  // namespace detail

template <class T, class D>
std::string Tensor<T, D>::to_string() const {
    if (!defined()) return "tensor(undefined)";
    std::vector<std::string> extra;
    if constexpr (!std::same_as<D, Cpu>) extra.push_back("device='cuda:0'");
    if constexpr (Floating<T>) {
        if (requires_grad()) extra.push_back(is_leaf() ? "requires_grad=True" : "grad_fn=<" + detail::grad_fn_name(grad_fn()) + ">");
    }
    if constexpr (std::same_as<D, Cpu>)
        return detail::tensor_text(*get(), extra, print_options());
    else
        return detail::tensor_text(*detach().template to<Cpu>().get(), extra, print_options());
}

template <class Stream, class T, class D>
    requires requires(Stream& out, const std::string& text) { out << text; }
Stream& operator<<(Stream& out, const Tensor<T, D>& tensor) {
    out << tensor.to_string();
    return out;
}

}  // namespace headtorch
