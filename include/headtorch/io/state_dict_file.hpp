// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// State dictionaries in files, of the format that the name's ending says.
///
///     io::save("net.safetensors", net.state_dict());
///     net.load_state_dict(io::load("net.safetensors"));
///     net.load_state_dict(io::load("from_torch.pt", {.dtype = Dtype::float32, .root = "model", .rename = {{"module.", ""}}}), false);
///
/// | ending | what it is |
/// |---|---|
/// | .safetensors | safetensors |
/// | .pt, .pth | PyTorch's, a zip file with a pickle; nothing of a pickle is executed |
/// | .npz, .npy | NumPy's: arrays by name, or a single one, which is called "tensor" |

#include <string>
#include <string_view>

#include "headtorch/io/load_options.hpp"
#include "headtorch/io/npz.hpp"
#include "headtorch/io/safetensors.hpp"
#include "headtorch/io/torch_file.hpp"

namespace headtorch::io {
namespace detail {

/// What follows the last dot of the file's name, in lower case.
inline std::string ending_of(const std::string& path) {
    const std::size_t dot = path.find_last_of("./");
    if (dot == std::string::npos || path[dot] == '/') return "";
    std::string ending = path.substr(dot + 1);
    for (char& c : ending) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return ending;
}
[[noreturn]] inline void throw_unknown_ending(std::string_view op, const std::string& path) {
    throw ValueError(message(op, ": ", path, ": the name must end in .safetensors, .pt, .pth, .npz or .npy"));
}

}  // namespace detail

/// Writes the tensors to a file, atomically: whatever goes wrong, an older file stays as it was. Throws IoError when it cannot be written,
/// ValueError for another ending.
inline void save(const std::string& path, const nn::StateDict& dict) {
    const std::string ending = detail::ending_of(path);
    if (ending == "safetensors") return save_safetensors(path, dict);
    if (ending == "pt" || ending == "pth") return save_torch(path, dict);
    if (ending == "npz") return save_npz(path, dict);
    if (ending != "npy") detail::throw_unknown_ending("save", path);
    if (dict.size() != 1) throw ValueError(message("save: ", path, ": a .npy file holds one tensor, not ", dict.size(), "; name it .npz"));
    save_npy(path, dict[0].second);
}

/// The tensors of a file. Throws IoError, naming the file and the reason, when anything in it is amiss.
inline nn::StateDict load(const std::string& path, const LoadOptions& options = {}) {
    const std::string ending = detail::ending_of(path);
    if (ending == "safetensors") return load_safetensors(path, options);
    if (ending == "pt" || ending == "pth") return load_torch(path, options);
    if (ending == "npz") return load_npz(path, options);
    if (ending != "npy") detail::throw_unknown_ending("load", path);
    return {{detail::renamed("tensor", options.rename), load_npy(path, options)}};
}

}  // namespace headtorch::io
