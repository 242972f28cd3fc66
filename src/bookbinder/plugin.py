"""The MkDocs plugin: checks and runs what is stale before the build, fails it, and finishes what was built."""

import logging
import os
from pathlib import Path

from mkdocs.exceptions import PluginError
from mkdocs.plugins import BasePlugin

from bookbinder import binding, labs, postprocess, reader
from bookbinder.page import fault, set_page, show

log = logging.getLogger("mkdocs.plugins.bookbinder")


class BookbinderPlugin(BasePlugin):
    """Runs before files are collected, so that figures exist when links are checked."""

    serving = False

    def on_startup(self, *, command, dirty):
        """Remember whether this is `serve`, where a broken chapter must not end the server."""
        self.serving = command == "serve"

    def on_config(self, config):
        """Know the repository from the environment of CI where the configuration names none; set up the labs."""
        if lab := config.plugins.get("mkdocs-jupyter"):
            labs.prepare(lab.config)
        repo = os.environ.get("GITHUB_REPOSITORY", "")
        if repo and not config.repo_url:
            config.repo_url, config.repo_name = f"https://github.com/{repo}", repo
        return config

    def on_pre_build(self, *, config):
        """Check every page and run what is stale."""
        self.book = binding.bind(Path(config.docs_dir))
        faults = self.book.tell(log.error)
        if faults and not self.serving:
            raise PluginError(f"{faults} faults in the book: see above")

    def on_page_markdown(self, markdown, *, page, config, files):
        """Tell the Markdown extensions which page comes; under `serve` a page with faults shows these instead."""
        file = Path(page.file.abs_src_path)
        set_page(file, file.read_text(encoding="utf-8"))
        faults = [fault for fault in self.book.faults if Path(fault.file).resolve() == file]
        if faults:
            set_page(None)
            return "\n".join(["# This page has faults", "", "```text", *map(str, faults), "```"])

    def on_page_content(self, html, *, page, config, files):
        """The page is done; what is converted next is not this page. A lab is converted as chapters are."""
        if page.file.src_uri.endswith(".py"):
            self.book.results.append(labs.render(page, config, files))
            html = page.content
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
        """Put the notebooks and the wheel of chainrule beside the pages."""
        site = Path(config.site_dir)
        binding.extras(self.book, site, config.site_url or "")
        reader.bundle(site)
