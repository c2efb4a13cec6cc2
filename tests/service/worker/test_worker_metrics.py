"""What a server tells Prometheus of the jobs that a real worker did."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from .conftest import Lab


def told(url: str) -> dict[tuple[str, str], float]:
    """Return the metrics of jobs by state and of workers by worker."""
    text = httpx.get(f"{url}/metrics").text
    return {
        (sample.name, sample.labels.get("state") or sample.labels["worker"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if family.name == "nasbench_jobs" or family.name.startswith("nasbench_worker_")
    }


def test_metrics_count_jobs_by_state_and_tell_when_a_worker_was_heard_of(
    lab: Lab, serve: Callable[..., str], directory: Path
) -> None:
    began = time.time()
    url = serve(directory, NASBENCH_JOBS_DIR=str(lab.jobs.settings.folder))
    lab.work()
    lab.end_of(lab.build())
    running = lab.begun(lab.time())
    lab.jobs.store.cancel(lab.build(seed=1, priority=-1).id)
    (worker,) = lab.until(
        lambda: [each for each in lab.jobs.workers.all() if running.id in each.running]
    )
    now = told(url)
    counted = {state: count for (name, state), count in now.items() if name == "nasbench_jobs"}
    assert {state: count for state, count in counted.items() if count} == {
        "succeeded": 1,
        "running": 1,
        "cancelled": 1,
    }
    assert now["nasbench_worker_alive", worker.id] == 1
    assert now["nasbench_worker_running_jobs", worker.id] == 1
    assert now["nasbench_worker_device_bytes", worker.id] > 0
    heard = now["nasbench_worker_seen_seconds", worker.id]
    assert began < heard <= time.time()
    lab.until(lambda: told(url)["nasbench_worker_seen_seconds", worker.id] > heard)
