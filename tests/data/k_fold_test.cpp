// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/data/k_fold.hpp"

#include <cmath>

#include "headtorch/ops/compare.hpp"
#include "headtorch/tensor/create.hpp"
#include "tests/data/sklearn_reference.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using namespace headtorch::data;

namespace {

Tensor<std::int64_t> labels() {
    return tensor<std::int64_t>({0, 2, 2, 1, 0, 2, 1, 1, 2, 2, 0, 2, 0, 1, 2, 2, 0, 1, 2, 2, 2, 0, 2});
}

/// The reference says which fold tests an item; the other items train, and all come in rising order.
void check_folds(const std::vector<Fold>& folds, const std::string& name) {
    INFO(name);
    const auto place = reference("folds." + name).integers();
    for (std::size_t k = 0; k < folds.size(); ++k) {
        std::vector<std::int64_t> train, test;
        for (std::size_t i = 0; i < place.size(); ++i)
            (place[i] == static_cast<std::int64_t>(k) ? test : train).push_back(static_cast<std::int64_t>(i));
        CHECK(folds[k].train.tolist() == train);
        CHECK(folds[k].test.tolist() == test);
    }
}

}  // namespace

TEST_CASE("the folds are scikit-learn's", "[data]") {
    for (const std::uint32_t seed : reference_seeds()) {
        check_folds(KFold(3, {.shuffle = true, .random_state = seed}).split(14), "shuffled." + std::to_string(seed));
        check_folds(StratifiedKFold(3, {.shuffle = true, .random_state = seed}).split(labels()), "stratified." + std::to_string(seed));
    }
    check_folds(KFold().split(13), "plain");
    check_folds(StratifiedKFold(4).split(labels()), "stratified.plain");
    CHECK(KFold().split(13).size() == 5);
}

TEST_CASE("a seed gives the same folds from each split, a state goes on", "[data]") {
    const KFold seeded(3, {.shuffle = true, .random_state = 1});
    CHECK(seeded.split(14)[0].test.tolist() == seeded.split(14)[0].test.tolist());
    check_folds(seeded.split(14), "shuffled.1");
    RandomState state(8);
    const KFold plain(3, {.shuffle = true, .random_state = state});
    for (int i = 0; i < 2; ++i) check_folds(plain.split(23), "state.KFold." + std::to_string(i));
    const StratifiedKFold stratified(3, {.shuffle = true, .random_state = state});
    for (int i = 0; i < 2; ++i) check_folds(stratified.split(labels()), "state.StratifiedKFold." + std::to_string(i));
    manual_seed(0);
    const KFold drawn(3, {.shuffle = true});
    CHECK(drawn.split(100)[0].test.tolist() != drawn.split(100)[0].test.tolist());
}

TEST_CASE("folds of tensors, data sets and labels of any type", "[data]") {
    const auto x = arange<float>(28).view(14, 2);
    check_folds(KFold(3, {.shuffle = true, .random_state = 7}).split(x), "shuffled.7");
    check_folds(KFold(3, {.shuffle = true, .random_state = 7}).split(TensorDataset(x)), "shuffled.7");
    check_folds(StratifiedKFold(4).split(zeros({23, 5}), labels()), "stratified.plain");
    check_folds(StratifiedKFold(4).split(labels().to<float>()), "stratified.plain");
    const auto names = tensor<std::int32_t>({7, -2, -2, 40, 7, -2, 40, 40, -2, -2, 7, -2, 7, 40, -2, -2, 7, 40, -2, -2, -2, 7, -2});
    check_folds(StratifiedKFold(4).split(names), "stratified.plain");
    for (const auto& [train, test] : KFold(2).split(x)) CHECK(train.numel() + test.numel() == 14);
    const auto odd = tensor({1, 0, 1, 0, 1, 0, 0}).to<bool>();
    for (const auto& [train, test] : StratifiedKFold(3).split(odd)) CHECK(test.numel() >= 2);
}

TEST_CASE("what cannot be split is refused", "[data]") {
    CHECK_THROWS_WITH(KFold(1), contains("k_fold: n_splits must be at least 2, but is 1"));
    CHECK_THROWS_WITH(KFold(3, {.random_state = 1}), contains("k_fold: a random_state needs shuffle = true"));
    CHECK_THROWS_WITH(KFold(5).split(4), contains("k_fold: cannot make 5 folds of 4 items"));
    CHECK_THROWS_AS(KFold(5).split(tensor(1)), ShapeError);
    CHECK_THROWS_AS(StratifiedKFold(0), ValueError);
    CHECK_THROWS_WITH(StratifiedKFold(3).split(tensor<std::int64_t>({0, 0, 1, 1})),
                      contains("stratified_k_fold: n_splits is 3, but no class has as many items"));
    CHECK_THROWS_AS(StratifiedKFold(5).split(tensor<std::int64_t>({0, 0})), ValueError);
    CHECK_THROWS_AS(StratifiedKFold(2).split(zeros({3, 2})), ShapeError);
    CHECK_THROWS_AS(StratifiedKFold(2).split(zeros({3, 2}), labels()), ShapeError);
    CHECK_THROWS_AS(StratifiedKFold(2).split(tensor({0.0f, std::nanf(""), 1.0f})), ValueError);
}
