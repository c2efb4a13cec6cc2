"""Methods that download the artifacts of jobs, as files or as a network."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from bench_client.downloads import Download, replacing
from bench_client.errors import InvalidRequestError, UnexpectedAnswerError, UnknownJobError
from bench_client.jobs import WatchJob, wait
from bench_client.models.answers import WireModel
from bench_client.models.jobs import Job, JobArtifact
from bench_client.models.submissions import ModelFormat
from bench_client.operations import Steps, ask
from bench_client.submissions import Network, submit_model
from bench_client.untrusted import check_distinct_names, entity_tag, plain_file_name
from missing_extra import refuse_missing

__all__ = ["download", "materialize"]

_WEIGHTS: Final = "network.safetensors"
_NEEDED: Final = ("torch", "safetensors", "model_hub")


class _Downloaded(WireModel):
    """Answer of a finished download of an artifact."""


@dataclass(frozen=True, slots=True)
class _ArtifactDownload(Download[_Downloaded]):
    """Download of an artifact.

    Attributes:
        known: Description of the artifact by its job.
    """

    known: JobArtifact = field(kw_only=True)

    @property
    def media_type(self) -> str:
        """Any media type; the entity tag identifies the file."""
        return "*/*"

    @property
    def most(self) -> int:
        """Size of the artifact, in bytes."""
        return self.known.size

    def described(self, headers: Mapping[str, str]) -> _Downloaded | None:
        """Check the entity tag; None if the response is another file."""
        return _Downloaded() if entity_tag(headers) == f'"{self.known.sha256}"' else None


def download(
    job: Job, folder: str | os.PathLike[str], *, names: Iterable[str] | None = None
) -> Steps[dict[str, Path]]:
    """Download artifacts of a job into a folder, and return their paths by name.

    Args:
        job: A job that has succeeded.
        folder: Folder for the files, created if missing; existing files are replaced.
        names: Names of the artifacts to download; None: all.

    Raises:
        UnknownJobError: The job has no such artifact, or it was deleted.
        UnexpectedAnswerError: A file has another digest or is larger than the job states; or,
            before any request, a name is not a plain file name, or two names are the same file on
            some system.
        OSError: A file cannot be written.
    """
    _check_names([artifact.name for artifact in job.artifacts])
    made = {artifact.name: artifact for artifact in job.artifacts}
    wanted = list(made) if names is None else list(dict.fromkeys(names))
    missing = [name for name in wanted if name not in made]
    if missing:
        raise UnknownJobError(f"job {job.id} made no {missing[0]!r:.80}, but {', '.join(made)}")
    Path(folder).mkdir(parents=True, exist_ok=True)
    paths = {}
    for name in wanted:
        paths[name] = Path(folder) / name
        yield from ask(_question(job, made[name], paths[name]))
    return paths


def materialize(  # noqa: PLR0913 - the choices of a build
    benchmark: str | None = None,
    arch: Any = None,
    *,
    model: str | None = None,
    space: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    dataset: str | None = None,
    checkpoint: str | None = None,
    seed: int | None = None,
    input_shape: Sequence[int] | None = None,
    folder: str | os.PathLike[str] | None = None,
    formats: Sequence[ModelFormat] = ("safetensors", "report"),
    timeout: float | None = None,
    progress: WatchJob | None = None,
) -> Steps[Any]:
    """Have a worker build a network, and return it as a PyTorch module or as files.

        network = bench.materialize("nasbench201", 0, dataset="cifar100")
        paths = bench.materialize(model="proxyless-mobile", folder="out", formats=["onnx"])

    Args:
        benchmark: As for `build`, and so are the other arguments of the network.
        arch: The architecture.
        model: A searched model.
        space: A model space.
        arguments: Arguments of the space.
        dataset: Data set that a benchmark's network is built for.
        checkpoint: SHA-256 of uploaded weights.
        seed: Seed of the initial weights if there are no others.
        input_shape: As for `build`.
        folder: Folder for the files. None: return a PyTorch module, which needs the extra `hub`
            on this machine.
        formats: Formats of the files; docs/api.md lists them. A module needs `safetensors`.
        timeout: As for `wait`.
        progress: As for `wait`.

    Returns:
        The module, in evaluation mode on the CPU, with the `input_shape` of the job; with `folder`,
        the paths of the files by name.

    Raises:
        ImportError: `folder` is None and PyTorch, safetensors or `model_hub` is not installed.
        InvalidRequestError: The network or a format is malformed.
        UnexpectedAnswerError: A file has another digest than the job states.
        JobNotDoneError: As for `wait`.
    """
    if folder is None:
        refuse_missing("hub", "a network, where no `folder` is given,", *_NEEDED)
        if "safetensors" not in formats:
            raise InvalidRequestError("formats: without a folder, safetensors must be among them")
    network = Network(
        benchmark=benchmark,
        model=model,
        space=space,
        arguments=arguments,
        arch=arch,
        dataset=dataset,
        checkpoint=checkpoint,
        seed=seed,
    )
    submitted = yield from submit_model(network, formats, input_shape)
    job = yield from wait(submitted, timeout=timeout, progress=progress)
    if folder is not None:
        return (yield from download(job, folder))
    with tempfile.TemporaryDirectory() as scratch:
        paths = yield from download(job, scratch, names=[_WEIGHTS])
        return _network(job, paths[_WEIGHTS])


def _check_names(names: list[str]) -> None:
    """Raise an error for names that cannot be separate files of one folder.

    The model of a job checks this too, but a caller may construct one without validation.
    """
    try:
        for name in names:
            plain_file_name(name)
        check_distinct_names(names)
    except ValueError as error:
        raise UnexpectedAnswerError(f"the files of the job cannot be written: {error}") from error


def _question(job: Job, artifact: JobArtifact, target: Path) -> _ArtifactDownload:
    return _ArtifactDownload(
        "artifact",
        _Downloaded,
        job=job.id,
        artifact=artifact.name,
        known=artifact,
        opened=lambda: _verified(artifact, target),
    )


@contextmanager
def _verified(artifact: JobArtifact, target: Path) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces the target only if its digest is the artifact's."""
    with replacing(target) as file:
        digesting = _Digesting(file)
        yield cast("BinaryIO", digesting)
        if digesting.sha256.hexdigest() != artifact.sha256:
            raise UnexpectedAnswerError(
                f"the downloaded {artifact.name} has another digest than the job states "
                f"({artifact.sha256[:12]}…): download it again; does a proxy change files?"
            )


class _Digesting:
    """Writes to a file and computes the SHA-256 of the written bytes."""

    def __init__(self, file: BinaryIO) -> None:
        self.sha256 = hashlib.sha256()
        self._write: Callable[[bytes], int] = file.write

    def write(self, piece: bytes) -> int:
        self.sha256.update(piece)
        return self._write(piece)

    def writelines(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self.write(piece)


def _network(job: Job, path: Path) -> Any:
    """Return the network of a job with the weights of a file."""
    # Imported here because the rest of the client does not need PyTorch.
    from safetensors.torch import load_file  # noqa: PLC0415

    import model_hub  # noqa: PLC0415
    from model_hub import zoo  # noqa: PLC0415

    try:
        stated = job.request["network"]
        if stated.get("model"):
            network = zoo.build(stated["model"])
        else:
            space = model_hub.space(stated["space"], **stated["arguments"])
            network = space.freeze(stated["arch"])
        network.load_state_dict(load_file(path))
        shape = job.request.get("input_shape", network.input_shape)
        network.input_shape = tuple(shape)  # type: ignore[assignment]  # no module
    except Exception as error:
        # Network code may raise any exception for a malformed description.
        raise UnexpectedAnswerError(
            f"job {job.id} does not describe a network with the weights of its file: {error!s:.300}"
        ) from error
    return network.eval()
