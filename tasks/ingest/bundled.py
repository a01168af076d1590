"""Real data that come with scikit-learn, as a person would tabulate them."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.core.errors import RequestError
from tasks.core.hashing import file_sha256, json_sha256
from tasks.core.sources import SklearnReader

if TYPE_CHECKING:
    import pandas as pd

BUNDLED_FILES = {
    "digits": "digits.csv.gz",
    "breast_cancer": "breast_cancer.csv",
    "diabetes": "diabetes_data_raw.csv.gz",
    "iris": "iris.csv",
    "wine": "wine_data.csv",
}
"""Data set of scikit-learn → the file in `sklearn/datasets/data` that holds it."""

TARGETS = {
    "digits": "digit",
    "breast_cancer": "diagnosis",
    "diabetes": "progression",
    "iris": "species",
    "wine": "cultivar",
}
"""Data set → name of its target column."""


def fingerprint_bundled(reader: SklearnReader, recipe_folder: Path) -> str:
    """SHA-256 (hex) of the data set's name, its file's bytes and the library's version.

    Raises:
        RequestError: this scikit-learn does not have it.
    """
    path = bundled_file(reader.name)
    return json_sha256({"name": reader.name, "bytes": file_sha256(path), "library": version("scikit-learn")})


def read_bundled(reader: SklearnReader, recipe_folder: Path, text: Sequence[str]) -> pd.DataFrame:
    """Read one data set.

    digits gives pixel_0_0 … pixel_7_7 (grey values 0 to 16, float) and `digit` (integer); the other
    classifications give their classes by name; diabetes gives its features in their own units.

    Returns:
        Features in scikit-learn's order, then the target.

    Raises:
        RequestError: this scikit-learn does not have it.
    """
    from sklearn import datasets

    bundled_file(reader.name)
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


def bundled_file(name: str) -> Path:
    """The file of a bundled data set, found without importing scikit-learn.

    Raises:
        RequestError: this scikit-learn does not have it.
    """
    spec = importlib.util.find_spec("sklearn")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "datasets" / "data" / BUNDLED_FILES[name]
        if path.is_file():
            return path
    raise RequestError(
        f"data.reader.name '{name}': the installed scikit-learn does not bundle {BUNDLED_FILES[name]}.",
        remedy="Install the scikit-learn of requirements.lock.",
        code="reader",
    )


def _digits() -> pd.DataFrame:
    import pandas as pd
    from sklearn import datasets

    bunch = datasets.load_digits()
    columns = [f"pixel_{row}_{column}" for row in range(8) for column in range(8)]
    frame = pd.DataFrame(bunch.data, columns=columns)
    return frame.assign(digit=bunch.target.astype("int64"))
