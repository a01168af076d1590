"""How numbers are written for people: four digits that matter, thousands apart, and words for what has no value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def show(value: Any) -> str:
    """Write one value of a table or a sentence.

    Integers get thousands separators, other numbers four significant digits, None and NaN a word; a
    Python, numpy or pandas scalar is written alike.

    >>> show(1797), show(0.98765), show(-0.0), show(float("nan")), show(None), show(True)
    ('1,797', '0.9877', '0', 'undefined', '–', 'yes')
    """
    if value is None:
        return "–"
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return _number(value)
    return str(value)


def percent(share: float) -> str:
    """Write a share in [0, 1] as a percentage; a share that is neither none nor all is never rounded to either.

    >>> percent(0.5), percent(0.00001), percent(0.9999), percent(1.0)
    ('50 %', 'under 0.1 %', 'over 99.9 %', '100 %')
    """
    if 0 < share < 0.001:
        return "under 0.1 %"
    if 0.999 < share < 1:
        return "over 99.9 %"
    return f"{_number(round(share * 100, 1))} %"


def count(number: int, singular: str, plural: str | None = None) -> str:
    """A number and its noun.

    >>> count(1, "row"), count(2, "row"), count(0, "class", "classes")
    ('1 row', '2 rows', '0 classes')
    """
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def listing(names: list[str] | tuple[str, ...], most: int = 5) -> str:
    """Names in a sentence, the first `most` of them.

    >>> listing(["a"]), listing(["a", "b"]), listing(["a", "b", "c"], most=2)
    ('a', 'a and b', 'a, b and 1 more')
    """
    shown = [str(name) for name in names[:most]]
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most:,} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)


def in_words(evidence: Mapping[str, Any]) -> str:
    """A gate's evidence on one line; the reason is left out, it stands elsewhere.

    >>> in_words({"rows_kept": 1797, "splits": {"train": 9}, "missing": [], "reason": "because"})
    'rows kept: 1,797; splits: train 9; missing: none'
    """
    parts = []
    for key, value in evidence.items():
        if key == "reason":
            continue
        if isinstance(value, Mapping):
            value = ", ".join(f"{name} {show(item)}" for name, item in value.items())
        elif isinstance(value, list | tuple):
            value = ", ".join(show(item) for item in value)
        parts.append(f"{key.replace('_', ' ')}: {'none' if value == '' else show(value)}")
    return "; ".join(parts)


def _number(value: float) -> str:
    if math.isnan(value):
        return "undefined"
    if math.isinf(value):
        return "infinite" if value > 0 else "minus infinite"
    if value == 0:
        return "0"
    if 1e-4 <= abs(value) < 1e4:
        return f"{float(f'{value:.4g}'):.10f}".rstrip("0").rstrip(".")
    if 1e4 <= abs(value) < 1e9:
        return f"{value:,.0f}"
    return f"{value:.3g}"
