from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
from forked_nbs import start_nbs
from waiting import PATIENCE, until

from service.jobs import Jobs
from service.jobs.records import Lease, Progress


def events_of(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """Yield the jobs that a stream of events tells."""
    for line in response.iter_lines():
        if line.startswith("data:"):
            yield json.loads(line.removeprefix("data:"))


def test_events_tell_everything_in_order_until_the_job_ends(
    asking: httpx.Client,
    submitted: dict[str, Any],
    claim: Callable[[str], Lease],
    jobs: Jobs,
) -> None:
    def work() -> None:
        claimed = claim(submitted["id"])
        for done in range(3):
            time.sleep(0.3)
            jobs.leases.renew(claimed, Progress(stage="building", done=done, total=3))
        time.sleep(0.3)
        jobs.leases.succeed(claimed, {"parameters": 5}, [])

    path = f"/v1/jobs/{submitted['id']}/events"
    headers = {"Last-Event-ID": "99999", "Accept-Encoding": "gzip"}
    with asking.stream("GET", path, headers=headers) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert response.headers["Cache-Control"] == "no-store"
        events = events_of(response)
        assert next(events) == submitted
        thread = threading.Thread(target=work)
        thread.start()
        rest = list(events)
    thread.join()
    revisions = [event["revision"] for event in rest]
    assert revisions == sorted(set(revisions))
    seen = [event["progress"]["done"] for event in rest if event["progress"]]
    assert {0, 1, 2} >= set(seen)
    assert (rest[-1]["state"], rest[-1]["result"]) == ("succeeded", {"parameters": 5})
    assert rest[-1] == asking.get(f"/v1/jobs/{submitted['id']}").json()


def test_the_stream_of_a_job_that_has_ended_is_one_event(
    asking: httpx.Client, submitted: dict[str, Any]
) -> None:
    asking.post(f"/v1/jobs/{submitted['id']}/cancel")
    answer = asking.get(f"/v1/jobs/{submitted['id']}/events")
    lines = answer.text.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["id", "event", "data", ""]
    assert json.loads(lines[2].removeprefix("data: "))["state"] == "cancelled"


def test_a_change_is_told_soon(asking: httpx.Client, submitted: dict[str, Any], jobs: Jobs) -> None:
    with asking.stream("GET", f"/v1/jobs/{submitted['id']}/events") as response:
        events = events_of(response)
        next(events)
        began = time.monotonic()
        jobs.store.cancel(submitted["id"])
        assert next(events)["state"] == "cancelled"
        # About 0.1 s; more where other tests run beside.
        assert time.monotonic() - began < 2


def test_more_streams_than_may_be_are_503_until_one_ends(
    asking: httpx.Client, submitted: dict[str, Any]
) -> None:
    path = f"/v1/jobs/{submitted['id']}/events"
    with ExitStack() as streams:
        opened = [streams.enter_context(asking.stream("GET", path)) for _ in range(40)]
        # Whoever lets go of the lines of a response closes it.
        lines = [response.iter_lines() for response in opened]
        assert all(next(each).startswith("id:") for each in lines)
        refused = streams.enter_context(asking.stream("GET", path))
        refused.read()
        assert refused.status_code == 503
        assert refused.json()["type"].endswith(":too-many-streams")
        assert int(refused.headers["Retry-After"]) > 0

    def status() -> int:
        with asking.stream("GET", path) as again:
            return again.status_code

    until(status, lambda status: status == 200, what="the places of streams that ended given back")


def test_a_server_that_is_told_to_stop_ends_its_streams_and_stops(
    directory: Path, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {**os.environ, "NASBENCH_JOBS_DIR": str(tmp_path / "jobs")}
    with ExitStack() as stack:
        process = start_nbs("serve", "--data", directory, "--port", str(port), env=environment)
        stack.callback(process.kill)
        url = f"http://127.0.0.1:{port}"
        transport = httpx.HTTPTransport(retries=8)
        with httpx.Client(base_url=url, timeout=30, transport=transport) as asking:
            body = {"network": {"benchmark": "nasbench201", "arch": 5, "dataset": "cifar10"}}
            job = asking.post("/v1/models", json=body).json()
            with asking.stream("GET", f"/v1/jobs/{job['id']}/events") as response:
                lines = response.iter_lines()
                assert next(lines).startswith("id:")
                process.send_signal(signal.SIGTERM)
                began = time.monotonic()
                list(lines)
            assert process.wait(PATIENCE) in {0, -signal.SIGTERM}
            # Uvicorn itself would wait for the stream for ten seconds, then break it off.
            assert time.monotonic() - began < 8
