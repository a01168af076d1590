"""Transformer encoder for texts and series of any length."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from .sequences import Steps, mean_of


class Layer(nn.Module):
    """Attention among the steps, then two linear layers with GELU, each added to what it is given.

    [N, L, width], bool [N, L] → [N, L, width]. As in Vaswani et al., "Attention Is All You Need" (2017), but
    normalised before each part and not after it, which trains without warm-up (Xiong et al., 2020).

    Args:
        width: Numbers that stand for a step.
        heads: Parts of them that attend on their own; divides `width`.
        hidden: Width between the two linear layers.
        dropout: Share dropped of what either part adds, in training, in [0, 1).
    """

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_hidden = nn.LayerNorm(width), nn.LayerNorm(width)
        self.asked = nn.Linear(width, 3 * width)
        self.answered = nn.Linear(width, width)
        self.widened, self.narrowed = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, vectors: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        """What comes out for the steps that are there does not depend on the others."""
        vectors = vectors + self.dropout(self._attended(self.before_attention(vectors), there))
        hidden = self.dropout(F.gelu(self.widened(self.before_hidden(vectors))))
        outputs: torch.Tensor = vectors + self.dropout(self.narrowed(hidden))
        return outputs

    def _attended(self, vectors: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        rows, steps, width = vectors.shape
        # Queries, keys and values, each [N, heads, L, width / heads].
        parts = self.asked(vectors).view(rows, steps, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(parts[0], parts[1], parts[2], attn_mask=there[:, None, None, :])
        outputs: torch.Tensor = self.answered(found.transpose(1, 2).reshape(rows, steps, width))
        return outputs


class Transformer(nn.Module):
    """Vectors of the steps and their places, encoder layers, pooling, a linear layer; → [N, output_size].

    Args:
        input_shape: (L,) of a text, (L, C + 1) of a series (see `sequences.py`).
        output_size: Number of classes, or 1 for regression; outputs are logits or a standardised value.
        vocabulary: Token ids there are; 0 for a series.
        width: Numbers that stand for a step.
        heads: Parts of them that attend on their own.
        layers: How many layers stand on each other.
        expansion: Width inside a layer, as a multiple of `width`.
        dropout: Share of the numbers dropped, in training, in [0, 1).
        positions: "learned", or "sinusoidal": sines and cosines of a place at wavelengths from 2π to 10000 · 2π
            (Vaswani et al., 2017, section 3.5).
        pooling: "mean" over the steps, or "first": a learned step before all others gathers what they say (Devlin et
            al., "BERT", 2019).
        sequence: Where columns stand beside it, the shape of the text or series; `input_shape` is that of both then.

    Raises:
        ValueError: the inputs are neither a text nor a series, the heads do not divide the width, or there are no such
            positions or pooling.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_size: int,
        vocabulary: int = 0,
        width: int = 64,
        heads: int = 4,
        layers: int = 2,
        expansion: float = 2.0,
        dropout: float = 0.1,
        positions: str = "learned",
        pooling: str = "mean",
        sequence: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"the width {width} is not a multiple of the {heads} heads")
        if positions not in ("learned", "sinusoidal"):
            raise ValueError(f"there are no positions '{positions}'; choose one of learned, sinusoidal")
        if pooling not in ("mean", "first"):
            raise ValueError(f"there is no pooling '{pooling}'; choose one of mean, first")
        self.steps = Steps("transformer", input_shape, vocabulary, width, sequence=sequence)
        if positions == "learned":
            self.places = nn.Parameter(torch.randn(self.steps.shape[0], width) * 0.1)
        else:
            self.register_buffer("places", sinusoids(self.steps.shape[0], width), persistent=False)
        self.first = nn.Parameter(torch.randn(1, 1, width) * 0.1) if pooling == "first" else None
        hidden = max(1, round(width * expansion))
        self.layers = nn.ModuleList(Layer(width, heads, hidden, dropout) for _ in range(layers))
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width)
        self.head = self.steps.head(width, output_size)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Logits or standardised values, [N, output_size]."""
        vectors, there = self.steps(inputs)
        vectors = vectors + self.places[: vectors.shape[1]]
        if self.first is not None:
            vectors = torch.cat([self.first.expand(len(vectors), -1, -1), vectors], dim=1)
            there = torch.cat([torch.ones_like(there[:, :1]), there], dim=1)
        vectors = self.dropout(vectors)
        for layer in self.layers:
            vectors = layer(vectors, there)
        vectors = self.norm(vectors)
        pooled = mean_of(vectors, there) if self.first is None else vectors[:, 0]
        outputs: torch.Tensor = self.head(self.steps.joined(pooled, inputs))
        return outputs


def sinusoids(steps: int, width: int) -> torch.Tensor:
    """Sines, then cosines, of each place at ⌈width / 2⌉ wavelengths from 2π to 10000 · 2π; float32 [steps, width]."""
    half = (width + 1) // 2
    rates = torch.exp(torch.arange(half) * (-math.log(10_000.0) / max(half - 1, 1)))
    angles = torch.arange(steps).unsqueeze(1) * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :width]
