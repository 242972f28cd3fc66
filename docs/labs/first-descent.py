# ---
# title: A first descent
# description: A line is fitted to forty points with your own gradient, with chainrule's and with PyTorch's, and all three must agree with algebra.
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
# # A first descent
#
# A line is fitted to forty points three times: with your own gradient, with chainrule's, and with PyTorch's on the best device this machine has.
# All three have to end at the same line, and that line has to be the one that algebra gives.
#
# Three blanks are yours to fill; the mark is `...  # your turn`. Below each one stands a check, and below that hints and a solution in closed boxes.
# A blank that is still empty says *not yet*, and everything else runs without it, so *Run all* reaches the end from the start.
# You need the ideas of [Derivatives and descent](../learning/derivatives-and-descent.md), and about thirty minutes.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

from chainrule import Tensor
from chainrule.checks import check_grad
from chainrule.losses import huber_loss
from chainrule.torch import device

rng = np.random.default_rng(7)
x = np.linspace(0.0, 4.0, 40)
y = 1.5 * x - 2.0 + 0.3 * rng.standard_normal(40)
print(f"{len(x)} points, y from {y.min():.2f} to {y.max():.2f}")

# %% [markdown]
# ## How wrong is a line?
#
# A line has a slope `w` and an intercept `b`, the bias. Its error at a point is `w * x + b - y`, and its loss is the mean of the squared errors: one number, zero only if the line meets every point.


# %%
def loss(w, b):
    """Mean squared error of a line; w and b are numbers or Tensors."""
    return ((w * x + b - y) ** 2).mean()


print(f"a flat line at 0: loss {loss(0.0, 0.0):.3f}")
print(f"the line the points came from: loss {loss(1.5, -2.0):.3f}")
assert loss(1.5, -2.0) < loss(0.0, 0.0) / 10

# %% [markdown]
# ## The gradient, by hand
#
# Going downhill needs the slope of the loss in both directions.
#
# !!! exercise "Blank 1 · Two slopes"
#     Differentiate the loss with respect to `w` and to `b`, on paper, and write what you found as two lines of NumPy.
#     Here `w` and `b` are plain numbers, and the points `x` and `y` are the arrays from above.
#     The check compares your slopes with centred differences, which know nothing of your algebra.
#
#     <!-- exercise: gradient starter -->


# %%
def gradient(w, b):
    """The two slopes of the loss: by w, and by b."""
    return ..., ...  # your turn


# %% [markdown]
#     <!-- exercise: gradient check -->

# %%
h = 1e-5
for at in [(0.0, 0.0), (1.0, -3.0)]:
    mine = gradient(*at)
    assert np.shape(mine) == (2,), f"wanted two slopes, got {mine}"
    by_w = (loss(at[0] + h, at[1]) - loss(at[0] - h, at[1])) / (2 * h)
    by_b = (loss(at[0], at[1] + h) - loss(at[0], at[1] - h)) / (2 * h)
    if np.allclose(mine, [by_w / 2, by_b / 2]):
        raise AssertionError("half of it: the square has a slope, too")
    if np.allclose(mine, [by_w * len(x), by_b * len(x)]):
        raise AssertionError("the slopes of the sum, not of the mean")
    for name, got, wanted in zip("wb", mine, (by_w, by_b)):
        said = f"by {name} at {at}: differences say {wanted:.6f}"
        assert abs(got - wanted) < 1e-6, f"{said}, you say {got:.6f}"

# %% [markdown]
#     ??? tip "Hint 1"
#         With the error $e = w x + b - y$ of a point, the loss is the mean of $e^2$, and $e^2$ has the slope $2e$ with respect to $e$.
#
#     ??? tip "Hint 2"
#         By the chain rule, multiply by how the error moves: with $w$ it moves by $x$, with $b$ by 1. Then take the mean.
#
#     ??? success "Solution"
#         <!-- exercise: gradient solution -->
#         ```python
#         def gradient(w, b):
#             error = w * x + b - y
#             return 2 * (error * x).mean(), 2 * error.mean()
#         ```
#
#     <!-- exercise: gradient wrong: half of it
#     def gradient(w, b):
#         error = w * x + b - y
#         return (error * x).mean(), error.mean()
#     -->
#
#     <!-- exercise: gradient wrong: the slopes of the sum
#     def gradient(w, b):
#         error = w * x + b - y
#         return 2 * (error * x).sum(), 2 * error.sum()
#     -->
#
#     <!-- exercise: gradient wrong: by w at
#     def gradient(w, b):
#         error = w * x + b - y
#         return 2 * error.mean(), 2 * error.mean()
#     -->
#
#     <!-- exercise: gradient wrong: wanted two slopes
#     def gradient(w, b):
#         return 2 * ((w * x + b - y) * x).mean()
#     -->
#
#     <!-- exercise: gradient right: as a product with a matrix
#     def gradient(w, b):
#         columns = np.stack([x, np.ones(len(x))])
#         return 2 / len(x) * columns @ (w * x + b - y)
#     -->
#
#     <!-- exercise: gradient right: multiplied out, with sums
#     def gradient(w, b):
#         n = len(x)
#         by_w = 2 * (w * np.sum(x * x) + b * np.sum(x) - np.sum(x * y)) / n
#         by_b = 2 * (w * np.sum(x) + n * b - np.sum(y)) / n
#         return [by_w, by_b]
#     -->

# %% [markdown]
# ## The same gradient without algebra
#
# chainrule writes down each operation while the loss is computed, and goes back through them with the chain rule. `check_grad` compares what it finds with finite differences.

# %%
w = Tensor(0.0, dtype=np.float64, requires_grad=True)
b = Tensor(0.0, dtype=np.float64, requires_grad=True)
loss(w, b).backward()
print(f"slope by w: {w.grad.item():.6f}, slope by b: {b.grad.item():.6f}")
worst = check_grad(loss, np.array(0.0), np.array(0.0))
assert worst < 1e-6

# %% [markdown]
# ## Downhill
#
# A step against the gradient makes the loss smaller, if it is not too long. The best line is known here: `np.polyfit` solves for it at once, so we can say how close the walk comes.


# %%
def descend(loss, lr=0.1, steps=400):
    """Slope and height after so many steps, begun at 0 and 0."""
    line = [
        Tensor(0.0, dtype=np.float64, requires_grad=True)
        for _ in range(2)
    ]
    for _ in range(steps):
        loss(*line).backward()
        for p in line:
            p.data = p.data - lr * p.grad.data
            p.zero_grad()
    return [p.item() for p in line]


best = np.polyfit(x, y, 1)
for steps in (10, 100, 400):
    found = descend(loss, steps=steps)
    print(f"{steps:>3} steps: w = {found[0]:.6f}, b = {found[1]:.6f}")
print(f"by algebra: w = {best[0]:.6f}, b = {best[1]:.6f}")
assert np.allclose(found, best, atol=1e-6)

# %% [markdown]
# ## The same walk in PyTorch
#
# Only the names of the tensors change. The numbers are float32, the habit of most devices, so the two walks agree to about six digits.

# %%
place = device()
xs, ys = (
    torch.tensor(values, dtype=torch.float32, device=place)
    for values in (x, y)
)
line = torch.zeros(2, device=place, requires_grad=True)
walk = torch.optim.SGD([line], lr=0.1)
for _ in range(400):
    walk.zero_grad()
    ((line[0] * xs + line[1] - ys) ** 2).mean().backward()
    walk.step()
theirs = line.detach().cpu().numpy()
print(
    f"PyTorch on {place.type}: w = {theirs[0]:.4f}, b = {theirs[1]:.4f}"
)
assert np.allclose(theirs, best, atol=1e-4)

# %% [markdown]
# ## The longest step that still works
#
# With `lr = 0.1` the walk arrives; with `lr = 0.2` it does not, and the loss grows without bound.

# %%
far = loss(*descend(loss, lr=0.2))
print(f"loss after 400 steps of 0.2: {far:.1e}")
assert far > 1e6

# %% [markdown]
# The loss is a bowl, and the chapter showed what decides: a step is too long once it reaches 2 divided by the largest curvature.
# The curvatures of a bowl are the eigenvalues of its matrix of second derivatives.
#
# !!! exercise "Blank 2 · The bound of the step"
#     Write the matrix of second derivatives of `loss`, an array of shape (2, 2).
#     The check walks with a step just below your bound and with one just above it.
#
#     <!-- exercise: step starter -->


# %%
def longest_step():
    """The smallest step size with which the walk no longer arrives."""
    second = ...  # your turn: the 2 × 2 matrix
    return 2 / np.linalg.eigvalsh(second).max()


# %% [markdown]
#     <!-- exercise: step check -->

# %%
try:
    bound = float(longest_step())
except (TypeError, ValueError, np.linalg.LinAlgError) as error:
    raise AssertionError(f"no 2 × 2 matrix of numbers: {error}") from None
near = loss(*descend(loss, lr=0.98 * bound))
far = loss(*descend(loss, lr=1.02 * bound))
said = "just below your bound the walk still runs away"
assert near < loss(0.0, 0.0), said
assert far > loss(0.0, 0.0), "just above your bound the walk still arrives"
print(f"the walk arrives with steps below {bound:.4f}")

# %% [markdown]
#     ??? tip "Hint 1"
#         Differentiate both slopes of blank 1 once more, by `w` and by `b`.
#
#     ??? tip "Hint 2"
#         The slope by `w` is the mean of $2 e x$. With `w` it changes by the mean of $2 x^2$, with `b` by the mean of $2 x$.
#
#     ??? success "Solution"
#         <!-- exercise: step solution -->
#         ```python
#         def longest_step():
#             mixed = x.mean()
#             second = 2 * np.array([[(x**2).mean(), mixed], [mixed, 1.0]])
#             return 2 / np.linalg.eigvalsh(second).max()
#         ```
#
#     <!-- exercise: step wrong: just below your bound
#     def longest_step():
#         second = np.array([[(x**2).mean(), x.mean()], [x.mean(), 1.0]])
#         return 2 / np.linalg.eigvalsh(second).max()
#     -->
#
#     <!-- exercise: step wrong: just above your bound
#     def longest_step():
#         rows = [[(x**2).sum(), x.sum()], [x.sum(), len(x)]]
#         return 2 / np.linalg.eigvalsh(2 * np.array(rows)).max()
#     -->
#
#     <!-- exercise: step wrong: no 2 × 2 matrix of numbers
#     def longest_step():
#         second = 2 * np.array([(x**2).mean(), x.mean(), 1.0])
#         return 2 / np.linalg.eigvalsh(second).max()
#     -->
#
#     <!-- exercise: step right: as a product of the columns
#     def longest_step():
#         columns = np.stack([x, np.ones_like(x)])
#         second = 2 * columns @ columns.T / len(x)
#         return 2 / np.linalg.eigvalsh(second).max()
#     -->
#
#     <!-- exercise: step right: differences of the loss
#     def longest_step():
#         f = lambda p: loss(*p)
#         moves = np.eye(2)
#         second = [[f(u + v) - f(u) - f(v) + f(0 * u) for u in moves] for v in moves]
#         return 2 / np.linalg.eigvalsh(second).max()
#     -->

# %% [markdown]
# ## A loss that forgives
#
# Now one point is far off. Squared errors make the line bend towards it.

# %%
y = y.copy()
y[35] = -15.0
bent = descend(loss)
print("with one wrong point: w = %.3f, b = %.3f" % tuple(bent))
assert np.abs(bent - best).max() > 0.5

# %% [markdown]
# The loss that you write now may use any function. `descend` calls it with Tensors, for which there are `t.sqrt()` and `t.abs()`; `np.sqrt` and `np.abs` refuse them.
# So `walk` goes on with numbers where a loss does not take Tensors, and gets the slopes from centred differences.


# %%
def walk(loss, lr=0.1, steps=2000, h=1e-6):
    """Where the descent of a loss of Tensors, or of numbers, ends."""
    try:
        return descend(loss, lr, steps)
    except TypeError:
        w = b = 0.0
    for _ in range(steps):
        by_w = (loss(w + h, b) - loss(w - h, b)) / (2 * h)
        by_b = (loss(w, b + h) - loss(w, b - h)) / (2 * h)
        w, b = w - lr * by_w, b - lr * by_b
    return [w, b]


# %% [markdown]
# !!! exercise "Blank 3 · A loss that forgives"
#     Write a loss that grows like the error itself when the error is large, such as the mean of `sqrt(1 + error²)`, and see the line come back.
#     The numbers `w` and `b` come in as Tensors; if your loss cannot take these, they come in as plain numbers.
#     Return one number: a mean over all points.
#
#     <!-- exercise: forgiving starter -->


# %%
def forgiving(w, b):
    """Mean of a measure that no single wrong point can rule."""
    return ...  # your turn


# %% [markdown]
#     <!-- exercise: forgiving check -->

# %%
try:
    found = np.array(walk(forgiving), dtype=float)
except (TypeError, ValueError, AttributeError, RuntimeError) as error:
    raise AssertionError(f"no loss to descend on: {error}") from None
where = f"w = {found[0]:.2f}, b = {found[1]:.2f}"
assert np.abs(found).max() < 100, f"the walk ran away: {where}"
assert np.any(found != 0), "the walk has not moved: the slope is 0"
assert np.abs(found - bent).max() > 0.05, f"as bent as before: {where}"
assert np.abs(found - best).max() < 0.25, f"the line is still off: {where}"
print(f"the line comes back: {where}")

# %% [markdown]
#     ??? tip "Hint 1"
#         The error of all points at once is `w * x + b - y`, an array, or a Tensor where `w` and `b` are Tensors.
#
#     ??? tip "Hint 2"
#         A power works for both: `(...) ** 0.5` is a square root. Do not forget the mean.
#
#     ??? success "Solution"
#         <!-- exercise: forgiving solution -->
#         ```python
#         def forgiving(w, b):
#             return ((1 + (w * x + b - y) ** 2) ** 0.5).mean()
#         ```
#
#         For a small error this is nearly $1 + e^2 / 2$, a square; for a large one it is nearly $|e|$, whose slope is never larger than 1.
#
#     <!-- exercise: forgiving wrong: as bent as before
#     def forgiving(w, b):
#         return (1 + (w * x + b - y) ** 2).mean()
#     -->
#
#     <!-- exercise: forgiving wrong: the walk ran away
#     def forgiving(w, b):
#         return (w * x + b - y).mean()
#     -->
#
#     <!-- exercise: forgiving wrong: no loss to descend on
#     def forgiving(w, b):
#         return (1 + (w * x + b - y) ** 2) ** 0.5
#     -->
#
#     <!-- exercise: forgiving right: NumPy's square root
#     def forgiving(w, b):
#         return np.sqrt(1 + (w * x + b - y) ** 2).mean()
#     -->
#
#     <!-- exercise: forgiving right: the Tensor's square root
#     def forgiving(w, b):
#         e = w * x + b - y
#         return (1 + e * e).sqrt().mean()
#     -->
#
#     <!-- exercise: forgiving right: NumPy's absolute value
#     def forgiving(w, b):
#         return np.mean(np.abs(w * x + b - y))
#     -->
#
#     <!-- exercise: forgiving right: the Tensor's absolute value
#     def forgiving(w, b):
#         return (w * x + b - y).abs().mean()
#     -->
#
#     <!-- exercise: forgiving right: Python's absolute value
#     def forgiving(w, b):
#         return abs(w * x + b - y).mean()
#     -->
#
#     <!-- exercise: forgiving right: a logarithm, which forgives even more
#     def forgiving(w, b):
#         return (1 + (w * x + b - y) ** 2).log().mean()
#     -->
#
# As long as the blank is empty, the loss of Huber from chainrule stands in. It is a square where the error is at most 1, and goes on as a line.
#
# <!-- fold: Huber's loss, as long as the blank is empty -->
# <!-- exercise: forgiving stand-in -->

# %%
print("Huber's loss stands in")


def forgiving(w, b):
    return huber_loss(w * x + b, y)


# %% [markdown]
# Here are the points and both lines: the one that squared errors have bent, and the one that forgives.

# %%
found = walk(forgiving)
print("the forgiving line: w = %.3f, b = %.3f" % tuple(found))
fig, ax = plt.subplots()
ax.plot(x, y, "o", color="C5", markersize=4, label="points")
for name, (w, b) in (("squared", bent), ("forgiving", found)):
    ax.plot(x, w * x + b, label=f"{name} error")
ax.set(title="One wrong point and two losses", xlabel="$x$", ylabel="$y$")
_ = ax.legend()
