# ---
# title: Train your first classifier
# description: You write the loss, its gradient, the descent and the batches, and sort real tumours into benign and malignant ones.
# kind: excursion
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
# # Train your first classifier
#
# You write every part of a machine that learns to tell two classes apart: the loss, its gradient, the descent, the batches. You check the gradient before you trust it, try the machine on two clouds of points, and then let it sort real tumours into benign and malignant ones that it has never seen.
#
# Seven blanks are yours to fill, a few lines each; the mark is `...  # your turn`. Below each one stands a check, and below that hints and a solution in closed boxes.
# A check says *not yet* of an empty blank and *not right* of a wrong one. Then something borrowed or slow **stands in** for it, so that *Run all* reaches the end from the start. Fill a blank, run all again, and watch the borrowed parts become your own.
#
# You need [Learning from data](../learning/learning-from-data.md) and [Lines and margins](../learning/lines-and-margins.md), and about an hour.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from chainrule import plot
from chainrule.torch import device


def differences(f, x, h=1e-5):
    """Slopes of f at x by centred differences, entry by entry."""
    g = np.zeros(len(x))
    for i, move in enumerate(h * np.eye(len(x))):
        g[i] = (f(x + move) - f(x - move)) / (2 * h)
    return g


g = differences(lambda x: x[0] * x[1] ** 2, np.array([2.0, 3.0]))
print("slopes of x y² at (2, 3):", g.round(6))
assert np.allclose(g, [9, 12])

# %% [markdown]
# `differences` will be the judge of everything you derive: it knows nothing of your algebra. For the product above the paper says $y^2 = 9$ and $2xy = 12$, and so does it.
#
# ## The data: two clouds
#
# A hundred and twenty points of two numbers each, an array of shape (120, 2). Half of them have the label −1, half +1.

# %%
rng = np.random.default_rng(4)
clouds = [rng.normal(side, 1.0, (60, 2)) for side in (-1.3, 1.3)]
points, labels = np.vstack(clouds), np.repeat([-1.0, 1.0], 60)

fig, ax = plt.subplots(figsize=(6.4, 4))
for cloud, name, marker in zip(clouds, ("-1", "+1"), "os"):
    ax.scatter(*cloud.T, s=14, marker=marker, label=f"label {name}")
ax.set(title="Two clouds of points", xlabel="$x_1$", ylabel="$x_2$")
_ = ax.legend()

# %% [markdown]
# ## The model: one straight border
#
# The parameters of the classifier are a weight for each number of a point and a bias, kept in one array `theta`: the weights $w$ first, the bias $b$ last. The **score** of a point $x$ is $z = x \cdot w + b$, and the classifier says +1 where it is positive, −1 elsewhere.
# The **margin** of a point with the label $y$ is $s = y z$: positive where the classifier is right.
# `picture` draws the *field*, that is, what a classifier says at every place, and rings the points on the wrong side. Here is a classifier that nobody has trained.


# %%
def margins(theta, X, y):
    """Margins (n,), for theta (d + 1,), points (n, d) and labels (n,)."""
    return y * (X @ theta[:-1] + theta[-1])


def right(theta, X, y):
    """Share of the points on the right side."""
    return (margins(theta, X, y) > 0).mean()


def picture(theta, X, y, title):
    """Draw the field of a classifier, the points, and its mistakes."""
    fig, ax = plt.subplots(figsize=(6.4, 4))
    z = lambda X: X @ theta[:-1] + theta[-1]
    plot.decision_field(z, X, y, ax=ax).set_title(title)
    wrong = X[margins(theta, X, y) <= 0].T
    ax.scatter(*wrong, s=70, facecolors="none", edgecolors="k")
    names = "label -1", "label +1", "wrong side"
    for marks, name in zip(ax.collections[-3:], names):
        marks.set_label(name)
    ax.legend(loc="lower right")


untrained = np.array([1.0, -0.5, 0.0])
picture(untrained, points, labels, "A border that nobody has trained")
print(f"right: {right(untrained, points, labels):.3f} without training")

# %% [markdown]
# ## The logistic loss, and its slope
#
# The share of right answers has no slope to follow: turn the border slightly, and it almost always stays the same. So we make another number small, the mean of the **logistic loss** $\log(1 + e^{-s})$ of every margin.
#
# !!! exercise "Blank 1 · The logistic loss, and its slope"
#     Write the loss and its derivative with respect to $s$. Both take an array of margins and return an array of the same shape.
#     Beware of a margin of −1000: `exp(1000)` is too large for a float and becomes infinite, but the loss is only 1000.
#
#     <!-- exercise: logistic starter -->


# %%
def logistic(s):
    """log(1 + exp(-s)) for every margin in the array s."""
    return ...  # your turn


def logistic_slope(s):
    """The derivative of logistic, for every margin in the array s."""
    return ...  # your turn


# %% [markdown]
#     <!-- exercise: logistic check -->

# %%
s = np.linspace(-3, 3, 13)
wanted = np.log(1 + np.exp(-s))
assert np.allclose(logistic(s), wanted), "the loss is not log(1 + exp(-s))"
one = lambda s: logistic(s)[0]
wanted = [differences(one, s[[i]])[0] for i in range(len(s))]
assert np.allclose(logistic_slope(s), wanted, atol=1e-7), (
    "the slope differs from what centred differences say"
)
far = np.array([-1000.0])
with np.errstate(over="ignore", invalid="ignore"):
    loss, slope = logistic(far), logistic_slope(far)
said = "at the margin -1000"
assert np.allclose(loss, 1000), f"{said} wanted the loss 1000, got {loss}"
assert np.allclose(slope, -1), f"{said} wanted the slope -1, got {slope}"

# %% [markdown]
#     ??? tip "Hint 1"
#         The derivative is $-1 / (1 + e^{s})$.
#
#     ??? tip "Hint 2"
#         For the loss, look up `np.logaddexp(a, b)`: it gives $\log(e^a + e^b)$ without ever making the large number, and 1 is $e^0$.
#
#     ??? success "Solution"
#         <!-- exercise: logistic solution -->
#         ```python
#         def logistic(s):
#             return np.logaddexp(0, -s)
#
#
#         def logistic_slope(s):
#             return -np.exp(-np.logaddexp(0, s))
#         ```
#
#         The slope is $-1 / (1 + e^{s})$, written with the same trick.
#
#     <!-- exercise: logistic wrong: wanted the loss 1000
#     def logistic(s):
#         return np.log(1 + np.exp(-s))
#
#
#     def logistic_slope(s):
#         return -np.exp(-np.logaddexp(0, s))
#     -->
#
#     <!-- exercise: logistic wrong: the slope differs
#     def logistic(s):
#         return np.logaddexp(0, -s)
#
#
#     def logistic_slope(s):
#         return -np.exp(-np.logaddexp(0, -s))
#     -->
#
#     <!-- exercise: logistic wrong: wanted the slope -1
#     def logistic(s):
#         return np.logaddexp(0, -s)
#
#
#     def logistic_slope(s):
#         return -np.exp(-s) / (1 + np.exp(-s))
#     -->
#
#     <!-- exercise: logistic wrong: the loss is not
#     def logistic(s):
#         return np.logaddexp(0, s)
#
#
#     def logistic_slope(s):
#         return np.exp(-np.logaddexp(0, -s))
#     -->
#
#     <!-- exercise: logistic right: the large part taken out
#     def logistic(s):
#         return np.maximum(0, -s) + np.log1p(np.exp(-np.abs(s)))
#
#
#     def logistic_slope(s):
#         return -1 / (1 + np.exp(np.clip(s, -500, 500)))
#     -->
#
#     <!-- exercise: logistic right: PyTorch's functions
#     def logistic(s):
#         return torch.nn.functional.softplus(torch.tensor(-s)).numpy()
#
#
#     def logistic_slope(s):
#         return -torch.sigmoid(torch.tensor(-s)).numpy()
#     -->
#
# <!-- fold: PyTorch's loss, as long as the blank is empty -->
# <!-- exercise: logistic stand-in -->

# %%
print("PyTorch's loss and centred differences stand in")
log_sigmoid = torch.nn.functional.logsigmoid
logistic = lambda s: -log_sigmoid(torch.tensor(s)).numpy()
logistic_slope = lambda s: (
    (logistic(s + 1e-5) - logistic(s - 1e-5)) / 2e-5
)

# %% [markdown]
# ## The gradient
#
# What descends is the mean of the loss over all $n$ points, each at its margin $s = y\,(x \cdot w + b)$. By the chain rule a point contributes the slope of the loss at its margin, times how its margin moves with $w$ and with $b$.
#
# !!! exercise "Blank 2 · The gradient"
#     Write the gradient for any loss: `slope` is the derivative of the loss, a function like the one above.
#     Return one array, weights first, bias last, as in `theta`.
#
#     <!-- exercise: gradient starter -->


# %%
def gradient(theta, X, y, slope):
    """Gradient (d + 1,) of the mean loss with respect to theta."""
    return ...  # your turn


# %% [markdown]
#     <!-- exercise: gradient check -->

# %%
rng = np.random.default_rng(0)
X, theta = rng.normal(size=(7, 3)), rng.normal(size=4)
y = np.array([1.0, -1, 1, 1, -1, -1, 1])
mine = gradient(theta, X, y, lambda s: 2 * (s - 1))
try:
    mine = np.asarray(mine, dtype=float)
except (TypeError, ValueError):
    raise AssertionError("wanted one array of 4 numbers") from None
assert mine.shape == (4,), f"wanted shape (4,), got {mine.shape}"
square_loss = lambda theta: ((margins(theta, X, y) - 1) ** 2).mean()
wanted = differences(square_loss, theta)
summed = np.allclose(mine, 7 * wanted)
assert not summed, "that is the sum over the points: wanted the mean"
for i in range(4):
    assert abs(mine[i] - wanted[i]) < 1e-7, (
        f"entry {i}: you say {mine[i]:.6f}, "
        f"differences say {wanted[i]:.6f}"
    )

# %% [markdown]
#     ??? tip "Hint 1"
#         The margin moves with $w$ by $y x$ and with $b$ by $y$.
#
#     ??? tip "Hint 2"
#         Compute `pull = slope(s) * y / n` once, an array of shape (n,); then the weights' part is a product of `pull` with `X`.
#
#     ??? success "Solution"
#         <!-- exercise: gradient solution -->
#         ```python
#         def gradient(theta, X, y, slope):
#             pull = slope(margins(theta, X, y)) * y / len(y)
#             return np.append(pull @ X, pull.sum())
#         ```
#
#     <!-- exercise: gradient wrong: the sum over the points
#     def gradient(theta, X, y, slope):
#         pull = slope(margins(theta, X, y)) * y
#         return np.append(pull @ X, pull.sum())
#     -->
#
#     <!-- exercise: gradient wrong: entry 3
#     def gradient(theta, X, y, slope):
#         pull = slope(margins(theta, X, y)) * y / len(y)
#         return np.append(pull @ X, pull.mean())
#     -->
#
#     <!-- exercise: gradient wrong: entry 0
#     def gradient(theta, X, y, slope):
#         pull = slope(margins(theta, X, y)) / len(y)
#         return np.append(pull @ X, pull.sum())
#     -->
#
#     <!-- exercise: gradient wrong: wanted one array
#     def gradient(theta, X, y, slope):
#         pull = slope(margins(theta, X, y)) * y / len(y)
#         return pull @ X, pull.sum()
#     -->
#
#     <!-- exercise: gradient right: a column of ones for the bias
#     def gradient(theta, X, y, slope):
#         columns = np.column_stack([X, np.ones(len(y))])
#         return columns.T @ (slope(y * (columns @ theta)) * y) / len(y)
#     -->
#
#     <!-- exercise: gradient right: point by point
#     def gradient(theta, X, y, slope):
#         total = np.zeros(len(theta))
#         for point, label in zip(X, y):
#             s = label * (point @ theta[:-1] + theta[-1])
#             total[:-1] += slope(np.array([s]))[0] * label * point
#             total[-1] += slope(np.array([s]))[0] * label
#         return total / len(y)
#     -->
#
# <!-- fold: PyTorch's backward, as long as the blank is empty -->
# <!-- exercise: gradient stand-in -->

# %%
print("PyTorch's backward stands in")


def gradient(theta, X, y, slope):
    p = torch.tensor(theta, requires_grad=True)
    s = margins(p, torch.tensor(X), torch.tensor(y))
    s.backward(torch.tensor(slope(s.detach().numpy()) / len(y)))
    return p.grad.numpy()


# %% [markdown]
# The check used another loss than yours, the squared one, so it says nothing about blank 1. Here are both together, the gradient that will really be used, compared with differences of the loss.

# %%
mean_loss = lambda theta: logistic(margins(theta, points, labels)).mean()
by_rule = gradient(untrained, points, labels, logistic_slope)
by_differences = differences(mean_loss, untrained)
for name, *pair in zip(("w₁", "w₂", "b"), by_rule, by_differences):
    print(f"{name}: rule {pair[0]:+.6f}, differences {pair[1]:+.6f}")
assert np.allclose(by_rule, by_differences, atol=1e-7)

# %% [markdown]
# ## Batch descent
#
# Begin somewhere, and go against the gradient of *all* points, step after step: each step takes `lr` times the gradient away from the parameters; `lr` is the step size, or learning rate.
#
# !!! exercise "Blank 3 · Batch descent"
#     Return the whole path: the array that you are given, and a new array of parameters after each step, `steps + 1` in all.
#
#     <!-- exercise: descend starter -->


# %%
def descend(theta, X, y, slope, lr, steps):
    """The parameters before the first step and after each step."""
    return ...  # your turn


# %% [markdown]
#     <!-- exercise: descend check -->

# %%
X, y = np.array([[1.0], [2.0]]), np.array([-1.0, 1.0])
start = np.zeros(2)
path = descend(start, X, y, lambda s: 2 * (s - 1), 0.1, 3)
assert np.ndim(path) == 2, "wanted a list of arrays"
assert len(path) == 4, f"wanted 4 points of the path, got {len(path)}"
assert not start.any(), (
    "the start was changed: make a new array in each step"
)
wanted = np.array([[0, 0], [0.1, 0], [0.15, -0.03], [0.184, -0.069]])
assert not np.allclose(path[1], -wanted[1]), (
    "uphill: a step goes against the gradient"
)
assert np.allclose(path, wanted), (
    f"wanted\n{wanted}, got\n{np.array(path)}"
)

# %% [markdown]
#     ??? tip "Hint 1"
#         Inside the loop: `theta = theta - lr * gradient(...)`, and append it.
#
#     ??? tip "Hint 2"
#         With `theta -= ...` you would change one array again and again, and the list would hold it many times.
#
#     ??? success "Solution"
#         <!-- exercise: descend solution -->
#         ```python
#         def descend(theta, X, y, slope, lr, steps):
#             path = [theta]
#             for _ in range(steps):
#                 theta = theta - lr * gradient(theta, X, y, slope)
#                 path.append(theta)
#             return path
#         ```
#
#     <!-- exercise: descend wrong: uphill
#     def descend(theta, X, y, slope, lr, steps):
#         path = [theta]
#         for _ in range(steps):
#             theta = theta + lr * gradient(theta, X, y, slope)
#             path.append(theta)
#         return path
#     -->
#
#     <!-- exercise: descend wrong: the start was changed
#     def descend(theta, X, y, slope, lr, steps):
#         path = [theta]
#         for _ in range(steps):
#             theta -= lr * gradient(theta, X, y, slope)
#             path.append(theta)
#         return path
#     -->
#
#     <!-- exercise: descend wrong: wanted 4 points of the path
#     def descend(theta, X, y, slope, lr, steps):
#         path = []
#         for _ in range(steps):
#             theta = theta - lr * gradient(theta, X, y, slope)
#             path.append(theta)
#         return path
#     -->
#
#     <!-- exercise: descend wrong: wanted a list
#     def descend(theta, X, y, slope, lr, steps):
#         for _ in range(steps):
#             theta = theta - lr * gradient(theta, X, y, slope)
#         return theta
#     -->
#
#     <!-- exercise: descend right: in one array, row by row
#     def descend(theta, X, y, slope, lr, steps):
#         path = np.zeros((steps + 1, len(theta)))
#         path[0] = theta
#         for k in range(steps):
#             path[k + 1] = path[k] - lr * gradient(path[k], X, y, slope)
#         return path
#     -->
#
#     <!-- exercise: descend right: by accumulate
#     import itertools
#
#
#     def descend(theta, X, y, slope, lr, steps):
#         step = lambda theta, _: theta - lr * gradient(theta, X, y, slope)
#         return list(itertools.accumulate(range(steps), step, initial=theta))
#     -->
#
# <!-- fold: PyTorch's optimiser, as long as the blank is empty -->
# <!-- exercise: descend stand-in -->

# %%
print("PyTorch's optimiser stands in")


def descend(theta, X, y, slope, lr, steps):
    path, p = [theta], torch.tensor(theta)
    optimizer = torch.optim.SGD([p], lr=lr)
    for _ in range(steps):
        p.grad = torch.tensor(gradient(path[-1], X, y, slope))
        optimizer.step()
        path.append(p.numpy().copy())
    return path


# %% [markdown]
# Now train on the clouds. Look at the loss: where does it fall fastest? And at the field: did the border find its place?


# %%
def chart(curves, title, xlabel):
    """Draw loss curves by name, each begun at 0."""
    fig, ax = plt.subplots(figsize=(6.4, 3.2))
    for name, curve in curves.items():
        ax.plot(curve, label=name)
    ax.set(title=title, xlabel=xlabel, ylabel="mean loss")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend()


def losses(path, X, y, loss):
    """Mean loss at every point of a path."""
    return [loss(margins(theta, X, y)).mean() for theta in path]


path = descend(
    untrained, points, labels, logistic_slope, lr=0.5, steps=60
)
history = losses(path, points, labels, logistic)
chart({"logistic": history}, "Sixty steps of descent", "step")
print(f"mean loss from {history[0]:.3f} to {history[-1]:.3f}")
assert history[-1] < history[0] / 2
assert max(np.diff(history)) < 0

# %%
picture(path[-1], points, labels, "The border after sixty steps")
print(f"right: {right(path[-1], points, labels):.3f}")
assert right(path[-1], points, labels) > 0.94

# %% [markdown]
# The loss fell in every step, at first steeply. A few points stay on the wrong side, for the clouds overlap.
#
# ## Mini-batches
#
# With many points a step on all of them is expensive. A step on a few costs little, and on average over random choices it goes the same way. One pass over all points, in batches, is an **epoch**.
#
# !!! exercise "Blank 4 · One epoch"
#     Put the points in random order, cut them into batches of `size` (the last may be smaller), and make one step on each.
#     `rng.permutation(n)` gives a random order; a step is `descend(..., steps=1)[-1]`, or your own line.
#
#     <!-- exercise: epoch starter -->


# %%
def epoch(theta, X, y, slope, lr, size, rng):
    """The parameters after one epoch of mini-batches."""
    return ...  # your turn


# %% [markdown]
#     <!-- exercise: epoch check -->

# %%
X, y, rng = np.eye(10), np.ones(10), np.random.default_rng(0)
y[::2] = -1.0
push = lambda s: -np.ones(len(s))
ends = [epoch(np.zeros(11), X, y, push, 1.0, 4, rng) for _ in range(5)]
assert np.shape(ends) == (5, 11), "wanted the parameters, one array"
unused = {int((end[:-1] == 0).sum()) for end in ends}
assert unused != {2}, "the last batch is smaller, and must be used, too"
assert unused == {0}, f"points were never used in an epoch: {unused}"
moved = ends[0][:-1]
assert np.array_equal(np.sign(moved), y), (
    "a point met another point's label: X and y need one order"
)
assert sorted(abs(moved).round(9)) == [0.25] * 8 + [0.5] * 2, (
    "wanted each point once, in batches of 4, 4 and 2"
)
assert len({tuple(end) for end in ends}) > 1, (
    "five epochs, and every time the same order"
)
X, y = np.zeros((2, 1)), np.ones(2)
end = epoch(np.zeros(2), X, y, lambda s: s - 1, 0.5, 1, rng)
assert np.isclose(end[1], 0.75), (
    "the second batch must begin where the first has ended"
)

# %% [markdown]
#     ??? tip "Hint 1"
#         Draw one order, and use it for `X` and for `y`.
#
#     ??? tip "Hint 2"
#         `for k in range(0, len(y), size): rows = order[k : k + size]`. A slice that reaches beyond the end stops there.
#
#     ??? success "Solution"
#         <!-- exercise: epoch solution -->
#         ```python
#         def epoch(theta, X, y, slope, lr, size, rng):
#             order = rng.permutation(len(y))
#             for k in range(0, len(y), size):
#                 rows = order[k : k + size]
#                 theta = theta - lr * gradient(theta, X[rows], y[rows], slope)
#             return theta
#         ```
#
#     <!-- exercise: epoch wrong: points were never used
#     def epoch(theta, X, y, slope, lr, size, rng):
#         order = rng.integers(len(y), size=len(y))
#         for k in range(0, len(y), size):
#             rows = order[k : k + size]
#             theta = theta - lr * gradient(theta, X[rows], y[rows], slope)
#         return theta
#     -->
#
#     <!-- exercise: epoch wrong: every time the same order
#     def epoch(theta, X, y, slope, lr, size, rng):
#         order = np.arange(len(y))
#         for k in range(0, len(y), size):
#             rows = order[k : k + size]
#             theta = theta - lr * gradient(theta, X[rows], y[rows], slope)
#         return theta
#     -->
#
#     <!-- exercise: epoch wrong: the last batch is smaller
#     def epoch(theta, X, y, slope, lr, size, rng):
#         order = rng.permutation(len(y))
#         for k in range(0, len(y) - size + 1, size):
#             rows = order[k : k + size]
#             theta = theta - lr * gradient(theta, X[rows], y[rows], slope)
#         return theta
#     -->
#
#     <!-- exercise: epoch wrong: a point met another
#     def epoch(theta, X, y, slope, lr, size, rng):
#         order = rng.permutation(len(y))
#         for k in range(0, len(y), size):
#             rows = order[k : k + size]
#             theta = theta - lr * gradient(theta, X[rows], y[k : k + size], slope)
#         return theta
#     -->
#
#     <!-- exercise: epoch wrong: the second batch must
#     def epoch(theta, X, y, slope, lr, size, rng):
#         order = rng.permutation(len(y))
#         for k in range(0, len(y), size):
#             rows = order[k : k + size]
#             theta = theta - lr * gradient(0 * theta, X[rows], y[rows], slope)
#         return theta
#     -->
#
#     <!-- exercise: epoch right: the order split at once, and steps of descend
#     def epoch(theta, X, y, slope, lr, size, rng):
#         cuts = range(size, len(y), size)
#         for rows in np.split(rng.permutation(len(y)), cuts):
#             theta = descend(theta, X[rows], y[rows], slope, lr, 1)[-1]
#         return theta
#     -->
#
#     <!-- exercise: epoch right: a shuffled list, taken from its end
#     def epoch(theta, X, y, slope, lr, size, rng):
#         left = list(range(len(y)))
#         rng.shuffle(left)
#         while left:
#             rows, left = left[:size], left[size:]
#             theta = theta - lr * gradient(theta, X[rows], y[rows], slope)
#         return theta
#     -->
#
# <!-- fold: PyTorch's DataLoader, as long as the blank is empty -->
# <!-- exercise: epoch stand-in -->

# %%
print("PyTorch's DataLoader stands in")


def epoch(theta, X, y, slope, lr, size, rng):
    seed = torch.Generator().manual_seed(int(rng.integers(1000)))
    loader = torch.utils.data.DataLoader
    for rows in loader(
        range(len(y)), size, shuffle=True, generator=seed
    ):
        rows = rows.numpy()
        theta = theta - lr * gradient(theta, X[rows], y[rows], slope)
    return theta


# %% [markdown]
# Batch descent makes one step in an epoch, mini-batches of ten make twelve. With the same step size, compare where they are after the same number of epochs, that is, after looking at every point equally often.


# %%
def train(X, y, slope, lr, epochs, size, seed=0):
    """Parameters before the first and after each epoch, begun at zero."""
    rng, path = np.random.default_rng(seed), [np.zeros(X.shape[1] + 1)]
    for _ in range(epochs):
        path.append(epoch(path[-1], X, y, slope, lr, size, rng))
    return path


curves = {}
for name, size in (("batch", 120), ("mini-batch", 10)):
    path = train(
        points, labels, logistic_slope, lr=0.1, epochs=20, size=size
    )
    curves[name] = losses(path, points, labels, logistic)
    print(f"{name}: loss {curves[name][-1]:.3f} after 20 epochs")
chart(curves, "The same looks at the data", "epoch")
assert curves["mini-batch"][-1] < curves["batch"][-1]

# %% [markdown]
# ## The hinge
#
# The logistic loss is never satisfied: it pulls at every point, however right it is. The **hinge** loss, $\max(0, 1 - s)$, asks for a margin of 1 and then leaves the point alone.
#
# !!! exercise "Blank 5 · The hinge"
#     Write it, and its slope, both for an array of margins. At $s = 1$ it has a kink and no derivative; there −1, 0 or anything between will do.
#
#     <!-- exercise: hinge starter -->


# %%
def hinge(s):
    """The larger of 0 and 1 - s, for every margin in the array s."""
    return ...  # your turn


def hinge_slope(s):
    """The derivative of hinge, for every margin in the array s."""
    return ...  # your turn


# %% [markdown]
#     <!-- exercise: hinge check -->

# %%
s = np.array([-2.0, 0.0, 0.9, 1.1, 5.0])
wanted = np.array([3.0, 1.0, 0.1, 0.0, 0.0])
try:
    mine, slope = np.asarray(hinge(s)), np.asarray(hinge_slope(s))
except ValueError:
    raise AssertionError("it must take a whole array of margins") from None
assert mine.shape == slope.shape == s.shape, "wanted an array like s"
assert np.allclose(mine, wanted), f"the loss: wanted {wanted}, got {mine}"
one = lambda s: hinge(s)[0]
wanted = [differences(one, s[[i]])[0] for i in range(len(s))]
assert np.allclose(slope, wanted), (
    f"slopes: differences say {np.round(wanted, 6)}, you say {slope}"
)

# %% [markdown]
#     ??? tip "Hint 1"
#         `np.maximum` compares entry by entry.
#
#     ??? tip "Hint 2"
#         `s < 1` is an array of True and False, and becomes numbers when it is multiplied.
#
#     ??? success "Solution"
#         <!-- exercise: hinge solution -->
#         ```python
#         def hinge(s):
#             return np.maximum(0, 1 - s)
#
#
#         def hinge_slope(s):
#             return -1.0 * (s < 1)
#         ```
#
#     <!-- exercise: hinge wrong: the loss: wanted
#     def hinge(s):
#         return np.maximum(0, -s)
#
#
#     def hinge_slope(s):
#         return -1.0 * (s < 1)
#     -->
#
#     <!-- exercise: hinge wrong: slopes: differences say
#     def hinge(s):
#         return np.maximum(0, 1 - s)
#
#
#     def hinge_slope(s):
#         return 1.0 * (s < 1)
#     -->
#
#     <!-- exercise: hinge wrong: a whole array
#     def hinge(s):
#         return max(0, 1 - s)
#
#
#     def hinge_slope(s):
#         return -1.0 if s < 1 else 0.0
#     -->
#
#     <!-- exercise: hinge right: by np.where
#     def hinge(s):
#         return np.where(s < 1, 1 - s, 0)
#
#
#     def hinge_slope(s):
#         return np.where(s <= 1, -1, 0)
#     -->
#
#     <!-- exercise: hinge right: half the sum with the absolute value
#     def hinge(s):
#         return (1 - s + abs(1 - s)) / 2
#
#
#     def hinge_slope(s):
#         return (np.sign(s - 1) - 1) / 2
#     -->
#
# <!-- fold: PyTorch's ranking loss, as long as the blank is empty -->
# <!-- exercise: hinge stand-in -->

# %%
print("PyTorch's ranking loss and centred differences stand in")
ranking = torch.nn.functional.margin_ranking_loss


def hinge(s):
    s, zero = torch.tensor(s), torch.zeros(len(s))
    return ranking(s, zero, zero + 1, 1.0, reduction="none").numpy()


hinge_slope = lambda s: (hinge(s + 1e-5) - hinge(s - 1e-5)) / 2e-5

# %% [markdown]
# Train with both losses from the same start. Which share is right, and how many points still pull at the border in the end?

# %%
ends = {}
for name, slope in (("hinge", hinge_slope), ("logistic", logistic_slope)):
    path = descend(np.zeros(3), points, labels, slope, lr=0.5, steps=400)
    ends[name] = theta = path[-1]
    pulling = (slope(margins(theta, points, labels)) != 0).sum()
    share = right(theta, points, labels)
    print(f"{name:8}  right {share:.3f}, {pulling:3} of 120 points pull")
    print(f"{'':8}  w and b: {theta.round(2)}")
    assert share > 0.94

# %%
picture(ends["hinge"], points, labels, "The border of the hinge")
w, v = (ends[name][:2] for name in ("hinge", "logistic"))
turn = np.degrees(np.arccos(w @ v / np.linalg.norm(w) / np.linalg.norm(v)))
print(f"between the two borders: {turn:.1f} degrees")
near = margins(ends["hinge"], points, labels) < 1.1
few = descend(
    np.zeros(3), points[near], labels[near], hinge_slope, 0.1, 4000
)[-1]
print(f"{near.sum()} points alone give w and b: {few.round(2)}")
assert turn < 5 and np.allclose(few, ends["hinge"], atol=0.1)

# %% [markdown]
# Two losses, and nearly the same border. With the hinge the ten points with a margin below 1.1 find it alone: a point beyond 1 has slope 0 and adds nothing to the gradient, so the other 110 may go.
#
# ## Real data: tumours
#
# Scikit-learn brings 569 tumours, each described by 30 measurements of its cell nuclei ([Street, Wolberg and Mangasarian 1993](../reference/bibliography.md#street1993)). We give the label +1 to the malignant ones, which are what one looks for; in [chapter](../learning/learning-from-data.md) it was the other way round.
# What counts is the score on tumours that were **not** used for training, so a quarter of them is set aside at once, as the test set.

# %%
cells, benign = load_breast_cancer(return_X_y=True)
kinds = np.where(benign == 1, -1.0, 1.0)
order = np.random.default_rng(0).permutation(len(kinds))
held, kept = order[:142], order[142:]
print(f"{len(kept)} to train on, {len(held)} held out")
share = (kinds[held] < 0).mean()
print(f"malignant: {(kinds > 0).mean():.3f} of all")
print(f"always saying benign: right on {share:.3f} of those held out")
smallest, largest = cells.std(axis=0).min(), cells.std(axis=0).max()
print(f"deviations of the measurements: {smallest:.4f} to {largest:.0f}")

# %% [markdown]
# ## One scale for all
#
# Some measurements vary by hundreds and others by thousandths. For descent that is a ravine: a step that is right for one weight is wrong for the other. So bring every column to mean 0 and standard deviation 1.
#
# !!! exercise "Blank 6 · One scale for all"
#     Return both arrays with their columns on one scale.
#     The rows held out must stay unseen, and a mean tells something about every row it was taken of. Which rows may the means and the deviations come from?
#
#     <!-- exercise: standardise starter -->


# %%
def standardise(train, test):
    """Both arrays with columns on one scale."""
    return ..., ...  # your turn


# %% [markdown]
#     <!-- exercise: standardise check -->

# %%
rng = np.random.default_rng(0)
train = rng.normal(5, [1, 100], (50, 2))
mine, other = standardise(train, train[:3] + 7)
assert np.allclose(mine.mean(axis=0), 0), (
    "training columns: wanted mean 0"
)
assert np.allclose(mine.std(axis=0), 1), (
    "training columns: wanted deviation 1, as np.std computes it"
)
assert np.allclose(other - mine[:3], 7 / train.std(axis=0)), (
    "the rows held out must be scaled by what the training rows say"
)

# %% [markdown]
#     ??? tip "Hint 1"
#         Two arrays, one mean, one deviation: those of `train`.
#
#     ??? tip "Hint 2"
#         One mean for each column: `axis=0`.
#
#     ??? success "Solution"
#         <!-- exercise: standardise solution -->
#         ```python
#         def standardise(train, test):
#             mean, deviation = train.mean(axis=0), train.std(axis=0)
#             return (train - mean) / deviation, (test - mean) / deviation
#         ```
#
#     <!-- exercise: standardise wrong: the rows held out must
#     def standardise(train, test):
#         own = lambda X: (X - X.mean(axis=0)) / X.std(axis=0)
#         return own(train), own(test)
#     -->
#
#     <!-- exercise: standardise wrong: wanted deviation 1
#     def standardise(train, test):
#         mean, deviation = train.mean(axis=0), train.var(axis=0)
#         return (train - mean) / deviation, (test - mean) / deviation
#     -->
#
#     <!-- exercise: standardise wrong: wanted mean 0
#     def standardise(train, test):
#         mean, deviation = train.mean(), train.std(axis=0)
#         return (train - mean) / deviation, (test - mean) / deviation
#     -->
#
#     <!-- exercise: standardise right: scikit-learn's scaler
#     def standardise(train, test):
#         scaler = StandardScaler()
#         return scaler.fit_transform(train), scaler.transform(test)
#     -->
#
#     <!-- exercise: standardise right: column by column
#     def standardise(train, test):
#         new = np.empty(train.shape), np.empty(test.shape)
#         for k, column in enumerate(train.T):
#             mean = column.sum() / len(column)
#             deviation = (((column - mean) ** 2).sum() / len(column)) ** 0.5
#             for out, rows in zip(new, (train, test)):
#                 out[:, k] = (rows[:, k] - mean) / deviation
#         return new
#     -->
#
# <!-- fold: scikit-learn's scaler, as long as the blank is empty -->
# <!-- exercise: standardise stand-in -->

# %%
print("scikit-learn's scaler stands in")


def standardise(train, test):
    scaler = StandardScaler().fit(train)
    return scaler.transform(train), scaler.transform(test)


# %% [markdown]
# Everything is ready: the same functions, with 31 parameters in the place of 3. Look at the score on the tumours held out, and at the malignant ones among them that were missed.

# %%
X_train, X_held = standardise(cells[kept], cells[held])
y_train, y_held = kinds[kept], kinds[held]
curves, found = {}, {}
for name, loss, slope in (
    ("logistic", logistic, logistic_slope),
    ("hinge", hinge, hinge_slope),
):
    path = train(X_train, y_train, slope, lr=0.005, epochs=20, size=16)
    curves[name], found[name] = (
        losses(path, X_train, y_train, loss),
        path[-1],
    )
    said = np.where(
        margins(path[-1], X_held, y_held) > 0, y_held, -y_held
    )
    missed = ((said < 0) & (y_held > 0)).sum()
    alarms = ((said > 0) & (y_held < 0)).sum()
    print(
        f"{name:8}  right: {right(path[-1], X_train, y_train):.3f}",
        end=" ",
    )
    print(f"in training, {right(path[-1], X_held, y_held):.3f} held out")
    print(f"{'':8}  held out: {missed} missed, false alarms: {alarms}")
    assert right(path[-1], X_held, y_held) > 0.93
chart(curves, "Training on tumours", "epoch")

# %% [markdown]
# Do not compare the two curves with each other: they show different losses. The scores can be compared.
# Here are the scores $z$ of the tumours held out, by the logistic loss. What lies on the wrong side of 0 is a missed one or a false alarm.

# %%
z = X_held @ found["logistic"][:-1] + found["logistic"][-1]
spread = {"benign": z[y_held < 0], "malignant": z[y_held > 0]}
ax = plot.histogram(spread, bins=np.linspace(-6, 8, 29))
ax.axvline(0, color="k", linestyle="--")
_ = ax.set(title="Scores of the tumours held out", xlabel="score z")

# %% [markdown]
# The border need not stand at 0. If a missed tumour is worse than a false alarm, move it to the left; how far is for people to say, not for the loss.
#
# ## A knob: the step size
#
# Everything is fixed but one number. Guess first: what will a step size ten thousand times as large do to the loss, and what to the score? Then turn it, and add values of your own. The batch size is a second knob.

# %%
curves = {}
for lr in (0.0001, 0.001, 0.01, 0.1, 1.0):
    path = train(
        X_train, y_train, logistic_slope, lr=lr, epochs=20, size=16
    )
    curves[f"lr {lr}"] = losses(path, X_train, y_train, logistic)
    print(f"lr {lr:<6}  held out {right(path[-1], X_held, y_held):.3f}", end="")
    print(f", training loss {curves[f'lr {lr}'][-1]:.3f}")
chart(curves, "One knob: the step size", "epoch")

# %% [markdown]
# If you now took the step size with the best score held out, that score would no longer be honest: the rows would have helped to choose. That is what the validation set of [chapter](../learning/learning-from-data.md#real-data-honest-scores) is for.
#
# ## The same in PyTorch
#
# PyTorch derives the gradient by itself, so of all your blanks only the loss is left.
#
# !!! exercise "Blank 7 · The loss in PyTorch"
#     Write the mean logistic loss of scores `z` and labels `y`, both tensors of shape (n,), with operations of PyTorch.
#
#     <!-- exercise: torch-loss starter -->


# %%
def torch_loss(z, y):
    """Mean logistic loss: one number, from tensors z (n,) and y (n,)."""
    return ...  # your turn


# %% [markdown]
#     <!-- exercise: torch-loss check -->

# %%
z = torch.tensor([2.0, -1.0, -200.0], requires_grad=True)
y = torch.tensor([1.0, 1.0, 1.0])
mine = torch_loss(z, y)
assert isinstance(mine, torch.Tensor), "wanted a tensor"
assert mine.shape == (), (
    f"wanted one number, got shape {tuple(mine.shape)}"
)
wanted = np.logaddexp(0, [-2.0, 1.0, 200.0]).mean()
got = mine.item()
assert abs(got - 3 * wanted) > 1e-3, "that is the sum: wanted the mean"
assert np.isfinite(got), "the loss overflows at the margin -200"
assert abs(got - wanted) < 1e-4, f"wanted {wanted:.4f}, got {got:.4f}"
mine.backward()
assert z.grad.isfinite().all(), "the gradient overflows"
flipped = torch_loss(-z.detach(), -y).item()
assert abs(flipped - wanted) < 1e-4, "label -1 wants a negative score"

# %% [markdown]
#     ??? tip "Hint 1"
#         The margin of a point is $y z$, and the loss $\log(1 + e^{-yz})$.
#
#     ??? tip "Hint 2"
#         `torch.nn.functional.softplus(t)` is $\log(1 + e^t)$, and safe for large numbers.
#
#     ??? success "Solution"
#         <!-- exercise: torch-loss solution -->
#         ```python
#         def torch_loss(z, y):
#             return torch.nn.functional.softplus(-y * z).mean()
#         ```
#
#     <!-- exercise: torch-loss wrong: label -1 wants
#     def torch_loss(z, y):
#         return torch.nn.functional.softplus(-z).mean()
#     -->
#
#     <!-- exercise: torch-loss wrong: that is the sum
#     def torch_loss(z, y):
#         return torch.nn.functional.softplus(-y * z).sum()
#     -->
#
#     <!-- exercise: torch-loss wrong: the loss overflows
#     def torch_loss(z, y):
#         return torch.log(1 + torch.exp(-y * z)).mean()
#     -->
#
#     <!-- exercise: torch-loss wrong: wanted one number
#     def torch_loss(z, y):
#         return torch.nn.functional.softplus(-y * z)
#     -->
#
#     <!-- exercise: torch-loss right: with logaddexp, as in NumPy
#     def torch_loss(z, y):
#         return torch.logaddexp(torch.zeros_like(z), -y * z).mean()
#     -->
#
#     <!-- exercise: torch-loss right: minus the logarithm of the sigmoid
#     def torch_loss(z, y):
#         return -torch.nn.functional.logsigmoid(y * z).mean()
#     -->
#
#     <!-- exercise: torch-loss right: the binary cross-entropy of labels 0 and 1
#     def torch_loss(z, y):
#         entropy = torch.nn.functional.binary_cross_entropy_with_logits
#         return entropy(z, (y + 1) / 2)
#     -->
#
# <!-- fold: PyTorch's own loss, as long as the blank is empty -->
# <!-- exercise: torch-loss stand-in -->

# %%
print("PyTorch's own soft_margin_loss stands in")
torch_loss = torch.nn.functional.soft_margin_loss

# %% [markdown]
# Now both machines make a hundred steps of batch descent, yours here and PyTorch's on the best device this machine has. In float64 the parameters must agree to nine decimal places; on a device without float64, four are enough.

# %%
place = device()
dtype = torch.float32 if place.type == "mps" else torch.float64
X_torch, y_torch = (
    torch.tensor(values, dtype=dtype, device=place)
    for values in (X_train, y_train)
)
model = torch.nn.Linear(30, 1, dtype=dtype, device=place)
torch.nn.init.zeros_(model.weight)
torch.nn.init.zeros_(model.bias)
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
for _ in range(100):
    optimizer.zero_grad()
    loss = torch_loss(model(X_torch)[:, 0], y_torch)
    loss.backward()
    optimizer.step()

start = np.zeros(31)
mine = descend(
    start, X_train, y_train, logistic_slope, lr=0.5, steps=100
)[-1]
weight, bias = model.weight.detach().cpu(), model.bias.detach().cpu()
theirs = np.append(weight.numpy()[0], bias.numpy())
gap = np.abs(mine - theirs).max()
print(f"PyTorch on {place.type}: held out", end=" ")
print(f"{right(theirs, X_held, y_held):.3f}, here", end=" ")
print(f"{right(mine, X_held, y_held):.3f}")
assert gap < (1e-9 if dtype == torch.float64 else 1e-4), gap
print("the parameters of both agree")

# %% [markdown]
# ## Where to go on
#
# The loop of this lab comes back wherever something is trained: scores, loss, gradient, step, and a part of the data held out. What changes is the model. In the next lab, *Write your own engine*, the gradient of *any* model comes out of a machine that you write.
