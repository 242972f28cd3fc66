"""Run the benchmarks: `python -m bench` for all but the long ones, `python -m bench engine` for one.

Each benchmark is a module of this folder with a function `main(arguments)`. Threads are fixed here, before NumPy is
loaded. OPENBLAS_CORETYPE is unset: where it is set it forces products into a kernel for another processor.
"""

import importlib
import os
import sys
from pathlib import Path

LONG = {"gpt", "outputs"}  # run when they are named


def run(names: list[str], arguments: list[str]) -> None:
    """Run the benchmarks of these names, one after another."""
    for name in names:
        print(f"== {name}", flush=True)
        importlib.import_module(f"bench.{name}").main(arguments)


if __name__ == "__main__":
    flags = [a for a in sys.argv[1:] if a.startswith("-")]
    files = sorted(Path(__file__).parent.glob("*.py"))
    there = [f.stem for f in files if "\ndef main(" in f.read_text(encoding="utf-8")]
    names = [a for a in sys.argv[1:] if not a.startswith("-")] or [n for n in there if n not in LONG]
    if unknown := [n for n in names if n not in there]:
        sys.exit(f"bench: there is no benchmark {unknown[0]!r}; there are {', '.join(there)}")
    if not os.environ.get("BENCH_THREADS"):
        threads = next((f.partition("=")[2] for f in flags if f.startswith("--threads=")), "1")
        fixed = dict.fromkeys(
            ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "BENCH_THREADS"], threads
        )
        kept = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
        os.execve(sys.executable, [sys.executable, "-m", "bench", *sys.argv[1:]], kept | fixed)
    run(names, flags)
