#!/usr/bin/env python3
"""Writes tests/reference/data/sklearn.txt: what NumPy, scikit-learn and PyTorch give for seeds that the tests of data/ use too.

To regenerate (needs NumPy, scikit-learn and PyTorch; pip install numpy scikit-learn torch):

    python3 tests/reference/make_sklearn_reference.py

Each line is a key, a shape ("scalar" for 0-dim) and the values in row-major order, with all digits. Of long arrays there is a digest
instead: key.digest and the first value, the last, the sum, and the sum with the weights 1, 2, ..., 97, 1, 2, ... Read by
tests/data/sklearn_reference.hpp. Multi-threaded sums differ in their last bits from run to run: the script runs on one thread.
"""

import math
import os

for library in ("OPENBLAS", "OMP", "MKL"):
    os.environ[library + "_NUM_THREADS"] = "1"

import numpy as np
import sklearn
import torch
from sklearn.datasets import make_blobs, make_circles, make_classification, make_moons, make_regression
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader, TensorDataset, random_split

lines = [f"# NumPy {np.__version__}, scikit-learn {sklearn.__version__}, PyTorch {torch.__version__.split('+')[0]}; by make_sklearn_reference.py"]


def add(key, values):
    values = np.asarray(values)
    shape = "x".join(map(str, values.shape)) or "scalar"
    lines.append(" ".join([key, shape, *(repr(value.item()) for value in values.reshape(-1))]))


def add_digest(key, values):
    values = np.asarray(values).reshape(-1).tolist()
    total = math.fsum if isinstance(values[0], float) else sum
    weighted = total(value * (i % 97 + 1) for i, value in enumerate(values))
    lines.append(" ".join([key + ".digest", "4", *map(repr, (values[0], values[-1], total(values), weighted))]))


SEEDS = (0, 1, 2, 3, 7, 42, 123, 2020, 12345, 4294967295)


def random_state():
    """One stream per seed, so that a draw too many or too few shows in all that follows."""
    for seed in SEEDS:
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
        add(key + "randint.int32", r.randint(-7, 2**31, 3, dtype=np.int32))
        add(key + "randint.uint8", r.randint(0, 256, 5, dtype=np.uint8))
        add(key + "randint.uint8.part", r.randint(3, 200, 6, dtype=np.uint8))
        add(key + "randint.uint8.one", r.randint(3, 4, 2, dtype=np.uint8))
        add(key + "randint.bool", r.randint(0, 2, 35, dtype=bool).astype(int))
        add(key + "randint.scalar", r.randint(17))
        add(key + "permutation", r.permutation(20))
        add(key + "permutation.rows", r.permutation(np.arange(10).reshape(5, 2)))
        values = np.arange(9) / 8
        r.shuffle(values)
        add(key + "shuffle", values)
        rows = np.arange(12).reshape(6, 2)
        r.shuffle(rows)
        add(key + "shuffle.rows", rows)
        add(key + "choice.replace", r.choice(10, 6))
        add(key + "choice.distinct", r.choice(10, 4, replace=False))
        add(key + "choice.elements", r.choice(np.arange(5) * 3, 4))
        p = [0.1, 0.0, 0.4, 0.3, 0.2]
        add(key + "choice.weighted", r.choice(5, 8, p=p))
        add(key + "choice.weighted_distinct", r.choice(5, 4, replace=False, p=p))
        add(key + "last", r.random_sample())
        np.random.seed(seed)
        add_digest(key + "global.rand", np.random.rand(1000))
        add_digest(key + "global.randn", np.random.randn(1000))
        add_digest(key + "global.randint", np.random.randint(0, 1000, 1000))
        add_digest(key + "global.permutation", np.random.permutation(1000))
    r = np.random.RandomState([1, 2, 4294967295])
    add("random_state.list", r.randint(0, 2**32, 4))


def points(name, function, *arguments, **options):
    result = function(*arguments, **options)
    for field, values in zip(("x", "y", "extra"), result):
        add(f"{name}.{field}", values)


def digests(name, function, *arguments, **options):
    result = function(*arguments, **options)
    for field, values in zip(("x", "y", "extra"), result):
        add_digest(f"{name}.{field}", values)


def synthetic():
    for seed in SEEDS:
        points(f"moons.noise.{seed}", make_moons, 9, noise=0.3, random_state=seed)
        points(f"circles.noise.{seed}", make_circles, 9, noise=0.1, factor=0.3, random_state=seed)
        points(
            f"blobs.noise.{seed}", make_blobs, 9, centers=4, center_box=(-1.2, 1.2), cluster_std=0.15, random_state=seed, return_centers=True
        )
        points(f"regression.one.{seed}", make_regression, 9, n_features=1, noise=10, random_state=seed)
        points(f"regression.many.{seed}", make_regression, 5, n_features=7, n_informative=3, bias=4, noise=1, coef=True, random_state=seed)
        points(f"classification.{seed}", make_classification, 8, n_features=6, n_repeated=1, n_informative=3, random_state=seed)
        digests(f"moons.long.{seed}", make_moons, 1000, noise=0.3, random_state=seed)
        digests(f"circles.long.{seed}", make_circles, 500, noise=0.1, factor=0.3, random_state=seed)
        digests(f"blobs.long.{seed}", make_blobs, 200, random_state=seed, return_centers=True)
        digests(f"regression.long.{seed}", make_regression, 500, n_features=3, noise=10, coef=True, random_state=seed)
        digests(f"classification.long.{seed}", make_classification, 400, random_state=seed)
    points("moons.plain", make_moons, 7, shuffle=False)
    points("moons.shuffled", make_moons, 10, random_state=3)
    points("moons.counts", make_moons, (3, 6), noise=0.1, random_state=1)
    points("circles.plain", make_circles, 7, shuffle=False)
    points("circles.counts", make_circles, (4, 2), random_state=1)
    points("blobs.plain", make_blobs, 10, shuffle=False, random_state=0)
    points("blobs.centers", make_blobs, 7, centers=np.array([[0.0, 1, 2], [3, 4, 5]]), cluster_std=[0.5, 2.0], random_state=7)
    points("blobs.counts", make_blobs, [2, 0, 3], n_features=3, random_state=7, return_centers=True)
    points("regression.targets", make_regression, 8, n_features=5, n_informative=3, n_targets=2, bias=4, noise=1, coef=True, random_state=5)
    points("regression.plain", make_regression, 5, n_features=3, shuffle=False, coef=True, random_state=5)
    points("regression.tall", make_regression, 9, n_features=4, effective_rank=2, tail_strength=0.3, coef=True, random_state=5)
    points("regression.wide", make_regression, 4, n_features=6, effective_rank=3, coef=True, random_state=6)
    for rows in range(1, 8):  # the vector product takes rows by fours and columns by fours
        digests(f"regression.rows.{rows}", make_regression, rows, n_features=rows + 4, coef=True, random_state=rows)

    def classification(name, n, **options):
        points(f"classification.{name}", make_classification, n, random_state=4, **options)

    classification("plain", 9, n_features=5, n_redundant=1, shuffle=False)
    classification("one", 10, n_features=1, n_informative=1, n_redundant=0, n_clusters_per_class=1)
    classification("classes", 14, n_features=4, n_informative=3, n_redundant=0, n_classes=3, n_clusters_per_class=1, flip_y=0)
    classification("weights", 20, n_features=2, n_redundant=0, weights=[0.7], flip_y=0.3, class_sep=2.5)
    classification("all_weights", 15, n_features=2, n_redundant=0, n_classes=2, weights=[0.9, 0.4], n_clusters_per_class=1)
    classification("polytope", 12, n_features=3, n_redundant=0, hypercube=False)
    classification("drawn", 10, n_features=3, n_redundant=0, shift=None, scale=None)
    classification("given", 10, n_features=3, n_redundant=0, shift=[1.0, -2, 0.1], scale=[0.3, 3, 1.5])
    for name, dimensions, classes in (("sparse", 9, 2), ("full", 2, 4), ("high", 33, 3)):  # each way to pick corners
        clusters = 1 if name == "full" else 2
        digests(
            f"classification.{name}",
            make_classification,
            40,
            n_features=dimensions,
            n_informative=dimensions,
            n_redundant=0,
            n_classes=classes,
            n_clusters_per_class=clusters,
            random_state=4,
        )


def splits():
    def add_split(name, n, **options):
        train, test = train_test_split(np.arange(n), **options)
        add(f"split.{name}.train", train)
        add(f"split.{name}.test", test)

    labels = np.array([0, 2, 2, 1, 0, 2, 1, 1, 2, 2, 0, 2, 0, 1, 2, 2, 0, 1, 2, 2, 2, 0, 2])
    for seed in SEEDS:
        add_split(f"quarter.{seed}", 23, random_state=seed)
        add_split(f"stratified.{seed}", 23, test_size=0.3, random_state=seed, stratify=labels)
        train, test = train_test_split(np.arange(1000), test_size=0.2, random_state=seed)
        add_digest(f"split.long.{seed}.train", train)
        add_digest(f"split.long.{seed}.test", test)
    add_split("fifth", 23, test_size=0.2, random_state=42)
    add_split("count", 23, test_size=4, random_state=42)
    add_split("train", 23, train_size=0.6, random_state=42)
    add_split("both", 23, train_size=7, test_size=0.3, random_state=42)
    add_split("plain", 23, test_size=0.2, shuffle=False)
    tied = np.arange(24) % 4  # ties, which are drawn
    for seed in SEEDS:
        add_split(f"tied.{seed}", 24, test_size=10, random_state=seed, stratify=tied)

    def add_folds(name, folds):
        """The fold that tests each item."""
        place = None
        for k, (train, test) in enumerate(folds):
            place = np.full(len(train) + len(test), -1) if place is None else place
            assert (place[test] == -1).all() and (np.diff(test) > 0).all() and (np.diff(train) > 0).all()
            place[test] = k
        assert (place >= 0).all()
        add(f"folds.{name}", place)

    def mixed(seed, folds):
        return folds(3, shuffle=True, random_state=seed)

    for seed in SEEDS:
        add_folds(f"shuffled.{seed}", mixed(seed, KFold).split(np.zeros(14)))
        add_folds(f"stratified.{seed}", mixed(seed, StratifiedKFold).split(labels, labels))
    add_folds("plain", KFold().split(np.zeros(13)))
    add_folds("stratified.plain", StratifiedKFold(4).split(labels, labels))
    r = np.random.RandomState(8)
    for folds in (KFold, StratifiedKFold):
        goes_on = mixed(r, folds)
        for i in range(2):
            add_folds(f"state.{folds.__name__}.{i}", goes_on.split(labels, labels))


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
        orders = [torch.cat([batch for (batch,) in loader]) for epoch in range(3)]
        add(f"loader.{name}", torch.stack(orders).numpy())
        add(f"loader.{name}.after", torch.rand((), dtype=torch.float64).numpy())

    for seed in SEEDS:
        torch.manual_seed(seed)
        epochs(f"default.{seed}", DataLoader(numbers, batch_size=5, shuffle=True))
        torch.manual_seed(3)
        generator = torch.Generator().manual_seed(seed)
        epochs(f"generator.{seed}", DataLoader(numbers, batch_size=5, shuffle=True, generator=generator))
        add(f"loader.generator.{seed}.rest", torch.rand((), dtype=torch.float64, generator=generator).numpy())
        torch.manual_seed(seed)
        for i, part in enumerate(random_split(numbers, [10, 7])):
            add(f"random_split.counts.{seed}.{i}", part.indices)
        for i, part in enumerate(random_split(numbers, [0.5, 0.2, 0.3], torch.Generator().manual_seed(seed))):
            add(f"random_split.fractions.{seed}.{i}", part.indices)
    torch.manual_seed(3)
    epochs("drop_last", DataLoader(numbers, batch_size=5, shuffle=True, drop_last=True))
    torch.manual_seed(3)
    epochs("plain", DataLoader(numbers, batch_size=5))


random_state()
synthetic()
splits()
scaler()
loaders()
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "sklearn.txt")
with open(path, "w", encoding="utf-8") as file:
    file.write("\n".join(lines) + "\n")
print(f"{len(lines) - 1} lines, {os.path.getsize(path)} bytes")
