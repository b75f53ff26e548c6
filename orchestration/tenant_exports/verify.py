"""Reads back what was written for tenants."""

import psycopg

from core.dsn import DatabaseRole
from core.errors import InvariantBroken
from core.settings import Settings
from core.store.queries import load
from exports.manifest import verify
from exports.write import export_folder


def verify_exports(settings: Settings) -> list[tuple[str, str]]:
    """Problems of today's exports: failed ones, and ready ones whose file is not the manifest's."""
    with psycopg.connect(settings.dsn(DatabaseRole.DATA)) as connection:
        rows = connection.execute(load("export_datasets").list_finished_today).fetchall()
    problems = []
    for tenant_id, export_id, status, sha256, failure in rows:
        name = str(export_id)
        if status == "failed":
            problems.append((name, str(failure)))
            continue
        try:
            manifest = verify(export_folder(settings, tenant_id, export_id))
        except (InvariantBroken, OSError) as error:
            problems.append((name, f"{type(error).__name__}: {error}"))
            continue
        if manifest.sha256 != sha256:
            problems.append((name, "the row and the manifest name different files"))
    return problems
