"""Registering deployments with a team's server: what `evergreen deploy` does."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from flows.deployments import Spec
from flows.server import QUIET, answers, known_url
from tasks.core.errors import RequestError, ServiceError
from tasks.core.home import Home

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient


def deploy(home: Home, specs: Sequence[Spec], pool: str | None = None) -> str:
    """Register deployments with the Prefect server that is known, and give its address.

    Raises:
        RequestError: there is no such work pool, or Prefect does not take a schedule.
        ServiceError: no server is known, or it does not answer.
    """
    url = known_url(home)
    if url is None:
        raise ServiceError(
            "There is no Prefect server to deploy to.",
            remedy="Start one with `evergreen up`, or set PREFECT_API_URL to a team's server.",
            code="prefect",
        )
    if not answers(url, seconds=5.0):
        raise ServiceError(f"The Prefect API at {url} does not answer.", remedy="Start that server.", code="prefect")
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    os.environ["PREFECT_HOME"] = str(home.prefect)
    home.prefect.mkdir(parents=True, exist_ok=True)
    asyncio.run(_register(url, specs, pool))
    return url


async def _register(url: str, specs: Sequence[Spec], pool: str | None) -> None:
    import httpx
    from prefect.client.orchestration import PrefectClient
    from prefect.exceptions import PrefectHTTPStatusError

    from flows.registration import keep_watch, register

    try:
        async with PrefectClient(url, **_credentials()) as client:
            if pool is not None:
                await _check_pool(client, pool)
            for spec in specs:
                await register(client, spec, pool)
            await keep_watch(client)
    except PrefectHTTPStatusError as error:
        status = error.response.status_code
        raise ServiceError(
            f"The Prefect API at {url} refused ({status}).",
            remedy="Set PREFECT_API_AUTH_STRING or PREFECT_API_KEY." if status in (401, 403) else "See its log.",
            code="prefect",
        ) from error
    except httpx.TransportError as error:
        raise ServiceError(
            f"The Prefect API at {url} stopped answering ({type(error).__name__}).",
            remedy="Deploy again when it is back: what was registered is kept.",
            code="prefect",
        ) from error


def _credentials() -> dict[str, Any]:
    given = {"auth_string": os.environ.get("PREFECT_API_AUTH_STRING"), "api_key": os.environ.get("PREFECT_API_KEY")}
    return {name: value for name, value in given.items() if value}


async def _check_pool(client: PrefectClient, pool: str) -> None:
    from prefect.exceptions import ObjectNotFound

    try:
        await client.read_work_pool(pool)
    except ObjectNotFound:
        known = sorted(found.name for found in await client.read_work_pools())
        raise RequestError(
            f"--pool: the Prefect server has no work pool '{pool}'.",
            remedy=f"Known: {', '.join(known)}." if known else f"Make it: prefect work-pool create {pool}.",
            code="pool",
        ) from None
