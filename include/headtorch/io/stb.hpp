// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// stb_image and stb_image_write (https://github.com/nothings/stb), set up by the macros that are their interface: JPEG and PNG only,
/// from and to memory, local to each file that includes them. Everything else is in io/image.hpp.

#include <zlib.h>

#include <climits>
#include <cstdlib>
#include <cstring>

namespace headtorch::io::detail {

/// Packs with zlib, which does it better and sooner than stb's own few lines, at zlib's own level. The result is freed with free().
inline unsigned char* zlib_pack(unsigned char* data, int size, int* packed_size, int) {
    uLongf room = compressBound(static_cast<uLong>(size));
    auto* packed = static_cast<unsigned char*>(room <= INT_MAX ? std::malloc(room) : nullptr);
    if (packed && compress2(packed, &room, data, static_cast<uLong>(size), Z_DEFAULT_COMPRESSION) != Z_OK) {
        std::free(packed);
        packed = nullptr;
    }
    *packed_size = packed ? static_cast<int>(room) : 0;
    return packed;
}

}  // namespace headtorch::io::detail

// Memory is zeroed, for stb_image reads tables and coefficients that a malformed file never set; its assertions would end the program on
// such files, and io/image_check.hpp sees to it that what they guard against does no harm.
#define STBI_MALLOC(size) std::calloc(1, size)
#define STBI_REALLOC(block, size) std::realloc(block, size)
#define STBI_FREE(block) std::free(block)
#define STBI_ASSERT(condition) static_cast<void>(0)
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STBI_WRITE_NO_STDIO
#define STBIW_ZLIB_COMPRESS headtorch::io::detail::zlib_pack

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#if defined(__clang__)  // sums of corrupt coefficients wrap around
#pragma clang attribute push(__attribute__((no_sanitize("signed-integer-overflow", "shift"))), apply_to = function)
#endif
#if __has_include(<stb/stb_image.h>)
#include <stb/stb_image.h>
#include <stb/stb_image_write.h>
#else
#include <stb_image.h>
#include <stb_image_write.h>
#endif
#if defined(__clang__)
#pragma clang attribute pop
#endif
#pragma GCC diagnostic pop

// A program that uses stb itself sets it up again.
#undef STBI_MALLOC
#undef STBI_REALLOC
#undef STBI_FREE
#undef STBI_ASSERT
#undef STB_IMAGE_STATIC
#undef STB_IMAGE_IMPLEMENTATION
#undef STBI_ONLY_JPEG
#undef STBI_ONLY_PNG
#undef STBI_NO_STDIO
#undef STB_IMAGE_WRITE_STATIC
#undef STB_IMAGE_WRITE_IMPLEMENTATION
#undef STBI_WRITE_NO_STDIO
#undef STBIW_ZLIB_COMPRESS
