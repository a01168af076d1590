"""Everything Evergreen raises on purpose, and the exit code each kind ends with.

EvergreenError                     1  our bug, unless a subclass says otherwise
├── RequestError                   2  the request is wrong: command, key, recipe, column, version, path
├── GateError                      3  a gate said no, or an answer is "it differs"
│   └── GateStopped                3  a named gate stopped the run before a model was decided on
└── ServiceError                   4  a database, server or remote did not answer

Every error is one sentence that names the file and the field, plus a remedy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.core.contracts import Gate


class EvergreenError(Exception):
    """An error with a stable code, one sentence and a way out."""

    exit_code = 1

    def __init__(self, message: str, *, remedy: str = "", code: str = "error") -> None:
        # A column's name may hold line breaks; a sentence has none.
        message = " ".join(message.splitlines())
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.code = code

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class RequestError(EvergreenError):
    """The request cannot be carried out as it stands: a person has to change it."""

    exit_code = 2


class GateError(EvergreenError):
    """A gate, a verification or a policy said no; nothing is broken."""

    exit_code = 3


class GateStopped(GateError):
    """One or more gates stopped the run; `gates` holds every gate that was evaluated so far."""

    def __init__(self, gates: tuple[Gate, ...], *, remedy: str = "") -> None:
        blocking = [gate for gate in gates if gate.blocks]
        names = ", ".join(gate.name for gate in blocking)
        super().__init__(f"Stopped by {names}: {blocking[0].reason}", remedy=remedy, code="gate")
        self.gates = gates
        # A gate that could not be evaluated because a service is away is an outage, not a verdict.
        if any(gate.state == "error" and gate.evidence.get("service") for gate in blocking):
            self.exit_code = ServiceError.exit_code


class ServiceError(EvergreenError):
    """A database, server or remote did not answer."""

    exit_code = 4
