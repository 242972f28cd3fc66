"""The figures that several chapters share.

Each function draws into `ax`, the current axes if None, and returns it, so that a chapter can add to it. Colours and
fonts are those of Matplotlib's settings, which the book sets once for all. Matplotlib is imported when needed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.autograd import Node, no_grad
from chainrule.tensor import Tensor, as_plain


def _start(ax: Any, title: str, xlabel: str = "", ylabel: str = "") -> Any:
    """The axes, with title and labels."""
    import matplotlib.pyplot as plt

    ax = plt.gca() if ax is None else ax
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
    return ax


def decision_field(model: Callable[..., Any], x: Any, y: Any, ax: Any = None, steps: int = 150) -> Any:
    """The plane in the colours of the classes that a model sees there, with the points on it.

    Args:
        model: from points of **shape** (N, 2) to scores: (N, C), or (N, 1) or (N,) that are positive for class 1.
        x: points of **shape** (B, 2).
        y: labels of **shape** (B,), 0 … C - 1; where there are two classes, -1 and 1 do as well.
        ax: where to draw.
        steps: points of the grid along each side.
    """
    x, y = as_plain(x), np.maximum(as_plain(y).ravel().astype(int), 0)
    low, high = x.min(0), x.max(0)
    low, high = low - 0.1 * (high - low), high + 0.1 * (high - low)
    grid = np.stack(np.meshgrid(*np.linspace(low, high, steps, dtype=x.dtype).T), -1)
    with no_grad():
        scores = as_plain(model(grid.reshape(-1, 2))).reshape(steps * steps, -1)
    seen = scores.argmax(1) if scores.shape[1] > 1 else scores[:, 0] > 0
    ax = _start(ax, "What the model sees", "$x_1$", "$x_2$")
    colours = [f"C{k}" for k in range(max(scores.shape[1], 2))]
    levels = np.arange(len(colours) + 1) - 0.5
    ax.contourf(*grid.T, seen.reshape(steps, steps).T.astype(int), levels, colors=colours, alpha=0.25)
    for k, colour in enumerate(colours):
        ax.scatter(*x[y == k].T, s=14, c=colour, marker="os^Dv<>P*X"[k % 10], label=f"class {k}")
    ax.legend()
    return ax


def loss_curves(history: Mapping[str, Sequence[float]], ax: Any = None, log: bool = False) -> Any:
    """Each loss of a history over the epochs, as `fit` returns it."""
    ax = _start(ax, "Loss while training", "epoch", "loss")
    ax.set_yscale("log" if log else "linear")
    for name in (name for name in history if name.endswith("loss")):
        epochs = range(1, len(history[name]) + 1)
        ax.plot(epochs, history[name], label=name.replace("val_loss", "validation loss"))
    ax.legend()
    return ax


def contour(f: Callable[..., Any], path: Any = None, x: Any = (-2, 2), y: Any = (-2, 2), ax: Any = None,
            levels: Any = 20) -> Any:  # fmt: skip
    """Level lines of a function of two numbers, and the path of a descent over them.

    Args:
        f: function of two arrays, entry by entry.
        path: points of **shape** (T, 2), in order.
        x: left and right end.
        y: lower and upper end.
        ax: where to draw.
        levels: how many lines, or at which values.
    """
    grid = np.meshgrid(np.linspace(x[0], x[1], 200), np.linspace(y[0], y[1], 200))
    ax = _start(ax, "Level lines" if path is None else "Path of the descent", "$x$", "$y$")
    ax.contour(*grid, as_plain(f(*grid)), levels, linewidths=0.8)
    if path is not None:
        ax.plot(*as_plain(path).T, "o-", color="C1", markersize=3)
    return ax


def histogram(values: Any, ax: Any = None, bins: int = 50) -> Any:
    """How values are spread: an array, or several by name, of any **shape**."""
    ax = _start(ax, "How the values are spread", "value", "density")
    named = values if isinstance(values, Mapping) else {"": values}
    for name, array in named.items():
        ax.hist(as_plain(array).ravel(), bins, density=True, histtype="stepfilled", alpha=0.5, label=name)
    if any(named):
        ax.legend()
    return ax


def filters(weight: Any, columns: int = 8, ax: Any = None) -> Any:
    """The filters of a convolution side by side, in two colours around 0; **shape** (O, C, kh, kw), means over C."""
    weight = as_plain(weight).mean(1)
    ax = images(weight, columns=columns, signed=True, ax=ax)
    ax.set_title(f"{len(weight)} filters")
    ax.figure.colorbar(ax.images[0], ax=ax, label="weight", shrink=0.7)
    return ax


def images(
    images: Any, labels: Any = None, columns: int = 8, signed: bool | None = None, ax: Any = None
) -> Any:
    """Grey or signed images in a grid, all on one scale.

    Args:
        images: **shape** (N, H, W) or (N, 1, H, W).
        labels: what to write below each image, N words or numbers; None for nothing.
        columns: images in a row.
        signed: draw in two colours with 0 in the middle, as for weights and gradients, rather than in greys from the
            smallest to the largest value; None to do so where there are numbers below 0.
        ax: where to draw.

    Raises:
        ValueError: if images has another shape, or labels another length.
    """
    pixels = as_plain(images)
    pixels = pixels[:, 0] if pixels.ndim == 4 and pixels.shape[1] == 1 else pixels
    words = [""] * len(pixels) if labels is None else [str(label) for label in as_plain(labels).tolist()]
    if pixels.ndim != 3 or pixels.size == 0 or len(words) != len(pixels):
        wanted = "images (N, H, W) or (N, 1, H, W), and N labels or None"
        raise ValueError(f"images: wanted {wanted}, got {np.shape(images)} and {len(words)} labels")
    columns = min(columns, len(pixels))
    gap = max(1, round(pixels.shape[1] * 0.3)) if labels is not None else 1  # room for a label
    height, width = pixels.shape[1] + gap, pixels.shape[2] + 1
    canvas = np.full((-(-len(pixels) // columns) * height, columns * width), np.nan)
    ax = _start(ax, f"{len(pixels)} images")
    for i, (image, word) in enumerate(zip(pixels, words, strict=True)):
        top, left = i // columns * height, i % columns * width
        canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
        middle = left + (image.shape[1] - 1) / 2
        ax.text(middle, top + height - 0.5 - gap / 2, word, ha="center", va="center", fontsize="small")
    ax.axis("off")
    ax.imshow(canvas, aspect="equal", **_scale(pixels, signed))
    return ax


def _scale(values: np.ndarray, signed: bool | None) -> dict[str, Any]:
    """Colours and ends of a scale: from the smallest to the largest value in greys, or as far to either side of 0."""
    if signed if signed is not None else values.min() < 0:
        end = float(np.abs(values).max()) or 1.0
        return {"cmap": "RdBu_r", "vmin": -end, "vmax": end}
    return {"cmap": "gray", "vmin": float(values.min()), "vmax": float(values.max())}


def attention(weights: Any, queries: Sequence[str] = (), keys: Sequence[str] = (), ax: Any = None) -> Any:
    """How much each query looks at each key: a row of weights for each query.

    Args:
        weights: **shape** (L, S), not negative.
        queries: L words or letters, written beside the rows; none for no words.
        keys: S words or letters, written above the columns; none for no words.
        ax: where to draw.

    Raises:
        ValueError: if weights has another shape, or the words are not as many.
    """
    weights = as_plain(weights)
    named = [len(words) or n for words, n in zip((queries, keys), weights.shape, strict=False)]
    if weights.ndim != 2 or named != [*weights.shape]:
        got = f"{weights.shape} with {len(queries)} queries and {len(keys)} keys"
        raise ValueError(f"attention: wanted weights (L, S) with L queries and S keys, got {got}")
    ax = _start(ax, "Where each query looks", "key", "query")
    shown = ax.imshow(weights, cmap="Blues", vmin=0, vmax=max(float(weights.max(initial=0)), 1e-12))
    ax.grid(False)
    ax.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    ax.xaxis.set_label_position("top")
    for axis, words in ((ax.xaxis, keys), (ax.yaxis, queries)):
        if words:
            axis.set_ticks(range(len(words)), [*words])
    ax.figure.colorbar(shown, ax=ax, label="weight", shrink=0.7)
    return ax


def histories(histories: Mapping[str, Any], ax: Any = None, log: bool = False, ylabel: str = "loss") -> Any:
    """Mean over several runs of what was measured at every epoch, and the range from the least to the largest.

    Args:
        histories: for each name the numbers of its runs, **shape** (runs, epochs): one curve and one band each.
        ax: where to draw.
        log: a logarithmic scale.
        ylabel: what was measured.

    Raises:
        ValueError: if runs of a name differ in length, or there are none.
    """
    ax = _start(ax, "Mean and range over runs", "epoch", ylabel)
    ax.set_yscale("log" if log else "linear")
    for name, runs in histories.items():
        lengths = {len(run) for run in runs}
        if len(lengths) != 1 or lengths == {0}:
            raise ValueError(f"histories: wanted runs of one length, {name!r} has {sorted(lengths)}")
        values = np.asarray(runs, float)
        epochs = range(1, values.shape[1] + 1)
        (line,) = ax.plot(epochs, values.mean(0), label=name)
        ax.fill_between(epochs, values.min(0), values.max(0), color=line.get_color(), alpha=0.2, linewidth=0)
    ax.legend()
    return ax


def graph(root: Any, names: Mapping[str, Any] | None = None, ax: Any = None) -> Any:
    """The graph behind a Tensor or a scalar `Value`: leaves on the left, what came of them on the right.

    Args:
        root: the result.
        names: what to write on a leaf, as {name: Tensor or Value}.
        ax: where to draw.

    Raises:
        ValueError: if root is a Tensor without a graph.
    """
    start = root.node if isinstance(root, Tensor) else root
    if start is None:
        raise ValueError("graph: no graph; nothing this was computed from has requires_grad=True")
    known = {getattr(x, "node", x): name for name, x in (names or {}).items()}
    place, boxes = _layout(start), dict[Any, Any]()
    ax = _start(ax, "Graph of the computation")
    for node, at in place.items():
        box = {"boxstyle": "round", "facecolor": "none", "edgecolor": "C1" if _parents(node) else "C0"}
        boxes[node] = ax.annotate(_text(node, known), at, ha="center", va="center", bbox=box).get_bbox_patch()
        for parent in _parents(node):
            arrow = {"arrowstyle": "->", "color": "C5", "patchA": boxes[parent], "patchB": boxes[node]}
            arrow["connectionstyle"] = f"arc3,rad={_bend(place[parent], at)}"
            ax.annotate("", at, place[parent], arrowprops=arrow)
    xs, ys = zip(*place.values(), strict=True)
    ax.set(xlim=(min(xs) - 0.5, max(xs) + 0.5), ylim=(min(ys) - 0.7, max(ys) + 0.7))
    ax.axis("off")
    return ax


def _parents(node: Any) -> list[Any]:
    """What a node was computed from; a `Value` keeps each with its slope."""
    return node.parents if isinstance(node, Node) else [parent for parent, _ in node.parents]


def _bend(start: tuple[float, float], end: tuple[float, float]) -> float:
    """How much an arrow is bent, so that it passes around the boxes of the columns between its ends."""
    if end[0] - start[0] == 1:
        return 0.0
    return -0.4 if start[1] > end[1] else 0.4


def _text(node: Any, known: Mapping[Any, str]) -> str:
    """What is written on a node: its name if it is known, and what it holds."""
    if isinstance(node, Node):
        return f"{known.get(node, node.op)}\n{'×'.join(map(str, node.shape)) or 'scalar'}"
    return f"{known.get(node, '')}\n{node.data:.4g}\ngrad {node.grad:.4g}".strip()


def _layout(root: Any) -> dict[Any, tuple[float, float]]:
    """Places of the nodes: a column for each number of steps from a leaf, each node level with its parents."""
    depth: dict[Any, int] = {}

    def visit(node: Any) -> int:
        if node not in depth:
            depth[node] = 1 + max(map(visit, _parents(node)), default=-1)
        return depth[node]

    place: dict[Any, tuple[float, float]] = {}
    for x in range(visit(root) + 1):
        nodes = [node for node in depth if depth[node] == x]
        nodes.sort(key=lambda node: -np.mean([place[p][1] for p in _parents(node)] or [0.0]))
        place |= {node: (x, (len(nodes) - 1) / 2 - i) for i, node in enumerate(nodes)}
    return place
