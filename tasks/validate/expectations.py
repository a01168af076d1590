"""The one door to Great Expectations: load a suite kept as JSON and run it on a frame.

Two kinds of rule, told apart by what Great Expectations can answer. A rule about single rows sends the rows
that break it to quarantine. A rule about the table (a row count, a mean), and a rule about rows that states
the share it asks for (`mostly` below 1), is met or broken as a whole and fails the gate. An expectation with
severity `warning` or `info` is reported and does neither.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tasks.core.errors import RequestError
from tasks.validate.wording import columns_of, rule_of

if TYPE_CHECKING:
    import pandas as pd

ROW_ID = "row_id"

State = Literal["passed", "rows_failed", "failed", "error", "warned", "skipped"]


@dataclass(frozen=True)
class Suite:
    """Expectations that Great Expectations accepted: `configurations` are its JSON objects."""

    file: str
    configurations: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Finding:
    """What one expectation found, without any value of a row."""

    kind: str
    """Great Expectations' type, as `expect_column_values_to_be_between`."""
    columns: tuple[str, ...]
    rule: str
    """The rule as a sentence: `radius: must be between 0 and 50`."""
    state: State
    rows: int
    """Rows that break the rule; 0 for rules about the table."""
    detail: str = ""
    """Why it failed or was skipped, where that is not plain from the rule."""


@dataclass(frozen=True)
class Findings:
    """What a suite found: one finding per expectation in the suite's order, and the rows to quarantine."""

    expectations: tuple[Finding, ...] = ()
    rows: tuple[tuple[str, str], ...] = ()
    """Pairs of row id and broken rule, in the suite's order."""

    @property
    def broken(self) -> tuple[Finding, ...]:
        """Expectations that fail the gate as a whole: table rules broken, or not evaluable."""
        return tuple(item for item in self.expectations if item.state in ("failed", "error"))


def load_suite(path: Path) -> Suite:
    """Read a suite and have Great Expectations accept each of its expectations.

    Each expectation is built on its own, since `ExpectationSuite(**json)` drops one of unknown type with no
    more than a log line.

    Raises:
        RequestError: the file is missing or not a suite, an expectation's type is unknown or its arguments
            are wrong; the message names the file and the expectation.
    """
    configurations = _read(path)
    for position, configuration in enumerate(configurations):
        _build(path, position, configuration)
    return Suite(str(path), configurations)


def run_suite(suite: Suite, frame: pd.DataFrame, leave_out: Collection[str] = ()) -> Findings:
    """Run a suite on a frame with a unique column `row_id`.

    Expectations on a column of `leave_out` (one that `schema` refused) are skipped. Anything Great Expectations
    could not evaluate counts as broken: it answers with an exception inside the result and raises nothing.
    """
    chosen: list[tuple[int, dict[str, Any]]] = []
    findings: dict[int, Finding] = {}
    for position, configuration in enumerate(suite.configurations):
        refused = [name for name in columns_of(configuration["kwargs"]) if name in leave_out]
        if refused:
            why = f"column {', '.join(refused)} was refused by schema"
            findings[position] = _finding(configuration, "skipped", 0, why)
        else:
            chosen.append((position, configuration))
    answers = _ask(suite, chosen, frame) if chosen and len(frame) else {}
    rows: list[tuple[str, str]] = []
    for position, configuration in chosen:
        answer = answers.get(position)
        if answer is None:
            findings[position] = _finding(configuration, "skipped", 0, "there are no rows")
            continue
        finding = _judge(configuration, answer, frame)
        findings[position] = finding
        if finding.state == "rows_failed":
            rows += [(item[ROW_ID], finding.rule) for item in answer["result"]["unexpected_index_list"]]
    return Findings(tuple(findings[position] for position in sorted(findings)), tuple(rows))


def _read(path: Path) -> tuple[dict[str, Any], ...]:
    remedy = "Write one with `evergreen init`, or correct data.expectations in the recipe."
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RequestError(
            f"The expectation suite {path} cannot be read: {error.strerror}.", remedy=remedy, code="expectations"
        ) from error
    except ValueError as error:
        raise RequestError(
            f"The expectation suite {path} is not valid JSON: {error}.", remedy=remedy, code="expectations"
        ) from error
    listed = found.get("expectations") if isinstance(found, dict) else None
    if not isinstance(listed, list):
        raise RequestError(
            f"The expectation suite {path} has no list 'expectations'.", remedy=remedy, code="expectations"
        )
    for position, item in enumerate(listed, start=1):
        if not (
            isinstance(item, dict) and isinstance(item.get("type"), str) and isinstance(item.get("kwargs", {}), dict)
        ):
            raise RequestError(
                f"The expectation suite {path} has as expectation {position} something without 'type' and 'kwargs'.",
                remedy="Write it as an object with the keys type and kwargs.",
                code="expectations",
            )
    return tuple(listed)


def _build(path: Path, position: int, configuration: dict[str, Any]) -> Any:
    from great_expectations.exceptions import ExpectationNotFoundError
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    kind = configuration["type"]
    subject = ", ".join(columns_of(configuration["kwargs"]))
    known = {"kwargs": configuration["kwargs"], "meta": {"position": position}}
    known |= {key: configuration[key] for key in ("severity",) if configuration.get(key)}
    try:
        return ExpectationConfiguration(type=kind, **known).to_domain_obj()
    except ExpectationNotFoundError as error:
        raise RequestError(
            f"{path}: expectation {position + 1} has the unknown type '{kind}'.",
            remedy="Correct the name; Great Expectations lists its expectations at greatexpectations.io/expectations.",
            code="expectations",
        ) from error
    except (ValueError, TypeError) as error:
        raise RequestError(
            f"{path}: expectation {position + 1}, {kind}{f' on {subject}' if subject else ''}, is refused: "
            f"{_first_problem(error)}.",
            remedy="Correct its kwargs.",
            code="expectations",
        ) from error


def _first_problem(error: Exception) -> str:
    """The first complaint of a pydantic error as one line, else the error's own first line."""
    problems = getattr(error, "errors", None)
    if callable(problems):
        first = problems()[0]
        place = ".".join(str(part) for part in first.get("loc", ()) if part != "__root__")
        return f"{place} {first.get('msg', '')}".strip()
    return str(error).splitlines()[0].rstrip(".")


def _ask(suite: Suite, chosen: list[tuple[int, dict[str, Any]]], frame: pd.DataFrame) -> dict[int, dict[str, Any]]:
    """Great Expectations' answer per position; its results come in an order of its own."""
    import great_expectations
    from great_expectations.core.expectation_suite import ExpectationSuite
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = great_expectations.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    expectations = [_build(Path(suite.file), position, configuration) for position, configuration in chosen]
    asset = context.data_sources.add_pandas("candidate").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    outcome = batch.validate(
        ExpectationSuite(name="suite", expectations=expectations),
        result_format={"result_format": "COMPLETE", "unexpected_index_column_names": [ROW_ID]},
    )
    return {
        answer.expectation_config.meta["position"]: {
            "success": bool(answer.success),
            "result": answer.result or {},
            "exception": answer.exception_info or {},
        }
        for answer in outcome.results
    }


def _judge(configuration: dict[str, Any], answer: dict[str, Any], frame: pd.DataFrame) -> Finding:
    missing = [name for name in columns_of(configuration["kwargs"]) if name not in frame.columns]
    tolerant = configuration.get("severity") in ("warning", "info")
    bad = len(answer["result"].get("unexpected_index_list") or ())
    if missing:
        return _finding(configuration, "warned" if tolerant else "failed", 0, f"column {', '.join(missing)} is missing")
    if _raised(answer["exception"]):
        # The exception's own text may quote a cell, so it is not passed on.
        return _finding(configuration, "warned" if tolerant else "error", 0, "could not be evaluated on these values")
    if answer["success"]:
        return _finding(configuration, "passed", bad)
    if tolerant:
        return _finding(configuration, "warned", bad)
    about_rows = bad > 0 and configuration["kwargs"].get("mostly", 1) >= 1
    return _finding(configuration, "rows_failed" if about_rows else "failed", bad)


def _raised(exception: dict[str, Any]) -> bool:
    """Whether an exception hides in the result: flat, or keyed by metric one level deeper."""
    levels = [exception, *(item for item in exception.values() if isinstance(item, dict))]
    return any(level.get("raised_exception") for level in levels)


def _finding(configuration: dict[str, Any], state: State, rows: int, detail: str = "") -> Finding:
    kwargs = configuration["kwargs"]
    return Finding(
        configuration["type"], columns_of(kwargs), rule_of(configuration["type"], kwargs), state, rows, detail
    )
