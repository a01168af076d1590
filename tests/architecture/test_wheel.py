"""The wheel: holds the code and the shipped recipes, and nothing that belongs to the checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def test_it_holds_flows_tasks_and_the_shipped_recipes(wheel: zipfile.ZipFile):
    names = set(wheel.namelist())
    for name in ("flows/cli/__init__.py", "tasks/stage.py", "tasks/py.typed"):
        assert name in names
    shipped = ("digits", "breast_cancer", "diabetes", "bike_hours", "sms_spam", "white_wine", "fashion_mnist")
    for recipe in shipped:
        kept = {
            path.name
            for path in (ROOT / "data" / recipe).iterdir()
            if path.is_file() and path.suffix not in (".dvc", ".csv", ".gz")
        }
        assert "recipe.yaml" in kept
        assert {f"tasks/shipped/{recipe}/{name}" for name in kept} <= names


def test_it_holds_nothing_else(wheel: zipfile.ZipFile):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {"flows", "tasks", f"evergreen-{_version()}.dist-info"}
    assert not any("__pycache__" in name or name.endswith((".dvc", ".csv", ".gz")) for name in wheel.namelist())


def test_it_asks_for_the_caps(wheel: zipfile.ZipFile):
    metadata = wheel.read(f"evergreen-{_version()}.dist-info/METADATA").decode()
    asked = {line.removeprefix("Requires-Dist: ") for line in metadata.splitlines() if line.startswith("Requires-Dist")}
    assert "fastapi<0.151,>=0.139" in asked
    assert "sqlalchemy<2.1,>=2.0" in asked


def test_a_shipped_recipe_is_found_outside_a_checkout(wheel: zipfile.ZipFile, tmp_path: Path):
    wheel.extractall(tmp_path / "site")
    code = (
        "from tasks.core.load import load_recipe; found = load_recipe('digits');"
        "print(found.recipe.name, found.file.relative_to({!r}))"
    )
    result = subprocess.run(
        [
            sys.executable,
            "-I",
            "-c",
            f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); " + code.format(str(tmp_path)),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.stdout.split() == ["digits", "site/tasks/shipped/digits/recipe.yaml"], result.stderr


def _version() -> str:
    from importlib.metadata import version

    return version("evergreen")
