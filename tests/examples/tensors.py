#!/usr/bin/env python3
"""What examples/tensors.cpp prints, as PyTorch prints it: `python3 tests/examples/tensors.py > tests/examples/tensors.txt`."""

import os
import tempfile

import numpy as np
import torch

torch.manual_seed(0)


def show(code, value):
    print(">>> " + code)
    print(value)


show("tensor({1, 2, 3})", torch.tensor([1.0, 2.0, 3.0]))
show("tensor<std::int64_t>({1, 2, 3})", torch.tensor([1, 2, 3]))
show("zeros({2, 3})", torch.zeros(2, 3))
show("ones({2, 3})", torch.ones(2, 3))
show("arange(0, 10, 2)", torch.arange(0, 10, 2))
show("linspace(0, 1, 5)", torch.linspace(0, 1, 5))
show("rand({2, 3})", torch.rand(2, 3))
show("randn({2, 3})", torch.randn(2, 3))

X = torch.tensor([[1.0, 2, 3], [4, 5, 6]])
show("X", X)
show("X.dtype()", X.dtype)
show("X.shape()", X.shape)
show("X.ndim()", X.ndim)
show("X.numel()", X.numel())
show("X.to<double>()", X.double())
show("X > 3", X > 3)

row = torch.tensor([[1.0, 2, 3]])
column = torch.tensor([[10.0], [20], [30]])
show("row + column", row + column)
show("X * 0.5 + 1", X * 0.5 + 1)
show("X.sum()", X.sum())
show("X.mean()", X.mean())
show("X.sum({0})", X.sum(0))
show("X.mean({1}, true)", X.mean(1, True))
show("matmul(X, X.t())", X @ X.T)

show("X(0, all)", X[0, :])
show("X[0]", X[0])
show("X(all, 0)", X[:, 0])
show("X(all, slice(1, 3))", X[:, 1:3])
show("X(-1, -1)", X[-1, -1])
show("X(X > 3)", X[X > 3])
X[0, :] = 0
show("X(0, all) = 0; X", X)

array = X.numpy()  # NumPy in the place of Eigen
array[0, 2] = 7
show("as_matrix(X)(0, 2) = 7; X", X)
matrix = np.array([[1, 2], [3, 4]], dtype=np.float32, order="F")
Y = torch.from_numpy(matrix)
matrix[0, 1] = 20
show("matrix(0, 1) = 20; from_eigen(matrix)", Y)
show("from_eigen(Eigen::MatrixXf(map.cwiseAbs2()))", torch.from_numpy(array**2))

with tempfile.TemporaryDirectory() as directory:
    file = os.path.join(directory, "tensors.npy")
    np.save(file, X.numpy())
    Z = torch.from_numpy(np.load(file))
show('load_npy("tensors.npy")', Z)
show("equal(X, Z)", torch.equal(X, Z))

show("X.device()", X.device)
show("X.to<Cpu>().is_same(X)", X.to("cpu") is X)
