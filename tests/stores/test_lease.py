"""The lease: one command per model, and no lease outlives its holder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest

from tasks.core.errors import RequestError
from tasks.stores.lease import Holder, hold

HOLD = """
import sys, time
from pathlib import Path
from tasks.core.home import Home
from tasks.stores.lease import hold
with hold(Home(Path(sys.argv[1])), "digits", "retrain"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(home: Any, root: Any) -> Any:
    """Another process that holds the lease of digits."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home.root)], cwd=root, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_without_waiting_a_held_lease_is_refused_naming_the_holder(home: Any, other: Any) -> None:
    message = rf"digits is being changed by 'retrain' \(process {other.pid}, since 2"
    with pytest.raises(RequestError, match=message) as caught, hold(home, "digits", "run", wait=False):
        pytest.fail("two holders")
    assert caught.value.exit_code == 2
    assert "--no-wait" in caught.value.remedy


def test_other_models_are_not_in_the_way(home: Any, other: Any) -> None:
    with hold(home, "wine", "run", wait=False):
        pass


def test_waiting_says_once_for_whom_and_goes_on_when_the_holder_is_killed(home: Any, other: Any) -> None:
    said: list[Holder] = []

    def end(holder: Holder) -> None:
        said.append(holder)
        threading.Timer(0.2, os.kill, (other.pid, signal.SIGKILL)).start()

    with hold(home, "digits", "run", on_wait=end):
        pass
    assert [(holder.pid, holder.purpose) for holder in said] == [(other.pid, "retrain")]


def test_a_lease_is_free_again_after_its_block_also_after_an_error(home: Any) -> None:
    with pytest.raises(KeyError), hold(home, "digits", "run"):
        raise KeyError
    with hold(home, "digits", "run", wait=False):
        assert "run" in home.lease("digits").read_text()
    assert home.lease("digits").read_text() == ""


def test_threads_of_one_process_exclude_each_other_too(home: Any) -> None:
    refused = pytest.raises(RequestError, match="is being changed by 'run'")
    with hold(home, "digits", "run"), refused, hold(home, "digits", "promote", wait=False):
        pytest.fail("two holders")


def test_a_holder_that_has_not_signed_yet_is_not_a_problem(home: Any) -> None:
    import fcntl

    home.lease("digits").parent.mkdir(parents=True)
    with open(home.lease("digits"), "w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(RequestError, match="'another command'"), hold(home, "digits", "run", wait=False):
            pytest.fail("two holders")
