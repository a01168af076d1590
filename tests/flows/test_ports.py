"""Two that choose a port at one moment do not choose the same, and a port somebody listens on is left alone."""

from __future__ import annotations

import socket
import subprocess
import sys

from flows.ports import Ports, is_free
from flows.server import free_port

HOLD = """
import sys
from flows.ports import Ports
with Ports() as ports:
    print(ports.take(int(sys.argv[1])), flush=True)
    input()
"""


def test_a_port_that_was_chosen_is_chosen_by_nobody_else_before_anything_listens_on_it() -> None:
    port = free_port()
    with Ports() as one, Ports() as other:
        assert one.take_near(port) == port
        assert is_free(port), "its server needs half a minute"
        assert not other.take(port)
        assert other.take_near(port) != port
    with Ports() as later:
        assert later.take(port)


def test_a_port_somebody_listens_on_is_not_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy, Ports() as ports:
        port = busy.getsockname()[1]
        assert not is_free(port) and not ports.take(port)
        assert ports.take_near(port) != port


def test_who_is_killed_lets_go_of_its_ports() -> None:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    with Ports() as ports:
        assert not ports.take(port)
        process.kill()
        process.communicate()
        assert ports.take(port)
