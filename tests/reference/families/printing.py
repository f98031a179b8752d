"""The printed form of tensors."""

import math

import torch

INF, NAN = math.inf, math.nan


def show(f, values, dtype=torch.float32, requires_grad=False, options=None):
    x = values.to(dtype) if isinstance(values, torch.Tensor) else torch.tensor(values, dtype=dtype)
    torch.set_printoptions(profile="default")
    torch.set_printoptions(**(options or {}))
    text = str(x.clone().requires_grad_(True) if requires_grad else x)
    torch.set_printoptions(profile="default")
    args = {"dtype": str(dtype).removeprefix("torch.")}
    if requires_grad:
        args["requires_grad"] = True
    args.update(options or {})
    f.record("print_options" if options else "print", args, {"x": x}, {}, text.split("\n"))


def print(f):  # the family's name
    F, D = torch.float32, torch.float64
    rows = [[1.0, 2, 3], [4, 5, 6]]
    # whole values, fractions, mixed widths, signs
    for values in (
        [1.0, 2, 3],
        [0.0],
        3.0,
        3.14159265,
        -0.5,
        rows,
        [[1.5, 2], [3, 4.25]],
        [0.1, 0.2, 0.3],
        [1.23456789, 100.5, -1000.25],
        [-1.0, 1.0],
        [-1.5, 1.5],
        [0.0, -0.0],
        [999.0, 1000],
        [12345.0, 0.5],
        [99999.0],
        [100000.0, 1.0],
        [1234567.0],
        [99999999.0],
        [100000000.0],
        [123456789.0, 1.0],
        [0.001, 0.002],
        [0.0001, 0.0002],
        [0.00001, 0.00002],
        [1e-5, 1.0],
        [1e-3, 1.0],
        [1e-4, 1000.0],
        [1e-4, 1.0],
        [1e5, 0.5],
        [1e6, 1e-3],
        [1e8, 1.5],
        [1e10],
        [1e10, 1.0],
        [1e-10],
        [1e-38, 1e38],
        [1e-45],
        [3.4e38],
        1e-7,
        1e20,
        -12345678.9,
        123456.789,
        [0.99999, 0.99995],
        [9.99995, 1.0],
        [0.5, 1e-20],
        [1000.5, 1e-3],
        [10000.5, 1.0],
        [1001.0, 1.5],
        [0.0, 1e-9],
        [0.0, 0.0001],
        [7.0, 70000.5],
        [1e4, 1e5],
        [1.0, 1e9],
        [0.00001234],
        [0.12345678, 12.345678, 1234.5678],
        [33333.3333, 3.3333],
        [1e15],
        [123456.0, 1e7],
        [0.1, 1e3],
        [0.1, 999.0],
        [0.1, 1001.0],
    ):
        show(f, values)
    for values in (
        [1.0, INF],
        [1.5, -INF],
        [NAN, 1.0],
        [NAN, 0.25, INF, -INF],
        INF,
        NAN,
        -INF,
        [INF, NAN],
        [1e10, NAN],
        [1e-10, INF],
        [-1.0, NAN],
        [-100.5, INF],
        [[NAN, NAN], [NAN, NAN]],
        [0.0, NAN],
    ):
        show(f, values)
    for values in ([1.0, 2, 3], [0.1, 1 / 3], math.pi, [1e-10, 1], [1e300, 1.0], [1.5, INF], rows, [1e-320], [123456789.123]):
        show(f, values, D)
    for values in (
        [1, 2, 3],
        [[1, -20], [300, 4]],
        7,
        -7,
        [0],
        [10**18, 1],
        [-(2**63), 2**63 - 1],
        [[[1, 2], [3, 4]], [[5, 6], [7, 8]]],
        [-1, 10, 100],
    ):
        show(f, values, torch.int64)
    for values in ([1, 2, 3], [[1, -20]], -5, [2**31 - 1, -(2**31)]):
        show(f, values, torch.int32)
    for values in ([1, 2, 255], [[0, 20], [100, 7]], 8):
        show(f, values, torch.uint8)
    for values in ([True, False], [True, True], [[False, True], [True, False]], True, False):
        show(f, values, torch.bool)
    # empty
    for dtype in (F, D, torch.int64, torch.int32, torch.uint8, torch.bool):
        show(f, torch.zeros(0), dtype)
    for shape in ((0, 3), (2, 0), (2, 0, 3), (0, 0), (1, 0)):
        show(f, torch.zeros(shape))
        show(f, torch.zeros(shape), torch.int64)
    # ranks and line breaking
    draw = f.draw("ranks")
    for shape in (
        (1,),
        (1, 1),
        (1, 1, 1),
        (2, 3, 4),
        (2, 2, 2, 3),
        (1, 2, 1, 2, 2),
        (2, 1, 1, 1, 1, 1, 1, 2),
        (3, 1),
        (20,),
        (7,),
        (8,),
        (30,),
        (2, 13),
        (2, 26),
        (100,),
    ):
        show(f, draw.between(shape, -3, 3, distinct=False))
        show(f, draw.integers(-50, 200, *shape), torch.int64)
    show(f, draw.booleans(30), torch.bool)
    show(f, draw.booleans(2, 3, 20), torch.bool)
    show(f, draw.integers(0, 256, 40), torch.uint8)
    show(f, torch.arange(40) * 1e6 + 0.5, F)
    show(f, draw.between((2, 9), -3, 3), D)
    # summarised: more than 1000 elements
    show(f, torch.arange(1000), torch.int64)
    show(f, torch.arange(1001), torch.int64)
    show(f, torch.arange(1001), F)
    show(f, torch.arange(1200).reshape(30, 40), F)
    show(f, torch.arange(1200).reshape(4, 300), F)
    show(f, torch.arange(1200).reshape(300, 4), torch.int64)
    show(f, torch.arange(1008).reshape(7, 8, 18), F)
    show(f, torch.arange(1008).reshape(2, 2, 252), D)
    show(f, torch.arange(1024).reshape(8, 8, 4, 4) % 7, torch.uint8)
    show(f, torch.arange(1050).reshape(1, 1050) % 2 == 0, torch.bool)
    sparse = torch.zeros(1100)
    sparse[550] = 1e10  # outside what is shown: must not change the format
    show(f, sparse)
    # gradients
    for values in ([1.0, 2.0], 0.5, rows, [0.1, NAN], torch.zeros(0), torch.zeros(2, 0), torch.arange(1001)):
        show(f, values, F, requires_grad=True)
    show(f, [1.0, 2.5], D, requires_grad=True)
    show(f, draw.between((20,), -3, 3), F, requires_grad=True)
    # options
    values = [[1.23456789, -100.5], [0.001, 1e-6]]
    for options in (
        {"precision": 2},
        {"precision": 8},
        {"sci_mode": True},
        {"sci_mode": False},
        {"precision": 2, "sci_mode": True},
        {"linewidth": 20},
    ):
        show(f, values, F, options=options)
    show(f, torch.arange(30), F, options={"threshold": 20, "edgeitems": 2})
    show(f, torch.arange(36).reshape(6, 6), torch.int64, options={"threshold": 20, "edgeitems": 2})
    show(f, torch.arange(30), F, options={"linewidth": 40})
