"""NAS-BERT: language encoders of searched layers (Xu et al. 2021, arXiv:2105.14444).

Four blocks of at most six layers. A block chooses its width, and each of its layers what it does.
The paper has an identity among the operations, which only stands at the end of a block; here a
depth says how many layers are kept, which makes the same networks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final, Self

from torch import Tensor, nn

from model_hub.arguments import a_count, a_number
from model_hub.blocks.nas_bert import HEAD_DIM, LINEAR_STD, OPERATIONS, Dropouts
from model_hub.blocks.self_attention import SelfAttention
from model_hub.choices import Categorical, Choice, LayerChoice, Sample, repeat
from model_hub.errors import InvalidArgumentError, UnknownNameError, shown
from model_hub.search_space import SearchSpace
from model_hub.token_space import TokenSpace

__all__ = ["NASBERT", "NASBERTEncoder", "NASBERTNetwork"]

_NUM_BLOCKS: Final = 4
_DEPTHS: Final = (1, 2, 3, 4, 5, 6)
_COUNTED_LENGTH: Final = 128
"""Ids of the input that the paper counts with."""

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
"""Embedding width, and per block its width, if another, and its layers (the paper, Table 10).

Borders of blocks are published for 60M, 15M and 5M only. The others are ours; between blocks of
equal width a border changes nothing. 25M is left out: the source at hand lacks one of its kernels.
"""

_LAYER_NAMES: Final = MappingProxyType(
    {"M": "mha", "F": "ffn", "S3": "sepconv3", "S5": "sepconv5", "S7": "sepconv7"}
)


@dataclass(frozen=True, kw_only=True)
class NASBERT(TokenSpace):
    """The NAS-BERT space; the defaults are those of its largest released network.

    Args:
        vocabulary: How many token ids there are; that of RoBERTa by default.
        embed_dim: Width of the embedding.
        hidden_sizes: Candidates of the width of a block, multiples of 64.
        max_length: Most ids of an input.
        padding_id: The id of padding.
        num_labels: Classes.
        dropout_rate: Of what layers add, of the first tokens and of the head.
        attention_dropout_rate: Of the attention.
        activation_dropout_rate: After activations.
    """

    vocabulary: int = 50_265
    embed_dim: int = 512
    hidden_sizes: tuple[int, ...] = (128, 192, 256, 384, 512)
    max_length: int = 512
    padding_id: int = 1
    num_labels: int = 2
    dropout_rate: float = 0.1
    attention_dropout_rate: float = 0.1
    activation_dropout_rate: float = 0.0

    @classmethod
    def released(cls, name: str, **arguments: Any) -> tuple[Self, Sample]:
        """Return the space and the sample of a released network.

        Args:
            name: Its nominal size: 60M, 55M, 50M, 45M, 40M, 35M, 30M, 20M, 15M, 10M or 5M.
            arguments: Further arguments of the space.

        Raises:
            UnknownNameError: There is no such network.
        """
        if name not in _RELEASED:
            raise UnknownNameError("released NAS-BERT", name, _RELEASED)
        embed_dim, text = _RELEASED[name]
        space = cls(**{"embed_dim": embed_dim, **arguments})
        return space, space.choices.validate(_sample(text))

    def _check(self) -> None:
        for argument in ("vocabulary", "embed_dim", "max_length", "num_labels"):
            a_count(argument, getattr(self, argument))
        _check_widths(self.hidden_sizes)
        a_count("padding_id", self.padding_id, least=0, most=self.vocabulary - 1)
        for argument in ("dropout_rate", "attention_dropout_rate", "activation_dropout_rate"):
            a_number(argument, getattr(self, argument), least=0, most=1)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """As many ids as the paper counts with, or as fit."""
        return (min(_COUNTED_LENGTH, self.max_length),)

    def _choices(self) -> SearchSpace:
        choices: list[Choice] = []
        for block in range(_NUM_BLOCKS):
            choices.append(Categorical(f"b{block}_hidden", self.hidden_sizes))
            choices.extend(repeat(f"b{block}_depth", _DEPTHS, partial(_layer_choices, block)))
        return SearchSpace("NASBERT", tuple(choices))

    def _network(self, values: Sample) -> NASBERTNetwork:
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
            dropouts=Dropouts(
                hidden=self.dropout_rate,
                attention=self.attention_dropout_rate,
                activation=self.activation_dropout_rate,
            ),
        )
        return NASBERTNetwork(encoder, self.num_labels, dropout_rate=self.dropout_rate)


class NASBERTNetwork(nn.Module):
    """An encoder and a classifier of its first token.

    Args:
        encoder: Makes tokens of ids.
        num_labels: Classes.
        dropout_rate: Before the classifier.
    """

    def __init__(self, encoder: NASBERTEncoder, num_labels: int, *, dropout_rate: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout_rate)
        self.classifier = nn.Linear(encoder.width, num_labels)
        _initialize(self.classifier)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the logits (batch, num_labels) of token ids (batch, tokens).

        `encoder` gives the tokens before the classifier.
        """
        logits: Tensor = self.classifier(self.dropout(self.encoder(ids)[:, 0]))
        return logits


class NASBERTEncoder(nn.Module):
    """The network without a classifier.

    Args:
        blocks: Width and names of operations of each block.
        vocabulary: How many token ids there are.
        embed_dim: Width of the embedding.
        max_length: Most ids of an input.
        padding_id: The id of padding.
        dropouts: Rates of dropout.
    """

    def __init__(
        self,
        blocks: Sequence[tuple[int, Sequence[str]]],
        *,
        vocabulary: int,
        embed_dim: int,
        max_length: int,
        padding_id: int,
        dropouts: Dropouts,
    ) -> None:
        super().__init__()
        self.max_length = max_length
        self.padding_id = padding_id
        widths = [width for width, _ in blocks]
        self.width = widths[-1]
        self.embedding = _embedding(vocabulary, embed_dim, padding_id)
        # A position is the number of ids up to it, padding apart, after the id of padding.
        self.positions = _embedding(max_length + padding_id + 1, embed_dim, padding_id)
        self.norm = nn.LayerNorm(embed_dim)
        self.projection = _projection(embed_dim, widths[0])
        if self.projection is not None:
            nn.init.xavier_uniform_(self.projection.weight)
        self.dropout = nn.Dropout(dropouts.hidden)
        before = (widths[0], *widths)
        self.blocks = nn.ModuleList(
            _Block(in_width, width, names, dropouts)
            for in_width, (width, names) in zip(before, blocks, strict=False)
        )

    def forward(self, ids: Tensor) -> Tensor:
        """Return tokens (batch, tokens, width of the last block) of ids (batch, tokens).

        Raises:
            InvalidArgumentError: There are more ids than `max_length`.
        """
        if ids.shape[1] > self.max_length:
            raise InvalidArgumentError(
                "ids", f"{ids.shape[1]} are more than max_length {self.max_length}"
            )
        padding = ids == self.padding_id
        positions = (~padding).cumsum(1).masked_fill(padding, 0) + self.padding_id
        x: Tensor = self.norm(self.embedding(ids) + self.positions(positions))
        if self.projection is not None:
            x = self.projection(x)
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x, padding)
        return x

    def product_macs(self, num_tokens: int) -> int:
        """Return the multiply-adds of the products of attention, which no layer shows."""
        attentions = (m for m in self.modules() if isinstance(m, SelfAttention))
        return sum(attention.product_macs(num_tokens) for attention in attentions)


class _Block(nn.Module):
    """Layers of one width, and what changes the width before them."""

    def __init__(self, in_width: int, width: int, names: Sequence[str], dropouts: Dropouts) -> None:
        super().__init__()
        self.projection = _projection(in_width, width)
        self.layers = nn.ModuleList(OPERATIONS[name](width, dropouts) for name in names)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        if self.projection is not None:
            x = self.projection(x)
        for layer in self.layers:
            x = layer(x, padding)
        return x


def _layer_choices(block: int, place: int) -> list[Choice]:
    return [LayerChoice(f"b{block}_i{place}", tuple(OPERATIONS))]


def _check_widths(widths: object) -> None:
    if not isinstance(widths, tuple) or not widths or len(set(widths)) < len(widths):
        raise InvalidArgumentError(
            "hidden_sizes", f"{shown(widths)} is not a list of distinct widths"
        )
    if any(a_count("hidden_sizes", width) % HEAD_DIM for width in widths):
        raise InvalidArgumentError(
            "hidden_sizes", f"{shown(widths)} are not all multiples of {HEAD_DIM}"
        )


def _sample(text: str) -> dict[str, Any]:
    """Read the blocks of a released network; a width holds until the next."""
    sample: dict[str, Any] = {}
    hidden = 0
    for block, part in enumerate(text.split("|")):
        layers = part.split()
        if layers[0].isdecimal():
            hidden = int(layers.pop(0))
        sample |= {f"b{block}_hidden": hidden, f"b{block}_depth": len(layers)}
        sample |= {f"b{block}_i{i}": _LAYER_NAMES[layer] for i, layer in enumerate(layers)}
    return sample


def _embedding(size: int, width: int, padding_id: int) -> nn.Embedding:
    embedding = nn.Embedding(size, width, padding_idx=padding_id)
    nn.init.normal_(embedding.weight, std=LINEAR_STD)
    nn.init.zeros_(embedding.weight[padding_id])
    return embedding


def _projection(in_width: int, out_width: int) -> nn.Linear | None:
    """Make what changes a width, if it changes."""
    return None if in_width == out_width else _initialize(nn.Linear(in_width, out_width))


def _initialize(linear: nn.Linear) -> nn.Linear:
    nn.init.normal_(linear.weight, std=LINEAR_STD)
    nn.init.zeros_(linear.bias)
    return linear
