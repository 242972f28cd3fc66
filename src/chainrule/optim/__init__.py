"""Optimisers, schedules of the learning rate, clipping and early stopping.

Names, arguments and results are PyTorch's. An optimiser changes parameters in place and keeps their dtype. In
what follows p is a parameter's array and g its gradient's.
"""

import collections
import copy
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from chainrule.arrays import square_sum, wide
from chainrule.autograd import note_change
from chainrule.tensor import Tensor

Parameters = Iterable[Any]
Betas = tuple[float, float]


class Optimizer:
    """What all optimisers share: groups of parameters, their state, and the loop over them.

    Args:
        params: the parameters, or dicts, each with "params" and options of its own.
        lr: the learning rate.
        weight_decay: adds weight_decay * p to the gradient.
        maximize: climb instead.
        **options: what else this kind of optimiser knows.

    Attributes:
        param_groups: list of dicts: "params", and every option ("lr" among them), which may be changed.
        state: what was gathered for each parameter so far.

    Raises:
        TypeError: if params is one Tensor, or holds something else.
        ValueError: if there are no parameters, one stands in two places, or an option is out of range.
    """

    decoupled = False  # whether update() does the weight decay itself

    def __init__(self, params: Parameters, lr: float, weight_decay: float, maximize: bool, **options: Any):
        defaults = {"lr": lr, "weight_decay": weight_decay, "maximize": maximize} | options
        for name, value in defaults.items():
            if not _is_number(value) or not np.min(value) >= 0 or (name == "betas" and np.max(value) >= 1):
                limit = "numbers in [0, 1)" if name == "betas" else "at least 0"
                raise ValueError(f"{type(self).__name__}: {name} must be {limit}, got {value}")
        given = _checked(params)
        groups = given if isinstance(given[0], dict) else [{"params": given}]
        self.defaults = defaults
        self.state: dict[Tensor, dict[str, Any]] = collections.defaultdict(dict)
        self.param_groups = [defaults | group | {"params": _listed(group["params"])} for group in groups]

    def _parameters(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    def step(self) -> None:
        """Change every parameter that has a gradient by one step."""
        for group in self.param_groups:
            decay, climb = 0.0 if self.decoupled else group["weight_decay"], group["maximize"]
            for tensor in group["params"]:
                if (grad := tensor.grad) is not None:
                    p, g = tensor._data, grad._data
                    g = -g if climb else g
                    g = g + decay * p if decay else g
                    self.update(p, g, self.state[tensor], group)
                    note_change(p)

    def update(self, p: Any, g: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Change p in place, given g, what state remembers of the steps before, and the options of the group."""
        raise NotImplementedError("an optimiser defines update(p, g, state, group)")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set those that there are to 0."""
        for p in self._parameters():
            if set_to_none or p.grad is None:
                p.zero_grad()
            else:
                p.grad.zero_()

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to carry on later: copies of the state by number of the parameter, and the options."""
        order = {p: i for i, p in enumerate(self._parameters())}
        state = {order[p]: copy.deepcopy(held) for p, held in self.state.items()}
        groups = [g | {"params": [order[p] for p in g["params"]]} for g in self.param_groups]
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what another optimiser of the same kind and over the same parameters had gathered.

        Raises:
            ValueError: if the groups differ in number or size.
        """
        theirs = state_dict["param_groups"]
        here, saved = ([len(group["params"]) for group in groups] for groups in (self.param_groups, theirs))
        if here != saved:
            raise ValueError(f"load_state_dict: groups of {here} parameters here, the state of {saved}")
        for group, options in zip(self.param_groups, theirs, strict=True):
            group.update(options | {"params": group["params"]})
        order = self._parameters()
        self.state.clear()
        self.state |= {order[int(i)]: copy.deepcopy(held) for i, held in state_dict["state"].items()}

    def __repr__(self) -> str:
        shown = (", ".join(f"{k}={v}" for k, v in g.items() if k != "params") for g in self.param_groups)
        return "\n".join(f"{type(self).__name__}({options})" for options in shown)


def _checked(params: Parameters) -> list[Any]:
    """The parameters, or groups of them, as a list."""
    if isinstance(params, Tensor):
        raise TypeError("an optimiser wants a list of parameters; write [tensor] for a single one")
    if not hasattr(params, "__iter__"):
        raise TypeError(
            f"an optimiser wants a list of parameters, such as model.parameters(), got {params!r}"
        )
    given = list(params)
    if wrong := [g for g in given if isinstance(g, dict) and "params" not in g]:
        raise ValueError(f"an optimiser's group holds 'params', got one with {list(wrong[0])}")
    everything = [p for g in given for p in (_listed(g["params"]) if isinstance(g, dict) else [g])]
    if not everything:
        raise ValueError("an optimiser got no parameters; a generator that was used before is empty")
    if wrong := [p for p in everything if not isinstance(p, Tensor) or not p.is_leaf]:
        raise TypeError(f"an optimiser wants leaf Tensors, got {wrong[0]!r}")
    if len({id(p) for p in everything}) < len(everything):
        raise ValueError("a parameter was given to the optimiser twice")
    return given


def _listed(params: Any) -> list[Any]:
    """The parameters of a group, which may be a single one."""
    return [params] if isinstance(params, Tensor) else list(params)


def _is_number(value: Any) -> bool:
    """Whether it is one number, or a few of them."""
    values = value if isinstance(value, tuple | list) else [value]
    return len(values) > 0 and all(isinstance(x, int | float | np.number) for x in values)


def _average(state: dict[str, Any], name: str, weight: float, x: Any) -> Any:
    """Running mean of that name in state, which starts at 0: weight * mean + (1 - weight) * x."""
    state[name] = weight * state.get(name, 0) + (1 - weight) * x
    return state[name]


class SGD(Optimizer):
    """Gradient descent: p -= lr * g; with momentum, velocity = momentum * velocity + g takes the place of g.

    Args:
        params: see `Optimizer`.
        lr: the learning rate.
        momentum: how much of the velocity is kept from step to step.
        dampening: the gradient's share in the velocity is 1 - dampening, from the second step on.
        weight_decay: adds weight_decay * p to the gradient.
        nesterov: step along g + momentum * velocity.
        maximize: climb instead.

    Raises:
        ValueError: if a number is negative, or if nesterov comes without momentum or with dampening.

    Source: Sutskever et al., On the Importance of Initialization and Momentum in Deep Learning, 2013,
    equations (1)–(4), in PyTorch's form, which keeps lr out of the velocity.
    """

    def __init__(self, params: Parameters, lr: float = 1e-3, momentum: float = 0, dampening: float = 0,
                 weight_decay: float = 0, nesterov: bool = False, *, maximize: bool = False):  # fmt: skip
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("nesterov needs a momentum above 0 and no dampening")
        options = dict(momentum=momentum, dampening=dampening, nesterov=nesterov)
        super().__init__(params, lr, weight_decay, maximize, **options)

    def update(self, p, g, state, group):
        """Change p in place, given g."""
        if momentum := group["momentum"]:
            before = state.get("momentum_buffer")
            velocity = g.copy() if before is None else momentum * before + (1 - group["dampening"]) * g
            state["momentum_buffer"] = velocity
            g = g + momentum * velocity if group["nesterov"] else velocity
        p -= group["lr"] * g


class Adagrad(Optimizer):
    """Each entry's step divided by the root of the sum of its squared gradients so far.

    Args:
        params: see `Optimizer`.
        lr: the learning rate.
        lr_decay: step t uses lr / (1 + (t - 1) * lr_decay).
        weight_decay: adds weight_decay * p to the gradient.
        initial_accumulator_value: where the sum of squares starts.
        eps: keeps the divisor off 0.
        maximize: climb instead.

    Raises:
        ValueError: if a number is negative.

    Source: Duchi, Hazan and Singer, Adaptive Subgradient Methods, JMLR 12 (2011), section 3 (the diagonal form).
    """

    def __init__(self, params: Parameters, lr: float = 1e-2, lr_decay: float = 0, weight_decay: float = 0,
                 initial_accumulator_value: float = 0, eps: float = 1e-10, *, maximize: bool = False):  # fmt: skip
        options = dict(lr_decay=lr_decay, initial_accumulator_value=initial_accumulator_value, eps=eps)
        super().__init__(params, lr, weight_decay, maximize, **options)

    def update(self, p, g, state, group):
        """Change p in place, given g."""
        t = state["step"] = state.get("step", 0) + 1
        total = state["sum"] = state.get("sum", group["initial_accumulator_value"]) + g * g
        p -= group["lr"] / (1 + (t - 1) * group["lr_decay"]) * (g / (np.sqrt(total) + group["eps"]))


class RMSprop(Optimizer):
    """Each entry's step divided by the root of a running mean of its squared gradients.

    Args:
        params: see `Optimizer`.
        lr: the learning rate.
        alpha: how much of the running mean is kept from step to step.
        eps: keeps the divisor off 0.
        weight_decay: adds weight_decay * p to the gradient.
        momentum: how much of the velocity is kept from step to step.
        centered: divide by the running standard deviation instead.
        maximize: climb instead.

    Raises:
        ValueError: if a number is out of range.

    Source: Hinton, Neural Networks for Machine Learning, 2012, lecture 6e; centred: Graves, Generating Sequences
    with Recurrent Neural Networks, 2013, equations (38)–(41).
    """

    def __init__(self, params: Parameters, lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8,
                 weight_decay: float = 0, momentum: float = 0, centered: bool = False, *,
                 maximize: bool = False):  # fmt: skip
        options = dict(alpha=alpha, eps=eps, momentum=momentum, centered=centered)
        super().__init__(params, lr, weight_decay, maximize, **options)

    def update(self, p, g, state, group):
        """Change p in place, given g."""
        spread = _average(state, "square_avg", group["alpha"], g * g)
        if group["centered"]:
            mean = state.get("grad_avg", 0)
            mean = state["grad_avg"] = mean + (1 - group["alpha"]) * (g - mean)  # comes to rest at a steady g
            spread = spread - mean * mean
        step = g / (np.sqrt(spread) + group["eps"])
        if group["momentum"]:
            step = state["momentum_buffer"] = group["momentum"] * state.get("momentum_buffer", 0) + step
        p -= group["lr"] * step


class Adadelta(Optimizer):
    """Each entry's step is its gradient times the ratio of two running roots: of its steps, and of its gradients.

    Args:
        params: see `Optimizer`.
        lr: the learning rate.
        rho: how much of the running means is kept from step to step.
        eps: added to both running means.
        weight_decay: adds weight_decay * p to the gradient.
        maximize: climb instead.

    Raises:
        ValueError: if a number is out of range.

    Source: Zeiler, ADADELTA: An Adaptive Learning Rate Method, 2012, algorithm 1.
    """

    def __init__(self, params: Parameters, lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6,
                 weight_decay: float = 0, *, maximize: bool = False):  # fmt: skip
        super().__init__(params, lr, weight_decay, maximize, rho=rho, eps=eps)

    def update(self, p, g, state, group):
        """Change p in place, given g."""
        steps = state.get("acc_delta", 0)
        spread = _average(state, "square_avg", group["rho"], g * g)
        step = np.sqrt(steps + group["eps"]) / np.sqrt(spread + group["eps"]) * g
        _average(state, "acc_delta", group["rho"], step * step)
        p -= group["lr"] * step


class Adam(Optimizer):
    """Step along the running mean of gradients over the root of the running mean of their squares.

    Both means start at 0 and are divided by what that makes them too small.

    Args:
        params: see `Optimizer`.
        lr: the learning rate; about the size of a step.
        betas: how much is kept from step to step of the mean, and of the mean of squares.
        eps: keeps the divisor off 0.
        weight_decay: adds weight_decay * p to the gradient (`AdamW` shrinks p itself).
        amsgrad: never let the divisor become smaller (Reddi, Kale and Kumar, On the Convergence of Adam, 2018).
        maximize: climb instead.

    Raises:
        ValueError: if a number is out of range.

    Source: Kingma and Ba, Adam: A Method for Stochastic Optimization, 2015, algorithm 1.
    """

    def __init__(self, params: Parameters, lr: float = 1e-3, betas: Betas = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0, amsgrad: bool = False, *, maximize: bool = False):  # fmt: skip
        super().__init__(params, lr, weight_decay, maximize, betas=betas, eps=eps, amsgrad=amsgrad)

    def update(self, p, g, state, group):
        """Change p in place, given g."""
        lr, (beta1, beta2) = group["lr"], group["betas"]
        t = state["step"] = state.get("step", 0) + 1
        if self.decoupled:
            p *= 1 - lr * group["weight_decay"]
        mean = _average(state, "exp_avg", beta1, g)
        square = _average(state, "exp_avg_sq", beta2, g * g)
        if group["amsgrad"]:
            square = np.maximum(square, state.get("max_exp_avg_sq", 0))
            state["max_exp_avg_sq"] = square
        root = np.sqrt(square) / math.sqrt(1 - beta2**t) + group["eps"]
        p -= lr / (1 - beta1**t) * (mean / root)


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameters themselves: p *= 1 - lr * weight_decay before each step.

    Args and Raises as `Adam`, but for weight_decay, which is 0.01 if not given.

    Source: Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019, algorithm 2.
    """

    decoupled = True

    def __init__(self, params: Parameters, lr: float = 1e-3, betas: Betas = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 1e-2, amsgrad: bool = False, *, maximize: bool = False):  # fmt: skip
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)


# --- Schedules --------------------------------------------------------------------------------------------------


class LRScheduler:
    """What all schedules share: step() sets the learning rate of each group to `rate(its first rate, t)`.

    Args:
        optimizer: whose learning rate is set, now and at each step.

    Attributes:
        last_epoch: the number t of steps so far.
        base_lrs: the learning rate that each group started from.
    """

    def __init__(self, optimizer: Optimizer):
        if not hasattr(optimizer, "param_groups"):
            raise TypeError(f"{type(self).__name__}: wanted an optimiser, got {optimizer!r}")
        self.optimizer, self.last_epoch = optimizer, -1
        self.base_lrs: list[Any] = [g.setdefault("initial_lr", g["lr"]) for g in optimizer.param_groups]
        self.step()

    def rate(self, base: float, t: int) -> float:
        """Learning rate after t steps of a group that started from base."""
        raise NotImplementedError("a schedule defines rate(base, t)")

    def step(self) -> None:
        """Count one more epoch (or batch), and set the learning rates."""
        self.last_epoch += 1
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = self.rate(base, self.last_epoch)

    def get_last_lr(self) -> list[float]:
        """Learning rate of each group now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """The number of steps so far, and the first rates."""
        return {"last_epoch": self.last_epoch, "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Carry on from a state; the optimiser's own state holds the learning rate itself."""
        self.last_epoch, self.base_lrs = state_dict["last_epoch"], list(state_dict["base_lrs"])


def _check_steps(schedule: str, name: str, count: Any) -> None:
    if not isinstance(count, int | np.integer) or count < 1:
        raise ValueError(f"{schedule}: {name} is a whole number of steps from 1 on, got {count!r}")


class StepLR(LRScheduler):
    """Learning rate times gamma after every step_size steps."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1):
        _check_steps("StepLR", "step_size", step_size)
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer)

    def rate(self, base: float, t: int) -> float:
        """Learning rate after t steps of a group that started from base."""
        return base * self.gamma ** (t // self.step_size)


class CosineAnnealingLR(LRScheduler):
    """Learning rate along half a cosine wave, down to eta_min at step T_max (and up again after it).

    Source: Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017, equation (5).
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0):
        _check_steps("CosineAnnealingLR", "T_max", T_max)
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer)

    def rate(self, base: float, t: int) -> float:
        """Learning rate after t steps of a group that started from base."""
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * t / self.T_max)) / 2


class LinearLR(LRScheduler):
    """Warm-up: the learning rate grows along a line from start_factor to end_factor in total_iters steps.

    Raises:
        ValueError: if start_factor is not in (0, 1], or end_factor not in [0, 1].
    """

    def __init__(self, optimizer: Optimizer, start_factor: float = 1.0 / 3, end_factor: float = 1.0,
                 total_iters: int = 5):  # fmt: skip
        if not 0 < start_factor <= 1 or not 0 <= end_factor <= 1:
            raise ValueError(f"start_factor wants (0, 1], end_factor [0, 1]: {start_factor}, {end_factor}")
        _check_steps("LinearLR", "total_iters", total_iters)
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer)

    def rate(self, base: float, t: int) -> float:
        """Learning rate after t steps of a group that started from base."""
        part = min(t, self.total_iters) / self.total_iters
        return base * (self.start_factor + (self.end_factor - self.start_factor) * part)


class OneCycleLR(LRScheduler):
    """Learning rate up to max_lr and down to almost nothing, in one cycle; momentum the other way round.

    Args:
        optimizer: whose learning rate (and momentum, or first beta) is set after every *batch*.
        max_lr: the peak.
        total_steps: length of the cycle; or else epochs times steps_per_epoch.
        epochs: number of epochs.
        steps_per_epoch: number of batches in each.
        pct_start: the part of the cycle on the way up.
        anneal_strategy: "cos" or "linear".
        cycle_momentum: set the momentum as well.
        base_momentum: momentum at the peak.
        max_momentum: momentum at both ends.
        div_factor: it starts at max_lr / div_factor.
        final_div_factor: it ends that many times below its start.

    Raises:
        ValueError: if the length is missing, for another strategy, or if the optimiser has no momentum to set.
        RuntimeError: if step is called after the end of the cycle.

    Source: Smith and Topin, Super-Convergence, 2018, section 2; the two-phase form is PyTorch's.
    """

    def __init__(self, optimizer: Optimizer, max_lr: float, total_steps: int | None = None,
                 epochs: int | None = None, steps_per_epoch: int | None = None, pct_start: float = 0.3,
                 anneal_strategy: str = "cos", cycle_momentum: bool = True, base_momentum: float = 0.85,
                 max_momentum: float = 0.95, div_factor: float = 25.0, final_div_factor: float = 1e4):  # fmt: skip
        self.total_steps = total_steps or (epochs or 0) * (steps_per_epoch or 0)
        if self.total_steps <= 0:
            raise ValueError("OneCycleLR wants total_steps, or epochs and steps_per_epoch")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy: wanted 'cos' or 'linear', got {anneal_strategy!r}")
        if cycle_momentum and not {"momentum", "betas"} & optimizer.defaults.keys():
            raise ValueError(f"{type(optimizer).__name__} has no momentum: pass cycle_momentum=False")
        self.rates = (max_lr / div_factor, max_lr, max_lr / div_factor / final_div_factor)
        self.momenta: Any = (max_momentum, base_momentum, max_momentum) if cycle_momentum else None
        self.peak, self.anneal_strategy = pct_start * self.total_steps - 1, anneal_strategy
        super().__init__(optimizer)

    def between(self, points: tuple[float, float, float], t: int) -> float:
        """Value at step t of the curve that goes through three points: at the start, the peak and the end."""
        up, end = t <= self.peak, self.total_steps - 1
        a, b = points[:2] if up else points[1:]
        part = t / self.peak if up else (t - self.peak) / (end - self.peak)
        if self.anneal_strategy == "linear":
            return a + (b - a) * part
        return b + (a - b) * (1 + math.cos(math.pi * part)) / 2

    def rate(self, base: float, t: int) -> float:
        """Learning rate after t steps of a group that started from base."""
        return self.between(self.rates, t)

    def step(self) -> None:
        """Count one more batch, and set learning rates and momenta."""
        if self.last_epoch + 1 > self.total_steps:
            raise RuntimeError(f"OneCycleLR: the cycle of {self.total_steps} steps is over")
        super().step()
        for group in self.optimizer.param_groups if self.momenta else ():
            momentum = self.between(self.momenta, self.last_epoch)
            group |= {"betas": (momentum, group["betas"][1])} if "betas" in group else {"momentum": momentum}


# --- Around a step ----------------------------------------------------------------------------------------------


def clip_grad_norm_(parameters: Iterable[Tensor] | Tensor, max_norm: float, norm_type: float = 2.0,
                    error_if_nonfinite: bool = False) -> float:  # fmt: skip
    """Norm of all gradients together; where it exceeds max_norm they are scaled down to it, in place.

    Args:
        parameters: the Tensors whose gradients count; those without are left out.
        max_norm: the norm allowed.
        norm_type: 2 for the Euclidean norm, math.inf for the largest absolute value, or another p.
        error_if_nonfinite: raise if the norm is NaN or infinite.

    Returns:
        The norm before clipping.

    Raises:
        RuntimeError: see error_if_nonfinite.

    Source: Pascanu, Mikolov and Bengio, On the Difficulty of Training Recurrent Neural Networks, 2013,
    algorithm 1; the 1e-6 in the divisor is PyTorch's.
    """
    if not _is_number(max_norm) or not max_norm >= 0:
        raise ValueError(f"clip_grad_norm_: max_norm is a number from 0 on, got {max_norm}")
    given: Any = [parameters] if isinstance(parameters, Tensor) else parameters
    parameters = list(given) if hasattr(given, "__iter__") else [given]
    if wrong := [p for p in parameters if not isinstance(p, Tensor)]:
        raise TypeError(f"clip_grad_norm_: wanted Tensors, such as model.parameters(), got {wrong[0]!r}")
    grads = [p.grad._data for p in parameters if p.grad is not None]
    norm = lambda g: (
        math.sqrt(square_sum(wide(g)))
        if norm_type == 2
        else float(np.linalg.norm(wide(g).ravel(), norm_type))
    )
    norms = [norm(g) for g in grads]
    total = float(np.linalg.norm(norms, norm_type)) if norms else 0.0
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(f"clip_grad_norm_: the norm of the gradients is {total}, so they cannot be scaled")
    scale = max_norm / (total + 1e-6)
    for g in grads if scale < 1 else ():
        g *= scale
    return total


class EarlyStopping:
    """Watches a number, such as the validation loss, and says when it has not become better for a while.

    Args:
        patience: how many calls in a row may bring nothing better.
        min_delta: by how much a value must be better to count.
        mode: "min" if smaller is better, "max" if larger is.

    Attributes:
        best: the best value so far; None before the first.
        waited: number of calls since then.

    Raises:
        ValueError: for another mode, or a number below 0.

    Source: Prechelt, Early Stopping – But When?, 1998, section 2.2 (the class of criteria UP).
    """

    def __init__(self, patience: int = 5, min_delta: float = 0.0, mode: str = "min"):
        if mode not in ("min", "max"):
            raise ValueError(f"mode: wanted 'min' or 'max', got {mode!r}")
        if not _is_number((patience, min_delta)) or not patience >= 0 or not min_delta >= 0:
            raise ValueError(f"patience and min_delta are numbers from 0 on, got {patience} and {min_delta}")
        self.patience, self.min_delta, self.mode = patience, min_delta, mode
        self.best: float | None = None
        self.waited = 0

    def __call__(self, value: float) -> bool:
        """Take down a value; True when it is time to stop. NaN is never better."""
        sign = 1 if self.mode == "min" else -1
        self.waited += 1
        better = self.best is None or sign * (self.best - value) > self.min_delta
        if better and not math.isnan(value):
            self.best, self.waited = value, 0
        return self.done

    @property
    def done(self) -> bool:
        """Whether it is time to stop."""
        return self.waited >= max(self.patience, 1)


from chainrule.optim import lr_scheduler  # noqa: E402, F401  (last: it needs the schedules above)
