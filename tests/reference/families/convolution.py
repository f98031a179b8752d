"""Convolutions of one to three axes, transposed ones, unfold and fold."""

import torch.nn.functional as F

# input shape (batch, channels, sizes…, or without the batch), output channels, kernel, options
CONVOLUTIONS = [
    # one axis
    ((2, 3, 7), 2, (3,), {}),
    ((2, 3, 8), 4, (3,), {"stride": 2, "padding": 1}),
    ((1, 2, 9), 2, (4,), {"stride": 3, "padding": 2, "dilation": 2}),
    ((2, 4, 5), 6, (2,), {"groups": 2}),
    ((3, 6), 2, (3,), {"padding": 1}),
    ((0, 2, 5), 2, (3,), {}),
    ((2, 2, 6), 2, (4,), {"padding": "same"}),
    ((2, 2, 6), 2, (3,), {"padding": "valid"}),
    ((1, 1, 1), 1, (1,), {}),
    # two axes
    ((2, 3, 4, 5), 3, (3, 3), {}),
    ((1, 3, 5, 4), 4, (3, 3), {"padding": 1}),
    ((1, 2, 7, 5), 3, (3, 2), {"stride": 2}),
    ((1, 2, 7, 6), 3, (3, 3), {"stride": 2, "padding": 1}),
    ((1, 2, 6, 7), 2, (2, 3), {"stride": (1, 3), "padding": (2, 1)}),
    ((1, 2, 7, 8), 2, (3, 2), {"dilation": 2}),
    ((1, 2, 8, 7), 2, (3, 2), {"dilation": (1, 3), "stride": (3, 2), "padding": (0, 2)}),
    ((1, 2, 9, 8), 1, (3, 3), {"dilation": 2, "stride": 2, "padding": 2}),
    ((1, 4, 4, 5), 6, (3, 3), {"groups": 2, "padding": 1}),
    ((1, 3, 5, 4), 3, (3, 3), {"groups": 3, "padding": 1}),
    ((1, 3, 5, 6), 6, (2, 3), {"groups": 3, "stride": 2}),
    ((1, 3, 4, 5), 4, (1, 1), {}),
    ((1, 3, 5, 4), 2, (1, 1), {"stride": 2}),
    ((1, 3, 3, 3), 2, (1, 1), {"padding": 1}),
    ((3, 4, 4), 2, (3, 3), {"padding": 1}),
    ((0, 3, 4, 4), 2, (3, 3), {}),
    ((1, 2, 3, 4), 2, (3, 4), {}),
    ((1, 2, 5, 4), 2, (3, 2), {"padding": "same", "dilation": (1, 3)}),
    ((1, 2, 5, 4), 2, (2, 4), {"padding": "same"}),
    ((1, 1, 2, 2), 1, (5, 5), {"padding": 3}),
    ((1, 1, 4, 4), 2, (2, 2), {"stride": 5, "padding": 3}),
    ((2, 1, 1, 6), 2, (1, 3), {}),
    # three axes
    ((1, 2, 3, 4, 3), 2, (2, 3, 2), {}),
    ((1, 2, 3, 3, 4), 2, (2, 2, 2), {"stride": (1, 2, 2), "padding": 1}),
    ((1, 2, 4, 3, 3), 2, (2, 1, 2), {"dilation": (2, 1, 2), "groups": 2}),
    ((2, 3, 3, 3), 1, (3, 3, 3), {"padding": "same"}),
]

# input shape, output channels, kernel, options
TRANSPOSED = [
    ((2, 3, 4), 2, (3,), {}),
    ((2, 3, 4), 2, (4,), {"stride": 2, "padding": 1}),
    ((1, 2, 4), 4, (3,), {"stride": 3, "padding": 1, "output_padding": 2, "dilation": 2, "groups": 2}),
    ((3, 5), 2, (2,), {"stride": 2}),
    ((2, 3, 4, 3), 2, (3, 3), {}),
    ((1, 3, 3, 4), 2, (3, 3), {"padding": 1}),
    ((2, 2, 3, 4), 3, (3, 2), {"stride": 2, "padding": 1, "output_padding": 1}),
    ((1, 2, 3, 3), 2, (2, 3), {"stride": (3, 1), "output_padding": (2, 0), "padding": (0, 2)}),
    ((1, 4, 3, 3), 4, (3, 3), {"groups": 2, "stride": 2}),
    ((1, 2, 3, 3), 2, (2, 2), {"dilation": 3, "output_padding": 2}),
    ((1, 2, 3, 2), 1, (1, 1), {"stride": 3}),
    ((2, 3, 3), 2, (3, 3), {"stride": 2}),
    ((0, 2, 3, 3), 2, (2, 2), {}),
    ((1, 2, 2, 3, 2), 2, (2, 3, 2), {"stride": (2, 1, 2), "padding": (1, 1, 0), "output_padding": (1, 0, 0)}),
]

FOLDS = [  # images, kernel, options
    ((2, 3, 4, 5), (2, 3), {}),
    ((1, 2, 5, 4), (3, 2), {"padding": (1, 2)}),
    ((1, 2, 6, 7), (2, 2), {"stride": (2, 3)}),
    ((1, 1, 6, 7), (2, 3), {"dilation": (3, 2), "padding": 1, "stride": 2}),
    ((2, 4, 4), (3, 3), {"padding": 1}),
    ((0, 2, 4, 4), (3, 3), {}),
]


def call_options(options):
    return {key: list(value) if isinstance(value, tuple) else value for key, value in options.items()}


def function(op):
    return lambda x, weight, bias=None, **options: getattr(F, op)(x, weight, bias, **options)


def conv(f):
    for shape, outputs, kernel, options in CONVOLUTIONS:
        rank = len(kernel)
        op = f"conv{rank}d"
        groups = options.get("groups", 1)
        channels = shape[-rank - 1]
        for with_bias in (True, False) if options in ({}, {"padding": 1}) else (True,):
            draw = f.draw(op, shape, kernel, str(options), with_bias)
            inputs = {"x": draw.normal(*shape), "weight": draw.normal(outputs, channels // groups, *kernel)}
            inputs["bias"] = draw.normal(outputs) if with_bias else None
            f.add(op, function(op), inputs, options, call=call_options(options))


def conv_transpose(f):
    for shape, outputs, kernel, options in TRANSPOSED:
        rank = len(kernel)
        op = f"conv_transpose{rank}d"
        groups = options.get("groups", 1)
        draw = f.draw(op, shape, kernel, str(options))
        inputs = {"x": draw.normal(*shape), "weight": draw.normal(shape[-rank - 1], outputs // groups, *kernel)}
        inputs["bias"] = draw.normal(outputs) if shape[0] != 1 else None
        f.add(op, function(op), inputs, options, call=call_options(options))


def fold(f):
    for shape, kernel, options in FOLDS:
        draw = f.draw(shape, kernel, str(options))
        args = {"kernel_size": kernel, **options}
        f.add("unfold", lambda x, **k: F.unfold(x, **k), {"x": draw.normal(*shape)}, args)
        if shape[0] != 0:
            columns = F.unfold(draw.normal(*shape), kernel, **options)
            args = {"output_size": shape[-2:], **args}
            f.add("fold", lambda x, **k: F.fold(x, **k), {"x": draw.normal(*columns.shape)}, args)
