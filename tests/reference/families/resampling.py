"""Padding, interpolation, rearranging pixels, embeddings."""

import torch
import torch.nn.functional as F


def padding(f):
    cases = [
        ((3, 5), (1, 2), ("constant",)),
        ((4,), (2, 0), ("constant",)),
        ((1, 2, 4), (2, 3), ("reflect", "replicate", "circular")),
        ((2, 3, 4), (1, 0, 2, 1), ("constant", "reflect", "replicate", "circular")),
        ((1, 2, 3, 4), (1, 2, 0, 2), ("constant", "reflect", "replicate", "circular")),
        ((1, 2, 3, 4), (-1, 2, 1, -1), ("constant", "reflect", "replicate", "circular")),
        ((1, 2, 3, 4), (-1, -2, -1, -1), ("constant", "replicate")),
        ((2, 2, 1, 2), (0, 0, 0, 0, 1, 1), ("constant",)),
        ((1, 2, 2, 2, 3), (1, 1, 0, 1, 1, 0), ("constant", "reflect", "replicate", "circular")),
        ((0, 2, 3, 4), (1, 1, 1, 1), ("constant", "reflect", "replicate")),
        ((2, 0, 3), (1, 1, 2, 0), ("constant",)),
        ((1, 2, 3), (0, -3), ("constant",)),
    ]
    for shape, pads, modes in cases:
        for mode in modes:
            value = 1.5 if mode == "constant" and len(shape) > 1 else None
            f.add(
                "pad",
                lambda x, pads, mode, value=None: F.pad(x, pads, mode, value),
                {"x": f.draw("pad", shape, pads, mode).normal(*shape)},
                {"pads": pads, "mode": mode, "value": value},
            )
    f.add("pad_long", lambda x: F.pad(x, (1, 2, 1, 0), value=7), {"x": torch.tensor([[1, 2], [3, 4]])})
