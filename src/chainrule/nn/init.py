"""PyTorch's `torch.nn.init`: `chainrule.init` under that name."""

from chainrule.init import *  # noqa: F403
