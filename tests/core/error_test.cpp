// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Messages, and the path of modules that an error passed.
#include "headtorch/core/error.hpp"

#include <stdexcept>
#include <string>

#include "headtorch/core/shape.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

TEST_CASE("messages join text, numbers and shapes", "[core]") {
    CHECK(message() == "");
    CHECK(message("matmul: ", Shape{3, 4}, " x ", Shape{5, 6}) == "matmul: [3, 4] x [5, 6]");
    CHECK(message(1, ' ', -2L, ' ', 3u, ' ', true, ' ', false) == "1 -2 3 true false");
    CHECK(message(0.5, ' ', 1e-20f, ' ', 1.0) == "0.5 1e-20 1");
    CHECK(message(std::string("a"), std::string_view("b"), "c", 'd') == "abcd");
    CHECK(message(std::int64_t{1} << 62, ' ', ~std::uint64_t{0}) == "4611686018427387904 18446744073709551615");
}

TEST_CASE("every error is an Error and a runtime_error", "[core]") {
    CHECK_THROWS_AS(throw ShapeError("x"), Error);
    CHECK_THROWS_AS(throw IndexError("x"), Error);
    CHECK_THROWS_AS(throw ValueError("x"), Error);
    CHECK_THROWS_AS(throw AutogradError("x"), Error);
    CHECK_THROWS_AS(throw IoError("x"), std::runtime_error);
    CHECK_THROWS_AS(throw OutOfMemoryError("x"), std::runtime_error);
}

TEST_CASE("the path of modules stands in front", "[core]") {
    ShapeError error("linear: the input has 3 features");
    CHECK(std::string(error.what()) == "linear: the input has 3 features");
    CHECK(error.module_path().empty());
    error.prepend_module("fc2");
    CHECK(std::string(error.what()) == "fc2: linear: the input has 3 features");
    error.prepend_module("head");
    error.set_root_module("net");
    CHECK(error.module_path() == "net.head.fc2");
    CHECK(std::string(error.what()) == "net.head.fc2: linear: the input has 3 features");
    const ShapeError copy = error;
    CHECK(std::string(copy.what()) == error.what());
    ShapeError alone("linear: no");
    alone.set_root_module("linear");
    CHECK(std::string(alone.what()) == "linear: no");
}
