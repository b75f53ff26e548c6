"""One data path for the tests of this folder: databases, a lake folder, three tenants."""

from datetime import date
from pathlib import Path

import pytest

from core.settings import Settings
from core.store.warehouse import prepare_warehouse
from tests.support.events import World, make_worlds

DAY = date(2026, 11, 20)


@pytest.fixture
def settings(data_databases: Settings, tmp_path: Path) -> Settings:
    """Settings with all three databases and an empty lake of their own."""
    prepare_warehouse(data_databases)
    return data_databases.model_copy(
        update={"home": tmp_path, "lake_url": str(tmp_path / "lake"), "exports_dir": tmp_path / "x"}
    )


@pytest.fixture
def worlds(settings: Settings) -> list[World]:
    """Three tenants in Sao Paulo, Lisbon and Kolkata."""
    return make_worlds(settings)
