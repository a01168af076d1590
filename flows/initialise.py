"""From a data file to a recipe's folder: recipe.yaml, a first expectation suite and a data card."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.core.errors import GateStopped, RequestError
from tasks.core.home import write_atomically

if TYPE_CHECKING:
    import pandas as pd

    from tasks.validate.infer import Inference

RECIPE, SUITE, CARD = "recipe.yaml", "expectations.json", "README.md"


@dataclass(frozen=True)
class Initialised:
    """What `init` wrote and concluded."""

    folder: Path
    name: str
    problem: str
    target: str
    rows: int
    features: dict[str, str]
    """Column → kind, of what the model is given."""
    left_out: dict[str, str]
    """Column → why."""
    notes: tuple[str, ...]
    gates: tuple[Any, ...]
    """What the data gates say of these rows now."""
    files: tuple[Path, ...]


def initialise(source: Path, target: str, out: Path | None, tell: Callable[[str], None]) -> Initialised:
    """Look at the data and write a recipe that `run` can take as it is.

    Raises:
        RequestError: the data cannot be read, have no such column, hold nothing to learn, or the folder has
            a recipe already.
    """
    from tasks.ingest.sniff import reader_for
    from tasks.validate.infer import infer, name_of, recipe_of

    name = name_of(source.resolve().name)
    folder = (out or Path(name)).expanduser().absolute()
    if (folder / RECIPE).exists():
        raise RequestError(
            f"{folder / RECIPE} exists already.", remedy="Name another folder with --out, or remove it.", code="out"
        )
    if out is not None:
        name = name_of(folder.name)
    reader = reader_for(source, Path(os.path.relpath(source.resolve(), folder.resolve())).as_posix())
    tell(f"reading {source} …")
    frame = _read({**reader, "path": str(source.resolve())}, folder)
    found = infer(frame, target)
    values = recipe_of(found, name, reader)
    values["data"]["expectations"] = SUITE
    suite = _suite(found, frame, values)
    files = (folder / RECIPE, folder / SUITE, folder / CARD)
    _write(files, (_recipe_text(source, found, values), _json_text(suite), _card_text(source, name, found, frame)))
    return Initialised(
        folder, name, found.problem, found.target, found.rows, _features(found), _left_out(found), found.notes,
        found.gates, files,
    )  # fmt: skip


def _read(reader: dict[str, Any], folder: Path) -> pd.DataFrame:
    from pydantic import TypeAdapter

    from tasks.core.recipe import Reader
    from tasks.ingest.readers import read

    try:
        return read(TypeAdapter(Reader).validate_python(reader), folder)
    except GateStopped as stopped:
        blocking = next(gate for gate in stopped.gates if gate.blocks)
        raise RequestError(blocking.reason, remedy="Mend the file, then try again.", code="readable") from None


def _suite(found: Inference, frame: pd.DataFrame, values: dict[str, Any]) -> dict[str, Any]:
    from tasks.core.features import resolve
    from tasks.core.recipe import Recipe
    from tasks.validate.suite import first_suite

    data = Recipe.model_validate_json(json.dumps(values)).data
    kinds = {str(name): str(dtype) for name, dtype in frame.dtypes.items()}
    return first_suite(frame, resolve(kinds, data), data, found.problem, found.classes or None)


def _features(found: Inference) -> dict[str, str]:
    special = (found.target, found.id, found.time)
    return {item.name: item.role for item in found.columns if item.role != "drop" and item.name not in special}


def _left_out(found: Inference) -> dict[str, str]:
    special = (found.target, found.id, found.time)
    return {item.name: item.why for item in found.columns if item.role == "drop" and item.name not in special}


def _recipe_text(source: Path, found: Inference, values: dict[str, Any]) -> str:
    import yaml

    comment = [f"# Made by `evergreen init` from {source.name}; every choice below is yours to change.", "#"]
    comment += [f"# {note}" for note in found.notes]
    return "\n".join([*comment, yaml.safe_dump(values, sort_keys=False, allow_unicode=True)])


def _json_text(values: dict[str, Any]) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def _card_text(source: Path, name: str, found: Inference, frame: pd.DataFrame) -> str:
    """The data card: what is known, and the questions only a person can answer. No value of any row."""
    columns = [
        f"| `{item.name}` | {item.dtype} | {_role_of(item.name, item.role, found)} | {item.gaps} | {item.why} |"
        for item in found.columns
    ]
    lines = [
        f"# Data card: {name}",
        "",
        f"* **Source** {source.name}, {found.rows} rows, {len(frame.columns)} columns",
        f"* **Target** `{found.target}`, {found.problem}, {found.labelled} rows have it",
        f"* **Rows are known by** {f'`{found.id}`' if found.id else 'a hash of their features'}",
        f"* **Split** {found.split}{f', ordered by `{found.time}`' if found.time else ''}",
        "",
        "| column | type | used as | gaps | why |",
        "|---|---|---|---|---|",
        *columns,
        "",
        "## What was noticed",
        "",
        *[f"* {note}" for note in found.notes or ("Nothing out of the ordinary.",)],
        "",
        "## What only you can say",
        "",
        "* Who collected the data, when, from whom, and may it be used for this?",
        "* What is one row, and what decides whether it is in the file?",
        "* Is every feature known at the moment the prediction is needed?",
        "* Which groups should the model serve equally well?",
        "* How was the target found out, and how often is it wrong?",
    ]
    return "\n".join(lines) + "\n"


def _role_of(column: str, role: str, found: Inference) -> str:
    special = {found.target: "target", found.id: "id", found.time: "time"}
    return special.get(column, "left out" if role == "drop" else role)


def _write(files: tuple[Path, ...], texts: tuple[str, ...]) -> None:
    """The recipe last: a folder that has one is complete."""
    try:
        for file, text in reversed(list(zip(files, texts, strict=True))):
            if not file.exists():
                write_atomically(file, text)
    except OSError as error:
        raise RequestError(
            f"{files[0].parent} cannot be written: {error.strerror}.",
            remedy="Name another folder with --out.",
            code="out",
        ) from error
