"""From the names in a published file to those of the hub, as tables.

A table maps what a name begins with. Files and hub number their blocks differently (slots that hold
nothing, cells counted through the stages), so `{block}` stands for a block: the n-th of the file is
the n-th of the network. Where an optional layer shifts those behind it, several places are given,
and the first that the network has is meant. Tensors are copied as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["NAME_TABLES", "NameTable"]

_BLOCK: Final = "{block}"
_NUMBER: Final = re.compile(r"\d+")


@dataclass(frozen=True, kw_only=True, slots=True)
class NameTable:
    """How a family of files names its tensors.

    Attributes:
        file_block: What the name of a tensor in a block begins with, in the file.
        hub_block: The same in the network.
        places: What a name begins with in the file, and in the network; longer beginnings first.
        unneeded: Beginnings of names that a network may have no place for: what only training uses.
    """

    file_block: re.Pattern[str]
    hub_block: re.Pattern[str]
    places: Mapping[str, str | tuple[str, ...]]
    unneeded: tuple[str, ...] = ()

    def translate(self, names: Iterable[str], hub_names: Sequence[str]) -> dict[str, str | None]:
        """Return the hub's name of each name of a file, None where the network has no place.

        Args:
            names: Those of the file.
            hub_names: Those of the network, in its order.
        """
        names = list(names)
        file_blocks = sorted(set(_beginnings(self.file_block, names)), key=_numbers)
        hub_blocks = dict.fromkeys(_beginnings(self.hub_block, hub_names))
        blocks = dict(zip(file_blocks, hub_blocks, strict=False))
        known = frozenset(hub_names)
        return {name: self._place(name, blocks, known) for name in names}

    def _place(self, name: str, blocks: Mapping[str, str], known: frozenset[str]) -> str | None:
        spellings = [(name, "")]
        found = self.file_block.match(name)
        if found and found[0] in blocks:
            spellings.append((_BLOCK + name[found.end() :], blocks[found[0]]))
        for spelling, block in spellings:
            for beginning, places in self.places.items():
                if spelling.startswith(f"{beginning}."):
                    rest = spelling[len(beginning) :]
                    for place in (places,) if isinstance(places, str) else places:
                        candidate = place.replace(_BLOCK, block) + rest
                        if candidate in known:
                            return candidate
        return None


_MOBILE_BLOCK: Final = re.compile(r"blocks\.\d+(?:\.\d+(?=\.\d))?(?=\.)")
"""`blocks.1.0` of `blocks.1.0.6.weight`; `blocks.0` of `blocks.0.3.weight`."""

PROXYLESSNAS: Final = NameTable(
    file_block=re.compile(r"blocks\.\d+(?=\.)"),
    hub_block=_MOBILE_BLOCK,
    places={
        "first_conv.conv": "stem.0",
        "first_conv.bn": "stem.1",
        "blocks.0.mobile_inverted_conv.depth_conv.conv": "blocks.0.0",
        "blocks.0.mobile_inverted_conv.depth_conv.bn": "blocks.0.1",
        "blocks.0.mobile_inverted_conv.point_linear.conv": "blocks.0.3",
        "blocks.0.mobile_inverted_conv.point_linear.bn": "blocks.0.4",
        "{block}.mobile_inverted_conv.inverted_bottleneck.conv": "{block}.0",
        "{block}.mobile_inverted_conv.inverted_bottleneck.bn": "{block}.1",
        "{block}.mobile_inverted_conv.depth_conv.conv": "{block}.3",
        "{block}.mobile_inverted_conv.depth_conv.bn": "{block}.4",
        "{block}.mobile_inverted_conv.point_linear.conv": "{block}.6",
        "{block}.mobile_inverted_conv.point_linear.bn": "{block}.7",
        "feature_mix_layer.conv": "feature_mix_layer.0",
        "feature_mix_layer.bn": "feature_mix_layer.1",
        "classifier.linear": "classifier",
    },
)
"""mit-han-lab/proxylessnas; slots of a zero operation hold no tensors."""

MOBILENETV3: Final = NameTable(
    file_block=re.compile(r"blocks\.\d+\.\d+(?=\.)"),
    hub_block=_MOBILE_BLOCK,
    places={
        "conv_stem": "stem.0",
        "bn1": "stem.1",
        "blocks.0.0.conv_dw": "blocks.0.0",
        "blocks.0.0.bn1": "blocks.0.1",
        "blocks.0.0.se": "blocks.0.3",
        "blocks.0.0.conv_pw": ("blocks.0.3", "blocks.0.4"),
        "blocks.0.0.bn2": ("blocks.0.5", "blocks.0.4"),
        "{block}.conv_pwl": ("{block}.6", "{block}.7"),
        "{block}.conv_pw": "{block}.0",
        "{block}.conv_dw": "{block}.3",
        "{block}.conv": "{block}.0",
        "{block}.bn1": "{block}.1",
        "{block}.bn2": "{block}.4",
        "{block}.bn3": ("{block}.8", "{block}.7"),
        "{block}.se": "{block}.6",
        "conv_head": ("blocks.8.0", "blocks.7.0"),
        "classifier": "classifier.1",
    },
)
"""timm, and Cream, which grew out of it."""

DARTS: Final = NameTable(
    file_block=re.compile(r"cells\.\d+(?=\.)"),
    hub_block=re.compile(r"stages\.\d+\.\d+(?=\.)"),
    places={
        **{name: name for name in ("stem", "stem0", "stem1", "classifier", "auxiliary_head")},
        **{
            f"{{block}}.preprocess{n}{op}": f"{{block}}.preprocessor.pre{n}"
            for n in (0, 1)
            for op in (".op", "")
        },
        **{
            f"{{block}}._ops.{n}{op}": f"{{block}}.ops.{n // 2}.{n % 2}"
            for n in range(8)
            for op in (".op", "")
        },
    },
    unneeded=("auxiliary_head.",),
)
"""quark0/darts; cells are counted through the stages, operations through the nodes."""

NAME_TABLES: Final[Mapping[str, NameTable]] = {
    "proxylessnas": PROXYLESSNAS,
    "mobilenetv3": MOBILENETV3,
    "darts": DARTS,
}
"""By the name that a record gives."""


def _beginnings(pattern: re.Pattern[str], names: Iterable[str]) -> Iterable[str]:
    return (found[0] for found in map(pattern.match, names) if found)


def _numbers(name: str) -> list[int]:
    return [int(number) for number in _NUMBER.findall(name)]
