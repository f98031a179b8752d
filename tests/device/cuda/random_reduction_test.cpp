// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Reductions, scans, sorts, softmax and norms on random shapes, the GPU against the CPU.

#include "tests/device/cuda/random_shapes.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

Shape without_zeros(Shape shape) {
    for (int d = 0; d < shape.rank(); ++d) shape[d] = std::max<std::int64_t>(1, shape[d]);
    return shape;
}
/// A tensor and a dimension of it.
Plan along(Random& r) {
    const Shape shape = r.shape(1, 4);
    return {{shape}, {r.below(shape.rank())}};
}
Plan along_some(Random& r) {
    Plan plan = along(r);
    plan.shapes[0] = without_zeros(plan.shapes[0]);
    return plan;
}
Plan long_line(Random& r) { return {{{r.from_to(1, 3), r.from_to(1000, 20000)}}, {1}}; }
/// Several dimensions, as bits in numbers[0].
Plan over(Random& r) {
    const Shape shape = without_zeros(r.shape(1, 4));
    return {{shape}, {r.from_to(1, (1 << shape.rank()) - 1)}};
}
Dims dims_of(const Plan& plan) {
    Dims dims;
    for (int d = 0; d < plan.shapes[0].rank(); ++d)
        if (plan.numbers[0] >> d & 1) dims.push_back(d);
    return dims;
}

}  // namespace

TEST_CASE("reductions", "[cuda]") {
    agree_on_random_shapes("sum", along, [](const auto& in, const Plan& p) { return sum(in[0], p.numbers[0]); });
    agree_on_random_shapes("sum over several", over, [](const auto& in, const Plan& p) { return sum(in[0], dims_of(p), true); });
    agree_on_random_shapes("mean", over, [](const auto& in, const Plan& p) { return mean(in[0], dims_of(p)); });
    agree_on_random_shapes("sum of long lines", long_line, [](const auto& in, const Plan&) { return sum(in[0], 1); });
    agree_on_random_shapes("sum of all", long_line, [](const auto& in, const Plan&) { return sum(in[0] * in[0]); });
    agree_on_random_shapes("var", over, [](const auto& in, const Plan& p) { return var(in[0], dims_of(p), 0); });
    agree_on_random_shapes("amax", over, [](const auto& in, const Plan& p) { return amax(in[0], dims_of(p)); });
    agree_on_random_shapes("logsumexp", over, [](const auto& in, const Plan& p) { return logsumexp(in[0], dims_of(p)); });
    agree_on_random_shapes("norm", over, [](const auto& in, const Plan& p) { return norm(in[0] + 3, 2, dims_of(p)); });
    agree_on_random_shapes("prod", along_some, [](const auto& in, const Plan& p) { return prod(in[0] * 0.25 + 1, p.numbers[0]); }, 4);
    agree_on_random_shapes("argmax", along_some, [](const auto& in, const Plan& p) { return argmax(in[0], p.numbers[0]); });
    agree_on_random_shapes("max", along_some, [](const auto& in, const Plan& p) { return max(in[0], p.numbers[0]).values; });
    agree_on_random_shapes("argmax of all", long_line, [](const auto& in, const Plan&) { return argmax(in[0]); });
}

TEST_CASE("scans and sorts", "[cuda]") {
    agree_on_random_shapes("cumsum", along, [](const auto& in, const Plan& p) { return cumsum(in[0], p.numbers[0]); });
    agree_on_random_shapes("cumsum of long lines", long_line, [](const auto& in, const Plan&) { return cumsum(in[0], 1); });
    agree_on_random_shapes("cumprod", along, [](const auto& in, const Plan& p) { return cumprod(in[0] * 0.25 + 1, p.numbers[0]); }, 8);
    agree_on_random_shapes("sort", along, [](const auto& in, const Plan& p) { return sort(in[0], p.numbers[0]).values; });
    agree_on_random_shapes("argsort", along, [](const auto& in, const Plan& p) { return sort(in[0], p.numbers[0], true).indices; });
    agree_on_random_shapes("topk", along_some, [](const auto& in, const Plan& p) {
        return topk(in[0], (in[0].size(p.numbers[0]) + 1) / 2, p.numbers[0]).values;
    });
    agree_on_random_shapes("median", along_some, [](const auto& in, const Plan& p) { return median(in[0], p.numbers[0]).values; });
}

TEST_CASE("softmax", "[cuda]") {
    agree_on_random_shapes("softmax", along, [](const auto& in, const Plan& p) { return softmax(in[0], p.numbers[0]); });
    agree_on_random_shapes("log_softmax", along, [](const auto& in, const Plan& p) { return log_softmax(in[0] * 5, p.numbers[0]); }, 4);
    agree_on_random_shapes("softmax of long lines", long_line, [](const auto& in, const Plan&) { return softmax(in[0], 1); });
}

TEST_CASE("norms", "[cuda]") {
    const auto rows = [](Random& r) { return Plan{{{r.from_to(1, 20), r.from_to(2, 300)}}}; };
    agree_on_random_shapes("layer_norm", +rows, [](const auto& in, const Plan& p) {
        return layer_norm(in[0], {p.shapes[0][1]});
    }, 20);
    const auto affine = [](Random& r) {
        const std::int64_t n = r.from_to(2, 100);
        return Plan{{{r.from_to(1, 5), r.from_to(1, 7), n}, {n}, {n}}};
    };
    agree_on_random_shapes("layer_norm with weights", +affine, [](const auto& in, const Plan& p) {
        return layer_norm(in[0], {p.shapes[1][0]}, in[1], in[2]);
    }, 20);
    const auto groups = [](Random& r) {
        const std::int64_t g = r.from_to(1, 4), c = g * r.from_to(1, 4);
        return Plan{{{r.from_to(1, 4), c, r.from_to(2, 9), r.from_to(1, 9)}, {c}, {c}}, {g}};
    };
    agree_on_random_shapes("group_norm", +groups, [](const auto& in, const Plan& p) {
        return group_norm(in[0], p.numbers[0], in[1], in[2]);
    }, 20);
    agree_on_random_shapes("batch_norm", +groups, [](const auto& in, const Plan&) {
        return batch_norm(in[0], {}, {}, in[1], in[2], true);
    }, 20);
}
