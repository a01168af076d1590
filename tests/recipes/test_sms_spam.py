"""The recipe sms_spam: it reads the file a person names, as it is distributed, and each message whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.cli import main
from tasks.core import splits
from tasks.core.load import LoadedRecipe, load_recipe
from tasks.core.rows import Identity, row_ids
from tasks.ingest.readers import read

FOLDER = Path(__file__).resolve().parents[2] / "data" / "sms_spam"


@pytest.fixture
def spam(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedRecipe:
    """The recipe, pointed at the real file as a person would."""
    monkeypatch.setenv("EVERGREEN_SMS", str(shared_data / "sms_spam" / "sms.tsv"))
    return load_recipe(str(FOLDER))


def test_without_the_file_one_sentence_says_that_the_reader_failed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("EVERGREEN_SMS", str(tmp_path / "nowhere"))
    assert main(["--home", str(tmp_path / "home"), "--json", "check", str(FOLDER)]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["message"] == "The reader recipe.py:messages failed with FileNotFoundError."


def test_without_the_variable_the_file_lies_beside_the_recipe_and_is_never_committed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("EVERGREEN_SMS", raising=False)
    assert load_recipe(str(FOLDER)).recipe.data.reader.args == {"path": "SMSSpamCollection"}
    assert "data/sms_spam/SMSSpamCollection" in (FOLDER.parents[1] / ".gitignore").read_text().splitlines()


def test_each_line_is_a_message_with_its_quotation_marks(spam: LoadedRecipe):
    frame = read(spam.recipe.data.reader, spam.folder)
    assert frame["label"].value_counts().to_dict() == {"ham": 4827, "spam": 747}
    assert not frame["text"].duplicated().all() and int(frame.duplicated().sum()) == 403
    lines = Path(spam.recipe.data.reader.args["path"]).read_text(encoding="utf-8")
    assert int(frame["text"].str.count('"').sum()) == lines.count('"') > 0


def test_copies_of_a_message_lie_on_one_side(spam: LoadedRecipe):
    frame = read(spam.recipe.data.reader, spam.folder)
    frame = frame.assign(row_id=row_ids(frame, Identity(None, "label", ("text",))), batch=0)
    sides = splits.assign(frame, spam.recipe.data)
    assert sides.groupby(frame["text"]).nunique().max() == 1
    assert 0.17 < (sides == "test").mean() < 0.23


@pytest.mark.slow
def test_a_fold_of_the_benchmark_reaches_what_is_asked_of_all(shared_data: Path, monkeypatch: pytest.MonkeyPatch):
    from benchmarks.sms_spam import TARGET, measure

    monkeypatch.setenv("EVERGREEN_SMS", str(shared_data / "sms_spam" / "sms.tsv"))
    found = measure([0], [0], [], bar=True)
    assert found["messages"] == 5171
    assert found["rows"][0]["blocked"] == []
    assert found["f1"] > TARGET - 0.02
    assert abs(found["bar_f1"] - 0.96) < 0.03
