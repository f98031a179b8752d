"""What torch.manual_seed gives, single and double: numbers, and the initial parameters of layers.

Run it on a processor that is not Intel's, or with a PyTorch without MKL: otherwise bernoulli_, exponential_ and multinomial come from MKL.
"""

import math

import torch
from torch import nn

SEEDS = (0, 1, 2, 3, 7, 42, 123, 2020, 4294967295, 1234567890123)
SIZES = (1, 2, 5, 15, 16, 17, 24, 33)
TYPE = {torch.float32: "float32", torch.float64: "float64"}

# Each case draws all of these in turn, so that a draw too many or too few shows in all that follows.
STREAM = {
    "rand:3": lambda empty: empty(3).uniform_(),
    "randn:5": lambda empty: torch.randn(5, dtype=empty(0).dtype),
    "randn:15": lambda empty: torch.randn(15, dtype=empty(0).dtype),
    "randn:16": lambda empty: torch.randn(16, dtype=empty(0).dtype),
    "randn:21": lambda empty: torch.randn(21, dtype=empty(0).dtype),
    "uniform_:4": lambda empty: empty(4).uniform_(-2, 3),
    "normal_:3": lambda empty: empty(3).normal_(1.5, 0.25),
    "normal_:17": lambda empty: empty(17).normal_(1.5, 0.25),
    "randint:5": lambda empty: torch.randint(0, 100, (5,)),
    "randint_wide:3": lambda empty: torch.randint(-5, 1 << 40, (3,)),
    "random_:4": lambda empty: empty(4).random_(-3, 12),
    "randperm:7": lambda empty: torch.randperm(7),
    "bernoulli_:12": lambda empty: empty(12).bernoulli_(0.3),
    "bernoulli:9": lambda empty: torch.bernoulli(torch.arange(9, dtype=empty(0).dtype) / 8),
    "exponential_:3": lambda empty: empty(3).exponential_(1.5),
    "geometric_:4": lambda empty: empty(4).geometric_(0.3),
    "cauchy_:3": lambda empty: empty(3).cauchy_(0.5, 2),
    "log_normal_:3": lambda empty: empty(3).log_normal_(0.5, 0.75),
    "multinomial:6": lambda empty: torch.multinomial(empty(5).copy_(torch.tensor([1, 0, 3, 2, 0.5])), 6, replacement=True),
    "multinomial_distinct:3": lambda empty: torch.multinomial(empty(5).copy_(torch.tensor([1, 0, 3, 2, 0.5])), 3),
    "multinomial_rows:2": lambda empty: torch.multinomial(empty(3, 4).copy_(torch.arange(12.0).reshape(3, 4)), 2, replacement=True),
    "multinomial_once:1": lambda empty: torch.multinomial(empty(2, 3).copy_(torch.arange(6.0).reshape(2, 3)), 1),
    "uniform_turned:12": lambda empty: empty(4, 3).t().uniform_(),
    "normal_turned:20": lambda empty: empty(5, 4).t().normal_(),
    "normal_columns:18": lambda empty: empty(6, 5)[:, 1:4].normal_(),
    "uniform_permuted:12": lambda empty: empty(2, 3, 2).permute(1, 2, 0).uniform_(),
    "rand:2": lambda empty: empty(2).uniform_(),
}


def random(f):
    for dtype in (torch.float32, torch.float64):
        empty = lambda *shape: torch.empty(*shape, dtype=dtype)
        for seed in SEEDS:
            torch.manual_seed(seed)
            outputs = {f"y.{i}": draw(empty) for i, draw in enumerate(STREAM.values())}
            f.record("stream", {"dtype": TYPE[dtype], "seed": seed, "draws": list(STREAM)}, {}, outputs)
        seed = 42
        for op, draw in {
            "rand": lambda n: torch.rand(n, dtype=dtype),
            "randn": lambda n: torch.randn(n, dtype=dtype),
            "uniform_": lambda n: torch.empty(n, dtype=dtype).uniform_(-2, 3),
            "normal_": lambda n: torch.empty(n, dtype=dtype).normal_(1.5, 0.25),
        }.items():
            for n in SIZES:
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


def encoder_layer(**options):
    return nn.TransformerEncoderLayer(8, 2, 12, **options)


# Every layer with parameters; the keys are the cases of tests/nn/init_reference_test.cpp.
LAYERS = {
    "Linear": lambda **o: nn.Linear(5, 3, **o),
    "Linear.no_bias": lambda **o: nn.Linear(5, 3, bias=False, **o),
    "Bilinear": lambda **o: nn.Bilinear(2, 3, 4, **o),
    "Conv1d": lambda **o: nn.Conv1d(4, 6, 3, groups=2, **o),
    "Conv2d": lambda **o: nn.Conv2d(3, 4, (3, 2), **o),
    "Conv2d.no_bias": lambda **o: nn.Conv2d(1, 2, 5, bias=False, **o),
    "Conv3d": lambda **o: nn.Conv3d(2, 2, 2, **o),
    "ConvTranspose1d": lambda **o: nn.ConvTranspose1d(4, 6, 3, groups=2, **o),
    "ConvTranspose2d": lambda **o: nn.ConvTranspose2d(3, 5, (3, 2), **o),
    "ConvTranspose3d": lambda **o: nn.ConvTranspose3d(2, 3, 2, **o),
    "Embedding": lambda **o: nn.Embedding(7, 3, **o),
    "Embedding.padding": lambda **o: nn.Embedding(4, 3, padding_idx=-1, **o),
    "BatchNorm1d": lambda **o: nn.BatchNorm1d(3, **o),
    "BatchNorm2d": lambda **o: nn.BatchNorm2d(3, **o),
    "InstanceNorm2d": lambda **o: nn.InstanceNorm2d(3, affine=True, **o),
    "LayerNorm": lambda **o: nn.LayerNorm((2, 3), **o),
    "GroupNorm": lambda **o: nn.GroupNorm(2, 4, **o),
    "RMSNorm": lambda **o: nn.RMSNorm(4, **o),
    "PReLU": lambda **o: nn.PReLU(3, **o),
    "RNN": lambda **o: nn.RNN(3, 5, 2, nonlinearity="relu", **o),
    "RNN.no_bias": lambda **o: nn.RNN(3, 5, bias=False, **o),
    "LSTM": lambda **o: nn.LSTM(3, 4, 2, bidirectional=True, **o),
    "GRU": lambda **o: nn.GRU(3, 4, batch_first=True, **o),
    "RNNCell": lambda **o: nn.RNNCell(3, 4, **o),
    "LSTMCell": lambda **o: nn.LSTMCell(3, 4, **o),
    "GRUCell": lambda **o: nn.GRUCell(3, 4, bias=False, **o),
    "MultiheadAttention": lambda **o: nn.MultiheadAttention(6, 2, **o),
    "MultiheadAttention.sizes": lambda **o: nn.MultiheadAttention(6, 2, kdim=3, vdim=5, add_bias_kv=True, **o),
    "MultiheadAttention.no_bias": lambda **o: nn.MultiheadAttention(6, 3, bias=False, **o),
    "TransformerEncoderLayer": encoder_layer,
    "TransformerEncoder": lambda **o: nn.TransformerEncoder(encoder_layer(**o), 2, enable_nested_tensor=False),
    "Sequential": lambda **o: nn.Sequential(nn.Conv2d(1, 2, 3, **o), nn.BatchNorm2d(2, **o), nn.Linear(4, 3, **o), nn.Linear(3, 17, **o)),
}


def layer_init(f):
    """Of all parameters, one after the other: the first value, the last, the sum, the sum with weights 1 to 97; then a number drawn next."""
    for dtype in (torch.float32, torch.float64):
        for seed in SEEDS if dtype == torch.float32 else SEEDS[:2]:
            for name, make in LAYERS.items():
                torch.manual_seed(seed)
                layer = make(dtype=dtype)
                after = torch.rand((), dtype=torch.float64)
                values = torch.cat([p.detach().reshape(-1).double() for p in layer.parameters()]).tolist()
                weighted = math.fsum(value * (i % 97 + 1) for i, value in enumerate(values))
                digest = torch.tensor([values[0], values[-1], math.fsum(values), weighted], dtype=torch.float64)
                args = {"dtype": TYPE[dtype], "seed": seed}
                if seed == 0:
                    args["names"] = [name for name, _ in layer.named_parameters()]
                f.record(name, args, {}, {"digest": digest, "after": after}, digits=12)
