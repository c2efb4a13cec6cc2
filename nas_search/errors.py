"""What can go wrong with a search or a study, named after what to do about it.

StudyError
├── ProblemError            correct the problem: a name or a number of it means nothing
│   └── UnreportedError     state another metric: epochs, or a trainer, do not report this one
├── NoMixtureError          search by single paths: networks of this space cannot be mixed
├── NoFeasibleError         widen the bounds: nothing that was drawn is within them
├── FailingStudyError       look at the evaluation: it failed too often in a row
├── StudyFileError          give another file: it is none of this version, or damaged
├── StudyInUseError         wait for the process that writes to it, or only read
├── OtherStudyError         give the problem and the strategy that the file was begun with
├── OtherTrainingError      give what the checkpoints were begun with, or another folder
├── StoppedEarlyError       nothing: an evaluation ended because a rule said so
├── TrainerError            correct the trainer: it cannot be loaded, or gives no figures
│   ├── OtherTrainerError   install the package that was stated: there is none, or another code
│   └── TrainerTwiceError   remove all but one of the packages that publish it
├── ReplayError             begin anew: the code now proposes something else than was recorded
├── DamagedRunError         record the run again: its file is not what was written
├── IncomparableRunsError   leave some out: the runs do not measure the same, or lack an oracle
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
    """Base of every error of a study."""


class ProblemError(StudyError):
    """An objective, a bound, a choice or another part of a problem means nothing."""


class UnreportedError(ProblemError):
    """Epochs are to be compared, or trials judged, by a figure that is never reported."""


class NoMixtureError(StudyError):
    """Networks of a space cannot be mixed, because they share slices of the same weights."""


class NoFeasibleError(StudyError):
    """Nothing that was drawn is within the bounds."""


class FailingStudyError(StudyError):
    """So many evaluations failed in a row that the search leads nowhere."""


class StudyFileError(StudyError):
    """A file holds no study, a damaged one, or one of a newer version."""


class StudyInUseError(StudyError):
    """Another process writes to the file of a study."""


class OtherStudyError(StudyError):
    """A file was begun with another problem or another strategy."""


class OtherTrainingError(StudyError):
    """A folder has checkpoints of another network, recipe, seed or data set."""


class StoppedEarlyError(StudyError):
    """An evaluation ended because its report said so.

    Args:
        figures: Those so far, as the evaluation returns them at its end.
    """

    def __init__(self, figures: Mapping[str, float]) -> None:
        super().__init__("the evaluation was stopped early")
        self.figures = dict(figures)


class ReplayError(StudyError):
    """A strategy does not propose again what the file of a study says it proposed."""


class DamagedRunError(StudyError):
    """A file holds no recorded run, or one that contradicts itself."""


class IncomparableRunsError(StudyError):
    """Runs do not measure the same, or there is no oracle to measure them against."""


class PlotError(StudyError):
    """A plot cannot be drawn."""


class TrainerError(StudyError):
    """A trainer of another package cannot be loaded, raises, or gives no figures."""


class OtherTrainerError(TrainerError):
    """A trainer is not installed here, or its code is not the one that is stated."""


class TrainerTwiceError(TrainerError):
    """More than one package publishes a trainer of this name."""
