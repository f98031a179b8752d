// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// IDX files, the format of MNIST (http://yann.lecun.com/exdb/mnist): two zero bytes, a type, a rank, the sizes, the elements, all
/// big-endian. Plain or gzipped. Nothing in a file is believed before it is checked.

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "headtorch/core/dtype.hpp"
#include "headtorch/core/error.hpp"
#include "headtorch/core/shape.hpp"
#include "headtorch/io/gzip.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::io {

/// The type byte of an IDX file.
enum class IdxType : std::uint8_t { uint8 = 0x08, int8 = 0x09, int16 = 0x0b, int32 = 0x0c, float32 = 0x0d, float64 = 0x0e };

struct IdxHeader {
    IdxType type;
    Shape shape;
};

namespace detail {

struct IdxTypeFacts {
    IdxType type;
    std::string_view name;
    std::size_t bytes;
    Dtype dtype;  ///< of the tensor; int8 and int16, for which there is none, widen to int32
    std::string_view cpp;
};

inline const IdxTypeFacts* find_idx_type(std::uint8_t code) {
    static constexpr IdxTypeFacts all[] = {
        {IdxType::uint8, "uint8", 1, Dtype::uint8, "std::uint8_t"}, {IdxType::int8, "int8", 1, Dtype::int32, "std::int32_t"},
        {IdxType::int16, "int16", 2, Dtype::int32, "std::int32_t"}, {IdxType::int32, "int32", 4, Dtype::int32, "std::int32_t"},
        {IdxType::float32, "float32", 4, Dtype::float32, "float"},  {IdxType::float64, "float64", 8, Dtype::float64, "double"},
    };
    const auto* found = std::find_if(std::begin(all), std::end(all),
                                     [code](const IdxTypeFacts& facts) { return static_cast<std::uint8_t>(facts.type) == code; });
    return found == std::end(all) ? nullptr : found;
}

/// Big-endian elements of `size` bytes to those of this machine, in place.
inline void from_big_endian(unsigned char* bytes, std::size_t count, std::size_t size) {
    if (std::endian::native == std::endian::big || size == 1) return;
    for (std::size_t i = 0; i < count; ++i) std::reverse(bytes + i * size, bytes + (i + 1) * size);
}

inline std::string hex(const unsigned char* bytes, std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) {
        constexpr const char* digits = "0123456789abcdef";
        text += i ? " " : "";
        text += digits[bytes[i] >> 4];
        text += digits[bytes[i] & 15];
    }
    return text;
}

/// Reads and checks everything before the elements: after it, the elements that the header declares can be there, and are no more than
/// a plain file holds.
inline IdxHeader read_idx_header(InputFile& file) {
    std::array<unsigned char, 4> magic{};
    const std::size_t got = file.read(magic.data(), 4);
    if (got < 4) file.fail("too short for an IDX file: ", got, " bytes");
    const IdxTypeFacts* facts = find_idx_type(magic[2]);
    const int rank = magic[3];
    if (magic[0] != 0 || magic[1] != 0 || !facts)
        file.fail("not an IDX file: it starts with ", hex(magic.data(), 4), "; expected 00 00, a type (08, 09, 0b, 0c, 0d, 0e) and a rank");
    if (rank < 1 || rank > max_rank) file.fail("an IDX file of rank ", rank, "; expected 1 to ", max_rank);
    IdxHeader header{facts->type, {}};
    for (int d = 0; d < rank; ++d) {
        std::array<unsigned char, 4> size{};
        if (file.read(size.data(), 4) < 4) file.fail("the IDX header ends too early: the file is truncated, fetch it again");
        header.shape.push_back(std::int64_t{size[0]} << 24 | size[1] << 16 | size[2] << 8 | size[3]);
    }
    std::uint64_t numel = 0;
    try {
        numel = static_cast<std::uint64_t>(header.shape.numel());
    } catch (const ShapeError&) {
        file.fail("the IDX header declares the impossible shape ", header.shape);
    }
    const std::uint64_t start = 4 + 4 * static_cast<std::uint64_t>(rank), needed = start + numel * facts->bytes;
    if (needed > file.most_bytes())
        file.fail("the header declares ", header.shape, " of ", facts->name, ", ", needed - start,
                  " bytes, which cannot be in this file of at most ", file.most_bytes(),
                  " bytes: it is truncated or corrupt, fetch it again");
    return header;
}

inline Ref<TensorImpl> read_idx(const std::string& path, Dtype wanted) {
    InputFile file("read_idx", path);
    const auto [type, shape] = read_idx_header(file);
    const IdxTypeFacts& facts = *find_idx_type(static_cast<std::uint8_t>(type));
    if (facts.dtype != wanted)
        file.fail("it holds ", facts.name, ", but ", name(wanted), " was asked for: write read_idx<", facts.cpp,
                  ">(path), and to<T>() to convert");
    const auto impl = make_impl<Cpu>(wanted, shape);
    const auto count = static_cast<std::size_t>(impl->numel);
    auto* bytes = static_cast<unsigned char*>(impl->data);
    // Narrow elements are read into the end of the buffer and widened from its start on: none is overwritten before it is read.
    auto* raw = bytes + count * (size_of(wanted) - facts.bytes);
    const std::size_t got = file.read(raw, count * facts.bytes);
    if (got < count * facts.bytes)
        file.fail("the header declares ", shape, " of ", facts.name, ", ", count * facts.bytes, " bytes, but only ", got,
                  " follow: the file is truncated, fetch it again");
    if (!file.at_end())
        file.fail("bytes follow the ", shape, " of ", facts.name, " that the header declares: the file is corrupt, fetch it again");
    from_big_endian(raw, count, facts.bytes);
    auto* wide = static_cast<std::int32_t*>(impl->data);
    if (type == IdxType::int8)
        for (std::size_t i = 0; i < count; ++i) wide[i] = static_cast<std::int8_t>(raw[i]);
    if (type == IdxType::int16)
        for (std::size_t i = 0; i < count; ++i) {
            std::int16_t value = 0;
            std::copy_n(raw + 2 * i, 2, reinterpret_cast<unsigned char*>(&value));
            wide[i] = value;
        }
    return impl;
}

}  // namespace detail

/// Type and shape of an IDX file.
inline IdxHeader read_idx_header(const std::string& path) {
    InputFile file("read_idx", path);
    return detail::read_idx_header(file);
}

/// The elements of an IDX file. T must be the file's type (uint8, int32, float, double; int8 and int16 are read as int32). Throws IoError
/// when the file is missing, truncated, too long, corrupt, or of another type.
template <Scalar T>
Tensor<T, Cpu> read_idx(const std::string& path) {
    return Tensor<T, Cpu>(detail::read_idx(path, dtype_of<T>));
}

}  // namespace headtorch::io
