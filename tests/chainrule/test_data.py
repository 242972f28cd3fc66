"""Data sets: shapes, seeds, what they are known for, origins; splits and batches."""

import hashlib
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from chainrule import Tensor, data

ROOT = pathlib.Path(__file__).parents[2]


def rng(seed=0):
    return np.random.default_rng(seed)


GENERATED = {
    "two_clouds": (lambda g: data.two_clouds(101, generator=g), (101, 2), 2),
    "moons": (lambda g: data.moons(101, generator=g), (101, 2), 2),
    "spirals": (lambda g: data.spirals(99, classes=3, generator=g), (99, 2), 3),
    "xor": (lambda g: data.xor(100, generator=g), (100, 2), 2),
    "mnist1d": (lambda g: data.mnist1d(100, generator=g)[0], (80, 40), 10),
}


@pytest.mark.parametrize("name", GENERATED)
def test_generated_sets(name):
    make, shape, classes = GENERATED[name]
    x, y = make(rng())
    again, other = make(rng()), make(rng(1))
    assert x.shape == shape and x.dtype == np.float32 and y.shape == shape[:1] and y.dtype == np.int64
    assert set(y) == set(range(classes)) and len(set(np.diff(y))) > 1  # all classes, and not in order
    assert np.array_equal(x, again[0]) and np.array_equal(y, again[1]) and not np.array_equal(x, other[0])
    counts = np.bincount(y)
    assert name == "mnist1d" or counts.max() - counts.min() <= 1


def test_two_clouds_lie_apart():
    x, y = data.two_clouds(20_000, distance=3.0, generator=rng())
    centres = [x[y == k].mean(0) for k in (0, 1)]
    assert np.linalg.norm(centres[1] - centres[0]) == pytest.approx(3.0, abs=0.05)
    assert x[y == 0].std(0) == pytest.approx([1.0, 1.0], abs=0.03)


def test_moons_and_spirals_without_noise_lie_on_their_curves():
    x, y = data.moons(200, noise=0.0, generator=rng())
    inside = np.where((y == 1)[:, None], np.array([1.0, 0.5]) - x, x)
    np.testing.assert_allclose(np.linalg.norm(inside, axis=1), 1, rtol=1e-6)
    assert (inside[:, 1] >= -1e-6).all()
    x, y = data.spirals(200, classes=2, turns=1.0, noise=0.0, generator=rng())
    radius, angle = np.linalg.norm(x, axis=1), np.arctan2(x[:, 1], x[:, 0])
    np.testing.assert_allclose(np.cos(angle - 2 * np.pi * (radius + y / 2)), 1, atol=1e-5)


def test_xor_truth_table():
    x, y = data.xor(4, noise=0.0, generator=rng())
    assert {(*point, label) for point, label in zip(x.tolist(), y.tolist(), strict=True)} == {
        (-1, -1, 0), (-1, 1, 1), (1, -1, 1), (1, 1, 0)
    }  # fmt: skip


def test_polynomial():
    x, y = data.polynomial(50, (1.0, 2.0, 3.0), noise=0.0, generator=rng())
    assert (
        x.shape == y.shape == (50, 1) and x.dtype == y.dtype == np.float32 and (np.diff(x[:, 0]) >= 0).all()
    )
    np.testing.assert_allclose(y, 1 + 2 * x + 3 * x**2, rtol=1e-5, atol=1e-5)


def test_mnist1d_is_as_hard_as_published():
    """Logistic regression reaches 32 % in the paper's table 1: well above chance, far below a good model."""
    from sklearn.linear_model import LogisticRegression

    (x, y), (a, b) = data.mnist1d(generator=rng())
    assert x.shape == (4000, 40) and a.shape == (1000, 40)
    everything = np.concatenate([x, a])
    assert everything.mean() == pytest.approx(0, abs=1e-5) and everything.std() == pytest.approx(1, abs=1e-5)
    assert 0.25 < LogisticRegression(max_iter=300).fit(x, y).score(a, b) < 0.40


@pytest.mark.parametrize(
    "name, shape, target",
    [("digits", (1797, 64), (1797,)), ("iris", (150, 4), (150,)), ("breast_cancer", (569, 30), (569,)),
     ("diabetes", (442, 10), (442, 1))],
)  # fmt: skip
def test_bundled_sets(name, shape, target):
    x, y = getattr(data, name)()
    assert x.shape == shape and y.shape == target and x.dtype == np.float32
    assert y.dtype == (np.float32 if name == "diabetes" else np.int64)
    assert name != "digits" or (x.min() == 0 and x.max() == 1)


def test_names():
    names = data.names()
    assert len(names) == len(set(names)) == 5163 and names == sorted(names)
    assert set("".join(names)) == set("abcdefghijklmnopqrstuvwxyz")
    assert {"mary", "james", "aaron"} <= set(names) and max(map(len, names)) == 11


def test_alice():
    text = data.alice()
    assert hashlib.sha256(text.encode()).hexdigest() == (
        "90c43dec3d66aec95ac33def73cce5b938711fd1bd63b9c1d3da8769cdede401"
    )
    lines = text.split("\n")
    assert len(text) == 148_303 and lines[0] == "CHAPTER I" and lines[-2:] == [" " * 29 + "THE END", ""]
    assert text.isascii() and not set("\r\x1a\t") & set(text) and max(map(len, lines)) <= 72
    assert text.count("CHAPTER ") == 12 and text.count("Cheshire") > 5
    assert "gutenberg" not in text.lower() and "Fulcrum" not in text


def test_shakespeare():
    text = data.shakespeare()
    assert hashlib.sha256(text.encode()).hexdigest() == (
        "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
    )
    assert len(text) == 1_115_394 and text.startswith("First Citizen:\nBefore we proceed") and text.isascii()


def test_shakespeare_gpt():
    model, merges, record = data.shakespeare_gpt()
    saved = np.load(ROOT / "src/chainrule/datasets/shakespeare_gpt.npz")
    arrays = b"".join(saved[name].tobytes() for name in sorted(saved) if name != "record")
    assert hashlib.sha256(arrays).hexdigest() == record["sha256"]["weights"]
    assert record["sha256"]["weights"].startswith("b6804b969ca38fa742ea8f4e48c41db1")
    assert record == json.loads((ROOT / "docs/reference/records/shakespeare_gpt.json").read_text())
    assert len(merges) == 256 and all(max(pair) < 256 + i for i, pair in enumerate(merges))
    assert sum(p.numel() for p in model.state_dict().values()) == record["parameters"] == 941_312
    assert {w.dtype for w in model.state_dict().values()} == {np.dtype(np.float32)}
    sentence = np.array([list(b"First Citizen:")])
    assert model(sentence).shape == (1, 14, 512) and record["sha256"]["text"] == (
        hashlib.sha256(data.shakespeare().encode()).hexdigest()
    )


@pytest.mark.parametrize(("share", "count"), [(0, 0), (0.1, 30), (0.333, 100), (1, 300)])
@pytest.mark.parametrize("dtype", [np.int64, np.uint8])
def test_mislabel_changes_exactly_so_many(share, count, dtype):
    y = (np.arange(300) % 4).astype(dtype)
    before = y.copy()
    noisy = data.mislabel(y, share, rng())
    assert (noisy != y).sum() == count and noisy.dtype == dtype and set(noisy) <= set(range(4))
    assert (y == before).all() and noisy is not y
    assert (noisy == data.mislabel(Tensor(y), share, rng())).all(), "the same seed, the same labels"


def test_mislabel_takes_every_other_class_alike():
    noisy = data.mislabel(np.full(30_000, 2), 1.0, rng(), classes=4)
    shares = np.bincount(noisy, minlength=4) / len(noisy)
    np.testing.assert_allclose(shares, [1 / 3, 1 / 3, 0, 1 / 3], atol=0.015)
    where = np.concatenate(
        [np.flatnonzero(data.mislabel(np.zeros(100, int), 0.2, rng(s), 2)) for s in range(300)]
    )
    assert np.bincount(where, minlength=100).min() > 30, "no place is spared"
    assert data.mislabel(np.zeros(0, int), 0.5).shape == (0,)
    assert data.mislabel(np.zeros(5, int), 0.0).tolist() == [0] * 5


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: data.mislabel([0, 1], -0.1), ValueError, r"a share in \[0, 1\], got \(2,\) and -0.1"),
        (lambda: data.mislabel([0, 1], 1.01), ValueError, "and 1.01"),
        (lambda: data.mislabel([0, 1], float("nan")), ValueError, "and nan"),
        (lambda: data.mislabel([[0], [1]], 0.5), ValueError, r"labels \(N,\)"),
        (lambda: data.mislabel([0.0, 1.0], 0.5), TypeError, "labels are integers, got float64"),
        (lambda: data.mislabel([0, 3], 0.5, classes=3), ValueError, "label 3 is out of range, wanted 0 to 2"),
        (lambda: data.mislabel([-1, 1], 0.5), ValueError, "label -1 is out of range"),
        (lambda: data.mislabel([0, 0], 0.5), ValueError, "at least 2 classes to change labels, got 1"),
    ],
)
def test_mislabel_refuses(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


HASHES = {"x_train": "c407c19496b306f5", "y_train": "630a374d65ffe2f3", "x_test": "8d46efb2efae7259",
          "y_test": "86fea14d645de73e"}  # fmt: skip
STROKES = "106c542e969e2df5"


def test_fashion_mnist():
    (x, y), (a, b) = data.fashion_mnist()
    assert x.shape == (6000, 1, 28, 28) and a.shape == (1000, 1, 28, 28) and x.dtype == np.float32
    assert x.min() == 0 and x.max() == 1 and y.dtype == np.int64 and set(y) == set(b) == set(range(10))
    assert len(data.FASHION) == 10 and data.FASHION[y[0]] == "ankle boot"


def test_shipped_files_are_what_data_md_says():
    folder = ROOT / "src/chainrule/datasets"
    with np.load(folder / "fashion_mnist.npz") as saved:
        assert {k: hashlib.sha256(saved[k].tobytes()).hexdigest()[:16] for k in saved} == HASHES
    strokes = np.loadtxt(folder / "mnist1d.txt")
    assert strokes.shape == (10, 12) and hashlib.sha256(strokes.tobytes()).hexdigest()[:16] == STROKES
    text = (ROOT / "DATA.md").read_text()
    for file in folder.iterdir():
        assert file.stat().st_size < 3.5e6
        assert file.name in text, f"{file.name} is not described in DATA.md"
    assert "Zalando" in (folder / "fashion_mnist.LICENSE").read_text()
    for name in (
        "digits",
        "iris",
        "breast_cancer",
        "diabetes",
        "mnist1d",
        "names",
        "alice",
        "shakespeare",
        "fashion_mnist",
    ):
        assert f"{name}" in text


def test_train_test_split():
    x, y = np.arange(40).reshape(20, 2), np.arange(20)
    a, b, c, d = data.train_test_split(x, y, test_size=0.2, generator=rng())
    assert a.shape == (16, 2) and b.shape == (4, 2) and (a[:, 0] == 2 * c).all() and (b[:, 0] == 2 * d).all()
    assert sorted([*c, *d]) == list(range(20)) and list(c) != sorted(c)
    again = data.train_test_split(x, y, test_size=0.2, generator=rng())
    assert np.array_equal(again[3], d)


def test_batches():
    x, y = np.arange(20, dtype=np.float32).reshape(10, 2), np.arange(10)
    loader = data.batches(x, y, batch_size=4, generator=rng())
    epochs = [[(a.numpy(), b.numpy()) for a, b in loader] for _ in range(2)]
    for epoch in epochs:
        assert [len(b) for _, b in epoch] == [4, 4, 2] and len(loader) == 3
        assert all((a[:, 0] == 2 * b).all() for a, b in epoch)
        assert sorted(np.concatenate([b for _, b in epoch])) == list(range(10))
    first, second = (np.concatenate([b for _, b in epoch]).tolist() for epoch in epochs)
    assert first != second
    again = data.batches(x, y, batch_size=4, generator=rng())
    assert [b.tolist() for _, b in again] == [b.tolist() for _, b in epochs[0]]


def test_batches_in_order_and_without_a_rest():
    loader = data.batches(np.arange(10), batch_size=4, shuffle=False, drop_last=True)
    assert [b.tolist() for (b,) in loader] == [[0, 1, 2, 3], [4, 5, 6, 7]] and len(loader) == 2
    (batch,) = next(iter(loader))
    assert isinstance(batch, Tensor)
    batch.numpy()[...] = 0  # a batch is a copy
    assert loader.arrays[0][1] == 1


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: data.batches(np.ones((3, 2)), np.ones(4)), ValueError, r"one length, got shapes \[\(3, 2\), \(4,\)\]"),
        (lambda: data.batches(np.ones((0, 2))), ValueError, "at least one example"),
        (lambda: data.batches(np.ones(3), batch_size=0), ValueError, "got 3 by 0"),
        (lambda: data.batches(np.ones(3), generator=0), TypeError, "default_rng"),
        (lambda: data.batches(), ValueError, "one length"),
        (lambda: data.train_test_split(np.ones(3), test_size=0.0), ValueError, "leaves one side empty"),
        (lambda: data.train_test_split(np.ones(3), np.ones(2)), ValueError, "one length"),
        (lambda: data.moons(generator=3), TypeError, "default_rng"),
    ],
)  # fmt: skip
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_data_needs_numpy_only_until_scikit_learn_is_asked():
    code = "import sys; from chainrule import data; data.moons(10); print('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
