"""Libraries that only some recipes need, and that are there where the extra of that name is installed."""

from __future__ import annotations

import importlib.util

from tasks.core.errors import RequestError


def require(extra: str, title: str, asked: str, otherwise: str) -> None:
    """See that the library of an extra is there.

    Args:
        extra: Its name, which is that of the module.
        title: What the library is called.
        asked: By which words the recipe asks for it.
        otherwise: What to do without it.

    Raises:
        RequestError: it is not installed.
    """
    if importlib.util.find_spec(extra) is None:
        raise RequestError(
            f"{asked}, and {title} is not installed.",
            remedy=f"Install the extra: pip install 'evergreen[{extra}]'; or {otherwise}.",
            code="extra",
        )
