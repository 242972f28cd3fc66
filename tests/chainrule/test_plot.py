"""Figures: what they show is what the data says; every one has a title, labels, and colours of the cycle."""

import subprocess
import sys

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from chainrule import Tensor, data, nn, plot
from chainrule.scalar import Value


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(autouse=True)
def figures():
    yield
    plt.close("all")


def check(ax):
    """Drawn, with a title, without a warning, and as an SVG too."""
    from io import BytesIO

    file = BytesIO()
    ax.figure.savefig(file, format="svg")
    assert ax.get_title() and len(file.getvalue()) > 1000
    return file.getvalue().decode()


def test_decision_field_shows_the_models_decision():
    x = rng().uniform(-1, 1, (60, 2)).astype(np.float32)
    y = (x[:, 0] > 0.25).astype(int)
    ax = plot.decision_field(lambda p: p[:, 0] - 0.25, x, y, steps=41)
    check(ax)
    assert ax.get_xlabel() == "$x_1$" and ax.get_ylabel() == "$x_2$"
    field = ax.collections[0]
    left, right = (paths.get_extents() for paths in field.get_paths())
    assert left.x1 == pytest.approx(0.25, abs=0.06) and right.x0 == pytest.approx(0.25, abs=0.06)
    assert left.y0 == pytest.approx(x[:, 1].min() - 0.1 * np.ptp(x[:, 1]), abs=1e-5)
    assert sum(len(c.get_offsets()) for c in ax.collections[1:]) == 60


@pytest.mark.parametrize("classes", [1, 2, 4])
def test_decision_field_of_a_module(classes):
    x, y = data.spirals(100, classes=max(classes, 2), generator=rng())
    seen = []

    class Net(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(2, classes, generator=rng())

        def forward(self, p):
            out = self.layer(p)
            seen.append((p.shape, p.dtype, out.requires_grad))
            return out

    ax = plot.decision_field(Net(), x, y, steps=20)
    check(ax)
    assert seen == [((400, 2), np.float32, False)]
    assert len(ax.get_legend().get_texts()) == max(classes, 2)


def test_decision_field_takes_labels_of_minus_one_and_one():
    ax = plot.decision_field(lambda p: p[:, :1], [[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]], [-1, 1, 1], steps=5)
    assert [len(c.get_offsets()) for c in ax.collections[1:]] == [1, 2]


def test_loss_curves():
    history = {
        "loss": [3.0, 2.0, 1.0],
        "lr": [1, 1, 1],
        "val_loss": [3.0, 2.5, 2.6],
        "val_accuracy": [0, 1, 1],
    }
    ax = plot.loss_curves(history, log=True)
    check(ax)
    assert [list(line.get_ydata()) for line in ax.lines] == [history["loss"], history["val_loss"]]
    assert list(ax.lines[0].get_xdata()) == [1, 2, 3] and ax.get_yscale() == "log"
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["loss", "validation loss"]


def test_contour_with_a_path():
    path = np.array([[1.0, 1.0], [0.5, 0.2], [0.0, 0.0]])
    ax = plot.contour(lambda x, y: x**2 + 5 * y**2, path, x=(-1, 3), y=(-2, 1), levels=[1.0, 5.0])
    check(ax)
    assert np.array_equal(np.transpose(ax.lines[0].get_data()), path)
    ring = np.concatenate([p.vertices for p in ax.collections[0].get_paths()[:1]])
    np.testing.assert_allclose(ring[:, 0] ** 2 + 5 * ring[:, 1] ** 2, 1, atol=0.02)


def test_histogram():
    ax = plot.histogram({"before": rng().normal(size=(10, 20)), "after": Tensor(np.ones((3, 3)))}, bins=10)
    check(ax)
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["before", "after"]
    assert plot.histogram(np.ones(4), plt.figure().gca()).get_legend() is None


def shown(image):
    """What an image shows, NaN where there is nothing."""
    return np.ma.filled(image.get_array().astype(float), np.nan)


def test_filters():
    weight = np.arange(5 * 2 * 3 * 3, dtype=float).reshape(5, 2, 3, 3) - 50
    ax = plot.filters(Tensor(weight), columns=3)
    check(ax)
    canvas = shown(ax.images[0])
    assert canvas.shape == (8, 12) and np.isnan(canvas[3]).all()
    assert np.array_equal(canvas[4:7, 4:7], weight[4].mean(0)) and ax.get_title() == "5 filters"
    assert len(ax.figure.axes) == 2 and ax.figure.axes[1].get_ylabel() == "weight"
    end = np.abs(weight.mean(1)).max()
    assert ax.images[0].get_clim() == (-end, end), "0 has the colour in the middle"


@pytest.mark.parametrize("shape", [(5, 4, 3), (5, 1, 4, 3)])
def test_images_stand_in_a_grid_with_their_labels(shape):
    x = rng().random(shape)
    ax = plot.images(Tensor(x), ["a", "b", "c", "d", "e"], columns=2)
    check(ax)
    canvas, gap = shown(ax.images[0]), 1
    assert canvas.shape == (3 * (4 + gap), 2 * (3 + 1)) and ax.get_aspect() == 1
    for i, image in enumerate(x.reshape(5, 4, 3)):
        top, left = i // 2 * (4 + gap), i % 2 * (3 + 1)
        assert np.array_equal(canvas[top : top + 4, left : left + 3], image)
        text = ax.texts[i]
        assert text.get_text() == "abcde"[i] and text.get_position() == (left + 1, top + 4)
    assert np.isnan(canvas).sum() == canvas.size - x.size
    assert ax.images[0].get_cmap().name == "gray" and ax.images[0].get_clim() == (x.min(), x.max())


def test_signed_images_have_0_in_the_middle():
    x = np.array([[[-1.0, 0.0], [0.5, 0.25]]])
    image = plot.images(x).images[0]
    assert image.get_clim() == (-1, 1)
    red, green, blue, _ = image.get_cmap()(image.norm(np.array([-1.0, 0.0, 1.0]))).T
    assert blue[0] > red[0] and red[2] > blue[2] and min(red[1], green[1], blue[1]) > 0.95
    mirrored = plot.images(-x, ax=plt.figure().gca()).images[0]
    assert mirrored.get_clim() == (-1, 1)
    assert plot.images(np.abs(x), signed=True, ax=plt.figure().gca()).images[0].get_clim() == (-1, 1)
    assert plot.images(x, signed=False, ax=plt.figure().gca()).images[0].get_clim() == (-1, 0.5)
    check(plot.images(np.zeros((2, 3, 3)), [0, 1], signed=True, ax=plt.figure().gca()))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((np.zeros((2, 3)),), r"got \(2, 3\) and 2 labels"),
        ((np.zeros((2, 3, 4, 4)),), r"images \(N, H, W\) or \(N, 1, H, W\)"),
        ((np.zeros((0, 4, 4)),), r"got \(0, 4, 4\)"),
        ((np.zeros((2, 4, 4)), [1, 2, 3]), "and 3 labels"),
    ],
)
def test_images_refuse(args, message):
    with pytest.raises(ValueError, match=message):
        plot.images(*args)


def test_attention():
    weights = np.array([[0.9, 0.1, 0.0], [0.2, 0.3, 0.5]])
    ax = plot.attention(Tensor(weights), ["le", "chat"], list("abc"))
    check(ax)
    assert np.array_equal(shown(ax.images[0]), weights) and ax.images[0].get_clim() == (0, 0.9)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["a", "b", "c"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["le", "chat"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("key", "query") and ax.xaxis.get_label_position() == "top"
    light, dark = (sum(ax.images[0].get_cmap()(w)[:3]) for w in (0.0, 1.0))
    assert light > dark, "much attention is much ink"


def test_attention_without_words_and_with_strings():
    check(plot.attention(np.eye(4)))
    ax = plot.attention(np.eye(3), "abc", "xyz", ax=plt.figure().gca())
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((np.eye(2), "abc"), r"got \(2, 2\) with 3 queries and 0 keys"),
        ((np.eye(2), "ab", "abc"), "2 queries and 3 keys"),
        ((np.zeros((1, 2, 2)),), r"weights \(L, S\)"),
        ((np.zeros(2),), r"weights \(L, S\)"),
    ],
)
def test_attention_refuses(args, message):
    with pytest.raises(ValueError, match=message):
        plot.attention(*args)


def test_histories_are_mean_and_range():
    runs = {"adam": [[3.0, 1.0, 0.5], [5.0, 2.0, 0.25]], "sgd": np.ones((4, 3))}
    ax = plot.histories(runs, log=True, ylabel="test loss")
    check(ax)
    assert [line.get_ydata().tolist() for line in ax.lines] == [[4, 1.5, 0.375], [1, 1, 1]]
    assert list(ax.lines[0].get_xdata()) == [1, 2, 3] and ax.get_yscale() == "log"
    band = ax.collections[0].get_paths()[0].vertices
    for epoch, low, high in [(1, 3, 5), (2, 1, 2), (3, 0.25, 0.5)]:
        at = band[band[:, 0] == epoch, 1]
        assert (at.min(), at.max()) == (low, high)
    assert matplotlib.colors.same_color(ax.collections[1].get_facecolor()[0][:3], ax.lines[1].get_color())
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["adam", "sgd"]
    assert ax.get_ylabel() == "test loss"


@pytest.mark.parametrize("runs", [[[1.0, 2.0], [1.0]], [[]], []])
def test_histories_refuse_runs_that_differ(runs):
    with pytest.raises(ValueError, match="runs of one length, 'a' has"):
        plot.histories({"a": runs})


def edges(ax):
    return [(tuple(a.xyann), tuple(a.xy)) for a in ax.texts if a.arrow_patch is not None and not a.get_text()]


def test_graph_of_a_tensor():
    x, w = Tensor(np.ones((4, 3)), requires_grad=True), Tensor(np.ones((3, 2)), requires_grad=True)
    h = x @ w
    loss = (h * h + h).sum()
    ax = plot.graph(loss, {"x": x, "w": w})
    text = check(ax)
    labels = [a.get_text() for a in ax.texts if a.get_text()]
    assert sorted(labels) == ["add\n4×2", "matmul\n4×2", "mul\n4×2", "sum\nscalar", "w\n3×2", "x\n4×3"]
    assert len(edges(ax)) == 7  # h goes into the product twice and into the sum once
    assert "<svg" in text
    places = {a.get_text(): a.xyann for a in ax.texts if a.get_text()}
    assert len(set(places.values())) == 6
    assert places["sum\nscalar"][0] > places["add\n4×2"][0] > places["mul\n4×2"][0] > places["matmul\n4×2"][0]


def test_graph_of_scalars():
    x, y, z = Value(2.0), Value(3.0), Value(-1.0)
    out = (x + y) * z
    out.backward()
    ax = plot.graph(out, {"x": x, "y": y, "z": z, "out": out})
    check(ax)
    labels = [a.get_text() for a in ax.texts if a.get_text()]
    assert (
        "x\n2\ngrad -1" in labels
        and "z\n-1\ngrad 5" in labels
        and "out\n-5\ngrad 1" in labels
        and len(labels) == 5
    )


def test_an_arrow_over_several_columns_passes_around_the_boxes_between():
    x, y = Value(2.0), Value(3.0)
    a = x * y
    b = a + x
    ax = plot.graph(a * b, {"x": x, "y": y, "a": a, "b": b})
    ax.figure.canvas.draw()
    boxes = [t.get_bbox_patch().get_window_extent() for t in ax.texts if t.get_text()]
    arrows = [t.arrow_patch for t in ax.texts if t.arrow_patch is not None and not t.get_text()]
    assert len(arrows) == 6
    for arrow in arrows:
        lines = arrow.get_transform().transform_path(arrow.get_path()).to_polygons(closed_only=False)
        steps = [np.linspace(a, b, 50) for line in lines for a, b in zip(line, line[1:], strict=False)]
        points = np.concatenate(steps)
        assert [box for box in boxes if any(box.contains(*point) for point in points)] == []


def test_graph_needs_a_graph():
    with pytest.raises(ValueError, match="no graph"):
        plot.graph(Tensor([1.0]))


def test_axes_that_are_given_are_used():
    _, (left, right) = plt.subplots(1, 2)
    assert plot.loss_curves({"loss": [1.0]}, left) is left and plot.histogram(np.ones(3), ax=right) is right


def test_import_needs_no_matplotlib():
    code = "import sys, chainrule.plot; print('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
