"""One Prefect server for all tests of flows that need one."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a real Prefect server of this session; the environment stays as it was."""
    from flows.server import PrefectApi
    from tasks.core.home import open_home

    before = dict(os.environ)
    with PrefectApi(open_home(str(tmp_path_factory.mktemp("prefect") / "home"))) as api:
        api.wait()
        os.environ.clear()
        os.environ.update(before)
        yield api.url
