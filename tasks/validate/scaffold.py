"""The files `init` writes: recipe.yaml, expectations.json and DATA_CARD.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.core.errors import RequestError
from tasks.core.home import write_atomically
from tasks.core.recipe import Recipe
from tasks.validate.card import data_card
from tasks.validate.infer import candidate, recipe_of
from tasks.validate.inference import Inference
from tasks.validate.suite import first_suite

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:[ .-][A-Za-z0-9_]+)*\Z")
NOT_TEXT = frozenset({"true", "false", "yes", "no", "on", "off", "null", "none", "y", "n", "nan", "inf"})


@dataclass(frozen=True)
class Written:
    """The files of a new recipe."""

    recipe: Path
    expectations: Path
    card: Path


def write_recipe(
    out: Path, found: Inference, frame: pd.DataFrame, name: str, reader: dict[str, Any], source: str
) -> Written:
    """Write a recipe that runs as it is, its first expectation suite and a data card.

    Args:
        out: Folder for the files; made where it is not there.
        found: What `infer` concluded.
        frame: The table it looked at [N].
        name: The model's name (see `name_of`).
        reader: `data.reader`, its path relative to `out` or absolute.
        source: What the card calls the data: the file's name.

    Raises:
        RequestError: the folder holds one of the files already, or cannot be written to.
    """
    files = Written(out / "recipe.yaml", out / "expectations.json", out / "DATA_CARD.md")
    for path in (files.recipe, files.expectations, files.card):
        if path.exists():
            raise RequestError(
                f"{path} is there already and is not overwritten.",
                remedy="Name another folder with --out, or move the file away.",
                code="exists",
            )
    values = recipe_of(found, name, reader)
    values["data"]["expectations"] = files.expectations.name
    recipe = Recipe.model_validate_json(json.dumps(values))
    looked = candidate(found, frame.rename(columns=str).reset_index(drop=True))
    suite = first_suite(looked.frame, looked.features, recipe.data, found.problem, found.classes or None)
    try:
        write_atomically(files.card, data_card(found, name, source))
        write_atomically(files.expectations, json.dumps(suite, indent=2, ensure_ascii=False) + "\n")
        # Last, so that a folder with a recipe has all that the recipe names.
        write_atomically(files.recipe, recipe_text(values, found))
    except OSError as error:
        raise RequestError(
            f"The folder {out} cannot be written to: {error.strerror}.",
            remedy="Name another folder with --out.",
            code="out",
        ) from error
    return files


def recipe_text(values: dict[str, Any], found: Inference) -> str:
    """The recipe as YAML, with a comment wherever a choice was made."""
    data, gates = values["data"], values["gates"]
    why = {column.name: column.why for column in found.columns}
    lines = [
        f"# How '{_one_line(found.target)}' is learned.",
        "# What is not said here has a default; `evergreen check --resolved` prints them all.",
        f"name: {values['name']}",
        f"problem: {values['problem']}",
        "",
        "data:",
        f"  reader: {_flow(data['reader'])}",
        *(f"  {role}: {_scalar(data[role])}" for role in ("target", "id", "time") if role in data),
        *_features(data.get("features", {}), why),
    ]
    if "split" in data:
        lines.append("  split: {kind: time}  # the newest rows are held out")
    lines += [
        "  # Rules of validity; rows that break one are set aside with the reason.",
        f"  expectations: {_scalar(data['expectations'])}",
        "",
        f"model: {_flow(values['model'])}",
        "",
        "gates:",
        *_gates(gates, found),
    ]
    return "\n".join(lines) + "\n"


def _features(features: dict[str, Any], why: dict[str, str]) -> Iterator[str]:
    if not features:
        return
    yield "  features:  # the other columns are numbers or labels, as their type says"
    for name, feature in features.items():
        yield f"    {_scalar(name, key=True)}: {_flow(feature)}" + (f"  # {why[name]}" if why.get(name) else "")


def _gates(gates: dict[str, Any], found: Inference) -> Iterator[str]:
    if "max_quarantined" in gates:
        yield f"  max_quarantined: {gates['max_quarantined']}  # {found.set_aside:.1%} of the rows are set aside now"
    metric = "accuracy" if found.problem == "classification" else "rmse"
    yield f"  # thresholds: {{{metric}: ...}} would set a bound on the test rows."
    yield "  promotion:"
    yield "    # A model retrained on newer data replaces the champion if it is shown to be worse by less than this"
    unit = "as a share of its error" if metric == "rmse" else "in accuracy"
    yield f"    # ({unit}); about what the test rows can tell apart."
    yield f"    margin: {gates['promotion']['margin']}"


def _flow(values: dict[str, Any]) -> str:
    return "{" + ", ".join(f"{key}: {_listed(value)}" for key, value in values.items()) + "}"


def _listed(value: Any) -> str:
    return f"[{', '.join(_scalar(item) for item in value)}]" if isinstance(value, list) else _scalar(value)


def _scalar(value: Any, *, key: bool = False) -> str:
    """A YAML scalar that every YAML reader takes for the text it is, as a value or as a key."""
    text = str(value)
    if PLAIN.match(text) and text.lower() not in NOT_TEXT and not re.fullmatch(r"[0-9_.eE+-]+", text):
        return text
    # OmegaConf would read ${...} as a reference, but not in a key.
    text = text if key else text.replace("${", "\\${")
    return '"' + "".join(_escaped(sign) for sign in text) + '"'


def _escaped(sign: str) -> str:
    if sign in '"\\':
        return f"\\{sign}"
    return sign if sign.isprintable() else f"\\U{ord(sign):08x}"


def _one_line(text: str) -> str:
    """What may stand in a comment."""
    return "".join(sign for sign in " ".join(text.split()) if sign.isprintable())
