"""Prints accuracies from the tables beside latencies that a worker measures.

    NASBENCH_URL=http://127.0.0.1:8000 python examples/timed_networks.py

Needs a service with a worker (`make serve` and `nbs worker`), but no PyTorch in this process.
"""

from __future__ import annotations

from bench_client import BenchClient, Job

NUM_EPOCHS = 200
DATASET = "cifar100"
NETWORKS = 3


def tell(job: Job) -> None:
    """Print the state and stage of a job."""
    stage = f", {job.progress.stage}" if job.progress else ""
    print(f"  job {job.id[:8]} is {job.state}{stage}")


def main() -> None:
    """Submit latency jobs for a few architectures; print accuracy and latency of each."""
    with BenchClient() as bench:
        archs = [drawn.index for drawn in bench.random("nasbench201", n=NETWORKS, seed=0)]
        # Submits all jobs before waiting, because several workers may run them in parallel.
        jobs = [
            bench.latency("nasbench201", arch, dataset=DATASET, device="cpu", wait=False)
            for arch in archs
        ]
        for arch, job in zip(archs, jobs, strict=True):
            timed = bench.wait(job, progress=tell)
            (mean,) = bench.query_nb201(arch, NUM_EPOCHS, DATASET, reduction="mean")
            median = timed.result["median"] if timed.result else float("nan")
            print(f"{arch}: {mean.test_acc:.2f} %, {1000 * median:.2f} ms an image")


if __name__ == "__main__":
    main()
