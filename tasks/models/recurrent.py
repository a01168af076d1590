"""Recurrent network for texts and series of any length."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from .sequences import Steps, largest_of, last_of, mean_of, turned

CELLS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
"""Name → a plain layer with tanh (Elman, 1990), gated units (Cho et al., 2014), long short-term memory (Hochreiter
and Schmidhuber, 1997)."""


class Recurrent(nn.Module):
    """Recurrent layers over the steps, their outputs pooled, a linear layer; a text or a series → [N, output_size].

    A layer that reads both ways is two layers, one of which gets each sequence turned round, so that neither sees a
    step that is not there (Schuster and Paliwal, "Bidirectional Recurrent Neural Networks", 1997).

    Args:
        input_shape: (L,) of a text, (L, C + 1) of a series (see `sequences.py`).
        output_size: Number of classes, or 1 for regression; outputs are logits or a standardised value.
        vocabulary: Token ids there are; 0 for a series.
        cell: "rnn", "gru" or "lstm".
        embedding: Numbers that stand for a token of a text.
        hidden: Numbers that a layer carries from step to step, in each direction.
        layers: How many layers stand on each other.
        bidirectional: Whether each sequence is read from its end as well.
        dropout: Share of the numbers dropped before each layer and before the last one, in training, in [0, 1).
        pooling: "last" (what a direction has read when it is through), "mean" or "max" over the steps.
        sequence: Where columns stand beside it, the shape of the text or series; `input_shape` is that of both then.

    Raises:
        ValueError: the inputs are neither a text nor a series, or there is no such cell or pooling.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_size: int,
        vocabulary: int = 0,
        cell: str = "gru",
        embedding: int = 64,
        hidden: int = 64,
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.2,
        pooling: str = "last",
        sequence: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        if cell not in CELLS:
            raise ValueError(f"there is no cell '{cell}'; choose one of {', '.join(CELLS)}")
        if pooling not in ("last", "mean", "max"):
            raise ValueError(f"there is no pooling '{pooling}'; choose one of last, mean, max")
        self.steps = Steps("recurrent", input_shape, vocabulary, embedding if vocabulary else 0, sequence=sequence)
        directions = 2 if bidirectional else 1
        widths = [self.steps.size, *[hidden * directions] * (layers - 1)]
        self.onward = nn.ModuleList(CELLS[cell](width, hidden, batch_first=True) for width in widths)
        self.homeward = nn.ModuleList(CELLS[cell](width, hidden, batch_first=True) for width in widths if bidirectional)
        self.pooling, self.hidden = pooling, hidden
        self.dropout = nn.Dropout(dropout)
        self.head = self.steps.head(hidden * directions, output_size)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Logits or standardised values, [N, output_size]."""
        vectors, there = self.steps(inputs)
        for layer, onward in enumerate(self.onward):
            vectors = self.dropout(vectors)
            read = [onward(vectors)[0]]
            if self.homeward:
                read.append(turned(self.homeward[layer](turned(vectors, there))[0], there))
            vectors = torch.cat(read, dim=2)
        outputs: torch.Tensor = self.head(self.steps.joined(self.dropout(self._pooled(vectors, there)), inputs))
        return outputs

    def _pooled(self, vectors: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        if self.pooling == "mean":
            return mean_of(vectors, there)
        if self.pooling == "max":
            return largest_of(vectors, there)
        # Who reads from the end is through at the first step.
        return torch.cat([last_of(vectors[..., : self.hidden], there), vectors[:, 0, self.hidden :]], dim=1)
