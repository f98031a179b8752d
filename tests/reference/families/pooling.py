"""Pooling: largest elements, means and powers of windows; and the way back."""

import torch.nn.functional as F


def pooling(f):
    maximum(f)
    average(f)
    adaptive(f)
    for norm, kernel, stride, ceil in ((2, 2, None, False), (3, (1, 2), 1, False), (2, 2, 2, True), (1, 3, 1, False)):
        f.add(
            "lp_pool2d",
            lambda x, **k: F.lp_pool2d(x, **k),
            {"x": f.draw("lp", norm, kernel).positive(1, 2, 3, 5)},
            {"norm_type": norm, "kernel_size": kernel, "stride": stride, "ceil_mode": ceil},
        )
    for norm in (1.5, float("inf"), float("-inf")):
        f.add(
            "lp_pool2d",
            lambda x, **k: F.lp_pool2d(x, **k),
            {"x": f.draw("lp", norm).positive(2, 4, 4)},
            {"norm_type": norm, "kernel_size": 2},
        )


def maximum(f):
    windows = [
        ((2, 3, 4, 4), {"kernel_size": 2, "stride": 2}),
        ((1, 2, 5, 7), {"kernel_size": 2}),
        ((1, 1, 4, 36), {"kernel_size": 2}),
        ((1, 2, 5, 5), {"kernel_size": 2, "ceil_mode": True}),
        ((2, 5, 6), {"kernel_size": 3, "stride": 2, "padding": 1}),
        ((1, 1, 4, 37), {"kernel_size": 3, "stride": 2, "padding": 1}),
        ((1, 2, 6, 5), {"kernel_size": (3, 2), "stride": (1, 2), "padding": (1, 0)}),
        ((1, 2, 6, 7), {"kernel_size": 2, "stride": 1, "dilation": 2}),
        ((1, 1, 7, 8), {"kernel_size": (2, 3), "stride": (2, 3), "dilation": (3, 1), "padding": (1, 1)}),
        ((1, 2, 6, 6), {"kernel_size": 3, "stride": 4, "ceil_mode": True, "padding": 1}),
        ((1, 1, 3, 3), {"kernel_size": 3, "stride": 1, "padding": 1}),
        ((1, 1, 4, 20), {"kernel_size": 3, "stride": 1}),
        ((0, 2, 4, 4), {"kernel_size": 2}),
    ]
    for shape, options in windows:
        for op, indices in (("max_pool2d", False), ("max_pool2d_with_indices", True)):
            f.add(
                op,
                lambda x, **k: F.max_pool2d(x, return_indices=indices, **k),
                {"x": f.draw("max", shape, options).normal(*shape)},
                options,
                gradient=True,
            )
    lines = [
        ((2, 3, 7), {"kernel_size": 2}),
        ((3, 7), {"kernel_size": 3, "stride": 2, "padding": 1}),
        ((1, 2, 9), {"kernel_size": 3, "stride": 1, "dilation": 2, "padding": 1}),
        ((1, 2, 6), {"kernel_size": 4, "stride": 3, "ceil_mode": True}),
    ]
    for shape, options in lines:
        for op, indices in (("max_pool1d", False), ("max_pool1d_with_indices", True)):
            f.add(
                op,
                lambda x, **k: F.max_pool1d(x, return_indices=indices, **k),
                {"x": f.draw("max1d", shape, options).normal(*shape)},
                options,
            )


def average(f):
    windows = [
        ((2, 3, 4, 4), {"kernel_size": 2, "stride": 2}),
        ((1, 2, 5, 7), {"kernel_size": 2}),
        ((1, 1, 4, 36), {"kernel_size": 2}),
        ((1, 2, 5, 5), {"kernel_size": 2, "ceil_mode": True}),
        ((2, 5, 6), {"kernel_size": 3, "stride": 2, "padding": 1}),
        ((2, 5, 6), {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False}),
        ((1, 2, 6, 5), {"kernel_size": (3, 2), "stride": (1, 2), "padding": (1, 0), "ceil_mode": True}),
        ((1, 2, 6, 6), {"kernel_size": 3, "stride": 4, "ceil_mode": True, "padding": 1}),
        ((1, 2, 6, 6), {"kernel_size": 3, "stride": 4, "ceil_mode": True, "padding": 1, "count_include_pad": False}),
        ((1, 1, 6, 6), {"kernel_size": 3, "stride": 2, "ceil_mode": True, "divisor_override": 4}),
        ((1, 1, 4, 4), {"kernel_size": 2, "divisor_override": -3}),
        ((0, 2, 4, 4), {"kernel_size": 2}),
    ]
    for shape, options in windows:
        f.add("avg_pool2d", lambda x, **k: F.avg_pool2d(x, **k), {"x": f.draw("avg", shape, options).normal(*shape)}, options)
    lines = [
        ((2, 3, 7), {"kernel_size": 2}),
        ((3, 7), {"kernel_size": 3, "stride": 2, "padding": 1}),
        ((3, 7), {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False}),
        ((1, 2, 6), {"kernel_size": 4, "stride": 3, "ceil_mode": True}),
    ]
    for shape, options in lines:
        f.add("avg_pool1d", lambda x, **k: F.avg_pool1d(x, **k), {"x": f.draw("avg1d", shape, options).normal(*shape)}, options)


def adaptive(f):
    for shape, size in (((2, 3, 5, 7), 1), ((1, 2, 5, 7), (2, 3)), ((2, 3, 4), (5, 2)), ((1, 1, 4, 4), (2, 2)), ((0, 2, 3, 4), 2)):
        for op, function in (
            ("adaptive_avg_pool2d", F.adaptive_avg_pool2d),
            ("adaptive_max_pool2d", F.adaptive_max_pool2d),
        ):
            draw = f.draw(op, shape, size)
            f.add(op, lambda x, output_size: function(x, output_size), {"x": draw.normal(*shape)}, {"output_size": size})
    f.add(
        "adaptive_max_pool2d_with_indices",
        lambda x, output_size: F.adaptive_max_pool2d(x, output_size, return_indices=True),
        {"x": f.draw("adaptive indices").normal(1, 2, 5, 4)},
        {"output_size": (2, 3)},
    )
    for shape, size in (((2, 3, 7), 3), ((3, 5), 1), ((1, 2, 4), 6)):
        for op, function in (
            ("adaptive_avg_pool1d", F.adaptive_avg_pool1d),
            ("adaptive_max_pool1d", F.adaptive_max_pool1d),
        ):
            draw = f.draw(op, shape, size)
            f.add(op, lambda x, output_size: function(x, output_size), {"x": draw.normal(*shape)}, {"output_size": size})


def unpooling(f):
    for shape, options, size in (
        ((2, 2, 4, 4), {"kernel_size": 2}, None),
        ((1, 5, 7), {"kernel_size": 2}, (5, 7)),
        ((1, 2, 6, 5), {"kernel_size": (3, 2), "padding": (1, 0)}, (6, 5)),
        ((1, 1, 5, 8), {"kernel_size": 2, "stride": 3}, None),
    ):
        draw = f.draw("unpool", shape, options)
        y, indices = F.max_pool2d(draw.normal(*shape), return_indices=True, **options)
        f.add(
            "max_unpool2d",
            lambda x, indices, output_size=None, **k: F.max_unpool2d(x, indices, output_size=output_size, **k),
            {"x": draw.normal(*y.shape), "indices": indices},
            {**options, "output_size": size},
        )
