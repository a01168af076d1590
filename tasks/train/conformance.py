"""The conformance suite a custom model has to pass: what training, resuming and packaging rely on."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from tasks.core.blocks import Custom
from tasks.core.errors import RequestError
from tasks.models import build
from tasks.train.networks import noise

ROWS = 4


def check_model(
    model: Custom,
    input_shape: tuple[int, ...],
    output_size: int,
    folder: Path,
    vocabulary: int = 0,
    sequence: tuple[int, ...] = (),
) -> list[str]:
    """Try a custom architecture on a batch of noise.

    Args:
        model: The recipe's `model` block.
        input_shape: Shape of one example.
        output_size: Number of classes, 1 for regression, or the number of inputs for a reconstruction.
        folder: The recipe's folder, which `ref` resolves against.
        vocabulary: Token ids there are, where inputs are ids.
        sequence: Where columns stand beside a text or a series, its shape: a flat example begins with its numbers.

    Returns:
        One line per property that holds.

    Raises:
        RequestError: a property does not hold; the sentence names it and the ref.
    """
    inputs = noise((ROWS, *input_shape), vocabulary, torch.Generator().manual_seed(0), sequence)
    shapes = (input_shape, output_size)
    network, twin = (_seeded(model, *shapes, folder, vocabulary, sequence) for _ in range(2))
    outputs = _outputs(model, network, inputs)
    _require(
        outputs.shape == (ROWS, output_size),
        model,
        f"gives outputs of shape {tuple(outputs.shape)} for {ROWS} rows, not {(ROWS, output_size)}",
        f"End it with a layer of {output_size} outputs and no softmax.",
    )
    outputs.sum().backward()
    idle = [name for name, value in network.named_parameters() if value.requires_grad and value.grad is None]
    _require(not idle, model, f"has parameters that no output depends on: {', '.join(idle)}", "Use or remove them.")
    same = all(torch.equal(ours, theirs) for ours, theirs in zip(network.parameters(), twin.parameters(), strict=True))
    _require(same, model, "starts from other weights when it is built with the same seed", "Draw from torch only.")
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    twin.load_state_dict(network.state_dict())
    before, after = network.eval()(inputs), twin.eval()(inputs)
    _require(
        torch.equal(before, after),
        model,
        "gives other outputs after its state_dict was loaded into a fresh copy",
        "Register every tensor it needs as a parameter or a buffer.",
    )
    _require(
        torch.equal(before, network.eval()(inputs)),
        model,
        "gives two different outputs for one input in evaluation mode",
        "Keep randomness to training mode.",
    )
    return ["shapes", "gradients", "seeded weights", "state round trip", "determinism"]


def _seeded(
    model: Custom,
    input_shape: tuple[int, ...],
    output_size: int,
    folder: Path,
    vocabulary: int,
    sequence: tuple[int, ...],
) -> nn.Module:
    torch.manual_seed(0)
    try:
        network = build(model.model_dump(mode="json"), input_shape, output_size, folder, vocabulary, sequence)
    except TypeError as error:
        raise RequestError(
            f"model.ref '{model.ref}' cannot be built: {error}.", remedy="Mend model.args.", code="conformance"
        ) from None
    _require(isinstance(network, nn.Module), model, "does not give a torch.nn.Module", "Return one.")
    return network


def _outputs(model: Custom, network: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    try:
        outputs = network.train()(inputs)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise RequestError(
            f"model.ref '{model.ref}' fails on inputs of shape {tuple(inputs.shape)}: {error}.",
            remedy="Take input_shape as an argument and build the layers from it.",
            code="conformance",
        ) from None
    _require(isinstance(outputs, torch.Tensor), model, "does not give a tensor", "Return the outputs alone.")
    assert isinstance(outputs, torch.Tensor)
    return outputs


def _require(holds: bool, model: Custom, what: str, remedy: str) -> None:
    if not holds:
        raise RequestError(f"model.ref '{model.ref}' {what}.", remedy=remedy, code="conformance")
