"""Ops of float16 and bfloat16, computed by PyTorch's CPU in those types: values and gradients as they come out, rounded.

Arguments beside those of an op: dtype; ulps, how far apart results may be, in units of the last place; scaled, when those are units of
the largest element's (sums of many products round in the order in which they are added).
"""

import torch
import torch.nn.functional as F
from writer import TYPES, argument_text, tensor_text

HALFS = {"float16": torch.float16, "bfloat16": torch.bfloat16}


def exact(tensor):
    return tensor.float() if tensor.dtype in HALFS.values() else tensor


def text_of(tensor):
    """Five digits tell halfs apart."""
    return tensor_text(exact(tensor), 5)


def case(f, op, function, inputs, args=None, ulps=1, scaled=False, constant=(), only=HALFS, grad_ulps=None):
    """function(*inputs, **args) for both types; inputs that are floating get a gradient unless named in constant."""
    for name in only:
        dtype = HALFS[name]
        given = {}
        for key, value in inputs.items():
            if value.is_floating_point():
                value = value.to(dtype).requires_grad_(key not in constant)
            given[key] = value
        result = function(*given.values(), **(args or {}))
        outputs = result if isinstance(result, dict) else {"y": result}
        words = [f"{key}={argument_text(value)}" for key, value in (args or {}).items()]
        words += [f"dtype={name}", f"ulps={ulps}"] + ([f"grad_ulps={grad_ulps}"] if grad_ulps else []) + (["scaled"] if scaled else [])
        f.lines.append(" ".join(["case", op, *words]))
        for key, tensor in given.items():
            f.lines.append(f"in {key} {TYPES[exact(tensor).dtype]} {text_of(tensor)}")
        for key, tensor in outputs.items():
            f.lines.append(f"out {key} {TYPES[exact(tensor).dtype]} {text_of(tensor)}")
        leaves = {key: tensor for key, tensor in given.items() if tensor.requires_grad}
        y = next(iter(outputs.values()))
        if leaves and y.requires_grad:
            seed = f.draw(op, words, "gout").between(tuple(y.shape), -2, 2, distinct=False).to(dtype)
            f.lines.append(f"gout {next(iter(outputs))} {text_of(seed)}")
            for key, gradient in zip(leaves, torch.autograd.grad(y, list(leaves.values()), seed)):
                f.lines.append(f"grad {key} {text_of(gradient)}")
        f.lines.append("end")
        f.count += 1


def rnn(module, x, *parameters):
    for (name, old), new in zip(list(module.named_parameters()), parameters):
        delattr(module, name)
        setattr(module, name, new)
    module._flat_weights = list(parameters)
    return module(x)[0]


def half(f):
    x = f.draw("x").normal(3, 5)
    y = f.draw("y").normal(3, 5)
    p = f.draw("p").positive(3, 5)
    row = f.draw("row").positive(5)
    # one formula, rounded once
    case(f, "add", torch.add, {"x": x, "y": y})
    case(f, "add_row", torch.add, {"x": x, "y": row}, scaled=True, grad_ulps=2)
    case(f, "sub", torch.sub, {"x": x, "y": y})
    case(f, "mul", torch.mul, {"x": x, "y": y})
    case(f, "div", torch.div, {"x": x, "y": p}, grad_ulps=3)
    case(f, "add_number", lambda x: x + 0.1, {"x": x})
    case(f, "sub_number", lambda x: x - 0.1, {"x": x})
    case(f, "rsub_number", lambda x: 0.1 - x, {"x": x})
    case(f, "mul_number", lambda x: x * 0.3, {"x": x})
    case(f, "div_number", lambda x: x / 3, {"x": x})
    case(f, "less_number", lambda x: x < 0.1, {"x": torch.tensor([0.1, 0.0999, 0.1001, 0.2], dtype=torch.float64)})
    case(f, "equal_number", lambda x: x == 0.1, {"x": torch.tensor([0.1, 0.0999, 0.1001, 0.2], dtype=torch.float64)})
    for op in ("exp", "tanh", "sigmoid", "sin", "cos", "relu", "abs", "square", "expm1"):
        case(f, op, getattr(torch, op), {"x": x}, grad_ulps=2)
    for op in ("log", "sqrt", "reciprocal", "log1p"):
        case(f, op, getattr(torch, op), {"x": p}, grad_ulps=3)
    case(f, "rsqrt", torch.rsqrt, {"x": p}, grad_ulps=6)
    case(f, "pow", lambda x: x**2.5, {"x": p}, grad_ulps=3)
    case(f, "clamp", lambda x: x.clamp(-0.1, 0.7), {"x": x})
    case(f, "maximum", torch.maximum, {"x": x, "y": y})
    case(f, "where", lambda c, x, y: torch.where(c, x, y), {"c": f.draw("c").booleans(3, 5), "x": x, "y": y})
    case(f, "gelu", F.gelu, {"x": x}, ulps=2, scaled=True)
    case(f, "silu", F.silu, {"x": x}, grad_ulps=2)
    case(f, "elu", F.elu, {"x": x}, grad_ulps=2)
    case(f, "softplus", F.softplus, {"x": x}, grad_ulps=2)
    case(f, "leaky_relu", F.leaky_relu, {"x": x})
    case(f, "large", lambda x: x * 300, {"x": f.draw("large").between((9,), -400, 400)})
    case(f, "small", lambda x: x * 1e-4, {"x": f.draw("small").between((9,), -2, 2)}, constant=("x",))
    # sums
    tall = f.draw("tall").positive(70, 3)
    case(f, "sum", lambda x: torch.sum(x), {"x": tall})
    case(f, "sum", lambda x, dim: torch.sum(x, dim), {"x": tall}, {"dim": 0})
    case(f, "sum", lambda x, dim: torch.sum(x, dim), {"x": tall}, {"dim": 1})
    case(f, "mean", lambda x, dim: torch.mean(x, dim), {"x": tall}, {"dim": 0}, ulps=2, grad_ulps=1)
    case(f, "var", lambda x, dim: torch.var(x, dim), {"x": tall}, {"dim": 0}, scaled=True, grad_ulps=4)
    case(f, "std", lambda x, dim: torch.std(x, dim), {"x": tall}, {"dim": 0}, scaled=True, grad_ulps=4)
    case(f, "amax", lambda x, dim: torch.amax(x, dim), {"x": x}, {"dim": 1})
    case(f, "amin", lambda x, dim: torch.amin(x, dim), {"x": x}, {"dim": 0})
    case(f, "argmax", lambda x, dim: torch.argmax(x, dim), {"x": x}, {"dim": 1})
    case(f, "logsumexp", lambda x, dim: torch.logsumexp(x, dim), {"x": x}, {"dim": 1}, scaled=True, grad_ulps=4)
    case(f, "norm", lambda x: torch.linalg.vector_norm(x), {"x": x}, grad_ulps=3)
    case(f, "prod", lambda x, dim: torch.prod(x, dim), {"x": p}, {"dim": 1}, ulps=3, constant=("x",))
    case(f, "cumsum", lambda x, dim: torch.cumsum(x, dim), {"x": p}, {"dim": 1}, ulps=1, grad_ulps=2, scaled=True)
    case(f, "sort", lambda x, dim: torch.sort(x, dim).values, {"x": x}, {"dim": 1})
    case(f, "softmax", lambda x, dim: torch.softmax(x, dim), {"x": x}, {"dim": 1}, grad_ulps=3, scaled=True)
    case(f, "softmax", lambda x, dim: torch.softmax(x, dim), {"x": x}, {"dim": 0}, grad_ulps=3, scaled=True)
    case(f, "log_softmax", lambda x, dim: torch.log_softmax(x, dim), {"x": x}, {"dim": 1}, grad_ulps=3, scaled=True)
    # products
    a, b = f.draw("a").normal(7, 19), f.draw("b").normal(19, 5)
    case(f, "matmul", torch.matmul, {"x": a, "y": b}, scaled=True)
    case(f, "matmul", torch.matmul, {"x": f.draw("a3").normal(2, 3, 9), "y": f.draw("b3").normal(2, 9, 4)}, scaled=True)
    linear = {"x": a, "weight": f.draw("w").normal(4, 19), "bias": f.draw("bias").normal(4)}
    case(f, "linear", F.linear, linear, scaled=True, grad_ulps=2)
    image = f.draw("image").normal(2, 4, 5, 4)
    conv = {"x": image, "weight": f.draw("conv").between((6, 2, 3, 3), -1, 1), "bias": f.draw("conv bias").normal(6)}
    case(f, "conv2d", lambda *a: F.conv2d(*a, padding=1, groups=2), conv, scaled=True, grad_ulps=2)
    turned = {"x": image, "weight": f.draw("turned").between((4, 3, 3, 3), -1, 1), "bias": f.draw("turned bias").normal(3)}
    case(f, "conv_transpose2d", lambda *a: F.conv_transpose2d(*a, stride=2), turned, scaled=True, ulps=2, grad_ulps=2)
    qkv = {key: f.draw(key).normal(2, 4, 8) for key in ("q", "k", "v")}
    case(f, "attention", F.scaled_dot_product_attention, qkv, scaled=True, ulps=4, grad_ulps=6)
    # windows
    case(f, "max_pool2d", lambda x: F.max_pool2d(x, 2), {"x": image})
    case(f, "max_pool2d_3", lambda x: F.max_pool2d(x, 3, 1), {"x": image}, grad_ulps=2, scaled=True)
    case(f, "avg_pool2d", lambda x: F.avg_pool2d(x, 2), {"x": image}, scaled=True)
    case(f, "avg_pool2d_3", lambda x: F.avg_pool2d(x, 3, 1, 1), {"x": image}, ulps=2, grad_ulps=3, scaled=True)
    case(f, "bilinear", lambda x: F.interpolate(x, size=(9, 7), mode="bilinear"), {"x": image}, ulps=2, grad_ulps=6, scaled=True)
    case(f, "nearest", lambda x: F.interpolate(x, size=(9, 7), mode="nearest"), {"x": image}, grad_ulps=3, scaled=True)
    case(f, "pad", lambda x: F.pad(x, (1, 2, 0, 1), value=0.1), {"x": image})
    case(f, "reflect", lambda x: F.pad(x, (2, 1, 1, 1), mode="reflect"), {"x": image}, grad_ulps=3, scaled=True)
    # normalisation
    norm = {"x": image, "weight": f.draw("norm").positive(4), "bias": f.draw("norm bias").normal(4)}
    case(f, "batch_norm", lambda x, w, b: F.batch_norm(x, None, None, w, b, True), norm, scaled=True, grad_ulps=6)
    case(f, "group_norm", lambda x, w, b: F.group_norm(x, 2, w, b), norm, scaled=True, ulps=2, grad_ulps=6)
    rows = {"x": a, "weight": f.draw("ln").positive(19), "bias": f.draw("ln bias").normal(19)}
    case(f, "layer_norm", lambda x, w, b: F.layer_norm(x, (19,), w, b), rows, scaled=True, ulps=2, grad_ulps=6)
    # losses
    target = f.draw("target").integers(0, 5, 3)
    case(f, "cross_entropy", F.cross_entropy, {"x": x, "target": target}, ulps=2, grad_ulps=3, scaled=True)
    case(f, "mse_loss", F.mse_loss, {"x": x, "y": y}, ulps=2, grad_ulps=3, scaled=True)
    case(f, "l1_loss", F.l1_loss, {"x": x, "y": y}, ulps=2, grad_ulps=2, scaled=True)
    chance = f.draw("chance").probability(3, 5)
    bce = {"x": x, "y": chance}
    case(f, "bce_with_logits", F.binary_cross_entropy_with_logits, bce, ulps=3, grad_ulps=4, scaled=True, constant=("y",))
    # tables and places
    index = f.draw("index").integers(0, 7, 6)
    case(f, "embedding", lambda i, w: F.embedding(i, w), {"index": index, "weight": f.draw("table").normal(7, 4)}, grad_ulps=2, scaled=True)
    case(f, "index_select", lambda x, i: torch.index_select(x, 0, i), {"x": a, "index": index}, grad_ulps=2, scaled=True)
    places = f.draw("places").integers(0, 5, 3, 2)
    case(f, "gather", lambda x, i: torch.gather(x, 1, i), {"x": x, "index": places}, grad_ulps=2, scaled=True)
    # recurrent
    for kind, module, gates in (("lstm", torch.nn.LSTM, 4), ("gru", torch.nn.GRU, 3)):
        given = {"x": f.draw(kind).normal(3, 2, 4)}
        for key, shape in (("w_ih", (5 * gates, 4)), ("w_hh", (5 * gates, 5)), ("b_ih", (5 * gates,)), ("b_hh", (5 * gates,))):
            given[key] = f.draw(kind, key).between(shape, -0.5, 0.5, distinct=False)
        case(f, kind, lambda *a, m=module: rnn(m(4, 5), *a), given, ulps=4, grad_ulps=10, scaled=True, only=("bfloat16",))
    # conversions
    wide = torch.tensor([1.5, -2.7, 1e-8, 70000.0, 3.3e38, 0.1, 2049.0, -1e-30], dtype=torch.float64)
    for name, dtype in HALFS.items():
        for other in (torch.float64, torch.float32, torch.int64, torch.int32, torch.uint8, torch.bool):
            there = f.draw("to", other).between((6,), 0, 100).to(other) if not other.is_floating_point else wide.to(other)
            f.record("from", {"dtype": name, "type": str(other)[6:]}, {"x": there}, {"y": there.to(dtype).float()})
            back = f.draw("back").between((6,), 0, 100).to(dtype)
            f.record("to", {"dtype": name, "type": str(other)[6:]}, {"x": back.float()}, {"y": back.to(other)})
        # random numbers
        for draw in ("rand", "randn"):
            for n in (5, 16, 21, 400):
                torch.manual_seed(42)
                f.record("random", {"dtype": name, "draw": draw, "n": n}, {}, {"y": getattr(torch, draw)(n, dtype=dtype).float()})
        torch.manual_seed(7)
        f.record("random", {"dtype": name, "draw": "uniform_", "n": 9}, {}, {"y": torch.empty(9, dtype=dtype).uniform_(-2, 3).float()})
        torch.manual_seed(7)
        f.record("random", {"dtype": name, "draw": "normal_", "n": 9}, {}, {"y": torch.empty(9, dtype=dtype).normal_(1.5, 0.25).float()})
        # text
        for values in ([0.1, 2.5, -3.0], [1.0, 2.0, 3.0], [1e-5, 1000.0, 0.5], [], [[1.5, 65504.0], [0.25, 2.0]]):
            tensor = torch.tensor(values, dtype=dtype)
            f.record("print", {"dtype": name}, {"x": tensor.float()}, {}, text=repr(tensor).splitlines())
        # optimisers: three steps
        for op, make in (("sgd", lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)), ("adam", lambda p: torch.optim.Adam(p, lr=0.01))):
            start = f.draw(op).normal(4, 3).to(dtype)
            slopes = [f.draw(op, i).normal(4, 3).to(dtype) for i in range(3)]
            parameter = torch.nn.Parameter(start.clone())
            optimizer = make([parameter])
            for slope in slopes:
                parameter.grad = slope
                optimizer.step()
            inputs = {"x": start.float(), **{f"g.{i}": slope.float() for i, slope in enumerate(slopes)}}
            f.record(op, {"dtype": name, "ulps": 3}, inputs, {"y": parameter.detach().float()}, flags=("scaled",))
