"""Models made of the package's layers: a small GPT, as the chapter of that name builds it.

PyTorch has the block as `torch.nn.TransformerEncoderLayer` with norm_first=True; the parameters here have its names.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator

from chainrule import init, nn
from chainrule.tensor import Tensor

__all__ = ["Block", "GPT"]


class Block(nn.Module):
    """One block of a transformer: each place looks back, then thinks by itself; both are added to what came in.

    Args:
        embed_dim: size E of the vector at each place.
        num_heads: number of heads of the attention; divides E.
        generator: source of the starting values.

    Source: Vaswani et al., Attention Is All You Need, 2017, section 3.1; the norm before each half as in Radford et
    al., Language Models are Unsupervised Multitask Learners, 2019, section 2.3.
    """

    def __init__(self, embed_dim: int, num_heads: int, generator: Generator | None = None):
        self.self_attn = nn.MultiheadAttention(embed_dim, num_heads, batch_first=True, generator=generator)
        self.linear1 = nn.Linear(embed_dim, 4 * embed_dim, generator=generator)
        self.linear2 = nn.Linear(4 * embed_dim, embed_dim, generator=generator)
        self.norm1, self.norm2 = nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)

    def forward(self, x: Tensor) -> Tensor:
        """The vectors, of **shape** (B, T, E), each changed by those at its place and before it."""
        y = self.norm1(x)
        x = x + self.self_attn(y, y, y, need_weights=False, is_causal=True)[0]
        return x + self.linear2(self.linear1(self.norm2(x)).relu())

    def to_torch(self) -> Any:
        """The same block in PyTorch: a `TransformerEncoderLayer`."""
        import torch

        sizes = self.self_attn.embed_dim, self.self_attn.num_heads, self.linear1.out_features
        return torch.nn.TransformerEncoderLayer(*sizes, dropout=0.0, batch_first=True, norm_first=True)


class GPT(nn.Module):
    """Scores of the next token, at each place of a text, from the tokens up to there.

    Args:
        vocab_size: number V of tokens.
        context: longest text in tokens.
        embed_dim: size E of the vector at each place.
        num_heads: heads of each block's attention; divides E.
        num_layers: number of blocks.
        generator: source of the starting values.

    Source: Radford et al., Improving Language Understanding by Generative Pre-Training, 2018, section 3.1.
    """

    def __init__(self, vocab_size: int, context: int, embed_dim: int, num_heads: int, num_layers: int,
                 generator: Generator | None = None):  # fmt: skip
        self.context, self.num_heads = context, num_heads
        self.tokens = nn.Embedding(vocab_size, embed_dim, generator=generator)
        self.positions = nn.Embedding(context, embed_dim, generator=generator)
        for table in (self.tokens, self.positions):
            init.normal_(table.weight, std=0.1, generator=generator)
        self.blocks = nn.ModuleList([Block(embed_dim, num_heads, generator) for _ in range(num_layers)])
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, generator=generator)

    def forward(self, tokens: Any) -> Tensor:
        """Scores, of **shape** (B, T, V): entry (b, t) is about the token after place t.

        Args:
            tokens: integers of **shape** (B, T), T at most context.

        Raises:
            ValueError: if the text is longer than the context.
        """
        length = np.shape(tokens)[1]
        if length > self.context:
            raise ValueError(
                f"GPT: {length} tokens, but the context is {self.context}; give the last {self.context}"
            )
        x = self.tokens(tokens) + self.positions(np.arange(length))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))

    def to_torch(self) -> Any:
        """The same model in PyTorch; see `chainrule.torch.GPT`."""
        from chainrule.torch import GPT

        vocab_size, embed_dim = self.tokens.weight.shape
        return GPT([block.to_torch() for block in self.blocks], vocab_size, embed_dim, self.context)
