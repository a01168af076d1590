"""The stage `prepare`: a dataset version becomes tensors and a fitted transform."""

from __future__ import annotations

from tasks.core.context import Context
from tasks.core.contracts import Prepared, Versioned
from tasks.stage import stage


@stage(
    "prepare",
    inputs=("version",),
    reads=(
        "problem",
        "data.target",
        "data.id",
        "data.time",
        "data.features",
        "data.split",
        # Not transforms.augment: what is varied in training changes nothing here.
        "transforms.impute",
        "transforms.fill_value",
        "transforms.missing_flag",
        "transforms.outliers",
        "transforms.scale",
        "transforms.rare_below",
        "transforms.max_categories",
        "transforms.text",
        "transforms.select",
        "transforms.balance",
        "retraining.window",
    ),
    libraries=("imbalanced-learn", "numpy", "pandas", "pyarrow", "scikit-learn"),
)
def prepare(context: Context, versioned: Versioned) -> Prepared:
    """Split the dataset, fit the transforms on the training rows and write memory-mapped tensors."""
    from tasks.prepare.arrays import prepare as prepare_arrays
    from tasks.stores import datasets

    frame = datasets.load_rows(context.home.path(versioned.folder))
    return prepare_arrays(frame, context.recipe, context.folder, context.relative(context.folder))
