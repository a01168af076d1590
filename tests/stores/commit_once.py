"""Commits in processes of their own, killed just before a chosen change to the file system."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import traceback
from pathlib import Path

CHANGES = frozenset({"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod"})


def main(home: str, recipe: str, request: str, kill_at: str = "0") -> None:
    """Commit what the request file says; done.json beside the home says how it went."""
    from tasks.core.contracts import Ingested, Validated, from_json
    from tasks.core.home import Home
    from tasks.stores import datasets

    values = json.loads(Path(request).read_text())
    folder = Path(home) / "work" / recipe / "version"
    folder.mkdir(parents=True, exist_ok=True)
    ingested, validated = from_json(Ingested, values["ingested"]), from_json(Validated, values["validated"])
    seen = count_changes(Path(home), int(kill_at))
    version = datasets.commit(Home(Path(home)), recipe, ingested, validated, folder)
    done = {"version": version, "changes": seen[0], "problems": datasets.verify(Home(Path(home)), recipe, version)}
    Path(f"{home}.{recipe}.json").write_text(json.dumps(done))


def kill_and_repeat(template: str, recipe: str, request: str, *points: str) -> None:
    """For each point: copy the home, kill a commit there, commit again, and print what came of it.

    Forked children share the imports, which cost far more than a commit.
    """
    import dvc.repo  # noqa: F401
    import pandas  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    import tasks.stores.shards  # noqa: F401

    for point in points:
        home = f"{template}-{point}"
        shutil.copytree(template, home)
        killed = in_child(home, recipe, request, point)
        report = Path(f"{home}.{recipe}.json")
        changes = json.loads(report.read_text())["changes"] if killed == 0 else None
        head = Path(home) / "datasets" / recipe / "head.json"
        before = json.loads(head.read_text())["version"] if head.is_file() else None
        repeated = in_child(home, recipe, request, "0")
        done = json.loads(report.read_text()) if repeated == 0 else {}
        told = {"point": int(point), "killed": killed, "head": before, "repeated": repeated, "changes": changes}
        print(json.dumps(done | told))
        shutil.rmtree(home)


def in_child(*arguments: str) -> int:
    """Run `main` in a forked child; gives its exit code, or minus the signal that ended it."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            main(*arguments)
        except BaseException:  # noqa: BLE001 - a forked child must not return into its parent's code
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def count_changes(below: Path, kill_at: int) -> list[int]:
    """Count changes to the file system below a folder; SIGKILL this process just before the given one."""
    seen = [0]
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT

    def hook(event: str, arguments: tuple) -> None:
        if event not in CHANGES and not (event == "open" and (arguments[2] or 0) & writing):
            return
        path = arguments[0]
        if isinstance(path, str | os.PathLike) and os.fspath(path).startswith(str(below)):
            seen[0] += 1
            if seen[0] == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    return seen


if __name__ == "__main__":
    kill_and_repeat(*sys.argv[1:])
