"""From a network's raw outputs to predictions: the half that ships inside the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd


def predictions(raw: np.ndarray[Any, Any], spec: Mapping[str, Any]) -> pd.DataFrame:
    """What a caller gets for a network's outputs.

    Args:
        raw: float32 [N, C] logits in the order of `spec["classes"]`, or [N, 1] (or [N]) standardised values, or
            [N, 1 + L] anomaly scores with the latent features behind them.
        spec: The content of transform.json: `problem`, `classes`, `target`.

    Returns:
        N rows: `prediction` (a label of its original type, or a number in the target's unit, or an anomaly score) and,
        for classification, `probability_<class>` for each class, float64, summing to 1; for a reconstruction
        `latent_<number>` from 0 on, where there are any.
    """
    if spec["problem"] == "reconstruction":
        scores = np.asarray(raw, dtype=np.float64).reshape(len(raw), raw.shape[1] or 1)
        latent = {f"latent_{place}": scores[:, place + 1] for place in range(scores.shape[1] - 1)}
        return pd.DataFrame({"prediction": scores[:, 0], **latent})
    if spec["problem"] == "regression":
        target = spec["target"]
        values = np.asarray(raw, dtype=np.float64).reshape(-1)
        return pd.DataFrame({"prediction": values * target["std"] + target["mean"]})
    classes = spec["classes"]
    found = probabilities(np.asarray(raw).reshape(-1, len(classes)))
    columns = {f"probability_{label}": found[:, index] for index, label in enumerate(classes)}
    # Through a Series of the labels' own type: ints come back as ints, strings as strings, bools as bools.
    prediction = pd.Series(classes).to_numpy()[np.argmax(found, axis=1)]
    return pd.DataFrame({"prediction": prediction, **columns})


def probabilities(logits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Softmax over the last axis, in float64; [N, C] → [N, C]. A NaN logit makes its whole row NaN."""
    logits = logits.astype(np.float64)
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True, initial=-np.inf))
    shares: np.ndarray[Any, Any] = powers / powers.sum(axis=-1, keepdims=True)
    return shares
