"""All data gates on one candidate, in order, and which of its rows are set aside."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import pandas as pd

from tasks.core.contracts import Gate
from tasks.core.recipe import Recipe
from tasks.core.splits import assign
from tasks.validate import duplicates, leakage, quarantine, schema, volume
from tasks.validate.candidate import Candidate, candidate_of, must_be_numbers
from tasks.validate.cells import as_numbers
from tasks.validate.expectations import Finding, Findings, Suite, run_suite
from tasks.validate.rules import broken_rules


@dataclass(frozen=True)
class Judgement:
    """What the data gates found."""

    rows: int
    gates: tuple[Gate, ...]
    reasons: dict[str, list[str]]
    """Row id → rules it breaks; these rows are quarantined."""
    expectations: tuple[Finding, ...]


def judge(
    frame: pd.DataFrame,
    recipe: Recipe,
    suite: Suite | None,
    newest_batch: int,
    read: Collection[str] | None = None,
) -> Judgement:
    """Evaluate every data gate that can be evaluated, also after one has failed.

    Where `expectations` fails, what it wanted to set aside is no sound quarantine; the later gates then look
    at all rows, so that one fault is not reported as several.

    Args:
        frame: `row_id`, `batch` and the user's columns [N]; row ids are unique.
        recipe: The resolved recipe.
        suite: Its expectations, or None.
        newest_batch: Number of the newest batch.
        read: Columns of the newest read, which may lack some that earlier reads had; none: those of the frame.

    Raises:
        RequestError: the recipe makes a feature of the target, the id or the time.
    """
    frame = frame.reset_index(drop=True)
    candidate = candidate_of(frame, recipe.data, recipe.problem)
    faults = schema.inspect(candidate, read)
    sound = candidate.without(faults.columns)
    broken = broken_rules(sound, faults.columns)
    findings = run_suite(suite, _numbers_read(sound), faults.columns) if suite else Findings()
    reasons = quarantine.reasons_by_row([*broken, *findings.rows])
    newest = pd.Series((frame["batch"] == newest_batch).to_numpy(), index=frame["row_id"])
    gates = [
        schema.gate(candidate, faults),
        quarantine.gate(
            reasons,
            newest,
            recipe.gates.max_quarantined,
            [_sentence(finding) for finding in findings.broken],
            len(suite.configurations) if suite else None,
        ),
    ]
    kept = sound if gates[-1].blocks else sound.rows(~frame["row_id"].isin(list(reasons)))
    gates += _after_quarantine(kept, faults.columns, recipe, newest_batch)
    return Judgement(len(frame), tuple(gates), reasons, findings.expectations)


def _after_quarantine(kept: Candidate, refused: set[str], recipe: Recipe, newest_batch: int) -> list[Gate]:
    needed: list[str | None] = [recipe.data.target, getattr(recipe.data.split, "group", None)]
    needed += [recipe.data.time] if recipe.data.split.kind == "time" else []
    lost = [name for name in needed if name in refused]
    if lost:
        reason = f"Column '{lost[0]}' was refused by schema."
        return [_skipped(name, reason) for name in ("volume", "duplicates", "leakage", "class_coverage")]
    limits = recipe.gates
    sides = assign(kept.frame, recipe.data) if len(kept.frame) else pd.Series(dtype=object, index=kept.frame.index)
    enough = volume.volume(kept, sides, limits.min_rows, newest_batch)
    repeats = duplicates.gate(kept, sides, limits.max_duplicates)
    if enough.blocks:
        reason = "The rows that volume asks for are not there."
        return [enough, repeats, _skipped("leakage", reason), _skipped("class_coverage", reason)]
    labelled, sides_labelled = kept.rows(kept.labelled), sides[kept.labelled]
    return [
        enough,
        repeats,
        leakage.gate(labelled, sides_labelled, limits.max_overlap),
        volume.class_coverage(labelled, sides_labelled, limits.min_rows_per_class),
    ]


def _skipped(name: str, reason: str) -> Gate:
    return Gate(name, "skipped", None, {"reason": reason})


def _sentence(finding: Finding) -> str:
    return f"{finding.rule} ({finding.detail})" if finding.detail else finding.rule


def _numbers_read(candidate: Candidate) -> pd.DataFrame:
    """The frame as training will read it: text in columns of numbers turned into numbers or gaps."""
    text = [
        name for name in must_be_numbers(candidate) if not pd.api.types.is_numeric_dtype(candidate.frame[name].dtype)
    ]
    return candidate.frame.assign(**{name: as_numbers(candidate.frame[name]) for name in text})
