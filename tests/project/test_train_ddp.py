"""The script of *Beyond one machine*, as torchrun runs it: alone, in two processes, and with one of them killed."""

import os
import re
import subprocess
import sys
import textwrap
import uuid
from pathlib import Path

import pytest

from conftest import ROOT

SCRIPT = ROOT / "docs" / "tricks" / "train_ddp.py"
PAGE = SCRIPT.with_name("beyond-one-machine.md")
# Runs the script in every rank. In step STEP of the first attempt it writes down the addresses of its sockets, and rank
# DIES kills itself as the kernel would: no clean-up, no message.
AROUND = """
import os, runpy, signal, sys
from pathlib import Path
import torch

rank, first = os.environ.get("RANK", "0"), os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0"
step, taken = torch.optim.SGD.step, 0

def sockets():
    own = {os.readlink(fd)[8:-1] for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()}
    for kind in ("tcp", "tcp6"):
        for row in Path("/proc/self/net", kind).read_text().splitlines()[1:]:
            if row.split()[9] in own:
                yield from row.split()[1:3]

def counted(self, *more):
    global taken
    taken += 1
    if taken == int(os.environ["STEP"]) and first:
        Path(f"sockets-{rank}").write_text("\\n".join(sockets()))
        if rank == os.environ.get("DIES"):
            os.kill(os.getpid(), signal.SIGKILL)
    return step(self, *more)

torch.optim.SGD.step = counted
runpy.run_path(os.environ["SCRIPT"], run_name="__main__")
"""
HERE = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}  # 127.0.0.1, ::1
NOBODY = {
    "00000000",
    "0" * 32,
}  # the other end of a socket that listens; where PyTorch's store listens: everywhere


def run(folder: Path, ranks: int, dies: str = "", restarts: int = 0) -> list[str]:
    """Lines that the script printed, run in a folder by so many processes, 0 for none of torchrun's."""
    folder.mkdir(exist_ok=True)
    (folder / "around.py").write_text(AROUND, encoding="utf-8")
    mark = uuid.uuid4().hex
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COVERAGE"))}
    env = kept | {
        "SCRIPT": str(SCRIPT), "STEP": "25", "DIES": dies, "MARK": mark, "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "", "GLOO_SOCKET_IFNAME": "lo", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
    }  # fmt: skip
    start = ["-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1"]
    start += ["--nproc-per-node", str(ranks), "--max-restarts", str(restarts)]
    command = [sys.executable, *(start if ranks else []), "around.py", "--epochs", "3"]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300)
    left = [file.parent.name for file in Path("/proc").glob("[0-9]*/environ") if mark.encode() in _read(file)]
    assert not left, f"processes are left: {left}"
    assert done.returncode == 0, done.stderr[-3000:]
    return [line for line in done.stdout.splitlines() if line.startswith("epoch")]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # it has ended, or is another user's
        return b""


def weights(folder: Path):
    """All weights of the last checkpoint in a folder, as one vector."""
    import torch

    kept = torch.load(folder / "checkpoint.pt")
    assert kept["epoch"] == 3
    return torch.cat([w.flatten() for w in kept["model"].values()])


def addresses(folder: Path) -> set[str]:
    """Addresses at both ends of the sockets that the ranks of a run had open, without ports."""
    return {end.partition(":")[0] for file in folder.glob("sockets-*") for end in file.read_text().split()}


def test_the_page_shows_the_whole_file():
    """What a reader copies from the page is what the tests run."""
    block = re.search(r"\n    ```text\n(.*?)\n    ```\n", PAGE.read_text(encoding="utf-8"), re.S)
    assert textwrap.dedent(block[1]) + "\n" == SCRIPT.read_text(encoding="utf-8")
    assert max(map(len, block[1].split("\n"))) <= 90


linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@linux
def test_two_processes_end_where_one_ends(tmp_path):
    """torchrun's two ranks, each with half of every batch, and Python alone: one set of weights, on loopback only."""
    alone, two = run(tmp_path / "alone", 0), run(tmp_path / "two", 2)
    assert [line.split()[:2] for line in alone] == [["epoch", str(k)] for k in (1, 2, 3)]
    losses = [[float(line.split()[-1]) for line in lines] for lines in (alone, two)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    gap = (weights(tmp_path / "alone") - weights(tmp_path / "two")).abs().max().item()
    assert gap < 1e-5  # float32, 48 steps
    used = addresses(tmp_path / "two")
    assert used & HERE and used <= HERE | NOBODY, used


@linux
@pytest.mark.deep
def test_two_deaths_lose_nothing(tmp_path):
    """SIGKILL in epoch 2 ends a launch; the next goes on, is killed in epoch 3, starts again, and ends alike."""
    whole = run(tmp_path / "whole", 2)
    with pytest.raises(AssertionError, match="SIGKILL"):
        run(tmp_path / "killed", 2, dies="1")
    assert run(tmp_path / "killed", 2, dies="1", restarts=1) == whole[1:]  # each epoch is told once
    assert (weights(tmp_path / "killed") == weights(tmp_path / "whole")).all()
