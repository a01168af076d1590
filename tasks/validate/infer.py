"""From a table nobody has described to a recipe that runs: problem, id, time, kinds of columns, what to leave out.

Every choice comes with a sentence for the person who asked. What is chosen is tried at once: the data gates
judge the rows under the new recipe, so that `init` knows what a run would say.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pandas as pd

from tasks.core.errors import RequestError
from tasks.core.recipe import Data, Gates, Recipe
from tasks.core.rows import Identity, row_ids
from tasks.core.splits import SPLITS, assign
from tasks.validate.candidate import Candidate, candidate_of
from tasks.validate.cells import is_empty, is_not_a_number
from tasks.validate.columns import ID_WORDS, INDEX_WORDS, OWN_TEXT, Column, look_at, words_of
from tasks.validate.giveaway import Giveaway, find
from tasks.validate.inference import Inference
from tasks.validate.judge import judge
from tasks.validate.notes import notes_of
from tasks.validate.target import problem_of, require_target

MOST_SET_ASIDE = 0.25
"""Rows that may be lost to words in columns of numbers; beyond, the worst of these columns is left out."""
RARE_SHARE = 0.02
"""Rows of classes too rare to learn that are set aside; beyond, the run has to say so."""
TIME_GAPS = 0.01
"""Share of rows without a readable time up to which a column orders the rows."""
SPLIT_BY_TIME_ROWS = 200
ID_GAPS = 0.05
DEFAULT_LIMIT = float(Gates().max_quarantined)


def infer(frame: pd.DataFrame, target: str) -> Inference:
    """Look at a table [N] and decide how to learn `target` from it.

    Raises:
        RequestError: no such target, no rows, a reserved column name, a target with nothing to learn, no column to
            learn it from.
    """
    frame = frame.rename(columns=str).reset_index(drop=True)
    require_target(frame, target)
    problem = problem_of(frame[target])
    columns = [look_at(frame[name]) for name in frame.columns if name != target]
    identifier = _id_of(columns, frame)
    columns = [_named_row(column, identifier) for column in columns]
    time = _time_of(columns, len(frame))
    found = Inference(
        target=target,
        problem=problem,
        id=identifier,
        time=time,
        columns=tuple(_other_time(item, time) for item in _within_budget(columns, frame)),
        rows=len(frame),
        labelled=int((~is_empty(frame[target])).sum()),
    )
    found, giveaways = _without_giveaways(found, frame)
    _require_a_feature(found)
    found = _split(found, frame)
    found, rare = _classes(found, frame)
    found = replace(found, margin=_margin(found), max_quarantined=_limit(found))
    return replace(found, notes=tuple(notes_of(found, giveaways, rare)))


def _require_a_feature(found: Inference) -> None:
    given = [column for column in found.columns if column.name not in (found.id, found.time)]
    if found.dated or any(column.role != "drop" for column in given):
        return
    why = {found.id: "it identifies the rows", found.time: "it orders the rows in time"}
    shown = [f"'{column.name}' ({why.get(column.name, column.why)})" for column in found.columns[:10]]
    texts = [column.name for column in found.columns if column.why == OWN_TEXT and column.name != found.id]
    by_hand = f"Write a recipe in which data.features.{texts[0]} is {{kind: text}}, add" if texts else "Add"
    raise RequestError(
        f"No column is left to learn '{found.target}' from: {', '.join(shown) or 'the data have no other column'}.",
        remedy=f"{by_hand} columns that say something about it, or name another column with --target.",
        code="column",
    )


def recipe_of(found: Inference, name: str = "new", reader: dict[str, Any] | None = None) -> dict[str, Any]:
    """The recipe as plain values, with only what differs from the defaults.

    Args:
        found: What `infer` concluded.
        name: The model's name.
        reader: `data.reader`; none: a stand-in, for trying the recipe on a frame.
    """
    data: dict[str, Any] = {"reader": reader or {"kind": "csv", "path": "data.csv"}, "target": found.target}
    data |= {"id": found.id} if found.id is not None else {}
    data |= {"time": found.time} if found.time is not None else {}
    declared = found.declared.items()
    features = {column: feature.model_dump(mode="json", exclude={"timezone"}) for column, feature in declared}
    data |= {"features": features} if features else {}
    data |= {"split": {"kind": "time"}} if found.split == "time" else {}
    gates: dict[str, Any] = {"promotion": {"margin": found.margin}}
    gates |= {"max_quarantined": found.max_quarantined} if found.max_quarantined != DEFAULT_LIMIT else {}
    return {"name": name, "problem": found.problem, "data": data, "model": {"kind": "mlp"}, "gates": gates}


def name_of(file_name: str) -> str:
    """A model name made of a file's name: lower-case letters, digits, - and _, beginning with a letter."""
    stem = re.sub(r"(\.(csv|tsv|txt|parquet|pq|jsonl|ndjson|gz|zip))+$", "", file_name.strip().lower())
    plain = re.sub(r"[^a-z0-9_-]+", "-", stem).strip("-_")
    return (plain if plain[:1].isalpha() else f"data-{plain}".strip("-"))[:63].rstrip("-_")


def identified(frame: pd.DataFrame, target: str, identifier: str | None) -> pd.DataFrame:
    """The frame as one batch with the row ids ingest will give it."""
    columns = tuple(str(name) for name in frame.columns if name != target)
    ids = row_ids(frame, Identity(identifier, target, columns))
    return pd.concat([ids.rename("row_id"), pd.Series(0, index=frame.index, name="batch"), frame], axis=1)


def resolved(found: Inference) -> Recipe:
    """The recipe as `run` will see it, without a reader of its own."""
    return Recipe.model_validate_json(json.dumps(recipe_of(found)))


def candidate(found: Inference, frame: pd.DataFrame) -> Candidate:
    """The table as the data gates will see it."""
    data: Data = resolved(found).data
    return candidate_of(identified(frame, found.target, found.id), data, found.problem)


def _id_of(columns: list[Column], frame: pd.DataFrame) -> str | None:
    """The first column whose name says id, that differs in every row, and does not just count the lines."""
    for column in columns:
        words = words_of(column.name)
        # `customerid` is one word; of numbers it could as well be `paid` or `bid`.
        run_together = column.name.lower().endswith("id") and not pd.api.types.is_numeric_dtype(frame[column.name])
        called = column.role != "time" and (bool(set(words) & ID_WORDS) or run_together)
        if column.names_rows and called and not set(words) & INDEX_WORDS and column.gaps <= ID_GAPS * len(frame):
            return column.name
    return None


def _named_row(column: Column, identifier: str | None) -> Column:
    """An id that is not the id column teaches nothing."""
    called = bool(set(words_of(column.name)) & (ID_WORDS | INDEX_WORDS))
    if column.name == identifier:
        return replace(column, role="drop", why="it identifies the rows")
    if column.role == "numeric" and column.names_rows and called:
        return replace(column, role="drop", why="it names the rows")
    return column


def _time_of(columns: list[Column], rows: int) -> str | None:
    times = [item for item in columns if item.role == "time" and item.gaps + item.bad <= TIME_GAPS * rows]
    return times[0].name if times else None


def _other_time(column: Column, time: str | None) -> Column:
    """A time that does not order the rows is a feature, or is left out where the rows cannot teach it."""
    if column.role != "time" or column.name == time:
        return column
    return replace(column, role="datetime" if column.parts else "drop")


def _within_budget(columns: list[Column], frame: pd.DataFrame) -> list[Column]:
    """Leave out columns of numbers whose stray words would cost too many rows, the worst first."""
    spoilt = {item.name: is_not_a_number(frame[item.name]) for item in columns if item.role == "numeric" and item.bad}
    left = pd.DataFrame(spoilt, index=frame.index)
    while len(left.columns) and float(left.any(axis=1).mean()) > MOST_SET_ASIDE:
        left = left.drop(columns=left.sum().idxmax())
    return [
        replace(item, role="drop", why=f"{item.bad} of its cells are not numbers")
        if item.name in spoilt and item.name not in left
        else item
        for item in columns
    ]


def _limit(found: Inference) -> float:
    """The default, or twice what these rows cost, so that the next batch is not stopped by chance."""
    return DEFAULT_LIMIT if found.set_aside <= 0.6 * DEFAULT_LIMIT else round(min(2 * found.set_aside, 1.0), 2)


def _without_giveaways(found: Inference, frame: pd.DataFrame) -> tuple[Inference, tuple[Giveaway, ...]]:
    looked = candidate(found, frame)
    # Of the rows the gate will see: a stray word in a column of numbers would hide that the numbers know the answer.
    sound = ~is_empty(looked.frame[found.target])
    for name in looked.numeric:
        sound &= ~is_not_a_number(looked.frame[name])
    giveaways = find(looked.rows(sound))
    leaking = {name for giveaway in giveaways for name in giveaway.columns}
    columns = tuple(_given_away(item) if item.name in leaking else item for item in found.columns)
    return replace(found, columns=columns), giveaways


def _given_away(column: Column) -> Column:
    # A time that gives the target away orders the rows all the same.
    role = column.role if column.role == "time" else "drop"
    return replace(column, role=role, parts=(), why="it gives the target away")


def _split(found: Inference, frame: pd.DataFrame) -> Inference:
    """Split by time where that leaves every gate content, at random otherwise."""
    if found.time is not None and found.labelled >= SPLIT_BY_TIME_ROWS:
        by_time = _judged(replace(found, split="time"), frame)
        if not any(gate.blocks for gate in by_time.gates):
            return by_time
    return _judged(found, frame)


def _judged(found: Inference, frame: pd.DataFrame) -> Inference:
    recipe = resolved(found)
    judgement = judge(identified(frame, found.target, found.id), recipe, None, 0)
    return replace(found, gates=judgement.gates, set_aside=len(judgement.reasons) / judgement.rows)


def _classes(found: Inference, frame: pd.DataFrame) -> tuple[Inference, list[Any]]:
    """The labels worth learning, and the ones too rare: together at most `RARE_SHARE` of the rows."""
    if found.problem != "classification":
        return found, []
    looked = candidate(found, frame)
    sides = assign(looked.frame, looked.data)
    target = looked.frame[found.target]
    table = pd.crosstab(target, sides).reindex(columns=list(SPLITS), fill_value=0)
    enough = (table["train"] >= 5) & (table["validation"] >= 1) & (table["test"] >= 1)
    lost = int(table[~enough].to_numpy().sum())
    labels = [label.item() if hasattr(label, "item") else label for label in table.index]
    if not lost or enough.sum() < 2 or lost > RARE_SHARE * max(found.labelled, 1):
        return replace(found, classes=tuple(labels)), []
    kept = [label for label, fine in zip(labels, enough, strict=True) if fine]
    rare = [label for label, fine in zip(labels, enough, strict=True) if not fine]
    gates = tuple(gate for gate in found.gates if gate.name != "class_coverage")
    return replace(found, classes=tuple(kept), set_aside=found.set_aside + lost / found.rows, gates=gates), rare


def _margin(found: Inference) -> float:
    """What the test rows can tell apart: 3 sqrt(disagreement / n) at a disagreement of a tenth, within 0.02 and 0.2."""
    test_rows = max(0.15 * found.labelled, 1.0)
    return float(min(0.2, max(0.02, round(3 * (0.1 / test_rows) ** 0.5, 2))))
