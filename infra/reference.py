"""Write docs/reference/recipe.md and docs/reference/commands.md from the recipe's schema and the command line.

    make docs

What a field or an option means is said once, in the code; these pages repeat it for people who look things
up. A test compares the committed pages with what this script gives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from flows.cli import COMMANDS, INTERRUPTED, evergreen
from tasks.core.errors import GateError, RequestError, ServiceError
from tasks.core.recipe import Recipe

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "reference"
Schema = Mapping[str, Any]

MADE = "<!-- Made by infra/reference.py (make docs); edit the docstrings in the code instead. -->"

RECIPE_HEAD = f"""\
{MADE}

# Every field of a recipe

A recipe is one YAML file, `recipe.yaml`, in a folder of its own. `name`, `problem` and `data` are required; everything
else has the default given here, and `evergreen check RECIPE --resolved` prints the recipe with all of them filled in.
An unknown key or a wrong type is an error. A section that has kinds is written `{{kind: …, …}}`.
`evergreen schema` prints the same as JSON Schema, for your editor.
"""

COMMANDS_HEAD = f"""\
{MADE}

# Every command

`evergreen COMMAND [--home DIR] [--json]`. Every command takes these two, before or after its name:

| option | |
|---|---|
| `--home DIR` | Folder of all local state; else `EVERGREEN_HOME`, the nearest `.evergreen/` upwards, `./.evergreen`. |
| `--json` | One JSON object on stdout, everything else on stderr. [Its keys](json.md). |

MODEL is `name`, `name@alias` or `name/version`; the alias is `champion` where none is given. RECIPE is a folder, a YAML
file, the name of a folder under the nearest `data/`, or the name of a shipped recipe. KEY=VALUE changes one field of
the recipe for this command, for example `training.epochs=5`.

| exit code | |
|---|---|
| 0 | Done. |
| 1 | Our bug; the only one that may show a traceback. |
| {RequestError.exit_code} | The request is wrong: one sentence with the file, the field and the way out. |
| {GateError.exit_code} | A gate or a verification said no; it is named. |
| {ServiceError.exit_code} | A server, database or remote did not answer. |
| {INTERRUPTED} | Interrupted by Ctrl-C. Run it again: it goes on from what is done. |
"""


def recipe_page(schema: Schema) -> str:
    """The page about a recipe, from its JSON Schema."""
    parts = [RECIPE_HEAD, _table(schema, schema, "")]
    for path, node in _sections(schema, schema, ""):
        parts.append(_section(schema, path, node))
    return "\n".join(parts).rstrip() + "\n"


def commands_page(root: click.Group, names: Sequence[str]) -> str:
    """The page about the command line, from its click commands."""
    context = click.Context(root, info_name="evergreen")
    parts = [COMMANDS_HEAD]
    for name in names:
        command = root.get_command(context, name)
        if command is not None:
            parts += _command(command, click.Context(command, parent=context, info_name=name), "##")
    return "\n".join(parts).rstrip() + "\n"


def _command(command: click.Command, context: click.Context, level: str) -> Iterator[str]:
    words = context.command_path.removeprefix("evergreen ")
    yield f"{level} {words}\n"
    yield from (f"{_escaped(paragraph)}\n" for paragraph in _paragraphs(command.help or ""))
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _command(inner, click.Context(inner, parent=context, info_name=name), level + "#")
        return
    usage = [piece for piece in command.collect_usage_pieces(context) if piece != "[OPTIONS]"]
    yield f"    {' '.join([context.command_path, *usage])}\n"
    options = [option for option in command.params if isinstance(option, click.Option)]
    own = [option for option in options if option.name not in ("home", "json")]
    if own:
        yield "| option | default | |\n|---|---|---|"
        yield "\n".join(_option(option) for option in own) + "\n"


def _option(option: click.Option) -> str:
    names = ", ".join([*option.opts, *option.secondary_opts])
    value = "" if option.is_flag or option.count else f" {option.metavar or option.type.name.upper()}"
    given = option.default if isinstance(option.default, str | int | float) and not option.is_flag else None
    default = "required" if option.required else "" if given is None else f"`{given}`"
    choices = f" One of {_listing(option.type.choices)}." if isinstance(option.type, click.Choice) else ""
    again = " May be given more than once." if option.multiple else ""
    return f"| `{_cell(names + value)}` | {default} | {_cell(_escaped(option.help or ''))}{choices}{again} |"


def _sections(schema: Schema, node: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """Every section below `node`: its dotted path and the field that holds it, depth first, each path once."""
    for name, field in _fields(node).items():
        if not _kinds(schema, field):
            continue
        inner = f"{path}.{name}" if path else name
        yield inner, field
        seen: set[str] = set()
        for kind in _kinds(schema, field):
            for deeper, held in _sections(schema, kind, inner):
                if deeper not in seen:
                    seen.add(deeper)
                    yield deeper, held


def _section(schema: Schema, path: str, field: Schema) -> str:
    kinds = _kinds(schema, field)
    about = _sentence(field.get("description", ""))
    lines = [f"## {path}\n"]
    if about:
        lines.append(f"{about}\n")
    if len(kinds) == 1:
        same = _escaped(kinds[0].get("description", ""))
        if "kind" in kinds[0]["properties"]:
            same = f"**`kind: {_kind_of(kinds[0])}`** {same}"
        return "\n".join([*lines, *([f"{same}\n"] if same and same != about else []), _table(schema, kinds[0], path)])
    shared = _shared(kinds)
    if shared:
        lines += ["Every kind has:\n", _table(schema, {**kinds[0], "properties": shared}, path)]
    for kind in kinds:
        own = {name: item for name, item in _fields(kind).items() if name not in shared}
        lines.append(f"**`kind: {_kind_of(kind)}`** {_escaped(kind.get('description', ''))}\n")
        if own:
            lines.append(_table(schema, {**kind, "properties": own}, path))
    return "\n".join(lines)


def _shared(kinds: Sequence[Schema]) -> dict[str, Any]:
    """Fields that all kinds have, with the same meaning."""
    first = _fields(kinds[0])
    return {name: item for name, item in first.items() if all(_fields(kind).get(name) == item for kind in kinds)}


def _table(schema: Schema, block: Schema, path: str) -> str:
    required = set(block.get("required", ()))
    rows = ["| field | what it takes | default | |", "|---|---|---|---|"]
    for name, field in _fields(block).items():
        default = "required" if name in required else _default(field)
        cells = (f"`{name}`", _takes(schema, field, name, path), default, _cell(_meaning(schema, field)))
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _fields(block: Schema) -> dict[str, Any]:
    return {name: field for name, field in block.get("properties", {}).items() if name != "kind"}


def _kinds(schema: Schema, field: Schema) -> list[Schema]:
    """The blocks a field may hold, itself or in its items; none where it holds plain values."""
    field = _held(field)
    options = field.get("oneOf") or [option for option in field.get("anyOf", ()) if option.get("type") != "null"]
    found = [_resolved(schema, option) for option in options or [field]]
    return [block for block in found if block.get("type") == "object" and "properties" in block]


def _held(field: Schema) -> Schema:
    """What a list or a mapping holds; the field itself where it is neither."""
    inner = field.get("items") if field.get("type") == "array" else field.get("additionalProperties")
    return inner if isinstance(inner, Mapping) else field


def _resolved(schema: Schema, node: Schema) -> Schema:
    """The definition behind a reference."""
    found: Schema = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]] if "$ref" in node else node
    return found


def _kind_of(block: Schema) -> str:
    return str(block["properties"]["kind"]["const"])


def _meaning(schema: Schema, field: Schema) -> str:
    if "description" in field:
        return _escaped(field["description"])
    kinds = _kinds(schema, field)
    return _escaped(kinds[0].get("description", "")) if len(kinds) == 1 else ""


def _takes(schema: Schema, field: Schema, name: str, path: str) -> str:
    kinds = _kinds(schema, field)
    if not kinds:
        return _cell(_values(field))
    inner = f"{path}.{name}" if path else name
    link = f"[{inner}](#{inner.replace('.', '')})"
    if field.get("type") == "array":
        return f"list of {link}"
    if field.get("type") == "object":
        return f"{'column' if name == 'features' else 'field'} → {link}"
    may_be_null = any(option.get("type") == "null" for option in field.get("anyOf", ()))
    return f"{link} or null" if may_be_null else link


def _values(field: Schema) -> str:
    """In words, which plain values a field takes."""
    if "enum" in field:
        return _listing(field["enum"])
    if "anyOf" in field:
        return " or ".join("null" if option.get("type") == "null" else _values(option) for option in field["anyOf"])
    kind = field.get("type")
    if kind == "array":
        if "prefixItems" in field:
            return "[" + ", ".join(_values(item) for item in field["prefixItems"]) + "]"
        items = f"list of {_values(field['items'])}".replace("whole number", "whole numbers")
        return f"{items}, at least {field['minItems']}" if field.get("minItems") else items
    if kind == "object":
        held = field.get("additionalProperties")
        return f"name → {_values(held)}" if isinstance(held, Mapping) else "mapping"
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
    return words.get(str(kind), "any value") + _bounds(field)


def _bounds(field: Schema) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {field[key]:g}" for key, sign in signs.items() if key in field]
    pattern = f" like `{field['pattern']}`" if "pattern" in field else ""
    return (" " + ", ".join(limits) if limits else "") + pattern


def _default(field: Schema) -> str:
    value = field.get("default", {} if field.get("type") == "object" else None)
    if isinstance(value, Mapping) and value:
        return f"`{{kind: {value['kind']}}}`" if "kind" in value else "its own defaults"
    return f"`{_yaml(value)}`"


def _yaml(value: Any) -> str:
    """A plain value as it is written in a recipe."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_yaml(item) for item in value) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _listing(values: Sequence[Any]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _paragraphs(text: str) -> list[str]:
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip()) if part.strip()]


def _sentence(text: str) -> str:
    return _escaped(text[:1].upper() + text[1:])


def _escaped(text: str) -> str:
    """Text whose angle brackets are shown and not taken for HTML; code between backticks is left alone."""
    parts = " ".join(text.split()).split("`")
    return "`".join(part.replace("<", "\\<") if number % 2 == 0 else part for number, part in enumerate(parts))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def pages() -> dict[Path, str]:
    """File → text of every page that is made."""
    return {
        FOLDER / "recipe.md": recipe_page(Recipe.model_json_schema()),
        FOLDER / "commands.md": commands_page(evergreen, list(COMMANDS)),
    }


if __name__ == "__main__":
    for file, text in pages().items():
        file.write_text(text, encoding="utf-8")
