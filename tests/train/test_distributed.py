"""Several processes train as one does, the first alone writes and decides, and what breaks is said."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.core.contracts import Prepared
from tasks.core.errors import ServiceError
from tasks.core.recipe import Mlp
from tasks.core.team import Team, under_torchrun
from tasks.core.training import AdamW, Sgd, Training
from tasks.train import experiment, followers
from tasks.train.distributed import share_of
from tasks.train.loop import Fitted, fit
from tests.train.interrupting import Interrupted, stop_after

ROOT = Path(__file__).resolve().parents[2]
ROWS = 53
"""Batches of 16: the last has 5."""


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """What `prepare` leaves of a small classification."""
    generator = np.random.default_rng(0)
    for split, count in (("train", ROWS), ("validation", 20)):
        inputs = generator.normal(size=(count, 3)).astype(np.float32)
        np.save(tmp_path / f"{split}_inputs.npy", inputs)
        np.save(tmp_path / f"{split}_targets.npy", (inputs[:, 0] > 0).astype(np.int64))
    return tmp_path


def arguments(prepared: Path, name: str, dropout: float = 0.0, **training):
    (work := prepared / name).mkdir(exist_ok=True)
    rows = {"train": ROWS, "validation": 20, "test": 0}
    contract = Prepared("", rows, (3,), 2, ("no", "yes"), ("a", "b", "c"))
    settings = Training(**{"epochs": 4, "batch_size": 16, "device": "cpu", "early_stopping": None, **training})
    return ("classification", Mlp(hidden=(8,), dropout=dropout), settings, contract, prepared, prepared, work)


@contextmanager
def shared(prepared: Path, name: str, **settings):
    """A training by two processes, ready to be fitted."""
    given = arguments(prepared, name, processes=2, **settings)
    job = dataclasses.replace(experiment.job(*given), checkpoint_seconds=0.0)
    with followers.together(job, followers.describe(*given)) as ready:
        yield ready


def together(prepared: Path, name: str, *callbacks, **settings) -> Fitted:
    with shared(prepared, name, **settings) as job:
        return fit(job, callbacks)


@pytest.mark.parametrize("rows", [1, 3, 4, 5, 16, 17])
@pytest.mark.parametrize("size", [2, 3])
def test_every_row_of_a_step_counts_once(rows: int, size: int):
    index = torch.arange(100, 100 + rows)
    shares = [share_of(index, Team(rank, size)) for rank in range(size)]
    assert sum(weight for _, weight in shares) == pytest.approx(1)
    counted = torch.cat([mine for mine, weight in shares if weight > 0])
    assert counted.tolist() == index.tolist()
    # The mean over all is the weighted mean of the shares' means, and batch normalisation never sees one row alone.
    mean = sum(weight * mine.double().mean() for mine, weight in shares)
    assert mean == pytest.approx(index.double().mean())
    assert rows == 1 or all(len(mine) > 1 for mine, _ in shares)


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": Sgd(kind="sgd", lr=0.2), "accumulate": 2, "l1": 0.01, "gradient_clip": 0.3},
        {"optimizer": AdamW(lr=0.01), "class_weights": "none", "ema": 0.9},
    ],
    ids=["accumulated, clipped, penalised", "averaged"],
)
def test_two_processes_make_the_weights_that_one_makes_of_all_rows(prepared, settings):
    one = fit(experiment.job(*arguments(prepared, "one", **settings)))
    two = together(prepared, "two", **settings)
    for ours, theirs in zip(two.progress.history, one.progress.history, strict=True):
        assert ours["train_loss"] == pytest.approx(theirs["train_loss"], abs=1e-5)
        assert ours["validation_loss"] == pytest.approx(theirs["validation_loss"], abs=1e-5)
    weights = [
        torch.cat([value.flatten() for value in experiment_weights(prepared / name).values()])
        for name in ("one", "two")
    ]
    assert torch.allclose(*weights, atol=1e-4) and weights[0].abs().max() > 0.3


def experiment_weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "weights.safetensors")


def test_a_shared_training_goes_on_after_an_interruption_to_the_same_bits(prepared):
    """Dropout is on: each process draws what it drew in that step of the uninterrupted training."""
    whole = together(prepared, "whole", dropout=0.5)
    with pytest.raises(Interrupted):
        together(prepared, "cut", stop_after(2), dropout=0.5)
    # The first process alone has written: a checkpoint and what names it.
    written = sorted(path.name.split("-")[0] for path in (prepared / "cut").iterdir())
    assert written == ["checkpoint", "checkpoint.json"]
    assert together(prepared, "cut", dropout=0.5).weights_sha256 == whole.weights_sha256
    assert whole.weights_sha256 != fit(experiment.job(*arguments(prepared, "one", dropout=0.5))).weights_sha256


def test_a_process_that_is_gone_is_named_and_ends_the_training(prepared, monkeypatch):
    started: list[subprocess.Popen[bytes]] = []
    make = subprocess.Popen

    def noted(*given, **options):
        started.append(make(*given, **options))
        return started[-1]

    monkeypatch.setattr(followers.subprocess, "Popen", noted)

    def kill(progress) -> None:
        started[0].kill()
        started[0].wait()

    with pytest.raises(ServiceError, match=r"ended early.*exit code -9.*Run again"):
        together(prepared, "gone", kill)


def test_nobody_is_left_when_the_first_process_is_killed(prepared):
    code = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from tests.train.test_distributed import shared, fit
with shared(Path({str(prepared)!r}), "killed") as job:
    fit(job, [lambda progress: (print(progress.epoch, flush=True), time.sleep(600))])
"""
    leader = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert leader.stdout is not None and leader.stdout.readline().strip() == "1"
    (follower,) = children(leader.pid)
    leader.kill()
    leader.wait()
    leader.stdout.close()
    ended = time.monotonic() + 60
    while alive(follower) and time.monotonic() < ended:
        time.sleep(0.1)
    assert not alive(follower)


def children(parent: int) -> list[int]:
    found = Path(f"/proc/{parent}/task/{parent}/children")
    if not found.exists():
        pytest.skip("this system does not tell a process's children")
    return [int(number) for number in found.read_text().split()]


def alive(number: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_one_process_trains_without_any_of_this(prepared):
    given = arguments(prepared, "one")
    job = experiment.job(*given)
    with followers.together(job, followers.describe(*given)) as ready:
        assert ready is job and not torch.distributed.is_initialized()


def test_a_follower_builds_the_same_training(prepared):
    given = arguments(prepared, "same", optimizer=AdamW(lr=0.3), gradient_clip=1.0)
    ours, theirs = experiment.job(*given), followers.described(followers.describe(*given))
    assert (ours.training, ours.problem, ours.folder) == (theirs.training, theirs.problem, theirs.folder)
    assert torch.equal(ours.train.inputs, theirs.train.inputs)
    assert all(map(torch.equal, ours.network.state_dict().values(), theirs.network.state_dict().values()))


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [({}, Team(1, 4)), ({"TORCHELASTIC_RUN_ID": None}, None), ({"WORLD_SIZE": "1", "RANK": "0"}, None)],
)
def test_torchrun_is_known_by_what_it_sets(monkeypatch, changed, wanted):
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "RANK": "1", "WORLD_SIZE": "4", **changed}.items():
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    assert under_torchrun() == wanted


TORCHRUN = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from tests.train.test_distributed import arguments
from tasks.core.team import under_torchrun
from tasks.train import experiment, followers
from tasks.train.loop import fit

team, prepared = under_torchrun(), Path(sys.argv[1])
if team.rank:
    print("followed", followers.follow_torchrun(team), flush=True)
else:
    for name in ("first", "second"):
        given = arguments(prepared, name)
        with followers.together(experiment.job(*given), followers.describe(*given)) as job:
            fit(job)
    followers.release_torchrun()
"""


@pytest.mark.slow
def test_processes_that_torchrun_started_share_every_training(prepared):
    (script := prepared / "script.py").write_text(TORCHRUN)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1"]
    command = [*torchrun, "--nproc-per-node", "2", str(script), str(prepared), str(ROOT)]
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=250)
    assert ended.returncode == 0, ended.stderr[-3000:]
    steps = 2 * 4 * 4
    assert f"followed {steps}" in ended.stdout
    one = fit(experiment.job(*arguments(prepared, "one")))
    assert one.progress.epoch == 4
    for name in ("first", "second"):
        found = experiment_weights(prepared / name)
        assert all(
            torch.allclose(value, found[key], atol=1e-4) for key, value in experiment_weights(prepared / "one").items()
        )
