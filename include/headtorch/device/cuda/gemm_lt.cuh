// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Products of matrices by cuBLASLt. What it says of a problem (which of its kernels to take) is asked for once and kept.

#include <cublasLt.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>
#include <type_traits>
#include <unordered_map>

#include "headtorch/core/dtype.hpp"
#include "headtorch/device/cuda/gemm_kernel.cuh"
#include "headtorch/device/cuda/gemm_settings.cuh"
#include "headtorch/device/cuda/memory.cuh"

namespace headtorch::cuda {

/// Throws CudaError when a call of cuBLASLt did not succeed.
inline void check(cublasStatus_t status, std::string_view op, std::string_view call) {
    if (status == CUBLAS_STATUS_SUCCESS) [[likely]]
        return;
    const bool usable = status != CUBLAS_STATUS_EXECUTION_FAILED && cudaStreamQuery(nullptr) != cudaErrorIllegalAddress;
    throw CudaError(message(op, ": ", call, " failed: ", cublasLtGetStatusString(status), " (", cublasLtGetStatusName(status), ")",
                            usable ? "" : "; a kernel failed, and the GPU may not be usable any more by this process"),
                    usable);
}

namespace detail {

template <class T>
inline constexpr cudaDataType_t cuda_type = std::same_as<T, double>     ? CUDA_R_64F
                                            : std::same_as<T, float16>  ? CUDA_R_16F
                                            : std::same_as<T, bfloat16> ? CUDA_R_16BF
                                                                        : CUDA_R_32F;

/// Bytes that cuBLASLt may use for itself.
inline constexpr std::size_t lt_workspace = std::size_t{32} << 20;

/// This thread's handle of the current GPU.
inline cublasLtHandle_t lt_handle(std::string_view op) {
    struct Destroy {
        void operator()(cublasLtContext* it) const { cublasLtDestroy(it); }
    };
    static thread_local std::array<std::unique_ptr<cublasLtContext, Destroy>, max_devices> handles;
    auto& handle = handles[static_cast<std::size_t>(current_device())];
    if (!handle) {
        cublasLtHandle_t raw = nullptr;
        check(cublasLtCreate(&raw), op, "cublasLtCreate");
        handle.reset(raw);
    }
    return handle.get();
}

/// A matrix as cuBLASLt takes it: column-major, perhaps to be transposed.
struct LtMatrix {
    std::int64_t rows, cols, ld, batch_stride;
    bool transposed;
};

/// Everything that the choice of a kernel may depend on.
struct LtProblem {
    std::int64_t m, n, k, batch;
    LtMatrix a, b, c;
    std::int64_t type, result;  ///< cudaDataType_t of a and b, and of c and the bias
    std::int64_t tf32, add, epilogue, device;
    std::int64_t alignment[4];  ///< of a, b, c and the bias, in bytes

    using Words = std::array<std::int64_t, 29>;
    Words words() const {
        Words all{m,   n,        k,      batch,        type,         result,       tf32,
                  add, epilogue, device, alignment[0], alignment[1], alignment[2], alignment[3]};
        std::size_t at = 14;
        for (const LtMatrix& x : {a, b, c})
            for (const std::int64_t word : {x.rows, x.cols, x.ld, x.batch_stride, std::int64_t{x.transposed}}) all[at++] = word;
        return all;
    }
};
struct WordsHash {
    template <std::size_t n>
    std::size_t operator()(const std::array<std::int64_t, n>& words) const {
        std::uint64_t hash = 0xcbf29ce484222325;
        for (const std::int64_t word : words) {
            hash = (hash ^ static_cast<std::uint64_t>(word)) * 0x9e3779b97f4a7c15;
            hash ^= hash >> 29;
        }
        return static_cast<std::size_t>(hash);
    }
};

/// What cuBLASLt is told about a problem, and what it chose.
struct LtPlan {
    cublasLtMatmulDescOpaque_t product{};
    cublasLtMatrixLayoutOpaque_t a{}, b{}, c{};
    cublasLtMatmulAlgo_t algorithm{};
    std::size_t workspace = 0;
    bool possible = false;
};

template <class V>
void lt_set(LtPlan& plan, cublasLtMatmulDescAttributes_t what, V value, std::string_view op) {
    check(cublasLtMatmulDescSetAttribute(&plan.product, what, &value, sizeof value), op, "cublasLtMatmulDescSetAttribute");
}

inline LtPlan make_lt_plan(const LtProblem& problem, const void* bias, std::string_view op) {
    LtPlan plan;
    const auto type = static_cast<cudaDataType_t>(problem.type), result = static_cast<cudaDataType_t>(problem.result);
    const auto compute = type == CUDA_R_64F                        ? CUBLAS_COMPUTE_64F
                         : type == CUDA_R_32F && problem.tf32 != 0 ? CUBLAS_COMPUTE_32F_FAST_TF32
                                                                   : CUBLAS_COMPUTE_32F;
    check(cublasLtMatmulDescInit(&plan.product, compute, type == CUDA_R_64F ? CUDA_R_64F : CUDA_R_32F), op, "cublasLtMatmulDescInit");
    const auto operation = [](const LtMatrix& x) -> std::int32_t { return x.transposed ? CUBLAS_OP_T : CUBLAS_OP_N; };
    lt_set(plan, CUBLASLT_MATMUL_DESC_TRANSA, operation(problem.a), op);
    lt_set(plan, CUBLASLT_MATMUL_DESC_TRANSB, operation(problem.b), op);
    const auto epilogue = static_cast<Epilogue>(problem.epilogue);
    std::uint32_t after = epilogue == Epilogue::relu ? CUBLASLT_EPILOGUE_RELU : CUBLASLT_EPILOGUE_DEFAULT;
    if (bias) after = epilogue == Epilogue::none ? std::uint32_t{CUBLASLT_EPILOGUE_BIAS} : after | CUBLASLT_EPILOGUE_BIAS;
    lt_set(plan, CUBLASLT_MATMUL_DESC_EPILOGUE, after, op);
    if (bias) lt_set(plan, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias, op);

    const auto layout = [&](cublasLtMatrixLayoutOpaque_t& to, const LtMatrix& x, cudaDataType_t of) {
        check(cublasLtMatrixLayoutInit(&to, of, static_cast<std::uint64_t>(x.rows), static_cast<std::uint64_t>(x.cols), x.ld), op,
              "cublasLtMatrixLayoutInit");
        if (problem.batch == 1) return;
        const auto count = static_cast<std::int32_t>(problem.batch);
        check(cublasLtMatrixLayoutSetAttribute(&to, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count), op,
              "cublasLtMatrixLayoutSetAttribute");
        check(cublasLtMatrixLayoutSetAttribute(&to, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &x.batch_stride, sizeof x.batch_stride),
              op, "cublasLtMatrixLayoutSetAttribute");
    };
    layout(plan.a, problem.a, type);
    layout(plan.b, problem.b, type);
    layout(plan.c, problem.c, result);

    cublasLtMatmulPreferenceOpaque_t preference{};
    check(cublasLtMatmulPreferenceInit(&preference), op, "cublasLtMatmulPreferenceInit");
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t what, auto value) {
        check(cublasLtMatmulPreferenceSetAttribute(&preference, what, &value, sizeof value), op, "cublasLtMatmulPreferenceSetAttribute");
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, lt_workspace);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, static_cast<std::uint32_t>(problem.alignment[0]));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<std::uint32_t>(problem.alignment[1]));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, static_cast<std::uint32_t>(problem.alignment[2]));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, static_cast<std::uint32_t>(problem.alignment[2]));
    // where the depth is divided among blocks, halfs would be rounded in between
    if (result == CUDA_R_16F || result == CUDA_R_16BF)
        prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, std::uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});

    cublasLtMatmulHeuristicResult_t chosen{};
    int found = 0;
    const cublasStatus_t status =
        cublasLtMatmulAlgoGetHeuristic(lt_handle(op), &plan.product, &plan.a, &plan.b, &plan.c, &plan.c, &preference, 1, &chosen, &found);
    if (status != CUBLAS_STATUS_NOT_SUPPORTED && status != CUBLAS_STATUS_INVALID_VALUE) check(status, op, "cublasLtMatmulAlgoGetHeuristic");
    plan.possible = status == CUBLAS_STATUS_SUCCESS && found > 0 && chosen.state == CUBLAS_STATUS_SUCCESS;
    plan.algorithm = chosen.algo;
    plan.workspace = chosen.workspaceSize;
    return plan;
}

/// This thread's plan for a problem.
inline LtPlan& lt_plan(const LtProblem& problem, const void* bias, std::string_view op) {
    static thread_local std::unordered_map<LtProblem::Words, LtPlan, WordsHash> plans;
    const LtProblem::Words key = problem.words();
    const auto known = plans.find(key);
    if (known != plans.end()) return known->second;
    if (plans.size() >= 4096) plans.clear();  // shapes that never come again
    return plans.emplace(key, make_lt_plan(problem, bias, op)).first->second;
}

/// Largest power of two up to 256 that divides the address, and the step from matrix to matrix, in bytes.
inline std::int64_t alignment_of(const void* data, std::int64_t step) {
    const std::uint64_t bits = reinterpret_cast<std::uintptr_t>(data) | static_cast<std::uint64_t>(step) | 256;
    return static_cast<std::int64_t>(bits & (~bits + 1));
}

/// The matrix as it lies in memory, if cuBLASLt can read it: one of its strides is 1, and the other leads past the end of a row.
/// Column-major, a row-major matrix is its own transpose: so are all three here.
template <class T>
bool lt_matrix(MatrixRef<T> x, std::int64_t batch_stride, LtMatrix& to) {
    if (x.rows == 1 && x.col_stride != 1) {
        x.row_stride = 1;
    } else if (x.cols == 1) {
        x.col_stride = 1;
    }
    if (x.rows == 1 && x.col_stride == 1) x.row_stride = std::max(x.row_stride, x.cols);
    if (x.cols == 1 && x.row_stride == 1) x.col_stride = std::max(x.col_stride, x.rows);
    const bool by_rows = x.col_stride == 1 && x.row_stride >= x.cols, by_cols = x.row_stride == 1 && x.col_stride >= x.rows;
    if (by_rows)
        to = {x.cols, x.rows, x.row_stride, batch_stride, false};
    else if (by_cols)
        to = {x.rows, x.cols, x.col_stride, batch_stride, true};
    return by_rows || by_cols;
}

/// True when the product was left to cuBLASLt; false when it does not take it, for us to do it ourselves. a and b are readable (lt_matrix),
/// c has rows without gaps, and batch is at most 65535.
template <class T, class Out>
bool gemm_lt(std::string_view op, const Product<T, Out>& p) {
    LtProblem problem{};
    // c = a b, row-major, is c' = b' a', column-major: the factors change places
    if (!lt_matrix(p.b, p.b_batch, problem.a) || !lt_matrix(p.a, p.a_batch, problem.b) || !lt_matrix(p.c, p.c_batch, problem.c))
        return false;
    if (problem.c.transposed) return false;
    constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
    for (const LtMatrix& x : {problem.a, problem.b, problem.c})
        if (x.rows > most || x.cols > most) return false;
    problem.m = p.c.cols;
    problem.n = p.c.rows;
    problem.k = p.a.cols;
    problem.batch = p.batch;
    if (p.batch == 1) problem.a.batch_stride = problem.b.batch_stride = problem.c.batch_stride = 0;
    problem.type = cuda_type<T>;
    problem.result = cuda_type<Out>;
    problem.tf32 = std::same_as<T, float> && is_tf32_allowed();
    problem.add = p.add;
    problem.epilogue = static_cast<std::int64_t>(p.epilogue);
    problem.device = current_device();
    const auto step = [](const LtMatrix& x, std::size_t size) { return x.batch_stride * static_cast<std::int64_t>(size); };
    problem.alignment[0] = alignment_of(p.b.data, step(problem.a, sizeof(T)));
    problem.alignment[1] = alignment_of(p.a.data, step(problem.b, sizeof(T)));
    problem.alignment[2] = alignment_of(p.c.data, step(problem.c, sizeof(Out)));
    problem.alignment[3] = p.bias ? alignment_of(p.bias, 0) : 0;
    LtPlan& plan = lt_plan(problem, p.bias, op);
    if (!plan.possible) return false;

    if (p.bias) lt_set(plan, CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(p.bias), op);
    const Scratch<char> workspace(static_cast<std::int64_t>(plan.workspace));
    using Scale = std::conditional_t<std::same_as<T, double>, double, float>;
    const Scale alpha = 1, beta = p.add ? 1 : 0;
    check(cublasLtMatmul(lt_handle(op), &plan.product, &alpha, p.b.data, &plan.a, p.a.data, &plan.b, &beta, p.c.data, &plan.c, p.c.data,
                         &plan.c, &plan.algorithm, workspace.data(), plan.workspace, current_stream().get()),
          op, "cublasLtMatmul");
    return true;
}

}  // namespace detail
}  // namespace headtorch::cuda
