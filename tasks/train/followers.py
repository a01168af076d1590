"""The processes that train beside the first one: how they are started, find each other, and end.

    training.processes: 4                                                on this machine; of GPUs, one each
    torchrun --standalone --nproc-per-node 4 -m flows.cli run RECIPE     started from outside, also on several machines

A follower is told what is trained as JSON and builds it from the files that `prepare` wrote, which each process must
be able to read. It goes on until there are no more trainings, or until the first process is gone.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import distributed as dist

from tasks.core.contracts import Prepared, from_json, to_json
from tasks.core.errors import RequestError, ServiceError
from tasks.core.team import Team, under_torchrun
from tasks.train.distributed import Leader, following

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

    from tasks.core.architectures import Model
    from tasks.core.preprocessing import Augment
    from tasks.core.recipe import Problem
    from tasks.core.training import Training
    from tasks.train.loop import Job

PATIENCE = timedelta(days=7)
"""How long a follower waits for a training: stages before it may take as long as they like."""
LEFT = 30.0
"""Seconds that followers are given to end when the training is over."""
NOTICED = 5.0
"""Seconds in which a process that broke the connection is seen to have ended."""
NO_MORE = "null"
"""In place of a training: there are no more."""
_numbers = itertools.count()


Description = dict[str, Any]
"""What a follower builds a training from: the arguments of `experiment.job`, as JSON."""


def describe(
    problem: Problem,
    model: Model,
    training: Training,
    prepared: Prepared,
    folder: Path,
    recipe_folder: Path,
    work: Path,
    augment: Augment | None = None,
) -> Description:
    """The training that `experiment.job` makes of the same arguments, but for the weights it starts from."""
    return {
        "problem": problem,
        "model": model.model_dump(mode="json"),
        "training": training.model_dump(mode="json"),
        "prepared": to_json(prepared),
        "folders": [str(folder), str(recipe_folder), str(work)],
        "augment": augment and augment.model_dump(mode="json"),
    }


def described(description: Description) -> Job:
    """The training again."""
    from pydantic import TypeAdapter

    from tasks.core.architectures import Model
    from tasks.core.preprocessing import Augment
    from tasks.core.training import Training
    from tasks.train import experiment

    augment = description["augment"]
    folder, recipe_folder, work = (Path(name) for name in description["folders"])
    return experiment.job(
        description["problem"],
        TypeAdapter(Model).validate_json(json.dumps(description["model"])),
        Training.model_validate_json(json.dumps(description["training"])),
        from_json(Prepared, description["prepared"]),
        folder,
        recipe_folder,
        work,
        augment=augment and Augment.model_validate_json(json.dumps(augment)),
    )


@contextlib.contextmanager
def together(job: Job, description: Description) -> Iterator[Job]:
    """The training as the first of several processes carries it out; as it is, where it is to be trained by one.

    Raises:
        RequestError: there are fewer GPUs than processes.
        ServiceError: a process that trained beside this one ended early.
    """
    outside = under_torchrun()
    size = job.training.processes if outside is None else outside.size
    if size == 1:
        yield job
        return
    if job.training.lightning is not None:
        raise RequestError(
            "training.lightning trains in one process, and torchrun started more.",
            remedy="Start it without torchrun, or take training.lightning out.",
        )
    on_gpu = job.train.device.type == "cuda"
    if on_gpu and outside is None and torch.cuda.device_count() < size:
        raise RequestError(
            f"training.processes is {size}, and there are {torch.cuda.device_count()} GPUs.",
            remedy="Set training.processes to at most that, or training.device=cpu.",
        )
    with tempfile.TemporaryDirectory(prefix="evergreen-team-") as name, contextlib.ExitStack() as stack:
        file = Path(name) / "store"
        started = [] if outside else [stack.enter_context(_started(file, rank, size)) for rank in range(1, size)]
        store = _torchrun_store() if outside else dist.FileStore(str(file), size)  # type: ignore[attr-defined]
        number = next(_numbers) if outside else 0
        store.set(f"training-{number}", json.dumps(description))
        leader = Leader(Team(0, size))
        try:
            with _joined(store, number, leader.team, on_gpu, one_machine=outside is None):
                yield replace(job, choose=leader.choose)
                leader.dismiss()
        except RuntimeError as error:  # what the collectives raise when a process is gone
            if not (words := _last_words(started)):
                raise
            raise ServiceError(
                f"A process that trained beside this one ended early: {words}.",
                remedy="Run again: the training goes on from its last checkpoint.",
            ) from error
        if started:
            store.set("training-1", NO_MORE)
            for process, _ in started:
                # What has not ended by then is ended: the training itself is done.
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(LEFT)


def follow(store: Store, team: Team, *, one_machine: bool) -> int:
    """Take part in trainings until there are no more; gives how many steps that were."""
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    done = 0
    for number in itertools.count():
        key = f"training-{number}"
        store.wait([key], PATIENCE)
        description = json.loads(store.get(key))
        if description is None:
            break
        done += _follow(described(description), store, number, team, one_machine=one_machine)
    return done


def _follow(job: Job, store: Store, number: int, team: Team, *, one_machine: bool) -> int:
    from tasks.optim import optimizers
    from tasks.train import checkpoints
    from tasks.train.device import threads_for
    from tasks.train.stepping import step_parts
    from tasks.train.steps import rates_on_device

    device = job.train.device
    optimizer = optimizers.build(job.network.parameters(), job.training.optimizer, device)
    if device.type == "cuda":
        rates_on_device(optimizer, device)
    # The optimizer's state; the weights are those of the first process.
    checkpoints.restore(job.folder, job.network, optimizer)
    with (
        threads_for(device, job.step_bytes),
        _joined(store, number, team, device.type == "cuda", one_machine=one_machine),
    ):
        return following(step_parts(job, optimizer), team, job.training.seed)


def follow_torchrun(team: Team) -> int:
    """What a process that torchrun started beside the first one does; gives how many steps it took part in."""
    return follow(_torchrun_store(), team, one_machine=False)


def release_torchrun() -> None:
    """Let the processes end that torchrun started beside this one: there is nothing more to train."""
    _torchrun_store().set(f"training-{next(_numbers)}", NO_MORE)


@contextlib.contextmanager
def _joined(store: Store, number: int, team: Team, on_gpu: bool, *, one_machine: bool) -> Iterator[None]:
    """A process group while the block runs: gradients go from GPU to GPU, messages through main memory."""
    if one_machine and "GLOO_SOCKET_IFNAME" not in os.environ:
        # Otherwise this machine's name is looked up, which not every machine answers.
        loopback = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
        os.environ["GLOO_SOCKET_IFNAME"] = loopback
    backend = "cpu:gloo,cuda:nccl" if on_gpu else "gloo"
    group = dist.PrefixStore(f"group-{number}", store)  # type: ignore[attr-defined]
    dist.init_process_group(backend, store=group, rank=team.rank, world_size=team.size)
    try:
        yield
    finally:
        dist.destroy_process_group()


@functools.cache
def _torchrun_store() -> Store:
    store, _, _ = next(iter(dist.rendezvous("env://")))  # type: ignore[attr-defined]
    return dist.PrefixStore("evergreen", store)  # type: ignore[attr-defined]


@contextlib.contextmanager
def _started(file: Path, rank: int, size: int) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A follower; ended with the block, if it has not ended by then."""
    words = file.with_name(f"follower-{rank}.txt")
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "tasks.train.followers", str(file), str(rank), str(size)]
    environment = {**os.environ, "PYTHONPATH": path, "LOCAL_RANK": str(rank)}
    with words.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, env=environment)
        try:
            yield process, words
        finally:
            process.kill()
            process.wait()


def _last_words(started: list[tuple[subprocess.Popen[bytes], Path]]) -> str:
    """How the first follower that ended did so; empty where all of them go on."""
    until = time.monotonic() + NOTICED
    while time.monotonic() < until:
        for process, words in started:
            if process.poll() is not None:
                lines = words.read_text(errors="replace").strip().splitlines()
                return ", ".join([f"exit code {process.returncode}", *lines[-1:]])
        time.sleep(0.05)
    return ""


def main(words: list[str]) -> int:
    """Follow: FILE RANK SIZE, as `together` starts it."""
    file, rank, size = words
    store = dist.FileStore(file, int(size))  # type: ignore[attr-defined]
    follow(store, Team(int(rank), int(size)), one_machine=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
