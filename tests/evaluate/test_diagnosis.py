"""Learning curves drawn by hand, and the verdict each must get; the loss of a guess against the formulas."""

from __future__ import annotations

import json
import typing

import numpy as np
import pytest

from tasks.core.objective import AutoLoss, Hinge, MeanAbsolute
from tasks.evaluate.baseline import baseline_metrics, guess_loss
from tasks.evaluate.diagnosis import Verdict, diagnose


def history(train: list[float | None], validation: list[float | None]) -> list[dict[str, float | int | None]]:
    pairs = zip(train, validation, strict=True)
    return [{"epoch": at + 1, "train_loss": a, "validation_loss": b} for at, (a, b) in enumerate(pairs)]


def falling(start: float, end: float, epochs: int) -> list[float]:
    return [end + (start - end) * 0.6**epoch for epoch in range(epochs)]


CURVES: list[tuple[list[float | None], list[float | None], int, str, str, str, str]] = [
    ([1.0, 0.6, 0.5, 0.49, 0.49], [1.1, 0.7, 0.6, 0.601, 0.6], 3, "epochs", "fine", "Neither over- nor under", ""),
    (
        [1.0, 0.3, 0.1, 0.05, 0.01],
        [1.0, 0.8, 0.79, 0.79, 0.79],
        3,
        "early_stopping",
        "overfitting",
        "the validation loss is 7.9 times the training loss (training loss 0.1, validation loss 0.79 at epoch 3)",
        "dropout",
    ),
    (
        [1.0, 0.6, 0.5, 0.4, 0.3],
        [1.0, 0.6, 0.5, 0.8, 0.9],
        3,
        "early_stopping",
        "overfitting",
        "past epoch 3: the validation loss was 0.5 there and 0.85 in the epochs after it",
        "Nothing is lost",
    ),
    (
        [1.0, 0.9, 0.8, 0.7, 0.6],
        [1.0, 0.9, 0.8, 0.7, 0.6],
        5,
        "epochs",
        "underfitting",
        "was still falling when training ended",
        "training.epochs",
    ),
    (
        [1.0, 0.99, 0.98, 0.98, 0.98],
        [1.0, 0.99, 0.99, 0.99, 0.99],
        3,
        "epochs",
        "underfitting",
        "the losses hardly fell",
        "larger model",
    ),
    ([1.0, 0.9], [1.0, 0.9], 2, "timeout", "underfitting", "timeout_minutes cut the training short", "timeout_minutes"),
    ([1.0, 0.5, 0.49], [1.0, 0.5, 0.5], 2, "timeout", "fine", "Neither", ""),
    ([1.0], [1.0], 1, "epochs", "undecided", "Too few epochs", "training.epochs"),
    ([1.0, 2.0], [None, None], 1, "epochs", "undecided", "Too few epochs with finite losses", "training.epochs"),
    (
        [1.0, 0.4, 1.2, 0.5, 1.1, 0.45],
        [1.0, 0.5, 1.1, 0.6, 1.0, 0.5],
        2,
        "epochs",
        "unstable",
        "the losses leapt up after 2 of 6 epochs",
        "lower learning rate",
    ),
    (
        [1.0, 0.5, 0.4, 0.3, 0.2, 0.2],
        [1.0, 0.5, 1.4, 0.5, 1.5, 0.5],
        2,
        "epochs",
        "unstable",
        "leapt up after 2 of 6 epochs",
        "gradient_clip",
    ),
    ([1.0, 0.5, None], [1.0, 0.5, None], 2, "not_finite", "unstable", "no longer finite in epoch 3", "outliers"),
    # One leap, or small ones, as batches of few rows make them, are no instability.
    ([1.0, 0.5, 0.8, 0.45, 0.44], [1.0, 0.5, 0.6, 0.5, 0.495], 5, "epochs", "fine", "Neither", ""),
    (
        [value + 0.05 * (-1) ** at for at, value in enumerate(falling(1.0, 0.3, 30))],
        [value + 0.05 * (-1) ** at for at, value in enumerate(falling(1.0, 0.35, 30))],
        28,
        "epochs",
        "fine",
        "Neither",
        "",
    ),
]


@pytest.mark.parametrize(("train", "validation", "best", "stopped", "verdict", "words", "remedy"), CURVES)
def test_a_curve_gets_its_verdict_with_numbers_and_a_remedy(train, validation, best, stopped, verdict, words, remedy):
    found = diagnose(history(train, validation), best, stopped)
    assert found.verdict == verdict and words in found.finding
    assert remedy in found.remedy and bool(found.remedy) == (verdict != "fine")
    assert found.text == f"{found.finding} {found.remedy}".strip()
    assert verdict in ("fine", "undecided") or found.finding.lower().startswith(verdict)
    json.dumps(found.evidence, allow_nan=False)


def test_every_verdict_has_a_curve():
    assert {curve[4] for curve in CURVES} == set(typing.get_args(Verdict))


def test_the_numbers_of_a_verdict_are_its_evidence():
    train, validation = [1.0, 0.6, 0.5, 0.4, 0.3], [1.2, 0.7, 0.55, 0.8, 0.9]
    assert diagnose(history(train, validation), 3, "epochs", guess=1.3).evidence == {
        "epochs": 5,
        "best_epoch": 3,
        "train_loss": 0.5,
        "validation_loss": 0.55,
        "first_train_loss": 1.0,
        "first_validation_loss": 1.2,
        "later_validation_loss": pytest.approx(0.85),
        "guess_loss": 1.3,
        "leaps": 0,
    }


def test_a_model_that_is_no_better_than_a_guess_underfits_though_its_losses_fell():
    """From a bad start down to what a constant costs; the same curves beside a worse guess are fine."""
    curves = history([3.0, 1.0, 0.7, 0.69, 0.69], [3.0, 1.0, 0.7, 0.69, 0.69])
    found = diagnose(curves, 4, "epochs", guess=0.693)
    assert found.verdict == "underfitting" and "a constant guess has the validation loss 0.693" in found.finding
    assert diagnose(curves, 4, "epochs", guess=2.0).verdict == "fine"
    # Far below the guess on training rows alone, it knows those by heart.
    learned = history([3.0, 0.2, 0.1, 0.05], [3.0, 0.72, 0.71, 0.7])
    assert diagnose(learned, 4, "epochs", guess=0.693).verdict == "overfitting"


def test_an_epoch_that_learned_all_there_is_at_once_does_not_underfit():
    curves = history([0.11, 0.1, 0.1, 0.1], [0.11, 0.105, 0.105, 0.105])
    assert diagnose(curves, 2, "epochs").verdict == "underfitting"
    assert diagnose(curves, 2, "epochs", guess=2.3).verdict == "fine"


def test_the_loss_of_a_guess_is_the_entropy_of_the_shares_or_the_variance():
    random = np.random.default_rng(0)
    labels = random.choice(3, size=600, p=[0.6, 0.3, 0.1])
    training, validation = labels[:400], labels[400:]
    classes = ("0", "1", "2")
    texts = [[str(label) for label in part] for part in (training, validation)]
    wanted = baseline_metrics("classification", *texts, classes)[0]["log_loss"]
    assert guess_loss(AutoLoss(), "classification", training, validation, 3, False) == pytest.approx(wanted, abs=1e-5)
    assert guess_loss(AutoLoss(), "classification", training, validation, 3, True) == pytest.approx(np.log(3), abs=1e-5)
    # Weston and Watkins' loss of equal outputs: each of the two wrong classes costs 1, over three classes.
    assert guess_loss(Hinge(), "classification", training, validation, 3, False) <= 2 / 3 + 1e-6
    values = random.normal(size=300).astype(np.float32)
    found = guess_loss(AutoLoss(), "regression", values[:200], values[200:], 1, False)
    assert found == pytest.approx(float(np.mean(values[200:] ** 2)), rel=1e-5)
    found = guess_loss(MeanAbsolute(), "regression", values[:200], values[200:], 1, False)
    assert found == pytest.approx(float(np.mean(np.abs(values[200:]))), rel=1e-5)
