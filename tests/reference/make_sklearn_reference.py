#!/usr/bin/env python3
"""Writes tests/reference/data/sklearn.txt: what NumPy, scikit-learn and PyTorch give for seeds that the tests of data/ use too.

To regenerate (needs NumPy, scikit-learn and PyTorch; pip install numpy scikit-learn torch):

    python3 tests/reference/make_sklearn_reference.py

Each line is a key, a shape ("scalar" for 0-dim) and the values in row-major order, with all digits. Read by tests/data/sklearn_reference.hpp.
"""

import os

import numpy as np
import sklearn
import torch
from sklearn.datasets import make_blobs, make_circles, make_moons, make_regression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader, TensorDataset, random_split

lines = [f"# NumPy {np.__version__}, scikit-learn {sklearn.__version__}, PyTorch {torch.__version__.split('+')[0]}; by make_sklearn_reference.py"]


def add(key, values):
    values = np.asarray(values)
    shape = "x".join(map(str, values.shape)) or "scalar"
    lines.append(" ".join([key, shape, *(repr(value.item()) for value in values.reshape(-1))]))


def random_state():
    """One stream per seed, so that a draw too many or too few shows in all that follows."""
    for seed in (0, 42, 4294967295):
        r = np.random.RandomState(seed)
        key = f"random_state.{seed}."
        add(key + "random_sample", r.random_sample((2, 3)))
        add(key + "randn", r.randn(7))  # odd: one of a pair is kept
        add(key + "uniform", r.uniform(-2, 3, 4))
        add(key + "normal", r.normal(1.5, 0.3, 5))
        add(key + "randint.small", r.randint(-3, 10, 8))
        add(key + "randint.one", r.randint(5, 6, 2))
        add(key + "randint.32", r.randint(0, 2**32, 4))
        add(key + "randint.wide", r.randint(-5, 2**40, 4))
        add(key + "randint.all", r.randint(-(2**63), 2**63 - 1, 3))
        add(key + "permutation", r.permutation(20))
        values = np.arange(9) / 8
        r.shuffle(values)
        add(key + "shuffle", values)
        add(key + "choice.replace", r.choice(10, 6))
        add(key + "choice.distinct", r.choice(10, 4, replace=False))
        p = [0.1, 0.0, 0.4, 0.3, 0.2]
        add(key + "choice.weighted", r.choice(5, 8, p=p))
        add(key + "choice.weighted_distinct", r.choice(5, 4, replace=False, p=p))
        add(key + "last", r.random_sample())


def points(name, function, *arguments, **options):
    result = function(*arguments, **options)
    for field, values in zip(("x", "y", "extra"), result):
        add(f"{name}.{field}", values)


def synthetic():
    points("moons.plain", make_moons, 7, shuffle=False)
    points("moons.shuffled", make_moons, 10, random_state=3)
    for seed in (0, 42, 2020):
        points(f"moons.noise.{seed}", make_moons, 15, noise=0.3, random_state=seed)
    points("moons.counts", make_moons, (3, 6), noise=0.1, random_state=1)
    points("circles.plain", make_circles, 7, shuffle=False)
    for seed in (0, 42, 2020):
        points(f"circles.noise.{seed}", make_circles, 15, noise=0.1, factor=0.3, random_state=seed)
    points("circles.counts", make_circles, (4, 2), random_state=1)
    points("blobs.plain", make_blobs, 10, shuffle=False, random_state=0)
    for seed in (0, 42, 12345):
        points(f"blobs.noise.{seed}", make_blobs, 14, centers=4, center_box=(-1.2, 1.2), cluster_std=0.15, random_state=seed, return_centers=True)
    points("blobs.centers", make_blobs, 7, centers=np.array([[0.0, 1, 2], [3, 4, 5]]), cluster_std=[0.5, 2.0], random_state=7)
    points("blobs.counts", make_blobs, [2, 0, 3], n_features=3, random_state=7, return_centers=True)
    for seed in (0, 42, 2020):
        points(f"regression.one.{seed}", make_regression, 15, n_features=1, noise=10, random_state=seed)
    points("regression.many", make_regression, 8, n_features=5, n_informative=3, n_targets=2, bias=4, noise=1, coef=True, random_state=5)
    points("regression.plain", make_regression, 5, n_features=3, shuffle=False, coef=True, random_state=5)
    points("regression.tall", make_regression, 9, n_features=4, effective_rank=2, tail_strength=0.3, coef=True, random_state=5)
    points("regression.wide", make_regression, 4, n_features=6, effective_rank=3, coef=True, random_state=6)


def splits():
    def add_split(name, n, **options):
        train, test = train_test_split(np.arange(n), **options)
        add(f"split.{name}.train", train)
        add(f"split.{name}.test", test)

    for seed in (0, 42, 2020):
        add_split(f"quarter.{seed}", 23, random_state=seed)
    add_split("fifth", 23, test_size=0.2, random_state=42)
    add_split("count", 23, test_size=4, random_state=42)
    add_split("train", 23, train_size=0.6, random_state=42)
    add_split("both", 23, train_size=7, test_size=0.3, random_state=42)
    add_split("plain", 23, test_size=0.2, shuffle=False)
    labels = np.array([0, 2, 2, 1, 0, 2, 1, 1, 2, 2, 0, 2, 0, 1, 2, 2, 0, 1, 2, 2, 2, 0, 2])
    for seed in (0, 42):
        add_split(f"stratified.{seed}", 23, test_size=0.3, random_state=seed, stratify=labels)
    labels = np.arange(24) % 4  # ties, which are drawn
    add_split("tied", 24, test_size=10, random_state=1, stratify=labels)


def scaler():
    x = np.random.RandomState(0).normal([1, -20, 300, 0], [1, 5, 0.01, 0], (12, 4))
    x[3, 1] = np.nan
    x[:, 3] = 0.1  # constant, and not exact in binary
    for name, values in (("double", x), ("float", x.astype(np.float32))):
        s = StandardScaler().fit(values)
        add(f"scaler.{name}.x", values)
        add(f"scaler.{name}.mean", s.mean_)
        add(f"scaler.{name}.var", s.var_)
        add(f"scaler.{name}.scale", s.scale_)
        add(f"scaler.{name}.transformed", s.transform(values))


def loaders():
    """The orders of three epochs; then a number that shows how much was drawn from the default generator."""
    numbers = TensorDataset(torch.arange(17))

    def epochs(name, loader):
        for epoch in range(3):
            add(f"loader.{name}.{epoch}", torch.cat([batch for (batch,) in loader]).numpy())
        add(f"loader.{name}.after", torch.rand((), dtype=torch.float64).numpy())

    torch.manual_seed(3)
    epochs("default", DataLoader(numbers, batch_size=5, shuffle=True))
    torch.manual_seed(3)
    epochs("drop_last", DataLoader(numbers, batch_size=5, shuffle=True, drop_last=True))
    torch.manual_seed(3)
    epochs("plain", DataLoader(numbers, batch_size=5))
    torch.manual_seed(3)
    epochs("generator", DataLoader(numbers, batch_size=5, shuffle=True, generator=torch.Generator().manual_seed(11)))
    torch.manual_seed(3)
    for i, part in enumerate(random_split(numbers, [10, 7])):
        add(f"random_split.counts.{i}", part.indices)
    for i, part in enumerate(random_split(numbers, [0.5, 0.2, 0.3], torch.Generator().manual_seed(4))):
        add(f"random_split.fractions.{i}", part.indices)


random_state()
synthetic()
splits()
scaler()
loaders()
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "sklearn.txt")
with open(path, "w", encoding="utf-8") as file:
    file.write("\n".join(lines) + "\n")
print(f"{len(lines) - 1} lines, {os.path.getsize(path)} bytes")
