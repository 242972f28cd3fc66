"""The scalar engine: against PyTorch, against the array engine, and its length."""

import inspect
import math

import pytest
import torch

from chainrule import Tensor, ops, scalar
from chainrule.scalar import Value


def formula(x, y, exp, log, tanh, sigmoid, relu):
    a = x * y + x**2 - y / x + 2 * x - 1
    b = exp(a / 10) + log(y) * tanh(x) + sigmoid(a) + relu(x - 1) + relu(-a) + 3 / y + (1 - x) + x**0
    return a * b + a - b


@pytest.mark.parametrize("at", [(1.5, 0.7), (-0.4, 2.0), (0.9, 0.1)])
def test_value_is_torchs(at):
    def run(make, *functions):
        x, y = map(make, at)
        out = formula(x, y, *functions)
        out.backward()
        return [float(v) for v in (out.data, x.grad, y.grad)]

    def torch_leaf(v):
        return torch.tensor(v, dtype=torch.float64, requires_grad=True)

    def array_leaf(v):
        return Tensor(v, dtype=float, requires_grad=True)

    ours = run(Value, Value.exp, Value.log, Value.tanh, Value.sigmoid, Value.relu)
    for wanted in (
        run(torch_leaf, torch.exp, torch.log, torch.tanh, torch.sigmoid, torch.relu),
        run(array_leaf, ops.exp, ops.log, ops.tanh, ops.sigmoid, ops.relu),
    ):
        assert ours == pytest.approx(wanted, rel=1e-12)


def test_shared_and_accumulated():
    x = Value(3.0)
    y = x
    for _ in range(40):
        y = y + y
    y.backward()
    assert x.grad == 2.0**40
    (x * x).backward()
    assert x.grad == 2.0**40 + 6.0


def test_backward_twice_adds_the_same_again():
    x = Value(3.0)
    y = (x * x) * x
    y.backward()
    y.backward()
    assert x.grad == 54.0


def test_long_chain():
    x = y = Value(1.0)
    for _ in range(20_000):
        y = y + 1
    y.backward()
    assert x.grad == 1.0


def test_it_is_short_and_prints():
    assert len([line for line in inspect.getsource(scalar).splitlines() if line.strip()]) <= 80
    assert repr(Value(2.5)) == "Value(2.5, grad=0)"


def test_roots_are_real():
    with pytest.raises(ValueError, match=r"-1.0 \*\* 0.5 is no real number"):
        Value(-1.0) ** 0.5
    root = Value(0.0)
    (root**0.5).backward()
    assert root.grad == math.inf  # as PyTorch has it
    power = Value(0.0)
    (power**0 + power**1 + power**2).backward()
    assert power.grad == 1.0
