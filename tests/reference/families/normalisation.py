"""Batch, layer, group, instance, RMS and local response normalisation."""

import torch
import torch.nn.functional as F


def normalisation(f):
    batch(f)
    within(f)
    for shape, options in (
        ((2, 4, 3), {"size": 3}),
        ((1, 5, 2, 2), {"size": 2, "alpha": 0.5, "beta": 0.5, "k": 2.0}),
        ((2, 3, 2, 1, 2), {"size": 5, "alpha": 1.0}),
        ((0, 3, 2), {"size": 2}),
    ):
        f.add(
            "local_response_norm",
            lambda x, **k: F.local_response_norm(x, **k),
            {"x": f.draw("lrn", shape).normal(*shape)},
            options,
        )


def parameters(draw, shape, kind):
    """Weight and bias, weight alone, bias alone or none."""
    return {
        "weight": draw.normal(*shape) if "w" in kind else None,
        "bias": draw.normal(*shape) if "b" in kind else None,
    }


def batch(f):
    def run(x, weight=None, bias=None, running_mean=None, running_var=None, **options):
        if running_mean is not None:
            running_mean, running_var = running_mean.clone(), running_var.clone()
        y = F.batch_norm(x, running_mean, running_var, weight, bias, **options)
        return (y,) if running_mean is None else (y, running_mean, running_var)

    shapes = ((5, 3), (2, 3, 4), (2, 3, 2, 2), (3, 17), (4, 2, 1, 1), (1, 2, 3, 3), (2, 2, 1, 2, 2))
    for shape in shapes:
        for kind in ("wb", "w", "b", "") if shape == (2, 3, 2, 2) else ("wb",):
            for training in (True, False):
                draw = f.draw("batch_norm", shape, kind, training)
                channels = shape[1]
                f.add(
                    "batch_norm",
                    run,
                    {
                        "x": draw.normal(*shape),
                        **parameters(draw, (channels,), kind),
                        "running_mean": draw.normal(channels),
                        "running_var": draw.positive(channels),
                    },
                    {"training": training, "momentum": 0.25, "eps": 0.001 if kind else None},
                    constant=["running_mean", "running_var"],
                )
    draw = f.draw("batch_norm without")
    f.add("batch_norm", run, {"x": draw.normal(3, 2, 2), **parameters(draw, (2,), "wb")}, {"training": True})
    draw = f.draw("batch_norm wide")
    f.add("batch_norm", run, {"x": draw.normal(2, 1, 40)}, {"training": True}, flags=["nogradcheck"])


def within(f):
    for shape, normalized in (
        ((3, 4), (4,)),
        ((2, 2, 3), (2, 3)),
        ((2, 3, 5), (5,)),
        ((6,), (6,)),
        ((2, 37), (37,)),
        ((0, 4), (4,)),
    ):
        for kind in ("wb", "w", "b", "") if shape == (3, 4) else ("wb",):
            draw = f.draw("layer_norm", shape, kind)
            f.add(
                "layer_norm",
                lambda x, normalized_shape, weight=None, bias=None, **k: F.layer_norm(x, normalized_shape, weight, bias, **k),
                {"x": draw.normal(*shape), **parameters(draw, normalized, kind)},
                {"normalized_shape": normalized, "eps": 0.01 if kind == "wb" else None},
                flags=["nogradcheck"] if shape == (2, 37) else [],
            )
        for kind in ("w", ""):
            draw = f.draw("rms_norm", shape, kind)
            f.add(
                "rms_norm",
                lambda x, normalized_shape, weight=None, eps=None: F.rms_norm(x, normalized_shape, weight, eps),
                {"x": draw.normal(*shape), "weight": draw.normal(*normalized) if kind else None},
                {"normalized_shape": normalized, "eps": 0.01},
                flags=["nogradcheck"] if shape == (2, 37) else [],
            )
    for shape, groups in (((2, 4), 2), ((2, 4, 3), 2), ((1, 6, 2, 2), 3), ((2, 3, 2, 1), 1), ((0, 4, 2), 2), ((3, 4, 2), 4)):
        for kind in ("wb", "w", "b", "") if shape == (2, 4, 3) else ("wb",):
            draw = f.draw("group_norm", shape, kind)
            f.add(
                "group_norm",
                lambda x, num_groups, weight=None, bias=None, **k: F.group_norm(x, num_groups, weight, bias, **k),
                {"x": draw.normal(*shape), **parameters(draw, (shape[1],), kind)},
                {"num_groups": groups, "eps": 0.01 if kind == "wb" else None},
            )

    def instance(x, weight=None, bias=None, running_mean=None, running_var=None, **options):
        if running_mean is not None:
            running_mean, running_var = running_mean.clone(), running_var.clone()
        y = F.instance_norm(x, running_mean, running_var, weight, bias, **options)
        return (y,) if running_mean is None else (y, running_mean, running_var)

    for shape in ((2, 3, 2, 2), (1, 2, 5), (3, 2, 3)):
        for kind, running, own in (("wb", False, True), ("", False, True), ("wb", True, True), ("w", True, False)):
            draw = f.draw("instance_norm", shape, kind, running, own)
            f.add(
                "instance_norm",
                instance,
                {
                    "x": draw.normal(*shape),
                    **parameters(draw, (shape[1],), kind),
                    "running_mean": draw.normal(shape[1]) if running else None,
                    "running_var": draw.positive(shape[1]) if running else None,
                },
                {"use_input_stats": own, "eps": 0.01},
                constant=["running_mean", "running_var"],
            )
