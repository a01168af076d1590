"""Processes that belong together: started again when they die, and none left behind, whoever is killed."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before a dead process is started again: doubled with each death in a row."""
STEADY_SECONDS = 60.0
"""One that lived so long is healthy: its next death is a first one."""


@dataclass
class Child:
    """One process of the family."""

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    patience: float = 4.0
    """Seconds it is given to end by itself."""
    process: subprocess.Popen[bytes] | None = None
    deaths: int = 0
    """In a row."""
    restarts: int = 0
    since: float = 0.0
    """When it was started (monotonic clock) …"""
    due: float = 0.0
    """… or is to be."""

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None


def pause_after(deaths: int) -> float:
    """Seconds to wait after so many deaths in a row."""
    return float(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** max(0, deaths - 1)))


@dataclass
class Family:
    """Children in the order they are started; they are stopped in the opposite order."""

    children: Sequence[Child]
    tell: Callable[[str], None] = field(default=lambda text: None)

    def __enter__(self) -> Family:
        adopt_orphans()
        for child in self.children:
            _start(child)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def tend(self) -> None:
        """Look after everybody once: note who died, start again who is due."""
        for child in self.children:
            if child.process is not None and not child.alive:
                self._bury(child)
            if child.process is None and time.monotonic() >= child.due:
                _start(child)
                child.restarts += 1
                self.tell(f"{child.name} is started again")

    def _bury(self, child: Child) -> None:
        assert child.process is not None
        steady = time.monotonic() - child.since > STEADY_SECONDS
        child.deaths = 1 if steady else child.deaths + 1
        wait = pause_after(child.deaths)
        self.tell(f"{child.name} {_how_it_ended(child.process.returncode)}; it is started again in {wait:g} s")
        child.process, child.due = None, time.monotonic() + wait
        # What it had started would keep its port or its files.
        self.end_orphans()

    def stop(self) -> None:
        """End everybody: the last one started first, politely, then for good; orphans too."""
        for child in reversed(self.children):
            if child.alive and child.process is not None:
                child.process.send_signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.process.wait(timeout=child.patience)
        for child in self.children:
            if child.alive and child.process is not None:
                child.process.kill()
                child.process.wait()
            child.process = None
        self.end_orphans()

    def end_orphans(self) -> None:
        """Kill the descendants whose parents are gone, until none is left."""
        deadline = time.monotonic() + 5.0
        while time.monotonic() < deadline:
            known = {child.process.pid for child in self.children if child.process is not None}
            orphans = [pid for pid in _children() if pid not in known]
            if not orphans:
                return
            for pid in orphans:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
            time.sleep(0.02)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parents die (Linux only; elsewhere nothing), see prctl(2)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER


def _start(child: Child) -> None:
    child.process, child.since = child.start(), time.monotonic()


def _how_it_ended(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
    return f"ended with {code}"


def _children() -> list[int]:
    """Process ids of our direct children, adopted ones included."""
    found: list[int] = []
    for task in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread has just ended
            found += [int(word) for word in task.read_text().split()]
    return found
