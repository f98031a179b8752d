"""What torch.manual_seed gives, single and double. Only draws that come from the CPU generator itself (not from a vendor's library)."""

import torch

SEEDS = (0, 1, 42, 2020, 1234567890123)
SIZES = (1, 2, 5, 15, 16, 17, 24, 33)
TYPE = {torch.float32: "float32", torch.float64: "float64"}


def random(f):
    for dtype in (torch.float32, torch.float64):
        for seed in SEEDS:
            for op, draw in {
                "rand": lambda n: torch.rand(n, dtype=dtype),
                "randn": lambda n: torch.randn(n, dtype=dtype),
                "uniform_": lambda n: torch.empty(n, dtype=dtype).uniform_(-2, 3),
                "normal_": lambda n: torch.empty(n, dtype=dtype).normal_(1.5, 0.25),
            }.items():
                for n in SIZES if seed == 42 else (5, 17) if op in ("rand", "randn") else ():
                    torch.manual_seed(seed)
                    args = {"dtype": TYPE[dtype], "seed": seed}
                    args.update({"from": -2, "to": 3} if op == "uniform_" else {"mean": 1.5, "std": 0.25} if op == "normal_" else {})
                    f.record(op, args, {}, {"y": draw(n)})
        torch.manual_seed(7)
        f.record("randn", {"dtype": TYPE[dtype], "seed": 7}, {}, {"y": torch.randn(3, 7, dtype=dtype)})

    for seed in (0, 42):
        for low, high in ((0, 10), (-5, 5), (0, 2), (100, 1 << 20), (0, 1 << 40), (0, (1 << 28) - 1), (0, 1 << 28), (0, (1 << 32) - 1)):
            torch.manual_seed(seed)
            f.record("randint", {"seed": seed, "low": low, "high": high}, {}, {"y": torch.randint(low, high, (12,))})
        for n in (0, 1, 2, 10, 50):
            torch.manual_seed(seed)
            f.record("randperm", {"seed": seed, "n": n}, {}, {"y": torch.randperm(n)})

    # the state goes on from draw to draw: a normal draw may leave its twin behind for the next one
    sequences = [
        ["rand:3", "rand:2"],
        ["randn:3", "rand:2", "randn:2"],
        ["randn:1", "randn:1", "randn:1", "randn:1"],
        ["randn:3", "randn:16", "randn:2"],
        ["randn:17", "randn:3", "rand:1"],
        ["randint:5", "rand:4", "randperm:6", "randn:5"],
        ["randperm:10", "randperm:10"],
    ]
    for dtype in (torch.float32, torch.float64):
        make = {
            "rand": lambda n: torch.rand(n, dtype=dtype),
            "randn": lambda n: torch.randn(n, dtype=dtype),
            "randint": lambda n: torch.randint(0, 100, (n,)),
            "randperm": lambda n: torch.randperm(n),
        }
        for sequence in sequences:
            torch.manual_seed(11)
            outputs = {f"y.{i}": make[step.split(":")[0]](int(step.split(":")[1])) for i, step in enumerate(sequence)}
            f.record("sequence", {"dtype": TYPE[dtype], "seed": 11, "draws": sequence}, {}, outputs)

    # the default initialisation of layers, and of a small network layer by layer
    for dtype in (torch.float32, torch.float64):
        for n_in, n_out in ((1, 1), (2, 3), (20, 4), (5, 16)):
            torch.manual_seed(3)
            layer = torch.nn.Linear(n_in, n_out, dtype=dtype)
            f.record(
                "linear_init",
                {"dtype": TYPE[dtype], "seed": 3, "in": n_in, "out": n_out},
                {},
                {"weight": layer.weight.detach(), "bias": layer.bias.detach()},
            )
        torch.manual_seed(3)
        layer = torch.nn.Bilinear(2, 3, 4, dtype=dtype)
        f.record(
            "bilinear_init",
            {"dtype": TYPE[dtype], "seed": 3, "in1": 2, "in2": 3, "out": 4},
            {},
            {"weight": layer.weight.detach(), "bias": layer.bias.detach()},
        )
    for name, initialise, args in [
        ("xavier_uniform_", torch.nn.init.xavier_uniform_, {}),
        ("xavier_uniform_", torch.nn.init.xavier_uniform_, {"gain": 2}),
        ("xavier_normal_", torch.nn.init.xavier_normal_, {}),
        ("kaiming_uniform_", torch.nn.init.kaiming_uniform_, {}),
        ("kaiming_uniform_", torch.nn.init.kaiming_uniform_, {"a": 0.5, "mode": "fan_out", "nonlinearity": "leaky_relu"}),
        ("kaiming_normal_", torch.nn.init.kaiming_normal_, {}),
        ("kaiming_normal_", torch.nn.init.kaiming_normal_, {"nonlinearity": "relu"}),
        ("kaiming_normal_", torch.nn.init.kaiming_normal_, {"nonlinearity": "tanh"}),
        ("trunc_normal_", torch.nn.init.trunc_normal_, {}),
        ("trunc_normal_", torch.nn.init.trunc_normal_, {"mean": 0.5, "std": 2, "a": -1, "b": 1}),
        ("orthogonal_", torch.nn.init.orthogonal_, {}),
        ("orthogonal_", torch.nn.init.orthogonal_, {"gain": 2}),
    ]:
        for shape in ((4, 5), (3, 2)):
            torch.manual_seed(5)
            f.record("init." + name, {"dtype": "float32", "seed": 5, **args}, {}, {"y": initialise(torch.empty(shape), **args)})
