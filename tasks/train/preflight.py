"""The gates before the expensive training: cheap experiments that show whether it can work at all.

Each gate is a function of a `Probe`. Regularisation is off: no dropout, no label smoothing, no class
weights, no weight decay. The experiments and their expectations follow Karpathy, "A recipe for training
neural networks" (2019).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from tasks.core import objective
from tasks.core.contracts import Gate
from tasks.core.seeds import derive, seed_everything
from tasks.optim import losses
from tasks.train import networks
from tasks.train.memory import Need, need

if TYPE_CHECKING:
    from tasks.core.recipe import Problem

DRAWS = 3
"""Initialisations that are averaged over, or that a gradient has to appear in one of."""

_TYPICAL = 0.95
"""Share of rows kept for the experiments: those with the largest inputs say more about their own outliers."""

_STEPS = 250
_LEARNING_RATES = (0.01, 0.003, 0.03)
_GUESSED = ("auto", "cross_entropy", "binary_cross_entropy")
"""Losses of classes by which a guess costs between the entropy of their shares and ln C."""
_OVERFITTED = 0.1
"""Part of the untrained loss that counts as learned by heart."""


@dataclass(frozen=True)
class Probe:
    """What the gates experiment on."""

    make: Callable[[], nn.Module]
    """A fresh network without regularisation, from torch's global generator, on the CPU or torch's default device."""
    inputs: np.ndarray[Any, Any]
    """float32 [n, *input_shape]: some training rows."""
    targets: np.ndarray[Any, Any]
    """int64 [n] class positions, or float32 [n] standardised, or the inputs where they are to be reproduced."""
    problem: Problem
    output_size: int
    loss: objective.Loss
    """Of the recipe."""
    optimizer: str
    batch_size: int
    """Rows per training step."""
    device: torch.device
    free_bytes: int
    """Memory that can still be had on the device."""
    averaged: bool = False
    """Whether the training keeps a running mean of the weights."""
    seed: int = 0
    linear: bool = False
    """Whether the network is one linear layer."""
    vocabulary: int = 0
    """Token ids there are, where inputs are ids; 0 where they are numbers."""
    sequence: tuple[int, ...] = ()
    """As in `Prepared`."""
    by_heart: int = 16
    """Rows that the network can be asked to learn by heart, at most."""


def run_gates(probe: Probe, fits: Gate, begun: str = "") -> tuple[Gate, ...]:
    """All preflight gates in their order; the experiments are left out where `fits_in_memory` said no.

    `begun` names the weights that the training will begin with, where they are not fresh.
    """
    experiments = (initial_loss, overfits_one_batch, gradients_flow)
    if fits.blocks:
        reason = "the network does not fit in memory, so nothing was computed with it"
        return (*(Gate(gate.__name__, "skipped", evidence={"reason": reason}) for gate in experiments), fits)
    kept = _typical(probe.inputs)
    typical = replace(probe, inputs=probe.inputs[kept], targets=probe.targets[kept])
    first, *others = experiments
    guess = _begun(begun) if begun else first(typical)
    return (guess, *(gate(typical) for gate in others), fits)


def _begun(weights: str) -> Gate:
    """A network that has learned before is better than a guess from the start."""
    return Gate("initial_loss", "skipped", evidence={"reason": f"the training begins with {weights}"})


def initial_loss(probe: Probe) -> Gate:
    """A fresh network knows nothing: its loss must be that of a guess.

    For C classes between the entropy of their shares (a network may start at the prior) and ln C, give or
    take a quarter of ln C and 0.25; for a quantity that of predicting its mean, give or take half of it
    and 0.5. The mean is over the rows and over fresh networks. Other losses of classes have no such bounds: skipped.
    """
    if probe.problem == "classification" and probe.loss.kind not in _GUESSED:
        reason = f"what a guess costs is known for a cross-entropy, and training.loss is {probe.loss.kind}"
        return Gate("initial_loss", "skipped", evidence={"reason": reason})
    loss = losses.build(probe.loss, probe.problem)
    inputs, targets = _tensors(probe, slice(0, 512))
    guess = _guess(probe, loss, targets)
    slack = 0.25 + 0.25 * guess if probe.problem == "classification" else 0.5 + 0.5 * guess
    low, high = _prior_entropy(probe, targets, guess) - slack, guess + slack
    found = []
    for draw in range(DRAWS):
        network = _fresh(probe, "initial", draw)
        with torch.no_grad():
            found.append(float(loss(network(inputs).float(), targets)))
    mean = float(np.mean(found))
    evidence = {"loss": _shown(mean), "expected": _shown(guess), "lowest": _shown(low), "highest": _shown(high)}
    if low <= mean <= high:
        return Gate("initial_loss", "passed", threshold=_shown(high), evidence=evidence)
    why = f"a fresh network has the loss {mean:.3g}, and a guess has {guess:.3g} (allowed: {low:.3g} to {high:.3g})"
    return Gate("initial_loss", "failed", threshold=_shown(high), evidence={"reason": why, **evidence})


def overfits_one_batch(probe: Probe) -> Gate:
    """A network that can learn anything learns a few well separated rows by heart; a linear one need not."""
    if probe.linear:
        reason = "one linear layer learns no more rows by heart than it has inputs, so trying would say nothing"
        return Gate("overfits_one_batch", "skipped", evidence={"reason": reason})
    labels = probe.targets if probe.problem == "classification" else None
    picked = distinct_rows(probe.inputs, labels, probe.by_heart)
    if len(picked) < 2:
        reason = "no two training rows have different inputs, so there is nothing to tell apart"
        return Gate("overfits_one_batch", "skipped", evidence={"reason": reason})
    loss = losses.build(probe.loss, probe.problem)
    inputs, targets = _tensors(probe, picked)
    if probe.problem == "regression":
        targets = (targets - targets.mean()) / targets.std(correction=0).clamp(min=1e-6)
    guess = _guess(probe, loss, targets)
    goal = _OVERFITTED * guess
    reached = math.inf
    for learning_rate in _LEARNING_RATES:
        reached = min(reached, _learn_by_heart(probe, loss, inputs, targets, learning_rate, goal))
        if reached <= goal:
            break
    evidence = {"rows": len(picked), "untrained": _shown(guess), "reached": _shown(reached)}
    if reached <= goal:
        # The exact loss is where the experiment happened to stop; that the goal was reached is the result.
        return Gate("overfits_one_batch", "passed", _shown(goal), {"rows": len(picked), "untrained": _shown(guess)})
    why = f"{len(picked)} rows could not be learned by heart: the loss stays at {reached:.3g}, and {goal:.3g} is needed"
    return Gate("overfits_one_batch", "failed", _shown(goal), {"reason": why, **evidence})


def gradients_flow(probe: Probe) -> Gate:
    """Every trainable parameter gets finite gradients, and one that is not zero in some batch of some network.

    The last batch of each network is noise, so that columns which happen to be constant blame no layer.
    """
    loss = losses.build(probe.loss, probe.problem)
    alive: set[str] = set()
    broken: set[str] = set()
    names: list[str] = []
    for draw in range(DRAWS):
        network = _fresh(probe, "gradients", draw)
        names = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
        for inputs, targets in _gradient_batches(probe):
            network.zero_grad()
            loss(network(inputs).float(), targets).backward()
            for name, parameter in network.named_parameters():
                if parameter.grad is not None and not bool(parameter.grad.isfinite().all()):
                    broken.add(name)
                elif parameter.grad is not None and bool(parameter.grad.count_nonzero()):
                    alive.add(name)
        if not broken and alive.issuperset(names):
            break
    dead = [name for name in names if name not in alive and name not in broken]
    if not dead and not broken:
        return Gate("gradients_flow", "passed", evidence={"parameters": len(names)})
    parts = [f"no gradient reaches {', '.join(dead)}"] if dead else []
    parts += [f"the gradient of {', '.join(sorted(broken))} is not finite"] if broken else []
    return Gate(
        "gradients_flow",
        "failed",
        evidence={"reason": "; ".join(parts), "dead": dead, "not_finite": sorted(broken), "parameters": len(names)},
    )


def fits_in_memory(probe: Probe) -> Gate:
    """Weights, gradients, optimizer and the activations of one batch fit into nine tenths of the free memory.

    Estimated on torch's meta device, which computes shapes and allocates nothing.
    """
    shape = probe.inputs.shape[1:]
    found: Need = need(probe.make, shape, probe.batch_size, probe.optimizer, averaged=probe.averaged)
    allowed = int(0.9 * probe.free_bytes)
    evidence = {"needed_bytes": found.total, "parameters": found.parameters, "batch_size": probe.batch_size}
    if found.total <= allowed:
        # The free memory of the moment is left out: equal runs give equal evidence.
        return Gate("fits_in_memory", "passed", evidence=evidence)
    why = (
        f"training needs about {found.total / 2**30:.3g} GiB ({found.weights / 2**30:.3g} for {found.parameters} "
        f"parameters and their optimizer, {found.activations / 2**30:.3g} for a batch of {probe.batch_size}), "
        f"and {allowed / 2**30:.3g} GiB of {probe.device.type} memory can be used"
    )
    return Gate("fits_in_memory", "failed", float(allowed), {"reason": why, **evidence})


def distinct_rows(
    inputs: np.ndarray[Any, Any], labels: np.ndarray[Any, Any] | None, limit: int = 16
) -> np.ndarray[Any, Any]:
    """Rows far from each other, with as many different labels as possible.

    Each next row is the one farthest from those chosen, first among labels not chosen yet; the search
    ends when the farthest is closer than a quarter of the first distance. So no two rows are equal.

    Returns:
        int64 positions, at most `limit`; a single one where all rows are alike.
    """
    rows = min(len(inputs), 256, max(32, 4_000_000 // max(math.prod(inputs.shape[1:]), 1)))
    flat = inputs[:rows].reshape(rows, -1).astype(np.float64)
    chosen = [0]
    distance = np.linalg.norm(flat - flat[0], axis=1)
    least = 0.25 * float(distance.max())
    while least > 0 and len(chosen) < limit and distance.max() >= least:
        score = np.where(distance >= least, distance, -1.0)
        if labels is not None:
            fresh = ~np.isin(labels[:rows], labels[chosen]) & (score >= 0)
            score = np.where(fresh, score, -1.0) if fresh.any() else score
        chosen.append(int(np.argmax(score)))
        distance = np.minimum(distance, np.linalg.norm(flat - flat[chosen[-1]], axis=1))
    return np.array(chosen, dtype=np.int64)


def _learn_by_heart(
    probe: Probe, loss: losses.Loss, inputs: torch.Tensor, targets: torch.Tensor, learning_rate: float, goal: float
) -> float:
    """The lowest loss seen while training on one batch; stops at the goal."""
    network = _fresh(probe, "overfit", 0)
    weights = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if not weights:
        return math.inf
    optimizer = torch.optim.Adam(weights, lr=learning_rate)
    lowest = math.inf
    for step in range(_STEPS):
        optimizer.zero_grad()
        value = loss(network(inputs).float(), targets)
        value.backward()
        optimizer.step()
        if step % 10 == 9:  # reading the loss makes the device wait
            lowest = min(lowest, float(value.detach()))
            if lowest <= goal:
                break
    return lowest


def _fresh(probe: Probe, purpose: str, draw: int) -> nn.Module:
    seed_everything(derive(probe.seed, purpose, draw))
    return probe.make().to(probe.device).train()


def _tensors(probe: Probe, index: Any) -> tuple[torch.Tensor, torch.Tensor]:
    return (
        torch.from_numpy(probe.inputs[index]).to(probe.device),
        torch.from_numpy(probe.targets[index]).to(probe.device),
    )


def _gradient_batches(probe: Probe) -> list[tuple[torch.Tensor, torch.Tensor]]:
    size = max(min(probe.batch_size, 64), 2)
    starts = range(0, max(len(probe.inputs) - 1, 1), size)
    real = [_tensors(probe, slice(start, start + size)) for start in list(starts)[:4]]
    inputs, targets = real[0]
    generator = torch.Generator().manual_seed(derive(probe.seed, "noise"))
    noise = networks.noise(tuple(inputs.shape), probe.vocabulary, generator, probe.sequence).to(probe.device)
    return [*(batch for batch in real if len(batch[1]) > 1), (noise, targets)]


def _guess(probe: Probe, loss: losses.Loss, targets: torch.Tensor) -> float:
    """The loss of outputs that are all 0: ln C, or the error of predicting the mean."""
    return float(loss(torch.zeros(len(targets), probe.output_size, device=targets.device), targets))


def _prior_entropy(probe: Probe, targets: torch.Tensor, guess: float) -> float:
    if probe.problem != "classification":
        return guess
    shares = torch.bincount(targets, minlength=probe.output_size).double() / len(targets)
    return float(-(shares * shares.clamp(min=1e-12).log()).sum())


def _typical(inputs: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    largest = np.abs(inputs).reshape(len(inputs), -1).max(axis=1)
    return np.flatnonzero(largest <= np.quantile(largest, _TYPICAL))


def _shown(value: float) -> float:
    """Four significant digits: enough to read, and equal wherever the sums were added up in another order."""
    return float(f"{value:.4g}") if math.isfinite(value) else -1.0
