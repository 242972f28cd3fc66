"""The Python-Markdown extension: puts each block's outputs below it and a header on the page.

It needs the results of a run, nothing of MkDocs: the same pages come out of any generator that runs
Python-Markdown extensions.
"""

import hashlib
import html
import os
import re
from pathlib import Path

import nh3
from markdown import Extension, Markdown
from markdown.preprocessors import Preprocessor

from bookbinder import cache, exercises, runner
from bookbinder.chapter import Block, Chapter, load
from bookbinder.page import PageError, where

FIGURES = "assets/figures"
NOTEBOOKS = "notebooks"
_TAGS = {"table", "thead", "tbody", "tfoot", "tr", "th", "td", "caption", "colgroup", "col", "div", "p", "span"} | {
    "b", "i", "em", "strong", "code", "sub", "sup", "br", "ul", "ol", "li", "h4", "h5", "h6"
}  # fmt: skip
_ATTRIBUTES = {"*": {"class"}, "th": {"colspan", "rowspan", "scope"}, "td": {"colspan", "rowspan"}}


def makeExtension(**options) -> Extension:
    """The extension, as Python-Markdown looks it up by module name."""
    return Bookbinder(**options)


class Bookbinder(Extension):
    """Splices outputs and the header into a page."""

    def __init__(self, **options):
        self.config = {
            "docs_dir": ["docs", "Folder of the pages"],
            "repo": ["", "owner/name of the repository, for the Colab and edit buttons"],
            "branch": ["main", "Branch that the edit button leads to"],
            "directory_urls": [True, "Whether a page stands at name/ rather than name.html"],
        }
        super().__init__(**options)

    def extendMarkdown(self, md: Markdown) -> None:
        """Register the preprocessor: after white space is normalised (30), before fences are read (25)."""
        splice = _Splice(md)
        splice.options = self.getConfigs()
        md.preprocessors.register(splice, "bookbinder", 27)


def clean(text: str) -> str:
    """HTML that an output may have: tables and the like, without scripts, styles and addresses."""
    return nh3.clean(text, tags=_TAGS, attributes=_ATTRIBUTES, clean_content_tags={"script", "style"})


def publish(data: dict, docs: Path) -> set[str]:
    """Write the figures of a result below `docs`; the names of their files."""
    names = set()
    for slot in data["blocks"]:
        for output in slot["outputs"]:
            if output["kind"] == "figure":
                for ink in ("light", "dark"):
                    name, content = figure_file(output, ink)
                    names.add(name)
                    if not (docs / FIGURES / name).exists():
                        cache.put(docs / FIGURES / name, content)
    return names


def figure_file(output: dict, ink: str) -> tuple[str, bytes]:
    """Name (by content) and bytes of a figure's file in one ink."""
    import base64

    text = output[ink]
    content = text.encode() if output["format"] == "svg" else base64.b64decode(text)
    return f"{hashlib.sha256(content).hexdigest()[:16]}.{output['format']}", content


def prune(docs: Path, names: set[str]) -> None:
    """Remove figures of former runs from the folder that the generator copies."""
    for file in (docs / FIGURES).glob("*.*"):
        if file.name not in names and not file.name.startswith("."):
            file.unlink(missing_ok=True)


class _Splice(Preprocessor):
    """Works on lines, from the bottom up, so that places above stay right."""

    options: dict

    def run(self, lines: list[str]) -> list[str]:
        """Lines with outputs, notes and the header put in as stashed HTML."""
        path, offset = where(self.md)
        file = Path(path)
        if path == "<text>" or not file.is_file():
            return lines
        chapter = load(file)
        data = self._results(chapter)
        lines = list(lines)
        for answer in chapter.answers:
            first, last = answer.line - 1 - offset, answer.end - offset
            lines[first:last] = [""] * (last - first)
        for block, slot in reversed(list(zip(chapter.blocks, data["blocks"], strict=True))):
            self._splice(lines, block, slot, offset, file)
        self._header(lines, chapter, data, file)
        return lines

    def _results(self, chapter: Chapter) -> dict:
        if not chapter.blocks:
            return {"blocks": []}
        data = runner.result_of(chapter)
        if data is None:
            raise PageError(chapter.path, 1, "the page has not been run", "run: python -m bookbinder run")
        return data

    def _splice(self, lines: list[str], block: Block, slot: dict, offset: int, file: Path) -> None:
        fence = block.line - 1 - offset
        if not (0 <= fence < len(lines) and lines[fence].lstrip().startswith("```")):
            raise PageError(
                str(file), block.line, "the text was changed before its blocks were found", "report this"
            )
        shown = [self._output(output, file) for output in slot["outputs"]]
        if shown:
            inside = "".join(shown)
            self._insert(
                lines,
                block.end - offset,
                block.indent,
                f'<div class="book-output" data-search-exclude>{inside}</div>',
            )
        for above in range(fence - 1, -1, -1):
            if not re.match(r"\s*<!--.*-->\s*$", lines[above]):
                break
            lines[above] = ""
        if slot["state"] == "skipped":
            reason = html.escape(block.mark.reason)
            self._insert(
                lines, fence, block.indent, f'<p class="book-skip">Shown, not run here: {reason}</p>'
            )

    def _insert(self, lines: list[str], at: int, indent: str, text: str) -> None:
        lines[at:at] = ["", indent + self.md.htmlStash.store(text), ""]

    def _root(self, file: Path) -> str:
        """Relative address of the site's root, seen from the page."""
        page = file.resolve().relative_to(Path(self.options["docs_dir"]).resolve())
        deep = len(page.parts) - 1 + (page.stem != "index" and self.options["directory_urls"])
        return "../" * deep or "./"

    def _output(self, output: dict, file: Path) -> str:
        kind, text = output["kind"], output.get("text", "")
        if kind == "figure":
            return self._figure(output, self._root(file))
        if kind == "html":
            return f'<div class="book-html" tabindex="0">{clean(text)}</div>'
        name = {"stdout": "stdout", "stderr": "warning", "result": "result", "error": "error"}[kind]
        return f'<pre class="book-{name}" tabindex="0">{html.escape(text.rstrip())}</pre>'

    def _figure(self, output: dict, root: str) -> str:
        size = f'width="{output["width"]}" height="{output["height"]}" loading="lazy"'
        alt = html.escape(f"{output['alt']}. {output['desc']}".rstrip(". "))
        pair = "".join(
            f'<img src="{root}{FIGURES}/{figure_file(output, ink)[0]}#only-{ink}" alt="{alt}" {size}>'
            for ink in ("light", "dark")
        )
        return f'<figure class="book-figure">{pair}</figure>'

    def _header(self, lines: list[str], chapter: Chapter, data: dict, file: Path) -> None:
        meta, parts = chapter.meta, []
        if meta.get("objectives"):
            goals = "".join(f"<li>{html.escape(goal)}</li>" for goal in meta["objectives"])
            parts.append(
                f'<p class="book-lead">After this page you can</p><ul class="book-objectives">{goals}</ul>'
            )
        facts = self._needs(meta.get("needs") or [], file)
        if "minutes" in meta:
            facts.append(f"{meta['minutes']} minutes")
        if chapter.blocks:
            facts.append(_proved(chapter, data))
        if facts:
            parts.append("".join(f'<p class="book-facts">{fact}</p>' for fact in facts))
        if chapter.blocks:
            parts.append(f'<p class="book-buttons">{self._buttons(chapter, file)}</p>')
        heading = next((n for n, line in enumerate(lines) if line.startswith("# ")), None)
        if parts and heading is not None:
            self._insert(
                lines, heading + 1, "", f'<div class="book-header" data-search-exclude>{"".join(parts)}</div>'
            )

    def _needs(self, needs: list[str], file: Path) -> list[str]:
        docs, shown = Path(self.options["docs_dir"]), []
        for need in needs:
            if (docs / need).is_file():
                title = load(docs / need).meta.get("title", need)
                address = need.removesuffix("index.md").removesuffix(".md")
                end = "/" if self.options["directory_urls"] and not need.endswith("index.md") else ""
                end = end or ("" if need.endswith("index.md") else ".html")
                shown.append(f'<a href="{self._root(file)}{address}{end}">{html.escape(title)}</a>')
            else:
                shown.append(html.escape(need))
        return [f"Needs: {', '.join(shown)}"] if shown else []

    def _buttons(self, chapter: Chapter, file: Path) -> str:
        docs = Path(self.options["docs_dir"])
        page = file.resolve().relative_to(docs.resolve()).with_suffix("").as_posix()
        repo = self.options["repo"] or os.environ.get("GITHUB_REPOSITORY", "")
        links = [("Download notebook", f"{self._root(file)}{NOTEBOOKS}/{page}.ipynb", " download")]
        if repo:
            colab = f"https://colab.research.google.com/github/{repo}/blob/notebooks/{page}.ipynb"
            edit = f"https://github.com/{repo}/edit/{self.options['branch']}/{docs.name}/{page}.md"
            links = [("Open in Colab", colab, ""), *links, ("Edit this page", edit, "")]
        return " ".join(
            f'<a class="md-button" href="{html.escape(to)}"{more}>{name}</a>' for name, to, more in links
        )


def _proved(chapter: Chapter, data: dict) -> str:
    """One line on the run: counts, versions, device, date."""
    pairs = zip(chapter.blocks, data["blocks"], strict=True)
    states = [slot["state"] for block, slot in pairs if not block.exercise]
    skipped = states.count("skipped")
    drills = len(exercises.groups(chapter))
    versions = ", ".join(
        f"{name} {'.'.join(v.split('.')[:2])}" for name, v in data.get("versions", {}).items()
    )
    counts = f"{len(states) - skipped} blocks run, {skipped} skipped"
    counts += f", {drills} exercise{'s' * (drills > 1)} checked" if drills else ""
    facts = [counts, versions, data.get("device", ""), data.get("date", "")]
    return html.escape(", ".join(fact for fact in facts if fact))
