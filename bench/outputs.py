"""What every block prints on this platform, for docs/reference/exact.md, where records are compared.

The record `build` is made first and anew when pages change: it is what the build shows. The others run all pages in a
folder of their own, so that nothing of them gets into the build.

    python -m bench outputs --record=build --title="this site's build"
    python -m bench outputs --record=old --title="an older processor" --set=OPENBLAS_CORETYPE=Haswell
    python -m bench outputs --record=browser --title="Chromium" --browser     blocks of site/ that run in the page
"""

import json
import os
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from bench.engine import ROOT, about
from bookbinder import cache, exact, runner, sandbox
from bookbinder.chapter import load
from bookbinder.check import pages

DOCS = Path("docs")
PRESS = """async block => {
  const run = await import(new URL("assets/js/run.js", __md_scope));
  const bar = document.querySelector(`.book-run[data-block="${block}"]`);
  await run.press(bar, "Run");
  const found = box => [...(box?.querySelectorAll("pre.book-stdout, pre.book-result") ?? [])];
  const texts = box => found(box).map(pre => pre.textContent);
  const said = bar.querySelector("[role=status]").textContent;
  if (!/printed/.test(said)) return ""; // it did not run to its end
  const same = /: as printed$/.test(said);
  return texts(same ? bar.printed : bar.own).join("\\n");
}"""


def chapters():
    """The pages that are compared."""
    found = [load(file) for file in pages(DOCS) if file.relative_to(DOCS).parts[0] != exact.ASIDE]
    return [chapter for chapter in found if chapter.blocks]


def here(name, extra):
    """What the blocks of all pages print on this machine, with these environment variables besides."""
    if name != exact.FIRST:
        os.environ["BOOK_CACHE"] = str(cache.folder(f"outputs-{name}"))
        usual = sandbox.environment
        sandbox.environment = lambda folder: usual(folder) | extra
    found = {}
    for result in runner.run(chapters(), force=name != exact.FIRST):
        found |= exact.printed(result.chapter, result.data)
        for fault in result.failures:
            print(f"{result.chapter.path}: {fault.message}", file=sys.stderr)
    return found


def in_browser(first):
    """What blocks print in the page, and the versions there; all else is left out."""
    sys.path.insert(0, str(ROOT / "tests" / "site"))
    from playwright.sync_api import sync_playwright

    from bookbinder.page import table
    from conftest import Server

    server, found = Server(ROOT / "site"), {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=["--no-sandbox"]
        )
        for chapter in chapters():
            page = browser.new_page()
            where = Path(chapter.path).relative_to(DOCS).with_suffix("").as_posix()
            page.goto(f"{server.url}/{where.removesuffix('index').rstrip('/')}/".replace("//index", "/"))
            bars = page.locator('.book-run:has(button:text-is("Run"))')
            there = set(bars.evaluate_all("all => all.map(bar => Number(bar.dataset.block))"))
            keys = {chapter.blocks.index(block): key for key, block in exact.blocks(chapter).items()}
            for n in sorted(there & keys.keys()):
                if keys[n] in first and (text := exact.plain(page.evaluate(PRESS, n))):
                    found[keys[n]] = text
            print(f"{chapter.path}: {len(there)} blocks", flush=True)
            page.close()
        version = browser.version
    wheel = next(file for file in (ROOT / "vendor" / "pyodide").glob("numpy-*"))
    pyodide = table("runtime")["version"]
    return found, {"processor": f"WebAssembly, Chromium {version}", "blas": "none", "torch": "–",
                   "python": f"Pyodide {pyodide}", "numpy": wheel.name.split("-")[1]}  # fmt: skip


def main(arguments):
    """Run all blocks and, with --record, write what they printed."""
    options = dict(a.removeprefix("--").split("=", 1) for a in arguments if "=" in a and a[:6] != "--set=")
    extra = dict(a.removeprefix("--set=").split("=", 1) for a in arguments if a[:6] == "--set=")
    name = options.get("record", exact.FIRST)
    known = exact.records(DOCS).get(exact.FIRST, {"blocks": {}})["blocks"]
    machine = {key: about()[key] for key in ("processor", "python", "numpy", "blas", "torch")}
    if "--browser" in arguments:
        texts, of_it = in_browser(known)
        machine |= of_it
    else:
        texts = here(name, extra)
    kept = texts if name == exact.FIRST else exact.short(texts, known)
    record = {"title": options.get("title", name), "date": datetime.now(UTC).date().isoformat(), **machine}
    if extra:
        record["set"] = extra
    record["blocks"] = dict(sorted(kept.items()))
    file = DOCS / exact.RECORDS / f"outputs-{name}.json"
    if "record" in options:
        file.write_text(json.dumps(record, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")
    same = sum(text == known.get(key) for key, text in texts.items())
    print(f"{len(texts)} blocks print numbers, {same} of them as in the record of the build")
