"""PyTorch's `torch.utils`: here only `utils.data`."""

from chainrule.utils import data as data
