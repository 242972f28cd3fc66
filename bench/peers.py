"""The steps of bench/engine.py in other engines, as their users would write them.

Each function takes a Task and returns its step: a function without arguments that returns the gradients and updates the
parameters. An engine that is not installed raises ImportError, one that lacks what a task needs NotImplementedError.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# Beside the environment of the project, not in it: made by `make bench` from bench/requirements.txt.
ROOM = Path(__file__).parent.parent / ".cache" / "bench"
sys.path += [str(path) for path in ROOM.glob("lib/python*/site-packages")]
os.environ.setdefault("DEV", "CPU")  # tinygrad
os.environ.setdefault("JAX_PLATFORMS", "cpu")


@dataclass
class Task:
    """What a step computes: a kind of network ("hinge", "mlp" or "cnn"), its parameters and its batch."""

    kind: str
    arrays: list[np.ndarray]
    x: np.ndarray
    y: np.ndarray
    lr: float
    decay: float


def layers(p, x, relu):
    """784-128-64-10 or 2-16-16-1, for arrays and tensors with @ and .T."""
    return relu(relu(x @ p[0].T + p[1]) @ p[2].T + p[3]) @ p[4].T + p[5]


def autograd(task):
    """HIPS autograd."""
    import autograd.numpy as anp
    from autograd import grad

    if task.kind == "cnn":
        raise NotImplementedError("has no convolution but SciPy's")
    rows = np.arange(len(task.y))

    def loss(p):
        z = layers(p, task.x, lambda z: anp.maximum(z, 0))
        if task.kind == "hinge":
            return anp.mean(anp.maximum(1 - task.y * z, 0)) + task.decay * sum(anp.sum(w * w) for w in p)
        z = z - anp.max(z, axis=1, keepdims=True)
        return anp.mean(anp.log(anp.sum(anp.exp(z), axis=1)) - z[rows, task.y])

    gradient, params = grad(loss), [a.copy() for a in task.arrays]

    def step():
        grads = gradient(params)
        for w, g in zip(params, grads, strict=True):
            w -= task.lr * g
        return grads

    return step


def mygrad(task):
    """MyGrad."""
    import mygrad as mg
    from mygrad.nnet.activations import relu
    from mygrad.nnet.layers import conv_nd, max_pool
    from mygrad.nnet.losses import softmax_crossentropy

    mg.turn_memory_guarding_off()
    params = [mg.tensor(a.copy()) for a in task.arrays]

    def block(z, w, b):
        return max_pool(relu(conv_nd(z, w, stride=1, padding=1) + b.reshape(1, -1, 1, 1)), (2, 2), 2)

    def loss(p):
        if task.kind == "cnn":
            z = block(block(task.x, p[0], p[1]), p[2], p[3])
            return softmax_crossentropy(z.reshape(len(task.x), -1) @ p[4].T + p[5], task.y)
        z = layers(p, task.x, relu)
        if task.kind == "hinge":
            return mg.maximum(1 - task.y * z, 0).mean() + task.decay * sum((w * w).sum() for w in p)
        return softmax_crossentropy(z, task.y)

    def step():
        loss(params).backward()
        grads = [p.grad for p in params]
        for p, g in zip(params, grads, strict=True):
            p.data -= task.lr * g
        return grads

    return step


def tinygrad(task):
    """tinygrad, its step compiled by TinyJit."""
    from tinygrad import Tensor, TinyJit

    params, x, y = [Tensor(a.copy()).realize() for a in task.arrays], Tensor(task.x), Tensor(task.y)

    def block(z, w, b):
        return z.conv2d(w, b, padding=1).relu().max_pool2d()

    def loss(p):
        if task.kind == "cnn":
            z = block(block(x, p[0], p[1]), p[2], p[3]).flatten(1) @ p[4].T + p[5]
        else:
            z = layers(p, x, Tensor.relu)
        if task.kind == "hinge":
            return (1 - y * z).relu().mean() + task.decay * sum((w * w).sum() for w in p)
        return z.sparse_categorical_crossentropy(y)

    @TinyJit
    def compiled():
        grads = loss(params).gradient(*params)
        for p, g in zip(params, grads, strict=True):
            p.assign(p - task.lr * g)
        Tensor.realize(*grads, *params)
        return grads

    return lambda: [g.numpy() for g in compiled()]


def micrograd(task):
    """micrograd: a node for every number."""
    from micrograd.nn import MLP

    if task.kind != "hinge":
        raise NotImplementedError("is too slow for more than the small net")
    sys.setrecursionlimit(20_000)
    net, arrays = MLP(2, [16, 16, 1]), task.arrays
    for layer, w, b in zip(net.layers, arrays[::2], arrays[1::2], strict=True):
        for neuron, row, shift in zip(layer.neurons, w.tolist(), b.tolist(), strict=True):
            for value, number in zip(neuron.parameters(), [*row, shift], strict=True):
                value.data = number

    def step():
        net.zero_grad()
        short = [
            (1 + -float(y) * net(row)).relu() for row, y in zip(task.x.tolist(), task.y.ravel(), strict=True)
        ]
        loss = sum(short) * (1 / len(short)) + task.decay * sum(p * p for p in net.parameters())
        loss.backward()
        for p in net.parameters():
            p.data -= task.lr * p.grad
        neurons = [[[v.grad for v in n.w] for n in layer.neurons] for layer in net.layers]
        shifts = [[n.b.grad for n in layer.neurons] for layer in net.layers]
        return [np.array(part) for pair in zip(neurons, shifts, strict=True) for part in pair]

    return step


def jax(task):
    """JAX, its step compiled by jit."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    def block(z, w, b):
        z = lax.conv_general_dilated(z, w, (1, 1), "SAME") + b[:, None, None]
        return lax.reduce_window(jax.nn.relu(z), -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")

    def loss(p, x, y):
        if task.kind == "cnn":
            z = block(block(x, p[0], p[1]), p[2], p[3]).reshape(len(x), -1) @ p[4].T + p[5]
        else:
            z = layers(p, x, jax.nn.relu)
        if task.kind == "hinge":
            return jax.nn.relu(1 - y * z).mean() + task.decay * sum((w * w).sum() for w in p)
        return -jax.nn.log_softmax(z)[jnp.arange(len(y)), y].mean()

    @jax.jit
    def update(p, x, y):
        grads = jax.grad(loss)(p, x, y)
        return [w - task.lr * g for w, g in zip(p, grads, strict=True)], grads

    params, x, y = [jnp.array(a) for a in task.arrays], jnp.array(task.x), jnp.array(task.y)

    def step():
        nonlocal params
        params, grads = jax.block_until_ready(update(params, x, y))
        return grads

    return step


PEERS = {
    "MyGrad": mygrad,
    "HIPS autograd": autograd,
    "tinygrad, TinyJit": tinygrad,
    "micrograd": micrograd,
    "JAX, jit": jax,
}
