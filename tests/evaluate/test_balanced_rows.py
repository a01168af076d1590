"""A model trained on evened-out classes is judged in the world as it is, by rows of the dataset alone."""

from __future__ import annotations

import pandas as pd
import pytest

KINDS = ["oversample", "undersample", "smote"]


@pytest.mark.parametrize("how", KINDS)
def test_neither_the_baseline_nor_the_predictions_know_made_rows(stage_scene, short_recipe, labelled_rows, how):
    rare = labelled_rows["y"].eq("yes") & (labelled_rows.index % 4 != 0)
    frame = labelled_rows[~rare].reset_index(drop=True)
    scene = stage_scene({**short_recipe, "transforms": {"balance": how}}, frame)
    assert scene.prepared.synthetic > 0 or how == "undersample"
    evaluated = scene.evaluate()
    said = pd.read_parquet(scene.context.home.path(evaluated.predictions))
    assert "synthetic" not in said and said["row_id"].isin(frame["row_id"]).all() and said["row_id"].is_unique
    held_out = frame[~frame["row_id"].isin(said["row_id"])]
    assert len(held_out) == len(frame) - len(said)
    # The constant that knows the classes' shares among the dataset's own training rows, whatever was done to them.
    share = held_out["y"].eq("yes").mean()
    test = said[said["split"] == "test"]["target"].eq("yes")
    assert 0.1 < share < 0.4
    assert evaluated.baseline["brier"] == pytest.approx(float(((test - share) ** 2).mean()))
