"""Blocks run and exercises checked in the page, by the worker that readers have.

A page's blocks must put out what is printed. Where many steps of training follow one another, another rounding gives
other numbers; that is then all that differs. Every answer of every exercise gets the verdict that it gets in the build.
"""

import re

import pytest
from built import PAGES, file_of, source_of

from bookbinder import exercises
from bookbinder.chapter import load
from sampling import sample

RUNNING = [path for path in PAGES if "data-python=" in file_of(path).read_text(encoding="utf-8")]
CHEAP = "/learning/derivatives-and-descent/"  # its blocks run in a moment
VERDICTS = {"starter": "not yet", "solution": "right", "right": "right", "wrong": "not right"}
pytestmark = pytest.mark.skipif(not RUNNING, reason="built without Pyodide: sudo apt install npm")
# Presses a button and tells what is said in the end.
PRESS = """async ([block, name, code]) => {
  const run = await import(new URL("assets/js/run.js", __md_scope));
  const bar = document.querySelector(`.book-run[data-block="${block}"]`);
  if (code !== null) run.edit(bar, block).value = code;
  await run.press(bar, name);
  return [bar.dataset.verdict, bar.querySelector("[role=status]").textContent];
}"""


@pytest.fixture
def reader(visit):
    """A page with everything on it opened, and a way to press its buttons."""

    def press(block, name="Run", code=None):
        return visit.page.evaluate(PRESS, [block, name, code])

    def at(path):
        visit.open(path)
        visit.page.evaluate("document.querySelectorAll('article details').forEach(box => box.open = true)")
        return visit.page, press

    return at


def bars(page, name):
    """Numbers of the blocks that have a button of this name."""
    found = page.locator(f'.book-run:has(button:text-is("{name}"))')
    return found.evaluate_all("all => all.map(bar => Number(bar.dataset.block))")


@pytest.mark.parametrize("path", sample(RUNNING, 2))
def test_blocks_put_out_what_is_printed(reader, visit, path):
    page, press = reader(path)
    said = {block: press(block)[1] for block in bars(page, "Run")}
    off = {
        block: words
        for block, words in said.items()
        if not re.search(": (as|other numbers than) printed|^This builds on your answer", words)
    }
    assert off == {} and visit.faults() == []


def needs_more(text: str) -> bool:
    """Whether an answer imports what does not run in a browser."""
    return bool(re.search(r"^\s*(import|from) (torch|scipy|sklearn)\b", text, re.M))


@pytest.mark.parametrize("path", sample([path for path in RUNNING if "/labs/" not in path], 3))
def test_answers_get_the_verdicts_of_the_build(reader, visit, path):
    chapter = load(source_of(path))
    page, press = reader(path)
    there, wrong = set(bars(page, "Check")), []
    for exercise, role in exercises.runnable(chapter):
        block, part = chapter.blocks.index(exercise.parts["starter"]), exercise.parts[role]
        if block not in there or needs_more(part.code):
            continue
        verdict, words = press(block, "Check", part.code)
        kind = role.split()[0]
        told = kind != "wrong" or part.words in words
        if not (
            told and verdict == VERDICTS[kind] or kind == "wrong" and not part.words and verdict == "error"
        ):
            wrong.append((exercise.name, role, verdict, words))
    assert wrong == [] and visit.faults() == []


def first(page, name):
    return page.locator(f'.book-run:has(button:text-is("{name}"))').first


def done(page, bar):
    """Waits until what runs has ended; what is said then."""
    page.wait_for_function("bar => bar.ariaBusy === 'false'", arg=bar.element_handle(), timeout=90_000)
    return bar.get_by_role("status").inner_text()


def test_from_edit_to_stop_to_right_by_the_keyboard_and_kept(visit):
    page = visit.open(CHEAP, width=375)
    bar = first(page, "Check")
    bar.scroll_into_view_if_needed()
    bar.get_by_role("button", name="Edit").focus()
    page.keyboard.press("Enter")
    area = page.locator(".book-typed textarea")
    area.wait_for()
    area.focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("while True:\nprint('x' * 1000)")  # the second line is indented by itself
    assert area.input_value() == "while True:\n    print('x' * 1000)"
    page.keyboard.press("Shift+Enter")
    stop = bar.get_by_role("button", name="Stop")
    page.locator(".book-own .book-warning").get_by_text("characters were printed").wait_for(timeout=90_000)
    stop.click()
    assert done(page, bar).startswith("Stopped. Python starts anew")
    assert len(page.locator(".book-own").inner_text()) < 250_000
    page.reload()
    area.wait_for()
    assert area.input_value().startswith("while True:")
    chapter = load(source_of(CHEAP))
    exercise = exercises.groups(chapter)[0]
    area.fill(exercise.parts["solution"].code)
    bar.get_by_role("button", name="Check").click()
    assert done(page, bar) == "Right: the check passes"
    assert "1 of " in page.locator(".book-header .book-tick").inner_text()
    area.focus()
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.textContent") == "Check"
    bar.get_by_role("button", name="Reset").click()
    area.wait_for(state="detached")
    assert page.locator(".book-typed").count() == 0 and page.locator(".book-own").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.goto(visit.server.url + "/")
    assert "1 of " in page.locator(".book-map .book-tick").first.inner_text()
    assert visit.faults() == []


def test_nothing_of_python_is_loaded_before_the_first_press_and_all_of_it_once(visit):
    page = visit.open(CHEAP)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(500)
    assert asked == []
    bar = first(page, "Run")
    bar.get_by_role("button", name="Run").click()
    assert "as printed" in done(page, bar)
    assert any("pyodide.asm.wasm" in url for url in asked)
    count = len(asked)
    bar.get_by_role("button", name="Run").click()
    assert "as printed" in done(page, bar) and len(asked) == count
    assert visit.faults() == []


def test_a_changed_block_says_so_and_its_error_names_the_line(reader, visit):
    page, press = reader(CHEAP)
    block = bars(page, "Run")[0]
    assert press(block, "Run", "print(1)\n")[1].endswith("the output has changed")
    press(block, "Run", "x = 1\nx / 0")
    shown = page.locator(".book-own .book-error").inner_text()
    assert "line 2" in shown and "ZeroDivisionError: division by zero" in shown
    press(block, "Run", "import builtins\nbuiltins.print = None")
    assert (
        press(block, "Run", "print('back')")[1] and page.locator(".book-own").inner_text().strip() == "back"
    )
    press(block, "Reset")
    assert "as printed" in press(block)[1] and visit.faults() == []


def test_turning_the_page_stops_what_runs(visit):
    page = visit.open(CHEAP)
    bar = first(page, "Run")
    bar.get_by_role("button", name="Edit").click()
    page.locator(".book-typed textarea").fill("while True:\n    pass")
    bar.get_by_role("button", name="Run").click()
    bar.get_by_text("Running").wait_for(timeout=90_000)
    page.locator(".md-footer__link--next").click()
    page.wait_for_url(lambda url: CHEAP not in url)
    bar = first(page, "Run")
    bar.get_by_role("button", name="Run").click()
    assert "printed" in done(page, bar)
    page.go_back()
    page.locator(".book-typed textarea").wait_for()
    assert visit.faults() == []


def test_two_tabs_keep_what_was_written_in_both(visit):
    page = visit.open(CHEAP)
    other = page.context.new_page()
    other.goto(page.url)
    other.locator(".book-run button").first.wait_for()
    for tab, text in ((page, "a = 1"), (other, "b = 2")):
        tab.locator('.book-run:has(button:text-is("Run"))').nth(int(tab is other)).get_by_role(
            "button", name="Edit"
        ).click()
        tab.locator(".book-typed textarea").fill(text)
    other.reload()
    other.locator(".book-typed textarea").nth(1).wait_for()
    assert [area.input_value() for area in other.locator(".book-typed textarea").all()] == ["a = 1", "b = 2"]


def test_a_file_that_does_not_come_is_told_and_can_be_asked_for_again(visit):
    page = visit.open(CHEAP)
    page.route("**/numpy-*.whl", lambda route: route.fulfill(status=503, body=""))
    bar = first(page, "Run")
    bar.get_by_role("button", name="Run").click()
    assert "numpy" in (said := done(page, bar)) and "Press the button to try again" in said
    page.unroute("**/numpy-*.whl")
    bar.get_by_role("button", name="Run").click()
    assert "as printed" in done(page, bar)
    assert [fault for fault in visit.faults() if "503" not in fault] == []


def test_offline_says_so(visit):
    page = visit.open(CHEAP)
    page.context.set_offline(True)
    bar = first(page, "Run")
    bar.get_by_role("button", name="Run").click()
    page.wait_for_function("bar => /connection|offline/.test(bar.textContent)", arg=bar.element_handle())
    page.context.set_offline(False)


def test_a_browser_without_webassembly_is_told(visit):
    visit.page.add_init_script("delete globalThis.WebAssembly")
    page = visit.open(CHEAP)
    bar = first(page, "Run")
    bar.get_by_role("button", name="Run").click()
    assert done(page, bar).startswith("This browser has no WebAssembly")
    assert visit.faults() == []


def test_the_home_page_shows_its_code_without_buttons():
    assert "book-run" not in file_of("/").read_text(encoding="utf-8")


LABS = [path for path in RUNNING if "/labs/" in path]


@pytest.mark.parametrize("path", sample(LABS, 1))
def test_a_lab_is_solved_from_top_to_bottom(reader, visit, path):
    """What builds on an answer says so until that is right, where what stands in for it needs PyTorch."""
    chapter = load(source_of(path))
    page, press = reader(path)
    there = set(bars(page, "Check"))
    of = {chapter.blocks.index(each.parts["starter"]): each for each in exercises.groups(chapter)}
    early = {block: press(block, "Check")[1] for block in sorted(there)}
    wrong = [words for words in early.values() if not words.startswith(("Not yet: ", "This builds on your"))]
    for block in sorted(there):
        verdict, words = press(block, "Check", of[block].parts["solution"].code)
        wrong += [] if verdict == "right" else [(of[block].name, words)]
    assert wrong == [] and visit.faults() == []


def test_what_does_not_run_in_a_browser_leads_on(visit):
    page = visit.open(CHEAP)
    bar = page.locator(".book-run[data-lacks=PyTorch]").first
    assert bar.inner_text().startswith("Needs PyTorch") and bar.get_by_role("link").get_attribute("href")
