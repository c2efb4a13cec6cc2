"""Take a library of the pages from the tarball that `npm pack NAME@VERSION` has written.

    npm pack uplot@1.6.32
    python docs/update_vendored.py uplot uplot-1.6.32.tgz

Writes its files into service/pages/vendored and their version and SHA-256 into the manifest there,
which tests/pages/test_shells.py compares with them.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tarfile
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parents[1] / "service/pages/vendored"


def main(name: str, tarball: Path, folder: Path) -> None:
    """Replace the files of one library."""
    manifest_path = folder / "manifest.json"
    manifest = json.loads(manifest_path.read_text())
    library = manifest[name]
    with tarfile.open(tarball) as packed:

        def content(member: str) -> bytes:
            file = packed.extractfile(member)
            if file is None:
                raise SystemExit(f"{member} is no file")
            return file.read()

        described = json.loads(content("package/package.json"))
        library["version"], library["licence"] = described["version"], described["license"]
        for file, entry in library["files"].items():
            taken = content(entry["from"])
            (folder / file).write_bytes(taken)
            entry["sha256"] = hashlib.sha256(taken).hexdigest()
    manifest_path.write_text(json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), FOLDER)
