"""Ends every `evergreen up` that a test started, however the test went."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.up.serving import Up


def end_all(started: list[Up]) -> None:
    for up in started:
        if up.process.poll() is None:
            up.process.send_signal(signal.SIGTERM)
            try:
                up.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                up.process.kill()
                up.process.wait()


@pytest.fixture
def started() -> Iterator[list[Up]]:
    """Put every `up` of a test in here."""
    kept: list[Up] = []
    yield kept
    end_all(kept)


@pytest.fixture(scope="module")
def kept() -> Iterator[list[Up]]:
    """Put every `up` in here that the tests of a module share."""
    shared: list[Up] = []
    yield shared
    end_all(shared)
