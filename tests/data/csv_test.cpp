// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/data/csv.hpp"

#include "headtorch/data/loader.hpp"
#include "headtorch/tensor/access.hpp"
#include "tests/io/files.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using data::CsvDataset;

namespace {
const Bytes flowers = "petal,sepal,species\n1.5,2,rose\n3,4,daisy\n5,6.25,rose\n";
}

TEST_CASE("a table of flowers is a data set", "[data]") {
    const TemporaryFolder folder;
    const CsvDataset set(folder.write("flowers.csv", flowers), {.target = "species"});
    CHECK(set.size() == 3);
    CHECK(set.feature_names == std::vector<std::string>{"petal", "sepal"});
    CHECK(set.classes == std::vector<std::string>{"daisy", "rose"});
    CHECK(set.features.tolist() == std::vector<float>{1.5f, 2, 3, 4, 5, 6.25f});
    CHECK(set.targets.tolist() == std::vector<std::int64_t>{1, 0, 1});
    const auto [x, y] = set[1];
    CHECK(x.tolist() == std::vector<float>{3, 4});
    CHECK(y.item() == 0);
    for (auto [features, targets] : data::DataLoader(set, {.batch_size = 2, .shuffle = true, .seed = 1}))
        for (std::int64_t i = 0; i < targets.numel(); ++i) CHECK(targets[i].item() == (features[i][0].item() == 3 ? 0 : 1));
}

TEST_CASE("targets are classes or numbers", "[data]") {
    const TemporaryFolder folder;
    const std::string path = folder.write("houses.csv", "rooms,size,price\n3,70,100.5\n4,90,120\n");
    const CsvDataset<float> price(path, {.target = "price"});
    CHECK(price.targets.tolist() == std::vector<float>{100.5f, 120});
    const CsvDataset<double, double> size(path, {.target = "size", .features = {"price"}});
    CHECK(size.features.tolist() == std::vector<double>{100.5, 120});
    CHECK(size.targets.tolist() == std::vector<double>{70, 90});
    const CsvDataset rooms(path, {.target = "rooms", .features = {"size"}});
    CHECK(rooms.targets.tolist() == std::vector<std::int64_t>{3, 4});
    CHECK(rooms.classes.empty());
    CHECK_THROWS_WITH((CsvDataset(path, {.target = "price"})),
                      contains("the target 'price' is of real numbers, not of classes: write CsvDataset<float>"));
    const CsvDataset plain(folder.write("plain.csv", "1;2;0\n3;4;1\n"), {.target = "2", .delimiter = ';', .header = false});
    CHECK(plain.features.shape() == Shape{2, 2});
    CHECK(plain.targets.tolist() == std::vector<std::int64_t>{0, 1});
}

TEST_CASE("what does not make a data set is refused", "[data]") {
    const TemporaryFolder folder;
    const std::string path = folder.write("flowers.csv", flowers);
    CHECK_THROWS_WITH((CsvDataset(path, {.target = "colour"})), contains("there is no column 'colour'; there are: petal, sepal, species"));
    CHECK_THROWS_WITH((CsvDataset(path, {.target = "petal", .features = {"species"}})),
                      contains("flowers.csv:2: column 'species' has 'rose', not a number"));
    CHECK_THROWS_WITH((CsvDataset(folder.write("one.csv", "a\n1\n"), {.target = "a"})), contains("there is no column beside the target"));
    CHECK_THROWS_WITH((CsvDataset(folder.write("gap.csv", flowers + "7,,rose\n"), {.target = "species"})),
                      contains("gap.csv:5: column 'sepal' has no value"));
    CHECK_NOTHROW(CsvDataset(folder.path("gap.csv"), {.target = "species", .features = {"petal"}}));
}
