"""The MLflow client of one home: how MLflow is imported, its database made, and its failures worded.

Part of the MLflow door (`tasks/stores/runs.py`). MLflow's global tracking address is never set, so that
several homes can be used in one process.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.core.errors import RequestError, ServiceError
from tasks.core.home import Home
from tasks.stores import address, rest

if TYPE_CHECKING:
    from mlflow import MlflowClient

_ALWAYS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",
}
_UNLESS_SET = {
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}
"""MLflow's own defaults retry for minutes, and log a traceback for each error that is also raised."""

_GLOBAL = threading.Lock()
_OURS = ("INVALID_PARAMETER_VALUE", "RESOURCE_ALREADY_EXISTS", "INVALID_STATE")


def prepare_environment() -> None:
    """Set what MLflow reads from the environment: no telemetry, no pickle, no long retries.

    To be called before MLflow is imported.
    """
    os.environ.update(_ALWAYS)
    for name, value in _UNLESS_SET.items():
        os.environ.setdefault(name, value)


def open_tracking(home: Home) -> MlflowClient:
    """A client of the home's tracking server or database, which is made on first use.

    Raises:
        ServiceError: the server does not answer, or the database is locked or damaged.
    """
    address.check_reachable(home)
    prepare_environment()
    if address.is_sqlite(home):
        _make_database(home)
    from mlflow import MlflowClient

    with answering(home):
        return MlflowClient(tracking_uri=home.tracking_uri, registry_uri=home.tracking_uri)


@contextmanager
def answering(home: Home) -> Iterator[None]:
    """Turn MLflow's exceptions into ours.

    Raises:
        RequestError: something that was asked for does not exist.
        ServiceError: the server, the database or the artifact store did not answer.
    """
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            raise RequestError(
                f"MLflow says: {_line(error)}", remedy="See `evergreen history` for what exists.", code="model"
            ) from error
        if error.error_code in _OURS:
            raise
        raise _failed(home, error) from error
    except (RequestException, SQLAlchemyError) as error:
        raise _failed(home, error) from error
    except OSError as error:
        # A full disk, a store that is read-only, a file that cannot be reached.
        raise ServiceError(
            f"The model store failed: {error.strerror or error} ({error.filename or home.mlflow}).",
            remedy="Make room or give write permission, then run the command again.",
            code="tracking",
        ) from error


@contextmanager
def as_global(home: Home) -> Iterator[None]:
    """Make the home's address MLflow's global one for as long as it takes, and put back what was there.

    Only for the calls that cannot do without: MLflow's registry looks a logged model up through the
    global address, whatever client it was called from.
    """
    import mlflow
    from mlflow.tracking._tracking_service import utils

    with _GLOBAL:
        before, environment = utils._tracking_uri, os.environ.get("MLFLOW_TRACKING_URI")
        mlflow.set_tracking_uri(home.tracking_uri)
        try:
            yield
        finally:
            mlflow.set_tracking_uri(before)
            # MLflow drops the variable even where it was the user who had set it.
            if environment is not None:
                os.environ["MLFLOW_TRACKING_URI"] = environment


def experiment_id(client: MlflowClient, home: Home, name: str) -> str:
    """The experiment called `name`, made if there is none; its artifacts lie in the home where tracking is local.

    Raises:
        RequestError: somebody deleted it in MLflow.
    """
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        location = (home.mlflow / "artifacts" / name).as_uri() if address.is_sqlite(home) else None
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(name)  # another process was faster
    if found.lifecycle_stage == "deleted":
        raise RequestError(
            f"The MLflow experiment '{name}' was deleted.",
            remedy=f"Restore it with `mlflow experiments restore --experiment-id {found.experiment_id}`.",
            code="experiment",
        )
    return str(found.experiment_id)


def _make_database(home: Home) -> None:
    """Make the SQLite database under another name and a lock, then rename it.

    Two processes that let MLflow create one schema at once break it, and a kill in the middle breaks it
    for good; a rename can do neither.
    """
    path = address.database(home)
    if _exists(path):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(f"{path.name}.lock"), "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _exists(path):
            return
        unfinished = path.with_name(f"{path.name}.unfinished")
        for leftover in (unfinished, unfinished.with_name(f"{unfinished.name}-journal")):
            leftover.unlink(missing_ok=True)
        logging.getLogger("alembic").setLevel(logging.CRITICAL)
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        with answering(home), _unsynced():
            store = SqlAlchemyStore(f"sqlite:///{unfinished}", (home.mlflow / "artifacts").as_uri())
            store.engine.dispose()
        with unfinished.open("rb") as stream:
            os.fsync(stream.fileno())
        os.replace(unfinished, path)


@contextmanager
def _unsynced() -> Iterator[None]:
    """Let SQLite leave the disk alone while MLflow runs its migrations: nobody needs a half-made database."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def relax(connection: Any, record: Any) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", relax)
    try:
        yield
    finally:
        event.remove(Engine, "connect", relax)


def _exists(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _failed(home: Home, error: Exception) -> ServiceError:
    place = "server" if address.is_http(home) else f"database {rest.shown(home.tracking_uri)}"
    return ServiceError(
        f"The tracking {place} failed: {_line(error)}",
        remedy="Check that it is up and can be written to, then run the command again.",
        code="tracking",
    )


def _line(error: Exception) -> str:
    """The first line that says what happened."""
    lines = [line for line in str(error).strip().splitlines() if not line.startswith("(raised as a result of")]
    text = lines[0] if lines else type(error).__name__
    return text if text.endswith(".") else f"{text}."
