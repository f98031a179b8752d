// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Exceptions. Every message starts with the op, names the shapes and says what to do.

#include <concepts>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

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
/// Memory that the system would not give.
class OutOfMemoryError : public Error { public: using Error::Error; };

namespace detail {
inline void append_part(std::string& text, std::string_view part) { text += part; }
inline void append_part(std::string& text, const char* part) { text += part; }
inline void append_part(std::string& text, const std::string& part) { text += part; }
inline void append_part(std::string& text, char part) { text += part; }
inline void append_part(std::string& text, bool part) { text += part ? "true" : "false"; }
inline void append_part(std::string& text, std::integral auto part) { text += std::to_string(part); }
inline void append_part(std::string& text, std::floating_point auto part) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%g", static_cast<double>(part));
    text += buffer;
}
template <class P>
    requires requires(const P& part) { part.to_string(); }
void append_part(std::string& text, const P& part) { text += part.to_string(); }
}  // namespace detail

/// Joins strings, numbers and shapes: `message("matmul: ", a.shape(), " x ", b.shape())`.
template <class... Parts>
std::string message(const Parts&... parts) {
    std::string text;
    (detail::append_part(text, parts), ...);
    return text;
}

}  // namespace headtorch
