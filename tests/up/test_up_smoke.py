"""`evergreen up` starts everything, says where it is, and ends without leaving anything behind."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from flows.pages import healthy
from flows.server import answers, known_url
from flows.up import up as serve
from tasks.core.errors import RequestError
from tasks.core.home import Home
from tests.up.serving import Up, alive, descendants, start_up, wait_for, write_recipe

SCHEDULE = {"monitor": "0 * * * *", "retrain": "0 3 * * 1", "timezone": "Europe/Paris"}


@pytest.mark.timeout(300)
def test_up_serves_everything_until_ctrl_c(started: list[Up], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    write_recipe(tmp_path / "data" / "wines", "wines", schedule=SCHEDULE)
    home = tmp_path / "home"
    up = start_up(tmp_path, home)
    started.append(up)

    assert known_url(Home(home)) == up.prefect.api
    assert answers(up.prefect.api)
    assert healthy(f"{up.about['mlflow_url']}/health")
    assert "monitor" in up.told.read_text()
    found = up.prefect.deployments
    schedules = {name: [item["schedule"] for item in one["schedules"]] for name, one in found.items()}
    assert {name: one[0]["cron"] for name, one in schedules.items() if one} == {
        "monitor/wines": "0 * * * *",
        "retrain/wines": "0 3 * * 1",
    }
    assert {one[0]["timezone"] for one in schedules.values() if one} == {"Europe/Paris"}

    # A second one is refused, and says where the first is.
    with pytest.raises(RequestError) as refusal:
        serve(Home(home), tmp_path, port=None, ready=lambda *_: None, tell=lambda _: None)
    assert refusal.value.exit_code == 2
    for known in (str(up.process.pid), up.prefect.api, up.about["mlflow_url"]):
        assert known in refusal.value.message
    assert up.process.poll() is None
    assert answers(up.prefect.api)

    everybody = descendants(up.process.pid)
    assert len(everybody) >= 3
    code, answer, seconds = up.end(signal.SIGINT)
    assert code == 0, up.told.read_text()
    assert (answer["status"], answer["recipes"]) == ("completed", ["wines"])
    assert answer["restarts"] == {"MLflow": 0, "Prefect": 0, "runner": 0}
    assert seconds < 15
    wait_for(lambda: not any(map(alive, everybody)), 5, "the end of every child")
    assert known_url(Home(home)) is None
