"""`make serve`: what one build leaves to the next, so that an edit costs its own page and not the book.

MkDocs builds dirty then: it passes over a page whose file in the site is there, and not older than its source. Which
pages are stale is told here by what they are made of, and their files are taken out of the site. Of a page that is
passed over the menus still need the title and the front matter.

What one page says of others (the counts on the home page, *Cited in*, the search) waits for the next build of all
pages. Titles and numbers do not: a change of any front matter, of the list of pages, or of what is not a page builds
all of them, and so does a touch of the configuration.
"""

import logging
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bookbinder import cache, course
from bookbinder.chapter import Chapter
from bookbinder.page import PageError

if TYPE_CHECKING:  # binding imports this module, and works without MkDocs
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

    from bookbinder.runner import Result

API = "reference/api"  # its pages link to each other, and only a build of all knows where each name stands
_ALONE = (
    "Built alone: %s. The search, and what other pages say of it (counts on the home page, Cited in, sources in the "
    "API), follow when all are built: touch %s"
)
_ALL = "All pages are built: front matter, the list of pages or what is not a page has changed"


@dataclass
class Kept:
    """What is known of the last build: what its pages were made of, and what menus show of them.

    `stale` holds the paths of the pages that this build makes; None stands for all.
    """

    checked: dict[Chapter, tuple[list[PageError], list[PageError]]] = field(default_factory=dict)
    results: dict[Chapter, "Result"] = field(default_factory=dict)
    stale: set[str] | None = None
    _shown: dict[str, tuple[str | None, MutableMapping]] = field(default_factory=dict)
    _state: str = ""
    _made_of: dict[str, tuple] = field(default_factory=dict)
    _next: tuple[str, dict[str, tuple]] = "", {}  # what the last two are when this build is done

    def begin(self, chapters: list[Chapter], config: "MkDocsConfig") -> None:
        """Forget all pages if something has changed that each may depend on."""
        state = _state(chapters, config)
        same = state == self._state
        self.stale = set() if same else None
        self._state = (
            state if same else ""
        )  # if this build fails, the next one makes all pages, whatever is undone
        for chapter in self.checked.keys() - set(chapters if same else ()):
            self.checked.pop(chapter)
            self.results.pop(chapter, None)
        self._next = state, {}

    def compare(self, chapters: list[Chapter], faults: list[PageError]) -> None:
        """Tell which pages are stale, after all have been checked and run."""
        wrong = {
            chapter.path: [str(fault) for fault in faults if fault.file == chapter.path]
            for chapter in chapters
        }
        made_of = {each.path: (each, wrong[each.path], self.results.get(each)) for each in chapters}
        if self.stale is not None:
            self.stale = {path for path, parts in made_of.items() if self._made_of.get(path) != parts}
        self._next = self._next[0], made_of

    def makes(self, path: str) -> bool:
        """Whether this build makes a page."""
        return self.stale is None or path in self.stale

    def show(self, page: "Page", path: str) -> None:
        """Give a page that this build passes over what menus show of it."""
        if not self.makes(path) and path in self._shown:
            page.title, page.meta = self._shown[path]

    def shown(self, page: "Page", path: str) -> None:
        """Note what menus show of a page that is made."""
        self._shown[path] = page.title, page.meta

    def done(self, config: "MkDocsConfig", say: logging.Logger) -> None:
        """The site is as it should be; say what waits."""
        if self.stale:
            say.info(_ALONE, ", ".join(sorted(self.stale)), Path(config.config_file_path).name)
        elif self.stale is None and self._made_of:
            say.info(_ALL)
        self._state, self._made_of = self._next


def _state(chapters: list[Chapter], config: "MkDocsConfig") -> str:
    """Hash of what any page may depend on: of all that is not a page, of front matter, and of which pages there are."""
    docs, settings = Path(config.docs_dir), Path(config.config_file_path)
    folders = [docs / API, *([Path(config.theme.custom_dir)] if config.theme.custom_dir else [])]
    files = [file for folder in folders for file in sorted(folder.rglob("*"))]
    pages = repr([(chapter.path, chapter.meta) for chapter in chapters])
    touched = str(settings.stat().st_mtime_ns)
    return cache.digest(cache.surroundings(), touched, pages, settings, docs.parent / course.FILE, *files)


def quiet(record: logging.LogRecord) -> bool:
    """Keep back MkDocs' warning that a dirty build misleads: what waits is said here."""
    return "'dirty' build" not in str(record.msg)
