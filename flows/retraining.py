"""What a schedule, an event or a person starts: a trigger, judged by the recipe's policy, and perhaps a run.

    1. ledger    the trigger is written down, then that a flow acts on it
    2. lease     one at a time for a model; a trigger that the run under way answers as well does not wait for it
    3. judge     under the lease: all open triggers of the model, from recorded facts
    4. run       one run answers them all
    5. ledger    what became of each

A kill at any point leaves triggers open. Whoever holds the lease next takes them over: a run that had begun is
finished and not judged anew, and a trigger that has ended stays ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace

from flows.alerting import alert_outcome, alert_stop
from flows.attempts import carried_out, known, last_attempt
from flows.outcome import Outcome
from flows.training import Order, execute_held
from tasks.core.errors import RequestError, ServiceError
from tasks.core.home import Home
from tasks.core.load import LoadedRecipe, claim
from tasks.ingest.readers import fingerprint
from tasks.release.promotion import recover
from tasks.retrain.policy import Cause, Decision, decide
from tasks.stores import triggers
from tasks.stores.lease import LeaseTaken, hold
from tasks.stores.ledger import Ledger
from tasks.stores.triggers import Trigger

PURPOSE = "retrain"
"""What the lease says of its holder."""

POLL_SECONDS = 0.5
ABOUT_DATA = ("drift", "performance")
"""Causes that lie in the data: the same data answer them once."""
_PAST = {"promote": "promoted", "hold": "held", "reject": "rejected"}

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Retrained:
    """What became of one trigger."""

    trigger: Trigger
    """As it stands in the ledger now. It is still open where a service was away during the run."""
    decision: Decision
    """Whether this call led to a run, and why."""
    outcome: Outcome | None
    """The run, if one was made here."""


@dataclass(frozen=True)
class _Case:
    """The trigger this call is about, and where it stands."""

    loaded: LoadedRecipe
    home: Home
    id: str
    tell: Tell

    @property
    def name(self) -> str:
        return self.loaded.recipe.name

    @property
    def trigger(self) -> Trigger:
        return triggers.find(self.home, self.name, self.id)

    @property
    def open(self) -> list[Trigger]:
        """Every trigger of the model that waits for an end, in the order they became known."""
        return [trigger for trigger in triggers.every(self.home, self.name) if trigger.open]

    def source(self) -> str:
        """Fingerprint of the source now."""
        return fingerprint(self.loaded.recipe.data.reader, self.loaded.folder)

    def end(self, trigger: Trigger, state: triggers.State, outcome: str, into: str | None = None) -> None:
        triggers.end(self.home, self.name, trigger.id, state, outcome, into=into)


def retrain(
    loaded: LoadedRecipe,
    home: Home,
    *,
    reason: str,
    cause: Cause,
    trigger_id: str | None = None,
    wait: bool = True,
    tell: Tell,
) -> Retrained:
    """Answer one reason to retrain; repeating the call with the same `trigger_id` changes nothing that is done.

    Args:
        loaded: The recipe.
        home: Where its champion and the ledger are.
        reason: Why somebody or something asks; of a trigger that is known, its own reason counts.
        cause: Who or what asks.
        trigger_id: A trigger that is known, or the id that a new one is to have; none: a new one.
        wait: Wait for another command that holds the model's lease.
        tell: Hears what goes on.

    Raises:
        LeaseTaken: another command works on the model and `wait` is false; a new trigger is then refused.
        RequestError: something a person has to change; the trigger is then refused.
        GateError: the ledger does not hold, or the dataset is damaged everywhere.
        ServiceError: ledger or registry do not answer; the trigger stays open for the next call.
    """
    claim(home, loaded)
    trigger = triggers.propose(home, loaded.recipe.name, reason, cause, trigger_id=trigger_id)
    case = _Case(loaded, home, trigger.id, tell)
    try:
        if trigger.open:
            triggers.take(home, case.name, case.id, case.source())
        found = _when_free(case, wait)
    except LeaseTaken as taken:
        if trigger_id is None:
            case.end(trigger, "refused", taken.message)
        raise
    except RequestError as error:
        case.end(trigger, "refused", error.message)
        if trigger.cause != "person":
            alert_stop(loaded, home, "the retraining could not begin or go on", error.message, tell)
        raise
    if found.outcome is not None:
        alert_outcome(loaded, home, found.outcome, tell)
    return found


def _when_free(case: _Case, wait: bool) -> Retrained:
    """Judge under the lease, unless another flow answers the trigger while we wait for it."""
    told = False
    while True:
        with ExitStack() as held:
            try:
                held.enter_context(hold(case.home, case.name, PURPOSE, wait=False))
            except LeaseTaken as taken:
                blocker = taken
            else:
                return _judge(case)
        _join(case, blocker.holder.purpose)
        if not case.trigger.open:
            return _answered(case)
        if not wait:
            raise blocker
        if not told:
            case.tell(f"{case.name}: waiting for {blocker.holder}")
            told = True
        time.sleep(POLL_SECONDS)


def _join(case: _Case, purpose: str) -> None:
    """Coalesce into the run that is under way, if it began on the very source we see.

    The one who holds the lease finishes that run, or is killed and leaves its trigger open: nothing is lost.
    """
    own = case.trigger
    if purpose != PURPOSE or own.cause not in ABOUT_DATA or own.began:
        return
    for other in case.open:
        if other.id != own.id and other.began and other.source == own.source:
            case.end(own, "coalesced", f"trigger {_short(other)} is being run on the same source", other.id)
            return


def _judge(case: _Case) -> Retrained:
    """Under the lease: end what is answered already, ask the policy about the rest, and run where it says yes."""
    recover(case.home, case.name)
    _end_decided(case)
    # Listed before the source is read: whatever they are about, the run sees it.
    waiting = case.open
    source = case.source()
    waiting = [trigger for trigger in waiting if not _trained_already(case, trigger, source)]
    if not case.trigger.open:
        return _answered(case)
    begun = next((trigger for trigger in waiting if trigger.began), None)
    if begun is not None:
        return _run(case, begun, waiting, source, begun.policy)
    facts = known(case.loaded, case.home, case.trigger, source)
    verdicts = {
        trigger.id: decide(
            case.loaded.recipe.retraining,
            replace(facts, cause=trigger.cause, reason=trigger.reason),
            case.loaded.folder,
        )
        for trigger in waiting
    }
    chosen = next((trigger for trigger in waiting if verdicts[trigger.id].retrain), None)
    if chosen is not None:
        return _run(case, chosen, waiting, source, verdicts[chosen.id].reason)
    for trigger in waiting:
        case.end(trigger, "refused", verdicts[trigger.id].reason)
    return Retrained(case.trigger, verdicts[case.id], None)


def _end_decided(case: _Case) -> None:
    """End triggers whose run had come to its decision, and acted on it, before its flow was killed."""
    entries = Ledger(case.home.ledger).entries(case.name)
    for trigger in case.open:
        decided = last_attempt(entries, trigger.began) if trigger.began else None
        if decided is None or not carried_out(case.home, decided):
            continue
        others = [other for other in case.open if trigger.began and other.time < trigger.began]
        outcome = f"{_PAST[decided.kind]}: {decided.body.get('reason', '')}"
        _end_all(case, trigger, others, outcome, decided.hash)


def _trained_already(case: _Case, trigger: Trigger, source: str) -> bool:
    """Coalesce a trigger that lies in the data into the last run on exactly these data; whether there was one."""
    if trigger.cause not in ABOUT_DATA or trigger.began:
        return False
    for other in reversed(triggers.every(case.home, case.name)):
        ended_since = other.ended is not None and other.ended > trigger.time
        if other.state == "ran" and other.source == source and (ended_since or other.decision):
            outcome = f"trigger {_short(other)} ran on exactly this source ({other.outcome})"
            case.end(trigger, "coalesced", outcome, other.id)
            return True
    return False


def _run(case: _Case, chosen: Trigger, waiting: list[Trigger], source: str, policy: str) -> Retrained:
    """One run for all of them; a trigger whose run was stopped by a service that is away stays open."""
    triggers.begin(case.home, case.name, chosen.id, source, policy)
    case.tell(f"{case.name}: {policy}")
    decision = Decision(True, policy)
    try:
        outcome = execute_held(Order(case.loaded, case.home), case.tell)
    except RequestError as error:
        for trigger in waiting:
            case.end(trigger, "refused", error.message)
        raise
    if outcome.status == "stopped" and outcome.exit_code == ServiceError.exit_code:
        return Retrained(case.trigger, decision, outcome)
    decided = outcome.payload["decision"]
    became = outcome.reason if outcome.status == "stopped" else f"{outcome.status}: {outcome.reason}"
    _end_all(case, chosen, waiting, became, decided["id"] if decided else None)
    return Retrained(case.trigger, decision, outcome)


def _end_all(case: _Case, chosen: Trigger, others: list[Trigger], outcome: str, decision: str | None) -> None:
    """Write down what a run was to each trigger: its own last, so that a kill leaves it to be found."""
    for other in others:
        if other.id != chosen.id:
            case.end(other, "coalesced", f"answered by the run of trigger {_short(chosen)}", chosen.id)
    triggers.end(case.home, case.name, chosen.id, "ran", outcome, decision=decision)


def _answered(case: _Case) -> Retrained:
    """The trigger ended without a run of this call."""
    trigger = case.trigger
    what = {"ran": "has run already", "coalesced": "coalesced", "refused": "was refused"}[trigger.state]
    return Retrained(trigger, Decision(False, f"Trigger {_short(trigger)} {what}: {trigger.outcome}"), None)


def _short(trigger: Trigger) -> str:
    return trigger.id[:8]
