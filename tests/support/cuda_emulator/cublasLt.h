// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#pragma once

/// The part of cuBLASLt that headtorch uses, with its names and numbers: products of column-major matrices, queued like a kernel and
/// computed in double. Stricter than the real one: what is multiplied must be what the heuristic was asked about, the alignment that it was
/// promised is checked, and the workspace is overwritten.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "cuda_runtime.h"

enum cudaDataType { CUDA_R_32F = 0, CUDA_R_64F = 1, CUDA_R_16F = 2, CUDA_R_16BF = 14 };
using cudaDataType_t = cudaDataType;

enum cublasStatus_t {
    CUBLAS_STATUS_SUCCESS = 0,
    CUBLAS_STATUS_NOT_INITIALIZED = 1,
    CUBLAS_STATUS_ALLOC_FAILED = 3,
    CUBLAS_STATUS_INVALID_VALUE = 7,
    CUBLAS_STATUS_ARCH_MISMATCH = 8,
    CUBLAS_STATUS_MAPPING_ERROR = 11,
    CUBLAS_STATUS_EXECUTION_FAILED = 13,
    CUBLAS_STATUS_INTERNAL_ERROR = 14,
    CUBLAS_STATUS_NOT_SUPPORTED = 15,
    CUBLAS_STATUS_LICENSE_ERROR = 16
};
enum cublasOperation_t { CUBLAS_OP_N = 0, CUBLAS_OP_T = 1, CUBLAS_OP_C = 2 };
enum cublasComputeType_t { CUBLAS_COMPUTE_32F = 68, CUBLAS_COMPUTE_32F_FAST_TF32 = 77, CUBLAS_COMPUTE_64F = 70 };
enum cublasLtEpilogue_t {
    CUBLASLT_EPILOGUE_DEFAULT = 1,
    CUBLASLT_EPILOGUE_RELU = 2,
    CUBLASLT_EPILOGUE_BIAS = 4,
    CUBLASLT_EPILOGUE_RELU_BIAS = 6,
    CUBLASLT_EPILOGUE_GELU = 32,
    CUBLASLT_EPILOGUE_GELU_BIAS = 36
};
enum cublasLtReductionScheme_t {
    CUBLASLT_REDUCTION_SCHEME_NONE = 0,
    CUBLASLT_REDUCTION_SCHEME_INPLACE = 1,
    CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE = 2,
    CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE = 4,
    CUBLASLT_REDUCTION_SCHEME_MASK = 7
};
enum cublasLtMatmulDescAttributes_t {
    CUBLASLT_MATMUL_DESC_TRANSA = 3,
    CUBLASLT_MATMUL_DESC_TRANSB = 4,
    CUBLASLT_MATMUL_DESC_EPILOGUE = 7,
    CUBLASLT_MATMUL_DESC_BIAS_POINTER = 8
};
enum cublasLtMatrixLayoutAttribute_t { CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT = 5, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET = 6 };
enum cublasLtMatmulPreferenceAttributes_t {
    CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES = 1,
    CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK = 3,
    CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES = 5,
    CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES = 6,
    CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES = 7,
    CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES = 8
};

struct cublasLtContext {
    int device;
};
using cublasLtHandle_t = cublasLtContext*;
struct cublasLtMatrixLayoutOpaque_t {
    alignas(8) unsigned char data[64];
};
struct cublasLtMatmulDescOpaque_t {
    alignas(8) unsigned char data[256];
};
struct cublasLtMatmulPreferenceOpaque_t {
    alignas(8) unsigned char data[64];
};
struct cublasLtMatmulAlgo_t {
    alignas(8) unsigned char data[64];
};
using cublasLtMatrixLayout_t = cublasLtMatrixLayoutOpaque_t*;
using cublasLtMatmulDesc_t = cublasLtMatmulDescOpaque_t*;
using cublasLtMatmulPreference_t = cublasLtMatmulPreferenceOpaque_t*;
struct cublasLtMatmulHeuristicResult_t {
    cublasLtMatmulAlgo_t algo;
    std::size_t workspaceSize;
    cublasStatus_t state;
    float wavesCount;
    int reserved[4];
};

namespace cuda_emulator::lt {

/// How many products have been asked for, so that tests know who did the work.
inline std::size_t products = 0;

struct Layout {
    cudaDataType_t type;
    std::int32_t batch;
    std::uint64_t rows, cols;
    std::int64_t ld, batch_stride;
    bool operator==(const Layout&) const = default;
};
struct Product {
    cublasComputeType_t compute;
    cudaDataType_t scale;
    std::int32_t transa, transb;
    std::uint32_t epilogue;
    const void* bias;
};
struct Preference {
    std::uint64_t workspace;
    std::uint32_t reduction, alignment[4];
};
struct Algorithm {
    std::uint64_t fingerprint, workspace;
    std::uint32_t alignment[4];
};

/// An opaque struct as what is in it.
template <class Inside, class Opaque>
Inside& in(Opaque* opaque) {
    static_assert(sizeof(Inside) <= sizeof(Opaque));
    return *reinterpret_cast<Inside*>(opaque->data);
}
template <class Inside, class Opaque>
const Inside& in(const Opaque* opaque) {
    return *reinterpret_cast<const Inside*>(opaque->data);
}

inline std::size_t size_of(cudaDataType_t type) { return type == CUDA_R_64F ? 8 : type == CUDA_R_32F ? 4 : 2; }

inline double load(cudaDataType_t type, const void* data, std::int64_t i) {
    if (type == CUDA_R_64F) return static_cast<const double*>(data)[i];
    if (type == CUDA_R_32F) return static_cast<double>(static_cast<const float*>(data)[i]);
    const std::uint16_t bits = static_cast<const std::uint16_t*>(data)[i];
    if (type == CUDA_R_16BF) {
        const std::uint32_t wide = static_cast<std::uint32_t>(bits) << 16;
        float x;
        std::memcpy(&x, &wide, sizeof x);
        return static_cast<double>(x);
    }
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    const double size = exponent == 31  ? (fraction != 0 ? NAN : INFINITY)
                        : exponent == 0 ? std::ldexp(fraction, -24)
                                        : std::ldexp(1024 + fraction, exponent - 25);
    return (bits & 0x8000) != 0 ? -size : size;
}

/// Rounds to `digits` binary digits, to nearest, ties to even; the last digit is worth at least 2^least.
inline double round_to(double x, int digits, int least) {
    if (x == 0 || !std::isfinite(x)) return x;
    const int last = std::max(std::ilogb(x) - digits + 1, least);
    return std::ldexp(std::nearbyint(std::ldexp(x, -last)), last);
}

inline void store(cudaDataType_t type, void* data, std::int64_t i, double x) {
    if (type == CUDA_R_64F) {
        static_cast<double*>(data)[i] = x;
    } else if (type == CUDA_R_32F) {
        static_cast<float*>(data)[i] = static_cast<float>(x);
    } else if (type == CUDA_R_16BF) {
        const auto rounded = static_cast<float>(round_to(x, 8, -133));
        std::uint32_t wide;
        std::memcpy(&wide, &rounded, sizeof wide);
        static_cast<std::uint16_t*>(data)[i] = static_cast<std::uint16_t>(std::isnan(x) ? 0x7fc0 : wide >> 16);
    } else {
        const double rounded = std::fabs(round_to(x, 11, -24));
        int bits;
        if (std::isnan(x))
            bits = 0x7e00;
        else if (rounded >= 65520)
            bits = 0x7c00;
        else if (rounded < 0x1p-14)
            bits = static_cast<int>(std::ldexp(rounded, 24));
        else
            bits = (std::ilogb(rounded) + 14) * 1024 + static_cast<int>(std::ldexp(rounded, 10 - std::ilogb(rounded)));
        static_cast<std::uint16_t*>(data)[i] = static_cast<std::uint16_t>(bits | (std::signbit(x) ? 0x8000 : 0));
    }
}

inline double after(std::uint32_t epilogue, double x) {
    if ((epilogue & CUBLASLT_EPILOGUE_RELU) != 0) return x > 0 ? x : 0;
    if ((epilogue & CUBLASLT_EPILOGUE_GELU) != 0) return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
    return x;
}

inline std::uint64_t fingerprint(const Product& product, const Layout& a, const Layout& b, const Layout& c) {
    std::uint64_t hash = 17;
    const auto add = [&](auto value) { hash = (hash ^ static_cast<std::uint64_t>(value)) * 0x100000001b3u; };
    for (const int value : {int{product.compute}, int{product.scale}, product.transa, product.transb}) add(value);
    add(product.epilogue);
    for (const Layout& x : {a, b, c}) {
        for (const auto value : {x.rows, x.cols, static_cast<std::uint64_t>(x.ld), static_cast<std::uint64_t>(x.batch_stride)}) add(value);
        add(int{x.type} + 100 * x.batch);
    }
    return hash;
}

inline bool valid(const Product& product, const Layout& a, const Layout& b, const Layout& c) {
    const auto m = product.transa == CUBLAS_OP_N ? a.rows : a.cols, k = product.transa == CUBLAS_OP_N ? a.cols : a.rows;
    const auto n = product.transb == CUBLAS_OP_N ? b.cols : b.rows, depth = product.transb == CUBLAS_OP_N ? b.rows : b.cols;
    const auto holds = [](const Layout& x) {
        return x.rows > 0 && x.cols > 0 && x.ld >= static_cast<std::int64_t>(x.rows) && x.batch >= 1;
    };
    const bool exact = a.type == CUDA_R_64F;
    return holds(a) && holds(b) && holds(c) && k == depth && c.rows == m && c.cols == n && a.type == b.type &&
           (a.type == c.type || (size_of(a.type) == 2 && c.type == CUDA_R_32F)) && a.batch == b.batch && a.batch == c.batch &&
           (product.compute == CUBLAS_COMPUTE_64F) == exact && (product.scale == CUDA_R_64F) == exact &&
           (product.compute != CUBLAS_COMPUTE_32F_FAST_TF32 || a.type == CUDA_R_32F) &&
           ((product.epilogue & CUBLASLT_EPILOGUE_BIAS) == 0 || product.bias != nullptr);
}

inline bool aligned(const void* p, std::uint64_t bytes) { return bytes != 0 && reinterpret_cast<std::uintptr_t>(p) % bytes == 0; }

/// All of a matrix, and of its batch, lies in one allocation of device memory.
inline bool in_device_memory(const void* data, const Layout& x) {
    const std::int64_t last =
        (x.batch - 1) * x.batch_stride + (static_cast<std::int64_t>(x.cols) - 1) * x.ld + static_cast<std::int64_t>(x.rows);
    return device_of(data) == current_device && has_room(data, static_cast<std::size_t>(last) * size_of(x.type));
}

struct Operands {
    const void *a, *b, *c;
    void* d;
    double alpha, beta;
};

inline void compute(const Product& product, const Layout& la, const Layout& lb, const Layout& lc, const Operands& o) {
    const auto m = static_cast<std::int64_t>(lc.rows), n = static_cast<std::int64_t>(lc.cols);
    const auto k = static_cast<std::int64_t>(product.transa == CUBLAS_OP_N ? la.cols : la.rows);
    const auto factor = [&](const Layout& x, const void* data, bool transposed, std::int64_t count, std::int64_t batch) {
        std::vector<double> values(static_cast<std::size_t>(count * k));  // depth by depth: [count][k]
        for (std::int64_t i = 0; i < count; ++i)
            for (std::int64_t p = 0; p < k; ++p) {
                const double value = load(x.type, data, batch * x.batch_stride + (transposed ? p + i * x.ld : i + p * x.ld));
                values[static_cast<std::size_t>(i * k + p)] =
                    product.compute == CUBLAS_COMPUTE_32F_FAST_TF32 ? round_to(value, 11, -136) : value;
            }
        return values;
    };
    for (std::int64_t batch = 0; batch < lc.batch; ++batch) {
        const std::vector<double> a = factor(la, o.a, product.transa != CUBLAS_OP_N, m, batch),
                                  b = factor(lb, o.b, product.transb == CUBLAS_OP_N, n, batch);
        for (std::int64_t j = 0; j < n; ++j)
            for (std::int64_t i = 0; i < m; ++i) {
                double sum = 0;
                for (std::int64_t p = 0; p < k; ++p) sum += a[static_cast<std::size_t>(i * k + p)] * b[static_cast<std::size_t>(j * k + p)];
                const std::int64_t at = batch * lc.batch_stride + i + j * lc.ld;
                sum *= o.alpha;
                if (o.beta != 0) sum += o.beta * load(lc.type, o.c, at);
                if ((product.epilogue & CUBLASLT_EPILOGUE_BIAS) != 0) sum += load(lc.type, product.bias, i);
                store(lc.type, o.d, at, after(product.epilogue, sum));
            }
    }
}

template <class Body>
cublasStatus_t call(const char* name, const Body& body) {
    cublasStatus_t status = CUBLAS_STATUS_SUCCESS;
    const cudaError_t error = cuda_emulator::call(name, [&] {
        status = body();
        return cudaSuccess;
    });
    return error == cudaSuccess                 ? status
           : error == cudaErrorMemoryAllocation ? CUBLAS_STATUS_ALLOC_FAILED
           : error == cudaErrorNotSupported     ? CUBLAS_STATUS_NOT_SUPPORTED
                                                : CUBLAS_STATUS_EXECUTION_FAILED;
}

}  // namespace cuda_emulator::lt

inline const char* cublasLtGetStatusName(cublasStatus_t status) {
    return status == CUBLAS_STATUS_SUCCESS            ? "CUBLAS_STATUS_SUCCESS"
           : status == CUBLAS_STATUS_ALLOC_FAILED     ? "CUBLAS_STATUS_ALLOC_FAILED"
           : status == CUBLAS_STATUS_INVALID_VALUE    ? "CUBLAS_STATUS_INVALID_VALUE"
           : status == CUBLAS_STATUS_EXECUTION_FAILED ? "CUBLAS_STATUS_EXECUTION_FAILED"
           : status == CUBLAS_STATUS_NOT_SUPPORTED    ? "CUBLAS_STATUS_NOT_SUPPORTED"
                                                      : "CUBLAS_STATUS_INTERNAL_ERROR";
}
inline const char* cublasLtGetStatusString(cublasStatus_t status) {
    return status == CUBLAS_STATUS_SUCCESS            ? "success"
           : status == CUBLAS_STATUS_EXECUTION_FAILED ? "the function failed to launch on the GPU"
                                                      : "an error";
}

inline cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
    return cuda_emulator::lt::call("cublasLtCreate", [&] {
        *handle = new cublasLtContext{cuda_emulator::current_device};
        return CUBLAS_STATUS_SUCCESS;
    });
}
inline cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
    delete handle;
    return CUBLAS_STATUS_SUCCESS;
}

inline cublasStatus_t cublasLtMatrixLayoutInit(cublasLtMatrixLayout_t layout, cudaDataType type, std::uint64_t rows, std::uint64_t cols,
                                               std::int64_t ld) {
    cuda_emulator::lt::in<cuda_emulator::lt::Layout>(layout) = {type, 1, rows, cols, ld, 0};
    return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t what,
                                                       const void* value, std::size_t size) {
    auto& to = cuda_emulator::lt::in<cuda_emulator::lt::Layout>(layout);
    if (size != (what == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT ? 4u : 8u)) return CUBLAS_STATUS_INVALID_VALUE;
    if (what == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT)
        std::memcpy(&to.batch, value, size);
    else
        std::memcpy(&to.batch_stride, value, size);
    return CUBLAS_STATUS_SUCCESS;
}

inline cublasStatus_t cublasLtMatmulDescInit(cublasLtMatmulDesc_t product, cublasComputeType_t compute, cudaDataType_t scale) {
    cuda_emulator::lt::in<cuda_emulator::lt::Product>(product) = {compute, scale, CUBLAS_OP_N, CUBLAS_OP_N, CUBLASLT_EPILOGUE_DEFAULT,
                                                                  nullptr};
    return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t product, cublasLtMatmulDescAttributes_t what, const void* value,
                                                     std::size_t size) {
    auto& to = cuda_emulator::lt::in<cuda_emulator::lt::Product>(product);
    if (size != (what == CUBLASLT_MATMUL_DESC_BIAS_POINTER ? 8u : 4u)) return CUBLAS_STATUS_INVALID_VALUE;
    void* const place = what == CUBLASLT_MATMUL_DESC_TRANSA     ? static_cast<void*>(&to.transa)
                        : what == CUBLASLT_MATMUL_DESC_TRANSB   ? static_cast<void*>(&to.transb)
                        : what == CUBLASLT_MATMUL_DESC_EPILOGUE ? static_cast<void*>(&to.epilogue)
                                                                : static_cast<void*>(&to.bias);
    std::memcpy(place, value, size);
    return CUBLAS_STATUS_SUCCESS;
}

inline cublasStatus_t cublasLtMatmulPreferenceInit(cublasLtMatmulPreference_t preference) {
    cuda_emulator::lt::in<cuda_emulator::lt::Preference>(preference) = {0, CUBLASLT_REDUCTION_SCHEME_MASK, {256, 256, 256, 256}};
    return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t what,
                                                           const void* value, std::size_t size) {
    auto& to = cuda_emulator::lt::in<cuda_emulator::lt::Preference>(preference);
    if (size != (what == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES ? 8u : 4u)) return CUBLAS_STATUS_INVALID_VALUE;
    void* const place = what == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES     ? static_cast<void*>(&to.workspace)
                        : what == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK ? static_cast<void*>(&to.reduction)
                                                                             : static_cast<void*>(&to.alignment[what - 5]);
    std::memcpy(place, value, size);
    return CUBLAS_STATUS_SUCCESS;
}

inline cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t product, cublasLtMatrixLayout_t a,
                                                     cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                                     cublasLtMatmulPreference_t preference, int wanted,
                                                     cublasLtMatmulHeuristicResult_t results[], int* found) {
    using namespace cuda_emulator::lt;
    return call("cublasLtMatmulAlgoGetHeuristic", [&] {
        *found = 0;
        const auto &p = in<Product>(product), &pa = p;
        const auto &la = in<Layout>(a), &lb = in<Layout>(b), &lc = in<Layout>(c);
        const auto& wishes = in<Preference>(preference);
        if (handle == nullptr || wanted < 1 || !(lc == in<Layout>(d)) || !valid(pa, la, lb, lc)) return CUBLAS_STATUS_INVALID_VALUE;
        for (int i = 0; i < 4; ++i)  // of a, b, c, d
            if (wishes.alignment[i] < size_of(i < 2 ? la.type : lc.type)) return CUBLAS_STATUS_INVALID_VALUE;
        const std::uint64_t workspace = std::min<std::uint64_t>(wishes.workspace, lc.rows * lc.cols * 4);
        results[0] = {};
        auto& algorithm = in<Algorithm>(&results[0].algo);
        algorithm = {fingerprint(p, la, lb, lc), workspace, {}};
        std::copy_n(wishes.alignment, 4, algorithm.alignment);
        results[0].workspaceSize = workspace;
        results[0].state = CUBLAS_STATUS_SUCCESS;
        results[0].wavesCount = 1;
        *found = 1;
        return CUBLAS_STATUS_SUCCESS;
    });
}

inline cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t product, const void* alpha, const void* a,
                                     cublasLtMatrixLayout_t layout_a, const void* b, cublasLtMatrixLayout_t layout_b, const void* beta,
                                     const void* c, cublasLtMatrixLayout_t layout_c, void* d, cublasLtMatrixLayout_t layout_d,
                                     const cublasLtMatmulAlgo_t* algo, void* workspace, std::size_t workspace_size,
                                     cudaStream_t handle_of_stream) {
    using namespace cuda_emulator::lt;
    return call("cublasLtMatmul", [&] {
        CUstream_st* stream = cuda_emulator::find_stream(handle_of_stream);
        const auto p = in<Product>(product);
        const auto la = in<Layout>(layout_a), lb = in<Layout>(layout_b), lc = in<Layout>(layout_c);
        const auto& chosen = in<Algorithm>(algo);
        if (handle == nullptr || stream == nullptr || handle->device != stream->device || stream->device != cuda_emulator::current_device)
            return CUBLAS_STATUS_INVALID_VALUE;
        if (!(lc == in<Layout>(layout_d)) || chosen.fingerprint != fingerprint(p, la, lb, lc) || workspace_size < chosen.workspace)
            return CUBLAS_STATUS_INVALID_VALUE;
        if (!aligned(a, chosen.alignment[0]) || !aligned(b, chosen.alignment[1]) || !aligned(c, chosen.alignment[2]) ||
            !aligned(d, chosen.alignment[3]))
            return CUBLAS_STATUS_INVALID_VALUE;
        if (!in_device_memory(a, la) || !in_device_memory(b, lb) || !in_device_memory(d, lc)) return CUBLAS_STATUS_INVALID_VALUE;
        if (workspace_size > 0 && !cuda_emulator::has_room(workspace, workspace_size)) return CUBLAS_STATUS_INVALID_VALUE;
        const auto scale = [&](const void* value) {
            return p.scale == CUDA_R_64F ? *static_cast<const double*>(value) : static_cast<double>(*static_cast<const float*>(value));
        };
        const Operands operands{a, b, c, d, scale(alpha), scale(beta)};
        ++products;
        const cudaError_t error = cuda_emulator::enqueue(*stream, "cublasLtMatmul", 1u << stream->device, [=] {
            if (workspace_size > 0) std::memset(workspace, 0xff, workspace_size);
            compute(p, la, lb, lc, operands);
        });
        return error == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
    });
}
