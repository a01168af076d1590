"""One real run of digits, through the command line, Prefect, DVC and MLflow; then what follows from it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tasks.core import results
from tasks.core.contracts import GATES, STAGES
from tasks.core.home import Home
from tasks.stores import registry
from tasks.stores.ledger import Ledger

ROOT = Path(__file__).resolve().parents[2]
SHORT = ("training.epochs=2", "gates.thresholds={}")
HEAVY = ("mlflow", "torch", "prefect", "great_expectations", "pandas", "dvc")

REPORTING = f"""
import sys
from flows.cli import main
try:
    code = main()
finally:
    print("imported:", *(name for name in {HEAVY!r} if name in sys.modules), file=sys.stderr)
sys.exit(code)
"""


@dataclass(frozen=True)
class Ran:
    """A finished command."""

    code: int
    answer: dict[str, Any]
    errors: str

    def stages(self, state: str) -> list[str]:
        return [stage["name"] for stage in self.answer["stages"] if stage.get("state", stage.get("action")) == state]


def evergreen(home: Path, *words: str, root: Path = ROOT) -> Ran:
    """Run a command as a process of its own, in a checkout."""
    command = [sys.executable, "-c", REPORTING, "--home", str(home), "--json", *words]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    return Ran(ended.returncode, json.loads(ended.stdout), ended.stderr)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("real") / "home"


@pytest.fixture(scope="module")
def first(home: Path) -> Ran:
    return evergreen(home, "run", "digits", *SHORT)


def test_a_first_run_promotes_a_champion_and_says_how(first: Ran, home: Path) -> None:
    answer = first.answer
    assert (first.code, answer["status"]) == (0, "promoted"), first.errors
    assert first.stages("ran") == list(STAGES)
    assert answer["model"] == {"name": "digits", "version": "1", "aliases": ["champion"]}
    assert answer["dataset"]["rows"] == 1797
    assert answer["decision"]["rule"] == "first"
    assert {gate["name"] for gate in answer["gates"]} == set(GATES)
    assert answer["metrics"]["test"]["accuracy"] > 0.8
    assert all(Path(path).is_file() for path in answer["reports"].values())
    assert registry.champion_version(Home(home), "digits") == "1"
    ledger = Ledger(home / "ledger.db")
    assert ledger.verify() == []
    assert answer["decision"]["id"] in {entry.hash for entry in ledger.entries("digits")}


def test_prefect_shows_one_readable_task_per_stage_and_the_artifacts(first: Ran, home: Path) -> None:
    with sqlite3.connect(home / "prefect" / "prefect.db") as database:
        flows = database.execute("select name, state_type, state_name from flow_run").fetchall()
        tasks = dict(database.execute("select name, state_name from task_run").fetchall())
        artifacts = dict(database.execute("select key, type from artifact").fetchall())
    assert ("digits", "COMPLETED", "Promoted") in flows
    assert set(tasks) == set(STAGES)
    assert artifacts["digits-gates"] == "table"
    assert artifacts["digits-decision"] == "markdown"
    assert artifacts["digits-train-progress"] == "progress"


def test_nothing_changed_is_answered_without_the_heavy_libraries(first: Ran, home: Path) -> None:
    again = evergreen(home, "run", "digits", *SHORT)
    assert (again.code, again.answer["status"]) == (0, "unchanged"), again.errors
    assert again.stages("cached") == list(STAGES)
    assert again.answer["model"]["version"] == "1"
    assert again.errors.rstrip().endswith("imported:")
    assert len(registry.versions(Home(home), "digits")) == 1


def test_another_number_of_epochs_reruns_training_and_what_follows(first: Ran, home: Path) -> None:
    planned = evergreen(home, "plan", "digits", "training.epochs=3", "gates.thresholds={}")
    assert planned.stages("run") == list(STAGES[STAGES.index("train") :])
    train = next(stage for stage in planned.answer["stages"] if stage["name"] == "train")
    assert (train["cause"], train["detail"]) == ("parameter_changed", "training.epochs: 2 → 3")
    assert planned.errors.rstrip().endswith("imported:")


CONSTANTS = [
    ("validate", "tasks/validate/leakage.py"),
    ("prepare", "tasks/core/splits.py"),
    ("train", "tasks/train/loop.py"),
    ("evaluate", "tasks/evaluate/diagnosis.py"),
]


@pytest.mark.parametrize(("stage", "file"), CONSTANTS)
def test_an_edit_in_the_logic_behind_a_stage_reruns_it_and_names_the_file(
    first: Ran, home: Path, tmp_path: Path, stage: str, file: str
) -> None:
    for folder in ("flows", "tasks", "data"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / file).write_text((tmp_path / file).read_text() + "\n_EDITED = 1\n")
    planned = evergreen(home, "plan", str(ROOT / "data" / "digits"), *SHORT, root=tmp_path)
    step = next(step for step in planned.answer["stages"] if step["name"] == stage)
    assert (step["action"], step["cause"]) == ("run", "code_changed")
    assert file in step["detail"]
    before = {step["name"]: step["action"] for step in planned.answer["stages"]}
    assert stage == "validate" or before["ingest"] == "cached" or file == "tasks/core/splits.py"


def test_a_damaged_artifact_reruns_what_made_it_and_only_that(first: Ran, home: Path) -> None:
    record = results.latest(Home(home), "digits", "explore")
    assert record is not None
    page = home / record.artifacts[0].path
    page.write_bytes(b"x" + page.read_bytes()[1:])
    planned = evergreen(home, "plan", "digits", *SHORT)
    assert planned.stages("run") == ["explore"]
    assert planned.answer["stages"][3]["cause"] == "artifact_damaged"
    mended = evergreen(home, "run", "digits", *SHORT)
    assert (mended.code, mended.answer["status"]) == (0, "unchanged"), mended.errors
    assert mended.stages("ran") == ["explore"]
    page.unlink()
    assert evergreen(home, "plan", "digits", *SHORT).answer["stages"][3]["cause"] == "artifact_missing"
    assert evergreen(home, "run", "digits", *SHORT).stages("ran") == ["explore"]


def test_a_damaged_file_of_the_registered_model_is_put_back(first: Ran, home: Path) -> None:
    weights = next((home / "mlflow" / "artifacts").rglob("artifacts/package/*.safetensors"))
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    planned = evergreen(home, "plan", "digits", *SHORT)
    step = next(step for step in planned.answer["stages"] if step["name"] == "package")
    assert (step["cause"], step["detail"]) == ("artifact_damaged", str(weights))
    assert planned.stages("run") == ["package"]
    mended = evergreen(home, "run", "digits", *SHORT)
    assert (mended.code, mended.answer["status"]) == (0, "unchanged"), mended.errors
    assert mended.stages("ran") == ["package"]
    assert weights.read_bytes() == whole
    assert mended.answer["model"] == {"name": "digits", "version": "1", "aliases": ["champion"]}
    assert evergreen(home, "explain", "digits", "--verify").answer["verified"] is True


def test_a_silent_prefect_server_is_an_outage_and_not_a_pass(
    first: Ran, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    silent = evergreen(home, "run", "digits", "training.epochs=3")
    assert (silent.code, silent.answer["status"]) == (4, "stopped")
    assert "does not answer" in silent.answer["reason"]
    assert silent.answer["gates"] == []


def test_a_silent_registry_stops_the_run_with_the_gate_in_error(
    first: Ran, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    silent = evergreen(home, "run", "digits", *SHORT)
    assert (silent.code, silent.answer["status"]) == (4, "stopped")
    assert [(gate["name"], gate["state"]) for gate in silent.answer["gates"]] == [("better_than_champion", "error")]


def test_an_alias_somebody_took_away_is_noticed_and_given_back(first: Ran, home: Path) -> None:
    with sqlite3.connect(home / "mlflow" / "mlflow.db") as database:
        database.execute("delete from registered_model_aliases")
    planned = evergreen(home, "plan", "digits", *SHORT)
    assert planned.stages("run") == ["decide", "promote"]
    again = evergreen(home, "run", "digits", *SHORT)
    assert (again.code, again.answer["status"]) == (0, "promoted"), again.errors
    assert registry.champion_version(Home(home), "digits") == "1"
    kinds = [entry.kind for entry in Ledger(home / "ledger.db").entries("digits")]
    assert "observed" in kinds
