"""What follows from the data is said in words, with names and numbers, and without a row's value."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

from tasks.core.recipe import Recipe
from tasks.explore.columns import Table, describe, read_table
from tasks.explore.findings import findings
from tasks.explore.page import dataset_page
from tasks.explore.relations import relate
from tasks.explore.words import tell


def explored(frame: pd.DataFrame, problem: str = "classification", **data: Any) -> tuple[Table, str, str]:
    """The table, the findings as one text and the page of a frame without row_id and batch."""
    reader = {"kind": "csv", "path": "rows.csv"}
    values = {"name": "some", "problem": problem, "data": {"reader": reader, "target": "y", **data}}
    recipe = Recipe.model_validate_json(json.dumps(values))
    frame = frame.copy()
    frame.insert(0, "row_id", [f"{number:032x}" for number in range(len(frame))])
    frame.insert(1, "batch", np.zeros(len(frame), dtype=np.int64))
    table = read_table(frame, recipe.data, problem)
    described = {name: describe(values) for name, values in table.numeric.items()}
    if problem == "regression":
        described["y"] = describe(table.target)
    relations = relate(table)
    told = tell(frame, table, recipe.data, recipe.transforms.text)
    found = findings(table, described, relations, told)
    page = dataset_page("some", "0" * 32, table, described, relations, told, found).html()
    return table, "\n".join(found), page


@pytest.fixture
def numbers() -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame(random.normal(size=(300, 3)), columns=["a", "b", "c"]).assign(y=["no", "yes"] * 150)


def test_tumours_redundant_measurements_and_strongest_ones_are_named():
    bunch = datasets.load_breast_cancer(as_frame=True)
    frame = bunch.frame.rename(columns=lambda name: name.replace(" ", "_")).drop(columns="target")
    _, words, page = explored(frame.assign(y=bunch.target_names[bunch.target]))
    assert "class malignant has 212 of 569 rows (37.3 %), class benign 357" in words
    assert "Most related to y: worst_concave_points (r = 0.79)" in words
    assert "mean_area, mean_perimeter, mean_radius, worst_area, worst_perimeter and worst_radius carry much" in words
    assert "Long tails: area_error (skewness 5.4)" in words
    assert page.count("Histogram of ") == 30
    assert "Box plots of worst_concave_points by y" in page
    assert "Correlations of the features and the target" in page


def test_digits_are_one_image_feature_with_mean_images_not_sixty_four_histograms():
    bunch = datasets.load_digits()
    columns = [f"pixel_{row}_{column}" for row in range(8) for column in range(8)]
    frame = pd.DataFrame(bunch.data, columns=columns).assign(y=bunch.target)
    table, words, page = explored(frame, features={"pixel": {"kind": "image", "size": [8, 8]}})
    assert table.images["pixel"].shape == (1797, 8, 8)
    assert table.numeric == {}
    assert "The classes are balanced: from 174 to 183 rows each." in words
    assert "3 of the 64 pixels of pixel are the same in every image." in words
    assert "look most alike" in words
    assert "Mean pixel of each class" in page
    assert page.count("Histogram of ") == 1
    assert page.count("data:image/png;base64,") == 10 + 30 + 1


def test_a_pair_that_repeats_itself_is_named_with_its_correlation(numbers: pd.DataFrame):
    _, words, _ = explored(numbers.assign(d=-2 * numbers["a"]))
    assert "a and d carry the same information (r = -1.00): consider dropping one, by hand or" in words


def test_missing_constant_and_empty_columns_are_named(numbers: pd.DataFrame):
    numbers.loc[:99, "b"] = np.nan
    _, words, page = explored(numbers.assign(k=0.1, e=np.nan, f=pd.Series([None] * 300, dtype=object)))
    assert "Values are missing in b (33.3 %)" in words
    assert "k holds one value only" in words
    assert "e and f hold no value at all" in words
    assert "Missing values in 3 columns" in page


def test_rare_classes_are_named_with_what_to_do(numbers: pd.DataFrame):
    _, words, _ = explored(numbers.assign(y=np.where(np.arange(300) < 9, "fraud", "fine")))
    assert "class fraud has 9 of 300 rows (3 %)" in words
    assert "training.class_weights: balanced" in words


def test_a_feature_that_gives_the_answer_away_is_named(numbers: pd.DataFrame):
    _, words, _ = explored(numbers.assign(b=(numbers["y"] == "yes") * 1.0))
    assert "b almost settles y by itself (r = 1.000)" in words
    _, words, _ = explored(numbers.assign(text=numbers["y"] + "!"))
    assert "text almost settles y by itself (strength = 1.000)" in words


def test_an_identifier_and_too_many_columns_are_named(numbers: pd.DataFrame):
    frame = numbers.assign(who=[f"person {number}" for number in range(300)])
    _, words, page = explored(frame.iloc[:30])
    assert "who has 30 values in 30 rows, as an identifier has" in words
    assert "30 labelled rows for 4 features" in words
    assert "person" not in page
    assert "person" not in words


def test_a_category_of_few_rows_is_not_named_on_the_page(numbers: pd.DataFrame):
    town = np.where(np.arange(300) < 4, "tiny village", "city")
    _, _, page = explored(numbers.assign(town=town))
    assert "tiny village" not in page
    assert "city" in page


def test_unlabelled_rows_are_counted_and_left_out_of_relations(numbers: pd.DataFrame):
    numbers.loc[:49, "y"] = None
    table, words, _ = explored(numbers)
    assert "50 of 300 rows have no y" in words
    assert int(table.labelled.sum()) == 250


def test_a_skewed_target_of_a_regression_is_named(numbers: pd.DataFrame):
    _, words, page = explored(numbers.assign(y=np.exp(3 * numbers["a"])), "regression")
    assert "The target y is skewed" in words
    assert "Scatter plot of a and y" in page


def test_five_hundred_columns_are_bounded_and_the_page_says_so():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(400, 500)), columns=[f"f{number}" for number in range(500)])
    _, _, page = explored(frame.assign(y=["no", "yes"] * 200))
    assert page.count("Histogram of ") == 30
    assert "the 30 of 500 numeric columns most related to the target are drawn" in page
    assert len(page) < 1_500_000


@pytest.mark.parametrize("problem", ["classification", "regression"])
@pytest.mark.parametrize(
    "columns",
    [
        {"a": [], "y": []},
        {"a": [1.0], "y": [2.0]},
        {"a": [1.0, 2.0], "y": [np.nan, np.nan]},
        {"a": ["p", "q", None], "y": [0, 1, 1]},
        {"a": [np.nan] * 3, "y": [0, 1, 1]},
        {"a": [np.inf, 1.0, -np.inf], "y": [0, 1, 1]},
        {"a": [1e200, 1.0, -1e308], "y": [0, 1, 1]},
        {"a": [True, False, True], "y": [0.0, 1.0, np.nan]},
        {"y": [0, 1, 1]},
    ],
    ids=["empty", "one_row", "unlabelled", "text", "all_missing", "infinite", "huge", "truth_values", "no_features"],
)
@pytest.mark.filterwarnings("error")
def test_odd_data_still_give_a_page(problem: str, columns: dict[str, list[Any]]):
    _, _, page = explored(pd.DataFrame(columns), problem)
    assert page.endswith("</html>\n")
    assert "What follows" in page


def test_findings_and_page_are_the_same_each_time(numbers: pd.DataFrame):
    assert explored(numbers)[1:] == explored(numbers)[1:]


def test_data_without_a_target_are_described_by_themselves(numbers):
    frame = numbers.assign(twin=2 * numbers["a"], third=-numbers["a"], kind=["x", "y", "z"] * 100)
    table, words, page = explored(frame, "reconstruction", target=None, features={"y": {"kind": "drop"}})
    assert table.target_name == "" and table.labelled.all() and set(table.numeric) == {"a", "b", "c", "twin", "third"}
    assert "a, third and twin carry much the same information" in words and "consider keeping one of them." in words
    assert "target" not in page and "labelled" not in page and "None" not in words
    for heading in ("Distributions", "Correlations", "Categories", "All columns"):
        assert heading in page


def test_images_without_a_target_are_shown_without_labels():
    digits = datasets.load_digits()
    columns = [f"pixel_{row}_{column}" for row in range(8) for column in range(8)]
    feature = {"pixel": {"kind": "image", "size": [8, 8]}}
    table, words, page = explored(
        pd.DataFrame(digits.data, columns=columns), "reconstruction", target=None, features=feature
    )
    assert list(table.images) == ["pixel"] and "Some of the images" in page
    assert "Mean image of each class" not in page and "target" not in page and "look most alike" not in words
