"""What texts are made of: the most frequent words, those that tell classes apart, and the tokens nobody will know.

A word is named only where enough rows have it, and where it is of letters alone: a number could be somebody's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tasks.core import splits
from tasks.core.preprocessing import Text
from tasks.core.recipe import Data
from tasks.explore.columns import Table
from tasks.report.svg import thin
from tasks.transforms.text import most_frequent
from tasks.transforms.words import texts, tokens

MOST_ROWS = 20_000
"""Texts of a part that words and tokens are counted in, evenly picked; the vocabulary is that of all training rows."""
MOST_CLASSES = 12
MOST_WORDS = 12
FEW_ROWS = 5
"""A word that fewer rows have is not named: it could tell who somebody is."""


@dataclass(frozen=True)
class Part:
    """The texts of some rows, against the tokens that the training rows would teach."""

    rows: int
    tokens: int
    unknown: int
    """Tokens that are not known."""
    longer: int
    """Texts with more tokens than a network looks at."""


@dataclass(frozen=True)
class Told:
    """What is told of one text feature."""

    known: int
    """Tokens in the vocabulary."""
    training: Part
    held_out: Part
    """Labelled rows that choose the epoch or judge the model: none of their texts has taught a token."""
    frequent: tuple[tuple[str, float], ...]
    """Word, share of the texts that hold it; the most frequent first."""
    telling: dict[str, tuple[tuple[str, float], ...]]
    """Class → words that its texts have more often than the others, by how much; share of its texts with the word."""


def tell(frame: pd.DataFrame, table: Table, data: Data, how: Text) -> dict[str, Told]:
    """Count the tokens of each text feature of a dataset.

    Args:
        frame: Its rows, with `row_id`.
        table: The same rows, read.
        data: `split` and `target` say which rows are trained on; `retraining.window` is not looked at.
        how: `transforms.text`.

    Raises:
        RequestError: the split's group or time column is not there.
    """
    if not table.texts:
        return {}
    labelled = frame[frame[data.target].notna()]
    sides = splits.assign(labelled, data)
    settings = how.model_dump(mode="json")
    return {name: _told(name, labelled, sides, table, settings) for name in table.texts}


def _told(name: str, labelled: pd.DataFrame, sides: pd.Series, table: Table, settings: dict[str, Any]) -> Told:
    training, held_out = labelled[name][sides == "train"], labelled[name][sides != "train"]
    known = most_frequent(texts(training), settings)
    parts = [_part(column.iloc[thin(len(column), MOST_ROWS)], set(known), settings) for column in (training, held_out)]
    kept = thin(table.rows, MOST_ROWS)
    words = [_words(text, settings) for text in table.texts[name][kept]]
    every = _rows_with(words)
    target = table.target[kept]
    classes = {label: np.flatnonzero(target == code) for code, label in enumerate(table.classes[:MOST_CLASSES])}
    return Told(
        known=len(known),
        training=parts[0],
        held_out=parts[1],
        frequent=_shares(every, len(words))[:MOST_WORDS],
        telling={label: _telling([words[row] for row in rows], words, every) for label, rows in classes.items()},
    )


def _part(column: pd.Series, known: set[str], settings: dict[str, Any]) -> Part:
    cut = [tokens(text, settings) for text in texts(column)]
    unknown = sum(token not in known for text in cut for token in text)
    return Part(len(cut), sum(map(len, cut)), unknown, sum(len(text) > settings["max_length"] for text in cut))


def _words(text: str | None, settings: dict[str, Any]) -> set[str]:
    single = settings | {"level": "word", "ngrams": (1, 1), "numbers": "keep"}
    return {token for token in tokens(text or "", single) if token.isalpha()}


def _rows_with(words: Iterable[set[str]]) -> Counter[str]:
    return Counter(word for text in words for word in text)


def _shares(rows: Counter[str], of: int) -> tuple[tuple[str, float], ...]:
    enough = [(word, number) for word, number in rows.items() if number >= FEW_ROWS]
    return tuple((word, number / of) for word, number in sorted(enough, key=lambda item: (-item[1], item[0])))


def _telling(own: Sequence[set[str]], words: Sequence[set[str]], every: Counter[str]) -> tuple[tuple[str, float], ...]:
    rows, others = _rows_with(own), max(len(words) - len(own), 1)
    more = {word: share - (every[word] - rows[word]) / others for word, share in _shares(rows, len(own))}
    ranked = sorted((word for word in more if more[word] > 0), key=lambda word: (-more[word], word))
    return tuple((word, rows[word] / len(own)) for word in ranked[:MOST_WORDS])
