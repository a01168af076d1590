"""Callbacks of a recipe's own: made from `training.callbacks`, told what the built-in ones are told."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from tasks.core import refs
from tasks.core.errors import RequestError
from tasks.train.callbacks import OnEnd, OnEpoch
from tasks.train.checkpoints import Progress

if TYPE_CHECKING:
    from tasks.core.blocks import Custom

ASKED = "Give it on_epoch(progress, network), on_end(progress, network), or both; see tasks/train/callbacks.py."


class Own:
    """A callback of the recipe's own; what it raises is told as the recipe's mistake.

    It gets a copy of the progress, so that it cannot change the training's own by accident.
    """

    def __init__(self, ref: str, target: Any) -> None:
        self._ref, self._target = ref, target

    def on_epoch(self, progress: Progress, network: nn.Module) -> bool:
        """True where it wants the training to end."""
        return isinstance(self._target, OnEpoch) and self._call(self._target.on_epoch, progress, network) is True

    def on_end(self, progress: Progress, network: nn.Module) -> None:
        """That the training has ended."""
        if isinstance(self._target, OnEnd):
            self._call(self._target.on_end, progress, network)

    def _call(self, function: Callable[..., Any], progress: Progress, network: nn.Module) -> Any:
        try:
            return function(copy.deepcopy(progress), network)
        except Exception as error:  # a callback of one's own may raise anything
            raise RequestError(
                f"The callback {self._ref} fails after epoch {progress.epoch}: {type(error).__name__}: {error}.",
                remedy="Mend it, or take it out of training.callbacks; the training goes on where it stopped.",
                code="ref",
            ) from error


def own(callbacks: Sequence[Custom], folder: Path) -> list[Own]:
    """Those that a recipe names, made anew.

    Args:
        callbacks: The recipe's `training.callbacks`.
        folder: Where references are looked up.

    Raises:
        RequestError: one cannot be made, or has neither method.
    """
    return [Own(callback.ref, _made(callback, folder)) for callback in callbacks]


def _made(callback: Custom, folder: Path) -> Any:
    make = refs.load(callback.ref, folder)
    try:
        target = make(**callback.args)
    except Exception as error:  # a class of one's own may raise anything
        raise RequestError(
            f"training.callbacks: {callback.ref} cannot be made: {type(error).__name__}: {error}.",
            remedy="It is called with its args: mend it, or them.",
            code="ref",
        ) from error
    if not isinstance(target, OnEpoch | OnEnd):
        raise RequestError(
            f"training.callbacks: {callback.ref} has neither on_epoch nor on_end.", remedy=ASKED, code="ref"
        )
    return target
