"""Autoencoders through every stage of the life cycle, on real rows without labels, up to a second champion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_digits

from flows.monitoring import monitor
from tasks.core.load import load_recipe
from tasks.metrics.classification import binary_roc_auc
from tasks.release.rescoring import shared_units
from tasks.serve.batch import predict_file
from tasks.stores import registry, runs
from tasks.stores.packaged import verified
from tasks.transforms.units import units
from tests.flows.carrying_out import carried_out

CELLS = """\
name: cells
problem: reconstruction
data:
  reader: {kind: csv, path: rows.csv}
  time: day
  split: {kind: time, validation: 0.15, test: 0.2}
training: {epochs: 40, batch_size: 32, optimizer: {kind: adamw, lr: 0.005}}
gates: {thresholds: {mae: 0.6}}
"""
SHAPES = """\
name: shapes
problem: reconstruction
data:
  reader: {kind: csv, path: rows.csv}
  features: {pixel: {kind: image, size: [8, 8]}}
transforms: {scale: minmax}
model: {kind: conv_autoencoder, channels: [16, 32], latent: 12}
training: {epochs: 10, batch_size: 64, optimizer: {kind: adamw, lr: 0.005}}
gates: {promotion: {metric: rmse}}
"""


def cells() -> pd.DataFrame:
    """Features of cell nuclei, without their diagnosis, in an order that stands for time."""
    frame = load_breast_cancer(as_frame=True).data
    return frame.assign(day=np.random.default_rng(0).permutation(len(frame)))


def digits() -> pd.DataFrame:
    return pd.DataFrame(
        load_digits().data, columns=[f"pixel_{row}_{column}" for row in range(8) for column in range(8)]
    )


@pytest.mark.slow
def test_rows_without_labels_become_a_champion_that_says_how_unusual_a_row_is(tmp_path: Path) -> None:
    frame = cells()
    home, gates = carried_out(tmp_path, CELLS, frame)
    assert registry.champion_version(home, "cells") == "1"
    beaten = gates["beats_baseline"]
    assert beaten.evidence["metric"] == "mae" and beaten.evidence["value"] < 0.5 * beaten.evidence["baseline"]["mae"]
    assert gates["class_coverage"].state == "skipped"
    # Rows whose features were shuffled among rows have every value of a real row, and no row's company of values.
    random = np.random.default_rng(1)
    features = frame.drop(columns="day")
    shuffled = features.apply(lambda column: random.permutation(column.to_numpy()))
    features.to_csv(tmp_path / "asked.csv", index=False)
    shuffled.to_csv(tmp_path / "shuffled.csv", index=False)
    for name in ("asked", "shuffled"):
        predict_file(home, "cells", tmp_path / f"{name}.csv", tmp_path / f"{name}_scored.csv", latent=name == "asked")
    usual, unusual = (pd.read_csv(tmp_path / f"{name}_scored.csv") for name in ("asked", "shuffled"))
    assert [column for column in usual if column.startswith("latent_")] == [f"latent_{place}" for place in range(8)]
    assert not any(column.startswith("latent_") for column in unusual)
    strange = np.repeat([False, True], len(features))
    assert binary_roc_auc(strange, np.concatenate([usual["prediction"], unusual["prediction"]])) > 0.95
    # Any MLflow consumer gets the same.
    model = runs.load(home, f"models:/cells/{registry.champion_version(home, 'cells')}")
    assert model.predict(features)["prediction"].to_numpy() == pytest.approx(usual["prediction"], abs=1e-5)
    told = model.predict(features, params={"latent": True})
    assert told["latent_3"].to_numpy() == pytest.approx(usual["latent_3"], abs=1e-4)
    # New rows are watched: their mean score is a live performance that needs no label.
    shuffled.assign(day=frame["day"] + 1000).to_csv(tmp_path / "new.csv", index=False)
    said: list[str] = []
    watched = monitor(load_recipe(str(tmp_path)), home, data=tmp_path / "new.csv", tell=said.append)
    performance = watched.payload["performance"]
    assert performance["metric"] == "mae" and performance["worse"] and "on 569 rows" in performance["reason"]
    assert "cells: looking at 569 rows, 569 that it has not seen" in said


@pytest.mark.slow
def test_a_challenger_of_another_scale_is_compared_in_the_units_of_the_champion(tmp_path: Path) -> None:
    home, first = carried_out(tmp_path, SHAPES, digits())
    wider = SHAPES.replace("latent: 12", "latent: 20").replace("minmax", "standard").replace("epochs: 10", "epochs: 14")
    _, second = carried_out(tmp_path, wider, digits())
    evidence = second["better_than_champion"].evidence
    champion, challenger = (verified(home, "shapes", number) for number in ("1", "2"))
    assert registry.champion_version(home, "shapes") == "2"
    assert evidence["rule"] == "superior" and evidence["inputs_compared"] == 64
    # The champion's value is its own; the challenger's own, in standard deviations, is larger, and means less.
    assert evidence["champion"] == pytest.approx(first["beats_baseline"].evidence["value"], rel=1e-4)
    own = second["beats_baseline"].evidence["value"]
    assert own > evidence["champion"] > evidence["challenger"]
    # One unit of all pixels: the scores differ by the ratio of the scales.
    scales = [next(iter(units(model.read("transform.json")["state"]).values())) for model in (champion, challenger)]
    assert evidence["challenger"] == pytest.approx(own * scales[1] / scales[0], rel=1e-4)
    assert len(shared_units([champion, challenger])) == 64
