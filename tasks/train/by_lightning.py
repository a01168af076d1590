"""A training that a LightningModule of the recipe's own describes, carried out by Lightning's Trainer.

The only place that needs Lightning. The recipe names both: `model` the network, an ordinary `nn.Module` that is
packaged and needs no Lightning, and `training.lightning` the module that says how it is trained. Rows, their order,
device, epochs, validation, early stopping, history, best weights and checkpoints are those of every training; loss,
optimizer and schedule are the module's. Lightning's own loggers, checkpoints (which are pickles) and bars are off.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from tasks.core import refs
from tasks.core.errors import RequestError
from tasks.core.seeds import derive, seed_everything
from tasks.optim import losses
from tasks.train import checkpoints, recorded, spoiled
from tasks.train.batches import bounds, shuffled
from tasks.train.callbacks import Callback, after_epoch, at_end
from tasks.train.checkpoints import State
from tasks.train.device import threads_for
from tasks.train.epochs import Passed, conclude
from tasks.train.extras import require
from tasks.train.loop import Fitted, Job, keep
from tasks.train.pace import Pace
from tasks.train.stepping import class_weights, precision

if TYPE_CHECKING:
    from tasks.core.blocks import Custom

SCHEDULERS, OPTIONS = "schedulers", "options"
"""Names, among a checkpoint's plain values, of the states of the module's learning-rate schedulers, and of the learning
rate and the other options that these have set."""


def require_lightning() -> None:
    """See that Lightning is there.

    Raises:
        RequestError: it is not installed.
    """
    require("lightning", "Lightning", "training.lightning is set", "take training.lightning out")


def wrapped(lightning: Custom, network: nn.Module, folder: Path) -> Any:
    """The recipe's LightningModule around a network: `Name(network, **args)`.

    Raises:
        RequestError: Lightning is not installed, or what is named cannot be made, is no LightningModule, or does not
            hold the network, or steps by hand.
    """
    require_lightning()
    from lightning import LightningModule

    make = refs.load(lightning.ref, folder)
    try:
        module = make(network, **lightning.args)
    except Exception as error:  # a module of one's own may raise anything
        raise _refused(lightning, f"cannot be made: {type(error).__name__}: {error}") from error
    if not isinstance(module, LightningModule):
        raise _refused(lightning, f"gives a {type(module).__name__}, not a LightningModule")
    if not any(inner is network for inner in module.modules()):
        raise _refused(lightning, "does not keep the network it is given")
    if not module.automatic_optimization:
        raise _refused(lightning, "steps by hand, so nothing would be known of its losses")
    return module


def fit_by_lightning(job: Job, module: Any, callbacks: Sequence[Callback] = ()) -> Fitted:
    """Train, or continue after the last epoch that was saved, and write the best weights and the history.

    Args:
        job: Whose network is inside `module`.
        module: A LightningModule with one optimizer; its `training_step` gets (inputs, targets).
        callbacks: As those of any training.

    Raises:
        RequestError: the module fails, as one with several optimizers does.
    """
    with threads_for(job.train.device, job.step_bytes), warnings.catch_warnings():
        # They advise on data loaders and loggers, which there are none of.
        warnings.filterwarnings("ignore", module="lightning")
        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
        state = checkpoints.peek(job.folder) or State()
        if state.progress.stopped is None:
            _train(job, module, state, callbacks)
        digest = checkpoints.finish(job.folder, state.best, state.progress)
        job.network.load_state_dict(state.best)
        at_end(callbacks, state.progress, job.network)
    return Fitted(state.progress, digest, "eager")


def _train(job: Job, module: Any, state: State, callbacks: Sequence[Callback]) -> None:
    from lightning import Trainer
    from lightning.pytorch.utilities.exceptions import MisconfigurationException

    trainer: Any = Trainer(
        accelerator="gpu" if job.train.device.type == "cuda" else "cpu",
        devices=1,
        max_epochs=job.training.epochs,
        precision="32-true" if precision(job) is None else "bf16-mixed",
        accumulate_grad_batches=job.training.accumulate,
        gradient_clip_val=job.training.gradient_clip,
        callbacks=[_listener(job, state, callbacks)],
        default_root_dir=job.folder,
        limit_val_batches=0,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    trainer.fit_loop.epoch_progress.current.processed = state.progress.epoch
    try:
        trainer.fit(module, train_dataloaders=_Batches(job, trainer))
    except (RuntimeError, TypeError, ValueError, AttributeError, MisconfigurationException) as error:
        raise RequestError(
            f"The module of training.lightning fails: {type(error).__name__}: {error}",
            remedy="Mend its training_step, which gets (inputs, targets), or its configure_optimizers.",
            code="ref",
        ) from error


class _Batches:
    """The training rows in the order of each epoch, batch by batch, already on the device."""

    def __init__(self, job: Job, trainer: Any) -> None:
        self._job, self._trainer = job, trainer
        self._bounds = bounds(len(job.train), job.training.batch_size)

    def __len__(self) -> int:
        return len(self._bounds)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        rows, epoch = self._job.train, self._trainer.current_epoch
        order = shuffled(len(rows), self._job.training.seed, epoch, rows.device)
        for start, end in self._bounds:
            yield rows.take(order[start:end])


@dataclass
class _Epoch:
    """What is kept of the epoch that is under way."""

    began: float = 0.0
    """By `time.monotonic`."""
    rate: float = 0.0
    """Learning rate of its last step."""


def _listener(job: Job, state: State, callbacks: Sequence[Callback]) -> Any:
    """What Lightning calls: it seeds each epoch, keeps the losses, and concludes each epoch as ours are."""
    from lightning.pytorch.callbacks import Callback as LightningCallback

    training, progress, epoch = job.training, state.progress, _Epoch()
    pace = Pace(job.checkpoint_seconds, time.monotonic() + training.timeout_minutes * 60 - progress.seconds)
    validation_loss = losses.build(training.loss, job.problem, weights=class_weights(job))

    class Listener(LightningCallback):  # type: ignore[misc]
        def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
            found = checkpoints.restore(job.folder, pl_module, trainer.optimizers[0])
            if found is not None:
                state.best = found.best
                for config, values in zip(trainer.lr_scheduler_configs, found.extra[SCHEDULERS], strict=True):
                    config.scheduler.load_state_dict(values)
                _set_options(trainer.optimizers[0], found.extra[OPTIONS])

        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            epoch.began = time.monotonic()
            seed_everything(derive(training.seed, "epoch", progress.epoch))

        def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
            epoch.rate = optimizer.param_groups[0]["lr"]

        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            # Lightning has divided it by the batches that make one step.
            state.losses.add(outputs["loss"].detach() * training.accumulate)
            if pace.is_over:
                trainer.should_stop = True

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            modes = {inner: inner.training for inner in pl_module.modules()}
            passed = _passed(job, state, pace.is_over)
            conclude(job, state, passed, validation_loss, epoch.began, float(epoch.rate))
            after_epoch(callbacks, progress, job.network)
            keep(job, state)
            for inner, mode in modes.items():
                inner.training = mode
            trainer.should_stop = progress.stopped is not None
            if progress.stopped is None and pace.saves:
                schedulers = [config.scheduler.state_dict() for config in trainer.lr_scheduler_configs]
                state.extra = {SCHEDULERS: schedulers, OPTIONS: _options(trainer.optimizers[0])}
                with pace.saving():
                    checkpoints.save_checkpoint(job.folder, pl_module, trainer.optimizers[0], state)

    return Listener()


def _passed(job: Job, state: State, timed_out: bool) -> Passed:
    """What the batches of the epoch came to, counted in steps as everywhere."""
    values, accumulate = state.losses.read(), job.training.accumulate
    rows = [end - start for start, end in bounds(len(job.train), job.training.batch_size)]
    bad = spoiled.first(values)
    step = None if bad is None else _step(bad, accumulate)
    return Passed(recorded.mean(values, rows[: len(values)]), _step(len(values), accumulate), timed_out, step, {})


def _options(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    return [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]


def _set_options(optimizer: torch.optim.Optimizer, options: Sequence[dict[str, Any]]) -> None:
    for group, values in zip(optimizer.param_groups, options, strict=True):
        # JSON has made lists of tuples such as betas.
        group |= {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def _step(batch: int, accumulate: int) -> int:
    """Which step, from 1, a batch, from 1, belongs to."""
    return -(-batch // accumulate)


def _refused(lightning: Custom, why: str) -> RequestError:
    return RequestError(
        f"training.lightning: {lightning.ref} {why}.",
        remedy="It is called with the network of `model` and its args, and trains that network.",
        code="ref",
    )
