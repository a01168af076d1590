"""The preflight gates: each has a fault that it alone finds, and none finds fault with healthy recipes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.core.contracts import GATES, Prepared
from tasks.core.errors import RequestError
from tasks.core.objective import CLASSIFICATION_LOSSES, REGRESSION_LOSSES
from tasks.core.recipe import Recipe
from tasks.models.activations import ACTIVATIONS
from tasks.train import device
from tasks.train.experiment import preflight
from tasks.train.memory import need
from tasks.train.preflight import distinct_rows

OURS = [name for name, stage in GATES.items() if stage == "preflight"]


@pytest.fixture
def check(tmp_path):
    """Runs the preflight on 200 rows of four columns; keyword arguments change the recipe."""
    shutil.copy(Path(__file__).with_name("planted_networks.py"), tmp_path / "recipe.py")

    def run(model="Healthy", problem="classification", inputs=None, targets=None, classes=3, **training):
        generator = np.random.default_rng(0)
        inputs = generator.normal(size=(200, 4)).astype(np.float32) if inputs is None else inputs
        classes = classes if problem == "classification" else 0
        if targets is None:
            targets = (
                generator.integers(classes, size=200) if classes else generator.normal(size=200).astype(np.float32)
            )
        np.save(tmp_path / "train_inputs.npy", inputs)
        np.save(tmp_path / "train_targets.npy", targets)
        block = model if isinstance(model, dict) else {"kind": "custom", "ref": f"recipe.py:{model}"}
        data = {"reader": {"kind": "csv", "path": "x"}, "target": "y"}
        body = {
            "name": "small",
            "problem": problem,
            "data": data,
            "model": block,
            "training": {"device": "cpu", **training},
        }
        recipe = Recipe.model_validate_json(json.dumps(body))
        prepared = Prepared("", {"train": len(inputs)}, inputs.shape[1:], classes or 1, ("a", "b", "c")[:classes], ())
        found = preflight(recipe.problem, recipe.model, recipe.training, prepared, tmp_path, tmp_path)
        assert [gate.name for gate in found.gates] == OURS
        json.dumps([gate.evidence for gate in found.gates], allow_nan=False)
        return {gate.name: gate for gate in found.gates}

    return run


def failing(gates):
    return [name for name, gate in gates.items() if gate.blocks]


@pytest.mark.parametrize("problem", ["classification", "regression"])
@pytest.mark.parametrize(
    "model",
    [
        "Healthy",
        {"kind": "mlp"},
        {"kind": "mlp", "hidden": [4, 4, 4], "dropout": 0.9, "batch_norm": True},
    ],
    ids=["custom", "mlp", "narrow and deep"],
)
def test_healthy_networks_pass(check, model, problem):
    gates = check(model, problem)
    assert {name: gate.state for name, gate in gates.items()} == dict.fromkeys(OURS, "passed")


@pytest.mark.parametrize("problem", ["classification", "regression"])
@pytest.mark.parametrize(
    "model", [{"kind": "perceptron"}, {"kind": "mlp", "hidden": [], "dropout": 0.9}], ids=["perceptron", "no layers"]
)
def test_a_linear_network_is_not_asked_for_what_it_cannot_do(check, model, problem):
    gates = check(model, problem)
    states = {name: gate.state for name, gate in gates.items()}
    assert states == {**dict.fromkeys(OURS, "passed"), "overfits_one_batch": "skipped"}
    assert "one linear layer" in gates["overfits_one_batch"].reason


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_passes(check, activation):
    gates = check({"kind": "mlp", "activation": activation})
    assert {name: gate.state for name, gate in gates.items()} == dict.fromkeys(OURS, "passed")


@pytest.mark.parametrize("problem", ["classification", "regression"])
@pytest.mark.parametrize("embedding", ["none", "periodic", "plr"])
def test_a_tabular_resnet_passes(check, embedding, problem):
    gates = check({"kind": "tabular_resnet", "embedding": embedding, "width": 32}, problem)
    assert {name: gate.state for name, gate in gates.items()} == dict.fromkeys(OURS, "passed")


@pytest.mark.parametrize(
    "model",
    [
        {"kind": "cnn", "channels": [4, 8], "hidden": 8},
        {"kind": "resnet", "channels": [4, 8]},
        {"kind": "resnet", "channels": [4], "blocks": 9},
    ],
    ids=["cnn", "resnet", "deep resnet"],
)
@pytest.mark.parametrize("problem", ["classification", "regression"])
def test_healthy_images_pass(check, model, problem):
    inputs = np.random.default_rng(0).normal(size=(200, 1, 8, 8)).astype(np.float32)
    gates = check(model, problem, inputs)
    assert {name: gate.state for name, gate in gates.items()} == dict.fromkeys(OURS, "passed")


@pytest.mark.parametrize("loss", [*REGRESSION_LOSSES, {"kind": "quantile", "quantile": 0.9}], ids=str)
def test_every_loss_of_a_quantity_passes(check, loss):
    gates = check(problem="regression", loss=loss)
    assert {name: gate.state for name, gate in gates.items()} == dict.fromkeys(OURS, "passed")


@pytest.mark.parametrize("loss", CLASSIFICATION_LOSSES)
def test_every_loss_of_classes_passes_and_a_guess_is_judged_where_its_cost_is_known(check, loss):
    gates = check(loss=loss, targets=np.arange(200) % 2, classes=2)
    assert failing(gates) == []
    assert (gates["initial_loss"].state == "skipped") == (loss in ("focal", "hinge"))
    assert loss not in ("focal", "hinge") or f"training.loss is {loss}" in gates["initial_loss"].reason


@pytest.mark.parametrize("loss", CLASSIFICATION_LOSSES)
def test_a_network_that_cannot_learn_is_found_by_every_loss_of_classes(check, loss):
    gates = check("Shuffling", loss=loss, targets=np.arange(200) % 2, classes=2)
    assert failing(gates) == ["overfits_one_batch"]


def test_binary_cross_entropy_of_three_classes_is_refused(check):
    with pytest.raises(RequestError, match="binary_cross_entropy, and the target has 3 classes") as caught:
        check(loss="binary_cross_entropy")
    assert "cross_entropy" in caught.value.remedy


@pytest.mark.parametrize(
    ("model", "gate", "says"),
    [
        ("Shouting", "initial_loss", "a fresh network has the loss"),
        ("Shuffling", "overfits_one_batch", "16 rows could not be learned by heart"),
        ("Detached", "gradients_flow", "no gradient reaches first.bias, first.weight"),
        ("Exploding", "gradients_flow", "the gradient of first.weight is not finite"),
        ("Enormous", "fits_in_memory", "training needs about"),
        ("Greedy", "fits_in_memory", "for a batch of 64"),
    ],
)
def test_each_fault_is_found_by_its_gate_alone(check, model, gate, says):
    gates = check(model)
    if model == "Exploding":  # a gradient that is not finite spoils the weights of the next experiment too
        assert gate in failing(gates)
    else:
        assert failing(gates) == [gate]
    assert says in gates[gate].reason.replace("first.weight, first.bias", "first.bias, first.weight")


def test_experiments_are_skipped_with_a_reason_where_the_network_does_not_fit(check):
    gates = check("Enormous")
    assert {gates[name].state for name in OURS[:3]} == {"skipped"} and "memory" in gates["initial_loss"].reason


def test_rows_that_are_all_alike_cannot_be_learned_by_heart_and_block_nothing(check):
    gates = check(inputs=np.zeros((200, 4), dtype=np.float32))
    assert gates["overfits_one_batch"].state == "skipped" and failing(gates) == []


def test_equal_inputs_with_different_labels_are_not_asked_to_be_told_apart(check):
    inputs = np.repeat(np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32), 20, axis=0)
    assert failing(check(inputs=inputs)) == []


def test_one_column_of_near_equal_values_blocks_nothing(check):
    inputs = np.random.default_rng(0).normal(size=(200, 1)).astype(np.float32)
    assert failing(check(inputs=inputs)) == [] and failing(check(problem="regression", inputs=inputs)) == []


@pytest.mark.parametrize("share", [0.5, 0.03])
def test_rare_classes_block_nothing(check, share):
    targets = (np.random.default_rng(0).random(200) < share).astype(np.int64)
    assert failing(check(targets=targets)) == []


def test_outliers_in_inputs_and_targets_block_nothing(check):
    generator = np.random.default_rng(0)
    inputs = generator.standard_cauchy(size=(200, 4)).astype(np.float32)
    targets = generator.standard_cauchy(200).astype(np.float32)
    inputs, targets = (inputs - inputs.mean(axis=0)) / inputs.std(axis=0), (targets - targets.mean()) / targets.std()
    assert (
        failing(check(inputs=inputs)) == []
        and failing(check(problem="regression", inputs=inputs, targets=targets)) == []
    )


def test_the_same_preflight_gives_the_same_evidence(check):
    assert check() == check()


def test_the_estimate_of_memory_agrees_with_a_count_by_hand():
    network = torch.nn.Sequential(torch.nn.Linear(10, 20), torch.nn.ReLU(), torch.nn.Linear(20, 5))
    found = need(lambda: network.to(device="meta"), (10,), 8, "adam")
    weights = 10 * 20 + 20 + 20 * 5 + 5
    assert found.parameters == weights
    # Weights and best copy, gradients, two moments.
    assert found.weights == 4 * weights * (2 + 1 + 2)
    mean = need(lambda: network.to(device="meta"), (10,), 8, "adam", averaged=True)
    assert mean.weights - found.weights == 4 * weights
    # Inputs [8, 10] and the activations [8, 20] that the ReLU and the last layer share; each with a gradient.
    assert found.activations == 2 * 4 * 8 * (10 + 20)


@pytest.mark.parametrize(
    ("model", "training", "says"),
    [
        ("Reshaping", {}, "recipe.py:Reshaping gives [2, 4] for a batch of 2, and [2, 3] is needed"),
        ("Broken", {}, "recipe.py:Broken fails on inputs of shape [2, 4]: KeyError"),
        ("NormalisedHead", {"batch_size": 1}, "recipe.py:NormalisedHead fails on inputs of shape [1, 4]"),
        ("Absent", {}, "recipe.py has no 'Absent'"),
        ("not_a_module", {}, "recipe.py:not_a_module is a str, not a torch.nn.Module"),
        ({"kind": "cnn"}, {}, "The model cnn cannot be built: ValueError: a cnn takes images"),
        ({"kind": "custom", "ref": "recipe.py:Healthy", "args": {"depth": 3}}, {}, "cannot be built: TypeError"),
    ],
    ids=["outputs", "call", "one row", "name", "no module", "shape", "arguments"],
)
def test_a_network_that_cannot_be_used_is_refused_in_one_sentence(check, model, training, says):
    with pytest.raises(RequestError) as caught:
        check(model, **training)
    assert says in caught.value.message and caught.value.remedy


def test_distinct_rows_are_far_apart_and_of_every_label():
    generator = np.random.default_rng(0)
    inputs, labels = generator.normal(size=(256, 5)), np.arange(256) % 8
    picked = distinct_rows(inputs, labels)
    assert len(picked) == len(set(picked)) == 16 and set(labels[picked]) == set(range(8))


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RequestError, match=r"training\.device is cuda"):
        device.choose("cuda")
    assert device.choose("auto").type == "cpu" and device.autocast_type("auto", torch.device("cpu")) is None


def test_free_memory_is_a_plausible_number():
    assert 2**20 < device.free_bytes(torch.device("cpu")) < 2**50
