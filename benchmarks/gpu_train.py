"""Training steps on a GPU: seconds of a step in each form, against what the card itself can do, in one run.

    python benchmarks/gpu_train.py [--quick] [--json]

Needs torch and numpy only, and no installation: copy the checkout to a machine with a GPU. The step is the one of
the product (`tasks/train/steps.py`), with its networks, losses and optimizers. Two ceilings are measured first:
bfloat16 matrix products (FLOP/s), and a copy within the card's memory (bytes/s). A step is held against the one that
limits it: its floating-point operations, as torch counts them; or the fewest bytes that its weights and their optimizer
can move.

The forms take turns, a round of steps each, so that a card that grows warm slows all of them. `fit` is the whole
loop of the product, shuffling and validation included, per step; and every form is checked to learn the same.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tasks.core.seeds import seed_everything
from tasks.models import build
from tasks.optim import losses, optimizers
from tasks.train import networks, steps
from tasks.train.batches import Rows

BYTES_PER_WEIGHT = 40
"""Of AdamW in float32, at least: forward and backward pass each read a weight, its gradient is written; the optimizer
reads weight, gradient and both moments and writes weight and moments back. Ten numbers of four bytes."""
OPTIMIZER = SimpleNamespace(kind="adamw", lr=1e-3, weight_decay=0.01)
TRAINING = {
    "loss": SimpleNamespace(kind="auto", model_dump=lambda exclude: {}),
    "label_smoothing": 0.0,
    "class_weights": "none",
    "gradient_clip": None,
    "l1": 0.0,
    "accumulate": 1,
    "ema": None,
    "keep_every": None,
    "seed": 0,
}


@dataclass(frozen=True)
class Case:
    """A network, the rows it is fed, and what limits its step."""

    name: str
    model: dict[str, Any]
    shape: tuple[int, ...]
    classes: int
    batch: int
    rows: int
    limit: str
    """`compute` or `memory`."""


CASES = (
    Case("small mlp", {"kind": "mlp", "hidden": (256, 256), "dropout": 0.0}, (64,), 10, 1024, 65_536, "compute"),
    Case("wide mlp", {"kind": "mlp", "hidden": (4096,) * 3, "dropout": 0.0}, (1024,), 1000, 8192, 65_536, "compute"),
    Case("wide mlp, few rows", {"kind": "mlp", "hidden": (8192,) * 3, "dropout": 0.0}, (1024,), 10, 64, 4096, "memory"),
    Case("cnn", {"kind": "cnn", "channels": (64, 128, 256), "dropout": 0.0}, (3, 32, 32), 10, 1024, 16_384, "compute"),
)
SMALL = (
    Case("small mlp", {"kind": "mlp", "hidden": (64,), "dropout": 0.0}, (16,), 4, 64, 512, "compute"),
    Case("cnn", {"kind": "cnn", "channels": (8,), "dropout": 0.0}, (1, 8, 8), 4, 32, 256, "compute"),
)
"""For a machine without a GPU: that the benchmark itself works."""


def parts_of(case: Case, device: torch.device) -> steps.Parts:
    """The same weights and rows each time."""
    seed_everything(0)
    network = networks.to_device(build(case.model, case.shape, case.classes, Path()), device)
    inputs = torch.randn(case.rows, *case.shape).to(device)
    targets = torch.randint(0, case.classes, (case.rows,)).to(device)
    return steps.Parts(
        network.train(),
        losses.build(TRAINING["loss"], "classification"),
        optimizers.build(network.parameters(), OPTIMIZER, device),  # type: ignore[arg-type]
        Rows(inputs, targets, device),
        case.batch,
        torch.bfloat16 if device.type == "cuda" else None,
    )


def make(form: str, parts: steps.Parts, batch: int) -> steps.Step:
    """A step in one of the forms; `compiled` on a GPU is compiled and graphed."""
    if form == "graphed":
        return steps.graphed(parts, batch)
    return steps.compiled(parts, batch) if form == "compiled" else steps.eager(parts)


def forms_for(device: torch.device) -> tuple[str, ...]:
    """Those that the device can have."""
    return ("eager", "graphed", "compiled") if device.type == "cuda" else ("eager", "compiled")


def measure(case: Case, device: torch.device, rounds: int, count: int) -> list[dict[str, Any]]:
    """Seconds of a step of each form, median and range over rounds that take turns."""
    forms = {}
    warm_up = {}
    for form in forms_for(device):
        parts = parts_of(case, device)
        began = time.perf_counter()
        step = make(form, parts, case.batch)
        order = torch.randperm(case.rows, generator=torch.Generator().manual_seed(0)).to(device)
        index = [order[start : start + case.batch] for start in range(0, case.rows, case.batch)]
        learned = [float(step(index[number % len(index)], 1e-3)) for number in range(5)]
        warm_up[form] = time.perf_counter() - began
        forms[form] = (step, index, learned, parts)
    taken: dict[str, list[float]] = {form: [] for form in forms}
    for _ in range(rounds):
        for form, (step, index, _, _) in forms.items():
            taken[form].append(_clock(lambda step=step, index=index: _run(step, index, count), device) / count)  # type: ignore[misc]
    first = forms["eager"][2]
    return [
        {
            "case": case.name,
            "form": form,
            "seconds": statistics.median(taken[form]),
            "fastest": min(taken[form]),
            "slowest": max(taken[form]),
            "ratio_to_eager": statistics.median(taken[form]) / statistics.median(taken["eager"]),
            "warm_up_seconds": warm_up[form],
            "same_as_eager": max(abs(a - b) for a, b in zip(first, learned, strict=True)),
        }
        for form, (_, _, learned, _) in forms.items()
    ]


def _run(step: steps.Step, index: list[torch.Tensor], count: int) -> None:
    for number in range(count):
        step(index[number % len(index)], 1e-3)


def _clock(work: Callable[[], Any], device: torch.device) -> float:
    """Seconds until the device has done it."""
    _wait(device)
    began = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - began


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def fitted(case: Case, device: torch.device, epochs: int) -> tuple[float, str]:
    """Seconds of a step within the whole loop, with everything the product does between first and last; its form."""
    from tasks.train.loop import Job, fit

    training = SimpleNamespace(
        **TRAINING,
        optimizer=OPTIMIZER,
        schedule=SimpleNamespace(kind="constant", model_dump=lambda exclude: {}),
        epochs=epochs,
        batch_size=case.batch,
        precision="auto",
        early_stopping=None,
        timeout_minutes=60.0,
    )
    parts = parts_of(case, device)
    few = Rows(parts.rows.inputs[: case.batch], parts.rows.targets[: case.batch], device)
    with tempfile.TemporaryDirectory() as folder:
        job = Job(parts.network, parts.rows, few, "classification", case.classes, training, Path(folder))  # type: ignore[arg-type]
        done = fit(job)
    # The first epoch pays for what is made once.
    epoch = statistics.median(row["seconds"] for row in done.progress.history[1:])
    return epoch / (case.rows / case.batch), done.form


def operations(case: Case, device: torch.device) -> int:
    """Floating-point operations of a step, as torch counts those of products and convolutions."""
    from torch.utils.flop_counter import FlopCounterMode

    parts = parts_of(case, device)
    with FlopCounterMode(display=False) as counter:
        steps.eager(parts)(torch.arange(case.batch, device=device), 1e-3)
    return int(counter.get_total_flops())


def ceilings(device: torch.device) -> dict[str, float]:
    """What the card does at its best: FLOP/s of a bfloat16 product, bytes/s of a copy (read and written)."""
    side, numbers = (8192, 2**29) if device.type == "cuda" else (512, 2**22)
    kind = torch.bfloat16 if device.type == "cuda" else torch.float32
    left, right = torch.randn(side, side, device=device, dtype=kind), torch.randn(side, side, device=device, dtype=kind)
    source = torch.randn(numbers, device=device)
    target = torch.empty_like(source)
    product = statistics.median(_clock(lambda: left @ right, device) for _ in range(20))
    copied = statistics.median(_clock(lambda: target.copy_(source), device) for _ in range(20))
    return {"flops": 2 * side**3 / product, "bytes": 2 * source.nbytes / copied}


def report(rows: list[dict[str, Any]], about: dict[str, Any]) -> str:
    """A table for people."""
    lines = [
        f"{about['device']}, torch {about['torch']}: product {about['ceilings']['flops'] / 1e12:.0f} TFLOP/s, "
        f"copy {about['ceilings']['bytes'] / 1e12:.2f} TB/s; "
        f"median of {about['rounds']} rounds of {about['steps']} steps",
        "",
        "| network | form | µs a step (range) | × eager | of the ceiling | ready after | differs by |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        spread = f" ({row['fastest'] * 1e6:.0f}–{row['slowest'] * 1e6:.0f})" if "fastest" in row else ""
        ready = f"{row['warm_up_seconds']:.1f} s" if "warm_up_seconds" in row else ""
        differs = f"{row['same_as_eager']:.1g}" if "same_as_eager" in row else ""
        lines.append(
            f"| {row['case']} | {row['form']} | {row['seconds'] * 1e6:.0f}{spread} | {row['ratio_to_eager']:.2f} | "
            f"{row['share']:.0%} of {row['limit']} | {ready} | {differs} |"
        )
    return "\n".join(lines)


def main(words: list[str] | None = None) -> int:
    """Measure; 0 when every form learned what eager did."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args(words)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu":
        torch.set_num_threads(1)
    rounds, count = (3, 10) if options.quick or device.type == "cpu" else (9, 100)
    about = {
        "benchmark": "gpu_train",
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "no GPU: the benchmark on toys",
        "torch": torch.__version__,
        "rounds": rounds,
        "steps": count,
        "ceilings": ceilings(device),
    }
    rows = []
    for case in CASES if device.type == "cuda" else SMALL:
        work = operations(case, device)
        weights = sum(weight.numel() for weight in parts_of(case, device).network.parameters())
        found = measure(case, device, rounds, count)
        whole, form = fitted(case, device, 3 if options.quick else 6)
        ratio = whole / found[0]["seconds"]
        found.append({"case": case.name, "form": f"fit: {form}", "seconds": whole, "ratio_to_eager": ratio})
        for row in found:
            row["limit"], row["operations"], row["weights"] = case.limit, work, weights
            ideal = work / about["ceilings"]["flops"]  # type: ignore[index]
            if case.limit == "memory":
                ideal = weights * BYTES_PER_WEIGHT / about["ceilings"]["bytes"]  # type: ignore[index]
            row["share"] = ideal / row["seconds"]
        rows += found
    if options.json:
        print(json.dumps({**about, "results": rows}))
    else:
        print(report(rows, about))
    # Forms differ in rounding alone; one that skipped a part of the step would be far off.
    return int(any(row.get("same_as_eager", 0.0) > 0.05 for row in rows))


if __name__ == "__main__":
    sys.exit(main())
