"""The build on a synthetic book: cold, warm, and against the same generator without the binder.

`python -m bench build` writes books of 50, 100 and 200 chapters with 15 blocks each into a temporary folder. *Plain* is
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
SIZES = (50, 100, 200)
BLOCKS = 15
ROUNDS = 3


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


def _build(folder: Path, config: str, cold: bool = False) -> tuple[float, float]:
    """Seconds and peak memory (MB) of one build: wall time if kernels ran, else the processor's."""
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
    seconds = time.perf_counter() - start if cold else usage.ru_utime + usage.ru_stime
    return seconds, usage.ru_maxrss / scale


def main(arguments: list[str]) -> None:
    """Print the table; `--sizes=20,40` for smaller books."""
    given = next((a.partition("=")[2] for a in arguments if a.startswith("--sizes=")), "")
    sizes = tuple(int(size) for size in given.split(",")) if given else SIZES
    print("chapters  cold s  warm cpu s  plain cpu s  warm/plain  warm s a page  peak MB  plain MB")
    for chapters in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            _book(folder, chapters)
            cold, _ = _build(folder, "mkdocs.yml", cold=True)
            runs = [(_build(folder, "mkdocs.yml"), _build(folder, "plain.yml")) for _ in range(ROUNDS)]
            warm, plain = (statistics.median(run[i][0] for run in runs) for i in (0, 1))
            peak, bare = (statistics.median(run[i][1] for run in runs) for i in (0, 1))
            print(
                f"{chapters:8}  {cold:6.1f}  {warm:10.2f}  {plain:11.2f}  {warm / plain:10.2f}  {warm / chapters:13.4f}"
                f"  {peak:7.0f}  {bare:8.0f}",
                flush=True,
            )
