"""Built HTML → HTML that everyone can use and nothing foreign can touch.

Mends what the theme leaves open for people who don't use a mouse or don't see the screen, turns inline
styles into classes, checks the images, and writes a Content-Security-Policy without `unsafe-inline` into each
page. It works on what any generator has built: the MkDocs plugin calls `process` for each page, the shell
calls `process_site` after Zensical. Processing a page twice changes nothing.
"""

import base64
import hashlib
import html as entities
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bookbinder.page import SITE, PageError, fault

POLICY, STYLES = SITE["policy"], SITE["styles"]

_VALUE = r"""(?:"[^"]*"|'[^']*'|[^\s"'=<>`]+)"""
_ATTRIBUTE = re.compile(rf"""([^\s"'<>/=]+)(?:\s*=\s*({_VALUE}))?""")
_TOKEN = re.compile(
    rf"""<!--.*?-->
    | <(?P<raw>script|style)\b(?P<given>[^>]*)>(?P<body>.*?)</(?P=raw)>
    | <(?P<tag>(?i:img)\b|[a-zA-Z][\w-]*(?=\s[^>]*(?:style|md-search|component="source")))  # what may change
      (?P<attributes>(?:\s+[^\s"'<>/=]+(?:\s*=\s*{_VALUE})?)*)\s*(?P<end>/?)>""",
    re.DOTALL | re.VERBOSE,
)
_HEAD = re.compile(r'<head>(?:\s*<meta charset="?utf-8"?>)?', re.IGNORECASE)
_PLAIN = re.compile(r'<span class="(?:[nopw]|sa)">([^<]*)</span>')
_STRING = re.compile(r'(?:<span class="s[12i]">[^<]*</span>){2,}')  # of one colour: a string and its brackets
# What no search should find: code, signatures, the hints and solutions of exercises, and lists of sources, which stand
# in the bibliography.
_UNSOUGHT = re.compile(
    r'<(div|details|h2) (?=(?:id="sources"|class="(?:language-(?:py|python|markdown) (?:doc-signature )?highlight'
    r'|mkdocstrings-source|tip|success)")[ >])'
)
# A function is found by its name and the first paragraph of its docstring.
_FURTHER = re.compile(
    r'(<div class="doc doc-contents[^>]*>\s*(?:<p class="doc doc-class-bases">.*?</p>\s*)?<p>.*?</p>)'
    r'(.*?)(?=<details|<div class="doc |<h\d)',
    re.DOTALL,
)
# A method is headed by its own name alone, and a page of layers has eleven that are called forward.
_METHOD = re.compile(
    r'(<h\d id="[\w.]+\.([A-Z]\w*)\.\w+" class="doc doc-heading">\s*<span class="doc doc-object-name [^>]*>)(?=\w+<)'
)
_HEADERLINK = re.compile(r'<a (?=[^>]*class="headerlink")(?![^>]*aria-label)([^>]*?title="([^"]*)")')
META = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')


def plain(html: str) -> str:
    """The HTML with what no search should find marked so, and without marks that show no colour, half of code's."""
    html = _STRING.sub(lambda parts: f'<span class="s2">{re.sub("<[^>]*>", "", parts[0])}</span>', html)
    html = _METHOD.sub(r"\1\2.", html)
    html = _FURTHER.sub(lambda m: m[1] + re.sub("<(p|ul|ol)>", r"<\1 data-search-exclude>", m[2]), html)
    return _UNSOUGHT.sub(r"<\1 data-search-exclude ", _PLAIN.sub(r"\1", html))


def process(html: str, url: str, live: bool = False) -> str:
    """The page with its accessibility mended and its Content-Security-Policy in place.

    Args:
        html: a whole built page.
        url: the page's name in error messages, such as `learning/descent/index.html`.
        live: whether a server for authors will add a script that loads a changed page again, new with each request.

    Returns:
        The page. Given a page that was processed before, the same page.

    Raises:
        PageError: an image has no alternative text or no size, or a style attribute has no class in `STYLES`.
    """
    html = plain(META.sub("", html))
    html = _HEADERLINK.sub(r'<a aria-label="\2" \1', html)  # else it is named as its sign is
    hashes: dict[str, set[str]] = {"script": set(), "style": set()}

    def mend(match: re.Match) -> str:
        if match["raw"] and not re.search(r"\ssrc=|json", match["given"]):
            digest = base64.b64encode(hashlib.sha256(match["body"].encode()).digest()).decode()
            hashes[match["raw"]].add(f"'sha256-{digest}'")  # allows exactly this script or style
        if match["tag"]:
            pairs = _ATTRIBUTE.findall(match["attributes"])
            given = {name: entities.unescape(value.strip("\"'")) if value else None for name, value in pairs}
            refuse = partial(fault, file=url, line=html.count("\n", 0, match.start()) + 1)
            new = _mend_tag(match["tag"].lower(), dict(given), refuse)
            return match[0] if new == given else _written(match["tag"], new, match["end"])
        return match[0]

    html = _TOKEN.sub(mend, html).replace("<th></th>", "<td></td>")  # a corner that heads nothing
    hashes["script"] = {"'unsafe-inline'"} if live else hashes["script"]
    sources = {name: sorted(hashes.get(name.removesuffix("-src"), ())) for name in POLICY}
    policy = "; ".join(" ".join([name, POLICY[name], *sources[name]]) for name in POLICY)
    # Early in the head, for a policy does not hold for what stands above it; but a browser looks for the
    # character set in the first 1,024 bytes only.
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    return _HEAD.sub(lambda head: head[0] + meta, html, count=1)


def _written(tag: str, attributes: dict[str, str | None], end: str) -> str:
    parts = [n if v is None else f'{n}="{entities.escape(v)}"' for n, v in attributes.items()]
    return f"<{' '.join([tag, *parts])}{' /' if end else ''}>"


def _mend_tag(tag: str, at: dict[str, str | None], refuse: Callable[..., PageError]) -> dict[str, str | None]:
    """The attributes that the tag should have."""
    classes = (at.get("class") or "").split()
    for style in filter(None, map(str.strip, (at.pop("style", None) or "").split(";"))):
        key = re.sub(r"\s*:\s*", ":", style)
        if key not in STYLES:
            raise refuse("site.style", style=style)
        classes.append(STYLES[key])
        at["class"] = " ".join(classes)
    if tag == "img" and (at.get("src") or "").endswith("assets/logo.svg"):
        at.update({"width": "24", "height": "24"})
    missing = [name for name in ("alt", "width", "height") if tag == "img" and not at.get(name)]
    if missing:
        raise refuse("site.image", image=at.get("src"), missing=", no ".join(missing))
    if "md-search" in classes and at.get("role") == "dialog":
        at["aria-label"] = "Search"
    if at.get("data-md-component") == "source":
        del at["data-md-component"]  # else the theme asks the repository's host for its number of stars
    return at


def process_site(folder: Path) -> tuple[int, list[PageError]]:
    """The number of pages in a built site, each of them processed in place, and what is wrong with them.

    Args:
        folder: the built site.
    """
    pages, faults = sorted(Path(folder).rglob("*.html")), []
    for page in pages:
        old = page.read_text(encoding="utf-8")
        try:
            page.write_text(process(old, page.relative_to(folder).as_posix()), encoding="utf-8")
        except PageError as error:
            faults.append(error)
    return len(pages), faults
