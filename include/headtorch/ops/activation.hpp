// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Smooth activations, with and without trainable parameters.

#include <cmath>
#include <numbers>
#include <string_view>
#include <tuple>
#include <utility>

#include "headtorch/ops/math.hpp"
#include "headtorch/ops/softmax.hpp"
#include "headtorch/ops/where.hpp"

namespace headtorch {
namespace formula {

/// log(1 + e^x) without overflow
constexpr auto log_one_plus_exp(const auto& x) { return math::log1p(math::exp(-math::abs(x))) + math::maximum(x, math::constant(x, 0)); }

/// x where positive, else alpha (e^x - 1)
struct Elu {
    static constexpr const char* name = "elu";
    static constexpr Keep keep = Keep::both;
    double alpha;
    constexpr auto value(const auto& x) const { return math::where(x > 0, x, alpha * math::expm1(x)); }
    constexpr auto slope(const auto& x, const auto& y) const { return math::where(x > 0, math::constant(x, 1), y + alpha); }
};
/// x where positive, else alpha (e^(x / alpha) - 1)
struct Celu {
    static constexpr const char* name = "celu";
    static constexpr Keep keep = Keep::both;
    double alpha;
    constexpr auto value(const auto& x) const { return math::where(x > 0, x, alpha * math::expm1(x / alpha)); }
    constexpr auto slope(const auto& x, const auto& y) const { return math::where(x > 0, math::constant(x, 1), y / alpha + 1); }
};
/// Self-normalising (Klambauer et al., 2017): an ELU whose constants keep mean 0 and variance 1
struct Selu {
    static constexpr const char* name = "selu";
    static constexpr Keep keep = Keep::both;
    static constexpr double alpha = 1.6732632423543772848170429916717, scale = 1.0507009873554804934193349852946;
    static constexpr auto value(const auto& x) { return scale * math::where(x > 0, x, alpha * math::expm1(x)); }
    static constexpr auto slope(const auto& x, const auto& y) { return math::where(x > 0, math::constant(x, scale), y + scale * alpha); }
};
/// x Phi(x), Phi the normal distribution (Hendrycks and Gimpel, 2016)
struct Gelu {
    static constexpr const char* name = "gelu";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto phi(const auto& x) { return 0.5 * (1 + math::erf(x * (1 / std::numbers::sqrt2))); }
    static constexpr auto value(const auto& x) { return x * phi(x); }
    static constexpr auto slope(const auto& x, const auto&) {
        return phi(x) + x * math::exp(-0.5 * (x * x)) * (0.5 * std::numbers::inv_sqrtpi * std::numbers::sqrt2);
    }
};
/// x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x³))) / 2
struct GeluTanh {
    static constexpr const char* name = "gelu";
    static constexpr Keep keep = Keep::inputs;
    static constexpr double factor = std::numbers::sqrt2 * std::numbers::inv_sqrtpi, cubic = 0.044715;
    static constexpr auto bend(const auto& x) { return math::tanh(factor * (x + cubic * (x * x * x))); }
    static constexpr auto value(const auto& x) { return 0.5 * x * (1 + bend(x)); }
    static constexpr auto slope(const auto& x, const auto&) {
        const auto t = bend(x);
        return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * (factor * (1 + 3 * cubic * (x * x)));
    }
};
struct Silu {
    static constexpr const char* name = "silu";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& x) { return x * math::sigmoid(x); }
    static constexpr auto slope(const auto& x, const auto&) {
        const auto s = math::sigmoid(x);
        return s * (1 + x * (1 - s));
    }
};
/// x tanh(log(1 + e^x)) (Misra, 2019)
struct Mish {
    static constexpr const char* name = "mish";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& x) { return x * math::tanh(log_one_plus_exp(x)); }
    static constexpr auto slope(const auto& x, const auto&) {
        const auto t = math::tanh(log_one_plus_exp(x));
        return t + x * math::sigmoid(x) * (1 - t * t);
    }
};
/// log(1 + e^(beta x)) / beta, and x itself beyond the threshold
struct Softplus {
    static constexpr const char* name = "softplus";
    static constexpr Keep keep = Keep::inputs;
    double beta, threshold;
    constexpr auto value(const auto& x) const { return math::where(x * beta > threshold, x, log_one_plus_exp(x * beta) / beta); }
    constexpr auto slope(const auto& x, const auto&) const {
        return math::where(x * beta > threshold, math::constant(x, 1), math::sigmoid(x * beta));
    }
};
struct Softsign {
    static constexpr const char* name = "softsign";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& x) { return x / (1 + math::abs(x)); }
    static constexpr auto slope(const auto& x, const auto&) { return math::square(1 / (1 + math::abs(x))); }
};
struct LogSigmoid {
    static constexpr const char* name = "logsigmoid";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& x) { return -log_one_plus_exp(-x); }
    static constexpr auto slope(const auto& x, const auto&) { return math::sigmoid(-x); }
};
struct Tanhshrink {
    static constexpr const char* name = "tanhshrink";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& x) { return x - math::tanh(x); }
    static constexpr auto slope(const auto& x, const auto&) { return math::square(math::tanh(x)); }
};
/// (sqrt(x² + 1) - 1) / 2 + x
struct BentIdentity {
    static constexpr const char* name = "bent_identity";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& x) { return (math::sqrt(x * x + 1) - 1) / 2 + x; }
    static constexpr auto slope(const auto& x, const auto&) { return x / (2 * math::sqrt(x * x + 1)) + 1; }
};
/// -ln(1 - a (x + a)) / a for a < 0, x for a = 0, (e^(a x) - 1) / a + a for a > 0 (Godfrey and Gashler, 2015); a is trainable.
/// Each branch is computed with harmless values where another one holds.
struct SoftExponential {
    static constexpr const char* name = "soft_exponential";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto safe(const auto& a) { return math::where(a == 0, math::constant(a, 1), a); }
    static constexpr auto argument(const auto& x, const auto& a) { return math::where(a < 0, 1 - a * (x + a), 1); }
    static constexpr auto exponent(const auto& x, const auto& a) { return math::where(a > 0, a * x, 0); }
    static constexpr auto value(const auto& x, const auto& a) {
        const auto s = safe(a);
        return math::where(a == 0, x, math::where(a < 0, -math::log(argument(x, a)) / s, math::expm1(exponent(x, a)) / s + a));
    }
    static constexpr auto slopes(const auto& x, const auto& a, const auto&) {
        const auto s = safe(a), u = argument(x, a), e = exponent(x, a);
        const auto by_a =
            math::where(a < 0, (x + 2 * a) / (u * s) + math::log(u) / (s * s), x * math::exp(e) / s - math::expm1(e) / (s * s) + 1);
        return std::tuple(math::where(a < 0, 1 / u, math::exp(e)), math::where(a == 0, math::constant(x, 0), by_a));
    }
};

/// a sigmoid(b) (Dauphin et al., 2017)
struct Glu {
    static constexpr const char* name = "glu";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& a, const auto& b) { return a * math::sigmoid(b); }
};

}  // namespace formula

template <Floating T, class D>
Tensor<T, D> elu(const Tensor<T, D>& x, double alpha = 1, const Here& = Here::call("elu")) { return pointwise(formula::Elu{alpha}, x); }
template <Floating T, class D>
Tensor<T, D> celu(const Tensor<T, D>& x, double alpha = 1, const Here& = Here::call("celu")) {
    if (alpha == 0) throw ValueError("celu: alpha must not be 0");
    return pointwise(formula::Celu{alpha}, x);
}
template <Floating T, class D>
Tensor<T, D> selu(const Tensor<T, D>& x, const Here& = Here::call("selu")) { return pointwise(formula::Selu{}, x); }
/// `approximate` is "none" or "tanh".
template <Floating T, class D>
Tensor<T, D> gelu(const Tensor<T, D>& x, std::string_view approximate = "none", const Here& = Here::call("gelu")) {
    if (approximate == "none") return pointwise(formula::Gelu{}, x);
    if (approximate == "tanh") return pointwise(formula::GeluTanh{}, x);
    throw ValueError(message("gelu: approximate is \"none\" or \"tanh\", not \"", approximate, "\""));
}
template <Floating T, class D>
Tensor<T, D> silu(const Tensor<T, D>& x, const Here& = Here::call("silu")) { return pointwise(formula::Silu{}, x); }
template <Floating T, class D>
Tensor<T, D> mish(const Tensor<T, D>& x, const Here& = Here::call("mish")) { return pointwise(formula::Mish{}, x); }
template <Floating T, class D>
Tensor<T, D> softplus(const Tensor<T, D>& x, double beta = 1, double threshold = 20, const Here& = Here::call("softplus")) {
    return pointwise(formula::Softplus{beta, threshold}, x);
}
template <Floating T, class D>
Tensor<T, D> softsign(const Tensor<T, D>& x, const Here& = Here::call("softsign")) { return pointwise(formula::Softsign{}, x); }
template <Floating T, class D>
Tensor<T, D> logsigmoid(const Tensor<T, D>& x, const Here& = Here::call("logsigmoid")) { return pointwise(formula::LogSigmoid{}, x); }
template <Floating T, class D>
Tensor<T, D> tanhshrink(const Tensor<T, D>& x, const Here& = Here::call("tanhshrink")) { return pointwise(formula::Tanhshrink{}, x); }
template <Floating T, class D>
Tensor<T, D> bent_identity(const Tensor<T, D>& x, const Here& = Here::call("bent_identity")) {
    return pointwise(formula::BentIdentity{}, x);
}
/// `alpha` broadcasts to x.
template <Floating T, class D, class U, class E>
Tensor<T, D> soft_exponential(const Tensor<T, D>& x, const Tensor<U, E>& alpha, const Here& = Here::call("soft_exponential")) {
    return pointwise(formula::SoftExponential{}, x, alpha);
}

/// softmax(-x).
template <Floating T, class D>
Tensor<T, D> softmin(const Tensor<T, D>& x, std::int64_t dim, const Here& = Here::call("softmin")) {
    const OpScope scope("softmin");
    return softmax(-x, dim);
}

/// a sigmoid(b), where a and b are the halves of x along `dim`.
template <Floating T, class D>
Tensor<T, D> glu(const Tensor<T, D>& x, std::int64_t dim = -1, const Here& = Here::call("glu")) {
    const OpScope scope("glu", {x.impl().get()});
    if (x.dim() == 0) throw ShapeError("glu: a 0-dim tensor has no halves");
    const std::int64_t size = x.size(dim);
    if (size % 2 != 0) throw ShapeError(message("glu: dimension ", dim, " of ", x.shape(), " has an odd size and no halves"));
    return pointwise(formula::Glu{}, x.narrow(dim, 0, size / 2), x.narrow(dim, size / 2, size / 2));
}

}  // namespace headtorch
