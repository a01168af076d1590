"""The process that carries out what schedules, events and people start on the server of `up`.

It keeps the deployments what the recipes say, brings what was left undone back on its way, and lets Prefect's
runner start each flow run as a process of its own. Started by `flows/up.py`; it dies with it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from flows.deliveries import Mailbox, bring_back
from flows.deployments import Spec, find_recipes, recipe_files, specs
from flows.registration import keep_watch, register, retire
from flows.scheduled import RUNNER
from flows.server import answers, follow
from tasks.core.errors import RequestError
from tasks.core.home import Home, open_home, write_atomically

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.runner import Runner

UP = "EVERGREEN_UP"
"""Set by `up`: its process id."""
POLL_SECONDS = 1.0
"""How often the server is asked for runs that are due."""
LOOK_SECONDS = 3.0
"""How often recipes and pending triggers are looked at."""
AT_ONCE = 10
"""Flow runs at one time; those that wait for a model's lease count."""


class Registrar:
    """Keeps the deployments on the server what the recipes say."""

    def __init__(self, home: Home, folder: Path, client: PrefectClient, runner: Runner) -> None:
        self._home, self._folder, self._client, self._runner = home, folder, client, runner
        self._seen: Any = None
        self.deployments: dict[str, UUID] = {}
        """By name, as flow/recipe."""

    async def look(self) -> None:
        """Register what is new or has changed since the last look, and say in `runner.json` what is served."""
        seen = _fingerprint(self._home, self._folder)
        if seen == self._seen:
            return
        found = find_recipes(self._home, self._folder)
        served, problems = [], list(found.problems)
        deployments: dict[str, UUID] = {}
        for loaded in found.recipes:
            try:
                deployments |= {spec.name: await self._register(spec) for spec in specs(loaded, self._home)}
                served.append(loaded.recipe.name)
            except RequestError as error:
                problems.append(str(error))
        await retire(self._client, deployments.values())
        self.deployments, self._seen = deployments, seen
        announce(self._home, served, problems)

    async def _register(self, spec: Spec) -> UUID:
        identity = await register(self._client, spec)
        # Prefect's runner takes anything that can be applied: it only has to learn the id.
        await self._runner.aadd_deployment(cast("Any", _Registered(spec.name, identity)))
        return identity


class _Registered:
    """A deployment that is on the server already, as Prefect's runner takes one."""

    storage = None

    def __init__(self, name: str, identity: UUID) -> None:
        self.name, self._identity = name, identity

    async def aapply(self) -> UUID:
        return self._identity


def announce(home: Home, served: list[str], problems: list[str]) -> None:
    """Say which recipes are served and which cannot be, for `up` to read."""
    content = {"pid": os.getpid(), "recipes": served, "problems": problems}
    write_atomically(home.prefect / "runner.json", json.dumps(content))


def _fingerprint(home: Home, folder: Path) -> Any:
    """Changes when a recipe comes, goes or is written."""
    facts = []
    for file in recipe_files(home, folder):
        status = file.stat()
        facts.append((str(file), status.st_mtime_ns, status.st_size))
    return facts


async def serve(home: Home, folder: Path) -> None:
    """Register, bring back what was left, then carry out what is due until the process is ended."""
    import anyio
    from prefect.client.orchestration import get_client
    from prefect.runner import Runner

    runner = Runner(name="evergreen", query_seconds=POLL_SECONDS, limit=AT_ONCE, pause_on_shutdown=False)
    async with get_client() as client:
        await keep_watch(client)
        registrar = Registrar(home, folder, client, runner)
        # What an earlier runner left is mended before new work can be mistaken for it.
        await bring_back(client)
        await registrar.look()
        mailbox = Mailbox(home)
        async with anyio.create_task_group() as group:
            group.start_soon(runner.start)
            while True:
                await _once(registrar, mailbox, client)
                await anyio.sleep(LOOK_SECONDS)


async def _once(registrar: Registrar, mailbox: Mailbox, client: PrefectClient) -> None:
    import httpx
    from prefect.exceptions import PrefectHTTPStatusError

    try:
        await registrar.look()
        await mailbox.deliver(client, registrar.deployments)
    except (httpx.TransportError, PrefectHTTPStatusError, OSError) as error:
        # The server is being started again, or a file is being written: the next look comes soon.
        logging.getLogger(__name__).warning("%s: %s", type(error).__name__, error)


def main(home: str, folder: str) -> None:
    """Serve one home until the process is ended."""
    follow(int(os.environ[UP]))
    os.environ[RUNNER] = str(os.getpid())
    # While the server boots, Prefect and the flows have been imported.
    while not answers(os.environ["PREFECT_API_URL"]):
        time.sleep(0.2)
    asyncio.run(serve(open_home(home), Path(folder)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
