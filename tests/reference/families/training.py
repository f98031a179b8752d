"""Optimisers over 20 steps of a small problem, and learning rates of schedulers over 30."""

import warnings

import torch
from torch.optim import lr_scheduler as schedule

warnings.filterwarnings("ignore", category=UserWarning)

OPTIMIZERS = {
    "sgd": (
        torch.optim.SGD,
        [
            {"lr": 0.05},
            {"lr": 0.05, "momentum": 0.9},
            {"lr": 0.05, "momentum": 0.9, "dampening": 0.5},
            {"lr": 0.05, "momentum": 0.9, "nesterov": True},
            {"lr": 0.05, "weight_decay": 0.125},
            {"lr": 0.05, "momentum": 0.75, "weight_decay": 0.0625, "nesterov": True},
            {"lr": 0.001, "maximize": True},
            {"lr": 0.001, "momentum": 0.5, "weight_decay": 0.125, "maximize": True},
        ],
    ),
    "adam": (
        torch.optim.Adam,
        [
            {},
            {"lr": 0.1},
            {"lr": 0.1, "betas": [0.75, 0.9]},
            {"lr": 0.1, "weight_decay": 0.125},
            {"lr": 0.1, "amsgrad": True},
            {"lr": 0.1, "betas": [0.5, 0.5], "amsgrad": True, "weight_decay": 0.0625},
            {"lr": 0.1, "eps": 0.01},
            {"lr": 0.01, "maximize": True, "weight_decay": 0.125},
        ],
    ),
    "adamw": (
        torch.optim.AdamW,
        [
            {},
            {"lr": 0.1},
            {"lr": 0.1, "weight_decay": 0.5},
            {"lr": 0.1, "betas": [0.75, 0.9], "amsgrad": True},
            {"lr": 0.01, "maximize": True},
        ],
    ),
    "rmsprop": (
        torch.optim.RMSprop,
        [
            {},
            {"lr": 0.05},
            {"lr": 0.05, "alpha": 0.75},
            {"lr": 0.05, "momentum": 0.5},
            {"lr": 0.05, "centered": True},
            {"lr": 0.02, "centered": True, "momentum": 0.75, "weight_decay": 0.125, "eps": 0.001},
            {"lr": 0.01, "maximize": True},
        ],
    ),
    "adagrad": (
        torch.optim.Adagrad,
        [
            {},
            {"lr": 0.5},
            {"lr": 0.5, "lr_decay": 0.125},
            {"lr": 0.5, "weight_decay": 0.125},
            {"lr": 0.5, "initial_accumulator_value": 0.5, "eps": 0.01},
            {"lr": 0.1, "maximize": True},
        ],
    ),
    "adadelta": (
        torch.optim.Adadelta,
        [{}, {"lr": 0.5}, {"rho": 0.75, "eps": 0.001}, {"weight_decay": 0.125, "eps": 0.001}, {"eps": 0.001, "maximize": True}],
    ),
    "nadam": (
        torch.optim.NAdam,
        [
            {},
            {"lr": 0.1},
            {"lr": 0.1, "betas": [0.75, 0.9]},
            {"lr": 0.1, "weight_decay": 0.125},
            {"lr": 0.1, "momentum_decay": 0.125},
            {"lr": 0.1, "weight_decay": 0.125, "decoupled_weight_decay": True},
            {"lr": 0.01, "maximize": True},
        ],
    ),
    "radam": (
        torch.optim.RAdam,
        [
            {},
            {"lr": 0.1},
            {"lr": 0.1, "betas": [0.75, 0.9]},
            {"lr": 0.1, "weight_decay": 0.125},
            {"lr": 0.1, "weight_decay": 0.125, "decoupled_weight_decay": True},
            {"lr": 0.01, "maximize": True},
        ],
    ),
    "lbfgs": (
        torch.optim.LBFGS,
        [
            {},
            {"lr": 0.125},
            {"lr": 0.5, "max_iter": 4},
            {"max_iter": 4, "line_search_fn": "strong_wolfe"},
            {"line_search_fn": "strong_wolfe"},
            {"lr": 0.5, "max_iter": 2, "history_size": 2, "line_search_fn": "strong_wolfe"},
            {"lr": 0.25, "max_iter": 3, "history_size": 2},
        ],
    ),
}
STEPS = (1, 2, 5, 20)


def fourth_degree(p, a, c):
    """The problem: convex, smooth, a different curvature in each direction."""
    return (c * (p - a) ** 2).sum() + 0.1 * ((p - a) ** 4).sum()


def optimizer(f):
    for op, (make, argument_sets) in OPTIMIZERS.items():
        for args in argument_sets:
            draw = f.draw("problem")  # the same for all
            p, a, c = draw.normal(2, 3), draw.normal(2, 3), draw.between((2, 3), 0.25, 2)
            run(f, op, make, args, p, a, c)

    # two groups: the second with options of its own
    for op, make, args, second in [
        ("sgd_groups", torch.optim.SGD, {"lr": 0.05, "momentum": 0.5}, {"lr": 0.01, "momentum": 0.9}),
        ("adam_groups", torch.optim.Adam, {"lr": 0.1}, {"lr": 0.02, "weight_decay": 0.125}),
    ]:
        draw = f.draw("problem")
        p, a, c = draw.normal(2, 3), draw.normal(2, 3), draw.between((2, 3), 0.25, 2)
        run(f, op, make, args, p, a, c, second)


def run(f, op, make, args, p, a, c, second=None):
    call = {key: tuple(value) if isinstance(value, list) else value for key, value in args.items()}
    parameters = [torch.nn.Parameter(p.clone())]
    if second is not None:  # the last row is a parameter by itself
        parameters = [torch.nn.Parameter(p[:1].clone()), torch.nn.Parameter(p[1:].clone())]
        groups = [{"params": [parameters[0]]}, {"params": [parameters[1]], **second}]
    whole = lambda: torch.cat(parameters) if second is not None else parameters[0]
    optim = make(groups if second is not None else parameters, **call)

    def closure():
        optim.zero_grad()
        value = fourth_degree(whole(), a, c)
        value.backward()
        return value

    outputs, losses = {}, []
    for step in range(1, max(STEPS) + 1):
        losses.append(float(optim.step(closure).detach()))
        if step in STEPS:
            outputs[f"step{step}"] = whole().detach().clone()
    outputs["losses"] = torch.tensor(losses, dtype=torch.float64)
    words = dict(args)
    words.update({"second_" + key: value for key, value in (second or {}).items()})
    f.record(op, words, {"p": p, "a": a, "c": c}, outputs, flags=["double"] if op == "lbfgs" else [], digits=14)


def scheduler(f):
    METRICS = [
        1.0,
        0.9,
        0.8,
        0.8,
        0.8,
        0.8,
        0.79,
        0.79,
        0.79,
        0.79,
        0.79,
        0.79,
        0.5,
        0.6,
        0.6,
        0.6,
        0.6,
        0.4,
        0.4,
        0.4,
        0.4,
        0.4,
        0.4,
        0.4,
        0.4,
        0.4,
        0.4,
        0.4,
        0.4,
        0.4,
    ]
    cases = [
        ("step_lr", schedule.StepLR, {"step_size": 10}),
        ("step_lr", schedule.StepLR, {"step_size": 3, "gamma": 0.5}),
        ("multi_step_lr", schedule.MultiStepLR, {"milestones": [5, 12, 20]}),
        ("multi_step_lr", schedule.MultiStepLR, {"milestones": [2, 2, 9], "gamma": 0.5}),
        ("exponential_lr", schedule.ExponentialLR, {"gamma": 0.9}),
        ("cosine_annealing_lr", schedule.CosineAnnealingLR, {"T_max": 30}),
        ("cosine_annealing_lr", schedule.CosineAnnealingLR, {"T_max": 8, "eta_min": 0.01}),
        ("cosine_annealing_warm_restarts", schedule.CosineAnnealingWarmRestarts, {"T_0": 7}),
        ("cosine_annealing_warm_restarts", schedule.CosineAnnealingWarmRestarts, {"T_0": 4, "T_mult": 2, "eta_min": 0.01}),
        ("linear_lr", schedule.LinearLR, {}),
        ("linear_lr", schedule.LinearLR, {"start_factor": 0.125, "end_factor": 0.75, "total_iters": 10}),
        ("constant_lr", schedule.ConstantLR, {}),
        ("constant_lr", schedule.ConstantLR, {"factor": 0.5, "total_iters": 12}),
        ("polynomial_lr", schedule.PolynomialLR, {}),
        ("polynomial_lr", schedule.PolynomialLR, {"total_iters": 20, "power": 2}),
    ]
    for op, make, args in cases:
        sgd = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
        rates(f, op, {"lr": 0.5, **args}, sgd, make(sgd, **args))
    for op, make, function in [
        ("lambda_lr", schedule.LambdaLR, lambda epoch: 0.95**epoch),
        ("multiplicative_lr", schedule.MultiplicativeLR, lambda epoch: 0.95),
    ]:
        sgd = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
        rates(f, op, {"lr": 0.5, "factor": 0.95}, sgd, make(sgd, function))

    for args in [
        {},
        {"factor": 0.5, "patience": 2},
        {"factor": 0.5, "patience": 1, "cooldown": 2, "min_lr": 0.05},
        {"mode": "max", "factor": 0.5, "patience": 3},
        {"factor": 0.5, "patience": 1, "threshold": 0.125, "threshold_mode": "abs"},
        {"factor": 0.5, "patience": 0, "eps": 0.1},
    ]:
        sgd = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
        plateau = schedule.ReduceLROnPlateau(sgd, **args)
        rates(f, "reduce_lr_on_plateau", {"lr": 0.5, **args}, sgd, plateau, metrics=METRICS)

    for args in [
        {"max_lr": 0.5, "total_steps": 31},
        {"max_lr": 0.5, "total_steps": 40, "pct_start": 0.25, "anneal_strategy": "linear"},
        {"max_lr": 0.5, "total_steps": 31, "three_phase": True, "pct_start": 0.4},
        {"max_lr": 0.5, "total_steps": 31, "div_factor": 10, "final_div_factor": 100, "base_momentum": 0.8, "max_momentum": 0.9},
        {"max_lr": 0.5, "epochs": 4, "steps_per_epoch": 10, "cycle_momentum": False},
    ]:
        sgd = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
        rates(f, "one_cycle_lr", {"lr": 0.1, **args}, sgd, schedule.OneCycleLR(sgd, **args), momentum=True)

    sgd = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    parts = [schedule.LinearLR(sgd, start_factor=0.125, total_iters=5), schedule.CosineAnnealingLR(sgd, T_max=25)]
    rates(
        f,
        "sequential_linear_cosine",
        {"lr": 0.5, "start_factor": 0.125, "total_iters": 5, "T_max": 25, "milestone": 5},
        sgd,
        schedule.SequentialLR(sgd, parts, milestones=[5]),
    )
    sgd = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    parts = [
        schedule.ConstantLR(sgd, factor=0.125, total_iters=4),
        schedule.ExponentialLR(sgd, gamma=0.9),
        schedule.StepLR(sgd, step_size=3, gamma=0.5),
    ]
    rates(
        f,
        "sequential_constant_exponential_step",
        {"lr": 0.5, "milestones": [4, 15]},
        sgd,
        schedule.SequentialLR(sgd, parts, milestones=[4, 15]),
    )
    sgd = torch.optim.SGD(
        [{"params": [torch.nn.Parameter(torch.zeros(1))]}, {"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 0.25}], lr=0.5
    )
    rates(
        f, "step_lr_groups", {"lr": 0.5, "second_lr": 0.25, "step_size": 4, "gamma": 0.5}, sgd, schedule.StepLR(sgd, step_size=4, gamma=0.5)
    )


def rates(f, op, args, optim, scheduler, metrics=None, momentum=False):
    """The learning rate before the first step, then after each of 30."""
    seen = [[group["lr"] for group in optim.param_groups]]
    momenta = [optim.param_groups[0].get("momentum", 0.0)]
    for step in range(30):
        optim.step()
        scheduler.step(metrics[step]) if metrics else scheduler.step()
        seen.append([group["lr"] for group in optim.param_groups])
        momenta.append(optim.param_groups[0].get("momentum", 0.0))
    outputs = {"lr": torch.tensor([row[0] for row in seen], dtype=torch.float64)}
    if len(optim.param_groups) > 1:
        outputs["second_lr"] = torch.tensor([row[1] for row in seen], dtype=torch.float64)
    if momentum:
        outputs["momentum"] = torch.tensor(momenta, dtype=torch.float64)
    f.record(op, args, {"metrics": torch.tensor(metrics, dtype=torch.float64)} if metrics else {}, outputs, digits=14)
