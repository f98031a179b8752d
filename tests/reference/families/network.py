"""Activations."""

import math

import torch
import torch.nn.functional as F

INF = math.inf


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def bent_identity(x):
    return (torch.sqrt(x * x + 1) - 1) / 2 + x


def soft_exponential(x, alpha):
    """https://arxiv.org/abs/1602.01321"""
    if alpha.item() == 0:
        return x
    if alpha.item() < 0:
        return -torch.log(1 - alpha * (x + alpha)) / alpha
    return (torch.exp(alpha * x) - 1) / alpha + alpha


# op: (function, argument sets, values of special interest)
ACTIVATIONS = {
    "relu": (F.relu, [{}], [0, 100, -100, -0.0]),
    "relu6": (F.relu6, [{}], [0, 6, 100, -100]),
    "leaky_relu": (F.leaky_relu, [{}, {"negative_slope": 0.25}], [0, 100, -100]),
    "elu": (F.elu, [{}, {"alpha": 0.5}], [0, 100, -100]),
    "selu": (F.selu, [{}], [0, 100, -100]),
    "celu": (F.celu, [{}, {"alpha": 2}], [0, 100, -100]),
    "gelu": (F.gelu, [{}, {"approximate": "tanh"}], [0, 100, -100, 5, -5, 10, -10]),
    "silu": (F.silu, [{}], [0, 30, -30, 100, -100]),
    "mish": (F.mish, [{}], [0, 20, -20, 100, -100]),
    "softplus": (F.softplus, [{}, {"beta": 2, "threshold": 20}, {"beta": 0.5, "threshold": 1}], [0, 20, 10, 100, -100, 21, 2]),
    "softsign": (F.softsign, [{}], [0, 1000, -1000]),
    "hardtanh": (F.hardtanh, [{}, {"min_val": -2, "max_val": 0.5}], [-1, 1, -2, 0.5, 100, -100]),
    "hardsigmoid": (lambda x: F.relu6(x + 3) / 6, [{}], [-3, 3, 0, 100, -100]),
    "hardswish": (F.hardswish, [{}], [-3, 3, 0, 100, -100]),
    "sigmoid": (torch.sigmoid, [{}], [0, 40, -40, 85, -85]),
    "logsigmoid": (F.logsigmoid, [{}], [0, 40, -40, 1000, -1000]),
    "tanh": (torch.tanh, [{}], [0, 20, -20]),
    "tanhshrink": (F.tanhshrink, [{}], [0, 20, -20]),
    "softshrink": (F.softshrink, [{}, {"lambd": 1.25}], [0.5, -0.5, 1.25, -1.25, 0, 100, -100]),
    "hardshrink": (F.hardshrink, [{}, {"lambd": 1.25}], [0.5, -0.5, 1.25, -1.25, 0, 100, -100]),
    "threshold": (F.threshold, [{"threshold": 0.5, "value": -7}, {"threshold": -1, "value": 20}], [0.5, -1, 100, -100]),
    "bent_identity": (bent_identity, [{}], [0, 1000, -1000]),
}


def activation(f):
    for op, (activate, argument_sets, edges) in ACTIVATIONS.items():
        function = lambda x, activate=activate, **k: activate(x, **k)
        for args in argument_sets:
            for shape in [(2, 3), (), (0, 3), (37,)]:
                # wide enough to reach every branch, off every kink
                f.add(op, function, {"x": f.draw(op, tuple(args), shape).between(shape, -4, 8 if op == "relu6" else 4)}, args)
            if op == "softplus" and "beta" in args:
                f.add(op, function, {"x": f.draw(op, "wide").between((3, 4), -16, 16)}, args)
            f.add(op, function, {"x": tensor(*edges)}, args, flags=["nogradcheck"])
    for op in ("relu", "sigmoid", "tanh", "softplus", "silu", "gelu", "leaky_relu", "elu"):
        function = lambda x, activate=ACTIVATIONS[op][0]: activate(x)
        wild = tensor(INF) if op in ("silu", "gelu") else tensor(INF, -INF)
        f.add(op, function, {"x": torch.cat([wild, tensor(math.nan)])}, gradient=False)

    for shape, count in [((2, 3), 1), ((2, 3), 3), ((2, 3, 4), 3), ((), 1), ((5,), 1), ((0, 3), 3), ((2, 3, 2, 2), 3)]:
        draw = f.draw("prelu", shape, count)
        f.add("prelu", lambda x, weight: F.prelu(x, weight), {"x": draw.normal(*shape), "weight": draw.between((count,), -1, 1)})
    f.add("prelu", lambda x, weight: F.prelu(x, weight), {"x": tensor(0, -0.0, 100, -100), "weight": tensor(0.25)}, flags=["nogradcheck"])
    for shape, dim in [((2, 4), -1), ((4, 3), 0), ((2, 6, 2), 1), ((0, 2), -1)]:
        f.add("glu", lambda x, **k: F.glu(x, **k), {"x": f.draw("glu", shape).normal(*shape)}, {} if dim == -1 else {"dim": dim})
    f.add("glu", lambda x: F.glu(x), {"x": torch.tensor([[2.0, 100], [2.0, -100]])}, flags=["nogradcheck"])
    for alpha in (-0.90625, -0.25, 0.25, 1, 1.5):
        low = 0 if alpha < 0 else -3
        for shape in [(2, 3), (), (0, 2), (37,)]:
            x = f.draw("soft_exponential", alpha, shape).between(shape, low, 3)
            f.add("soft_exponential", soft_exponential, {"x": x, "alpha": tensor(alpha)[0]})
    f.add("soft_exponential", soft_exponential, {"x": f.draw("soft_exponential").normal(2, 3), "alpha": tensor(0)[0]}, constant=["alpha"])
    for op in ("softmax", "log_softmax", "softmin"):  # more of them in softmax.txt
        f.add(op, lambda x, dim, op=op: getattr(F, op)(x, dim=dim), {"x": f.draw(op).normal(2, 3, 4)}, {"dim": 1})
