"""The recipe's `training` block: how the weights are found, by which loss, optimizer and schedule."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tasks.core.blocks import Block, Custom
from tasks.core.objective import AutoLoss, Loss


class Sgd(Block):
    """Stochastic gradient descent with momentum."""

    kind: Literal["sgd"]
    lr: float = Field(default=0.05, gt=0)
    """Learning rate before the schedule."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Part of the last step that is kept."""
    nesterov: bool = False
    """Take the gradient where the momentum leads (Nesterov, 1983; Sutskever et al., 2013)."""
    weight_decay: float = Field(default=0.0, ge=0)
    """L2 penalty."""

    @model_validator(mode="after")
    def _nesterov_looks_ahead(self) -> Sgd:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs momentum above 0; set it, or leave nesterov out")
        return self


class Adam(Block):
    """Adam (Kingma & Ba, 2015)."""

    kind: Literal["adam"]
    lr: float = Field(default=1e-3, gt=0)
    """Learning rate before the schedule."""
    weight_decay: float = Field(default=0.0, ge=0)
    """L2 penalty."""


class AdamW(Block):
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019)."""

    kind: Literal["adamw"] = "adamw"
    lr: float = Field(default=1e-3, gt=0)
    """Learning rate before the schedule."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Share by which weights shrink at each step, times the learning rate."""


class RmsProp(Block):
    """RMSProp: steps divided by the root of a running mean of squared gradients (Tieleman & Hinton, 2012)."""

    kind: Literal["rmsprop"]
    lr: float = Field(default=1e-3, gt=0)
    """Learning rate before the schedule."""
    alpha: float = Field(default=0.99, ge=0, lt=1)
    """Part of the running mean that is kept at each step."""
    momentum: float = Field(default=0.0, ge=0, lt=1)
    """Part of the last step that is kept."""
    weight_decay: float = Field(default=0.0, ge=0)
    """L2 penalty."""


class AdaGrad(Block):
    """AdaGrad: steps divided by the root of the sum of all squared gradients (Duchi et al., 2011)."""

    kind: Literal["adagrad"]
    lr: float = Field(default=0.01, gt=0)
    """Learning rate before the schedule."""
    weight_decay: float = Field(default=0.0, ge=0)
    """L2 penalty."""


class AdaDelta(Block):
    """AdaDelta: steps as large as recent ones, so that no learning rate has to be found (Zeiler, 2012)."""

    kind: Literal["adadelta"]
    lr: float = Field(default=1.0, gt=0)
    """What its own step is multiplied by, before the schedule."""
    rho: float = Field(default=0.9, ge=0, lt=1)
    """Part of the running means of squared gradients and steps that is kept at each step."""
    weight_decay: float = Field(default=0.0, ge=0)
    """L2 penalty."""


class Nadam(Block):
    """Adam with Nesterov's momentum (Dozat, 2016)."""

    kind: Literal["nadam"]
    lr: float = Field(default=2e-3, gt=0)
    """Learning rate before the schedule."""
    weight_decay: float = Field(default=0.0, ge=0)
    """L2 penalty."""


Optimizer = Annotated[Sgd | Adam | AdamW | RmsProp | AdaGrad | AdaDelta | Nadam, Field(discriminator="kind")]


class ConstantSchedule(Block):
    """The learning rate stays as it is."""

    kind: Literal["constant"]


class CosineSchedule(Block):
    """Half a cosine from the learning rate down to `floor` times it, over all steps (Loshchilov & Hutter, 2017)."""

    kind: Literal["cosine"] = "cosine"
    floor: float = Field(default=0.0, ge=0, lt=1)
    """Part of the learning rate that is left at the end."""
    warmup: float = Field(default=0.0, ge=0, lt=1)
    """Share of the steps over which it rises evenly to the learning rate before (Goyal et al., 2017)."""


class StepSchedule(Block):
    """The learning rate falls at once, and again after each further share of the steps."""

    kind: Literal["step"]
    every: float = Field(default=0.3, gt=0, lt=1)
    """Share of all steps between two falls."""
    factor: float = Field(default=0.1, gt=0, lt=1)
    """Part that is left after each."""


class OneCycleSchedule(Block):
    """Up to the learning rate and far down, each along half a cosine (Smith & Topin, 2018); momentum stays."""

    kind: Literal["one_cycle"]
    warmup: float = Field(default=0.3, gt=0, lt=1)
    """Share of the steps over which it rises."""
    start: float = Field(default=0.04, gt=0, le=1)
    """Part of the learning rate at the first step."""
    floor: float = Field(default=4e-6, ge=0, lt=1)
    """Part of the learning rate at the last step."""


class PlateauSchedule(Block):
    """The learning rate falls when the validation loss has not improved for some epochs."""

    kind: Literal["plateau"]
    patience: int = Field(default=4, gt=0)
    """Epochs without a new lowest validation loss before it falls; fewer than `training.early_stopping.patience`."""
    factor: float = Field(default=0.3, gt=0, lt=1)
    """Part that is left after each fall."""
    floor: float = Field(default=1e-4, ge=0, lt=1)
    """Part of the learning rate below which it does not fall."""


Schedule = Annotated[
    ConstantSchedule | CosineSchedule | StepSchedule | OneCycleSchedule | PlateauSchedule, Field(discriminator="kind")
]


class EarlyStopping(Block):
    """Stop when the validation loss has not improved for `patience` epochs."""

    patience: int = Field(default=10, gt=0)
    """Epochs."""


class Training(Block):
    """How the weights are found."""

    loss: Loss = AutoLoss()
    """What is minimised; a kind's name alone, as in `loss: huber`, takes its defaults."""
    class_weights: Literal["none", "balanced"] = "none"
    """`balanced`: rare classes weigh as much in the loss as frequent ones."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of the target that is spread over all classes, where the loss is a cross-entropy."""
    optimizer: Optimizer = AdamW()
    schedule: Schedule = CosineSchedule()
    epochs: int = Field(default=30, gt=0)
    """At most so many passes over the training rows."""
    batch_size: int = Field(default=64, gt=0)
    """Rows whose losses and gradients are computed at once."""
    accumulate: int = Field(default=1, gt=0)
    """Batches per step: one step by the mean gradient of their rows, in the memory of a single batch."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """`auto`: bfloat16 autocast on a GPU that has it, float32 elsewhere."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto`: a GPU where there is one."""
    processes: int = Field(default=1, gt=0)
    """So many processes share the rows of each step; on GPUs each has one of its own."""
    l1: float = Field(default=0.0, ge=0)
    """Penalty per unit of the weights' absolute size, biases and norms left out; `optimizer.weight_decay` is L2."""
    ema: float | None = Field(default=None, gt=0, lt=1)
    """Part of a running mean of the weights that each step keeps, say 0.99; none: the weights are saved, not a mean."""
    gradient_clip: float | None = Field(default=None, gt=0)
    """Largest norm of the gradient; none: not clipped."""
    early_stopping: EarlyStopping | None = EarlyStopping()
    seed: int = Field(default=0, ge=0)
    """Of the first weights, dropout and the order of the rows."""
    timeout_minutes: float = Field(default=60.0, gt=0)
    """Training ends after so many minutes, with its best epoch so far."""

    keep_every: int | None = Field(default=None, gt=0)
    """Keep the weights of every so manieth epoch in a file of their own beside the best; none: the best alone."""
    callbacks: tuple[Custom, ...] = ()
    """Classes of your own with `on_epoch(progress, network)`, `on_end(progress, network)` or both."""
    tensorboard: bool = False
    """Write what MLflow is told as event files for TensorBoard too; needs the extra `tensorboard`."""

    lightning: Custom | None = None
    """A LightningModule of your own that trains the network of `model`, made as `Name(network, **args)`; its loss,
    optimizer and schedule take the place of those here. Needs the extra `lightning`."""

    @model_validator(mode="after")
    def _lightning_has_its_own(self) -> Training:
        ours = ("class_weights", "label_smoothing", "optimizer", "schedule", "l1", "ema", "processes")
        fields = type(self).model_fields
        given = [name for name in ours if getattr(self, name) != fields[name].get_default(call_default_factory=True)]
        if self.lightning is not None and given:
            raise ValueError(
                f"{given[0]} would do nothing, as the module of lightning says how the weights are found; take it out"
            )
        return self

    @model_validator(mode="after")
    def _plateaus_are_seen_before_the_end(self) -> Training:
        schedule, stopping = self.schedule, self.early_stopping
        if schedule.kind == "plateau" and stopping is not None and schedule.patience >= stopping.patience:
            raise ValueError(
                f"schedule.patience is {schedule.patience}, and early_stopping.patience {stopping.patience} ends the "
                "training before the learning rate falls; make the first smaller, or the second larger or null"
            )
        return self

    @model_validator(mode="after")
    def _every_process_has_rows(self) -> Training:
        rows = self.batch_size * self.accumulate
        if self.processes > 1 and rows < 2 * self.processes:
            raise ValueError(
                f"processes is {self.processes}, and a step takes {rows} rows (batch_size × accumulate); two for each "
                "process are needed, so make processes smaller or batch_size larger"
            )
        return self
