"""A real HTTP receiver on a free port, which notes what it gets and answers as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

SECRET = "planted-token-5f3c9a"


class Receiver:
    """What was posted, and what is answered: the next of `answers`, then 200; after `delay` seconds."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.delay = 0.0
        self.posts: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.types: list[str] = []
        self.times: list[float] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                receiver.times.append(time.monotonic())
                receiver.posts.append(json.loads(self.rfile.read(length)))
                receiver.paths.append(self.path)
                receiver.types.append(self.headers["Content-Type"])
                time.sleep(receiver.delay)
                status = receiver.answers.pop(0) if receiver.answers else 200
                self.send_response(status)
                if status in (301, 302):
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks/{SECRET}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Stop listening: whoever posts now is refused."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that answers."""
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def dead_url() -> str:
    """An address where nothing listens."""
    made = Receiver()
    made.close()
    return made.url


@pytest.fixture
def secret() -> str:
    """What the receiver's address holds and nothing else may show."""
    return SECRET


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Any]:
    """A function that gives a loaded recipe with these hooks, in a folder of its own."""
    from tasks.core.load import load_recipe

    folder = tmp_path / "claims"

    def make(*hooks: dict[str, Any], **fields: Any) -> Any:
        folder.mkdir(exist_ok=True)
        data = {"reader": {"kind": "csv", "path": "rows.csv"}, "target": "outcome"}
        values = {"name": "claims", "problem": "classification", "data": data, "alerts": list(hooks), **fields}
        (folder / "recipe.yaml").write_text(json.dumps(values))
        return load_recipe(str(folder))

    return make
