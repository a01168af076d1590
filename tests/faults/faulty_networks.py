"""Networks with one fault each that no error message gives away; used as `ref: faulty_networks.py:Name`."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn


class Sound(nn.Module):
    """Nothing wrong with it."""

    def __init__(self, input_shape, output_size, hidden=32):
        super().__init__()
        self.first = nn.Linear(input_shape[0], hidden)
        self.last = nn.Linear(hidden, output_size)

    def forward(self, inputs):
        return self.last(torch.relu(self.first(inputs)))


class Squashed(Sound):
    """An activation was left behind the last layer: it can be right, but never sure."""

    def forward(self, inputs):
        return torch.tanh(super().forward(inputs))


class Immense(Sound):
    """A layer of ten petabytes, more than a process can address."""

    def __init__(self, input_shape, output_size):
        super().__init__(input_shape, output_size)
        self.middle = nn.Linear(50_000_000, 50_000_000)


class Tracking(Sound):
    """Keeps the mean logarithm of what it has seen, which inputs below zero do not have."""

    def __init__(self, input_shape, output_size):
        super().__init__(input_shape, output_size)
        self.register_buffer("seen", torch.zeros(input_shape[0]))

    def forward(self, inputs):
        if self.training:
            self.seen.copy_(inputs.detach().log().mean(dim=0))
        return super().forward(inputs)


class Rooted(Sound):
    """Reads a file that lies beside the recipe, and nowhere else."""

    def __init__(self, input_shape, output_size):
        super().__init__(input_shape, output_size)
        self.factor = float(Path(__file__).with_name("factor.txt").read_text())

    def forward(self, inputs):
        return super().forward(inputs * self.factor)
