"""`nbs backup` and `nbs restore`: data that cannot be regenerated, in one tar file.

As docs/operations.md says, these are the keys, the jobs with their artifacts, and the uploaded
weights; databases only on request, because generators can recreate them. The last member is a
manifest with the SHA-256 of all others.
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
"""Member names that a backup may have; others are refused and not unpacked."""
_MANIFEST_BYTES: Final = 256 * 2**20
_PIECE: Final = 2**20
_PRIVATE: Final = 0o600
_PUBLIC: Final = 0o644
"""Mode of databases, which a server may read as another user."""


class _BackupError(OSError):
    """A backup cannot be written or restored; the message is printed without a traceback."""


def backup(
    out: Annotated[Path, typer.Argument(help="The tar file to write.", dir_okay=False)],
    *,
    data: DataDirectory = None,
    databases: Annotated[
        bool, typer.Option("--databases", help="Also save the databases, which can be large.")
    ] = False,
) -> None:
    """Save keys, jobs, artifacts and uploaded weights into one file; servers may keep running.

    Jobs in PostgreSQL must be saved by pg_dump before this; their files are saved here.
    """
    from service.jobs.settings import JobSettings
    from service.settings import Settings

    if out.exists():
        raise _BackupError(f"{out} exists already; nothing was written")
    settings, jobs = Settings(), JobSettings()
    # The default folder may be missing: a server on its own machine may have only jobs.
    directory = data_directory(data) if data is None else existing_directory(data)
    keys = settings.keys_file or directory / "keys.json"
    digests: dict[str, str] = {}
    with (
        _moved_when_complete(out, _PRIVATE) as file,
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
        sys.stderr.write(f"  artifacts are in {jobs.artifacts_url}: save that bucket separately\n")
    if jobs.database_file is None:
        sys.stderr.write("  the job table is in PostgreSQL: save it with pg_dump as well\n")
    size = out.stat().st_size / 1e6
    sys.stderr.write(
        f"{out}: {len(digests)} file{'' if len(digests) == 1 else 's'}, {size:.1f} MB; only you "
        "can read it\n"
    )


@contextmanager
def _moved_when_complete(target: Path, mode: int) -> Iterator[IO[bytes]]:
    """Yield a temporary file that is moved to its path when complete, unless the path exists.

    A file left by a killed process has a unique name and does no harm.

    Raises:
        _BackupError: The path exists.
    """
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.") as file:
        yield file
        file.flush()
        Path(file.name).chmod(mode)
        os.fsync(file.fileno())
        try:
            # Linked, because a rename would replace a file that was created meanwhile.
            os.link(file.name, target)
        except FileExistsError:
            raise _BackupError(f"{target} exists already") from None


def _saved(scratch: Path, keys: Path, jobs: Path, table: Path | None) -> Iterator[tuple[str, Path]]:
    """Yield the names and files to save, the job table before the files that it lists.

    An unlisted artifact is removed later, but a missing one would make its job `expired`.
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
    """Add a file; a file that was evicted meanwhile is skipped."""
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
    file: Annotated[Path, typer.Argument(help="A file written by `nbs backup`.", exists=True)],
    *,
    data: DataDirectory = None,
) -> None:
    """Restore a backup: keys, jobs, artifacts, weights, and databases if it has any.

    No existing file is replaced: if one is in the way, it is named and nothing is written. The
    backup is read and verified first. If interrupted, run the command again to continue.
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
    # Files that an earlier run has restored stay, and this run continues from there.
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
        _refuse_leftover_log(missing[_JOBS])
    with tarfile.open(file, "r:") as container, progress_bar("files put in place") as progress:
        # In the order of the archive, as looking members up by name would scan all of them.
        for done, member in enumerate(container):
            progress(done, len(targets) + 1)
            target, content = missing.get(member.name), container.extractfile(member)
            if target is None or content is None:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            mode = _PUBLIC if member.name.startswith(_DATABASES) else _PRIVATE
            with _moved_when_complete(target, mode) as written:
                shutil.copyfileobj(content, written, _PIECE)
    count = f"{len(targets)} file{' is' if len(targets) == 1 else 's are'} in place"
    sys.stderr.write(
        f"{count}, of {manifest['created']}, version {manifest['version']}; `nbs doctor` checks "
        "them\n"
    )


def _refuse_leftover_log(table: Path) -> None:
    """Refuse to restore a database where SQLite would merge it with the rest of another one.

    Raises:
        _BackupError: A write-ahead log or journal of another database exists.
    """
    for suffix in ("-wal", "-journal"):
        rest = table.with_name(f"{table.name}{suffix}")
        if rest.exists() and rest.stat().st_size:
            raise _BackupError(
                f"{rest} belongs to an earlier {table.name} and would be merged with the restored "
                "one: move it away; nothing was written"
            )


def _digest_of(path: Path) -> str | None:
    """Return the SHA-256 of a file; None if it is not a file."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return _digest(file)


def _checked(file: Path) -> dict[str, Any]:
    """Return the manifest of a backup, after verifying all members."""
    try:
        with tarfile.open(file, "r:") as container:
            found, manifest = _members(container, file)
    except _BackupError:
        raise
    # Implausible sizes raise other errors than those of `tarfile`.
    except (tarfile.TarError, EOFError, ValueError, OverflowError, OSError) as error:
        raise _BackupError(f"{file} is not a backup, or damaged: {error}") from None
    if manifest is None:
        raise _BackupError(f"{file} is not a backup, or incomplete: it has no manifest")
    for name in sorted(manifest["sha256"].keys() | found.keys()):
        if manifest["sha256"].get(name) != found.get(name):
            raise _BackupError(f"{file} is damaged: {name} has another digest than was saved")
    return dict(manifest)


def _members(container: tarfile.TarFile, file: Path) -> tuple[dict[str, str], Any]:
    """Return the digests of the files in a backup by name, and its manifest if it has one.

    Raises:
        _BackupError: The archive has a member that no backup has.
    """
    found: dict[str, str] = {}
    manifest: Any = None
    with progress_bar("bytes compared") as progress:
        for member in container:
            progress(member.offset, file.stat().st_size)
            opened = container.extractfile(member) if _is_plain(member) else None
            if opened is None or manifest is not None:
                raise _BackupError(f"{file} is not a backup: unexpected member {member.name!r:.80}")
            if member.name == _MANIFEST:
                manifest = _read_manifest(opened, member.size)
            elif _MEMBER.fullmatch(member.name) and member.name not in found:
                found[member.name] = _digest(opened)
            else:
                raise _BackupError(f"{file} is not a backup: unexpected member {member.name!r:.80}")
    return found, manifest


def _is_plain(member: tarfile.TarInfo) -> bool:
    """Tell whether a member is a regular file and not sparse, as holes may be unbounded."""
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
        raise _BackupError("the manifest of the backup is malformed")
    return manifest
