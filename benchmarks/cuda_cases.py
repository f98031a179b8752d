# headtorch: tensors and autograd for C++20.
# SPDX-License-Identifier: MIT
"""The twins of cuda_cases.hpp in PyTorch, for compare_pytorch.py --device cuda. torch's default device is the GPU."""
import torch
from torch import nn
from torch.nn import functional as F

import networks

N = 1 << 26
GEMM = (1024, 2048, 4096, 8192)
GROUPS = [  # as in compare_pytorch.py; a title names what is left out of the unit
    ("Pointwise and reductions, 64 M floats", "GB/s", [
        ("copy", "copy_", 8e-9 * N), ("relu", "relu", 8e-9 * N), ("add", "add", 12e-9 * N), ("exp", "exp", 8e-9 * N),
        ("gelu", "gelu", 8e-9 * N), ("add_row", "add a row to each row", 8e-9 * N), ("sum", "sum", 4e-9 * N),
        ("sum_rows", "sum of rows of 4096", 4e-9 * N), ("sum_columns", "sum of columns", 4e-9 * N),
        ("softmax", "softmax of rows of 4096", 8e-9 * N), ("layer_norm", "layer_norm of rows of 4096", 8e-9 * N)]),
    ("Matrix product", "TFLOP/s", [
        (f"gemm_{n}{kind}", f"{n} x {n}, {name}", 2e-12 * n**3) for kind, name in (("", "float"), ("_tf32", "TF32"), ("_bf16", "bfloat16"))
        for n in GEMM]),
    ("One training step", "ms", [
        ("lenet_4", "LeNet, batch 4", 1e3), ("lenet_4_graph", "LeNet, batch 4, cuda::Graph (PyTorch eager)", 1e3),
        ("lenet_64", "LeNet, batch 64", 1e3), ("lenet_64_graph", "LeNet, batch 64, cuda::Graph (PyTorch eager)", 1e3),
        ("lenet_4096", "LeNet, batch 4096", 1e3), ("lenet_4096_graph", "LeNet, batch 4096, cuda::Graph (PyTorch eager)", 1e3),
        ("multi_classifier_64", "MultiClassifier at 64 x 64, batch 64", 1e3),
        ("multi_classifier_64_graph", "the same, cuda::Graph (PyTorch eager)", 1e3),
        ("resnet18_256", "ResNet-18 at 32 x 32, batch 256, float", 1e3),
        ("resnet18_256_graph", "the same, cuda::Graph (PyTorch eager)", 1e3),
        ("resnet18_256_tf32", "ResNet-18, batch 256, TF32", 1e3), ("resnet18_256_bf16", "ResNet-18, batch 256, all in bfloat16", 1e3),
        ("encoder_layer_512", "encoder layer: 512 wide, 8 heads, 32 x 256 positions", 1e3),
        ("encoder_layer_512_graph", "the same, cuda::Graph (PyTorch eager)", 1e3),
        ("adam_100m", "Adam on 100 M parameters", 1e3)]),
]


def allow_tf32(allowed):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed


def on(shape, op):
    a, b = torch.randn(shape), torch.randn(shape)

    def step():
        with torch.no_grad():
            op(a, b)
    return step


def product(n, dtype=torch.float):
    a, b = torch.randn(n, n, dtype=dtype), torch.randn(n, n, dtype=dtype)
    return lambda: torch.matmul(a, b)


def adam_100m():
    parameters = [torch.randn(1000, 1000, requires_grad=True) for _ in range(100)]
    for p in parameters:
        p.grad = torch.randn(1000, 1000)
    adam = torch.optim.Adam(parameters)
    return adam.step


def setup(name):
    """The step of a case; the caller has set TF32 by its name."""
    base = name.removesuffix("_graph").removesuffix("_tf32")
    rows = (N // 4096, 4096)
    pointwise = {
        "copy": lambda a, b: b.copy_(a), "relu": lambda a, b: torch.relu(a), "add": torch.add, "exp": lambda a, b: torch.exp(a),
        "gelu": lambda a, b: F.gelu(a), "sum": lambda a, b: torch.sum(a),
    }
    by_rows = {
        "add_row": lambda a, b: a + b[0], "sum_rows": lambda a, b: torch.sum(a, 1), "sum_columns": lambda a, b: torch.sum(a, 0),
        "softmax": lambda a, b: torch.softmax(a, 1), "layer_norm": lambda a, b: F.layer_norm(a, (4096,)),
    }
    if base in pointwise:
        return on((N,), pointwise[base])
    if base in by_rows:
        return on(rows, by_rows[base])
    if base.startswith("gemm_"):
        half = base.endswith("_bf16")
        return product(int(base.removesuffix("_bf16").removeprefix("gemm_")), torch.bfloat16 if half else torch.float)
    if base.startswith("lenet_"):
        return networks.classify(networks.lenet, int(base.removeprefix("lenet_")), 32)
    return {
        "multi_classifier_64": lambda: networks.multi_classifier(64),
        "resnet18_256": lambda: networks.classify(networks.resnet18, 256, 32),
        "resnet18_256_bf16": lambda: networks.classify(networks.resnet18, 256, 32, torch.bfloat16),
        "encoder_layer_512": lambda: networks.encoder_layer(32, 256, 512, 8),
        "adam_100m": adam_100m,
    }[base]()


def seconds_per_step(step, duration):
    def timed(count):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        for _ in range(count):
            step()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) * 1e-3
    for _ in range(3):
        step()
    torch.cuda.synchronize()
    count, seconds = 1, timed(1)
    while seconds < duration / 4:
        count = max(2 * count, int(count * min(50, duration / (2 * seconds + 1e-9))))
        seconds = timed(count)
    return seconds / count


def measure(name, duration):
    """Seconds per step, and the most bytes of device memory."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    allow_tf32(name.endswith("_tf32"))
    step = setup(name)
    return seconds_per_step(step, duration), torch.cuda.max_memory_allocated()
