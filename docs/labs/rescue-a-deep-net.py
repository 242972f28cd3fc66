# ---
# title: Rescue a deep net
# description: Thirty layers that learn nothing are examined layer by layer and repaired, one change at a time, until they read digits.
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
# # Rescue a deep net
#
# A net of thirty layers learns nothing. You find out why, with three instruments that you build yourself, and repair it one change at a time. After each repair you measure again, because two of the usual remedies turn out not to work here.
#
# Seven blanks are yours to fill, a few lines each; the mark is `...  # your turn`. Below each one stands a check, and below that hints and a solution in closed boxes.
# A check says *not yet* of an empty blank and *not right* of a wrong one. Then something borrowed or slow **stands in** for it, so that *Run all* reaches the end from the start. Fill a blank, run all again, and the borrowed parts become your own.
#
# You need [A signal through thirty layers](../depth/signals.md), which derives most of what you are about to measure, and the first half of [Tricks that keep it training](../depth/tricks-that-keep-it-training.md). Allow an hour to an hour and a half.

# %%
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.metrics.pairwise import cosine_similarity

import chainrule
from chainrule import init, nn
from chainrule.data import batches, digits, train_test_split
from chainrule.optim import SGD, Adam
from chainrule.torch import device, to_torch

chainrule.set_default_dtype(np.float64)
split = np.random.default_rng(0)
X, X_held, y, y_held = train_test_split(*digits(), generator=split)
X, X_held = X.astype(float), X_held.astype(float)
rms = lambda a: np.sqrt(np.mean(a * a))
print(f"{len(y)} digits to train on, {len(y_held)} held out")

# %% [markdown]
# Everything runs in float64. Some gradients below are so small that float32 would round them to 0.
#
# ## The patient
#
# All nets in this lab have one frame: a linear layer, thirty *blocks* of 64 units, and a linear layer that gives ten scores. Only the block changes. It is made by a function that takes a generator of random numbers and returns a module.
# The patient's block is a linear layer and a sigmoid. Its weights are normal with standard deviation 0.1, and its biases start at 0.


# %%
def dense(rng, std):
    """A linear layer, 64 to 64, with normal weights and no biases yet."""
    layer = nn.Linear(64, 64, generator=rng)
    init.normal_(layer.weight, 0.0, std, generator=rng)
    init.zeros_(layer.bias)
    return layer


def patient(rng, std=0.1):
    """The block of the patient."""
    return nn.Sequential(dense(rng, std), nn.Sigmoid())


def deep(block, seed=0, depth=30):
    """A linear layer, so many blocks, and a linear layer to 10 scores."""
    rng = np.random.default_rng(seed)
    return nn.Sequential(
        nn.Linear(64, 64, generator=rng),
        *(block(rng) for _ in range(depth)),
        nn.Linear(64, 10, generator=rng),
    )


print(len(list(deep(patient).parameters())), "arrays of parameters")

# %% [markdown]
# `trial` trains a block's net from three or five seeds, six epochs each, and prints the lowest and the highest accuracy on the digits held out, with the training loss. It stops a run whose loss is no longer finite.
#
# <!-- fold: trial, which trains several nets and reports the range -->


# %%
adam, momentum = partial(Adam, lr=0.002), partial(SGD, momentum=0.9)


def run(block, seed, optimizer=adam, between=None, depth=30):
    """Accuracy held out and last training loss after six epochs."""
    net, rng = deep(block, seed, depth), np.random.default_rng(seed)
    params = list(net.parameters())
    step = optimizer(params)
    for _ in range(6):
        losses = []
        for x, labels in batches(X, y, batch_size=64, generator=rng):
            step.zero_grad()
            loss = chainrule.cross_entropy(net(x), labels)
            losses.append(loss.item())
            if not np.isfinite(losses[-1]):
                return 0.0, np.inf
            loss.backward()
            if between:
                between(params)
            step.step()
    net.eval()
    with chainrule.no_grad():
        said = net(chainrule.Tensor(X_held)).numpy().argmax(axis=1)
    return (said == y_held).mean(), np.mean(losses)


def trial(name, block, seeds=3, **options):
    """Train from several seeds, print the range, return accuracies."""
    with np.errstate(all="ignore"):
        runs = [run(block, seed, **options) for seed in range(seeds)]
    right, loss = np.transpose(runs)
    print(f"{name:24} held out {right.min():.2f} to {right.max():.2f},", end="")
    print(f" training loss {loss.min():.2f} to {loss.max():.2f}")
    return right


# %% [markdown]
# First a healthy net for comparison, with only two blocks of ReLU, and then the patient. Chance is one in ten, and a net that gives all digits the same probability has the loss $\log 10 = 2.30$.


# %%
def relu_block(rng, std):
    """A linear layer and ReLU."""
    return nn.Sequential(dense(rng, std), nn.ReLU())


shallow = trial("2 blocks", partial(relu_block, std=0.18), depth=2)
sick = trial("30 blocks, the patient", patient)
assert shallow.min() > 0.8 and sick.max() < 0.25

# %% [markdown]
# Two blocks learn, and thirty do not. Loss and accuracy say *that* it fails; to see *why*, you have to look inside.
#
# ## Two numbers for each block
#
# The **signal** of a block is the size of everything it puts out, as in the chapter the root mean square, `rms`: one number for all digits and units together. The **gradient** is the root mean square of the gradient of the loss with respect to that same output.
#
# `slow_examine` measures both without any trick. For each block it runs the net up to that block, takes the output as a new input, runs the rest, and goes backward to it. That takes thirty runs; yours will take one.
#
# <!-- fold: slow_examine, which yours is compared with -->


# %%
def slow_examine(net, x, y):
    """Signal and gradient of each block, with one run for each block."""
    layers, signal, gradient = list(net), [], []
    for k in range(1, len(layers) - 1):
        with chainrule.no_grad():
            a = chainrule.Tensor(x)
            for layer in layers[: k + 1]:
                a = layer(a)
        a = out = chainrule.Tensor(a.numpy(), requires_grad=True)
        for layer in layers[k + 1 :]:
            out = layer(out)
        chainrule.cross_entropy(out, y).backward()
        signal.append(rms(a.numpy()))
        gradient.append(rms(a.grad.numpy()))
    return signal, gradient


# %% [markdown]
# !!! exercise "Blank 1 · Examine a net"
#     Return two lists, `signal` and `gradient`, with one number for each block: not for the linear layers at both ends. Use one run forward and one `backward`.
#     `list(net)` holds the layers and blocks in order, and `chainrule.cross_entropy(scores, y)` is the loss. After `backward` a tensor that is no parameter has a `grad` only if you have called its `retain_grad()` before.
#
#     <!-- exercise: examine starter -->


# %%
def examine(net, x, y):
    """Root mean squares of each block's output, and of its gradient."""
    signal, gradient = ..., ...  # your turn
    return signal, gradient


# %% [markdown]
#     <!-- exercise: examine check -->

# %%
with np.errstate(all="ignore"):
    net = deep(partial(relu_block, std=0.2), seed=1, depth=3)
    wanted = slow_examine(net, X[:60], y[:60])
    try:
        mine = examine(net, X[:60], y[:60])
        assert mine is not None, "nothing is returned"
        count = [len(part) for part in mine]
        mine = [[float(value) for value in part] for part in mine]
    except (AttributeError, TypeError, ValueError, IndexError) as error:
        said = f"no two lists of numbers: {error}"
        if "NoneType" in said:
            said = "a gradient is None: call retain_grad() before backward"
        raise AssertionError(said) from None
assert count != [5, 5], "five numbers for three blocks: leave out the ends"
assert count == [3, 3], f"wanted 3 and 3 numbers, got {count}"
layers, (signal, gradient) = list(net), mine
a = layers[1](layers[0](chainrule.Tensor(X[:60]))).numpy()
if np.isclose(signal[0], a.std(), rtol=1e-3):
    raise AssertionError("a standard deviation: do not remove the mean")
assert not np.allclose(signal, wanted[0][::-1]), "the blocks are reversed"
assert np.allclose(signal, wanted[0], rtol=1e-2), (
    f"signal: wanted {np.round(wanted[0], 4)}, got {np.round(signal, 4)}"
)
assert not np.allclose(gradient, wanted[1][::-1], rtol=1e-2), (
    "the gradients are reversed: the first is that of the first block"
)
assert np.allclose(gradient, wanted[1], rtol=1e-2), (
    f"gradient: wanted {np.round(wanted[1], 6)} for the outputs of the "
    f"blocks, got {np.round(gradient, 6)}"
)

# %% [markdown]
#     ??? tip "Hint 1"
#         Send `x` through the layers in a loop, and keep what each one puts out in a list. `chainrule.Tensor(x)` makes a tensor of an array.
#
#     ??? tip "Hint 2"
#         Call `retain_grad()` on each kept output. After the loop, the last output is the scores; compute the loss and call `backward()`.
#
#     ??? tip "Hint 3"
#         `rms(a.numpy())` and `rms(a.grad.numpy())`, for all kept outputs but the first and the last: `kept[1:-1]`.
#
#     ??? success "Solution"
#         <!-- exercise: examine solution -->
#         ```python
#         def examine(net, x, y):
#             a, kept = chainrule.Tensor(x), []
#             for layer in net:
#                 a = layer(a)
#                 a.retain_grad()
#                 kept.append(a)
#             chainrule.cross_entropy(a, y).backward()
#             signal = [rms(a.numpy()) for a in kept[1:-1]]
#             gradient = [rms(a.grad.numpy()) for a in kept[1:-1]]
#             return signal, gradient
#         ```
#
#     <!-- exercise: examine wrong: leave out the ends
#     def examine(net, x, y):
#         a, kept = chainrule.Tensor(x), []
#         for layer in net:
#             a = layer(a)
#             a.retain_grad()
#             kept.append(a)
#         chainrule.cross_entropy(a, y).backward()
#         signal = [rms(a.numpy()) for a in kept]
#         gradient = [rms(a.grad.numpy()) for a in kept]
#         return signal, gradient
#     -->
#
#     <!-- exercise: examine wrong: call retain_grad() before backward
#     def examine(net, x, y):
#         a, kept = chainrule.Tensor(x), []
#         for layer in net:
#             a = layer(a)
#             kept.append(a)
#         chainrule.cross_entropy(a, y).backward()
#         signal = [rms(a.numpy()) for a in kept[1:-1]]
#         gradient = [rms(a.grad.numpy()) for a in kept[1:-1]]
#         return signal, gradient
#     -->
#
#     <!-- exercise: examine wrong: for the outputs of the blocks
#     def examine(net, x, y):
#         a, signal = chainrule.Tensor(x), []
#         for layer in net:
#             a = layer(a)
#             signal.append(rms(a.numpy()))
#         chainrule.cross_entropy(a, y).backward()
#         weights = [p for p in net.parameters() if p.ndim == 2]
#         return signal[1:-1], [rms(w.grad.numpy()) for w in weights[1:-1]]
#     -->
#
#     <!-- exercise: examine wrong: do not remove the mean
#     def examine(net, x, y):
#         a, kept = chainrule.Tensor(x), []
#         for layer in net:
#             a = layer(a)
#             a.retain_grad()
#             kept.append(a)
#         chainrule.cross_entropy(a, y).backward()
#         return [a.numpy().std() for a in kept[1:-1]], [a.grad.numpy().std() for a in kept[1:-1]]
#     -->
#
#     <!-- exercise: examine wrong: the gradients are reversed
#     def examine(net, x, y):
#         a, kept = chainrule.Tensor(x), []
#         for layer in net:
#             a = layer(a)
#             a.retain_grad()
#             kept.append(a)
#         chainrule.cross_entropy(a, y).backward()
#         signal = [rms(a.numpy()) for a in kept[1:-1]]
#         gradient = [rms(a.grad.numpy()) for a in kept[-2:0:-1]]
#         return signal, gradient
#     -->
#
#     <!-- exercise: examine right: slices of the net, and the norm of each tensor
#     def examine(net, x, y):
#         a, kept = net[0](chainrule.Tensor(x)), []
#         for block in net[1:-1]:
#             a = block(a)
#             a.retain_grad()
#             kept.append(a)
#         chainrule.cross_entropy(net[-1](a), y).backward()
#         return [a.norm().item() / a.numpy().size**0.5 for a in kept], [rms(a.grad.numpy()) for a in kept]
#     -->
#
#     <!-- exercise: examine right: noise of size zero added behind each block
#     def examine(net, x, y):
#         layers = list(net)
#         a, signal, noise = layers[0](chainrule.Tensor(x)), [], []
#         for block in layers[1:-1]:
#             a = block(a)
#             signal.append((a * a).mean() ** 0.5)
#             noise.append(chainrule.Tensor(np.zeros(a.shape), requires_grad=True))
#             a = a + noise[-1]
#         chainrule.cross_entropy(layers[-1](a), y).backward()
#         return signal, [(e.grad**2).mean() ** 0.5 for e in noise]
#     -->
#
# <!-- fold: the slow examiner, as long as the blank is empty -->
# <!-- exercise: examine stand-in -->

# %%
print("the slow examiner stands in")
examine = slow_examine

# %% [markdown]
# Now the patient and three others that differ from it in one or two things. Before you look: which of the four keeps its signal, and does it keep its gradient as well? Read the upper chart from left to right, as the signal travels, and the lower one from right to left, as the gradient does.


# %%
def chart(patients, n=128):
    """Signal and gradient of several nets, block by block."""
    fig, axes = plt.subplots(2, 1, figsize=(6.4, 6.2), sharex=True)
    found = {}
    for name, block in patients.items():
        with np.errstate(all="ignore"):
            found[name] = examine(deep(block), X[:n], y[:n])
        for ax, values in zip(axes, found[name]):
            ax.semilogy(range(1, 31), values, ".-", label=name)
    axes[0].set(title="Signal and gradient, block by block")
    axes[0].set(ylabel="signal")
    axes[1].set(xlabel="block", ylabel="gradient")
    axes[0].legend()
    return found


found = chart(
    {
        "sigmoid, 0.1": patient,
        "sigmoid, 1": partial(patient, std=1.0),
        "ReLU, 0.1": partial(relu_block, std=0.1),
        "ReLU, 1": partial(relu_block, std=1.0),
    }
)
for name, (signal, gradient) in found.items():
    print(f"{name:13} signal × {signal[-1] / signal[0]:.0e} upwards,", end="")
    print(f" gradient × {gradient[0] / gradient[-1]:.0e} downwards")
signal, gradient = found["sigmoid, 0.1"]
assert signal[-1] > signal[0] / 10 and gradient[0] < 1e-12 * gradient[-1]

# %% [markdown]
# The patient's gradient is dead long before it reaches the first block. A sigmoid's slope is at most ¼, so thirty of them take away a factor of at least $4^{30} \approx 10^{18}$, unless the weights make up for it. With ReLU both curves go the same way: weights of 0.1 make them vanish, weights of 1 make them explode. Somewhere between there is a start that does neither.
#
# The patient's signal looks level. But that one number mixes what all digits have in common with how they *differ*, and only the second carries information. Measure it alone, as the standard deviation of each unit over the digits, for the patient and for sigmoids with weights of 1, and count the outputs within 0.05 of 0 or 1, where a sigmoid is nearly flat.


# %%
def over_digits(net, n=128):
    """Behind each block: deviation over digits, share near 0 or 1."""
    with chainrule.no_grad():
        a, found = net[0](chainrule.Tensor(X[:n])), []
        for block in net[1:-1]:
            a = block(a)
            v = a.numpy()
            flat = np.abs(v - 0.5) > 0.45
            found.append((v.std(axis=0).mean(), flat.mean()))
    return found


for std in (0.1, 1.0):
    found = over_digits(deep(partial(patient, std=std)))
    for k in (1, 30):
        moves, flat = found[k - 1]
        print(f"weights {std}, block {k:2}: over digits {moves:.0e},", end="")
        print(f" near 0 or 1 {flat:.2f}")
    if std == 0.1:
        assert moves < 1e-12
saturated = trial("30 blocks, sigmoid, 1", partial(patient, std=1.0))
assert flat > 0.4 and saturated.max() < 0.5

# %% [markdown]
# Nothing of the digits reaches the patient's last block: what is left there is rounding error. Weights of 1 make up for most of the loss in both directions. But then the sigmoids saturate, about half of them in the last block, and what still gets through is not enough to learn from.
#
# ## Does it move?
#
# A third number looks at what training does: how far one step moves the weights of a block, compared with the weights themselves. This is the [**update-to-data ratio**](../depth/signals.md#update-to-data-ratios); around $10^{-3}$ is healthy, as a rule of thumb.
#
# !!! exercise "Blank 2 · The update-to-data ratio"
#     `before` and `after` are lists of arrays, the weights of each block before and after one step. Return a list with the norm of the change divided by the norm of the weights before, one number for each block. The norm is the root of the sum of all squares.
#
#     <!-- exercise: ratios starter -->


# %%
def ratios(before, after):
    """Update-to-data ratio of each array of weights."""
    return ...  # your turn


# %% [markdown]
#     <!-- exercise: ratios check -->

# %%
rng = np.random.default_rng(0)
before = [rng.normal(1, 1, (4, 6)), rng.normal(size=(5, 3))]
after = [before[0] + rng.normal(1, 1, (4, 6)), before[1] * 0.9]
kept = [w.copy() for w in before + after]
try:
    mine = np.array([float(r) for r in ratios(before, after)])
except (TypeError, ValueError, AttributeError) as error:
    said = f"wanted a list with one number for each array: {error}"
    raise AssertionError(said) from None
for a, b in zip(kept, before + after):
    assert np.array_equal(a, b), "the arrays were changed"
size = lambda w: np.sqrt((w**2).sum())
pairs = list(zip(before, after))
wanted = np.array([size(b - a) / size(a) for a, b in pairs])
assert mine.shape == (2,), f"wanted 2 numbers, got {len(mine)}"
tell = {
    "the data divided by the update": 1 / wanted,
    "divided by the weights after the step": [
        size(b - a) / size(b) for a, b in pairs
    ],
    "a mean of ratios: one weight near 0 would rule it": [
        np.abs((b - a) / a).mean() for a, b in pairs
    ],
    "the size has changed by that much, the weights by more": [
        abs(size(b) - size(a)) / size(a) for a, b in pairs
    ],
    "squares: take the root": wanted**2,
    "a deviation leaves the mean out": [
        (b - a).std() / a.std() for a, b in pairs
    ],
}
for said, values in tell.items():
    assert not np.allclose(mine, values), said
assert np.allclose(mine, wanted), f"wanted {wanted}, got {mine}"

# %% [markdown]
#     ??? tip "Hint 1"
#         `zip(before, after)` gives the pairs.
#
#     ??? tip "Hint 2"
#         `np.linalg.norm(w)` is the root of the sum of all squares, whatever the shape of `w`.
#
#     ??? success "Solution"
#         <!-- exercise: ratios solution -->
#         ```python
#         def ratios(before, after):
#             norm = np.linalg.norm
#             return [norm(b - a) / norm(a) for a, b in zip(before, after)]
#         ```
#
#     <!-- exercise: ratios wrong: divided by the weights after
#     def ratios(before, after):
#         norm = np.linalg.norm
#         return [norm(b - a) / norm(b) for a, b in zip(before, after)]
#     -->
#
#     <!-- exercise: ratios wrong: the size has changed by that much
#     def ratios(before, after):
#         norm = np.linalg.norm
#         return [abs(norm(b) - norm(a)) / norm(a) for a, b in zip(before, after)]
#     -->
#
#     <!-- exercise: ratios wrong: a mean of ratios
#     def ratios(before, after):
#         return [np.abs((b - a) / a).mean() for a, b in zip(before, after)]
#     -->
#
#     <!-- exercise: ratios wrong: take the root
#     def ratios(before, after):
#         return [((b - a) ** 2).sum() / (a**2).sum() for a, b in zip(before, after)]
#     -->
#
#     <!-- exercise: ratios right: root mean squares in a loop
#     def ratios(before, after):
#         found = np.zeros(len(before))
#         for k in range(len(before)):
#             update = np.sqrt(np.mean((before[k] - after[k]) ** 2))
#             found[k] = update / np.sqrt(np.mean(before[k] ** 2))
#         return found
#     -->
#
#     <!-- exercise: ratios right: PyTorch's norms
#     def ratios(before, after):
#         before, after = (map(torch.tensor, weights) for weights in (before, after))
#         return [((b - a).norm() / a.norm()).item() for a, b in zip(before, after)]
#     -->
#
# <!-- fold: PyTorch's norms, as long as the blank is empty -->
# <!-- exercise: ratios stand-in -->

# %%
print("PyTorch's norms stand in")


def ratios(before, after):
    norm = lambda w: torch.linalg.vector_norm(torch.tensor(w)).item()
    return [norm(b - a) / norm(a) for a, b in zip(before, after)]


# %% [markdown]
# One step on 64 digits, with plain descent at the rate 0.1 and with Adam at 0.002. Adam divides each slope by its own size: will it move the patient's first blocks?


# %%
def first_step(block, optimizer):
    """Ratios of the thirty blocks for the first step of training."""
    net = deep(block)
    weights = [p for p in net.parameters() if p.ndim == 2][1:-1]
    before = [w.numpy().copy() for w in weights]
    step = optimizer(net.parameters())
    chainrule.cross_entropy(net(X[:64]), y[:64]).backward()
    step.step()
    return ratios(before, [w.numpy() for w in weights])


fig, ax = plt.subplots(figsize=(6.4, 3.4))
steps = {"SGD, lr 0.1": partial(SGD, lr=0.1), "Adam, lr 0.002": adam}
for name, optimizer in steps.items():
    moved = first_step(patient, optimizer)
    ax.semilogy(range(1, 31), moved, ".-", label=name)
    print(f"{name:15} ratio {moved[0]:.0e} in block 1,", end=" ")
    print(f"{moved[-1]:.0e} in block 30")
ax.set(title="How far the first step moves the patient")
ax.set(xlabel="block", ylabel="update-to-data ratio")
_ = ax.legend()
assert moved[-1] > 1e-3 and moved[0] < 1e-12

# %% [markdown]
# With plain descent the last block moves by a few thousandths of its weights, and the first not at all: its ratio is 0, which a logarithmic axis cannot show: every update was lost in rounding. Adam hides the trouble in the last few blocks, to which it gives the same ratio. Further down the slopes are smaller than the $10^{-8}$ in its divisor, and the ratio falls as fast as for plain descent.
#
# ## First repair: the start
#
# Replace the sigmoid by ReLU, and choose the weights so that neither the signal nor the gradient changes its size from block to block. The more inputs a unit sums, the smaller its weights have to be, so the deviation depends on the shape of the layer.
#
# !!! exercise "Blank 3 · A start for ReLU"
#     Give `layer` its starting values, in place: normal weights with the standard deviation that keeps the signal of a layer *followed by ReLU*, and biases of 0. `layer.weight` has the shape (outputs, inputs).
#     Draw from the generator `rng`.
#
#     <!-- exercise: start starter -->


# %%
def start_(layer, rng):
    """Fill weights and biases of a linear layer that ReLU follows."""
    ...  # your turn


# %% [markdown]
#     <!-- exercise: start check -->

# %%
first, second, again = (nn.Linear(400, 100) for _ in range(3))
fresh = first.weight.numpy().copy()
try:
    for layer, seed in ((first, 3), (second, 4), (again, 3)):
        start_(layer, np.random.default_rng(seed))
    weight, bias = first.weight.numpy(), first.bias.numpy()
except (TypeError, ValueError, AttributeError, RuntimeError) as error:
    raise AssertionError(f"the layer cannot be filled: {error}") from None
assert weight.shape == (100, 400), f"weights of shape {weight.shape}"
assert np.ndim(bias) == 1 and len(bias) == 100, "a bias for each output"
assert not np.array_equal(weight, fresh), (
    "the weights are the old ones: fill the layer itself, in place"
)
assert not np.array_equal(weight, second.weight.numpy()), (
    "two layers with the same weights: draw from rng"
)
assert np.array_equal(weight, again.weight.numpy()), (
    "the same rng gives other weights each time: draw from rng"
)
assert abs(weight.mean()) < 0.005, "the mean of the weights is not 0"
gain = 400 * (weight**2).mean()
near = lambda value: abs(gain / value - 1) < 0.1
assert not near(1), "half the square is missing: ReLU takes half away"
assert not near(4 / 400), "that is the variance: wanted its root"
assert not near(8), "counted the outputs: each sum has the inputs' terms"
assert not near(1.6), "that is Xavier's, for a layer without ReLU"
assert near(2), (
    f"the mean square of what ReLU passes is multiplied by {gain / 2:.3g}"
)
assert not bias.any(), "the biases do not start at 0"

# %% [markdown]
#     ??? tip "Hint 1"
#         A sum of $D$ products of a weight and an input has the mean square $D \operatorname{Var} w$ times that of the inputs. ReLU then makes half of the numbers 0, which halves the mean square.
#
#     ??? tip "Hint 2"
#         So the variance has to be $2/D$, with $D$ the number of *inputs* (the fan-in). The generator wants the standard deviation, its root.
#
#     ??? tip "Hint 3"
#         `init.normal_(layer.weight, 0.0, std, generator=rng)` fills the weights, and `init.zeros_` the biases.
#
#     ??? success "Solution"
#         <!-- exercise: start solution -->
#         ```python
#         def start_(layer, rng):
#             std = (2 / layer.in_features) ** 0.5
#             init.normal_(layer.weight, 0.0, std, generator=rng)
#             init.zeros_(layer.bias)
#         ```
#
#         This is He's start, [derived in the chapter](../depth/signals.md#the-size-of-a-signal).
#
#     <!-- exercise: start wrong: ReLU takes half away
#     def start_(layer, rng):
#         std = (1 / layer.in_features) ** 0.5
#         init.normal_(layer.weight, 0.0, std, generator=rng)
#         init.zeros_(layer.bias)
#     -->
#
#     <!-- exercise: start wrong: wanted its root
#     def start_(layer, rng):
#         init.normal_(layer.weight, 0.0, 2 / layer.in_features, generator=rng)
#         init.zeros_(layer.bias)
#     -->
#
#     <!-- exercise: start wrong: counted the outputs
#     def start_(layer, rng):
#         std = (2 / layer.out_features) ** 0.5
#         init.normal_(layer.weight, 0.0, std, generator=rng)
#         init.zeros_(layer.bias)
#     -->
#
#     <!-- exercise: start wrong: the biases do not start at 0
#     def start_(layer, rng):
#         std = (2 / layer.in_features) ** 0.5
#         init.normal_(layer.weight, 0.0, std, generator=rng)
#     -->
#
#     <!-- exercise: start wrong: gives other weights each time
#     def start_(layer, rng):
#         init.normal_(layer.weight, 0.0, (2 / layer.in_features) ** 0.5)
#         init.zeros_(layer.bias)
#     -->
#
#     <!-- exercise: start wrong: fill the layer itself
#     def start_(layer, rng):
#         weight = rng.normal(size=layer.weight.shape)
#         weight = weight * (2 / layer.in_features) ** 0.5
#         return weight
#     -->
#
#     <!-- exercise: start right: the package's own, uniform
#     def start_(layer, rng):
#         init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=rng)
#         init.zeros_(layer.bias)
#     -->
#
#     <!-- exercise: start right: NumPy's numbers, written into the data
#     def start_(layer, rng):
#         shape = layer.weight.shape
#         layer.weight.data = rng.standard_normal(shape) * np.sqrt(2 / shape[1])
#         layer.bias.data[:] = 0
#     -->
#
#     <!-- exercise: start right: an orthogonal matrix, times the root of 2 inputs / outputs
#     def start_(layer, rng):
#         init.orthogonal_(layer.weight, 2**0.5, generator=rng)
#         layer.bias.data *= 0
#     -->
#
# <!-- fold: the package's start, as long as the blank is empty -->
# <!-- exercise: start stand-in -->

# %%
print("chainrule's kaiming_normal_ stands in")


def start_(layer, rng):
    init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=rng)
    init.zeros_(layer.bias)


# %% [markdown]
# The first repair, examined and trained.


# %%
def started(rng):
    """A linear layer with a good start, and ReLU."""
    layer = nn.Linear(64, 64, generator=rng)
    start_(layer, rng)
    return nn.Sequential(layer, nn.ReLU())


signal, gradient = examine(deep(started), X[:128], y[:128])
print(f"signal {signal[0]:.2f} in block 1, {signal[-1]:.2f} in block 30")
print(f"gradient {gradient[0]:.1e} in block 1, {gradient[-1]:.1e} in 30")
assert 0.02 < signal[-1] / signal[0] < 50
assert 0.02 < gradient[0] / gradient[-1] < 50
plain = trial("30 blocks, good start", started, seeds=5)
assert sick.max() < plain.mean() < 0.75

# %% [markdown]
# By the two numbers of blank 1 the net is healthy now, and it does begin to learn. But two blocks learned far more in the same time. Something is wrong that neither number shows.
#
# ## A third view: do the digits stay apart?
#
# To tell two digits apart, the last layer needs outputs that differ. Compare their *directions*: two outputs $u$ and $v$ have the **cosine** $u \cdot v / (|u| |v|)$, which is 1 where they point the same way.
#
# !!! exercise "Blank 4 · How alike"
#     `a` is an array (n, 64), one row for each digit. Return the mean cosine over all pairs of *different* rows, one number.
#
#     <!-- exercise: alike starter -->


# %%
def alike(a):
    """Mean cosine of all pairs of different rows of a."""
    return ...  # your turn


# %% [markdown]
#     <!-- exercise: alike check -->

# %%
a = np.random.default_rng(0).normal(0.3, 1.0, (5, 3))
kept = a.copy()
try:
    mine, far = float(alike(a)), float(alike(a * [[1], [2], [3], [4], [5]]))
except (TypeError, ValueError, AttributeError) as error:
    raise AssertionError(f"wanted one number: {error}") from None
assert np.array_equal(a, kept), "the array was changed"
cosines = cosine_similarity(a)
pairs = cosines[np.triu_indices(5, k=1)]
centred = cosine_similarity(a - a.mean(axis=0))[np.triu_indices(5, k=1)]
by_row = np.corrcoef(a)[np.triu_indices(5, k=1)]
columns = cosine_similarity(a.T)[np.triu_indices(3, k=1)]
tell = {
    "each row was compared with itself, too": cosines.mean(),
    "divided by the wrong number of pairs": (cosines.sum() - 5) / 25,
    "a mean was taken away before: that is a correlation": by_row.mean(),
    "the mean of all rows was taken away before": centred.mean(),
    "columns were compared: each digit is a row": columns.mean(),
    "that is the sum over the pairs": pairs.sum(),
    "half of the pairs, divided by the number of all": pairs.mean() / 2,
}
for said, value in tell.items():
    assert not np.isclose(mine, value), said
assert abs(mine - far) < 1e-9, "longer rows count more: divide by lengths"
assert np.isclose(mine, pairs.mean()), (
    f"wanted {pairs.mean():.4f}, got {mine:.4f}"
)

# %% [markdown]
#     ??? tip "Hint 1"
#         Divide each row by its length, `np.linalg.norm(a, axis=1, keepdims=True)`. Then `u @ u.T` holds the cosines of all pairs.
#
#     ??? tip "Hint 2"
#         On the diagonal each row meets itself, with cosine 1. Without it, $n(n-1)$ entries are left.
#
#     ??? success "Solution"
#         <!-- exercise: alike solution -->
#         ```python
#         def alike(a):
#             u = a / np.linalg.norm(a, axis=1, keepdims=True)
#             n = len(u)
#             return ((u @ u.T).sum() - n) / (n * (n - 1))
#         ```
#
#     <!-- exercise: alike wrong: compared with itself
#     def alike(a):
#         u = a / np.linalg.norm(a, axis=1, keepdims=True)
#         return (u @ u.T).mean()
#     -->
#
#     <!-- exercise: alike wrong: divide by lengths
#     def alike(a):
#         n = len(a)
#         products = a @ a.T
#         return (products.sum() - np.trace(products)) / (n * (n - 1))
#     -->
#
#     <!-- exercise: alike wrong: that is a correlation
#     def alike(a):
#         c = np.corrcoef(a)
#         return (c.sum() - len(a)) / (len(a) * (len(a) - 1))
#     -->
#
#     <!-- exercise: alike wrong: columns were compared
#     def alike(a):
#         u = a / np.linalg.norm(a, axis=0)
#         n = u.shape[1]
#         return ((u.T @ u).sum() - n) / (n * (n - 1))
#     -->
#
#     <!-- exercise: alike right: pair by pair
#     def alike(a):
#         found = []
#         for i in range(len(a)):
#             for j in range(i):
#                 u, v = a[i], a[j]
#                 found.append(u @ v / np.sqrt((u @ u) * (v @ v)))
#         return sum(found) / len(found)
#     -->
#
#     <!-- exercise: alike right: the length of the sum of all directions
#     def alike(a):
#         t = torch.nn.functional.normalize(torch.tensor(a), dim=1)
#         n = len(t)
#         return ((t.sum(dim=0) ** 2).sum() - n) / (n**2 - n)
#     -->
#
# <!-- fold: scikit-learn's cosines, as long as the blank is empty -->
# <!-- exercise: alike stand-in -->

# %%
print("scikit-learn's cosines stand in")
alike = lambda a: cosine_similarity(a)[np.triu_indices(len(a), 1)].mean()

# %% [markdown]
# How alike are a hundred digits on their way through the thirty blocks? A net that gives every digit nearly the same output can give them only the same scores.


# %%
def likeness(net, n=100):
    """Mean cosine of n digits behind each block."""
    with chainrule.no_grad():
        a, found = net[0](chainrule.Tensor(X[:n])), []
        for block in net[1:-1]:
            a = block(a)
            found.append(alike(a.numpy()))
    return found


starts = [likeness(deep(started, seed)) for seed in range(5)]
for k in (1, 5, 10, 20, 30):
    values = [curve[k - 1] for curve in starts]
    print(f"block {k:2}: cosine {min(values):.2f} to {max(values):.2f}")
assert min(values) > 0.9

# %% [markdown]
# Behind the last block all digits point nearly the same way, whichever seed you take. The start preserves the *size* of the signal, but each ReLU reduces the *differences* in it.
#
# ## A remedy that does not work: batch norm
#
# Batch normalisation gives each unit the mean 0 and the deviation 1 over the batch, in every block ([Ioffe and Szegedy 2015](../reference/bibliography.md#ioffe2015)). That ought to keep the digits apart.
#
# <!-- predict: norm -->
#
# **Each block is now a linear layer, batch norm and ReLU. Thirty of them learn next to nothing, as [the chapter](../depth/tricks-that-keep-it-training.md#what-it-does-not-buy-depth) found. Which of your numbers shows that something is wrong?**
#
# - [ ] The signal: it fades on its way up. <!-- signal[-1] < signal[0] / 2 --> Batch norm gives it the same size in every block.
# - [ ] The cosine: the digits become alike. <!-- close > 0.9 --> Each unit has the mean 0 over the digits before ReLU, so they cannot all point the same way.
# - [x] The gradient: it grows on its way down. <!-- gradient[0] > 50 * gradient[-1] -->


# %%
def normalised(rng):
    """A linear layer with a good start, batch norm, and ReLU."""
    layer = nn.Linear(64, 64, generator=rng)
    start_(layer, rng)
    return nn.Sequential(layer, nn.BatchNorm1d(64), nn.ReLU())


normed = trial("30 blocks, batch norm", normalised)
found = chart({"good start": started, "batch norm": normalised})
for name, (signal, gradient) in found.items():
    print(f"{name:10}  signal {signal[-1]:.2f} in block 30,", end=" ")
    print(f"gradient × {gradient[0] / gradient[-1]:.0f} on the way down")
close = likeness(deep(normalised))[-1]
print(f"cosine behind block 30: {close:.2f}")
assert normed.mean() < plain.mean() - 0.05 and normed.max() < 0.3
assert gradient[0] > 50 * gradient[-1] and close < 0.8

# %% [markdown]
# The signal is level, and the digits stay apart. The gradient, however, grows from block to block on its way down, a few hundredfold in all. In nets of a few layers batch norm is worth having; [the chapter](../depth/tricks-that-keep-it-training.md) measures when.
#
# ## Second repair: shortcuts
#
# What one block loses, the next cannot restore. So pass the input of each block on unchanged, and let the block only add to it: a [**shortcut**, or residual connection](../depth/signals.md#a-path-around-every-layer). Thirty blocks then add up, and you have to keep their sum small.
#
# !!! exercise "Blank 5 · A shortcut"
#     Return one residual block: $x + f(x)$, where $f$ is ReLU and then a linear layer, 64 to 64.
#     At the start the signal behind thirty blocks must be at most ten times that before them, and every block must be able to learn. You may use `nn.Residual(module)`, which adds the input to what a module makes of it, or a class of your own; take `dense(rng, std)` or your own `start_` for the layer.
#
#     <!-- exercise: around starter -->


# %%
def around(rng):
    """A block that adds to its input, for a net of thirty."""
    return ...  # your turn


# %% [markdown]
#     <!-- exercise: around check -->

# %%
try:
    net = deep(around, seed=1)
    a = b = net[0](chainrule.Tensor(X[:128]))
    with np.errstate(all="ignore"):
        for block in net[1:-1]:
            b = block(b)
except (TypeError, ValueError, AttributeError, RuntimeError) as error:
    raise AssertionError(f"no block: {error}") from None
assert b.shape == a.shape, f"wanted shape {a.shape}, got {b.shape}"
added = (block(b) - b).numpy()
assert added.min() < 0 or added.max() <= 0, (
    "a block adds nothing negative, so all digits drift one way: "
    "let ReLU come first"
)
grown = rms(b.numpy()) / rms(a.numpy())
assert grown < 10, (
    f"the signal is {grown:.3g} times as large behind thirty blocks: "
    "make what each one adds smaller"
)
assert grown > 0.2, f"the signal fades to {grown:.1g}: x goes on as it is"
close = alike(b.numpy())
assert close < 0.95, (
    f"the digits have the cosine {close:.3f}, as without a shortcut"
)
params = list(net.parameters())
before = [p.numpy().copy() for p in params]
optimizer, rng = Adam(params, lr=0.002), np.random.default_rng(0)
for _ in range(6):
    for rows, labels in batches(X, y, batch_size=64, generator=rng):
        optimizer.zero_grad()
        chainrule.cross_entropy(net(rows), labels).backward()
        optimizer.step()
moved = [not np.array_equal(p.numpy(), b) for p, b in zip(params, before)]
assert moved[0] and moved[-1] and sum(moved[2:-2]) > 0, (
    "the blocks never move: where everything is 0, no gradient passes"
)
u, v = X[:20] - 0.5, 0.5 - X[20:40]
f = lambda a: net[15](chainrule.Tensor(a)).numpy()
bent = np.abs(f(u + v) + f(0 * u) - f(u) - f(v)).max()
assert bent > 1e-9, "thirty linear maps are one: where is ReLU?"
adds = f(u) - u - f(np.maximum(u, 0)) + np.maximum(u, 0)
assert np.abs(adds).max() < 1e-6, (
    "what a block adds depends on negative numbers: f is ReLU and then "
    "a linear layer, and is added to x itself"
)
net.eval()
right = (net(chainrule.Tensor(X_held)).numpy().argmax(1) == y_held).mean()
assert right > 0.8, f"trained for six epochs, it reads only {right:.2f}"

# %% [markdown]
#     ??? tip "Hint 1"
#         `nn.Residual(nn.Sequential(nn.ReLU(), layer))` is the block. With the start of blank 3, $f$ adds about as much as is there, and thirty blocks multiply the mean square by about $2^{30}$.
#
#     ??? tip "Hint 2"
#         Either divide the variance of the weights by the number of blocks, 30; or let each block begin as the identity, with weights of 0.
#
#     ??? tip "Hint 3"
#         If the weights are 0, ReLU must stand *before* the layer. Behind it, ReLU would get only zeros, and its slope there is 0.
#
#     ??? success "Solution"
#         <!-- exercise: around solution -->
#         ```python
#         def around(rng):
#             return nn.Residual(nn.Sequential(nn.ReLU(), dense(rng, 0.0)))
#         ```
#
#         With weights of 0 each block is the identity, so signal and gradient are those of a net without blocks. The gradient of the weights is not 0, since it needs only the block's input and the gradient at its output.
#
#     <!-- exercise: around wrong: make what each one adds smaller
#     def around(rng):
#         return nn.Residual(nn.Sequential(nn.ReLU(), dense(rng, (2 / 64) ** 0.5)))
#     -->
#
#     <!-- exercise: around wrong: as without a shortcut
#     def around(rng):
#         return nn.Sequential(nn.ReLU(), dense(rng, (2 / 64) ** 0.5))
#     -->
#
#     <!-- exercise: around wrong: no gradient passes
#     def around(rng):
#         return nn.Residual(nn.Sequential(dense(rng, 0.0), nn.ReLU()))
#     -->
#
#     <!-- exercise: around wrong: where is ReLU
#     def around(rng):
#         return nn.Residual(dense(rng, (1 / 64 / 30) ** 0.5))
#     -->
#
#     <!-- exercise: around wrong: x goes on as it is
#     def around(rng):
#         class Half(nn.Module):
#             def __init__(self):
#                 self.layer = dense(rng, 0.0)
#
#             def forward(self, x):
#                 return (x + self.layer(x.relu())) / 2
#
#         return Half()
#     -->
#
#     <!-- exercise: around wrong: a block adds nothing negative
#     def around(rng):
#         layer = dense(rng, (2 / 64 / 30) ** 0.5)
#         return nn.Residual(nn.Sequential(layer, nn.ReLU()))
#     -->
#
#     <!-- exercise: around wrong: added to x itself
#     def around(rng):
#         layer = dense(rng, (2 / 64 / 30) ** 0.5)
#         return nn.Sequential(nn.Residual(layer), nn.ReLU())
#     -->
#
#     <!-- exercise: around right: a variance thirty times smaller
#     def around(rng):
#         layer = dense(rng, (2 / 64 / 30) ** 0.5)
#         return nn.Residual(nn.Sequential(nn.ReLU(), layer))
#     -->
#
#     <!-- exercise: around right: a class, with the sum divided
#     def around(rng):
#         class Around(nn.Module):
#             def __init__(self):
#                 self.layer = nn.Linear(64, 64, generator=rng)
#                 start_(self.layer, rng)
#
#             def forward(self, x):
#                 return x + self.layer(chainrule.relu(x)) / 30**0.5
#
#         return Around()
#     -->
#
#     <!-- exercise: around right: a factor that begins at 0 and is learned
#     def around(rng):
#         class Learned(nn.Module):
#             def __init__(self):
#                 self.layer = dense(rng, (2 / 64) ** 0.5)
#                 self.factor = nn.Parameter(np.zeros(1))
#
#             def forward(self, x):
#                 return x + self.factor * self.layer(x.relu())
#
#         return Learned()
#     -->
#
# <!-- fold: a scaled sum, as long as the blank is empty -->
# <!-- exercise: around stand-in -->

# %%
print("a residual block with small weights stands in")


def around(rng):
    layer = dense(rng, (2 / 64 / 30) ** 0.5)
    return nn.Residual(nn.Sequential(nn.ReLU(), layer))


# %% [markdown]
# The second repair, examined and trained with the same rate and the same number of epochs as the others.

# %%
found = chart({"good start": started, "shortcuts": around})
ends = [likeness(deep(around, seed))[-1] for seed in range(5)]
print(f"cosine behind block 30: {min(ends):.2f} to {max(ends):.2f}")
rescued = trial("30 blocks, shortcuts", around, seeds=5)
assert max(ends) < min(values) and rescued.min() > 0.75
assert rescued.min() > plain.max() + 0.1

# %% [markdown]
# Signal and gradient are level, the digits stay apart, and the net reads nearly all of them from all five seeds. That is about as many as the net of two blocks read: the repairs make thirty layers *trainable*, but these digits do not need them.
#
# ## Third repair: the step
#
# All nets so far were trained with Adam, which adapts the size of each step. With momentum alone the size is up to you, and a step that is too large can ruin everything. **Clipping** bounds it: where the norm of all gradients *together* exceeds a bound, all are multiplied by the same factor, so that the norm is the bound and the direction is kept.
#
# !!! exercise "Blank 6 · Clipping"
#     Clip the gradients of `params` in place, and return the norm that they had before. A parameter whose `grad` is `None` is left out.
#
#     <!-- exercise: clip starter -->


# %%
def clip_(params, most):
    """Scale all gradients together to a norm of at most `most`."""
    ...  # your turn


# %% [markdown]
#     <!-- exercise: clip check -->

# %%
def clipped(most, *grads):
    """What clip_ returns, and the gradients afterwards."""
    params = [nn.Parameter(np.ones(2)) for _ in grads]
    for p, g in zip(params, grads):
        p.grad = None if g is None else chainrule.Tensor(np.array(g))
    try:
        said = clip_(params, most)
        after = [p.grad.numpy().tolist() for p in params if p.grad is not None]
    except ZeroDivisionError:
        raise AssertionError("a gradient of 0 divides by 0") from None
    except (TypeError, ValueError, AttributeError) as error:
        if None in grads:
            said = f"a grad of None is not left out: {error}"
        else:
            said = f"the gradients cannot be clipped: {error}"
        raise AssertionError(said) from None
    for p in params:
        assert (p.numpy() == 1).all(), "the parameters themselves changed"
    return said, after


pair = [3.0, 0.0], [0.0, 4.0]
said, after = clipped(1.0, *pair)
assert not np.allclose(after, [[1, 0], [0, 1]]), (
    "each array or entry was clipped by itself: the direction changes"
)
assert not np.allclose(after, pair), "nothing was clipped in place"
assert not np.allclose(after, [[3 / 7, 0], [0, 4 / 7]]), (
    "a sum of norms: wanted the root of the sum of squares"
)
assert not np.allclose(after, [[0.12, 0], [0, 0.16]]), (
    "divided by the square of the norm: take its root"
)
assert np.allclose(after, [[0.6, 0], [0, 0.8]], atol=1e-5), (
    f"norm 5 to be 1: wanted [[0.6, 0], [0, 0.8]], got {after}"
)
assert said is not None, "the norm before clipping is not returned"
assert abs(float(said) - 5) < 1e-6, f"wanted the norm 5, got {said}"
said, after = clipped(10.0, *pair)
assert np.allclose(after, pair), "a norm below the bound must be kept"
assert abs(float(said) - 5) < 1e-6, f"wanted the norm 5, got {said}"
assert clipped(2.0, [6.0, 8.0], None)[1][0][0] > 0
said, after = clipped(1.0, [0.0, 0.0])
assert np.isfinite(after).all(), "a gradient of 0 becomes NaN"

# %% [markdown]
#     ??? tip "Hint 1"
#         First the norm: the root of the sum of all squares, over all parameters. Then one factor for all of them.
#
#     ??? tip "Hint 2"
#         The factor is `most / norm`, and only where the norm is larger than `most`. `p.grad *= factor` changes a gradient in place.
#
#     ??? success "Solution"
#         <!-- exercise: clip solution -->
#         ```python
#         def clip_(params, most):
#             grads = [p.grad for p in params if p.grad is not None]
#             norm = sum((g.numpy() ** 2).sum() for g in grads) ** 0.5
#             if norm > most:
#                 for g in grads:
#                     g *= most / norm
#             return norm
#         ```
#
#     <!-- exercise: clip wrong: each array or entry was clipped
#     def clip_(params, most):
#         norms = []
#         for p in params:
#             if p.grad is not None:
#                 norm = np.linalg.norm(p.grad.numpy())
#                 norms.append(norm)
#                 if norm > most:
#                     p.grad *= most / norm
#         return np.linalg.norm(norms)
#     -->
#
#     <!-- exercise: clip wrong: a norm below the bound must be kept
#     def clip_(params, most):
#         grads = [p.grad for p in params if p.grad is not None]
#         norm = sum((g.numpy() ** 2).sum() for g in grads) ** 0.5
#         for g in grads:
#             g *= most / (norm + 1e-12)
#         return norm
#     -->
#
#     <!-- exercise: clip wrong: a sum of norms
#     def clip_(params, most):
#         grads = [p.grad for p in params if p.grad is not None]
#         norm = sum(np.linalg.norm(g.numpy()) for g in grads)
#         if norm > most:
#             for g in grads:
#                 g *= most / norm
#         return norm
#     -->
#
#     <!-- exercise: clip wrong: nothing was clipped in place
#     def clip_(params, most):
#         grads = [p.grad for p in params if p.grad is not None]
#         norm = sum((g.numpy() ** 2).sum() for g in grads) ** 0.5
#         if norm > most:
#             grads = [g * most / norm for g in grads]
#         return norm
#     -->
#
#     <!-- exercise: clip wrong: a grad of None is not left out
#     def clip_(params, most):
#         norm = sum((p.grad.numpy() ** 2).sum() for p in params) ** 0.5
#         if norm > most:
#             for p in params:
#                 p.grad *= most / norm
#         return norm
#     -->
#
#     <!-- exercise: clip right: one long vector, and new tensors
#     def clip_(params, most):
#         params = [p for p in params if p.grad is not None]
#         whole = np.concatenate([p.grad.numpy().ravel() for p in params])
#         norm = np.linalg.norm(whole)
#         factor = min(1.0, most / norm) if norm else 1.0
#         for p in params:
#             p.grad = p.grad * factor
#         return norm
#     -->
#
#     <!-- exercise: clip right: the package's own
#     def clip_(params, most):
#         return nn.utils.clip_grad_norm_(params, most)
#     -->
#
# <!-- fold: the package's clipping, as long as the blank is empty -->
# <!-- exercise: clip stand-in -->

# %%
print("chainrule's clip_grad_norm_ stands in")
clip_ = nn.utils.clip_grad_norm_

# %% [markdown]
# A rescued net, the same for all readers, with momentum: at the rate 0.2 as it is, at the same rate with the norm clipped to 1, and at a twentieth of the rate without clipping. A run whose loss is no longer finite counts as 0.

# %%
def small(rng):
    """A residual block with small weights, and ReLU first."""
    layer = dense(rng, (2 / 64 / 30) ** 0.5)
    return nn.Residual(nn.Sequential(nn.ReLU(), layer))


fast, careful = partial(momentum, lr=0.2), partial(momentum, lr=0.01)
norms = []
clip = lambda params: norms.append(float(clip_(params, 1.0)))
wild = trial("rate 0.2", small, optimizer=fast)
tamed = trial("rate 0.2, clipped", small, optimizer=fast, between=clip)
print(f"clipped in {np.mean(np.array(norms) > 1):.0%} of all steps")
slow = trial("rate 0.01", small, optimizer=careful)
assert np.median(wild) < 0.3 and wild.mean() < tamed.mean() - 0.2
assert min(tamed.min(), slow.min()) > 0.5
assert np.mean(np.array(norms) > 1) > 0.5
assert slow.mean() > tamed.mean() - 0.05

# %% [markdown]
# At the large rate the loss blows up, and with clipping the same rate trains. But the norm was above the bound in most of the steps, so here clipping was little more than a smaller rate. The runs at 0.01 read about as many digits or more without it, so try a smaller rate first. Clipping pays where the gradient is very large only now and then, as at [a cliff](../depth/signals.md#a-cliff).
#
# ## The same in PyTorch
#
# First the instruments. A PyTorch model is usually not a list that you can loop over, so its layers are observed by **hooks**: functions that a module calls with its output. This one needs no more than a list of the modules to observe. Keep it for models of your own.


# %%
def watch(model, blocks, x, y):
    """Root mean squares of each block's output and gradient, in PyTorch."""
    kept, hooks = [], []

    def keep(block, inputs, output):
        output.retain_grad()
        kept.append(output)

    for block in blocks:
        hooks.append(block.register_forward_hook(keep))
    torch.nn.functional.cross_entropy(model(x), y).backward()
    for hook in hooks:
        hook.remove()
    size = lambda t: t.detach().square().mean().sqrt().item()
    return [size(a) for a in kept], [size(a.grad) for a in kept]


place = device()
kind = torch.float32 if place.type == "mps" else torch.float64
tensor = partial(torch.tensor, device=place)
net = deep(started)
theirs = to_torch(net, place, kind)
batch = tensor(X[:128], dtype=kind), tensor(y[:128])
pairs = zip(
    examine(net, X[:128], y[:128]), watch(theirs, theirs[1:-1], *batch)
)
tolerance = 1e-9 if kind == torch.float64 else 1e-3
for name, (mine, other) in zip(("signal", "gradient"), pairs):
    assert np.allclose(mine, other, rtol=tolerance, atol=0), name
    print(f"{name}: thirty numbers agree on {place.type}")

# %% [markdown]
# Then the rescue. PyTorch has no residual block of this kind; it is written as a class.
#
# !!! exercise "Blank 7 · The rescue in PyTorch"
#     Complete the module: `forward` returns $x + f(x)$, where $f$ is ReLU and then the linear layer, and the block begins as the identity.
#     PyTorch's `Linear` has a start of its own, for weights and for biases.
#
#     <!-- exercise: torch-around starter -->


# %%
class TorchAround(torch.nn.Module):
    """A residual block that begins as the identity."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(64, 64)
        # What remains to be done to the layer?

    def forward(self, x):
        return ...  # your turn


# %% [markdown]
#     <!-- exercise: torch-around check -->

# %%
x = torch.randn(8, 64, generator=torch.Generator().manual_seed(0))
try:
    block, given = TorchAround(), x.clone()
    out = block(x)
    assert torch.equal(x, given), "forward changes its input in place"
    assert isinstance(out, torch.Tensor), "forward returns no tensor"
    params = list(block.parameters())
    assert params, "the block has no parameters"
    assert out.shape == x.shape, f"wanted {x.shape}, got {out.shape}"
    added = (out - x).abs().max().item()
    if out.requires_grad:
        (out * torch.arange(64.0)).sum().backward()
    grads = [p.grad for p in params if p.grad is not None]
    passed = any(g.abs().max() > 0 for g in grads)
    with torch.no_grad():
        for p in params:
            p.zero_()
        rest = block(x)
        for p in params:
            signs = torch.cos(torch.arange(1.0, p.numel() + 1))
            p.copy_(torch.sign(signs).view_as(p) / 8)
        block(x)
        assert torch.equal(x, given), "forward changes its input in place"
        bent = (block(x) + block(-x) - 2 * block(0 * x)).abs().max().item()
except (TypeError, ValueError, AttributeError, RuntimeError) as error:
    raise AssertionError(f"the block fails: {error}") from None
assert torch.allclose(rest, x), (
    "with all parameters 0 the block does not return x: x does not go on"
)
assert added < 1e-7, (
    f"at the start it adds up to {added:.2f}: set weights and biases to 0"
)
assert passed, "no gradient: with weights of 0, ReLU comes first"
assert bent > 1e-3, "f is linear: where is ReLU?"

# %% [markdown]
#     ??? tip "Hint 1"
#         `torch.nn.init.zeros_(t)` fills a parameter with zeros. There are two of them.
#
#     ??? tip "Hint 2"
#         As in blank 5, ReLU comes before the layer: `self.layer(torch.relu(x))`.
#
#     ??? success "Solution"
#         <!-- exercise: torch-around solution -->
#         ```python
#         class TorchAround(torch.nn.Module):
#             def __init__(self):
#                 super().__init__()
#                 self.layer = torch.nn.Linear(64, 64)
#                 torch.nn.init.zeros_(self.layer.weight)
#                 torch.nn.init.zeros_(self.layer.bias)
#
#             def forward(self, x):
#                 return x + self.layer(torch.relu(x))
#         ```
#
#     <!-- exercise: torch-around wrong: set weights and biases to 0
#     class TorchAround(torch.nn.Module):
#         def __init__(self):
#             super().__init__()
#             self.layer = torch.nn.Linear(64, 64)
#             torch.nn.init.zeros_(self.layer.weight)
#
#         def forward(self, x):
#             return x + self.layer(torch.relu(x))
#     -->
#
#     <!-- exercise: torch-around wrong: x does not go on
#     class TorchAround(torch.nn.Module):
#         def __init__(self):
#             super().__init__()
#             self.layer = torch.nn.Linear(64, 64)
#             torch.nn.init.zeros_(self.layer.weight)
#             torch.nn.init.zeros_(self.layer.bias)
#
#         def forward(self, x):
#             return self.layer(torch.relu(x))
#     -->
#
#     <!-- exercise: torch-around wrong: ReLU comes first
#     class TorchAround(torch.nn.Module):
#         def __init__(self):
#             super().__init__()
#             self.layer = torch.nn.Linear(64, 64)
#             torch.nn.init.zeros_(self.layer.weight)
#             torch.nn.init.zeros_(self.layer.bias)
#
#         def forward(self, x):
#             return x + torch.relu(self.layer(x))
#     -->
#
#     <!-- exercise: torch-around wrong: f is linear
#     class TorchAround(torch.nn.Module):
#         def __init__(self):
#             super().__init__()
#             self.layer = torch.nn.Linear(64, 64)
#             torch.nn.init.zeros_(self.layer.weight)
#             torch.nn.init.zeros_(self.layer.bias)
#
#         def forward(self, x):
#             return x + self.layer(x)
#     -->
#
#     <!-- exercise: torch-around wrong: forward changes its input
#     class TorchAround(torch.nn.Module):
#         def __init__(self):
#             super().__init__()
#             self.layer = torch.nn.Linear(64, 64)
#             torch.nn.init.zeros_(self.layer.weight)
#             torch.nn.init.zeros_(self.layer.bias)
#
#         def forward(self, x):
#             return x + self.layer(x.relu_())
#     -->
#
#     <!-- exercise: torch-around wrong: changes its input in place
#     class TorchAround(torch.nn.Module):
#         def __init__(self):
#             super().__init__()
#             self.layer = torch.nn.Linear(64, 64)
#             torch.nn.init.zeros_(self.layer.weight)
#             torch.nn.init.zeros_(self.layer.bias)
#
#         def forward(self, x):
#             x += self.layer(torch.relu(x))
#             return x
#     -->
#
#     <!-- exercise: torch-around right: a factor that begins at 0
#     class TorchAround(torch.nn.Module):
#         def __init__(self):
#             super().__init__()
#             self.layer = torch.nn.Linear(64, 64)
#             self.factor = torch.nn.Parameter(torch.zeros(()))
#
#         def forward(self, x):
#             return x + self.factor * self.layer(torch.relu(x))
#     -->
#
#     <!-- exercise: torch-around right: a Sequential, emptied in a loop
#     class TorchAround(torch.nn.Module):
#         def __init__(self):
#             super().__init__()
#             layer = torch.nn.Linear(64, 64)
#             for p in layer.parameters():
#                 p.data.zero_()
#             self.f = torch.nn.Sequential(torch.nn.ReLU(), layer)
#
#         def forward(self, x):
#             return self.f(x).add(x)
#     -->
#
# <!-- fold: a block converted from chainrule, as long as the blank is empty -->
# <!-- exercise: torch-around stand-in -->

# %%
print("chainrule's residual block, turned into PyTorch's, stands in")


def TorchAround():
    layer = dense(np.random.default_rng(0), 0.0)
    block = nn.Residual(nn.Sequential(nn.ReLU(), layer))
    return to_torch(block, "cpu", torch.float32)


# %% [markdown]
# Three nets in PyTorch, from three seeds each, on the best device this machine has. The recipe is the one from above: Adam at 0.002, batches of 64, six epochs. Do the same remedies fail, and does the same one work?
#
# <!-- fold: the three nets, and their training in PyTorch -->


# %%
def he_layer():
    """A linear layer with the start for ReLU, in PyTorch."""
    layer = torch.nn.Linear(64, 64)
    torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    torch.nn.init.zeros_(layer.bias)
    return layer


torch.set_num_threads(1)  # on nets this small, threads only wait
tnn = torch.nn
TORCH = {
    "good start": lambda: tnn.Sequential(he_layer(), tnn.ReLU()),
    "batch norm": lambda: tnn.Sequential(
        he_layer(), tnn.BatchNorm1d(64), tnn.ReLU()
    ),
    "shortcuts": lambda: TorchAround(),
}


def torch_run(block, seed):
    """Accuracy held out of one net, trained in PyTorch."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        blocks = [block() for _ in range(30)]
        ends = torch.nn.Linear(64, 64), torch.nn.Linear(64, 10)
    net = torch.nn.Sequential(ends[0], *blocks, ends[1]).to(place)
    step = torch.optim.Adam(net.parameters(), lr=0.002, fused=True)
    rng = np.random.default_rng(seed)
    put = lambda x: tensor(x, dtype=torch.float32)
    for _ in range(6):
        for x, labels in batches(X, y, batch_size=64, generator=rng):
            step.zero_grad()
            scores = net(put(x.numpy()))
            labels = tensor(labels.numpy())
            torch.nn.functional.cross_entropy(scores, labels).backward()
            step.step()
    net.eval()
    with torch.no_grad():
        said = net(put(X_held)).argmax(dim=1).cpu().numpy()
    return (said == y_held).mean()


# %% [markdown]
# Compare the ranges with those of the engine: *good start* and *batch norm* from above, and your *shortcuts*.

# %%
mine = {"good start": plain, "batch norm": normed, "shortcuts": rescued}
scores = {}
for name, block in TORCH.items():
    scores[name] = np.array([torch_run(block, seed) for seed in range(3)])
    ours, other = mine[name], scores[name]
    print(f"{name}:  engine {ours.min():.2f} to {ours.max():.2f},", end="")
    print(f"  PyTorch {other.min():.2f} to {other.max():.2f}")
assert scores["shortcuts"].min() > 0.75
assert scores["shortcuts"].min() > scores["good start"].max() + 0.05
assert scores["batch norm"].max() < 0.4

# %% [markdown]
# The numbers differ, since the weights are drawn by another generator. The order does not: the start alone and batch norm fail in both, and shortcuts work in both.
#
# ## A sheet for the next patient
#
# | What you see | Where to look | What helped here |
# | --- | --- | --- |
# | the loss stays at $\log$ of the number of classes | gradient, block by block | another non-linearity, another start |
# | signal level, and it does not learn | deviation over the examples, unit by unit | another non-linearity |
# | both curves fall or rise together | deviation of the weights | the start for ReLU |
# | signal and gradient level, and it hardly learns | cosine between examples | shortcuts |
# | examples stay apart, and it does not learn | gradient on its way down | shortcuts, again |
# | ratios differ by orders of magnitude | update-to-data ratio | the start; Adam only hides it |
# | the loss becomes NaN | norm of all gradients | a smaller rate, or clipping |
#
# ## Where to go on
#
# Put batch norm into the branch, before ReLU: does the default start of `nn.Linear` then work? Replace ReLU by tanh and the start by Xavier's, with and without shortcuts. Make the net sixty blocks deep, and find out which of your repairs depend on the number 30.
