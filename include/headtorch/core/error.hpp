// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Exceptions. Every message starts with the op, names the shapes and says what to do.

#include <concepts>
#include <cstddef>
#include <cstdio>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "headtorch/core/config.hpp"

namespace headtorch {

/// Base of all exceptions of the library. A module that an error passes through adds its name to the path (`net.conv2`).
class Error : public std::runtime_error {
public:
    explicit Error(std::string text) : std::runtime_error(text), text_(std::move(text)), full_(text_) {}

    const char* what() const noexcept override { return full_.c_str(); }

    /// Where the error arose, outermost module first, as `net.conv2`; empty outside modules.
    const std::string& module_path() const { return full_path_; }

    /// Called by nn::Module on the way out: puts `name` before the path.
    void prepend_module(std::string_view name) {
        path_ = path_.empty() ? std::string(name) : std::string(name) + "." + path_;
        join();
    }
    /// Called by nn::Module on the way out: the name of the outermost module so far, in front of the path.
    void set_root_module(std::string name) {
        root_ = std::move(name);
        join();
    }
    const std::string& root_module() const { return root_; }

    /// The module that the error passed last, and its type: its parent finds the member by them.
    const void* last_module = nullptr;
    const void* last_module_type = nullptr;

protected:
    /// The message without the path.
    const std::string& text() const { return text_; }

private:
    void join() {
        full_path_ = root_.empty() || path_.empty() ? root_ + path_ : root_ + "." + path_;
        // `linear: …` thrown by a Linear that stands alone is not named twice
        const bool named = path_.empty() && text_.compare(0, root_.size() + 1, root_ + ":") == 0;
        full_ = named || full_path_.empty() ? text_ : full_path_ + ": " + text_;
    }

    std::string text_, root_, path_, full_path_, full_;
};

/// Shapes that do not fit, a wrong rank, a size that overflows.
class ShapeError : public Error { public: using Error::Error; };
/// An index or a label out of range.
class IndexError : public Error { public: using Error::Error; };
/// An option or a value outside its domain.
class ValueError : public Error { public: using Error::Error; };
/// A gradient that cannot be had: no graph, a graph already freed, a saved value overwritten.
class AutogradError : public Error { public: using Error::Error; };
/// A file that is missing, truncated or malformed.
class IoError : public Error { public: using Error::Error; };
/// A NaN or an infinity that AnomalyMode (train/anomaly.hpp) found. The message says where, in which module, and nothing is put before it.
class AnomalyError : public Error {
public:
    using Error::Error;
    const char* what() const noexcept override { return text().c_str(); }
};
/// Memory that the system would not give.
class OutOfMemoryError : public Error { public: using Error::Error; };

namespace detail {

/// A piece of a message. Only what makes it is generic: a message costs its caller an array, not a function of its own.
class MessagePart {
public:
    MessagePart(std::string_view text) : kind_(Kind::text), text_(text) {}
    MessagePart(const char* text) : MessagePart(std::string_view(text)) {}
    MessagePart(const std::string& text) : MessagePart(std::string_view(text)) {}
    MessagePart(bool truth) : MessagePart(truth ? "true" : "false") {}
    MessagePart(char letter) : kind_(Kind::letter), letter_(letter) {}
    MessagePart(std::signed_integral auto number) : kind_(Kind::signed_number), signed_(number) {}
    MessagePart(std::unsigned_integral auto number) : kind_(Kind::unsigned_number), unsigned_(number) {}
    MessagePart(std::floating_point auto number) : kind_(Kind::real), real_(static_cast<double>(number)) {}
    template <class P>
        requires requires(const P& part) { part.to_string(); }
    MessagePart(const P& part)
        : kind_(Kind::object),
          object_{&part, [](const void* address) -> std::string { return static_cast<const P*>(address)->to_string(); }} {}

    void append_to(std::string& text) const {
        char buffer[32];
        switch (kind_) {
            case Kind::text: text += text_; break;
            case Kind::letter: text += letter_; break;
            case Kind::signed_number: text += std::to_string(signed_); break;
            case Kind::unsigned_number: text += std::to_string(unsigned_); break;
            case Kind::real: text.append(buffer, static_cast<std::size_t>(std::snprintf(buffer, sizeof buffer, "%g", real_))); break;
            case Kind::object: text += object_.print(object_.address); break;
        }
    }

private:
    struct Object {
        const void* address;
        std::string (*print)(const void*);
    };
    enum class Kind { text, letter, signed_number, unsigned_number, real, object } kind_;
    union {
        std::string_view text_;
        char letter_;
        long long signed_;
        unsigned long long unsigned_;
        double real_;
        Object object_;
    };
};

HEADTORCH_COLD inline std::string join_message(std::initializer_list<MessagePart> parts) {
    std::string text;
    for (const MessagePart& part : parts) part.append_to(text);
    return text;
}

}  // namespace detail

/// Joins strings, numbers and shapes: `message("matmul: ", a.shape(), " x ", b.shape())`.
template <class... Parts>
HEADTORCH_ALWAYS_INLINE std::string message(const Parts&... parts) {
    return detail::join_message({detail::MessagePart(parts)...});
}

}  // namespace headtorch
