"""Batch scoring of real files by a real registered model, and the journal it leaves."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.core.errors import EvergreenError, GateError, RequestError, ServiceError
from tasks.core.home import open_home
from tasks.core.recipe import Recipe
from tasks.ingest.windows import with_windows
from tasks.serve import files
from tasks.serve.batch import predict_file
from tasks.stores import registry, runs
from tasks.stores.journal import Journal, Predicted
from tests.serve.conftest import register


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A home with two registered champions: `flow` is linear in x and z, `tide` repeats the first value of a window."""
    home = open_home(str(tmp_path_factory.mktemp("served") / "home"))
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"code": [f"{n:04d}" for n in range(100)], "x": rng.normal(size=100), "z": rng.normal(size=100)}
    )
    csv = {"kind": "csv", "path": "x.csv", "separator": ";"}
    values: dict[str, Any] = {
        "name": "flow",
        "problem": "classification",
        "data": {"reader": csv, "target": "y", "id": "code"},
        "model": {"kind": "mlp", "hidden": [], "dropout": 0},
    }
    register(home, Recipe.model_validate_json(json.dumps(values)), frame, ["high", "low"], _high_above_the_mean)
    windows = {"columns": ["y"], "length": 3, "horizon": 2}
    values |= {"name": "tide", "problem": "regression", "transforms": {"scale": "none"}}
    values["data"] = {"reader": csv, "target": "y", "time": "hour", "windows": windows}
    tide = Recipe.model_validate_json(json.dumps(values))
    frame = with_windows(pd.DataFrame({"hour": range(100), "y": range(100)}), tide.data)
    register(home, tide, frame, [], _first_step)
    return home


def _high_above_the_mean(network: Any) -> None:
    for parameter in network.parameters():
        parameter.zero_()
    next(network.parameters())[0] = 5.0


def _first_step(network: Any) -> None:
    for parameter in network.parameters():
        parameter.zero_()
    next(network.parameters())[0, 0] = 1.0


def table(rows: int = 5) -> pd.DataFrame:
    return pd.DataFrame({"code": [f"{n:03d}" for n in range(rows)], "x": np.linspace(-2, 2, rows), "z": 0})


def write_csv(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_csv(path, sep=";", index=False)
    return path


def test_a_csv_file_is_scored_with_ids_as_they_were_and_every_prediction_is_in_the_journal(served: Any, tmp_path: Path):
    source, output = write_csv(table(), tmp_path / "in.csv"), tmp_path / "out.csv"
    before = Journal(served.journal).count("flow")
    answer = predict_file(served, "flow", source, output)
    assert answer == {
        "rows": 5,
        "output": str(output),
        "model": {"name": "flow", "version": "1"},
        "journal": str(served.journal),
        "notes": [],
    }
    found = pd.read_csv(output, dtype={"code": str, "model_version": str})
    assert list(found.columns) == [
        "code",
        "prediction_id",
        "prediction",
        "probability_high",
        "probability_low",
        "model_version",
    ]
    assert found["code"].tolist() == ["000", "001", "002", "003", "004"]
    assert found["prediction"].tolist()[0] == "low" and found["prediction"].tolist()[-1] == "high"
    assert Journal(served.journal).count("flow") == before + 5
    entry = Journal(served.journal).find(found["prediction_id"][4])
    assert (entry.model, entry.version, entry.prediction, len(entry.row_sha)) == ("flow", "1", "high", 32)
    assert not list(tmp_path.glob(".*.tmp"))


def test_pieces_parquet_and_another_order_give_the_same_predictions(
    served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    frame = table(23)
    whole = tmp_path / "whole.csv"
    predict_file(served, "flow/1", write_csv(frame, tmp_path / "in.csv"), whole)
    monkeypatch.setattr(files, "PIECE", 5)
    frame[["z", "x", "code"]].to_parquet(tmp_path / "in.parquet", index=False)
    predict_file(served, "flow@champion", tmp_path / "in.parquet", tmp_path / "pieces.parquet")
    one, other = pd.read_csv(whole, dtype={"code": str}), pd.read_parquet(tmp_path / "pieces.parquet")
    assert other["prediction"].tolist() == one["prediction"].tolist() and other["code"].tolist() == one["code"].tolist()
    assert other["prediction_id"].is_unique and len(other) == 23
    hashes = [Journal(served.journal).find(scored["prediction_id"][7]).row_sha for scored in (one, other)]
    assert hashes[0] == hashes[1], "the same row has the same hash, whatever file it came in"


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_rows_ordered_in_time_get_their_windows_and_the_newest_is_a_forecast(
    served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
):
    monkeypatch.setattr(files, "PIECE", 2)
    frame = pd.DataFrame({"hour": [4, 1, 2, 3], "y": [50.0, 20.0, 30.0, 40.0]})
    source, output = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    write_csv(frame, source) if suffix == "csv" else frame.to_parquet(source)
    before = Journal(served.journal).count("tide")
    answer = predict_file(served, "tide", source, output)
    assert answer["rows"] == 2 and answer["notes"] == []
    found = pd.read_csv(output) if suffix == "csv" else pd.read_parquet(output)
    assert list(found.columns) == ["hour", "window_end", "horizon", "prediction_id", "prediction", "model_version"]
    assert found[["hour", "window_end", "horizon", "prediction"]].to_numpy().tolist() == [[5, 3, 2, 20], [6, 4, 2, 30]]
    assert Journal(served.journal).count("tide") == before + 2
    # Somebody who has made the windows is answered row by row, and the same window is the same row to the journal.
    made = pd.DataFrame({"past_y_0": [20.0, 1], "past_y_1": [30.0, 2], "past_y_2": [40.0, 3]})
    predict_file(served, "tide", write_csv(made, tmp_path / "made.csv"), tmp_path / "again.csv")
    again = pd.read_csv(tmp_path / "again.csv")
    assert again["prediction"].tolist() == [20, 1] and again.columns[0] == "prediction_id"
    hashes = [Journal(served.journal).find(answers["prediction_id"][0]).row_sha for answers in (found, again)]
    assert hashes[0] == hashes[1]
    card = (served.root / "work" / "tide" / "package" / "card.md").read_text()
    assert "`past_y_0` to `past_y_2` are the window: `y` of 3 rows in the order of `hour`, the oldest first." in card
    assert "The answer is about the row 2 after the last of them." in card


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_window_whose_last_value_is_not_known_gets_no_answer_and_that_is_said(
    served: Any, tmp_path: Path, suffix: str
):
    source, output = tmp_path / "in.csv", tmp_path / f"out.{suffix}"
    write_csv(pd.DataFrame({"hour": [1, 2, 3, 4, 5], "y": [1.0, 2.0, None, None, None]}), source)
    answer = predict_file(served, "tide", source, output)
    assert answer["rows"] == 0 and answer["notes"] == [
        "1 row got no answer: the last row of the window lacks a number."
    ]
    found = pd.read_csv(output) if suffix == "csv" else pd.read_parquet(output)
    assert len(found) == 0 and list(found.columns)[:3] == ["hour", "window_end", "horizon"]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_without_rows_gives_a_file_without_predictions(served: Any, tmp_path: Path, suffix: str):
    source = tmp_path / f"in.{suffix}"
    write_csv(table(0), source) if suffix == "csv" else table(0).to_parquet(source)
    assert predict_file(served, "flow", source, tmp_path / "out.csv")["rows"] == 0
    assert list(pd.read_csv(tmp_path / "out.csv").columns)[:3] == ["code", "prediction_id", "prediction"]


def cases(folder: Path) -> dict[str, tuple[str, Path, Path, str]]:
    good, out = write_csv(table(), folder / "good.csv"), folder / "out.csv"
    (folder / "empty.csv").write_text("")
    (folder / "odd.csv").write_text("code;x;z\n1;2\n1;2;3;4;5\n")
    (folder / "bytes.csv").write_bytes(b"code;x;z\n\xff\xfe;1;2\n")
    (folder / "text.parquet").write_text("no parquet")
    return {
        "absent": ("flow", folder / "absent.csv", out, "absent.csv does not exist"),
        "folder": ("flow", _folder(folder / "rows.csv"), out, "rows.csv is a folder"),
        "suffix": ("flow", folder / "good.xlsx", out, "ends in '.xlsx'"),
        "output suffix": ("flow", good, folder / "out.json", "The output .*out.json ends in '.json'"),
        "output folder": ("flow", good, folder / "none" / "out.csv", "does not exist"),
        "output is folder": ("flow", good, _folder(folder / "here.csv"), "here.csv is a folder"),
        "empty": ("flow", folder / "empty.csv", out, "empty.csv cannot be read as csv: No columns"),
        "ragged": ("flow", folder / "odd.csv", out, "odd.csv cannot be read as csv: .*line 3"),
        "encoding": ("flow", folder / "bytes.csv", out, "bytes.csv cannot be read as csv: .*utf-8"),
        "no parquet": ("flow", folder / "text.parquet", out, "text.parquet cannot be read as parquet"),
        "column": (
            "flow",
            write_csv(table().drop(columns="z"), folder / "c.csv"),
            out,
            "c.csv: The column 'z' is missing",
        ),
        "type": ("flow", write_csv(table().assign(x="old"), folder / "t.csv"), out, "t.csv: The column 'x' holds text"),
        "few rows": (
            "tide",
            write_csv(pd.DataFrame({"hour": [1, 2], "y": [3, 4]}), folder / "f.csv"),
            out,
            "f.csv: A window takes 3 rows, and the file has 2",
        ),
        "no series": ("tide", good, out, "good.csv: The source has no column 'y', which data.windows needs"),
        "half a window": (
            "tide",
            write_csv(pd.DataFrame({"past_y_0": [1], "past_y_2": [1]}), folder / "h.csv"),
            out,
            "h.csv: The column 'past_y_1' is missing",
        ),
        "model": ("Flow!", good, out, "'Flow!' is not a model"),
        "unknown": ("flood", good, out, "flood has no champion"),
        "version": ("flow/9", good, out, "flow has no version 9"),
        "alias": ("flow@shadow", good, out, "flow has no shadow"),
    }


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_bad_input_is_refused_in_one_sentence_naming_file_and_column_and_leaves_nothing(served: Any, tmp_path: Path):
    before = Journal(served.journal).count("flow")
    for what, (model, source, output, sentence) in cases(tmp_path).items():
        with pytest.raises(RequestError, match=sentence) as caught:
            predict_file(served, model, source, output)
        assert caught.value.remedy and "\n" not in caught.value.message, what
        assert not output.is_file(), what
    assert not list(tmp_path.rglob(".*.tmp"))
    assert Journal(served.journal).count("flow") == before


def test_latent_features_are_refused_where_a_target_is_predicted(served: Any, tmp_path: Path):
    (tmp_path / "rows.csv").write_text("x;z\n1;2\n")
    with pytest.raises(RequestError, match="flow/1 predicts a target, so it has no latent features"):
        predict_file(served, "flow", tmp_path / "rows.csv", tmp_path / "out.csv", latent=True)
    assert not (tmp_path / "out.csv").exists()


def test_a_model_whose_files_were_changed_is_not_run(served: Any, tmp_path: Path):
    scorer = runs.local_files(served, "models:/flow/1") / "scorer.py"
    source = scorer.read_text()
    scorer.write_text(source + "\nraise SystemExit('run')\n")
    try:
        with pytest.raises(GateError, match="are not those that were registered"):
            predict_file(served, "flow", write_csv(table(), tmp_path / "in.csv"), tmp_path / "out.csv")
    finally:
        scorer.write_text(source)
    assert registry.champion_version(served, "flow") == "1"


def test_no_prediction_is_handed_out_that_the_journal_did_not_take(served: Any, tmp_path: Path):
    content = served.journal.read_bytes()
    served.journal.write_bytes(b"not a database" * 100)
    try:
        with pytest.raises(ServiceError, match=r"The journal .* cannot be used"):
            predict_file(served, "flow", write_csv(table(), tmp_path / "in.csv"), tmp_path / "out.csv")
    finally:
        served.journal.write_bytes(content)
    assert not (tmp_path / "out.csv").exists() and not list(tmp_path.glob(".*.tmp"))


def test_the_journal_is_append_only_and_takes_an_id_once(tmp_path: Path):
    journal = Journal(tmp_path / "journal.db")
    assert journal.find("a") is None and journal.count("m") == 0
    entry = Predicted("a", "2026-01-01T00:00:00", "m", "1", "0" * 32, 3)
    journal.append([entry])
    assert journal.find("a") == entry and journal.find("b") is None
    with pytest.raises(EvergreenError, match="UNIQUE"):
        journal.append([Predicted("b", "", "m", "1", "", 1), entry])
    assert journal.count("m") == 1, "a batch is entered whole or not at all"
    with sqlite3.connect(journal.path) as connection:
        for statement in ("DELETE FROM predictions", "UPDATE predictions SET version = '2'"):
            with pytest.raises(sqlite3.DatabaseError, match="append-only"):
                connection.execute(statement)
