"""Labs: run by this Python under the rules of chapters, never stale, light, and in the look of the book."""

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

from bookbinder import cache, labs
from bookbinder.page import PageError
from conftest import ROOT

LAB = ROOT / "docs/labs/first-descent.py"
CONFIG = """site_name: Trial
use_directory_urls: true
theme: {{name: material, font: false}}
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


def cell(kind: str, body: str, outer: str = "") -> str:
    """An output as nbconvert writes it."""
    return (
        f'<div class="jp-OutputArea jp-Cell-outputArea"><div class="jp-OutputArea-child {outer}">'
        f'<div class="jp-RenderedText jp-OutputArea-output {outer}" data-mime-type="{kind}">{body}</div></div></div>'
    )


class Site:
    """Files of a site, as far as links ask for them."""

    def get_file_from_path(self, path: str):
        known = path == "learning/x.md"
        return SimpleNamespace(url_relative_to=lambda lab: "../../learning/x/") if known else None


def dress(content: str, repo: str = "") -> str:
    lab = SimpleNamespace(src_uri="labs/a.py", url="labs/a/")
    return labs.dress(content, lab, Site(), SimpleNamespace(docs_dir="docs", repo_url=repo))


def prose(text: str) -> str:
    """Prose as nbconvert writes it, below what it puts on every page."""
    around = '<style>.x { color: red }</style><script src="https://x.y/z.js"></script>'
    return f'{around}<div class="jp-MarkdownOutput">{text}</div>'


def test_what_a_lab_does_not_need_is_left_out():
    html = dress(prose('<h1 id="a">A<a class="anchor-link" href="#a">¶</a></h1><p>Text</p>'))
    assert not re.search("style|script|https:", html)
    assert '<a class="headerlink" href="#a"' in html and "<p>Text</p>" in html
    assert (
        html.index("</h1>") < html.index('href="../../notebooks/labs/a.ipynb" download') < html.index("Text")
    )


def test_a_known_repository_gives_the_colab_button():
    html = dress(prose("<h1>A</h1>"), "https://github.com/me/book.git")
    assert 'href="https://colab.research.google.com/github/me/book/blob/notebooks/labs/a.ipynb"' in html


def test_code_and_outputs_look_as_in_chapters():
    code = '<div class="highlight-ipynb hl-python"><pre><span></span><span class="k">x</span></pre></div>'
    html = dress(code + cell("text/plain", "<pre>1 &lt; 2\n</pre>"))
    assert (
        '<div class="language-python highlight"><pre><span></span><code><span class="k">x</span></code>'
        in html
    )
    assert '<pre class="book-stdout" tabindex="0" role="group" aria-label="Output">1 &lt; 2</pre>' in html
    assert 'class="book-result"' in dress(cell("text/plain", "<pre>1</pre>", "jp-OutputArea-executeResult"))
    assert 'class="book-warning"' in dress(cell("application/vnd.jupyter.stderr", "<pre>w</pre>"))
    table = dress(cell("text/html", '<table onclick="x()"><tr><td>1</td></tr></table><script>1</script>'))
    assert "<table>" in table and "onclick" not in table and "script" not in table


def test_links_name_pages_as_in_chapters():
    assert 'href="../../learning/x/#y"' in dress(prose('<a href="../learning/x.md#y">x</a>'))
    with pytest.raises(PageError, match=r"docs/labs/a\.py:1  the link \.\./learning/z\.md leads nowhere"):
        dress(prose('<a href="../learning/z.md">z</a>'))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (prose("<p>the slope $w$</p>"), "formula in dollars"),
        (cell("image/png", '<img src="data:image/png;base64,AA==">'), "a cell puts out image/png"),
        (cell("text/latex", "$$1$$"), "a cell puts out text/latex"),
    ],
)
def test_what_would_need_a_script_or_has_no_text_is_refused(content, message):
    with pytest.raises(PageError, match=message):
        dress(content)


def test_a_dollar_in_code_is_no_formula():
    assert "$HOME" in dress(prose("<code>$HOME</code>"))


@pytest.mark.parametrize("url", ["", "https://book.example/sub"])
def test_the_notebook_is_valid_and_brings_chainrule(tmp_path, url):
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist/chainrule-0.1.0-py3-none-any.whl").touch()
    labs.notebooks(ROOT / "docs", tmp_path, url)
    file = tmp_path / "notebooks/labs/first-descent.ipynb"
    nb = nbformat.read(file, as_version=4)
    nbformat.validate(nb)
    before = file.read_bytes()
    labs.notebooks(ROOT / "docs", tmp_path, url)
    assert file.read_bytes() == before, "the same lab gives the same bytes"
    assert nb.cells[1].id == "setup"
    setup, text = nb.cells[1].source, "".join(cell.source for cell in nb.cells)
    assert ("https://book.example/sub/dist/chainrule-0.1.0" in setup) == bool(url)
    assert ("(https://book.example/sub/learning/derivatives-and-descent/)" in text) == bool(url)
    assert ".md)" not in "".join(c.source for c in nb.cells)


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
    show = "import sys, chainrule\nprint(chainrule.__version__, sys.executable)"
    lab = f"# %% [markdown]\n# # A\n\n# %%\n{show}\n"
    first, second = build(tmp_path, lab), build(tmp_path, lab)
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert "Cache miss" in first.stderr and "Cache hit" in second.stderr
    page = tmp_path / "site/labs/a/index.html"
    assert f"0.1.0 {sys.executable}" in page.read_text(encoding="utf-8")
    init = tmp_path / "src/chainrule/__init__.py"
    init.write_text(init.read_text(encoding="utf-8").replace('"0.1.0"', '"0.1.0+new"'), encoding="utf-8")
    third = build(tmp_path, lab)
    assert third.returncode == 0 and "Cache miss" in third.stderr, third.stderr
    assert "0.1.0+new" in page.read_text(encoding="utf-8")
