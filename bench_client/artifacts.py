"""The files that jobs made, on the caller's disk or as networks."""

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
from bench_client.untrusted import entity_tag, one_file_name, unlike_each_other
from missing_extra import refuse_missing

__all__ = ["download", "materialize"]

_WEIGHTS: Final = "network.safetensors"
_NEEDED: Final = ("torch", "safetensors", "model_hub")


class _Kept(WireModel):
    """An artifact is in its file."""


@dataclass(frozen=True, slots=True)
class _ArtifactDownload(Download[_Kept]):
    """A file of a job.

    Attributes:
        known: What is known of it.
    """

    known: JobArtifact = field(kw_only=True)

    @property
    def media_type(self) -> str:
        """Any: what the job says of its files is not sent back in a header."""
        return "*/*"

    @property
    def most(self) -> int:
        """What the job says of its size."""
        return self.known.size

    def described(self, headers: Mapping[str, str]) -> _Kept | None:
        """Return that it is the file, if its entity tag says so."""
        return _Kept() if entity_tag(headers) == f'"{self.known.sha256}"' else None


def download(
    job: Job, folder: str | os.PathLike[str], *, names: Iterable[str] | None = None
) -> Steps[dict[str, Path]]:
    """Write files of a job into a folder, which is made, and return where they are, by name.

    Args:
        job: A job that has succeeded.
        folder: Where they go; files of the same names are replaced.
        names: Only these; None: all.

    Raises:
        UnknownJobError: The job has no such file, or it was thrown away meanwhile.
        UnexpectedAnswerError: What came is not what its digest says, or longer than the job says;
            or a name is not one plain file name, or two are one on some system: then nothing is
            asked or written.
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
    """Have a worker build a network, and return it.

        network = bench.materialize("nasbench201", 0, dataset="cifar100")
        paths = bench.materialize(model="proxyless-mobile", folder="out", formats=["onnx"])

    Args:
        benchmark: As for `build`, and so are the other members of the network.
        arch: The architecture.
        model: A searched model.
        space: A model space.
        arguments: Arguments of the space.
        dataset: The data set that a benchmark's network is for.
        checkpoint: SHA-256 of uploaded weights.
        seed: What weights are drawn by where there are none.
        input_shape: As for `build`.
        folder: Where its files go. None: they become a network, which needs PyTorch and
            `model_hub` here, the extra `hub`.
        formats: Which files; docs/api.md lists them. `safetensors` is what becomes a network.
        timeout: As for `wait`.
        progress: As for `wait`.

    Returns:
        The network, in evaluation mode on the processor, its `input_shape` that of the job; with
        `folder`, the paths by name.

    Raises:
        ImportError: A network is wanted and PyTorch or `model_hub` is missing here.
        InvalidRequestError: The network or a format is malformed.
        UnexpectedAnswerError: What came is not what its digest says.
        JobNotDoneError: As for `wait`.
    """
    if folder is None:
        refuse_missing("hub", "a network, where no `folder` is given,", *_NEEDED)
        if "safetensors" not in formats:
            raise InvalidRequestError("formats: safetensors are what becomes a network")
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
    """Refuse names that would not be files beside each other in one folder.

    The model of a job has refused them already; one may also be made without its checks.
    """
    try:
        for name in names:
            one_file_name(name)
        unlike_each_other(names)
    except ValueError as error:
        raise UnexpectedAnswerError(f"the files of the job cannot be written: {error}") from error


def _question(job: Job, artifact: JobArtifact, target: Path) -> _ArtifactDownload:
    return _ArtifactDownload(
        "artifact",
        _Kept,
        job=job.id,
        artifact=artifact.name,
        known=artifact,
        opened=lambda: _verified(artifact, target),
    )


@contextmanager
def _verified(artifact: JobArtifact, target: Path) -> Iterator[BinaryIO]:
    """Open a file that gets its place only if what is written has the artifact's digest."""
    with replacing(target) as file:
        digesting = _Digesting(file)
        yield cast("BinaryIO", digesting)
        if digesting.sha256.hexdigest() != artifact.sha256:
            raise UnexpectedAnswerError(
                f"what came for {artifact.name} is not the file of that digest "
                f"({artifact.sha256[:12]}…): is there a proxy that changes files? Ask again"
            )


class _Digesting:
    """What is written passes through a digest."""

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
    # Loaded when a network is wanted: the client does without.
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
        # Whatever the code of a network raises over what a server said.
        raise UnexpectedAnswerError(
            f"job {job.id} does not describe a network with the weights of its file: {error!s:.300}"
        ) from error
    return network.eval()
