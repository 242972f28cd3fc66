"""The whole site as one file: its links, its policy, its search, and the link to it."""

from zipfile import ZipFile

import pytest
from test_markdown import PAGE, convert  # noqa: F401, a fixture

from bookbinder import offline, postprocess
from bookbinder.__main__ import main
from conftest import ROOT

CONFIG = (
    '<script id="__config" type="application/json">{"features": ["a", "navigation.instant", "b"]}</script>'
)
HEAD = f'<html><head><link href="../assets/css/x.css" rel="stylesheet"></head><body>{CONFIG}'
PAGES = {
    "index.html": f'{HEAD}<a href="part/a/">A</a> <a href=part/a/#x>B</a></body></html>',
    "part/a/index.html": f'{HEAD}<a href="../..">Home</a> <a href="./">Here</a>{offline.PLACE}</body></html>',
    "404.html": f"{HEAD}</body></html>",
    "old/index.html": f'{HEAD}<script src="../assets/js/moved.js"></script></body></html>',
}
FILES = {
    "assets/css/x.css": 'a { src: url("../fonts/y.woff2") format("woff2"); b: url(../z.svg); }',
    "assets/fonts/y.woff2": "font",
    "assets/js/search.js": "of a server",
    "assets/javascripts/workers/search.0a.min.js": "worker",
    "assets/javascripts/workers/search.0a.min.js.map": "{}",
    "search/search_index.json": '{"docs":[{"location":""},{"location":"part/a/#x"},{"location":"404.html"}]}',
    "sitemap.xml.gz": "",
}


@pytest.fixture
def site(tmp_path):
    for name, text in {**FILES, **PAGES}.items():
        file = tmp_path / "site" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(postprocess.process(text, name) if name in PAGES else text, encoding="utf-8")
    return tmp_path / "site"


def contents(file) -> dict[str, str]:
    """What is in a copy, by its name in the site."""
    with ZipFile(file) as packed:
        return {
            name.removeprefix(f"{offline.NAME}/"): packed.read(name).decode() for name in packed.namelist()
        }


@pytest.mark.parametrize(
    "address, wanted",
    [
        ("part/a/", "part/a/index.html"),
        ("part/a", "part/a/index.html"),
        ("part/a/?present=2#x", "part/a/index.html?present=2#x"),
        ("./part/../", "./part/../index.html"),
        (".", "./index.html"),
        *((same, same) for same in ("", "#x", "part/gone/", "assets/css/x.css", "part/a/index.html#x")),
        *((same, same) for same in ("https://a.b/part/a/", "//a.b/", "/part/a/", "mailto:a@b.c", "data:,x")),
    ],
)
def test_an_address_names_the_file_that_it_leads_to(site, address, wanted):
    assert offline.from_disk(address, site) == wanted


def test_pages_of_the_copy_are_read_from_the_disk(site):
    found = contents(offline.write(site))
    home, page = found["index.html"], found["part/a/index.html"]
    assert '<a href="part/a/index.html">A</a> <a href="part/a/index.html#x">B</a>' in home
    assert '<a href="../../index.html">Home</a> <a href="./index.html">Here</a>' in page
    assert '"features": ["a", "b"]' in home
    for rule in ("script-src 'self' file:", "font-src 'self' file: data:;", "frame-src 'self' file:;"):
        assert rule in home, rule
    assert 'url("data:font/woff2;base64,Zm9udA==")' in found["assets/css/x.css"]
    assert "url(../z.svg)" in found["assets/css/x.css"]


def test_the_search_of_the_copy_needs_no_server(site):
    found = contents(offline.write(site))
    index = '{"docs":[{"location":"index.html"},{"location":"part/a/index.html#x"},{"location":"404.html"}]}'
    assert found["search/search_index.js"] == f"var __index = {index}"
    assert "iframe" in found["assets/js/search.js"]
    assert 'src="../assets/javascripts/workers/search.0a.min.js"' in found["search/frame.html"]


def test_what_only_a_server_needs_is_left_out(site):
    assert {*contents(offline.write(site))} == {
        "index.html", "part/a/index.html", "assets/css/x.css", "assets/fonts/y.woff2", "assets/js/search.js",
        "assets/javascripts/workers/search.0a.min.js", "search/search_index.js", "search/frame.html",
    }  # fmt: skip


def test_a_site_without_a_search_has_a_copy_too(site):
    (site / "search/search_index.json").unlink()
    assert contents(offline.write(site))["assets/js/search.js"] == "of a server"


def test_the_site_links_the_file_with_its_size_and_the_copy_does_not(site):
    file = offline.write(site)
    first = file.read_bytes()
    link = f'<a class="md-button" href="../../{file.name}" download>The whole book, offline</a> 0 MB</p>'
    page = site / "part/a/index.html"
    assert link in page.read_text("utf-8") and offline.PLACE not in page.read_text("utf-8")
    assert offline.PLACE in contents(file)["part/a/index.html"]
    assert offline.write(site).read_bytes() == first and page.read_text("utf-8").count("book-offline") == 1


def test_the_place_of_the_link_is_empty_until_the_file_is_there(convert):  # noqa: F811
    page = convert(page=PAGE + f"\nBefore.\n\n{offline.MARK}\n\nAfter.\n")
    assert page.index("Before.") < page.index(offline.PLACE) < page.index("After.")
    assert offline.MARK in (ROOT / "docs/start/where-to-run.md").read_text("utf-8").split("\n")


def test_the_command_writes_it_or_says_what_is_missing(site, tmp_path, capsys):
    assert main(["offline", str(site)]) == 0 and (site / f"{offline.NAME}.zip").is_file()
    assert main(["offline", str(tmp_path / "none")]) == 1
    assert "build the site first" in capsys.readouterr().out
