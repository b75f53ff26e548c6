"""`carteiro audit`, typed as an operator types it, and what other commands leave in the chain."""

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.dsn import DatabaseRole
from core.settings import Settings
from core.store.database import open_pool
from sender.settler.sealer import SealRounds
from tests.carteiro.test_switch_and_dlq_commands import say, shell, world
from tests.sender.world import World

__all__ = ["shell", "world"]


def seal(settings: Settings) -> None:
    async def once() -> None:
        async with open_pool(settings.dsn(DatabaseRole.WORKER), name="sealer") as pool:
            await SealRounds(pool).seal()

    asyncio.run(once())


def create_tenant(shell: CliRunner) -> None:
    say(shell, "plans", "seed")
    say(
        shell,
        "tenant",
        "create",
        "--slug",
        "padaria",
        "--name",
        "Padaria Aurora",
        "--timezone",
        "America/Sao_Paulo",
        "--currency",
        "BRL",
        "--region",
        "BR",
        "--plan",
        "start-brl",
    )


def test_what_operators_change_is_in_the_chain_of_whom_it_concerns(
    world: World, shell: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "EAAnew")
    monkeypatch.setenv("PASSWORD", "correct horse battery")
    create_tenant(shell)
    person = ("--email", "ana@padaria.example", "--name", "Ana", "--role", "owner")
    say(shell, "tenant", "create-user", "--slug", "padaria", *person, "--password-env", "PASSWORD")
    say(shell, "tenant", "create-key", "--slug", "padaria", "--name", "k", "--scope", "tenant:read")
    say(shell, "tenant", "replace-token", "--waba", world.waba_id, "--token-env", "TOKEN")
    say(shell, "tenant", "resume-number", "--number", world.phone_number_id)
    say(shell, "tenant", "resume-template", "--template", str(world.template_id))
    padaria = world.one("select tenant_id from app.tenants where slug = 'padaria'")
    entries = world.execute(
        "select tenant_id, operation, target_kind, actor from app.audit_entries order by entry_id"
    )
    ana = "operator:ana"
    nobody = entries[0][0]
    assert nobody.int == 0
    assert entries == [
        (nobody, "plans.seed", "platform", ana),
        (padaria, "tenant.create", "tenant", ana),
        (padaria, "tenant.create-user", "user", ana),
        (padaria, "tenant.create-key", "api_key", ana),
        (world.tenant_id, "tenant.replace-token", "account", ana),
        (world.tenant_id, "tenant.resume-number", "number", ana),
        (world.tenant_id, "tenant.resume-template", "template", ana),
    ]
    text = world.one("select string_agg(e::text, ' ') from app.audit_entries as e")
    assert not [word for word in ("Ana", "@", "EAAnew", "horse") if word in text]


def test_a_command_that_only_looks_leaves_no_entry(world: World, shell: CliRunner) -> None:
    for words in (("switch", "ls"), ("alerts", "list"), ("dlq", "ls"), ("audit", "ls")):
        say(shell, *words)
    assert world.one("select count(*) from app.audit_entries") == 0


def test_chains_are_listed_checked_and_exported(
    world: World, shell: CliRunner, tmp_path: Path
) -> None:
    assert say(shell, "audit", "ls") == "nothing was changed\n"
    assert say(shell, "audit", "verify") == "nothing is sealed yet\n"
    create_tenant(shell)
    say(shell, "tenant", "set", "--slug", "padaria", "--four-eyes", "on")
    assert "padaria  unsealed  operator:ana  tenant.rules_set" in say(shell, "audit", "ls")
    seal(world.settings)
    listed = say(shell, "audit", "ls", "--tenant", "padaria").splitlines()
    assert [line.split("  ")[2] for line in listed] == ["#2", "#1"]
    said = say(shell, "audit", "verify")
    assert "platform: 1 entries, head 1:" in said
    assert "padaria: 2 entries, head 2:" in said
    assert "FLAWS" not in said
    head = next(line for line in said.splitlines() if "padaria" in line).split()[4].rstrip(",")
    assert "unbroken" in say(shell, "audit", "verify", "--tenant", "padaria", "--head", head)
    file = tmp_path / "chain.ndjson"
    assert head in say(shell, "audit", "export", "--tenant", "padaria", "--to", str(file))
    assert "unbroken" in say(shell, "audit", "verify", "--file", str(file), "--head", head)
    printed = say(shell, "audit", "export", "--tenant", "padaria")
    assert printed.startswith(file.read_text("utf-8"))


def test_a_broken_chain_ends_with_1_and_says_where(
    world: World, shell: CliRunner, tmp_path: Path
) -> None:
    create_tenant(shell)
    say(shell, "tenant", "set", "--slug", "padaria", "--four-eyes", "on")
    seal(world.settings)
    file = tmp_path / "chain.ndjson"
    say(shell, "audit", "export", "--tenant", "padaria", "--to", str(file))
    file.write_text(file.read_text("utf-8").replace('"four_eyes":true', '"four_eyes":false'))
    assert "#2  changed" in say(shell, "audit", "verify", "--file", str(file), code=1)
    world.execute("alter table app.audit_entries disable trigger only_added")
    world.execute("update app.audit_entries set actor = 'operator:bia' where sequence = 2")
    said = say(shell, "audit", "verify", "--tenant", "padaria", code=1)
    assert "padaria: 2 entries" in said
    assert "1 FLAWS\n    #2  changed: its facts aren't those that were sealed" in said
    assert "unbroken" in say(shell, "audit", "verify", "--tenant", "platform")
