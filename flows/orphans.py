"""Runs started by hand whose process died: Prefect would show them as running for ever, so the next run ends them.

A run that a deployment started is watched by its runner, and one under a server with our automations by its
heartbeat. What is left is a run at somebody's desk. It notes its flow run beside the model's lease; who holds the
lease next and still finds the note knows that the process is gone, because the kernel gave the lease back.
And a run within a run: its runner knows the outer one only, which ends it when it is started again.
"""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flows.events import headers
from tasks.core.home import Home, write_atomically

ASK_SECONDS = 3.0
UNENDED = ("RUNNING", "PENDING")
MESSAGE = "Its process ended without a word. What it had done is kept: the next run goes on from there."


def note(home: Home, model: str) -> None:
    """Write down the flow run we are in; to be called under the model's lease, until `forget` once it has ended.

    A run within another flow run is not noted: whoever watches that one starts it again under the same id.
    """
    from prefect import runtime

    if runtime.flow_run.parent_flow_run_id is None:
        write_atomically(_file(home, model), json.dumps({"flow_run": str(runtime.flow_run.id)}))


def forget(home: Home, model: str) -> None:
    """The flow run has come to its end, whichever."""
    _file(home, model).unlink(missing_ok=True)


def settle(home: Home, model: str, url: str, tell: Callable[[str], None]) -> None:
    """Mark a flow run whose process died as crashed, on the server at `url`; to be called under the model's lease.

    Nothing depends on it: where the server does not know the run or does not answer, it is left as it is.
    """
    try:
        flow_run = json.loads(_file(home, model).read_text())["flow_run"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    try:
        if _ask("GET", f"{url}/flow_runs/{flow_run}")["state_type"] in UNENDED:
            _crash(url, flow_run)
            tell(f"{model}: an earlier run died; Prefect shows it as crashed now")
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
        return
    finally:
        forget(home, model)


def settle_parts(flow_run: str, url: str, tell: Callable[[str], None]) -> None:
    """Mark what a flow run had started within itself as crashed; to be called where it is started once more.

    Nothing depends on it: where the server does not answer, its automation for silent runs ends them later.
    """
    wanted = {"parent_flow_run_id": {"any_": [flow_run]}, "state": {"type": {"any_": list(UNENDED)}}}
    try:
        for part in _ask("POST", f"{url}/flow_runs/filter", {"flow_runs": wanted}):
            _crash(url, part["id"])
            tell(f"Prefect shows {part['name']} of the attempt before as crashed now")
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException) as error:
        tell(f"what the attempt before had started could not be ended on Prefect's pages ({type(error).__name__})")


def _crash(url: str, flow_run: str) -> None:
    crashed = {"type": "CRASHED", "name": "Crashed", "message": MESSAGE}
    _ask("POST", f"{url}/flow_runs/{flow_run}/set_state", {"state": crashed, "force": True})


def _file(home: Home, model: str) -> Path:
    return home.lease(model).with_suffix(".run")


def _ask(method: str, address: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, headers(), method=method)  # noqa: S310 - http only
    for pause in (0.5, 1.0, None):
        try:
            with urllib.request.urlopen(request, timeout=ASK_SECONDS) as answer:  # noqa: S310 - http only
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            # A server whose database is busy says so; any other answer is final.
            if error.code != 503 or pause is None:
                raise
            time.sleep(pause)
    raise AssertionError("the last try gives or raises")
