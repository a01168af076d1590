"""`doctor`: what is wrong is named with a remedy, and looking changes nothing."""

from __future__ import annotations

import fcntl
import importlib.metadata
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from flows import doctor
from flows.cli import main
from tasks.core.home import Home, open_home

NAMES = ["python", "versions", "home", "disk", "tracking", "ledger", "prefect", "device"]


def checked(home: Home) -> dict[str, doctor.Check]:
    return {check.name: check for check in doctor.checks(home)}


def test_here_all_is_well_and_every_check_is_made(tmp_path: Path, capfd):
    assert main(["doctor", "--home", str(tmp_path / "home"), "--json"]) == 0
    answer = json.loads(capfd.readouterr().out)
    assert answer["ok"] is True
    assert [check["name"] for check in answer["checks"]] == NAMES
    assert answer["home"] == str(tmp_path / "home")
    assert answer["tracking_uri"] == f"sqlite:///{tmp_path / 'home'}/mlflow/mlflow.db"
    assert answer["prefect_api_url"] is None


def test_looking_makes_no_home(tmp_path: Path):
    found = checked(Home(tmp_path / "home"))
    assert found["home"].ok
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("requirement", "says"),
    [("fastapi<0.100", "fastapi"), ("no-such-library>=1", "is not installed"), ("numpy>=99", "is not >=99")],
)
def test_a_version_outside_its_bounds_is_named(requirement: str, says: str):
    assert says in doctor.version_problems(["click>=8", requirement])[0]


def test_a_requirement_of_an_extra_or_another_system_is_not_asked_for():
    assert doctor.version_problems(['no-such>=1; extra == "dev"', 'no-such; sys_platform == "win32"']) == []


def test_the_bounds_are_those_of_the_project():
    required = {line.split(">=")[0].split("<")[0] for line in importlib.metadata.requires("evergreen")}
    assert {"fastapi", "sqlalchemy", "pandas", "prefect", "mlflow"} <= required
    assert doctor.check_versions().ok


def test_a_home_that_was_moved_is_named_with_the_remedy(tmp_path: Path):
    open_home(str(tmp_path / "first"))
    (tmp_path / "first").rename(tmp_path / "second")
    found = checked(Home(tmp_path / "second"))["home"]
    assert not found.ok
    assert "moved" in found.detail
    assert "--home" in found.remedy


def test_a_file_in_the_place_of_the_home_is_named(tmp_path: Path, capfd):
    (tmp_path / "home").write_text("")
    assert main(["doctor", "--home", str(tmp_path / "home"), "--json"]) == 3
    checks = {check["name"]: check for check in json.loads(capfd.readouterr().out)["checks"]}
    assert "is a file" in checks["home"]["detail"]


def test_a_damaged_tracking_database_is_named(home: Home):
    home.mlflow.mkdir(parents=True)
    (home.mlflow / "mlflow.db").write_bytes(b"this is no database" * 100)
    found = checked(home)["tracking"]
    assert not found.ok
    assert "mlflow.db" in found.detail
    assert found.remedy


def test_a_ledger_that_was_changed_is_found(home: Home):
    import sqlite3

    from tasks.stores.ledger import Ledger

    Ledger(home.ledger).append("stop", "claims", {"reason": "a test"})
    assert checked(home)["ledger"].ok
    with sqlite3.connect(home.ledger) as connection:
        connection.execute("DROP TRIGGER entries_are_not_changed")
        connection.execute("UPDATE entries SET body = '{}'")
    found = checked(home)["ledger"]
    assert not found.ok
    assert "entry 1" in found.detail


@pytest.mark.parametrize("variable", ["PREFECT_API_URL", "MLFLOW_TRACKING_URI"])
def test_a_server_that_is_away_ends_with_4(tmp_path: Path, capfd, monkeypatch: pytest.MonkeyPatch, variable: str):
    monkeypatch.setenv(variable, "http://127.0.0.1:9/api")
    assert main(["doctor", "--home", str(tmp_path / "home"), "--json"]) == 4
    answer = json.loads(capfd.readouterr().out)
    wrong = [check for check in answer["checks"] if not check["ok"]]
    assert len(wrong) == 1
    assert "127.0.0.1:9" in wrong[0]["detail"]
    assert wrong[0]["remedy"]


def test_a_prefect_server_that_answers_is_shown():
    class Healthy(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"true")

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Healthy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        found = doctor.check_prefect(f"http://127.0.0.1:{server.server_port}/api")
        assert found.ok
    finally:
        server.shutdown()
        server.server_close()


def test_the_server_of_up_is_the_one_it_prints_and_looks_at(tmp_path: Path, capfd, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    home = open_home(str(tmp_path / "home"))
    about = {"prefect_api_url": "http://127.0.0.1:9/api", "mlflow_url": "http://127.0.0.1:9", "pid": 1}
    (home.root / "up.json").write_text(json.dumps(about))
    with (home.root / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(["doctor", "--home", str(home.root), "--json"]) == 4
        answer = json.loads(capfd.readouterr().out)
        assert answer["prefect_api_url"] == "http://127.0.0.1:9/api"
        assert [check["name"] for check in answer["checks"] if not check["ok"]] == ["prefect"]
    # What an `up` that is gone had written counts for nothing.
    assert main(["doctor", "--home", str(home.root), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["prefect_api_url"] is None
