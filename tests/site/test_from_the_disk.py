"""The whole book as one file: unpacked, its pages work from the disk, without a server and without a network."""

from urllib.parse import unquote, urldefrag
from zipfile import ZipFile

import pytest
from built import PAGES, Reader, read

from bookbinder import offline
from bookbinder.chapter import PARTS

CHAPTERS = (page for page in PAGES if page.split("/")[1] in PARTS and page.count("/") > 2)
CHAPTER = next((page for page in CHAPTERS if read(page).formulas and read(page).images), None)
LAB = next((page for page in PAGES if page.startswith("/labs/") and read(page).images), None)
SEEN = """() => ({
  figures: [...document.images].filter(image => image.naturalWidth && image.getBoundingClientRect().width).length,
  broken: [...document.images].filter(image => image.complete && !image.naturalWidth).length,
  formulas: [...document.querySelectorAll("math")].filter(math => math.getBoundingClientRect().height > 5).length,
  font: [...document.fonts].every(font => font.status !== "error"),
})"""


@pytest.fixture(scope="module")
def folder(site, tmp_path_factory):
    to = tmp_path_factory.mktemp("offline")
    offline.bundle(site, to / "book.zip")
    with ZipFile(to / "book.zip") as packed:
        packed.extractall(to)
    return to / offline.NAME


class Tab:
    """A tab that shows the copy, and what went wrong in it."""

    def __init__(self, page, folder):
        self.page, self.folder, self.faults = page, folder, []
        page.on("console", lambda m: m.type == "error" and self.faults.append(m.text))
        page.on("pageerror", lambda e: self.faults.append(str(e)))
        page.on("requestfailed", self._failed)
        page.on("request", self._from_the_disk)

    def _failed(self, request):
        if request.failure != "net::ERR_ABORTED":  # what a page that was left did not wait for
            self.faults.append(f"{request.url}: {request.failure}")

    def _from_the_disk(self, request):
        if not request.url.startswith((self.folder.as_uri(), "data:", "blob:")):
            self.faults.append(f"a request to another place: {request.url}")

    def open(self, page: str):
        self.page.goto((self.folder / page.lstrip("/") / "index.html").as_uri(), wait_until="load")
        return self.page


@pytest.fixture
def tab(alarm, browsers, folder):
    context = browsers.running().new_context(viewport={"width": 1350, "height": 812}, reduced_motion="reduce")
    yield Tab(context.new_page(), folder)
    context.close()


def test_every_link_leads_to_a_file_of_the_copy(folder):
    pages = {file: Reader(file.read_text("utf-8")) for file in folder.rglob("*.html")}
    lost = []
    for file, page in pages.items():
        for link in page.links:
            address, anchor = urldefrag(link)
            if ":" in address.split("/")[0] or address.startswith("//"):
                continue
            there = (file.parent / unquote(address)).resolve() if address else file
            known = there.is_file() and (there not in pages or unquote(anchor) in pages[there].anchors)
            if not known:
                lost.append(f"{file.relative_to(folder)}: {link}")
    assert lost == []


@pytest.mark.parametrize("address", [page for page in ("/", CHAPTER, LAB) if page])
def test_a_page_is_whole_from_the_disk(tab, address):
    page = tab.open(address)
    page.evaluate("[...document.images].forEach(image => { image.loading = 'eager'; })")
    page.evaluate("Promise.allSettled([...document.images].map(image => image.decode()))")
    seen = page.evaluate(SEEN)
    assert not seen["broken"] and seen["font"]
    assert bool(seen["figures"]) == bool(read(address).images)
    assert bool(seen["formulas"]) == bool(read(address).formulas)
    assert tab.faults == []


@pytest.mark.skipif(not CHAPTER, reason="no chapter with formulas and figures")
def test_what_a_reader_does_works_from_the_disk(tab, folder):
    page = tab.open(CHAPTER)
    for offers in ("Switch to light mode", "Switch to dark mode"):
        page.get_by_role("button", name=offers).click()
    page.locator("body[data-md-color-scheme=slate]").wait_for()
    page.keyboard.press("/")
    page.keyboard.type("gradient")
    first = page.locator(".md-search-result__item a").first
    first.wait_for()
    with page.expect_navigation():
        first.click()
    assert page.url.startswith(folder.as_uri()) and "/index.html" in page.url
    page = tab.open(CHAPTER)
    page.get_by_role("button", name="Slides").click()
    page.locator(".book-deck").wait_for()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    page.locator(".book-deck").wait_for(state="detached")
    with page.expect_navigation():
        page.locator(".md-footer__link--next").click()
    assert page.url.startswith(folder.as_uri()) and page.url.endswith("index.html")
    page = tab.open("/")
    assert urldefrag(page.locator(".book-continue").get_attribute("href")).url.endswith("/index.html")
    assert tab.faults == []
