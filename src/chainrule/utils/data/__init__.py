"""PyTorch's `torch.utils.data`: data sets, their order, and batches of them.

`chainrule.data.batches` is shorter where the data are arrays; these run what was written for PyTorch.
"""

from chainrule.utils.data.dataloader import DataLoader as DataLoader
from chainrule.utils.data.dataloader import default_collate as default_collate
from chainrule.utils.data.dataset import ConcatDataset as ConcatDataset
from chainrule.utils.data.dataset import Dataset as Dataset
from chainrule.utils.data.dataset import IterableDataset as IterableDataset
from chainrule.utils.data.dataset import Subset as Subset
from chainrule.utils.data.dataset import TensorDataset as TensorDataset
from chainrule.utils.data.dataset import random_split as random_split
from chainrule.utils.data.sampler import BatchSampler as BatchSampler
from chainrule.utils.data.sampler import RandomSampler as RandomSampler
from chainrule.utils.data.sampler import Sampler as Sampler
from chainrule.utils.data.sampler import SequentialSampler as SequentialSampler
