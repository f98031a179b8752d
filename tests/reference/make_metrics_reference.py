#!/usr/bin/env python3
"""Writes tests/reference/data/metrics.txt: what scikit-learn's metrics give for random data with equal scores and missing classes.

To regenerate (needs NumPy and scikit-learn; pip install numpy scikit-learn):

    python3 tests/reference/make_metrics_reference.py

The format is that of make_reference.py, read by tests/support/reference_file.hpp. Inputs are exact in float; outputs have all digits.
"""

import os
import warnings

import numpy as np
import sklearn
from sklearn import metrics

warnings.simplefilter("ignore")  # about classes that are missing on purpose
lines = [f"# metrics: cases computed by scikit-learn {sklearn.__version__}; written by make_metrics_reference.py"]


def tensor(kind, name, values):
    values = np.asarray(values)
    type_name = "float" if values.dtype.kind == "f" else "long"
    shape = "x".join(map(str, values.shape)) or "scalar"
    lines.append(" ".join([kind, name, type_name, shape, *(repr(v.item()) for v in values.reshape(-1))]))


def case(op, inputs, outputs, **arguments):
    lines.append(" ".join(["case", op, *(f"{k}={v}" for k, v in arguments.items())]))
    for name, values in inputs.items():
        tensor("in", name, values)
    for name, values in outputs.items():
        tensor("out", name, values)
    lines.append("end")


def steps(r, shape, low, high, step=1 / 16):
    """Numbers on a coarse grid, so that many are equal."""
    return r.randint(int(low / step), int(high / step) + 1, shape) * step


def averages(truth, guess, kinds):
    out = {}
    for kind in kinds:
        p, q, f, _ = metrics.precision_recall_fscore_support(truth, guess, average=kind, zero_division=0)
        out |= {f"precision.{kind}": p, f"recall.{kind}": q, f"f1.{kind}": f}
    return {key: np.float64(value) for key, value in out.items()}


def classes(truth, guess, count):
    labels = np.arange(count)
    p, q, f, s = metrics.precision_recall_fscore_support(truth, guess, labels=labels, average=None, zero_division=0)
    return {
        "accuracy": np.float64(metrics.accuracy_score(truth, guess)),
        "precision": p,
        "recall": q,
        "f1": f,
        "support": s,
        "confusion": metrics.confusion_matrix(truth, guess, labels=labels),
    }


def several_classes():
    for seed, (n, possible, guessed) in enumerate([(60, [0, 1, 3, 4], [0, 2, 3, 4]), (40, [0, 1, 2], [0, 1, 2]), (9, [1, 5], [2, 3, 5]), (1, [2], [2])]):
        r = np.random.RandomState(seed)
        truth, guess = r.choice(possible, n), r.choice(guessed, n)
        count = max(possible + guessed) + 1
        case("classes", {"truth": truth, "guess": guess}, averages(truth, guess, ["micro", "macro", "weighted"]) | classes(truth, guess, count), classes=count)


def scores():
    for seed, (n, c, step) in enumerate([(50, 4, 1 / 4), (80, 6, 1 / 64), (30, 3, 1)]):
        r = np.random.RandomState(100 + seed)
        x, truth = steps(r, (n, c), -3, 3, step), r.randint(0, c, n)
        guess = x.argmax(1)
        top = [metrics.top_k_accuracy_score(truth, x, k=k, labels=np.arange(c)) for k in range(1, c + 1)]
        case("scores", {"scores": x, "truth": truth}, averages(truth, guess, ["micro", "macro", "weighted"]) | classes(truth, guess, c) | {"top": np.array(top)})


def binary():
    for seed, (n, low, high, share) in enumerate([(100, 0, 1, 0.5), (50, 0, 1, 0.1), (40, 0, 0.5, 0.5), (40, 0, 1, 0), (40, 0, 1, 1), (60, -2, 3, 0.4), (2, 0, 1, 0.5)]):
        r = np.random.RandomState(200 + seed)
        x, truth = steps(r, n, low, high), (r.random_sample(n) < share).astype(np.int64)
        logits = low < 0
        guess = (x > (0 if logits else 0.5)).astype(np.int64)
        out = averages(truth, guess, ["binary", "micro", "macro", "weighted"]) | classes(truth, guess, 2)
        if 0 < truth.sum() < n:
            out["auc"] = np.float64(metrics.roc_auc_score(truth, x))
        for name, drop in (("short", True), ("long", False)):
            fpr, tpr, thresholds = metrics.roc_curve(truth, x, drop_intermediate=drop)
            out |= {f"{name}.fpr": fpr, f"{name}.tpr": tpr, f"{name}.thresholds": thresholds}
        case("binary", {"scores": x, "truth": truth}, out, logits=int(logits))


def ranking():
    for seed, (n, c) in enumerate([(60, 3), (90, 5)]):
        r = np.random.RandomState(300 + seed)
        x, truth = steps(r, (n, c), -3, 3, 1 / 8), r.choice(c, n, p=np.arange(1, c + 1) / (c * (c + 1) / 2))
        p = np.exp(x)
        p /= p.sum(1, keepdims=True)
        out = {kind: np.float64(metrics.roc_auc_score(truth, p, multi_class="ovr", average=kind)) for kind in ("macro", "weighted")}
        case("auc_classes", {"logits": x, "truth": truth}, out)
        x, truth = steps(r, (n, c), 0, 1), r.randint(0, 2, (n, c))
        out = {kind: np.float64(metrics.roc_auc_score(truth, x, average=kind)) for kind in ("macro", "weighted")}
        out["accuracy"] = np.float64((truth == (x > 0.5)).mean())
        p, q, f, _ = metrics.precision_recall_fscore_support(truth, x > 0.5, average="micro", zero_division=0)
        out |= {"precision": np.float64(p), "recall": np.float64(q), "f1": np.float64(f)}
        case("labels", {"scores": x, "truth": truth}, out)


def regression():
    for seed, (shape, constant) in enumerate([((50,), False), ((40, 3), False), ((20,), True), ((2,), False), ((30, 2), True)]):
        r = np.random.RandomState(400 + seed)
        y, t = steps(r, shape, -4, 4), steps(r, shape, -4, 4) + 1000
        y = y + 1000
        if constant:
            t[...] = 1000
        out = {"mae": metrics.mean_absolute_error(t, y), "mse": metrics.mean_squared_error(t, y), "r2": metrics.r2_score(t, y)}
        case("regression", {"output": y, "target": t}, {key: np.float64(value) for key, value in out.items()})


several_classes()
scores()
binary()
ranking()
regression()
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "metrics.txt"), "w") as file:
    file.write("\n".join(lines) + "\n")
