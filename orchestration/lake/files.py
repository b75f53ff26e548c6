"""Where the lake's files are and how they get there: aside, fsynced, renamed, named in a manifest.

    <lake>/message_events/v=1/ingest_date=2026-11-23/manifest.json
    <lake>/message_events/v=1/ingest_date=2026-11-23/bucket=00/part-<digest>.parquet
    <lake>/_staging/<run>/...

Readers go by the manifest, never by a glob: what it doesn't name does not exist.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from core.errors import ConfigurationError, InvariantBroken

TABLE = "message_events"
LAYOUT_VERSION = 1
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LakeFile:
    """One Parquet file; `path` is relative to the folder of its day."""

    path: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DayManifest:
    """What the lake holds of one ingest day; `sha256` is over its files' digests in order."""

    table: str
    ingest_date: date
    schema_version: int
    run_id: str
    rows: int
    min_event_id: int | None
    max_event_id: int | None
    horizon: str
    closed: bool
    sha256: str
    files: tuple[LakeFile, ...]

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(file.bytes for file in self.files)


def lake_folder(lake_url: str) -> Path:
    """The lake's folder. Raises ConfigurationError for object stores, which come with step 5."""
    if "://" in lake_url and not lake_url.startswith("file://"):
        raise ConfigurationError("CARTEIRO_LAKE_URL must be a folder: object stores are not built")
    return Path(lake_url.removeprefix("file://"))


def day_folder(lake: Path, ingest_date: date) -> Path:
    """The folder of one ingest day."""
    return lake / TABLE / f"v={LAYOUT_VERSION}" / f"ingest_date={ingest_date.isoformat()}"


@contextmanager
def staging(lake: Path, run_id: str) -> Iterator[Path]:
    """A folder on the lake's own file system for what is not finished; emptied at the end."""
    folder = lake / "_staging" / run_id
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def place(staged: Path, day: Path, *, rows: int) -> LakeFile:
    """Move a finished file into its day under a name made of its content."""
    digest = sha256_of(staged)
    target = day / "bucket=00" / f"part-{digest[:16]}.parquet"
    target.parent.mkdir(parents=True, exist_ok=True)
    _sync(staged)
    staged.replace(target)
    _sync(target.parent)
    return LakeFile(
        path=str(target.relative_to(day)), rows=rows, bytes=target.stat().st_size, sha256=digest
    )


def write_manifest(lake: Path, manifest: DayManifest) -> None:
    """Publish a day: from this rename on readers see the new files and only those."""
    day = day_folder(lake, manifest.ingest_date)
    day.mkdir(parents=True, exist_ok=True)
    before = read_manifest(lake, manifest.ingest_date)
    fresh = day / f".manifest-{manifest.run_id}.json"
    fresh.write_text(json.dumps(asdict(manifest), default=str, indent=2) + "\n", encoding="utf-8")
    _sync(fresh)
    fresh.replace(day / "manifest.json")
    _sync(day)
    if before is not None:
        _drop_superseded(day, before, manifest)


def _drop_superseded(day: Path, before: DayManifest, now: DayManifest) -> None:
    """Remove files two manifests old; those of the last one may still be read by somebody."""
    wanted = {file.path for file in (*before.files, *now.files)}
    for path in day.glob("bucket=*/part-*.parquet"):
        if str(path.relative_to(day)) not in wanted:
            path.unlink(missing_ok=True)


def read_manifest(lake: Path, ingest_date: date) -> DayManifest | None:
    """The manifest of a day, None when the lake has nothing of it."""
    path = day_folder(lake, ingest_date) / "manifest.json"
    if not path.exists():
        return None
    stored = json.loads(path.read_text(encoding="utf-8"))
    files = tuple(LakeFile(**file) for file in stored.pop("files"))
    day = date.fromisoformat(stored.pop("ingest_date"))
    return DayManifest(ingest_date=day, files=files, **stored)


def list_manifests(lake: Path) -> list[DayManifest]:
    """Every day the lake holds, oldest first."""
    found = [
        read_manifest(lake, date.fromisoformat(folder.name.removeprefix("ingest_date=")))
        for folder in sorted((lake / TABLE / f"v={LAYOUT_VERSION}").glob("ingest_date=*"))
    ]
    return [manifest for manifest in found if manifest is not None]


def paths_of(lake: Path, manifests: list[DayManifest]) -> list[Path]:
    """The files of these days. Raises InvariantBroken when one is missing or has another size."""
    paths = []
    for manifest in manifests:
        day = day_folder(lake, manifest.ingest_date)
        for file in manifest.files:
            path = day / file.path
            if not path.exists() or path.stat().st_size != file.bytes:
                raise InvariantBroken(
                    f"the lake's manifest of {manifest.ingest_date} names {file.path}, which is "
                    "missing or has another size; extract the day again"
                )
            paths.append(path)
    return paths


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
