"""What passes between stages: frozen dataclasses of paths, hashes and small numbers.

Never tensors or frames: a contract is stored as JSON, is what a cache key is made of, and is what
the next stage gets whether the stage before it ran or was cached. Paths are strings relative to the
home folder, so that a result does not depend on where the home lies.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

GateState = Literal["passed", "failed", "skipped", "error"]
Status = Literal["promoted", "held", "rejected", "stopped", "unchanged", "waiting", "completed"]
Verdict = Literal["promote", "hold", "reject"]
Stopped = Literal["epochs", "early_stopping", "timeout", "not_finite", "callback"]
Rule = Literal["first", "superior", "non_inferior"]

STAGES = (
    "ingest",
    "validate",
    "version",
    "explore",
    "prepare",
    "preflight",
    "train",
    "evaluate",
    "package",
    "decide",
    "promote",
)
"""The life cycle, in order; `--until` takes these names."""

GATES = {
    "readable": "ingest",
    "schema": "validate",
    "expectations": "validate",
    "volume": "validate",
    "duplicates": "validate",
    "leakage": "validate",
    "class_coverage": "validate",
    "initial_loss": "preflight",
    "overfits_one_batch": "preflight",
    "gradients_flow": "preflight",
    "fits_in_memory": "preflight",
    "finite": "evaluate",
    "beats_baseline": "evaluate",
    "thresholds": "evaluate",
    "servable": "decide",
    "better_than_champion": "decide",
}
"""Every gate and the stage that evaluates it, in the order they are evaluated."""

RESERVED_GATES = ("representative", "slices", "calibration", "latency", "privacy_budget")
"""Names kept for gates that do not exist yet; nothing reports a state for them."""


@dataclass(frozen=True)
class Gate:
    """A named check with evidence.

    `evidence` holds counts, column names, row-id hashes and numbers, never a value of a data row; its
    key `reason` is one sentence and is always present unless the gate passed.
    """

    name: str
    state: GateState
    threshold: float | None = None
    evidence: dict[str, Any] = field(default_factory=dict)

    @property
    def blocks(self) -> bool:
        """Whether this gate keeps the run from going on: failed, or could not be evaluated."""
        return self.state in ("failed", "error")

    @property
    def reason(self) -> str:
        """One sentence saying why the gate has its state."""
        return str(self.evidence.get("reason", f"gate {self.name} {self.state}"))


@dataclass(frozen=True)
class Artifact:
    """A file a stage wrote: path relative to the home, size in bytes, SHA-256 in hex."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Ingested:
    """A candidate dataset: the committed one plus the rows first seen now.

    `candidate` is the path of a JSON file (see `tasks/stores/datasets.py`, `Manifest`) that names every
    shard; `batch` is the number of the newest batch, 0 for the first; `parent` is the dataset version
    it extends.
    """

    candidate: str
    source: str
    """Fingerprint of the source bytes."""
    rows: int
    """Rows of the candidate dataset, superseded ones not counted."""
    new_rows: int
    superseded: int
    batch: int
    parent: str | None
    columns: dict[str, str]
    """Column name → pandas dtype name, without the row id."""
    gates: tuple[Gate, ...] = ()


@dataclass(frozen=True)
class Validated:
    """Which rows of the candidate may be trained on, and what the data gates found."""

    rows_in: int
    rows_kept: int
    rows_quarantined: int
    quarantine: str
    """Parquet file with the columns `row_id`, `reasons` (one string, reasons joined by "; ")."""
    report: str
    gates: tuple[Gate, ...]


@dataclass(frozen=True)
class Versioned:
    """A dataset version whose bytes can be fetched back: DVC's hash without its `.dir`."""

    version: str
    rows: int
    quarantined: int
    labelled: int
    batches: int
    folder: str
    """The checked-out dataset, relative to the home: manifest.json, rows/, quarantine/."""


@dataclass(frozen=True)
class Explored:
    """What the data look like: one HTML page and its conclusions in words."""

    report: str
    findings: tuple[str, ...]


@dataclass(frozen=True)
class Prepared:
    """Memory-mapped tensors per split and the transform fitted on the training rows only.

    `folder` holds `<split>_inputs.npy`, `<split>_targets.npy`, `<split>_rows.parquet` (columns
    `row_id`, `batch`) for the splits train, validation and test, and `transform.json`. Of the training rows
    the column `synthetic` says which were made by balancing the classes: repeated, or of no row at all (`row_id`
    missing, `batch` -1). `left_out_rows.parquet` holds the training rows that no weight is fitted to, and why
    (`row_id`, `batch`, `reason`).
    """

    folder: str
    rows: dict[str, int]
    """Rows of the dataset per split; made ones are none."""
    input_shape: tuple[int, ...]
    """Shape of one example, without the batch dimension."""
    output_size: int
    """Number of classes, 1 for regression, or the number of inputs for a reconstruction."""
    classes: tuple[str, ...]
    """Class labels as text, in the order of the model's outputs; empty where none are told apart."""
    feature_columns: tuple[str, ...]
    """Columns the model's frame must have, in order."""
    cutoff: str | None = None
    """For time splits: ISO time of the last row that training may see."""
    vocabulary: int = 0
    """Of texts: how many token ids there are, 0 (padding) and 1 (unknown) among them; 0 where inputs are numbers."""
    sequence: tuple[int, ...] = ()
    """Where columns stand beside a text or a series: its shape, whose numbers a flat example begins with."""
    synthetic: int = 0
    """Rows made by balancing the classes, which stand in the training arrays beside those of the dataset."""
    notes: tuple[str, ...] = ()
    """What was done to the training rows beyond the usual, one sentence each."""


@dataclass(frozen=True)
class Preflighted:
    """Cheap checks made before the expensive training."""

    gates: tuple[Gate, ...]
    parameters: int
    """Trainable parameters of the model."""


@dataclass(frozen=True)
class Trained:
    """The best weights of one training and the MLflow run that tracked it."""

    IDENTITY: ClassVar[tuple[str, ...]] = ("run_id", "weights_sha256", "best_epoch")
    """What later stages depend on: the history also holds seconds, which no two trainings share."""

    run_id: str
    weights: str
    """safetensors file of the best epoch."""
    weights_sha256: str
    history: str
    """JSON list, one object per epoch: epoch, train_loss, validation_loss, metrics, learning_rate, seconds,
    statistics."""
    best_epoch: int
    epochs: int
    stopped: Stopped
    device: str
    parameters: int
    start: str = ""
    """What it began with: which weights, and for fresh ones why. Empty: made before this was kept."""
    not_finite: dict[str, Any] | None = None
    """Where a loss that was not finite ended it (see `tasks/train/spoiled.py`)."""


@dataclass(frozen=True)
class Evaluated:
    """Metrics of the challenger and where it fails.

    `predictions` is a Parquet file with the columns row_id, batch, split (validation | test), target,
    prediction and, for classification, probability_<class>.
    """

    metrics: dict[str, dict[str, float]]
    """Split → metric → value. An undefined metric is absent, and named in `undefined`."""
    undefined: dict[str, str]
    """Metric → why it has no value."""
    baseline: dict[str, float]
    predictions: str
    report: str
    gates: tuple[Gate, ...]
    diagnosis: dict[str, Any] = field(default_factory=dict)
    """What the learning curves say: `verdict`, `finding`, `remedy`, `evidence` (`tasks/evaluate/diagnosis.py`)."""


@dataclass(frozen=True)
class Packaged:
    """A registered model version that any MLflow consumer can load; it has no alias yet."""

    IDENTITY: ClassVar[tuple[str, ...]] = ("name", "version", "content")
    """What later stages depend on."""

    name: str
    version: str
    run_id: str
    model_uri: str
    """`models:/<model id>` of the logged model."""
    content: str
    """SHA-256 over the packaged files (see `tasks/release/package.py`)."""
    golden: str
    """JSON file: `inputs` (records) and `outputs` (records) the loaded model must reproduce."""
    card: str


@dataclass(frozen=True)
class Decided:
    """promote, hold or reject, with the evidence behind it."""

    verdict: Verdict
    rule: Rule
    reason: str
    decision_id: str
    """SHA-256 of the ledger line."""
    metric: str
    rows: int
    difference: float | None
    interval: tuple[float, float] | None
    detectable: float | None
    champion: str | None
    """Version that was champion when the decision was made."""
    champion_metrics: dict[str, float]
    waiting: bool
    """A person has to run `evergreen promote`."""
    gates: tuple[Gate, ...]


@dataclass(frozen=True)
class Promoted:
    """What happened to the alias."""

    status: Status
    champion: str | None
    previous: str | None
    reason: str


def to_json(value: Any) -> Any:
    """Turn a contract into plain JSON values (tuples become lists)."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_json(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return value


def from_json(kind: Any, value: Any) -> Any:
    """Rebuild a contract of type `kind` from what `to_json` gave.

    Raises:
        TypeError: the value lacks a field or has one the contract does not know.
    """
    origin = typing.get_origin(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        return kind(**{key: from_json(hints.get(key, Any), item) for key, item in value.items()})
    if origin is tuple and value is not None:
        inner = typing.get_args(kind)
        kinds = [inner[0]] * len(value) if len(inner) == 2 and inner[1] is Ellipsis else list(inner)
        return tuple(from_json(item_kind, item) for item_kind, item in zip(kinds, value, strict=True))
    if origin is dict:
        return {key: from_json(typing.get_args(kind)[1], item) for key, item in value.items()}
    if origin in (typing.Union, types.UnionType) and value is not None:
        present = [option for option in typing.get_args(kind) if option is not type(None)]
        return from_json(present[0], value) if len(present) == 1 else value
    return value
