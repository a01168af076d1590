"""Any CSV goes through `init` and `run` to a decision, a named gate, or one clear sentence.

Fifty generated files, each with a recipe as `init` writes it, but for the short training (2 epochs of a tiny
network). What remains possible is named: a decision (promoted, held, rejected), the gate that stopped the
run, or a request that cannot be met. Never a traceback, an outage, or the content of a row.

To decide costs about eight seconds more, for a process of its own loads the packaged model first. So every
tenth file is taken to the decision and the others end with the package (`--no-promote`); those whose model
fails a gate of `evaluate` are as far as a rejection then.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tasks.core.contracts import GATES

_SPEC = importlib.util.spec_from_file_location("journeys_generated", Path(__file__).with_name("generated.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
generated = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = generated
_SPEC.loader.exec_module(generated)

SHORT = ("training.epochs=2", "model.hidden=[4]", "training.batch_size=32")
DECIDED = {0: ("promoted",), 3: ("held", "rejected", "stopped")}
"""Exit code → statuses of a run that came to its end."""


class Journeys:
    """Takes one file after the other through the command line, all in one home."""

    def __init__(self, evergreen: Callable[..., Any], folder: Path, every: int) -> None:
        self.evergreen, self.folder, self.every = evergreen, folder, every
        self.ends: Counter[str] = Counter()
        self.number = 0

    def take(self, file: Any) -> str:
        """Write a file, `init`, `run`; gives how it ended."""
        number, self.number = self.number, self.number + 1
        source = self.folder / f"data {number:02}.csv"
        source.write_bytes(file.text.encode(file.encoding))
        home, recipe = self.folder / "home", self.folder / f"case-{number:02}"
        made = self.evergreen(home, "init", source, "--target", file.target, "--out", recipe)
        if made.code:
            return self._refused("init", made)
        whole = number % self.every == 0
        ended = self.evergreen(home, "run", recipe, *SHORT, *([] if whole else ["--no-promote"]))
        assert generated.MARK not in str(ended.answer.get("gates", "")), file
        assert "Traceback" not in ended.errors, ended.errors
        return self._refused("run", ended) if "error" in ended.answer else self._ended(ended, whole, made)

    def _refused(self, command: str, ended: Any) -> str:
        assert ended.code == 2, (ended.answer, ended.errors)
        error = ended.answer["error"]
        assert_one_sentence(error["message"])
        assert error["remedy"], error
        self.ends[f"{command} refused"] += 1
        return f"{command}: {error['message']}"

    def _ended(self, ended: Any, whole: bool, made: Any) -> str:
        # The data are as `init` saw them: a gate about them that stops the run was announced.
        judged = [name for name in ended.blocking if GATES[name] in ("ingest", "validate")]
        assert set(judged) <= set(made.blocking), (judged, made.answer["notes"])
        status = ended.answer["status"]
        possible = DECIDED | ({} if whole else {0: ("completed",)})
        assert status in possible.get(ended.code, ()), (ended.code, ended.answer["reason"], ended.errors)
        for gate in ended.answer["gates"]:
            assert gate["name"] in GATES
            assert "service" not in gate["evidence"], gate
            if gate["state"] != "passed":
                assert_one_sentence(gate["evidence"]["reason"])
        assert (status == "stopped") <= bool(ended.blocking)
        end = f"{status} by {', '.join(ended.blocking)}" if ended.blocking else status
        self.ends[end] += 1
        return f"run: {end}: {ended.answer['reason']}"


def assert_one_sentence(text: str) -> None:
    """One line that says what is wrong, in words and not by the name of a Python exception."""
    for name in generated.NAMES:
        text = text.replace(f"'{name}'", "''")
    assert "\n" not in text
    assert 10 < len(text) < 500, text
    unquoted = re.sub(r"'[^']*'", "''", text)
    assert not re.search(r"[.!?] [A-Z]", unquoted.replace("Stopped by", "")), text
    assert not re.search(r"\b[A-Z][a-z]+(Error|Exception|Warning)\b|\bNone\b|<class", unquoted), text


def travel(evergreen: Callable[..., Any], folder: Path, count: int, every: int, report: list[str]) -> Journeys:
    """Take `count` generated files; `report` gets a line per file."""
    journeys = Journeys(evergreen, folder, every)

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        # A failing file is named; to look for a smaller one would take minutes.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(generated.files())
    def each(file: Any) -> None:
        report.append(f"{journeys.number} {file!r} → {journeys.take(file)}")

    each()
    return journeys


def test_a_few_generated_csvs_reach_a_decision_a_gate_or_one_sentence(
    evergreen: Callable[..., Any], tmp_path: Path
) -> None:
    report: list[str] = []
    journeys = travel(evergreen, tmp_path, 4, 10, report)
    assert journeys.number == 4, report
    assert sum(journeys.ends.values()) == 4


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_fifty_generated_csvs_reach_a_decision_a_gate_or_one_sentence(
    evergreen: Callable[..., Any], tmp_path: Path
) -> None:
    report: list[str] = []
    journeys = travel(evergreen, tmp_path, 50, 10, report)
    assert journeys.number == 50
    ended = Counter(end.partition(" ")[0] for end in journeys.ends.elements())
    # The files are no good if most of them never get as far as a training.
    assert ended["completed"] + ended["promoted"] + ended["rejected"] + ended["held"] >= 20, report
    (tmp_path / "report.txt").write_text("\n".join(report))
