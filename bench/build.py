"""The build on a synthetic book: cold, warm, and against the same generator without the binder.

`python -m bench build` writes books of 30, 100 and 200 chapters with 15 blocks each into a temporary folder. *Plain* is
the same mkdocs.yml without bookbinder's plugin and extensions, all else on. Warm builds of both alternate.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
SIZES = (30, 100, 200)
BLOCKS = 15
ROUNDS = 9


class _Tags(yaml.SafeLoader):
    """Reads mkdocs.yml; !ENV becomes the variable's default."""


_Tags.add_constructor("!ENV", lambda loader, node: loader.construct_sequence(node)[-1])


def _chapter(number: int) -> str:
    rows = ["---", f"title: Chapter {number}", "description: Synthetic.", "---", f"# Chapter {number}", ""]
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


def main(arguments: list[str]) -> None:
    """Print the table; `--sizes=20,40` for smaller books."""
    given = next((a.partition("=")[2] for a in arguments if a.startswith("--sizes=")), "")
    sizes = tuple(int(size) for size in given.split(",")) if given else SIZES
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
