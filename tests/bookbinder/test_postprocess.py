"""Each fault that the post-processor mends or refuses, one at a time."""

import base64
import hashlib
import re
from pathlib import Path

import pytest

from bookbinder.__main__ import main
from bookbinder.page import PageError
from bookbinder.postprocess import POLICY, STYLES, process, process_site

CSS = Path(__file__).parents[2] / "docs/assets/css/book.css"


def page(body: str = "", head: str = "") -> str:
    top = f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">{head}</head>'
    return f"{top}\n<body>\n{body}\n</body>\n</html>\n"


def body(text: str) -> str:
    """The body of the processed page that holds `text`."""
    return re.search("<body>\n(.*)\n</body>", process(page(text), "x.html"), re.DOTALL)[1]


def policy(html: str) -> dict[str, list[str]]:
    content = re.search('<meta http-equiv="Content-Security-Policy" content="([^"]*)">', html)[1]
    return {name: values for name, *values in (part.split() for part in content.split("; "))}


def sha(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_policy_allows_this_page_and_no_more():
    html = page("<script>a < b</script><script src='x.js'></script>", "<style>p { color: red }</style>")
    rules = policy(process(html, "x.html"))
    assert rules["default-src"] == ["'none'"]
    assert rules["script-src"] == ["'self'", sha("a < b")]
    assert rules["style-src"] == ["'self'", sha("p { color: red }")]
    assert list(rules) == list(POLICY)
    assert not any("unsafe" in value for values in rules.values() for value in values)


def test_policy_leaves_out_data_blocks():
    html = process(page('<script id="__config" type="application/json">{"a": 1}</script>'), "x.html")
    assert policy(html)["script-src"] == ["'self'"]


def test_policy_stands_early_but_after_the_character_set():
    html = process(page(head='<link rel="stylesheet" href="a.css">'), "x.html")
    assert html.index("charset") < html.index("Content-Security-Policy") < html.index("stylesheet")


def test_a_second_time_changes_nothing():
    once = process(
        page('<script>1</script><td style="text-align: right;">1</td><div class="arithmatex"></div>'), "x"
    )
    assert process(once, "x") == once and once.count("Content-Security-Policy") == 1


def test_alignment_becomes_a_class_that_exists():
    assert body('<td style="text-align: right;">1</td>') == '<td class="st-right">1</td>'
    assert body('<th class="a" style="text-align:center">1</th>') == '<th class="a st-center">1</th>'
    missing = [name for name in STYLES.values() if f".{name} " not in CSS.read_text(encoding="utf-8")]
    assert missing == []


def test_a_style_without_a_class_is_refused_with_its_line():
    with pytest.raises(PageError, match=r'^a/index\.html:7  style="color: red"'):
        process(page('<p>one</p>\n<p style="color: red">two</p>'), "a/index.html")


@pytest.mark.parametrize("lacks", ["alt", "width", "height"])
def test_an_image_without_text_or_size_is_refused(lacks):
    given = {"src": "f.svg", "alt": "A slope", "width": "4", "height": "3"}
    process(page("<img " + " ".join(f'{k}="{v}"' for k, v in given.items()) + ">"), "x")
    given[lacks] = ""
    with pytest.raises(PageError, match=f"image f.svg has no {lacks}"):
        process(page("<img " + " ".join(f'{k}="{v}"' for k, v in given.items()) + ">"), "x")


def test_the_logo_gets_its_size():
    text = '<img src="../assets/logo.svg" alt="logo"'
    assert body(f"{text}>") == f'{text} width="24" height="24">'


def test_what_has_no_name_gets_one():
    assert 'aria-label="Search"' in body('<div class="md-search" role="dialog"></div>')


def test_no_stars_are_asked_for():
    assert "data-md-component" not in body(
        '<a class="md-source" href="https://x.y" data-md-component="source">x</a>'
    )


def test_a_corner_that_heads_nothing_is_no_header():
    assert body("<tr><th></th><th>a</th></tr>") == "<tr><td></td><th>a</th></tr>"


@pytest.mark.parametrize(
    "text",
    [
        '<p title="a > b" data-x=\'"q"\'>1 &lt; 2</p>',
        '<!-- <p style="color: red"> -->',
        '<script>"<p style=\\"color: red\\">"</script>',
        "<pre><code>&lt;img src=x&gt;</code></pre>",
        '<svg viewBox="0 0 24 24"><path d="M3 6h18"/></svg>',
    ],
)
def test_everything_else_stays_as_it_is(text):
    assert body(text) == text


def test_mended_attributes_keep_their_text():
    text = '<td title="a &amp; &quot;b&quot;" style="text-align: left;">1</td>'
    assert body(text) == '<td title="a &amp; &quot;b&quot;" class="st-left">1</td>'


def test_a_site_is_processed_in_place(tmp_path, capsys):
    (tmp_path / "a").mkdir()
    (tmp_path / "index.html").write_text(page(), encoding="utf-8")
    (tmp_path / "a/index.html").write_text(page("<p>α</p>"), encoding="utf-8")
    assert process_site(tmp_path) == (2, []) and main(["postprocess", str(tmp_path)]) == 0
    assert "Content-Security-Policy" in (tmp_path / "a/index.html").read_text(encoding="utf-8")
    assert "2 pages" in capsys.readouterr().out


def test_a_faulty_site_names_every_faulty_page(tmp_path, capsys):
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.html").write_text(page("" if name == "b" else "<img src=x>"), encoding="utf-8")
    assert main(["postprocess", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "a.html:6" in said and "c.html:6" in said and "b.html" not in said


def test_an_empty_folder_is_no_success(tmp_path, capsys):
    assert main(["postprocess", str(tmp_path)]) == 1 and "make site" in capsys.readouterr().out


def test_code_keeps_only_the_spans_that_have_a_colour():
    plain = '<span class="w"> </span><span class="n">x</span><span class="p">[</span>'
    assert (
        body(f'<code><span class="k">return</span>{plain}</code>')
        == '<code><span class="k">return</span> x[</code>'
    )


@pytest.mark.parametrize("kind", ["language-python highlight", "language-python doc-signature highlight"])
def test_code_and_signatures_are_left_out_of_the_search(kind):
    assert body(f'<div class="{kind}">x</div>') == f'<div data-search-exclude class="{kind}">x</div>'


@pytest.mark.parametrize(("kind", "hidden"), [("success", True), ("tip", True), ("note", False)])
def test_hints_and_solutions_are_left_out_of_the_search(kind, hidden):
    exclude = "data-search-exclude " * hidden
    assert body(f'<details class="{kind}">x</details>') == f'<details {exclude}class="{kind}">x</details>'


def test_of_a_docstring_the_first_paragraph_is_left_in_the_search():
    head, end = '<div class="doc doc-contents ">\n<p>First.</p>', '<details class="x"></details>'
    more = '<p{0}>More.</p><ul{0}><li><div class="doc-md-description"><p{0}>x</p></div></li></ul>'
    assert body(head + more.format("") + end) == head + more.format(" data-search-exclude") + end
    assert body("<p>First.</p><p>More.</p>") == "<p>First.</p><p>More.</p>"


def test_a_method_is_headed_by_its_class_too():
    heading = '<h4 id="m.nn.Linear.forward" class="doc doc-heading">\n<span class="doc doc-object-name x">'
    assert body(f"{heading}forward</span></h4>") == f"{heading}Linear.forward</span></h4>"
    alone = heading.replace("Linear.", "")
    assert body(f"{alone}forward</span></h4>") == f"{alone}forward</span></h4>"


def test_lists_of_sources_are_left_out_of_the_search():
    assert body('<h2 id="sources">S</h2>') == '<h2 data-search-exclude id="sources">S</h2>'
    assert body('<h2 id="sources-of-noise">S</h2>') == '<h2 id="sources-of-noise">S</h2>'


def test_the_link_of_a_heading_has_a_name():
    link = '<a class="headerlink" href="#x" title="Link to this section">&para;</a>'
    named = link.replace("<a ", '<a aria-label="Link to this section" ')
    assert body(link) == named == body(named)
