"""What book.js and slides.js add to a page: copying a program, slides, and the memory of what was read."""

import json
import os
import re
import subprocess
import sys

import pytest
from built import AXE, PAGES, file_of

CHAINED = [
    path for path in PAGES if re.search(r'data-chains="\[[^"]*\d', file_of(path).read_text(encoding="utf-8"))
]
DECKS = [path for path in PAGES if "<!-- slide" in file_of(path).read_text(encoding="utf-8")]
# Blocks of exercises wait for their reader: the last block of the text is the longest program of a page.
LAST = ".highlight:not(.exercise *) .book-copy"


@pytest.mark.parametrize("path", CHAINED)
def test_the_last_block_is_copied_as_a_program_that_runs(visit, path, tmp_path):
    page = visit.open(path)
    button = page.locator(LAST).last
    button.focus()
    page.keyboard.press("Enter")
    page.get_by_text("Copied with what it needs").wait_for()
    program = page.evaluate("navigator.clipboard.readText()")
    assert visit.faults() == []
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    env = {**os.environ, "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_program_with_chainrule_brings_its_install_line(visit):
    path = next(
        p for p in CHAINED if "chainrule" in file_of(p).read_text(encoding="utf-8").lower() and "engine" in p
    )
    page = visit.open(path)
    for button in page.locator(LAST).all():
        button.click()
        program = page.evaluate("navigator.clipboard.readText()")
        wheel = re.search(r'"--no-deps", "([^"]+)"', program)
        assert bool(wheel) == bool(
            re.search(r"^\s*(import|from) chainrule\b", program.split("check=True)")[-1], re.M)
        )
        if wheel:
            assert page.request.get(wheel[1]).ok, "the wheel is where the line says"
            return
    raise AssertionError("no block of the engine's chapter imports chainrule")


def test_the_button_is_there_after_turning_the_page(visit):
    page = visit.open("/")
    page.locator(f".md-nav a[href$='{CHAINED[0]}']").first.click()
    page.wait_for_url(f"**{CHAINED[0]}")
    page.locator(".book-copy").first.wait_for()
    assert visit.faults() == []


@pytest.mark.parametrize("path", DECKS)
def test_slides_turn_by_keys_fit_the_screen_and_print(visit, axe, path):
    page = visit.open(path)
    button = page.get_by_role("button", name="Slides")
    button.click()
    deck = page.get_by_role("dialog", name=re.compile("^Slides: "))
    deck.wait_for()
    count = page.locator(".book-slide").count()
    shown = page.locator(".book-slide--shown")
    assert count >= 3 and shown.locator("h1").is_visible()
    for n in range(2, count + 1):
        page.keyboard.press("ArrowRight")
        assert deck.locator(".book-deck-bar output").inner_text() == f"{n} / {count}"
        over = shown.evaluate("e => [e.scrollHeight - e.clientHeight, e.scrollWidth - e.clientWidth]")
        heading = shown.locator(":is(h1, h2, h3)").first.inner_text()
        assert max(over) <= 0, f"slide {n}, {heading}, is too full: mark less"
    page.keyboard.press("Home")
    page.evaluate(axe)
    assert page.evaluate(AXE) == []
    sheets = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", sheets)) >= count
    page.keyboard.press("Escape")
    assert deck.count() == 0 and page.evaluate("document.activeElement.textContent") == "Slides"
    page.keyboard.press("ArrowRight")
    assert visit.faults() == []


def test_an_address_opens_the_slides(visit):
    page = visit.open(DECKS[0] + "?present=3")
    page.locator(".book-slide--shown").wait_for()
    assert (
        page.get_by_role("dialog", name=re.compile("^Slides: "))
        .locator(".book-deck-bar output")
        .inner_text()
        .startswith("3 /")
    )


def test_what_was_read_is_remembered(visit):
    path = CHAINED[0]
    page = visit.open("/")
    assert page.locator(".book-continue").count() == 0
    page = visit.open(path)
    title = page.locator("h1").evaluate("e => e.firstChild.textContent.trim()")
    page.locator(".md-footer").scroll_into_view_if_needed()
    page.wait_for_function("() => localStorage.getItem('book-read')")
    assert json.loads(page.evaluate("localStorage.getItem('book-read')")) == [path.lstrip("/")]
    page = visit.open("/")
    assert page.locator(".book-continue").inner_text() == f"Go on with “{title}”"
    assert visit.faults() == [] and page.context.cookies() == []
    page.locator(".book-continue").click()
    page.wait_for_url(f"**{path}")
