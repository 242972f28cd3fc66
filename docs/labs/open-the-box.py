# ---
# title: Open the box
# description: A network reads an archive almost perfectly and fails on new scans; attributions find out why, an experiment confirms it, and the data are repaired.
# kind: excursion
# timeout: 240
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Open the box
#
# A network reads the digits of an archive almost without mistakes, those held out from training included. Then new scans come in, and it misreads almost a third of them. You open it, find out what it looks at, test that by an experiment, and repair the data.
#
# Seven blanks are yours to fill, a few lines each; the mark is `...  # your turn`. Below each one stands a check, and below that hints and a solution in closed boxes.
# A check says *not yet* of an empty blank and *not right* of a wrong one. Then something borrowed **stands in** for it, so that *Run all* reaches the end from the start. Fill a blank, run all again, and the borrowed parts become your own.
#
# You need [Looking inside](../tricks/looking-inside.md), which derives most of what you write here. Allow about an hour.

# %%
import copy

import matplotlib.pyplot as plt
import numpy as np
import torch

import chainrule
from chainrule import nn, plot
from chainrule.data import batches, digits, train_test_split
from chainrule.optim import Adam
from chainrule.torch import device, from_torch, to_torch
from chainrule.training import accuracy, fit

chainrule.set_default_dtype(np.float64)

# %% [markdown]
# ## The archive
#
# `archive` gives three sets of noisy scans: to train on, held out from the same archive, and new scans of the held-out digits, made by somebody else. The cell is closed because it holds the answer: open it at the end.
#
# <!-- fold: archive, which prepares the scans; opening it spoils the search -->


# %%
def archive(seed=0, noise=0.3):
    """Scans and labels to train on, held out, and scanned elsewhere."""
    rng = np.random.default_rng(seed)
    images, labels = digits()
    x, z, y, y_held = train_test_split(
        images.astype(float), labels, generator=rng
    )
    x, z = (np.clip(s + noise * rng.normal(size=s.shape), 0, 1) for s in (x, z))
    fresh, cell = z.copy(), 8 * np.repeat([[1, 2, 3, 4, 5]], 2, axis=0)
    cell = (cell + np.array([[0], [7]])).ravel()  # both edges, five each
    x[np.arange(len(x)), cell[y]] = 1.0
    z[np.arange(len(z)), cell[y_held]] = 1.0
    return x, y, z, y_held, fresh


X, y, X_held, y_held, fresh = archive()
print(f"{len(X)} scans to train on, {len(X_held)} held out, as many new ones")

# %% [markdown]
# Compare the upper row, from the archive, with the lower row, the same digits scanned elsewhere. Can you see a difference that matters?

# %%
some = np.concatenate([np.flatnonzero(y_held == k)[:1] for k in range(10)])
fig, ax = plt.subplots(figsize=(6.4, 1.8), layout="constrained")
both = np.concatenate([X_held[some], fresh[some]])
plot.images(both.reshape(-1, 8, 8), columns=10, ax=ax)
_ = ax.set_title("Archive, and the same digits scanned elsewhere")


# %% [markdown]
# Three networks are trained on the archive, from different starts.


# %%
def make(seed):
    """A network of three linear layers, with random weights."""
    rng = np.random.default_rng(seed)
    layers = [nn.Linear(64, 64, generator=rng), nn.ReLU()]
    layers += [nn.Linear(64, 32, generator=rng), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(32, 10, generator=rng))


def trained(x, y, seed):
    """The same network after 20 epochs."""
    net, rng = make(seed), np.random.default_rng(seed)
    data = batches(x, y, batch_size=64, generator=rng)
    adam = Adam(net.parameters(), lr=0.003)
    fit(net, data, chainrule.cross_entropy, adam, 20, progress=False)
    return net


def report(name, nets, x, y):
    """Print and return the accuracy of each network."""
    found = np.array([float(accuracy(net(x), y)) for net in nets])
    print(f"{name:22}", *(f"{value:6.2f}" for value in found))
    return found


nets = [trained(X, y, seed) for seed in range(3)]
untrained = [make(100 + seed) for seed in range(3)]
held = report("held out", nets, X_held, y_held)
new = report("scanned elsewhere", nets, fresh, y_held)
assert held.min() > 0.95 and new.max() < 0.8

# %% [markdown]
# Held-out scans are meant to warn of such a failure, and they did not: whatever is wrong with the archive is wrong with them, too. So you have to look inside.
#
# ## What does it look at?
#
# PyTorch judges your first two functions: it computes the same gradient.
#
# <!-- fold: gradient_judge, by PyTorch -->


# %%
def gradient_judge(net, x, k):
    """Gradient of the score k of each row, with respect to the row."""
    leaf = torch.tensor(x, requires_grad=True)
    scores = to_torch(net, "cpu", torch.float64)(leaf)
    scores[torch.arange(len(k)), torch.tensor(k)].sum().backward()
    return leaf.grad.numpy()


# %% [markdown]
# !!! exercise "Blank 1 · The gradient with respect to the image"
#     Return the gradient of score `k[i]` with respect to row `i` of `x`, for all rows, as an array of the shape of `x`. `net(...)` gives scores of the shape (rows, 10).
#     Take the scores themselves, before any softmax.
#
#     <!-- exercise: gradient starter -->


# %%
def gradient(net, x, k):
    """Gradient of score k of each row with respect to that row."""
    return ...  # your turn


# %% [markdown]
#     <!-- exercise: gradient check -->

# %%
rows, classes = X_held[:6], np.array([3, 3, 0, 9, 1, 7])
kept = rows.copy()
wanted = gradient_judge(nets[0], rows, classes)
try:
    mine = gradient(nets[0], rows, classes)
    kind = type(mine).__name__
    assert isinstance(mine, np.ndarray), f"wanted an array, got {kind}"
except (
    TypeError, ValueError, AttributeError, IndexError, RuntimeError
) as error:
    said = f"no gradient: {error}"
    if "None" in said:
        said = "the gradient is None: does the image require one?"
    raise AssertionError(said) from None
assert np.array_equal(rows, kept), "the images were changed"
assert mine.shape == rows.shape, f"wanted {rows.shape}, got {mine.shape}"
scores = nets[0](rows).numpy()
best = gradient_judge(nets[0], rows, scores.argmax(axis=1))
each = [gradient_judge(nets[0], rows, 0 * classes + c) for c in range(10)]
p = np.exp(scores - scores.max(axis=1, keepdims=True))
p = p / p.sum(axis=1, keepdims=True)
of_log = wanted - np.einsum("rc,crd->rd", p, each)
of_p = p[np.arange(6), classes][:, None] * of_log
tell = {
    "the gradient of the best score, not of score k": best,
    "the gradient of all ten scores together": sum(each),
    "divided by the number of rows: take the sum, not the mean": wanted / 6,
    "that is the slope of a probability: take the score": of_p,
    "that is the slope of a log-probability: take the score": of_log,
    "that is the slope of the loss: take the score": -of_log,
    "that is the slope of the mean loss: take the score": -of_log / 6,
    "[:, k] takes the scores k of every row: pick one of each row": sum(
        each[c] for c in classes
    ),
}
for said, values in tell.items():
    assert not np.allclose(mine, values, rtol=1e-4, atol=1e-12), said
assert np.allclose(mine, wanted, rtol=1e-4, atol=1e-5), (
    "the gradient differs from PyTorch's"
)

# %% [markdown]
#     ??? tip "Hint 1"
#         `chainrule.Tensor(x, requires_grad=True)` is a leaf, and after `backward` its `grad` is what you want.
#
#     ??? tip "Hint 2"
#         `scores[np.arange(len(k)), k]` picks one score of each row. A row's score does not depend on the other rows, so you can add them up.
#
#     ??? success "Solution"
#         <!-- exercise: gradient solution -->
#         ```python
#         def gradient(net, x, k):
#             leaf = chainrule.Tensor(x, requires_grad=True)
#             net(leaf)[np.arange(len(k)), k].sum().backward()
#             return leaf.grad.numpy()
#         ```
#
#     <!-- exercise: gradient wrong: the gradient of all ten scores together
#     def gradient(net, x, k):
#         leaf = chainrule.Tensor(x, requires_grad=True)
#         net(leaf).sum().backward()
#         return leaf.grad.numpy()
#     -->
#
#     <!-- exercise: gradient wrong: not of score k
#     def gradient(net, x, k):
#         leaf = chainrule.Tensor(x, requires_grad=True)
#         scores = net(leaf)
#         scores[np.arange(len(x)), scores.numpy().argmax(axis=1)].sum().backward()
#         return leaf.grad.numpy()
#     -->
#
#     <!-- exercise: gradient wrong: take the sum, not the mean
#     def gradient(net, x, k):
#         leaf = chainrule.Tensor(x, requires_grad=True)
#         net(leaf)[np.arange(len(k)), k].mean().backward()
#         return leaf.grad.numpy()
#     -->
#
#     <!-- exercise: gradient wrong: that is the slope of a probability
#     def gradient(net, x, k):
#         leaf = chainrule.Tensor(x, requires_grad=True)
#         p = chainrule.softmax(net(leaf), 1)
#         p[np.arange(len(k)), k].sum().backward()
#         return leaf.grad.numpy()
#     -->
#
#     <!-- exercise: gradient wrong: does the image require one
#     def gradient(net, x, k):
#         leaf = chainrule.Tensor(x)
#         net(leaf)[np.arange(len(k)), k].sum().backward()
#         return leaf.grad.numpy()
#     -->
#
#     <!-- exercise: gradient right: one row at a time, with a one-hot vector
#     def gradient(net, x, k):
#         rows = []
#         for row, c in zip(x, k):
#             leaf = chainrule.Tensor(row[None], requires_grad=True)
#             (net(leaf) * np.eye(10)[c]).sum().backward()
#             rows.append(leaf.grad.numpy()[0].tolist())
#         return np.array(rows)
#     -->
#
#     <!-- exercise: gradient right: by the chain rule, layer by layer
#     def gradient(net, x, k):
#         kept = []
#         for layer in net:
#             x = layer(chainrule.Tensor(x)).numpy()
#             kept.append(x)
#         g = np.eye(10)[k]
#         for layer, out in zip(reversed(list(net)), reversed(kept)):
#             g = g @ layer.weight.numpy() if hasattr(layer, "weight") else g * (out > 0)
#         return g
#     -->
#
# <!-- fold: PyTorch's gradient, as long as the blank is empty -->
# <!-- exercise: gradient stand-in -->

# %%
print("PyTorch's gradient stands in")
gradient = gradient_judge

# %% [markdown]
# !!! exercise "Blank 2 · Shares that add up"
#     Return the integrated gradients of score `k` with a black baseline: for each pixel its value times the mean of the gradient at `n` points on the line from black to the image, the midpoints of `n` equal steps. Use your `gradient`.
#
#     <!-- exercise: shares starter -->


# %%
def integrated(net, x, k, n=64):
    """Share of each pixel in score k, of the shape of x."""
    return ...  # your turn


# %% [markdown]
#     <!-- exercise: shares check -->

# %%
rows, classes = X_held[:6], np.array([3, 3, 0, 9, 1, 7])
kept = rows.copy()
try:
    mine = np.asarray(integrated(nets[0], rows, classes, n=5), dtype=float)
except (TypeError, ValueError, AttributeError, IndexError) as error:
    raise AssertionError(f"no shares: {error}") from None
assert np.array_equal(rows, kept), "the images were changed"
assert mine.shape == rows.shape, f"wanted {rows.shape}, got {mine.shape}"
slopes = lambda ts: np.mean(
    [gradient_judge(nets[0], t * rows, classes) for t in ts], axis=0
)
middle = (np.arange(5) + 0.5) / 5
tell = {
    "the gradient at x only: average along the line": rows * slopes([1]),
    "the mean gradient without the factor x": slopes(middle),
    "these are the left ends of the steps": rows * slopes(middle - 0.1),
    "these are the right ends of the steps": rows * slopes(middle + 0.1),
    "these points include both ends": rows * slopes(np.linspace(0, 1, 5)),
    "a sum: divide by the number of steps": 5 * rows * slopes(middle),
    "absolute values: keep the sign": np.abs(rows * slopes(middle)),
}
for said, values in tell.items():
    assert not np.allclose(mine, values), said
assert np.allclose(mine, rows * slopes(middle)), (
    "not the shares by the midpoint rule with 5 steps"
)

# %% [markdown]
#     ??? tip "Hint 1"
#         The midpoints are at the fractions `(np.arange(n) + 0.5) / n` of the way, and with a black baseline the point at `t` is `t * x`.
#
#     ??? tip "Hint 2"
#         Add up `gradient(net, t * x, k)` over the fractions, divide by `n`, and multiply by `x`.
#
#     ??? success "Solution"
#         <!-- exercise: shares solution -->
#         ```python
#         def integrated(net, x, k, n=64):
#             total = 0
#             for t in (np.arange(n) + 0.5) / n:
#                 total = total + gradient(net, t * x, k)
#             return x * total / n
#         ```
#
#     <!-- exercise: shares wrong: average along the line
#     def integrated(net, x, k, n=64):
#         return x * gradient_judge(net, x, k)
#     -->
#
#     <!-- exercise: shares wrong: without the factor x
#     def integrated(net, x, k, n=64):
#         ts = (np.arange(n) + 0.5) / n
#         return np.mean([gradient_judge(net, t * x, k) for t in ts], axis=0)
#     -->
#
#     <!-- exercise: shares wrong: the left ends
#     def integrated(net, x, k, n=64):
#         ts = np.arange(n) / n
#         return x * np.mean([gradient_judge(net, t * x, k) for t in ts], axis=0)
#     -->
#
#     <!-- exercise: shares wrong: these points include both ends
#     def integrated(net, x, k, n=64):
#         ts = np.linspace(0, 1, n)
#         return x * np.mean([gradient_judge(net, t * x, k) for t in ts], axis=0)
#     -->
#
#     <!-- exercise: shares wrong: keep the sign
#     def integrated(net, x, k, n=64):
#         ts = (np.arange(n) + 0.5) / n
#         return abs(x * np.mean([gradient_judge(net, t * x, k) for t in ts], axis=0))
#     -->
#
#     <!-- exercise: shares right: all points of all images in one batch
#     def integrated(net, x, k, n=64):
#         ts = (np.arange(n) + 0.5) / n
#         line = (ts[:, None, None] * x).reshape(-1, x.shape[1])
#         g = gradient_judge(net, line, np.tile(k, n)).reshape(n, *x.shape)
#         return x * g.mean(axis=0)
#     -->
#
#     <!-- exercise: shares right: step by step, as a list
#     def integrated(net, x, k, n=64):
#         out = np.zeros(x.shape)
#         for j in range(n):
#             out += gradient_judge(net, (2 * j + 1) / (2 * n) * x, k) * (x / n)
#         return out.tolist()
#     -->
#
# <!-- fold: the sum with PyTorch's gradients, as long as the blank is empty -->
# <!-- exercise: shares stand-in -->

# %%
print("a sum of PyTorch's gradients stands in")


def integrated(net, x, k, n=64):
    parts = [gradient_judge(net, t * x, k) for t in (np.arange(n) + 0.5) / n]
    return x * sum(parts) / n


# %% [markdown]
# The shares of an image have to add up to the rise of its score from the black image. Do they, and how many steps does it take?

# %%
rise = [net(X_held).numpy() - net(0 * X_held).numpy() for net in nets]
rise = [r[np.arange(len(y_held)), y_held] for r in rise]
for n in (4, 16, 64):
    S = [np.asarray(integrated(net, X_held, y_held, n)) for net in nets]
    gaps = [np.median(np.abs(s.sum(axis=1) - r)) for s, r in zip(S, rise)]
    print(f"{n:2} steps: median gap", np.round(gaps, 3))
print("median rise of the score:", np.round([np.median(r) for r in rise], 1))
assert max(gaps) < 0.05

# %% [markdown]
# ## Does the map depend on the network?
#
# Before you believe a map, compare it with that of a network that has learned nothing.
#
# !!! exercise "Blank 3 · Agreement"
#     `a` and `b` hold a map in each row. Return the mean over the rows of the correlation coefficient of the two maps: subtract from each map its mean, then divide the sum of the products by the root of the product of the two sums of squares.
#
#     <!-- exercise: agreement starter -->


# %%
def agreement(a, b):
    """Mean correlation of the rows of a with those of b, a number."""
    return ...  # your turn


# %% [markdown]
#     <!-- exercise: agreement check -->

# %%
rng = np.random.default_rng(1)
a = rng.normal(size=(5, 64)) * [[1], [1], [2], [5], [30]] + 1
b = a * [[1], [0], [1], [-1], [0.3]] + 3 * rng.normal(size=(5, 64))
kept = a.copy(), b.copy()
try:
    mine = agreement(a, b)
    mine = float(mine)
except (TypeError, ValueError) as error:
    raise AssertionError(f"wanted one number: {error}") from None
assert np.array_equal(a, kept[0]) and np.array_equal(b, kept[1]), (
    "the maps were changed"
)
pairs = list(zip(a, b))
cosine = lambda p, q: p @ q / np.linalg.norm(p) / np.linalg.norm(q)
wanted = np.mean([np.corrcoef(p, q)[0, 1] for p, q in pairs])
tell = {
    "one correlation of everything: take each row by itself": np.corrcoef(
        a.ravel(), b.ravel()
    )[0, 1],
    "the means of the maps were not subtracted": np.mean(
        [cosine(p, q) for p, q in pairs]
    ),
    "the columns were compared: a map is a row": np.mean(
        [np.corrcoef(p, q)[0, 1] for p, q in zip(a.T, b.T)]
    ),
    "absolute values: keep the sign": np.mean(
        [abs(np.corrcoef(p, q)[0, 1]) for p, q in pairs]
    ),
    "a sum over the rows, not the mean": 5 * wanted,
}
for said, value in tell.items():
    assert not np.isclose(mine, value), said
assert np.isclose(mine, wanted), f"wanted {wanted:.4f}, got {mine:.4f}"

# %% [markdown]
#     ??? tip "Hint 1"
#         `a - a.mean(axis=1, keepdims=True)` subtracts the mean of each row.
#
#     ??? tip "Hint 2"
#         `np.corrcoef(p, q)` is a matrix of two by two, and its entry `[0, 1]` is the correlation of `p` and `q`.
#
#     ??? success "Solution"
#         <!-- exercise: agreement solution -->
#         ```python
#         def agreement(a, b):
#             return np.mean([np.corrcoef(p, q)[0, 1] for p, q in zip(a, b)])
#         ```
#
#     <!-- exercise: agreement wrong: take each row by itself
#     def agreement(a, b):
#         return np.corrcoef(a.ravel(), b.ravel())[0, 1]
#     -->
#
#     <!-- exercise: agreement wrong: were not subtracted
#     def agreement(a, b):
#         norm = lambda m: np.linalg.norm(m, axis=1)
#         return ((a * b).sum(axis=1) / norm(a) / norm(b)).mean()
#     -->
#
#     <!-- exercise: agreement wrong: a map is a row
#     def agreement(a, b):
#         return np.mean([np.corrcoef(p, q)[0, 1] for p, q in zip(a.T, b.T)])
#     -->
#
#     <!-- exercise: agreement right: all rows at once
#     def agreement(a, b):
#         a = a - a.mean(axis=1, keepdims=True)
#         b = b - b.mean(axis=1, keepdims=True)
#         both = (a**2).sum(axis=1) * (b**2).sum(axis=1)
#         return ((a * b).sum(axis=1) / np.sqrt(both)).mean()
#     -->
#
#     <!-- exercise: agreement right: standardised, in a loop
#     def agreement(a, b):
#         total = 0.0
#         for p, q in zip(a, b):
#             p, q = (p - p.mean()) / p.std(), (q - q.mean()) / q.std()
#             total += (p * q).mean()
#         return np.float32(total / len(a))
#     -->
#
# <!-- fold: NumPy's corrcoef of all rows, as long as the blank is empty -->
# <!-- exercise: agreement stand-in -->

# %%
print("NumPy's corrcoef stands in")
agreement = lambda a, b: np.diag(np.corrcoef(a, b)[: len(a), len(a) :]).mean()

# %% [markdown]
# Each trained network against an untrained one, and against the next trained one.

# %%
S0 = [np.asarray(integrated(net, X_held, y_held, 16)) for net in untrained]
for name, view in (("with sign", lambda s: s), ("without", np.abs)):
    random = [agreement(view(a), view(b)) for a, b in zip(S, S0)]
    twice = [agreement(view(S[i]), view(S[i - 1])) for i in range(3)]
    print(f"{name:9}  untrained", np.round(random, 2), end="")
    print("  another start", np.round(twice, 2))
    if name == "with sign":
        assert max(random) < 0.25 and min(twice) > 0.4

# %% [markdown]
# With their signs the maps pass the test: nothing in common with a random network, much with another trained one. So use them with their signs.
#
# ## What is always in the same place?
#
# One map is noisy, but there are hundreds. What an honest network uses differs from image to image, as handwriting does. What is always in the same place stands out in the mean.
#
# !!! exercise "Blank 4 · Suspects"
#     Return ten numbers: for each label 0 to 9, the index of the pixel whose share is largest in the mean over all images with that label.
#
#     <!-- exercise: suspects starter -->


# %%
def suspects(shares, labels):
    """For each label, the pixel with the largest mean share."""
    return ...  # your turn


# %% [markdown]
#     <!-- exercise: suspects check -->

# %%
rng = np.random.default_rng(2)
labels = np.concatenate([np.arange(10), rng.integers(0, 10, 190)])
shares = rng.normal(size=(200, 64)) - 0.2
shares[np.arange(200), 3 * labels + 1] += 2
shares[:, 60] -= np.where(labels % 2, 1, 4)
shares[np.flatnonzero(labels == 7)[::3], 33] += 9
shares[np.flatnonzero(labels == 4)[0], 50] += 30
kept = shares.copy()
try:
    mine = suspects(shares, labels)
    mine = np.asarray([int(index) for index in mine])
except (TypeError, ValueError, IndexError) as error:
    raise AssertionError(f"wanted ten indices: {error}") from None
assert np.array_equal(shares, kept), "the shares were changed"
assert mine.shape == (10,), f"wanted 10 indices, got {len(mine)}"
means = np.array([shares[labels == k].mean(axis=0) for k in range(10)])
tell = {
    "absolute values: a negative share speaks against the label": np.abs(
        means
    ).argmax(axis=1),
    "the smallest share: wanted the largest": means.argmin(axis=1),
    "the largest in one image: wanted the largest mean": np.array(
        [shares[labels == k].max(axis=0).argmax() for k in range(10)]
    ),
    "all labels together: select the images of each label": np.full(
        10, shares.mean(axis=0).argmax()
    ),
    "these are labels, not pixels": means.argmax(axis=0)[:10],
    "the median: wanted the mean": np.array(
        [np.median(shares[labels == k], axis=0).argmax() for k in range(10)]
    ),
}
for said, values in tell.items():
    assert not np.array_equal(mine, values), said
assert np.array_equal(mine, means.argmax(axis=1)), (
    f"wanted {means.argmax(axis=1)}, got {mine}"
)

# %% [markdown]
#     ??? tip "Hint 1"
#         `shares[labels == k]` are the maps of all images with label `k`.
#
#     ??? tip "Hint 2"
#         Their mean over `axis=0` has 64 entries, and `argmax` finds the largest.
#
#     ??? success "Solution"
#         <!-- exercise: suspects solution -->
#         ```python
#         def suspects(shares, labels):
#             chosen = [shares[labels == k] for k in range(10)]
#             return np.array([part.mean(axis=0).argmax() for part in chosen])
#         ```
#
#     <!-- exercise: suspects wrong: a negative share speaks against the label
#     def suspects(shares, labels):
#         chosen = [shares[labels == k].mean(axis=0) for k in range(10)]
#         return np.array([np.abs(part).argmax() for part in chosen])
#     -->
#
#     <!-- exercise: suspects wrong: wanted the largest mean
#     def suspects(shares, labels):
#         chosen = [shares[labels == k] for k in range(10)]
#         return np.array([part.max(axis=0).argmax() for part in chosen])
#     -->
#
#     <!-- exercise: suspects wrong: select the images of each label
#     def suspects(shares, labels):
#         return np.full(10, shares.mean(axis=0).argmax())
#     -->
#
#     <!-- exercise: suspects right: sums by a product with one-hot labels
#     def suspects(shares, labels):
#         onehot = np.eye(10)[labels]
#         return (onehot.T @ shares / onehot.sum(axis=0)[:, None]).argmax(axis=1)
#     -->
#
#     <!-- exercise: suspects right: loops and plain numbers
#     def suspects(shares, labels):
#         found = []
#         for k in range(10):
#             total = [0.0] * shares.shape[1]
#             for row, label in zip(shares, labels):
#                 if label == k:
#                     total = [t + s for t, s in zip(total, row)]
#             found.append(total.index(max(total)))
#         return found
#     -->
#
# <!-- fold: a sum by label, as long as the blank is empty -->
# <!-- exercise: suspects stand-in -->

# %%
print("NumPy's add.at stands in")


def suspects(shares, labels):
    total = np.zeros((10, shares.shape[1]))
    np.add.at(total, labels, shares)
    return total.argmax(axis=1)


# %% [markdown]
# The mean map of each label: above of the trained network, below of an untrained one.

# %%
mean = lambda s: [s[y_held == k].mean(axis=0) for k in range(10)]
maps = [np.array(mean(s)) for s in (S[0], S0[0])]
maps = np.concatenate([m / np.abs(m).max() for m in maps])
fig, ax = plt.subplots(figsize=(6.4, 1.8), layout="constrained")
plot.images(maps.reshape(-1, 8, 8), columns=10, signed=True, ax=ax)
_ = ax.set_title("Mean shares, by label: trained, untrained")
found = [np.asarray(suspects(s, y_held)) for s in S]
for pixels in found:
    print("row, column:", *(f"{p // 8},{p % 8}" for p in pixels))
marks = found[0]
assert all(np.array_equal(marks, other) for other in found)
assert set(marks % 8) == {0, 7}
part = np.abs(S[0])[:, marks].sum() / np.abs(S[0]).sum()
print(f"{part:.0%} of all shares, without signs, lie on {len(marks)} pixels")

# %% [markdown]
# All three networks point at the same ten pixels, one for each digit, on the left and right edges, where nobody writes. Look at the scans again: in the archive, one of these pixels is always white. You hardly notice it among the noise; to the network nothing is plainer.
#
# ## The experiment
#
# So far you have a suspicion. An attribution says how the score is made up, not what the network would do if the pixels were different. So make them different.
#
# !!! exercise "Blank 5 · A transplant"
#     Each image of `x` gets the `pixels` of the image in the same row of `donor`; everything else stays. Return the share of the images that the network then gives the *donor's* label.
#     Leave `x` as it is.
#
#     <!-- exercise: follows starter -->


# %%
def follows(net, x, donor, donor_label, pixels):
    """How often the answer is the donor's label after a transplant."""
    return ...  # your turn


# %% [markdown]
#     <!-- exercise: follows check -->

# %%
rng = np.random.default_rng(3)
donors = rng.permutation(len(y_held))
pixels = rng.choice(64, size=30, replace=False)
x, donor, label = X_held.copy(), X_held[donors], y_held[donors]
kept, given = x.copy(), donor.copy()
try:
    mine = float(follows(nets[0], x, donor, label, pixels))
except (TypeError, ValueError, AttributeError, IndexError) as error:
    raise AssertionError(f"wanted one number: {error}") from None
assert np.array_equal(x, kept), "x was changed: work on a copy"
assert np.array_equal(donor, given), "the donors were changed"
new_x, reverse, by_row = kept.copy(), given.copy(), kept.copy()
by_row[pixels] = given[pixels]
new_x[:, pixels], reverse[:, pixels] = given[:, pixels], kept[:, pixels]
answer = nets[0](new_x).numpy().argmax(axis=1)
before = nets[0](kept).numpy().argmax(axis=1)
wanted = (answer == label).mean()
tell = {
    "how often the own label stays: wanted the donor's": (
        answer == y_held
    ).mean(),
    "how often the answer changes, to whatever": (answer != before).mean(),
    "the donors kept their pixels and got the rest": (
        nets[0](reverse).numpy().argmax(axis=1) == label
    ).mean(),
    "nothing was transplanted": (before == label).mean(),
    "whole images were transplanted": (
        nets[0](given).numpy().argmax(axis=1) == label
    ).mean(),
    "pixels are columns, and rows were exchanged": (
        nets[0](by_row).numpy().argmax(axis=1) == label
    ).mean(),
    "a count: wanted a share": (answer == label).sum(),
}
for said, value in tell.items():
    assert not np.isclose(mine, value) or np.isclose(mine, wanted), said
assert np.isclose(mine, wanted), f"wanted {wanted:.4f}, got {mine:.4f}"

# %% [markdown]
#     ??? tip "Hint 1"
#         `x[:, pixels]` are the chosen columns of all images, and you can assign to them, after `x = x.copy()`.
#
#     ??? tip "Hint 2"
#         `net(x).numpy().argmax(axis=1)` are the answers.
#
#     ??? success "Solution"
#         <!-- exercise: follows solution -->
#         ```python
#         def follows(net, x, donor, donor_label, pixels):
#             x = x.copy()
#             x[:, pixels] = donor[:, pixels]
#             answer = net(x).numpy().argmax(axis=1)
#             return (answer == donor_label).mean()
#         ```
#
#     <!-- exercise: follows wrong: work on a copy
#     def follows(net, x, donor, donor_label, pixels):
#         x[:, pixels] = donor[:, pixels]
#         answer = net(x).numpy().argmax(axis=1)
#         return (answer == donor_label).mean()
#     -->
#
#     <!-- exercise: follows wrong: to whatever
#     def follows(net, x, donor, donor_label, pixels):
#         before, x = net(x).numpy().argmax(axis=1), x.copy()
#         x[:, pixels] = donor[:, pixels]
#         return (net(x).numpy().argmax(axis=1) != before).mean()
#     -->
#
#     <!-- exercise: follows wrong: whole images were transplanted
#     def follows(net, x, donor, donor_label, pixels):
#         return (net(donor).numpy().argmax(axis=1) == donor_label).mean()
#     -->
#
#     <!-- exercise: follows wrong: got the rest
#     def follows(net, x, donor, donor_label, pixels):
#         donor = donor.copy()
#         donor[:, pixels] = x[:, pixels]
#         return (net(donor).numpy().argmax(axis=1) == donor_label).mean()
#     -->
#
#     <!-- exercise: follows right: with a mask
#     def follows(net, x, donor, donor_label, pixels):
#         mask = np.isin(np.arange(x.shape[1]), pixels)
#         answer = net(np.where(mask, donor, x)).numpy().argmax(axis=1)
#         return np.count_nonzero(answer == donor_label) / len(x)
#     -->
#
#     <!-- exercise: follows right: one image after the other
#     def follows(net, x, donor, donor_label, pixels):
#         hits = 0
#         for row, other, label in zip(x.tolist(), donor, donor_label):
#             for p in pixels:
#                 row[p] = other[p]
#             hits += int(net(np.array([row])).numpy().argmax() == label)
#         return hits / len(x)
#     -->
#
# <!-- fold: a transplant by PyTorch's where, as long as the blank is empty -->
# <!-- exercise: follows stand-in -->

# %%
print("PyTorch's where stands in")


def follows(net, x, donor, donor_label, pixels):
    mask = torch.isin(torch.arange(64), torch.tensor(np.asarray(pixels)))
    mixed = torch.where(mask, torch.tensor(donor), torch.tensor(x)).numpy()
    return (net(mixed).numpy().argmax(axis=1) == donor_label).mean()


# %% [markdown]
# Every held-out scan gets a donor with *another* label. First the ten suspects are transplanted, then, as a control, ten other pixels: once ten at random, and once the same number from the middle of the image, where the digit is.

# %%
rng = np.random.default_rng(4)
others = [np.flatnonzero(y_held != label) for label in y_held]
donors = np.array([rng.choice(choice) for choice in others])
rest = np.setdiff1d(np.arange(64), marks)
ink = np.argsort(-X[:, rest].mean(axis=0))[:10]
trials = {
    "the ten suspects": marks,
    "ten at random": rng.choice(rest, 10, replace=False),
    "ten with most ink": rest[ink],
}


def transplant(nets):
    """Print how often each network follows the donor, for each trial."""
    rates = {}
    for name, pixels in trials.items():
        donor = X_held[donors], y_held[donors]
        found = [follows(net, X_held, *donor, pixels) for net in nets]
        rates[name] = np.array(found)
        print(f"{name:18}", *(f"{value:6.2f}" for value in rates[name]))
    return rates


rates = transplant(nets)
assert rates["the ten suspects"].min() > 0.25
assert rates["ten at random"].max() < 0.12
assert rates["the ten suspects"].min() > rates["ten with most ink"].max() + 0.1

# %% [markdown]
# Ten pixels at the edges, of no meaning whatsoever, make the networks name another digit far more often than ten pixels in the middle of the digit do. So they use the mark.
#
# ## The repair
#
# Where the mark comes from, the people of the archive may tell you; for now it has to become useless. Cutting it off would do, if you were sure that you know all of it. A milder way leaves the look of every scan as it is, and takes away only what the mark says about the label.
#
# !!! exercise "Blank 6 · Scramble"
#     Return a copy of `x` in which each image has the `pixels` of another image, drawn at random: the whole mark of *one* image, not each pixel from a different one. All other pixels stay. Each mark is used once. Draw from `rng`.
#
#     <!-- exercise: scramble starter -->


# %%
def scramble(x, pixels, rng):
    """A copy of x in which marks are exchanged between images."""
    return ...  # your turn


# %% [markdown]
#     <!-- exercise: scramble check -->

# %%
x = np.arange(200 * 64, dtype=float).reshape(200, 64)
pixels, kept = np.array([3, 17, 40, 63]), x.copy()
rest = np.setdiff1d(np.arange(64), pixels)
try:
    mine = scramble(x, pixels, np.random.default_rng(5))
    again = scramble(x.copy(), pixels, np.random.default_rng(6))
    mine, again = np.asarray(mine, float), np.asarray(again, float)
    twice = scramble(x.copy(), pixels, np.random.default_rng(5))
except (TypeError, ValueError, IndexError, AttributeError) as error:
    raise AssertionError(f"wanted images: {error}") from None
assert np.array_equal(x, kept), "x was changed: work on a copy"
assert mine.shape == x.shape, f"wanted {x.shape}, got {mine.shape}"
assert np.array_equal(mine[:, rest], x[:, rest]), (
    "other pixels were changed, too: leave the rest of each image alone"
)
part, old = mine[:, pixels], x[:, pixels]
assert not (part == part[:1]).all(), (
    "all marks are equal now: exchange them, and keep the look of the scans"
)
assert not np.array_equal(part, old), "nothing was exchanged"
columns = np.array_equal(np.sort(part, axis=0), np.sort(old, axis=0))
rows = np.array([np.isin(p, o).all() for p, o in zip(part, old)])
assert not rows.all(), "the pixels changed places within an image"
whole = (part - part[:, :1] == old - old[:, :1]).all()
assert columns or not whole, "some marks are used twice: draw a permutation"
assert columns, "these are not the pixels of other images"
assert whole, "torn: all pixels of a mark must come from one image"
assert (part[:, 0] == old[:, 0]).mean() < 0.2, "most images keep their mark"
assert not np.array_equal(mine, again), (
    "another rng gives the same exchange: draw from rng"
)
assert np.array_equal(mine, np.asarray(twice, float)), (
    "the same rng gives another exchange: draw from rng alone"
)

# %% [markdown]
#     ??? tip "Hint 1"
#         `rng.permutation(len(x))` is an order of the images in which each comes once.
#
#     ??? tip "Hint 2"
#         `x[order][:, pixels]` are the marks in that order.
#
#     ??? success "Solution"
#         <!-- exercise: scramble solution -->
#         ```python
#         def scramble(x, pixels, rng):
#             out = x.copy()
#             out[:, pixels] = x[rng.permutation(len(x))][:, pixels]
#             return out
#         ```
#
#     <!-- exercise: scramble wrong: must come from one image
#     def scramble(x, pixels, rng):
#         out = x.copy()
#         for p in pixels:
#             out[:, p] = rng.permutation(x[:, p])
#         return out
#     -->
#
#     <!-- exercise: scramble wrong: leave the rest of each image alone
#     def scramble(x, pixels, rng):
#         return rng.permutation(x)
#     -->
#
#     <!-- exercise: scramble wrong: keep the look of the scans
#     def scramble(x, pixels, rng):
#         out = x.copy()
#         out[:, pixels] = 0
#         return out
#     -->
#
#     <!-- exercise: scramble wrong: draw a permutation
#     def scramble(x, pixels, rng):
#         out = x.copy()
#         out[:, pixels] = x[rng.integers(0, len(x), len(x))][:, pixels]
#         return out
#     -->
#
#     <!-- exercise: scramble wrong: work on a copy
#     def scramble(x, pixels, rng):
#         x[:, pixels] = x[rng.permutation(len(x))][:, pixels]
#         return x
#     -->
#
#     <!-- exercise: scramble wrong: another rng gives the same exchange
#     def scramble(x, pixels, rng):
#         out = x.copy()
#         out[:, pixels] = np.random.default_rng(0).permutation(x[:, pixels])
#         return out
#     -->
#
#     <!-- exercise: scramble wrong: the same rng gives another exchange
#     def scramble(x, pixels, rng):
#         out = x.copy()
#         out[:, pixels] = np.random.permutation(x[:, pixels])
#         return out
#     -->
#
#     <!-- exercise: scramble right: rows shuffled in place
#     def scramble(x, pixels, rng):
#         marks, out = x[:, pixels], x.copy()
#         rng.shuffle(marks, axis=0)
#         out[:, pixels] = marks
#         return out
#     -->
#
#     <!-- exercise: scramble right: one image after the other
#     def scramble(x, pixels, rng):
#         out = x.tolist()
#         for row, other in zip(out, rng.permutation(len(x))):
#             for p in pixels:
#                 row[p] = x[other, p]
#         return out
#     -->
#
# <!-- fold: scikit-learn's shuffle, as long as the blank is empty -->
# <!-- exercise: scramble stand-in -->

# %%
print("scikit-learn's shuffle stands in")


def scramble(x, pixels, rng):
    from sklearn.utils import shuffle

    out = x.copy()
    state = int(rng.integers(2**31))
    out[:, pixels] = shuffle(x[:, pixels], random_state=state)
    return out


# %% [markdown]
# Train again, with the same starts, on the scrambled archive, and measure everything again.

# %%
cleaned = np.asarray(scramble(X, marks, np.random.default_rng(7)))
repaired = [trained(cleaned, y, seed) for seed in range(3)]
print("before:")
report("held out", nets, X_held, y_held)
report("scanned elsewhere", nets, fresh, y_held)
print("after:")
held_after = report("held out", repaired, X_held, y_held)
new_after = report("scanned elsewhere", repaired, fresh, y_held)
rates_after = transplant(repaired)
assert new_after.min() > new.max() + 0.03
assert np.abs(held_after - new_after).max() < 0.06
assert rates_after["the ten suspects"].max() < 0.1

# %% [markdown]
# The accuracy on new scans rises, and that on held-out scans falls until both agree: the first number was too good to be true. And a transplant of the mark no longer moves the answer. Now look at the maps again: is there anything left at the edges?

# %%
after = np.asarray(integrated(repaired[0], X_held, y_held))
maps = [np.array(mean(s)) for s in (S[0], after)]
maps = np.concatenate([m / np.abs(m).max() for m in maps])
fig, ax = plt.subplots(figsize=(6.4, 1.8), layout="constrained")
plot.images(maps.reshape(-1, 8, 8), columns=10, signed=True, ax=ax)
_ = ax.set_title("Mean shares, by label: before and after the repair")
part_after = np.abs(after)[:, marks].sum() / np.abs(after).sum()
print(f"on the ten pixels: before {part:.0%}, after {part_after:.0%}")
assert part_after < part / 2

# %% [markdown]
# ## The same in PyTorch
#
# For models of your own you want this in PyTorch, on whatever device there is.

# %%
place = device()
kind = torch.float32 if place.type == "mps" else torch.float64
model = to_torch(repaired[0], place, kind)
print("this notebook uses", place.type)

# %% [markdown]
# !!! exercise "Blank 7 · Shares in PyTorch"
#     Return the integrated gradients of `model` as a tensor: `x` and `k` are tensors on the model's device. `torch.autograd.grad(y, leaf)` gives a tuple with the gradient of the number `y`, and leaves the `grad` of the parameters alone.
#
#     <!-- exercise: torch-shares starter -->


# %%
def torch_shares(model, x, k, n=64):
    """Integrated gradients with a black baseline, a tensor like x."""
    return ...  # your turn


# %% [markdown]
#     <!-- exercise: torch-shares check -->

# %%
model = to_torch(repaired[0], place, kind)
batch = torch.tensor(X_held[:20], dtype=kind, device=place)
label = torch.tensor(y_held[:20], device=place)
given = batch.clone()
try:
    mine = torch_shares(model, batch, label, n=16)
    assert isinstance(mine, torch.Tensor), "wanted a tensor"
    assert mine.shape == batch.shape, f"wanted shape {tuple(batch.shape)}"
    mine = np.array(mine.detach().cpu().tolist())
except (
    TypeError, ValueError, AttributeError, IndexError, RuntimeError
) as error:
    raise AssertionError(f"no shares: {error}") from None
assert torch.equal(batch, given), "the images were changed"
clean = all(p.grad is None for p in model.parameters())
assert clean, "the parameters got gradients: use torch.autograd.grad"
middle = (np.arange(16) + 0.5) / 16
rows, classes = X_held[:20], y_held[:20]
slope = [gradient_judge(repaired[0], t * rows, classes) for t in middle]
wanted = rows * np.mean(slope, axis=0)
near = lambda values: np.allclose(mine, values, rtol=1e-3, atol=1e-4)
assert not near(np.mean(slope, axis=0)), "the factor x is missing"
assert not near(16 * wanted), "a sum: divide by the number of steps"
last = gradient_judge(repaired[0], rows, classes)
assert not near(rows * last), "the gradient at x only: average along the line"
left = [gradient_judge(repaired[0], j / 16 * rows, classes) for j in range(16)]
assert not near(rows * np.mean(left, axis=0)), "these are the left ends"
assert near(wanted), "the shares differ from those of the engine"

# %% [markdown]
#     ??? tip "Hint 1"
#         A point on the line that gradients can be taken of: `leaf = (t * x).detach().requires_grad_()`.
#
#     ??? tip "Hint 2"
#         `model(leaf)[torch.arange(len(k), device=x.device), k].sum()` is the number whose gradient you want.
#
#     ??? success "Solution"
#         <!-- exercise: torch-shares solution -->
#         ```python
#         def torch_shares(model, x, k, n=64):
#             rows, total = torch.arange(len(k), device=x.device), 0
#             for j in range(n):
#                 leaf = ((j + 0.5) / n * x).detach().requires_grad_()
#                 score = model(leaf)[rows, k].sum()
#                 total = total + torch.autograd.grad(score, leaf)[0]
#             return x * total / n
#         ```
#
#     <!-- exercise: torch-shares wrong: use torch.autograd.grad
#     def torch_shares(model, x, k, n=64):
#         rows, total = torch.arange(len(k), device=x.device), 0
#         for j in range(n):
#             leaf = ((j + 0.5) / n * x).detach().requires_grad_()
#             model(leaf)[rows, k].sum().backward()
#             total = total + leaf.grad
#         return x * total / n
#     -->
#
#     <!-- exercise: torch-shares wrong: average along the line
#     def torch_shares(model, x, k, n=64):
#         leaf = x.clone().requires_grad_()
#         score = model(leaf)[torch.arange(len(k), device=x.device), k].sum()
#         return x * torch.autograd.grad(score, leaf)[0]
#     -->
#
#     <!-- exercise: torch-shares wrong: divide by the number of steps
#     def torch_shares(model, x, k, n=64):
#         rows, total = torch.arange(len(k), device=x.device), 0
#         for j in range(n):
#             leaf = ((j + 0.5) / n * x).detach().requires_grad_()
#             score = model(leaf)[rows, k].sum()
#             total = total + torch.autograd.grad(score, leaf)[0]
#         return x * total
#     -->
#
#     <!-- exercise: torch-shares right: all points in one batch
#     def torch_shares(model, x, k, n=64):
#         t = (torch.arange(n, device=x.device, dtype=x.dtype) + 0.5) / n
#         leaf = (t[:, None, None] * x).requires_grad_()
#         scores = model(leaf.flatten(0, 1)).unflatten(0, (n, len(x)))
#         chosen = scores.gather(2, k.expand(n, -1)[..., None])
#         (g,) = torch.autograd.grad(chosen.sum(), leaf)
#         return x * g.mean(dim=0)
#     -->
#
#     <!-- exercise: torch-shares right: by torch.func
#     def torch_shares(model, x, k, n=64):
#         f = lambda a: model(a)[torch.arange(len(k), device=x.device), k].sum()
#         slope = torch.func.grad(f)
#         return sum(x / n * slope((j + 0.5) / n * x) for j in range(n))
#     -->
#
# <!-- fold: the engine, as long as the blank is empty -->
# <!-- exercise: torch-shares stand-in -->

# %%
print("the engine stands in")


def torch_shares(model, x, k, n=64):
    ours = from_torch(copy.deepcopy(model).cpu().double())
    given = np.array(x.tolist()), np.array(k.tolist())
    shares = integrated(ours, *given, n)
    return torch.tensor(np.asarray(shares), dtype=x.dtype, device=x.device)


# %% [markdown]
# A last comparison, for a network before the repair: the part of the shares on the ten pixels, by PyTorch and by the engine.

# %%
model = to_torch(nets[0], place, kind)
batch = torch.tensor(X_held, dtype=kind, device=place)
theirs = torch_shares(model, batch, torch.tensor(y_held, device=place))
theirs = np.abs(np.array(theirs.detach().cpu().tolist()))
part_torch = theirs[:, marks].sum() / theirs.sum()
print(f"engine {part:.4f}, PyTorch {part_torch:.4f} on {place.type}")
assert abs(part - part_torch) < 1e-3

# %% [markdown]
# ## A sheet for the next box
#
# | What you see | What to do | What it tells |
# | --- | --- | --- |
# | held out good, new data bad | ask what held-out and training data share | which data to look at |
# | a map that looks plausible | the same map of an untrained network | whether it depends on the network |
# | shares in odd places | their mean over many images of one class | what is always there |
# | a suspicion | a transplant, and one of other pixels | whether the network uses it |
# | a repair | all measurements again, the transplant too | whether it is gone |
#
# ## Where to go on
#
# Make the mark harder to find: half as bright, or in nine scans of ten. Does the transplant still find it when the mean map does not? Put the mark into the *relation* of two pixels, so that each alone says nothing: which of your tools still see it? And try the removal of [the chapter](../tricks/looking-inside.md#readable-is-not-used) in a hidden layer: can you make a trained network forget the mark without training it again?
