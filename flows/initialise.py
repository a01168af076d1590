"""From a data file to a recipe's folder: recipe.yaml, a first expectation suite and a data card."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.core.contracts import Gate
from tasks.core.errors import GateStopped, RequestError

if TYPE_CHECKING:
    import pandas as pd

    from tasks.validate.inference import Inference


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
    gates: tuple[Gate, ...]
    """What the data gates say of these rows now."""
    files: tuple[Path, ...]


def initialise(source: Path, target: str, out: Path | None, tell: Callable[[str], None]) -> Initialised:
    """Look at the data and write a recipe that `run` takes as it is.

    Args:
        source: A CSV, Parquet or JSON-lines file, or a folder of them.
        target: Column to predict.
        out: Folder to write to, whose name the model gets; none: one in the working folder, named after the data.
        tell: Told what takes a while.

    Raises:
        RequestError: the data cannot be read, have no such column, hold nothing to learn, or the folder has
            a recipe already.
    """
    from tasks.ingest.sniff import reader_for
    from tasks.validate.infer import infer, name_of
    from tasks.validate.scaffold import write_recipe

    folder = (out or Path(name_of(source.resolve().name))).expanduser().absolute()
    name = name_of(folder.name)
    reader = reader_for(source, Path(os.path.relpath(source.resolve(), folder.resolve())).as_posix())
    if (folder / "recipe.yaml").exists():
        raise RequestError(
            f"{folder / 'recipe.yaml'} is there already and is not overwritten.",
            remedy="Name another folder with --out, or move the file away.",
            code="exists",
        )
    tell(f"reading {source} …")
    frame = _read({**reader, "path": str(source.resolve())}, folder)
    found = infer(frame, target)
    written = write_recipe(folder, found, frame, name, reader, source.name)
    return Initialised(
        folder=folder,
        name=name,
        problem=found.problem,
        target=found.target,
        rows=found.rows,
        features={item.name: "datetime" if item.parts else item.role for item in _given(found) if item.role != "drop"},
        left_out={item.name: item.why for item in _given(found) if item.role == "drop"},
        notes=found.notes,
        gates=found.gates,
        files=(written.recipe, written.expectations, written.card),
    )


def _read(reader: dict[str, Any], folder: Path) -> pd.DataFrame:
    from pydantic import TypeAdapter

    from tasks.core.sources import Reader
    from tasks.ingest.readers import read

    try:
        return read(TypeAdapter(Reader).validate_python(reader), folder)
    except GateStopped as stopped:
        reason = next(gate.reason for gate in stopped.gates if gate.blocks)
        raise RequestError(reason, remedy="Mend the file, then try again.", code="readable") from None


def _given(found: Inference) -> list[Any]:
    """The columns that are neither target nor id, nor nothing but the time."""
    without = (found.target, found.id, *([] if found.dated else [found.time]))
    return [item for item in found.columns if item.name not in without]
