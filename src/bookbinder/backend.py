"""matplotlib's backend in a chapter: Agg, whose `show` publishes through the binder (see figures.py)."""

from matplotlib.backends.backend_agg import FigureCanvasAgg as FigureCanvas

from bookbinder.figures import show

__all__ = ["FigureCanvas", "show"]
