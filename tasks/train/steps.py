"""One optimization step in the forms that a device can carry it out in; each computes the same.

eager       Python launches one operation after the other
graphed     the launches of a whole step are recorded once as a CUDA graph and replayed: none waits for Python
compiled    torch.compile makes fewer and larger kernels of forward pass, loss and backward pass; then they are graphed

Which one is fastest is measured (`fastest`), not believed: a graph wins where kernels are short, a compiler where
memory is the limit, and on a CPU neither is worth its warm-up for trainings of seconds.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import nn

from tasks.train import penalty
from tasks.train.batches import Rows, bounds
from tasks.train.undo import undone

Form = Literal["eager", "graphed", "compiled"]
Vary = Callable[[torch.Tensor, int, int], torch.Tensor]
"""(inputs of a batch; steps of the training done before this one; batches of this step done before) → inputs."""

WARM_UP = 3
"""Steps before a graph is recorded: libraries choose their kernels and take their memory in the first ones."""
TRIED = 20
"""Steps by which forms are compared."""
COMPILE_AFTER = 120.0
"""Seconds that the steps of a training must be going to take for a compiler to be tried; it takes about ten itself."""


class Step(Protocol):
    """One update of the weights."""

    def __call__(self, index: torch.Tensor, lr: float, number: int = 0) -> torch.Tensor:
        """Mean loss, a detached scalar, of the rows at `index`, int64 [N] on the device; `number` counts steps."""
        ...


@dataclass(frozen=True)
class Parts:
    """What a step works with."""

    network: nn.Module
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    """(outputs float32 [B, …], targets [B]) → scalar."""
    optimizer: torch.optim.Optimizer
    rows: Rows
    batch_size: int
    """Rows of a forward and backward pass; a step of more rows is several passes and one update."""
    precision: torch.dtype | None = None
    """What autocast computes in; None: float32."""
    l1: float = 0.0
    """Factor of the penalty on the absolute weights."""
    clip: float | None = None
    """Largest norm of the gradient; None: not clipped."""
    vary: Vary | None = None
    """How the inputs of a batch are varied, by draws of their own for each step; None: not at all."""

    @property
    def recordable(self) -> bool:
        """Whether a graph can be recorded: the rows lie on the device and are taken as they are."""
        return self.rows.device.type == "cuda" and isinstance(self.rows.inputs, torch.Tensor) and self.vary is None


def eager(parts: Parts) -> Step:
    """Each operation is launched as Python comes to it."""

    def step(index: torch.Tensor, lr: float, number: int = 0) -> torch.Tensor:
        _set_lr(parts.optimizer, lr)
        return _whole(parts, forward, index, number)

    forward = forward_of(parts)
    return step


def graphed(parts: Parts, size: int, forward: Callable[..., torch.Tensor] | None = None) -> Step:
    """A recorded step of `size` rows; one of another size, as the last of an epoch may be, is launched as usual.

    The weights and the optimizer's state are what they were before: what the recording changes is undone.

    Args:
        parts: On a CUDA device, its rows resident there.
        size: Rows of a step.
        forward: In place of `forward_of(parts)`: the same function, compiled.

    Raises:
        ValueError: the rows are not on a CUDA device.
        RuntimeError: the network does something that cannot be recorded, as waiting for a value on the device.
    """
    if not parts.recordable:
        raise ValueError("a step is recorded for rows that lie on a CUDA device and are taken as they are")
    forward = forward or forward_of(parts)
    as_usual = eager(parts)
    place = torch.zeros(size, dtype=torch.int64, device=parts.rows.device)
    rates = rates_on_device(parts.optimizer, parts.rows.device)
    with undone(parts.network, parts.optimizer, parts.rows.device):
        graph, loss = _record(parts, forward, place)

    def step(index: torch.Tensor, lr: float, number: int = 0) -> torch.Tensor:
        if len(index) != size:
            return as_usual(index, lr, number)
        place.copy_(index)
        for rate in rates:
            rate.fill_(lr)
        graph.replay()
        # The next replay overwrites it.
        return loss.clone()

    return step


def compiled(parts: Parts, size: int) -> Step:
    """Compiled forward and backward passes; on a CUDA device recorded as well, where that can be done."""
    forward = torch.compile(forward_of(parts), dynamic=False)
    if parts.recordable:
        return graphed(parts, size, forward)
    as_usual = eager(parts)

    def step(index: torch.Tensor, lr: float, number: int = 0) -> torch.Tensor:
        if len(index) != size:
            return as_usual(index, lr, number)
        _set_lr(parts.optimizer, lr)
        return _whole(parts, forward, index, number)

    return step


def choose(parts: Parts, size: int, count: int) -> tuple[Form, Step]:
    """The form that is fastest here for the `count` steps of `size` rows that are to come, and its step.

    On a CPU, and for rows that do not lie on the device, that is the eager one: no other wins back its warm-up, and
    a training that goes on after a crash must add up as before.
    """
    plain = eager(parts)
    if not parts.recordable or size > len(parts.rows):
        return "eager", plain
    parts.network.train()
    forms: dict[Form, Step] = {"eager": plain, **_made("graphed", lambda: graphed(parts, size))}
    index = torch.arange(size, device=parts.rows.device)
    chosen, seconds = fastest(forms, index, parts)
    if seconds[chosen] * count > COMPILE_AFTER:
        forms |= _made("compiled", lambda: compiled(parts, size))
        chosen, seconds = fastest(forms, index, parts)
    told = ", ".join(f"{form} {1e6 * taken:.0f} µs" for form, taken in seconds.items())
    logging.getLogger(__name__).info("steps are %s: %s", chosen, told)
    return chosen, forms[chosen]


def _made(form: Form, make: Callable[[], Step]) -> dict[Form, Step]:
    """A form under its name; nothing where the network, a custom one perhaps, cannot be had in it."""
    try:
        return {form: make()}
    except Exception as error:  # noqa: BLE001 - compilers and recorders raise what they like; the eager form is always there
        logging.getLogger(__name__).info("steps cannot be %s: %s", form, type(error).__name__)
        return {}


def forward_of(parts: Parts) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Inputs [B, *shape] and targets [B] → mean loss, in the precision of the parts."""

    def forward(inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        with autocast(parts.rows.device, parts.precision):
            outputs = parts.network(inputs)
        return parts.loss(outputs.float(), targets)

    return forward


def autocast(device: torch.device, precision: torch.dtype | None) -> contextlib.AbstractContextManager[Any]:
    """Autocast to a type, or nothing."""
    return torch.autocast(device.type, dtype=precision) if precision is not None else contextlib.nullcontext()


def fastest(forms: Mapping[Form, Step], index: torch.Tensor, parts: Parts) -> tuple[Form, dict[Form, float]]:
    """The form whose steps take least time here and now, and the seconds of a step of each; undoes what it trains.

    Args:
        forms: Those that can be had, ready to step.
        index: Positions of the rows of one batch.
        parts: What the forms work with.
    """
    seconds: dict[Form, float] = {}
    with undone(parts.network, parts.optimizer, parts.rows.device):
        for form, step in forms.items():
            for _ in range(WARM_UP):
                step(index, 0.0)
            seconds[form] = _timed(lambda step=step: step(index, 0.0), parts.rows.device)  # type: ignore[misc]
    return min(seconds, key=lambda form: seconds[form]), seconds


def _timed(work: Callable[[], Any], device: torch.device) -> float:
    """Median seconds of one call, the device's work included."""
    taken = []
    for _ in range(TRIED):
        began = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - began)
    return sorted(taken)[len(taken) // 2]


def _whole(parts: Parts, forward: Callable[..., torch.Tensor], index: torch.Tensor, number: int = 0) -> torch.Tensor:
    """One update by the mean gradient of the rows at `index`, batch by batch; gives their mean loss.

    With class weights the weighted mean of each batch counts by its rows.
    """
    parts.optimizer.zero_grad(set_to_none=True)
    total = torch.zeros((), device=parts.rows.device)
    for part, (start, end) in enumerate(bounds(len(index), parts.batch_size)):
        inputs, targets = parts.rows.take(index[start:end])
        if parts.vary is not None:
            inputs = parts.vary(inputs, number, part)
        loss = forward(inputs, targets) * ((end - start) / len(index))
        loss.backward()
        total += loss.detach()
    if parts.l1 > 0:
        (parts.l1 * penalty.l1(parts.network)).backward()
    if parts.clip is not None:
        nn.utils.clip_grad_norm_(parts.network.parameters(), parts.clip)
    parts.optimizer.step()
    return total


def _record(
    parts: Parts, forward: Callable[..., torch.Tensor], index: torch.Tensor
) -> tuple[torch.cuda.CUDAGraph, torch.Tensor]:
    """Record a step on the rows at `index`, whatever they will be; gives the graph and where it leaves the loss."""
    aside = torch.cuda.Stream(parts.rows.device)
    aside.wait_stream(torch.cuda.current_stream(parts.rows.device))
    with torch.cuda.stream(aside):
        for _ in range(WARM_UP):
            _whole(parts, forward, index)
    torch.cuda.current_stream(parts.rows.device).wait_stream(aside)
    parts.optimizer.zero_grad(set_to_none=True)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = _whole(parts, forward, index)
    return graph, loss


def rates_on_device(optimizer: torch.optim.Optimizer, device: torch.device) -> list[torch.Tensor]:
    """Put the learning rates where a recorded step reads them anew each time, and let the optimizer count there.

    To be called before the optimizer has a state, as one brought back from a checkpoint.
    """
    rates = []
    for group in optimizer.param_groups:
        if not isinstance(group["lr"], torch.Tensor):
            group["lr"] = torch.tensor(float(group["lr"]), device=device)
        if "capturable" in group:
            group["capturable"] = True
        rates.append(group["lr"])
    return rates


def _set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(lr)
        else:
            group["lr"] = lr
