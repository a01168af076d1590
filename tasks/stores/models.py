"""Logged models and their versions: stored whole under a key, registered once, loaded without a trace.

Part of the MLflow door (`tasks/stores/runs.py`).
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.core.errors import RequestError
from tasks.core.home import Home
from tasks.stores import registry
from tasks.stores.outside import local_folder
from tasks.stores.registry import CONTENT, KEY
from tasks.stores.tracking import answering, as_global, open_tracking

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel


def log_model(
    home: Home,
    run_id: str,
    *,
    name: str,
    scorer: Path,
    artifacts: Mapping[str, str],
    code_paths: Sequence[str],
    signature: Mapping[str, Any],
    input_example: Any,
    requirements: Sequence[str],
    key: str,
) -> str:
    """Store a models-from-code pyfunc and give its address `models:/<model id>`.

    A model stored under this key is used again, its files put back if they were damaged; one that a crash
    left PENDING is completed under its own id. `scorer` is run here once, so `code_paths` must hold what it imports.
    `signature` holds MLflow's `inputs` and `outputs` as JSON texts. `requirements` are stored as they
    stand: letting MLflow infer them costs half a minute.

    Raises:
        ServiceError: the store does not answer or is full.
    """
    client = open_tracking(home)
    with answering(home), tempfile.TemporaryDirectory() as temporary:

        def save(model: LoggedModel) -> Path:
            folder = Path(temporary) / str(model.model_id)
            with _importable(code_paths):
                code = list(code_paths)
                _save(folder, model, run_id, str(scorer), dict(artifacts), code, signature, input_example, requirements)
            return folder

        experiment = str(client.get_run(run_id).info.experiment_id)
        ready, unfinished = _same_key(client, experiment, key)
        for model in ready:
            if _intact(home, model) or _mended(client, home, model, save(model)):
                return f"models:/{model.model_id}"
            client.finalize_logged_model(model.model_id, "FAILED")
        model = unfinished or client.create_logged_model(experiment, name=name, source_run_id=run_id, tags={KEY: key})
        _upload(client, model, save(model))
        _link(client, run_id, model.model_id)
        client.finalize_logged_model(model.model_id, "READY")
        return f"models:/{model.model_id}"


def register(home: Home, name: str, model_uri: str, run_id: str, tags: Mapping[str, str], key: str) -> str:
    """The version of `name` that stands for this logged model; made if there is none with this key.

    The tag `evergreen.content` is added: `content_hash` of the files as they lie in the store now.

    Raises:
        RequestError: the logged model is not there, or its upload never finished.
    """
    client = open_tracking(home)
    for known in registry.versions(home, name):
        if known.tags.get(KEY) == key and known.source == model_uri:
            return known.version
    content = registry.content_hash(local_files(home, model_uri))
    with answering(home):
        model = client.get_logged_model(_model_id(model_uri))
        if str(model.status) != "READY":
            # MLflow would register it, call it READY and fail only when somebody loads it.
            raise RequestError(
                f"{model_uri} was never completely stored.", remedy="Run the command again.", code="model"
            )
        _make_registered_model(client, name)
        # All tags in the same call: a version is never without its key.
        with as_global(home):
            made = client.create_model_version(
                name, model_uri, run_id, tags={**tags, CONTENT: content, KEY: key}, model_id=model.model_id
            )
    return str(made.version)


def load(home: Home, uri: str) -> Any:
    """Load `models:/…` as a pyfunc model, also from a store that cannot be written to.

    The model's code is run: whoever does not trust the store verifies `content_hash` first.

    Raises:
        RequestError: there is no such model, or its files are gone.
    """
    folder = local_files(home, uri)
    import mlflow.pyfunc

    # From a folder MLflow writes nothing beside the model; bytecode is neither written nor believed there.
    with tempfile.TemporaryDirectory() as bytecode:
        before, sys.pycache_prefix = sys.pycache_prefix, bytecode
        try:
            return mlflow.pyfunc.load_model(str(folder))
        finally:
            sys.pycache_prefix = before


def local_files(home: Home, uri: str) -> Path:
    """The folder with the files of `models:/<id>`, `models:/<name>/<version>` or `models:/<name>@<alias>`.

    Files of a local store are given where they lie; those of a remote one are fetched anew.

    Raises:
        RequestError: there is no such model, or its files are gone.
    """
    client = open_tracking(home)
    with answering(home):
        model_id = _model_id(_logged_model_uri(home, uri))
        location = str(client.get_logged_model(model_id).artifact_location)
        folder = local_folder(location) or _download(home, model_id, location)
    if not (folder / "MLmodel").is_file():
        raise RequestError(
            f"The files of {uri} are gone from {folder}.",
            remedy="Restore them from a backup, or roll back to another version.",
            code="model",
        )
    return folder


def _logged_model_uri(home: Home, uri: str) -> str:
    if not uri.startswith("models:/"):
        return uri
    name, _, number = uri.removeprefix("models:/").partition("/")
    if "@" in name:
        name, _, alias = name.partition("@")
        number = registry.champion_version(home, name, alias) or ""
        if not number:
            raise RequestError(
                f"{name} has no version with the alias '{alias}'.",
                remedy=f"`evergreen history {name}` shows what exists.",
                code="alias",
            )
    if not number:
        return uri
    known = registry.version(home, name, number)
    if known is None:
        raise RequestError(
            f"{name} has no version {number}.", remedy=f"`evergreen history {name}` shows what exists.", code="version"
        )
    return known.source


def _model_id(model_uri: str) -> str:
    found = re.fullmatch(r"models:/(m-[0-9a-f]+)", model_uri)
    if found is None:
        raise RequestError(
            f"'{model_uri}' is not the address of a logged model.",
            remedy="Only models that Evergreen stored can be used.",
            code="model",
        )
    return found.group(1)


def _same_key(client: MlflowClient, experiment: str, key: str) -> tuple[list[LoggedModel], LoggedModel | None]:
    """The models stored whole under this key, and one that a crash left unfinished."""
    found = client.search_logged_models([experiment], filter_string=f"tags.`{KEY}` = '{key}'")
    unfinished = [model for model in found if str(model.status) == "PENDING"]
    return [model for model in found if str(model.status) == "READY"], unfinished[-1] if unfinished else None


def _intact(home: Home, model: LoggedModel) -> bool:
    folder = local_folder(model.artifact_location)
    folder = folder or _download(home, model.model_id, model.artifact_location)
    return folder.is_dir() and registry.content_hash(folder) == model.tags.get(CONTENT)


def _mended(client: MlflowClient, home: Home, model: LoggedModel, folder: Path) -> bool:
    """Put a damaged model's files back, if the same bytes came out again: its version stays what it was."""
    if registry.content_hash(folder) != model.tags.get(CONTENT):
        return False
    _upload(client, model, folder)
    return _intact(home, model)


def _save(
    folder: Path,
    model: LoggedModel,
    run_id: str,
    scorer: str,
    artifacts: dict[str, str],
    code_paths: list[str],
    signature: Mapping[str, Any],
    input_example: Any,
    requirements: Sequence[str],
) -> None:
    import mlflow.pyfunc
    from mlflow.models import Model, ModelSignature

    mlflow.pyfunc.save_model(
        path=str(folder),
        mlflow_model=Model(
            artifact_path=model.artifact_location,
            model_uuid=model.model_id,
            run_id=run_id,
            model_id=model.model_id,
            # The model's own birthday, so that saving it again gives the same bytes.
            utc_time_created=str(datetime.fromtimestamp(model.creation_timestamp / 1000, UTC).replace(tzinfo=None)),
        ),
        python_model=scorer,
        artifacts=artifacts or None,
        code_paths=code_paths or None,
        signature=ModelSignature.from_dict(dict(signature)),
        input_example=input_example,
        pip_requirements=list(requirements),
    )
    for bytecode in list(folder.rglob("__pycache__")):
        shutil.rmtree(bytecode)


def _upload(client: MlflowClient, model: LoggedModel, folder: Path) -> None:
    local = local_folder(model.artifact_location)
    if local is not None and local.exists():
        shutil.rmtree(local)  # half an upload of an attempt that was killed
    client.set_logged_model_tags(model.model_id, {CONTENT: registry.content_hash(folder)})
    client.log_model_artifacts(model.model_id, str(folder))


def _link(client: MlflowClient, run_id: str, model_id: str) -> None:
    from mlflow.entities import LoggedModelOutput

    outputs = client.get_run(run_id).outputs
    if outputs is None or all(output.model_id != model_id for output in outputs.model_outputs):
        client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])


def _make_registered_model(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


@contextmanager
def _importable(code_paths: Sequence[str]) -> Iterator[None]:
    """Let the scorer import the packages it ships while MLflow runs it."""
    added = [str(Path(path).parent) for path in code_paths]
    sys.path[:0] = added
    try:
        yield
    finally:
        for path in added:
            sys.path.remove(path)


def _download(home: Home, model_id: str, location: str) -> Path:
    import mlflow.artifacts

    folder = home.mlflow / "downloads" / model_id
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    mlflow.artifacts.download_artifacts(artifact_uri=location, dst_path=str(folder), tracking_uri=home.tracking_uri)
    if (folder / "MLmodel").is_file():
        return folder
    return next((path.parent for path in folder.rglob("MLmodel")), folder)
