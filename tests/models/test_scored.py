"""Anomaly scores: by hand, in the units of another model, with latent features, and as predictions."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from tasks.core.features import resolve
from tasks.core.recipe import Recipe
from tasks.models.autoencoder import Autoencoder
from tasks.models.mlp import Mlp
from tasks.models.predict import forward
from tasks.models.scored import Scored, answering
from tasks.transforms import fit
from tasks.transforms.apply import apply
from tasks.transforms.outputs import predictions
from tasks.transforms.units import conversion, units

SPEC = {"problem": "reconstruction", "classes": [], "target": None}


class Off(nn.Module):
    """Reproduces every row but for an error of its own in each input."""

    def __init__(self, errors: list[float]) -> None:
        super().__init__()
        self.errors = torch.tensor(errors)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs.flatten(1) + self.errors

    def encode(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs.flatten(1)[:, :2]


def test_a_score_is_the_root_of_the_mean_squared_difference():
    raw = forward(answering(Off([3.0, 4.0]), SPEC), np.zeros((5, 2), np.float32))
    assert raw.shape == (5, 1) and raw[:, 0] == pytest.approx([np.sqrt((9 + 16) / 2)] * 5)
    images = forward(Scored(Off([1.0] * 6)), np.ones((2, 1, 2, 3), np.float32))
    assert images.tolist() == [[1.0], [1.0]]
    assert forward(Scored(Off([0.0, 0.0])), np.ones((1, 2), np.float32)).tolist() == [[0.0]]


def test_only_the_inputs_that_count_are_measured_each_in_its_other_unit():
    scored = Scored(Off([3.0, 4.0, 99.0]), places=[1, 0], factors=[0.5, 2.0])
    assert forward(scored, np.zeros((1, 3), np.float32)).item() == pytest.approx(np.sqrt((2**2 + 6**2) / 2))


def test_latent_features_follow_where_they_are_asked_for_and_there_are_any():
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    found = predictions(forward(Scored(Off([0.0] * 3), latent=True), rows), SPEC)
    assert list(found.columns) == ["prediction", "latent_0", "latent_1"]
    assert found["latent_1"].tolist() == [1.0, 4.0] and found["prediction"].dtype == np.float64
    assert list(predictions(forward(Scored(Off([0.0] * 3)), rows), SPEC).columns) == ["prediction"]
    with pytest.raises(ValueError, match="no method encode, so it gives no latent features"):
        Scored(Mlp((3,), 3), latent=True)


def test_no_row_has_no_score():
    assert predictions(forward(Scored(Off([0.0])), np.zeros((0, 1), np.float32)), SPEC)["prediction"].tolist() == []


def test_scoring_leaves_the_network_in_the_mode_it_was_in_and_other_networks_alone():
    network = Autoencoder((3,), latent=1)
    for training in (True, False):
        network.train(training)
        forward(answering(network, SPEC), np.zeros((2, 3), np.float32))
        assert network.training is training
    assert answering(network, {"problem": "regression"}) is network


def frame(rows: int = 200) -> pd.DataFrame:
    random = np.random.default_rng(0)
    size = random.normal(40, 7, rows)
    size[::9] = np.nan
    colour = random.choice(["red", "blue", "green"], rows)
    return pd.DataFrame({"size": size, "weight": random.lognormal(0, 1, rows), "colour": colour})


def state_of(rows: pd.DataFrame, **transforms: str) -> dict:
    values = {
        "name": "odd",
        "problem": "reconstruction",
        "data": {"reader": {"kind": "csv", "path": "x.csv"}},
        "transforms": transforms,
    }
    recipe = Recipe.model_validate_json(json.dumps(values))
    return fit(rows, resolve({name: str(kind) for name, kind in rows.dtypes.items()}, recipe.data), recipe.transforms)


def test_every_input_has_a_name_and_a_unit_in_the_order_of_the_inputs():
    rows = frame()
    state = state_of(rows)
    found = units(state)
    assert [json.loads(name) for name in found] == [
        *(["size"], ["weight"], ["size", "is missing"]),
        *(["colour", "is", "blue"], ["colour", "is", "green"], ["colour", "is", "red"]),
    ]
    assert len(found) == state["input_shape"][0]
    spread = [rows[name].std(ddof=0) for name in ("size", "weight")]
    assert list(found.values()) == pytest.approx([*spread, 1, 1, 1, 1])
    days = pd.date_range("2024-01-01", periods=len(rows), freq="D")
    dated = state_of(rows.assign(day=[None, *days[1:]]).astype({"day": "datetime64[us]"}))
    later = {name: unit for name, unit in units(dated).items() if name not in found}
    assert len(units(dated)) == dated["input_shape"][0] and set(later.values()) == {1}
    assert '["day", "weekday", "UTC", "sine"]' in later and '["day", "is missing"]' in later
    # Adding one unit of the column moves the input by one.
    moved = apply(rows.assign(weight=rows["weight"] + found['["weight"]']), state) - apply(rows, state)
    assert moved[:, 1] == pytest.approx(1, rel=1e-5) and moved[:, [0, 2, 3, 4, 5]].max() == 0


def test_an_error_is_as_large_in_the_champions_units_however_the_challenger_scales():
    """The same errors in centimetres and grams, by models of three scales: one score, that of the champion's units."""
    rows = frame()
    champion = state_of(rows, scale="standard")
    raw = {'["size"]': 3.5, '["weight"]': 0.25}
    theirs = units(champion)
    expected = np.sqrt(sum((error / theirs[name]) ** 2 for name, error in raw.items()) / len(theirs))
    for scale in ("standard", "minmax", "robust"):
        state = state_of(rows, scale=scale)
        own = units(state)
        network = Off([raw.get(name, 0.0) / unit for name, unit in own.items()])
        score = forward(Scored(network, False, *conversion(own, theirs)), apply(rows, state))
        assert score[:, 0] == pytest.approx(expected, rel=1e-5)
    # Without units it is in the model's own.
    assert forward(Scored(Off([0.5] * 6)), apply(rows, champion))[:, 0] == pytest.approx(0.5, rel=1e-5)


def test_the_inputs_of_a_model_that_others_lack_are_left_out():
    own = units(state_of(frame()))
    fewer = units(state_of(frame().drop(columns="size").replace({"colour": {"red": "blue"}})))
    shared = {name: unit for name, unit in own.items() if name in fewer}
    assert [json.loads(name) for name in shared] == [["weight"], ["colour", "is", "blue"], ["colour", "is", "green"]]
    places, factors = conversion(own, shared)
    assert places == [1, 3, 4] and factors == [1, 1, 1]
    with pytest.raises(KeyError):
        conversion(fewer, own)
