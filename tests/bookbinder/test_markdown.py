"""The extension: outputs below their blocks, a header on the page."""

import json
import re
from html import unescape

import markdown
import pytest

from bookbinder import cache, course, reader, runner
from bookbinder.chapter import load
from bookbinder.markdown import html, makeExtension, prune, publish
from bookbinder.page import PageError, set_page

PAGE = """---
title: T
description: D.
objectives: [see <this>, see that, see more]
needs: [index.md, Planned]
---
# T

```python
print("<b>")
```

=== "Tab"

    Text.

    <!--pytest-codeblocks:cont-->
    ```python
    print(2)
    ```

Next.

<!--pytest.mark.skip(reason="no <GPU>")-->
```python
shown = 1
```

<!-- exercise: e wrong: a secret
secret = 1
-->

<!-- exercise: e right: a secret, too
secret = 2
-->

<!-- exercise: in-secret words -->

End.
"""
SVG = {
    "kind": "figure",
    "format": "svg",
    "files": ["light.svg", "dark.svg"],
    "alt": 'A "b"',
    "desc": "x axis: c",
}


@pytest.fixture
def convert(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BOOK_CACHE", str(tmp_path / "cache"))
    docs = tmp_path / "docs"
    (docs / "part").mkdir(parents=True)
    (docs / "index.md").write_text("---\ntitle: Home page\ndescription: D.\n---\n# H\n")
    file = docs / "part" / "page.md"
    file.write_text(PAGE)

    def run(outputs=(), state="run", page=PAGE, more=(), **options):
        file.write_text(page)
        chapter = load(file)
        slots = [{"state": state, "outputs": list(outputs)}] + [
            {"state": "run", "outputs": []} for _ in chapter.blocks[1:]
        ]
        if len(slots) > 2:
            slots[2]["state"] = "skipped"
        data = {
            "blocks": slots,
            "versions": {"Python": "3.11.7", "numpy": "2.4.6"},
            "device": "CPU",
            "date": "2026-01-02",
        }
        monkeypatch.setitem(runner.latest, chapter.path, runner.Result(chapter, data))
        set_page(file, file.read_text())
        extensions = ["pymdownx.superfences", "pymdownx.tabbed", "attr_list", makeExtension(**options), *more]
        body = file.read_text().split("---\n", 2)[2]
        return markdown.markdown(body, extensions=extensions)

    yield run
    set_page(None)


def test_the_wheel_is_linked_where_its_mark_stands(convert):
    page = convert(page=PAGE + f"\nBefore.\n\n{reader.WHEEL}\n\nAfter.\n")
    name = reader.wheel("").removeprefix("dist/")
    link = f'<a class="md-button" href="../../dist/{name}" download>Download {name}</a>'
    assert page.index("Before.") < page.index(link) < page.index("After.")
    assert reader.WHEEL not in page


def test_text_is_escaped_and_stands_below_its_block(convert):
    page = convert([{"kind": "stdout", "text": "<script>&\n"}])
    assert (
        '<pre class="book-stdout" tabindex="0" role="group" aria-label="Output">&lt;script&gt;&amp;</pre>'
        in page
    )
    assert page.index("book-stdout") < page.index("Text.") and "<script>" not in page


def test_a_table_passes_and_a_script_does_not(convert):
    html = '<table class="t" onclick="x()"><tr><td colspan="2" style="x">1</td></tr></table><script>alert(1)</script>'
    page = convert([{"kind": "html", "text": html}])
    assert '<td colspan="2">1</td>' in page
    assert "alert" not in page and "onclick" not in page and "style=" not in page


def test_a_figure_is_two_lazy_images_with_their_words(convert):
    page = convert([{**SVG, "width": 600, "height": 300}])
    images = re.findall(r"<img [^>]*>", page)
    assert [re.search("#only-(light|dark)", image)[1] for image in images] == ["light", "dark"]
    for image in images:
        assert 'src="../../assets/figures/' in image and 'alt="A &#34;b&#34;. x axis: c"' in image
        assert 'width="600" height="300" loading="lazy"' in image


FILM = [{"kind": "stdout", "text": 'first\n--- a "1" & <b>\n<i>\n--- it\'s 2\n'}]


def test_a_film_is_all_its_frames_with_their_titles(convert):
    with_play = PAGE.replace("```python\nprint", "<!-- play: a <knob> -->\n```python\nprint")
    page = convert(FILM, page=with_play)
    knobs = re.search(r"<div class=\"book-film\" data-knobs='([^']*)'>", page)[1]
    assert json.loads(unescape(knobs)) == [["a <knob>", ['a "1" & <b>', "it's 2"]]]
    titles = [unescape(title) for title in re.findall('<p class="book-frame-title">(.*?)</p>', page)]
    assert titles == ['1 of 2: a "1" & <b>', "2 of 2: it's 2"]
    assert re.findall('<pre class="book-stdout"[^>]*>(.*?)</pre>', page) == ["first", "&lt;i&gt;"]
    assert "play:" not in page and "---" not in page


def test_without_play_a_line_of_dashes_is_text(convert):
    assert "book-film" not in convert(FILM) and "--- it&#39;s 2" in convert(FILM)


def test_the_header_says_what_was_proved(convert):
    page = convert()
    assert "<li>see &lt;this&gt;</li>" in page and "1 minute, and exercises" in page
    assert 'Needs: <a href="../../">Home page</a>, Planned' in page
    facts = re.search("(?<=>)2.blocks.*?(?=<)", page)[0]
    said = "2 blocks run, 1 skipped, 1 exercise checked, Python 3.11, numpy 2.4, CPU, 2026-01-02"
    assert facts.split(", ") == said.replace(" ", "\u00a0").replace("-", "\u2011").split(",\u00a0")
    assert 'href="../../notebooks/part/page.ipynb" download' in page
    assert "colab" not in page


def test_the_blocks_of_an_exercise_say_what_they_are_for():
    roles = ("setup", "starter", "check", "solution")
    said = {role: re.findall(">(.*?)<", html.role(role)) for role in roles}
    assert said == {"setup": ["Given"], "starter": ["Your turn"], "check": ["Check"], "solution": []}


def test_buttons_follow_the_repository(convert, monkeypatch):
    assert "https://colab.research.google.com/github/a/b/blob/notebooks/part/page.ipynb" in convert(
        repo="a/b"
    )
    monkeypatch.setenv("GITHUB_REPOSITORY", "fork/book")
    page = convert()
    assert "github/fork/book/blob/notebooks/part/page.ipynb" in page
    assert "https://github.com/fork/book/edit/main/docs/part/page.md" in page


def test_what_readers_must_not_see_is_gone(convert):
    page = convert()
    assert "secret" not in page and "codeblocks" not in page and "<!--" not in page
    assert "Shown, not run here: no &lt;GPU&gt;" in page and "End." in page


def test_a_page_that_was_not_run_is_an_error(convert, monkeypatch):
    convert()
    runner.latest.clear()
    set_page(load_path := __import__("pathlib").Path("docs/part/page.md"), load_path.read_text())
    with pytest.raises(PageError, match="has not been run"):
        markdown.markdown("# T\n", extensions=[makeExtension()])


def test_a_text_that_something_changed_before_is_an_error_at_its_block(convert):
    convert()
    with pytest.raises(PageError, match="the text was changed before its blocks were found") as caught:
        markdown.markdown("# T\n\nAnother text.\n", extensions=[makeExtension()])
    assert (caught.value.file, caught.value.line) == ("docs/part/page.md", 25)


def test_the_part_of_an_exercise_is_named_above_its_block(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "docs/page.md"
    file.parent.mkdir()
    blocks = "".join(
        f"<!-- exercise: e {role} -->\n```python\n{role} = 1\n```\n\n" for role in ("starter", "solution")
    )
    file.write_text(f"---\ntitle: T\ndescription: D.\n---\n# T\n\n{blocks}")
    chapter = load(file)
    data = {"blocks": [{"state": "run", "outputs": []} for _ in chapter.blocks]}
    monkeypatch.setitem(runner.latest, chapter.path, runner.Result(chapter, data))
    set_page(file, file.read_text())
    page = markdown.markdown(
        file.read_text().split("---\n", 2)[2], extensions=["fenced_code", makeExtension()]
    )
    set_page(None)
    assert page.index("Your turn") < page.index("starter = 1") < page.index("solution = 1")
    assert page.count("Your turn") == 1 and "exercise:" not in page


def test_figures_are_written_by_content_and_pruned(tmp_path, own_cache):
    names = [cache.write_figure(content, "svg") for content in (b"<svg/>", b"<svg id='d'/>")]
    assert publish({"figures": names}, tmp_path) == set(names)
    folder = tmp_path / "assets" / "figures"
    assert {file.name for file in folder.iterdir()} == set(names)
    assert (folder / names[0]).read_bytes() == b"<svg/>"
    prune(tmp_path, {names[0]})
    assert [file.name for file in folder.iterdir()] == [names[0]]


@pytest.mark.parametrize(("kind", "name"), [("stdout", "Output"), ("stderr", "Warning"), ("error", "Error")])
def test_boxes_that_scroll_are_named_and_reachable(kind, name):
    assert f'tabindex="0" role="group" aria-label="{name}">1</pre>' in html.box(kind, "1")
    assert 'tabindex="0" role="group" aria-label="Output"><b>1</b></div>' in html.box("html", "<b>1</b>")


LIST = """[[part]]
folder = "part"
chapters = ["part/page.md", { planned = "To come", page = "part/to-come.md" }]

[redirects]
"part/page/#was" = "part/page/#is"
"part/page/#went" = "#h"
"""
NUMBERED = """---
title: T
description: D.
needs: [part/page.md, part/to-come.md, index.md]
---
# T

[chapter](page.md), [Chapter][c], [chapter](to-come.md#a),
[chapter](index.md), [**chapter**](page.md), `[chapter](page.md)`

## Is

[c]: page.md
"""


@pytest.fixture
def numbered(convert, tmp_path, monkeypatch):
    """A page of a book with a list of chapters."""
    monkeypatch.setattr(course, "PARTS", ("part",))
    (tmp_path / "course.toml").write_text(LIST)
    file = tmp_path / "docs/part/page.md"
    file.write_text(NUMBERED)
    set_page(file, NUMBERED)
    return markdown.markdown(NUMBERED.split("---\n", 2)[2], extensions=["toc", makeExtension()])


def test_numbers_stand_in_heading_header_and_links(numbered):
    assert '<h1 id="t">1 T</h1>' in numbered
    assert "Chapter 1 of 2, in part I" in numbered
    links = numbered.partition("<p><a")[2].partition("</p>")[0]
    assert links == (
        ' class="book-kept" href="page.md">chapter 1</a>, <a class="book-kept" href="page.md">Chapter 1</a>, '
        '<span class="book-kept">chapter 2</span>,\n<a href="index.md">chapter</a>, '
        '<a href="page.md"><strong>chapter</strong></a>, <code>[chapter](page.md)</code>'
    )
    needs = re.search("Needs:(.*?)</p>", numbered)[1]
    assert needs == ' <a href="../../part/page/">1 T</a>, 2 To come, <a href="../../">Home page</a>'


def test_old_anchors_stand_beside_new_ones_or_say_where_their_text_is(numbered):
    assert '<h2 id="is"><span id="was"></span>Is</h2>' in numbered
    note = re.search('<p class="book-moved" id="went"[^>]*>(.*?)</p>', numbered)[1]
    assert note == 'This section is now in <a href="../../#h">Home page</a>.'


ASKED = """---
title: T
description: D.
---
# T

<!-- predict: way -->

**Where does $x$ go?** Think of [it](page.md).

- [ ] Up to 720. <!-- x > 1 --> It has `no` reason.
- [x] Down. <!-- x < 1 --> So says $y$.

Look.

- An item.

    <!-- fold: shows "x" & more -->
    ```python
    print(2)
    ```

    <!-- slide -->

    $x$ went **down**
    to two.

Open.
"""


def test_folded_code_is_closed_and_its_output_open(convert):
    page = convert(
        [{"kind": "stdout", "text": "2"}],
        page=ASKED.replace("<!-- predict", "<!-- ask").partition("**W")[0] + ASKED.partition("Look.\n")[2],
    )
    head, _, rest = page.partition(
        '<details class="book-fold"><summary>shows &#34;x&#34; &amp; more</summary>'
    )
    code, _, below = rest.partition("</details>")
    assert "An item." in head and "highlight" in code and "book-stdout" not in code and "fold:" not in page
    assert (
        below.partition("</p>")[2]
        .lstrip()
        .startswith('<section class="book-output" data-search-exclude><pre')
        and '<p class="book-run"' in below
        and "</li>" in below
    )
    assert "book-waits" not in page


def test_a_question_is_a_list_without_what_is_behind_it(convert):
    inside = ASKED.replace("- An item.\n\n", "").replace("\n    ", "\n")
    page = convert([{"kind": "stdout", "text": "2"}], page=inside)
    open_, shut = (
        '<div class="book-predict" id="predict-way" data-predict="way" data-right="1">',
        "</details></div>",
    )
    box = page.partition(open_)[2].partition(shut)[0]
    asked, reasons = box.split('<details class="book-reasons" data-search-exclude>')
    assert [re.sub("<[^>]*>", "", li) for li in re.findall("<li>(.*?)</li>", asked)] == [
        "Up to 720.",
        "Down.",
    ]
    said = [re.sub("<(?!/?code)[^>]*>", "", li) for li in re.findall("<li>(.*?)</li>", reasons)]
    assert said == ["Up to 720. No. It has <code>no</code> reason.", "Down. Yes. So says $y$."]
    for hidden in ("x &gt; 1", "x > 1", "[x]", "[ ]", "<!-- predict", "<!--predict"):
        assert hidden not in page
    waits = 'data-answers="way" data-search-exclude'
    assert f'<section class="book-output book-waits" {waits}><p class="book-sealed">' in page
    assert f'<p class="book-waits" {waits}="">$x$ went <strong>down</strong>\nto two.</p>' in page
    assert "<p>Open.</p>" in page and page.count("book-waits") == 2 and "<!-- slide -->" in page


def test_formulas_of_a_question_are_typeset_in_its_text_and_in_its_reasons(convert):
    inside = ASKED.replace("- An item.\n\n", "").replace("\n    ", "\n").replace("Down.", "Down to $z$.")
    page = convert([{"kind": "stdout", "text": "2"}], page=inside, more=["bookbinder.math"])
    box = page.partition('<div class="book-predict"')[2].partition("</details></div>")[0]
    assert "$" not in page and box.count("<math") == 4, "x once, z in the list and in the reasons, y"
    assert page.count("book-waits") == 2 and re.search('<p class="book-waits"[^>]*><math', page)


@pytest.mark.parametrize(
    "below",
    [
        "## A heading",
        "- a list",
        "```python\nprint(3)\n```",
        "| a |\n| - |",
        "!!! note\n    a",
        "<!-- fold: a -->\n```python\nprint(3)\n```",
    ],
)
def test_only_a_paragraph_waits_with_the_output(convert, below):
    page = (
        ASKED.replace("- An item.\n\n", "").replace("\n    ", "\n").partition("<!-- slide")[0] + below + "\n"
    )
    assert convert([{"kind": "stdout", "text": "2"}], page=page).count("book-waits") == 1
