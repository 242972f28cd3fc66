"""The graph of a computation, and the one sweep that carries gradients back through it.

Every op leaves a `Node` behind: from which nodes it was computed, and for each of them a function that turns
the gradient of the op's value into the gradient of that input (a vector-Jacobian product, VJP). `backward`
walks the nodes from the last to the first and multiplies its way through. That is all of reverse mode.

Source: Griewank and Walther, Evaluating Derivatives, 2nd ed., 2008, section 3.2 (the reverse sweep);
Baydin et al., Automatic Differentiation in Machine Learning: a Survey, JMLR 18 (2018), section 3.2.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np

from chainrule.arrays import FLOAT32, total
from chainrule.dtypes import get_default_dtype
from chainrule.tensor import Tensor, as_array, wrap

_silenced = ContextVar("no_grad", default=0)  # in how many no_grad() this thread, or this asyncio task, is
_clock = 0  # how many changes in place there have been
_changes: dict[int, int] = {}  # id of an array -> what the clock showed when it was last changed in place
_rewritten: dict[int, int] = {}  # the same, of changes that are part of the graph


class Node:
    """One value in the graph.

    Attributes:
        op: name of the op that made the value; "leaf" for a tensor made by hand.
        parents: nodes of those inputs that want a gradient.
        vjps: for each parent the function from this value's gradient to that parent's; None once used up,
            and while a leaf is frozen.
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
    (arrange, arity), name = _arranger(inspect.unwrap(rule)), rule.__name__.strip("_")

    @functools.wraps(rule)
    def op(*inputs: Any, **options: Any) -> Tensor:
        if options or len(inputs) != arity:
            inputs, options = arrange(inputs, options)
        arrays = [x._data if isinstance(x, Tensor) else _operand(x) for x in inputs]
        try:
            value, *vjps = rule(*arrays, **options)
        except (ValueError, IndexError, TypeError, AttributeError) as error:
            raise _explained(name, arrays, error)  # noqa: B904
        out = wrap(value)
        if out._data.dtype is not FLOAT32 or out._data.base is not None:
            _settle(out, op, inputs, arrays, options)
        if not _silenced.get():
            parents, wanted = [], []
            for x, vjp in zip(inputs, vjps):  # noqa: B905  (strict= costs more than the loop)
                if isinstance(x, Tensor) and (catch_up(x) if x._view else x.node) and vjp:
                    parents.append(x.node)
                    wanted.append(vjp)
            if parents and out._data.dtype.kind == "f":
                out.node = Node(name, parents, wanted, out._data)  # type: ignore[arg-type]
        return out

    op.rule = rule  # type: ignore[attr-defined]
    return op


_NUMPY_NAMES = {"axis": "dim", "keepdims": "keepdim", "input": "x", "other": "y"}  # PyTorch takes them, too


def _operand(x: Any) -> Any:
    """An input that is no Tensor, such that it never makes a result wider: numbers become Python's."""
    if isinstance(x, np.generic):
        return x.item()
    if hasattr(x, "indices") and isinstance(x, tuple):
        raise TypeError("this is a pair (values, indices), as max(dim) returns: take its .values")
    return as_array(x) if isinstance(x, (list, tuple)) else x


def _settle(out: Tensor, op: Any, inputs: Any, arrays: list[Any], options: dict[str, Any]) -> None:
    """Give a result the dtype that it has in PyTorch, and note which input, if any, it is a view of.

    It holds real numbers, of float64 only where that was asked for: from integers beside float32 NumPy makes float64,
    PyTorch float32.
    """
    array = out._data
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{op.__name__}: a Tensor holds real numbers, this would give dtype {array.dtype}")
    if array.dtype == np.float64 and not _wants_float64(arrays, options):
        out._data = array.astype(get_default_dtype(), copy=False)
    elif array.base is not None:
        owner = _owner(array)
        for i, x in enumerate(arrays):
            if isinstance(x, np.ndarray) and _owner(x) is owner:
                mark_view(out, inputs[i], functools.partial(_taken_again, op, inputs, i, options))
                break


def _wants_float64(arrays: list[Any], options: dict[str, Any]) -> bool:
    """Whether a float64 result was asked for."""
    return "dtype" in options or any(isinstance(x, np.ndarray) and x.dtype == np.float64 for x in arrays)


def _arranger(rule: Callable[..., Any]) -> tuple[Callable[..., Any], int]:
    """Function that sorts the arguments of a call into the inputs and options that a rule declares; how many inputs."""
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

    return arrange, len(inputs)


def _option(name: str, x: Any) -> Any:
    """An option as a rule takes it: a Tensor as its array, a list of axes as a tuple."""
    if isinstance(x, Tensor):
        if x.requires_grad and not _silenced.get():
            raise TypeError(f"{name} is an option here, which gets no gradient: pass a number, or t.detach()")
        return x._data
    return tuple(x) if name == "dim" and type(x) is list else x


def _explained(name: str, arrays: list[Any], error: Exception) -> Exception:
    """The error of a rule, with the op's name and what it was given."""
    shapes = [x.shape for x in arrays if isinstance(x, np.ndarray)]
    listed, text = " and ".join(map(str, shapes)), str(error)
    if isinstance(error, TypeError | AttributeError):
        return _misused(name, arrays, error)
    kind = ValueError if isinstance(error, ValueError) else IndexError
    if "broadcast" not in text or len(shapes) < 2:
        return _alone(kind(text if text.startswith(f"{name}: ") else f"{name}: {text} (shapes {listed})"))
    sizes = itertools.zip_longest(*(shape[::-1] for shape in shapes), fillvalue=1)
    clashes = (f"axis {-k} has {sorted({*s} - {1})}" for k, s in enumerate(sizes, 1) if len({*s} - {1}) > 1)
    why = f"sizes must be equal or 1, and {next(clashes, text)} (-1 is the last axis)"
    return _alone(ValueError(f"{name}: shapes {listed} do not broadcast: {why}"))


def _misused(name: str, arrays: list[Any], error: Exception) -> TypeError:
    """What a rule says of inputs that it cannot compute with, with the op's name and these inputs."""
    given = ", ".join(f"{x.dtype} {x.shape}" if isinstance(x, np.ndarray) else repr(x) for x in arrays)
    text = str(error)
    out = _alone(TypeError(text if text.startswith(f"{name}: ") else f"{name}: {text} (given {given})"))
    out.__cause__ = error  # it may be a slip in the rule, so the traceback shows where
    return out


def _alone(error: Any) -> Any:
    """An error that is shown without the one that it explains."""
    error.__suppress_context__ = True
    return error


class no_grad:
    """Context, or decorator, in which ops leave no nodes behind; other threads and tasks go on recording."""

    def __new__(cls, function: Any = None) -> Any:
        """The context; with @no_grad, written without brackets, the function inside it."""
        return super().__new__(cls) if function is None else cls()(function)

    def __enter__(self) -> None:
        _silenced.set(_silenced.get() + 1)

    def __exit__(self, *error: Any) -> None:
        _silenced.set(max(_silenced.get() - 1, 0))

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, inside a no_grad() of its own each time it is called."""
        if not callable(function) or inspect.isclass(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"no_grad decorates functions, generators and coroutines, got {function!r}")

        @functools.wraps(function)
        def quiet(*args: Any, **options: Any) -> Any:
            with no_grad():
                return function(*args, **options)

        @functools.wraps(function)
        async def quiet_coroutine(*args: Any, **options: Any) -> Any:
            with no_grad():
                return await function(*args, **options)

        @functools.wraps(function)
        def quiet_generator(*args: Any, **options: Any) -> Any:
            return _quiet_steps(function(*args, **options))

        if inspect.isgeneratorfunction(function):
            return quiet_generator
        return quiet_coroutine if inspect.iscoroutinefunction(function) else quiet


def _quiet_steps(work: Any) -> Iterator[Any]:
    """A generator inside no_grad(); whoever goes through it records as before between two of its steps."""
    resume, value = work.send, None
    while True:
        try:
            with no_grad():
                out = resume(value)
        except StopIteration as end:
            return end.value
        try:
            resume, value = work.send, (yield out)
        except GeneratorExit:
            with no_grad():
                work.close()
            raise
        except BaseException as error:
            resume, value = work.throw, error


def is_grad_enabled() -> bool:
    """Whether ops are being recorded."""
    return not _silenced.get()


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
        for parent, vjp in zip(node.parents, node.vjps or ()):  # noqa: B905  (strict= costs more than the loop)
            part = vjp(g)
            if part.shape != parent.shape or part.dtype is not parent.dtype:
                part = unbroadcast(part, parent.shape).astype(parent.dtype, copy=False)
            grads[parent] = grads[parent] + part if parent in grads else part
        node.vjps = node.vjps if retain_graph else None
    for leaf, g in grads.items():  # those of all others are used up
        if leaf.vjps is not None:  # None while it is frozen
            leaf.grad = _accumulate(leaf.grad, g, taken)


def _accumulate(old: Tensor | None, g: Any, taken: set[int]) -> Tensor:
    """Both gradients together, in an array that is nobody else's: not a view, nor what another leaf has got."""
    if type(g) is Tensor:
        raise TypeError("backward: a rule returns a Tensor as a gradient; let it use arrays, x.numpy()")
    if old is not None:
        return wrap(old._data + g)
    g = g.copy() if g.base is not None or id(g) in taken else g
    taken.add(id(g))
    return wrap(g)


def note_change(array: np.ndarray, recorded: bool = False) -> None:
    """Take down that an array was changed in place, or replaced in its Tensor: the version counter.

    Args:
        array: the array; what it is a view of has changed with it.
        recorded: whether the change is part of the graph, so that gradients go through it.
    """
    global _clock
    _clock += 1
    _changes[id(_owner(array))] = _clock
    if recorded:
        _rewritten[id(_owner(array))] = _clock


def _taken_again(
    op: Callable[..., Tensor], inputs: Any, i: int, options: dict[str, Any], base: Any
) -> Tensor:
    return op(*inputs[:i], base, *inputs[i + 1 :], **options)


def mark_view(out: Tensor, base: Any, again: Callable[[Any], Tensor]) -> None:
    """Note on a Tensor whose memory it shows, and the function that takes such a view of a Tensor or an array."""
    if is_grad_enabled():
        out._view = base if isinstance(base, Tensor) else wrap(base), again, _clock
    else:
        out._view = None, _refused, _clock


def _refused(base: Any) -> Any:
    wanted = "take it again now, or use .detach()"
    raise RuntimeError(f"a view made under no_grad() cannot follow a recorded change of its memory: {wanted}")


def catch_up(tensor: Tensor) -> Node | None:
    """Node of a view, made anew if its memory was changed through another Tensor since it was made."""
    base, again, made = tensor._view  # type: ignore[misc]
    if _rewritten.get(id(_owner(tensor._data)), 0) > made:
        move(tensor, again(base).node)
        tensor._view = base, again, _clock
    return tensor.node


def move(tensor: Tensor, node: Node | None) -> None:
    """Give a Tensor whose value has changed its new place in the graph; from now on `grad` is that of the new value."""
    if node is not None and tensor.node is not None and tensor.node.retains:
        node.retains, node.grad = True, tensor.node.grad
        tensor.node.retains = False
    tensor.node = node


@primitive
def written(x, part, *, again):
    """Copy of x whose view, as `again` takes it, shows part: what a change of a view makes of its base."""
    view = lambda array: again(array)._data
    out = x.copy()
    view(out)[...] = part

    def vjp_x(g):
        g = g.copy()
        view(g)[...] = 0
        return g

    return out, vjp_x, view


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
    elif callable(item) and hasattr(item, "__closure__") and not hasattr(item, "rule"):  # ops keep nothing
        cells = [cell.cell_contents for cell in item.__closure__ or ()]
        yield from kept_arrays((*cells, *(item.__defaults__ or ())))


def _owner(array: np.ndarray) -> np.ndarray:
    """The array whose memory this one is a view of, or the array itself."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def __getattr__(name: str) -> Any:
    """Raise the error for a name that is not here; who looks for PyTorch's Function is told what to write."""
    hint = ": write a rule and put @primitive above it" if name == "Function" else ""
    raise AttributeError(f"module 'chainrule.autograd' has no attribute {name!r}{hint}")
