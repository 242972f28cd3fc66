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
import sys
from collections.abc import Callable
from pathlib import Path

from bookbinder.page import PageError

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",  # data: for the icons that the theme draws as masks
    "font-src": "'self'",
    "connect-src": "'self'",
    "worker-src": "'self'",
    "manifest-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "object-src": "'none'",
}
# What Python-Markdown writes as a style attribute, which the policy forbids, and its class in book.css.
STYLES = {f"text-align:{side}": f"st-{side}" for side in ("left", "center", "right")}
BOXES = {"book-stdout": "Output", "book-warning": "Warning", "book-error": "Error", "book-html": "Output"}

_VALUE = r"""(?:"[^"]*"|'[^']*'|[^\s"'=<>`]+)"""
_ATTRIBUTE = re.compile(rf"""([^\s"'<>/=]+)(?:\s*=\s*({_VALUE}))?""")
_TOKEN = re.compile(
    rf"""<!--.*?-->
    | <(?P<raw>script|style)\b(?P<raw_attributes>[^>]*)>(?P<body>.*?)</(?P=raw)>
    | <(?P<tag>[a-zA-Z][\w-]*)(?P<attributes>(?:\s+[^\s"'<>/=]+(?:\s*=\s*{_VALUE})?)*)\s*(?P<end>/?)>""",
    re.DOTALL | re.VERBOSE,
)
_HEAD = re.compile(r'<head>(?:\s*<meta charset="?utf-8"?>)?', re.IGNORECASE)
# Names, operators, punctuation and blanks in code stay in its text colour: else they are half of a chapter's elements.
_PLAIN = re.compile(r'<span class="[nopw]">([^<]*)</span>')
_META = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')


def source_hash(text: str) -> str:
    """The source expression that lets a policy allow exactly this inline script or style."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def process(html: str, url: str) -> str:
    """The page with its accessibility mended and its Content-Security-Policy in place.

    Args:
        html: a whole built page.
        url: the page's name in error messages, such as `learning/descent/index.html`.

    Returns:
        The page. Given a page that was processed before, the same page.

    Raises:
        PageError: an image has no alternative text or no size, or a style attribute has no class in `STYLES`.
    """
    html = _PLAIN.sub(r"\1", _META.sub("", html))
    hashes: dict[str, set[str]] = {"script": set(), "style": set()}

    def mend(match: re.Match) -> str:
        if match["raw"]:
            given = _attributes(match["raw_attributes"])
            if "src" not in given and "json" not in (given.get("type") or ""):
                hashes[match["raw"]].add(source_hash(match["body"]))
        elif match["tag"]:
            line = lambda: html.count("\n", 0, match.start()) + 1  # counted only when something is wrong
            error = lambda message, advice: PageError(url, line(), message, advice)
            given = _attributes(match["attributes"])
            new = _mend_tag(match["tag"].lower(), dict(given), error)
            return match[0] if new == given else _written(match["tag"], new, match["end"])
        return match[0]

    html = _TOKEN.sub(mend, html).replace("<th></th>", "<td></td>")  # a corner that heads nothing
    policy = "; ".join(
        " ".join([name, value, *sorted(hashes.get(name.removesuffix("-src"), ()))])
        for name, value in POLICY.items()
    )
    # Early in the head, for a policy does not hold for what stands above it; but a browser looks for the
    # character set in the first 1,024 bytes only.
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    return _HEAD.sub(lambda head: head[0] + meta, html, count=1)


def _attributes(text: str) -> dict[str, str | None]:
    pairs = _ATTRIBUTE.findall(text)
    return {name: entities.unescape(value.strip("\"'")) if value else None for name, value in pairs}


def _written(tag: str, attributes: dict[str, str | None], end: str) -> str:
    parts = [n if v is None else f'{n}="{entities.escape(v)}"' for n, v in attributes.items()]
    return f"<{' '.join([tag, *parts])}{' /' if end else ''}>"


def _mend_tag(tag: str, at: dict[str, str | None], error: Callable[..., PageError]) -> dict[str, str | None]:
    """The attributes that the tag should have."""
    classes = (at.get("class") or "").split()
    if "style" in at:
        classes += _style_classes(at.pop("style") or "", error)
        at["class"] = " ".join(classes)
    if tag == "img":
        _check_image(at, classes, error)
    if "md-search" in classes and at.get("role") == "dialog":
        at["aria-label"] = "Search"
    if tag == "input" and at.get("type") == "checkbox" and "disabled" in at:
        at.setdefault("aria-label", "Task")
    if at.get("data-md-component") == "source":
        del at["data-md-component"]  # else the theme asks the repository's host for its number of stars
    for name in BOXES.keys() & set(classes):
        at.update({"tabindex": "0", "role": "group", "aria-label": BOXES[name]})
    if tag == "div" and "arithmatex" in classes:
        at.update({"role": "group", "aria-label": "Equation"})
    return at


def _style_classes(style: str, error: Callable[..., PageError]) -> list[str]:
    found = []
    for declaration in filter(None, map(str.strip, style.split(";"))):
        key = re.sub(r"\s*:\s*", ":", declaration)
        if key not in STYLES:
            advice = "Inline styles are forbidden: use a class with a rule in docs/assets/css/book.css."
            raise error(f'style="{declaration}" would have no effect.', advice)
        found.append(STYLES[key])
    return found


def _check_image(at: dict[str, str | None], classes: list[str], error: Callable[..., PageError]) -> None:
    if (at.get("src") or "").endswith("assets/logo.svg"):
        at.update({"width": "24", "height": "24"})
    missing = [name for name in ("alt", "width", "height") if not at.get(name)]
    if missing:
        advice = "Write ![what it shows](file){ width=… height=… }; a figure's alt text is its title."
        raise error(f"image {at.get('src')} has no {', no '.join(missing)}.", advice)


def process_site(folder: Path) -> int:
    """The number of pages in a built site, each of them processed in place.

    Args:
        folder: the built site.

    Raises:
        ExceptionGroup: of a PageError per faulty page; the others are processed.
    """
    pages, faults = sorted(Path(folder).rglob("*.html")), []
    for page in pages:
        old = page.read_text(encoding="utf-8")
        try:
            new = process(old, page.relative_to(folder).as_posix())
        except PageError as fault:
            faults.append(fault)
        else:
            if new != old:
                page.write_text(new, encoding="utf-8")
    if faults:
        raise ExceptionGroup(f"{len(faults)} of {len(pages)} pages cannot be published", faults)
    return len(pages)


def main(argv: list[str] | None = None) -> int:
    """The exit status of `python -m bookbinder postprocess [site]`.

    Args:
        argv: the arguments after `postprocess`.
    """
    folder = Path(*(argv or ["site"]))
    try:
        pages = process_site(folder)
    except ExceptionGroup as group:
        print(*group.exceptions, sep="\n", file=sys.stderr)
        return 1
    said = f"{pages} pages ready" if pages else "no page; build the site first (make site)"
    print(f"{folder}: {said}")
    return 0 if pages else 1
