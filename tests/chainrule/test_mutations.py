"""Each test of an op can fail: a sign flipped anywhere in a derivative is noticed, by a test that names the op."""

import ast
import copy
import inspect
import textwrap
from collections.abc import Iterator

import numpy as np
import pytest
from cases import CASES
from test_ops import all_ops, check_case

from chainrule import ops
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
    for arrays, named in zip(inputs, options, strict=True):
        _, *vjps = call(op, arrays, named)
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
    code = op.rule.__code__
    names = code.co_varnames[: code.co_argcount]
    options = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    star = code.co_varnames[code.co_argcount + code.co_kwonlyargcount] if code.co_flags & 4 else ""
    optional = dict(zip(names[::-1], (op.rule.__defaults__ or ())[::-1], strict=False))
    kwdefaults = op.rule.__kwdefaults__ or {}
    signature = [f"{n}=None" if n in optional else n for n in names] + [f"*{star}" if star else "*"] * bool(
        options or star
    )
    signature += [f"{n}=_k[{n!r}]" if n in kwdefaults else n for n in options]
    passed = [*names, *([f"*{star}"] if star else []), *(f"{n}={n}" for n in options)]
    scope = {"_rule": rule, "_k": kwdefaults}
    exec(f"def {op.__name__}({', '.join(signature)}): return _rule({', '.join(passed)})", scope)
    return primitive(scope[op.__name__])


# Signs in the source itself: every + and - between or before numbers, in every rule and helper of ops.py.

HARMLESS = {
    # (function, the flipped expression): why no test can notice
}


def mutants() -> Iterator[tuple[str, str, ast.Module]]:
    """Function, what was flipped, and the module with that one sign flipped."""
    tree = ast.parse(inspect.getsource(ops))
    for function in [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]:
        inside = [n for n in ast.walk(function) if is_sign(n)]
        for i in range(len(inside)):
            changed = copy.deepcopy(tree)
            twin = changed.body[tree.body.index(function)]
            node = [n for n in ast.walk(twin) if is_sign(n)][i]
            before = ast.unparse(node)
            if isinstance(node, ast.BinOp | ast.AugAssign):
                node.op = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
            else:
                node.op = ast.UAdd()
            yield function.name, before, changed


def is_sign(node):
    binary = isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Add | ast.Sub)
    return binary or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub))


def users(function):
    """Ops whose source names the function, directly or through helpers; the op itself if it is one."""
    if function in PRIMITIVES or function == "split":
        names = {function}
    else:
        names = set()
    grown = {function}
    for _ in range(3):
        for name, f in vars(ops).items():
            if callable(f) and getattr(f, "__module__", "") == ops.__name__:
                source = textwrap.dedent(inspect.getsource(f))
                used = {n.id for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Name)}
                grown |= {getattr(f, "__name__", name)} if used & grown else set()
    return names or grown & set(PRIMITIVES)


def test_no_flipped_sign_survives():
    survivors = []
    for function, expression, module in mutants():
        namespace = {"__name__": "mutant"}
        try:
            exec(compile(module, "mutant", "exec"), namespace)
        except Exception:
            continue
        names = users(function)
        saved = {name: getattr(ops, name) for name in names}
        try:
            for name in names:
                setattr(ops, name, namespace[name])
            if not any(noticed(name) for name in sorted(names)) and (function, expression) not in HARMLESS:
                survivors.append((function, expression))
        finally:
            for name, op in saved.items():
                setattr(ops, name, op)
    assert not survivors, survivors
