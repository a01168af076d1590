"""The gate `better_than_champion`: the challenger against the champion, and against the anchor, on the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tasks import metrics
from tasks.core.context import Context
from tasks.core.contracts import Evaluated, Gate, Packaged, Prepared, Rule, Verdict, Versioned
from tasks.core.errors import EvergreenError, ServiceError
from tasks.core.hashing import json_sha256
from tasks.release import rescoring
from tasks.release.answers import Scores
from tasks.release.rescoring import Incomparable, Rows
from tasks.release.standing import blocked
from tasks.release.verdict import Judgement, choose_rule, combine, decision_rows, judge, rows_to_decide
from tasks.stores import registry
from tasks.stores.ledger import Ledger
from tasks.stores.packaged import Verified, verified

NAME = "better_than_champion"


@dataclass(frozen=True)
class Compared:
    """What the comparison says; `verdict` is promote where there is nothing to compare with."""

    gate: Gate
    verdict: Verdict
    rule: Rule
    reason: str
    champion: str | None
    main: Judgement | None = None
    """Against the champion, on the rows that decide."""
    champion_metrics: dict[str, float] = field(default_factory=dict)


def compare(
    context: Context, versioned: Versioned, prepared: Prepared, evaluated: Evaluated, packaged: Packaged
) -> Compared:
    """Compare with the champion, if there is one. Never raises: what cannot be evaluated is a gate in error."""
    champion, rule = None, context.recipe.gates.promotion.rule
    assumed: Rule = "superior" if rule == "auto" else rule
    try:
        champion = registry.champion_version(context.home, context.recipe.name)
        if champion is None:
            reason = "there is no champion yet, so the other gates decide"
            return _nothing_to_compare(reason, "promote", "first", None)
        if champion == packaged.version:
            reason = f"version {champion} is the champion itself"
            return _nothing_to_compare(reason, "hold", assumed, champion)
        return _against(context, versioned, prepared, evaluated, packaged, champion)
    except (EvergreenError, Incomparable, ValueError, OSError) as error:
        # ValueError and OSError: a file of the champion or the dataset that cannot be read as what it should be.
        return _unavailable(error, champion, assumed)


def anchor_version(context: Context) -> str | None:
    """The last version promoted as first or superior and not blocked: what small losses add up against."""
    ruled_out = blocked(context.home, context.recipe.name)
    for move in reversed(Ledger(context.home.ledger).moves(context.recipe.name)):
        decision = move.decision
        if decision is None or decision.kind != "promote" or move.target in ruled_out:
            continue
        if decision.body.get("rule") in ("first", "superior"):
            return move.target
    return None


def _recipe_changed(context: Context, tags: Mapping[str, str]) -> bool:
    """Whether people changed the recipe since the champion's: another Evergreen, with other fields, is no change."""
    if tags.get(registry.RECIPE) == context.recipe_hash:
        return False
    return not context.chosen_hash or tags.get(registry.CHOSEN) != context.chosen_hash


def _against(
    context: Context, versioned: Versioned, prepared: Prepared, evaluated: Evaluated, packaged: Packaged, number: str
) -> Compared:
    name, promotion = context.recipe.name, context.recipe.gates.promotion
    champion = verified(context.home, name, number)
    rule = choose_rule(promotion.rule, has_champion=True, recipe_changed=_recipe_changed(context, champion.info.tags))
    anchor_number = anchor_version(context) if rule == "non_inferior" else None
    anchor = verified(context.home, name, anchor_number) if anchor_number not in (None, number) else None
    rows = rescoring.test_rows(context, versioned, evaluated)
    free = rescoring.unseen(rows, context, prepared, [champion, anchor] if anchor else [champion])
    left = rows.only(free)
    if not len(left.frame):
        raise Incomparable("no test row is left that neither model has trained on")
    common: dict[str, float] | None = None
    if context.recipe.problem == "reconstruction":
        # Each model scales its inputs in its own way; errors are compared in the units of the champion.
        challenger = verified(context.home, name, packaged.version)
        common = rescoring.shared_units([champion, challenger, *([anchor] if anchor else [])])
        left = replace(left, answers=rescoring.answers_of(challenger, context, left, common))
    models = _Models(context, prepared, left, champion, anchor, common)
    newest = models.newest()
    main, guard = models.against_champion(rule, newest)
    versus_anchor = models.against_anchor() if anchor else None
    verdict, reason = combine(main, guard, versus_anchor)
    evidence: dict[str, Any] = {**main.evidence, "reason": reason, "champion_version": number}
    evidence |= {"test_rows": len(free), "seen_by_one": int(len(free) - free.sum())}
    evidence |= {} if common is None else {"inputs_compared": len(common)}
    # So that anybody who has the dataset can tell which rows decided, and that neither model has seen one of them.
    evidence |= {"rows_sha256": json_sha256(sorted(left.frame["row_id"][newest]))}
    evidence |= {"guard": guard.evidence if guard else None}
    if versus_anchor is not None:
        evidence |= {"anchor_version": anchor_number, "anchor": versus_anchor.evidence}
    threshold = promotion.gain if rule == "superior" else -promotion.margin
    gate = Gate(NAME, "passed" if verdict == "promote" else "failed", threshold, evidence)
    return Compared(gate, verdict, rule, reason, number, main, models.champion_metrics())


class _Models:
    """Answers of all models about the rows none has seen, and the judgements made from them."""

    def __init__(
        self,
        context: Context,
        prepared: Prepared,
        rows: Rows,
        champion: Verified,
        anchor: Verified | None,
        common: dict[str, float] | None,
    ) -> None:
        self.context, self.rows, self.promotion = context, rows, context.recipe.gates.promotion
        others = [model for model in (champion, anchor) if model is not None]
        theirs = [rescoring.answers_of(model, context, rows, common) for model in others]
        self.classes = rescoring.classes_of(prepared, rows, theirs)
        self.challenger, self.champion, *anchors = (
            rescoring.scores(context.recipe.problem, answers, self.classes) for answers in (rows.answers, *theirs)
        )
        self.anchor = anchors[0] if anchors else None

    def newest(self) -> np.ndarray[Any, Any]:
        """Which of the rows [N] decide; the others guard."""
        recipe = self.context.recipe
        needed = rows_to_decide(
            recipe.problem,
            recipe.metric,
            self.rows.targets,
            self.challenger,
            self.champion,
            self.promotion.margin,
            classes=self.classes or None,
        )
        return decision_rows(self.rows.frame["batch"].to_numpy(dtype=np.int64), needed)

    def against_champion(self, rule: Rule, newest: np.ndarray[Any, Any]) -> tuple[Judgement, Judgement | None]:
        """On the newest rows, by the rule; and on the older rows, which guard."""
        main = self._judge(self.champion, newest, rule, self.promotion.margin)
        guard = None if newest.all() else self._judge(self.champion, ~newest, "non_inferior", self.promotion.margin)
        return main, guard

    def against_anchor(self) -> Judgement:
        """On all rows, at twice the margin."""
        assert self.anchor is not None
        everywhere = np.ones(len(self.rows.frame), dtype=bool)
        return self._judge(self.anchor, everywhere, "non_inferior", 2 * self.promotion.margin)

    def champion_metrics(self) -> dict[str, float]:
        """The champion's metrics on all rows."""
        recipe, champion = self.context.recipe, self.champion
        found, _ = metrics.compute(
            recipe.problem, self.rows.targets, champion.prediction, champion.probabilities, self.classes
        )
        return found

    def _judge(self, other: Scores, chosen: np.ndarray[Any, Any], rule: Rule, margin: float) -> Judgement:
        recipe, rows = self.context.recipe, self.rows.only(chosen)
        return judge(
            recipe.problem,
            recipe.metric,
            rows.targets,
            _some(self.challenger, chosen),
            _some(other, chosen),
            rule,
            gain=self.promotion.gain,
            margin=margin,
            confidence=self.promotion.confidence,
            groups=rows.groups,
            classes=self.classes or None,
        )


def _some(model: Scores, chosen: np.ndarray[Any, Any]) -> Scores:
    probabilities = None if model.probabilities is None else model.probabilities[chosen]
    return Scores(model.prediction[chosen], probabilities)


def _unavailable(error: Exception, champion: str | None, rule: Rule) -> Compared:
    # A champion that cannot be compared with must never be replaced by default.
    reason = error.message if isinstance(error, EvergreenError) else f"The champion cannot be compared with: {error}."
    evidence: dict[str, Any] = {"reason": reason, "champion_version": champion}
    if isinstance(error, ServiceError):
        evidence["service"] = "model registry"
    return Compared(Gate(NAME, "error", evidence=evidence), "hold", rule, reason, champion)


def _nothing_to_compare(clause: str, verdict: Verdict, rule: Rule, champion: str | None) -> Compared:
    gate = Gate(NAME, "skipped", evidence={"reason": clause})
    return Compared(gate, verdict, rule, f"{clause[:1].upper()}{clause[1:]}.", champion)
