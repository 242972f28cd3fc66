"""The build on a synthetic book: cold, warm, and beside the same generator without the binder; and an edit under serve.

`python -m bench build` writes books of 30, 100 and 200 chapters with 15 blocks each into a temporary folder. *Plain* is
the same mkdocs.yml without bookbinder's plugin and extensions, all else on. Warm builds of both alternate.

Then a copy of this book and the largest synthetic one are served as `make serve` does, and a sentence of a page is
changed: how long until the server gives out the new page, and what that takes of the processor. `--edits` does that
alone.
"""

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import psutil
import yaml

ROOT = Path(__file__).parent.parent
SIZES = (30, 100, 200)
BLOCKS = 15
ROUNDS = 9
EDITS = 5


class _Tags(yaml.SafeLoader):
    """Reads mkdocs.yml; !ENV becomes the variable's default."""


_Tags.add_constructor("!ENV", lambda loader, node: loader.construct_sequence(node)[-1])


def _chapter(number: int) -> str:
    rows = ["---", f"title: Page {number}", "description: Synthetic.", "---", f"# Page {number}", ""]
    for block in range(BLOCKS):
        rows += [
            f"Sentence {block} on $x_{{{block}}}^2$ and $\\frac{{1}}{{{block + 1}}}$, with a [link](index.md).",
            "",
        ]
        rows += ["<!--pytest-codeblocks:cont-->"] if block else []
        rows += ["```python", f"x = {block} + {number}", "for i in range(3):", "    print(i, x)", "```", ""]
        rows += ["It printed three lines.", ""]
    return "\n".join(rows)


def _book(folder: Path, chapters: int) -> None:
    docs = folder / "docs"
    shutil.copytree(ROOT / "docs" / "assets", docs / "assets", ignore=shutil.ignore_patterns("figures"))
    config = yaml.load((ROOT / "mkdocs.yml").read_text(), _Tags)
    del config["nav"], config["watch"]
    config["theme"]["custom_dir"] = str(ROOT / config["theme"]["custom_dir"])
    config["plugins"] = [name for name in config["plugins"] if name in ("search", "bookbinder")]
    (docs / "index.md").write_text("---\ntitle: Book\ndescription: Synthetic.\n---\n# Book\n")
    for number in range(chapters):
        (docs / f"c{number:03}.md").write_text(_chapter(number))
    (folder / "mkdocs.yml").write_text(yaml.safe_dump(config))
    config["plugins"].remove("bookbinder")
    ours = ("bookbinder.math", "bookbinder.markdown")
    names = [next(iter(e)) if isinstance(e, dict) else e for e in config["markdown_extensions"]]
    pairs = zip(names, config["markdown_extensions"], strict=True)
    config["markdown_extensions"] = [entry for name, entry in pairs if name not in ours]
    (folder / "plain.yml").write_text(yaml.safe_dump(config))


def _build(folder: Path, config: str) -> tuple[float, float, float]:
    """Seconds of the processor, seconds on the clock, and peak memory (MB) of one build."""
    command = [sys.executable, "-m", "mkdocs", "build", "-f", config, "-d", f"site-{config}"]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT / "src")}
    start = time.perf_counter()
    with open(folder / "log", "w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit((folder / "log").read_text()[-3000:])
    scale = 2**20 if sys.platform == "darwin" else 2**10
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - start, usage.ru_maxrss / scale


def _copy(folder: Path) -> None:
    """This book, as it is served."""
    for name in ("docs", "overrides", "src"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("mkdocs.yml", "course.toml"):
        shutil.copy(ROOT / name, folder / name)


def _edits(folder: Path, page: str, cache: Path) -> tuple[int, float, float]:
    """Pages of a book, and for an edit of one of them the seconds until it is served and those of the processor."""
    file = folder / "docs" / page
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT / "src")}
    environment["BOOK_CACHE"] = str(cache.resolve())
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mkdocs", "serve", "--dirty", "-a", f"127.0.0.1:{port}"]
    text, took = file.read_text(encoding="utf-8"), []
    with open(folder / "log", "w") as log:
        server = psutil.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        for edit in range(EDITS + 1):  # the first one waits until there is a server, and counts as warming up
            start, used = time.perf_counter(), sum(server.cpu_times()[:2])
            sentence = f"Edit number {edit}."
            if edit:
                file.write_text(f"{text.rstrip()}\n\n{sentence}\n", encoding="utf-8")
            seen = ""
            while (sentence if edit else "<h1") not in seen:
                time.sleep(0.05)
                with suppress(OSError):
                    seen = urlopen(f"http://127.0.0.1:{port}/{page.removesuffix('.md')}/").read().decode()
                if server.poll() is not None or "This page has faults" in seen:
                    sys.exit((folder / "log").read_text()[-3000:])
            took.append((time.perf_counter() - start, sum(server.cpu_times()[:2]) - used))
            time.sleep(2)  # a figure that the build wrote is seen as a change, too
    finally:
        server.terminate()
        server.wait()
    clock, cpu = (statistics.median(edit[i] for edit in took[1:]) for i in range(2))
    return len([*folder.glob("docs/**/*.md"), *folder.glob("docs/labs/*.py")]), clock, cpu


def _served(chapters: int) -> None:
    """Print how long an edit takes, in this book and in a synthetic one of that many chapters."""
    print("edit to page: pages   clock s   cpu s")
    for ours, page in [(True, "models/diffusion.md"), (False, "c007.md")]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            _copy(folder) if ours else _book(folder, chapters)
            cache = Path(os.environ.get("BOOK_CACHE", ROOT / ".cache")) if ours else folder / ".cache"
            pages, clock, cpu = _edits(folder, page, cache)
            print(f"{pages:19} {clock:9.2f} {cpu:7.2f}", flush=True)


def main(arguments: list[str]) -> None:
    """Print the tables; `--sizes=20,40` for smaller books."""
    given = next((a.partition("=")[2] for a in arguments if a.startswith("--sizes=")), "")
    sizes = tuple(int(size) for size in given.split(",")) if given else SIZES
    if "--edits" in arguments:
        return _served(max(sizes))
    print("chapters   cold s  warm cpu s  plain cpu s   cpu ×   clock ×  cpu ms a page  peak MB  memory ×")
    for chapters in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            _book(folder, chapters)
            _, cold, _ = _build(folder, "mkdocs.yml")
            runs = [(_build(folder, "mkdocs.yml"), _build(folder, "plain.yml")) for _ in range(ROUNDS)]
            cpu, _, peak = (statistics.median(warm[i] for warm, _ in runs) for i in range(3))
            plain, _, bare = (statistics.median(plain[i] for _, plain in runs) for i in range(3))
            # Each warm build against the plain one right after it: what else the machine does weighs on both.
            times, clocks = (statistics.median(warm[i] / plain[i] for warm, plain in runs) for i in range(2))
            print(
                f"{chapters:8} {cold:8.1f} {cpu:11.2f} {plain:12.2f} {times:7.2f} {clocks:9.2f}"
                f" {1000 * cpu / chapters:14.1f} {peak:8.0f} {peak / bare:9.2f}",
                flush=True,
            )
    _served(max(sizes))
