"""A part on paper: its pages in one file, everything open but hints and solutions, links within it, and the print."""

import re
from xml.etree import ElementTree

import pytest
from test_epub import HEAD, NAV

from bookbinder import pdf
from bookbinder.__main__ import main
from conftest import ROOT

ONE = """<h1 id="t">1 Before</h1><details class="book-fold"><summary>draws</summary><pre>code</pre></details>
<details class="tip"><summary>Hint</summary><p>Look.</p></details>
<div class="exercise" id="exercise-1"><p class="admonition-title">1</p>
<details class="success"><summary>Solution</summary>
<p>Forty-two</p></details></div><img src="../../assets/f.svg#only-light" alt="F" width="1" height="1">"""
TWO = """<h1 id="t">2 After</h1><p><a href="../b/#exercise-1">there</a> <a href="../b/">first</a> <a href="#t">top</a>
<a href="https://a.b/">out</a> <a href="../../contribute/style/">style</a></p>"""


@pytest.fixture
def site(tmp_path):
    for address, article in {"": "<h1>Chain Rule</h1>", "part/b/": ONE, "part/a/": TWO}.items():
        file = tmp_path / "site" / address / "index.html"
        file.parent.mkdir(parents=True, exist_ok=True)
        head = HEAD.format(canonical="")
        file.write_text(f"{head}{NAV}<article>{article}</article></body></html>", encoding="utf-8")
    sheet = tmp_path / "site/assets/css/math.css"
    sheet.parent.mkdir(parents=True)
    sheet.write_text('math > a { src: url("../y.woff2") }', encoding="utf-8")
    (tmp_path / "site/assets/y.woff2").write_text("font", encoding="utf-8")
    return tmp_path / "site"


def test_a_part_is_one_file_with_its_title_style_and_pages_in_order(site):
    tree = ElementTree.fromstring(pdf.document(site, "part", lambda said: None))
    words = " ".join(tree.itertext())
    assert "Chain Rule: I · Part" in words and words.index("1 Before") < words.index("2 After")
    assert "data:font/woff2;base64,Zm9udA==" in words and "@page" in words


def test_paper_has_no_hints_and_no_solutions_and_the_rest_is_open(site):
    text = pdf.document(site, "part", lambda said: None)
    assert 'class="book-fold" open=""' in text and "code" in text
    assert not re.search("Hint|Look|Solution|Forty-two", text)


def test_anchors_of_two_pages_are_told_apart_and_links_lead_to_them(site):
    text = pdf.document(site, "part", lambda said: None)
    marks = re.findall(r'id="([^"]*)"', text)
    assert len(marks) == len({*marks}) and {"part-a", "part-b-t", "part-b-exercise-1"} <= {*marks}
    found = dict(re.findall(r'<a href="([^"]*)">(\w+)', text))
    assert found == {
        "#part-b-exercise-1": "there",
        "#part-b": "first",
        "#part-a-t": "top",
        "https://a.b/": "out",
    }
    assert "style</p>" in text and f'src="{site.as_uri()}/assets/f.svg"' in text


def test_the_command_says_what_is_missing(site, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("CHROMIUM", "no-such-browser")
    assert main(["pdf", str(site), "none"]) == 1 and "name a folder of them" in capsys.readouterr().out
    assert main(["pdf", str(tmp_path / "none"), "part"]) == 1
    assert "build the site first" in capsys.readouterr().out
    monkeypatch.delenv("CHROMIUM")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["pdf", str(site), "part"]) == 1 and "install Chromium" in capsys.readouterr().out


@pytest.mark.deep
def test_the_third_part_is_printed_with_the_titles_of_its_chapters_and_no_solutions(tmp_path, capsys):
    if not pdf.browser():
        pytest.skip("no browser to print with")
    assert (ROOT / "site/index.html").is_file(), "the built site is missing: make site"
    assert main(["pdf", str(ROOT / "site"), "depth", "--to", str(tmp_path)]) == 0, capsys.readouterr().out
    outline = re.findall(rb"/Title \(((?:[^()\\]|\\.)*)\)", (tmp_path / "depth.pdf").read_bytes())
    titles = [title.replace(b"\\", b"").decode("latin-1") for title in outline]
    for title in ("10 What depth buys", "11 A signal through thirty layers", "Exercises", "The question"):
        assert title in titles, title
    assert not any("Solution" in title or "Hint" in title for title in titles)
