"""What a reader does on the site: menu, search, schemes, copying, turning the page."""

import pytest
from built import AXE, PAGES, read

NEXT_PAGE = 70_000
FOCUS = "document.activeElement"


@pytest.fixture
def chapter() -> str:
    """A page with code on it, the first in the order of the alphabet."""
    found = [path for path in PAGES if path.count("/") > 2]
    return found[0] if found else "/"


def test_menu_of_a_phone_works_by_keyboard(visit, axe, chapter):
    page = visit.open(chapter, 375)
    drawer = page.locator(".md-sidebar--primary")
    button = page.get_by_role("button", name="Menu")
    assert drawer.evaluate("e => e.inert") and button.get_attribute("aria-expanded") == "false"
    button.focus()
    page.keyboard.press("Enter")
    assert not drawer.evaluate("e => e.inert") and button.get_attribute("aria-expanded") == "true"
    assert page.evaluate(f"{FOCUS}.closest('.md-sidebar--primary') !== null"), "focus goes into the menu"
    page.evaluate(axe)
    assert page.evaluate(AXE) == []
    page.keyboard.press("Escape")
    assert drawer.evaluate("e => e.inert") and page.evaluate(f"{FOCUS}.ariaLabel") == "Menu"
    visit.show(1350, "light")
    assert not drawer.evaluate("e => e.inert"), "a wide window shows the menu at all times"
    assert visit.faults() == []


def test_search_finds_and_has_a_name(visit, axe):
    page = visit.open("/")
    page.keyboard.press("/")
    page.keyboard.type("gradient")
    page.locator(".md-search-result__item").first.wait_for()
    page.evaluate(axe)
    assert page.evaluate(AXE) == []
    page.keyboard.press("ArrowDown")
    assert page.evaluate(f"{FOCUS}.matches('.md-search-result__link')")
    assert visit.faults() == []


def test_scheme_changes_by_keyboard_and_stays(visit):
    page = visit.open("/")
    page.get_by_role("button", name="Switch to light mode").focus()
    for scheme, offers in (("default", "Switch to dark mode"), ("slate", "Switch to system preference")):
        page.keyboard.press("Enter")
        page.wait_for_function("name => document.activeElement.ariaLabel === name", arg=offers)
        assert page.evaluate("document.body.dataset.mdColorScheme") == scheme
    page.wait_for_load_state("networkidle")  # a figure that is on its way would count as aborted
    page.reload(wait_until="networkidle")
    assert page.evaluate("document.body.dataset.mdColorScheme") == "slate"
    assert visit.faults() == []


def test_turning_the_page_is_light_and_keeps_everything_working(visit, chapter):
    # From a page with formulas, if there is another one: the math font is loaded once, with the first of them.
    first = next((path for path in PAGES if path not in (chapter, "/404.html") and read(path).formulas), "/")
    page = visit.open(first)
    page.evaluate("window.same = true")
    visit.server.sent.clear()
    page.locator(f".md-nav a[href$='{chapter}']").first.click()
    page.wait_for_url(f"**{chapter}")
    page.wait_for_load_state("networkidle")
    assert page.evaluate("window.same === true"), "instant navigation loads no page anew"
    figures = page.evaluate(
        "performance.getEntriesByType('resource').filter(r => r.name.includes('/figures/')).length"
    )
    assert figures or visit.server.sent["bytes"] <= NEXT_PAGE
    assert visit.faults() == [], "the policies of both pages hold now"
    button = page.locator("article .md-code__button").first
    if button.count():
        code = page.locator("article .highlight code").first.inner_text()
        button.click()
        assert page.evaluate("navigator.clipboard.readText()").strip() == code.strip()
    page.go_back()
    page.wait_for_url(f"{visit.server.url}{first}")
    assert visit.faults() == []


def test_a_page_that_is_turned_to_while_the_last_one_scrolls_opens_at_its_top(visit):
    page = visit.open("/")
    for target in [path for path in PAGES if path.count("/") > 2][:3]:
        page.evaluate("scrollTo(0, 400)")
        page.locator(f".md-nav--primary a[href$='{target}']").first.evaluate(
            "e => { scrollTo(0, 700); e.click(); }"
        )
        page.wait_for_url(f"**{target}")
        page.wait_for_timeout(400)
        assert page.evaluate("scrollY") == 0
    assert visit.faults() == []


def test_back_leads_to_the_place_and_the_address_that_were_left(visit, chapter):
    page = visit.open(chapter)
    left = page.url
    page.evaluate("scrollTo(0, 1500)")
    page.wait_for_timeout(500)
    page.locator(".md-footer__link--next").evaluate("e => e.click()")
    page.wait_for_url(lambda url: url != left)
    page.evaluate("scrollTo(0, 900)")
    page.wait_for_timeout(50)
    page.go_back()
    page.wait_for_url(left)
    page.wait_for_timeout(600)
    assert page.url == left and abs(page.evaluate("scrollY") - 1500) < 2
    assert visit.faults() == []


def test_narrow_after_turning_the_page_the_new_menu_is_closed_to_the_tab_key(visit, chapter):
    page = visit.open("/", 375)
    page.locator(".md-footer__link").last.click()
    page.wait_for_url(lambda url: url != f"{visit.server.url}/")
    page.wait_for_function("() => document.querySelector('.md-sidebar--primary').inert")
    assert visit.faults() == []


def test_numbers_of_lines_stand_level_with_their_lines(visit):
    page = visit.open(next(path for path in PAGES if path.endswith("/api/nn/")))
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    steps = page.evaluate("""() => ['.linenodiv pre', '.highlighttable .code code'].map(
      where => getComputedStyle(document.querySelector(where)).lineHeight)""")
    assert steps[0] == steps[1]


def test_a_browser_that_was_ended_is_replaced(visit, browsers, server):
    page = visit.open("/")
    browsers.end()
    with pytest.raises(Exception, match="closed") as error:
        page.evaluate("new Promise(() => {})")
    assert error.typename == "TargetClosedError", "what conftest.py names for another try"
    context = browsers.running().new_context()
    assert type(visit)(context, server).open("/").title()
    context.close()
