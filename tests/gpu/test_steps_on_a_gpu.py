"""On a CUDA device every form of a step learns what the plain one does, and a training is the same twice."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tasks.models import build
from tasks.optim import OPTIMIZER_KINDS, optimizers
from tasks.train import choice, networks, steps
from tasks.train.batches import Rows
from tasks.train.loop import Job, fit

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")]

ROWS, CLASSES, BATCH = 300, 4, 64
SETTINGS = {"momentum": 0.9, "nesterov": False, "alpha": 0.99, "rho": 0.9, "weight_decay": 0.01, "lr": 1e-2}
MODELS: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "mlp": ({"kind": "mlp", "hidden": (32, 32), "dropout": 0.0, "batch_norm": True}, (12,)),
    "resnet": ({"kind": "resnet", "channels": (8, 16)}, (1, 8, 8)),
    "tabular_resnet": ({"kind": "tabular_resnet", "hidden_dropout": 0.0, "embedding": "plr"}, (12,)),
    "cnn": ({"kind": "cnn", "channels": (8, 16), "dropout": 0.0}, (1, 8, 8)),
}


def cuda() -> torch.device:
    return torch.device("cuda")


def parts(model: str = "mlp", optimizer: str = "adamw", clip: float | None = None, dropout: float = 0.0) -> steps.Parts:
    torch.manual_seed(0)
    description, shape = MODELS[model]
    chosen = {**description, "dropout": dropout} if "dropout" in description else description
    network = build(chosen, shape, CLASSES, Path())
    networks.to_device(network, cuda()).train()
    rows = Rows(torch.randn(ROWS, *shape).to(cuda()), torch.randint(0, CLASSES, (ROWS,)).to(cuda()), cuda())
    settings: Any = SimpleNamespace(kind=optimizer, **SETTINGS)
    made = optimizers.build(network.parameters(), settings, cuda())
    return steps.Parts(network, nn.functional.cross_entropy, made, rows, BATCH, clip=clip)


def learned(step: steps.Step) -> list[float]:
    """Losses of three epochs of batches, the last batch of each shorter, at a rate that falls."""
    order = torch.arange(ROWS, device=cuda())
    batches = [order[start : start + BATCH] for start in range(0, ROWS, BATCH)] * 3
    return [float(step(index, 1e-3 / (number + 1))) for number, index in enumerate(batches)]


@pytest.mark.parametrize("model", sorted(MODELS))
@pytest.mark.parametrize("optimizer", sorted(OPTIMIZER_KINDS))
def test_a_graphed_step_learns_what_the_eager_one_does(model: str, optimizer: str):
    plain, recorded = parts(model, optimizer), parts(model, optimizer)
    before = [weight.detach().clone() for weight in plain.network.parameters()]
    expected = learned(steps.eager(plain))
    assert learned(steps.graphed(recorded, BATCH)) == pytest.approx(expected, rel=2e-3, abs=2e-4)
    for one, other, first in zip(plain.network.parameters(), recorded.network.parameters(), before, strict=True):
        assert not torch.equal(one, first)
        if "mlp" in model:
            # Convolutions may round otherwise, of which optimizers that divide by the gradient's size make much.
            torch.testing.assert_close(one, other, rtol=1e-2, atol=2e-3)


def test_a_compiled_step_learns_what_the_eager_one_does():
    expected = learned(steps.eager(parts()))
    assert learned(steps.compiled(parts(), BATCH)) == pytest.approx(expected, rel=2e-3, abs=2e-4)


def test_the_gradient_is_clipped_within_the_graph_too():
    expected = learned(steps.eager(parts(optimizer="sgd", clip=0.1)))
    assert expected != pytest.approx(learned(steps.eager(parts(optimizer="sgd"))), rel=1e-3)
    assert learned(steps.graphed(parts(optimizer="sgd", clip=0.1), BATCH)) == pytest.approx(expected, rel=2e-3)


def test_what_is_dropped_out_differs_from_step_to_step_and_not_from_seed_to_seed():
    def drawn() -> list[float]:
        step = steps.graphed(parts(dropout=0.5), BATCH)
        torch.manual_seed(7)
        index = torch.arange(BATCH, device=cuda())
        return [float(step(index, 0.0)) for _ in range(3)]

    first = drawn()
    assert len(set(first)) == 3
    assert drawn() == first


def test_recording_and_comparing_forms_leave_no_trace():
    made = parts()
    before = [tensor.detach().clone() for tensor in (*made.network.parameters(), *made.network.buffers())]
    forms = {"eager": steps.eager(made), "graphed": steps.graphed(made, BATCH)}
    chosen, seconds = choice.fastest(forms, torch.arange(BATCH, device=cuda()), made)  # type: ignore[arg-type]
    assert chosen == min(seconds, key=lambda form: seconds[form])
    for tensor, kept in zip((*made.network.parameters(), *made.network.buffers()), before, strict=True):
        assert torch.equal(tensor, kept)
    expected = learned(steps.eager(parts()))
    assert learned(forms["graphed"]) == pytest.approx(expected, rel=2e-3, abs=2e-4)


@pytest.mark.parametrize("begun", ["eager", "graphed"])
def test_a_training_that_goes_on_keeps_its_form(begun: Any):
    assert choice.choose(parts(), BATCH, 100, begun)[0] == begun


def test_rows_in_main_memory_are_not_recorded():
    made = parts()
    elsewhere = Rows(made.rows.inputs.cpu().numpy(), made.rows.targets, cuda())  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="lie on a CUDA device"):
        steps.graphed(steps.Parts(made.network, made.loss, made.optimizer, elsewhere, BATCH), BATCH)


def training(**changes: Any) -> Any:
    """A recipe's section `training`, as the loop reads it."""
    values = {
        "loss": SimpleNamespace(kind="auto", model_dump=lambda exclude: {}),
        "label_smoothing": 0.0,
        "class_weights": "none",
        "gradient_clip": None,
        "l1": 0.0,
        "accumulate": 1,
        "ema": None,
        "seed": 0,
        "optimizer": SimpleNamespace(kind="adamw", **SETTINGS),
        "schedule": SimpleNamespace(kind="constant", model_dump=lambda exclude: {}),
        "epochs": 6,
        "batch_size": BATCH,
        "precision": "auto",
        "early_stopping": None,
        "timeout_minutes": 5.0,
    }
    return SimpleNamespace(**{**values, **changes})


def fitted(folder: Path, model: str, **changes: Any) -> list[float]:
    made = parts(model)
    job = Job(made.network, made.rows, made.rows, "classification", CLASSES, training(**changes), folder)
    return [row["validation_loss"] for row in fit(job).progress.history]


@pytest.mark.parametrize("model", sorted(MODELS))
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_loop_learns_on_the_device_and_gives_weights_a_cpu_can_use(tmp_path: Path, model: str, precision: str):
    losses = fitted(tmp_path, model, precision=precision)
    assert losses[-1] < losses[0]
    found = load_file(tmp_path / "weights.safetensors")
    assert all(tensor.device.type == "cpu" for tensor in found.values())


def test_varied_images_train_by_steps_that_python_launches(tmp_path: Path):
    made = parts("resnet")
    vary = SimpleNamespace(flip=0.5, shift=1, rotate=10.0, scale=0.1, noise=0.05)
    job = Job(made.network, made.rows, made.rows, "classification", CLASSES, training(), tmp_path, augment=vary)  # type: ignore[arg-type]
    fitted = fit(job)
    assert fitted.form == "eager", "a graph would replay the draws of one step"
    losses = [row["validation_loss"] for row in fitted.progress.history]
    assert losses[-1] < losses[0]


def test_rows_that_do_not_fit_are_fed_batch_by_batch_to_the_same_end(tmp_path: Path):
    for folder in ("resident", "mapped"):
        (tmp_path / folder).mkdir()
    resident = fitted(tmp_path / "resident", "mlp")
    made = parts("mlp")
    mapped = Rows(made.rows.inputs.cpu().numpy(), made.rows.targets, cuda())  # type: ignore[union-attr]
    job = Job(made.network, mapped, mapped, "classification", CLASSES, training(), tmp_path / "mapped")
    assert [row["validation_loss"] for row in fit(job).progress.history] == pytest.approx(resident, rel=1e-3)
