"""A sink that writes events as curves for TensorBoard.

| event | tags | step |
|---|---|---|
| a trial is told | `trial/OBJECTIVE`, for each metric that is an objective | number of the trial |
| the best so far | `best/OBJECTIVE` | number of the trial |
| the front changes | `hypervolume`, where the study has a reference point | number of the trial |
| an epoch | `train/loss`, `train/accuracy`, `train/lr`, `valid/loss`, `valid/accuracy` | epoch |
| a step | the same, and metrics whose names contain a slash, such as `arch/entropy` | step |

Epochs and steps of each trial form a TensorBoard run, such as `trial-7`, so that the curves of
trials can be overlaid.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from missing_extra import needs
from nas_search.study.events import Event, Sink

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter

__all__ = ["tensorboard_sink"]

_TAGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "train_loss": "train/loss",
        "train_accuracy": "train/accuracy",
        "lr": "train/lr",
        "loss": "valid/loss",
        "accuracy": "valid/accuracy",
        "top5": "valid/top5",
    }
)
"""The tags of the metrics of a training; metrics with a slash in their names are tags already."""

_FLUSH_SECONDS: Final = 10


class _Folder:
    """Writes events to a folder, with one writer for each unfinished run."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        with needs("tensorboard", "events for TensorBoard"):
            import tensorboardX  # noqa: F401, PLC0415 - no other sink needs it
        self._path = Path(path)
        self._path.mkdir(parents=True, exist_ok=True)
        self._writers: dict[str, SummaryWriter] = {}

    def __call__(self, event: Event) -> None:
        payload, number = event.payload, event.payload.get("trial")
        if event.kind in ("trial.told", "best"):
            group = event.kind.partition(".")[0]
            values = {f"{group}/{name}": value for name, value in payload["values"].items()}
            self._write("", event, values, number)
        elif event.kind == "front" and "hypervolume" in payload:
            self._write("", event, {"hypervolume": payload["hypervolume"]}, number)
        elif event.kind in ("epoch", "step"):
            run = "" if number is None else f"trial-{number}"
            tagged = {
                _TAGS.get(name, name): value
                for name, value in payload.items()
                if name in _TAGS or "/" in name
            }
            self._write(run, event, tagged, payload.get(event.kind))
        if event.kind in ("trial.told", "trial.failed"):
            self._close(f"trial-{number}")
        elif event.kind == "finished":
            for run in list(self._writers):
                self._close(run)

    def _write(self, run: str, event: Event, values: Mapping[str, Any], step: Any) -> None:
        from tensorboardX import SummaryWriter  # noqa: PLC0415 - no other sink needs it

        if run not in self._writers:
            # File names contain the second of their creation. Without a suffix, a second file of
            # a run in the same second would overwrite the first.
            self._writers[run] = SummaryWriter(
                str(self._path / run),
                flush_secs=_FLUSH_SECONDS,
                filename_suffix=f".{event.seq:09d}",
            )
        place = None if step is None else int(step)
        for tag, value in values.items():
            self._writers[run].add_scalar(tag, float(value), place, walltime=event.time)

    def _close(self, run: str) -> None:
        writer = self._writers.pop(run, None)
        if writer is not None:
            writer.close()


def tensorboard_sink(folder: str | os.PathLike[str]) -> Sink:
    """Return a sink that writes event files for `tensorboard --logdir FOLDER`.

    Args:
        folder: The folder, created if missing. A resumed study adds files to it.

    Raises:
        MissingExtraError: tensorboardX is not installed; the extra is `tensorboard`.
        OSError: The folder cannot be created.
    """
    return _Folder(folder)
