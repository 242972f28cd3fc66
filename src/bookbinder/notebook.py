"""Chapter → .ipynb: the same page for Colab, Jupyter and download, with the outputs of its run.

Text cells hold what those tools render: formulas in dollars with their numbers written out, boxes as quotes, tabs
as headed sections, links with their whole address. A code cell holds its block unchanged, but for blocks that may
be left out, that raise, or that check an exercise: these are wrapped, so that "Run all" reaches the end. A cell of an
exercise begins with its name and part, and what it binds stays in the exercise (see workbook.py).
"""

import ast
import base64
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin

import nbformat
from nbformat import v4

from bookbinder import cache, code, exercises
from bookbinder.chapter import Block, Chapter
from bookbinder.course import WORD, Course
from bookbinder.length import length
from bookbinder.math import REFERENCE, TOKEN, inside
from bookbinder.page import ELSEWHERE, front_matter_lines, table
from bookbinder.predict import Prediction

_BOX = re.compile(r'^(\s*)((?:!!!|\?\?\?\+?)(?=\s+\w)|===[+!]?(?=\s+"))\s+([\w -]*?)(?:\s*"(.*)")?\s*$')
_FENCE = re.compile(r"^\s*(`{3,}|~{3,})")
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(\s*<?([^\s)>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_TARGET = re.compile(r"^ {0,3}\[([^\]^][^\]]*)\]:[ \t]+<?([^\s>]+)>?.*$", re.M)  # [name]: address
_NAMED = re.compile(r"\[([^\[\]]+)\]\[([^\[\]]*)\]")  # [text][name]
_NUMBERED = re.compile(r"\\begin\{(equation|align|gather|multline)\}(.*)\\end\{\1\}", re.S)
_ADDRESS = re.compile(r'(?<=\bhref=")[^"]+|(?<=\bsrc=")[^"]+')
_INDEX = re.compile(r"(?<![^/])index\.md$")
_ROW = re.compile(r"\\\\(?!(?:(?!\\begin\{).)*\\end\{)", re.S)  # not that of an environment inside
_DATA = table("notebook")
_WORKBOOK = Path(__file__).with_name("workbook.py").read_text(encoding="utf-8")
_MATERIAL = {re.compile(pattern): new for pattern, new in _DATA["material"].items()}
_FOLDED = {"cellView": "form", "jupyter": {"source_hidden": True}}
_PAPER = '<rect width="100%" height="100%" fill="#ffffff"/>'


def export(
    chapter: Chapter,
    data: dict | None,
    *,
    site_url: str = "",
    page_url: str = "",
    wheel: str = "",
    listed: Course | None = None,
) -> nbformat.NotebookNode:
    """Notebook of a chapter.

    Args:
        chapter: A chapter without faults.
        data: What its run put out (`Result.data`); without it the cells have no outputs.
        site_url: Address of the site. Without it relative links become plain text.
        page_url: Address of the page below the site, such as learning/derivatives-and-descent/.
        wheel: File name of chainrule's wheel in dist/ of the site.
        listed: The course, which knows the numbers of chapters; without it there are none.

    Returns:
        A valid notebook of format 4.5; the id of a cell names the line of the page where it begins.
    """
    site = site_url and site_url.rstrip("/") + "/"
    cells = _Writer(chapter, data, site, page_url, listed or Course()).cells
    cells[1:1] = setup_cells([block.code for block in chapter.blocks], site, wheel)
    metadata = {"language_info": {"name": "python"}, "colab": {"provenance": [], "toc_visible": True}}
    metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    if chapter.meta.get("gpu"):
        metadata["accelerator"], metadata["colab"]["gpuType"] = "GPU", "T4"
    return v4.new_notebook(cells=cells, metadata=metadata)


def setup_cells(codes: list[str], site: str, wheel: str) -> list[nbformat.NotebookNode]:
    """The cell that fetches chainrule from the site (its address ends in a slash); none where no code needs it."""
    if not any(re.search(r"^\s*(from|import) chainrule\b", code, re.M) for code in codes):
        return []
    setup = _DATA["setup"]["site" if site and wheel else "clone"].replace("{wheel}", f"{site}dist/{wheel}")
    return [v4.new_code_cell(setup.strip(), id="setup")]


def write(notebook: nbformat.NotebookNode, file: Path) -> None:
    """Write a notebook, after a check of its form, in one step; its folder is made."""
    nbformat.validate(notebook)
    cache.put(file, (nbformat.writes(notebook) + "\n").encode())


def workbook_cell() -> nbformat.NotebookNode:
    """The cell that exercises need: how blanks are told, and names for each exercise."""
    cell = v4.new_code_cell(_DATA["workbook"]["cell"].replace("{code}", _WORKBOOK).strip(), id="workbook")
    cell.metadata.update(_FOLDED)
    return cell


def _source(block: Block, names: list[str], in_lab: bool) -> str:
    """Code of a block's cell, wrapped where it may be left out, raises, or checks the names that an exercise fills.

    In a lab the cells below an exercise go on with what fills its blanks: its names are those of the notebook.
    """
    mark, (name, role) = block.mark, block.exercise or ("", "")
    kind = mark.kind if mark else "lab-check" if in_lab and role == "check" else role
    head = f"# exercise: {name} {role}\n" if name and not in_lab else ""
    if kind not in _DATA["wraps"]:
        return head + block.code.rstrip("\n")
    # A reader may not have pytest: what a condition asks of it is an import that may fail.
    condition = mark.condition.replace("pytest.importorskip(", "importlib.import_module(") if mark else ""
    words = {"code": _indent(block.code), "mark": mark, "condition": condition, "name": name, "names": names}
    return head + _DATA["wraps"][kind].format(**words).strip("\n")


def _question(asked: Prediction) -> list[tuple[int, str]]:
    """A question as lines of text: its choices without ticks, the reasons in a closed box."""
    rows = [*asked.question, "", *(f"- {choice.text}" for choice in asked.choices)]
    rows += ["", "<details><summary>What is right, and why</summary>", ""]
    said = ("**Yes.**" if choice.right else "**No.**" for choice in asked.choices)
    rows += [f"- {c.text} {yes} {c.reason}".rstrip() for c, yes in zip(asked.choices, said, strict=True)]
    return [(asked.first, asked.indent + row if row else "") for row in [*rows, "", "</details>", ""]]


def _indent(code: str) -> str:
    """Code moved right by four spaces, but for lines that begin inside a string."""
    strings = [n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Constant | ast.JoinedStr)]
    inside = {line for node in strings for line in range(node.lineno + 1, node.end_lineno + 1)}
    rows = enumerate(code.rstrip("\n").split("\n"), 1)
    return "".join(f"{row}\n" if n in inside or not row.strip() else f"    {row}\n" for n, row in rows)


def _output(shown: dict, count: int) -> nbformat.NotebookNode:
    """One output of a run as a notebook keeps it."""
    kind, text = shown["kind"], shown.get("text", "")
    if kind in ("stdout", "stderr"):
        return v4.new_output("stream", name=kind, text=text)
    if kind == "error":  # the wrapped cell prints what it was to raise
        return v4.new_output("stream", name="stdout", text=text + "\n")
    if kind in ("result", "html"):
        bare = " ".join(re.sub(r"<[^>]+>", " ", text).split())
        data = {"text/plain": bare, "text/html": text} if kind == "html" else {"text/plain": text}
        return v4.new_output("execute_result", data=data, execution_count=count)
    data = {"text/plain": f"{shown['alt']}. {shown['desc']}".rstrip(". ")}
    light = cache.folder("figures") / shown["files"][0]
    if shown["format"] == "svg":  # in its light ink, on paper of its own: a notebook may have a dark ground
        data["image/svg+xml"] = light.read_text(encoding="utf-8").replace("</desc>", f"</desc>{_PAPER}", 1)
    else:
        style = f'width="{shown["width"]}" style="background: #ffffff"'
        webp = base64.b64encode(light.read_bytes()).decode()
        data["text/html"] = f'<img src="data:image/webp;base64,{webp}" {style}>'
    return v4.new_output("display_data", data=data)


class _Writer:
    """Walks the lines of a page and collects cells; `texts` holds (line, text) of the text cell that grows."""

    def __init__(self, chapter: Chapter, data: dict | None, site: str, page_url: str, listed: Course):
        self.chapter, self.data, self.site, self.course = chapter, data, site, listed
        self.page = listed.page_of(chapter)
        self.here = urljoin(site, page_url)
        nested = page_url.strip("/") and Path(chapter.path).stem != "index"
        self.folder = urljoin(self.here, "..") if nested else self.here
        # A solution is a text to read, in the closed box that it stands in.
        cells = [b for b in chapter.blocks if not (b.exercise and b.exercise[1] == "solution")]
        self.blocks = {block.line: block for block in cells}
        groups = [group for group in exercises.groups(chapter) if "starter" in group.parts]
        self.blanks = {group.name: group.blanks() for group in groups}
        self.back = code.given_back(chapter)
        self.texts: list[tuple[int, str]] = []
        self.labels: dict[str, str] = {}
        self.number, self.level, self.closed = 0, 1, ""
        start = front_matter_lines(chapter.text)
        body = "\n".join(chapter.text.split("\n")[start:])
        body = TOKEN.sub(lambda m: "\n" * m[0].count("\n") if m[0].startswith("<!--") else m[0], body)
        self.targets = {m[1].lower(): m[2] for m in _TARGET.finditer(body)}
        body = _TARGET.sub("", body)  # a cell does not see what another one defines: see _named
        self._text(body)  # once for the labels: a reference may stand before its equation
        self.number = 0
        rows = list(enumerate(body.split("\n"), start + 1))
        for asked in reversed(chapter.questions()):
            rows[asked.first - start - 1 : asked.end - start] = _question(asked)
        while len(rows) > 1 and not rows[0][1].strip():
            rows.pop(0)
        titled = rows[0][1].startswith("# ")
        title = rows.pop(0)[1][2:] if titled else chapter.meta.get("title", "Notebook")
        title = f"# {number} {title}" if (number := listed.number(self.page)) else f"# {title}"
        self.cells = [v4.new_markdown_cell(self._text(f"{title}\n\n{self._about()}").strip(), id="title")]
        self._walk(rows, str)
        self._end_text()

    def _about(self) -> str:
        """What the front matter says."""
        meta = {"description": "", "objectives": [], "needs": [], **self.chapter.meta}
        parts = [f"*{meta['description']}*"] if meta["description"] else []
        if goals := "\n".join(f"- {goal}" for goal in meta["objectives"]):
            needs = [self._need(need) for need in meta["needs"]] or ["nothing"]
            facts = f"About {length(self.chapter).time}. Needs: {', '.join(needs)}."
            parts += [f"After this page you can\n\n{goals}", facts]
        return "\n\n".join([*parts, f"[This page in the book]({self.here})" if self.site else ""])

    def _need(self, need: str) -> str:
        """Number and title of a page that is needed, as a link where it can be one."""
        label = self.course.label(need)
        there = self.site and (self.course.docs / need).is_file()
        return (
            f"[{label}]({urljoin(self.site, re.sub(r'.md$', '/', _INDEX.sub('', need)))})" if there else label
        )

    def _end_text(self) -> None:
        if self.texts:
            text = "\n\n".join(text for _, text in self.texts)
            self.cells.append(v4.new_markdown_cell(text, id=f"line-{self.texts[0][0]}"))
        self.texts = []

    def _walk(self, rows: list[tuple[int, str]], wrap: Callable[[str], str]) -> None:
        """Turn lines into cells; `wrap` is put around each text."""
        piece: list[tuple[int, str]] = []

        def flush() -> None:
            text = self._text("\n".join(row for _, row in piece)).strip("\n")
            if text.strip():
                self.texts.append((next(n for n, row in piece if row.strip()), wrap(text)))
            piece.clear()

        at = lag = 0  # lag: the indentation of what belongs to a list item or footnote that a cell has cut
        while at < len(rows):
            line, row = rows[at]
            box, fence, begin = _BOX.match(row), _FENCE.match(row), at
            at += 1
            if line in self.blocks:
                flush()
                self._code(block := self.blocks[line], wrap)
                at, lag = begin + block.end - line + 1, len(row) - len(row.lstrip())
                continue
            if box:
                flush()
                lag = len(box[1])
                while at < len(rows) and not rows[at][1][: lag + 4].strip():
                    at += 1
                self._box(box, [(n, text[lag + 4 :]) for n, text in rows[begin + 1 : at]], line, wrap)
                continue
            if fence:
                while at < len(rows) and not rows[at][1].lstrip().startswith(fence[1]):
                    at += 1
                at += 1
            elif re.match(r"#{1,6} ", row):
                flush()
                self._end_text()
                self.level = row.index(" ")
            lag = 0 if row[:lag].strip() else lag
            piece += [(n, text[lag:]) for n, text in rows[begin:at]]
            lag = 4 if re.match(r"\[\^[^]]+\]:|:\s{3}", row[lag:]) else lag
        flush()

    def _box(self, box: re.Match, rows: list[tuple[int, str]], line: int, wrap: Callable[[str], str]) -> None:
        """An admonition, a closed box or a tab."""
        kind, title = box[2], box[3].split()[0].capitalize() if box[4] is None else box[4]
        closed, level, count = self.closed, self.level, len(self.cells)
        if kind[0] == "=":
            self._walk([(line, f"{'#' * min(level + 1, 6)} {title}"), (line, ""), *rows], wrap)
        elif kind == "???":
            self.closed = re.sub(r"[`*$]", "", title)
            head = f"<details><summary>{self.closed}</summary>"
            self._walk(rows, lambda text: wrap(f"{head}\n\n{text}\n\n</details>"))
        else:
            quote = lambda text: "\n".join(f"> {row}".rstrip() for row in text.split("\n"))
            rows = [(line, f"**{title}**"), (line, ""), *rows] if title else rows
            self._walk(rows, lambda text: wrap(quote(text)))
        self.closed, self.level = closed, level
        if len(self.cells) > count:  # what follows is not about the code in the box
            self._end_text()

    def _code(self, block: Block, wrap: Callable[[str], str]) -> None:
        """Write the cell of a block."""
        if block.mark and block.mark.kind == "skip":
            said = f"*Shown, not run here: {block.mark.reason}*"
            return self.texts.append((block.line, wrap(f"````python\n{block.code}````\n\n{said}")))
        self._end_text()
        if block.exercise and not any(cell.id == "workbook" for cell in self.cells):
            self.cells.append(workbook_cell())
        names = self.blanks.get(block.exercise[0], []) if block.exercise else []
        cell = v4.new_code_cell(_source(block, names, self.chapter.is_lab), id=f"line-{block.line}")
        for name in self.back.get(block.line, ()):
            cell.source += f"\n\ndel {name}  # the cells above need Python's own"
        if title := re.sub(r"[`*$]", "", block.fold) or self.closed:
            cell.source = f"#@title {title}\n{cell.source}"
            cell.metadata.update(_FOLDED)
        at = self.chapter.blocks.index(block)
        # The reader runs the block that answers a question.
        shown = exercises.in_program(self.chapter, block) and not block.predicts
        slot = self.data["blocks"][at] if self.data and shown else {}
        if slot.get("state") in ("run", "raised"):
            cell.execution_count = at + 1
            cell.outputs = [_output(shown, at + 1) for shown in slot["outputs"]]
        self.cells.append(cell)

    def _formula(self, match: re.Match) -> str:
        """A formula in dollars, on one line (in a quote it must be), with its number and references written out."""
        tex = re.sub(r"(?<!\\)%.*|\n[ \t]*>", " ", inside(match))
        tex = self._numbered(" ".join(tex.split()))
        alone = match["inline"] and REFERENCE.fullmatch(tex)
        tex = REFERENCE.sub(lambda m: f"({self.labels.get(m[2], m[2])})" if m[1] == "eqref" else "", tex)
        return tex if alone else f"$$ {tex} $$" if match["display"] else f"${tex}$"

    def _numbered(self, tex: str) -> str:
        """The formula with a tag on each row that has a number on the page."""
        match = _NUMBERED.fullmatch(tex)
        if not match:
            return tex
        rows = _ROW.split(match[2]) if match[1] in ("align", "gather") else [match[2]]
        for n, row in enumerate(rows):
            said = re.search(r"\\(?:notag|nonumber)\b|\\tag\{([^}]*)\}", row)
            if not said:
                self.number += 1
                rows[n] = f"{row.rstrip()} \\tag{{{self.number}}}"
            tag = said[1] if said else str(self.number)
            self.labels.update((m[2], tag) for m in REFERENCE.finditer(row) if m[1] == "label")
        body = r"\\".join(rows).strip()
        return body if match[1] == "equation" else f"\\begin{{{match[1]}*}} {body} \\end{{{match[1]}*}}"

    def _text(self, text: str) -> str:
        """Markdown as notebooks render it."""
        kept: list[str] = []

        def token(m: re.Match) -> str:
            lead, part = "", m[0]
            if m["display"] or m["inline"]:
                lead, part = re.match(r"[ \t>]*", part)[0], self._formula(m)
            elif m["stray"] or part[0] in "\\!":
                return part
            elif not (m["fence"] or m["tick"] or m["tag"]):
                part = _ADDRESS.sub(lambda a: self._url(a[0]) or a[0], part)
            kept.append(part)
            return f"{lead}\x02{len(kept) - 1}\x03"

        text = _NAMED.sub(self._named, TOKEN.sub(token, text))
        for pattern, new in _MATERIAL.items():
            text = pattern.sub(new, text)
        return re.sub("\x02(\\d+)\x03", lambda m: kept[int(m[1])], _LINK.sub(self._link, text))

    def _named(self, match: re.Match) -> str:
        """A link by name as one with its address."""
        url = self.targets.get((match[2] or match[1]).lower())
        return f"[{match[1]}]({url})" if url else match[0]

    def _link(self, match: re.Match) -> str:
        """A link or image with its whole address; plain text where that is not known."""
        image, text, url = match[1], _LINK.sub(self._link, match[2]), self._url(match[3])
        chapter = self.course.linked(self.page, match[3]) if WORD.fullmatch(text) else None
        if chapter:
            text, url = f"{text} {chapter.number}", "" if chapter.planned else url
        return f"{image}[{text}]({url})" if url else f"*{text}*" if image else text

    def _url(self, url: str) -> str:
        """The whole address of a link; "" where it is relative and the site is not known."""
        if ELSEWHERE.match(url):
            return url
        path, hash_, anchor = url.partition("#")
        path = urljoin(self.folder, re.sub(r"\.md$", "/", _INDEX.sub("./", path))) if path else self.here
        return self.site and path + hash_ + anchor
