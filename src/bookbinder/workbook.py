"""What exercises need where a reader works on them: blanks told by name, and a namespace for each exercise.

A notebook carries this file in one of its cells, so it imports nothing of ours. A blank is a name that is bound to ...
(also inside a tuple, list, dict or array), a ... in a function or class, or a function whose body is empty. A ... that
is an index, as in x[..., 0], is none.
"""

import ast
import inspect
import linecache
import re

_DEFS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_MARK = re.compile(r"\A(?:#@title.*\n)?# exercise: (\S+) (\w+)")
_BEFORE = {"setup": [], "starter": ["setup"], "solution": ["setup"]}  # else set-up and starter


right: set[str] = set()  # exercises of a lab whose check has passed


class NotYet(Exception):
    """A blank is left."""


def require_filled(names, space: dict) -> None:
    """Raise NotYet, with every blank that is left, unless what is bound to the names in a namespace is filled."""
    found = [blank for name in names if name in space for blank in _blanks(name, space[name])]
    *first, last = dict.fromkeys(found) or [""]
    said = [f"fill {', '.join(first)}{' and ' * bool(first)}{last}"] * bool(found)
    said += [f"`{name}` is missing" for name in names if name not in space]
    if said:
        raise NotYet("; ".join(said))


def put_back(before: dict, space: dict) -> None:
    """Make the names of a namespace what they were, but for those that begin with _."""
    for name in [name for name in space if name not in before and not name.startswith("_")]:
        del space[name]
    space.update((name, value) for name, value in before.items() if not name.startswith("_"))


def _blanks(name: str, value) -> list[str]:
    """What is blank in a value."""
    if isinstance(value, type):
        node = next(filter(None, (_node(method, value.__name__) for method in _methods(value))), None)
        if node is None:  # a class without methods has nothing but attributes
            own = {key: v for key, v in vars(value).items() if not key.startswith("__")}
            return [f"the body of `{name}`"] if not own else [f"`{name}`"] * _has_blank(own)
        return blanks_in(node, name)
    if inspect.isfunction(value):
        node = _node(inspect.unwrap(value))
        return blanks_in(node, name) if node else []
    return [f"`{name}`"] * _has_blank(value)


def _methods(owner: type) -> list:
    """Functions of a class, and of the classes inside it."""
    found = []
    for value in vars(owner).values():
        if isinstance(value, type) and value.__qualname__.startswith(f"{owner.__qualname__}."):
            found += _methods(value)
        value = getattr(value, "__func__", getattr(value, "fget", value))
        found += [value] * inspect.isfunction(value)
    return found


def _has_blank(value, depth: int = 9) -> bool:
    """Whether a value is ..., or a collection with one in it."""
    if str(getattr(value, "dtype", "")) == "object":
        value = value.tolist()  # a NumPy array of ...
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    inside = value if isinstance(value, list | tuple | set | frozenset) and depth else ()
    return value is ... or any(_has_blank(part, depth - 1) for part in inside)


def _node(function, owner: str = "") -> ast.AST | None:
    """Definition of a function, or of the class that owns it, in the cell or file that it is from."""
    code = function.__code__
    tree = ast.parse("".join(linecache.getlines(code.co_filename)))
    if owner:
        inside = lambda n: n.lineno <= code.co_firstlineno <= n.end_lineno
        return next((n for n in ast.walk(tree) if getattr(n, "name", "") == owner and inside(n)), None)
    for node in ast.walk(tree):
        if isinstance(node, _DEFS | ast.Lambda):
            first, *_ = [*getattr(node, "decorator_list", ()), node]
            if first.lineno == code.co_firstlineno:
                return node
    return None


def blanks_in(node: ast.AST, name: str, inner: bool = False) -> list[str]:
    """What is blank in the tree of a definition of that name; `inner` where it stands in a function.

    A function inside a function may hold `pass` alone: that can be an answer.
    """
    if isinstance(node, _DEFS):
        left = node.body[1:] if ast.get_docstring(node) is not None else node.body
        if all(_is_dots(row) or isinstance(row, ast.Pass) and not inner for row in left):
            return [f"the body of `{name}`"]
    if isinstance(node, ast.Constant):
        return [f"the ... in `{name}`"] * (node.value is ...)
    inner = inner or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    parts = [node.value] if isinstance(node, ast.Subscript) else ast.iter_child_nodes(node)
    whole = lambda part: f"{name}.{part.name}" if isinstance(part, _DEFS) else name
    return [blank for part in parts for blank in blanks_in(part, whole(part), inner)]


def _is_dots(row: ast.stmt) -> bool:
    return isinstance(row, ast.Expr) and isinstance(row.value, ast.Constant) and row.value.value is ...


def keep_apart(shell) -> None:
    """Give each exercise of a notebook names of its own, as it has them on the page.

    A cell belongs to an exercise by its first line, `# exercise: NAME PART`. While it runs, the names of the notebook
    are put aside, and those that the exercise's set-up and starter have bound when they last ran are there. So nothing
    that an exercise binds changes the notebook, and its cells may be run again, in any order.
    """
    space, kept, running = shell.user_ns, {}, []

    def take() -> dict:
        names = [name for name in space if not name.startswith("_") and name not in shell.user_ns_hidden]
        return {name: space.pop(name) for name in names}

    def enter(info) -> None:
        if mark := _MARK.match(info.raw_cell or ""):
            notebook, given = take(), {}
            for part in _BEFORE.get(mark[2], ["setup", "starter"]):
                given |= kept.get((mark[1], part), {})
            space.update(given)
            running.append((mark[1], mark[2], notebook, given))

    def leave(result) -> None:
        if running:
            name, part, notebook, given = running.pop()
            new = take().items()
            kept[name, part] = {key: v for key, v in new if key not in given or given[key] is not v}
            space.update(notebook)

    shell.events.register("pre_run_cell", enter)
    shell.events.register("post_run_cell", leave)
