// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Convolutions by cuDNN. Which of its algorithms suits a geometry is asked for once and kept. What it cannot do (padding that differs in
/// front and at the end, more than 2^31 elements) is left to our own kernels: each function returns whether it did the work.
/// Of halfs it sums in float, but gives halfs: where floats are wanted, those are made of what was rounded once, before the bias.

#include <cudnn.h>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include "headtorch/core/half.hpp"
#include "headtorch/device/conv.hpp"
#include "headtorch/device/cuda/conv_plan.cuh"
#include "headtorch/device/cuda/determinism.cuh"
#include "headtorch/device/cuda/gemm_lt.cuh"
#include "headtorch/device/cuda/gemm_settings.cuh"
#include "headtorch/device/cuda/launch.cuh"
#include "headtorch/device/cuda/memory.cuh"

static_assert(CUDNN_MAJOR >= 8, "headtorch: cuDNN 8 or later is needed: build without HEADTORCH_CUDNN, or update cuDNN");

namespace headtorch::cuda {

/// Throws CudaError when a call of cuDNN did not succeed.
inline void check(cudnnStatus_t status, std::string_view op, std::string_view call) {
    if (status == CUDNN_STATUS_SUCCESS) [[likely]]
        return;
    const bool usable = status != CUDNN_STATUS_EXECUTION_FAILED;
    throw CudaError(message(op, ": ", call, " failed: ", cudnnGetErrorString(status),
                            usable ? "" : "; a kernel failed, and the GPU may not be usable any more by this process"),
                    usable);
}

/// The version of cuDNN that the program runs with, such as 91900.
inline long cudnn_version() { return static_cast<long>(cudnnGetVersion()); }

namespace detail {

/// Bytes that cuDNN may use for itself in one convolution.
inline constexpr std::size_t cudnn_workspace = std::size_t{256} << 20;

/// Calls `destroy` at the end, which returns a status that nobody wants.
template <auto destroy>
struct CudnnDestroy {
    template <class P>
    void operator()(P* it) const {
        static_cast<void>(destroy(it));
    }
};
template <class Handle, auto destroy>
using CudnnOwner = std::unique_ptr<std::remove_pointer_t<Handle>, CudnnDestroy<destroy>>;
using CudnnTensor = CudnnOwner<cudnnTensorDescriptor_t, &cudnnDestroyTensorDescriptor>;
using CudnnFilter = CudnnOwner<cudnnFilterDescriptor_t, &cudnnDestroyFilterDescriptor>;
using CudnnConvolution = CudnnOwner<cudnnConvolutionDescriptor_t, &cudnnDestroyConvolutionDescriptor>;

/// This thread's handle of the current GPU, which works for the current stream. The library that was loaded is of the header's version.
inline cudnnHandle_t cudnn_handle(std::string_view op) {
    static thread_local std::array<CudnnOwner<cudnnHandle_t, &cudnnDestroy>, max_devices> handles;
    auto& handle = handles[static_cast<std::size_t>(current_device())];
    if (!handle) {
        const long version = cudnn_version(), major = version >= 10000 ? version / 10000 : version / 1000;
        if (major != CUDNN_MAJOR)
            throw CudaError(message(op, ": compiled for cuDNN ", CUDNN_MAJOR, ", but the library that was loaded is version ", version,
                                    "; put the right one into the library path, or call cuda::set_use_cudnn(false)"),
                            true);
        cudnnHandle_t raw = nullptr;
        check(cudnnCreate(&raw), op, "cudnnCreate");
        handle.reset(raw);
    }
    check(cudnnSetStream(handle.get(), current_stream().get()), op, "cudnnSetStream");
    return handle.get();
}

template <class T>
inline constexpr cudnnDataType_t cudnn_type = std::same_as<T, double>     ? CUDNN_DATA_DOUBLE
                                              : std::same_as<T, float16>  ? CUDNN_DATA_HALF
                                              : std::same_as<T, bfloat16> ? CUDNN_DATA_BFLOAT16
                                                                          : CUDNN_DATA_FLOAT;

enum class CudnnTask : std::int64_t { forward, input_gradient, weight_gradient };

/// A geometry as cuDNN sees it, and what it chose.
struct CudnnPlan {
    CudnnTensor x, y, x_bias, y_bias;
    CudnnFilter weight;
    CudnnConvolution convolution;
    int algorithm = 0;
    std::size_t workspace = 0;
    bool possible = false;
};

inline bool is_unsupported(cudnnStatus_t status) {
    return CUDNN_MAJOR >= 9
               ? static_cast<int>(status) / 1000 == static_cast<int>(CUDNN_STATUS_NOT_SUPPORTED) / 1000 || status == CUDNN_STATUS_BAD_PARAM
               : status == CUDNN_STATUS_NOT_SUPPORTED || status == CUDNN_STATUS_BAD_PARAM;
}

/// What cuDNN derives from input, padding and kernel is our output, and everything can be counted with an int.
inline bool suits_cudnn(const ConvGeometry& g) {
    for (const ConvAxis& a : g.axes)
        if (const std::int64_t room = a.in + 2 * a.padding - a.dilation * (a.kernel - 1) - 1; room < 0 || room / a.stride + 1 != a.out)
            return false;
    constexpr std::int64_t most = (std::int64_t{1} << 31) - 1;
    return g.batch * g.in_channels * g.in_size() <= most && g.batch * g.out_channels * g.out_size() <= most &&
           g.out_channels * g.group_inputs() * g.taps() <= most;
}

inline CudnnTensor cudnn_tensor(cudnnDataType_t type, int rank, const int* sizes, std::string_view op) {
    cudnnTensorDescriptor_t raw = nullptr;
    check(cudnnCreateTensorDescriptor(&raw), op, "cudnnCreateTensorDescriptor");
    CudnnTensor tensor(raw);
    int strides[5];
    for (int d = rank - 1, stride = 1; d >= 0; --d) {
        strides[d] = stride;
        stride *= sizes[d];
    }
    check(cudnnSetTensorNdDescriptor(raw, type, rank, sizes, strides), op, "cudnnSetTensorNdDescriptor");
    return tensor;
}

/// Asks the heuristic of a task for algorithms, the quickest first, and takes the first that will do.
template <class Perf, class Ask>
void choose_algorithm(CudnnPlan& plan, cudnnMathType_t math, std::string_view op, std::string_view call, const Ask& ask) {
    constexpr int wanted = 16;
    Perf found[wanted];
    int count = 0;
    const cudnnStatus_t status = ask(wanted, &count, found);
    if (is_unsupported(status)) return;
    check(status, op, call);
    for (const Perf& it : std::span(found, static_cast<std::size_t>(count))) {
        if (it.status != CUDNN_STATUS_SUCCESS || it.memory > cudnn_workspace) continue;
        if (are_deterministic_algorithms_enabled() && it.determinism != CUDNN_DETERMINISTIC) continue;
        if (math == CUDNN_FMA_MATH && it.mathType != CUDNN_FMA_MATH && it.mathType != CUDNN_DEFAULT_MATH) continue;
        plan.algorithm = static_cast<int>(it.algo);
        plan.workspace = it.memory;
        plan.possible = true;
        check(cudnnSetConvolutionMathType(plan.convolution.get(), math == CUDNN_FMA_MATH ? math : it.mathType), op,
              "cudnnSetConvolutionMathType");
        return;
    }
}

inline CudnnPlan make_cudnn_plan(CudnnTask task, const ConvGeometry& g, cudnnDataType_t type, bool tf32, std::string_view op) {
    CudnnPlan plan;
    const int axes = g.rank == 3 ? 3 : 2, rank = axes + 2;
    const auto narrow = [](std::int64_t n) { return static_cast<int>(n); };
    int x[5] = {narrow(g.batch), narrow(g.in_channels)}, y[5] = {narrow(g.batch), narrow(g.out_channels)};
    int weight[5] = {narrow(g.out_channels), narrow(g.group_inputs())}, x_bias[5] = {1, x[1], 1, 1, 1}, y_bias[5] = {1, y[1], 1, 1, 1};
    int padding[3], stride[3], dilation[3];
    for (int d = 0; d < axes; ++d) {
        const ConvAxis& axis = g.axes[3 - axes + d];
        x[2 + d] = narrow(axis.in);
        y[2 + d] = narrow(axis.out);
        weight[2 + d] = narrow(axis.kernel);
        padding[d] = narrow(axis.padding);
        stride[d] = narrow(axis.stride);
        dilation[d] = narrow(axis.dilation);
    }
    plan.x = cudnn_tensor(type, rank, x, op);
    plan.y = cudnn_tensor(type, rank, y, op);
    plan.x_bias = cudnn_tensor(type, rank, x_bias, op);
    plan.y_bias = cudnn_tensor(type, rank, y_bias, op);
    cudnnFilterDescriptor_t raw_weight = nullptr;
    check(cudnnCreateFilterDescriptor(&raw_weight), op, "cudnnCreateFilterDescriptor");
    plan.weight.reset(raw_weight);
    check(cudnnSetFilterNdDescriptor(raw_weight, type, CUDNN_TENSOR_NCHW, rank, weight), op, "cudnnSetFilterNdDescriptor");
    cudnnConvolutionDescriptor_t raw = nullptr;
    check(cudnnCreateConvolutionDescriptor(&raw), op, "cudnnCreateConvolutionDescriptor");
    plan.convolution.reset(raw);
    check(cudnnSetConvolutionNdDescriptor(raw, axes, padding, stride, dilation, CUDNN_CROSS_CORRELATION,
                                          type == CUDNN_DATA_DOUBLE ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT),
          op, "cudnnSetConvolutionNdDescriptor");
    check(cudnnSetConvolutionGroupCount(raw, narrow(g.groups)), op, "cudnnSetConvolutionGroupCount");
    const cudnnMathType_t math = type == CUDNN_DATA_FLOAT ? (tf32 ? CUDNN_DEFAULT_MATH : CUDNN_FMA_MATH)  // the default lets floats be TF32
                                 : type == CUDNN_DATA_DOUBLE ? CUDNN_DEFAULT_MATH
                                                             : CUDNN_TENSOR_OP_MATH;
    check(cudnnSetConvolutionMathType(raw, math), op, "cudnnSetConvolutionMathType");

    const cudnnHandle_t handle = cudnn_handle(op);
    switch (task) {
        case CudnnTask::forward:
            choose_algorithm<cudnnConvolutionFwdAlgoPerf_t>(plan, math, op, "cudnnGetConvolutionForwardAlgorithm_v7",
                                                            [&](int wanted, int* count, cudnnConvolutionFwdAlgoPerf_t* found) {
                                                                return cudnnGetConvolutionForwardAlgorithm_v7(handle, plan.x.get(),
                                                                                                              raw_weight, raw, plan.y.get(),
                                                                                                              wanted, count, found);
                                                            });
            break;
        case CudnnTask::input_gradient:
            choose_algorithm<cudnnConvolutionBwdDataAlgoPerf_t>(plan, math, op, "cudnnGetConvolutionBackwardDataAlgorithm_v7",
                                                                [&](int wanted, int* count, cudnnConvolutionBwdDataAlgoPerf_t* found) {
                                                                    return cudnnGetConvolutionBackwardDataAlgorithm_v7(
                                                                        handle, raw_weight, plan.y.get(), raw, plan.x.get(), wanted, count,
                                                                        found);
                                                                });
            break;
        case CudnnTask::weight_gradient:
            choose_algorithm<cudnnConvolutionBwdFilterAlgoPerf_t>(plan, math, op, "cudnnGetConvolutionBackwardFilterAlgorithm_v7",
                                                                  [&](int wanted, int* count, cudnnConvolutionBwdFilterAlgoPerf_t* found) {
                                                                      return cudnnGetConvolutionBackwardFilterAlgorithm_v7(
                                                                          handle, plan.x.get(), plan.y.get(), raw, raw_weight, wanted,
                                                                          count, found);
                                                                  });
            break;
    }
    return plan;
}

/// This thread's plan.
inline CudnnPlan& cudnn_plan(CudnnTask task, const ConvGeometry& g, cudnnDataType_t type, std::string_view op) {
    using Key = std::array<std::int64_t, 28>;
    static thread_local std::unordered_map<Key, CudnnPlan, WordsHash> plans;
    const bool tf32 = type == CUDNN_DATA_FLOAT && is_tf32_allowed();
    Key key{static_cast<std::int64_t>(task),
            type,
            tf32,
            are_deterministic_algorithms_enabled(),
            current_device(),
            g.rank,
            g.batch,
            g.groups,
            g.in_channels,
            g.out_channels};
    std::size_t at = 10;
    for (const ConvAxis& a : g.axes)
        for (const std::int64_t word : {a.in, a.out, a.kernel, a.stride, a.dilation, a.padding}) key[at++] = word;
    const auto known = plans.find(key);
    if (known != plans.end()) return known->second;
    if (plans.size() >= 1024) plans.clear();  // geometries that never come again
    return plans.emplace(key, make_cudnn_plan(task, g, type, tf32, op)).first->second;
}

template <class T>
using CudnnScale = std::conditional_t<std::same_as<T, double>, double, float>;

/// to = from + bias, for images of channels of `size` elements.
template <class T, class Out>
__global__ void widen_kernel(std::int64_t count, Divisor by_size, Divisor by_channels, const T* from, const Out* bias, Out* to) {
    for (std::int64_t i = thread_place(); i < count; i += thread_count()) {
        const auto value = static_cast<Out>(from[i]);
        to[i] = bias ? value + bias[divide(divide(static_cast<int>(i), by_size).quotient, by_channels).rest] : value;
    }
}

/// Does a task if cuDNN can: run(plan, handle, workspace, one, zero, result) makes the call. A bias is added to the result.
template <class T, class Out, class Run>
bool run_cudnn(CudnnTask task, std::string_view op, std::string_view call, const ConvGeometry& g, const Out* bias, Out* result,
               const Run& run) {
    if (!cudnn_wanted() || !suits_cudnn(g)) return false;
    CudnnPlan& plan = cudnn_plan(task, g, cudnn_type<T>, op);
    if (!plan.possible) return false;
    const cudnnHandle_t handle = cudnn_handle(op);
    const Scratch<char> workspace(static_cast<std::int64_t>(plan.workspace));
    const CudnnScale<T> one = 1, zero = 0;
    const auto runs = [&](T* to) {
        const cudnnStatus_t status = run(plan, handle, static_cast<void*>(workspace.data()), &one, &zero, to);
        if (is_unsupported(status)) return plan.possible = false;
        check(status, op, call);
        return true;
    };
    const bool forward = task == CudnnTask::forward;
    if constexpr (!std::same_as<T, Out>) {
        const std::int64_t channels = forward ? g.out_channels : g.in_channels, size = forward ? g.out_size() : g.in_size();
        const bool of_weight = task == CudnnTask::weight_gradient;
        const std::int64_t count = of_weight ? g.out_channels * g.group_inputs() * g.taps() : g.batch * channels * size;
        const Scratch<T> halfs(count);
        if (!runs(halfs.data())) return false;
        launch(op, &widen_kernel<T, Out>, grid_for(count), count, divisor_of(size), divisor_of(channels),
               static_cast<const T*>(halfs.data()), bias, result);
    } else {
        if (!runs(result)) return false;
        if (bias)
            check(cudnnAddTensor(handle, &one, (forward ? plan.y_bias : plan.x_bias).get(), bias, &one, (forward ? plan.y : plan.x).get(),
                                 result),
                  op, "cudnnAddTensor");
    }
    return true;
}

template <class T, class Out>
bool cudnn_forward(std::string_view op, const ConvGeometry& g, const T* x, const T* weight, const Out* bias, Out* y) {
    return run_cudnn<T>(CudnnTask::forward, op, "cudnnConvolutionForward", g, bias, y,
                        [&](CudnnPlan& plan, cudnnHandle_t handle, void* workspace, const void* one, const void* zero, T* to) {
                            return cudnnConvolutionForward(handle, one, plan.x.get(), x, plan.weight.get(), weight, plan.convolution.get(),
                                                           static_cast<cudnnConvolutionFwdAlgo_t>(plan.algorithm), workspace,
                                                           plan.workspace, zero, plan.y.get(), to);
                        });
}
template <class T, class Out>
bool cudnn_input_gradient(std::string_view op, const ConvGeometry& g, const T* dy, const T* weight, const Out* bias, Out* dx) {
    if (g.batch * g.out_channels * g.out_size() == 0) return false;
    return run_cudnn<T>(CudnnTask::input_gradient, op, "cudnnConvolutionBackwardData", g, bias, dx,
                        [&](CudnnPlan& plan, cudnnHandle_t handle, void* workspace, const void* one, const void* zero, T* to) {
                            return cudnnConvolutionBackwardData(handle, one, plan.weight.get(), weight, plan.y.get(), dy,
                                                                plan.convolution.get(),
                                                                static_cast<cudnnConvolutionBwdDataAlgo_t>(plan.algorithm), workspace,
                                                                plan.workspace, zero, plan.x.get(), to);
                        });
}
template <class T, class Out>
bool cudnn_weight_gradient(std::string_view op, const ConvGeometry& g, const T* x, const T* dy, Out* dw) {
    return run_cudnn<T>(CudnnTask::weight_gradient, op, "cudnnConvolutionBackwardFilter", g, static_cast<const Out*>(nullptr), dw,
                        [&](CudnnPlan& plan, cudnnHandle_t handle, void* workspace, const void* one, const void* zero, T* to) {
                            return cudnnConvolutionBackwardFilter(handle, one, plan.x.get(), x, plan.y.get(), dy, plan.convolution.get(),
                                                                  static_cast<cudnnConvolutionBwdFilterAlgo_t>(plan.algorithm), workspace,
                                                                  plan.workspace, zero, plan.weight.get(), to);
                        });
}

}  // namespace detail
}  // namespace headtorch::cuda
