"""Each data gate bites: for every planted fault exactly one named gate fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.core.contracts import GATES
from tasks.validate.judge import Judgement

DATA_GATES = [name for name, stage in GATES.items() if stage == "validate"]
REGRESSION: dict[str, Any] = {
    "problem": "regression",
    "data__target": "cost",
    "data__features": {"diagnosis": {"kind": "drop"}},
}
Fault = Callable[[pd.DataFrame], pd.DataFrame]


def states(judgement: Judgement) -> dict[str, str]:
    return {gate.name: gate.state for gate in judgement.gates}


def failing(judgement: Judgement) -> list[str]:
    return [gate.name for gate in judgement.gates if gate.blocks]


def text_for(column: str, share: float, word: str = "unknown") -> Fault:
    def plant(frame: pd.DataFrame) -> pd.DataFrame:
        cells = frame[column].astype(str).where(np.arange(len(frame)) >= share * len(frame), word)
        return frame.assign(**{column: cells})

    return plant


def newest_as_text(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(texture=frame["texture"].astype(str).where(frame["batch"] == 0, "coarse"))


def in_newest(column: str, value: Any) -> Fault:
    def plant(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(**{column: frame[column].where(frame["batch"] == 0, value)})

    return plant


def with_ids(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(patient=[f"q{number:06d}" for number in range(len(frame))])


def near_copies(frame: pd.DataFrame) -> pd.DataFrame:
    copies = frame.head(60).assign(
        radius=lambda rows: rows["radius"] + 1e-7, texture=lambda rows: rows["texture"] - 1e-7
    )
    return with_ids(pd.concat([frame, copies], ignore_index=True))


def rare_class(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(diagnosis=frame["diagnosis"].where(frame.index > 2, "unclear"))


FAULTS: list[tuple[str, str, Fault, dict[str, Any]]] = [
    ("the target is missing", "schema", lambda f: f.drop(columns="diagnosis"), {}),
    ("the id is missing", "schema", lambda f: f.drop(columns="patient"), {}),
    ("the time is missing", "schema", lambda f: f.drop(columns="seen"), {"data__split": {"kind": "time"}}),
    ("a declared feature is missing", "schema", lambda f: f.drop(columns="radius"), {}),
    ("the group is missing", "schema", lambda f: f, {"data__split": {"group": "ward"}}),
    ("a declared number is mostly text", "schema", text_for("radius", 0.9), {}),
    ("the time is no time", "schema", lambda f: f.assign(seen="yesterday-ish"), {}),
    ("the target of a regression is text", "schema", lambda f: f.assign(cost="dear"), REGRESSION),
    (
        "a pixel column is missing",
        "schema",
        lambda f: f,
        {"data__features": {"scan": {"kind": "image", "size": [2, 2]}}},
    ),
    ("the newest batch turns a number into text", "schema", newest_as_text, {}),
    ("the newest batch lacks a column", "schema", in_newest("texture", np.nan), {}),
    ("a unit changed", "expectations", lambda f: f.assign(radius=f["radius"] * 25.4), {}),
    ("a unit changed in the newest batch", "expectations", in_newest("radius", 355.6), {}),
    ("an unlisted label", "expectations", lambda f: f.assign(clinic=f["clinic"].str.replace("west", "moon")), {}),
    ("a tenth of a column is no number", "expectations", text_for("radius", 0.1), {}),
    ("a tenth of the ids is null", "expectations", lambda f: f.assign(patient=f["patient"].where(f.index > 48)), {}),
    ("infinite values", "expectations", lambda f: f.assign(texture=f["texture"].where(f.index > 60, np.inf)), {}),
    ("too few rows", "volume", lambda f: f.head(40), {}),
    ("too few labels", "volume", lambda f: f.assign(diagnosis=f["diagnosis"].where(f.index < 40)), {}),
    ("one group only", "volume", lambda f: f.assign(ward="only"), {"data__split": {"group": "ward"}}),
    ("half the rows are copies", "duplicates", lambda f: pd.concat([f] * 3), {"data__id": None}),
    (
        "the answer in another column",
        "leakage",
        lambda f: f.assign(code=f["diagnosis"].map({"malignant": 7, "benign": 3})),
        {},
    ),
    ("the answer in words", "leakage", lambda f: f.assign(code=f["diagnosis"].str.upper()), {}),
    (
        "gaps that tell the answer",
        "leakage",
        lambda f: f.assign(stay=f["texture"].where(f["diagnosis"] == "benign")),
        {},
    ),
    (
        "two columns add up to the target",
        "leakage",
        lambda f: f.assign(a=f["cost"] - f["texture"] ** 2 * 9, b=f["texture"] ** 2 * 9),
        REGRESSION,
    ),
    ("a copy of the target on another scale", "leakage", lambda f: f.assign(a=np.exp(f["cost"] / 900)), REGRESSION),
    ("near copies on both sides", "leakage", near_copies, {}),
    ("a rare class", "class_coverage", rare_class, {}),
    ("a single class", "class_coverage", lambda f: f.assign(diagnosis="benign"), {}),
    (
        "a quantity taken for classes",
        "class_coverage",
        lambda f: f,
        {"data__target": "cost", "data__features": {"diagnosis": {"kind": "drop"}}},
    ),
]


@pytest.mark.parametrize(
    ("gate", "plant", "changes"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS]
)
def test_a_planted_fault_fails_its_gate_and_no_other(
    judged: Callable[..., Judgement],
    make_recipe: Callable[..., Any],
    patients: pd.DataFrame,
    gate: str,
    plant: Fault,
    changes: dict[str, Any],
) -> None:
    judgement = judged(plant(patients), make_recipe(**changes))
    assert failing(judgement) == [gate], [gate.evidence for gate in judgement.gates if gate.blocks]
    failed = next(item for item in judgement.gates if item.name == gate)
    assert failed.evidence["reason"].endswith(".") and "\n" not in failed.reason


@pytest.mark.parametrize("changes", [{}, REGRESSION, {"data__split": {"kind": "time"}}])
def test_clean_data_pass_every_gate(
    judged: Callable[..., Judgement], make_recipe: Callable[..., Any], patients: pd.DataFrame, changes: dict[str, Any]
) -> None:
    judgement = judged(patients, make_recipe(**changes))
    assert failing(judgement) == []
    assert list(states(judgement)) == DATA_GATES
    assert [gate.name for gate in judgement.gates if gate.state == "skipped"] == (
        ["class_coverage"] if changes is REGRESSION else []
    )
    assert judgement.reasons == {}


def test_every_data_gate_has_a_fault() -> None:
    assert {fault[1] for fault in FAULTS} == set(DATA_GATES)


@pytest.mark.parametrize("gone", ["diagnosis", "seen", "radius", "texture"])
def test_a_column_that_the_newest_read_no_longer_has_is_missing_although_its_old_values_are_known(
    judged: Callable[..., Judgement], patients: pd.DataFrame, gone: str
) -> None:
    columns = [name for name in patients.columns if name not in (gone, "batch")]
    judgement = judged(patients, read=columns)
    assert failing(judgement) == ["schema"]
    assert judgement.gates[0].evidence["missing"] == [gone]
    assert judgement.gates[0].reason.startswith(f"column '{gone}' (")


def test_a_dropped_column_may_vanish(judged: Callable[..., Judgement], patients: pd.DataFrame) -> None:
    columns = [name for name in patients.columns if name not in ("cost", "batch")]
    assert failing(judged(patients, read=columns)) == []


def test_what_cannot_be_judged_without_the_target_is_skipped_with_the_reason(
    judged: Callable[..., Judgement], patients: pd.DataFrame
) -> None:
    judgement = judged(patients.drop(columns="diagnosis"))
    assert states(judgement) == {
        "schema": "failed",
        "expectations": "passed",
        "volume": "skipped",
        "duplicates": "skipped",
        "leakage": "skipped",
        "class_coverage": "skipped",
    }
    assert judgement.gates[2].reason == "Column 'diagnosis' was refused by schema."


def test_an_expectation_on_a_refused_column_does_not_fail_twice(
    judged: Callable[..., Judgement], patients: pd.DataFrame
) -> None:
    judgement = judged(text_for("radius", 0.9)(patients))
    assert judgement.expectations[0].state == "skipped"
    assert judgement.gates[0].evidence["wrong_type"] == ["radius"]


def test_a_missing_column_fails_the_expectation_about_it(
    judged: Callable[..., Judgement], make_recipe: Callable[..., Any], patients: pd.DataFrame
) -> None:
    judgement = judged(patients.drop(columns="radius"), make_recipe(data__features={"cost": {"kind": "drop"}}))
    assert failing(judgement) == ["expectations"]
    assert "radius: must be between 0 and 50 (column radius is missing)" in judgement.gates[1].reason


def test_rows_that_break_a_rule_are_set_aside_with_the_reason(
    judged: Callable[..., Judgement], patients: pd.DataFrame
) -> None:
    patients.loc[3, "radius"] = -1
    patients.loc[3, "clinic"] = "moon"
    patients.loc[5, "patient"] = None
    judgement = judged(patients)
    assert failing(judgement) == []
    assert sorted(judgement.reasons.values()) == [
        ["patient: must not be null"],
        ["radius: must be between 0 and 50", "clinic: must be one of north, south, west"],
    ]
    assert judgement.gates[1].evidence["by_rule"]["radius: must be between 0 and 50"] == 1


def test_a_small_newest_batch_is_not_judged_by_its_share_alone(
    judged: Callable[..., Judgement], patients: pd.DataFrame
) -> None:
    patients["batch"] = np.where(patients.index < 475, 0, 1)
    patients.loc[479, "radius"] = -1
    assert failing(judged(patients)) == []


def test_a_newest_batch_that_is_set_aside_whole_is_no_volume(
    judged: Callable[..., Judgement], patients: pd.DataFrame
) -> None:
    patients["batch"] = np.where(patients.index < 475, 0, 1)
    patients.loc[patients["batch"] == 1, "radius"] = -1
    judgement = judged(patients)
    assert failing(judgement) == ["volume"]
    assert judgement.gates[2].reason == "No row of the newest batch is left after quarantine."


def test_an_unlabelled_batch_is_kept_and_not_counted_as_labelled(
    judged: Callable[..., Judgement], patients: pd.DataFrame
) -> None:
    judgement = judged(in_newest("diagnosis", None)(patients))
    assert failing(judgement) == []
    assert judgement.gates[2].evidence["rows_kept"] == 480
    assert judgement.gates[2].evidence["labelled"] == 360


def test_an_empty_candidate_fails_volume(judged: Callable[..., Judgement], patients: pd.DataFrame) -> None:
    assert failing(judged(patients.head(0))) == ["volume"]


def test_blanks_in_a_number_are_gaps_and_words_are_not_numbers(
    judged: Callable[..., Judgement], patients: pd.DataFrame
) -> None:
    cells = patients["radius"].astype(str)
    cells[1], cells[2], cells[3] = " ", "", "12 kg"
    judgement = judged(patients.assign(radius=cells))
    assert list(judgement.reasons.values()) == [["radius: not a number"]]


def test_no_value_of_a_row_stands_in_the_evidence(judged: Callable[..., Judgement], patients: pd.DataFrame) -> None:
    patients["radius"] = patients["radius"].astype(str).where(patients.index > 100, "secret-cell")
    patients.loc[200:240, "clinic"] = "secret-clinic"
    judgement = judged(patients)
    assert "secret" not in str(judgement.gates) + str(judgement.reasons) + str(judgement.expectations)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    bad=st.lists(st.tuples(st.integers(0, 479), st.sampled_from(["radius", "clinic", "patient"])), max_size=60),
    order=st.integers(0, 9),
)
def test_rows_in_are_rows_kept_plus_rows_quarantined_in_any_order(
    judged: Callable[..., Judgement], patients: pd.DataFrame, bad: list[tuple[int, str]], order: int
) -> None:
    frame = patients.astype({"radius": object})
    for row, column in bad:
        frame.loc[row, column] = None if column == "patient" else "broken"
    judgement = judged(frame.sample(frac=1, random_state=order), with_suite=False)
    expected = {row for row, column in bad if column != "clinic"}
    assert len(judgement.reasons) == len(expected)
    assert judgement.rows == 480
    assert judgement.gates[1].evidence["quarantined"] == len(expected)
    assert judgement.reasons == judged(frame, with_suite=False).reasons
