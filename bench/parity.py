"""The time of every row of docs/reference/parity.md, relative to PyTorch = 1.

The page says itself what its rows compare: its blocks are run, with what measures differences replaced by what measures
times. Forward and backward are timed in float32; of an optimiser a step, of a schedule its making and 200 steps.
The two libraries take turns within each round, and what counts is the median of the rounds' ratios.

    python -m bench parity                 the table
    python -m bench parity --record        the same, written to docs/reference/records/parity.json and into the page
    python -m bench parity --page          the page again, from the record there is
    python -m bench parity --quick         fewer rounds
"""

import json
import re
import statistics
import textwrap
import warnings

import numpy as np
import torch

from bench.engine import ROOT, about, clock, tied
from bookbinder.chapter import load
from chainrule import Tensor, optim
from chainrule.checks import _flat
from chainrule.torch import COUNTERPARTS

RECORD = ROOT / "docs" / "reference" / "records" / "parity.json"
PAGE = ROOT / "docs" / "reference" / "parity.md"
TURN = 2e-3  # seconds that a row has the processor for in each library's turn, at least


# --- What the page is run with ----------------------------------------------------------------------------------


class Timing:
    """Stands in for the page's tables and for its functions of the same names; `ratios` holds what was measured."""

    NAMES = "Report", "differences_to_torch", "descend", "schedule", "clipping"

    def __init__(self, rounds):
        self.rounds, self.ratios, self.steps = rounds, {}, []

    def Report(self):
        return self

    def row(self, name, differences):
        """Measure what `differences` notes."""
        self.steps.clear()
        differences(np.float32)
        self.ratios[name] = ratio(self.steps[::2], self.steps[1::2], self.rounds)
        print(f"{name:45} {self.ratios[name]:6.2f}", flush=True)

    def differences_to_torch(self, ours, theirs, *inputs, dtype):
        """Note forward and backward of both."""
        arrays = [x.astype(dtype) if x.dtype.kind == "f" else x for x in map(np.asarray, inputs)]
        self.steps.append(both_ways(ours, Tensor, arrays))
        self.steps.append(both_ways(theirs, torch.tensor, arrays))
        return {"the value": 0.0}

    def descend(self, ours, theirs, p, q):
        """Note a step of both, with the gradient there already."""
        for optimizer, u in ((ours, p), (theirs, q)):
            (u * u).sum().backward()
            self.steps.append(optimizer.step)
        return {"the value": 0.0, "the gradient": 0.0}

    def schedule(self, report, name, **options):
        """Note the making and 200 steps of both."""

        def planned(kind, library, make):
            def step():
                plan = kind(library.SGD([make([1.0])], lr=0.1, momentum=0.9), **options)
                for _ in range(200):
                    plan.step()

            return step

        kind = name.partition(".")[2]
        pair = (
            (getattr(optim, kind), optim, Tensor),
            (getattr(torch.optim.lr_scheduler, kind), torch.optim, torch.tensor),
        )
        report.row(name, lambda dtype: self.steps.extend(planned(*one) for one in pair))

    def clipping(self, dtype):
        """Note the clipping of a gradient that is too long."""
        for clip, make in ((optim.clip_grad_norm_, Tensor), (torch.nn.utils.clip_grad_norm_, torch.tensor)):
            p, g = make(np.ones(50, dtype), requires_grad=True), make(np.ones(50, dtype))

            def step(clip=clip, p=p, g=g):
                p.grad = g * 1
                clip([p], 1.0)

            self.steps.append(step)


def both_ways(f, make, arrays):
    """A function that calls f with leaves, and goes back from each of its outputs."""
    leaves = [make(x, requires_grad=x.dtype.kind == "f") for x in arrays]
    trained = [x for x in [*leaves, *getattr(f, "parameters", list)()] if x.requires_grad]
    outputs = [out for out in _flat(f(*leaves)) if out.requires_grad]
    above = [make(np.ones(tuple(out.shape), str(out.dtype).removeprefix("torch."))) for out in outputs]
    several = len(outputs) > 1

    def step():
        for x in trained:
            x.grad = None
        outputs = [out for out in _flat(f(*leaves)) if out.requires_grad]
        for out, g in zip(outputs, above, strict=True):
            out.backward(g, retain_graph=several)

    return step


def ratio(ours, theirs, rounds):
    """Median over rounds of the time of all of ours relative to all of theirs."""
    turns, found = [(steps, repeats(steps)) for steps in (ours, theirs)], []
    for _ in range(rounds):
        times = []
        for steps, count in turns:
            spent(steps, 1)  # not counted: the caches hold what the other library needed
            times.append(spent(steps, count) / count)
        found.append(times[0] / times[1])
    return statistics.median(found)


def repeats(steps):
    """How often steps are repeated to fill a turn."""
    spent(steps, 2)
    return max(1, round(TURN / max(spent(steps, 2) / 2, 1e-7)))


def spent(steps, count):
    """Seconds that all the steps take, count times."""
    start = clock()
    for _ in range(count):
        for step in steps:
            step()
    return clock() - start


# --- The record and the page ------------------------------------------------------------------------------------


def measure(rounds):
    """The ratio of every row, by name."""
    timing, names = Timing(rounds), {}
    for block in load(PAGE, ROOT).blocks:
        if timing.ratios.keys() == COUNTERPARTS.keys():
            break  # what follows looks at differences
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # schedules step without their optimisers
            exec(block.code, names)
        names |= {name: getattr(timing, name) for name in timing.NAMES}
    assert timing.ratios.keys() == COUNTERPARTS.keys(), timing.ratios.keys() ^ COUNTERPARTS.keys()
    return timing.ratios


def page(record, text):
    """The page's text with the times of a record, and with what they were measured on."""
    show = lambda ratio: f"{ratio:.2f}" if round(ratio, 2) < 1 else f"{ratio:.1f}"
    told = " ".join(f"{name.partition('.')[2]}={show(ratio)}" for name, ratio in record["ratio"].items())
    times = textwrap.fill(told, 80)
    where = (
        "Measured on {date} on {processor}, by one thread, with NumPy {numpy}, {blas} and PyTorch {torch}."
    )
    for pattern, new in (
        (r'(?<=TIMES = """\n).*?(?=\n""")', times),
        (r'(?<=MEASURED = ").*?(?=")', record["code"]),
        (r"^Measured on .*?$", where.format(**record)),
    ):
        text, count = re.subn(pattern, new, text, count=1, flags=re.S | re.M)
        assert count, f"{PAGE} lacks {pattern}"
    return text


def main(arguments):
    """Measure, and with --record write."""
    if "--page" not in arguments:
        with tied():
            record = about() | {"ratio": measure(5 if "--quick" in arguments else 21)}
        if "--record" not in arguments:
            return
        record["ratio"] = {name: round(value, 3) for name, value in record["ratio"].items()}
        RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    text = page(json.loads(RECORD.read_text(encoding="utf-8")), PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(text, encoding="utf-8")
    print(f"written: {PAGE.relative_to(ROOT)}")
