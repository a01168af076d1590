"""Bag of embeddings: a text is the mean of its tokens' learned vectors, whatever their order."""

from __future__ import annotations

import torch
from torch import nn

from .sequences import Steps


class BagOfEmbeddings(nn.Module):
    """Mean of the vectors of the tokens, dropout, a linear layer; a text → [N, output_size].

    With tokens that are runs of words or of characters (`transforms.text.ngrams`) it is what Joulin, Grave,
    Bojanowski and Mikolov, "Bag of Tricks for Efficient Text Classification" (2017), found as good as deep networks.

    Args:
        input_shape: (L,) of a text.
        output_size: Number of classes, or 1 for regression; outputs are logits or a standardised value.
        vocabulary: Token ids there are.
        embedding: Numbers that stand for a token.
        token_dropout: Share of the tokens left out of a text, in training, in [0, 1).
        dropout: Share of the mean's numbers dropped, in training, in [0, 1).
        sequence: Where columns stand beside it, the shape of the text; `input_shape` is that of both then.

    Raises:
        ValueError: the inputs are no text.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_size: int,
        vocabulary: int = 0,
        embedding: int = 64,
        token_dropout: float = 0.2,
        dropout: float = 0.2,
        sequence: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        if not vocabulary:
            raise ValueError("a bag_of_embeddings takes a text; declare one in data.features, or choose another kind")
        # Small at first, so that a token seen once or twice, which hardly moves, hardly speaks.
        self.steps = Steps("bag_of_embeddings", input_shape, vocabulary, embedding, 0.3, sequence)
        self.kept = nn.Dropout(token_dropout)
        self.dropout = nn.Dropout(dropout)
        self.head = self.steps.head(embedding, output_size)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Logits or standardised values, [N, output_size]."""
        vectors, there = self.steps(inputs)
        weights = there.unsqueeze(-1).to(vectors.dtype)
        mean = (vectors * self.kept(weights)).sum(dim=1) / weights.sum(dim=1)
        outputs: torch.Tensor = self.head(self.steps.joined(self.dropout(mean), inputs))
        return outputs
