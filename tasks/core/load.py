"""From what a person typed to a validated recipe: where it lies, its YAML, its overrides."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from tasks.core import identity
from tasks.core.errors import RequestError
from tasks.core.hashing import PROJECT
from tasks.core.home import Home, write_atomically
from tasks.core.overrides import apply_overrides, set_fields
from tasks.core.recipe import Recipe

SHIPPED = (PROJECT / "tasks" / "shipped", PROJECT / "data")
"""Where the recipes of a wheel, and of a checkout, lie."""


@dataclass(frozen=True)
class LoadedRecipe:
    """A validated recipe, the folder its paths resolve against, and the hash that names it."""

    recipe: Recipe
    folder: Path
    file: Path
    hash: str
    chosen: str
    """SHA-256 of what people chose: of the resolved recipe without the fields that are as Evergreen has them."""
    """SHA-256 of the resolved recipe and of the code its refs name."""
    overrides: tuple[str, ...] = ()


def find_recipe(text: str) -> Path:
    """The YAML file behind RECIPE: a path, a name under the nearest `data/`, or a shipped recipe.

    Raises:
        RequestError: there is none; the nearest names are offered.
    """
    path = Path(text).expanduser()
    if path.is_dir():
        if (path / "recipe.yaml").is_file():
            return (path / "recipe.yaml").absolute()
        if len(path.parts) > 1 or text.startswith("."):
            raise RequestError(
                f"The folder {text} holds no recipe.yaml.", remedy="Write one with `evergreen init`.", code="recipe"
            )
    elif path.is_file():
        if path.suffix not in (".yaml", ".yml"):
            raise RequestError(
                f"{text} is not a YAML file.",
                remedy="Name a recipe.yaml, or make one from data with `evergreen init`.",
                code="recipe",
            )
        return path.absolute()
    here = Path.cwd()
    nearest = next((folder / "data" for folder in (here, *here.parents) if (folder / "data").is_dir()), None)
    roots = [root for root in (nearest, *SHIPPED) if root is not None]
    for root in roots:
        if (root / text / "recipe.yaml").is_file():
            return root / text / "recipe.yaml"
    known = sorted({found.parent.name for root in roots for found in root.glob("*/recipe.yaml")})
    close = difflib.get_close_matches(text, known, n=1)
    offer = f"Did you mean '{close[0]}'?" if close else f"Known recipes: {', '.join(known)}; or give a path."
    raise RequestError(f"There is no recipe '{text}'.", remedy=offer, code="recipe")


def load_recipe(text: str, overrides: Sequence[str] = (), fields: Mapping[str, Any] | None = None) -> LoadedRecipe:
    """Find, read, override and validate a recipe; `fields`, dotted name → plain value, are set after the overrides.

    Raises:
        RequestError: no such recipe, broken YAML, a key or value the schema refuses, a bad override.
    """
    file = find_recipe(text)
    values = _read_yaml(file)
    if overrides:
        apply_overrides(values, overrides)
    set_fields(values, fields or {})
    overrides = (*overrides, *(f"{name}={json.dumps(value)}" for name, value in (fields or {}).items()))
    try:
        recipe = Recipe.model_validate_json(json.dumps(values, allow_nan=False, default=str))
    except ValidationError as error:
        raise _refusal(file, values, error, overrides) from None
    except ValueError:
        raise RequestError(
            f"{file}: a number is .nan or .inf.", remedy="Give it a finite value.", code="recipe"
        ) from None
    folder = file.parent
    whole, chosen = identity.resolved(recipe, folder), identity.chosen(recipe, folder)
    return LoadedRecipe(recipe, folder, file, whole, chosen, tuple(overrides))


def claim(home: Home, loaded: LoadedRecipe, *, write: bool = True) -> None:
    """Note in the home which folder owns the model's name; without `write` only look.

    Raises:
        RequestError: another folder, which still has a recipe of that name, owns it.
    """
    marker = home.results(loaded.recipe.name) / "folder.json"
    mine = str(loaded.file.resolve())
    if marker.is_file():
        other = Path(json.loads(marker.read_text())["recipe"])
        if str(other) == mine:
            return
        if other.is_file() and _read_yaml(other).get("name") == loaded.recipe.name:
            raise RequestError(
                f"{loaded.file} and {other} both claim the model name '{loaded.recipe.name}'.",
                remedy="Change `name` in one of them, or use another --home.",
                code="recipe",
            )
    if write:
        write_atomically(marker, json.dumps({"recipe": mine}))


def _read_yaml(file: Path) -> dict[str, Any]:
    import yaml
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        values = as_written(file.read_text(encoding="utf-8"))
        values = OmegaConf.to_container(OmegaConf.create(values), resolve=True) if isinstance(values, dict) else values
    except (yaml.YAMLError, UnicodeDecodeError, OSError, OmegaConfBaseException) as error:
        unset = re.search(r"Environment variable '(\w+)' not found", str(error))
        if unset:
            raise RequestError(
                f"{file} reads the environment variable {unset[1]}, which is not set.",
                remedy="Set it, or give a default: ${oc.env:NAME,default}.",
                code="recipe",
            ) from None
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = f" line {line + 1}" if line is not None else ""
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise RequestError(f"{file}{where}: {what}.", remedy="Mend the YAML.", code="recipe") from None
    if not isinstance(values, dict):
        raise RequestError(
            f"{file} is not a recipe: it must be a mapping with name, problem and data.",
            remedy="See `evergreen schema`, or write one with `evergreen init`.",
            code="recipe",
        )
    return {str(key): value for key, value in values.items()}


def as_written(text: str) -> Any:
    """YAML as OmegaConf reads it, nothing interpolated, but for keys: `on:` is the field of that name, and not true."""
    import yaml
    from omegaconf._utils import get_yaml_loader

    loader = get_yaml_loader()

    class Loader(loader):  # type: ignore[misc, valid-type]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            for key, _ in node.value:
                if key.tag == "tag:yaml.org,2002:bool":
                    key.tag = "tag:yaml.org,2002:str"
            return super().construct_mapping(node, deep)

    return yaml.load(text, Loader)  # noqa: S506 - a subclass of the safe loader


def _refusal(file: Path, values: dict[str, Any], error: ValidationError, overrides: Sequence[str]) -> RequestError:
    """One sentence for the first thing that is wrong, in the file or in an override; how many more there are."""
    problems = error.errors(include_url=False, include_context=True)
    first = problems[0]
    field = ".".join(_path(values, first["loc"]))
    where = next((f"{file} with the override of {key}" for key in _keys(overrides) if _touch(key, field)), str(file))
    rest = f" ({len(problems) - 1} more after it)" if len(problems) > 1 else ""
    if first["type"] == "extra_forbidden":
        known = _fields_beside(first["loc"])
        close = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        remedy = f"Did you mean '{close[0]}'?" if close else f"Known here: {', '.join(sorted(known))}."
        return RequestError(f"{where}: unknown key '{field}'{rest}.", remedy=remedy, code="recipe")
    if first["type"] == "missing":
        return RequestError(f"{where}: '{field}' is missing{rest}.", remedy=f"Add {field}.", code="recipe")
    return RequestError(
        f"{where}: {_in_words(first, field)}{rest}.",
        remedy="`evergreen schema` lists every field with its type and range.",
        code="recipe",
    )


def _keys(overrides: Sequence[str]) -> list[str]:
    return [text.partition("=")[0].lstrip("+~") for text in overrides]


def _touch(key: str, field: str) -> bool:
    """Whether an override can be behind what is wrong with a field: one of them holds the other."""
    return f"{field}.".startswith(f"{key}.") or f"{key}.".startswith(f"{field}.")


def _in_words(problem: Any, field: str) -> str:
    """What pydantic found, without the words it uses for its own parts."""
    if problem["type"] == "union_tag_invalid":
        return f"'{field}.kind': '{problem['ctx']['tag']}' is not one of {problem['ctx']['expected_tags']}"
    if problem["type"] == "union_tag_not_found":
        return f"'{field}.kind' is missing"
    if problem["type"] in ("model_type", "model_attributes_type", "dict_type"):
        return f"'{field}' must be a section with fields of its own, and a single value stands there"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return (f"'{field}': " if field else "") + message[:1].lower() + message[1:]


def _path(values: Any, location: Iterable[int | str]) -> Iterator[str]:
    """The keys of a pydantic location that stand in the YAML: union tags are left out."""
    parts = list(location)
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if isinstance(values, dict) and (part in values or last):
            values = values.get(part)
            yield str(part)
        elif isinstance(values, list) and isinstance(part, int):
            values = values[part] if part < len(values) else None
            yield str(part)


def _fields_beside(location: tuple[int | str, ...]) -> list[str]:
    """Names of the fields of the section that holds the last element of `location`."""
    options: list[Any] = [Recipe]
    for part in location[:-1]:
        found: list[Any] = []
        for option in options:
            fields = option.model_fields
            if part in fields:
                found += list(_models(fields[part].annotation))
            elif any(getattr(field, "default", None) == part for field in fields.values()) or _has_tag(option, part):
                found.append(option)
        options = found or options
    return sorted({name for option in options for name in option.model_fields})


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models(inner)


def _has_tag(model: type[BaseModel], part: int | str) -> bool:
    kind = model.model_fields.get("kind")
    return kind is not None and part in getattr(kind.annotation, "__args__", ())
