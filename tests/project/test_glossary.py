"""The glossary: in order, each entry once and with a link, and no term of a chapter missing."""

import re

from bookbinder import course
from bookbinder.chapter import load
from conftest import ROOT

ENTRY = re.compile(r"^\[([^\]]+)\]\((\S+#\S+)\)\n: {3}(\S.*)$", re.M)
BOLD = re.compile(r"\*\*(.+?)\*\*")
TEXT = (ROOT / "docs/reference/glossary.md").read_text(encoding="utf-8")
ENTRIES = ENTRY.findall(TEXT)
# Bold, and no terms: emphasis, names of this book's own, parts of a list, and words whose term has another name.
EXCEPT = {
    *("train", "deeply cascaded non-linearities", "computational tricks"),
    *(
        "A closed form",
        "PyTorch",
        "only differences of scores count",
        "Step",
        "Cosine",
        "input",
        "all routes",
        "48",
    ),
    *("exist", "training", "between", "outside", "optimisation", "fan-out on the way down", "The MLP"),
    *("Targets that are not shifted", "Both are added", "compare models per byte", "restoring", "divergence"),
    *("adds up in float32", "By columns", "By rows", "it was not run here", "The gradient"),
}


def plain(term: str) -> str:
    """A term as two spellings of it are compared: without case and marks."""
    return re.sub(r"[^a-z0-9]", "", term.casefold())


def stem(term: str) -> str:
    return plain(term).removesuffix("s")


def terms() -> dict[str, str]:
    """What stands in bold in the chapters and can be a term: not a sentence, a formula or the head of a paragraph."""
    pages = ["start/index.md", "start/refresher.md", *course.of(ROOT / "docs").entries]
    found = {}
    for page in pages:
        for line, text in load(ROOT / "docs" / page).prose:
            for term in BOLD.findall(text):
                if len(term.split()) <= 5 and term[-1] not in ".?:" and "$" not in term:
                    found.setdefault(term, f"{page}:{line}")
    return found


def test_entries_are_in_order_and_unique():
    names = [plain(name) for name, _, _ in ENTRIES]
    assert len(names) == TEXT.count("\n:   ") > 100  # the pattern has seen all of them
    assert names == sorted(set(names))
    letters = re.findall(r"^## (.)$", TEXT, re.M)
    assert letters == sorted({name[0].upper() for name in names})


def test_every_entry_is_one_line_that_ends_with_a_stop():
    assert [name for name, _, text in ENTRIES if not text.endswith(".")] == []


def test_every_term_of_a_chapter_has_an_entry():
    known = {stem(part) for name, _, _ in ENTRIES for part in name.split(", ")}
    missing = {term: at for term, at in terms().items() if stem(term) not in known}
    assert {term: at for term, at in missing.items() if term not in EXCEPT} == {}


def test_every_exception_is_still_needed():
    known = {stem(part) for name, _, _ in ENTRIES for part in name.split(", ")}
    assert {term for term in EXCEPT if term not in terms() or stem(term) in known} == set()
