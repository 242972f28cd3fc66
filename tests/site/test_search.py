"""The search of the built site: what readers type leads to the page that is about it, and costs nothing before that."""

import json

from built import SITE

INDEX = "search/search_index.json"
CHAPTER = ("learning/", "networks/", "depth/", "models/", "tricks/")
# What is typed, and how the address of the first page that is found begins.
QUERIES = {
    "chain rule": (*CHAPTER, "start/"),
    "loss nan": ("reference/symptoms/#the-loss-is-nan",),
    "loss does not fall": ("reference/symptoms/#the-loss-does-not-fall",),
    "gradient wrong": ("reference/symptoms/#the-gradient-is-wrong",),
    "gradient check": ("reference/symptoms/#a-gradient-check", *CHAPTER),
    "shape mismatch": ("reference/symptoms/#the-shape", *CHAPTER),
    "no module named chainrule": ("reference/symptoms/#no-module", "start/where-to-run/"),
    "gpu": ("start/where-to-run/",),
    "install": ("start/where-to-run/",),
    "overfitting": ("reference/symptoms/", *CHAPTER),
    "softmax": CHAPTER,
    "zero_grad": CHAPTER,
    "broadcast": CHAPTER,
    "momentum": CHAPTER,
    "learning rate": CHAPTER,
    "relu derivative": CHAPTER,
    "adam": CHAPTER,
    "backpropagation": CHAPTER,
    "dual numbers": CHAPTER,
    "matmul": ("reference/api/ops/#chainrule.ops.matmul", *CHAPTER),
}
FIRST = """() => [...document.querySelectorAll(".md-search-result__item")].slice(0, 1).flatMap(
  item => [...item.querySelectorAll("a")].slice(0, 2).map(
    link => [link.href, +link.firstElementChild.dataset.mdScore]))"""


def test_queries_of_readers_lead_to_the_page_about_them(visit):
    page = visit.open("/")
    field = page.locator(".md-search__input")
    found = {}
    for query in QUERIES:
        field.fill("")
        page.locator(".md-search-result__item").first.wait_for(state="detached")
        field.press_sequentially(query)
        page.wait_for_timeout(400)  # it is searched a moment after the last key
        page.locator(".md-search-result__item").first.wait_for()
        hits = page.evaluate(FIRST)  # a page and its best section, where the page itself may count nothing
        best = max(hits, key=lambda hit: hit[1])[0]
        found[query] = best.split("?")[0].removeprefix(visit.server.url + "/") + "#" * ("#" in best)
        found[query] = found[query].rstrip("#") + ("#" + best.partition("#")[2] if "#" in best else "")
    assert visit.faults() == []
    astray = {query: at for query, at in found.items() if not at.startswith(QUERIES[query])}
    assert astray == {}


def test_the_index_is_fetched_when_somebody_searches(visit):
    page = visit.page
    asked = []
    page.on("request", lambda request: asked.append(request.url) if INDEX in request.url else None)
    page = visit.open("/")
    assert asked == []
    page.keyboard.press("/")
    page.keyboard.type("gradient")
    page.locator(".md-search-result__item").first.wait_for()
    assert len(asked) == 1 and visit.faults() == []


def docs() -> list[dict]:
    return json.loads((SITE / INDEX).read_text(encoding="utf-8"))["docs"]


def test_the_home_page_and_pages_without_a_nav_are_not_searched(site):
    pages = {doc["location"].partition("#")[0] for doc in docs()}
    assert "" not in pages and "learning/derivatives-and-descent/" in pages
    listed = (site / "sitemap.xml").read_text(encoding="utf-8")
    record = (SITE.parent / "docs/reference/records/gpu.json").exists()
    assert ("reference/gpu/" in pages) == record and listed
