"""The gate `servable`, with a real consumer process each time."""

from __future__ import annotations

import copy
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.release import servable
from tasks.release.package import make_package
from tasks.stores import packaged, runs


@pytest.fixture(scope="module")
def stored(make_model: Callable[..., Any]) -> Any:
    return make_package(*make_model().inputs)


@pytest.fixture(scope="module")
def golden(stored: Any, shared_home: Any) -> dict[str, Any]:
    return packaged.verified(shared_home, "toy", stored.version).read("golden.json")


@pytest.fixture
def light() -> Iterator[servable.Consumer]:
    """A consumer whose environment lacks everything: it dies at its first import."""
    with servable.consumer("sqlite:///nowhere.db", ["six"]) as process:
        yield process


def test_a_sound_model_repeats_its_golden_predictions_with_pickle_off_and_the_project_absent(
    stored: Any, golden: Any, shared_home: Any
):
    with servable.consumer(shared_home.tracking_uri) as early:
        checked = servable.check(shared_home.tracking_uri, "models:/toy/1", golden)
        assert early.used, "the consumer that was started early is the one that is asked"
        folder = early._folder
    assert checked.problems == () and checked.unavailable == ""
    gate = servable.gate(checked, len(golden["inputs"]))
    assert gate.state == "passed" and gate.evidence["golden_rows"] == 18 and gate.evidence["import_seconds"] > 0
    assert not folder.exists()


@pytest.mark.slow
def test_a_changed_prediction_a_broken_scorer_and_a_missing_version_are_told_apart(
    make_model: Callable[..., Any], stored: Any, golden: Any, shared_home: Any
):
    other = copy.deepcopy(golden)
    other["outputs"][3]["probability_1"] += 1e-3
    checked = servable.check(shared_home.tracking_uri, stored.model_uri, other)
    assert checked.problems == ("golden row 3 differs in probability_1",)
    # A scorer that needs this project works here and nowhere else.
    broken = make_package(*make_model("broken").inputs)
    scorer = runs.local_files(shared_home, broken.model_uri) / "scorer.py"
    source = scorer.read_text().replace("from __future__ import annotations", "from tasks.core import home")
    scorer.write_text(source)
    gate = servable.gate(servable.check(shared_home.tracking_uri, broken.model_uri, golden), 18)
    assert gate.state == "failed" and "No module named 'tasks'" in gate.reason
    gate = servable.gate(servable.check(shared_home.tracking_uri, "models:/toy/99", golden), 18)
    assert gate.state == "failed" and "does not load" in gate.reason


def test_a_consumer_that_does_not_start_is_an_error_and_not_a_verdict(light: servable.Consumer):
    checked = light.check("models:/toy/1", {"inputs": [], "outputs": []})
    gate = servable.gate(checked, 0)
    assert gate.state == "error" and "No module named" in gate.reason


def test_a_consumer_checks_one_model(light: servable.Consumer):
    light.check("models:/toy/1", {"inputs": [], "outputs": []})
    with pytest.raises(RuntimeError, match="one model"):
        light.check("models:/toy/1", {"inputs": [], "outputs": []})


def test_a_consumer_that_is_killed_or_late_is_an_error(shared_home: Any):
    with servable.consumer(shared_home.tracking_uri) as process:
        os.kill(process._process.pid, signal.SIGKILL)
        assert "ended with status -9" in process.check("models:/toy/1", {"inputs": [], "outputs": []}).unavailable
    late = servable.Consumer(shared_home.tracking_uri, servable.pinned_requirements(), timeout_seconds=0.0)
    try:
        assert "did not answer within 0 s" in late.check("models:/toy/1", {"inputs": [], "outputs": []}).unavailable
    finally:
        late.close()


def test_the_process_and_its_environment_end_with_the_block_whatever_happens(shared_home: Any):
    with pytest.raises(KeyError), servable.consumer(shared_home.tracking_uri, ["six"]) as process:
        raise KeyError
    assert process._process.poll() is not None and not process._folder.exists()
    assert servable._early == []


def test_a_requirement_that_is_not_installed_leaves_no_folder_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(Exception, match="not installed here"), servable.consumer("sqlite:///x", ["no-such-thing==1"]):
        pass
    assert list(tmp_path.iterdir()) == []


GOLDEN = [{"prediction": 1, "probability_a": 0.5}]


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ([{"prediction": 1, "probability_a": 0.500001}], None),
        ([{"prediction": 1, "probability_a": 0.50002}], "golden row 0 differs in probability_a"),
        ([{"prediction": 1, "probability_a": None}], "golden row 0 differs in probability_a"),
        ([{"prediction": 1.0, "probability_a": 0.5}], "golden row 0 differs in prediction"),
        ([{"prediction": True, "probability_a": 0.5}], "golden row 0 differs in prediction"),
        ([{"prediction": "1", "probability_a": 0.5}], "golden row 0 differs in prediction"),
        ([{"prediction": 1}], "the columns are prediction instead of prediction, probability_a"),
        ([], "0 predictions came back for 1 golden rows"),
    ],
)
def test_differences_name_row_and_column_and_never_a_value(found: list[dict[str, Any]], problem: str | None):
    assert servable.differences(GOLDEN, found) == ([problem] if problem else [])


def test_large_numbers_are_compared_relatively():
    assert servable.differences([{"prediction": 1e6}], [{"prediction": 1e6 + 5}]) == []
    assert servable.differences([{"prediction": 1e6}], [{"prediction": 1e6 + 50}]) != []


@pytest.mark.slow
def test_an_unreachable_registry_is_an_outage(golden: Any, stored: Any):
    with servable.consumer("http://127.0.0.1:9", servable.pinned_requirements()) as process:
        gate = servable.gate(process.check("models:/toy/1", golden), 18)
    assert gate.state == "error" and gate.evidence["service"] == "model registry"
    assert json.dumps(gate.evidence)
