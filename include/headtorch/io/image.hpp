// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Images: reads JPEG and PNG, writes them, through stb_image. A tensor of an image is [channels, height, width], bytes from 0 to 255.
/// Needs zlib and stb: link with headtorch::io.

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "headtorch/core/error.hpp"
#include "headtorch/io/atomic_file.hpp"
#include "headtorch/io/image_check.hpp"
#include "headtorch/io/stb.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::io {

/// What an image becomes when it is read: as it is in the file (bit depths below and above 8, palettes and inks become bytes, grey or
/// red, green and blue), or converted to 1, 2, 3 or 4 channels. torchvision's names.
enum class ImageReadMode { unchanged, gray, gray_alpha, rgb, rgb_alpha };

namespace detail {

struct FreeImage {
    void operator()(std::uint8_t* image) const { std::free(image); }
};
using OwnedBytes = std::unique_ptr<std::uint8_t, FreeImage>;

/// From `from` to `to` channels: grey is 0.299 r + 0.587 g + 0.114 b (ITU-R 601), rounded as Pillow does; what was opaque has alpha 255.
inline void convert_pixel(const std::uint8_t* in, std::int64_t from, std::uint8_t* out, std::int64_t to, std::int64_t step) {
    const bool grey_in = from < 3, grey_out = to < 3;
    const std::uint8_t alpha = from % 2 == 0 ? in[from - 1] : std::uint8_t{255};
    if (grey_out) {
        out[0] = grey_in ? in[0] : static_cast<std::uint8_t>((in[0] * 19595u + in[1] * 38470u + in[2] * 7471u + 0x8000u) >> 16);
    } else {
        for (std::int64_t c = 0; c < 3; ++c) out[c * step] = in[grey_in ? 0 : c];
    }
    if (to % 2 == 0) out[(to - 1) * step] = alpha;
}

/// A palette with all 256 entries, if the image has one: stb_image would show what its memory held for those that are missing.
inline std::vector<std::uint8_t> with_whole_palette(ImageBytes bytes) {
    constexpr std::size_t whole = 3 * 256;
    const auto length_at = [&](std::size_t at) {
        return std::size_t{bytes[at]} << 24 | std::size_t{bytes[at + 1]} << 16 | std::size_t{bytes[at + 2]} << 8 | bytes[at + 3];
    };
    for (std::size_t at = 8; bytes[25] == 3 && at + 12 <= bytes.size(); at += 12 + length_at(at)) {
        const std::size_t length = length_at(at);
        if (std::memcmp(bytes.data() + at + 4, "PLTE", 4) != 0 || length >= whole) continue;
        std::vector<std::uint8_t> padded(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(at + 8 + length));
        padded.resize(at + 8 + whole);
        padded.insert(padded.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at + 8 + length), bytes.end());
        padded[at + 2] = whole >> 8;
        padded[at + 3] = whole & 255;
        return padded;
    }
    return {};
}

inline Tensor<std::uint8_t, Cpu> decode_image(ImageBytes bytes, ImageReadMode mode, const ImageLimits& limits, std::string_view subject) {
    ImageCheck check(bytes, limits, subject);
    if (bytes.size() > INT_MAX) check.fail("a file of ", bytes.size(), " bytes, more than stb_image takes");
    const ImageInfo info = check.run();
    std::vector<std::uint8_t> padded;
    if (info.format == ImageFormat::png) padded = with_whole_palette(bytes);
    if (!padded.empty()) bytes = padded;
    int width = 0, height = 0, in_file = 0;
    const OwnedBytes image(stbi_load_from_memory(bytes.data(), static_cast<int>(bytes.size()), &width, &height, &in_file, 0));
    if (!image) check.fail("stb_image cannot decode it (", stbi_failure_reason() ? stbi_failure_reason() : "it gives no reason", ")");
    if (width != info.width || height != info.height) check.fail("corrupt: two headers that differ");
    const std::int64_t from = in_file, to = mode == ImageReadMode::unchanged ? from : static_cast<std::int64_t>(mode);
    auto result = empty<std::uint8_t, Cpu>({to, height, width});
    const std::int64_t pixels = info.width * info.height;
    for (std::int64_t i = 0; i < pixels; ++i) convert_pixel(image.get() + i * from, from, result.data() + i, to, pixels);
    return result;
}

/// Everything in a file, which is refused early when it does not start as an image does.
inline std::vector<std::uint8_t> read_image_file(const std::string& path) {
    struct Close {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };
    const auto fail = [&](const auto&... parts) { throw IoError(message("read_image: ", path, ": ", parts...)); };
    const std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), "rb"));
    if (!file) fail("cannot open it: ", std::strerror(errno));
    std::vector<std::uint8_t> bytes;
    std::size_t size = 0;
    for (std::size_t piece = 8;; piece = std::clamp<std::size_t>(size, 1 << 16, 1 << 24)) {
        bytes.resize(size + piece);
        const std::size_t got = std::fread(bytes.data() + size, 1, piece, file.get());
        if (std::ferror(file.get())) fail("cannot read it: ", std::strerror(errno));
        size += got;
        const ImageBytes start(bytes.data(), size);
        const bool image =
            ImageCheck::has_prefix(start, ImageCheck::png_signature) || ImageCheck::has_prefix(start, ImageCheck::jpeg_signature);
        if (got < piece || !image || size > INT_MAX) break;
    }
    bytes.resize(size);
    return bytes;
}

/// Rows of pixels from a tensor [c, h, w] or [h, w], as stb_image_write takes them.
struct PixelRows {
    int width, height, channels;
    std::vector<std::uint8_t> bytes;
};

HEADTORCH_NOINLINE inline PixelRows pixel_rows(std::string_view op, const TensorImpl& image) {
    const Shape& shape = image.shape;
    const int rank = shape.rank();
    if (rank != 2 && rank != 3) throw ShapeError(message(op, ": an image is [channels, height, width] or [height, width], got ", shape));
    const std::int64_t channels = rank == 3 ? shape[0] : 1, height = shape[rank - 2], width = shape[rank - 1];
    if (channels < 1 || channels > 4) throw ShapeError(message(op, ": an image has 1 to 4 channels, got ", shape));
    if (image.numel == 0) throw ShapeError(message(op, ": an image without pixels: ", shape));
    if (width > INT_MAX / 8 / height / channels)
        throw ShapeError(message(op, ": an image of shape ", shape, " is too large for stb_image"));
    PixelRows rows{static_cast<int>(width), static_cast<int>(height), static_cast<int>(channels), {}};
    rows.bytes.reserve(static_cast<std::size_t>(image.numel));
    const std::int64_t step = rank == 3 ? image.strides[0] : 0;
    for (std::int64_t y = 0; y < height; ++y)
        for (std::int64_t x = 0; x < width; ++x)
            for (std::int64_t c = 0; c < channels; ++c) {
                const std::int64_t at = c * step + y * image.strides[rank - 2] + x * image.strides[rank - 1];
                const auto byte = [](double value) {  // torchvision's rounding; black for NaN
                    return value > 0 ? static_cast<std::uint8_t>(std::min(255.0, std::floor(value * 255 + 0.5))) : std::uint8_t{0};
                };
                rows.bytes.push_back(image.dtype == Dtype::uint8     ? static_cast<const std::uint8_t*>(image.data)[at]
                                     : image.dtype == Dtype::float32 ? byte(static_cast<double>(static_cast<const float*>(image.data)[at]))
                                                                     : byte(static_cast<const double*>(image.data)[at]));
            }
    return rows;
}

inline void write_image(std::string_view op, const std::string& path, const std::vector<std::uint8_t>& bytes) {
    AtomicFile file(op, path);
    file.write(bytes.data(), bytes.size());
    file.commit();
}

}  // namespace detail

/// Element types of images: bytes from 0 to 255, or floating-point numbers from 0 to 1.
template <class T>
concept PixelType = std::same_as<T, std::uint8_t> || std::floating_point<T>;

/// What the header of a PNG or JPEG image says; everything that decode_image checks before it decodes has then been checked.
inline ImageInfo image_info(std::span<const std::uint8_t> bytes, const ImageLimits& limits = {}) {
    return detail::ImageCheck(bytes, limits, "image_info").run();
}

/// The image [channels, height, width] in the bytes of a PNG or JPEG file. Throws IoError when they are truncated, corrupt or of another
/// format, or when the image is beyond the limits.
inline Tensor<std::uint8_t, Cpu> decode_image(std::span<const std::uint8_t> bytes, ImageReadMode mode = ImageReadMode::unchanged,
                                         const ImageLimits& limits = {}) {
    return detail::decode_image(bytes, mode, limits, "decode_image");
}

/// The same from a file: `read_image("cat.jpg", io::ImageReadMode::rgb)`.
inline Tensor<std::uint8_t, Cpu> read_image(const std::string& path, ImageReadMode mode = ImageReadMode::unchanged,
                                       const ImageLimits& limits = {}) {
    return detail::decode_image(detail::read_image_file(path), mode, limits, "read_image: " + path);
}

/// The bytes of a PNG file of an image [c, h, w] (1 to 4 channels) or [h, w]; floating-point numbers are clamped to 0 … 1.
template <PixelType T>
std::vector<std::uint8_t> encode_png(const Tensor<T, Cpu>& image) {
    const auto rows = detail::pixel_rows("encode_png", *image.get());
    int size = 0;
    const detail::OwnedBytes bytes(stbi_write_png_to_mem(rows.bytes.data(), 0, rows.width, rows.height, rows.channels, &size));
    if (!bytes) throw OutOfMemoryError(message("encode_png: no memory for an image of shape ", image.shape()));
    return {bytes.get(), bytes.get() + size};
}

/// The bytes of a baseline JPEG file of an image [c, h, w] (1 or 3 channels) or [h, w]; quality from 1 to 100.
template <PixelType T>
std::vector<std::uint8_t> encode_jpeg(const Tensor<T, Cpu>& image, int quality = 75) {
    if (quality < 1 || quality > 100) throw ValueError(message("encode_jpeg: quality is from 1 to 100, got ", quality));
    const auto rows = detail::pixel_rows("encode_jpeg", *image.get());
    if (rows.channels % 2 == 0) throw ShapeError(message("encode_jpeg: JPEG has no alpha: 1 or 3 channels, got ", image.shape()));
    if (rows.width > 65535 || rows.height > 65535) throw ShapeError(message("encode_jpeg: at most 65535 to a side, got ", image.shape()));
    std::vector<std::uint8_t> bytes;
    const auto append = [](void* target, void* data, int size) {
        auto& all = *static_cast<std::vector<std::uint8_t>*>(target);
        all.insert(all.end(), static_cast<std::uint8_t*>(data), static_cast<std::uint8_t*>(data) + size);
    };
    stbi_write_jpg_to_func(append, &bytes, rows.width, rows.height, rows.channels, rows.bytes.data(), quality);
    return bytes;
}

/// Writes encode_png(image) to a file, which is whole or, when that fails, as it was before. Throws IoError.
template <PixelType T>
void write_png(const std::string& path, const Tensor<T, Cpu>& image) {
    detail::write_image("write_png", path, encode_png(image));
}

/// Writes encode_jpeg(image, quality) to a file, in the same manner.
template <PixelType T>
void write_jpeg(const std::string& path, const Tensor<T, Cpu>& image, int quality = 75) {
    detail::write_image("write_jpeg", path, encode_jpeg(image, quality));
}

}  // namespace headtorch::io
