"""Losses, each with every reduction and its options."""

import warnings

import torch
import torch.nn.functional as F

warnings.filterwarnings("ignore", message="reduction: 'mean' divides")

REDUCTIONS = ("mean", "sum", "none")


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def each(f, op, function, inputs, args=None, **options):
    """The case with each reduction; the default one unnamed."""
    for reduction in options.pop("reductions", REDUCTIONS):
        call = dict(args or {})
        if reduction != "mean":
            call["reduction"] = reduction
        f.add(op, function, inputs, call, **options)


def regression(f):
    for op, sets in {
        "mse_loss": [{}],
        "l1_loss": [{}],
        "smooth_l1_loss": [{}, {"beta": 0.5}, {"beta": 0}],
        "huber_loss": [{}, {"delta": 0.75}],
    }.items():
        function = getattr(F, op)
        for args in sets:
            for shape in [(3, 4), ()]:
                draw = f.draw(op, tuple(args.items()), shape)
                each(
                    f,
                    op,
                    lambda x, target, function=function, **k: function(x, target, **k),
                    {"x": draw.normal(*shape), "target": draw.normal(*shape) + 1 / 256},
                    args,
                )
            x = tensor(1, 1, 1, 100, 1)
            edge = {"x": x, "target": tensor(1, 0, 0.5, -100, 0.25)}
            f.add(op, lambda x, target, function=function, **k: function(x, target, **k), edge, args, flags=["nogradcheck"])
    draw = f.draw("constant target")
    f.add("mse_loss", lambda x, target: F.mse_loss(x, target), {"x": draw.normal(4, 1), "target": draw.normal(4, 1)}, constant=["target"])


def probabilities(f):
    for shape in [(3, 4), ()]:
        draw = f.draw("bce", shape)
        pair = {"x": draw.probability(*shape), "target": draw.probability(*shape)}
        each(f, "binary_cross_entropy", lambda x, target, **k: F.binary_cross_entropy(x, target, **k), pair, constant=["target"])
        logits = {"x": draw.normal(*shape), "target": draw.probability(*shape)}
        each(
            f,
            "binary_cross_entropy_with_logits",
            lambda x, target, **k: F.binary_cross_entropy_with_logits(x, target, **k),
            logits,
            constant=["target"],
        )
    for weight in [(3, 4), (4,), (3, 1)]:
        draw = f.draw("bce weight", weight)
        given = {"x": draw.probability(3, 4), "target": draw.booleans(3, 4).double(), "weight": draw.positive(*weight)}
        each(f, "binary_cross_entropy", lambda x, target, **k: F.binary_cross_entropy(x, target, **k), given, constant=["target", "weight"])
    f.add(
        "binary_cross_entropy",
        lambda x, target: F.binary_cross_entropy(x, target, reduction="none"),
        {"x": tensor(0, 1, 0, 1, 0.5), "target": tensor(0, 1, 1, 0, 0.5)},
        {"reduction": "none"},
        call={},
        constant=["target"],
        flags=["nogradcheck"],
    )  # the log is bounded by -100
    for weight, positive in [((3, 4), None), ((4,), (4,)), (None, (4,)), (None, (1,))]:
        draw = f.draw("bce logits", weight, positive)
        given = {
            "x": draw.normal(3, 4),
            "target": draw.probability(3, 4),
            "weight": draw.positive(*weight) if weight else None,
            "pos_weight": draw.positive(*positive) if positive else None,
        }
        each(
            f,
            "binary_cross_entropy_with_logits",
            lambda x, target, **k: F.binary_cross_entropy_with_logits(x, target, **k),
            given,
            constant=["target", "weight", "pos_weight"],
        )
    f.add(
        "binary_cross_entropy_with_logits",
        lambda x, target, reduction: F.binary_cross_entropy_with_logits(x, target, reduction=reduction),
        {"x": tensor(100, -100, 100, -100, 0), "target": tensor(1, 0, 0, 1, 0.5)},
        {"reduction": "none"},
        constant=["target"],
        flags=["nogradcheck"],
    )

    for shape in [(2, 3), (4,)]:
        draw = f.draw("kl_div", shape)
        x, target = torch.log_softmax(draw.normal(*shape), -1).mul(1024).round() / 1024, draw.probability(*shape)
        for log_target in (False, True):
            args = {"log_target": True} if log_target else {}
            pair = {"x": x, "target": torch.log(target).mul(1024).round() / 1024 if log_target else target}
            each(f, "kl_div", lambda x, target, **k: F.kl_div(x, target, **k), pair, args, reductions=("mean", "sum", "none", "batchmean"))
            each(f, "kl_div", lambda x, target, **k: F.kl_div(x, target, **k), pair, args, reductions=("batchmean",), constant=["target"])
    f.add(
        "kl_div",
        lambda x, target, **k: F.kl_div(x, target, **k),
        {"x": tensor(-1, -2, -0.5), "target": tensor(0, 1, 0.5)},
        {"reduction": "sum"},
        constant=["target"],
    )

    for log_input in (True, False):
        for full in (False, True):
            draw = f.draw("poisson", log_input, full)
            pair = {"x": draw.normal(3, 4) if log_input else draw.positive(3, 4), "target": draw.integers(0, 6, 3, 4).double()}
            args = {} if log_input else {"log_input": False}
            if full:
                args["full"] = True
            each(f, "poisson_nll_loss", lambda x, target, **k: F.poisson_nll_loss(x, target, **k), pair, args, constant=["target"])
    f.add(
        "poisson_nll_loss",
        lambda x, target, **k: F.poisson_nll_loss(x, target, **k),
        {"x": tensor(0.25, 0.5, 2), "target": tensor(0, 1, 3)},
        {"log_input": False, "eps": 0.125},
        constant=["target"],
    )

    for var in [(3, 4), (3, 1), (3,)]:
        for full in (False, True):
            draw = f.draw("gaussian", var, full)
            given = {"x": draw.normal(3, 4), "target": draw.normal(3, 4), "var": draw.positive(*var)}
            each(
                f,
                "gaussian_nll_loss",
                lambda x, target, var, **k: F.gaussian_nll_loss(x, target, var, **k),
                given,
                {"full": True} if full else {},
            )
    f.add(
        "gaussian_nll_loss",
        lambda x, target, var, **k: F.gaussian_nll_loss(x, target, var, **k),
        {"x": tensor(1, 2, 3), "target": tensor(0.5, 2, 1), "var": tensor(0, 0.25, 2)},
        {"eps": 0.5},
        flags=["nogradcheck"],
    )


def classes(f):
    for shape, target in [((4, 3), (4,)), ((2, 3, 4), (2, 4)), ((2, 3, 2, 2), (2, 2, 2)), ((3,), ())]:
        for op in ("nll_loss", "cross_entropy"):
            function = getattr(F, op)
            draw = f.draw(op, shape)
            x = draw.normal(*shape)
            labels = draw.integers(0, 3, *target)
            weight = draw.positive(3)
            call = lambda x, target, function=function, **k: function(x, target, **k)
            each(f, op, call, {"x": x, "target": labels})
            each(f, op, call, {"x": x, "target": labels, "weight": weight}, constant=["weight"])
            if target:
                ignored = labels.clone()
                ignored.view(-1)[0] = 1
                ignored.view(-1)[1:3] = torch.tensor([-100, 2])
                each(f, op, call, {"x": x, "target": ignored, "weight": weight}, constant=["weight"])
                each(f, op, call, {"x": x, "target": labels}, {"ignore_index": int(labels.view(-1)[-1])})
            if op == "cross_entropy":
                each(f, op, call, {"x": x, "target": labels}, {"label_smoothing": 0.125})
                each(f, op, call, {"x": x, "target": labels, "weight": weight}, {"label_smoothing": 0.25}, constant=["weight"])
                if target:
                    each(f, op, call, {"x": x, "target": ignored, "weight": weight}, {"label_smoothing": 0.25}, constant=["weight"])
    for shape in [(4, 3), (2, 3, 2), (3,)]:
        draw = f.draw("class probabilities", shape)
        x = draw.normal(*shape)
        target = draw.probability(*shape)
        call = lambda x, target, **k: F.cross_entropy(x, target, **k)
        each(f, "cross_entropy_probabilities", call, {"x": x, "target": target}, constant=["target"])
        each(
            f,
            "cross_entropy_probabilities",
            call,
            {"x": x, "target": target, "weight": draw.positive(3)},
            {"label_smoothing": 0.125},
            constant=["target", "weight"],
        )
    call = lambda x, target, **k: F.cross_entropy(x, target, **k)
    f.add(
        "cross_entropy",
        call,
        {"x": torch.tensor([[1000.0, 0, -1000], [0, 500, 500]]), "target": torch.tensor([0, 0])},
        flags=["nogradcheck"],
    )
    f.add(
        "cross_entropy", call, {"x": f.draw("all ignored").normal(2, 3), "target": torch.tensor([-100, -100])}, gradient=False
    )  # 0 / 0 is nan
    f.add("cross_entropy", call, {"x": f.draw("wide").normal(5, 20), "target": torch.tensor([0, 19, 7, 7, 3])}, flags=["nogradcheck"])
    f.add(
        "nll_loss",
        call=None,
        function=lambda x, target: F.nll_loss(x, target),
        inputs={"x": torch.zeros(0, 3, dtype=torch.float64), "target": torch.zeros(0, dtype=torch.int64)},
        gradient=False,
    )

    draw = f.draw("multilabel")
    for shape in [(3, 4), (4,)]:
        pair = {"x": draw.normal(*shape), "target": draw.booleans(*shape).double()}
        call = lambda x, target, **k: F.multilabel_soft_margin_loss(x, target, **k)
        each(f, "multilabel_soft_margin_loss", call, pair, constant=["target"])
        each(f, "multilabel_soft_margin_loss", call, {**pair, "weight": draw.positive(4)}, constant=["target", "weight"])


def margins(f):
    for shape in [(3, 4), (6,)]:
        draw = f.draw("margins", shape)
        pair = {"x": draw.normal(*shape), "target": draw.signs(*shape)}
        for args in ({}, {"margin": 0.5}):
            each(
                f,
                "hinge_embedding_loss",
                lambda x, target, **k: F.hinge_embedding_loss(x, target, **k),
                pair,
                args,
                constant=["target"],
                flags=["nogradcheck"] if args else [],
            )
        each(f, "soft_margin_loss", lambda x, target, **k: F.soft_margin_loss(x, target, **k), pair, constant=["target"])
        trio = {"x1": draw.normal(*shape), "x2": draw.normal(*shape) + 1 / 256, "target": draw.signs(*shape)}
        for args in ({}, {"margin": 0.75}):
            each(
                f,
                "margin_ranking_loss",
                lambda x1, x2, target, **k: F.margin_ranking_loss(x1, x2, target, **k),
                trio,
                args,
                constant=["target"],
            )
    f.add(
        "soft_margin_loss",
        lambda x, target: F.soft_margin_loss(x, target, reduction="none"),
        {"x": tensor(80, -80, 0), "target": tensor(1, 1, -1)},
        {"reduction": "none"},
        call={},
        constant=["target"],
        flags=["nogradcheck"],
    )
    f.add(
        "hinge_embedding_loss",
        lambda x, target: F.hinge_embedding_loss(x, target, reduction="none"),
        {"x": tensor(1, 1, 0, 2), "target": tensor(1, -1, -1, -1)},
        {"reduction": "none"},
        call={},
        constant=["target"],
        flags=["nogradcheck"],
    )
    f.add(
        "margin_ranking_loss",
        lambda x1, x2, target: F.margin_ranking_loss(x1, x2, target, reduction="none"),
        {"x1": tensor(1, 1, 2), "x2": tensor(1, 2, 1), "target": tensor(1, 1, -1)},
        {"reduction": "none"},
        call={},
        constant=["target"],
        flags=["nogradcheck"],
    )

    for shape, target in [((4, 3), [1, -1, 1, -1]), ((3,), 1), ((3,), -1)]:
        draw = f.draw("cosine", shape, target)
        given = {"x1": draw.normal(*shape), "x2": draw.normal(*shape), "target": torch.tensor(target)}
        for args in ({}, {"margin": -0.5}, {"margin": 0.25}):
            each(f, "cosine_embedding_loss", lambda x1, x2, target, **k: F.cosine_embedding_loss(x1, x2, target, **k), given, args)

    for shape in [(4, 3), (3,)]:
        draw = f.draw("triplet", shape)
        given = {"anchor": draw.normal(*shape), "positive": draw.normal(*shape) + 1 / 256, "negative": draw.normal(*shape) - 1 / 256}
        for args in ({}, {"margin": 4}, {"p": 1, "margin": 5}, {"swap": True, "margin": 5}, {"p": 3, "margin": 6, "eps": 0.015625}):
            each(
                f,
                "triplet_margin_loss",
                lambda anchor, positive, negative, **k: F.triplet_margin_loss(anchor, positive, negative, **k),
                given,
                args,
            )


def loss(f):
    regression(f)
    probabilities(f)
    classes(f)
    margins(f)
