"""CONTRIBUTING.md, followed to the letter: what it says is there, and a step left out is named."""

import re
import shutil

import pytest

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


def test_every_chapter_is_linked_on_the_map():
    nav = re.findall(rf"- ((?:{'|'.join(PARTS)})/\S+\.md)", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    linked = re.findall(r"\]\((\S+\.md)", (ROOT / "docs/index.md").read_text(encoding="utf-8"))
    assert nav and [page for page in nav if page not in linked] == []


@pytest.fixture
def chapter(tmp_path, monkeypatch, capsys):
    """Step 1 of the recipe for a chapter, in a book that has the notation and nothing else."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    (tmp_path / "docs/reference").mkdir(parents=True)
    shutil.copy(ROOT / "docs/reference/notation.md", tmp_path / "docs/reference/notation.md")
    (tmp_path / "mkdocs.yml").write_text("nav:\n  - Contribute:\n      - c.md\n", encoding="utf-8")
    assert main(["new", "learning/my-chapter"]) == 0
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
        (r"( *)<!-- exercise: \S+ wrong\n[\s\S]*?-->", "", "has no wrong"),
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
