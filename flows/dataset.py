"""The data of a command that trains by itself: brought in and judged by the stages of a run, without a server."""

from __future__ import annotations

from flows.engine import Execution
from flows.outcome import Outcome, outcome_of, stopped_by_service
from flows.training import Order, Tell, lease, note_stop, plan_of, walk
from tasks.core import results
from tasks.core.contracts import Versioned, from_json
from tasks.core.errors import EvergreenError, RequestError, ServiceError
from tasks.core.home import Home
from tasks.core.load import LoadedRecipe, claim


def bring_in(loaded: LoadedRecipe, home: Home, tell: Tell) -> Outcome:
    """Ingest, validate and version, or use what these gave again, under the model's lease.

    What a gate says is the same as in a run, and so is the cache; nothing is shown in Prefect, which is asked for a
    flow run when something is to be promoted. A gate that says no, or a service that is away, ends in an outcome.

    Raises:
        RequestError: something a person has to change, as named by the stage that found it.
    """
    claim(home, loaded)
    order = Order(loaded, home, until="version")
    with lease(order, tell):
        try:
            execution = Execution(loaded, home, plan_of(order))
        except ServiceError as error:
            return stopped_by_service(loaded.recipe.name, error)
        try:
            walk(order, execution, lambda stage, *inputs: execution.carry_out(stage, *inputs).value)
        except RequestError:
            raise
        except EvergreenError as error:
            note_stop(order, error)
            return outcome_of(execution, error)
        return outcome_of(execution)


def dataset_version(home: Home, name: str, outcome: Outcome) -> Versioned:
    """What the stage `version` gave in an order that came as far as that, whoever has run since."""
    wanted = outcome.payload["dataset"]["version"]
    records = results.every(home, name, "version")
    record = next(record for record in records if record.output["version"] == wanted)
    versioned: Versioned = from_json(Versioned, record.output)
    return versioned
