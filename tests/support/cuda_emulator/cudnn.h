// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#pragma once

/// The part of cuDNN 9 that headtorch uses, with its names and numbers: convolutions of plain row-major tensors, queued like a kernel and
/// computed in double. The heuristics offer several algorithms, of which some are not deterministic, too greedy or less exact; what an
/// algorithm is executed with must be what was asked about, and the workspace is overwritten.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "cublasLt.h"
#include "cuda_runtime.h"

#define CUDNN_MAJOR 9

enum cudnnStatus_t {
    CUDNN_STATUS_SUCCESS = 0,
    CUDNN_STATUS_BAD_PARAM = 2000,
    CUDNN_STATUS_NOT_SUPPORTED = 3000,
    CUDNN_STATUS_INTERNAL_ERROR = 4000,
    CUDNN_STATUS_EXECUTION_FAILED = 5000
};
enum cudnnDataType_t { CUDNN_DATA_FLOAT = 0, CUDNN_DATA_DOUBLE = 1, CUDNN_DATA_HALF = 2, CUDNN_DATA_BFLOAT16 = 9 };
enum cudnnMathType_t { CUDNN_DEFAULT_MATH = 0, CUDNN_TENSOR_OP_MATH = 1, CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION = 2, CUDNN_FMA_MATH = 3 };
enum cudnnTensorFormat_t { CUDNN_TENSOR_NCHW = 0 };
enum cudnnConvolutionMode_t { CUDNN_CONVOLUTION = 0, CUDNN_CROSS_CORRELATION = 1 };
enum cudnnDeterminism_t { CUDNN_NON_DETERMINISTIC = 0, CUDNN_DETERMINISTIC = 1 };
enum cudnnConvolutionFwdAlgo_t : int {};
enum cudnnConvolutionBwdDataAlgo_t : int {};
enum cudnnConvolutionBwdFilterAlgo_t : int {};

struct cudnnContext {
    int device;
    cudaStream_t stream;
};
struct cudnnTensorStruct {
    cudnnDataType_t type;
    int rank, sizes[5], strides[5];
};
struct cudnnFilterStruct {
    cudnnDataType_t type;
    int rank, sizes[5];
};
struct cudnnConvolutionStruct {
    int axes, padding[3], stride[3], dilation[3], groups;
    cudnnMathType_t math;
    cudnnDataType_t compute;
};
using cudnnHandle_t = cudnnContext*;
using cudnnTensorDescriptor_t = cudnnTensorStruct*;
using cudnnFilterDescriptor_t = cudnnFilterStruct*;
using cudnnConvolutionDescriptor_t = cudnnConvolutionStruct*;

template <class Algorithm>
struct CudnnEmulatorPerf {
    Algorithm algo;
    cudnnStatus_t status;
    float time;
    std::size_t memory;
    cudnnDeterminism_t determinism;
    cudnnMathType_t mathType;
    int reserved[3];
};
using cudnnConvolutionFwdAlgoPerf_t = CudnnEmulatorPerf<cudnnConvolutionFwdAlgo_t>;
using cudnnConvolutionBwdDataAlgoPerf_t = CudnnEmulatorPerf<cudnnConvolutionBwdDataAlgo_t>;
using cudnnConvolutionBwdFilterAlgoPerf_t = CudnnEmulatorPerf<cudnnConvolutionBwdFilterAlgo_t>;

namespace cuda_emulator::dnn {

/// How many convolutions were asked for, how often the heuristics were, and which algorithm was executed last.
inline std::size_t convolutions = 0, choices = 0;
inline int last_algorithm = -1;
/// What cudnnGetVersion() says.
inline std::size_t version = 91900;
/// The only algorithms that do what they are asked: 2 is deterministic and exact, 1 is not deterministic, 3 rounds floats.
inline constexpr int greedy = 0, restless = 1, plain = 2, rough = 3;
inline constexpr std::size_t plain_workspace = 4096;

inline cudaDataType_t data_type(cudnnDataType_t type) {
    return type == CUDNN_DATA_DOUBLE     ? CUDA_R_64F
           : type == CUDNN_DATA_HALF     ? CUDA_R_16F
           : type == CUDNN_DATA_BFLOAT16 ? CUDA_R_16BF
                                         : CUDA_R_32F;
}

template <class Body>
cudnnStatus_t call(const char* name, const Body& body) {
    cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
    const cudaError_t error = cuda_emulator::call(name, [&] {
        status = body();
        return cudaSuccess;
    });
    return error == cudaSuccess ? status : error == cudaErrorNotSupported ? CUDNN_STATUS_NOT_SUPPORTED : CUDNN_STATUS_EXECUTION_FAILED;
}

/// All of a convolution that both sides must agree about.
struct Problem {
    cudnnTensorStruct x, y;
    cudnnFilterStruct w;
    cudnnConvolutionStruct how;

    bool valid() const {
        const int rank = how.axes + 2;
        bool good = x.rank == rank && y.rank == rank && w.rank == rank && x.type == y.type && x.type == w.type && how.groups >= 1 &&
                    x.sizes[0] == y.sizes[0] && x.sizes[1] == w.sizes[1] * how.groups && y.sizes[1] == w.sizes[0] &&
                    w.sizes[0] % how.groups == 0 && how.compute == (x.type == CUDNN_DATA_DOUBLE ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT);
        for (int d = 0; d < how.axes && good; ++d) {
            const int room = x.sizes[2 + d] + 2 * how.padding[d] - how.dilation[d] * (w.sizes[2 + d] - 1) - 1;
            good = room >= 0 && y.sizes[2 + d] == room / how.stride[d] + 1;
        }
        return good;
    }
    static std::int64_t elements(const int* sizes, int rank) {
        std::int64_t n = 1;
        for (int d = 0; d < rank; ++d) n *= sizes[d];
        return n;
    }
    std::int64_t x_elements() const { return elements(x.sizes, x.rank); }
    std::int64_t y_elements() const { return elements(y.sizes, y.rank); }
    std::int64_t w_elements() const { return elements(w.sizes, w.rank); }

    /// Calls visit with the places in x, y and w of each multiplication.
    template <class Visit>
    void for_each_term(const Visit& visit) const {
        const int inputs = w.sizes[1], outputs = w.sizes[0] / how.groups;
        const std::int64_t x_size = elements(x.sizes + 2, how.axes), y_size = elements(y.sizes + 2, how.axes),
                           taps = elements(w.sizes + 2, how.axes);
        for (std::int64_t o = 0; o < y_size; ++o)
            for (std::int64_t k = 0; k < taps; ++k) {
                std::int64_t in = 0, o_left = o, k_left = k, step = 1;
                bool inside = true;
                for (int d = how.axes - 1; d >= 0; --d) {
                    const std::int64_t at =
                        o_left % y.sizes[2 + d] * how.stride[d] + k_left % w.sizes[2 + d] * how.dilation[d] - how.padding[d];
                    o_left /= y.sizes[2 + d];
                    k_left /= w.sizes[2 + d];
                    inside = inside && at >= 0 && at < x.sizes[2 + d];
                    in += at * step;
                    step *= x.sizes[2 + d];
                }
                if (!inside) continue;
                for (int n = 0; n < x.sizes[0]; ++n)
                    for (int co = 0; co < y.sizes[1]; ++co)
                        for (int ci = 0; ci < inputs; ++ci)
                            visit((std::int64_t{n} * x.sizes[1] + co / outputs * inputs + ci) * x_size + in,
                                  (std::int64_t{n} * y.sizes[1] + co) * y_size + o, (std::int64_t{co} * inputs + ci) * taps + k);
            }
    }
};

template <class Perf>
cudnnStatus_t offer(const char* name, const Problem& problem, int wanted, int* count, Perf* found) {
    return call(name, [&] {
        *count = 0;
        if (!problem.valid()) return CUDNN_STATUS_BAD_PARAM;
        ++choices;
        const cudnnMathType_t math = problem.how.math;
        const auto add = [&](int algorithm, cudnnStatus_t status, std::size_t memory, cudnnDeterminism_t determinism, cudnnMathType_t its) {
            if (*count >= wanted) return;
            Perf& to = found[(*count)++];
            to = {};
            to.algo = static_cast<decltype(to.algo)>(algorithm);
            to.status = status;
            to.memory = memory;
            to.determinism = determinism;
            to.mathType = its;
        };
        add(7, CUDNN_STATUS_NOT_SUPPORTED, 0, CUDNN_DETERMINISTIC, math);
        add(greedy, CUDNN_STATUS_SUCCESS, std::size_t{1} << 40, CUDNN_DETERMINISTIC, math);
        add(restless, CUDNN_STATUS_SUCCESS, 0, CUDNN_NON_DETERMINISTIC, math);
        if (problem.x.type == CUDNN_DATA_FLOAT) add(rough, CUDNN_STATUS_SUCCESS, 0, CUDNN_DETERMINISTIC, CUDNN_TENSOR_OP_MATH);
        add(plain, CUDNN_STATUS_SUCCESS, plain_workspace, CUDNN_DETERMINISTIC, math);
        return CUDNN_STATUS_SUCCESS;
    });
}

enum class Result { x, y, w };

inline cudnnStatus_t execute(const char* name, cudnnHandle_t handle, const Problem& problem, Result which, const void* alpha,
                             const void* beta, const void* x, const void* y, const void* w, int algorithm, void* workspace,
                             std::size_t workspace_size) {
    return call(name, [&] {
        CUstream_st* stream = find_stream(handle->stream);
        if (!problem.valid() || stream == nullptr || stream->device != handle->device) return CUDNN_STATUS_BAD_PARAM;
        if (algorithm < restless || algorithm > rough || (algorithm == plain && workspace_size < plain_workspace))
            return CUDNN_STATUS_BAD_PARAM;
        if (algorithm == rough && problem.how.math == CUDNN_FMA_MATH) return CUDNN_STATUS_NOT_SUPPORTED;
        const std::size_t bytes = lt::size_of(data_type(problem.x.type));
        const auto fits = [&](const void* p, std::int64_t n) {
            return device_of(p) == stream->device && has_room(p, static_cast<std::size_t>(n) * bytes);
        };
        if (!fits(x, problem.x_elements()) || !fits(y, problem.y_elements()) || !fits(w, problem.w_elements()))
            return CUDNN_STATUS_BAD_PARAM;
        if (workspace_size > 0 && !has_room(workspace, workspace_size)) return CUDNN_STATUS_BAD_PARAM;
        const bool wide = problem.x.type == CUDNN_DATA_DOUBLE;
        const auto scale = [&](const void* p) {
            return wide ? *static_cast<const double*>(p) : static_cast<double>(*static_cast<const float*>(p));
        };
        if (scale(alpha) != 1 || scale(beta) != 0) return CUDNN_STATUS_NOT_SUPPORTED;
        ++convolutions;
        last_algorithm = algorithm;
        const cudaError_t error = enqueue(*stream, name, 1u << stream->device, [=] {
            if (workspace_size > 0) std::memset(workspace, 0xff, workspace_size);
            const cudaDataType_t type = data_type(problem.x.type);
            const std::int64_t count = which == Result::x   ? problem.x_elements()
                                       : which == Result::y ? problem.y_elements()
                                                            : problem.w_elements();
            std::vector<double> sums(static_cast<std::size_t>(count));
            const auto load = [&](const void* p, std::int64_t i) {
                const double value = lt::load(type, p, i);
                return algorithm == rough ? lt::round_to(value, 11, -136) : value;
            };
            problem.for_each_term([&](std::int64_t i, std::int64_t o, std::int64_t k) {
                if (which == Result::y)
                    sums[static_cast<std::size_t>(o)] += load(x, i) * load(w, k);
                else if (which == Result::x)
                    sums[static_cast<std::size_t>(i)] += load(y, o) * load(w, k);
                else
                    sums[static_cast<std::size_t>(k)] += load(x, i) * load(y, o);
            });
            void* const to = const_cast<void*>(which == Result::x ? x : which == Result::y ? y : w);
            for (std::int64_t i = 0; i < count; ++i) lt::store(type, to, i, sums[static_cast<std::size_t>(i)]);
        });
        return error == cudaSuccess ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_EXECUTION_FAILED;
    });
}

}  // namespace cuda_emulator::dnn

inline std::size_t cudnnGetVersion() { return cuda_emulator::dnn::version; }
inline const char* cudnnGetErrorString(cudnnStatus_t status) {
    return status == CUDNN_STATUS_SUCCESS            ? "CUDNN_STATUS_SUCCESS"
           : status == CUDNN_STATUS_BAD_PARAM        ? "CUDNN_STATUS_BAD_PARAM"
           : status == CUDNN_STATUS_NOT_SUPPORTED    ? "CUDNN_STATUS_NOT_SUPPORTED"
           : status == CUDNN_STATUS_EXECUTION_FAILED ? "CUDNN_STATUS_EXECUTION_FAILED"
                                                     : "CUDNN_STATUS_INTERNAL_ERROR";
}

inline cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
    return cuda_emulator::dnn::call("cudnnCreate", [&] {
        *handle = new cudnnContext{cuda_emulator::current_device, nullptr};
        return CUDNN_STATUS_SUCCESS;
    });
}
inline cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
    delete handle;
    return CUDNN_STATUS_SUCCESS;
}
inline cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
    handle->stream = stream;
    return CUDNN_STATUS_SUCCESS;
}

inline cudnnStatus_t cudnnCreateTensorDescriptor(cudnnTensorDescriptor_t* made) {
    *made = new cudnnTensorStruct{};
    return CUDNN_STATUS_SUCCESS;
}
inline cudnnStatus_t cudnnDestroyTensorDescriptor(cudnnTensorDescriptor_t it) {
    delete it;
    return CUDNN_STATUS_SUCCESS;
}
inline cudnnStatus_t cudnnSetTensorNdDescriptor(cudnnTensorDescriptor_t it, cudnnDataType_t type, int rank, const int sizes[],
                                                const int strides[]) {
    if (rank < 4 || rank > 5) return CUDNN_STATUS_BAD_PARAM;
    *it = {type, rank, {}, {}};
    for (int d = rank - 1, step = 1; d >= 0; --d) {
        if (sizes[d] < 1 || strides[d] != step) return CUDNN_STATUS_BAD_PARAM;
        it->sizes[d] = sizes[d];
        it->strides[d] = strides[d];
        step *= sizes[d];
    }
    return CUDNN_STATUS_SUCCESS;
}

inline cudnnStatus_t cudnnCreateFilterDescriptor(cudnnFilterDescriptor_t* made) {
    *made = new cudnnFilterStruct{};
    return CUDNN_STATUS_SUCCESS;
}
inline cudnnStatus_t cudnnDestroyFilterDescriptor(cudnnFilterDescriptor_t it) {
    delete it;
    return CUDNN_STATUS_SUCCESS;
}
inline cudnnStatus_t cudnnSetFilterNdDescriptor(cudnnFilterDescriptor_t it, cudnnDataType_t type, cudnnTensorFormat_t, int rank,
                                                const int sizes[]) {
    if (rank < 4 || rank > 5) return CUDNN_STATUS_BAD_PARAM;
    *it = {type, rank, {}};
    std::copy_n(sizes, rank, it->sizes);
    return CUDNN_STATUS_SUCCESS;
}

inline cudnnStatus_t cudnnCreateConvolutionDescriptor(cudnnConvolutionDescriptor_t* made) {
    *made = new cudnnConvolutionStruct{};
    return CUDNN_STATUS_SUCCESS;
}
inline cudnnStatus_t cudnnDestroyConvolutionDescriptor(cudnnConvolutionDescriptor_t it) {
    delete it;
    return CUDNN_STATUS_SUCCESS;
}
inline cudnnStatus_t cudnnSetConvolutionNdDescriptor(cudnnConvolutionDescriptor_t it, int axes, const int padding[], const int stride[],
                                                     const int dilation[], cudnnConvolutionMode_t mode, cudnnDataType_t compute) {
    if (axes < 2 || axes > 3 || mode != CUDNN_CROSS_CORRELATION) return CUDNN_STATUS_BAD_PARAM;
    *it = {axes, {}, {}, {}, 1, CUDNN_DEFAULT_MATH, compute};
    for (int d = 0; d < axes; ++d) {
        if (padding[d] < 0 || stride[d] < 1 || dilation[d] < 1) return CUDNN_STATUS_BAD_PARAM;
        it->padding[d] = padding[d];
        it->stride[d] = stride[d];
        it->dilation[d] = dilation[d];
    }
    return CUDNN_STATUS_SUCCESS;
}
inline cudnnStatus_t cudnnSetConvolutionGroupCount(cudnnConvolutionDescriptor_t it, int groups) {
    it->groups = groups;
    return CUDNN_STATUS_SUCCESS;
}
inline cudnnStatus_t cudnnSetConvolutionMathType(cudnnConvolutionDescriptor_t it, cudnnMathType_t math) {
    it->math = math;
    return CUDNN_STATUS_SUCCESS;
}

inline cudnnStatus_t cudnnGetConvolutionForwardAlgorithm_v7(cudnnHandle_t, cudnnTensorDescriptor_t x, cudnnFilterDescriptor_t w,
                                                            cudnnConvolutionDescriptor_t how, cudnnTensorDescriptor_t y, int wanted,
                                                            int* count, cudnnConvolutionFwdAlgoPerf_t* found) {
    return cuda_emulator::dnn::offer("cudnnGetConvolutionForwardAlgorithm_v7", {*x, *y, *w, *how}, wanted, count, found);
}
inline cudnnStatus_t cudnnGetConvolutionBackwardDataAlgorithm_v7(cudnnHandle_t, cudnnFilterDescriptor_t w, cudnnTensorDescriptor_t y,
                                                                 cudnnConvolutionDescriptor_t how, cudnnTensorDescriptor_t x, int wanted,
                                                                 int* count, cudnnConvolutionBwdDataAlgoPerf_t* found) {
    return cuda_emulator::dnn::offer("cudnnGetConvolutionBackwardDataAlgorithm_v7", {*x, *y, *w, *how}, wanted, count, found);
}
inline cudnnStatus_t cudnnGetConvolutionBackwardFilterAlgorithm_v7(cudnnHandle_t, cudnnTensorDescriptor_t x, cudnnTensorDescriptor_t y,
                                                                   cudnnConvolutionDescriptor_t how, cudnnFilterDescriptor_t w, int wanted,
                                                                   int* count, cudnnConvolutionBwdFilterAlgoPerf_t* found) {
    return cuda_emulator::dnn::offer("cudnnGetConvolutionBackwardFilterAlgorithm_v7", {*x, *y, *w, *how}, wanted, count, found);
}

inline cudnnStatus_t cudnnConvolutionForward(cudnnHandle_t handle, const void* alpha, cudnnTensorDescriptor_t x_of, const void* x,
                                             cudnnFilterDescriptor_t w_of, const void* w, cudnnConvolutionDescriptor_t how,
                                             cudnnConvolutionFwdAlgo_t algo, void* workspace, std::size_t size, const void* beta,
                                             cudnnTensorDescriptor_t y_of, void* y) {
    return cuda_emulator::dnn::execute("cudnnConvolutionForward", handle, {*x_of, *y_of, *w_of, *how}, cuda_emulator::dnn::Result::y, alpha,
                                       beta, x, y, w, algo, workspace, size);
}
inline cudnnStatus_t cudnnConvolutionBackwardData(cudnnHandle_t handle, const void* alpha, cudnnFilterDescriptor_t w_of, const void* w,
                                                  cudnnTensorDescriptor_t y_of, const void* y, cudnnConvolutionDescriptor_t how,
                                                  cudnnConvolutionBwdDataAlgo_t algo, void* workspace, std::size_t size, const void* beta,
                                                  cudnnTensorDescriptor_t x_of, void* x) {
    return cuda_emulator::dnn::execute("cudnnConvolutionBackwardData", handle, {*x_of, *y_of, *w_of, *how}, cuda_emulator::dnn::Result::x,
                                       alpha, beta, x, y, w, algo, workspace, size);
}
inline cudnnStatus_t cudnnConvolutionBackwardFilter(cudnnHandle_t handle, const void* alpha, cudnnTensorDescriptor_t x_of, const void* x,
                                                    cudnnTensorDescriptor_t y_of, const void* y, cudnnConvolutionDescriptor_t how,
                                                    cudnnConvolutionBwdFilterAlgo_t algo, void* workspace, std::size_t size,
                                                    const void* beta, cudnnFilterDescriptor_t w_of, void* w) {
    return cuda_emulator::dnn::execute("cudnnConvolutionBackwardFilter", handle, {*x_of, *y_of, *w_of, *how}, cuda_emulator::dnn::Result::w,
                                       alpha, beta, x, y, w, algo, workspace, size);
}

/// A tensor of one number for each channel is added to all of them.
inline cudnnStatus_t cudnnAddTensor(cudnnHandle_t handle, const void*, cudnnTensorDescriptor_t a_of, const void* a, const void*,
                                    cudnnTensorDescriptor_t c_of, void* c) {
    using namespace cuda_emulator;
    return dnn::call("cudnnAddTensor", [&] {
        CUstream_st* stream = find_stream(handle->stream);
        const cudnnTensorStruct added = *a_of, to = *c_of;
        bool good = stream != nullptr && added.type == to.type && added.rank == to.rank && added.sizes[1] == to.sizes[1];
        for (int d = 0; d < added.rank && good; ++d) good = d == 1 || added.sizes[d] == 1;
        if (!good) return CUDNN_STATUS_BAD_PARAM;
        const cudaError_t error = enqueue(*stream, "cudnnAddTensor", 1u << stream->device, [=] {
            const cudaDataType_t type = dnn::data_type(to.type);
            const std::int64_t count = dnn::Problem::elements(to.sizes, to.rank), inner = dnn::Problem::elements(to.sizes + 2, to.rank - 2);
            for (std::int64_t i = 0; i < count; ++i)
                lt::store(type, c, i, lt::load(type, c, i) + lt::load(type, a, i / inner % to.sizes[1]));
        });
        return error == cudaSuccess ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_EXECUTION_FAILED;
    });
}
