"""Reductions, scans, sorting, softmax."""

import math
import warnings

import torch

INF, NAN = math.inf, math.nan


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


# shape and the dims to reduce over (None: all, as a call without the argument)
OVER = [
    ((2, 3), None),
    ((2, 3), 0),
    ((2, 3), -1),
    ((2, 3, 4), (0, 2)),
    ((2, 3, 4), 1),
    ((2, 3, 4), (0, 1, 2)),
    ((2, 3, 4), (-1, 0)),
    ((2, 1, 3, 2), (1, 3)),
    ((), None),
    ((), 0),
    ((37,), None),
    ((5, 9), 0),
    ((5, 9), 1),
    ((1, 4), 0),
]
KEEP = [((2, 3), 0), ((2, 3, 4), 1), ((2, 3, 4), (0, 2)), ((), 0), ((3, 4), 1)]  # these also with keepdim
ONE_DIM = [((2, 3), 0), ((2, 3), -1), ((2, 3, 4), 1), ((2, 3, 4), 0), ((2, 3, 4), -2), ((), 0), ((37,), 0), ((5, 9), 1)]


def over(f, op, function, span=(-3, 3), args=None, cases=OVER, **options):
    """function(x, dim, keepdim, **args); dim absent means all."""
    for shape, dim in cases:
        x = f.draw(op, shape, dim).between(shape, *span)
        for keepdim in (False, True):
            if keepdim and (shape, dim) not in KEEP:
                continue
            call = dict(args or {})
            if dim is not None:
                call["dim"] = dim
            if keepdim:
                call["keepdim"] = True
            f.add(op, function, {"x": x}, call, **options)


def reduction(f):
    over(f, "sum", lambda x, **k: torch.sum(x, **k))
    over(f, "mean", lambda x, **k: torch.mean(x, **k))
    over(f, "amax", lambda x, **k: torch.amax(x, **k))
    over(f, "amin", lambda x, **k: torch.amin(x, **k))
    over(f, "logsumexp", lambda x, dim=None, keepdim=False: torch.logsumexp(x, tuple(range(x.dim())) if dim is None else dim, keepdim))
    for op in ("prod",):
        over(
            f,
            op,
            lambda x, **k: torch.prod(x, **k),
            cases=[(s, d) for s, d in OVER if not isinstance(d, tuple) and s != (37,) and s != (5, 9)],
        )
    for op in ("max", "min"):
        over(f, op, lambda x, op=op, **k: getattr(torch, op)(x, **k), cases=[(s, None) for s in ((2, 3), (), (37,))] + ONE_DIM)
    over(
        f,
        "median",
        lambda x, **k: torch.median(x, **k),
        cases=[((2, 3), None), ((5,), None), ((), None), ((3, 4), 0), ((3, 4), 1), ((2, 3, 5), -1)],
    )
    for op in ("argmax", "argmin"):
        over(
            f,
            op,
            lambda x, op=op, **k: getattr(torch, op)(x, **k),
            cases=[((2, 3), None), ((), None), ((37,), None)] + ONE_DIM,
            gradient=False,
        )
    several = [(s, d) for s, d in OVER if s not in ((), (1, 4))]
    for op in ("var", "std"):
        for correction in (1, 0, 2):
            args = {} if correction == 1 else {"correction": correction}
            cases = several if correction == 1 else [((2, 3), None), ((5, 4), 0), ((2, 3, 4), (0, 2)), ((2, 3, 4), (-1, 0))]
            over(f, op, lambda x, op=op, **k: getattr(torch, op)(x, **k), args=args, cases=cases)
    for p in (2, 1, 3, INF, 0.5):
        cases = [c for c in OVER if c[0] not in ((1, 4),)] if p == 2 else [((2, 3), None), ((3, 4), 1), ((2, 3, 4), (0, 2))]
        over(
            f,
            "norm",
            lambda x, p=2, dim=None, keepdim=False: torch.linalg.vector_norm(x, p, dim, keepdim),
            args={} if p == 2 else {"p": p},
            cases=cases,
        )
    for op in ("all", "any"):
        for shape, dim in [((2, 3), None), ((2, 3), 0), ((2, 3, 4), -1), ((), None)]:
            for keepdim in (False, True):
                if dim is None and keepdim:
                    continue
                call = {} if dim is None else {"dim": dim, "keepdim": keepdim}
                x = torch.tensor(f.draw(op, shape, dim).state.rand(*shape) < (0.8 if op == "all" else 0.2))
                f.add(op, lambda x, op=op, **k: getattr(torch, op)(x, **k), {"x": x}, call)
        f.add(op, lambda x, op=op: getattr(torch, op)(x), {"x": torch.ones(2, 2, dtype=torch.bool)})
        f.add(op, lambda x, op=op: getattr(torch, op)(x), {"x": torch.zeros(0, 2, dtype=torch.bool)})
        f.add(op, lambda x, op=op, **k: getattr(torch, op)(x, **k), {"x": torch.zeros(0, 2, dtype=torch.bool)}, {"dim": 0})

    # empty tensors: over everything, over the empty dimension, and beside it
    for op in ("sum", "mean", "prod"):
        for shape, dim in [((0,), None), ((0, 3), None), ((0, 3), 0), ((0, 3), 1), ((2, 0, 3), 1)]:
            call = {} if dim is None else {"dim": dim}
            f.add(
                op,
                lambda x, op=op, **k: getattr(torch, op)(x, **k),
                {"x": torch.zeros(shape, dtype=torch.float64)},
                call,
                flags=["nogradcheck"],
            )
    for op in ("amax", "amin", "logsumexp", "max", "argmax"):
        f.add(
            op,
            lambda x, dim, op=op: getattr(torch, op)(x, dim),
            {"x": torch.zeros(0, 3, dtype=torch.float64)},
            {"dim": 1},
            flags=["nogradcheck"],
            gradient=op != "argmax",
        )
    f.add("logsumexp", lambda x, dim: torch.logsumexp(x, dim), {"x": torch.zeros(0, 3, dtype=torch.float64)}, {"dim": 0}, gradient=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        f.add("var", lambda x: torch.var(x), {"x": tensor(1.5)}, gradient=False)  # one value has no variance: nan
    f.add("std", lambda x, correction: torch.std(x, correction=correction), {"x": tensor(1.5, 1.5)}, {"correction": 0}, gradient=False)

    # zeros in a product, ties, infinities
    for x in (tensor(2, 0, 3), tensor(0, 2, 0), tensor(0, 0, 0), tensor(5)):
        f.add("prod", lambda x: torch.prod(x), {"x": x})
    f.add("prod", lambda x, dim: torch.prod(x, dim), {"x": torch.tensor([[1.0, 0, 2], [0, 0, 3], [1, 2, 3]])}, {"dim": 1})
    f.add("prod", lambda x, dim: torch.prod(x, dim), {"x": torch.tensor([[1.0, 0, 2], [0, 0, 3], [1, 2, 3]])}, {"dim": 0})
    ties = torch.tensor([[1.0, 3, 3], [3, -1, -1]])
    for op in ("amax", "amin", "max", "min"):
        for call in ({}, {"dim": 0}, {"dim": 1}):
            f.add(op, lambda x, op=op, **k: getattr(torch, op)(x, **k), {"x": ties}, call, flags=["nogradcheck"])
        f.add(op, lambda x, op=op: getattr(torch, op)(x), {"x": tensor(1, NAN, INF)}, gradient=False)
        f.add(op, lambda x, op=op: getattr(torch, op)(x), {"x": tensor(1, -INF, INF)}, gradient=False)
    for op in ("argmax", "argmin"):
        f.add(op, lambda x, op=op, **k: getattr(torch, op)(x, **k), {"x": ties}, {"dim": 1}, gradient=False)
        f.add(op, lambda x, op=op: getattr(torch, op)(x), {"x": tensor(1, NAN, INF)}, gradient=False)
        f.add(op, lambda x, op=op: getattr(torch, op)(x), {"x": torch.tensor([5, -3, 9, 9])})
    for p in (2, 1, 3):
        f.add("norm", lambda x, p: torch.linalg.vector_norm(x, p), {"x": tensor(0, 0, 0)}, {"p": p}, flags=["nogradcheck"])
    f.add("norm", lambda x, p: torch.linalg.vector_norm(x, p), {"x": tensor(3, -3, 1)}, {"p": INF}, flags=["nogradcheck"])
    f.add("norm", lambda x, p: torch.linalg.vector_norm(x, p), {"x": tensor(3, -3, 0)}, {"p": 0}, gradient=False)
    f.add("norm", lambda x, p: torch.linalg.vector_norm(x, p), {"x": tensor(3, -4, 1)}, {"p": -INF}, gradient=False)
    f.add(
        "logsumexp",
        lambda x, dim: torch.logsumexp(x, dim),
        {"x": torch.tensor([[1000.0, 1000], [-1000, 0], [-INF, 1]])},
        {"dim": 1},
        flags=["nogradcheck"],
    )
    f.add(
        "logsumexp",
        lambda x, dim: torch.logsumexp(x, dim),
        {"x": torch.tensor([[-INF, -INF], [INF, 0], [INF, -INF]])},
        {"dim": 1},
        gradient=False,
    )
    f.add("sum", lambda x: torch.sum(x), {"x": tensor(1, NAN)}, gradient=False)
    for op in ("sum", "prod"):
        f.add(op + "_long", lambda x, op=op, **k: getattr(torch, op)(x, **k), {"x": f.draw(op, "long").integers(-5, 6, 2, 3)})
        f.add(op + "_long", lambda x, op=op, **k: getattr(torch, op)(x, **k), {"x": f.draw(op, "long").integers(1, 6, 2, 3)}, {"dim": 1})
    f.add("sum_int", lambda x: torch.sum(x), {"x": torch.tensor([2147483647, 1, 5], dtype=torch.int32)})
    f.add("sum_byte", lambda x: torch.sum(x), {"x": torch.tensor([200, 100, 5], dtype=torch.uint8)})
    f.add("sum_bool", lambda x: torch.sum(x), {"x": torch.tensor([True, False, True])})
    for op in ("amax", "amin"):
        f.add(op + "_long", lambda x, dim, op=op: getattr(torch, op)(x, dim), {"x": f.draw(op, "long").integers(-9, 10, 3, 4)}, {"dim": 1})


def scan_sort(f):
    for shape, dim in ONE_DIM + [((0, 3), 0), ((2, 0), 1)]:
        draw = f.draw("scan", shape, dim)
        f.add("cumsum", lambda x, dim: torch.cumsum(x, dim), {"x": draw.normal(*shape)}, {"dim": dim})
        f.add("cumprod", lambda x, dim: torch.cumprod(x, dim), {"x": draw.between(shape, 0.5, 1.5, distinct=False)}, {"dim": dim})
    for x in (tensor(2, 0, 3, 4), tensor(0, 2, 0, 5), tensor(1, 2, 0), tensor(0, 0)):
        f.add("cumprod", lambda x, dim: torch.cumprod(x, dim), {"x": x}, {"dim": 0})
    f.add("cumprod", lambda x, dim: torch.cumprod(x, dim), {"x": torch.tensor([[1.0, 0, 2], [2, 0, 3], [1, 2, 3]])}, {"dim": 0})
    f.add("cumsum_long", lambda x, dim: torch.cumsum(x, dim), {"x": f.draw("cumsum").integers(-5, 6, 3, 4)}, {"dim": 1})
    f.add("cumprod_long", lambda x, dim: torch.cumprod(x, dim), {"x": f.draw("cumprod").integers(-3, 4, 3, 4)}, {"dim": 0})

    for shape, dim in ONE_DIM + [((0, 3), 1)]:
        x = f.draw("sort", shape, dim).normal(*shape)
        f.add("sort", lambda x, **k: torch.sort(x, **k), {"x": x}, {} if dim == -1 else {"dim": dim})
        f.add("sort", lambda x, **k: torch.sort(x, **k), {"x": x}, {"dim": dim, "descending": True})
        f.add("argsort", lambda x, **k: torch.argsort(x, **k), {"x": x}, {"dim": dim, "descending": True}, gradient=False)
    equal = {"x": tensor(2, 1, 2, 1, 3, 1)}
    for descending in (False, True):
        f.add(
            "sort_stable",
            lambda x, descending: torch.sort(x, stable=True, descending=descending),
            equal,
            {"descending": descending},
            flags=["nogradcheck"],
        )
    f.add("sort", lambda x: torch.sort(x), {"x": tensor(2, NAN, -INF, INF, 0)}, gradient=False)
    f.add("sort_long", lambda x: torch.sort(x), {"x": torch.tensor([[5, -3, 9], [0, 7, 2]])})
    for shape, k, dim in [((5,), 2, -1), ((3, 4), 2, 0), ((3, 4), 4, 1), ((2, 3, 4), 1, 1), ((4,), 0, 0), ((), 1, 0)]:
        x = f.draw("topk", shape, k, dim).normal(*shape)
        for largest in (True, False):
            args = {"k": k, "dim": dim}
            if not largest:
                args["largest"] = False
            f.add("topk", lambda x, **k: torch.topk(x, **k), {"x": x}, args)
    f.add("topk_long", lambda x, k: torch.topk(x, k), {"x": torch.tensor([[5, -3, 9], [0, 7, 2]])}, {"k": 2})


def softmax(f):
    cases = ONE_DIM + [((2, 3, 4), 2), ((0, 3), 1), ((3, 0), 1), ((2, 70), 1), ((1, 1), 1)]
    for op in ("softmax", "log_softmax", "softmin"):
        function = lambda x, dim, op=op: getattr(torch.nn.functional, op)(x, dim=dim)
        for shape, dim in cases:
            f.add(
                op, function, {"x": f.draw(op, shape, dim).normal(*shape)}, {"dim": dim}, flags=["nogradcheck"] if shape == (2, 70) else []
            )
        f.add(op, function, {"x": torch.tensor([[1000.0, 999], [-1000, 1000], [80, 81]])}, {"dim": 1}, flags=["nogradcheck"])
        f.add(
            op,
            function,
            {"x": torch.tensor([[-INF, 0, 1], [-INF, -INF, 1]] if op != "softmin" else [[INF, 0, 1], [INF, INF, 1]])},
            {"dim": 1},
            flags=["nogradcheck"],
        )
        f.add(op, function, {"x": torch.tensor([[-INF, -INF], [INF, 0], [NAN, 0]])}, {"dim": 1}, gradient=False)
