"""Ports for servers that take a while to listen: two `up` that begin at one moment must not settle on the same one."""

from __future__ import annotations

import socket
import sys
from types import TracebackType

from flows.server import free_port


class Ports:
    """Ports that are kept from others of our kind for the time of a `with` block.

    A server of ours binds its port half a minute after it was chosen. Who lost the race would be answered by the
    other's server, take it for its own, and register its deployments there.
    """

    def __init__(self) -> None:
        self._marks: list[socket.socket] = []

    def __enter__(self) -> Ports:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for mark in self._marks:
            mark.close()

    def take(self, port: int) -> bool:
        """Take one port; whether it was there to be taken."""
        return self._mark(port) and is_free(port)

    def take_near(self, port: int) -> int:
        """This port, or any other one."""
        while not self.take(port):
            port = free_port()
        return port

    def _mark(self, port: int) -> bool:
        """Make it known that the port is ours. The kernel forgets the mark when we end, also by kill -9."""
        if sys.platform != "linux":
            return True
        mark = socket.socket(socket.AF_UNIX)
        try:
            # A name without a file; it is known just where the port is: in this network namespace.
            mark.bind(f"\0evergreen-port-{port}")
        except OSError:
            mark.close()
            return False
        self._marks.append(mark)
        return True


def is_free(port: int) -> bool:
    """Whether nothing listens on a port of the loopback interface."""
    with socket.socket() as probe:
        # As servers bind: a port whose last connections are still fading away is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
