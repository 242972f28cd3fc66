"""Every fault of a page that can be told without running it, all at once and sorted."""

import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

from markdown.extensions.toc import slugify

from bookbinder import exercises, sync
from bookbinder.chapter import Chapter, load
from bookbinder.math import check_math
from bookbinder.page import PageError

_CODE = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
_LINK = re.compile(r"(?<!\\)\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_ID = re.compile(r"\{[^}]*#([\w:.-]+)[^}]*\}\s*$")
# What an author may not write as raw HTML: scripts and styles break the page's policy, and addresses its promise.
_FORBIDDEN = re.compile(r"<\s*(script|style|iframe|object|embed|link|meta|base|form)\b", re.I)
_HANDLER = re.compile(r"<[a-z][^>]*\s(on\w+|style)\s*=", re.I)
_FOREIGN = re.compile(
    r"<(?:img|video|audio|source|a)\b[^>]*\ssrc(?:set)?\s*=\s*[\"']?\s*(?:https?:)?//", re.I
)


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
    found = [*chapter.faults, *exercises.faults(chapter), *sync.faults(chapter, src), *_needs(chapter, docs)]
    file = Path(chapter.path)
    if chapter.text:
        found += check_math(chapter.text, file)
        prose = list(_prose(chapter))
        found += _links(chapter, prose, docs) + _html(chapter, prose)
    if file.is_symlink() or docs.resolve() not in file.resolve().parents and docs in file.parents:
        found.append(
            PageError(chapter.path, 1, "the page is a link out of its folder", "put the file itself there")
        )
    return sorted(found, key=lambda fault: (fault.line, fault.message))


def _needs(chapter: Chapter, docs: Path) -> list[PageError]:
    needs = chapter.meta.get("needs") or []
    gone = [
        need
        for need in needs
        if isinstance(need, str) and need.endswith(".md") and not (docs / need).is_file()
    ]
    line = next((n for n, row in enumerate(chapter.text.split("\n"), 1) if row.startswith("needs:")), 1)
    advice = "name a page below docs/, or a planned chapter by its title"
    return [PageError(chapter.path, line, f"needs: there is no page {need}", advice) for need in gone]


def _prose(chapter: Chapter):
    """(line number, text) of each line outside fences and front matter, inline code and comments blanked."""
    fence, front, comment = "", chapter.text.startswith("---\n"), False
    for n, line in enumerate(chapter.text.split("\n"), 1):
        ticks = re.match(r"\s*(`{3,}|~{3,})", line)
        if front:
            front = not (n > 1 and line.rstrip() == "---")
        elif fence:
            fence = "" if ticks and ticks[1].startswith(fence) else fence
        elif ticks:
            fence = ticks[1]
        elif comment or line.lstrip().startswith("<!--"):
            comment = "-->" not in line
        else:
            yield n, _CODE.sub(lambda m: " " * len(m[0]), line)


def _links(chapter: Chapter, prose: list[tuple[int, str]], docs: Path) -> list[PageError]:
    found = []
    for n, line in prose:
        for target in _LINK.findall(line):
            if re.match(r"[a-z][a-z+.-]*:|//", target, re.I):
                continue
            path, _, anchor = unquote(target).partition("#")
            file = (Path(chapter.path).parent / path) if path else Path(chapter.path)
            generated = docs / "assets" / "figures" in file.parents
            if path.startswith("/") or not (file.exists() or generated):
                advice = "name a file relative to this one, such as ../learning/x.md"
                found.append(PageError(chapter.path, n, f"the link to {target} leads nowhere", advice))
            elif (
                anchor and file.suffix == ".md" and anchor not in anchors(chapter if not path else load(file))
            ):
                found.append(
                    PageError(
                        chapter.path, n, f"{path or 'this page'} has no #{anchor}", "name a heading's id"
                    )
                )
    return found


def anchors(chapter: Chapter) -> set[str]:
    """Ids that a link may name on a page: its headings' and those set by {#id}."""
    found: set[str] = set()
    seen: Counter = Counter()
    rows = chapter.text.split("\n")
    for line in (rows[n - 1] for n, _ in _prose(chapter)):
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
    found = []
    for n, line in prose:
        for pattern, what in ((_FORBIDDEN, "a tag"), (_HANDLER, "an attribute"), (_FOREIGN, "an address")):
            seen = pattern.search(line)
            if seen:
                message = f"raw HTML with {what} that no page may have: {seen[0][:60]}"
                found.append(PageError(chapter.path, n, message, "use Markdown, or a class of book.css"))
    return found
