"""Fits the transform of a text: which tokens are known, by how often the training rows have them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tasks.core.errors import RequestError
from tasks.transforms.words import CUT_BY, FIRST, texts, tokens

if TYPE_CHECKING:
    import pandas as pd

    from tasks.core.feature_kinds import Feature
    from tasks.core.preprocessing import Transforms


def fit(frame: pd.DataFrame, features: Mapping[str, Feature], transforms: Transforms) -> dict[str, Any]:
    """Learn the vocabulary: the most frequent tokens, then by name, so that the order of the rows says nothing.

    Args:
        frame: The training rows.
        features: One text.
        transforms: The recipe's section; `text` is read.

    Returns:
        The state; `input_shape` is [max_length], `vocabulary` the number of ids, padding and unknown among them.

    Raises:
        RequestError: there are several texts, the column is absent, no token is frequent enough, or a flag for missing
            values is asked for.
    """
    name, *others = features
    if others:
        raise RequestError(
            f"data.features has the texts '{name}' and '{others[0]}', and a model takes one.",
            remedy="Join them into one column, or drop one with {kind: drop}.",
        )
    if name not in frame.columns:
        raise RequestError(
            f"data.features: the data have no column '{name}'.", remedy="Correct data.features, or the source."
        )
    if transforms.missing_flag == "always":
        raise RequestError(
            f"transforms.missing_flag is always, and '{name}' is a text, beside whose tokens no flag can stand.",
            remedy="Set missing_flag to auto or never: a missing text is one without tokens.",
        )
    settings = transforms.text.model_dump(mode="json")
    known = most_frequent(texts(frame[name]), settings)
    if not known:
        raise RequestError(
            f"data.features.{name}: no token occurs {settings['min_count']} times among the training rows.",
            remedy="Lower transforms.text.min_count, bring more rows, or name another column.",
        )
    return {
        "kind": "text",
        "columns": [name],
        "input_shape": [settings["max_length"]],
        "impute": transforms.impute,
        "text_is_missing": {},
        "vocabulary": FIRST + len(known),
        **{key: settings[key] for key in CUT_BY},
        "tokens": known,
    }


def most_frequent(written: Iterable[str], settings: Mapping[str, Any]) -> list[str]:
    """The tokens that are known after these texts: the most frequent ones, then by name.

    Args:
        written: The texts of the training rows.
        settings: `transforms.text` as plain values.
    """
    counts = Counter(token for text in written for token in tokens(text, settings))
    frequent = [(token, count) for token, count in counts.items() if count >= settings["min_count"]]
    frequent.sort(key=lambda item: (-item[1], item[0]))
    return [token for token, _ in frequent[: settings["max_tokens"]]]
