"""Every fault of a page that can be told without running it, all at once and sorted."""

import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

from markdown.extensions.toc import slugify

from bookbinder import exercises, sync
from bookbinder.chapter import CODE_SPAN, Chapter, load
from bookbinder.math import check_math
from bookbinder.page import ELSEWHERE, PageError

_LINK = re.compile(r"(?<!\\)\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_ID = re.compile(r"\{[^}]*#([\w:.-]+)[^}]*\}\s*$")
# What an author may not write as raw HTML: scripts and styles break the page's policy, and addresses its promise.
_FORBIDDEN = {
    "a tag": re.compile(r"<\s*(script|style|iframe|object|embed|link|meta|base|form)\b", re.I),
    "an attribute": re.compile(r"<[a-z][^>]*\s(on\w+|style)\s*=", re.I),
    "an address": re.compile(
        r"<(img|video|audio|source|a)\b[^>]*\ssrc(set)?\s*=\s*[\"']?\s*(https?:)?//", re.I
    ),
}


def pages(docs: Path) -> list[Path]:
    """Markdown pages below a folder, in a fixed order."""
    return sorted(docs.rglob("*.md"))


def check(chapter: Chapter, docs: Path = Path("docs"), src: Path = Path("src")) -> list[PageError]:
    """Faults of one page, sorted by line.

    Args:
        chapter: The page.
        docs: Folder of the pages; links and `needs` are looked up there.
        src: Folder of the packages that synced blocks name.
    """
    file = Path(chapter.path)
    prose = [(n, CODE_SPAN.sub(lambda code: " " * len(code[0]), line)) for n, line in chapter.prose]
    found = [*chapter.faults, *exercises.faults(chapter), *sync.faults(chapter, src), *_needs(chapter, docs)]
    found += check_math(chapter.text, file) + _links(chapter, prose, docs) + _html(chapter, prose)
    if file.is_symlink() or docs.resolve() not in file.resolve().parents and docs in file.parents:
        found.append(chapter.error(1, "the page is a link out of its folder", "put the file itself there"))
    return sorted(found, key=lambda fault: (fault.line, fault.message))


def _needs(chapter: Chapter, docs: Path) -> list[PageError]:
    needs = [need for need in chapter.meta.get("needs") or [] if str(need).endswith(".md")]
    line = next((n for n, row in enumerate(chapter.text.split("\n"), 1) if row.startswith("needs:")), 1)
    advice = "name a page below docs/, or a planned chapter by its title"
    gone = [need for need in needs if not (docs / need).is_file()]
    return [chapter.error(line, f"needs: there is no page {need}", advice) for need in gone]


def _links(chapter: Chapter, prose: list[tuple[int, str]], docs: Path) -> list[PageError]:
    found = []
    for n, target in ((n, target) for n, line in prose for target in _LINK.findall(line)):
        if ELSEWHERE.match(target):
            continue
        path, _, anchor = unquote(target).partition("#")
        file = Path(chapter.path).parent / path if path else Path(chapter.path)
        generated = docs / "assets" / "figures" in file.parents
        if path.startswith("/") or not (file.exists() or generated):
            advice = "name a file relative to this one, such as ../learning/x.md"
            found.append(chapter.error(n, f"the link to {target} leads nowhere", advice))
        elif anchor and file.suffix == ".md" and anchor not in anchors(load(file) if path else chapter):
            found.append(chapter.error(n, f"{path or 'this page'} has no #{anchor}", "name a heading's id"))
    return found


def anchors(chapter: Chapter) -> set[str]:
    """Ids that a link may name on a page: its headings' and those set by {#id}."""
    found: set[str] = set()
    seen: Counter = Counter()
    for _, line in chapter.prose:
        explicit = _ID.search(line)
        found |= set(re.findall(r"#([\w:.-]+)", explicit[0])) if explicit else set()
        found |= set(re.findall(r"\bid=[\"']([^\"']+)", line))
        heading = re.match(r"#{1,6}\s+(.*?)\s*#*$", line)
        if heading and not explicit:
            slug = slugify(re.sub(r"[*_`]|\[([^]]*)\]\([^)]*\)", r"\1", heading[1]), "-")
            found.add(slug if not seen[slug] else f"{slug}_{seen[slug]}")
            seen[slug] += 1
    return found


def _html(chapter: Chapter, prose: list[tuple[int, str]]) -> list[PageError]:
    advice, say = "use Markdown, or a class of book.css", "raw HTML with {} that no page may have: {}"
    return [
        chapter.error(n, say.format(what, seen[0][:60]), advice)
        for n, line in prose
        for what, pattern in _FORBIDDEN.items()
        if (seen := pattern.search(line))
    ]
