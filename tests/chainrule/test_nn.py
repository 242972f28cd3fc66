"""Layers: value, every gradient and every buffer equal PyTorch's in float64; modules, state and errors."""

import numpy as np
import pytest
import torch

from chainrule import Tensor, nn, ops
from chainrule.checks import assert_same_as_torch
from chainrule.torch import to_torch

TOL = 1e-10


def rng(seed=0):
    return np.random.default_rng(seed)


def pair(name, *args, theirs=None, **options):
    """Our layer and PyTorch's with the same weights, both in float64."""
    ours = getattr(nn, name)(*args, **options).double()
    yours = getattr(torch.nn, theirs or name)(*args, **options).double()
    state = {k: torch.tensor(v) for k, v in ours.state_dict().items()}
    assert list(state) == list(yours.state_dict())  # the same names in the same order
    yours.load_state_dict(state)
    return ours, yours


def compare(ours, theirs, *arrays, run=lambda layer, *x: layer(*x), seed=0):
    """Value, gradients of inputs and parameters, and buffers: the largest difference."""
    mine = [Tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    yours = [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    out, wanted = run(ours, *mine), run(theirs, *yours)
    out, wanted = ([o] if not isinstance(o, tuple) else list(o) for o in (out, wanted))
    total, wanted_total = 0.0, 0.0
    for a, b in zip(out, wanted, strict=True):
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=TOL, atol=TOL)
        assert a.dtype == np.float64
        weights = rng(seed).standard_normal(a.shape)
        total, wanted_total = total + (a * weights).sum(), wanted_total + (b * torch.tensor(weights)).sum()
    total.backward()
    wanted_total.backward()
    for a, b in zip(mine, yours, strict=True):
        if b.grad is not None:
            np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=TOL, atol=TOL)
    if isinstance(ours, nn.Module):
        names = dict(theirs.named_parameters())
        assert [name for name, _ in ours.named_parameters()] == list(names)
        for name, p in ours.named_parameters():
            np.testing.assert_allclose(
                p.grad.numpy(), names[name].grad.numpy(), rtol=TOL, atol=TOL, err_msg=name
            )
        for name, b in ours.named_buffers():
            wanted = dict(theirs.named_buffers())[name].numpy()
            np.testing.assert_allclose(b.numpy(), wanted, rtol=TOL, err_msg=name)


LAYERS = [
    ("Linear", (4, 3), {}, (5, 4)),
    ("Linear", (4, 3), {"bias": False}, (2, 5, 4)),
    ("Linear", (4, 1), {}, (4,)),
    ("Conv1d", (4, 6, 3), {"stride": 2, "padding": 1, "groups": 2}, (2, 4, 9)),
    ("Conv1d", (2, 3, 2), {"dilation": 2, "bias": False}, (2, 2, 7)),
    ("Conv2d", (3, 4, 3), {"padding": 1}, (2, 3, 6, 5)),
    (
        "Conv2d",
        (2, 4, (3, 2)),
        {"stride": (2, 1), "padding": (0, 1), "dilation": 2, "bias": False},
        (2, 2, 8, 7),
    ),
    ("Conv1d", (2, 3, 4), {"padding": "same", "dilation": 2}, (2, 2, 9)),
    ("Conv2d", (2, 4, (3, 2)), {"padding": "same"}, (2, 2, 5, 6)),
    ("Conv2d", (2, 4, 3, 2, "valid"), {}, (2, 2, 5, 6)),
    ("MaxPool1d", (2,), {}, (2, 3, 9)),
    ("MaxPool1d", (3, 2, 1, 2), {"ceil_mode": True}, (2, 3, 10)),
    ("MaxPool2d", ((3, 2), 2, 1, (1, 3)), {"ceil_mode": True}, (2, 3, 8, 9)),
    ("MaxPool2d", (3,), {"stride": 2, "padding": 1}, (2, 3, 7, 6)),
    ("AvgPool1d", (3,), {"stride": 1, "padding": 1}, (2, 3, 9)),
    ("AvgPool1d", (3, 2, 1, True, False), {}, (2, 3, 10)),
    ("AvgPool1d", (3, 2, 1, True), {}, (2, 3, 10)),
    ("AvgPool2d", ((2, 3),), {}, (2, 3, 6, 6)),
    ("AvgPool2d", (3, 2, 1, True, False), {}, (2, 3, 8, 6)),
    ("AvgPool2d", (3, 2, (1, 0), False, True, 5), {}, (2, 3, 8, 7)),
    ("BatchNorm1d", (4,), {}, (6, 4)),
    ("BatchNorm1d", (4,), {"eps": 1e-2, "momentum": 0.3}, (3, 4, 5)),
    ("BatchNorm1d", (4,), {"affine": False}, (6, 4)),
    ("BatchNorm1d", (4,), {"momentum": None}, (6, 4)),
    ("BatchNorm1d", (4,), {"track_running_stats": False}, (6, 4)),
    ("BatchNorm2d", (3,), {}, (2, 3, 4, 5)),
    ("BatchNorm2d", (3, 1e-3, None, False, True), {}, (2, 3, 4, 5)),
    ("BatchNorm2d", (3, 1e-3, 0.2, True, False), {}, (2, 3, 4, 5)),
    ("LayerNorm", (4,), {}, (2, 3, 4)),
    ("LayerNorm", ((3, 4),), {"eps": 1e-2}, (2, 3, 4)),
    ("LayerNorm", (4,), {"bias": False}, (3, 4)),
    ("LayerNorm", (4,), {"elementwise_affine": False}, (3, 4)),
    ("ReLU", (), {}, (3, 4)),
    ("LeakyReLU", (0.2,), {}, (3, 4)),
    ("GELU", (), {}, (3, 4)),
    ("GELU", (), {"approximate": "tanh"}, (3, 4)),
    ("Softplus", (2.0,), {}, (3, 4)),
    ("Sigmoid", (), {}, (3, 4)),
    ("Tanh", (), {}, (3, 4)),
    ("Softmax", (1,), {}, (3, 4)),
    ("Flatten", (), {}, (2, 3, 4)),
    ("Flatten", (0, 1), {}, (2, 3, 4)),
    ("Identity", (), {}, (2, 3)),
    ("LogSoftmax", (-1,), {}, (3, 4)),
    ("LogSoftmax", (), {}, (3, 4)),
    ("ELU", (0.7,), {}, (3, 4)),
    ("SiLU", (), {}, (3, 4)),
    ("AdaptiveAvgPool2d", ((2, None),), {}, (2, 3, 6, 5)),
    ("Unflatten", (1, (2, 3)), {}, (4, 6, 2)),
    ("Dropout2d", (0.0,), {}, (2, 3, 4, 4)),
    ("Dropout", (0.0,), {}, (2, 3)),
]


@pytest.mark.parametrize("name, args, options, shape", LAYERS)
@pytest.mark.parametrize("training", [True, False])
def test_layer_as_torch(name, args, options, shape, training):
    ours, theirs = pair(name, *args, **options)
    shake(ours, theirs)
    ours.train(training), theirs.train(training)
    for step in range(3):  # running statistics move on each time
        ours.zero_grad(), theirs.zero_grad()
        compare(ours, theirs, rng(step).standard_normal(shape))


def shake(ours, theirs):
    """Every parameter and buffer off its start, so that a weight of 1 and a bias of 0 hide nothing."""
    state = {
        k: v + rng(1).uniform(0.1, 0.5, v.shape) if v.dtype.kind == "f" else v
        for k, v in ours.state_dict().items()
    }
    ours.load_state_dict(state)
    theirs.load_state_dict({k: torch.tensor(v) for k, v in state.items()})


def test_every_layer_has_a_case():
    here = {
        name for name, value in vars(nn).items() if isinstance(value, type) and issubclass(value, nn.Module)
    }
    cased = {name for name, *_ in LAYERS} | {"RNN", "LSTM", "GRU", "MultiheadAttention", "MultiHeadAttention"}
    others = {"Module", "Sequential", "Residual", "Embedding", "ModuleList", "ModuleDict", "ParameterList"}
    others |= {name for name, value in vars(nn.losses).items() if name in here and value in vars(nn).values()}
    assert {n for n in here if n[0] != "_" and not n.startswith("Lazy")} - cased == others - {"Module"} | {
        "Module"
    }


def test_embedding_as_torch():
    compare(*pair("Embedding", 7, 3), np.array([[0, 6, 2], [2, 2, 1]]))


@pytest.mark.parametrize("padding_idx", [0, 2, -1, -7])
def test_embedding_with_a_padding_row_as_torch(padding_idx):
    ours, theirs = pair("Embedding", 7, 3, padding_idx)
    assert ours.padding_idx == theirs.padding_idx
    start = torch.nn.Embedding(7, 3, padding_idx).weight.detach().numpy()
    assert ((ours.weight.numpy() == 0) == (start == 0)).all()  # one row of zeros at first, the same one
    shake(ours, theirs)
    compare(ours, theirs, np.array([[0, 6, 2], [2, 2, 1]]))
    assert (ours.weight.grad.numpy()[padding_idx] == 0).all()
    ours.zero_grad()
    ours([padding_idx % 7, 1]).backward(np.full((2, 3), np.inf))
    assert (ours.weight.grad.numpy()[padding_idx] == 0).all()  # 0 times infinity would be NaN


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("options", [{}, {"bias": False}, {"bidirectional": True}])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("given", [True, False])
def test_recurrent_as_torch(name, layers, options, batch_first, batch, given):
    ours, theirs = pair(name, 3, 4, num_layers=layers, batch_first=batch_first, **options)

    def run(layer, x, *state):
        out, end = layer(x, (state if name == "LSTM" else state[0]) if state else None)
        return (out, *end) if name == "LSTM" else (out, end)

    shape = (layers * (1 + ("bidirectional" in options)), *batch, 4)
    states = [rng(i).standard_normal(shape) for i in range(1 + (name == "LSTM"))] if given else []
    x = rng().standard_normal((*batch, 7, 3) if batch_first else (7, *batch, 3))
    compare(ours, theirs, x, *states, run=run)


def test_relu_rnn_as_torch():
    ours, theirs = pair("RNN", 3, 4, 1, "relu")
    compare(ours, theirs, rng().standard_normal((5, 2, 3)), run=lambda layer, x: layer(x)[0])


CAUSAL = np.triu(np.ones((5, 5), bool), 1)
MASKS = {
    "none": {},
    "causal": {"attn_mask": CAUSAL},
    "is_causal": {"is_causal": True},
    "added": {"attn_mask": rng(3).standard_normal((5, 5))},
    "each": {"attn_mask": rng(4).standard_normal((4, 5, 5))},
    "padding": {"key_padding_mask": np.array([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]], bool)},
    "both": {"key_padding_mask": np.array([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]], bool), "attn_mask": CAUSAL},
}


@pytest.mark.parametrize("masks", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("options", [{}, {"batch_first": True, "bias": False}, {"kdim": 3, "vdim": 7}])
@pytest.mark.parametrize("batch", [(2,), ()])
@pytest.mark.parametrize("average", [True, False])
def test_attention_as_torch(masks, options, batch, average):
    ours, theirs = pair("MultiheadAttention", 6, 2, **options)
    shake(ours, theirs)

    def run(layer, q, k, v):
        given = dict(masks)
        if not batch:  # of the masks of two examples and two heads each, those of the first
            first = {2: lambda m: m[0] if len(m) == 2 else m, 3: lambda m: m[:2], 0: lambda m: m}
            given = {k: first[np.ndim(m)](m) for k, m in given.items()}
        if isinstance(q, torch.Tensor):
            given = {k: torch.tensor(m) for k, m in given.items() if k != "is_causal"}
            if "is_causal" in masks:
                given["attn_mask"] = torch.tensor(CAUSAL)
        return layer(q, k, v, average_attn_weights=average, **given)

    shape = (*batch, 5) if options.get("batch_first") else (5, *batch)
    sizes = (6, options.get("kdim", 6), options.get("vdim", 6))
    compare(ours, theirs, *(rng(i).standard_normal((*shape, n)) for i, n in enumerate(sizes)), run=run)


def test_attention_to_itself_and_to_another_length():
    ours, theirs = pair("MultiheadAttention", 4, 2, batch_first=True)
    compare(ours, theirs, rng().standard_normal((2, 3, 4)), run=lambda a, x: a(x, x, x))
    ours.zero_grad(), theirs.zero_grad()
    x, y = rng().standard_normal((2, 3, 4)), rng(1).standard_normal((2, 7, 4))
    compare(ours, theirs, x, y, run=lambda a, x, y: a(x, y, y, need_weights=False)[:1])
    assert ours(x, y, y, need_weights=False)[1] is None


def test_causal_attention_does_not_leak():
    layer = nn.MultiheadAttention(4, 2, batch_first=True, generator=rng())
    x = Tensor(rng().standard_normal((1, 6, 4)), requires_grad=True)
    layer(x, x, x, is_causal=True)[0][:, 2].sum().backward()
    assert (x.grad.numpy()[:, 3:] == 0).all() and (x.grad.numpy()[:, :3] != 0).any()


def test_whole_networks_as_torch():
    def build(lib, residual):
        return lib.Sequential(
            lib.Conv2d(1, 4, 3, padding=1), lib.BatchNorm2d(4), lib.ReLU(), lib.MaxPool2d(2),
            residual(lib.Sequential(lib.Conv2d(4, 4, 3, padding=1), lib.GELU())),
            lib.Flatten(), lib.Linear(36, 5), lib.LayerNorm(5),
        )  # fmt: skip

    class Residual(torch.nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module = module

        def forward(self, x):
            return x + self.module(x)

    ours, theirs = build(nn, nn.Residual).double(), build(torch.nn, Residual).double()
    theirs.load_state_dict({k: torch.tensor(v) for k, v in ours.state_dict().items()})
    compare(ours, theirs, rng().standard_normal((3, 1, 6, 6)))


def test_residual_with_a_shortcut():
    layer = nn.Residual(nn.Linear(3, 2, generator=rng()), nn.Linear(3, 2, bias=False, generator=rng(1)))
    x = np.ones((1, 3), np.float32)
    assert np.allclose(layer(x).numpy(), (layer.module(x) + layer.shortcut(x)).numpy())
    assert len(list(layer.parameters())) == 3


@pytest.mark.parametrize("name, args", [("Linear", (300, 200)), ("Conv2d", (30, 20, 3)), ("Embedding", (90, 80)),
                                        ("LSTM", (40, 50)), ("GRU", (40, 50)),
                                        ("MultiheadAttention", (60, 2))])  # fmt: skip
def test_starting_values_have_torchs_spread_and_follow_the_generator(name, args):
    ours, theirs = getattr(nn, name)(*args, generator=rng()), getattr(torch.nn, name)(*args)
    again = getattr(nn, name)(*args, generator=rng())
    for key, value in ours.state_dict().items():
        wanted = theirs.state_dict()[key].numpy()
        assert np.array_equal(value, again.state_dict()[key]) and value.dtype == wanted.dtype == np.float32
        if value.ndim > 1:
            value = value.numpy()
            assert value.std() == pytest.approx(wanted.std(), rel=0.1)
            assert np.abs(value).max() == pytest.approx(
                np.abs(wanted).max(), rel=0.1 if name != "Embedding" else 0.4
            )


def test_batch_norm_in_use_keeps_running_statistics_and_an_old_graph_stays_valid():
    layer = nn.BatchNorm1d(2)
    x = Tensor(rng().standard_normal((8, 2)), requires_grad=True)
    layer.eval()
    used = layer(x).sum()
    layer.train()
    before = layer.running_mean.numpy().copy()
    layer(x + 5.0)
    assert not np.array_equal(layer.running_mean.numpy(), before) and layer.num_batches_tracked.item() == 1
    used.backward()  # computed with the old statistics, which are still there
    np.testing.assert_allclose(x.grad.numpy(), 1 / np.sqrt(1 + 1e-5), rtol=1e-6)
    layer.eval()
    layer(x)
    assert layer.num_batches_tracked.item() == 1


def test_dropout():
    layer = nn.Dropout(0.25, generator=rng())
    x = Tensor(np.ones((200, 200)), requires_grad=True)
    out = layer(x)
    assert set(np.unique(out.numpy())) == {0.0, 1 / 0.75}
    assert (out.numpy() == 0).mean() == pytest.approx(
        0.25, abs=0.01
    )  # 40,000 draws: one standard error is 0.002
    out.sum().backward()
    assert np.array_equal(x.grad.numpy(), out.numpy())
    assert layer.eval()(x) is x
    assert (nn.Dropout(1.0)(x).numpy() == 0).all()


def test_dropout_inside_layers_only_in_training():
    x = rng().standard_normal((5, 2, 4)).astype(np.float32)
    for layer, run in (
        (nn.LSTM(4, 4, num_layers=2, dropout=0.5, generator=rng()), lambda m: m(x)[0]),
        (nn.MultiheadAttention(4, 2, dropout=0.5, generator=rng()), lambda m: m(x, x, x)[0]),
    ):
        assert not np.array_equal(run(layer).numpy(), run(layer).numpy())
        layer.eval()
        assert np.array_equal(run(layer).numpy(), run(layer).numpy())


class Net(nn.Module):
    def __init__(self):
        self.layers = nn.ModuleList([nn.Linear(2, 3, generator=rng(0)), nn.Linear(3, 2, generator=rng(1))])
        self.hidden = [nn.Linear(2, 2)]  # a plain list is not known, as in PyTorch
        self.head = nn.Linear(2, 1, generator=rng(2))
        self.tied = self.layers[0].weight
        self.scale = nn.Parameter([1.0])
        self.steps = nn.Buffer(0)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.head(x) * self.scale


def test_module_tree():
    net = Net()
    assert [n for n, _ in net.named_parameters()] == [
        "tied", "scale", "layers.0.bias", "layers.1.weight", "layers.1.bias", "head.weight", "head.bias"
    ]  # fmt: skip
    assert [n for n, _ in net.named_buffers()] == ["steps"]
    assert sum(1 for _ in net.modules()) == 5
    net.eval()
    assert not net.layers[1].training and not net.training
    net.train().requires_grad_(False)
    assert all(not p.requires_grad for p in net.parameters())
    net.requires_grad_()
    net(np.ones((1, 2), np.float32)).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_state_dict_round_trip(tmp_path):
    a, b = Net(), Net()
    for p in a.parameters():
        p.data = p.data + 1
    np.savez(tmp_path / "net.npz", **a.state_dict())
    with np.load(tmp_path / "net.npz") as saved:
        b.load_state_dict(saved)
    for (name, x), y in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        assert np.array_equal(x, y), name
    b.state_dict()["scale"].zero_()
    assert b.scale.item() == 0, "a state dict shares memory with the model, as in PyTorch"


def test_load_state_dict_names_all_faults_and_changes_nothing():
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    before = net.state_dict()
    state = net.state_dict() | {"0.weight": np.zeros((3, 4)), "extra": np.zeros(1), "0.bias": np.ones(3)}
    del state["1.bias"]
    with pytest.raises(RuntimeError) as error:
        net.load_state_dict(state)
    for part in ("missing: 1.bias", "unknown: extra", "0.weight: saved with shape (3, 4), here (3, 2)"):
        assert part in str(error.value)
    assert all(np.array_equal(x, before[k]) for k, x in net.state_dict().items())
    net.load_state_dict({"0.bias": np.ones(3), "extra": 0}, strict=False)
    assert net[0].bias.numpy().tolist() == [1, 1, 1]


def test_repr_is_a_tree_with_counts():
    net = nn.Sequential(nn.Linear(2, 16, bias=False), nn.Residual(nn.Sequential(nn.ReLU(), nn.Dropout(0.1))),
                        nn.Conv2d(1, 2, 3, padding=1), nn.LSTM(3, 4, batch_first=True))  # fmt: skip
    assert repr(net) == (
        "Sequential(  # 196\n"
        "  (0): Linear(in_features=2, out_features=16, bias=False)  # 32\n"
        "  (1): Residual(\n"
        "    (module): Sequential(\n"
        "      (0): ReLU()\n"
        "      (1): Dropout(p=0.1)\n"
        "    )\n"
        "  )\n"
        "  (2): Conv2d(in_channels=1, out_channels=2, kernel_size=3, padding=1)  # 20\n"
        "  (3): LSTM(input_size=3, hidden_size=4, batch_first=True)  # 144\n"
        ")"
    )


def test_sequential_and_dtype():
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    assert len(net) == 3 and isinstance(net[0], nn.Linear) and isinstance(net[-1], nn.Linear)
    assert len(net[:2]) == 2 and net[:2][0] is net[0]
    assert {x.dtype for x in net.state_dict().values()} == {np.dtype(np.float32), np.dtype(np.int64)}
    net.double()
    assert {x.dtype for x in net.state_dict().values()} == {np.dtype(np.float64), np.dtype(np.int64)}
    net(rng().standard_normal((4, 2))).sum().backward()
    assert net[0].weight.grad.dtype == np.float64
    assert net.float()[0].weight.requires_grad and nn.Linear(2, 2, dtype=np.float64).bias.dtype == np.float64


def test_float32_stays():
    net = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.GELU(), nn.Dropout(0.5), nn.Linear(8, 6))
    lstm, attention = nn.LSTM(6, 6, 2, dropout=0.3), nn.MultiheadAttention(6, 2, dropout=0.3)
    x = lstm(net(np.ones((5, 2, 4), np.float32)))[0]
    x = attention(x, x, x, is_causal=True)[0]
    assert x.dtype == np.float32
    x.sum().backward()
    for module in (net, lstm, attention):
        assert all(p.grad.dtype == np.float32 for p in module.parameters())


def test_long_sequences_cost_little():
    """Gradients of 2,000 entries are put together without 2,000 arrays of the whole length."""
    x = Tensor(np.zeros((2000, 1, 50)), requires_grad=True)
    entries = ops.unbind(x)
    assert len(entries) == 2000 and entries[0].shape == (1, 50)
    assert all(entry.node.vjps[0](np.ones((1, 50))).size == 1 for entry in entries)
    assert all(a.node.parents == entries[0].node.parents for a in entries)


def test_lstm_steps_are_the_cells():
    """The layer's one op for a sequence does what the cell does, step by step."""
    layer = nn.LSTM(3, 4, generator=rng()).double()
    x = Tensor(rng(1).standard_normal((5, 2, 3)), requires_grad=True)
    outputs, (h, c) = layer(x)
    (outputs * outputs).sum().backward()
    found = [p.grad.numpy() for p in (x, *layer.parameters())]
    x.zero_grad()
    layer.zero_grad()
    w_ih, w_hh, b_ih, b_hh = layer.parameters()
    shown, state = [], (Tensor(np.zeros((2, 4))), Tensor(np.zeros((2, 4))))
    for entry in x:
        state = ops.lstm_cell(ops.linear(entry, w_ih, b_ih) + ops.linear(state[0], w_hh, b_hh), state[1])
        shown.append(state[0])
    np.testing.assert_allclose(outputs.numpy(), ops.stack(shown).numpy(), rtol=1e-14)
    np.testing.assert_allclose([h.numpy()[0], c.numpy()[0]], state.numpy(), rtol=1e-14)
    (ops.stack(shown) * outputs.detach() * 2).sum().backward()
    for p, g in zip((x, *layer.parameters()), found, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), g, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "options", [{}, {"bias": False}, {"bidirectional": True, "num_layers": 2}, {"batch_first": True}]
)
def test_lstm_is_torchs_to_the_last_digits(options):
    layer = nn.LSTM(6, 24, generator=rng(), **options).double()
    assert_same_as_torch(layer, to_torch(layer, "cpu"), rng(1).standard_normal((50, 8, 6)), tol=1e-12)


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: nn.Linear(3, 2)(np.ones((4, 5))), ValueError, r"linear: x of shape \(4, 5\) does not fit"),
        (lambda: nn.Sequential([nn.ReLU()]), TypeError, "argument 0 is list"),
        (lambda: nn.Sequential(nn.ReLU)(1), TypeError, "argument 0 is type"),
        (lambda: nn.Module()(1), NotImplementedError, "Module defines no forward"),
        (lambda: nn.Linear(3, 2, seed=1), TypeError, "seed"),
        (lambda: nn.Linear(3, 2, generator=1), TypeError, "default_rng"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "multiples of groups=2"),
        (lambda: nn.Conv2d(3, 4, 3)(np.ones((3, 8))), ValueError, r"\(B, C, H, W\)"),
        (lambda: nn.BatchNorm1d(3)(np.ones((4, 2))), ValueError, "wanted 3 features on axis 1"),
        (lambda: nn.BatchNorm1d(3)(np.ones((1, 3))), ValueError, "more than 1 value per channel"),
        (lambda: nn.BatchNorm2d(3)(np.ones((4, 3))), ValueError, "of 4 axes"),
        (lambda: nn.LayerNorm(3)(np.ones((4, 2))), ValueError, "does not end in normalized_shape"),
        (lambda: nn.MaxPool2d(2, 2, 0, 1, True), TypeError, "positional"),  # where PyTorch has return_indices
        (lambda: nn.Dropout(1.5), ValueError, "probability"),
        (lambda: nn.Embedding(3, 2)(np.array([3])), IndexError, "index 3 is out of range"),
        (lambda: nn.Embedding(3, 2)(np.array([0.5])), TypeError, "integers"),
        (lambda: nn.LSTM(3, 4)(np.ones((5, 2))), ValueError, r"LSTM: wanted x of shape \(T, B, 3\), got \(5, 2\)"),
        (lambda: nn.GRU(3, 4, batch_first=True)(np.ones((1, 2, 5, 3))), ValueError, r"GRU: .* \(B, T, 3\), got"),
        (lambda: nn.GRU(3, 4)(np.ones((5, 3)), np.ones((1, 1, 4))), ValueError, r"a state of shapes \[\(1, 4\)\]"),
        (lambda: nn.LSTM(3, 4)(np.ones((5, 2, 3)), np.ones((1, 2, 4))), ValueError, r"\(1, 2, 4\)\], got \[\(2, 4\)\]"),
        (lambda: nn.RNN(3, 4, nonlinearity="gelu"), ValueError, "'tanh' or 'relu'"),
        (lambda: nn.MultiheadAttention(5, 2), ValueError, "no multiple of num_heads"),
        (lambda: nn.MultiheadAttention(4, 2)(*[np.ones((2, 3))] * 3), ValueError, r"4 on the last, got shape \(2, 3\)"),
        (lambda: nn.MultiheadAttention(4, 2)(np.ones((5, 1, 4)), *[np.ones((5, 4))] * 2), ValueError, "of 2 axes or"),
        (lambda: nn.MultiheadAttention(4, 2)(*[np.ones((1, 1, 5, 4))] * 3), ValueError, "of 2 axes or of 3"),
        (lambda: nn.MultiheadAttention(4, 2, vdim=3)(*[np.ones((5, 4))] * 3), ValueError, "3 on the last"),
        (lambda: nn.MultiheadAttention(4, 2, 0.0, True, True), TypeError, "positional"),
    ],
)  # fmt: skip
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_lists_are_float32_in_layers_too():
    assert nn.RNN(2, 3)([[[1.0, 2.0]]])[0].dtype == np.float32
    assert nn.MultiheadAttention(2, 1)(*[[[1.0, 2.0]]] * 3)[0].dtype == np.float32


@pytest.mark.parametrize("x, mask", [((3, 4), (1, 3)), ((2, 3, 4), (3, 3)), ((2, 3, 4), (2, 2))])
def test_a_padding_mask_that_does_not_fit_is_refused(x, mask):
    attention = nn.MultiheadAttention(4, 2, batch_first=True)
    with pytest.raises(ValueError):
        attention(*[np.ones(x, np.float32)] * 3, key_padding_mask=np.zeros(mask, bool))


def test_float_of_a_float32_module_keeps_gradients_and_double_carries_them_over():
    layer = nn.Linear(2, 1)
    loss = layer(Tensor([[1.0, 2.0]])).sum()
    layer.float()
    loss.backward()
    assert layer.float().weight.grad.tolist() == [[1, 2]]
    assert layer.double().weight.grad.dtype == np.float64 and layer.weight.grad.tolist() == [[1, 2]]
    layer.requires_grad_(False).requires_grad_(True)
    assert layer.weight.grad.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("given", "message"),
    [("model.npz", r"wanted arrays by name, as np.load\(path\) reads them, got str 'model.npz'"),
     (None, "got NoneType"),
     ([1], "got list"), ({"weight": "x", "bias": 1}, "weight holds no numbers"),
     ({"weight": None, "bias": 1}, "no numbers")],
)  # fmt: skip
def test_what_is_no_state_dict(given, message):
    with pytest.raises(TypeError, match=f"load_state_dict: {message}|load_state_dict: .*{message}"):
        nn.Linear(2, 1).load_state_dict(given)
