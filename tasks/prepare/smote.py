"""SMOTE and SMOTE-NC on a model's inputs: the one door to imbalanced-learn, imported when it is used.

A category is several inputs of which one is 1, so that what lies between two rows would be no category. SMOTE-NC
(Chawla et al., 2002, section 6.1) takes each as one column and gives a made row the category that most neighbours have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tasks.transforms.apply import scaled

if TYPE_CHECKING:
    from tasks.core.balance import Smote

Floats = npt.NDArray[Any]


def smote(
    inputs: npt.NDArray[np.float32],
    targets: npt.NDArray[np.int64],
    missing: Mapping[int, int],
    state: Mapping[str, Any],
    settings: Smote,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Rows between rows of the same class.

    Args:
        inputs: [N, width], as the tabular transform gives them; at least one of them is a number.
        targets: int64 [N] positions in the classes.
        missing: Class → rows to make, one at least; each has more rows than `settings.neighbours`.
        state: What `tasks.transforms.fit` returned, of kind tabular.
        settings: The recipe's.

    Returns:
        float32 [K, width] and int64 [K]. In a made row each category has a single 1 as well, and a number whose
        flag says that it is missing is what stands for a gap.
    """
    from imblearn.over_sampling import SMOTE, SMOTENC

    numbers = len(state["numeric"])
    packed = _packed(inputs, state)
    plain = {
        "sampling_strategy": {code: int((targets == code).sum()) + count for code, count in missing.items()},
        "k_neighbors": settings.neighbours,
        "random_state": settings.seed,
    }
    labels = list(range(numbers, packed.shape[1]))
    sampler = SMOTENC(categorical_features=labels, **plain) if labels else SMOTE(**plain)
    found, classes = sampler.fit_resample(packed, targets)
    made = _unpacked(np.asarray(found[len(inputs) :], dtype=np.float64), state, inputs.shape[1])
    return made.astype(np.float32), np.asarray(classes[len(inputs) :], dtype=np.int64)


def _packed(inputs: Floats, state: Mapping[str, Any]) -> Floats:
    """float64 [N, numbers + flags + categorical columns]: numbers and flags as they are, categories as codes."""
    start = len(state["numeric"]) + _flags(state)
    codes = []
    position = start
    for width in _widths(state):
        codes.append(inputs[:, position : position + width].argmax(axis=1))
        position += width
    return np.column_stack([inputs[:, :start].astype(np.float64), *codes])


def _unpacked(packed: Floats, state: Mapping[str, Any], width: int) -> Floats:
    """The inverse of `_packed`; float64 [K, width]."""
    numbers, start = len(state["numeric"]), len(state["numeric"]) + _flags(state)
    inputs, mask = np.zeros((len(packed), width)), state.get("mask", False)
    inputs[:, :start] = packed[:, :start]
    position = numbers
    for index, entry in enumerate(state["numeric"]):
        if entry["gaps"]:
            filling = 0.0 if mask else scaled(np.array(entry["fill"] or 0.0), entry["shift"], entry["scale"])
            inputs[:, index] = np.where((packed[:, position] == 1) != mask, filling, inputs[:, index])
            position += 1
    for column, size in enumerate(_widths(state)):
        inputs[np.arange(len(packed)), position + packed[:, start + column].astype(np.int64)] = 1.0
        position += size
    return inputs


def _flags(state: Mapping[str, Any]) -> int:
    return sum(bool(entry["gaps"]) for entry in state["numeric"])


def _widths(state: Mapping[str, Any]) -> list[int]:
    """Inputs that stand for each categorical column."""
    return [len(entry["categories"]) + entry["other"] + entry["missing"] for entry in state["categorical"]]
