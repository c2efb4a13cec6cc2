"""A server where PyTorch is not installed: plans are accepted, counted, fed and served."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx
from bench_server import BenchServer
from planned import WORKER, content, work
from waiting import until

from bench_client import BenchClient
from service.jobs import JobSettings, open_jobs

WITHOUT = """
import sys
sys.modules["torch"] = None  # as if it were not installed
from service.cli import main
main()
"""


class Server(BenchServer):
    """Its process cannot import PyTorch."""

    def command(self) -> list[str]:
        """Return the command that runs the server in the foreground."""
        words = super().command()
        return [sys.executable, "-c", WITHOUT, *words[words.index("serve") :]]


def test_a_plan_is_counted_fed_and_served_without_pytorch(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    server = Server(tmp_path, data)
    server.start()
    try:
        with open_jobs(JobSettings(jobs_dir=server.jobs_folder)) as jobs:
            jobs.workers.heartbeat(WORKER)
            with BenchClient(server.url) as bench:
                file = content(name="counted")
                checked = bench.check_plan(file).estimate
                assert (checked.cells, checked.timings, checked.hours) == (20, 0, None)
                assert checked.macs is not None
                assert checked.parameters is not None
                plan = bench.plan(file, pilot=False)
                assert (plan.state, plan.estimate) == ("ready", checked)
                bench.start_plan(plan)
                done = work(jobs, bench, "counted")
                assert (done.state, done.counts.done) == ("finished", 20)
                bench.seal_plan("counted")
                until(
                    lambda: bench.plan_named("counted"),
                    lambda plan: bool(plan.versions) and plan.versions[-1].complete,
                    what="a complete version",
                )
                asked = f"{server.url}/v1/counted/top?metric=valid_acc&num_epochs=2"
                answer = until(
                    lambda: httpx.get(asked),
                    lambda answer: answer.status_code != 404,
                    what="an answer of the table",
                )
                assert len(answer.raise_for_status().json()["items"]) == 5
    finally:
        server.stop()
    assert "Traceback" not in server.log.read_text()
