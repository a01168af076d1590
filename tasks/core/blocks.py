"""What every section of a recipe is made of."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Block(BaseModel):
    """A frozen, strict section of a recipe: unknown keys and wrong types are errors."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)


class Custom(Block):
    """A part of your own: an ordinary function or class, named by file or module."""

    kind: Literal["custom"]
    ref: str = Field(pattern=r"^[^:]+:[A-Za-z_][A-Za-z0-9_]*$")
    """`file.py:Name` (relative to the recipe's folder) or `package.module:Name`."""
    args: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments it is called with."""
