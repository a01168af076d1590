"""`check --find-lr --find-batch-size`: what it suggests can be written into the recipe, and nothing else is changed."""

from __future__ import annotations

from pathlib import Path

from tasks.core.load import load_recipe

RECIPE = Path(__file__).parents[2] / "data" / "breast_cancer"


def test_what_is_suggested_can_be_written_into_the_recipe(evergreen, tmp_path: Path):
    ended = evergreen("check", RECIPE, "--find-lr", "--find-batch-size", "--json")
    assert ended.exit_code == 0, ended.stderr
    found = ended.json["found"]
    rate, size = found["training.optimizer.lr"], found["training.batch_size"]
    assert 1e-5 < rate["suggested"] < rate["lowest_loss_at"] <= 10 and len(rate["rates"]) == len(rate["losses"])
    assert size["suggested"] in [tried["rows"] for tried in size["tried"]] and size["largest"] >= size["suggested"]
    values = [f"{name}={value['suggested']}" for name, value in found.items()]
    training = load_recipe(str(RECIPE), values).recipe.training
    assert (training.optimizer.lr, training.batch_size) == (rate["suggested"], size["suggested"])
    assert not list((tmp_path / "home").rglob("*.npy"))


def test_a_person_reads_what_to_write_and_why(evergreen):
    ended = evergreen("check", RECIPE, "--find-lr")
    assert ended.exit_code == 0, ended.stderr
    line = next(line for line in ended.stdout.splitlines() if line.startswith("  training.optimizer.lr="))
    assert "the loss fell fastest there, and was lowest at" in line and "batch_size" not in ended.stdout


def test_nothing_is_looked_for_unasked(evergreen):
    assert evergreen("check", RECIPE, "--json").json["found"] == {}


def test_a_network_of_texts_is_sized_with_its_vocabulary(evergreen, tmp_path: Path):
    lines = [f'{row},"{("good fine" if row % 2 else "bad poor")} word{row % 7}",{row % 2}' for row in range(120)]
    (tmp_path / "notes.csv").write_text("\n".join(["id,note,answer", *lines]) + "\n")
    (tmp_path / "recipe.yaml").write_text(
        "name: notes\nproblem: classification\n"
        "data: {reader: {kind: csv, path: notes.csv}, target: answer, id: id, features: {note: {kind: text}}}\n"
        "model: {kind: recurrent, hidden: 8, embedding: 8}\n"
        "gates: {max_duplicates: 1.0, max_overlap: 1.0}\n"
    )
    ended = evergreen("check", tmp_path, "--find-batch-size", "--json")
    assert ended.exit_code == 0, ended.stderr
    assert ended.json["found"]["training.batch_size"]["suggested"] >= 8
