"""Real data that come with scikit-learn, as a person would tabulate them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn import datasets

from tasks.core.recipe import SklearnReader

TARGETS = {
    "digits": "digit",
    "breast_cancer": "diagnosis",
    "diabetes": "progression",
    "iris": "species",
    "wine": "cultivar",
}
"""Data set → name of its target column."""


def read_bundled(reader: SklearnReader, location: Path | str, text: Sequence[str]) -> pd.DataFrame:
    """Read one data set.

    digits gives pixel_0_0 … pixel_7_7 (grey values 0 to 16, float) and `digit` (integer); the other
    classifications give their classes by name; diabetes gives its features in their own units.

    Returns:
        Features in scikit-learn's order, then the target.
    """
    if reader.name == "digits":
        return _digits()
    loaders: dict[str, Any] = {
        "breast_cancer": datasets.load_breast_cancer,
        "iris": datasets.load_iris,
        "wine": datasets.load_wine,
    }
    if reader.name == "diabetes":
        bunch = datasets.load_diabetes(as_frame=True, scaled=False)
        target = bunch.target
    else:
        bunch = loaders[reader.name](as_frame=True)
        names = [str(name) for name in bunch.target_names]
        target = [names[code] for code in bunch.target]
    frame: pd.DataFrame = bunch.data.assign(**{TARGETS[reader.name]: target})
    return frame


def _digits() -> pd.DataFrame:
    bunch = datasets.load_digits()
    columns = [f"pixel_{row}_{column}" for row in range(8) for column in range(8)]
    frame = pd.DataFrame(bunch.data, columns=columns)
    return frame.assign(digit=bunch.target.astype("int64"))
