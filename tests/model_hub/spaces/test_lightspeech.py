"""LightSpeech: published figures, padding, durations, pitch, training, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from math import log, sqrt
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the name everybody knows it by

from model_hub.errors import InvalidArgumentError, InvalidSampleError
from model_hub.spaces.lightspeech import LightSpeech, sample_of_codes
from model_hub.spaces.lightspeech_network import OPERATIONS, Speech, sinusoids

# one-shot.md, section F2.4
SEARCHED = [2, 7, 4, 3, 5, 6, 3, 4]


@pytest.fixture
def small() -> LightSpeech:
    return LightSpeech(num_symbols=12, hidden_size=16, speaker_size=4)


@pytest.fixture
def network(small: LightSpeech) -> Any:
    torch.manual_seed(0)
    return small.freeze(small.choices.sample(1)).double().eval()


def phonemes(*lengths: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    ids = torch.zeros(len(lengths), max(lengths), dtype=torch.int64)
    for row, length in zip(ids, lengths, strict=True):
        row[:length] = torch.randint(1, 12, (length,), generator=random)
    return ids


def parameters(*modules: nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def test_the_space_has_the_published_size() -> None:
    assert LightSpeech().choices.size == 11**8 == 214_358_881


def test_the_searched_network_has_the_published_parameters() -> None:
    # one-shot.md, sections F2.4 and H
    with torch.device("meta"):
        network: Any = LightSpeech().freeze(sample_of_codes(SEARCHED))
    stacks = (network.encoder, network.decoder)
    assert parameters(*stacks) == 1_114_112
    around = (network.encoder_norm, network.decoder_norm, network.decoder_positions)
    assert parameters(*stacks, *around) == 1_115_137
    assert parameters(network.duration_predictor) == 134_401
    assert parameters(network.pitch_positions, network.pitch_predictor) == 338_435
    assert parameters(network.pitch_embedding) == 76_800
    assert parameters(network.mel) == 20_560
    assert parameters(network.speaker) == 65_792
    assert parameters(network.embedding) == 256 * 80
    assert parameters(network) == 1_771_605


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, 1_771_605),
        ({"num_symbols": 70}, 1_769_045),
        ({"speaker_size": None}, 1_771_605 - 65_792),
    ],
)
def test_symbols_and_the_speaker_cost_what_is_published(
    arguments: dict[str, Any], expected: int
) -> None:
    profile = LightSpeech(**arguments).profile(sample_of_codes(SEARCHED))
    assert profile.parameters == expected


def test_the_searched_network_has_the_published_multiply_adds() -> None:
    # one-shot.md, section F2.4: of a phoneme, and of a frame
    profile = LightSpeech().profile(sample_of_codes(SEARCHED), input_shape=(10,))
    macs = {
        part: sum(layer.macs for layer in profile.layers if layer.name.startswith(part))
        for part in ("encoder", "decoder", "mel", "pitch_predictor", "duration_predictor")
    }
    assert macs == {
        "encoder": 10 * 550_912,
        "decoder": 10 * 555_008,
        "mel": 10 * 20_480,
        "pitch_predictor": 10 * 334_592,
        "duration_predictor": 10 * 132_864,
    }
    assert profile.macs == sum(macs.values())


def test_the_published_codes_name_their_kernels() -> None:
    assert list(sample_of_codes(SEARCHED).values()) == [
        f"sepconv{kernel_size}" for kernel_size in (5, 25, 13, 9, 17, 21, 9, 13)
    ]
    others = sample_of_codes([1, 8, 9, 10, 11, 1, 1, 1])
    assert list(others.values())[1:5] == ["mha2", "mha4", "mha8", "ffn"]


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([1] * 7, "are not 8 numbers"),
        ([1] * 7 + [0], "decoder_3: 0 is not a number from 1 to 11"),
        ([12] + [1] * 7, "encoder_0: 12 is not a number from 1 to 11"),
        (["a"] * 8, "encoder_0: 'a' is not"),
    ],
)
def test_bad_codes_are_refused(codes: list[Any], message: str) -> None:
    with pytest.raises(InvalidSampleError, match=message):
        sample_of_codes(codes)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_keeps_the_shape_and_does_not_see_padding(name: str) -> None:
    torch.manual_seed(0)
    operation = OPERATIONS[name](16, 0.2).double().eval()
    x = torch.randn(2, 30, 16, dtype=torch.float64)
    padding = torch.arange(30).expand(2, 30) >= torch.tensor([[20], [30]])
    before = operation(x, padding)
    assert before.shape == x.shape
    changed = x.masked_fill(padding.unsqueeze(-1), 100)
    torch.testing.assert_close(operation(changed, padding)[~padding], before[~padding])
    alone = operation(x[:1, :20], padding[:1, :20])
    torch.testing.assert_close(before[:1, :20], alone)


def test_places_are_sines_and_cosines_counted_from_one() -> None:
    vectors = sinusoids(torch.tensor([[False, False, True]]), 4)
    expected = torch.tensor([[1.0, 1e-4], [2.0, 2e-4]])
    torch.testing.assert_close(vectors[0, :2], torch.cat((expected.sin(), expected.cos()), -1))
    assert not vectors[0, 2].any()


def say(network: Any, ids: torch.Tensor, *durations: float) -> Speech:
    """Let the duration predictor predict these frames for each phoneme."""
    predicted = torch.tensor(durations, dtype=torch.float64).add(1).log()
    network.duration_predictor.register_forward_hook(
        lambda *_: predicted[: ids.shape[1]].expand(ids.shape).unsqueeze(-1)
    )
    speech: Speech = network(ids)
    return speech


def test_phonemes_last_as_long_as_predicted(network: Any) -> None:
    speech = say(network, phonemes(4, 2), 2, 0.4, 1.4, 3)
    assert speech.alignment.tolist() == [[1, 1, 3, 4, 4, 4], [1, 1, 0, 0, 0, 0]]
    assert speech.mels.shape == (2, 6, 80)
    assert speech.pitch.shape == (2, 6, 2)
    assert not speech.mels[1, 2:].any()


def test_a_network_that_predicts_no_frames_still_says_one_of_silence(network: Any) -> None:
    speech = say(network, phonemes(3), -0.5, 0, 0)
    assert speech.alignment.tolist() == [[0]]
    assert speech.mels.tolist() == [[[0.0] * 80]]


def test_a_sentence_sounds_the_same_beside_a_longer_one(network: Any) -> None:
    ids = phonemes(3, 7)
    alignment = torch.tensor([[1, 1, 2, 3, 0, 0, 0, 0], [1, 2, 3, 4, 5, 6, 7, 7]])
    both, alone = network(ids, alignment), network(ids[:1, :3], alignment[:1, :4])
    torch.testing.assert_close(both.mels[:1, :4], alone.mels)
    torch.testing.assert_close(both.log_durations[:1, :3], alone.log_durations)
    torch.testing.assert_close(both.pitch[:1, :4], alone.pitch)


def bins_of(network: Any, *pitch: tuple[float, float]) -> list[int]:
    """Return the rows of the pitch table that these pitches are looked up in."""
    seen: list[torch.Tensor] = []
    network.pitch_embedding.register_forward_hook(lambda *call: seen.append(call[1][0]))
    alignment = torch.ones(1, len(pitch), dtype=torch.int64)
    network(phonemes(1), alignment, pitch=torch.tensor([pitch], dtype=torch.float64))
    return [int(row) for row in seen[0].flatten()]


def test_pitches_fall_into_bins_of_equal_width_in_mels() -> None:
    space = LightSpeech(num_symbols=12, hidden_size=16, pitch_mean=100, pitch_std=50)
    network: Any = space.freeze(space.choices.default).double()
    lowest, highest = (log(1 + hertz / 700) for hertz in (50, 1100))
    middle = 1 + round(254 * (log(1 + 200 / 700) - lowest) / (highest - lowest))
    pitches = [(2, -1), (-1, -1), (20, -1), (1000, -1), (-10, -1), (2, 1)]
    assert bins_of(network, *pitches) == [middle, 1, 255, 255, 1, 1]


def test_the_pitch_and_the_speaker_are_heard(network: Any) -> None:
    ids, alignment = phonemes(4), torch.tensor([[1, 2, 3, 4]])
    low, high = (torch.full((1, 4, 2), hertz, dtype=torch.float64) for hertz in (-1.0, 0.0))
    low[..., 0], high[..., 0] = 100, 800
    low[..., 1] = high[..., 1] = -1
    speaker = torch.randn(1, 4, dtype=torch.float64)
    mels = [
        network(ids, alignment, pitch=low).mels,
        network(ids, alignment, pitch=high).mels,
        network(ids, alignment, pitch=low, speaker=speaker).mels,
    ]
    assert not torch.allclose(mels[0], mels[1])
    assert not torch.allclose(mels[0], mels[2])


def test_a_speaker_without_a_layer_for_it_is_refused() -> None:
    space = LightSpeech(hidden_size=16, speaker_size=None)
    network = space.freeze(space.choices.default)
    with pytest.raises(InvalidArgumentError, match=r"speaker: .* speaker_size None"):
        network(phonemes(3), speaker=torch.zeros(1, 4))


@pytest.mark.parametrize(
    "codes", [SEARCHED, [8, 9, 10, 11, 11, 10, 9, 8]], ids=["searched", "others"]
)
def test_it_trains_on_all_four_losses(small: LightSpeech, codes: list[int]) -> None:
    torch.manual_seed(0)
    network: Any = small.freeze(sample_of_codes(codes))
    ids = phonemes(4, 3)
    alignment = torch.tensor([[1, 1, 2, 3, 4, 4], [1, 2, 2, 3, 0, 0]])
    mels, pitch = torch.randn(2, 6, 80), torch.randn(2, 6, 2)
    speaker = torch.randn(2, 4)
    durations = torch.stack([(alignment == i).sum(1) for i in range(1, 5)], 1)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, betas=(0.9, 0.98))
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        speech = network(ids, alignment, pitch=pitch, speaker=speaker)
        loss = (
            F.l1_loss(speech.mels, mels)
            + F.mse_loss(speech.log_durations, durations.float().add(1).log())
            + F.l1_loss(speech.pitch[..., 0], pitch[..., 0])
            + F.binary_cross_entropy_with_logits(speech.pitch[..., 1], (pitch[..., 1] > 0).float())
        )
        loss.backward()  # type: ignore[no-untyped-call]
        assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-3:]) < sum(losses[:3])


def test_the_losses_of_duration_and_pitch_leave_the_rest_alone(network: Any) -> None:
    speech = network(phonemes(4), torch.tensor([[1, 2, 3, 4]]))
    (speech.log_durations.sum() + speech.pitch.sum()).backward()
    trained = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is not None}
    assert trained == {"duration_predictor", "pitch_positions", "pitch_predictor"}


def test_weights_start_as_the_specification_says() -> None:
    torch.manual_seed(0)
    network: Any = LightSpeech().freeze(sample_of_codes(SEARCHED))
    convolution = network.encoder[0].convolutions[1]
    std = sqrt(4 * (1 - 0.2) / (5 * 256))
    assert convolution.pointwise.weight.std().item() == pytest.approx(std, rel=0.02)
    assert convolution.depthwise.weight.std().item() == pytest.approx(std, rel=0.1)
    assert not convolution.pointwise.bias.any()
    assert network.decoder_positions.alpha.tolist() == [1.0]
    assert network.encoder_norm.eps == 1e-12
    assert network.decoder_norm.eps == 1e-5


def test_all_ways_to_a_network_are_one(
    small: LightSpeech, freezes_alike: Callable[..., None]
) -> None:
    freezes_alike(small, small.choices.sample(0))


def test_a_bad_sample_is_refused_by_label(small: LightSpeech) -> None:
    with pytest.raises(InvalidSampleError, match="encoder_0: 'sepconv3' is not one of 'sepconv1'"):
        small.freeze(small.choices.default | {"encoder_0": "sepconv3"})
    with pytest.raises(InvalidSampleError, match="decoder_3: the sample lacks this label"):
        small.freeze({k: v for k, v in small.choices.default.items() if k != "decoder_3"})


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_symbols": 0},
        {"hidden_size": 20},
        {"hidden_size": 0},
        {"speaker_size": 0},
        {"dropout_rate": 1.1},
        {"pitch_mean": -1},
        {"pitch_std": float("inf")},
    ],
)
def test_a_bad_argument_is_refused_by_name(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        LightSpeech(**arguments)
    assert caught.value.argument == next(iter(arguments))
