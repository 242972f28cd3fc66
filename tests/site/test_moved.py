"""Old addresses in a browser, with and without JavaScript, below any path: a small book of its own."""

import re
import shutil
import threading

import pytest
from built import AXE, ROOT
from mkdocs.commands.build import build
from mkdocs.config import load_config

FRONT = (
    "---\ntitle: {0}\ndescription: D.\n---\n# {0}\n\n## Here\n\n" + "Text.\n\n" * 40 + "## There\n\nText.\n"
)
MOVED = """[redirects]
"part/old/" = "part/new/"
"part/old/#went" = "part/other/#there"
"part/new/#left" = "part/other/#there"
"part/new/#was" = "part/new/#there"
"""


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    """The site of a book of three pages, with the book's own theme and script."""
    folder = tmp_path_factory.mktemp("moved")
    ignore = shutil.ignore_patterns("figures")
    shutil.copytree(ROOT / "docs/assets", folder / "docs/assets", ignore=ignore)
    shutil.copytree(ROOT / "overrides", folder / "overrides")
    (folder / "docs/part").mkdir()
    for name in ("index", "part/new", "part/other"):
        (folder / f"docs/{name}.md").write_text(FRONT.format(name.title()), encoding="utf-8")
    (folder / "course.toml").write_text(MOVED, encoding="utf-8")
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").replace("watch: [src/chainrule]", "watch: []")
    text = re.sub(r"\nnav:\n(?:  .*\n|\n)*?(?=\ntheme:)", "\n", text)
    text = re.sub(r"  - mkdocstrings:\n(?:      .*\n)+", "", text)
    (folder / "mkdocs.yml").write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        build(load_config("mkdocs.yml"))
    return folder / "site"


@pytest.fixture
def server(server, moved):
    running = type(server)(moved)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()


WAYS = [
    ("/part/old/", "/part/new/", "/part/new/"),
    ("/part/old/#went", "/part/other/#there", "/part/new/"),
    ("/part/old/#here", "/part/new/#here", "/part/new/"),
    ("/part/new/#left", "/part/other/#there", "/part/new/#left"),
    ("/part/new/#was", "/part/new/#was", "/part/new/#was"),
]


@pytest.mark.parametrize(("old", "new"), [way[:2] for way in WAYS])
def test_an_old_address_leads_on(visit, old, new):
    page = visit.open("/")
    page.goto(visit.base + old, wait_until="load")
    page.wait_for_url(f"**{new}")
    page.wait_for_load_state("load")
    if "#" in new:
        page.wait_for_function("document.querySelector(':target')?.getBoundingClientRect().top < innerHeight")
    left_behind = "ERR_ABORTED"  # what a page was still fetching when it led on
    assert [fault for fault in visit.faults() if left_behind not in fault] == []


@pytest.mark.parametrize(("old", "new"), [(old, plain) for old, _, plain in WAYS])
def test_an_old_address_leads_on_without_a_script(browsers, server, old, new):
    context = browsers.running().new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(server.url + old)
    page.wait_for_url(f"**{new}")
    note = page.locator(".book-moved")
    assert note.is_visible() == (old == "/part/new/#left")
    if note.is_visible():
        note.get_by_role("link").click()
        page.wait_for_url("**/part/other/#there")
    context.close()


def test_what_is_seen_on_the_way_can_be_used_by_everyone(visit, axe, server):
    """The page in the place of the old one, held where it is."""
    page = visit.open("/")
    page.route("**/moved.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
    text = (server.site / "part/old/index.html").read_text(encoding="utf-8")
    held = re.sub(r"<meta http-equiv=\"refresh\"[^>]*>", "", text)
    page.route("**/part/old/", lambda route: route.fulfill(body=held, content_type="text/html"))
    page.goto(visit.base + "/part/old/")
    page.evaluate(axe)
    assert page.evaluate(AXE) == []
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/part/new/")
    assert visit.faults() == []
