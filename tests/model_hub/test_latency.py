"""Latency: what is measured, on what, and what is refused."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import model_hub
from model_hub.counting import profile
from model_hub.errors import InvalidArgumentError
from model_hub.latency import latency


class Sleeping(nn.Module):
    """Takes ten milliseconds, and counts its calls in a list that copies share."""

    calls: list[tuple[int, ...]] = []  # noqa: RUF012

    def forward(self, x: Tensor) -> Tensor:
        assert not self.training
        assert torch.is_inference(x) or torch.is_inference_mode_enabled()
        self.calls.append(tuple(x.shape))
        time.sleep(0.01)
        return x


def test_single_passes_are_measured_in_seconds_after_the_warm_up() -> None:
    Sleeping.calls.clear()
    found = latency(Sleeping(), (3, 8, 8), batch_size=2, warmup=3, repeats=5)
    assert Sleeping.calls == [(2, 3, 8, 8)] * 8
    assert 0.01 <= found.minimum <= found.lower_quartile <= found.median <= found.upper_quartile
    assert found.median < 1
    assert (found.batch_size, found.repeats) == (2, 5)
    assert found.device.startswith("cpu, ")
    assert "ms (quartiles" in str(found)


def test_the_network_stays_as_it_is() -> None:
    network = nn.Sequential(nn.BatchNorm2d(3))
    latency(network, (3, 4, 4), warmup=0, repeats=2)
    assert network.training
    assert network[0].num_batches_tracked == 0


@pytest.mark.parametrize(
    "arguments",
    [{"warmup": -1}, {"repeats": 1}, {"batch_size": 0}, {"inputs": (3, 0)}],
)
def test_bad_arguments_are_refused_by_name(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        latency(nn.Identity(), **{"inputs": (3,)} | arguments)
    assert caught.value.argument == next(iter(arguments))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_gpu_measures_itself() -> None:
    found = latency(nn.Conv2d(3, 64, 3), (3, 224, 224), device="cuda")
    assert 0 < found.minimum < 1
    assert found.device == torch.cuda.get_device_name()


def test_a_network_of_a_row_is_measured_and_counted_on_images_of_its_data_set() -> None:
    widths = {"benchmark": "natssss", "arch": "8:8:8:8:8"}
    network = model_hub.build(widths["benchmark"], widths["arch"], dataset="imagenet16-120")
    seen: list[tuple[int, ...]] = []
    network.register_forward_pre_hook(lambda _, inputs: seen.append(tuple(inputs[0].shape)))
    assert latency(network, warmup=0, repeats=2, batch_size=3).batch_size == 3
    assert set(seen) == {(3, 3, 16, 16)}
    space, sample = model_hub.locate(widths["benchmark"], widths["arch"], dataset="imagenet16-120")
    assert profile(network) == space.profile(sample)


def test_a_network_that_carries_no_shape_needs_one() -> None:
    for measure in (latency, profile):
        with pytest.raises(InvalidArgumentError, match="inputs: the network has no shape"):
            measure(nn.Linear(3, 3))
