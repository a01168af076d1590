"""Heat maps: correlations between columns, and which class is taken for which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tasks.report.svg import COLOURS, Plot


def correlations(matrix: np.ndarray, names: Sequence[str]) -> str:
    """Correlations in [-1, 1], [N, N], with their names; blue is positive, orange negative, empty undefined.

    With at most 14 columns the values are written in the cells; a pointer shows them always.
    """
    number = len(names)
    cell = 38 if number <= 14 else 22
    side = 20 + int(min(max((len(name) for name in names), default=0), 24) * 6.2)
    plot = Plot((0, 1), (0, 1), size=(side + cell * number + side // 2, side + cell * number + 10))
    for row in range(number):
        plot.text(side - 6, side + cell * (row + 0.5) + 4, names[row], anchor="end", most=24)
        plot.text(side + cell * (row + 0.5) + 4, side - 6, names[row], turn=-60, most=24)
        for column in range(number):
            value = float(matrix[row, column])
            box = (side + cell * column, side + cell * row, cell - 1, cell - 1)
            if not np.isfinite(value):
                plot.box_at(box, "var(--grid)", f"{names[row]}, {names[column]}: undefined", 0.4)
                continue
            words = f"{names[row]}, {names[column]}: {value:.2f}"
            plot.box_at(box, COLOURS[0] if value >= 0 else COLOURS[1], words, max(abs(value), 0.02))
            if number <= 14:
                plot.text(box[0] + cell / 2, box[1] + cell / 2 + 4, f"{value:.2f}", anchor="middle")
    return plot.svg()


def confusion_matrix(matrix: np.ndarray, names: Sequence[str]) -> str:
    """Rows by true class (down) and predicted class (across), int [C, C], shaded by the share of the true class.

    Right answers lie on the green diagonal, wrong ones are red; the numbers are rows.
    """
    number = len(names)
    cell = 46 if number <= 12 else 30
    side = 40 + int(min(max((len(name) for name in names), default=0), 18) * 6.4)
    plot = Plot((0, 1), (0, 1), size=(side + cell * number + side // 2, side + cell * number + 10))
    plot.text(side + cell * number / 2, 14, "predicted", anchor="middle", soft=True)
    plot.text(14, side + cell * number / 2, "true", anchor="middle", soft=True, turn=-90)
    totals = matrix.sum(axis=1)
    for row in range(number):
        plot.text(side - 7, side + cell * (row + 0.5) + 4, names[row], anchor="end", most=18)
        long = len(names[row]) > 5
        plot.text(
            side + cell * (row + 0.5),
            side - 8,
            names[row],
            anchor="start" if long else "middle",
            most=18,
            turn=-60 * long,
        )
        for column in range(number):
            rows = int(matrix[row, column])
            share = rows / totals[row] if totals[row] else 0.0
            box = (side + cell * column, side + cell * row, cell - 2, cell - 2)
            words = f"true {names[row]}, predicted {names[column]}: {rows:,} rows ({100 * share:.1f} % of {names[row]})"
            plot.box_at(box, "var(--grid)", "", 0.55)
            if rows:
                tone = "var(--good)" if row == column else "var(--bad)"
                plot.box_at(box, tone, words, 0.12 + 0.5 * share if row == column else 0.15 + 0.75 * share)
                plot.text(box[0] + cell / 2 - 1, box[1] + cell / 2 + 3, f"{rows:,}", anchor="middle")
    return plot.svg()
