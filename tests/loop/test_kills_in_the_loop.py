"""SIGKILL of each part while a triggered retraining runs: the loop comes back by itself, and nothing is done twice."""

from __future__ import annotations

import os
import shutil
import signal
from collections import Counter
from pathlib import Path

import pytest

from flows.server import answers
from tests.loop.looping import Loop, new_loop, rows
from tests.up.serving import Up, alive, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ONCE = {"drift", "pending", "promote", "done", "ran"}
"""Lines of the ledger that one retraining has exactly once, however often its parts are killed."""


class Patience:
    """A recipe whose training waits when it is told to."""

    def __init__(self, up: Up, name: str) -> None:
        folder = up.folder / "data" / name
        folder.mkdir(parents=True)
        shutil.copy(Path(__file__).with_name("patient.py"), folder)
        self._file = folder / "wait"
        model = {"kind": "custom", "ref": "patient.py:Patient", "args": {"wait_for": str(self._file)}}
        self.loop: Loop = new_loop(up, name, model=model)
        self.lines = len(self.loop.entries)

    def start(self) -> str:
        """Shifted rows come, and their trigger's run comes as far as its training; gives the trigger."""
        self._file.touch()
        self.loop.append(rows(40_000, 240, coast=0.9))
        answer = self.loop.monitor()
        assert answer["drift"]["confirmed"], answer
        return str(answer["trigger_id"])

    def process(self) -> int:
        """The flow's process, once its training waits."""
        return int(wait_for(self._waiting, 180, "a training that waits"))

    def _waiting(self) -> int:
        file = Path(f"{self._file}.pid")
        pid = int(file.read_text() or 0) if file.exists() else 0
        return pid if pid and alive(pid) else 0

    def _running(self) -> list[str]:
        question = {"flow_runs": {"state": {"type": {"any_": ["RUNNING", "PENDING"]}}}}
        return [run["name"] for run in self.loop.up.prefect.ask("flow_runs/filter", question)]

    def go_on(self) -> None:
        """Let the training go on."""
        self._file.unlink()

    def check(self, trigger_id: str) -> None:
        """One run, one promotion, one end of the trigger; and nothing is left running."""
        loop = self.loop
        trigger = loop.ended(trigger_id)
        story = loop.story(self.lines)
        assert trigger.state == "ran" and trigger.outcome.startswith("promoted"), story
        counted = Counter(story)
        assert {word: counted[word] for word in ONCE} == dict.fromkeys(ONCE, 1), story
        assert (loop.champion, loop.versions) == ("2", ["1", "2"])
        loop.check_books()
        wait_for(lambda: not self._running(), 60, "the end of every run")
        # Which of them is left as crashed, and which went on, is Prefect's affair.
        assert "COMPLETED" in {run["state_type"] for run in loop.flow_runs(trigger_id)}


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not alive(pid), 10, f"the end of process {pid}")


def kill_server(up: Up) -> None:
    kill(up.child("prefect.server.api"))
    assert not answers(up.prefect.api)


@pytest.fixture(params=["flow", "runner", "server"])
def victim(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_part_that_is_killed_costs_nothing(up: Up, victim: str):
    patience = Patience(up, f"the_{victim}")
    trigger_id = patience.start()
    process = patience.process()
    if victim == "server":
        # The training ends while there is no server to hear of it.
        kill_server(up)
    else:
        kill(process if victim == "flow" else up.child("flows.runner"))
        wait_for(lambda: not alive(process), 10, "the end of the flow, which the runner takes with it")
    patience.go_on()
    patience.check(trigger_id)


def test_one_retraining_survives_the_end_of_server_flow_and_runner_in_turn(up: Up):
    patience = Patience(up, "all_of_them")
    trigger_id = patience.start()
    first = patience.process()
    kill_server(up)
    wait_for(lambda: answers(up.prefect.api), 120, "Prefect")
    assert alive(first)
    kill(first)
    second = patience.process()
    runner = up.child("flows.runner")
    kill(runner)
    wait_for(lambda: not alive(second), 10, "the end of the flow")
    patience.process()
    patience.go_on()
    patience.check(trigger_id)
