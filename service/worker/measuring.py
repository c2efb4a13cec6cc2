"""Handlers of evaluation and latency jobs: accuracy on a data set, and time of a forward pass."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, Final

import torch
from PIL import Image
from torch import nn

from model_hub.errors import InvalidArgumentError
from model_hub.evaluation import (
    ClassesError,
    DamagedImageError,
    DatasetError,
    Evaluation,
    LabelError,
    LabelledImages,
    OutputError,
    evaluate,
    read_images,
)
from model_hub.latency import latency
from model_hub.protocols import EvaluationProtocol
from model_hub.zoo.checkpoints import digest_of_tensors
from service.jobs.records import Progress
from service.worker.building import BuiltNetwork, build_network
from service.worker.work import OutputFile, WorkError, Workplace, WorkResult

__all__ = [
    "PACKAGES",
    "dataset_path",
    "device_name",
    "evaluate_network",
    "failure_kind",
    "time_network",
    "within_dataset",
]

_REFERENCE: Final = "float32"
PACKAGES: Final = ("nas-bench-service", "torch", "pillow", "numpy")


def evaluate_network(spec: Mapping[str, Any], workplace: Workplace) -> WorkResult:
    """Evaluate the network of a request.

    Args:
        spec: The canonical request of `POST /v1/evaluations`.
        workplace: The folders, devices and data sets of the attempt.

    Raises:
        WorkError: The network cannot be built, or cannot be evaluated on the data set.
    """
    workplace.report(Progress(stage="building"))
    built = build_network(spec, workplace)
    protocol = _protocol(spec, built)
    workplace.report(Progress(stage="reading the data set"))
    path = dataset_path(spec["dataset"], workplace)
    try:
        dataset = read_images(path)
        found = _evaluated(built.network, dataset, protocol, spec, workplace)
        compared = _first_whole(dataset, found.skipped, spec["compare"])
        difference = _difference(built.network, compared, protocol, spec, workplace)
    except (DatasetError, OutputError, InvalidArgumentError) as error:
        raise WorkError(
            failure_kind(error), within_dataset(error, path, spec["dataset"])
        ) from error
    result = {
        **_figures(found),
        "notes": _notes(found, spec),
        "difference": difference,
        "provenance": _provenance(built, found, protocol, spec, workplace),
    }
    report = workplace.folder / "report.json"
    report.write_text(json.dumps(result, indent=1), encoding="utf-8")
    file = OutputFile(name=report.name, media_type="application/json", path=report)
    return WorkResult(result=result, files=(file,))


def time_network(spec: Mapping[str, Any], workplace: Workplace) -> WorkResult:
    """Measure the latency of the network of a request.

    Args:
        spec: The canonical request of `POST /v1/latency`.
        workplace: The folders and devices of the attempt.

    Raises:
        WorkError: The network cannot be built.
    """
    workplace.report(Progress(stage="building"))
    built = build_network(spec, workplace)
    passes = spec["warmup"] + spec["repeats"]
    workplace.report(Progress(stage="timing", total=passes))

    def tell(done: int) -> None:
        workplace.report(Progress(stage="timing", done=done, total=passes))

    found = latency(
        built.network,
        built.example(spec["batch_size"]),
        device=workplace.device,
        precision=spec["precision"],
        compiled=spec["compile"],
        channels_last=spec["channels_last"],
        warmup=spec["warmup"],
        repeats=spec["repeats"],
        progress=tell,
    )
    return WorkResult(result=asdict(found) | {"input_shape": list(built.input_shape)})


def _protocol(spec: Mapping[str, Any], built: BuiltNetwork) -> EvaluationProtocol:
    if spec["protocol"] is not None:
        return EvaluationProtocol.from_dict(spec["protocol"])
    if built.protocol is None:
        raise WorkError("no-protocol", "the network has no protocol of its own: state one")
    return built.protocol


def dataset_path(name: str, workplace: Workplace) -> Path:
    """Return the folder or archive of a data set.

    Raises:
        WorkError: The worker no longer has the data set.
    """
    if name not in workplace.offers.datasets:
        raise WorkError("unknown-dataset", f"the worker has no data set {name!r:.80} any more")
    return workplace.offers.datasets[name]


def _evaluated(
    network: nn.Module,
    dataset: LabelledImages,
    protocol: EvaluationProtocol,
    spec: Mapping[str, Any],
    workplace: Workplace,
) -> Evaluation:
    def tell(done: int) -> None:
        workplace.report(Progress(stage="evaluating", done=done, total=len(dataset)))

    tell(0)
    return evaluate(
        network,
        dataset,
        protocol,
        batch_size=spec["batch_size"],
        device=workplace.device,
        precision=spec["precision"],
        compiled=spec["compile"],
        channels_last=spec["channels_last"],
        skip_damaged=spec["on_corrupt"] == "skip",
        progress=tell,
    )


def _difference(
    network: nn.Module,
    images: _ImageSubset,
    protocol: EvaluationProtocol,
    spec: Mapping[str, Any],
    workplace: Workplace,
) -> dict[str, Any] | None:
    """Return how another precision changes the results on some images; None for float32."""
    if spec["precision"] == _REFERENCE or not spec["compare"]:
        return None
    workplace.report(Progress(stage="comparing with float32"))
    both = [
        evaluate(
            network,
            images,
            protocol,
            batch_size=spec["batch_size"],
            device=workplace.device,
            precision=precision,
            channels_last=spec["channels_last"],
        )
        for precision in (spec["precision"], _REFERENCE)
    ]
    mine, reference = both
    agreeing = sum(map(int.__eq__, mine.answers, reference.answers))
    return {
        "images": reference.count,
        "same_answer": agreeing,
        "top1": mine.top1 - reference.top1,
        "top5": mine.top5 - reference.top5,
        "loss": mine.loss - reference.loss,
    }


def _first_whole(dataset: LabelledImages, damaged: Sequence[str], count: int) -> _ImageSubset:
    """Return the first `count` undamaged images."""
    left_out = frozenset(damaged)
    whole = (i for i in range(len(dataset)) if dataset.name(i) not in left_out)
    return _ImageSubset(dataset, tuple(islice(whole, count)))


@dataclass(frozen=True)
class _ImageSubset:
    """A subset of a data set, given by indices."""

    dataset: LabelledImages
    places: tuple[int, ...]

    @property
    def classes(self) -> Any:
        return self.dataset.classes

    @property
    def order_stated(self) -> bool:
        return self.dataset.order_stated

    def __len__(self) -> int:
        return len(self.places)

    def content(self, index: int) -> bytes:
        return self.dataset.content(self.places[index])

    def image(self, index: int, content: bytes | None = None) -> Image.Image:
        return self.dataset.image(self.places[index], content)

    def label(self, index: int) -> int:
        return self.dataset.label(self.places[index])

    def name(self, index: int) -> str:
        return self.dataset.name(self.places[index])

    def place(self, index: int) -> str:
        return self.dataset.place(self.places[index])


def _figures(found: Evaluation) -> dict[str, Any]:
    return {
        "top1": found.top1,
        "top5": found.top5,
        "loss": found.loss,
        "count": found.count,
        "num_classes": found.num_classes,
        "num_outputs": found.num_outputs,
        "right": found.right,
        "right_in_five": found.right_in_five,
        "seconds": found.seconds,
        "images_per_second": found.count / found.seconds,
        "batch_size": found.batch_size,
        "skipped": list(found.skipped),
        "classes": [asdict(score) for score in found.classes],
        "confusions": [asdict(confusion) for confusion in found.confusions],
    }


def _notes(found: Evaluation, spec: Mapping[str, Any]) -> list[str]:
    notes = []
    if found.halved:
        notes.append(
            f"batches of {spec['batch_size']} did not fit into the device's memory; "
            f"{found.batch_size} at a time did"
        )
    if found.num_classes != found.num_outputs:
        notes.append(
            f"the data set has {found.num_classes} classes and the network {found.num_outputs} "
            "outputs"
        )
    if found.skipped:
        notes.append(f"{len(found.skipped)} damaged images were left out")
    return notes


def _provenance(
    built: BuiltNetwork,
    found: Evaluation,
    protocol: EvaluationProtocol,
    spec: Mapping[str, Any],
    workplace: Workplace,
) -> dict[str, Any]:
    """Return the facts needed to repeat the evaluation."""
    return {
        "network": dict(built.stated),
        "weights_sha256": digest_of_tensors(built.network.state_dict()),
        "dataset": spec["dataset"],
        "dataset_sha256": found.sha256,
        "protocol": protocol.to_dict(),
        "precision": spec["precision"],
        "compile": spec["compile"],
        "channels_last": spec["channels_last"],
        "device": device_name(workplace.device),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def device_name(name: str) -> str:
    """Return the model of a device, for the provenance of a measurement."""
    if name.startswith("cuda"):
        return torch.cuda.get_device_name(name)
    return f"{platform.machine()}, {torch.get_num_threads()} threads"


def failure_kind(error: Exception) -> str:
    """Return the failure kind for an error about a data set or a network evaluated on it."""
    if isinstance(error, DamagedImageError):
        return "corrupt-image"
    if isinstance(error, ClassesError):
        return "other-classes"
    if isinstance(error, LabelError):
        return "too-few-outputs"
    return "unusable-dataset" if isinstance(error, DatasetError) else "not-evaluable"


def within_dataset(error: Exception, path: Path, name: str) -> str:
    """Return the message of an error about a data set, without the worker's path."""
    return str(error).replace(f"{path}/", "").replace(str(path), name)
