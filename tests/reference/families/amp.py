"""Mixed precision: what GradScaler makes of a run with infinities in it, and products under autocast (on the CPU, with bfloat16)."""

import torch
import torch.nn.functional as F


def scaler_run(f, bad, options, size=1.0):
    """One parameter, SGD; iteration i has an infinite loss where bad[i] is 1, one that is NaN where it is 2."""
    a = f.draw("a").normal(4) * size
    p = torch.nn.Parameter(a.float())
    optimizer = torch.optim.SGD([p], lr=0.1, momentum=0.5)
    scaler = torch.amp.GradScaler("cpu", **options)
    scales, values = [], []
    for kind in bad:
        optimizer.zero_grad()
        loss = (p * p).sum() * (1.0, float("inf"), float("nan"))[kind]
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        scales.append(scaler.get_scale())
        values.append(p.detach().clone())
    outputs = {"scale": torch.tensor(scales, dtype=torch.float64), "p": torch.stack(values)}
    f.record("grad_scaler", options, {"p": a, "bad": torch.tensor(bad)}, outputs)


def cast(f, op, function, inputs):
    """Under autocast: y in bfloat16, as PyTorch stores it, and the gradients of float inputs."""
    given = {key: value.float().requires_grad_() for key, value in inputs.items()}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = function(*given.values())
    assert y.dtype == torch.bfloat16
    seed = f.draw(op, "gout").between(tuple(y.shape), -2, 2, distinct=False).bfloat16()
    gradients = torch.autograd.grad(y, list(given.values()), seed)
    outputs = {"y": y.float(), **{"d" + key: gradient for key, gradient in zip(given, gradients)}}
    f.record(op, {}, {**{key: value.double() for key, value in inputs.items()}, "g": seed.float()}, outputs, digits=8)


def amp(f):
    scaler_run(f, [0] * 7 + [1] + [0] * 9 + [2, 1] + [0] * 4, {"init_scale": 1024.0, "growth_interval": 3})
    scaler_run(f, [1, 1, 0, 0, 0, 1, 0, 0, 0, 0], {"init_scale": 3.0, "growth_factor": 1.7, "backoff_factor": 0.3, "growth_interval": 2})
    scaler_run(f, [0] * 6, {"init_scale": 2.0**126, "growth_interval": 1}, 0.125)  # 2^128 is no float: it stays
    a, b = f.draw("a").normal(9, 33), f.draw("b").normal(33, 7)
    cast(f, "matmul", torch.matmul, {"a": a * 1.01171875, "b": b})
    cast(f, "bmm", torch.bmm, {"a": f.draw("a3").normal(3, 4, 11), "b": f.draw("b3").normal(3, 11, 5)})
    cast(f, "linear", F.linear, {"x": a, "weight": f.draw("w").normal(6, 33), "bias": f.draw("bias").normal(6)})
    image = f.draw("image").normal(2, 4, 6, 5)
    conv = {"x": image, "weight": f.draw("conv").between((6, 2, 3, 3), -1, 1), "bias": f.draw("conv bias").normal(6)}
    cast(f, "conv2d", lambda *a: F.conv2d(*a, padding=1, groups=2), conv)
    turned = {"x": image, "weight": f.draw("turned").between((4, 3, 3, 3), -1, 1), "bias": f.draw("turned bias").normal(3)}
    cast(f, "conv_transpose2d", lambda *a: F.conv_transpose2d(*a, stride=2), turned)
    qkv = {key: f.draw(key).normal(2, 5, 8) for key in ("q", "k", "v")}
    cast(f, "attention", F.scaled_dot_product_attention, qkv)
