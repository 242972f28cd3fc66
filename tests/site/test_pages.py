"""Every page of the built site, as readers get it: weight, links, text, and a real browser."""

import gzip
import json
import posixpath
import re
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from built import AXE, PAGES, SITE, file_of, read, source_of

from bookbinder import reader
from bookbinder.chapter import load
from sampling import sample

HTML_GZ, FIRST_VISIT, REQUESTS, ELEMENTS, SHIFT = 60_000, 400_000, 25, 6_000, 0.02
FIGURE = 20_000
# Fetched on the first search, not with a page: the book of 24 chapters, at 6,500 each, and all that is no chapter.
SEARCH_INDEX = 255_000
every_page = pytest.mark.parametrize("path", PAGES)
# Both schemes and both widths on every page; each with each on some of them, or with WHOLE=1.
MODES = [(1350, "light"), (375, "dark")]
ALL_MODES, IN_ALL_MODES = [*MODES, (1350, "dark"), (375, "light")], set(sample(PAGES, 5))


@every_page
def test_html_is_light(site, path):
    size = len(gzip.compress(file_of(path).read_bytes(), 6))
    assert size <= HTML_GZ, f"{size:,} bytes, gzipped"


def test_search_index_is_light(site):
    size = len(gzip.compress((site / "search/search_index.json").read_bytes(), 6))
    assert size <= SEARCH_INDEX, f"{size:,} bytes, gzipped"


def test_figures_are_light(site):
    sizes = {
        file.name: len(gzip.compress(file.read_bytes(), 6)) for file in site.rglob("assets/figures/*.svg")
    }
    assert {name: size for name, size in sizes.items() if size > FIGURE} == {}


def lands(path: str, link: str) -> bool:
    """Whether a link leads to a file of the site, and its anchor to a place in it."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    target, anchor = urldefrag(link)
    target = posixpath.normpath(posixpath.join("/", posixpath.dirname(path), unquote(target.split("?")[0])))
    file = SITE / target.lstrip("/") if urlsplit(link).path else file_of(path)
    if file.is_dir():
        file /= "index.html"
    if not file.is_file():
        return False
    if file.suffix != ".html":
        return True
    page = "/" + file.relative_to(SITE).as_posix().removesuffix("index.html")
    return unquote(anchor) in read(page).anchors


@every_page
def test_links_and_anchors_resolve(site, path):
    if path == "/404.html":
        pytest.skip("served in the place of any page: its links begin at the root of the site's address")
    assert [link for link in read(path).links if not lands(path, link)] == []


@pytest.mark.parametrize("path", [path for path in PAGES if path.startswith("/reference/api/")])
def test_an_api_page_begins_with_a_table_of_what_it_holds(site, path):
    html = file_of(path).read_text(encoding="utf-8")
    table = html.partition('<section class="book-overview"')[2].partition("</section>")[0]
    told = set(re.findall(r'<a href="#(chainrule[.\w]+)"', table))
    headed = set(re.findall(r'<h3 id="(chainrule(?:\.[a-z]\w*)+\.\w+)" class="doc doc-heading">', html))
    assert told and told <= read(path).anchors and headed - told == set()


def test_docstrings_chapters_and_sources_are_linked_with_the_reference(site):
    if "/reference/api/nn/" not in PAGES:
        pytest.skip("a site without the reference")
    assert any(link.endswith("/ops/#chainrule.ops.relu") for link in read("/reference/api/nn/").links)
    chapters = [path for path in PAGES if path.startswith("/networks/")]
    assert any(
        "/reference/api/" in link and "#chainrule." in link for path in chapters for link in read(path).links
    )
    assert all(
        "../../reference/notation/" in read(path).links for path in chapters if "bug-museum" not in path
    )
    entries = re.findall(
        r'<li id="\w+\d">.*?</li>', file_of("/reference/bibliography/").read_text("utf-8"), re.S
    )
    assert len(entries) > 50 and [entry for entry in entries if "book-cited" not in entry] == []


@every_page
def test_images_say_what_they_show(site, path):
    lacking = [at for at in read(path).images if not all(at.get(key) for key in ("alt", "width", "height"))]
    assert lacking == []


@every_page
def test_nothing_is_left_unrendered(site, path):
    text = "".join(read(path).text)
    assert re.findall(r".{0,30}(?:\$|\\[(\[]|!!! |\?\?\?\+? |===).{0,30}", text) == []


WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# Look at the whole page once, and have every figure that can be seen. Each place is drawn before the next: a jump while
# nothing is drawn would count as a layout that moves. What waits inside a box that scrolls is asked for by name: it may
# never come near by itself. A picture that does not come within ten seconds counts as broken.
SCROLL = """async () => {
  const within = (ms, promise) => Promise.race([promise, new Promise(done => setTimeout(done, ms))]);
  const drawn = () => new Promise((done, fail) => {
    setTimeout(fail, 30_000, new Error("TimeoutError: the browser draws nothing"));
    requestAnimationFrame(() => setTimeout(done)); // not before the frame is laid out and painted
  });
  await drawn();
  for (let y = 0; y < document.documentElement.scrollHeight; y += innerHeight) {
    scrollTo(0, y); await drawn();
  }
  scrollTo(0, 0);
  const awaited = [...document.images].filter(i => i.checkVisibility() && !i.complete);
  awaited.forEach(i => i.loading = "eager");
  await within(10_000, Promise.allSettled(awaited.map(i => i.decode())));
}"""
BROKEN = "[...document.images].filter(i => i.checkVisibility() && !i.naturalWidth).map(i => i.src)"
OPEN = """last => {
  document.querySelectorAll("article details").forEach(d => d.open = true);
  document.querySelectorAll(".tabbed-set").forEach(s => {
    const all = s.querySelectorAll(":scope > input"); all[last ? all.length - 1 : 0].click(); });
}"""


@every_page
def test_page_in_a_browser(visit, axe, path, record_property):
    page = visit.open(path)
    weight = dict(visit.server.sent)
    count = page.evaluate("document.querySelectorAll('*').length")
    page.evaluate(SCROLL)
    shift = page.evaluate("book.shift")
    broken = page.evaluate(BROKEN)
    page.evaluate(axe)
    axe_says, wide = {}, {}
    for width, scheme in ALL_MODES if path in IN_ALL_MODES else MODES:
        visit.show(width, scheme)
        page.evaluate(OPEN, scheme == "dark")
        page.evaluate(SCROLL)
        broken += page.evaluate(BROKEN)
        axe_says[f"{scheme} {width}"] = page.evaluate(AXE)
    for width in (320, 375, 768, 1280):
        visit.show(width, "light")
        wide[width] = page.evaluate(WIDER)
    copied = copied_program(page, path)
    record_property("weight", json.dumps(weight | {"elements": count}))
    print(
        f"{path}: {weight['bytes']:,} bytes, {weight['requests']} requests, {count:,} elements, shift {shift:.3f}"
    )
    assert visit.faults() == [] and not weight["failed"]
    assert broken == []
    assert {mode: found for mode, found in axe_says.items() if found} == {}
    assert {width: by for width, by in wide.items() if by > 0} == {}, "wider than the window, by pixels"
    assert weight["bytes"] <= FIRST_VISIT and weight["requests"] <= REQUESTS and count <= ELEMENTS
    assert shift <= SHIFT, "the layout moves while the page loads"
    assert page.evaluate("document.querySelectorAll('math').length") == read(path).formulas
    assert copied == program_of(path)


# Blocks of exercises wait for their reader: the last block of the text is the longest program of a page.
LAST = ".highlight:not(.exercise *) .book-copy"


def copied_program(page, path: str) -> str:
    """What the last button on a page puts on the clipboard, without the lines that install chainrule."""
    if not program_of(path):
        return ""
    page.locator(LAST).last.evaluate("button => button.click()")
    page.get_by_text("Copied with what it needs").wait_for()
    return page.evaluate("navigator.clipboard.readText()").rpartition("check=True)\n\n")[2]


def program_of(path: str) -> str:
    """The longest program of a page, as its source has it: the one whose blocks the tests of blocks run."""
    if 'data-chains="' not in file_of(path).read_text(encoding="utf-8"):
        return ""
    chapter = load(source_of(path))
    codes = [block.code.strip("\n") for block in chapter.blocks]
    alone = [n for n, block in enumerate(chapter.blocks) if not block.exercise]
    chains = [reader.chains(chapter)[n] for n in alone]
    wanting = [chain for chain in chains if len(chain) > 1 or wants_chainrule(codes[chain[-1]])]
    return "\n\n".join(codes[n] for n in wanting[-1]) + "\n" if wanting else ""


def wants_chainrule(program: str) -> bool:
    return bool(re.search(r"^\s*(import|from) chainrule\b", program, re.M))


# What the tab key should reach, and what it has reached: each control with whether it can be seen there.
STOPS = """() => [...document.querySelectorAll(
    "a[href], button, input:not([type=radio]), summary, [tabindex='0'], input[type=radio]:checked")]
  .filter(e => e.tabIndex >= 0 && !e.closest("[inert], dialog:not([open])")
    && e.checkVisibility({visibilityProperty: true, opacityProperty: !e.matches("input, .headerlink, .md-skip")})
    && !e.closest(".md-search__output, .md-search__options") && !e.matches(".md-top"))
  .map((e, i) => (e.dataset.stop = i, e.outerHTML.slice(0, 100)))"""
AT = """() => {
  const e = document.activeElement;
  if (!e || e === document.body) return null;
  const seen = e.matches("input[type=radio]") ? document.querySelector(`label[for="${e.id}"]`)
    || e.nextElementSibling : e;
  const r = seen.getBoundingClientRect(), s = getComputedStyle(seen);
  const ring = [e, seen, e.parentElement, e.parentElement.querySelector(".tabbed-labels") || e]
    .some(x => x && getComputedStyle(x).outlineStyle !== "none") || s.boxShadow !== "none";
  return {stop: e.dataset.stop, html: e.outerHTML.slice(0, 100), ring,
    seen: r.width > 1 && r.height > 1 && s.visibility === "visible" && s.opacity !== "0"
      && r.right > 0 && r.left < innerWidth && r.bottom > 0 && r.top < innerHeight};
}"""


def walk(page) -> list[dict]:
    """Where the tab key stops, from the top of the page to its end."""
    stops = []
    for _ in range(1500):
        page.keyboard.press("Tab")
        at = page.evaluate(AT)
        if at is None or (stops and at["stop"] == stops[0]["stop"] and at["html"] == stops[0]["html"]):
            return stops
        stops.append(at)
    raise AssertionError("the tab key finds no end")


WALKED = [
    *(pytest.param(path, 1350) for path in sample(PAGES, 10)),
    *(pytest.param(path, 375, marks=pytest.mark.deep) for path in sample(PAGES, 8)),
]


@pytest.mark.parametrize(("path", "width"), WALKED)
def test_every_control_is_reached_by_keyboard_and_seen(visit, path, width):
    page = visit.open(path, width)
    closed = str(width < 1220).lower()  # the script has told the menu whether it is a closed drawer
    page.wait_for_function(
        f"() => (document.querySelector('.md-sidebar--primary')?.inert ?? {closed}) === {closed}"
    )
    page.evaluate(OPEN, False)
    page.evaluate("scrollTo(0, 0); document.activeElement.blur()")
    wanted = page.evaluate(STOPS)
    stops = walk(page)
    assert [s["html"] for s in stops if not s["seen"]] == [], "a tab stop that nobody sees"
    assert [s["html"] for s in stops if not s["ring"]] == [], "a tab stop without a ring"
    reached = {s["stop"] for s in stops}
    assert [html for i, html in enumerate(wanted) if str(i) not in reached] == [], "never reached"
