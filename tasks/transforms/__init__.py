"""Fitted transforms: learned from the training rows, kept as JSON, applied by code that ships in the model.

tabular.py, images.py, text.py, series.py, targets.py   fit: frame → state (a JSON dict); stay at home
augment.py                       varies images in training batches; stays at home
apply.py, words.py, dates.py, outputs.py   apply: frame → inputs; raw outputs → predictions; travel inside the model
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from tasks.core.preprocessing import Transforms
    from tasks.core.recipe import Feature

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
        RequestError: there is no feature, images, a text or a series are mixed with other features, or a column cannot
            be what the recipe says it is.
    """
    from tasks.core.errors import RequestError

    kept = {name: feature for name, feature in features.items() if feature.kind != "drop"}
    # A kind with a transform of its own is all that a model looks at.
    whole = {name: feature.kind for name, feature in kept.items() if feature.kind in KINDS}
    if not kept:
        raise RequestError(
            "data.features leaves no column to learn from.", remedy="Give a column a kind other than drop."
        )
    kind = next(iter(whole.values()), "tabular")
    other = next((name for name in kept if whole.get(name, "tabular") != kind), None)
    if other is not None:
        raise RequestError(
            f"data.features mixes the {kind} '{next(iter(whole))}' with '{other}', and a model takes one or the other.",
            remedy="Drop one of the two with {kind: drop}.",
        )
    module, _, name = KINDS[kind].partition(":")
    fitted: dict[str, Any] = getattr(importlib.import_module(module), name)(frame, kept, transforms)
    return fitted
