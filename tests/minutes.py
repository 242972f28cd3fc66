"""How long each kind of test took, against what kinds.toml allots to it; a pytest plugin that conftest.py registers."""

import collections
import tomllib
from pathlib import Path

import pytest

KINDS = tomllib.loads(Path(__file__).with_name("kinds.toml").read_text(encoding="utf-8"))
TOTAL = {"test": 20, "deep": 20}  # minutes; the rest of .ci/run's 50 is for `make site`


def kind_of(file: str, run: str) -> str:
    """The kind of a test file, such as tests/chainrule/test_ops.py, in a run (test, deep); "" if none names it."""
    names = {name: row["files"] for name, row in KINDS.items() if row["run"] == run}
    return next((name for name, files in names.items() if any(_below(file, other) for other in files)), "")


def _below(file: str, other: str) -> bool:
    return file == other or file.startswith(f"{other}/")


class Minutes:
    """Adds up what the tests of each kind take, and tells it at the end."""

    def __init__(self, workers: int):
        self.workers, self.seconds, self.count = workers, collections.Counter(), collections.Counter()
        self.deep: set[str] = set()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        """Refuse a test that no kind is for."""
        for item in items:
            run = "deep" if item.get_closest_marker("deep") else "test"
            file = item.nodeid.partition("::")[0]
            if not kind_of(file, run):
                raise pytest.UsageError(f"{file} is of no kind: add it to a row of tests/kinds.toml ({run})")

    def pytest_runtest_logreport(self, report):
        """Count one phase of a test, as the worker that ran it reports it."""
        run = "deep" if "deep" in report.keywords else "test"
        name = kind_of(report.nodeid.partition("::")[0], run)
        self.seconds[name] += report.duration
        self.count[name] += report.when == "call"

    def pytest_terminal_summary(self, terminalreporter):
        """A line for each kind that ran."""
        if sum(self.seconds.values()) < 60:
            return
        write = terminalreporter.write_line
        write(f"minutes by kind, on {self.workers} cores, and what is allotted for twenty chapters:")
        for name, row in KINDS.items():
            if self.count[name]:
                took = self.seconds[name] / 60 / self.workers
                over = "  more than allotted: see docs/contribute" if took > row["minutes"] else ""
                write(f"  {took:5.1f} of {row['minutes']:2}  {name:10} {self.count[name]:5} tests{over}")
