"""Products, shapes and indexing, linear layers."""

import torch
import torch.nn.functional as F


def linalg(f):
    products = [
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((3,), (3, 2)),
        ((2, 3), (3, 4)),
        ((1, 1), (1, 1)),
        ((5, 2, 3), (5, 3, 4)),
        ((5, 2, 3), (3, 4)),
        ((2, 3), (5, 3, 4)),
        ((2, 1, 3, 4), (5, 4, 2)),
        ((5, 2, 3), (3,)),
        ((3,), (5, 3, 2)),
        ((2, 1, 2, 3), (1, 4, 3, 2)),
        ((0, 3), (3, 2)),
        ((2, 0), (0, 3)),
        ((2, 3), (3, 0)),
        ((0, 2, 3), (3, 2)),
        ((0,), (0,)),
        ((17, 5), (5, 19)),
    ]
    for a, b in products:
        draw = f.draw("matmul", a, b)
        f.add("matmul", lambda x, y: torch.matmul(x, y), {"x": draw.normal(*a), "y": draw.normal(*b)})
    draw = f.draw("large")
    f.add("matmul", lambda x, y: torch.matmul(x, y), {"x": draw.normal(33, 20), "y": draw.normal(20, 9)}, flags=["nogradcheck"])
    f.add("matmul", lambda x, y: torch.matmul(x, y), {"x": draw.normal(2, 3), "y": draw.normal(3, 4)}, constant=["y"])
    f.add("matmul", lambda x, y: torch.matmul(x, y), {"x": draw.normal(2, 3), "y": draw.normal(3, 4)}, constant=["x"])
    for n in (4, 1, 37, 0):
        f.add("dot", lambda x, y: torch.dot(x, y), {"x": f.draw("dot", n).normal(n), "y": f.draw("dot y", n).normal(n)})
    for a, b in (((2, 3), (3, 4)), ((0, 3), (3, 2)), ((2, 0), (0, 3))):
        f.add("mm", lambda x, y: torch.mm(x, y), {"x": f.draw("mm", a).normal(*a), "y": f.draw("mm", b).normal(*b)})
    for a, b in (((4, 2, 3), (4, 3, 2)), ((0, 2, 3), (0, 3, 2)), ((2, 3, 0), (2, 0, 2))):
        f.add("bmm", lambda x, y: torch.bmm(x, y), {"x": f.draw("bmm", a).normal(*a), "y": f.draw("bmm", b).normal(*b)})
    for a, b in ((3, 4), (1, 5), (0, 2)):
        f.add("outer", lambda x, y: torch.outer(x, y), {"x": f.draw("outer", a).normal(a), "y": f.draw("outer", "y", b).normal(b)})
    for bias in ((2, 4), (4,), (2, 1), ()):
        for scale in ({}, {"beta": 0.5, "alpha": 2}, {"beta": 0, "alpha": -1}):
            draw = f.draw("addmm", bias, tuple(scale))
            f.add(
                "addmm",
                lambda input, x, y, **k: torch.addmm(input, x, y, **k),
                {"input": draw.normal(*bias), "x": draw.normal(2, 3), "y": draw.normal(3, 4)},
                scale,
            )
    equations = [
        ("ij,jk->ik", (2, 3), (3, 4)),
        ("ij,jk", (2, 3), (3, 4)),
        ("bij,bjk->bik", (2, 3, 4), (2, 4, 2)),
        ("ij->ji", (2, 3)),
        ("ba", (2, 3)),
        ("ii->i", (3, 3)),
        ("ii", (3, 3)),
        ("ij,ij->", (2, 3), (2, 3)),
        ("i,j->ij", (2,), (3,)),
        ("bi,oij,bj->bo", (2, 3), (4, 3, 2), (2, 2)),
        ("...ij,...jk->...ik", (2, 1, 2, 3), (4, 3, 2)),
        ("ij->", (2, 3)),
        ("ij->i", (2, 3)),
        ("ijk->kj", (2, 3, 4)),
        ("i,i->", (4,), (4,)),
        ("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)),
        ("ij,j->i", (2, 3), (3,)),
        ("ij,kj->ik", (2, 3), (4, 3)),
        ("ij,ij->ij", (2, 3), (2, 3)),
        ("i,ij,j->", (2,), (2, 3), (3,)),
        ("bii->bi", (2, 3, 3)),
        ("...i->...", (2, 3, 4)),
        ("ij,jk->ik", (2, 0), (0, 3)),
    ]
    for i, (equation, *shapes) in enumerate(equations):
        draw = f.draw("einsum", i)
        f.add(
            "einsum",
            lambda x, equation: torch.einsum(equation, *x),
            {"x": [draw.normal(*s) for s in shapes]},
            {"equation": equation.replace(" ", "")},
        )


def joining(f):
    for shapes, dim in [
        ([(2, 3), (2, 3)], 0),
        ([(2, 3), (2, 1), (2, 2)], 1),
        ([(2, 3), (0, 3)], 0),
        ([(2, 3, 2)], -1),
        ([(4,), (2,), (3,)], 0),
        ([(2, 2, 3), (2, 1, 3)], -2),
    ]:
        f.add(
            "cat",
            lambda x, dim: torch.cat(x, dim),
            {"x": [f.draw("cat", i, s, dim).normal(*s) for i, s in enumerate(shapes)]},
            {"dim": dim},
        )
    f.add("cat_long", lambda x, dim: torch.cat(x, dim), {"x": [torch.tensor([[1, 2]]), torch.tensor([[3, 4], [5, 6]])]}, {"dim": 0})
    for shape, count, dim in [((2, 3), 3, 0), ((2, 3), 2, 1), ((2, 3), 2, -1), ((), 3, 0), ((0, 2), 2, 1)]:
        f.add(
            "stack",
            lambda x, dim: torch.stack(x, dim),
            {"x": [f.draw("stack", i, shape, dim).normal(*shape) for i in range(count)]},
            {"dim": dim},
        )
    for shape, size, dim in [((5, 2), 2, 0), ((2, 6), 3, 1), ((2, 3), 5, -1)]:
        f.add(
            "split",
            lambda x, size, dim: torch.split(x, size, dim),
            {"x": f.draw("split", shape).normal(*shape)},
            {"size": size, "dim": dim},
        )
    for shape, sizes, dim in [((5, 2), [1, 4], 0), ((2, 6), [3, 0, 2, 1], 1)]:
        f.add(
            "split_sizes",
            lambda x, sizes, dim: torch.split(x, sizes, dim),
            {"x": f.draw("split", shape).normal(*shape)},
            {"sizes": sizes, "dim": dim},
        )
    for shape, chunks, dim in [((5, 2), 2, 0), ((2, 6), 4, 1), ((2, 3), 7, -1), ((6,), 3, 0)]:
        f.add(
            "chunk",
            lambda x, chunks, dim: torch.chunk(x, chunks, dim),
            {"x": f.draw("chunk", shape).normal(*shape)},
            {"chunks": chunks, "dim": dim},
        )
    for op in ("repeat", "tile"):
        for shape, times in [((3,), [2]), ((3,), [2, 2]), ((2, 3), [2, 1]), ((2, 1), [1, 3, 2]), ((), [3]), ((2, 3), [0, 1])]:
            f.add(op, lambda x, times, op=op: getattr(x, op)(*times), {"x": f.draw(op, shape, times).normal(*shape)}, {"times": times})
    f.add("tile", lambda x, times: x.tile(*times), {"x": f.draw("tile").normal(2, 3)}, {"times": [2]})
    for shape, dims in [((3,), [0]), ((2, 3), [1]), ((2, 3), [0, 1]), ((2, 3, 2), [-1, 0])]:
        f.add("flip", lambda x, dims: torch.flip(x, dims), {"x": f.draw("flip", shape, dims).normal(*shape)}, {"dims": dims})
    for shape, shifts, dims in [
        ((5,), [2], [0]),
        ((3, 4), [-1], [1]),
        ((3, 4), [1, 2], [0, 1]),
        ((3, 4), [9], [-1]),
        ((3, 4), [5], None),
        ((0, 2), [1], [0]),
    ]:
        f.add(
            "roll",
            lambda x, shifts, dims=None: torch.roll(x, shifts, dims) if dims else torch.roll(x, shifts),
            {"x": f.draw("roll", shape, shifts).normal(*shape)},
            {"shifts": shifts, "dims": dims},
        )
    for op in ("tril", "triu"):
        for shape, diagonal in [((3, 3), 0), ((3, 4), 1), ((4, 3), -1), ((2, 3, 3), 0), ((2, 2), 5), ((2, 2), -5), ((0, 2), 0)]:
            args = {"diagonal": diagonal} if diagonal else {}
            f.add(op, lambda x, op=op, **k: getattr(torch, op)(x, **k), {"x": f.draw(op, shape, diagonal).normal(*shape)}, args)


def indexing(f):
    for shape, dim, low, index in [
        ((3, 4), 0, 3, (2, 4)),
        ((3, 4), 1, 4, (3, 2)),
        ((3, 4), 1, 4, (2, 6)),
        ((2, 3, 2), -2, 3, (2, 5, 1)),
        ((5,), 0, 5, (3,)),
        ((3,), 0, 3, (0,)),
    ]:
        draw = f.draw("gather", shape, dim, index)
        f.add(
            "gather",
            lambda x, index, dim: torch.gather(x, dim, index),
            {"x": draw.normal(*shape), "index": draw.integers(0, low, *index)},
            {"dim": dim},
        )
    for shape, dim, low, index in [
        ((3, 4), 0, 3, (2, 4)),
        ((3, 4), 1, 4, (3, 2)),
        ((3, 4), 1, 4, (2, 6)),
        ((5,), 0, 5, (8,)),
        ((3, 2), 0, 3, (0, 2)),
    ]:
        draw = f.draw("scatter_add", shape, dim, index)
        f.add(
            "scatter_add",
            lambda x, index, src, dim: torch.scatter_add(x, dim, index, src),
            {"x": draw.normal(*shape), "index": draw.integers(0, low, *index), "src": draw.normal(*index)},
            {"dim": dim},
        )
    for shape, dim, index in [((3, 4), 0, [2, 0, 2]), ((3, 4), 1, [1]), ((2, 3, 2), -2, [2, 2, 1, 0]), ((5,), 0, [4, 4]), ((3, 2), 0, [])]:
        f.add(
            "index_select",
            lambda x, index, dim: torch.index_select(x, dim, index),
            {"x": f.draw("index_select", shape).normal(*shape), "index": torch.tensor(index, dtype=torch.int64)},
            {"dim": dim},
        )
    for shape, dim, index in [((3, 4), 1, (3, 2)), ((3, 4), 1, (1, 2)), ((3, 4), 0, (1, 4)), ((2, 3, 2), 1, (2, 1, 2))]:
        draw = f.draw("take_along_dim", shape, dim, index)
        f.add(
            "take_along_dim",
            lambda x, index, dim: torch.take_along_dim(x, index, dim),
            {"x": draw.normal(*shape), "index": draw.integers(0, shape[dim], *index)},
            {"dim": dim},
        )
    for shape, mask in [((3, 4), (3, 4)), ((3, 4), (4,)), ((2, 3), (2, 1)), ((5,), (5,))]:
        draw = f.draw("masked", shape, mask)
        x, chosen = draw.normal(*shape), draw.booleans(*mask)
        f.add("masked_select", lambda x, mask: torch.masked_select(x, mask), {"x": x, "mask": chosen})
        f.add("masked_fill", lambda x, mask, value: torch.masked_fill(x, mask, value), {"x": x, "mask": chosen}, {"value": -7.5})
    f.add(
        "masked_select",
        lambda x, mask: torch.masked_select(x, mask),
        {"x": f.draw("none").normal(2, 2), "mask": torch.zeros(2, 2, dtype=torch.bool)},
    )
    f.add("index_mask", lambda x, mask: x[mask], {"x": f.draw("rows").normal(4, 3), "mask": torch.tensor([True, False, False, True])})
    f.add(
        "index_mask",
        lambda x, mask: x[mask],
        {"x": f.draw("all").normal(2, 3), "mask": torch.tensor([[True, False, True], [False, False, True]])},
    )
    f.add("index_long", lambda x, index: x[index], {"x": f.draw("index").normal(4, 3), "index": torch.tensor([[3, 0], [-1, 3]])})
    for labels, classes in [([2, 0, 1], 3), ([[0, 1], [3, 2]], 5), ([1, 2], -1)]:
        f.add(
            "one_hot",
            lambda x, num_classes=-1: F.one_hot(x, num_classes),
            {"x": torch.tensor(labels)},
            {"num_classes": classes} if classes > 0 else {},
        )


def views(f):
    for shape, dim, size, step in [((7,), 0, 3, 2), ((3, 5), 1, 2, 1), ((4, 3), 0, 4, 1), ((2, 6, 2), -2, 2, 3), ((4,), 0, 1, 1)]:
        f.add(
            "unfold",
            lambda x, dim, size, step: x.unfold(dim, size, step),
            {"x": f.draw("unfold", shape).normal(*shape)},
            {"dim": dim, "size": size, "step": step},
        )
    for shape, offset, dim1, dim2 in [
        ((3, 3), 0, 0, 1),
        ((3, 4), 1, 0, 1),
        ((4, 3), -2, 0, 1),
        ((2, 3, 4), 0, 1, 2),
        ((2, 3, 4), 1, -1, 0),
        ((2, 2), 2, 0, 1),
    ]:
        f.add(
            "diagonal",
            lambda x, offset, dim1, dim2: torch.diagonal(x, offset, dim1, dim2),
            {"x": f.draw("diagonal", shape, offset).normal(*shape)},
            {"offset": offset, "dim1": dim1, "dim2": dim2},
        )
    for shape, to in [((2, 6), [3, 4]), ((2, 6), [-1]), ((2, 3, 4), [6, -1]), ((), [1, 1]), ((1,), []), ((0, 3), [3, 0])]:
        f.add("reshape", lambda x, shape: x.reshape(shape), {"x": f.draw("reshape", shape, to).normal(*shape)}, {"shape": to})
    for shape, start, end in [((2, 3, 4), 0, -1), ((2, 3, 4), 1, -1), ((2, 3, 4, 2), 1, 2), ((), 0, -1), ((3,), 0, 0)]:
        f.add(
            "flatten",
            lambda x, start, end: x.flatten(start, end),
            {"x": f.draw("flatten", shape, start).normal(*shape)},
            {"start": start, "end": end},
        )
    for shape, dim in [((2, 1, 3, 1), None), ((2, 1, 3), 1), ((2, 1, 3), 0), ((1, 1), None), ((2, 1), -1)]:
        f.add(
            "squeeze",
            lambda x, **k: x.squeeze(**k),
            {"x": f.draw("squeeze", shape, dim).normal(*shape)},
            {"dim": dim} if dim is not None else {},
            call={"dim": dim} if dim is not None else {},
        )
    for shape, dim in [((2, 3), 0), ((2, 3), 2), ((2, 3), -2), ((), 0)]:
        f.add("unsqueeze", lambda x, dim: x.unsqueeze(dim), {"x": f.draw("unsqueeze", shape, dim).normal(*shape)}, {"dim": dim})
    for shape, a, b in [((2, 3), 0, 1), ((2, 3, 4), 0, -1), ((2, 3, 4), 1, 1)]:
        f.add(
            "transpose",
            lambda x, dim0, dim1: x.transpose(dim0, dim1),
            {"x": f.draw("transpose", shape, a, b).normal(*shape)},
            {"dim0": a, "dim1": b},
        )
    for shape in [(2, 3), (3,), ()]:
        f.add("t", lambda x: x.t(), {"x": f.draw("t", shape).normal(*shape)})
    for shape, dims in [((2, 3, 4), [2, 0, 1]), ((2, 3), [1, 0]), ((2, 3, 4), [0, -1, 1])]:
        f.add("permute", lambda x, dims: x.permute(dims), {"x": f.draw("permute", shape, dims).normal(*shape)}, {"dims": dims})
    for shape, to in [((3,), [2, 3]), ((2, 1), [2, 4]), ((2, 1), [3, -1, 4]), ((), [2, 2]), ((1, 3), [0, 3])]:
        f.add("expand", lambda x, shape: x.expand(shape), {"x": f.draw("expand", shape, to).normal(*shape)}, {"shape": to})
    for shape, dim, start, length in [((5, 2), 0, 1, 3), ((2, 4), -1, 2, 2), ((3,), 0, 0, 0)]:
        f.add(
            "narrow",
            lambda x, dim, start, length: x.narrow(dim, start, length),
            {"x": f.draw("narrow", shape).normal(*shape)},
            {"dim": dim, "start": start, "length": length},
        )
    for shape, dim, index in [((3, 2), 0, 1), ((2, 3, 4), -1, -2), ((4,), 0, 3)]:
        f.add(
            "select",
            lambda x, dim, index: x.select(dim, index),
            {"x": f.draw("select", shape).normal(*shape)},
            {"dim": dim, "index": index},
        )
    f.add("slice", lambda x: x[0:2, ..., 1:4:2], {"x": f.draw("slice").normal(3, 2, 5)})
    f.add("slice_newaxis", lambda x: x[1:, None, :, -1], {"x": f.draw("newaxis").normal(3, 2, 4)})


def shape(f):
    joining(f)
    indexing(f)
    views(f)


def linear(f):
    for shape in [(5, 4), (4,), (2, 3, 4), (0, 4), (1, 4), (33, 4)]:
        for bias in (True, False):
            draw = f.draw("linear", shape, bias)
            f.add(
                "linear",
                lambda x, weight, bias=None: F.linear(x, weight, bias),
                {"x": draw.normal(*shape), "weight": draw.normal(3, 4), "bias": draw.normal(3) if bias else None},
                flags=["nogradcheck"] if shape == (33, 4) else [],
            )
    for shape in [(1,), (6, 1)]:
        draw = f.draw("linear one", shape)
        f.add(
            "linear",
            lambda x, weight, bias: F.linear(x, weight, bias),
            {"x": draw.normal(*shape), "weight": draw.normal(1, 1), "bias": draw.normal(1)},
        )
    for batch in [(5,), (2, 3), (), (0,)]:
        for bias in (True, False):
            draw = f.draw("bilinear", batch, bias)
            f.add(
                "bilinear",
                lambda x, y, weight, bias=None: F.bilinear(x, y, weight, bias),
                {
                    "x": draw.normal(*batch, 3),
                    "y": draw.normal(*batch, 2),
                    "weight": draw.normal(4, 3, 2),
                    "bias": draw.normal(4) if bias else None,
                },
            )
