// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// NumPy's .npz: a zip archive with one .npy for each array, stored or deflated.

#include <string>
#include <string_view>

#include "headtorch/io/npy.hpp"
#include "headtorch/io/zip_reader.hpp"
#include "headtorch/io/zip_writer.hpp"

namespace headtorch::io {

/// The arrays of a .npz file by name, in the order of the archive. Throws IoError when anything in it is amiss.
inline nn::StateDict load_npz(const std::string& path, const LoadOptions& options = {}) {
    const RandomAccessFile file("load_npz", path);
    const ZipReader zip(file);
    nn::StateDict dict;
    detail::LoadNames names(file, options);
    for (const ZipEntry& entry : zip.entries()) {
        const std::string_view array = entry.name;
        if (!array.ends_with(".npy")) file.fail(detail::in_quotes(array), " in it is no .npy array");
        const auto name = names(array.substr(0, array.size() - 4));
        if (!name) continue;
        ZipStream stream(zip, entry);
        dict.append(*name, detail::read_npy(file, array, entry.size, options,
                                            [&](void* target, std::size_t count) { stream.read(target, count); }));
    }
    names.check_root();
    return dict;
}

/// Writes a .npz file, atomically.
inline void save_npz(const std::string& path, const nn::StateDict& dict, ZipOptions options = {}) {
    detail::check_unique("save_npz", dict);
    ZipWriter zip("save_npz", path, options);
    for (const auto& [name, tensor] : dict) {
        const auto impl = detail::contiguous_on_host("save_npz", name, tensor);
        detail::write_elements(*impl, [&, file = name + ".npy"](const void* data, std::size_t bytes) {
            zip.add(file, {detail::npy_header(*impl), std::string_view(static_cast<const char*>(data), bytes)});
        });
    }
    zip.commit();
}

}  // namespace headtorch::io
