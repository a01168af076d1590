"""Fitted transforms: learned from the training rows, kept as JSON, applied by code that ships in the model.

tabular.py, images.py, text.py, series.py, mixed.py, targets.py   fit: frame → state (a JSON dict); stay at home
augment.py                       varies images in training batches; stays at home
apply.py, cells.py, words.py, dates.py, outputs.py   frame → inputs; raw outputs → predictions; travel in the model
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from tasks.core.feature_kinds import Feature
    from tasks.core.preprocessing import Transforms

KINDS: dict[str, str] = {
    "tabular": "tasks.transforms.tabular:fit",
    "image": "tasks.transforms.images:fit",
    "text": "tasks.transforms.text:fit",
    "series": "tasks.transforms.series:fit",
}
"""Kind of transform → the function that fits it."""


def fit(frame: pd.DataFrame, features: Mapping[str, Feature], transforms: Transforms) -> dict[str, Any]:
    """Learn from `frame` (the training rows, nothing else) how model frames become inputs.

    Args:
        frame: At least the feature columns; other columns are not looked at.
        features: Resolved features, columns of kind `drop` included.
        transforms: The recipe's `transforms` section.

    Returns:
        JSON values: `kind`, `columns` (what a model frame must have, in order), `input_shape`, and what
        the kind's apply half in `apply.py` needs.

    Raises:
        RequestError: there is no feature, images are mixed with other features or a text or a series with another, or
            a column cannot be what the recipe says it is.
    """
    from tasks.core.errors import RequestError

    kept = {name: feature for name, feature in features.items() if feature.kind != "drop"}
    if not kept:
        raise RequestError(
            "data.features leaves no column to learn from.", remedy="Give a column a kind other than drop."
        )
    # What has a transform of its own is all that a model looks at, but for columns beside one text or series.
    whole = {name: feature for name, feature in kept.items() if feature.kind in KINDS}
    first = next(iter(whole), None)
    kind: str = "tabular" if first is None else whole[first].kind
    alone = whole if kind in ("text", "series") else kept
    other = next((name for name in alone if first is not None and alone[name].kind != kind), None)
    if other is not None:
        raise RequestError(
            f"data.features mixes the {kind} '{first}' with '{other}', and a model takes one or the other.",
            remedy="Drop one of the two with {kind: drop}.",
        )
    module, _, name = KINDS[kind].partition(":")
    fit_kind: Callable[..., dict[str, Any]] = getattr(importlib.import_module(module), name)
    if len(whole) == 1 < len(kept) and kind != "image":
        # Not a kind of the table: a recipe names the text or the series, and by that the cache knows whose code runs.
        from tasks.transforms import mixed

        return mixed.fit(frame, kept, transforms, fit_kind)
    return fit_kind(frame, alone, transforms)
