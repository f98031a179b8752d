// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/viz/make_grid.hpp"

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/reference_file.hpp"

using namespace headtorch;
using viz::make_grid;

TEST_CASE("grids are torchvision's", "[viz]") {
    int cases = 0;
    for (const auto& c : testing::load_cases("transforms.txt")) {
        if (c.op != "make_grid") continue;
        ++cases;
        viz::MakeGridOptions options{.nrow = c.integer("nrow", 8), .padding = c.integer("padding", 2), .normalize = c.flag("normalize"),
                                     .scale_each = c.flag("scale_each"), .pad_value = c.num("pad_value", 0)};
        if (c.has("value_range")) options.value_range = {-0.25, 0.5};
        CHECK(c.compare("y", make_grid(c.tensor<double>("x"), options)) == "");
        CHECK(c.compare("y", make_grid(c.tensor<float>("x"), options)) == "");
    }
    CHECK(cases == 25);
}

TEST_CASE("grids of bytes, of views and of lists", "[viz]") {
    const auto images = randint<std::uint8_t>(0, 256, {4, 5, 3, 3}).permute(0, 3, 1, 2);
    const auto grid = make_grid(images, {.nrow = 2, .padding = 1, .pad_value = 9});
    CHECK(grid.shape() == Shape{3, 13, 9});
    CHECK(equal(grid.narrow(1, 7, 5).narrow(2, 5, 3), images[3]));
    CHECK(grid[0][0][0].item() == 9);
    CHECK(equal(make_grid(std::vector{images[0], images[1], images[2], images[3]}, {.nrow = 2, .padding = 1, .pad_value = 9}), grid));
    const auto recorded = rand({2, 1, 2, 2}).requires_grad_();
    CHECK_FALSE(make_grid(recorded, {.normalize = true}).requires_grad());
}

TEST_CASE("what makes no grid is refused", "[viz]") {
    CHECK_THROWS_WITH(make_grid(zeros({2})), contains("make_grid: images are [n, channels, height, width], got [2]"));
    CHECK_THROWS_WITH(make_grid(zeros({0, 3, 2, 2})), contains("there are no images: [0, 3, 2, 2]"));
    CHECK_THROWS_AS(make_grid(std::vector<Tensor<float>>{}), ValueError);
    CHECK_THROWS_AS(make_grid(zeros({2, 3, 2, 2}), {.nrow = 0}), ValueError);
    CHECK_THROWS_AS(make_grid(zeros({2, 3, 2, 2}), {.padding = -1}), ValueError);
    CHECK_THROWS_AS(make_grid(zeros({2, 3, 2, 2}), {.normalize = true, .value_range = std::pair(1.0, 0.0)}), ValueError);
    CHECK_THROWS_WITH(make_grid(zeros<std::uint8_t>({2, 3, 2, 2}), {.normalize = true}), contains("normalize needs floating-point images"));
}
