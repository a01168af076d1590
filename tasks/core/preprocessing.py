"""The recipe's `transforms` section: how columns become what a network sees, and what is varied in training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tasks.core.balance import Balance, NoBalance
from tasks.core.blocks import Block
from tasks.core.selection import NoSelection, Select

Count = Annotated[int, Field(ge=1, le=20)]


class Augment(Block):
    """Images are changed at random while training, each anew in every epoch; never when a model is judged or used."""

    flip: float = Field(default=0.0, ge=0, le=1)
    """Share of the images that are mirrored left to right."""
    shift: int = Field(default=0, ge=0)
    """Pixels by which an image is moved at most, up or down and to a side; its edge is repeated."""
    rotate: float = Field(default=0.0, ge=0, le=180)
    """Degrees by which it is turned at most, to either side."""
    scale: float = Field(default=0.0, ge=0, lt=1)
    """Share by which it is made larger or smaller at most."""
    noise: float = Field(default=0.0, ge=0)
    """Standard deviation of the noise added to each pixel, after scaling."""


class Text(Block):
    """How a text is cut into tokens, and which of them are known: the most frequent ones of the training rows."""

    level: Literal["word", "character"] = "word"
    """What a token is: a word (letters, digits and _ without a gap) or a single other sign; or every character."""
    ngrams: tuple[Count, Count] = (1, 1)
    """Fewest and most neighbouring tokens that are one token together; of (1, 1) each stands alone."""
    lower: bool = True
    """Capitals count as small letters."""
    numbers: Literal["keep", "shape"] = "keep"
    """`shape`: every digit counts as 0, so that numbers of one length are one token."""
    max_tokens: int = Field(default=20_000, ge=1)
    """The most frequent tokens are known; the rest are one token, unknown, or are left out where `ngrams` are."""
    min_count: int = Field(default=2, ge=1)
    """A token that occurs less often among the training rows is not known."""
    max_length: int = Field(default=128, ge=1)
    """Tokens of a text that a network sees, the first ones."""

    @model_validator(mode="after")
    def _there_are_sizes_between(self) -> Text:
        if self.ngrams[0] > self.ngrams[1]:
            raise ValueError(f"ngrams is {list(self.ngrams)}, and the first number is the smaller one; turn them round")
        return self


class Transforms(Block):
    """What is fitted on the training rows and travels inside the model, and how images are varied in training."""

    impute: Literal["mean", "median", "constant", "none", "refuse"] = "median"
    """What stands for a numeric gap. With `none` nothing does: it is 0 after scaling, and a mask beside every number
    says 1 where one is there and 0 where none is. `refuse` makes a row with a gap an error, in training and in a
    prediction."""
    fill_value: float | None = None
    """`impute: constant`: the number that stands for a gap, in the column's own unit."""
    missing_flag: Literal["auto", "always", "never"] = "auto"
    """A column beside a number that is 1 where it is missing: if it has gaps in training rows; always, which keeps
    the network's shape when gaps come and go; or never."""
    outliers: Literal["keep", "clip", "exclude"] = "keep"
    """Of numbers beyond the quartiles by more than 1.5 times their distance: `clip` cuts them off there, before
    scaling; `exclude` fits nothing to training rows that have one, and judges by validation and test rows as they
    are."""
    scale: Literal["standard", "minmax", "minmax_symmetric", "robust", "none"] = "standard"
    """Mean 0 and standard deviation 1; 0 to 1; −1 to 1; median 0 and distance of the quartiles 1; or as they are."""
    rare_below: int = Field(default=2, ge=1)
    """A category seen in fewer training rows than this shares one 'other' column."""
    max_categories: int = Field(default=50, ge=1)
    """The most frequent categories get a column of their own; the rest share 'other'."""

    text: Text = Text()
    """How texts become tokens."""
    select: Select = NoSelection()
    """Whether columns are left out for what the training rows say about them; a kind's name alone takes its defaults.
    The model's frame then needs the columns that were kept, and no other."""
    balance: Balance = NoBalance()
    """Whether classes are evened out among the training rows, after scaling; a kind's name alone takes its defaults.
    A model's probabilities are then those of a world in which the classes are as frequent as that."""
    augment: Augment | None = None
    """Changes to images while training; none: they are trained on as they are."""

    @model_validator(mode="after")
    def _gaps_are_dealt_with_once(self) -> Transforms:
        if self.impute == "constant" and self.fill_value is None:
            raise ValueError("transforms.impute is constant, so transforms.fill_value must say which number")
        if self.impute != "constant" and self.fill_value is not None:
            raise ValueError(
                f"transforms.fill_value is there and transforms.impute is {self.impute}; set impute to constant, "
                "or remove fill_value"
            )
        if self.impute == "refuse" and self.missing_flag == "always":
            raise ValueError(
                "transforms.missing_flag is always, and transforms.impute refuse leaves no gap it could mark; "
                "choose another impute, or missing_flag: never"
            )
        if self.impute == "none" and self.missing_flag != "auto":
            raise ValueError(
                f"transforms.missing_flag is {self.missing_flag}, and transforms.impute none has a mask beside every "
                "number; remove missing_flag, or choose another impute"
            )
        return self
