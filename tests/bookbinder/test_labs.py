"""Labs: run by this Python under the rules of chapters, never stale, and shown as chapters are."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from bookbinder import cache, labs, markdown
from bookbinder.chapter import load
from bookbinder.figures import MIME
from bookbinder.page import PageError
from conftest import ROOT

LAB = ROOT / "docs/labs/first-descent.py"
CONFIG = """site_name: Trial
use_directory_urls: true
theme: {{name: material, font: false}}
markdown_extensions: [pymdownx.superfences, pymdownx.highlight, bookbinder.math, bookbinder.markdown]
plugins:
  - mkdocs-jupyter: {{include: ["labs/*.py"], execute: true, allow_errors: {allow}}}
  - bookbinder
"""
INDEX = "---\ntitle: Trial\ndescription: A trial.\n---\n# Trial\n\nA page.\n"


@pytest.fixture
def prepared(own_cache, monkeypatch) -> dict:
    """mkdocs-jupyter's options as the plugin leaves them."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    options: dict = {"allow_errors": True}
    labs.prepare(options)
    return options


def kernel(options: dict) -> dict:
    home = Path(options["cache_dir"]).parents[1] / "jupyter"
    return json.loads((home / "kernels" / options["kernel_name"] / "kernel.json").read_text())


def test_a_lab_runs_with_this_python_and_must_not_fail(prepared):
    assert kernel(prepared)["argv"][0] == sys.executable
    assert prepared["execute"] is True and prepared["allow_errors"] is False
    assert os.environ["JUPYTER_PATH"] == str(Path(prepared["cache_dir"]).parents[1] / "jupyter")


def test_results_are_kept_by_what_shaped_them(prepared, monkeypatch):
    again: dict = {}
    labs.prepare(again)
    assert again["cache_dir"] == prepared["cache_dir"]
    monkeypatch.setattr(cache, "surroundings", lambda: "chainrule was changed")
    labs.prepare(again)
    assert again["cache_dir"] != prepared["cache_dir"] and Path(again["cache_dir"]).is_dir()


def test_surroundings_know_a_change_of_the_package(tmp_path, monkeypatch):
    for name in [*(f"bookbinder/{name}" for name in cache._SHAPING), "chainrule/ops.py"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setattr(cache, "_HERE", tmp_path / "bookbinder")
    file = tmp_path / "chainrule/ops.py"
    seen = set()
    for text in ("return a + b", "return a - b"):
        file.write_text(text, encoding="utf-8")
        seen.add(cache.surroundings())
    assert len(seen) == 2


def test_old_results_are_evicted(prepared):
    folder = Path(prepared["cache_dir"])
    new, old = folder / "a.json", folder.parent / "0123456789abcdef/b.json"
    old.parent.mkdir()
    for file in (new, old):
        file.write_text("{}", encoding="utf-8")
    os.utime(old.parent, (0, 0))
    cache.evict()
    assert new.exists() and not old.exists()
    assert kernel(prepared)


def content(*cells: list[dict]) -> str:
    """What mkdocs-jupyter's page of a notebook comes to, by the binder's last step."""
    from nbconvert import HTMLExporter

    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A")])
    nb.cells += [nbformat.v4.new_code_cell("x", outputs=outputs) for outputs in cells]
    nb, _ = labs.only_outputs(nb, {})
    return HTMLExporter().from_notebook_node(nb)[0]


class Page:
    """A lab as MkDocs knows it; `render` stands for its own."""

    def __init__(self, file: Path, content: str):
        self.file, self.content = SimpleNamespace(abs_src_path=str(file)), content

    def render(self, config, files):
        self.content = f"rendered: {self.markdown}"


def figure(title: str) -> dict:
    drawn = {"alt": title, "desc": "", "width": 1, "height": 1, "format": "svg"}
    return nbformat.v4.new_output("display_data", {MIME: drawn | {"light": "<svg/>", "dark": "<svg></svg>"}})


def printed(text: str, name: str = "stdout") -> dict:
    return nbformat.v4.new_output("stream", name=name, text=text)


def render(tmp_path: Path, *cells: list[dict]) -> tuple[Page, dict]:
    lab = tmp_path / "a.py"
    lab.write_text("# %% [markdown]\n# # A\n" + "\n# %%\nx\n" * len(cells), encoding="utf-8")
    page = Page(lab, content(*cells))
    return page, labs.render(page, SimpleNamespace(site_dir=str(tmp_path / "site")), None).data


def test_a_lab_is_read_as_a_chapter_of_the_same_lines():
    lab = load(LAB)
    text = LAB.read_text(encoding="utf-8")
    assert lab.text.count("\n") == text.count("\n")
    assert [block.code.strip() for block in lab.blocks] == [code.strip() for code in programs()]
    for block in lab.blocks:
        assert text.splitlines()[block.line - 1] == "# %%"
    assert lab.text.lstrip().startswith("# Lab: a first descent\n")
    assert len(lab.programs()) == 1, "a lab is one program"


def test_a_cell_without_an_empty_line_below_it_loses_nothing(tmp_path):
    (tmp_path / "a.py").write_text("# %%\nx = 1\n# %% [markdown]\n# Text\n", encoding="utf-8")
    lab = load(tmp_path / "a.py")
    assert [block.code for block in lab.blocks] == ["x = 1\n"] and lab.text.endswith("Text\n")


def test_outputs_come_through_as_those_of_a_chapter(own_cache, tmp_path):
    table = nbformat.v4.new_output("execute_result", {"text/plain": "t", "text/html": "<table></table>"})
    cells = [[printed("<b> &amp;\n"), printed("2"), printed("w", "stderr")], [], [table, figure("F")]]
    page, data = render(tmp_path, *cells)
    first, second, third = (slot["outputs"] for slot in data["blocks"])
    assert first == [{"kind": "stdout", "text": "<b> &amp;\n2"}, {"kind": "stderr", "text": "w"}]
    assert second == [] and [out["kind"] for out in third] == ["html", "figure"]
    assert page.content.startswith("rendered: \n# A\n")


def test_figures_lie_in_the_site_under_the_name_of_their_content(own_cache, tmp_path):
    _, data = render(tmp_path, [figure("F")])
    light, dark = data["figures"]
    assert (tmp_path / "site" / markdown.FIGURES / light).read_text() == "<svg/>"
    assert Path(dark).stem == cache.digest(b"<svg></svg>")


def test_a_figure_without_a_title_is_refused_at_its_cell(own_cache, tmp_path):
    with pytest.raises(PageError, match=r"a\.py:7  block 2 of 2  a figure without a title"):
        render(tmp_path, [printed("1")], [figure("")])


def programs() -> list[str]:
    """The code cells of the lab."""
    cells = re.split(r"^# %%(.*)\n", LAB.read_text(encoding="utf-8"), flags=re.M)
    return [code for kind, code in zip(cells[1::2], cells[2::2], strict=True) if "markdown" not in kind]


def play(cells: list[str], capsys) -> str:
    space = {"__name__": "__main__"}
    for code in cells:
        exec(compile(code, str(LAB), "exec"), space)
    return capsys.readouterr().out


def test_run_all_reaches_the_end_and_says_not_yet(capsys):
    said = play(programs(), capsys)
    assert said.count("not yet: the") == 3 and said.count("still empty") == 3


def test_the_answers_fill_the_blanks_and_a_wrong_one_does_not(capsys):
    *cells, answers = programs()
    solved = dict(
        re.findall(r"^(def (?:gradient|longest_step|forgiving)\(.*\n)((?:    .*\n)+)", answers, re.M)
    )
    assert len(solved) == 3

    def filled(change=lambda body: body) -> list[str]:
        """The lab with each blank filled by its answer."""
        out = cells
        for head, body in solved.items():
            out = [
                re.sub(re.escape(head) + r"(?:    .*\n)+", lambda _, h=head, b=body: h + change(b), c)
                for c in out
            ]
        return out

    assert play(filled(), capsys).count("right: the check passes") == 3
    wrong = play(
        filled(lambda body: re.sub(r"\b2 \* (?=error|np)|(?<=\(1 \+ \()|\*\* 0\.5", "", body)), capsys
    )
    assert wrong.count("not yet:") == 3 and "empty" not in wrong


def build(folder: Path, lab: str, allow: str = "false") -> subprocess.CompletedProcess:
    """A site of one lab, built as the book is."""
    (folder / "docs/labs").mkdir(parents=True, exist_ok=True)
    (folder / "docs/index.md").write_text(INDEX, encoding="utf-8")
    (folder / "docs/labs/a.py").write_text(lab, encoding="utf-8")
    (folder / "mkdocs.yml").write_text(CONFIG.format(allow=allow), encoding="utf-8")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    env = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


@pytest.mark.deep
def test_a_lab_is_a_page_with_figures_and_a_notebook_with_outputs(own_cache, tmp_path, monkeypatch):
    """Run twice it has the same bytes, and nothing of what mkdocs-jupyter writes around a lab."""
    lab = "# %% [markdown]\n# # A\n#\n# The slope $w$.\n#\n# ```py\n# shown = 1\n# ```\n\n"
    lab += "# %%\nimport matplotlib.pyplot as plt\n"
    lab += "_ = plt.subplots()[1].set(title='A circle', xlabel='x')\nprint('drawn')\n"
    found = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        monkeypatch.setenv("BOOK_CACHE", str(folder / "cache"))
        done = build(folder, lab)
        assert done.returncode == 0, done.stderr
        site = folder / "site"
        html = (site / "labs/a/index.html").read_text(encoding="utf-8")
        notebook = nbformat.read(site / "notebooks/labs/a.ipynb", as_version=4)
        figures = {file.name: file.read_bytes() for file in (site / markdown.FIGURES).iterdir()}
        found.append((html, json.dumps(notebook), figures))
    assert found[0] == found[1]
    assert len(figures) == 2 and all(f"assets/figures/{name}#only-" in html for name in figures)
    assert html.count('alt="A circle. x axis: x"') == 2 and "drawn" in html and "<math" in html
    assert "jp-" not in html and "mathjax" not in html.lower()
    assert ["image/svg+xml" in out.get("data", {}) for out in notebook.cells[-1].outputs] == [False, True]


@pytest.mark.deep
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ValueError('seen to fail')", "ValueError: seen to fail"),
        ("import socket\nsocket.create_connection(('192.0.2.1', 80))", "may not use the network"),
        ("import warnings\nwarnings.warn('old', DeprecationWarning)", "DeprecationWarning: old"),
    ],
)
def test_a_lab_that_fails_fails_the_build(own_cache, tmp_path, code, said):
    done = build(tmp_path, f"# %% [markdown]\n# # A\n\n# %%\n{code}\n", allow="true")
    seen = re.sub(r"\x1b\[[\d;]*m", "", done.stderr)
    assert done.returncode and said in seen and "labs/a.py" in seen


@pytest.mark.deep
def test_a_lab_is_run_again_when_the_package_changed(own_cache, tmp_path, monkeypatch):
    """Run, found again, and run anew with a package of which one word was changed."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "src"))
    show = "import sys, chainrule\nprint(chainrule.__version__, *sys.executable.split('/'))"  # no path of a machine
    lab = f"# %% [markdown]\n# # A\n\n# %%\n{show}\n"
    first, second = build(tmp_path, lab), build(tmp_path, lab)
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert "Cache miss" in first.stderr and "Cache hit" in second.stderr
    page = tmp_path / "site/labs/a/index.html"
    assert " ".join(["0.1.0", *sys.executable.split("/")]) in page.read_text(encoding="utf-8")
    init = tmp_path / "src/chainrule/__init__.py"
    init.write_text(init.read_text(encoding="utf-8").replace('"0.1.0"', '"0.1.0+new"'), encoding="utf-8")
    third = build(tmp_path, lab)
    assert third.returncode == 0 and "Cache miss" in third.stderr, third.stderr
    assert "0.1.0+new" in page.read_text(encoding="utf-8")
