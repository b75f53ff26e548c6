"""Questions to the lake's own files, answered by DuckDB."""

from datetime import date

from core.settings import Settings
from orchestration.lake import codes, files


def count_unlisted(settings: Settings, *, day: date) -> dict[str, int]:
    """Events of a day whose word had no number, by coded column."""
    import duckdb

    lake = files.lake_folder(settings.lake_url)
    manifest = files.read_manifest(lake, day)
    paths = [str(path) for path in files.paths_of(lake, [manifest])] if manifest else []
    if not paths:
        return dict.fromkeys(codes.CODED_COLUMNS, 0)
    with duckdb.connect() as engine:
        events = engine.read_parquet(paths)
        return {
            column: events.filter(f"{column} = {codes.UNLISTED}").shape[0]
            for column in codes.CODED_COLUMNS
        }
