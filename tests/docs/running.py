"""Doing what a page says: its code blocks, in order, in a folder of their own.

```sh                 is run by bash; a comment `# exit code 3` at its end is what it has to end with
```python             is run, unless it begins with `# some/file.py`: then it is written there
```yaml               begins with `# some/recipe.yaml`, and is written there, or `# add to …`, and is added
```text               is what the block before it prints: every line in this order, … standing for anything
```py                 is a piece of a program, for reading
evergreen up          is a block alone; it goes on while the others run, and is ended by Ctrl-C
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.docs.reading import ROOT, Block, blocks

FILE = re.compile(r"# (add to )?([\w./-]+\.(?:py|yaml|csv))\n")
UP_SECONDS = 180.0
COMMAND_SECONDS = 900.0


class Desk:
    """A folder with a terminal, as the reader of a page has it; always `leave` it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said = ""
        self._up: subprocess.Popen[str] | None = None
        self._log = folder / ".up.log"
        programs = folder / ".programs"
        programs.mkdir()
        for name, words in (("evergreen", "-m flows.cli"), ("python", "")):
            shim = programs / name
            shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
            shim.chmod(0o755)
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{programs}:{os.environ['PATH']}"}

    def follow(self, page: str) -> None:
        """Do everything a page says."""
        for block in blocks(page):
            self.do(block)

    def do(self, block: Block) -> None:
        """Do what one block says."""
        named = FILE.match(block.text)
        if block.language == "text":
            self._compare(block.text)
        elif block.language == "py":
            return
        elif named:
            self._write(self.folder / named[2], block.text[named.end() :], add=bool(named[1]))
        elif block.language == "python":
            self._run([sys.executable, "-c", block.text], 0, block.text)
        elif block.language == "sh" and block.text.startswith("evergreen up"):
            self._start(block.text)
        elif block.language == "sh":
            expected = re.search(r"# exit code (\d)\s*$", block.text)
            self._run(["bash", "-euo", "pipefail", "-c", block.text], int(expected[1]) if expected else 0, block.text)
        else:
            raise AssertionError(f"nobody would know what to do with this block:\n{block.text}")

    def leave(self) -> str:
        """Press Ctrl-C where `up` runs, and give what it said."""
        if self._up is None:
            return ""
        process, self._up = self._up, None
        process.send_signal(signal.SIGINT)
        try:
            code = process.wait(90)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        assert code in (0, 130), f"evergreen up ended with {code}:\n{self._log.read_text()[-3000:]}"
        return self._log.read_text()

    def _run(self, command: list[str], expected: int, shown: str) -> None:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=COMMAND_SECONDS,
        )
        self.said = done.stdout
        assert done.returncode == expected, f"{shown}\nended with {done.returncode}:\n{done.stdout[-4000:]}"

    def _write(self, file: Path, text: str, *, add: bool) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        before = file.read_text() if add else ""
        file.write_text(f"{before}\n{text}" if add else text)

    def _compare(self, expected: str) -> None:
        pattern = ".*?".join(
            ".*".join(map(re.escape, re.split(r"\s*…\s*", " ".join(line.split()))))
            for line in expected.splitlines()
            if line.strip()
        )
        said = " ".join(self.said.split())
        assert re.search(pattern, said, flags=re.DOTALL), (
            f"the page says\n{expected}\nand this came:\n{self.said[-4000:]}"
        )

    def _start(self, command: str) -> None:
        """Start `up` and wait until it has told its addresses."""
        with self._log.open("w") as log:
            self._up = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=self.folder,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        deadline = time.monotonic() + UP_SECONDS
        while not self._ready():
            assert self._up.poll() is None, f"evergreen up ended:\n{self._log.read_text()[-4000:]}"
            assert time.monotonic() < deadline, f"evergreen up is not ready:\n{self._log.read_text()[-4000:]}"
            time.sleep(1)
        self.said = self._log.read_text()

    def _ready(self) -> bool:
        return bool(re.search(r"Ctrl-C", self._log.read_text()))
