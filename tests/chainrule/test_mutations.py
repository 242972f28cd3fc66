"""Each test of an op can fail: a sign flipped anywhere in a derivative is noticed, by a test that names the op."""

import ast
import copy
import inspect
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from cases import CASES
from test_ops import all_ops, check_case

from chainrule import arrays, fused, ops, windows
from chainrule.autograd import primitive

pytestmark = [pytest.mark.deep, pytest.mark.filterwarnings("ignore")]
PRIMITIVES = sorted(name for name in all_ops() if hasattr(getattr(ops, name), "rule"))


def noticed(name):
    """Whether a case of that op fails, with the op as it stands in the module now."""
    for case in (case for case in CASES if case.op == name):
        try:
            check_case(case, np.float64)
        except Exception:
            return True
    return False


def flipped(rule, k):
    """The rule with its k-th VJP negated."""

    def wrong(*args, **options):
        out, *vjps = rule(*args, **options)
        if k < len(vjps) and vjps[k] is not None:
            right = vjps[k]
            vjps[k] = lambda g: -right(g)
        return out, *vjps

    wrong.__signature__ = inspect.signature(rule)
    return wrong


@pytest.mark.parametrize("name", PRIMITIVES)
def test_negated_vjp_is_noticed(name, monkeypatch):
    op = getattr(ops, name)
    inputs = [case.arrays(np.float64) for case in CASES if case.op == name]
    options = [case.options for case in CASES if case.op == name]
    assert not noticed(name)
    seen = set()
    for given, named in zip(inputs, options, strict=True):
        _, *vjps = call(op, given, named)
        seen |= {k for k, vjp in enumerate(vjps) if vjp is not None}
    assert seen
    for k in seen:
        monkeypatch.setattr(ops, name, remade(op, flipped(op.rule, k)))
        assert noticed(name), f"{name}: VJP {k} with the wrong sign passes every row"
        monkeypatch.setattr(ops, name, op)


def call(op, arrays, options):
    """What the rule of an op returns for the inputs of a case."""
    caught = []

    def spy(*args, **named):
        caught.append(op.rule(*copy.deepcopy(args), **named))
        return caught[-1]

    remade(op, spy)(*arrays, **options)
    return caught[-1]


def remade(op, rule):
    """The op again, around another rule that is called in the same way."""
    inner = inspect.unwrap(op.rule)  # @in_float32 takes what the rule takes
    code = inner.__code__
    names = code.co_varnames[: code.co_argcount]
    options = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    star = code.co_varnames[code.co_argcount + code.co_kwonlyargcount] if code.co_flags & 4 else ""
    optional = dict(zip(names[::-1], (inner.__defaults__ or ())[::-1], strict=False))
    kwdefaults = inner.__kwdefaults__ or {}
    signature = [f"{n}=None" if n in optional else n for n in names] + [f"*{star}" if star else "*"] * bool(
        options or star
    )
    signature += [f"{n}=_k[{n!r}]" if n in kwdefaults else n for n in options]
    passed = [*names, *([f"*{star}"] if star else []), *(f"{n}={n}" for n in options)]
    scope = {"_rule": rule, "_k": kwdefaults}
    exec(f"def {op.__name__}({', '.join(signature)}): return _rule({', '.join(passed)})", scope)
    return primitive(scope[op.__name__])


# Signs in the source itself: every + and - between or before numbers, in every rule and helper of the ops.

TREES = {module: ast.parse(inspect.getsource(module)) for module in (ops, windows, fused, arrays)}
HARMLESS: dict[tuple[str, str], str] = {
    # (function, the flipped expression): why no value and no gradient can tell
    ("cross_entropy", "dim + 1"): "it only decides what is refused: logits without classes",
    ("_extreme", "-1"): "NumPy takes the axis -1 of a number, too",
    (
        "setitem",
        "np.ndim(value) - len(shape)",
    ): "the same for a single entry; elsewhere NumPy drops such axes, too",
    ("_check_linear", "-1"): "of the two, the one that only looks up what the message says is wanted",
    (
        "_total_of_many",
        "-abs(x.strides[axis])",
    ): "the order in which it sums makes another rounding, and no other sum",
}


def mutants() -> Iterator[tuple[str, str, Any, ast.Module]]:
    """Function, what was flipped, its module, and that with the sign flipped; not in what is raised or in a message."""
    for module, tree in TREES.items():
        for place, function in enumerate(tree.body):
            if not isinstance(function, ast.FunctionDef | ast.ClassDef):
                continue
            for i, node in enumerate(signs(function)):
                changed = copy.deepcopy(tree)
                twin = signs(changed.body[place])[i]
                if isinstance(twin, ast.UnaryOp):
                    twin.op = ast.UAdd()
                else:
                    twin.op = ast.Sub() if isinstance(twin.op, ast.Add) else ast.Add()
                yield function.name, ast.unparse(node), module, changed


def signs(function):
    """Every sum, difference and minus in a function that is not part of an error."""
    raised = {n for r in ast.walk(function) if isinstance(r, ast.Raise | ast.JoinedStr) for n in ast.walk(r)}
    return [n for n in ast.walk(function) if is_sign(n) and n not in raised]


def is_sign(node):
    binary = isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Add | ast.Sub)
    return binary or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub))


def users(function):
    """The op of that name, or the ops that use the helper of that name, directly or through other helpers."""
    if function in all_ops():
        return {function}
    found = {function}
    for _ in range(4):
        for other in itertools.chain.from_iterable(tree.body for tree in TREES.values()):
            if isinstance(other, ast.FunctionDef | ast.ClassDef):
                named = {n.id for n in ast.walk(other) if isinstance(n, ast.Name)}
                found |= {other.name} if named & found else set()
    return found & all_ops()


def survives(function, module, changed):
    """Whether every row of every op concerned passes with the changed module."""
    namespace = {"__name__": "mutant"}
    try:
        exec(compile(changed, "mutant", "exec"), namespace)
    except Exception:
        return False
    concerned = users(function)
    moved = {n for n, f in vars(arrays).items() if inspect.isfunction(f)} if module is arrays else concerned
    places = [(m, n) for m in (TREES if module is arrays else [ops]) for n in moved if n in vars(m)]
    saved = [(m, n, getattr(m, n)) for m, n in places]
    try:
        for m, n in places:
            setattr(m, n, namespace[n])
        return not any(noticed(name) for name in sorted(concerned))
    finally:
        for m, n, f in saved:
            setattr(m, n, f)


def test_no_flipped_sign_survives():
    survivors = {(function, text) for function, text, *mutant in mutants() if survives(function, *mutant)}
    assert survivors == set(HARMLESS)
