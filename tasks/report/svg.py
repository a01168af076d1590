"""Drawing with two axes, as SVG text: milliseconds a plot, the same bytes each time, colours that follow the page.

Plots are drawn here and not by a plotting library because a page holds dozens of them: thirty small
histograms take milliseconds instead of seconds, light and dark need no second set, and a pointer over a
bar shows its value without a script. Colours are the style sheet's variables (`tasks/report/layout.py`).
Lengths are in CSS pixels, y downwards, rounded to a tenth.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from tasks.report.numbers import show

COLOURS = tuple(f"var(--c{number})" for number in range(10))
"""Colours of groups, in order; they repeat after ten."""

MOST_POINTS = 2000
"""Points drawn in one scatter plot at most."""

TOO_LARGE = 1e150
"""Numbers from this size on overflow when they are squared: they are left out, as infinite ones are."""


@dataclass(frozen=True)
class Scale:
    """A straight map from values in [low, high] to pixels in [start, stop]; an empty range is widened."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: Any) -> Any:
        """Pixels of one value or of an array of them."""
        low, high = widened(self.low, self.high)
        return self.start + (value - low) / (high - low) * (self.stop - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        """Round values inside the range, steps of 1, 2 or 5 times a power of ten."""
        low, high = sorted(widened(self.low, self.high))
        rough = (high - low) / max(about, 1)
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
        first = math.ceil(low / step - 1e-9)
        last = math.floor(high / step + 1e-9)
        return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


class Plot:
    """A frame with an x and a y axis to draw in; `svg()` gives the picture.

    `legend` names the groups whose colours are `COLOURS`, above the frame; it makes the picture higher
    where it needs more than one line. Without `left` there is room for the labels of five y ticks.
    """

    def __init__(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        *,
        size: tuple[int, int] = (460, 300),
        left: int | None = None,
        right: int = 14,
        top: int = 14,
        bottom: int = 42,
        legend: Sequence[str] = (),
    ) -> None:
        self.width, self.height = size
        left = _room(Scale(*y, 0, 1)) if left is None else left
        places = _legend_places(legend, left, self.width)
        if places:
            top = 24 + 18 * places[-1][1]
            self.height += 18 * places[-1][1]
        self.box = (left, top, self.width - right, self.height - bottom)
        self.x = Scale(*x, self.box[0], self.box[2])
        self.y = Scale(*y, self.box[3], self.box[1])
        self._parts: list[str] = []
        for position, ((at, line), name) in enumerate(zip(places, legend, strict=True)):
            self.box_at((at, 4 + 18 * line, 10, 10), COLOURS[position % len(COLOURS)])
            self.text(at + 14, 13 + 18 * line, name, most=24)

    def axes(
        self,
        x_label: str = "",
        y_label: str = "",
        *,
        x_ticks: int | Sequence[tuple[float, str]] = 5,
        y_ticks: int | Sequence[tuple[float, str]] = 5,
    ) -> Plot:
        """Grid lines, tick labels and the names of both axes; ticks are a number of them or (value, text) pairs."""
        left, top, right, bottom = self.box
        for value, text in _ticks(self.x, x_ticks):
            at = self.x(value)
            self._parts.append(f'<path d="M{r(at)} {top}V{bottom}" stroke="var(--grid)"/>')
            self.text(at, bottom + 15, text, anchor="middle", soft=True)
        for value, text in _ticks(self.y, y_ticks):
            at = self.y(value)
            self._parts.append(f'<path d="M{left} {r(at)}H{right}" stroke="var(--grid)"/>')
            self.text(left - 7, at + 4, text, anchor="end", soft=True)
        self._parts.append(f'<path d="M{left} {bottom}H{right}" stroke="var(--line)"/>')
        if x_label:
            self.text((left + right) / 2, self.height - 7, x_label, anchor="middle")
        if y_label:
            middle = (top + bottom) / 2
            self.text(13, middle, y_label, anchor="middle", turn=-90)
        return self

    def bar(
        self, x: tuple[float, float], y: tuple[float, float], colour: str, title: str = "", shade: float = 1
    ) -> Plot:
        """A filled rectangle between two x and two y values; `title` shows under a pointer."""
        left, right = sorted((self.x(x[0]), self.x(x[1])))
        top, bottom = sorted((self.y(y[0]), self.y(y[1])))
        self.box_at((left, top, right - left, bottom - top), colour, title, shade)
        return self

    def box_at(self, box: tuple[float, float, float, float], colour: str, title: str = "", shade: float = 1) -> Plot:
        """A filled rectangle at pixels x, y, width, height."""
        x, y, width, height = box
        opacity = f' fill-opacity="{r(shade, 2)}"' if shade < 1 else ""
        self._parts.append(
            f'<rect x="{r(x)}" y="{r(y)}" width="{r(width)}" height="{r(height)}" fill="{colour}"{opacity}>'
            f"{_title(title)}</rect>"
        )
        return self

    def line(
        self,
        x: Iterable[float],
        y: Iterable[float],
        colour: str,
        *,
        dashed: bool = False,
        title: str = "",
        wide: float = 2,
    ) -> Plot:
        """A line through points; it is broken where a value is not finite."""
        path, pen = [], "M"
        for across, up in zip(x, y, strict=True):
            if abs(across) < TOO_LARGE and abs(up) < TOO_LARGE:
                path.append(f"{pen}{r(self.x(across))} {r(self.y(up))}")
                pen = "L"
            else:
                pen = "M"
        style = f'stroke="{colour}" stroke-width="{wide}" stroke-linejoin="round"'
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self._parts.append(f'<path d="{"".join(path)}" fill="none" {style}{dash}>{_title(title)}</path>')
        return self

    def points(self, x: np.ndarray, y: np.ndarray, colour: str, *, size: float = 5, shade: float = 0.6) -> Plot:
        """Dots, as one path; points that cannot be drawn are left out."""
        kept = (np.abs(x) < TOO_LARGE) & (np.abs(y) < TOO_LARGE)
        dots = "".join(f"M{r(a)} {r(b)}h0" for a, b in zip(self.x(x[kept]), self.y(y[kept]), strict=True))
        self._parts.append(
            f'<path d="{dots}" fill="none" stroke="{colour}" stroke-width="{size}" stroke-linecap="round" '
            f'stroke-opacity="{shade}"/>'
        )
        return self

    def text(
        self, x: float, y: float, text: str, *, anchor: str = "start", soft: bool = False, turn: int = 0, most: int = 40
    ) -> Plot:
        """Text at pixels; longer than `most` characters it is cut, and a pointer shows all of it."""
        style = ' class="soft"' if soft else ""
        turned = f' transform="rotate({turn} {r(x)} {r(y)})"' if turn else ""
        shown = text if len(text) <= most else text[: most - 1] + "…"
        self._parts.append(
            f'<text x="{r(x)}" y="{r(y)}" text-anchor="{anchor}"{style}{turned}>{escape(shown)}'
            f"{_title(text) if shown != text else ''}</text>"
        )
        return self

    def image(self, box: tuple[float, float, float, float], png: str, title: str) -> Plot:
        """A base64 PNG at pixels x, y, width, height, its pixels kept square."""
        x, y, width, height = (r(number) for number in box)
        self._parts.append(
            f'<image class="pixel" x="{x}" y="{y}" width="{width}" height="{height}" '
            f'href="data:image/png;base64,{png}">{_title(title)}</image>'
        )
        return self

    def svg(self) -> str:
        """The picture."""
        body = "".join(self._parts)
        size = f'viewBox="0 0 {self.width} {self.height}" width="{self.width}" height="{self.height}"'
        return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{body}</svg>'


def r(value: float, digits: int = 1) -> str:
    """A number in as few characters as it needs."""
    text = f"{float(value):.{digits}f}".rstrip("0").rstrip(".") if digits else f"{float(value):.0f}"
    return "0" if text in ("-0", "") else text


def widened(low: float, high: float) -> tuple[float, float]:
    """The same range (it may run downwards), or one around it where it is empty."""
    if high != low:
        return low, high
    reach = abs(low) * 0.05 or 0.5
    return low - reach, high + reach


def drawable(values: Any) -> np.ndarray:
    """The values that have a place on an axis, float64: finite, and small enough to be squared."""
    array = np.asarray(values, dtype=np.float64)
    return array[np.abs(array) < TOO_LARGE]


def extent(*arrays: Any, pad: float = 0.03) -> tuple[float, float]:
    """Least and greatest drawable value of all arrays, and a little room; (0, 1) where there is none."""
    values = [array for array in map(drawable, arrays) if array.size]
    if not values:
        return 0.0, 1.0
    low, high = min(float(array.min()) for array in values), max(float(array.max()) for array in values)
    room = (high - low) * pad
    return low - room, high + room


def thin(rows: int, most: int = MOST_POINTS) -> np.ndarray:
    """Indices of at most `most` of `rows` rows, evenly spread: the same each time."""
    return np.arange(rows) if rows <= most else np.linspace(0, rows - 1, most).round().astype(np.int64)


def _ticks(scale: Scale, ticks: int | Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    if not isinstance(ticks, int):
        return list(ticks)
    return [
        (value, show(int(value) if value.is_integer() and abs(value) < 1e9 else value)) for value in scale.ticks(ticks)
    ]


def _legend_places(names: Sequence[str], left: float, width: float) -> list[tuple[float, int]]:
    """Where each name of a legend stands: x in pixels, and its line."""
    places: list[tuple[float, int]] = []
    at, line = left, 0
    for name in names:
        long = 30 + 6.2 * min(len(name), 24)
        if at + long > width and at > left:
            at, line = left, line + 1
        places.append((at, line))
        at += long
    return places


def _room(scale: Scale) -> int:
    """Pixels that the tick labels of a y axis and its name take."""
    return 38 + int(6.2 * max((len(text) for _, text in _ticks(scale, 5)), default=0))


def _title(text: str) -> str:
    return f"<title>{escape(text)}</title>" if text else ""
