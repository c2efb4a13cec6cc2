"""Trainers of other packages: which are installed, the digest of their code, and how to load them.

A package publishes a function as an entry point of the group `nas_bench.trainers`:

    [project.entry-points."nas_bench.trainers"]
    quick = "lab_training.quick:train"

`nas_search.training.custom` documents the arguments and the result of the function. A worker offers
the trainers that its settings name. A request refers to one by name and by the digest of its code;
it never contains code. This module does not import PyTorch, and only `load_trainer` imports the
package of a trainer.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from stat import S_ISREG
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

from model_hub.errors import InvalidArgumentError, nearest, shown
from nas_search.errors import OtherTrainerError, TrainerError, TrainerTwiceError

__all__ = [
    "GROUP",
    "NEEDED_FIGURES",
    "OPTIONAL_FIGURES",
    "TrainerCode",
    "TrainerUse",
    "installed_trainers",
    "load_trainer",
    "trainer_code",
]

GROUP: Final = "nas_bench.trainers"
"""The group of entry points that publish trainers."""

NEEDED_FIGURES: Final = ("train_loss", "train_accuracy", "loss", "accuracy")
"""The metrics that every trainer reports: losses in nats, accuracies in percent."""

OPTIONAL_FIGURES: Final = ("top5", "lr")
"""The metrics that a trainer may report: top-5 accuracy in percent, and the learning rate."""

Option: TypeAlias = str | int | float | bool

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TEXT: Final = re.compile(r"[!-~]{1,128}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_OPTION: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_MOST_OPTIONS: Final = 32
_LONGEST_OPTION: Final = 200
_LARGEST: Final = 2**53
_MOST_FILES: Final = 10_000
_MOST_BYTES: Final = 2**28


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainerCode:
    """An installed trainer.

    Args:
        name: Name of the entry point.
        package: The distribution that publishes it.
        version: Version of the distribution.
        sha256: Digest of the entry point and of the files of its package or module, as found by the
            import system. Other packages that these files import are not covered.
    """

    name: str
    package: str
    version: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class TrainerUse:
    """A reference to a trainer, with its options, as plain data.

    Args:
        name: Name of the trainer.
        package: Its distribution; None: not known yet. The same holds for the next two.
        version: Version of the distribution.
        sha256: Digest of its code.
        options: Options passed to the trainer by name: at most 32 strings, numbers and booleans.

    Raises:
        InvalidArgumentError: A member is invalid; the error names it.
    """

    name: str
    package: str | None = None
    version: str | None = None
    sha256: str | None = None
    options: Mapping[str, Option] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for member, pattern in (
            ("name", _NAME),
            ("package", _TEXT),
            ("version", _TEXT),
            ("sha256", _DIGEST),
        ):
            value = getattr(self, member)
            if value is None and member != "name":
                continue
            if not isinstance(value, str) or not pattern.fullmatch(value):
                raise InvalidArgumentError(member, f"{shown(value)} is none")
        object.__setattr__(self, "options", MappingProxyType(_checked_options(self.options)))

    @classmethod
    def from_dict(cls, stated: object) -> TrainerUse:
        """Make a reference from JSON: a name, or an object of the members.

        Raises:
            InvalidArgumentError: It is neither, or a member is invalid.
        """
        if isinstance(stated, str):
            return cls(name=stated)
        if not isinstance(stated, Mapping):
            raise InvalidArgumentError("name", f"a name or an object, not {shown(stated)}")
        known = ("name", "package", "version", "sha256", "options")
        for member in stated:
            if member not in known:
                raise InvalidArgumentError(
                    str(member)[:64], f"a trainer has no such member{nearest(str(member), known)}"
                )
        if "name" not in stated:
            raise InvalidArgumentError("name", "there is none")
        return cls(**stated)

    def as_dict(self) -> dict[str, Any]:
        """Return the known members, as JSON."""
        return {**self.code, **({"options": dict(self.options)} if self.options else {})}

    @property
    def is_complete(self) -> bool:
        """Whether the code is fully identified."""
        return None not in {self.package, self.version, self.sha256}

    @property
    def code(self) -> dict[str, str]:
        """The name and the known ones of package, version and digest."""
        members = ("name", "package", "version", "sha256")
        found = {member: getattr(self, member) for member in members}
        return {member: value for member, value in found.items() if value is not None}

    def completed(self, code: Mapping[str, str]) -> TrainerUse:
        """Return a copy with the members of `TrainerCode` filled in."""
        return TrainerUse.from_dict({**self.as_dict(), **code})

    @classmethod
    def stated_as_argument(cls, stated: object) -> TrainerUse:
        """Make a reference from the argument `trainer` of an evaluator, as `from_dict` does.

        Raises:
            InvalidArgumentError: It is invalid; the error names the member, as in
                `trainer.options`.
        """
        try:
            return cls.from_dict(stated)
        except InvalidArgumentError as error:
            reason = str(error).removeprefix(f"{error.argument}: ")
            raise InvalidArgumentError(f"trainer.{error.argument}", reason) from error


def installed_trainers() -> tuple[str, ...]:
    """Return the names of all trainers that installed packages publish.

    Raises:
        TrainerError: The entry points of the installed packages cannot be read.
    """
    return tuple(sorted({entry.name for entry in _entries()}))


def trainer_code(name: str) -> TrainerCode:
    """Return the package, version and digest of an installed trainer, without importing it.

    Files are read again only if their size or modification time has changed.

    Raises:
        OtherTrainerError: No package publishes a trainer of this name.
        TrainerTwiceError: Several packages do.
        TrainerError: Its files are missing or too many, or the installation is damaged.
    """
    entry = _entry(name)
    distribution = entry.dist
    if distribution is None or not (distribution.metadata["Name"] and distribution.version):
        raise TrainerError(f"the trainer {name} belongs to no distribution with a version")
    found = TrainerCode(
        name=name,
        package=distribution.metadata["Name"],
        version=distribution.version,
        sha256=_sha256(entry),
    )
    try:
        TrainerUse(**asdict(found))
    except InvalidArgumentError as error:
        raise TrainerError(f"the {error.argument} of the trainer {name}: {error}") from error
    return found


def load_trainer(use: TrainerUse) -> Callable[..., Any]:
    """Import a trainer, after checking that its code is the required one.

    Raises:
        OtherTrainerError: It is not installed, or its code differs.
        TrainerError: It cannot be imported, or is no function.
    """
    code = trainer_code(use.name)
    if not use.code.items() <= asdict(code).items():
        raise OtherTrainerError(
            f"the trainer {use.name} here is {code.package} {code.version} "
            f"({code.sha256[:12]}), not {use.package} {use.version} ({str(use.sha256)[:12]})"
        )
    try:
        found = _entry(use.name).load()
    except Exception as error:  # importing a module may raise anything
        raise TrainerError(
            f"the trainer {use.name} cannot be imported: {type(error).__name__:.80}"
        ) from error
    if not callable(found):
        raise TrainerError(f"the trainer {use.name} is no function but {shown(found)}")
    loaded: Callable[..., Any] = found
    return loaded


def _checked_options(options: object) -> dict[str, Option]:
    if not isinstance(options, Mapping) or len(options) > _MOST_OPTIONS:
        raise InvalidArgumentError("options", f"options are an object of at most {_MOST_OPTIONS}")
    for name, value in options.items():
        if not isinstance(name, str) or not _OPTION.fullmatch(name):
            raise InvalidArgumentError("options", f"{shown(name)} is no valid name of an option")
        if isinstance(value, str):
            fits = len(value) <= _LONGEST_OPTION and value.isprintable()
        else:
            # `isfinite` would fail on integers too large for a float; NaN fails the comparison.
            fits = isinstance(value, bool) or (
                isinstance(value, int | float) and abs(value) <= _LARGEST
            )
        if not fits:
            raise InvalidArgumentError(
                "options",
                f"{name} = {shown(value)}: an option is true or false, a finite number, or a text "
                f"of at most {_LONGEST_OPTION} printable characters",
            )
    # Readers of JSON differ on 1.0, so whole floats become integers.
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in sorted(options.items())
    }


def _entry(name: str) -> EntryPoint:
    found = [entry for entry in _entries() if entry.name == name]
    if not found:
        known = ", ".join(installed_trainers()) or "none"
        raise OtherTrainerError(f"there is no trainer {shown(name)}; installed are: {known}")
    if len(found) > 1:
        values = " and as ".join(sorted(one.value for one in found))
        raise TrainerTwiceError(f"the trainer {name} is published more than once, as {values}")
    entry = found[0]
    match = EntryPoint.pattern.match(entry.value)
    if match is None or not all(map(str.isidentifier, match["module"].split("."))):
        raise TrainerError(
            f"the trainer {name} is published as {shown(entry.value)}, which is no module:function"
        )
    return entry


def _entries() -> list[EntryPoint]:
    """Return the entry points of all trainers."""
    try:
        return list(entry_points(group=GROUP))
    except Exception as error:  # damaged metadata of a package may raise anything
        raise TrainerError(
            f"the entry points of the installed packages cannot be read: {type(error).__name__:.80}"
        ) from error


def _sha256(entry: EntryPoint) -> str:
    try:
        files = tuple(islice(_files(entry), _MOST_FILES + 1))
        if len(files) > _MOST_FILES or sum(file.size for file in files) > _MOST_BYTES:
            raise TrainerError(
                f"the package of the trainer {entry.name} is too large: at most {_MOST_FILES} "
                f"files of {_MOST_BYTES >> 20} MiB in all are digested; publish it in a package "
                "of its own"
            )
        return _digest(f"{entry.name} = {entry.value}", files)
    except OSError as error:  # a broken link, or a file deleted meanwhile
        raise TrainerError(f"a file of the trainer {entry.name}: {error.strerror}") from error


class _File(NamedTuple):
    place: str
    path: str
    size: int
    changed_at: int


def _files(entry: EntryPoint) -> Iterator[_File]:
    """Yield the files of the package or module of an entry point, sorted.

    They are found with the import system, because the file list of an editable installation lacks
    them, and files may have been edited since the installation.
    """
    top = entry.module.partition(".")[0]
    try:
        spec = find_spec(top)
    except (ImportError, ValueError) as error:
        raise TrainerError(f"the module {top} of the trainer {entry.name}: {error}") from error
    if spec is None:
        raise TrainerError(f"there is no module {top}, which the trainer {entry.name} names")
    if spec.submodule_search_locations is None:
        if spec.origin is None or not Path(spec.origin).is_file():
            raise TrainerError(f"the module {top} of the trainer {entry.name} is no file")
        yield from _regular(Path(spec.origin), Path(spec.origin).parent)
        return
    for location in sorted(spec.submodule_search_locations):
        seen: set[str] = set()
        # Links to folders are followed, as imports do; `seen` ends cycles.
        for folder, inner, names in os.walk(location, followlinks=True):
            real = os.path.realpath(folder)
            is_new = real not in seen
            seen.add(real)
            inner[:] = sorted(
                one for one in inner if is_new and one != "__pycache__" and one[0] != "."
            )
            for name in sorted(names):
                # Bytecode files next to sources count: Python imports them if sources are missing.
                if name[0] != "." and is_new:
                    yield from _regular(Path(folder, name), Path(location).parent)


def _regular(path: Path, root: Path) -> Iterator[_File]:
    """Yield a regular file; skip pipes and sockets, which cannot be imported."""
    about = path.stat()
    if S_ISREG(about.st_mode):
        place = path.relative_to(root).as_posix()
        yield _File(place, str(path), about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=64)
def _digest(line: str, files: tuple[_File, ...]) -> str:
    digest = hashlib.sha256(f"{line}\n".encode())
    for file in files:
        with Path(file.path).open("rb") as content:
            inner = hashlib.file_digest(content, "sha256").hexdigest()
        # Bytes of a name that are no UTF-8 are digested unchanged.
        digest.update(f"{inner}  {file.place}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()
