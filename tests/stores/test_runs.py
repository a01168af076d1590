"""The MLflow door with real MLflow on SQLite: nothing is made twice, nothing leaks between homes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tasks.core.errors import RequestError
from tasks.stores import registry, runs

PARAMETERS = {"model": {"kind": "mlp", "hidden": [64, 64]}, "training": {"seed": 0}}


def registered(home: Any, log_times: Callable[..., str], name: str, key: str = "k") -> tuple[str, str]:
    run_id = runs.start_run(home, name, key, {}, {})
    uri = log_times(home, run_id, key)
    return runs.register(home, name, uri, run_id, {"evergreen.dataset": "d1"}, key), uri


def test_reading_a_home_without_a_database_finds_nothing_and_makes_nothing(home: Any) -> None:
    assert registry.champion_version(home, "digits") is None
    assert registry.versions(home, "digits") == []
    assert registry.model_tags(home, "digits") == {}
    assert [path.name for path in home.root.iterdir()] == ["home.json"]


def test_reads_do_not_import_mlflow(shared_home: Any, log_times: Callable[..., str], root: Path) -> None:
    version, _ = registered(shared_home, log_times, "light")
    runs.set_alias(shared_home, "light", version)
    code = (
        "import sys; from pathlib import Path; from tasks.core.home import Home; from tasks.stores import runs\n"
        f"home = Home(Path({str(shared_home.root)!r}))\n"
        "print(runs.champion_version(home, 'light'), len(runs.versions(home, 'light')), 'mlflow' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["1", "1", "False"]


def test_a_run_is_found_by_its_key_and_taken_up_again(shared_home: Any) -> None:
    run_id = runs.start_run(shared_home, "again", "k1", PARAMETERS, {"evergreen.recipe": "r"})
    runs.finish_run(shared_home, run_id, "FAILED")
    assert runs.start_run(shared_home, "again", "k1", PARAMETERS, {}) == run_id
    assert runs.start_run(shared_home, "again", "k2", PARAMETERS, {}) != run_id
    info = runs.run_info(shared_home, run_id)
    assert info["status"] == "RUNNING"
    assert info["parameters"] == {"model.kind": "mlp", "model.hidden": "[64, 64]", "training.seed": "0"}
    assert info["tags"]["evergreen.key"] == "k1" and info["tags"]["evergreen.recipe"] == "r"
    runs.finish_run(shared_home, run_id)
    assert runs.run_info(shared_home, run_id)["status"] == "FINISHED"


def test_history_logged_twice_or_after_a_resume_has_each_step_once(shared_home: Any) -> None:
    run_id = runs.start_run(shared_home, "history", "k", {}, {})
    rows = [
        {"epoch": epoch, "train_loss": 1.0 / epoch, "metrics": {"accuracy": 0.5}, "note": "x"} for epoch in range(1, 6)
    ]
    runs.log_history(shared_home, run_id, rows[:3])
    runs.log_history(shared_home, run_id, rows)
    client = runs.open_tracking(shared_home)
    points = client.get_metric_history(run_id, "train_loss")
    assert sorted((point.step, point.value) for point in points) == [(epoch, 1.0 / epoch) for epoch in range(1, 6)]
    assert len(client.get_metric_history(run_id, "metrics.accuracy")) == 5


def test_a_long_history_is_logged_whole(shared_home: Any) -> None:
    run_id = runs.start_run(shared_home, "long", "k", {f"p{number}": number for number in range(150)}, {})
    runs.log_history(shared_home, run_id, [{"epoch": epoch, "a": 0.1, "b": 0.2} for epoch in range(700)])
    client = runs.open_tracking(shared_home)
    assert len(client.get_metric_history(run_id, "a")) == len(client.get_metric_history(run_id, "b")) == 700
    assert len(runs.run_info(shared_home, run_id)["parameters"]) == 150


def test_final_metrics_leave_out_what_is_undefined(shared_home: Any) -> None:
    run_id = runs.start_run(shared_home, "final", "k", {}, {})
    for _ in range(2):
        runs.log_metrics(shared_home, run_id, {"test": {"accuracy": 0.9, "roc_auc": float("nan"), "n%": 3}})
    client = runs.open_tracking(shared_home)
    assert client.get_run(run_id).data.metrics == {"test.accuracy": 0.9, "test.n_": 3.0}
    assert len(client.get_metric_history(run_id, "test.accuracy")) == 1


def test_files_lie_in_the_home(shared_home: Any, tmp_path: Path) -> None:
    run_id = runs.start_run(shared_home, "files", "k", {}, {})
    (tmp_path / "report.html").write_text("<p>report</p>")
    runs.log_files(shared_home, run_id, [tmp_path / "report.html"], "reports")
    assert [path.read_text() for path in shared_home.mlflow.rglob("reports/report.html")] == ["<p>report</p>"]


def test_a_model_is_stored_and_registered_once_and_loads(shared_home: Any, log_times: Callable[..., str]) -> None:
    version, uri = registered(shared_home, log_times, "once")
    assert registered(shared_home, log_times, "once") == (version, uri) == ("1", uri)
    (known,) = runs.versions(shared_home, "once")
    folder = runs.local_files(shared_home, "models:/once/1")
    assert known.tags == {
        "evergreen.dataset": "d1",
        "evergreen.key": "k",
        "evergreen.content": runs.content_hash(folder),
    }
    assert known.source == uri and known.status == "READY"
    runs.set_alias(shared_home, "once", version)
    answer = runs.load(shared_home, "models:/once@champion").predict(pd.DataFrame({"x": [2.0]}))
    assert answer["prediction"].tolist() == [6.0]
    assert not [path for path in folder.rglob("*") if path.suffix in (".pkl", ".pickle", ".pyc")]


def test_another_key_is_another_version(shared_home: Any, log_times: Callable[..., str]) -> None:
    assert registered(shared_home, log_times, "two", "k1")[0] == "1"
    assert registered(shared_home, log_times, "two", "k2")[0] == "2"
    assert [item.tags["evergreen.key"] for item in runs.versions(shared_home, "two")] == ["k1", "k2"]


@pytest.mark.parametrize("damage", ["changed", "removed"])
def test_a_damaged_model_is_put_back_under_its_version(
    shared_home: Any, log_times: Callable[..., str], damage: str
) -> None:
    version, uri = registered(shared_home, log_times, damage)
    file = runs.local_files(shared_home, uri) / "artifacts" / "factor.json"
    file.write_text("4") if damage == "changed" else file.unlink()
    assert registered(shared_home, log_times, damage) == (version, uri)
    assert runs.load(shared_home, uri).predict(pd.DataFrame({"x": [2.0]}))["prediction"].tolist() == [6.0]


def test_a_damaged_model_whose_bytes_cannot_be_made_again_becomes_another_version(
    shared_home: Any, log_times: Callable[..., str]
) -> None:
    version, uri = registered(shared_home, log_times, "lost")
    (runs.local_files(shared_home, uri) / "artifacts" / "factor.json").write_text("4")
    run_id = runs.start_run(shared_home, "lost", "k", {}, {})
    other = log_times(shared_home, run_id, "k", factor=5)
    assert other != uri
    assert runs.register(shared_home, "lost", other, run_id, {"evergreen.dataset": "d1"}, "k") != version
    assert runs.load(shared_home, other).predict(pd.DataFrame({"x": [2.0]}))["prediction"].tolist() == [10.0]


def test_a_model_whose_upload_never_finished_is_not_registered(shared_home: Any, log_times: Callable[..., str]) -> None:
    _, uri = registered(shared_home, log_times, "pending")
    client = runs.open_tracking(shared_home)
    run_id = runs.start_run(shared_home, "pending", "k", {}, {})
    experiment = client.get_run(run_id).info.experiment_id
    pending = client.create_logged_model(experiment, name="times", tags={"evergreen.key": "k9"})
    with pytest.raises(RequestError, match=r"files of models:/m-[0-9a-f]+ are gone"):
        runs.register(shared_home, "pending", f"models:/{pending.model_id}", run_id, {}, "k9")
    client.log_model_artifacts(pending.model_id, str(runs.local_files(shared_home, uri)))
    with pytest.raises(RequestError, match="never completely stored"):
        runs.register(shared_home, "pending", f"models:/{pending.model_id}", run_id, {}, "k9")
    assert log_times(shared_home, run_id, "k9") == f"models:/{pending.model_id}"
    assert runs.register(shared_home, "pending", f"models:/{pending.model_id}", run_id, {}, "k9") == "2"


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("models:/nothing@champion", "nothing has no version with the alias 'champion'"),
        ("models:/absent/7", "absent has no version 7"),
        ("runs:/abc/model", "'runs:/abc/model' is not the address"),
        ("models:/m-00000000000000000000000000000000", "not found"),
    ],
)
def test_what_does_not_exist_is_a_wrong_request(shared_home: Any, uri: str, message: str) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        runs.local_files(shared_home, uri)
    assert caught.value.remedy


def test_aliases_and_tags_are_set_and_taken_away(shared_home: Any, log_times: Callable[..., str]) -> None:
    version, _ = registered(shared_home, log_times, "tagged")
    with pytest.raises(RequestError, match="tagged has no version 5"):
        runs.set_alias(shared_home, "tagged", "5")
    runs.set_alias(shared_home, "tagged", version, "challenger")
    assert runs.aliases(shared_home, "tagged") == {"challenger": "1"}
    runs.delete_alias(shared_home, "tagged", "challenger")
    runs.delete_alias(shared_home, "tagged", "challenger")
    assert runs.aliases(shared_home, "tagged") == {}
    runs.tag_version(shared_home, "tagged", version, {"evergreen.blocked": "true", "a": "b"})
    assert registry.version(shared_home, "tagged", version).blocked
    runs.tag_version(shared_home, "tagged", version, {"evergreen.blocked": None, "never": None})
    assert not registry.version(shared_home, "tagged", version).blocked
    runs.tag_model(shared_home, "tagged", {"c": "d"})
    assert runs.model_tags(shared_home, "tagged") == {"c": "d"}


def test_a_deleted_version_is_gone_for_readers_too(shared_home: Any, log_times: Callable[..., str]) -> None:
    version, _ = registered(shared_home, log_times, "deleted")
    runs.set_alias(shared_home, "deleted", version)
    runs.open_tracking(shared_home).delete_model_version("deleted", version)
    assert runs.versions(shared_home, "deleted") == []
    assert runs.champion_version(shared_home, "deleted") is None


def test_a_deleted_experiment_is_a_wrong_request_with_the_way_back(shared_home: Any) -> None:
    runs.start_run(shared_home, "gone", "k", {}, {})
    client = runs.open_tracking(shared_home)
    client.delete_experiment(client.get_experiment_by_name("gone").experiment_id)
    with pytest.raises(RequestError, match="experiment 'gone' was deleted") as caught:
        runs.start_run(shared_home, "gone", "k", {}, {})
    assert "mlflow experiments restore" in caught.value.remedy


def test_two_homes_in_one_process_do_not_mix(
    shared_home: Any, home: Any, log_times: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    registered(shared_home, log_times, "mixed")
    assert runs.versions(home, "mixed") == []
    registered(home, log_times, "mixed")
    assert len(runs.versions(home, "mixed")) == len(runs.versions(shared_home, "mixed")) == 1
    assert str(home.root) in str(runs.local_files(home, "models:/mixed/1"))
    assert "MLFLOW_TRACKING_URI" not in os.environ and not mlflow.is_tracking_uri_set()
    assert list(Path.cwd().iterdir()) == []


def test_loading_leaves_no_trace_and_works_from_a_read_only_store(
    shared_home: Any, log_times: Callable[..., str]
) -> None:
    _, uri = registered(shared_home, log_times, "readonly")
    folder = runs.local_files(shared_home, uri)
    before = sorted(folder.rglob("*"))
    folder.chmod(0o555)
    try:
        assert runs.load(shared_home, "models:/readonly/1").predict(pd.DataFrame({"x": [1.0]}))[
            "prediction"
        ].tolist() == [3.0]
    finally:
        folder.chmod(0o755)
    assert sorted(folder.rglob("*")) == before


def test_the_content_hash_sees_every_file_but_what_loading_writes(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "model.py").write_text("x = 1")
    before = runs.content_hash(tmp_path)
    (tmp_path / "code" / "__pycache__").mkdir()
    (tmp_path / "code" / "__pycache__" / "model.pyc").write_bytes(b"1")
    (tmp_path / "registered_model_meta").write_text("model_name: x")
    assert runs.content_hash(tmp_path) == before
    (tmp_path / "code" / "model.py").write_text("x = 2")
    assert runs.content_hash(tmp_path) != before
    with pytest.raises(FileNotFoundError):
        runs.content_hash(tmp_path / "absent")
