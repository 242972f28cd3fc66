"""One kernel of a chapter, within bounds of time, memory and output. Imported only when something must run."""

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import nbformat
import psutil
from nbclient import NotebookClient

from bookbinder import sandbox
from bookbinder.figures import MIME

MEMORY = 6 * 2**30  # bytes resident in the kernel and its children together
OUTPUT = 2**20  # characters a chapter may put out, figures aside
FIGURES = 8 * 2**20


def kill(pid: int) -> None:
    """Kill a process, the group that it leads, and everything that it started."""
    family = []
    with suppress(psutil.Error):
        family = psutil.Process(pid).children(recursive=True)
    with suppress(OSError):
        os.killpg(pid, signal.SIGKILL)
    for child in family:
        with suppress(psutil.Error):
            child.kill()


class Kernel(NotebookClient):
    """nbclient's client that ends a kernel which goes out of bounds, and remembers why (a rule) in `ended`."""

    spent = 0
    ended = ""
    redrawn = False  # whether a block took back or changed what had been put out
    pid = 0

    def process_message(self, msg, cell, cell_index):
        """Take a message of the kernel, unless it floods."""
        content = msg["content"]
        self.redrawn = self.redrawn or msg["msg_type"] in ("clear_output", "update_display_data")
        data = content.get("data", {})
        self.spent += len(content.get("text", "")) + sum(len(str(v)) for k, v in data.items() if k != MIME)
        self.spent += len(str(data[MIME])) * OUTPUT // FIGURES if MIME in data else 0
        if self.spent > OUTPUT and not self.ended:
            self.end("flood")
        return None if self.ended else super().process_message(msg, cell, cell_index)

    def end(self, why: str) -> None:
        """Kill the kernel with everything that it started."""
        self.ended = self.ended or why
        kill(self.pid)

    async def watch(self, limit: int) -> None:
        """End the kernel when it runs too long, or holds too much memory together with its children.

        nbclient takes a cancelled wait for a dead kernel, so a time-out has to make it one.
        """
        deadline = time.monotonic() + limit
        while not self.ended:
            held = 0
            with suppress(psutil.Error):
                kernel = psutil.Process(self.pid)
                held = sum(p.memory_info().rss for p in [kernel, *kernel.children(recursive=True)])
            if held > MEMORY or time.monotonic() > deadline:
                self.end("memory" if held > MEMORY else "time")
            await asyncio.sleep(0.2)

    async def execute_code(self, code: str) -> nbformat.NotebookNode:
        """Cell of that code, executed, with its outputs."""
        cell = nbformat.v4.new_code_cell(code)
        self.nb.cells.append(cell)
        await self.async_execute_cell(cell, len(self.nb.cells) - 1)
        return cell

    async def _check_raise_for_error(self, cell, cell_index, exec_reply) -> None:
        """Put among the outputs an exception that the kernel tells in its reply alone."""
        content = (exec_reply or {}).get("content", {})
        if content.get("status") == "error" and not any(out.output_type == "error" for out in cell.outputs):
            words = {
                "ename": content.get("ename", "Error"),
                "evalue": content.get("evalue", ""),
                "traceback": [],
            }
            cell.outputs.append(nbformat.v4.new_output("error", **words))

    async def ask(self, expression: str):
        """Value of an expression in the kernel, through JSON, without a trace in the chapter's names."""
        cell = await self.execute_code(f"import json as _j; print(_j.dumps({expression})); del _j")
        if not cell.outputs or cell.outputs[0].output_type != "stream":
            raise RuntimeError(f"the kernel did not answer: {cell.outputs}")
        return json.loads(cell.outputs[0].text)


@asynccontextmanager
async def started(limit: int):
    """A kernel in a folder of its own; it and its children are gone when the block is left."""
    with tempfile.TemporaryDirectory(prefix="book-", ignore_cleanup_errors=True) as folder:
        nb = nbformat.v4.new_notebook()
        kernel = Kernel(nb, timeout=None, kernel_name="python3", allow_errors=True, iopub_timeout=60)
        kernel.create_kernel_manager()
        kernel.km.kernel_spec.argv[0] = sys.executable
        kernel.km.transport, kernel.km.connection_file = "ipc", f"{folder}/kernel.json"  # no port is opened
        try:
            await kernel.async_start_new_kernel(env=sandbox.environment(Path(folder)), cwd=folder)
            kernel.pid = kernel.km.provisioner.pid
            await kernel.async_start_new_kernel_client()
            kernel.watcher = asyncio.create_task(kernel.watch(limit))  # until the kernel ends
            await kernel.execute_code("from bookbinder import sandbox as _s; _s.enter_kernel(); del _s")
            yield kernel
        finally:
            if kernel.pid:
                kernel.end("over")
            if kernel.kc:
                kernel.kc.stop_channels()
            if kernel.km.has_kernel:
                await kernel.km.shutdown_kernel(now=True)
