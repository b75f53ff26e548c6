"""What stopped sending until a person acts goes on once an operator lifts it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from typer.testing import CliRunner, Result

from carteiro.cli import app
from core.broker.envelopes import Ticket
from core.clock import utc_now
from core.domain.ids import ContactId, PhoneNumberId, TemplateId, TenantId, WabaId
from core.domain.provider_errors import classify
from core.errors import CarteiroError, Conflict, InvalidInput, NotFound
from core.secrets import encrypt
from core.settings import Settings, get_settings
from core.store.database import Pool, platform_transaction
from sender.consequences import Consequence, apply_consequences
from sender.settler.settler import settle
from sender.worker.dispatcher import Dispatcher
from tests.sender.landing import field_body, land
from tests.sender.meta_stub import MetaStub
from tests.sender.world import TOKEN, World

MakeTicket = Callable[..., Ticket]
Run = Callable[..., Result]
NEW_TOKEN = "EAAnew-token"
OPEN_ALERTS = "select count(*) from app.alerts where closed_at is null"


@pytest.fixture
def run(
    database: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """`carteiro ...` on the test's database; never prints a token."""
    monkeypatch.setenv("CARTEIRO_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("CARTEIRO_DATABASE_URL", database.database_url)
    monkeypatch.setenv("NEW_TOKEN", NEW_TOKEN)
    get_settings.cache_clear()

    def invoke(*arguments: str) -> Result:
        result = CliRunner().invoke(app, list(arguments))
        assert NEW_TOKEN not in result.output
        assert TOKEN not in result.output
        return result

    return invoke


def error_of(result: Result) -> CarteiroError:
    assert result.exit_code == 1
    assert isinstance(result.exception, CarteiroError)
    return result.exception


def forget_waits(world: World) -> None:
    world.execute("update app.messages set not_before = null")


async def stop(pool: Pool, world: World, code: int, **changes: Any) -> None:
    """What the sender does about an error of this code."""
    facts: dict[str, Any] = {
        "error": classify(code),
        "tenant_id": TenantId(world.tenant_id),
        "waba_id": WabaId(world.waba_id),
        "phone_number_id": PhoneNumberId(world.phone_number_id),
        "contact_id": ContactId(uuid4()),
        "template_id": TemplateId(world.template_id),
        "occurred_at": utc_now(),
    }
    async with platform_transaction(pool) as connection:
        await apply_consequences(connection, [Consequence(**{**facts, **changes})])


def lift_command(world: World, code: int) -> list[str]:
    return {
        131042: ["unblock-account", "--waba", world.waba_id],
        131048: ["resume-number", "--number", world.phone_number_id],
        131037: ["resume-number", "--number", world.phone_number_id],
        132015: ["resume-template", "--template", str(world.template_id)],
        190: ["replace-token", "--waba", world.waba_id, "--token-env", "NEW_TOKEN"],
        368: ["replace-token", "--waba", world.waba_id, "--token-env", "NEW_TOKEN"],
    }[code]


@pytest.mark.parametrize("code", [131042, 131048, 131037, 132015, 190, 368])
async def test_a_stopped_campaign_claims_nothing_until_the_lift_and_then_finishes(
    world: World,
    database: Settings,
    pool: Pool,
    meta: MetaStub,
    dispatcher: Dispatcher,
    ticket_for: MakeTicket,
    run: Run,
    code: int,
) -> None:
    campaign_id = world.add_campaign()
    ids = world.add_messages(campaign_id, world.add_contacts(4))
    finished = "select finished_at is not null from app.campaigns"
    meta.answer = meta.refuse(code)
    await dispatcher.handle(ticket_for(ids[:1]))
    asked = len(meta.received)
    meta.answer = meta.accept
    forget_waits(world)

    assert await dispatcher.handle(ticket_for(ids)) == []
    await settle(database, pool)
    assert (len(meta.received), world.states()) == (asked, {"queued": 4})
    assert world.one(finished) is False

    result = run("tenant", *lift_command(world, code))
    assert result.exit_code == 0, result.output
    assert f"({code} {classify(code).name})" in result.output
    assert "closed 1 open alert\n" in result.output
    assert world.one(OPEN_ALERTS) == 0

    await dispatcher.handle(ticket_for(ids))
    await settle(database, pool)
    assert (world.states(), world.one(finished)) == ({"accepted": 4}, True)
    again = run("tenant", *lift_command(world, code))
    assert (again.exit_code, "to lift" in again.output) == (0, True)
    assert "lifted" not in again.output


async def test_every_worker_sends_with_a_replaced_token_at_once(
    world: World, meta: MetaStub, dispatcher: Dispatcher, ticket_for: MakeTicket, run: Run
) -> None:
    """A worker that remembered the old one would meet a 190 and block the account again."""
    ids = world.add_messages(None, world.add_contacts(2))
    await dispatcher.handle(ticket_for(ids[:1]))
    run("tenant", "replace-token", "--waba", world.waba_id, "--token-env", "NEW_TOKEN")
    await dispatcher.handle(ticket_for(ids[1:]))
    assert meta.tokens == [TOKEN, NEW_TOKEN]


async def test_an_answer_to_the_old_token_does_not_block_the_account_of_the_new_one(
    world: World, meta: MetaStub, dispatcher: Dispatcher, ticket_for: MakeTicket, run: Run
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(1))

    async def replaced_while_it_answers(payload: dict[str, Any]) -> web.StreamResponse:
        result = run("tenant", "replace-token", "--waba", world.waba_id, "--token-env", "NEW_TOKEN")
        assert result.exit_code == 0, result.output
        return await meta.refuse(190)(payload)

    meta.answer = replaced_while_it_answers
    await dispatcher.handle(ticket_for(ids))
    assert world.one("select blocked_reason from app.whatsapp_accounts") is None
    assert (world.one(OPEN_ALERTS), world.states()) == (0, {"queued": 1})

    meta.answer = meta.refuse(190)
    forget_waits(world)
    await dispatcher.handle(ticket_for(ids))
    assert world.one("select blocked_reason from app.whatsapp_accounts") == "190 token_expired"
    assert world.one(OPEN_ALERTS) == 1


@pytest.mark.parametrize("code", [131042, 131048, 132015])
async def test_late_news_of_the_lifted_trouble_changes_nothing_and_new_trouble_stops_again(
    world: World, pool: Pool, run: Run, code: int
) -> None:
    before = utc_now() - timedelta(seconds=30)
    await stop(pool, world, code, occurred_at=before)
    assert run("tenant", *lift_command(world, code)).exit_code == 0
    await stop(pool, world, code, occurred_at=before)
    assert world.one(OPEN_ALERTS) == 0
    assert "to lift" in run("tenant", *lift_command(world, code)).output

    await stop(pool, world, code, occurred_at=utc_now() + timedelta(seconds=1))
    assert world.one(OPEN_ALERTS) == 1
    assert "lifted the" in run("tenant", *lift_command(world, code)).output


async def test_a_new_token_ends_the_rest_that_an_unreadable_one_caused(
    world: World, meta: MetaStub, dispatcher: Dispatcher, ticket_for: MakeTicket, run: Run
) -> None:
    world.execute(
        "update app.whatsapp_accounts set access_token_encrypted = %s",
        encrypt("EAA\n", context=f"waba-token:{world.tenant_id}"),
    )
    ids = world.add_messages(None, world.add_contacts(1))
    await dispatcher.handle(ticket_for(ids))
    assert world.one("select kind from app.alerts where closed_at is null") == "no_access_token"
    run("tenant", "replace-token", "--waba", world.waba_id, "--token-env", "NEW_TOKEN")
    forget_waits(world)
    await dispatcher.handle(ticket_for(ids))
    assert (world.states(), world.one(OPEN_ALERTS), len(meta.received)) == ({"accepted": 1}, 0, 1)


async def test_a_new_token_does_not_end_a_number_s_pause_for_another_reason(
    world: World, pool: Pool, run: Run
) -> None:
    await stop(pool, world, 131037)
    run("tenant", "replace-token", "--waba", world.waba_id, "--token-env", "NEW_TOKEN")
    assert world.one("select paused_until > now() from app.phone_numbers") is True
    assert world.one(OPEN_ALERTS) == 1


async def test_a_lift_touches_the_named_subject_only(
    world: World, database: Settings, pool: Pool, run: Run
) -> None:
    other = World(settings=database, waba_id="109", phone_number_id="209", prefix="+55219").build()
    for code in (131042, 131037, 132015):
        await stop(pool, world, code)
        await stop(pool, other, code)
    run("tenant", "unblock-account", "--waba", other.waba_id)
    run("tenant", "resume-number", "--number", other.phone_number_id)
    slug = world.one("select slug from app.tenants where tenant_id = %s", other.tenant_id)
    run("tenant", "resume-template", "--slug", slug, "--name", "pedido")
    stops = (
        "select a.blocked_reason is not null, n.paused_until is not null,"
        " t.halted_reason is not null from app.whatsapp_accounts as a"
        " join app.phone_numbers as n using (tenant_id) join app.templates as t using (tenant_id)"
        " where a.tenant_id = %s"
    )
    assert world.one(stops, other.tenant_id) == (False, False, False)
    assert world.one(stops, world.tenant_id) == (True, True, True)
    assert world.execute("select distinct tenant_id from app.alerts where closed_at is null") == [
        (world.tenant_id,)
    ]


async def test_a_number_under_a_blocked_account_says_that_the_account_still_stops_it(
    world: World, pool: Pool, run: Run
) -> None:
    await stop(pool, world, 131037)
    await stop(pool, world, 131042)
    output = run("tenant", "resume-number", "--number", world.phone_number_id).output
    assert f"but its account {world.waba_id} is blocked: 131042 payment_problem" in output
    assert world.one(OPEN_ALERTS) == 1


async def test_a_template_s_language_can_be_resumed_alone_and_meta_s_own_alert_closes_too(
    world: World, pool: Pool, run: Run
) -> None:
    from sender.applier.applier import apply_batch

    meta_id = world.one("select meta_template_id from app.templates")
    world.execute(
        "insert into app.templates (tenant_id, template_id, waba_id, meta_template_id, name,"
        " language, category, status, components, version_hash, halted_reason, synced_at)"
        " values (%s, gen_random_uuid(), %s, '77', 'pedido', 'en_US', 'utility', 'APPROVED', '[]',"
        " 'v1', 'test', now())",
        world.tenant_id,
        world.waba_id,
    )
    value = {
        "event": "PAUSED",
        "message_template_id": int(meta_id),
        "message_template_name": "pedido",
        "message_template_language": "pt_BR",
        "reason": "NONE",
    }
    land(world, field_body(world, "message_template_status_update", value))
    await apply_batch(pool)
    assert world.one("select subject from app.alerts where closed_at is null") == meta_id
    slug = world.one("select slug from app.tenants")
    named = ("tenant", "resume-template", "--slug", slug, "--name", "pedido", "--language")
    output = run(*named, "pt_BR").output
    assert "template pedido (pt_BR): lifted the halt (Meta: PAUSED)" in output
    assert "but Meta's last word on it is PAUSED" in output
    halted = "select language from app.templates where halted_reason is not null"
    assert (world.one(OPEN_ALERTS), world.one(halted)) == (0, "en_US")
    assert isinstance(error_of(run(*named, "de")), NotFound)


@pytest.mark.parametrize(
    "arguments",
    [
        ("tenant", "unblock-account", "--waba", "404"),
        ("tenant", "replace-token", "--waba", "404", "--token-env", "NEW_TOKEN"),
        ("tenant", "resume-number", "--number", "404"),
        ("tenant", "resume-template", "--template", str(uuid4())),
        ("tenant", "resume-template", "--slug", "nobody", "--name", "pedido"),
        ("alerts", "close", str(uuid4())),
    ],
)
def test_an_unknown_id_is_an_error_that_says_so(
    world: World, run: Run, arguments: tuple[str, ...]
) -> None:
    error = error_of(run(*arguments))
    assert isinstance(error, NotFound)
    assert error.detail.startswith("there is no ")


def test_a_token_that_no_header_can_carry_is_refused_and_never_shown(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEW_TOKEN", f"{NEW_TOKEN}\n")
    sealed = world.one("select access_token_encrypted from app.whatsapp_accounts")
    error = error_of(
        run("tenant", "replace-token", "--waba", world.waba_id, "--token-env", "NEW_TOKEN")
    )
    assert isinstance(error, InvalidInput)
    assert NEW_TOKEN not in error.detail
    assert world.one("select access_token_encrypted from app.whatsapp_accounts") == sealed


@pytest.mark.parametrize(
    "arguments",
    [
        ("resume-template",),
        ("resume-template", "--name", "pedido"),
        ("resume-template", "--slug", "a", "--name", "b", "--template", str(uuid4())),
        ("replace-token", "--waba", "1", "--token-env", "NOT_SET_ANYWHERE"),
    ],
)
def test_a_command_without_what_it_needs_says_how_to_call_it(
    run: Run, arguments: tuple[str, ...]
) -> None:
    assert run("tenant", *arguments).exit_code == 2


async def test_alerts_are_listed_and_closed_but_not_while_what_they_tell_of_stands(
    world: World, pool: Pool, run: Run
) -> None:
    assert run("alerts", "list").output == "no open alerts\n"
    for code in (999_999, 131042, 131048, 132015):
        await stop(pool, world, code)
    ids = dict(world.execute("select kind, alert_id::text from app.alerts"))
    listed = run("alerts", "list").output
    assert [alert_id in listed for alert_id in ids.values()] == [True] * 4
    assert "Mend the payment method at Meta." in listed
    assert "more than these 2" in run("alerts", "list", "--limit", "2").output
    for kind in ("account_blocked", "number_paused", "template_halted"):
        assert isinstance(error_of(run("alerts", "close", ids[kind])), Conflict)
    assert world.one(OPEN_ALERTS) == 4

    unknown = ids["unknown_error_code"]
    assert run("alerts", "close", unknown).output == f"alert {unknown}: closed\n"
    assert run("alerts", "close", unknown).output == f"alert {unknown}: was closed already\n"
    assert unknown not in run("alerts", "list").output
    assert unknown in run("alerts", "list", "--all").output
    # A pause that healed leaves its alert for a person to close.
    world.execute("update app.phone_numbers set paused_until = now() - interval '1 second'")
    assert "closed" in run("alerts", "close", ids["number_paused"]).output
    assert world.one(OPEN_ALERTS) == 2
