"""The MLflow door: runs, models, versions, aliases and tags, each found by its key before it is made.

A command that is repeated after a crash finds the run, the logged model and the version that the first
attempt left, completes them, and makes no second. The door has five files, and nothing else imports or
reads MLflow: this one and `models.py` write, `registry.py` and `rest.py` read without importing it,
`tracking.py` connects. What others need is offered here.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.core.errors import RequestError
from tasks.core.hashing import json_sha256
from tasks.core.home import Home
from tasks.stores import registry
from tasks.stores.models import load, local_files, log_model, register
from tasks.stores.registry import (
    CHAMPION,
    KEY,
    VersionInfo,
    aliases,
    champion_version,
    content_hash,
    model_tags,
    versions,
)
from tasks.stores.tracking import answering, experiment_id, open_tracking

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = [
    "CHAMPION",
    "KEY",
    "VersionInfo",
    "aliases",
    "champion_version",
    "content_hash",
    "delete_alias",
    "finish_run",
    "load",
    "local_files",
    "log_files",
    "log_history",
    "log_metrics",
    "log_model",
    "model_tags",
    "open_tracking",
    "parameter_texts",
    "register",
    "run_info",
    "set_alias",
    "start_run",
    "tag_model",
    "tag_run",
    "tag_version",
    "versions",
]

PARENT = "mlflow.parentRunId"
"""The tag by which MLflow shows one run below another."""
_METRICS_PER_CALL = 1000
_PARAMETERS_PER_CALL = 100


def start_run(
    home: Home,
    name: str,
    key: str,
    parameters: Mapping[str, Any],
    tags: Mapping[str, str],
    *,
    title: str | None = None,
    parent: str | None = None,
) -> str:
    """The id of the run made under `key` in the experiment `name`; a crashed attempt's run is taken up again.

    Nested parameters become dotted names. `title` is what the run is called in MLflow, `parent` the id of the run
    that it is shown below.

    Raises:
        ServiceError: the tracking store does not answer.
    """
    client = open_tracking(home)
    with answering(home):
        experiment = experiment_id(client, home, name)
        found = client.search_runs([experiment], filter_string=f"tags.`{KEY}` = '{key}'", max_results=1)
        if found:
            run_id = str(found[0].info.run_id)
            client.update_run(run_id, status="RUNNING")
        else:
            # The key is set in the same call, so a run is never without it.
            nested = {} if parent is None else {PARENT: parent}
            called = title or f"{name}-{key[:8]}"
            created = client.create_run(experiment, tags={**tags, **nested, KEY: key}, run_name=called)
            run_id = str(created.info.run_id)
        _log_parameters(client, run_id, parameters)
    return run_id


def log_history(home: Home, run_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Log one row per epoch in one batch; `row["epoch"]` is the step, nested metrics become dotted names.

    Steps that the run already has are left out, so logging twice, or after a resume, adds nothing twice.
    """
    client = open_tracking(home)
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    with answering(home):
        known: dict[str, set[int]] = {}
        metrics = []
        for row in rows:
            step = int(row["epoch"])
            for name, value in _numbers({key: item for key, item in row.items() if key != "epoch"}).items():
                if name not in known:
                    known[name] = {point.step for point in client.get_metric_history(run_id, name)}
                if step not in known[name]:
                    metrics.append(Metric(name, value, now, step))
        for start in range(0, len(metrics), _METRICS_PER_CALL):
            client.log_batch(run_id, metrics=metrics[start : start + _METRICS_PER_CALL])


def log_metrics(home: Home, run_id: str, metrics: Mapping[str, Any]) -> None:
    """Log final numbers; nested metrics become dotted names, what is not a finite number is left out."""
    client = open_tracking(home)
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    with answering(home):
        known = client.get_run(run_id).data.metrics
        fresh = {name: value for name, value in _numbers(metrics).items() if known.get(name) != value}
        client.log_batch(run_id, metrics=[Metric(name, value, now, 0) for name, value in fresh.items()])


def log_files(home: Home, run_id: str, paths: Sequence[Path], folder: str | None = None) -> None:
    """Upload files to the run's artifacts, below `folder`; a file already there is replaced."""
    client = open_tracking(home)
    with answering(home):
        for path in paths:
            client.log_artifact(run_id, str(path), artifact_path=folder)


def tag_run(home: Home, run_id: str, tags: Mapping[str, str]) -> None:
    """Set tags on a run."""
    client = open_tracking(home)
    with answering(home):
        for key, value in tags.items():
            client.set_tag(run_id, key, value)


def finish_run(home: Home, run_id: str, status: str = "FINISHED") -> None:
    """End a run: FINISHED, FAILED or KILLED."""
    client = open_tracking(home)
    with answering(home):
        client.set_terminated(run_id, status=status)


def run_info(home: Home, run_id: str) -> dict[str, Any]:
    """Status, tags and parameters of a run.

    Raises:
        RequestError: there is no such run.
    """
    client = open_tracking(home)
    with answering(home):
        run = client.get_run(run_id)
    return {"status": run.info.status, "tags": dict(run.data.tags), "parameters": dict(run.data.params)}


def parameter_texts(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Nested parameters as `start_run` stores them: dotted names and texts.

    The arguments of a custom part are named by their hash: they may be secret, and may be long.
    """
    return {_name(name): str(value) for name, value in _flat(_without_arguments(parameters)).items()}


def _without_arguments(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_without_arguments(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    hidden = {"args": json_sha256(value["args"])} if value.get("kind") == "custom" and value.get("args") else {}
    return {key: _without_arguments(item) for key, item in value.items()} | hidden


def set_alias(home: Home, name: str, version: str, alias: str = CHAMPION) -> None:
    """Point an alias at a version.

    Raises:
        RequestError: there is no such version.
    """
    client = open_tracking(home)
    if registry.version(home, name, version) is None:
        raise RequestError(
            f"{name} has no version {version}.", remedy="`evergreen history` lists them.", code="version"
        )
    with answering(home):
        client.set_registered_model_alias(name, alias, version)


def delete_alias(home: Home, name: str, alias: str = CHAMPION) -> None:
    """Take an alias away; nothing happens where there is none."""
    client = open_tracking(home)
    with answering(home):
        client.delete_registered_model_alias(name, alias)


def tag_version(home: Home, name: str, version: str, tags: Mapping[str, str | None]) -> None:
    """Set tags on a version; a value of None takes the tag away."""
    client = open_tracking(home)
    known = registry.version(home, name, version)
    with answering(home):
        for key, value in tags.items():
            if value is not None:
                client.set_model_version_tag(name, version, key, value)
            elif known is not None and key in known.tags:
                client.delete_model_version_tag(name, version, key)


def tag_model(home: Home, name: str, tags: Mapping[str, str]) -> None:
    """Set tags on a registered model.

    Raises:
        RequestError: there is no such model.
    """
    client = open_tracking(home)
    with answering(home):
        for key, value in tags.items():
            client.set_registered_model_tag(name, key, value)


def _log_parameters(client: MlflowClient, run_id: str, parameters: Mapping[str, Any]) -> None:
    from mlflow.entities import Param

    known = client.get_run(run_id).data.params
    missing = [Param(name, value) for name, value in parameter_texts(parameters).items() if name not in known]
    for start in range(0, len(missing), _PARAMETERS_PER_CALL):
        client.log_batch(run_id, params=missing[start : start + _PARAMETERS_PER_CALL])


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {
        _name(name): float(value)
        for name, value in _flat(values).items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat.update(_flat(value, f"{above}{key}."))
        else:
            flat[f"{above}{key}"] = value
    return flat


def _name(name: str) -> str:
    """A name MLflow accepts: letters, digits, underscores, dashes, dots, spaces, colons, slashes; at most 250 long."""
    return re.sub(r"[^\w\-. :/]", "_", name)[:250]
