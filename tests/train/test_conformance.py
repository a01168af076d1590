"""A custom model that training, resuming or packaging could not rely on is refused, and the sentence says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.core.blocks import Custom
from tasks.core.errors import RequestError
from tasks.train.conformance import check_model

NETWORKS = """\
import random
import torch
from torch import nn


class Sound(nn.Module):
    def __init__(self, input_shape, output_size, width=4):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(6, width), nn.Dropout(), nn.Linear(width, output_size))

    def forward(self, inputs):
        return self.layers(inputs)


class Squeezed(Sound):
    def forward(self, inputs):
        return super().forward(inputs)[:, 0]


class Idle(Sound):
    def __init__(self, input_shape, output_size):
        super().__init__(input_shape, output_size)
        self.spare = nn.Linear(2, 2)


class Unseeded(Sound):
    def __init__(self, input_shape, output_size):
        super().__init__(input_shape, output_size)
        nn.init.constant_(self.layers[1].weight, random.random())


class Forgetful(Sound):
    made = 0

    def __init__(self, input_shape, output_size):
        super().__init__(input_shape, output_size)
        Forgetful.made += 1
        self.shift = float(Forgetful.made)

    def forward(self, inputs):
        return super().forward(inputs) + self.shift


class Restless(Sound):
    def forward(self, inputs):
        return super().forward(inputs) + torch.rand(1)


class Narrow(Sound):
    def forward(self, inputs):
        return super().forward(inputs[:, :2])


def not_a_module(input_shape, output_size):
    return 3
"""

REFUSED = {
    "Squeezed": "gives outputs of shape (4,) for 4 rows, not (4, 3)",
    "Idle": "parameters that no output depends on: spare.weight, spare.bias",
    "Unseeded": "starts from other weights when it is built with the same seed",
    "Forgetful": "gives other outputs after its state_dict was loaded into a fresh copy",
    "Restless": "outputs",
    "Narrow": "fails on inputs of shape (4, 6)",
    "not_a_module": "does not give a torch.nn.Module",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "recipe.py").write_text(NETWORKS)
    return tmp_path


def model(name: str, **args: int) -> Custom:
    return Custom(kind="custom", ref=f"recipe.py:{name}", args=args)


def test_a_sound_network_passes_every_property(folder: Path) -> None:
    passed = check_model(model("Sound", width=8), (6,), 3, folder)
    assert passed == ["shapes", "gradients", "seeded weights", "state round trip", "determinism"]


@pytest.mark.parametrize(("name", "says"), REFUSED.items())
def test_a_network_that_does_not_conform_is_refused(folder: Path, name: str, says: str) -> None:
    with pytest.raises(RequestError) as caught:
        check_model(model(name), (6,), 3, folder)
    assert says in caught.value.message
    assert f"recipe.py:{name}" in caught.value.message
    assert caught.value.remedy


def test_wrong_arguments_are_named(folder: Path) -> None:
    with pytest.raises(RequestError, match=r"cannot be built: .*unexpected keyword argument 'depth'"):
        check_model(model("Sound", depth=2), (6,), 3, folder)
