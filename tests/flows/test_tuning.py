"""A search on a small recipe: what it finds, what it may not see, and that a kill changes nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from flows import trial, tuning
from flows.candidates import candidate, check_space
from flows.cli.tune import _answer
from tasks.core import splits
from tasks.core.errors import RequestError
from tasks.core.home import Home, open_home
from tasks.core.load import load_recipe
from tasks.stores import runs
from tasks.train.checkpoints import Progress
from tasks.tune.trials import UNCHANGED, Trial
from tests.docs.reading import promised_keys
from tests.flows.tuning_data import RECIPE, found, recipe_in, tune


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return open_home(str(tmp_path_factory.mktemp("tuning") / "home"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tuned")


@pytest.fixture(scope="module")
def tuned(home: Home, folder: Path) -> tuning.Tuned:
    return tune(recipe_in(folder), home)


def study_folders(home: Home) -> list[Path]:
    return sorted((home.root / "work" / "tuned" / "tune").iterdir())


def test_a_search_ends_with_every_trial_and_beats_a_poor_default(tuned: tuning.Tuned):
    assert tuned.study.finished == 8 and [trial.number for trial in tuned.study.trials] == list(range(8))
    assert tuned.best.number != UNCHANGED
    assert tuned.best.value < tuned.unchanged.value
    complete = [trial.value for trial in tuned.study.trials if trial.state == "complete"]
    assert tuned.best.value == min(complete)
    assert set(tuned.importance) <= {"training.optimizer.lr", "model.hidden", "transforms.scale"}
    assert all({"accuracy", "roc_auc"} <= set(trial.metrics) for trial in tuned.study.trials if trial.value)


def test_the_best_recipe_is_written_and_is_the_one_that_was_tried(tuned: tuning.Tuned, folder: Path, tmp_path: Path):
    text = tuned.recipe.read_text()
    assert text.startswith("# tuned with the best of 8 trials (evergreen tune, validation_loss ")
    assert "a comment that is lost" not in text
    shutil.copytree(folder, tmp_path / "again")
    (tmp_path / "again" / "recipe.yaml").write_text(text)
    again = load_recipe(str(tmp_path / "again"))
    tried = candidate(load_recipe(str(folder)), tuned.best.parameters)
    assert again.recipe == tried.recipe and again.hash == tried.hash
    assert tuning.best_recipe(load_recipe(str(folder)), tuned).recipe == tried.recipe


def test_every_trial_is_a_run_below_that_of_the_search(tuned: tuning.Tuned, home: Home):
    client = runs.open_tracking(home)
    parent = client.get_run(tuned.run_id)
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["best"] == tuned.best.value and parent.data.metrics["trials"] == 8
    assert {file.path for file in client.list_artifacts(tuned.run_id)} == {"tuning.html", "tuned.yaml"}
    experiment = parent.info.experiment_id
    below = client.search_runs([experiment], filter_string=f"tags.`{runs.PARENT}` = '{tuned.run_id}'")
    assert {run.info.run_name for run in below} == {"as it stands", *(f"trial {number}" for number in range(8))}
    for one in tuned.study.trials:
        run = client.get_run(one.run_id)
        assert run.data.metrics.get("objective") == one.value
        assert run.data.params["training.optimizer.lr"] == str(one.parameters["training.optimizer.lr"])
        assert run.info.status == "FINISHED"


def test_trials_that_share_their_transforms_share_their_arrays_and_leave_nothing_behind(
    home: Home, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    made: list[Path] = []
    plain = trial.fitting.prepare_parts

    def counting(known, parts, recipe, place, name):
        made.append(place)
        assert set(parts) == {"train", "validation"}
        return plain(known, parts, recipe, place, name)

    monkeypatch.setattr(trial.fitting, "prepare_parts", counting)
    found = tune(recipe_in(tmp_path, "tuning.trials=6"), open_home(str(tmp_path / "home")))
    scales = {one.parameters["transforms.scale"] for one in [found.unchanged, *found.study.trials]}
    assert len(made) == len(set(made)) == len(scales) == 2
    (left,) = study_folders(Home(tmp_path / "home"))
    assert sorted(path.name for path in left.iterdir()) == ["trials", "tuned.yaml", "tuning.html", "work"]
    assert list((left / "work").iterdir()) == []


def poisoned(frame: pd.DataFrame, recipe) -> pd.DataFrame:
    """The same rows, but that everything the test rows hold is changed beyond recognition."""
    tested = splits.assign(frame, recipe.data) == "test"
    assert tested.sum() > 30
    frame = frame.copy()
    frame.loc[tested, ["a", "b", "c"]] = 1e6
    frame.loc[tested, "outcome"] = "poison"
    return frame


@pytest.mark.parametrize("judged", [(), ("tuning.folds=2", "tuning.metric=accuracy")], ids=["validation", "folds"])
def test_the_test_rows_are_never_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, judged: tuple[str, ...]):
    loaded = recipe_in(tmp_path, "tuning.trials=3", "training.epochs=3", *judged)
    clean = found(tune(loaded, open_home(str(tmp_path / "clean"))))
    plain, calls = trial.load_rows, []

    def load_rows(folder: Path) -> pd.DataFrame:
        calls.append(folder)
        return poisoned(plain(folder), loaded.recipe)

    monkeypatch.setattr(trial, "load_rows", load_rows)
    trial.rows_of.cache_clear()
    assert found(tune(loaded, open_home(str(tmp_path / "poisoned")))) == clean
    assert calls and all(value is not None for _, _, _, value, *_ in clean)
    trial.rows_of.cache_clear()


def test_the_rows_that_are_seen_are_the_training_and_validation_rows(home: Home, folder: Path):
    loaded = recipe_in(folder)
    ids = [f"{number:032x}" for number in range(300)]
    frame = pd.DataFrame({"row_id": ids, "batch": 0, "outcome": ["yes", None, "no"] * 100})
    rows = trial.without_test_rows(frame, loaded.recipe)
    sides = splits.assign(frame, loaded.recipe.data)
    expected = frame[frame["outcome"].notna() & (sides != "test")]
    assert list(rows.frame["row_id"]) == list(expected["row_id"])
    assert list(rows.sides) == list(sides[expected.index])


def test_a_search_that_was_interrupted_ends_like_one_that_was_not(
    tuned: tuning.Tuned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Stopped in the middle of a training, then again between two: same trials, same values, same best."""
    loaded, home = recipe_in(tmp_path), open_home(str(tmp_path / "home"))
    plain, losses, trained = tuning.train_trial, trial._losses, []

    def interrupted(progress: Progress) -> trial.Curve:
        if progress.epoch >= 2:
            raise KeyboardInterrupt
        return losses(progress)

    def stopping(task: trial.Task) -> Trial:
        trained.append(task.trial.number)
        if len(trained) == 7:
            raise KeyboardInterrupt
        with monkeypatch.context() as patch:
            if len(trained) == 4:
                patch.setattr(trial, "_losses", interrupted)
            return plain(task)

    monkeypatch.setattr(tuning, "train_trial", stopping)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            tune(loaded, home)
    again = tune(loaded, home)
    assert found(again) == found(tuned)
    assert again.best.parameters == tuned.best.parameters
    assert trained == [UNCHANGED, 0, 1, 2, 2, 3, 4, 4, 5, 6, 7], "only what was interrupted was done twice"


def test_more_trials_go_on_with_the_same_study(tuned: tuning.Tuned, home: Home, folder: Path):
    more = tune(recipe_in(folder, "tuning.trials=10"), home)
    assert found(more)[:8] == found(tuned) and more.study.finished == 10
    assert more.run_id == tuned.run_id
    assert len(study_folders(home)) == 1
    another = tune(recipe_in(folder, "tuning.trials=2", "training.epochs=5"), home)
    assert another.study.finished == 2 and len(study_folders(home)) == 2


def test_a_candidate_that_is_no_recipe_is_found_before_anything_is_trained(tmp_path: Path):
    space = "  space:\n    training.batch_size: {kind: number, low: 16, high: 64}\n"
    loaded = recipe_in(tmp_path, text=RECIPE.split("  space:\n")[0] + space)
    with pytest.raises(RequestError, match=r"tuning\.space\.training\.batch_size: with 16\.0 the recipe is none"):
        check_space(loaded, loaded.recipe.tuning.space)


def test_a_trial_that_cannot_be_trained_is_told_as_failed_and_the_search_goes_on(tmp_path: Path):
    """Each value makes a recipe, two of them together do not: plateau's patience beside that of stopping early."""
    space = (
        "  space:\n"
        "    training.schedule: {kind: choice, choices: [{kind: cosine}, {kind: plateau, patience: 4}]}\n"
        "    training.early_stopping: {kind: choice, choices: [{patience: 5}, {patience: 3}]}\n"
    )
    loaded = recipe_in(tmp_path, "tuning.search=grid", text=RECIPE.split("  space:\n")[0] + space)
    tuned = tune(loaded, open_home(str(tmp_path / "home")))
    states = [one.state for one in tuned.study.trials]
    (failed,) = [one for one in tuned.study.trials if one.state == "failed"]
    assert len(states) == 4 and "early_stopping.patience 3 ends the training" in failed.reason
    assert tuned.best.value is not None


def test_where_nothing_can_be_trained_it_is_said_why(tmp_path: Path):
    text = RECIPE.split("tuning:\n")[0]
    loaded = recipe_in(tmp_path, "training.optimizer={kind:sgd,lr:1e30}", "tuning.trials=1", text=text)
    with pytest.raises(RequestError, match="could be trained: the validation loss was never finite"):
        tune(loaded, open_home(str(tmp_path / "home")))


def test_the_answer_has_the_keys_that_are_promised(tuned: tuning.Tuned, folder: Path):
    answer = _answer(recipe_in(folder), tuned, None, "sqlite://")
    assert set(answer.payload) - {"status"} == promised_keys("tune")
    assert (answer.payload["trials"], answer.payload["run"], answer.exit_code) == (8, None, 0)
    assert answer.payload["best"]["parameters"] == tuned.best.parameters
    assert f"trial {tuned.best.number}" in answer.text and str(tuned.recipe) in answer.text


@pytest.mark.slow
def test_several_trials_at_once_finish_like_one_after_the_other(tmp_path: Path):
    """Random trials do not depend on each other, so that here even the numbers agree."""
    loaded = recipe_in(tmp_path, "tuning.search=random", "tuning.pruning=none", "tuning.trials=4")
    one = tune(loaded, open_home(str(tmp_path / "one")))
    three = tune(loaded, open_home(str(tmp_path / "three")), jobs=3)
    assert found(three) == found(one)
