"""What a column can be to a model: the kinds of `data.features`."""

from __future__ import annotations

from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from tasks.core.blocks import Block

Part = Literal["hour", "weekday", "weekend", "day_of_month", "month", "day_of_year", "year"]


class NumericFeature(Block):
    """A quantity."""

    kind: Literal["numeric"]


class CategoricalFeature(Block):
    """One of a closed or open set of labels."""

    kind: Literal["categorical"]


class ImageFeature(Block):
    """An image stored as the columns `<feature>_<row>_<column>`, one grey value each."""

    kind: Literal["image"]
    size: tuple[int, int]
    """Height and width in pixels."""


class TextFeature(Block):
    """Free text, with or without numbers and categories beside it; `transforms.text` says how it is cut into tokens."""

    kind: Literal["text"]


class SeriesFeature(Block):
    """Numbers in their order, the oldest first, as the columns `<feature>_<step>` from 0 on.

    Steps without a number at either end make a shorter series. Numbers and categories may stand beside it.
    """

    kind: Literal["series"]
    length: int = Field(gt=0)
    """Steps, at most."""
    channels: tuple[str, ...] = ()
    """Names of the numbers of a step, where it has several: they are the columns `<feature>_<channel>_<step>`."""


class DatetimeFeature(Block):
    """A date or a point in time, as calendar features: where in the day, the week or the year it is."""

    kind: Literal["datetime"]
    parts: tuple[Part, ...] = Field(default=("hour", "weekday", "month"), min_length=1)
    """What the network is told. Parts that come round again are a sine and a cosine each; `weekend` is 0 or 1; `year`
    is a number that every new row has more of than any training row: a network has to guess how it goes on."""
    timezone: str = "UTC"
    """Whose clock is read, such as Europe/Berlin. A time with an offset is converted, one without is taken as it is."""

    @field_validator("parts")
    @classmethod
    def _parts_differ(cls, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        if len(set(parts)) < len(parts):
            raise ValueError(f"'{max(parts, key=parts.count)}' stands there twice; once is enough")
        return parts

    @field_validator("timezone")
    @classmethod
    def _zone_is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, OSError, ValueError):
            raise ValueError(f"there is no time zone '{name}'; one is called Europe/Berlin, or UTC") from None
        return name


class DropFeature(Block):
    """A column that is stored with the dataset but never given to the model."""

    kind: Literal["drop"]


Feature = Annotated[
    NumericFeature | CategoricalFeature | DatetimeFeature | ImageFeature | TextFeature | SeriesFeature | DropFeature,
    Field(discriminator="kind"),
]
