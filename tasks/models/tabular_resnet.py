"""Residual network for flat inputs, with embeddings of the numbers where the recipe asks for them."""

from __future__ import annotations

import torch
from torch import nn

from .embeddings import embedding as spread
from .shapes import flat_width


class Block(nn.Module):
    """x + Dropout(Linear(Dropout(ReLU(Linear(BatchNorm(x)))))); [N, width] → [N, width].

    The layers as in Gorishniy, Rubachev, Khrulkov and Babenko, "Revisiting Deep Learning Models for Tabular
    Data" (2021), section 3.2.

    Args:
        width: Numbers that go in and come out.
        hidden: Width between the two linear layers.
        hidden_dropout: Share dropped between them in training, in [0, 1).
        residual_dropout: Share dropped of what is added, in training, in [0, 1).
    """

    def __init__(self, width: int, hidden: int, hidden_dropout: float, residual_dropout: float) -> None:
        super().__init__()
        self.added = nn.Sequential(
            nn.BatchNorm1d(width),
            nn.Linear(width, hidden),
            nn.ReLU(),
            nn.Dropout(hidden_dropout),
            nn.Linear(hidden, width),
            nn.Dropout(residual_dropout),
        )

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """The inputs and what the block adds to them."""
        outputs: torch.Tensor = inputs + self.added(inputs)
        return outputs


class TabularResnet(nn.Module):
    """Embedding, a linear layer, residual blocks, then BatchNorm, ReLU and a linear layer; [N, F] → [N, output_size].

    Args:
        input_shape: (F,). Every input is embedded alike, 0-or-1 columns too.
        output_size: Number of classes, or 1 for regression; outputs are logits or a standardised value.
        width: Numbers each block takes and gives.
        blocks: How many.
        expansion: Width inside a block as a multiple of `width`; at least one unit.
        hidden_dropout: Share dropped inside a block in training, in [0, 1).
        residual_dropout: Share dropped of what a block adds, in training, in [0, 1).
        embedding: "none", "periodic" or "plr".
        frequencies: Of each input.
        frequency_scale: Standard deviation of the first frequencies.
        embedding_size: Numbers per input of "plr".

    Raises:
        ValueError: the inputs are images, or there is no such embedding.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_size: int,
        width: int = 128,
        blocks: int = 2,
        expansion: float = 2.0,
        hidden_dropout: float = 0.2,
        residual_dropout: float = 0.0,
        embedding: str = "none",
        frequencies: int = 16,
        frequency_scale: float = 0.1,
        embedding_size: int = 8,
    ) -> None:
        super().__init__()
        features = flat_width("tabular_resnet", input_shape)
        self.embedding, wide = spread(embedding, features, frequencies, frequency_scale, embedding_size)
        self.first = nn.Linear(wide, width)
        hidden = max(1, round(width * expansion))
        self.blocks = nn.Sequential(*(Block(width, hidden, hidden_dropout, residual_dropout) for _ in range(blocks)))
        self.head = nn.Sequential(nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, output_size))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Logits or standardised values, [N, output_size]."""
        outputs: torch.Tensor = self.head(self.blocks(self.first(self.embedding(inputs))))
        return outputs
