"""What holds for every kind of network in the table: shapes, gradients, state, determinism, refused inputs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import get_args

import pytest
import torch
from torch import nn

from tasks.core.architectures import (
    Activation,
    Autoencoder,
    BagOfEmbeddings,
    Cnn,
    ConvAutoencoder,
    Mlp,
    Model,
    Perceptron,
    Recurrent,
    Resnet,
    TabularResnet,
    Transformer,
)
from tasks.core.blocks import Custom
from tasks.core.reconstruction import AUTOENCODERS
from tasks.models import KINDS, architecture, build
from tasks.models.activations import ACTIVATIONS, activation
from tasks.models.embeddings import embedding
from tasks.train.conformance import check_model
from tasks.train.memory import need
from tasks.train.networks import noise

IMAGE, FLAT, SERIES, TEXT = (2, 9, 7), (5,), (6, 3), (7,)
TEXT_BESIDE, SERIES_BESIDE = (7 + 4,), (6 * 3 + 4,)
"""With four columns beside them."""
BESIDE = {TEXT_BESIDE: TEXT, SERIES_BESIDE: SERIES}
VOCABULARY = 11

EXAMPLES = {
    "mlp": [(Mlp(hidden=(6, 4), activation=name, batch_norm=True), FLAT) for name in ACTIVATIONS] + [(Mlp(), IMAGE)],
    "cnn": [(Cnn(kind="cnn", channels=(4, 6), hidden=5, pooling=when), IMAGE) for when in ("late", "early")],
    "perceptron": [(Perceptron(kind="perceptron"), FLAT), (Perceptron(kind="perceptron"), IMAGE)],
    "tabular_resnet": [
        (TabularResnet(kind="tabular_resnet", width=8, embedding=how, expansion=0.01 if how == "plr" else 2.0), FLAT)
        for how in ("none", "periodic", "plr")
    ],
    "resnet": [
        (Resnet(kind="resnet", channels=(4,), blocks=2), (1, 1, 1)),
        (Resnet(kind="resnet", channels=(4, 4, 6), dropout=0.5), IMAGE),
    ],
    "recurrent": [
        (Recurrent(kind="recurrent", hidden=5, cell="lstm", bidirectional=True, layers=2), SERIES),
        (Recurrent(kind="recurrent", hidden=5, cell="rnn", pooling="max"), TEXT),
        (Recurrent(kind="recurrent", hidden=5, embedding=4, pooling="mean"), TEXT),
        (Recurrent(kind="recurrent", hidden=8, bidirectional=True), TEXT_BESIDE),
        (Recurrent(kind="recurrent", hidden=16), SERIES_BESIDE),
    ],
    "transformer": [
        (Transformer(kind="transformer", width=8, positions="sinusoidal"), SERIES),
        (Transformer(kind="transformer", width=8, layers=1, pooling="first"), TEXT),
        (Transformer(kind="transformer", width=16, layers=1, positions="sinusoidal"), TEXT_BESIDE),
        (Transformer(kind="transformer", width=16, layers=1), SERIES_BESIDE),
    ],
    "bag_of_embeddings": [
        (BagOfEmbeddings(kind="bag_of_embeddings", embedding=4), TEXT),
        (BagOfEmbeddings(kind="bag_of_embeddings", embedding=16), TEXT_BESIDE),
    ],
    "autoencoder": [
        (Autoencoder(kind="autoencoder", hidden=(), latent=2), IMAGE),
        (Autoencoder(kind="autoencoder", hidden=(9, 7), latent=3, activation="tanh"), FLAT),
    ],
    "conv_autoencoder": [
        (ConvAutoencoder(kind="conv_autoencoder", channels=(4,), latent=3), (1, 1, 2)),
        (ConvAutoencoder(kind="conv_autoencoder", channels=(4, 6, 5), latent=4), IMAGE),
    ],
}
"""Kind → blocks and the shape of one example each is tried on."""

CASES = [
    pytest.param(block, shape, id=f"{kind}-{number}")
    for kind in EXAMPLES
    for number, (block, shape) in enumerate(EXAMPLES[kind])
]

CLASSES = {
    "mlp": "Mlp",
    "cnn": "Cnn",
    "perceptron": "Perceptron",
    "tabular_resnet": "TabularResnet",
    "resnet": "Resnet",
    "recurrent": "Recurrent",
    "transformer": "Transformer",
    "bag_of_embeddings": "BagOfEmbeddings",
    "autoencoder": "Autoencoder",
    "conv_autoencoder": "ConvAutoencoder",
}


def made(block: Model, shape: tuple[int, ...], outputs: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return build(block.model_dump(), shape, outputs, Path(), ids_of(shape), BESIDE.get(shape, ()))


def ids_of(shape: tuple[int, ...]) -> int:
    """Token ids that inputs of a shape have."""
    return VOCABULARY if BESIDE.get(shape, shape) == TEXT else 0


def outputs_of(block: Model, shape: tuple[int, ...], others: int = 3) -> int:
    """How many numbers it gives for a row: an autoencoder as many as it takes, any other as many as it is asked for."""
    return math.prod(shape) if block.kind in AUTOENCODERS else others


def inputs(rows: int, shape: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    return noise((rows, *shape), ids_of(shape), torch.Generator().manual_seed(seed), BESIDE.get(shape, ()))


def test_every_kind_of_the_table_has_its_class_a_block_of_the_recipe_and_examples_here():
    assert {kind: architecture(kind).__name__ for kind in KINDS} == CLASSES
    blocks = {part.model_fields["kind"].annotation for part in get_args(get_args(Model)[0]) if part is not Custom}
    assert {get_args(kind)[0] for kind in blocks} == set(KINDS) == set(EXAMPLES)


@pytest.mark.parametrize(("block", "shape"), CASES)
def test_a_network_is_made_for_its_shapes_and_every_parameter_gets_a_gradient(block, shape):
    network = made(block, shape)
    outputs = network(inputs(4, shape))
    assert (
        outputs.shape == (4, outputs_of(block, shape))
        and outputs.dtype == torch.float32
        and bool(outputs.isfinite().all())
    )
    alive: set[str] = set()
    for seed in range(8):  # a ReLU may be closed for all of a few rows
        network.zero_grad()
        classes = torch.arange(16) % outputs_of(block, shape)
        nn.functional.cross_entropy(network(inputs(16, shape, seed)), classes).backward()
        alive |= {name for name, value in network.named_parameters() if value.grad.count_nonzero()}
    assert alive == {name for name, _ in network.named_parameters()}


@pytest.mark.parametrize(("block", "shape"), CASES)
def test_a_network_has_a_state_that_comes_back_and_answers_alike_twice(block, shape):
    given = inputs(4, shape)
    first, second = made(block, shape), made(block, shape)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(first.parameters(), second.parameters(), strict=True))
    first.train()(given)  # moves the statistics of batch normalisation
    for tensor in second.state_dict().values():
        tensor.zero_()
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.eval()(given), second.eval()(given))
    assert torch.equal(first(given), first(given))


@pytest.mark.parametrize(("block", "shape"), CASES)
def test_its_memory_is_estimated_without_taking_any(block, shape):
    found = need(lambda: made(block, shape), shape, 8, "adamw")
    network = made(block, shape)
    assert found.parameters == sum(value.numel() for value in network.parameters())
    assert found.activations > 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_conformance_suite_for_custom_networks_passes_ours_too(kind, tmp_path):
    block, shape = EXAMPLES[kind][-1]
    module, _, name = KINDS[kind].partition(":")
    arguments = block.model_dump(exclude={"kind"})
    custom = Custom(kind="custom", ref=f"{module}:{name}", args=arguments)
    found = check_model(custom, shape, outputs_of(block, shape, 2), tmp_path, ids_of(shape), BESIDE.get(shape, ()))
    assert len(found) == 5


@pytest.mark.parametrize(
    ("kind", "shape", "says"),
    [
        ("cnn", FLAT, "a cnn takes images of shape (channels, height, width), and the features give flat inputs"),
        ("resnet", FLAT, "a resnet takes images of shape (channels, height, width), and the features give flat inputs"),
        ("cnn", SERIES, "a cnn takes images of shape (channels, height, width), and the features give a series"),
        ("conv_autoencoder", FLAT, "a conv_autoencoder takes images of shape (channels, height, width), and the"),
        ("tabular_resnet", IMAGE, "a tabular_resnet takes flat inputs, and the features give images"),
        ("tabular_resnet", SERIES, "a tabular_resnet takes flat inputs, and the features give a series"),
    ],
)
def test_inputs_of_the_other_shape_are_refused_in_one_sentence(kind, shape, says):
    with pytest.raises(ValueError) as caught:
        build({"kind": kind}, shape, 2, Path())
    assert says in str(caught.value)


def test_a_perceptron_is_a_linear_map():
    network = made(Perceptron(kind="perceptron"), (2,), 1)
    with torch.no_grad():
        for parameter, values in zip(network.parameters(), ([[2.0, -3.0]], [0.5]), strict=True):
            parameter.copy_(torch.tensor(values))
    assert network(torch.tensor([[1.0, 1.0], [0.0, 2.0]])).tolist() == [[-0.5], [-5.5]]


def test_every_activation_of_the_recipe_is_torchs_own():
    values = torch.linspace(-3, 3, 13)
    assert set(get_args(Activation)) == set(ACTIVATIONS)
    for name in ACTIVATIONS:
        theirs = getattr(torch, name, None) or getattr(nn.functional, name)
        assert torch.equal(activation(name)(values), theirs(values)), name
    with pytest.raises(ValueError, match="no activation 'swish'; choose one of relu, tanh"):
        activation("swish")


def test_an_mlp_applies_the_activation_it_was_asked_for():
    network = made(Mlp(hidden=(1,), dropout=0.0, activation="sigmoid"), (1,), 1).eval()
    with torch.no_grad():
        for parameter, values in zip(network.parameters(), ([[1.0]], [0.0], [[1.0]], [0.0]), strict=True):
            parameter.copy_(torch.tensor(values))
    assert network(torch.tensor([[0.0], [1.0]])).flatten().tolist() == pytest.approx([0.5, 0.7310586])


def test_periodic_embeddings_are_sines_and_cosines_of_turns():
    module, width = embedding("periodic", features=2, frequencies=1, scale=1.0, size=3)
    module[0].frequencies.data = torch.tensor([[0.25], [0.5]])
    assert width == 4
    # A quarter turn of 1, and half a turn of 2 halves: sin and cos of the one, then of the other.
    assert module(torch.tensor([[1.0, 1.0]])).flatten().tolist() == pytest.approx([1, 0, 0, -1], abs=1e-6)
    torch.manual_seed(0)
    drawn = embedding("periodic", features=50, frequencies=400, scale=0.3, size=3)[0][0].frequencies
    assert float(drawn.detach().std()) == pytest.approx(0.3, rel=0.02)


def test_plr_embeddings_give_each_input_a_layer_of_its_own():
    module, width = embedding("plr", features=2, frequencies=3, scale=1.0, size=4)
    assert width == 8
    periodic, own, _ = module
    inputs = torch.randn(5, 2)
    spread = periodic(inputs)
    expected = [torch.relu(spread[:, index] @ own.weight[index] + own.bias[index]) for index in range(2)]
    assert torch.allclose(module(inputs), torch.cat(expected, dim=1), atol=1e-6)
    with pytest.raises(ValueError, match="no embedding 'fourier'"):
        embedding("fourier", 2, 3, 1.0, 4)


def test_a_tabular_resnet_without_blocks_worth_is_its_head_on_the_first_layer():
    network = made(TabularResnet(kind="tabular_resnet", width=4, blocks=1), FLAT).eval()
    inputs = torch.randn(3, *FLAT)
    with torch.no_grad():
        for parameter in network.blocks[0].added[4].parameters():
            parameter.zero_()
        assert torch.allclose(network(inputs), network.head(network.first(inputs)))


def test_a_resnet_halves_the_image_at_every_stage_after_the_first():
    network = made(Resnet(kind="resnet", channels=(4, 8, 16), blocks=3), (1, 9, 8))
    assert network.stages(torch.zeros(2, 1, 9, 8)).shape == (2, 16, 3, 2)
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    # The stem, two in each of nine blocks, and the shortcuts of the two stages that change the shape.
    assert len(convolutions) == 1 + 18 + 2
    paper = made(Resnet(kind="resnet", blocks=3), (3, 32, 32), 10)
    kernels = 3 * 16 + 6 * 16 * 16 + (16 * 32 + 5 * 32 * 32) + (32 * 64 + 5 * 64 * 64)
    shortcuts, norms = 16 * 32 + 32 * 64, 2 * 7 * (16 + 32 + 64)
    # The paper's table 6 says 0.27 million.
    assert sum(value.numel() for value in paper.parameters()) == 9 * kernels + shortcuts + norms + 65 * 10 == 272_474


def test_a_residual_block_adds_to_its_shortcut():
    from tasks.models.resnet import BasicBlock

    block = BasicBlock(3, 3, 1).eval()
    inputs = torch.randn(2, 3, 5, 5)
    with torch.no_grad():
        block.path[-1].weight.zero_()
        assert torch.equal(block(inputs), torch.relu(inputs))


def test_weights_of_an_mlp_from_before_there_was_a_choice_of_activation_still_fit():
    names = [f"layers.{layer}.{part}" for layer in (1, 4, 7) for part in ("weight", "bias")]
    assert list(made(Mlp(activation="tanh"), FLAT).state_dict()) == names
