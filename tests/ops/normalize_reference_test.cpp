// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Normalisation against PyTorch: values, running statistics, gradients of first and second order.
#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/reference.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

/// The result, and the running statistics where there are any.
template <class T>
std::vector<Tensor<T>> with_running(const Tensor<T>& y, const Tensor<T>& mean, const Tensor<T>& variance) {
    return mean.defined() ? std::vector{y, mean, variance} : std::vector{y};
}

}  // namespace

TEST_CASE("normalisation agrees with PyTorch", "[ops]") {
    check_family(
        "normalisation.txt",
        {
            {"batch_norm",
             [](const auto& in, const Case& c) {
                 const bool running = in.has("running_mean");
                 const auto mean = running ? in("running_mean").contiguous().clone() : in.optional("running_mean");
                 const auto variance = running ? in("running_var").contiguous().clone() : in.optional("running_var");
                 const auto y = batch_norm(in("x"), mean, variance, in.optional("weight"), in.optional("bias"), c.flag("training"),
                                           c.num("momentum", 0.1), c.num("eps", 1e-5));
                 return with_running(y, mean, variance);
             }},
            {"layer_norm",
             [](const auto& in, const Case& c) {
                 return layer_norm(in("x"), c.shape("normalized_shape"), in.optional("weight"), in.optional("bias"), c.num("eps", 1e-5));
             }},
            {"rms_norm", [](const auto& in,
                            const Case& c) { return rms_norm(in("x"), c.shape("normalized_shape"), in.optional("weight"), c.num("eps")); }},
            {"group_norm",
             [](const auto& in, const Case& c) {
                 return group_norm(in("x"), c.integer("num_groups"), in.optional("weight"), in.optional("bias"), c.num("eps", 1e-5));
             }},
            {"instance_norm",
             [](const auto& in, const Case& c) {
                 const bool running = in.has("running_mean");
                 const auto mean = running ? in("running_mean").contiguous().clone() : in.optional("running_mean");
                 const auto variance = running ? in("running_var").contiguous().clone() : in.optional("running_var");
                 const auto y = instance_norm(in("x"), mean, variance, in.optional("weight"), in.optional("bias"),
                                              c.flag("use_input_stats"), 0.1, c.num("eps"));
                 return with_running(y, mean, variance);
             }},
            {"local_response_norm",
             [](const auto& in, const Case& c) {
                 return local_response_norm(in("x"), c.integer("size"), c.num("alpha", 1e-4), c.num("beta", 0.75), c.num("k", 1));
             }},
        });
}
