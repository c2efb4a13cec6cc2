"""Maps the tensors of published files to those of the hub's networks.

`aligned` matches tensors by name, by a table of names (`NameTable`), or by order and shape; it also
slices a subnet out of an AutoFormer supernet. Tensors are copied unchanged.

A name table maps prefixes of names. File and network number their blocks differently (empty slots,
cells counted across stages), so `{block}` stands for a block: the n-th of the file is the n-th of
the network. If an optional layer shifts later ones, several prefixes are listed, and the first one
in the network is used.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from torch import Tensor

from model_hub.errors import CheckpointError, MismatchError

__all__ = ["NAME_TABLES", "NameTable", "aligned", "subnet"]


_COUNTER: Final = "num_batches_tracked"
"""Counts training steps; older files lack it, and an evaluation does not need it."""

Tensors = Mapping[str, Tensor]

_BLOCK: Final = "{block}"
_NUMBER: Final = re.compile(r"\d+")

_JOINT: Final = ("q", "k", "v")
_RENAMED: Final = {
    "patch_embed": "patch_embed_super.proj",
    "cls_token.cls_token": "cls_token",
    "pos_embed.pos_embed": "pos_embed",
}


def aligned(source: Tensors, wanted: Tensors, *, naming: str, place: object, model: str) -> Tensors:
    """Return the tensors of a file under the names of a network, in its order.

    Args:
        source: The tensors of the file.
        wanted: The state dict of the network, possibly on the meta device.
        naming: Naming scheme of the file, see `model_hub.zoo.records.NAMINGS`. "order" matches by
            order and shape: each tensor of the network takes the first unused one of its shape.
        place: The file, for messages.
        model: The model, for messages.

    Raises:
        MismatchError: A tensor is missing, left over or of another shape.
        CheckpointError: A tensor has values that are not finite.
    """
    if naming == "order":
        found, left_over = _by_order(source, wanted)
    elif naming == "autoformer":
        found, left_over = subnet(source, {n: tuple(t.shape) for n, t in wanted.items()}), []
    else:
        found, left_over = _by_name(source, wanted, naming)
    misshapen = [
        f"{name} ({_shape(tensor)}, not {_shape(wanted[name])})"
        for name, tensor in found.items()
        if tensor.shape != wanted[name].shape
    ]
    missing = [name for name in wanted if name not in found and not name.endswith(_COUNTER)]
    if missing or left_over or misshapen:
        raise MismatchError(place, model, missing=missing, left_over=left_over, misshapen=misshapen)
    _refuse_odd_values(found, wanted, place)
    return {name: found[name] for name in wanted if name in found}


def _by_name(source: Tensors, wanted: Tensors, naming: str) -> tuple[dict[str, Tensor], list[str]]:
    table = NAME_TABLES.get(naming)
    if table is None:
        names: Mapping[str, str | None] = {n: n if n in wanted else None for n in source}
    else:
        names = table.translate(source, list(wanted))
    found: dict[str, Tensor] = {}
    left_over = []
    for name, target in names.items():
        if target is not None and target not in found:
            found[target] = source[name]
        elif not (table and name.startswith(table.unneeded)):
            left_over.append(name)
    return found, left_over


def _by_order(source: Tensors, wanted: Tensors) -> tuple[dict[str, Tensor], list[str]]:
    waiting: defaultdict[tuple[int, ...], deque[str]] = defaultdict(deque)
    for name, tensor in source.items():
        waiting[tuple(tensor.shape)].append(name)
    found = {}
    for name, tensor in wanted.items():
        candidates = waiting[tuple(tensor.shape)]
        if candidates:
            found[name] = source[candidates.popleft()]
    return found, [name for names in waiting.values() for name in names]


def _refuse_odd_values(found: Tensors, wanted: Tensors, place: object) -> None:
    for name, tensor in found.items():
        if tensor.is_floating_point() != wanted[name].is_floating_point():
            raise CheckpointError(f"{place}: {name} has values of {tensor.dtype}")
        if not tensor.isfinite().all():
            raise CheckpointError(
                f"{place}: {name} has values that are not finite: the training diverged, or the "
                "file is damaged"
            )


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"


@dataclass(frozen=True, kw_only=True, slots=True)
class NameTable:
    """Mapping of the tensor names of a family of files.

    Attributes:
        file_block: Pattern of the prefix of a block in the file.
        hub_block: Pattern of the prefix of a block in the network.
        places: Maps prefixes in the file to prefixes in the network; longer prefixes come first.
        unneeded: Prefixes of tensors that only training uses and the network may lack.
    """

    file_block: re.Pattern[str]
    hub_block: re.Pattern[str]
    places: Mapping[str, str | tuple[str, ...]]
    unneeded: tuple[str, ...] = ()

    def translate(self, names: Iterable[str], hub_names: Sequence[str]) -> dict[str, str | None]:
        """Return the network's name for each name of a file; None if it has no such tensor.

        Args:
            names: Names in the file.
            hub_names: Names in the network, in its order.
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
"""Matches `blocks.1.0` in `blocks.1.0.6.weight`, and `blocks.0` in `blocks.0.3.weight`."""

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
"""Names of mit-han-lab/proxylessnas; slots of a zero operation have no tensors."""

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
"""Names of timm, and of Cream, which is derived from it."""

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
"""Names of quark0/darts; cells count across stages, operations across nodes."""

NAME_TABLES: Final[Mapping[str, NameTable]] = {
    "proxylessnas": PROXYLESSNAS,
    "mobilenetv3": MOBILENETV3,
    "darts": DARTS,
}
"""The name tables by the naming scheme in a record."""


def _beginnings(pattern: re.Pattern[str], names: Iterable[str]) -> Iterable[str]:
    return (found[0] for found in map(pattern.match, names) if found)


def _numbers(name: str) -> list[int]:
    return [int(number) for number in _NUMBER.findall(name)]


def subnet(
    supernet: Mapping[str, Tensor], shapes: Mapping[str, Sequence[int]]
) -> dict[str, Tensor]:
    """Return the tensors of a subnet under the hub's names, if the supernet has them.

    Args:
        supernet: Tensors of the supernet under the authors' names.
        shapes: Shape of each tensor of the subnet, by its name in the hub.
    """
    found = {}
    for name, shape in shapes.items():
        module, _, kind = name.rpartition(".")
        parent, _, part = module.rpartition(".")
        if part in _JOINT and f"{parent}.qkv.{kind}" in supernet:
            joint = supernet[f"{parent}.qkv.{kind}"]
            found[name] = _cut(_share(joint, _JOINT.index(part), shape), shape)
        else:
            source = _RENAMED.get(name) or f"{_RENAMED.get(module, module)}.{kind}"
            if source in supernet:
                found[name] = _cut(supernet[source], shape)
    return found


def _share(joint: Tensor, rank: int, shape: Sequence[int]) -> Tensor:
    """Return the rows of the queries, keys or values in a joint tensor."""
    if joint.dim() == 1:
        return joint[rank * shape[0] :]
    return joint[rank::3]


def _cut(tensor: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the first entries along each dimension, at most as many as `shape` says."""
    if tensor.dim() != len(shape):
        return tensor
    return tensor[tuple(slice(length) for length in shape)]
