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
from urllib.parse import urljoin, urlsplit

from bookbinder import cache, markdown, sandbox
from bookbinder.page import PageError

KERNEL = "book"
TIMEOUT = 120  # seconds a cell
_PAGE_LINK = re.compile(r"\[([^\]]+)\]\(([^)\s:#]+?)(?:/index)?\.md(#[^)]*)?\)")
_RULES = "from bookbinder import sandbox as _s; _s.enter(); del _s"


def prepare(options: dict, execute: bool) -> None:
    """Have mkdocs-jupyter run labs as chapters are run: this Python, that environment, kept by what shaped them.

    Args:
        options: The options of the plugin mkdocs-jupyter, which are changed.
        execute: Whether to run at all.
    """
    made_by = f"{sys.executable} {version('mkdocs-jupyter')} {version('nbconvert')}"
    name = cache.digest(cache.surroundings(), made_by, Path(__file__))
    home = (cache.folder().parent / "mkdocs-jupyter").resolve()
    (home / name).mkdir(parents=True, exist_ok=True)
    os.utime(home / name)
    cache.evict_labs(home)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    argv += [f"--IPKernelApp.exec_lines={_RULES}", "--IPKernelApp.log_level=40"]
    # An inline figure has no alternative text, so the build refuses it; the binder's own backend would swallow it.
    env = sandbox.environment(home) | {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    spec = {"argv": argv, "env": env, "display_name": "The book's Python", "language": "python"}
    cache.put(home / "kernels" / KERNEL / "kernel.json", json.dumps(spec).encode())
    limits = {"NotebookClient": {"timeout": TIMEOUT}}
    cache.put(home / "jupyter_nbconvert_config.json", json.dumps(limits).encode())
    os.environ |= {"JUPYTER_PATH": str(home), "JUPYTER_CONFIG_DIR": str(home)}  # not what a user has set up
    options.update(cache_dir=str(home / name), kernel_name=KERNEL, execute=execute, allow_errors=False)


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
    parts = []
    for piece in BeautifulSoup(content, "html.parser").select(
        ".jp-MarkdownOutput, .highlight-ipynb, .jp-OutputArea:has(.jp-OutputArea-output)"
    ):
        names = piece["class"]
        if "highlight-ipynb" in names:
            code = piece.pre.decode_contents().removeprefix("<span></span>")
            code = f"<pre><span></span><code>{code}</code></pre>"
            parts.append(f'<div class="language-python highlight">{code}</div>')
        elif "jp-OutputArea" in names:
            inside = "".join(_output(out, file) for out in piece.select(".jp-OutputArea-output"))
            parts.append(f'<div class="book-output" data-search-exclude>{inside}</div>')
        else:
            parts.append(_prose(piece, file, lab, files))
    return "\n".join(parts).replace("</h1>", f"</h1>{_buttons(lab, config)}", 1)


def _buttons(lab, config) -> str:
    page, root = Path(lab.src_uri).with_suffix("").as_posix(), "../" * lab.url.count("/")
    repo = re.fullmatch(r"https://github\.com/([^/]+/[^/]+?)(?:\.git)?/?", config.repo_url or "")
    links = markdown.buttons(page, root, repo[1] if repo else "")
    return f'<div class="book-header" data-search-exclude>{links}</div>'


def _prose(piece, file: str, lab, files) -> str:
    if "$" in "".join(text for text in piece.strings if text.parent.name not in ("code", "pre")):
        advice = "write it in words or as code: no script runs"
        raise PageError(file, 1, "a lab has a formula in dollars", advice)
    for anchor in piece.select("a[href]"):
        if "anchor-link" in anchor.get("class", ()):
            anchor["class"], anchor["title"] = "headerlink", "Link to this section"
        elif not urlsplit(anchor["href"]).scheme and not anchor["href"].startswith("#"):
            path, hash_, section = anchor["href"].partition("#")
            there = files.get_file_from_path(posixpath.normpath(posixpath.join(lab.src_uri, "..", path)))
            if there is None:
                message = f"the link {anchor['href']} leads nowhere"
                raise PageError(file, 1, message, "name a page relative to the lab")
            anchor["href"] = there.url_relative_to(lab) + hash_ + section
    return piece.decode_contents()


def _output(out, file: str) -> str:
    """One output in a box of its own, as chapters have it."""
    mime, result = out.get("data-mime-type", ""), "jp-OutputArea-executeResult" in out["class"]
    if mime == "text/html":
        return markdown.box("html", out.decode_contents())
    kinds = {"text/plain": "result" if result else "stdout", "application/vnd.jupyter.stderr": "stderr"}
    if mime not in kinds or not out.pre:
        raise PageError(file, 1, f"a cell puts out {mime or 'what has no type'}", "put out text or a table")
    return markdown.box(kinds[mime], out.pre.get_text())


def notebooks(docs: Path, site: Path, site_url: str) -> None:
    """Write every lab as a notebook to fill in, beside those of the chapters.

    Args:
        docs: Folder of the pages.
        site: The built site, with chainrule's wheel in dist/.
        site_url: Its address. Without it links become plain text.
    """
    labs = sorted((docs / "labs").glob("*.py"))
    if not labs:
        return
    import jupytext  # comes with mkdocs-jupyter; late: a build without labs needs no Jupyter

    from bookbinder import notebook

    home = site_url and site_url.rstrip("/") + "/"
    wheel = max((file.name for file in (site / "dist").glob("chainrule-*.whl")), default="")
    for file in labs:
        nb = jupytext.read(file)
        nb.metadata.pop("jupytext", None)
        for number, cell in enumerate(nb.cells):
            cell.id = f"cell-{number}"
            if cell.cell_type == "markdown":
                whole = lambda m: f"[{m[1]}]({urljoin(f'{home}labs/', m[2])}/{m[3] or ''})" if home else m[1]
                cell.source = _PAGE_LINK.sub(whole, cell.source)
        nb.cells[1:1] = notebook.setup_cells([cell.source for cell in nb.cells], home, wheel)
        notebook.write(nb, site / markdown.NOTEBOOKS / "labs" / f"{file.stem}.ipynb")
