"""Made-up texts and series whose answer is in their order or in a single word, and recipes that read them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from tasks.core.recipe import Recipe

FILLERS = ("the", "film", "was", "very", "long", "and", "loud", "we", "saw", "it", "twice", "here")


def reviews(rows: int = 400, seed: int = 0, ordered: bool = False) -> pd.DataFrame:
    """Texts of 3 to 20 words with one that tells the class; `ordered`: it is told by which of two begins the text."""
    random = np.random.default_rng(seed)
    label = random.integers(0, 2, rows)
    texts = []
    for good in label:
        words = [str(word) for word in random.choice(FILLERS, random.integers(3, 19))]
        told = (["but", "fine"] if good else ["fine", "but"]) if ordered else [str(random.choice(_told(bool(good))))]
        place = 0 if ordered else int(random.integers(0, len(words) + 1))
        texts.append(" ".join([*words[:place], *told, *words[place:]]))
    return pd.DataFrame({"note": texts, "y": np.where(label, "good", "bad")})


def waves(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    """Series of 6 to 16 steps that rise or fall, with noise, their ends missing. `y` is the slope, `up` its sign."""
    random = np.random.default_rng(seed)
    slope = random.uniform(0.3, 2, rows) * random.choice([-1, 1], rows)
    steps = np.arange(16)
    values = slope[:, None] * (steps - 8) / 4 + random.normal(0, 0.3, (rows, 16)) + random.normal(0, 1, (rows, 1))
    values[steps >= random.integers(6, 17, rows)[:, None]] = np.nan
    frame = pd.DataFrame(values, columns=[f"s_{step}" for step in steps])
    return frame.assign(y=slope, up=np.where(slope > 0, "up", "down"))


def turned_round(frame: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Such rows with `x` and `kind` beside them, where the class is turned round for an `x` below 0.

    `x` alone says nothing about it, and neither does the text or the series; nor does `kind`.
    """
    random = np.random.default_rng([seed, 1])  # draws of its own, not those of the texts
    classes = sorted(frame["y"].unique())
    x = random.choice([-1.0, 1.0], len(frame)) * random.uniform(0.2, 1, len(frame))
    first = (frame["y"] == classes[0]) ^ (x < 0)
    return frame.assign(x=x, kind=random.choice(["a", "b"], len(frame)), y=np.where(first, *classes))


def recipe_of(frame: pd.DataFrame, model: dict[str, Any], target: str, **training: Any) -> Recipe:
    """The recipe that reads such a frame; only one of the two targets is kept."""
    text = "note" in frame
    features: dict[str, Any] = {"note": {"kind": "text"}} if text else {}
    features |= {"s": {"kind": "series", "length": 16}} if "s_0" in frame else {}
    features |= {name: {"kind": "drop"} for name in {"y", "up"} & set(frame.columns) - {target}}
    values = {
        "name": "sequences",
        "problem": "regression" if pd.api.types.is_float_dtype(frame[target]) else "classification",
        "data": {"reader": {"kind": "csv", "path": "x.csv"}, "target": target, "features": features},
        "model": model,
        "training": {"batch_size": 32, "device": "cpu", "optimizer": {"kind": "adamw", "lr": 0.01}, **training},
    }
    if text:
        values["transforms"] = {"text": {"max_length": 24}}
    return Recipe.model_validate_json(json.dumps(values))


def _told(good: bool) -> tuple[str, ...]:
    return ("superb", "great", "moving") if good else ("awful", "poor", "dull")
