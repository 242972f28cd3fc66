# ---
# title: Write your own engine
# description: You write a machine that differentiates any program, rule by rule, each with a check, and it learns to read handwritten digits.
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
# # Write your own engine
#
# You write a machine that differentiates whatever program you run on it: first for single numbers, then for arrays, each rule with a check. At the end it trains a network that reads handwritten digits, and its gradients are compared with PyTorch's.
#
# Nine blanks are yours to fill, a few lines each; the mark is `...  # your turn`. Below each one stands a check, and below that hints and a solution in closed boxes.
# A check says *not yet* of an empty blank and *not right* of a wrong one. Then something borrowed or slow **stands in** for it, so that *Run all* reaches the end from the start. Fill a blank, run all again, and watch the borrowed parts become your own.
#
# You need [Backpropagation, layer by layer](../networks/backpropagation.md), and an hour to an hour and a half. [An autograd engine](../networks/engine.md) shows a machine of the same kind, complete and explained; read it afterwards, or first if you would rather see one before you build one.

# %%
from graphlib import TopologicalSorter

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits

from chainrule import plot
from chainrule.torch import device

# %% [markdown]
# ## A value that remembers
#
# The whole machine rests on one idea: a value knows what it was computed from. `parents` is a list of pairs, one for each input: the input itself, and a function `pull` that takes the gradient which arrives at the result and returns what this input gets of it (chapters [7](../networks/forward-or-reverse.md) and [9](../networks/engine.md) call it the vector-Jacobian product, VJP).
# For a number that function multiplies by the local slope. Here is a square, written by hand: its slope at 3 is 6.


# %%
class Value:
    """A number with its parents: pairs of an input and its pull."""

    def __init__(self, data, parents=()):
        self.data, self.parents, self.grad = data, list(parents), 0.0


x = Value(3.0)
square = Value(x.data**2, [(x, lambda g: g * 2 * x.data)])
parent, pull = square.parents[0]
print(f"value {square.data}; a gradient of 1 becomes {pull(1.0)}")
assert parent is x and pull(1.0) == 6.0

# %% [markdown]
# Every rule that you write will be compared with NumPy for its value and with centred differences for its pulls. `check_rule` weighs the result with random numbers `G`, sends `G` into every pull, and moves every entry of every input. It serves for numbers and, later, for arrays.
#
# <!-- fold: check_rule, the judge of every rule -->

# %%
def check_rule(rule, kind, like, *inputs):
    """Compare a rule with NumPy, and its pulls with differences."""
    nodes, name = [kind(np.array(x, float)) for x in inputs], rule.__name__
    out = rule(*nodes)
    assert isinstance(out, kind), f"{name}: wanted a {kind.__name__}"
    value = like(*(node.data for node in nodes))
    shapes = np.shape(value), np.shape(out.data)
    assert shapes[0] == shapes[1], "wanted shape {}, got {}".format(*shapes)
    assert np.allclose(out.data, value), (
        f"{name}: wanted the value {value}, got {out.data}"
    )
    assert [parent for parent, _ in out.parents] == nodes, (
        f"{name}: wanted one parent for each input, in their order"
    )
    G = np.random.default_rng(0).normal(size=np.shape(out.data))
    for k, (node, (_, pull)) in enumerate(zip(nodes, out.parents)):
        try:
            got, double = np.asarray(pull(G)), np.asarray(pull(2 * G))
        except (TypeError, ValueError) as error:
            said = f"{name}: the pull of input {k} raises: {error}"
            raise AssertionError(said) from None
        assert got.shape == node.data.shape, (
            f"{name}: input {k} has shape {node.data.shape}, "
            f"its pull {got.shape}"
        )
        assert np.allclose(double, 2 * got), (
            f"{name}: twice the gradient must give input {k} twice as much"
        )
        wanted = slopes(lambda: (G * rule(*nodes).data).sum(), node)
        for at in np.ndindex(got.shape):
            assert abs(got[at] - wanted[at]) < 1e-7, (
                f"{name}: input {k} at {at}: pull says {got[at]:.6f}, "
                f"differences say {wanted[at]:.6f}"
            )


def slopes(f, node, h=1e-5):
    """How f() moves with each entry of a node, by centred differences."""
    found = np.zeros(node.data.shape)
    for at in np.ndindex(node.data.shape):
        kept, ends = node.data[at], []
        for moved in (kept + h, kept - h):
            node.data[at] = moved
            ends.append(f())
        node.data[at] = kept
        found[at] = (ends[0] - ends[1]) / (2 * h)
    return found


# %% [markdown]
# `borrow` makes a rule of a function of PyTorch; that is what stands in for a blank of yours.
#
# <!-- fold: borrow, which makes a rule of a function of PyTorch -->

# %%
def borrow(op, kind):
    """A rule that asks PyTorch."""

    def rule(*inputs):
        leaves = [
            torch.tensor(x.data, dtype=torch.float64) for x in inputs
        ]
        out = op(*(leaf.requires_grad_() for leaf in leaves))

        def pull_of(leaf):
            ask = lambda g: torch.autograd.grad(
                out,
                leaf,
                torch.as_tensor(g, dtype=out.dtype),
                retain_graph=True,
            )[0].numpy()
            return lambda g: (
                ask(g) if kind is not Value else ask(g).item()
            )

        pulls = [pull_of(leaf) for leaf in leaves]
        return kind(out.detach().numpy()[()], zip(inputs, pulls))

    return rule


check_rule(borrow(torch.mul, Value), Value, np.multiply, 2.0, -3.0)
print("PyTorch's product passes")

# %% [markdown]
# ## Plus and times
#
# Both are *joins*: two values meet.
#
# !!! exercise "Blank 1 · Plus and times"
#     Return the result with its two parents, and for each the pull: what it gets when the gradient `g` arrives at the result.
#
#     <!-- exercise: join starter -->


# %%
def add(x, y):
    """x + y as a Value."""
    return ...  # your turn


def mul(x, y):
    """x · y as a Value."""
    return ...  # your turn


# %% [markdown]
#     <!-- exercise: join check -->

# %%
check_rule(add, Value, np.add, 2.0, -3.0)
check_rule(mul, Value, np.multiply, 2.0, -3.0)

# %% [markdown]
#     ??? tip "Hint 1"
#         On paper: if $x$ moves by a little, $x + y$ moves by the same, and $x y$ by $y$ times as much.
#
#     ??? tip "Hint 2"
#         A pull is a `lambda g: ...`, as in the square above.
#
#     ??? success "Solution"
#         <!-- exercise: join solution -->
#         ```python
#         def add(x, y):
#             pulls = [(x, lambda g: g), (y, lambda g: g)]
#             return Value(x.data + y.data, pulls)
#
#
#         def mul(x, y):
#             pulls = [(x, lambda g: g * y.data), (y, lambda g: g * x.data)]
#             return Value(x.data * y.data, pulls)
#         ```
#
#     <!-- exercise: join wrong: mul: input 0 at
#     def add(x, y):
#         pulls = [(x, lambda g: g), (y, lambda g: g)]
#         return Value(x.data + y.data, pulls)
#
#
#     def mul(x, y):
#         pulls = [(x, lambda g: g * x.data), (y, lambda g: g * x.data)]
#         return Value(x.data * y.data, pulls)
#     -->
#
#     <!-- exercise: join wrong: add: input 1 at
#     def add(x, y):
#         pulls = [(x, lambda g: g), (y, lambda g: -g)]
#         return Value(x.data + y.data, pulls)
#
#
#     def mul(x, y):
#         pulls = [(x, lambda g: g * y.data), (y, lambda g: g * x.data)]
#         return Value(x.data * y.data, pulls)
#     -->
#
#     <!-- exercise: join wrong: wanted one parent for each
#     def add(x, y):
#         return Value(x.data + y.data, [(x, lambda g: g)])
#
#
#     def mul(x, y):
#         return Value(x.data * y.data, [(x, lambda g: g * y.data)])
#     -->
#
#     <!-- exercise: join wrong: add: wanted a Value
#     def add(x, y):
#         return x.data + y.data
#
#
#     def mul(x, y):
#         return x.data * y.data
#     -->
#
#     <!-- exercise: join right: one function for both, given the slopes
#     def join(out, *pairs):
#         times = lambda slope: lambda g: slope * g
#         return Value(out, [(x, times(slope)) for x, slope in pairs])
#
#
#     def add(x, y):
#         return join(x.data + y.data, (x, 1.0), (y, 1.0))
#
#
#     def mul(x, y):
#         return join(x.data * y.data, (x, y.data), (y, x.data))
#     -->
#
# <!-- fold: PyTorch's rules, as long as the blank is empty -->
# <!-- exercise: join stand-in -->

# %%
print("PyTorch's rules stand in")
add, mul = borrow(torch.add, Value), borrow(torch.mul, Value)

# %% [markdown]
# ## tanh
#
# The slope of $\tanh x$ is $1 - \tanh^2 x$, so the result that you have computed is all that the way back needs.
#
# !!! exercise "Blank 2 · tanh"
#     Write the rule. `np.tanh` computes the value.
#
#     <!-- exercise: tanh starter -->


# %%
def tanh(x):
    """Hyperbolic tangent of x as a Value."""
    return ...  # your turn


# %% [markdown]
#     <!-- exercise: tanh check -->

# %%
for x in (-2.0, 0.1, 0.7):
    check_rule(tanh, Value, np.tanh, x)

# %% [markdown]
#     ??? tip "Hint"
#         Keep `out = np.tanh(x.data)` and use it twice.
#
#     ??? success "Solution"
#         <!-- exercise: tanh solution -->
#         ```python
#         def tanh(x):
#             out = np.tanh(x.data)
#             return Value(out, [(x, lambda g: g * (1 - out**2))])
#         ```
#
#     <!-- exercise: tanh wrong: tanh: input 0 at
#     def tanh(x):
#         return Value(np.tanh(x.data), [(x, lambda g: g * (1 - x.data**2))])
#     -->
#
#     <!-- exercise: tanh wrong: twice the gradient
#     def tanh(x):
#         out = np.tanh(x.data)
#         return Value(out, [(x, lambda g: 1 - out**2)])
#     -->
#
#     <!-- exercise: tanh right: with exponentials
#     def tanh(x):
#         up, down = np.exp(x.data), np.exp(-x.data)
#         slope = 4 / (up + down) ** 2
#         return Value((up - down) / (up + down), [(x, lambda g: slope * g)])
#     -->
#
# <!-- fold: PyTorch's rule, as long as the blank is empty -->
# <!-- exercise: tanh stand-in -->

# %%
print("PyTorch's rule stands in")
tanh = borrow(torch.tanh, Value)

# %% [markdown]
# ## The order
#
# Values and parents form a graph. On the way back a value may pass its gradient on only when all of it has arrived, that is, after everything that was computed from it. So we need a list of all values in which **each stands behind its parents**, once; going through it from the end is the way back.
# That is a *topological order*.
#
# !!! exercise "Blank 3 · The order"
#     Return the list. It must survive a chain of twenty thousand values: Python gives up on functions that call themselves that deep, so keep a list of places to visit yourself.
#
#     <!-- exercise: order starter -->


# %%
def order(root):
    """All values behind root and root itself, each behind its parents."""
    return ...  # your turn


# %% [markdown]
#     <!-- exercise: order check -->

# %%
a, b = Value(1.0), Value(2.0)
c = Value(3.0, [(a, None), (b, None)])
d = Value(4.0, [(c, None), (a, None)])
e = Value(5.0, [(a, None), (d, None), (c, None)])
found = list(order(e))
assert len(found) == len(set(found)), "a value stands there twice"
assert set(found) == {a, b, c, d, e}, "a value is missing"
for value in found:
    for parent, _ in value.parents:
        assert found.index(parent) < found.index(value), (
            "a value stands before one of its parents"
        )
chain = Value(0.0)
for _ in range(20_000):
    chain = Value(0.0, [(chain, None)])
try:
    length = len(list(order(chain)))
except RecursionError:
    said = "the chain is too deep for a function that calls itself"
    raise AssertionError(said) from None
assert length == 20_001, "a value of the chain is missing"

# %% [markdown]
#     ??? tip "Hint 1"
#         Let the stack hold pairs `(value, finished)`. A set keeps you from visiting twice.
#
#     ??? tip "Hint 2"
#         When a value comes off for the first time, put it back with `True` and its parents on top of it; when it comes off again, all its parents have been written down, and it is its turn.
#
#     ??? success "Solution"
#         <!-- exercise: order solution -->
#         ```python
#         def order(root):
#             found, seen, stack = [], set(), [(root, False)]
#             while stack:
#                 value, finished = stack.pop()
#                 if finished:
#                     found.append(value)
#                 elif value not in seen:
#                     seen.add(value)
#                     stack.append((value, True))
#                     stack += [(parent, False) for parent, _ in value.parents]
#             return found
#         ```
#
#     <!-- exercise: order wrong: a value stands before
#     def order(root):
#         found, seen, stack = [], set(), [(root, False)]
#         while stack:
#             value, finished = stack.pop()
#             if finished:
#                 found.append(value)
#             elif value not in seen:
#                 seen.add(value)
#                 found.append(value)
#                 stack += [(parent, False) for parent, _ in value.parents]
#         return found
#     -->
#
#     <!-- exercise: order wrong: a value stands there twice
#     def order(root):
#         found, seen, stack = [], set(), [(root, False)]
#         while stack:
#             value, finished = stack.pop()
#             if finished:
#                 found.append(value)
#             elif value not in seen:
#                 stack.append((value, True))
#                 stack += [(parent, False) for parent, _ in value.parents]
#         return found
#     -->
#
#     <!-- exercise: order wrong: too deep for a function
#     def order(root):
#         found, seen = [], set()
#
#         def visit(value):
#             if value not in seen:
#                 seen.add(value)
#                 for parent, _ in value.parents:
#                     visit(parent)
#                 found.append(value)
#
#         visit(root)
#         return found
#     -->
#
#     <!-- exercise: order wrong: a value is missing
#     def order(root):
#         found, seen, stack = [], set(), [(root, False)]
#         while stack:
#             value, finished = stack.pop()
#             if finished:
#                 found.append(value)
#             elif value not in seen:
#                 seen.add(value)
#                 stack.append((value, True))
#                 stack += [(parent, False) for parent, _ in value.parents]
#         return found[:-1]
#     -->
#
#     <!-- exercise: order right: counted down, from the root
#     def order(root):
#         uses, todo = {root: 0}, [root]
#         while todo:
#             for parent, _ in todo.pop().parents:
#                 if parent not in uses:
#                     uses[parent] = 0
#                     todo.append(parent)
#                 uses[parent] += 1
#         found, ready = [], [root]
#         while ready:
#             found.append(ready.pop())
#             for parent, _ in found[-1].parents:
#                 uses[parent] -= 1
#                 if uses[parent] == 0:
#                     ready.append(parent)
#         return found[::-1]
#     -->
#
# <!-- fold: the standard library's sorter, as long as the blank is empty -->
# <!-- exercise: order stand-in -->

# %%
print("the standard library's sorter stands in")


def order(root):
    graph, todo = {}, [root]
    while todo:
        value = todo.pop()
        if value not in graph:
            graph[value] = [parent for parent, _ in value.parents]
            todo += graph[value]
    return list(TopologicalSorter(graph).static_order())


# %% [markdown]
# ## Backward
#
# Now the sweep. The root moves with itself one to one, so its gradient is 1 (for an array later: ones). Go through the order from the end; each value sends to every parent what that parent's pull makes of its own gradient, and **what arrives at one value from several sides is added**.
#
# !!! exercise "Blank 4 · Backward"
#     Add the gradient of each value to its `grad`, and use each pull once.
#     Nothing is returned.
#
#     <!-- exercise: backward starter -->


# %%
def backward(root):
    """Add to grad of every value behind root how root moves with it."""
    ...  # your turn


# %% [markdown]
#     <!-- exercise: backward check -->

# %%
x, y = Value(2.0), Value(3.0)
one = lambda g: g
total = Value(5.0, [(x, one), (y, one)])
pulls = [(total, lambda g: 2.0 * g), (x, lambda g: 5.0 * g)]
root = Value(10.0, pulls)
try:
    backward(root)
except KeyError:
    said = "a value came before its gradient: begin at the root"
    raise AssertionError(said) from None
assert (root.grad, total.grad) == (1, 2), (
    f"wanted 1 at the root and 2 below it, "
    f"got {root.grad} and {total.grad}"
)
assert (x.grad, y.grad) == (7, 2), (
    f"(x + y) · x at 2 and 3: wanted 7 and 2, "
    f"got {x.grad} and {y.grad}"
)
backward(root)
assert x.grad != 7, "a second sweep replaces: it must add"
assert x.grad == 14, (
    f"wanted 14 after a second sweep, got {x.grad}: "
    "were the first one's gradients sent again?"
)
calls, value = [], Value(1.0)
start = value
for _ in range(6):
    double = lambda g: calls.append(1) or g
    value = Value(1.0, [(value, double), (value, double)])
backward(value)
assert start.grad == 64, f"six doublings: wanted 64, got {start.grad}"
assert len(calls) == 12, f"12 pulls were used {len(calls)} times"

# %% [markdown]
#     ??? tip "Hint 1"
#         Keep the gradients of this sweep in a dictionary, `flow = {root: 1.0}`, and add to it with `flow.get(parent, 0.0) + ...`.
#
#     ??? tip "Hint 2"
#         If you add straight to `grad`, the second sweep sends the first one's gradients once more. `np.ones_like(root.data)` is a 1 of the right shape.
#
#     ??? success "Solution"
#         <!-- exercise: backward solution -->
#         ```python
#         def backward(root):
#             flow = {root: np.ones_like(root.data)}
#             for value in reversed(order(root)):
#                 g = flow.pop(value)
#                 value.grad = value.grad + g
#                 for parent, pull in value.parents:
#                     flow[parent] = flow.get(parent, 0.0) + pull(g)
#         ```
#
#     <!-- exercise: backward wrong: wanted 7 and 2
#     def backward(root):
#         flow = {root: np.ones_like(root.data)}
#         for value in reversed(order(root)):
#             g = flow.pop(value)
#             value.grad = value.grad + g
#             for parent, pull in value.parents:
#                 flow[parent] = pull(g)
#     -->
#
#     <!-- exercise: backward wrong: a second sweep replaces
#     def backward(root):
#         flow = {root: np.ones_like(root.data)}
#         for value in reversed(order(root)):
#             g = flow.pop(value)
#             value.grad = g
#             for parent, pull in value.parents:
#                 flow[parent] = flow.get(parent, 0.0) + pull(g)
#     -->
#
#     <!-- exercise: backward wrong: begin at the root
#     def backward(root):
#         flow = {root: np.ones_like(root.data)}
#         for value in order(root):
#             g = flow.pop(value)
#             value.grad = value.grad + g
#             for parent, pull in value.parents:
#                 flow[parent] = flow.get(parent, 0.0) + pull(g)
#     -->
#
#     <!-- exercise: backward wrong: gradients sent again
#     def backward(root):
#         root.grad = root.grad + np.ones_like(root.data)
#         for value in reversed(order(root)):
#             for parent, pull in value.parents:
#                 parent.grad = parent.grad + pull(value.grad)
#     -->
#
#     <!-- exercise: backward wrong: 12 pulls were used
#     def backward(root, g=1.0):
#         root.grad = root.grad + g
#         for parent, pull in root.parents:
#             backward(parent, pull(g))
#     -->
#
#     <!-- exercise: backward right: in grad itself, with what was there put aside
#     def backward(root):
#         values = order(root)
#         before = [value.grad for value in values]
#         for value in values:
#             value.grad = 0.0
#         root.grad = np.ones_like(root.data)
#         for value in values[::-1]:
#             for parent, pull in value.parents:
#                 parent.grad = parent.grad + pull(value.grad)
#         for value, grad in zip(values, before):
#             value.grad = value.grad + grad
#     -->
#
# <!-- fold: a slow walk along every path, as long as the blank is empty -->
# <!-- exercise: backward stand-in -->

# %%
print("a slow walk along every path stands in")


def backward(root, g=None):
    g = np.ones_like(root.data) if g is None else g
    root.grad = root.grad + g
    for parent, pull in root.parents:
        backward(parent, pull(g))


# %% [markdown]
# That is an engine. Give it a neuron with two inputs, $\tanh(w_1 x_1 + w_2 x_2 + b)$, and compare every gradient with a difference.


# %%
def neuron(w1, x1, w2, x2, b):
    return tanh(add(add(mul(w1, x1), mul(w2, x2)), b))


start = {"w₁": -0.5, "x₁": 2.0, "w₂": 0.8, "x₂": 1.5, "b": 0.3}
values = {name: Value(number) for name, number in start.items()}
backward(neuron(*values.values()))
for name, value in values.items():
    ends = []
    for h in (1e-5, -1e-5):
        moved = start | {name: start[name] + h}
        ends.append(neuron(*map(Value, moved.values())).data)
    wanted = (ends[0] - ends[1]) / 2e-5
    print(f"{name}: engine {value.grad:+.6f}, differences {wanted:+.6f}")
    assert abs(value.grad - wanted) < 1e-8

# %% [markdown]
# Here is the graph that `order` walked along, drawn by the book's `plot.graph`: the inputs on the left, the result on the right, each with its value and its gradient.

# %%
for value in values.values():
    value.grad = 0.0
root = neuron(*values.values())
backward(root)
fig, ax = plt.subplots(figsize=(6.4, 5))
plot.graph(root, names=values, ax=ax)
_ = ax.set(title="A neuron, its values and its gradients")
assert root.grad == 1

# %% [markdown]
# ## From numbers to arrays
#
# A network has thousands of numbers, and an object for each would be slow. So from now on a value holds a whole array. Nothing in `order` and `backward` changes; only the rules do.
# The new thing is **broadcasting**: NumPy stretches a bias of shape (3,) to be added to scores of shape (4, 3). Every number of it is then used four times, and gradients of several uses are added.


# %%
class Tensor(Value):
    """A Value whose data is an array of float64."""

    def __init__(self, data, parents=()):
        super().__init__(np.asarray(data, dtype=np.float64), parents)


bias, scores = np.array([1.0, 2.0, 3.0]), np.zeros((4, 3))
print("forward", bias.shape, "to", (scores + bias).shape)

# %% [markdown]
# ## Broadcasting undone
#
# A gradient `g` has the shape of the result; the input had `shape`.
#
# !!! exercise "Blank 5 · Broadcasting undone"
#     Sum `g` over what broadcasting has repeated: axes that it put in front, and axes of length 1 that it stretched.
#
#     <!-- exercise: unbroadcast starter -->


# %%
def unbroadcast(g, shape):
    """The sum of g over all repetitions, an array of the shape wanted."""
    return ...  # your turn


# %% [markdown]
#     <!-- exercise: unbroadcast check -->

# %%
rng = np.random.default_rng(0)
for shape, to in (
    ((3,), (4, 3)),
    ((4, 1), (4, 3)),
    ((), (4, 3)),
    ((1, 3), (4, 3)),
    ((2, 1, 3), (2, 4, 3)),
    ((4, 1), (2, 4, 3)),
    ((4, 3), (4, 3)),
):
    g = rng.normal(size=to)
    got = unbroadcast(g, shape)
    assert np.shape(got) == shape, (
        f"from {to} wanted shape {shape}, got {np.shape(got)}"
    )
    wanted = np.zeros(shape)
    places = np.arange(wanted.size).reshape(shape)
    for at, place in np.ndenumerate(np.broadcast_to(places, to)):
        wanted.flat[place] += g[at]
    assert np.allclose(got, wanted), f"wrong sums from {to} to {shape}"

# %% [markdown]
#     ??? tip "Hint 1"
#         First sum over axis 0 until `g` has as many axes as `shape`.
#
#     ??? tip "Hint 2"
#         Then sum, with `keepdims=True`, over each axis where `shape` has a 1.
#
#     ??? success "Solution"
#         <!-- exercise: unbroadcast solution -->
#         ```python
#         def unbroadcast(g, shape):
#             while g.ndim > len(shape):
#                 g = g.sum(axis=0)
#             for axis, length in enumerate(shape):
#                 if length == 1:
#                     g = g.sum(axis=axis, keepdims=True)
#             return g
#         ```
#
#     <!-- exercise: unbroadcast wrong: wanted shape (4, 1)
#     def unbroadcast(g, shape):
#         while g.ndim > len(shape):
#             g = g.sum(axis=0)
#         return g
#     -->
#
#     <!-- exercise: unbroadcast wrong: wanted shape (3,)
#     def unbroadcast(g, shape):
#         while g.ndim > len(shape):
#             g = g.sum(axis=-1)
#         for axis, length in enumerate(shape):
#             if length == 1:
#                 g = g.sum(axis=axis, keepdims=True)
#         return g
#     -->
#
#     <!-- exercise: unbroadcast wrong: wrong sums from
#     def unbroadcast(g, shape):
#         repeated = g.size // int(np.prod(shape))
#         return g.reshape((repeated, *shape)).sum(axis=0)
#     -->
#
#     <!-- exercise: unbroadcast right: all axes in one sum
#     def unbroadcast(g, shape):
#         lengths = (1,) * (g.ndim - len(shape)) + tuple(shape)
#         axes = tuple(k for k, length in enumerate(lengths) if length == 1)
#         return g.sum(axis=axes).reshape(shape)
#     -->
#
# <!-- fold: PyTorch's expand, as long as the blank is empty -->
# <!-- exercise: unbroadcast stand-in -->

# %%
print("PyTorch's expand stands in")


def unbroadcast(g, shape):
    small = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
    small.expand(g.shape).backward(torch.as_tensor(g))
    return small.grad.numpy()


# %% [markdown]
# ## Plus and times, for arrays
#
# The rules of blank 1 once more, with arrays in the place of numbers.
#
# !!! exercise "Blank 6 · Plus and times, for arrays"
#     Both inputs may have been broadcast, so each pull ends in `unbroadcast`.
#     The result is a `Tensor`.
#
#     <!-- exercise: array-join starter -->


# %%
def add(x, y):
    """x + y as a Tensor; the shapes may differ."""
    return ...  # your turn


def mul(x, y):
    """x · y, entry by entry, as a Tensor; the shapes may differ."""
    return ...  # your turn


# %% [markdown]
#     <!-- exercise: array-join check -->

# %%
rng = np.random.default_rng(1)
for shapes in (((4, 3), (4, 3)), ((4, 3), (3,)), ((4, 1), (4, 3))):
    arrays = [rng.normal(size=shape) for shape in shapes]
    check_rule(add, Tensor, np.add, *arrays)
    check_rule(mul, Tensor, np.multiply, *arrays)

# %% [markdown]
#     ??? tip "Hint"
#         For `add`, the pull of x is `lambda g: unbroadcast(g, x.data.shape)`.
#
#     ??? success "Solution"
#         <!-- exercise: array-join solution -->
#         ```python
#         def add(x, y):
#             pulls = [
#                 (x, lambda g: unbroadcast(g, x.data.shape)),
#                 (y, lambda g: unbroadcast(g, y.data.shape)),
#             ]
#             return Tensor(x.data + y.data, pulls)
#
#
#         def mul(x, y):
#             pulls = [
#                 (x, lambda g: unbroadcast(g * y.data, x.data.shape)),
#                 (y, lambda g: unbroadcast(g * x.data, y.data.shape)),
#             ]
#             return Tensor(x.data * y.data, pulls)
#         ```
#
#     <!-- exercise: array-join wrong: mul: input 1 has shape
#     def add(x, y):
#         pulls = [
#             (x, lambda g: unbroadcast(g, x.data.shape)),
#             (y, lambda g: unbroadcast(g, y.data.shape)),
#         ]
#         return Tensor(x.data + y.data, pulls)
#
#
#     def mul(x, y):
#         pulls = [
#             (x, lambda g: unbroadcast(g * y.data, x.data.shape)),
#             (y, lambda g: g * x.data),
#         ]
#         return Tensor(x.data * y.data, pulls)
#     -->
#
#     <!-- exercise: array-join wrong: add: input 1 has shape
#     def add(x, y):
#         pulls = [
#             (x, lambda g: unbroadcast(g, x.data.shape)),
#             (y, lambda g: g),
#         ]
#         return Tensor(x.data + y.data, pulls)
#
#
#     def mul(x, y):
#         pulls = [
#             (x, lambda g: unbroadcast(g * y.data, x.data.shape)),
#             (y, lambda g: unbroadcast(g * x.data, y.data.shape)),
#         ]
#         return Tensor(x.data * y.data, pulls)
#     -->
#
#     <!-- exercise: array-join wrong: add: wanted a Tensor
#     def add(x, y):
#         pulls = [
#             (x, lambda g: unbroadcast(g, x.data.shape)),
#             (y, lambda g: unbroadcast(g, y.data.shape)),
#         ]
#         return Value(x.data + y.data, pulls)
#
#
#     def mul(x, y):
#         pulls = [
#             (x, lambda g: unbroadcast(g * y.data, x.data.shape)),
#             (y, lambda g: unbroadcast(g * x.data, y.data.shape)),
#         ]
#         return Value(x.data * y.data, pulls)
#     -->
#
#     <!-- exercise: array-join right: one function for both
#     def join(out, x, y, by_x, by_y):
#         to_x = lambda g: unbroadcast(g * by_x, x.data.shape)
#         to_y = lambda g: unbroadcast(g * by_y, y.data.shape)
#         return Tensor(out, [(x, to_x), (y, to_y)])
#
#
#     def add(x, y):
#         return join(x.data + y.data, x, y, 1.0, 1.0)
#
#
#     def mul(x, y):
#         return join(x.data * y.data, x, y, y.data, x.data)
#     -->
#
# <!-- fold: PyTorch's rules for arrays, as long as the blank is empty -->
# <!-- exercise: array-join stand-in -->

# %%
print("PyTorch's rules stand in")
add, mul = borrow(torch.add, Tensor), borrow(torch.mul, Tensor)

# %% [markdown]
# ## The product of matrices
#
# In $Z = X W$ the shapes of $X$, $W$ and $Z$ are (B, D), (D, M) and (B, M), and the gradient `g` that arrives has the shape of $Z$. Both pulls are a product of `g` with the *other* input, transposed; the shapes tell where each stands.
#
# !!! exercise "Blank 7 · The product of matrices"
#     Write the rule for two matrices.
#     The check's second case is square, so that the shapes alone do not give the answer away.
#
#     <!-- exercise: matmul starter -->


# %%
def matmul(x, y):
    """The product of two matrices as a Tensor."""
    return ...  # your turn


# %% [markdown]
#     <!-- exercise: matmul check -->

# %%
rng = np.random.default_rng(2)
for shapes in (((4, 3), (3, 2)), ((3, 3), (3, 3))):
    arrays = [rng.normal(size=shape) for shape in shapes]
    check_rule(matmul, Tensor, np.matmul, *arrays)

# %% [markdown]
#     ??? tip "Hint"
#         (B, M)(M, D) gives what $X$ needs, (D, B)(B, M) what $W$ needs. A matrix `A` transposed is `A.T`.
#
#     ??? success "Solution"
#         <!-- exercise: matmul solution -->
#         ```python
#         def matmul(x, y):
#             pulls = [(x, lambda g: g @ y.data.T), (y, lambda g: x.data.T @ g)]
#             return Tensor(x.data @ y.data, pulls)
#         ```
#
#     <!-- exercise: matmul wrong: the pull of input 0 raises
#     def matmul(x, y):
#         pulls = [(x, lambda g: g @ y.data), (y, lambda g: x.data.T @ g)]
#         return Tensor(x.data @ y.data, pulls)
#     -->
#
#     <!-- exercise: matmul wrong: input 1 has shape (3, 2)
#     def matmul(x, y):
#         pulls = [(x, lambda g: g @ y.data.T), (y, lambda g: g.T @ x.data)]
#         return Tensor(x.data @ y.data, pulls)
#     -->
#
#     <!-- exercise: matmul right: by einsum
#     def matmul(x, y):
#         to_x = lambda g: np.einsum("bm,dm->bd", g, y.data)
#         to_y = lambda g: np.einsum("bd,bm->dm", x.data, g)
#         out = np.einsum("bd,dm->bm", x.data, y.data)
#         return Tensor(out, [(x, to_x), (y, to_y)])
#     -->
#
# <!-- fold: PyTorch's product, as long as the blank is empty -->
# <!-- exercise: matmul stand-in -->

# %%
print("PyTorch's rule stands in")
matmul = borrow(torch.matmul, Tensor)

# %% [markdown]
# ## The sum, and ReLU
#
# `total` adds all entries to one number; each entry entered with slope 1. `relu` keeps positive entries and makes the others 0; a gradient passes only where an entry was kept.
#
# !!! exercise "Blank 8 · The sum, and ReLU"
#     Write both rules. For `total` the gradient that arrives is one number.
#
#     <!-- exercise: total starter -->


# %%
def total(x):
    """The sum of all entries as a Tensor of shape ()."""
    return ...  # your turn


def relu(x):
    """The larger of 0 and each entry, as a Tensor."""
    return ...  # your turn


# %% [markdown]
#     <!-- exercise: total check -->

# %%
x = np.array([[1.5, -0.3, 0.2], [-2.0, 0.7, -0.1]])
check_rule(total, Tensor, np.sum, x)
check_rule(relu, Tensor, lambda x: np.maximum(0, x), x)

# %% [markdown]
#     ??? tip "Hint 1"
#         The pull of `total` must give an array of the input's shape: `g * np.ones_like(x.data)`.
#
#     ??? tip "Hint 2"
#         For `relu`, `x.data > 0` is the mask.
#
#     ??? success "Solution"
#         <!-- exercise: total solution -->
#         ```python
#         def total(x):
#             pull = lambda g: g * np.ones_like(x.data)
#             return Tensor(x.data.sum(), [(x, pull)])
#
#
#         def relu(x):
#             mask = x.data > 0
#             return Tensor(x.data * mask, [(x, lambda g: g * mask)])
#         ```
#
#     <!-- exercise: total wrong: relu: input 0 at (0, 0)
#     def total(x):
#         pull = lambda g: g * np.ones_like(x.data)
#         return Tensor(x.data.sum(), [(x, pull)])
#
#
#     def relu(x):
#         mask = x.data > 0
#         return Tensor(x.data * mask, [(x, lambda g: g * x.data)])
#     -->
#
#     <!-- exercise: total wrong: total: input 0 has shape
#     def total(x):
#         pull = lambda g: g
#         return Tensor(x.data.sum(), [(x, pull)])
#
#
#     def relu(x):
#         mask = x.data > 0
#         return Tensor(x.data * mask, [(x, lambda g: g * mask)])
#     -->
#
#     <!-- exercise: total wrong: relu: wanted the value
#     def total(x):
#         pull = lambda g: g * np.ones_like(x.data)
#         return Tensor(x.data.sum(), [(x, pull)])
#
#
#     def relu(x):
#         mask = np.sign(x.data)
#         return Tensor(x.data * mask, [(x, lambda g: g * mask)])
#     -->
#
#     <!-- exercise: total wrong: relu: input 0 at (1, 0)
#     def total(x):
#         pull = lambda g: g * np.ones_like(x.data)
#         return Tensor(x.data.sum(), [(x, pull)])
#
#
#     def relu(x):
#         mask = x.data > 0
#         return Tensor(x.data * mask, [(x, lambda g: g * (g > 0))])
#     -->
#
#     <!-- exercise: total right: by np.full and np.where
#     def total(x):
#         pull = lambda g: np.full(x.data.shape, g)
#         return Tensor(np.sum(x.data), [(x, pull)])
#
#
#     def relu(x):
#         pull = lambda g: np.where(x.data > 0, g, 0.0)
#         return Tensor(np.maximum(x.data, 0), [(x, pull)])
#     -->
#
# <!-- fold: PyTorch's sum and ReLU, as long as the blank is empty -->
# <!-- exercise: total stand-in -->

# %%
print("PyTorch's rules stand in")
total, relu = borrow(torch.sum, Tensor), borrow(torch.relu, Tensor)

# %% [markdown]
# ## Log-softmax
#
# The last layer gives ten scores for each image, a row of an array of shape (B, 10). **Softmax** makes probabilities of the scores $z_k$ of a row, $p_k = e^{z_k} / \sum_j e^{z_j}$; the loss needs their logarithms, $z_k - \log \sum_j e^{z_j}$, row by row.
# Every score of a row moves every entry of that row. On paper the score $z_k$ gets $g_k - p_k \sum_j g_j$. Derive it, or at least see that it is plausible: one number added to all scores of a row changes no probability, so what the scores of a row get must sum to 0.
#
# !!! exercise "Blank 9 · Log-softmax"
#     Write the rule for an array of shape (B, K), row by row.
#     Beware of a score of 1000, as in the lab before this one: the row's largest score, taken away first, changes no probability.
#
#     <!-- exercise: log-softmax starter -->


# %%
def log_softmax(x):
    """Logarithms of the softmax of each row of x (B, K), as a Tensor."""
    return ...  # your turn


# %% [markdown]
#     <!-- exercise: log-softmax check -->

# %%
x = np.random.default_rng(3).normal(size=(4, 3))
like = lambda x: x - np.log(np.exp(x).sum(axis=1, keepdims=True))
check_rule(log_softmax, Tensor, like, x)
with np.errstate(all="ignore"):
    far = log_softmax(Tensor([[1000.0, 0.0], [0.0, 0.0]]))
wanted = [[0, -1000], [-np.log(2), -np.log(2)]]
assert np.allclose(far.data, wanted), (
    f"with a score of 1000 in a row wanted\n{wanted}, got\n{far.data}"
)

# %% [markdown]
#     ??? tip "Hint 1"
#         Sums over a row are `.sum(axis=1, keepdims=True)`.
#
#     ??? tip "Hint 2"
#         The result `out` holds the logarithms of the probabilities, so these are `np.exp(out)`.
#
#     ??? success "Solution"
#         <!-- exercise: log-softmax solution -->
#         ```python
#         def log_softmax(x):
#             z = x.data - x.data.max(axis=1, keepdims=True)
#             out = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
#             p = np.exp(out)
#             pull = lambda g: g - p * g.sum(axis=1, keepdims=True)
#             return Tensor(out, [(x, pull)])
#         ```
#
#         The entry $z_j - \log \sum_i e^{z_i}$ has with respect to $z_k$ the slope 1 if $k = j$, else 0, minus $p_k$. Weigh it with $g_j$ and sum over $j$: $g_k - p_k \sum_j g_j$.
#
#     <!-- exercise: log-softmax wrong: log_softmax: input 0 at
#     def log_softmax(x):
#         z = x.data - x.data.max(axis=1, keepdims=True)
#         out = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
#         p = np.exp(out)
#         pull = lambda g: g - p * g
#         return Tensor(out, [(x, pull)])
#     -->
#
#     <!-- exercise: log-softmax wrong: with a score of 1000
#     def log_softmax(x):
#         z = x.data
#         out = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
#         p = np.exp(out)
#         pull = lambda g: g - p * g.sum(axis=1, keepdims=True)
#         return Tensor(out, [(x, pull)])
#     -->
#
#     <!-- exercise: log-softmax wrong: log_softmax: wanted the value
#     def log_softmax(x):
#         z = x.data - x.data.max(axis=1, keepdims=True)
#         out = z - np.log(np.exp(z).sum())
#         p = np.exp(out)
#         pull = lambda g: g - p * g.sum(axis=1, keepdims=True)
#         return Tensor(out, [(x, pull)])
#     -->
#
#     <!-- exercise: log-softmax right: the whole matrix of slopes, row by row
#     def log_softmax(x):
#         out = x.data - np.logaddexp.reduce(x.data, axis=1, keepdims=True)
#         slopes = np.eye(out.shape[1]) - np.exp(out)[:, None, :]
#         pull = lambda g: np.einsum("bj,bjk->bk", g, slopes)
#         return Tensor(out, [(x, pull)])
#     -->
#
# <!-- fold: PyTorch's log-softmax, as long as the blank is empty -->
# <!-- exercise: log-softmax stand-in -->

# %%
print("PyTorch's rule stands in")
log_softmax = borrow(lambda x: torch.log_softmax(x, 1), Tensor)

# %% [markdown]
# ## A network, and its loss
#
# All rules are there: two layers with ReLU between them, and the cross-entropy, which is minus the mean of the log-probability of the right class. The right classes enter as an array `hot` of zeros with a single 1 in each row. Weights begin at random, with the standard deviation $\sqrt{2 / D}$ that suits ReLU ($D$ is the number of inputs); biases begin at 0.
# Before anything is trained, the gradient of the whole is checked as one rule with four parents.


# %%
def network(params, X):
    """Scores (B, K) for data X (B, D)."""
    W1, b1, W2, b2 = params
    hidden = relu(add(matmul(Tensor(X), W1), b1))
    return add(matmul(hidden, W2), b2)


def cross_entropy(scores, y):
    """Mean of -log of the probability of the right class: one number."""
    hot = np.eye(scores.data.shape[1])[y]
    picked = mul(log_softmax(scores), Tensor(-hot / len(y)))
    return total(picked)


def new_params(sizes, rng):
    """Weights and biases of layers with these sizes."""
    arrays = []
    for D, M in zip(sizes, sizes[1:]):
        arrays += [rng.normal(size=(D, M)) * (2 / D) ** 0.5, np.zeros(M)]
    return [Tensor(array) for array in arrays]


def whole(*params):
    """The loss of a small network, as one rule with four parents."""
    loss = cross_entropy(network(params, small_X), small_y)
    for p in params:
        p.grad = 0.0
    backward(loss)
    grads = [p.grad for p in params]
    return Tensor(
        loss.data,
        [(p, lambda g, d=d: g * d) for p, d in zip(params, grads)],
    )


def by_numpy(W1, b1, W2, b2):
    """The same loss, without an engine."""
    z = np.maximum(0, small_X @ W1 + b1) @ W2 + b2
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return -np.log(p[range(len(p)), small_y]).mean()


rng = np.random.default_rng(4)
small_X, small_y = rng.normal(size=(6, 4)), np.array([0, 2, 1, 1, 0, 2])
params = new_params((4, 5, 3), rng)
check_rule(whole, Tensor, by_numpy, *(p.data for p in params))
print(
    sum(p.data.size for p in params), "derivatives agree with differences"
)

# %% [markdown]
# ## Reading digits
#
# Scikit-learn ships 1797 handwritten digits of 8 × 8 grey values. A quarter is held out; the layers have 64, 32 and 10 numbers. Here are the first ten.

# %%
images, numerals = load_digits(return_X_y=True)
images = images / 16
shuffled = np.random.default_rng(0).permutation(len(numerals))
held, kept = shuffled[:449], shuffled[449:]
print(len(kept), "to train on,", len(held), "held out")


def gallery(which, names, title):
    """Draw up to ten images of digits, each below its name."""
    fig, axes = plt.subplots(2, 5, figsize=(6.4, 3.2))
    fig.suptitle(title)
    for ax in axes.flat:
        ax.axis("off")
    for ax, k, name in zip(axes.flat, which, names):
        ax.imshow(images[k].reshape(8, 8), cmap="gray")
        ax.set_title(name)


gallery(range(10), numerals, "Ten digits of the data")

# %% [markdown]
# The loop is the one of every chapter: loss, backward, step. One thing is easily forgotten: `backward` *adds* to `grad`, so the gradients must be cleared before the next step.


# %%
def step(params, lr):
    """Move each parameter against its gradient, and clear the gradient."""
    for p in params:
        p.data = p.data - lr * p.grad
        p.grad = 0.0


def accuracy(params, X, y):
    """Share of the images that are read correctly."""
    return (network(params, X).data.argmax(axis=1) == y).mean()


rng = np.random.default_rng(0)
params = new_params((64, 32, 10), rng)
history = {"loss": [], "val_loss": []}
for epoch in range(15):
    losses = []
    for rows in np.array_split(kept[rng.permutation(len(kept))], 42):
        loss = cross_entropy(
            network(params, images[rows]), numerals[rows]
        )
        backward(loss)
        step(params, lr=0.2)
        losses.append(loss.data)
    history["loss"].append(np.mean(losses))
    unseen = cross_entropy(network(params, images[held]), numerals[held])
    history["val_loss"].append(unseen.data)
share = accuracy(params, images[held], numerals[held])
print(f"held out: {share:.3f} are read correctly")
plot.loss_curves(history)
assert share > 0.95 and history["loss"][-1] < history["loss"][0] / 10

# %% [markdown]
# The curve `val_loss` is the loss on the digits held out, after each epoch (nothing is chosen by it, so they still serve as a test set); the loss is the mean over an epoch's steps, which is why it begins higher.
# Which digits were misread? Would you have read them all?

# %%
said = network(params, images[held]).data.argmax(axis=1)
wrong = np.flatnonzero(said != numerals[held])
names = [f"{numerals[held[k]]} read as {said[k]}" for k in wrong]
print(f"{len(wrong)} of {len(held)} were misread")
gallery(held[wrong], names, "Digits held out that were misread")

# %% [markdown]
# And what has the hidden layer learned to look at? Each of its 32 units weighs the pixels by a column of `W1`, which is an image, too.

# %%
columns = params[0].data.T.reshape(32, 1, 8, 8)
fig, ax = plt.subplots(figsize=(6.4, 3.2))
_ = plot.filters(columns, ax=ax).set(title="What 32 hidden units weigh")

# %% [markdown]
# An engine that fits on a page reads digits. Is it *right*, though, or just good enough to learn?
#
# ## The same in PyTorch
#
# A last check: the same weights go into a PyTorch network, the same images through both, and every gradient of the one must be that of the other. PyTorch stores its weights the other way round, (M, D), so they are transposed on the way. The device is the best this machine has; in float64 they must agree to twelve decimal places, on a device without float64 to five.

# %%
place = device()
kind = torch.float32 if place.type == "mps" else torch.float64
where = {"dtype": kind, "device": place}
nn = torch.nn
theirs = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
theirs.to(**where)
with torch.no_grad():
    for p, t in zip(params, theirs.parameters()):
        t.copy_(torch.tensor(p.data.T, **where))

rows = kept[:100]
loss = cross_entropy(network(params, images[rows]), numerals[rows])
backward(loss)
scores = theirs(torch.tensor(images[rows], **where))
targets = torch.tensor(numerals[rows], device=place)
their_loss = nn.functional.cross_entropy(scores, targets)
their_loss.backward()
tolerance = 1e-12 if kind == torch.float64 else 1e-5
print(f"loss by PyTorch on {place.type}: {their_loss.item():.9f}")
print(f"loss by the engine above: {loss.data:.9f}")
for name, p, t in zip(
    ("W1", "b1", "W2", "b2"), params, theirs.parameters()
):
    gap = np.abs(p.grad.T - t.grad.cpu().numpy()).max()
    assert gap < tolerance, f"{name}: the gradients differ by {gap:.1e}"
    print(f"{name} {p.data.shape}: the gradients agree")

# %% [markdown]
# As long as a blank is empty, a part of this compares PyTorch with itself; when all nine are yours, it checks your engine.
#
# ## Where to go on
#
# Turn a knob: the hidden size, the step size, or `tanh` in the place of `relu`; blank 2 once more, with `Tensor` for `Value`, and one more check. Comment out the line in `step` that clears the gradient, and watch the loss.
# Then compare with [the engine of the chapter](../networks/engine.md), which undoes broadcasting in one place for all rules, and with [what the package adds to it](../networks/engine.md#what-the-package-adds). The graph, the order and the sum at a split are those that you have just written.
