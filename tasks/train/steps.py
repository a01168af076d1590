"""One optimization step in the forms that a device can carry it out in; each computes the same.

eager       Python launches one operation after the other
graphed     the launches of a whole step are recorded once as a CUDA graph and replayed: none waits for Python
compiled    torch.compile makes fewer and larger kernels of forward pass, loss and backward pass; then they are graphed

Which one a training takes is measured (`tasks/train/choice.py`).
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
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

    @cached_property
    def parameters(self) -> list[torch.Tensor]:
        """What the optimizer changes."""
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    @cached_property
    def advance(self) -> Callable[[], None]:
        """The optimizer's step without what it does for profilers and hooks: a quarter of its time in small ones."""
        plain = inspect.unwrap(type(self.optimizer).step)

        def advance() -> None:
            with torch.no_grad():
                plain(self.optimizer)

        return advance

    @property
    def recordable(self) -> bool:
        """Whether a graph can be recorded: the rows lie on the device and are taken as they are."""
        return self.rows.device.type == "cuda" and isinstance(self.rows.inputs, torch.Tensor) and self.vary is None


def eager(parts: Parts) -> Step:
    """Each operation is launched as Python comes to it."""

    def step(index: torch.Tensor, lr: float, number: int = 0) -> torch.Tensor:
        set_rates(parts.optimizer, lr)
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
    """Compiled forward and backward passes; on a CUDA device recorded as well, where that can be done.

    On a CPU both passes are one function, so that autograd's own work goes too, and the optimizer is the eager one's.

    Raises:
        RuntimeError: there is no compiler, or the network does something that it cannot be compiled with.
        ValueError: on a CPU, a step has several batches.
    """
    if parts.rows.device.type != "cpu":
        forward = torch.compile(forward_of(parts), dynamic=False)
        return graphed(parts, size, forward) if parts.recordable else _stepping(parts, size, forward)
    if len(bounds(size, parts.batch_size)) > 1:
        raise ValueError("a step of several batches is not compiled on a CPU")
    return _both_passes(parts, size)


def _stepping(parts: Parts, size: int, forward: Callable[..., torch.Tensor]) -> Step:
    """Steps by a compiled forward pass; one of another size, for which it is not made, is as usual."""
    as_usual = eager(parts)

    def step(index: torch.Tensor, lr: float, number: int = 0) -> torch.Tensor:
        if len(index) != size:
            return as_usual(index, lr, number)
        set_rates(parts.optimizer, lr)
        return _whole(parts, forward, index, number)

    return step


def _both_passes(parts: Parts, size: int) -> Step:
    import torch._dynamo.config as settings
    import torch._inductor.config as compiler

    if not hasattr(settings, "trace_autograd_ops"):
        raise RuntimeError("this torch does not compile a backward pass together with its forward pass")
    settings.trace_autograd_ops = True
    forward, as_usual = forward_of(parts), eager(parts)
    learned = [parameter for parameter in parts.parameters if parameter.requires_grad]

    def passes(inputs: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor | None, ...]]:
        loss = forward(inputs, targets)
        return loss.detach(), torch.autograd.grad(loss, learned, allow_unused=True)

    made = torch.compile(passes, dynamic=False, fullgraph=True)

    def step(index: torch.Tensor, lr: float, number: int = 0) -> torch.Tensor:
        if len(index) != size:
            return as_usual(index, lr, number)
        set_rates(parts.optimizer, lr)
        loss, gradients = made(*_batch(parts, index, number, 0))
        for parameter, one in zip(learned, gradients, strict=True):
            parameter.grad = one
        update(parts)
        return loss

    # Now, so that what cannot be compiled is known before a step counts; without processes that would stay behind.
    with undone(parts.network, parts.optimizer, parts.rows.device), compiler.patch(compile_threads=1):
        step(torch.arange(size), 0.0)
    return step


def forward_of(parts: Parts) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Inputs [B, *shape] and targets [B] → mean loss, in the precision of the parts."""

    def plain(inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return parts.loss(parts.network(inputs).float(), targets)

    def cast(inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        with autocast(parts.rows.device, parts.precision):
            outputs = parts.network(inputs)
        return parts.loss(outputs.float(), targets)

    return plain if parts.precision is None else cast


def autocast(device: torch.device, precision: torch.dtype | None) -> contextlib.AbstractContextManager[Any]:
    """Autocast to a type, or nothing."""
    return torch.autocast(device.type, dtype=precision) if precision is not None else contextlib.nullcontext()


def _whole(parts: Parts, forward: Callable[..., torch.Tensor], index: torch.Tensor, number: int = 0) -> torch.Tensor:
    """One update by the mean gradient of the rows at `index`, batch by batch; gives their mean loss.

    With class weights the weighted mean of each batch counts by its rows.
    """
    loss = gradient(parts, forward, index, number)
    update(parts)
    return loss


def update(parts: Parts) -> None:
    """One step by the gradient that the parameters hold, after the penalty's was added and all of it clipped."""
    if parts.l1 > 0:
        (parts.l1 * penalty.l1(parts.network)).backward()
    if parts.clip is not None:
        nn.utils.clip_grad_norm_(parts.network.parameters(), parts.clip)
    parts.advance()


def gradient(parts: Parts, forward: Callable[..., torch.Tensor], index: torch.Tensor, number: int) -> torch.Tensor:
    """Leave the mean gradient of the rows at `index` in the parameters; gives their mean loss, detached."""
    for parameter in parts.parameters:
        parameter.grad = None  # what `zero_grad` does, without its bookkeeping
    pieces = bounds(len(index), parts.batch_size)
    if len(pieces) == 1:
        # The same bits as below, where a factor of 1 and a sum of one would cost three operations more.
        loss = forward(*_batch(parts, index, number, 0))
        loss.backward()
        return loss.detach()
    total = torch.zeros((), device=parts.rows.device)
    for part, (start, end) in enumerate(pieces):
        loss = forward(*_batch(parts, index[start:end], number, part)) * ((end - start) / len(index))
        loss.backward()
        total += loss.detach()
    return total


def _batch(parts: Parts, index: torch.Tensor, number: int, part: int) -> tuple[torch.Tensor, torch.Tensor]:
    inputs, targets = parts.rows.take(index)
    if parts.vary is None:
        return inputs, targets
    varied = parts.vary(inputs, number, part)
    # A varied image is reproduced as it was given.
    return varied, varied if parts.rows.reproduced else targets


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


def set_rates(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Let the next step be made at this rate."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(lr)
        else:
            group["lr"] = lr
