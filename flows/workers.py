"""Processes that train trials side by side, and that do not outlive the command that started them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from tasks.core.errors import RequestError


class Here(Executor):
    """Does the work at once, in this process; what the work raises is raised by `submit`."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call the function, and give its result as a future that is already there."""
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


@contextmanager
def workers(jobs: int) -> Iterator[Executor]:
    """Something to submit work to: this process for one job, else so many fresh ones that share the cores.

    Interrupted, or when this process is killed, they end at once; what they were doing can be resumed.

    Raises:
        RequestError: one of them was killed from outside.
    """
    if jobs == 1:
        yield Here()
        return
    before = set(multiprocessing.active_children())
    threads = max((os.cpu_count() or 1) // jobs, 1)
    # Forked processes would inherit the locks of torch's and MLflow's threads, held by nobody.
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _begin, (threads,))
    try:
        yield pool
    except BrokenProcessPool as error:
        raise RequestError(
            "A process that trained a trial was killed, probably for want of memory.",
            remedy="Run again with fewer --jobs: what is finished is kept.",
            code="jobs",
        ) from error
    except BaseException:
        for child in set(multiprocessing.active_children()) - before:
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(threads: int) -> None:
    """What a worker does first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who started it hears Ctrl-C, and ends it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(threads)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
