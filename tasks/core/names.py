"""How a model is written on the command line: `name`, `name@alias` or `name/version`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tasks.core.errors import RequestError

DEFAULT_ALIAS = "champion"

_WRITTEN = re.compile(r"(?P<name>[a-z][a-z0-9_-]{0,62})(?:@(?P<alias>[A-Za-z][\w-]*)|/(?P<version>[1-9]\d*))?")


@dataclass(frozen=True)
class ModelName:
    """A registered model, and which of its versions is meant."""

    name: str
    alias: str = DEFAULT_ALIAS
    """Counts only where no version is given."""
    version: str | None = None


def parse_model(text: str) -> ModelName:
    """What `name`, `name@alias` or `name/version` says.

    Raises:
        RequestError: it is written differently.
    """
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise RequestError(f"'{text}' is not a model.", remedy="Write name, name@alias or name/version.", code="model")
    return ModelName(found["name"], found["alias"] or DEFAULT_ALIAS, found["version"])


def parse_version(text: str) -> tuple[str, str]:
    """Name and version of `name/version`, where nothing less will do.

    Raises:
        RequestError: it is written differently.
    """
    model = parse_model(text)
    if model.version is None:
        raise RequestError(
            f"'{text}' does not name a version.",
            remedy=f"Write {model.name}/VERSION; `evergreen history {model.name}` lists them.",
            code="model",
        )
    return model.name, model.version
