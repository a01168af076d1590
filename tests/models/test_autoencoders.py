"""What autoencoders compute: latent features, the way back, and the sizes of images in between."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tasks.models.autoencoder import Autoencoder
from tasks.models.conv_autoencoder import ConvAutoencoder


@pytest.mark.parametrize(
    "network",
    [Autoencoder((5,), hidden=(9, 7), latent=3, activation="tanh"), ConvAutoencoder((2, 9, 7), (4, 6), latent=3)],
    ids=["dense", "convolutional"],
)
def test_an_autoencoder_gives_latent_features_and_what_it_makes_of_them(network):
    inputs = torch.randn(5, *((5,) if isinstance(network, Autoencoder) else (2, 9, 7)))
    latent = network.eval().encode(inputs)
    assert latent.shape == (5, 3)
    assert torch.equal(network(inputs), network.decoder(latent))


def test_a_dense_autoencoder_without_hidden_layers_is_two_linear_maps():
    network = Autoencoder((2,), hidden=(), latent=1)
    values = ([[1.0, 2.0]], [0.5], [[3.0], [-1.0]], [0.0, 1.0])
    with torch.no_grad():
        for parameter, value in zip(network.parameters(), values, strict=True):
            parameter.copy_(torch.tensor(value))
    assert network.encode(torch.tensor([[1.0, 1.0]])).tolist() == [[3.5]]
    assert network(torch.tensor([[1.0, 1.0]])).tolist() == [[10.5, -2.5]]


def test_a_convolutional_autoencoder_halves_an_image_of_any_size_and_comes_back_to_it():
    network = ConvAutoencoder((1, 9, 7), channels=(3, 5), latent=2)
    shapes = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda module, given, outputs: shapes.append(tuple(outputs.shape[1:])))
    network(torch.randn(2, 1, 9, 7))
    assert shapes == [(3, 5, 4), (5, 3, 2), (3, 5, 4), (1, 9, 7)]
