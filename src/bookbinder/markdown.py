"""The Python-Markdown extension: puts each block's outputs below it and a header on the page.

It needs the results of a run, nothing of MkDocs: the same pages come out of any generator that runs
Python-Markdown extensions.
"""

import base64
import hashlib
import html
import os
import re
from pathlib import Path

import nh3
from markdown import Extension, Markdown
from markdown.preprocessors import Preprocessor

from bookbinder import cache, exercises, reader, runner
from bookbinder.chapter import Block, Chapter, load
from bookbinder.page import under_zensical, where

FIGURES = "assets/figures"
NOTEBOOKS = "notebooks"
_INKS = ("light", "dark")
_TAGS = set("table thead tbody tfoot tr th td caption colgroup col div p span br ul ol li".split())
_TAGS |= set("b i em strong code sub sup h4 h5 h6".split())
_ATTRIBUTES = {"*": {"class"}, "th": {"colspan", "rowspan", "scope"}, "td": {"colspan", "rowspan"}}


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


makeExtension = Bookbinder  # Python-Markdown looks it up by this name


def box(kind: str, text: str) -> str:
    """What a block puts out, as the page shows it: text of that kind, or HTML without scripts and styles."""
    if kind == "html":
        text = nh3.clean(text, tags=_TAGS, attributes=_ATTRIBUTES, clean_content_tags={"script", "style"})
        return f'<div class="book-html" tabindex="0">{text}</div>'
    name = "warning" if kind == "stderr" else kind
    return f'<pre class="book-{name}" tabindex="0">{html.escape(text.rstrip())}</pre>'


def buttons(page: str, root: str, repo: str, edit: str = "") -> str:
    """Links to a page's notebook and, where the repository is known, to Colab and to its source.

    Args:
        page: The page below the docs, without suffix.
        root: Relative address of the site's root.
        repo: owner/name of the repository, or "".
        edit: Branch and path of the page's source, or "".
    """
    links = [("Download notebook", f"{root}{NOTEBOOKS}/{page}.ipynb", " download")]
    if repo:
        colab = f"https://colab.research.google.com/github/{repo}/blob/notebooks/{page}.ipynb"
        links.insert(0, ("Open in Colab", colab, ""))
    if repo and edit:
        links.append(("Edit this page", f"https://github.com/{repo}/edit/{edit}", ""))
    button = '<a class="md-button" href="{}"{}>{}</a>'
    shown = " ".join(button.format(html.escape(to), more, name) for name, to, more in links)
    return f'<p class="book-buttons">{shown}</p>'


def publish(data: dict, docs: Path) -> set[str]:
    """Write the figures of a result below `docs`; the names of their files."""
    outputs = [output for slot in data["blocks"] for output in slot["outputs"]]
    figures = [output for output in outputs if output["kind"] == "figure"]
    files = dict(figure_file(figure, ink) for figure in figures for ink in _INKS)
    for name, content in files.items():
        if not (docs / FIGURES / name).exists():
            cache.put(docs / FIGURES / name, content)
    return set(files)


def figure_file(output: dict, ink: str) -> tuple[str, bytes]:
    """Name (by content) and bytes of a figure's file in one ink."""
    text = output[ink]
    content = text.encode() if output["format"] == "svg" else base64.b64decode(text)
    return f"{hashlib.sha256(content).hexdigest()[:16]}.{output['format']}", content


def prune(docs: Path, names: set[str]) -> None:
    """Remove figures of former runs from the folder that the generator copies."""
    for file in (docs / FIGURES).glob("*.*"):
        if file.name not in names and not file.name.startswith("."):
            file.unlink(missing_ok=True)


class _Splice(Preprocessor):
    """Works on lines, from the bottom up, so that places above stay right.

    Of the page that is converted it knows `page`, its path below the docs without suffix, `root`, the relative
    address of the site's root, and `offset`, the number of lines that its text lacks.
    """

    options: dict

    def run(self, lines: list[str]) -> list[str]:
        """Lines with outputs, notes and the header put in as stashed HTML."""
        path, self.offset = where(self.md)
        file, self.docs = Path(path), Path(self.options["docs_dir"])
        if path == "<text>" or not file.is_file():
            return lines
        self.page = file.resolve().relative_to(self.docs.resolve()).with_suffix("")
        deep = len(self.page.parts) - 1
        if self.page.name != "index" and self.options["directory_urls"] and not under_zensical(self.md):
            deep += 1  # Zensical moves the addresses of a page that comes to stand a folder deeper
        self.root = "../" * deep or "./"
        chapter = load(file)
        data = runner.result_of(chapter) if chapter.blocks else {"blocks": []}
        if data is None:
            raise chapter.error(1, "the page has not been run", "run: python -m bookbinder run")
        lines = list(lines)
        for answer in chapter.answers:
            first, last = answer.line - 1 - self.offset, answer.end - self.offset
            lines[first:last] = [""] * (last - first)
        for block, slot in reversed(list(zip(chapter.blocks, data["blocks"], strict=True))):
            self._splice(lines, chapter, block, slot)
        self._header(lines, chapter, data)
        return lines

    def _splice(self, lines: list[str], chapter: Chapter, block: Block, slot: dict) -> None:
        fence = block.line - 1 - self.offset
        if not (0 <= fence < len(lines) and lines[fence].lstrip().startswith("```")):
            message = "the text was changed before its blocks were found"
            raise chapter.error(block.line, message, "report this")
        if shown := "".join(map(self._shown, slot["outputs"])):
            output = f'<div class="book-output" data-search-exclude>{shown}</div>'
            self._insert(lines, block.end - self.offset, block.indent, output)
        for above in range(fence - 1, -1, -1):
            if not re.match(r"\s*<!--.*-->\s*$", lines[above]):
                break
            lines[above] = ""
        if slot["state"] == "skipped":
            note = f'<p class="book-skip">Shown, not run here: {html.escape(block.mark.reason)}</p>'
            self._insert(lines, fence, block.indent, note)

    def _insert(self, lines: list[str], at: int, indent: str, text: str) -> None:
        lines[at:at] = ["", indent + self.md.htmlStash.store(text), ""]

    def _shown(self, output: dict) -> str:
        if output["kind"] != "figure":
            return box(output["kind"], output["text"])
        size = f'width="{output["width"]}" height="{output["height"]}" loading="lazy"'
        alt = html.escape(f"{output['alt']}. {output['desc']}".rstrip(". "))
        pair = "".join(
            f'<img src="{self.root}{FIGURES}/{figure_file(output, ink)[0]}#only-{ink}" alt="{alt}" {size}>'
            for ink in _INKS
        )
        return f'<figure class="book-figure">{pair}</figure>'

    def _header(self, lines: list[str], chapter: Chapter, data: dict) -> None:
        meta, parts = chapter.meta, []
        if meta.get("objectives"):
            goals = "".join(f"<li>{html.escape(goal)}</li>" for goal in meta["objectives"])
            parts.append('<p class="book-lead">After this page you can</p>')
            parts.append(f'<ul class="book-objectives">{goals}</ul>')
        needs = ", ".join(map(self._need, meta.get("needs") or []))
        facts = [f"Needs: {needs}"] if needs else []
        if "minutes" in meta:
            facts.append(f"{meta['minutes']} minutes")
        if chapter.blocks:
            facts.append(_proved(chapter, data))
        parts += [f'<p class="book-facts">{fact}</p>' for fact in facts]
        if chapter.blocks:
            page, repo = self.page.as_posix(), self.options["repo"] or os.environ.get("GITHUB_REPOSITORY", "")
            edit = f"{self.options['branch']}/{self.docs.name}/{page}.md"
            parts.append(buttons(page, self.root, repo, edit))
        heading = next((n for n, line in enumerate(lines) if line.startswith("# ")), None)
        if parts and heading is not None:
            more = reader.attributes(chapter, self.root)
            header = f'<div class="book-header" data-search-exclude{more}>{"".join(parts)}</div>'
            self._insert(lines, heading + 1, "", header)

    def _need(self, need: str) -> str:
        """A link to a page that is needed; its title alone where it is still to be written."""
        if not (self.docs / need).is_file():
            return html.escape(need)
        title = html.escape(load(self.docs / need).meta.get("title", need))
        end = "" if need.endswith("index.md") else "/" if self.options["directory_urls"] else ".html"
        return f'<a href="{self.root}{need.removesuffix("index.md").removesuffix(".md")}{end}">{title}</a>'


def _proved(chapter: Chapter, data: dict) -> str:
    """One line on the run: counts, versions, device, date."""
    pairs = zip(chapter.blocks, data["blocks"], strict=True)
    states = [slot["state"] for block, slot in pairs if not block.exercise]
    skipped = states.count("skipped")
    drills = len(exercises.groups(chapter))
    shown = {name: ".".join(v.split(".")[:2]) for name, v in data.get("versions", {}).items()}
    versions = ", ".join(f"{name} {version}" for name, version in shown.items())
    counts = f"{len(states) - skipped} blocks run, {skipped} skipped"
    counts += f", {drills} exercise{'s' * (drills > 1)} checked" if drills else ""
    facts = [counts, versions, data.get("device", ""), data.get("date", "")]
    return html.escape(", ".join(fact for fact in facts if fact))
