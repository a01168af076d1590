"""Trains a family three times on a CPU: uninterrupted, until killed by SIGKILL within an epoch, and on from there.

    python mid_epoch_driver.py FOLDER '{"kind": "mlp", "dropout": 0.5}' '[3]' 0 '[]'

The last number is that of the token ids, where inputs are texts; the list behind it the shape of a text that columns
stand beside.

Every training is a process of its own, forked before torch has any thread. Prints one JSON object: the weights'
hashes, where the killed one stood, and how many batches were computed after that.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import torch

from tasks.core.preprocessing import Augment
from tasks.core.reconstruction import AUTOENCODERS
from tasks.core.seeds import seed_everything
from tasks.core.training import PlateauSchedule, Training
from tasks.models import build
from tasks.train import checkpoints, networks
from tasks.train.batches import Rows
from tasks.train.loop import Job, fit

ROWS, BATCH, EPOCHS = 66, 6, 4
CPU = torch.device("cpu")
AUGMENT = Augment(flip=0.5, shift=1, rotate=20.0, scale=0.2, noise=0.1)


class Noisy(torch.nn.Module):
    """The network's outputs by a random factor of each generator that a network can draw from."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.inner(inputs)
        if self.training:
            import random

            import numpy as np

            outputs = outputs * (1 + 0.1 * random.gauss(0, 1)) * (1 + 0.1 * float(np.random.standard_normal()))
        return outputs


def train(
    folder: Path, model: dict[str, Any], shape: tuple[int, ...], tokens: int, sequence: tuple[int, ...], pause: float
) -> dict[str, Any]:
    """One training, or what is left of it; `pause` seconds before each batch."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    if tokens:
        inputs = torch.randint(2, tokens, (ROWS, *(sequence or shape)), generator=generator).float()
        if sequence:
            inputs = torch.cat([inputs, torch.randn(ROWS, shape[0] - sequence[0], generator=generator)], dim=1)
    else:
        inputs = torch.randn(ROWS, *shape, generator=generator)
    means = inputs.flatten(1).mean(dim=1)
    reproduced = model["kind"] in AUTOENCODERS
    rows = Rows(inputs, (means > means.median()).long(), CPU, reproduced=reproduced)
    training = Training(
        epochs=EPOCHS,
        batch_size=BATCH,
        accumulate=2,
        device="cpu",
        ema=0.9,
        gradient_clip=1.0,
        schedule=PlateauSchedule(kind="plateau", patience=1, factor=0.5),
        early_stopping=None,
        seed=3,
    )
    seed_everything(training.seed)
    network = networks.to_device(Noisy(build(model, shape, 2, folder, tokens, sequence)), CPU)
    batches = [0]

    def seen(module: torch.nn.Module, _: Any) -> None:
        batches[0] += module.training
        time.sleep(pause * module.training)

    network.register_forward_pre_hook(seen)
    augment = AUGMENT if len(shape) == 3 else None
    problem = "reconstruction" if reproduced else "classification"
    job = Job(network, rows, rows, problem, 2, training, folder, 0, augment, checkpoint_seconds=0.0)
    fitted = fit(job)
    history = [{name: row[name] for name in row if name != "seconds"} for row in fitted.progress.history]
    return {"sha256": fitted.weights_sha256, "batches": batches[0], "history": history}


def forked(folder: Path, *work: Any) -> int:
    """The id of a process that trains and leaves its result in `folder`."""
    child = os.fork()
    if child:
        return child
    try:
        found = train(folder, *work)
        (folder / "result.json").write_text(json.dumps(found))
        os._exit(0)
    finally:
        os._exit(1)


def done(folder: Path, *work: Any) -> dict[str, Any]:
    """What a training that nobody disturbs comes to."""
    folder.mkdir(exist_ok=True)
    _, status = os.waitpid(forked(folder, *work), 0)
    assert status == 0, f"the training in {folder.name} ended with {status}"
    found: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return found


def killed(folder: Path, *work: Any) -> tuple[int, int]:
    """Kill a training within its third epoch; gives the epochs and the steps of the next that are saved."""
    folder.mkdir()
    child = forked(folder, *work)
    while _place(folder) < (2, 2):
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    return _place(folder)


def _place(folder: Path) -> tuple[int, int]:
    with contextlib.suppress(FileNotFoundError):
        progress = json.loads((folder / checkpoints.POINTER).read_text())["progress"]
        return progress["epoch"], progress["step"]
    return 0, 0


def main(parent: Path, *family: Any) -> None:
    """Print what the three trainings came to."""
    whole = done(parent / "whole", *family, 0.0)
    again = done(parent / "again", *family, 0.0)
    epoch, step = killed(parent / "cut", *family, 0.02)
    resumed = done(parent / "cut", *family, 0.0)
    steps = math.ceil(ROWS / BATCH / 2)
    print(json.dumps({"whole": whole, "again": again, "resumed": resumed, "epoch": epoch, "step": step, "of": steps}))


if __name__ == "__main__":
    model, shape, tokens, sequence = (json.loads(value) for value in sys.argv[2:])
    main(Path(sys.argv[1]), model, tuple(shape), tokens, tuple(sequence))
