"""A whole evaluation of real small models: what is written, what the gates say, and who catches which fault."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import metrics as reference

from tasks.core.contracts import Evaluated, from_json, to_json
from tasks.core.errors import RequestError

States = dict[str, str]


def states(evaluated: Evaluated) -> States:
    return {gate.name: gate.state for gate in evaluated.gates}


def test_predictions_metrics_and_page_agree(stage_scene, short_recipe, labelled_rows):
    scene = stage_scene(short_recipe, labelled_rows).with_gates(thresholds={"accuracy": 0.7})
    evaluated = scene.evaluate()
    frame = pd.read_parquet(scene.context.home.path(evaluated.predictions))
    assert list(frame.columns) == [
        "row_id",
        "batch",
        "split",
        "target",
        "prediction",
        "probability_no",
        "probability_yes",
    ]
    assert frame["row_id"].is_monotonic_increasing
    assert frame["split"].value_counts().to_dict() == {
        name: scene.prepared.rows[name] for name in ("test", "validation")
    }
    truth = labelled_rows.set_index("row_id")["y"]
    assert (frame["target"].to_numpy() == truth.loc[frame["row_id"]].to_numpy()).all()
    for split in ("validation", "test"):
        part = frame[frame["split"] == split]
        assert evaluated.metrics[split]["accuracy"] == pytest.approx((part["target"] == part["prediction"]).mean())
        expected = reference.roc_auc_score(part["target"] == "yes", part["probability_yes"])
        assert evaluated.metrics[split]["roc_auc"] == pytest.approx(expected)
    assert evaluated.undefined == {"top_3": "on the test rows: each of 2 classes is among the first three"}
    assert states(evaluated) == {"finite": "passed", "beats_baseline": "passed", "thresholds": "passed"}
    page = scene.report()
    assert "Confusion matrix" in page
    assert "Most common confusion" in page
    assert "region = south" in page  # a dropped column is sliced by as well
    assert "Widest gap between slices: region = north" in page


def test_the_same_inputs_give_the_same_bytes(stage_scene, short_recipe, labelled_rows):
    scene = stage_scene(short_recipe, labelled_rows)
    first = scene.evaluate()
    bytes_before = [scene.context.home.path(name).read_bytes() for name in (first.report, first.predictions)]
    assert scene.evaluate() == first
    assert [scene.context.home.path(name).read_bytes() for name in (first.report, first.predictions)] == bytes_before


def test_no_value_of_a_row_is_in_the_contract_and_only_ids_are_on_the_page(stage_scene, short_recipe, labelled_rows):
    labelled_rows["name"] = [f"person {number}" for number in range(len(labelled_rows))]
    short_recipe["data"]["features"]["name"] = {"kind": "drop"}
    scene = stage_scene(short_recipe, labelled_rows)
    evaluated = scene.evaluate()
    assert "person" not in json.dumps([gate.evidence for gate in evaluated.gates])
    assert "person" not in scene.report()


def _useless(weights: dict[str, torch.Tensor]) -> None:
    """Every row gets the same outputs: the last layer sees nothing."""
    last = max(name for name in weights if name.endswith("weight"))
    weights[last].zero_()


def _not_a_number(weights: dict[str, torch.Tensor]) -> None:
    weights[next(name for name in sorted(weights) if name.endswith("weight"))][0, 0] = float("nan")


def test_a_model_that_learned_nothing_is_stopped_by_beats_baseline_alone(stage_scene, short_recipe, labelled_rows):
    evaluated = stage_scene(short_recipe, labelled_rows).change_weights(_useless).evaluate()
    assert states(evaluated) == {"finite": "passed", "beats_baseline": "failed", "thresholds": "skipped"}


def test_a_model_below_its_threshold_is_stopped_by_thresholds_alone(stage_scene, short_recipe, labelled_rows):
    scene = stage_scene(short_recipe, labelled_rows).with_gates(thresholds={"accuracy": 0.999, "log_loss": 9.0})
    evaluated = scene.evaluate()
    assert states(evaluated) == {"finite": "passed", "beats_baseline": "passed", "thresholds": "failed"}
    assert re.search(r"accuracy is 0\.\d+, below 0\.999", evaluated.gates[2].reason)


SPARE = """
import torch
from torch import nn


class Spare(nn.Module):
    \"\"\"A linear model with a parameter that no output depends on.\"\"\"

    def __init__(self, input_shape, output_size):
        super().__init__()
        self.layer = nn.Linear(input_shape[0], output_size)
        self.unused = nn.Parameter(torch.zeros(3))

    def forward(self, rows):
        return self.layer(rows)
"""


def test_a_damaged_weight_that_no_output_shows_is_stopped_by_finite_alone(
    stage_scene, short_recipe, labelled_rows, tmp_path
):
    (tmp_path / "recipe.py").write_text(SPARE)
    short_recipe["model"] = {"kind": "custom", "ref": "recipe.py:Spare"}
    scene = stage_scene(short_recipe, labelled_rows).with_gates(thresholds={"accuracy": 0.7})
    evaluated = scene.change_weights(lambda weights: weights["unused"].fill_(float("inf"))).evaluate()
    assert states(evaluated) == {"finite": "failed", "beats_baseline": "passed", "thresholds": "passed"}
    assert evaluated.gates[0].evidence["not_finite"] == {"unused": 3}
    assert "3 numbers in unused are NaN or infinite" in evaluated.gates[0].reason


def test_outputs_that_are_not_numbers_leave_no_metric_and_pass_no_gate(stage_scene, short_recipe, labelled_rows):
    scene = stage_scene(short_recipe, labelled_rows).with_gates(thresholds={"accuracy": 0.1})
    evaluated = scene.change_weights(_not_a_number).evaluate()
    assert states(evaluated) == {"finite": "failed", "beats_baseline": "error", "thresholds": "error"}
    assert evaluated.metrics == {"validation": {}, "test": {}}
    assert "not finite" in evaluated.undefined["accuracy"]
    assert "undefined" in scene.report()


def test_weights_of_another_network_are_refused_in_one_sentence(stage_scene, short_recipe, labelled_rows):
    scene = stage_scene(short_recipe, labelled_rows)
    scene.change_weights(lambda weights: weights.pop(sorted(weights)[0]))
    with pytest.raises(RequestError, match="do not fit the network that model describes"):
        scene.evaluate()


def test_a_regression_is_scored_in_the_unit_of_its_target(stage_scene, short_recipe, labelled_rows):
    labelled_rows["y"] = 1000 + 50 * (labelled_rows["first"] - labelled_rows["second"])
    scene = stage_scene({**short_recipe, "problem": "regression"}, labelled_rows)
    evaluated = scene.evaluate()
    frame = pd.read_parquet(scene.context.home.path(evaluated.predictions))
    truth = labelled_rows.set_index("row_id")["y"].loc[frame["row_id"]].to_numpy()
    assert (frame["target"].to_numpy() == truth).all()
    test = frame[frame["split"] == "test"]
    assert evaluated.metrics["test"]["mae"] == pytest.approx(np.abs(test["prediction"] - test["target"]).mean())
    assert states(evaluated)["beats_baseline"] == "passed"
    assert 50 < evaluated.baseline["rmse"] < 100
    assert "Residuals" in scene.report()


def test_whole_number_labels_stay_whole_numbers_and_images_are_drawn(stage_scene, short_recipe):
    random = np.random.default_rng(0)
    labels = np.arange(180) % 3
    pixels = random.normal(0, 0.4, (180, 4, 4))
    pixels[np.arange(180), labels] += 2  # the bright line says the class
    frame = pd.DataFrame(
        pixels.reshape(180, 16), columns=[f"p_{row}_{column}" for row in range(4) for column in range(4)]
    )
    frame.insert(0, "row_id", [f"{number:032x}" for number in range(180)])
    frame.insert(1, "batch", 0)
    labels[:30] = (labels[:30] + 1) % 3  # some are labelled wrongly, so that there are mistakes to show
    values: dict[str, Any] = {**short_recipe, "data": {"features": {"p": {"kind": "image", "size": [4, 4]}}}}
    scene = stage_scene(values, frame.assign(y=labels))
    evaluated = scene.evaluate()
    predictions = pd.read_parquet(scene.context.home.path(evaluated.predictions))
    assert predictions["prediction"].dtype == predictions["target"].dtype == np.int64
    assert scene.report().count("data:image/png;base64,") >= 1
    assert states(evaluated)["beats_baseline"] == "passed"


def test_the_stage_logs_metrics_and_the_page_to_its_run(stage_scene, short_recipe, labelled_rows):
    from dataclasses import replace

    from tasks.evaluate.stage import evaluate
    from tasks.stores import runs

    scene = stage_scene(short_recipe, labelled_rows)
    run_id = runs.start_run(scene.context.home, "small", "key", {}, {})
    trained = replace(scene.trained, run_id=run_id)
    evaluated = evaluate(scene.context, scene.versioned, scene.prepared, trained)
    run = runs.open_tracking(scene.context.home).get_run(run_id)
    assert run.data.metrics["test_accuracy"] == pytest.approx(evaluated.metrics["test"]["accuracy"])
    assert run.data.metrics["baseline_accuracy"] == pytest.approx(evaluated.baseline["accuracy"])
    assert run.data.tags["evergreen.diagnosis"] == evaluated.diagnosis["verdict"]
    assert evaluated.diagnosis["finding"] in scene.report()
    assert evaluated.diagnosis["evidence"]["guess_loss"] == pytest.approx(np.log(2), abs=0.05)
    assert from_json(Evaluated, to_json(evaluated)) == evaluated
    found = [item.path for item in runs.open_tracking(scene.context.home).list_artifacts(run_id, "reports")]
    assert found == ["reports/evaluation.html"]
