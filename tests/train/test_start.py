"""What a training begins with: the champion's weights where they may be used and fit, else fresh ones and why."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from tasks.core.context import Context
from tasks.core.contracts import Prepared
from tasks.core.home import Home
from tasks.core.objective import AutoLoss
from tasks.core.recipe import Mlp, Recipe
from tasks.core.training import AdamW
from tasks.models import build
from tasks.stores.packaged import Verified
from tasks.stores.registry import VersionInfo
from tasks.train import start
from tasks.train.loop import fit
from tasks.train.preflight import run_gates

SPLIT = {"kind": "random", "validation": 0.15, "test": 0.15, "key": 0, "group": None}
STATE: dict[str, Any] = {
    "kind": "tabular",
    "numeric": [{"column": "a", "scale": 2.0, "gaps": True}],
    "categorical": [],
    "dates": [{"column": "b", "parts": ["weekend", "year"], "timezone": "UTC", "scale": [1.0, 3.0], "gaps": False}],
}
PREPARED = Prepared("", {"train": 9}, (3,), 2, ("no", "yes"), ("a", "b", "c"))


def recipe(hidden: tuple[int, ...] = (8,), start_from: str = "champion", **data: Any) -> Recipe:
    values = {
        "name": "small",
        "problem": "classification",
        "data": {"reader": {"kind": "csv", "path": "x.csv"}, "target": "y", **data},
        "model": {"kind": "mlp", "hidden": list(hidden)},
        "retraining": {"kind": "hybrid", "start_from": start_from},
    }
    return Recipe.model_validate_json(json.dumps(values))


def context(of: Recipe, **outside: Any) -> Context:
    return Context(of, Path(), Home(Path("/nowhere")), Path(), "k", "r", outside=outside)


@pytest.fixture
def champion(tmp_path: Path) -> Verified:
    """The files of a packaged network for three columns and two classes."""
    package = tmp_path / "artifacts" / "package"
    package.mkdir(parents=True)
    made = {"data": {"target": "y", "id": None, "time": None, "split": SPLIT}, "cutoff": None}
    (package / "recipe.json").write_text(json.dumps(made))
    spec = {"classes": ["no", "yes"], "columns": ["a", "b", "c"], "state": STATE}
    for folder in (package, tmp_path):
        (folder / "transform.json").write_text(json.dumps(spec))
    network = build(recipe().model.model_dump(mode="json"), (3,), 2, Path())
    safetensors.torch.save_file(network.state_dict(), package / "weights.safetensors")
    return Verified("small", VersionInfo("4", "", "", "READY", 0), tmp_path)


def against(champion: Verified, of: Recipe, prepared: Prepared = PREPARED) -> str:
    """Why the champion is not started from."""
    weights = safetensors.torch.load_file(champion.weights)
    asked = dataclasses.replace(context(of), home=Home(champion.folder))
    return start._other_rows(champion, of, prepared) or start._other_shape(champion, weights, asked, prepared)


def test_the_same_network_on_the_same_rows_can_be_started_from(champion: Verified) -> None:
    assert against(champion, recipe()) == ""


@pytest.mark.parametrize(
    ("of", "prepared", "says"),
    [
        (recipe(hidden=(8, 8)), PREPARED, "has another shape: "),
        (recipe(hidden=(9,)), PREPARED, "[8], where [9] is needed"),
        (recipe(), dataclasses.replace(PREPARED, classes=("yes", "no")), "knows other classes"),
        (recipe(), dataclasses.replace(PREPARED, feature_columns=("a", "c", "b")), "looks at other columns"),
        (recipe(id="n"), PREPARED, "was made with another data.id, so it has seen rows"),
        (recipe(split={"key": 1}), PREPARED, "another data.split"),
        (recipe(split={"test": 0.2}, target="z"), PREPARED, "another data.target and another data.split"),
    ],
)
def test_other_shapes_and_other_splits_are_begun_afresh(
    champion: Verified, of: Recipe, prepared: Prepared, says: str
) -> None:
    assert says in against(champion, of, prepared)


@pytest.mark.parametrize(
    ("changed", "others"),
    [
        ({}, False),
        ({"numeric": [{"column": "a", "scale": 5.0, "gaps": True}]}, False),
        ({"mask": True}, True),
        ({"dates": [{**STATE["dates"][0], "parts": ["year", "weekend"]}]}, True),
        ({"dates": [{**STATE["dates"][0], "timezone": "Asia/Tokyo"}]}, True),
    ],
    ids=["the same", "another scale", "a mask in place of a flag", "parts in another order", "another time zone"],
)
def test_as_many_inputs_with_another_meaning_are_begun_afresh(
    champion: Verified, changed: dict[str, Any], others: bool
) -> None:
    (champion.folder / "transform.json").write_text(json.dumps({"state": {**STATE, **changed}}))
    assert against(champion, recipe()) == ("makes other inputs of its columns" if others else "")


def test_a_vocabulary_that_numbers_its_tokens_otherwise_is_begun_afresh(champion: Verified, tmp_path: Path) -> None:
    def says(theirs: list[str], beside: bool = False, **cut: Any) -> str:
        state = {"kind": "text", "level": "word", "ngrams": [1, 1], "lower": True, "numbers": "keep"}

        def placed(text: dict[str, Any]) -> dict[str, Any]:
            return {"kind": "mixed", "sequence": text, "tabular": STATE} if beside else text

        (tmp_path / "transform.json").write_text(json.dumps({"state": placed({**state, "tokens": ["a", "b"]})}))
        spec = {"classes": ["no", "yes"], "columns": ["note"], "state": placed({**state, **cut, "tokens": theirs})}
        (champion.weights.parent / "transform.json").write_text(json.dumps(spec))
        values = recipe().model_dump(mode="json") | {"model": {"kind": "bag_of_embeddings", "embedding": 2}}
        of = Recipe.model_validate_json(json.dumps(values))
        sequence = (3,) if beside else ()
        shape = (5,) if beside else (3,)
        shapes = (shape, 2, ("no", "yes"), ("note",))
        prepared = Prepared("", {"train": 9}, *shapes, vocabulary=4, sequence=sequence)
        network = build(of.model.model_dump(mode="json"), shape, 2, Path(), 4, sequence)
        asked = Context(of, Path(), Home(tmp_path), Path(), "k", "r")
        return start._other_shape(champion, network.state_dict(), asked, prepared)

    assert says(["a", "b"]) == says(["a", "b"], beside=True) == ""
    for beside in (False, True):
        assert says(["b", "a"], beside) == "numbers its tokens in another way"
        assert says(["a", "b"], beside, level="character") == "numbers its tokens in another way"


@pytest.mark.parametrize(
    ("theirs", "ours", "later"),
    [
        ("2024-03-01T00:00:00+00:00", "2024-03-01T00:00:00+00:00", False),
        ("2024-03-01T00:00:00+00:00", "2024-02-01T00:00:00+00:00", True),
        ("9.0", "10.0", False),
        ("10.0", "9.0", True),
        (None, None, False),
        (None, "9.0", True),
    ],
)
def test_rows_that_are_held_out_now_were_not_trained_on_then(theirs: Any, ours: Any, later: bool) -> None:
    assert start._after(theirs, ours) == later


def test_without_a_champion_or_without_being_asked_the_weights_are_fresh() -> None:
    asked = start.beginning(context(recipe(), start=None), PREPARED)
    assert (asked.weights, asked.sentence) == (None, "fresh weights, as there is no champion whose weights are known")
    assert start.beginning(context(recipe(start_from="scratch"), start="x"), PREPARED).sentence == "fresh weights"


def test_a_training_goes_on_from_the_weights_it_is_given(make_job, tmp_path: Path) -> None:
    def begun(weights: dict[str, torch.Tensor] | None, folder: str, epochs: int = 1) -> Any:
        job = make_job(folder=tmp_path / folder, epochs=epochs, optimizer=AdamW(lr=0.02), model=Mlp(hidden=(8,)))
        job.folder.mkdir(exist_ok=True)
        if weights is not None:
            job.network.load_state_dict(weights)
        return fit(job)

    learned = begun(None, "first", epochs=20)
    weights = safetensors.torch.load_file(tmp_path / "first" / "weights.safetensors")
    assert begun(weights, "on").progress.history[0]["train_loss"] < 0.7 * learned.progress.history[0]["train_loss"]


def test_a_resumed_training_that_began_with_weights_gives_the_bits_of_an_uninterrupted_one(
    make_job, tmp_path: Path
) -> None:
    given = {name: torch.full_like(value, 0.1) for name, value in make_job().network.state_dict().items()}

    class Interrupted(Exception):
        pass

    def stop(progress: Any) -> None:
        if progress.epoch == 2:
            raise Interrupted

    def job(folder: str) -> Any:
        made = make_job(folder=tmp_path / folder, epochs=4)
        made.folder.mkdir(exist_ok=True)
        made.network.load_state_dict(given)
        return made

    whole = fit(job("whole"))
    with pytest.raises(Interrupted):
        fit(job("cut"), [stop])
    assert fit(job("cut")).weights_sha256 == whole.weights_sha256


def test_a_network_that_has_learned_need_not_guess() -> None:
    from tasks.core.contracts import Gate
    from tasks.train.preflight import Probe

    probe = Probe(
        make=lambda: nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 2)),
        inputs=torch.randn(64, 3, generator=torch.Generator().manual_seed(0)).numpy(),
        targets=torch.arange(64).remainder(2).numpy(),
        problem="classification",
        output_size=2,
        loss=AutoLoss(),
        optimizer="adamw",
        batch_size=16,
        device=torch.device("cpu"),
        free_bytes=1 << 30,
    )
    gates = run_gates(probe, Gate("fits_in_memory", "passed"), "the weights of version 4, which was champion")
    assert [(gate.name, gate.state) for gate in gates] == [
        ("initial_loss", "skipped"),
        ("overfits_one_batch", "passed"),
        ("gradients_flow", "passed"),
        ("fits_in_memory", "passed"),
    ]
    assert gates[0].reason == "the training begins with the weights of version 4, which was champion"
