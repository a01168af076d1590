"""Run the files in which a long test failed last time once more, in one process: `make test-again`.

A long test may share its file's servers with those before it, so the whole file is run. It fails where nothing is
known to have failed: then the run before it ended for another reason.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

LAST_FAILED = Path(__file__).resolve().parents[1] / ".pytest_cache" / "v" / "cache" / "lastfailed"


def files_of(tests: Iterable[str]) -> list[str]:
    """The files of tests named as pytest names them, each once, in order."""
    return sorted({test.partition("::")[0] for test in tests})


def main() -> int:
    """Exit code of pytest, or 1."""
    try:
        files = files_of(json.loads(LAST_FAILED.read_text()))
    except FileNotFoundError:
        files = []
    if not files:
        sys.stderr.write("No test is known to have failed.\n")
        return 1
    sys.stderr.write(f"once more, alone: {' '.join(files)}\n")
    return int(pytest.main(["-q", "-m", "slow or browser", *files]))


if __name__ == "__main__":
    sys.exit(main())
