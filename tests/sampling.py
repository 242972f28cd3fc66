"""Which of many are tested at a change: a few, chosen by the commit; all of them with WHOLE=1, as in the weekly run.

What takes long for each page is not run for each page at each change. The choice depends on the commit alone, so that a
failure can be repeated, and takes first what the last commit or the working tree has changed.
"""

import functools
import hashlib
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[1]
T = TypeVar("T")


@functools.cache
def git(*words: str) -> str:
    """What git says, or nothing where there is no repository."""
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else ""


def changed() -> set[str]:
    """Pages that the last commit or the working tree has changed: their paths below docs/, without suffix."""
    named = git("diff", "--name-only", "HEAD~1", "--", "docs").split()
    return {place(name.removeprefix("docs/").rpartition(".")[0]) for name in named}


def place(page: str) -> str:
    """A page by its path below docs/ or its address: "" for the front page, start for start/index and /start/."""
    return f"/{page}".removesuffix("/index").strip("/")


def sample(items: Sequence[T], count: int, page: Callable[[T], str] = place) -> list[T]:
    """That many of the items, in their order; all of them with WHOLE=1.

    Args:
        items: What could be tested.
        count: How many are.
        page: The place of the page that an item is about.
    """
    if os.environ.get("WHOLE") or len(items) <= count:
        return list(items)
    commit, new = git("rev-parse", "HEAD").strip(), changed()
    rank = lambda item: (page(item) not in new, hashlib.sha256(f"{commit} {page(item)}".encode()).digest())
    chosen = sorted(items, key=rank)[:count]
    return [item for item in items if item in chosen]
