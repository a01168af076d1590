"""What has to be right before anything runs: versions, device, home, tracking, Prefect, and how to mend each."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from flows.server import answers, known_url
from tasks.core.errors import EvergreenError, RequestError, ServiceError
from tasks.core.home import LAYOUT, Home

DISTRIBUTION = "evergreen"
LEAST_FREE_GIGABYTES = 2.0
"""Below this a first run (environment aside) can fail for want of disk."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at; `remedy` says how to mend it, or how to make more of it."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    service: bool = False
    """Not ours to mend: a server or database that did not answer."""


def checks(home: Home) -> Iterator[Check]:
    """Look at everything, cheapest first; a check that fails does not keep the others from being made."""
    looks: tuple[Callable[[Home], Check], ...] = (
        lambda _: check_python(),
        lambda _: check_versions(),
        check_home,
        check_disk,
        check_tracking,
        check_ledger,
        lambda home: check_prefect(known_url(home)),
        lambda _: check_device(),
    )
    for look in looks:
        yield look(home)


def check_python() -> Check:
    """The interpreter is one the lock was made for."""
    here = platform.python_version()
    try:
        wanted = importlib.metadata.metadata(DISTRIBUTION)["Requires-Python"]
    except importlib.metadata.PackageNotFoundError:
        return Check("python", False, f"{here}, but {DISTRIBUTION} is not installed in it", "Run `make install`.")
    if Requirement(f"python{wanted}").specifier.contains(here, prereleases=True):
        return Check("python", True, f"{here} ({platform.system()} {platform.machine()})")
    return Check("python", False, f"{here} is not {wanted}", "Make the environment anew with Python 3.11.")


def check_versions() -> Check:
    """Every required library is installed within the bounds that were found to work together."""
    try:
        required = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return Check("versions", False, f"{DISTRIBUTION} itself is not installed", "Run `make install`.")
    wrong = version_problems(required)
    if wrong:
        return Check("versions", False, "; ".join(wrong), "Run `make install`, or install requirements.lock again.")
    return Check("versions", True, "every library is within its tested bounds")


def version_problems(requirements: list[str]) -> list[str]:
    """One phrase for each requirement that what is installed does not meet; extras are not looked at."""
    problems = []
    for requirement in map(Requirement, requirements):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            installed = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            problems.append(f"{requirement.name} is not installed")
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            problems.append(f"{requirement.name} {installed} is not {requirement.specifier}")
    return problems


def check_home(home: Home) -> Check:
    """The home can be written to, was made by no newer Evergreen and was not moved."""
    if not home.root.exists():
        parent = next(folder for folder in home.root.parents if folder.exists())
        if parent.is_dir() and os.access(parent, os.W_OK):
            return Check("home", True, f"{home.root} will be made by the first run")
        return Check("home", False, f"{home.root} cannot be made in {parent}", "Name a writable folder with --home.")
    try:
        look_at_home(home)
        with tempfile.TemporaryFile(dir=home.root):
            pass
    except RequestError as error:
        return Check("home", False, error.message, error.remedy)
    except OSError as error:
        detail = f"{home.root} cannot be written to: {error.strerror}"
        return Check("home", False, detail, "Make it writable, or name another folder with --home.")
    return Check("home", True, f"{home.root} is writable, layout {LAYOUT}")


def look_at_home(home: Home) -> None:
    """Read the home's marker without making one.

    Raises:
        RequestError: the home cannot be used (see `tasks/core/home.py`).
    """
    from tasks.core.home import open_home

    if home.root.is_dir() and not (home.root / "home.json").exists():
        return  # an empty folder becomes a home with the first run
    open_home(str(home.root))


def check_disk(home: Home) -> Check:
    """There is room for a run."""
    folder = next(folder for folder in (home.root, *home.root.parents) if folder.exists())
    free = shutil.disk_usage(folder).free / 1e9
    remedy = "" if free >= LEAST_FREE_GIGABYTES else "Free some space, or name a --home on another disk."
    return Check("disk", free >= LEAST_FREE_GIGABYTES, f"{free:.0f} GB free at {folder}", remedy)


def check_tracking(home: Home) -> Check:
    """MLflow's database or server can be read."""
    from tasks.stores import address

    if address.is_sqlite(home) and not address.database(home).exists():
        return Check("tracking", True, f"{home.tracking_uri} will be made by the first run")
    try:
        address.check_reachable(home)
    except EvergreenError as error:
        return Check("tracking", False, error.message, error.remedy, isinstance(error, ServiceError))
    return Check("tracking", True, f"{home.tracking_uri} answers")


def check_ledger(home: Home) -> Check:
    """The chain of decisions is whole."""
    if not home.ledger.exists():
        return Check("ledger", True, "empty: nothing has been decided yet")
    from tasks.stores.ledger import Ledger

    try:
        problems = Ledger(home.ledger).verify()
    except EvergreenError as error:
        return Check("ledger", False, error.message, error.remedy, isinstance(error, ServiceError))
    if problems:
        return Check(
            "ledger", False, problems[0], "Restore ledger.db from a backup: decisions can no longer be trusted."
        )
    return Check("ledger", True, "every entry's hash follows from the one before it")


def check_prefect(url: str | None) -> Check:
    """The Prefect server that is configured answers; none is needed."""
    if not url:
        return Check("prefect", True, "no server is configured: each run starts one of its own")
    if answers(url, seconds=5.0):
        return Check("prefect", True, f"{url} answers")
    return Check(
        "prefect", False, f"{url} does not answer", "Start that server, or unset PREFECT_API_URL.", service=True
    )


def check_device() -> Check:
    """What training would run on; a CPU is enough, a GPU that is there but cannot be used is worth a remedy."""
    import torch

    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory / 1e9
        return Check("device", True, f"{torch.cuda.get_device_name(0)}, {memory:.0f} GB, CUDA {torch.version.cuda}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cpu = f"CPU, {cores} cores, torch {torch.__version__}"
    if shutil.which("nvidia-smi") or Path("/proc/driver/nvidia/version").exists():
        remedy = "Install a CUDA build of torch that fits the driver to train on the GPU."
        return Check("device", True, f"{cpu}; there is an NVIDIA driver, but this torch cannot use it", remedy)
    return Check("device", True, f"{cpu}; no GPU found")
