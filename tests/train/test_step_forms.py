"""A training step on the CPU: what it does to the weights, how forms are compared, and what it needs to be imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from tasks.optim import OPTIMIZER_KINDS, optimizers
from tasks.train import choice, steps
from tasks.train.batches import Rows

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")
SETTINGS = {"momentum": 0.9, "nesterov": False, "alpha": 0.99, "rho": 0.9, "weight_decay": 0.01, "lr": 1e-2}


def parts(optimizer: str = "adamw", clip: float | None = None) -> steps.Parts:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3))
    rows = Rows(torch.randn(40, 6), torch.randint(0, 3, (40,)), CPU)
    settings: Any = SimpleNamespace(kind=optimizer, **SETTINGS)
    return steps.Parts(
        network, nn.functional.cross_entropy, optimizers.build(network.parameters(), settings, CPU), rows, 16, clip=clip
    )


def state(made: steps.Parts) -> list[torch.Tensor]:
    """Weights, buffers and moments, as copies."""
    moments = [
        value for held in made.optimizer.state.values() for value in held.values() if isinstance(value, torch.Tensor)
    ]
    return [tensor.detach().clone() for tensor in (*made.network.parameters(), *made.network.buffers(), *moments)]


def learned(step: steps.Step, rates: tuple[float, ...] = (0.1, 0.05, 0.01)) -> list[float]:
    torch.manual_seed(3)
    return [float(step(torch.arange(16), rate)) for rate in rates]


@pytest.mark.parametrize("clip", [None, 0.05])
def test_an_eager_step_is_what_one_would_write_by_hand(clip: float | None):
    made, by_hand = parts("sgd", clip), parts("sgd", clip)
    losses = learned(steps.eager(made))
    torch.manual_seed(3)
    expected = []
    for rate in (0.1, 0.05, 0.01):
        by_hand.optimizer.param_groups[0]["lr"] = rate
        by_hand.optimizer.zero_grad()
        assert isinstance(by_hand.rows.inputs, torch.Tensor)
        loss = nn.functional.cross_entropy(by_hand.network(by_hand.rows.inputs[:16]), by_hand.rows.targets[:16])
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(by_hand.network.parameters(), clip)
        by_hand.optimizer.step()
        expected.append(float(loss.detach()))
    assert losses == expected
    assert all(map(torch.equal, state(made), state(by_hand)))


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZER_KINDS))
@pytest.mark.parametrize("begun", [False, True], ids=["at the start", "on the way"])
def test_comparing_forms_leaves_no_trace(optimizer: str, begun: bool):
    made, untouched = parts(optimizer), parts(optimizer)
    step, other = steps.eager(made), steps.eager(untouched)
    if begun:
        assert learned(step) == learned(other)
    torch.manual_seed(11)
    chosen, seconds = choice.fastest({"eager": step}, torch.arange(16), made)
    assert chosen == "eager" and seconds["eager"] > 0
    drawn = torch.rand(1)
    torch.manual_seed(11)
    assert torch.equal(drawn, torch.rand(1)), "random numbers go on where they were"
    assert learned(step) == learned(other)
    assert all(map(torch.equal, state(made), state(untouched)))


def test_the_fastest_form_is_the_one_that_took_least_time():
    made = parts()
    plain = steps.eager(made)

    def slow(index: torch.Tensor, rate: float) -> torch.Tensor:
        for _ in range(5):
            loss = plain(index, rate)
        return loss

    chosen, seconds = choice.fastest({"graphed": slow, "eager": plain}, torch.arange(16), made)
    assert chosen == "eager" and seconds["eager"] < seconds["graphed"]


def test_only_a_cuda_device_records():
    with pytest.raises(ValueError, match="CUDA device"):
        steps.graphed(parts(), 16)


@pytest.mark.slow
def test_a_compiled_step_learns_what_the_eager_one_does():
    made, plain = parts("sgd"), parts("sgd")
    for one in (made, plain):
        one.network[3].p = 0.0  # a compiler draws other random numbers
    step, other = steps.compiled(made, 16), steps.eager(plain)
    assert learned(step) == pytest.approx(learned(other), rel=1e-4)
    short = torch.arange(5)
    assert float(step(short, 0.01)) == pytest.approx(float(other(short, 0.01)), rel=1e-4)


def test_the_training_core_is_imported_where_there_is_only_torch_numpy_and_safetensors():
    code = """
import sys
class OnlyThose:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in REFUSED:
            raise ModuleNotFoundError(f"{name} is not installed here")
REFUSED = {"pydantic", "pandas", "yaml", "omegaconf", "hydra", "sklearn", "scipy", "mlflow", "prefect", "pyarrow"}
sys.meta_path.insert(0, OnlyThose())
import tasks.train.loop, tasks.train.steps, tasks.train.networks, tasks.models, tasks.optim.optimizers
print("imported")
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.stdout.strip() == "imported", ended.stderr
