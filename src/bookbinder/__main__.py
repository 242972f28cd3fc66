"""The binder from a shell: python -m bookbinder run | check | sync | notebooks | new | stage | postprocess | ...

Each command has a function of its name here, and its arguments in commands.toml.
"""

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

from bookbinder import (
    addresses,
    binding,
    course,
    epub,
    evidence,
    labs,
    offline,
    pdf,
    postprocess,
    runtime,
    sync,
)
from bookbinder.chapter import PARTS, load
from bookbinder.check import pages
from bookbinder.page import table


def main(argv: list[str] | None = None) -> int:
    """Exit status of one command: 0 where all went well, 1 where it says what is wrong."""
    parser = argparse.ArgumentParser(prog="bookbinder", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, said in table("commands").items():
        command = commands.add_parser(name, help=said["does"], description=said["does"])
        for argument, words in said["arguments"].items():
            kind = {"type": Path} if words.pop("path", False) else {}
            command.add_argument(argument, **kind, **words)
    options = parser.parse_args(argv)
    try:
        return int(bool(globals()[f"_{options.command}"](options)))
    except KeyboardInterrupt:
        print("stopped; chapters that had finished are kept", file=sys.stderr)
        return 130


def _run(options) -> bool:
    book = binding.bind(options.docs, options.files or None, force=options.force)
    for result in book.results:
        said = f"{result.data['seconds']:6.1f} s" if result.fresh else "  kept  "
        print(f"{said}  {result.chapter.path}")
    return book.tell() > 0


def _check(options) -> bool:
    book = binding.bind(options.docs, options.files or None, execute=options.run)
    book.faults += evidence.of_pages(book.chapters, options.docs)
    blocks = sum(len(chapter.blocks) for chapter in book.chapters)
    if not (bad := book.tell()):
        done = "checked and run" if options.run else "checked"
        print(f"{len(book.chapters)} pages, {blocks} blocks {done}: no fault")
    return bad > 0


def _sync(options) -> None:
    for file in options.files or pages(options.docs):
        chapter = load(file)
        text = sync.write(chapter, Path("src"))
        if text != chapter.text:
            file.write_text(text, encoding="utf-8")
            print(f"{chapter.path}: written")
    if course.write_map(options.docs):
        print(f"{options.docs / 'index.md'}: the map is written")


def _notebooks(options) -> bool:
    book = binding.bind(options.docs)
    binding.extras(book, options.to, options.site_url)
    print(f"{len(book.results)} notebooks in {options.to / 'notebooks'}")
    return book.tell() > 0


def _new(options) -> bool | None:
    part, _, name = options.name.removesuffix(".md").rpartition("/")
    file = options.docs / part / f"{name}.md"
    problem = f"{file}: exists already; choose another name" if file.exists() else ""
    if part not in PARTS or not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        problem = f"{options.name}: write part/name in small letters, with part one of {', '.join(PARTS)}"
    if problem:
        print(problem)
        return True
    entry = course.of(options.docs).entry(f"{part}/{name}.md")
    title = options.title or (entry.planned if entry else name.replace("-", " ").capitalize())
    template = Path(__file__).with_name("template.md").read_text(encoding="utf-8")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(template.replace("{title}", title).replace("{file}", file.as_posix()), encoding="utf-8")
    place = course.enter(options.docs, f"{part}/{name}.md")
    _into_nav(options.docs.parent / "mkdocs.yml", part, name, [*course.of(options.docs).entries])
    course.write_map(options.docs)
    print(
        f"{file}: written{', ' * bool(place)}{place}", f"now change it, with make check FILE={file}", sep="\n"
    )


def _into_nav(config: Path, part: str, name: str, order: list[str]) -> None:
    """Put a page at its place among the chapters of its part; a YAML library would lose the comments.

    Without a place in the order it comes last; a part that has no page yet begins with it.
    """
    lines, here = config.read_text(encoding="utf-8").split("\n"), PARTS.index(part)
    so_far = "|".join(PARTS[: here + 1])
    rows = [n for n, line in enumerate(lines) if re.match(rf"\s+- (.*: )?({so_far})/", line)]
    at = rows[-1] + 1 if rows else next(n for n, row in enumerate(lines) if row.startswith("  - Contribute:"))
    row = lambda page: f"      - {page}"
    here_on = order[order.index(f"{part}/{name}.md") + 1 :] if f"{part}/{name}.md" in order else []
    later = [lines.index(row(page)) for page in here_on if page.startswith(f"{part}/") and row(page) in lines]
    at = min([at, *later])
    begun = rows and f"{part}/" in lines[rows[-1]]
    head = [] if begun else [f"  - {'I II III IV V'.split()[here]} · {part.capitalize()}:"]
    lines[at:at] = [*head, f"      - {part}/{name}.md"]
    config.write_text("\n".join(lines), encoding="utf-8")


def _stage(options) -> None:
    print(f"{options.to}: the book, {labs.stage(Path(), options.to)} labs as Markdown pages")


def _postprocess(options) -> bool:
    pages, faults = postprocess.process_site(options.site)
    if pages:
        addresses.write(options.docs, options.site, options.site_url)
        runtime.write(options.site)
    print(*faults, sep="\n", end="\n" * bool(faults), file=sys.stderr)
    print(f"{options.site}: {pages or 'no'} pages" + ("" if pages else "; build the site first (make site)"))
    return bool(faults) or not pages


def _offline(options) -> bool:
    return _whole(options.site, offline.write)


def _epub(options) -> bool:
    return _whole(options.site, epub.write)


def _pdf(options) -> bool:
    to = options.to / f"{options.part}.pdf"
    if not pdf.browser():
        print("no browser to print with: install Chromium, or name yours in CHROMIUM")
    elif not (options.site / "index.html").is_file():
        print(f"{options.site}: no pages; build the site first (make site)")
    elif not pdf.write(options.site, options.part, to):
        print(f"{options.part}: no pages; name a folder of them, such as {', '.join(PARTS[:2])}")
    else:
        print(f"{to}: {to.stat().st_size / 1e6:.1f} MB")
        return False
    return True


def _whole(site: Path, write: Callable[[Path], Path]) -> bool:
    """Whether the whole book as one file could not be written."""
    if not (site / "index.html").is_file():
        print(f"{site}: no pages; build the site first (make site)")
        return True
    to = write(site)
    print(f"{to}: {to.stat().st_size / 1e6:.1f} MB")
    return False


if __name__ == "__main__":
    sys.exit(main())
