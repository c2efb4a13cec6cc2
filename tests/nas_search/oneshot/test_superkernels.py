"""Thresholds of Single-Path NAS: masks, gradients, decoding, the model of the runtime."""

from __future__ import annotations

import pytest
import torch

import model_hub
from model_hub.errors import InvalidArgumentError
from model_hub.spaces.single_path_nas import SuperkernelSpace
from nas_search.errors import ProblemError
from nas_search.oneshot import Superkernels, Supernet
from nas_search.oneshot.superkernels import indicator

SPACE = SuperkernelSpace(num_labels=4, dropout_rate=0.0)
HIGH = 1e6


@pytest.fixture(scope="module")
def supernet() -> Supernet:
    return Supernet(SPACE)


def with_thresholds(kernels: Superkernels, values: tuple[float, float, float]) -> Superkernels:
    for thresholds in kernels.thresholds.values():
        thresholds.data = torch.tensor(values)
    return kernels


def test_an_indicator_is_0_or_1_and_has_the_gradient_of_the_logistic_function() -> None:
    x = torch.tensor([-2.0, 0.0, 3.0], requires_grad=True)
    y = indicator(x)
    y.sum().backward()
    assert y.tolist() == [0.0, 1.0, 1.0]
    torch.testing.assert_close(x.grad, x.sigmoid() * (1 - x.sigmoid()))


@pytest.mark.parametrize(
    ("thresholds", "candidate"),
    [
        ((0.0, 0.0, 0.0), "5x5-6"),
        ((HIGH, 0.0, 0.0), "3x3-6"),
        ((0.0, 0.0, HIGH), "5x5-3"),
        ((HIGH, 0.0, HIGH), "3x3-3"),
    ],
)
def test_thresholds_decode_to_their_candidate_and_its_runtime(
    supernet: Supernet, thresholds: tuple[float, float, float], candidate: str
) -> None:
    kernels = with_thresholds(Superkernels(supernet), thresholds)
    sample = kernels.decode()
    assert set(sample.values()) == {candidate}
    assert kernels.runtime().item() == pytest.approx(SPACE.runtime(sample), rel=1e-5)


def test_a_layer_is_skipped_where_it_may_be(supernet: Supernet) -> None:
    kernels = with_thresholds(Superkernels(supernet), (HIGH, HIGH, HIGH))
    sample = kernels.decode()
    assert [sample[label] for label in ("layer_1", "layer_2", "layer_5")] == [
        "3x3-3",
        "skip",
        "3x3-3",
    ]
    # The least runtime of the authors' model.
    assert kernels.runtime().item() == pytest.approx(30.789985, rel=1e-5)


def test_without_masks_it_is_the_largest_network(supernet: Supernet) -> None:
    kernels = with_thresholds(Superkernels(supernet), (0.0, 0.0, 0.0)).eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        masked = kernels(images)
        supernet.activate(kernels.decode())
        assert torch.equal(masked, supernet(images))


def test_without_rings_it_is_the_network_of_small_kernels(supernet: Supernet) -> None:
    kernels = with_thresholds(Superkernels(supernet), (HIGH, 0.0, 0.0)).eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        masked = kernels(images)
        supernet.activate(kernels.decode())
        torch.testing.assert_close(masked, supernet(images), rtol=1e-3, atol=1e-5)


def test_masks_cut_the_ring_and_the_upper_half_of_the_channels(supernet: Supernet) -> None:
    kernels = with_thresholds(Superkernels(supernet), (HIGH, 0.0, HIGH))
    whole, masked = kernels._kernel(0), kernels._masked("layer_1", 0)
    half = len(whole) // 2
    assert torch.equal(masked[:half, :, 1:-1, 1:-1], whole[:half, :, 1:-1, 1:-1])
    assert masked.count_nonzero() == half * 9


def test_thresholds_and_kernels_learn_from_loss_and_runtime() -> None:
    kernels = Superkernels(Supernet(SPACE), keep_probability=0.6).train()
    loss = kernels(torch.randn(2, 3, 32, 32)).square().mean() + kernels.runtime().log()
    loss.backward()
    for label, thresholds in kernels.thresholds.items():
        assert thresholds.grad is not None
        # The first layer of a stage cannot be skipped.
        first = int(label.removeprefix("layer_")) % 4 == 1
        assert (thresholds.grad == 0).tolist() == [False, first, False]


def test_other_spaces_layers_and_probabilities_are_refused(supernet: Supernet) -> None:
    with pytest.raises(ProblemError, match="SinglePathNAS has no shared kernels"):
        Superkernels(Supernet(model_hub.space("SinglePathNAS", num_labels=4)))
    with pytest.raises(ProblemError, match="layer_99 is no layer"):
        Superkernels(supernet).indicators("layer_99")
    with pytest.raises(InvalidArgumentError, match="keep_probability"):
        Superkernels(supernet, keep_probability=0.0)
