"""The home: one folder that holds all local state, and where each part of it lies.

home.json            layout version and the absolute path it was made at
mlflow/              mlflow.db and artifacts/
prefect/             Prefect's database and settings
datasets/<recipe>/   a DVC repository without git, and head.json: the committed dataset version
remote/              the DVC remote
results/<recipe>/    what each stage gave, by key (tasks/core/results.py)
work/<recipe>/       the files those results name; searches and folds as far as they have come
ledger.db            decisions, hash-chained
journal.db           every prediction that was handed out
leases/              lock files, one per model and what is done with it, and the flow run of a run at somebody's desk
alerts/              what each model's hooks were told last
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from tasks.core.errors import RequestError

LAYOUT = 1
"""Version of the home's layout; raised when a migration is needed."""


@dataclass(frozen=True)
class Home:
    """Paths inside one home folder. `root` is absolute."""

    root: Path
    isolated: bool = False
    """Whether the addresses in the environment are for others: nothing of this home leaves its folder."""

    @property
    def mlflow(self) -> Path:
        """Folder of the tracking database and the model artifacts."""
        return self.root / "mlflow"

    @property
    def prefect(self) -> Path:
        """Prefect's own home."""
        return self.root / "prefect"

    @property
    def remote(self) -> Path:
        """The DVC remote all recipes push to."""
        return self.root / "remote"

    @property
    def ledger(self) -> Path:
        """SQLite file of the ledger."""
        return self.root / "ledger.db"

    @property
    def journal(self) -> Path:
        """SQLite file of the prediction journal."""
        return self.root / "journal.db"

    def dataset(self, recipe: str) -> Path:
        """DVC repository of one recipe."""
        return self.root / "datasets" / recipe

    def results(self, recipe: str) -> Path:
        """Stage results of one recipe."""
        return self.root / "results" / recipe

    def work(self, recipe: str, stage: str, key: str) -> Path:
        """Folder for the files one stage writes under one key."""
        return self.root / "work" / recipe / stage / key[:16]

    def lease(self, model: str) -> Path:
        """Lock file of one model."""
        return self.root / "leases" / f"{model}.lock"

    @property
    def tracking_uri(self) -> str:
        """MLflow's tracking and registry URI: `MLFLOW_TRACKING_URI`, else SQLite in the home."""
        given = "" if self.isolated else os.environ.get("MLFLOW_TRACKING_URI")
        return given or f"sqlite:///{self.mlflow / 'mlflow.db'}"

    def relative(self, path: Path) -> str:
        """A path inside the home as contracts hold it."""
        return path.relative_to(self.root).as_posix()

    def path(self, relative: str) -> Path:
        """The absolute path of what `relative` names."""
        return self.root / relative


def find_home(option: str | None) -> Path:
    """Where the home is: `--home`, `EVERGREEN_HOME`, the nearest `.evergreen/` upwards, else `./.evergreen`."""
    chosen = option or os.environ.get("EVERGREEN_HOME")
    if chosen:
        return Path(os.path.abspath(Path(chosen).expanduser()))
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / ".evergreen").is_dir():
            return folder / ".evergreen"
    return here / ".evergreen"


def open_home(option: str | None = None) -> Home:
    """Open the home, making it if it does not exist.

    Raises:
        RequestError: it was made by a newer Evergreen, was moved since, or is not a folder.
    """
    root = find_home(option)
    if root.exists() and not root.is_dir():
        raise RequestError(f"The home {root} is a file.", remedy="Name a folder with --home.", code="home")
    marker = root / "home.json"
    try:
        root.mkdir(parents=True, exist_ok=True)
        if not marker.exists():
            write_atomically(marker, json.dumps({"layout": LAYOUT, "path": str(root)}))
        found = json.loads(marker.read_text())
    except OSError as error:
        raise RequestError(
            f"The home {root} cannot be used: {error.strerror}.",
            remedy="Name a writable folder with --home.",
            code="home",
        ) from error
    except ValueError as error:
        raise RequestError(
            f"{marker} is not valid JSON.", remedy="Restore it from a backup, or name another --home.", code="home"
        ) from error
    if found.get("layout", 0) > LAYOUT:
        raise RequestError(
            f"The home {root} has layout {found['layout']}; this Evergreen knows layouts up to {LAYOUT}.",
            remedy="Upgrade Evergreen, or name another --home.",
            code="home",
        )
    if found.get("path") != str(root):
        # MLflow's database holds absolute artifact paths, so a moved home would lose its models.
        raise RequestError(
            f"The home {root} was made at {found.get('path')} and has been moved.",
            remedy="Move it back, or start a new one with --home.",
            code="home",
        )
    return Home(root)


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that a reader, or a crash, sees the old or the new one and nothing between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)
