"""A network whose training waits while a file is there, so that a test decides when it goes on; see `Patient`."""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch
from torch import nn


class Patient(nn.Module):
    """One hidden layer; `ref: patient.py:Patient` with the path of the file as `wait_for`."""

    def __init__(self, input_shape, output_size, wait_for):
        super().__init__()
        self.first = nn.Linear(input_shape[0], 16)
        self.last = nn.Linear(16, output_size)
        self.wait_for = wait_for

    def forward(self, inputs):
        """Answer when the file is gone; who waits is written beside it."""
        while self.training and Path(self.wait_for).exists():
            Path(f"{self.wait_for}.pid").write_text(str(os.getpid()))
            time.sleep(0.05)
        return self.last(torch.relu(self.first(inputs)))
