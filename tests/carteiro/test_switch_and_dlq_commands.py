"""`carteiro switch` and `carteiro dlq`, typed as an operator types them."""

import json
from collections.abc import Iterator

import psycopg
import pytest
from typer.testing import CliRunner

from carteiro.cli import app
from core.settings import Settings, get_settings
from tests.sender.landing import land, messages_body, status
from tests.sender.world import World
from tests.support.settings import SECRET_KEY


@pytest.fixture
def shell(
    database: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    valkey_url: str,
) -> Iterator[CliRunner]:
    monkeypatch.setenv("CARTEIRO_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("CARTEIRO_DATABASE_URL", database.database_url)
    monkeypatch.setenv("CARTEIRO_BROKER_URL", valkey_url)
    monkeypatch.setenv("CARTEIRO_SECRET_KEY", SECRET_KEY)
    monkeypatch.setenv("CARTEIRO_OPERATOR", "ana")
    get_settings.cache_clear()
    yield CliRunner()
    get_settings.cache_clear()


@pytest.fixture
def world(database: Settings, shell: CliRunner) -> World:
    return World(settings=database).build()


def say(shell: CliRunner, *words: str, code: int = 0) -> str:
    result = shell.invoke(app, list(words))
    assert result.exit_code == code, result.output
    return result.output


def quarantine(world: World, count: int) -> None:
    """Updates of a number that nobody has told us about."""
    for index in range(count):
        land(world, messages_body(world, status(f"wamid.{index}", "sent")))
    world.execute(
        "insert into raw.webhook_quarantine (tenant_id, body_id, received_at, update_index, reason,"
        " detail) select %s, body_id, received_at, 0, 'unknown_number', 'status sent'"
        " from raw.webhook_bodies",
        world.tenant_id,
    )
    world.execute("delete from raw.webhook_queue")


def test_a_switch_is_set_listed_and_ended(shell: CliRunner, world: World) -> None:
    slug = world.one("select slug from app.tenants")
    assert say(shell, "switch", "ls") == "no switch is on\n"
    on = say(shell, "switch", "on", "tenant", "--tenant", slug, "--for", "2h", "--reason", "abuse")
    switch_id = on.split()[1]
    listed = say(shell, "switch", "ls")
    assert f"{switch_id}  tenant {slug}\n    abuse\n    by ana" in listed
    assert say(shell, "switch", "off", switch_id) == f"switch {switch_id}: off\n"
    assert say(shell, "switch", "off", switch_id) == f"switch {switch_id}: was not on\n"
    assert say(shell, "switch", "ls") == "no switch is on\n"
    assert "ended by ana" in say(shell, "switch", "ls", "--all")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tenant", "--for", "1h"), "needs --tenant"),
        (("everything", "--for", "1h", "--tenant", "x"), "takes no --tenant"),
        (("nothing", "--for", "1h"), "one of everything, tenant"),
    ],
)
def test_a_switch_that_makes_no_sense_is_refused(
    shell: CliRunner, words: tuple[str, ...], said: str
) -> None:
    result = shell.invoke(app, ["switch", "on", *words, "--reason", "x"], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert said in result.output


def test_a_dry_run_says_what_a_redrive_would_do_and_does_nothing(
    shell: CliRunner, world: World
) -> None:
    quarantine(world, 5)
    said = say(shell, "dlq", "redrive", "--reason", "unknown", "--limit", "3", "--dry-run")
    assert said.endswith("would redrive 3 (nothing was done)\n")
    assert world.one("select count(*) from raw.webhook_queue") == 0
    assert say(shell, "dlq", "ls").count("unknown_number") == 5


def test_a_redrive_hands_the_bodies_back_and_is_written_down(
    shell: CliRunner, world: World
) -> None:
    quarantine(world, 5)
    assert say(shell, "dlq", "redrive", "--limit", "3", "--rate", "1000").endswith("3 redriven\n")
    assert world.one("select count(*) from raw.webhook_queue") == 3
    assert say(shell, "dlq", "discard", "--kind", "webhook").endswith("2 discarded\n")
    assert say(shell, "dlq", "ls") == "nothing is put aside\n"
    done = world.execute(
        "select actor, operation, target_kind, details, tenant_id from app.audit_entries"
        " order by entry_id"
    )
    owner = world.tenant_id
    redriven = ("operator:ana", "dlq.redrive", "webhook", {"result": "redriven"}, owner)
    discarded = ("operator:ana", "dlq.discard", "webhook", {"reason": "unknown_number"}, owner)
    assert done == [redriven] * 3 + [discarded] * 2


def test_one_is_shown_without_its_body_and_on_request_with_it(
    shell: CliRunner, world: World
) -> None:
    quarantine(world, 1)
    letter_id = say(shell, "dlq", "ls").splitlines()[1].split()[0]
    shown = say(shell, "dlq", "show", letter_id)
    assert "reason: unknown_number" in shown
    assert "wamid.0" not in shown
    body = json.loads(say(shell, "dlq", "show", letter_id, "--body"))
    assert body["entry"][0]["changes"][0]["value"]["statuses"][0]["id"] == "wamid.0"
    read = world.execute("select actor, operation, target_id from app.audit_entries")
    assert read == [("operator:ana", "dlq.body_read", letter_id)]


def test_an_id_that_is_none_is_explained(shell: CliRunner) -> None:
    result = shell.invoke(app, ["dlq", "redrive", "letter-7"])
    assert result.exit_code != 0
    assert "ticket:<uuid> or webhook:<number>" in str(result.exception or result.output)


def test_a_body_that_retention_dropped_is_said_to_be_gone(shell: CliRunner, world: World) -> None:
    quarantine(world, 1)
    with psycopg.connect(world.settings.database_url, autocommit=True) as connection:
        connection.execute("delete from raw.webhook_bodies")
    letter_id = say(shell, "dlq", "ls").splitlines()[1].split()[0]
    assert "its body is gone" in say(shell, "dlq", "show", letter_id, "--body", code=1)
    assert say(shell, "dlq", "redrive", letter_id).endswith(
        "1 not redriven: closed, taken or gone\n"
    )


def test_a_tenant_s_rules_are_set_one_by_one_with_an_audit_entry(
    world: World, shell: CliRunner
) -> None:
    slug = world.one("select slug from app.tenants")
    said = say(shell, "tenant", "set", "--slug", slug, "--four-eyes", "on")
    assert "four eyes on" in said
    said = say(
        shell,
        "tenant",
        "set",
        "--slug",
        slug,
        "--marketing-cap",
        "2/7d",
        "--block-countries",
        "US,CU",
    )
    assert "marketing cap 2/7d" in said
    rules = (
        "select four_eyes, marketing_cap_messages, marketing_cap_days, blocked_countries"
        " from app.tenants"
    )
    assert world.one(rules) == (True, 2, 7, ["CU", "US"])
    off = ("--four-eyes", "off", "--marketing-cap", "off", "--block-countries", "none")
    say(shell, "tenant", "set", "--slug", slug, *off)
    assert world.one(rules) == (False, None, None, [])
    entries = world.execute(
        "select actor, operation, details from app.audit_entries order by entry_id"
    )
    assert [entry[:2] for entry in entries] == [("operator:ana", "tenant.rules_set")] * 3
    assert entries[1][2]["blocked_countries"] == ["CU", "US"]


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--four-eyes", "yes"),
        ("--marketing-cap", "0/7d"),
        ("--marketing-cap", "2/91d"),
        ("--block-countries", "USA"),
    ],
)
def test_rules_that_make_no_sense_are_refused(
    world: World, shell: CliRunner, words: tuple[str, ...]
) -> None:
    slug = world.one("select slug from app.tenants")
    say(shell, "tenant", "set", "--slug", slug, *words, code=2)
    assert world.one("select count(*) from app.audit_entries") == 0
