"""Whether training went too far, not far enough, in leaps or well, read from its history."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any, Literal

Verdict = Literal["fine", "overfitting", "underfitting", "unstable", "undecided"]

WIDE_GAP = 1.5
"""Validation loss over training loss from which a model is said to know its training rows by heart."""
RISE = 1.25
"""Usual validation loss after the best epoch, over the best, from which training is said to have gone too far."""
STILL_FALLING = 0.02
"""Share the validation loss fell by over the last tenth of the epochs from which more epochs may help."""
LITTLE = 0.9
"""Best over first training loss from which hardly anything was learned."""
NO_GAIN = 0.98
"""Best validation loss over that of a constant guess from which nothing was learned that a guess does not know."""
LEAP = {"train_loss": 0.2, "validation_loss": 0.5}
"""Rise from one epoch to the next, as a share of the first loss, that is a leap."""
LEAPS = 0.1
"""Share of the epochs with a leap, two at least, from which training is called unstable."""


@dataclass(frozen=True)
class Diagnosis:
    """A verdict with its numbers."""

    verdict: Verdict
    """`undecided` where there are too few epochs to say."""
    finding: str
    """One sentence."""
    remedy: str
    """One sentence; empty where nothing has to be done."""
    evidence: dict[str, float | int | None]
    """Losses and counts that the verdict was read from; None: not known."""

    @property
    def text(self) -> str:
        """Finding and remedy."""
        return f"{self.finding} {self.remedy}".rstrip()


def diagnose(
    history: Sequence[Mapping[str, Any]], best_epoch: int, stopped: str, guess: float | None = None
) -> Diagnosis:
    """Say whether the model over- or underfits or its training leaps about, by which numbers, and what may help.

    The training loss may hold label smoothing, class weights and dropout that the validation loss does
    not: it is then too high, and overfitting is found later rather than earlier.

    Args:
        history: one mapping per epoch with `epoch`, `train_loss` and `validation_loss`.
        best_epoch: `epoch` of the weights that were kept.
        stopped: "epochs", "early_stopping", "timeout" or "not_finite".
        guess: validation loss of the best constant outputs; none: not known.
    """
    known = [row for row in history if _finite(row.get("train_loss")) and _finite(row.get("validation_loss"))]
    best = next((row for row in known if row["epoch"] == best_epoch), None)
    evidence = _evidence(history, known, best, guess)
    if stopped == "not_finite":
        return Diagnosis("unstable", *_blown_up(history), evidence)
    if best is None or len(known) < 2:
        finding = "Too few epochs with finite losses to judge over- or underfitting."
        return Diagnosis("undecided", finding, "Raise training.epochs to see a curve.", evidence)
    for judge in (_unstable, _cut_short, _learned_little, _by_heart, _too_far):
        found = judge(known, best, stopped, evidence)
        if found is not None:
            return Diagnosis(*found, evidence)
    return Diagnosis("fine", f"Neither over- nor underfitting stands out ({_gap(best)}).", "", evidence)


_Found = tuple[Verdict, str, str] | None
_Rows = Sequence[Mapping[str, Any]]


def _blown_up(history: _Rows) -> tuple[str, str]:
    finding = f"Unstable: the loss was no longer finite in epoch {history[-1]['epoch'] if history else 1}."
    return finding, "Lower training.optimizer.lr, set training.gradient_clip, or look for outliers in the rows."


def _unstable(known: _Rows, best: Mapping[str, Any], stopped: str, evidence: Mapping[str, Any]) -> _Found:
    leaps = evidence["leaps"]
    if leaps < max(2, LEAPS * (len(known) - 1)):
        return None
    finding = f"Unstable: the losses leapt up after {leaps} of {len(known)} epochs ({_gap(best)})."
    return "unstable", finding, "Try a lower learning rate, training.gradient_clip, a larger batch, or training.ema."


def _cut_short(known: _Rows, best: Mapping[str, Any], stopped: str, evidence: Mapping[str, Any]) -> _Found:
    if not _still_falling(known, best):
        return None
    if stopped == "timeout":
        finding = (
            f"Underfitting: training.timeout_minutes cut the training short while its loss was falling ({_gap(best)})."
        )
        return "underfitting", finding, "Raise training.timeout_minutes, or try a higher learning rate."
    finding = f"Underfitting: the validation loss was still falling when training ended ({_gap(best)})."
    return "underfitting", finding, "More training.epochs may help, or a higher learning rate."


def _learned_little(known: _Rows, best: Mapping[str, Any], stopped: str, evidence: Mapping[str, Any]) -> _Found:
    train, validation, guess = float(best["train_loss"]), float(best["validation_loss"]), evidence["guess_loss"]
    remedy = "Try a larger model, a higher learning rate, or other features."
    if guess is not None and validation > NO_GAIN * guess:
        finding = f"Underfitting: a constant guess has the validation loss {guess:.3g}, and the model's is no lower"
        # A training loss far below it is another illness.
        if train > validation / WIDE_GAP:
            return "underfitting", f"{finding} ({_gap(best)}).", remedy
    first = known[0]
    hardly_fell = train > LITTLE * float(first["train_loss"]) and validation > LITTLE * float(first["validation_loss"])
    # A first epoch can already have learned what there is.
    if hardly_fell and (guess is None or validation > LITTLE * guess):
        return "underfitting", f"Underfitting: the losses hardly fell ({_gap(best)}).", remedy
    return None


def _by_heart(known: _Rows, best: Mapping[str, Any], stopped: str, evidence: Mapping[str, Any]) -> _Found:
    train, validation = float(best["train_loss"]), float(best["validation_loss"])
    if validation <= WIDE_GAP * train:
        return None
    times = f"{validation / train:.1f} times the training loss" if train > 0 else "far above the training loss"
    finding = f"Overfitting: the validation loss is {times} ({_gap(best)})."
    return "overfitting", finding, "More rows, dropout, weight decay or a smaller model may help."


def _too_far(known: _Rows, best: Mapping[str, Any], stopped: str, evidence: Mapping[str, Any]) -> _Found:
    later, validation = evidence["later_validation_loss"], float(best["validation_loss"])
    least = 0.05 * float(known[0]["validation_loss"])
    if later is None or later <= RISE * validation or later - validation <= least:
        return None
    finding = (
        f"Overfitting past epoch {best['epoch']}: the validation loss was {validation:.3g} there and {later:.3g} in "
        f"the epochs after it; the weights of epoch {best['epoch']} were kept."
    )
    return (
        "overfitting",
        finding,
        "Nothing is lost; dropout, weight decay or a lower learning rate may allow more epochs.",
    )


def _evidence(history: _Rows, known: _Rows, best: Mapping[str, Any] | None, guess: float | None) -> dict[str, Any]:
    """What the verdict is read from."""
    at = None if best is None else best["epoch"]
    later = [float(row["validation_loss"]) for row in known if at is not None and row["epoch"] > at]
    return {
        "epochs": len(history),
        "best_epoch": at,
        "train_loss": None if best is None else float(best["train_loss"]),
        "validation_loss": None if best is None else float(best["validation_loss"]),
        "first_train_loss": float(known[0]["train_loss"]) if known else None,
        "first_validation_loss": float(known[0]["validation_loss"]) if known else None,
        "later_validation_loss": median(later) if later else None,
        "guess_loss": guess,
        "leaps": sum(_leaps(before, after, known[0]) for before, after in pairwise(known)),
    }


def _leaps(before: Mapping[str, Any], after: Mapping[str, Any], first: Mapping[str, Any]) -> bool:
    return any(
        float(after[name]) - float(before[name]) > share * abs(float(first[name])) for name, share in LEAP.items()
    )


def _gap(best: Mapping[str, Any]) -> str:
    train, validation = float(best["train_loss"]), float(best["validation_loss"])
    return f"training loss {train:.3g}, validation loss {validation:.3g} at epoch {best['epoch']}"


def _still_falling(known: _Rows, best: Mapping[str, Any]) -> bool:
    """Whether the last epoch was the best, and clearly better than a tenth of the training before."""
    if best is not known[-1]:
        return False
    earlier = float(known[-1 - max(1, len(known) // 10)]["validation_loss"])
    return earlier - float(best["validation_loss"]) > STILL_FALLING * abs(earlier)


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
