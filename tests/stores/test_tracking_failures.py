"""The MLflow door when something is wrong: damaged, locked, full, away, or opened by several at once."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tasks.core.errors import RequestError, ServiceError
from tasks.core.home import open_home
from tasks.stores import address, registry, runs


def test_a_damaged_database_is_a_service_error_at_once(home: Any) -> None:
    home.mlflow.mkdir()
    (home.mlflow / "mlflow.db").write_bytes(b"no database at all, but long enough" * 50)
    for ask in (lambda: registry.champion_version(home, "x"), lambda: runs.start_run(home, "x", "k", {}, {})):
        with pytest.raises(ServiceError, match="cannot be read: file is not a database") as caught:
            ask()
        assert "backup" in caught.value.remedy


def test_a_locked_database_is_a_service_error_naming_it(
    shared_home: Any, log_times: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = runs.start_run(shared_home, "locked", "k", {}, {})
    runs.register(shared_home, "locked", log_times(shared_home, run_id, "k"), run_id, {}, "k")
    monkeypatch.setattr("tasks.stores.address._TIMEOUT_SECONDS", 0.1)
    blocker = sqlite3.connect(address.database(shared_home))
    blocker.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(ServiceError, match=r"mlflow\.db is locked by another program"):
            runs.tag_model(shared_home, "locked", {"a": "b"})
    finally:
        blocker.rollback()
        blocker.close()


def test_a_full_or_read_only_store_is_a_service_error(
    shared_home: Any, log_times: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device", "/store/model")

    run_id = runs.start_run(shared_home, "full", "k", {}, {})
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_model_artifacts", full)
        with pytest.raises(ServiceError, match=r"No space left on device \(/store/model\)"):
            log_times(shared_home, run_id, "k")
    uri = log_times(shared_home, run_id, "k")
    client = runs.open_tracking(shared_home)
    experiment = client.get_run(run_id).info.experiment_id
    assert [f"models:/{model.model_id}" for model in client.search_logged_models([experiment])] == [uri]


def test_a_tracking_server_that_is_away_is_a_service_error_within_seconds(
    home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://somebody:secret@127.0.0.1:9")
    for ask in (lambda: registry.versions(home, "x"), lambda: runs.start_run(home, "x", "k", {}, {})):
        with pytest.raises(ServiceError, match=r"server http://127\.0\.0\.1:9 did not answer") as caught:
            ask()
        assert "secret" not in str(caught.value) and "MLFLOW_TRACKING_URI" in caught.value.remedy


OPEN = """
import sys
from tasks.core.home import open_home
from tasks.stores import runs
runs.start_run(open_home(sys.argv[1]), "fresh", sys.argv[2], {}, {})
"""


def test_several_processes_can_open_a_fresh_home_at_once(tmp_path: Path, root: Path) -> None:
    folder = str(tmp_path / "home")
    processes = [subprocess.Popen([sys.executable, "-c", OPEN, folder, f"k{number}"], cwd=root) for number in range(3)]
    assert [process.wait(timeout=180) for process in processes] == [0, 0, 0]
    client = runs.open_tracking(open_home(folder))
    experiment = client.get_experiment_by_name("fresh").experiment_id
    assert sorted(run.data.tags["evergreen.key"] for run in client.search_runs([experiment])) == ["k0", "k1", "k2"]


def test_a_database_left_unfinished_by_a_kill_is_made_anew(home: Any) -> None:
    home.mlflow.mkdir()
    (home.mlflow / "mlflow.db.unfinished").write_bytes(b"half a schema")
    (home.mlflow / "mlflow.db").touch()
    runs.start_run(home, "fresh", "k", {}, {})
    assert sorted(path.name for path in home.mlflow.iterdir()) == ["mlflow.db", "mlflow.db.lock"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A real tracking server on SQLite, with its own artifact store."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path / "server"
    folder.mkdir()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        str(folder / "artifacts"),
    ]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    process = subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_healthy(address, process)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_until_healthy(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/health", timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail("the tracking server did not come up")


@pytest.mark.slow
def test_everything_works_through_a_tracking_server_too(
    home: Any, server: str, log_times: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    assert registry.champion_version(home, "remote") is None and registry.versions(home, "remote") == []
    run_id = runs.start_run(home, "remote", "k", {"a": {"b": 1}}, {})
    assert runs.start_run(home, "remote", "k", {"a": {"b": 1}}, {}) == run_id
    runs.log_history(home, run_id, [{"epoch": 1, "loss": 0.5}])
    uri = log_times(home, run_id, "k")
    assert log_times(home, run_id, "k") == uri
    version = runs.register(home, "remote", uri, run_id, {"evergreen.dataset": "d"}, "k")
    assert runs.register(home, "remote", uri, run_id, {}, "k") == version == "1"
    runs.set_alias(home, "remote", version)
    runs.tag_model(home, "remote", {"c": "d"})
    assert registry.aliases(home, "remote") == {"champion": "1"}
    assert registry.model_tags(home, "remote") == {"c": "d"}
    (known,) = registry.versions(home, "remote")
    assert known.source == uri and known.run_id == run_id and known.status == "READY"
    assert known.tags["evergreen.content"] == runs.content_hash(runs.local_files(home, "models:/remote@champion"))
    assert runs.load(home, "models:/remote/1").predict(pd.DataFrame({"x": [2.0]}))["prediction"].tolist() == [6.0]
    runs.finish_run(home, run_id)
    assert not (home.mlflow / "mlflow.db").exists()
    with pytest.raises(RequestError, match="remote has no version 2"):
        runs.set_alias(home, "remote", "2")
