"""The fixed cost of a run: everything but the seconds inside the training loop, beside a plain script.

`evergreen run digits` and `benchmarks/plain.py` (the same library calls in sequence, without gates,
ledger or cache) run in turn, as processes, in four situations: with and without a running Prefect
server, on a fresh home and on a warm one (databases exist, the training changes so that it really runs).

    python benchmarks/run.py [--quick] [--json] [--runs N]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

EPOCHS = 3


def timed(command: list[str], environment: dict[str, str]) -> tuple[float, dict[str, Any]]:
    """Wall seconds of a process, and the JSON object it prints."""
    started = time.perf_counter()
    ended = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if ended.returncode not in (0, 3):
        raise SystemExit(f"{' '.join(command)} ended with {ended.returncode}:\n{ended.stderr[-3000:]}")
    # Libraries of the plain script print too; the answer is the last object that begins a line.
    return seconds, json.loads(ended.stdout[f"\n{ended.stdout}".rindex("\n{") :])


def ours(home: Path, seed: int, environment: dict[str, str]) -> dict[str, Any]:
    """One `evergreen run digits`; training seconds are those of its epochs."""
    overrides = [f"training.epochs={EPOCHS}", f"training.seed={seed}", "gates.thresholds={}"]
    command = [sys.executable, "-m", "flows.cli", "--home", str(home), "--json", "run", "digits", *overrides]
    seconds, answer = timed(command, environment)
    history = max((home / "work" / "digits" / "train").glob("*/history.json"), key=lambda path: path.stat().st_mtime)
    training = sum(epoch["seconds"] for epoch in json.loads(history.read_text()))
    stages = {stage["name"]: stage["seconds"] for stage in answer["stages"] if stage["state"] == "ran"}
    return {"fixed": seconds - training, "training": training, "stages": stages}


def plain(home: Path, environment: dict[str, str]) -> dict[str, Any]:
    """One run of the plain script."""
    command = [sys.executable, "benchmarks/plain.py", str(home)]
    seconds, answer = timed(command, {**environment, "PLAIN_EPOCHS": str(EPOCHS)})
    return {"fixed": seconds - answer["training_seconds"], "training": answer["training_seconds"], "stages": {}}


@contextmanager
def server(folder: Path) -> Iterator[dict[str, str]]:
    """A Prefect server that is up before anything is timed."""
    from flows.server import PrefectApi
    from tasks.core.home import open_home

    with PrefectApi(open_home(str(folder))) as api:
        api.wait()
        yield {**os.environ, "PREFECT_API_URL": api.url}


def measure(runs: int, with_server: bool, fresh: bool) -> dict[str, Any]:
    """Alternate ours and plain; the median of each, and the ratio of each pair."""
    pairs = []
    with tempfile.TemporaryDirectory(prefix="evergreen-bench-") as name:
        folder = Path(name)
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with server(folder / "server") if with_server else _none(environment) as given:
            if not fresh:
                ours(folder / "ours", 10_000, given)
                plain(folder / "plain", given)
            for number in range(runs):
                suffix = str(number) if fresh else ""
                pairs.append((ours(folder / f"ours{suffix}", number, given), plain(folder / f"plain{suffix}", given)))
    names = sorted({stage for mine, _ in pairs for stage in mine["stages"]})
    return {
        "server": with_server,
        "home": "fresh" if fresh else "warm",
        "evergreen_seconds": round(statistics.median(mine["fixed"] for mine, _ in pairs), 2),
        "plain_seconds": round(statistics.median(other["fixed"] for _, other in pairs), 2),
        "ratio": round(statistics.median(mine["fixed"] / other["fixed"] for mine, other in pairs), 3),
        "ratios": [round(mine["fixed"] / other["fixed"], 3) for mine, other in pairs],
        "stages": {
            stage: round(statistics.median(mine["stages"].get(stage, 0.0) for mine, _ in pairs), 2) for stage in names
        },
    }


@contextmanager
def _none(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    yield environment


def main() -> None:
    """Measure all four situations and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one run of each, without a server, warm home only")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each (median is given)")
    options = parser.parse_args()
    situations = [(False, False)] if options.quick else [(False, False), (False, True), (True, False), (True, True)]
    load = os.getloadavg()[0]
    results = [measure(1 if options.quick else options.runs, *situation) for situation in situations]
    answer = {"load_at_start": round(load, 2), "runs": 1 if options.quick else options.runs, "results": results}
    if options.json:
        print(json.dumps(answer))
        return
    print(f"fixed cost of one run of digits, median of {answer['runs']}, load {load:.1f} when it began")
    for result in results:
        where = f"{'running' if result['server'] else 'no'} server, {result['home']} home"
        print(f"  {where:<28}evergreen {result['evergreen_seconds']:6.1f} s", end="")
        print(f"   plain {result['plain_seconds']:6.1f} s   ratio {result['ratio']:.2f} {result['ratios']}")
        print("    " + ", ".join(f"{stage} {seconds}" for stage, seconds in result["stages"].items()))


if __name__ == "__main__":
    main()
