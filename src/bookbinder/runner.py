"""Chapter → outputs: one fresh kernel a chapter, chapters side by side, within bounds of time, memory and output."""

import asyncio
import base64
import datetime
import math
import os
import platform
import re
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from bookbinder import cache, exercises, frames, predict
from bookbinder.chapter import Block, Chapter
from bookbinder.figures import MIME
from bookbinder.page import FAULTS, PageError


def _places() -> set[str]:
    """Folders of this machine that an output may not name; the root of a file system is none."""
    found = {
        sys.prefix,
        sys.base_prefix,
        tempfile.gettempdir(),
        str(Path.home()),
        str(Path(__file__).parents[2]),
    }
    return {re.escape(place) for place in found if len(Path(place).parts) > 1}


TIMEOUT = 60  # seconds a chapter, unless its front matter says otherwise
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_BAR_TIMES = re.compile(r" ?\[\d+:\d\d(:\d\d)?<[^\]]*\]")  # tqdm's seconds: nothing timed stands on a page
_ADDRESS = re.compile(r"\bat 0x[0-9a-f]{6,}|\b0x(7f|5[56])[0-9a-f]{10}\b")
# What stands for a value that has no text of its own, such as a figure that is shown a second time.
_NAMELESS = re.compile(
    r"<[A-Za-z_][\w.]* object\b[^<>\n]*>|<(?:Figure size|Axes|PIL\.)[^<>\n]*>|<(?:function|module|bound method) [^\n]*>"
)
_PLACE = re.compile(
    r"[^\s'\"]*(?:site|dist)-packages[^\s'\"]*|\b[A-Z]:\\Users\\\S+"
    rf"|(?<![\w.:/])(?:/(?:home|root|Users|tmp|var/folders)/|(?:{'|'.join(sorted(_places()))})(?![\w.-]))[^\s'\"]*"
)
# An exception in a thread, a destructor or a task, which ends nothing.
_LOST = re.compile(
    r"^(?:Exception in thread .*|Exception ignored .*|Task exception was never retrieved.*)$", re.M
)
_PICTURE = re.compile(
    r"<(img|svg|canvas|video|audio|iframe|object|embed|math|script|form|input|button)\b", re.I
)
_UNSEEN = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>|&nbsp;|\s", re.I | re.S)
_LIBRARIES = "numpy torch matplotlib scipy sklearn".split()


# Results of this process by page; a failed one is shown under `serve`, and never cached.
latest: dict[str, "Result"] = {}


@dataclass
class Result:
    """Outcome of one chapter: `data` as the cache keeps it, and what failed."""

    chapter: Chapter
    data: dict
    failures: list[PageError] = field(default_factory=list)
    fresh: bool = True

    def fail(self, at: int, rule: str, block: Block | None = None, line: int = 0, **words) -> None:
        """Note that the block number `at` breaks a rule, on that line of this block if they are known."""
        block = block or self.chapter.blocks[at]
        failure = self.chapter.wrong(f"run.{rule}", line or block.line, **words)
        failure.message = f"block {at + 1} of {len(self.chapter.blocks)}  {failure.message}"
        self.add(failure, block)

    def add(self, failure: PageError, block: Block) -> None:
        """Note a failure with the lines of its block, the one of the failure marked."""
        rows = enumerate(block.code.splitlines(), block.line + 1)
        marked = (f"  {'>' if n == failure.line else ' '} {n:4}  {row}" for n, row in rows)
        failure.excerpt = "\n".join(marked)
        self.failures.append(failure)


async def run_chapter(chapter: Chapter, tick=lambda: None) -> Result:
    """Outputs of a chapter, run in a fresh kernel.

    Args:
        chapter: A chapter without faults.
        tick: Called after each block.

    Returns:
        The result; what failed is in it, and nothing is raised for it.
    """
    from nbclient.exceptions import DeadKernelError

    from bookbinder import kernel  # late: a build with nothing to run needs no Jupyter

    data = {"blocks": [{"state": "unrun", "outputs": []} for _ in chapter.blocks]}
    result, at, start = Result(chapter, data), 0, time.monotonic()
    limit = chapter.meta.get("timeout", TIMEOUT)
    client = None
    try:
        async with kernel.started(limit) as client:
            cells: dict[int, Block] = {}
            for at, block in enumerate(chapter.blocks):
                began = time.monotonic()
                if exercises.in_program(chapter, block) and not await _run_block(client, result, at, cells):
                    break
                if chapter.is_lab and block.exercise and block.exercise[1] == "check":
                    await _run_exercises(client, result, block.exercise[0])
                data["blocks"][at]["seconds"] = round(time.monotonic() - began, 3)
                tick()
            else:
                if not chapter.is_lab:
                    await _run_exercises(client, result)
                _told(result)
                data["versions"], data["device"] = await _versions(client)
    except (DeadKernelError, RuntimeError) as error:
        most = {"limit": limit, "mega": kernel.OUTPUT >> 20, "giga": kernel.MEMORY >> 30}
        rule = client.ended if client and client.ended in FAULTS["run"] else "ended"
        result.fail(at, rule, error=str(error) or type(error).__name__, **most)
    for failure in result.failures[:1]:  # shown in place under `serve`; a build that fails shows nothing
        slot = data["blocks"][at]
        slot["outputs"] = [out for out in slot["outputs"] if out["kind"] != "error"]
        slot["outputs"].append({"kind": "error", "text": f"{failure.message}\n{failure.excerpt}"})
    data["figures"] = figures_of(data["blocks"])
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))  # set for a reproducible build
    data["date"] = datetime.datetime.fromtimestamp(epoch, datetime.UTC).date().isoformat()
    data["seconds"] = round(time.monotonic() - start, 3)
    return result


def figures_of(slots: list[dict]) -> list[str]:
    """Names of the files of all figures among what blocks put out."""
    return [name for slot in slots for out in slot["outputs"] for name in out.get("files", ())]


async def _run_block(client, result: Result, at: int, cells: dict[int, Block]) -> bool:
    """Run one block of the chapter; False where the chapter cannot go on."""
    chapter, slot, count = result.chapter, result.data["blocks"][at], len(result.failures)
    block, mark = chapter.blocks[at], chapter.blocks[at].mark
    kind = mark.kind if mark else ""
    asked = f"__import__('bookbinder.sandbox').sandbox.condition({mark.condition!r})" if mark else ""
    if kind == "skip" or kind == "skipif" and await client.ask(asked):
        slot["state"] = "skipped"
        return True
    cell = await client.execute_code(block.code)
    cells[cell.execution_count] = block
    error = next((out for out in cell.outputs if out.output_type == "error"), None)
    slot["outputs"], problem = shown_of(cell.outputs)
    slot["state"] = "raised" if error else "run"
    problem = problem or (None if error else frames.problem(chapter, result.data["blocks"], at))
    if client.redrawn:
        result.fail(at, "redrawn")
    elif kind != "xfail" and error:
        _fail_at_its_line(result, at, error, cells)
    elif problem:
        result.fail(at, problem[0], **problem[1])
    elif kind == "xfail" and not error:
        result.fail(at, "no-raise", wanted=mark.raises)
    elif kind == "xfail" and not await client.ask(
        f"issubclass(getattr(__import__('sys'), 'last_type', object), {mark.raises})"
    ):
        result.fail(at, "other-raise", wanted=mark.raises, error=f"{error.ename}: {error.evalue}")
    elif block.predicts:
        await _answer(client, result, at)
    return len(result.failures) == count


async def _answer(client, result: Result, at: int) -> None:
    """Hold the choices of the question that a block answers against what it has done."""
    chapter, block = result.chapter, result.chapter.blocks[at]
    expressions = [choice.expression for choice in block.predicts.choices]
    asked = f"__import__('bookbinder.sandbox').sandbox.answers({expressions!r}, globals())"
    for fault in predict.faults(block.predicts, await client.ask(asked), chapter.path):
        result.add(fault, block)
    if not result.data["blocks"][at]["outputs"]:
        result.add(chapter.wrong("predict.silent", block.line, name=block.predicts.name), block)


def _fail_at_its_line(result: Result, at: int, error, cells: dict[int, Block]) -> None:
    """Failure of a block, placed on the innermost line of the chapter that the traceback names."""
    block, line = None, 0
    trace = _ANSI.sub("", "\n".join(error.traceback))
    for number, row in re.findall(r"Cell In\s?\[(\d+)\], line (\d+)", trace):
        if int(number) in cells:
            block = cells[int(number)]
            line = block.line + int(row)
    said = f"{error.ename}: {error.evalue}".strip().rstrip(":").splitlines()[0]
    result.fail(at, "raises", block, line, error=said)


async def _run_exercises(client, result: Result, name: str = "") -> None:
    """Put every starter, solution and hidden answer to its check; keep what the solutions show.

    In a lab this is done at each check (`name` is that of its exercise), with a copy of the names that are there.
    """
    chapter, above = result.chapter, "globals()" if name else None
    for exercise, role in exercises.runnable(chapter):
        if name and exercise.name != name:
            continue
        pieces = [(block.code, chapter.path, block.line + 1) for block in exercise.program(role)]
        given = f"{pieces!r}, {exercise.blanks()!r}, {above}"
        code = f"_raised = __import__('bookbinder.sandbox').sandbox.run_program({given})"
        cell = await client.execute_code(code)
        fault = exercises.verdict(exercise, role, chapter.path, *await client.ask("_raised"))
        outputs, problem = shown_of(cell.outputs)
        part = exercise.parts[role]
        if role == "solution":
            result.data["blocks"][chapter.blocks.index(part)]["outputs"] = outputs
            fault = fault or problem and chapter.wrong(f"run.{problem[0]}", part.line, **problem[1])
        if fault:
            result.add(fault, part)


def _told(result: Result) -> None:
    """Note that the parts of all exercises have been run."""
    for slot, block in zip(result.data["blocks"], result.chapter.blocks, strict=True):
        if block.exercise:
            slot["state"] = "run"


def shown_of(raw: list) -> tuple[list[dict], tuple[str, dict] | None]:
    """What the page shows of a block's outputs; where it cannot be shown, the rule and the words that say so."""
    shown: list[dict] = []
    for out in raw:
        if kind := _not_shown(out):
            return [], ("rich", {"kind": kind})
        if out.output_type == "stream" and shown and shown[-1]["kind"] == out.name:
            shown[-1]["text"] += out.text
        else:
            shown.append(_output(out))
    for output in shown:
        if output["kind"] == "figure" and not output["alt"]:
            return [], ("no-title", {})
        if output.get("bytes"):
            return [], ("heavy", {"title": output["alt"], "kilo": math.ceil(output["bytes"] / 1000)})
        if output["kind"] in ("stdout", "stderr"):
            output["text"] = _settle(output["text"])
        if problem := _unfit(output.get("text", ""), output["kind"] == "stderr"):
            return [], problem
    return [output for output in shown if output["kind"] == "figure" or output["text"]], None


def _unfit(text: str, said: bool) -> tuple[str, dict] | None:
    """What a text holds that is this run's or this machine's; `said` where it was written to stderr."""
    rules = [("lost", _LOST)] if said else []
    for rule, pattern in [*rules, ("address", _ADDRESS), ("nameless", _NAMELESS), ("place", _PLACE)]:
        if match := pattern.search(text):
            start = text.rfind("\n", 0, match.start()) + 1
            seen = match[0] if rule != "address" else text[start:].strip().split("\n")[0]
            last = text.strip().rpartition("\n")[2]
            return rule, {"seen": seen[:80], "last": last[:80]}


def _not_shown(out) -> str:
    """The kind of a value that has a picture, a formula or a script where the page shows text and tables only."""
    data = out.get("data", {})
    if MIME in data:
        return ""
    text, html = data.get("text/plain", ""), data.get("text/html")
    others = [kind for kind in data if kind not in ("text/plain", "text/html")]
    if html is not None:
        lost = _PICTURE.search(html) or not (_UNSEEN.sub("", html) or "<table" in html)
        others = ["text/html"] if lost else []
    return f"{', '.join(others)} ({' '.join(text.split())[:60]})" if others else ""


def _output(out) -> dict:
    if out.output_type == "stream":
        return {"kind": out.name, "text": out.text}
    if out.output_type == "error":
        return {"kind": "error", "text": f"{out.ename}: {out.evalue}".rstrip(": ")}
    if MIME in out.data:
        drawn = dict(out.data[MIME])
        content = str.encode if drawn["format"] == "svg" else base64.b64decode
        files = [cache.write_figure(content(drawn.pop(ink)), drawn["format"]) for ink in ("light", "dark")]
        return {"kind": "figure", **drawn, "files": files}
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


async def _run_all(chapters: dict[Chapter, str], quiet: bool) -> list[Result]:
    """Results of chapters, each kept under its key if it did not fail."""
    slots = asyncio.Semaphore(os.cpu_count() or 1)

    async def one(chapter: Chapter, key: str) -> Result:
        async with slots:
            pause = 0.5 if sys.stderr.isatty() else 10  # seconds between lines of a log
            shown = {"desc": chapter.path, "total": len(chapter.blocks), "disable": quiet}
            with tqdm(unit="block", mininterval=pause, **shown) as bar:
                result = await run_chapter(chapter, bar.update)
        if not result.failures:
            cache.write(key, result.data)
        return result

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(*item)) for item in chapters.items()]
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
    around = cache.surroundings()
    keys = {chapter: cache.key(chapter, around) for chapter in chapters if chapter.blocks}
    kept = {} if force else {chapter: cache.read(key) for chapter, key in keys.items()}
    stale = {chapter: key for chapter, key in keys.items() if kept.get(chapter) is None}
    ran = asyncio.run(_run_all(stale, quiet)) if stale else []
    cache.evict()
    results = {chapter: Result(chapter, kept[chapter], fresh=False) for chapter in keys.keys() - stale.keys()}
    results |= {result.chapter: result for result in ran}
    latest.update({chapter.path: result for chapter, result in results.items()})
    return [results[chapter] for chapter in keys]


def result_of(chapter: Chapter) -> dict | None:
    """Result of a chapter as the page shows it: of this process, else of the cache; None where it was not run."""
    found = latest.get(chapter.path)
    return found.data if found and found.chapter is chapter else cache.read(cache.key(chapter))
