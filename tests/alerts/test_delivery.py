"""Delivery against a real receiver and real programs: retries, limits on time, and no secret in any log."""

from __future__ import annotations

import json
import logging
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tasks.alerts.delivery import Failure, deliver, post, start

BODY = {"event": "stopped", "text": "claims: stopped"}


def test_a_post_arrives_once_as_json(receiver: Any):
    assert post(receiver.url, BODY) is None
    assert receiver.posts == [BODY]
    assert receiver.types == ["application/json"]


def test_a_server_error_is_tried_again_with_growing_pauses(receiver: Any):
    receiver.answers = [503, 500]
    assert post(receiver.url, BODY, pause=0.1) is None
    assert len(receiver.posts) == 3
    first, second = (later - earlier for earlier, later in zip(receiver.times, receiver.times[1:], strict=False))
    assert first >= 0.1
    assert second >= 0.2


def test_a_server_that_keeps_failing_is_given_up_after_three_tries(receiver: Any):
    receiver.answers = [503] * 9
    assert post(receiver.url, BODY, pause=0.01) == Failure(3, "it answered 503")
    assert len(receiver.posts) == 3


@pytest.mark.parametrize("status", [400, 404, 410, 302])
def test_a_refusal_is_final(receiver: Any, status: int):
    receiver.answers = [status]
    assert post(receiver.url, BODY, pause=0.01) == Failure(1, f"it answered {status}")
    assert len(receiver.posts) == 1


def test_a_dead_receiver_is_tried_three_times(dead_url: str):
    assert post(dead_url, BODY, pause=0.01) == Failure(3, "it could not be reached")


def test_a_slow_receiver_is_given_up_in_time(receiver: Any):
    receiver.delay = 3.0
    started = time.monotonic()
    assert post(receiver.url, BODY, timeout=0.15, pause=0.01) == Failure(3, "it did not answer within 0.15 s")
    assert time.monotonic() - started < 3 * receiver.delay


def test_an_address_that_cannot_be_used_is_not_repeated(secret: str):
    failure = post(f"http://[{secret}/x", BODY, pause=0.01)
    assert failure is not None
    assert failure.attempts == 1
    assert secret not in failure.reason


def test_a_receiver_that_dribbles_for_ever_does_not_hold_up_the_rest(receiver: Any):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        ended = threading.Event()

        def dribble() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                while not ended.wait(0.1):
                    connection.sendall(b"X-More: 1\r\n")

        thread = threading.Thread(target=dribble, daemon=True)
        thread.start()
        slow = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        started = time.monotonic()
        found = deliver([lambda body: post(slow, body), lambda body: post(receiver.url, body)], BODY, within=1.0)
        seconds = time.monotonic() - started
        ended.set()
        thread.join(5)
    assert found == [Failure(1, "it took longer than 1 s"), None]
    assert receiver.posts == [BODY]
    assert seconds < 5


def test_hooks_are_served_at_the_same_time_and_one_that_breaks_breaks_no_other(receiver: Any):
    receiver.delay = 1.0

    def broken(body: Any) -> None:
        raise RuntimeError("whatever")

    found = deliver([lambda body: post(receiver.url, body), broken, lambda body: post(receiver.url, body)], BODY)
    assert found == [None, Failure(1, "it failed with RuntimeError"), None]
    first, second = receiver.times
    assert second - first < receiver.delay, "the second began before the first was answered"


def test_the_address_reaches_no_log_at_any_level(
    receiver: Any, dead_url: str, secret: str, caplog: pytest.LogCaptureFixture
):
    import requests

    caplog.set_level(logging.DEBUG)
    receiver.answers = [503]
    assert post(receiver.url, BODY, pause=0.01) is None
    post(dead_url, BODY, pause=0.01)
    assert secret not in caplog.text
    # What others ask is logged as before: the silence is lifted again.
    requests.post(receiver.url, json={}, timeout=5)
    assert secret in caplog.text


def test_a_program_gets_the_body_on_its_input_in_the_folder_without_a_shell(tmp_path: Path):
    program = "import sys, pathlib; pathlib.Path('got.json').write_text(sys.stdin.read() + sys.argv[1])"
    assert start([sys.executable, "-c", program, "$HOME; echo"], BODY, tmp_path) is None
    assert (tmp_path / "got.json").read_text() == json.dumps(BODY) + "$HOME; echo"


def test_a_program_that_fails_is_tried_once(tmp_path: Path, secret: str):
    program = "import pathlib; pathlib.Path('tries').open('a').write('x'); raise SystemExit(3)"
    failure = start([sys.executable, "-c", program, secret], BODY, tmp_path)
    assert failure == Failure(1, "the program ended with status 3")
    assert (tmp_path / "tries").read_text() == "x"


def test_a_program_that_does_not_exist_is_a_failure_without_its_name(tmp_path: Path, secret: str):
    assert start([f"./{secret}"], BODY, tmp_path) == Failure(1, "the program could not be started (FileNotFoundError)")
    assert start(["a\0b"], BODY, tmp_path) == Failure(1, "the program could not be started (ValueError)")


def test_a_program_that_never_ends_is_killed_with_its_children(tmp_path: Path):
    program = (
        "import subprocess, sys, pathlib, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "pathlib.Path('child').write_text(str(child.pid))\n"
        "time.sleep(60)"
    )
    failure = start([sys.executable, "-c", program], BODY, tmp_path, timeout=1.5)
    assert failure == Failure(1, "the program did not end within 1.5 s")
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and _runs(child):
        time.sleep(0.05)
    assert not _runs(child)


def test_a_program_that_prints_prints_nowhere(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    program = "import sys; print('said'); sys.stderr.write('said')"
    assert start([sys.executable, "-c", program], BODY, tmp_path) is None
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
