"""Links that nobody types: where they lead, and what is left alone."""

from pathlib import Path
from xml.etree.ElementTree import fromstring, tostring

import pytest

from bookbinder import check, course, links
from bookbinder.chapter import load, parse

HEAD = "---\ntitle: {}\ndescription: D.\n---\n# T\n\n## One\n\n"
SOURCE = '''
def relu(x):
    """Rectifier.

    More.
    """


def bare(x):
    return x


def _own(x):
    """Private."""


class Box:
    """A `box`."""

    def open(self):
        """Open it."""
'''
API = "# Ops\n\nText.\n\n::: chainrule.ops\n"
BLOCK = "```python\n{}\n```\n"


@pytest.fixture
def docs(tmp_path, monkeypatch) -> Path:
    """A book with two chapters, a bibliography, and a package of one module."""
    monkeypatch.chdir(tmp_path)
    chapters = ["learning/a.md", "learning/b.md"]
    shown = (
        HEAD.format("Second")
        + "<!-- source: chainrule.ops.Box.open -->\n"
        + BLOCK.format("def open(self): ...")
    )
    for name, text in {
        "docs/reference/api/ops.md": API,
        "docs/learning/a.md": HEAD.format("First") + "[M](../reference/bibliography.md#m1) and again #m1.\n",
        "docs/learning/b.md": shown + "[M](../reference/bibliography.md#m1)\n",
        "docs/contribute/c.md": HEAD.format("Style") + "[M](../reference/bibliography.md#m1)\n",
        "src/chainrule/__init__.py": "from chainrule.ops import *\nfrom chainrule.ops import relu as r\n",
        "src/chainrule/ops.py": SOURCE,
        "course.toml": f'[[part]]\nfolder = "learning"\ntitle = "L"\nsentence = "s"\nchapters = {chapters}\n',
    }.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text, encoding="utf-8")
    return Path("docs")


def test_names_of_the_api_have_a_docstring_and_no_underscore(docs):
    found = links.names(docs)
    assert {name: entry.says for name, entry in found.items()} == {
        "chainrule.ops.relu": "Rectifier.",
        "chainrule.ops.Box": "A `box`.",
        "chainrule.ops.Box.open": "Open it.",
    }
    assert found["chainrule.ops.relu"].address == "reference/api/ops/#chainrule.ops.relu"


def test_names_that_a_module_passes_on_are_its_own_too(docs):
    Path("src/chainrule/more.py").write_text(
        'from chainrule.ops import Box, relu\n__all__ = ["relu"]\n__all__ += ["none"]\n', encoding="utf-8"
    )
    (docs / "reference/api/more.md").write_text("# More\n\n::: chainrule.more\n", encoding="utf-8")
    found = links.names(docs)
    assert found["chainrule.more.relu"] == links.Name(
        "chainrule.more.relu", "reference/api/more/", "Rectifier."
    )
    assert {name for name in found if ".more." in name} == {"chainrule.more.relu"}


def test_a_class_is_shown_where_a_method_of_it_is(docs):
    ((module, rows),) = links.overview(API, docs)
    assert module == "chainrule.ops"
    assert [(name.name, places) for name, places in rows] == [
        ("chainrule.ops.relu", []),
        ("chainrule.ops.Box", [("learning/b/#one", "2 Second")]),
    ]


def test_a_source_knows_who_cites_it_once_each_in_the_order_of_the_course(docs):
    assert course.of(docs).number("learning/b.md") == 2
    assert links.cited(docs) == {"m1": [("learning/a/", "1 First"), ("learning/b/", "2 Second")]}


@pytest.mark.parametrize(
    ("code", "known"),
    [
        ("from chainrule import relu", {"relu": "chainrule.ops.relu"}),
        ("from chainrule import r", {"r": "chainrule.ops.relu"}),
        ("from chainrule import ops as o", {"o": "chainrule.ops"}),
        ("from chainrule.ops import Box", {"Box": "chainrule.ops.Box"}),
        ("from chainrule import relu\ndef relu(x): ...", {}),
        ("from chainrule import relu\nrelu = 1", {}),
        ("from chainrule import relu\nfrom torch import relu", {}),
        ("relu = 1", {}),
        ("from chainrule import (", {}),
    ],
)
def test_a_name_is_known_where_the_page_imports_it_and_binds_no_other(docs, code, known):
    page = parse(HEAD.format("T") + BLOCK.format(code), "docs/start/t.md")
    assert links.known(page, docs) == {"chainrule": "chainrule"} | known


def test_a_name_is_known_where_the_page_shows_its_source(docs):
    assert links.known(load(docs / "learning/b.md"), docs)["open"] == "chainrule.ops.Box.open"


def into_text(html: str, *numbers: str) -> str:
    root = fromstring(f"<div>{html}</div>")
    links.into_text(root, set(numbers), lambda name: f"api#{name}" if name in ("relu", "ops.relu") else "")
    return tostring(root, encoding="unicode", method="html").removeprefix("<div>").removesuffix("</div>")


LINK = '<a class="book-name" href="api#relu"><code>relu</code></a>'


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("<p>a <code>relu</code> b <code>relu</code></p>", f"<p>a {LINK} b <code>relu</code></p>"),
        ("<p><code>relu()</code></p>", f"<p>{LINK}</p>".replace("relu<", "relu()<")),
        (
            "<p><code>relu</code></p><h2>relu</h2><p><code>relu</code></p>",
            f"<p>{LINK}</p><h2>relu</h2><p>{LINK}</p>",
        ),
        ("<h3><code>relu</code></h3>", None),
        ('<p><a href="x"><code>relu</code></a></p>', None),
        ("<pre><code>relu</code></pre>", None),
        ("<p><code>relu(x)</code> <code>other</code></p>", None),
        (
            "<p>See exercise 2, then Exercise 3 or exercise 4.</p>",
            '<p>See <a href="#exercise-2">exercise 2</a>, then <a href="#exercise-3">Exercise 3</a> or exercise 4.</p>',
        ),
        ("<p><em>x</em> exercise 2</p>", '<p><em>x</em> <a href="#exercise-2">exercise 2</a></p>'),
        ('<div id="exercise-2"><p>This is exercise 2.</p></div>', None),
        ("<p><code>exercise 2</code></p>", None),
        ("<p>exercise 22</p>", None),
    ],
)
def test_text_gets_its_links(given, wanted):
    assert into_text(given, "2", "3") == (wanted or given)


def test_exercises_get_anchors_by_their_numbers():
    html = '<div class="admonition exercise"><p>{}</p></div>'
    root = fromstring(
        f"<div>{html.format('1 · A')}{html.format('Two')}{html.format('3 · C')}{html.format('3')}</div>"
    )
    assert links.number_exercises(root) == {"1", "3"}
    assert [box.get("id") for box in root] == ["exercise-1", None, "exercise-3", None]
    assert root[0][0][0].get("href") == "#exercise-1"


def test_figures_get_anchors_by_their_titles():
    figure = lambda title: {"kind": "figure", "alt": title}
    blocks = [[figure("A Path; of two"), {"kind": "stdout"}], [], [figure("A path"), figure("Other")]]
    assert links.figures(blocks) == [["figure-a-path", ""], [], ["figure-a-path-2", "figure-other"]]


def test_an_author_may_link_an_exercise_and_a_figure():
    text = '!!! exercise "2 · Name"\n    Text.\n\n' + BLOCK.format('ax.set_title("A path")')
    assert {"exercise-2", "figure-a-path"} <= check.anchors(parse(HEAD.format("T") + text, "docs/start/t.md"))
