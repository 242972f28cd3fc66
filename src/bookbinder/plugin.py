"""The MkDocs plugin: checks and runs what is stale before the build, fails it, and finishes what was built."""

import logging
import os
from pathlib import Path

from mkdocs.exceptions import PluginError
from mkdocs.plugins import BasePlugin
from mkdocs.structure.files import File

from bookbinder import addresses, binding, course, postprocess, reader, runtime
from bookbinder.chapter import LABS, load
from bookbinder.markdown import titles
from bookbinder.page import SITE, fault, front_matter_lines, set_page, show

log = logging.getLogger("mkdocs.plugins.bookbinder")


def _search(file: File) -> dict:
    """What the theme's search is told of a page: how much it counts, or that it is left out, as one without a nav."""
    rows = SITE["search"]
    boost = rows[max((row for row in rows if file.src_uri.startswith(row)), key=len)]
    return {"boost": boost} if boost and not file.inclusion.is_not_in_nav() else {"exclude": True}


class LabFile(File):
    """A lab as a file that MkDocs makes a page of."""

    def is_documentation_page(self) -> bool:
        """Whether it is a page: always."""
        return True


class BookbinderPlugin(BasePlugin):
    """Runs before files are collected, so that figures exist when links are checked."""

    serving = False

    def on_startup(self, *, command, dirty):
        """Remember whether this is `serve`, where a broken chapter must not end the server."""
        self.serving = command == "serve"

    def on_config(self, config):
        """Know the repository from the environment of CI where the configuration names none."""
        repo = os.environ.get("GITHUB_REPOSITORY", "")
        if repo and not config.repo_url:
            config.repo_url, config.repo_name = f"https://github.com/{repo}", repo
        return config

    def on_serve(self, server, *, config, builder):
        """Build again when the list of chapters changes."""
        file = Path(config.docs_dir).parent / course.FILE
        if file.is_file():
            server.watch(str(file))
        return server

    def on_pre_build(self, *, config):
        """Check every page and run what is stale."""
        self.book = binding.bind(Path(config.docs_dir))
        faults = self.book.tell(log.error)
        if faults and not self.serving:
            raise PluginError(f"{faults} faults in the book: see above")

    def on_files(self, files, *, config):
        """Make a page of each lab, also where no plugin for notebooks does."""
        for file in [file for file in files if file.src_uri.endswith(".py")]:
            if Path(file.src_uri).parent.name == LABS and not file.is_documentation_page():
                files.remove(file)
                files.append(LabFile(file.src_uri, file.src_dir, config.site_dir, config.use_directory_urls))
        return files

    def on_pre_page(self, page, *, config, files):
        """Have a lab rendered as chapters are, whatever a plugin for notebooks has put in the place of that."""
        if page.file.src_uri.endswith(".py"):
            vars(page).pop("render", None)
        return page

    def on_page_markdown(self, markdown, *, page, config, files):
        """Tell the Markdown extensions which page comes; under `serve` a page with faults shows these instead."""
        file = Path(page.file.abs_src_path)
        chapter = load(file)
        set_page(file, chapter.text)
        if file.suffix == ".py":
            page.meta = dict(chapter.meta)
            markdown = "\n".join(chapter.text.split("\n")[front_matter_lines(chapter.text) :])
        page.meta.update(titles(chapter, Path(config.docs_dir)))
        page.meta.setdefault("search", _search(page.file))
        faults = [fault for fault in self.book.faults if Path(fault.file).resolve() == file]
        if faults:
            set_page(None)
            return "\n".join(["# This page has faults", "", "```text", *map(str, faults), "```"])
        return markdown

    def on_page_content(self, html, *, page, config, files):
        """The page is done; what is converted next is not this page."""
        set_page(None)
        if "<script" in html.lower():  # the policy of the page would allow what stands on it
            raise PluginError(str(fault("page.html", show(Path(page.file.abs_src_path)), 1, seen="<script")))
        return postprocess.plain(html)

    def on_post_page(self, output, *, page, config):
        """Finish a page's HTML."""
        return postprocess.process(output, page.url)

    def on_post_template(self, output, *, template_name, config):
        """Finish a template's HTML, such as 404.html."""
        return postprocess.process(output, template_name) if template_name.endswith(".html") else output

    def on_post_build(self, *, config):
        """Put the notebooks, the wheel of chainrule and Python for the browser beside the pages."""
        site = Path(config.site_dir)
        binding.extras(self.book, site, config.site_url or "")
        reader.bundle(site)
        runtime.write(site)
        addresses.write(Path(config.docs_dir), site, config.site_url or "")
