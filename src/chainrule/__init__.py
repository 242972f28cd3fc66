"""A small deep-learning engine in NumPy, written to be read.

Names, arguments and meaning are PyTorch's: a program written for `import torch` runs with `import chainrule as torch`
if what it uses is here. Start reading at `chainrule.tensor`, then `chainrule.autograd`, then `chainrule.ops`; the
other modules that this one names add PyTorch's further functions, a line or two each.
"""

import importlib
from math import e as e
from math import inf as inf
from math import nan as nan
from math import pi as pi
from typing import Any

from chainrule.tensor import Tensor as Tensor  # isort: skip  (first: autograd and ops need it)
from chainrule.autograd import is_grad_enabled as is_grad_enabled
from chainrule.autograd import no_grad as no_grad
from chainrule.ops import *  # noqa: F403  (what ops.__all__ lists)

from chainrule.functions import *  # noqa: F403  # isort: skip  (PyTorch's max and min, among others)
from chainrule.creation import *  # noqa: F403  # isort: skip
from chainrule.dtypes import *  # noqa: F403  # isort: skip
from chainrule.functional import dropout as dropout
from chainrule.saving import load as load
from chainrule.saving import save as save

inference_mode = no_grad

__version__ = "1.0.0"
_MODULES = """
    checks data dual functional init losses models nn optim plot saving scalar stepwise torch training utils
""".split()
_ELSEWHERE = "accelerator backends cuda mps xpu".split()


def __getattr__(name: str) -> Any:
    """Submodule, imported when first asked for: `import chainrule` needs NumPy only."""
    if name in _MODULES:
        return importlib.import_module(f"chainrule.{name}")
    elsewhere = importlib.import_module("chainrule.elsewhere")
    if name in _ELSEWHERE:
        return getattr(elsewhere, name)
    elsewhere.refuse(name)
