# ---
# title: A net that sees
# description: From pixels to a convolutional net that names clothes, and a close look at what it gets wrong, what a shift of two pixels does to it, and what helps.
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
# # A net that sees
#
# You take 6,000 small photographs of clothes from their pixels to a convolutional net that names most of them. Then you do what an accuracy alone cannot: look at the errors, move the images by two pixels, and repair what breaks.
#
# Seven blanks are yours to fill, a few lines each; the mark is `...  # your turn`. Below each one stands a check, and below that hints and a solution in closed boxes.
# A check says *not yet* for an empty blank and *not right* for a wrong one. Then something borrowed or slow **stands in** for it, so that *Run all* reaches the end from the start. Fill a blank, run all again, and the borrowed parts become your own.
#
# You need [Convolution](../models/convolution.md), and about an hour.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.ndimage import shift as scipy_shift
from sklearn.metrics import confusion_matrix
from sklearn.neighbors import NearestCentroid

import chainrule
from chainrule import nn, plot
from chainrule.data import FASHION, batches, fashion_mnist
from chainrule.optim import Adam, OneCycleLR
from chainrule.torch import device, to_torch

(X, y), (X_test, y_test) = fashion_mnist()
print("to train on", X.shape, "to test on", X_test.shape)
print("of each of ten classes", np.bincount(y))
print(f"pixels {X.min():.0f} to {X.max():.0f}, deviation {X.std():.2f}")

# %% [markdown]
# The images are the first of Fashion-MNIST ([Xiao and others 2017](../reference/bibliography.md#xiao2017)): one grey channel of 28 × 28 pixels, and about as many of each class. So a net that always gives the same answer is right about once in ten times, and accuracy is a fair measure.
#
# Divide all pixels by the standard deviation of the *training* images: nets learn faster from numbers around 1. The mean is not subtracted, so black stays 0: a convolution pads with 0, and so will you when you move an image.
# Look at one image of each class, and below it at the mean of the class: which classes will be hard to tell apart?

# %%
scale = X.std()
X, X_test = X / scale, X_test / scale
first = [np.flatnonzero(y == k)[0] for k in range(10)]
means = np.stack([X[y == k].mean(axis=0) for k in range(10)])
fig, ax = plt.subplots(figsize=(6.4, 2.2), layout="constrained")
plot.images(np.concatenate([X[first], means]), columns=10, ax=ax)
ax.set_title("One image of each class, and the mean of the class")
print("from left to right:", ", ".join(FASHION[:5]), end=",\n")
print(", ".join(FASHION[5:]))

# %% [markdown]
# Shirt, coat and pullover have nearly the same mean. Trousers and boots have outlines of their own.
#
# ## Two baselines
#
# Before you train a net, find out how far you get without one. The simplest classifier of images compares a new image with the ten means above.
#
# !!! exercise "Blank 1 · The nearest mean"
#     Return a label for each row of `new`: the class whose mean image is nearest. Near means a small sum of squared differences over the pixels. `x` is an array (n, 784) with labels `y` from 0 to 9, and `new` is an array (m, 784).
#
#     <!-- exercise: nearest starter -->


# %%
def nearest_mean(x, y, new):
    """Labels (m,) of new images, by the nearest mean of a class."""
    return ...  # your turn


# %% [markdown]
#     <!-- exercise: nearest check -->

# %%
x, new = X[:500].reshape(500, -1), X_test[:300].reshape(300, -1)
kept = x.copy(), new.copy()
try:
    got = np.asarray(nearest_mean(x, y[:500], new), dtype=float)
except (TypeError, ValueError, IndexError, AttributeError) as error:
    raise AssertionError(f"wanted an array of labels: {error}") from None
assert np.array_equal(x, kept[0]) and np.array_equal(new, kept[1]), (
    "the images were changed"
)
assert got.shape != (300, 10), (
    "ten numbers for each image: return the number of the nearest class"
)
assert got.shape != (10,), (
    "ten answers for all images: take argmin over the classes"
)
assert got.shape == (300,), f"wanted shape (300,), got {got.shape}"
assert not (got % 1).any(), (
    f"wanted numbers of classes, got {got[0]:.4g}: argmin, not min"
)
counts = np.bincount(y[:500])
centres = np.stack([x[y[:500] == k].mean(axis=0) for k in range(10)])
apart = new[:, None] - centres
away = (apart**2).sum(axis=2)
single = [y[:500][((x - image) ** 2).sum(axis=1).argmin()] for image in new]
tell = {
    "": away.argmin(axis=1),
    "that is the class farthest away": away.argmax(axis=1),
    "sums of the classes: take their means": (
        ((new[:, None] - centres * counts[:, None]) ** 2).sum(axis=2)
    ).argmin(axis=1),
    "that is the nearest image: take the means first": single,
    "the largest product is not the nearest: bright means win": (
        (new @ centres.T).argmax(axis=1)
    ),
    "differences cancel in a sum: square them first": (
        apart.sum(axis=2).argmin(axis=1)
    ),
    "absolute differences: wanted their squares": (
        np.abs(apart).sum(axis=2).argmin(axis=1)
    ),
}
alike = {said: np.mean(got == labels) for said, labels in tell.items()}
best = max(alike, key=alike.get)
assert not best or alike[best] < 0.99, best
assert alike[""] > 0.99, (
    f"{1 - alike['']:.0%} of the labels are not that of the nearest mean"
)

# %% [markdown]
#     ??? tip "Hint 1"
#         `x[y == k].mean(axis=0)` is the mean of class `k`; `np.stack` makes an array (10, 784) of ten of them.
#
#     ??? tip "Hint 2"
#         `new[:, None] - means` has the shape (m, 10, 784). Square it, sum over the last axis, and take `argmin` over the classes.
#
#     ??? success "Solution"
#         <!-- exercise: nearest solution -->
#         ```python
#         def nearest_mean(x, y, new):
#             means = np.stack([x[y == k].mean(axis=0) for k in range(10)])
#             squares = (new[:, None] - means) ** 2  # (m, 10, 784)
#             return squares.sum(axis=2).argmin(axis=1)
#         ```
#
#     <!-- exercise: nearest wrong: farthest away
#     def nearest_mean(x, y, new):
#         means = np.stack([x[y == k].mean(axis=0) for k in range(10)])
#         return ((new[:, None] - means) ** 2).sum(axis=2).argmax(axis=1)
#     -->
#
#     <!-- exercise: nearest wrong: take the means first
#     def nearest_mean(x, y, new):
#         return [y[((x - image) ** 2).sum(axis=1).argmin()] for image in new]
#     -->
#
#     <!-- exercise: nearest wrong: bright means win
#     def nearest_mean(x, y, new):
#         means = np.stack([x[y == k].mean(axis=0) for k in range(10)])
#         return (new @ means.T).argmax(axis=1)
#     -->
#
#     <!-- exercise: nearest wrong: square them first
#     def nearest_mean(x, y, new):
#         means = np.stack([x[y == k].mean(axis=0) for k in range(10)])
#         return (new[:, None] - means).sum(axis=2).argmin(axis=1)
#     -->
#
#     <!-- exercise: nearest wrong: return the number of the nearest class
#     def nearest_mean(x, y, new):
#         means = np.stack([x[y == k].mean(axis=0) for k in range(10)])
#         return ((new[:, None] - means) ** 2).sum(axis=2)
#     -->
#
#     <!-- exercise: nearest right: image by image
#     def nearest_mean(x, y, new):
#         means, labels = [x[y == k].mean(axis=0) for k in range(10)], []
#         for image in new:
#             labels.append(min(range(10), key=lambda k: np.linalg.norm(image - means[k])))
#         return labels
#     -->
#
#     <!-- exercise: nearest right: the square multiplied out
#     def nearest_mean(x, y, new):
#         member = np.eye(10)[y]
#         means = member.T @ x / member.sum(axis=0)[:, None]
#         return (new @ means.T - (means**2).sum(axis=1) / 2).argmax(axis=1)
#     -->
#
# <!-- fold: scikit-learn's nearest centroid, as long as the blank is empty -->
# <!-- exercise: nearest stand-in -->

# %%
print("scikit-learn's NearestCentroid stands in")
nearest_mean = lambda x, y, new: NearestCentroid().fit(x, y).predict(new)

# %% [markdown]
# The second baseline is [softmax regression](../learning/from-scores-to-probabilities.md#softmax-regression) on the pixels: a net of one linear layer. `train` will serve for every net of this lab, so read it: batches of 128 in random order, Adam, and a rate that rises and falls over the run. `change` may do something to each batch of images; you will use that later.


# %%
def train(net, seed, change=None, epochs=5):
    """Train a net in place on all training images, and return it."""
    rng = np.random.default_rng(seed)
    order = batches(X, y, batch_size=128, generator=rng)
    params = [p for p in net.parameters() if p.requires_grad]
    adam = Adam(params, lr=0.01)
    steps = epochs * len(order)
    rate = OneCycleLR(adam, max_lr=0.01, total_steps=steps)
    for _ in range(epochs):
        for images, labels in order:
            if change:
                images = chainrule.Tensor(change(images.numpy(), rng))
            adam.zero_grad()
            chainrule.cross_entropy(net(images), labels).backward()
            adam.step()
            rate.step()
    return net


def scores(net, images):
    """Scores of images as an array (n, 10)."""
    with chainrule.no_grad():
        return net(chainrule.Tensor(images.astype(np.float32))).numpy()


def accuracies(nets, images=X_test):
    """Accuracy of each net on the test labels."""
    said = [scores(net, images).argmax(axis=1) for net in nets]
    return np.mean(np.array(said) == y_test, axis=1)


def told(name, values):
    """Print the range of several runs."""
    print(f"{name:22} {values.min():.3f} to {values.max():.3f}")


# %%
flat, flat_test = X.reshape(len(X), -1), X_test.reshape(len(X_test), -1)
by_means = np.mean(np.asarray(nearest_mean(flat, y, flat_test)) == y_test)
linear_nets = []
for seed in range(3):
    layer = nn.Linear(784, 10, generator=np.random.default_rng(seed))
    linear_nets.append(train(nn.Sequential(nn.Flatten(), layer), seed))
linear = accuracies(linear_nets)
print(f"{'nearest mean':22} {by_means:.3f}")
told("softmax regression", linear)
print(f"standard error at 0.85: {np.sqrt(0.85 * 0.15 / len(y_test)):.3f}")
assert 0.6 < by_means < 0.75 and 0.82 < linear.min()

# %% [markdown]
# Softmax regression is far better than the means, and it is what a net has to beat. With a thousand test images, an accuracy near 0.85 is known only to about one point; smaller differences between two single runs mean nothing.
#
# ## Sizes
#
# The net will have two convolutions with stride 2, so each halves the image. Before you build it, work out what every layer does to the shape, and what it costs.
#
# !!! exercise "Blank 2 · A layer in numbers"
#     The input of a convolution has the shape `(channels, rows, columns)`, without the batch. The layer has `out` filters of `k` × `k` weights for each input channel, a bias for each filter, and the given stride and padding.
#     Return three things: the shape of the output as three numbers, the number of parameters, and the number of multiplications for one image. A multiplication with a padded 0 counts like any other.
#
#     <!-- exercise: plan starter -->


# %%
def plan(shape, out, k, stride, padding):
    """Shape of the output, parameters, multiplications."""
    channels, rows, columns = shape
    after, parameters, products = ..., ..., ...  # your turn
    return after, parameters, products


# %% [markdown]
#     <!-- exercise: plan check -->

# %%
cases = {
    "9 × 6, k 3, stride 1, padding 2": ((2, 9, 6), 5, 3, 1, 2),
    "12 × 7, k 3, stride 2, no padding": ((3, 12, 7), 4, 3, 2, 0),
    "28 × 28, k 5, stride 2, padding 2": ((1, 28, 28), 16, 5, 2, 2),
}
for name, case in cases.items():
    (c, h, w), out, k, s, p = case
    try:
        after, parameters, products = plan(*case)
        after = tuple(float(n) for n in after)
        parameters, products = float(parameters), float(products)
    except (TypeError, ValueError, NameError, ZeroDivisionError) as error:
        said = f"wanted a shape and two numbers: {error}"
        raise AssertionError(said) from None
    size = lambda f: (out, f(h), f(w))
    wanted = size(lambda n: (n + 2 * p - k) // s + 1)
    tell = {
        size(lambda n: (n + p - k) // s + 1): "padding is on both sides",
        size(lambda n: (n + 2 * p - k) / s + 1): "drop what is left over",
        size(lambda n: (n + 2 * p - k) // s): "the first place counts, too",
        size(lambda n: -(-(n + 2 * p - k) // s) + 1): (
            "rounded up: the filter must fit"
        ),
        size(lambda n: (n - k) // s + 1): "where is the padding?",
        size(lambda n: n + 2 * p - k + 1): "where is the stride?",
        (c, *wanted[1:]): "one output channel for each filter",
        wanted[1:]: "the channels are missing",
        (wanted[0], *wanted[:0:-1]): "rows come before columns",
    }
    hint = "" if after == wanted else tell.get(after, "")
    assert after == wanted, f"{name}: {hint or f'wanted {wanted}, got {after}'}"
    weights, places = out * c * k * k, wanted[1] * wanted[2]
    tell = {
        weights: "where are the biases?",
        weights + 1: "a bias for each filter, not for the layer",
        out * k * k + out: "a filter has weights for each input channel",
        weights + c: "a bias for each filter, not for each input channel",
        (weights + out) * places: "shared: not one set for each place",
    }
    hint = tell.get(parameters, f"wanted {weights + out}, got {parameters:g}")
    said = f"{name}: parameters: {hint}"
    assert parameters == weights + out, said
    tell = {
        weights: "each weight is used at every place",
        (weights + out) * places: "a bias is added, not multiplied",
        k * k * out * places: "for each input channel",
        weights * h * w: "count the places of the output",
    }
    hint = tell.get(products, f"wanted {weights * places}, got {products:g}")
    assert products == weights * places, f"{name}: multiplications: {hint}"

# %% [markdown]
#     ??? tip "Hint 1"
#         [Chapter](../models/convolution.md) has all three: equation 3 there is the size, and *What it costs* counts parameters and multiplications.
#
#     ??? tip "Hint 2"
#         `(n + 2 * padding - k) // stride + 1` places, for `n` rows and for `n` columns.
#
#     ??? tip "Hint 3"
#         A filter has `channels * k * k` weights. Every one of them is used once for each place of the output.
#
#     ??? success "Solution"
#         <!-- exercise: plan solution -->
#         ```python
#         def plan(shape, out, k, stride, padding):
#             channels, rows, columns = shape
#             places = lambda n: (n + 2 * padding - k) // stride + 1
#             after = out, places(rows), places(columns)
#             weights = out * channels * k * k
#             products = weights * places(rows) * places(columns)
#             return after, weights + out, products
#         ```
#
#     <!-- exercise: plan wrong: padding is on both sides
#     def plan(shape, out, k, stride, padding):
#         channels, rows, columns = shape
#         places = lambda n: (n + padding - k) // stride + 1
#         weights = out * channels * k * k
#         after = out, places(rows), places(columns)
#         return after, weights + out, weights * after[1] * after[2]
#     -->
#
#     <!-- exercise: plan wrong: drop what is left over
#     def plan(shape, out, k, stride, padding):
#         channels, rows, columns = shape
#         places = lambda n: (n + 2 * padding - k) / stride + 1
#         weights = out * channels * k * k
#         after = out, places(rows), places(columns)
#         return after, weights + out, weights * after[1] * after[2]
#     -->
#
#     <!-- exercise: plan wrong: where are the biases
#     def plan(shape, out, k, stride, padding):
#         channels, rows, columns = shape
#         places = lambda n: (n + 2 * padding - k) // stride + 1
#         weights = out * channels * k * k
#         after = out, places(rows), places(columns)
#         return after, weights, weights * after[1] * after[2]
#     -->
#
#     <!-- exercise: plan wrong: a filter has weights for each input channel
#     def plan(shape, out, k, stride, padding):
#         channels, rows, columns = shape
#         places = lambda n: (n + 2 * padding - k) // stride + 1
#         after = out, places(rows), places(columns)
#         return after, out * (k * k + 1), out * k * k * after[1] * after[2]
#     -->
#
#     <!-- exercise: plan wrong: each weight is used at every place
#     def plan(shape, out, k, stride, padding):
#         channels, rows, columns = shape
#         places = lambda n: (n + 2 * padding - k) // stride + 1
#         weights = out * channels * k * k
#         return (out, places(rows), places(columns)), weights + out, weights
#     -->
#
#     <!-- exercise: plan wrong: count the places of the output
#     def plan(shape, out, k, stride, padding):
#         channels, rows, columns = shape
#         places = lambda n: (n + 2 * padding - k) // stride + 1
#         weights = out * channels * k * k
#         after = out, places(rows), places(columns)
#         return after, weights + out, weights * rows * columns
#     -->
#
#     <!-- exercise: plan right: the places counted one by one
#     def plan(shape, out, k, stride, padding):
#         channels, rows, columns = shape
#         after = [out]
#         for n in (rows, columns):
#             after.append(len(range(0, n + 2 * padding - k + 1, stride)))
#         return after, out * (channels * k**2 + 1), channels * k**2 * np.prod(after)
#     -->
#
#     <!-- exercise: plan right: asks a layer
#     def plan(shape, out, k, stride, padding):
#         layer = nn.Conv2d(shape[0], out, k, stride=stride, padding=padding)
#         after = layer(chainrule.Tensor(np.zeros((1, *shape), np.float32))).shape[1:]
#         parameters = sum(p.numel() for p in layer.parameters())
#         return after, parameters, layer.weight.numel() * after[1] * after[2]
#     -->
#
# <!-- fold: a layer is asked, as long as the blank is empty -->
# <!-- exercise: plan stand-in -->

# %%
print("a layer of the package, asked for its sizes, stands in")


def plan(shape, out, k, stride, padding):
    layer = nn.Conv2d(shape[0], out, k, stride=stride, padding=padding)
    after = layer(chainrule.Tensor(np.zeros((1, *shape), np.float32))).shape[1:]
    parameters = sum(p.numel() for p in layer.parameters())
    return after, parameters, layer.weight.numel() * after[1] * after[2]


# %% [markdown]
# The net of this lab, layer by layer, and how many numbers its last, linear layer receives. For comparison, the line at the end says how many parameters a *linear* layer would need between the pixels and the output of the first convolution.

# %%
shape, total = (1, 28, 28), 0
for out, k in (16, 5), (32, 3):
    before = shape
    shape, parameters, products = plan(before, out, k, 2, k // 2)
    shape, total = tuple(shape), total + parameters
    print(f"convolution {before} to {shape}:", end=" ")
    print(f"{parameters:,} parameters, {products:,} multiplications")
features = int(np.prod(shape))
total += 10 * features + 10
print(f"linear {features} to 10: {10 * features + 10:,} parameters")
print(f"all: {total:,}; a linear layer first: {784 * 3136 + 3136:,}")
assert shape == (32, 7, 7) and total == 20746

# %% [markdown]
# Most of the parameters are in the last layer, and most of the multiplications in the second convolution. A linear layer that puts out as many numbers as the first convolution would have thousands of times its parameters.
#
# ## A convolution that the engine differentiates
#
# [Chapter](../models/convolution.md) writes a convolution twice, each time with a backward pass. Here you write only the forward pass, in operations of the engine, and the backward pass comes for free. Instead of a loop over the places, loop over the $k^2$ entries of the filter: entry $(u, v)$ meets one and the same cut of the image at all places.
#
# !!! exercise "Blank 3 · One convolution"
#     `x` (B, C, H, W), `w` (O, C, k, k) and `b` (O,) are tensors of `chainrule`. Return the convolution (B, O, H', W') as a tensor, without `conv2d`. Rows and columns may differ in number.
#     `chainrule.pad(x, pad=(p, p, p, p))` puts zeros around the last two axes; slices with steps and `chainrule.einsum` work as in NumPy. Turn nothing into an array, or the gradient is lost.
#
#     <!-- exercise: convolve starter -->


# %%
def convolve(x, w, b, stride=1, padding=0):
    """Convolution of images x with filters w and biases b."""
    return ...  # your turn


# %% [markdown]
#     <!-- exercise: convolve check -->

# %%
rng = np.random.default_rng(0)
fresh = lambda *shape: chainrule.Tensor(
    rng.normal(size=shape), requires_grad=True
)
for stride, padding in (1, 0), (1, 1), (2, 0), (2, 1), (3, 2):
    leaves = fresh(2, 3, 8, 7), fresh(4, 3, 3, 3), fresh(4)
    where = f"stride {stride}, padding {padding}"
    x, w, b = leaves
    real = lambda *t: chainrule.conv2d(*t, stride=stride, padding=padding)
    ours = real(*leaves)
    G = chainrule.Tensor(rng.normal(size=ours.shape))
    ours.backward(G)
    wanted = [t.grad.numpy().copy() for t in leaves]
    x.grad = w.grad = b.grad = None
    kept = [t.numpy().copy() for t in leaves]
    try:
        got = convolve(*leaves, stride, padding)
        is_tensor, size = isinstance(got, chainrule.Tensor), np.shape(got)
    except Exception as error:
        raise AssertionError(f"{where}: {error}") from None
    assert got is not None, "nothing is returned"
    assert size == ours.shape, f"{where}: wanted {ours.shape}, got {size}"
    values = got.numpy() if is_tensor else np.asarray(got, float)
    with chainrule.no_grad():
        plain = ours.numpy()
        tell = {
            "the filter was turned around": real(x, w.flip((2, 3)), b),
            "rows and columns of the filter are swapped": real(
                x, w.transpose(2, 3), b
            ),
            "where is the bias?": real(x, w, None),
            "the bias was added more than once": plain
            + 8 * b.numpy()[:, None, None],
            "the mean over the channels: wanted their sum": real(x, w / 3, b),
        }
        tell["neighbouring places are one stride apart"] = (
            chainrule.conv2d(x, w, b, padding=padding).numpy()
        )[:, :, : size[2], : size[3]]
    for said, other in tell.items():
        other = np.asarray(other)
        mistaken = np.allclose(values, other) and not np.allclose(plain, other)
        assert not mistaken, said
    gap = np.abs(values - plain).max()
    assert gap < 1e-9, f"{where}: the output is off by up to {gap:.2g}"
    assert is_tensor and got.requires_grad, (
        "no gradient can flow: compute with tensors, not with arrays"
    )
    assert all(np.array_equal(t.numpy(), k) for t, k in zip(leaves, kept)), (
        "an input was changed in place"
    )
    try:
        got.backward(G)
    except Exception as error:
        raise AssertionError(f"backward fails: {error}") from None
    for name, t, grad in zip("xwb", leaves, wanted):
        assert t.grad is not None, f"no gradient reaches {name}"
        gap = np.abs(t.grad.numpy() - grad).max()
        assert gap < 1e-9, f"{where}: gradient of {name} off by {gap:.2g}"

# %% [markdown]
#     ??? tip "Hint 1"
#         The output has `(n + 2 * padding - k) // stride + 1` rows and columns. At every place, entry `(u, v)` of the filter meets the pixel `u` rows below and `v` columns right of where the filter lies.
#
#     ??? tip "Hint 2"
#         All these pixels together are `x[:, :, u : u + stride * rows : stride, v : v + stride * columns : stride]`, of shape (B, C, H', W'), where `x` is padded.
#
#     ??? tip "Hint 3"
#         `chainrule.einsum("bchw,oc->bohw", part, w[:, :, u, v])` multiplies and sums over the channels. Begin with the bias as (1, O, 1, 1), and add up over all `(u, v)`.
#
#     ??? success "Solution"
#         <!-- exercise: convolve solution -->
#         ```python
#         def convolve(x, w, b, stride=1, padding=0):
#             k, out = w.shape[-1], b.reshape(1, -1, 1, 1)
#             x = chainrule.pad(x, pad=(padding,) * 4)
#             high, wide = (stride * ((n - k) // stride + 1) for n in x.shape[2:])
#             for u, v in np.ndindex(k, k):
#                 part = x[:, :, u : u + high : stride, v : v + wide : stride]
#                 out = out + chainrule.einsum("bchw,oc->bohw", part, w[:, :, u, v])
#             return out
#         ```
#
#     <!-- exercise: convolve wrong: the filter was turned around
#     def convolve(x, w, b, stride=1, padding=0):
#         k, out = w.shape[-1], b.reshape(1, -1, 1, 1)
#         x = chainrule.pad(x, pad=(padding,) * 4)
#         high, wide = (stride * ((n - k) // stride + 1) for n in x.shape[2:])
#         for u, v in np.ndindex(k, k):
#             part = x[:, :, u : u + high : stride, v : v + wide : stride]
#             out = out + chainrule.einsum("bchw,oc->bohw", part, w[:, :, k - 1 - u, k - 1 - v])
#         return out
#     -->
#
#     <!-- exercise: convolve wrong: the bias was added more than once
#     def convolve(x, w, b, stride=1, padding=0):
#         k, out = w.shape[-1], 0
#         x = chainrule.pad(x, pad=(padding,) * 4)
#         high, wide = (stride * ((n - k) // stride + 1) for n in x.shape[2:])
#         for u, v in np.ndindex(k, k):
#             part = x[:, :, u : u + high : stride, v : v + wide : stride]
#             out = out + chainrule.einsum("bchw,oc->bohw", part, w[:, :, u, v]) + b.reshape(1, -1, 1, 1)
#         return out
#     -->
#
#     <!-- exercise: convolve wrong: rows and columns of the filter are swapped
#     def convolve(x, w, b, stride=1, padding=0):
#         k, out = w.shape[-1], b.reshape(1, -1, 1, 1)
#         x = chainrule.pad(x, pad=(padding,) * 4)
#         high, wide = (stride * ((n - k) // stride + 1) for n in x.shape[2:])
#         for u, v in np.ndindex(k, k):
#             part = x[:, :, u : u + high : stride, v : v + wide : stride]
#             out = out + chainrule.einsum("bchw,oc->bohw", part, w[:, :, v, u])
#         return out
#     -->
#
#     <!-- exercise: convolve wrong: compute with tensors
#     def convolve(x, w, b, stride=1, padding=0):
#         k, p = w.shape[-1], padding
#         x = np.pad(x.numpy(), [(0, 0), (0, 0), (p, p), (p, p)])
#         seen = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))
#         seen = seen[:, :, ::stride, ::stride]
#         return np.einsum("bchwuv,ocuv->bohw", seen, w.numpy()) + b.numpy()[:, None, None]
#     -->
#
#     <!-- exercise: convolve wrong: stride 1, padding 1: wanted
#     def convolve(x, w, b, stride=1, padding=0):
#         k, out = w.shape[-1], b.reshape(1, -1, 1, 1)
#         high, wide = (stride * ((n - k) // stride + 1) for n in x.shape[2:])
#         for u, v in np.ndindex(k, k):
#             part = x[:, :, u : u + high : stride, v : v + wide : stride]
#             out = out + chainrule.einsum("bchw,oc->bohw", part, w[:, :, u, v])
#         return out
#     -->
#
#     <!-- exercise: convolve right: place by place, stacked
#     def convolve(x, w, b, stride=1, padding=0):
#         k, out = w.shape[-1], []
#         x = chainrule.pad(x, pad=(padding,) * 4)
#         for i in range(0, x.shape[2] - k + 1, stride):
#             for j in range(0, x.shape[3] - k + 1, stride):
#                 window = x[:, :, i : i + k, j : j + k].reshape(len(x), -1)
#                 out.append(window @ w.reshape(len(w), -1).T + b)
#         rows = (x.shape[2] - k) // stride + 1
#         return chainrule.stack(out, 2).reshape(len(x), len(w), rows, -1)
#     -->
#
#     <!-- exercise: convolve right: one product, with an index for every window
#     def convolve(x, w, b, stride=1, padding=0):
#         k, x = w.shape[-1], chainrule.pad(x, pad=(padding,) * 4)
#         i, j = (stride * np.arange((n - k) // stride + 1) for n in x.shape[2:])
#         i = i[:, None, None, None] + np.arange(k)[:, None]
#         j = j[:, None, None] + np.arange(k)
#         out = chainrule.einsum("bchwuv,ocuv->bohw", x[:, :, i, j], w)
#         return out + b[:, None, None]
#     -->
#
# <!-- fold: the package's conv2d, as long as the blank is empty -->
# <!-- exercise: convolve stand-in -->

# %%
print("chainrule's conv2d stands in")


def convolve(x, w, b, stride=1, padding=0):
    return chainrule.conv2d(x, w, b, stride=stride, padding=padding)


# %% [markdown]
# ## The net
#
# Now the whole net. For training, take `nn.Conv2d`, which computes the same as your `convolve` with one large matrix product.
#
# !!! exercise "Blank 4 · The net"
#     Return an `nn.Sequential` that turns images (B, 1, 28, 28) into scores (B, 10):
#     a convolution with 16 filters of 5 × 5, stride 2 and padding 2; ReLU; a convolution with 32 filters of 3 × 3, stride 2 and padding 1; ReLU; then flattened, and a linear layer. Every layer draws its start from `rng`: `generator=rng`.
#
#     <!-- exercise: net starter -->


# %%
def make_net(rng):
    """Two convolutions with stride 2, and a linear layer."""
    return ...  # your turn


# %% [markdown]
#     <!-- exercise: net check -->

# %%
try:
    one, again, other = (make_net(np.random.default_rng(k)) for k in (0, 0, 1))
    assert one is not None, "nothing is returned"
    assert isinstance(one, nn.Sequential), (
        "wanted an nn.Sequential of chainrule, which to_torch can translate "
        f"below, got {type(one).__module__}.{type(one).__name__}"
    )
    params = {tuple(p.shape): p for p in one.parameters()}
    twice = [[p.numpy() for p in n.parameters()] for n in (again, other)]
except (TypeError, ValueError, AttributeError) as error:
    raise AssertionError(f"no net: {error}") from None
assert (5, 5, 1, 16) not in params, "filters have the shape (O, C, k, k)"
wanted = (16, 1, 5, 5), (16,), (32, 16, 3, 3), (32,), (10, 1568), (10,)
images = chainrule.Tensor(X_test[:20])
if set(params) == set(wanted):
    mine = [p.numpy() for p in one.parameters()]
    pairs = list(zip(mine, *twice))
    assert all(np.array_equal(a, b) for a, b, _ in pairs), (
        "the same rng gives two different nets: hand it to every layer"
    )
    assert not any(np.array_equal(a, c) for a, _, c in pairs), (
        "two generators give the same weights: draw from rng"
    )
try:
    with chainrule.no_grad():
        got = np.array(one(images).numpy())
except Exception as error:
    raise AssertionError(f"the net fails on images: {error}") from None
assert got.shape == (20, 10), f"wanted scores (20, 10), got {got.shape}"
missing = [shape for shape in wanted if shape not in params]
assert not missing, (
    f"no parameter has the shape {missing[0]}: compare with the plan above"
)
assert len(list(one.parameters())) == 6, "more than three layers to train"
assert not np.allclose(got.sum(axis=1), 1), (
    "probabilities: cross_entropy wants scores, without softmax"
)
relu, same = chainrule.relu, lambda z: z
with chainrule.no_grad():
    a, b, c, d, e, f = (params[shape] for shape in wanted)

    def reference(first=relu, second=relu, last=same):
        z = chainrule.conv2d(images, a, b, stride=2, padding=2)
        z = chainrule.conv2d(first(z), c, d, stride=2, padding=1)
        return last(second(z).reshape(20, -1) @ e.T + f).numpy()

    tell = {
        "no ReLU at all: the net is linear": reference(same, same),
        "where is ReLU after the first convolution?": reference(same),
        "where is ReLU after the second convolution?": reference(relu, same),
        "ReLU after the last layer: no score can be negative": reference(
            last=relu
        ),
    }
    right = reference()
for said, other in tell.items():
    assert not np.allclose(got, other, atol=1e-5), said
assert np.allclose(got, right, atol=1e-4), (
    "the shapes are right, the scores are not: check the order of the "
    "layers, and strides and paddings"
)

# %% [markdown]
#     ??? tip "Hint 1"
#         `nn.Sequential(...)` runs its modules one after another. Between the second ReLU and the linear layer comes `nn.Flatten()`.
#
#     ??? tip "Hint 2"
#         `nn.Conv2d(1, 16, 5, stride=2, padding=2, generator=rng)` is the first layer.
#
#     ??? tip "Hint 3"
#         Your plan says how many numbers the linear layer receives: 32 · 7 · 7.
#
#     ??? success "Solution"
#         <!-- exercise: net solution -->
#         ```python
#         def make_net(rng):
#             return nn.Sequential(
#                 nn.Conv2d(1, 16, 5, stride=2, padding=2, generator=rng),
#                 nn.ReLU(),
#                 nn.Conv2d(16, 32, 3, stride=2, padding=1, generator=rng),
#                 nn.ReLU(),
#                 nn.Flatten(),
#                 nn.Linear(32 * 7 * 7, 10, generator=rng),
#             )
#         ```
#
#     <!-- exercise: net wrong: where is ReLU after the first
#     def make_net(rng):
#         return nn.Sequential(
#             nn.Conv2d(1, 16, 5, stride=2, padding=2, generator=rng),
#             nn.Conv2d(16, 32, 3, stride=2, padding=1, generator=rng),
#             nn.ReLU(), nn.Flatten(), nn.Linear(1568, 10, generator=rng))
#     -->
#
#     <!-- exercise: net wrong: without softmax
#     def make_net(rng):
#         return nn.Sequential(
#             nn.Conv2d(1, 16, 5, stride=2, padding=2, generator=rng), nn.ReLU(),
#             nn.Conv2d(16, 32, 3, stride=2, padding=1, generator=rng), nn.ReLU(),
#             nn.Flatten(), nn.Linear(1568, 10, generator=rng), nn.Softmax(dim=1))
#     -->
#
#     <!-- exercise: net wrong: no score can be negative
#     def make_net(rng):
#         return nn.Sequential(
#             nn.Conv2d(1, 16, 5, stride=2, padding=2, generator=rng), nn.ReLU(),
#             nn.Conv2d(16, 32, 3, stride=2, padding=1, generator=rng), nn.ReLU(),
#             nn.Flatten(), nn.Linear(1568, 10, generator=rng), nn.ReLU())
#     -->
#
#     <!-- exercise: net wrong: the net fails on images
#     def make_net(rng):
#         return nn.Sequential(
#             nn.Conv2d(1, 16, 5, stride=2, generator=rng), nn.ReLU(),
#             nn.Conv2d(16, 32, 3, stride=2, generator=rng), nn.ReLU(),
#             nn.Flatten(), nn.Linear(1568, 10, generator=rng))
#     -->
#
#     <!-- exercise: net wrong: hand it to every layer
#     def make_net(rng):
#         return nn.Sequential(
#             nn.Conv2d(1, 16, 5, stride=2, padding=2), nn.ReLU(),
#             nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
#             nn.Flatten(), nn.Linear(1568, 10))
#     -->
#
#     <!-- exercise: net wrong: compare with the plan above
#     def make_net(rng):
#         return nn.Sequential(
#             nn.Conv2d(1, 32, 5, stride=2, padding=2, generator=rng), nn.ReLU(),
#             nn.Conv2d(32, 32, 3, stride=2, padding=1, generator=rng), nn.ReLU(),
#             nn.Flatten(), nn.Linear(1568, 10, generator=rng))
#     -->
#
#     <!-- exercise: net wrong: wanted an nn.Sequential
#     class Clothes(nn.Module):
#         def __init__(self, rng):
#             super().__init__()
#             self.first = nn.Conv2d(1, 16, 5, stride=2, padding=2, generator=rng)
#             self.second = nn.Conv2d(16, 32, 3, stride=2, padding=1, generator=rng)
#             self.last = nn.Linear(1568, 10, generator=rng)
#
#         def forward(self, x):
#             x = chainrule.relu(self.first(x))
#             x = chainrule.relu(self.second(x))
#             return self.last(x.reshape(len(x), -1))
#
#
#     def make_net(rng):
#         return Clothes(rng)
#     -->
#
#     <!-- exercise: net right: layers in a loop
#     def make_net(rng):
#         layers, before = [], 1
#         for out, k in [(16, 5), (32, 3)]:
#             layers += [nn.Conv2d(before, out, k, 2, k // 2, generator=rng), nn.ReLU()]
#             before = out
#         return nn.Sequential(*layers, nn.Flatten(), nn.Linear(before * 49, 10, generator=rng))
#     -->
#
#     <!-- exercise: net right: two blocks, one inside the other
#     def make_net(rng):
#         last = nn.Linear(1568, 10, generator=rng)
#         block = lambda *sizes: nn.Sequential(
#             nn.Conv2d(*sizes, 2, sizes[2] // 2, generator=rng), nn.ReLU())
#         return nn.Sequential(block(1, 16, 5), block(16, 32, 3), nn.Flatten(), last)
#     -->
#
# <!-- fold: the net as described, as long as the blank is empty -->
# <!-- exercise: net stand-in -->

# %%
print("the net as described stands in")


def make_net(rng):
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=2, padding=2, generator=rng),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1, generator=rng),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 10, generator=rng),
    )


# %% [markdown]
# Does your convolution fit into it? The block computes the loss of one batch twice, with the net and with `convolve` on the same parameters, and compares the loss and all six gradients. Then it trains three nets.


# %%
def by_hand(params, images):
    """Scores of the net, computed with convolve."""
    a, b, c, d, e, f = params
    z = chainrule.relu(convolve(images, a, b, 2, 2))
    z = chainrule.relu(convolve(z, c, d, 2, 1))
    return z.reshape(len(images), -1) @ e.T + f


net = make_net(np.random.default_rng(0)).double()
params = list(net.parameters())
batch, labels = chainrule.Tensor(X[:64].astype(float)), y[:64]
losses, slopes = [], []
for out in (lambda: net(batch)), (lambda: by_hand(params, batch)):
    net.zero_grad()
    loss = chainrule.cross_entropy(out(), labels)
    loss.backward()
    losses.append(loss.item())
    slopes.append([p.grad.numpy().copy() for p in params])
gap = max(np.abs(a - b).max() for a, b in zip(*slopes))
print(f"loss {losses[0]:.4f}, largest difference of a gradient {gap:.0e}")
assert abs(losses[0] - losses[1]) < 1e-9 and gap < 1e-9
nets = [train(make_net(np.random.default_rng(s)), s) for s in range(3)]
seen = accuracies(nets)
told("softmax regression", linear)
told("convolutional net", seen)
assert seen.min() > 0.84 and seen.min() > linear.max()
assert seen.mean() > linear.mean() + 0.005

# %% [markdown]
# Five epochs, a second or so for each net, and every one of them is ahead of softmax regression. It is a lead of a few points, no more: on clothes that are all centred and of one size, ten linear templates go a long way.
#
# ## What it gets wrong
#
# Accuracy is one number for a thousand answers. The **confusion matrix** keeps apart which class was taken for which.
#
# !!! exercise "Blank 5 · The confusion matrix"
#     `labels` and `said` are arrays of n numbers from 0 to 9: what each image is, and what the net said. Return an array (10, 10) of counts: row `i` and column `j` hold how many images of class `i` were called `j`.
#
#     <!-- exercise: confusion starter -->


# %%
def confusion(labels, said):
    """Counts (10, 10): a row for each class, a column for each answer."""
    return ...  # your turn


# %% [markdown]
#     <!-- exercise: confusion check -->

# %%
rng = np.random.default_rng(0)
labels, said = rng.integers(0, 9, 200), rng.integers(0, 8, 200)
kept = labels.copy(), said.copy()
try:
    got = np.asarray(confusion(labels, said), dtype=float)
except (TypeError, ValueError, IndexError, AttributeError) as error:
    raise AssertionError(f"wanted an array of counts: {error}") from None
assert np.array_equal(labels, kept[0]) and np.array_equal(said, kept[1]), (
    "the answers were changed"
)
wanted = confusion_matrix(labels, said, labels=range(10))
assert got.ndim == 2, f"wanted a table (10, 10), got shape {got.shape}"
assert got.shape == (10, 10), (
    f"wanted (10, 10), got {got.shape}: here some classes do not occur, "
    "and they have their rows and columns, too"
)
rows = wanted.sum(axis=1, keepdims=True)
tell = {
    "rows and columns are swapped: a row is a label": wanted.T,
    "each pair was counted once: with an array as index, += adds only "
    "once for the same place": np.minimum(wanted, 1),
    "only the errors were counted": wanted - np.diag(np.diag(wanted)),
    "only the right answers were counted": np.diag(np.diag(wanted)),
    "shares: wanted counts": wanted / np.maximum(rows, 1),
    "parts of all: wanted counts": wanted / 200,
}
for message, other in tell.items():
    assert not np.allclose(got, other), message
assert not (got % 1).any(), "wanted counts, whole numbers"
assert np.array_equal(got, wanted), (
    f"the entries sum to {got.sum():g} of 200, and {(got != wanted).sum()} "
    "of them are wrong"
)

# %% [markdown]
#     ??? tip "Hint 1"
#         Begin with `np.zeros((10, 10), dtype=int)`, and go through the pairs with `zip(labels, said)`.
#
#     ??? tip "Hint 2"
#         Without a loop: `np.add.at(table, (labels, said), 1)` adds 1 for every pair, however often it occurs.
#
#     ??? success "Solution"
#         <!-- exercise: confusion solution -->
#         ```python
#         def confusion(labels, said):
#             table = np.zeros((10, 10), dtype=int)
#             for i, j in zip(labels, said):
#                 table[i, j] += 1
#             return table
#         ```
#
#     <!-- exercise: confusion wrong: a row is a label
#     def confusion(labels, said):
#         table = np.zeros((10, 10), dtype=int)
#         np.add.at(table, (said, labels), 1)
#         return table
#     -->
#
#     <!-- exercise: confusion wrong: += adds only once
#     def confusion(labels, said):
#         table = np.zeros((10, 10), dtype=int)
#         table[labels, said] += 1
#         return table
#     -->
#
#     <!-- exercise: confusion wrong: shares: wanted counts
#     def confusion(labels, said):
#         return confusion_matrix(labels, said, labels=range(10), normalize="true")
#     -->
#
#     <!-- exercise: confusion wrong: some classes do not occur
#     def confusion(labels, said):
#         return confusion_matrix(labels, said)
#     -->
#
#     <!-- exercise: confusion wrong: only the errors
#     def confusion(labels, said):
#         table = np.zeros((10, 10), dtype=int)
#         for i, j in zip(labels, said):
#             if i != j:
#                 table[i, j] += 1
#         return table
#     -->
#
#     <!-- exercise: confusion right: a product of one-hot rows
#     def confusion(labels, said):
#         return np.eye(10)[labels].T @ np.eye(10)[said]
#     -->
#
#     <!-- exercise: confusion right: counts of two-digit numbers
#     def confusion(labels, said):
#         return np.bincount(10 * labels + said, minlength=100).reshape(10, 10).tolist()
#     -->
#
# <!-- fold: scikit-learn's, as long as the blank is empty -->
# <!-- exercise: confusion stand-in -->

# %%
print("scikit-learn's confusion_matrix stands in")
confusion = lambda labels, said: confusion_matrix(
    labels, said, labels=range(10)
)

# %% [markdown]
# The figure shows the confusion matrix of the first net with its diagonal left out, so that the colours show the errors alone. Which class gets most of the wrong answers?

# %%
answers = np.array([scores(net, X_test).argmax(axis=1) for net in nets])
tables = np.array([confusion(y_test, said) for said in answers])
errors = tables[0] - np.diag(np.diag(tables[0]))
fig, ax = plt.subplots(figsize=(6, 5.2), layout="constrained")
shown = ax.imshow(errors, cmap="Blues")
ax.set(title="Errors of the first net", xlabel="answer", ylabel="label")
ax.set_xticks(range(10), FASHION, rotation=60, ha="right")
ax.set_yticks(range(10), FASHION)
ax.grid(False)
fig.colorbar(shown, ax=ax, label="images", shrink=0.8)
found = tables.diagonal(axis1=1, axis2=2) / np.bincount(y_test)
for k in np.argsort(found.mean(axis=0))[:4]:
    told(f"{FASHION[k]} found", found[:, k])
tops = [FASHION.index(n) for n in ("T-shirt", "pullover", "coat", "shirt")]
inside = tables[:, tops][:, :, tops]
inside = inside.sum((1, 2)) - inside.trace(axis1=1, axis2=2)
shares = inside / (len(y_test) - tables.trace(axis1=1, axis2=2))
told("errors among four tops", shares)
assert set(np.argsort(found.mean(axis=0))[:2]) == set(tops[2:])
assert shares.min() > 0.5

# %% [markdown]
# Over the three nets, shirts and coats are found least often, and most of the errors are among four kinds of tops, whose mean images are alike.
#
# Three nets, each with a start and an order of batches of its own. Are their errors theirs, or those of the data?
#
# <!-- predict: common -->
#
# **Take the images that the first net gets wrong. How many of them do the other two get wrong as well?**
#
# - [ ] Few: each net has found a way of its own. <!-- common < 0.3 --> Then a vote of the three would be right nearly always. It is not.
# - [ ] About half of them. <!-- 0.3 <= common < 0.55 --> The nets agree more than that, also where they are wrong.
# - [x] Most of them: the images are hard, whatever the start. <!-- common >= 0.55 -->

# %%
wrong = answers != y_test
common = wrong.all(axis=0).sum() / wrong[0].sum()
same = wrong.all(axis=0) & (answers == answers[0]).all(axis=0)
print(f"wrong by net: {wrong.sum(axis=1)}, by all: {wrong.all(axis=0).sum()}")
print(f"by all, with the same answer: {same.sum()}")
votes = [np.bincount(said, minlength=10).argmax() for said in answers.T]
voted = np.mean(np.array(votes) == y_test)
print(f"accuracy of the majority: {voted:.3f}")
assert common > 0.55 and same.sum() > 0.5 * wrong.all(axis=0).sum()
assert voted < seen.max() + 0.03

# %% [markdown]
# The three nets fail on mostly the same images, and mostly with the same answer. So another start, or a vote, gains little; other data or another kind of net might.
#
# Look at the worst of them, ordered by the mean loss of the three nets. Below each image are the answer and the label. In which cases would you side with the net?

# %%
losses = np.zeros(len(y_test))
for net in nets:
    z = scores(net, X_test).astype(float)
    z -= z.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    losses -= log_p[np.arange(len(y_test)), y_test] / len(nets)
worst = np.argsort(losses)[::-1][:12]
names = [f"{FASHION[answers[0, i]]}?\n{FASHION[y_test[i]]}" for i in worst]
fig, ax = plt.subplots(figsize=(6.4, 3), layout="constrained")
plot.images(X_test[worst], names, columns=6, ax=ax)
ax.set_title("The worst images: answer of the first net, and label")
share = np.sort(losses)[::-1][:50].sum() / losses.sum()
print(f"loss {losses.mean():.2f}; of it on the worst 50 images {share:.0%}")
assert share > 0.25

# %% [markdown]
# The worst fifty of a thousand images carry a large part of the loss. Some are odd garments, and some have a label that you might doubt. Looking at the worst images takes a few lines, and it is a quick way to find faults in data.
#
# ## Two pixels
#
# All garments in the data stand in the middle. [Chapter](../models/convolution.md#clothes-and-a-step-to-the-right) moved them to the right and saw the accuracy fall. The common answer is to train on moved images, which is called **augmentation**.
# `moved` shifts images by whole pixels and fills with black.


# %%
def moved(images, down, right):
    """Images shifted down and right; negative numbers go up and left."""
    out = np.zeros_like(images)
    h, w = images.shape[-2:]
    there = np.s_[..., max(down, 0) : h + down, max(right, 0) : w + right]
    here = np.s_[..., max(-down, 0) : h - down, max(-right, 0) : w - right]
    out[there] = images[here]
    return out


fig, ax = plt.subplots(figsize=(6.4, 1.7), layout="constrained")
ways = [(0, 0), (0, 2), (-2, 0), (2, -2), (0, 4), (4, 4)]
shown = np.stack([moved(X_test[0, 0], *way) for way in ways])
plot.images(shown, [str(way) for way in ways], columns=6, ax=ax)
_ = ax.set_title("One boot, moved by (down, right) pixels")

# %% [markdown]
# !!! exercise "Blank 6 · Moved at random"
#     Return a copy of `images` (B, 1, 28, 28), in which every image is moved by an amount of its own: down and right by whole numbers between `-most` and `most`, both included, each with the same probability and drawn independently from `rng`. What comes in from outside is black: 0.
#
#     <!-- exercise: jitter starter -->


# %%
def jitter(images, most, rng):
    """Each image moved by up to `most` pixels in both directions."""
    return ...  # your turn


# %% [markdown]
#     <!-- exercise: jitter check -->

# %%
images = np.random.default_rng(1).uniform(1, 2, (500, 1, 28, 28))
images = images.astype(np.float32)
kept = images.copy()
for most in 2, 1:
    try:
        got = jitter(images, most, np.random.default_rng(0))
        assert got is not None, "nothing is returned"
        got = np.asarray(got)
        again = np.asarray(jitter(images, most, np.random.default_rng(0)))
        apart = np.asarray(jitter(images, most, np.random.default_rng(5)))
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        raise AssertionError(f"no images: {error}") from None
    assert np.array_equal(images, kept), "the images were changed: copy"
    assert got.shape == images.shape, (
        f"wanted shape {images.shape}, got {got.shape}"
    )
    assert np.array_equal(got, again), (
        "the same rng gives other images each time: draw from rng"
    )
    assert not np.array_equal(got, images), "nothing is moved"
    assert not np.array_equal(got, apart), "each rng gives the same images"
    by = np.full((500, 2), 99)
    rolled = np.zeros(500, bool)
    for down, right in np.ndindex(9, 9):
        down, right = down - 4, right - 4
        fits = (moved(images, down, right) == got).all(axis=(1, 2, 3))
        by[fits] = down, right
        roll = np.roll(images, (down, right), axis=(2, 3))
        rolled |= (roll == got).all(axis=(1, 2, 3)) & ~fits
    assert not rolled.any(), (
        "what leaves on one side comes in on the other: fill with 0"
    )
    lost = (by == 99).any(axis=1)
    assert not lost.any(), (
        f"{lost.sum()} of 500 images are not moved images filled with 0"
    )
    assert len(np.unique(by, axis=0)) > 1, (
        "all images were moved alike: draw for each of them"
    )
    assert np.abs(by).max() <= most, (
        f"with most = {most} an image was moved by {np.abs(by).max()}"
    )
    assert by[:, 0].any() and by[:, 1].any(), (
        "moved in one direction only: down and right"
    )
    assert not (abs(by[:, 0]) == abs(by[:, 1])).all(), (
        "moved along diagonals only: draw two numbers for each image"
    )
    assert (by.min(axis=0) == -most).all(), f"none is moved by {-most}"
    assert (by.max(axis=0) == most).all(), (
        f"none is moved by {most}: rng.integers leaves its upper end out"
    )
    assert len(np.unique(by, axis=0)) == (2 * most + 1) ** 2, (
        "some pairs of amounts never occur: draw down and right independently"
    )
    often = [np.bincount(b + most, minlength=2 * most + 1) for b in by.T]
    assert np.min(often) > 0.6 * 500 / (2 * most + 1), (
        f"not all amounts are equally frequent: {often[0].tolist()} times"
    )

# %% [markdown]
#     ??? tip "Hint 1"
#         `rng.integers(-most, most + 1, (len(images), 2))` draws two numbers for each image. Its upper end is left out, hence the `+ 1`.
#
#     ??? tip "Hint 2"
#         `moved(image, down, right)` does it for one image; `np.stack` makes one array of a list.
#
#     ??? success "Solution"
#         <!-- exercise: jitter solution -->
#         ```python
#         def jitter(images, most, rng):
#             by = rng.integers(-most, most + 1, (len(images), 2))
#             pairs = zip(images, by)
#             return np.stack([moved(image, *way) for image, way in pairs])
#         ```
#
#         A loop of 128 turns a batch is cheap beside the convolutions.
#
#     <!-- exercise: jitter wrong: leaves its upper end out
#     def jitter(images, most, rng):
#         by = rng.integers(-most, most, (len(images), 2))
#         return np.stack([moved(image, *way) for image, way in zip(images, by)])
#     -->
#
#     <!-- exercise: jitter wrong: comes in on the other
#     def jitter(images, most, rng):
#         by = rng.integers(-most, most + 1, (len(images), 2))
#         return np.stack([np.roll(image, way, axis=(1, 2)) for image, way in zip(images, by)])
#     -->
#
#     <!-- exercise: jitter wrong: all images were moved alike
#     def jitter(images, most, rng):
#         return moved(images, *rng.integers(-most, most + 1, 2))
#     -->
#
#     <!-- exercise: jitter wrong: along diagonals only
#     def jitter(images, most, rng):
#         by = rng.integers(-most, most + 1, len(images))
#         return np.stack([moved(image, b, b) for image, b in zip(images, by)])
#     -->
#
#     <!-- exercise: jitter wrong: in one direction only
#     def jitter(images, most, rng):
#         by = rng.integers(-most, most + 1, len(images))
#         return np.stack([moved(image, 0, b) for image, b in zip(images, by)])
#     -->
#
#     <!-- exercise: jitter wrong: draw down and right independently
#     def jitter(images, most, rng):
#         by = rng.integers(-most, most + 1, (len(images), 2))
#         by = np.abs(by) * np.sign(by[:, :1])
#         return np.stack([moved(image, *way) for image, way in zip(images, by)])
#     -->
#
#     <!-- exercise: jitter wrong: gives other images each time
#     def jitter(images, most, rng):
#         by = np.random.default_rng().integers(-most, most + 1, (len(images), 2))
#         return np.stack([moved(image, *way) for image, way in zip(images, by)])
#     -->
#
#     <!-- exercise: jitter wrong: not all amounts are equally frequent
#     def jitter(images, most, rng):
#         by = np.rint(rng.uniform(-most, most, (len(images), 2))).astype(int)
#         return np.stack([moved(image, *way) for image, way in zip(images, by)])
#     -->
#
#     <!-- exercise: jitter right: cut out of padded images
#     def jitter(images, most, rng):
#         wide = np.pad(images, [(0, 0), (0, 0), (most, most), (most, most)])
#         cuts = np.lib.stride_tricks.sliding_window_view(wide, images.shape[2:], axis=(2, 3))
#         i, j = rng.integers(0, 2 * most + 1, (2, len(images)))
#         return cuts[np.arange(len(images)), :, i, j]
#     -->
#
#     <!-- exercise: jitter right: rolled, and the border blackened
#     def jitter(images, most, rng):
#         out = images.copy()
#         for image in out:
#             for axis in (1, 2):
#                 by = int(rng.integers(2 * most + 1)) - most
#                 image[:] = np.roll(image, by, axis)
#                 edge = [slice(None)] * 3
#                 edge[axis] = slice(0, by) if by > 0 else slice(28 + by, 28)
#                 image[tuple(edge)] = 0
#         return out
#     -->
#
# <!-- fold: SciPy's shift, as long as the blank is empty -->
# <!-- exercise: jitter stand-in -->

# %%
print("SciPy's shift stands in")


def jitter(images, most, rng):
    by = rng.integers(-most, most + 1, (len(images), 2))
    pairs = zip(images, by)
    return np.stack([scipy_shift(x, (0, *b), order=0) for x, b in pairs])


# %% [markdown]
# Now train three nets on images that are moved anew in every epoch, by up to two pixels, and compare them with the three from before. Everything else is the same: the start, the rate, five epochs.
#
# <!-- predict: price -->
#
# **What does that change for test images that are not moved at all?**
#
# - [ ] The accuracy rises: moved images are additional data. <!-- new[0].mean() > old[0].mean() + 0.005 --> In the long run it may. In five epochs the net has a harder task in the same number of steps.
# - [ ] Nothing: these images are among those that it is trained on. <!-- abs(new[0].mean() - old[0].mean()) <= 0.005 --> Only one in twenty-five of them is, in each epoch.
# - [x] The accuracy falls by a few points: the net learns a harder task in the same time. <!-- old[0].mean() - 0.06 < new[0].mean() < old[0].mean() - 0.005 -->
#
# The figure shows the mean over four directions, and the range of three nets.

# %%
jittered = [
    train(make_net(np.random.default_rng(s)), s, lambda x, g: jitter(x, 2, g))
    for s in range(3)
]


def by_shift(nets):
    """Accuracies (5, nets) for shifts by 0 to 4, over four directions."""
    found = []
    for by in range(5):
        ways = (by, 0), (-by, 0), (0, by), (0, -by)
        every = [accuracies(nets, moved(X_test, *way)) for way in ways]
        found.append(np.mean(every, axis=0))
    return np.array(found)


old, new = by_shift(nets), by_shift(jittered)
fig, ax = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
for name, found in {"as they are": old, "moved": new}.items():
    (line,) = ax.plot(found.mean(axis=1), ".-", label=f"trained {name}")
    low, high = found.min(axis=1), found.max(axis=1)
    colour = line.get_color()
    ax.fill_between(range(5), low, high, color=colour, alpha=0.2, lw=0)
    for by in 0, 2, 4:
        told(f"{name}, shift {by}", found[by])
ax.set(title="Test images moved: mean and range of three nets")
ax.set(xlabel="shift in pixels", ylabel="accuracy", ylim=(0, 1))
ax.set_xticks(range(5))
_ = ax.legend()
assert old[2].max() < 0.75 and new[2].min() > old[2].max() + 0.05
assert old[0].mean() - 0.06 < new[0].mean() < old[0].mean() - 0.005
assert new[4].max() < 0.6

# %% [markdown]
# Two pixels cost the first three nets about twenty points; training on moved images gives most of them back, from every seed. The price is a few points on images that are not moved, in the same number of epochs; the last section trains longer. And the net learns what it was shown, not more: at four pixels, twice as far as in training, hardly more than half of its answers are right.
#
# ## The filters
#
# What has the first layer learned? The figure shows the sixteen filters of the first net, before and after training.

# %%
start = make_net(np.random.default_rng(0))
for name, net in {"before": start, "after": nets[0]}.items():
    fig, ax = plt.subplots(figsize=(6.4, 2.2), layout="constrained")
    weight = next(p for p in net.parameters() if p.ndim == 4)
    plot.filters(weight, columns=8, ax=ax)
    ax.set_title(f"Sixteen filters {name} training")

# %% [markdown]
# They have changed, but few of them show a clear edge or spot. Looks are a poor guide anyway; a better question is whether it matters that the filters were learned.
#
# <!-- predict: frozen -->
#
# **Leave the first layer at its random start, and train only the rest. How much accuracy does that cost?**
#
# - [ ] Nearly all: what follows sees only noise. <!-- frozen.mean() < 0.5 --> A random filter destroys little of an image; sixteen of them pass most of it on.
# - [ ] Several points: the net falls below softmax regression. <!-- 0.5 <= frozen.mean() < linear.mean() --> It stays above softmax regression.
# - [x] A point or so: random filters will do. <!-- linear.mean() <= frozen.mean() and seen.mean() - 0.03 < frozen.mean() -->


# %%
def with_frozen_filters(seed):
    """A net whose first convolution keeps its random start."""
    net = make_net(np.random.default_rng(seed))
    first = {(16, 1, 5, 5), (16,)}
    for p in net.parameters():
        p.requires_grad = tuple(p.shape) not in first
    return train(net, seed)


frozen = accuracies([with_frozen_filters(seed) for seed in range(3)])
told("softmax regression", linear)
told("first layer random", frozen)
told("first layer learned", seen)
assert frozen.mean() > linear.mean() and frozen.mean() > seen.mean() - 0.03

# %% [markdown]
# So much of what the convolutional net gains here comes from its structure, from local filters and strides, and less from *which* filters the first layer has. [Saxe and others 2011](../reference/bibliography.md#saxe2011) found something similar for convolution with pooling, and explain why. Nice pictures of filters prove nothing by themselves: freeze them, and measure.
#
# ## The same in PyTorch
#
# `to_torch` makes a PyTorch net with the same weights. First the check, in float64 where the device has it: one batch, the loss, and the gradients of all parameters.

# %%
place = device()
kind = torch.float32 if place.type == "mps" else torch.float64
mine = make_net(np.random.default_rng(0)).double()
theirs = to_torch(mine, place, kind)
put = lambda a, dtype=None: torch.tensor(a, device=place, dtype=dtype)
loss = chainrule.cross_entropy(mine(X[:64].astype(float)), y[:64])
loss.backward()
other = torch.nn.functional.cross_entropy(
    theirs(put(X[:64], kind)), put(y[:64])
)
other.backward()
tolerance = 1e-9 if kind == torch.float64 else 1e-3
assert abs(loss.item() - other.item()) < tolerance
for p, q in zip(mine.parameters(), theirs.parameters()):
    assert np.allclose(p.grad.numpy(), q.grad.cpu().numpy(), atol=tolerance)
print(f"loss {loss.item():.4f} and six gradients agree on {place.type}")

# %% [markdown]
# !!! exercise "Blank 7 · A step in PyTorch"
#     Write one step of training: compute the cross-entropy of the net's scores, take its gradients, let the optimiser step, and return the loss as a plain number. What earlier steps left in `grad` must not count.
#
#     <!-- exercise: step starter -->


# %%
def torch_step(net, optimizer, images, labels):
    """One step of training; returns the loss before it."""
    ...  # your turn


# %% [markdown]
#     <!-- exercise: step check -->

# %%
cross_entropy = torch.nn.functional.cross_entropy
few = torch.tensor(X[:40].reshape(2, 20, -1)[..., ::7].copy())
two = torch.tensor(y[:40].reshape(2, 20))


def after(step, rounds=2):
    """Losses and weights after steps on a small net, always the same."""
    net = torch.nn.Linear(112, 10)
    with torch.no_grad():
        net.weight.copy_(torch.cos(torch.arange(1120.0)).view(10, 112) / 9)
        net.bias.zero_()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    said = [step(net, optimizer, few[k], two[k]) for k in range(rounds)]
    return said, net.weight.detach().clone()


def model(zero=True, mean="mean", soft=False):
    """A step of training, or one with a mistake in it."""

    def step(net, optimizer, images, labels):
        if zero:
            optimizer.zero_grad()
        out = net(images).softmax(dim=1) if soft else net(images)
        loss = cross_entropy(out, labels, reduction=mean)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


begin = after(lambda *_: 0.0)[1]
wanted, right = after(model())
try:
    said, got = after(torch_step)
except Exception as error:
    raise AssertionError(f"the step fails: {error}") from None
assert None not in said, "the loss is not returned"
assert all(np.ndim(v) == 0 and not isinstance(v, str) for v in said), (
    "wanted the loss alone, as a plain number"
)
assert not torch.equal(got, begin), "the weights did not move"
assert not torch.allclose(got, after(model(zero=False))[1]), (
    "the second step adds to the gradients of the first: zero_grad"
)
assert not torch.allclose(got, after(model(soft=True))[1]), (
    "cross_entropy wants scores, and takes the softmax itself"
)
assert not torch.allclose(got, after(model(mean="sum"))[1]), (
    "the sum of the losses: wanted their mean"
)
assert not torch.allclose(got, after(model(), 1)[1], atol=1e-6), (
    "only one of two steps has moved the weights: backward comes before step"
)
assert torch.allclose(got, right, atol=1e-6), (
    "the weights after two steps are not those of gradient descent: "
    "zero_grad, loss, backward, step, once each and in this order"
)
assert not any(isinstance(value, torch.Tensor) for value in said), (
    "a tensor, which keeps its graph: return loss.item()"
)
assert np.allclose(said, wanted, atol=1e-5), (
    f"wanted the losses {np.round(wanted, 4)}, got {said}"
)

# %% [markdown]
#     ??? tip "Hint 1"
#         Five lines: `optimizer.zero_grad()`, the loss, `backward()`, `optimizer.step()`, and the return.
#
#     ??? tip "Hint 2"
#         `torch.nn.functional.cross_entropy(net(images), labels)` takes scores, and `loss.item()` is a plain number.
#
#     ??? success "Solution"
#         <!-- exercise: step solution -->
#         ```python
#         def torch_step(net, optimizer, images, labels):
#             optimizer.zero_grad()
#             loss = torch.nn.functional.cross_entropy(net(images), labels)
#             loss.backward()
#             optimizer.step()
#             return loss.item()
#         ```
#
#     <!-- exercise: step wrong: adds to the gradients of the first
#     def torch_step(net, optimizer, images, labels):
#         loss = torch.nn.functional.cross_entropy(net(images), labels)
#         loss.backward()
#         optimizer.step()
#         return loss.item()
#     -->
#
#     <!-- exercise: step wrong: takes the softmax itself
#     def torch_step(net, optimizer, images, labels):
#         optimizer.zero_grad()
#         loss = torch.nn.functional.cross_entropy(net(images).softmax(dim=1), labels)
#         loss.backward()
#         optimizer.step()
#         return loss.item()
#     -->
#
#     <!-- exercise: step wrong: return loss.item()
#     def torch_step(net, optimizer, images, labels):
#         optimizer.zero_grad()
#         loss = torch.nn.functional.cross_entropy(net(images), labels)
#         loss.backward()
#         optimizer.step()
#         return loss
#     -->
#
#     <!-- exercise: step wrong: the weights did not move
#     def torch_step(net, optimizer, images, labels):
#         loss = torch.nn.functional.cross_entropy(net(images), labels)
#         loss.backward()
#         optimizer.zero_grad()
#         optimizer.step()
#         return loss.item()
#     -->
#
#     <!-- exercise: step wrong: backward comes before step
#     def torch_step(net, optimizer, images, labels):
#         loss = torch.nn.functional.cross_entropy(net(images), labels)
#         optimizer.step()
#         optimizer.zero_grad()
#         loss.backward()
#         return loss.item()
#     -->
#
#     <!-- exercise: step right: the loss as a module, gradients emptied afterwards
#     def torch_step(net, optimizer, images, labels):
#         loss = torch.nn.CrossEntropyLoss()(net(images), labels)
#         loss.backward()
#         optimizer.step()
#         net.zero_grad()
#         return float(loss.detach())
#     -->
#
#     <!-- exercise: step right: log-probabilities picked out
#     def torch_step(net, optimizer, images, labels):
#         rows = torch.arange(len(labels), device=labels.device)
#         loss = -net(images).log_softmax(dim=1)[rows, labels].mean()
#         for p, g in zip(net.parameters(), torch.autograd.grad(loss, list(net.parameters()))):
#             p.grad = g
#         optimizer.step()
#         return loss.detach().cpu().numpy().item()
#     -->
#
# <!-- fold: a step by PyTorch's closure, as long as the blank is empty -->
# <!-- exercise: step stand-in -->

# %%
print("a step with PyTorch's closure stands in")


def torch_step(net, optimizer, images, labels):
    def closure():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(images), labels)
        loss.backward()
        return loss

    return optimizer.step(closure).item()


# %% [markdown]
# The net from blank 4, from three starts, trained on moved images for longer: eight epochs on a processor, forty on a GPU.

# %%
torch.set_num_threads(1)  # on nets this small, threads only wait
epochs = 8 if place.type == "cpu" else 40


def torch_train(seed):
    """A net in PyTorch, trained on moved images."""
    rng = np.random.default_rng(seed)
    net = to_torch(make_net(rng), place, torch.float32)
    adam = torch.optim.Adam(net.parameters(), lr=0.01)
    order = batches(X, y, batch_size=128, generator=rng)
    steps = epochs * len(order)
    rate = torch.optim.lr_scheduler.OneCycleLR(adam, 0.01, total_steps=steps)
    for _ in range(epochs):
        for images, labels in order:
            images = np.asarray(jitter(images.numpy(), 2, rng))
            images = put(images, torch.float32)
            torch_step(net, adam, images, put(labels.numpy()))
            rate.step()
    return net


def torch_accuracy(net, images):
    """Accuracy on the test labels."""
    with torch.no_grad():
        said = net(put(images)).argmax(dim=1).cpu().numpy()
    return np.mean(said == y_test)


larger = [torch_train(seed) for seed in range(3)]
still = np.array([torch_accuracy(net, X_test) for net in larger])
ways = (2, 0), (-2, 0), (0, 2), (0, -2)
off = [[torch_accuracy(net, moved(X_test, *w)) for w in ways] for net in larger]
told("chainrule, not moved", new[0])
told("chainrule, two pixels", new[2])
print(f"PyTorch on {place.type}, {epochs} epochs:")
told("not moved", still)
told("two pixels", np.mean(off, axis=1))
assert still.min() > 0.8 and np.mean(off, axis=1).min() > 0.78
assert still.mean() > new[0].mean()

# %% [markdown]
# Longer training makes up for part of the price, and with a shift of two pixels the nets are now nearly as good as without one.
#
# ## A sheet for your own images
#
# | Before you believe an accuracy | What it told here |
# | --- | --- |
# | count the classes, look at their means | which classes will be confused |
# | a baseline without a net | how little of the accuracy is the net's |
# | three seeds, and the standard error | which differences mean something |
# | the confusion matrix | most errors are among four kinds of tops |
# | the worst images by loss | odd garments and doubtful labels |
# | a shift that a person would not notice | twenty points lost, and won back |
# | a part left at its random start | what has really been learned |
#
# ## Where to go on
#
# Mirror the images at random as well: which classes does that help, and which letters or digits would it harm? Replace the stride by max pooling, and measure the shifts again. Train one net on half of the images, and on a quarter, with and without moved images: when is augmentation worth most?
