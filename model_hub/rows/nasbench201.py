"""Reader of NAS-Bench-201 rows and of NATS-Bench's network configurations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from model_hub.errors import InvalidArgumentError, InvalidSampleError, shown
from model_hub.rows.reading import (
    Asked,
    Located,
    RowReader,
    agreed,
    number,
    of_images,
    stated_once,
)
from model_hub.spaces.nasbench201 import NasBench201

__all__ = ["DATASETS", "NASBENCH201", "topology"]

DATASETS: Final = ("cifar10-valid", "cifar10", "cifar100", "imagenet16-120")


_CHANNELS: Final = ("C", "channel", "num_channels")
_CELLS: Final = ("N", "num_cells")
"""Names of these numbers in NATS-Bench, in its archives and in rows."""


def _nasbench201(config: object, asked: Asked) -> Located:
    sizes = {
        "stem_out_channels": number("C", stated_once(config, _CHANNELS), least=1),
        "num_modules_per_stack": number("N", stated_once(config, _CELLS), least=1),
    }
    stated = {name: value for name, value in sizes.items() if value is not None}
    space = NasBench201(**stated, **of_images(asked))
    return space, agreed(config, ("arch", "arch_str", "genotype"), topology)


def topology(arch: object) -> dict[str, Any]:
    """Return the sample of a NAS-Bench-201 architecture given as string, edges or object."""
    written = getattr(arch, "tostr", None)  # NATS-Bench's cell class
    arch = written() if callable(written) else arch
    edges = dict(_edges(arch)) if isinstance(arch, str) else arch
    if not isinstance(edges, Mapping):
        raise InvalidArgumentError("arch", f"{shown(arch)} is neither a string nor a dict of edges")
    return {f"cell/{edge}": str(name).removeprefix("nor_") for edge, name in edges.items()}


def _edges(text: str) -> Iterator[tuple[str, str]]:
    """Yield the edges and operations of `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`."""
    for target, node in enumerate(text.strip().split("+"), start=1):
        for part in node.strip("|").split("|"):
            name, tilde, source = part.partition("~")
            if not tilde:
                raise InvalidSampleError(None, f"{shown(part)} in {shown(text)} is not op~source")
            yield f"{source}_{target}", name


NASBENCH201: Final = RowReader(
    benchmark="nasbench201",
    datasets=DATASETS,
    fields=frozenset(
        {
            *("C", "N", "arch", "arch_str", "channel", "class_num", "dataset", "genotype"),
            *("index", "isomorphic_indices", "name", "num_cells", "num_channels"),
            *("num_classes", "num_epochs", "unique_str"),
        }
    ),
    read=_nasbench201,
    name="infer.tiny",
)
