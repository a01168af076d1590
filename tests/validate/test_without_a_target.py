"""Rows that nothing is predicted about are judged by every gate that needs no label."""

from __future__ import annotations

from typing import Any

import pandas as pd

DROPPED = {name: {"kind": "drop"} for name in ("cost", "diagnosis")}


def states(found: Any) -> dict[str, str]:
    return {gate.name: gate.state for gate in found.gates}


def unlabelled(make_recipe: Any, **changes: Any) -> Any:
    return make_recipe(problem="reconstruction", data__target=None, data__features=DROPPED, **changes)


def test_clean_rows_pass_and_classes_are_not_asked_for(judged: Any, make_recipe: Any, patients: pd.DataFrame) -> None:
    found = judged(patients, unlabelled(make_recipe))
    assert states(found) == {
        **dict.fromkeys(("schema", "expectations", "volume", "duplicates", "leakage"), "passed"),
        "class_coverage": "skipped",
    }
    volume = next(gate for gate in found.gates if gate.name == "volume")
    assert volume.evidence["labelled"] == len(patients)
    assert found.gates[-1].reason == "A reconstruction has no classes."


def test_a_label_that_is_dropped_gives_nothing_away_and_may_have_gaps(
    judged: Any, make_recipe: Any, patients: pd.DataFrame
) -> None:
    patients["twin"] = (patients["diagnosis"] == "malignant").astype(float)
    patients.loc[::2, "diagnosis"] = None
    assert not any(gate.blocks for gate in judged(patients, unlabelled(make_recipe)).gates)


def test_too_few_rows_and_copies_across_the_split_are_still_found(
    judged: Any, make_recipe: Any, patients: pd.DataFrame
) -> None:
    assert states(judged(patients, unlabelled(make_recipe, gates__min_rows=1000)))["volume"] == "failed"
    copies = patients.assign(patient=[f"q{number:05d}" for number in range(len(patients))])
    both = pd.concat([patients, copies], ignore_index=True)
    found = states(judged(both, unlabelled(make_recipe, gates__max_duplicates=0.1)))
    assert (found["duplicates"], found["leakage"]) == ("failed", "failed")
