"""The command line: one file per command, each a thin shell around a flow or a task.

A command is a module `flows/cli/<name>.py`, dashes written as underscores. The first line of its
docstring is its line in `evergreen --help` and stands, without the full stop, in `COMMANDS` below, so
that the help needs no module. It holds `command`, a `click.Command` whose function gives an `Answer`:

    @click.command()
    @click.argument("recipe")
    @pass_invocation
    def command(invocation: Invocation, recipe: str) -> Answer:
        '''What `evergreen <name> --help` says.'''
        from tasks.core.load import load_recipe  # heavy imports belong in here

        home = invocation.open_home()
        return Answer({"status": "completed", "rows": 3}, text="3 rows", exit_code=0)

`--home` and `--json` are added to every command. `main` adds `command` and `seconds` to the payload,
prints payload or text, and turns what is raised into the exit code of `tasks/core/errors.py` (2 for
click's own complaints, 130 for Ctrl-C, 1 and a traceback for what nobody foresaw). While a command works,
stdout is stderr, so libraries cannot spoil the answer; tell people about progress with `output.note`.
"""

from __future__ import annotations

import difflib
import importlib
import sys
import time
import traceback
from collections.abc import Sequence
from typing import Any

import click

from flows.cli.output import (
    Answer,
    Invocation,
    chatter_on_stderr,
    note,
    terminated_like_interrupted,
    write,
    write_json,
)
from tasks.core.errors import EvergreenError

COMMANDS = {
    "init": "Write a first recipe for a data file",
    "check": "Validate a recipe and its data without training",
    "plan": "Say what a run would do, and why",
    "run": "Take data to a decision about the champion",
    "cross-validate": "Train and judge a recipe on each of k folds",
    "tune": "Look for better settings, then run with the best",
    "retrain": "Ask the recipe's policy for a new model, and make it",
    "predict": "Score a file with a registered model",
    "monitor": "Say whether new rows still look as the champion knew them",
    "status": "Show every model: champion, age, drift, next runs",
    "history": "Show who was champion when, and why",
    "explain": "Show what stands behind a model, and verify it",
    "promote": "Make a model version the champion by hand",
    "rollback": "Go back to an earlier champion",
    "data": "List, show, check out or pin dataset versions",
    "deploy": "Register schedules, triggers and forms with Prefect",
    "up": "Serve schedules, triggers and web pages until Ctrl-C",
    "doctor": "Check the installation and say how to mend it",
    "schema": "Print the recipe's JSON Schema",
}
"""Command → its line in the help, in the order of a model's life."""

INTERRUPTED = 130


class Commands(click.Group):
    """Imports a command's module when the command is called, not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command's name, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; None if there is no such command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"flows.cli.{cmd_name.replace('-', '_')}").command
        command.name = cmd_name
        _add_common_options(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command `args` starts with, or say which one was meant."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"There is no command '{args[0]}'.{_did_you_mean(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _did_you_mean(word: str, known: Sequence[str] | dict[str, str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""


def _common_options() -> list[click.Option]:
    def remember(ctx: click.Context, option: click.Parameter, value: Any) -> None:
        if value and option.name:
            setattr(ctx.find_root().obj, option.name, value)

    return [
        click.Option(
            ["--home"], metavar="DIR", expose_value=False, callback=remember, help="Folder of all local state."
        ),
        click.Option(
            ["--json"], is_flag=True, expose_value=False, callback=remember, help="One JSON object on stdout."
        ),
    ]


def _add_common_options(command: click.Command) -> None:
    if not any(option.name == "json" for option in command.params):
        command.params.extend(_common_options())
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            _add_common_options(inner)


def _show_version(ctx: click.Context, option: click.Parameter, value: bool) -> None:
    if value:
        from importlib.metadata import version

        click.echo(f"evergreen {version('evergreen')}")
        ctx.exit()


evergreen = Commands(
    name="evergreen",
    help="From one recipe to a champion model that can be justified.",
    epilog="`evergreen COMMAND --help` says more about each.",
    params=[
        *_common_options(),
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_version,
            help="Show the version.",
        ),
    ],
)
"""The whole command line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code; `arguments` are the words after `evergreen`."""
    started = time.perf_counter()
    words = list(sys.argv[1:] if arguments is None else arguments)
    invocation = Invocation(json="--json" in words)
    name = _named_command(words)
    try:
        with terminated_like_interrupted():
            answer = _run(words, invocation)
    except (click.exceptions.Exit, SystemExit) as leaving:
        return int(getattr(leaving, "exit_code", getattr(leaving, "code", 0)) or 0)
    except (click.exceptions.Abort, KeyboardInterrupt):
        answer = _failure(
            "interrupted", "The command was interrupted.", "Run it again: it goes on from what is done.", INTERRUPTED
        )
    except click.ClickException as error:
        answer = _usage_failure(error, name)
    except EvergreenError as error:
        answer = _failure(error.code, error.message, error.remedy, error.exit_code, gates=getattr(error, "gates", None))
    except Exception as error:  # noqa: BLE001 - the last line of defence: whatever it is, exit code 1 and a traceback
        note(traceback.format_exc())
        reason = " ".join(str(error).split()) or "no message"
        answer = _failure(
            "internal",
            f"{type(error).__name__}: {reason}.",
            "This is a bug: please report it with the traceback above.",
            1,
        )
    _show(answer, invocation, {"command": name, "seconds": round(time.perf_counter() - started, 3)})
    return answer.exit_code


def _run(words: list[str], invocation: Invocation) -> Answer:
    if not words:
        words = ["--help"]
    if "--help" in words or "--version" in words:
        # Asked for text, not for an answer: it belongs on stdout.
        return _as_answer(evergreen.main(words, "evergreen", standalone_mode=False, obj=invocation))
    with chatter_on_stderr():
        return _as_answer(evergreen.main(words, "evergreen", standalone_mode=False, obj=invocation))


def _as_answer(value: Any) -> Answer:
    if isinstance(value, Answer):
        return value
    # With standalone_mode=False click gives the exit code of --help and the like instead of leaving.
    if isinstance(value, int):
        raise click.exceptions.Exit(value)
    raise TypeError(f"a command gave {type(value).__name__} where an Answer is due")


def _named_command(words: Sequence[str]) -> str:
    """The command as typed (`data list`), for the JSON object of an answer or an error."""
    before_options = [word for position, word in enumerate(words) if not _belongs_to_option(words, position)]
    if not before_options:
        return "evergreen"
    if before_options[0] == "data" and len(before_options) > 1:
        return " ".join(before_options[:2])
    return before_options[0]


def _belongs_to_option(words: Sequence[str], position: int) -> bool:
    return words[position].startswith("-") or (position > 0 and words[position - 1] == "--home")


def _usage_failure(error: click.ClickException, name: str) -> Answer:
    context = getattr(error, "ctx", None)
    known = name.split()[0] in COMMANDS
    path = context.command_path if context is not None else f"evergreen {name}" if known else "evergreen"
    message = " ".join(error.format_message().split())
    return _failure("usage", message if message[-1] in ".?" else f"{message}.", f"See `{path} --help`.", 2)


def _failure(code: str, message: str, remedy: str, exit_code: int, gates: Any = None) -> Answer:
    payload: dict[str, Any] = {"status": "error", "error": {"code": code, "message": message, "remedy": remedy}}
    if gates:
        payload["gates"] = gates
    text = click.style("Error: ", fg="red", bold=True) + message + (f"\n  {remedy}" if remedy else "")
    return Answer(payload, text, exit_code)


def _show(answer: Answer, invocation: Invocation, extra: dict[str, Any]) -> None:
    if invocation.json:
        write_json({"command": extra["command"], **answer.payload, "seconds": extra["seconds"]})
    elif answer.text:
        write(answer.text, to_stderr=answer.payload.get("status") == "error")
