"""What MLflow is told of a training, as event files for TensorBoard; the only place that needs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from tasks.train.callbacks import curves
from tasks.train.checkpoints import Progress
from tasks.train.extras import require

FOLDER = "tensorboard"


def require_tensorboard() -> None:
    """See that TensorBoard is there.

    Raises:
        RequestError: it is not installed.
    """
    require("tensorboard", "TensorBoard", "training.tensorboard is true", "set training.tensorboard=false")


class Mirror:
    """Writes every number of the history as a scalar; an attempt begins by writing anew what is known, once.

    Args:
        folder: Gets the event files; what an earlier attempt left there goes.

    Raises:
        RequestError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        require_tensorboard()
        self._folder = folder
        self._writer: Any = None
        self._written = 0

    @property
    def files(self) -> list[Path]:
        """The event files."""
        return sorted(self._folder.glob("events.out.tfevents.*"))

    def on_epoch(self, progress: Progress, network: nn.Module) -> None:
        """Write the rows that are new."""
        self._open()
        for row in progress.history[self._written :]:
            for name, value in curves(row).items():
                if name != "epoch" and value is not None:
                    self._writer.add_scalar(name, value, row["epoch"])
        self._written = len(progress.history)
        self._writer.flush()

    def on_end(self, progress: Progress, network: nn.Module) -> None:
        """Write what is left, and close the file."""
        self.on_epoch(progress, network)
        self._writer.close()

    def _open(self) -> None:
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            for old in self.files:
                old.unlink()
            self._writer = SummaryWriter(str(self._folder))
