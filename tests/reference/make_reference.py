#!/usr/bin/env python3
"""Writes the reference cases that the C++ tests are held against, one text file per family, to tests/reference/data.

To regenerate (needs PyTorch 2 or newer and NumPy; pip install torch numpy):

    python3 tests/reference/make_reference.py            # every family
    python3 tests/reference/make_reference.py loss print # only these

The numbers come from PyTorch in double precision; the inputs can be represented exactly in single precision, so the same case serves
Tensor<float> and Tensor<double>. Each case draws its numbers from its own seed, so that adding one leaves the others as they were.

The format, read by tests/support/reference.hpp:

    case softplus beta=2 threshold=20     the op, its arguments as key=value, flags (nogradcheck: at a kink or a tie; double: not for float)
    in x float 2x3 0.5 -1.25 ...          an input: name, type, shape ("scalar" for 0-dim), values in row-major order
    out y float 2x3 ...                   what PyTorch computes
    gout y 2x3 ...                        the gradient fed to backward through y
    grad x 2x3 ...                        the gradient that arrives at x
    text tensor([1., 2.])                 a line of printed text, kept as it is
    end

Types: float (the type under test), long, int, byte, bool. A list of tensors xs is written as xs.0, xs.1, and so on.
A float input without a grad line is a constant. A case without gout lines is about values only.
"""

import importlib
import os
import sys

FAMILIES = {
    "pointwise": "pointwise",
    "binary": "pointwise",
    "reduction": "reduction",
    "scan_sort": "reduction",
    "softmax": "reduction",
    "linalg": "structure",
    "shape": "structure",
    "linear": "structure",
    "activation": "network",
    "loss": "loss",
    "padding": "resampling",
    "embedding": "resampling",
    "resampling": "resampling",
    "pooling": "pooling",
    "unpooling": "pooling",
    "normalisation": "normalisation",
    "conv": "convolution",
    "conv_transpose": "convolution",
    "fold": "convolution",
    "recurrent": "sequence",
    "attention": "sequence",
    "sequence_layers": "sequence",
    "optimizer": "training",
    "scheduler": "training",
    "images": "images",
    "transforms": "images",
    "print": "printing",
    "random": "random_numbers",
    "layer_init": "random_numbers",
    "follow": "follow",
    "half": "half",
    "amp": "amp",
}


def main(names):
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, here)
    from writer import Family

    unknown = [name for name in names if name not in FAMILIES]
    if unknown:
        sys.exit(f"unknown family: {', '.join(unknown)} (there are: {', '.join(FAMILIES)})")
    for name in names or FAMILIES:
        family = Family(name, os.path.join(here, "data", name + ".txt"))
        getattr(importlib.import_module("families." + FAMILIES[name]), name)(family)
        family.write()


if __name__ == "__main__":
    main(sys.argv[1:])
