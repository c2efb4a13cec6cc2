"""`nbs backup` and `nbs restore`: what cannot be made again, in one tar file.

That is what docs/operations.md says to save: the keys, the jobs and their artifacts, the uploaded
weights; databases only where they are asked for, because generators make them again. The last
member is a manifest with the SHA-256 of every other one.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import sqlite3
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.metadata import version
from pathlib import Path
from time import gmtime, strftime
from typing import IO, Annotated, Any, Final

import typer

from service.cli.options import DataDirectory, data_directory, existing_directory
from service.cli.output import progress_bar

__all__ = ["backup", "restore"]

_MANIFEST: Final = "manifest.json"
_KEYS: Final = "access/keys.json"
_JOBS: Final = "jobs/jobs.db"
_DATABASES: Final = "databases"
_MEMBER: Final = re.compile(
    r"access/keys\.json|jobs/jobs\.db|jobs/(artifacts|checkpoints)/[0-9a-f]{2}/[0-9a-f]{64}"
    r"|databases/[a-z0-9][a-z0-9-]{0,63}(@[0-9]{1,9})?\.db"
)
"""The names that a backup may have: what else is in a tar file is refused, not unpacked."""
_MANIFEST_BYTES: Final = 256 * 2**20
_PIECE: Final = 2**20
_PRIVATE: Final = 0o600
_PUBLIC: Final = 0o644
"""Of databases, which a server reads as another user."""


class _BackupError(OSError):
    """A backup cannot be made or taken; told in a line."""


def backup(
    out: Annotated[Path, typer.Argument(help="The tar file to write.", dir_okay=False)],
    *,
    data: DataDirectory = None,
    databases: Annotated[
        bool, typer.Option("--databases", help="Also save the databases, which can be large.")
    ] = False,
) -> None:
    """Save keys, jobs, artifacts and uploaded weights into one file; servers may go on running.

    Jobs in PostgreSQL are saved by its own pg_dump, before this; the files of the jobs are here.
    """
    from service.jobs.settings import JobSettings
    from service.settings import Settings

    if out.exists():
        raise _BackupError(f"{out} is there already; nothing was written")
    settings, jobs = Settings(), JobSettings()
    # The default folder may not be there yet: a server on a machine of its own keeps only jobs.
    directory = data_directory(data) if data is None else existing_directory(data)
    keys = settings.keys_file or directory / "keys.json"
    digests: dict[str, str] = {}
    with (
        _beside(out, _PRIVATE) as file,
        tempfile.TemporaryDirectory() as scratch,
        tarfile.open(fileobj=file, mode="w") as container,
        progress_bar("files saved") as progress,
    ):
        files = [*_saved(Path(scratch), keys.expanduser(), jobs.folder, jobs.database_file)]
        if databases:
            files += [
                (f"{_DATABASES}/{path.name}", path) for path in sorted(directory.glob("*.db"))
            ]
        for done, (name, path) in enumerate(files):
            progress(done, len(files))
            _add(container, name, path, digests)
        _add_manifest(container, digests)
        progress(len(files), len(files))
    if jobs.artifacts_url is not None:
        sys.stderr.write(
            f"  artifacts are in {jobs.artifacts_url}: save that bucket by its own means, too\n"
        )
    if jobs.database_file is None:
        sys.stderr.write("  the table of jobs is in PostgreSQL: save it with pg_dump, too\n")
    size = out.stat().st_size / 1e6
    sys.stderr.write(
        f"{out}: {len(digests)} file{'' if len(digests) == 1 else 's'}, {size:.1f} MB; readable "
        "by you alone\n"
    )


@contextmanager
def _beside(target: Path, mode: int) -> Iterator[IO[bytes]]:
    """Give a file that gets its place when it is whole, and only where nothing has that place.

    What a process that was killed has left has a name of its own, and is in nobody's way.

    Raises:
        _BackupError: Something has the place.
    """
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.") as file:
        yield file
        file.flush()
        Path(file.name).chmod(mode)
        os.fsync(file.fileno())
        try:
            # A link, because to rename would replace what came there meanwhile.
            os.link(file.name, target)
        except FileExistsError:
            raise _BackupError(f"{target} is there already") from None


def _saved(scratch: Path, keys: Path, jobs: Path, table: Path | None) -> Iterator[tuple[str, Path]]:
    """Yield the names and files to save, the table of jobs before the files that it lists.

    An artifact that is too many is thrown away later; one too few makes its job `expired`.
    """
    if keys.is_file():
        yield _KEYS, keys
    if table is not None and table.is_file():
        copy = scratch / "jobs.db"
        with closing(sqlite3.connect(table)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        yield _JOBS, copy
    for kind in ("artifacts", "checkpoints"):
        for path in sorted((jobs / kind).glob("??/*")):
            name = f"jobs/{kind}/{path.parent.name}/{path.name}"
            if _MEMBER.fullmatch(name) and path.is_file():
                yield name, path


def _add(container: tarfile.TarFile, name: str, path: Path, digests: dict[str, str]) -> None:
    """Add a file; one that was evicted meanwhile is left out."""
    if not _MEMBER.fullmatch(name):
        return
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
        file.seek(0)
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = size, 0o600, int(path.stat().st_mtime)
        container.addfile(member, file)


def _add_manifest(container: tarfile.TarFile, digests: dict[str, str]) -> None:
    import orjson

    text = orjson.dumps(
        {
            "version": version("nas-bench-service"),
            "created": strftime("%Y-%m-%dT%H:%M:%SZ", gmtime()),
            "sha256": digests,
        }
    )
    member = tarfile.TarInfo(_MANIFEST)
    member.size, member.mode = len(text), 0o600
    container.addfile(member, io.BytesIO(text))


def restore(
    file: Annotated[Path, typer.Argument(help="What `nbs backup` wrote.", exists=True)],
    *,
    data: DataDirectory = None,
) -> None:
    """Put a backup in place: keys, jobs, artifacts, weights, and databases that it has.

    Nothing that is there is replaced: what is in the way is named, and nothing is written. All is
    read and compared with its digest first. One that was interrupted goes on when it is run again.
    """
    from service.jobs.settings import JobSettings
    from service.settings import Settings

    settings, jobs = Settings(), JobSettings()
    directory = data_directory(data)
    keys = (settings.keys_file or directory / "keys.json").expanduser()
    places = {"access": keys.parent, "jobs": jobs.folder, _DATABASES: directory}
    manifest = _checked(file)
    own = {_KEYS: keys, _JOBS: jobs.database_file or jobs.folder / "jobs.db"}
    targets = {
        name: own.get(name) or places[name.partition("/")[0]] / name.partition("/")[2]
        for name in manifest["sha256"]
    }
    # What an earlier try has put in place stays: this one goes on from there.
    missing = {name: path for name, path in targets.items() if not path.exists()}
    digests = manifest["sha256"]
    taken = [
        str(path)
        for name, path in targets.items()
        if name not in missing and _digest_of(path) != digests[name]
    ]
    if taken:
        more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
        raise _BackupError(
            f"{taken[0]}{more} would be replaced; nothing was written (--data names another folder "
            "for keys and databases, $NASBENCH_JOBS_DIR one for jobs)"
        )
    if _JOBS in missing:
        _refuse_rest_of(missing[_JOBS])
    with tarfile.open(file, "r:") as container, progress_bar("files put in place") as progress:
        # In their order: to look each up by its name would look through all of them.
        for done, member in enumerate(container):
            progress(done, len(targets) + 1)
            target, content = missing.get(member.name), container.extractfile(member)
            if target is None or content is None:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            mode = _PUBLIC if member.name.startswith(_DATABASES) else _PRIVATE
            with _beside(target, mode) as written:
                shutil.copyfileobj(content, written, _PIECE)
    count = f"{len(targets)} file{' is' if len(targets) == 1 else 's are'} in place"
    sys.stderr.write(
        f"{count}, of {manifest['created']}, version {manifest['version']}; `nbs doctor` looks at "
        "them\n"
    )


def _refuse_rest_of(table: Path) -> None:
    """Refuse to put a database where SQLite would mix it with what is left of another.

    Raises:
        _BackupError: There is such a rest.
    """
    for suffix in ("-wal", "-journal"):
        rest = table.with_name(f"{table.name}{suffix}")
        if rest.exists() and rest.stat().st_size:
            raise _BackupError(
                f"{rest} is of the {table.name} that was there, and would be mixed with this one: "
                "move it away as well; nothing was written"
            )


def _digest_of(path: Path) -> str | None:
    """Return the SHA-256 of a file; None of what is no file."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return _digest(file)


def _checked(file: Path) -> dict[str, Any]:
    """Return the manifest of a backup all of whose members are what it says."""
    try:
        with tarfile.open(file, "r:") as container:
            found, manifest = _members(container, file)
    except _BackupError:
        raise
    # Sizes beyond what can be read are no errors of `tarfile`'s own.
    except (tarfile.TarError, EOFError, ValueError, OverflowError, OSError) as error:
        raise _BackupError(f"{file} is no backup, or damaged: {error}") from None
    if manifest is None:
        raise _BackupError(f"{file} is no backup, or only a part of one: it has no manifest")
    for name in sorted(manifest["sha256"].keys() | found.keys()):
        if manifest["sha256"].get(name) != found.get(name):
            raise _BackupError(f"{file} is damaged: {name} is not what was saved")
    return dict(manifest)


def _members(container: tarfile.TarFile, file: Path) -> tuple[dict[str, str], Any]:
    """Return the digests of the files in a backup by name, and its manifest if it has one.

    Raises:
        _BackupError: A member does not belong there.
    """
    found: dict[str, str] = {}
    manifest: Any = None
    with progress_bar("bytes compared") as progress:
        for member in container:
            progress(member.offset, file.stat().st_size)
            opened = container.extractfile(member) if _is_plain(member) else None
            if opened is None or manifest is not None:
                raise _BackupError(f"{file} is no backup: {member.name!r:.80} is no file of one")
            if member.name == _MANIFEST:
                manifest = _read_manifest(opened, member.size)
            elif _MEMBER.fullmatch(member.name) and member.name not in found:
                found[member.name] = _digest(opened)
            else:
                raise _BackupError(f"{file} is no backup: {member.name!r:.80} does not belong")
    return found, manifest


def _is_plain(member: tarfile.TarInfo) -> bool:
    """Tell whether a member is a file all of whose bytes are there: of a hole there is no end."""
    return member.type in {tarfile.REGTYPE, tarfile.AREGTYPE} and not member.issparse()


def _digest(source: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while piece := source.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()


def _read_manifest(opened: IO[bytes], size: int) -> Any:
    import orjson

    if size > _MANIFEST_BYTES:
        raise _BackupError("the manifest of the backup is too large")
    try:
        manifest = orjson.loads(opened.read())
        texts = (manifest["version"], manifest["created"], *manifest["sha256"].values())
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        texts = (None,)
    if not all(isinstance(text, str) for text in texts):
        raise _BackupError("the manifest of the backup is not one")
    return manifest
