// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Tensors: how they are made, what they are, how they are indexed, and how Eigen and NumPy see them. Each line of code is followed by its
// value, printed as PyTorch prints it; tests/examples/tensors.py is the same in Python.

#include <Eigen/Dense>
#include <headtorch/headtorch.hpp>
#include <headtorch/io.hpp>

#include "examples/common/page.hpp"
using namespace headtorch;

// A value as Python would print it.
std::string text(const AnyTensor auto& x) { return x.to_string(); }
std::string text(Dtype dtype) { return message("torch.", name(dtype)); }
std::string text(DeviceKind device) { return message(name(device)); }
std::string text(const Shape& shape) { return message("torch.Size(", shape, ")"); }
std::string text(bool truth) { return truth ? "True" : "False"; }
std::string text(std::integral auto number) { return message(number); }

int main(int argc, char** argv) {
    using headtorch::all;  // CUDA has a function of that name
    const examples::Options options =
        examples::parse(argc, argv, "tensors", "Tensors: how they are made, indexed, and shared with Eigen and NumPy.");
    examples::Page page(options, "Tensors");

    // Collects what belongs together: a line of code, and its value below.
    std::string session;
    const auto show = [&](const std::string& code, const auto& value) {
        session += (session.empty() ? ">>> " : "\n>>> ") + code + "\n" + text(value);
    };
    const auto end_of = [&](const std::string& heading) {
        page.print(heading, session);
        session.clear();
    };

    // --- from values, of one value, sequences, random numbers ---------------------------------------------------------------
    show("tensor({1, 2, 3})", tensor({1, 2, 3}));
    show("tensor<std::int64_t>({1, 2, 3})", tensor<std::int64_t>({1, 2, 3}));
    show("zeros({2, 3})", zeros({2, 3}));
    show("ones({2, 3})", ones({2, 3}));
    show("arange(0, 10, 2)", arange(0, 10, 2));
    show("linspace(0, 1, 5)", linspace(0, 1, 5));
    show("rand({2, 3})", rand({2, 3}));    // uniform in [0, 1)
    show("randn({2, 3})", randn({2, 3}));  // standard normal
    end_of("Made from values, of one value, at random");

    // --- what a tensor is ----------------------------------------------------------------------------------------------------
    const Tensor<> X = tensor({{1, 2, 3}, {4, 5, 6}});  // Tensor<> is Tensor<float, DefaultDevice>: on the CPU, or on a GPU
    show("X", X);
    show("X.dtype()", X.dtype());
    show("X.shape()", X.shape());
    show("X.ndim()", X.ndim());
    show("X.numel()", X.numel());
    show("X.to<double>()", X.to<double>());
    show("X > 3", X > 3);
    end_of("Type and shape");

    // --- arithmetic ------------------------------------------------------------------------------------------------------------
    const Tensor<> row = tensor({{1, 2, 3}}), column = tensor({{10}, {20}, {30}});
    show("row + column", row + column);  // 1 x 3 and 3 x 1: both are repeated to 3 x 3
    show("X * 0.5 + 1", X * 0.5 + 1);
    show("X.sum()", X.sum());
    show("X.mean()", X.mean());
    show("X.sum({0})", X.sum({0}));                // of each column
    show("X.mean({1}, true)", X.mean({1}, true));  // of each row, which stays a dimension
    show("matmul(X, X.t())", matmul(X, X.t()));
    end_of("Broadcasting, sums and means");

    // --- indices: views of the same numbers ---------------------------------------------------------------------------------------
    show("X(0, all)", X(0, all));
    show("X[0]", X[0]);
    show("X(all, 0)", X(all, 0));
    show("X(all, slice(1, 3))", X(all, slice(1, 3)));
    show("X(-1, -1)", X(-1, -1));
    const Tensor<> large = X(X > 3);  // a mask picks, which makes a copy
    show("X(X > 3)", large);
    X(0, all) = 0;  // writes through the view
    show("X(0, all) = 0; X", X);
    end_of("Indexing");

    // --- Eigen: one memory, two names -----------------------------------------------------------------------------------------------
    const Tensor<float, Cpu> host = X.to<Cpu>();  // Eigen works in the host's memory: X itself, or of a GPU's a copy
    auto map = as_matrix(host);                   // an Eigen::Map; it wants the tensor to outlive it
    map(0, 2) = 7;
    X.copy_(host.to<DefaultDevice>());
    show("as_matrix(X)(0, 2) = 7; X", X);
    Eigen::MatrixXf matrix(2, 2);
    matrix << 1, 2, 3, 4;
    const auto Y = from_eigen(matrix);  // Eigen goes down the columns: strides, not a copy
    matrix(0, 1) = 20;
    show("matrix(0, 1) = 20; from_eigen(matrix)", Y);
    show("from_eigen(Eigen::MatrixXf(map.cwiseAbs2()))", from_eigen(Eigen::MatrixXf(map.cwiseAbs2())));  // takes what Eigen made
    end_of("Eigen, without a copy");

    // --- NumPy's files ---------------------------------------------------------------------------------------------------------------
    const std::string file = options.file("tensors.npy");
    io::save_npy(file, X);
    const auto Z = io::load_npy(file).get<float, Cpu>();
    show("load_npy(\"tensors.npy\")", Z);
    show("equal(X, Z)", equal(X.to<Cpu>(), Z));
    end_of("NumPy's files");

    // --- devices ----------------------------------------------------------------------------------------------------------------------
    show("X.device()", X.device());
    const char* there = X.device() == DeviceKind::cpu ? "Cpu" : "Cuda";
    show(message("X.to<", there, ">().is_same(X)"), X.to<DefaultDevice>().is_same(X));  // it is there already: no copy
    end_of("Devices");

    examples::Result().add("sum", X.sum().item(), 1).called("sum of X").add("mean", X.mean().item()).called("mean of X").print(page);
}
