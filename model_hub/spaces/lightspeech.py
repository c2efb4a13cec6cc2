"""LightSpeech: text to speech of searched layers (Luo et al. 2021, arXiv:2102.04040).

The networks are acoustic models from phonemes to frames of a mel spectrogram. The operations of
four encoder layers, on phonemes, and four decoder layers, on frames, are searched. The predictors
of duration and pitch are the same in all networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from model_hub.arguments import a_count, a_number, a_share
from model_hub.choices import LayerChoice, Sample
from model_hub.errors import InvalidArgumentError, InvalidSampleError, shown
from model_hub.model_space import TokenSpace
from model_hub.search_space import SearchSpace
from model_hub.sharing import Sharing

if TYPE_CHECKING:
    from torch import nn

__all__ = ["LightSpeech", "sample_of_codes"]

_STACKS: Final = ("encoder", "decoder")
_LAYERS_PER_STACK: Final = 4
_LABELS: Final = tuple(f"{stack}_{i}" for stack in _STACKS for i in range(_LAYERS_PER_STACK))

_OPERATIONS: Final = (
    *(f"sepconv{kernel_size}" for kernel_size in (1, 5, 9, 13, 17, 21, 25)),
    *(f"mha{num_heads}" for num_heads in (2, 4, 8)),
    "ffn",
)
"""Names of the operations; the published code numbers them from 1 in this order."""

_WIDTH_DIVISOR: Final = 8
"""Largest number of heads among the operations."""


@dataclass(frozen=True, kw_only=True)
class LightSpeech(TokenSpace):
    """The LightSpeech space; the defaults are those of the published network.

    Args:
        num_symbols: Number of phonemes, including 0 for padding.
        hidden_size: Width of all layers; a multiple of 8.
        speaker_size: Width of the speaker vector; None for a network of one speaker.
            The published network has this layer but does not use it.
        dropout_rate: Dropout rate of embeddings and layers.
        pitch_mean: Mean pitch of the data set, in Hz.
        pitch_std: Standard deviation of the pitch of the data set, in Hz.
    """

    row_counts = TokenSpace.row_counts | {"num_symbols"}

    num_symbols: int = 80
    hidden_size: int = 256
    speaker_size: int | None = 256
    dropout_rate: float = 0.2
    pitch_mean: float = 0.0
    pitch_std: float = 1.0

    input_shape = (100,)
    """A sentence of 100 phonemes; `profile` counts one frame for each."""

    most_blocks = len(_LABELS)

    def _check(self) -> None:
        a_count("num_symbols", self.num_symbols)
        if a_count("hidden_size", self.hidden_size) % _WIDTH_DIVISOR:
            raise InvalidArgumentError(
                "hidden_size", f"{shown(self.hidden_size)} is no multiple of {_WIDTH_DIVISOR}"
            )
        if self.speaker_size is not None:
            a_count("speaker_size", self.speaker_size)
        a_share("dropout_rate", self.dropout_rate)
        a_number("pitch_mean", self.pitch_mean, least=0, most=1e5)
        a_number("pitch_std", self.pitch_std, least=0, most=1e5)

    @property
    def sharing(self) -> Sharing:
        """Each operation of each layer has separate weights."""
        return Sharing(slots={label.replace("_", "."): label for label in _LABELS})

    def _choices(self) -> SearchSpace:
        layers = (LayerChoice(label, _OPERATIONS) for label in _LABELS)
        return SearchSpace("LightSpeech", tuple(layers))

    def _network(self, values: Sample) -> nn.Module:
        from model_hub.spaces.lightspeech_network import LightSpeechNetwork

        names = [values[label] for label in _LABELS]
        return LightSpeechNetwork(
            names[:_LAYERS_PER_STACK],
            names[_LAYERS_PER_STACK:],
            num_symbols=self.num_symbols,
            width=self.hidden_size,
            speaker_size=self.speaker_size,
            dropout_rate=self.dropout_rate,
            pitch_scale=(self.pitch_mean, self.pitch_std),
        )


def sample_of_codes(codes: Sequence[int]) -> Sample:
    """Return the sample of an architecture given as eight operation numbers, as published.

    Args:
        codes: Numbers from 1 to 11, those of the encoder first, as in [2, 7, 4, 3, 5, 6, 3, 4].

    Raises:
        InvalidSampleError: There are not eight numbers, or one is out of range.
    """
    if len(codes) != len(_LABELS):
        raise InvalidSampleError(None, f"{shown(codes)} are not {len(_LABELS)} numbers")
    names = dict(enumerate(_OPERATIONS, start=1))
    for label, code in zip(_LABELS, codes, strict=True):
        if code not in names:
            raise InvalidSampleError(label, f"{shown(code)} is not a number from 1 to {len(names)}")
    return {label: names[code] for label, code in zip(_LABELS, codes, strict=True)}
