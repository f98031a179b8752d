// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Reading, writing and adding by index on the GPU, against the same on the CPU.

#include "headtorch/cuda.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

std::int64_t below(std::mt19937_64& random, std::int64_t n) { return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n)); }

template <class T>
Tensor<T, Cpu> some(const Shape& shape, std::mt19937_64& random) {
    auto x = empty<T, Cpu>(shape);
    for (std::int64_t i = 0; i < x.numel(); ++i) {
        if constexpr (std::is_integral_v<T>)
            x.data()[i] = static_cast<T>(below(random, 5));
        else  // sums of these are exact, whatever their order
            x.data()[i] = static_cast<T>(static_cast<double>(below(random, 33) - 16) / 8);
    }
    return x;
}
Tensor<std::int64_t, Cpu> some_indices(const Shape& shape, std::int64_t size, std::mt19937_64& random) {
    auto index = empty<std::int64_t, Cpu>(shape);
    for (std::int64_t i = 0; i < index.numel(); ++i) index.data()[i] = below(random, 2 * size) - size;
    return index;
}
Shape some_shape(std::mt19937_64& random, std::int64_t most) {
    Shape shape;
    const std::int64_t rank = 1 + below(random, 4);
    for (std::int64_t d = 0; d < rank; ++d) shape.push_back(below(random, 12) == 0 ? 0 : 1 + below(random, most));
    return shape;
}
/// The same elements in another order of memory, with gaps.
template <class T>
Tensor<T, Cpu> scattered_in_memory(const Tensor<T, Cpu>& x, std::mt19937_64& random) {
    Dims order, back;
    for (int d = 0; d < x.dim(); ++d) back.push_back(0);
    for (int d = 0; d < x.dim(); ++d) order.insert(static_cast<int>(below(random, d + 1)), d);
    for (int d = 0; d < x.dim(); ++d) back[static_cast<int>(order[d])] = d;
    Shape room;
    for (const std::int64_t d : order) room.push_back(x.shape()[static_cast<int>(d)] + 1);
    auto y = zeros<T, Cpu>(room);
    Tensor<T, Cpu> inside = y;
    for (int d = 0; d < x.dim(); ++d) inside = inside.narrow(d, 1, room[d] - 1);
    inside = inside.permute(back);
    inside.copy_(x);
    return inside;
}

template <class T>
bool same(const Tensor<T, Cuda>& got, const Tensor<T, Cpu>& expected) {
    const auto host = got.template to<Cpu>();
    for (std::int64_t i = 0; i < expected.numel(); ++i)
        if (!(host.data()[i] == expected.data()[i])) return false;
    return true;
}

template <class T>
void compare_slabs(int rounds, std::int64_t most, std::mt19937_64& random) {
    for (int round = 0; round < rounds; ++round) {
        const Shape shape = some_shape(random, most);
        const int dim = static_cast<int>(below(random, shape.rank()));
        const std::int64_t count = shape[dim] == 0 ? 0 : below(random, round % 8 == 0 ? 6000 : 40);
        Shape picked = shape;
        picked[dim] = count;
        if (picked.numel() > 60000) continue;
        const auto index = some_indices({count}, std::max<std::int64_t>(1, shape[dim]), random);
        const auto x = some<T>(shape, random), source = some<T>(picked, random);
        const Slabs slabs(shape, dim);
        const auto index_there = index.to<Cuda>();
        auto y = empty<T, Cpu>(picked);
        auto y_there = empty<T, Cuda>(picked);
        const auto x_there = x.template to<Cuda>();
        copy_slabs(Cpu{}, static_cast<const T*>(x.data()), slabs, index.data(), count, y.data());
        copy_slabs(Cuda{}, static_cast<const T*>(x_there.data()), slabs, index_there.data(), count, y_there.data());
        REQUIRE(same(y_there, y));
        const auto source_there = source.template to<Cuda>();
        add_slabs(Cpu{}, static_cast<const T*>(source.data()), slabs, index.data(), count, x.data());
        add_slabs(Cuda{}, static_cast<const T*>(source_there.data()), slabs, index_there.data(), count, x_there.data());
        REQUIRE(same(x_there, x));
    }
}

template <class T>
void compare_along(int rounds, std::mt19937_64& random) {
    for (int round = 0; round < rounds; ++round) {
        Shape shape = some_shape(random, 9);
        const int dim = static_cast<int>(below(random, shape.rank()));
        if (round % 6 == 0) shape = {1 + below(random, 3), 1 + below(random, 300)};
        const int d = round % 6 == 0 ? 1 : dim;
        Shape picked = shape;
        for (int k = 0; k < picked.rank(); ++k)
            if (k != d) picked[k] = picked[k] == 0 ? 0 : 1 + below(random, picked[k]);
        picked[d] = shape[d] == 0 ? 0 : below(random, round % 6 == 0 ? 5000 : 30);
        const auto index = some_indices(picked, std::max<std::int64_t>(1, shape[d]), random);
        const auto index_there = index.to<Cuda>();
        const auto x = scattered_in_memory(some<T>(shape, random), random);
        Shape memory{(x.numel() ? 1 : 0)};
        for (int k = 0; k < x.dim() && x.numel(); ++k) memory[0] += (shape[k] - 1) * x.strides()[k];
        auto flat = empty<T, Cpu>(memory);
        std::copy_n(x.data(), flat.numel(), flat.data());
        const auto flat_there = flat.template to<Cuda>();
        auto y = empty<T, Cpu>(picked);
        auto y_there = empty<T, Cuda>(picked);
        gather_along(Cpu{}, static_cast<const T*>(flat.data()), x.strides(), d, shape[d], index.data(), picked, y.data());
        gather_along(Cuda{}, static_cast<const T*>(flat_there.data()), x.strides(), d, shape[d], index_there.data(), picked,
                     y_there.data());
        REQUIRE(same(y_there, y));
        const auto source = some<T>(picked, random);
        const auto source_there = source.template to<Cuda>();
        scatter_add_along(Cpu{}, flat.data(), x.strides(), d, shape[d], index.data(), picked, static_cast<const T*>(source.data()));
        scatter_add_along(Cuda{}, flat_there.data(), x.strides(), d, shape[d], index_there.data(), picked,
                          static_cast<const T*>(source_there.data()));
        REQUIRE(same(flat_there, flat));
        scatter_along(Cpu{}, flat.data(), x.strides(), d, shape[d], index.data(), picked, static_cast<const T*>(source.data()));
        scatter_along(Cuda{}, flat_there.data(), x.strides(), d, shape[d], index_there.data(), picked,
                      static_cast<const T*>(source_there.data()));
        REQUIRE(same(flat_there, flat));
    }
}

template <class Key, class Value>
void compare_sorted_pairs(std::int64_t count, int bits, bool with_values, std::mt19937_64& random) {
    std::vector<Key> keys(static_cast<std::size_t>(count));
    const Key mask = bits >= static_cast<int>(8 * sizeof(Key)) ? static_cast<Key>(~Key{0}) : static_cast<Key>((Key{1} << bits) - 1);
    for (Key& key : keys) key = static_cast<Key>(random()) & mask;
    std::vector<Value> values(keys.size()), order(keys.size());
    for (Value& value : values) value = static_cast<Value>(random() & 0xffffff);
    std::iota(order.begin(), order.end(), Value{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](Value a, Value b) { return keys[static_cast<std::size_t>(a)] < keys[static_cast<std::size_t>(b)]; });
    const cuda::Scratch<Key> from(count), to(count);
    const cuda::Scratch<Value> values_there(count), sorted(count);
    cuda::copy_async(from.data(), keys.data(), keys.size() * sizeof(Key), cudaMemcpyHostToDevice);
    cuda::copy_async(values_there.data(), values.data(), keys.size() * sizeof(Value), cudaMemcpyHostToDevice);
    cuda::sort_pairs("sort", static_cast<const Key*>(from.data()), to.data(),
                     static_cast<const Value*>(with_values ? values_there.data() : nullptr), sorted.data(), count, bits);
    std::vector<Key> got_keys(keys.size());
    std::vector<Value> got(keys.size());
    cuda::read(static_cast<const Key*>(to.data()), count, got_keys.data(), "sort");
    cuda::read(static_cast<const Value*>(sorted.data()), count, got.data(), "sort");
    for (std::size_t i = 0; i < keys.size(); ++i) {
        const auto at = static_cast<std::size_t>(order[i]);
        if (got_keys[i] != keys[at] || got[i] != (with_values ? values[at] : order[i])) {
            FAIL("pair " << i << " of " << count << " with " << bits << " bits");
            return;
        }
    }
    CHECK(got.size() == keys.size());
}

}  // namespace

TEST_CASE("pairs sorted by key keep their order where keys are equal", "[cuda]") {
    std::mt19937_64 random(1);
    for (const std::int64_t count : {0, 1, 2, 3, 100, 1023, 1024, 2047, 2048, 2049, 4096, 4097, 9000, 30011})
        for (const int bits : {1, 7, 8, 9, 16, 20, 32}) {
            compare_sorted_pairs<std::uint32_t, std::int32_t>(count, bits, random() % 2, random);
            if (count < 9000) compare_sorted_pairs<std::uint64_t, std::int32_t>(count, 2 * bits, random() % 2, random);
            if (count < 9000) compare_sorted_pairs<std::uint64_t, std::int64_t>(count, 2 * bits, random() % 2, random);
        }
}

TEST_CASE("slabs by index: copied and added", "[cuda]") {
    std::mt19937_64 random(2);
    compare_slabs<float>(300, 9, random);
    compare_slabs<double>(100, 9, random);
    compare_slabs<std::int64_t>(100, 9, random);
    compare_slabs<std::int32_t>(60, 9, random);
    compare_slabs<std::uint8_t>(60, 17, random);
    compare_slabs<bool>(60, 9, random);
    compare_slabs<float>(40, 40, random);
}

TEST_CASE("one element along a dimension for each index: read, added, written", "[cuda]") {
    std::mt19937_64 random(3);
    compare_along<float>(300, random);
    compare_along<double>(100, random);
    compare_along<std::int64_t>(100, random);
    compare_along<std::uint8_t>(60, random);
    compare_along<bool>(60, random);
}

TEST_CASE("sums in any order, by atomics", "[cuda]") {
    std::mt19937_64 random(4);
    REQUIRE(cuda::are_deterministic_algorithms_enabled());
    cuda::use_deterministic_algorithms(false);
    compare_slabs<float>(60, 9, random);
    compare_slabs<double>(60, 9, random);
    compare_slabs<std::uint8_t>(20, 9, random);
    compare_along<float>(60, random);
    cuda::use_deterministic_algorithms(true);
}

TEST_CASE("sums of many numbers at one place are accurate, and the same every time", "[cuda]") {
    std::mt19937_64 random(5);
    for (const std::int64_t count : {1000, 30000}) {
        auto x = empty<float, Cpu>({count});
        double expected[3] = {}, sizes[3] = {};
        auto index = empty<std::int64_t, Cpu>({count});
        for (std::int64_t i = 0; i < count; ++i) {
            x.data()[i] = static_cast<float>(std::normal_distribution<double>(0.5, 1)(random));
            index.data()[i] = below(random, 3);
            expected[index.data()[i]] += static_cast<double>(x.data()[i]);
            sizes[index.data()[i]] += std::abs(static_cast<double>(x.data()[i]));
        }
        std::vector<float> first;
        for (int round = 0; round < 2; ++round) {
            const auto y = zeros<float, Cpu>({3}).to<Cuda>(), x_there = x.to<Cuda>();
            add_slabs(Cuda{}, static_cast<const float*>(x_there.data()), Slabs({3}, 0), index.to<Cuda>().data(), count, y.data());
            const auto host = y.to<Cpu>();
            for (int k = 0; k < 3; ++k) CHECK(std::abs(static_cast<double>(host.data()[k]) - expected[k]) <= 1e-6 * sizes[k]);
            if (round == 0)
                first.assign(host.data(), host.data() + 3);
            else
                CHECK(std::equal(first.begin(), first.end(), host.data()));
        }
    }
}

TEST_CASE("places at which a mask is true", "[cuda]") {
    std::mt19937_64 random(6);
    for (int round = 0; round < 200; ++round) {
        const std::int64_t count = round < 5 ? round : below(random, round % 10 == 0 ? 40000 : 5000);
        auto mask = empty<bool, Cpu>({count});
        const std::int64_t rare = 1 + below(random, 4) * below(random, 100);
        for (std::int64_t i = 0; i < count; ++i) mask.data()[i] = below(random, rare) == 0;
        std::vector<std::int64_t> expected;
        for (std::int64_t i = 0; i < count; ++i)
            if (mask.data()[i]) expected.push_back(i);
        const auto check = [&](auto device, const bool* where) {
            Tensor<std::int64_t, decltype(device)> got;
            true_positions(device, where, count, [&](std::int64_t found) {
                got = empty<std::int64_t, decltype(device)>({found});
                return got.data();
            });
            REQUIRE(got.tolist() == expected);
        };
        check(Cpu{}, mask.data());
        check(Cuda{}, mask.to<Cuda>().data());
    }
    const Shape shape{3, 1, 7, 5};
    auto flat = empty<std::int64_t, Cpu>({105});
    std::iota(flat.data(), flat.data() + 105, std::int64_t{0});
    auto rows = empty<std::int64_t, Cpu>({105, 4});
    const auto rows_there = empty<std::int64_t, Cuda>({105, 4});
    unravel(Cpu{}, flat.data(), 105, shape, rows.data());
    unravel(Cuda{}, flat.to<Cuda>().data(), 105, shape, rows_there.data());
    CHECK(same(rows_there, rows));
}

TEST_CASE("adding through views that show places more than once", "[cuda]") {
    std::mt19937_64 random(7);
    for (int round = 0; round < 400; ++round) {
        const Shape shape = some_shape(random, round % 10 == 0 ? 100 : 7);
        if (shape.numel() > 20000) continue;
        Strides strides;
        std::int64_t lowest = 0, highest = 0;
        for (int d = 0; d < shape.rank(); ++d) {
            strides.push_back(below(random, 8) - (round % 3 == 0 ? 4 : 0));
            (strides[d] < 0 ? lowest : highest) += (std::max<std::int64_t>(1, shape[d]) - 1) * strides[d];
        }
        const auto from = some<float>(shape, random), to = some<float>({highest - lowest + 1}, random);
        const auto from_there = from.to<Cuda>(), to_there = to.to<Cuda>();
        add_strided(Cpu{}, static_cast<const float*>(from.data()), shape, strides, to.data() - lowest);
        add_strided(Cuda{}, static_cast<const float*>(from_there.data()), shape, strides, to_there.data() - lowest);
        REQUIRE(same(to_there, to));
    }
}

TEST_CASE("an index out of range is reported where the host next waits, once, and nothing outside is read", "[cuda]") {
    const bool blocking = std::exchange(cuda::launch_blocking(), false);
    const auto x = ones<float, Cpu>({5, 3}).to<Cuda>();
    auto index = zeros<std::int64_t, Cpu>({1000});
    for (const std::int64_t bad : {700, 300, 900}) index.data()[bad] = 5 + bad;
    index.data()[999] = -6;
    const auto there = index.to<Cuda>();
    const IndexRule rule{.op = "pick", .lowest = -5, .size = 5, .describe = [](const IndexRule& r, std::int64_t i, std::int64_t at) {
                             return message(r.op, ": index ", i, " at ", at, " of size ", r.size);
                         }};
    check_index(Cuda{}, there.data(), 1000, rule);
    const auto y = empty<float, Cuda>({1000, 3});
    copy_slabs(Cuda{}, static_cast<const float*>(x.data()), Slabs({5, 3}, 0), there.data(), 1000, y.data());
    add_slabs(Cuda{}, static_cast<const float*>(y.data()), Slabs({5, 3}, 0), there.data(), 1000, x.data());
    std::string text;
    try {
        cuda::synchronize();
    } catch (const IndexError& error) {
        text = error.what();
    }
    CHECK(text == "pick: index 305 at 300 of size 5");
    cuda::synchronize();  // it was thrown already
    CHECK(y.to<Cpu>().data()[2999] == 1.0f);

    // the earlier of two checks counts, though the later one has a lower position
    index.zero_();
    index.data()[0] = 77;
    check_index(Cuda{}, there.data(), 1000, rule);
    check_index(Cuda{}, index.to<Cuda>().data(), 1000, rule);
    CHECK_THROWS_WITH(cuda::current_stream().synchronize(), "pick: index 305 at 300 of size 5");
    // an empty dimension has no place at all
    check_index(Cuda{}, there.data(), 1000, IndexRule{.op = "none", .describe = rule.describe});
    CHECK_THROWS_WITH(cuda::read_one(x.data(), "read"), "none: index 0 at 0 of size 0");
    // one number is exempt
    check_index(Cuda{}, there.data(), 300, IndexRule{.op = "exempt", .describe = rule.describe, .has_exempt = true, .exempt = 0});
    cuda::synchronize();

    cuda::launch_blocking() = true;
    CHECK_THROWS_AS(check_index(Cuda{}, there.data(), 1000, rule), IndexError);
    cuda::launch_blocking() = blocking;
}
