"""What everyone may see of what a person typed."""

from __future__ import annotations

_SECTIONS = ("args", "reader", "path", "alerts")
"""What a custom part, a reader or a hook is given may be a secret."""


def shown(override: str) -> str:
    """An override as everyone may read it, without the value where a secret may stand in it."""
    key, equals, value = override.partition("=")
    inside = any(part.lstrip("+~") in _SECTIONS for part in key.split("."))
    secret = inside or ("{" in value and any(section in value for section in _SECTIONS))
    return f"{key}{equals}…" if secret else f"{key}{equals}{value}"
