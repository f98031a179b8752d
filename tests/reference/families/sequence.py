"""Recurrent layers and attention."""

import torch
import torch.nn.functional as F

LAYERS = {
    "tanh": (1, torch._VF.rnn_tanh),
    "relu": (1, torch._VF.rnn_relu),
    "lstm": (4, torch._VF.lstm),
    "gru": (3, torch._VF.gru),
}


def layer(kind, reverse, x, h, w_ih, w_hh, c=None, b_ih=None, b_hh=None):
    """One layer in one direction; for an LSTM the last c follows the outputs."""
    weights = [w_ih, w_hh] + ([b_ih, b_hh] if b_ih is not None else [])
    x = x.flip(0) if reverse else x
    state = (h[None], c[None]) if kind == "lstm" else h[None]
    y, *last = LAYERS[kind][1](x, state, weights, b_ih is not None, 1, 0.0, False, False, False)
    y = y.flip(0) if reverse else y
    return torch.cat([y, last[1]]) if kind == "lstm" else y


def recurrent(f):
    for kind, (gates, _) in LAYERS.items():
        for steps, batch, inputs, hidden, bias, reverse in [(3, 2, 3, 2, True, 0), (2, 1, 2, 3, True, 1), (1, 2, 2, 2, False, 0), (3, 0, 2, 1, True, 0)]:
            draw = f.draw(kind, steps, batch, inputs, hidden, bias, reverse)
            small = lambda *shape: draw.between(shape, -1, 1, distinct=False)
            tensors = {"x": small(steps, batch, inputs), "h": small(batch, hidden), "w_ih": small(gates * hidden, inputs),
                       "w_hh": small(gates * hidden, hidden)}
            if kind == "lstm":
                tensors["c"] = small(batch, hidden)
            if bias:
                tensors.update(b_ih=small(gates * hidden), b_hh=small(gates * hidden))
            f.add("rnn_layer", lambda kind, reverse, **t: layer(kind, reverse, **t), tensors, {"kind": kind, "reverse": reverse})


def attention(f):
    for shapes, args in [
        (((2, 3), (4, 3), (4, 2)), {}),
        (((2, 2, 3, 4), (2, 2, 5, 4), (2, 2, 5, 3)), {}),
        (((2, 4, 3), (2, 4, 3), (2, 4, 3)), {"is_causal": True}),
        (((2, 2, 3), (2, 4, 3), (2, 4, 3)), {"is_causal": True}),
        (((1, 2, 3), (1, 2, 3), (1, 2, 3)), {"scale": 0.75}),
        (((2, 3, 2), (2, 3, 2), (2, 3, 2)), {"mask": (3, 3)}),
        (((2, 3, 2), (2, 3, 2), (2, 3, 2)), {"keep": (2, 1, 3)}),
        (((0, 3, 2), (0, 3, 2), (0, 3, 2)), {}),
    ]:
        draw = f.draw(shapes, args)
        inputs = dict(zip(("q", "k", "v"), (draw.between(s, -2, 2, distinct=False) for s in shapes)))
        args = dict(args)
        if mask := args.pop("mask", None):
            inputs["mask"] = draw.between(mask, -1, 1)
        if keep := args.pop("keep", None):
            inputs["keep"] = draw.booleans(*keep) | torch.eye(keep[-1], dtype=torch.bool)[:1]

        def attend(q, k, v, mask=None, keep=None, **args):
            return F.scaled_dot_product_attention(q, k, v, attn_mask=mask if keep is None else keep, **args)

        f.add("scaled_dot_product_attention", attend, inputs, args)


def wave(*shape):
    """Numbers that a program can make up again: sin(1), sin(2), ..."""
    count = int(torch.tensor(shape).prod())
    return torch.sin(torch.arange(1, count + 1, dtype=torch.float64)).float().reshape(shape)


def sequence_layers(f):
    """Layers as they come, in float, from a seed: outputs, and the sum of the absolute gradients of each parameter for loss = sum of
    squares of the outputs."""

    def add(op, seed, layer, call, shape, args):
        torch.manual_seed(seed)
        layer = layer()
        outputs = {name: tensor for name, tensor in call(layer, wave(*shape)).items() if tensor is not None}
        sum((tensor**2).sum() for tensor in outputs.values()).backward()
        outputs["gradients"] = torch.stack([p.grad.abs().sum() for p in layer.parameters()])
        args = dict(args, seed=seed, shape=list(shape), parameters=",".join(name for name, _ in layer.named_parameters()))
        f.record(op, args, {}, {name: tensor.detach() for name, tensor in outputs.items()}, text=str(layer).split("\n"))

    def recurrent(layer, x):
        y, h = layer(x)
        return {"y": y, "h": h[0], "c": h[1]} if isinstance(h, tuple) else {"y": y, "h": h}

    N = torch.nn
    for kind, make in [("rnn", N.RNN), ("lstm", N.LSTM), ("gru", N.GRU)]:
        add(kind, 1, lambda: make(3, 4), recurrent, (5, 2, 3), {})
        add(kind, 2, lambda: make(3, 4, num_layers=2, bidirectional=True, batch_first=True), recurrent, (2, 5, 3), {"layers": 2, "both": 1, "batch_first": 1})
        add(kind, 3, lambda: make(2, 3, bias=False), recurrent, (4, 2), {"bias": 0})
    for kind, make in [("rnn_cell", N.RNNCell), ("lstm_cell", N.LSTMCell), ("gru_cell", N.GRUCell)]:
        def cell(layer, x):
            h = layer(x)
            return {"h": h[0], "c": h[1]} if isinstance(h, tuple) else {"h": h}
        add(kind, 4, lambda: make(3, 4), cell, (2, 3), {})
        add(kind, 5, lambda: make(3, 4, bias=False), cell, (3,), {"bias": 0})

    def attend(**options):
        def call(layer, x):
            y, weights = layer(x, x, x, **options)
            return {"y": y, "weights": weights}
        return call
    padding = torch.tensor([[False, False, True], [False, False, False]])
    add("attention", 6, lambda: N.MultiheadAttention(4, 2), attend(), (3, 2, 4), {})
    add("attention", 7, lambda: N.MultiheadAttention(4, 2, bias=False, batch_first=True), attend(average_attn_weights=False), (2, 3, 4),
        {"bias": 0, "batch_first": 1, "average": 0})
    add("attention", 8, lambda: N.MultiheadAttention(4, 2, add_bias_kv=True, add_zero_attn=True), attend(key_padding_mask=padding), (3, 2, 4),
        {"extra": 1, "padding": 1})
    add("attention", 9, lambda: N.MultiheadAttention(4, 1), attend(attn_mask=N.Transformer.generate_square_subsequent_mask(3)), (3, 2, 4),
        {"heads": 1, "causal": 1})

    def cross(layer, x):
        y, weights = layer(x[..., :4], x[..., 4:7], x[..., 7:9])
        return {"y": y, "weights": weights}
    add("cross_attention", 10, lambda: N.MultiheadAttention(4, 2, kdim=3, vdim=2), cross, (3, 2, 9), {})

    encoded = lambda **options: lambda layer, x: {"y": layer(x, **options)}
    mask = torch.triu(torch.ones(3, 3, dtype=torch.bool), 1)
    layer = lambda **options: N.TransformerEncoderLayer(4, 2, dim_feedforward=6, dropout=0.0, **options)
    add("encoder_layer", 11, lambda: layer(), encoded(), (3, 2, 4), {})
    add("encoder_layer", 12, lambda: layer(activation="gelu", norm_first=True, batch_first=True), encoded(src_mask=mask), (2, 3, 4),
        {"gelu": 1, "norm_first": 1, "batch_first": 1, "mask": 1})
    add("encoder", 13, lambda: N.TransformerEncoder(layer(), 2, norm=N.LayerNorm(4), enable_nested_tensor=False),
        encoded(src_key_padding_mask=padding), (3, 2, 4), {"padding": 1})
