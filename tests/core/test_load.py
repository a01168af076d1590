"""A recipe is found, overridden and validated, or refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.core.errors import RequestError
from tasks.core.home import open_home
from tasks.core.load import claim, find_recipe, load_recipe
from tasks.core.recipe import (
    CLASSIFICATION_METRICS,
    COMPARED_CLASSIFICATION_METRICS,
    COMPARED_REGRESSION_METRICS,
    REGRESSION_METRICS,
    Recipe,
)

MINIMAL = """\
name: claims
problem: classification
data:
  reader: {kind: csv, path: claims.csv}
  target: fraud
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "recipe.yaml").write_text(MINIMAL)
    return tmp_path


def test_only_name_problem_and_data_are_required(folder: Path) -> None:
    loaded = load_recipe(str(folder))
    assert loaded.recipe.training.epochs == 30
    assert loaded.recipe.model.kind == "mlp"
    assert loaded.folder == folder


def test_yaml_floats_without_a_dot_are_floats(folder: Path) -> None:
    (folder / "recipe.yaml").write_text(MINIMAL + "training: {optimizer: {kind: adam, lr: 1e-3}}\n")
    assert load_recipe(str(folder)).recipe.training.optimizer.lr == 1e-3


def test_a_key_is_a_name_even_where_yaml_knows_it_as_true_or_false(folder: Path) -> None:
    alerts = "alerts: [{kind: command, argv: [tee, alerts.jsonl], on: [stopped]}]\n"
    features = MINIMAL.replace("target: fraud", "target: fraud\n  features: {no: {kind: numeric}, Yes: {kind: drop}}")
    (folder / "recipe.yaml").write_text(
        features + alerts + "training: {early_stopping: null}\nmodel: {kind: mlp, batch_norm: on}\n"
    )
    recipe = load_recipe(str(folder)).recipe
    assert recipe.alerts[0].on == ("stopped",)
    assert list(recipe.data.features) == ["no", "Yes"]
    assert recipe.model.batch_norm is True


def test_an_override_sets_a_field_of_a_section_the_yaml_lacks(folder: Path) -> None:
    assert load_recipe(str(folder), ["training.epochs=3"]).recipe.training.epochs == 3


def test_an_override_that_changes_a_kind_replaces_its_block(folder: Path) -> None:
    (folder / "recipe.yaml").write_text(MINIMAL + "model: {kind: mlp, hidden: [8]}\n")
    model = load_recipe(str(folder), ["model.kind=cnn", "model.channels=[4]"]).recipe.model
    assert model.kind == "cnn"
    assert model.channels == (4,)


def test_every_metric_may_be_bounded_and_those_with_a_test_decide(folder: Path) -> None:
    for problem, shown, compared in [
        ("classification", CLASSIFICATION_METRICS, COMPARED_CLASSIFICATION_METRICS),
        ("regression", REGRESSION_METRICS, COMPARED_REGRESSION_METRICS),
    ]:
        for name in shown:
            overrides = [f"problem={problem}", f"gates.thresholds={{{name}: 0.5}}"]
            assert load_recipe(str(folder), overrides).recipe.gates.thresholds == {name: 0.5}
        for name in compared:
            overrides = [f"problem={problem}", f"gates.promotion.metric={name}"]
            assert load_recipe(str(folder), overrides).recipe.metric == name
        assert set(compared) < set(shown)


def test_a_loss_is_named_alone_or_with_its_settings(folder: Path) -> None:
    for written, overrides, wanted in [
        ("", [], {"kind": "auto"}),
        ("training: {loss: focal}", [], {"kind": "focal", "gamma": 2.0}),
        ("training: {loss: {kind: focal, gamma: 1}}", [], {"kind": "focal", "gamma": 1.0}),
        ("training: {loss: {kind: focal, gamma: 1}}", ["training.loss=hinge"], {"kind": "hinge"}),
        ("training: {loss: {kind: focal, gamma: 1}}", ["training.loss.kind=hinge"], {"kind": "hinge"}),
        ("training: {loss: {kind: focal}}", ["training.loss.gamma=0.5"], {"kind": "focal", "gamma": 0.5}),
        ("training: {loss: hinge}", ["training.loss={kind: focal, gamma: 3}"], {"kind": "focal", "gamma": 3.0}),
        ("", ["training.loss.kind=focal", "training.loss.gamma=3"], {"kind": "focal", "gamma": 3.0}),
    ]:
        (folder / "recipe.yaml").write_text(f"{MINIMAL}{written}\n")
        assert load_recipe(str(folder), overrides).recipe.training.loss.model_dump() == wanted


def test_an_override_can_delete_a_field(folder: Path) -> None:
    (folder / "recipe.yaml").write_text(MINIMAL + "training: {epochs: 5}\n")
    assert load_recipe(str(folder), ["~training.epochs"]).recipe.training.epochs == 30


def test_the_hash_names_the_resolved_recipe_and_not_its_spelling(folder: Path) -> None:
    plain = load_recipe(str(folder)).hash
    (folder / "recipe.yaml").write_text(MINIMAL + "training: {epochs: 30}  # the default\n")
    assert load_recipe(str(folder)).hash == plain
    assert load_recipe(str(folder), ["training.epochs=31"]).hash != plain


@pytest.mark.parametrize(
    ("override", "same"),
    [
        ("training.epochs=30", True),
        ("training.optimizer.kind=adamw", True),
        ("schedule.retrain='0 3 * * 1'", True),
        ("retraining.cooldown_days=3", True),
        ("training.epochs=31", False),
        ("training.loss=focal", False),
        ("training.loss=hinge", False),
        ("training.optimizer.kind=sgd", False),
        ("retraining.start_from=champion", False),
        ("gates.thresholds.accuracy=0.5", False),
    ],
)
def test_what_is_as_it_would_be_by_itself_is_nobodys_choice(folder: Path, override: str, same: bool) -> None:
    assert (load_recipe(str(folder), [override]).chosen == load_recipe(str(folder)).chosen) is same


def test_no_two_kinds_are_one_choice(folder: Path) -> None:
    losses = ("auto", "cross_entropy", "binary_cross_entropy", "focal", "hinge")
    assert len({load_recipe(str(folder), [f"training.loss={loss}"]).chosen for loss in losses}) == len(losses)


def test_a_field_that_a_later_version_adds_is_no_choice_but_changes_the_hash(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load_recipe(str(folder))

    class Later(Recipe):
        surprise: int = 3

    monkeypatch.setattr("tasks.core.load.Recipe", Later)
    later = load_recipe(str(folder))
    assert later.hash != before.hash and later.chosen == before.chosen


def test_the_hash_covers_the_code_behind_a_ref(folder: Path) -> None:
    (folder / "recipe.yaml").write_text(MINIMAL + "model: {kind: custom, ref: 'recipe.py:Net'}\n")
    (folder / "recipe.py").write_text("class Net: ...\n")
    before = load_recipe(str(folder)).hash
    (folder / "recipe.py").write_text("class Net:\n    width = 3\n")
    assert load_recipe(str(folder)).hash != before


def test_an_environment_variable_can_stand_in_the_yaml(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAIMS", "elsewhere.csv")
    (folder / "recipe.yaml").write_text(MINIMAL.replace("claims.csv", '"${oc.env:CLAIMS}"'))
    assert load_recipe(str(folder)).recipe.data.reader.path == "elsewhere.csv"


def test_the_nearest_data_folder_is_searched_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data" / "claims").mkdir(parents=True)
    (tmp_path / "data" / "claims" / "recipe.yaml").write_text(MINIMAL)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "er")
    assert find_recipe("claims") == tmp_path / "data" / "claims" / "recipe.yaml"


def test_two_folders_cannot_claim_one_model_name(folder: Path, tmp_path: Path) -> None:
    home = open_home(str(tmp_path / "home"))
    other = tmp_path / "copy"
    other.mkdir()
    (other / "recipe.yaml").write_text(MINIMAL)
    claim(home, load_recipe(str(folder)))
    claim(home, load_recipe(str(folder)))
    with pytest.raises(RequestError, match="both claim the model name 'claims'"):
        claim(home, load_recipe(str(other)))
    (folder / "recipe.yaml").unlink()
    claim(home, load_recipe(str(other)))


REFUSED = [
    ([], "name: Claims\n", "'name': string should match pattern"),
    ([], "name: [a\n", "line 2"),
    ([], "- a\n", "is not a recipe"),
    ([], "name: a\nproblem: regression\n", "'data' is missing"),
    ([], MINIMAL + "trainig: {}\n", "unknown key 'trainig'"),
    ([], MINIMAL + "training: {optimizer: {kind: adam, lrr: 1}}\n", "Did you mean 'lr'?"),
    ([], MINIMAL + "training: {epochs: many}\n", "'training.epochs': input should be a valid integer"),
    ([], MINIMAL + "training: {epochs: .nan}\n", "a number is .nan or .inf"),
    ([], MINIMAL + "gates: {thresholds: {rmse: 1}}\n", "'rmse' is not a metric of classification"),
    ([], MINIMAL + "data: {}\n", "found duplicate key data"),
    (["training.epochs"], MINIMAL, "cannot be read"),
    (["training.epochs=1,2"], MINIMAL, "lists several values"),
    (["name.first=a"], MINIMAL, "goes through 'name'"),
    (["training.epochs=0"], MINIMAL, "'training.epochs': input should be greater than 0"),
    (["data.split.kind=time"], MINIMAL, "data.time must name the column"),
    (["data.split.kind=blocks"], MINIMAL, "'data.split.kind': 'blocks' is not one of 'random', 'time'."),
    (["model.kind=rnn"], MINIMAL, "'model.kind': 'rnn' is not one of 'mlp', 'cnn', 'perceptron', "),
    (["gates.promotion.metric=brier"], MINIMAL, "no test tells two models apart by brier, which may stand in"),
    (["gates.promotion.metric=rmse"], MINIMAL, "'rmse' is not a metric of classification; choose one of accuracy, "),
    (["problem=regression", "gates.promotion.metric=mape"], MINIMAL, "no test tells two models apart by mape"),
    (["training.loss=focus"], MINIMAL, "'training.loss.kind': 'focus' is not one of 'auto', 'cross_entropy'"),
    (["training.loss={kind: focal, gama: 1}"], MINIMAL, "Did you mean 'gamma'?"),
    (["training.loss={kind: focal, gamma: -1}"], MINIMAL, "'training.loss.gamma': input should be greater than or"),
    (["training.loss=quantile"], MINIMAL, "quantile needs problem: regression"),
    (["training.loss=hinge", "training.label_smoothing=0.1"], MINIMAL, "label_smoothing changes a cross-entropy"),
    (["problem=regression", "training.loss=focal"], MINIMAL, "focal needs problem: classification"),
    (["problem=regression", "training.class_weights=balanced"], MINIMAL, "class_weights needs classes"),
    (["problem=regression", "training.label_smoothing=0.1"], MINIMAL, "label_smoothing needs classes"),
    (["training.schedule={kind: plateau, patience: 10}"], MINIMAL, "ends the training before the learning rate falls"),
    (["data.split=time"], MINIMAL, "'data.split' must be a section"),
    (["data.reader={path: rows.csv}"], MINIMAL, "'data.reader.kind' is missing"),
]


@pytest.mark.parametrize(("overrides", "text", "says"), REFUSED, ids=[says[:30] for _, _, says in REFUSED])
def test_a_wrong_recipe_is_refused_in_one_sentence_with_a_remedy(
    folder: Path, overrides: list[str], text: str, says: str
) -> None:
    (folder / "recipe.yaml").write_text(text)
    with pytest.raises(RequestError) as caught:
        load_recipe(str(folder), overrides)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy
