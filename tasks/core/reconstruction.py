"""What goes with `problem: reconstruction`, where a network learns to reproduce its own inputs, and what does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.core.architectures import Model
    from tasks.core.preprocessing import Transforms
    from tasks.core.recipe import Data, Problem

AUTOENCODERS = ("autoencoder", "conv_autoencoder")
"""Kinds of networks that reproduce their inputs."""


def misfit(problem: Problem, data: Data, model: Model, transforms: Transforms) -> str | None:
    """Why target, features, network or transforms do not go with the problem; None where they do.

    Args:
        problem: of the recipe, as are the other sections.
        data: its target and the features that it declares.
        model: the network.
        transforms: the choice of columns.
    """
    if problem != "reconstruction":
        if data.target is None:
            return f"data.target: problem is {problem}, which predicts a column; name it"
        if model.kind in AUTOENCODERS:
            return f"model.kind: {model.kind} needs problem: reconstruction; choose another kind"
        return None
    if data.target is not None:
        return (
            f"data.target: problem is reconstruction, which predicts no column; leave '{data.target}' out, and drop it "
            "in data.features where the model must not look at it"
        )
    if model.kind not in (*AUTOENCODERS, "custom"):
        return f"model.kind: {model.kind} predicts a target; for a reconstruction choose {', '.join(AUTOENCODERS)}"
    for name, feature in data.features.items():
        if feature.kind in ("text", "series"):
            return (
                f"data.features.{name} is a {feature.kind}, and only numbers, categories and images are reconstructed; "
                "drop it"
            )
    if transforms.select.kind == "importance":
        return "transforms.select: importance asks what columns tell about a target, and there is none; use redundancy"
    return None
