"""Changes to a recipe's values before they are validated: as typed on the command line, or by dotted name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.core.errors import RequestError
from tasks.core.secrets import shown


def apply_overrides(values: dict[str, Any], overrides: Sequence[str]) -> None:
    """Change a recipe's values, as its YAML has them, by overrides as they are typed.

    Raises:
        RequestError: an override cannot be read, or goes through a single value.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    for text in overrides:
        try:
            override = OverridesParser.create().parse_override(text)
        except HydraException:
            raise RequestError(
                f"The override '{shown(text)}' cannot be read.",
                remedy="Write key=value, for example training.epochs=5; quote a value that holds =, comma or brackets.",
                code="override",
            ) from None
        if override.is_sweep_override():
            raise RequestError(
                f"The override '{shown(text)}' lists several values.", remedy="Give one value.", code="override"
            )
        _set(values, override.key_or_group.split("."), override.value(), text, delete=override.is_delete())


def set_fields(values: dict[str, Any], fields: Mapping[str, Any]) -> None:
    """Set dotted fields to plain values: sections before what is in them, and a kind before its fields.

    Raises:
        RequestError: a name goes through a single value.
    """
    for name in sorted(fields, key=lambda name: (name.count("."), not name.endswith(".kind"), name)):
        _set(values, name.split("."), fields[name], f"{name}=…", delete=False)


def _set(values: dict[str, Any], keys: list[str], value: Any, text: str, *, delete: bool) -> None:
    place: Any = values
    for key in keys[:-1]:
        place = place.setdefault(key, {})
        if not isinstance(place, dict):
            raise RequestError(
                f"The override '{shown(text)}' goes through '{key}', which is a value and not a section.",
                remedy="Name a field that exists; `evergreen check RECIPE --resolved` prints them all.",
                code="override",
            )
    if delete:
        place.pop(keys[-1], None)
    elif keys[-1] == "kind" and place.get("kind") not in (None, value):
        # Another kind has other fields: what was said for the old one does not carry over.
        place.clear()
        place["kind"] = value
    else:
        place[keys[-1]] = value
