"""The recipe's `training.loss` block: what a training minimises, and where it applies."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from tasks.core.blocks import Block


class AutoLoss(Block):
    """Cross-entropy for classification, the mean squared error for everything else."""

    kind: Literal["auto"] = "auto"


class CrossEntropy(Block):
    """Cross-entropy, for any number of classes."""

    kind: Literal["cross_entropy"] = "cross_entropy"


class BinaryCrossEntropy(Block):
    """Binary cross-entropy of the difference of two outputs, which is exactly `cross_entropy`; two classes only."""

    kind: Literal["binary_cross_entropy"] = "binary_cross_entropy"


class Focal(Block):
    """Cross-entropy that weighs rows less the surer their right class is (Lin et al., 2017).

    Its probabilities are drawn towards the middle, so `log_loss` is no fair judge of it.
    """

    kind: Literal["focal"] = "focal"
    gamma: float = Field(default=2.0, ge=0)
    """How much less: 0 is cross-entropy."""


class Hinge(Block):
    """Asks the right class to lead each other by 1 (Weston & Watkins, 1999; torch's MultiMarginLoss).

    Its outputs are margins: probabilities made of them rank classes and mean no more.
    """

    kind: Literal["hinge"] = "hinge"


class MeanSquared(Block):
    """Mean squared error."""

    kind: Literal["mse"] = "mse"


class MeanAbsolute(Block):
    """Mean absolute error."""

    kind: Literal["mae"] = "mae"


class Huber(Block):
    """Squared for small errors, linear for large ones (Huber, 1964)."""

    kind: Literal["huber"] = "huber"
    delta: float = Field(default=1.0, gt=0)
    """Error from which it is linear, in standard deviations of the target, or in the scaled units of the inputs."""


class Quantile(Block):
    """The pinball loss, smallest where that share of the targets lies below (Koenker & Bassett, 1978).

    Gates judge by metrics of a middle: far from 0.5 a model that is right looks worse there.
    """

    kind: Literal["quantile"] = "quantile"
    quantile: float = Field(default=0.5, gt=0, lt=1)
    """Share of the targets that shall lie below the prediction; 0.5 is the median."""


LossBlock = AutoLoss | CrossEntropy | BinaryCrossEntropy | Focal | Hinge | MeanSquared | MeanAbsolute | Huber | Quantile
LossName = Literal["auto", "cross_entropy", "binary_cross_entropy", "focal", "hinge", "mse", "mae", "huber", "quantile"]


def _as_block(value: Any) -> Any:
    """A kind's name alone stands for the kind with its own defaults."""
    return {"kind": value} if isinstance(value, str) else value


Loss = Annotated[
    LossBlock,
    Field(discriminator="kind"),
    BeforeValidator(_as_block, json_schema_input_type=LossName | LossBlock),
]

CLASSIFICATION_LOSSES = ("cross_entropy", "binary_cross_entropy", "focal", "hinge")
REGRESSION_LOSSES = ("mse", "mae", "huber", "quantile")
RECONSTRUCTION_LOSSES = ("mse", "mae", "huber")
LOSSES: dict[str, tuple[str, ...]] = {
    "classification": CLASSIFICATION_LOSSES,
    "regression": REGRESSION_LOSSES,
    "reconstruction": RECONSTRUCTION_LOSSES,
}
"""Problem → kinds of losses that go with it, beside `auto`."""
SMOOTHED_LOSSES = ("auto", "cross_entropy", "binary_cross_entropy")
"""Losses of a distribution over the classes, which label smoothing can change."""


def misfit(loss: Loss, problem: str, *, weights: bool, smoothing: bool) -> str | None:
    """Why a loss does not go with the problem or with another setting of `training`; None where it does.

    Args:
        loss: of the recipe.
        problem: of the recipe.
        weights: whether `training.class_weights` asks for weights.
        smoothing: whether `training.label_smoothing` is above 0.
    """
    if loss.kind not in ("auto", *LOSSES[problem]):
        other = next(name for name, kinds in LOSSES.items() if loss.kind in kinds)
        return f"training.loss: {loss.kind} needs problem: {other}; choose one of {', '.join(LOSSES[problem])}"
    if problem != "classification" and (weights or smoothing):
        field = "class_weights" if weights else "label_smoothing"
        return f"training.{field} needs classes, and problem is {problem}; leave it out"
    if smoothing and loss.kind not in SMOOTHED_LOSSES:
        return (
            f"training.label_smoothing changes a cross-entropy, and training.loss is {loss.kind}; "
            "set label_smoothing to 0, or loss to cross_entropy"
        )
    return None
