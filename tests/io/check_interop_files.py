#!/usr/bin/env python3
# headtorch: tensors and autograd for C++20.
# SPDX-License-Identifier: MIT
"""Reads the files that tests/io/interop_test.cpp wrote into a folder, with PyTorch, safetensors and NumPy, and fails unless every tensor
holds 0, 1, 2, ... in the shape and type that it should have. A package that is not installed is left out, and said so."""

import os
import sys

EXPECTED = {
    "float": ("float32", (3, 4)), "double": ("float64", (2, 3)), "long": ("int64", (5,)), "int": ("int32", (2, 1, 2)), "byte": ("uint8", (3,)),
    "bool": ("bool", (3,)), "scalar": ("float32", ()), "empty": ("float32", (0, 3)), "fc.weight / \u00fc": ("float32", (3, 2)),
}


def check(tensors, as_numpy, source):
    assert list(tensors) == list(EXPECTED) or source.endswith(".safetensors") and set(tensors) == set(EXPECTED), (source, list(tensors))
    for name, (dtype, shape) in EXPECTED.items():
        array = as_numpy(tensors[name])
        assert str(array.dtype) == dtype, (source, name, array.dtype)
        assert array.shape == shape, (source, name, array.shape)
        expected = [bool(i) if dtype == "bool" else i for i in range(array.size)]
        assert array.reshape(-1).tolist() == expected, (source, name, array)


def check_numpy(path):
    import numpy as np

    for name in ("stored.npz", "deflated.npz", "large.npz"):
        with np.load(path(name)) as file:
            check({key: file[key] for key in file}, lambda x: x, name)
    assert np.load(path("array.npy")).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert np.load(path("array.npy"), mmap_mode="r").shape == (2, 3)


def check_halfs(tensors):
    assert sorted(tensors) == ["bfloat16", "half"], list(tensors)
    for name, tensor in tensors.items():
        assert str(tensor.dtype) == {"half": "torch.float16"}.get(name, "torch.bfloat16"), tensor.dtype
        assert tensor.tolist() == [0, 1, 2], tensor


def check_torch(path):
    import torch

    for options in ({}, {"mmap": True}):
        tensors = torch.load(path("tensors.pt"), weights_only=True, **options)
        assert type(tensors).__name__ == "OrderedDict", type(tensors)
        tied = tensors.pop("tied")
        assert tied.data_ptr() == tensors["float"].data_ptr()
        check(tensors, lambda x: x.numpy(), "tensors.pt")
    check_halfs(torch.load(path("halfs.pt"), weights_only=True))
    net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 1))
    net.load_state_dict(torch.load(path("module.pth"), weights_only=True))
    assert net[0].weight.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def check_safetensors(path):
    from safetensors import safe_open
    from safetensors.torch import load_file

    check(load_file(path("tensors.safetensors")), lambda x: x.numpy(), "tensors.safetensors")
    check_halfs(load_file(path("halfs.safetensors")))
    with safe_open(path("tensors.safetensors"), "np") as file:
        assert file.metadata() == {"by": "headtorch"}, file.metadata()


if __name__ == "__main__":
    for function in (check_numpy, check_torch, check_safetensors):
        try:
            function(lambda name: os.path.join(sys.argv[1], name))
        except ImportError as error:
            print("left out:", error.name)
