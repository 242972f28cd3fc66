"""Labs: notebooks as Python files in the percent format, read as jupytext reads them and shown as chapters are.

jupytext says which cells there are; here each is found again at its lines, so that a lab becomes Markdown of the same
lines. What is read from there on is a chapter like any other: one parser, one runner, one look.
"""

import re
import shutil
from pathlib import Path

from bookbinder import course
from bookbinder.chapter import LABS
from bookbinder.page import PageError, fault

_MARKER = re.compile(r"^\s*#\s*%%")
_LIGHT = re.compile(r"^# \+(\s|$)")
_DIRECTIVE = re.compile(r"\s*<!--.*-->\s*$")
_SOLUTION = re.compile(r"\s*<!--\s*exercise:\s*\S+\s+solution\s*-->\s*$")  # read, and no cell of the program
_INDENT = re.compile(r"\s*")
_QUOTES = re.compile(r'^\s*[rR]?(?:"""|\'\'\')|(?:"""|\'\'\')\s*$')


def files(docs: Path) -> list[Path]:
    """The labs below a folder, in a fixed order."""
    return sorted(file for file in docs.rglob(f"{LABS}/*.py"))


def as_markdown(text: str, path: str = "<text>") -> tuple[str, list[PageError]]:
    """A lab as Markdown of the same lines: text without its signs, code in fences.

    Args:
        text: The whole Python file.
        path: Name shown in faults.

    Returns:
        The Markdown, and what jupytext would read otherwise than it looks, by line.
    """
    import jupytext  # late: most books have few labs, and most checks look at none

    rows = text.rstrip("\n").split("\n")
    try:
        cells = jupytext.reads(text, fmt={"extension": ".py", "format_name": "percent"}).cells
    except Exception as error:  # jupytext's own errors are of many kinds
        return "", [fault("lab.unreadable", path, 1, error=error)]
    return _Reader(rows, path).read(cells)


class _Reader:
    """Finds the cells of a lab in its `rows`, and writes each into `page` at the same lines."""

    def __init__(self, rows: list[str], path: str):
        self.rows, self.path = rows, path
        self.page = [""] * (len(rows) + 1)  # the last fence may end below the last line
        self.faults: list[PageError] = []
        self.at, self.fenced = 0, -1  # the row to go on from, and the last one that a fence has taken

    def fault(self, rule: str, row: int, **words) -> None:
        """Note a fault at a row, counted from 0."""
        self.faults.append(fault(f"lab.{rule}", self.path, row + 1, **words))

    def read(self, cells: list) -> tuple[str, list[PageError]]:
        """The Markdown of cells, and its faults."""
        self._front_matter(cells)
        first = next((n for n, row in enumerate(self.rows) if _MARKER.match(row)), len(self.rows))
        early = [n for n in range(self.at, first) if self.rows[n].strip()]
        if early:
            self.fault("light" if any(map(_LIGHT.match, self.rows)) else "above", early[0])
            return "\n".join(self.page), self.faults
        for cell in cells:
            self._cell(cell)
        self._nothing_between(self.at, len(self.rows))
        return "\n".join(self.page).rstrip("\n") + "\n", self.faults

    def _front_matter(self, cells: list) -> None:
        """Pass over the header; the fields in it that are not Jupyter's are the page's."""
        ends = [n for n, row in enumerate(self.rows) if row.rstrip() == "# ---"]
        if len(ends) > 1 and not any(row.strip() for row in self.rows[: ends[0]]):
            self.at = ends[1] + 1
            if cells and cells[0].cell_type == "raw" and cells[0].source.startswith("---\n"):
                inside = cells.pop(0).source.split("\n")[1:-1]
                for n in range(ends[0] + 1, ends[1]):
                    bare = _bare(self.rows[n])
                    self.page[n] = bare if bare in inside else ""
                self.page[ends[0]] = self.page[ends[1]] = "---"

    def _cell(self, cell) -> None:
        if not cell.source.strip():
            return
        wanted = cell.source.strip("\n").split("\n")
        start = self._place(wanted, cell.cell_type)
        if start is None or cell.cell_type == "raw":
            return self._refuse("raw" if cell.cell_type == "raw" else "otherwise")
        self._nothing_between(self.at, start)
        self.at = start + len(wanted)
        if cell.cell_type == "code":
            self._code(start)
        else:
            self._text(start, wanted)

    def _place(self, wanted: list[str], kind: str) -> int | None:
        """Row where the lines of a cell begin; None where they stand nowhere below the cell before."""
        for start in range(self.at, len(self.rows) - len(wanted) + 1):
            rows = self.rows[start : start + len(wanted)]
            if kind == "code" and rows == wanted:
                return start
            if kind != "code" and all(line in _forms(row) for row, line in zip(rows, wanted, strict=True)):
                return start
        return None

    def _refuse(self, rule: str) -> None:
        """A fault at the next marker, and on to the cell below."""
        here, *later = [n for n in range(self.at, len(self.rows)) if _MARKER.match(self.rows[n])] or [self.at]
        self.fault(rule, here)
        self.at = later[0] if later else len(self.rows)

    def _nothing_between(self, start: int, end: int) -> None:
        """A fault for what stands between two cells and belongs to none."""
        for n in range(start, end):
            bare = _QUOTES.sub("", self.rows[n]).strip()
            if bare.strip("#").strip() and not _MARKER.match(self.rows[n]):
                return self.fault("otherwise", n)

    def _code(self, start: int) -> None:
        """Put a cell between fences: the upper one on the line of its marker, the lower one below it."""
        above, end = start - 1, self.at
        if above <= self.fenced:
            return self.fault("close", above)
        last = next((row for row in reversed(self.page[:above]) if row.strip()), "")
        # A part of an exercise stands in its box, as far to the right as the directive above it.
        indent = _INDENT.match(last)[0] if _DIRECTIVE.match(last) else ""
        self.page[above], self.page[end] = f"{indent}```python", f"{indent}```"
        self.page[start:end] = [row and indent + row for row in self.rows[start:end]]
        self.fenced = end

    def _text(self, start: int, wanted: list[str]) -> None:
        above = ""  # the last line that is not empty
        for n, line in enumerate(wanted, start):
            if re.match(r"\s*(`{3,}|~{3,})\s*python\s*$", line) and not _SOLUTION.match(above):
                self.fault("fence", n)
            self.page[n] = line
            above = line if line.strip() else above


def _bare(row: str) -> str:
    """A line without its sign of a comment."""
    return re.sub(r"^\s*#( |$)", "", row)


def _forms(row: str) -> set[str]:
    """What a line of a text cell may say: as a comment, or between quotes."""
    return {row, _bare(row), row.removeprefix("#"), _QUOTES.sub("", row), _QUOTES.sub("", row).strip()}


def stage(root: Path, to: Path) -> int:
    """Write the book as a generator without plugins reads it: every lab a Markdown page, and the nav naming these.

    Such a generator looks for the pages of links by itself: a planned chapter is named without one.

    Args:
        root: Folder of mkdocs.yml.
        to: Folder that is made; files of the same names in it are replaced.

    Returns:
        The number of labs.
    """
    found = files(root / "docs")
    for name in ("docs", "overrides"):
        shutil.copytree(root / name, to / name, dirs_exist_ok=True)
    listed = course.of(root / "docs")
    names = {f"{LABS}/{lab.name}": f"{LABS}/{lab.stem}.md" for lab in found}
    for lab in found:
        copy = to / lab.relative_to(root)
        text, _ = as_markdown(lab.read_text(encoding="utf-8"))
        copy.with_suffix(".md").write_text(text, encoding="utf-8")
        copy.unlink()
    pages = (to / "docs").rglob("*.md")
    for file, name in [
        (root / "mkdocs.yml", "mkdocs.yml"),
        *((file, file.name) for file in [root / course.FILE] if file.is_file()),
        *((page, page.relative_to(to)) for page in pages),
    ]:
        text = file.read_text(encoding="utf-8")
        for old, new in names.items():
            text = text.replace(old, new)
        if file.suffix == ".md":
            text = course.without_planned(text, file.relative_to(to / "docs").as_posix(), listed)
        (to / name).write_text(text, encoding="utf-8")
    return len(found)
