"""The recipe's schema: one YAML file that says what data, what model, what gates, what upkeep.

Validated once, at the edge (`tasks/core/load.py`); inside, a `Recipe` is trusted. Every field that is
not required has a default that `evergreen check --resolved` prints.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from tasks.core import balance, reconstruction
from tasks.core.architectures import Autoencoder, Mlp, Model
from tasks.core.blocks import Block
from tasks.core.feature_kinds import DropFeature, Feature, SeriesFeature
from tasks.core.objective import misfit
from tasks.core.preprocessing import Text, Transforms
from tasks.core.sources import Reader
from tasks.core.training import Training
from tasks.core.tuning import Tuning
from tasks.core.tuning import misfit as tuning_misfit
from tasks.core.upkeep import Alert, HybridPolicy, Monitoring, Retraining, Timetable

Problem = Literal["classification", "regression", "reconstruction"]

COMPARED_CLASSIFICATION_METRICS = ("accuracy", "f1_macro", "precision_macro", "recall_macro", "roc_auc", "log_loss")
COMPARED_REGRESSION_METRICS = ("rmse", "mae", "r2")
RECONSTRUCTION_METRICS = ("mae", "rmse")
"""Metrics that two models can be compared by: `tasks/core/stats` has a test of each, with a simulated error rate."""
CLASSIFICATION_METRICS = (*COMPARED_CLASSIFICATION_METRICS, "pr_auc", "top_3", "brier", "ece")
REGRESSION_METRICS = (*COMPARED_REGRESSION_METRICS, "mape")
COMPARED: dict[str, tuple[str, ...]] = {
    "classification": COMPARED_CLASSIFICATION_METRICS,
    "regression": COMPARED_REGRESSION_METRICS,
    "reconstruction": RECONSTRUCTION_METRICS,
}
"""Problem → metrics that two models can be compared by; the first decides where the recipe names none."""
METRICS = COMPARED | {"classification": CLASSIFICATION_METRICS, "regression": REGRESSION_METRICS}
"""Problem → its metrics."""
SMALLER_IS_BETTER = frozenset({"log_loss", "brier", "ece", "rmse", "mae", "mape"})


class RandomSplit(Block):
    """Sticky split by a keyed hash of the row's identity: once test, always test."""

    kind: Literal["random"] = "random"
    validation: float = Field(default=0.15, gt=0, lt=0.5)
    """Share of rows that choose the best epoch."""
    test: float = Field(default=0.15, gt=0, lt=0.5)
    """Share of rows that gates and promotion are judged on."""
    key: int = 0
    """Another key gives another split."""
    group: str | None = None
    """Column whose rows must stay on one side (a patient, a customer)."""


class TimeSplit(Block):
    """The newest rows are held out; a sticky hash share of all older rows guards beside them."""

    kind: Literal["time"]
    validation: float = Field(default=0.15, gt=0, lt=0.5)
    """Share of rows that choose the best epoch."""
    test: float = Field(default=0.15, gt=0, lt=0.5)
    """Share of rows that gates and promotion are judged on."""
    guard: float = Field(default=0.05, ge=0, lt=0.5)
    """Share of rows, chosen by hash, that no model is ever trained on, at any date."""
    key: int = 0
    """Another key gives other guard rows."""


def _split_kind(value: Any) -> str:
    """A split is random unless it says otherwise."""
    return str(value.get("kind", "random") if isinstance(value, dict) else getattr(value, "kind", "random"))


Split = Annotated[Annotated[RandomSplit, Tag("random")] | Annotated[TimeSplit, Tag("time")], Discriminator(_split_kind)]


class Windows(Block):
    """Each row gets the values of rows before it in `data.time`, as a feature of kind series.

    Beside it stand the row's own columns, which must be known when the question is asked; `columns` are not, and are
    dropped unless `data.features` says what they are.
    """

    feature: str = "past"
    """Name of that feature; its columns are `<feature>_<column>_<step>`, the oldest first."""
    columns: tuple[str, ...] = Field(min_length=1)
    """Columns of numbers whose earlier values are taken; the target may be one of them."""
    length: int = Field(gt=0)
    """Rows of a window."""
    horizon: int = Field(default=1, gt=0)
    """Rows from the last of a window to the row that it is for."""
    by: str | None = None
    """Column that names whose row it is (a station, a customer): windows stay among the rows of one."""


class Data(Block):
    """Where rows come from and what the columns mean."""

    reader: Reader
    target: str | None = None
    """Column to predict; none for a reconstruction, which needs no labels."""
    id: str | None = None
    """Column that identifies a row; without one a row is known by a hash of its features."""
    time: str | None = None
    """Column that orders rows in time; the model sees it only where `features` names it as {kind: datetime}."""
    features: dict[str, Feature] = Field(default_factory=dict)
    """Kinds of columns; what is not named is inferred from the first rows and shown by `check`."""
    windows: Windows | None = None
    """Earlier rows as a feature of each row; none: every row stands alone."""
    split: Split = RandomSplit()
    expectations: str | None = None
    """Great Expectations suite as JSON, relative to the recipe's folder."""

    @model_validator(mode="after")
    def _windows_are_a_feature(self) -> Data:
        windows = self.windows
        if windows is None:
            return self
        if self.time is None:
            raise ValueError("data.windows takes earlier rows, so data.time must name the column that orders them")
        made = SeriesFeature(kind="series", length=windows.length, channels=windows.columns)
        if self.features.setdefault(windows.feature, made) != made:
            raise ValueError(
                f"data.features.{windows.feature} is what data.windows makes; remove it, or name another "
                "data.windows.feature"
            )
        for column in windows.columns:
            if column not in (self.target, self.id, self.time):
                self.features.setdefault(column, DropFeature(kind="drop"))
        return self

    @model_validator(mode="after")
    def _columns_agree(self) -> Data:
        if self.split.kind == "time" and self.time is None:
            raise ValueError("data.split.kind is time, so data.time must name the column that orders the rows")
        if self.target is not None and self.target in (self.id, self.time):
            raise ValueError(f"data.target '{self.target}' is also data.id or data.time; name a different column")
        file = getattr(self.reader, "file", None)
        if file not in (None, self.id) and not isinstance(self.features.get(str(file)), DropFeature):
            raise ValueError(f"data.reader.file '{file}' gives the class away; name it in data.id, or drop the feature")
        if self.split.validation + self.split.test >= 0.9:
            raise ValueError(
                "data.split.validation + data.split.test must stay below 0.9, or nothing is left to train on"
            )
        return self


class Promotion(Block):
    """When a challenger may replace the champion."""

    rule: Literal["auto", "superior", "non_inferior"] = "auto"
    """`auto`: superior where the recipe changed, non_inferior where only the data are newer."""
    metric: str | None = None
    """Metric both models are compared by, one with a test of its own; none: accuracy, rmse, or for a reconstruction
    mae, the mean anomaly score."""
    gain: float = Field(default=0.0, ge=0)
    """`superior`: shown to be better by more than this."""
    margin: float = Field(default=0.02, gt=0)
    """`non_inferior`: shown not to be worse by more than this; relative for losses and errors."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """One-sided."""
    approval: Literal["auto", "manual"] = "auto"
    """`manual`: a challenger that passed waits for `evergreen promote`."""


class Gates(Block):
    """What stops a run. The thresholds on metrics bound the test split."""

    thresholds: dict[str, float] = Field(default_factory=dict)
    """Metric → the least (for losses and errors: the most) allowed on the test rows."""
    promotion: Promotion = Promotion()
    min_rows: int = Field(default=50, ge=10)
    """`volume`: rows that must remain after quarantine."""
    max_quarantined: float = Field(default=0.05, ge=0, le=1)
    """`expectations`: share of rows that may be quarantined before the run stops."""
    max_duplicates: float = Field(default=0.5, ge=0, le=1)
    """`duplicates`: share of rows that may repeat an earlier row exactly."""
    max_overlap: float = Field(default=0.01, ge=0, le=1)
    """`leakage`: share of test rows that may have a duplicate among the training rows."""
    min_rows_per_class: int = Field(default=5, ge=1)
    """`class_coverage`: rows each class must have in the training split."""


class Recipe(Block):
    """One model: its data, its training, its gates."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")
    """The registered model's name: lower-case letters, digits, - and _."""
    problem: Problem
    """Tell classes apart, predict a number, or reproduce each row, to say how unusual it is."""
    data: Data
    transforms: Transforms = Transforms()
    model: Model = Mlp()
    training: Training = Training()
    tuning: Tuning = Tuning()
    gates: Gates = Gates()
    monitoring: Monitoring = Monitoring()
    retraining: Retraining = HybridPolicy()
    schedule: Timetable = Timetable()
    alerts: tuple[Alert, ...] = ()

    @property
    def metric(self) -> str:
        """The metric that decides promotion."""
        return self.gates.promotion.metric or COMPARED[self.problem][0]

    @model_validator(mode="after")
    def _problem_fits_the_data(self) -> Recipe:
        if self.problem == "reconstruction" and "model" not in self.model_fields_set:
            # Frozen from here on; a validator before the fields would make pydantic forget that it reads JSON.
            object.__setattr__(self, "model", Autoencoder(kind="autoencoder"))
        why = reconstruction.misfit(self.problem, self.data, self.model, self.transforms)
        if why:
            raise ValueError(why)
        return self

    @model_validator(mode="after")
    def _window_fits_the_data(self) -> Recipe:
        window = self.retraining.window
        if window.kind == "sliding" and window.days is not None and self.data.time is None:
            raise ValueError("retraining.window.days needs data.time; name it, or use retraining.window.rows")
        return self

    @model_validator(mode="after")
    def _columns_can_be_judged_one_by_one(self) -> Recipe:
        image = next((name for name, feature in self.data.features.items() if feature.kind == "image"), None)
        if image is not None and self.transforms.outliers == "exclude":
            raise ValueError(
                f"transforms.outliers is exclude, which looks at numbers one by one, and '{image}' is an image with a "
                "pixel far outside as a rule; use clip"
            )
        if image is not None and self.transforms.select.kind != "none":
            raise ValueError(
                f"transforms.select chooses among numbers and categories, and '{image}' is an image; remove it"
            )
        return self

    @model_validator(mode="after")
    def _there_are_images_to_augment(self) -> Recipe:
        augment = self.transforms.augment
        if augment is None:
            return self
        images = {name: feature for name, feature in self.data.features.items() if feature.kind == "image"}
        if not images:
            raise ValueError("transforms.augment changes images, and data.features declares none; remove it")
        for name, feature in images.items():
            if augment.shift >= min(feature.size):
                raise ValueError(
                    f"transforms.augment.shift is {augment.shift}, which can move the image '{name}' of "
                    f"{list(feature.size)} pixels out of sight; make it smaller"
                )
        return self

    @model_validator(mode="after")
    def _there_is_text_to_cut(self) -> Recipe:
        if self.transforms.text != Text() and not any(part.kind == "text" for part in self.data.features.values()):
            raise ValueError("transforms.text cuts texts into tokens, and data.features declares none; remove it")
        return self

    @model_validator(mode="after")
    def _metrics_fit_the_problem(self) -> Recipe:
        known, compared = METRICS[self.problem], COMPARED[self.problem]
        for field, name, choices in [
            ("gates.promotion.metric", self.metric, compared),
            *((f"gates.thresholds.{name}", name, known) for name in self.gates.thresholds),
        ]:
            if name not in known:
                raise ValueError(
                    f"{field}: '{name}' is not a metric of {self.problem}; choose one of {', '.join(choices)}"
                )
            if name not in choices:
                raise ValueError(
                    f"{field}: no test tells two models apart by {name}, which may stand in gates.thresholds; "
                    f"choose one of {', '.join(choices)}"
                )
        return self

    @model_validator(mode="after")
    def _loss_fits_the_problem(self) -> Recipe:
        training = self.training
        weights, smoothing = training.class_weights != "none", training.label_smoothing > 0
        why = misfit(training.loss, self.problem, weights=weights, smoothing=smoothing)
        images = any(feature.kind == "image" for feature in self.data.features.values())
        why = why or balance.misfit(self.transforms.balance, self.problem, weights=weights, images=images)
        if why:
            raise ValueError(why)
        return self

    @model_validator(mode="after")
    def _tuning_fits_the_recipe(self) -> Recipe:
        sections = {"transforms": self.transforms, "model": self.model, "training": self.training}
        reproduced = self.problem == "reconstruction"
        why = tuning_misfit(self.tuning, sections, METRICS[self.problem], reproduced=reproduced)
        if why:
            raise ValueError(why)
        return self
