// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Products, convolutions, pooling, padding, resampling and indexing on random shapes, the GPU against the CPU.

#include "tests/device/cuda/random_shapes.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

/// Integers for an index, the same for every type and device.
template <class Like>
auto indices(const Like&, const Shape& shape, std::int64_t below) {
    const auto host = empty<std::int64_t, Cpu>(shape);
    for (std::int64_t i = 0; i < host.numel(); ++i) host.data()[i] = (i * 7919 + 13) % below;
    return host.template to<typename Like::device_type>();
}

Plan image(Random& r) {
    return {{{r.from_to(1, 3), r.from_to(1, 5), r.from_to(4, 14), r.from_to(4, 14)}}, {r.from_to(1, 3), r.from_to(1, 3), r.from_to(0, 1)}};
}

}  // namespace

TEST_CASE("products", "[cuda]") {
    const auto matrices = [](Random& r) {
        const std::int64_t k = r.size(60);
        return Plan{{{r.size(50), k}, {k, r.size(70)}}};
    };
    agree_on_random_shapes("mm", +matrices, [](const auto& in, const Plan&) { return matmul(in[0], in[1]); });
    const auto batches = [](Random& r) {
        const std::int64_t b = r.size(6), k = r.size(30);
        return Plan{{{b, r.size(20), k}, {r.below(2) ? b : 1, k, r.size(20)}}};
    };
    agree_on_random_shapes("bmm", +batches, [](const auto& in, const Plan&) { return matmul(in[0], in[1]); });
    const auto layer = [](Random& r) {
        const std::int64_t in = r.from_to(1, 40), out = r.from_to(1, 40);
        return Plan{{{r.size(9), r.from_to(1, 5), in}, {out, in}, {out}}};
    };
    agree_on_random_shapes("linear", +layer, [](const auto& in, const Plan&) { return linear(in[0], in[1], in[2]); });
    const auto sequences = [](Random& r) {
        const std::int64_t b = r.from_to(1, 3), h = r.from_to(1, 3), n = r.from_to(1, 20), m = r.from_to(1, 20), w = r.from_to(1, 16);
        return Plan{{{b, h, n, w}, {b, h, m, w}, {b, h, m, w}}};
    };
    agree_on_random_shapes("attention", +sequences, [](const auto& in, const Plan&) {
        return scaled_dot_product_attention(in[0], in[1], in[2]);
    }, 4);
}

TEST_CASE("convolutions", "[cuda]") {
    const auto plan = [](Random& r) {
        const std::int64_t groups = r.from_to(1, 3), in = groups * r.from_to(1, 4), out = groups * r.from_to(1, 4), k = r.from_to(1, 4);
        const std::int64_t dilation = r.from_to(1, 2), least = dilation * (k - 1) + 1;
        return Plan{{{r.from_to(1, 3), in, least + r.below(9), least + r.below(9)}, {out, in / groups, k, k}, {out}},
                    {r.from_to(1, 3), r.below(3), dilation, groups}};
    };
    agree_on_random_shapes("conv2d", +plan, [](const auto& in, const Plan& p) {
        return conv2d(in[0], in[1], in[2], {.stride = p.numbers[0], .padding = p.numbers[1], .dilation = p.numbers[2], .groups = p.numbers[3]});
    });
    const auto back = [](Random& r) {
        const std::int64_t in = r.from_to(1, 6), out = r.from_to(1, 6), k = r.from_to(1, 4);
        return Plan{{{r.from_to(1, 3), in, r.from_to(1, 9), r.from_to(1, 9)}, {in, out, k, k}, {out}}, {r.from_to(1, 3)}};
    };
    agree_on_random_shapes("conv_transpose2d", +back, [](const auto& in, const Plan& p) {
        return conv_transpose2d(in[0], in[1], in[2], {.stride = p.numbers[0]});
    });
    agree_on_random_shapes("unfold", image, [](const auto& in, const Plan& p) { return unfold(in[0], p.numbers[0], {.padding = p.numbers[2]}); });
}

TEST_CASE("pooling, padding, resampling", "[cuda]") {
    agree_on_random_shapes("max_pool2d", image, [](const auto& in, const Plan& p) {
        return max_pool2d(in[0], p.numbers[0] + 1, p.numbers[1], p.numbers[2]);
    });
    agree_on_random_shapes("avg_pool2d", image, [](const auto& in, const Plan& p) {
        return avg_pool2d(in[0], p.numbers[0] + 1, p.numbers[1], p.numbers[2]);
    });
    agree_on_random_shapes("adaptive_avg_pool2d", image, [](const auto& in, const Plan& p) {
        return adaptive_avg_pool2d(in[0], Dims{p.numbers[0] + 1, p.numbers[1]});
    });
    for (const char* mode : {"constant", "reflect", "replicate", "circular"})
        agree_on_random_shapes(std::string("pad ") + mode, image, [mode](const auto& in, const Plan& p) {
            return pad(in[0], {p.numbers[0], p.numbers[1], p.numbers[2], 1}, mode);
        });
    for (const char* mode : {"nearest", "bilinear", "bicubic"})
        agree_on_random_shapes(std::string("interpolate ") + mode, image, [mode](const auto& in, const Plan& p) {
            return interpolate(in[0], Dims{p.numbers[0] * 5, p.numbers[1] * 7}, {}, mode);
        }, 8);
}

TEST_CASE("indexing", "[cuda]") {
    const auto along = [](Random& r) {
        Shape shape = r.shape(1, 3);
        for (int d = 0; d < shape.rank(); ++d) shape[d] = std::max<std::int64_t>(1, shape[d]);
        const std::int64_t d = r.below(shape.rank());
        Shape source = shape;
        source[static_cast<int>(d)] = r.from_to(1, 40);
        return Plan{{shape, source}, {d, source[static_cast<int>(d)]}};
    };
    agree_on_random_shapes("index_select", +along, [](const auto& in, const Plan& p) {
        return index_select(in[0], p.numbers[0], indices(in[0], {p.numbers[1]}, in[0].size(p.numbers[0])));
    });
    agree_on_random_shapes("index_add", +along, [](const auto& in, const Plan& p) {
        return index_add(in[0], p.numbers[0], indices(in[0], {p.numbers[1]}, in[0].size(p.numbers[0])), in[1]);
    }, 4);
    agree_on_random_shapes("gather", +along, [](const auto& in, const Plan& p) {
        return gather(in[0], p.numbers[0], indices(in[0], p.shapes[1], in[0].size(p.numbers[0])));
    });
    agree_on_random_shapes("scatter_add", +along, [](const auto& in, const Plan& p) {
        return scatter_add(in[0], p.numbers[0], indices(in[0], p.shapes[1], in[0].size(p.numbers[0])), in[1]);
    }, 4);
    agree_on_random_shapes("masked_select", +along, [](const auto& in, const Plan&) { return masked_select(in[0], in[0] > 0); });
    const auto table = [](Random& r) {
        return Plan{{{r.from_to(1, 30), r.from_to(1, 40)}}, {r.size(20), r.from_to(1, 9)}};
    };
    agree_on_random_shapes("embedding", +table, [](const auto& in, const Plan& p) {
        return embedding(indices(in[0], {p.numbers[0], p.numbers[1]}, in[0].size(0)), in[0]);
    }, 4);
    const auto cube = [](Random& r) { return Plan{{{r.from_to(2, 9), r.from_to(2, 9), r.from_to(2, 9)}}}; };
    agree_on_random_shapes("slices", +cube, [](const auto& in, const Plan&) { return in[0](slice(1, 100), headtorch::all, slice(0, 100, 2)) * 2; });
    agree_on_random_shapes("overlapping windows", +cube, [](const auto& in, const Plan&) { return in[0].unfold(1, 2, 1) * 3; });
}

TEST_CASE("losses", "[cuda]") {
    const auto scores = [](Random& r) { return Plan{{{r.from_to(1, 40), r.from_to(1, 30)}}}; };
    agree_on_random_shapes("cross_entropy", +scores, [](const auto& in, const Plan& p) {
        return nn::cross_entropy(in[0], indices(in[0], {p.shapes[0][0]}, p.shapes[0][1]));
    });
    agree_on_random_shapes("mse_loss", +scores, [](const auto& in, const Plan&) { return nn::mse_loss(in[0], in[0].detach() * 0.5); });
    agree_on_random_shapes("smooth_l1_loss", +scores, [](const auto& in, const Plan&) {
        return nn::smooth_l1_loss(in[0], in[0].detach() * 0.25);
    });
    agree_on_random_shapes("binary_cross_entropy_with_logits", +scores, [](const auto& in, const Plan&) {
        return nn::binary_cross_entropy_with_logits(in[0], sigmoid(in[0].detach() * 2));
    });
}
