"""The graph of a computation, and the one sweep that carries gradients back through it.

Every op leaves a `Node` behind: from which nodes it was computed, and for each of them a function that turns
the gradient of the op's value into the gradient of that input (a vector-Jacobian product, VJP). `backward`
walks the nodes from the last to the first and multiplies its way through. That is all of reverse mode.

Source: Griewank and Walther, Evaluating Derivatives, 2nd ed., 2008, section 3.2 (the reverse sweep);
Baydin et al., Automatic Differentiation in Machine Learning: a Survey, JMLR 18 (2018), section 3.2.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from chainrule.arrays import total
from chainrule.dtypes import get_default_dtype
from chainrule.tensor import Tensor, as_array, wrap

_recording = True  # False inside no_grad()
_clock = 0  # how many changes in place there have been
_changes: dict[int, int] = {}  # id of an array -> what the clock showed when it was last changed in place


class Node:
    """One value in the graph.

    Attributes:
        op: name of the op that made the value; "leaf" for a tensor made by hand.
        parents: nodes of those inputs that want a gradient.
        vjps: for each parent the function from this value's gradient to that parent's; None once used up.
        shape: **shape** of the value, which its gradient has too.
        dtype: dtype of the value, and of its gradient.
        born: what the clock of in-place changes showed when the value was computed.
        grad: the accumulated gradient, on leaves and where it is to be kept.
        retains: whether a value that is no leaf keeps its gradient, too; see `Tensor.retain_grad`.
    """

    __slots__ = ("op", "parents", "vjps", "shape", "dtype", "born", "grad", "retains")

    def __init__(self, op: str, parents: list[Node], vjps: list[Callable[..., Any]], value: np.ndarray):
        self.op, self.parents = op, parents
        self.vjps: list[Callable[..., Any]] | None = vjps
        self.shape, self.dtype, self.born = value.shape, value.dtype, _clock
        self.grad: Tensor | None = None
        self.retains = False

    def __repr__(self) -> str:
        return f"Node({self.op}, shape={self.shape})"


def primitive(rule: Callable[..., Any]) -> Callable[..., Any]:
    """Op on Tensors, made from a rule on arrays.

    A rule is a function of arrays that returns its value, then one VJP for each positional argument, in order
    (None where there is no gradient). Keyword-only arguments are options and are not differentiated; the op
    takes them by position too, as PyTorch does. Broadcasting is no concern of a rule: see `unbroadcast`.

    Args:
        rule: the function of arrays.

    Returns:
        The function of Tensors, arrays and numbers. `rule` itself stays within reach as its attribute `rule`.
    """
    arrange, name, arity = _arranger(rule), rule.__name__.strip("_"), rule.__code__.co_argcount

    @functools.wraps(rule)
    def op(*inputs: Any, **options: Any) -> Tensor:
        if options or len(inputs) != arity:
            inputs, options = arrange(inputs, options)
        arrays = [x._data if isinstance(x, Tensor) else _operand(x) for x in inputs]
        try:
            value, *vjps = rule(*arrays, **options)
        except ValueError as error:
            raise ValueError(_explain(name, arrays, error)) from None
        out = wrap(value)
        if out._data.dtype == np.float64 and not _wants_float64(arrays, options):
            out._data = out._data.astype(get_default_dtype(), copy=False)
        if _recording:
            parents, wanted = [], []
            for x, vjp in zip(inputs, vjps):  # noqa: B905  (strict= costs more than the loop)
                if isinstance(x, Tensor) and x.node and vjp:
                    parents.append(x.node)
                    wanted.append(vjp)
            if parents and out._data.dtype.kind == "f":
                out.node = Node(name, parents, wanted, out._data)
        return out

    op.rule = rule  # type: ignore[attr-defined]
    return op


_NUMPY_NAMES = {"axis": "dim", "keepdims": "keepdim", "input": "x", "other": "y"}  # PyTorch takes them, too


def _operand(x: Any) -> Any:
    """An input that is no Tensor, such that it never makes a result wider: numbers become Python's."""
    if isinstance(x, np.generic):
        return x.item()
    return as_array(x) if isinstance(x, (list, tuple)) else x


def _wants_float64(arrays: list[Any], options: dict[str, Any]) -> bool:
    """Whether a float64 result was asked for; from integers beside float32 NumPy makes one, PyTorch float32."""
    return "dtype" in options or any(isinstance(x, np.ndarray) and x.dtype == np.float64 for x in arrays)


def _arranger(rule: Callable[..., Any]) -> Callable[..., Any]:
    """Function that sorts the arguments of a call into the inputs and options that a rule declares."""
    code = rule.__code__
    inputs = code.co_varnames[: code.co_argcount]
    options = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    defaults = dict(zip(inputs[::-1], (rule.__defaults__ or ())[::-1], strict=False))
    variadic = bool(code.co_flags & 0x04)  # the rule has *xs: a list of inputs may stand for them

    def arrange(args: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        named = {_NUMPY_NAMES.get(name, name): x for name, x in named.items()} if named else named
        if variadic:
            if not named and {list, tuple}.isdisjoint(map(type, args)):
                return args, named
            at = next((i for i, x in enumerate(args) if isinstance(x, (list, tuple))), len(args))
            args, extra = (*args[:at], *(args[at] if at < len(args) else ())), args[at + 1 :]
        else:
            args, extra = args[: len(inputs)], args[len(inputs) :]
        if len(extra) > len(options):
            raise TypeError(f"{rule.__name__} takes {', '.join(inputs + options)}; got {len(extra)} more")
        named = dict(zip(options, extra, strict=False)) | named
        known = defaults | named  # a missing input without a default is left to Python's own TypeError
        args = (*args, *(known[name] for name in inputs[len(args) :] if name in known))
        return args, {name: _option(name, x) for name, x in named.items() if name not in inputs}

    return arrange


def _option(name: str, x: Any) -> Any:
    """An option as a rule takes it: a Tensor as its array, a list of axes as a tuple."""
    if isinstance(x, Tensor):
        if x.node is not None and _recording:
            raise TypeError(f"{name} is an option here, which gets no gradient: pass a number, or t.detach()")
        return x._data
    return tuple(x) if name == "dim" and type(x) is list else x


def _explain(name: str, arrays: list[Any], error: ValueError) -> str:
    """What a rule could not do, with the op's name and the shapes it was given."""
    shapes = [x.shape for x in arrays if isinstance(x, np.ndarray)]
    listed = " and ".join(map(str, shapes))
    if "broadcast" not in str(error) or len(shapes) < 2:
        return str(error) if str(error).startswith(f"{name}: ") else f"{name}: {error} (shapes {listed})"
    sizes = itertools.zip_longest(*(shape[::-1] for shape in shapes), fillvalue=1)
    clash = next(f"axis {-k} has {sorted({*s} - {1})}" for k, s in enumerate(sizes, 1) if len({*s} - {1}) > 1)
    return f"{name}: shapes {listed} do not broadcast: sizes must be equal or 1, and {clash} (-1 is the last axis)"


class no_grad(contextlib.ContextDecorator):
    """Context, or decorator, in which ops leave no nodes behind."""

    def __enter__(self) -> None:
        global _recording
        self.before, _recording = _recording, False

    def __exit__(self, *error: Any) -> None:
        global _recording
        _recording = self.before


def is_grad_enabled() -> bool:
    """Whether ops are being recorded."""
    return _recording


def toposort(root: Node) -> list[Node]:
    """Every node that root was computed from, root first, each before its own parents.

    Depth first, with a stack of its own: Python's would end at a chain of about 1,000 nodes.

    Args:
        root: the node of the value to start from.

    Returns:
        The nodes in an order in which a node's gradient is complete when its turn comes.

    Source: Cormen et al., Introduction to Algorithms, 3rd ed., section 22.4.
    """
    order, seen = list[Node](), set[Node]()
    stack: list[Any] = [root]
    while stack:
        node = stack.pop()
        if node is None:  # the mark on top of a node whose parents are all in order
            order.append(stack.pop())
        elif node not in seen:
            seen.add(node)
            stack += (node, None, *node.parents)
    return order[::-1]


def unbroadcast(g: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Gradient of an input of this shape, when broadcasting had stretched it to the shape of g.

    A stretched entry was used many times, and gradients of many uses add up.

    Args:
        g: gradient with respect to the stretched input.
        shape: **shape** of the input as it was.

    Returns:
        g summed over the axes that broadcasting added or stretched, of the given shape.
    """
    if g.shape == shape:
        return g
    added = g.ndim - len(shape)
    stretched = tuple(i for i, n in enumerate(g.shape) if i < added or n != shape[i - added])
    return total(g, stretched, keepdims=True).reshape(shape)


def backward(root: Node, g: np.ndarray, retain_graph: bool = False) -> None:
    """One sweep from root to the leaves, adding to each leaf its gradient.

    Args:
        root: node of the value that is differentiated.
        g: gradient with respect to that value, of its **shape**.
        retain_graph: keep the VJPs, so that the graph can be swept again.

    Raises:
        RuntimeError: if the graph was used up by an earlier sweep, or needs a value changed in place.
    """
    grads, taken = {root: g}, set[int]()
    for node in toposort(root):
        if node.op == "leaf":
            continue
        if node.vjps is None or node.born != _clock:
            check_fresh(node)
        g = grads.pop(node)
        if node.retains:
            node.grad = _accumulate(node.grad, g, taken)
        for parent, vjp in zip(node.parents, node.vjps or (), strict=True):
            part = vjp(g)
            if part.shape != parent.shape or part.dtype is not parent.dtype:
                part = unbroadcast(part, parent.shape).astype(parent.dtype, copy=False)
            grads[parent] = grads[parent] + part if parent in grads else part
        node.vjps = node.vjps if retain_graph else None
    for leaf, g in grads.items():  # those of all others are used up
        leaf.grad = _accumulate(leaf.grad, g, taken)


def _accumulate(old: Tensor | None, g: Any, taken: set[int]) -> Tensor:
    """Both gradients together, in an array that is nobody else's: not a view, nor what another leaf has got."""
    if old is not None:
        return wrap(old._data + g)
    g = g.copy() if g.base is not None or id(g) in taken else g
    taken.add(id(g))
    return wrap(g)


def note_change(array: np.ndarray) -> None:
    """Take down that an array was changed in place, or replaced in its Tensor: the version counter."""
    global _clock
    _clock += 1
    _changes[id(_owner(array))] = _clock


def check_fresh(node: Node) -> None:
    """Refuse to go back through a node whose VJPs are used up or keep an array changed since.

    Raises:
        RuntimeError: in these two cases.
    """
    if node.vjps is None:
        remedy = "pass retain_graph=True to the first sweep, which has freed it, or compute the value again"
        raise RuntimeError(f"backward() needs what it had at '{node.op}' a second time: {remedy}")
    for array in kept_arrays(node.vjps):
        if _changes.get(id(_owner(array)), 0) > node.born:
            what = f"backward() of '{node.op}' needs an array of shape {array.shape}, since changed in place"
            raise RuntimeError(f"{what}: change it after backward(), or work on a copy, as in t = t + v")


def kept_arrays(item: Any) -> Iterator[np.ndarray]:
    """The arrays that a VJP keeps alive: in its closure, in defaults, and in functions and tuples in there."""
    if isinstance(item, np.ndarray):
        yield item
    elif isinstance(item, list | tuple):
        for part in item:
            yield from kept_arrays(part)
    elif callable(item) and hasattr(item, "__closure__"):
        cells = [cell.cell_contents for cell in item.__closure__ or ()]
        yield from kept_arrays((*cells, *(item.__defaults__ or ())))


def _owner(array: np.ndarray) -> np.ndarray:
    """The array whose memory this one is a view of, or the array itself."""
    return array.base if isinstance(array.base, np.ndarray) else array
