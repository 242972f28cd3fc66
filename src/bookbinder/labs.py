"""Labs: notebooks that mkdocs-jupyter runs under the rules of chapters, and that are shown as chapters are.

What mkdocs-jupyter writes around a lab (595 kB of styles, scripts that ask other hosts for MathJax) is left out: its
page carries what the cells put out, and the lab's own text, read as a chapter, is converted with that.
"""

import html
import json
import os
import re
import sys
from importlib.metadata import version
from pathlib import Path

from bookbinder import cache, frames, markdown, runner, sandbox
from bookbinder.chapter import load

KERNEL = "book"
_RULES = "from bookbinder import sandbox as _s; _s.enter_kernel(); del _s"


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
    spec = {
        "argv": argv,
        "env": sandbox.environment(home),
        "display_name": "The book's Python",
        "language": "python",
    }
    cache.put(home / "kernels" / KERNEL / "kernel.json", json.dumps(spec).encode())
    cache.put(home / "jupyter_nbconvert_config.json", shaping[1].read_bytes())
    os.environ |= {"JUPYTER_PATH": str(home), "JUPYTER_CONFIG_DIR": str(home)}  # not what a user has set up
    options.update(cache_dir=str(kept), kernel_name=KERNEL, execute=True, allow_errors=False)


def only_outputs(nb, resources):
    """A notebook of one text, all that the cells of `nb` have put out: the last step before nbconvert writes HTML."""
    from nbformat import v4  # late: a site without labs needs no Jupyter

    text = json.dumps([cell.outputs for cell in nb.cells if cell.cell_type == "code"])
    shown = v4.new_output("display_data", {"text/plain": text})
    nb.cells = [v4.new_code_cell(outputs=[shown])]
    return nb, resources


def render(page, config, files) -> runner.Result:
    """Convert a lab as a chapter is converted; its figures lie in the site then.

    Args:
        page: The lab as a page of MkDocs, rendered by mkdocs-jupyter: gets another content and table of contents.
        config: MkDocs' configuration.
        files: All files of the site.

    Returns:
        The lab with what its cells put out, as a run of a chapter gives it.

    Raises:
        PageError: a figure has no title, or an output holds a memory address.
    """
    from nbformat import NotebookNode

    result = runner.Result(load(Path(page.file.abs_src_path)), {"blocks": []})
    text = html.unescape(re.search(r"<pre>(\[.*\])\s*</pre>", page.content, re.S)[1])
    for at, cell in enumerate(json.loads(text, object_hook=NotebookNode)):
        shown, problem = runner.shown_of(cell)
        result.data["blocks"].append({"state": "run", "outputs": shown})
        problem = problem or frames.problem(result.chapter, result.data["blocks"], at)
        if problem:
            result.fail(at, problem[0], **problem[1])
            raise result.failures[0]
    result.data["figures"] = runner.figures_of(result.data["blocks"])
    markdown.publish(result.data, Path(config.site_dir))
    runner.latest[result.chapter.path] = result
    page.markdown = result.chapter.text
    type(page).render(page, config, files)  # MkDocs' own: the page has been given one by mkdocs-jupyter
    return result
