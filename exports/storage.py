"""Where export files are: a folder a tenant, each file put in place by one rename."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

_BLOCK = 1 << 20


@contextmanager
def assembling(exports_dir: Path, tenant_id: UUID, export_id: UUID) -> Iterator[Path]:
    """A folder that becomes the export's own in one rename, and vanishes when anything fails.

    An export that exists is replaced; its readers keep the file they have opened.
    """
    tenant = exports_dir / str(tenant_id)
    fresh = tenant / f".{export_id}-{os.getpid()}"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True, mode=0o700)
    try:
        yield fresh
        for path in fresh.iterdir():
            _sync(path)
        _sync(fresh)
        _replace(tenant / str(export_id), fresh)
        _sync(tenant)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _replace(target: Path, fresh: Path) -> None:
    """Put `fresh` at `target`; a folder cannot be renamed over one that has files."""
    retired = target.with_name(f".{target.name}-retired")
    shutil.rmtree(retired, ignore_errors=True)
    if target.exists():
        target.rename(retired)
    fresh.rename(target)
    shutil.rmtree(retired, ignore_errors=True)


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
