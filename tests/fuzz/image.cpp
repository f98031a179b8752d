// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Fuzz target: PNG and JPEG images. A PNG is tried a second time with the right checksums, which hardly any change leaves right.
#include <zlib.h>

#include <vector>

#include "headtorch/io/image.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace headtorch;

namespace {

/// Chunks are: length, four letters, data, checksum of letters and data; numbers with the high byte first.
void mend_checksums(std::vector<std::uint8_t>& png) {
    for (std::size_t at = 8; at + 12 <= png.size();) {
        const std::size_t length =
            std::size_t{png[at]} << 24 | std::size_t{png[at + 1]} << 16 | std::size_t{png[at + 2]} << 8 | png[at + 3];
        if (length > png.size() - at - 12) return;
        const auto sum = crc32(0, png.data() + at + 4, static_cast<uInt>(length + 4));
        for (int i = 0; i < 4; ++i) png[at + 8 + length + static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(sum >> (24 - 8 * i));
        at += 12 + length;
    }
}

void decode(const std::uint8_t* data, std::size_t size) {
    expect_io_errors([&] { io::decode_image({data, size}, io::ImageReadMode::unchanged, {.max_pixels = 1 << 20}); });
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    decode(data, size);
    if (size > 8 && data[0] == 0x89) {
        std::vector<std::uint8_t> png(data, data + size);
        mend_checksums(png);
        decode(png.data(), png.size());
    }
    return 0;
}
