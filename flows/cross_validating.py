"""`evergreen cross-validate`: bring the data in, choose the rows, and train on each fold where it is not known yet."""

from __future__ import annotations

from flows.cross_validation import Fold, Tell, cross_validate
from flows.dataset import dataset_version
from flows.outcome import Outcome
from flows.trial import without_test_rows
from tasks.core.hashing import json_sha256
from tasks.core.home import Home
from tasks.core.load import LoadedRecipe
from tasks.core.plan import Facts, components_of
from tasks.evaluate.stage import evaluate
from tasks.prepare.stage import prepare
from tasks.stores.datasets import load_rows
from tasks.stores.lease import hold
from tasks.train.stage import train


def carry_out(
    loaded: LoadedRecipe, home: Home, begun: Outcome, folds: int, *, all_rows: bool, tell: Tell
) -> list[Fold]:
    """Train and judge every fold that the home does not know yet.

    Args:
        loaded: the recipe.
        home: keeps what each fold gave, under a key made of recipe, rows, code and libraries.
        begun: what `bring_in` gave (`flows/dataset.py`).
        folds: how many.
        all_rows: whether test rows take part.
        tell: is told of every fold.

    Raises:
        RequestError: a fold is empty, or the recipe cannot be trained.
    """
    name = loaded.recipe.name
    versioned = dataset_version(home, name, begun)
    made_of = {
        "data": versioned.version,
        "stages": [components_of(stage, loaded, Facts(), {}) for stage in (prepare, train, evaluate)],
        "folds": folds,
        "all_rows": all_rows,
    }
    work = home.work(name, "cross_validate", json_sha256(made_of))
    # Two that train the same folds at once would only be in each other's way.
    with hold(home, f"{name}.folds", "cross-validate", on_wait=lambda holder: tell(f"{name}: waiting for {holder}")):
        frame = load_rows(home.path(versioned.folder))
        if not all_rows:
            frame = without_test_rows(frame, loaded.recipe).frame
        return cross_validate(loaded.recipe, frame, folds, work, loaded.folder, tell)
