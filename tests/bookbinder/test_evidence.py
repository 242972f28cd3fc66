"""Numbers in prose and symbols in formulas, held against what the page shows and the notation page lists."""

from pathlib import Path

import pytest

from bookbinder import evidence
from bookbinder.chapter import load, parse
from bookbinder.check import pages

ROOT = Path(__file__).resolve().parents[2]
FRONT = "---\ntitle: T\ndescription: D.\nobjectives: [a, b, c]\nneeds: []\n---\n"
BLOCK = "\n```python\nx = 0.4712\ny = 10_000\n```\n"


def told(prose, shown="steps 719, share 0.98612, error 1.2e-10", block=BLOCK, path="docs/learning/x.md"):
    chapter = parse(FRONT + prose + "\n" + block, path)
    assert not chapter.faults, chapter.faults
    return [fault.message for fault in evidence.faults(chapter, shown, Path("nowhere"))]


@pytest.mark.parametrize(
    "prose",
    [
        "After 719 steps.",
        "A share of 0.986, or 0.99, or 98.6 %, or 99 %.",
        "The error is 1.2e-10.",
        "About 0.47 of 10,000.",
        "See chapter 12, sections 3 and 4, equation 5, pp. 77–79.",
        "It says `1234` and $5678$.",
        "In 1986 ([Rumelhart 1986](../reference/bibliography.md#rumelhart1986)) it began.",
        "![A picture](x-1234.png)",
        "<!-- claim: the size of a byte -->\nA byte has 256 values.",
        '!!! exercise "13 · A task"',
    ],
)
def test_a_number_that_the_page_supports(prose):
    assert told(prose) == []


@pytest.mark.parametrize(
    ("prose", "number"),
    [
        ("After 720 steps.", "720"),
        ("A share of 0.987.", "0.987"),
        ("A share of 0.9862.", "0.9862"),
        ("The error is 1.3e-10.", "1.3e-10"),
        ("It won 97.6 % of the time.", "97.6"),
        ("It began in 1986.", "1986"),
        ("That is 12,345, or so.", "12,345"),
        ("Down to −51.", "51"),
    ],
)
def test_a_number_that_nothing_supports(prose, number):
    assert told(prose) == [f"no output or code of this page shows the number {number}"]


def test_only_chapters_that_have_run_are_held_to_their_numbers():
    assert told("After 720 steps.", shown=None) == []
    assert told("After 720 steps.", path="docs/start/x.md") == []


def test_the_fault_stands_on_its_line():
    chapter = parse(FRONT + "# T\n\nAfter 720 steps.\n", "docs/learning/x.md")
    assert [fault.line for fault in evidence.faults(chapter, "", Path("nowhere"))] == [9]


@pytest.mark.parametrize(
    ("tex", "wanted"),
    [
        (r"\hat{y} = \sigma(w \cdot x + b)", {"y", r"\sigma", "w", "x", "b"}),
        (
            r"\mathbb{R}^n \ni \text{if } \max_i \theta_i",
            {r"\mathbb{R}".replace("{", "").replace("}", ""), "n", "i", r"\theta"},
        ),
        (r"\begin{equation} \operatorname{relu}(z) \label{eq:abc} \end{equation}", {"z"}),
        (r"\frac{\partial L}{\partial \mathcal N}", {r"\partial", "L", r"\mathcalN"}),
    ],
)
def test_symbols(tex, wanted):
    assert evidence.symbols(tex) == wanted


def test_a_symbol_that_the_notation_page_lacks(tmp_path):
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference" / "notation.md").write_text(
        FRONT + "| Symbol |\n| --- |\n| $x$ |\n", encoding="utf-8"
    )
    chapter = parse(FRONT + "# T\n\nLet $x$ and\n\n$$\nx + \\zeta\n$$\n", "docs/learning/x.md")
    (fault,) = evidence.faults(chapter, None, tmp_path)
    assert (fault.line, fault.message) == (12, r"the symbol \zeta is not on the notation page")


@pytest.mark.parametrize("page", pages(ROOT / "docs"), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_page_of_the_book(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    found = evidence.of_pages([load(page)], Path("docs"))
    assert not found, "\n".join(map(str, found))


@pytest.mark.parametrize(
    ("page", "held"), [("index", 1), ("start/a", 1), ("reference/a", 0), ("learning/a", 1)]
)
def test_the_first_pages_are_held_to_it_too(tmp_path, monkeypatch, page, held):
    monkeypatch.chdir(tmp_path)
    chapter = parse(FRONT + "# T\n\nIt took 719 steps.\n", f"docs/{page}.md")
    assert len(evidence.faults(chapter, "", Path("docs"))) == held
