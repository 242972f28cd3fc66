"""Labs: notebooks that mkdocs-jupyter runs and renders, under the binder's rules and in the book's own look.

What mkdocs-jupyter writes around a lab (595 kB of styles, scripts that ask other hosts for MathJax) is left out:
cells become the same HTML as the blocks of a chapter, so the site's one style sheet serves both.
"""

import json
import os
import posixpath
import re
import sys
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from bookbinder import cache, markdown, sandbox
from bookbinder.chapter import parse
from bookbinder.page import fault

KERNEL = "book"
_PIECES = ".jp-MarkdownOutput, .highlight-ipynb, .jp-OutputArea:has(.jp-OutputArea-output)"
_RULES = "from bookbinder import sandbox as _s; _s.enter(); del _s"


def prepare(options: dict) -> None:
    """Have mkdocs-jupyter run labs as chapters are run: this Python, that environment, kept by what shaped them.

    Args:
        options: The options of the plugin mkdocs-jupyter, which are changed.
    """
    made_by = f"{sys.executable} {version('mkdocs-jupyter')} {version('nbconvert')}"
    shaping = [Path(__file__), Path(__file__).with_name("nbconvert.json")]
    name = cache.digest(cache.surroundings(), made_by, *shaping)
    home, kept = cache.folder("jupyter").resolve(), cache.folder("labs").resolve() / name
    kept.mkdir(parents=True, exist_ok=True)
    os.utime(kept)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    argv += [f"--IPKernelApp.exec_lines={_RULES}", "--IPKernelApp.log_level=40"]
    # An inline figure has no alternative text, so the build refuses it; the binder's own backend would swallow it.
    env = sandbox.environment(home) | {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    spec = {"argv": argv, "env": env, "display_name": "The book's Python", "language": "python"}
    cache.put(home / "kernels" / KERNEL / "kernel.json", json.dumps(spec).encode())
    cache.put(home / "jupyter_nbconvert_config.json", shaping[1].read_bytes())
    os.environ |= {"JUPYTER_PATH": str(home), "JUPYTER_CONFIG_DIR": str(home)}  # not what a user has set up
    options.update(cache_dir=str(kept), kernel_name=KERNEL, execute=True, allow_errors=False)


def dress(content: str, lab, files, config) -> str:
    """A lab's content in the book's own HTML, with the buttons of a chapter below its title.

    Args:
        content: What mkdocs-jupyter rendered.
        lab: The lab as a file of MkDocs.
        files: All files of the site: links in a lab name these, as in chapters.
        config: MkDocs' configuration, which may know the repository.

    Returns:
        Headings, prose, code and outputs, without ids that change from build to build.

    Raises:
        PageError: a link leads nowhere, an output has a form that is not known, or a formula waits for a script.
    """
    from bs4 import BeautifulSoup  # what mkdocs-jupyter brings along; nothing else needs it

    file = f"{Path(config.docs_dir).name}/{lab.src_uri}"
    page, root = Path(lab.src_uri).with_suffix("").as_posix(), "../" * lab.url.count("/")
    repo = re.fullmatch(r"https://github\.com/([^/]+/[^/]+?)(?:\.git)?/?", config.repo_url or "")
    links = markdown.html.buttons(page, root, repo[1] if repo else "")
    header = f'</h1><div class="book-header" data-search-exclude>{links}</div>'
    parts = []
    for piece in BeautifulSoup(content, "html.parser").select(_PIECES):
        if "highlight-ipynb" in piece["class"]:
            code = piece.pre.decode_contents().removeprefix("<span></span>")
            code = f"<pre><span></span><code>{code}</code></pre>"
            parts.append(f'<div class="language-python highlight">{code}</div>')
        elif "jp-OutputArea" in piece["class"]:
            shown = [_output(out, file) for out in piece.select(".jp-OutputArea-output")]
            parts.append(markdown.html.outputs(shown, ""))
        else:
            parts.append(_prose(piece, file, lab, files))
    return "\n".join(parts).replace("</h1>", header, 1)


def _prose(piece, file: str, lab, files) -> str:
    if "$" in "".join(text for text in piece.strings if text.parent.name not in ("code", "pre")):
        raise fault("site.lab-formula", file, 1)
    for anchor in piece.select("a[href]"):
        if "anchor-link" in anchor.get("class", ()):
            anchor["class"], anchor["title"] = "headerlink", "Link to this section"
        elif not urlsplit(anchor["href"]).scheme and not anchor["href"].startswith("#"):
            path, hash_, section = anchor["href"].partition("#")
            there = files.get_file_from_path(posixpath.normpath(posixpath.join(lab.src_uri, "..", path)))
            if there is None:
                raise fault("site.lab-link", file, 1, target=anchor["href"])
            anchor["href"] = there.url_relative_to(lab) + hash_ + section
    return piece.decode_contents()


def _output(out, file: str) -> dict:
    """One output as a run of a chapter gives it."""
    mime, result = out.get("data-mime-type", ""), "jp-OutputArea-executeResult" in out["class"]
    if mime == "text/html":
        return {"kind": "html", "text": out.decode_contents()}
    kinds = {"text/plain": "result" if result else "stdout", "application/vnd.jupyter.stderr": "stderr"}
    if mime not in kinds or not out.pre:
        raise fault("site.lab-output", file, 1, what=mime or "what has no type")
    return {"kind": kinds[mime], "text": out.pre.get_text()}


def notebooks(docs: Path, site: Path, site_url: str) -> None:
    """Write every lab as a notebook to fill in, beside those of the chapters.

    Args:
        docs: Folder of the pages.
        site: The built site, with chainrule's wheel in dist/.
        site_url: Its address. Without it links become plain text.
    """
    for file in sorted((docs / "labs").glob("*.py")):
        import jupytext  # comes with mkdocs-jupyter; late: a build without labs needs no Jupyter

        from bookbinder import notebook

        cells = jupytext.read(file).cells
        texts = [c.source if c.cell_type == "markdown" else f"```python\n{c.source}\n```" for c in cells]
        lab = parse("\n\n".join(texts), f"labs/{file.stem}.md", front_matter=False)
        wheel = max((wheel.name for wheel in (site / "dist").glob("chainrule-*.whl")), default="")
        nb = notebook.export(lab, None, site_url=site_url, page_url=f"labs/{file.stem}/", wheel=wheel)
        notebook.write(nb, site / markdown.NOTEBOOKS / "labs" / f"{file.stem}.ipynb")
