"""Evening out classes: imbalanced-learn's rows and counts, hand-worked ones, and no made row counted as a row."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import SMOTE, SMOTENC, RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from pydantic import ValidationError

from tasks.core import splits
from tasks.core.balance import BalanceBlock, Oversample, Smote, Undersample
from tasks.core.contracts import Prepared
from tasks.core.errors import RequestError
from tasks.core.recipe import Recipe
from tasks.evaluate.score import training_rows
from tasks.prepare import balance
from tasks.prepare.arrays import prepare
from tasks.prepare.balance import oversampled, smoted, undersampled

ROOT = Path(__file__).resolve().parents[2]
COUNTS = {"common": 120, "middling": 60, "rare": 20}
KINDS = {"oversample": Oversample(), "undersample": Undersample(), "smote": Smote(neighbours=3)}


def recipe(how: Any = None, problem: str = "classification", **sections: Any) -> Recipe:
    data = {"reader": {"kind": "csv", "path": "x.csv"}, "target": "y", **sections.pop("data", {})}
    transforms = {**({"balance": how} if how is not None else {}), **sections.pop("transforms", {})}
    values = {"name": "uneven", "problem": problem, "data": data, "transforms": transforms, **sections}
    return Recipe.model_validate_json(json.dumps(values))


def rows() -> pd.DataFrame:
    """200 rows of three classes: two numbers, one of them with gaps, and two categories."""
    generator = np.random.default_rng(0)
    y = np.repeat(list(COUNTS), list(COUNTS.values()))
    number = len(y)
    return pd.DataFrame(
        {
            "row_id": [f"{place:032x}" for place in generator.permutation(number)],
            "batch": np.zeros(number, dtype=np.int64),
            "height": generator.normal(5, 3, number),
            "weight": np.where(generator.random(number) < 0.2, np.nan, generator.normal(70, 9, number)),
            "colour": generator.choice(["red", "green", "blue"], number),
            "shape": generator.choice(["round", None], number, p=[0.8, 0.2]),
            "y": y,
        }
    )


def made(folder: Path, how: Any, frame: pd.DataFrame | None = None, **sections: Any) -> Prepared:
    folder.mkdir(parents=True, exist_ok=True)
    return prepare(rows() if frame is None else frame, recipe(how, **sections), folder, "work/uneven/prepare/k")


def read(folder: Path) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    return (
        np.load(folder / "train_inputs.npy"),
        np.load(folder / "train_targets.npy"),
        pd.read_parquet(folder / "train_rows.parquet"),
    )


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_every_kind_of_the_recipe_is_tried_here():
    kinds = {get_args(block.model_fields["kind"].annotation)[0] for block in get_args(BalanceBlock)}
    assert kinds == {"none", *KINDS}


@pytest.mark.parametrize("how", KINDS)
def test_only_training_rows_change_and_only_after_the_transform_is_fitted(how, tmp_path):
    plain = made(tmp_path / "plain", None)
    even = made(tmp_path / "even", KINDS[how].model_dump())
    before, after = files(tmp_path / "plain"), files(tmp_path / "even")
    changed = {name for name in before if before[name] != after[name]}
    assert set(before) == set(after)
    assert changed == {"train_inputs.npy", "train_targets.npy", "train_rows.parquet"} | (
        {"left_out_rows.parquet"} if how == "undersample" else set()
    )
    assert (even.rows["test"], even.rows["validation"]) == (plain.rows["test"], plain.rows["validation"])


@pytest.mark.parametrize("how", KINDS)
def test_classes_are_even_and_the_rows_file_says_which_rows_were_made(how, tmp_path):
    plain = made(tmp_path / "plain", None)
    inputs, targets, index = read(tmp_path / "plain")
    even = made(tmp_path / "even", KINDS[how].model_dump())
    new_inputs, new_targets, new_index = read(tmp_path / "even")
    counts = np.bincount(targets)
    wanted = counts.min() if how == "undersample" else counts.max()
    assert np.bincount(new_targets).tolist() == [wanted] * 3
    assert len(new_inputs) == len(new_targets) == len(new_index)
    own = ~new_index["synthetic"].to_numpy()
    assert even.rows["train"] == own.sum() and even.synthetic == (~own).sum()
    # Rows of the dataset keep their order and their values, and stand before all others.
    kept = index["row_id"].isin(new_index["row_id"][own]).to_numpy()
    assert own[: own.sum()].all() and new_index["row_id"][own].tolist() == index["row_id"][kept].tolist()
    assert np.array_equal(new_inputs[own], inputs[kept]) and np.array_equal(new_targets[own], targets[kept])
    assert plain.rows["train"] == len(index) and even.notes and not plain.notes


def test_a_row_that_is_repeated_is_named_and_one_that_is_made_up_is_nobody(tmp_path):
    made(tmp_path / "plain", None)
    inputs, targets, index = read(tmp_path / "plain")
    made(tmp_path / "over", "oversample")
    more, labels, repeated = read(tmp_path / "over")
    place = pd.Index(index["row_id"]).get_indexer(repeated["row_id"])
    assert np.array_equal(more, inputs[place]) and np.array_equal(labels, targets[place])
    made(tmp_path / "smote", KINDS["smote"].model_dump())
    nobody = read(tmp_path / "smote")[2].query("synthetic")
    assert len(nobody) and nobody["row_id"].isna().all() and (nobody["batch"] == -1).all()


@pytest.mark.parametrize("how", KINDS)
def test_the_trivial_predictor_knows_the_classes_as_they_are_in_the_dataset(how, tmp_path):
    frame = rows()
    made(tmp_path, KINDS[how].model_dump(), frame)
    known = training_rows(tmp_path)
    assert sorted(known) == sorted(frame["row_id"][splits.assign(frame, recipe().data) == "train"])


@pytest.mark.parametrize("how", KINDS)
def test_the_seed_decides_and_the_order_of_the_source_does_not(how, tmp_path):
    settings = {**KINDS[how].model_dump(), "ratio": 0.9}
    made(tmp_path / "a", settings)
    made(tmp_path / "b", settings, rows().sample(frac=1, random_state=1))
    made(tmp_path / "c", {**settings, "seed": 1})
    assert files(tmp_path / "a") == files(tmp_path / "b") != files(tmp_path / "c")


def test_pieces_give_the_same_bytes_as_the_whole(tmp_path, monkeypatch):
    made(tmp_path / "a", "oversample")
    monkeypatch.setattr(balance, "PIECE", 7)
    made(tmp_path / "b", "oversample")
    assert files(tmp_path / "a") == files(tmp_path / "b")


@pytest.mark.parametrize("ratio", [1.0, 0.7, 0.5, 0.2])
def test_counts_are_those_of_imbalanced_learn(ratio):
    targets = np.repeat([0, 1, 2], list(COUNTS.values()))
    columns = np.zeros((200, 1))
    least, most = round(ratio * 120), round(20 / ratio)
    grown = {code: max(count, least) for code, count in enumerate(COUNTS.values())}
    cut = {code: min(count, most) for code, count in enumerate(COUNTS.values())}
    over = RandomOverSampler(sampling_strategy=grown, random_state=0).fit_resample(columns, targets)[1]
    under = RandomUnderSampler(sampling_strategy=cut, random_state=0).fit_resample(columns, targets)[1]
    repeated = oversampled(targets, Oversample(ratio=ratio))
    kept = undersampled(targets, Undersample(ratio=ratio))
    assert np.array_equal(np.bincount(targets) + np.bincount(targets[repeated], minlength=3), np.bincount(over))
    assert np.array_equal(np.bincount(targets[kept]), np.bincount(under)) and len(set(kept)) == len(kept)


def test_rows_are_repeated_equally_often_or_once_more():
    # 7 rows of class 0 and 3 of class 1, which lacks 4: each once, and one of them twice. Class 2 has no row.
    targets = np.array([0, 0, 0, 1, 0, 1, 0, 0, 1, 0])
    times = np.bincount(oversampled(targets, Oversample()), minlength=10)
    assert sorted(times[[3, 5, 8]].tolist()) == [1, 1, 2] and times.sum() == 4
    with_gap = np.where(targets == 1, 2, 0)
    assert np.bincount(with_gap[oversampled(with_gap, Oversample())]).tolist() == [0, 0, 4]
    assert np.bincount(with_gap[undersampled(with_gap, Undersample())]).tolist() == [3, 0, 3]


def test_smote_makes_the_rows_that_imbalanced_learn_makes(tmp_path):
    frame = rows().drop(columns=["colour", "shape"]).assign(weight=lambda table: table["weight"].fillna(70.0))
    made(tmp_path / "plain", None, frame)
    inputs, targets, _ = read(tmp_path / "plain")
    made(tmp_path / "smote", {"kind": "smote", "neighbours": 4, "seed": 5}, frame)
    found, classes, _ = read(tmp_path / "smote")
    expected, labels = SMOTE(k_neighbors=4, random_state=5).fit_resample(inputs.astype(np.float64), targets)
    assert np.array_equal(classes, labels) and np.allclose(found, expected, rtol=0, atol=1e-6)
    for row, code in zip(found[len(inputs) :], classes[len(inputs) :], strict=True):
        own = inputs[targets == code]
        assert (row >= own.min(axis=0) - 1e-6).all() and (row <= own.max(axis=0) + 1e-6).all()


def test_with_categories_it_is_smote_nc_and_a_made_row_has_one_category_and_a_whole_flag(tmp_path):
    made(tmp_path / "plain", None)
    inputs, targets, _ = read(tmp_path / "plain")
    made(tmp_path / "smote", {"kind": "smote", "neighbours": 3, "seed": 2})
    found, classes, _ = read(tmp_path / "smote")
    # height, weight, the flag of weight, colour (three categories), shape (round, missing).
    state = json.loads((tmp_path / "plain" / "transform.json").read_text())["state"]
    assert inputs.shape[1] == 8
    codes = [inputs[:, 3:6].argmax(axis=1), inputs[:, 6:8].argmax(axis=1)]
    packed = np.column_stack([inputs[:, :3].astype(np.float64), *codes])
    sampler = SMOTENC(categorical_features=[2, 3, 4], k_neighbors=3, random_state=2)
    expected, labels = sampler.fit_resample(packed, targets)
    new, unpacked = found[len(inputs) :], expected[len(inputs) :]
    assert np.array_equal(classes, labels) and np.allclose(new[:, 0], unpacked[:, 0], atol=1e-6)
    assert np.array_equal(new[:, 2:], np.hstack([unpacked[:, [2]], np.eye(3)[unpacked[:, 3].astype(int)],
                                                 np.eye(2)[unpacked[:, 4].astype(int)]]))  # fmt: skip
    flagged = new[:, 2] == 1
    weight = state["numeric"][1]
    assert 0 < flagged.sum() < len(new)
    assert np.allclose(new[flagged, 1], (weight["fill"] - weight["shift"]) / weight["scale"], atol=1e-6)
    assert np.allclose(new[~flagged, 1], unpacked[~flagged, 1], atol=1e-6)


def test_a_made_row_has_a_whole_mask_and_0_where_it_has_no_number(tmp_path):
    frame = rows().drop(columns=["colour", "shape"])
    made(tmp_path / "smote", {"kind": "smote", "neighbours": 3}, frame, transforms={"impute": "none"})
    found, _, listed = read(tmp_path / "smote")
    new = found[listed["synthetic"].to_numpy(dtype=bool)]
    # height, weight, their masks
    assert found.shape[1] == 4 and set(np.unique(new[:, 2:])) == {0.0, 1.0} and (new[:, 2] == 1).all()
    gone = new[:, 3] == 0
    assert 0 < gone.sum() < len(new) and (new[gone, 1] == 0).all() and len(np.unique(new[~gone, 1])) > 100


def test_nothing_is_made_where_nothing_is_missing(tmp_path):
    made(tmp_path / "plain", None)
    for name, settings in KINDS.items():
        found = made(tmp_path / name, settings.model_copy(update={"ratio": 0.05}).model_dump())
        assert found.synthetic == 0 and found.notes == ()
        assert files(tmp_path / name) == files(tmp_path / "plain")


SPEC = {"state": {"kind": "tabular", "numeric": [], "categorical": []}, "classes": ["common", "rare"]}


@pytest.mark.parametrize(
    ("spec", "neighbours", "says", "remedy"),
    [
        (SPEC, 1, "the model takes no numbers", "Use oversample"),
        ({**SPEC, "state": {"kind": "image"}}, 1, "inputs of the kind image", "Use oversample"),
        (
            {**SPEC, "state": {"kind": "tabular", "numeric": [{"gaps": False}], "categorical": []}},
            5,
            "neighbours is 5, and the class 'rare' has 2 training rows",
            "Set neighbours to 1 or fewer",
        ),
        (
            {
                **SPEC,
                "state": {
                    "kind": "tabular",
                    "numeric": [{"gaps": False}],
                    "categorical": [],
                    "dates": [{"column": "when"}],
                },
            },
            1,
            "what lies between the calendar features of 'when' is no date",
            "Use oversample",
        ),
    ],
    ids=["categories alone", "images", "a class of two", "dates"],
)
def test_rows_that_cannot_be_made_up_are_refused_in_one_sentence(spec, neighbours, says, remedy):
    targets = np.array([0] * 9 + [1] * 2)
    with pytest.raises(RequestError) as caught:
        smoted(np.zeros((11, 1), dtype=np.float32), targets, spec, Smote(neighbours=neighbours))
    assert says in caught.value.message and caught.value.remedy.startswith(remedy)


@pytest.mark.parametrize(
    ("how", "sections", "says"),
    [
        ("undersample", {"problem": "regression"}, "transforms.balance evens out classes, and problem is regression"),
        ("oversample", {"training": {"class_weights": "balanced"}}, "would correct the same imbalance twice"),
        ("smote", {"data": {"features": {"p": {"kind": "image", "size": [2, 2]}}}}, "between two images is no image"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(how, sections, says):
    with pytest.raises(ValidationError, match=says):
        recipe(how, **sections)
    recipe("none", **sections)


def test_a_name_alone_takes_the_defaults_of_its_kind():
    assert recipe("smote").transforms.balance == Smote() and recipe().transforms.balance.kind == "none"


def test_imbalanced_learn_is_imported_for_smote_alone():
    program = (
        "import sys, numpy as np\n"
        "from tasks.core.balance import Oversample, Undersample\n"
        "from tasks.prepare import arrays, balance\n"
        "targets = np.repeat([0, 1], [9, 3])\n"
        "balance.oversampled(targets, Oversample()), balance.undersampled(targets, Undersample())\n"
        "print(sorted({'imblearn', 'sklearn'} & set(sys.modules)))\n"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == "[]"
