"""What lies beside the pages: the wheel is built when its sources changed, a notebook when its page did."""

import os
from pathlib import Path

import pytest

from bookbinder import binding, cache

SETUP = """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "chainrule"
version = "{}"
requires-python = ">=3.11"
[tool.hatch.build.targets.wheel]
packages = ["src/chainrule"]
"""


@pytest.fixture
def root(own_cache, tmp_path):
    """A checkout with a package of one file."""
    (tmp_path / "src/chainrule").mkdir(parents=True)
    (tmp_path / "src/chainrule/__init__.py").write_text("X = 1\n", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(SETUP.format("1.0"), encoding="utf-8")
    return tmp_path


def test_a_wheel_is_kept_until_its_sources_change(root, monkeypatch):
    name = binding.build_wheel(root / "one", root)
    assert name == "chainrule-1.0-py3-none-any.whl" and (root / "one" / name).is_file()
    with monkeypatch.context() as patch:
        patch.setattr(binding.subprocess, "run", None)  # a build would fail
        assert binding.build_wheel(root / "two", root) == name
    assert (root / "two" / name).read_bytes() == (root / "one" / name).read_bytes()
    (root / "src/chainrule/__init__.py").write_text("X = 2\n", encoding="utf-8")
    binding.build_wheel(root / "two", root)
    assert (root / "two" / name).read_bytes() != (root / "one" / name).read_bytes()


def test_a_wheel_that_is_not_built_is_told(root):
    (root / "pyproject.toml").write_text(SETUP.format("no version"), encoding="utf-8")
    with pytest.raises(RuntimeError, match=r"chainrule's wheel was not built: (.|\n)*no version"):
        binding.build_wheel(root / "one", root)


def test_a_notebook_is_written_anew_when_its_page_changed(root, monkeypatch):
    monkeypatch.chdir(root)
    page = root / "docs/part/a.md"
    page.parent.mkdir(parents=True)
    seen = []
    for words in ("One.", "One.", "Two."):
        page.write_text(f"---\ntitle: T\ndescription: D.\n---\n# T\n\n{words}\n\n```python\n1\n```\n\nEnd.\n")
        monkeypatch.setattr(binding, "build_wheel", lambda folder: "chainrule-1.0-py3-none-any.whl")
        binding.extras(binding.bind(Path("docs")), root / "site", "https://example.org/")
        seen.append((root / "site/notebooks/part/a.ipynb").read_text(encoding="utf-8"))
    assert seen[0] == seen[1] != seen[2] and "Two." in seen[2] and "One." not in seen[2]
    assert len(os.listdir(cache.folder("notebooks"))) == 2, "the second was found again"
