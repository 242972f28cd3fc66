"""Which page a Markdown extension is converting, and how its faults are named.

A Markdown extension sees a text without its file's name and without its front matter. The generator knows
both: under MkDocs the plugin calls `set_page` before each page, under Zensical the page hangs on the Markdown
object.
"""

import re
import tomllib
from contextvars import ContextVar
from pathlib import Path

from markdown import Markdown

FRONT_MATTER = re.compile(r"-{3}[ \t]*\n(?:.*?\n)?(?:\.{3}|-{3})[ \t]*(?:\n+|\Z)", re.DOTALL)
ELSEWHERE = re.compile(r"[a-z][a-z+.-]*:|//", re.I)  # the address of a link that is not to a file of ours


def table(name: str) -> dict:
    """What a table of data beside this module holds."""
    return tomllib.loads(Path(__file__).with_name(f"{name}.toml").read_text(encoding="utf-8"))


FAULTS, SITE = table("faults"), table("site")
_page: ContextVar[tuple[str, int] | None] = ContextVar("page", default=None)


class PageError(Exception):
    """A fault on a page: where it stands, what is wrong, and what to write instead.

    Args:
        file: the page as users know it, such as docs/learning/x.md.
        line: counted from 1 at the top of the file.
        message: what was seen.
        advice: what to write instead.
        excerpt: the block that failed, its lines numbered and the failing one marked.
    """

    def __init__(self, file: str, line: int, message: str, advice: str, excerpt: str = ""):
        super().__init__(file, line, message, advice)
        self.file, self.line, self.message, self.advice, self.excerpt = file, line, message, advice, excerpt

    def __str__(self) -> str:
        again = f"\n{self.excerpt}\n    run it alone: make check FILE={self.file}" if self.excerpt else ""
        return f"{self.file}:{self.line}  {self.message}  {self.advice}{again}"

    def annotation(self) -> str:
        """The fault as GitHub shows it beside the line of a change."""
        said = f"{self.message}  {self.advice}".replace("%", "%25").replace("\n", "%0A")
        return f"::error file={self.file},line={self.line}::{said}"


def fault(rule: str, file: str, line: int, **words) -> PageError:
    """The fault of a rule of faults.toml.

    Args:
        rule: section and name, such as fence.open.
        file: the page as users know it.
        line: counted from 1 at the top of the file.
        words: what fills the names in the rule's text.
    """
    section, name = rule.split(".")
    message, advice = (text.format(**words) for text in FAULTS[section][name])
    return PageError(file, line, message, advice)


def front_matter_lines(text: str) -> int:
    """Number of lines that a generator strips from the top of a file before it converts the rest.

    Args:
        text: the whole file.
    """
    match = FRONT_MATTER.match(text.replace("\r\n", "\n"))
    return match[0].count("\n") if match else 0


def show(path: Path) -> str:
    """The path as users write it: relative to the working directory where it lies below it, with slashes."""
    below = path.is_absolute() and path.is_relative_to(Path.cwd())
    return (path.relative_to(Path.cwd()) if below else path).as_posix()


def set_page(path: Path | None, source_text: str = "") -> None:
    """Names the page that is converted next.

    Args:
        path: the page's file, or None when no page is being converted.
        source_text: the whole file, front matter included.
    """
    _page.set(None if path is None else (show(path), front_matter_lines(source_text)))


def under_zensical(md: Markdown) -> bool:
    """Whether Zensical is converting, which hangs its page on the Markdown object."""
    return "rendering_context" in md.preprocessors


def where(md: Markdown) -> tuple[str, int]:
    """The page that `md` is converting, and the number of lines missing above its text.

    Args:
        md: the Markdown object, which under Zensical knows its page.

    Returns:
        The path shown to users, and the offset to add to a line of the text. Without a page: `("<text>", 0)`.
    """
    if not under_zensical(md):
        return _page.get() or ("<text>", 0)
    context = md.preprocessors["rendering_context"]
    folder = Path(context.config.get("root_dir", ""), context.config.get("docs_dir", "docs"))
    file = folder / context.page.path
    return show(file), front_matter_lines(file.read_text(encoding="utf-8")) if file.is_file() else 0
