// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "examples/common/html.hpp"

#include <cstddef>

namespace examples::html {
namespace {

/// Bytes of the UTF-8 character that `text` starts with; 0 if it is none (overlong, a surrogate, cut off).
std::size_t character(std::string_view text) {
    const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
    const unsigned first = byte(0), second = byte(1);
    if (first < 0x80) return 1;
    const std::size_t length = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
    const unsigned least = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80, most = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (length == 0 || second < least || second > most) return 0;
    for (std::size_t i = 2; i < length; ++i)
        if ((byte(i) & 0xC0) != 0x80) return 0;
    return length;
}

constexpr const char* style = R"css(
:root { color-scheme: light dark; --paper: #fffdf9; --ink: #24211d; --soft: #6a645b; --rule: #ddd6ca; --panel: #f5f1e9; --accent: #0067a3; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #17181a; --ink: #e6e3dd; --soft: #a29d94; --rule: #3a3c40; --panel: #212326; --accent: #6cb8ea; }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 49rem; background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.6 "Palatino Linotype", Palatino, "URW Palladio L", P052, "Book Antiqua", Georgia, serif;
  overflow-wrap: break-word; hanging-punctuation: first;
}
h1 { font-size: 2.25rem; line-height: 1.15; font-weight: 600; margin: 0 0 .6rem; text-wrap: balance; }
h2 { font-size: 1.4rem; line-height: 1.25; font-weight: 600; margin: 3rem 0 1rem; padding-top: .9rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1.1rem; line-height: 1.3; font-weight: 600; margin: 0 0 .4rem; }
p { margin: 0 0 1rem; }
a { color: var(--accent); text-underline-offset: .15em; text-decoration-thickness: 1px; }
a:focus-visible, pre:focus-visible, .wide:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.over { font-size: .875rem; color: var(--soft); margin: 0 0 .9rem; letter-spacing: .02em; }
.lead { font-size: 1.2rem; line-height: 1.5; color: var(--soft); margin: 0 0 1.4rem; text-wrap: pretty; }
.fine { font-size: .9rem; color: var(--soft); }
code, pre, kbd { font-family: ui-monospace, "Cascadia Mono", "SF Mono", Menlo, "DejaVu Sans Mono", monospace; font-size: .84em; }
pre {
  margin: 0 0 1rem; padding: .8rem 1rem; background: var(--panel); border: 1px solid var(--rule); border-radius: 4px;
  font-size: .8rem; line-height: 1.5; overflow: auto; max-height: 28rem; tab-size: 8;
}
pre.command { white-space: pre-wrap; }
.numbers { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: 0 1.5rem; margin: 0; }
.numbers div { border-top: 1px solid var(--rule); padding: .55rem 0 .85rem; display: flex; flex-direction: column-reverse; justify-content: flex-end; }
.numbers dt { font-size: .9rem; line-height: 1.35; color: var(--soft); }
.numbers dd { margin: 0; font-size: 1.6rem; line-height: 1.25; font-variant-numeric: lining-nums tabular-nums; }
.numbers dd small { font-size: .65em; color: var(--soft); }
figure { margin: 2rem 0; break-inside: avoid; }
figure img {
  display: block; max-width: 100%; max-height: 52rem; width: auto; height: auto; margin: 0 auto; background: #fff;
  border: 1px solid var(--rule); border-radius: 4px;
}
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); gap: 2.5rem 2rem; margin: 0 0 1rem; }
.card { border-top: 1px solid var(--rule); padding-top: 1rem; }
.card h2 { font-size: 1.2rem; margin: .9rem 0 .3rem; padding: 0; border: 0; }
.card p { margin: 0 0 .7rem; font-size: .95rem; line-height: 1.45; color: var(--soft); }
.card img { display: block; width: 100%; height: 14rem; object-fit: contain; background: #fff; border: 1px solid var(--rule); border-radius: 4px; }
.card .numbers { grid-template-columns: repeat(auto-fill, minmax(7rem, 1fr)); gap: 0 1rem; }
.card .numbers div:nth-child(n+7) { display: none; }
.card .numbers div { padding: .3rem 0 .4rem; }
.card .numbers dt { font-size: .8rem; }
.card .numbers dd { font-size: 1.1rem; }
.card.missing { border-left: 3px solid var(--rule); padding-left: 1rem; }
body:has(.cards) { max-width: 72rem; }
figcaption, caption { font-size: .95rem; line-height: 1.45; color: var(--soft); text-align: left; text-wrap: pretty; }
figcaption { margin-top: .6rem; }
figcaption b, caption b { color: var(--ink); font-weight: 600; }
caption { padding-bottom: .6rem; }
.wide { overflow-x: auto; margin: 2rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .95rem; line-height: 1.4; font-variant-numeric: lining-nums tabular-nums; }
thead th { border-bottom: 1px solid var(--soft); font-weight: 600; vertical-align: bottom; }
th, td { padding: .35rem .75rem .35rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--rule); }
th:last-child, td:last-child { padding-right: 0; }
th.n, td.n { text-align: right; white-space: nowrap; }
tbody th { font-weight: 400; white-space: nowrap; }
tr.default td { color: var(--soft); }
footer { margin-top: 3.5rem; padding-top: .9rem; border-top: 1px solid var(--rule); font-size: .875rem; color: var(--soft); }
@media (max-width: 34rem) {
  body { padding: 1.5rem 1rem 3rem; font-size: 1rem; }
  h1 { font-size: 1.8rem; }
  .lead { font-size: 1.1rem; }
  .numbers { grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)); gap: 0 1rem; }
  .numbers dd { font-size: 1.35rem; }
  table.settings thead { display: none; }
  table.settings tr { display: grid; grid-template-columns: auto 1fr; gap: 0 .75rem; border-bottom: 1px solid var(--rule); padding: .4rem 0; }
  table.settings th, table.settings td { border: 0; padding: 0; }
  table.settings td:last-child { grid-column: 1 / -1; color: var(--soft); }
}
@media print {
  :root { color-scheme: light; --paper: #fff; --ink: #000; --soft: #444; --rule: #bbb; --panel: #fff; --accent: #000; }
  body { max-width: none; padding: 0; font-size: 10.5pt; }
  h2, h3 { break-after: avoid; }
  pre { max-height: none; overflow: visible; white-space: pre-wrap; font-size: 8pt; }
  tr { break-inside: avoid; }
  figure img { max-height: 14cm; }
  .over a { display: none; }
}
)css";

}  // namespace

std::string escaped(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    while (!text.empty()) {
        const char c = text.front();
        const std::size_t length = character(text);
        if (length == 0 || (static_cast<unsigned char>(c) < 32 && c != '\n' && c != '\t') || c == '\x7f')
            result += "\uFFFD";
        else if (c == '&')
            result += "&amp;";
        else if (c == '<')
            result += "&lt;";
        else if (c == '>')
            result += "&gt;";
        else if (c == '"')
            result += "&quot;";
        else if (c == '\'')
            result += "&#39;";
        else
            result += text.substr(0, length);
        text.remove_prefix(length == 0 ? 1 : length);
    }
    return result;
}

std::string link(std::string_view path) {
    static constexpr char digits[] = "0123456789ABCDEF";
    std::string result;
    for (const char c : path) {
        const bool plain =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '/' || c == '_' || c == '-';
        const auto byte = static_cast<unsigned char>(c);
        if (plain)
            result += c;
        else
            result += {'%', digits[byte / 16], digits[byte % 16]};
    }
    return result;
}

std::string element(const std::string& name, std::string_view text) { return "<" + name + ">" + escaped(text) + "</" + name + ">"; }

std::string document(const std::string& title, const std::string& description, const std::string& body) {
    return "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n"
           "<meta name=\"description\" content=\"" +
           escaped(description) + "\">\n" + element("title", title) + "\n<style>" + style + "</style>\n</head>\n<body>\n" + body +
           "</body>\n</html>\n";
}

}  // namespace examples::html
