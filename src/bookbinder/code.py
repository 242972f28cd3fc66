"""What is wrong with the code of a page before it runs: no plain Python, or results that change with every run.

The kernel is IPython's and forgives what a script does not: magics, waiting outside of functions, names of blocks that
are another program's. A block must mean the same in the kernel, under the tests, in the notebook and on a reader's
machine, so every block is read here as plain Python of the oldest version that the book promises.
"""

import ast
import builtins
import re
import symtable
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from bookbinder import exercises, predict
from bookbinder.chapter import Block, Chapter
from bookbinder.page import FAULTS, PageError, table

OLDEST = (3, 11)
_VOLATILE = table("volatile")
_DEFINED = {*dir(builtins), "__name__", "__builtins__"} - {"exit", "quit", "copyright", "credits", "license"}
# Names that IPython puts beside those of the page, and packages that make sense in a notebook alone.
_INJECTED = re.compile(r"exit|quit|In|Out|get_ipython|display|_{1,3}|_i{1,3}|_[iod]h|_i?\d+")
_NOTEBOOK = ("IPython", "ipywidgets", "google.colab", "ipykernel")
_NAME_ERROR = re.compile(r"NameError|UnboundLocalError|Exception|BaseException")
_OPEN = re.compile(
    r"^\s*from .* import \*|\b(exec|globals|locals|vars|setattr)\(", re.M
)  # may define any name
_LATER = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda  # what is in them runs when they are called
_READ = (SyntaxError, ValueError, RecursionError, MemoryError)


@dataclass
class Unit:
    """Blocks that share their names: a program, or the parts of an exercise; `trees` of those that are Python."""

    blocks: list[Block]
    is_exercise: bool = False
    trees: list[ast.Module] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)  # what an imported name stands for, in full

    def full_name(self, node: ast.expr) -> str:
        """Name of what is called, as its module has it; ?.name where it belongs to a value."""
        parts = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if isinstance(node, ast.Name) and (node.id in self.names or not parts):
            return ".".join([self.names.get(node.id, node.id), *reversed(parts)])
        return f"?.{parts[0]}" if parts else ""


@dataclass
class Call:
    """A call in a block: its full name, its line in the page, whether it waits for a function to be called."""

    name: str
    line: int
    node: ast.Call
    later: bool


def faults(chapter: Chapter) -> list[PageError]:
    """What is wrong with the code of a page, told without running it."""
    found: list[PageError] = []
    trees = {id(block): _tree(chapter, block, found) for block in [*chapter.blocks, *chapter.answers]}
    elsewhere: set[str] = set()
    for unit in _units(chapter):
        unit.blocks = [block for block in unit.blocks if trees[id(block)] and not _only_shown(block)]
        unit.trees = [trees[id(block)] for block in unit.blocks]
        for tree in unit.trees:
            unit.names |= _imported(tree)
        for block, tree in zip(unit.blocks, unit.trees, strict=True):
            found += _not_a_script(chapter, block, tree)
        # The group of an exercise is run apart from the page.
        found += _undefined(chapter, unit, set() if unit.is_exercise else elsewhere)
        found += _changing(chapter, unit)
    return found


def _units(chapter: Chapter) -> list[Unit]:
    programs = [p for p in chapter.programs() if chapter.is_lab or not p[0].exercise]
    groups = [list(exercise.parts.values()) for exercise in exercises.groups(chapter)]
    if chapter.is_lab:  # one program, to which the answers in comments belong as well
        groups = [[block] for block in chapter.answers if block.code]
    return [Unit(blocks) for blocks in programs] + [Unit(blocks, is_exercise=True) for blocks in groups]


def _only_shown(block: Block) -> bool:
    return block.mark is not None and block.mark.kind == "skip"


def _tree(chapter: Chapter, block: Block, found: list[PageError]) -> ast.Module | None:
    """The block as Python, or None and a fault. Even what is only shown is collected by the tests."""
    rows = block.code.split("\n")
    tabs = [n for n, row in enumerate(rows, 1) if "\t" in row]
    found += [chapter.wrong("code.tab", block.line + n) for n in tabs[:1]]
    try:
        with warnings.catch_warnings():  # what Python only warns of today, it refuses tomorrow
            warnings.simplefilter("error")
            tree = ast.parse(block.code, feature_version=OLDEST)
            compile(block.code, chapter.path, "exec", dont_inherit=True)  # also what only the compiler tells
    except _READ as error:
        at = min(getattr(error, "lineno", 1) or 1, len(rows) - 1)
        said = getattr(error, "msg", str(error)) or type(error).__name__
        looks = FAULTS["no-python"]
        advice = next(a for p, a in looks.items() if re.search(p, rows[at - 1]) or re.search(p, f"[{said}]"))
        found.append(chapter.wrong("code.syntax", block.line + at, error=said, advice=advice))
        return None
    return tree


def _imported(tree: ast.Module) -> dict[str, str]:
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                names[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _not_a_script(chapter: Chapter, block: Block, tree: ast.Module) -> list[PageError]:
    """What a notebook has and a script has not, or keeps where a script does not."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            found.append(("future", node, {}))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            modules = (
                [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            )
            for name in modules:
                if any(name == known or name.startswith(f"{known}.") for known in _NOTEBOOK):
                    words = {"name": name, "advice": "print what you mean, or make it the last expression"}
                    found.append(("notebook-only", node, words))
        elif (
            isinstance(node, ast.If)
            and "__main__" in ast.unparse(node.test)
            and "__name__" in ast.unparse(node.test)
        ):
            found.append(("guard", node, {}))
    return [chapter.wrong(f"code.{rule}", block.line + node.lineno, **words) for rule, node, words in found]


def _undefined(chapter: Chapter, unit: Unit, elsewhere: set[str]) -> list[PageError]:
    """Names that the kernel knows, from IPython or from a program above, and that this program does not define."""
    if any(_OPEN.search(block.code) for block in unit.blocks):
        return []
    tables = [symtable.symtable(block.code, chapter.path, "exec") for block in unit.blocks]
    bound = [_bound(names) for names in tables]
    found, told, so_far = [], set(), set()
    for block, tree, names, own in zip(unit.blocks, unit.trees, tables, bound, strict=True):
        so_far |= own
        if block.mark and _NAME_ERROR.fullmatch(block.mark.raises):
            continue
        # A block of the package's source may show a method that is not called.
        later = set().union(*bound) if not block.source else None
        missing = {
            name for name in _missing(names, so_far, later) if name in elsewhere or _INJECTED.fullmatch(name)
        }
        for name in sorted(missing - told):
            line = block.line + min(
                (n.lineno for n in ast.walk(tree) if getattr(n, "id", "") == name), default=1
            )
            found.append(_no_such_name(chapter, name, line, unit.blocks[0].line))
        told |= missing
        found += _unasked(chapter, block, so_far, elsewhere, unit.blocks[0].line)
    elsewhere |= so_far
    return found


def _unasked(
    chapter: Chapter, block: Block, now: set[str], elsewhere: set[str], start: int
) -> list[PageError]:
    """Names that choices of a question read and that the program has not after the block that answers it."""
    found = []
    choices = block.predicts.choices if block.predicts else ()
    for choice in [choice for choice in choices if not predict.trouble(choice.expression)]:
        names = _missing(symtable.symtable(choice.expression, chapter.path, "eval"), now, now)
        lost = sorted(name for name in names if name in elsewhere or _INJECTED.fullmatch(name))
        found += [_no_such_name(chapter, name, choice.line, start) for name in lost[:1]]
    return found


def _no_such_name(chapter: Chapter, name: str, line: int, start: int) -> PageError:
    if name in ("exit", "quit"):
        return chapter.wrong("code.ends", line, name=name)
    if _INJECTED.fullmatch(name):
        advice = "give the result a name, and print it or make it the last expression"
        return chapter.wrong("code.notebook-only", line, name=name, advice=advice)
    return chapter.wrong("code.undefined", line, name=name, start=start)


def _bound(scope: symtable.SymbolTable) -> set[str]:
    """Names that a block gives to its program, also from inside of functions that say global."""
    own = {
        s.get_name() for s in scope.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()
    }
    for child in _scopes(scope):
        own |= {s.get_name() for s in child.get_symbols() if s.is_declared_global() and s.is_assigned()}
    return own


def builtins_bound(block: Block) -> list[str]:
    """Names of Python's that a block of the page gives to something else."""
    scope = None if block.exercise or _only_shown(block) else _scope(block)
    if scope is None:
        return []
    return sorted(name for name in _bound(scope) if hasattr(builtins, name) and not name.startswith("_"))


def given_back(chapter: Chapter) -> dict[int, list[str]]:
    """For the lines of blocks the names of Python's that they bind and that no block below them uses."""
    used: set[str] = set()
    found = {}
    for block in reversed([block for block in chapter.blocks if not block.exercise]):
        if names := [name for name in builtins_bound(block) if name not in used]:
            found[block.line] = names
        scope = _scope(block)
        for inner in [scope, *_scopes(scope)] if scope else ():
            used |= {s.get_name() for s in inner.get_symbols() if s.is_referenced()}
    return found


def _scope(block: Block) -> symtable.SymbolTable | None:
    try:
        return symtable.symtable(block.code, "page", "exec")
    except _READ:  # told by `faults`
        return None


def _scopes(scope: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    for child in scope.get_children():
        yield child
        yield from _scopes(child)


def _missing(scope: symtable.SymbolTable, now: set[str], later: set[str] | None) -> set[str]:
    """Names that are used and not defined: at once where they stand outside of functions, else in the end."""
    used = {s.get_name() for s in scope.get_symbols() if s.is_referenced()} - now
    for child in _scopes(scope) if later is not None else ():
        used |= {s.get_name() for s in child.get_symbols() if s.is_referenced() and s.is_global()} - later
    return used - _DEFINED


def _calls(unit: Unit) -> list[Call]:
    """Calls of a program in the order of its text."""
    found: list[Call] = []
    for block, tree in zip(unit.blocks, unit.trees, strict=True):
        left: list[tuple[ast.AST, bool]] = [
            (tree, False)
        ]  # no recursion: a sum of a thousand terms is as deep
        while left:
            node, later = left.pop()
            if isinstance(node, ast.Call):
                found.append(Call(unit.full_name(node.func), block.line + node.lineno, node, later))
            later = later or isinstance(node, _LATER)
            left += [(child, later) for child in ast.iter_child_nodes(node)]
    return sorted(found, key=lambda call: (call.line, call.node.col_offset))


def _is(name: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _changing(chapter: Chapter, unit: Unit) -> list[PageError]:
    """Calls whose results change with every run."""
    calls, found = _calls(unit), []
    shown = {inner for tree in unit.trees for inner in _shown(tree)}
    for call in calls:
        rule, words = "", {"name": call.name.removeprefix("?.")}
        no_seed = all(
            _is_none(value) for value in [*call.node.args, *(word.value for word in call.node.keywords)]
        )
        if _is(call.name, _VOLATILE["time"]["calls"]):
            rule = "timed"
        elif _is(call.name, _VOLATILE["machine"]["calls"]):
            rule = "machine"
        elif call.name == "id" and call.node in shown:
            rule = "identity"
        elif _is(call.name, _VOLATILE["generator"]["calls"]) and no_seed:
            rule, words["instead"] = "unseeded", f"give it a number: {call.name.rpartition('.')[2]}(0)"
        else:
            draw = next((draw for draw in _VOLATILE["draws"] if _draws(draw, call, calls, unit)), None)
            rule, words["instead"] = "unseeded" if draw else "", draw and draw["instead"]
        if rule:
            found.append(chapter.wrong(f"code.{rule}", call.line, **words))
    return found


def _is_none(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _draws(draw: dict, call: Call, calls: list[Call], unit: Unit) -> bool:
    """Whether a call draws from a shared generator that its program has not seeded before."""
    if not _is(call.name, draw["calls"]) or _is(call.name, draw.get("but", []) + draw["seeds"]):
        return False
    if call.name.startswith("?") and not any(name.startswith(draw["with"]) for name in unit.names.values()):
        return False  # a method of whatever it may be
    given = {word.arg: word.value for word in call.node.keywords}
    if None in given or any(name in given and not _is_none(given[name]) for name in draw.get("given", [])):
        return False
    if "unless" in draw and re.search(draw["unless"], "\n".join(block.code for block in unit.blocks)):
        return False
    before = calls if call.later else calls[: calls.index(call)]
    seeded = [other for other in before if _is(other.name, draw["seeds"])]
    seeded += [other for other in calls if other.later and _is(other.name, draw["seeds"])]
    return not any(other.node.args or other.node.keywords for other in seeded)


def _shown(tree: ast.Module) -> Iterator[ast.AST]:
    """What is printed, formatted, or the value of an expression that stands alone."""
    for node in ast.walk(tree):
        printed = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
        if printed or isinstance(node, ast.JoinedStr | ast.Expr):
            yield from ast.walk(node)
