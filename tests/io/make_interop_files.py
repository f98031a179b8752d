#!/usr/bin/env python3
# headtorch: tensors and autograd for C++20.
# SPDX-License-Identifier: MIT
"""Writes the files of tests/io/data with PyTorch, safetensors and NumPy; tests/io/interop_test.cpp reads them, and compares the .npy ones
byte by byte with ours. Run it with the folder as argument, in a Python that has the three packages.

Every tensor holds 0, 1, 2, ... (a bool 0, 1, 1, ...), so that the test knows the values by the shapes.
"""

import os
import sys
from collections import OrderedDict


def write_numpy(folder):
    import numpy as np

    def path(name):
        return os.path.join(folder, name)

    grid = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.save(path("c_order.npy"), grid)
    np.save(path("fortran_order.npy"), np.asfortranarray(np.arange(24, dtype=np.float64).reshape(2, 3, 4)))
    np.save(path("big_endian.npy"), np.arange(5, dtype=">i4"))
    np.save(path("big_endian_fortran.npy"), np.asfortranarray(np.arange(6, dtype=">f8").reshape(2, 3)))
    np.save(path("scalar.npy"), np.int64(7))
    np.save(path("bool.npy"), np.arange(3) > 0)
    np.save(path("empty.npy"), np.zeros((0, 3), np.uint8))
    np.save(path("half.npy"), np.arange(4, dtype=np.float16))
    np.save(path("int16.npy"), np.arange(-2, 2, dtype=np.int16))
    with open(path("version_3.npy"), "wb") as file:
        np.lib.format.write_array(file, grid, version=(3, 0))
    arrays = {"fc.weight": grid, "fc.bias": np.arange(3, dtype=np.float32), "steps": np.int64(7)}
    np.savez(path("stored.npz"), **arrays)
    np.savez_compressed(path("deflated.npz"), **arrays)


def write_torch(folder):
    import torch

    def path(name):
        return os.path.join(folder, name)

    def save(value, name, **options):
        torch.save(value, path(name), **options)

    grid = torch.arange(12.0).reshape(3, 4)
    dtypes = {
        "float": torch.float32, "double": torch.float64, "long": torch.int64, "int": torch.int32, "byte": torch.uint8,
    }
    every = OrderedDict((name, torch.arange(3).to(dtype)) for name, dtype in dtypes.items())
    every["bool"] = torch.arange(3) > 0
    every["scalar"] = torch.tensor(0.0)
    every["empty"] = torch.zeros(0, 3)
    save(every, "types.pt")
    half = {"half": torch.arange(3.0).half(), "bfloat16": torch.arange(3.0).bfloat16(), "short": torch.arange(3, dtype=torch.int16)}
    save(half, "half.pt")
    save({"grid": grid, "transposed": grid.t(), "column": grid[:, 1], "part": grid[1:, 2:], "expanded": grid[:, :1].expand(3, 2)}, "views.pt")

    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 1))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.arange(float(parameter.numel())).reshape(parameter.shape))
    save(net.state_dict(), "module.pth")
    adam = torch.optim.Adam(net.parameters())
    net(torch.ones(2, 4)).sum().backward()
    adam.step()
    save({"model": net.state_dict(), "optimizer": adam.state_dict(), "epoch": 3, "loss": 0.25, "best": True, "name": "net", "none": None},
         "checkpoint.pt")
    save({"weight": torch.nn.Parameter(grid), "frozen": torch.nn.Parameter(grid, requires_grad=False)}, "parameters.pt")
    save(OrderedDict(weight=grid), "protocol_4.pt", pickle_protocol=4)
    save(grid, "tensor.pt")
    save(net, "whole_module.pt")
    save(OrderedDict(weight=grid), "before_1_6.pt", _use_new_zipfile_serialization=False)


def write_safetensors(folder):
    import torch
    from safetensors.torch import save_file

    tensors = {
        "fc.weight": torch.arange(12.0).reshape(3, 4), "fc.bias": torch.arange(3.0), "steps": torch.tensor(7), "mask": torch.arange(3) > 0,
        "double": torch.arange(3.0, dtype=torch.float64), "empty": torch.zeros(0, 3),
    }
    save_file(tensors, os.path.join(folder, "tensors.safetensors"), metadata={"format": "pt"})
    save_file({"half": torch.arange(3.0).half(), "bfloat16": torch.arange(3.0).bfloat16()}, os.path.join(folder, "half.safetensors"))


if __name__ == "__main__":
    for write in (write_numpy, write_torch, write_safetensors):
        try:
            write(sys.argv[1])
        except ImportError as error:
            print("left out:", error.name)
