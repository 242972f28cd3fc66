"""The e-book as a file: its order, its contents, what it says of itself, the same bytes, and the link to it."""

from xml.etree import ElementTree
from zipfile import ZIP_STORED, ZipFile

import pytest
from bs4 import BeautifulSoup

from bookbinder import epub, offline
from bookbinder.__main__ import main
from conftest import ROOT

NAV = """<nav class="md-nav md-nav--primary" data-md-level="0"><ul>
<li><a class="md-nav__link" href="."><span class="md-ellipsis"> The course </span></a>
<nav class="md-nav--secondary"><ul><li><a class="md-nav__link" href="#x">
<span class="md-ellipsis">X</span></a></li></ul>
</nav></li>
<li><label><span class="md-ellipsis">I · Part</span></label><nav data-md-level="1"><ul>
<li><a class="md-nav__link" href="part/b/"><span class="md-ellipsis">1 Before</span></a></li>
<li><a class="md-nav__link" href="part/a/"><span class="md-ellipsis">2 After &amp; all</span></a></li></ul></nav></li>
<li><label><span class="md-ellipsis">Contribute</span></label><nav data-md-level="1"><ul>
<li><a class="md-nav__link" href="contribute/style/"><span class="md-ellipsis">Style</span></a></li></ul></nav></li>
</ul></nav>"""
HEAD = '<html><head>{canonical}<meta name="description" content="Of rules."></head><body>'
EXERCISE = """<div class="admonition exercise" id="exercise-1"><p class="admonition-title">1 · Sum</p>
<details class="success"><summary>Solution</summary><p>3</p></details></div>"""
PAGES = {
    "": f'<h1 id="t">Chain Rule<a class="headerlink" href="#t">¶</a></h1><p><a href="part/a/">A</a></p>{offline.PLACE}',
    "part/b/": f"<h1>1 Before</h1><h2 id='s'>Section</h2><p><math><mi>x</mi></math></p>{EXERCISE}",
    "part/a/": '<h1>2 After</h1><img src="../../assets/figures/f.svg#only-light" alt="F" width="1" height="1">',
    "contribute/style/": "<h1>Style</h1>",
}
FILES = {
    "assets/css/math.css": 'a { src: url("../fonts/course-math.woff2") }',
    "assets/fonts/course-math.woff2": "font",
    "assets/figures/f.svg": "<svg/>",
    "assets/figures/unused.svg": "<svg/>",
}


def built(folder, canonical=""):
    for address, article in PAGES.items():
        file = folder / address / "index.html"
        file.parent.mkdir(parents=True, exist_ok=True)
        head = HEAD.format(canonical=canonical)
        file.write_text(f"{head}{NAV}<article>{article}</article></body></html>", encoding="utf-8")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    return built(tmp_path / "site")


def contents(file) -> dict[str, str]:
    with ZipFile(file) as packed:
        return {name: packed.read(name).decode() for name in packed.namelist()}


def test_the_menu_gives_the_order_and_sections_have_no_address(site):
    home = BeautifulSoup((site / "index.html").read_text("utf-8"), "html.parser")
    assert epub.menu(home)[:2] == [
        ("The course", "", []),
        ("I · Part", None, [("1 Before", "part/b/", []), ("2 After & all", "part/a/", [])]),
    ]


def test_the_file_begins_as_the_standard_wants_it(site):
    with ZipFile(epub.write(site)) as packed:
        first = packed.infolist()[0]
        assert first.filename == "mimetype" and first.compress_type == ZIP_STORED
        assert packed.read("mimetype") == b"application/epub+zip"
        assert b'full-path="book/content.opf"' in packed.read("META-INF/container.xml")


def test_it_holds_the_course_and_what_its_pages_show(site):
    names = {name.removeprefix("book/") for name in contents(epub.write(site))}
    assert names == {
        "mimetype", "META-INF/container.xml", "content.opf", "nav.xhtml", "book.css", "index.xhtml", "part/b.xhtml",
        "part/a.xhtml", "solutions.xhtml", "assets/css/math.css", "assets/fonts/course-math.woff2",
        "assets/figures/f.svg",
    }  # fmt: skip


def test_every_page_is_xml_with_its_style(site):
    for name, text in contents(epub.write(site)).items():
        if name.endswith((".xhtml", ".opf", ".xml")):
            ElementTree.fromstring(text)
    page = contents(epub.write(site))["book/part/b.xhtml"]
    assert "<title>1 Before</title>" in page and 'href="../book.css"' in page


def test_the_spine_is_in_the_order_of_the_menu_solutions_last(site):
    package = ElementTree.fromstring(contents(epub.write(site))["book/content.opf"])
    names = {item.get("id"): item.get("href") for item in package.iter("{http://www.idpf.org/2007/opf}item")}
    order = [names[item.get("idref")] for item in package.iter("{http://www.idpf.org/2007/opf}itemref")]
    assert order == ["index.xhtml", "part/b.xhtml", "part/a.xhtml", "solutions.xhtml"]


def test_the_package_says_which_files_hold_formulas(site):
    package = contents(epub.write(site))["book/content.opf"]
    assert 'href="part/b.xhtml" media-type="application/xhtml+xml" properties="mathml"' in package
    assert 'href="part/a.xhtml" media-type="application/xhtml+xml"/>' in package
    assert 'href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"' in package


def test_the_contents_are_nested_as_the_menu(site):
    nav = contents(epub.write(site))["book/nav.xhtml"]
    assert "<span>I · Part</span><ol><li><a" in nav and '<a href="part/b.xhtml#s">Section</a>' in nav
    assert '<a href="solutions.xhtml#solutions-part-b">1 Before</a>' in nav and "Style" not in nav
    assert "2 After &amp; all" in nav


def test_what_it_says_of_itself(site, tmp_path):
    package = contents(epub.write(site))["book/content.opf"]
    for said in (
        "<dc:title>Chain Rule</dc:title>",
        "The contributors of Chain Rule",
        "Of rules.",
        "CC BY 4.0",
    ):
        assert said in package, said
    assert (
        '<meta property="dcterms:modified">2023-11-14T22:13:20Z</meta>' in package
        and "dc:source" not in package
    )
    assert (
        "dc:source"
        not in contents(epub.write(built(site, '<link rel="canonical" href=".">')))["book/content.opf"]
    )
    other = built(tmp_path / "other", '<link rel="canonical" href="https://a.b/">')
    assert "<dc:source>https://a.b/</dc:source>" in contents(epub.write(other))["book/content.opf"]


def test_it_was_changed_with_the_last_commit_else_with_the_site(site, tmp_path, monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert epub.changed(ROOT) > 1_700_000_000
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert epub.changed(site) == int((site / "index.html").stat().st_mtime)


def test_the_same_site_makes_the_same_bytes_and_links_it_once(site):
    first = epub.write(site).read_bytes()
    page = site / "index.html"
    link = f'<a class="md-button" href="{epub.NAME}" download>The whole book as EPUB</a> 0 MB</p>'
    assert link in page.read_text("utf-8")
    assert epub.write(site).read_bytes() == first and page.read_text("utf-8").count("book-offline") == 1


def test_both_files_are_linked_side_by_side_and_neither_holds_the_other(site):
    (site / "search").mkdir()
    epub.write(site)
    copy = contents(offline.write(site))
    said = (site / "index.html").read_text("utf-8")
    assert said.count("md-button") == 2 and said.index("offline</a>") < said.index("EPUB</a>")
    assert not any(name.endswith(".epub") for name in copy)
    assert offline.PLACE in copy["whole-book/index.html"]


def test_the_command_writes_it_and_says_how_far_it_is(site, tmp_path, capsys):
    assert main(["epub", str(site)]) == 0 and (site / epub.NAME).is_file()
    said = capsys.readouterr().out
    assert "I · Part: 2 pages" in said and "MB" in said
    assert main(["epub", str(tmp_path / "none")]) == 1
    assert "build the site first" in capsys.readouterr().out
