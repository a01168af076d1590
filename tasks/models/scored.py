"""An autoencoder as what it is asked for: how far each row is from its reconstruction, and its latent features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn


class Scored(nn.Module):
    """Inputs [N, *shape] → anomaly scores [N, 1], and behind them the latent features where they are asked for.

    The score is the root of the mean squared difference between a row's inputs and their reconstruction, in units of
    the inputs. It is 0 for a row that is reproduced exactly.

    Args:
        network: Gives a reconstruction [N, inputs] of inputs [N, *shape]; what it is now decides about training mode.
        latent: Whether the latent features follow.
        places: Positions of the inputs that count, int [n]; none: all.
        factors: By what each of these inputs' differences is multiplied, [n]: units of its own per other unit.

    Raises:
        ValueError: latent features are asked for, and the network has no `encode` that gives them.
    """

    def __init__(
        self,
        network: nn.Module,
        latent: bool = False,
        places: Sequence[int] | None = None,
        factors: Sequence[float] = (),
    ) -> None:
        super().__init__()
        if latent and not callable(getattr(network, "encode", None)):
            raise ValueError("The network of this model has no method encode, so it gives no latent features.")
        self.network, self.latent = network, latent
        self.places: torch.Tensor | None
        self.factors: torch.Tensor
        self.register_buffer("places", None if places is None else torch.tensor(places, dtype=torch.int64))
        self.register_buffer("factors", torch.tensor(factors, dtype=torch.float32))
        self.training = network.training

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Scores, and latent features where they are asked for; [N, 1] or [N, 1 + latent]."""
        apart = self.network(inputs).float() - inputs.flatten(1)
        if self.places is not None:
            apart = apart[:, self.places] * self.factors
        score: torch.Tensor = apart.square().mean(dim=1, keepdim=True).sqrt()
        if not self.latent:
            return score
        encode: Any = self.network.encode
        return torch.cat([score, encode(inputs).float()], dim=1)


def answering(network: nn.Module, spec: Mapping[str, Any]) -> nn.Module:
    """What gives the raw outputs that `predictions` takes: the network itself, or an autoencoder's scores.

    Args:
        network: As it was trained.
        spec: The content of transform.json.
    """
    return Scored(network) if spec["problem"] == "reconstruction" else network
