"""Alerts: what became of a run, a window or a schedule, sent to the hooks of the recipe.

An alert never changes what it reports on: it raises nothing, and takes some fifteen seconds at the most. One
that could not be delivered leaves a line in the ledger and a word at the terminal. The same outcome is told
once, however often it is found again: what was told last stands in `alerts/` of the home.
"""

from __future__ import annotations

import fcntl
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.alerts import delivery, message
from tasks.core import clock
from tasks.core.errors import ServiceError
from tasks.core.hashing import json_sha256
from tasks.core.home import Home, write_atomically
from tasks.core.upkeep import Alert, AlertEvent
from tasks.stores import registry
from tasks.stores.ledger import Ledger

if TYPE_CHECKING:
    from flows.outcome import Outcome
    from tasks.core.load import LoadedRecipe

Tell = Callable[[str], None]


def alert(
    loaded: LoadedRecipe,
    home: Home,
    event: AlertEvent,
    *,
    subject: str,
    reason: str,
    details: Mapping[str, Any] | None = None,
    version: str | None = None,
    once: str | None = None,
    topic: str | None = None,
    tell: Tell,
) -> list[str]:
    """Send an alert to every hook of the recipe that wants this event; gives the hooks that it did not reach.

    `subject` is a clause ("the run was stopped by volume"), `reason` one sentence, `details` names and numbers,
    never a value of a data row. With `once`, the id of what happened, it is sent only if the last alert on this
    topic (the event, where none is named) was about something else. A home whose things leave its folder for
    nobody sends nothing.
    """
    hooks = [(number, hook) for number, hook in enumerate(loaded.recipe.alerts) if event in hook.on]
    if not hooks or home.isolated:
        return []
    try:
        about = topic or event
        # Prefect may act twice on one event, at the same moment: whoever comes second finds it told.
        with _alone(home, loaded.recipe.name):
            if once is not None and _told(home, loaded.recipe.name).get(about) == once:
                return []
            composed = _composed(loaded, home, event, subject, reason, details, version)
            missed = _send(loaded, home, composed, hooks, tell)
            if once is not None:
                _note(home, loaded.recipe.name, about, once)
            return missed
    except Exception as error:  # noqa: BLE001 - a run that went well must not fail because telling about it did
        tell(f"{loaded.recipe.name}: the alert '{event}' could not be made ({type(error).__name__})")
        return [_label(number, hook) for number, hook in hooks]


def alert_outcome(loaded: LoadedRecipe, home: Home, outcome: Outcome, tell: Tell) -> list[str]:
    """Alert about a run that was stopped or rejected, once per outcome; after any other end the next stop is news."""
    gates = [gate["name"] for gate in outcome.payload["gates"] if gate["state"] in ("failed", "error")]
    named = f" by {', '.join(gates)}" if gates else ""
    if outcome.status == "rejected":
        decision = outcome.payload["decision"]
        version = outcome.payload["model"]["version"]
        return alert(
            loaded,
            home,
            "rejected",
            subject=f"a new model was rejected{named}",
            reason=outcome.reason,
            details={"version": version} if version else None,
            version=version,
            once=decision["id"] if decision else json_sha256([outcome.reason, gates]),
            tell=tell,
        )
    if outcome.status == "stopped":
        return alert_stop(loaded, home, f"the run was stopped{named}", outcome.reason, tell)
    settle(home, loaded.recipe.name, "stopped", tell)
    return []


def alert_stop(
    loaded: LoadedRecipe, home: Home, subject: str, reason: str, tell: Tell, *, topic: str = "stopped"
) -> list[str]:
    """Alert about work that could not be done, once as long as it fails for this reason, until `settle`."""
    once = json_sha256([subject, reason])
    return alert(loaded, home, "stopped", subject=subject, reason=reason, once=once, topic=topic, tell=tell)


def settle(home: Home, model: str, topic: str, tell: Tell) -> None:
    """Forget what was told on a topic: when it happens again, it is news."""
    try:
        if topic in _told(home, model):
            _note(home, model, topic, None)
    except OSError as error:
        tell(f"{model}: alerts/ of the home cannot be written ({error.strerror})")


def _composed(
    loaded: LoadedRecipe,
    home: Home,
    event: AlertEvent,
    subject: str,
    reason: str,
    details: Mapping[str, Any] | None,
    version: str | None,
) -> message.Message:
    model = loaded.recipe.name
    return message.compose(
        event,
        model,
        subject=subject,
        reason=reason,
        champion=_champion(home, model),
        time=clock.now().isoformat(timespec="seconds"),
        commands=message.commands_for(event, model, home=home.root, recipe=loaded.file, version=version),
        details=details,
    )


def _champion(home: Home, model: str) -> str | None:
    """Who is champion; what the ledger says where the registry is away, which may be why we are here."""
    try:
        return registry.champion_version(home, model)
    except ServiceError:
        return Ledger(home.ledger).champion(model)


def _send(
    loaded: LoadedRecipe, home: Home, composed: message.Message, hooks: list[tuple[int, Alert]], tell: Tell
) -> list[str]:
    failures = delivery.deliver([_sender(hook, loaded.folder) for _, hook in hooks], composed.body)
    missed = []
    for (number, hook), failure in zip(hooks, failures, strict=True):
        label = _label(number, hook)
        if failure is None:
            _to_prefect(f"alert '{composed.event}' delivered to {label}")
            continue
        missed.append(label)
        tell(f"{composed.model}: the alert '{composed.event}' did not reach {label}: {failure.reason}")
        body = {"event": composed.event, "kind": hook.kind, "position": number, "about": composed.reason}
        body |= {"attempts": failure.attempts, "reason": failure.reason}
        Ledger(home.ledger).append("alert", composed.model, body)
    return missed


def _sender(hook: Alert, folder: Path) -> delivery.Send:
    if hook.kind == "webhook":
        return partial(delivery.post, hook.url.get_secret_value())
    return partial(_start, hook.argv, folder)


def _start(argv: tuple[str, ...], folder: Path, body: Mapping[str, Any]) -> delivery.Failure | None:
    return delivery.start(argv, body, folder)


def _label(number: int, hook: Alert) -> str:
    """How a hook is named: by its place in the recipe, as its address may be a secret."""
    return f"alerts.{number} ({hook.kind})"


def _to_prefect(text: str) -> None:
    """A line in the log of the flow run we are in, if we are in one."""
    if "prefect" not in sys.modules:
        return
    from prefect.context import FlowRunContext
    from prefect.logging import get_run_logger

    if FlowRunContext.get() is not None:
        get_run_logger().info(text)


@contextmanager
def _alone(home: Home, model: str) -> Iterator[None]:
    """One process at a time; the kernel lets the next one in when this one ends, however it ends."""
    path = _marker(home, model).with_suffix(".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _told(home: Home, model: str) -> dict[str, str]:
    try:
        found = json.loads(_marker(home, model).read_text())
    except (FileNotFoundError, ValueError):  # nothing was told yet, or the file was damaged: telling twice is better
        return {}
    return {str(topic): str(once) for topic, once in found.items()} if isinstance(found, dict) else {}


def _note(home: Home, model: str, topic: str, once: str | None) -> None:
    told = {**_told(home, model), topic: once}
    write_atomically(_marker(home, model), json.dumps({name: value for name, value in told.items() if value}))


def _marker(home: Home, model: str) -> Path:
    return home.root / "alerts" / f"{model}.json"
