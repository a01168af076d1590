"""Leakage is found where it is planted and nowhere in clean real data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

from tasks.core.contracts import Gate
from tasks.core.recipe import Data
from tasks.core.splits import assign
from tasks.validate import duplicates, leakage
from tasks.validate.candidate import Candidate, candidate_of
from tasks.validate.infer import identified
from tasks.validate.linear import smallest_explaining_set


def candidate(frame: pd.DataFrame, problem: Any, target: str = "target", **fields: Any) -> Candidate:
    values = {"reader": {"kind": "csv", "path": "x.csv"}, "target": target, **fields}
    data = Data.model_validate_json(json.dumps(values))
    return candidate_of(identified(frame, target, data.id), data, problem)


def leak(rows: Candidate) -> Gate:
    return leakage.gate(rows, assign(rows.frame, rows.data), 0.01)


def repeats(rows: Candidate, maximum: float = 0.5) -> Gate:
    return duplicates.gate(rows, assign(rows.frame, rows.data), maximum)


@pytest.mark.parametrize("with_id", [False, True])
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("digits", "classification"),
        ("breast_cancer", "classification"),
        ("diabetes", "regression"),
        ("iris", "classification"),
        ("wine", "classification"),
    ],
)
def test_clean_real_data_do_not_leak(name: str, problem: str, with_id: bool) -> None:
    frame = getattr(datasets, f"load_{name}")(as_frame=True).frame
    frame["key"] = [f"k{number}" for number in range(len(frame))]
    rows = candidate(frame, problem, **({"id": "key"} if with_id else {"features": {"key": {"kind": "drop"}}}))
    assert leak(rows).state == "passed", leak(rows).reason
    assert repeats(rows).state == "passed"


def test_the_hourly_bikes_name_casual_and_registered(shared_data: Path) -> None:
    rows = candidate(
        pd.read_csv(shared_data / "bike_sharing" / "hour.csv"), "regression", "cnt", id="instant", time="dteday"
    )
    gate = leak(rows)
    assert gate.state == "failed"
    assert gate.evidence["columns"] == ["casual", "registered"]
    assert "'casual' and 'registered' together give the target 'cnt' away" in gate.reason
    assert repeats(rows).state == "passed"


def test_bikes_without_these_columns_do_not_leak(shared_data: Path) -> None:
    frame = pd.read_csv(shared_data / "bike_sharing" / "hour.csv").drop(columns=["casual", "registered"])
    assert leak(candidate(frame, "regression", "cnt", id="instant", time="dteday")).state == "passed"


def test_white_wine_has_937_duplicates_all_on_one_side(shared_data: Path) -> None:
    frame = pd.read_csv(shared_data / "wine_quality" / "wine-quality.csv")
    rows = candidate(frame, "regression", "quality")
    gate = repeats(rows)
    assert (gate.state, gate.evidence["duplicates"], gate.evidence["groups_on_two_sides"]) == ("passed", 937, 0)
    assert leak(rows).state == "passed"


def test_white_wine_under_made_up_ids_leaks_its_duplicates(shared_data: Path) -> None:
    frame = pd.read_csv(shared_data / "wine_quality" / "wine-quality.csv")
    frame["key"] = [f"k{number}" for number in range(len(frame))]
    gate = leak(candidate(frame, "regression", "quality", id="key"))
    assert gate.state == "failed" and gate.evidence["share"] > 0.2 and gate.evidence["columns"] == []


def test_planted_duplicates_are_counted_and_stand_on_one_side() -> None:
    random = np.random.default_rng(1)
    frame = pd.DataFrame(random.normal(size=(400, 5)), columns=list("abcde")).assign(target=random.normal(size=400))
    rows = candidate(pd.concat([frame, frame.head(93)], ignore_index=True), "regression")
    gate = repeats(rows)
    assert (gate.state, gate.evidence["duplicates"], gate.evidence["groups"]) == ("passed", 93, 93)
    assert gate.evidence["groups_on_two_sides"] == 0
    assert repeats(rows, 0.1).state == "failed"


def test_near_duplicates_of_images_are_found() -> None:
    frame = datasets.load_digits(as_frame=True).frame
    copies = frame.head(200) + np.r_[np.full(64, 1e-3), 0]
    image = {"pixel": {"kind": "image", "size": [8, 8]}}
    rows = candidate(pd.concat([frame, copies], ignore_index=True), "classification", features=image)
    gate = leak(rows)
    assert gate.state == "failed" and gate.evidence["test_rows_overlapping"] > 20
    assert repeats(rows).evidence["duplicates"] == 0


def test_rows_of_few_labels_repeat_naturally() -> None:
    random = np.random.default_rng(2)
    frame = pd.DataFrame({name: random.choice(list("xyz"), 800) for name in ("a", "b", "c")})
    frame["target"] = np.where((frame["a"] == "x") ^ (random.random(800) < 0.2), "yes", "no")
    frame["key"] = [f"k{number}" for number in range(800)]
    rows = candidate(frame, "classification", id="key")
    assert leak(rows).state == "passed" and "natural" in leak(rows).evidence["note"]
    assert repeats(rows).state == "passed" and "natural" in repeats(rows).evidence["note"]


@pytest.mark.parametrize("tie", ["alone", "doubled", "with its rank"])
def test_rows_of_one_quantity_come_near_each_other_by_chance(tie: str) -> None:
    random = np.random.default_rng(9)
    frame = pd.DataFrame({"x": random.normal(size=600)}).assign(target=lambda rows: rows["x"] + random.normal(size=600))
    if tie == "doubled":
        frame["y"] = 2 * frame["x"]
    if tie == "with its rank":
        frame["y"] = frame["x"].rank()
    assert leak(candidate(frame, "regression")).state == "passed"


def test_labels_that_name_each_other_repeat_naturally() -> None:
    code = np.random.default_rng(10).integers(0, 40, 600)
    frame = pd.DataFrame({"code": code, "city": [f"city {number}" for number in code], "target": code % 7 + 0.5})
    frame["key"] = [f"k{number}" for number in range(600)]
    gate = leak(candidate(frame, "regression", id="key"))
    assert "near duplicate" not in gate.evidence.get("reason", "")


def test_an_outlier_does_not_make_all_rows_near_duplicates() -> None:
    random = np.random.default_rng(3)
    frame = pd.DataFrame(random.normal(size=(500, 6)), columns=list("abcdef")).assign(target=random.normal(size=500))
    frame.loc[0, list("abcdef")] = 1e12
    assert leak(candidate(frame, "regression")).state == "passed"


@pytest.mark.parametrize("labels", [300, 450])
def test_names_that_differ_in_nearly_every_row_do_not_count_as_knowing_the_class(labels: int) -> None:
    random = np.random.default_rng(4)
    frame = pd.DataFrame({"name": [f"n{number % labels}" for number in range(450)], "x": random.normal(size=450)})
    frame["target"] = random.choice(["yes", "no"], 450)
    assert leak(candidate(frame, "classification")).evidence["columns"] == []


def test_a_leak_is_found_beside_a_class_that_hardly_occurs() -> None:
    random = np.random.default_rng(5)
    target = np.array(["yes", "no"] * 200, dtype=object)
    target[:3] = "unclear"
    frame = pd.DataFrame({"x": random.normal(size=400), "code": (target == "yes") * 2.0, "target": target})
    assert leak(candidate(frame, "classification")).evidence["columns"] == ["code"]


def test_columns_that_are_dropped_do_not_leak() -> None:
    frame = pd.DataFrame({"x": np.random.default_rng(6).normal(size=200)}).assign(target=lambda f: f["x"] * 2)
    assert leak(candidate(frame.assign(y=1.0), "regression", features={"x": {"kind": "drop"}})).state == "passed"
    assert leak(candidate(frame, "regression")).evidence["columns"] == ["x"]


@pytest.mark.parametrize("parts", [2, 3, 7])
def test_the_smallest_sum_is_named(parts: int) -> None:
    random = np.random.default_rng(parts)
    columns = random.normal(size=(600, 20))
    columns[:, 19] = columns[:, 0] + random.normal(0, 0.5, 600)
    chosen = sorted(random.choice(19, parts, replace=False))
    total = columns[:, chosen] @ random.uniform(0.5, 2, parts)
    assert smallest_explaining_set(columns, total[:, None], 0.9999) == tuple(chosen)
    noisy = total + random.normal(0, 0.05 * total.std(), 600)
    assert smallest_explaining_set(columns, noisy[:, None], 0.9999) == ()


def test_more_columns_than_rows_prove_nothing() -> None:
    random = np.random.default_rng(8)
    assert smallest_explaining_set(random.normal(size=(60, 50)), random.normal(size=(60, 1)), 0.9999) == ()


SIDES = np.resize([1.0, -1.0], 200)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_a_leak_is_found_at_any_magnitude(scale: float) -> None:
    random = np.random.default_rng(9)
    frame = pd.DataFrame({"x": random.normal(size=200), "y": (random.normal(size=200) / 9 + SIDES) * scale})
    yes = frame.assign(target=np.where(frame["y"] > 0, "yes", "no"))
    assert leak(candidate(yes, "classification")).evidence["columns"] == ["y"]
    total = frame.assign(z=random.normal(size=200) * scale).assign(target=lambda f: f["y"] / 2 + f["z"] / 4)
    assert leak(candidate(total, "regression")).evidence["columns"] == ["y", "z"]
    assert leak(candidate(frame.assign(target=random.normal(size=200) * scale), "regression")).state == "passed"


@pytest.mark.parametrize("spread", [5e-324, 1e-313, 1e300])
def test_rows_too_far_apart_for_floats_are_no_near_duplicates(spread: float) -> None:
    random = np.random.default_rng(10)
    frame = pd.DataFrame({"x": random.normal(size=200), "y": np.arange(200) % 7 * spread})
    frame.loc[::9, "y"] = random.normal(size=23) * 1e6
    gate = leak(candidate(frame.assign(target=random.normal(size=200)), "regression"))
    assert (gate.state, gate.evidence["test_rows_overlapping"]) == ("passed", 0)
