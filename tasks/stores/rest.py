"""MLflow's REST interface, read with the standard library alone.

Part of the MLflow door (`tasks/stores/runs.py`).
"""

from __future__ import annotations

import base64
import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

from tasks.core.errors import ServiceError

_TIMEOUT_SECONDS = 5.0


def registered_model(server: str, name: str) -> dict[str, Any]:
    """A registered model with its aliases and tags; empty where there is none.

    Raises:
        ServiceError: the server does not answer.
    """
    return dict(get(server, "registered-models/get", {"name": name}).get("registered_model", {}))


def model_versions(server: str, name: str) -> Iterator[dict[str, Any]]:
    """Every version of a registered model.

    Raises:
        ServiceError: the server does not answer.
    """
    query = {"filter": f"name='{name}'", "max_results": "1000"}
    while True:
        page = get(server, "model-versions/search", query)
        yield from page.get("model_versions", [])
        if not page.get("next_page_token"):
            return
        query["page_token"] = page["next_page_token"]


def get(server: str, path: str, query: dict[str, str]) -> dict[str, Any]:
    """One answer; empty where the server says that the thing does not exist.

    Raises:
        ServiceError: the server does not answer in time, or answers with an error.
    """
    url = f"{shown(server).rstrip('/')}/api/2.0/mlflow/{path}?{urllib.parse.urlencode(query)}"
    # Only http and https addresses get here (address.is_http).
    request = urllib.request.Request(url, headers=_authorization(server))  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
            return dict(json.loads(answer.read()))
    except urllib.error.HTTPError as error:
        if error.code == 404 and b"RESOURCE_DOES_NOT_EXIST" in error.read():
            return {}
        raise _silent(server, f"answered {error.code} {error.reason}") from error
    except (OSError, ValueError) as error:
        raise _silent(server, f"did not answer ({getattr(error, 'reason', None) or error})") from error


def shown(address: str) -> str:
    """An address without the user and password it may hold."""
    return re.sub(r"//[^/@]*@", "//", address)


def _silent(server: str, what: str) -> ServiceError:
    return ServiceError(
        f"The tracking server {shown(server)} {what}.",
        remedy="Start it, or correct MLFLOW_TRACKING_URI.",
        code="tracking",
    )


def _authorization(server: str) -> dict[str, str]:
    """The header for the user named in the address, else for the one named in MLflow's variables."""
    parts = urllib.parse.urlsplit(server)
    user, password = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
    if parts.username:
        user, password = urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or "")
    if user:
        pair = f"{user}:{password or ''}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}
