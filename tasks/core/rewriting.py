"""A recipe's YAML with some fields changed: what a person may put in the place of the old file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.core.load import as_written
from tasks.core.overrides import apply_overrides, set_fields


def rewritten(file: Path, overrides: Sequence[str], fields: Mapping[str, Any], head: Sequence[str]) -> str:
    """The YAML of `file` with overrides and fields applied; its comments are lost, its interpolations stay.

    Args:
        file: a recipe that can be read.
        overrides: as they were typed.
        fields: dotted name → plain value, set after the overrides.
        head: lines of a comment before everything else.

    Raises:
        RequestError: an override or a field goes through a single value.
    """
    import yaml

    values = {str(key): value for key, value in as_written(file.read_text(encoding="utf-8")).items()}
    if overrides:
        apply_overrides(values, overrides)
    set_fields(values, fields)
    comment = "".join(f"# {line}\n" for line in head)
    return comment + yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120)
