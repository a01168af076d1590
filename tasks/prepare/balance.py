"""Evens out the classes of the training arrays, after the transform was fitted on the rows as they are.

Shapes: N training rows, K made rows.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.core.errors import RequestError
from tasks.core.seeds import derive
from tasks.prepare.smote import smote

if TYPE_CHECKING:
    from tasks.core.balance import Balance, Oversample, Smote, Undersample

Positions = npt.NDArray[np.int64]
Targets = npt.NDArray[np.int64]

PIECE = 65_536
"""Rows copied at once; bounds the memory."""
UNDERSAMPLED = "undersampled"
"""Why a row is among those that were left out."""


def balance_training(folder: Path, spec: Mapping[str, Any], settings: Balance) -> tuple[pd.DataFrame, int]:
    """Rewrite `train_inputs.npy`, `train_targets.npy` and `train_rows.parquet` with the classes evened out.

    Rows of the dataset keep their order; repeated and made ones follow them, marked in the column `synthetic`.

    Args:
        folder: What `prepare` wrote, with the training rows as they are.
        spec: The content of transform.json.
        settings: `transforms.balance`.

    Returns:
        The rows that were left out (`row_id`, `batch`), and how many rows were made.

    Raises:
        RequestError: rows cannot be made up between these, or a class has too few rows for that.
    """
    if settings.kind == "none":
        return pd.DataFrame(columns=["row_id", "batch"]), 0
    inputs = np.load(folder / "train_inputs.npy", mmap_mode="r")
    targets: Targets = np.load(folder / "train_targets.npy")
    rows = pd.read_parquet(folder / "train_rows.parquet")
    taken: Positions = np.arange(len(targets))
    made, made_targets = inputs[:0], targets[:0]
    if settings.kind == "undersample":
        taken = undersampled(targets, settings)
    elif settings.kind == "oversample":
        taken = np.concatenate([taken, oversampled(targets, settings)])
    elif settings.kind == "smote":
        made, made_targets = smoted(np.asarray(inputs), targets, spec, settings)
    left_out = rows.drop(index=rows.index[taken])[["row_id", "batch"]]
    count = len(made) + max(len(taken) - len(rows), 0)
    if count or len(left_out):
        _write_inputs(folder, inputs, taken, made)
        np.save(folder / "train_targets.npy", np.concatenate([targets[taken], made_targets]))
        _rows_of(rows, taken, len(made)).to_parquet(folder / "train_rows.parquet", index=False)
    return left_out, count


def balance_notes(kind: str, rows: int, left_out: int, made: int) -> tuple[str, ...]:
    """What balancing did to the training rows, in a sentence; none where it changed nothing."""
    if left_out:
        return (f"Classes were evened out by {kind}: {left_out:,} of {rows:,} training rows were left out.",)
    if made:
        how = "repeated" if kind == "oversample" else "made up"
        return (f"Classes were evened out by {kind}: {made:,} rows were {how} beside the {rows:,} training rows.",)
    return ()


def oversampled(targets: Targets, settings: Oversample | Smote) -> Positions:
    """Rows to repeat, int64 [K] positions: each of a class equally often, some of them once more.

    Args:
        targets: int64 [N] positions in the classes.
        settings: `ratio` of the largest class, and the seed.
    """
    repeated: list[Positions] = []
    for code, missing in shortfall(targets, settings.ratio).items():
        own: Positions = np.flatnonzero(targets == code)
        times, rest = divmod(missing, len(own))
        drawn = _generator(settings.seed, code).choice(own, size=rest, replace=False)
        repeated += [np.tile(own, times), np.sort(drawn)]
    return np.concatenate([np.empty(0, dtype=np.int64), *repeated])


def undersampled(targets: Targets, settings: Undersample) -> Positions:
    """Rows to keep, int64 [M ≤ N] positions in ascending order; classes without a row do not count."""
    counts = np.bincount(targets)
    most = round(int(counts[counts > 0].min()) / settings.ratio)
    kept: list[Positions] = []
    for code in np.flatnonzero(counts):
        own: Positions = np.flatnonzero(targets == code)
        drawn = _generator(settings.seed, int(code)).choice(own, size=min(most, len(own)), replace=False)
        kept.append(drawn)
    return np.sort(np.concatenate(kept))


def smoted(
    inputs: npt.NDArray[np.float32], targets: Targets, spec: Mapping[str, Any], settings: Smote
) -> tuple[npt.NDArray[np.float32], Targets]:
    """Made rows [K, width] and their classes [K].

    Raises:
        RequestError: the inputs are not numbers with or without categories, or a class is too small.
    """
    missing = shortfall(targets, settings.ratio)
    if spec["state"]["kind"] != "tabular" or not spec["state"]["numeric"]:
        what = "no numbers" if spec["state"]["kind"] == "tabular" else f"inputs of the kind {spec['state']['kind']}"
        raise RequestError(
            f"transforms.balance is smote, which makes rows between two others, and the model takes {what}.",
            remedy="Use oversample, or training.class_weights: balanced.",
        )
    if spec["state"].get("dates"):
        raise RequestError(
            "transforms.balance is smote, which makes rows between two others, and what lies between the calendar "
            f"features of '{spec['state']['dates'][0]['column']}' is no date.",
            remedy="Use oversample, or training.class_weights: balanced, or drop the column with {kind: drop}.",
        )
    _refuse_small(targets, missing, spec["classes"], settings.neighbours)
    if not missing:
        return inputs[:0], targets[:0]
    return smote(inputs, targets, missing, spec["state"], settings)


def shortfall(targets: Targets, ratio: float) -> dict[int, int]:
    """Class → rows it lacks to have `ratio` times those of the largest; classes without a row are left as they are."""
    counts = np.bincount(targets)
    least = round(ratio * int(counts.max()))
    return {int(code): least - int(counts[code]) for code in np.flatnonzero(counts) if counts[code] < least}


def _refuse_small(targets: Targets, missing: Mapping[int, int], classes: Sequence[Any], neighbours: int) -> None:
    counts = {code: int((targets == code).sum()) for code in missing}
    small = min(counts, key=lambda code: counts[code], default=None)
    if small is None or counts[small] > neighbours:
        return
    rows = counts[small]
    fewer = f"Set neighbours to {rows - 1} or fewer, use" if rows > 1 else "Use"
    raise RequestError(
        f"transforms.balance.neighbours is {neighbours}, and the class '{classes[small]}' has {rows} training "
        f"row{'' if rows == 1 else 's'}: a made row needs a row with that many neighbours of its class.",
        remedy=f"{fewer} oversample, or bring more rows of that class.",
    )


def _generator(seed: int, code: int) -> np.random.Generator:
    return np.random.default_rng(derive(seed, "balance", code))


def _write_inputs(folder: Path, inputs: npt.NDArray[np.float32], taken: Positions, made: npt.NDArray[Any]) -> None:
    """Write the taken rows and then the made ones, in bounded pieces, and put the file in the place of the old."""
    path = folder / "balanced.npy"
    shape = (len(taken) + len(made), *inputs.shape[1:])
    written = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    for start in range(0, len(taken), PIECE):
        piece = taken[start : start + PIECE]
        written[start : start + len(piece)] = inputs[piece]
    written[len(taken) :] = made
    written.flush()
    os.replace(path, folder / "train_inputs.npy")


def _rows_of(rows: pd.DataFrame, taken: Positions, made: int) -> pd.DataFrame:
    """`row_id`, `batch`, `synthetic` of the taken rows and of the made ones, which are no rows of the dataset."""
    own = rows.iloc[taken].assign(synthetic=np.arange(len(taken)) >= len(rows))
    nothing = pd.DataFrame({"row_id": [None] * made, "batch": np.full(made, -1, dtype=np.int64), "synthetic": True})
    return pd.concat([own, nothing], ignore_index=True) if made else own.reset_index(drop=True)
