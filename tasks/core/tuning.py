"""The recipe's `tuning` section: which settings `evergreen tune` looks for, where, and by which number it judges."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

from tasks.core.blocks import Block, Custom

LOSS = "validation_loss"
"""The name, beside those of the metrics, of what a training lowers on the rows that choose its epoch."""

SEARCHED = ("transforms", "model", "training")
"""Sections whose fields may be searched: what else a recipe says is no setting but the question itself."""

NO_SETTING = {
    "training.seed": "would pick a lucky draw",
    "training.device": "changes no model",
    "training.timeout_minutes": "would judge the machine",
}
"""Fields of those sections that are not searched all the same, and why."""


class NumberRange(Block):
    """Any number between two."""

    kind: Literal["number"]
    low: float
    """The smallest."""
    high: float
    """The largest."""
    log: bool = False
    """Try as many between 0.001 and 0.01 as between 0.01 and 0.1."""

    @model_validator(mode="after")
    def _low_is_lower(self) -> NumberRange:
        _refuse_empty(self.low, self.high, self.log)
        return self


class WholeRange(Block):
    """Any whole number between two, both included."""

    kind: Literal["whole"]
    low: int
    """The smallest."""
    high: int
    """The largest."""
    log: bool = False
    """Try as many between 1 and 10 as between 10 and 100."""

    @model_validator(mode="after")
    def _low_is_lower(self) -> WholeRange:
        _refuse_empty(self.low, self.high, self.log)
        return self


class Choice(Block):
    """One of some values: numbers, texts, lists, or whole sections."""

    kind: Literal["choice"]
    choices: tuple[Any, ...] = Field(min_length=1)
    """The values."""


Dimension = Annotated[NumberRange | WholeRange | Choice, Field(discriminator="kind")]


class Tuning(Block):
    """What `evergreen tune` searches, and how."""

    space: dict[str, Dimension] = Field(default_factory=dict)
    """Dotted field of transforms, model or training, such as `training.optimizer.lr`, → its values; none: a space
    made for the recipe's kinds."""
    metric: str = LOSS
    """What is compared, on rows that are not test rows: `validation_loss`, or a metric of the problem."""
    search: Literal["bayesian", "random", "grid"] = "bayesian"
    """`bayesian`: where good trials were, by Optuna's TPE (Bergstra et al., 2011); by chance; or every combination."""
    trials: int = Field(default=30, gt=0)
    """Recipes that are tried beside the one as it stands; of a grid no more than it has points."""
    pruning: Literal["median", "none"] = "median"
    """`median`: a trial ends early whose validation loss never was as good as that of half the others at the same
    epoch (Golovin et al., 2017)."""
    folds: int | None = Field(default=None, ge=2)
    """Judge by the mean over so many folds of the rows that are not test rows; none: by the validation rows."""
    seed: int = Field(default=0, ge=0)
    """Of the search; each trial is trained with `training.seed`."""


def misfit(tuning: Tuning, sections: Mapping[str, Block], metrics: Collection[str], *, reproduced: bool) -> str | None:
    """Why a `tuning` section does not go with the rest of its recipe; None where it does.

    Args:
        tuning: of the recipe.
        sections: the recipe's sections by name, those of `SEARCHED`.
        metrics: names of the problem's metrics.
        reproduced: whether a network is judged by how well it reproduces its own inputs.
    """
    if tuning.metric != LOSS and tuning.metric not in metrics:
        return f"tuning.metric: '{tuning.metric}' is not a metric here; choose {LOSS} or one of {', '.join(metrics)}"
    for name, dimension in tuning.space.items():
        where = f"tuning.space.{name}"
        section = name.partition(".")[0]
        if section not in SEARCHED:
            return f"{where}: only fields of {', '.join(SEARCHED)} are searched, for example training.optimizer.lr"
        if name in NO_SETTING:
            return f"{where}: a search over {name} {NO_SETTING[name]}; leave it out"
        if reproduced and section == "transforms" and not f"{name}.".startswith("transforms.augment."):
            return f"{where}: {name} changes the unit that a reconstruction is measured in; leave it out"
        if not _is_there(sections, name.split(".")):
            return f"{where}: the recipe, with the kinds it has, has no field {name}"
        if tuning.search == "grid" and dimension.kind == "number":
            return f"{where}: a grid needs single values, and this is a range; write it as kind: choice"
    return _incomparable(tuning)


def _incomparable(tuning: Tuning) -> str | None:
    """Trials that lower another loss cannot be compared by how low it is."""
    field = next((name for name in tuning.space if _changes_the_loss(name)), None)
    if field is None:
        return None
    if tuning.metric == LOSS:
        return f"tuning.metric is {LOSS}, which {field} of tuning.space gives another meaning; name a metric"
    if tuning.pruning != "none" and tuning.folds is None:
        return f"tuning.pruning compares validation losses, which {field} of tuning.space changes; set it to none"
    return None


def _changes_the_loss(name: str) -> bool:
    return name == "training" or name == "training.class_weights" or f"{name}.".startswith("training.loss.")


def _is_there(value: Any, parts: list[str]) -> bool:
    """Whether a dotted field exists in the sections as they are; below the arguments of a custom part all may be."""
    for part in parts:
        if isinstance(value, Custom) and part == "args":
            return True
        if isinstance(value, BaseModel) and part in type(value).model_fields:
            value = getattr(value, part)
        elif isinstance(value, Mapping) and part in value:
            value = value[part]
        else:
            return False
    return True


def _refuse_empty(low: float, high: float, log: bool) -> None:
    if low >= high:
        raise ValueError(f"low is {low:g} and high is {high:g}; low must be the smaller one")
    if log and low <= 0:
        raise ValueError(f"log needs numbers above 0, and low is {low:g}; raise it, or leave log out")
