"""A table nobody prepared becomes a recipe that its own gates accept, and everything left out is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn import datasets

from tasks.core.errors import RequestError
from tasks.core.load import load_recipe
from tasks.validate.expectations import load_suite
from tasks.validate.infer import identified, infer, name_of
from tasks.validate.inference import Inference
from tasks.validate.judge import Judgement, judge
from tasks.validate.scaffold import Written, write_recipe

READER = {"kind": "csv", "path": "../messy.csv"}


def messy(rows: int = 600) -> pd.DataFrame:
    """Mixed types, blanks and words in numbers, an id, constants, dots and spaces in names."""
    random = np.random.default_rng(3)
    age = random.integers(18, 90, rows)
    weight = random.normal(75, 12, rows).round(1)
    frame = pd.DataFrame(
        {
            "Customer ID": [f"C-{number:06d}" for number in random.permutation(rows)],
            "Age (years)": age.astype(str),
            "body.weight": weight.astype(str),
            "income": random.lognormal(10, 1, rows).round(2),
            "constant": "same",
            "zero": 0,
            "empty": np.nan,
            "Unnamed: 7": range(rows),
            "remarks": [f"said {number} things, then left" for number in random.integers(0, 10**9, rows)],
            "member": random.choice([True, False], rows),
            "plan": random.choice(["basic", "plus", "pro"], rows),
            "signed up": pd.date_range("2023-01-01", periods=rows, freq="D").strftime("%d %b %Y"),
            "mixed": np.where(random.random(rows) < 0.3, "n.a.", random.normal(0, 1, rows).round(6).astype(str)),
            "churned?": np.where(weight + random.normal(0, 8, rows) > 77, "yes", "no"),
        }
    )
    frame["refund"] = np.where(frame["churned?"] == "yes", 25.0, 0.0)
    frame.loc[random.choice(rows, 40, replace=False), "Age (years)"] = ""
    frame.loc[random.choice(rows, 9, replace=False), "body.weight"] = "12 kg"
    frame.loc[random.choice(rows, 3, replace=False), "churned?"] = "unclear"
    frame.loc[random.choice(rows, 5, replace=False), "churned?"] = None
    return frame


def written(folder: Path, frame: pd.DataFrame, target: str) -> tuple[Inference, Written]:
    found = infer(frame, target)
    return found, write_recipe(folder / "new", found, frame, name_of("messy.csv"), READER, "messy.csv")


def rejudged(files: Written, frame: pd.DataFrame) -> Judgement:
    """What the data gates say of the recipe as it was written."""
    recipe = load_recipe(str(files.recipe)).recipe
    rows = identified(frame.rename(columns=str), recipe.data.target, recipe.data.id)
    return judge(rows, recipe, load_suite(files.expectations), 0)


@pytest.fixture(scope="module")
def found() -> Inference:
    return infer(messy(), "churned?")


def test_a_messy_table_becomes_a_recipe_that_its_gates_accept(tmp_path: Path) -> None:
    frame = messy()
    _, files = written(tmp_path, frame, "churned?")
    judgement = rejudged(files, frame)
    assert [gate.reason for gate in judgement.gates if gate.blocks] == []
    assert {reason for reasons in judgement.reasons.values() for reason in reasons} == {
        "body.weight: not a number",
        "churned?: must be one of no, yes",
    }


def test_each_column_gets_a_role_and_a_reason(found: Inference) -> None:
    assert (found.problem, found.id, found.time) == ("classification", "Customer ID", "signed up")
    assert found.labelled == 595
    assert found.classes == ("no", "yes")
    assert {name: feature.kind for name, feature in found.declared.items()} == {
        "Age (years)": "numeric",
        "body.weight": "numeric",
        "constant": "drop",
        "zero": "drop",
        "empty": "drop",
        "Unnamed: 7": "drop",
        "remarks": "drop",
        "mixed": "drop",
        "refund": "drop",
    }


def test_everything_left_out_is_said(found: Inference) -> None:
    said = "\n".join(found.notes)
    for sentence in (
        "Left out: the column 'refund' alone gives the target 'churned?' away",
        "Left out: 'constant', 'zero', because it is constant.",
        "Left out: 'Unnamed: 7', because it counts the rows.",
        "Left out: 'remarks', because nearly every row has its own text.",
        "Left out: 'mixed', because it mixes numbers with text",
        "'body.weight' is taken as numbers; 9 rows with something else in it go to quarantine.",
        "Too few rows to learn from: 'unclear'",
        "Rows are known by 'Customer ID'.",
    ):
        assert sentence in said
    assert "12 kg" not in said and "C-0" not in said


def test_the_written_recipe_reads_like_one(tmp_path: Path) -> None:
    _, files = written(tmp_path, messy(), "churned?")
    text = files.recipe.read_text()
    assert '    "Age (years)": {kind: numeric}  # its numbers are stored as text' in text
    assert "    body.weight: {kind: numeric}  # 9 filled cells are not numbers" in text
    assert '  target: "churned?"' in text and "name: messy" in text
    assert max(len(line) for line in text.splitlines()) <= 130
    card = files.card.read_text()
    assert "| refund | float64 | left out: it gives the target away | 2 | none |" in card
    assert "12 kg" not in card and "## Questions for you" in card


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    frame = messy()
    found, files = written(tmp_path, frame, "churned?")
    before = files.recipe.read_bytes()
    with pytest.raises(RequestError, match=r"recipe\.yaml is there already") as caught:
        write_recipe(tmp_path / "new", found, frame, "messy", READER, "messy.csv")
    assert "--out" in caught.value.remedy and files.recipe.read_bytes() == before


def test_the_same_table_gives_the_same_files(tmp_path: Path) -> None:
    one, two = (written(tmp_path / name, messy(), "churned?")[1] for name in ("one", "two"))
    assert [path.read_bytes() for path in (one.recipe, one.expectations, one.card)] == [
        path.read_bytes() for path in (two.recipe, two.expectations, two.card)
    ]


@pytest.mark.parametrize(
    ("name", "target", "problem"),
    [
        ("digits", "target", "classification"),
        ("breast_cancer", "target", "classification"),
        ("diabetes", "target", "regression"),
        ("iris", "target", "classification"),
        ("wine", "target", "classification"),
    ],
)
def test_clean_real_data_lose_no_column_but_constants(tmp_path: Path, name: str, target: str, problem: str) -> None:
    frame = getattr(datasets, f"load_{name}")(as_frame=True).frame
    found, files = written(tmp_path, frame, target)
    assert found.problem == problem
    assert {column.why for column in found.columns if column.role == "drop"} <= {"it is constant"}
    assert [gate.reason for gate in rejudged(files, frame).gates if gate.blocks] == []


def test_the_hourly_bikes_lose_the_two_columns_whose_sum_is_the_target(tmp_path: Path, shared_data: Path) -> None:
    frame = pd.read_csv(shared_data / "bike_sharing" / "hour.csv")
    found, files = written(tmp_path, frame, "cnt")
    assert [name for name, feature in found.declared.items() if feature.kind == "drop"] == ["casual", "registered"]
    assert any("'casual' and 'registered' together give the target 'cnt' away" in note for note in found.notes)
    assert [gate.reason for gate in rejudged(files, frame).gates if gate.blocks] == []


def test_white_wine_marks_are_a_quantity(shared_data: Path) -> None:
    found = infer(pd.read_csv(shared_data / "wine_quality" / "wine-quality.csv"), "quality")
    assert found.problem == "regression"
    assert "937 rows repeat an earlier row exactly." in found.notes


def test_copies_under_different_ids_are_announced() -> None:
    random = np.random.default_rng(0)
    once = pd.DataFrame(random.normal(size=(300, 6)), columns=list("abcdef"))
    once["y"] = once["a"] * 2 + random.normal(size=300)
    frame = pd.concat([once, once], ignore_index=True)
    frame.insert(0, "order id", random.permutation(600))
    said = infer(frame, "y").notes
    assert any(note.startswith("As the data are, the gate leakage will stop a run: ") for note in said)
    assert "300 rows repeat an earlier row exactly." in said


@pytest.mark.parametrize(
    ("frame", "target", "message", "remedy"),
    [
        (pd.DataFrame({"a": [1, 2]}), "b", "no column 'b'", "The columns are 'a'."),
        (pd.DataFrame({"quality": [1, 2]}), "qualty", "no column 'qualty'", "Did you mean 'quality'?"),
        (pd.DataFrame({"7.4": [1], "0.7": [2]}), "quality", "no column", "no header line"),
        (pd.DataFrame({"a": []}), "a", "have no rows", "holds data"),
        (pd.DataFrame({"a": [None, None]}), "a", "'a' is empty", "--target"),
        (pd.DataFrame({"a": [1, 1]}), "a", "the same value in every row", "--target"),
        (pd.DataFrame({"a": [1, 2], "batch": [1, 2]}), "a", "have a column 'batch'", "Rename"),
        (pd.DataFrame({"a": [1, 2] * 9, "row id": range(18), "x": 7}), "a", "'a' from: 'row id' (it ", "Add columns"),
        (pd.DataFrame({"a": [1, 2] * 9}), "a", "no other column", "Add columns"),
        (pd.DataFrame({"a": [1.0, np.inf, 1.0, -np.inf]}), "a", "fewer than two different finite", "--target"),
        (pd.DataFrame({"a": [f"name {n}" for n in range(90)]}), "a", "neither a class nor a quantity", "--target"),
    ],
)
def test_a_target_that_cannot_be_learned_is_one_sentence(
    frame: pd.DataFrame, target: str, message: str, remedy: str
) -> None:
    with pytest.raises(RequestError) as caught:
        infer(frame, target)
    assert message in caught.value.message and remedy in caught.value.remedy


def test_names_that_look_like_references_are_names(tmp_path: Path) -> None:
    frame = pd.DataFrame({"${id}": [f"r{number}" for number in range(60)], "${x}": "1", "a": range(60)})
    frame["${y}"] = np.resize(["yes", "no"], 60)
    recipe = load_recipe(str(written(tmp_path, frame, "${y}")[1].recipe)).recipe
    assert (recipe.data.target, recipe.data.id) == ("${y}", "${id}")
    assert set(recipe.data.features) == {"${x}"}


def test_stray_words_do_not_hide_that_a_column_knows_the_answer() -> None:
    sides = np.resize([1.0, -1.0], 300)
    frame = pd.DataFrame({"x": np.random.default_rng(4).normal(size=300), "answer": sides.astype(object)})
    frame["y"] = np.where(sides > 0, "yes", "no")
    frame.loc[[10, 11, 12], "answer"] = "unknown"
    found = infer(frame, "y")
    assert {column.name for column in found.columns if column.role == "drop"} == {"answer"}
    assert not [gate.name for gate in found.gates if gate.blocks]


def test_a_target_with_infinities_is_a_quantity() -> None:
    random = np.random.default_rng(3)
    frame = pd.DataFrame({"x": random.normal(size=200), "y": random.normal(size=200)})
    frame.loc[::8, "y"] = np.inf
    found = infer(frame, "y")
    assert found.problem == "regression"
    assert found.set_aside == 0.125


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Claims 2024 (final).csv", "claims-2024-final"),
        ("7 samples.tsv.gz", "data-7-samples"),
        ("Größe.parquet", "gr-e"),
        ("???.csv", "data"),
        ("x" * 99 + ".csv", "x" * 63),
    ],
)
def test_a_file_name_becomes_a_model_name(file: str, name: str) -> None:
    assert name_of(file) == name


CELLS: dict[str, Callable[[Any], st.SearchStrategy[Any]]] = {
    "number": lambda draw: st.floats(-1e6, 1e6) | st.none(),
    "integer": lambda draw: st.integers(-5, 5),
    "label": lambda draw: st.sampled_from(["red", "green", "", None]),
    "word": lambda draw: st.text(max_size=12) | st.none(),
    "mixed": lambda draw: st.sampled_from(["1", "2.5", "x", "", "1e3", "inf", None]),
    "flag": lambda draw: st.booleans() | st.none(),
    "day": lambda draw: st.dates().map(str) | st.none(),
}


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_table_gives_a_recipe_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    rows = data.draw(st.integers(1, 80))
    names = data.draw(st.lists(st.text(min_size=1, max_size=9), min_size=2, max_size=6, unique=True))
    frame = pd.DataFrame(
        {
            name: data.draw(
                st.lists(CELLS[data.draw(st.sampled_from(sorted(CELLS)))](None), min_size=rows, max_size=rows)
            )
            for name in names
        }
    )
    folder = tmp_path_factory.mktemp("any")
    try:
        found, files = written(folder, frame, names[0])
    except RequestError:
        return
    recipe = load_recipe(str(files.recipe)).recipe
    assert recipe.data.target == names[0]
    assert set(recipe.data.features) == set(found.declared)
    json.loads(files.expectations.read_text())
