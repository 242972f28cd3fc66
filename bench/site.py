"""The weight of every built page and, where npm can install it, what Lighthouse says of the chapters.

Counted in headless Chromium with an empty cache, from a server that gzips as GitHub Pages does. Figures of the
network are bytes; the largest contentful paint is of this machine and is only to be compared with the row beside it.
"""

import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIGHTHOUSE = "13.5.0"
CATEGORIES = "performance accessibility best-practices seo".split()
PAINT = """() => new Promise(done => {
  new PerformanceObserver(list => done(list.getEntries().at(-1).startTime))
    .observe({type: "largest-contentful-paint", buffered: true});
  setTimeout(() => done(NaN), 2000);
})"""


def main(arguments: list[str]) -> None:
    """Print a line a page; --lighthouse adds three runs of Lighthouse on each chapter, --pages=N on N of them."""
    sys.path.insert(0, str(ROOT / "tests" / "site"))
    from built import PAGES, SITE, file_of  # the site's tests know how it is served

    chromium = os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, ("chromium", "google-chrome"))), None
    )
    if not (SITE / "index.html").is_file() or chromium is None:
        print("bench site: wants a built site (make site) and a Chromium (sudo apt install chromium)")
        return
    from playwright.sync_api import sync_playwright

    from conftest import ARGUMENTS, WATCH, Server

    server = Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(
        f"{'page':44} {'HTML gz':>8} {'all':>8} {'requests':>8} {'elements':>8} {'shift':>6} {'paint ms':>8}"
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        for path in PAGES:
            context = browser.new_context(viewport={"width": 1350, "height": 812})
            context.add_init_script(WATCH)
            page = context.new_page()
            server.sent.clear()
            page.goto(server.url + path, wait_until="networkidle")
            sent, paint = dict(server.sent), page.evaluate(PAINT)
            count, shift = page.evaluate("[document.querySelectorAll('*').length, book.shift]")
            html = len(gzip.compress(file_of(path).read_bytes(), 6))
            line = f"{path:44} {html:8,} {sent['bytes']:8,} {sent['requests']:8} {count:8,} {shift:6.3f} {paint:8.0f}"
            print(line, flush=True)
            context.close()
        browser.close()
    if "--lighthouse" in arguments:
        most = next((int(a.partition("=")[2]) for a in arguments if a.startswith("--pages=")), len(PAGES))
        chapters = [path for path in PAGES if "book-objectives" in file_of(path).read_text(encoding="utf-8")]
        lighthouse(server.url, chapters[:most], chromium)


def lighthouse(url: str, paths: list[str], chromium: str) -> None:
    """Print the scores of pages on a phone: the median of three runs for performance, the lowest for the rest."""
    home = ROOT / ".cache" / "lighthouse"
    program = home / "node_modules" / ".bin" / "lighthouse"
    if not program.is_file():
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(home)]
        done = subprocess.run([*install, f"lighthouse@{LIGHTHOUSE}"], capture_output=True, text=True)
        if done.returncode:
            print(f"bench site: no Lighthouse, npm says: {done.stderr.strip()[-200:]}")
            return
    print(f"\nLighthouse {LIGHTHOUSE}, phone{'':19} " + " ".join(f"{name:>15}" for name in CATEGORIES))
    flags = ["--quiet", "--output=json", "--chrome-flags=--headless=new --no-sandbox --disable-gpu"]
    for path in paths:
        runs = []
        for _ in range(3):
            command = [str(program), url + path, *flags, f"--only-categories={','.join(CATEGORIES)}"]
            env = {**os.environ, "CHROME_PATH": chromium}
            done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
            if done.returncode == 0:
                said = json.loads(done.stdout)["categories"]
                runs.append([100 * (said[name]["score"] or 0) for name in CATEGORIES])
        if runs:
            scores = [
                statistics.median(column) if n == 0 else min(column)
                for n, column in enumerate(zip(*runs, strict=True))
            ]
            print(f"{path:44} " + " ".join(f"{score:15.0f}" for score in scores), flush=True)
