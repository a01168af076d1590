"""What a recipe of a reconstruction may say, and one sentence for what makes no sense there."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
from pydantic import ValidationError

from tasks.core.recipe import COMPARED, METRICS, SMALLER_IS_BETTER, Recipe
from tasks.core.reconstruction import AUTOENCODERS
from tasks.core.truth import has_truth, truth_of

IMAGE = {"photo": {"kind": "image", "size": [4, 4]}}


def recipe(data: dict[str, Any] | None = None, **sections: Any) -> Recipe:
    reader = {"kind": "csv", "path": "x.csv"}
    values = {"name": "odd", "problem": "reconstruction", "data": {"reader": reader, **(data or {})}, **sections}
    return Recipe.model_validate_json(json.dumps(values))


def test_name_problem_and_data_are_enough_and_an_autoencoder_is_taken():
    found = recipe()
    assert found.model.kind == "autoencoder" and found.data.target is None and found.metric == "mae"
    assert Recipe.model_validate_json(found.model_dump_json()) == found
    for kind in AUTOENCODERS:
        assert recipe(model={"kind": kind, "latent": 3}).model.kind == kind
    assert recipe(IMAGE and {"features": IMAGE}, transforms={"augment": {"shift": 1}}).model.kind == "autoencoder"


def test_every_problem_has_metrics_it_is_decided_by_and_errors_are_better_smaller():
    assert set(COMPARED) == set(METRICS) == {"classification", "regression", "reconstruction"}
    assert all(set(COMPARED[problem]) <= set(METRICS[problem]) for problem in COMPARED)
    assert set(METRICS["reconstruction"]) <= SMALLER_IS_BETTER


@pytest.mark.parametrize(
    ("data", "sections", "says"),
    [
        ({"target": "y"}, {}, "data.target: problem is reconstruction, which predicts no column; leave 'y' out"),
        ({}, {"problem": "classification"}, "data.target: problem is classification, which predicts a column; name it"),
        ({}, {"problem": "regression"}, "data.target: problem is regression, which predicts a column; name it"),
        (
            {"target": "y"},
            {"problem": "regression", "model": {"kind": "autoencoder"}},
            "model.kind: autoencoder needs problem: reconstruction",
        ),
        (
            {},
            {"model": {"kind": "mlp"}},
            "model.kind: mlp predicts a target; for a reconstruction choose autoencoder, conv_autoencoder",
        ),
        (
            {"features": {"note": {"kind": "text"}}},
            {},
            "data.features.note is a text, and only numbers, categories and",
        ),
        ({"features": {"s": {"kind": "series", "length": 5}}}, {}, "data.features.s is a series, and only numbers"),
        (
            {"time": "hour", "windows": {"columns": ["load"], "length": 4}},
            {},
            "data.features.past is a series, and only numbers, categories and images are reconstructed",
        ),
        (
            {},
            {"transforms": {"balance": "smote"}},
            "transforms.balance evens out classes, and problem is reconstruction",
        ),
        (
            {},
            {"transforms": {"select": {"kind": "importance", "keep": 2}}},
            "transforms.select: importance asks what columns tell about a target, and there is none; use redundancy",
        ),
        ({}, {"training": {"class_weights": "balanced"}}, "training.class_weights needs classes, and problem is recon"),
        ({}, {"training": {"label_smoothing": 0.1}}, "training.label_smoothing needs classes, and problem is recon"),
        (
            {},
            {"training": {"loss": "focal"}},
            "training.loss: focal needs problem: classification; choose one of mse, mae, huber",
        ),
        (
            {},
            {"training": {"loss": "quantile"}},
            "training.loss: quantile needs problem: regression; choose one of mse",
        ),
        (
            {},
            {"gates": {"thresholds": {"accuracy": 0.9}}},
            "'accuracy' is not a metric of reconstruction; choose one of mae",
        ),
        (
            {},
            {"gates": {"promotion": {"metric": "r2"}}},
            "'r2' is not a metric of reconstruction; choose one of mae, rmse",
        ),
        (
            {},
            {"tuning": {"space": {"transforms.scale": {"kind": "choice", "choices": ["standard", "minmax"]}}}},
            "transforms.scale changes the unit that a reconstruction is measured in; leave it out",
        ),
        (
            {},
            {"tuning": {"metric": "roc_auc"}},
            "tuning.metric: 'roc_auc' is not a metric here; choose validation_loss or",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(data, sections, says):
    with pytest.raises(ValidationError) as caught:
        recipe(data, **sections)
    assert says in caught.value.errors()[0]["msg"]


def test_the_truth_about_a_row_is_its_target_or_an_error_of_0():
    frame = pd.DataFrame({"y": [3.0, None]}, index=[7, 9])
    assert truth_of(frame, "y") is frame["y"] or truth_of(frame, "y").equals(frame["y"])
    assert truth_of(frame, None).to_dict() == {7: 0.0, 9: 0.0}
    assert has_truth(frame, "y").to_dict() == {7: True, 9: False}
    assert has_truth(frame, "absent").to_dict() == {7: False, 9: False}
    assert has_truth(frame, None).to_dict() == {7: True, 9: True}
    assert len(has_truth(frame[:0], None)) == 0
