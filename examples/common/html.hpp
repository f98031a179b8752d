// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// HTML as the demos' pages and the gallery use it: one look, escaped text, nothing from outside the file.

#include <string>
#include <string_view>

namespace examples::html {

/// Text that means itself, between tags and in quoted attributes. What is no UTF-8 and control characters become U+FFFD.
std::string escaped(std::string_view text);

/// A relative link: the path with all but letters, digits and ./_- percent-encoded.
std::string link(std::string_view path);

/// `<name>text</name>`, the text escaped.
std::string element(const std::string& name, std::string_view text);

/// A whole page around `body`, which is HTML. It holds its style sheet; there is no script, and it loads nothing but its pictures.
std::string document(const std::string& title, const std::string& description, const std::string& body);

}  // namespace examples::html
