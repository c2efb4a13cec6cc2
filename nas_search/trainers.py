"""Trainers of other packages: which are installed, of what code, and which one a training states.

A package publishes a function by an entry point of the group `nas_bench.trainers`:

    [project.entry-points."nas_bench.trainers"]
    quick = "lab_training.quick:train"

`nas_search.training.custom` says what the function is given and returns. A worker offers the
trainers that its settings name; a request names one by its name and the digest of its code, and
never has code itself. Needs no PyTorch, and imports no package of a trainer but in `load_trainer`.
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
"""Of the entry points."""

NEEDED_FIGURES: Final = ("train_loss", "train_accuracy", "loss", "accuracy")
"""What every trainer reports: losses in nats, accuracies in percent."""

OPTIONAL_FIGURES: Final = ("top5", "lr")
"""What a trainer may report: percent, and the learning rate."""

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
    """A trainer that is installed.

    Args:
        name: Of the entry point.
        package: The distribution that has it.
        version: Of the distribution.
        sha256: Digest of the entry point and of the files of the package or module that it names,
            as they are imported. What that package imports from others is not in it.
    """

    name: str
    package: str
    version: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class TrainerUse:
    """The trainer that a training states, as plain data.

    Args:
        name: Of the trainer.
        package: Its distribution; None: not known yet, and so are the next two.
        version: Of the distribution.
        sha256: Digest of its code.
        options: Handed to the trainer: at most 32 texts, numbers and truths by name.

    Raises:
        InvalidArgumentError: A member cannot mean anything; the error names it.
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
        """Return what JSON states: the name, or an object of the members.

        Raises:
            InvalidArgumentError: It is neither; or as for the class.
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
        """Return the members that are known, as JSON has them."""
        return {**self.code, **({"options": dict(self.options)} if self.options else {})}

    @property
    def is_complete(self) -> bool:
        """Whether it says which code is meant."""
        return None not in {self.package, self.version, self.sha256}

    @property
    def code(self) -> dict[str, str]:
        """What is stated of the code: `name` and those of the next three that are known."""
        members = ("name", "package", "version", "sha256")
        found = {member: getattr(self, member) for member in members}
        return {member: value for member, value in found.items() if value is not None}

    def completed(self, code: Mapping[str, str]) -> TrainerUse:
        """Return the same with all of the code that is meant, by the names of `TrainerCode`."""
        return TrainerUse.from_dict({**self.as_dict(), **code})

    @classmethod
    def stated_as_argument(cls, stated: object) -> TrainerUse:
        """Return what the argument `trainer` of an evaluator states, as `from_dict` reads it.

        Raises:
            InvalidArgumentError: It states none; the error names the member, as in
                `trainer.options`.
        """
        try:
            return cls.from_dict(stated)
        except InvalidArgumentError as error:
            reason = str(error).removeprefix(f"{error.argument}: ")
            raise InvalidArgumentError(f"trainer.{error.argument}", reason) from error


def installed_trainers() -> tuple[str, ...]:
    """Return the names of the trainers that packages of this Python publish.

    Raises:
        TrainerError: The files in which packages publish something cannot be read.
    """
    return tuple(sorted({entry.name for entry in _entries()}))


def trainer_code(name: str) -> TrainerCode:
    """Return a trainer that is installed; nothing of its package is imported.

    Files are read again where their size or time is another than before.

    Raises:
        OtherTrainerError: No package publishes one of this name.
        TrainerTwiceError: Two do.
        TrainerError: Its files are not found, or they are too many; or what is installed of the
            package is damaged.
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
    """Import a trainer, if it is the one that is stated.

    Raises:
        OtherTrainerError: It is not installed, or its code is another.
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
    except Exception as error:  # whatever a module does when it is imported
        raise TrainerError(
            f"the trainer {use.name} cannot be imported: {type(error).__name__:.80}"
        ) from error
    if not callable(found):
        raise TrainerError(f"the trainer {use.name} is no function but {shown(found)}")
    loaded: Callable[..., Any] = found
    return loaded


def _checked_options(options: object) -> dict[str, Option]:
    if not isinstance(options, Mapping) or len(options) > _MOST_OPTIONS:
        raise InvalidArgumentError("options", f"they are a table of at most {_MOST_OPTIONS}")
    for name, value in options.items():
        if not isinstance(name, str) or not _OPTION.fullmatch(name):
            raise InvalidArgumentError("options", f"{shown(name)} is no name of an option")
        if isinstance(value, str):
            fits = len(value) <= _LONGEST_OPTION and value.isprintable()
        else:
            # Not by `isfinite`, which fails on integers beyond floats; NaN is not below anything.
            fits = isinstance(value, bool) or (
                isinstance(value, int | float) and abs(value) <= _LARGEST
            )
        if not fits:
            raise InvalidArgumentError(
                "options",
                f"{name} = {shown(value)}: an option is true or false, a finite number, or a text "
                f"of at most {_LONGEST_OPTION} printable characters",
            )
    # As every reader of JSON has them: 1.0 is 1.
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
    """Return the entry points of trainers."""
    try:
        return list(entry_points(group=GROUP))
    except Exception as error:  # whatever Python raises where the files of one package are damaged
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
    except OSError as error:  # a link to nowhere, or a file that has just gone
        raise TrainerError(f"a file of the trainer {entry.name}: {error.strerror}") from error


class _File(NamedTuple):
    place: str
    path: str
    size: int
    changed_at: int


def _files(entry: EntryPoint) -> Iterator[_File]:
    """Yield the files of the package or module that an entry point names, in order.

    They are looked for as an import would, because an editable installation lists none of them,
    and what an installation lists may have been edited since.
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
        # Links to folders are followed, as an import does; one that leads back ends there.
        for folder, inner, names in os.walk(location, followlinks=True):
            real = os.path.realpath(folder)
            is_new = real not in seen
            seen.add(real)
            inner[:] = sorted(
                one for one in inner if is_new and one != "__pycache__" and one[0] != "."
            )
            for name in sorted(names):
                # Bytecode beside sources is imported where they are missing.
                if name[0] != "." and is_new:
                    yield from _regular(Path(folder, name), Path(location).parent)


def _regular(path: Path, root: Path) -> Iterator[_File]:
    """Yield a file; nothing where a pipe or a socket is, which cannot be imported."""
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
        # What a name has that is no UTF-8 is digested as the bytes that it is.
        digest.update(f"{inner}  {file.place}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()
