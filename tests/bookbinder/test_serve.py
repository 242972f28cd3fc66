"""`mkdocs serve`: a broken page shows what is wrong in its place, the server lives on, and a mended page recovers."""

import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

pytestmark = pytest.mark.deep
CONFIG = """site_name: Trial
theme: {name: material, font: false}
markdown_extensions: [pymdownx.superfences, bookbinder.math, bookbinder.markdown]
plugins: [bookbinder]
"""
PAGE = "---\ntitle: Trial\ndescription: A trial.\n---\n# Trial\n\nText.\n\n```python\nprint(6 * 7)\n```\n\nDone.\n"


@pytest.fixture
def server(own_cache, tmp_path):
    """A served book: its process, its page's file and its address."""
    page = tmp_path / "docs" / "index.md"
    page.parent.mkdir()
    page.write_text(PAGE, encoding="utf-8")
    (tmp_path / "mkdocs.yml").write_text(CONFIG, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mkdocs", "serve", "-a", f"127.0.0.1:{port}"]
    with (tmp_path / "log").open("w") as log:
        env = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
        process = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=log, stderr=log)
    yield process, page, f"http://127.0.0.1:{port}/"
    process.terminate()
    process.wait(20)


def wait(process: subprocess.Popen, address: str, text: str) -> None:
    """Wait until a page holds a text, as long as the server lives."""
    seen, deadline = "", time.monotonic() + 300
    while text not in seen:
        with suppress(URLError, ConnectionError):
            seen = urlopen(address, timeout=60).read().decode()
        assert time.monotonic() < deadline, f"{text} does not appear in {seen[-2000:]}"
        with suppress(subprocess.TimeoutExpired):
            pytest.fail(f"the server ended with {process.wait(0.1)}")


def change(page: Path, text: str) -> None:
    """Write a page in one step, so that no build sees half of it."""
    part = page.parent.parent / "part"
    part.write_text(text, encoding="utf-8")
    os.replace(part, page)


def test_a_broken_page_shows_its_fault_and_recovers(server):
    process, page, address = server
    wait(process, address, ">42</pre>")
    change(page, PAGE.replace("6 * 7", "1 / 0"))
    wait(process, address, "block 1 of 1  ZeroDivisionError: division by zero")
    change(page, PAGE.replace("```python", "```py"))
    wait(process, address, "looks like Python and would never run")
    change(page, PAGE.replace("6 * 7", "6 * 8"))
    wait(process, address, ">48</pre>")
