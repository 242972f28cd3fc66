"""Links that nobody types.

A name in the text leads to its entry of the API, an entry to the chapters that show its source, a source to the pages
that cite it, and `exercise 2` to its box. They are made from the files of the book alone, so that they are the same
under any generator.
"""

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from xml.etree.ElementTree import Element

from markdown.extensions.toc import slugify

from bookbinder import course
from bookbinder.chapter import Chapter, load
from bookbinder.check import anchors, figure_anchor, pages

PACKAGE, API, BIBLIOGRAPHY = "chainrule", "reference/api", "reference/bibliography.md"
_MODULE = re.compile(rf"^::: ({PACKAGE}[\w.]*)$", re.M)
_CITED = re.compile(r"bibliography\.md#([\w-]+)")
_NAME = re.compile(r"([A-Za-z_]\w*(?:\.\w+)*)(?:\(\))?")
_EXERCISE = re.compile(r"\b([Ee]xercise)[ \u00a0](\d+)\b")
_NUMBER = re.compile(r"\s*(\d+)\b")
_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
_DEFINES = ast.FunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Name:
    """A function, class or method of the API: its page there, and the first line of its docstring."""

    name: str
    page: str
    says: str

    @property
    def address(self) -> str:
        """Where its entry stands, from the root of the site."""
        return f"{self.page}#{self.name}"


def names(docs: Path) -> dict[str, Name]:
    """Everything that the API pages below `docs` hold, by its qualified name, in their order."""
    files = sorted((docs / API).glob("*.md"))
    source = docs.parent / "src"
    state = [(file, file.stat().st_mtime_ns) for file in [*files, *sorted((source / PACKAGE).glob("*.py"))]]
    return _names(docs, tuple(state))


@lru_cache(maxsize=4)
def _names(docs: Path, state: tuple) -> dict[str, Name]:
    found: dict[str, Name] = {}
    for file, _ in state:
        if file.suffix == ".md":
            page = f"{API}/{file.stem}/"
            for module in _MODULE.findall(file.read_text(encoding="utf-8")):
                tree = _tree(docs, module)
                said = [*_documented(tree, module), *_passed_on(tree, module, docs)]
                found |= {name: Name(name, page, says) for name, says in said}
    return found


def _tree(docs: Path, module: str) -> ast.Module:
    path = docs.parent.joinpath("src", *module.split("."))
    file = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
    return ast.parse(file.read_text(encoding="utf-8")) if file.is_file() else ast.Module([], [])


def _documented(node: ast.AST, above: str) -> Iterator[tuple[str, str]]:
    """Public functions and classes with a docstring, the methods of a class behind it."""
    for child in getattr(node, "body", ()):
        if (
            isinstance(child, _DEFINES)
            and not child.name.startswith("_")
            and (says := ast.get_docstring(child))
        ):
            yield f"{above}.{child.name}", says.split("\n")[0]
            if isinstance(child, ast.ClassDef):
                yield from _documented(child, f"{above}.{child.name}")


def _passed_on(tree: ast.Module, module: str, docs: Path) -> Iterator[tuple[str, str]]:
    """What a module imports from another one of the package and lists as its own, with strings, in `__all__`."""
    lists = [row.value for row in tree.body if isinstance(row, ast.Assign | ast.AugAssign)]
    parts = [part for row in lists if isinstance(row, ast.List) for part in row.elts]
    for name in [
        part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)
    ]:
        if says := _said(docs, module, name):
            yield f"{module}.{name}", says


def _said(docs: Path, module: str, name: str) -> str:
    """First line of the docstring of what a module calls by a name, wherever in the package it is defined."""
    tree = _tree(docs, module)
    if says := dict(_documented(tree, module)).get(f"{module}.{name}"):
        return says
    imports = [
        row for row in tree.body if isinstance(row, ast.ImportFrom) and (row.module or "").startswith(PACKAGE)
    ]
    above = [row.module or "" for row in imports if name in {alias.name for alias in row.names}]
    return _said(docs, above[0], name) if above else ""


def _offered(docs: Path) -> dict[str, str]:
    """Names that the package offers itself, and what they are names of."""
    found: dict[str, str] = {}
    for row in _tree(docs, PACKAGE).body:
        if isinstance(row, ast.ImportFrom) and row.module:
            for alias in row.names:
                if alias.name == "*":
                    inside = f"{row.module}."
                    found |= {
                        name.removeprefix(inside): name for name in names(docs) if name.startswith(inside)
                    }
                else:
                    found[alias.asname or alias.name] = f"{row.module}.{alias.name}"
    return found


def known(chapter: Chapter, docs: Path) -> dict[str, str]:
    """Names of the package by which the code of a page calls it, and their qualified names.

    A name that the page itself binds anywhere is its own, unless the block shows the source of the package.
    """
    offered, found, own = _offered(docs), {PACKAGE: PACKAGE}, set()
    for block in chapter.blocks:
        try:
            tree = ast.parse(block.code)
        except SyntaxError:  # told by code.py
            continue
        shown = {name.strip().rpartition(".")[2]: name.strip() for name in (block.source or "").split(",")}
        for row in ast.walk(tree):
            if isinstance(row, ast.ImportFrom) and (row.module or "").split(".")[0] == PACKAGE:
                for alias in row.names:
                    full = f"{row.module}.{alias.name}"
                    found[alias.asname or alias.name] = (
                        offered.get(alias.name, full) if row.module == PACKAGE else full
                    )
            elif isinstance(row, ast.Import | ast.ImportFrom):
                own |= {
                    alias.asname or alias.name for alias in row.names if alias.name.split(".")[0] != PACKAGE
                }
            elif isinstance(row, _DEFINES) and row.name in shown:
                found.setdefault(row.name, shown[row.name])
            elif isinstance(row, _DEFINES):
                own.add(row.name)
            elif isinstance(row, ast.Name) and isinstance(row.ctx, ast.Store):
                own.add(row.id)
    return {name: full for name, full in found.items() if name not in own}


def shown(docs: Path) -> dict[str, list[tuple[str, str]]]:
    """Pages that show the source of a name, with their labels: `name → (address, label)`."""
    return _shown(docs, tuple(map(load, pages(docs))))


@lru_cache(maxsize=4)
def _shown(docs: Path, chapters: tuple[Chapter, ...]) -> dict[str, list[tuple[str, str]]]:
    book = course.of(docs)
    found: dict[str, list[tuple[str, str]]] = {}
    for chapter in chapters:
        page = book.page_of(chapter)
        for block in chapter.blocks if chapter.is_chapter else ():
            for name in filter(None, map(str.strip, (block.source or "").split(","))):
                above = [row for n, row in chapter.prose if n < block.line and re.match("##+ ", row)]
                anchor = slugify(above[-1].lstrip("# "), "-") if above else ""
                end = f"#{anchor}" if anchor in anchors(chapter) else ""
                found.setdefault(name, []).append((_address(page) + end, book.label(page)))
    return found


def _address(page: str) -> str:
    """Address of a page from the root of the site."""
    return "" if page == "index.md" else re.sub(r"(/index)?\.(md|py)$", "/", page)


def overview(text: str, docs: Path) -> list[tuple[str, list[tuple[Name, list[tuple[str, str]]]]]]:
    """For each module of an API page its functions and classes, each with the pages that show their source."""
    all_of_them, sources, found = names(docs).values(), shown(docs), []
    for module in _MODULE.findall(text):
        rows = []
        for name in [name for name in all_of_them if name.name.rpartition(".")[0] == module]:
            keys = [
                key for key in sources if f"{key}.".startswith(f"{name.name}.")
            ]  # of a class its methods, too
            rows.append((name, [*dict.fromkeys(place for key in keys for place in sources[key])]))
        found += [(module, rows)] if rows else []
    return found


def cited(docs: Path) -> dict[str, list[tuple[str, str]]]:
    """Pages that cite a source, by its key: `key → (address, label)`, chapters first in their order."""
    book = course.of(docs)
    found: dict[str, list[tuple[str, str]]] = {}
    all_of_them = {book.page_of(chapter): chapter for chapter in map(load, pages(docs))}
    for page in sorted(all_of_them, key=lambda page: (book.number(page) or len(book.entries) + 1, page)):
        keys = [] if page.startswith("contribute/") else _CITED.findall(all_of_them[page].text)
        for key in dict.fromkeys(keys):
            title = all_of_them[page].meta.get("title", page)
            label = book.label(page) if page.endswith(".md") else title
            found.setdefault(key, []).append((_address(page), label))
    return found


def figures(outputs: Iterable[list[dict]]) -> list[list[str]]:
    """For each block's outputs the anchors of its figures, made of their titles; "" for what is none."""
    seen: Counter[str] = Counter()
    found: list[list[str]] = []
    for block in outputs:
        found.append([])
        for output in block:
            name = figure_anchor(output["alt"]) if output["kind"] == "figure" else ""
            seen[name] += 1
            found[-1].append(name and (name if seen[name] == 1 else f"{name}-{seen[name]}"))
    return found


def number_exercises(root: Element) -> set[str]:
    """Give the boxes of exercises an anchor and a link to it; the numbers that were given."""
    found = set()
    for box in root.iter():
        if "exercise" not in (box.get("class") or "").split() or not len(box):
            continue
        match = _NUMBER.match("".join(box[0].itertext()))
        if match and match[1] not in found and not box.get("id"):
            found.add(match[1])
            box.set("id", f"exercise-{match[1]}")
            said = {"class": "headerlink", "title": "Link to this exercise"}
            mark = Element("a", said, href=f"#exercise-{match[1]}")
            mark.text = "¶"
            box[0].append(mark)
    return found


def into_text(root: Element, numbers: set[str], address_of: Callable[[str], str]) -> None:
    """Make links of the exercises that a page names in its text, and of the first mention of a name in each section.

    Args:
        root: the page.
        numbers: those of its exercises.
        address_of: gives the address of what code in the text names, or "".
    """
    seen: set[str] = set()

    def visit(element: Element, box: str) -> None:
        box = element.get("id") or box if (element.get("id") or "").startswith("exercise-") else box
        for at, child in reversed(
            list(enumerate(element))
        ):  # from behind: what is put in moves nothing before it
            _link_exercises(element, at, child.tail, numbers - {box.removeprefix("exercise-")})
        _link_exercises(element, -1, element.text, numbers - {box.removeprefix("exercise-")})
        for child in list(element):
            if child.tag == "h2":
                seen.clear()
            if child.tag in {"a", "pre", *_HEADINGS}:
                continue
            if child.tag == "code" and not len(child) and (match := _NAME.fullmatch(child.text or "")):
                address = address_of(match[1])
                if address and address not in seen:
                    seen.add(address)
                    _wrap(element, child, address)
                continue
            if child.tag != "code":
                visit(child, box)

    visit(root, "")


def _wrap(parent: Element, code: Element, address: str) -> None:
    link = Element("a", {"class": "book-name", "href": address})
    link.tail, code.tail = code.tail, None
    parent[list(parent).index(code)] = link
    link.append(code)


def _link_exercises(parent: Element, at: int, text: str | None, numbers: set[str]) -> None:
    """Links in the text behind child number `at` of an element, or at its start."""
    rest = text or ""
    for match in reversed([match for match in _EXERCISE.finditer(rest) if match[2] in numbers]):
        link = Element("a", href=f"#exercise-{match[2]}")
        link.text, link.tail, rest = match[0], rest[match.end() :], rest[: match.start()]
        parent.insert(at + 1, link)
    if at < 0:
        parent.text = rest or parent.text and None
    else:
        parent[at].tail = rest or None
