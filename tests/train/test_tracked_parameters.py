"""The run in the tracking store says everything a training declares that it depends on, and nothing else differs."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.training import LIFE_CYCLE
from tasks.core.load import LoadedRecipe, load_recipe
from tasks.core.plan import Facts, components_of
from tasks.stores import runs
from tasks.train.tracked import parameters

ROOT = Path(__file__).resolve().parents[2]


def declared(loaded: LoadedRecipe) -> dict[str, str]:
    """What `explain --verify` expects of the run: the declared fields, without the model's name."""
    found = components_of(LIFE_CYCLE["train"], loaded, Facts({}), {})["parameters"]
    return {name: text for name, text in runs.parameter_texts(found).items() if name != "name"}


def logged(loaded: LoadedRecipe) -> dict[str, str]:
    return runs.parameter_texts(parameters(loaded.recipe))


@pytest.mark.parametrize("overrides", [(), ("+data.split.group=patient", "+retraining.start_from=champion")])
@pytest.mark.parametrize("recipe", ["digits", "breast_cancer"])
def test_a_shipped_recipe_tells_the_run_all_that_its_training_declares(recipe: str, overrides: tuple[str, ...]):
    loaded = load_recipe(str(ROOT / "data" / recipe), overrides)
    assert {name: logged(loaded).get(name) for name in declared(loaded)} == declared(loaded)


def test_so_does_one_whose_images_are_varied():
    loaded = load_recipe(str(ROOT / "data" / "digits"), ["transforms.augment.shift=1"])
    assert declared(loaded)["transforms.augment.shift"] == "1"
    assert {name: logged(loaded).get(name) for name in declared(loaded)} == declared(loaded)


def test_so_does_one_with_a_network_of_its_own_and_arguments(tmp_path: Path):
    (tmp_path / "recipe.py").write_text("from torch import nn\n\n\nclass Own(nn.Module):\n    pass\n")
    (tmp_path / "recipe.yaml").write_text(
        "name: own\nproblem: regression\ndata: {reader: {kind: csv, path: rows.csv}, target: y}\n"
        "model: {kind: custom, ref: 'recipe.py:Own', args: {width: 3, inner: {deep: true}}}\n"
    )
    loaded = load_recipe(str(tmp_path))
    assert {name: logged(loaded).get(name) for name in declared(loaded)} == declared(loaded)
