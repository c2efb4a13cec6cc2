"""NAS-BERT: language encoders of searched layers (Xu et al. 2021, arXiv:2105.14444).

A network has four blocks of at most six layers. Choices are the width and depth of each block and
the operation of each layer. The paper uses an identity operation instead of a depth, but only at
the end of a block, which yields the same networks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self

from model_hub.arguments import a_count, a_share, check_each, distinct_numbers
from model_hub.choices import Categorical, Choice, LayerChoice, Sample, repeat
from model_hub.errors import InvalidArgumentError, named, shown
from model_hub.model_space import TokenSpace
from model_hub.search_space import SearchSpace
from model_hub.sharing import Sharing

if TYPE_CHECKING:
    from torch import nn

    from model_hub.spaces.nas_bert_network import Dropouts

__all__ = ["NASBERT"]

_NUM_BLOCKS: Final = 4
_DEPTHS: Final = (1, 2, 3, 4, 5, 6)
_OPERATIONS: Final = ("mha", "ffn", "sepconv3", "sepconv5", "sepconv7")
"""Names of the operations; the depth of a block replaces the identity."""

_HEAD_DIM: Final = 64
"""Width of every head; the widths of blocks are multiples of it."""

_COUNTED_LENGTH: Final = 128
"""Input length for which the paper counts multiply-adds."""

_RELEASED: Final[Mapping[str, tuple[int, str]]] = MappingProxyType(
    {
        "60M": (512, "512 S3 M M S7 F F | F M M S7 F F | M S5 M F S3 F | M M S5 F F F"),
        "55M": (512, "512 F S5 M F M F | S7 M S7 M F S5 | S3 M S5 S5 F F | F M M S5 F"),
        "50M": (384, "512 F S5 M F S5 F | S7 M S7 F F S3 | M S5 S7 F M | F M S5 M F"),
        "45M": (384, "512 S3 M S7 F S5 F | S7 M S7 M F S7 | S3 M S7 S3 F M | F M S3 S7 F"),
        "40M": (384, "512 S3 M S5 M S5 F | S5 M S7 F F | S3 M S5 S5 S3 | F S7 M M F"),
        "35M": (256, "512 S3 S7 M S7 S3 | F M S5 S7 S5 | S3 M S5 S5 S3 | F S7 M M F"),
        "30M": (256, "512 S3 M S5 S7 F | S5 M S7 S5 F | S3 S5 M F S3 | S7 M S3 F S5"),
        "20M": (128, "384 S3 M S5 S3 S3 S5 | 512 M F F M | 384 S3 S5 M | S5 S3 S5"),
        "15M": (
            128,
            "384 S3 M S5 S3 S3 S5 | S5 S5 M S5 S5 S7 | M S5 S5 S5 S5 S5 | S3 S5 M S5 S3 S5",
        ),
        "10M": (128, "384 S3 S5 M | S3 S5 M | S7 M S3 | S7 M S3"),
        "5M": (64, "192 S3 S7 M | S7 S7 M | S3 M S7 | S5 M S3"),
    }
)
"""Embedding width; for each block, its width if it changes, and its layers (paper, Table 10).

Block borders are published for 60M, 15M and 5M only. The others are chosen here; between blocks of
equal width a border has no effect. 25M is missing because its source lacks one kernel size.
"""

_LAYER_NAMES: Final = MappingProxyType(
    {"M": "mha", "F": "ffn", "S3": "sepconv3", "S5": "sepconv5", "S7": "sepconv7"}
)


@dataclass(frozen=True, kw_only=True)
class NASBERT(TokenSpace):
    """The NAS-BERT space; the defaults are those of its largest released network.

    Args:
        vocabulary: Number of token ids; that of RoBERTa by default.
        embed_dim: Width of the embedding.
        hidden_sizes: Candidates for the width of a block, multiples of 64.
        max_length: Largest number of ids in an input.
        padding_id: Id of padding.
        num_labels: Number of classes.
        dropout_rate: Dropout rate of layer outputs, of the embedded tokens and of the head.
        attention_dropout_rate: Dropout rate of the attention weights.
        activation_dropout_rate: Dropout rate after activations.
    """

    row_counts = TokenSpace.row_counts | {"max_length", "vocabulary"}

    vocabulary: int = 50_265
    embed_dim: int = 512
    hidden_sizes: tuple[int, ...] = (128, 192, 256, 384, 512)
    max_length: int = 512
    padding_id: int = 1
    num_labels: int = 2
    dropout_rate: float = 0.1
    attention_dropout_rate: float = 0.1
    activation_dropout_rate: float = 0.0

    most_blocks = _NUM_BLOCKS * max(_DEPTHS)
    """Number of layers of all blocks at their largest depth."""

    @classmethod
    def released(cls, name: str, **arguments: Any) -> tuple[Self, Sample]:
        """Return the space and the sample of a released network.

        Args:
            name: Nominal size: 60M, 55M, 50M, 45M, 40M, 35M, 30M, 20M, 15M, 10M or 5M.
            arguments: Further arguments of the space.

        Raises:
            UnknownNameError: There is no such network.
        """
        embed_dim, text = named("released NAS-BERT", name, _RELEASED)
        space = cls(**{"embed_dim": embed_dim, **arguments})
        return space, space.choices.validate(_sample(text))

    def _check(self) -> None:
        check_each(self, a_count, "vocabulary", "embed_dim", "max_length", "num_labels")
        _check_widths(self.hidden_sizes)
        a_count("padding_id", self.padding_id, least=0, most=self.vocabulary - 1)
        check_each(
            self, a_share, "dropout_rate", "attention_dropout_rate", "activation_dropout_rate"
        )

    @property
    def most_ids(self) -> int:
        """The number of position embeddings."""
        return self.max_length

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The input length that the paper counts with, at most `max_length`."""
        return (min(_COUNTED_LENGTH, self.max_length),)

    @property
    def sharing(self) -> Sharing:
        """Operations and the classifier have separate weights for each width.

        The projection before a block has separate weights for each pair of widths.
        """
        blocks = range(_NUM_BLOCKS)
        layers = {
            f"encoder.blocks.{block}.layers.{place}": f"b{block}_i{place}+b{block}_hidden"
            for block in blocks
            for place in range(max(_DEPTHS))
        }
        projections = {
            f"encoder.blocks.{block}.projection": f"b{block - 1}_hidden+b{block}_hidden"
            for block in blocks[1:]
        }
        return Sharing(
            slots={
                **layers,
                **projections,
                "encoder.projection": "b0_hidden",
                "classifier": f"b{_NUM_BLOCKS - 1}_hidden",
            },
            depths={f"encoder.blocks.{block}.layers": f"b{block}_depth" for block in blocks},
            no_mixture="widths are choices, and tokens of different widths cannot be added",
        )

    def widest_networks(self) -> Iterator[tuple[Sample, nn.Module]]:
        """Yield a network of each width; `further_modules` yields all modules that these lack."""
        for width in self.hidden_sizes:
            sample = self._uniform(width, _OPERATIONS[0])
            yield sample, self.freeze(sample)

    def further_modules(self) -> Iterator[tuple[Sample, str, nn.Module]]:
        """Yield a block of each pair of widths and of each operation."""
        from model_hub.spaces.nas_bert_network import NASBERTBlock

        for width, operation in product(self.hidden_sizes, _OPERATIONS):
            for before in self.hidden_sizes if operation == _OPERATIONS[0] else (width,):
                for block in range(_NUM_BLOCKS):
                    values = self._uniform(width, operation) | {f"b{block - 1}_hidden": before}
                    names = [operation] * max(_DEPTHS) if before == width else []
                    made = NASBERTBlock(before, width, names, self._dropouts)
                    yield values, f"encoder.blocks.{block}", made

    def _uniform(self, width: int, operation: str) -> dict[str, Any]:
        """Return the deepest sample of one width and one operation."""
        sample: dict[str, Any] = {}
        for block in range(_NUM_BLOCKS):
            sample |= {f"b{block}_hidden": width, f"b{block}_depth": max(_DEPTHS)}
            sample |= {f"b{block}_i{place}": operation for place in range(max(_DEPTHS))}
        return sample

    @property
    def _dropouts(self) -> Dropouts:
        from model_hub.spaces.nas_bert_network import Dropouts

        return Dropouts(
            hidden=self.dropout_rate,
            attention=self.attention_dropout_rate,
            activation=self.activation_dropout_rate,
        )

    def _choices(self) -> SearchSpace:
        choices: list[Choice] = []
        for block in range(_NUM_BLOCKS):
            choices.append(Categorical(f"b{block}_hidden", self.hidden_sizes))
            choices.extend(repeat(f"b{block}_depth", _DEPTHS, partial(_layer_choices, block)))
        return SearchSpace("NASBERT", tuple(choices))

    def _network(self, values: Sample) -> nn.Module:
        from model_hub.spaces.nas_bert_network import NASBERTEncoder, NASBERTNetwork

        encoder = NASBERTEncoder(
            [
                (
                    values[f"b{block}_hidden"],
                    [values[f"b{block}_i{i}"] for i in range(values[f"b{block}_depth"])],
                )
                for block in range(_NUM_BLOCKS)
            ],
            vocabulary=self.vocabulary,
            embed_dim=self.embed_dim,
            max_length=self.max_length,
            padding_id=self.padding_id,
            dropouts=self._dropouts,
        )
        return NASBERTNetwork(encoder, self.num_labels, dropout_rate=self.dropout_rate)


def _layer_choices(block: int, place: int) -> list[Choice]:
    return [LayerChoice(f"b{block}_i{place}", _OPERATIONS)]


def _check_widths(widths: object) -> None:
    numbers = distinct_numbers("hidden_sizes", widths)
    if any(a_count("hidden_sizes", width) % _HEAD_DIM for width in numbers):
        raise InvalidArgumentError(
            "hidden_sizes", f"{shown(widths)} are not all multiples of {_HEAD_DIM}"
        )


def _sample(text: str) -> dict[str, Any]:
    """Parse the blocks of a released network; a width applies until the next one."""
    sample: dict[str, Any] = {}
    hidden = 0
    for block, part in enumerate(text.split("|")):
        layers = part.split()
        if layers[0].isdecimal():
            hidden = int(layers.pop(0))
        sample |= {f"b{block}_hidden": hidden, f"b{block}_depth": len(layers)}
        sample |= {f"b{block}_i{i}": _LAYER_NAMES[layer] for i, layer in enumerate(layers)}
    return sample
