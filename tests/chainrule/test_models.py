"""chainrule.models: the block and the GPT, against their definition by hand, PyTorch, and differences."""

import numpy as np
import pytest
import torch

from chainrule import Tensor, checks, losses, models, nn
from chainrule.torch import to_torch


def rng(seed=0):
    return np.random.default_rng(seed)


def test_a_block_is_attention_and_then_a_small_net_each_added():
    block = models.Block(8, 2, rng()).double()
    x = Tensor(rng(1).standard_normal((3, 5, 8)))
    norm = nn.LayerNorm(8).double()
    y = norm(x)
    later = np.triu(np.ones((5, 5), bool), 1)
    x1 = x + block.self_attn(y, y, y, attn_mask=later)[0]
    hidden = np.maximum(block.linear1(norm(x1)).detach().numpy(), 0)
    wanted = (
        x1.detach().numpy()
        + hidden @ block.linear2.weight.detach().numpy().T
        + block.linear2.bias.detach().numpy()
    )
    np.testing.assert_allclose(block(x).detach().numpy(), wanted, rtol=0, atol=1e-13)
    checks.check_grad(block, x)


def gpt(dtype=np.float64):
    return models.GPT(7, 6, 8, num_heads=2, num_layers=2, generator=rng()).to(dtype)


TEXT = rng(2).integers(7, size=(3, 6))


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-4), (np.float64, 1e-12)])
def test_the_gpt_is_pytorchs(dtype, tolerance):
    model = gpt(dtype)
    theirs = to_torch(model, "cpu")
    assert [*model.state_dict()] == [*theirs.state_dict()]
    scores = model(TEXT[:, :-1])
    losses.cross_entropy(scores.reshape(-1, 7), TEXT[:, 1:].ravel()).backward()
    wanted = theirs(torch.tensor(TEXT[:, :-1]))
    torch.nn.functional.cross_entropy(wanted.reshape(-1, 7), torch.tensor(TEXT[:, 1:].ravel())).backward()
    assert scores.shape == (3, 5, 7) and scores.dtype == dtype
    np.testing.assert_allclose(scores.detach().numpy(), wanted.detach(), rtol=0, atol=tolerance)
    for (name, mine), other in zip(model.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(mine.grad, other.grad, rtol=0, atol=tolerance, err_msg=name)


def test_no_place_sees_what_comes_after_it():
    model, changed = gpt(), TEXT.copy()
    changed[:, 4:] = (changed[:, 4:] + 1) % 7
    before, after = model(TEXT).detach().numpy(), model(changed).detach().numpy()
    assert np.array_equal(before[:, :4], after[:, :4]) and not np.allclose(before[:, 4:], after[:, 4:])


def test_a_text_longer_than_the_context_is_refused():
    with pytest.raises(ValueError, match="7 tokens, but the context is 6"):
        gpt()(np.zeros((1, 7), int))


def test_the_same_generator_gives_the_same_model():
    a, b = gpt().state_dict(), gpt().state_dict()
    assert all(np.array_equal(a[name], b[name]) for name in a)
    assert 0.05 < a["tokens.weight"].std() < 0.15
