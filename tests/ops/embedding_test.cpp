// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// embedding: against PyTorch, threads, wrong arguments.
#include "headtorch/ops/embedding.hpp"

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/reference.hpp"
#include "tests/support/threads.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

Tensor<std::int64_t> longs(const std::vector<std::int64_t>& values) { return tensor(values); }

}  // namespace

TEST_CASE("embedding agrees with PyTorch", "[ops]") {
    check_family("embedding.txt", {
                                      {"embedding",
                                       [](const auto& in, const Case& c) {
                                           std::optional<std::int64_t> padding;
                                           if (c.has("padding_idx")) padding = c.integer("padding_idx");
                                           return embedding(in.longs("index"), in("weight"), padding, {}, 2, c.flag("scale_grad_by_freq"));
                                       }},
                                      {"embedding_max_norm",
                                       [](const auto& in, const Case& c) {
                                           const auto table = in("weight").contiguous().clone();
                                           const auto y = embedding(in.longs("index"), table, {}, c.num("max_norm"), c.num("norm_type"));
                                           return std::tuple(y, table);
                                       }},
                                  });
}

TEST_CASE("the gradient of embedding's gradient", "[ops]") {
    const auto table = randn<double>({4, 2}).requires_grad_();
    const auto index = longs({3, 1, 3, 0, 3});
    CHECK_NOTHROW(
        gradgradcheck([&](const std::vector<Tensor<double>>& in) { return square(embedding(index, in[0])); }, std::vector{table}));
    // where the gradient is cut or divided, it is none of the function's, but its own gradient is right
    for (const bool by_frequency : {false, true})
        CHECK_NOTHROW(gradgradcheck([&](const std::vector<Tensor<double>>& in) { return embedding(index, in[0], 1, {}, 2, by_frequency); },
                                    std::vector{table}));
}

TEST_CASE("embedding's gradient does not depend on the number of threads", "[ops]") {
    Generator generator(3);
    const auto index = randint(0, 300, {40, 50}, generator);
    const auto g = randn({40, 50, 37}, generator);
    const auto result = [&] {
        const auto table = zeros({300, 37}).requires_grad_();
        embedding(index, table).backward(g);
        return table.grad().tolist();
    };
    check_with_threads(result);
}

TEST_CASE("a table cut to max_norm cannot be used by an earlier graph", "[ops]") {
    const auto table = full<float>({2, 2}, 3).requires_grad_();
    const auto y = square(table).sum();
    embedding(longs({0}), table, {}, 1);
    CHECK(table.tolist()[2] == 3);
    CHECK(table.tolist()[0] == Approx(0.70710677f));
    CHECK_THROWS_AS(y.backward(), AutogradError);
}

TEST_CASE("numbers outside of the table are refused", "[ops]") {
    const auto table = ones({3, 2});
    CHECK_THROWS_WITH(embedding(longs({1, 3}), table), "embedding: index 3 is outside of a table of 3 rows");
    CHECK_THROWS_WITH(embedding(longs({-1}), table), "embedding: index -1 is outside of a table of 3 rows");
    CHECK_THROWS_WITH(embedding(longs({1}), ones({3})), "embedding: the weight is a table [rows, width], got [3]");
    CHECK_THROWS_WITH(embedding(longs({1}), table, 3), "embedding: padding_idx 3 is outside of a table of 3 rows");
    CHECK_THROWS_AS(embedding(longs({1}), table, -4), IndexError);
    CHECK_THROWS_AS(embedding(longs({1}), table, {}, 0), ValueError);
    CHECK_THROWS_AS(embedding(longs({1}), table, {}, 1, -2), ValueError);
    CHECK_THROWS_AS(embedding(longs({1}), ones({2, 3}).t(), {}, 1), ValueError);
    CHECK(embedding(zeros<std::int64_t>({0}), ones({0, 4})).shape() == Shape{0, 4});
    CHECK(embedding(longs({0, 1}), ones({2, 0})).shape() == Shape{2, 0});
}
