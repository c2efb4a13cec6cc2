"""Reads the archive of NDS: 34 JSON files, in a folder or in `data.zip`."""

from __future__ import annotations

import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from generators.raw.json_stream import Bytes, Entry, read_entries
from generators.raw.zip_members import check_member
from safe_pickle import DamagedArchiveError, WrongFormatError

__all__ = ["FILES", "NdsArchive"]

FILES: Final = (
    *("Amoeba", "Amoeba_in", "DARTS", "DARTS_fix-w-d", "DARTS_in", "DARTS_lr-wd"),
    *("DARTS_lr-wd_in", "ENAS", "ENAS_fix-w-d", "ENAS_in", "NASNet", "NASNet_in", "PNAS"),
    *("PNAS_fix-w-d", "PNAS_in", "ResNeXt-A", "ResNeXt-A_in", "ResNeXt-B", "ResNeXt-B_in"),
    *("ResNet-B", "ResNet", "ResNet_lr-wd", "ResNet_lr-wd_in", "ResNet_reruns"),
    *("ResNet_rng1", "ResNet_rng2", "ResNet_rng3", "Vanilla", "Vanilla_lr-wd"),
    *("Vanilla_lr-wd_in", "Vanilla_reruns", "Vanilla_rng1", "Vanilla_rng2", "Vanilla_rng3"),
)
"""Names of the files, without `.json`, in reading order."""

_FOLDER: Final = "nds_data"
_SUFFIX: Final = ".json"
_MOST_BYTES: Final = 16 * 2**30
"""Most bytes of all unpacked files: several times the published size."""
_MOST_MEMBERS: Final = 10_000
_HIGHEST_RATIO: Final = 100
"""Highest accepted compression ratio; the numbers of NDS shrink to a fifth."""


class NdsArchive:
    """The files of an archive, opened one at a time.

    Args:
        path: `data.zip`, the folder of the files, or the folder that contains `nds_data`.

    Attributes:
        path: The zip file, or the folder of the files.
        present: Names of the present files, in reading order.
        missing: Names of the missing files.
        ignored: Names of other files, sorted.
        size: Total bytes of the present files.

    Raises:
        DamagedArchiveError: The zip file is damaged.
        WrongFormatError: None of the files is present, or the zip file is suspicious: names that
            lead out of the folder, duplicate names, links, or a zip bomb.
        OSError: The archive cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._zipped = not path.is_dir()
        self.path = path
        if not self._zipped and (path / _FOLDER).is_dir():
            self.path = path / _FOLDER
        sizes = _zipped_sizes(path) if self._zipped else _folder_sizes(self.path)
        # By file name: folders above the files depend on who packed them.
        self._members = {PurePosixPath(member).name: member for member in sizes}
        wanted = [f"{name}{_SUFFIX}" for name in FILES]
        self.present = tuple(name for name in wanted if name in self._members)
        self.missing = tuple(name for name in wanted if name not in self._members)
        read = {self._members[name] for name in self.present}
        self.ignored = tuple(sorted(member for member in sizes if member not in read))
        self.size = sum(sizes[member] for member in read)
        if not self.present:
            raise WrongFormatError(
                f"{path.name} holds none of the {len(FILES)} files of NDS, such as {wanted[0]}: "
                "give the folder of the files, or data.zip"
            )

    def entries(self, name: str) -> Iterator[Entry]:
        """Yield the jobs of a file that is present.

        Raises:
            DamagedArchiveError: The file is damaged.
            WrongFormatError: The file is not a list of jobs.
        """
        with self._opened(name) as stream:
            yield from read_entries(stream, name)

    @contextmanager
    def _opened(self, name: str) -> Iterator[Bytes]:
        with ExitStack() as stack:
            if not self._zipped:
                yield stack.enter_context((self.path / self._members[name]).open("rb"))
                return
            container = stack.enter_context(zipfile.ZipFile(self.path))
            try:
                yield stack.enter_context(container.open(self._members[name]))
            except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
                raise DamagedArchiveError(f"{name} in {self.path.name}: {error}") from error


def _folder_sizes(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_size for file in folder.iterdir() if file.is_file()}


def _zipped_sizes(path: Path) -> Mapping[str, int]:
    """Return the sizes of the files in a zip file after checking its directory."""
    try:
        with zipfile.ZipFile(path) as container:
            members = container.infolist()
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        raise WrongFormatError(
            f"{path.name} is neither a folder nor a sound zip file: {error}"
        ) from error
    if len(members) > _MOST_MEMBERS:
        raise WrongFormatError(f"{path.name} holds {len(members)} files; NDS has {len(FILES)}")
    for member in members:
        check_member(path.name, member, highest_ratio=_HIGHEST_RATIO)
    files = [member for member in members if not member.is_dir()]
    _check_names(path.name, [member.filename for member in files])
    total = sum(member.file_size for member in files)
    if total > _MOST_BYTES:
        raise WrongFormatError(f"{path.name} would unpack to {total:,} bytes: a zip bomb, not NDS")
    return {member.filename: member.file_size for member in files}


def _check_names(archive: str, names: list[str]) -> None:
    """Reject two members with one name, and two members that are the same file of NDS."""
    wanted = {f"{name}{_SUFFIX}" for name in FILES}
    files = [name for name in (PurePosixPath(name).name for name in names) if name in wanted]
    for listed in (names, files):
        name, count = Counter(listed).most_common(1)[0] if listed else ("", 0)
        if count > 1:
            raise WrongFormatError(f"{archive} holds {name!r:.80} twice: which one is meant?")
