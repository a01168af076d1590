"""Choosing columns: scikit-learn's and scipy's numbers, what is kept, and that a model's frame needs nothing else."""

from __future__ import annotations

import json
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from scipy.stats import spearmanr
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

from tasks.core.errors import RequestError
from tasks.core.feature_kinds import CategoricalFeature, DatetimeFeature, DropFeature, ImageFeature, NumericFeature
from tasks.core.recipe import Recipe
from tasks.core.selection import Importance, NoSelection, Redundancy, SelectBlock
from tasks.prepare.arrays import prepare
from tasks.transforms import selection
from tasks.transforms.selection import importances, redundant, select

NUMBER, LABEL = NumericFeature(kind="numeric"), CategoricalFeature(kind="categorical")
TRIED = {"none", "redundancy", "importance"}


def frame(count: int = 400) -> pd.DataFrame:
    """`a` and `c` tell about the target, `b` is nearly `a`, `d` a curve of `a`, `noise` and `spare` tell nothing."""
    generator = np.random.default_rng(3)
    a, c, noise = generator.normal(size=(3, count))
    return pd.DataFrame(
        {
            "a": a,
            "noise": noise,
            "b": 10 - 3 * a + 0.2 * generator.normal(size=count),
            "c": c,
            "d": np.exp(3 * a),
            "colour": np.where(a + c + 0.5 * generator.normal(size=count) > 0.8, "red", "blue"),
            "spare": generator.choice(["u", "v"], count),
        }
    )


FEATURES = {**dict.fromkeys(["a", "noise", "b", "c", "d"], NUMBER), "colour": LABEL, "spare": LABEL}


def classes() -> np.ndarray:
    table = frame()
    return (table["a"] + table["c"] > 0).to_numpy().astype(np.int64)


def kept(settings: Any, target: np.ndarray | None = None, problem: str = "classification") -> list[str]:
    found = select(frame(), FEATURES, classes() if target is None else target, problem, settings)
    assert list(found.features) == list(FEATURES)
    left = [name for name, part in found.features.items() if part.kind == "drop"]
    assert left == list(found.left_out)
    return [name for name in FEATURES if name not in left]


def test_every_kind_of_the_recipe_is_tried_here():
    assert {get_args(block.model_fields["kind"].annotation)[0] for block in get_args(SelectBlock)} == TRIED
    assert kept(NoSelection()) == list(FEATURES)


@pytest.mark.parametrize(("measure", "left"), [("pearson", ["b"]), ("spearman", ["b", "d"])])
def test_what_an_earlier_column_says_is_left_out_by_the_size_of_its_correlation(measure, left):
    table = frame()
    found = redundant(table, ["a", "noise", "b", "c", "d"], Redundancy(measure=measure))
    assert list(found) == left
    expected = {
        "pearson": abs(np.corrcoef(table["a"], table["b"])[0, 1]),
        "spearman": abs(spearmanr(table["a"], table["b"]).statistic),
    }[measure]
    assert found["b"] == f"|r| = {expected:.3f} with a"


def test_the_bound_is_the_one_that_is_given_and_gaps_are_left_out_pair_by_pair():
    table = frame()
    exact = abs(np.corrcoef(table["a"], table["b"])[0, 1])
    assert not redundant(table, ["a", "b"], Redundancy(correlation=min(exact + 1e-6, 1)))
    assert redundant(table, ["a", "b"], Redundancy(correlation=exact - 1e-6))
    table.loc[::3, "b"] = np.nan
    table.loc[1::3, "a"] = np.nan
    both = table[["a", "b"]].dropna()
    expected = abs(np.corrcoef(both["a"], both["b"])[0, 1])
    assert redundant(table, ["a", "b"], Redundancy()) == {"b": f"|r| = {expected:.3f} with a"}


def test_a_column_stays_where_the_one_it_is_like_was_left_out():
    # The second is like the first, the third like the second only: nothing that is kept says what the third says.
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    turned = [np.cos(angle - turn) for turn in (0.0, 0.25, 0.5)]
    table = pd.DataFrame(dict(zip("xyz", turned, strict=True)))
    assert np.abs(table.corr().to_numpy()[[0, 1, 0], [1, 2, 2]]) == pytest.approx(np.cos([0.25, 0.25, 0.5]))
    assert list(redundant(table, list("xyz"), Redundancy())) == ["y"]


def test_constant_and_empty_columns_are_like_none():
    table = pd.DataFrame({"x": [1.0, 2.0, 3.0], "one": 1.0, "two": 2.0, "none": np.nan})
    assert redundant(table, list(table), Redundancy()) == {} and redundant(table, [], Redundancy()) == {}


def test_mutual_information_is_that_of_scikit_learn():
    table = frame()
    table.loc[::7, "c"] = np.nan
    table.loc[::5, "spare"] = None
    codes = {"blue": 0, "red": 1, "u": 0, "v": 1}
    coded = {name: table[name].map(codes).fillna(-1) for name in ("colour", "spare")}
    columns = table.assign(c=table["c"].fillna(table["c"].median()), **coded).to_numpy(dtype=np.float64)
    discrete = [False] * 5 + [True] * 2
    found = importances(table, FEATURES, classes(), "classification", Importance(keep=1, seed=4))
    expected = mutual_info_classif(columns, classes(), discrete_features=discrete, random_state=4)
    assert found == pytest.approx(expected, abs=1e-12)
    quantity = frame()["c"].to_numpy()
    found = importances(table, FEATURES, quantity, "regression", Importance(keep=1, seed=4))
    expected = mutual_info_regression(columns, quantity, discrete_features=discrete, random_state=4)
    assert found == pytest.approx(expected, abs=1e-12)


def test_the_forest_is_that_of_scikit_learn():
    columns = frame().drop(columns=["colour", "spare"])
    features = dict.fromkeys(columns, NUMBER)
    found = importances(columns, features, classes(), "classification", Importance(keep=1, by="forest", seed=2))
    grown = RandomForestClassifier(100, random_state=2).fit(columns.to_numpy(), classes())
    assert found == pytest.approx(grown.feature_importances_, abs=1e-12) and found.sum() == pytest.approx(1)
    found = importances(columns, features, columns["c"].to_numpy(), "regression", Importance(keep=1, by="forest"))
    assert found.argmax() == list(columns).index("c")


def test_the_columns_that_tell_most_are_kept_in_their_order():
    assert "c" in kept(Importance(keep=2, by="forest"))
    quantity = frame()["c"].to_numpy() * 2 + 1
    assert kept(Importance(keep=1), quantity, "regression") == ["c"]
    assert "noise" not in kept(Importance(keep=5)) and "spare" not in kept(Importance(keep=5))
    assert kept(Importance(keep=7)) == list(FEATURES)


def test_a_forest_sees_what_two_columns_tell_only_together():
    generator = np.random.default_rng(0)
    table = pd.DataFrame(generator.uniform(-1, 1, (600, 4)), columns=list("pqrs"))
    target = ((table["p"] > 0) ^ (table["r"] > 0)).to_numpy().astype(np.int64)
    found = select(table, dict.fromkeys(table, NUMBER), target, "classification", Importance(keep=2, by="forest"))
    assert list(found.left_out) == ["q", "s"]


def test_of_equals_the_earlier_is_kept():
    table = pd.DataFrame({"x": [0.0, 1.0] * 50, "y": [0.0, 1.0] * 50})
    found = select(table, dict.fromkeys("xy", LABEL), np.array([0, 1] * 50), "classification", Importance(keep=1))
    assert list(found.left_out) == ["y"]


def test_many_rows_are_thinned_evenly(monkeypatch):
    monkeypatch.setattr(selection, "MOST_ROWS", 100)
    table = frame()
    found = select(table, FEATURES, classes(), "classification", Redundancy())
    every = table.iloc[np.unique(np.linspace(0, 399, 100).astype(int))]
    assert found.left_out["b"] == f"|r| = {abs(np.corrcoef(every['a'], every['b'])[0, 1]):.3f} with a"


def test_a_date_stays_and_is_not_counted():
    dated = {"when": DatetimeFeature(kind="datetime"), **FEATURES}
    table = frame().assign(when="2024-01-01")
    for settings in (Redundancy(), Importance(keep=2)):
        found = select(table, dated, classes(), "classification", settings)
        assert found.left_out == select(frame(), FEATURES, classes(), "classification", settings).left_out
        assert found.features["when"].kind == "datetime"


@pytest.mark.parametrize(
    ("features", "settings", "says"),
    [
        ({"p": ImageFeature(kind="image", size=(1, 1))}, Redundancy(), "'p' is of kind image"),
        (FEATURES, Importance(keep=8), "keep is 8, and there are 7 columns"),
        ({**FEATURES, "d": DropFeature(kind="drop")}, Importance(keep=7), "keep is 7, and there are 6 columns"),
    ],
)
def test_what_cannot_be_chosen_from_is_refused(features, settings, says):
    with pytest.raises(RequestError, match=says) as caught:
        select(frame(), features, classes(), "classification", settings)
    assert caught.value.remedy


def test_a_kind_without_its_number_is_refused_and_a_name_alone_takes_defaults():
    with pytest.raises(ValidationError, match="keep"):
        recipe("importance")
    assert recipe("redundancy").transforms.select == Redundancy()


def recipe(how: Any) -> Recipe:
    data = {"reader": {"kind": "csv", "path": "x.csv"}, "target": "y"}
    values = {"name": "chosen", "problem": "classification", "data": data, "transforms": {"select": how}}
    return Recipe.model_validate_json(json.dumps(values))


@pytest.mark.parametrize("how", ["redundancy", {"kind": "importance", "keep": 3}])
def test_a_models_frame_needs_what_was_kept_and_the_order_of_the_source_changes_nothing(how, tmp_path):
    ids = [f"{place:032x}" for place in np.random.default_rng(1).permutation(400)]
    rows = frame().assign(row_id=ids, batch=0, y=np.where(classes() == 1, "yes", "no"))
    for name, source in (("one", rows), ("two", rows.sample(frac=1, random_state=2))):
        (tmp_path / name).mkdir()
        found = prepare(source, recipe(how), tmp_path / name, "prepared")
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two
    spec = json.loads(one["transform.json"])
    assert list(found.feature_columns) == spec["columns"] == spec["state"]["columns"]
    assert set(spec["columns"]) | set(spec["left_out"]) == set(FEATURES) and spec["left_out"]
    assert len(spec["columns"]) == (3 if how != "redundancy" else len(FEATURES) - len(spec["left_out"]))
    (note,) = found.notes
    assert all(f"{column} ({why})" in note for column, why in spec["left_out"].items())
