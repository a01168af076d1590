"""Whether training went too far, not far enough or well, read from its history: one sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

WIDE_GAP = 1.5
"""Validation loss over training loss from which a model is said to know its training rows by heart."""
RISE = 1.25
"""Usual validation loss after the best epoch, over the best, from which training is said to have gone too far."""
STILL_FALLING = 0.02
"""Share the validation loss fell by over the last tenth of the epochs from which more epochs may help."""
LITTLE = 0.9
"""Best over first training loss from which hardly anything was learned."""


def diagnose(history: Sequence[Mapping[str, Any]], best_epoch: int, stopped: str) -> str:
    """Say in one sentence whether the model over- or underfits, and what may help.

    The training loss may hold label smoothing, class weights and dropout that the validation loss does
    not: it is then too high, and overfitting is found later rather than earlier.

    Args:
        history: one mapping per epoch with `epoch`, `train_loss` and `validation_loss`.
        best_epoch: `epoch` of the weights that were kept.
        stopped: "epochs", "early_stopping" or "timeout".
    """
    known = [row for row in history if _finite(row.get("train_loss")) and _finite(row.get("validation_loss"))]
    best = next((row for row in known if row["epoch"] == best_epoch), None)
    if best is None or len(known) < 2:
        return "Too few epochs with finite losses to judge over- or underfitting."
    first = float(known[0]["validation_loss"])
    train, validation = float(best["train_loss"]), float(best["validation_loss"])
    gap = f"training loss {train:.3g}, validation loss {validation:.3g} at epoch {best_epoch}"
    if stopped == "timeout":
        return f"Training was cut short by training.timeout_minutes ({gap}): it may underfit."
    if _still_falling(known, best):
        return f"The validation loss was still falling when training ended ({gap}): more epochs may help."
    if train > LITTLE * float(known[0]["train_loss"]) and validation > LITTLE * first:
        return (
            f"Underfitting: the losses hardly fell ({gap}); try a larger model, a higher learning rate, other features."
        )
    if validation > WIDE_GAP * train:
        return (
            f"Overfitting: the validation loss is {validation / train:.1f} times the training loss ({gap}); more rows, "
            "dropout, weight decay or a smaller model may help."
        )
    later = [float(row["validation_loss"]) for row in known if row["epoch"] > best_epoch]
    if later and median(later) > RISE * validation and median(later) - validation > 0.05 * first:
        return (
            f"Past epoch {best_epoch} the model overfits: the validation loss was {validation:.3g} there and "
            f"{median(later):.3g} in the epochs after it; the weights of epoch {best_epoch} were kept."
        )
    return f"Neither over- nor underfitting stands out ({gap})."


def _still_falling(known: Sequence[Mapping[str, Any]], best: Mapping[str, Any]) -> bool:
    """Whether the last epoch was the best, and clearly better than a tenth of the training before."""
    if best is not known[-1]:
        return False
    earlier = float(known[-1 - max(1, len(known) // 10)]["validation_loss"])
    return earlier - float(best["validation_loss"]) > STILL_FALLING * abs(earlier)


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
