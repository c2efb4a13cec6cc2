"""Events as curves for TensorBoard.

| event | tags | step |
|---|---|---|
| a trial is told | `trial/OBJECTIVE`, for each metric that is an objective | number of the trial |
| the best so far | `best/OBJECTIVE` | number of the trial |
| the front changes | `hypervolume`, where the study has a reference point | number of the trial |
| an epoch | `train/loss`, `train/accuracy`, `train/lr`, `valid/loss`, `valid/accuracy` | epoch |
| a step | the same, and figures that are named as tags, such as `arch/entropy` | step |

Epochs and steps of a trial are a run of their own, `trial-7`, so that curves of trials lie over
each other.
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
"""What the figures of a training are called in TensorBoard; names with a slash are tags already."""

_FLUSH_SECONDS: Final = 10


class _Folder:
    """Writes events below a folder; a run has its writer as long as it goes on."""

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
            # A file is named after the second it was begun in: without more, one begun again
            # within it would overwrite the first.
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
    """Return a sink that writes event files for TensorBoard; `tensorboard --logdir FOLDER` reads.

    Args:
        folder: Made if it is not there. A study that goes on adds to what is there.

    Raises:
        MissingExtraError: tensorboardX is not installed; the extra is `tensorboard`.
        OSError: The folder cannot be made.
    """
    return _Folder(folder)
