"""Templates and numbers are taken over from the Cloud API, here the sandbox over real HTTP."""

from collections.abc import Iterator

import httpx
import psycopg
import pytest

from core.settings import Settings
from sandbox.app import create_app as create_sandbox
from sandbox.config import SandboxConfig
from sandbox.templates import Template
from tests.api.conftest import Account
from tests.support.sandboxes import serving
from tests.support.settings import APP_SECRET, VERIFY_TOKEN

Admin = psycopg.Connection[tuple[object, ...]]
WABA_ID = "101000000000001"


def world(count: int, text: str = "Hello {{1}}") -> SandboxConfig:
    templates = [
        {
            "name": f"offer_{n}",
            "language": language,
            "category": "MARKETING",
            "components": [{"type": "BODY", "text": text}],
        }
        for n in range(count)
        for language in ("pt_BR", "en_US")
    ]
    return SandboxConfig.model_validate(
        {
            "seed": 1,
            "app_secret": APP_SECRET,
            "verify_token": VERIFY_TOKEN,
            "tokens": [{"token": "EAAtoken1", "waba_ids": [WABA_ID]}],
            "wabas": [
                {
                    "id": WABA_ID,
                    "name": "A",
                    "currency": "BRL",
                    "timezone": "America/Sao_Paulo",
                    "portfolio_id": "901000000000001",
                    "numbers": [
                        {
                            "id": "201000000000001",
                            "display_phone_number": "+55 11 97777-0001",
                            "verified_name": "A",
                            "throughput_mps": 1000,
                        }
                    ],
                    "templates": templates,
                }
            ],
        }
    )


@pytest.fixture
def meta() -> Iterator[str]:
    """A sandbox with 240 templates: more than two pages."""
    with serving(create_sandbox(world(120))) as url:
        yield url


@pytest.fixture
def settings(database: Settings, meta: str) -> Settings:
    return database.model_copy(update={"meta_base_url": meta})


async def test_all_templates_of_all_pages_and_languages_are_taken_over(
    api: httpx.AsyncClient,
) -> None:
    first = (await api.post("/v1/templates/sync")).json()
    assert (first["templates"], first["created"], first["changed"]) == (240, 240, 0)
    again = (await api.post("/v1/templates/sync")).json()
    assert (again["templates"], again["created"], again["changed"]) == (240, 0, 0)
    found = await api.get("/v1/templates", params={"name": "offer_7", "state": "APPROVED"})
    assert {item["language"] for item in found.json()["items"]} == {"pt_BR", "en_US"}
    one = await api.get(f"/v1/templates/{found.json()['items'][0]['template_id']}")
    assert (one.json()["parameters"], one.json()["unsupported"]) == (["1"], [])


async def test_a_template_that_is_gone_at_meta_is_kept_and_marked(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    await api.post("/v1/templates/sync")
    admin.execute("update app.templates set name = 'vanished' where name = 'offer_7'")
    again = (await api.post("/v1/templates/sync")).json()
    assert (again["created"], again["deleted"]) == (2, 2)
    gone = (await api.get("/v1/templates", params={"name": "vanished"})).json()["items"]
    assert {item["status"] for item in gone} == {"DELETED"}


async def test_numbers_are_taken_over_with_their_rate(api: httpx.AsyncClient) -> None:
    synced = (await api.post("/v1/numbers/sync")).json()
    assert synced == {"accounts": 1, "numbers": 1, "created": 0}
    [number] = (await api.get("/v1/numbers")).json()["items"]
    assert (number["throughput_per_second"], number["quality"]) == (1000, "GREEN")


async def test_a_token_that_meta_refuses_is_told_and_writes_nothing(
    api: httpx.AsyncClient, operator: psycopg.Connection[tuple[object, ...]], tenant: Account
) -> None:
    from core.store.accounts import seal_token

    operator.execute(
        "update app.whatsapp_accounts set access_token_encrypted = %s",
        (seal_token(tenant.tenant_id, "EAAwrong"),),
    )
    answer = await api.post("/v1/templates/sync")
    assert (answer.status_code, answer.json()["code"]) == (502, "meta-error")
    assert "EAA" not in answer.text
    assert (await api.get("/v1/templates")).json()["items"] == []


async def test_the_stored_token_opens_for_its_tenant_only(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, other: Account
) -> None:
    """A sealed token copied into another tenant's row is worth nothing there."""
    admin.execute(
        "update app.whatsapp_accounts set access_token_encrypted = (select access_token_encrypted "
        "from app.whatsapp_accounts where tenant_id = %s) where tenant_id = %s",
        (other.tenant_id, tenant.tenant_id),
    )
    answer = await api.post("/v1/templates/sync")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal-error")


async def test_a_sync_takes_over_how_long_meta_tries_to_deliver(
    api: httpx.AsyncClient, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = Template.describe
    said: dict[str, object] = {"pt_BR": 3600, "en_US": -1}

    def describe(template: Template) -> dict[str, object]:
        found = dict(described(template))
        return {**found, "message_send_ttl_seconds": said.get(str(found["language"]))}

    monkeypatch.setattr(Template, "describe", describe)
    times = (
        "select distinct language, message_send_ttl_seconds from app.templates"
        " order by language desc"
    )
    await api.post("/v1/templates/sync")
    assert admin.execute(times).fetchall() == [("pt_BR", 3600), ("en_US", -1)]
    said.update(pt_BR=0, en_US="60")
    await api.post("/v1/templates/sync")
    assert admin.execute(times).fetchall() == [("pt_BR", None), ("en_US", None)]


async def test_a_category_that_changed_until_a_sync_marks_the_prices_made_of_the_old_one(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    await api.post("/v1/templates/sync")
    found = (await api.get("/v1/templates", params={"name": "offer_7"})).json()["items"]
    changed, same = (item["template_id"] for item in found)
    list_id = (await api.post("/v1/lists", json={"name": "news"})).json()["list_id"]
    made = {}
    for template_id in (changed, same):
        wanted = {
            "name": "Offer",
            "phone_number_id": tenant.phone_number_id,
            "template_id": template_id,
            "list_id": list_id,
            "parameters": {"1": {"attribute": "name"}},
        }
        made[template_id] = (await api.post("/v1/campaigns", json=wanted)).json()["campaign_id"]
    admin.execute("update app.campaigns set status = 'planned', plan = '{}', plan_hash = 'h'")
    # What we knew until now; Meta says marketing.
    admin.execute(
        "update app.templates set category = 'utility' where template_id = %s", (changed,)
    )
    await api.post("/v1/templates/sync")
    stale = "select campaign_id::text from app.campaigns where price_stale_at is not null"
    assert admin.execute(stale).fetchall() == [(made[changed],)]
