"""A built page as a page of the e-book: what goes, what gets another form, where solutions and links lead."""

import re
from xml.etree import ElementTree

import pytest

from bookbinder import epub_page

ARTICLE = """<article class="md-content__inner md-typeset">
<h1 id="one">1 One<a class="headerlink" href="#one" title="Link">¶</a></h1>
<p>
<div class="book-header" data-chains="[]"><p class="book-facts">5 minutes</p>
<p class="book-buttons"><a class="md-button" href="../../notebooks/part/one.ipynb" download>Download</a></p></div></p>
<!-- slide -->
<p>If <math display="block"><semantics><mrow><mfrac displaystyle="true"><mi>a</mi><mi>b</mi></mfrac><mo>&lt;</mo></mrow>
<annotation encoding="application/x-tex">\\frac ab &lt;</annotation></semantics></math> &amp; so on</p>
<div class="language-python highlight"><pre><span></span><code><span class="nb">print</span>(1 &lt; 2)</code></pre>
</div>
<p class="book-run" data-block="0"></p>
<div class="book-predict" data-right="1"><p>What?</p><ul><li>Yes</li></ul>
<details class="book-reasons"><summary>What is right, and why</summary><p>Yes.</p></details></div>
<section class="book-output book-waits"><p class="book-sealed">Choose.</p>
<pre class="book-stdout" tabindex="0" role="group"
aria-label="Output">True</pre>
<figure id="figure-f"><img src="../../assets/figures/l.svg#only-light" alt="F" width="4" height="3" loading="lazy">
<img src="../../assets/figures/d.svg#only-dark" alt="F" width="4" height="3"></figure></section>
<div class="book-film" data-knobs="[]"><div class="book-frame">first</div><div class="book-frame">between</div>
<div class="book-frame">last</div></div>
<div class="tabbed-set"><input type="radio" checked>
<div class="tabbed-labels"><label>Linux</label><label>macOS</label></div>
<div class="tabbed-content"><div class="tabbed-block"><p>apt</p></div>
<div class="tabbed-block"><p>brew</p></div></div></div>
<h2 id="exercises">Exercises<a class="headerlink" href="#exercises">¶</a></h2>
<div class="admonition exercise" id="exercise-1">
<p class="admonition-title">1 · Sum<a class="headerlink" href="#e">¶</a></p>
<p>Add.</p><details class="tip"><summary>Hint</summary><p>Plus.</p></details>
<details class="success"><summary>Solution</summary><p id="inside">By <a href="#figure-f">the figure</a>,
<math><mi>x</mi></math>.</p></details></div>
<table><thead><tr><th>T</th></tr></thead></table>
<p><a href="../two/#there">two</a> <a href="../two/#gone">gone</a> <a href="../../api/x/#y">api</a>
<a href="#inside">in</a>
<a href="https://example.org/a">out</a> <a href="../../">home</a> <a href="#one">top</a>
<a href="../../files/a.zip">zip</a></p>
<script>1</script>
</article>"""
TWO = '<article><h1 id="there">Two</h1><p><a href="../one/#exercise-1">back</a></p></article>'


@pytest.fixture
def book():
    pages = {"part/one/": (ARTICLE, "1 One"), "part/two/": (TWO, "2 Two"), "": (TWO, "Home")}
    return {address: epub_page.page(html, address, title) for address, (html, title) in pages.items()}


def text(made) -> str:
    return made.article.decode(formatter="minimal")


def links(made) -> dict[str, str]:
    return {tag.get_text(): tag["href"] for tag in made.article.find_all("a", href=True)}


def test_a_page_is_xml_and_has_its_name_anchors_and_sections(book):
    one = book["part/one/"]
    tree = ElementTree.fromstring(text(one))
    assert tree.tag == "section" and one.name == "part/one.xhtml" and book[""].name == "index.xhtml"
    assert {"one", "exercises", "exercise-1", "figure-f"} <= one.ids and "inside" not in one.ids
    assert one.headings == [("exercises", "Exercises")]
    assert "1 &lt; 2" in text(one) and "&amp; so on" in text(one)


def test_what_only_a_site_can_do_goes(book):
    epub_page.finish(book["part/one/"], book, "")
    said = text(book["part/one/"])
    for gone in (
        "headerlink",
        "book-run",
        "book-buttons",
        "Choose.",
        "<!--",
        "script",
        "data-",
        "loading",
        "tabindex",
    ):
        assert gone not in said, gone
    for gone in ("role=", "aria-label", "only-dark", "d.svg", "input", "<span></span>"):
        assert gone not in said, gone
    assert "5 minutes" in said and "True" in said


def test_a_paragraph_holds_no_block_and_none_is_empty(book):
    article = book["part/one/"].article
    assert not article.select("p div, p p") and all(p.get_text(strip=True) for p in article.find_all("p"))
    assert article.find(class_="book-header")


def test_hints_and_reasons_stay_closed(book):
    found = book["part/one/"].article.find_all("details")
    assert [tag.summary.get_text() for tag in found] == ["What is right, and why", "Hint"]
    assert not any(tag.has_attr("open") for tag in found)


def test_a_film_shows_how_it_begins_and_ends(book):
    assert [tag.get_text() for tag in book["part/one/"].article.select(".book-frame")] == ["first", "last"]


def test_tabs_stand_one_below_the_other(book):
    blocks = book["part/one/"].article.select(".tabbed-block")
    assert [" ".join(block.stripped_strings) for block in blocks] == ["Linux apt", "macOS brew"]


def test_formulas_are_mathml_3_and_carry_their_tex(book):
    formula = book["part/one/"].article.find("math")
    assert formula["xmlns"] == "http://www.w3.org/1998/Math/MathML" and formula["alttext"] == "\\frac ab <"
    assert formula.find("mstyle")["displaystyle"] == "true" and not formula.find("mfrac").attrs


@pytest.mark.parametrize(
    "before, after",
    [
        ('<mtable scriptlevel="0" displaystyle="true"></mtable>', '<mtable displaystyle="true"></mtable>'),
        (
            '<msup><mi>a</mi><mtable scriptlevel="0"></mtable></msup>',
            '<msup><mi>a</mi><mstyle scriptlevel="0"><mtable></mtable></mstyle></msup>',
        ),
    ],
)
def test_the_level_of_a_table_is_said_only_where_it_is_another(before, after):
    made = epub_page.page(f"<article><math>{before}</math></article>", "a/", "A")
    assert after in text(made)


def test_a_solution_stands_at_the_end_with_links_there_and_back(book):
    one = book["part/one/"]
    assert not one.article.select("details.success") and one.answers.name == "solutions.xhtml"
    for made in (one, one.answers):
        epub_page.finish(made, book, "")
    anchor = "solutions-part-one-exercise-1"
    assert links(one)["Solution"] == f"../solutions.xhtml#{anchor}" and anchor in one.answers.ids
    assert links(one.answers)["Back to the exercise"] == "part/one.xhtml#exercise-1"
    assert links(one.answers)["the figure"] == "part/one.xhtml#figure-f"
    assert [tag.get_text() for tag in one.answers.article.find_all(["h2", "h3"])] == ["1 One", "1 · Sum"]
    assert "data-done" not in text(one) + text(one.answers) and book["part/two/"].answers is None


def test_two_solutions_of_one_exercise_have_two_anchors():
    details = '<details class="success"><summary>S</summary><p>{}</p></details>'
    html = f'<div class="exercise" id="e"><p class="admonition-title">E</p>{details.format(1)}{details.format(2)}</div>'
    made = epub_page.page(f"<article>{html}</article>", "a/", "A")
    assert {"solutions-a-e", "solutions-a-e-2"} <= made.answers.ids


@pytest.mark.parametrize("site_url", ["", "https://a.b/book/", "https://a.b/book"])
def test_links_lead_to_files_of_the_book_or_to_the_site(book, site_url):
    one = book["part/one/"]
    epub_page.finish(one, book, site_url)
    found = links(one)
    assert found["two"] == "two.xhtml#there" and found["gone"] == "two.xhtml" and found["top"] == "#one"
    assert found["home"] == "../index.xhtml" and found["out"] == "https://example.org/a"
    assert found["in"] == "../solutions.xhtml#inside"
    assert found.get("api") == ("https://a.b/book/api/x/#y" if site_url else None)
    assert found.get("zip") == ("https://a.b/book/files/a.zip" if site_url else None)
    assert re.search("api.*zip", text(one), re.S)


def test_images_are_named_from_the_root(book):
    one = book["part/one/"]
    assert epub_page.finish(one, book, "") == ["assets/figures/l.svg"]
    assert 'src="../assets/figures/l.svg"' in text(one)


def test_wide_tables_scroll(book):
    assert '<div class="book-wide"><table>' in text(book["part/one/"])
