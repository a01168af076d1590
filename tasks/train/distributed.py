"""One training in several processes: each computes the gradient of its share of a step's rows, and all make one step.

The first process runs the loop as ever: it alone validates, decides, writes checkpoints and tells the tracking store.
The others are followers: they build the same training, take over its weights, and are told of every step which rows
it takes and at which rate (`tasks/train/followers.py` starts them). A step takes the rows that the recipe says, split
among the processes; their number changes how long a training takes, and its weights by rounding alone. Two things are
not shared: dropout is drawn in each process anew, and batch normalisation sees the rows of its own process.

Gradients are summed after the backward pass in one piece; adding them up while it still runs would save more time on
large networks.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import distributed as dist

from tasks.core.seeds import derive
from tasks.core.team import Team
from tasks.train.steps import Form, Parts, Step, Vary, forward_of, gradient, set_rates, update

HEAD = 3
"""Numbers before the rows in a message: the step's number, how many rows, and the bits of the rate."""
OVER = -1
"""In place of a step's number: there are no more."""


def share_of(index: torch.Tensor, team: Team) -> tuple[torch.Tensor, float]:
    """The rows of a step that this process takes, and the share of the step's mean that they are.

    A step of fewer than two rows for each process is computed by the first; the others compute it too, so that the same
    parameters have a gradient everywhere, and count for nothing.
    """
    if len(index) < 2 * team.size:
        return index, float(team.rank == 0)
    mine = index.tensor_split(team.size)[team.rank]
    # A copy: what follows these rows in the order is another process's share, and need not be read ahead.
    return mine.clone(), len(mine) / len(index)


def spread(parts: Parts, team: Team) -> Step:
    """A step on all rows of its index, of which this process computes its share; the same update in each process."""
    per_process = -(-parts.batch_size // team.size)
    share = replace(parts, batch_size=per_process, vary=_varied(parts.vary, team))
    forward = forward_of(share)

    def step(index: torch.Tensor, lr: float, number: int = 0) -> torch.Tensor:
        set_rates(parts.optimizer, lr)
        mine, weight = share_of(index, team)
        loss = summed(parts.parameters, gradient(share, forward, mine, number), weight)
        update(parts)
        return loss

    return step


def summed(parameters: list[torch.Tensor], loss: torch.Tensor, weight: float) -> torch.Tensor:
    """Put the sum over processes of `weight` times the gradient in its place; gives that of the losses, a scalar."""
    held = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([*(one.reshape(-1) for one in held), loss.reshape(1)]).mul_(weight)
    dist.all_reduce(flat)
    for one, part in zip(held, flat[:-1].split([one.numel() for one in held]), strict=True):
        one.copy_(part.view_as(one))
    return flat[-1].clone()


class Leader:
    """The first process: its steps are told to the others before they begin."""

    def __init__(self, team: Team) -> None:
        self.team = team
        self._message: torch.Tensor | None = None

    def choose(self, parts: Parts, size: int, count: int, begun: Form | None = None) -> tuple[Form, Step]:
        """Steps that all processes make, for `Job.choose`; gives the others this process's weights."""
        # The last step of an epoch may have a row more than the others.
        dist.broadcast(torch.tensor([size + 1]), 0)
        same_weights(parts)
        message = self._message = torch.zeros(HEAD + size + 1, dtype=torch.int64)
        plain = spread(parts, self.team)

        def step(index: torch.Tensor, lr: float, number: int = 0) -> torch.Tensor:
            message[0], message[1] = number, len(index)
            message[2:HEAD].view(torch.float64)[0] = lr
            message[HEAD : HEAD + len(index)] = index
            dist.broadcast(message, 0)
            return plain(index, lr, number)

        return "eager", step

    def dismiss(self) -> None:
        """Tell the others that the last step is done."""
        if self._message is not None:
            self._message[0] = OVER
            dist.broadcast(self._message, 0)


def following(parts: Parts, team: Team, seed: int) -> int:
    """Make every step that the first process makes, until it is done; gives how many there were."""
    capacity = torch.zeros(1, dtype=torch.int64)
    dist.broadcast(capacity, 0)
    same_weights(parts)
    parts.network.train()
    step = spread(parts, team)
    message = torch.zeros(HEAD + int(capacity), dtype=torch.int64)
    done = 0
    while True:
        dist.broadcast(message, 0)
        number, count = int(message[0]), int(message[1])
        if number == OVER:
            return done
        # Dropout of its own, which is the same again when a training goes on after a crash.
        torch.manual_seed(derive(seed, "process", team.rank, number))
        rate = float(message[2:HEAD].view(torch.float64))
        step(message[HEAD : HEAD + count].clone().to(parts.rows.device), rate, number)
        done += 1


def same_weights(parts: Parts) -> None:
    """Weights and buffers of the first process in all."""
    with torch.no_grad():
        for tensor in parts.network.state_dict().values():
            sent = tensor.contiguous().clone()
            dist.broadcast(sent, 0)
            tensor.copy_(sent)


def _varied(vary: Vary | None, team: Team) -> Vary | None:
    """Draws of its own for each process."""
    if vary is None:
        return None
    return lambda inputs, number, part: vary(inputs, number, part * team.size + team.rank)
