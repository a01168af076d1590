"""Rows that do not fit: the same ones as from memory, read before they are asked for, in memory that stays flat."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.train.ahead import Ahead
from tasks.train.batches import Rows, batches

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")
SMALL = 8 * 2**20
"""What the pretended device has free; half of it may be filled with rows."""


@pytest.fixture
def mapped(tmp_path: Path) -> np.ndarray:
    np.save(tmp_path / "inputs.npy", np.arange(300, dtype=np.float32).reshape(100, 3))
    return np.load(tmp_path / "inputs.npy", mmap_mode="r")


class Watched(Ahead):
    """Notes which rows were read, and whether by the thread that reads ahead."""

    def __init__(self, inputs: np.ndarray, kept: int = 2**20) -> None:
        self.read: list[tuple[list[int], bool]] = []
        super().__init__(inputs, CPU, kept)

    def _read(self, index: torch.Tensor) -> torch.Tensor:
        self.read.append((index.tolist(), threading.current_thread() is not threading.main_thread()))
        return super()._read(index)


def test_the_next_batch_of_an_order_is_read_before_it_is_asked_for(mapped):
    order = torch.randperm(100, generator=torch.Generator().manual_seed(0))
    ahead = Watched(mapped)
    for start in range(0, 100, 32):
        index = order[start : start + 32]
        assert torch.equal(ahead.take(index), torch.from_numpy(np.array(mapped))[index])
    # The first alone has to be waited for; the last is shorter; every row is read once.
    assert [early for _, early in ahead.read] == [False, True, True, True]
    assert [row for rows, _ in ahead.read for row in rows] == order.tolist()


def test_rows_that_come_in_no_foreseeable_order_are_right_all_the_same(mapped):
    rows = torch.from_numpy(np.array(mapped))
    order, other = torch.arange(100), torch.arange(100).flip(0)
    ahead = Ahead(mapped, CPU)
    for index in (
        order[:10],
        order[10:20],
        order[50:60],  # elsewhere in the order
        order[60:65],  # of another size
        order[65:80],
        other[80:90],  # in another order
        other[90:],
        torch.tensor([5, 5, 99]),  # in none
        order[::7],
        order[:0],
    ):
        assert torch.equal(ahead.take(index), rows[index])


def test_an_order_made_where_an_older_one_lay_is_not_taken_for_it(mapped):
    rows, ahead = torch.from_numpy(np.array(mapped)), Ahead(mapped, CPU)
    for seed in range(20):
        order = torch.randperm(100, generator=torch.Generator().manual_seed(seed))
        for start in (0, 25, 50, 75):
            index = order[start : start + 25]
            assert torch.equal(ahead.take(index), rows[index])


def test_an_array_in_memory_is_read_as_well():
    inputs = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    rows = Rows(inputs, torch.arange(20), CPU)
    for inputs_taken, targets in batches(rows, 8, torch.arange(20)):
        assert np.array_equal(inputs_taken.numpy(), inputs[targets.numpy()])


def test_a_failure_while_reading_ahead_is_told_to_whoever_wants_the_rows(mapped):
    order = torch.cat([torch.arange(10), torch.tensor([100])])
    ahead = Ahead(mapped, CPU)
    ahead.take(order[:10])
    with pytest.raises(IndexError, match="out of range"):
        ahead.take(order[10:])


PEAK = """
import resource, sys
from pathlib import Path
import torch
from torch import nn
from tasks.core.training import Training
from tasks.train.batches import load
from tasks.train.loop import Job, fit

torch.set_num_threads(1)
folder, free = Path(sys.argv[1]), int(sys.argv[2])
rows = load(folder, "train", torch.device("cpu"), free)
network = nn.Linear(rows.inputs.shape[1], 2)
settings = Training(epochs=2, batch_size=64, device="cpu")
job = Job(network, rows, load(folder, "validation", torch.device("cpu"), free), "classification", 2, settings, folder)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
fit(job)
print(type(rows.inputs).__name__, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def grown(folder: Path, times: float) -> tuple[str, int]:
    """How the rows are held, and bytes by which a training's peak is above what was there before it."""
    folder.mkdir()
    width, generator = 4096, np.random.default_rng(0)
    for split, size in (("train", times * SMALL), ("validation", SMALL / 4)):
        count = int(size) // (4 * width)
        inputs = np.lib.format.open_memmap(folder / f"{split}_inputs.npy", "w+", np.float32, (count, width))
        for start in range(0, count, 256):
            block = inputs[start : start + 256]
            block[:] = generator.normal(size=block.shape)
        inputs.flush()
        np.save(folder / f"{split}_targets.npy", generator.integers(0, 2, count))
    command = [sys.executable, "-c", PEAK, str(folder), str(SMALL)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=250)
    assert ended.returncode == 0, ended.stderr[-3000:]
    kind, kilobytes = ended.stdout.split()
    return kind, int(kilobytes) * 1024


def test_memory_stays_flat_when_the_data_are_20_times_larger_than_what_fits(tmp_path):
    fitting, fits = grown(tmp_path / "one", 0.5)
    mapped, needs = grown(tmp_path / "twenty", 20)
    assert (fitting, mapped) == ("Tensor", "memmap")
    # 160 MiB lie on disk; what a training adds to memory is less than twice what fits into the pretended device.
    assert needs - fits < 2 * SMALL
