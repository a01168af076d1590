"""The recipe's `transforms.balance` block: how rare classes come to have as many training rows as frequent ones."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from tasks.core.blocks import Block


class NoBalance(Block):
    """Classes are trained on as they are."""

    kind: Literal["none"] = "none"


class Oversample(Block):
    """Rows of rare classes are repeated, each equally often or once more."""

    kind: Literal["oversample"] = "oversample"
    ratio: float = Field(default=1.0, gt=0, le=1)
    """Rows that each class has afterwards at least, as a part of the largest class."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Decides which rows are repeated once more."""


class Undersample(Block):
    """Rows of frequent classes are left out at random."""

    kind: Literal["undersample"] = "undersample"
    ratio: float = Field(default=1.0, gt=0, le=1)
    """The smallest class as a part of what each other class has afterwards at most."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Decides which rows are left out."""


class Smote(Block):
    """Rows of rare classes are made up between a row and one of its nearest neighbours (Chawla et al., 2002).

    Distances are those of the scaled inputs. Where there are categories beside numbers it is SMOTE-NC: a made row
    has the category that most of the neighbours have.
    """

    kind: Literal["smote"] = "smote"
    ratio: float = Field(default=1.0, gt=0, le=1)
    """Rows that each class has afterwards at least, as a part of the largest class."""
    neighbours: int = Field(default=5, ge=1)
    """Nearest rows of the same class that a made row may lie towards; a class needs one row more than that."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Decides between which rows others are made."""


BalanceBlock = NoBalance | Oversample | Undersample | Smote
BalanceName = Literal["none", "oversample", "undersample", "smote"]


def as_block(value: Any) -> Any:
    """A kind's name alone stands for the kind with its own defaults."""
    return {"kind": value} if isinstance(value, str) else value


Balance = Annotated[
    BalanceBlock,
    Field(discriminator="kind"),
    BeforeValidator(as_block, json_schema_input_type=BalanceName | BalanceBlock),
]


def misfit(balance: Balance, problem: str, *, weights: bool, images: bool) -> str | None:
    """Why balancing does not go with the problem, with class weights or with images; None where it does.

    Args:
        balance: of the recipe.
        problem: of the recipe.
        weights: whether `training.class_weights` asks for weights.
        images: whether the recipe declares images.
    """
    if balance.kind == "none":
        return None
    if problem != "classification":
        return f"transforms.balance evens out classes, and problem is {problem}; leave it out"
    if weights:
        return (
            f"transforms.balance is {balance.kind} and training.class_weights is balanced, which would correct the "
            "same imbalance twice; choose one of the two"
        )
    if balance.kind == "smote" and images:
        return (
            "transforms.balance is smote, and what lies between two images is no image; use oversample with "
            "transforms.augment, or training.class_weights: balanced"
        )
    return None
