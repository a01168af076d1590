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
