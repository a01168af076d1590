"""The benchmark of loops: what it gives, how it sums up, and that no loop wins by doing less."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch

from benchmarks import train, train_loops
from benchmarks.train import CASES, main, make_work, measure, summary, targets
from benchmarks.train_loops import EXTRAS, LOOPS, WANTS, Ready, Work

NAMES = {"evergreen", "hand", "lightning_default", "lightning_tuned", "skorch", "keras"}
KEYS = {"model", "loop", "wall_seconds", "cpu_seconds", "ratio_to_hand"}


@pytest.fixture(autouse=True)
def _kernels():
    before = torch.are_deterministic_algorithms_enabled()
    yield
    torch.use_deterministic_algorithms(before)


def ran(wall: float, loss: float = 1.0, steps: int = 8) -> dict[str, float]:
    return {"wall": wall, "cpu": wall / 2, "loss": loss, "steps": steps}


def test_the_loops_are_those_that_were_asked_for():
    assert set(LOOPS) == NAMES and set(CASES) == {"mlp", "cnn", "gru"}
    assert set(WANTS) == NAMES - {"evergreen", "hand"} and set(EXTRAS) == set(WANTS.values())


def test_evergreen_and_the_loop_by_hand_end_with_the_same_loss_on_every_network(capsys):
    assert main(["--quick", "--json", "--loops", "evergreen"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [(row["model"], row["loop"]) for row in answer["results"]] == [
        (model, loop) for model in CASES for loop in ("evergreen", "hand")
    ]
    assert all(row.keys() >= KEYS and row["wall_seconds"] > 0 and row["steps"] == 8 for row in answer["results"])
    for ours, hand in zip(answer["results"][::2], answer["results"][1::2], strict=True):
        assert ours["loss"] == hand["loss"]
    assert {aim["what"] for aim in answer["targets"]} == {f"evergreen on {model} against hand" for model in CASES}


@pytest.mark.slow
@pytest.mark.parametrize("library", sorted(EXTRAS))
def test_the_loops_of_the_libraries_learn_the_same(library, capsys):
    loops = [loop for loop, wanted in WANTS.items() if wanted == library]
    if not all(map(train_loops.installed, loops)):
        pytest.skip(f"{library} is not installed: it comes with the extra [{EXTRAS[library]}]")
    assert main(["--quick", "--json", "--models", "mlp", "gru", "--loops", *loops]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [row["loop"] for row in answer["results"]] == ["hand", *loops] * 2
    assert {row["steps"] for row in answer["results"]} == {8}


def test_a_loop_without_its_library_is_left_out_by_name(monkeypatch, capsys):
    monkeypatch.setattr(train, "installed", lambda loop: loop not in ("keras", "lightning_tuned"))
    words = ["--quick", "--models", "mlp", "--loops", "keras", "lightning_tuned"]
    assert main([*words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["left_out"] == [
        {"loop": "lightning_tuned", "extra": "lightning"},
        {"loop": "keras", "extra": "bench"},
    ]
    assert [row["loop"] for row in answer["results"]] == ["hand"]
    assert main(words) == 0
    assert "keras is left out: install the extra [bench]" in capsys.readouterr().out


@pytest.mark.parametrize("fault", ["half the epochs", "other weights"])
def test_a_loop_that_does_less_is_found(fault, monkeypatch, tmp_path):
    def lazy(work: Work) -> Ready:
        if fault == "half the epochs":
            return train_loops.hand(Work(**{**vars(work), "epochs": max(work.epochs // 2, 1)}))
        network = copy.deepcopy(work.network)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(1.5)
        return train_loops.hand(Work(**{**vars(work), "network": network}))

    monkeypatch.setitem(LOOPS, "evergreen", lazy)
    rows = {row["loop"]: row for row in measure("mlp", ["evergreen", "hand"], 1, quick=True)}
    assert rows["hand"]["learned_the_same"] and not rows["evergreen"]["learned_the_same"]
    assert main(["--quick", "--models", "mlp", "--loops", "evergreen"]) == 1


def test_ratios_are_taken_within_a_round():
    # The second round was slow for both.
    row = summary("mlp", "keras", [ran(3.0), ran(20.0), ran(4.0)], [ran(1.0), ran(10.0), ran(2.0)], 2.0, 0.1)
    assert (row["ratio_to_hand"], row["ratio_range"]) == (2.0, [2.0, 3.0])
    assert (row["wall_seconds"], row["cpu_seconds"], row["step_microseconds"]) == (4.0, 2.0, 500_000)


@pytest.mark.parametrize(
    ("loss", "steps", "begun", "same"),
    [
        (1.009, 8, 1.1, True),
        (1.011, 8, 1.1, False),  # a hundredth of the loss, and a tenth of what was learned
        (0.989, 8, 1.1, False),
        (1.0, 7, 1.1, False),
        (1.0, 8, 0.9, False),  # nobody learned anything
    ],
)
def test_loops_learn_the_same_if_the_loss_falls_as_far_in_as_many_steps(loss, steps, begun, same):
    assert summary("mlp", "keras", [ran(1.0, loss, steps)], [ran(1.0)], begun, 0.1)["learned_the_same"] is same


def test_targets_are_step_rates():
    def row(loop: str, ratio: float) -> dict[str, object]:
        return {"loop": loop, "model": "mlp", "ratio_to_hand": ratio}

    aims = targets([row("evergreen", 0.8), row("hand", 1.0), row("lightning_default", 2.0)])
    assert [(aim["rate"], aim["met"]) for aim in aims] == [(1.25, True), (2.5, False)]


def test_the_work_is_the_same_each_time_and_no_loop_changes_it(tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = (make_work(CASES["cnn"], tmp_path / name, quick=True) for name in ("one", "two"))
    before = copy.deepcopy(one.network.state_dict())
    LOOPS["hand"](one).run()
    for work in (one, two):
        assert all(torch.equal(value, before[name]) for name, value in work.network.state_dict().items())
    assert torch.equal(one.tensors("train")[0], two.tensors("train")[0])
