"""From texts to token ids, with the vocabulary that `fit` learned: the half that ships inside the model.

Uses the standard library, numpy and pandas alone. Id 0 is padding, 1 a token nobody has learned, and
the vocabulary's tokens follow in its order. Notation: N texts, L ids of each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

PADDING, UNKNOWN, FIRST = 0, 1, 2
"""Id of no token at all, of an unknown one, and of the vocabulary's first."""

CUT_BY = ("level", "ngrams", "lower", "numbers")
"""Settings by which a text is cut into tokens."""

_WORDS = re.compile(r"\w+|[^\w\s]")
_GAPS = re.compile(r"\s+")
_DIGITS = re.compile(r"\d")


def ids(column: pd.Series[Any], state: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    """Token ids, the first L of each text, padded at the end.

    Args:
        column: [N]; a missing value is a text without tokens, and what is no text is read as it is written.
        state: `tokens` (the vocabulary), `input_shape` ([L]), and how a text is cut (see `tokens`).

    Returns:
        float32 [N, L]; whole numbers from 0 to the size of the vocabulary + 1, which float32 holds exactly.
    """
    place = {token: number for number, token in enumerate(state["tokens"], FIRST)}
    (length,) = state["input_shape"]
    found = np.full((len(column), length), PADDING, dtype=np.float32)
    # Runs of tokens are many, and mostly unseen: only single tokens are worth telling that they are unknown.
    single = state["ngrams"][1] == 1
    for row, text in enumerate(texts(column)):
        cut = tokens(text, state)
        numbers = [place.get(token, UNKNOWN) for token in cut if single or token in place][:length]
        if cut and not numbers:
            numbers = [UNKNOWN]
        found[row, : len(numbers)] = numbers
    return found


def texts(column: pd.Series[Any]) -> list[str]:
    """Cells as text, empty where nothing is there; a whole number is written without a point."""
    return ["" if absent else _written(cell) for cell, absent in zip(column, column.isna(), strict=True)]


def tokens(text: str, how: Mapping[str, Any]) -> list[str]:
    """A text cut into tokens, in their order; with n-grams all of the shortest first.

    Args:
        text: Any; half of a surrogate pair, which is no character, is read as a question mark.
        how: `level` ("word" or "character"), `ngrams` (fewest and most neighbours that are one token), `lower`, and
            `numbers` ("keep", or "shape": every digit is 0).
    """
    plain = text.encode("utf-8", "replace").decode("utf-8")
    if how["lower"]:
        plain = plain.lower()
    if how["numbers"] == "shape":
        plain = _DIGITS.sub("0", plain)
    words = how["level"] == "word"
    single = _WORDS.findall(plain) if words else list(_GAPS.sub(" ", plain.strip()))
    fewest, most = how["ngrams"]
    if most == 1:
        return single
    between = " " if words else ""
    return [
        between.join(single[start : start + size])
        for size in range(fewest, most + 1)
        for start in range(len(single) - size + 1)
    ]


def _written(cell: Any) -> str:
    if isinstance(cell, float | np.floating) and float(cell).is_integer():
        return str(int(cell))
    return str(cell)
