// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// unfold and fold against PyTorch; that they are each other's transpose; what they refuse.
#include "headtorch/ops/fold.hpp"

#include "headtorch/headtorch.hpp"
#include "tests/support/reference.hpp"
#include "tests/support/threads.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

PerAxis<2> pair(const Case& c, const std::string& key, std::int64_t otherwise) {
    if (!c.has(key)) return otherwise;
    const auto list = c.integers(key);
    return {list.front(), list.back()};
}
FoldOptions options(const Case& c) { return {pair(c, "dilation", 1), pair(c, "padding", 0), pair(c, "stride", 1)}; }

}  // namespace

TEST_CASE("unfold and fold agree with PyTorch", "[ops]") {
    check_family(
        "fold.txt",
        {
            {"unfold", [](const auto& in, const Case& c) { return unfold(in("x"), pair(c, "kernel_size", 1), options(c)); }},
            {"fold",
             [](const auto& in, const Case& c) { return fold(in("x"), pair(c, "output_size", 1), pair(c, "kernel_size", 1), options(c)); }},
        });
}

TEST_CASE("a convolution is a matrix product with the patches", "[ops]") {
    Generator generator(5);
    const auto x = empty<double>({2, 3, 9, 8}), w = empty<double>({4, 3, 3, 2});
    x.normal_(0, 1, generator);
    w.normal_(0, 1, generator);
    const auto columns = unfold(x, {3, 2}, {.dilation = {2, 1}, .padding = 1, .stride = {1, 2}});
    const auto y = matmul(w.reshape({4, 18}), columns);
    const auto direct = conv2d(x, w, {}, {.stride = {1, 2}, .padding = 1, .dilation = {2, 1}});
    CHECK(direct.shape() == Shape{2, 4, 7, 5});
    CHECK(allclose(y.reshape(direct.shape()), direct, 1e-12, 1e-12));
}

TEST_CASE("fold sums what overlaps", "[ops]") {
    const auto ones_back = fold(unfold(ones({1, 1, 3, 3}), 2), 3, 2);
    CHECK(ones_back.tolist() == std::vector<float>{1, 2, 1, 2, 4, 2, 1, 2, 1});
    // A dilated kernel whose outer taps see only padding.
    CHECK(unfold(ones({1, 1, 2}), {1, 3}, {.dilation = {1, 4}, .padding = {0, 4}}).tolist() == std::vector<float>{0, 0, 1, 1, 0, 0});
}

TEST_CASE("the same bits with any number of threads", "[ops]") {
    Generator generator(7);
    const auto x = empty<float>({8, 16, 40, 40});
    x.normal_(0, 1, generator);
    check_with_threads([&] { return fold(unfold(x, 3, {.padding = 1}), 40, 3, {.padding = 1}).tolist(); });
}

TEST_CASE("what does not fit is refused", "[ops]") {
    const auto x = ones({2, 3, 4, 4});
    CHECK_THROWS_WITH(unfold(x, 5),
                      contains("unfold: the kernel is larger than the padded input: it spans 5 of 4") && contains("[2, 3, 4, 4]"));
    CHECK_THROWS_AS(unfold(ones({4, 4}), 2), ShapeError);
    CHECK_THROWS_WITH(unfold(x, 0), contains("unfold: kernel_size must be at least 1, got (0, 0)"));
    CHECK_THROWS_WITH(unfold(x, 2, {.stride = 0}), contains("unfold: stride must be at least 1, got 0"));
    CHECK_THROWS_WITH(unfold(x, 2, {.dilation = -1}), contains("unfold: dilation"));
    CHECK_THROWS_WITH(unfold(x, 2, {.padding = {0, -1}}), contains("unfold: padding must not be negative, got -1"));
    CHECK_THROWS_WITH(unfold(x, std::int64_t{1} << 40), contains("unfold"));
    CHECK_THROWS_WITH(fold(ones({1, 7, 4}), 3, 2), contains("fold: 7 rows of [1, 7, 4] are no multiple of the 4"));
    CHECK_THROWS_WITH(fold(ones({1, 8, 5}), 3, 2), contains("has 2 x 2 = 4 patches, the input has 5"));
    CHECK_THROWS_AS(fold(ones({8}), 3, 2), ShapeError);
    CHECK_THROWS_AS(fold(ones({1, 8, 4}), 0, 2), ValueError);
    CHECK_THROWS_AS(fold(ones({1, 8, 4}), 3, 0), ValueError);
    CHECK_THROWS_AS(fold(ones({1, 8, 4}), {3, 3}, {std::int64_t{1} << 62, 16}), Error);
}
