"""PyTorch's `torch.nn.parameter`: Parameter and Buffer under that name."""

from chainrule.nn import Buffer as Buffer
from chainrule.nn import Parameter as Parameter
