"""Convolutional autoencoder: an image through a few numbers and back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from .encoding import EncoderDecoder
from .shapes import image_shape


class ConvAutoencoder(EncoderDecoder):
    """Convolutions down to the latent features and up again; float32 [N, C, H, W] → [N, C · H · W].

    Down: a 3 × 3 convolution with batch normalisation and ReLU for each stage, which halves the image (rounded up).
    Up: the image is enlarged to its size before by repeating pixels, and then convolved, which leaves no checkerboard
    as transposed convolutions do (Odena et al., 2016). Latent features and outputs are linear.

    Args:
        input_shape: (channels, height, width).
        channels: Feature maps of each stage.
        latent: Latent features.

    Raises:
        ValueError: the inputs are not images.
    """

    def __init__(self, input_shape: tuple[int, ...], channels: Sequence[int] = (16, 32), latent: int = 16) -> None:
        super().__init__()
        maps, height, width = image_shape("conv_autoencoder", input_shape)
        sizes, counts = [(height, width)], [maps, *channels]
        down: list[nn.Module] = []
        for before, after in pairwise(counts):
            # No bias: the normalisation's own shift replaces it.
            convolution = nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False)
            down += [convolution, nn.BatchNorm2d(after), nn.ReLU()]
            sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
        smallest = (counts[-1], *sizes[-1])
        up: list[nn.Module] = [nn.Linear(latent, counts[-1] * sizes[-1][0] * sizes[-1][1]), nn.Unflatten(1, smallest)]
        for stage in range(len(channels), 0, -1):
            enlarged = nn.Upsample(size=sizes[stage - 1], mode="nearest")
            if stage > 1:
                convolution = nn.Conv2d(counts[stage], counts[stage - 1], 3, padding=1, bias=False)
                up += [enlarged, convolution, nn.BatchNorm2d(counts[stage - 1]), nn.ReLU()]
            else:
                up += [enlarged, nn.Conv2d(counts[1], maps, 3, padding=1), nn.Flatten()]
        self.encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(counts[-1] * sizes[-1][0] * sizes[-1][1], latent))
        self.decoder = nn.Sequential(*up)
