"""Batch scoring: a file of rows in, a file of predictions out, each prediction in the journal first."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.core.errors import RequestError
from tasks.core.home import Home
from tasks.core.names import parse_model
from tasks.core.recipe import Windows
from tasks.core.rows import frame_hashes, hex_digits
from tasks.core.windows import window_columns
from tasks.serve import files
from tasks.serve.forecasts import questions
from tasks.stores import packaged, registry
from tasks.stores.journal import Journal, Predicted


@dataclass(frozen=True)
class Serving:
    """A loaded model version and what it needs to read rows."""

    name: str
    version: str
    scorer: Any
    """The packaged scorer: `predict(None, frame)`."""
    columns: tuple[str, ...]
    id_column: str | None
    reader: dict[str, Any]
    """The recipe's reader, as plain values."""
    windows: Windows | None
    """Of the recipe, where the model looks at windows of rows ordered in time …"""
    time: str
    """… by this column."""
    problem: str


def predict_file(home: Home, model: str, source: Path, output: Path, *, latent: bool = False) -> dict[str, Any]:
    """Score every row of a CSV or Parquet file, in pieces that fit in memory.

    Args:
        home: Where registry and journal are.
        model: `name`, `name@alias` or `name/version`; the alias is `champion` where none is given.
        source: File with the model's feature columns; or, of a model of windows, rows as the recipe's source gives
            them, which are held in memory as a whole: an answer for each window (`tasks/serve/forecasts.py`).
        output: File with the id column if there is one, what `forecasts` says of a window, `prediction_id`,
            `prediction`, `probability_<class>` and `model_version`. Written under another name, then renamed.
        latent: Whether the latent features of a reconstruction follow its anomaly score, as `latent_<number>`.

    Returns:
        `rows`, `output`, `model` (`name`, `version`), `journal`, and `notes`: what got no answer, in sentences.

    Raises:
        RequestError: no such model or file, another suffix, rows the model cannot take, or a model that has no latent
            features.
        GateError: the model's files are not those that were registered.
        ServiceError: registry or journal do not answer.
    """
    files.check_source(source)
    files.check_output(output)
    if output.exists() and output.samefile(source):
        raise RequestError(
            f"{output} is both INPUT and OUTPUT, and its rows would be lost.",
            remedy="Write to another file.",
            code="output",
        )
    serving = open_model(home, model)
    if latent and serving.problem != "reconstruction":
        raise RequestError(
            f"--latent: {serving.name}/{serving.version} predicts a target, so it has no latent features.",
            remedy="Leave --latent out.",
            code="latent",
        )
    batch, rows = uuid.uuid4().hex[:16], 0
    journal = Journal(home.journal)
    temporary = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    try:
        with files.writer(temporary, output.suffix) as write:
            asked, notes = _asked(serving, source)
            wanted = {"latent": True} if latent else None
            for frame, labels in asked:
                scored = _scored(serving, frame, labels, source, f"{batch}-", rows, wanted)
                journal.append(_entries(serving, frame, scored))
                write(scored)
                rows += len(scored)
        os.replace(temporary, output)
    finally:
        temporary.unlink(missing_ok=True)
    return {
        "rows": rows,
        "output": str(output),
        "model": {"name": serving.name, "version": serving.version},
        "journal": str(home.journal),
        "notes": list(notes),
    }


def open_model(home: Home, reference: str) -> Serving:
    """Find, verify and load a model version.

    Raises:
        RequestError: it does not exist.
        GateError: its files are not those that were registered.
        ServiceError: the registry does not answer.
    """
    name, version = resolve(home, reference)
    model = packaged.verified(home, name, version)
    recipe = model.read("recipe.json")
    data = recipe["data"]
    columns = model.read("transform.json")["state"]["columns"]
    # A package from before there were windows does not name them.
    windows = data.get("windows")
    return Serving(
        name,
        version,
        model.scorer(home),
        tuple(columns),
        data["id"],
        data["reader"],
        None if windows is None else Windows.model_validate_json(json.dumps(windows)),
        str(data["time"]),
        recipe["problem"],
    )


def resolve(home: Home, model: str) -> tuple[str, str]:
    """Name and version that `name`, `name@alias` or `name/version` stands for.

    Raises:
        RequestError: it is not written like a model, or the alias points nowhere.
        ServiceError: the registry does not answer.
    """
    meant = parse_model(model)
    name, alias = meant.name, meant.alias
    version = meant.version or registry.champion_version(home, name, alias)
    if version is None:
        raise RequestError(
            f"{name} has no {alias}.",
            remedy=f"`evergreen run {name}` makes one; `evergreen history {name}` shows what there is.",
            code="model",
        )
    return name, version


def _asked(serving: Serving, source: Path) -> tuple[Iterator[tuple[pd.DataFrame, pd.DataFrame]], tuple[str, ...]]:
    """Frames for the model, each with what its answers begin with, and what is left out.

    Raises:
        RequestError: the file cannot be read, or no window can be made of its rows.
    """
    windows = serving.windows
    if windows is None or _has_windows(serving, source, windows):
        named = [serving.id_column] if serving.id_column else []
        pieces = files.pieces(source, serving.reader, serving.id_column)
        return ((frame, frame[[name for name in named if name in frame.columns]]) for frame in pieces), ()
    whole = files.whole(source, serving.reader, serving.id_column)
    try:
        found = questions(whole, windows, serving.time, serving.columns, serving.id_column)
    except ValueError as error:
        raise RequestError(
            f"{source}: {error}",
            remedy=f"Bring rows as the recipe's source gives them, with nothing left out in '{serving.time}'.",
            code="rows",
        ) from error
    return found.pieces(files.PIECE), found.notes


def _has_windows(serving: Serving, source: Path, windows: Windows) -> bool:
    """Whether somebody has made the windows already: a file with one of their columns is taken as it is."""
    with closing(files.pieces(source, serving.reader, serving.id_column)) as pieces:
        first = next(pieces)
    return bool(set(window_columns(windows)) & set(first.columns))


def _scored(
    serving: Serving,
    frame: pd.DataFrame,
    labels: pd.DataFrame,
    source: Path,
    prefix: str,
    before: int,
    wanted: dict[str, Any] | None,
) -> pd.DataFrame:
    try:
        predictions = serving.scorer.predict(None, frame, wanted)
    except ValueError as error:
        raise RequestError(f"{source}: {error}", remedy="Correct the file.", code="rows") from error
    ids = [f"{prefix}{before + number}" for number in range(len(frame))]
    scored: pd.DataFrame = predictions.reset_index(drop=True)
    scored.insert(0, "prediction_id", pd.Series(ids, dtype=object))
    scored = pd.concat([labels.reset_index(drop=True), scored], axis=1)
    scored["model_version"] = serving.version
    return scored


def _entries(serving: Serving, frame: pd.DataFrame, scored: pd.DataFrame) -> Iterator[Predicted]:
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    hashes = hex_digits(frame_hashes(frame, serving.columns)[0])
    for identifier, row_sha, value in zip(scored["prediction_id"], hashes, scored["prediction"].tolist(), strict=True):
        yield Predicted(identifier, now, serving.name, serving.version, row_sha, value)
