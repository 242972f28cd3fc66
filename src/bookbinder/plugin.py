"""The MkDocs plugin: checks and runs what is stale before the build, fails it, and finishes what was built."""

import logging
import os
from dataclasses import replace
from pathlib import Path

from mkdocs.exceptions import PluginError
from mkdocs.plugins import BasePlugin
from mkdocs.structure.files import File
from mkdocs.utils import clean_directory

from bookbinder import addresses, binding, course, postprocess, reader, runtime
from bookbinder.chapter import LABS, load
from bookbinder.check import pages
from bookbinder.markdown import titles
from bookbinder.page import SITE, fault, front_matter_lines, set_page, show
from bookbinder.serve import Kept, quiet

log = logging.getLogger("mkdocs.plugins.bookbinder")


def _search(file: File) -> dict:
    """What the theme's search is told of a page: how much it counts, or that it is left out, as one without a nav."""
    rows = SITE["search"]
    boost = rows[max((row for row in rows if file.src_uri.startswith(row)), key=len)]
    return {"boost": boost} if boost and not file.inclusion.is_not_in_nav() else {"exclude": True}


def _path(file: File) -> str:
    """A page as faults name it."""
    return load(Path(file.abs_src_path)).path


class LabFile(File):
    """A lab as a file that MkDocs makes a page of."""

    def is_documentation_page(self) -> bool:
        """Whether it is a page: always."""
        return True


class BookbinderPlugin(BasePlugin):
    """Runs before files are collected, so that figures exist when links are checked."""

    serving = False
    kept: Kept | None = None  # from one build to the next, where only what changed is built

    def on_startup(self, *, command, dirty):
        """Remember whether this is `serve`, where a broken chapter must not end the server."""
        self.serving = command == "serve"
        self.kept = Kept() if self.serving and dirty else None
        if self.kept:
            logging.getLogger("mkdocs.commands.build").addFilter(quiet)

    def on_config(self, config):
        """Know the repository from the environment of CI where the configuration names none."""
        repo = os.environ.get("GITHUB_REPOSITORY", "")
        if repo and not config.repo_url:
            config.repo_url, config.repo_name = f"https://github.com/{repo}", repo
        return config

    def on_serve(self, server, *, config, builder):
        """Build again when the list of chapters changes, or a template."""
        templates = [Path(config.theme.custom_dir)] if config.theme.custom_dir else []
        for watched in [Path(config.docs_dir).parent / course.FILE, *templates]:
            if watched.exists():
                server.watch(str(watched))
        return server

    def on_pre_build(self, *, config):
        """Check every page and run what is stale."""
        docs = Path(config.docs_dir)
        if self.kept:
            self.kept.begin([load(file) for file in pages(docs)], config)
        self.book = binding.bind(docs, kept=self.kept)
        faults = self.book.tell(log.error)
        if self.kept:
            self.kept.compare(self.book.chapters, self.book.faults)
        if faults and not self.serving:
            raise PluginError(f"{faults} faults in the book: see above")

    def on_files(self, files, *, config):
        """Make a page of each lab, also where no plugin for notebooks does."""
        for file in [file for file in files if file.src_uri.endswith(".py")]:
            if Path(file.src_uri).parent.name == LABS and not file.is_documentation_page():
                files.remove(file)
                files.append(LabFile(file.src_uri, file.src_dir, config.site_dir, config.use_directory_urls))
        self._make_room([file for file in files if file.is_documentation_page()], config)
        return files

    def _make_room(self, files, config):
        """Take away what MkDocs and the theme would keep of an earlier build under `serve`."""
        if self.kept and self.kept.stale is None:
            clean_directory(config.site_dir)
            for plugin in config.plugins.values():
                if hasattr(plugin, "search_index_prev"):  # the theme would add to it
                    plugin.search_index_prev = None
        for file in files if self.kept else ():
            if self.kept.makes(_path(file)):
                Path(file.abs_dest_path).unlink(missing_ok=True)

    def on_nav(self, nav, *, config, files):
        """Let the menus name the pages that this build passes over."""
        for page in nav.pages if self.kept else ():
            self.kept.show(page, _path(page.file))
        return nav

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
        if (
            self.kept and self.kept.stale is not None
        ):  # added to page by page, the theme's index may lose some
            page.meta["search"] = {"exclude": True}
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

    def on_page_context(self, context, *, page, config, nav):
        """Note what the menus of other pages show of this one."""
        if self.kept:
            self.kept.shown(page, _path(page.file))
        return context

    def on_post_page(self, output, *, page, config):
        """Finish a page's HTML."""
        return postprocess.process(output, page.url, live=self.serving)

    def on_post_template(self, output, *, template_name, config):
        """Finish a template's HTML, such as 404.html."""
        return (
            postprocess.process(output, template_name, self.serving)
            if template_name.endswith(".html")
            else output
        )

    def on_post_build(self, *, config):
        """Put the notebooks, the wheel of chainrule and Python for the browser beside the pages."""
        site = Path(config.site_dir)
        made = [r for r in self.book.results if not self.kept or self.kept.makes(r.chapter.path)]
        binding.extras(replace(self.book, results=made), site, config.site_url or "")
        if not self.kept or self.kept.stale is None:
            reader.bundle(site)
            runtime.write(site)
            addresses.write(Path(config.docs_dir), site, config.site_url or "")
        if self.kept:
            self.kept.done(config, log)
