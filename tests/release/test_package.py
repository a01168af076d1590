"""The packaged model in this process: what it takes, what it refuses, what it is made of."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.release.golden import UNSEEN, golden_frame
from tasks.release.package import make_package
from tasks.stores import packaged, registry, runs

FEATURES = ["age", "income", "member", "region"]


@pytest.fixture(scope="module")
def made(make_model: Callable[..., Any]) -> Any:
    return make_model()


@pytest.fixture(scope="module")
def stored(made: Any) -> Any:
    return make_package(*made.inputs)


@pytest.fixture(scope="module")
def model(stored: Any, shared_home: Any) -> Any:
    return runs.load(shared_home, stored.model_uri)


def test_predictions_are_labels_of_their_own_type_and_probabilities(made: Any, model: Any, shared_home: Any):
    found = model.predict(made.frame[FEATURES].set_axis(range(100, 300)))
    assert list(found.columns) == ["prediction", "probability_0", "probability_1"]
    assert found["prediction"].dtype == np.int64 and found.index[0] == 100
    assert np.allclose(found[["probability_0", "probability_1"]].sum(axis=1), 1)
    assert (found["prediction"] == made.frame["outcome"].set_axis(found.index)).mean() > 0.85
    test = pd.read_parquet(shared_home.path(made.evaluated.predictions))
    rows = pd.read_parquet(next((shared_home.path(made.versioned.folder) / "rows").glob("*.parquet"))).set_index(
        "row_id"
    )
    again = model.predict(rows.loc[test["row_id"], FEATURES])
    assert np.abs(again["probability_1"].to_numpy() - test["probability_1"].to_numpy()).max() < 1e-5


def test_ints_nullable_ints_bools_floats_and_text_numbers_give_the_same_answer(model: Any):
    plain = pd.DataFrame({"age": [30, 60], "income": [3000, 2500], "member": [1, 0], "region": ["north", "south"]})
    wanted = model.predict(plain.astype({"age": float, "income": float, "member": float}))
    kinds = [
        plain,
        plain.astype({"age": "Int64", "income": "int32", "member": bool}),
        plain.astype({"age": "Float64", "income": "float32", "member": "boolean", "region": "category"}),
        plain.astype({"age": str, "income": object, "member": "UInt8", "region": "string"}),
        plain[["region", "member", "income", "age"]].assign(more=1),
    ]
    for frame in kinds:
        pd.testing.assert_frame_equal(model.predict(frame), wanted)


def test_missing_values_are_imputed_however_they_are_written(model: Any):
    gaps = [
        pd.DataFrame({"age": [30.0], "income": [np.nan], "member": [1], "region": [None]}),
        pd.DataFrame({"age": [30], "income": [None], "member": [1], "region": [np.nan]}),
        pd.DataFrame({"age": [30], "income": pd.array([None], "Int64"), "member": [1], "region": [pd.NA]}),
    ]
    found = [model.predict(frame) for frame in gaps]
    pd.testing.assert_frame_equal(found[0], found[1])
    pd.testing.assert_frame_equal(found[0], found[2])


def test_no_rows_give_no_predictions(model: Any):
    empty = pd.DataFrame({"age": [], "income": [], "member": [], "region": []})
    found = model.predict(empty)
    assert list(found.columns) == ["prediction", "probability_0", "probability_1"] and len(found) == 0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda frame: frame.drop(columns="income"), "The column 'income' is missing."),
        (lambda frame: frame.assign(age="old"), "The column 'age' holds text that is not a number."),
        (lambda frame: frame.assign(age=pd.Timestamp("2026-01-01")), "The column 'age' holds datetime64"),
        (lambda frame: frame.assign(region=[["north"]]), "The column 'region' holds values that are no labels"),
    ],
)
def test_what_it_cannot_take_is_refused_in_one_sentence_naming_the_column(model: Any, change: Any, sentence: str):
    frame = pd.DataFrame({"age": [30], "income": [3000], "member": [1], "region": ["north"]})
    with pytest.raises(Exception, match=sentence) as caught:
        model.predict(change(frame))
    assert len(str(caught.value).splitlines()) == 1


def test_a_gap_is_refused_where_the_recipe_imputes_nothing(make_model: Callable[..., Any], shared_home: Any):
    made = make_model("gapless", frame=make_model("gappy", steps=0).frame.dropna(), transforms={"impute": "refuse"})
    model = runs.load(shared_home, make_package(*made.inputs).model_uri)
    with pytest.raises(ValueError, match=r"The column 'income' has 1 missing values, and this model imputes none."):
        model.predict(pd.DataFrame({"age": [30], "income": [None], "member": [1], "region": ["north"]}))


def test_gaps_that_nothing_stands_for_are_masked_inside_the_model_as_in_training(
    make_model: Callable[..., Any], shared_home: Any
):
    made = make_model("masked", transforms={"impute": "none"})
    stored = make_package(*made.inputs)
    model = runs.load(shared_home, stored.model_uri)
    test = pd.read_parquet(shared_home.path(made.evaluated.predictions))
    rows = pd.read_parquet(next((shared_home.path(made.versioned.folder) / "rows").glob("*.parquet")))
    asked = rows.set_index("row_id").loc[test["row_id"], FEATURES]
    assert asked["income"].isna().any()
    assert np.abs(model.predict(asked)["probability_1"].to_numpy() - test["probability_1"].to_numpy()).max() < 1e-5
    # No training row lacked an age.
    found = model.predict(asked.assign(age=np.nan))
    assert found.notna().all().all() and not np.allclose(found["probability_1"], test["probability_1"])
    golden = packaged.verified(shared_home, "masked", stored.version).read("golden.json")
    assert golden["inputs"][-1] == dict.fromkeys(FEATURES)
    assert "fills no gap and is told of each by a mask" in shared_home.path(stored.card).read_text()


def test_regression_answers_in_the_targets_unit(make_model: Callable[..., Any], shared_home: Any):
    made = make_model("amount", problem="regression", steps=200, frame=regression_frame())
    model = runs.load(shared_home, make_package(*made.inputs).model_uri)
    found = model.predict(made.frame[["size"]])
    assert list(found.columns) == ["prediction"]
    assert np.abs(found["prediction"] - made.frame["outcome"]).mean() < 0.1 * made.frame["outcome"].std()


def test_text_labels_come_back_as_text(make_model: Callable[..., Any], shared_home: Any):
    frame = regression_frame()
    frame["outcome"] = np.where(frame["size"] > 50, "big", "small")
    model = runs.load(shared_home, make_package(*make_model("words", frame=frame).inputs).model_uri)
    found = model.predict(pd.DataFrame({"size": [5, 95]}))
    assert found["prediction"].tolist() == ["small", "big"]
    assert list(found.columns) == ["prediction", "probability_big", "probability_small"]


def regression_frame() -> pd.DataFrame:
    size = np.random.default_rng(0).uniform(0, 100, 200)
    return pd.DataFrame({"size": size, "outcome": 1000 + 20 * size})


def test_two_models_with_different_code_in_one_process_both_answer_correctly(
    make_model: Callable[..., Any], shared_home: Any, tmp_path: Path
):
    source = (
        "import torch\n\nclass Net(torch.nn.Module):\n"
        "    def __init__(self, input_shape, output_size):\n        super().__init__()\n"
        "        self.weight = torch.nn.Parameter(torch.zeros(output_size))\n"
        "    def forward(self, inputs):\n"
        "        return torch.zeros(len(inputs), 2) + torch.tensor([{}]) + self.weight\n"
    )
    loaded = []
    for number, logits in enumerate(["5.0, 0.0", "0.0, 5.0"]):
        folder = tmp_path / f"recipe{number}"
        folder.mkdir()
        (folder / "recipe.py").write_text(source.format(logits))
        made = make_model(
            f"own{number}", steps=0, recipe_folder=folder, model={"kind": "custom", "ref": "recipe.py:Net"}
        )
        loaded.append(runs.load(shared_home, make_package(*made.inputs).model_uri))
    row = pd.DataFrame({"age": [30], "income": [3000], "member": [1], "region": ["north"]})
    # Twice and in turns: what was loaded last must not have replaced what was loaded first.
    answers = [model.predict(row)["prediction"].item() for model in (*loaded, *loaded)]
    assert answers == [0, 1, 0, 1]


def test_the_package_has_no_pickle_no_project_and_says_what_it_needs(stored: Any, shared_home: Any):
    folder = runs.local_files(shared_home, stored.model_uri)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {"", ".json", ".yaml", ".txt", ".py", ".safetensors"}
    assert not [path for path in files if path.read_bytes()[:1] == b"\x80"], "a pickle begins with this byte"
    for path in folder.rglob("*.py"):
        assert "from tasks" not in path.read_text().replace("from tasks.core.hashing", ""), path
    names = [line.partition("==")[0] for line in (folder / "requirements.txt").read_text().split()]
    assert sorted(names) == ["mlflow", "numpy", "pandas", "safetensors", "torch"]
    assert (folder / "input_example.json").is_file()


def test_no_row_of_the_data_is_in_the_package(made: Any, stored: Any, shared_home: Any):
    golden = json.loads(shared_home.path(stored.golden).read_text())
    real = {(round(row.age, 3), round(row.income, 3)) for row in made.frame.itertuples()}
    assert not real & {(row["age"], row["income"]) for row in golden["inputs"]}
    assert golden["inputs"][-1] == dict.fromkeys(FEATURES) and golden["inputs"][-2]["region"] == UNSEEN
    assert len(golden["outputs"]) == len(golden["inputs"]) == 18


def test_golden_rows_of_a_transform_that_imputes_nothing_have_no_gaps():
    state = {
        "kind": "tabular",
        "columns": ["x"],
        "numeric": [{"column": "x", "fill": None, "shift": 2.0, "scale": 0.5, "gaps": False}],
        "categorical": [],
        "impute": "none",
    }
    frame = golden_frame(state)
    assert frame["x"].notna().all() and frame["x"].astype(float).between(1, 3).all()


@pytest.mark.parametrize(("impute", "fill", "around"), [("constant", -999.0, 2.0), ("median", 7.0, 7.0)])
def test_golden_rows_lie_among_the_values_and_not_at_a_constant_far_from_them(impute, fill, around):
    entry = {"column": "x", "fill": fill, "shift": 2.0, "scale": 0.5, "gaps": False, "fences": None}
    state = {"kind": "tabular", "columns": ["x"], "numeric": [entry], "categorical": [], "impute": impute}
    values = golden_frame(state)["x"].dropna().astype(float)
    assert values.between(around - 1, around + 1).all() and len(values) == 17


def test_flipped_bits_in_the_weights_are_refused_when_loading(make_model: Callable[..., Any], shared_home: Any):
    uri = make_package(*make_model("flipped").inputs).model_uri
    weights = runs.local_files(shared_home, uri) / "artifacts" / "package" / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(Exception, match=r"The file weights.safetensors of the model flipped is damaged"):
        runs.load(shared_home, uri)


def test_a_version_carries_the_tags_of_its_origin(made: Any, stored: Any, shared_home: Any):
    found = stored
    tags = registry.version(shared_home, "toy", found.version).tags
    assert tags[registry.KEY] == made.context.key and tags[registry.DATASET] == made.versioned.version
    assert tags[registry.RECIPE] == made.context.recipe_hash and tags[registry.WEIGHTS] == made.trained.weights_sha256
    assert tags[registry.CONTENT] == found.content
    card = shared_home.path(found.card).read_text()
    assert made.versioned.version in card and f"models:/toy/{found.version}" in card


def test_verified_refuses_files_that_were_changed(make_model: Callable[..., Any], shared_home: Any):
    found = make_package(*make_model("touched").inputs)
    assert packaged.verified(shared_home, "touched", found.version).read("model.json")["name"] == "touched"
    scorer = runs.local_files(shared_home, found.model_uri) / "scorer.py"
    scorer.write_text(scorer.read_text() + "\n")
    with pytest.raises(Exception, match="are not those that were registered"):
        packaged.verified(shared_home, "touched", found.version)


def test_packaging_again_gives_the_same_version(made: Any, stored: Any, shared_home: Any):
    assert make_package(*made.inputs) == stored
    assert len(registry.versions(shared_home, "toy")) == 1


KILLED = """
import os, pickle, signal, sys
sys.path.insert(0, {root!r})
from tasks.stores import runs
from tasks.release import package
def die(*arguments, **named):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(runs, {where!r}, die)
package.make_package(*pickle.load(open({inputs!r}, "rb")))
"""


@pytest.mark.parametrize("where", ["register", pytest.param("content_hash", marks=pytest.mark.slow)])
def test_a_kill_beside_the_registration_leaves_one_version_after_a_rerun(
    make_model: Callable[..., Any], shared_home: Any, tmp_path: Path, root: Path, where: str
):
    import pickle

    name = f"killed-{where[0]}"
    made = make_model(name)
    inputs = tmp_path / "inputs.pickle"
    inputs.write_bytes(pickle.dumps((_without_function(made.context), *made.inputs[1:])))
    program = KILLED.format(root=str(root), where=where, inputs=str(inputs))
    killed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=dict(os.environ))
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    assert len(registry.versions(shared_home, name)) == (0 if where == "register" else 1)
    found = make_package(*made.inputs)
    assert [info.version for info in registry.versions(shared_home, name)] == [found.version] == ["1"]
    client = runs.open_tracking(shared_home)
    experiment = client.get_experiment_by_name(name).experiment_id
    assert len(client.search_logged_models([experiment])) == 1
    assert runs.load(shared_home, f"models:/{name}/1").predict(made.frame[FEATURES].head(2)).shape == (2, 3)


def _without_function(context: Any) -> Any:
    from dataclasses import replace

    return replace(context, progress=print)
