"""Plans, rates and tenants from the command line, on a migrated database."""

from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from carteiro.cli import app
from core.settings import Settings, get_settings
from tests.support.settings import SECRET_KEY


@pytest.fixture
def shell(
    database: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CliRunner]:
    monkeypatch.setenv("CARTEIRO_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("CARTEIRO_DATABASE_URL", database.database_url)
    monkeypatch.setenv("CARTEIRO_SECRET_KEY", SECRET_KEY)
    get_settings.cache_clear()
    yield CliRunner()
    get_settings.cache_clear()


def test_an_operator_gets_from_nothing_to_an_api_key(shell: CliRunner) -> None:
    assert shell.invoke(app, ["plans", "seed"]).output.count("stored plan") == 3
    assert shell.invoke(app, ["plans", "seed"]).output == "all example plans are stored\n"
    assert "new" in shell.invoke(app, ["rates", "import"]).output
    created = shell.invoke(app, _tenant("padaria", "start-brl"))
    assert (created.exit_code, created.output[:22]) == (0, "created tenant padaria")
    key = shell.invoke(app, ["tenant", "create-key", "--slug", "padaria", "--name", "ci"])
    assert key.exit_code == 0, key.output
    assert "ctr_live_" in key.output


def test_a_tenant_without_a_known_plan_is_not_created(shell: CliRunner) -> None:
    refused = shell.invoke(app, _tenant("padaria", "no-such-plan"))
    assert refused.exit_code == 1
    shell.invoke(app, ["plans", "seed"])
    assert shell.invoke(app, _tenant("padaria", "start-brl")).exit_code == 0


def _tenant(slug: str, plan: str) -> list[str]:
    place = ["--timezone", "America/Sao_Paulo", "--currency", "BRL", "--region", "BR"]
    return ["tenant", "create", "--slug", slug, "--name", "Padaria", *place, "--plan", plan]
