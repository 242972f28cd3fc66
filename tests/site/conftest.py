"""What the tests of the built site share: a server that counts, a browser, and axe."""

import collections
import contextlib
import gzip
import hashlib
import http.server
import json
import mimetypes
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import threading
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from built import ROOT, SITE, pages

# axe-core is the tests' alone: fetched from the npm registry into .cache/, never copied into the site.
AXE_VERSION = "4.14.1"
AXE_SHA256 = "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
# Runs before any script of the page: counts what the policy refuses and how far the layout moves.
WATCH = """
window.book = {refused: [], shift: 0};
document.addEventListener("securitypolicyviolation",
  e => book.refused.push(`${e.effectiveDirective} ${e.blockedURI} ${e.sample}`));
new PerformanceObserver(list => list.getEntries().forEach(e => e.hadRecentInput || (book.shift += e.value)))
  .observe({type: "layout-shift", buffered: true});
"""
mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("font/woff2", ".woff2")


STALLED = 200  # seconds; the longest walk takes 23 on two cores that are busy


def pytest_collection_modifyitems(items):
    """Give a test whose browser stalled or died, nothing else, two more tries, each with a new browser."""
    stalls = pytest.mark.flaky(reruns=2, only_rerun=["TargetClosedError", "TimeoutError"])
    for item in items:
        if "visit" in getattr(item, "fixturenames", ()):
            item.add_marker(stalls)


def missing(what: str, mend: str) -> None:
    """Skips on a reader's machine, fails where everything has to be tested."""
    line = f"{what} is missing: {mend}"
    pytest.fail(line) if os.environ.get("CI") == "true" else pytest.skip(line)


@pytest.fixture(scope="session")
def site() -> Path:
    if not (SITE / "index.html").is_file():
        missing("the built site", "make site")
    return SITE


class Server(http.server.ThreadingHTTPServer):
    """Serves the site below a path, as GitHub Pages does, gzips, and counts what it sent.

    404.html stands in for any page, so its links begin with the path of the site's own address (`home`). All
    other pages have to work below any path.
    """

    daemon_threads = True

    def __init__(self, site: Path = SITE):
        super().__init__(("127.0.0.1", 0), Handler)
        self.site = site
        self.lock, self.sent = threading.Lock(), collections.Counter()
        self.host = f"http://127.0.0.1:{self.server_port}"
        lost = site / "404.html"
        links = re.findall(
            r'href="([^"]*)/assets/', lost.read_text(encoding="utf-8") if lost.is_file() else ""
        )
        self.home = urlsplit(links[0]).path if links else ""
        self.prefix = self.home or "/book"
        self.url = self.host + self.prefix

    def body(self, path: str) -> tuple[int, str, bytes]:
        """Status, type and content of what a browser asked for."""
        name = urlsplit(path).path
        name = name.removeprefix(self.prefix if name.startswith(self.prefix) else self.home)
        if (
            name == "/sitemap.xml"
        ):  # instant navigation follows the addresses in it, which must be this server's
            places = "".join(f"<url><loc>{self.url}{page}</loc></url>" for page in pages())
            return 200, "application/xml", f"<urlset>{places}</urlset>".encode()
        file = self.site / name.lstrip("/")
        file = file / "index.html" if file.is_dir() else file
        if not file.is_file():
            return 404, "text/plain", b"missing"
        return 200, mimetypes.guess_type(file.name)[0] or "application/octet-stream", file.read_bytes()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536

    def log_message(self, *_):
        pass

    def do_GET(self):
        status, kind, data = self.server.body(self.path)
        packed = kind.startswith(("text/", "application/json", "application/xml", "image/svg"))
        data = gzip.compress(data, 6) if packed else data
        with self.server.lock:
            self.server.sent.update(bytes=len(data), requests=1, failed=status >= 400)
        self.send_response(status)
        self.send_header("Content-Type", kind + ("; charset=utf-8" if packed else ""))
        self.send_header("Content-Length", str(len(data)))
        if packed:
            self.send_header("Content-Encoding", "gzip")
        # As on GitHub Pages. Without it instant navigation, which rewrites the addresses of the style sheets on
        # load, would fetch all of them a second time.
        self.send_header("Cache-Control", "max-age=600")
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture(scope="session")
def server(site):
    running = Server()
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()


class Browsers:
    """The browser of this process: one that runs, and an end to one that hangs."""

    def __init__(self, launch):
        self.launch, self.last = launch, None

    def running(self):
        if self.last is None or not self.last.is_connected():
            self.last = self.launch()
        return self.last

    def end(self) -> None:
        """Kill it. Playwright waits for a page's promise for ever, unless the page is gone."""
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if "chrom" in child.name():
                    child.kill()


@pytest.fixture(scope="session")
def browsers(site):
    api = pytest.importorskip("playwright.sync_api")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        missing("a Chromium", "sudo apt install chromium, or set CHROMIUM to the path of one")
    with api.sync_playwright() as playwright:
        all_of_them = Browsers(lambda: playwright.chromium.launch(executable_path=path, args=ARGUMENTS))
        yield all_of_them
        if all_of_them.last and all_of_them.last.is_connected():
            all_of_them.last.close()


@pytest.fixture
def alarm(browsers):
    """Ends a browser that stalls in a test; its own fixture, so that it is taken back whatever happens there."""
    timer = threading.Timer(STALLED, browsers.end)
    timer.start()
    yield
    timer.cancel()


class Visit:
    """One tab, and everything that went wrong in it."""

    def __init__(self, context, server):
        self.page, self.server, self.errors = context.new_page(), server, []
        self.page.on("console", lambda m: m.type == "error" and self.errors.append(m.text))
        self.page.on("pageerror", lambda e: self.errors.append(str(e)))
        self.page.on("requestfailed", lambda r: self.errors.append(f"{r.url}: {r.failure}"))
        self.page.on("request", self._own)

    def _own(self, request):
        if not request.url.startswith((self.base, "data:", "blob:")):
            self.errors.append(f"a request to another place: {request.url}")

    def open(self, path: str, width: int = 1350, scheme: str = "light"):
        self.show(width, scheme)
        self.server.sent.clear()
        self.base = self.server.host + self.server.home if path == "/404.html" else self.server.url
        # Not until the network is idle alone: on a machine that stood still it is so before the page's scripts ran.
        self.page.goto(self.base + path, wait_until="load")
        sent = None
        while sent != (sent := self.server.sent["requests"]):
            self.page.wait_for_timeout(500)
        return self.page

    def show(self, width: int, scheme: str) -> None:
        """Changes window and scheme; the page follows the system's scheme by itself."""
        self.page.set_viewport_size({"width": width, "height": 812})
        self.page.emulate_media(color_scheme=scheme)
        if self.page.url.startswith("http"):
            name = {"light": "default", "dark": "slate"}[scheme]
            # A busy browser may draw nothing for long, and a page hears of another scheme when it is drawn.
            for _ in range(3):
                if self._has(name):
                    return
                self.page.screenshot()  # draws
            raise AssertionError(f"the page does not follow the system's scheme, {scheme}")

    def _has(self, name: str) -> bool:
        """Whether the page takes on a scheme within fifteen seconds."""
        for _ in range(150):
            if self.page.evaluate("document.body.dataset.mdColorScheme") == name:
                return True
            self.page.wait_for_timeout(100)
        return False

    def faults(self) -> list[str]:
        """Errors of the console and the network, and refusals of the page's own policy."""
        return self.errors + self.page.evaluate("book.refused")


@pytest.fixture
def visit(alarm, browsers, server):
    # A context of its own has an empty cache; without motion nothing has to be waited for. The window has its size
    # from the start: a change that is drawn late would count as a layout that moves.
    context = browsers.running().new_context(
        viewport={"width": 1350, "height": 812},
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.add_init_script(WATCH)
    yield Visit(context, server)
    context.close()


@pytest.fixture(scope="session")
def axe(site) -> str:
    """The source of axe-core, to be evaluated in a page: a script tag would be refused by its policy."""
    package = ROOT / ".cache" / f"axe-core-{AXE_VERSION}.tgz"
    if not package.is_file():
        npm = shutil.which("npm")
        if npm is None:
            missing("npm, which fetches axe-core,", "sudo apt install npm")
        with tempfile.TemporaryDirectory() as folder:
            call = [npm, "pack", "--json", f"axe-core@{AXE_VERSION}"]
            done = subprocess.run(call, cwd=folder, capture_output=True, text=True, timeout=120)
            if done.returncode:
                missing(
                    "axe-core", f"npm pack axe-core@{AXE_VERSION} must work; it said: {done.stderr[-300:]}"
                )
            package.parent.mkdir(exist_ok=True)
            fetched = Path(folder, json.loads(done.stdout)[0]["filename"])
            # Copied, then renamed: another process may be doing the same.
            half = package.with_suffix(f".{os.getpid()}")
            shutil.copy(fetched, half)
            half.rename(package)
    assert hashlib.sha256(package.read_bytes()).hexdigest() == AXE_SHA256, f"{package} is not what was pinned"
    with tarfile.open(package) as archive:
        return archive.extractfile("package/axe.min.js").read().decode()
