"""Which inputs a kind of network takes, and one sentence where the features give others."""

from __future__ import annotations


def image_shape(kind: str, input_shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Channels, height and width of inputs that have to be images.

    Raises:
        ValueError: they are flat, or a series.
    """
    if len(input_shape) != 3:
        raise ValueError(
            f"a {kind} takes images of shape (channels, height, width), and the features give {given(input_shape)}; "
            "declare an image in data.features, or choose a kind for flat inputs"
        )
    channels, height, width = input_shape
    return channels, height, width


def flat_width(kind: str, input_shape: tuple[int, ...]) -> int:
    """Width of inputs that have to be flat.

    Raises:
        ValueError: they are images, or a series.
    """
    if len(input_shape) != 1:
        found = given(input_shape)
        raise ValueError(f"a {kind} takes flat inputs, and the features give {found}; choose a kind for {found}")
    return input_shape[0]


def given(input_shape: tuple[int, ...]) -> str:
    """What inputs of this shape are called."""
    return {1: "flat inputs", 2: "a series", 3: "images"}.get(len(input_shape), "inputs of another shape")
