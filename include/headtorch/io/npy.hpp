// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// NumPy's .npy (numpy.lib.format): six bytes of magic, a version, the length of a header, the header, which is a Python dictionary of
/// three entries, the elements. Read in C and Fortran order and either byte order, written as NumPy does.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

#include "headtorch/io/atomic_file.hpp"
#include "headtorch/io/element.hpp"
#include "headtorch/io/load_options.hpp"
#include "headtorch/io/random_access_file.hpp"
#include "headtorch/ops/view.hpp"

namespace headtorch::io {
namespace detail {

struct NpyHeader {
    Element element = Element::float32;
    bool big_endian = false, fortran_order = false;
    Shape shape;
};

/// Reads the dictionary `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`, and nothing else of Python.
class NpyHeaderParser {
public:
    NpyHeaderParser(const RandomAccessFile& file, std::string_view array, std::string_view text)
        : file_(file), array_(array), rest_(text) {}

    NpyHeader parse() {
        expect('{');
        while (!accept('}')) {
            const std::string_view key = string();
            expect(':');
            if (key == "descr")
                once(has_descr_), descr(string());
            else if (key == "fortran_order")
                once(has_order_), header_.fortran_order = boolean();
            else if (key == "shape")
                once(has_shape_), shape();
            else
                fail("has an entry ", in_quotes(key));
            if (!accept(',')) {
                expect('}');
                break;
            }
        }
        skip_spaces();
        if (!rest_.empty()) fail("goes on after the }");
        if (!has_descr_ || !has_order_ || !has_shape_) fail("lacks descr, fortran_order or shape");
        return header_;
    }

private:
    template <class... Parts>
    [[noreturn]] void fail(const Parts&... parts) const {
        file_.fail(in_quotes(array_), ": the .npy header ", parts...);
    }
    void skip_spaces() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\n"), rest_.size())); }
    bool accept(char wanted) {
        skip_spaces();
        if (rest_.empty() || rest_.front() != wanted) return false;
        rest_.remove_prefix(1);
        return true;
    }
    void expect(char wanted) {
        if (!accept(wanted)) fail("is malformed: expected ", wanted, " before ", in_quotes(rest_.substr(0, 20)));
    }
    void once(bool& seen) {
        if (seen) fail("has an entry twice");
        seen = true;
    }
    std::string_view string() {
        skip_spaces();
        const char quote = rest_.empty() ? '\0' : rest_.front();
        if (quote == '[') fail("is of a structured array, which no tensor can hold");
        if (quote != '\'' && quote != '"') fail("is malformed: expected a string before ", in_quotes(rest_.substr(0, 20)));
        const std::size_t end = rest_.find(quote, 1);
        if (end == std::string_view::npos) fail("is malformed: a string does not end");
        const std::string_view text = rest_.substr(1, end - 1);
        rest_.remove_prefix(end + 1);
        return text;
    }
    bool boolean() {
        skip_spaces();
        for (const bool value : {true, false}) {
            const std::string_view word = value ? "True" : "False";
            if (!rest_.starts_with(word)) continue;
            rest_.remove_prefix(word.size());
            return value;
        }
        fail("is malformed: fortran_order is True or False");
    }
    void shape() {
        expect('(');
        while (!accept(')')) {
            skip_spaces();
            std::int64_t size = 0;
            const std::size_t digits = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
            if (digits == 0 || digits > 18) fail("is malformed: the shape has something else than sizes, ", in_quotes(rest_.substr(0, 20)));
            for (const char digit : rest_.substr(0, digits)) size = size * 10 + (digit - '0');
            rest_.remove_prefix(digits);
            if (header_.shape.rank() == max_rank) fail("declares more than 8 dimensions");
            header_.shape.push_back(size);
            if (accept(',')) continue;
            expect(')');
            break;
        }
    }
    /// The type as NumPy writes it: byte order, kind, bytes.
    void descr(std::string_view text) {
        struct Name {
            std::string_view text;
            Element element;
        };
        static constexpr Name names[] = {
            {"f4", Element::float32}, {"f8", Element::float64}, {"i8", Element::int64},   {"i4", Element::int32},
            {"u1", Element::uint8},   {"b1", Element::boolean}, {"f2", Element::float16}, {"i1", Element::int8},
            {"i2", Element::int16},   {"u2", Element::uint16},  {"u4", Element::uint32},
        };
        if (text.find('O') != std::string_view::npos)
            fail("is of an array of Python objects; they are not read, for that would execute code");
        const char order = text.empty() ? '\0' : text.front();
        for (const Name& name : names)
            if (std::string_view("<>|=").find(order) != std::string_view::npos && text.substr(1) == name.text) {
                header_.element = name.element;
                header_.big_endian = order == '>' || (order == '=' && std::endian::native == std::endian::big);
                return;
            }
        fail("says that its elements are ", in_quotes(text), ", which is not known here");
    }

    const RandomAccessFile& file_;
    std::string_view array_, rest_;
    NpyHeader header_;
    bool has_descr_ = false, has_order_ = false, has_shape_ = false;
};

/// An array of `size` bytes, fetched with `read`.
inline nn::AnyTensorHandle read_npy(const RandomAccessFile& file, std::string_view array, std::uint64_t size, const LoadOptions& options,
                                    ReadBytes read) {
    unsigned char start[12] = {};
    const auto fetch = [&](void* target, std::size_t count) {
        if (count > size) file.fail(in_quotes(array), ": it ends within the .npy header: the file is truncated");
        read(target, count);
        size -= count;
    };
    fetch(start, 8);
    if (!std::equal(start, start + 6, reinterpret_cast<const unsigned char*>("\x93NUMPY")))
        file.fail(in_quotes(array), " is no .npy array");
    const int version = start[6];
    if (version < 1 || version > 3) file.fail(in_quotes(array), ": version ", version, " of .npy is not known here; 1 to 3 are");
    fetch(start + 8, version == 1 ? 2 : 4);
    const std::size_t length = version == 1 ? little_endian<std::uint16_t>(start + 8) : little_endian<std::uint32_t>(start + 8);
    constexpr std::size_t most = 1 << 16;
    if (length > most) file.fail(in_quotes(array), ": a .npy header of ", length, " bytes; ", most, " at most");
    std::string text(length, '\0');
    fetch(text.data(), length);
    NpyHeader header = NpyHeaderParser(file, array, text).parse();

    const std::uint64_t needed = checked_bytes(file, array, header.shape, facts(header.element).bytes);
    if (needed != size)
        file.fail(in_quotes(array), ": ", header.shape, " of ", facts(header.element).name, " take ", needed, " bytes, but ", size,
                  " are there: the file is truncated or corrupt");
    const Dtype dtype = resolve_dtype(file, array, header.element, options);
    if (!header.fortran_order) return any_tensor(read_elements(file, array, header.element, header.big_endian, header.shape, dtype, read));
    // Fortran's order is C's with the dimensions the other way round.
    Shape reversed;
    for (int d = header.shape.rank(); d-- > 0;) reversed.push_back(header.shape[d]);
    const auto stored = read_elements(file, array, header.element, header.big_endian, reversed, dtype, read);
    Strides strides;
    for (int d = header.shape.rank(); d-- > 0;) strides.push_back(stored->strides[d]);
    return any_tensor(alias_impl(*stored, header.shape, strides, 0)).clone();
}

/// Everything before the elements, as numpy.lib.format.write_array_header_1_0() writes it.
inline std::string npy_header(const TensorImpl& tensor) {
    static constexpr std::string_view types[] = {"f4", "f8", "i8", "i4", "u1", "b1", "f2"};
    if (tensor.dtype == Dtype::bfloat16) throw ValueError("npy: NumPy has no bfloat16: write x.to<float>()");
    std::string shape;
    for (const std::int64_t size : tensor.shape) shape += message(shape.empty() ? "" : ", ", size);
    if (tensor.shape.rank() == 1) shape += ",";
    std::string text = message("{'descr': '", size_of(tensor.dtype) == 1 ? "|" : "<", types[static_cast<std::size_t>(tensor.dtype)],
                               "', 'fortran_order': False, 'shape': (", shape, "), }");
    // Room in which the first size may grow to 21 digits, so that arrays can be appended to; then elements start at a multiple of 64.
    if (tensor.shape.rank() > 0) text.append(21 - std::to_string(tensor.shape[0]).size(), ' ');
    text.append(64 - (11 + text.size()) % 64, ' ');
    text += '\n';
    return std::string("\x93NUMPY\x01\x00", 8) + to_little_endian(static_cast<std::uint16_t>(text.size())) + text;
}

}  // namespace detail

/// The array of a .npy file, contiguous. Throws IoError when anything in it is amiss.
inline nn::AnyTensorHandle load_npy(const std::string& path, const LoadOptions& options = {}) {
    const RandomAccessFile file("load_npy", path);
    std::uint64_t at = 0;
    return detail::read_npy(file, "array", file.size(), options, [&](void* target, std::size_t count) {
        file.read(at, target, count);
        at += count;
    });
}

/// Writes a .npy file, in C order, atomically.
inline void save_npy(const std::string& path, const nn::AnyTensorHandle& tensor) {
    const auto impl = detail::contiguous_on_host("save_npy", path, tensor);
    AtomicFile file("save_npy", path);
    file.write(detail::npy_header(*impl));
    detail::write_elements(*impl, [&](const void* data, std::size_t bytes) { file.write(data, bytes); });
    file.commit();
}

}  // namespace headtorch::io
