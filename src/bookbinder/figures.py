"""Figures of a chapter: matplotlib's backend inside the kernel, and each figure as files in two inks.

As a backend it publishes every open figure at the end of a block. A figure is drawn once; the dark version swaps
ink and paper. What would weigh more than `MAX_BYTES` gzipped is rasterised inside, or else becomes WebP; a figure that
weighs more even then says so.
"""

import base64
import gzip
import html
import io
import re

MIME = "application/x-book-figure+json"
MAX_BYTES = 20_000
# Light → dark: ink, pure black and white (as an author may write them), the grey of grids and frames.
DARK = {"#222222": "#e4e7ec", "#000000": "#e4e7ec", "#ffffff": "#1f222b", "#8a8f98": "#8b919c"}
_ARTISTS = ("lines", "collections", "patches", "images")


def _titles(figure) -> tuple[str, str]:
    """Alternative text and description of a figure, from its own words."""
    axes = figure.axes
    titles = [figure.get_suptitle(), *(ax.get_title() or ax.get_title(loc="left") for ax in axes)]
    alt = "; ".join(dict.fromkeys(_plain(title) for title in titles if title))
    said = []
    for ax in axes:
        labels = {"x": ax.get_xlabel(), "y": ax.get_ylabel()}
        said += [f"{name} axis: {_plain(label)}" for name, label in labels.items() if label]
        if shown := ", ".join(map(_plain, ax.get_legend_handles_labels()[1])):
            said.append(f"shown: {shown}")
    return alt or _plain(figure.get_label() or ""), ". ".join(dict.fromkeys(said))


def _plain(text: str) -> str:
    """Words of a label without mathtext's marks, as a screen reader should say them."""
    text = re.sub(r"\\(mathrm|mathbf|mathit|text|operatorname|boldsymbol)\b", "", text)
    return re.sub(r"\s+", " ", re.sub(r"[${}\\]", "", text)).strip()


def _svg(figure, alt: str, desc: str, dpi: int) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", dpi=dpi, metadata={"Date": None, "Creator": None})
    text = re.sub(r"(<metadata>.*?</metadata>|<!DOCTYPE.*?>)\s*", "", out.getvalue(), flags=re.S)
    words = f"<title>{html.escape(alt)}</title><desc>{html.escape(desc)}</desc>"
    # matplotlib leaves pure black fills unsaid; saying it once on the root lets the dark version swap it.
    text = re.sub(r"(<svg\b[^>]*)>", rf'\1 fill="#000000" role="img">{words}', text, count=1)
    text = re.sub(r' d="([^"]*)"', lambda m: f' d="{_short(m[1])}"', text)
    return re.sub(r"(?<=data:image/)png;base64,([^\"]+)", _lighter, text)


def _lighter(png: re.Match) -> str:
    """A raster inside an SVG as WebP: a third of PNG's bytes."""
    from PIL import Image

    return "webp;base64," + _base64_webp(Image.open(io.BytesIO(base64.b64decode(png[1]))), 80)


def _base64_webp(image, quality: int) -> str:
    out = io.BytesIO()
    image.save(out, format="WEBP", quality=quality, method=4)
    return base64.b64encode(out.getvalue()).decode()


def _short(path: str) -> str:
    """Path with two decimals: a hundredth of a pixel is not seen, and half of the bytes are digits."""
    rounded = re.sub(r"-?\d+\.\d+", lambda m: f"{float(m[0]):.2f}".rstrip("0").rstrip("."), path)
    return re.sub(r"\s+", " ", rounded).strip()


def _webp(figure, dark: bool) -> str:
    """Figure as base64 WebP, as light as the eye bears; the dark version turns its greys around, not its colours."""
    import numpy as np
    from PIL import Image

    for dpi, quality in ((144, 85), (144, 60), (96, 60), (96, 30), (72, 20)):
        raw = io.BytesIO()
        figure.savefig(raw, format="png", dpi=dpi)
        pixels = np.array(Image.open(raw).convert("RGBA"))
        if dark:
            rgb = pixels[..., :3].astype(int)
            grey = rgb.max(-1) - rgb.min(-1) < 12
            pixels[..., :3] = np.where(grey[..., None], 255 - (255 - 31) * rgb // 255, rgb)
        text = _base64_webp(Image.fromarray(pixels), quality)
        if len(text) * 3 // 4 <= MAX_BYTES:
            break
    return text


def draw(figure) -> dict:
    """Both inks of a figure with what the page says about it.

    Args:
        figure: A matplotlib Figure.

    Returns:
        `format` ("svg" or "webp"), `light` and `dark` (SVG text, or base64), `alt`, `desc`, `width`, `height`
        in CSS pixels; `bytes` of the heavier ink if it weighs more than `MAX_BYTES`.
    """
    alt, desc = _titles(figure)
    width, height = (round(96 * size) for size in figure.get_size_inches())
    about = {"alt": alt, "desc": desc, "width": width, "height": height}
    light = _svg(figure, alt, desc, 100)
    for dpi in (150, 100, 72):
        if _fits(light):
            break
        for ax in figure.axes:
            for artist in (artist for kind in _ARTISTS for artist in getattr(ax, kind)):
                artist.set_rasterized(True)
        light = _svg(figure, alt, desc, dpi)
    if not _fits(light):
        light, dark = _webp(figure, False), _webp(figure, True)
        weight = max(len(light), len(dark)) * 3 // 4
        over = {"bytes": weight} if weight > MAX_BYTES else {}
        return {**about, "format": "webp", "light": light, "dark": dark, **over}
    dark = re.sub("|".join(DARK), lambda m: DARK[m[0]], light)
    return {**about, "format": "svg", "light": light, "dark": dark}


def _fits(text: str) -> bool:
    return len(gzip.compress(text.encode())) <= MAX_BYTES


def show(*args, **kwargs) -> None:
    """Publish every open figure and close it."""
    import sys

    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None:
        return
    from IPython import display, get_ipython

    for number in pyplot.get_fignums():
        if get_ipython() is not None:  # in a plain script (the tests) there is nobody to show it to
            display.publish_display_data({MIME: draw(pyplot.figure(number))})
    pyplot.close("all")
