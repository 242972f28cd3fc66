"""The runner on pages that go right and wrong, all run once, side by side as the build runs them."""

import os
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from bookbinder import cache, kernel, runner
from bookbinder.chapter import load

FRONT = "---\ntitle: T\ndescription: D.\ntimeout: {timeout}\n---\n"
FIRST = 6  # line of the first line of a page's body

PAGES = {
    "good": """
        ```python
        import sys
        import numpy as np

        print("one")
        print("two")
        np.arange(3)
        ```

        Last expressions and warnings.

        ```python
        import warnings

        warnings.warn("mind the gap", stacklevel=1)


        class Table:
            def _repr_html_(self):
                return "<table><tr><td>1</td></tr></table>"


        Table()
        ```

        Next.

        <!--pytest.mark.xfail(raises=LookupError)-->
        ```python
        {}["x"]
        ```

        Next.

        <!--pytest.mark.skip(reason="only to look at")-->
        ```python
        raise SystemExit
        ```

        Next.

        <!--pytest.mark.skipif(sys.version_info > (3,), reason="old Pythons only")-->
        ```python
        raise SystemExit
        ```

        Next.

        <!--pytest.mark.skipif(sys.version_info < (3,), reason="new Pythons only")-->
        ```python
        print("ran")
        ```
        """,
    "figure": """
        ```python
        import matplotlib.pyplot as plt

        fig, ax = plt.subplots()
        ax.plot([1, 2], [3, 4], color="k", label="a < b")
        _ = ax.set(title="Two points of $x^2$", xlabel="x (m)")
        ```
        """,
    "untitled": """
        ```python
        import matplotlib.pyplot as plt

        _ = plt.plot([1, 2])
        ```
        """,
    "heavy": """
        ```python
        import matplotlib.pyplot as plt
        import numpy as np

        fig, ax = plt.subplots(figsize=(12, 12))
        ax.imshow(np.random.default_rng(0).normal(size=(900, 900)), interpolation="nearest")
        _ = ax.set_title("Noise")
        ```
        """,
    "film": """
        <!-- play: step -->
        ```python
        print("--- 0")
        ```

        And on.

        <!-- play: cont -->
        <!--pytest-codeblocks:cont-->
        ```python
        print("--- 1")
        ```
        """,
    "gap": """
        <!-- play: a, b -->
        ```python
        for a, b in ((1, 1), (1, 2), (2, 1)):
            print(f"--- a {a}, b {b}")
        ```
        """,
    "progress": """
        ```python
        from tqdm import tqdm

        for _ in tqdm(range(3), desc="step"):
            pass
        ```
        """,
    "raises": """
        ```python
        def f(x):
            y = 1
            return y / x
        ```

        Then.

        <!--pytest-codeblocks:cont-->
        ```python
        f(1)
        f(0)
        ```

        Never run.

        <!--pytest-codeblocks:cont-->
        ```python
        print("unreachable")
        ```
        """,
    "syntax": "\n```python\nx = 1\ny = = 2\n```\n",
    "passes": "\n<!--pytest.mark.xfail(raises=ValueError)-->\n```python\nx = 1\n```\n",
    "other": '\n<!--pytest.mark.xfail(raises=ValueError)-->\n```python\nraise KeyError("k")\n```\n',
    "endless": "\n```python\nwhile True:\n    pass\n```\n",
    "exits": "\n```python\nimport os\n\nos._exit(3)\n```\n",
    "sysexit": "\n```python\nimport sys\n\nsys.exit(0)\n```\n",
    "flood": '\n```python\nwhile True:\n    print("x" * 1000)\n```\n',
    "greedy": "\n```python\nimport time\n\nheld = bytearray(10**9)\ntime.sleep(30)\n```\n",
    "address": "\n```python\nobject()\n```\n",
    "network": '\n```python\nimport urllib.request\n\nurllib.request.urlopen("http://example.org")\n```\n',
    "loopback": """
        ```python
        import socket

        server = socket.create_server(("127.0.0.1", 0))
        socket.create_connection(server.getsockname()).close()
        ```
        """,
    "group": "\n```python\ndef f():\n    raise ExceptionGroup('many', [ValueError(1)])\nf()\n```\n",
    "context": """
        ```python
        try:
            raise ExceptionGroup("m", [ValueError(1)])
        except ExceptionGroup:
            {}[1]
        ```
        """,
    "debugger": "\n```python\nimport bdb\nraise bdb.BdbQuit\n```\n",
    "interrupt": "\n```python\nraise KeyboardInterrupt\n```\n",
    "thread": """
        ```python
        import threading

        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        ```
        """,
    "destructor": "\n```python\nclass A:\n    def __del__(self):\n        raise ValueError('d')\n_ = A()\n_ = 1\n```\n",
    "announced": """
        <!--pytest.mark.xfail(raises=ExceptionGroup)-->
        ```python
        raise ExceptionGroup("many", [ValueError(1)])
        ```

        Next.

        <!--pytest.mark.xfail(raises=SystemExit)-->
        ```python
        raise SystemExit(3)
        ```

        Next.

        <!--pytest.mark.xfail(raises=SyntaxError)-->
        ```python
        compile("x = = 1", "page", "exec")
        ```

        Next.

        <!--pytest.mark.xfail(raises=(ValueError, GeneratorExit))-->
        ```python
        raise GeneratorExit
        ```

        Next: a string that IPython would change.

        ```python
        text = """
    + '"""'
    + """
        >>> f(1)
        """
    + '"""'
    + """
        print(text.strip())
        ```
        """,
    "image": "\n```python\nfrom PIL import Image\n\nImage.new('RGB', (4, 4))\n```\n",
    "formula": "\n```python\nimport numpy as np\n\nnp.polynomial.Polynomial([1, 2])\n```\n",
    "drawing": "\n```python\nclass A:\n    def _repr_html_(self):\n        return 'x <svg></svg>'\n\n\nA()\n```\n",
    "script": "\n```python\nclass A:\n    def _repr_html_(self):\n        return '<script>1</script>'\n\n\nA()\n```\n",
    "again": """
        ```python
        import matplotlib.pyplot as plt

        fig, ax = plt.subplots()
        _ = ax.set_title("t")
        plt.close(fig)
        fig
        ```
        """,
    "axes": """
        ```python
        import matplotlib.pyplot as plt

        fig, ax = plt.subplots()
        _ = ax.set_title("t")
        ax.bar([1], [2])
        ```
        """,
    "function": "\n```python\ndef f():\n    pass\n\n\nf\n```\n",
    "module": "\n```python\nimport json\n\njson\n```\n",
    "file": "\n```python\nimport json\n\nprint(json.__file__)\n```\n",
    "folder": "\n```python\nfrom pathlib import Path\n\nprint(Path('x').resolve())\n```\n",
    "cleared": "\n```python\nfrom IPython.display import clear_output\n\nclear_output()\n```\n",
    "places": "\n```python\nprint('a/tmp/b', 'http://e.org/home/x', 1 / 2)\n```\n",
    "secrets": '\n```python\nimport os\n\nassert "BOOK_SECRET" not in os.environ\n```\n',
    "children": """
        ```python
        import subprocess
        import sys

        for _ in range(5):
            _ = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(77)"])
        ```
        """,
    "deprecated": '\n```python\nimport warnings\n\nwarnings.warn("old", DeprecationWarning)\n```\n',
    "exercises": """
        <!-- exercise: double starter -->
        ```python
        def double(x):
            return 2 * x
        ```

        <!-- exercise: double check -->
        ```python
        assert double(0) == 0
        ```

        <!-- exercise: double solution -->
        ```python
        def double(x):
            return x + 1
        ```

        <!-- exercise: double wrong
        def double(x):
            return x
        -->
        """,
}
TIMEOUT = {"endless": 2}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("book")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("BOOK_CACHE", str(folder / "cache"))
        patch.setenv("BOOK_SECRET", "s")
        patch.setattr(kernel, "MEMORY", 700 * 2**20)
        chapters = []
        for name, body in PAGES.items():
            file = folder / f"{name}.md"
            file.write_text(FRONT.format(timeout=TIMEOUT.get(name, 60)) + textwrap.dedent(body))
            chapters.append(load(file))
        assert [str(f) for c in chapters for f in c.faults] == []
        ran = {r.chapter.path.removesuffix(".md"): r for r in runner.run(chapters, quiet=True)}
        return ran | {"cache": folder / "cache"}


def outputs(result, block):
    return [(out["kind"], out["text"]) for out in result.data["blocks"][block]["outputs"]]


def only_fault(result):
    assert len(result.failures) == 1, [str(f) for f in result.failures]
    return result.failures[0]


def test_outputs_are_what_a_notebook_shows(results):
    good = results["good"]
    assert not good.failures
    assert outputs(good, 0) == [("stdout", "one\ntwo\n"), ("result", "array([0, 1, 2])")]
    assert outputs(good, 1)[0] == ("stderr", "UserWarning: mind the gap\n")
    assert outputs(good, 1)[1][0] == "html"
    assert outputs(good, 2) == [("error", "KeyError: 'x'")]
    assert [slot["state"] for slot in good.data["blocks"]] == [
        "run",
        "run",
        "raised",
        "skipped",
        "skipped",
        "run",
    ]
    assert good.data["versions"]["Python"].startswith("3.")
    assert good.data["device"] in ("CPU", "GPU")


def test_a_figure_is_published_in_two_inks_with_its_words(results):
    (figure,) = results["figure"].data["blocks"][0]["outputs"]
    assert figure["alt"] == "Two points of x^2"
    assert "x axis: x (m)" in figure["desc"] and "a < b" in figure["desc"]
    light, dark = ((results["cache"] / "figures" / name).read_text() for name in figure["files"])
    assert figure["format"] == "svg" and "<title>Two points of x^2</title>" in light
    assert "#000000" in light and "#000000" not in dark


def test_a_progress_bar_shows_its_end_and_no_time(results):
    ((kind, text),) = outputs(results["progress"], 0)
    assert (
        kind == "stderr" and "3/3" in text and "00:0" not in text and "\r" not in text and "0/3" not in text
    )


def test_a_failure_names_the_innermost_line_of_the_page(results):
    failure = results["raises"].failures[0]
    assert (failure.file, failure.line) == ("raises.md", FIRST + 4)
    assert failure.message == "block 2 of 3  ZeroDivisionError: division by zero"
    assert f"> {FIRST + 4:4}      return y / x" in failure.excerpt
    assert "make check FILE=raises.md" in str(failure)
    assert results["raises"].data["blocks"][2]["state"] == "unrun"


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        ("untitled", 1, "a figure without a title"),
        ("heavy", 1, "the figure 'Noise' weighs"),
        ("gap", 2, "no frame for a 2, b 2"),
        ("syntax", 3, "SyntaxError"),
        ("passes", 2, "said to raise ValueError and does not"),
        ("other", 2, "said to raise ValueError and raises KeyError"),
        ("endless", 1, "ran longer than 2 s"),
        ("exits", 1, "the kernel ended"),
        ("sysexit", 1, "SystemExit"),
        ("flood", 1, "puts out more than 1 MB"),
        ("greedy", 1, "of memory"),
        ("address", 1, "memory address"),
        ("network", 4, "may not use the network, and this one asks for example.org"),
        ("group", 3, "ExceptionGroup: many (1 sub-exception)"),
        ("context", 5, "KeyError: 1"),
        ("debugger", 1, "BdbQuit"),
        ("interrupt", 2, "KeyboardInterrupt"),
        (
            "thread",
            1,
            "an exception that ends nothing, in a thread, a task or a destructor: ZeroDivisionError",
        ),
        (
            "destructor",
            1,
            "an exception that ends nothing, in a thread, a task or a destructor: ValueError: d",
        ),
        ("image", 1, "a value that the page cannot show: image/png, image/jpeg (<PIL.Image"),
        ("formula", 1, "a value that the page cannot show: text/latex (Polynomial"),
        ("drawing", 1, "a value that the page cannot show: text/html"),
        ("script", 1, "a value that the page cannot show: text/html"),
        ("again", 1, "the output says <Figure size 640x360 with 1 Axes>, which tells a reader nothing"),
        ("axes", 1, "the output says <BarContainer object of 1 artists>"),
        ("function", 1, "the output says <function __main__.f()>"),
        ("module", 1, "the output says <module 'json' from"),
        ("file", 1, "the output names a folder of this machine: /"),
        ("folder", 1, "the output names a folder of this machine: /"),
        ("cleared", 1, "the block takes back or changes what it has put out"),
        ("deprecated", 4, "DeprecationWarning: old"),
    ],
)
def test_each_way_to_fail_is_told_by_file_and_line(results, name, line, said):
    fault = only_fault(results[name])
    assert (fault.file, fault.line) == (f"{name}.md", FIRST + line)
    assert said in fault.message


@pytest.mark.parametrize("name", ["loopback", "secrets", "children", "film", "places", "announced"])
def test_what_is_allowed_passes(results, name):
    assert not results[name].failures


def test_what_a_block_announces_is_shown_in_one_line(results):
    shown = [outputs(results["announced"], at) for at in range(5)]
    said = ["ExceptionGroup: many (1 sub-exception)", "SystemExit: 3"]
    said += ["SyntaxError: invalid syntax (page, line 1)", "GeneratorExit"]
    assert shown == [[("error", text)] for text in said] + [[("stdout", ">>> f(1)\n")]]


def test_no_child_outlives_its_chapter(results):
    left = [
        p for p in psutil.process_iter(["cmdline"]) if "time.sleep(77)" in " ".join(p.info["cmdline"] or [])
    ]
    assert not left


def test_every_part_of_an_exercise_is_put_to_its_check(results):
    said = [failure.message for failure in results["exercises"].failures]
    assert said[0] == "the starter of exercise double passes its check"
    assert said[1].startswith("the solution of exercise double fails its check: AssertionError")
    assert said[2] == "the wrong of exercise double passes its check"


@pytest.fixture
def page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BOOK_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "p.md"
    file.write_text(FRONT.format(timeout=60) + "\nSay.\n\n```python\nprint(1)\n```\n")
    return file


def test_prose_runs_nothing_and_code_runs_again(page):
    assert runner.run([load(page)], quiet=True)[0].fresh
    page.write_text(page.read_text().replace("Say.", "Say more.\n\nAnd more."))
    again = runner.run([load(page)], quiet=True)[0]
    assert not again.fresh and again.data["blocks"][0]["outputs"] == [{"kind": "stdout", "text": "1\n"}]
    page.write_text(page.read_text().replace("print(1)", "print(2)"))
    assert runner.run([load(page)], quiet=True)[0].fresh


def test_a_film_is_judged_again_when_its_comment_changes(page):
    runner.run([load(page)], quiet=True)
    page.write_text(page.read_text().replace("```python", "<!-- play: step -->\n```python"))
    (result,) = runner.run([load(page)], quiet=True)
    assert [failure.line for failure in result.failures] == [10]
    assert result.data["blocks"][0]["outputs"][0]["text"] == "1\n", "under serve the page shows what there is"


def test_a_damaged_entry_is_run_again(page):
    runner.run([load(page)], quiet=True)
    (entry,) = (page.parent / "cache" / "runs").glob("*.json")
    entry.write_text(entry.read_text().replace('"1\\n"', '"7\\n"').replace("1\\\\n", "7\\\\n")[:-3])
    again = runner.run([load(page)], quiet=True)[0]
    assert again.fresh and again.data["blocks"][0]["outputs"][0]["text"] == "1\n"


@pytest.mark.parametrize(
    "change", [Path.unlink, lambda file: file.write_text("<svg/>")], ids=["gone", "other"]
)
def test_a_damaged_figure_is_drawn_again(page, change):
    plot = 'import matplotlib.pyplot as plt\n\n_ = plt.title("T")'
    page.write_text(page.read_text().replace("print(1)", plot))
    names = runner.run([load(page)], quiet=True)[0].data["figures"]
    change(page.parent / "cache" / "figures" / names[1])
    again = runner.run([load(page)], quiet=True)[0]
    assert again.fresh and again.data["figures"] == names
    assert not runner.run([load(page)], quiet=True)[0].fresh


def test_a_failed_run_is_shown_but_not_kept(page):
    page.write_text(page.read_text().replace("print(1)", "1 / 0"))
    result = runner.run([load(page)], quiet=True)[0]
    shown = runner.result_of(load(page))
    assert result.failures and "ZeroDivisionError" in shown["blocks"][0]["outputs"][-1]["text"]
    assert cache.read(cache.key(load(page))) is None


def test_source_date_epoch_stands_for_the_date(page, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert runner.run([load(page)], quiet=True)[0].data["date"] == "1970-01-02"


def test_old_entries_are_evicted(page):
    runner.run([load(page)], quiet=True)
    (entry,) = (page.parent / "cache" / "runs").glob("*.json")
    long_ago = time.time() - (cache.KEEP_DAYS + 1) * 86_400
    os.utime(entry, (long_ago, long_ago))
    cache.evict()
    assert not entry.exists()
