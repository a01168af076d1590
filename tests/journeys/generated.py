"""CSV files nobody prepared: what hypothesis chooses of them, and the bytes that follow from it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

Random = np.random.Generator
Signal = np.ndarray
"""What the target follows from, [N]; some columns show it."""

MARK = "cell-of-a-row"
"""Stands in cells of free text and of ids; no answer may repeat it."""


def _numbers(values: np.ndarray, form: str = "{:.4g}") -> list[str]:
    return [form.format(value) for value in values]


def _with(cells: list[str], random: Random, share: float, *others: str) -> list[str]:
    """The cells, a share of them replaced by one of the others."""
    return [str(random.choice(others)) if random.random() < share else cell for cell in cells]


def _labels(signal: Signal, cuts: tuple[float, ...], names: tuple[str, ...]) -> list[str]:
    edges = np.quantile(signal, cuts) if len(signal) else np.array([])
    return [names[int(place)] for place in np.digitize(signal, edges)]


COLUMNS: dict[str, Callable[[Random, Signal], list[str]]] = {
    "signal": lambda random, signal: _numbers(signal + 0.3 * random.normal(size=len(signal))),
    "ints": lambda random, signal: _numbers(random.integers(-5, 100, len(signal)), "{}"),
    "blanks": lambda random, signal: _with(_numbers(signal * 10), random, 0.3, "", " ", "NA"),
    "words among numbers": lambda random, signal: _with(_numbers(signal), random, 0.05, "unknown", "?", "n/a"),
    "infinite": lambda random, signal: _with(_numbers(signal), random, 0.1, "inf", "-inf", "1e400"),
    "tiny": lambda random, signal: _numbers(signal * 1e-300, "{:.6e}"),
    "large": lambda random, signal: _numbers(signal * 1e300, "{:.6e}"),
    "long integers": lambda random, signal: [str(10**20 + int(value)) for value in random.integers(0, 9, len(signal))],
    "booleans": lambda random, signal: _with(["True" if value > 0 else "False" for value in signal], random, 0.1, ""),
    "categories": lambda random, signal: _with(_labels(signal, (0.3, 0.7), ("low", "mid", "high")), random, 0.2, "mid"),
    "unicode categories": lambda random, signal: [str(random.choice(["Ärger", "日本", "🎈", ""])) for _ in signal],
    "text": lambda random, signal: [f'{MARK} {random.integers(0, 10**9)}, "said" so' for _ in signal],
    "dates": lambda random, signal: [
        f"20{10 + number // 336:02}-{1 + number // 28 % 12:02}-{1 + number % 28:02}" for number in range(len(signal))
    ],
    "some dates": lambda random, signal: _with(["2021-03-04 05:06"] * len(signal), random, 0.5, "", "never", "3/4/21"),
    "constant": lambda random, signal: ["7"] * len(signal),
    "all missing": lambda random, signal: [""] * len(signal),
    "nearly all missing": lambda random, signal: _with([""] * len(signal), random, 0.05, "1.5"),
    "ids": lambda random, signal: [f"{MARK}-{number:05}" for number in range(len(signal))],
    "counting": lambda random, signal: [str(number) for number in range(len(signal))],
    "mixed": lambda random, signal: _with(_numbers(signal), random, 0.5, "a", "b", "True", "2020-01-01", ""),
}
"""Kind of column → its cells."""

TARGETS: dict[str, Callable[[Random, Signal], list[str]]] = {
    "two classes": lambda random, signal: _labels(signal, (0.5,), ("no", "yes")),
    "three classes": lambda random, signal: _labels(signal, (0.3, 0.7), ("1", "2", "3")),
    "booleans": lambda random, signal: _labels(signal, (0.6,), ("False", "True")),
    "rare class": lambda random, signal: _labels(signal, (0.97,), ("common", "rare")),
    "one class": lambda random, signal: ["same"] * len(signal),
    "missing labels": lambda random, signal: _with(_labels(signal, (0.5,), ("a", "b")), random, 0.3, ""),
    "numbers": lambda random, signal: _numbers(3 * signal + 0.5),
    "missing numbers": lambda random, signal: _with(_numbers(signal), random, 0.2, "", "NaN"),
    "infinite numbers": lambda random, signal: _with(_numbers(signal), random, 0.05, "inf"),
    "large numbers": lambda random, signal: _numbers(signal * 1e200, "{:.6e}"),
    "tiny numbers": lambda random, signal: _numbers(signal * 1e-200, "{:.6e}"),
    "counts": lambda random, signal: _numbers(random.poisson(np.exp(np.clip(signal, -3, 3))), "{}"),
    "words among numbers": lambda random, signal: _with(_numbers(signal), random, 0.03, "high"),
    "free text": lambda random, signal: [f"answer {random.integers(0, 10**9)}" for _ in signal],
    "dates": lambda random, signal: [f"2020-01-{1 + int(value)}" for value in random.integers(0, 28, len(signal))],
    "nothing": lambda random, signal: [""] * len(signal),
}
"""Kind of target → its cells."""

NAMES = (
    *("plain", "with space", "dot.ted", 'quo"ted', "it's", "naïve", "日本", "a,b;c", "UPPER", "x[0]", "${home}"),
    *(" padded ", "class", "row id", "🎈", "key: value", "# hash", "-", "1", "nan", "true", "a/b", "back\\slash"),
    *("two\nlines", "probability_yes", "prediction", "index", "e" * 80),
)
"""Names of columns, the target's among them."""


@dataclass(frozen=True)
class Generated:
    """One file and what is in it."""

    text: str
    encoding: str
    target: str
    kinds: tuple[str, ...]
    rows: int

    def __repr__(self) -> str:
        """What a failing test shows: never 400 lines of data."""
        return f"{self.rows} rows, {self.encoding}, target {self.target!r}: {', '.join(self.kinds)}"


def generated(seed: int) -> Generated:
    """The file of one seed: kinds and names of its columns, its length, repeated rows, separator, encoding."""
    random = np.random.default_rng(seed)
    kinds = [str(kind) for kind in random.choice(sorted(COLUMNS), random.integers(1, 8))]
    if random.random() < 0.7:
        # Left to chance few files could teach anything.
        kinds = ["signal", *kinds]
    # As many targets again that can be learned: most files are to get as far as a training.
    target = str(random.choice([*sorted(TARGETS), *("two classes", "three classes", "numbers", "missing labels") * 2]))
    names = [NAMES[place] for place in random.permutation(len(NAMES))[: len(kinds) + 1]]
    rows = int(random.integers(5, 60) if random.random() < 0.2 else random.integers(100, 401))
    signal = random.normal(size=rows)
    table = [TARGETS[target](random, signal), *(COLUMNS[kind](random, signal) for kind in kinds)]
    lines = list(zip(*table, strict=True))
    repeated = random.choice([0.0, 0.0, 0.1, 0.6])
    lines += [lines[int(place)] for place in random.integers(0, rows, int(repeated * rows))]
    stream = io.StringIO(newline="")
    separator, end = str(random.choice([",", ",", ";", "\t"])), str(random.choice(["\n", "\r\n"]))
    writer = csv.writer(stream, delimiter=separator, lineterminator=end)
    writer.writerow(names)
    writer.writerows(lines)
    encoding = str(random.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16"]))
    return Generated(stream.getvalue(), encoding, names[0], (target, *kinds), len(lines))


def files() -> st.SearchStrategy[Generated]:
    """Any of them. One choice only: a generator that varies an example bit by bit repeats itself in fifty."""
    return st.integers(0, 2**63 - 1).map(generated)
