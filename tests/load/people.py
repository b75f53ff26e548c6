"""Many people and messages at once: what the planner would have written, in two statements."""

from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from core.settings import Settings
from tests.sender.world import World

_CONTENT = {
    "type": "template",
    "template": {
        "name": "pedido",
        "language": {"code": "pt_BR"},
        "components": [
            {
                "type": "body",
                "parameters": [
                    {"type": "text", "text": "Maria Aparecida"},
                    {"type": "text", "text": "4471-2026"},
                ],
            }
        ],
    },
}


def crowd(settings: Settings, count: int) -> tuple[World, list[UUID]]:
    """A running campaign to `count` people; returns its world and the message ids in order."""
    world = World(settings=settings).build()
    campaign_id = world.add_campaign()
    world.execute(
        "insert into app.contacts (tenant_id, contact_id, address, country, name, attributes,"
        " pseudonym) select %s, app.new_uuid7(), '+55119' || (10000000 + number), 'BR',"
        " 'Pessoa ' || number, '{\"first_name\": \"Ana\"}', app.new_uuid7()"
        " from generate_series(1, %s) as number",
        world.tenant_id,
        count,
    )
    add_messages(world, campaign_id)
    world.execute("analyze app.contacts, app.messages")
    return world, message_ids(world)


def fill_list(settings: Settings, world: World, count: int) -> None:
    """A list as an import leaves it: contacts, identities, members, consents."""
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute("select ops.ensure_partitions(now(), 8)")
        connection.execute(
            "create temporary table people as select app.new_uuid7() as contact_id,"
            " '+55119' || (10000000 + n) as address, n from generate_series(1, %s) as n",
            (count,),
        )
        connection.execute(
            "insert into app.contacts (tenant_id, contact_id, address, country, name, attributes,"
            " pseudonym) select %s, contact_id, address, 'BR', 'Pessoa ' || n,"
            " jsonb_build_object('first_name', 'Ana ' || n), gen_random_uuid() from people",
            (world.tenant_id,),
        )
        for statement in (
            "insert into app.contact_identities (tenant_id, kind, value, contact_id)"
            " select %s, 'phone', address, contact_id from people",
            "insert into app.consent_states select %s, contact_id, 'utility', true,"
            " gen_random_uuid(), now() from people",
        ):
            connection.execute(statement, (world.tenant_id,))
        connection.execute(
            "insert into app.list_members (tenant_id, list_id, contact_id)"
            " select %s, %s, contact_id from people",
            (world.tenant_id, world.list_id),
        )
        connection.execute("vacuum analyze")


def add_messages(world: World, campaign_id: UUID) -> None:
    """One queued message a contact."""
    world.execute(
        "insert into app.messages (tenant_id, message_id, campaign_id, contact_id,"
        " contact_pseudonym, phone_number_id, waba_id, address, country, market, kind,"
        " template_id, category, content, recipient_timezone, expires_at)"
        " select tenant_id, app.new_uuid7(), %s, contact_id, pseudonym, %s, %s, address, country,"
        " 'Brazil', 'template', %s, 'utility', %s, 'America/Sao_Paulo', now() + interval '1 day'"
        " from app.contacts where tenant_id = %s order by contact_id",
        campaign_id,
        world.phone_number_id,
        world.waba_id,
        world.template_id,
        Jsonb(_CONTENT),
        world.tenant_id,
    )


def message_ids(world: World) -> list[UUID]:
    """All message ids, oldest first."""
    rows = world.execute(
        "select message_id from app.messages where tenant_id = %s order by message_id",
        world.tenant_id,
    )
    return [message_id for (message_id,) in rows]


def count_accepted(world: World) -> int:
    """Messages whose row says accepted: the judge of a run."""
    return int(
        world.one(
            "select count(*) from app.messages where tenant_id = %s and state = 'accepted'",
            world.tenant_id,
        )
    )
