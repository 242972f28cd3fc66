"""Which page is converted, and what its faults are called."""

from pathlib import Path

import pytest
from markdown import Markdown
from mkdocs.utils import meta

from bookbinder.page import PageError, front_matter_lines, set_page, where


@pytest.mark.parametrize(
    "text",
    [
        "# T\n",
        "---\na: 1\n---\n# T\n",
        "---\na: 1\n---\n\n\n# T\n",
        "---\na: 1\n...\n# T\n---\nb\n---\n",
        "# T\n---\na\n---\n",
    ],
)
def test_front_matter_is_counted_as_mkdocs_strips_it(text):
    left, _ = meta.get_data(text)
    assert front_matter_lines(text) == text.count("\n") - left.count("\n")
    assert front_matter_lines(text.replace("\n", "\r\n")) == front_matter_lines(text)


def test_where():
    assert where(Markdown()) == ("<text>", 0)
    set_page(Path.cwd() / "docs/learning/x.md", "---\na: 1\n---\n\ntext")
    try:
        assert where(Markdown()) == ("docs/learning/x.md", 4)
    finally:
        set_page(None)
    assert where(Markdown()) == ("<text>", 0)


def test_error_is_one_line():
    error = PageError("docs/x.md", 3, "Seen that.", "Write this.")
    assert str(error) == "docs/x.md:3  Seen that.  Write this."
    assert (error.file, error.line, error.message, error.advice) == (
        "docs/x.md",
        3,
        "Seen that.",
        "Write this.",
    )
