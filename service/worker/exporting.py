"""Writes a network to files: weights, programs for PyTorch and ONNX, a report, a picture.

Each program is loaded back from its file and must reproduce the outputs of the network.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from model_hub import cell_svg
from model_hub.counting import Profile
from model_hub.errors import InvalidArgumentError
from service.jobs.records import Progress
from service.worker.building import BuiltNetwork, build_network, write_weights
from service.worker.work import OutputFile, WorkError, Workplace, WorkResult

__all__ = ["FORMATS", "export_network"]

_BATCH: Final = 2
"""A batch size of one would be exported as a constant."""
_ONNX_BYTES: Final = 2**31 - 2**24
"""Largest size of weights in an ONNX file: protobuf allows 2 GiB, of which the graph takes some."""
_TOLERANCE: Final = 1e-4
"""Largest difference relative to the largest output: other kernels add in another order."""
_NO_STACK_TRACES: Final = "do_not_emit_stack_traces"

_ResultMembers = dict[str, Any]


class _PlainOutputs(nn.Module):
    """A network whose outputs are a tensor or a plain tuple, as files cannot refer to our classes.

    Args:
        network: The network; its outputs may be a named tuple.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Any:
        outputs = self.network(inputs)
        return tuple(outputs) if isinstance(outputs, tuple) else outputs


class _NetworkExport:
    """A network being exported; values that several formats need are computed once.

    Args:
        built: The network.
    """

    def __init__(self, built: BuiltNetwork) -> None:
        self.built = built
        self.example = built.example(_BATCH)

    @cached_property
    def profile(self) -> Profile:
        """Parameters, multiply-adds and layers of the network."""
        return self.built.space.profile(self.built.arch, input_shape=self.built.input_shape)

    @cached_property
    def outputs(self) -> list[Tensor]:
        """The outputs of the network for the example."""
        with torch.inference_mode():
            return tree_leaves(self.built.network(self.example))

    @cached_property
    def program(self) -> torch.export.ExportedProgram:
        """The exported program, with a dynamic batch size if the network allows it.

        Raises:
            WorkError: PyTorch cannot export the network.
        """
        any_size = ({0: torch.export.Dim.AUTO},)
        try:
            with _quiet():
                network = _PlainOutputs(self.built.network)
                program = torch.export.export(network, (self.example,), dynamic_shapes=any_size)
        except (RuntimeError, ValueError, TypeError) as error:
            first = str(error).partition("\n")[0]
            message = f"PyTorch cannot export the network: {first}"
            raise WorkError("not-exportable", message) from error
        _remove_stack_traces(program)
        return program

    def difference(self, outputs: Sequence[Tensor], form: str) -> float:
        """Return the largest difference from the network's outputs, relative to the largest output.

        Raises:
            WorkError: The difference exceeds the tolerance.
        """
        largest = 0.0
        for mine, theirs in zip(self.outputs, outputs, strict=True):
            scale = max(mine.abs().max().item(), torch.finfo(torch.float32).tiny)
            largest = max(largest, (mine.double() - theirs.double()).abs().max().item() / scale)
        if not largest <= _TOLERANCE:
            raise WorkError(
                "differing-outputs",
                f"the {form} file gives outputs that differ by {largest:.2g} of the largest one "
                "from those of the network",
            )
        return largest


Writer = Callable[[_NetworkExport, Path], _ResultMembers]


def export_network(spec: Mapping[str, Any], workplace: Workplace) -> WorkResult:
    """Build the network of a request and write it in the requested formats.

    Args:
        spec: The canonical request of `POST /v1/models`.
        workplace: The folders and devices of the attempt.

    Raises:
        WorkError: The network cannot be built, or cannot be written in a format.
    """
    formats: Sequence[str] = spec["formats"]
    workplace.report(Progress(stage="building", total=len(formats) + 1))
    exported = _NetworkExport(build_network(spec, workplace))
    result: _ResultMembers = {
        "parameters": exported.profile.parameters,
        "macs": exported.profile.macs,
        "input_shape": list(exported.built.input_shape),
        "input_dtype": str(exported.example.dtype).removeprefix("torch."),
    }
    files = []
    for done, form in enumerate(formats, 1):
        workplace.report(Progress(stage=f"writing {form}", done=done, total=len(formats) + 1))
        name, media_type, write = FORMATS[form]
        path = workplace.folder / name
        result |= write(exported, path)
        files.append(OutputFile(name=name, media_type=media_type, path=path))
    return WorkResult(result=result, files=tuple(files))


def _write_weights(exported: _NetworkExport, path: Path) -> _ResultMembers:
    write_weights(path, exported.built.network.state_dict(), exported.built.stated)
    return {}


def _write_program(exported: _NetworkExport, path: Path) -> _ResultMembers:
    with _quiet():
        torch.export.save(exported.program, path)
        program = torch.export.load(path).module()
    with torch.inference_mode():
        outputs = tree_leaves(program(exported.example))
    return {"export_difference": exported.difference(outputs, "export")}


def _write_onnx(exported: _NetworkExport, path: Path) -> _ResultMembers:
    # Imported on demand: it takes a second.
    import onnx  # noqa: PLC0415
    import onnxruntime  # noqa: PLC0415

    size = sum(tensor.nbytes for tensor in exported.built.network.state_dict().values())
    if size > _ONNX_BYTES:
        raise WorkError(
            "too-large",
            f"the weights take {size} bytes, and an ONNX file holds no more than {_ONNX_BYTES} of "
            "them; safetensors and export do",
        )
    program = exported.program
    with _quiet():
        made = torch.onnx.export(program, (exported.example,), dynamo=True, verbose=False)
    if made is None:
        raise WorkError("not-exportable", "PyTorch made no ONNX of the network")
    made.save(path, external_data=False)
    onnx.checker.check_model(str(path))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    outputs = session.run(None, {session.get_inputs()[0].name: exported.example.numpy()})
    tensors = [torch.from_numpy(output) for output in outputs]
    return {"onnx_difference": exported.difference(tensors, "onnx")}


def _write_report(exported: _NetworkExport, path: Path) -> _ResultMembers:
    profile = exported.profile
    report = {
        **exported.built.stated,
        "input_shape": exported.built.input_shape,
        "parameters": profile.parameters,
        "macs": profile.macs,
        "peak_activation_bytes": profile.peak_activation_bytes,
        "layers": [asdict(layer) for layer in profile.layers],
    }
    path.write_text(json.dumps(report, indent=1), encoding="utf-8")
    return {}


def _write_picture(exported: _NetworkExport, path: Path) -> _ResultMembers:
    try:
        picture = cell_svg(exported.built.space, exported.built.arch)
    except InvalidArgumentError as error:
        raise WorkError("no-cells", f"there is nothing to draw: {error}") from error
    path.write_text(picture, encoding="utf-8")
    return {}


FORMATS: Final[Mapping[str, tuple[str, str, Writer]]] = MappingProxyType(
    {
        "safetensors": ("network.safetensors", "application/octet-stream", _write_weights),
        "export": ("network.pt2", "application/zip", _write_program),
        "onnx": ("network.onnx", "application/octet-stream", _write_onnx),
        "report": ("report.json", "application/json", _write_report),
        "picture": ("cell.svg", "image/svg+xml", _write_picture),
    }
)
"""Per format: file name, media type, and the function that writes the file and returns members of
the result."""


def _remove_stack_traces(program: torch.export.ExportedProgram) -> None:
    """Remove the worker's file names and line numbers from the operations of a program."""
    for module in program.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:
                node.meta.pop("stack_trace", None)


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the exporters' warnings, and the recording of stack traces in programs.

    Stack traces are slow to record and would show paths of the worker.
    """
    before = logging.root.manager.disable
    # Earlier versions of PyTorch record them all the same.
    noting_none = getattr(torch.fx.config, _NO_STACK_TRACES, False)
    logging.disable(logging.WARNING)
    setattr(torch.fx.config, _NO_STACK_TRACES, True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
        setattr(torch.fx.config, _NO_STACK_TRACES, noting_none)
