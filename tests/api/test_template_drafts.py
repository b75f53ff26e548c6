"""Templates written here, handed in to Meta's sandbox over real HTTP, edited, deleted."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.types.json import Jsonb

from core.domain.ids import new_id
from core.errors import MetaUnreachable
from core.settings import Settings
from core.whatsapp.template_calls import TemplateCalls
from sandbox.app import SandboxApp
from sandbox.app import create_app as create_sandbox
from tests.api.conftest import Account
from tests.api.test_campaigns import make_campaign
from tests.api.test_sync import world
from tests.support.sandboxes import serving

Admin = psycopg.Connection[tuple[object, ...]]
BODY = {
    "type": "BODY",
    "text": "Olá {{1}}, a sua encomenda {{2}} chegou à loja.",
    "example": {"body_text": [["Ana", "4711"]]},
}


def draft(account: Account, **changes: Any) -> dict[str, Any]:
    wanted = {
        "waba_id": account.waba_id,
        "name": "order_arrived",
        "language": "pt_BR",
        "category": "utility",
        "components": [
            {"type": "HEADER", "format": "TEXT", "text": "Encomenda"},
            BODY,
            {"type": "FOOTER", "text": "Responda SAIR para sair"},
            {
                "type": "BUTTONS",
                "buttons": [
                    {
                        "type": "URL",
                        "text": "Ver",
                        "url": "https://shop.example.com/{{1}}",
                        "example": ["https://shop.example.com/4711"],
                    }
                ],
            },
        ],
    }
    return wanted | changes


@pytest.fixture
def sandbox() -> SandboxApp:
    return create_sandbox(world(0))


@pytest.fixture
def meta(sandbox: SandboxApp) -> Iterator[str]:
    with serving(sandbox) as url:
        yield url


@pytest.fixture
def settings(database: Settings, meta: str) -> Settings:
    return database.model_copy(update={"meta_base_url": meta})


async def written(api: httpx.AsyncClient, account: Account, **changes: Any) -> dict[str, Any]:
    answer = await api.post("/v1/templates", json=draft(account, **changes))
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def approved(api: httpx.AsyncClient, account: Account, **changes: Any) -> dict[str, Any]:
    """A template that Meta has reviewed."""
    made = await written(api, account, **changes)
    url = f"/v1/templates/{made['template_id']}"
    assert (await api.post(f"{url}/submit")).status_code == 200
    return await until(api, url, "APPROVED")


async def until(api: httpx.AsyncClient, url: str, status: str) -> dict[str, Any]:
    for _ in range(100):
        await api.post("/v1/templates/sync")
        found: dict[str, Any] = (await api.get(url)).json()
        if found["status"] == status:
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"{url} never became {status}: {found['status']}")


async def test_a_draft_goes_to_meta_and_comes_back_approved(
    api: httpx.AsyncClient, tenant: Account
) -> None:
    made = await written(api, tenant)
    assert (made["status"], made["has_draft"], made["meta_template_id"]) == ("DRAFT", True, "")
    url = f"/v1/templates/{made['template_id']}"
    sent = await api.post(f"{url}/submit")
    assert sent.status_code == 200, sent.text
    assert (sent.json()["status"], sent.json()["has_draft"]) == ("PENDING", False)
    assert sent.json()["meta_template_id"] != ""
    found = await until(api, url, "APPROVED")
    assert found["version_hash"] == made["version_hash"]
    assert found["parameters"] == ["1", "2", "button.0"]


async def test_a_sync_leaves_drafts_alone(api: httpx.AsyncClient, tenant: Account) -> None:
    made = await written(api, tenant)
    synced = (await api.post("/v1/templates/sync")).json()
    assert (synced["templates"], synced["deleted"]) == (0, 0)
    found = (await api.get(f"/v1/templates/{made['template_id']}")).json()
    assert (found["status"], found["draft"]["category"]) == ("DRAFT", "utility")
    listed = (await api.get("/v1/templates", params={"state": "DRAFT"})).json()["items"]
    assert [item["template_id"] for item in listed] == [made["template_id"]]


async def test_whatever_meta_would_refuse_is_named_at_once(
    api: httpx.AsyncClient, tenant: Account
) -> None:
    parts = [
        {"type": "BODY", "text": "{{1}} chegou {{3}}"},
        {"type": "FOOTER", "text": "até {{1}}"},
    ]
    wanted = draft(tenant, components=parts, language="xx", message_send_ttl_seconds=5)
    answer = await api.post("/v1/templates", json=wanted)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")
    found = {(error["pointer"], error["code"]) for error in answer.json()["errors"]}
    assert found >= {
        ("/language", "template-language"),
        ("/message_send_ttl_seconds", "time-to-live"),
        ("/components/0/text", "variable-numbers"),
        ("/components/0/text", "variable-at-an-end"),
        ("/components/0/example", "no-example"),
        ("/components/1/text", "too-many-variables"),
    }
    assert (await api.get("/v1/templates")).json()["items"] == []


async def test_an_account_has_one_template_of_a_name_and_language(
    api: httpx.AsyncClient, tenant: Account
) -> None:
    await written(api, tenant)
    again = await api.post("/v1/templates", json=draft(tenant))
    assert (again.status_code, again.json()["code"]) == (409, "template-exists")
    assert (await api.post("/v1/templates", json=draft(tenant, language="en_US"))).is_success


async def test_an_edit_waits_as_a_draft_until_it_is_submitted(
    api: httpx.AsyncClient, tenant: Account
) -> None:
    before = await approved(api, tenant)
    url = f"/v1/templates/{before['template_id']}"
    other = [BODY | {"text": "Oi {{1}}, a encomenda {{2}} chegou hoje."}]
    edited = (await api.patch(url, json={"components": other})).json()
    assert (edited["status"], edited["version_hash"]) == ("APPROVED", before["version_hash"])
    assert edited["draft"]["components"] == other
    wrong = await api.patch(url, json={"category": "marketing"})
    assert (wrong.status_code, wrong.json()["code"]) == (409, "template-state")
    assert wrong.json()["status_now"] == "APPROVED"
    sent = (await api.post(f"{url}/submit")).json()
    assert (sent["status"], sent["has_draft"]) == ("PENDING", False)
    found = await until(api, url, "APPROVED")
    assert found["components"] == other
    assert found["version_hash"] not in {before["version_hash"], ""}


async def test_a_discarded_draft_leaves_what_meta_has(
    api: httpx.AsyncClient, tenant: Account
) -> None:
    before = await approved(api, tenant)
    url = f"/v1/templates/{before['template_id']}"
    await api.patch(url, json={"components": [BODY]})
    after = (await api.patch(url, json={"discard_draft": True})).json()
    assert (after["has_draft"], after["components"]) == (False, before["components"])
    nothing = await api.post(f"{url}/submit")
    assert (nothing.status_code, nothing.json()["code"]) == (409, "template-state")


async def test_what_meta_answers_to_a_crashed_submission_is_found_by_a_sync(
    api: httpx.AsyncClient, tenant: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meta took it, and the process died before it wrote so."""
    made = await written(api, tenant)
    url = f"/v1/templates/{made['template_id']}"
    call = TemplateCalls.create_template

    async def dies(self: TemplateCalls, waba_id: str, body: dict[str, object]) -> object:
        await call(self, waba_id, body)
        raise SystemError("killed")

    monkeypatch.setattr(TemplateCalls, "create_template", dies)
    assert (await api.post(f"{url}/submit")).status_code == 500
    monkeypatch.undo()
    between = (await api.get(url)).json()
    assert (between["status"], between["has_draft"]) == ("DRAFT", True)
    assert between["submitted_at"] is not None
    busy = await api.post(f"{url}/submit")
    assert (busy.status_code, busy.json()["code"]) == (409, "template-state")
    found = await until(api, url, "APPROVED")
    assert (found["has_draft"], found["submitted_at"]) == (False, None)
    assert found["meta_template_id"] != ""
    assert len((await api.get("/v1/templates")).json()["items"]) == 1


async def test_an_edit_that_meta_took_before_a_crash_is_no_draft_after_a_sync(
    api: httpx.AsyncClient, tenant: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await approved(api, tenant)
    url = f"/v1/templates/{before['template_id']}"
    other = [BODY | {"text": "Oi {{1}}, a encomenda {{2}} chegou hoje."}]
    await api.patch(url, json={"components": other})
    call = TemplateCalls.edit_template

    async def dies(self: TemplateCalls, meta_template_id: str, body: dict[str, object]) -> None:
        await call(self, meta_template_id, body)
        raise SystemError("killed")

    monkeypatch.setattr(TemplateCalls, "edit_template", dies)
    assert (await api.post(f"{url}/submit")).status_code == 500
    monkeypatch.undo()
    await api.post("/v1/templates/sync")
    found = (await api.get(url)).json()
    assert (found["has_draft"], found["components"]) == (False, other)


async def test_a_submission_that_never_reached_meta_is_done_again_when_its_time_is_over(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await written(api, tenant)
    url = f"/v1/templates/{made['template_id']}"

    async def silent(self: TemplateCalls, waba_id: str, body: dict[str, object]) -> object:
        raise MetaUnreachable("no answer", before_bytes=False)

    monkeypatch.setattr(TemplateCalls, "create_template", silent)
    lost = await api.post(f"{url}/submit")
    assert (lost.status_code, lost.json()["code"]) == (502, "meta-unreachable")
    monkeypatch.undo()
    await api.post("/v1/templates/sync")
    assert (await api.post(f"{url}/submit")).json()["code"] == "template-state"
    admin.execute("update app.templates set submitted_at = now() - interval '2 minutes'")
    assert (await api.post(f"{url}/submit")).json()["status"] == "PENDING"


async def test_a_webhook_that_comes_before_the_answer_keeps_its_word(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await written(api, tenant)
    url = f"/v1/templates/{made['template_id']}"
    call = TemplateCalls.create_template

    async def reviewed(self: TemplateCalls, waba_id: str, body: dict[str, object]) -> object:
        taken = await call(self, waba_id, body)
        admin.execute("update app.templates set status = 'APPROVED', status_noticed_at = now()")
        return taken

    monkeypatch.setattr(TemplateCalls, "create_template", reviewed)
    sent = (await api.post(f"{url}/submit")).json()
    assert (sent["status"], sent["has_draft"]) == ("APPROVED", False)
    assert sent["meta_template_id"] != ""


async def test_metas_refusal_is_told_and_the_draft_stays(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    await approved(api, tenant)
    admin.execute("update app.templates set name = 'renamed'")
    second = await written(api, tenant)
    url = f"/v1/templates/{second['template_id']}"
    answer = await api.post(f"{url}/submit")
    assert (answer.status_code, answer.json()["code"]) == (409, "template-exists")
    left = (await api.get(url)).json()
    assert (left["has_draft"], left["submitted_at"]) == (True, None)


async def test_a_draft_is_gone_when_it_is_deleted(api: httpx.AsyncClient, tenant: Account) -> None:
    made = await written(api, tenant)
    url = f"/v1/templates/{made['template_id']}"
    assert (await api.delete(url)).status_code == 204
    assert (await api.get(url)).status_code == 404
    assert (await api.delete(url)).status_code == 404


async def test_a_deleted_template_is_gone_at_meta_and_kept_here(
    api: httpx.AsyncClient, tenant: Account
) -> None:
    made = await approved(api, tenant)
    url = f"/v1/templates/{made['template_id']}"
    for _ in range(2):
        assert (await api.delete(url)).status_code == 204
    assert (await api.get(url)).json()["status"] == "DELETED"
    assert (await api.post("/v1/templates/sync")).json()["templates"] == 0
    # Meta keeps the name for 30 days.
    again = await written(api, tenant, name="order_arrived", language="en_US")
    assert (await api.post(f"/v1/templates/{again['template_id']}/submit")).is_success


async def test_a_deletion_that_meta_heard_before_a_crash_is_found_by_a_sync(
    api: httpx.AsyncClient, tenant: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await approved(api, tenant)
    url = f"/v1/templates/{made['template_id']}"
    call = TemplateCalls.delete_template

    async def dies(self: TemplateCalls, waba_id: str, **which: str) -> None:
        await call(self, waba_id, **which)
        raise SystemError("killed")

    monkeypatch.setattr(TemplateCalls, "delete_template", dies)
    assert (await api.delete(url)).status_code == 500
    monkeypatch.undo()
    assert (await api.get(url)).json()["status"] == "APPROVED"
    # Meta says that there is none; so it is deleted.
    assert (await api.delete(url)).status_code == 204
    assert (await api.get(url)).json()["status"] == "DELETED"


async def test_a_template_that_a_campaign_wants_is_not_deleted(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    campaign = await make_campaign(api, admin, tenant)
    url = f"/v1/templates/{campaign['template_id']}"
    refused = await api.delete(url)
    assert (refused.status_code, refused.json()["code"]) == (409, "template-in-use")
    other = await approved(api, tenant)
    experiment = {"variants": [{"name": "A", "template_id": other["template_id"]}]}
    admin.execute("update app.campaigns set experiment = %s", (Jsonb(experiment),))
    refused = await api.delete(f"/v1/templates/{other['template_id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "template-in-use")
    admin.execute("update app.campaigns set status = 'cancelled'")
    assert (await api.delete(f"/v1/templates/{other['template_id']}")).status_code == 204


async def test_a_preview_fills_in_what_is_there_and_names_what_is_missing(
    api: httpx.AsyncClient, tenant: Account
) -> None:
    made = await written(api, tenant)
    url = f"/v1/templates/{made['template_id']}/preview"
    half = (await api.post(url, json={"parameters": {"1": "Ana", "9": "x"}})).json()
    assert half["body"] == "Olá Ana, a sua encomenda {{2}} chegou à loja."
    assert (half["missing"], half["unknown"]) == (["2", "button.0"], ["9"])
    values = {"1": "Ana {{2}}", "2": "4711", "button.0": "4711"}
    whole = (await api.post(url, json={"parameters": values})).json()
    assert whole["body"] == "Olá Ana {{2}}, a sua encomenda 4711 chegou à loja."
    assert (whole["missing"], whole["fault"], whole["language"]) == ([], None, "pt_BR")
    assert whole["buttons"] == [
        {"type": "URL", "text": "Ver", "value": "https://shop.example.com/4711"}
    ]
    long = (await api.post(url, json={"parameters": values | {"2": "x" * 1020}})).json()
    assert long["fault"] == "the body is longer than the 1024 characters Meta allows"


async def test_a_draft_of_another_tenants_account_is_refused(
    api: httpx.AsyncClient, tenant: Account, other: Account
) -> None:
    theirs = await api.post("/v1/templates", json=draft(tenant, waba_id=other.waba_id))
    never = await api.post("/v1/templates", json=draft(tenant, waba_id="999"))
    assert theirs.status_code == never.status_code == 404
    assert theirs.json()["detail"] == never.json()["detail"]


async def test_a_key_of_idempotency_makes_one_draft(
    api: httpx.AsyncClient, tenant: Account
) -> None:
    headers = {"Idempotency-Key": str(new_id())}
    first = await api.post("/v1/templates", json=draft(tenant), headers=headers)
    again = await api.post("/v1/templates", json=draft(tenant), headers=headers)
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
