"""The binder from a shell: python -m bookbinder run | check | sync | notebooks | new | postprocess."""

import argparse
import os
import re
import sys
from pathlib import Path

from bookbinder import binding, evidence, postprocess, sync
from bookbinder.chapter import PARTS, load
from bookbinder.check import pages


def main(argv: list[str] | None = None) -> int:
    """Exit status of one command: 0 where all went well, 1 where a page is wrong."""
    parser = argparse.ArgumentParser(prog="bookbinder", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    add = lambda name, text: commands.add_parser(name, help=text, description=text)
    run = add("run", "run what is stale and keep the outputs")
    run.add_argument("--force", action="store_true", help="run what the cache holds, too")
    check = add("check", "tell every fault of the pages")
    check.add_argument("--run", action="store_true", help="run the pages, too")
    write = add("sync", "write package source into the blocks that name it")
    said = "change nothing; fail where something would change"
    write.add_argument("--check", action="store_true", help=said)
    books = add("notebooks", "write the notebooks of all pages into a folder")
    books.add_argument("--to", type=Path, default=Path("site"), help="folder of the built site")
    books.add_argument("--site-url", default="", help="address of the site, for links and chainrule's wheel")
    new = add("new", "write a new chapter that is complete and passes, and put it into the nav")
    new.add_argument("name", help="part/name, such as learning/losses")
    new.add_argument("--title", default="", help="its title (else made from the name)")
    post = add("postprocess", "finish the HTML of a built site (the MkDocs plugin does it itself)")
    post.add_argument("site", type=Path)
    for command in (run, check, write, books, new):
        command.add_argument("--docs", type=Path, default=Path("docs"), help="folder of the pages")
    for command in (run, check, write):
        command.add_argument("files", nargs="*", type=Path, help="pages; all of them if none is named")
    options = parser.parse_args(argv)
    try:
        return globals()[f"_{options.command}"](options)
    except KeyboardInterrupt:
        print("stopped; chapters that had finished are kept", file=sys.stderr)
        return 130


def _tell(book: binding.Book) -> int:
    for message in book.messages():
        print(message)
    if os.environ.get("GITHUB_ACTIONS"):
        failures = [failure for result in book.results for failure in result.failures]
        for fault in [*book.faults, *(failure.fault for failure in failures)]:
            print(f"::error file={fault.file},line={fault.line}::{fault.message}  {fault.advice}")
    return 1 if book.messages() else 0


def _run(options) -> int:
    book = binding.bind(options.docs, options.files or None, force=options.force)
    for result in book.results:
        said = f"{result.data['seconds']:6.1f} s" if result.fresh else "  kept  "
        print(f"{said}  {result.chapter.path}")
    return _tell(book)


def _check(options) -> int:
    book = binding.bind(options.docs, options.files or None, execute=options.run)
    book.faults += evidence.of_pages(book.chapters, options.docs)
    blocks = sum(len(chapter.blocks) for chapter in book.chapters)
    if not (bad := _tell(book)):
        done = "checked and run" if options.run else "checked"
        print(f"{len(book.chapters)} pages, {blocks} blocks {done}: no fault")
    return bad


def _sync(options) -> int:
    changed = 0
    for file in options.files or pages(options.docs):
        chapter = load(file)
        text = sync.write(chapter, Path("src"))
        if text != chapter.text:
            changed += 1
            print(f"{chapter.path}: {'differs from the package' if options.check else 'written'}")
            if not options.check:
                file.write_text(text, encoding="utf-8")
    return 1 if changed and options.check else 0


def _notebooks(options) -> int:
    book = binding.bind(options.docs)
    binding.extras(book, options.to, options.site_url)
    print(f"{len(book.results)} notebooks in {options.to / 'notebooks'}")
    return _tell(book)


def _new(options) -> int:
    part, _, name = options.name.removesuffix(".md").rpartition("/")
    file = options.docs / part / f"{name}.md"
    problem = f"{file}: exists already; choose another name" if file.exists() else ""
    if part not in PARTS or not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        problem = f"{options.name}: write part/name in small letters, with part one of {', '.join(PARTS)}"
    if problem:
        print(problem)
        return 1
    title = options.title or name.replace("-", " ").capitalize()
    template = Path(__file__).with_name("template.md").read_text(encoding="utf-8")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(template.replace("{title}", title).replace("{file}", file.as_posix()), encoding="utf-8")
    _into_nav(options.docs.parent / "mkdocs.yml", part, name)
    print(f"{file}: written; now change it part by part, with make check FILE={file}")
    return 0


def _into_nav(config: Path, part: str, name: str) -> None:
    """Put a page behind the last one of its part; text, since a YAML library would lose the comments."""
    lines = config.read_text(encoding="utf-8").split("\n")
    rows = [n for n, line in enumerate(lines) if re.match(rf"\s+- (.*: )?{part}/", line)]
    if rows:
        lines.insert(rows[-1] + 1, f"      - {part}/{name}.md")
    else:
        at = next(n for n, line in enumerate(lines) if re.match(r"  - Contribute:", line))
        lines[at:at] = [f"  - {part.capitalize()}:", f"      - {part}/{name}.md"]
    config.write_text("\n".join(lines), encoding="utf-8")


def _postprocess(options) -> int:
    return postprocess.main([str(options.site)])


if __name__ == "__main__":
    sys.exit(main())
