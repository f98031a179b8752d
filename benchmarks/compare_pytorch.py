#!/usr/bin/env python3
# headtorch: tensors and autograd for C++20.
# SPDX-License-Identifier: MIT
"""The same work in PyTorch and in headtorch, in turn, as a Markdown table of medians and ratios.

    cmake --workflow --preset bench
    python3 benchmarks/compare_pytorch.py build/bench/benchmarks/compare --threads 1

Without the program it is built first. Every round runs each case once here and once there, so that what slows the machine down slows both.
The work itself is in cases.hpp and networks.hpp, and in setups() below and networks.py; with --device cuda in cuda_cases.hpp and
cuda_cases.py, where each case also says the most memory that it took, and times are those of CUDA's events.
"""
import argparse
import pathlib
import statistics
import subprocess
import time

import torch
from torch import nn
from torch.nn import functional as F

import networks

ROOT = pathlib.Path(__file__).resolve().parent.parent
N = 1 << 24
GROUPS = [  # heading, unit, then per case: name, title, and the factor from seconds per step to the unit or, for a rate, the work of a step
    ("One small op (4 floats), forward and backward", "ns", [
        ("mul", "multiply by a constant", 1e9 / 50), ("tanh", "tanh", 1e9 / 50),
        ("mul2", "multiply, both factors with a gradient", 1e9 / 50)]),
    ("One training step", "µs", [
        ("circles", "circles: 2-2-1, batch 5, SGD by hand", 1e6), ("moons", "moons: 2-2-1, batch 640, double, Adam", 1e6),
        ("disk", "disk: 2-64-64-2, batch 32, SGD", 1e6), ("fashion_mnist", "Fashion-MNIST: 784-64-64-10, batch 64, SGD", 1e6)]),
    ("One training step of a larger network", "ms", [
        ("lenet_4", "LeNet: CIFAR-10, batch 4", 1e3), ("lenet_64", "LeNet, batch 64", 1e3), ("lenet_256", "LeNet, batch 256", 1e3),
        ("multi_classifier", "MultiClassifier: CelebA at 64 x 64, batch 8", 1e3),
        ("resnet18", "ResNet-18 at 32 x 32, batch 16", 1e3), ("lstm", "LSTM 64-128, 32 steps, batch 16", 1e3),
        ("attention", "attention: 8 x 4 heads, 128 positions, 32 wide", 1e3),
        ("encoder_layer", "encoder layer: 128 wide, 4 heads, 8 x 64 positions", 1e3)]),
    ("Pointwise, 16 M floats", "GB/s", [
        ("copy", "a plain copy (memcpy; copy_)", 8e-9 * N), ("large_relu", "relu", 8e-9 * N),
        ("large_add", "add", 12e-9 * N), ("large_mul", "mul", 12e-9 * N),
        ("large_exp", "exp", 8e-9 * N), ("large_tanh", "tanh", 8e-9 * N), ("large_leaky_relu", "leaky_relu", 8e-9 * N),
        ("large_elu", "elu", 8e-9 * N), ("large_gelu", "gelu", 8e-9 * N)]),
    ("Matrix product, float", "GFLOP/s", [
        (f"matmul_{n}", f"{n} x {n}", 2e-9 * n**3) for n in (64, 256, 1024)]),
]


def chain(op):
    x = torch.tensor([0.9, -1.1, 1.05, 0.95], requires_grad=True)
    seed = torch.ones(4)

    def step():
        y = x
        for _ in range(50):
            y = op(x, y)
        y.backward(seed)
        x.grad = None
    return step


def large(op):
    a, b = torch.randn(N), torch.randn(N)

    def step():
        with torch.no_grad():
            op(a, b)
    return step


def matrix_product(n):
    a, b = torch.randn(n, n), torch.randn(n, n)
    return lambda: torch.matmul(a, b)


def circles():
    net = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1), nn.Sigmoid())
    x = torch.randn(500, 2)
    y = (x.square().sum(1, True) < 1).float()
    params, i = list(net.parameters()), 0

    def step():
        nonlocal i
        loss = F.binary_cross_entropy(net(x.narrow(0, i, 5)), y.narrow(0, i, 5))
        i = (i + 5) % 500
        loss.backward()
        with torch.no_grad():
            for p in params:
                p -= p.grad * 0.1
                p.grad = None
    return step


class BentIdentity(nn.Module):
    def forward(self, x):
        return (torch.sqrt(x * x + 1) - 1) / 2 + x


def moons():
    net = nn.Sequential(nn.Linear(2, 2), BentIdentity(), nn.Linear(2, 1), nn.Sigmoid()).double()
    x = torch.randn(640, 2, dtype=torch.double)
    y = (x.narrow(1, 0, 1) > 0).double()
    adam = torch.optim.Adam(net.parameters(), lr=0.01)

    def step():
        adam.zero_grad()
        F.binary_cross_entropy(net(x), y).backward()
        adam.step()
    return step


def batches(net, x, y, size, loss, lr):
    sgd = torch.optim.SGD(net.parameters(), lr=lr)
    i = 0

    def step():
        nonlocal i
        sgd.zero_grad()
        loss(net(x.narrow(0, i, size)), y.narrow(0, i, size)).backward()
        i = (i + size) % len(x)
        sgd.step()
    return step


def disk():
    net = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2), nn.LogSoftmax(1))
    x = torch.rand(3200, 2) * 2 - 1
    return batches(net, x, (x.square().sum(1) < 0.6366).long(), 32, F.nll_loss, 1e-3)


def fashion_mnist():
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    return batches(net, torch.rand(6400, 1, 28, 28), torch.randint(0, 10, (6400,)), 64, F.cross_entropy, 1e-3)


def copy():
    a, b = torch.randn(N), torch.randn(N)
    return lambda: b.copy_(a)


def setups():
    weight = torch.tensor([1.01, 0.99, -1.01, -0.99])
    pointwise = {
        "relu": lambda a, b: torch.relu(a), "add": torch.add, "mul": torch.mul, "exp": lambda a, b: torch.exp(a),
        "tanh": lambda a, b: torch.tanh(a), "leaky_relu": lambda a, b: F.leaky_relu(a),
        "elu": lambda a, b: F.elu(a), "gelu": lambda a, b: F.gelu(a),
    }
    return {
        "mul": lambda: chain(lambda x, y: y * weight), "tanh": lambda: chain(lambda x, y: torch.tanh(y)),
        "mul2": lambda: chain(lambda x, y: y * x),
        **networks.STEPS, "circles": circles, "moons": moons, "disk": disk, "fashion_mnist": fashion_mnist, "copy": copy,
        **{"large_" + name: (lambda op=op: large(op)) for name, op in pointwise.items()},
        **{f"matmul_{n}": (lambda n=n: matrix_product(n)) for n in (64, 256, 1024)},
    }


def seconds_per_step(step, duration):
    # with one thread the processor's time, as in cases.hpp
    now = time.process_time if torch.get_num_threads() == 1 else time.perf_counter

    def timed(count):
        begin = now()
        for _ in range(count):
            step()
        return now() - begin
    step()
    count, seconds = 1, timed(1)
    while seconds < duration / 4:
        count = max(2 * count, int(count * min(50, duration / (2 * seconds + 1e-9))))
        seconds = timed(count)
    return seconds / count


def short(value):
    return f"{float(f'{value:.3g}'):,.{0 if value >= 99.95 else 1 if value >= 9.995 else 2}f}"


class Headtorch:
    def __init__(self, program, threads):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        print(f"threads {threads}", file=self.process.stdin, flush=True)

    def seconds(self, name, duration):
        print(name, duration, file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())


def on_cuda(args):
    import cuda_cases
    if not torch.cuda.is_available():
        raise SystemExit("compare_pytorch.py: PyTorch finds no GPU here")
    torch.set_default_device("cuda")
    process = subprocess.Popen([args.program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}, medians of {args.rounds} rounds")
    for heading, unit, cases in cuda_cases.GROUPS:
        cases = [case for case in cases if args.only in case[0]]
        if not cases:
            continue
        rate = unit.endswith("/s")
        print(f"\n| {heading} ({unit}) | headtorch | PyTorch | times faster | MiB | PyTorch's MiB |\n|---|---:|---:|---:|---:|---:|")
        for name, title, factor in cases:
            rounds, peaks = [], (0, 0)
            for _ in range(args.rounds):
                print(name, args.duration, file=process.stdin, flush=True)
                answer = process.stdout.readline().split()
                if len(answer) != 2:
                    raise SystemExit(f"compare_pytorch.py: {args.program} stopped at {name}")
                theirs = cuda_cases.measure(name, args.duration)
                rounds.append((float(answer[0]), theirs[0]))
                peaks = (max(peaks[0], int(answer[1])), max(peaks[1], theirs[1]))
            ours, theirs = (statistics.median(column) for column in zip(*rounds))
            ratio = statistics.median(b / a for a, b in rounds)
            shown = [factor / s if rate else factor * s for s in (ours, theirs)]
            print(f"| {title} | {short(shown[0])} | {short(shown[1])} | {ratio:.2f} | {peaks[0] / 2**20:,.0f} | {peaks[1] / 2**20:,.0f} |",
                  flush=True)


def main():
    parser = argparse.ArgumentParser(description="headtorch beside PyTorch: medians and ratios of the same work")
    parser.add_argument("program", nargs="?", type=pathlib.Path, help="the compiled benchmarks/compare.cpp; built when not given")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--duration", type=float, default=0.1, help="seconds for one measurement")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    args = parser.parse_args()
    if args.rounds < 1 or args.threads < 1:
        parser.error("--rounds and --threads are at least 1")
    if not args.program:
        subprocess.run(["cmake", "--workflow", "--preset", "bench"], cwd=ROOT, check=True)
        args.program = ROOT / f"build/bench/benchmarks/compare{'_cuda' if args.device == 'cuda' else ''}"
    if args.device == "cuda":
        return on_cuda(args)
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    here = Headtorch(args.program, args.threads)

    print(f"PyTorch {torch.__version__}, {args.threads} thread{'s' if args.threads > 1 else ''}, medians of {args.rounds} rounds")
    for heading, unit, cases in GROUPS:
        cases = [case for case in cases if args.only in case[0]]
        if not cases:
            continue
        rate = unit.endswith("/s")
        print(f"\n| {heading} ({unit}) | headtorch | PyTorch | times faster |\n|---|---:|---:|---:|")
        steps = {name: setups()[name]() for name, _, _ in cases}
        times = {name: [] for name, _, _ in cases}
        for _ in range(args.rounds):
            for name, _, _ in cases:
                ours = here.seconds(name, args.duration)
                theirs = seconds_per_step(steps[name], args.duration)
                times[name].append((ours, theirs))
        for name, title, factor in cases:
            ours, theirs = (statistics.median(column) for column in zip(*times[name]))
            ratio = statistics.median(b / a for a, b in times[name])
            shown = [factor / s if rate else factor * s for s in (ours, theirs)]
            print(f"| {title} | {short(shown[0])} | {short(shown[1])} | {ratio:.1f} |", flush=True)


if __name__ == "__main__":
    main()
