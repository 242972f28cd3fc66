"""A small GPT trained on tiny Shakespeare: the recorded run of the chapter "Text in, text out".

It takes minutes on a GPU and about twenty on one core, so `python -m bench` leaves it out unless it is named.

    python -m bench gpt                     train, and show what came out
    python -m bench gpt --resume            go on from the checkpoint of a run that was stopped (Ctrl-C)
    python -m bench gpt --stop              train no further: what the checkpoint holds is the result
    python -m bench gpt --record            the same, with the weights and the record written
    python -m bench gpt --steps=3000 --device=cpu --out=.cache/gpt
"""

import hashlib
import json
import platform
import re
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from bench.engine import processor
from chainrule import data, models
from chainrule.torch import device, to_torch

ROOT = Path(__file__).parent.parent
RECORD = ROOT / "docs" / "reference" / "records" / "shakespeare_gpt.json"
WEIGHTS = ROOT / "src" / "chainrule" / "datasets" / "shakespeare_gpt.npz"
SETTINGS = {
    "steps": 3000, "batch": 16, "context": 128, "vocab": 512, "embed_dim": 128, "heads": 4, "layers": 4,
    "rate": 2e-3, "least_rate": 1e-4, "warm_up": 200, "weight_decay": 0.1, "clip": 1.0, "seed": 0,
}  # fmt: skip
PIECE = re.compile(r" ?\w+|\W+?(?= ?\w|\Z)")


# --- Tokens -----------------------------------------------------------------------------------------------------


def merged(tokens, pair, new):
    """The tokens with each occurrence of the pair, from the left, replaced by the new token."""
    out, i = [], 0
    while i < len(tokens):
        found = tuple(tokens[i : i + 2]) == pair
        out.append(new if found else tokens[i])
        i += 1 + found
    return out


def learn_merges(text, count):
    """The pairs of tokens that are merged, the first from bytes; a merge never reaches over a piece of the text."""
    pieces = [([*piece.encode()], n) for piece, n in Counter(PIECE.findall(text)).items()]
    merges = []
    while len(merges) < count:
        pairs = Counter()
        for tokens, n in pieces:
            for pair in zip(tokens, tokens[1:], strict=False):
                pairs[pair] += n
        best = max(pairs, key=pairs.get)
        new = 256 + len(merges)
        pieces = [(merged(t, best, new) if best[0] in t and best[1] in t else t, n) for t, n in pieces]
        merges.append(best)
    return merges


def encode(text, merges):
    """The tokens of a text: in each piece, the pair that was merged first in learning is merged first."""
    rank, known = {pair: i for i, pair in enumerate(merges)}, {}
    for piece in set(PIECE.findall(text)):
        tokens = [*piece.encode()]
        while ranks := [rank[p] for p in zip(tokens, tokens[1:], strict=False) if p in rank]:
            tokens = merged(tokens, merges[min(ranks)], 256 + min(ranks))
        known[piece] = tokens
    return np.array([t for piece in PIECE.findall(text) for t in known[piece]])


def token_bytes(merges):
    """The bytes of each token."""
    table = [bytes([b]) for b in range(256)]
    for a, b in merges:
        table.append(table[a] + table[b])
    return table


# --- Counting instead of learning -------------------------------------------------------------------------------


def count_models(train, held, longest, discount=None):
    """Held-out nats per character of counts after contexts of 0 to `longest` characters: interpolated Kneser-Ney.

    The longest context has plain counts; in shorter ones a continuation counts once for each character before it. From
    each count a discount is taken, by default that which the counts of 1 and 2 give, and goes to the shorter context.
    """
    letters = np.array(sorted(set(train + held)))
    a, b = (np.searchsorted(letters, np.array([*s])) for s in (train, held))
    base, start, found = len(letters), longest + 1, []
    p = np.full(len(b) - start, 1 / base)
    for n in range(longest + 1):
        wanted = codes(b, n, base, start)
        plain = np.unique(codes(a, n, base, start), return_counts=True)
        found.append(float(-np.log(mixed(*plain, base, wanted, p, discount)).mean()))
        longer = np.unique(codes(a, n + 1, base, start))
        p = mixed(*np.unique(longer % base ** (n + 1), return_counts=True), base, wanted, p, discount)
    return found


def mixed(keys, counts, base, wanted, p, discount):
    """The probability of each wanted character after its context, from counts and from the shorter context's p."""
    contexts, first, kinds = np.unique(keys // base, return_index=True, return_counts=True)
    totals, (once, twice) = np.add.reduceat(counts, first), ((counts == n).sum() for n in (1, 2))
    if discount is None:
        discount = once / (once + 2 * twice) if once and twice else 0.5
    total, kind = (lookup(contexts, x, wanted // base) for x in (totals, kinds))
    rest = np.maximum(lookup(keys, counts, wanted) - discount, 0)
    return np.where(total > 0, (rest + discount * kind * p) / np.maximum(total, 1), p)


def codes(x, n, base, start):
    """Each character from `start` on, and the n before it, as one integer."""
    code = np.zeros(len(x) - start, np.int64)
    for k in range(n, -1, -1):
        code = code * base + x[start - k : len(x) - k]
    return code


def lookup(keys, values, wanted):
    """The values of the wanted keys, 0 where there is none; keys are sorted."""
    i = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[i] == wanted, values[i], 0)


# --- Training ---------------------------------------------------------------------------------------------------


def rate(step, s):
    """The learning rate: a straight line up, then half a cosine down."""
    if step < s["warm_up"]:
        return s["rate"] * (step + 1) / s["warm_up"]
    part = (step - s["warm_up"]) / max(1, s["steps"] - s["warm_up"])
    return s["least_rate"] + (s["rate"] - s["least_rate"]) * (1 + np.cos(np.pi * part)) / 2


@torch.no_grad()
def held_out_loss(model, tokens, context):
    """Mean loss per token; windows share one token, so that each but the first is predicted once."""
    where, total = next(model.parameters()).device, 0.0
    starts = range(0, len(tokens) - 1, context)
    full = [tokens[i : i + context + 1] for i in starts if i + context < len(tokens)]
    rest = [tokens[starts[-1] :]] if len(tokens) - 1 > context * len(full) else []
    for group in [full[i : i + 32] for i in range(0, len(full), 32)] + ([rest] if rest else []):
        x = torch.tensor(np.array(group), device=where)
        total += float(F.cross_entropy(model(x[:, :-1]).flatten(0, 1), x[:, 1:].flatten(), reduction="sum"))
    return total / (len(tokens) - 1)


class Run:
    """The state of a run, which a checkpoint holds."""

    def __init__(self, s, merges, where):
        self.s, self.step, self.seconds, self.curve, self.best = s, 0, 0.0, [], (np.inf, 0, None)
        self.plans = [[0, s["steps"]]]  # from this step on, a schedule of so many
        sizes = len(merges) + 256, s["context"], s["embed_dim"], s["heads"], s["layers"]
        self.model = to_torch(models.GPT(*sizes, generator=np.random.default_rng(s["seed"])), where)
        matrices = [p for p in self.model.parameters() if p.ndim > 1]
        others = [p for p in self.model.parameters() if p.ndim == 1]
        groups = [{"params": matrices}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(
            groups, lr=s["rate"], betas=(0.9, 0.99), weight_decay=s["weight_decay"]
        )

    def state(self):
        """What a checkpoint holds."""
        kept = {k: getattr(self, k) for k in ("s", "step", "seconds", "curve", "best", "plans")}
        return kept | {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load(self, state):
        """Go on from a checkpoint with the settings that it was made with; only the number of steps may change."""
        changed = sorted(k for k in self.s if k != "steps" and self.s[k] != state["s"].get(k))
        if changed:
            names = ", ".join(changed)
            sys.exit(
                f"bench gpt: the checkpoint was made with another {names}: leave it as it was, or use another --out"
            )
        self.step, self.seconds, self.curve, self.best = (
            state[k] for k in ("step", "seconds", "curve", "best")
        )
        self.plans = state.get("plans", [[0, state["s"]["steps"]]])
        if self.plans[-1][1] != self.s["steps"]:
            self.plans.append([self.step, self.s["steps"]])
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])

    def train(self, tokens, held, per_token, every, checkpoint):
        """Train to the end, with a look at the held-out text and a checkpoint every so many steps.

        The batches of a step depend on the seed and the step alone, so a run that was stopped goes on with its own.
        """
        s, where, start = self.s, next(self.model.parameters()).device, time.perf_counter()
        spent, losses = self.seconds, []
        places = np.arange(s["context"] + 1)
        while self.step < s["steps"]:
            rng = np.random.default_rng([s["seed"], self.step])
            first = rng.integers(len(tokens) - s["context"], size=(s["batch"], 1))
            x = torch.tensor(tokens[first + places], device=where)
            for group in self.optimizer.param_groups:
                group["lr"] = rate(self.step, s)
            self.optimizer.zero_grad()
            loss = F.cross_entropy(self.model(x[:, :-1]).flatten(0, 1), x[:, 1:].flatten())
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), s["clip"])
            self.optimizer.step()
            losses.append(float(loss.detach()))
            self.step += 1
            self.seconds = spent + time.perf_counter() - start
            if self.step % every == 0 or self.step == s["steps"]:
                self.look(held, float(np.mean(losses)), per_token)
                losses.clear()
                torch.save(self.state(), checkpoint)
            elif self.step % 25 == 0:
                print(f"\r{self.step} of {s['steps']}, {self.seconds:.0f} s", end="", flush=True)

    def look(self, held, trained, per_token):
        """Measure on the held-out text, keep the weights if they are the best so far, and say so."""
        loss = held_out_loss(self.model, held, self.s["context"])
        self.curve.append((self.step, trained / per_token, loss / per_token))
        if loss < self.best[0]:
            weights = {k: v.detach().cpu().clone() for k, v in self.model.state_dict().items()}
            self.best = loss, self.step, weights
        best = "best so far" if self.best[1] == self.step else f"best at {self.best[1]}"
        print(
            f"\rstep {self.step:5}: training {trained / per_token:.4f}, held out {loss / per_token:.4f} nats a "
            f"character ({best}), {self.seconds:.0f} s",
            flush=True,
        )


# --- What comes out ---------------------------------------------------------------------------------------------


def text_hash(text):
    """sha256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def weights_hash(arrays):
    """sha256 of arrays, in the order of their names; the file's own would change with the packer."""
    return hashlib.sha256(b"".join(arrays[k].tobytes() for k in sorted(arrays))).hexdigest()


def chip(where):
    """The name of what it ran on."""
    return torch.cuda.get_device_name(where) if where.type == "cuda" else processor()


def result(run, merges, where, train, held, tokens, held_tokens):
    """The arrays to ship and the record of the run."""
    loss, step, weights = run.best
    if weights is None:
        sys.exit("bench gpt: no weights were measured yet: --resume, and let it come to the first look")
    arrays = {f"weight.{k}": v.numpy().astype(np.float16) for k, v in weights.items()}
    rounded = {k.removeprefix("weight."): torch.tensor(v.astype(np.float32)) for k, v in arrays.items()}
    run.model.load_state_dict(rounded)
    loss = held_out_loss(run.model, held_tokens, run.s["context"])
    per_token = len(held) / len(held_tokens)
    arrays["merges"] = np.array(merges, np.uint16)
    return arrays, {
        "date": datetime.now(UTC).date().isoformat(),
        "device": chip(where),
        "kind": where.type,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "settings": run.s | {"steps": run.step},
        "schedule": [f"of {steps} steps, from step {first}" for first, steps in run.plans],
        "parameters": sum(p.numel() for p in run.model.parameters()),
        "tokens": {"train": len(tokens), "held out": len(held_tokens)},
        "characters": {"train": len(train), "held out": len(held)},
        "seconds": round(run.seconds),
        "best step": step,
        "held out": {
            "nats a token": loss,
            "nats a character": loss / per_token,
            "bits a character": loss / per_token / np.log(2),
        },
        "counts, nats a character": [round(x, 4) for x in count_models(train, held, 7)],
        "counts, tuned": round(min(min(count_models(train, held, 7, d)) for d in (0.8, 0.85, 0.9, 0.95)), 4),
        "curve": [[int(a), round(float(b), 4), round(float(c), 4)] for a, b, c in run.curve],
        "sha256": {"text": text_hash(train + held), "weights": weights_hash(arrays)},
    }


def options(arguments):
    """What the flags say: the settings, and the other options."""
    given = dict(flag.removeprefix("--").partition("=")[::2] for flag in arguments)
    settings = SETTINGS | {k: type(SETTINGS[k])(given.pop(k)) for k in SETTINGS if k in given}
    return settings, given


def main(arguments):
    """Train, show, and with --record write."""
    s, given = options(arguments)
    where = torch.device(given["device"]) if given.get("device") else device()
    torch.set_num_threads(int(given.get("threads") or 1))
    out = Path(given.get("out") or ROOT / ".cache" / "gpt")
    out.mkdir(parents=True, exist_ok=True)
    text = data.shakespeare()
    cut = int(0.9 * len(text))
    train, held = text[:cut], text[cut:]
    started = time.perf_counter()
    merges = learn_merges(train, s["vocab"] - 256)
    tokens, held_tokens = encode(train, merges), encode(held, merges)
    per_token = len(held) / len(held_tokens)
    print(
        f"{len(tokens):,} + {len(held_tokens):,} tokens of {per_token:.2f} characters, in "
        f"{time.perf_counter() - started:.0f} s; on {chip(where)}"
    )
    checkpoint, state = out / "checkpoint.pt", None
    if "resume" in given or "stop" in given:
        state = torch.load(checkpoint, map_location=where, weights_only=False)
        s = s if "resume" in given else state["s"]
    run = Run(s, merges, where)
    if state:
        run.load(state)
    try:
        if "stop" not in given:
            run.train(tokens, held_tokens, per_token, int(given.get("every") or 200), checkpoint)
    except KeyboardInterrupt:
        torch.save(run.state(), checkpoint)
        print(f"\nstopped after {run.step} steps; --resume goes on, --stop takes the best so far")
        return
    arrays, record = result(run, merges, where, train, held, tokens, held_tokens)
    print(json.dumps({k: v for k, v in record.items() if k != "curve"}, indent=1))
    if "record" in given:
        np.savez_compressed(WEIGHTS, **arrays, record=np.array(json.dumps(record)))
        RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        print(
            f"written: {RECORD.relative_to(ROOT)}, {WEIGHTS.relative_to(ROOT)}, {WEIGHTS.stat().st_size:,} bytes"
        )
