"""What a sync reads of a template stops and resumes campaigns as Meta's webhooks do."""

from collections.abc import Iterator

import httpx
import pytest

from core.settings import Settings
from sandbox.app import create_app as create_sandbox
from sandbox.templates import Template
from tests.api.conftest import Account
from tests.api.test_sync import Admin
from tests.api.test_sync import world as templates_at_meta
from tests.support.sandboxes import serving

HALTS = "select distinct language, status, halted_reason from app.templates order by language"
OPEN = (
    "select a.kind, t.language from app.alerts as a inner join app.templates as t"
    " on a.subject in (t.template_id::text, t.meta_template_id)"
    " where a.closed_at is null order by a.kind, t.language"
)
FREE = [("en_US", "APPROVED", None), ("pt_BR", "APPROVED", None)]


@pytest.fixture
def meta() -> Iterator[str]:
    """A sandbox with one template in two languages."""
    with serving(create_sandbox(templates_at_meta(1))) as url:
        yield url


@pytest.fixture
def settings(database: Settings, meta: str) -> Settings:
    return database.model_copy(update={"meta_base_url": meta})


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What Meta says of the template in Portuguese, beside what the sandbox knows of it."""
    described = Template.describe
    says: dict[str, object] = {}

    def describe(template: Template) -> dict[str, object]:
        found = dict(described(template))
        return {**found, **says} if found["language"] == "pt_BR" else found

    monkeypatch.setattr(Template, "describe", describe)
    return says


async def sync(api: httpx.AsyncClient) -> dict[str, int]:
    answer = await api.post("/v1/templates/sync")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.mark.parametrize("status", ["PAUSED", "DISABLED", "PENDING", "PENDING_DELETION"])
async def test_a_sync_halts_what_meta_stopped_and_frees_what_it_approves_again(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, said: dict[str, object], status: str
) -> None:
    await sync(api)
    assert admin.execute(HALTS).fetchall() == FREE
    said["status"] = status
    assert (await sync(api))["changed"] == 1
    assert admin.execute(HALTS).fetchall() == [FREE[0], ("pt_BR", status, f"Meta: {status}")]
    assert admin.execute(OPEN).fetchall() == [("template_halted", "pt_BR")]
    assert (await sync(api))["changed"] == 0
    assert admin.execute("select occurrences from app.alerts").fetchall() == [(1,)]
    said.clear()
    await sync(api)
    assert admin.execute(HALTS).fetchall() == FREE
    assert admin.execute(OPEN).fetchall() == []


async def test_a_template_that_vanished_is_halted_with_an_alert(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    await sync(api)
    admin.execute("update app.templates set name = 'gone', meta_template_id = '1'")
    assert (await sync(api))["deleted"] == 2
    gone = "select distinct status, halted_reason from app.templates where name = 'gone'"
    assert admin.execute(gone).fetchall() == [("DELETED", "Meta: DELETED")]
    alerts = admin.execute("select kind, detail from app.alerts where closed_at is null")
    assert alerts.fetchall() == [("template_halted", "DELETED")]


async def test_what_meta_lists_and_we_cannot_use_is_not_gone(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, said: dict[str, object]
) -> None:
    await sync(api)
    said["category"] = "SOMETHING_NEW"
    found = await sync(api)
    assert (found["skipped"], found["deleted"]) == (1, 0)
    assert admin.execute(HALTS).fetchall() == FREE


async def test_a_template_approved_all_along_keeps_the_halt_of_an_error(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    await sync(api)
    admin.execute("update app.templates set halted_reason = '132007 content_policy'")
    await sync(api)
    halted = admin.execute("select distinct halted_reason from app.templates").fetchall()
    assert halted == [("132007 content_policy",)]


async def test_a_sync_does_not_undo_what_a_webhook_said_after_it_began(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, said: dict[str, object]
) -> None:
    await sync(api)
    admin.execute("update app.templates set status_noticed_at = now() + interval '1 minute'")
    said["status"] = "PAUSED"
    await sync(api)
    assert admin.execute(HALTS).fetchall() == FREE


async def test_a_template_new_to_us_is_halted_quietly_until_it_is_approved(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, said: dict[str, object]
) -> None:
    said["status"] = "REJECTED"
    await sync(api)
    await sync(api)
    assert admin.execute(HALTS).fetchall() == [FREE[0], ("pt_BR", "REJECTED", "Meta: REJECTED")]
    assert admin.execute(OPEN).fetchall() == []
    said.clear()
    await sync(api)
    assert admin.execute(HALTS).fetchall() == FREE


async def test_a_sync_that_finds_a_red_template_opens_the_alert_of_the_webhook(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, said: dict[str, object]
) -> None:
    await sync(api)
    said["quality_score"] = {"score": "RED"}
    assert (await sync(api))["changed"] == 1
    assert admin.execute(OPEN).fetchall() == [("template_quality", "pt_BR")]
    said.clear()
    await sync(api)
    assert admin.execute(OPEN).fetchall() == []
