"""CONTRIBUTING.md, followed to the letter: what it says is there, and a step left out is named."""

import re
import shutil

import pytest

from bookbinder import course
from bookbinder.__main__ import main
from bookbinder.chapter import PARTS
from conftest import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_every_command_of_the_recipes_is_a_target_of_make():
    named = set(re.findall(r"(?:`|^ *)make ([a-z-]+)", TEXT, re.M))
    wanted = {
        "check",
        "chapter",
        "op",
        "sync",
        "lint",
        "test",
        "test-engine",
        "test-page",
        "coverage",
        "serve",
        "site",
    }
    assert wanted <= named
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert named <= {*targets}


def test_every_file_that_it_names_exists():
    named = re.findall(r"\]\(([^)#:]+)\)|`((?:src|docs|tests)/[\w./-]+\.\w+)`", TEXT)
    files = [one or other for one, other in named if "my-chapter" not in one + other]
    assert files and [file for file in files if not (ROOT / file).exists()] == []


def test_every_page_of_a_part_is_linked_on_the_map_and_every_planned_chapter_named():
    text = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    nav = re.findall(rf"- ((?:{'|'.join(PARTS)})/\S+\.md)", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    linked = re.findall(r"\]\((\S+\.md)", text)
    assert nav and [page for page in nav if page not in linked] == []
    planned = [entry for entry in course.of(ROOT / "docs").entries.values() if entry.planned]
    assert [entry for entry in planned if f"- {entry.number} {entry.planned} *(planned)*" not in text] == []


@pytest.fixture
def chapter(tmp_path, monkeypatch, capsys):
    """Step 1 of the recipe for a chapter, in a book that has the notation and nothing else."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    (tmp_path / "docs/reference").mkdir(parents=True)
    shutil.copy(ROOT / "docs/reference/notation.md", tmp_path / "docs/reference/notation.md")
    (tmp_path / "mkdocs.yml").write_text("nav:\n  - Contribute:\n      - c.md\n", encoding="utf-8")
    part = '[[part]]\nfolder = "learning"\ntitle = "Learning"\nsentence = "train"\nchapters = []\n'
    (tmp_path / "course.toml").write_text(part, encoding="utf-8")
    map_ = "---\ntitle: T\ndescription: D.\n---\n# T\n\n<!-- the map of course.toml -->\n<!-- the end of the map -->\n"
    (tmp_path / "docs/index.md").write_text(map_, encoding="utf-8")
    assert main(["new", "learning/my-chapter"]) == 0
    assert "- [1 My chapter](learning/my-chapter.md)" in (tmp_path / "docs/index.md").read_text(
        encoding="utf-8"
    )
    assert main(["check", "docs/index.md"]) == 0
    capsys.readouterr()
    return tmp_path / "docs/learning/my-chapter.md"


def test_the_new_chapter_passes_and_so_does_another_example(chapter):
    assert main(["check", "--run", str(chapter.relative_to(chapter.parents[2]))]) == 0
    text = chapter.read_text(encoding="utf-8")
    assert "$\\zeta" not in text
    cubic = text.replace(
        "The slope is 6, as on paper.", "The slope is 6, as on paper, and 3 is where we stand."
    )
    chapter.write_text(cubic, encoding="utf-8")
    assert main(["check", "docs/learning/my-chapter.md"]) == 0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (r"objectives:\n(?:  - .*\n)+", "", "the front matter has no objectives"),
        (r"( *)<!-- exercise: (\S+) check -->", r"\1<!-- exercise: \2 setup -->", "has no check"),
        (r"( *)<!-- exercise: \S+ wrong: [\s\S]*?-->", "", "has 1 wrong and 1 right answers"),
        (
            r"wrong: the factor 3 is missing",
            "wrong: a factor",
            "the wrong answer 'a factor' of exercise pencil",
        ),
        (
            r"answer = 3 \* 2.0 \* 2",
            "answer = 12.5",
            "of exercise pencil fails its check: AssertionError: 12.5 is",
        ),
        (r"\?\?\? tip \"Hint 2\"", '??? tip "Another"', "exercise cube has the hints 'Hint 1', 'Another'"),
        (r" *<!-- exercise: exact words -->\n", "", "a box for an exercise with no exercise in it"),
        (r"The slope is 6,", "The slope is 7.25,", "shows the number 7.25"),
        (r"\$f\(x\) = x\^2\$", r"$f(x) = \\zeta^2$", r"the symbol \zeta is not on the notation page"),
    ],
)
def test_a_step_left_out_is_named(chapter, capsys, old, new, said):
    text, count = re.subn(old, new, chapter.read_text(encoding="utf-8"), count=1)
    assert count == 1
    main(["run", "docs/learning/my-chapter.md"])
    chapter.write_text(text, encoding="utf-8")
    capsys.readouterr()
    assert main(["check", "--run", "docs/learning/my-chapter.md"]) == 1
    told = capsys.readouterr().out
    assert said in told and told.startswith("docs/learning/my-chapter.md:")
