"""Careless and hostile pages: each ends in bounded time with a line that names it, and harms no other page.

What the runner's own tests show on every run (endless loops, floods, memory, exits, network, secrets, children) is
not repeated here. What no Python program can contain stands in SECURITY.md.
"""

import textwrap
from pathlib import Path

import psutil
import pytest
from nbformat import NotebookNode

from bookbinder import binding, markdown, runner
from bookbinder.chapter import load
from bookbinder.check import check

pytestmark = pytest.mark.deep
FRONT = "---\ntitle: T\ndescription: D.\n---\n# T\n"
PAGES = {
    "killed": """
        ```python
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)
        ```
        """,
    "a_patches": """
        ```python
        import numpy as np

        np.exp = None
        np.ndarray.__module__
        ```
        """,
    "b_after": """
        ```python
        import numpy as np

        assert np.exp(0) == 1
        ```
        """,
    "hundred": """
        ```python
        import subprocess
        import sys

        for _ in range(100):
            _ = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(78)"])
        ```
        """,
    "huge": """
        ```python
        import matplotlib.pyplot as plt
        import numpy as np

        rng = np.random.default_rng(0)
        fig, ax = plt.subplots(figsize=(8, 8))
        for _ in range(20):
            ax.plot(rng.normal(size=2000), rng.normal(size=2000), lw=0.2)
        _ = ax.set(title="Far too much", xlabel="x", ylabel="y")
        ```
        """,
    "inject": """
        ```python
        import matplotlib.pyplot as plt


        class Evil:
            def _repr_html_(self):
                return '<b onclick="x()" style="color:red">hi</b><a href="http://e.org/x">x</a>'


        fig, ax = plt.subplots()
        _ = ax.set(title='"><script>alert(2)</script>', xlabel="x")
        print("</pre><script>alert(3)</script>")
        Evil()
        ```
        """,
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("book")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("BOOK_CACHE", str(folder / "cache"))
        for name, body in PAGES.items():
            (folder / f"{name}.md").write_text(
                FRONT.replace("D.\n", "D.\ntimeout: 300\n") + textwrap.dedent(body), encoding="utf-8"
            )
        chapters = [load(folder / f"{name}.md") for name in PAGES]
        ran = {r.chapter.path.removesuffix(".md"): r for r in runner.run(chapters, quiet=True)}
        return ran | {"folder": folder}


def test_a_killed_kernel_is_told(results):
    (failure,) = results["killed"].failures
    assert failure.file == "killed.md" and failure.line == 8 and "kernel ended" in failure.message


def test_a_patched_library_reaches_no_other_page(results):
    assert not results["a_patches"].failures and not results["b_after"].failures


def test_a_hundred_children_are_ended(results):
    assert not results["hundred"].failures
    left = [
        p for p in psutil.process_iter(["cmdline"]) if "time.sleep(78)" in " ".join(p.info["cmdline"] or [])
    ]
    assert not left


def test_a_huge_figure_is_refused_by_its_name(results):
    (failure,) = results["huge"].failures
    assert "the figure 'Far too much' weighs" in failure.message and "figsize" in failure.advice
    assert results["huge"].data["figures"] == []


def test_what_a_page_puts_out_cannot_become_script(results):
    assert not results["inject"].failures
    outputs = results["inject"].data["blocks"][0]["outputs"]
    shown = str(markdown.html.outputs(outputs, "assets/figures"))
    assert (
        "<script" not in shown and "onclick" not in shown and "style=" not in shown and "e.org" not in shown
    )
    assert "&lt;script&gt;alert(3)" in shown and "<b>hi</b>" in shown
    assert "alert(2)&lt;/script&gt;" in shown, "a figure's title is text"
    for name in results["inject"].data["figures"]:
        assert b"<script" not in (results["folder"] / "cache" / "figures" / name).read_bytes()


def test_a_script_or_picture_in_a_value_is_cleaned_and_told():
    evil = '<script>alert(1)</script><b onclick="x()">hi</b><img src="http://e.org/x">'
    assert str(markdown.html.outputs([{"kind": "html", "text": evil}], "")).count("<b>hi</b></div>") == 1
    shown = NotebookNode(output_type="execute_result", data={"text/html": evil, "text/plain": "A()"})
    assert runner.shown_of([shown]) == ([], ("rich", {"kind": "text/html (A())"}))


@pytest.fixture
def book(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BOOK_CACHE", str(tmp_path / "cache"))
    (tmp_path / "docs").mkdir()
    return tmp_path / "docs"


def test_ten_thousand_lines_are_read_in_one_go(book):
    page = book / "long.md"
    page.write_text(
        FRONT + "\nA line of *text* with $x^2$ and `code`.\n" * 10_000 + "\n[gone](gone.md)\n",
        encoding="utf-8",
    )
    (fault,) = check(load(page), book)
    assert (fault.line, fault.message) == (6 + 20_001, "the link to gone.md leads nowhere")


def test_binary_in_a_page_is_told(book):
    (book / "bin.md").write_bytes(b"---\ntitle: T\n---\n\xff\xfe\x00\x01")
    told = []
    binding.bind(Path("docs")).tell(told.append)
    assert len(told) == 1 and told[0].startswith("docs/bin.md:1  the file cannot be read as text")


def test_a_link_out_of_the_docs_is_told(book, tmp_path):
    (tmp_path / "secret.md").write_text(FRONT, encoding="utf-8")
    (book / "out.md").symlink_to(tmp_path / "secret.md")
    told = []
    binding.bind(Path("docs")).tell(told.append)
    assert len(told) == 1 and "out.md:1  the page is a link out of its folder" in told[0]


@pytest.mark.parametrize(
    "line",
    [
        "<script>alert(1)</script>",
        '<img src="https://e.org/x.png">',
        '<p onclick="x()">a</p>',
        '<p style="color: red">a</p>',
        '<iframe src="x"></iframe>',
    ],
)
def test_raw_html_that_could_do_something_is_an_error(book, line):
    (book / "raw.md").write_text(FRONT + f"\n{line}\n", encoding="utf-8")
    (fault,) = check(load(book / "raw.md"), book)
    assert fault.line == 7 and "raw HTML" in fault.message
