"""A worker does what it is asked for, within its limits, and hands back what it cannot finish."""

from __future__ import annotations

import errno
import json
import os
import signal
from pathlib import Path

import pytest
from forked_nbs import nbs
from PIL import Image
from waiting import PATIENCE

from service.jobs.records import Job, JobState
from service.worker.attempt import system_failure

from .conftest import NETWORK, Lab

EVALUATION = {
    "network": NETWORK,
    "dataset": "images",
    "protocol": {"dataset": "made up", "input_size": 32},
    "device": "cpu",
    "precision": "float32",
    "channels_last": None,
    "compile": False,
    "batch_size": 4,
    "on_corrupt": "fail",
    "compare": 0,
}


def test_a_job_becomes_a_result_and_files(lab: Lab) -> None:
    lab.work()
    job = lab.end_of(lab.build())
    assert job.state is JobState.SUCCEEDED
    assert job.attempts == 1
    assert job.error is None
    assert {artifact.name for artifact in job.artifacts} == {"network.safetensors", "report.json"}
    for artifact in job.artifacts:
        assert lab.jobs.artifact_folder.path(artifact.sha256).stat().st_size == artifact.size


def test_nothing_is_left_in_the_scratch_folder(lab: Lab) -> None:
    worker = lab.work()
    lab.end_of(lab.build())
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE) == 0
    assert list(lab.jobs.settings.scratch_dir.glob("**/*")) == []
    assert list(lab.jobs.settings.workers_dir.iterdir()) == []


def test_a_worker_tells_what_it_has_and_does(lab: Lab) -> None:
    (lab.jobs.settings.folder / "datasets" / "flowers").mkdir(parents=True)
    worker = lab.work()
    (state,) = lab.until(lab.jobs.workers.all)
    assert state.pid == worker.pid
    assert state.datasets == ("flowers",)
    assert [device.name for device in state.devices] == ["cpu"]
    job = lab.begun(lab.time())
    lab.until(lambda: lab.jobs.workers.all()[0].running == (job.id,))
    assert job.worker == state.id


def test_a_try_lets_everything_else_go_first(lab: Lab) -> None:
    worker = lab.work(NASBENCH_ATTEMPT_PRIORITY="idle")
    lab.begun(lab.time())
    (pid,) = _children_of_forkserver(worker.pid)
    threads = [int(path.name) for path in Path(f"/proc/{pid}/task").iterdir()]
    assert {os.sched_getscheduler(thread) for thread in threads} == {os.SCHED_IDLE}
    assert {os.getpriority(os.PRIO_PROCESS, thread) for thread in threads} == {19}
    # Of two sessions each would get half of the time.
    assert os.getsid(pid) == os.getsid(worker.pid)
    assert os.getpgid(pid) == pid
    assert os.sched_getscheduler(worker.pid) == os.SCHED_OTHER


def test_a_job_that_is_cancelled_ends_soon(lab: Lab) -> None:
    lab.work()
    job = lab.begun(lab.time())
    lab.jobs.store.cancel(job.id)
    assert lab.end_of(job).state is JobState.CANCELLED
    assert lab.end_of(lab.build()).state is JobState.SUCCEEDED


def test_a_worker_that_is_told_to_stop_hands_its_job_back(lab: Lab) -> None:
    worker = lab.work()
    job = lab.begun(lab.time())
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE) == 0
    now = lab.jobs.store.get(job.id)
    assert now.state is JobState.QUEUED
    assert now.attempts == 0
    assert lab.jobs.workers.all() == []


def test_a_try_that_takes_too_long_is_ended_and_after_three_the_job_is_parked(lab: Lab) -> None:
    lab.work()
    job = lab.end_of(lab.time(time_limit=1.0))
    assert job.state is JobState.PARKED
    assert job.attempts == 3
    assert job.error is not None
    assert job.error.kind == "time-limit"


def test_a_try_that_takes_too_much_memory_is_ended(lab: Lab) -> None:
    lab.work(NASBENCH_JOB_MEMORY=str(1 << 20))
    job = lab.end_of(lab.time())
    assert job.state is JobState.PARKED
    assert job.error is not None
    assert job.error.kind == "memory-limit"


def test_what_cannot_be_done_fails_at_once_and_says_why(lab: Lab) -> None:
    lab.work()
    network = {"model": "proxyless-mobile", **dict.fromkeys(("space", "arguments", "arch"))}
    spec = {
        "network": {**network, "checkpoint": None, "seed": 0},
        "formats": ["safetensors"],
    }
    job = lab.end_of(lab.submit("model", spec))
    assert job.state is JobState.FAILED
    assert job.attempts == 1
    assert job.error is not None
    assert "nbs zoo convert" in job.error.message
    assert str(lab.jobs.settings.folder) not in job.error.message


def test_a_job_whose_folder_cannot_be_made_is_parked_with_the_reason(lab: Lab) -> None:
    # Nobody, not even root, can make folders in /proc.
    lab.jobs.settings.scratch_dir.symlink_to("/proc")
    lab.work()
    job = lab.end_of(lab.build())
    assert job.state is JobState.PARKED
    assert job.error is not None
    assert job.error.kind == "system"
    assert job.error.message == "the worker's system refused: No such file or directory"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_a_kind_of_its_own_however_far_an_attempt_came(number: int) -> None:
    failure = system_failure(OSError(number, os.strerror(number)))
    assert failure.kind == "disk-full"
    assert "make room" in failure.message


def test_a_process_that_dies_takes_down_one_job_alone(lab: Lab) -> None:
    lab.work()
    job = lab.begun(lab.time())
    children = _children_of_forkserver(lab.started[0].pid)
    assert children
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    again = lab.until(lambda: _attempted(lab, job.id, 2))
    assert again.error is None or again.error.kind == "crash"
    lab.jobs.store.cancel(job.id)
    assert lab.end_of(lab.build()).state is JobState.SUCCEEDED


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one core only")
@pytest.mark.parametrize("whose", ["the job's", "one of its cores'"])
def test_an_evaluation_whose_process_dies_leaves_none_behind_and_is_tried_again(
    lab: Lab, whose: str
) -> None:
    _endless_images(lab.jobs.settings.datasets_dir / "images")
    worker = lab.work("--threads", "2", NASBENCH_ATTEMPT_PRIORITY="idle")
    job = lab.begun(lab.submit("evaluation", EVALUATION, needs_dataset="images"))
    (first,) = _children_of_forkserver(worker.pid)
    others = lab.until(lambda: found if len(found := _children(first)) == 2 else None)
    assert {os.sched_getscheduler(pid) for pid in others} == {os.SCHED_IDLE}
    os.kill(first if whose == "the job's" else others[0], signal.SIGKILL)
    again = lab.until(lambda: _attempted(lab, job.id, 2))
    assert again.error is None or again.error.kind == "crash"
    lab.until(lambda: not any(_lives(pid) for pid in (first, *others)))


def test_the_tries_of_a_killed_worker_end_with_it(lab: Lab) -> None:
    worker = lab.work()
    lab.begun(lab.time())
    children = _children_of_forkserver(worker.pid)
    worker.kill()
    worker.wait()
    lab.until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))


def test_a_job_of_a_killed_worker_is_free_at_once(lab: Lab) -> None:
    # Its lease would last for longer than anybody waits.
    worker = lab.work(NASBENCH_LEASE_SECONDS="600")
    job = lab.begun(lab.time())
    worker.kill()
    worker.wait()
    lab.work()
    again = lab.until(lambda: _attempted(lab, job.id, 2))
    assert again.losses == 1


def test_a_request_id_follows_the_job_into_the_log_of_its_worker(lab: Lab) -> None:
    worker = lab.work()
    lab.end_of(lab.build(request_id="search-7/42"))
    worker.send_signal(signal.SIGTERM)
    worker.wait(PATIENCE)
    lines = [json.loads(line) for line in lab.log(worker).splitlines() if line.startswith("{")]
    events = [line["event"] for line in lines if line.get("request_id") == "search-7/42"]
    assert {"job begun", "job ended"} <= set(events)


def test_health_is_that_of_this_machines_workers(lab: Lab) -> None:
    def check() -> int:
        return nbs("worker", "--check", **lab.environment).returncode

    assert check() == 1
    lab.work()
    lab.until(lab.jobs.workers.all)
    assert check() == 0


@pytest.mark.parametrize("device", ["tpu", "cuda"])
def test_a_device_that_is_not_there_is_refused(lab: Lab, device: str) -> None:
    worker = lab.work("--device", device)
    assert worker.wait(PATIENCE) in {1, 2}
    assert device in lab.log(worker) or "GPU" in lab.log(worker)
    assert "Traceback" not in lab.log(worker)


def _attempted(lab: Lab, job_id: str, times: int) -> Job | None:
    job = lab.jobs.store.get(job_id)
    return job if job.attempts >= times else None


def _endless_images(folder: Path) -> None:
    """Make a data set of one image that has very many names."""
    folder.mkdir(parents=True)
    Image.new("L", (32, 32)).save(folder / "grey.png")
    names = [f"{number}.png" for number in range(10_000)]
    for name in names:
        (folder / name).hardlink_to(folder / "grey.png")
    (folder / "labels.csv").write_text("file,label\n" + "".join(f"{n},0\n" for n in names))


def _lives(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    # Orphans of a container may wait for ever for somebody to ask how they ended.
    return "State:\tZ" not in status


def _children_of_forkserver(worker: int) -> list[int]:
    """Return the processes that do jobs: those whose parent was forked by a worker."""
    servers = _children(worker)
    return [pid for server in servers for pid in _children(server)]


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    found = [int(child) for child in text.split()]
    for task in Path(f"/proc/{pid}/task").iterdir():
        if task.name != str(pid):
            found += [int(child) for child in (task / "children").read_text().split()]
    return found
