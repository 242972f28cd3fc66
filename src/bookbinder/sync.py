"""Writes package source into the chapter blocks that name it, so that the page shows what the package runs."""

import ast
from pathlib import Path

from bookbinder.chapter import Block, Chapter
from bookbinder.page import PageError


def source_of(name: str, src: Path, imports: bool) -> str:
    """Source of a package object as a chapter shows it.

    Args:
        name: Qualified name, such as chainrule.ops.relu or chainrule.scalar.Value.backward.
        src: Folder that holds the packages.
        imports: Whether to put the imports that it needs above it.

    Returns:
        Its lines without the docstrings, decorators kept, with a final newline.

    Raises:
        LookupError: where no module or no object has that name.
    """
    file, path = _locate(name, src)
    text = file.read_text(encoding="utf-8")
    tree = ast.parse(text)
    node: ast.AST = tree
    for part in path:
        node = next((child for child in ast.iter_child_nodes(node) if part in _names(child)), None)
        if node is None:
            raise LookupError(f"{file.name} has no {'.'.join(path)}")
    body = _without_docstrings(text.splitlines(), node)
    above = _imports(tree, node, file, src) if imports else []
    return "\n".join([*above, *(["", ""] if above else []), *body]) + "\n"


def _locate(name: str, src: Path) -> tuple[Path, list[str]]:
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        module = src.joinpath(*parts[:cut])
        for file in (module.with_suffix(".py"), module / "__init__.py"):
            if cut > 1 and file.is_file():
                return file, parts[cut:]
    raise LookupError(f"no module of the package is named in {name}")


def _names(node: ast.AST) -> set[str]:
    """Names that a statement binds, imports aside."""
    targets = getattr(node, "targets", [getattr(node, "target", None)])
    bound = {target.id for target in targets if isinstance(target, ast.Name)}
    return bound | ({node.name} if hasattr(node, "name") else set())


def _without_docstrings(lines: list[str], node: ast.AST) -> list[str]:
    first = min(part.lineno for part in [node, *getattr(node, "decorator_list", [])])
    dropped: set[int] = set()
    for inner in ast.walk(node):
        if isinstance(inner, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(inner) and inner.body[1:]:
            last = inner.body[0].end_lineno
            dropped |= set(range(inner.body[0].lineno, last + 1 if lines[last].strip() else last + 2))
    kept = [lines[n - 1] for n in range(first, node.end_lineno + 1) if n not in dropped]
    indent = len(kept[0]) - len(kept[0].lstrip())
    return [line[indent:].rstrip() for line in kept]


def _imports(tree: ast.Module, node: ast.AST, file: Path, src: Path) -> list[str]:
    """Import lines for the names that the object uses and its module binds."""
    used = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
    module = ".".join(file.relative_to(src).with_suffix("").parts)
    found, local = [], []
    for item in tree.body:
        if isinstance(item, (ast.Import, ast.ImportFrom)):
            wanted = [alias for alias in item.names if (alias.asname or alias.name.split(".")[0]) in used]
            if wanted:
                item.names = wanted
                found.append(ast.unparse(item))
        else:
            local += sorted(_names(item) & used - _names(node))
    return found + ([f"from {module} import {', '.join(local)}"] if local else [])


def _wanted(block: Block, src: Path) -> str:
    names = [name.strip() for name in block.source.split(",")]
    pieces = [source_of(name, src, imports=not block.continues and n == 0) for n, name in enumerate(names)]
    return "\n\n".join(pieces)


def faults(chapter: Chapter, src: Path) -> list[PageError]:
    """Blocks of a chapter that differ from the source which they name."""
    found = []
    for block in filter(lambda block: block.source, chapter.blocks):
        try:
            if _wanted(block, src) != block.code:
                found.append(chapter.wrong("source.differs", block.line, name=block.source))
        except LookupError as error:
            found.append(chapter.wrong("source.unknown", block.line, error=error))
    return found


def write(chapter: Chapter, src: Path) -> str:
    """Text of the page with every named source written into its block."""
    lines = chapter.text.split("\n")
    for block in reversed(chapter.blocks):
        if block.source:
            rows = _wanted(block, src).splitlines()
            lines[block.line : block.end - 1] = [block.indent + row if row else "" for row in rows]
    return "\n".join(lines)
