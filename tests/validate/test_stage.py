"""The stage's files: quarantine without loss, a page without values, the same bytes each time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.validate import quarantine
from tasks.validate.judge import Judgement
from tasks.validate.page import write_page
from tasks.validate.stage import validate


def test_the_declaration_names_what_the_stage_reads() -> None:
    assert validate.inputs == ("ingest",)
    assert {"problem", "data.expectations", "gates.max_overlap"} <= set(validate.reads)
    assert not {"data", "data.reader", "gates", "training"} & set(validate.reads)


def test_quarantine_keeps_every_reason_and_sorts_the_rows(tmp_path: Path) -> None:
    reasons = quarantine.reasons_by_row([("b", "x: one"), ("a", "y: two"), ("b", "z: three"), ("b", "x: one")])
    assert reasons == {"b": ["x: one", "z: three"], "a": ["y: two"]}
    quarantine.write(tmp_path / "one.parquet", reasons)
    quarantine.write(tmp_path / "two.parquet", dict(reversed(reasons.items())))
    frame = pd.read_parquet(tmp_path / "one.parquet")
    assert frame.to_dict("list") == {"row_id": ["a", "b"], "reasons": ["y: two", "x: one; z: three"]}
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


def test_an_empty_quarantine_is_a_file_without_rows(tmp_path: Path) -> None:
    quarantine.write(tmp_path / "none.parquet", {})
    assert list(pd.read_parquet(tmp_path / "none.parquet").columns) == ["row_id", "reasons"]


def test_the_page_shows_gates_rules_and_counts_but_no_value(
    tmp_path: Path, judged: Callable[..., Judgement], make_recipe: Callable[..., Any], patients: pd.DataFrame
) -> None:
    patients["radius"] = patients["radius"].astype(str).where(patients.index > 60, "secret-cell")
    judgement = judged(patients, make_recipe())
    text = write_page(tmp_path / "page.html", "shop", judgement).read_text()
    assert "radius: not a number" in text and "stopped by expectations" in text
    assert "clinic: must be one of north, south, west" in text
    assert "secret-cell" not in text and judgement.reasons.keys() and next(iter(judgement.reasons)) not in text
    assert "http://" not in text.replace("http://www.w3.org", "") and "https://" not in text and "<script" not in text
    assert write_page(tmp_path / "again.html", "shop", judgement).read_text() == text
