// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Storage: who shares it, when it goes, and the version that writes raise.
#include "headtorch/tensor/storage.hpp"

#include <utility>

#include "headtorch/core/ref.hpp"
#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

TEST_CASE("handles and views share storage", "[tensor]") {
    const auto x = zeros({4});
    CHECK(x.get()->owns_storage());
    {
        const auto handle = x;
        CHECK(handle.is_same(x));
        CHECK_FALSE(x.get()->owns_storage());
    }
    CHECK(x.get()->owns_storage());
    {
        const auto view = x.view(2, 2), other = x.detach();
        CHECK_FALSE(view.is_same(x));
        CHECK(view.get()->storage == x.get()->storage);
        CHECK(other.get()->storage == x.get()->storage);
        CHECK_FALSE(x.get()->owns_storage());
        CHECK_FALSE(view.get()->owns_storage());
    }
    CHECK(x.get()->owns_storage());
}

TEST_CASE("every write raises the version that all views see", "[tensor]") {
    const auto x = zeros({2, 2});
    const auto view = x[0], detached = x.detach();
    const auto start = x.get()->version();
    view.fill_(1);
    CHECK(x.get()->version() == start + 1);
    x += 1;
    detached.copy_(ones({2, 2}));
    CHECK(view.get()->version() == start + 3);
    CHECK(x.clone().get()->version() == 0);
    const auto unused = x * 2;
    CHECK(x.get()->version() == start + 3);
}

TEST_CASE("a view keeps the storage alive", "[tensor]") {
    Tensor<> row;
    {
        const auto x = tensor({{1, 2}, {3, 4}});
        row = x[1];
    }
    CHECK(row.tolist() == std::vector<float>{3, 4});
}

TEST_CASE("handles move and assign", "[tensor]") {
    auto a = ones({2}), b = zeros({2});
    const auto first = a;
    a = std::move(b);
    CHECK(a.tolist() == std::vector<float>{0, 0});
    CHECK_FALSE(b.defined());
    b = a;
    CHECK(b.is_same(a));
    auto& self = a;
    a = self;
    CHECK(a.defined());
    CHECK(first.tolist() == std::vector<float>{1, 1});
}

TEST_CASE("geometry of contiguous tensors and of aliases", "[tensor]") {
    const auto impl = make_impl<Cpu>(Dtype::float64, {2, 3});
    CHECK(impl->contiguous);
    CHECK(impl->numel == 6);
    CHECK(impl->storage->bytes == 48);
    CHECK(impl->strides == Strides{3, 1});
    const auto alias = alias_impl(*impl, {2}, {3}, 1);
    CHECK(static_cast<char*>(alias->data) - static_cast<char*>(impl->data) == 8);
    CHECK_FALSE(alias->contiguous);
    CHECK(reinterpret_cast<std::uintptr_t>(impl->data) % 64 == 0);
}
