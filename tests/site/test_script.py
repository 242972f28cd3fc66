"""What book.js and slides.js add to a page: copying, slides, sliders, questions, and the memory of what was read."""

import json
import os
import re
import subprocess
import sys

import pytest
from built import AXE, PAGES, file_of
from test_pages import LAST

from sampling import sample

# The buttons of blocks outside of exercises, but for those whose page shows an exception.
RAISES = "+ .book-output .book-error, + .book-run + .book-output .book-error"
FAULTLESS = f".highlight:not(.exercise *):not(:has({RAISES})) .book-copy"
CHAINED = [
    path for path in PAGES if re.search(r'data-chains="[^"]*\d,\d', file_of(path).read_text(encoding="utf-8"))
]
SOLVED = [
    path for path in PAGES if 'class="admonition exercise"' in file_of(path).read_text(encoding="utf-8")
]
DECKS = [path for path in PAGES if "<!-- slide" in file_of(path).read_text(encoding="utf-8")]
FILMS = [path for path in PAGES if 'class="book-film"' in file_of(path).read_text(encoding="utf-8")]
ASKED = [path for path in PAGES if 'class="book-predict"' in file_of(path).read_text(encoding="utf-8")]
FOLDED = [path for path in PAGES if 'class="book-fold"' in file_of(path).read_text(encoding="utf-8")]


# What is copied is compared with the source on every page (test_pages.py), and that runs in the tests of blocks.
@pytest.mark.parametrize("path", sample(CHAINED, 2))
def test_the_last_block_is_copied_as_a_program_that_runs(visit, path, tmp_path):
    page = visit.open(path)
    page.evaluate(
        "document.querySelectorAll('article details').forEach(d => d.open = true)"
    )  # the block may be folded
    button = page.locator(FAULTLESS).last
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
    assert shown.locator(".highlight, .book-output").count() == 0, "the title is alone with the objectives"
    for n in range(2, count + 1):
        if shown.locator(".book-waits:not(.book-open)").count():  # what answers a question opens first
            assert shown.locator(".book-sealed").first.is_visible()
            page.keyboard.press("ArrowRight")
            assert shown.locator(".book-waits:not(.book-open)").count() == 0
            assert all(part.is_visible() for part in shown.locator(".book-waits > :not(.book-sealed)").all())
        page.keyboard.press("ArrowRight")
        assert deck.locator(".book-deck-bar output").inner_text() == f"{n} / {count}"
        over = shown.evaluate("e => [e.scrollHeight - e.clientHeight, e.scrollWidth - e.clientWidth]")
        heading = shown.locator(":is(h1, h2, h3)").first.inner_text()
        assert max(over) <= 0, f"slide {n}, {heading}, is too full: mark less"
        size = float(shown.evaluate("e => parseFloat(e.style.fontSize)"))
        assert size >= 60, f"slide {n}, {heading}, is in type of {size} %: mark less"
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


def turned(film) -> list[str]:
    """Titles of the frames of a film while its sliders are turned by keys through all their values."""
    sliders, seen = film.get_by_role("slider").all(), []

    def turn(at: int) -> None:
        if at == len(sliders):
            shown = [frame for frame in film.locator(".book-frame").all() if frame.is_visible()]
            assert len(shown) == 1
            seen.append(shown[0].locator(".book-frame-title").inner_text())
            assert film.get_by_role("status").text_content() == seen[-1]
            for slider in sliders:
                value = slider.get_attribute("aria-valuetext")
                assert value == seen[-1] if len(sliders) == 1 else value in seen[-1]
            return
        sliders[at].focus()
        sliders[at].press("Home")
        for _ in range(int(sliders[at].get_attribute("max")) + 1):
            turn(at + 1)
            sliders[at].press("ArrowRight")

    turn(0)
    return seen


@pytest.mark.parametrize("path", FILMS)
def test_keys_turn_through_every_frame_and_nothing_moves(visit, path):
    page = visit.open(path, width=375)
    for film in page.locator(".book-film:not(.book-waits *)").all():
        box = film.locator("xpath=..")
        height, moved = box.bounding_box()["height"], page.evaluate("book.shift")
        titles = turned(film)
        assert titles == film.locator(".book-frame-title").all_text_contents()
        # An image's width and height are whole numbers until it is loaded.
        assert abs(box.bounding_box()["height"] - height) < 1 and page.evaluate("book.shift") == moved
        knobs = json.loads(film.get_attribute("data-knobs"))
        assert [film.get_by_label(name).count() for name, _ in knobs] == [1] * len(knobs)
    assert visit.faults() == []


@pytest.mark.parametrize("path", FILMS)
def test_all_frames_are_printed_with_their_titles(visit, path):
    page = visit.open(path)
    page.emulate_media(media="print")
    # A closed box is printed open, which a browser does only when it prints.
    for frame in page.locator(".book-frame:not(details *)").all():
        assert frame.is_visible()
        assert (
            frame.locator(".book-frame-title").is_visible() or frame.locator("img[src$=light]").is_visible()
        )
    assert page.locator(".book-play").first.is_hidden()


@pytest.mark.parametrize("path", FILMS)
def test_without_a_script_frames_stand_below_one_another(browsers, server, path):
    page = browsers.running().new_page(java_script_enabled=False)
    page.goto(server.url + path)
    for film in page.locator(".book-film:not(details *, .tabbed-block *)").all():
        tops = [frame.bounding_box()["y"] for frame in film.locator(".book-frame").all()]
        assert tops == sorted(set(tops))
        for frame in film.locator(".book-frame").all():
            assert frame.locator(".book-frame-title").is_visible() or frame.locator("figure").is_visible()
    page.close()


def test_play_runs_to_the_end_of_the_first_knob(visit):
    page = visit.page
    page.emulate_media(reduced_motion="no-preference")
    page = visit.open(FILMS[0])
    film = page.locator(".book-film:not(.book-waits *)").first
    button, slider = film.get_by_role("button"), film.get_by_role("slider").first
    button.click()
    assert button.inner_text() == "Stop"
    page.wait_for_function("slider => slider.value === slider.max", arg=slider.element_handle())
    film.get_by_role("button", name="Play").wait_for()
    assert visit.faults() == []


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
    assert page.locator(f".md-nav--primary a[href$='{path}'] .book-tick").count() == 1
    assert visit.faults() == [] and page.context.cookies() == []
    page.locator(".book-continue").click()
    page.wait_for_url(f"**{path}*")


def test_the_way_back_leads_to_the_section_and_the_minutes_left_are_told(visit):
    path = next(path for path in CHAINED if 'data-minutes="' in file_of(path).read_text(encoding="utf-8"))
    page = visit.open(path)
    minutes = int(page.locator(".book-header").get_attribute("data-minutes"))
    left = page.locator(".book-left")
    left.get_by_text(f"about {minutes} minutes left").wait_for()
    heading = page.locator("article h2").nth(2)
    heading.evaluate("e => scrollTo(0, e.getBoundingClientRect().top + scrollY)")
    anchor = heading.get_attribute("id")
    page.wait_for_function(f"() => localStorage.getItem('book-last').includes('#{anchor}')")
    said = re.fullmatch(r"about (\d+) minutes? left", left.inner_text())
    assert 0 < int(said[1]) < minutes
    assert "#" not in page.url, "the address is what the reader asked for"
    page = visit.open("/")
    page.locator(".book-continue").click()
    page.wait_for_url(f"**{path}#{anchor}")
    page.wait_for_function(
        "id => Math.abs(document.getElementById(id)?.getBoundingClientRect().top) < 200", arg=anchor
    )
    assert visit.faults() == []


def test_keys_are_listed_by_one_of_them(visit, axe):
    page = visit.open(CHAINED[0])
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    assert dialog.is_visible() and "next page" in dialog.inner_text()
    page.evaluate(axe)
    assert page.evaluate(AXE) == []
    page.keyboard.press("n")
    page.wait_for_timeout(300)
    assert page.url.endswith(CHAINED[0]), "a key does nothing behind the list"
    page.keyboard.press("Escape")
    assert dialog.count() == 0 and visit.faults() == []


@pytest.mark.parametrize("path", sample(SOLVED, 2))
def test_only_what_the_reader_opened_of_an_exercise_is_printed(visit, path):
    page = visit.open(path)
    boxes = page.locator(".exercise details:is(.tip, .success)").all()
    boxes[0].locator("summary").first.click()
    boxes[1].locator("summary").first.click()
    boxes[1].locator("summary").first.click()  # and closed again
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_timeout(200)
    assert [n for n, box in enumerate(boxes) if box.is_visible()] == [0]
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    assert boxes[1].is_visible() and not boxes[1].evaluate("e => e.open")


@pytest.mark.parametrize("path", sample(SOLVED, 2))
def test_a_solution_is_copied_with_its_check(visit, path):
    page = visit.open(path)
    page.evaluate("document.querySelectorAll('article details').forEach(d => d.open = true)")
    found = 0
    for exercise in page.locator(".exercise:has(.success .book-copy)").all():
        button = exercise.locator(".success .book-copy").last
        button.click()
        program = page.evaluate("navigator.clipboard.readText()")
        solution = button.locator("xpath=ancestor::div[contains(@class, 'highlight')]//code").text_content()
        roles = exercise.locator(".book-role").all_inner_texts()
        check = exercise.locator(".book-role:has-text('Check') ~ .highlight code").first.text_content()
        assert "Check" in roles and program.index(solution.strip()) < program.index(check.strip())
        assert program.endswith(check.strip() + "\n")
        found += 1
    assert found and visit.faults() == []


def test_a_copy_button_keeps_its_name_while_it_has_the_focus(visit):
    page = visit.open(CHAINED[0])
    for name in ("Copy to clipboard", "Copy with what it needs"):
        button = page.get_by_role("button", name=name).first
        button.focus()
        page.wait_for_timeout(300)
        assert button.evaluate("e => e === document.activeElement && e.ariaLabel") == name


# The first line of a block and the buttons above it.
COVERED = """() => [...document.querySelectorAll(".highlight:has(> pre > nav)")].filter(block => {
  const bar = block.querySelector("nav").getBoundingClientRect();
  const words = document.createRange();
  words.selectNodeContents(block.querySelector("code"));
  return [...words.getClientRects()].some(r => r.width && r.bottom > bar.top + 1 && r.top < bar.bottom - 1
    && r.right > bar.left);
}).map(block => block.textContent.slice(0, 60))"""
SCROLLED = """() => [...document.querySelectorAll(".highlight > pre > code")].filter(
  code => code.checkVisibility() && code.scrollWidth > code.clientWidth + 1).length"""


@pytest.mark.parametrize("path", sample(CHAINED, 3))
def test_code_is_read_on_a_phone_without_scrolling_and_below_its_buttons(visit, path):
    page = visit.open(path, width=375)
    page.evaluate("document.querySelectorAll('article details').forEach(d => d.open = true)")
    assert page.evaluate(SCROLLED) == 0
    assert page.evaluate(COVERED) == []
    page.locator(".book-wrap:visible").first.click()
    assert page.evaluate(SCROLLED) > 0
    page = visit.open(path, width=375)
    assert page.locator("html.book-nowrap").count() == 1, "remembered"
    page.locator(".book-wrap:visible").first.click()
    assert page.locator("html.book-nowrap").count() == 0 and visit.faults() == []


QUESTIONS = ".book-predict:not(details *, .tabbed-block *)"


def waiting(page, name: str) -> list[bool]:
    """Whether each part that waits for the answer to a question can be seen: outputs and a paragraph."""
    parts = page.locator(f"[data-answers={name}] > :not(.book-sealed), p[data-answers={name}]")
    return [part.is_visible() for part in parts.all() if not part.locator(".book-frame").count()]


@pytest.mark.parametrize("path", ASKED)
def test_a_choice_opens_the_output_and_says_whether_it_is_right(visit, axe, path):
    page = visit.open(path, width=375)
    for box in page.locator(QUESTIONS).all():
        name, right = box.get_attribute("data-predict"), int(box.get_attribute("data-right"))
        group, status = box.get_by_role("group"), box.get_by_role("status")
        buttons = group.get_by_role("button").all()
        assert 2 <= len(buttons) <= 4 and group.locator("legend").is_visible() and status.inner_text() == ""
        assert not any(waiting(page, name)) and not box.locator(".book-reasons").is_visible()
        assert page.locator(f"[data-answers={name}] .book-sealed").is_visible()
        for at in [n for n in range(len(buttons)) if n != right] + [right]:
            buttons[at].focus()
            page.keyboard.press("Enter" if at != right else "Space")
            assert all(waiting(page, name)) and status.inner_text().startswith(
                "Yes." if at == right else "No."
            )
            pressed = [button.get_attribute("aria-pressed") for button in buttons]
            assert pressed == [str(n == at).lower() for n in range(len(buttons))]
            assert buttons[at].evaluate("e => e === document.activeElement")
            reason = box.locator(".book-reasons li").nth(at).text_content()
            assert reason.endswith(status.text_content()) and (at == right or len(status.text_content()) > 4)
        assert not page.locator(f"[data-answers={name}] .book-sealed").is_visible()
    page.evaluate(axe)
    assert page.evaluate(AXE) == [] and visit.faults() == []


def test_a_choice_is_remembered_for_the_visit_and_no_longer(visit):
    path = ASKED[0]
    page = visit.open(path)
    box = page.locator(QUESTIONS).first
    name = box.get_attribute("data-predict")
    box.get_by_role("button").first.click()
    said = box.get_by_role("status").inner_text()
    page.locator("a.md-logo:visible, .md-header a.md-logo").first.click()
    page.wait_for_url(lambda url: path not in url)
    page.go_back()
    page.wait_for_function("() => document.querySelector('.book-predict [aria-pressed=true]')")
    assert page.locator(QUESTIONS).first.get_by_role("status").inner_text() == said and all(
        waiting(page, name)
    )
    page = visit.open(path)
    page.locator(".book-predict fieldset").first.wait_for()
    assert not any(waiting(page, name)) and page.locator("[aria-pressed=true]").count() == 0
    assert page.evaluate("book.shift") <= 0.02 and visit.faults() == []


@pytest.mark.parametrize("path", ASKED)
def test_without_a_script_a_question_is_a_list_and_its_output_stands_open(browsers, server, path):
    page = browsers.running().new_page(java_script_enabled=False)
    page.goto(server.url + path)
    for box in page.locator(QUESTIONS).all():
        assert box.locator("button, fieldset").count() == 0 and all(
            waiting(page, box.get_attribute("data-predict"))
        )
        assert all(choice.is_visible() for choice in box.locator("> ul > li").all())
        reasons = box.locator(".book-reasons")
        assert reasons.is_visible() and not reasons.locator("li").first.is_visible()
        reasons.locator("summary").click()
        assert reasons.locator("li").first.is_visible()
    assert not any(note.is_visible() for note in page.locator(".book-sealed").all())
    page.close()


@pytest.mark.parametrize("path", ASKED)
def test_a_question_is_printed_with_its_reasons_and_its_output(visit, path):
    page = visit.open(path)
    page.locator(QUESTIONS).first.get_by_role("button").first.click()
    page.emulate_media(media="print")
    for box in page.locator(QUESTIONS).all():
        assert all(waiting(page, box.get_attribute("data-predict"))) and box.locator("legend").is_visible()
        assert all(choice.is_visible() for choice in box.locator("fieldset li").all())
        assert box.locator(".book-reasons").is_visible() and not box.locator(".book-verdict").is_visible()
    assert not any(note.is_visible() for note in page.locator(".book-sealed").all())


def test_the_search_knows_no_answer(site):
    index = json.loads((site / "search/search_index.json").read_text(encoding="utf-8"))["docs"]
    for path in ASKED:
        html = file_of(path).read_text(encoding="utf-8")
        told = [doc["text"] for doc in index if doc["location"].startswith(path.lstrip("/"))]
        told = [
            re.sub("<pre.*?</pre>", "", text, flags=re.S) for text in told
        ]  # the style page shows its source
        plain = " ".join(re.sub(r"<[^>]*>|\s", "", text) for text in told)
        for reasons in re.findall('<details class="book-reasons".*?</details>', html, re.S):
            for said in re.findall(r"</span> (.*?)</li>", reasons, re.S):
                reason = re.sub(r"<[^>]*>|\s", "", said).removeprefix("No.").removeprefix("Yes.")
                assert not reason or reason not in plain
        for closed in re.findall(r'<p class="book-waits".*?>(.*?)</p>', html, re.S):
            assert re.sub(r"<[^>]*>|\s", "", closed) not in plain
        asked = re.findall(r'<div class="book-predict"[^>]*>\s*<p>(.*?)</p>', html, re.S)
        assert asked and all(
            re.sub(r"<[^>]*>|\s", "", text)[:20] in plain for text in asked if "<math" not in text
        )


@pytest.mark.parametrize("path", FOLDED)
def test_folded_code_opens_by_keyboard_and_is_copied_closed(visit, path):
    page = visit.open(path)
    for fold in page.locator(".book-fold:not(details:not(.book-fold) *, .tabbed-block *)").all():
        code, summary = fold.locator("code").first, fold.locator("summary")
        assert not code.is_visible()
        summary.focus()
        page.keyboard.press("Enter")
        assert code.is_visible()
        box = fold.locator(".md-code__nav").first
        box.get_by_role("button", name="Copy to clipboard").click()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied.strip() == code.text_content().strip()
        page.keyboard.press("Escape")
        summary.click()
        assert not code.is_visible()
    assert visit.faults() == []
