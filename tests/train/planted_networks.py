"""Networks with one fault each, for the preflight gates; used as `{kind: custom, ref: recipe.py:Name}`."""

from __future__ import annotations

import torch
from torch import nn


class Healthy(nn.Module):
    """Nothing wrong with it."""

    def __init__(self, input_shape, output_size, hidden=32):
        super().__init__()
        self.first = nn.Linear(input_shape[0], hidden)
        self.last = nn.Linear(hidden, output_size)

    def forward(self, inputs):
        return self.last(torch.relu(self.first(inputs)))


class Shouting(Healthy):
    """Starts out sure of something it cannot know."""

    def forward(self, inputs):
        outputs = super().forward(inputs)
        return outputs + torch.tensor([9.0] + [0.0] * (outputs.shape[1] - 1))


class Shuffling(Healthy):
    """Mixes up the rows of a batch, as a wrong `view` or `permute` does."""

    def forward(self, inputs):
        return super().forward(inputs.roll(int(torch.randint(1, len(inputs), ())), dims=0))


class Detached(Healthy):
    """Cuts the graph, so that the first layer never learns."""

    def forward(self, inputs):
        return self.last(torch.relu(self.first(inputs)).detach())


class Exploding(Healthy):
    """The gradient of a square root at zero."""

    def forward(self, inputs):
        outputs = super().forward(inputs)
        return outputs + 0 * torch.sqrt(self.first.weight.sum() * 0)


class Enormous(Healthy):
    """Needs a hundred terabytes."""

    def __init__(self, input_shape, output_size):
        super().__init__(input_shape, output_size, hidden=4)
        self.middle = nn.Linear(5_000_000, 5_000_000)


class Greedy(Healthy):
    """Keeps a terabyte for every row of a batch."""

    def forward(self, inputs):
        wide = self.first(inputs)[:, :1].expand(-1, 2**38)
        return super().forward(inputs) + wide.exp().log().mean()


class Reshaping(Healthy):
    """Gives one value too many."""

    def __init__(self, input_shape, output_size):
        super().__init__(input_shape, output_size + 1)


class Broken(Healthy):
    """Cannot be called."""

    def forward(self, inputs):
        raise KeyError("layer7")


class NormalisedHead(Healthy):
    """Normalises over the batch, which one row does not allow."""

    def __init__(self, input_shape, output_size):
        super().__init__(input_shape, output_size)
        self.norm = nn.BatchNorm1d(output_size)

    def forward(self, inputs):
        return self.norm(super().forward(inputs))


def not_a_module():
    """Gives no network."""
    return "network"
