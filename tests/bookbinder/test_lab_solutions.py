"""Labs as a reader has them, cell by cell of their notebooks: nothing filled, every hidden answer, every solution."""

import contextlib
import io
import linecache
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pytest

from bookbinder import exercises, labs, notebook
from bookbinder.chapter import Chapter, load
from conftest import ROOT

LABS = [file for file in labs.files(ROOT / "docs") if exercises.groups(load(file))]
named = pytest.mark.parametrize("lab", LABS, ids=lambda file: file.stem)


def code_cells(chapter: Chapter) -> dict[str, str]:
    """Source of each code cell of a lab's notebook, by its id."""
    cells = notebook.export(chapter, None).cells
    return {cell.id: cell.source for cell in cells if cell.cell_type == "code" and cell.id != "setup"}


class Player:
    """Runs cells in one namespace, as a notebook does."""

    def __init__(self):
        shell = SimpleNamespace(events=SimpleNamespace(register=lambda *_: None), user_ns={})
        self.space, self.count = {"__name__": "__main__", "get_ipython": lambda: shell}, 0

    def run(self, *cells: str) -> str:
        """What the cells print."""
        with contextlib.redirect_stdout(io.StringIO()) as said:
            for code in cells:
                self.count += 1
                name = f"<cell {self.count}>"
                linecache.cache[name] = len(code), None, code.splitlines(keepends=True), name
                exec(compile(code, name, "exec"), self.space)
                plt.close("all")
        return said.getvalue()


@named
def test_run_all_reaches_the_end_and_each_blank_says_not_yet(lab):
    said = Player().run(*code_cells(load(lab)).values())
    assert said.count("not yet: fill ") == len(exercises.groups(load(lab)))
    assert "not right" not in said and "right: the check passes" not in said


@named
def test_each_hidden_answer_is_told_and_the_solutions_reach_the_end(lab):
    chapter, player = load(lab), Player()
    cells, groups = code_cells(chapter), exercises.groups(chapter)
    place = {
        f"line-{group.parts[role].line}": (group, role)
        for group in groups
        for role in ("starter", "check", "stand-in")
        if role in group.parts
    }
    for name, code in cells.items():
        group, role = place.get(name, (None, ""))
        if role == "check":
            check = lambda block, code=code: player.run(block.code, code)
            for block in group.hidden("wrong"):
                said = check(block)
                assert said.startswith("not right: ") and block.words in said, (group.said("wrong"), said)
            for block in group.hidden("right"):
                assert check(block).endswith("right: the check passes\n"), block.words
            assert check(group.parts["solution"]).endswith("right: the check passes\n"), group.name
        else:
            said = player.run(code)
            assert not (role == "stand-in" and said), "it stands in for what is right"
