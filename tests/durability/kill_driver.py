"""Runs one recipe again and again in forked children and kills each at another side effect.

    python kill_driver.py RECIPE_FOLDER WORK_FOLDER [--part K/N] [--only TEXT] [--limit N]

A side effect is a file opened for writing, renamed, linked or removed inside the home, or a commit to a
database. Its site is the line of this project that caused it and the part of the home it touches, so
that a model of forty files is one site and not forty, and each stage's result is one of its own. For
every site one child is killed just before its first effect and another just after its last (that is,
before whatever comes next). Each time the same command then runs again, undisturbed. `--part` shares the
points out among N processes; `--only` keeps those whose name contains TEXT, `--limit`
the first N of them.

Prints one JSON object per line: the uninterrupted run first, then one per kill.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import sqlite3
import sys
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from flows import training  # noqa: E402
from flows.outcome import outcome_of  # noqa: E402
from tasks.core.home import Home, open_home  # noqa: E402
from tasks.core.load import load_recipe  # noqa: E402

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
HASH = re.compile(r".*([0-9a-f]{12,}|\.tmp).*")
OURS = (str(ROOT / "tasks"), str(ROOT / "flows"))


class Effects:
    """Counts side effects below a folder, and kills the process before the one that is asked for."""

    def __init__(self, folder: Path, kill_before: int | None) -> None:
        self.sites: list[str] = []
        self._folder = str(folder)
        self._kill_before = kill_before
        self._busy = False

    def watch(self) -> None:
        """Start counting: an audit hook for files, an engine event and a subclass for databases."""
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        sys.addaudithook(self._audit)
        event.listen(Engine, "commit", lambda connection: self._happens("commit"))
        effects = self

        class Counted(sqlite3.Connection):
            def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
                if sql.lstrip().upper().startswith(("COMMIT", "INSERT", "BEGIN IMMEDIATE")):
                    effects._happens(sql.split()[0])
                return super().execute(sql, *arguments)

            def commit(self) -> None:
                effects._happens("commit")
                super().commit()

        plain_connect = sqlite3.connect

        def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
            if _line() and "ledger" in str(arguments[0]):
                options.setdefault("factory", Counted)
            return plain_connect(*arguments, **options)

        sqlite3.connect = connect  # type: ignore[assignment]

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._busy:
            return
        if event == "open" and isinstance(arguments[0], str) and arguments[2] & WRITING:
            path = arguments[0]
        elif event in ("os.rename", "os.remove", "os.link", "os.symlink"):
            path = str(arguments[0])
        else:
            return
        # An atomic write counts once, at its rename: the temporary file before it is nobody's state.
        temporary = event == "open" and path.endswith(".tmp")
        if path.startswith(self._folder) and "__pycache__" not in path and not temporary:
            inside = Path(path).relative_to(self._folder).parts[:3]
            self._happens(f"{event} {'/'.join(part for part in inside if not HASH.fullmatch(part))}")

    def _happens(self, what: str) -> None:
        self._busy = True
        try:
            site = _line()
        finally:
            self._busy = False
        if not site:
            return
        if self._kill_before == len(self.sites):
            os.kill(os.getpid(), signal.SIGKILL)
        self.sites.append(f"{site} {what}")


def _line() -> str:
    """The innermost line of this project on the stack; empty if there is none."""
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(OURS):
            return f"{Path(name).relative_to(ROOT)}:{frame.f_code.co_name}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return ""


class NoServer(nullcontext[Any]):
    """Prefect keeps no state that a promotion depends on; the full command is killed in another test."""

    starts = True
    url = "http://127.0.0.1:9/api"

    def __init__(self, home: Home) -> None:
        super().__init__(self)

    def wait(self) -> None:
        """Nothing to wait for."""


def plainly(order: Any, execution: Any, tell: Callable[[str], None]) -> Any:
    """The life cycle without a flow run around it."""
    training.walk(order, execution, lambda stage, *inputs: execution.carry_out(stage, *inputs).value)
    return outcome_of(execution)


def run(recipe: Path, home: Path, kill_before: int | None, report: Path) -> None:
    """One child: run the recipe, and write what came of it."""
    effects = Effects(home, kill_before)
    effects.watch()
    if kill_before is not None:
        # Most are killed long before a consumer is needed; the gate starts one itself where it comes to that.
        training._consumer_ahead = lambda order, plan: nullcontext()
    opened = open_home(str(home))
    outcome = training.execute(training.Order(load_recipe(str(recipe)), opened))
    report.write_text(json.dumps({"status": outcome.status, "sites": effects.sites, "reason": outcome.reason}))


def child(recipe: Path, home: Path, kill_before: int | None, report: Path) -> int:
    """Fork, run, and give the child's exit status (negative: the signal that ended it)."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            run(recipe, home, kill_before, report)
            code = 0
        except BaseException:  # noqa: BLE001 - the parent reads the exit status; a child must not return
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def state(home: Path) -> dict[str, Any]:
    """What must be the same after every kill and rerun, read in a child of its own."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, json.dumps(read_state(Home(home))).encode())
        except BaseException:  # noqa: BLE001 - the parent reads the exit status; a child must not return
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        text = stream.read()
    os.waitpid(pid, 0)
    return dict(json.loads(text)) if text else {}


def read_state(home: Home) -> dict[str, Any]:
    """Champion, versions, weights, dataset, promotions and whether the ledger verifies."""
    from tasks.core import results
    from tasks.stores import datasets, registry
    from tasks.stores.ledger import Ledger

    name = "killed"
    champion = registry.champion_version(home, name)
    versions = registry.versions(home, name)
    ledger = Ledger(home.ledger)
    trained = results.latest(home, name, "train")
    head = datasets.head(home, name)
    return {
        "champion": champion,
        "versions": len(versions),
        "weights": trained.output["weights_sha256"] if trained else None,
        "dataset": head.version if head else None,
        "dataset_problems": datasets.verify(home, name, head.version) if head else ["no head"],
        "promotions": sum(entry.kind == "promote" for entry in ledger.entries(name)),
        "ledger_problems": ledger.verify(),
    }


def kill_points(sites: list[str]) -> dict[int, str]:
    """Before the first and after the last effect of every site: effect number → what it tries."""
    points: dict[int, str] = {}
    for site in dict.fromkeys(sites):
        first = sites.index(site)
        after = len(sites) - sites[::-1].index(site)
        points.setdefault(first, f"before {site}")
        if after < len(sites):
            points.setdefault(after, f"after {site}")
    return dict(sorted(points.items()))


def main(recipe: Path, work: Path, part: str, only: str, limit: int | None) -> None:
    """Count, then kill at each point and run again."""
    training.PrefectApi = NoServer  # type: ignore[assignment,misc]
    training._in_prefect = plainly
    for modules in training.HEAVY.values():
        for module in modules:
            __import__(module)
    mine, parts = (int(value) for value in part.split("/"))
    whole_home = work / f"whole{mine}"
    report = work / f"report{mine}.json"
    assert child(recipe, whole_home, None, report) == 0
    whole = json.loads(report.read_text())
    points = {number: what for number, what in kill_points(whole["sites"]).items() if only in what}
    print(json.dumps({"status": whole["status"], "points": len(points), **state(whole_home)}), flush=True)
    for number, what in list(points.items())[mine:limit:parts]:
        home = work / f"home{number}"
        killed = child(recipe, home, number, report)
        again = child(recipe, home, None, report)
        status = json.loads(report.read_text())["status"] if again == 0 else "crashed"
        line = {"kill": what, "killed": killed == -signal.SIGKILL, "again": status, **state(home)}
        print(json.dumps(line), flush=True)
        shutil.rmtree(home)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("recipe", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--part", default="0/1")
    parser.add_argument("--only", default="")
    parser.add_argument("--limit", type=int)
    options = parser.parse_args()
    main(options.recipe, options.work, options.part, options.only, options.limit)
