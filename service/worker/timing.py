"""How long a pass of a network takes on the worker's device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from model_hub.latency import latency
from service.jobs.records import Progress
from service.worker.building import build_network
from service.worker.work import Done, Workplace

__all__ = ["time_network"]


def time_network(spec: Mapping[str, Any], workplace: Workplace) -> Done:
    """Measure the latency of the network of a request.

    Args:
        spec: The canonical request of `POST /v1/latency`.
        workplace: Where to do it.

    Raises:
        WorkError: The network cannot be built.
    """
    workplace.report(Progress(stage="building"))
    built = build_network(spec, workplace)
    passes = spec["warmup"] + spec["repeats"]
    workplace.report(Progress(stage="timing", total=passes))

    def tell(done: int) -> None:
        workplace.report(Progress(stage="timing", done=done, total=passes))

    found = latency(
        built.network,
        built.example(spec["batch_size"]),
        device=workplace.device,
        precision=spec["precision"],
        compiled=spec["compile"],
        channels_last=spec["channels_last"],
        warmup=spec["warmup"],
        repeats=spec["repeats"],
        progress=tell,
    )
    return Done(result=asdict(found) | {"input_shape": list(built.input_shape)})
