"""One version, wherever it stands."""

import re
import tomllib

import chainrule
from conftest import ROOT


def test_every_file_that_names_the_version_names_the_same():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    binder = tomllib.loads((ROOT / "src/bookbinder/pyproject.toml").read_text())["project"]["version"]
    assert chainrule.__version__ == binder == version
    cited = (ROOT / "CITATION.cff").read_text()
    assert re.findall(r"^version: (.+)$", cited, re.M) == [version]
    page = (ROOT / "docs/start/where-to-run.md").read_text()
    assert {*re.findall(r"chainrule-([\d.]+)-py3", page)} == {version}


def test_the_changelog_tells_of_the_version_and_its_day():
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert headings[0] == "Unreleased" and headings[1].startswith(f"{chainrule.__version__} - ")
    released = headings[1].partition(" - ")[2]
    assert f"date-released: {released}\n" in (ROOT / "CITATION.cff").read_text()
