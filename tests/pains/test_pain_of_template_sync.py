"""Pain 12, its first half: templates that were never synced, found out at send.

docs/known-pains.md says what makes it impossible here.
"""

from collections.abc import Iterator

import httpx
import pytest

from core.settings import Settings
from sandbox.app import create_app as create_sandbox
from tests.api.test_sync import world as templates_at_meta
from tests.support.sandboxes import serving


@pytest.fixture
def meta() -> Iterator[str]:
    """A sandbox with 130 templates in two languages each: three pages."""
    with serving(create_sandbox(templates_at_meta(65))) as url:
        yield url


@pytest.fixture
def settings(database: Settings, meta: str) -> Settings:
    return database.model_copy(update={"meta_base_url": meta})


async def test_pain_12_every_page_and_every_language_of_templates_is_synced(
    api: httpx.AsyncClient,
) -> None:
    assert (await api.post("/v1/templates/sync")).json()["templates"] == 130
    last = (await api.get("/v1/templates", params={"name": "offer_64"})).json()["items"]
    assert {item["language"] for item in last} == {"pt_BR", "en_US"}
    assert all(item["status"] == "APPROVED" for item in last)
