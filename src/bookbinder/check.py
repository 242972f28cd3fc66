"""Every fault of a page that can be told without running it, all at once and sorted."""

import re
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote

from markdown import markdown
from markdown.extensions.toc import slugify

from bookbinder import code, course, exercises, form, layout, sync
from bookbinder.chapter import CODE_SPAN, LABS, Chapter, load
from bookbinder.math import check_math
from bookbinder.page import ELSEWHERE, PageError, front_matter_lines

_LINK = re.compile(r"(?<!\\)\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_GIVE_IDS = "toc attr_list md_in_html admonition tables def_list pymdownx.details pymdownx.tabbed".split()
_EXERCISE = re.compile(r'^(?:!!!|\?\?\?\+?) exercise "(\d+)\b', re.M)
_TITLE = re.compile(r"""(?:set_title|suptitle)\(\s*["']([^"'\n]+)["']""")
# What an author may not write as raw HTML: scripts and styles break the page's policy, and addresses its promise; code
# that is not in a fence would be shown and never run.
_FORBIDDEN = re.compile(
    r"""<\s*(script|style|iframe|object|embed|link|meta|base|form)\b | <[a-z][^>]*\s(on\w+|style)\s*=
    | <(pre|code|samp|textarea|template|xmp|listing|plaintext)\b
    | <(img|video|audio|source|a)\b[^>]*\ssrc(set)?\s*=\s*["']?\s*(https?:)?//
    | (\]\(|\]:|href\s*=)\s*["'<]?\s*(javascript|vbscript|data):""",
    re.I | re.X,
)


def pages(docs: Path) -> list[Path]:
    """Markdown pages and labs below a folder, in a fixed order."""
    return sorted([*docs.rglob("*.md"), *docs.rglob(f"{LABS}/*.py")])


def check(
    chapter: Chapter, docs: Path = Path("docs"), src: Path = Path("src"), kept: dict | None = None
) -> list[PageError]:
    """Faults of one page, sorted by line.

    Args:
        chapter: The page.
        docs: Folder of the pages; links and `needs` are looked up there.
        src: Folder of the packages that synced blocks name.
        kept: By page, what an earlier check found in its text alone; what this one finds is added.
    """
    kept = {} if kept is None else kept
    if chapter not in kept:
        kept[chapter] = _alone(chapter), layout.faults(chapter)
    alone, laid_out = kept[chapter]
    file = Path(chapter.path)
    found = [*alone, *sync.faults(chapter, src), *_needs(chapter, docs), *_links(chapter, docs)]
    found += course.faults_of(chapter, docs)
    if file.is_symlink() or docs.resolve() not in file.resolve().parents and docs in file.parents:
        found.append(chapter.wrong("page.outside", 1))
    other = file.with_suffix({".py": ".md", ".md": ".py"}.get(file.suffix, ""))
    if chapter.is_lab and other.suffix and other.exists():
        found.append(chapter.wrong("lab.twice", 1, other=other.name))
    told = {fault.line for fault in found}  # a line that is at fault is not read twice
    told |= set(range(front_matter_lines(chapter.text) + 1)) if 1 in told else set()
    found += [fault for fault in laid_out if fault.line not in told]
    return sorted(found, key=lambda fault: (fault.line, fault.message))


def _alone(chapter: Chapter) -> list[PageError]:
    """What the text of a page tells, whatever the other files are; its layout apart."""
    found = [*chapter.faults, *exercises.faults(chapter), *code.faults(chapter)]
    found += check_math(chapter.text, Path(chapter.path)) + form.faults(chapter)
    # The title is put into the page as it is.
    raw = [(n, _FORBIDDEN.search(row)) for n, row in [(1, str(chapter.meta)), *_prose(chapter)]]
    return found + [chapter.wrong("page.html", n, seen=seen[0][:60]) for n, seen in raw if seen]


def _prose(chapter: Chapter) -> list[tuple[int, str]]:
    return [(n, _without_code(line)) for n, line in chapter.prose]


def _without_code(line: str) -> str:
    return CODE_SPAN.sub(lambda code: " " * len(code[0]), line) if "`" in line else line


def _needs(chapter: Chapter, docs: Path) -> list[PageError]:
    book = course.of(docs)
    needs = [need for need in chapter.meta.get("needs") or [] if book.parts or str(need).endswith(".md")]
    line = next((n for n, row in enumerate(chapter.text.split("\n"), 1) if row.startswith("needs:")), 1)
    gone = [need for need in needs if not ((docs / str(need)).is_file() or book.entry(need))]
    return [chapter.wrong("page.needs", line, page=need) for need in gone]


def _links(chapter: Chapter, docs: Path) -> list[PageError]:
    links = [(n, target) for n, line in _prose(chapter) if "](" in line for target in _LINK.findall(line)]
    planned = {(n, target) for n, _, target in course.links(chapter) if _is_planned(chapter, target, docs)}
    links = [link for link in links if link not in planned]
    bad = {target: _link(chapter, target, docs) for target in {target for _, target in links}}
    return [chapter.wrong(bad[target][0], n, **bad[target][1]) for n, target in links if bad[target]]


def _is_planned(chapter: Chapter, target: str, docs: Path) -> bool:
    book = course.of(docs)
    entry = book.linked(book.page_of(chapter), target)
    return entry is not None and bool(entry.planned)


def _link(chapter: Chapter, target: str, docs: Path) -> tuple[str, dict] | None:
    """Rule that a link breaks, and the words of its message."""
    path, _, anchor = unquote(target).partition("#")
    file = Path(chapter.path).parent / path if path else Path(chapter.path)
    if ELSEWHERE.match(target):
        return None
    if path.startswith("/") or not (file.exists() or docs / "assets" / "figures" in file.parents):
        return "page.link", {"target": target}
    if anchor and file.suffix == ".md" and anchor not in anchors(load(file) if path else chapter):
        return "page.anchor", {"page": path or "this page", "anchor": anchor}


def figure_anchor(title: str) -> str:
    """Anchor of a figure with this title; of several titles, as its alternative text has them, the first counts."""
    return f"figure-{slugify(title.partition(';')[0], '-')}"


@lru_cache(maxsize=512)
def anchors(chapter: Chapter) -> set[str]:
    """Ids that a link may name on a page: its headings', exercises' and figures', and those that its author gave."""
    text = "\n".join(line for _, line in chapter.prose)
    made = {f"exercise-{number}" for number in _EXERCISE.findall(text)}
    made |= {figure_anchor(title) for block in chapter.blocks for title in _TITLE.findall(block.code)}
    return made | set(re.findall(r"""\bid=["']([^"']+)""", markdown(text, extensions=_GIVE_IDS)))
