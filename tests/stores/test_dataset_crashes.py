"""A commit killed with SIGKILL before any of its side effects comes to the same version when it is repeated."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.core.home import Home
from tasks.stores import datasets
from tests.stores.dataset_life import FIRST, Life

PROGRAM = Path(__file__).with_name("commit_once.py")


def killed_commits(root: Path, life: Life, request_file: Path, points: list[int]) -> list[dict]:
    arguments = [str(life.home.root), life.recipe.name, str(request_file), *map(str, points)]
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=280,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def prepared(home: Home, tmp_path: Path, first: bool) -> tuple[Life, Path, str | None]:
    """A home with a candidate that waits to be committed: the dataset's first version, or its second."""
    life = Life(home, tmp_path / "recipes")
    parent = None if first else life.run(FIRST).version
    return life, life.request(life.ingest(FIRST + "4,40,1\n")), parent


def check(outcomes: list[dict], parent: str | None) -> None:
    versions = {outcome["version"] for outcome in outcomes}
    assert len(versions) == 1
    for outcome in outcomes:
        assert outcome["killed"] == (-9 if outcome["point"] else 0), outcome
        assert outcome["repeated"] == 0 and outcome["problems"] == [], outcome
        assert outcome["head"] in ({parent} if outcome["point"] else versions), outcome


@pytest.mark.parametrize("first", [True, False], ids=["first version", "appended"])
def test_a_killed_commit_repeats_to_the_same_version(home: Home, tmp_path: Path, root: Path, first: bool) -> None:
    life, request_file, parent = prepared(home, tmp_path, first)
    points = sorted(random.Random(20).sample(range(1, 60), 4))
    check(killed_commits(root, life, request_file, [0, *points]), parent)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("first", [True, False], ids=["first version", "appended"])
def test_a_commit_killed_before_each_side_effect_repeats_to_the_same_version(
    home: Home, tmp_path: Path, root: Path, first: bool
) -> None:
    life, request_file, parent = prepared(home, tmp_path, first)
    (whole,) = killed_commits(root, life, request_file, [0])
    assert whole["changes"] > 60
    points = list(range(1, whole["changes"] + 1))
    for start in range(0, len(points), 40):
        check(killed_commits(root, life, request_file, points[start : start + 40]), parent)


def test_two_recipes_commit_at_once(home: Home, tmp_path: Path, root: Path) -> None:
    lives = [Life(home, tmp_path, name) for name in ("left", "right")]
    program = (
        f"import sys; sys.path.insert(0, {str(PROGRAM.parent)!r}); from commit_once import main; main(*sys.argv[1:])"
    )
    running = []
    for life in lives:
        request_file = life.request(life.ingest(FIRST + f"9,9,{len(life.recipe.name)}\n"))
        arguments = [str(home.root), life.recipe.name, str(request_file)]
        running.append(subprocess.Popen([sys.executable, "-c", program, *arguments], cwd=root))
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    for life in lives:
        newest = datasets.head(home, life.recipe.name)
        assert newest is not None and datasets.verify(home, life.recipe.name, newest.version) == []
