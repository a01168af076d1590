"""A real Great Expectations run: rows are named, values are not, exceptions are failures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tasks.core.errors import RequestError
from tasks.validate.expectations import Finding, Findings, load_suite, run_suite
from tasks.validate.wording import rule_of


def frame_of(rows: int = 40) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "row_id": [f"{number:032x}" for number in range(rows)],
            "batch": 0,
            "radius": [float(number) for number in range(rows)],
            "label": ["secret-cell"] * rows,
            "gap": [None] * 4 + [1.0] * (rows - 4),
        }
    )


def expectation(kind: str, severity: str | None = None, **kwargs: Any) -> dict[str, Any]:
    return {"type": kind, "kwargs": kwargs, **({"severity": severity} if severity else {})}


def suite_of(folder: Path, *expectations: dict[str, Any]) -> Path:
    path = folder / "expectations.json"
    path.write_text(json.dumps({"name": "suite", "expectations": list(expectations)}))
    return path


def found_by(folder: Path, *expectations: dict[str, Any], leave_out: tuple[str, ...] = ()) -> Findings:
    return run_suite(load_suite(suite_of(folder, *expectations)), frame_of(), leave_out)


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    return found_by(
        tmp_path_factory.mktemp("suite"),
        expectation("expect_column_values_to_be_between", column="radius", min_value=0, max_value=29),
        expectation("expect_column_values_to_be_between", column="label", min_value=0, max_value=29),
        expectation("expect_column_values_to_not_be_null", column="gap", mostly=0.5),
        expectation("expect_column_values_to_not_be_null", column="gap", mostly=0.95),
        expectation("expect_column_values_to_not_be_null", column="absent"),
        expectation("expect_column_to_exist", column="absent"),
        expectation("expect_table_row_count_to_be_between", min_value=1000),
        expectation("expect_column_mean_to_be_between", column="radius", max_value=5),
        expectation("expect_column_values_to_be_in_set", column="gap", value_set=[1.0]),
        expectation("expect_column_values_to_be_unique", column="label", severity="warning"),
        expectation("expect_column_pair_values_a_to_be_greater_than_b", column_A="radius", column_B="gap"),
        expectation("expect_column_values_to_not_be_null", column="radius"),
        leave_out=("refused",),
    )


def test_findings_stand_in_the_order_of_the_suite(findings: Findings) -> None:
    assert [item.state for item in findings.expectations] == [
        "rows_failed",
        "error",
        "passed",
        "failed",
        "failed",
        "failed",
        "failed",
        "failed",
        "passed",
        "warned",
        "rows_failed",
        "passed",
    ]


def test_the_rows_that_break_a_rule_are_named_with_the_rule(findings: Findings) -> None:
    rule = "radius: must be between 0 and 29"
    assert [row for row, reason in findings.rows if reason == rule] == [f"{number:032x}" for number in range(30, 40)]
    assert findings.expectations[0] == Finding(
        "expect_column_values_to_be_between", ("radius",), rule, "rows_failed", 10, ""
    )


def test_an_exception_inside_a_result_is_a_failure_that_quotes_no_cell(findings: Findings) -> None:
    assert findings.expectations[1] in findings.broken
    assert "secret-cell" not in str(findings)


def test_a_rule_with_a_share_is_about_the_column_and_quarantines_no_row(findings: Findings) -> None:
    assert findings.expectations[2].state == "passed" and findings.expectations[2].rows == 4
    assert findings.expectations[3] in findings.broken
    assert not [reason for _, reason in findings.rows if "not be null" in reason]


def test_a_missing_column_is_named(findings: Findings) -> None:
    assert [item.detail for item in findings.broken if item.columns == ("absent",)] == ["column absent is missing"] * 2


def test_nulls_pass_a_closed_set(findings: Findings) -> None:
    assert findings.expectations[8].state == "passed"


def test_a_warning_is_reported_and_stops_nothing(findings: Findings) -> None:
    assert findings.expectations[9].state == "warned" and findings.expectations[9].rows == 40
    assert not [reason for _, reason in findings.rows if reason.startswith("label")]


def test_a_rule_about_two_columns_names_the_rows(findings: Findings) -> None:
    rule = "radius, gap: the first must be greater than the second"
    assert [row for row, reason in findings.rows if reason == rule] == [f"{number:032x}" for number in range(4)]


def test_expectations_on_a_refused_column_are_skipped(tmp_path: Path) -> None:
    rule = expectation("expect_column_values_to_be_between", column="label", min_value=0)
    (finding,) = found_by(tmp_path, rule, leave_out=("label",)).expectations
    assert finding.state == "skipped" and "label was refused by schema" in finding.detail


def test_running_a_suite_leaves_no_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    found_by(tmp_path, expectation("expect_column_values_to_not_be_null", column="radius"))
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not valid JSON"),
        ("[]", "has no list 'expectations'"),
        ('{"expectations": ["x"]}', "expectation 1 something without 'type'"),
        (
            '{"expectations": [{"type": "expect_wonders", "kwargs": {}}]}',
            "expectation 1 has the unknown type 'expect_wonders'",
        ),
        (
            '{"expectations": [{"type": "expect_column_values_to_be_between", "kwargs": {"column": "radius"}}]}',
            "expectation 1, expect_column_values_to_be_between on radius, is refused: min_value and max_value",
        ),
        (
            '{"expectations": [{"type": "expect_column_values_to_be_unique", "kwargs": {"colum": "radius"}}]}',
            "is refused: column field required",
        ),
    ],
)
def test_a_broken_suite_is_one_sentence_naming_file_and_expectation(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(RequestError) as caught:
        load_suite(path)
    assert message in caught.value.message and "broken.json" in caught.value.message
    assert caught.value.remedy and "\n" not in caught.value.message


def test_a_missing_suite_is_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"absent\.json cannot be read: No such file"):
        load_suite(tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("kind", "kwargs", "sentence"),
    [
        ("expect_column_values_to_be_between", {"column": "a", "min_value": 0}, "a: must be at least 0"),
        ("expect_column_values_to_be_in_set", {"column": "a", "value_set": ["x", "y"]}, "a: must be one of x, y"),
        (
            "expect_column_values_to_be_in_set",
            {"column": "a", "value_set": list(range(99))},
            "a: must be one of 99 values",
        ),
        ("expect_column_mean_to_be_between", {"column": "a", "max_value": 5}, "a: mean must be at most 5"),
        ("expect_table_column_count_to_equal", {"value": 5}, "table: column count must equal"),
        ("expect_column_values_to_be_increasing", {"column": "a"}, "a: must be increasing"),
    ],
)
def test_rules_read_as_sentences(kind: str, kwargs: dict[str, Any], sentence: str) -> None:
    assert rule_of(kind, kwargs) == sentence
