"""For each gate one planted fault that this gate, and no other, has to stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tests.faults.patients import clean_rows, write_rows


def nothing(folder: Path) -> None:
    """The fault is in the overrides alone."""


@dataclass(frozen=True)
class Fault:
    """One fault and what has to come of it."""

    what: str
    """As a person would tell it."""
    names: tuple[str, ...]
    """Words of the reason: what is at fault."""
    plant: Callable[[Path], None] = nothing
    """Changes the clean recipe's folder."""
    overrides: tuple[str, ...] = ()
    before: str | None = None
    """Last stage of a clean run that comes first in the same home; none: no such run."""
    status: str = "stopped"
    otherwise: str = ""
    """With the gate off the run is not promoted for this reason, although no gate stops it."""


def one_file_renames_a_column(folder: Path) -> None:
    rows = clean_rows()
    write_rows(folder, rows[:600])
    write_rows(folder, rows[600:].rename(columns={"texture": "texture_mean"}), "rows2.csv")


def texture_is_no_longer_sent(folder: Path) -> None:
    write_rows(folder, clean_rows().drop(columns="texture"))


def every_eighth_radius_is_negative(folder: Path) -> None:
    rows = clean_rows()
    wrong = rows.index % 8 == 0
    write_rows(folder, rows.assign(radius=rows["radius"].where(~wrong, -rows["radius"])))


def most_rows_are_gone(folder: Path) -> None:
    write_rows(folder, clean_rows(200))


def every_row_thrice(folder: Path) -> None:
    write_rows(folder, pd.concat([clean_rows().drop(columns="patient")] * 3))


def a_column_repeats_the_diagnosis(folder: Path) -> None:
    rows = clean_rows()
    write_rows(folder, rows.assign(ward=np.where(rows["diagnosis"] == "malignant", "Oncology", "General")))


def three_rows_of_a_third_class(folder: Path) -> None:
    rows = clean_rows()
    write_rows(folder, rows.assign(diagnosis=rows["diagnosis"].where(rows.index >= 3, "unclear")))


def diagnoses_of_other_patients(folder: Path) -> None:
    ill = np.random.default_rng(3).random(len(clean_rows())) < 0.15
    write_rows(folder, clean_rows().assign(diagnosis=np.where(ill, "malignant", "benign")))


def a_third_of_the_diagnoses_is_wrong(folder: Path) -> None:
    rows = clean_rows()
    other = rows["diagnosis"].map({"malignant": "benign", "benign": "malignant"})
    wrong = np.random.default_rng(4).random(len(rows)) < 0.35
    write_rows(folder, rows.assign(diagnosis=rows["diagnosis"].where(~wrong, other)))


def a_file_beside_the_recipe(folder: Path) -> None:
    (folder / "factor.txt").write_text("1.5\n")


def network(name: str, file: str = "faulty_networks.py") -> tuple[str, ...]:
    """Overrides that put a network in the place of the recipe's."""
    return ("model.kind=custom", f'model.ref="{file}:{name}"')


FAULTS: dict[str, Fault] = {
    "readable": Fault(
        "one of two files names a column differently",
        ("rows2.csv", "texture"),
        one_file_renames_a_column,
    ),
    "schema": Fault(
        "a column that earlier reads had is no longer sent",
        ("texture", "missing"),
        texture_is_no_longer_sent,
        before="version",
    ),
    "expectations": Fault(
        "an eighth of the radii is negative",
        ("radius", "quarantined"),
        every_eighth_radius_is_negative,
    ),
    "volume": Fault(
        "three quarters of the file are gone",
        ("200 labelled rows", "gates.min_rows"),
        most_rows_are_gone,
    ),
    "duplicates": Fault(
        "every row was exported three times",
        ("repeat an earlier row",),
        every_row_thrice,
        overrides=("data.id=null",),
    ),
    "leakage": Fault(
        "a column was filled in after the diagnosis",
        ("ward", "diagnosis"),
        a_column_repeats_the_diagnosis,
    ),
    "class_coverage": Fault(
        "a class of three rows",
        ("unclear", "training rows"),
        three_rows_of_a_third_class,
    ),
    "initial_loss": Fault(
        "the network starts out sure of one class",
        ("a fresh network has the loss",),
        overrides=network("Shouting", "planted_networks.py"),
    ),
    "overfits_one_batch": Fault(
        "an activation behind the last layer",
        ("could not be learned by heart",),
        overrides=network("Squashed"),
    ),
    "gradients_flow": Fault(
        "the graph is cut before the last layer",
        ("first.weight",),
        overrides=network("Detached", "planted_networks.py"),
    ),
    "fits_in_memory": Fault(
        "a layer of ten petabytes",
        ("GiB", "parameters"),
        overrides=network("Immense"),
        otherwise="no machine can allocate the layer: the model cannot be built, which is no gate's verdict",
    ),
    "finite": Fault(
        "a buffer of the network becomes NaN, its outputs do not",
        ("seen",),
        overrides=network("Tracking"),
        status="rejected",
    ),
    "beats_baseline": Fault(
        "the diagnoses belong to other patients",
        ("accuracy", "ignores the features"),
        diagnoses_of_other_patients,
        status="rejected",
    ),
    "thresholds": Fault(
        "a third of the diagnoses is wrong",
        ("accuracy", "below 0.75"),
        a_third_of_the_diagnoses_is_wrong,
        status="rejected",
    ),
    "servable": Fault(
        "the network reads a file that is not packaged",
        ("FileNotFoundError",),
        a_file_beside_the_recipe,
        overrides=network("Rooted"),
        status="rejected",
    ),
    "better_than_champion": Fault(
        "a challenger that no longer looks at the texture",
        ("Shown to be worse", "accuracy"),
        overrides=("data.features.texture={kind: drop}",),
        before="promote",
        status="rejected",
    ),
}
