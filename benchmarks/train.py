"""Evergreen's training loop beside one written by hand, Lightning, skorch and Keras: seconds of the same training.

    python benchmarks/train.py [--quick] [--json] [--runs N] [--models mlp …] [--loops evergreen hand …]

On an MLP, a CNN and a GRU, with the same first weights, rows, batch size, optimizer and epochs for all
(`benchmarks/train_loops.py` says what cannot be equal). The loops take turns, one training each in a round, so that a
busy machine slows all of them; a ratio is taken within its round. Everything that is built once is built before the
clock starts. All compute with one thread in float32.

No loop may win by doing less: all must take as many steps and bring the validation loss down as far. Evergreen's
must be that of the loop by hand, which takes the rows in the same order; a library shuffles as it likes.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.train_loops import EXTRAS, LOOPS, WANTS, Work, installed, validated  # noqa: E402
from tasks.core.seeds import seed_everything  # noqa: E402
from tasks.models import build  # noqa: E402
from tasks.train import networks  # noqa: E402

SAME = {"evergreen": 1e-3, "hand": 0.0}
"""Loop → by which share what it learned may differ from what the loop by hand did; measured as a fall of the loss."""
SHUFFLED = 0.25
"""The same for a loop that takes the rows in another order."""
SHUFFLED_QUICK = 0.5
"""The same after eight steps, when order still matters."""
RATES = {("evergreen", "mlp"): 1.0, ("evergreen", "cnn"): 0.95, ("evergreen", "gru"): 0.95}
"""(loop, network) → steps of Evergreen for each step of the loop by hand that are aimed at."""
TIMES_LIGHTNING = 3.0
"""Steps for each step of Lightning's defaults that are aimed at on the MLP."""


class Gru(nn.Module):
    """A gated recurrent unit and a linear layer on its last state; [N, time, channels] → [N, classes]."""

    def __init__(self, channels: int, width: int, classes: int) -> None:
        super().__init__()
        self.recurrent = nn.GRU(channels, width, batch_first=True)
        self.head = nn.Linear(width, classes)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Logits."""
        logits: torch.Tensor = self.head(self.recurrent(inputs)[1][-1])
        return logits


def _mlp(shape: tuple[int, ...], classes: int) -> nn.Module:
    return build({"kind": "mlp", "hidden": (128, 128), "dropout": 0.0}, shape, classes, ROOT)


def _cnn(shape: tuple[int, ...], classes: int) -> nn.Module:
    model = {"kind": "cnn", "channels": (16, 32), "hidden": 64, "dropout": 0.0}
    return networks.to_device(build(model, shape, classes, ROOT), torch.device("cpu"))


def _gru(shape: tuple[int, ...], classes: int) -> nn.Module:
    return Gru(shape[1], 32, classes)


@dataclass(frozen=True)
class Case:
    """A network and the rows it learns."""

    make: Callable[[tuple[int, ...], int], nn.Module]
    shape: tuple[int, ...]
    batch: int
    rows: int
    epochs: int
    contrast: float
    """Of the pattern of a row's class against noise of standard deviation 1."""


CASES = {
    "mlp": Case(_mlp, (32,), batch=256, rows=40_960, epochs=6, contrast=0.3),
    "cnn": Case(_cnn, (3, 16, 16), batch=128, rows=2048, epochs=3, contrast=0.2),
    "gru": Case(_gru, (24, 8), batch=128, rows=8192, epochs=3, contrast=0.4),
}
CLASSES = 10


def make_work(case: Case, folder: Path, *, quick: bool) -> Work:
    """Arrays on disk as `prepare` writes them, and a network with its first weights; the same each time."""
    generator = np.random.default_rng(0)
    patterns = generator.normal(size=(CLASSES, *case.shape)).astype(np.float32)
    # Whole batches alone: libraries treat what is left differently.
    count = 4 * case.batch if quick else case.rows
    for split, rows in (("train", count), ("validation", max(count // 8, 512))):
        targets = generator.integers(0, CLASSES, rows)
        noise = generator.normal(size=(rows, *case.shape)).astype(np.float32)
        np.save(folder / f"{split}_inputs.npy", case.contrast * patterns[targets] + noise)
        np.save(folder / f"{split}_targets.npy", targets)
    seed_everything(0)
    return Work(case.make(case.shape, CLASSES), CLASSES, case.batch, 2 if quick else case.epochs, folder, folder)


def once(loop: str, work: Work) -> dict[str, float]:
    """One training from the first weights on: seconds of wall clock and processor, the loss it reached, its steps."""
    with tempfile.TemporaryDirectory(dir=work.arrays) as scratch, _silence():
        # As in a process of its own: Evergreen asks for deterministic kernels, the others do not.
        torch.use_deterministic_algorithms(False)
        torch.manual_seed(0)
        ready = LOOPS[loop](Work(**{**vars(work), "scratch": Path(scratch)}))
        wall, processor = time.perf_counter(), time.process_time()
        ready.run()
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        loss, steps = ready.ended()
    return {"wall": wall, "cpu": processor, "loss": loss, "steps": steps}


@contextlib.contextmanager
def _silence() -> Any:
    """Progress bars and tables go nowhere, which is faster than a terminal."""
    nowhere = io.StringIO()
    with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def measure(model: str, loops: Sequence[str], runs: int, *, quick: bool) -> list[dict[str, Any]]:
    """One row per loop: medians over rounds in which each trains once, the first to begin changing."""
    with tempfile.TemporaryDirectory(prefix="evergreen-bench-") as folder:
        work = make_work(CASES[model], Path(folder), quick=quick)
        for loop in loops:  # what is imported, compiled or allocated once
            once(loop, Work(**{**vars(work), "epochs": 1}))
        taken: dict[str, list[dict[str, float]]] = {loop: [] for loop in loops}
        for number in range(runs):
            first = number % len(loops)
            for loop in (*loops[first:], *loops[:first]):
                taken[loop].append(once(loop, work))
        begun = validated(work.network, *work.tensors("validation"))
    shuffled = SHUFFLED_QUICK if quick else SHUFFLED
    return [summary(model, loop, taken[loop], taken["hand"], begun, SAME.get(loop, shuffled)) for loop in loops]


def summary(
    model: str,
    loop: str,
    ours: Sequence[dict[str, float]],
    hand: Sequence[dict[str, float]],
    begun: float,
    tolerance: float,
) -> dict[str, Any]:
    """Medians, the ratio within each round, and whether the loop learned what the loop by hand did.

    Args:
        model: Name of the network.
        loop: Name of the loop.
        ours: What each of its trainings took and reached.
        hand: The same of the loop by hand.
        begun: Validation loss of the first weights.
        tolerance: By which share its fall of the loss may differ from that of the loop by hand.
    """
    ratios = sorted(mine["wall"] / other["wall"] for mine, other in zip(ours, hand, strict=True))
    processor = [mine["cpu"] / other["cpu"] for mine, other in zip(ours, hand, strict=True)]
    loss, wanted = ours[0]["loss"], hand[0]["loss"]
    off = abs(loss - wanted) / (begun - wanted)
    wall = statistics.median(one["wall"] for one in ours)
    return {
        "model": model,
        "loop": loop,
        "wall_seconds": round(wall, 4),
        "cpu_seconds": round(statistics.median(one["cpu"] for one in ours), 4),
        "ratio_to_hand": round(statistics.median(ratios), 4),
        "ratio_range": [round(ratios[0], 4), round(ratios[-1], 4)],
        "cpu_ratio_to_hand": round(statistics.median(processor), 4),
        "steps": int(ours[0]["steps"]),
        "step_microseconds": round(1e6 * wall / ours[0]["steps"], 1),
        "loss_begun": round(begun, 5),
        "loss": round(loss, 5),
        "learned_the_same": ours[0]["steps"] == hand[0]["steps"] and wanted < begun and off <= tolerance,
    }


def targets(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is aimed at, and the step rate that was reached; those alone for which both loops ran."""
    found = {(row["loop"], row["model"]): row["ratio_to_hand"] for row in results}
    aims = [
        {"what": f"{loop} on {model} against hand", "aim": aim, "rate": 1 / found[loop, model]}
        for (loop, model), aim in RATES.items()
        if (loop, model) in found
    ]
    if {("evergreen", "mlp"), ("lightning_default", "mlp")} <= found.keys():
        rate = found["lightning_default", "mlp"] / found["evergreen", "mlp"]
        aims.append({"what": "evergreen on mlp against lightning_default", "aim": TIMES_LIGHTNING, "rate": rate})
    return [{**aim, "rate": round(aim["rate"], 3), "met": aim["rate"] >= aim["aim"]} for aim in aims]


def report(answer: dict[str, Any]) -> str:
    """A table for people."""
    lines = [
        f"torch {answer['torch']}, {answer['threads']} thread, median of {answer['runs']} rounds, "
        f"load {answer['load_at_start']:.1f} when it began",
        "",
        "| network | loop | × hand (range) | × hand, processor | wall s | processor s | µs a step | loss | same |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in answer["results"]:
        low, high = row["ratio_range"]
        lines.append(
            f"| {row['model']} | {row['loop']} | {row['ratio_to_hand']:.2f} ({low:.2f}–{high:.2f}) | "
            f"{row['cpu_ratio_to_hand']:.2f} | {row['wall_seconds']:.2f} | {row['cpu_seconds']:.2f} | "
            f"{row['step_microseconds']:.0f} | {row['loss']:.4f} | {'yes' if row['learned_the_same'] else 'NO'} |"
        )
    lines += [""] if answer["targets"] else []
    for aim in answer["targets"]:
        lines.append(
            f"{aim['what']}: {aim['rate']:.2f} of {aim['aim']:.2f} aimed at{'' if aim['met'] else ' – missed'}"
        )
    lines += [f"{one['loop']} is left out: install the extra [{one['extra']}]" for one in answer["left_out"]]
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> int:
    """Measure; 0 when every loop learned the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="one round of trainings of eight steps")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--runs", type=int, default=7, help="counted rounds (medians are given)")
    parser.add_argument("--models", nargs="+", choices=sorted(CASES), default=list(CASES))
    parser.add_argument("--loops", nargs="+", choices=sorted(LOOPS), default=list(LOOPS), help="hand always runs")
    options = parser.parse_args(words)
    asked = [loop for loop in LOOPS if loop in {*options.loops, "hand"}]
    loops = [loop for loop in asked if installed(loop)]
    runs = 1 if options.quick else options.runs
    load, before = os.getloadavg()[0], torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    try:
        results = [row for model in options.models for row in measure(model, loops, runs, quick=options.quick)]
    finally:
        torch.set_num_threads(before)
        torch.use_deterministic_algorithms(deterministic)
    answer = {
        "benchmark": "train",
        "torch": torch.__version__,
        "threads": 1,
        "runs": runs,
        "load_at_start": round(load, 2),
        "results": results,
        "targets": targets(results),
        "left_out": [{"loop": loop, "extra": EXTRAS[WANTS[loop]]} for loop in asked if loop not in loops],
    }
    print(json.dumps(answer) if options.json else report(answer))
    return int(not all(row["learned_the_same"] for row in results))


if __name__ == "__main__":
    sys.exit(main())
