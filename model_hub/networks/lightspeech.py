"""The networks of LightSpeech: from phonemes to frames (Luo et al. 2021, arXiv:2102.04040)."""

from __future__ import annotations

from collections.abc import Sequence
from math import log1p, sqrt
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name everybody knows it by

from model_hub.blocks.lightspeech import (
    OPERATIONS,
    Predictor,
    ScaledPositions,
    sinusoids,
    without_padding,
)
from model_hub.errors import InvalidArgumentError

__all__ = ["LightSpeechNetwork", "Speech"]

_PADDING_ID: Final = 0
_NUM_MELS: Final = 80
_EMBEDDING_EPS: Final = 1e-12
_PREDICTOR_DROPOUT: Final = 0.5

_PITCH_ROWS: Final = 300
"""Vectors of pitches, more than there are bins."""

_PITCH_BINS: Final = 256
_PITCH_RANGE: Final = (50.0, 1100.0)
"""Hertz between which pitches are told apart, in bins equally wide in mels."""

_UNVOICED_HERTZ: Final = 1.0
_MEL_FACTOR: Final = 1127.0
_MEL_CORNER: Final = 700.0


class Speech(NamedTuple):
    """What the network says.

    Args:
        mels: Mel spectrogram (batch, frames, 80).
        log_durations: Logarithm of the frames of each phoneme plus 1, (batch, phonemes).
        pitch: Normalised pitch and logit of being unvoiced, (batch, frames, 2).
        alignment: The phoneme of each frame, counted from 1, 0 for padding, (batch, frames).
    """

    mels: Tensor
    log_durations: Tensor
    pitch: Tensor
    alignment: Tensor


class LightSpeechNetwork(nn.Module):
    """A network of the space.

    Args:
        encoder: Names of the operations on phonemes.
        decoder: Names of the operations on frames.
        num_symbols: Phonemes, 0 for padding among them.
        width: Of everything.
        speaker_size: Width of the vector that says who speaks, if there is one.
        dropout_rate: Of embeddings and of the layers.
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
        self.embedding = _embedding(num_symbols, width)
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
        self.pitch_embedding = _embedding(_PITCH_ROWS, width)
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
        """Say phonemes.

        Args:
            ids: Phonemes (batch, phonemes), 0 for padding.
            alignment: The phoneme of each frame, counted from 1, 0 for padding, (batch, frames);
                by the predicted durations if not given.
            pitch: Normalised pitch and a positive number where unvoiced, (batch, frames, 2); as
                predicted if not given.
            speaker: Who speaks, (batch, speaker_size).

        Raises:
            InvalidArgumentError: There is a speaker, but no layer that takes it.
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


def _embedding(size: int, width: int) -> nn.Embedding:
    embedding = nn.Embedding(size, width, padding_idx=_PADDING_ID)
    nn.init.normal_(embedding.weight, std=width**-0.5)
    nn.init.zeros_(embedding.weight[_PADDING_ID])
    return embedding


def _alignment(log_durations: Tensor, padding: Tensor) -> Tensor:
    """Return the phoneme of each frame, from 1, of predicted durations; 0 after the last.

    There is at least one frame. On the meta device, where durations are unknown, each phoneme has
    one.
    """
    if log_durations.is_meta:
        return torch.arange(1, padding.shape[1] + 1, device=padding.device).expand(padding.shape)
    durations = (log_durations.detach().exp() - 1).round().clamp(min=0).long()
    ends = durations.masked_fill(padding, 0).cumsum(1)
    count = ends.max().clamp(min=1).item()
    # torch.export follows shapes that depend on numbers where it is told what is sure of them.
    torch._check(count >= 1)  # type: ignore[no-untyped-call]  # noqa: SLF001 - documented
    frames = torch.arange(count, device=padding.device)
    # How many phonemes have ended: a binary search would say the same, but ONNX has none.
    ended = (ends[:, None, :] <= frames[:, None]).sum(-1)
    return (ended + 1).masked_fill(frames >= ends[:, -1:], 0)


def _stretched(phonemes: Tensor, alignment: Tensor) -> Tensor:
    """Return the vector of the phoneme of each frame; 0 for padding."""
    with_padding = F.pad(phonemes, (0, 0, 1, 0))
    return with_padding.gather(1, alignment.unsqueeze(-1).expand(-1, -1, phonemes.shape[-1]))


def _pitch_bins(pitch: Tensor, mean: float, std: float) -> Tensor:
    """Return the bins, 1 to 255, of normalised pitches and logits of being unvoiced."""
    hertz = (pitch[..., 0] * std + mean).masked_fill(pitch[..., 1] > 0, _UNVOICED_HERTZ)
    lowest, highest = (_MEL_FACTOR * log1p(hertz / _MEL_CORNER) for hertz in _PITCH_RANGE)
    mels = _MEL_FACTOR * torch.log1p(hertz.clamp(min=_UNVOICED_HERTZ) / _MEL_CORNER)
    places = (mels - lowest) * (_PITCH_BINS - 2) / (highest - lowest) + 1
    return places.clamp(1, _PITCH_BINS - 1).round().long()
