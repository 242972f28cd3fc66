"""Every op against PyTorch and against finite differences, driven by the table in cases.py."""

import copy
import warnings

import numpy as np
import pytest
import torch
from cases import CASES, as_list, tensor_of, torch_of

from chainrule import Tensor, fused, no_grad, ops, windows
from chainrule.autograd import kept_arrays, toposort
from chainrule.checks import check_grad

# What is meant to be infinite or not a number in some rows would otherwise be reported.
pytestmark = [
    pytest.mark.filterwarnings("ignore:(divide by zero|invalid value|overflow):RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:var\\(\\):UserWarning"),
    pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning"),
]
ALL = pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
SMOOTH = [case for case in CASES if not case.kink]


def all_ops():
    """Every public function that ops.py and its two parts define, by name; an alias counts once."""
    found = {
        n: f
        for n, f in vars(ops).items()
        if not n.startswith("_") and callable(f) and n not in ("primitive",)
    }
    modules = {module.__name__ for module in (ops, windows, fused)}
    own = {f: n for n, f in reversed(found.items()) if getattr(f, "__module__", "") in modules}
    return set(own.values())


def run_ours(case, dtype):
    """Outputs and inputs as Tensors."""
    inputs = case.leaves(copy.deepcopy(case.arrays(dtype)), tensor_of)
    return as_list(case.ours(inputs)), inputs


def upstream(outputs, layout="C"):
    rng = np.random.default_rng(5)
    return [np.asarray(rng.standard_normal(out.shape), out.dtype, order=layout) for out in outputs]


def gradients(outputs, inputs, gs):
    for out, g in zip(outputs, gs, strict=True):
        if out.requires_grad:
            out.backward(g, retain_graph=True)
    return [getattr(x, "grad", None) for x in inputs]


def check_case(case, dtype):
    """Value, dtype and every gradient are PyTorch's: to 1e-10 in float64, to 1e-5 relative in float32."""
    tol = 1e-10 if dtype == np.float64 else 1e-5
    outputs, inputs = run_ours(case, dtype)
    their_inputs = case.leaves(copy.deepcopy(case.arrays(dtype)), torch_of)
    theirs = as_list(case.theirs(their_inputs))
    assert len(outputs) == len(theirs)
    for out, wanted in zip(outputs, theirs, strict=True):
        assert_close(f"{case.op}: value", out.numpy(), wanted.detach().numpy(), tol)
    for i, (x, wanted) in enumerate(zip(inputs, their_inputs, strict=True)):
        if isinstance(wanted, torch.Tensor):  # batch norm's running statistics have moved, nothing else has
            assert_close(f"{case.op}: input {i} afterwards", x.numpy(), wanted.detach().numpy(), tol)
    gs = upstream(outputs)
    got = gradients(outputs, inputs, gs)
    for out, g in zip(theirs, gs, strict=True):
        if out.requires_grad:
            out.backward(torch.tensor(g), retain_graph=True)
    for i, (g, x) in enumerate(zip(got, their_inputs, strict=True)):
        wanted = getattr(x, "grad", None)
        assert (g is None) == (wanted is None), f"{case.op}: gradient of input {i}: {g} and {wanted}"
        if g is not None:
            assert_close(f"{case.op}: gradient of input {i}", g.numpy(), wanted.numpy(), tol)


def assert_close(what, got, wanted, tol):
    assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype), what
    scale = np.abs(wanted[np.isfinite(wanted)]).max(initial=1.0)
    np.testing.assert_allclose(got, wanted, rtol=tol, atol=tol * scale, err_msg=what)


def test_every_op_has_rows_and_is_exported():
    assert all_ops() == {case.op for case in CASES}
    assert all_ops() | {"cat"} == set(ops.__all__)


def test_no_row_stands_twice():
    assert len({case.id for case in CASES}) >= 0.95 * len(CASES)


@ALL
@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["f64", "f32"])
def test_op_is_torchs(case, dtype):
    check_case(case, dtype)


@pytest.mark.parametrize("case", SMOOTH, ids=[case.id for case in SMOOTH])
def test_op_agrees_with_differences(case):
    free = [i for i, a in enumerate(case.inputs) if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
    if case.op == "batch_norm":
        free = [i for i in free if i not in (1, 2)]  # the running statistics are constants
    if case.op == "cast" or not free:
        pytest.skip("nothing to differentiate")

    def f(*xs):
        inputs = copy.deepcopy(list(case.inputs))
        for i, x in zip(free, xs, strict=True):
            inputs[i] = x
        outputs = as_list(case.ours(inputs))
        return outputs[0] if len(outputs) == 1 else ops.concatenate([out.reshape(-1) for out in outputs])

    check_grad(f, *(case.inputs[i] for i in free), tol=1e-6)


@ALL
def test_backward_twice_corrupts_nothing(case):
    """No VJP writes into what the graph keeps, into its inputs, or into the gradient it is given."""
    outputs, inputs = run_ours(case, np.float64)
    gs = upstream(outputs)
    roots = [out.node for out in outputs if out.node is not None]
    kept = [a for root in roots for node in toposort(root) for a in kept_arrays(node.vjps)]
    before = copy.deepcopy((kept, [getattr(x, "data", x) for x in inputs], gs))
    first = [None if g is None else g.numpy().copy() for g in gradients(outputs, inputs, gs)]
    second = gradients(outputs, inputs, gs)
    after = (kept, [getattr(x, "data", x) for x in inputs], gs)
    assert_identical(before, after)
    for a, b in zip(first, second, strict=True):
        if a is not None:
            np.testing.assert_array_equal(b.numpy(), a + a)


def assert_identical(a, b):
    if isinstance(a, list | tuple):
        for x, y in zip(a, b, strict=True):
            assert_identical(x, y)
    elif isinstance(a, np.ndarray):
        np.testing.assert_array_equal(a, b)


@ALL
def test_layout_of_the_gradient_does_not_matter(case):
    (a, xs), (b, ys) = run_ours(case, np.float64), run_ours(case, np.float64)
    one, other = gradients(a, xs, upstream(a)), gradients(b, ys, upstream(b, "F"))
    for g, h in zip(one, other, strict=True):
        if g is not None:
            np.testing.assert_allclose(g.numpy(), h.numpy(), rtol=1e-12, atol=1e-12)


@ALL
def test_gradients_belong_to_the_leaf(case):
    """What backward() leaves in grad is nobody else's: scaling it in place changes no kept array."""
    outputs, inputs = run_ours(case, np.float64)
    gs = upstream(outputs)
    kept = [a for out in outputs if out.node for node in toposort(out.node) for a in kept_arrays(node.vjps)]
    grads = [g.numpy() for g in gradients(outputs, inputs, gs) if g is not None]
    for i, g in enumerate(grads):
        assert g.flags.writeable
        others = kept + gs + grads[:i] + [x.data for x in inputs if hasattr(x, "requires_grad")]
        assert not any(np.shares_memory(g, other) for other in others if other.size)


def test_the_checks_can_fail():
    wrong = next(case for case in CASES if case.op == "sin")
    op = ops.sin
    try:
        ops.sin = ops.primitive(lambda x: (np.sin(x), lambda g: -g * np.cos(x)))
        with pytest.raises(AssertionError, match="sin: gradient of input 0"):
            check_case(wrong, np.float64)
    finally:
        ops.sin = op


def test_no_warning_on_ordinary_input():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for op in ("sigmoid", "softplus", "gelu", "tanh"):
            getattr(ops, op)(np.array([-1000.0, 0.0, 1000.0]))


def test_half_precision_is_kept_and_averages_as_torch_does():
    x = np.full((3000, 2), 100, np.float16)  # their sum is beyond what the type can hold
    for dim in (None, 0, (0, 1)):
        got, wanted = ops.mean(x, dim=dim), torch.tensor(x).mean(dim)
        assert got.dtype == np.float16
        np.testing.assert_array_equal(got.numpy(), wanted.numpy())
    np.testing.assert_array_equal(ops.var(x, dim=0).numpy(), 0)
    assert ops.avg_pool2d(x[None, None, :4, :], 2, padding=1).dtype == np.float16


def test_booleans_are_probabilities_and_no_labels():
    x, rows = np.array([[0.0, 1.0], [0.0, 3.0]]), np.array([[True, False], [False, True]])
    assert ops.cross_entropy(x, rows).item() == pytest.approx(ops.cross_entropy(x, np.array([0, 1])).item())
    with pytest.raises(ValueError, match=r"want labels of shape \(2,\) .*, got bool of shape \(2,\)"):
        ops.cross_entropy(x, np.array([True, True]))


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"weight": np.array([1.0, 2.0, 3.0])}])
def test_logits_may_change_once_their_entropy_is_known(options):
    z = Tensor(np.arange(12.0).reshape(4, 3) % 5, requires_grad=True) * 1
    loss = ops.cross_entropy(z, np.array([0, 1, -100, 0]), **options)
    with no_grad():
        z *= 0
    loss.backward()


def test_padding_with_nothing_is_a_copy():
    x = np.zeros((2, 3))
    for counts in ((0, 0), (0, -1)):
        assert not np.shares_memory(ops.pad(x, counts).numpy(), x)


def test_lists_of_axes_as_torch():
    x = np.arange(24.0).reshape(2, 3, 4)
    for name in ("sum", "mean", "var"):
        mine, yours = getattr(Tensor(x), name)(dim=[0, 2]), getattr(torch.tensor(x), name)(dim=[0, 2])
        np.testing.assert_allclose(mine.numpy(), yours.numpy())
    assert Tensor(x[:, :1]).squeeze((0, 1)).shape == torch.tensor(x[:, :1]).squeeze((0, 1)).shape == (2, 4)
    assert ops.gather(Tensor(x[0]), 1, [[0], [1], [2]]).tolist() == [[0], [5], [10]]
