"""Real runs, their reports and web pages in headless Chromium, with everything outside this machine refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",  # root cannot use it; the pages are our own
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SHORT = ("training.epochs=2", "gates.thresholds={}")
HELD = ("training.seed=5", "gates.promotion.rule=superior")
"""Another seed is as good by luck alone, and the rule wants it shown to be better."""

_pictures = pytest.StashKey[Path]()


@dataclass
class Window:
    """A browser window's page, and what it did that it should not have."""

    page: Any
    strangers: list[str] = field(default_factory=list)
    """Addresses on other machines it asked for (refused)."""
    errors: list[str] = field(default_factory=list)
    """What it wrote to the console as an error, uncaught exceptions included."""

    def text(self) -> str:
        """What a reader sees."""
        return str(self.page.inner_text("body"))

    def guard(self, route: Any) -> None:
        """Let through what stays on this machine."""
        address = urlsplit(route.request.url)
        if address.scheme in ("file", "data", "blob") or address.hostname in ("127.0.0.1", "localhost"):
            route.continue_()
        else:
            self.strangers.append(route.request.url)
            route.abort()

    def note(self, message: Any) -> None:
        """Remember an error of the console."""
        if message.type == "error":
            self.errors.append(message.text)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A browser: the one Playwright installed, else one on PATH; without one, the test is skipped."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with playwright.sync_playwright() as driver:
        own = Path(driver.chromium.executable_path)
        found = str(own) if own.exists() else next(filter(None, map(shutil.which, INSTALLED)), None)
        if found is None:
            pytest.skip("Chromium is not installed")
        launched = driver.chromium.launch(executable_path=found, args=list(FLAGS))
        yield launched
        launched.close()


@pytest.fixture
def window(browser: Any) -> Iterator[Any]:
    """Opens windows: `window(width=400, scheme="dark")`; fails the test if one asked for anything elsewhere."""
    opened: list[tuple[Window, Any]] = []

    def open_window(width: int = 1200, height: int = 1000, scheme: str = "light") -> Window:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        made = Window(context.new_page())
        context.route("**/*", made.guard)
        made.page.on("pageerror", lambda error: made.errors.append(str(error)))
        made.page.on("console", made.note)
        opened.append((made, context))
        return made

    yield open_window
    for _, context in opened:
        context.close()
    assert [address for made, _ in opened for address in made.strangers] == []


@pytest.fixture(scope="session")
def picture(request: pytest.FixtureRequest) -> Any:
    """Keeps a picture of a page, to be looked at: below EVERGREEN_PICTURES, else in a temporary folder."""
    folder = Path(os.environ.get("EVERGREEN_PICTURES") or tempfile.mkdtemp(prefix="evergreen-pictures-"))
    folder.mkdir(parents=True, exist_ok=True)
    request.config.stash[_pictures] = folder

    def keep(page: Any, name: str, *, whole: bool = True) -> None:
        page.screenshot(path=folder / f"{name}.png", full_page=whole)

    return keep


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say where the pictures are."""
    if _pictures in config.stash:
        terminalreporter.write_line(f"pictures of the pages: {config.stash[_pictures]}")


@dataclass(frozen=True)
class Runs:
    """A home after five runs, and what each of them answered."""

    home: Path
    digits: dict[str, Any]
    breast_cancer: dict[str, Any]
    held: dict[str, Any]
    mended: dict[str, Any]
    """The first recipe again, after its data page was deleted."""


@pytest.fixture(scope="session")
def runs(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Both shipped recipes promoted, a challenger held, and one stage mended; through the command line."""
    home = tmp_path_factory.mktemp("browser") / "home"
    digits = evergreen(home, "run", "digits", *SHORT)
    breast_cancer = evergreen(home, "run", "breast_cancer", *SHORT)
    held = evergreen(home, "run", "digits", *SHORT, *HELD)
    Path(digits["reports"]["data"]).unlink()
    mended = evergreen(home, "run", "digits", *SHORT)
    return Runs(home, digits, breast_cancer, held, mended)


def evergreen(home: Path, *words: str) -> dict[str, Any]:
    """The JSON answer of a command, run as a process of its own in the checkout."""
    command = [sys.executable, "-m", "flows.cli", "--home", str(home), "--json", *words]
    ended = subprocess.run(command, cwd=ROOT, env=_environment(), capture_output=True, text=True, check=False)
    answer: dict[str, Any] = json.loads(ended.stdout)
    assert answer["status"] != "error", ended.stdout + ended.stderr
    return answer


@pytest.fixture(scope="session")
def served(runs: Runs) -> Iterator[dict[str, str]]:
    """The addresses of Prefect's and MLflow's pages on that home, as `make ui` serves them."""
    command = [sys.executable, "-u", "-m", "flows.pages", "--home", str(runs.home)]
    process = subprocess.Popen(command, cwd=ROOT, env=_environment(), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline().split() for _ in range(2)]
        yield {"prefect": lines[0][-1].removesuffix("/runs"), "mlflow": lines[1][-1].split("/#")[0]}
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    assert process.returncode == 0


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
