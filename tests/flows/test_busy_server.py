"""A Prefect server that is away or busy for a moment is named as such; tasks ask it for nothing they can do without."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from flows.server import comes_from
from tasks.stage import untagged


@pytest.fixture
def serving() -> Iterator[Callable[[int], str]]:
    """A function that gives the address of a server whose every answer has this status."""
    servers = []

    def serve(status: int) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/api"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def error_of(url: str) -> Exception:
    """What a client of Prefect makes of an answer, wrapped as its libraries wrap it."""
    import httpx

    try:
        try:
            httpx.get(f"{url}/health").raise_for_status()
        except httpx.HTTPError as error:
            raise RuntimeError("Unable to acquire concurrency slots") from error
    except RuntimeError as error:
        return error
    raise AssertionError("no error")


@pytest.mark.parametrize(("status", "blamed"), [(503, True), (500, True), (404, False), (409, False)])
def test_a_busy_server_is_blamed_and_a_refusal_is_ours(
    serving: Callable[[int], str], status: int, blamed: bool
) -> None:
    url = serving(status)
    assert comes_from(url, error_of(url)) is blamed
    assert not comes_from("http://127.0.0.1:1/api", error_of(url)), "another server's error"


def test_a_server_that_is_away_is_blamed_and_other_errors_are_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/api"
    assert comes_from(url, error_of(url))
    assert not comes_from(url, ValueError("ours"))


def test_a_task_asks_no_leave_for_the_tags_of_its_run() -> None:
    from prefect import tags
    from prefect.context import TagsContext

    with tags("evergreen", "claims"):
        assert untagged(lambda: TagsContext.get().current_tags)() == set()
        assert TagsContext.get().current_tags == {"evergreen", "claims"}
