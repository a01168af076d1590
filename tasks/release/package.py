"""The model consumers load: weights, transform, golden predictions and their own code, registered as a version.

    package/weights.safetensors   the best epoch's weights
    package/transform.json        what the transform learned, and how outputs become predictions
    package/model.json            architecture, shapes, name of the runtime package, SHA-256 of the two files above
    package/golden.json           made-up inputs and the outputs every copy of the model must give
    package/recipe.json           the sections of the recipe the model depends on, dataset version, cut-off
    evergreen_rt_<hash>/          the code behind it (tasks/release/runtime.py)
    scorer.py                     what MLflow runs (tasks/release/scorer.py)

No file is a pickle. `evergreen.content`, a tag of the version, is the hash over all of them as they lie
in the store (`content_hash` in tasks/stores/registry.py).
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import safetensors.torch

from tasks import models
from tasks.core.context import Context
from tasks.core.contracts import Evaluated, Packaged, Prepared, Trained, Versioned
from tasks.core.hashing import canonical_json, file_sha256
from tasks.core.home import write_atomically
from tasks.release.card import write_card
from tasks.release.environment import pinned_requirements
from tasks.release.golden import golden
from tasks.release.runtime import runtime_files, runtime_name, write_runtime
from tasks.stores import registry, runs

if TYPE_CHECKING:
    from tasks.release import scorer  # noqa: F401  # never imported here, but shipped: it belongs to this stage's code

SCORER = Path(__file__).with_name("scorer.py")
WEIGHTS = "weights.safetensors"
HASHED = (WEIGHTS, "transform.json")
"""Files whose SHA-256 the scorer verifies whenever the model is loaded."""
EXAMPLE_ROWS = 3
DIALECT = ("kind", "separator", "decimal", "encoding")
"""What a package says of the reader: how the text of a new file of the same kind is to be read."""


@dataclass(frozen=True)
class Staged:
    """The files of one model, written but not yet stored."""

    files: Path
    """Folder `package`."""
    runtime: Path
    """Folder `evergreen_rt_<hash>`."""
    golden: dict[str, Any]
    spec: dict[str, Any]
    """Content of transform.json."""


def make_package(
    context: Context, versioned: Versioned, prepared: Prepared, trained: Trained, evaluated: Evaluated
) -> Packaged:
    """Write the package, log it into the training's run and register it once as a version without an alias.

    Raises:
        RequestError: a custom architecture's file imports what a packaged model cannot have.
        ServiceError: the registry does not answer.
    """
    staged = stage_files(context, versioned, prepared, trained)
    requirements = pinned_requirements()
    uri = runs.log_model(
        context.home,
        trained.run_id,
        name=context.recipe.name,
        scorer=SCORER,
        artifacts={"package": str(staged.files)},
        code_paths=[str(staged.runtime)],
        signature=signature(staged.spec),
        input_example=pd.DataFrame(staged.golden["inputs"][:EXAMPLE_ROWS], columns=staged.spec["state"]["columns"]),
        requirements=requirements,
        key=context.key,
    )
    tags = {
        registry.DATASET: versioned.version,
        registry.RECIPE: context.recipe_hash,
        registry.CHOSEN: context.chosen_hash,
        registry.WEIGHTS: trained.weights_sha256,
    }
    commit = git_commit(context.recipe_folder)
    if commit:
        tags[registry.COMMIT] = commit
    version = runs.register(context.home, context.recipe.name, uri, trained.run_id, tags, context.key)
    card = context.folder / "card.md"
    write_card(card, context, version, versioned, prepared, trained, evaluated, requirements)
    return Packaged(
        name=context.recipe.name,
        version=version,
        run_id=trained.run_id,
        model_uri=uri,
        content=runs.content_hash(runs.local_files(context.home, uri)),
        golden=context.relative(staged.files / "golden.json"),
        card=context.relative(card),
    )


def stage_files(context: Context, versioned: Versioned, prepared: Prepared, trained: Trained) -> Staged:
    """Write the package's files and its code below the stage's folder; what an earlier attempt left is replaced.

    Raises:
        RequestError: a custom architecture's file imports what a packaged model cannot have.
    """
    for name in ("package", "code"):
        shutil.rmtree(context.folder / name, ignore_errors=True)
    files = context.folder / "package"
    files.mkdir(parents=True)
    section = context.recipe.model.model_dump(mode="json")
    runtime = runtime_files(section, context.recipe_folder)
    transform = context.home.path(prepared.folder) / "transform.json"
    shutil.copyfile(transform, files / "transform.json")
    shutil.copyfile(context.home.path(trained.weights), files / WEIGHTS)
    spec = json.loads(transform.read_text(encoding="utf-8"))
    shapes = (prepared.input_shape, prepared.output_size)
    network = models.build(section, *shapes, context.recipe_folder, prepared.vocabulary, prepared.sequence)
    network.load_state_dict(safetensors.torch.load_file(files / WEIGHTS))
    expected = golden(network, spec)
    _write(files / "golden.json", expected)
    _write(files / "recipe.json", _recipe_json(context, versioned, prepared))
    _write(
        files / "model.json",
        {
            "name": context.recipe.name,
            "problem": context.recipe.problem,
            "architecture": _architecture(section),
            "input_shape": list(prepared.input_shape),
            "output_size": prepared.output_size,
            "vocabulary": prepared.vocabulary,
            "sequence": list(prepared.sequence),
            "runtime": runtime_name(runtime),
            "files": {name: file_sha256(files / name) for name in HASHED},
        },
    )
    return Staged(files, write_runtime(runtime, context.folder / "code"), expected, spec)


def signature(spec: dict[str, Any]) -> dict[str, Any]:
    """MLflow's signature as plain values.

    Columns are of type `any`, because `double` refuses ints, nullable ints and bools, and optional, so
    that the scorer itself, in one sentence, names the column that is missing.
    """
    inputs = [{"name": column, "type": "any", "required": False} for column in spec["state"]["columns"]]
    outputs = [{"name": "prediction", "type": _output_type(spec), "required": True}]
    outputs += [{"name": f"probability_{label}", "type": "double", "required": True} for label in spec["classes"] or ()]
    found = {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs)}
    if spec["problem"] == "reconstruction":
        found["params"] = json.dumps([{"name": "latent", "type": "boolean", "default": False, "shape": None}])
    return found


def git_commit(folder: Path) -> str:
    """The commit that the folder's repository is at, `+changes` where files in it differ; empty without one."""
    try:
        head = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--", ".")
    except (OSError, subprocess.SubprocessError):
        return ""
    return head + ("+changes" if changed else "")


def _git(folder: Path, *arguments: str) -> str:
    answer = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=10
    )
    return answer.stdout.strip()


def _recipe_json(context: Context, versioned: Versioned, prepared: Prepared) -> dict[str, Any]:
    """What a later decision needs to know which rows this model has seen."""
    recipe = context.recipe
    data = recipe.data.model_dump(mode="json")
    # Every consumer can read this file, and a reader's address or arguments may hold a password.
    data["reader"] = {name: data["reader"][name] for name in DIALECT if name in data["reader"]}
    named = {"name": recipe.name, "problem": recipe.problem}
    sections = {"data": data, "transforms": recipe.transforms.model_dump(mode="json")}
    return {**named, **sections, "dataset": versioned.version, "cutoff": prepared.cutoff}


def _architecture(section: dict[str, Any]) -> dict[str, Any]:
    if section["kind"] == "custom":
        name = section["ref"].partition(":")[2]
        return {"kind": "custom", "name": name, "arguments": section["args"]}
    return {"kind": section["kind"], "arguments": {name: value for name, value in section.items() if name != "kind"}}


def _output_type(spec: dict[str, Any]) -> str:
    if not spec["classes"]:
        return "double"
    first = spec["classes"][0]
    return {bool: "boolean", int: "long", float: "double"}.get(type(first), "string")


def _write(path: Path, value: Any) -> None:
    write_atomically(path, canonical_json(value) + "\n")
