# headtorch: tensors and autograd for C++20.
# SPDX-License-Identifier: MIT
"""Traces a PyTorch module into one safetensors file, which `train::check_parity(net, file)` of headtorch replays in C++.

    from parity_trace import trace
    trace(net, x, "net.safetensors", target=y, loss=nn.CrossEntropyLoss(), optimizer=torch.optim.Adam(net.parameters(), lr=0.01), steps=3)

    python parity_trace.py model.py:Net net.safetensors --input 4,3,32,32 --loss CrossEntropyLoss --classes 10 --optimizer Adam --lr 0.01 --steps 3

The file holds the weights, the inputs, the inputs and outputs of every submodule in the order of the calls with the gradients of the
outputs, the loss, the gradient of every parameter, and the losses and weights of `steps` optimiser steps with the same batch. The module is
left as it was. It is traced in the mode that it is in; dropout, whose masks no other library draws alike, is switched off meanwhile.
Parameters whose gradient is nothing but rounding take no steps: Adam and the like would make large ones of it, and each library others.
How rounding grows from step to step is measured, by steps from weights that differ in their last digits, those of float and of double.
What else is random starts from `seed`. Needs nothing but torch.
"""

import argparse
import copy
import ctypes
import hashlib
import importlib.util
import inspect
import json
import math
import os
import struct
import sys

import torch
from torch import nn

FORMAT = "headtorch parity 1"
DTYPES = {torch.float64: "F64", torch.float32: "F32", torch.int64: "I64", torch.int32: "I32", torch.uint8: "U8", torch.bool: "BOOL"}


def tensors_in(value):
    """The tensors among values, also those in tuples, lists and dictionaries, in order."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (tuple, list)):
        return []
    return [tensor for part in value for tensor in tensors_in(part)]


def plain(value):
    """An option as JSON can hold it; raises TypeError for what is none."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, (tuple, list)) and len(value) <= 16:
        return [plain(part) for part in value]
    raise TypeError


def plain_options(items, without=()):
    options = {}
    for name, value in items:
        if name.startswith("_") or name in without:
            continue
        try:
            options[name] = plain(value)
        except TypeError:
            pass
    return options


class Tensors:
    """The tensors of the file. Values that come again (an output that is the next input) are stored once."""

    def __init__(self):
        self.entries = {}  # name -> (dtype, shape, bytes)
        self.values = {}

    def add(self, name, tensor):
        tensor = tensor.detach().cpu().contiguous()
        if tensor.dtype not in DTYPES:
            raise TypeError(f"trace: {name} is of {tensor.dtype}; traced are {', '.join(str(t) for t in DTYPES)}: "
                            "convert the module, for example with module.float()")
        data = ctypes.string_at(tensor.data_ptr(), tensor.numel() * tensor.element_size()) if tensor.numel() else b""
        self.entries[name] = (DTYPES[tensor.dtype], list(tensor.shape), data)
        return name

    def value(self, tensor):
        """Stores a value of the run; returns its name."""
        name = self.add(f"value.{len(self.values)}", tensor)
        dtype, shape, data = self.entries[name]
        key = (dtype, tuple(shape), hashlib.sha256(data).digest())
        if key in self.values:
            del self.entries[name]
        return self.values.setdefault(key, name)

    def save(self, file, metadata):
        size = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "U8": 1, "BOOL": 1}
        names = sorted(self.entries, key=lambda name: -size[self.entries[name][0]])  # stable: larger elements first, all aligned
        places, at = {}, 0
        for name in names:
            places[name] = [at, at + len(self.entries[name][2])]
            at = places[name][1]
        header = {"__metadata__": metadata}
        for name, (dtype, shape, _) in self.entries.items():
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": places[name]}
        text = json.dumps(header, allow_nan=False).encode()
        text += b" " * (-len(text) % 8)
        with open(f"{file}.part", "wb") as out:
            out.write(struct.pack("<Q", len(text)) + text)
            for name in names:
                out.write(self.entries[name][2])
        os.replace(f"{file}.part", file)


class Calls:
    """Hooks in all submodules that note every call."""

    def __init__(self, module, tensors):
        self.tensors, self.calls, self.events, self.open, self.handles = tensors, [], [], [], []
        for path, each in module.named_modules():
            self.handles.append(each.register_forward_pre_hook(self.begins(path), with_kwargs=True))
            self.handles.append(each.register_forward_hook(self.ends(), with_kwargs=True))

    def begins(self, path):
        def hook(module, args, kwargs):
            inputs = [self.tensors.value(tensor) for tensor in tensors_in(args) + tensors_in(kwargs)]
            self.calls.append({"path": path, "inputs": inputs, "outputs": [], "gradients": []})
            self.open.append(len(self.calls) - 1)
            self.events.append(len(self.calls))
        return hook

    def ends(self):
        def hook(module, args, kwargs, output):
            number = self.open.pop()
            call = self.calls[number]
            self.events.append(-number - 1)
            for i, tensor in enumerate(tensors_in(output)):
                call["outputs"].append(self.tensors.value(tensor))
                call["gradients"].append(None)
                if tensor.requires_grad:
                    def keep(gradient, call=call, i=i):
                        call["gradients"][i] = self.tensors.value(gradient)
                    tensor.register_hook(keep)
        return hook

    def remove(self):
        for handle in self.handles:
            handle.remove()


def describe(module):
    return [{"path": path, "type": type(each).__name__, "repr": each.extra_repr(), "training": each.training,
             "options": plain_options(vars(each).items(), ("training",))} for path, each in module.named_modules()]


def describe_loss(loss, tensors):
    if isinstance(loss, str):
        return {"name": loss, "options": {}}
    if not isinstance(loss, nn.Module):
        return {"name": getattr(loss, "__name__", "custom"), "options": {}, "custom": True}
    known = type(loss).__module__.startswith("torch.nn.")
    for name, tensor in loss.state_dict().items():
        tensors.add(f"loss.{name}", tensor)
    return {"name": type(loss).__name__, "options": plain_options(vars(loss).items(), ("training",)), "custom": not known}


def describe_optimizer(optimizer, module):
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    groups = []
    for group in optimizer.param_groups:
        unknown = [parameter for parameter in group["params"] if id(parameter) not in names]
        if unknown:
            raise ValueError("trace: the optimiser has parameters that are not the module's")
        groups.append({"parameters": [names[id(parameter)] for parameter in group["params"]],
                       "options": plain_options(group.items(), ("params", "foreach", "fused", "capturable", "differentiable"))})
    return {"name": type(optimizer).__name__, "groups": groups}


def compute_loss(loss, output, target):
    first = tensors_in(output)[0]
    if isinstance(loss, str):
        return getattr(first, loss)()
    return loss(output if not isinstance(loss, nn.Module) else first, *target)


def without_dropout(module):
    """Switches dropout off; returns the modules in which it was on, by path."""
    kinds = (nn.modules.dropout._DropoutNd, nn.RNNBase, nn.MultiheadAttention)
    found = {path: each for path, each in module.named_modules() if isinstance(each, kinds) and each.training
             and (getattr(each, "p", 0) > 0 or getattr(each, "dropout", 0) > 0)}
    for each in found.values():
        each.training = False
    return found


def only_rounding(module):
    """Parameters whose gradient is nothing but rounding, as that of a bias in front of a BatchNorm, by name."""
    largest = {name: p.grad.abs().max().item() for name, p in module.named_parameters() if p.grad is not None and p.numel()}
    bounds = {name: torch.finfo(p.dtype).eps * 10 * max(largest.values()) for name, p in module.named_parameters() if name in largest}
    return [name for name in largest if largest[name] < bounds[name]]


def take_steps(module, inputs, target, loss, optimizer, steps, unmoved):
    """The losses before each step, and the states after the first and the last one."""
    parameters, losses, states = dict(module.named_parameters()), [], []
    for step in range(steps):
        optimizer.zero_grad()
        value = compute_loss(loss, module(*[tensor.clone() for tensor in inputs]), target)
        value.backward()
        losses.append(value.item())
        for name in unmoved:
            parameters[name].grad = None
        optimizer.step()
        if step in (0, steps - 1):
            states.append(copy.deepcopy(module.state_dict()))
    return losses, states[0], states[-1]


def spread(before, state, near_before, near):
    """How much more one run changed than another, over how much it changed: root mean squares, by name."""
    result = {}
    for name, tensor in state.items():
        change = (tensor - before[name]).double()
        apart = (change - (near[name] - near_before[name]).double()).norm().item()
        result[name] = min(apart / change.norm().item(), 1e9) if apart > 0 and change.any() else 0.0
        if not math.isfinite(result[name]):
            result[name] = 1e9
    return result


def trace(module, inputs, file, target=None, loss="sum", optimizer=None, steps=0, seed=0):
    """Writes `file`. `inputs` and `target`: a tensor or a tuple of tensors. `loss`: "sum" or "mean" of the first output, a loss of torch.nn,
    or a function of the output and the targets (then C++ needs the same as `.loss`). `optimizer`: a fresh one over the module's
    parameters, which takes `steps` steps."""
    inputs = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    target = () if target is None else tuple(target) if isinstance(target, (tuple, list)) else (target,)
    if isinstance(loss, str) and loss not in ("sum", "mean"):
        raise ValueError(f"trace: loss is \"sum\", \"mean\", a loss of torch.nn or a function, got {loss!r}")
    if steps and optimizer is None:
        raise ValueError("trace: steps need an optimizer, as in optimizer=torch.optim.SGD(module.parameters(), lr=0.01)")
    if optimizer is not None and any(state.get("step", 1) > 0 for state in optimizer.state.values()):
        raise ValueError("trace: the optimizer has taken steps already; make a fresh one")

    tensors = Tensors()
    floating = [t for t in list(module.parameters()) + list(inputs) if t.is_floating_point()]
    modules = describe(module)
    before = copy.deepcopy(module.state_dict())
    optimizer_before = copy.deepcopy(optimizer.state_dict()) if optimizer else None
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # it would pass by the submodules
    dropped = without_dropout(module)
    calls = Calls(module, tensors)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for name, tensor in before.items():
                tensors.add(f"weight.{name}", tensor)
            named_inputs = [tensors.add(f"input.{i}", tensor) for i, tensor in enumerate(inputs)]
            named_targets = [tensors.add(f"target.{i}", tensor) for i, tensor in enumerate(target)]
            module.zero_grad(set_to_none=True)
            output = module(*[tensor.clone() for tensor in inputs])
            calls.remove()
            value = compute_loss(loss, output, target)
            losses, spreads = [value.item()], {"float32": {"losses": [0.0], "first": {}, "last": {}}}
            trainable = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
            if value.requires_grad:
                value.backward()
            for name, parameter in module.named_parameters():
                if parameter.grad is not None:
                    tensors.add(f"gradient.{name}", parameter.grad.to_dense())
            unmoved = only_rounding(module)
            if steps:
                def run():
                    torch.manual_seed(seed)
                    optimizer.load_state_dict(copy.deepcopy(optimizer_before))
                    return take_steps(module, inputs, target, loss, optimizer, steps, unmoved)
                module.load_state_dict(before)
                losses, first, last = run()
                for kind, state in (("first", first), ("last", last)):
                    for name, tensor in state.items():
                        tensors.add(f"{kind}.{name}", tensor)
                for dtype in (torch.float32, floating[0].dtype):
                    module.load_state_dict(before)
                    with torch.no_grad():
                        for parameter in module.parameters():
                            parameter.mul_(1 + torch.finfo(dtype).eps * torch.randn_like(parameter))
                    beside = copy.deepcopy(module.state_dict())
                    near, near_first, near_last = run()
                    spreads[str(dtype).removeprefix("torch.")] = {
                        "losses": [min(abs(a - b) / abs(a), 1e9) if a else 1e9 for a, b in zip(losses, near)],
                        "first": spread(before, first, beside, near_first), "last": spread(before, last, beside, near_last)}
            spreads.setdefault("float64", spreads["float32"])
            tensors.add("losses", torch.tensor(losses, dtype=torch.float64))
    finally:
        calls.remove()
        for each in dropped.values():
            each.training = True
        torch.backends.mha.set_fastpath_enabled(fast_path)
        module.load_state_dict(before)
        module.zero_grad(set_to_none=True)
        if optimizer:
            optimizer.load_state_dict(optimizer_before)

    record = {
        "torch": torch.__version__, "model": type(module).__name__, "seed": seed,
        "dtype": str(floating[0].dtype).removeprefix("torch.") if floating else "float32", "modules": modules,
        "without_dropout": list(dropped), "calls": calls.calls, "events": calls.events, "inputs": named_inputs, "targets": named_targets,
        "loss": describe_loss(loss, tensors), "trainable": trainable, "unmoved": unmoved, "steps": steps, "spread": spreads,
        "optimizer": describe_optimizer(optimizer, module) if optimizer else None,
    }
    tensors.save(file, {"format": FORMAT, "record": json.dumps(record, allow_nan=False)})
    return record


def load_module(place, arguments):
    """`model.py:Net` or `model.py:make()`: an instance of what has that name in the file."""
    path, _, name = place.rpartition(":")
    if not path:
        raise ValueError(f"trace: {place}: write it as model.py:Net")
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    spec = importlib.util.spec_from_file_location("traced", path)
    code = importlib.util.module_from_spec(spec)
    sys.modules["traced"] = code
    spec.loader.exec_module(code)
    made = getattr(code, name.removesuffix("()"))
    return made(**arguments) if inspect.isroutine(made) or inspect.isclass(made) else made


def main():
    parser = argparse.ArgumentParser(description="Traces a PyTorch module for headtorch's train::check_parity().")
    parser.add_argument("module", help="model.py:Net: a class without arguments, a function that returns a module, or a module")
    parser.add_argument("file", help="the trace, a safetensors file")
    parser.add_argument("--input", action="append", required=True, metavar="N,C,…",
                        help="shape of an input of normal numbers; with :CLASSES behind it, of integers below that; once per input")
    parser.add_argument("--arguments", default="{}", metavar="JSON", help="arguments of the class or function, as {\"width\": 8}")
    parser.add_argument("--loss", default="sum", help="sum, mean, or a loss of torch.nn by name (default: sum)")
    parser.add_argument("--classes", type=int, help="targets are labels below this number, one for each sample")
    parser.add_argument("--optimizer", help="an optimiser of torch.optim by name")
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--options", default="{}", metavar="JSON", help="further options of the optimiser, as {\"momentum\": 0.9}")
    parser.add_argument("--steps", type=int, default=3, help="optimiser steps (default: 3)")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--eval", action="store_true", help="evaluation mode, as after net.eval()")
    parser.add_argument("--seed", type=int, default=0, help="of the weights and the inputs")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    dtype = getattr(torch, args.dtype)
    module = load_module(args.module, json.loads(args.arguments)).to(dtype).train(not args.eval)
    inputs = []
    for text in args.input:
        shape, _, classes = text.partition(":")
        shape = [int(size) for size in shape.split(",")]
        inputs.append(torch.randint(int(classes), shape) if classes else torch.randn(shape, dtype=dtype))
    loss, target = args.loss, None
    if loss not in ("sum", "mean"):
        with torch.no_grad():
            output = tensors_in(copy.deepcopy(module)(*inputs))[0]
        if args.classes:
            target = torch.randint(args.classes, (output.shape[0],) + tuple(output.shape[2:]))
        else:  # between 0 and 1, as BCELoss wants it
            target = torch.rand(output.shape, dtype=dtype)
        loss = getattr(nn, loss)()
    optimizer = getattr(torch.optim, args.optimizer)(module.parameters(), lr=args.lr, **json.loads(args.options)) if args.optimizer else None
    record = trace(module, tuple(inputs), args.file, target, loss, optimizer, args.steps if optimizer else 0, args.seed)
    print(f"{args.file}: {record['model']}, {len(record['modules'])} modules, {len(record['calls'])} calls, {record['steps']} steps, "
          f"{os.path.getsize(args.file)} bytes")


if __name__ == "__main__":
    main()
