"""`evergreen deploy` and `prefect deploy --all` make the same deployments, and making them again changes nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.server import PrefectApi
from tasks.core.home import open_home
from tests.flows.test_deployments import generator
from tests.up.serving import ENVIRONMENT, ROOT, Prefect, command, wait_for, write_recipe

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SCHEDULE = {"monitor": "*/30 6-18 * * 1-5", "retrain": "0 3 * * 1", "timezone": "America/New_York"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prefect]:
    """A team's server, with a work pool."""
    with PrefectApi(open_home(str(tmp_path_factory.mktemp("team") / "server"))) as api:
        api.wait()
        found = Prefect(api.url)
        found.ask("work_pools/", {"name": "team", "type": "process"})
        yield found


@pytest.fixture
def folder(tmp_path: Path, server: Prefect) -> Iterator[Path]:
    write_recipe(tmp_path / "data" / "wines", "wines", schedule=SCHEDULE)
    yield tmp_path
    server.clear()


def deploy(server: Prefect, folder: Path, *words: str) -> dict[str, Any]:
    code, answer = command(folder / "home", folder, "deploy", "wines", *words, PREFECT_API_URL=server.api)
    assert code == 0, answer
    return answer


KEPT = (
    "concurrency_limit",
    "concurrency_options",
    "description",
    "enforce_parameter_schema",
    "entrypoint",
    "job_variables",
    "parameter_openapi_schema",
    "parameters",
    "paused",
    "pull_steps",
    "work_pool_name",
)


def state(server: Prefect) -> dict[str, Any]:
    """Everything that makes a deployment what it is, without ids and dates."""
    found = {}
    for name, one in server.deployments.items():
        kept = {key: one[key] for key in KEPT}
        kept["tags"] = sorted(one["tags"])
        kept["schedules"] = [(item["schedule"], item["active"]) for item in one["schedules"]]
        kept["limit"] = one["global_concurrency_limit"]
        related = server.ask(f"automations/related-to/prefect.deployment.{one['id']}")
        kept["triggers"] = sorted((_automation(item) for item in related), key=str)
        found[name] = kept
    return found


def _automation(found: dict[str, Any]) -> dict[str, Any]:
    trigger = {key: value for key, value in found["trigger"].items() if key != "id"}
    for key in ("expect", "after", "for_each"):
        trigger[key] = sorted(trigger[key])
    actions = [{key: value for key, value in action.items() if key != "deployment_id"} for action in found["actions"]]
    return {"name": found["name"], "enabled": found["enabled"], "trigger": trigger, "actions": actions}


def identities(server: Prefect) -> set[str]:
    """Ids of deployments, schedules and automations: they change where something is made anew."""
    found = {automation["id"] for automation in server.automations}
    for one in server.deployments.values():
        found |= {one["id"], *(item["id"] for item in one["schedules"])}
    return found


def test_prefects_own_deploy_makes_the_same(server: Prefect, folder: Path, tmp_path: Path):
    answer = deploy(server, folder, "--pool", "team")
    assert {item["name"] for item in answer["deployments"]} == set(server.deployments)
    assert (answer["pool"], answer["server"]) == ("team", server.api)
    ours = state(server)
    assert ours["retrain/wines"]["schedules"][0][0]["cron"] == "0 3 * * 1"
    assert len(ours["retrain/wines"]["triggers"]) == 1
    assert {one["work_pool_name"] for one in ours.values()} == {"team"}

    server.clear()
    assert server.deployments == {}
    (tmp_path / "prefect.yaml").write_text(generator().text(folder / "data"))
    places = {
        "PREFECT_API_URL": server.api,
        "EVERGREEN_DATA": str(folder / "data"),
        "EVERGREEN_HOME": str(folder / "home"),
        "EVERGREEN_POOL": "team",
    }
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "prefect",
            "--no-prompt",
            "deploy",
            "--all",
            "--prefect-file",
            f"{tmp_path}/prefect.yaml",
        ],
        cwd=ROOT,
        env={**ENVIRONMENT, **places},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert state(server) == ours


def test_deploying_again_changes_nothing(server: Prefect, folder: Path):
    deploy(server, folder, "--pool", "team")
    before, ids = state(server), identities(server)
    scheduled = wait_for(lambda: waiting(server), 30, "the scheduled runs")
    deploy(server, folder, "--pool", "team")
    assert state(server) == before
    assert identities(server) == ids
    assert scheduled <= waiting(server), "runs that were scheduled stay scheduled"


def waiting(server: Prefect) -> set[str]:
    identity = server.deployments["retrain/wines"]["id"]
    return {run["id"] for run in server.ask("flow_runs/filter", {"deployments": {"id": {"any_": [identity]}}})}


def test_a_schedule_that_is_taken_out_or_changed_follows(server: Prefect, folder: Path):
    deploy(server, folder, "--pool", "team")
    before = server.deployments
    write_recipe(folder / "data" / "wines", "wines", schedule={"retrain": "30 4 * * *"})
    answer = deploy(server, folder)
    after = server.deployments
    assert {name: one["id"] for name, one in after.items()} == {name: one["id"] for name, one in before.items()}
    assert after["monitor/wines"]["schedules"] == []
    assert [item["schedule"]["cron"] for item in after["retrain/wines"]["schedules"]] == ["30 4 * * *"]
    assert {one["work_pool_name"] for one in after.values()} == {None}, "without --pool, `up` carries them out"
    assert answer["deployments"][1] == {
        "name": "retrain/wines",
        "schedule": "30 4 * * * UTC",
        "triggers": ["retrain wines on drift"],
    }
    names = [automation["name"] for automation in server.automations]
    assert len(names) == len(set(names)), "automations that all recipes share are made once"


def test_a_pool_that_is_not_there_is_refused_before_anything_is_made(server: Prefect, folder: Path):
    words = ("deploy", "wines", "--pool", "tema")
    code, answer = command(folder / "home", folder, *words, PREFECT_API_URL=server.api)
    assert code == 2
    assert "'tema'" in answer["error"]["message"]
    assert "team" in answer["error"]["remedy"]
    assert server.deployments == {}


def test_a_cron_line_that_prefect_does_not_know_is_refused(server: Prefect, folder: Path):
    write_recipe(folder / "data" / "wines", "wines", schedule={"retrain": "0 3 LW * *"})
    code, answer = command(folder / "home", folder, "deploy", "wines", PREFECT_API_URL=server.api)
    assert code == 2, answer
    assert "schedule.retrain" in answer["error"]["message"]
    assert "0 3 LW * *" in answer["error"]["message"]
