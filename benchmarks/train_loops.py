"""The same training as six loops: Evergreen's, one written by hand, and those of three libraries.

Each function takes a `Work` and gives a `Ready`: everything that is built once stands, and `run` is what is timed. All
start from the same weights and see the same rows in batches of the same size, and every loop validates after
each epoch. What cannot be equal is said where it differs.
"""

from __future__ import annotations

import copy
import importlib.util
import logging
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tasks.core.training import Training
from tasks.train import batches
from tasks.train.loop import Job, fit

SEED = 0
LR, DECAY = 1e-3, 0.01
CPU = torch.device("cpu")
VALIDATED = 1024
"""Rows of a validation batch, for every loop; it is the product's own number."""
WANTS = {"lightning_default": "lightning", "lightning_tuned": "lightning", "skorch": "skorch", "keras": "keras"}
"""Loop → the library without which it is left out."""
EXTRAS = {"lightning": "lightning", "skorch": "bench", "keras": "bench"}
"""Library → the extra of this project that brings it."""


@dataclass(frozen=True)
class Work:
    """One training, as every loop gets it."""

    network: nn.Module
    """Never trained itself: a loop trains a copy."""
    classes: int
    batch: int
    epochs: int
    arrays: Path
    """`train_inputs.npy` and so on, as `prepare` writes them."""
    scratch: Path
    """Whatever a loop writes."""

    def rows(self, split: str) -> batches.Rows:
        """A split, resident."""
        return batches.load(self.arrays, split, CPU)

    def tensors(self, split: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs float32 [N, *shape] and targets int64 [N] of a split."""
        rows = self.rows(split)
        assert isinstance(rows.inputs, torch.Tensor)
        return rows.inputs, rows.targets


@dataclass(frozen=True)
class Ready:
    """A loop before its first step."""

    run: Callable[[], Any]
    ended: Callable[[], tuple[float, int]]
    """After `run`: validation loss of the last epoch's weights, and the steps that were taken."""


def installed(loop: str) -> bool:
    """Whether what the loop needs can be imported."""
    return loop not in WANTS or importlib.util.find_spec(WANTS[loop]) is not None


def evergreen(work: Work) -> Ready:
    """`fit`, as the stage `train` calls it: it also writes checkpoints, the best weights and the history to disk."""
    training = Training(
        optimizer={"kind": "adamw", "lr": LR, "weight_decay": DECAY},
        schedule={"kind": "constant"},
        epochs=work.epochs,
        batch_size=work.batch,
        early_stopping=None,
        device="cpu",
        seed=SEED,
    )
    network = copy.deepcopy(work.network)
    rows = work.rows("train")
    job = Job(network, rows, work.rows("validation"), "classification", work.classes, training, work.scratch)
    fitted: list[Any] = []

    def ended() -> tuple[float, int]:
        progress = fitted[0].progress
        return progress.history[-1]["validation_loss"], progress.epoch * len(batches.bounds(len(rows), work.batch))

    return Ready(lambda: fitted.append(fit(job)), ended)


def hand(work: Work) -> Ready:
    """A plain loop by someone who knows torch: resident tensors, a fused optimizer, the best weights copied.

    Its order of the rows is Evergreen's, so that both must end with the same weights.
    """
    network = copy.deepcopy(work.network)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LR, weight_decay=DECAY, fused=True)
    inputs, targets = work.tensors("train")
    validation = work.tensors("validation")

    def run() -> None:
        best, kept = float("inf"), {}
        for epoch in range(work.epochs):
            network.train()
            total = torch.zeros(())
            for index in batches.shuffled(len(inputs), SEED, epoch, CPU).split(work.batch):
                optimizer.zero_grad(set_to_none=True)
                loss = F.cross_entropy(network(inputs.index_select(0, index)), targets.index_select(0, index))
                loss.backward()
                optimizer.step()
                total += loss.detach() * len(index)
            float(total)
            found = validated(network, *validation)
            if found < best:
                best, kept = found, {name: value.detach().clone() for name, value in network.state_dict().items()}
        assert kept

    return Ready(run, lambda: (validated(network, *validation), _steps(optimizer)))


def lightning_default(work: Work) -> Ready:
    """What Lightning's own first example does: a `DataLoader` over rows, the loss logged, `Trainer(max_epochs=…)`.

    With its logger, progress bar and a checkpoint per epoch; torch's own defaults for AdamW but rate and decay.
    """
    from torch.utils.data import DataLoader, TensorDataset

    train = DataLoader(TensorDataset(*work.tensors("train")), batch_size=work.batch, shuffle=True)
    validation = DataLoader(TensorDataset(*work.tensors("validation")), batch_size=VALIDATED)
    return _lightning(work, train, validation, logged=True, fused=None)


def lightning_tuned(work: Work) -> Ready:
    """Lightning at its fastest: `barebones`, a fused optimizer, and batches cut out of resident tensors."""
    train = Resident(*work.tensors("train"), work.batch, shuffle=True)
    validation = Resident(*work.tensors("validation"), VALIDATED, shuffle=False)
    return _lightning(work, train, validation, logged=False, fused=True, barebones=True)


def _lightning(work: Work, train: Any, validation: Any, *, logged: bool, fused: bool | None, **options: Any) -> Ready:
    import lightning.pytorch as pl

    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = copy.deepcopy(work.network)

        def training_step(self, batch: Any, number: int) -> torch.Tensor:
            loss = F.cross_entropy(self.network(batch[0]), batch[1])
            if logged:
                self.log("train_loss", loss)
            return loss

        def validation_step(self, batch: Any, number: int) -> torch.Tensor:
            loss = F.cross_entropy(self.network(batch[0]), batch[1])
            if logged:
                self.log("validation_loss", loss)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.AdamW(self.parameters(), lr=LR, weight_decay=DECAY, fused=fused)

    module = Module()
    # Named, as a machine with an accelerator would take that; every other loop is on the CPU.
    where = {"accelerator": "cpu", "devices": 1, "default_root_dir": work.scratch}
    trainer = pl.Trainer(max_epochs=work.epochs, **where, **options)

    def ended() -> tuple[float, int]:
        return validated(module.network, *work.tensors("validation")), trainer.global_step

    return Ready(lambda: trainer.fit(module, train, validation), ended)


class Resident:
    """Batches of resident tensors, in a new order each time."""

    def __init__(self, inputs: torch.Tensor, targets: torch.Tensor, batch: int, *, shuffle: bool) -> None:
        self.inputs, self.targets, self.batch, self.shuffle = inputs, targets, batch, shuffle

    def __len__(self) -> int:
        return -(-len(self.inputs) // self.batch)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        count = len(self.inputs)
        order = torch.randperm(count) if self.shuffle else torch.arange(count)
        for index in order.split(self.batch):
            yield self.inputs.index_select(0, index), self.targets.index_select(0, index)


def skorch(work: Work) -> Ready:
    """`NeuralNetClassifier.fit` with its defaults: a `DataLoader`, a printed table, the accuracy after each epoch."""
    from skorch import NeuralNetClassifier
    from skorch.dataset import Dataset
    from skorch.helper import predefined_split

    inputs, targets = (part.numpy() for part in work.tensors("train"))
    validation = work.tensors("validation")
    network = NeuralNetClassifier(
        copy.deepcopy(work.network),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=DECAY,
        lr=LR,
        max_epochs=work.epochs,
        batch_size=work.batch,
        iterator_train__shuffle=True,
        iterator_valid__batch_size=VALIDATED,
        train_split=predefined_split(Dataset(*(part.numpy() for part in validation))),
    )

    def ended() -> tuple[float, int]:
        return validated(network.module_, *validation), _steps(network.optimizer_)

    return Ready(lambda: network.fit(inputs, targets), ended)


def keras(work: Work) -> Ready:
    """`Model.fit` with its defaults, on the torch backend: the network stands in a layer, the optimizer is Keras's own.

    Its AdamW adds ε to a root that is not yet corrected for bias, so weights differ in late digits.
    """
    os.environ["KERAS_BACKEND"] = "torch"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import keras as library

    class Model(library.Model):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.wrapped = library.layers.TorchModuleWrapper(copy.deepcopy(work.network))

        def call(self, inputs: Any, training: bool | None = None) -> Any:
            return self.wrapped(inputs, training=training)

    model = Model()
    model.compile(
        optimizer=library.optimizers.AdamW(learning_rate=LR, weight_decay=DECAY, epsilon=1e-8),
        loss=library.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    inputs, targets = (part.numpy() for part in work.tensors("train"))
    validation = work.tensors("validation")
    held = tuple(part.numpy() for part in validation)

    def run() -> None:
        options = {"batch_size": work.batch, "validation_batch_size": VALIDATED, "epochs": work.epochs}
        model.fit(inputs, targets, validation_data=held, **options)

    return Ready(run, lambda: (validated(model.wrapped.module, *validation), int(model.optimizer.iterations)))


LOOPS: dict[str, Callable[[Work], Ready]] = {
    "evergreen": evergreen,
    "hand": hand,
    "lightning_default": lightning_default,
    "lightning_tuned": lightning_tuned,
    "skorch": skorch,
    "keras": keras,
}
"""Name → what makes it ready."""


def validated(network: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> float:
    """Cross-entropy of all rows, in evaluation mode."""
    network.eval()
    with torch.inference_mode():
        outputs = torch.cat([network(part) for part in inputs.split(VALIDATED)])
        return float(F.cross_entropy(outputs, targets))


def _steps(optimizer: torch.optim.Optimizer) -> int:
    """Updates that an optimizer of the Adam family has made."""
    return int(next(iter(optimizer.state.values()))["step"])
