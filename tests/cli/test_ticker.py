"""Progress: lines in a log, one redrawn bar at a terminal, and nothing left over from it."""

from __future__ import annotations

import io

import pytest

from flows.cli.output import Ticker


class Screen(io.StringIO):
    """A terminal that keeps what was written."""

    def isatty(self) -> bool:
        return True


def test_without_a_terminal_every_report_is_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    ticker = Ticker()
    ticker("train  50% epoch 1")
    ticker("train ran in 2.0 s")
    assert capfd.readouterr().err == "train  50% epoch 1\ntrain ran in 2.0 s\n"


def test_at_a_terminal_the_bar_is_redrawn_and_wiped(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    ticker = Ticker()
    ticker("train  50% epoch 1")
    assert "█" * 12 + "░" * 12 + "  50 %  epoch 1" in screen.getvalue()
    ticker("train ran in 2.0 s")
    assert screen.getvalue().split("\x1b[2K")[-1] == "train ran in 2.0 s\n"
    written = screen.getvalue()
    ticker.wipe()
    assert screen.getvalue() == written
