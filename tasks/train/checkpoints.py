"""Checkpoints that a crash cannot tear: tensors as safetensors, counters as JSON, verified before use.

A checkpoint is a tensor file with a name of its own and `checkpoint.json`, which names it with its
SHA-256 and is replaced in one act. Whatever the moment of a crash, `checkpoint.json` is absent or names
a complete file. Each epoch seeds every generator anew (`tasks/train/loop.py`), so random numbers have a
place only in a checkpoint of an epoch that is under way: there it says where the generators stand.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from safetensors.torch import load, load_file, save
from torch import nn

from tasks.core.hashing import json_sha256
from tasks.core.home import write_atomically
from tasks.train.generators import Drawn
from tasks.train.recorded import Losses

if TYPE_CHECKING:
    from tasks.core.contracts import Stopped

POINTER = "checkpoint.json"
WEIGHTS = "weights.safetensors"
HISTORY = "history.json"
KEPT = "epoch-{:04d}.safetensors"
"""Weights of an epoch that the recipe asks to keep."""

Weights = dict[str, torch.Tensor]


@dataclass
class Progress:
    """How far a training has come: what a checkpoint brings back beside the tensors."""

    epoch: int = 0
    """Epochs done."""
    best_epoch: int = 0
    best_loss: float | None = None
    """Validation loss of the best epoch; None while it was never finite."""
    step: int = 0
    """Steps done of the epoch that is under way."""
    seconds: float = 0.0
    """Time spent in the epochs that are done, all attempts together."""
    under_way: float = 0.0
    """Seconds spent in the epoch that is under way, when it was last saved."""
    stopped: Stopped | None = None
    not_finite: dict[str, int | None] | None = None
    """The `epoch` whose loss was not finite and the first `step` of it, both from 1; step None: its validation alone.
    None: no loss was so."""
    history: list[dict[str, Any]] = field(default_factory=list)
    form: Literal["eager", "graphed", "compiled"] | None = None
    """How its steps are carried out; None before the first."""


@dataclass
class State:
    """What a training has beside its network and its optimizer."""

    progress: Progress = field(default_factory=Progress)
    best: Weights = field(default_factory=dict)
    """Those of the epoch with the lowest validation loss; empty before the first epoch is done."""
    mean: Weights = field(default_factory=dict)
    """The running mean of the weights; empty where the recipe asks for none."""
    losses: Losses = field(default_factory=Losses)
    """Of the steps done of the epoch that is under way."""
    drawn: Drawn | None = None
    """Where the generators stand within an epoch; None: it has just begun."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Plain values of whoever trains in our place, as JSON holds them."""


def snapshot(network: nn.Module) -> Weights:
    """Copies of all parameters and buffers, where they are."""
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def save_checkpoint(folder: Path, network: nn.Module, optimizer: torch.optim.Optimizer, state: State) -> None:
    """Write the last, best and mean weights, the optimizer and the counters; then forget older checkpoints."""
    tensors, numbers = _optimizer_parts(optimizer)
    tensors |= _above("last.", network.state_dict()) | _above("best.", state.best) | _above("mean.", state.mean)
    progress = state.progress
    if progress.step and state.drawn is not None:
        tensors |= {"losses": state.losses.read()} | _above("random.", state.drawn.tensors)
        numbers |= _above("random.", state.drawn.numbers)
    numbers |= _above("extra.", state.extra)
    file = f"checkpoint-{progress.epoch}-{progress.step}.safetensors"
    digest = write_tensors(folder / file, tensors)
    _point_to(folder, file, digest, progress, numbers)


def restore(folder: Path, network: nn.Module, optimizer: torch.optim.Optimizer) -> State | None:
    """Bring back what `save_checkpoint` or `finish` wrote; None where there is nothing intact.

    After a finished training the network holds the best weights, and of the state only `progress` and `best` are left.
    """
    found = _intact(folder)
    if found is None:
        return None
    pointer, payload = found
    progress = Progress(**pointer["progress"])
    tensors = load(payload)
    if pointer["file"] == WEIGHTS:
        network.load_state_dict(tensors)
        return State(progress, tensors)
    numbers = pointer["numbers"]
    network.load_state_dict(_below("last.", tensors))
    _restore_optimizer(optimizer, tensors, numbers)
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    best, mean = (
        {name: tensor.to(device) for name, tensor in _below(part, tensors).items()} for part in ("best.", "mean.")
    )
    if not progress.step:
        return State(progress, best, mean, extra=_below("extra.", numbers))
    drawn = Drawn(_below("random.", tensors), _below("random.", numbers))
    return State(progress, best, mean, Losses(tensors["losses"]), drawn)


def peek(folder: Path) -> State | None:
    """The counters and the best weights, on the CPU, of what `restore` would bring back; None where it would not."""
    found = _intact(folder)
    if found is None:
        return None
    pointer, payload = found
    tensors = load(payload)
    best = tensors if pointer["file"] == WEIGHTS else _below("best.", tensors)
    return State(Progress(**pointer["progress"]), best)


def finish(folder: Path, best: Weights, progress: Progress) -> str:
    """Write the best weights and the history, and let go of the checkpoint; gives the weights' SHA-256."""
    digest = write_tensors(folder / WEIGHTS, best)
    write_atomically(folder / HISTORY, json.dumps(progress.history, indent=1, allow_nan=False) + "\n")
    _point_to(folder, WEIGHTS, digest, progress, {})
    return digest


def load_weights(network: nn.Module, path: Path) -> nn.Module:
    """Put the weights of a safetensors file into a network of the same architecture."""
    network.load_state_dict(load_file(path))
    return network


def write_tensors(path: Path, tensors: Weights) -> str:
    """Write a safetensors file in one act; gives its SHA-256. Equal tensors give equal bytes."""
    # Copies: safetensors refuses tensors that share memory, as tied weights do, and other memory layouts.
    payload = save({name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()})
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as stream:
        stream.write(payload)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)
    return hashlib.sha256(payload).hexdigest()


def _point_to(folder: Path, file: str, digest: str, progress: Progress, numbers: dict[str, Any]) -> None:
    body = {"file": file, "sha256": digest, "progress": asdict(progress), "numbers": numbers}
    write_atomically(folder / POINTER, json.dumps({**body, "checksum": json_sha256(body)}))
    for old in [*folder.glob("checkpoint-*.safetensors"), *folder.glob(".*.tmp")]:
        if old.name != file:
            old.unlink(missing_ok=True)


def _intact(folder: Path) -> tuple[dict[str, Any], bytes] | None:
    try:
        body = json.loads((folder / POINTER).read_text())
        checksum = body.pop("checksum")
        payload = (folder / body["file"]).read_bytes()
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, AttributeError, TypeError):
        checksum, body, payload = "", {"sha256": None}, b""
    if checksum != json_sha256(body) or body["sha256"] != hashlib.sha256(payload).hexdigest():
        logging.getLogger(__name__).warning("The checkpoint is damaged; training starts from the beginning.")
        return None
    return body, payload


def _above(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{prefix}{name}": value for name, value in values.items()}


def _below(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}


def _optimizer_parts(optimizer: torch.optim.Optimizer) -> tuple[Weights, dict[str, Any]]:
    """The optimizer's state as tensors `optimizer.<parameter>.<name>` and as plain numbers of such names."""
    tensors: Weights = {}
    numbers: dict[str, Any] = {}
    for index, values in optimizer.state_dict()["state"].items():
        for name, value in values.items():
            target: dict[str, Any] = tensors if isinstance(value, torch.Tensor) else numbers
            target[f"optimizer.{index}.{name}"] = value
    return tensors, numbers


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Weights, numbers: dict[str, Any]) -> None:
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for name, value in [*_below("optimizer.", tensors).items(), *_below("optimizer.", numbers).items()]:
        index, _, key = name.partition(".")
        like = parameters[int(index)]
        if isinstance(value, torch.Tensor) and value.shape == like.shape:
            # In the parameter's memory layout: fused kernels walk both side by side.
            value = torch.empty_like(like, dtype=value.dtype).copy_(value)
        state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
