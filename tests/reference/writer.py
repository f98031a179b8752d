"""Collects the cases of one family, runs them through PyTorch and writes the data file."""

import zlib

import numpy as np
import torch

torch.set_num_threads(1)

TYPES = {
    torch.float32: "float",
    torch.float64: "float",
    torch.int64: "long",
    torch.int32: "int",
    torch.uint8: "byte",
    torch.bool: "bool",
}


DIGITS = 14  # of a computed value; the tests ask for ten


def shape_text(shape):
    return "x".join(str(n) for n in shape) if len(shape) else "scalar"


def number_text(value):
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, np.float32):
        text = np.format_float_positional(value, unique=True, trim="-") if 1e-4 <= abs(value) < 1e7 else str(value)
    else:
        text = repr(float(value))
    return text[:-2] if text.endswith(".0") else text


def tensor_text(tensor, digits=None):
    """Shape and values; no trailing blank when the tensor is empty. Without digits the text gives the very same number back."""
    values = tensor.detach().contiguous().numpy().reshape(-1)
    if digits and tensor.is_floating_point():
        texts = [f"{value:.{digits}g}" for value in values]
    else:
        texts = [number_text(value) for value in values]
    return f"{shape_text(tensor.shape)} {' '.join(texts)}".rstrip()


def argument_text(value):
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, (list, tuple)):
        return ",".join(argument_text(item) for item in value) or "none"
    return number_text(value) if isinstance(value, (int, float)) else str(value)


def named(prefix, tensors):
    return {f"{prefix}.{i}": tensor for i, tensor in enumerate(tensors)}


class Draw:
    """Random inputs of one case. Values are odd multiples of 1/128: exact in float, and never on a kink such as 0, 0.5, 1, 3 or 6."""

    def __init__(self, seed):
        self.state = np.random.RandomState(seed)

    def between(self, shape, low, high, distinct=True):
        steps = int((high - low) * 64)
        count = int(np.prod(shape))
        index = self.state.choice(steps, count, replace=not (distinct and count <= steps))
        return torch.tensor((low * 128 + 2 * index + 1) / 128.0, dtype=torch.float64).reshape(shape)

    def normal(self, *shape):
        return self.between(shape, -3, 3)

    def positive(self, *shape):
        return self.between(shape, 0.25, 4)

    def probability(self, *shape):
        return self.between(shape, 0.0625, 0.9375)

    def signs(self, *shape):
        return torch.tensor(self.state.choice([-1.0, 1.0], shape), dtype=torch.float64)

    def integers(self, low, high, *shape):
        return torch.tensor(self.state.randint(low, high, shape), dtype=torch.int64)

    def booleans(self, *shape):
        return torch.tensor(self.state.randint(0, 2, shape).astype(bool))


class Family:
    def __init__(self, name, path):
        self.name, self.path = name, path
        version = torch.__version__.split("+")[0]
        self.lines = [f"# {name}: cases computed by PyTorch {version}; written by tests/reference/make_reference.py (format: see there)"]
        self.count = 0

    def draw(self, *key):
        return Draw(zlib.crc32(repr((self.name,) + key).encode()))

    def add(self, op, function, inputs, args=None, *, call=None, gradient=True, constant=(), flags=()):
        """Runs function(**inputs, **args) (or **call in place of args) and writes the case.

        inputs: tensors or lists of tensors; floating ones get a gradient unless named in constant or gradient is False.
        """
        args = {key: value for key, value in (args or {}).items() if value is not None}
        flat, given = {}, {}
        for name, value in inputs.items():
            if value is None:
                continue
            tensors = named(name, value) if isinstance(value, (list, tuple)) else {name: value}
            for key, tensor in tensors.items():
                if tensor.is_floating_point():
                    assert torch.equal(
                        tensor.float().double().nan_to_num(), tensor.double().nan_to_num()
                    ), f"{op}: {key} is not exact in float"
                    tensor = tensor.detach().double().clone().requires_grad_(gradient and name not in constant)
                flat[key] = tensor
            given[name] = [flat[key] for key in tensors] if isinstance(value, (list, tuple)) else flat[name]
        result = function(**given, **(args if call is None else call))
        outputs = {"y": result}
        if isinstance(result, dict):
            outputs = result
        elif isinstance(result, (list, tuple)) and hasattr(result, "_fields"):
            outputs = result._asdict()
        elif isinstance(result, (list, tuple)):
            outputs = named("y", result)
        words = [f"{key}={argument_text(value)}" for key, value in args.items()]
        self.lines.append(" ".join(["case", op, *words, *flags]))
        for key, tensor in flat.items():
            self.lines.append(f"in {key} {TYPES[tensor.dtype]} {tensor_text(tensor)}")
        for key, tensor in outputs.items():
            self.lines.append(f"out {key} {TYPES[tensor.dtype]} {tensor_text(tensor, DIGITS)}")
        leaves = {key: tensor for key, tensor in flat.items() if tensor.requires_grad}
        through = {key: tensor for key, tensor in outputs.items() if tensor.requires_grad}
        if leaves and through:
            draw = self.draw(op, words, "gout")
            seeds = {key: draw.between(tuple(tensor.shape), -2, 2, distinct=False) for key, tensor in through.items()}
            gradients = torch.autograd.grad(list(through.values()), list(leaves.values()), list(seeds.values()), allow_unused=True)
            for key, tensor in seeds.items():
                self.lines.append(f"gout {key} {tensor_text(tensor)}")
            for key, tensor in zip(leaves, gradients):
                assert tensor is not None, f"{op}: no gradient reaches {key}"
                self.lines.append(f"grad {key} {tensor_text(tensor, DIGITS)}")
        self.lines.append("end")
        self.count += 1

    def record(self, op, args, inputs, outputs, text=(), flags=(), digits=None):
        """Writes a case whose outputs are already computed. inputs and outputs: tensors as they are."""
        words = [f"{key}={argument_text(value)}" for key, value in args.items() if value is not None]
        self.lines.append(" ".join(["case", op, *words, *flags]))
        for key, tensor in inputs.items():
            self.lines.append(f"in {key} {TYPES[tensor.dtype]} {tensor_text(tensor)}")
        for key, tensor in outputs.items():
            self.lines.append(f"out {key} {TYPES[tensor.dtype]} {tensor_text(tensor, digits)}")
        self.lines.extend("text " + line if line else "text" for line in text)
        self.lines.append("end")
        self.count += 1

    def write(self):
        content = "\n".join(self.lines) + "\n"
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(content)
        print(f"{self.name}: {self.count} cases, {len(content)} bytes")
