"""Counts parameters, multiply-adds and activation memory of a network, by layer and in total.

Parameters include no buffers. Multiply-adds (MACs) are those of one input in convolutions and
linear layers, weights times output positions. Biases, norms, activations, pooling, the
multiplication by a squeeze-and-excite gate and products of two activations, as in attention, do not
count. Activation memory is that of one input in an eager forward pass without gradients.

All counts are computed on the meta device, where tensors have shapes but no values.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any, Final, TypeAlias

from missing_extra import needs

with needs("hub", "counting a network"):
    import torch
    from torch import Tensor, nn
    from torch.func import functional_call
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    from model_hub.arguments import a_count
    from model_hub.errors import InvalidArgumentError
    from model_hub.memory import META, no_garbage_collection
    from model_hub.shapes import run_on_meta
    from model_hub.table import Column, text_table

__all__ = ["Layer", "Profile", "input_shape_of", "profile"]

_IMAGE_DIMENSIONS: Final = 3
_CONTAINERS: Final = (nn.Sequential, nn.ModuleList, nn.ModuleDict)

Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """The counts of one layer: a module without children, or with its own parameters.

    Args:
        name: Path of the layer in the network, as in the state dict.
        kind: Name of its class, such as `Conv2d`.
        parameters: Number of its own parameters; shared ones count in the first layer only.
        macs: Multiply-adds of all its calls.
        output_shape: Output shape of its last call, for a batch of one; None without a call.
    """

    name: str
    kind: str
    parameters: int
    macs: int
    output_shape: Shape | None


@dataclass(frozen=True, slots=True)
class Profile:
    """The counts of a network; `str` returns a table of its layers.

    Args:
        layers: The layers in the order of the network.
        peak_activation_bytes: Largest size of all simultaneous activations, including the input.
    """

    layers: tuple[Layer, ...]
    peak_activation_bytes: int

    @property
    def parameters(self) -> int:
        """Number of parameters of all layers."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def macs(self) -> int:
        """Number of multiply-adds per input."""
        return sum(layer.macs for layer in self.layers)

    def count(self, kind: str) -> int:
        """Return the number of layers of a class, given by name, such as `BatchNorm2d`."""
        return sum(layer.kind == kind for layer in self.layers)

    def __str__(self) -> str:
        columns = (
            Column("layer", [layer.name for layer in self.layers], "total"),
            Column("kind", [layer.kind for layer in self.layers]),
            Column("output", [_written(layer.output_shape) for layer in self.layers]),
            Column.of_numbers("parameters", [layer.parameters for layer in self.layers]),
            Column.of_numbers("multiply-adds", [layer.macs for layer in self.layers]),
        )
        peak = self.peak_activation_bytes / 2**20
        return f"{text_table(columns)}\npeak activation memory {peak:.1f} MiB"


@no_garbage_collection()
def profile(network: nn.Module, inputs: Tensor | Sequence[int] | None = None) -> Profile:
    """Count a network on one input, in evaluation mode, without reading or changing its weights.

    Args:
        network: A network on any device, including the meta device.
        inputs: The input, or its shape without the batch: (3, 224, 224). By default it is the
            attribute `input_shape` of a network of images.

    Raises:
        InvalidArgumentError: The shape is invalid, or the network does not accept it.
    """
    example = _example(input_shape_of(network) if inputs is None else inputs)
    tensors = dict(_named_tensors(network))
    on_meta = {name: tensor.detach().to(META) for name, tensor in tensors.items()}
    meter = _ActivationMeter(on_meta.values())
    calls = _Calls()
    with _evaluating(network), calls.watching(network), torch.no_grad(), meter:
        meter.add(example)
        try:
            if all(tensor.is_meta for tensor in tensors.values()):
                network(example)
            else:
                # The dict has all tied weights already; searching for them is slower than the call.
                functional_call(network, on_meta, (example,), tie_weights=False)
        except RuntimeError as error:
            raise InvalidArgumentError(
                "inputs", f"the network does not accept {tuple(example.shape)}: {error}"
            ) from error
    return Profile(tuple(_layers(network, calls)), meter.peak)


def input_shape_of(network: nn.Module) -> Shape:
    """Return the attribute `input_shape` of a network of images, without the batch.

    Raises:
        InvalidArgumentError: The network has no such attribute, or does not read images.
    """
    shape = getattr(network, "input_shape", ())
    if len(shape) != _IMAGE_DIMENSIONS:
        raise InvalidArgumentError("inputs", "the network has no shape of images: give inputs")
    return tuple(shape)


def _example(inputs: Tensor | Sequence[int]) -> Tensor:
    if isinstance(inputs, Tensor):
        return inputs.to(META)
    return torch.zeros(1, *(a_count("inputs", size) for size in inputs), device=META)


def _named_tensors(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield parameters and buffers; shared ones under all of their names."""
    yield from network.named_parameters(remove_duplicate=False)
    yield from network.named_buffers(remove_duplicate=False)


def _layers(network: nn.Module, calls: _Calls) -> Iterator[Layer]:
    seen: set[int] = set()
    for name, module in network.named_modules():
        own = {id(p): p.numel() for p in module.parameters(recurse=False)}
        if own or not (isinstance(module, _CONTAINERS) or any(True for _ in module.children())):
            parameters = sum(size for key, size in own.items() if key not in seen)
            seen |= own.keys()
            kind = type(module).__name__
            yield Layer(name, kind, parameters, calls.macs[module], calls.shapes.get(module))


class _Calls:
    """Records the multiply-adds and output shapes of the modules of a network."""

    def __init__(self) -> None:
        self.macs: Counter[nn.Module] = Counter()
        self.shapes: dict[nn.Module, Shape] = {}

    @contextmanager
    def watching(self, network: nn.Module) -> Iterator[None]:
        with ExitStack() as handles:
            for module in network.modules():
                handles.enter_context(module.register_forward_hook(self._note))
            yield

    def _note(self, module: nn.Module, _: object, output: object) -> None:
        if not isinstance(output, Tensor):
            return
        self.shapes[module] = tuple(output.shape)
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            self.macs[module] += output.numel() * prod(module.weight.shape[1:])
        elif isinstance(module, nn.Linear):
            self.macs[module] += output.numel() * module.in_features


class _ActivationMeter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Measures the peak size of all live storages except weights."""

    def __init__(self, weights: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # PyTorch left it unannotated
        self.peak = 0
        self._live = 0
        self._known = {weight.untyped_storage()._cdata for weight in weights}  # noqa: SLF001

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Prevent PyTorch from importing its compiler, which takes a second."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = run_on_meta(func, args, kwargs or {})
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self.add(leaf)
        return result

    def add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata  # noqa: SLF001 - views share the identity
        if key not in self._known:
            self._known.add(key)
            self._live += storage.nbytes()
            self.peak = max(self.peak, self._live)
            weakref.finalize(storage, self._release, key, storage.nbytes())

    def _release(self, key: int, size: int) -> None:
        self._known.discard(key)
        self._live -= size


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode in a `with` block."""
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _written(shape: Shape | None) -> str:
    return "not called" if shape is None else "x".join(map(str, shape[1:]))
