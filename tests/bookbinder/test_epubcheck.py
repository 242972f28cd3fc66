"""The whole book as an e-book under the eyes of the checker that stores and readers use."""

import re
import shutil
import subprocess

import pytest

from bookbinder import epub
from conftest import ROOT
from deep.environments import environment

pytestmark = pytest.mark.deep
MEGABYTES = 15


def test_epubcheck_finds_nothing_to_say(tmp_path):
    if not shutil.which("java"):
        pytest.skip("epubcheck needs Java, which is not installed")
    try:
        python = environment("epubcheck")
    except pytest.fail.Exception as missing:
        pytest.skip(str(missing))
    assert (ROOT / "site/index.html").is_file(), "the built site is missing: make site"
    epub.bundle(ROOT / "site", to := tmp_path / "book.epub")
    jar = next((python.parents[1] / "lib").glob("python*/site-packages/epubcheck/epubcheck.jar"))
    done = subprocess.run(["java", "-jar", str(jar), str(to)], capture_output=True, text=True, timeout=300)
    said = done.stdout + done.stderr
    assert re.search(r"Messages: 0 fatals / 0 errors / 0 warnings", said), said[:5000]
    assert to.stat().st_size < MEGABYTES * 1e6
