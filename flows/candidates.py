"""Recipes with some fields changed: what a search may try, seen before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.core.errors import RequestError
from tasks.core.load import LoadedRecipe, load_recipe
from tasks.tune.space import Space, fields_of, single_changes


def candidate(loaded: LoadedRecipe, parameters: Mapping[str, Any]) -> LoadedRecipe:
    """The recipe with these parameters, dotted field → value, validated like any other.

    Raises:
        RequestError: they do not make a recipe.
    """
    return load_recipe(str(loaded.file), loaded.overrides, fields_of(loaded.recipe, parameters))


def check_space(loaded: LoadedRecipe, space: Space) -> None:
    """Try each end of each range, and each choice, on the recipe as it stands.

    Raises:
        RequestError: one of them makes no recipe.
    """
    for name, value in single_changes(space):
        try:
            candidate(loaded, {name: value})
        except RequestError as error:
            raise RequestError(
                f"tuning.space.{name}: with {value!r} the recipe is none: {error.message.rstrip('.')}.",
                remedy="Change tuning.space.",
                code="recipe",
            ) from None
