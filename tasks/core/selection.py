"""The recipe's `transforms.select` block: which columns are given to the model, decided by the training rows."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from tasks.core.blocks import Block


class NoSelection(Block):
    """Every column that is not dropped is given to the model."""

    kind: Literal["none"] = "none"


class Redundancy(Block):
    """Numeric columns that say almost what an earlier one says are left out."""

    kind: Literal["redundancy"] = "redundancy"
    correlation: float = Field(default=0.95, gt=0, le=1)
    """Size of the correlation with a column that is kept from which a later one is left out."""
    measure: Literal["pearson", "spearman"] = "pearson"
    """Of the values, or of their ranks, which sees any monotonous relation."""


class Importance(Block):
    """The columns that tell most about the target are kept."""

    kind: Literal["importance"] = "importance"
    keep: int = Field(ge=1)
    """So many columns, numbers and categories together."""
    by: Literal["mutual_information", "forest"] = "mutual_information"
    """Mutual information of each column with the target by itself (Kraskov et al., 2004; Ross, 2014), or the part that
    each has in what a forest of 100 trees learns, which also sees columns that tell something only together
    (Breiman, 2001)."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Of what is drawn on the way."""


SelectBlock = NoSelection | Redundancy | Importance


def as_block(value: Any) -> Any:
    """A kind's name alone stands for the kind with its own defaults."""
    return {"kind": value} if isinstance(value, str) else value


Select = Annotated[
    SelectBlock,
    Field(discriminator="kind"),
    BeforeValidator(as_block, json_schema_input_type=Literal["none", "redundancy"] | SelectBlock),
]
