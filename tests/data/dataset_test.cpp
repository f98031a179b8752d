// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/data/dataset.hpp"

#include <string>

#include "headtorch/ops/inplace.hpp"
#include "headtorch/tensor/access.hpp"
#include "headtorch/tensor/create.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using data::Subset;
using data::TensorDataset;

namespace {

/// Numbers 0, 10, 20, …; the libtorch way.
struct Tens {
    int count = 0;
    std::size_t size() const { return static_cast<std::size_t>(count); }
    std::int64_t get(std::int64_t i) const { return 10 * i; }
};

struct NoSize {
    int operator[](int i) const { return i; }
};

static_assert(data::Dataset<Tens> && data::Dataset<std::vector<double>> && data::Dataset<TensorDataset<Tensor<>, Tensor<std::int64_t>>>);
static_assert(data::Dataset<Subset<Tens>> && !data::BatchedDataset<Subset<Tens>> && data::BatchedDataset<Subset<TensorDataset<Tensor<>>>>);
static_assert(!data::Dataset<NoSize> && !data::Dataset<int>);

}  // namespace

TEST_CASE("TensorDataset gives rows of its tensors", "[data]") {
    const auto x = tensor({{1, 2}, {3, 4}, {5, 6}});
    const auto y = tensor<std::int64_t>({7, 8, 9});
    const TensorDataset set(x, y, x);
    CHECK(set.size() == 3);
    const auto [a, b, c] = set[1];
    CHECK(a.tolist() == std::vector<float>{3, 4});
    CHECK(b.dim() == 0);
    CHECK(b.item() == 8);
    CHECK(c.tolist() == a.tolist());
    CHECK(std::get<1>(set[-1]).item() == 9);
    CHECK_THROWS_AS(set[3], IndexError);
    CHECK(std::get<0>(set.tensors()).is_same(x));
    x.fill_(5);  // views, not copies
    CHECK(a.tolist() == std::vector<float>{5, 5});
}

TEST_CASE("TensorDataset gathers and slices", "[data]") {
    const TensorDataset set(tensor({{1, 2}, {3, 4}, {5, 6}}), tensor<std::int64_t>({7, 8, 9}));
    const auto [x, y] = set.get_batch(tensor<std::int64_t>({2, 0, 2}));
    CHECK(x.tolist() == std::vector<float>{5, 6, 1, 2, 5, 6});
    CHECK(y.tolist() == std::vector<std::int64_t>{9, 7, 9});
    const auto [u, v] = set.slice(1, 2);
    CHECK(u.data() == std::get<0>(set.tensors()).data() + 2);
    CHECK(v.tolist() == std::vector<std::int64_t>{8, 9});
    CHECK_THROWS_AS(set.get_batch(tensor<std::int64_t>({3})), IndexError);
}

TEST_CASE("TensorDataset names the shapes that do not fit", "[data]") {
    CHECK_THROWS_AS(TensorDataset(zeros({4, 2}), zeros({5})), ShapeError);
    CHECK_THROWS_WITH(
        TensorDataset(zeros({4, 2}), zeros({5}), zeros({4})),
        contains("tensor_dataset: all tensors need the same size(0), the number of items, but the shapes are [4, 2], [5], [4]"));
    CHECK_THROWS_AS(TensorDataset(zeros({})), ShapeError);
    CHECK_THROWS_AS(TensorDataset(Tensor<>()), ValueError);
    CHECK(TensorDataset(zeros({0, 3})).size() == 0);
}

TEST_CASE("Subset picks items in the given order", "[data]") {
    const auto set = TensorDataset(tensor({1, 2, 3, 4}));
    const Subset subset(set, {3, 1, 1});
    CHECK(subset.size() == 3);
    CHECK(std::get<0>(subset[0]).item() == 4);
    CHECK(std::get<0>(subset.get_batch(tensor<std::int64_t>({2, 0}))).tolist() == std::vector<float>{2, 4});
    CHECK(std::get<0>(subset.slice(1, 2)).tolist() == std::vector<float>{2, 2});
    CHECK(subset.dataset().size() == 4);
    CHECK(subset.indices().tolist() == std::vector<std::int64_t>{3, 1, 1});

    const Subset inner(subset, std::vector<std::int64_t>{0});
    CHECK(std::get<0>(inner[0]).item() == 4);
    CHECK(std::get<0>(inner.slice(0, 1)).tolist() == std::vector<float>{4});

    const Subset tens(Tens{5}, std::vector<std::int64_t>{4, 2});
    CHECK(tens[1] == 20);
    CHECK(Subset(Tens{5}, std::vector<std::int64_t>{}).size() == 0);
}

TEST_CASE("Subset refuses indices that are not there", "[data]") {
    CHECK_THROWS_WITH(Subset(Tens{5}, std::vector<std::int64_t>{0, 5}),
                      contains("subset: index 5 is out of range for a data set of size 5"));
    CHECK_THROWS_AS(Subset(Tens{5}, std::vector<std::int64_t>{-1}), IndexError);
    CHECK_THROWS_AS(Subset(Tens{5}, zeros<std::int64_t>({1, 1})), ShapeError);
    const Subset subset(Tens{5}, std::vector<std::int64_t>{4});
    CHECK_THROWS_WITH(subset[1], contains("subset: index 1 is out of range for size 1"));
    CHECK_THROWS_AS(subset[-1], IndexError);
}
