"""Promote, hold or reject: the promotion rule as pure functions of numbers.

superior       promote when the difference is shown to exceed `gain`        (a person changed the recipe)
non_inferior   promote when the difference is shown to exceed -`margin`     (same recipe, newer data)

"Shown" means that the lower limit of the two-sided interval at 2 · confidence - 1 lies above the bound,
which is a one-sided test at `confidence`. At gain 0 accuracy is tested by mid-p McNemar instead, which has
more power there (Fagerland 2013). What is not promoted is rejected when the whole interval lies below 0, the
challenger being shown to be worse, and held otherwise: nothing was shown.

Positive differences mean that the challenger is better; for log_loss, rmse and mae they are shares of the
champion's value. How each metric is compared, and why so: `tasks/core/stats/paired.py`. That wrong
promotions stay below 1 - confidence is simulated by `benchmarks/verdict.py`.

Rows on which both models say the same are no evidence of a difference: with identical predictions everywhere,
`superior` holds, and `non_inferior` promotes when the rows are many enough that a difference as large as the
margin would have been seen (for scores in [0, 1] about 3 / margin rows, of the rarest class for roc_auc;
for losses the method's least number of rows).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from tasks.core.contracts import Rule, Verdict
from tasks.core.stats.paired import MINIMUM_UNITS, RELATIVE_METRICS, Comparison, NoValue, compare
from tasks.release.answers import Scores, check, encode

__all__ = ["Judgement", "Scores", "choose_rule", "combine", "decision_rows", "judge", "rows_to_decide"]

POWER = 0.8
"""Chance of being shown that `detectable` and `rows_needed` stand for."""

MIDP = "superior by mid-p McNemar"


@dataclass(frozen=True)
class Judgement:
    """A verdict and the evidence behind it; numbers only, never a value of a row."""

    verdict: Verdict
    rule: Rule
    metric: str
    rows: int
    reason: str
    """One sentence for a person."""
    champion: float | None = None
    challenger: float | None = None
    difference: float | None = None
    interval: tuple[float, float] | None = None
    """Two-sided, at 2 · confidence - 1; None where nothing was judged."""
    detectable: float | None = None
    """Distance from the bound of the smallest true difference these rows would have shown 80 times in 100."""
    rows_needed: int | None = None
    """Rows with which a challenger just like the champion (superior: like this one) would pass 80 times in 100."""
    midp: float | None = None
    method: str = ""

    @property
    def evidence(self) -> dict[str, Any]:
        """The judgement as plain JSON values, for a gate's evidence."""
        return {
            "verdict": self.verdict,
            "rule": self.rule,
            "metric": self.metric,
            "rows": self.rows,
            "champion": self.champion,
            "challenger": self.challenger,
            "difference": self.difference,
            "interval": list(self.interval) if self.interval else None,
            "detectable": self.detectable,
            "rows_needed": self.rows_needed,
            "midp": self.midp,
            "method": self.method,
            "reason": self.reason,
        }


def choose_rule(rule: str, *, has_champion: bool, recipe_changed: bool) -> Rule:
    """The rule in force: `first` without a champion; `auto` is superior where a person changed the recipe.

    `rule` is gates.promotion.rule; `recipe_changed` compares resolved recipes (seed included).
    """
    if not has_champion:
        return "first"
    if rule == "superior" or (rule == "auto" and recipe_changed):
        return "superior"
    return "non_inferior"


def decision_rows(batches: NDArray[np.int64], needed: int) -> NDArray[np.bool_]:
    """Which test rows decide [N]: the newest whole batches that together hold `needed` rows, or all.

    `batches` [N] are batch numbers, larger being newer. The rows left out guard: on them the challenger must
    not be worse either. Older rows that are fewer than `needed` could not show that, and a guard that
    cannot be evaluated would hold every refresh: they decide along with the newer ones.
    """
    numbers, counts = np.unique(batches, return_counts=True)
    # Rows of this batch or a newer one.
    newer = np.cumsum(counts[::-1])[::-1]
    enough = numbers[(newer >= needed) & (len(batches) - newer >= needed)]
    return batches >= enough[-1] if len(enough) else np.ones(len(batches), bool)


def combine(main: Judgement, guard: Judgement | None = None, anchor: Judgement | None = None) -> tuple[Verdict, str]:
    """The verdict of all comparisons, and the sentence of the one that decided.

    `main` compares with the champion on the decision rows, `guard` with the champion on older rows,
    `anchor` with the last version that was promoted as first or superior (at twice the margin). All must
    promote; one that rejects outweighs one that holds.
    """
    named = [("", main), ("On older rows: ", guard), ("Against the anchor: ", anchor)]
    for verdict in ("reject", "hold"):
        for opening, judgement in named:
            if judgement is not None and judgement.verdict == verdict:
                return judgement.verdict, opening + judgement.reason
    return "promote", main.reason


def judge(
    problem: str,
    metric: str,
    targets: NDArray[Any],
    challenger: Scores,
    champion: Scores,
    rule: Rule,
    gain: float = 0.0,
    margin: float = 0.02,
    confidence: float = 0.95,
    groups: NDArray[Any] | None = None,
    seed: int = 0,
    *,
    classes: Sequence[Any] | None = None,
) -> Judgement:
    """Judge a challenger against the champion on N rows that neither trained on.

    Args:
        problem: classification or regression.
        metric: one of the problem's metrics.
        targets: [N] true labels or numbers.
        challenger: the new model's answers.
        champion: the present model's answers.
        rule: superior or non_inferior.
        gain: of `superior`, ≥ 0.
        margin: of `non_inferior`, > 0; a share of the champion's value for losses and errors.
        confidence: one-sided, in (0.5, 1).
        groups: [N] labels of rows that belong together, or None.
        seed: of the bootstrap.
        classes: labels behind the columns of the probabilities; None: `targets` are column numbers where
            the metric needs probabilities.

    Raises:
        ValueError: lengths differ, an answer is not finite, or the rule is none of the two.
    """
    if rule not in ("superior", "non_inferior"):
        raise ValueError(f"rule '{rule}' compares nothing; use superior or non_inferior")
    check(problem, targets, challenger, champion, groups)
    rows = len(targets)
    codes, ours, theirs = encode(problem, metric, targets, challenger, champion, classes)
    group_codes = None if groups is None else np.unique(groups, return_inverse=True)[1].reshape(-1).astype(np.int64)
    units = rows if group_codes is None else (int(group_codes.max()) + 1 if rows else 0)
    least = MINIMUM_UNITS.get(metric, 2)
    if units < least:
        what = "rows" if groups is None else "groups of rows"
        reason = f"Not judged: {metric} needs at least {least} {what} to keep its error rate, and there are {units}."
        return Judgement("hold", rule, metric, rows, reason, rows_needed=least)
    try:
        found = compare(metric, codes, ours, theirs, 2 * confidence - 1, groups=group_codes, seed=seed)
    except NoValue as why:
        return Judgement("hold", rule, metric, rows, f"Not judged: {metric} has no value on these {rows} rows: {why}.")
    return _decide(found, rule, metric, rows, gain, margin, confidence)


def rows_to_decide(
    problem: str,
    metric: str,
    targets: NDArray[Any],
    challenger: Scores,
    champion: Scores,
    margin: float,
    *,
    classes: Sequence[Any] | None = None,
) -> int:
    """Rows a decision by `non_inferior` needs: 9 · disagreement / margin², 3.5 whole rows' worth, the method's least.

    The disagreement (variance of the paired difference of a row) is taken from the N rows given. The second
    term is what identical models need: a row that is worth `reach` hides a loss of about 3 · reach / N.
    """
    check(problem, targets, challenger, champion, None)
    codes, ours, theirs = encode(problem, metric, targets, challenger, champion, classes)
    least = MINIMUM_UNITS.get(metric, 2)
    try:
        found = compare(metric, codes, ours, theirs, 0.9)
    except NoValue:
        return max(least, len(targets))
    return max(least, math.ceil(9 * found.disagreement / margin**2), math.ceil(3.5 * found.reach / margin))


def _decide(
    found: Comparison, rule: Rule, metric: str, rows: int, gain: float, margin: float, confidence: float
) -> Judgement:
    """Turn a comparison into a verdict by the rule in this module's first lines."""
    bound = gain if rule == "superior" else -margin
    lower, upper = found.interval
    shown = lower > bound
    by_midp = rule == "superior" and gain == 0 and found.midp is not None
    if by_midp:
        shown = found.midp is not None and found.midp <= 1 - confidence
    if rule == "superior" and found.identical:
        shown = False
    verdict: Verdict = "promote" if shown else "reject" if upper < 0 else "hold"
    detectable, needed = _reach(found, rule, gain, margin, confidence)
    judgement = Judgement(
        verdict=verdict,
        rule=rule,
        metric=metric,
        rows=rows,
        reason="",
        champion=found.champion,
        challenger=found.challenger,
        difference=found.difference,
        interval=found.interval,
        detectable=detectable,
        rows_needed=needed,
        midp=found.midp if by_midp else None,
        method=MIDP if by_midp else found.method,
    )
    return _with_reason(judgement, found, gain, margin, confidence)


def _reach(found: Comparison, rule: Rule, gain: float, margin: float, confidence: float) -> tuple[float, int | None]:
    """`detectable` and `rows_needed`, from the distance between the estimate and its lower limit.

    That distance is z(confidence) standard errors; to be shown 80 times in 100, a difference must lie
    z(confidence) + z(0.8) of them away (the usual power formula, e.g. Cohen 1988, section 2.2).
    """
    distance = found.difference - found.interval[0]
    level = float(norm.ppf(confidence))
    detectable = distance * (1 + float(norm.ppf(POWER)) / level)
    target = margin if rule == "non_inferior" else found.difference - gain
    if target <= 0 or detectable == 0:
        return detectable, None
    return detectable, math.ceil(found.units * (detectable / target) ** 2)


def _with_reason(judgement: Judgement, found: Comparison, gain: float, margin: float, confidence: float) -> Judgement:
    """The judgement with its one sentence."""
    number = _share if judgement.metric in RELATIVE_METRICS else _signed
    claim = "better" if judgement.rule == "superior" else f"no worse than {number(margin)[1:]}"
    if judgement.rule == "superior" and gain:
        claim = f"better by more than {number(gain)[1:]}"
    opening = {
        "promote": f"Shown to be {claim}",
        "hold": f"Not shown to be {claim}",
        "reject": "Shown to be worse",
    }[judgement.verdict]
    level = f"{100 * (2 * confidence - 1):.3g} % interval"
    reason = f"{opening}: {judgement.metric} {number(found.difference)} on {judgement.rows} rows, {level} "
    reason += f"{number(found.interval[0])} to {number(found.interval[1])}"
    if judgement.midp is not None:
        reason += f", mid-p {judgement.midp:.2g}"
    if judgement.verdict == "hold" and judgement.detectable is not None:
        reason += f"; these rows could have shown {number(judgement.detectable)[1:]}"
        if judgement.rows_needed is not None and judgement.rows_needed > found.units:
            reason += f", about {judgement.rows_needed} rows are needed"
    if found.identical:
        reason += "; both models say the same about every row"
    return replace(judgement, reason=reason + ".")


def _signed(value: float) -> str:
    """A difference of scores with its sign: +0.004."""
    return f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def _share(value: float) -> str:
    """A relative difference with its sign: +1.3 %."""
    return f"{100 * value:+.1f} %".replace("-", "\N{MINUS SIGN}")
