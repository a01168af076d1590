"""What holds for every command: options, JSON, exit codes, and who may write to stdout."""

from __future__ import annotations

import importlib
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from flows.cli import COMMANDS, main
from flows.cli.output import Answer, Invocation, pass_invocation, plain, table
from tasks.core.errors import GateStopped, RequestError, ServiceError

ROOT = Path(__file__).resolve().parents[2]
NOT_COMMANDS = {"__init__", "__main__", "output", "names"}


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch):
    """Put a command of this test in the place of `schema`."""

    def install(function, *options):
        command = click.Command("schema", callback=pass_invocation(function), params=list(options))
        module = type(sys)("flows.cli.schema")
        module.command = command
        monkeypatch.setitem(sys.modules, "flows.cli.schema", module)

    return install


def test_every_file_is_a_command_and_every_command_a_file():
    files = {path.stem for path in (ROOT / "flows" / "cli").glob("*.py")} - NOT_COMMANDS
    assert files == {name.replace("-", "_") for name in COMMANDS}


@pytest.mark.parametrize("name", list(COMMANDS))
def test_the_help_line_is_the_first_line_of_the_module(name: str):
    module = importlib.import_module(f"flows.cli.{name.replace('-', '_')}")
    assert module.__doc__.splitlines()[0] == COMMANDS[name] + "."
    assert isinstance(module.command, click.Command)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_explains_itself(evergreen, name: str):
    ended = evergreen(name, "--help", home=None)
    assert ended.exit_code == 0
    assert ended.stdout.startswith(f"Usage: evergreen {name}")
    assert "--home" in ended.stdout
    assert "--json" in ended.stdout


def test_the_help_imports_no_command_and_nothing_heavy():
    code = (
        "import sys; from flows.cli import main; main(['--help']);"
        "heavy = {'torch', 'mlflow', 'prefect', 'pandas', 'numpy', 'pydantic', 'great_expectations', 'dvc'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules);"
        "assert 'flows.cli.run' not in sys.modules"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    for name, line in COMMANDS.items():
        assert name in result.stdout
        assert line in result.stdout


def test_the_help_answers_in_half_a_second():
    def seconds() -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "flows.cli", "--help"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - started

    measured = statistics.median(seconds() for _ in range(5))
    assert measured < 0.5, f"{measured:.2f} s at load {os.getloadavg()[0]:.1f}"


def test_help_of_a_command_imports_nothing_heavy():
    code = (
        "import sys; from flows.cli import COMMANDS, main\n"
        "for name in COMMANDS: main([name, '--help'])\n"
        "heavy = {'torch', 'mlflow', 'prefect', 'pandas', 'great_expectations', 'dvc', 'sklearn', 'scipy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("words", [["--json", "schema"], ["schema", "--json"]], ids=["before", "after"])
def test_json_is_accepted_before_and_after_the_name(evergreen, words: list[str]):
    answer = evergreen(*words).json
    assert answer["command"] == "schema"
    assert answer["status"] == "completed"
    assert answer["seconds"] >= 0
    assert "data" in answer["schema"]["properties"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_home_is_accepted_before_and_after_the_name(probe, capfd, tmp_path: Path, after: bool):
    probe(lambda invocation: Answer({"status": "completed", "home": str(invocation.open_home().root)}))
    option = ["--home", str(tmp_path / "h")]
    words = ["schema", *option, "--json"] if after else [*option, "schema", "--json"]
    assert main(words) == 0
    assert json.loads(capfd.readouterr().out)["home"] == str(tmp_path / "h")


def test_what_libraries_print_never_reaches_stdout(probe, capfd):
    def chatty(invocation: Invocation) -> Answer:
        print("from Python")
        os.write(1, b"from C\n")
        subprocess.run(["echo", "from a child"], check=True)
        return Answer({"status": "completed"})

    probe(chatty)
    assert main(["schema", "--json"]) == 0
    captured = capfd.readouterr()
    assert json.loads(captured.out)["status"] == "completed"
    for source in ("from Python", "from C", "from a child"):
        assert source in captured.err


def test_numbers_that_json_lacks_become_null(probe, capfd):
    probe(lambda invocation: Answer({"status": "completed", "values": [float("nan"), float("inf"), 1.5]}))
    main(["schema", "--json"])
    assert json.loads(capfd.readouterr().out)["values"] == [None, None, 1.5]
    assert plain((1, (2.0,))) == [1, [2.0]]


@pytest.mark.parametrize(
    ("raised", "code", "exit_code"),
    [
        (RequestError("The file x.csv is empty.", remedy="Give it rows.", code="data"), "data", 2),
        (ServiceError("The server does not answer.", remedy="Start it.", code="prefect"), "prefect", 4),
        (click.UsageError("Missing argument 'RECIPE'."), "usage", 2),
        (click.FileError("x.csv", "no such file"), "usage", 2),
        (KeyboardInterrupt(), "interrupted", 130),
        (ZeroDivisionError("division by zero"), "internal", 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_an_error_has_one_form_and_the_right_code(probe, capfd, raised, code: str, exit_code: int):
    def fail(invocation: Invocation) -> Answer:
        raise raised

    probe(fail)
    assert main(["schema", "--json"]) == exit_code
    captured = capfd.readouterr()
    answer = json.loads(captured.out)
    assert (answer["command"], answer["status"], answer["error"]["code"]) == ("schema", "error", code)
    assert answer["error"]["message"]
    assert answer["error"]["remedy"]
    assert ("Traceback" in captured.err) is (exit_code == 1)


def test_a_gate_that_stops_brings_its_evidence(probe, capfd):
    from tasks.core.contracts import Gate

    gate = Gate("volume", "failed", 50.0, {"reason": "30 rows are fewer than 50", "rows": 30})

    def fail(invocation: Invocation) -> Answer:
        raise GateStopped((gate,), remedy="Bring more rows.")

    probe(fail)
    assert main(["schema", "--json"]) == 3
    answer = json.loads(capfd.readouterr().out)
    assert answer["error"]["message"] == "Stopped by volume: 30 rows are fewer than 50"
    assert answer["gates"][0]["evidence"]["rows"] == 30


def test_an_error_for_people_goes_to_stderr_with_its_remedy(evergreen):
    ended = evergreen("schma")
    assert ended.exit_code == 2
    assert ended.stdout == ""
    assert "There is no command 'schma'. Did you mean 'schema'?" in ended.stderr
    assert "evergreen --help" in ended.stderr


def test_without_a_command_the_help_is_shown(evergreen):
    ended = evergreen(home=None)
    assert ended.exit_code == 0
    assert "Commands:" in ended.stdout


def test_the_version_is_the_installed_one(evergreen):
    from importlib.metadata import version

    assert evergreen("--version", home=None).stdout == f"evergreen {version('evergreen')}\n"


def test_an_answer_may_end_with_a_no(probe, capfd):
    probe(lambda invocation: Answer({"status": "completed", "verified": False}, "broken", exit_code=3))
    assert main(["schema"]) == 3
    assert capfd.readouterr().out == "broken\n"


def test_a_command_that_gives_no_answer_is_a_bug(probe, capfd):
    probe(lambda invocation: None)
    assert main(["schema", "--json"]) == 1
    assert json.loads(capfd.readouterr().out)["error"]["code"] == "internal"


def test_a_reader_that_leaves_early_is_no_error():
    command = f"{sys.executable} -m flows.cli schema; echo $? >&2"
    result = subprocess.run(
        ["bash", "-c", f"set -o pipefail; ({command}) | head -1"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert "Traceback" not in result.stderr
    assert "BrokenPipe" not in result.stderr
    assert result.stderr.strip() == "0"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_ctrl_c_and_a_polite_kill_end_with_130(tmp_path: Path, name: str):
    code = (
        "import os, signal, sys, click, types\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a parent in the background ignores it
        "from flows.cli import main\n"
        "from flows.cli.output import pass_invocation\n"
        "module = types.ModuleType('flows.cli.schema')\n"
        "kill = lambda invocation: os.kill(os.getpid(), signal.NAME) or __import__('time').sleep(9)\n"
        "stop = pass_invocation(kill)\n"
        "module.command = click.Command('schema', callback=stop)\n"
        "sys.modules['flows.cli.schema'] = module\n"
        "sys.exit(main(['schema', '--json']))"
    ).replace("NAME", name)
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 130
    assert json.loads(result.stdout)["error"]["code"] == "interrupted"


def test_no_colours_reach_a_file_or_a_pipe(evergreen):
    assert "\x1b" not in evergreen("schma").stderr


def test_a_table_is_aligned_and_marks_what_is_absent():
    lines = click.unstyle(table(["name", "value"], [["a", 1.23456], ["longer", None]])).splitlines()
    assert lines == ["name    value", "a       1.235", "longer  -"]
