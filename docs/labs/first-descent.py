# ---
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
# # Lab: a first descent
#
# A line is laid through forty points three times: by your own gradient, by chainrule's, and by PyTorch's on the best device this machine has.
# All three have to end at the same line, and that line has to be the one that algebra gives.
#
# Three blanks are yours to fill. A blank that is still empty says *not yet*, and everything else runs without it, so *Run all* reaches the end from the start. The answers stand in the last section.
# You need the ideas of [Derivatives and descent](../learning/derivatives-and-descent.md), and about thirty minutes.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

from chainrule import Tensor
from chainrule.checks import check_grad
from chainrule.torch import device

rng = np.random.default_rng(7)
x = np.linspace(0.0, 4.0, 40)
y = 1.5 * x - 2.0 + 0.3 * rng.standard_normal(40)


def check(test):
    """Run a test; a blank that is still empty stops nothing."""
    try:
        test()
    except Exception as error:
        print("not yet:", str(error) or type(error).__name__)
    else:
        print("right: the check passes")


print(f"{len(x)} points, y from {y.min():.2f} to {y.max():.2f}")

# %% [markdown]
# ## How wrong is a line?
#
# A line has a slope `w` and a height `b`. Its error at a point is `w * x + b - y`, and its loss is the mean of the squared errors: one number, zero only if the line meets every point.


# %%
def loss(w, b):
    """Mean squared error of a line; w and b are numbers or Tensors."""
    return ((w * x + b - y) ** 2).mean()


print(f"a flat line at 0: loss {loss(0.0, 0.0):.3f}")
print(f"the line the points came from: loss {loss(1.5, -2.0):.3f}")
assert loss(1.5, -2.0) < loss(0.0, 0.0) / 10

# %% [markdown]
# ## Blank 1: the gradient, by hand
#
# Differentiate the loss with respect to `w` and to `b`, on paper, and write what you found as two lines of NumPy. The check compares it with centred differences, which know nothing of your algebra.


# %%
def gradient(w, b):
    """The two slopes of the loss: by w, and by b."""
    return ..., ...  # your turn


def test_gradient(h=1e-5):
    for w, b in [(0.0, 0.0), (1.0, -3.0)]:
        mine = gradient(w, b)
        assert ... not in mine, "the gradient is still empty"
        by_w = (loss(w + h, b) - loss(w - h, b)) / (2 * h)
        by_b = (loss(w, b + h) - loss(w, b - h)) / (2 * h)
        assert abs(mine[0] - by_w) < 1e-6, f"by w at {w, b}: not {mine[0]}"
        assert abs(mine[1] - by_b) < 1e-6, f"by b at {w, b}: not {mine[1]}"


check(test_gradient)

# %% [markdown]
# ## The same gradient without algebra
#
# chainrule writes down each operation while the loss is computed, and goes back through them with the chain rule. `check_grad` holds what it finds against finite differences.

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
# ## Blank 2: the longest step that still works
#
# With `lr = 0.1` the walk arrives; with `lr = 0.2` it does not, and the loss grows without bound. The loss is a bowl, and the chapter has told what decides: a step is too long from 2 divided by the largest curvature on.
# The curvatures of a bowl are the eigenvalues of its matrix of second derivatives. Write that matrix, and the bound.


# %%
def longest_step():
    """The step size from which on the walk no longer arrives."""
    second = ...  # your turn: the 2 × 2 matrix
    return 2 / np.linalg.eigvalsh(second).max()


def test_longest_step():
    try:
        bound = longest_step()
    except np.linalg.LinAlgError:
        raise AssertionError("the matrix is still empty") from None
    near = loss(*descend(loss, lr=0.98 * bound))
    far = loss(*descend(loss, lr=1.02 * bound))
    assert near < loss(0.0, 0.0), "just below your bound it runs away"
    assert far > loss(0.0, 0.0), "just above your bound it still arrives"


assert loss(*descend(loss, lr=0.2)) > 1e6
check(test_longest_step)

# %% [markdown]
# ## Blank 3: a loss that forgives
#
# One point is now wrong by far. Squared errors make the line bend towards it. Write a loss that grows like the error itself when the error is large, such as the mean of `sqrt(1 + error²)`, and see the line come back.

# %%
y = y.copy()
y[35] = -15.0
bent = descend(loss)
print("with one wrong point: w = %.3f, b = %.3f" % tuple(bent))


def forgiving(w, b):
    """Mean of a measure that no single wrong point can rule."""
    return ...  # your turn


def test_forgiving():
    assert forgiving(1.0, 0.0) is not ..., "the loss is still empty"
    found = descend(forgiving, steps=2000)
    assert np.abs(found - best).max() < 0.25, (
        f"the line is still bent: w = {found[0]:.2f}, b = {found[1]:.2f}"
    )


assert np.abs(bent - best).max() > 0.5
check(test_forgiving)

# %% [markdown]
# ## Answers
#
# Read on when you have tried. Each answer is put to the check above it.


# %%
def gradient(w, b):
    error = w * x + b - y
    return 2 * (error * x).mean(), 2 * error.mean()


def longest_step():
    second = 2 * np.array([[(x**2).mean(), x.mean()], [x.mean(), 1.0]])
    return 2 / np.linalg.eigvalsh(second).max()


def forgiving(w, b):
    return ((1 + (w * x + b - y) ** 2) ** 0.5).mean()


test_gradient()
test_longest_step()
test_forgiving()
print(f"the walk arrives with steps below {longest_step():.4f}")
found = descend(forgiving, steps=2000)
print("the forgiving line: w = %.3f, b = %.3f" % tuple(found))

fig, ax = plt.subplots()
ax.plot(x, y, "o", color="C5", markersize=4, label="points")
for name, (w, b) in (("squared", bent), ("forgiving", found)):
    ax.plot(x, w * x + b, label=f"{name} error")
ax.set(title="One wrong point and two losses", xlabel="$x$", ylabel="$y$")
_ = ax.legend()
