"""The gate `servable`: in a fresh process without this project, the packaged model repeats its golden predictions.

Loading MLflow and torch takes most of the ten seconds, so a run starts the process early and lets it
wait: `with servable.consumer(tracking_uri): ...` around the training; `decide` then finds it ready.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.core.contracts import Gate
from tasks.release import consumer as consumer_program
from tasks.release.environment import consumer_environment, pinned_requirements

TOLERANCE = 1e-5
"""Largest difference from a golden number: absolute up to 1, relative above."""
TIMEOUT_SECONDS = 180.0
"""How long the consumer may take to import, and again to load and predict."""


@dataclass(frozen=True)
class Checked:
    """What a consumer found. `problems` is empty when every golden prediction was repeated."""

    problems: tuple[str, ...]
    unavailable: str = ""
    """Why the check could not be made; empty when it was."""
    service: bool = False
    """Whether that was a server or database that did not answer."""
    import_seconds: float = 0.0
    load_seconds: float = 0.0
    """Load and predict."""


class Consumer:
    """One process in an environment of its own, waiting for one model. Always `close` it."""

    def __init__(
        self, tracking_uri: str, requirements: Sequence[str], timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self.tracking_uri = tracking_uri
        self.requirements = tuple(requirements)
        self.timeout_seconds = timeout_seconds
        self.used = False
        self._folder = Path(tempfile.mkdtemp(prefix="evergreen-consumer-"))
        try:
            self._process = self._start()
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def check(self, uri: str, golden: dict[str, Any]) -> Checked:
        """Load `uri` there, predict the golden inputs and compare with the golden outputs.

        A consumer checks one model: the process must be fresh. Never raises for what the model does.

        Raises:
            RuntimeError: it has been used before.
        """
        if self.used:
            raise RuntimeError("a consumer checks one model; start another")
        self.used = True
        ready = self._read()
        if "ready" not in ready:
            return Checked((), unavailable=f"the consumer process did not start: {ready['error']}")
        started = time.monotonic()
        answer = self._ask({"uri": uri, "inputs": golden["inputs"]})
        times = {"import_seconds": round(ready["ready"], 3), "load_seconds": round(time.monotonic() - started, 3)}
        if answer.get("service"):
            return Checked((), unavailable=answer["error"], service=True, **times)
        if answer.get("late"):
            return Checked((), unavailable=answer["error"], **times)
        if "error" in answer:
            return Checked((f"the model does not load or predict: {answer['error']}",), **times)
        return Checked(tuple(differences(golden["outputs"], answer["outputs"])), **times)

    def close(self) -> None:
        """End the process and remove its environment."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> subprocess.Popen[bytes]:
        python = consumer_environment(self.requirements, self._folder / "environment")
        program = shutil.copy(consumer_program.__file__, self._folder / "consumer.py")
        with (self._folder / "errors.txt").open("wb") as errors:
            return subprocess.Popen(
                [str(python), "-I", program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=self._folder,
                env=_environment_variables(self.tracking_uri),
            )

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it died since; reading says why
        return self._read()

    def _read(self) -> dict[str, Any]:
        """The next line of the protocol, or `{"error", "late"?}`."""
        assert self._process.stdout is not None
        descriptor, text = self._process.stdout.fileno(), b""
        deadline = time.monotonic() + self.timeout_seconds
        while not text.endswith(b"\n"):
            if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
                return {"error": f"it did not answer within {self.timeout_seconds:g} s", "late": True}
            piece = os.read(descriptor, 1 << 16)
            if not piece:
                return {"error": self._last_words()}
            text += piece
        answer: dict[str, Any] = json.loads(text)
        return answer

    def _last_words(self) -> str:
        lines = (self._folder / "errors.txt").read_text(errors="replace").strip().splitlines()
        return f"it ended with status {self._process.wait()}" + (f" ({lines[-1][:300]})" if lines else "")


_early: list[Consumer] = []


@contextmanager
def consumer(tracking_uri: str, requirements: Sequence[str] = ()) -> Iterator[Consumer]:
    """Start a consumer now and have `gate` find it ready later; it ends with the block, whatever happens.

    Raises:
        RequestError: a requirement is not installed here in the version asked for.
    """
    process = Consumer(tracking_uri, requirements or pinned_requirements())
    _early.append(process)
    try:
        yield process
    finally:
        _early.remove(process)
        process.close()


def check(tracking_uri: str, uri: str, golden: dict[str, Any], requirements: Sequence[str] = ()) -> Checked:
    """Check a model with the consumer that was started early, else with one started now.

    Raises:
        RequestError: a requirement is not installed here in the version asked for.
    """
    wanted = tuple(requirements or pinned_requirements())
    for process in _early:
        if not process.used and (process.tracking_uri, process.requirements) == (tracking_uri, wanted):
            return process.check(uri, golden)
    with consumer(tracking_uri, wanted) as process:
        return process.check(uri, golden)


def gate(checked: Checked, rows: int) -> Gate:
    """The gate `servable` for what a consumer found on `rows` golden rows."""
    evidence: dict[str, Any] = {
        "golden_rows": rows,
        "import_seconds": checked.import_seconds,
        "load_seconds": checked.load_seconds,
    }
    if checked.unavailable:
        evidence["reason"] = f"The packaged model could not be tried: {checked.unavailable}."
        if checked.service:
            evidence["service"] = "model registry"
        return Gate("servable", "error", TOLERANCE, evidence)
    if checked.problems:
        more = f" ({len(checked.problems) - 1} more)" if len(checked.problems) > 1 else ""
        evidence["reason"] = f"In an environment of its own, {checked.problems[0]}{more}."
        evidence["problems"] = list(checked.problems[:10])
        return Gate("servable", "failed", TOLERANCE, evidence)
    return Gate("servable", "passed", TOLERANCE, evidence)


def differences(expected: Sequence[dict[str, Any]], found: Sequence[dict[str, Any]]) -> list[str]:
    """Where predictions differ from the golden ones, as clauses that name row number and column, never a value."""
    if len(expected) != len(found):
        return [f"{len(found)} predictions came back for {len(expected)} golden rows"]
    problems = []
    for number, (wanted, got) in enumerate(zip(expected, found, strict=True)):
        if list(wanted) != list(got):
            return [f"the columns are {', '.join(got)} instead of {', '.join(wanted)}"]
        problems += [f"golden row {number} differs in {name}" for name in wanted if not _same(wanted[name], got[name])]
    return problems


def _same(wanted: Any, got: Any) -> bool:
    # A label 1 and a label 1.0 or True are different labels to whoever compares them with their own.
    if isinstance(wanted, float) and isinstance(got, int | float) and not isinstance(got, bool):
        return abs(wanted - got) <= TOLERANCE * max(1.0, abs(wanted))
    return type(wanted) is type(got) and bool(wanted == got)


def _environment_variables(tracking_uri: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return {
        # An outage is to be reported in seconds, not after MLflow's minutes of retries.
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        **kept,
        "MLFLOW_TRACKING_URI": tracking_uri,
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }
