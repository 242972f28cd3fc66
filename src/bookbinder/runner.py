"""Chapter → outputs: one fresh kernel a chapter, chapters side by side, within bounds of time, memory and output."""

import asyncio
import datetime
import json
import os
import re
import signal
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import psutil
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from tqdm import tqdm

from bookbinder import cache, exercises, sandbox
from bookbinder.chapter import Block, Chapter
from bookbinder.figures import MIME
from bookbinder.page import PageError

TIMEOUT = 60  # seconds a chapter, unless its front matter says otherwise
MEMORY = 6 * 2**30  # bytes resident in the kernel and its children together
OUTPUT = 2**20  # characters a chapter may put out, figures aside
FIGURES = 8 * 2**20
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_BAR_TIMES = re.compile(r" ?\[\d+:\d\d(:\d\d)?<[^\]]*\]")  # tqdm's seconds: nothing timed stands on a page
_ADDRESS = re.compile(r"\bat 0x[0-9a-f]{6,}")
_LIBRARIES = {
    "numpy": "numpy",
    "torch": "torch",
    "matplotlib": "matplotlib",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
}


latest: dict[
    str, "Result"
] = {}  # results of this process by page: a failed one is shown under `serve`, never cached


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


class _Client(NotebookClient):
    """nbclient's client that stops a kernel which floods its outputs."""

    spent = 0
    ended = ""  # why the binder killed the kernel

    def process_message(self, msg, cell, cell_index):
        content = msg["content"]
        data = content.get("data", {})
        self.spent += len(content.get("text", "")) + sum(len(str(v)) for k, v in data.items() if k != MIME)
        self.spent += len(str(data[MIME])) * OUTPUT // FIGURES if MIME in data else 0
        if self.spent > OUTPUT and not self.ended:
            self.ended = "flood"
            _kill(self.pid)
        return None if self.ended else super().process_message(msg, cell, cell_index)


def _kill(pid: int) -> None:
    """End a kernel with everything that it started."""
    try:
        family = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        family = []
    for end in (lambda: os.killpg(pid, signal.SIGKILL), *(child.kill for child in family)):
        try:
            end()
        except (OSError, psutil.Error):
            pass


async def _watch(client: _Client, limit: int) -> None:
    """Kill the kernel when it runs too long, or when it and its children hold more memory than allowed.

    nbclient takes a cancelled wait for a dead kernel, so a time-out has to make it one and say why.
    """
    end = time.monotonic() + limit
    while not client.ended:
        try:
            kernel = psutil.Process(client.pid)
            held = sum(p.memory_info().rss for p in [kernel, *kernel.children(recursive=True)])
        except psutil.Error:
            held = 0
        if held > MEMORY or time.monotonic() > end:
            client.ended = "memory" if held > MEMORY else "time"
            _kill(client.pid)
        await asyncio.sleep(0.2)


@asynccontextmanager
async def _kernel(limit: int):
    """A started kernel in a folder of its own; it and its children are gone when the block is left."""
    with tempfile.TemporaryDirectory(prefix="book-", ignore_cleanup_errors=True) as folder:
        client = _Client(
            nbformat.v4.new_notebook(),
            timeout=None,
            kernel_name="python3",
            allow_errors=True,
            iopub_timeout=60,
        )
        client.create_kernel_manager()
        client.km.kernel_spec.argv[0] = sys.executable
        client.km.transport, client.km.connection_file = "ipc", f"{folder}/kernel.json"  # no port is opened
        watcher = None
        try:
            await client.async_start_new_kernel(env=sandbox.environment(Path(folder)), cwd=folder)
            client.pid = client.km.provisioner.pid
            await client.async_start_new_kernel_client()
            watcher = asyncio.create_task(_watch(client, limit))
            yield client
        finally:
            if watcher:
                watcher.cancel()
            if getattr(client, "pid", None):
                _kill(client.pid)
            if client.kc:
                client.kc.stop_channels()
            if client.km.has_kernel:
                await client.km.shutdown_kernel(now=True)


async def _execute(client: _Client, code: str) -> nbformat.NotebookNode:
    cell = nbformat.v4.new_code_cell(code)
    client.nb.cells.append(cell)
    await client.async_execute_cell(cell, len(client.nb.cells) - 1)
    return cell


async def _ask(client: _Client, expression: str):
    """Value of an expression in the kernel, through JSON, outside the chapter's names."""
    cell = await _execute(client, f"import json as _j; print(_j.dumps({expression})); del _j")
    if not cell.outputs or cell.outputs[0].output_type != "stream":
        raise RuntimeError(f"the kernel did not answer: {cell.outputs}")
    return json.loads(cell.outputs[0].text)


async def run_chapter(chapter: Chapter, tick=lambda: None) -> Result:
    """Outputs of a chapter, run in a fresh kernel.

    Args:
        chapter: A chapter without faults.
        tick: Called after each block.

    Returns:
        The result; what failed is in it, and nothing is raised for it.
    """
    data = {"blocks": [{"state": "unrun", "outputs": []} for _ in chapter.blocks], "parts": {}}
    result, at, start = Result(chapter, data), 0, time.monotonic()
    limit = chapter.meta.get("timeout", TIMEOUT)
    client = None
    try:
        async with _kernel(limit) as client:
            await _execute(client, "from bookbinder import sandbox as _s; _s.enter_kernel(); del _s")
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
        result.failures.append(_stopped(chapter, at, *_why_dead(client, error, limit)))
    for failure in result.failures[:1]:  # shown in place under `serve`; a build that fails shows nothing
        slot = data["blocks"][at]
        slot["outputs"] = [out for out in slot["outputs"] if out["kind"] != "error"]
        slot["outputs"].append({"kind": "error", "text": f"{failure.fault.message}\n{failure.excerpt}"})
    data["seconds"] = round(time.monotonic() - start, 3)
    data["date"] = _today()
    return result


def _today() -> str:
    """Date of the run; SOURCE_DATE_EPOCH stands for it in a reproducible build."""
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    return datetime.datetime.fromtimestamp(epoch, datetime.UTC).date().isoformat()


def _why_dead(client: _Client | None, error: Exception, limit: int) -> tuple[str, str]:
    ended = client.ended if client else ""
    return {
        "time": (
            f"the page ran longer than {limit} s",
            "make it faster, or set timeout: in the front matter",
        ),
        "flood": (
            f"the page puts out more than {OUTPUT >> 20} MB",
            "print less, or draw fewer and lighter figures",
        ),
        "memory": (f"the page holds more than {MEMORY >> 30} GB of memory", "use smaller arrays"),
    }.get(
        ended, (f"the kernel ended: {str(error) or type(error).__name__}", "a block must not end its process")
    )


def _stopped(chapter: Chapter, at: int, message: str, advice: str) -> Failure:
    block = chapter.blocks[at]
    where = f"block {at + 1} of {len(chapter.blocks)}  "
    return Failure(PageError(chapter.path, block.line, where + message, advice), _excerpt(block, 0))


def _excerpt(block: Block, failing: int) -> str:
    rows = [
        f"  {'>' if n == failing else ' '} {n:4}  {row}"
        for n, row in enumerate(block.code.splitlines(), block.line + 1)
    ]
    return "\n".join(rows)


async def _run_block(client: _Client, result: Result, at: int, cells: dict[int, Block]) -> bool:
    """Run one block of the chapter; False where the chapter cannot go on."""
    chapter, slot = result.chapter, result.data["blocks"][at]
    block = chapter.blocks[at]
    mark = block.mark
    skip = mark and (mark.kind == "skip" or mark.kind == "skipif" and await _holds(client, mark.condition))
    if skip:
        slot["state"] = "skipped"
        return True
    cell = await _execute(client, block.code)
    cells[cell.execution_count] = block
    error = next((out for out in cell.outputs if out.output_type == "error"), None)
    slot["outputs"], problem = _outputs(cell.outputs)
    slot["state"] = "raised" if error else "run"
    expected = mark is not None and mark.kind == "xfail"
    if problem:
        result.failures.append(_stopped(chapter, at, *problem))
    elif expected and not error:
        message = f"the block is said to raise {mark.raises} and does not"
        result.failures.append(_stopped(chapter, at, message, "drop the mark, or mend the block"))
    elif expected and not await _is_kind(client, mark.raises):
        message = f"the block is said to raise {mark.raises} and raises {error.ename}: {error.evalue}"
        result.failures.append(_stopped(chapter, at, message, "name this exception, or mend the block"))
    elif error and not expected:
        result.failures.append(_failed(chapter, at, error, cells))
    return not result.failures


async def _holds(client: _Client, expression: str) -> bool:
    return await _ask(client, f"__import__('bookbinder.sandbox').sandbox.condition({expression!r})")


async def _is_kind(client: _Client, raises: str) -> bool:
    """Whether the exception that the kernel raised last is of the expected kind."""
    return await _ask(client, f"issubclass(__import__('sys').last_type, {raises})")


def _failed(chapter: Chapter, at: int, error, cells: dict[int, Block]) -> Failure:
    """Failure of a block, placed on the innermost line of the chapter that the traceback names."""
    trace = _ANSI.sub("", "\n".join(error.traceback))
    place, line = chapter.blocks[at], chapter.blocks[at].line
    for number, row in re.findall(r"Cell In\s?\[(\d+)\], line (\d+)", trace):
        if int(number) in cells:
            place = cells[int(number)]
            line = place.line + int(row)
    said = f"{error.ename}: {error.evalue}".strip().rstrip(":").splitlines()[0]
    message = f"block {at + 1} of {len(chapter.blocks)}  {said}"
    return Failure(PageError(chapter.path, line, message, "mend the block"), _excerpt(place, line))


async def _run_exercises(client: _Client, result: Result) -> None:
    """Put every starter, solution and wrong answer to its check; keep what the solutions show."""
    chapter = result.chapter
    for exercise, role in exercises.runnable(chapter):
        pieces = [(block.code, chapter.path, block.line + 1) for block in exercise.program(role)]
        cell = await _execute(
            client, f"_raised = __import__('bookbinder.sandbox').sandbox.run_program({pieces!r})"
        )
        raised = await _ask(client, "_raised")
        fault = exercises.verdict(exercise, role, chapter.path, raised)
        outputs, problem = _outputs(cell.outputs)
        if problem and role == "solution":
            fault = fault or PageError(chapter.path, exercise.parts[role].line, *problem)
        if fault:
            result.failures.append(Failure(fault, _excerpt(exercise.parts[role], 0)))
        if role == "solution":
            at = chapter.blocks.index(exercise.parts[role])
            result.data["blocks"][at]["outputs"] = outputs
    for slot, block in zip(result.data["blocks"], chapter.blocks, strict=True):
        if block.exercise:
            slot["state"] = "run"


def _outputs(raw: list) -> tuple[list[dict], tuple[str, str] | None]:
    """What the page shows of a block's outputs, and (message, advice) where that cannot be shown."""
    shown: list[dict] = []
    for out in raw:
        if out.output_type == "display_data" and MIME in out.data:
            shown.append({"kind": "figure", **out.data[MIME]})
        elif out.output_type == "stream" and shown and shown[-1]["kind"] == out.name:
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
            message = f"the output holds a memory address, which changes with every run: {output['text'].strip()[:60]}"
            return [], (message, "assign the last expression to _ , or print what you mean")
    return [output for output in shown if output["kind"] == "figure" or output["text"]], None


def _output(out) -> dict:
    if out.output_type == "stream":
        return {"kind": out.name, "text": out.text}
    if out.output_type == "error":
        return {"kind": "error", "text": f"{out.ename}: {out.evalue}".rstrip(": ")}
    if "text/html" in out.data:
        return {"kind": "html", "text": out.data["text/html"]}
    return {"kind": "result", "text": out.data.get("text/plain", "")}


def _settle(text: str) -> str:
    """Text as a terminal shows it in the end: progress bars in their final state, without times and colours."""
    lines = [line.rstrip("\r").rsplit("\r", 1)[-1] for line in _ANSI.sub("", text).split("\n")]
    return _BAR_TIMES.sub("", "\n".join(lines))


async def _versions(client: _Client) -> tuple[dict[str, str], str]:
    names = await _ask(client, f"[n for n in {list(_LIBRARIES)} if n in __import__('sys').modules]")
    found = {"Python": ".".join(map(str, sys.version_info[:3]))}
    for name in names:
        found[_LIBRARIES[name]] = await _ask(client, f"__import__('{name}').__version__")
    cuda = "torch" in names and await _ask(client, "__import__('torch').cuda.is_available()")
    return found, "GPU" if cuda else "CPU"


async def _run_all(chapters: list[Chapter], jobs: int, quiet: bool) -> list[Result]:
    slots = asyncio.Semaphore(jobs)

    async def one(chapter: Chapter) -> Result:
        async with slots:
            bar = tqdm(
                desc=chapter.path,
                total=len(chapter.blocks),
                unit="block",
                disable=quiet,
                leave=True,
                mininterval=0.5 if sys.stderr.isatty() else 10,
            )
            with bar:
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
    kept = (
        {} if force else {c.path: data for c in with_code if (data := cache.read(cache.key(c))) is not None}
    )
    stale = [chapter for chapter in with_code if chapter.path not in kept]
    ran = {}
    if stale:
        ran = {
            result.chapter.path: result for result in asyncio.run(_run_all(stale, os.cpu_count() or 1, quiet))
        }
    latest.update(ran)
    cache.evict()
    return [ran.get(c.path) or Result(c, kept[c.path], fresh=False) for c in with_code]


def result_of(chapter: Chapter) -> dict | None:
    """Result of a chapter as the page shows it: of this process, else of the cache; None where it was not run."""
    ran = latest.get(chapter.path)
    if ran is not None and cache.key(ran.chapter) == cache.key(chapter):
        return ran.data
    return cache.read(cache.key(chapter))
