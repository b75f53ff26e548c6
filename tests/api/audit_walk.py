"""One good request for every operation that changes something, and the entry that it must leave.

A new operation gets its line in one of the scenarios below; test_audit.py fails while it has none.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import psycopg

from tests.api.conftest import PASSWORD, Account
from tests.api.test_campaign_series import wish
from tests.api.test_campaigns import make_template, planned
from tests.api.test_media import PNG, TYPE
from tests.api.test_messages import key, template_message

Admin = psycopg.Connection[tuple[object, ...]]
#: Meta's own, and those that change nothing of a tenant's things.
NOT_AUDITED = {
    "log_in",
    "refresh_token",
    "receive_webhook",
    "preview_segment",
    "preview_template",
    "make_quote",
}
ENTRIES = (
    "select operation, actor, actor_kind, target_kind, target_id, request_id, outcome,"
    " length(address_digest) from app.audit_entries where tenant_id = %s order by entry_id"
)


@dataclass(slots=True, kw_only=True)
class Walk:
    """A tenant on whom the steps are tried, and the operations that were."""

    api: httpx.AsyncClient
    admin: Admin
    account: Account
    actor: str
    tried: set[str] = field(default_factory=set)

    def entries(self) -> list[tuple[object, ...]]:
        """What the tenant's audit entries say, in their order."""
        return self.admin.execute(ENTRIES, (self.account.tenant_id,)).fetchall()

    async def did(
        self, operation: str, method: str, path: str, target: tuple[str, object], **request: Any
    ) -> dict[str, Any]:
        """Send what must succeed, see its one entry, and return the answer.

        The target is a kind and an id, or the names that lead to the id in the answer.
        """
        before = len(self.entries())
        answer = await self.api.request(method, path, **request)
        assert answer.status_code < 300, (operation, answer.text)
        found: dict[str, Any] = answer.json() if answer.content else {}
        new = self.entries()[before:]
        kind, wanted = target
        if isinstance(wanted, tuple):
            value: Any = found
            for name in wanted:
                value = value[name]
            wanted = value
        assert [entry[:5] for entry in new] == [
            (operation, self.actor, self.actor.split(":")[0], kind, str(wanted))
        ], operation
        assert new[0][5:] == (UUID(answer.headers["x-request-id"]), "done", 16)
        self.tried.add(operation)
        return found


async def of_people(walk: Walk) -> None:
    """Contacts, lists, imports, consents."""
    made = await walk.did(
        "create_list", "POST", "/v1/lists", ("list", ("list_id",)), json={"name": "l"}
    )
    person = {"phone": "+5511987654321", "name": "Ana", "list_id": made["list_id"]}
    saved = await walk.did(
        "save_contact", "POST", "/v1/contacts", ("contact", ("contact", "contact_id")), json=person
    )
    contact_id = saved["contact"]["contact_id"]
    await walk.did(
        "import_contacts",
        "POST",
        "/v1/contacts/imports?list=l",
        ("import", ("import_id",)),
        content="phone,name\n+5511987654322,Bia\n+5511987654323,Caio\n",
        headers={"Content-Type": "text/csv"},
    )
    await walk.did(
        "record_consent",
        "POST",
        "/v1/consents",
        ("contact", contact_id),
        json={
            "contact_id": contact_id,
            "purpose": "marketing",
            "action": "granted",
            "channel": "site",
            "text_version": "1",
        },
    )
    several = {"items": [{"phone": "+5511987654324"}, {"phone": "nobody"}]}
    tenant_id = walk.account.tenant_id
    await walk.did(
        "save_contacts", "POST", "/v1/contacts/bulk", ("contacts", tenant_id), json=several
    )
    await walk.did(
        "change_members",
        "POST",
        f"/v1/lists/{made['list_id']}/members",
        ("list", made["list_id"]),
        json={"items": [{"contact_id": contact_id, "action": "remove"}]},
    )
    alone = {"items": [{"contact_id": contact_id, "reason": "legal"}]}
    await walk.did(
        "add_suppressions", "POST", "/v1/suppressions/bulk", ("suppressions", tenant_id), json=alone
    )
    made = await walk.did(
        "create_segment",
        "POST",
        "/v1/segments",
        ("segment", ("segment_id",)),
        json={"name": "s", "filter": "suppressed"},
    )
    segment = ("segment", made["segment_id"])
    address = f"/v1/segments/{made['segment_id']}"
    await walk.did("change_segment", "PATCH", address, segment, json={"name": "t"})
    await walk.did("delete_segment", "DELETE", address, segment)
    declared = await walk.did(
        "declare_attribute",
        "POST",
        "/v1/contact-attributes",
        ("contact_attribute", ("attribute_id",)),
        json={"name": "tier", "type": "enum", "options": ["gold"]},
    )
    attribute = f"/v1/contact-attributes/{declared['attribute_id']}"
    what = ("contact_attribute", declared["attribute_id"])
    await walk.did("change_attribute", "PATCH", attribute, what, json={"personal": False})
    await walk.did("delete_attribute", "DELETE", attribute, what)
    await walk.did(
        "add_suppression",
        "POST",
        "/v1/suppressions",
        ("contact", contact_id),
        json={"contact_id": contact_id, "reason": "complaint", "note": "wrote to us"},
    )
    await walk.did(
        "lift_suppression",
        "POST",
        f"/v1/suppressions/{contact_id}/lift",
        ("contact", contact_id),
        json={"reason": "mistake"},
    )
    await walk.did(
        "put_consent_keywords",
        "PUT",
        "/v1/consent-keywords",
        ("consent_keywords", walk.account.tenant_id),
        json={"items": [{"source": "word", "value": "basta", "action": "opt_out"}]},
    )
    await walk.did(
        "put_opt_out_answer",
        "PUT",
        "/v1/opt-out-answer",
        ("opt_out_answer", walk.account.tenant_id),
        json={"enabled": True, "texts": {"pt": "Pronto, não mandamos mais ofertas."}},
    )


async def of_meta(walk: Walk) -> None:
    """Numbers, templates, media, single messages, quiet hours."""
    tenant = walk.account.tenant_id
    await walk.did("sync_numbers", "POST", "/v1/numbers/sync", ("numbers", tenant))
    await walk.did("sync_templates", "POST", "/v1/templates/sync", ("templates", tenant))
    made = await walk.did(
        "create_template",
        "POST",
        "/v1/templates",
        ("template", ("template_id",)),
        json={
            "waba_id": walk.account.waba_id,
            "name": "thanks",
            "language": "pt_BR",
            "category": "utility",
            "components": [{"type": "BODY", "text": "Obrigado."}],
        },
    )
    target, url = ("template", made["template_id"]), f"/v1/templates/{made['template_id']}"
    wanted = {"components": [{"type": "BODY", "text": "Muito obrigado."}]}
    await walk.did("edit_template", "PATCH", url, target, json=wanted)
    await walk.did("submit_template", "POST", f"{url}/submit", target)
    await walk.did("delete_template", "DELETE", url, target)
    file = await walk.did(
        "upload_media",
        "POST",
        "/v1/media?file_name=a.png",
        ("media_file", ("media_file_id",)),
        content=PNG,
        headers=TYPE,
    )
    url = f"/v1/media/{file['media_file_id']}"
    await walk.did("delete_media", "DELETE", url, ("media_file", file["media_file_id"]))
    make_template(walk.admin, walk.account, category="utility")
    await walk.did(
        "send_message",
        "POST",
        "/v1/messages",
        ("message", ("message_id",)),
        json=template_message(walk.account),
        headers=key(),
    )
    await walk.did(
        "send_messages",
        "POST",
        "/v1/messages/bulk",
        ("messages", tenant),
        json={"items": [template_message(walk.account)]},
        headers=key(),
    )
    rule = {"country": "BR", "category": "marketing"}
    hours = rule | {"starts_at": "22:00", "ends_at": "08:00"}
    await walk.did("put_quiet_hours", "PUT", "/v1/quiet-hours", ("quiet_hours", tenant), json=hours)
    await walk.did(
        "delete_quiet_hours", "DELETE", "/v1/quiet-hours", ("quiet_hours", tenant), params=rule
    )


async def of_campaigns(walk: Walk) -> None:
    """A campaign from its making to its cancellation."""
    wanted = await wish(walk.api, walk.admin, walk.account)
    del wanted["starts_local"], wanted["recurrence"]
    made = await walk.did(
        "create_campaign",
        "POST",
        "/v1/campaigns",
        ("campaign", ("campaign_id",)),
        json=wanted | {"canary": {"percents": ["5", "100"]}},
    )
    target = ("campaign", made["campaign_id"])
    url = f"/v1/campaigns/{made['campaign_id']}"
    await walk.did("change_campaign", "PATCH", url, target, json={"name": "B"})
    await walk.did("plan_campaign", "POST", f"{url}/plan", target)
    planned(walk.admin, walk.account, made["campaign_id"], 2)
    approval = {"plan_hash": "hash-of-the-plan"}
    await walk.did("approve_campaign", "POST", f"{url}/approve", target, json=approval)
    for step in ("launch", "pause", "resume"):
        await walk.did(f"{step}_campaign", "POST", f"{url}/{step}", target)
    await walk.did("release_campaign_wave", "POST", f"{url}/waves/next", target)
    walk.admin.execute(
        "update app.messages set state = 'failed', error_code = 131026 where campaign_id = %s",
        (made["campaign_id"],),
    )
    again = {"dry_run": False, "expected_messages": 2}
    await walk.did("redrive_campaign", "POST", f"{url}/redrives", target, json=again)
    await walk.did("cancel_campaign", "POST", f"{url}/cancel", target)


async def of_series(walk: Walk) -> None:
    """A recurring campaign."""
    walk.admin.execute(
        "delete from app.templates where name = 'offer_marketing_approved'"
        " and not exists (select 1 from app.campaigns as c"
        " where c.template_id = templates.template_id)"
    )
    walk.admin.execute(
        "update app.templates set name = 'older' where category = 'marketing'"
        " and name = 'offer_marketing_approved'"
    )
    made = await walk.did(
        "create_campaign_series",
        "POST",
        "/v1/campaign-series",
        ("series", ("series_id",)),
        json=await wish(walk.api, walk.admin, walk.account),
    )
    target = ("series", made["series_id"])
    url = f"/v1/campaign-series/{made['series_id']}"
    await walk.did("change_campaign_series", "PATCH", url, target, json={"name": "B"})
    approval = {"approval_hash": (await walk.api.get(url)).json()["approval_hash"]}
    await walk.did("approve_campaign_series", "POST", f"{url}/approve", target, json=approval)
    for step in ("pause", "resume"):
        await walk.did(f"{step}_campaign_series", "POST", f"{url}/{step}", target)
    await walk.did("delete_campaign_series", "DELETE", url, target)


async def of_webhooks(walk: Walk) -> None:
    """An endpoint, its secret, what is sent to it again."""
    endpoint = {"url": "https://8.8.8.8/"}
    made = await walk.did(
        "create_webhook_endpoint",
        "POST",
        "/v1/webhook-endpoints",
        ("endpoint", ("endpoint", "endpoint_id")),
        json=endpoint,
    )
    endpoint_id = made["endpoint"]["endpoint_id"]
    target, url = ("endpoint", endpoint_id), f"/v1/webhook-endpoints/{endpoint_id}"
    changed = {"description": "shop"}
    await walk.did("change_webhook_endpoint", "PATCH", url, target, json=changed)
    await walk.did("rotate_webhook_secret", "POST", f"{url}/rotate-secret", target)
    sent = await walk.did("test_webhook_endpoint", "POST", f"{url}/test", target)
    walk.admin.execute("delete from app.webhook_queue")
    walk.admin.execute("update app.webhook_deliveries set state = 'failed'")
    await walk.did(
        "replay_webhook_delivery",
        "POST",
        f"{url}/deliveries/{sent['event_id']}/replay",
        ("event", sent["event_id"]),
    )
    walk.admin.execute("delete from app.webhook_queue")
    walk.admin.execute("update app.webhook_deliveries set state = 'failed'")
    since = {"from": (datetime.now(UTC) - timedelta(minutes=5)).isoformat()}
    await walk.did("replay_webhook_deliveries", "POST", f"{url}/replay", target, json=since)
    await walk.did("delete_webhook_endpoint", "DELETE", url, target)


async def of_users(walk: Walk) -> None:
    """People, from the invitation to the removal, and what they do for themselves."""
    invited = ("user", ("user", "user_id"))
    person = {"email": "ana@example.com", "name": "Ana Lima", "role": "viewer"}
    made = await walk.did("invite_user", "POST", "/v1/users", invited, json=person)
    user_id = made["user"]["user_id"]
    target, url = ("user", user_id), f"/v1/users/{user_id}"
    again = await walk.did("renew_invitation", "POST", f"{url}/invitation", target)
    key_actor, walk.actor = walk.actor, f"user:{user_id}"
    joining = {"token": again["token"], "password": PASSWORD}
    await walk.did("accept_invitation", "POST", "/v1/invitations/accept", target, json=joining)
    who = {"slug": walk.account.slug, "email": "ana@example.com", "password": PASSWORD}

    async def sign_in() -> tuple[dict[str, str], str]:
        tokens = (await walk.api.post("/v1/login", json=who)).json()
        return {"Authorization": f"Bearer {tokens['access_token']}"}, tokens["session_id"]

    first, second = await sign_in(), await sign_in()
    await walk.did(
        "end_session",
        "DELETE",
        f"/v1/sessions/{first[1]}",
        ("session", first[1]),
        headers=second[0],
    )
    await walk.did("log_out", "POST", "/v1/logout", ("session", second[1]), headers=second[0])
    third = (await sign_in())[0]
    change = {"current_password": PASSWORD, "new_password": f"{PASSWORD} staple"}
    await walk.did(
        "change_password", "POST", "/v1/users/me/password", target, json=change, headers=third
    )
    await walk.did("log_out_everywhere", "POST", "/v1/logout-everywhere", target, headers=third)
    walk.actor = key_actor
    await walk.did("change_user", "PATCH", url, target, json={"role": "finance"})
    await walk.did("remove_user", "DELETE", url, target)


async def of_the_tenant(walk: Walk) -> None:
    """Keys and exports."""
    made = await walk.did(
        "create_api_key",
        "POST",
        "/v1/api-keys",
        ("api_key", ("api_key", "api_key_id")),
        json={"name": "k", "scopes": ["tenant:read"]},
    )
    api_key_id = made["api_key"]["api_key_id"]
    target = ("api_key", api_key_id)
    await walk.did(
        "change_api_key", "PATCH", f"/v1/api-keys/{api_key_id}", target, json={"name": "b"}
    )
    await walk.did(
        "rotate_api_key",
        "POST",
        f"/v1/api-keys/{api_key_id}/rotate",
        ("api_key", ("api_key", "api_key_id")),
        json={},
    )
    tenant = ("tenant", walk.account.tenant_id)
    await walk.did("change_tenant", "PATCH", "/v1/tenant", tenant, json={"name": "Aurora"})
    await walk.did(
        "revoke_api_key", "DELETE", f"/v1/api-keys/{api_key_id}", ("api_key", api_key_id)
    )
    await walk.did(
        "create_export",
        "POST",
        "/v1/exports",
        ("export", ("export_id",)),
        json={"dataset": "usage", "format": "csv"},
    )


SCENARIOS: list[Callable[[Walk], Awaitable[None]]] = [
    of_people,
    of_meta,
    of_campaigns,
    of_series,
    of_webhooks,
    of_users,
    of_the_tenant,
]
