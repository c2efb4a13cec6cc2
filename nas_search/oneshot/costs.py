"""Tables of the cost of each candidate of a supernet, which give the cost of every path.

The cost of a network is a base cost plus the sum of the costs of its candidates, each at its place,
which determines its input size. A small table therefore gives the cost of every network and, for
given probabilities of candidates, a differentiable expected cost. Input sizes are found by running
the supernet, not computed from strides.

Costs measured on whole networks, as in HW-NAS-Bench, are not such sums and have no table.
"""

from __future__ import annotations

import json
import os
import platform
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Final, Literal

import torch
from torch import Tensor, nn

from model_hub.arguments import a_count, a_number, one_of
from model_hub.counting import profile
from model_hub.errors import InvalidArgumentError
from model_hub.latency import latency
from model_hub.memory import META
from model_hub.model_space import ModelSpace, TokenSpace
from model_hub.running import PRECISIONS
from nas_search.errors import OtherTrainingError, ProblemError
from nas_search.oneshot.alphas import check_single_paths
from nas_search.oneshot.samplers import Path
from nas_search.oneshot.supernet import Supernet
from nas_search.oneshot.switches import Switch

__all__ = ["CostTable", "Metric"]

Metric = Literal["macs", "parameters", "latency"]

_VERSION: Final = 1
_WARMUP: Final = 5
_REPEATS: Final = 20


@dataclass(frozen=True, eq=False)
class CostTable:
    """The cost of every path of a space, from a table of its candidates; made by `CostTable.of`.

    Attributes:
        settings: How it was made, as JSON: space, metric, input shape, and for latencies the
            device, precision, batch size and version of PyTorch.
        base: The cost of everything outside the candidates.
        table: The costs of the candidates of each choice, by label, in the order of candidates.
    """

    space: ModelSpace
    settings: dict[str, Any]
    base: float
    table: Mapping[str, tuple[float, ...]]

    @classmethod
    def of(
        cls,
        space: ModelSpace,
        metric: Metric = "macs",
        *,
        input_shape: Sequence[int] | None = None,
        unit: float = 1,
        device: str = "cpu",
        precision: str = "float32",
        batch_size: int = 1,
    ) -> CostTable:
        """Count or measure the candidates of a space.

        Multiply-adds and parameters of a path equal those of `space.profile(sample)` exactly.
        A latency is the median for a candidate alone; equal candidates are measured once. The base
        is the rest of the default sample's latency. The sum is an estimate.

        Args:
            space: A space whose candidates do not share weights.
            metric: `macs` for one input, `parameters`, or `latency` of a pass in milliseconds.
            input_shape: The shape of an input without the batch; None: that of the space.
            unit: The unit of costs: 1e6 for millions.
            device: The device on which latencies are measured.
            precision: The precision of latencies; see `model_hub.running.PRECISIONS`.
            batch_size: Inputs per measured pass.

        Raises:
            NoMixtureError: Candidates share weights, so they have no separate costs; or they are
                edges of cells, of which a path uses two for each node.
            InvalidArgumentError: An argument is invalid.
        """
        one_of("metric", metric, ("macs", "parameters", "latency"))
        one_of("precision", precision, PRECISIONS)
        a_count("batch_size", batch_size)
        if not a_number("unit", unit, least=0, most=1e18):
            raise InvalidArgumentError("unit", "it must be above 0")
        shape = space.accepted_input(space.input_shape if input_shape is None else input_shape)
        settings: dict[str, Any] = {
            "space": type(space).__name__,
            "arguments": space.arguments,
            "metric": metric,
            "input_shape": list(shape),
            "unit": unit,
        }
        if metric == "latency":
            settings |= _measured_on(device, precision, batch_size)
            base, table = _measured(space, shape, device, precision, batch_size)
        else:
            base, table = _counted(space, metric, shape)
        if unit != 1:
            base /= unit
            table = {label: tuple(one / unit for one in row) for label, row in table.items()}
        return cls(space, settings, base, table)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the choices in the table, in the order of the space."""
        return tuple(self.table)

    def cost(self, sample: Path, /) -> float:
        """Return the cost of the network of a canonical sample."""
        candidates = {one.label: one.candidates for one in self.space.choices.choices}
        return self.base + sum(
            row[candidates[label].index(sample[label])]
            for label, row in self.table.items()
            if label in sample
        )

    def expected(self, probabilities: Mapping[str, Tensor]) -> Tensor:
        """Return the differentiable expected cost for independently drawn choices.

        Args:
            probabilities: By label, one value for each candidate of a choice in their order:
                probabilities or drawn weights, never raw logits. The costs of a block that a depth
                may drop are weighted with the probability that it is kept.

        Returns:
            A scalar in float64.

        Raises:
            ProblemError: A choice has no probabilities.
        """
        kept: dict[str, Tensor] = {}
        first = next(iter(probabilities.values()))
        total = torch.full((), float(self.base), dtype=torch.float64, device=first.device)
        for choice in self.space.choices.choices:
            if choice.label not in probabilities:
                raise ProblemError(f"{choice.label} has no probabilities")
            share = torch.ones_like(total)
            if (condition := choice.only_if) is not None:
                parent = dict(
                    zip(
                        self._candidates(condition.label),
                        probabilities[condition.label].double(),
                        strict=True,
                    )
                )
                share = kept[condition.label] * sum(parent[value] for value in condition.values)
            kept[choice.label] = share
            if choice.label in self.table:
                costs = torch.tensor(
                    self.table[choice.label], dtype=torch.float64, device=first.device
                )
                total = total + share * (costs * probabilities[choice.label].double()).sum()
        return total

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the table as JSON."""
        content = {
            "version": _VERSION,
            "settings": self.settings,
            "base": self.base,
            "table": {label: list(row) for label, row in self.table.items()},
        }
        FilePath(path).write_text(json.dumps(content, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str], space: ModelSpace) -> CostTable:
        """Read a table that `save` wrote.

        Raises:
            OtherTrainingError: It belongs to another space, or was measured on another device or
                with other versions, and has to be measured again.
            ProblemError: The file is no table of costs.
            OSError: The file cannot be read.
        """
        try:
            content = json.loads(FilePath(path).read_bytes())
            version = content["version"]
            settings, base = dict(content["settings"]), content["base"]
            table = {label: tuple(row) for label, row in content["table"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ProblemError(f"{path} is no table of costs: {error}") from error
        if version != _VERSION:
            raise OtherTrainingError(
                f"{path} has format version {version!r}; this program reads version {_VERSION}"
            )
        now = {"space": type(space).__name__, "arguments": space.arguments}
        if settings.get("metric") == "latency":
            now |= _measured_on(
                settings["asked_device"], settings["precision"], settings["batch_size"]
            )
        for name, value in json.loads(json.dumps(now)).items():
            if settings.get(name) != value:
                raise OtherTrainingError(
                    f"{path} was made with {name} {settings.get(name)!r}, and here it is {value!r}"
                )
        return cls(space, settings, base, table)

    def _candidates(self, label: str) -> tuple[Any, ...]:
        return next(one.candidates for one in self.space.choices.choices if one.label == label)


def _counted(
    space: ModelSpace, metric: str, shape: tuple[int, ...]
) -> tuple[float, dict[str, tuple[float, ...]]]:
    """Count all candidates in one pass of the mixture, in which each runs at its place."""
    supernet = _mixed(space)
    example: Any = shape
    if isinstance(space, TokenSpace):
        example = torch.zeros((1, *shape), dtype=torch.int64, device=META)
    owners = {
        name: (switch.row.name, place)
        for path, switch in supernet.network.named_modules()
        if isinstance(switch, Switch)
        for place, name in enumerate(f"{path}.{candidate}" for candidate in switch)
    }
    base = 0
    sums: dict[tuple[str, int], int] = defaultdict(int)
    for layer in profile(supernet.network, example).layers:
        cost = layer.macs if metric == "macs" else layer.parameters
        parts = layer.name.split(".")
        above = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
        owner = next((owners[name] for name in above if name in owners), None)
        if owner is None:
            base += cost
        else:
            sums[owner] += cost
    table: dict[str, tuple[float, ...]] = {
        label: tuple(sums[label, place] for place in range(len(supernet.rows[label].candidates)))
        for label in supernet.switches
    }
    return base, table


def _measured(
    space: ModelSpace, shape: tuple[int, ...], device: str, precision: str, batch_size: int
) -> tuple[float, dict[str, tuple[float, ...]]]:
    """Measure each distinct candidate once, with the input size of its place."""
    if isinstance(space, TokenSpace):
        raise InvalidArgumentError("metric", "latencies are measured only for image networks")
    shapes = _shapes(space, shape)
    supernet = Supernet(space)
    known: dict[tuple[str, tuple[int, ...]], float] = {}

    def milliseconds(module: nn.Module, inputs: tuple[int, ...]) -> float:
        key = (repr(module), inputs)
        if key not in known:
            found = latency(
                module,
                inputs,
                device=device,
                precision=precision,
                batch_size=batch_size,
                warmup=_WARMUP,
                repeats=_REPEATS,
            )
            known[key] = found.median * 1e3
        return known[key]

    rows: dict[str, list[float]] = {}
    for path, switch in supernet.network.named_modules():
        if isinstance(switch, Switch):
            row = rows.setdefault(switch.row.name, [0.0] * len(switch))
            for place, candidate in enumerate(switch.values()):
                if not isinstance(candidate, nn.Identity):
                    row[place] += milliseconds(candidate, shapes[path])
    table = {label: tuple(row) for label, row in rows.items()}
    default = space.choices.default
    whole = milliseconds(supernet.extract(default), shape)
    inside = CostTable(space, {}, 0.0, table).cost(default)
    return max(0.0, whole - inside), table


def _mixed(space: ModelSpace) -> Supernet:
    """Return a supernet without weights in which all candidates are active."""
    with META:
        supernet = Supernet(space)
        ones = {name: torch.ones(len(row)) for name, row in supernet.mixtures.items()}
    check_single_paths(supernet, "a table of costs")
    supernet.mix(ones)
    return supernet


def _shapes(space: ModelSpace, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Return the input shape of each switch, without the batch."""
    supernet, found = _mixed(space), {}
    for path, switch in supernet.network.named_modules():
        if isinstance(switch, Switch):

            def note(_: nn.Module, inputs: Any, path: str = path) -> None:
                found[path] = tuple(inputs[0].shape[1:])

            switch.register_forward_pre_hook(note)
    profile(supernet.network, shape)
    return found


def _measured_on(device: str, precision: str, batch_size: int) -> dict[str, Any]:
    """Return the settings on which a latency depends, besides the network."""
    if torch.device(device).type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        name = f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"
    return {
        "asked_device": device,
        "device": name,
        "precision": precision,
        "batch_size": batch_size,
        "torch": torch.__version__,
    }
