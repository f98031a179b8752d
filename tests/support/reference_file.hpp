// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Reads the cases that PyTorch answered: tests/reference/data, in the format that tests/reference/make_reference.py describes.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "headtorch/ops/copy.hpp"
#include "headtorch/tensor/access.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::testing {

/// Tolerance relative to max(1, |reference|).
template <class T>
inline constexpr double tolerance = std::is_same_v<T, float> ? 1e-5 : 1e-10;

/// A tensor as it stands in the file; its numbers stay text until the element type is known.
struct Written {
    std::string name, type;
    Shape shape;
    std::string numbers;

    template <class T>
    std::vector<T> values() const {
        std::vector<T> values;
        const char* position = numbers.c_str();
        for (char* end = nullptr;; position = end) {
            T value{};
            if constexpr (Floating<T>)
                value = static_cast<T>(std::strtod(position, &end));
            else
                value = static_cast<T>(std::strtoll(position, &end, 10));
            if (end == position) break;
            values.push_back(value);
        }
        if (static_cast<std::int64_t>(values.size()) != shape.numel())
            throw ValueError(message("reference: ", name, " has ", values.size(), " numbers for shape ", shape));
        return values;
    }
};

enum class Layout { contiguous, strided };

/// A tensor of these values. Strided: column-major, every other element, after a gap; the gaps hold NaN (or -1), which no op may touch.
template <class T>
Tensor<T> make_tensor(const Shape& shape, const std::vector<T>& values, Layout layout = Layout::contiguous) {
    const bool strided = layout == Layout::strided;
    const auto buffer = empty<T, Cpu>(strided ? Shape{2 * shape.numel() + 1} : shape);
    if (!strided) {
        std::copy(values.begin(), values.end(), buffer.data());
        return buffer.template to<DefaultDevice>();
    }
    const T gap = std::numeric_limits<T>::has_quiet_NaN ? std::numeric_limits<T>::quiet_NaN() : static_cast<T>(-1);
    std::fill_n(buffer.data(), buffer.numel(), gap);
    Strides strides = shape;
    std::int64_t step = 2;
    for (int i = 0; i < shape.rank(); ++i) {
        strides[i] = step;
        step *= std::max<std::int64_t>(1, shape[i]);
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
        std::int64_t offset = 1, rest = static_cast<std::int64_t>(i);
        for (int d = shape.rank() - 1; d >= 0; rest /= shape[d--]) offset += rest % shape[d] * strides[d];
        buffer.data()[offset] = values[i];
    }
    return Tensor<T>(alias_impl(*buffer.template to<DefaultDevice>().get(), shape, strides, 1));
}

/// All elements of a tensor of any type, row-major.
inline std::vector<double> numbers_of(const TensorImpl& tensor) {
    std::vector<double> numbers;
    const auto append = [&]<class T>(T) {
        const Ref<TensorImpl> impl = alias_impl(tensor);
        for (const T x : tensor.device == DeviceKind::cpu ? Tensor<T, Cpu>(impl).tolist() : Tensor<T, DefaultDevice>(impl).tolist())
            numbers.push_back(static_cast<double>(x));
    };
    switch (tensor.dtype) {
        case Dtype::float32: append(float{}); break;
        case Dtype::float64: append(double{}); break;
        case Dtype::float16: append(float16{}); break;
        case Dtype::bfloat16: append(bfloat16{}); break;
        case Dtype::int64: append(std::int64_t{}); break;
        case Dtype::int32: append(std::int32_t{}); break;
        case Dtype::uint8: append(std::uint8_t{}); break;
        case Dtype::boolean: append(bool{}); break;
    }
    return numbers;
}

/// "" when `tensor` has the shape, the kind of type and, within the tolerance, the numbers of `expected`; else what differs.
inline std::string difference(const std::string& what, const TensorImpl& tensor, const Written& expected, double relative) {
    static constexpr std::pair<const char*, Dtype> types[] = {
        {"long", Dtype::int64}, {"int", Dtype::int32}, {"byte", Dtype::uint8}, {"bool", Dtype::boolean}};
    for (const auto& [type, dtype] : types)
        if ((expected.type == type) != (tensor.dtype == dtype))
            return message(what, ": type ", name(tensor.dtype), " instead of ", expected.type);
    if (!(tensor.shape == expected.shape)) return message(what, ": shape ", tensor.shape, " instead of ", expected.shape);
    const auto got = numbers_of(tensor);
    auto want = expected.values<double>();
    if (relative == 0 && tensor.dtype == Dtype::float32)  // to the bit: the text gives back a float, not the double nearest to it
        for (double& value : want) value = static_cast<double>(static_cast<float>(value));
    for (std::size_t i = 0; i < want.size(); ++i) {
        const bool both_nan = std::isnan(got[i]) && std::isnan(want[i]);
        if (both_nan || got[i] == want[i] || std::abs(got[i] - want[i]) <= relative * std::max(1.0, std::abs(want[i]))) continue;
        char text[120];
        std::snprintf(text, sizeof text, ": element %zu of %zu is %.17g instead of %.17g", i, want.size(), got[i], want[i]);
        return what + text;
    }
    return "";
}

/// One case of a file.
class Case {
public:
    std::string op, title;
    std::vector<Written> inputs, outputs, output_gradients, gradients;
    std::vector<std::string> text;  ///< the printed lines
    std::vector<std::pair<std::string, std::string>> arguments;

    bool has(const std::string& key) const { return find_argument(key) != nullptr; }
    std::string str(const std::string& key, const std::string& otherwise) const { return has(key) ? *find_argument(key) : otherwise; }
    std::string str(const std::string& key) const {
        if (const std::string* value = find_argument(key)) return *value;
        throw ValueError(message("reference: ", title, ": no argument ", key));
    }
    double num(const std::string& key) const { return std::strtod(str(key).c_str(), nullptr); }
    double num(const std::string& key, double otherwise) const { return has(key) ? num(key) : otherwise; }
    std::int64_t integer(const std::string& key) const { return std::strtoll(str(key).c_str(), nullptr, 10); }
    std::int64_t integer(const std::string& key, std::int64_t otherwise) const { return has(key) ? integer(key) : otherwise; }
    bool flag(const std::string& key, bool otherwise = false) const { return has(key) ? integer(key) != 0 : otherwise; }
    /// The parts of a,b,c; none of "none".
    std::vector<std::string> words(const std::string& key) const {
        std::vector<std::string> parts;
        const std::string all = str(key);
        for (std::size_t begin = 0; all != "none" && begin <= all.size();) {
            const std::size_t end = std::min(all.find(',', begin), all.size());
            parts.push_back(all.substr(begin, end - begin));
            begin = end + 1;
        }
        return parts;
    }
    /// A list such as dim=0,2: serves as Dims, Shape, or whatever is made from an IntList.
    std::vector<std::int64_t> integers(const std::string& key) const {
        std::vector<std::int64_t> list;
        for (const auto& word : words(key)) list.push_back(std::strtoll(word.c_str(), nullptr, 10));
        return list;
    }
    Dims dims(const std::string& key) const { return Dims(std::span<const std::int64_t>(integers(key))); }
    Shape shape(const std::string& key) const { return Shape(std::span<const std::int64_t>(integers(key))); }

    static const Written* find(const std::vector<Written>& list, const std::string& name) {
        const auto found = std::find_if(list.begin(), list.end(), [&](const Written& written) { return written.name == name; });
        return found == list.end() ? nullptr : &*found;
    }
    /// An input or an output, as a tensor of its own.
    template <class T>
    Tensor<T> tensor(const std::string& name, Layout layout = Layout::contiguous) const {
        const Written* written = find(inputs, name);
        if (!written) written = find(outputs, name);
        if (!written) throw ValueError(message("reference: ", title, ": no tensor ", name));
        return make_tensor<T>(written->shape, written->values<T>(), layout);
    }
    /// "" or how `tensor` differs from the output `name`.
    template <class T>
    std::string compare(const std::string& name, const Tensor<T>& tensor, double relative = tolerance<T>) const {
        const Written* written = find(outputs, name);
        if (!written) throw ValueError(message("reference: ", title, ": no output ", name));
        return difference(title + ": " + name, *tensor.get(), *written, relative);
    }

private:
    const std::string* find_argument(const std::string& key) const {
        for (const auto& [name, value] : arguments)
            if (name == key) return &value;
        return nullptr;
    }
};

/// All cases of a file in tests/reference/data. Throws IoError on a line it does not understand.
inline std::vector<Case> load_cases(const std::string& file) {
    std::ifstream stream(std::string(HEADTORCH_TESTS_DIR "/reference/data/") + file);
    if (!stream) throw IoError(message("reference: cannot read tests/reference/data/", file));
    std::vector<Case> cases;
    std::string line;
    const auto next_word = [](const std::string& text, std::size_t& position) {
        const std::size_t end = std::min(text.find(' ', position), text.size());
        std::string word = text.substr(position, end - position);
        position = std::min(end + 1, text.size());
        return word;
    };
    for (int number = 1; std::getline(stream, line); ++number) {
        std::size_t position = 0;
        const std::string kind = next_word(line, position);
        if (kind == "case") {
            cases.emplace_back().op = next_word(line, position);
            cases.back().title = message(file, ":", number, ": ", line.substr(5));
            while (position < line.size()) {
                const std::string word = next_word(line, position);
                const std::size_t equals = word.find('=');
                cases.back().arguments.emplace_back(word.substr(0, equals), equals == std::string::npos ? "1" : word.substr(equals + 1));
            }
        } else if (kind == "text") {
            cases.back().text.push_back(line.substr(position));
        } else if (kind == "in" || kind == "out" || kind == "gout" || kind == "grad") {
            Written written;
            written.name = next_word(line, position);
            written.type = kind == "in" || kind == "out" ? next_word(line, position) : "float";
            const std::string shape = next_word(line, position);
            for (const char* digits = shape.c_str(); shape != "scalar" && *digits;) {
                char* end = nullptr;
                written.shape.push_back(std::strtoll(digits, &end, 10));
                digits = *end ? end + 1 : end;
            }
            written.numbers = line.substr(position);
            Case& c = cases.back();
            (kind == "in" ? c.inputs : kind == "out" ? c.outputs : kind == "gout" ? c.output_gradients : c.gradients).push_back(written);
        } else if (kind != "end" && kind != "#") {
            throw IoError(message("reference: ", file, ":", number, ": ", line.substr(0, 60)));
        }
    }
    return cases;
}

}  // namespace headtorch::testing
