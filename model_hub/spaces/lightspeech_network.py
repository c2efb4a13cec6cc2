"""The networks of LightSpeech: from phonemes to mel frames (Luo et al. 2021, arXiv:2102.04040).

Operations and predictors take sequences (batch, positions, width) and a padding mask (batch,
positions). Padding is set to zero before every convolution, so that a sequence does not depend on
the others in its batch. In the published network, by contrast, the second of two convolutions reads
what the first one wrote into the padding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import log, log1p, sqrt
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the usual name

from model_hub.blocks.layers import SelfAttention, embedding
from model_hub.errors import InvalidArgumentError

__all__ = [
    "OPERATIONS",
    "FeedForward",
    "LightSpeechNetwork",
    "MultiHeadAttention",
    "Predictor",
    "ScaledPositions",
    "SepConv",
    "Speech",
    "sinusoids",
    "without_padding",
]

_FFN_RATIO: Final = 4
_FFN_KERNEL_SIZE: Final = 9
_LONGEST_PERIOD: Final = 10_000
_PREDICTOR_EPS: Final = 1e-12

_PADDING_ID: Final = 0
_NUM_MELS: Final = 80
_EMBEDDING_EPS: Final = 1e-12
_PREDICTOR_DROPOUT: Final = 0.5

_PITCH_ROWS: Final = 300
"""Rows of the pitch embedding, more than there are bins."""

_PITCH_BINS: Final = 256
_PITCH_RANGE: Final = (50.0, 1100.0)
"""Range of the pitch bins in hertz; the bins are equally wide in mels."""

_UNVOICED_HERTZ: Final = 1.0
_MEL_FACTOR: Final = 1127.0
_MEL_CORNER: Final = 700.0


def without_padding(x: Tensor, padding: Tensor) -> Tensor:
    """Return a sequence with its padding set to 0."""
    return x.masked_fill(padding.unsqueeze(-1), 0)


def sinusoids(padding: Tensor, width: int) -> Tensor:
    """Return sinusoidal position vectors (batch, positions, width); 0 for padding.

    Positions count from 1, without padding. Sines precede cosines; periods are geometric to 10,000.

    Args:
        padding: True for padding, (batch, positions).
        width: Width of the vectors; even, at least 4.
    """
    half = width // 2
    places = (~padding).cumsum(1).unsqueeze(-1)
    steps = torch.arange(half, device=padding.device, dtype=torch.get_default_dtype())
    angles = places * torch.exp(steps * (-log(_LONGEST_PERIOD) / (half - 1)))
    return without_padding(torch.cat((angles.sin(), angles.cos()), -1), padding)


class ScaledPositions(nn.Module):
    """Adds sinusoidal position vectors, multiplied by a learned factor."""

    def __init__(self) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        """Add the position vectors to a sequence."""
        return x + self.alpha * sinusoids(padding, x.shape[-1]).to(x.dtype)


class SepConv(nn.Module):
    """Two separable convolutions with a residual connection.

    Args:
        width: Width of the sequence.
        dropout_rate: Dropout rate after each convolution.
        kernel_size: Kernel size, odd.
    """

    def __init__(self, width: int, dropout_rate: float, kernel_size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.convolutions = nn.ModuleList(
            _SeparableConvolution(width, kernel_size, dropout_rate) for _ in range(2)
        )
        self.dropout = nn.Dropout(dropout_rate)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        """Normalise, convolve twice and add."""
        y: Tensor = self.norm(x)
        for convolution in self.convolutions:
            y = self.dropout(F.relu(convolution(y, padding)))
        return x + y


class MultiHeadAttention(nn.Module):
    """Self-attention without biases, with a residual connection.

    Args:
        width: Width of the sequence; a multiple of `num_heads`.
        dropout_rate: Dropout rate of the attention output.
        num_heads: Number of heads.
    """

    def __init__(self, width: int, dropout_rate: float, num_heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width, num_heads, bias=False)
        self.dropout = nn.Dropout(dropout_rate)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        """Normalise, attend and add."""
        y: Tensor = self.dropout(self.attention(self.norm(x), padding))
        return x + y


class FeedForward(nn.Module):
    """A convolution to four times the width and a linear layer back, with a residual connection.

    Args:
        width: Width of the sequence.
        dropout_rate: Dropout rate after each of the two layers.
    """

    def __init__(self, width: int, dropout_rate: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Conv1d(
            width, _FFN_RATIO * width, _FFN_KERNEL_SIZE, padding=_FFN_KERNEL_SIZE // 2
        )
        self.linear = nn.Linear(_FFN_RATIO * width, width)
        self.dropout = nn.Dropout(dropout_rate)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        """Normalise, transform and add."""
        y = without_padding(self.norm(x), padding)
        hidden = self.dropout(F.relu(self.conv(y.mT).mT))
        added: Tensor = self.dropout(self.linear(hidden))
        return x + added


class Predictor(nn.Module):
    """Separable convolutions and a linear layer that predict values for each position.

    Args:
        width: Width of the sequence and of every layer.
        out_features: Number of values per position.
        num_layers: Number of convolutions.
        kernel_size: Kernel size, odd.
        dropout_rate: Dropout rate after each convolution.
    """

    def __init__(
        self,
        width: int,
        out_features: int,
        *,
        num_layers: int,
        kernel_size: int,
        dropout_rate: float,
    ) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            _SeparableConvolution(width, kernel_size, dropout_rate) for _ in range(num_layers)
        )
        self.norms = nn.ModuleList(
            nn.LayerNorm(width, eps=_PREDICTOR_EPS) for _ in range(num_layers)
        )
        self.dropout = nn.Dropout(dropout_rate)
        self.linear = nn.Linear(width, out_features)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        """Return the predictions (batch, positions, out_features); 0 for padding."""
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = self.dropout(norm(F.relu(convolution(x, padding))))
        return without_padding(self.linear(x), padding)


class _SeparableConvolution(nn.Module):
    def __init__(self, width: int, kernel_size: int, dropout_rate: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(
            width, width, kernel_size, padding=kernel_size // 2, groups=width, bias=False
        )
        self.pointwise = nn.Conv1d(width, width, 1)
        std = sqrt(4 * (1 - dropout_rate) / (kernel_size * width))
        for convolution in (self.depthwise, self.pointwise):
            nn.init.normal_(convolution.weight, std=std)
        if self.pointwise.bias is not None:
            nn.init.zeros_(self.pointwise.bias)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        convolved: Tensor = self.pointwise(self.depthwise(without_padding(x, padding).mT))
        return convolved.mT


Operation: TypeAlias = Callable[[int, float], nn.Module]

OPERATIONS: Final[Mapping[str, Operation]] = MappingProxyType(
    {
        **{
            f"sepconv{kernel_size}": partial(SepConv, kernel_size=kernel_size)
            for kernel_size in (1, 5, 9, 13, 17, 21, 25)
        },
        **{
            f"mha{num_heads}": partial(MultiHeadAttention, num_heads=num_heads)
            for num_heads in (2, 4, 8)
        },
        "ffn": FeedForward,
    }
)
"""Factories of the operations by name."""


class Speech(NamedTuple):
    """The output of the network.

    Args:
        mels: Mel spectrogram (batch, frames, 80).
        log_durations: Logarithm of 1 plus the frames of each phoneme, (batch, phonemes).
        pitch: Normalised pitch and unvoiced logit, (batch, frames, 2).
        alignment: Phoneme of each frame, counted from 1; 0 for padding; (batch, frames).
    """

    mels: Tensor
    log_durations: Tensor
    pitch: Tensor
    alignment: Tensor


class LightSpeechNetwork(nn.Module):
    """A network of the LightSpeech space.

    Args:
        encoder: Names of the operations on phonemes.
        decoder: Names of the operations on frames.
        num_symbols: Number of phonemes, including 0 for padding.
        width: Width of all layers.
        speaker_size: Width of the speaker vector; None for a network without that layer.
        dropout_rate: Dropout rate of embeddings and layers.
        pitch_scale: Mean and standard deviation of the pitch in Hz.
    """

    def __init__(
        self,
        encoder: Sequence[str],
        decoder: Sequence[str],
        *,
        num_symbols: int,
        width: int,
        speaker_size: int | None,
        dropout_rate: float,
        pitch_scale: tuple[float, float],
    ) -> None:
        super().__init__()
        self.pitch_scale = pitch_scale
        self.dropout = nn.Dropout(dropout_rate)
        embedded = partial(embedding, width=width, padding_id=_PADDING_ID, std=width**-0.5)
        self.embedding = embedded(num_symbols)
        self.encoder = nn.ModuleList(OPERATIONS[name](width, dropout_rate) for name in encoder)
        self.encoder_norm = nn.LayerNorm(width, eps=_EMBEDDING_EPS)
        self.speaker = None if speaker_size is None else nn.Linear(speaker_size, width)
        self.duration_predictor = Predictor(
            width, 1, num_layers=2, kernel_size=3, dropout_rate=_PREDICTOR_DROPOUT
        )
        self.pitch_positions = ScaledPositions()
        self.pitch_predictor = Predictor(
            width, 2, num_layers=5, kernel_size=5, dropout_rate=_PREDICTOR_DROPOUT
        )
        self.pitch_embedding = embedded(_PITCH_ROWS)
        self.pitch_dropout = nn.Dropout(_PREDICTOR_DROPOUT)
        self.decoder_positions = ScaledPositions()
        self.decoder = nn.ModuleList(OPERATIONS[name](width, dropout_rate) for name in decoder)
        self.decoder_norm = nn.LayerNorm(width)
        self.mel = nn.Linear(width, _NUM_MELS)

    def forward(
        self,
        ids: Tensor,
        alignment: Tensor | None = None,
        *,
        pitch: Tensor | None = None,
        speaker: Tensor | None = None,
    ) -> Speech:
        """Return the speech for a batch of phoneme sequences.

        Args:
            ids: Phonemes (batch, phonemes), 0 for padding.
            alignment: Phoneme of each frame, counted from 1; 0 for padding; (batch, frames). By
                default it follows from the predicted durations.
            pitch: Normalised pitch and a positive number where unvoiced, (batch, frames, 2). By
                default it is predicted.
            speaker: Vectors of the speakers, (batch, speaker_size).

        Raises:
            InvalidArgumentError: `speaker` is given, but the network has no speaker layer.
        """
        padding = ids == _PADDING_ID
        encoded = without_padding(self._encoded(ids, padding, speaker), padding)
        log_durations = self.duration_predictor(encoded.detach(), padding).squeeze(-1)
        if alignment is None:
            alignment = _alignment(log_durations, padding)
        silence = alignment == 0
        frames = _stretched(encoded, alignment)
        at_places = self.pitch_positions(frames.detach(), silence)
        predicted = self.pitch_predictor(at_places, silence)
        bins = _pitch_bins(predicted if pitch is None else pitch, *self.pitch_scale)
        frames = frames + self.pitch_dropout(self.pitch_embedding(bins.masked_fill(silence, 0)))
        mels = without_padding(self.mel(self._decoded(frames, silence)), silence)
        return Speech(mels, log_durations, predicted, alignment)

    def _encoded(self, ids: Tensor, padding: Tensor, speaker: Tensor | None) -> Tensor:
        x = self.embedding(ids) * sqrt(self.embedding.embedding_dim)
        x = self.dropout(x + sinusoids(padding, x.shape[-1]).to(x.dtype))
        for operation in self.encoder:
            x = operation(x, padding)
        normed: Tensor = self.encoder_norm(x)
        if speaker is None:
            return normed
        if self.speaker is None:
            raise InvalidArgumentError("speaker", "the network was made with speaker_size None")
        spoken: Tensor = self.speaker(speaker)
        return normed + spoken.unsqueeze(1)

    def _decoded(self, frames: Tensor, silence: Tensor) -> Tensor:
        x = self.dropout(self.decoder_positions(frames, silence))
        for operation in self.decoder:
            x = operation(x, silence)
        normed: Tensor = self.decoder_norm(x)
        return normed


def _alignment(log_durations: Tensor, padding: Tensor) -> Tensor:
    """Return the phoneme of each frame, from 1, by the predicted durations; 0 after the last.

    The result has at least one frame. On the meta device, where durations are unknown, each phoneme
    has one frame.
    """
    if log_durations.is_meta:
        return torch.arange(1, padding.shape[1] + 1, device=padding.device).expand(padding.shape)
    durations = (log_durations.detach().exp() - 1).round().clamp(min=0).long()
    ends = durations.masked_fill(padding, 0).cumsum(1)
    count = ends.max().clamp(min=1).item()
    # torch.export can trace shapes that depend on data only with such a guarantee.
    torch._check(count >= 1)  # type: ignore[no-untyped-call]  # noqa: SLF001 - documented
    frames = torch.arange(count, device=padding.device)
    # The number of phonemes that have ended; ONNX has no binary search, which would be faster.
    ended = (ends[:, None, :] <= frames[:, None]).sum(-1)
    return (ended + 1).masked_fill(frames >= ends[:, -1:], 0)


def _stretched(phonemes: Tensor, alignment: Tensor) -> Tensor:
    """Expand phoneme vectors to one vector for each frame; 0 for padding."""
    with_padding = F.pad(phonemes, (0, 0, 1, 0))
    return with_padding.gather(1, alignment.unsqueeze(-1).expand(-1, -1, phonemes.shape[-1]))


def _pitch_bins(pitch: Tensor, mean: float, std: float) -> Tensor:
    """Return the bins, 1 to 255, of normalised pitches and unvoiced logits."""
    hertz = (pitch[..., 0] * std + mean).masked_fill(pitch[..., 1] > 0, _UNVOICED_HERTZ)
    lowest, highest = (_MEL_FACTOR * log1p(hertz / _MEL_CORNER) for hertz in _PITCH_RANGE)
    mels = _MEL_FACTOR * torch.log1p(hertz.clamp(min=_UNVOICED_HERTZ) / _MEL_CORNER)
    places = (mels - lowest) * (_PITCH_BINS - 2) / (highest - lowest) + 1
    return places.clamp(1, _PITCH_BINS - 1).round().long()
