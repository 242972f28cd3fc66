"""PyTorch's `torch.nn.functional`: `chainrule.functional` under that name."""

from chainrule.functional import *  # noqa: F403
