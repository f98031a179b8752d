// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Sums of products by index notation: einsum("bij,bjk->bik", {a, b}).

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headtorch/ops/matmul.hpp"
#include "headtorch/ops/reduce.hpp"
#include "headtorch/ops/view.hpp"

namespace headtorch {
namespace detail {

/// Labels of one operand, one character a dimension. The dimensions of an ellipsis become the characters \x01, \x02, …,
/// counted from the last.
using IndexLabels = std::string;

inline IndexLabels einsum_labels(std::string_view term, int rank, std::string_view equation) {
    IndexLabels labels;
    bool dots = false;
    const auto letters = static_cast<int>(std::count_if(term.begin(), term.end(), [](char c) { return c != '.' && c != ' '; }));
    for (std::size_t i = 0; i < term.size(); ++i) {
        const char c = term[i];
        if (c == ' ') continue;
        if (c == '.') {
            if (dots || term.substr(i, 3) != "...")
                throw ValueError(message("einsum: an ellipsis is written ..., once in a term: \"", equation, "\""));
            dots = true;
            i += 2;
            for (int k = rank - letters; k > 0; --k) labels += static_cast<char>(k);
        } else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
            labels += c;
        } else {
            throw ValueError(message("einsum: unexpected '", c, "' in \"", equation, "\""));
        }
    }
    return labels;
}

/// Takes the diagonal where a label is repeated.
template <class T, class D>
Tensor<T, D> merge_repeated(Tensor<T, D> x, IndexLabels& labels) {
    for (std::size_t i = 0; i < labels.size(); ++i) {
        const std::size_t j = labels.find(labels[i], i + 1);
        if (j == IndexLabels::npos) continue;
        if (x.shape()[static_cast<int>(i)] != x.shape()[static_cast<int>(j)])
            throw ShapeError(message("einsum: the label ", labels[i], " stands for sizes ", x.shape()[static_cast<int>(i)], " and ",
                                     x.shape()[static_cast<int>(j)]));
        const char label = labels[i];
        x = x.diagonal(0, static_cast<int>(i), static_cast<int>(j));
        labels.erase(j, 1);
        labels.erase(i, 1);
        labels += label;
        i = static_cast<std::size_t>(-1);
    }
    return x;
}

/// x with exactly the dimensions `target`, in this order; a missing one has size 1.
template <class T, class D>
Tensor<T, D> arranged(const Tensor<T, D>& x, const IndexLabels& labels, const IndexLabels& target) {
    Dims order;
    Tensor<T, D> y = x;
    IndexLabels all = labels;
    for (char c : target)
        if (all.find(c) == IndexLabels::npos) {
            y = y.unsqueeze(-1);
            all += c;
        }
    for (char c : target) order.push_back(static_cast<std::int64_t>(all.find(c)));
    return order.empty() ? y : y.permute(order);
}

/// x summed over the dimensions whose label is not in `wanted`.
template <class T, class D>
Tensor<T, D> sum_unwanted(const Tensor<T, D>& x, IndexLabels& labels, const IndexLabels& wanted) {
    Dims dims;
    IndexLabels kept;
    for (std::size_t i = 0; i < labels.size(); ++i) {
        if (wanted.find(labels[i]) == IndexLabels::npos)
            dims.push_back(static_cast<std::int64_t>(i));
        else
            kept += labels[i];
    }
    labels = kept;
    return dims.empty() ? x : sum(x, dims);
}

/// The product of two operands, summed over the labels that both have and nothing later wants.
template <class T, class D>
Tensor<T, D> contract(Tensor<T, D> a, IndexLabels la, Tensor<T, D> b, IndexLabels lb, const IndexLabels& wanted, IndexLabels& result) {
    a = sum_unwanted(a, la, lb + wanted);
    b = sum_unwanted(b, lb, la + wanted);
    IndexLabels batch, inner, left, right;
    for (char c : la) (lb.find(c) == IndexLabels::npos ? left : wanted.find(c) == IndexLabels::npos ? inner : batch) += c;
    for (char c : lb)
        if (la.find(c) == IndexLabels::npos) right += c;
    const auto product_of = [](const Shape& shape, std::size_t from, std::size_t count) {
        std::int64_t n = 1;
        for (std::size_t i = from; i < from + count; ++i) n *= shape[static_cast<int>(i)];
        return n;
    };
    auto x = arranged(a, la, batch + left + inner), y = arranged(b, lb, batch + inner + right);
    // a label may have size 1 on one side, which broadcasts
    Shape sx = x.shape(), sy = y.shape();
    const auto match = [&](std::size_t i, std::size_t j, char label) {
        const int p = static_cast<int>(i), q = static_cast<int>(j);
        if (sx[p] != sy[q] && sx[p] != 1 && sy[q] != 1)
            throw ShapeError(message("einsum: the label ", label, " stands for sizes ", sx[p], " and ", sy[q]));
        sx[p] = sy[q] = sx[p] == 1 ? sy[q] : sx[p];
    };
    for (std::size_t i = 0; i < batch.size(); ++i) match(i, i, batch[i]);
    for (std::size_t i = 0; i < inner.size(); ++i) match(batch.size() + left.size() + i, batch.size() + i, inner[i]);
    x = x.expand(sx);
    y = y.expand(sy);
    const std::int64_t n = product_of(sx, 0, batch.size()), rows = product_of(sx, batch.size(), left.size()),
                       depth = product_of(sy, batch.size(), inner.size()),
                       columns = product_of(sy, batch.size() + inner.size(), right.size());
    result = batch + left + right;
    Shape shape;
    for (std::size_t i = 0; i < batch.size() + left.size(); ++i) shape.push_back(sx[static_cast<int>(i)]);
    for (std::size_t i = 0; i < right.size(); ++i) shape.push_back(sy[static_cast<int>(batch.size() + inner.size() + i)]);
    if (inner.empty()) return (x.reshape({n, rows, 1}) * y.reshape({n, 1, columns})).reshape(shape);
    return bmm(x.reshape({n, rows, depth}), y.reshape({n, depth, columns})).reshape(shape);
}

}  // namespace detail

/// As torch.einsum: labels a to z and A to Z, "..." for further dimensions, repeated labels for diagonals; without "->" the result has the
/// labels that occur once, in alphabetical order.
template <class T, class D>
Tensor<T, D> einsum(std::string_view equation, const std::vector<Tensor<T, D>>& operands, const Here& = Here::call("einsum")) {
    const OpScope scope("einsum");
    const std::size_t arrow = equation.find("->");
    std::string_view terms = equation.substr(0, arrow);
    std::vector<detail::IndexLabels> labels;
    std::vector<Tensor<T, D>> tensors;
    for (std::size_t i = 0;; ++i) {
        const std::size_t comma = terms.find(',');
        if (i >= operands.size())
            throw ValueError(message("einsum: more terms in \"", equation, "\" than the ", operands.size(), " operands"));
        auto term = detail::einsum_labels(terms.substr(0, comma), operands[i].dim(), equation);
        if (static_cast<int>(term.size()) != operands[i].dim())
            throw ShapeError(message("einsum: operand ", i, " of shape ", operands[i].shape(), " does not have the dimensions that \"",
                                     equation, "\" says"));
        tensors.push_back(detail::merge_repeated(operands[i], term));
        labels.push_back(term);
        if (comma == std::string_view::npos) break;
        terms.remove_prefix(comma + 1);
    }
    if (labels.size() != operands.size())
        throw ValueError(message("einsum: ", labels.size(), " terms in \"", equation, "\", but ", operands.size(), " operands"));

    std::string every, dots, output;
    for (std::size_t i = 0; i < labels.size(); ++i) every += labels[i];
    for (char k = 8; k > 0; --k)
        if (every.find(k) != std::string::npos) dots += k;
    if (arrow == std::string_view::npos) {
        // labels that occur once in the equation itself, diagonals counted by what is written
        const std::string_view written = equation;
        output = dots;
        for (char c = 'A'; c <= 'z'; ++c)
            if (std::count(written.begin(), written.end(), c) == 1) output += c;
    } else {
        output = detail::einsum_labels(equation.substr(arrow + 2), 0, equation);
        const std::string_view right = equation.substr(arrow + 2);
        if (const std::size_t at = right.find("..."); at != std::string_view::npos) {
            const auto before = static_cast<std::size_t>(
                std::count_if(right.begin(), right.begin() + static_cast<std::ptrdiff_t>(at), [](char c) { return c != ' '; }));
            output.insert(before, dots);
        }
        for (std::size_t i = 0; i < output.size(); ++i) {
            if (every.find(output[i]) == std::string::npos)
                throw ValueError(message("einsum: the result's label ", output[i], " is in no operand: \"", equation, "\""));
            if (output.find(output[i], i + 1) != std::string::npos)
                throw ValueError(message("einsum: the result's label ", output[i], " appears twice: \"", equation, "\""));
        }
    }
    Tensor<T, D> result = tensors[0];
    std::string present = labels[0];
    for (std::size_t i = 1; i < tensors.size(); ++i) {
        std::string wanted = output;
        for (std::size_t k = i + 1; k < labels.size(); ++k) wanted += labels[k];
        std::string joined;
        result = detail::contract(result, present, tensors[i], labels[i], wanted, joined);
        present = joined;
    }
    result = detail::sum_unwanted(result, present, output);
    return detail::arranged(result, present, output);
}
template <class T, class D>
Tensor<T, D> einsum(std::string_view equation, std::initializer_list<Tensor<T, D>> operands, const Here& = Here::call("einsum")) {
    return einsum(equation, std::vector<Tensor<T, D>>(operands));
}

}  // namespace headtorch
