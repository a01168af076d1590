"""What a command gives back and how it reaches the terminal: one JSON object, or text for people."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

import click

from tasks.core.contracts import to_json
from tasks.core.home import Home


@dataclass(frozen=True)
class Answer:
    """What a command found or did.

    `payload` becomes the JSON object; it holds `status` and what CONTRACT names for the command.
    `command` and `seconds` are added by `main`. `text` is the same for people. `exit_code` is 0, or 3
    where the answer itself is a no (a gate said no, a hash differs).
    """

    payload: Mapping[str, Any]
    text: str = ""
    exit_code: int = 0


@dataclass
class Invocation:
    """The options every command takes, before or after its name."""

    home: str | None = None
    """`--home`, as typed."""
    json: bool = False
    """`--json`: one JSON object on stdout, everything else on stderr."""
    opened: list[Home] = field(default_factory=list)

    def open_home(self) -> Home:
        """The home, made if it does not exist; opened once per command.

        Raises:
            RequestError: it cannot be used (see `tasks/core/home.py`).
        """
        if not self.opened:
            from tasks.core.home import open_home

            self.opened.append(open_home(self.home))
        return self.opened[0]


pass_invocation = click.make_pass_decorator(Invocation)
"""Gives a command's function the `Invocation` as its first argument."""


@contextlib.contextmanager
def chatter_on_stderr() -> Iterator[None]:
    """Send what libraries print, even from C, to stderr: stdout carries the answer and nothing else."""
    flush(sys.stdout)
    try:
        saved = os.dup(1)
        os.dup2(2, 1)
    except OSError:  # stdout or stderr was closed by the caller: there is nothing to keep clean
        with contextlib.redirect_stdout(sys.stderr):
            yield
        return
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)


@contextlib.contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Let SIGTERM end a command as Ctrl-C does: servers are stopped and temporary folders removed on the way out."""
    usual = signal.getsignal(signal.SIGTERM)
    if usual is not signal.SIG_DFL or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, usual)


def flush(stream: TextIO | None) -> None:
    """Empty a stream's buffer, if it is still there to be emptied."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        stream.flush()  # type: ignore[union-attr]


def plain(value: Any) -> Any:
    """Plain JSON values: contracts become objects, and NaN and infinities, which JSON lacks, null."""
    value = to_json(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_json(payload: Mapping[str, Any]) -> None:
    """Print one JSON object on stdout."""
    write(json.dumps(plain(dict(payload)), indent=2, allow_nan=False, default=str))


def write(text: str, *, to_stderr: bool = False) -> None:
    """Print text; colours are dropped for NO_COLOR, dumb terminals and files; a reader that left is no error."""
    colour = False if "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb" else None
    try:
        click.echo(text, err=to_stderr, color=colour)
    except BrokenPipeError:
        # `evergreen … | head`: Python would complain once more while closing stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2 if to_stderr else 1)


def note(text: str) -> None:
    """Tell the person at the desk something while a command works (stderr)."""
    write(text, to_stderr=True)


class Ticker:
    """Progress of a long command on stderr: at a terminal one bar that is redrawn, elsewhere one line each.

    Takes lines like `train  40% epoch 12, …`, and any other line as it is. A drawn bar is wiped when the
    next plain line comes, so that what stays on the screen is the same as in a log.
    """

    WIDTH = 24

    def __init__(self) -> None:
        self._live = sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self._drawn = False

    def __call__(self, text: str) -> None:
        """Show one line."""
        found = re.match(r"(\w+) +(\d+)% (.*)", text)
        if not self._live or found is None:
            self.wipe()
            note(text)
            return
        stage, percent, rest = found.group(1), int(found.group(2)), found.group(3)
        full = round(self.WIDTH * percent / 100)
        line = f"{stage:<10}{'█' * full}{'░' * (self.WIDTH - full)} {percent:3d} %  {rest}"
        columns = shutil.get_terminal_size().columns
        sys.stderr.write(f"\r\x1b[2K{line[: columns - 1]}")
        flush(sys.stderr)
        self._drawn = True

    def wipe(self) -> None:
        """Take a drawn bar off the screen."""
        if self._drawn:
            sys.stderr.write("\r\x1b[2K")
            flush(sys.stderr)
            self._drawn = False


def table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Columns padded with blanks: readable in a terminal, greppable in a file."""
    cells = [[str(heading) for heading in headings], *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join([click.style(lines[0], bold=True), *lines[1:]])


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)
