"""A small deep-learning engine in NumPy, written to be read.

Names and argument order are PyTorch's: what runs with `import chainrule as torch` mostly runs with `import torch`.
Start reading at `chainrule.tensor`, then `chainrule.autograd`, then `chainrule.ops`.
"""

import importlib
from typing import Any

from chainrule.tensor import Tensor as Tensor  # isort: skip  (first: autograd and ops need it)
from chainrule.autograd import is_grad_enabled as is_grad_enabled
from chainrule.autograd import no_grad as no_grad
from chainrule.ops import *  # noqa: F403  (what ops.__all__ lists)

__version__ = "0.1.0"
_MODULES = "checks data dual functional init losses nn optim plot scalar torch training".split()


def __getattr__(name: str) -> Any:
    """Submodule, or `manual_seed`, imported when first asked for: `import chainrule` needs NumPy only."""
    if name in _MODULES:
        return importlib.import_module(f"chainrule.{name}")
    if name == "manual_seed":
        return importlib.import_module("chainrule.init").manual_seed
    raise AttributeError(f"module 'chainrule' has no attribute {name!r}")
