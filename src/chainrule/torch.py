"""The same in PyTorch: which device there is, and what this machine has. PyTorch is imported when it is needed."""

import contextlib
import functools
import inspect
import platform
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import nn
from chainrule.tensor import Tensor
from chainrule.training import History, Trainer


def device(name: Any = None) -> Any:
    """The torch.device to compute on: the one named, or the best there is (cuda, then mps, then cpu).

    Args:
        name: "cuda", "cuda:1", "mps", "cpu", …, or a torch.device; None to choose.

    Returns:
        A torch.device.

    Raises:
        ValueError: if PyTorch knows no such device, or this machine has none.
    """
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name is None:
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if there[kind]))
    try:
        wanted = torch.device(name)
    except RuntimeError:
        raise ValueError(f"no device is called {name!r}; wanted 'cuda', 'mps' or 'cpu'") from None
    if not there.get(wanted.type, True):
        raise ValueError(f"this machine has no {wanted.type!r} device; device() chooses one that it has")
    return wanted


_device = device  # for functions with an argument of that name


def report() -> str:
    """Versions of Python, NumPy and PyTorch and the device that `device` chooses, one a line."""
    lines = [f"Python {platform.python_version()}", f"NumPy {np.__version__}"]
    try:
        import torch
    except ImportError:
        return "\n".join([*lines, "PyTorch: not installed"])
    kind = device().type
    name = torch.cuda.get_device_name() if kind == "cuda" else platform.machine()
    return "\n".join([*lines, f"PyTorch {torch.__version__}", f"device: {kind} ({name})"])


# --- Counterparts -----------------------------------------------------------------------------------------------

_TABLE = """
    ops    torch                      add sub mul div neg pow exp log sqrt sin cos abs tanh sigmoid relu maximum
    ops    torch                      minimum where clip amax amin sum mean var logsumexp softmax log_softmax matmul
    ops    torch                      einsum reshape transpose permute broadcast_to concatenate stack split unbind
    ops    torch                      gather
    ops    torch.nn.functional        leaky_relu gelu softplus linear pad embedding conv1d conv2d max_pool1d
    ops    torch.nn.functional        max_pool2d avg_pool1d avg_pool2d batch_norm layer_norm
    ops    operator                   getitem
    ops    chainrule.torch            cast setitem sum_of_squares lstm_cell lstm
    nn     torch.nn                   Linear Conv1d Conv2d MaxPool1d MaxPool2d AvgPool1d AvgPool2d BatchNorm1d
    nn     torch.nn                   BatchNorm2d LayerNorm Dropout Embedding Flatten Sequential RNN LSTM GRU
    nn     torch.nn                   MultiheadAttention ReLU LeakyReLU GELU Softplus Sigmoid Tanh Softmax Identity
    nn     chainrule.torch            Residual
    losses torch.nn.functional        mse_loss l1_loss huber_loss multi_margin_loss cross_entropy kl_div
    losses torch.nn.functional        binary_cross_entropy_with_logits
    losses chainrule.torch            hinge_loss
    optim  torch.optim                SGD Adagrad RMSprop Adadelta Adam AdamW
    nn     torch.nn                   LogSoftmax ELU SiLU Dropout2d AdaptiveAvgPool2d Unflatten MSELoss L1Loss
    nn     torch.nn                   SmoothL1Loss HuberLoss CrossEntropyLoss NLLLoss
    nn     torch.nn                   BCELoss BCEWithLogitsLoss KLDivLoss MultiMarginLoss
    optim  torch.optim.lr_scheduler   StepLR CosineAnnealingLR LinearLR OneCycleLR
    optim  torch.nn.utils             clip_grad_norm_
"""
_ROWS = [line.split() for line in _TABLE.strip().splitlines()]
#: For every op, layer, loss, optimiser and schedule of ours the full name of its counterpart.
COUNTERPARTS = {f"{ours}.{name}": f"{theirs}.{name}" for ours, theirs, *names in _ROWS for name in names}


def cast(x: Any, dtype: Any) -> Any:
    """`chainrule.ops.cast` for torch tensors: dtype is NumPy's."""
    import torch

    return x.to(getattr(torch, np.dtype(dtype).name))


def setitem(x: Any, value: Any, index: Any) -> Any:
    """`chainrule.ops.setitem` for torch tensors: a copy of x with the value at index."""
    x = x.clone()
    x[index] = value
    return x


def sum_of_squares(*xs: Any) -> Any:
    """`chainrule.ops.sum_of_squares` for torch tensors."""
    return sum((x * x).sum() for x in xs)


def lstm_cell(gates: Any, c: Any) -> Any:
    """`chainrule.ops.lstm_cell` for torch tensors: PyTorch's cell, with a weight that passes the gates on."""
    import torch

    as_they_are, size = torch.eye(gates.shape[-1], dtype=gates.dtype, device=gates.device), c.shape[-1]
    x, before = gates.reshape(-1, 4 * size), c.reshape(-1, size)
    after = torch.lstm_cell(x, (0 * before, before), as_they_are, 0 * as_they_are[:, :size])
    return torch.stack(after).reshape(2, *c.shape)


def lstm(x: Any, h: Any, c: Any, weight: Any) -> Any:
    """`chainrule.ops.lstm` for torch tensors: PyTorch's, with a weight that passes the inputs on as they are."""
    import torch

    as_they_are, one = (
        torch.eye(len(weight), dtype=x.dtype, device=x.device),
        h.ndim == 1,
    )  # one sequence, without a batch axis
    x, start = (x[:, None], (h[None, None], c[None, None])) if one else (x, (h[None], c[None]))
    outputs, _, last = torch.lstm(x, start, [as_they_are, weight], False, 1, 0.0, False, False, False)
    out = torch.cat([outputs, last])
    return out[:, 0] if one else out


def hinge_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """`chainrule.losses.hinge_loss` for torch tensors, which PyTorch does not have."""
    losses = (1 - target * input).clamp(min=0)
    return losses if reduction == "none" else getattr(losses, reduction)()


def Residual(module: Any, shortcut: Any = None) -> Any:
    """`chainrule.nn.Residual` around a torch module, as a torch module."""
    import torch

    class Residual(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module, self.shortcut = module, shortcut

        def forward(self, x: Any) -> Any:
            return self.module(x) + (x if self.shortcut is None else self.shortcut(x))

    return Residual()


def GPT(blocks: Any, vocab_size: int, embed_dim: int, context: int) -> Any:
    """`chainrule.models.GPT` around torch blocks, as a torch module."""
    import torch

    class GPT(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens = torch.nn.Embedding(vocab_size, embed_dim)
            self.positions = torch.nn.Embedding(context, embed_dim)
            self.blocks = torch.nn.ModuleList(blocks)
            self.norm = torch.nn.LayerNorm(embed_dim)
            self.head = torch.nn.Linear(embed_dim, vocab_size)

        def forward(self, tokens: Any) -> Any:
            length = tokens.shape[1]
            mask = torch.ones(length, length, dtype=torch.bool, device=tokens.device).triu(1)
            x = self.tokens(tokens) + self.positions.weight[:length]
            for block in self.blocks:
                x = block(x, src_mask=mask, is_causal=True)
            return self.head(self.norm(x))

    return GPT()


def to_torch(model: nn.Module, device: Any = None, dtype: Any = None) -> Any:
    """The same model in PyTorch, with the same weights, names and mode.

    Args:
        model: made of layers of `chainrule.nn`. A class of your own needs a method `to_torch()` that gives a torch
            module with the same parameter names; the weights are filled in here.
        device: name of a device, or a torch.device; None for the best there is (see `device`).
        dtype: torch dtype; None to keep that of the weights.

    Returns:
        A torch.nn.Module.

    Raises:
        TypeError: for a class without counterpart.
        ValueError: if this machine has no such device.
    """
    import torch

    out = _built(model, {})
    out.load_state_dict({k: torch.tensor(v.numpy()) for k, v in model.state_dict().items()}, assign=True)
    for mine, theirs in zip(model.parameters(), out.parameters(), strict=True):
        theirs.requires_grad_(mine.requires_grad)
    return out.to(_device(device), dtype).train(model.training)


def _built(module: nn.Module, known: dict[int, Any]) -> Any:
    """The torch module; one that stands in two places here does so there."""
    if id(module) not in known:
        known[id(module)] = _new(module, known)
    return known[id(module)]


def _new(module: nn.Module, known: dict[int, Any]) -> Any:
    import torch

    if hasattr(module, "to_torch"):
        return module.to_torch()
    if isinstance(module, nn.Residual):
        return Residual(*(x and _built(x, known) for x in (module.module, module.shortcut)))
    if type(module) is nn.Sequential:
        return torch.nn.Sequential(*(_built(layer, known) for layer in module))
    if isinstance(module, nn.ModuleList):
        return torch.nn.ModuleList([_built(layer, known) for layer in module])
    if isinstance(module, nn.ModuleDict):
        return torch.nn.ModuleDict({name: _built(layer, known) for name, layer in module.items()})
    name = type(module).__name__
    if type(module) is not getattr(nn, name, None):
        raise TypeError(f"to_torch: {name} has no counterpart; give the class a method to_torch()")
    return getattr(torch.nn, name)(**module.options())


def from_torch(module: Any) -> Any:
    """The same model in chainrule, with the same weights: the way back from `to_torch`.

    Args:
        module: made of the torch layers named in `COUNTERPARTS`.

    Returns:
        A chainrule.nn.Module.

    Raises:
        TypeError: for a class without counterpart, or an option that ours does not have.
        RuntimeError: if such an option shows in its parameters alone, as proj_size of LSTM does.
    """
    out = _ours(module)
    state = {k: v.detach().cpu().numpy() for k, v in module.state_dict().items()}
    wide = any(x.dtype == np.float64 for x in state.values())
    (out.double() if wide else out).load_state_dict(state)
    return out.train(module.training)


def _ours(module: Any) -> Any:
    name = type(module).__name__
    if name == "Sequential":
        return nn.Sequential(*(_ours(layer) for layer in module))
    if name == "ModuleList":
        return nn.ModuleList([_ours(layer) for layer in module])
    if name == "ModuleDict":
        return nn.ModuleDict({name: _ours(layer) for name, layer in module.items()})
    if name == "Residual":
        return nn.Residual(*(x and _ours(x) for x in (module.module, module.shortcut)))
    kind = getattr(nn, name, None)
    if kind is None or f"nn.{name}" not in COUNTERPARTS:
        raise TypeError(f"from_torch: {name} has no counterpart in chainrule.nn")
    known = inspect.signature(kind).parameters
    for option in inspect.signature(type(module)).parameters.values():
        value = getattr(module, option.name, option.default)
        if option.name not in {*known, "inplace", "bias"} and value != option.default:
            raise TypeError(f"from_torch: {name} has {option.name}={value!r}, which ours does not know")
    options = {k: getattr(module, k) for k in known if hasattr(module, k)}
    bias = getattr(module, "bias", getattr(module, "in_proj_bias", None))
    return kind(**options | ({"bias": bias is not None and bias is not False} if "bias" in known else {}))


# --- Training ---------------------------------------------------------------------------------------------------


def fit(model: Any, data: Any, loss: Any, optimizer: Any, epochs: int = 10, **options: Any) -> History:
    """Losses of each epoch, after training a torch model in place: `chainrule.training.fit` on any device.

    The loss is looked at once an epoch, so that the device never waits; a NaN is named with its epoch only.

    Args:
        model: torch.nn.Module.
        data: as for `chainrule.training.fit`; batches are moved to the device.
        loss: function of torch tensors, such as torch.nn.functional.cross_entropy.
        optimizer: of torch.optim, over the parameters of model.
        epochs: how often data is gone through.
        **options: those of `chainrule.training.fit`, and these.
        device: where to train; the model is moved there. None to stay where it is.
        mixed_precision: compute in bfloat16 where torch.autocast finds that safe.
        compile: run the model through torch.compile; a string names the backend.

    Returns:
        The history, as `chainrule.training.fit`.

    Raises:
        RuntimeError: if a loss is NaN or infinite.
        ValueError: if data gives no batch, or this machine has no such device.
    """
    return TorchTrainer(model, data, loss, optimizer, epochs, **options).run()


@dataclass
class TorchTrainer(Trainer):
    """One run of `fit` with PyTorch."""

    device: Any = None
    mixed_precision: bool = False
    compile: bool | str = False

    def __post_init__(self) -> None:
        import torch

        self.torch, self.without_gradient = torch, torch.no_grad  # type: ignore[assignment]
        here = next((p.device for p in self.model.parameters()), "cpu")
        self.device = device(here if self.device is None else self.device)
        self.model.to(self.device)
        backend = self.compile if isinstance(self.compile, str) else "inductor"
        self.forward = torch.compile(self.model, backend=backend) if self.compile else self.model

    def place(self, batch: Any) -> Any:
        """The batch as a torch tensor on the device."""
        return self.torch.as_tensor(batch.numpy() if isinstance(batch, Tensor) else batch).to(self.device)

    def step(self, x: Any, y: Any, where: str) -> Any:
        """Loss of one batch, after one step of the optimiser; still on the device."""
        self.optimizer.zero_grad()
        autocast = functools.partial(self.torch.autocast, self.device.type, self.torch.bfloat16)
        with autocast() if self.mixed_precision else contextlib.nullcontext():
            loss = self.loss(self.forward(self.place(x)), self.place(y))
        loss.backward()
        if self.clip_norm is not None:
            self.torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm)
        self.optimizer.step()
        return loss.detach()

    def snapshot(self) -> dict[str, Any]:
        """Copies of the parameters and buffers."""
        return {k: v.detach().clone() for k, v in self.model.state_dict().items()}

    def save(self, path: Any) -> None:
        """Write the state to a file."""
        seeds = {"torch": self.torch.get_rng_state(), "cuda": self.torch.cuda.get_rng_state_all()}
        self.torch.save(self.state() | seeds, path)

    def load(self) -> dict[str, Any]:
        """Read the state from the checkpoint."""
        state = self.torch.load(self.checkpoint, weights_only=True, map_location="cpu")
        self.torch.set_rng_state(state["torch"])
        self.torch.cuda.set_rng_state_all(state["cuda"][: self.torch.cuda.device_count()])
        return state
