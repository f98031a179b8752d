"""Unary and binary arithmetic, comparisons and logic."""

import math

import torch

INF, NAN = math.inf, math.nan


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


SHAPES = [(2, 3), (), (0, 3), (37,)]  # the last fills vector registers and leaves a tail

# op: (range the inputs are drawn from, values of special interest with a gradient, values without one)
UNARY = {
    "neg": ((-3, 3), [0, -0.0, 1e30], [INF, -INF, NAN]),
    "abs": ((-3, 3), [0, -0.0, 1e30, -1e30], [INF, -INF, NAN]),
    "sign": ((-3, 3), [0, -0.0, 1e30, -1e-30], [INF, -INF]),
    "exp": ((-3, 3), [0, 80, -80, 1e-8], [INF, -INF, NAN, 1e6, -1e6]),
    "expm1": ((-3, 3), [0, 80, -80, 2.0**-20, -(2.0**-20)], [INF, -INF, NAN]),
    "log": ((0.25, 4), [1, 2.0**-100, 2.0**100], [0, INF, NAN, -1]),
    "log1p": ((-0.75, 4), [0, 2.0**-20, -(2.0**-20), 2.0**60], [-1, INF, NAN, -2]),
    "log2": ((0.25, 4), [1, 2.0**-100, 2.0**100], [0, INF, NAN, -1]),
    "sqrt": ((0.25, 4), [1, 4, 2.0**-100, 0], [INF, NAN, -1]),
    "rsqrt": ((0.25, 4), [1, 4, 2.0**20], [0, INF, NAN, -1]),
    "square": ((-3, 3), [0, 2.0**30, -(2.0**30)], [INF, -INF, NAN]),
    "sin": ((-3, 3), [0, 100, -100, 1000], [INF, NAN]),
    "cos": ((-3, 3), [0, 100, -100, 1000], [INF, NAN]),
    "tan": ((-1.25, 1.25), [0, 100, -100], [INF, NAN]),
    "tanh": ((-3, 3), [0, 2.0**-20, 9, -9, 50, -50, 1000, -1000], [INF, -INF, NAN]),
    "sigmoid": ((-3, 3), [0, 30, -30, 85, -85, 1000, -1000], [INF, -INF, NAN]),
    "erf": ((-3, 3), [0, 2.0**-20, 4, -4, 10, -10], [INF, -INF, NAN]),
    "floor": ((-3, 3), [0, 1, -1, -0.0, 2.0**30], [INF, -INF, NAN]),
    "ceil": ((-3, 3), [0, 1, -1, 2.0**30], [INF, -INF, NAN]),
    "round": ((-3, 3), [0.5, 1.5, 2.5, -0.5, -1.5, 2.0**30], [INF, -INF, NAN]),
    "reciprocal": ((0.25, 4), [1, -2, 2.0**60, -(2.0**-60)], [0, INF, NAN]),
}


def pointwise(f):
    for op, (span, edges, wild) in UNARY.items():
        function = lambda x, op=op: getattr(torch, op)(x)
        for shape in SHAPES:
            f.add(op, function, {"x": f.draw(op, shape).between(shape, *span)})
        f.add(op, function, {"x": tensor(*[float(torch.tensor(v, dtype=torch.float32)) for v in edges])}, flags=["nogradcheck"])
        f.add(op, function, {"x": tensor(*wild)}, gradient=False)
    for op in ("neg", "abs", "sign", "square"):
        f.add(op + "_long", lambda x, op=op: getattr(torch, op)(x), {"x": torch.tensor([[-3, 0, 7], [2, -1, 1 << 40]])})

    # powers of a tensor with a number for exponent
    for exponent in (2, 3, 0.5, -1, -2, 1.5, 0, 1, -0.5, 4):
        low = 0.25 if exponent != int(exponent) else -3
        for shape in SHAPES:
            f.add(
                "pow",
                lambda x, exponent: x.pow(exponent),
                {"x": f.draw("pow", exponent, shape).between(shape, low, 3)},
                {"exponent": exponent},
            )
    for exponent in (0, 1, 2, 3, 0.5):
        f.add("pow", lambda x, exponent: x.pow(exponent), {"x": tensor(0, 1, 2)}, {"exponent": exponent}, flags=["nogradcheck"])
    f.add("pow", lambda x, exponent: x.pow(exponent), {"x": tensor(-1, -2, -0.5)}, {"exponent": 3}, flags=["nogradcheck"])
    f.add("pow", lambda x, exponent: x.pow(exponent), {"x": tensor(-1, -2, 0, INF)}, {"exponent": 0.5}, gradient=False)
    for base in (2, 0.5, 1):
        f.add("pow_scalar_base", lambda x, base: torch.pow(base, x), {"x": f.draw("pow base", base).normal(2, 3)}, {"base": base})

    # arithmetic with a number
    numbers = {
        "add_scalar": lambda x, value: x + value,
        "sub_scalar": lambda x, value: x - value,
        "rsub_scalar": lambda x, value: value - x,
        "mul_scalar": lambda x, value: x * value,
        "div_scalar": lambda x, value: x / value,
        "rdiv_scalar": lambda x, value: value / x,
    }
    for op, function in numbers.items():
        for shape in SHAPES:
            f.add(op, function, {"x": f.draw(op, shape).between(shape, 0.25, 3)}, {"value": -2.5})
    for op in ("maximum", "minimum"):
        clamp = (lambda x, value: x.clamp(min=value)) if op == "maximum" else (lambda x, value: x.clamp(max=value))
        f.add(op + "_scalar", clamp, {"x": f.draw(op).normal(3, 4)}, {"value": 0.5})

    # clamp, both bounds or one; at a bound the gradient is 0
    for bounds in ({"min": -1, "max": 1.5}, {"min": 0.5}, {"max": -0.5}):
        for shape in SHAPES:
            f.add("clamp", lambda x, **bounds: x.clamp(**bounds), {"x": f.draw("clamp", tuple(bounds), shape).normal(*shape)}, bounds)
        f.add("clamp", lambda x, **bounds: x.clamp(**bounds), {"x": tensor(-1, 1.5, 0.5, -0.5, 100, -100)}, bounds, flags=["nogradcheck"])
        f.add("clamp", lambda x, **bounds: x.clamp(**bounds), {"x": tensor(NAN, INF, -INF)}, bounds, gradient=False)
    f.add("clamp_long", lambda x, min, max: x.clamp(min, max), {"x": torch.tensor([-5, 0, 3, 9])}, {"min": -1, "max": 4})

    values = tensor(0, 1, -1, INF, -INF, NAN)
    for op in ("isnan", "isfinite", "isinf"):
        f.add(op, lambda x, op=op: getattr(torch, op)(x), {"x": values}, gradient=False)
        f.add(op, lambda x, op=op: getattr(torch, op)(x), {"x": f.draw(op).normal(2, 3)}, gradient=False)
    f.add("logical_not", lambda x: torch.logical_not(x), {"x": tensor(0, 1, -2, 0.5)}, gradient=False)
    f.add("logical_not_bool", lambda x: torch.logical_not(x), {"x": torch.tensor([[True, False], [False, True]])})
    for op in ("eq", "ne", "lt", "le", "gt", "ge"):
        f.add(
            op + "_scalar",
            lambda x, value, op=op: getattr(torch, op)(x, value),
            {"x": tensor(0, 0.5, 1, -1, NAN, INF)},
            {"value": 0.5},
            gradient=False,
        )

    for shape in SHAPES:
        draw = f.draw("to", shape)
        f.add("to_long", lambda x: x.long(), {"x": draw.normal(*shape)}, gradient=False)
        f.add("to_bool", lambda x: x.bool(), {"x": draw.integers(-1, 2, *shape).double()}, gradient=False)


# each pair broadcasts in another way
PAIRS = [
    ((2, 3), (2, 3)),
    ((2, 1, 3), (4, 1)),
    ((2, 3), ()),
    ((), (3,)),
    ((), ()),
    ((3,), (2, 3)),
    ((2, 3), (2, 1)),
    ((1,), (2, 2)),
    ((37,), (37,)),
    ((5, 19), (19,)),
    ((0, 3), (3,)),
    ((2, 0, 3), (1, 1, 3)),
]


def binary(f):
    arithmetic = {
        "add": (lambda x, y: x + y, (-3, 3)),
        "sub": (lambda x, y: x - y, (-3, 3)),
        "mul": (lambda x, y: x * y, (-3, 3)),
        "div": (lambda x, y: x / y, (0.25, 3)),
        "maximum": (torch.maximum, (-3, 3)),
        "minimum": (torch.minimum, (-3, 3)),
        "pow_tensor": (torch.pow, (0.25, 3)),
        "logaddexp": (torch.logaddexp, (-3, 3)),
        "atan2": (torch.atan2, (0.25, 3)),
    }
    for op, (function, span) in arithmetic.items():
        for a, b in PAIRS:
            # x and y never coincide: y sits a quarter step beside x's grid
            x = f.draw(op, a, b, "x").between(a, *span)
            y = f.draw(op, a, b, "y").between(b, *span) + 1 / 256
            f.add(op, lambda x, y, function=function: function(x, y), {"x": x, "y": y})
    for op in ("add", "sub", "mul", "div", "maximum", "minimum"):  # one operand is a constant
        function = arithmetic[op][0]
        x, y = f.draw(op, "constant").positive(2, 3), f.draw(op, "constant y").positive(3) + 1 / 256
        f.add(op, lambda x, y, function=function: function(x, y), {"x": x, "y": y}, constant=["y"])
        f.add(op, lambda x, y, function=function: function(x, y), {"x": x, "y": y}, constant=["x"])

    ties = {"x": tensor(1, 2, -1, 0, 3), "y": tensor(1, 3, -1, 0, -3)}
    for op in ("maximum", "minimum"):
        f.add(op, lambda x, y, op=op: getattr(torch, op)(x, y), ties, flags=["nogradcheck"])
        f.add(op, lambda x, y, op=op: getattr(torch, op)(x, y), {"x": tensor(NAN, 1, INF), "y": tensor(1, NAN, -INF)}, gradient=False)
    quadrants = {"x": tensor(1, -1, 1, -1, 0, 0, 2), "y": tensor(1, 1, -1, -1, 1, -1, 0)}
    f.add("atan2", lambda x, y: torch.atan2(x, y), quadrants, flags=["nogradcheck"])
    f.add("atan2", lambda x, y: torch.atan2(x, y), {"x": tensor(0, 0, -0.0, INF), "y": tensor(0, -0.0, -1, INF)}, gradient=False)
    f.add(
        "logaddexp",
        lambda x, y: torch.logaddexp(x, y),
        {"x": tensor(1000, -1000, 1000, 0), "y": tensor(1000, -1000, -1000, 0)},
        flags=["nogradcheck"],
    )
    f.add("logaddexp", lambda x, y: torch.logaddexp(x, y), {"x": tensor(INF, -INF, -INF, 0), "y": tensor(0, 0, -INF, -INF)}, gradient=False)
    f.add("div", lambda x, y: x / y, {"x": tensor(1, -1, 0, INF), "y": tensor(0, 0, 0, INF)}, gradient=False)
    f.add("pow_tensor", lambda x, y: torch.pow(x, y), {"x": tensor(0, 0, 2, 1, 0), "y": tensor(0, 2, 0, 5, 1)}, flags=["nogradcheck"])
    f.add("pow_tensor", lambda x, y: torch.pow(x, y), {"x": tensor(-1, -2, -1, 0), "y": tensor(2, 3, 0.5, -1)}, gradient=False)

    for alpha in (2, -0.5):
        for op in ("add", "sub"):
            pair = {"x": f.draw(op, alpha).normal(2, 3), "y": f.draw(op, alpha, "y").normal(3)}
            f.add(op + "_alpha", lambda x, y, alpha, op=op: getattr(torch, op)(x, y, alpha=alpha), pair, {"alpha": alpha})

    # in place: y = x.clone(); y += other
    inplace = {"iadd": torch.add, "isub": torch.sub, "imul": torch.mul, "idiv": torch.div}
    for op, function in inplace.items():
        for a, b in (((2, 3), (2, 3)), ((2, 4, 3), (4, 1)), ((2, 3), ()), ((37,), (1,)), ((0, 3), (3,))):
            pair = {"x": f.draw(op, a, b).positive(*a), "y": f.draw(op, a, b, "y").positive(*b)}
            f.add(op, lambda x, y, function=function: function(x, y), pair)

    for a, b in PAIRS:
        draw = f.draw("where", a, b)
        for mask in dict.fromkeys([a, b, ()] if (a, b) in PAIRS[:4] else [a]):
            f.add(
                "where",
                lambda condition, x, y: torch.where(condition, x, y),
                {"condition": draw.booleans(*mask), "x": draw.normal(*a), "y": draw.normal(*b)},
            )
        f.add("lerp", lambda x, y, weight: torch.lerp(x, y, weight), {"x": draw.normal(*a), "y": draw.normal(*b)}, {"weight": 0.25})
        if (a, b) in PAIRS[:3]:
            f.add("lerp", lambda x, y, weight: torch.lerp(x, y, weight), {"x": draw.normal(*a), "y": draw.normal(*b)}, {"weight": 0.75})
        f.add(
            "lerp_tensor",
            lambda x, y, weight: torch.lerp(x, y, weight),
            {"x": draw.normal(*a), "y": draw.normal(*b), "weight": draw.probability(*b)},
        )
    f.add(
        "where",
        lambda condition, x, y: torch.where(condition, x, y),
        {"condition": torch.tensor([[True], [False]]), "x": f.draw("where 3").normal(3), "y": f.draw("where 3 y").normal(4, 1, 1)},
    )
    f.add(
        "where_scalar",
        lambda condition, x, value: torch.where(condition, x, value),
        {"condition": torch.tensor([True, False, True]), "x": f.draw("where scalar").normal(2, 3)},
        {"value": -1.5},
    )

    f.add(
        "clamp_tensor",
        lambda x, low, high: torch.clamp(x, low, high),
        {
            "x": f.draw("clamp").normal(3, 4),
            "low": f.draw("clamp low").between((4,), -3, 0) + 1 / 256,
            "high": f.draw("clamp high").between((3, 1), 0, 3) + 1 / 256,
        },
    )

    compare = {"x": tensor(0, 1, 1, -1, NAN, INF, INF), "y": tensor(0, 1, 2, -2, NAN, INF, -INF)}
    for op in ("eq", "ne", "lt", "le", "gt", "ge"):
        function = lambda x, y, op=op: getattr(torch, op)(x, y)
        f.add(op, function, compare, gradient=False)
        for a, b in PAIRS[:6] + PAIRS[9:]:
            draw = f.draw(op, a, b)
            f.add(op, function, {"x": draw.integers(-1, 2, *a).double(), "y": draw.integers(-1, 2, *b).double()}, gradient=False)
        f.add(op + "_long", function, {"x": f.draw(op, "long").integers(-2, 3, 4, 5), "y": f.draw(op, "long y").integers(-2, 3, 5)})
    for op in ("logical_and", "logical_or", "logical_xor"):
        function = lambda x, y, op=op: getattr(torch, op)(x, y)
        f.add(op, function, {"x": f.draw(op).booleans(2, 1, 3), "y": f.draw(op, "y").booleans(4, 1)})
        f.add(op, function, {"x": torch.tensor([True, True, False, False]), "y": torch.tensor([True, False, True, False])})

    # whole numbers stay whole, except in a division, which gives the default floating type
    whole = {"x": f.draw("long").integers(-9, 10, 2, 1, 3), "y": f.draw("long y").integers(1, 10, 4, 1)}
    for op in ("add", "sub", "mul", "maximum", "minimum", "div"):
        f.add(op + "_long", lambda x, y, op=op: getattr(torch, op)(x, y), whole)
