"""The README: every command in it is run, in its order, and every make target in it exists."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import yaml

from tests.docs.reading import blocks, documents, promised_keys

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def code_blocks(language: str) -> list[str]:
    return [block.text for block in blocks(README) if block.language == language]


def commands() -> list[list[str]]:
    lines = [line for block in code_blocks("sh") for line in block.splitlines()]
    words = [shlex.split(line, comments=True) for line in lines]
    return [command[1:] for command in words if command and command[0] == "evergreen"]


def test_the_readme_shows_every_command_there_is():
    from flows.cli import COMMANDS

    assert {command[0] for command in commands()} == set(COMMANDS)


def test_every_make_target_in_the_documents_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    for document in documents():
        mentioned = set(re.findall(r"`make ([a-z-]+)", document.read_text()))
        assert mentioned <= targets, f"{document.name} mentions {mentioned - targets}"


def test_the_recipe_in_the_readme_is_valid():
    from tasks.core.recipe import Recipe

    (text,) = code_blocks("yaml")
    recipe = Recipe.model_validate_json(json.dumps(yaml.safe_load(text.replace("1.0e-3", "0.001"))))
    assert recipe.name == "churn"


def test_the_makefile_says_what_it_offers():
    result = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30)
    for target in ("install", "demo", "test", "test-full", "lint", "bench", "docs"):
        assert re.search(rf"^{target}\s", result.stdout, flags=re.MULTILINE), target


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_command_in_the_readme_does_what_it_says(tmp_path: Path):
    """In order, as processes, in a folder with the shipped recipes, a file to score and a file to describe."""
    shutil.copytree(ROOT / "data", tmp_path / "data")
    (tmp_path / "customers.csv").write_text(customers())
    write_rows_to_score(tmp_path / "new.csv")
    replacements: dict[str, str] = {}
    with ExitStack() as serving:
        for command in commands():
            words = [replacements.get(word, word) for word in command]
            if command[0] == "up":  # what follows it in the README finds its server
                serving.enter_context(running(words, tmp_path))
                continue
            answer = run(words, tmp_path)
            if command[:2] == ["data", "list"]:
                replacements["VERSION"] = answer["versions"][-1]["version"]
    assert (tmp_path / "scored.csv").read_text().startswith("prediction_id,prediction,probability_")
    assert (tmp_path / "customers" / "recipe.yaml").is_file()
    assert (tmp_path / "data" / "digits" / "digits.dvc").is_file()
    assert (tmp_path / "d" / "manifest.json").is_file()
    kinds = [entry["kind"] for entry in run(["history", "digits"], tmp_path)["entries"]]
    assert kinds.count("promote") == 2
    assert kinds[-1] == "rollback"
    assert load_as_a_consumer(tmp_path) == ["prediction", *[f"probability_{digit}" for digit in range(10)]]


def run(words: list[str], folder: Path) -> dict:
    result = subprocess.run(
        [sys.executable, "-m", "flows.cli", *words, "--json"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert result.returncode == 0, f"evergreen {' '.join(words)}\n{result.stdout[-2000:]}\n{result.stderr[-3000:]}"
    answer = json.loads(result.stdout)
    if "--resolved" not in words:
        promised = promised_keys(" ".join(words[: 2 if words[0] == "data" else 1]))
        assert set(answer) - {"command", "status", "seconds"} == promised, f"docs/reference/json.md about {words}"
    return answer


@contextmanager
def running(words: list[str], folder: Path) -> Iterator[None]:
    """A command that lasts until Ctrl-C, from when it says that all is there."""
    said = folder / "said.txt"
    with said.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.cli", *words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=stream,
            stderr=stream,
        )
    try:
        deadline = time.monotonic() + 200
        while "Ctrl-C" not in said.read_text():
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < deadline, said.read_text()
            time.sleep(0.2)
        yield
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def customers() -> str:
    lines = ["customer_id,age,visits,churned"]
    lines += [
        f"{number},{20 + number % 50},{number % 7},{'yes' if number % 50 > 25 else 'no'}" for number in range(300)
    ]
    return "\n".join(lines) + "\n"


def write_rows_to_score(file: Path) -> None:
    from sklearn.datasets import load_digits

    rows = load_digits().data[:5]
    header = ",".join(f"pixel_{row}_{column}" for row in range(8) for column in range(8))
    file.write_text("\n".join([header, *(",".join(str(int(value)) for value in row) for row in rows)]) + "\n")


def load_as_a_consumer(folder: Path) -> list[str]:
    """The Python of the README, with this home's address and the rows that were scored."""
    (text,) = code_blocks("python")
    text = text.replace("/path/to", str(folder)).replace("(frame)", "(__import__('pandas').read_csv('new.csv'))")
    text = text.replace("\nmodel.predict", "\nresult = model.predict") + "print('\\n'.join(result.columns))\n"
    result = subprocess.run([sys.executable, "-c", text], cwd=folder, capture_output=True, text=True, timeout=200)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout.split()
