"""What the tests may cost: each belongs to a kind with minutes of its own; what is sampled is chosen by commit."""

import re
from types import SimpleNamespace

import pytest

import minutes
import sampling
from conftest import ROOT


def test_the_kinds_stay_within_what_the_book_may_cost():
    for run, most in minutes.TOTAL.items():
        assert sum(row["minutes"] for row in minutes.KINDS.values() if row["run"] == run) <= most
    files = [file for row in minutes.KINDS.values() for file in row["files"]]
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_the_page_on_the_build_shows_the_allotment():
    text = (ROOT / "docs/contribute/how-it-is-built.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+) \| (.*?) \| (\d+) \| \S+ \|$", text, re.M)
    wanted = [(name, row["does"], str(row["minutes"])) for name, row in minutes.KINDS.items()]
    assert rows == wanted


@pytest.mark.parametrize(
    ("file", "run", "kind"),
    [
        ("tests/chainrule/test_ops.py", "test", "engine"),
        ("tests/chainrule/test_samples.py", "deep", "proofs"),
        ("tests/bookbinder/test_codeblocks.py", "test", "blocks"),
        ("tests/bookbinder/test_math.py", "test", "binder"),
        ("tests/site/test_pages.py", "test", "pages"),
        ("tests/site/test_pages.py", "deep", "narrow"),
        ("tests/new/test_x.py", "test", ""),
        ("tests/sitemap/test_x.py", "test", ""),
    ],
)
def test_a_file_belongs_to_the_first_kind_that_names_it(file, run, kind):
    assert minutes.kind_of(file, run) == kind


def test_a_test_of_no_kind_is_refused():
    item = SimpleNamespace(nodeid="tests/new/test_x.py::test_a", get_closest_marker=lambda name: None)
    with pytest.raises(pytest.UsageError, match="tests/new/test_x.py is of no kind"):
        minutes.Minutes(1).pytest_collection_modifyitems([item])


def test_each_kind_is_told_with_what_it_took_and_may_take():
    told, lines = minutes.Minutes(2), []
    for seconds, name in (
        (600, "tests/site/test_pages.py::test_a[/]"),
        (60, "tests/project/test_x.py::test_b"),
    ):
        told.pytest_runtest_logreport(
            SimpleNamespace(nodeid=name, keywords={}, duration=seconds, when="call")
        )
    told.pytest_runtest_logreport(
        SimpleNamespace(nodeid="tests/site/test_pages.py::test_a[/]", keywords={}, duration=600, when="setup")
    )
    told.pytest_terminal_summary(SimpleNamespace(write_line=lines.append))
    assert (
        lines[1].split()[:6] == ["10.0", "of", str(minutes.KINDS["pages"]["minutes"]), "pages", "1", "tests"]
        and "more than allotted" in lines[1]
    )
    assert lines[2].split() == ["0.5", "of", "1", "project", "1", "tests"]


@pytest.fixture
def commits(monkeypatch):
    """What git says of the last commit."""
    said = {"rev-parse": "abc", "diff": "docs/start/index.md\ndocs/learning/x.md\n"}
    monkeypatch.setattr(sampling, "git", lambda word, *rest: said[word])
    monkeypatch.delenv("WHOLE", raising=False)
    return said


PAGES = ["/", "/start/", *(f"/learning/{name}/" for name in "abcdefghx")]


def test_a_sample_is_what_was_changed_and_a_choice_by_commit(commits):
    chosen = sampling.sample(PAGES, 5)
    assert len(chosen) == 5 and chosen == [page for page in PAGES if page in chosen]
    assert {"/start/", "/learning/x/"} <= {*chosen} and chosen == sampling.sample(PAGES, 5)
    seen = set()
    for commit in "abcdefghij":
        commits["rev-parse"] = commit
        seen |= {*sampling.sample(PAGES, 5)}
    assert seen == {*PAGES}, "every page is chosen in time"


def test_all_are_tested_where_that_is_asked_for_or_no_more_than_the_count(commits, monkeypatch):
    assert sampling.sample(PAGES, 99) == PAGES
    monkeypatch.setenv("WHOLE", "1")
    assert sampling.sample(PAGES, 2) == PAGES
