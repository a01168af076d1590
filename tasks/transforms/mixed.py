"""Fits the transform of a text or a series with numbers and categories beside it: that of each part, side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tasks.core.features import columns_of
from tasks.transforms import tabular

if TYPE_CHECKING:
    import pandas as pd

    from tasks.core.feature_kinds import Feature
    from tasks.core.preprocessing import Transforms


def fit(
    frame: pd.DataFrame,
    features: Mapping[str, Feature],
    transforms: Transforms,
    fit_sequence: Callable[..., dict[str, Any]],
) -> dict[str, Any]:
    """Learn how both parts become one flat example: first the sequence, then the columns.

    Args:
        frame: The training rows.
        features: One text or series, and numeric or categorical ones.
        transforms: The recipe's section; flags of missing numbers are about the columns.
        fit_sequence: What fits the sequence.

    Returns:
        The state; `sequence` and `tabular` are those of the parts, `input_shape` is [numbers of both], and
        `vocabulary` is there for a text.

    Raises:
        RequestError: as for the parts.
    """
    sequence = {name: feature for name, feature in features.items() if feature.kind in ("text", "series")}
    ours = fit_sequence(frame, sequence, transforms.model_copy(update={"missing_flag": "auto"}))
    columns = {name: feature for name, feature in features.items() if name not in sequence}
    beside = tabular.fit(frame, columns, transforms)
    return {
        "kind": "mixed",
        "columns": list(columns_of(features)),
        "input_shape": [math.prod(ours["input_shape"]) + beside["input_shape"][0]],
        "impute": transforms.impute,
        "text_is_missing": beside["text_is_missing"],
        "vocabulary": ours.get("vocabulary", 0),
        "sequence": ours,
        "tabular": beside,
    }
