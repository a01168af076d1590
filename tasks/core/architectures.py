"""The recipe's `model` section: one block per kind of network, with the arguments it is built with."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tasks.core.blocks import Block, Custom

Activation = Literal["relu", "tanh", "sigmoid", "gelu", "silu"]


class Mlp(Block):
    """Multi-layer perceptron for flat inputs."""

    kind: Literal["mlp"] = "mlp"
    hidden: tuple[Annotated[int, Field(gt=0)], ...] = (64, 64)
    """Neurons of each hidden layer."""
    activation: Activation = "relu"
    """What follows each hidden layer."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share of neurons that are left out at random while training."""
    batch_norm: bool = False
    """Normalise each hidden layer over the batch."""


class Perceptron(Block):
    """One linear layer: linear or logistic regression, trained like any other network."""

    kind: Literal["perceptron"]


class TabularResnet(Block):
    """Residual blocks for flat inputs (Gorishniy et al., 2021)."""

    kind: Literal["tabular_resnet"]
    width: int = Field(default=128, gt=0)
    """Numbers that each block takes and gives."""
    blocks: int = Field(default=2, gt=0)
    """Residual blocks: normalise, widen, ReLU, narrow, add."""
    expansion: float = Field(default=2.0, gt=0)
    """Width inside a block, as a multiple of `width`."""
    hidden_dropout: float = Field(default=0.2, ge=0, lt=1)
    """Share of units left out at random inside a block, while training."""
    residual_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of what a block adds that is left out at random, while training."""
    embedding: Literal["none", "periodic", "plr"] = "none"
    """How each input is spread out first: sines and cosines of it, or those through a linear layer and ReLU."""
    frequencies: int = Field(default=16, gt=0)
    """`periodic`, `plr`: learned frequencies of each input; a sine and a cosine of each."""
    frequency_scale: float = Field(default=0.1, gt=0)
    """`periodic`, `plr`: standard deviation of the first frequencies; larger ones fit sharper steps."""
    embedding_size: int = Field(default=8, gt=0)
    """`plr`: numbers that stand for each input."""


class Cnn(Block):
    """Small convolutional network for images."""

    kind: Literal["cnn"]
    channels: tuple[Annotated[int, Field(gt=0)], ...] = (32, 64)
    """Feature maps of each stage; a stage halves the image."""
    hidden: int = Field(default=128, gt=0)
    """Width of the linear layer before the output."""
    dropout: float = Field(default=0.25, ge=0, lt=1)
    """Share of units left out at random before each of the two linear layers, while training."""
    pooling: Literal["late", "early"] = "late"
    """Whether a stage halves the image after its second convolution or after its first, for less than half the work."""


class Resnet(Block):
    """Residual convolutional network for images (He et al., 2016)."""

    kind: Literal["resnet"]
    channels: tuple[Annotated[int, Field(gt=0)], ...] = Field(default=(16, 32, 64), min_length=1)
    """Feature maps of each stage; every stage after the first halves the image."""
    blocks: int = Field(default=1, gt=0)
    """Residual blocks of each stage; 3 with the default channels is the ResNet-20 of the paper."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the pooled feature maps left out at random before the output, while training."""


class Recurrent(Block):
    """Recurrent layers for a text or a series of any length."""

    kind: Literal["recurrent"]
    cell: Literal["rnn", "gru", "lstm"] = "gru"
    """A plain layer with tanh, gated units, or long short-term memory."""
    embedding: int = Field(default=64, gt=0)
    """Numbers that stand for a token of a text."""
    hidden: int = Field(default=64, gt=0)
    """Numbers that a layer carries from step to step, in each direction."""
    layers: int = Field(default=1, gt=0)
    """Layers that stand on each other."""
    bidirectional: bool = False
    """Read each sequence from its end as well."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Share of the numbers left out at random before each layer and before the last one, while training."""
    pooling: Literal["last", "mean", "max"] = "last"
    """What is kept of all steps: what was read at the end, their mean, or the largest of each number."""


class Transformer(Block):
    """Transformer encoder for a text or a series of any length (Vaswani et al., 2017), normalised first."""

    kind: Literal["transformer"]
    width: int = Field(default=64, gt=0)
    """Numbers that stand for a step; a multiple of `heads`."""
    heads: int = Field(default=4, gt=0)
    """Parts of them that attend to other steps on their own."""
    layers: int = Field(default=2, gt=0)
    """Layers that stand on each other."""
    expansion: float = Field(default=2.0, gt=0)
    """Width inside a layer, as a multiple of `width`."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share of the numbers left out at random, while training."""
    positions: Literal["learned", "sinusoidal"] = "learned"
    """How a step is told where it stands: a vector learned for each place, or sines and cosines."""
    pooling: Literal["mean", "first"] = "mean"
    """What is kept of all steps: their mean, or a learned step before the first."""

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> Transformer:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}; change one of them")
        return self


class BagOfEmbeddings(Block):
    """The mean of a text's token vectors, and a linear layer (Joulin et al., 2017)."""

    kind: Literal["bag_of_embeddings"]
    embedding: int = Field(default=64, gt=0)
    """Numbers that stand for a token."""
    token_dropout: float = Field(default=0.2, ge=0, lt=1)
    """Share of a text's tokens left out at random, while training."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Share of the mean's numbers left out at random, while training."""


class Autoencoder(Block):
    """Dense autoencoder for flat inputs: through a few numbers and back (Hinton & Salakhutdinov, 2006)."""

    kind: Literal["autoencoder"]
    hidden: tuple[Annotated[int, Field(gt=0)], ...] = (64,)
    """Neurons of each layer between the inputs and the latent features; the way back has the same in reverse."""
    latent: int = Field(default=8, gt=0)
    """Latent features: numbers that a row has to pass through, fewer than its inputs."""
    activation: Activation = "relu"
    """What follows each hidden layer."""


class ConvAutoencoder(Block):
    """Convolutional autoencoder for images: through a few numbers and back."""

    kind: Literal["conv_autoencoder"]
    channels: tuple[Annotated[int, Field(gt=0)], ...] = Field(default=(16, 32), min_length=1)
    """Feature maps of each stage; a stage halves the image, and on the way back doubles it."""
    latent: int = Field(default=16, gt=0)
    """Latent features: numbers that an image has to pass through, fewer than its pixels."""


Model = Annotated[
    Mlp
    | Cnn
    | Perceptron
    | TabularResnet
    | Resnet
    | Recurrent
    | Transformer
    | BagOfEmbeddings
    | Autoencoder
    | ConvAutoencoder
    | Custom,
    Field(discriminator="kind"),
]
