"""Optimisers, schedules, clipping, early stopping: equal to PyTorch's over 200 steps, in place, with clear errors."""

import itertools
import math

import numpy as np
import pytest
import torch

from chainrule import Tensor, optim

STEPS = 200
SHAPES = [(3, 4), (5,), ()]


def combinations(**options):
    return [dict(zip(options, values, strict=True)) for values in itertools.product(*options.values())]


CASES = [
    *(("SGD", o) for o in combinations(lr=[0.01], momentum=[0, 0.9], dampening=[0, 0.3], weight_decay=[0, 0.1],
                                       nesterov=[False, True], maximize=[False, True])
      if not o["nesterov"] or (o["momentum"] and not o["dampening"])),
    *(("Adagrad", o) for o in combinations(lr=[0.1], lr_decay=[0, 0.05], weight_decay=[0, 0.1],
                                           initial_accumulator_value=[0, 0.5], eps=[1e-10, 1e-3],
                                           maximize=[False, True])),
    *(("RMSprop", o) for o in combinations(lr=[0.01], alpha=[0.99, 0.8], eps=[1e-8], weight_decay=[0, 0.1],
                                           momentum=[0, 0.9], centered=[False, True], maximize=[False, True])),
    *((name, o) for name in ("Adam", "AdamW")
      for o in combinations(lr=[0.02], betas=[(0.9, 0.999), (0.5, 0.9), (0.0, 0.0)], eps=[1e-8],
                            weight_decay=[0, 0.1], amsgrad=[False, True], maximize=[False, True])),
]  # fmt: skip


def slope(p, t, sign=1):
    """Gradient of a bumpy bowl at p, so that an error would grow, with the noise of a mini-batch at step t.

    Without noise the variance that centred RMSprop divides by vanishes as p comes to rest: rounding would decide.
    """
    noise = np.random.default_rng(t).standard_normal(p.shape)
    return sign * (0.5 * p + 0.3 * np.sin(p)) + noise


def starts():
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape) for shape in SHAPES]


def run(make_ours, make_theirs, after=lambda ours, theirs: None, steps=STEPS):
    """Largest difference between our parameters and PyTorch's over so many steps."""
    mine = [Tensor(x, requires_grad=True) for x in starts()]
    yours = [torch.tensor(x, requires_grad=True) for x in starts()]
    ours, theirs = make_ours(mine), make_theirs(yours)
    hooks = after(ours, theirs)
    worst, sign = 0.0, -1 if ours.defaults["maximize"] else 1  # climb a hill, not out of a bowl
    for t in range(steps):
        for p, q in zip(mine, yours, strict=True):
            p.grad = slope(p.numpy(), t, sign)
            q.grad = torch.tensor(slope(q.detach().numpy(), t, sign))
        ours.step()
        theirs.step()
        if hooks is not None:
            hooks()
        for p, q in zip(mine, yours, strict=True):
            worst = max(worst, np.abs(p.numpy() - q.detach().numpy()).max())
    return worst


@pytest.mark.parametrize("name, options", CASES, ids=str)
def test_200_steps_as_torch(name, options):
    worst = run(
        lambda p: getattr(optim, name)(p, **options), lambda q: getattr(torch.optim, name)(q, **options)
    )
    assert worst < 1e-12


@pytest.mark.parametrize("name", ["SGD", "Adagrad", "RMSprop", "Adam", "AdamW"])
def test_defaults_and_groups_as_torch(name):
    def make(library):
        return lambda p: getattr(library, name)([{"params": p[:1]}, {"params": p[1:], "lr": 0.05}])

    assert run(make(optim), make(torch.optim)) < 1e-12


@pytest.mark.parametrize("name", ["SGD", "Adagrad", "RMSprop", "Adam", "AdamW"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_in_place_dtype_kept_and_gradient_untouched(name, dtype):
    p = Tensor(np.ones((2, 3), dtype), requires_grad=True)
    optimizer = getattr(optim, name)([p], lr=0.1, weight_decay=0.1, maximize=True)
    before = p.numpy()
    for _ in range(3):
        p.grad = np.full((2, 3), 0.5, dtype)
        optimizer.step()
    assert p.numpy() is before and p.dtype == dtype and (p.numpy() != 1).all()
    assert (p.grad.numpy() == 0.5).all() and p.grad.dtype == dtype
    for x in optimizer.state[p].values():
        assert not isinstance(x, np.ndarray) or x.dtype == dtype


def test_float32_as_torch():
    p, q = Tensor(np.ones(4, np.float32), requires_grad=True), torch.ones(4, requires_grad=True)
    ours, theirs = optim.Adam([p], lr=0.01), torch.optim.Adam([q], lr=0.01)
    for t in range(50):
        g = np.cos(np.arange(4) + t).astype(np.float32)
        p.grad, q.grad = g, torch.tensor(g)
        ours.step(), theirs.step()
    np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=1e-5)


def test_a_step_is_seen_by_backward():
    p = Tensor([1.0, 2.0], requires_grad=True)
    optimizer = optim.SGD([p], lr=0.1)
    loss = (p * p).sum()
    p.grad = np.ones(2, np.float32)
    optimizer.step()
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_a_parameter_without_gradient_stays():
    p, q = Tensor([1.0], requires_grad=True), Tensor([1.0], requires_grad=True)
    optimizer = optim.Adam([p, q])
    p.grad = np.ones(1, np.float32)
    optimizer.step()
    assert q.item() == 1 and p.item() < 1
    optimizer.zero_grad()
    assert p.grad is None


@pytest.mark.parametrize("name", ["SGD", "Adagrad", "RMSprop", "Adam", "AdamW"])
def test_state_dict_carries_on_exactly(name):
    def make(p):
        return getattr(optim, name)(p, lr=0.03, **({"momentum": 0.9} if name in ("SGD", "RMSprop") else {}))

    def steps(params, optimizer, times):
        for t in times:
            for p in params:
                p.grad = slope(p.numpy(), t)
            optimizer.step()

    whole = [Tensor(x, requires_grad=True) for x in starts()]
    steps(whole, make(whole), range(20))
    parts = [Tensor(x, requires_grad=True) for x in starts()]
    first = make(parts)
    steps(parts, first, range(10))
    saved = first.state_dict()
    steps(parts, first, range(10, 13))  # what comes after saving is not in the saved state
    again = [Tensor(x, requires_grad=True) for x in starts()]
    steps(again, make(again), range(10))
    second = make(again)
    second.load_state_dict(saved)
    steps(again, second, range(10, 20))
    for a, b in zip(whole, again, strict=True):
        assert np.array_equal(a.numpy(), b.numpy())


SCHEDULES = [
    ("StepLR", dict(step_size=30, gamma=0.5)),
    ("CosineAnnealingLR", dict(T_max=50)),
    ("CosineAnnealingLR", dict(T_max=STEPS, eta_min=0.001)),
    ("LinearLR", dict(total_iters=17)),
    ("LinearLR", dict(start_factor=0.01, end_factor=0.7, total_iters=60)),
    ("OneCycleLR", dict(max_lr=0.3, total_steps=STEPS)),
    ("OneCycleLR", dict(max_lr=0.1, epochs=10, steps_per_epoch=STEPS // 10, pct_start=0.4, div_factor=10.0,
                        final_div_factor=100.0, anneal_strategy="linear", base_momentum=0.7, max_momentum=0.9)),
]  # fmt: skip


@pytest.mark.parametrize("name, options", SCHEDULES)
@pytest.mark.parametrize("optimizer", ["SGD", "AdamW"])
def test_schedules_as_torch(name, options, optimizer):
    given = {"lr": 0.05} | ({"momentum": 0.9} if optimizer == "SGD" else {})
    rates = []

    def schedules(ours, theirs):
        a = getattr(optim, name)(ours, **options)
        b = getattr(torch.optim.lr_scheduler, name)(theirs, **options)

        def step():
            rates.append((a.get_last_lr()[0], b.get_last_lr()[0]))
            if len(rates) < STEPS:
                a.step(), b.step()
            for key in ("momentum", "betas"):
                for g, h in zip(ours.param_groups, theirs.param_groups, strict=True):
                    assert np.allclose(g.get(key, 0), h.get(key, 0), rtol=0, atol=1e-12)

        return step

    worst = run(
        lambda p: getattr(optim, optimizer)([{"params": p[:1]}, {"params": p[1:]}], **given),
        lambda q: getattr(torch.optim, optimizer)([{"params": q[:1]}, {"params": q[1:]}], **given),
        schedules,
    )
    mine, yours = np.transpose(rates)
    assert np.abs(mine - yours).max() < 1e-12 and worst < 1e-12
    assert len(set(mine)) > 3


def test_schedule_carries_on():
    def make():
        o = optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
        return o, optim.StepLR(o, 2)

    o, schedule = make()
    for _ in range(3):
        schedule.step()
    o2, schedule2 = make()
    o2.load_state_dict(o.state_dict())
    schedule2.load_state_dict(schedule.state_dict())
    schedule.step(), schedule2.step()
    assert o2.param_groups[0]["lr"] == o.param_groups[0]["lr"] == pytest.approx(0.01)


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, math.inf])
@pytest.mark.parametrize("max_norm", [0.5, 100.0])
def test_clip_grad_norm_as_torch(norm_type, max_norm):
    mine = [Tensor(x, requires_grad=True) for x in starts()]
    yours = [torch.tensor(x, requires_grad=True) for x in starts()]
    for p, q in zip(mine[:-1], yours[:-1], strict=True):
        p.grad = slope(p.numpy(), 1)
        q.grad = torch.tensor(slope(q.detach().numpy(), 1))
    total = optim.clip_grad_norm_(mine, max_norm, norm_type)
    wanted = torch.nn.utils.clip_grad_norm_(yours, max_norm, norm_type)
    assert total == pytest.approx(wanted.item(), rel=1e-13)
    for p, q in zip(mine[:-1], yours[:-1], strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-13)


def test_clip_edge_cases():
    p = Tensor([1.0], requires_grad=True)
    assert optim.clip_grad_norm_(p, 1.0) == 0.0
    p.grad = np.array([np.inf], np.float32)
    with pytest.raises(RuntimeError, match="norm of the gradients is inf"):
        optim.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)


def test_early_stopping():
    stop = optim.EarlyStopping(patience=2, min_delta=0.1)
    assert [stop(v) for v in (1.0, 0.95, 0.8, 0.75, 0.75)] == [False, False, False, False, True]
    assert stop.best == 0.8
    stop = optim.EarlyStopping(patience=0)
    assert not stop.done and [stop(v) for v in (1.0, 0.5, 0.5)] == [False, False, True]
    stop = optim.EarlyStopping(patience=1, mode="max")
    assert [stop(v) for v in (0.1, 0.2, 0.2)] == [False, False, True]


def leaf():
    return Tensor([1.0], requires_grad=True)


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: optim.SGD(leaf(), lr=0.1), TypeError, r"write \[tensor\]"),
        (lambda: optim.SGD([], lr=0.1), ValueError, "no parameters"),
        (lambda: optim.SGD([leaf() * 2], lr=0.1), TypeError, "leaf Tensors"),
        (lambda: optim.SGD([np.ones(3)], lr=0.1), TypeError, "leaf Tensors"),
        (lambda: optim.SGD([leaf()] * 2, lr=0.1), ValueError, "twice"),
        (lambda: optim.SGD([leaf()], lr=-1), ValueError, "SGD: lr must be at least 0, got -1"),
        (lambda: optim.SGD([leaf()], nesterov=True), ValueError, "momentum above 0"),
        (lambda: optim.SGD([leaf()], 0.1, 0.9, 0.1, nesterov=True), ValueError, "no dampening"),
        (lambda: optim.Adam([leaf()], betas=(0.9, 1.0)), ValueError, r"betas must be numbers in \[0, 1\)"),
        (lambda: optim.RMSprop([leaf()], alpha=-0.1), ValueError, "alpha"),
        (lambda: optim.LinearLR(optim.SGD([leaf()]), start_factor=0), ValueError, "start_factor"),
        (lambda: optim.OneCycleLR(optim.SGD([leaf()]), 0.1), ValueError, "total_steps"),
        (lambda: optim.OneCycleLR(optim.SGD([leaf()]), 0.1, 5, anneal_strategy="up"), ValueError, "got 'up'"),
        (lambda: optim.OneCycleLR(optim.Adagrad([leaf()]), 0.1, 5), ValueError, "cycle_momentum=False"),
        (lambda: optim.EarlyStopping(mode="least"), ValueError, "'min' or 'max'"),
        (lambda: optim.SGD([leaf()]).load_state_dict(optim.SGD([leaf(), leaf()]).state_dict()), ValueError,
         r"groups of \[1\] parameters here, the state of \[2\]"),
    ],
)  # fmt: skip
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_one_cycle_ends():
    schedule = optim.OneCycleLR(optim.SGD([leaf()], momentum=0.9), 0.1, total_steps=10)
    for _ in range(10):
        schedule.step()
    with pytest.raises(RuntimeError, match="10 steps is over"):
        schedule.step()


def test_an_optimiser_shows_the_options_of_its_groups():
    p, q = Tensor([1.0], requires_grad=True), Tensor([2.0], requires_grad=True)
    shown = repr(optim.SGD([{"params": [p]}, {"params": [q], "lr": 0.5}], lr=0.1, momentum=0.9)).split("\n")
    assert [row.split(", ")[0] for row in shown] == ["SGD(lr=0.1", "SGD(lr=0.5"]
    assert all("momentum=0.9" in row and "params" not in row for row in shown)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_steady_gradient_has_a_spread_below_0_no_more_often_than_torchs():
    g = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    mine, theirs = Tensor(np.zeros(1000, np.float32), requires_grad=True), torch.zeros(1000)
    steps = [
        o([p], lr=1e-3, centered=True) for o, p in ((optim.RMSprop, mine), (torch.optim.RMSprop, theirs))
    ]
    for _ in range(4000):
        mine.grad, theirs.grad = g.copy(), torch.tensor(g)
        for step in steps:
            step.step()
    assert np.isnan(mine.numpy()).sum() <= 1.5 * np.isnan(theirs.numpy()).sum()
