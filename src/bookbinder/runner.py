"""Chapter → outputs: one fresh kernel a chapter, chapters side by side, within bounds of time, memory and output."""

import asyncio
import datetime
import os
import platform
import re
import sys
import time
from dataclasses import dataclass, field

from tqdm import tqdm

from bookbinder import cache, exercises
from bookbinder.chapter import Block, Chapter
from bookbinder.figures import MIME
from bookbinder.page import PageError

TIMEOUT = 60  # seconds a chapter, unless its front matter says otherwise
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_BAR_TIMES = re.compile(r" ?\[\d+:\d\d(:\d\d)?<[^\]]*\]")  # tqdm's seconds: nothing timed stands on a page
_ADDRESS = re.compile(r"\bat 0x[0-9a-f]{6,}")
_LIBRARIES = "numpy torch matplotlib scipy sklearn".split()

# Results of this process by page: a failed one is shown under `serve`, and never cached.
latest: dict[str, "Result"] = {}


@dataclass
class Failure:
    """A page whose code is wrong: the `fault`, and the lines of the block with the failing one marked."""

    fault: PageError
    excerpt: str = ""

    def __str__(self) -> str:
        again = f"    run it alone: make check FILE={self.fault.file}"
        return "\n".join(part for part in (str(self.fault), self.excerpt, again) if part)


@dataclass
class Result:
    """Outcome of one chapter: `data` as the cache keeps it, and what failed."""

    chapter: Chapter
    data: dict
    failures: list[Failure] = field(default_factory=list)
    fresh: bool = True

    def fail(self, at: int, message: str, advice: str, block: Block | None = None, line: int = 0) -> None:
        """Note that the block number `at` is wrong, on that line of this block if they are known."""
        block = block or self.chapter.blocks[at]
        message = f"block {at + 1} of {len(self.chapter.blocks)}  {message}"
        self.failures.append(_failure(self.chapter.error(line or block.line, message, advice), block))


async def run_chapter(chapter: Chapter, tick=lambda: None) -> Result:
    """Outputs of a chapter, run in a fresh kernel.

    Args:
        chapter: A chapter without faults.
        tick: Called after each block.

    Returns:
        The result; what failed is in it, and nothing is raised for it.
    """
    from nbclient.exceptions import DeadKernelError

    from bookbinder.kernel import ENDINGS, started  # late: a build with nothing to run needs no Jupyter

    data = {"blocks": [{"state": "unrun", "outputs": []} for _ in chapter.blocks]}
    result, at, start = Result(chapter, data), 0, time.monotonic()
    limit = chapter.meta.get("timeout", TIMEOUT)
    client = None
    try:
        async with started(limit) as client:
            cells: dict[int, Block] = {}
            for at, block in enumerate(chapter.blocks):
                began = time.monotonic()
                if not block.exercise and not await _run_block(client, result, at, cells):
                    break
                data["blocks"][at]["seconds"] = round(time.monotonic() - began, 3)
                tick()
            else:
                await _run_exercises(client, result)
                data["versions"], data["device"] = await _versions(client)
    except (DeadKernelError, RuntimeError) as error:
        said = f"the kernel ended: {str(error) or type(error).__name__}", "a block must not end its process"
        message, advice = ENDINGS.get(client.ended if client else "", said)
        result.fail(at, message.replace("{limit}", str(limit)), advice)
    for failure in result.failures[:1]:  # shown in place under `serve`; a build that fails shows nothing
        slot = data["blocks"][at]
        slot["outputs"] = [out for out in slot["outputs"] if out["kind"] != "error"]
        slot["outputs"].append({"kind": "error", "text": f"{failure.fault.message}\n{failure.excerpt}"})
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))  # set for a reproducible build
    data["date"] = datetime.datetime.fromtimestamp(epoch, datetime.UTC).date().isoformat()
    data["seconds"] = round(time.monotonic() - start, 3)
    return result


def _failure(fault: PageError, block: Block) -> Failure:
    """A fault with the lines of a block, that of the fault marked."""
    rows = enumerate(block.code.splitlines(), block.line + 1)
    return Failure(fault, "\n".join(f"  {'>' if n == fault.line else ' '} {n:4}  {row}" for n, row in rows))


async def _run_block(client, result: Result, at: int, cells: dict[int, Block]) -> bool:
    """Run one block of the chapter; False where the chapter cannot go on."""
    chapter, slot = result.chapter, result.data["blocks"][at]
    block, mark = chapter.blocks[at], chapter.blocks[at].mark
    kind = mark.kind if mark else ""
    asked = f"__import__('bookbinder.sandbox').sandbox.condition({mark.condition!r})" if mark else ""
    if kind == "skip" or kind == "skipif" and await client.ask(asked):
        slot["state"] = "skipped"
        return True
    cell = await client.execute_code(block.code)
    cells[cell.execution_count] = block
    error = next((out for out in cell.outputs if out.output_type == "error"), None)
    slot["outputs"], problem = _outputs(cell.outputs)
    slot["state"] = "raised" if error else "run"
    if problem:
        result.fail(at, *problem)
    elif kind != "xfail" and error:
        _fail_at_its_line(result, at, error, cells)
    elif kind == "xfail" and not error:
        said = f"the block is said to raise {mark.raises} and does not"
        result.fail(at, said, "drop the mark, or mend the block")
    elif kind == "xfail" and not await client.ask(f"issubclass(__import__('sys').last_type, {mark.raises})"):
        said = f"the block is said to raise {mark.raises} and raises {error.ename}: {error.evalue}"
        result.fail(at, said, "name this exception, or mend the block")
    return not result.failures


def _fail_at_its_line(result: Result, at: int, error, cells: dict[int, Block]) -> None:
    """Failure of a block, placed on the innermost line of the chapter that the traceback names."""
    block, line = None, 0
    trace = _ANSI.sub("", "\n".join(error.traceback))
    for number, row in re.findall(r"Cell In\s?\[(\d+)\], line (\d+)", trace):
        if int(number) in cells:
            block = cells[int(number)]
            line = block.line + int(row)
    said = f"{error.ename}: {error.evalue}".strip().rstrip(":").splitlines()[0]
    result.fail(at, said, "mend the block", block, line)


async def _run_exercises(client, result: Result) -> None:
    """Put every starter, solution and wrong answer to its check; keep what the solutions show."""
    chapter = result.chapter
    for exercise, role in exercises.runnable(chapter):
        pieces = [(block.code, chapter.path, block.line + 1) for block in exercise.program(role)]
        code = f"_raised = __import__('bookbinder.sandbox').sandbox.run_program({pieces!r})"
        cell = await client.execute_code(code)
        raised = await client.ask("_raised")
        fault = exercises.verdict(exercise, role, chapter.path, raised)
        outputs, problem = _outputs(cell.outputs)
        part = exercise.parts[role]
        if role == "solution":
            result.data["blocks"][chapter.blocks.index(part)]["outputs"] = outputs
            fault = fault or (chapter.error(part.line, *problem) if problem else None)
        if fault:
            result.failures.append(_failure(fault, part))
    for slot, block in zip(result.data["blocks"], chapter.blocks, strict=True):
        if block.exercise:
            slot["state"] = "run"


def _outputs(raw: list) -> tuple[list[dict], tuple[str, str] | None]:
    """What the page shows of a block's outputs, and (message, advice) where that cannot be shown."""
    shown: list[dict] = []
    for out in raw:
        if out.output_type == "stream" and shown and shown[-1]["kind"] == out.name:
            shown[-1]["text"] += out.text
        else:
            shown.append(_output(out))
    for output in shown:
        if output["kind"] == "figure" and not output["alt"]:
            advice = "give it one with ax.set_title or fig.suptitle: it is also its alternative text"
            return [], ("a figure without a title", advice)
        if output["kind"] in ("stdout", "stderr"):
            output["text"] = _settle(output["text"])
        if _ADDRESS.search(output.get("text", "")):
            message = "the output holds a memory address, which changes with every run: "
            advice = "assign the last expression to _ , or print what you mean"
            return [], (message + output["text"].strip()[:60], advice)
    return [output for output in shown if output["kind"] == "figure" or output["text"]], None


def _output(out) -> dict:
    if out.output_type == "stream":
        return {"kind": out.name, "text": out.text}
    if out.output_type == "error":
        return {"kind": "error", "text": f"{out.ename}: {out.evalue}".rstrip(": ")}
    if MIME in out.data:
        return {"kind": "figure", **out.data[MIME]}
    kind, mime = ("html", "text/html") if "text/html" in out.data else ("result", "text/plain")
    return {"kind": kind, "text": out.data.get(mime, "")}


def _settle(text: str) -> str:
    """Text as a terminal shows it in the end: progress bars in their final state, without times and colours."""
    lines = [line.rstrip("\r").rsplit("\r", 1)[-1] for line in _ANSI.sub("", text).split("\n")]
    return _BAR_TIMES.sub("", "\n".join(lines))


async def _versions(client) -> tuple[dict[str, str], str]:
    found = {"Python": platform.python_version()}
    loaded = f"n: m[n].__version__ for m in [__import__('sys').modules] for n in {_LIBRARIES} if n in m"
    found |= await client.ask(f"{{{loaded}}}")
    cuda = "torch" in found and await client.ask("__import__('torch').cuda.is_available()")
    return found, "GPU" if cuda else "CPU"


async def _run_all(chapters: list[Chapter], jobs: int, quiet: bool) -> list[Result]:
    slots = asyncio.Semaphore(jobs)

    async def one(chapter: Chapter) -> Result:
        async with slots:
            pause = 0.5 if sys.stderr.isatty() else 10  # seconds between lines of a log
            shown = {"desc": chapter.path, "total": len(chapter.blocks), "disable": quiet}
            with tqdm(unit="block", mininterval=pause, **shown) as bar:
                result = await run_chapter(chapter, bar.update)
        if not result.failures:
            cache.write(cache.key(chapter), result.data)
        return result

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(chapter)) for chapter in chapters]
    return [task.result() for task in tasks]


def run(chapters: list[Chapter], force: bool = False, quiet: bool = False) -> list[Result]:
    """Results of chapters: from the cache where nothing has changed, else by running them side by side.

    Args:
        chapters: Chapters without faults; those without code are passed over.
        force: Run even what the cache holds.
        quiet: Show no progress.

    Returns:
        A result for each chapter with code, in order.
    """
    with_code = [chapter for chapter in chapters if chapter.blocks]
    kept = {} if force else {chapter.path: cache.read(cache.key(chapter)) for chapter in with_code}
    stale = [chapter for chapter in with_code if kept.get(chapter.path) is None]
    results = asyncio.run(_run_all(stale, os.cpu_count() or 1, quiet)) if stale else []
    ran = {result.chapter.path: result for result in results}
    latest.update(ran)
    cache.evict()
    return [ran.get(c.path) or Result(c, kept[c.path], fresh=False) for c in with_code]


def result_of(chapter: Chapter) -> dict | None:
    """Result of a chapter as the page shows it: of this process, else of the cache; None where it was not run."""
    ran = latest.get(chapter.path)
    if ran is not None and cache.key(ran.chapter) == cache.key(chapter):
        return ran.data
    return cache.read(cache.key(chapter))
