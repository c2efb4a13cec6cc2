"""Errors of searches and studies, with what to do about each.

StudyError
├── ProblemError            correct the problem: a name or value in it is invalid
│   └── UnreportedError     choose another metric: epochs, or a trainer, do not report this one
├── NoMixtureError          train by single paths: networks of this space cannot be mixed
├── NoFeasibleError         widen the bounds: no drawn architecture is within them
├── FailingStudyError       correct the evaluation: too many trials failed in a row
├── StudyFileError          choose another file: this one is no study, damaged, or newer
├── StudyInUseError         wait for the process that writes to the file, or only read it
├── OtherStudyError         use the problem and the strategy that the file was begun with
├── OtherTrainingError      use the settings that the checkpoints were begun with, or a new folder
├── StoppedEarlyError       nothing: a rule stopped the evaluation
├── TrainerError            correct the trainer: it cannot be loaded, or reports no metrics
│   ├── OtherTrainerError   install the required package: it is missing, or its code differs
│   └── TrainerTwiceError   remove all but one of the packages that publish the trainer
├── ReplayError             begin a new study: the code no longer makes the recorded proposals
├── DamagedRunError         record the run again: its file is damaged
├── IncomparableRunsError   leave some out: the runs measure different things, or lack an oracle
└── PlotError               choose PNG or SVG, or install the extra
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "DamagedRunError",
    "FailingStudyError",
    "IncomparableRunsError",
    "NoFeasibleError",
    "NoMixtureError",
    "OtherStudyError",
    "OtherTrainerError",
    "OtherTrainingError",
    "PlotError",
    "ProblemError",
    "ReplayError",
    "StoppedEarlyError",
    "StudyError",
    "StudyFileError",
    "StudyInUseError",
    "TrainerError",
    "TrainerTwiceError",
    "UnreportedError",
]


class StudyError(ValueError):
    """Base of all errors of searches and studies."""


class ProblemError(StudyError):
    """An objective, a bound, a choice or another part of a problem is invalid."""


class UnreportedError(ProblemError):
    """A metric that compares epochs or trials is never reported."""


class NoMixtureError(StudyError):
    """Networks of a space cannot be mixed, because they share slices of the same weights."""


class NoFeasibleError(StudyError):
    """No drawn architecture is within the bounds."""


class FailingStudyError(StudyError):
    """Too many evaluations failed in a row, so the run ended."""


class StudyFileError(StudyError):
    """A file is no study, is damaged, or has a newer version."""


class StudyInUseError(StudyError):
    """Another process writes to the file of a study."""


class OtherStudyError(StudyError):
    """A file was begun with another problem or another strategy."""


class OtherTrainingError(StudyError):
    """A folder has checkpoints of another network, recipe, seed or data set."""


class StoppedEarlyError(StudyError):
    """An evaluation ended because `report` asked it to stop.

    Args:
        figures: The metrics so far, named as the evaluation returns them.
    """

    def __init__(self, figures: Mapping[str, float]) -> None:
        super().__init__("the evaluation was stopped early")
        self.figures = dict(figures)


class ReplayError(StudyError):
    """A strategy does not repeat the proposals in the file of a study."""


class DamagedRunError(StudyError):
    """A file is no recorded run, or contradicts itself."""


class IncomparableRunsError(StudyError):
    """Runs do not measure the same quantity, or have no oracle."""


class PlotError(StudyError):
    """A plot cannot be drawn."""


class TrainerError(StudyError):
    """A trainer of another package cannot be loaded, raises an error, or reports no metrics."""


class OtherTrainerError(TrainerError):
    """A trainer is not installed here, or its code differs from the required one."""


class TrainerTwiceError(TrainerError):
    """More than one package publishes a trainer of this name."""
