// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What layers share: options that are given by name, and sizes as Python prints them.

#include <concepts>
#include <cstdint>
#include <string>

#include "headtorch/core/shape.hpp"

namespace headtorch::nn {

/// One number, or one for each dimension: `3`, `{3, 2}`. (Dims, which is the same, may not stand beside options: g++ would take
/// `{.kernel_size = 3}` for either.)
class Size : public Dims {
public:
    Size() = default;
    template <std::integral... I>
        requires(sizeof...(I) > 0)
    Size(I... sizes) : Dims{static_cast<std::int64_t>(sizes)...} {}
    template <std::same_as<Dims> D>
    Size(const D& dims) : Dims(dims) {}
};

namespace detail {

/// First member of options that are given by name only: `{3, 2}` is then two sizes, and no options.
class ByName {
public:
    explicit ByName() = default;
};

inline const char* python_bool(bool value) { return value ? "True" : "False"; }

/// (3, 2), or (3,); None stands for -1.
inline std::string python_tuple(const IntList& list) {
    std::string text = "(";
    for (int i = 0; i < list.rank(); ++i) text += (i ? ", " : "") + (list[i] == -1 ? std::string("None") : std::to_string(list[i]));
    return text + (list.rank() == 1 ? ",)" : ")");
}
/// A number, or a tuple.
inline std::string python_size(const IntList& size) {
    if (size.rank() != 1) return python_tuple(size);
    return size[0] == -1 ? "None" : std::to_string(size[0]);
}

}  // namespace detail
}  // namespace headtorch::nn
