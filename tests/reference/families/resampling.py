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


def embedding(f):
    def run(index, weight, **options):
        return F.embedding(index, weight, **options)

    for shape, options in (
        ((4,), {}),
        ((2, 3), {"padding_idx": 1}),
        ((), {}),
        ((0, 2), {"padding_idx": -1}),
        ((3, 4), {"padding_idx": -2, "scale_grad_by_freq": True}),
        ((2, 1, 5), {"scale_grad_by_freq": True}),
    ):
        draw = f.draw("embedding", shape)
        f.add(
            "embedding",
            run,
            {"index": draw.integers(0, 5, *shape), "weight": draw.normal(5, 3)},
            options,
            flags=["nogradcheck"] if options else [],  # what comes back is on purpose no gradient
        )
    for norm_type in (2.0, 1.0, 3.0, float("inf")):
        draw = f.draw("embedding norm", norm_type)

        def cut(index, weight, **options):
            with torch.no_grad():
                table = weight.detach().clone()
                return F.embedding(index, table, **options), table

        f.add(
            "embedding_max_norm",
            cut,
            {"index": torch.tensor([3, 0, 3]), "weight": draw.normal(5, 3)},
            {"max_norm": 1.25, "norm_type": norm_type},
            gradient=False,
        )


def resampling(f):
    def run(x, **options):
        return F.interpolate(x, **options)

    cases = [
        ((2, 2, 3), {"size": 5}),
        ((2, 2, 5), {"scale_factor": 0.5}),
        ((1, 2, 3, 4), {"scale_factor": 2}),
        ((1, 2, 3, 4), {"size": (5, 3)}),
        ((1, 1, 4, 5), {"scale_factor": (1.6, 0.7)}),
        ((1, 1, 4, 5), {"scale_factor": (1.6, 0.7), "recompute_scale_factor": True}),
        ((2, 1, 4, 5), {"size": (7, 2), "mode": "nearest-exact"}),
        ((2, 2, 3), {"size": 5, "mode": "linear"}),
        ((2, 2, 3), {"size": 1, "mode": "linear", "align_corners": True}),
        ((2, 2, 6), {"scale_factor": 0.6, "mode": "linear"}),
        ((1, 2, 1), {"size": 4, "mode": "linear"}),
        ((0, 2, 3), {"size": 4, "mode": "linear"}),
        ((1, 2, 5, 4), {"size": (2, 3), "mode": "area"}),
        ((1, 2, 5), {"size": 3, "mode": "area"}),
        ((0, 2, 3, 3), {"scale_factor": 2, "mode": "bilinear"}),
    ]
    for mode in ("bilinear", "bicubic"):
        for align in (None, True):
            for shape, target in (
                ((1, 2, 3, 4), {"size": (5, 7)}),
                ((1, 1, 6, 5), {"size": (3, 2)}),
                ((1, 1, 3, 5), {"size": (4, 3)}),
                ((2, 1, 1, 2), {"size": (3, 3)}),
                ((1, 1, 3, 4), {"scale_factor": (1.5, 2.3)}),
                ((1, 1, 3, 4), {"size": (3, 4)}),
            ):
                cases.append((shape, {**target, "mode": mode, "align_corners": align}))
        for shape, target in (
            ((1, 2, 7, 9), {"size": (3, 4)}),
            ((1, 1, 5, 4), {"size": (2, 6)}),
            ((1, 1, 8, 3), {"scale_factor": (0.3, 2.0)}),
            ((1, 1, 5, 5), {"size": (1, 1)}),
        ):
            cases.append((shape, {**target, "mode": mode, "antialias": True}))
    for shape, options in cases:
        f.add("interpolate", run, {"x": f.draw("interpolate", shape, options).normal(*shape)}, options)
    for shape in ((4, 2, 3), (2, 8, 1, 2), (1, 2, 4, 2, 2)):
        draw = f.draw("pixel_shuffle", shape)
        f.add("pixel_shuffle", lambda x, factor: F.pixel_shuffle(x, factor), {"x": draw.normal(*shape)}, {"factor": 2})
    for shape in ((1, 4, 6), (2, 2, 2, 2), (2, 1, 2, 4, 2)):
        draw = f.draw("pixel_unshuffle", shape)
        f.add("pixel_unshuffle", lambda x, factor: F.pixel_unshuffle(x, factor), {"x": draw.normal(*shape)}, {"factor": 2})
