"""SIGKILL of the whole command, its Prefect server included, at random moments: run again, and all is well."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def evergreen(recipe: Path, home: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "flows.cli", "--home", str(home), "--json", "run", str(recipe)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [7, 8])
def test_a_kill_of_the_whole_command_at_ten_random_moments_is_made_good(
    small_recipe: Path, tmp_path: Path, seed: int
) -> None:
    """The real command with its Prefect server: twenty seeded moments in two tests."""
    sys.path.insert(0, str(Path(__file__).parent))
    import kill_driver

    from tasks.core.home import Home

    started = time.monotonic()
    assert json.loads(evergreen(small_recipe, tmp_path / "whole").communicate()[0])["status"] == "promoted"
    length = time.monotonic() - started
    whole = kill_driver.read_state(Home(tmp_path / "whole"))
    moments = random.Random(seed)
    for number in range(10):
        home = tmp_path / f"home{number}"
        command = evergreen(small_recipe, home)
        try:
            command.wait(timeout=moments.uniform(0, length))
        except subprocess.TimeoutExpired:
            command.send_signal(signal.SIGKILL)
        command.communicate()
        again = json.loads(evergreen(small_recipe, home).communicate()[0])
        assert again["status"] in ("promoted", "unchanged"), again
        assert kill_driver.read_state(Home(home)) == whole
