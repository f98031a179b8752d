// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Elements as files store them: more types than tensors have, in either byte order.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "headtorch/io/load_options.hpp"
#include "headtorch/nn/module_tree.hpp"
#include "headtorch/nn/state_dict.hpp"

namespace headtorch::io {

/// The element types of files. The first eight are those of tensors, in the order of Dtype.
enum class Element : std::uint8_t { float32, float64, int64, int32, uint8, boolean, float16, bfloat16, int8, int16, uint16, uint32 };

namespace detail {

struct ElementFacts {
    std::string_view name;
    std::size_t bytes;
    Dtype dtype;  ///< of the tensor that holds it: the same, or the next larger
};

inline const ElementFacts& facts(Element element) {
    static constexpr ElementFacts all[] = {
        {"float32", 4, Dtype::float32}, {"float64", 8, Dtype::float64}, {"int64", 8, Dtype::int64},     {"int32", 4, Dtype::int32},
        {"uint8", 1, Dtype::uint8},     {"bool", 1, Dtype::boolean},    {"float16", 2, Dtype::float16}, {"bfloat16", 2, Dtype::bfloat16},
        {"int8", 1, Dtype::int32},      {"int16", 2, Dtype::int32},     {"uint16", 2, Dtype::int32},    {"uint32", 4, Dtype::int64},
    };
    return all[static_cast<std::size_t>(element)];
}
inline Element element_of(Dtype dtype) { return static_cast<Element>(dtype); }
inline bool is_native(Element element) { return element <= Element::bfloat16; }

/// A handle to a tensor on the host whose type is known at run time only.
inline nn::AnyTensorHandle any_tensor(Ref<TensorImpl> impl) {
    switch (impl->dtype) {
        case Dtype::float32:
            return Tensor<float, Cpu>(std::move(impl));
        case Dtype::float64:
            return Tensor<double, Cpu>(std::move(impl));
        case Dtype::int64:
            return Tensor<std::int64_t, Cpu>(std::move(impl));
        case Dtype::int32:
            return Tensor<std::int32_t, Cpu>(std::move(impl));
        case Dtype::uint8:
            return Tensor<std::uint8_t, Cpu>(std::move(impl));
        case Dtype::boolean:
            return Tensor<bool, Cpu>(std::move(impl));
        case Dtype::float16:
            return Tensor<float16, Cpu>(std::move(impl));
        case Dtype::bfloat16:
            return Tensor<bfloat16, Cpu>(std::move(impl));
    }
    return {};
}

/// The other byte order, in place.
inline void swap_bytes(unsigned char* data, std::size_t count, std::size_t size) {
    if (size == 1) return;
    for (std::size_t i = 0; i < count; ++i) std::reverse(data + i * size, data + (i + 1) * size);
}

template <class From, class To, class Convert>
void convert_each(const unsigned char* from, void* to, std::size_t count, Convert convert) {
    for (std::size_t i = 0; i < count; ++i) {
        From value;
        std::memcpy(&value, from + i * sizeof(From), sizeof(From));
        static_cast<To*>(to)[i] = static_cast<To>(convert(value));
    }
}
template <class From>
void convert_floats(const unsigned char* from, Dtype to, void* target, std::size_t count) {
    const auto same = [](From value) { return value; };
    const auto by_float = [](From value) { return static_cast<float>(value); };
    switch (to) {
        case Dtype::float64:
            return convert_each<From, double>(from, target, count, same);
        case Dtype::float16:
            return convert_each<From, float16>(from, target, count, by_float);
        case Dtype::bfloat16:
            return convert_each<From, bfloat16>(from, target, count, by_float);
        default:
            return convert_each<From, float>(from, target, count, same);
    }
}
/// Elements of the machine's byte order into those of a tensor. Only conversions that resolve_dtype() allows are asked for.
inline void convert_elements(Element from, const unsigned char* data, Dtype to, void* target, std::size_t count) {
    const auto same = [](auto value) { return value; };
    switch (from) {
        case Element::float32:
            return convert_floats<float>(data, to, target, count);
        case Element::float64:
            return convert_floats<double>(data, to, target, count);
        case Element::float16:
            return convert_floats<float16>(data, to, target, count);
        case Element::bfloat16:
            return convert_floats<bfloat16>(data, to, target, count);
        case Element::int8:
            return convert_each<std::int8_t, std::int32_t>(data, target, count, same);
        case Element::int16:
            return convert_each<std::int16_t, std::int32_t>(data, target, count, same);
        case Element::uint16:
            return convert_each<std::uint16_t, std::int32_t>(data, target, count, same);
        case Element::uint32:
            return convert_each<std::uint32_t, std::int64_t>(data, target, count, same);
        default:
            return;
    }
}

/// The type of the tensor for elements of a file. Throws when it would have to be another one and that was not asked for.
inline Dtype resolve_dtype(const RandomAccessFile& file, std::string_view tensor, Element element, const LoadOptions& options) {
    const ElementFacts& from = facts(element);
    if (options.dtype && !is_floating(*options.dtype))
        throw ValueError(message("load: LoadOptions::dtype is a floating type, float32 for example, not ", name(*options.dtype)));
    if (options.dtype && is_floating(from.dtype)) return *options.dtype;
    if (options.widen && size_of(from.dtype) == 2) return Dtype::float32;
    if (is_native(element) || options.widen) return from.dtype;
    file.fail(in_quotes(tensor), " is of ", from.name, ", which no tensor here can be: load it with {.widen = true} to get ",
              name(from.dtype));
}

/// Fetches the next bytes of a tensor; throws when they are not there.
using ReadBytes = nn::detail::FunctionRef<void(void*, std::size_t)>;

/// A tensor of `shape` from elements as a file stores them. Its size must have been held against that of the file before.
inline Ref<TensorImpl> read_elements(const RandomAccessFile& file, std::string_view tensor, Element element, bool big_endian,
                                     const Shape& shape, Dtype dtype, ReadBytes read) {
    const auto impl = make_impl<Cpu>(dtype, shape);
    const std::size_t size = facts(element).bytes, count = static_cast<std::size_t>(impl->numel);
    const bool swap = big_endian != (std::endian::native == std::endian::big);
    auto* target = static_cast<unsigned char*>(impl->data);
    if (is_native(element) && facts(element).dtype == dtype) {
        if (count > 0) read(target, count * size);
        if (swap) swap_bytes(target, count, size);
        if (element == Element::boolean && std::any_of(target, target + count, [](unsigned char byte) { return byte > 1; }))
            file.fail(in_quotes(tensor), " is of bool, but not all of its bytes are 0 or 1");
        return impl;
    }
    constexpr std::size_t piece = 1 << 14;
    std::vector<unsigned char> buffer(std::min(count, piece) * size);
    for (std::size_t done = 0; done < count; done += piece) {
        const std::size_t now = std::min(piece, count - done);
        read(buffer.data(), now * size);
        if (swap) swap_bytes(buffer.data(), now, size);
        convert_elements(element, buffer.data(), dtype, target + done * size_of(dtype), now);
    }
    return impl;
}

/// The number of elements of a shape from a file, of which each takes `bytes` bytes. Throws IoError when they would not fit into 64 bits.
inline std::uint64_t checked_bytes(const RandomAccessFile& file, std::string_view tensor, const Shape& shape, std::size_t bytes) {
    try {
        return static_cast<std::uint64_t>(shape.numel()) * bytes;
    } catch (const ShapeError&) {
        file.fail(in_quotes(tensor), " has the impossible shape ", shape);
    }
}

/// The elements of a tensor that is to be written, contiguous, on the host.
inline Ref<TensorImpl> contiguous_on_host(std::string_view op, std::string_view name, const nn::AnyTensorHandle& tensor) {
    if (!tensor.defined()) throw ValueError(message(op, ": ", in_quotes(name), " is undefined"));
    if (tensor.impl()->contiguous && tensor.device() == DeviceKind::cpu) return tensor.impl();
    return tensor.device() == DeviceKind::cpu ? tensor.clone().impl() : tensor.type()->to_host(tensor.impl());
}
inline std::size_t bytes_of(const TensorImpl& tensor) { return static_cast<std::size_t>(tensor.numel) * size_of(tensor.dtype); }

/// Writes all elements, little-endian, with `write(data, bytes)`.
inline void write_elements(const TensorImpl& tensor, nn::detail::FunctionRef<void(const void*, std::size_t)> write) {
    if (std::endian::native == std::endian::little) return write(tensor.data, bytes_of(tensor));
    const auto* data = static_cast<const unsigned char*>(tensor.data);
    std::vector<unsigned char> swapped(data, data + bytes_of(tensor));
    swap_bytes(swapped.data(), static_cast<std::size_t>(tensor.numel), size_of(tensor.dtype));
    write(swapped.data(), swapped.size());
}

/// Throws ValueError when a dictionary that is to be written has two entries of one name.
inline void check_unique(std::string_view op, const nn::StateDict& dict) {
    std::unordered_set<std::string_view> names;
    for (const auto& [name, tensor] : dict)
        if (!names.insert(name).second) throw ValueError(message(op, ": two entries are called ", in_quotes(name)));
}

}  // namespace detail
}  // namespace headtorch::io
