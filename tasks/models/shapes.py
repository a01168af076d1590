"""Which inputs a kind of network takes, and one sentence where the features give others."""

from __future__ import annotations


def image_shape(kind: str, input_shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Channels, height and width of inputs that have to be images.

    Raises:
        ValueError: they are flat.
    """
    if len(input_shape) != 3:
        raise ValueError(
            f"a {kind} takes images of shape (channels, height, width), and the features give flat inputs; "
            "declare an image in data.features, or choose a kind for flat inputs"
        )
    channels, height, width = input_shape
    return channels, height, width


def flat_width(kind: str, input_shape: tuple[int, ...]) -> int:
    """Width of inputs that have to be flat.

    Raises:
        ValueError: they are images.
    """
    if len(input_shape) != 1:
        raise ValueError(f"a {kind} takes flat inputs, and the features give images; choose a kind for images")
    return input_shape[0]
