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
