"""What readers take along: which blocks a block needs, where chainrule's wheel lies, all notebooks in one file."""

import html
import json
from functools import cache
from importlib.metadata import version
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from bookbinder import exercises
from bookbinder.chapter import Chapter

WHEEL = "<!-- the link to chainrule's wheel, written by the build -->"


def chains(chapter: Chapter) -> list[list[int]]:
    """For each block the numbers of the program that it is copied as: what it goes on with, or its exercise's set-up.

    A check needs something to check; that is the starter, which a reader fills. A solution is followed by its check.
    """
    number = {id(block): n for n, block in enumerate(chapter.blocks)}
    parts = {block.exercise: n for n, block in enumerate(chapter.blocks) if block.exercise}
    found = []
    for program in chapter.programs():
        for at, block in enumerate(program):
            name, role = block.exercise or ("", "")
            after = [parts[name, "check"]] if role == "solution" and (name, "check") in parts else []
            if chapter.is_lab:  # one program
                above = [other for other in program[:at] if exercises.in_program(chapter, other)]
                if role == "solution":  # in the place of the starter
                    above = [other for other in above if other.exercise != (name, "starter")]
                found.append([*(number[id(other)] for other in above), number[id(block)], *after])
                continue
            wanted = {"check": ("setup", "starter"), "setup": ()}.get(role, ("setup",) if role else ())
            before = [parts[name, other] for other in wanted if (name, other) in parts]
            found.append(
                [*(before or (number[id(other)] for other in program[:at])), number[id(block)], *after]
            )
    return found


@cache
def _version() -> str:
    return version("chainrule")  # reads a file each time


def wheel(root: str) -> str:
    """Relative address of chainrule's wheel, which the build puts into the site."""
    return f"{root}dist/chainrule-{_version()}-py3-none-any.whl"


def attributes(chapter: Chapter, root: str) -> str:
    """The same as attributes of an element of the page.

    Args:
        chapter: The page.
        root: Relative address of the site's root.
    """
    if not chapter.blocks:
        return ""
    chain = html.escape(json.dumps(chains(chapter), separators=(",", ":")))
    return f' data-chains="{chain}" data-wheel="{html.escape(wheel(root))}"'


def bundle(site: Path) -> None:
    """Write notebooks.zip into a built site: the same notebooks make the same bytes."""
    with ZipFile(site / "notebooks.zip", "w") as bundle:
        for file in sorted((site / "notebooks").rglob("*.ipynb")):
            name = ZipInfo(file.relative_to(site).as_posix())
            bundle.writestr(name, file.read_bytes(), ZIP_DEFLATED)
