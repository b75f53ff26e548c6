"""The manifest beside each export: what the file is, how to know it is whole, how it was cut."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from core.errors import InvariantBroken
from exports.storage import sha256_of

MANIFEST_NAME = "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One file of one dataset of one tenant. `columns` are [name, type] in file order.

    `created_at` is ISO 8601 in UTC; `snapshot` names the published run the rows come from. Only
    these two differ between two exports of the same numbers.
    """

    tenant_id: str
    export_id: str
    dataset: str
    schema_version: int
    format: str
    file: str
    rows: int
    bytes: int
    sha256: str
    columns: tuple[tuple[str, str], ...]
    filters: Mapping[str, str]
    snapshot: Mapping[str, str]
    created_at: str


def write_manifest(folder: Path, manifest: Manifest) -> Path:
    """Write the manifest of a finished file into its folder."""
    path = folder / MANIFEST_NAME
    text = json.dumps(asdict(manifest), indent=2, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an export's folder."""
    stored = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
    stored["columns"] = tuple((name, kind) for name, kind in stored["columns"])
    return Manifest(**stored)


def verify(folder: Path) -> Manifest:
    """The manifest, after its file was found whole. Raises InvariantBroken when it is not."""
    manifest = read_manifest(folder)
    path = folder / manifest.file
    if not path.exists() or path.stat().st_size != manifest.bytes:
        raise InvariantBroken(f"export {manifest.export_id}: the file is missing or cut")
    if sha256_of(path) != manifest.sha256:
        raise InvariantBroken(f"export {manifest.export_id}: the file is not what was written")
    return manifest
