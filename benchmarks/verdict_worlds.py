"""Worlds in which the true difference between two models is known: what `benchmarks/verdict.py` draws from.

Each world draws (targets, challenger, champion) for N rows. `loss` is how much worse the challenger truly
is in the metric named, 0 meaning equal; relative for losses and errors. `swapped` turns the roles round.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.special import ndtri, softmax
from scipy.stats import norm

from tasks.core.stats import labels, ranking
from tasks.release.verdict import Scores

Draw = tuple[np.ndarray, Scores, Scores]
World = Callable[[np.random.Generator], Draw]
CALIBRATION_ROWS = 200_000
"""Rows on which a world without a closed form is set to its true difference."""


def swapped(world: World) -> World:
    """The same world with the roles of the two models exchanged: the challenger is the better one."""

    def draw(random: np.random.Generator) -> Draw:
        targets, challenger, champion = world(random)
        return targets, champion, challenger

    return draw


@dataclass(frozen=True)
class Setting:
    """A shipped number of rows and how good its models are."""

    name: str
    counts: tuple[int, ...]
    """Test rows per class; one number for regression."""
    accuracy: float = 0.0
    disagreement: float = 0.0
    """Share of rows on which exactly one of two equal models is right."""
    correlation: float = 0.9
    """Of the two models' scores of one row."""
    area: float = 0.0
    noise: float = 0.0
    """Standard deviation of the target around the best prediction, for a target of standard deviation 1."""
    own: float = 0.4
    """Standard deviation of a model's own error, as a share of `noise`."""

    @property
    def targets(self) -> np.ndarray:
        """Class codes of the rows."""
        return np.repeat(np.arange(len(self.counts)), self.counts)


DIGITS = Setting("digits", (27,) * 10, accuracy=0.985, disagreement=0.012, correlation=0.95)
CANCER = Setting("breast_cancer", (32, 53), accuracy=0.975, disagreement=0.012, correlation=0.9, area=0.995)
SMS = Setting("sms_spam", (896, 138), accuracy=0.985, disagreement=0.012)
FASHION = Setting("fashion_mnist", (600,) * 10, accuracy=0.93, disagreement=0.05)
# Two models that differ in the seed alone: own error 0.09 to 0.21 of the noise over ten split keys.
DIABETES = Setting("diabetes", (62,), noise=0.72, own=0.25)


def labels_world(setting: Setting, metric: str, loss: float, *, one_class: bool, extra: float) -> World:
    """Right and wrong answers; what the challenger loses is spread over all classes or sits in one.

    `extra` is the share of rows that each model gets right and the other wrong, beside the loss.
    """
    targets, classes = setting.targets, len(setting.counts)
    weight = (targets == 0).astype(float) if one_class else np.ones(len(targets))
    lost = extra + weight * (_needed(setting, metric, loss, weight, extra) if loss else 0.0)
    wrong_both = np.clip(1 - setting.accuracy - extra, 0, None)

    def draw(random: np.random.Generator) -> Draw:
        chance = random.random(len(targets))
        ours = (chance >= lost) & (chance < 1 - wrong_both)
        theirs = ~((chance >= lost) & (chance < lost + extra)) & (chance < 1 - wrong_both)
        wrong = (targets + 1 + random.integers(0, classes - 1, len(targets))) % classes
        return targets, Scores(np.where(ours, targets, wrong)), Scores(np.where(theirs, targets, wrong))

    return draw


def _needed(setting: Setting, metric: str, loss: float, weight: np.ndarray, extra: float) -> float:
    """Chance of a lost row at which the metric is worse by `loss`."""
    targets, classes = setting.targets, len(setting.counts)
    base = np.clip(1 - setting.accuracy - extra, 0, None) + extra

    def value(shift: float) -> float:
        wrong = np.bincount(targets, base + shift * weight, classes) / np.bincount(targets)
        matrix = np.diag(1 - wrong) + (1 - np.eye(classes)) * wrong[:, None] / (classes - 1)
        return labels.label_score(metric, matrix * np.bincount(targets)[:, None])[0]

    return float(brentq(lambda shift: value(0) - value(shift) - loss, 0, 1 - base))


def area_world(setting: Setting, loss: float, *, lost_rows: bool) -> World:
    """Normal scores; the challenger separates less, or ranks a share `loss` of the rarer class behind all else."""
    targets, rows = setting.targets, sum(setting.counts)
    rare = int(np.argmin(setting.counts))
    sign = np.where(targets == 1, 0.5, -0.5)
    apart = 2**0.5 * ndtri(setting.area)
    ours_apart = apart if lost_rows else 2**0.5 * ndtri(setting.area - loss)

    def draw(random: np.random.Generator) -> Draw:
        shared, *own = random.standard_normal((3, rows))
        mixed = [setting.correlation**0.5 * shared + (1 - setting.correlation) ** 0.5 * each for each in own]
        ours, theirs = mixed[0] + ours_apart * sign, mixed[1] + apart * sign
        if lost_rows:
            # A row that was ranked well in a share `area` of all pairs now is in none.
            gone = (targets == rare) & (random.random(rows) < loss / setting.area)
            ours = np.where(gone, -100 * np.where(targets == 1, 1, -1), ours)
        return targets, *(Scores((score > 0).astype(int), _two(norm.cdf(score))) for score in (ours, theirs))

    return draw


def _two(positive: np.ndarray) -> np.ndarray:
    return np.stack([1 - positive, positive], axis=1)


def probability_world(setting: Setting, metric: str, loss: float, *, overconfident: bool) -> World:
    """Normal logits; the challenger separates less, or (log_loss) is as right but too sure of itself."""
    targets, classes = setting.targets, len(setting.counts)
    apart, scale, damage = _logits(setting, metric, round(loss, 6), overconfident)
    ours_apart, ours_scale = (apart, scale * (1 + damage)) if overconfident else (apart - damage, scale)

    def draw(random: np.random.Generator) -> Draw:
        shared, *own = random.standard_normal((3, len(targets), classes))
        parts = [_answers(shared, each, targets, setting.correlation) for each in own]
        ours, theirs = parts[0](ours_apart, ours_scale), parts[1](apart, scale)
        return targets, Scores(ours.argmax(1), ours), Scores(theirs.argmax(1), theirs)

    return draw


def _answers(
    shared: np.ndarray, own: np.ndarray, targets: np.ndarray, correlation: float
) -> Callable[[float, float], np.ndarray]:
    noise = correlation**0.5 * shared + (1 - correlation) ** 0.5 * own
    hit = np.arange(noise.shape[1])[None, :] == targets[:, None]
    return lambda apart, scale: softmax(scale * (noise + apart * hit), axis=1)


@cache
def _logits(setting: Setting, metric: str, loss: float, overconfident: bool) -> tuple[float, float, float]:
    """Distance between classes, best scale, and the damage that makes the metric worse by `loss`."""
    random = np.random.default_rng(20_260)
    classes, rows = len(setting.counts), CALIBRATION_ROWS // len(setting.counts) * 2
    targets = np.resize(setting.targets, rows)
    shared, own = random.standard_normal((2, rows, classes))
    answers = _answers(shared, own, targets, setting.correlation)
    apart = brentq(lambda a: (answers(a, 1.0).argmax(1) == targets).mean() - setting.accuracy, 0.5, 9, xtol=1e-3)
    scale = minimize_scalar(lambda s: _mean_loss(answers(apart, s), targets), bounds=(0.3, 9), method="bounded").x
    best = answers(apart, scale)

    def worse(damage: float) -> float:
        found = answers(apart, scale * (1 + damage)) if overconfident else answers(apart - damage, scale)
        if metric == "log_loss":
            return _mean_loss(found, targets) / _mean_loss(best, targets) - 1 - loss
        return ranking.macro_area(targets, best)[0] - ranking.macro_area(targets, found)[0] - loss

    if loss == 0:
        return apart, scale, 0.0
    return apart, scale, float(brentq(worse, 0 if overconfident else -1.0, 30 if overconfident else apart, xtol=1e-4))


def _mean_loss(probabilities: np.ndarray, targets: np.ndarray) -> float:
    return float(-np.log(np.clip(probabilities[np.arange(len(targets)), targets], 1e-15, 1)).mean())


def regression_world(setting: Setting, metric: str, loss: float, *, heavy: bool) -> World:
    """Linear target; both models add an error of their own, the challenger a larger one.

    `heavy`: the target scatters with Student's t of 4 degrees of freedom instead of normally.
    """
    rows, own = setting.counts[0], setting.own * setting.noise
    larger = _own_error(setting, metric, round(loss, 6), heavy)

    def draw(random: np.random.Generator) -> Draw:
        best = (1 - setting.noise**2) ** 0.5 * random.standard_normal(rows)
        scatter = setting.noise * _scatter(random, rows, heavy)
        errors = random.standard_normal((2, rows))
        return best + scatter, Scores(best + larger * errors[0]), Scores(best + own * errors[1])

    return draw


def _scatter(random: np.random.Generator, rows: int, heavy: bool) -> np.ndarray:
    return random.standard_t(4, rows) / 2**0.5 if heavy else random.standard_normal(rows)


@cache
def _own_error(setting: Setting, metric: str, loss: float, heavy: bool) -> float:
    """Standard deviation of the challenger's own error at which the metric is worse by `loss`."""
    own, noise = setting.own * setting.noise, setting.noise
    if metric in ("rmse", "r2"):
        square = noise**2 + own**2
        goal = square * (1 + loss) ** 2 if metric == "rmse" else square + loss
        return float((goal - noise**2) ** 0.5)
    random = np.random.default_rng(20_260)
    scatter = noise * _scatter(random, CALIBRATION_ROWS, heavy)
    error = random.standard_normal(CALIBRATION_ROWS)
    goal = (1 + loss) * np.abs(scatter + own * error).mean()
    return float(brentq(lambda size: np.abs(scatter + size * error).mean() - goal, 0, 20))
