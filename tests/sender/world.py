"""A small world in a database: a tenant with an account, a number, a template, people, messages."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from core.domain.ids import new_id
from core.secrets import encrypt
from core.settings import Settings

TOKEN = "EAAtest-token"
BODY_TEMPLATE = [{"type": "BODY", "text": "Olá {{1}}, seu pedido saiu."}]


@dataclass(slots=True, kw_only=True)
class World:
    """Rows written as the owner of the tables; `execute` looks at them the same way."""

    settings: Settings
    tenant_id: UUID = field(default_factory=new_id)
    waba_id: str = "100000000000001"
    phone_number_id: str = "200000000000001"
    template_id: UUID = field(default_factory=new_id)
    list_id: UUID = field(default_factory=new_id)
    contacts: list[UUID] = field(default_factory=list)
    prefix: str = "+55119"
    token: str = TOKEN

    def execute(self, sql: str, *values: Any) -> list[Any]:
        with psycopg.connect(self.settings.database_url, autocommit=True) as connection:
            cursor = connection.execute(sql, values)
            return cursor.fetchall() if cursor.description else []

    def one(self, sql: str, *values: Any) -> Any:
        rows = self.execute(sql, *values)
        assert len(rows) == 1, rows
        return rows[0][0] if len(rows[0]) == 1 else rows[0]

    def build(
        self, *, category: str = "utility", throughput: int = 1000, components: Any = None
    ) -> "World":
        """The tenant with everything but people."""
        slug = f"t{self.tenant_id.hex[-12:]}"
        self.execute(
            "insert into app.tenants (tenant_id, slug, name, timezone, currency, default_region,"
            " pseudonym_key) values (%s, %s, 'Loja', 'America/Sao_Paulo', 'BRL', 'BR', %s)",
            self.tenant_id,
            slug,
            bytes(32),
        )
        self.execute(
            "insert into app.whatsapp_accounts (tenant_id, waba_id, portfolio_id, name, timezone,"
            " currency, access_token_encrypted) values (%s, %s, '1', 'Loja', 'America/Sao_Paulo',"
            " 'USD', %s)",
            self.tenant_id,
            self.waba_id,
            encrypt(self.token, context=f"waba-token:{self.tenant_id}"),
        )
        self.execute(
            "insert into app.phone_numbers (tenant_id, phone_number_id, waba_id,"
            " display_phone_number, throughput_per_second, granted_per_second)"
            " values (%s, %s, %s, '+55 11 5555-0000', %s, %s)",
            self.tenant_id,
            self.phone_number_id,
            self.waba_id,
            throughput,
            throughput,
        )
        self.execute(
            "insert into app.templates (tenant_id, template_id, waba_id, meta_template_id, name,"
            " language, category, status, components, version_hash, synced_at)"
            " values (%s, %s, %s, %s, 'pedido', 'pt_BR', %s, 'APPROVED', %s, 'v1', now())",
            self.tenant_id,
            self.template_id,
            self.waba_id,
            str(self.template_id.int % 10**15),
            category,
            Jsonb(components if components is not None else BODY_TEMPLATE),
        )
        self.execute(
            "insert into app.lists (tenant_id, list_id, name) values (%s, %s, 'todos')",
            self.tenant_id,
            self.list_id,
        )
        return self

    def landing_listened(self, *, seconds: int = 120, until: int = 0) -> None:
        """Pulses of a landing that listened from `seconds` ago until `until` seconds ago."""
        self.execute(
            "insert into raw.landing_pulses (bucket)"
            " select to_timestamp(floor(extract(epoch from now()) / 5) * 5 - n * 5)"
            " from generate_series(%s::integer, %s::integer) as n on conflict do nothing",
            until // 5,
            seconds // 5,
        )

    def add_contacts(self, count: int, *, first: int = 0, **columns: Any) -> list[UUID]:
        """People with Brazilian mobiles, on the list."""
        ids = [new_id() for _ in range(count)]
        with psycopg.connect(self.settings.database_url) as connection, connection.cursor() as c:
            c.executemany(
                "insert into app.contacts (tenant_id, contact_id, address, country, name,"
                " attributes, pseudonym) values (%s, %s, %s, %s, %s, %s, %s)",
                [
                    (
                        self.tenant_id,
                        contact_id,
                        columns.get("address", f"{self.prefix}{10_000_000 + first + index}"),
                        columns.get("country", "BR"),
                        columns.get("name", f"Pessoa {index}"),
                        Jsonb(columns.get("attributes", {"first_name": f"Ana {index}"})),
                        new_id(),
                    )
                    for index, contact_id in enumerate(ids)
                ],
            )
            c.executemany(
                "insert into app.list_members (tenant_id, list_id, contact_id) values (%s, %s, %s)",
                [(self.tenant_id, self.list_id, contact_id) for contact_id in ids],
            )
        self.contacts += ids
        return ids

    def add_campaign(self, *, status: str = "running", **columns: Any) -> UUID:
        """A campaign over the list."""
        campaign_id = new_id()
        self.execute(
            "insert into app.campaigns (tenant_id, campaign_id, name, phone_number_id, template_id,"
            " list_id, parameters, status, category, created_by, launched_at)"
            " values (%s, %s, 'Campanha', %s, %s, %s, %s, %s, 'utility', 'test',"
            " case when %s = 'running' then now() end)",
            self.tenant_id,
            campaign_id,
            self.phone_number_id,
            self.template_id,
            columns.get("list_id", self.list_id),
            Jsonb(columns.get("parameters", {"1": {"attribute": "first_name"}})),
            status,
            status,
        )
        return campaign_id

    def add_messages(
        self,
        campaign_id: UUID | None,
        contacts: Sequence[UUID],
        *,
        category: str = "utility",
        state: str = "queued",
        **columns: Any,
    ) -> list[UUID]:
        """One message each."""
        ids = [new_id() for _ in contacts]
        content = {
            "type": "template",
            "template": {"name": "pedido", "language": {"code": "pt_BR"}},
        }
        with psycopg.connect(self.settings.database_url) as connection, connection.cursor() as c:
            c.executemany(
                "insert into app.messages (tenant_id, message_id, campaign_id, contact_id,"
                " contact_pseudonym, phone_number_id, waba_id, address, country, market, kind,"
                " template_id, category, content, state)"
                " select tenant_id, %s, %s, contact_id, pseudonym, %s, %s, address, country,"
                " 'Brazil', 'template', %s, %s, %s, %s from app.contacts"
                " where tenant_id = %s and contact_id = %s",
                [
                    (
                        message_id,
                        campaign_id,
                        self.phone_number_id,
                        self.waba_id,
                        self.template_id,
                        category,
                        Jsonb(columns.get("content", content)),
                        state,
                        self.tenant_id,
                        contact_id,
                    )
                    for message_id, contact_id in zip(ids, contacts, strict=True)
                ],
            )
        return ids

    def consent(self, contact_id: UUID, *, purpose: str = "marketing", granted: bool) -> None:
        """What the ledger says now about one person."""
        consent_id, now = new_id(), datetime.now(UTC)
        self.execute(
            "insert into app.consents (tenant_id, consent_id, contact_id, purpose, action, channel,"
            " occurred_at) values (%s, %s, %s, %s, %s, 'test', %s)",
            self.tenant_id,
            consent_id,
            contact_id,
            purpose,
            "granted" if granted else "revoked",
            now,
        )
        self.execute(
            "insert into app.consent_states values (%s, %s, %s, %s, %s, %s)"
            " on conflict (tenant_id, contact_id, purpose) do update set"
            " granted = excluded.granted, occurred_at = excluded.occurred_at,"
            " consent_id = excluded.consent_id",
            self.tenant_id,
            contact_id,
            purpose,
            granted,
            consent_id,
            now,
        )

    def states(self) -> dict[str, int]:
        """Messages by state."""
        return dict(
            self.execute(
                "select state, count(*) from app.messages where tenant_id = %s group by state",
                self.tenant_id,
            )
        )

    def events(self) -> dict[str, int]:
        """Events by type."""
        return dict(
            self.execute(
                "select event_type, count(*) from raw.message_events where tenant_id = %s"
                " group by event_type",
                self.tenant_id,
            )
        )
