"""What class_coverage says of a class that chance has left off one side of the split."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tasks.core.recipe import Data
from tasks.validate.candidate import candidate_of
from tasks.validate.volume import class_coverage


@pytest.mark.parametrize(
    ("split", "missing", "told"),
    [({}, "test", True), ({}, "validation", True), ({"kind": "time"}, "test", False), ({}, "train", False)],
)
def test_that_chance_drew_the_sides_is_said_where_it_did(split, missing, told):
    reader = {"kind": "csv", "path": "x.csv"}
    data = Data.model_validate({"reader": reader, "target": "y", "time": "day", "split": split})
    frame = pd.DataFrame({"x": np.arange(90.0), "day": np.arange(90), "y": np.repeat(["common", "rare"], [60, 30])})
    others = [side for side in ("train", "validation", "test") if side != missing]
    sides = pd.Series(["train", "validation", "test"] * 20 + others * 15)
    gate = class_coverage(candidate_of(frame, data, "classification"), sides, 5)
    what = "fewer than 5 training rows" if missing == "train" else f"no {missing} row"
    assert gate.state == "failed" and gate.reason.startswith(f"class 'rare' has {what}")
    assert gate.reason.endswith("so bring more rows of such classes.") == told
    # One sentence, however it ends.
    assert gate.reason.count(".") == 1
