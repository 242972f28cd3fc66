"""What no program of test_programs can show: files, refusals, lazy layers and data sets."""

import io

import numpy as np
import pytest

import chainrule
from chainrule import nn, optim
from chainrule.utils.data import ConcatDataset, DataLoader, RandomSampler, Subset, TensorDataset, random_split


def test_what_was_saved_is_loaded_and_np_load_reads_it(tmp_path):
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    steps = optim.Adam(net.parameters())
    whole = {
        "model": net.state_dict(),
        "steps": steps.state_dict(),
        "epoch": 3,
        "more": [None, (1.5, "x"), {2: True}],
    }
    chainrule.save(whole, tmp_path / "net.pt")
    again = chainrule.load(tmp_path / "net.pt", map_location="cpu", weights_only=True)
    assert again["epoch"] == 3 and again["more"] == [None, (1.5, "x"), {2: True}]
    other = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d())
    other.load_state_dict(again["model"])
    x = chainrule.randn(4, 2)
    assert np.array_equal(net.eval()(x).detach().numpy(), other.eval()(x).detach().numpy())
    with np.load(tmp_path / "net.pt", allow_pickle=False) as arrays:
        assert "/model/0.weight" in arrays
    chainrule.save(chainrule.ones(2), memory := io.BytesIO())
    memory.seek(0)
    assert chainrule.load(memory).tolist() == [1, 1]


@pytest.mark.parametrize("call, kind, words", [
    (lambda: chainrule.save(nn.ReLU(), io.BytesIO()), TypeError, "would need pickle.*state_dict"),
    (lambda: chainrule.load(io.BytesIO(b"no")), ValueError, "was not written by chainrule.save"),
    (lambda: chainrule.device("cuda:0"), RuntimeError, "computes on the CPU.*import torch"),
    (lambda: chainrule.ones(2).to("mps"), RuntimeError, "computes on the CPU"),
    (lambda: nn.Linear(2, 2).cuda(), RuntimeError, "computes on the CPU"),
    (lambda: chainrule.cuda.get_device_name(), AttributeError, "ask cuda.is_available"),
    (lambda: chainrule.onnx, AttributeError, "to_torch"),
    (lambda: chainrule.autograd.Function, AttributeError, "@primitive"),
    (lambda: nn.DataParallel, AttributeError, "leave it out"),
    (lambda: nn.LSTM(2, 2, proj_size=1), TypeError, "no argument proj_size"),
    (lambda: chainrule.ones(2, 2).max((0, 1)), TypeError, "amax"),
    (lambda: chainrule.ones(2, 2) - chainrule.ones(2, 2).max(1), TypeError, "take its .values"),
    (lambda: chainrule.ones(2).masked_fill([1, 0], 0), TypeError, "a mask holds booleans"),
    (lambda: chainrule.multinomial([0.0, 1.0], 2), ValueError, "cannot draw 2"),
    (lambda: range(chainrule.ones(2)), TypeError, "only a Tensor with one integer"),
    (lambda: TensorDataset(chainrule.ones(2), chainrule.ones(3)), ValueError, "one length"),
    (lambda: DataLoader([1], shuffle=True, sampler=[0]), ValueError, "not both"),
    (lambda: random_split([1, 2], [1, 2]), ValueError, "do not add up"),
])  # fmt: skip
def test_what_is_refused_says_what_to_write(call, kind, words):
    with pytest.raises(kind, match=f"(?s){words}"):
        call()


def test_there_is_no_gpu_and_nothing_complains():
    assert not chainrule.cuda.is_available() and chainrule.cuda.device_count() == 0
    assert not chainrule.backends.mps.is_available() and not chainrule.accelerator.is_available()
    chainrule.cuda.manual_seed_all(0)
    x = chainrule.ones(2, device="cpu")
    assert (
        x.to(chainrule.device("cpu")) is x and x.device == chainrule.device("cpu") and str(x.device) == "cpu"
    )


def test_data_sets_are_cut_and_joined():
    numbers = list(range(10))
    parts = random_split(numbers, [0.75, 0.25], generator=np.random.default_rng(0))
    assert [len(part) for part in parts] == [8, 2] and sorted([*parts[0], *parts[1]]) == numbers
    both = ConcatDataset([Subset(numbers, [3, 4]), numbers])
    assert [both[i] for i in (0, 1, 2, -1)] == [3, 4, 0, 9]
    assert len([*RandomSampler(numbers, replacement=True, num_samples=3000)]) == 3000
    batches = [b.tolist() for b in DataLoader(numbers, batch_size=4, drop_last=True)]
    assert batches == [[0, 1, 2, 3], [4, 5, 6, 7]]
    named = next(iter(DataLoader([{"x": 1.0, "y": np.ones(2)}] * 2, batch_size=2)))
    assert named["x"].dtype == np.float64 and named["y"].shape == (2, 2)


def test_a_lazy_layer_keeps_the_parameters_that_an_optimiser_holds():
    net = nn.Sequential(nn.LazyConv2d(2, 3), nn.Flatten(), nn.LazyLinear(1))
    steps = optim.SGD(net.parameters(), lr=1.0)
    net(chainrule.ones(1, 3, 4, 4)).sum().backward()
    assert all(p.grad is not None for p in steps.param_groups[0]["params"])
    assert type(net[0]) is nn.Conv2d and net[2].in_features == 8
