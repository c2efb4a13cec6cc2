"""Checkpoints that a training keeps in the folder of its attempt."""

from __future__ import annotations

import resource
from pathlib import Path

import torch

from nas_search.training.checkpoint import Saved
from service.jobs.training_folders import AttemptFolder
from service.worker.training import _BoundedCheckpoints


def test_on_a_full_disk_the_older_checkpoint_survives(tmp_path: Path) -> None:
    attempt = AttemptFolder(root=tmp_path, job_id="a", token=1, most_bytes=2**20)
    kept = _BoundedCheckpoints(attempt, attempt.opened(), {})
    tensors = {"a": torch.ones(50_000)}
    kept.save(Saved(1, tensors, {}))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        kept.save(Saved(2, tensors, {}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    saved = kept.newest()
    assert saved is not None
    assert saved.step == 1
    assert torch.equal(saved.tensors["a"], tensors["a"])
    assert kept.notes == ["1 checkpoints did not fit on the worker's disk and were left out"]


def test_trainings_keep_no_more_than_they_may(tmp_path: Path) -> None:
    attempt = AttemptFolder(root=tmp_path, job_id="a", token=1, most_bytes=300_000)
    kept = _BoundedCheckpoints(attempt, attempt.opened(), {})
    tensors = {"a": torch.ones(50_000)}
    for step in (1, 2):
        kept.save(Saved(step, tensors, {}))
    saved = kept.newest()
    assert saved is not None
    assert saved.step == 1


def test_an_attempt_takes_what_earlier_ones_left(tmp_path: Path) -> None:
    def folder(token: int) -> Path:
        return AttemptFolder(root=tmp_path, job_id="a", token=token, most_bytes=0).opened()

    for token, step in ((1, "step-1"), (2, "step-2")):
        (folder(token) / step).mkdir()
    (folder(2) / ".step-3.partial").mkdir()
    third = folder(3)
    assert sorted(path.name for path in third.iterdir()) == ["step-1", "step-2"]
    assert [path.name for path in third.parent.iterdir()] == ["3"]
