"""The metrics of a run as TensorBoard event files, for those who watch runs there."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .errors import ModelError
from .run_folder import EVENTS
from .training_loop import OnValidation


class EventWriter:
    """Writes into ``events/`` of a run folder; a resumed run takes back what came after.

    Parameters
    ----------
    run : Path
    first_step : int
        Events after it, left by an interrupted run, are marked as superseded.
    """

    def __init__(self, run: Path, *, first_step: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ModelError(
                "TensorBoard is not installed", remedy="pip install 'mavfer[tensorboard]'"
            ) from None
        self._writer = SummaryWriter(run / EVENTS, purge_step=first_step + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()

    def beside(self, other: OnValidation | None) -> OnValidation:
        """Return a callback that writes a line of the metrics and then calls `other`."""

        def write(line: dict[str, Any]) -> None:
            self._write(line)
            if other is not None:
                other(line)

        return write

    def _write(self, line: dict[str, Any]) -> None:
        step = line["step"]
        for name in ("train_loss", "learning_rate", "clips_per_s", "data_wait"):
            if line[name] is not None:
                self._writer.add_scalar(f"train/{name}", line[name], step)
        for output, scores in line["validation"].items():
            for name, value in scores.items():
                if value is not None:
                    self._writer.add_scalar(f"validation/{output}/{name}", value, step)
        self._writer.flush()
