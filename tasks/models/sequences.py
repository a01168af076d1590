"""What networks of sequences begin and end with: a vector for each step, which steps are there, one vector for all.

A text is [N, L] token ids, 0 where it has ended; a series is [N, L, C + 1] numbers, the last of which is 1 where
a step is there. Steps that are not there stand at the end, and what they hold changes no output. Where T columns of
other features stand beside it, an example is flat: the sequence's numbers, and then the columns.

Shapes: N rows, L steps, E numbers that stand for a step.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from .shapes import given


class Steps(nn.Module):
    """A vector of each step, and which steps are there; a text or a series → [N, L', E] and bool [N, L'].

    A text's tokens have learned vectors. L' is less than L where the longest sequence of a batch is, on a CPU, where
    to look costs nothing; elsewhere the device would have to be waited for. A sequence without any step is one step
    of nothing, so that there is something to pool.

    Args:
        kind: Of the network, for its errors.
        input_shape: (L,) of a text, (L, C + 1) of a series; with columns beside it, (numbers of both,).
        vocabulary: Token ids there are; 0 for a series.
        sequence: Where columns stand beside it, the shape of the text or series.
        size: E; 0 leaves the numbers of a series as they are, so that E is C + 1.
        spread: Standard deviation of the first vectors of tokens: the larger, the more a rare token says.

    Raises:
        ValueError: the inputs are neither.
    """

    def __init__(
        self,
        kind: str,
        input_shape: tuple[int, ...],
        vocabulary: int,
        size: int,
        spread: float = 1.0,
        sequence: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.shape = tuple(sequence or input_shape)
        self.beside = input_shape[0] - math.prod(sequence) if sequence else 0
        if len(self.shape) != (1 if vocabulary else 2):
            raise ValueError(
                f"a {kind} takes a text or a series, and the features give {given(input_shape)}; declare one in "
                "data.features, or choose another kind"
            )
        self.of_text = vocabulary > 0
        self.size = size if size or self.of_text else self.shape[1]
        self.vectors: nn.Module = nn.Identity()
        if self.of_text:
            tokens = nn.Embedding(vocabulary, size, padding_idx=0)
            with torch.no_grad():
                tokens.weight.mul_(spread)
            self.vectors = tokens
        elif size:
            self.vectors = nn.Linear(self.shape[1], size)

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Vectors, 0 where no step is, and the mask."""
        if self.beside:
            inputs = inputs[:, : -self.beside].unflatten(1, self.shape)
        there = inputs > 0 if self.of_text else inputs[..., -1] > 0.5
        if inputs.device.type == "cpu":
            longest = int((there.any(dim=0) * torch.arange(1, there.shape[1] + 1, device=inputs.device)).max())
            inputs, there = inputs[:, : max(longest, 1)], there[:, : max(longest, 1)]
        vectors = self.vectors(inputs.long() if self.of_text else inputs)
        vectors = vectors * there.unsqueeze(-1)
        return vectors, torch.cat([torch.ones_like(there[:, :1]), there[:, 1:]], dim=1)

    def head(self, width: int, output_size: int) -> nn.Module:
        """The layer from what is kept of the steps to the output; [N, width + T] → [N, output_size].

        Where columns stand beside the sequence a layer with ReLU comes first, of the same width: what a text says may
        then depend on them.
        """
        if not self.beside:
            return nn.Linear(width, output_size)
        return nn.Sequential(nn.Linear(width + self.beside, width), nn.ReLU(), nn.Linear(width, output_size))

    def joined(self, pooled: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        """What is kept of the steps [N, E], and behind it the columns; [N, E + T]."""
        return torch.cat([pooled, inputs[:, -self.beside :]], dim=1) if self.beside else pooled


def mean_of(vectors: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
    """Mean over the steps that are there; [N, L, E], bool [N, L] → [N, E]."""
    weights = there.unsqueeze(-1).to(vectors.dtype)
    return (vectors * weights).sum(dim=1) / weights.sum(dim=1)


def largest_of(vectors: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
    """Largest value of each number over the steps that are there; [N, L, E], bool [N, L] → [N, E]."""
    return vectors.masked_fill(~there.unsqueeze(-1), torch.finfo(vectors.dtype).min).amax(dim=1)


def last_of(vectors: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
    """The vector of the last step; [N, L, E], bool [N, L] → [N, E]."""
    last = (there.sum(dim=1) - 1).view(-1, 1, 1).expand(-1, 1, vectors.shape[2])
    return vectors.gather(1, last).squeeze(1)


def turned(vectors: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
    """Each sequence from its end to its start, what follows it left where it is; [N, L, E] → the same.

    Turned twice, it is as it was.
    """
    places = torch.arange(there.shape[1], device=there.device)
    length = there.sum(dim=1, keepdim=True)
    index = torch.where(places < length, length - 1 - places, places)
    return vectors.gather(1, index.unsqueeze(-1).expand_as(vectors))
