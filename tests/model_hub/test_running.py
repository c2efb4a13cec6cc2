"""How a network runs: the numbers it computes with, and the layout of its images."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from model_hub.errors import InvalidArgumentError
from model_hub.running import PRECISIONS, Running


class Noting(nn.Module):
    """A convolution that notes what it is given and what it gives."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3)
        self.seen: list[tuple[torch.dtype, torch.dtype, torch.dtype, bool]] = []

    def __deepcopy__(self, memo: object) -> Noting:
        copied = Noting()
        copied.load_state_dict(self.state_dict())
        copied.seen = self.seen
        return copied

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.convolution(x)
        by_pixel = x.is_contiguous(memory_format=torch.channels_last)
        self.seen.append((x.dtype, self.convolution.weight.dtype, outputs.dtype, by_pixel))
        return outputs


@pytest.fixture
def network() -> Noting:
    torch.manual_seed(0)
    return Noting()


def run(network: Noting, **how: object) -> Tensor:
    with torch.inference_mode():
        outputs: Tensor = Running(**how).prepared(network)(torch.ones(2, 3, 8, 8))  # type: ignore[arg-type]
    return outputs


@pytest.mark.parametrize("precision", ["float32", "float64", "bfloat16", "float16"])
def test_a_full_precision_is_that_of_inputs_weights_and_outputs(
    network: Noting, precision: str
) -> None:
    run(network, precision=precision)
    assert network.seen[0][:3] == (getattr(torch, precision),) * 3


@pytest.mark.parametrize("precision", ["mixed-bfloat16", "mixed-float16"])
def test_a_mixed_precision_leaves_weights_and_inputs_as_they_are(
    network: Noting, precision: str
) -> None:
    run(network, precision=precision)
    computed = getattr(torch, precision.removeprefix("mixed-"))
    assert network.seen[0][:3] == (torch.float32, torch.float32, computed)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_precision_gives_nearly_the_same(network: Noting, precision: str) -> None:
    exact = run(network).double()
    assert (run(network, precision=precision).double() - exact).abs().max() < 0.02


@pytest.mark.parametrize(("asked", "given"), [(True, True), (False, False), (None, False)])
def test_images_lie_as_asked_and_on_a_processor_plane_by_plane(
    network: Noting, *, asked: bool | None, given: bool
) -> None:
    plain = run(network)
    laid = run(network, channels_last=asked)
    assert network.seen[-1][3] is given
    assert torch.allclose(laid, plain, atol=1e-6)


def test_ids_stay_whole_numbers() -> None:
    ids = torch.tensor([[1, 2], [3, 4]])
    placed = Running(precision="bfloat16", channels_last=True).placed(ids)
    assert placed.dtype == torch.int64
    assert torch.equal(placed, ids)


def test_the_network_itself_stays_as_it_is(network: Noting) -> None:
    run(network, precision="float16", channels_last=True)
    assert network.training
    assert network.convolution.weight.dtype == torch.float32
    assert network.convolution.weight.is_contiguous()


def test_an_unknown_precision_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        Running(precision="int8")
    names = ", ".join(map(repr, PRECISIONS))
    assert str(caught.value) == f"precision: 'int8' is not one of {names}"


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        ("gpu", "'gpu' is not a device such as cpu, cuda or cuda:1"),
        (None, "None is not a device"),
        ("cuda:99", "'cuda:99': PyTorch finds [0-9]+ GPUs here"),
    ],
)
def test_a_device_that_is_not_there_is_refused(device: object, reason: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"device: {reason}"):
        Running(device=device)  # type: ignore[arg-type]
