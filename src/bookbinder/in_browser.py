"""What of a page runs in a browser: which blocks, with which others before them, and which exercises.

Told from the names that blocks read and bind. A block runs without those above it that it does not need, so that a
long training does not have to be waited for; of these the imports alone are carried out.
"""

import ast
import html
import json
import re
from functools import lru_cache

from bookbinder import exercises, reader
from bookbinder.chapter import STAND_IN, Chapter
from bookbinder.page import table

_DATA = table("runtime")
_MISSING, _SAID = _DATA["missing"], _DATA["said"]
_THERE = {f"sklearn.datasets.load_{name}" for name in _DATA["sets"]}
_SEEDS = re.compile(r"\b(manual_)?seed\(|\bset_\w+\(")  # what changes a state that has no name in the program
_MADE = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_IMPORT = ast.Import | ast.ImportFrom


class _Names(ast.NodeVisitor):
    """Names that a block `reads` before it binds them, and `later`, when its functions are called.

    Those that it `binds` to values, has `made` functions or classes, and has bound to `modules`.
    """

    def __init__(self, code: str):
        self.reads: set[str] = set()
        self.later: set[str] = set()
        self.binds: set[str] = set()
        self.made: set[str] = set()
        self.uses: set[str] = set()
        self.modules: dict[str, str] = {}
        self.said = [words for comment, words in _SAID.items() if comment in code]
        rows = ast.parse(code).body
        self.imports_alone = all(isinstance(row, _IMPORT) for row in rows)
        for row in rows:
            self._take(row)

    def _take(self, row: ast.stmt) -> None:
        nodes = [*ast.walk(row)]
        names = [node for node in nodes if isinstance(node, ast.Name)]
        stored = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
        read = {node.id for node in names if isinstance(node.ctx, ast.Load)}
        self.uses |= read
        inner = self._inner(row)
        if isinstance(row, _MADE):
            self.later |= read - inner - stored
            self.made.add(row.name)
        else:
            self.reads |= read - inner - self.binds - self.made - self.modules.keys()
            self.binds |= stored - inner
        for node in nodes:
            if isinstance(node, _IMPORT):
                self._import(node)
            elif isinstance(node, ast.Attribute) and node.attr == "torch":
                self.said.append(_MISSING["torch"])

    @staticmethod
    def _inner(row: ast.stmt) -> set[str]:
        """Names that belong to a loop, a comprehension, a function or a lambda inside a statement."""
        nodes = [node for node in ast.walk(row) if node is not row]
        targets = [node.target for node in [row, *nodes] if isinstance(node, ast.comprehension | ast.For)]
        inner = {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
        inner |= {node.arg for node in nodes if isinstance(node, ast.arg)}
        return inner | {node.name for node in nodes if isinstance(node, _MADE)}

    def _import(self, row: _IMPORT) -> None:
        for alias in row.names:
            module = f"{row.module}.{alias.name}" if isinstance(row, ast.ImportFrom) else alias.name
            name = (alias.asname or alias.name).partition(".")[0]
            self.modules[name] = (
                "" if module in _THERE else module.removeprefix("chainrule.").partition(".")[0]
            )

    def missing(self, whole: bool) -> str:
        """What it uses, or says that it needs, and a browser does not run.

        Of a block of imports, and of a `whole` program, what all imports need.
        """
        used = self.modules if whole or self.imports_alone else self.uses
        found = [_MISSING[m] for name, m in self.modules.items() if name in used and m in _MISSING]
        return next(iter([*found, *self.said]), "")


_names = lru_cache(maxsize=8192)(_Names)  # a block is asked about with each block below it


def lacks(codes: list[str], whole: bool = False) -> str:
    """What the last block of a program needs and no browser runs, in a reader's words; "" where it runs there.

    With `whole` all blocks are needed, and every import.
    """
    bound: dict[str, str] = {}  # by name: what the block lacks that bound it
    said = ""
    for code in codes:
        names = _names(code)
        above = [bound[name] for name in sorted(names.reads | names.later - names.binds) if bound.get(name)]
        said = whole and said or names.missing(whole) or (above[0] if above else "")
        bound |= dict.fromkeys(names.binds | names.made, said)
        bound |= {name: _MISSING.get(module, "") for name, module in names.modules.items()}
    return said


def needed(codes: list[str]) -> list[int]:
    """Numbers of the blocks of a program that its last one needs, itself among them.

    A block is needed that binds a name which is read, or uses a value that has one: it may change it.
    """
    names = [_names(code) for code in codes]
    made = set().union(*(each.made | each.modules.keys() for each in names))
    later = set(names[-1].later)  # names that functions read, bound above or below them
    while True:
        found, wanted = {len(codes) - 1}, set(names[-1].reads)
        for at in reversed(range(len(codes) - 1)):
            each = names[at]
            if (
                (each.binds | each.made) & (wanted | later)
                or each.reads & (wanted | later) - made
                or _SEEDS.search(codes[at])
            ):
                found.add(at)
                wanted = wanted - each.binds | each.reads
        more = later.union(*(names[at].later for at in found))
        if more == later:
            return sorted(found)
        later = more


def bars(chapter: Chapter) -> dict[int, str | list[int]]:
    """What stands below blocks, by their number: the blocks to run before, or in words what no browser runs.

    Shown are the blocks of the page's own programs, and the starters of exercises, for which set-up and check count.
    """
    parts = {block.exercise: n for n, block in enumerate(chapter.blocks) if block.exercise}
    codes = [block.code for block in chapter.blocks]
    found: dict[int, str | list[int]] = {}
    stuck: dict[int, str] = {}  # stand-ins that do not run here, for answers that cannot be checked here
    for at, (block, chain) in enumerate(zip(chapter.blocks, reader.chains(chapter), strict=True)):
        name, role = block.exercise or ("", "starter")
        if role == STAND_IN and isinstance(found.get(parts[name, "starter"]), str):
            stuck[at] = lacks([codes[n] for n in chain])
        if role != "starter" or block.mark and block.mark.kind.startswith("skip"):
            continue
        program = [*chain, parts[name, "check"]] if name and (name, "check") in parts else chain
        answer = parts.get((name, "solution"), at)  # a blank says less of what an answer needs
        needs = needed([codes[answer if n == at else n] for n in program])
        before = [program[n] for n in needs if program[n] < at]
        said = lacks([codes[n] for n in program], whole=bool(name) and not chapter.is_lab)
        said = said or next((stuck[n] for n in before if stuck.get(n)), "")
        found[at] = said or [n for n in before if not isinstance(found.get(n), str)]
    return found


def exercises_of(chapter: Chapter) -> dict[int, list]:
    """For the starter of each exercise by its number: its name, numbers of set-up, check and stand-in, its blanks.

    A number is -1 where there is no such part.
    """
    number = {id(block): n for n, block in enumerate(chapter.blocks)}
    found = {}
    for exercise in exercises.groups(chapter):
        at = {role: number[id(block)] for role, block in exercise.parts.items() if id(block) in number}
        if {"starter", "check"} <= at.keys():
            others = [at.get(role, -1) for role in ("setup", "check", STAND_IN)]
            found[at["starter"]] = [exercise.name, *others, exercise.blanks()]
    return found


def attributes(chapter: Chapter, folder: str) -> str:
    """What the page's script is told, as attributes of an element.

    Args:
        chapter: The page.
        folder: Relative address of the folder with Python for the browser.
    """
    drills = html.escape(json.dumps(exercises_of(chapter), separators=(",", ":")))
    return f' data-python="{folder}/" data-exercises="{drills}"' + " data-lab" * chapter.is_lab
