"""Cross-validation on a small recipe: each fold by itself, nothing of it seen before, and only once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows import cross_validating, cross_validation, fitting, trial
from flows.cli.cross_validate import _answer
from flows.cross_validation import Fold, cross_validate, spreads
from tasks.core import splits
from tasks.core.errors import RequestError
from tasks.core.home import open_home
from tasks.core.recipe import CLASSIFICATION_METRICS, Recipe
from tests.docs.reading import promised_keys
from tests.flows.tuning_data import recipe_in, versioned

FOLDER = Path()


def recipe(problem: str = "regression", **data: object) -> Recipe:
    content = {
        "name": "small",
        "problem": problem,
        "data": {"reader": {"kind": "csv", "path": "x.csv"}, "target": "y", **data},
        "model": {"kind": "perceptron"},
        "training": {"epochs": 8, "batch_size": 32, "optimizer": {"kind": "adam", "lr": 0.1}},
    }
    return Recipe.model_validate_json(json.dumps(content))


def rows(count: int = 300) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    x = generator.normal(3, 2, count)
    return pd.DataFrame(
        {
            "row_id": [f"{number:032x}" for number in generator.permutation(count)],
            "batch": 0,
            "x": x,
            "when": pd.date_range("2024-01-01", periods=count, freq="h"),
            "y": 2 * x + generator.normal(0, 0.5, count),
        }
    )


def timeless(folds: list[Fold]) -> list[tuple[object, ...]]:
    return [(fold.number, fold.rows, fold.metrics, fold.baseline, fold.best_epoch, fold.epochs) for fold in folds]


def test_every_fold_is_judged_on_its_own_rows_and_beside_the_best_constant(tmp_path: Path):
    frame, told = rows(), []
    found = cross_validate(recipe(), frame, 4, tmp_path, FOLDER, told.append)
    numbers = splits.folds(frame, recipe().data, 4)
    assert [fold.rows["test"] for fold in found] == [int((numbers == fold).sum()) for fold in range(4)]
    assert all(sum(fold.rows.values()) == 300 for fold in found)
    assert all(fold.metrics["rmse"] < 0.9 < 3 < fold.baseline["rmse"] < 5 for fold in found)
    assert [line.split("%")[0].split()[1] for line in told] == ["25", "50", "75", "100"]
    assert "rmse 0." in told[0]


def test_what_is_held_out_has_no_say_in_what_is_learned(tmp_path: Path):
    """With the targets and inputs of a fold changed beyond recognition, its network and its epoch stay the same."""
    weights, frame = [], rows()
    plain = fitting.measure

    def keeping(network, *arguments):
        weights.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
        return plain(network, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cross_validation.fitting, "measure", keeping)
        clean = cross_validate(recipe(), frame, 3, tmp_path / "clean", FOLDER)
        changed = frame.copy()
        first = splits.folds(frame, recipe().data, 3) == 0
        changed.loc[first, ["x", "y"]] = [[1e5, -1e5]] * int(first.sum())
        again = cross_validate(recipe(), changed, 3, tmp_path / "changed", FOLDER)
    assert all((weights[0][name] == weights[3][name]).all() for name in weights[0])
    assert clean[0].best_epoch == again[0].best_epoch and clean[0].metrics != again[0].metrics
    assert any((weights[1][name] != weights[4][name]).any() for name in weights[1]), "other folds learn from these rows"


def test_a_fold_that_is_done_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    plain, trained = fitting.train, []

    def dying(*arguments):
        trained.append(arguments[2].parent.name)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return plain(*arguments)

    monkeypatch.setattr(cross_validation.fitting, "train", dying)
    with pytest.raises(KeyboardInterrupt):
        cross_validate(recipe(), rows(), 3, tmp_path / "again", FOLDER)
    again = cross_validate(recipe(), rows(), 3, tmp_path / "again", FOLDER)
    assert trained == ["fold-01", "fold-02", "fold-02", "fold-03"]
    assert timeless(again) == timeless(cross_validate(recipe(), rows(), 3, tmp_path / "whole", FOLDER))
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == [f"fold-0{n}.json" for n in (1, 2, 3)]


def test_folds_in_time_learn_from_ever_more(tmp_path: Path):
    found = cross_validate(recipe(time="when", split={"kind": "time"}), rows(), 3, tmp_path, FOLDER)
    learned = [fold.rows["train"] + fold.rows["validation"] for fold in found]
    assert learned == [75, 150, 225] and [fold.rows["test"] for fold in found] == [75, 75, 75]


def test_classes_are_known_in_every_fold(tmp_path: Path):
    """A class of six rows is missing from some fold; its metrics are those of the others, or said to be undefined."""
    frame = rows()
    frame["y"] = np.where(frame["x"] > 3, "high", "low")
    frame.loc[:5, "y"] = "rare"
    found = cross_validate(recipe("classification"), frame, 5, tmp_path, FOLDER)
    assert all(fold.metrics["accuracy"] > fold.baseline["accuracy"] for fold in found)
    assert all(set(fold.metrics) | set(fold.undefined) == set(CLASSIFICATION_METRICS) for fold in found)


def test_folds_of_classes_are_stratified_and_those_of_a_trial_are_the_same(tmp_path: Path):
    frame = rows()
    frame["y"] = np.where(np.arange(300) < 12, "rare", "common")
    asked = recipe("classification")
    found = cross_validate(asked, frame, 4, tmp_path, FOLDER)
    assert all(fold.rows["test"] == 75 and "roc_auc" in fold.metrics for fold in found)
    # The best constant answer is right on all but the three rare rows of each fold.
    assert [fold.baseline["accuracy"] for fold in found] == [72 / 75] * 4
    seen = trial.Rows(frame.sort_values("row_id", ignore_index=True), pd.Series("train", index=frame.index))
    parts = [trial._fold_parts(seen, asked, 4, fold) for fold in range(4)]
    assert [(part["validation"]["y"] == "rare").sum() for part in parts] == [3, 3, 3, 3]
    assert [len(part["train"]) for part in parts] == [225] * 4


def test_mean_and_spread_by_hand():
    found = spreads([{"a": 1.0, "b": 5.0}, {"a": 2.0}, {"a": 6.0}])
    assert found["a"].mean == 3 and found["a"].sd == pytest.approx(7**0.5) and found["a"].values == (1, 2, 6)
    assert (found["b"].mean, found["b"].sd) == (5, None)


def test_a_fold_without_rows_is_named(tmp_path: Path):
    with pytest.raises(RequestError, match=r"Fold \d+ leaves no rows for test"):
        cross_validate(recipe(), rows(12), 12, tmp_path, FOLDER)


def test_the_test_rows_stay_out_unless_they_are_asked_for(tmp_path: Path):
    loaded, home = recipe_in(tmp_path, "training.epochs=2"), open_home(str(tmp_path / "home"))
    begun = versioned(loaded, home)
    settings = {"tell": lambda text: None}
    some = cross_validating.carry_out(loaded, home, begun, 3, all_rows=False, **settings)
    every = cross_validating.carry_out(loaded, home, begun, 3, all_rows=True, **settings)
    assert sum(fold.rows["test"] for fold in every) == 400
    assert 300 < sum(fold.rows["test"] for fold in some) < 380
    answer = _answer(loaded, some, all_rows=False)
    assert set(answer.payload) - {"status"} == promised_keys("cross-validate")
    assert "The test rows took no part" in answer.text and "accuracy" in answer.text
    told: list[str] = []
    assert cross_validating.carry_out(loaded, home, begun, 3, all_rows=False, tell=told.append) == some
