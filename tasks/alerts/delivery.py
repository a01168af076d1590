"""Getting an alert to a hook: an HTTP POST or a program, with a limit on time and a reason where it fails.

Neither an address nor an argument is ever repeated in what is given back: both may hold a secret. Libraries
put the address into the text of their exceptions and into their debug log, so the first is replaced by words
of our own and the second is kept quiet.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TRIES = 3
TRY_SECONDS = 3.0
"""How long one POST may take to connect, and again to be answered."""
FIRST_PAUSE = 0.5
"""Seconds before the second try; each further pause is twice as long."""
PROGRAM_SECONDS = 10.0
LIMIT_SECONDS = 11.0
"""How long all hooks of an alert may take together, whatever each of them does."""


@dataclass(frozen=True)
class Failure:
    """An alert that did not get through."""

    attempts: int
    reason: str
    """A clause without address or arguments."""


Send = Callable[[Mapping[str, Any]], Failure | None]
"""Brings a body to one hook; None where it arrived."""


def post(
    url: str, body: Mapping[str, Any], *, tries: int = TRIES, timeout: float = TRY_SECONDS, pause: float = FIRST_PAUSE
) -> Failure | None:
    """POST a JSON body until it is accepted (2xx).

    A server that cannot be reached, is too slow or answers 5xx is tried again; any other answer is final.
    A redirection counts as a refusal: a POST would arrive at the other address as a GET.
    """
    reason, attempts = "", 0
    while attempts < tries:
        if attempts:
            time.sleep(pause * 2 ** (attempts - 1))
        attempts += 1
        status, reason = _post_once(url, body, timeout)
        if status is not None and 200 <= status < 300:
            return None
        if status is not None and status < 500:
            break
    return Failure(attempts, reason)


def start(
    argv: Sequence[str], body: Mapping[str, Any], folder: Path, *, timeout: float = PROGRAM_SECONDS
) -> Failure | None:
    """Start a program in `folder`, without a shell, with the body as JSON on its standard input; wait for its end.

    Tried once: a program that failed half-way may have told somebody already. What it prints is thrown away.
    One that takes too long is killed with all it started.
    """
    try:
        process = subprocess.Popen(
            list(argv),
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in an argument
        return Failure(1, f"the program could not be started ({type(error).__name__})")
    try:
        process.communicate(json.dumps(body).encode(), timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return Failure(1, f"the program did not end within {timeout:g} s")
    return Failure(1, f"the program ended with status {process.returncode}") if process.returncode else None


def deliver(hooks: Sequence[Send], body: Mapping[str, Any], *, within: float = LIMIT_SECONDS) -> list[Failure | None]:
    """Bring one body to every hook at the same time; never raises, and never takes much longer than `within` seconds.

    A hook that is still busy then counts as failed, although it may yet arrive.
    """
    found: list[Failure | None] = [Failure(1, f"it took longer than {within:g} s") for _ in hooks]

    def send(position: int) -> None:
        try:
            found[position] = hooks[position](body)
        except Exception as error:  # noqa: BLE001 - an alert that fails in an unforeseen way must not end the run
            found[position] = Failure(1, f"it failed with {type(error).__name__}")

    threads = [threading.Thread(target=send, args=(position,), daemon=True) for position in range(len(hooks))]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + within
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return list(found)


def _post_once(url: str, body: Mapping[str, Any], timeout: float) -> tuple[int | None, str]:
    """The status of one POST, None where there was no answer, and that in words."""
    import requests

    with _quiet("urllib3"):
        try:
            # Streamed, so that a receiver that never ends its answer is not waited for.
            with requests.post(url, json=dict(body), timeout=timeout, allow_redirects=False, stream=True) as answer:
                return answer.status_code, f"it answered {answer.status_code}"
        except requests.Timeout:
            return None, f"it did not answer within {timeout:g} s"
        except requests.ConnectionError:
            return None, "it could not be reached"
        except requests.RequestException as error:
            # An address that cannot be used: no other try would find it better.
            return 0, f"its address cannot be used ({type(error).__name__})"


@contextlib.contextmanager
def _quiet(library: str) -> Iterator[None]:
    """Keep what a library logs in this thread, addresses among it, out of every log."""
    here = threading.get_ident()
    loggers = [logging.getLogger(f"{library}.connectionpool"), logging.getLogger(f"{library}.util.retry")]

    def elsewhere(record: logging.LogRecord) -> bool:
        return record.thread != here

    for logger in loggers:
        logger.addFilter(elsewhere)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(elsewhere)
