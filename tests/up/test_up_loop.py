"""What `up` is for: schedules, events, pending triggers and forms start flows, and a kill costs nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from flows.events import announce
from flows.pages import healthy
from flows.server import answers
from tasks.core.home import Home, open_home
from tasks.stores import registry, triggers
from tasks.stores.triggers import Trigger
from tests.up.serving import ENVIRONMENT, Up, alive, descendants, start_up, wait_for, write_recipe

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

HOOK = "import sys, pathlib; pathlib.Path('alerts.txt').open('a').write(sys.stdin.read() + chr(10))"
SECTIONS: dict[str, Any] = {
    "schedule": {"monitor": "0 0 1 1 *", "retrain": "0 0 1 1 *"},
    "retraining": {"kind": "drift", "cooldown_days": 0, "min_rows": 10},
    "alerts": [{"kind": "command", "argv": [sys.executable, "-c", HOOK], "on": ["crashed"]}],
}
LONG = {"epochs": 20_000, "early_stopping": None}
"""Trains until it is killed."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("up")


@pytest.fixture(scope="module")
def early(folder: Path) -> Trigger:
    """A trigger that became known while nobody served."""
    write_recipe(folder / "data" / "wines", "wines", **SECTIONS)
    home = open_home(str(folder / "home"))
    return triggers.propose(home, "wines", "it drifted last night", "drift", trigger_id="early")


@pytest.fixture(scope="module")
def up(folder: Path, early: Trigger, kept: list[Up]) -> Up:
    kept.append(start_up(folder, folder / "home"))
    return kept[-1]


@pytest.fixture
def home(up: Up) -> Home:
    return Home(up.home)


def known(home: Home, identity: str) -> Trigger:
    return triggers.find(home, "wines", identity)


def for_trigger(up: Up, identity: str) -> list[dict[str, Any]]:
    return [run for run in up.prefect.runs("retrain/wines") if run["parameters"].get("trigger_id") == identity]


def test_a_trigger_nobody_acted_on_is_brought_to_the_server_once(up: Up, home: Home, early: Trigger):
    (run,) = wait_for(lambda: for_trigger(up, "early"), 60, "a run for the pending trigger")
    ended = up.prefect.ended(run["id"])
    # There was no champion: the run that the trigger asked for made the first.
    assert (ended["state_name"], ended["state_type"]) == ("Promoted", "COMPLETED"), ended["state"]["message"]
    assert known(home, "early").state == "ran"
    assert registry.champion_version(home, "wines") == "1"
    assert ended["parameters"]["reason"] == "it drifted last night"
    assert ended["name"].startswith("wines retrain, ")
    parts = up.prefect.ask("flow_runs/filter", {"flow_runs": {"parent_flow_run_id": {"any_": [run["id"]]}}})
    assert [(part["name"], part["state_name"]) for part in parts] == [("wines", "Promoted")], "the graph of the run"
    assert set(parts[0]["tags"]) == {"evergreen", "wines"}


def test_an_event_starts_the_retraining_within_seconds(up: Up, home: Home, folder: Path):
    trigger = triggers.propose(home, "wines", 'drift in "ash", {0.4 > 0.2}', "drift", trigger_id="event")
    assert announce(home, trigger, str(folder / "data" / "wines" / "recipe.yaml"))
    (run,) = wait_for(lambda: for_trigger(up, "event"), 10, "a run for the event")
    assert run["parameters"] == {
        "recipe": str(folder / "data" / "wines" / "recipe.yaml"),
        "home": str(up.home),
        "trigger_id": "event",
        "reason": 'drift in "ash", {0.4 > 0.2}',
    }
    assert up.prefect.ended(run["id"])["state_type"] == "COMPLETED"
    assert not known(home, "event").open
    assert len(for_trigger(up, "event")) == 1, "what the event had started was not started again"


def test_a_form_that_is_not_filled_in_is_refused_and_one_that_is_moves_the_champion(up: Up, home: Home):
    import urllib.error

    with pytest.raises(urllib.error.HTTPError, match="409"):
        up.prefect.start("roll-back/wines")
    refused = up.prefect.ended(up.prefect.start("approve/wines", version="99", reason="a try"))
    assert (refused["state_type"], refused["state_name"]) == ("FAILED", "Refused")
    assert "99" in refused["state"]["message"]
    assert "Traceback" not in refused["state"]["message"]
    assert registry.champion_version(home, "wines") == "1"


def test_what_is_killed_is_started_again_at_the_same_address(up: Up):
    runner, mlflow = up.runner, f"{up.about['mlflow_url']}/health"
    os.kill(up.child("mlflow"), signal.SIGKILL)
    os.kill(up.child("prefect.server.api"), signal.SIGKILL)
    wait_for(lambda: not answers(up.prefect.api), 10, "the end of the killed server")
    wait_for(lambda: answers(up.prefect.api), 90, "Prefect")
    wait_for(lambda: healthy(mlflow), 90, "MLflow")
    os.kill(up.child("flows.runner"), signal.SIGKILL)
    wait_for(lambda: up.runner not in (0, runner), 90, "the runner")
    assert json.loads((up.home / "up.json").read_text()) == up.about
    names = [automation["name"] for automation in up.prefect.automations]
    assert len(names) == len(set(names)), "starting again doubles nothing"
    assert "is started again" in up.told.read_text()


def test_recipes_that_come_change_break_and_go_are_followed(up: Up, folder: Path):
    write_recipe(folder / "data" / "pears", "pears", schedule={"monitor": "0 5 * * *"})
    wait_for(lambda: crons(up).get("monitor/pears") == ["0 5 * * *"], 60, "the new recipe's deployments")
    wait_for(lambda: "pears is served now" in up.told.read_text(), 20, "a word about the new recipe")
    write_recipe(folder / "data" / "pears", "pears", schedule={"retrain": "0 6 * * *"})
    wait_for(lambda: crons(up).get("retrain/pears") == ["0 6 * * *"], 60, "the changed schedule")
    assert crons(up)["monitor/pears"] == []
    # Prefect takes fewer cron lines than the recipe: the others are served all the same.
    write_recipe(folder / "data" / "pears", "pears", schedule={"retrain": "0 6 LW * *"})
    wait_for(lambda: "0 6 LW * *" in up.told.read_text(), 60, "a word about the cron line")
    assert up.child("flows.runner") == up.runner
    (folder / "data" / "pears" / "recipe.yaml").unlink()
    wait_for(lambda: crons(up)["retrain/pears"] == [], 60, "the end of its schedule")
    assert crons(up)["retrain/wines"] == ["0 0 1 1 *"]


def crons(up: Up) -> dict[str, list[str]]:
    return {
        name: [item["schedule"]["cron"] for item in found["schedules"]]
        for name, found in up.prefect.deployments.items()
    }


def test_a_flow_run_that_is_killed_goes_on_and_somebody_is_told(up: Up, folder: Path):
    file = folder / "data" / "wines" / "recipe.yaml"
    write_recipe(file.parent, "wines", **SECTIONS, training=LONG)
    identity = up.prefect.start("retrain/wines", reason="a person asks")
    wait_for(lambda: training(up), 120, "the training")
    process = next(pid for pid in descendants(up.process.pid) if b"prefect.engine" in cmdline(pid))
    write_recipe(file.parent, "wines", **SECTIONS)
    os.kill(process, signal.SIGKILL)
    ended = up.prefect.ended(identity)
    assert (ended["state_type"], ended["run_count"]) == ("COMPLETED", 2), ended["state"]
    (alert,) = wait_for(lambda: alerts(folder), 60, "the alert")
    assert alert["event"] == "crashed"
    # What it had started before it was killed has ended too, long before it would count as silent.
    wait_for(lambda: not running(up), 30, "the end of every run")


def test_after_a_kill_of_everything_nobody_is_left_and_the_next_up_goes_on(
    up: Up, folder: Path, home: Home, kept: list[Up]
):
    file = folder / "data" / "wines" / "recipe.yaml"
    write_recipe(file.parent, "wines", **SECTIONS, training={**LONG, "epochs": 20_001})
    identity = up.prefect.start("retrain/wines", reason="a person asks again")
    wait_for(lambda: training(up), 120, "the training")
    everybody = descendants(up.process.pid)
    up.process.send_signal(signal.SIGKILL)
    up.process.wait()
    wait_for(lambda: not any(map(alive, everybody)), 15, "the end of every child")
    write_recipe(file.parent, "wines", **SECTIONS)

    again = start_up(folder, up.home)
    kept.append(again)
    # Whether the run that was killed goes on, or another is started for its trigger: it is answered once.
    wait_for(lambda: not any(trigger.open for trigger in triggers.every(home, "wines")), 300, "the end of the trigger")
    assert known(home, UUID(identity).hex).state == "ran"
    wait_for(lambda: not running(again), 30, "the end of every run")
    answering = (again.prefect.run(identity), *for_trigger(again, UUID(identity).hex))
    assert "COMPLETED" in {run["state_type"] for run in answering}
    everybody = descendants(again.process.pid)
    code, _, seconds = again.end(signal.SIGTERM)
    assert (code, seconds < 15) == (0, True), again.told.read_text()
    wait_for(lambda: not any(map(alive, everybody)), 5, "the end of every child")


def test_a_run_at_a_desk_that_falls_silent_has_crashed_and_one_that_does_not_start_is_overdue(
    kept: list[Up], folder: Path, home: Home
):
    sections = {**SECTIONS, "alerts": [{**SECTIONS["alerts"][0], "on": ["overdue"]}]}
    file = write_recipe(folder / "data" / "wines", "wines", **sections)
    for one in kept:
        if one.process.poll() is None:
            one.end()
    again = start_up(folder, home.root)
    kept.append(again)
    (file.parent / "alerts.txt").unlink(missing_ok=True)
    words = ["run", str(file), "training.epochs=20002", "training.early_stopping=null"]
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "--home", str(home.root), *words], cwd=folder, env=ENVIRONMENT
    )
    wait_for(lambda: at_the_desk(again)["id"] in training(again), 240, "the training")
    process.kill()
    process.wait()
    runner = again.child("flows.runner")
    os.kill(runner, signal.SIGSTOP)
    late = again.prefect.start("monitor/wines")
    wait_for(lambda: at_the_desk(again)["state_name"] == "Crashed", 300, "the end of the silent run")
    assert at_the_desk(again)["deployment_id"] is None
    wait_for(lambda: again.prefect.run(late)["state_name"] == "Late", 240, "the delay")
    os.kill(runner, signal.SIGCONT)
    (alert,) = wait_for(lambda: alerts(folder), 240, "the alert")
    assert alert["event"] == "overdue"
    assert again.prefect.ended(late)["state_type"] == "COMPLETED"

    # In the middle of a training, Ctrl-C ends everything as well.
    write_recipe(file.parent, "wines", **sections, training={**LONG, "epochs": 20_003})
    again.prefect.start("retrain/wines", reason="a last one")
    wait_for(lambda: training(again), 240, "the training")
    everybody = descendants(again.process.pid)
    code, _, seconds = again.end(signal.SIGINT)
    assert (code, seconds < 15) == (0, True), again.told.read_text()
    wait_for(lambda: not any(map(alive, everybody)), 5, "the end of every child")


def at_the_desk(up: Up) -> dict[str, Any]:
    """The run of the command line; nothing before there is one."""
    found = up.prefect.ask("flow_runs/filter", {"flow_runs": {"name": {"any_": ["wines"]}}})
    return next((run for run in found if "training.epochs=20002" in run["parameters"]["overrides"]), {"id": None})


def running(up: Up) -> list[dict[str, Any]]:
    return list(up.prefect.ask("flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}}}))


def training(up: Up) -> set[str]:
    """Ids of the runs whose training reports its progress."""
    found = up.prefect.ask("artifacts/filter", {"artifacts": {"key": {"any_": ["wines-train-progress"]}}})
    return {artifact["flow_run_id"] for artifact in found} & {run["id"] for run in running(up)}


def cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def alerts(folder: Path) -> list[dict[str, Any]]:
    file = folder / "data" / "wines" / "alerts.txt"
    return [json.loads(line) for line in file.read_text().splitlines() if line] if file.exists() else []
