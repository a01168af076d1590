"""Monitoring: do the newest rows still look as the champion knew them? Read `_look` for what happens, in order.

Everything up to the trigger in the ledger needs no server. Where one is known, the same steps run as a Prefect
flow, and a confirmed drift is announced there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows import alerting, events, monitored
from flows.monitored import Monitored, Order
from flows.server import PrefectApi, answers, known_url
from tasks.core.blocks import Custom
from tasks.core.errors import ServiceError
from tasks.core.hashing import file_sha256
from tasks.core.home import Home
from tasks.core.load import LoadedRecipe, claim
from tasks.ingest import fresh
from tasks.monitor import record
from tasks.stage import untagged
from tasks.stores import datasets
from tasks.stores.journal import Journal
from tasks.stores.lease import Holder, hold
from tasks.stores.ledger import Entry
from tasks.stores.triggers import Trigger

if TYPE_CHECKING:
    import pandas as pd

    from tasks.monitor.reference import Reference
    from tasks.monitor.verdict import Verdict
    from tasks.monitor.window import Window

Tell = Callable[[str], None]
Step = Callable[[str, Callable[[], Any]], Any]
"""Carries out one named step and gives what it gave."""


def monitor(loaded: LoadedRecipe, home: Home, *, data: Path | None = None, tell: Tell) -> Monitored:
    """Judge the newest rows against the champion, enter the verdict, and ask for a retraining where it is due.

    Inside a flow run the steps become tasks of it; else they get a flow run of their own where a server is known.

    Raises:
        RequestError: there is no champion, or the rows cannot be read or lack a column.
        GateError: files of the champion or its dataset are not those that were registered.
        ServiceError: registry or ledger do not answer; or the Prefect server that is known does not, and then
            the verdict stands in the ledger all the same.
    """
    claim(home, loaded, write=False)
    name = loaded.recipe.name
    if data is not None:
        fresh.kind_of(data)
    order = Order(loaded, home, record.champion_of(home, name, str(loaded.file)), data)
    url = known_url(home)

    def waiting(holder: Holder) -> None:
        tell(f"{name}: waiting for {holder}")

    with hold(home, f"{name}.monitor", "monitor", on_wait=waiting):
        if _within_flow():
            return _published(_look(order, _as_task, tell))
        if url is not None and answers(url):
            with PrefectApi(home):
                return _in_prefect(order, tell)
        found = _look(order, lambda title, work: work(), tell)
    if url is None:
        return found
    kept = "the verdict stands in the ledger" if found.line else "there was nothing to judge"
    raise ServiceError(
        f"The Prefect API at {url} does not answer; {kept}.",
        remedy=f"Start that server, or unset PREFECT_API_URL; see `evergreen history {name}`.",
        code="prefect",
    )


def _look(order: Order, step: Step, tell: Tell) -> Monitored:
    """What happens, in which order."""
    owed = record.settle(order.home, order.name)
    lines = record.drift_lines(order.home, order.name)
    known = _judged_file(order, lines)
    for trigger in owed:
        if known is None or trigger.evidence != known.hash:
            _deliver(order, trigger, tell)
    late = owed[-1] if owed else None
    if known is not None:
        return _followed_up(order, known, tell, repeated=True)
    if _nothing_to_read(order, lines):
        return Monitored(order, None, monitored.NOTHING, trigger=late)
    return _compared(order, lines, late, step, tell)


def _compared(order: Order, lines: list[Entry], late: Trigger | None, step: Step, tell: Tell) -> Monitored:
    """The newest rows against the champion's; `late` is a trigger that was owed since an earlier look."""
    from tasks.monitor.reference import open_reference
    from tasks.monitor.reports import draw_pictures, has_pictures, write_report
    from tasks.monitor.verdict import judge

    reference = step("champion", lambda: open_reference(order.home, order.name, order.champion))
    window = step("window", lambda: _window(order, reference, lines))
    if window.empty:
        return Monitored(order, None, monitored.NOTHING, trigger=late)
    known = "with a label it has not seen" if reference.target is not None else "that it has not seen"
    tell(f"{order.name}: looking at {len(window.rows):,} rows, {len(window.labelled):,} {known}")
    earlier = record.detections(lines, window.fingerprint, order.champion, window.origin)
    verdict = step("judge", lambda: judge(order.loaded.recipe, order.home, reference, window, earlier))
    if not verdict.judged:
        return Monitored(order, None, verdict.reason, trigger=late, window=window.summary)
    step("report", lambda: write_report(order.home, order.loaded.recipe, reference, window, verdict))
    entered: Monitored = step("record", lambda: _entered(order, window, verdict, tell))
    if has_pictures(window, verdict):
        tell(f"{order.name}: drawing every column …")
        step("pictures", lambda: draw_pictures(order.home, reference, window, verdict))
    return entered


def _judged_file(order: Order, lines: list[Entry]) -> Entry | None:
    """The verdict on the named file, if it was looked at before."""
    if order.data is None:
        return None
    return record.line_of(lines, order.identity(file_sha256(order.data)))


def _nothing_to_read(order: Order, lines: list[Entry]) -> bool:
    """Whether neither source nor journal have changed, which is told without reading a table."""
    # A reader of one's own may read what no fingerprint knows, so it is asked every time.
    if order.data is not None or isinstance(order.loaded.recipe.data.reader, Custom):
        return False
    if fresh.source_changed(order.home, order.loaded):
        return False
    return not Journal(order.home.journal).since(order.name, order.champion, record.journal_seen(lines))


def _window(order: Order, reference: Reference, lines: list[Entry]) -> Window:
    """The file that was named, else the source's new rows, else what the champion has said since."""
    from tasks.monitor.window import held_rows, of_file, of_journal, of_source

    reader, time = order.loaded.recipe.data.reader, order.loaded.recipe.data.time
    if order.data is not None:
        rows = _identified(order, reference, fresh.read_file(order.data, order.loaded))
        return of_file(rows, file_sha256(order.data), reference, time, str(order.data))
    if isinstance(reader, Custom) or fresh.source_changed(order.home, order.loaded):
        rows = _identified(order, reference, fresh.read_source(order.loaded))
        held = held_rows(order.home, order.name, lines)
        window = of_source(rows, held, reference, time, f"{order.loaded.file}, data.reader")
        if not window.empty:
            return window
    return of_journal(order.home, order.name, order.champion, record.journal_seen(lines))


def _identified(order: Order, reference: Reference, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with ids; those of the newest dataset, unless the champion's told its rows apart by something else."""
    head = datasets.head(order.home, order.name)
    version = reference.dataset
    if head is not None:
        newest, own = (
            datasets.version_info(order.home, order.name, number).manifest.identity
            for number in (head.version, reference.dataset)
        )
        version = head.version if newest["id"] == own["id"] else version
    return fresh.identified(order.home, order.name, version, rows)


def _entered(order: Order, window: Window, verdict: Verdict, tell: Tell) -> Monitored:
    """The line, then the trigger, then its delivery."""
    from tasks.monitor.window import keep_rows

    keep_rows(order.home, order.name, window, drift=verdict.drift.judged, performance=verdict.measured)
    about = {"settings": order.settings, "champion": order.champion}
    line = record.record(order.home, order.name, {**about, "window": window.summary, **verdict.body})
    return _followed_up(order, line, tell)


def _followed_up(order: Order, line: Entry, tell: Tell, *, repeated: bool = False) -> Monitored:
    trigger = record.trigger_of(order.home, line)
    announced = trigger is not None and _deliver(order, trigger, tell)
    return Monitored(order, line, line.body["reason"], repeated, trigger, announced, line.body["window"])


def _deliver(order: Order, trigger: Trigger, tell: Tell) -> bool:
    """Tell people and the server of a trigger on which nobody has acted; whether the server took it."""
    if trigger.state != "pending":
        return False
    recipe, line = str(order.loaded.file), record.line_behind(order.home, trigger)
    announced = events.announce(order.home, trigger, recipe)
    subject = "drift is confirmed" if trigger.cause == "drift" else "the champion does worse than it did"
    details = monitored.details(line.body) if line is not None else None
    alerting.alert(
        order.loaded,
        order.home,
        "drifted",
        subject=subject,
        reason=trigger.reason,
        details=details,
        version=order.champion,
        once=trigger.id,
        tell=tell,
    )
    return announced


def _within_flow() -> bool:
    if "prefect" not in sys.modules:
        return False
    from prefect.context import FlowRunContext

    return FlowRunContext.get() is not None


def _as_task(title: str, work: Callable[[], Any]) -> Any:
    """A step as a Prefect task: what it gave stays here, Prefect only learns how it went."""
    from prefect import task
    from prefect.cache_policies import NO_CACHE

    given: list[Any] = []

    @task(name=title, task_run_name=title, cache_policy=NO_CACHE, persist_result=False, log_prints=False)
    def perform() -> None:
        given.append(work())

    untagged(perform)()
    return given[0]


def _in_prefect(order: Order, tell: Tell) -> Monitored:
    """The same steps as one Prefect flow run."""
    from prefect import flow

    found: list[Monitored] = []

    @flow(name="monitor", flow_run_name=order.name, persist_result=False)
    def run(recipe: str, data: str | None) -> Any:
        found.append(_published(_look(order, _as_task, tell)))
        return monitored.state_of(found[0])

    run(str(order.loaded.file), order.data.name if order.data else None)
    return found[0]


def _published(found: Monitored) -> Monitored:
    monitored.publish(found)
    return found
