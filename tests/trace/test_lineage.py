"""The chain of evidence: whole for a real champion, and one changed byte names exactly one link."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import RequestError
from tasks.release import promotion
from tasks.stores import address, registry, runs
from tasks.stores.journal import Journal, Predicted
from tasks.stores.ledger import Ledger
from tasks.trace.lineage import explain, explain_prediction

KINDS = [
    "alias",
    "decision",
    "version",
    "run",
    "weights",
    "evaluation",
    "package",
    "preflight",
    "preparation",
    "dataset",
    "validation",
    "source",
    "recipe",
    "code",
]


def only(folder: Path, pattern: str) -> Path:
    """The first file below a folder that fits."""
    return sorted(path for path in folder.rglob(pattern) if path.is_file())[0]


@contextlib.contextmanager
def changed(path: Path, change: Callable[[bytes], bytes]) -> Iterator[None]:
    before, mode = path.read_bytes(), path.stat().st_mode
    path.chmod(0o644)
    path.write_bytes(change(before))
    try:
        yield
    finally:
        path.write_bytes(before)
        path.chmod(mode)


def flip(content: bytes) -> bytes:
    """The same bytes but one, in the middle."""
    place = len(content) // 2
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@contextlib.contextmanager
def sql(path: Path, *statements: str) -> Iterator[None]:
    """A database with these statements carried out, put back afterwards; triggers are out of the way meanwhile."""
    connection, kept = sqlite3.connect(path), sqlite3.connect(":memory:")
    connection.backup(kept)
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        assert connection.execute(statement).rowcount > 0, statement
    for _, text in triggers:
        connection.execute(text)
    connection.commit()
    try:
        yield
    finally:
        # By way of SQLite: MLflow holds the file open, and must notice.
        kept.backup(connection)
        kept.close()
        connection.close()


def broken(home: Any, model: str = "toy") -> list[str]:
    """Kinds of the links that do not hold, and a check that all others do."""
    answer = explain(home, model, verify=True)
    assert [link["kind"] for link in answer["links"]] == KINDS
    assert answer["verified"] is all(link["ok"] is not False for link in answer["links"])
    return [link["kind"] for link in answer["links"] if link["ok"] is not True]


def test_a_champion_made_by_a_run_is_explained_and_verified_in_full(champion: Any) -> None:
    answer = explain(champion, "toy", verify=True)
    assert [(link["kind"], link["ok"]) for link in answer["links"]] == [(kind, True) for kind in KINDS]
    assert answer["verified"] is True
    assert answer["model"] == {"name": "toy", "version": "1", "aliases": ["champion"]}
    links = {link["kind"]: link for link in answer["links"]}
    tags = registry.versions(champion, "toy")[0].tags
    assert links["dataset"]["hash"] == tags["evergreen.dataset"]
    assert links["weights"]["hash"] == tags["evergreen.weights"]
    assert links["version"]["hash"] == tags["evergreen.content"]
    assert links["decision"]["hash"] == tags["evergreen.decision"]
    assert "240 rows in, 240 kept, 0 quarantined" in links["validation"]["detail"]


def test_without_verification_the_same_hashes_are_stated_and_nothing_is_claimed(champion: Any, root: Path) -> None:
    code = (
        "import json, sys; from pathlib import Path; from tasks.core.home import Home\n"
        "from tasks.trace.lineage import explain\n"
        f"print(json.dumps(explain(Home(Path({str(champion.root)!r})), 'toy')))\n"
        "assert not {'mlflow', 'pandas', 'torch', 'dvc'} & set(sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True).stdout
    stated, verified = json.loads(output), explain(champion, "toy", verify=True)
    assert stated["verified"] is None and {link["ok"] for link in stated["links"]} == {None}
    assert [link["hash"] for link in stated["links"]] == [link["hash"] for link in verified["links"]]


@pytest.mark.parametrize(
    ("kind", "folder", "pattern"),
    [
        ("version", "mlflow/artifacts/toy/models", "weights.safetensors"),
        ("version", "mlflow/artifacts/toy/models", "MLmodel"),
        ("version", "mlflow/artifacts/toy/models", "scorer.py"),
        ("version", "mlflow/artifacts/toy/models", "mlp.py"),
        ("weights", "work/toy/train", "weights.safetensors"),
        ("evaluation", "work/toy/evaluate", "*.html"),
        ("evaluation", "work/toy/evaluate", "*.parquet"),
        ("package", "work/toy/package", "card.md"),
        ("package", "work/toy/package", "golden.json"),
        ("preparation", "work/toy/prepare", "train_inputs.npy"),
        ("preparation", "work/toy/prepare", "transform.json"),
        ("dataset", "work/toy/version", "*.parquet"),
        ("dataset", "remote", "*"),
        ("dataset", "datasets/toy/.dvc/cache", "*"),
        ("validation", "work/toy/validate", "quarantine.parquet"),
        ("validation", "work/toy/validate", "validation.html"),
        ("source", "work/toy/ingest", "candidate.json"),
    ],
)
def test_one_flipped_byte_in_a_file_names_its_link(champion: Any, kind: str, folder: str, pattern: str) -> None:
    with changed(only(champion.root / folder, pattern), flip):
        assert broken(champion) == [kind]
    assert broken(champion) == []


@pytest.mark.parametrize("kind", ["weights", "dataset", "evaluation"])
def test_a_file_that_is_gone_names_its_link(champion: Any, kind: str) -> None:
    folder = {"weights": "train", "dataset": "version", "evaluation": "evaluate"}[kind]
    path = sorted(path for path in (champion.root / "work" / "toy" / folder).rglob("*") if path.is_file())[0]
    path.rename(champion.root / "aside")
    try:
        assert broken(champion) == [kind]
    finally:
        (champion.root / "aside").rename(path)


@pytest.mark.parametrize(
    ("stage", "kind", "before", "after"),
    [
        ("train", "weights", b'"best_epoch": ', b'"best_epoch": 1'),
        ("train", "weights", b'"hidden"', b'"hiddem"'),
        ("evaluate", "evaluation", b'"accuracy": 0.', b'"accuracy": 1.'),
        ("preflight", "preflight", b'"parameters": 4', b'"parameters": 5'),
        ("prepare", "preparation", b'"input_shape"', b'"input_shapf"'),
        ("version", "dataset", b'"rows": 240', b'"rows": 241'),
        ("validate", "validation", b'"rows_kept": 240', b'"rows_kept": 239'),
        ("ingest", "source", b'"new_rows": 240', b'"new_rows": 241'),
    ],
)
def test_one_changed_byte_in_a_stage_result_names_its_link(
    champion: Any, stage: str, kind: str, before: bytes, after: bytes
) -> None:
    path = next(path for path in (champion.results("toy") / stage).glob("*.json") if path.name != "latest.json")
    assert before in path.read_bytes()
    with changed(path, lambda content: content.replace(before, after, 1)):
        links = {link["kind"]: link["ok"] for link in explain(champion, "toy", verify=True)["links"]}
        assert [name for name, ok in links.items() if ok is False] == [kind]
        # What was put together from the changed result cannot be judged; the rest holds.
        assert {name for name, ok in links.items() if ok is None} <= {"recipe", "run"}


@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        ("version", "UPDATE model_version_tags SET value = 'x' || substr(value, 2) WHERE key = 'evergreen.content'"),
        ("version", "UPDATE model_version_tags SET value = 'x' || substr(value, 2) WHERE key = 'evergreen.key'"),
        ("weights", "UPDATE model_version_tags SET value = 'x' || substr(value, 2) WHERE key = 'evergreen.weights'"),
        ("dataset", "UPDATE model_version_tags SET value = 'x' || substr(value, 2) WHERE key = 'evergreen.dataset'"),
        ("recipe", "UPDATE model_version_tags SET value = 'x' || substr(value, 2) WHERE key = 'evergreen.recipe'"),
        ("decision", "UPDATE model_version_tags SET value = 'x' || substr(value, 2) WHERE key = 'evergreen.decision'"),
        ("decision", "DELETE FROM model_version_tags WHERE key = 'evergreen.decision'"),
        ("decision", "UPDATE registered_model_tags SET value = 'x' || substr(value, 2)"),
        ("run", "UPDATE params SET value = '9' WHERE key = 'training.epochs'"),
        ("run", "DELETE FROM params WHERE key = 'training.seed'"),
        ("run", "UPDATE tags SET value = 'x' || substr(value, 2) WHERE key = 'evergreen.key'"),
    ],
)
def test_one_changed_byte_in_mlflow_names_its_link(champion: Any, kind: str, statement: str) -> None:
    with sql(address.database(champion), statement):
        assert broken(champion) == [kind]


@pytest.mark.parametrize(
    "statement",
    [
        'UPDATE entries SET body = replace(body, \'"rule":"first"\', \'"rule":"fixst"\') WHERE kind = \'promote\'',
        "UPDATE entries SET body = replace(body, '\"dataset\":\"', '\"dataset\":\"0') WHERE kind = 'promote'",
        "UPDATE entries SET body = substr(body, 2) WHERE kind = 'promote'",
        "UPDATE entries SET hash = 'x' || substr(hash, 2) WHERE kind = 'promote'",
        "UPDATE entries SET actor = 'somebody' WHERE kind = 'done'",
        "DELETE FROM entries",
    ],
)
def test_a_changed_or_cut_ledger_names_the_decision(champion: Any, statement: str) -> None:
    with sql(champion.ledger, statement):
        assert broken(champion) == ["decision"]
    assert broken(champion) == []


def test_an_alias_that_somebody_else_moved_names_the_alias_until_it_is_entered(champion: Any) -> None:
    (own,) = registry.versions(champion, "toy")
    other = runs.register(champion, "toy", own.source, own.run_id, {}, "another key")
    with sql(address.database(champion), f"UPDATE registered_model_aliases SET version = {other}"):
        links = explain(champion, "toy", verify=True)["links"]
        assert [link["kind"] for link in links if link["ok"] is False] == ["alias"]
        assert "the ledger knows of no move there: it says version 1" in links[0]["detail"]
        assert broken(champion, "toy@champion")[0] == "alias"
    runs.open_tracking(champion).delete_model_version("toy", other)


def test_a_rollback_and_a_return_by_a_person_are_explained_too(champion: Any) -> None:
    (own,) = [item for item in registry.versions(champion, "toy") if item.version == "1"]
    other = runs.register(champion, "toy", own.source, own.run_id, {}, "by a person")
    with sql(champion.ledger), sql(address.database(champion)):
        promotion.promote_by_person(champion, "toy", other, reason="to try it")
        answer = explain(champion, "toy", verify=True)
        assert answer["verified"] is True and answer["model"]["version"] == other
        assert "to try it" in answer["links"][1]["detail"]
        promotion.rollback(champion, "toy", reason="it did not help")
        answer = explain(champion, "toy", verify=True)
        assert answer["model"]["version"] == "1" and answer["verified"] is True
        assert "rollback" in answer["links"][1]["detail"] and "it did not help" in answer["links"][1]["detail"]
        assert {link["ok"] for link in answer["links"]} == {True}


def test_one_prediction_is_explained_by_the_version_that_made_it(champion: Any) -> None:
    journal = Journal(champion.journal)
    journal.append([Predicted("p-1", "2026-01-01T00:00:00+00:00", "toy", "1", "ab" * 16, "yes")])
    journal.append([Predicted("p-2", "2026-01-01T00:00:00+00:00", "toy", "77", "ab" * 16, "yes")])
    answer = explain_prediction(champion, "p-1", verify=True)
    assert [link["kind"] for link in answer["links"]] == ["prediction", *KINDS[1:]]
    assert answer["verified"] is True and answer["links"][0]["hash"] == "ab" * 16
    assert "yes" not in json.dumps(answer["links"][0])
    with pytest.raises(RequestError, match="holds no prediction 'p-9'"):
        explain_prediction(champion, "p-9")
    with pytest.raises(RequestError, match="toy/77, which made this prediction, is no longer registered"):
        explain_prediction(champion, "p-2")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("wine", "wine has no version with the alias 'champion'"),
        ("toy@shadow", "toy has no version with the alias 'shadow'"),
        ("toy/99", "toy has no version 99"),
        ("To y", "'To y' is not a model"),
    ],
)
def test_what_does_not_exist_cannot_be_explained(champion: Any, model: str, message: str) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        explain(champion, model)
    assert caught.value.remedy


def test_the_ledger_holds_no_value_of_a_row(champion: Any) -> None:
    text = json.dumps([entry.body for entry in Ledger(champion.ledger).entries()])
    rows = (champion.root.parent / "recipe" / "rows.csv").read_text().splitlines()[1:]
    assert not [row for row in rows if row.split(",")[2] in text]
