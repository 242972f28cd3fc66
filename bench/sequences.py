"""The steps of bench/engine.py that go over sequences: each in PyTorch and in chainrule, made of layers.

Each function returns both steps by name: functions without arguments that return the gradients. They start from the
same parameters and see the same batch.
"""

from functools import partial

import numpy as np
import torch

import chainrule
from chainrule import Tensor, losses, nn, optim
from chainrule.torch import to_torch

BATCH, TIMES = 64, 12


def normal(*shape):
    """Normal float32 numbers, the same each time."""
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def linear():
    """A layer 128-384 on three axes, forward and backward; its input wants a gradient as between two layers."""
    x, g, layer = normal(BATCH, TIMES, 128), normal(BATCH, TIMES, 384) / 100, nn.Linear(128, 384)
    return both(partial(through, g=g), layer, to_torch(layer, "cpu"), x)


def through(layer, x, make, library, g):
    """A function that goes through a layer, and back with the gradient g."""
    x, g, trained = make(x, requires_grad=True), make(g), [*layer.parameters()]

    def step():
        for p in (x, *trained):
            p.grad = None
        layer(x).backward(g)
        return [p.grad.numpy() for p in (x, *trained)]

    return step


def block():
    """A block of a GPT, 64 numbers a place and 4 heads, on 64 sequences of 12; a whole step of training."""
    chainrule.manual_seed(0)
    mine, theirs = Block(nn), Block(torch.nn)
    theirs.load_state_dict({name: torch.tensor(x) for name, x in mine.state_dict().items()})
    return both(training, mine, theirs, normal(BATCH, TIMES, 64))


def Block(layers, size=64):
    """The block, made of the layers of one library or the other."""
    hidden = np.triu(np.ones((TIMES, TIMES), bool), 1)
    mask = hidden if layers is nn else torch.tensor(hidden)

    class Block(layers.Module):
        def __init__(self):
            super().__init__()
            self.before, self.between = layers.LayerNorm(size), layers.LayerNorm(size)
            self.attention = layers.MultiheadAttention(size, 4, batch_first=True)
            wide, narrow = layers.Linear(size, 4 * size), layers.Linear(4 * size, size)
            self.rows = layers.Sequential(wide, layers.ReLU(), narrow)

        def forward(self, x):
            z = self.before(x)
            x = x + self.attention(z, z, z, attn_mask=mask, need_weights=False)[0]
            return x + self.rows(self.between(x))

    return Block()


def lstm():
    """An LSTM with 24 units on 64 sequences of 50; a whole step of training."""
    chainrule.manual_seed(0)
    layer = nn.LSTM(24, 24)
    return both(training, layer, to_torch(layer, "cpu"), normal(50, BATCH, 24))


def training(layer, x, make, library):
    """A function that trains a layer to give back what it got, one step a call, with gradient descent."""
    x, trained = make(x), [*layer.parameters()]
    optimizer = library.SGD(trained, lr=1e-3)
    loss = losses.mse_loss if library is optim else torch.nn.functional.mse_loss

    def step():
        optimizer.zero_grad()
        out = layer(x)
        loss(out[0] if isinstance(out, tuple) else out, x).backward()
        optimizer.step()
        return [p.grad.numpy() for p in trained]

    return step


def both(kind, mine, theirs, x):
    """The steps of both libraries."""
    return {
        "PyTorch": kind(theirs, x, torch.tensor, torch.optim),
        "chainrule": kind(mine, x, Tensor, optim),
    }


SEQUENCES = [  # name, its steps, what budgets ask for
    ("Linear 128-384 on (64, 12, 128), forward and backward", linear, 1.3),
    ("GPT block, 64 × 12 places of 64, 4 heads", block, 1.5),
    ("LSTM, 64 sequences of 50, 24 units", lstm, 2.0),
]
