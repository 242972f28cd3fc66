"""Makes docs/assets/page.png, the picture of a page for README.md and for those who share a link, from a built site.

Call it after make site: .venv/bin/python tools/picture.py [path of Chromium].
"""

import functools
import http.server
import io
import json
import sys
import threading

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import sync_playwright

PAGE, FIRST, WIDTH, HEIGHT = "networks/four-ways/", ".book-fold", 1570, 1089  # what is shown
SIZE, COLOURS = (1240, 860), 128
# The chapters that the menu shows: a test compares them with the course, so that the picture is made anew in time.
MENU = "[...document.querySelectorAll('.md-sidebar--primary .md-nav__link')].map(link => link.innerText.trim())"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server that says nothing."""

    def log_message(self, *args):
        """Leave out the line for each request."""


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory="site"))
threading.Thread(target=server.serve_forever, daemon=True).start()
with sync_playwright() as play:
    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    browser = play.chromium.launch(executable_path=(sys.argv + [None])[1], args=options)
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
    page.goto(f"http://127.0.0.1:{server.server_port}/{PAGE}")
    page.evaluate(f"scrollTo(0, document.querySelector('{FIRST}').getBoundingClientRect().top - 75)")
    page.wait_for_timeout(1500)  # figures come when they are near
    chapters = [name for name in page.evaluate(MENU) if name[:1].isdigit()]
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB").resize(SIZE, Image.Resampling.LANCZOS)
    browser.close()
about = PngInfo()
about.add_text("chapters", json.dumps(chapters))
shot.quantize(COLOURS, Image.Quantize.FASTOCTREE).save("docs/assets/page.png", optimize=True, pnginfo=about)
