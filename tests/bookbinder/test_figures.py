"""Figures in two inks, within their weight."""

import base64
import gzip

import matplotlib
import numpy as np
import pytest

matplotlib.use("agg")
import matplotlib.pyplot as plt

from bookbinder import figures


@pytest.fixture
def axes():
    with matplotlib.rc_context(fname=str(figures.__file__).replace("figures.py", "matplotlibrc")):
        fig, ax = plt.subplots()
        ax.set(title="A $\\mathrm{loss}$ & more", xlabel="step")
        yield ax
        plt.close(fig)


def test_the_dark_version_swaps_ink_and_nothing_else(axes):
    axes.plot([0, 1], [0, 1], color="C0")
    drawn = figures.draw(axes.figure)
    assert drawn["alt"] == "A loss & more" and drawn["desc"] == "x axis: step"
    assert "#222222" in drawn["light"] and "#222222" not in drawn["dark"]
    assert "#3b82c4" in drawn["light"] and "#3b82c4" in drawn["dark"]
    assert "<title>A loss &amp; more</title>" in drawn["light"]


def test_the_same_figure_gives_the_same_bytes(axes):
    drawn = []
    for _ in range(2):
        fig, ax = plt.subplots()
        ax.plot([0, 1], [0, 1])
        ax.set_title("Same")
        drawn.append(figures.draw(fig))
        plt.close(fig)
    assert drawn[0] == drawn[1]


def test_a_heavy_figure_is_rasterised_inside(axes):
    axes.scatter(*np.random.default_rng(0).normal(size=(2, 3000)), s=2)
    drawn = figures.draw(axes.figure)
    assert drawn["format"] == "svg" and "data:image/webp" in drawn["light"]
    assert len(gzip.compress(drawn["light"].encode())) <= figures.MAX_BYTES


def test_a_figure_too_heavy_for_that_becomes_webp(axes):
    rng = np.random.default_rng(0)
    axes.imshow(rng.normal(size=(300, 500)), aspect="auto")
    drawn = figures.draw(axes.figure)
    assert drawn["format"] == "webp" and drawn["light"] != drawn["dark"]
    assert len(base64.b64decode(drawn["light"])) <= figures.MAX_BYTES and "bytes" not in drawn


def test_a_figure_too_heavy_even_for_that_says_so(axes):
    axes.figure.set_size_inches(12, 12)
    axes.imshow(np.random.default_rng(0).normal(size=(900, 900)), aspect="auto", interpolation="nearest")
    drawn = figures.draw(axes.figure)
    heavier = max(len(base64.b64decode(drawn[ink])) for ink in ("light", "dark"))
    assert figures.MAX_BYTES < heavier <= drawn["bytes"] <= heavier + 2


def test_a_figure_without_words_has_no_alternative_text():
    fig = plt.figure()
    assert figures.draw(fig)["alt"] == ""
    plt.close(fig)
