"""Publications of sealed tables: a file that another lab can verify and serve.

A publication is an uncompressed zip archive with four members: the database, the plan as JSON, a
card in Markdown for people, and the digests of the other three. Compressed members are refused, so
that a publication never unpacks to more than its own size.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmark_db.errors import UnusableDatabaseError, shown
from benchmark_db.provenance import Provenance
from benchmark_db.verify import verify_database
from generators.build import BuildError
from service.plans.errors import PlanConflictError
from service.plans.served import is_of_another_plan

__all__ = ["publish", "read_publication"]

_PLAN: Final = "plan.json"
_CARD: Final = "README.md"
_DIGESTS: Final = "SHA256SUMS"
_DATABASE: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\.db")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_CHUNK: Final = 2**20
_MOST_TEXT: Final = 2**24
_WHEN: Final = (1980, 1, 1, 0, 0, 0)
"""Time stamp of all members, so that equal publications are equal files."""


def publish(plan: Mapping[str, Any], folder: Path, out: Path) -> int:
    """Write the publication of a sealed plan, and return its size in bytes.

    Args:
        plan: The plan as the service returns it.
        folder: The folder of the databases.
        out: The file, which must not exist.

    Raises:
        PlanConflictError: The plan is not sealed, its last version is not made yet, or the licence
            of its data set is not stated.
        UnusableDatabaseError: The database fails its verification.
        OSError: The file exists, or cannot be written.
    """
    name, content = plan["name"], plan["plan"]
    if plan["state"] != "sealed":
        raise PlanConflictError(f"{name} is {plan['state']}: seal it before it leaves the lab")
    complete = [one for one in plan["versions"] if one["complete"]]
    if not complete:
        raise PlanConflictError(f"the last version of {name} is not made yet")
    if not content["data"].get("licence"):
        raise PlanConflictError(
            f"the licence of the data set {content['data']['name']} is not stated: add `licence` "
            "to [data] of the plan"
        )
    database = folder / f"{name}.db"
    provenance = verify_database(database)
    if provenance.content_digest != complete[-1]["content_digest"]:
        raise UnusableDatabaseError(f"{database.name} is not the sealed version of {name}")
    texts = {
        _PLAN: json.dumps(
            {"plan": content, "digest": plan["digest"], "version": complete[-1]}, indent=2
        ),
        _CARD: _card(plan, provenance),
    }
    digests = {key: hashlib.sha256(text.encode()).hexdigest() for key, text in texts.items()}
    with database.open("rb") as file:
        digests[database.name] = hashlib.file_digest(file, "sha256").hexdigest()
    texts[_DIGESTS] = "".join(f"{digest}  {key}\n" for key, digest in sorted(digests.items()))
    with zipfile.ZipFile(out, "x", zipfile.ZIP_STORED) as archive:
        for key, text in texts.items():
            archive.writestr(zipfile.ZipInfo(key, _WHEN), text)
        with (
            database.open("rb") as source,
            archive.open(zipfile.ZipInfo(database.name, _WHEN), "w", force_zip64=True) as target,
        ):
            while piece := source.read(_CHUNK):
                target.write(piece)
    return out.stat().st_size


def read_publication(path: Path, folder: Path) -> Provenance:
    """Verify a publication, copy its database into a folder, and return the provenance.

    Raises:
        BuildError: The file is not a publication, a digest is wrong, or a database of another table
            exists.
        UnusableDatabaseError: The database fails its verification.
        OSError: The file cannot be read, or the database cannot be written.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive, path)
            digests = _digests(archive, path)
            (name,) = digests.keys() - {_PLAN, _CARD}
            _check_texts(archive, digests, path)
            folder.mkdir(parents=True, exist_ok=True)
            return _unpack(archive, name, digests[name], folder)
    except (zipfile.BadZipFile, EOFError, KeyError, ValueError, NotImplementedError) as error:
        raise BuildError(f"{path.name} is not a publication: {error}") from error


def _check_members(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse members that are compressed or encrypted, or claim more bytes than the archive has."""
    members = archive.infolist()
    packed = any(one.compress_type != zipfile.ZIP_STORED or one.flag_bits & 1 for one in members)
    if packed or sum(one.file_size for one in members) > path.stat().st_size:
        raise BuildError(f"{path.name} is not a publication: its members are compressed")


def _digests(archive: zipfile.ZipFile, path: Path) -> dict[str, str]:
    """Return the digests by member, if the members are those of a publication."""
    lines = _text(archive, _DIGESTS).splitlines()
    digests = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    databases = [name for name in digests if _DATABASE.fullmatch(name)]
    wanted = {_PLAN, _CARD, *databases}
    if len(databases) != 1 or set(digests) != wanted:
        raise BuildError(f"{path.name} is not a publication: it lists {shown(sorted(digests))}")
    if not all(map(_DIGEST.fullmatch, digests.values())):  # a digest becomes part of a file name
        raise BuildError(f"{path.name} is not a publication: it has malformed digests")
    if {member.filename for member in archive.infolist()} != wanted | {_DIGESTS}:
        raise BuildError(f"{path.name} is not a publication: it contains other files")
    return digests


def _check_texts(archive: zipfile.ZipFile, digests: Mapping[str, str], path: Path) -> None:
    for name in (_PLAN, _CARD):
        if hashlib.sha256(_text(archive, name).encode()).hexdigest() != digests[name]:
            raise BuildError(f"{path.name} is damaged: {name} has another digest")


def _text(archive: zipfile.ZipFile, name: str) -> str:
    with archive.open(name) as member:
        data = member.read(_MOST_TEXT + 1)
    if len(data) > _MOST_TEXT:
        raise ValueError(f"{name} is too large")
    return data.decode()


def _unpack(archive: zipfile.ZipFile, name: str, digest: str, folder: Path) -> Provenance:
    """Write the database into a hidden folder, verify it there, and move it to its path."""
    unchecked = folder / f".{digest[:16]}"
    unchecked.mkdir(exist_ok=True)
    found = hashlib.sha256()
    try:
        with archive.open(name) as source, (unchecked / name).open("wb") as target:
            while piece := source.read(_CHUNK):
                found.update(piece)
                target.write(piece)
        if found.hexdigest() != digest:
            raise BuildError(f"{name} in the publication has another digest than is stated")
        provenance = verify_database(unchecked / name)
        if not provenance.is_of_a_plan or name != f"{provenance.benchmark}.db":
            raise BuildError(f"{name} is not the table of a plan of this name")
        if is_of_another_plan(folder / name, provenance.contents["plan"]):
            raise BuildError(f"{folder / name} is another table: read this one elsewhere")
        (unchecked / name).replace(folder / name)
    finally:
        shutil.rmtree(unchecked, ignore_errors=True)
    return provenance


def _trainer(protocol: Mapping[str, Any]) -> list[str]:
    trainer = protocol.get("trainer")
    if trainer is None:
        return []
    about = f"{trainer['name']} of {trainer['package']} {trainer['version']}"
    options = json.dumps(trainer.get("options", {}))
    return [f"- Trainer: {about}, SHA-256 `{trainer['sha256']}`, options `{options}`"]


def _card(plan: Mapping[str, Any], provenance: Provenance) -> str:
    content, cells = plan["plan"], provenance.contents["cells"]
    protocol = content["protocol"]
    lines = [
        f"# {content['title']}",
        "",
        (
            f"{cells['there']} of {cells['expected']} cells; {cells['diverged']} diverged, "
            f"{cells['failed']} failed, {cells['withdrawn']} results were withdrawn."
        ),
        "",
        f"- Space: {content['space']['name']}, `{json.dumps(content['space']['arguments'])}`",
        (
            f"- Data: {content['data']['name']}, SHA-256 `{plan['data_sha256']}`, licence "
            f"{content['data']['licence']}"
        ),
        f"- Split: `{json.dumps(content['data']['split'])}`",
        (
            f"- Budgets: {', '.join(map(str, protocol['epochs']))} epochs; seeds "
            f"{', '.join(map(str, protocol['seeds']))}"
        ),
        f"- Recipe: `{json.dumps(protocol['recipe'])}`",
        *_trainer(protocol),
        f"- Devices: {', '.join(provenance.contents['devices'])}",
        f"- Plan: `{plan['digest']}`",
        f"- Content: `{provenance.content_digest}`",
        f"- Licence: {content['licence']}",
        f"- Citation: {content['citation']}",
        "",
        "Read it with `nbs generate FILE.nbs`, prove it with `nbs verify`.",
    ]
    noise = provenance.contents.get("noise")
    if noise is not None:
        lines.append(
            f"- Noise: {noise['cells']} cells were trained twice, {noise['other_worker']} of them "
            f"by another worker; one training has a standard deviation of {noise['std']:.3g} "
            f"percentage points of validation accuracy, the largest difference is "
            f"{noise['largest']:.3g}"
        )
    lines += [f"- Warning: {one}" for one in provenance.contents["warnings"]]
    return "\n".join(lines) + "\n"
