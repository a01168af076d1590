"""Regression metrics on numpy: `targets` and `predictions` float [N], in the target's own unit.

All raise `Undefined` where there are no rows or a prediction is not finite.
"""

from __future__ import annotations

import numpy as np

from tasks.metrics import Undefined


def rmse(targets: np.ndarray, predictions: np.ndarray) -> float:
    """Root of the mean squared error, in the target's unit, from 0; large errors weigh most."""
    return float(np.sqrt(np.mean(_errors(targets, predictions) ** 2)))


def mae(targets: np.ndarray, predictions: np.ndarray) -> float:
    """Mean absolute error, in the target's unit, from 0."""
    return float(np.mean(np.abs(_errors(targets, predictions))))


def r2(targets: np.ndarray, predictions: np.ndarray) -> float:
    """Share of the target's variance that is explained: 1 is perfect, 0 as good as the mean, below 0 worse.

    Raises:
        Undefined: fewer than two rows, or a constant target: there is no variance to explain.
    """
    errors = _errors(targets, predictions)
    if len(targets) < 2:
        raise Undefined("there is one row only")
    spread = np.sum((targets - targets.mean()) ** 2)
    if np.ptp(targets) == 0:
        raise Undefined("the target is constant on these rows")
    return float(1 - np.sum(errors**2) / spread)


def mape(targets: np.ndarray, predictions: np.ndarray) -> float:
    """Mean of |error| / |target| as a share, from 0; 0.1 is ten per cent. Errors of small targets weigh most.

    Raises:
        Undefined: a target is 0, of which no error is a share.
    """
    errors = _errors(targets, predictions)
    zeros = int((targets == 0).sum())
    if zeros:
        raise Undefined(f"{zeros} targets are 0")
    with np.errstate(over="ignore"):
        return float(np.mean(np.abs(errors / targets)))


def _errors(targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    if len(targets) == 0:
        raise Undefined("there are no rows")
    bad = int((~np.isfinite(predictions)).sum())
    if bad:
        raise Undefined(f"{bad} predictions are not finite")
    return np.asarray(predictions - targets)
