"""Measures the latency of a network."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from missing_extra import needs

with needs("hub", "measuring a network"):
    import torch
    from torch import Tensor, nn

    from model_hub.arguments import a_count
    from model_hub.counting import input_shape_of
    from model_hub.running import Running

__all__ = ["Latency", "latency"]

_MILLISECONDS = 1e-3


@dataclass(frozen=True, kw_only=True, slots=True)
class Latency:
    """Wall times of single forward passes, in seconds.

    Attributes:
        minimum: The shortest time.
        lower_quartile: Lower quartile of the times.
        median: Median of the times.
        upper_quartile: Upper quartile of the times.
        batch_size: Number of inputs per pass.
        repeats: Number of measured passes.
        device: "cpu" with its number of threads, or the name of the accelerator.
    """

    minimum: float
    lower_quartile: float
    median: float
    upper_quartile: float
    batch_size: int
    repeats: int
    device: str

    def __str__(self) -> str:
        low, middle, high, least = (
            f"{seconds * 1e3:.3g}"
            for seconds in (self.lower_quartile, self.median, self.upper_quartile, self.minimum)
        )
        return (
            f"{middle} ms (quartiles {low} to {high}, minimum {least}) on {self.device}, "
            f"batch of {self.batch_size}, {self.repeats} passes"
        )


def latency(  # noqa: PLR0913 - settings of a measurement
    network: nn.Module,
    inputs: Tensor | Sequence[int] | None = None,
    *,
    device: torch.device | str = "cpu",
    precision: str = "float32",
    compiled: bool = False,
    channels_last: bool | None = None,
    batch_size: int = 1,
    warmup: int = 10,
    repeats: int = 50,
    progress: Callable[[int], None] | None = None,
) -> Latency:
    """Measure the latency of a copy of a network in evaluation mode, on random inputs.

    On a GPU, CUDA events time each pass, and the previous pass has ended. Inputs are on the device
    and have the precision before a pass begins.

    Args:
        network: The network, which is not changed.
        inputs: A batch; or the shape of an input without the batch, (3, 224, 224), for random
            values. By default it is the attribute `input_shape` of a network of images.
        device: Device that runs the network.
        precision: Precision of weights and inputs; see `model_hub.running.PRECISIONS`.
        compiled: Whether to use `torch.compile`.
        channels_last: Whether images have the channels-last memory format; default: on a GPU only.
        batch_size: Number of inputs per pass, if `inputs` is a shape.
        warmup: Number of passes before the measured ones.
        repeats: Number of measured passes, at least two.
        progress: Called after each pass with the number of finished passes.

    Raises:
        InvalidArgumentError: An argument is invalid.
    """
    a_count("warmup", warmup, least=0)
    a_count("repeats", repeats, least=2)
    running = Running(
        device=device, precision=precision, compiled=compiled, channels_last=channels_last
    )
    stated = input_shape_of(network) if inputs is None else inputs
    batch = running.placed(_batch(stated, batch_size))
    place = torch.device(device)
    answer = running.prepared(network)
    timed = _on_gpu if place.type == "cuda" else _on_cpu
    tell = progress or (lambda _: None)
    seconds = []
    with torch.inference_mode():
        for done in range(1, warmup + 1):
            answer(batch)
            tell(done)
        for done in range(1, repeats + 1):
            seconds.append(timed(answer, batch))
            tell(warmup + done)
    lower, median, upper = statistics.quantiles(seconds, n=4, method="inclusive")
    return Latency(
        minimum=min(seconds),
        lower_quartile=lower,
        median=median,
        upper_quartile=upper,
        batch_size=len(batch),
        repeats=repeats,
        device=_named(place),
    )


def _batch(inputs: Tensor | Sequence[int], batch_size: int) -> Tensor:
    if isinstance(inputs, Tensor):
        return inputs
    sizes = [a_count("inputs", size) for size in inputs]
    shape = (a_count("batch_size", batch_size), *sizes)
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def _on_cpu(network: Callable[[Tensor], object], inputs: Tensor) -> float:
    started = time.perf_counter()
    network(inputs)
    return time.perf_counter() - started


def _on_gpu(network: Callable[[Tensor], object], inputs: Tensor) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    torch.cuda.synchronize(inputs.device)
    start.record(torch.cuda.current_stream(inputs.device))
    network(inputs)
    end.record(torch.cuda.current_stream(inputs.device))
    end.synchronize()
    return float(start.elapsed_time(end)) * _MILLISECONDS


def _named(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device}, {torch.get_num_threads()} threads" if device.type == "cpu" else str(device)
