"""A network as files: weights, programs for PyTorch and ONNX, a report, a picture.

What leaves as a program has been read back from its file and has given the outputs of the network.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from model_hub import cell_svg
from model_hub.counting import Profile
from model_hub.errors import InvalidArgumentError
from model_hub.zoo.checkpoints import write_safetensors
from service.jobs.records import Progress
from service.worker.building import BuiltNetwork, build_network
from service.worker.work import Done, MadeFile, WorkError, Workplace

__all__ = ["FORMATS", "export_network"]

_BATCH: Final = 2
"""A batch of one would be taken for a constant."""
_TOLERANCE: Final = 1e-4
"""Largest difference, in parts of the largest output: other kernels add in another order."""

_Findings = dict[str, Any]
Writer = Callable[[BuiltNetwork, Path], _Findings]


def export_network(spec: Mapping[str, Any], workplace: Workplace) -> Done:
    """Build the network of a request and write it in the formats that are asked for.

    Args:
        spec: The canonical request of `POST /v1/models`.
        workplace: Where to do it.

    Raises:
        WorkError: It cannot be built, or not be written in a format.
    """
    formats: Sequence[str] = spec["formats"]
    workplace.report(Progress(stage="building", total=len(formats) + 1))
    built = build_network(spec["network"], workplace)
    profile = _profile(built)
    result: _Findings = {
        "parameters": profile.parameters,
        "macs": profile.macs,
        "input_shape": list(built.input_shape),
        "input_dtype": str(built.example(1).dtype).removeprefix("torch."),
    }
    files = []
    for done, form in enumerate(formats, 1):
        workplace.report(Progress(stage=f"writing {form}", done=done, total=len(formats) + 1))
        name, media_type, write = FORMATS[form]
        path = workplace.folder / name
        result |= write(built, path)
        files.append(MadeFile(name=name, media_type=media_type, path=path))
    return Done(result=result, files=tuple(files))


def _write_weights(built: BuiltNetwork, path: Path) -> _Findings:
    stated = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in built.stated.items()
    }
    write_safetensors(path, built.network.state_dict(), stated)
    return {}


def _write_program(built: BuiltNetwork, path: Path) -> _Findings:
    example = built.example(_BATCH)
    with _quiet():
        torch.export.save(_program(built, example), path)
        program = torch.export.load(path).module()
    with torch.inference_mode():
        outputs = program(example)
    return {"export_difference": _difference(built, example, tree_leaves(outputs), "export")}


def _write_onnx(built: BuiltNetwork, path: Path) -> _Findings:
    # Loaded where they are wanted: they take a second.
    import onnx  # noqa: PLC0415
    import onnxruntime  # noqa: PLC0415

    example = built.example(_BATCH)
    with _quiet():
        program = _program(built, example)
        made = torch.onnx.export(program, (example,), dynamo=True, verbose=False)
    if made is None:
        raise WorkError("not-exportable", "PyTorch made no ONNX of the network")
    made.save(path, external_data=False)
    onnx.checker.check_model(str(path))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    outputs = session.run(None, {session.get_inputs()[0].name: example.numpy()})
    tensors = [torch.from_numpy(output) for output in outputs]
    return {"onnx_difference": _difference(built, example, tensors, "onnx")}


def _write_report(built: BuiltNetwork, path: Path) -> _Findings:
    profile = _profile(built)
    report = {
        **built.stated,
        "input_shape": built.input_shape,
        "parameters": profile.parameters,
        "macs": profile.macs,
        "peak_activation_bytes": profile.peak_activation_bytes,
        "layers": [
            {
                "name": layer.name,
                "kind": layer.kind,
                "parameters": layer.parameters,
                "macs": layer.macs,
                "output_shape": layer.output_shape,
            }
            for layer in profile.layers
        ],
    }
    path.write_text(json.dumps(report, indent=1), encoding="utf-8")
    return {}


def _write_picture(built: BuiltNetwork, path: Path) -> _Findings:
    try:
        path.write_text(cell_svg(built.space, built.arch), encoding="utf-8")
    except InvalidArgumentError as error:
        raise WorkError("no-cells", f"there is nothing to draw: {error}") from error
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
"""By name: the file, its media type, and what writes it and returns what is to be told of it."""


def _profile(built: BuiltNetwork) -> Profile:
    return built.space.profile(built.arch, input_shape=built.input_shape)


def _program(built: BuiltNetwork, example: Tensor) -> torch.export.ExportedProgram:
    """Return the network as a program, for batches of any size where it allows that."""
    any_size = ({0: torch.export.Dim.AUTO},)
    try:
        return torch.export.export(built.network, (example,), dynamic_shapes=any_size)
    except (RuntimeError, ValueError, TypeError) as error:
        first = str(error).partition("\n")[0]
        raise WorkError("not-exportable", f"PyTorch cannot export the network: {first}") from error


def _difference(
    built: BuiltNetwork, example: Tensor, outputs: Sequence[Tensor], form: str
) -> float:
    """Return the largest difference to the network's own outputs, in parts of the largest.

    Raises:
        WorkError: It is too large.
    """
    with torch.inference_mode():
        own = tree_leaves(built.network(example))
    largest = 0.0
    for mine, theirs in zip(own, outputs, strict=True):
        scale = max(mine.abs().max().item(), torch.finfo(torch.float32).tiny)
        largest = max(largest, (mine.double() - theirs.double()).abs().max().item() / scale)
    if not largest <= _TOLERANCE:
        raise WorkError(
            "differing-outputs",
            f"the {form} file gives outputs that differ by {largest:.2g} of the largest one from "
            "those of the network",
        )
    return largest


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' advice to those who write exporters out of the worker's log."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
