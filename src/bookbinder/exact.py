"""Which printed numbers are the same everywhere: what blocks printed on several platforms, compared.

A record holds for one platform what each block printed, under a hash of the block's program, so that a block which has
changed since is not in it. `python -m bench outputs` makes records. The first one, `build`, is what the others are
compared with: it holds texts, the others a hash where the text is the same.
"""

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path

from bookbinder import cache, course, reader
from bookbinder.chapter import Block, Chapter, load
from bookbinder.check import anchors, pages, slugify

RECORDS = Path("reference", "records")
FIRST = "build"
PLATFORMS = "<!-- platforms with a record, written by the build -->"
CHAPTERS = "<!-- which numbers are exact, counted by the build -->"
TOLERANCE, NOISE = 1e-3, 1e-6  # as in docs/assets/js/run.js
NOT_RUN = ("Windows", "macOS", "Colab itself", "a GPU")
ASIDE = "contribute"
_NUMBER = re.compile(
    r"(?<![\w.])[-+]?(?:\d{1,3}(?:,\d{3})+(?![\d,])(?:\.\d*)?|\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?(?!\w)", re.I
)
_TITLE = re.compile(r"--- +\S")  # above a frame of a slider
_OTHER = math.inf
_KINDS = ("the same text", "three digits", "other numbers")


def compared(one: str, other: str) -> float:
    """How far two printed texts differ: the largest relative difference of two numbers.

    Zero is for the same text, infinity for other words and for numbers that differ by more than `TOLERANCE`. Two
    numbers below `NOISE` are rounding errors, however they differ.
    """
    if one == other:
        return 0.0
    words = [re.sub(r"\s+", "", _NUMBER.sub("#", text)) for text in (one, other)]
    if words[0] != words[1]:
        return _OTHER
    found = 2.0**-52
    numbers = [[float(n.replace(",", "")) for n in _NUMBER.findall(text)] for text in (one, other)]
    for a, b in zip(*numbers, strict=True):
        size = max(abs(a), abs(b))
        if size >= NOISE:
            found = max(found, abs(a - b) / size)
    return found if found <= TOLERANCE else _OTHER


def plain(text: str) -> str:
    """A printed text without blank lines, titles of frames, and blanks at the ends of lines."""
    rows = (row.rstrip() for row in text.split("\n"))
    return "\n".join(row for row in rows if row and not _TITLE.match(row))


def text_of(outputs: list[dict]) -> str:
    """What a block printed, if there is a number in it; "" for tables, which have no text in a browser."""
    kinds = [output["kind"] for output in outputs]
    text = plain("\n".join(o["text"] for o in outputs if o["kind"] in ("stdout", "result")))
    return text if _NUMBER.search(text) and "html" not in kinds else ""


def blocks(chapter: Chapter) -> dict[str, Block]:
    """Blocks of a page that may print numbers, by the hash of their program; not those that print versions."""
    code = [block.code for block in chapter.blocks]
    programs = zip(chapter.blocks, reader.chains(chapter), strict=True)
    return {
        cache.digest(*(code[n] for n in chain))[:10]: block
        for block, chain in programs
        if not block.exercise and "__version__" not in block.code
    }


def printed(chapter: Chapter, data: dict) -> dict[str, str]:
    """Printed texts of a run, by the hash of their program; a block that was not reached is not there."""
    slots = dict(zip(map(id, chapter.blocks), data["blocks"], strict=True))
    found = {key: slots[id(block)] for key, block in blocks(chapter).items()}
    return {
        key: text
        for key, slot in found.items()
        if slot["state"] in ("run", "raised") and (text := text_of(slot["outputs"]))
    }


def short(texts: dict[str, str], first: dict[str, str]) -> dict[str, str]:
    """What a record keeps of texts: those that are as in the first record by their hash, with a # before it."""
    return {key: _mark(text) if first[key] == text else text for key, text in texts.items() if first.get(key)}


def _mark(text: str) -> str:
    return f"#{cache.digest(text)[:8]}"


def records(docs: Path) -> dict[str, dict]:
    """The records by name, the first one first."""
    files = sorted((docs / RECORDS).glob("outputs-*.json"), key=lambda f: (f.stem != f"outputs-{FIRST}", f))
    return {f.stem.partition("-")[2]: json.loads(f.read_text(encoding="utf-8")) for f in files}


def difference(record: dict, first: dict, key: str) -> float | None:
    """How far a block of a record differs from the first one; None where one of them has no row for it."""
    kept, text = record["blocks"].get(key), first["blocks"].get(key)
    if kept is None or text is None:
        return None
    if kept.startswith("#"):  # None if it has been the same as a text that is no longer there
        return 0.0 if kept == _mark(text) else None
    return compared(kept, text)


def _counts(found: list[float]) -> list[str]:
    near = [x for x in found if 0 < x < _OTHER]
    rounding = f"{len(near)} (up to {max(near):.0e})" if max(near, default=0) > 1e-15 else f"{len(near)}"
    return [f"{found.count(0.0)}", rounding, f"{found.count(_OTHER)}"]


def _table(head: Sequence[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _platforms(first: dict, alike: int, others: dict[str, dict], apart: dict[str, list[float]]) -> list[str]:
    """A row for each record, and one for each platform without."""
    machine = lambda r: [r["title"], r["processor"], r["python"], r["numpy"], r["torch"], r["date"]]
    rows = [[*machine(first), str(alike), *"–––"]]
    rows += [[*machine(r), str(len(apart[name])), *_counts(apart[name])] for name, r in others.items()]
    rows += [[name, *"–––––", "not run", *"–––"] for name in NOT_RUN]
    named = ["platform", "processor", "Python", "NumPy", "PyTorch", "date"]
    return _table([*named, "blocks", *_KINDS], rows)


def written(docs: Path) -> dict[str, list[str]]:
    """Lines of Markdown for each of the two marks, for a page in the folder of reference pages."""
    known = records(docs)
    first, others = known.get(FIRST), {name: r for name, r in known.items() if name != FIRST}
    if not first:
        return {PLATFORMS: ["No record has been made."], CHAPTERS: []}
    book = course.of(docs)
    read = [load(file) for file in pages(docs) if file.relative_to(docs).parts[0] != ASIDE]
    order = [*book.entries]
    place = lambda page: (order.index(page) if page in order else len(order), page)
    keys = {book.page_of(chapter): (chapter, blocks(chapter)) for chapter in read if chapter.blocks}
    apart: dict[str, list[float]] = {name: [] for name in others}  # by record: the differences of all blocks
    rows, other = [], []
    for page in sorted(keys, key=place):
        chapter, here = keys[page]
        worst = []
        for key, block in here.items():
            tried = {name: difference(record, first, key) for name, record in others.items()}
            found = {name: x for name, x in tried.items() if x is not None}
            for name, x in found.items():
                apart[name].append(x)
            if found:
                worst.append(max(found.values()))
                where = [others[name]["title"] for name, x in found.items() if x == _OTHER]
                if where:
                    other.append(f"- {_link(book, page, chapter, block)}: {', '.join(where)}")
        alone = sum(key in first["blocks"] for key in here) - len(worst)
        if worst or alone:
            rows.append(
                [f"[{_label(book, page, chapter)}](../{page})", str(len(worst)), *_counts(worst), str(alone)]
            )
    alike = sum(len(set(first["blocks"]) & set(here)) for _, here in keys.values())
    by_page = _table(["page", "blocks compared", *_KINDS, "compared with none"], rows)
    named_blocks = ["", "### The blocks with other numbers", "", *dict.fromkeys(other)]
    return {
        PLATFORMS: _platforms(first, alike, others, apart),
        CHAPTERS: [*by_page, *(named_blocks if other else [])],
    }


def _label(book: course.Course, page: str, chapter: Chapter) -> str:
    return str(chapter.meta["title"]) if chapter.is_lab else book.label(page)


def _link(book: course.Course, page: str, chapter: Chapter, block: Block) -> str:
    """The section of a block as a link."""
    heads = [row.strip("# ") for n, row in chapter.prose if n < block.line and re.match(r"##+ ", row)]
    head, _, given = heads[-1].partition(" {#") if heads else ("", "", "")
    anchor = given.rstrip("}") or slugify(head.replace("`", ""), "-")
    there = f"#{anchor}" if anchor in anchors(chapter) else ""
    return f"[{_label(book, page, chapter)}{f', {head}' if there else ''}](../{page}{there})"
