"""All model spaces, by class and by name.

Each space has two modules: `X.py` states its arguments and choices and works without PyTorch, and
`X_network.py` builds its networks. To add a space, write these two and list it in `_SPACES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from types import MappingProxyType
from typing import Any, Final

from model_hub.errors import InvalidArgumentError, named, nearest
from model_hub.model_space import ModelSpace
from model_hub.spaces.autoformer import AutoFormer
from model_hub.spaces.fbnet import FBNet
from model_hub.spaces.lightspeech import LightSpeech
from model_hub.spaces.mobilenetv3 import MobileNetV3Space
from model_hub.spaces.nas_bert import NASBERT
from model_hub.spaces.nasbench101 import NasBench101
from model_hub.spaces.nasbench201 import NasBench201
from model_hub.spaces.nasnet import DARTS, ENAS, PNAS, AmoebaNet, NASNet, NdsCells
from model_hub.spaces.natssss import NatsSss
from model_hub.spaces.nds_stages import ResidualBasic, ResidualBottleneck, Vanilla
from model_hub.spaces.proxylessnas import ProxylessNAS
from model_hub.spaces.shufflenet import ShuffleNetSpace
from model_hub.spaces.single_path_nas import SinglePathNAS

__all__ = [
    "DARTS",
    "ENAS",
    "NASBERT",
    "PNAS",
    "AmoebaNet",
    "AutoFormer",
    "FBNet",
    "LightSpeech",
    "MobileNetV3Space",
    "NASNet",
    "NasBench101",
    "NasBench201",
    "NatsSss",
    "NdsCells",
    "ProxylessNAS",
    "ResidualBasic",
    "ResidualBottleneck",
    "ShuffleNetSpace",
    "SinglePathNAS",
    "Vanilla",
    "space",
    "space_names",
]

_SPACES: Final[tuple[type[ModelSpace], ...]] = (
    *(DARTS, ENAS, NASBERT, PNAS, AmoebaNet, AutoFormer, FBNet, LightSpeech, MobileNetV3Space),
    *(NASNet, NasBench101, NasBench201, NatsSss, ProxylessNAS, ResidualBasic),
    *(ResidualBottleneck, ShuffleNetSpace, SinglePathNAS, Vanilla),
)
_BY_NAME: Final[Mapping[str, type[ModelSpace]]] = MappingProxyType(
    {kind.__name__: kind for kind in _SPACES} | {NdsCells.__name__: NdsCells}
)
"""The spaces by name, and `NdsCells`, which `_SPACES` lacks because it has no defaults."""


def space_names() -> tuple[str, ...]:
    """Return the names of all spaces that can be created without arguments."""
    return tuple(kind.__name__ for kind in _SPACES)


def space(name: str, /, **arguments: Any) -> ModelSpace:
    """Create a space by its name.

    Args:
        name: Name of the space, such as `ProxylessNAS`; or `NdsCells`, for networks of given cells.
        arguments: Arguments of its constructor.

    Raises:
        UnknownNameError: There is no such space; the message suggests the nearest name.
        InvalidArgumentError: An argument is unknown, missing or has an invalid value.
    """
    kind = named("space", name, _BY_NAME)
    known = {field.name: field for field in fields(kind)}
    for argument in arguments:
        if argument not in known:
            raise InvalidArgumentError(
                argument, f"{name} has no such argument{nearest(argument, known)}"
            )
    for field in known.values():
        if field.default is MISSING and field.name not in arguments:
            raise InvalidArgumentError(field.name, f"{name} needs this argument")
    return kind(**arguments)
