"""Which page a Markdown extension is converting, and how its faults are named.

A Markdown extension sees a text without its file's name and without its front matter. The generator knows
both: under MkDocs the plugin calls `set_page` before each page, under Zensical the page hangs on the Markdown
object.
"""

import re
from contextvars import ContextVar
from pathlib import Path

from markdown import Markdown

FRONT_MATTER = re.compile(r"-{3}[ \t]*\n(?:.*?\n)?(?:\.{3}|-{3})[ \t]*(?:\n+|\Z)", re.DOTALL)
ELSEWHERE = re.compile(r"[a-z][a-z+.-]*:|//", re.I)  # the address of a link that is not to a file of ours
_page: ContextVar[tuple[str, int] | None] = ContextVar("page", default=None)


class PageError(Exception):
    """A fault on a page: where it stands, what is wrong, and what to write instead.

    Args:
        file: the page as users know it, such as docs/learning/x.md.
        line: counted from 1 at the top of the file.
        message: what was seen.
        advice: what to write instead.
    """

    def __init__(self, file: str, line: int, message: str, advice: str):
        super().__init__(file, line, message, advice)
        self.file, self.line, self.message, self.advice = file, line, message, advice

    def __str__(self) -> str:
        return f"{self.file}:{self.line}  {self.message}  {self.advice}"


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
