"""Architectures: shapes in, shapes out, and how they are built."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from tasks.core.architectures import Cnn, Mlp
from tasks.models import build
from tasks.models.predict import forward


@pytest.mark.parametrize("shape", [(7,), (1, 8, 8)])
@pytest.mark.parametrize(
    "model", [Mlp(), Mlp(hidden=(5, 4), batch_norm=True), Mlp(hidden=(), dropout=0.0)], ids=["plain", "norm", "linear"]
)
def test_an_mlp_takes_any_shape(model, shape, tmp_path):
    network = build(model.model_dump(), shape, 3, tmp_path)
    assert network(torch.zeros(4, *shape)).shape == (4, 3)


@pytest.mark.parametrize("pooling", ["late", "early"])
@pytest.mark.parametrize("size", [(1, 1), (2, 9), (8, 8), (28, 20)])
def test_a_cnn_takes_images_of_any_size(size, pooling, tmp_path):
    network = build(Cnn(kind="cnn", channels=(4, 6, 8), pooling=pooling).model_dump(), (2, *size), 5, tmp_path)
    assert network(torch.zeros(3, 2, *size)).shape == (3, 5)


@pytest.mark.parametrize("pooling", ["late", "early"])
def test_a_stage_of_a_cnn_computes_what_its_description_says(pooling, tmp_path):
    torch.manual_seed(0)
    model = Cnn(kind="cnn", channels=(4,), hidden=3, dropout=0.0, pooling=pooling)
    network = build(model.model_dump(), (2, 6, 7), 5, tmp_path)
    weights = {name: value for name, value in network.named_parameters() if value.dim() == 4}
    first, second = weights.values()
    images = torch.randn(8, 2, 6, 7)

    def normal(maps: torch.Tensor) -> torch.Tensor:
        return functional.batch_norm(maps, None, None, training=True)

    def halved(maps: torch.Tensor, *, now: bool) -> torch.Tensor:
        return functional.max_pool2d(maps, 2) if now else maps

    maps = torch.relu(normal(halved(functional.conv2d(images, first, padding=1), now=pooling == "early")))
    maps = halved(torch.relu(normal(functional.conv2d(maps, second, padding=1))), now=pooling == "late")
    assert torch.allclose(network.stages(images), maps, atol=1e-5)


def test_a_cnn_refuses_flat_inputs(tmp_path):
    with pytest.raises(
        ValueError, match=r"a cnn takes images of shape \(channels, height, width\), and the features give flat inputs"
    ):
        build(Cnn(kind="cnn").model_dump(), (7,), 2, tmp_path)


def test_an_mlp_of_two_layers_computes_what_its_formula_says(tmp_path):
    network = build(Mlp(hidden=(2,), dropout=0.5).model_dump(), (1,), 1, tmp_path).eval()
    with torch.no_grad():
        for parameter, values in zip(
            network.parameters(), ([[1.0], [-1.0]], [0.5, 0.0], [[2.0, 3.0]], [1.0]), strict=True
        ):
            parameter.copy_(torch.tensor(values))
    # relu(x + .5) * 2 + relu(-x) * 3 + 1
    assert network(torch.tensor([[1.0], [-1.0]])).tolist() == [[4.0], [4.0]]


CUSTOM = """
from torch import nn
class Shaped(nn.Linear):
    def __init__(self, input_shape, output_size, bias=True):
        super().__init__(input_shape[0], output_size, bias)
class Fixed(nn.Linear):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
"""


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("Shaped", {"bias": False}), ("Fixed", {"inputs": 3, "outputs": 2})],
    ids=["shapes", "only args"],
)
def test_a_custom_module_is_built_from_the_recipes_folder(name, arguments, tmp_path):
    (tmp_path / "recipe.py").write_text(CUSTOM)
    network = build({"kind": "custom", "ref": f"recipe.py:{name}", "args": arguments}, (3,), 2, tmp_path)
    assert network(torch.zeros(4, 3)).shape == (4, 2)


def test_forward_gives_the_same_outputs_in_batches_and_restores_the_mode(tmp_path):
    torch.manual_seed(0)
    network = build(Mlp(dropout=0.5, batch_norm=True).model_dump(), (3,), 2, tmp_path).train()
    inputs = np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)
    inputs.setflags(write=False)
    whole = forward(network, inputs)
    assert network.training
    assert np.allclose(whole, forward(network, inputs, batch_size=3), atol=1e-6)
    assert whole.dtype == np.float32 and whole.shape == (10, 2)
    assert forward(network, inputs[:0]).shape == (0, 0)
