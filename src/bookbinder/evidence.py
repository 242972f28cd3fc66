"""What a page says against what it shows: numbers against outputs and code, symbols against the notation page."""

import re
from pathlib import Path

from bookbinder import cache, course
from bookbinder.chapter import CODE_SPAN, Chapter, load
from bookbinder.math import Maths
from bookbinder.page import PageError
from bookbinder.predict import bare

NOTATION = Path("reference", "notation.md")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:[,_]\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?(?!\w)", re.I)
# Numbers that count no result: places in a text, and links with what they are called.
_PLACE = re.compile(
    r"\b(?:chapters?|sections?|exercises?|exhibits?|equations?|figures?|parts?|pages?|pp?\.|volumes?|python|unit)\s*"
    r"\d[\d.]*(?:(?:,| and| to|–|-)\s*\d[\d.]*)*|\]\([^)]*\)|<[^>]*>|^\s*(?:\d+\.|(?:!!!|\?\?\?).*)|\{[^}]*\}",
    re.I,
)
_CITED = re.compile(r"\]\([^)]*bibliography\.md#|\]\(https?://|\[\^")
_MARK = re.compile(r"\s*<!--\s*claim:\s*\S.*-->\s*$")
_WORDS = re.compile(r"\\(?:text|operatorname\*?|label|eqref|begin|end|mathrm|mathtt|tag)\s*\{[^}]*\}")
_SYMBOL = re.compile(r"\\math(?:bb|cal|bf|frak)\s*\{?\s*\w\s*\}?|\\[a-zA-Z]+|[a-zA-Z]")
_GREEK = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta kappa lambda mu nu xi pi rho sigma tau phi "
    "varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega nabla partial"
).split()


def of_pages(chapters: list[Chapter], docs: Path) -> list[PageError]:
    """Faults of several pages, each held to what its last run put out, if that is kept."""
    runs = [(chapter, cache.read(cache.key(chapter))) for chapter in chapters]
    return [
        fault for chapter, data in runs for fault in faults(chapter, outputs(data) if data else None, docs)
    ]


def outputs(data: dict) -> str:
    """All text that a run put out: printed text, values, tables, and the titles of figures."""
    shown = [output for block in data["blocks"] for output in block.get("outputs", ())]
    return "\n".join(output.get(kind, "") for output in shown for kind in ("text", "html", "alt"))


def faults(chapter: Chapter, shown: str | None, docs: Path = Path("docs")) -> list[PageError]:
    """Numbers that nothing on the page supports, and symbols that the notation page lacks.

    Args:
        chapter: The page; chapters, the home page and Start here are checked.
        shown: All text that its blocks put out (see `outputs`), or None: then only symbols are checked.
        docs: Folder of the pages.
    """
    if chapter.faults or not (chapter.in_part or _is_first(chapter, docs)):
        return []
    found = [] if shown is None else _numbers(chapter, shown)
    table = docs / NOTATION
    return found + (_symbols(chapter, table) if table.is_file() else [])


def _is_first(chapter: Chapter, docs: Path) -> bool:
    """Whether a page is the home page or one of Start here, which promise what the chapters keep."""
    page = Path(chapter.path)
    return page == docs / "index.md" or page.parent == docs / "start"


def _numbers(chapter: Chapter, text: str) -> list[PageError]:
    shown = [
        float(_plain(n))
        for n in _NUMBER.findall(_ascii("\n".join([text, *(b.code for b in chapter.blocks)])))
    ]
    lines, rows = chapter.text.split("\n"), _without_formulas(chapter)
    found, listed = [], course.map_lines(chapter)
    choices = {choice.line: choice for asked in chapter.questions() for choice in asked.choices}
    for n, _ in chapter.prose:
        exempt = n in listed or n in choices and not choices[n].right  # a wrong choice says what is not so
        if exempt or _CITED.search(lines[n - 1]) or _MARK.match(lines[n - 2]):
            continue
        row = bare(rows[n - 1]) if n in choices else rows[n - 1]
        row = _PLACE.sub(" ", CODE_SPAN.sub(" ", row))
        for said in _NUMBER.finditer(_ascii(row)):
            if not _supported(_plain(said[0]), row[said.end() :].lstrip()[:1] == "%", shown):
                message = f"no output or code of this page shows the number {said[0]}"
                advice = "print or assert it, cite a source on the line, or put <!-- claim: why --> above"
                found.append(PageError(chapter.path, n, message, advice))
    return found


def _supported(said: str, percent: bool, shown: list[float]) -> bool:
    """Whether a shown number, rounded as the prose rounds, is the one said."""
    mantissa, _, power = said.partition("e")
    half = 0.5 * 10.0 ** (int(power or 0) - len(mantissa.partition(".")[2]))
    close = lambda value, unit: abs(value * unit - float(said)) <= half * (1 + 1e-9)
    return any(close(value, 1) or percent and close(value, 100) for value in shown)


def _symbols(chapter: Chapter, table: Path) -> list[PageError]:
    known = {s for formula in _maths(load(table)).formulas for s in symbols(formula.tex)}
    maths, found, told = _maths(chapter), [], set()
    for formula in maths.formulas:
        line = maths.text.count("\n", 0, formula.at) + 1
        for symbol in sorted(symbols(formula.tex) - known - told):
            told.add(symbol)
            advice = f"add a row to {table.as_posix()}: symbol, meaning, shape, name in code"
            found.append(
                PageError(chapter.path, line, f"the symbol {symbol} is not on the notation page", advice)
            )
    return found


def symbols(tex: str) -> set[str]:
    """Letters of a formula: Latin, Greek, blackboard and calligraphic; not words, names of functions or layout."""
    names = (name.strip() for name in _SYMBOL.findall(_WORDS.sub(" ", tex)))
    return {
        re.sub(r"[\s{}]", "", name)
        for name in names
        if not name.startswith("\\") or name.startswith("\\math") or name[1:] in _GREEK
    }


def _maths(chapter: Chapter) -> Maths:
    return Maths(chapter.text, chapter.path)


def _without_formulas(chapter: Chapter) -> list[str]:
    text = chapter.text
    for formula in reversed(_maths(chapter).formulas):
        blank = re.sub(r"[^\n]", " ", text[formula.start : formula.end])
        text = text[: formula.start] + blank + text[formula.end :]
    return text.split("\n")


def _ascii(text: str) -> str:
    return text.replace("\N{MINUS SIGN}", "-").replace("\N{NO-BREAK SPACE}", " ")


def _plain(number: str) -> str:
    return number.replace(",", "").replace("_", "").lower()
