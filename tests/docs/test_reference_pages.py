"""The reference pages are what the schema and the command line say, whole and readable."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest

from tests.docs.reading import promised_keys

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """infra/reference.py, which is a script and not a package."""
    spec = importlib.util.spec_from_file_location("evergreen_reference", ROOT / "infra" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_pages_are_what_make_docs_writes(generator: ModuleType):
    for file, text in generator.pages().items():
        assert file.read_text(encoding="utf-8") == text, f"{file.name} is out of date: run `make docs`"


def test_every_field_of_the_schema_is_on_the_page(generator: ModuleType):
    page = (ROOT / "docs" / "reference" / "recipe.md").read_text()
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", page, flags=re.MULTILINE | re.DOTALL))
    schema = generator.Recipe.model_json_schema()
    for path, definition in blocks(schema, schema, ""):
        text = sections[path] if path else page
        kind = definition["properties"].get("kind", {}).get("const")
        assert kind is None or f"**`kind: {kind}`**" in text, f"{path} lacks the kind {kind}"
        for name in set(definition["properties"]) - {"kind"}:
            assert f"| `{name}` |" in text, f"{path}.{name} is missing"


def blocks(schema: dict[str, Any], block: dict[str, Any], path: str):
    """Every block with the path of the field that holds it, found by following references alone."""
    yield path, block
    for name, field in block["properties"].items():
        for reference in set(references(field)):
            inner = schema["$defs"][reference.rsplit("/", 1)[-1]]
            yield from blocks(schema, inner, f"{path}.{name}" if path else name)


def references(node: Any):
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key == "$ref")
        yield from (found for key, value in node.items() if key != "discriminator" for found in references(value))
    elif isinstance(node, list):
        yield from (found for value in node for found in references(value))


def test_ranges_defaults_and_what_may_be_left_out_are_told(generator: ModuleType):
    rows = (ROOT / "docs" / "reference" / "recipe.md").read_text().splitlines()
    row: dict[str, str] = {}  # of the section that has the field first
    for line in (line for line in rows if line.startswith("| `")):
        row.setdefault(line.split("|")[1].strip(" `"), line)
    assert "| number > 0.5, < 1 | `0.95` |" in row["confidence"]
    assert "| text | required |" in row["path"] and "| text or null | `null` |" in row["target"]
    assert "| `{}` |" in row["thresholds"]
    assert "[training.early_stopping](#trainingearly_stopping) or null" in row["early_stopping"]


def test_a_field_without_a_sentence_is_an_obvious_one(generator: ModuleType):
    """What a field means is told where it is declared; a name and a range alone do not tell it."""
    silent = set()
    for path, block in blocks(schema := generator.Recipe.model_json_schema(), schema, ""):
        for name, field in block["properties"].items():
            told = generator._meaning(schema, field) or any(references(field))
            if name != "kind" and not told:
                silent.add(f"{path}.{name}")
    assert silent == set()


def test_every_command_and_option_is_on_the_page(generator: ModuleType):
    page = (ROOT / "docs" / "reference" / "commands.md").read_text()
    sections = dict(re.findall(r"^##+ ([a-z -]+)\n(.*?)(?=^##+ |\Z)", page, flags=re.MULTILINE | re.DOTALL))
    for words, command in commands(generator).items():
        for option in command.params:
            if isinstance(option, click.Option) and option.name not in ("home", "json"):
                assert f"`{', '.join(option.opts)}" in sections[words], f"{words} {option.opts}"


def test_what_every_command_gives_as_json_is_told(generator: ModuleType):
    for words, command in commands(generator).items():
        if not isinstance(command, click.Group):
            assert promised_keys(words), f"docs/reference/json.md says nothing about {words}"


def commands(generator: ModuleType) -> dict[str, click.Command]:
    """Every command and subcommand, by the words it is called with."""
    context, found = click.Context(generator.evergreen), {}
    for name in generator.COMMANDS:
        found[name] = generator.evergreen.get_command(context, name)
        found |= {f"{name} {inner}": each for inner, each in getattr(found[name], "commands", {}).items()}
    return found
