"""The table of targets: no row on two sides, both models on the same rows, intervals that are worked by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import targets
from benchmarks.targets_beside import BESIDE, gradients
from benchmarks.targets_lines import LINES, Cut, Line, cuts, folds, later_files, newest_fifth, one_fifth, rows_of
from benchmarks.targets_summary import Judged, difference, mean_over_sets, summary
from tasks.core.load import load_recipe
from tasks.core.recipe import CLASSIFICATION_METRICS, REGRESSION_METRICS, Recipe
from tasks.metrics import better, compute

VARIABLES = {
    "EVERGREEN_BIKES": "bike_sharing/hour.csv",
    "EVERGREEN_WINE": "wine_quality/wine-quality.csv",
    "EVERGREEN_FASHION": "fashion_mnist",
}
KEYS = {
    *("name", "recipe", "metric", "target", "stretch", "bar", "network", "alternative", "difference", "better"),
    *(
        "reached",
        "seeds",
        "held_out_sets",
        "pooled",
        "mean_of_sets",
        "rows",
        "seconds",
        "cpu_seconds",
        "alternative_seconds",
        "load",
    ),
    *("command", "held_out"),
}


@pytest.fixture
def recipe() -> Recipe:
    """Of classes, with a time and an id."""
    return load_recipe("digits", ["data.id=number", "data.time=day", "data.target=label"]).recipe


@pytest.fixture
def frame() -> pd.DataFrame:
    """100 rows of three classes in an order that is not that of time; two rows a day; the last 30 in a later file."""
    random = np.random.default_rng(0)
    number = random.permutation(100)
    columns = {"number": number, "day": number // 2, "label": number % 3, "batch": (np.arange(100) >= 70).astype(int)}
    return pd.DataFrame({"row_id": [f"{place:03}" for place in range(100)], **columns})


def judged(fold: int, network: float, alternative: float, **changes: object) -> Judged:
    plain = Judged(
        repeat=0,
        fold=fold,
        rows={"train": 70, "validation": 10, "test": 20},
        network=network,
        alternative=alternative,
        best_epoch=3,
        seconds=1.0,
        cpu_seconds=1.0,
        alternative_seconds=0.1,
        truth=np.arange(20) % 2,
        said=np.arange(20) % 2,
        alternative_said=np.zeros(20, dtype=np.int64),
        groups=np.arange(20) + 20 * fold,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", LINES)
def test_a_line_has_a_recipe_a_metric_of_its_problem_an_alternative_and_bounds_in_order(name: str):
    line = LINES[name]
    recipe = line.load().recipe
    assert line.metric in (CLASSIFICATION_METRICS if recipe.problem == "classification" else REGRESSION_METRICS)
    assert line.beside in BESIDE
    assert better(line.metric, line.stretch, line.target) > 0
    assert set(BESIDE) == {other.beside for other in LINES.values()}


@pytest.mark.parametrize("protocol", [folds, one_fifth, newest_fifth, later_files])
def test_no_row_is_on_two_sides_and_none_is_left_over(protocol, frame: pd.DataFrame, recipe: Recipe):
    line = replace(LINES["digits"], protocol=protocol)
    for cut in cuts(line, frame, recipe, [0, 1], None):
        every = np.concatenate([cut.train, cut.validation, cut.test])
        assert sorted(every) == list(range(100))
        assert cut.learned.tolist() == sorted([*cut.train, *cut.validation])
        assert len(cut.validation) == pytest.approx(0.1 * len(cut.learned), abs=1)


def test_ten_folds_hold_every_row_out_once_with_the_shares_of_the_classes(frame: pd.DataFrame, recipe: Recipe):
    pairs = list(folds(frame, recipe, 0))
    assert len(pairs) == 10
    assert sorted(np.concatenate([test for _, test in pairs])) == list(range(100))
    assert all(3 <= (frame["label"].to_numpy()[test] == 0).sum() <= 4 for _, test in pairs)
    assert [test.tolist() for _, test in folds(frame, recipe, 1)] != [test.tolist() for _, test in pairs]


def test_the_newest_fifth_is_newer_than_all_that_is_learned_from(frame: pd.DataFrame, recipe: Recipe):
    ((learned, test),) = newest_fifth(frame, recipe, 0)
    number = frame["number"].to_numpy()
    assert sorted(number[test]) == list(range(80, 100))
    assert number[learned].max() < number[test].min()


def test_rows_of_later_files_are_held_out_and_no_others(frame: pd.DataFrame, recipe: Recipe):
    ((learned, test),) = later_files(frame, recipe, 0)
    assert test.tolist() == list(range(70, 100)) and learned.tolist() == list(range(70))


def test_the_alternative_learns_from_training_and_validation_rows_and_is_asked_about_the_same_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    prepared, asked = [], []
    prepare, ridge = targets.prepare_parts, BESIDE["ridge"]

    def watched(labelled, parts, *rest):
        prepared.append(parts)
        return prepare(labelled, parts, *rest)

    def beside(inputs, answers, questions):
        asked.append((inputs, answers, questions))
        return ridge(inputs, answers, questions)

    monkeypatch.setattr(targets, "prepare_parts", watched)
    monkeypatch.setitem(targets.BESIDE, "ridge", beside)
    assert targets.main(["--only", "diabetes", "--quick", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["benchmark"], answer["quick"], answer["skipped"]) == ("targets", True, {})
    (row,) = answer["lines"]
    assert set(row) == KEYS
    assert row["reached"] is None and row["held_out_sets"] == len(prepared) == len(asked) == 2
    for parts, (inputs, answers, questions) in zip(prepared, asked, strict=True):
        sides = {name: set(part["row_id"]) for name, part in parts.items()}
        assert sum(map(len, sides.values())) == len(set.union(*sides.values())) == 442
        learned = pd.concat([parts["train"], parts["validation"]]).sort_index()
        assert inputs.equals(learned[inputs.columns]) and answers.equals(learned["progression"])
        assert questions.equals(parts["test"][inputs.columns])
        assert {"progression", "row_id", "batch"}.isdisjoint(inputs.columns)
    assert row["command"] == "python benchmarks/targets.py --only diabetes --seeds 1"


def test_rows_that_repeat_an_earlier_one_are_left_out_where_the_line_says_so(tmp_path: Path):
    (tmp_path / "rows.csv").write_text("a,y\n1,2\n1,2\n1,3\n4,5\n")
    text = "name: small\nproblem: regression\ndata: {reader: {kind: csv, path: rows.csv}, target: y}\n"
    (tmp_path / "recipe.yaml").write_text(text)
    loaded = load_recipe(str(tmp_path))
    line = LINES["white_wine"]
    assert sorted(rows_of(line, loaded)["y"]) == [2, 3, 5]
    every = rows_of(replace(line, unique=False), loaded)
    assert sorted(every["y"]) == [2, 2, 3, 5] and every["row_id"].is_unique


def test_the_interval_over_folds_is_widened_for_the_rows_they_share():
    # Two sets: mean 2, standard deviation √2; Student's t with one degree of freedom is 12.706 at 97.5 %.
    found = mean_over_sets([1.0, 3.0], 0.25)
    reach = 12.7062 * 2**0.5 * (1 / 2 + 0.25) ** 0.5
    assert found["mean"] == 2.0
    assert found["interval"] == pytest.approx([2 - reach, 2 + reach], rel=1e-4)
    assert mean_over_sets([1.0], 0.25) == {"mean": 1.0, "sd": None, "interval": None}


def test_a_network_is_better_where_its_error_is_smaller_and_where_its_accuracy_is_larger():
    line = LINES["white_wine"]
    over = [judged(fold, 1.0 + 0.01 * fold, 2.0) for fold in range(1, 5)]
    row = summary("white_wine", line, over, [], quick=False)
    assert row["difference"]["mean"] == pytest.approx(0.975) and row["difference"]["over"] == "4 held-out sets"
    assert row["better"] == "network" and row["reached"] == {"target": False, "stretch": False}
    assert summary("digits", LINES["digits"], over, [], quick=False)["better"] == "svm"


def test_where_rows_are_held_out_once_the_difference_is_over_the_rows_however_many_seeds_there_are():
    line: Line = LINES["fashion_mnist"]
    same = np.arange(20)
    several = [judged(1, 1.0, 0.5, groups=same), judged(1, 1.0, 0.5, groups=same, repeat=1)]
    found = difference(line, several, [0, 1])
    assert found["mean"] == pytest.approx(0.5) and found["over"] == "20 rows"
    assert found["interval"] == difference(line, several[:1], [0, 1])["interval"]
    assert 0 < found["interval"][0] < 0.5 < found["interval"][1] < 1


def test_a_pooled_metric_is_that_of_all_held_out_rows_together_once_for_each_seed():
    truth = np.arange(40.0)
    halves = [np.arange(20), np.arange(20, 40)]
    found = [
        judged(fold, 0.0, 0.0, truth=truth[half], said=truth[half] + 1, alternative_said=truth[half] + 2, groups=half)
        for fold, half in enumerate(halves, 1)
    ]
    row = summary(
        "diabetes", LINES["diabetes"], [*found, *(replace(item, repeat=1) for item in found)], [], quick=False
    )
    variance = ((truth - truth.mean()) ** 2).mean()
    assert row["network"]["mean"] == pytest.approx(1 - 1 / variance) and row["network"]["sd"] == pytest.approx(0)
    assert row["alternative"]["mean"] == pytest.approx(1 - 4 / variance)
    assert row["difference"]["mean"] == pytest.approx(3 / variance) and row["difference"]["over"] == "40 rows"
    assert row["pooled"] and row["held_out_sets"] == 4


def test_the_difference_of_an_error_is_in_the_unit_of_the_target():
    truth = np.linspace(0, 100, 60)
    one = judged(1, 1.0, 4.0, truth=truth, said=truth + 1.0, alternative_said=truth - 4.0, groups=np.arange(60))
    found = difference(LINES["bikes_time"], [one], [])
    assert found["mean"] == pytest.approx(3.0) and found["over"] == "60 days"


def test_histograms_of_gradients_know_the_direction_of_an_edge():
    upright = np.zeros((28, 28))
    upright[:, 14:] = 255.0  # brightness grows to the right: direction 0
    flat = np.zeros((28, 28))
    found = gradients(np.stack([upright, upright.T, flat]).reshape(3, -1))
    assert found.shape == (3, 6 * 6 * 4 * 9)
    by_direction = np.square(found.reshape(3, 6, 6, 9, 4)).sum(axis=(1, 2, 4))
    assert by_direction[0].argmax() == 0 and by_direction[0][1:].sum() == pytest.approx(0, abs=1e-5)
    assert set(np.argsort(by_direction[1])[-2:]) == {4, 5}  # downwards lies between the two
    assert by_direction[2].sum() == 0
    lengths = np.square(found[0].reshape(36, -1)).sum(axis=1)
    assert lengths.max() == pytest.approx(1.0, abs=1e-3)


def test_what_the_network_said_stands_beside_the_truth_in_whatever_order_rows_are_held_out():
    line = LINES["diabetes"]
    loaded = line.load(["training.epochs=5", "training.early_stopping=null"])
    rows = rows_of(line, loaded)
    (cut,) = cuts(line, rows, loaded.recipe, [0], 1)
    mixed = replace(cut, test=np.random.default_rng(0).permutation(cut.test))
    found = targets.judge(line, loaded, rows, mixed, {})
    assert compute("regression", found.truth, found.said)[0]["r2"] == pytest.approx(found.network)


def test_a_line_whose_file_is_not_there_is_left_out_and_said_to_be(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("EVERGREEN_WINE", str(tmp_path / "nowhere.csv"))
    assert targets.main(["--only", "white_wine", "--quick", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["lines"] == []
    assert "matches nothing" in answer["skipped"]["white_wine"]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", LINES)
def test_every_line_runs_on_the_public_files(
    name: str, shared_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    for variable, path in VARIABLES.items():
        monkeypatch.setenv(variable, str(shared_data / path))
    assert targets.main(["--only", name, "--quick", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["skipped"] == {}
    (row,) = answer["lines"]
    assert set(row) == KEYS and np.isfinite([row["network"]["mean"], row["alternative"]["mean"]]).all()


def test_the_shape_of_a_cut_is_what_the_table_is_made_of():
    cut = Cut(0, 1, np.array([3, 1]), np.array([2]), np.array([0]))
    assert cut.learned.tolist() == [1, 2, 3]
